# SPDX-License-Identifier: Apache-2.0
"""Where a vehicle is dropped: a body with its shape, or level ground with a stated gravity; and its flights there.

Flights that stay within some tenths of the radius are flown in a field that is linearised anew along the way, against
the exact ground; longer ones by `stope.world.coasting`, whose steps cost more.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, Protocol

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.world.body import Body
from stope.world.coasting import coast, surroundings

__all__ = ["BodyPlace", "Flight", "LevelPlace", "Place"]

Floats = NDArray[np.float64]

NEAR = 0.3
"""Reach of a flight, over the radius, up to which the field is linearised (chosen)."""
CHUNK, CHUNKS = 8, 12
"""Steps in one linear field, and how many such fields a flight is expected to need (chosen: the curvature left out is
then below 0.1 % of the attraction)."""
DIFFERENCE = 1e-3
"""Distance over which the gradient is taken, over the radius (chosen)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Flight:
    """One flight of the centre of mass."""

    duration: float
    """[s]"""
    position: Floats
    """At the end (3,) [m]."""
    velocity: Floats
    """At the end (3,) [m/s]."""
    apex: float
    """Greatest height over the ground [m]."""
    reason: Literal["contact", "escape", "time"]
    """Why it ended."""


class Place(Protocol):
    """Ground and gravity around a vehicle, in one frame that is fixed to the ground."""

    spin: Floats
    """Of the frame (3,) [rad/s]."""

    def start(self, height: float) -> tuple[Floats, Floats]:
        """A position (3,) at a height [m], and the axes east, north, up as columns (3, 3)."""
        ...

    def fly(self, position: Floats, velocity: Floats, *, clearance: float, time_limit: float) -> Flight:
        """Fly until the height over the ground has fallen to the clearance [m]."""
        ...

    def plane(self, position: Floats) -> tuple[Floats, Floats, Floats]:
        """Point of the ground under a position (3,), axes of its plane as columns (3, 3), gravity there (3,)."""
        ...


@nb.njit(cache=True, error_model="numpy")
def _steps(start, velocity, gravity, gradient, spin, dt, out):
    """Positions and velocities (num, 6) after steps of dt in a linear field, frame spinning; Runge-Kutta."""
    y, k, total, s = np.empty(6), np.empty(6), np.empty(6), np.empty(6)
    for i in range(3):
        y[i], y[3 + i] = start[i], velocity[i]
    origin = start.copy()
    weights = (1.0, 2.0, 2.0, 1.0)
    ahead = (0.0, 0.5, 0.5, 1.0)
    for n in range(out.shape[0]):
        total[:] = 0.0
        k[:] = 0.0
        for stage in range(4):
            for i in range(6):
                s[i] = y[i] + ahead[stage] * dt * k[i]
            for i in range(3):
                a, b = (i + 1) % 3, (i + 2) % 3
                k[i] = s[3 + i]
                k[3 + i] = gravity[i] - 2.0 * (spin[a] * s[3 + b] - spin[b] * s[3 + a])
                for j in range(3):
                    k[3 + i] += gradient[i, j] * (s[j] - origin[j])
            for i in range(6):
                total[i] += weights[stage] * k[i]
        for i in range(6):
            y[i] += dt * total[i] / 6.0
            out[n, i] = y[i]


def _axes(normal: Floats, hint: Floats) -> Floats:
    east = hint - (hint @ normal) * normal
    east = east / np.linalg.norm(east)
    return np.column_stack([east, np.cross(normal, east), normal])


