# SPDX-License-Identifier: Apache-2.0
"""Policy files: what is saved comes back to the bit, executes nothing, and a fault is one line that names the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file

from stope.base.errors import FileError
from stope.learn.policies import MlpPolicy
from stope.learn.policies.mlp import NUM_INPUTS
from stope.world.allocation import Allocation
from stope.world.robots import load_robot
from stope.world.tasks import dock

Tensors = dict[str, torch.Tensor]
Edit = Callable[[Tensors, dict[str, str]], None]


@pytest.fixture
def policy() -> MlpPolicy:
    """A policy with random weights."""
    rng = torch.Generator().manual_seed(1)
    sizes = ((8, NUM_INPUTS), (8, 8), (6, 8))
    weights = {f"{k}.weight": torch.randn(size, generator=rng) for k, size in enumerate(sizes)}
    weights |= {f"{k}.bias": torch.randn(size[0], generator=rng) for k, size in enumerate(sizes)}
    return MlpPolicy(weights, Allocation.of(load_robot("bee-gas")), {"task": "dock"})


def observations(num: int = 5) -> NDArray[np.float32]:
    """Observations of the right width."""
    return np.random.default_rng(2).standard_normal((num, dock.NUM_OBSERVATION)).astype(np.float32)


def edit(path: Path, change: Edit) -> None:
    """Change tensors and header of a policy file."""
    with safe_open(str(path), framework="pt") as file:
        header, tensors = dict(file.metadata()), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    change(tensors, header)
    save_file(tensors, str(path), metadata=header)


def test_saved_policy_comes_back_to_the_bit(policy: MlpPolicy, tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    policy.save(path)
    again = MlpPolicy.load(path)
    assert (again.digest, again.card) == (policy.digest, policy.card)
    assert np.array_equal(again.act(observations()), policy.act(observations()))


def test_actions_are_shares_of_the_limits(policy: MlpPolicy) -> None:
    actions = policy.act(np.float32(100.0) * observations())
    assert actions.shape == (5, 6)
    assert np.abs(actions).max() <= 1.0


def test_actions_of_a_world_do_not_depend_on_the_others(policy: MlpPolicy) -> None:
    """A batch of one and a batch of many ask for the same; sums may differ in the last bit of float32."""
    one = policy.act(observations()[2:3])
    assert np.allclose(policy.act(observations())[2:3], one, atol=1e-6)


def test_digest_sees_every_weight_and_the_allocation(policy: MlpPolicy) -> None:
    digests = {policy.digest}
    for name in policy.weights:
        changed = MlpPolicy({k: v + (k == name) * 1e-6 for k, v in policy.weights.items()}, policy.allocation, {})
        digests.add(changed.digest)
    digests.add(MlpPolicy(policy.weights, Allocation.of(load_robot("bee-cabin")), {}).digest)
    assert len(digests) == len(policy.weights) + 2


def set_header(key: str, value: str) -> Edit:
    """A fault of the header."""

    def change(tensors: Tensors, header: dict[str, str]) -> None:
        header[key] = value

    return change


def set_tensor(key: str, value: torch.Tensor | None) -> Edit:
    """A fault of the tensors; None takes one out."""

    def change(tensors: Tensors, header: dict[str, str]) -> None:
        tensors.pop(key, None)
        if value is not None:
            tensors[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (set_header("format", "stope-policy-9"), "format 'stope-policy-9': expected a 'stope-policy-1'"),
        (set_header("family", "gru"), "expected a 'stope-policy-1' of"),
        (set_header("card", "{"), "its card is not JSON"),
        (set_tensor("allocation.limit", None), "no allocation.limit"),
        (set_tensor("allocation.limit", torch.zeros(3, dtype=torch.float64)), "allocation of shapes"),
        (set_tensor("1.weight", None), "expected 0.weight, 0.bias, 1.weight"),
        (set_tensor("extra", torch.zeros(3)), "expected 0.weight, 0.bias, 1.weight"),
        (set_tensor("1.weight", torch.zeros(8, 9)), "do not fit together"),
        (set_tensor("0.weight", torch.zeros(8, 3)), f"expected {NUM_INPUTS} inputs and 6 outputs"),
        (set_tensor("2.bias", torch.zeros(5)), "do not fit together"),
        (set_tensor("0.bias", torch.full((8,), float("nan"))), "0.bias of torch.float32: expected finite"),
        (set_tensor("allocation.limit", torch.ones(6, dtype=torch.int64)), "allocation.limit of torch.int64: expected"),
        (set_tensor("allocation.limit", torch.full((6,), np.inf, dtype=torch.float64)), "expected finite numbers"),
        (set_header("card", "[1]"), "its card is a list: expected an object"),
        (set_tensor("0.bias", torch.full((8,), 0.5)), "weights or card are not those that were written"),
        (set_header("card", '{"task": "haul"}'), "weights or card are not those that were written"),
        (set_header("seal", ""), "weights or card are not those that were written"),
    ],
)
def test_changed_policy_file_is_refused(policy: MlpPolicy, tmp_path: Path, change: Edit, text: str) -> None:
    path = tmp_path / "p.safetensors"
    policy.save(path)
    edit(path, change)
    with pytest.raises(FileError) as refusal:
        MlpPolicy.load(path)
    assert text in str(refusal.value)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, -1])
def test_truncated_policy_file_is_refused(policy: MlpPolicy, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "p.safetensors"
    policy.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FileError, match="not a whole safetensors file"):
        MlpPolicy.load(path)


def test_missing_policy_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no such policy file\. Train one: `stope train dock --out"):
        MlpPolicy.load(tmp_path / "p.safetensors")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_no_thrust_but_nan(policy: MlpPolicy, bad: float) -> None:
    seen = observations()
    right = policy.act(seen)
    seen[2, 5] = bad
    found = policy.act(seen)
    assert np.isnan(found[2]).all()
    assert np.array_equal(found[[0, 1, 3, 4]], right[[0, 1, 3, 4]])
