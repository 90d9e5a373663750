# SPDX-License-Identifier: Apache-2.0
"""GruPolicy: memory is explicit, files come back as written, and what is not whole is refused with one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from stope.base.errors import ConfigError, FileError
from stope.learn.policies import GruPolicy
from stope.learn.skill_assess import check_policy
from stope.world.tasks import AnchorTask, DigTask
from stope.world.told import NUM_SUMMARY

SEEN, ACTIONS, MEMORY, HIDDEN = 21, 7, 5, 4


def policy(seed: int = 0, *, card: dict[str, object] | None = None) -> GruPolicy:
    """Random weights for the anchor task."""
    g = torch.Generator().manual_seed(seed)
    inputs = SEEN + NUM_SUMMARY

    def draw(*shape: int) -> torch.Tensor:
        return 0.3 * torch.randn(*shape, generator=g)

    return GruPolicy({
        "input.mean": draw(inputs), "input.std": 0.5 + torch.rand(inputs, generator=g),
        "memory.weight_ih": draw(3 * MEMORY, inputs), "memory.weight_hh": draw(3 * MEMORY, MEMORY),
        "memory.bias_ih": draw(3 * MEMORY), "memory.bias_hh": draw(3 * MEMORY),
        "0.weight": draw(HIDDEN, inputs + SEEN + MEMORY), "0.bias": draw(HIDDEN),
        "1.weight": draw(ACTIONS, HIDDEN), "1.bias": draw(ACTIONS),
    }, {"task": "anchor"} if card is None else dict(card))  # fmt: skip


def drawn(num: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Observations and beliefs."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((num, SEEN)).astype(np.float32), rng.standard_normal((num, NUM_SUMMARY))


def by_hand(p: GruPolicy, given_inputs: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same in plain numpy, from the equations of a GRU."""
    w = {k: v.numpy().astype(np.float64) for k, v in p.weights.items()}
    x = np.clip((given_inputs - w["input.mean"]) / w["input.std"], -10, 10)
    a = x @ w["memory.weight_ih"].T + w["memory.bias_ih"]
    b = memory @ w["memory.weight_hh"].T + w["memory.bias_hh"]
    m = MEMORY
    reset, keep = (1.0 / (1.0 + np.exp(-(a[:, i : i + m] + b[:, i : i + m]))) for i in (0, m))
    new = np.tanh(a[:, 2 * m :] + reset * b[:, 2 * m :])
    kept = (1.0 - keep) * new + keep * memory
    near = np.tanh(10.0 * given_inputs[:, :SEEN] / w["input.std"][:SEEN])
    y = np.concatenate([x, near, kept], axis=1) @ w["0.weight"].T + w["0.bias"]
    y = np.where(y > 0, y, np.expm1(np.minimum(y, 0.0)))
    return np.clip(y @ w["1.weight"].T + w["1.bias"], -1, 1), kept


def test_it_is_the_gru_of_the_equations() -> None:
    p = policy()
    memory = p.start(6)
    mine = memory.astype(np.float64)
    for step in range(20):
        seen, belief = drawn(6, step)
        action, memory = p.act(seen, belief, memory)
        wanted, mine = by_hand(p, np.concatenate([seen, belief], axis=1), mine)
        assert np.abs(action - wanted).max() < 1e-5
        assert np.abs(memory - mine).max() < 1e-5


@given(seed=st.integers(0, 100), num=st.integers(1, 5))
def test_worlds_do_not_see_each_other(seed: int, num: int) -> None:
    p = policy(seed)
    seen, belief = drawn(num, seed)
    whole, _ = p.act(seen, belief, p.start(num))
    for i in range(num):
        alone, _ = p.act(seen[i : i + 1], belief[i : i + 1], p.start(1))
        assert np.abs(alone[0] - whole[i]).max() < 1e-5  # float32, sums in another order