class _Short(ABC):
    """Flights in a field that is linearised anew every few steps."""

    spin: Floats

    @abstractmethod
    def _heights(self, position: Floats) -> Floats:
        """Height over the ground [m] (n,) of positions (n, 3)."""

    @abstractmethod
    def _field(self, position: Floats) -> tuple[Floats, Floats]:
        """Effective gravity [m/s2] (3,) and its gradient [1/s2] (3, 3) at a position (3,)."""

    def _short(
        self, position: Floats, velocity: Floats, *, clearance: float, time_limit: float, guess: float
    ) -> Flight | None:
        """A flight by `_steps`, or None if it has not ended after eight times the guess."""
        time, apex, out = 0.0, -math.inf, np.empty((CHUNK, 6))
        begin, speed = position, velocity
        before = float(self._heights(position[None])[0]) - clearance
        for _ in range(8 * CHUNKS):
            dt = min(guess / (CHUNK * CHUNKS), (time_limit - time) / CHUNK)
            if dt <= 0.0:
                break
            gravity, gradient = self._field(begin)
            _steps(begin, speed, gravity, gradient, self.spin, dt, out)
            heights = np.concatenate([[before], self._heights(out[:, :3]) - clearance])
            hits = np.flatnonzero((heights[1:] <= 0.0) & (heights[1:] < heights[:-1]))
            if hits.size:
                k = int(hits[0])
                apex = max(apex, float(heights[: k + 1].max()))
                last = (out[k - 1, :3].copy(), out[k - 1, 3:].copy()) if k else (begin, speed)
                pull = gravity + gradient @ (last[0] - begin)
                share, end = self._land(
                    last, (pull, gradient), dt, heights=(heights[k], heights[k + 1]), clearance=clearance
                )
                return Flight(duration=time + (k + share) * dt, position=end[:3].copy(), velocity=end[3:].copy(),
                              apex=apex + clearance, reason="contact")  # fmt: skip
            apex = max(apex, float(heights.max()))
            time, begin, speed, before = time + CHUNK * dt, out[-1, :3].copy(), out[-1, 3:].copy(), float(heights[-1])
        if time >= time_limit * (1.0 - 1e-12):
            return Flight(duration=time, position=begin, velocity=speed, apex=apex + clearance, reason="time")
        return None

    def _land(
        self, start: tuple[Floats, Floats], field: tuple[Floats, Floats], dt: float, *, heights: tuple[float, float],
        clearance: float,
    ) -> tuple[float, Floats]:  # fmt: skip
        """Share of a step at which the clearance is met, by the secant, and the state there (6,)."""
        one, (a, b), low, high = np.empty((1, 6)), heights, 0.0, 1.0
        share = 1.0
        for _ in range(6):
            share = low + (high - low) * a / (a - b) if a > 0.0 else 1.0
            _steps(*start, *field, self.spin, share * dt, one)
            height = float(self._heights(one[:, :3])[0]) - clearance
            if a <= 0.0 or abs(height) < 1e-9:
                break
            low, a, high, b = (share, height, high, b) if height > 0.0 else (low, a, share, height)
        return share, one[0]


def _here(position: Floats, velocity: Floats, *, height: float) -> Flight:
    """The flight of who is under the clearance and does not climb: none."""
    return Flight(duration=0.0, position=position, velocity=velocity, apex=height, reason="contact")


class LevelPlace(_Short):
    """A plane with a stated gravity, for a case that names no body.

    Args:
        gravity_l: Effective gravity (3,) [m/s2, l]; z is the normal of the plane.
        spin_l: Spin of the ground (3,) [rad/s, l].
        escape_speed: From which a vehicle counts as gone [m/s]; infinite if nothing escapes.
    """

    def __init__(self, gravity_l: Floats, spin_l: Floats, *, escape_speed: float) -> None:
        """Keep the numbers."""
        self.gravity, self.spin, self.escape_speed = gravity_l, spin_l, escape_speed

    def _heights(self, position: Floats) -> Floats:
        return position[:, 2]

    def _field(self, position: Floats) -> tuple[Floats, Floats]:
        return self.gravity, np.zeros((3, 3))

    def start(self, height: float) -> tuple[Floats, Floats]:
        """See `Place`."""
        return np.array([0.0, 0.0, height]), np.eye(3)

    def fly(self, position: Floats, velocity: Floats, *, clearance: float, time_limit: float) -> Flight:
        """See `Place`."""
        end: Literal["escape", "time"] = "time"
        down, climb, above = -float(self.gravity[2]), float(velocity[2]), max(float(position[2]) - clearance, 0.0)
        if above == 0.0 and climb <= 0.0 and down > 0.0:
            return _here(position, velocity, height=float(position[2]))
        if float(np.linalg.norm(velocity)) >= self.escape_speed or (down <= 0.0 and climb >= 0.0):
            end = "escape"
        else:
            root = math.sqrt(climb * climb + 2.0 * max(down, 0.0) * above)
            guess = (climb + root) / down if down > 0.0 else above / -climb
            found = self._short(position, velocity, clearance=clearance,
                                time_limit=time_limit, guess=max(1.1 * guess, 1e-9))  # fmt: skip
            if found is not None:
                return found
            end = "escape"
        return Flight(duration=0.0, position=position, velocity=velocity, apex=float(position[2]), reason=end)

    def plane(self, position: Floats) -> tuple[Floats, Floats, Floats]:
        """See `Place`."""
        return position * np.array([1.0, 1.0, 0.0]), np.eye(3), self.gravity


