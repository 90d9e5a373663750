# SPDX-License-Identifier: Apache-2.0
"""The contract of the task `dock`: finite, repeatable, rewards in range, ends told apart, success as documented."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numba as nb
import numpy as np
import pytest
from scipy.stats import kstest

from stope.base.config import build, override
from stope.base.errors import ConfigError, RangeError
from stope.base.rotation import angle, from_rotation_vector, multiply, rotate, rotate_inverse
from stope.learn.practice import task_class
from stope.world import plant as p
from stope.world.batch import World
from stope.world.belief import Belief
from stope.world.env import DockBatch
from stope.world.gym import LARGEST
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import Robot, load_robot
from stope.world.scene import SceneConfig
from stope.world.sensors import NUM_MEASURED
from stope.world.site import make_site
from stope.world.tasks import DockConfig, dock

PERIOD = 0.2
PLACES = {"ryugu": ("bee-gas", 30.0), "iss-cabin": ("bee-cabin", 0.0)}


@cache
def site_of(body: str) -> Any:
    return make_site(body, latitude_deg=PLACES[body][1], height=6.0)


def make_batch(num: int, body: str = "ryugu", **settings: Any) -> DockBatch:
    settings = {"seed": 1, "pool_size": 64} | settings
    return DockBatch(load_robot(PLACES[body][0]), site_of(body), num_worlds=num, **settings)


def random_flight(batch: DockBatch, num_steps: int, seed: int = 2) -> list[np.ndarray]:
    """Everything a learner sees of some random steps."""
    rng = np.random.default_rng(seed)
    seen = [batch.reset().copy()]
    for _ in range(num_steps):
        observation, rewards, terminated, truncated = batch.step(rng.uniform(-1.0, 1.0, (batch.num_worlds, 6)))
        seen += [observation, rewards, terminated, truncated, batch.last_record.copy()]
    return seen


@pytest.mark.parametrize("body", PLACES)
@pytest.mark.parametrize("engine", ["fused", "mujoco"])
def test_a_hundred_random_steps_are_finite_and_in_the_declared_space(body: str, engine: str) -> None:
    batch = make_batch(32, body, engine=engine)
    for array in random_flight(batch, 100):
        assert np.isfinite(array).all()
    assert batch.observation.dtype == np.float32
    assert np.abs(batch.observation).max() < LARGEST
    assert batch.observation.shape == (32, dock.NUM_OBSERVATION)
    assert batch.privileged.shape == (32, dock.NUM_PRIVILEGED)


@pytest.mark.parametrize("engine", ["fused", "mujoco"])
def test_the_same_seed_gives_the_same_trajectory_on_one_and_on_two_threads(engine: str) -> None:
    task = DockConfig(time_limit=8.0)  # so that worlds start anew on the way
    runs = [
        random_flight(make_batch(24, "iss-cabin", engine=engine, task=task, num_threads=threads, seed=seed), 100)
        for threads, seed in ((1, 7), (2, 7), (1, 8))
    ]
    for one, two in zip(runs[0], runs[1], strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(runs[0][0], runs[2][0])


def test_a_snapshot_of_the_batch_is_exact_across_starts_of_episodes() -> None:
    for engine in ("fused", "mujoco"):
        batch = make_batch(16, task=DockConfig(time_limit=8.0), engine=engine)
        random_flight(batch, 30)
        kept = {k: v.copy() for k, v in batch.snapshot().items()}
        actions = np.random.default_rng(3).uniform(-1.0, 1.0, (40, 16, 6))
        first = [np.concatenate([a.ravel() for a in batch.step(action)]) for action in actions]
        other = make_batch(16, task=DockConfig(time_limit=8.0), engine=engine, num_threads=2)
        for target in (batch, other):
            target.restore(kept)
            np.testing.assert_array_equal(target.observation, kept["observation"])
            for action, expected in zip(actions, first, strict=True):
                np.testing.assert_array_equal(np.concatenate([a.ravel() for a in target.step(action)]), expected)


def test_reseeding_starts_everything_anew() -> None:
    batch, fresh = make_batch(8, "iss-cabin", seed=1), make_batch(8, "iss-cabin", seed=9)
    random_flight(batch, 5)
    batch.reseed(9)
    for one, two in zip(random_flight(batch, 20), random_flight(fresh, 20), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_terms_of_the_reward_are_in_0_to_1_and_best_at_the_goal() -> None:
    @nb.njit
    def terms_of(errors: np.ndarray, actions: np.ndarray, out: np.ndarray) -> None:
        for i in range(len(errors)):
            dock.reward_terms(errors[i, 0], errors[i, 1], errors[i, 2], errors[i, 3], actions[i], out[i])

    rng = np.random.default_rng(1)
    num = 5000
    errors = np.abs(rng.standard_normal((num, 4))) * 10.0 ** rng.uniform(-5.0, 2.0, (num, 4))
    errors[:, 1] = np.minimum(errors[:, 1], math.pi)  # an angle
    errors[0] = 0.0
    actions = rng.uniform(-3.0, 3.0, (num, 6))
    actions[0] = 0.0
    out = np.empty((num, len(dock.TERMS)))
    terms_of(errors, actions, out)
    assert len(dock.TERMS) == len(dock.WEIGHTS) == 11
    assert out.min() >= 0.0
    assert out.max() <= 1.0
    np.testing.assert_array_equal(out[0], 1.0)
    assert min(dock.WEIGHTS) > 0.0


def test_the_reward_is_the_weighted_sum_less_five_for_leaving() -> None:
    batch = make_batch(4, task=DockConfig(keep_in=6.0))
    batch.reset()
    batch.world.state[:, :3] = [[0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [5.0, 0.0, 0.0], [6.5, 0.0, 0.0]]
    batch.world.state[:, 3:7], batch.world.state[:, 7:13] = [1.0, 0.0, 0.0, 0.0], 0.0
    _, rewards, terminated, truncated = batch.step(np.zeros((4, 6)), autoreset=False)
    np.testing.assert_array_equal(terminated, [False, False, False, True])
    assert not truncated.any()
    best = sum(dock.WEIGHTS)
    assert rewards[1] == pytest.approx(best, rel=1e-2)  # it has fallen by 3 um
    assert rewards[0] < rewards[1]
    assert rewards[2] < rewards[0]
    assert rewards[3] == pytest.approx(rewards[2] - 5.0 - 0.3 * 0.15, abs=1e-3)  # `far` at 6.5 m is 0.15 less


@pytest.mark.parametrize("engine", ["fused", "mujoco"])
def test_leaving_terminates_and_the_time_limit_truncates_and_never_both(engine: str) -> None:
    batch = make_batch(3, task=DockConfig(time_limit=5.0, keep_in=6.0), engine=engine)
    batch.reset()
    batch.world.state[:, :3], batch.world.state[:, 7:13] = [[1.0, 0, 0], [5.9, 0, 0], [1.0, 0, 0]], 0.0
    batch.world.state[1, 7] = 0.2
    batch.world.push_state()
    history = [batch.step(np.zeros((3, 6)), autoreset=False)[2:] for _ in range(25)]
    terminated, truncated = (np.array([h[k] for h in history]) for k in (0, 1))
    assert not (terminated & truncated).any()
    np.testing.assert_array_equal(truncated[:, [0, 2]], (np.arange(1, 26) >= 25)[:, None] * [True, True])
    assert terminated[3:, 1].all()  # 0.1 m at 0.2 m/s: in the third step, or the fourth by the swing of the base
    assert not terminated[:2, 1].any()
    assert not truncated[:, 1].any()


def test_a_world_that_ends_starts_the_next_episode_in_the_same_step() -> None:
    batch = make_batch(6, task=DockConfig(time_limit=5.0))
    observation = batch.reset()
    for k in range(25):
        observation, _, _, truncated = batch.step(np.zeros((6, 6)))
        assert truncated.all() == (k == 24)
    np.testing.assert_array_equal(batch.episodes, 2)
    np.testing.assert_array_equal(batch.record[:, dock.STEPS], 0.0)
    np.testing.assert_array_equal(batch.last_record[:, dock.STEPS], 25.0)
    np.testing.assert_array_equal(batch.world.state[:, p.TIME], 0.0)
    np.testing.assert_array_equal(observation[:, 18:24], 0.0)  # no last action yet
    assert len(np.unique(batch.record[:, dock.DISTANCE])) == 6


def test_starts_fill_the_ball_evenly_in_any_attitude_and_are_slow() -> None:
    batch = make_batch(4000)
    batch.reset()
    state, far = batch.world.state, np.linalg.norm(batch.world.position_l, axis=1)
    assert far.max() <= 5.0
    # Seven tests, false alarm 1e-4 each, fixed seed.
    assert kstest((far / 5.0) ** 3, "uniform").pvalue > 1e-4
    for k in range(3):
        assert kstest(state[:, k] / far, "uniform", args=(-1.0, 2.0)).pvalue > 1e-4
    assert kstest(angle(state[:, 3:7]), lambda a: (a - np.sin(a)) / math.pi).pvalue > 1e-4
    assert kstest(state[:, 7:10].ravel() / 0.02, "norm").pvalue > 1e-4
    assert kstest(state[:, 10:13].ravel() / 0.02, "norm").pvalue > 1e-4
    # The task keeps from dividing by zero by adding 1e-12.
    np.testing.assert_allclose(np.linalg.norm(state[:, 3:7], axis=1), 1.0, rtol=1e-10)
    np.testing.assert_array_equal(state[:, p.PROPELLANT], batch.robot.propellant_capacity)
    np.testing.assert_allclose(batch.record[:, dock.DISTANCE], far, rtol=1e-10)


def test_resets_draw_from_the_whole_pool_and_tell_the_truth_to_the_critic_only() -> None:
    batch = make_batch(2000)
    observation = batch.reset()
    worlds = np.array([np.flatnonzero((batch.pool.plant == row).all(axis=1))[0] for row in batch.world.plant])
    assert len(np.unique(worlds)) == 64
    np.testing.assert_array_equal(batch.privileged, batch.pool.z[worlds].astype(np.float32))
    np.testing.assert_array_equal(batch.belief, batch.pool.belief[worlds])
    at = dock.BELIEF_AT
    shown = dock.MEAN_SCALE * batch.belief[:, :NUM_PARAMETERS]
    np.testing.assert_allclose(observation[:, at : at + NUM_PARAMETERS], shown, rtol=1e-6)  # single precision
    for k in range(NUM_PARAMETERS):  # what the policy sees of a parameter is its belief, not its truth
        assert not np.allclose(observation[:, at + k], dock.MEAN_SCALE * batch.privileged[:, k], atol=1e-3)


def held(num_steps: int, **changes: float) -> np.ndarray:
    """Keep a robot at the goal, but for some error, for some judged steps; return its record."""

    @nb.njit
    def judge(state: np.ndarray, record: np.ndarray) -> None:
        dock.judge(state, record, 0.2, 60.0)

    record, state = np.zeros(dock.NUM_RECORD), np.zeros(p.NUM_STATE)
    record[[dock.SUCCESS_TIME, dock.TIME_2CM, dock.TIME_1CM]] = -1.0
    errors = {"position": 0.0, "attitude": 0.0, "speed": 0.0, "rate": 0.0} | changes
    direction = np.array([2.0, -1.0, 2.0]) / 3.0
    state[:3], state[7:10], state[10:13] = (errors[k] * direction for k in ("position", "speed", "rate"))
    state[3:7] = from_rotation_vector(errors["attitude"] * direction)
    for _ in range(num_steps):
        judge(state, record)
    return record


TOLERANCES = {"position": 0.05, "attitude": math.radians(5.0), "speed": 0.02, "rate": math.radians(1.0)}


def test_a_hold_of_four_point_eight_seconds_is_no_success_and_one_of_five_is() -> None:
    almost = {k: 0.999 * v for k, v in TOLERANCES.items()}  # all four at once, just inside
    assert held(24, **almost)[dock.SUCCESS_TIME] == -1.0
    assert held(25, **almost)[dock.SUCCESS_TIME] == pytest.approx(5.0)


@pytest.mark.parametrize("name", TOLERANCES)
def test_each_tolerance_alone_breaks_the_hold(name: str) -> None:
    assert held(300, **{name: 1.001 * TOLERANCES[name]})[dock.SUCCESS_TIME] == -1.0
    assert held(300, **{name: 0.999 * TOLERANCES[name]})[dock.SUCCESS_TIME] == pytest.approx(5.0)


@nb.njit
def judge_course(states: np.ndarray, record: np.ndarray) -> None:
    for i in range(len(states)):
        dock.judge(states[i], record, 0.2, 60.0)


def course(positions: list[float]) -> np.ndarray:
    """Record after positions [m] along x, one a step, everything else at the goal."""
    states, record = np.zeros((len(positions), p.NUM_STATE)), np.zeros(dock.NUM_RECORD)
    states[:, 0], states[:, 3] = positions, 1.0
    record[[dock.SUCCESS_TIME, dock.TIME_2CM, dock.TIME_1CM]] = -1.0
    judge_course(states, record)
    return record


def test_a_hold_must_be_unbroken_and_its_first_end_is_the_time_of_success() -> None:
    assert course([0.0] * 24 + [0.06] + [0.0] * 24)[dock.SUCCESS_TIME] == -1.0
    late = course([1.0] * 10 + [0.0] * 24 + [0.06] + [0.0] * 25 + [3.0] * 40)
    assert late[dock.SUCCESS_TIME] == pytest.approx((10 + 24 + 1 + 25) * PERIOD)
    assert late[dock.POSITION_ERROR] == 3.0
    assert late[dock.HOLD] == 0.0


def test_the_finer_holds_take_ten_seconds_each() -> None:
    assert course([0.019] * 49)[dock.TIME_2CM] == -1.0
    record = course([0.019] * 50)
    assert record[dock.TIME_2CM] == pytest.approx(10.0)
    assert record[dock.TIME_1CM] == -1.0
    assert course([0.009] * 50)[dock.TIME_1CM] == pytest.approx(10.0)
    assert course([0.009] * 30 + [0.015] + [0.009] * 30)[dock.TIME_1CM] == -1.0


def test_the_tail_error_is_summed_over_the_last_five_seconds_of_the_limit() -> None:
    record = course([1.0] * 275 + [0.02] * 25)
    assert record[dock.TAIL_ERROR] == pytest.approx(25 * 0.02)


def test_success_in_the_world_is_the_judges() -> None:
    """At rest at the goal in a calm cabin: success after exactly 25 steps."""
    body = replace(site_of("iss-cabin").body, jitter_rms=0.0, gravity_level=0.0)
    batch = DockBatch(load_robot("bee-cabin"), make_site(body), num_worlds=2, seed=1, pool_size=4)
    z = np.zeros((2, NUM_PARAMETERS))
    batch.assign(z, Belief.prior("bee-cabin"))
    batch.reset()
    batch.world.state[:, :3], batch.world.state[:, 3:7] = [[0.0, 0.0, 0.0], [0.049, 0.0, 0.0]], [1.0, 0.0, 0.0, 0.0]
    batch.world.state[:, 7:13] = 0.0
    batch.world.state[1, 7] = 0.0005  # drifts out of 5 cm after 2 s
    for k in range(30):
        batch.step(np.zeros((2, 6)))
        expected = [5.0 if k >= 24 else -1.0, -1.0]
        np.testing.assert_allclose(batch.record[:, dock.SUCCESS_TIME], expected)


def test_the_observation_is_what_the_measurement_says_in_the_robots_own_axes() -> None:
    @nb.njit
    def observe(measured: np.ndarray, action: np.ndarray, belief: np.ndarray, out: np.ndarray) -> None:
        dock.observe(measured, action, belief, out)

    rng = np.random.default_rng(4)
    measured, belief = np.zeros(NUM_MEASURED), rng.standard_normal(2 * NUM_PARAMETERS)
    q = from_rotation_vector([0.5, -1.0, 2.0])
    measured[:3], measured[3:7], measured[7:13] = rng.normal(0, 2, 3), q, rng.normal(0, 0.1, 6)
    out, turned = np.empty((2, dock.NUM_OBSERVATION), dtype=np.float32)
    observe(measured, np.full(6, 2.0), belief, out)
    position = rotate_inverse(q, measured[:3])
    np.testing.assert_allclose(out[:3], position, rtol=1e-6)
    np.testing.assert_allclose(out[3:6], np.tanh(5.0 * position), rtol=1e-6)
    np.testing.assert_allclose(out[6:9], 5.0 * rotate_inverse(q, measured[7:10]), rtol=1e-6)
    np.testing.assert_allclose(out[9:12], q[1:], rtol=1e-6)
    np.testing.assert_allclose(out[15:18], 2.0 * measured[10:13], rtol=1e-6)
    np.testing.assert_array_equal(out[18:24], 1.0)  # the clipped last action
    at = index_of("residual_x")
    np.testing.assert_allclose(out[24:27], rotate_inverse(q, belief[at : at + 3]), rtol=1e-5)
    # A quaternion and its opposite are the same attitude and must look the same.
    measured[3:7] *= -1.0
    observe(measured, np.full(6, 2.0), belief, turned)
    np.testing.assert_array_equal(turned, out)
    # Turning the whole scene about the goal leaves position, velocity and rate in the robot's axes as they were.
    turn = from_rotation_vector([0.3, 0.2, -0.1])
    measured[:3], measured[7:10] = rotate(turn, measured[:3]), rotate(turn, measured[7:10])
    measured[3:7] = multiply(turn, measured[3:7])
    observe(measured, np.full(6, 2.0), belief, turned)
    np.testing.assert_allclose(turned[:9], out[:9], rtol=1e-5)


def test_the_batch_flies_what_the_world_flies() -> None:
    """The batch's own kernel takes the same physics steps as `World.step`, to the bit; MuJoCo's path to 1e-8 m."""
    batch, slow = make_batch(12, seed=3), make_batch(12, seed=3, engine="mujoco")
    batch.reset()
    slow.reset()
    world = World(batch.robot, batch.site, batch.robot.prior.theta(np.zeros((12, NUM_PARAMETERS))), seed=0)
    world.restore({**world.snapshot(), "state": batch.world.state.copy(), "plant": batch.world.plant.copy()})
    for action in np.random.default_rng(4).uniform(-1.0, 1.0, (100, 12, 6)):  # 400 physics steps
        batch.step(action, autoreset=False)
        world.step(action)
        slow.step(action, autoreset=False)
    np.testing.assert_array_equal(world.state, batch.world.state)
    np.testing.assert_allclose(slow.world.position_l, batch.world.position_l, rtol=0.0, atol=1e-8)
    np.testing.assert_allclose(slow.record, batch.record, rtol=0.0, atol=1e-7)


def test_starts_measurements_and_jitter_never_share_a_random_number() -> None:
    body = replace(site_of("iss-cabin").body, jitter_rms=1.0)  # so that the jitter is the bare normal number
    robot = load_robot("bee-cabin")
    plain = replace(robot.sensors, drop_out=0.0)
    batch = DockBatch(replace(robot, sensors=plain), make_site(body), num_worlds=2, seed=1, pool_size=4,
                      task=DockConfig(time_limit=6.0, keep_in=1e6))  # fmt: skip
    batch.reset()
    numbers = [batch.world.velocity_l / 0.02, batch.world.rate_b / 0.02]
    for k in range(65):  # two starts of an episode on the way
        noise = batch.measured[:, [0, 1, 2, 7, 8, 9, 10, 11, 12]] - batch.world.state[:, [0, 1, 2, 7, 8, 9, 10, 11, 12]]
        numbers.append(noise / np.repeat([plain.position_noise, plain.velocity_noise, plain.rate_noise], 3))
        if k % 30 == 0 and k:
            numbers += [batch.world.velocity_l / 0.02, batch.world.rate_b / 0.02]
        batch.step(np.zeros((2, 6)))
        numbers.append(batch.world.jitter.copy())
    assert batch.episodes.min() == 3
    for i in range(2):
        drawn = np.concatenate([block[i] for block in numbers])
        # A number drawn twice would come back to 1e-9 (noise is a difference); by chance two of 870 lie so near with
        # probability 870^2 / 2 x 1e-9 x 0.28 = 1e-4.
        assert np.diff(np.sort(drawn)).min() > 1e-9


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "actions", [np.zeros((3, 6)), np.zeros((2, 5)), np.full((2, 6), np.nan), np.full((2, 6), np.inf)]
)
def test_actions_that_cannot_be_are_refused(actions: np.ndarray) -> None:
    batch = make_batch(2)
    batch.reset()
    before = batch.world.state.copy()
    with pytest.raises(RangeError, match=r"^actions of shape \(\d, \d\): expected finite \(2, 6\)\.$"):
        batch.step(actions)
    np.testing.assert_array_equal(batch.world.state, before)


def test_a_state_that_is_not_finite_is_named_and_not_flown_on() -> None:
    batch = make_batch(3)
    batch.reset()
    batch.world.state[1, 0] = np.nan
    with pytest.raises(RangeError, match=r"^world 1: state is not finite after a step\.$"):
        batch.step(np.zeros((3, 6)))


GOOD = np.zeros((2, NUM_PARAMETERS))


@pytest.mark.parametrize(
    ("z", "belief", "text"),
    [
        (GOOD[:, :5], np.zeros(46), r"^truths of shape \(2, 5\): expected finite \(worlds, 23\)\.$"),
        (GOOD * np.nan, np.zeros(46), r"^truths of shape \(2, 23\): expected finite \(worlds, 23\)\.$"),
        (GOOD[:1], np.zeros(46), r"^assign got 1 truths: expected one per world, 2\.$"),
        (
            GOOD,
            np.zeros(23),
            r"^belief summaries of shape \(23,\): expected finite \(46,\), one for all, or \(2, 46\)\.$",
        ),
        (GOOD, np.zeros((3, 46)), r"^belief summaries of shape \(3, 46\): expected finite \(46,\), one for all, or"),
        (GOOD, np.full(46, np.nan), r"^belief summaries of shape \(46,\): expected finite \(46,\), one for all, or"),
    ],
)
def test_truths_and_beliefs_that_cannot_be_are_refused_and_change_nothing(
    z: np.ndarray, belief: np.ndarray, text: str
) -> None:
    batch = make_batch(2)
    pool = batch.pool
    with pytest.raises(RangeError, match=text):
        batch.assign(z, belief)
    assert batch.pool is pool
    assert not batch.draws_index


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"distance": 0.0}, r"^DockConfig\.distance = 0\.0: expected more than 0\.$"),
        ({"speed": -0.1}, r"^DockConfig\.speed = -0\.1: expected more than 0\.$"),
        ({"time_limit": math.nan}, r"^DockConfig\.time_limit = nan: expected more than 0\.$"),
        ({"distance": 10.0}, r"^DockConfig\.distance = 10\.0 m: expected less than keep_in = 10\.0 m\.$"),
    ],
)
def test_a_task_that_cannot_be_is_refused(changes: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        DockConfig(**changes)


def test_a_task_that_does_not_fit_its_place_is_refused() -> None:
    text = r"^DockConfig\.time_limit = 60\.1 s: expected a whole number of control periods of 0\.2 s\.$"
    with pytest.raises(ConfigError, match=text):
        make_batch(2, task=DockConfig(time_limit=60.1))
    text = r"^DockConfig\.keep_in = 20\.0 m: leaves the gravity grid of site 'ryugu-lat30-lon0', which ends at"
    with pytest.raises(ConfigError, match=text):
        make_batch(2, task=DockConfig(keep_in=20.0))
    make_batch(2, "iss-cabin", task=DockConfig(keep_in=20.0))  # uniform gravity is known everywhere


def test_an_unknown_option_fails() -> None:
    with pytest.raises(ConfigError, match=r"^dock: field 'distanze' is unknown\. Closest: 'distance'\."):
        build(DockConfig, {"distanze": 3.0}, where="dock")
    known = r"distance, speed, rate, time_limit, keep_in, planar_share"
    with pytest.raises(ConfigError, match=rf"^--set wind: no such field\. Known: {known}\.$"):
        override(DockConfig(), ["wind=3"])
    with pytest.raises(TypeError, match="unexpected keyword argument 'wind'"):
        make_batch(2, wind=3.0)


def test_fans_do_not_dock_in_vacuum_and_contact_needs_mujoco() -> None:
    robot: Robot = load_robot("bee-cabin")
    with pytest.raises(
        ConfigError, match=r"^robot 'bee-cabin' flies with fans and site 'ryugu-lat30-lon0' has no air\."
    ):
        DockBatch(robot, site_of("ryugu"), num_worlds=2, seed=1)
    with pytest.raises(ConfigError, match=r"^engine 'fused' is for one body without contact"):
        make_batch(2, engine="fused", scene=SceneConfig(has_ground=True))


def test_the_task_is_listed() -> None:
    assert task_class("dock") is DockConfig