def test_the_belief_and_the_memory_matter() -> None:
    p = policy()
    seen, belief = drawn(4)
    first, memory = p.act(seen, belief, p.start(4))
    assert np.abs(p.act(seen, belief + 1.0, p.start(4))[0] - first).max() > 1e-3
    assert np.abs(p.act(seen, belief, memory)[0] - first).max() > 1e-3


def test_a_file_comes_back_as_written(tmp_path: Path) -> None:
    p, path = policy(card={"task": "anchor", "n": 3}), tmp_path / "p.safetensors"
    p.save(path)
    q = GruPolicy.load(path)
    assert (q.digest, q.card) == (p.digest, p.card)
    seen, belief = drawn(3)
    assert (p.act(seen, belief, p.start(3))[0] == q.act(seen, belief, q.start(3))[0]).all()


def _changed(path: Path, out: Path, **change: torch.Tensor | None) -> Path:
    """The file with tensors replaced, or left out."""
    with safe_open(str(path), framework="pt") as file:
        header = file.metadata()
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 -- not a mapping
    for name, value in change.items():
        key = name.replace("__", ".")
        if value is None:
            del tensors[key]
        else:
            tensors[key] = value
    save_file(tensors, str(out), metadata=header)
    return out


def test_what_is_not_whole_is_refused(tmp_path: Path) -> None:
    p, path = policy(), tmp_path / "p.safetensors"
    p.save(path)
    cases = {
        "expected finite": _changed(path, tmp_path / "a", **{"0__bias": torch.full((HIDDEN,), torch.nan)}),
        "of shape": _changed(path, tmp_path / "b", **{"1__weight": torch.zeros(ACTIONS, HIDDEN + 1)}),
        "tensors": _changed(path, tmp_path / "c", **{"memory__bias_hh": None}),
        "not those that were written": _changed(path, tmp_path / "d", **{"0__bias": torch.zeros(HIDDEN)}),
        "no such policy file": tmp_path / "e",
    }
    for text, file in cases.items():
        with pytest.raises(FileError, match=text) as caught:
            GruPolicy.load(file)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


@given(where=st.floats(0.0, 1.0, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, where: float, bit: int) -> None:
    folder = tmp_path_factory.mktemp("bits")
    path = folder / "p.safetensors"
    policy().save(path)
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(FileError):
        GruPolicy.load(path)


def test_a_card_that_was_changed_is_refused(tmp_path: Path) -> None:
    p, path = policy(), tmp_path / "p.safetensors"
    p.save(path)
    with safe_open(str(path), framework="pt") as file:
        header = file.metadata()
    save_file(p.weights, str(path), metadata=header | {"card": json.dumps({"task": "dig"})})
    with pytest.raises(FileError, match="not those that were written"):
        GruPolicy.load(path)


def test_a_policy_of_another_task_is_refused() -> None:
    check_policy(policy(), AnchorTask(), "anchor", "file")
    with pytest.raises(ConfigError, match="file: a policy of task 'anchor': expected one of 'dig'"):
        check_policy(policy(), DigTask(), "dig", "file")
    with pytest.raises(ConfigError, match="inputs and 7 actions: expected"):
        check_policy(policy(card={"task": "dig"}), DigTask(), "dig", "file")


@pytest.mark.parametrize("change", [lambda names: ["velocity_x_b [m/s]", *names[1:]], lambda names: names[:-1]])
def test_a_policy_that_saw_other_numbers_is_refused(change: Callable[[list[str]], list[str]]) -> None:
    """As many, of another meaning or scale."""
    names = list(AnchorTask().observation_names)
    check_policy(policy(card={"task": "anchor", "observation_names": names}), AnchorTask(), "anchor", "file")
    with pytest.raises(ConfigError, match=r"file: observation \d+ is .*: expected '.*' of task 'anchor'"):
        check_policy(
            policy(card={"task": "anchor", "observation_names": change(names)}), AnchorTask(), "anchor", "file"
        )
