# SPDX-License-Identifier: Apache-2.0
"""Measurements: noise as large as said, as late as said, lost as often as said, drawn from counters of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from stope.base.errors import ConfigError
from stope.base.intervals import binomial_band
from stope.base.rotation import conjugate, from_rotation_vector, multiply, random_quaternions, to_rotation_vector
from stope.base.seeding import stream_key
from stope.world import plant as p
from stope.world.robots import Sensors, load_robot
from stope.world.sensors import MAX_DELAY, NUM_MEASURED, measure_all, sensor_row

PERIOD = 0.2
SHIPPED = load_robot("bee-gas").sensors
EXACT = Sensors(position_noise=0.0, attitude_noise=0.0, velocity_noise=0.0, rate_noise=0.0, period=0.2, delay=0.0,
                drop_out=0.0)  # fmt: skip
Floats = NDArray[np.float64]


def keys(num: int, seed: int = 1) -> NDArray[np.uint64]:
    return np.array([stream_key(seed, "env", i) for i in range(num)], dtype=np.uint64)


def moving(num: int, step: int) -> Floats:
    """True states in which every number says the step."""
    state = np.zeros((num, p.NUM_STATE))
    state[:, p.POSITION : p.POSITION + 3] = step
    state[:, p.ATTITUDE : p.ATTITUDE + 4] = from_rotation_vector([0.0, 0.0, 0.01 * step])
    state[:, p.VELOCITY : p.VELOCITY + 3], state[:, p.RATE : p.RATE + 3] = 10.0 * step, 100.0 * step
    return state


def watch(sensors: Sensors, num: int, num_steps: int, seed: int = 1) -> Floats:
    """What is in hand after each step, (steps + 1, worlds, 13)."""
    measured, row, key = np.zeros((num, NUM_MEASURED)), sensor_row(sensors, PERIOD), keys(num, seed)
    out = []
    for step in range(num_steps + 1):
        measure_all(moving(num, step), measured, row, key, step, step == 0)
        out.append(measured[:, :13].copy())
    return np.array(out)


def test_without_noise_the_truth_is_measured() -> None:
    found = watch(EXACT, 3, 5)
    for step in range(6):
        np.testing.assert_allclose(found[step], moving(3, step)[:, :13], atol=1e-15)


def test_noise_is_as_large_as_the_robots_file_says_in_every_axis() -> None:
    num = 20_000
    rng = np.random.default_rng(2)
    state = np.zeros((num, p.NUM_STATE))
    state[:, :3], state[:, 7:13] = rng.normal(0.0, 3.0, (num, 3)), rng.normal(0.0, 0.1, (num, 6))
    state[:, 3:7] = random_quaternions(rng, num)
    measured = np.zeros((num, NUM_MEASURED))
    measure_all(state, measured, sensor_row(SHIPPED, PERIOD), keys(num), 0, True)
    turn = to_rotation_vector(multiply(conjugate(state[:, 3:7]), measured[:, 3:7]))
    for error, size in (
        (measured[:, :3] - state[:, :3], SHIPPED.position_noise),
        (turn, SHIPPED.attitude_noise),
        (measured[:, 7:10] - state[:, 7:10], SHIPPED.velocity_noise),
        (measured[:, 10:13] - state[:, 10:13], SHIPPED.rate_noise),
    ):
        whole = np.sum((error / size) ** 2, axis=0)  # chi squared; false alarm 1e-4 for each of 12
        assert (whole > chi2.ppf(0.5e-4, num)).all()
        assert (whole < chi2.isf(0.5e-4, num)).all()
        assert (np.abs(error.mean(axis=0)) < 3.9 * size / np.sqrt(num)).all()
    everything = np.concatenate([measured[:, :3] - state[:, :3], turn, measured[:, 7:13] - state[:, 7:13]], axis=1)
    apart = np.corrcoef(everything.T) - np.eye(12)
    assert np.abs(apart).max() < 4.4 / np.sqrt(num)  # 66 pairs, false alarm 1e-5 each
    np.testing.assert_allclose(np.linalg.norm(measured[:, 3:7], axis=1), 1.0, rtol=1e-14)


@pytest.mark.parametrize("samples", range(MAX_DELAY + 1))
def test_a_measurement_is_as_old_as_the_delay(samples: int) -> None:
    found = watch(replace(EXACT, delay=samples * PERIOD), 2, 8)
    ages = np.arange(9) - found[:, 0, 0]
    # At the start of an episode the first sample is all there is.
    np.testing.assert_array_equal(ages, np.minimum(np.arange(9), samples))


def test_a_slow_sensor_holds_its_sample() -> None:
    found = watch(replace(EXACT, period=3 * PERIOD), 2, 9)
    np.testing.assert_array_equal(found[:, 0, 0], [0, 0, 0, 3, 3, 3, 6, 6, 6, 9])


def test_a_late_and_slow_sensor_is_both() -> None:
    found = watch(replace(EXACT, period=2 * PERIOD, delay=PERIOD), 2, 7)
    np.testing.assert_array_equal(found[:, 0, 0], [0, 0, 0, 2, 2, 4, 4, 6])


def test_a_lost_sample_leaves_the_last_one_and_is_lost_as_often_as_said() -> None:
    num, num_steps, share = 200, 100, 0.3
    found = watch(replace(EXACT, drop_out=share), num, num_steps)
    fresh = found[:, :, 0] == np.arange(num_steps + 1)[:, None]
    assert fresh[0].all()  # nothing is lost at the start
    lost = ~fresh[1:]
    low, high = binomial_band(num * num_steps, share, 0.999)
    assert low <= lost.mean() <= high
    held = np.flatnonzero(lost[:, 0]) + 1
    np.testing.assert_array_equal(found[held, 0], found[held - 1, 0])  # the whole sample, every component
    # Loss knows nothing of the loss before: the share after a loss is the share.
    again = lost[1:][lost[:-1]]
    low, high = binomial_band(again.size, share, 0.999)
    assert low <= again.mean() <= high


def test_noise_depends_on_seed_world_and_step_and_on_nothing_else() -> None:
    first, again, other = watch(SHIPPED, 4, 6), watch(SHIPPED, 4, 6), watch(SHIPPED, 4, 6, seed=2)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(watch(SHIPPED, 2, 6), first[:, :2])  # neighbours do not matter
    assert not np.any(other[:, :, 7] == first[:, :, 7])
    noise = (first - np.array([moving(4, k)[:, :13] for k in range(7)]))[:, :, 7]
    fresh = noise[np.abs(noise) < 1.0]  # without the held ones, which are a step behind
    assert len(np.unique(fresh)) == len(fresh)  # no counter is used twice


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"period": 0.3}, r"^sensors\.period = 0\.3 s: expected a multiple of 0\.2 s\.$"),
        ({"delay": 0.1}, r"^sensors\.delay = 0\.1 s: expected a multiple of 0\.2 s\.$"),
        ({"delay": 0.6}, r"^sensors\.delay = 0\.6 s: expected at most 0\.4 s\.$"),
        ({"drop_out": 1.0}, r"^sensors\.drop_out = 1\.0: expected 0 or more and less than 1\.$"),
        ({"drop_out": -0.1}, r"^sensors\.drop_out = -0\.1: expected 0 or more and less than 1\.$"),
    ],
)
def test_sensors_that_do_not_fit_the_control_period_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        sensor_row(replace(SHIPPED, **changes), PERIOD)
