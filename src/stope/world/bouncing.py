# SPDX-License-Identifier: Apache-2.0
"""Bouncing to rest: flights, impacts with restitution and friction, and the slide after the last bounce.

Infinitely many bounces take a finite time. They end here when the next one would rise less than a given height: what is
left of the series is summed, and the point slides on from there. It is an energy that decides, never a speed, so slow
motion along the ground is not taken for rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from stope.base.errors import RangeError
from stope.world.body import Body
from stope.world.coasting import Arc, Surroundings, coast, surroundings
from stope.world.surface import FlatSurface

REST_HEIGHT = 1e-6
"""A bounce that rises less than this [m] belongs to the tail that is summed (chosen: below any grain)."""
TOLERANCE = 1e-6
"""Of the integrator (chosen: under a millimetre on Ryugu, which restitution and friction are not known to)."""
MAX_CONTACTS = 10_000
"""Impacts after which a bounce sequence is given up (chosen)."""
SHORTENINGS = 4
"""Tries to find how far a point can slide up the ground that it meets (chosen)."""
SLIDE_STEP = 1e-3
"""Longest step of a slide over the distance from the centre (chosen: 0.4 m on Ryugu, under its triangles of 30 m)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Impact:
    """One contact of a bounce sequence."""

    time: float
    """From the start [s]."""
    position_a: np.ndarray
    """(3,) [m], frame a."""
    normal_a: np.ndarray
    """Outward unit normal of the ground (3,)."""
    speed_before: float
    """[m/s], against the ground."""
    speed_after: float
    """[m/s], against the ground."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bounces:
    """A bounce sequence and its end."""

    impacts: tuple[Impact, ...]
    """Every contact followed by a flight or a slide of its own; those of the summed tail are left out."""
    arcs: tuple[Arc, ...]
    """The flights; arc times count from the take-off of each."""
    apex_heights: np.ndarray
    """Height of the highest point of each flight over the ground under it (num_arcs,) [m]."""
    total_time: float
    """From the start to the end [s], the tail and the slide included."""
    travel: float
    """Sum of the straight distances between contacts, and of the slides [m]."""
    slide: float
    """Part of `travel` that was slid [m]."""
    position_a: np.ndarray
    """Position at the end (3,) [m], frame a."""
    velocity_a: np.ndarray
    """Velocity at the end (3,) [m/s], frame a; zero at rest."""
    reason: Literal["rest", "escape", "time", "contacts"]
    """Why it ends: it rests, leaves the body for good, the time is up, or there were too many contacts."""


def rebound(velocity: np.ndarray, normal: np.ndarray, *, restitution: float, friction: float) -> np.ndarray:
    """Velocity (3,) [m/s] of a point after an impact.

    Args:
        velocity: Before the impact, against the ground (3,) [m/s].
        normal: Outward unit normal of the ground (3,).
        restitution: Speed of separation over speed of approach, 0 to 1.
        friction: Coulomb coefficient: the impulse along the ground is at most this times the one across.

    Valid for:
        A point, or a ball that does not turn. Velocity and normal share any frame that is fixed to the ground.

    Source:
        Newton's restitution with Coulomb's bound. tests/laws/test_coasting.py: the kinetic energy never grows.
    """
    across = float(velocity @ normal)
    if across >= 0.0:
        return velocity.copy()
    along = velocity - across * normal
    speed = float(np.linalg.norm(along))
    lost = friction * (1.0 + restitution) * -across
    kept = max(1.0 - lost / speed, 0.0) if speed > 0.0 else 0.0
    return kept * along - restitution * across * normal


def bounce(
    where: Body | Surroundings,
    position_a: ArrayLike,
    velocity_a: ArrayLike,
    *,
    restitution: float,
    friction: float,
    time_limit: float,
    tolerance: float = TOLERANCE,
    rest_height: float = REST_HEIGHT,
) -> Bounces:
    """Fly, hit, rebound and slide until rest, escape or the time limit.

    Args:
        where: The body, or field, ground and spin by themselves.
        position_a: Start (3,) [m], frame a; on the ground or above it.
        velocity_a: Velocity at the start (3,) [m/s], frame a. Into the ground it begins with an impact.
        restitution: Speed of separation over speed of approach, 0 to 1.
        friction: Coulomb coefficient between the point and the ground, in impacts and slides.
        time_limit: Longest sequence [s].
        tolerance: Of the integrator, see `coast`; looser here.
        rest_height: A bounce that rises less than this [m] is not flown: the rest of the series is summed.

    Returns:
        The sequence.

    Raises:
        RangeError: if a number is out of range, the start is under the ground, or there is no ground.

    Valid for:
        A point or a ball that does not turn, constant restitution. The slide takes the ground as plane over a step of
        a thousandth of the distance from the centre, so on a mesh its path is good to that length. Without friction a
        point that is pressed into a crease of a mesh may stay there, where it would slide along it.

    Source:
        Impacts as in `rebound`; the tail is the geometric series 2 v / (g (1 - e)) of the flight times.
    """
    where = surroundings(where) if isinstance(where, Body) else where
    _check(where, restitution=restitution, friction=friction, rest_height=rest_height, time_limit=time_limit)
    run = _Sequence(where, position_a, velocity_a, friction=friction, time_limit=time_limit)
    while run.reason is None:
        run.fly(tolerance)
        if run.reason is None:
            run.hit(restitution, rest_height)
        if len(run.impacts) >= MAX_CONTACTS and run.reason is None:
            run.reason = "contacts"
    return run.result()


def _check(where: Surroundings, *, restitution: float, friction: float, rest_height: float, time_limit: float) -> None:
    """Refuse what no bounce can have."""
    if where.surface is None:
        raise RangeError(
            "bounce.where = no ground: a point cannot bounce there. Give Surroundings a surface, or coast."
        )
    if not 0.0 <= restitution <= 1.0:
        raise RangeError(f"bounce.restitution = {restitution}: must be 0 to 1. Above 1 an impact would make energy.")
    if not (math.isfinite(friction) and friction >= 0.0):
        raise RangeError(f"bounce.friction = {friction}: must be finite, zero or more.")
    for name, value, unit in (("rest_height", rest_height, "m"), ("time_limit", time_limit, "s")):
        if not (math.isfinite(value) and value > 0.0):
            raise RangeError(f"bounce.{name} = {value} {unit}: must be finite and positive.")


class _Sequence:
    """A bounce sequence under way: where the point is, and what happened so far."""

    def __init__(
        self,
        where: Surroundings,
        position: ArrayLike,
        velocity: ArrayLike,
        *,
        friction: float,
        time_limit: float,
    ) -> None:
        """Begin at rest with nothing having happened."""
        self.where, self.friction, self.time_limit = where, friction, time_limit
        self.position, self.velocity, self.normal = np.array(position), np.array(velocity), np.zeros(3)
        self.time, self.travel, self.slid = 0.0, 0.0, 0.0
        self._gravity, self._gravity_at = np.zeros(3), np.zeros(3)
        self.impacts: list[Impact] = []
        self.arcs: list[Arc] = []
        self.apexes: list[float] = []
        self.reason: Literal["rest", "escape", "time", "contacts"] | None = None

    def fly(self, tolerance: float) -> None:
        """Coast to the next event."""
        left = self.time_limit - self.time
        if left <= 0.0:
            self.reason = "time"
            return
        arc = coast(self.where, self.position, self.velocity, time_limit=left, tolerance=tolerance)
        if arc.duration > 0.0:
            assert self.where.surface is not None
            self.arcs.append(arc)
            self.apexes.append(float(self.where.surface.height(arc.apex_a)))
            self.travel += float(np.linalg.norm(arc.position_a - arc.positions_a[0]))
        self.time += arc.duration
        self.position, self.velocity, self.normal = arc.position_a, arc.velocity_a, arc.normal_a
        self.reason = None if arc.reason == "contact" else arc.reason

    def hit(self, restitution: float, rest_height: float) -> None:
        """Rebound, and slide if the rebound is too low to fly."""
        before = float(np.linalg.norm(self.velocity))
        self.velocity = rebound(self.velocity, self.normal, restitution=restitution, friction=self.friction)
        self.impacts.append(
            Impact(
                time=self.time,
                position_a=self.position,
                normal_a=self.normal,
                speed_before=before,
                speed_after=float(np.linalg.norm(self.velocity)),
            )
        )
        climb, weight = float(self.velocity @ self.normal), self._weight()
        if 0.5 * climb * climb < weight * rest_height:
            # The bounces that are left press on the ground as hard on average as the weight does: the friction of the
            # slide is theirs as well, and only their time has to be added where the point stops before them.
            left = 2.0 * climb / (weight * (1.0 - restitution)) if restitution < 1.0 else math.inf
            self.velocity = self.velocity - climb * self.normal
            self.slide(rest_height, settled=self.time + (left if climb > 0.0 else 0.0))

    def slide(self, rest_height: float, *, settled: float) -> None:
        """Slide along the ground until rest, take-off, or the time limit; `settled` [s] is when bounces have ended."""
        flat = isinstance(self.where.surface, FlatSurface)
        longest = math.inf if flat else SLIDE_STEP * float(np.linalg.norm(self.position))
        while self.reason is None:
            weight, begun, normal = self._weight(), self.time, self.normal
            if weight <= 0.0:
                return  # nothing holds the point down: it flies
            if self._rests(weight):
                self.reason = "rest" if settled <= self.time_limit else "time"
                self.time = min(max(self.time, settled), self.time_limit)
                return
            if not self._slide_once(longest, weight):
                return
            if self.reason is None and self.time >= self.time_limit:
                self.reason = "time"
            elif self.reason is None and not flat:
                speed, climb = float(np.linalg.norm(self.velocity)), float(self.velocity @ self.normal)
                # Over a crest the ground falls away from the point, and gravity may or may not follow.
                leap = max(climb - weight * (self.time - begun), 0.0) if climb > 0.0 else climb
                if 0.5 * leap * leap >= weight * rest_height:
                    return
                self.velocity = self.velocity - climb * self.normal
                if climb > 0.0:
                    self._set_speed(speed)  # gravity turns the motion, which costs nothing; a crease costs what is lost
                # In a crease it would slide to and fro for ever, a little less each time.
                creased = climb < 0.0 and float(normal @ self.normal) < 1.0 - 1e-9
                if creased and 0.5 * float(self.velocity @ self.velocity) < weight * rest_height:
                    self.reason, self.time = "rest", max(self.time, min(settled, self.time_limit))

    def _rests(self, weight: float) -> bool:
        """Whether the point stands still and friction holds it."""
        pull = self._pull()
        along = pull - (pull @ self.normal) * self.normal
        return not self.velocity.any() and bool(np.linalg.norm(along) <= self.friction * weight)

    def _slide_once(self, longest: float, weight: float) -> bool:
        """Slide over at most `longest` [m] with constant forces, or until friction stops it; False over a cliff."""
        pull = self._pull()
        pull = pull - (pull @ self.normal) * self.normal
        speed = float(np.linalg.norm(self.velocity))
        ahead = self.velocity / speed if speed > 0.0 else pull / np.linalg.norm(pull)
        rate = pull - self.friction * weight * ahead
        along, size = float(rate @ ahead), float(np.linalg.norm(rate))
        aside = float(np.linalg.norm(rate - along * ahead))
        stop = -speed / along if along < 0.0 else math.inf
        reach = (math.sqrt(speed * speed + 2.0 * size * longest) - speed) / size if size > 0.0 else longest / speed
        # Friction turns with the motion: a tenth of a radian in a step.
        turn = 0.1 * speed / aside if speed > 0.0 and aside > 0.1 * abs(along) else math.inf
        dt = min(stop, reach, turn, self.time_limit - self.time)
        step = dt * (self.velocity + 0.5 * dt * rate)
        self.velocity = np.zeros(3) if dt == stop else self.velocity + dt * rate
        self.time += dt
        if not isinstance(self.where.surface, FlatSurface):
            return self._follow_ground(step, kinetic=0.5 * speed * speed, drag=self.friction * weight)
        self._arrive(self.position + step)
        return True

    def _follow_ground(self, step: np.ndarray, *, kinetic: float, drag: float) -> bool:
        """Put the point on the ground after a step along it, with the speed that its energy allows; False at a cliff.

        Args:
            step: Along the ground's old plane (3,) [m].
            kinetic: Energy of the motion before the step [m2/s2].
            drag: Friction [m/s2].
        """
        surface, still = self.where.surface, np.zeros(3)
        assert surface is not None
        for _ in range(SHORTENINGS):
            target, length = self.position + step, float(np.linalg.norm(step))
            gap, around = float(surface.height(target)), length + 10.0 * self.where.touch
            if gap < -around:
                break  # the side of an overhang
            arrived = target if gap > around else surface.point(target)
            fall = float(self.where.jacobi(self.position, still) - self.where.jacobi(arrived, still))
            left = kinetic + fall - drag * length
            if left >= 0.0:
                self.normal = surface.normal(target)
                self._arrive(arrived)
                self._set_speed(math.sqrt(2.0 * left))
                return gap <= around
            # It cannot climb as far: to where the energy is used up if the slope is even, and a little less.
            step = 0.999 * kinetic / (kinetic - left) * step
        # It turns back where it is, or stays if it came from rest and leans on something.
        self.velocity, self.reason = still, None if kinetic > 0.0 else "rest"
        return True

    def _arrive(self, position: np.ndarray) -> None:
        """Move there in a slide."""
        length = float(np.linalg.norm(position - self.position))
        self.position, self.travel, self.slid = position, self.travel + length, self.slid + length

    def _set_speed(self, speed: float) -> None:
        """Keep the direction of the motion and set its speed [m/s]."""
        size = float(np.linalg.norm(self.velocity))
        if size > 0.0:
            self.velocity = speed / size * self.velocity

    def _pull(self) -> np.ndarray:
        """Acceleration (3,) [m/s2] of a free point with this position and velocity, frame a."""
        if self._gravity_at is not self.position:
            self._gravity, self._gravity_at = self.where.gravity(self.position), self.position
        u, v, _ = self.velocity
        return self._gravity + 2.0 * self.where.spin_rate * np.array([v, -u, 0.0])

    def _weight(self) -> float:
        """Acceleration into the ground [m/s2]; negative where the point flies off."""
        return -float(self._pull() @ self.normal)

    def result(self) -> Bounces:
        """What happened."""
        assert self.reason is not None
        return Bounces(
            impacts=tuple(self.impacts),
            arcs=tuple(self.arcs),
            apex_heights=np.array(self.apexes),
            total_time=float(self.time),
            travel=self.travel,
            slide=self.slid,
            position_a=self.position,
            velocity_a=np.zeros(3) if self.reason == "rest" else self.velocity,
            reason=self.reason,
        )