class BodyPlace(_Short):
    """The ground of a body around a site, in frame a.

    Args:
        body: With a shape.
        latitude_deg: Of the release.
        longitude_deg: Of the release.
    """

    def __init__(self, body: Body, *, latitude_deg: float, longitude_deg: float) -> None:
        """Keep field and ground."""
        self._around, self._surface = surroundings(body), body.surface()
        self._radius = body.mean_radius
        self.spin = np.array([0.0, 0.0, body.spin_rate])
        latitude, longitude = math.radians(latitude_deg), math.radians(longitude_deg)
        self._ray = np.array([math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude),
                              math.sin(latitude)])  # fmt: skip

    def _heights(self, position: Floats) -> Floats:
        return self._surface.height(position)

    def _field(self, position: Floats) -> tuple[Floats, Floats]:
        step = DIFFERENCE * self._radius
        points = position + step * np.vstack([np.zeros(3), np.eye(3)])
        pull = self._around.field.acceleration(points) + self.spin[2] ** 2 * points * np.array([1.0, 1.0, 0.0])
        return pull[0], (pull[1:] - pull[0]).T / step

    def start(self, height: float) -> tuple[Floats, Floats]:
        """See `Place`; up is against the effective gravity at the ground."""
        foot = self._surface.point(self._ray)
        up = -self._around.gravity(foot)
        east = np.cross([0.0, 0.0, 1.0], self._ray)
        hint = east if np.linalg.norm(east) > 1e-6 else np.array([1.0, 0.0, 0.0])
        return foot + height * self._ray, _axes(up / np.linalg.norm(up), hint)

    def fly(self, position: Floats, velocity: Floats, *, clearance: float, time_limit: float) -> Flight:
        """See `Place`."""
        gravity = self._around.gravity(position)
        pull, speed = float(np.linalg.norm(gravity)), float(np.linalg.norm(velocity))
        above = max(float(self._surface.height(position)) - clearance, 0.0)
        climb = float(velocity @ position) / float(np.linalg.norm(position))
        if above == 0.0 and climb <= 0.0:
            return _here(position, velocity, height=float(self._surface.height(position)))
        guess = (climb + math.sqrt(climb * climb + 2.0 * pull * above)) / pull
        along = math.sqrt(max(speed * speed - climb * climb, 0.0))
        if above + 0.5 * max(climb, 0.0) ** 2 / pull + along * guess < NEAR * self._radius:
            found = self._short(
                position, velocity, clearance=clearance, time_limit=time_limit, guess=max(1.1 * guess, 1e-6)
            )
            if found is not None:
                return found
        return self._far(position, velocity, clearance=clearance, time_limit=time_limit)

    def _far(self, position: Floats, velocity: Floats, *, clearance: float, time_limit: float) -> Flight:
        arc = coast(self._around, position, velocity, time_limit=time_limit, tolerance=1e-7)
        heights = self._surface.height(arc.positions_a) - clearance
        apex = float(heights.max()) + clearance
        if arc.reason != "contact":
            return Flight(duration=arc.duration, position=arc.position_a, velocity=arc.velocity_a, apex=apex,
                          reason=arc.reason)  # fmt: skip
        hits = np.flatnonzero((heights[1:] <= 0.0) & (heights[:-1] > 0.0))
        if not hits.size:
            return Flight(duration=arc.duration, position=arc.position_a, velocity=arc.velocity_a, apex=apex,
                          reason="contact")  # fmt: skip
        k = int(hits[-1])
        left = float(arc.times[k + 1] - arc.times[k])
        begin, speed = arc.positions_a[k], arc.velocities_a[k]
        found = self._short(
            begin.copy(), speed.copy(), clearance=clearance, time_limit=4.0 * left + 1e-9, guess=1.05 * left
        )
        if found is None or found.reason != "contact":
            return Flight(duration=float(arc.times[k + 1]), position=arc.positions_a[k + 1],
                          velocity=arc.velocities_a[k + 1], apex=apex, reason="contact")  # fmt: skip
        return Flight(duration=float(arc.times[k]) + found.duration, position=found.position, velocity=found.velocity,
                      apex=max(apex, found.apex), reason="contact")  # fmt: skip

    def plane(self, position: Floats) -> tuple[Floats, Floats, Floats]:
        """See `Place`."""
        foot, normal = self._surface.point(position), self._surface.normal(position)
        hint = np.cross([0.0, 0.0, 1.0], normal)
        hint = hint if np.linalg.norm(hint) > 1e-6 else np.array([1.0, 0.0, 0.0])
        return foot, _axes(normal, hint), self._around.gravity(foot)
