# SPDX-License-Identifier: Apache-2.0
"""dock: fly to a pose and stop, from up to 5 m and any attitude, with unknown payload.

The target pose is the local frame itself: base origin at l's origin, axes aligned. Success is judged on the true state:
within 5 cm, 5 deg, 2 cm/s and 1 deg/s, held for 5 s, before the time is up. Beside it two finer holds are recorded:
within 2 cm and within 1 cm, for 10 s.

The functions here run native, per world; `stope.world.env` drives them. An observation is what the policy may see:
measurements, its own last action, and its belief. The true physics is a separate group for the critic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb

from stope.base.config import check_fraction, check_positive
from stope.base.errors import ConfigError
from stope.world import plant as p
from stope.world.free_flight import rotate
from stope.world.physics import NUM_PARAMETERS, index_of

__all__ = ["DockConfig"]

# --- record row: what an episode has come to --------------------------------------------------------------------------
STEPS = 0  # control steps flown
HOLD = 1  # steps inside the tolerance without a break
SUCCESS_TIME = 2  # end of the first hold of 5 s [s]; -1 before
HOLD_2CM = 3
TIME_2CM = 4  # end of the first 10 s within 2 cm [s]; -1 before
HOLD_1CM = 5
TIME_1CM = 6
POSITION_ERROR = 7  # now [m]
ATTITUDE_ERROR = 8  # now [rad]
SPEED = 9  # now [m/s]
RATE = 10  # now [rad/s]
TAIL_ERROR = 11  # sum of the position error over the last 5 s of the time limit [m]
RETURN = 12  # sum of rewards
DISTANCE = 13  # at the start [m]
PLANAR = 14  # 1 on a table, 0 in free flight
NUM_RECORD = 15

NUM_MOTION = 24  # position 3 + near 3, velocity 3, attitude 3 + near 3, rate 3, last action 6
RESIDUAL = 3  # believed residual acceleration, turned to b
BELIEF_AT = NUM_MOTION + RESIDUAL
NUM_OBSERVATION = NUM_MOTION + RESIDUAL + 2 * NUM_PARAMETERS
NUM_PRIVILEGED = NUM_PARAMETERS
_RESIDUAL_AT = index_of("residual_x")
# A new network should not be thrown by 46 numbers that rarely matter: they enter small.
MEAN_SCALE = 0.1
SPREAD_SCALE = 0.05

TERMS = ("far", "near", "close", "facing", "aligned", "square", "calm", "still", "steady", "frugal", "docked")
WEIGHTS = (0.30, 0.16, 0.16, 0.20, 0.10, 0.10, 0.20, 0.10, 0.10, 0.04, 0.40)

inline = nb.njit(inline="never", error_model="numpy")


@dataclass(frozen=True, kw_only=True, slots=True)
class DockConfig:
    """Fly to a pose and stop."""

    distance: float = 5.0
    """Largest distance at the start [m]; uniform in the ball."""
    speed: float = 0.02
    """Standard deviation of each component of the velocity at the start [m/s]."""
    rate: float = 0.02
    """Standard deviation of each component of the angular rate at the start [rad/s]."""
    time_limit: float = 60.0
    """Length of an episode [s]."""
    keep_in: float = 10.0
    """Distance at which the episode ends in failure [m]."""
    planar_share: float = 0.0
    """Share of the episodes on an air-bearing table [1]: there the robot starts in the plane z = 0, upright, and after
    every control period the table has taken out whatever left it."""

    def __post_init__(self) -> None:
        """Check that each is positive and that a start is not a failure already."""
        check_positive(self, "distance", "speed", "rate", "time_limit", "keep_in")
        check_fraction(self, "planar_share")
        if self.distance >= self.keep_in:
            raise ConfigError(
                f"DockConfig.distance = {self.distance} m: expected less than keep_in = {self.keep_in} m."
            )


@inline
def errors(state):
    """Position [m], attitude [rad], speed [m/s] and rate [rad/s] errors of one world."""
    position = math.sqrt(state[0] ** 2 + state[1] ** 2 + state[2] ** 2)
    s = math.sqrt(state[4] ** 2 + state[5] ** 2 + state[6] ** 2)
    attitude = 2.0 * math.atan2(s, abs(state[3]))
    speed = math.sqrt(state[7] ** 2 + state[8] ** 2 + state[9] ** 2)
    rate = math.sqrt(state[10] ** 2 + state[11] ** 2 + state[12] ** 2)
    return position, attitude, speed, rate


@inline
def reward_terms(position, attitude, speed, rate, action, out):
    """Terms of the reward, each in [0, 1], in the order of TERMS."""
    effort = 0.0
    for k in range(6):
        effort += min(1.0, action[k] * action[k])
    out[0] = max(0.0, 1.0 - position / 10.0)
    out[1] = math.exp(-position / 0.5)
    out[2] = math.exp(-position / 0.05)
    out[3] = 1.0 - attitude / math.pi
    out[4] = math.exp(-attitude / 0.3)
    out[5] = math.exp(-attitude / 0.1)
    out[6] = 1.0 / (1.0 + (rate / 0.3) ** 2)
    out[7] = math.exp(-position / 0.1 - speed / 0.02)
    out[8] = math.exp(-attitude / 0.1 - rate / 0.05)
    out[9] = 1.0 - effort / 6.0
    out[10] = math.exp(-position / 0.04 - attitude / 0.08 - speed / 0.02 - rate / 0.02)


@inline
def judge(state, record, dt, time_limit):
    """Update the record of one world after a control step; return the four errors."""
    position, attitude, speed, rate = errors(state)
    record[STEPS] += 1.0
    now = record[STEPS] * dt
    inside = position < 0.05 and attitude < 5.0 * math.pi / 180.0 and speed < 0.02 and rate < math.pi / 180.0
    record[HOLD] = record[HOLD] + 1.0 if inside else 0.0
    if record[SUCCESS_TIME] < 0.0 and record[HOLD] * dt >= 5.0 - 1e-9:
        record[SUCCESS_TIME] = now
    record[HOLD_2CM] = record[HOLD_2CM] + 1.0 if position < 0.02 else 0.0
    if record[TIME_2CM] < 0.0 and record[HOLD_2CM] * dt >= 10.0 - 1e-9:
        record[TIME_2CM] = now
    record[HOLD_1CM] = record[HOLD_1CM] + 1.0 if position < 0.01 else 0.0
    if record[TIME_1CM] < 0.0 and record[HOLD_1CM] * dt >= 10.0 - 1e-9:
        record[TIME_1CM] = now
    record[POSITION_ERROR], record[ATTITUDE_ERROR], record[SPEED], record[RATE] = position, attitude, speed, rate
    if now > time_limit - 5.0 + 1e-9:
        record[TAIL_ERROR] += position
    return position, attitude, speed, rate


@inline
def observe(measured, last_action, belief, out):
    """Observation of one world, float32.

    Args:
        measured: Held measurement: position_l, q_lb, velocity_l, rate_b, (13,).
        last_action: The action before, (6,).
        belief: Mean and log standard deviation of z, (2 num_parameters,).
        out: Observation, (NUM_OBSERVATION,).
    """
    qw, qx, qy, qz = measured[3], -measured[4], -measured[5], -measured[6]
    px, py, pz = rotate(qw, qx, qy, qz, measured[0], measured[1], measured[2])
    vx, vy, vz = rotate(qw, qx, qy, qz, measured[7], measured[8], measured[9])
    at = _RESIDUAL_AT
    rx, ry, rz = rotate(qw, qx, qy, qz, belief[at], belief[at + 1], belief[at + 2])
    out[0], out[1], out[2] = px, py, pz
    out[3], out[4], out[5] = math.tanh(5.0 * px), math.tanh(5.0 * py), math.tanh(5.0 * pz)
    out[6], out[7], out[8] = 5.0 * vx, 5.0 * vy, 5.0 * vz
    s = 1.0 if measured[3] >= 0.0 else -1.0
    for k in range(3):
        e = s * measured[4 + k]
        out[9 + k], out[12 + k] = e, math.tanh(10.0 * e)
        out[15 + k] = 2.0 * measured[10 + k]
    for k in range(6):
        out[18 + k] = min(1.0, max(-1.0, last_action[k]))
    out[24], out[25], out[26] = rx, ry, rz
    for k in range(NUM_PARAMETERS):
        out[BELIEF_AT + k] = MEAN_SCALE * belief[k]
        out[BELIEF_AT + NUM_PARAMETERS + k] = SPREAD_SCALE * belief[NUM_PARAMETERS + k]


@inline
def level(state):
    """Hold one world in the plane z = 0, upright: a table takes up forces along z and torques about x and y."""
    state[p.POSITION + 2], state[p.VELOCITY + 2] = 0.0, 0.0
    state[p.RATE], state[p.RATE + 1] = 0.0, 0.0
    w, z = state[p.ATTITUDE], state[p.ATTITUDE + 3]
    n = math.sqrt(w * w + z * z)
    if n < 1e-9:
        w, z, n = 1.0, 0.0, 1.0
    state[p.ATTITUDE], state[p.ATTITUDE + 1], state[p.ATTITUDE + 2], state[p.ATTITUDE + 3] = w / n, 0.0, 0.0, z / n


@inline
def reset(state, record, draws, distance, speed, rate, tank, planar_share):
    """Start one world: a point in the ball, or in the disc of a table, turned anyhow, slow.

    Args:
        state: (NUM_STATE,), changed.
        record: (NUM_RECORD,), changed.
        draws: 13 normals and two uniforms; of a planar start, the third is changed to 0.
        distance: Largest [m].
        speed: Standard deviation of each component [m/s].
        rate: The same [rad/s].
        tank: Propellant [kg].
        planar_share: Of the episodes.
    """
    is_planar = 1.0 if draws[14] < planar_share else 0.0
    if is_planar > 0.0:
        draws[2] = 0.0
    n = math.sqrt(draws[0] ** 2 + draws[1] ** 2 + draws[2] ** 2) + 1e-12
    r = distance * draws[13] ** (1.0 / (3.0 - is_planar))
    for k in range(p.NUM_STATE):
        state[k] = 0.0
    m = math.sqrt(draws[3] ** 2 + draws[4] ** 2 + draws[5] ** 2 + draws[6] ** 2) + 1e-12
    for k in range(3):
        state[p.POSITION + k] = r * draws[k] / n
        state[p.VELOCITY + k] = speed * draws[7 + k]
        state[p.RATE + k] = rate * draws[10 + k]
    for k in range(4):
        state[p.ATTITUDE + k] = draws[3 + k] / m
    if is_planar > 0.0:
        level(state)
    state[p.PROPELLANT] = tank
    for k in range(NUM_RECORD):
        record[k] = 0.0
    record[SUCCESS_TIME], record[TIME_2CM], record[TIME_1CM], record[DISTANCE] = -1.0, -1.0, -1.0, r
    record[PLANAR] = is_planar
