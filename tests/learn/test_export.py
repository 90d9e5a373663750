# SPDX-License-Identifier: Apache-2.0
"""Exported policies: the model acts as the policy does in ONNX Runtime, says what it is, and a fault is one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from stope import __version__
from stope.base.errors import FileError
from stope.learn.export import export_policy, interface, load_policy, onnx_model
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.policies.mlp import NUM_INPUTS
from stope.world.allocation import Allocation
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import load_robot
from stope.world.tasks import AnchorTask, dock
from stope.world.told import JOINT_PARAMETERS, NUM_SUMMARY

Floats = NDArray[np.float32]
Policy = GruPolicy | MlpPolicy
MEMORY = 64
TOLERANCE = 1e-5
"""Rounding of float32 is 6e-8; a few hundred products, then 10,000 steps of a memory that forgets, multiply that."""


def gru(scale: float = 1.0) -> GruPolicy:
    """A policy for `anchor` with random weights of the size that torch starts with, times `scale`."""
    names = {"observation_names": list(AnchorTask.observation_names), "action_names": list(AnchorTask.action_names)}
    inputs = len(AnchorTask.observation_names) + NUM_SUMMARY
    rng = np.random.default_rng(3)
    shapes = {
        "memory.weight_ih": (3 * MEMORY, inputs), "memory.weight_hh": (3 * MEMORY, MEMORY),
        "memory.bias_ih": (3 * MEMORY,), "memory.bias_hh": (3 * MEMORY,),
        "0.weight": (32, 2 * inputs - NUM_SUMMARY + MEMORY), "0.bias": (32,),
        "1.weight": (len(AnchorTask.action_names), 32),
        "1.bias": (len(AnchorTask.action_names),),
    }  # fmt: skip
    weights = {k: scale * rng.uniform(-1.0, 1.0, size) / np.sqrt(size[-1]) for k, size in shapes.items()}
    weights |= {"input.mean": rng.standard_normal(inputs), "input.std": rng.uniform(0.05, 2.0, inputs)}
    return GruPolicy({k: torch.from_numpy(v) for k, v in weights.items()}, {"task": "anchor", **names})


def mlp(robot: str = "bee-gas", scale: float = 1.0) -> MlpPolicy:
    """A policy for `dock` with random weights, made as those of `gru`."""
    rng, sizes = np.random.default_rng(4), ((64, NUM_INPUTS), (64, 64), (6, 64))
    weights = {f"{k}.weight": scale * rng.uniform(-1.0, 1.0, size) / np.sqrt(size[1]) for k, size in enumerate(sizes)}
    weights |= {f"{k}.bias": rng.uniform(-0.1, 0.1, size[0]) for k, size in enumerate(sizes)}
    tensors = {k: torch.from_numpy(v) for k, v in weights.items()}
    return MlpPolicy(tensors, Allocation.of(load_robot(robot)), {"task": "dock"})


def allocation_alone(robot: str) -> MlpPolicy:
    """A policy that wants what its first six inputs say."""
    weights = {"0.weight": torch.eye(6, NUM_INPUTS), "0.bias": torch.zeros(6)}
    return MlpPolicy(weights, Allocation.of(load_robot(robot)), {})


FAMILIES: dict[str, Callable[[], Policy]] = {"gru": gru, "mlp": mlp}
EACH_FAMILY = pytest.mark.parametrize("make", FAMILIES.values(), ids=FAMILIES)


def model_of(policy: Policy) -> Callable[[dict[str, Floats]], list[Floats]]:
    """The model in ONNX Runtime, on one thread: from inputs to outputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    data = onnx_model(policy).SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda given: cast("list[Floats]", session.run(None, given))


