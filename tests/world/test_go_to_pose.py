# SPDX-License-Identifier: Apache-2.0
"""go-to-pose: a plane, eight nozzles and one supply; what moves, what is sensed, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, RangeError
from stope.world.tasks import go_to_pose as task_file
from stope.world.tasks.go_to_pose import (
    CONTROL_PERIOD,
    INERTIA,
    MASS,
    NOZZLES,
    RADIUS,
    GoToPose,
    PoseBatch,
    disturbed,
    published,
    script,
    today,
)

EXACT = 1e-14  # ten additions of numbers below 1


def batch(task: GoToPose | None = None, **changes: Any) -> PoseBatch:
    """One platform at the target, at rest, unless the task or the caller says otherwise."""
    found = PoseBatch(task or published(), **{"num_worlds": 1, "seed": 3, **changes})
    found.reset()
    if task is None:
        found.state[:] = 0.0
    return found


def opened(*nozzles: int) -> np.ndarray:
    """An action of one world."""
    action = np.zeros((1, 8))
    action[0, list(nozzles)] = 1.0
    return action


# --- physics -----------------------------------------------------------------------------------
def test_two_nozzles_that_push_the_same_way_move_it_straight() -> None:
    there = batch()
    there.step(opened(0, 5))  # at 45 and at 225 deg, both towards -45 deg
    speed = CONTROL_PERIOD * 1.0 / MASS
    assert there.state[0, 3:5] == pytest.approx(speed * np.array([1.0, -1.0]) / np.sqrt(2.0), abs=EXACT)
    assert there.state[0, 5] == pytest.approx(0.0, abs=EXACT)


def test_two_nozzles_around_the_ring_turn_it_on_the_spot() -> None:
    there = batch()
    there.step(opened(1, 5))
    assert there.state[0, 5] == pytest.approx(CONTROL_PERIOD * RADIUS * 1.0 / INERTIA, abs=EXACT)
    assert there.state[0, 3:5] == pytest.approx([0.0, 0.0], abs=EXACT)


def test_one_nozzle_gives_the_impulse_of_its_turning_force() -> None:
    there = batch()
    there.step(opened(2))
    dt, alpha = task_file.PHYSICS_STEP, -RADIUS / INERTIA
    # Semi-implicit Euler: in physics step k the platform has turned by the angle of the k (k + 1) / 2 steps before.
    angles = alpha * dt**2 * np.array([k * (k + 1) / 2 for k in range(10)])
    aim = np.arctan2(NOZZLES[2, 3], NOZZLES[2, 2])
    momentum = dt * np.array([np.cos(aim + angles).sum(), np.sin(aim + angles).sum()])
    assert MASS * there.state[0, 3:5] == pytest.approx(momentum, abs=EXACT)
    assert there.state[0, 5] == pytest.approx(alpha * CONTROL_PERIOD, abs=EXACT)


def test_open_nozzles_share_one_supply() -> None:
    there = batch()
    there.step(np.ones((1, 8)))
    assert there.state[0] == pytest.approx(np.zeros(6), abs=EXACT)
    there.step(opened(0, 5, 1, 0 + 4))  # two pairs against each other
    assert there.state[0] == pytest.approx(np.zeros(6), abs=EXACT)


def test_a_steady_push_gives_momentum_force_times_time_wherever_the_mass_is() -> None:
    there = batch(replace(disturbed(), thrust_noise=(0.0, 0.0, 0.0, 0.0)), num_worlds=32)
    before = there.plant[:, :1] * there.state[:, 3:5]
    for _ in range(5):
        there.step(np.zeros((32, 8)), autoreset=False)
    gained = there.plant[:, :1] * there.state[:, 3:5] - before
    assert gained == pytest.approx(5 * CONTROL_PERIOD * there.plant[:, 4:6], abs=1e-13)


def test_a_coasting_platform_turns_about_its_centre_of_mass() -> None:
    there = batch(replace(today(), com_offset=(0.2, 0.0, 0.2, 0.2)), num_worlds=16)
    mass_at, middle = there.state.copy(), there.middle()
    there.step(np.zeros((16, 8)), autoreset=False)
    assert there.state[:, 3:] == pytest.approx(mass_at[:, 3:], abs=EXACT)
    assert there.state[:, :2] == pytest.approx(mass_at[:, :2] + CONTROL_PERIOD * mass_at[:, 3:5], abs=EXACT)
    now = there.middle()
    mean = 0.5 * (middle[:, 3:5] + now[:, 3:5])
    # Trapezium rule: offset rate^3 dt^3 / 12 is 0.2 x 0.5^3 x 0.2^3 / 12 = 2e-5 m
    assert now[:, :2] - middle[:, :2] == pytest.approx(CONTROL_PERIOD * mean, abs=2e-5)


def test_a_dead_nozzle_gives_nothing_but_keeps_its_share_of_the_supply() -> None:
    there = batch()
    there.plant[0, 7 + 5] = 0.0
    there.step(opened(0, 5))
    alive = batch()
    alive.step(opened(0))
    assert there.state[0, 5] == pytest.approx(0.5 * alive.state[0, 5], abs=EXACT)


# --- task -----------------------------------------------------------------------------------
def test_observations_are_in_the_platforms_axes() -> None:
    there = batch()
    there.state[0] = [-1.0, 0.0, np.pi / 2, 0.3, 0.0, 0.1]
    seen, *_ = there.step(np.zeros((1, 8)))
    turned, at = np.pi / 2 + 0.02, -1.0 + 0.06
    expected = [-at * np.cos(turned), at * np.sin(turned), np.cos(turned), -np.sin(turned), 0.3 * np.cos(turned),
                -0.3 * np.sin(turned), 0.1]  # fmt: skip
    assert seen[0] == pytest.approx(expected, abs=1e-6)  # float32
    assert len(task_file.OBSERVATION_NAMES) == seen.shape[1]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(threads: int) -> None:
    def bytes_of(num_threads: int) -> bytes:
        there = PoseBatch(disturbed(), num_worlds=24, seed=7, num_threads=num_threads)
        there.reset()
        rng = np.random.default_rng(0)
        return b"".join(
            part.tobytes() for _ in range(30) for part in there.step(rng.integers(0, 2, (24, 8)).astype(float))
        )

    assert bytes_of(threads) == bytes_of(1)


def test_worlds_do_not_depend_on_how_many_there_are() -> None:
    few, many = batch(disturbed(), num_worlds=3), batch(disturbed(), num_worlds=9)
    assert (few.state == many.state[:3]).all()
    assert (few.plant == many.plant[:3]).all()


@pytest.mark.parametrize("task", [published(), today(), disturbed()])
def test_draws_stay_within_their_laws(task: GoToPose) -> None:
    there = batch(task, num_worlds=200)
    distance, heading = there.errors()
    assert ((distance >= task.distance[2] - 1e-9) & (distance <= task.distance[3] + 1e-9)).all()
    assert (heading <= np.pi).all()
    assert ((there.plant[:, 0] >= task.mass[2]) & (there.plant[:, 0] <= task.mass[3])).all()
    assert (np.hypot(there.plant[:, 4], there.plant[:, 5]) <= task.force[3] + 1e-12).all()
    assert (np.sum(there.plant[:, 7:] == 0.0, axis=1) <= task.num_off).all()


def test_doing_nothing_comes_nowhere_near_and_random_steps_are_finite() -> None:
    there = PoseBatch(published(), num_worlds=64, seed=1)
    there.reset()
    for _ in range(100):
        there.step(np.zeros((64, 8)), autoreset=False)
    assert there.errors()[0].min() >= 3.0
    rng = np.random.default_rng(1)
    for _ in range(100):
        seen, rewards, lost, truncated = there.step(rng.integers(0, 2, (64, 8)).astype(float))
        assert np.isfinite(seen).all()
        assert ((rewards >= 0.0) & (rewards <= sum(task_file.REWARD_WEIGHTS) + 1e-6)).all()
        assert not (lost & truncated).any()
    terms = there.terms(*there.errors())
    assert terms.shape[1] == len(task_file.REWARD_NAMES) == len(task_file.REWARD_WEIGHTS)
    assert ((terms >= 0.0) & (terms <= 1.0)).all()


def test_the_script_gets_there_and_stays() -> None:
    there = PoseBatch(published(), num_worlds=32, seed=2)
    seen = there.reset()
    for _ in range(250):
        seen, *_ = there.step(script(seen), autoreset=False)
    distance, heading = there.errors()
    assert distance.max() < 0.01
    assert heading.max() < task_file.HEADING_TOLERANCE


def test_leaving_the_area_ends_an_episode_and_so_does_the_time() -> None:
    there = batch(replace(published(), time_limit=0.4), num_worlds=2)
    there.state[0, 0] = 7.0
    _, _, lost, truncated = there.step(np.zeros((2, 8)), autoreset=False)
    assert lost.tolist() == [True, False]
    _, _, lost, truncated = there.step(np.zeros((2, 8)))
    assert (lost.tolist(), truncated.tolist()) == ([True, False], [False, True])
    assert there.steps.tolist() == [0, 0]
    assert there.errors()[0].max() < 4.0 + 1e-9


# --- what is refused -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"keep_in": 0.0}, "keep_in"),
        ({"keep_in": 3.5}, "less than keep_in"),
        ({"time_limit": 0.3}, "whole number of control periods"),
        ({"inertia": -1.0}, "inertia"),
        ({"num_off": 9}, "at most 8"),
        ({"share_off": 1.5}, "share_off"),
        ({"mass": (0.0, 0.0, 0.0, 1.0)}, "mass"),
        ({"force": (0.3, -1.0, 0.0, 0.5)}, "force"),
        ({"torque": (0.3, 0.1, 0.0, 0.2)}, "torque"),
        ({"speed": (0.0, float("nan"), 0.0, 0.0)}, "speed"),
    ],
)
def test_settings_that_make_no_task_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        GoToPose(**wrong)


def test_a_batch_of_nothing_and_half_open_nozzles_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_worlds = 0"):
        PoseBatch(published(), num_worlds=0, seed=1)
    there = batch()
    with pytest.raises(RangeError, match="expected 0 or 1"):
        there.step(np.full((1, 8), 0.5))
    with pytest.raises(RangeError, match="expected 0 or 1"):
        there.step(np.zeros((2, 8)))
    with pytest.raises(RangeError, match="expected 0 or 1"):
        there.step(np.full((1, 8), np.nan))
