# SPDX-License-Identifier: Apache-2.0
"""go-to-pose: a peer's task, RANS `MFP2D GoToPose`, so that its published figures have something beside them.

A floating platform on a plane has eight nozzles that are open or shut, and flies to a position and a heading. The task
is not one of mining and not in the list of skills; `benchmarks/rans.py` trains for it and evaluates.

Facts only were taken from the peer (github.com/elharirymatteo/RANS), no code: its files carry a GPL mark. 73ec3a1 and
db09122 are its commits of 25 August and 5 September 2023, around the published table; 6f2720b is the newest one read.
Where they say the same, the older is named. More in docs/explanation/rans.md.

Frames: l is fixed to the floor with the target at its origin and heading 0, b to the platform. The target can stand
there without loss: nothing else in the task has a place or a direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.config import check_fraction, check_not_negative, check_positive
from stope.base.device import set_kernel_threads
from stope.base.errors import ConfigError, RangeError
from stope.base.seeding import generator

__all__ = ["GoToPose", "PoseBatch", "disturbed", "published", "script", "today"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Law = tuple[float, float, float, float]
"""Mean, standard deviation, least and largest value of a truncated normal; a deviation of 0 is always the mean."""

PHYSICS_STEP = 0.02
"""Of the physics [s]; forces are held in b and turn with the platform. Source: MFP2D_Virtual_GoToPose.yaml, db09122."""
SUBSTEPS = 10
"""Physics steps of a control step: 5 Hz. Source: `controlFrequencyInv`, the same file."""
CONTROL_PERIOD = PHYSICS_STEP * SUBSTEPS
"""Between two actions [s]."""
MASS = 5.32
"""Of the platform [kg]. Source: exp_icra_expR_Pose_uf.json, 73ec3a1, and multi_model_eval.py, db09122."""
RADIUS = 0.31
"""Of the platform and of the ring of nozzles [m]. Source: MFP2D_Virtual_GoToPose.yaml, db09122."""
INERTIA = 0.4 * MASS * RADIUS**2
"""About the vertical [kg m2]: a solid sphere, which the physics engines make of a sphere and its mass
(MFP2D_virtual_thrusters.py, db09122; mujoco_base_env.py). A lighter platform has proportionally less."""
THRUST = 1.0
"""Of all open nozzles together [N], which share one supply (`split_thrust`). Source: the same two files."""
NUM_THRUSTERS = 8
_SPAN = np.pi / 4 + np.pi / 2 * np.repeat(np.arange(4), 2)
_AIM = _SPAN + np.tile([-np.pi / 2, np.pi / 2], 4)
NOZZLES = np.ascontiguousarray(
    np.stack([RADIUS * np.cos(_SPAN), RADIUS * np.sin(_SPAN), np.cos(_AIM), np.sin(_AIM)], 1)
)
"""Place [m] and direction of the force of each nozzle, b, (8, 4): pairs at 45, 135, 225 and 315 deg that push along
the ring, one either way. Source: MFP2D_thruster_generator.py, db09122."""
HEADING_TOLERANCE = 0.025
"""Of the peer's own goal [rad]. Source: MFP2D_task_parameters.py, db09122."""
HOLD_SAMPLES = 51
"""Samples that span 10 s; the peer ends an episode of training after more than 50 in tolerance."""