def inputs(policy: Policy, num: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Random observations and beliefs of n worlds, and a memory at its start."""
    widths = {k: len(interface(policy)[f"{k}_names"]) for k in ("observation", "belief")}
    given = {k: rng.standard_normal((num, width), np.float32) for k, width in widths.items()}
    if isinstance(policy, MlpPolicy):
        given["belief"][:, dock.RESIDUAL :] *= np.float32(dock.MEAN_SCALE)
        return given
    return given | {"memory": policy.start(num)}


def act(policy: Policy, given: dict[str, Floats]) -> list[Floats]:
    """What the policy itself does: action, and memory where it has one."""
    if isinstance(policy, GruPolicy):
        return list(policy.act(given["observation"], given["belief"], given["memory"]))
    return [policy.act(np.concatenate([given["observation"], given["belief"]], axis=1))]


def largest_difference(policy: Policy, *, num: int, steps: int) -> float:
    """Between policy and model [1], each with a memory of its own."""
    model, rng = model_of(policy), np.random.default_rng(5)
    theirs, mine, inside, worst = {}, {}, 0.0, 0.0
    for _ in range(steps):
        given = inputs(policy, num, rng)
        found, wanted = model(given | theirs), act(policy, given | mine)
        worst = max(worst, *(np.abs(a - b).max() for a, b in zip(found, wanted, strict=True)))
        inside += float((np.abs(wanted[0]) < 1.0).mean()) / steps
        if isinstance(policy, GruPolicy):
            theirs, mine = {"memory": found[1]}, {"memory": wanted[1]}
    assert inside > 0.3  # what is clipped would agree anyway
    return worst


@EACH_FAMILY
def test_model_acts_as_the_policy_over_ten_thousand_steps(make: Callable[[], Policy]) -> None:
    assert largest_difference(make(), num=1, steps=10_000) < TOLERANCE


@EACH_FAMILY
@pytest.mark.parametrize("num", [1, 256])
def test_model_takes_any_number_of_worlds(make: Callable[[], Policy], num: int) -> None:
    assert largest_difference(make(), num=num, steps=40) < TOLERANCE


@pytest.mark.parametrize("robot", ["bee-gas", "bee-cabin", "hauler"])
def test_allocation_is_in_the_model_to_the_last_digits_of_float32(robot: str) -> None:
    """Only the error function is in float32: 6e-8 of the payload's spread, and the shares are rounded to 6e-8."""
    assert largest_difference(allocation_alone(robot), num=10_000, steps=1) < 5e-7


def test_a_belief_moves_the_actions_of_the_model() -> None:
    given = inputs(mlp(), 1, np.random.default_rng(6))
    model = model_of(mlp())
    (action,) = model(given)
    for name in ("mass", "com_x", "inertia_d1", "inertia_s12", "gain_fx", "gain_tz", "payload"):
        other = given["belief"].copy()
        other[0, dock.RESIDUAL + index_of(name)] += np.float32(dock.MEAN_SCALE)
        assert np.abs(model(given | {"belief": other})[0] - action).max() > 1e-5, name


@EACH_FAMILY
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_back_as_nan_in_its_row_alone(make: Callable[[], Policy], bad: float) -> None:
    policy, rng = make(), np.random.default_rng(7)
    model, given = model_of(policy), inputs(make(), 3, rng)
    whole = model(given)
    for name, value in given.items():
        for column in range(value.shape[1]):
            broken = value.copy()
            broken[1, column] = bad
            for found, right in zip(model(given | {name: broken}), whole, strict=True):
                assert np.isnan(found[1]).all(), (name, column)
                assert np.allclose(found[::2], right[::2], atol=1e-6)


def test_policy_with_memory_gives_nan_for_nan_as_its_model_does() -> None:
    policy = gru()
    given = inputs(policy, 2, np.random.default_rng(8))
    for name, value in given.items():
        broken = value.copy()
        broken[1, 0] = np.nan
        for found in act(policy, given | {name: broken}):
            assert np.isnan(found[1]).all()
            assert np.isfinite(found[0]).all()


@EACH_FAMILY
def test_file_says_what_it_is(make: Callable[[], Policy], tmp_path: Path) -> None:
    policy = make()
    policy.save(tmp_path / "p.safetensors")
    made = export_policy(tmp_path / "p.safetensors", tmp_path / "p.onnx")
    model = onnxruntime.InferenceSession(made["onnx"], providers=["CPUExecutionProvider"])
    about: dict[str, str] = model.get_modelmeta().custom_metadata_map
    told = {k: about[k] for k in ("format", "family", "digest", "stope_version", "licence")}
    assert told == {"format": "stope-onnx-1", "family": policy.family, "digest": policy.digest,
                    "stope_version": __version__, "licence": "Apache-2.0"}  # fmt: skip
    assert json.loads(about["card"]) == policy.card
    sizes = {end.name: end.shape[1] for end in model.get_inputs()}
    assert sizes == made["inputs"]
    assert [end.name for end in model.get_outputs()] == list(made["outputs"])
    for end in (*model.get_inputs(), *model.get_outputs()):
        assert (end.type, end.shape[0]) == ("tensor(float)", "n")
    for kind, width in (("observation", sizes["observation"]), ("belief", sizes["belief"]),
                        ("action", made["outputs"]["action"])):  # fmt: skip
        names = json.loads(about[f"{kind}_names"])
        assert len(set(names)) == len(names) == width
    assert made["largest_difference"] < TOLERANCE


def test_same_policy_gives_the_same_file(tmp_path: Path) -> None:
    gru().save(tmp_path / "p.safetensors")
    for name in ("a.onnx", "b.onnx"):
        export_policy(tmp_path / "p.safetensors", tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_licence_that_a_card_names_is_kept() -> None:
    policy = mlp()
    policy.card = {"licence": "CC0-1.0"}
    assert {p.key: p.value for p in onnx_model(policy).metadata_props}["licence"] == "CC0-1.0"


def test_names_of_the_motion_are_what_dock_observes() -> None:
    """A number in brackets is what stands for 1."""
    names = interface(mlp())
    measured, belief, out = np.zeros(13), np.zeros(2 * NUM_PARAMETERS), np.zeros(dock.NUM_OBSERVATION, np.float32)
    measured[3] = 1.0
    values = {"position_y_b [m]": (1, 1.0), "velocity_z_b [0.2 m/s]": (9, 0.2), "rate_x_b [0.5 rad/s]": (10, 0.5)}
    for at, value in values.values():
        measured[at] = value
    belief[index_of("residual_z")], belief[0], belief[NUM_PARAMETERS] = 1.0, 10.0, 20.0
    dock.observe(measured, np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), belief, out)
    told = dict(zip(names["observation_names"] + names["belief_names"], out.tolist(), strict=True))
    ones = (*values, "residual_z_b: mean of z [1]", "mass: mean of z [10]", "mass: log standard deviation of z [20]",
            "last action: torque_z_b [limit]")  # fmt: skip
    assert [told.pop(name) for name in ones] == pytest.approx([1.0] * len(ones))
    assert told.pop("position_y_b, tanh of 5 times it") == pytest.approx(np.tanh(5.0))
    assert told.pop("residual_z: mean of z [10]") == pytest.approx(0.1)
    assert not any(told.values())
    measured[:] = 0.0
    measured[3:7] = -np.sqrt(0.5), 0.0, -np.sqrt(0.5), 0.0  # a quarter turn about y, w negative
    dock.observe(measured, np.zeros(6), belief, out)
    told = dict(zip(names["observation_names"], out.tolist(), strict=False))
    assert told["attitude_y: of q_lb with w >= 0 [1]"] == pytest.approx(np.sqrt(0.5))


def test_names_of_belief_and_actions_say_what_they_are() -> None:
    names = interface(gru())
    assert names["belief_names"][0] == "mass: mean of z [1]"
    assert names["belief_names"][len(JOINT_PARAMETERS) - 1] == "boulder_fraction: mean of z [1]"
    assert names["belief_names"][-1] == "cohesion and k_mu: correlation [1]"
    limits = load_robot("bee-gas").limit_b
    assert interface(mlp())["action_names"][0] == f"force_x_b [{limits[0]:g} N]"
    assert interface(mlp())["action_names"][5] == f"torque_z_b [{limits[5]:g} N m]"


def test_policies_that_come_with_the_package_can_be_exported(tmp_path: Path) -> None:
    shipped = [file for file in (files("stope.learn") / "shipped").iterdir() if file.name.endswith(".safetensors")]
    for file in shipped:
        assert export_policy(Path(str(file)), tmp_path / "p.onnx")["largest_difference"] < TOLERANCE, file.name


def unnamed(policy: GruPolicy) -> None:
    """A card that says nothing."""
    policy.card = {}


def misnamed(policy: GruPolicy) -> None:
    """A card with a name too few."""
    policy.card["action_names"] = policy.card["action_names"][1:]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (unnamed, f"card.observation_names: expected a list of {len(AnchorTask.observation_names)} names"),
        (misnamed, f"card.action_names: expected a list of {len(AnchorTask.action_names)} names"),
    ],
)
def test_policy_that_does_not_name_its_numbers_is_refused(
    tmp_path: Path, change: Callable[[GruPolicy], None], text: str
) -> None:
    policy, path = gru(), tmp_path / "p.safetensors"
    change(policy)
    policy.save(path)
    with pytest.raises(FileError) as refusal:
        export_policy(path, tmp_path / "p.onnx")
    assert str(refusal.value).startswith(f"{path}: {text}")
    assert not (tmp_path / "p.onnx").exists()


def test_weights_that_float32_cannot_carry_are_refused(tmp_path: Path) -> None:
    mlp(scale=3e37).save(tmp_path / "p.safetensors")
    with pytest.raises(FileError, match=r"model and policy differ by nan on random inputs: expected at most 0\.0001\."):
        export_policy(tmp_path / "p.safetensors", tmp_path / "p.onnx")
    assert not (tmp_path / "p.onnx").exists()


@EACH_FAMILY
def test_either_family_is_loaded_by_what_its_file_says(make: Callable[[], Policy], tmp_path: Path) -> None:
    make().save(tmp_path / "p.safetensors")
    assert type(load_policy(tmp_path / "p.safetensors")) is type(make())


def test_the_flight_in_the_documentation_flies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "export-a-policy.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", page, re.S)
    assert example
    monkeypatch.chdir(tmp_path)
    for make in FAMILIES.values():
        make().save(tmp_path / "policy.safetensors")
        export_policy(tmp_path / "policy.safetensors", tmp_path / "policy.onnx")
        space: dict[str, Any] = {}
        exec(compile(example.group(1), "export-a-policy.md", "exec"), space)
        assert np.isfinite(space["action"]).all()
        assert len(space["kept"]) == (make is gru)
