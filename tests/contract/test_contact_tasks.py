# SPDX-License-Identifier: Apache-2.0
"""The contract of every task with contact, and what its scripted baseline achieves beside doing nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stope.base.errors import ConfigError, RangeError, UnknownName
from stope.cli.settings import field_docs
from stope.learn.pilots import ScriptPilot, fly_skill
from stope.learn.practice import TASK_NAMES, practise
from stope.world import ground as g
from stope.world.contact_env import ContactBatch
from stope.world.regolith import drum as d
from stope.world.tasks import CONTACT_TASKS, AnchorTask, CaptureTask, DigTask
from stope.world.tasks.anchor import STANDING

Floats = NDArray[np.float64]
BATCHED = tuple(name for name in CONTACT_TASKS if name != "hop")  # a hop is its own batch: tests/world/test_hop.py


@cache
def batch_of(name: str, threads: int = 1) -> ContactBatch:
    return ContactBatch(CONTACT_TASKS.get(name)(), num_worlds=6, seed=3, num_threads=threads)


def fly(batch: ContactBatch, num: int) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    batch.episodes[:], batch._ticks = 0, 0
    seen = [batch.reset()]
    for _ in range(num):
        seen += list(batch.step(rng.uniform(-1.0, 1.0, batch.action.shape)))
    return seen


@pytest.mark.parametrize("name", BATCHED)
def test_a_hundred_random_steps_are_finite_and_named(name: str) -> None:
    batch = batch_of(name)
    task = batch.task
    for array in fly(batch, 100):
        assert np.isfinite(array).all()
    observation = batch.step(np.zeros_like(batch.action))[0]
    assert observation.shape == (6, len(task.observation_names))
    assert observation.dtype == np.float32
    terms = task.reward(batch, batch.action)
    assert terms.shape == (6, len(task.reward_names)) == (6, len(task.reward_weights))
    assert ((terms >= 0.0) & (terms <= 1.0 + 1e-12)).all()


@pytest.mark.parametrize("name", BATCHED)
def test_the_same_seed_gives_the_same_episodes_on_one_and_on_two_threads(name: str) -> None:
    for one, two in zip(fly(batch_of(name), 30), fly(batch_of(name, 2), 30), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", BATCHED)
def test_a_snapshot_is_exact(name: str) -> None:
    batch = batch_of(name)
    fly(batch, 10)
    kept, action = batch.snapshot(), np.full(batch.action.shape, 0.2)
    first = [batch.step(action)[0] for _ in range(5)]
    batch.restore(kept)
    np.testing.assert_array_equal(first[-1], [batch.step(action)[0] for _ in range(5)][-1])


@pytest.mark.parametrize("name", BATCHED)
def test_a_snapshot_brings_back_later_episodes_in_a_new_batch(name: str) -> None:
    """Rocks, surfaces and links of the present episodes too, which a new batch has never had."""
    batch, other = (ContactBatch(CONTACT_TASKS.get(name)(), num_worlds=4, seed=3) for _ in range(2))
    batch.reset()
    batch.reset([0, 2, 3])
    rng = np.random.default_rng(2)
    for _ in range(3):
        batch.step(rng.uniform(-1.0, 1.0, batch.action.shape))
    other.reset()
    other.restore(batch.snapshot())
    for _ in range(5):
        action = rng.uniform(-1.0, 1.0, batch.action.shape)
        np.testing.assert_array_equal(batch.step(action)[0], other.step(action)[0])


@pytest.mark.parametrize("name", BATCHED)
def test_an_action_that_cannot_be_is_refused(name: str) -> None:
    batch = batch_of(name)
    batch.reset()
    with pytest.raises(RangeError, match="actions of shape"):
        batch.step(np.zeros((6, 99)))
    with pytest.raises(RangeError, match="finite"):
        batch.step(np.full(batch.action.shape, np.nan))


@pytest.mark.parametrize("name", BATCHED)
def test_every_setting_has_a_unit_in_its_text_and_a_time_limit_must_fit(name: str) -> None:
    kind: Any = CONTACT_TASKS.get(name)
    docs = field_docs(kind)
    assert all(docs[f.name] for f in fields(kind))
    with pytest.raises(ConfigError, match="whole number of control periods"):
        ContactBatch(replace(kind(), time_limit=kind().time_limit + 0.05), num_worlds=1, seed=1)


@pytest.mark.parametrize(("name", "num"), [("anchor", 24), ("capture", 10), ("dig", 16), ("haul", 64), ("dock", 64)])
def test_the_script_does_it_in_half_of_the_episodes_and_nothing_in_none(name: str, num: int) -> None:
    found = practise(name, num=num, seed=5)
    assert found["script"]["success"] >= 0.5
    assert found["nothing"]["success"] == 0.0
    assert found["script"]["n"] == num


def test_practice_of_an_unknown_task_names_the_closest() -> None:
    assert {"anchor", "capture", "dig", "dock", "haul", "hop"} == set(TASK_NAMES)
    with pytest.raises(UnknownName, match="Closest: 'anchor'"):
        practise("ancor", num=1, seed=1)


def test_anchors_are_judged_with_the_thrusters_shut() -> None:
    task = AnchorTask(push_start=1.0, time_limit=4.0)
    batch = ContactBatch(task, num_worlds=2, seed=1)
    batch.reset()
    full = np.ones_like(batch.action)
    for _ in range(10):
        batch.step(full, autoreset=False)
    assert (np.abs(batch.world.state[:, 19:25]).max(axis=1) == 0.0).all()  # the command in force


def test_a_pull_that_begins_between_two_steps_has_a_start_to_slip_from() -> None:
    batch = ContactBatch(AnchorTask(push_start=0.45, time_limit=2.0), num_worlds=2, seed=1)
    batch.reset()
    for _ in range(5):
        batch.step(np.zeros_like(batch.action), autoreset=False)
    start = batch.record["start"]
    assert (start[:, 2] > STANDING).all()  # still on its way down
    batch.reset([0])
    assert (start[0] == 0.0).all()
    assert start[1].any()


def test_a_drill_pushes_back_at_the_robot() -> None:
    """In ground that bears and holds nothing, three drills lift the lander with the force each needs of it."""
    batch = ContactBatch(AnchorTask(num_rocks=0), num_worlds=2, seed=1)
    batch.reset()
    batch.ground.soil[:] = 0.0
    batch.ground.anchor_state[:, :, g.STRENGTH] = 0.0
    batch.world.state[:, 2:13] = [STANDING - 0.05, 1.0, *np.zeros(9)]
    batch.world.push_state(np.arange(2))
    action = np.zeros_like(batch.action)
    action[:, 6] = [1.0, -1.0]
    for _ in range(5):  # a second
        batch.step(action, autoreset=False)
    drilled, not_drilled = batch.world.state[:, 9]
    push = batch.ground.anchors[:, g.DRILL_PUSH].sum()
    assert drilled - not_drilled == pytest.approx(push * 1.0 / 50.0, rel=0.15)  # 50 kg; legs swing a little


def test_the_tutor_of_anchor_hops_off_a_rock_and_holds_beside_it() -> None:
    """Over a rock under one foot, which bears that foot and lets no screw in; on bare soil it stays where it landed."""
    task = AnchorTask()
    moved = []
    for radius in (0.25, 0.0):
        batch = task.batch(num_worlds=6, seed=3)
        observation = batch.reset()
        rocks = np.zeros((6, task.num_rocks, 4))
        rocks[:, 0] = [0.45, 0.0, -0.05, radius]
        batch.world.set_rocks(rocks, friction=np.full(6, 0.6), restitution=np.full(6, 0.3), worlds=np.arange(6))
        batch.world.state[:, 0:2] = 0.0
        batch.world.push_state(np.arange(6))
        for _ in range(batch.max_episode_steps):
            observation, *_ = batch.step(task.tutor(observation.astype(np.float64), batch.belief), autoreset=False)
        assert batch.ground.anchor_state[:, :, g.HOLDS].sum(axis=1).min() >= 2
        assert batch.last_success.mean() > 0.8
        moved.append(np.hypot(*batch.world.state[:, 0:2].T))
    assert moved[0].min() > 0.5
    assert moved[1].max() < 0.4


def test_a_boulder_is_not_captured_by_staying_beside_it() -> None:
    """A boulder that hardly turns is already still: what is missing is a hand on it."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Open(CaptureTask):
        def script(self, observation: Floats) -> Floats:
            return np.concatenate([super(Open, self).script(observation)[:, :6], -np.ones((len(observation), 1))], 1)

    made = [fly_skill(ScriptPilot(task), task.batch(num_worlds=8, seed=5))
            for task in (CaptureTask(spin=0.01), Open(spin=0.01))]  # fmt: skip
    assert made[0].is_success.mean() > 0.5
    assert not made[1].is_success.any()