OBSERVATION_NAMES = (
    "target ahead [m, b]", "target left [m, b]", "cosine of the heading error", "sine of the heading error",
    "velocity ahead [m/s, b]", "velocity left [m/s, b]", "rate [rad/s]",
)  # fmt: skip
REWARD_NAMES = ("far", "near", "close", "fine", "facing", "aligned", "square", "calm", "still", "frugal")
REWARD_WEIGHTS = (0.15, 0.15, 0.15, 0.15, 0.20, 0.15, 0.10, 0.20, 0.15, 0.10)
"""Chosen: the pose at rest with all nozzles shut has them all."""
UNIFORM = 1e3
"""A standard deviation [any unit] that makes a truncated normal of a few units flat."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GoToPose:
    """Go to a pose; without arguments as in the peer's published evaluation, undisturbed."""

    distance: Law = (3.5, UNIFORM, 3.0, 4.0)
    """From the target at the start [m]. Source: multi_model_eval.py, db09122."""
    heading: Law = (0.0, UNIFORM, -math.pi, math.pi)
    """At the start [rad]; the peer draws the target's from the full circle (MFP2D_go_to_pose.py, db09122)."""
    speed: Law = (0.0, 0.0, 0.0, 0.0)
    """At the start [m/s], in any direction."""
    rate: Law = (0.0, 0.0, 0.0, 0.0)
    """At the start [rad/s]."""
    keep_in: float = 6.0
    """Distance from the target at which the episode ends in failure [m]. Source: multi_model_eval.py, db09122."""
    time_limit: float = 100.0
    """Length of an episode [s]: 500 steps. Source: multi_model_eval.py, db09122."""
    mass: Law = (MASS, 0.0, MASS, MASS)
    """Of the platform [kg]."""
    inertia: float = INERTIA
    """About the vertical through the centre of mass, at a mass of 5.32 kg [kg m2]."""
    com_offset: Law = (0.0, 0.0, 0.0, 0.0)
    """Of the centre of mass from the middle [m], in any direction."""
    num_off: int = 0
    """Nozzles that may be dead; each of so many is with `share_off`."""
    share_off: float = 0.5
    """Chance of each of them [1]."""
    force: Law = (0.0, 0.0, 0.0, 0.0)
    """Steady push on the middle [N], in any direction of l."""
    torque: Law = (0.0, 0.0, 0.0, 0.0)
    """Steady torque [N m]."""
    thrust_noise: Law = (0.0, 0.0, 0.0, 0.0)
    """On each nozzle, open or not, before the supply is shared [N]; drawn each control step."""
    position_noise: Law = (0.0, 0.0, 0.0, 0.0)
    """On each component of the observed position [m]."""
    velocity_noise: Law = (0.0, 0.0, 0.0, 0.0)
    """On each component of the observed velocity [m/s], and on the rate [rad/s]."""
    heading_noise: Law = (0.0, 0.0, 0.0, 0.0)
    """On the observed heading [rad]."""

    def __post_init__(self) -> None:
        """Check laws, and that a start is not a failure and the time a whole number of control steps."""
        check_positive(self, "keep_in", "time_limit", "inertia")
        check_not_negative(self, "num_off")
        check_fraction(self, "share_off")
        for name in LAWS:
            mean, std, low, high = getattr(self, name)
            if not (all(map(math.isfinite, (mean, std, low, high))) and std >= 0.0 and low <= mean <= high):
                raise ConfigError(f"GoToPose.{name} = {getattr(self, name)}: expected mean, deviation of 0 or more, "
                                  "least and largest value, the mean between them.")  # fmt: skip
        if self.mass[2] <= 0.0:
            raise ConfigError(f"GoToPose.mass = {self.mass} kg: expected a least value of more than 0.")
        if self.num_off > NUM_THRUSTERS:
            raise ConfigError(f"GoToPose.num_off = {self.num_off}: expected at most {NUM_THRUSTERS} nozzles.")
        if not 0.0 <= self.distance[2] <= self.distance[3] < self.keep_in:
            raise ConfigError(f"GoToPose.distance = {self.distance} m: expected 0 or more, and less than keep_in = "
                              f"{self.keep_in} m.")  # fmt: skip
        steps = self.time_limit / CONTROL_PERIOD
        if abs(steps - round(steps)) > 1e-9:
            raise ConfigError(f"GoToPose.time_limit = {self.time_limit} s: expected a whole number of control periods "
                              f"of {CONTROL_PERIOD} s.")  # fmt: skip

    @property
    def max_steps(self) -> int:
        """Control steps of an episode."""
        return round(self.time_limit / CONTROL_PERIOD)


LAWS = ("distance", "heading", "speed", "rate", "mass", "com_offset", "force", "torque", "thrust_noise",
        "position_noise", "velocity_noise", "heading_noise")  # fmt: skip


def published() -> GoToPose:
    """The peer's published evaluation: at rest, 3 to 4 m away, undisturbed, 100 s."""
    return GoToPose()


def today() -> GoToPose:
    """The start of the peer's newest settings: up to 6 m away, moving and turning, undisturbed, 90 s.

    Source: cfg/task/sub_task/GoToPose.yaml and cfg/task/MFP2D/GoToPose.yaml, 6f2720b, curricula at their ends.
    """
    return GoToPose(
        distance=(6.0, 3.0, 0.25, 6.0), heading=(0.0, 1.5 * math.pi, -math.pi, math.pi), speed=(0.5, 0.5, 0.0, 0.5),
        rate=(0.0, 0.5, -0.5, 0.5), keep_in=8.0, time_limit=90.0,
    )  # fmt: skip


