# SPDX-License-Identifier: Apache-2.0
"""Sensors: noisy, late and sometimes missing measurements of a robot's pose and rates, native per world.

Noise is drawn from counters, so it depends on (seed, world, episode, step) and on nothing else. A lost sample leaves
the last one held, as a robot's estimator would.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.counter_rng import normal, uniform
from stope.base.errors import ConfigError
from stope.world.robots import Sensors

__all__ = ["MAX_DELAY", "NUM_MEASURED", "measure", "measure_all", "sensor_row"]

MAX_DELAY = 2
"""Longest delay, in samples."""
POSE = 13
NUM_MEASURED = POSE * (MAX_DELAY + 2)
"""Held measurement, then the newest samples still on their way: position_l, q_lb, velocity_l, rate_b each."""


def sensor_row(sensors: Sensors, control_period: float) -> NDArray[np.float64]:
    """The numbers `measure` reads.

    Raises:
        ConfigError: a period or a delay that is not a whole number of control periods, or too long a delay.
    """
    for name in ("period", "delay"):
        ratio = getattr(sensors, name) / control_period
        if abs(ratio - round(ratio)) > 1e-9:
            raise ConfigError(
                f"sensors.{name} = {getattr(sensors, name)} s: expected a multiple of {control_period} s."
            )
    delay = round(sensors.delay / control_period)
    if delay > MAX_DELAY:
        raise ConfigError(f"sensors.delay = {sensors.delay} s: expected at most {MAX_DELAY * control_period} s.")
    if not 0.0 <= sensors.drop_out < 1.0:
        raise ConfigError(f"sensors.drop_out = {sensors.drop_out}: expected 0 or more and less than 1.")
    every = max(1, round(sensors.period / control_period))
    return np.array([sensors.position_noise, sensors.attitude_noise, sensors.velocity_noise, sensors.rate_noise,
                     sensors.drop_out, float(delay), float(every)])  # fmt: skip


@nb.njit(error_model="numpy")
def measure(state, measured, sensor, key, counter, is_first):
    """Take a sample and hold it; `measured[:13]` is what the robot has in hand.

    Args:
        state: True state row.
        measured: (NUM_MEASURED,), changed in place.
        sensor: From `sensor_row`.
        key: Random stream of this world.
        counter: First of 32 counters this sample may use; its step within the episode is counter // 64 mod 2**26.
        is_first: At the start of an episode every slot is filled and nothing is lost.
    """
    delay, every = int(sensor[5]), int(sensor[6])
    step = int((counter >> np.uint64(6)) & np.uint64(0x3FFFFFF))
    lost = uniform(key, counter + np.uint64(16)) < sensor[4] or step % every != 0
    newest = POSE * (1 + MAX_DELAY)
    for k in range(POSE, newest):
        measured[k] = measured[k + POSE]
    m = measured[newest : newest + POSE]
    if is_first or not lost:
        for k in range(3):
            m[k] = state[k] + sensor[0] * normal(key, counter + np.uint64(k))
            m[7 + k] = state[7 + k] + sensor[2] * normal(key, counter + np.uint64(3 + k))
            m[10 + k] = state[10 + k] + sensor[3] * normal(key, counter + np.uint64(6 + k))
        ex = 0.5 * sensor[1] * normal(key, counter + np.uint64(9))
        ey = 0.5 * sensor[1] * normal(key, counter + np.uint64(10))
        ez = 0.5 * sensor[1] * normal(key, counter + np.uint64(11))
        w, x, y, z = state[3], state[4], state[5], state[6]
        n = 1.0 / math.sqrt((1.0 + ex * ex + ey * ey + ez * ez) * (w * w + x * x + y * y + z * z))
        m[3] = n * (w - x * ex - y * ey - z * ez)
        m[4] = n * (x + w * ex + y * ez - z * ey)
        m[5] = n * (y + w * ey + z * ex - x * ez)
        m[6] = n * (z + w * ez + x * ey - y * ex)
    if is_first:
        for s in range(MAX_DELAY + 1):
            for k in range(POSE):  # a loop: numba takes seconds to compile a copy between slices
                measured[POSE * s + k] = m[k]
    at = POSE * (1 + MAX_DELAY - delay)
    for k in range(POSE):
        measured[k] = measured[at + k]


@nb.njit(cache=True, parallel=True, error_model="numpy")
def measure_all(states, measured, sensor, keys, step, is_first):
    """Take a sample in every world: states (worlds, NUM_STATE), measured (worlds, NUM_MEASURED), keys (worlds,)."""
    for i in nb.prange(states.shape[0]):
        measure(states[i], measured[i], sensor, keys[i], np.uint64(step) * np.uint64(64), is_first)