def test_one_world_that_ends_does_not_hide_what_another_feels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stone struck in the step in which another world's episode ends is felt."""
    seen = []
    for lost in (False, True):
        batch = ContactBatch(DigTask(), num_worlds=2, seed=1)
        batch.reset()
        batch.ground.drum_state[1, :, d.STRUCK] = 0.0
        monkeypatch.setattr(batch, "task", _Struck(batch.task, lost=lost))
        seen.append(batch.step(np.zeros_like(batch.action))[0][1, 20:22])
    np.testing.assert_allclose(seen[0], np.tanh(0.5), rtol=1e-6)
    np.testing.assert_array_equal(seen[0], seen[1])


class _Struck:
    """A task in which a stone struck the drums of world 1 in the step that ends, and world 0 may be lost in it."""

    def __init__(self, task: Any, *, lost: bool) -> None:
        self._task, self._lost = task, lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def judge(self, batch: ContactBatch) -> Any:
        batch.ground.drum_state[1, :, d.STRUCK] = 0.5  # as the drum's kernel writes it
        success, failed = self._task.judge(batch)
        failed[0] |= self._lost
        return success, failed


def test_mass_is_conserved_while_the_digger_digs() -> None:
    task = DigTask(time_limit=60.0)
    batch = ContactBatch(task, num_worlds=4, seed=1)
    observation = batch.reset()
    for _ in range(batch.max_episode_steps - 1):
        observation = batch.step(task.script(observation.astype(np.float64)), autoreset=False)[0]
    drums, shape = batch.ground.drum_state, batch.ground.bed_shape
    bed = batch.ground.bed.sum(axis=(1, 2)) * shape[4] ** 2 * drums[:, 0, d.DENSITY]
    moved = drums[:, :, [d.LOAD, d.THROWN]].sum(axis=(1, 2))
    assert (moved > 0.05).all()
    np.testing.assert_allclose(bed + moved, 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"push_low": 1.0}, "push_low"), ({"push_start": 500.0}, "push_start"), ({"descent": -1.0}, "descent")],
)
def test_a_task_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AnchorTask(**change)
    with pytest.raises(ConfigError, match="near = 2"):
        CaptureTask(near=2.0, far=1.0)
    with pytest.raises(ConfigError, match="stone_low"):
        DigTask(stone_low=0.05, stone_high=0.01)