def disturbed() -> GoToPose:
    """The start of the published evaluation with all disturbances that the peer has, at once.

    Source: cfg/task/disturbances/ and cfg/task/robot/MFP2D_FP_no_air_tank.yaml, 6f2720b, curricula at their ends. A
    dead nozzle is not told to the pilots here; the peer's networks may see it.
    """
    return GoToPose(
        mass=(5.0, 3.0, 3.5, 6.5), com_offset=(0.25, 0.25, 0.0, 0.25), num_off=2, force=(0.3, 0.3, 0.0, 0.5),
        torque=(0.0, 0.2, -0.1, 0.1), thrust_noise=(0.0, 0.1, -0.05, 0.05), position_noise=(0.0, 0.03, -0.015, 0.015),
        velocity_noise=(0.0, 0.03, -0.015, 0.015), heading_noise=(0.0, 0.05, -0.025, 0.025),
    )  # fmt: skip


def _draw(law: Law, rng: np.random.Generator, size: int | tuple[int, ...]) -> Floats:
    """Values of a law."""
    mean, std, low, high = law
    if std == 0.0:
        return np.full(size, mean)
    if std >= UNIFORM:
        return rng.uniform(low, high, size)
    from scipy.special import ndtr, ndtri  # noqa: PLC0415 -- scipy stays off the import path of the command line

    share = rng.uniform(ndtr((low - mean) / std), ndtr((high - mean) / std), size)
    return np.clip(mean + std * ndtri(share), low, high)


@nb.njit(cache=True, parallel=True, error_model="numpy")
def _fly(state, plant, opened, noise, nozzles):
    """One control step of every world.

    Args:
        state: Of the centre of mass: position [m, l], heading [rad], velocity [m/s, l], rate [rad/s]; (worlds, 6),
            changed in place.
        plant: Mass [kg], inertia about the centre of mass [kg m2], its place [m, b] (2), steady force [N, l] (2) on the
            middle, steady torque [N m], and of each nozzle whether it works; (worlds, 15).
        opened: 1 where a nozzle is told to open, (worlds, 8).
        noise: On each nozzle [N], (worlds, 8).
        nozzles: NOZZLES.
    """
    for i in nb.prange(state.shape[0]):
        s, p = state[i], plant[i]
        told = 0.0
        for k in range(8):
            told += opened[i, k]
        share = 1.0 / max(1.0, told)
        fx, fy, own = 0.0, 0.0, 0.0
        for k in range(8):
            f = (THRUST * opened[i, k] + noise[i, k]) * share * p[7 + k]
            ax, ay = f * nozzles[k, 2], f * nozzles[k, 3]
            fx += ax
            fy += ay
            own += (nozzles[k, 0] - p[2]) * ay - (nozzles[k, 1] - p[3]) * ax
        for _ in range(SUBSTEPS):
            c, d = math.cos(s[2]), math.sin(s[2])
            # The steady push acts on the middle, which is at minus the offset from the centre of mass.
            mx, my = -(c * p[2] - d * p[3]), -(d * p[2] + c * p[3])
            s[3] += PHYSICS_STEP * (c * fx - d * fy + p[4]) / p[0]
            s[4] += PHYSICS_STEP * (d * fx + c * fy + p[5]) / p[0]
            s[5] += PHYSICS_STEP * (own + mx * p[5] - my * p[4] + p[6]) / p[1]
            s[0] += PHYSICS_STEP * s[3]
            s[1] += PHYSICS_STEP * s[4]
            s[2] += PHYSICS_STEP * s[5]


