# SPDX-License-Identifier: Apache-2.0
"""The brain in process: equal bits in every composition, a verdict for every row, versions that swap and roll back."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stope.base.errors import FileError, RangeError, UnknownName
from stope.fleet.brain.answering import Answer, Brain, Request, Verdict, joined, split
from stope.fleet.brain.shelf import Shelf, number_of
from stope.fleet.brain.tiles import ROWS, Tile
from stope.learn.pilots import ScriptPilot, fly_skill
from stope.learn.policies import GruPolicy
from stope.learn.skills import shipped
from stope.world.tasks import CONTACT_TASKS
from tests.fleet.brains import request, shelf

SKILLS = ("anchor", "capture", "dock", "haul")
SHIPPED = Path(str(files("stope.learn") / "shipped"))


def bits(answer: Answer, rows: slice | list[int] = slice(None)) -> list[bytes]:
    return [array[rows].tobytes() for array in (answer.action, answer.memory, answer.verdict, answer.version)]


@pytest.mark.parametrize("skill", SKILLS)
def test_the_brain_does_what_the_policy_does(skill: str) -> None:
    version = shelf().current(skill)
    asked = request(version, 300)
    answer = Brain(shelf()).answer(asked)
    policy, tile = version.tile.policy, version.tile
    if isinstance(policy, GruPolicy):
        seen = tile.num_inputs - tile.num_told
        action, memory = policy.act(asked.observation[:, :seen], asked.observation[:, seen:], asked.memory)
        np.testing.assert_allclose(answer.memory, memory, atol=2e-6)  # ten roundings of float32 near 1
    else:
        action = policy.act(asked.observation)
    np.testing.assert_allclose(answer.action[:, : tile.num_actions], action, atol=2e-5)  # through weights up to 10
    assert (answer.version == version.number).all()
    assert not answer.verdict.any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(1, 2 * ROWS), min_size=1, max_size=8))
def test_a_row_has_the_same_bits_in_every_composition(seed: int, sizes: list[int]) -> None:
    """Rows of four skills, shuffled, cut into pieces of any size, each piece answered by itself and beside another."""
    brain, rng = Brain(shelf()), np.random.Generator(np.random.Philox(seed))
    whole = joined([request(shelf().current(skill), 70, seed=seed) for skill in SKILLS])
    together = brain.answer(whole)
    order = rng.permutation(len(whole))
    pieces = [rows for rows in np.split(order, np.cumsum(sizes)) if rows.size]
    parts = [taken(whole, rows) for rows in pieces]
    for rows, part, beside in zip(pieces, parts, split(brain.answer(joined(parts)), parts), strict=True):
        alone = brain.answer(part)
        assert bits(alone) == bits(together, rows.tolist()) == bits(beside)


def taken(asked: Request, rows: np.ndarray) -> Request:
    return Request(asked.observation[rows], asked.memory[rows], asked.skill[rows], asked.version[rows],
                   asked.age[rows], asked.mask[rows])  # fmt: skip


def test_each_fault_has_its_verdict_and_touches_no_other_row() -> None:
    version = shelf().current("capture")
    asked, brain = request(version, 12), Brain(shelf())
    clean = brain.answer(asked)
    asked.observation[1, 3], asked.observation[2, 5], asked.memory[3, 0] = np.nan, np.inf, np.nan
    asked.observation[4, 0], asked.memory[5, 1] = version.tile.high[0] * 1.01 + 1.0, 1.5
    asked.age[6], asked.age[7], asked.age[8] = 1.6, np.nan, -0.1
    asked.skill[9], asked.version[10], asked.mask[11] = 999, 12345, False
    answer = brain.answer(asked)
    names = [Verdict(v).name for v in answer.verdict]
    assert names == ["ACTED", *["NOT_FINITE"] * 3, *["OUT_OF_RANGE"] * 2, *["STALE"] * 3, "NO_SKILL", "NO_VERSION",
                     "MASKED"]  # fmt: skip
    assert not answer.action[1:].any()
    assert not answer.version[1:].any()
    assert np.isfinite(answer.memory).all()
    assert (answer.memory[6] == asked.memory[6]).all()
    assert bits(answer, [0]) == bits(clean, [0])


def test_columns_that_are_missing_are_refused_in_every_composition() -> None:
    narrow = Request.of(number_of("capture"), np.zeros((2, 10), dtype=np.float32), np.zeros((2, 64), dtype=np.float32))
    brain, other = Brain(shelf()), request(shelf().current("anchor"), 3)
    parts = [narrow, other]
    beside = split(brain.answer(joined(parts)), parts)[0]
    assert (brain.answer(narrow).verdict == Verdict.NOT_FINITE).all()
    assert (beside.verdict == Verdict.NOT_FINITE).all()


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(RangeError, match=r"Request.memory: shape \(2, 64\): expected 3 rows in 2 dimensions"):
        Request.of(1, np.zeros((3, 79), dtype=np.float32), np.zeros((2, 64), dtype=np.float32))


@pytest.mark.slow  # minutes where the contact kernels are not compiled yet
def test_what_robots_really_see_is_in_range() -> None:
    """The anchor script in two worlds: the brain refuses hardly a row of it."""
    work = CONTACT_TASKS.get("anchor")()
    seen: list[np.ndarray] = []

    class Watched(ScriptPilot):
        def act(self, observation: np.ndarray, belief: np.ndarray) -> np.ndarray:
            seen.append(np.concatenate([observation, belief], axis=1, dtype=np.float32))
            return super().act(observation, belief)

    fly_skill(Watched(work), work.batch(num_worlds=2, seed=1, num_threads=1))
    rows = np.concatenate(seen)
    answer = Brain(shelf()).answer(Request.of(number_of("anchor"), rows, np.zeros((len(rows), 64), dtype=np.float32)))
    assert len(rows) > 500
    assert (answer.verdict == Verdict.ACTED).all()


def test_a_damaged_file_changes_nothing_and_a_new_one_takes_over(tmp_path: Path) -> None:
    file = tmp_path / "capture.safetensors"
    shutil.copy(SHIPPED / "capture.safetensors", file)
    held = Shelf(tmp_path)
    first = held.current("capture").number
    file.write_bytes(file.read_bytes()[:-100])
    (problem,) = held.reload()
    assert problem.startswith(f"{file}: ")
    assert held.current("capture").number == first
    assert held.reload() == []  # told once
    variant(0.9).save(file)
    assert held.reload() == []
    second = held.current("capture").number
    assert second != first
    asked = request(held.current("capture"), 5)
    old = Request.of(number_of("capture"), asked.observation, asked.memory, version=first)
    brain = Brain(held)
    assert (brain.answer(asked).version == second).all()
    assert (brain.answer(old).version == first).all()  # still held, for robots that ask for it
    held.roll_back("capture")
    assert (brain.answer(asked).version == first).all()
    file.touch()
    (problem,) = held.reload()
    assert "was rolled back" in problem


def variant(factor: float) -> GruPolicy:
    """The shipped capture with a last layer that is so many times as large."""
    policy, _ = shipped("capture")
    assert isinstance(policy, GruPolicy)
    return GruPolicy(policy.weights | {"2.weight": factor * policy.weights["2.weight"]}, policy.card)


def test_a_version_whose_actions_are_no_numbers_is_given_up() -> None:
    held = Shelf()
    first = held.current("capture").number
    version = held.put("capture", variant(0.8), source="new")
    version.tile.policy.weights["2.bias"][0] = torch.nan  # a memory cell that flipped after the check
    asked, brain = request(version, 4), Brain(held)
    answer = brain.answer(asked)
    assert (answer.verdict == Verdict.BAD_ACTION).all()
    assert not answer.action.any()
    assert held.num_rolled_back == 1
    assert (brain.answer(asked).version == first).all()


def test_a_policy_whose_weights_overflow_is_refused_before_it_acts() -> None:
    held = Shelf()
    before = held.current("capture").number
    policy = variant(1.0)
    broken = GruPolicy(policy.weights | {"0.weight": 3e38 * torch.sign(policy.weights["0.weight"])}, policy.card)
    with pytest.raises(FileError, match=r"new: "):
        held.put("capture", broken, source="new")
    assert held.current("capture").number == before


def test_shelves_refuse_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no policy"):
        Shelf(tmp_path)
    shutil.copy(SHIPPED / "dock.safetensors", tmp_path / "dok.safetensors")
    with pytest.raises(FileError, match=r"no skill 'dok'. Closest: 'dock'"):
        Shelf(tmp_path)
    with pytest.raises(FileError, match="nothing to roll back to"):
        shelf().roll_back("dock")
    with pytest.raises(UnknownName, match="no skill 'fly'"):
        number_of("fly")


def test_a_file_is_served_under_the_skill_of_its_card_alone(tmp_path: Path) -> None:
    folder = files("stope.learn") / "shipped"
    shutil.copy(str(folder / "dock.safetensors"), tmp_path / "haul.safetensors")
    with pytest.raises(FileError, match="a policy of task 'dock': expected 'haul'"):
        Shelf(tmp_path)


def test_a_roll_back_while_a_new_version_is_checked_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Shelf()
    first = held.current("capture").number
    second = held.put("capture", variant(0.9), source="second").number
    check = Tile.check

    def slow(self: Tile, *, where: str) -> None:
        held.roll_back("capture")  # an operator's order from another thread, meanwhile
        check(self, where=where)

    monkeypatch.setattr(Tile, "check", slow)
    third = held.put("capture", variant(0.8), source="third").number
    monkeypatch.setattr(Tile, "check", check)
    assert held.current("capture").number == third
    assert held.find(number_of("capture"), second) is None
    assert held.roll_back("capture").number == first
