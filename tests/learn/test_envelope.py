# SPDX-License-Identifier: Apache-2.0
"""The safety envelope: with faults injected robots stay in their volume; a healthy policy is not touched by a bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stope.base.errors import ConfigError, RangeError, UnknownName
from stope.learn.baselines import VelocityPd
from stope.learn.brakes import LIFT, LONGEST, HopBrake
from stope.learn.envelope import CAUSES, Envelope, envelope_for
from stope.learn.envelope_limits import LIMITS, limits_for
from stope.learn.evaluate import conditions, fly
from stope.learn.pilots import NothingPilot, ScriptPilot, fly_skill
from stope.learn.train import SiteConfig
from stope.world.env import DockBatch
from stope.world.robots import load_robot
from stope.world.site import Site
from stope.world.tasks import AnchorTask, CaptureTask, DigTask, DockConfig, HaulConfig, HopTask

Single = NDArray[np.float32]
Act = Callable[[Single], NDArray[Any]]
Spoil = Callable[[int, Single], Single]
NUM = 16
ROBOT, TASK = load_robot("bee-gas"), DockConfig()


@cache
def ryugu() -> Site:
    """Beside Ryugu."""
    return SiteConfig(body="ryugu", latitude_deg=30.0).site()


def docking(num: int = NUM) -> DockBatch:
    """Worlds of the prior."""
    batch = DockBatch(ROBOT, ryugu(), num_worlds=num, seed=4, task=TASK, pool_size=1)
    batch.assign(*conditions(num, 8)["prior"])
    return batch


def guard(name: str = "dock") -> Envelope:
    return envelope_for(name, TASK, ROBOT)


def farthest(act: Act, envelope: Envelope | None, spoil: Spoil = lambda step, seen: seen) -> NDArray[np.float64]:
    """Largest true distance from the goal in an episode of each world [m]."""
    batch = docking()
    observation, most = batch.reset(), np.zeros(NUM)
    if envelope is not None:
        envelope.begin(NUM)
    for step in range(batch.max_episode_steps):
        seen = spoil(step, observation)
        action = act(seen) if envelope is None else envelope.check(act(envelope.watch(seen)))
        observation, *_ = batch.step(action, autoreset=False)
        most = np.maximum(most, np.linalg.norm(batch.world.position_l, axis=1))
    return most


def outward(seen: Single) -> Single:
    """Full thrust away from the goal, for ever."""
    out = np.zeros((len(seen), 6), dtype=np.float32)
    out[:, :3] = np.sign(seen[:, :3])
    return out


def counted(envelope: Envelope) -> dict[str, int]:
    return {k: n for k, n in envelope.record().summary()["interventions"].items() if n}


PD = VelocityPd(robot=ROBOT, uses_belief=False)


def test_a_healthy_policy_is_passed_bit_for_bit() -> None:
    """The same array comes back, and an episode has the same outcome to the bit."""
    envelope, rows = guard(), conditions(NUM, 8)["prior"]
    flown = [fly(PD, docking(), *rows, envelope=e) for e in (None, envelope)]
    for name in ("is_success", "duration", "tail_error", "impulse", "propellant"):
        assert np.array_equal(getattr(flown[0], name), getattr(flown[1], name))
    assert flown[1].envelope is not None
    assert flown[1].envelope.counts.sum() == 0
    envelope.begin(NUM)
    observation = docking().reset()
    action = PD.act(envelope.watch(observation))
    assert envelope.check(action) is action


def test_other_worlds_keep_their_bits_when_one_is_stopped() -> None:
    envelope, observation = guard(), docking().reset().copy()
    envelope.begin(NUM)
    observation[3, 6:9] = 5.0 * 0.6  # 1 m/s along the diagonal: observations hold five times the velocity
    action = PD.act(envelope.watch(observation))
    out = envelope.check(action)
    others = np.arange(NUM) != 3
    assert np.array_equal(out[others], action[others])
    assert (out[3, :3] < 0.0).all()
    assert counted(envelope) == {"speed": 1}


def test_a_runaway_policy_leaves_without_the_envelope_and_stays_with_it() -> None:
    assert (farthest(outward, None) > TASK.keep_in).all()
    envelope = guard()
    assert (farthest(outward, envelope) < TASK.keep_in).all()
    assert counted(envelope)["keep_in"] >= NUM
    assert envelope.record().summary()["worlds"]["success"] == 1.0


def test_a_frozen_sensor_sends_robots_away_without_the_envelope_and_not_with_it() -> None:
    """All numbers stay as they were after 4 s, in full flight, for half a minute; what is known then has to do."""

    def held() -> Spoil:
        kept: list[Single] = []

        def spoil(step: int, seen: Single) -> Single:
            if step == 20:
                kept.append(seen.copy())
            return kept[0] if 20 <= step < 170 else seen

        return spoil

    bare = farthest(PD.act, None, held())
    envelope = guard()
    kept = farthest(PD.act, envelope, held())
    assert (bare > TASK.keep_in).mean() > 0.5
    assert (kept < TASK.keep_in).all()
    assert counted(envelope)["stale"] == NUM


def test_one_stuck_sensor_is_found_among_living_ones() -> None:
    """Only the velocity stays the same: motion is reckoned from the actions since."""
    envelope = guard()
    last: list[Single] = []

    def spoil(step: int, seen: Single) -> Single:
        out = seen.copy()
        if step < 20:
            last[:] = [out]
        out[:, 6:9] = last[0][:, 6:9]
        return out

    assert (farthest(PD.act, envelope, spoil) < TASK.keep_in).all()
    assert counted(envelope)["stale"] == NUM


def test_numbers_that_are_not_finite_stop_a_batch_without_the_envelope_and_nothing_with_it() -> None:
    """The policy never sees them, and gets its robot back a second after they are gone."""
    shown: list[bool] = []

    def act(seen: Single) -> Single:
        whole = np.asarray(np.isfinite(seen).all(axis=1))
        shown.append(bool(whole.all()))
        return np.where(whole[:, None], PD.act(seen), np.float32(np.nan))  # as `MlpPolicy` does

    def spoil(step: int, seen: Single) -> Single:
        out = seen.copy()
        if 30 <= step < 40:
            out[:5, 2], out[5, 16] = np.nan, np.inf
        return out

    with pytest.raises(RangeError, match="expected finite"):
        farthest(act, None, spoil)
    shown.clear()
    envelope = guard()
    assert (farthest(act, envelope, spoil) < TASK.keep_in).all()
    assert all(shown)
    record = envelope.record()
    assert counted(envelope) == {"observation": 6, "stale": 6}  # for two seconds nothing new came
    # Ten, and five calm ones of which the last frees it; a lost sample in between starts the wait anew.
    assert all(14 <= n <= 24 for n in record.steps[:6])
    assert record.steps[6:].sum() == 0


@pytest.mark.parametrize("column", [2, 7, 9, 16], ids=["position", "velocity", "attitude", "rate"])
def test_a_number_that_is_never_finite_again_does_not_blind_the_other_sensors(column: int) -> None:
    """From full flight on, for the rest of the episode; what still senses is believed, or robots would drift away."""

    def spoil(step: int, seen: Single) -> Single:
        out = seen.copy()
        if step >= 20:
            out[:, column] = np.nan
        return out

    envelope = guard()
    assert (farthest(PD.act, envelope, spoil) < TASK.keep_in).all()
    assert counted(envelope)["observation"] == NUM
    assert np.linalg.norm(envelope.velocity, axis=1).max() < 0.1


@pytest.mark.parametrize("period", [0.4, 0.6, 1.2])
def test_a_sensor_that_is_slower_than_control_is_not_taken_for_a_stuck_one(period: float) -> None:
    slow = replace(ROBOT, sensors=replace(ROBOT.sensors, period=period))
    batch = DockBatch(slow, ryugu(), num_worlds=NUM, seed=4, task=TASK, pool_size=1)
    batch.assign(*conditions(NUM, 8)["prior"])
    envelope = envelope_for("dock", TASK, slow)
    envelope.begin(NUM)
    observation = batch.reset()
    for _ in range(100):
        observation, *_ = batch.step(envelope.check(PD.act(envelope.watch(observation))), autoreset=False)
    assert "stale" not in counted(envelope)
    kept = observation.copy()
    for _ in range(5 * round(period / 0.2) + 1):
        envelope.watch(kept)
        envelope.check(np.zeros((NUM, 6)))
    assert counted(envelope)["stale"] == NUM


def test_an_action_that_is_not_finite_is_replaced_and_one_too_large_is_clipped() -> None:
    envelope, observation = guard(), docking().reset()
    envelope.begin(NUM)
    envelope.watch(observation)
    action = np.zeros((NUM, 6), dtype=np.float32)
    action[0, 1], action[1, 0], action[2, 2] = np.nan, 1.5, 1.0
    out = envelope.check(action)
    assert np.isfinite(out).all()
    assert out[1, 0] == 1.0
    assert np.array_equal(out[2:], action[2:])
    assert counted(envelope) == {"action": 1, "wrench": 1}


def test_a_latch_opens_below_a_share_of_the_limit_for_a_while() -> None:
    """Between release and limit it stays shut; below, it opens after a second."""
    envelope = guard()
    envelope.begin(1)
    first, rng = docking(1).reset().copy(), np.random.default_rng(0)

    def stopped(speed: float) -> bool:
        seen = (first + 1e-6 * rng.standard_normal(first.shape)).astype(np.float32)
        seen[:, 6:9] = 5.0 * speed / np.sqrt(3.0)
        envelope.watch(seen)
        envelope.check(np.zeros((1, 6)))
        return bool(envelope.latched.any())

    assert [stopped(v) for v in (0.49, 0.51, 0.45, 0.41)] == [False, True, True, True]
    assert [stopped(0.39) for _ in range(5)] == [True, True, True, True, False]
    assert not stopped(0.45)
    assert counted(envelope) == {"speed": 1}


def test_the_impulse_that_is_spent_does_not_come_back() -> None:
    envelope = Envelope(guard().brake, replace(LIMITS["dock"], impulse=3.0))
    farthest(outward, envelope)
    assert counted(envelope)["impulse"] == NUM
    assert envelope.latched[:, CAUSES.index("impulse")].all()


def test_worlds_whose_episode_is_over_are_not_counted() -> None:
    envelope, observation = guard(), docking().reset()
    envelope.begin(NUM)
    envelope.watch(observation)
    envelope.check(np.full((NUM, 6), 2.0), np.arange(NUM) < 4)
    assert envelope.record().counts.sum(axis=1).tolist() == 4 * [1] + (NUM - 4) * [0]
    assert envelope.record().watched.sum() == 4


@pytest.mark.parametrize("task", [AnchorTask(time_limit=60.0, push_start=59.0), CaptureTask(time_limit=40.0)])
def test_robots_with_tools_stay_where_a_runaway_would_not(task: AnchorTask | CaptureTask) -> None:
    """A lander that climbs for ever, and a catcher that backs off for ever."""
    name = "anchor" if isinstance(task, AnchorTask) else "capture"

    class Away(NothingPilot):
        def act(self, observation: Single, belief: NDArray[np.float64]) -> NDArray[Any]:
            out = task.script(observation.astype(np.float64))
            out[:, :3] = np.sign(observation[:, :3]) * (1.0 if name == "anchor" else -1.0)  # up, or off the boulder
            return out

    bare, envelope = fly_skill(Away(7), task.batch(num_worlds=2, seed=3)), envelope_for(name, task)
    kept = fly_skill(Away(7), task.batch(num_worlds=2, seed=3), envelope=envelope)
    assert bare.has_failed.all()
    assert not kept.has_failed.any()
    assert kept.envelope is not None
    assert (kept.envelope.counts[:, CAUSES.index("keep_in")] > 0).all()
    assert "envelope" in kept.summary()
    assert "envelope" not in bare.summary()


def test_a_script_with_contact_is_passed_bit_for_bit() -> None:
    task = AnchorTask(time_limit=6.0, push_start=5.0)
    bare, kept = (fly_skill(ScriptPilot(task), task.batch(num_worlds=3, seed=5), envelope=e)
                  for e in (None, envelope_for("anchor", task)))  # fmt: skip
    assert np.array_equal(bare.effort, kept.effort)
    assert kept.envelope is not None
    assert kept.envelope.counts.sum() == 0


def test_a_digger_whose_anchor_is_overloaded_lifts_its_arms_and_stops_its_drums() -> None:
    task, envelope = DigTask(), envelope_for("dig", DigTask())
    observation = np.random.default_rng(1).normal(0.0, 0.1, (2, len(task.observation_names))).astype(np.float32)
    observation[:, 16:20] = 0.5
    observation[1, 17] = 0.95
    envelope.begin(2)
    action = np.full((2, 4), 0.7)
    envelope.watch(observation)
    out = envelope.check(action)
    assert out.tolist() == [[0.7] * 4, [LIFT, LIFT, 0.0, 0.0]]
    assert counted(envelope) == {"load": 1}


def test_a_hopper_at_full_strength_stays_on_the_map() -> None:
    """Stand-in for the ground: a hop covers all that must be reckoned with, along its heading."""
    task, rng = HopTask(), np.random.default_rng(2)
    envelope, num = envelope_for("hop", task), 8
    assert isinstance(envelope.brake, HopBrake)
    envelope.begin(num)
    spot = rng.normal(0.0, 20.0, (num, 2))
    position, most = np.zeros((num, 2)), 0.0
    for _ in range(task.most_hops):
        observation = rng.normal(0.0, 1.0, (num, len(task.observation_names))).astype(np.float32)
        to = spot - position
        observation[:, :2] = to / 10.0
        away = np.arctan2(-to[:, 1], -to[:, 0])
        turn = np.where(rng.random(num) < 0.5, 1.0, 0.9)
        action = np.stack([turn, np.ones(num)], axis=1)
        envelope.watch(observation)
        action = envelope.check(action)
        heading = away - np.pi + np.pi * action[:, 0]
        reach = LONGEST * np.clip(action[:, 1], 0.0, 1.0) ** 2
        position = position + reach[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        most = max(most, float(np.linalg.norm(position, axis=1).max()))
    assert 60.0 < most < LIMITS["hop"].keep_in + 0.1  # observations are float32 of tens of metres
    assert counted(envelope)["keep_in"] >= num


def test_a_flight_in_a_small_sphere_has_a_smaller_volume() -> None:
    assert limits_for("dock", TASK).keep_in == LIMITS["dock"].keep_in
    assert limits_for("haul", HaulConfig(keep_in=10.0)).keep_in == pytest.approx(9.5)
    with pytest.raises(UnknownName, match="no task 'dokc'"):
        limits_for("dokc", TASK)
    with pytest.raises(ConfigError, match="expected a robot"):
        envelope_for("dock", TASK)
    with pytest.raises(ConfigError, match=r"Limits\.speed = -1\.0"):
        replace(LIMITS["dock"], speed=-1.0)