class PoseBatch:
    """N platforms.

    Args:
        task: Starts, limits and disturbances.
        num_worlds: N.
        seed: Root seed of starts, platforms and noise.
        num_threads: Threads that step; results do not depend on it.
    """

    def __init__(self, task: GoToPose, *, num_worlds: int, seed: int, num_threads: int = 1) -> None:
        """Make the arrays; `reset` starts the first episodes."""
        if num_worlds < 1:
            raise ConfigError(f"num_worlds = {num_worlds}: expected 1 or more.")
        self.task, self.num_worlds, self.seed, self.num_threads = task, num_worlds, seed, num_threads
        n = num_worlds
        self.state = np.zeros((n, 6))
        """Of the centre of mass, as `_fly` takes it."""
        self.plant = np.ones((n, 15))
        """As `_fly` takes it."""
        self.steps = np.zeros(n, dtype=np.int64)
        """Control steps of the episode."""
        self.episodes = np.zeros(n, dtype=np.int64)
        self.opened = np.zeros((n, NUM_THRUSTERS))
        """The last action."""
        self._ticks = 0

    def reset(self, worlds: ArrayLike | None = None) -> NDArray[np.float32]:
        """Start new episodes in all worlds, or in the listed ones; return all observations."""
        ids = np.arange(self.num_worlds) if worlds is None else np.asarray(worlds, dtype=np.intp)
        self.episodes[ids] += 1
        self.steps[ids], self.opened[ids] = 0, 0.0
        for i in ids:
            self._start(int(i), generator(self.seed, "episode", int(i), int(self.episodes[i])))
        return self._observe()

    def _start(self, i: int, rng: np.random.Generator) -> None:
        """Draw one world; the order of draws is fixed, whatever the laws."""
        t = self.task
        value = {name: float(_draw(getattr(t, name), rng, 1)[0]) for name in LAWS[:8]}
        at, along, push, com = 2.0 * np.pi * rng.random(4)
        off = rng.permutation(NUM_THRUSTERS)[: t.num_off][rng.random(t.num_off) < t.share_off]
        offset = value["com_offset"] * np.array([np.cos(com), np.sin(com)])
        c, s, rate = np.cos(value["heading"]), np.sin(value["heading"]), value["rate"]
        turned = np.array([c * offset[0] - s * offset[1], s * offset[0] + c * offset[1]])
        self.state[i, 0:2] = value["distance"] * np.array([np.cos(at), np.sin(at)]) + turned
        self.state[i, 2], self.state[i, 5] = value["heading"], rate
        self.state[i, 3:5] = value["speed"] * np.array([np.cos(along), np.sin(along)])
        self.state[i, 3:5] += rate * np.array([-turned[1], turned[0]])
        self.plant[i, 0], self.plant[i, 1] = value["mass"], t.inertia * value["mass"] / MASS
        self.plant[i, 2:4] = offset
        self.plant[i, 4:6] = value["force"] * np.array([np.cos(push), np.sin(push)])
        self.plant[i, 6], self.plant[i, 7:] = value["torque"], 1.0
        self.plant[i, 7 + off] = 0.0

    def middle(self) -> Floats:
        """Of the platforms: position [m, l], heading [rad], from minus pi to pi, velocity [m/s, l], rate [rad/s]."""
        out = self.state.copy()
        c, s = np.cos(out[:, 2]), np.sin(out[:, 2])
        x = c * self.plant[:, 2] - s * self.plant[:, 3]
        y = s * self.plant[:, 2] + c * self.plant[:, 3]
        out[:, 0] -= x
        out[:, 1] -= y
        out[:, 3] += out[:, 5] * y
        out[:, 4] -= out[:, 5] * x
        out[:, 2] = np.arctan2(s, c)
        return out

    def errors(self) -> tuple[Floats, Floats]:
        """True distance from the target [m] and heading error [rad, 0 or more], (worlds,) each."""
        m = self.middle()
        return np.hypot(m[:, 0], m[:, 1]), np.abs(m[:, 2])

    def step(
        self, opened: ArrayLike, *, autoreset: bool = True
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], Bools, Bools]:
        """One control step of every world.

        Args:
            opened: Which nozzles are open, (worlds, 8): 0 or 1, nothing between.
            autoreset: Start a new episode at once where one ended; the observation is then the new one's.

        Returns:
            Observations, rewards, terminated (too far away) and truncated (time is up).

        Raises:
            RangeError: actions of another shape, or neither 0 nor 1.
        """
        given = np.asarray(opened, dtype=np.float64)
        if given.shape != self.opened.shape or not ((given == 0.0) | (given == 1.0)).all():
            raise RangeError(f"actions of shape {given.shape}: expected 0 or 1, {self.opened.shape}.")
        self.opened = given
        noise = np.zeros_like(given)
        if self.task.thrust_noise[1] > 0.0:
            noise = _draw(self.task.thrust_noise, generator(self.seed, "thrust", self._ticks), given.shape)
        set_kernel_threads(self.num_threads)
        _fly(self.state, self.plant, given, noise, NOZZLES)
        self.steps += 1
        distance, heading = self.errors()
        rewards = (self.terms(distance, heading) @ np.array(REWARD_WEIGHTS)).astype(np.float32)
        lost = distance > self.task.keep_in
        truncated = ~lost & (self.steps >= self.task.max_steps)
        ended = lost | truncated
        if autoreset and ended.any():
            return self.reset(np.flatnonzero(ended)), rewards, lost, truncated
        return self._observe(), rewards, lost, truncated

    def terms(self, distance: Floats, heading: Floats) -> Floats:
        """Terms of the reward, each in [0, 1], (worlds, terms)."""
        m = self.middle()
        speed, rate = np.hypot(m[:, 3], m[:, 4]), np.abs(m[:, 5])
        return np.stack([
            np.maximum(0.0, 1.0 - distance / self.task.keep_in), np.exp(-distance / 0.5), np.exp(-distance / 0.05),
            np.exp(-distance / 0.01), 1.0 - heading / np.pi, np.exp(-heading / 0.1), np.exp(-heading / 0.02),
            1.0 / (1.0 + (rate / 0.5) ** 2),  # without it some seeds learn to spin past the heading for good
            np.exp(-distance / 0.1 - heading / 0.2 - speed / 0.03 - rate / 0.05),
            1.0 - self.opened.mean(axis=1),
        ], axis=1)  # fmt: skip

    def _observe(self) -> NDArray[np.float32]:
        """What the platforms sense, (worlds, 7): the peer's state in b, its label left out.

        This is the boundary between float64 physics and float32 learning.
        """
        m, t = self.middle(), self.task
        self._ticks += 1
        if max(t.position_noise[1], t.velocity_noise[1], t.heading_noise[1]) > 0.0:
            rng = generator(self.seed, "noise", self._ticks)
            m[:, 0:2] += _draw(t.position_noise, rng, (self.num_worlds, 2))
            m[:, 3:6] += _draw(t.velocity_noise, rng, (self.num_worlds, 3))
            m[:, 2] += _draw(t.heading_noise, rng, self.num_worlds)
        c, s = np.cos(m[:, 2]), np.sin(m[:, 2])
        out = np.stack([-c * m[:, 0] - s * m[:, 1], s * m[:, 0] - c * m[:, 1], c, -s,
                        c * m[:, 3] + s * m[:, 4], c * m[:, 4] - s * m[:, 3], m[:, 5]], axis=1)  # fmt: skip
        return out.astype(np.float32)


