# SPDX-License-Identifier: Apache-2.0
"""The safety envelope: stands between a policy and its robot, and takes over when a limit is about to be passed.

It sees what the robot senses and what the policy asks for, never the truth. While every limit holds, actions pass
untouched to the bit. A limit that is passed latches its cause; the robot is then braked (`stope.learn.brakes`) until
everything has been calm for a while, below `release` of the limit, and the policy gets it back.

A sensor whose numbers are not finite, or stay the same to the bit, is not believed: what it senses is then reckoned
from its last numbers, with the actions since and the nominal mass; the others are believed as before. A policy is never
shown a number that is not finite: its memory would keep it; it sees the last whole observation instead.

Flown in the same place by NRL's APIARY (arXiv 2512.03729), whose policy could be taken from by the standard controller.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.intervals import clopper_pearson
from stope.base.rotation import cross
from stope.learn.brakes import Brake, Motion, brake_for
from stope.learn.envelope_limits import Limits, limits_for
from stope.world.robots import Robot
from stope.world.tasks import ContactTask, DockConfig

__all__ = ["CAUSES", "Envelope", "Interventions", "envelope_for"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Single = NDArray[np.float32]

CAUSES = ("observation", "stale", "keep_in", "speed", "rate", "impulse", "energy", "load", "action", "wrench")
"""Why it acts: a number observed is not finite; a sensor is stuck; too far out, fast, or turning; too much impulse or
work spent; an anchor overloaded; a number of the action is not finite, or outside [-1, 1]. The last, and a hop cut
short (counted as keep_in), change the action and do not latch."""
CORRECTION = 0.2
"""Share of a surprise in the position that corrects a velocity which is reckoned [1]; chosen: five steps to learn."""
OBSERVATION, STALE, KEEP_IN, SPEED, RATE, IMPULSE, ENERGY, LOAD, ACTION, WRENCH = range(len(CAUSES))


@dataclass(frozen=True, slots=True, eq=False)
class Interventions:
    """How often an envelope acted, in one episode of each world."""

    counts: NDArray[np.int64]
    """Times each cause set in, (worlds, causes)."""
    steps: NDArray[np.int64]
    """Control steps whose action it changed, (worlds,)."""
    watched: NDArray[np.int64]
    """Control steps it watched, (worlds,)."""

    def summary(self) -> dict[str, Any]:
        """Times by cause over all worlds; the rate of worlds touched, with its interval; the share of steps changed."""
        touched = int((self.counts.sum(axis=1) > 0).sum())
        worlds = asdict(clopper_pearson(touched, len(self.counts)))
        return {
            "interventions": {cause: int(n) for cause, n in zip(CAUSES, self.counts.sum(axis=0), strict=True)},
            "worlds": {k: worlds[k] for k in ("success", "n", "low", "high")},
            "steps": float(self.steps.sum() / max(1, self.watched.sum())),
        }


class Envelope:
    """Watches one batch of worlds.

    Args:
        brake: What the robot senses and how it stops.
        limits: What it may do.
    """

    def __init__(self, brake: Brake, limits: Limits) -> None:
        """Take both; `begin` starts."""
        self.brake, self.limits = brake, limits
        sensors = (brake.position, brake.velocity, brake.rate)
        self._sensors = [s for s in (*sensors, *brake.others) if s is not None]
        where = iter(range(3))
        self._of = [None if s is None else next(where) for s in sensors]
        """Which sensor tells position, velocity and rate."""
        self._hold = max(1, round(limits.hold / brake.period))
        self._stale = brake.every * round(limits.stale / brake.period)

    def begin(self, num_worlds: int) -> None:
        """Start new episodes in so many worlds."""
        n = num_worlds
        self.counts = np.zeros((n, len(CAUSES)), dtype=np.int64)
        self.steps, self.watched = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.latched = np.zeros((n, len(CAUSES)), dtype=np.bool_)
        self._calm = np.zeros((n, len(CAUSES)), dtype=np.int64)
        self._age = np.zeros((n, len(self._sensors)), dtype=np.int64)
        self.position, self.velocity, self.rate = np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((n, 3))
        self._new = np.zeros((n, len(CAUSES)), dtype=np.bool_)
        self._applied = np.zeros((n, 6))
        self._spent = np.zeros((n, 2))
        self._origin = np.zeros((n, 3))
        self._shown: Single | None = None
        self._believed: Single | None = None
        """The last observation, and for numbers that were not finite their last values."""

    def record(self) -> Interventions:
        """What was counted since `begin`."""
        return Interventions(self.counts.copy(), self.steps.copy(), self.watched.copy())

    def watch(self, observation: Single) -> Single:
        """Take an observation; return what to show the policy, the same array while all numbers are finite."""
        finite = _finite(observation)
        shown, believed, is_first = observation, observation, self._shown is None
        if not finite.all():
            shown, lost = observation.copy(), ~finite
            shown[lost] = 0.0 if self._shown is None else self._shown[lost]
            last = np.zeros_like(observation) if self._believed is None else self._believed
            believed = np.where(np.isfinite(observation), observation, last)
        fresh = self._freshness(observation, is_whole=shown is observation)
        now = self.brake.motion(believed)
        if is_first:
            self._place(now)
        else:
            self._move(now, fresh)
        # The first is the batch's own buffer.
        self._shown, self._believed = (shown.copy(), believed.copy()) if is_first else (shown, believed)
        self._judge(believed, finite)
        return shown

    def _freshness(self, observation: Single, *, is_whole: bool) -> Bools:
        """Whether each sensor's numbers are finite and new, (worlds, sensors); all are finite in a whole one."""
        fresh = np.ones(self._age.shape, dtype=np.bool_)
        for k, part in enumerate(self._sensors):
            now = observation[:, part]
            if not is_whole:
                fresh[:, k] = _finite(now)
            if self._believed is not None:
                fresh[:, k] &= (now != self._believed[:, part]).any(axis=1)
        self._age = np.where(fresh, 0, self._age + 1)
        return fresh

    def _place(self, now: Motion) -> None:
        """Where robots begin; there is nothing yet to reckon from."""
        self.velocity, self.rate = now.velocity, now.rate
        if now.position is not None:
            self._origin = now.position.copy() if self.brake.is_from_start else np.zeros_like(now.position)
            self.position = now.position - self._origin

    def _move(self, now: Motion, fresh: Bools) -> None:
        """Bring position, velocity and rate up to now: sensed where the sensor lives, else reckoned."""
        authority, dt = self.brake.authority, self.brake.period
        at, moving, turning = (None if k is None else np.flatnonzero(~fresh[:, k]) for k in self._of)
        position, velocity, rate = self.position, self.velocity, self.rate
        if moving is not None and moving.size:
            accel = self._applied[moving, :3] * authority[:3]
            now.velocity[moving] = velocity[moving] + dt * (accel - cross(rate[moving], velocity[moving]))
        if turning is not None and turning.size:
            now.rate[turning] = rate[turning] + dt * self._applied[turning, 3:] * authority[3:]
        if now.position is None:
            self.position = position + dt * (0.5 * (velocity + now.velocity) - cross(now.rate, position))
        else:
            here = now.position - self._origin
            if at is not None and at.size:
                here[at] = position[at] + dt * (velocity[at] - cross(rate[at], position[at]))
            if moving is not None and moving.size:
                there = position[moving] + dt * (velocity[moving] - cross(rate[moving], position[moving]))
                now.velocity[moving] += CORRECTION / dt * (here[moving] - there)
            self.position = here
        self.velocity, self.rate = now.velocity, now.rate

    def _judge(self, seen: Single, finite: Bools) -> None:
        """Latch and release every cause but those of the action."""
        brake, c = self.brake, self.limits
        distance = _size(self.position)
        outward = np.einsum("ij,ij->i", self.position, self.velocity) / np.maximum(distance, 1e-9)
        reach = distance + np.square(np.maximum(outward, 0.0)) / (2.0 * c.braking)
        age = self._age.max(axis=1)
        self._spent[:, 1] += brake.period * brake.power(seen)
        levels = (
            (KEEP_IN, reach, c.keep_in), (SPEED, _size(self.velocity), c.speed), (RATE, _size(self.rate), c.rate),
            (IMPULSE, self._spent[:, 0], c.impulse), (ENERGY, self._spent[:, 1], c.energy),
            (LOAD, brake.load(seen), c.load),
        )  # fmt: skip
        self._latch(OBSERVATION, ~finite, finite)
        self._latch(STALE, age >= self._stale, age < brake.every)
        for cause, level, limit in levels:
            if limit < np.inf:
                self._latch(cause, level > limit, level < c.release * limit)

    def _latch(self, cause: int, over: Bools, calm: Bools) -> None:
        """Set a cause where it is over its limit, and free it where it has been calm for long enough."""
        latched = self.latched[:, cause]
        self._new[:, cause] = over & ~latched
        if over.any() or latched.any():
            self._calm[:, cause] = np.where(calm & latched, self._calm[:, cause] + 1, 0)
            self.latched[:, cause] = over | (latched & (self._calm[:, cause] < self._hold))

    def check(self, action: NDArray[Any], counted: Bools | None = None) -> NDArray[Any]:
        """Pass actions, or replace them.

        Args:
            action: What the policy asks for, (worlds, num_actions).
            counted: Worlds whose episode still goes on; others are not counted.

        Returns:
            The same array where nothing was to do; else one in which the other worlds' rows are the same to the bit.
        """
        finite = _finite(action)
        self._latch(ACTION, ~finite, finite)
        seen = self._believed
        assert seen is not None, "watch comes before check"
        out = action if finite.all() else np.where(finite[:, None], action, 0.0).astype(action.dtype)
        self._new[:, WRENCH] = (np.abs(out) > 1.0).any(axis=1)
        if self._new[:, WRENCH].any():
            out = np.clip(out, -1.0, 1.0)
        shorter = self.brake.shorten(seen, out, self.position, self.limits)
        cut = np.zeros(len(action), dtype=np.bool_) if shorter is out else (shorter != out).any(axis=1)
        if cut.any():
            self._new[:, KEEP_IN] |= cut
            out = shorter
        stopped = self.latched.any(axis=1)
        if stopped.any():
            out = out.copy() if out is action else out
            out[stopped] = self._stop(seen)[stopped].astype(action.dtype)
        self._count(stopped | cut | self._new[:, WRENCH], counted)
        if self.brake.wrench.any():
            self._applied = np.asarray(out[:, :6], dtype=np.float64)
            impulse = self._applied * self.brake.wrench
            self._spent[:, 0] += _size(impulse[:, :3]) + _size(impulse[:, 3:])
        return out

    def _stop(self, seen: Single) -> Floats:
        """Actions that bring every robot to rest, or back into its volume."""
        distance = _size(self.position)[:, None]
        back = -self.limits.return_speed * self.position / np.maximum(distance, 1e-9)
        wanted = np.where(self.latched[:, [KEEP_IN]], back, 0.0)
        return self.brake.stop(seen, self.velocity - wanted, self.rate)

    def _count(self, changed: Bools, counted: Bools | None) -> None:
        """Add what happened in this step."""
        on = np.ones(len(changed), dtype=np.bool_) if counted is None else counted
        self.watched += on
        if changed.any():
            self.steps += changed & on
            self.counts += self._new & on[:, None]


def envelope_for(name: str, task: DockConfig | ContactTask, robot: Robot | None = None) -> Envelope:
    """The envelope of a task.

    Args:
        name: Of the task.
        task: With its settings.
        robot: What flies `dock` or `haul`; tasks with contact name theirs.

    Raises:
        UnknownName: no such task.
        ConfigError: a flight without a robot.
    """
    return Envelope(brake_for(name, task, robot), limits_for(name, task))


def _finite(rows: NDArray[Any]) -> Bools:
    """Whether all numbers of each row are finite, (worlds,)."""
    whole = np.isfinite(rows)
    # Over everything is several times quicker than row by row, and nearly always enough.
    return np.ones(len(rows), dtype=np.bool_) if whole.all() else np.asarray(whole.all(axis=1))


def _size(vector: Floats) -> Floats:
    """Length of each row, (worlds,)."""
    return np.sqrt(np.einsum("ij,ij->i", vector, vector))