CHOICES = np.array([[n >> k & 1 for k in range(NUM_THRUSTERS)] for n in range(2**NUM_THRUSTERS)], dtype=np.float64)
"""All 256 actions."""
_SHARED = CHOICES * THRUST / np.maximum(1.0, CHOICES.sum(axis=1, keepdims=True))
_ARMS = NOZZLES[:, 0] * NOZZLES[:, 3] - NOZZLES[:, 1] * NOZZLES[:, 2]
WRENCHES = np.stack([_SHARED @ NOZZLES[:, 2], _SHARED @ NOZZLES[:, 3], _SHARED @ _ARMS], axis=1)
"""Force [N, b] and torque [N m] of each on a sound platform, (256, 3)."""


def script(observation: NDArray[np.float32]) -> Floats:
    """Classical controller: a speed for the distance, damping, and of the 256 actions the one whose wrench is nearest.

    It knows the sound platform and nothing of disturbances.

    Args:
        observation: (worlds, 7).

    Returns:
        Which nozzles to open, (worlds, 8).
    """
    o = observation.astype(np.float64)
    target, velocity = o[:, 0:2], o[:, 4:6]
    distance = np.maximum(1e-9, np.hypot(target[:, 0], target[:, 1]))
    # Half of what braking with 0.7 N (all that is there in the worst direction) allows, and a straight line at the end.
    speed = np.minimum(0.8 * distance, 0.7 * np.sqrt(2.0 * 0.7 / MASS * distance))
    wanted = (target * (speed / distance)[:, None] - velocity) / CONTROL_PERIOD
    heading = np.arctan2(o[:, 3], o[:, 2])
    size = np.abs(heading)
    turn = np.sign(heading) * np.minimum(2.0 * size, 0.8 * np.sqrt(2.0 * 0.2 / INERTIA * size))
    force = MASS * wanted
    force *= np.minimum(1.0, THRUST / np.maximum(1e-9, np.hypot(force[:, 0], force[:, 1])))[:, None]
    torque = np.clip(INERTIA * (turn - o[:, 6]) / CONTROL_PERIOD, -0.3, 0.3)
    gap = (WRENCHES[None, :, 0] - force[:, 0, None]) ** 2 + (WRENCHES[None, :, 1] - force[:, 1, None]) ** 2
    gap += ((WRENCHES[None, :, 2] - torque[:, None]) / RADIUS) ** 2
    return CHOICES[np.argmin(gap + 1e-6 * CHOICES.sum(axis=1), axis=1)]
