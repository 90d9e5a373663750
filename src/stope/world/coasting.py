# SPDX-License-Identifier: Apache-2.0
"""Flight between contacts: a point in the field of a spinning body, from one event to the next, in a few large steps.

The state is that of the centre of mass in frame a, fixed in the spinning body: the Coriolis and the centrifugal
acceleration act beside the attraction. The step is as long as the field allows, and the ground is looked for along each
step with a bound that cannot step over it. Bounces are in `bouncing.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import DOP853
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq

from stope.base.errors import RangeError
from stope.world.body import Body, Surface
from stope.world.gravity import GravityField, UniformField
from stope.world.surface import EllipsoidSurface, FlatSurface

Reason = Literal["contact", "escape", "time"]
Path = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Positions (n, 3) [m] and velocities (n, 3) [m/s], frame a, at times (n,) [s]."""

SAMPLES = 16
"""Parts of a step at whose ends the path is kept and first compared with the ground (chosen)."""
PARTS = 4
"""Into how many pieces an interval is cut that may hold a contact (chosen)."""
RESOLUTION = 1e-3
"""A path under the ground for less than this length [m], as through a crest, is not a contact (chosen); for steps
shorter than 10 m a ten-thousandth of their length counts."""
MOST_INTERVALS = 20_000
"""Intervals that may hold a contact before the cutting ends, for paths along the ground (chosen)."""
TOUCH = 1e-12
"""Depth at which a contact is seen, over the size of the body (chosen: a thousand roundings); at least 1e-9 m."""
STEEPEST = 10.0
"""Slope of the height over the ground, per length of path, above which the ground counts as a wall [m/m] (chosen).

A crest thinner than the first samples are apart and steeper than this may be flown through: 2 of the 5,932 triangles of
Ryugu and 11 of the 7,790 of Eros are so steep."""
ESCAPE_RATIO = 20.0
"""Distance, over the largest radius of the body, from which a flight that does not return is given up (chosen)."""
FIRST_STEP = 0.01
"""First step of the integrator, over the square root of radius / attraction (chosen).

Larger ones pass over the roughness of the field beside the ground, which the error estimate then does not see: 0.1
costs 2e-4 m on an hour's hop on Ryugu, this one 1e-6 m."""
NEAR = 0.05
"""Time to the ground, in the same unit, from which a step may go through the ground (chosen)."""
UNDERSHOOT, OVERSHOOT = 0.8, 1.05
"""Longest step over the predicted time to the ground, before and after that (chosen): the field has a kink there."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Surroundings:
    """What a coasting point feels and can hit; `surroundings` makes it from a body."""

    field: GravityField
    """Attraction in frame a."""
    surface: Surface | None
    """Ground, in frame a; None where there is nothing to hit."""
    spin_rate: float
    """Spin of frame a about +z [rad/s]."""
    reach: float = 0.0
    """Largest distance of the ground from the origin [m]; without use for a plane or no ground."""
    steepness: float = 1.0
    """Most that the height over the ground changes along a path, per length of the path [m/m]."""

    @property
    def touch(self) -> float:
        """Depth at which a contact is seen [m]."""
        return max(TOUCH * self.reach, 1e-9)

    def gravity(self, position_a: np.ndarray) -> np.ndarray:
        """Effective gravity (3,) [m/s2] of a point at rest at (3,) [m]: attraction plus centrifugal acceleration."""
        outward = np.array([position_a[0], position_a[1], 0.0])
        return self.field.acceleration(position_a) + self.spin_rate**2 * outward

    def jacobi(self, position_a: np.ndarray, velocity_a: np.ndarray) -> np.ndarray:
        """Jacobi integral (...) [m2/s2], constant in flight: v2/2 - w2 (x2 + y2)/2 - U; the energy without spin."""
        position_a = np.asarray(position_a, dtype=np.float64)
        swept = self.spin_rate**2 * (position_a[..., 0] ** 2 + position_a[..., 1] ** 2)
        speed = (np.asarray(velocity_a, dtype=np.float64) ** 2).sum(axis=-1)
        return 0.5 * (speed - swept) - self.field.potential(position_a)


@dataclass(frozen=True, eq=False, kw_only=True)
class Arc:
    """One flight, from its start to its first event."""

    times: np.ndarray
    """(n,) [s] from the start, rising; the first is 0, the last is that of the event."""
    positions_a: np.ndarray
    """(n, 3) [m], frame a."""
    velocities_a: np.ndarray
    """(n, 3) [m/s], as seen in the spinning frame a."""
    reason: Reason
    """Why it ends: it meets the ground, it leaves the body for good, or the time is up."""
    normal_a: np.ndarray
    """Outward unit normal of the ground at the contact (3,); zero without a contact."""
    apex_a: np.ndarray
    """Highest position (3,) [m]: the farthest from the centre, the highest over a plane."""
    num_evaluations: int
    """How often the field was evaluated."""

    @property
    def duration(self) -> float:
        """Time of flight [s]."""
        return float(self.times[-1])

    @property
    def position_a(self) -> np.ndarray:
        """Position at the end (3,) [m], frame a; on the ground after a contact."""
        return self.positions_a[-1]

    @property
    def velocity_a(self) -> np.ndarray:
        """Velocity at the end (3,) [m/s], frame a; before the rebound if there is a contact."""
        return self.velocities_a[-1]


@lru_cache(maxsize=16)
def surroundings(body: Body) -> Surroundings:
    """Return field, ground and spin of a body, with the bounds that the search for contacts needs."""
    reach, steepness = 0.0, 1.0
    surface = body.surface()
    if body.kind == "mesh":
        mesh = body.shape()
        far = np.linalg.norm(mesh.corners, axis=2).max(axis=1)
        near = np.einsum("fi,fi->f", mesh.face_normals, mesh.corners[:, 0])
        # The height has the slope |x| / d over the plane n x = d. Walls and overhangs (d <= 0) are never the ground.
        steepness = float((far / np.maximum(near, far / STEEPEST)).max())
        reach = float(far.max())
    elif isinstance(surface, EllipsoidSurface):
        axes = body.semi_axes if body.kind == "ellipsoid" else (body.mean_radius,) * 3
        reach = max(axes)
        ratio = max(axes) / min(axes)
        steepness = 0.5 * (ratio + 1.0 / ratio)
    return Surroundings(field=body.field(), surface=surface, spin_rate=body.spin_rate, reach=reach, steepness=steepness)


def coast(
    where: Body | Surroundings,
    position_a: ArrayLike,
    velocity_a: ArrayLike,
    *,
    time_limit: float,
    tolerance: float = 1e-8,
    frame: Literal["a", "i"] = "a",
) -> Arc:
    """Fly a point, without thrust and air, until it meets the ground, leaves for good, or the time is up.

    Args:
        where: The body, or field, ground and spin by themselves.
        position_a: Start (3,) [m], frame a; on the ground or above it.
        velocity_a: Velocity at the start (3,) [m/s], as seen in the spinning frame a.
        time_limit: Longest flight [s].
        tolerance: Error allowed in each step, relative to distance and speed.
        frame: In which frame it is integrated: `a` with Coriolis and centrifugal acceleration, `i` without. What comes
            back is in frame a and the same to the tolerance; `i` is for comparison.

    Returns:
        The flight. In a uniform field it is the closed-form parabola, with its ends only.

    Raises:
        RangeError: if a number is not finite, the time or tolerance not positive, or the start is under the ground.

    Valid for:
        The constant-density body as stored, without the Sun: its tide and light pressure are left out. A robot counts
        as a point. Under an overhang the outermost ground counts, as in `MeshSurface`. Leaving for good means beyond 20
        largest radii, outward, with an energy of zero or more.

    Source:
        Method of order 8 of Dormand and Prince as in [hairer1993], section II.5, with dense output; the ground is found
        by the bound of the height's slope along the path. Known solutions in tests/laws/test_coasting.py.
    """
    where = surroundings(where) if isinstance(where, Body) else where
    position, velocity = _vector("position_a", position_a, "m"), _vector("velocity_a", velocity_a, "m/s")
    _check_positive(time_limit=time_limit, tolerance=tolerance)
    if frame not in ("a", "i"):
        raise RangeError(f"coast.frame = {frame!r}: must be 'a', the spinning frame, or 'i', the inertial one.")
    height = math.inf if where.surface is None else float(where.surface.height(position))
    if height < -where.touch:
        raise RangeError(f"coast.position_a = {-height:.6g} m under the ground: start on it or above it.")
    if height <= where.touch and where.surface is not None:
        normal = where.surface.normal(position)
        if float(normal @ velocity) < 0.0:
            return _pack(where, [(np.zeros(1), position[None], velocity[None])], reason="contact", num=0)
    if isinstance(where.field, UniformField) and (where.surface is None or isinstance(where.surface, FlatSurface)):
        return _parabola(where, position, velocity, gravity=where.field.gravity_level, time_limit=time_limit)
    return _integrate(where, position, velocity, time_limit=time_limit, tolerance=tolerance, in_i=frame == "i")


def _integrate(
    where: Surroundings,
    position: np.ndarray,
    velocity: np.ndarray,
    *,
    time_limit: float,
    tolerance: float,
    in_i: bool,
) -> Arc:
    """Step until an event; see `coast`."""
    spin = np.array([0.0, 0.0, where.spin_rate])
    start = np.concatenate([position, velocity + np.cross(spin, position) if in_i else velocity])
    attraction = float(np.linalg.norm(where.field.acceleration(position)))
    if not math.isfinite(attraction):
        raise RangeError(
            f"coast.position_a = {position.tolist()} m: the attraction is not finite there. Start elsewhere."
        )
    radius = float(np.linalg.norm(position))
    pace = math.sqrt(radius / attraction) if attraction > 0.0 else time_limit
    scale = np.repeat([radius, max(radius / pace, float(np.linalg.norm(velocity)))], 3)
    solver = DOP853(
        _rate_i(where) if in_i else _rate_a(where),
        0.0,
        start,
        time_limit,
        first_step=min(FIRST_STEP * pace, time_limit),
        rtol=max(tolerance, 1e-13),
        atol=tolerance * scale,
    )
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    while solver.status == "running":
        solver.max_step = _longest_step(where, solver.y, spin_seen=in_i, pace=pace, time=solver.t)
        message = solver.step()
        if solver.status == "failed":
            raise RangeError(f"coast at t = {solver.t:.6g} s: {message} Raise the tolerance, or start elsewhere.")
        dense = solver.dense_output()
        path = _path_from_i(dense, where.spin_rate) if in_i else _path_in_a(dense)
        times = np.linspace(solver.t_old, solver.t, SAMPLES + 1)
        positions, velocities = path(times)
        hit = _first_contact(where, path, (times, positions, velocities))
        if hit is not None:
            before = times < hit
            touching, landing = path(np.array([hit]))
            kept.append((times[before], positions[before], velocities[before]))
            kept.append((np.array([hit]), touching, landing))
            return _pack(where, kept, reason="contact", num=solver.nfev)
        kept.append((times, positions, velocities))
        if _has_left(where, positions[-1], velocities[-1]):
            return _pack(where, kept, reason="escape", num=solver.nfev)
    return _pack(where, kept, reason="time", num=solver.nfev)


def _rate_a(where: Surroundings) -> Callable[[float, np.ndarray], np.ndarray]:
    """Rate of change of position and velocity in the spinning frame a."""
    field, spin = where.field, where.spin_rate

    def rate(_: float, state: np.ndarray) -> np.ndarray:
        x, y, _z, u, v, w = state
        pull = field.acceleration(state[:3])
        around = pull[1] - 2.0 * spin * u + spin * spin * y
        return np.array([u, v, w, pull[0] + 2.0 * spin * v + spin * spin * x, around, pull[2]])

    return rate


def _rate_i(where: Surroundings) -> Callable[[float, np.ndarray], np.ndarray]:
    """Rate of change of position and velocity in frame i, which is frame a at the start."""
    field, spin = where.field, where.spin_rate

    def rate(time: float, state: np.ndarray) -> np.ndarray:
        c, s = math.cos(spin * time), math.sin(spin * time)
        x, y, z, u, v, w = state
        pull = field.acceleration(np.array([c * x + s * y, c * y - s * x, z]))
        return np.array([u, v, w, c * pull[0] - s * pull[1], s * pull[0] + c * pull[1], pull[2]])

    return rate


def _path_in_a(dense: Callable[[np.ndarray], np.ndarray]) -> Path:
    """Path of one step that was integrated in frame a."""

    def path(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        state = dense(times).T
        return np.ascontiguousarray(state[:, :3]), state[:, 3:]

    return path


def _path_from_i(dense: Callable[[np.ndarray], np.ndarray], spin: float) -> Path:
    """Path of one step that was integrated in frame i, brought to frame a."""

    def path(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        state = dense(times)
        c, s = np.cos(spin * times), np.sin(spin * times)
        x, y = c * state[0] + s * state[1], c * state[1] - s * state[0]
        u, v = c * state[3] + s * state[4], c * state[4] - s * state[3]
        return np.column_stack([x, y, state[2]]), np.column_stack([u + spin * y, v - spin * x, state[5]])

    return path


def _longest_step(where: Surroundings, state: np.ndarray, *, spin_seen: bool, pace: float, time: float) -> float:
    """Step [s] that ends a little under the ground if the ground is near; unbounded without ground."""
    if where.surface is None:
        return math.inf
    position = state[:3]
    if spin_seen:
        c, s = math.cos(where.spin_rate * time), math.sin(where.spin_rate * time)
        position = np.array([c * position[0] + s * position[1], c * position[1] - s * position[0], position[2]])
    radius = float(np.linalg.norm(position))
    # The height has to fall by itself, so that a step from the ground up is not cut to nothing.
    height = max(float(where.surface.height(position)), 0.0)
    climb = float(state[:3] @ state[3:]) / radius
    pull = radius / pace**2
    fall = (climb + math.sqrt(climb * climb + 2.0 * pull * height)) / pull
    # Down to near the ground first, then a little through it.
    return max(OVERSHOOT * fall if fall < NEAR * pace else UNDERSHOOT * fall, 1e-3 * pace)


def _first_contact(where: Surroundings, path: Path, samples: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float | None:
    """Time [s] at which a path first meets the ground within the samples of one step, or None.

    The height changes by no more than `steepness` times the length of the path. So an interval is free of ground if the
    heights at its ends sum to more than that; otherwise it is cut, until what is left is shorter than the resolution.
    """
    surface, times, (positions, velocities) = where.surface, samples[0], samples[1:]
    if surface is None:
        return None
    speeds = np.linalg.norm(velocities, axis=1)
    turns = np.linalg.norm(np.diff(velocities, axis=0), axis=1)
    lengths = (np.maximum(speeds[:-1], speeds[1:]) + turns) * np.diff(times)
    if not isinstance(surface, FlatSurface):
        distances = np.linalg.norm(positions, axis=1) - where.reach
        if (distances[:-1] + distances[1:] > lengths).all():
            return None
    shortest = min(RESOLUTION, 1e-4 * float(lengths.sum()))
    heights = surface.height(positions) + where.touch
    rows = np.array([times[:-1], times[1:], heights[:-1], heights[1:], lengths])
    while True:
        under = np.flatnonzero(rows[3] < 0.0)
        rows = rows[:, : under[0] + 1] if under.size else rows
        rows = rows[:, (rows[2] + rows[3] <= where.steepness * rows[4]) | (rows[3] < 0.0)]
        if not rows.shape[1]:
            return None
        if rows[4].max() <= shortest or rows.shape[1] > MOST_INTERVALS:
            return _root(where, path, rows[0, -1], rows[1, -1]) if rows[3, -1] < 0.0 else None
        rows = _cut(where, path, rows)


def _cut(where: Surroundings, path: Path, rows: np.ndarray) -> np.ndarray:
    """Cut intervals, columns of start, end, height at the start, at the end, and length, into equal pieces."""
    assert where.surface is not None
    share = np.linspace(0.0, 1.0, PARTS + 1)[:, None]
    edges = rows[0] + share * (rows[1] - rows[0])
    edges[-1] = rows[1]
    inner = where.surface.height(path(edges[1:-1].ravel())[0]).reshape(PARTS - 1, -1) + where.touch
    heights = np.concatenate([rows[2:3], inner, rows[3:4]])
    lengths = np.broadcast_to(rows[4] / PARTS, (PARTS, rows.shape[1]))
    pieces = (edges[:-1], edges[1:], heights[:-1], heights[1:], lengths)
    return np.array([piece.T.ravel() for piece in pieces])


def _root(where: Surroundings, path: Path, start: float, end: float) -> float:
    """Time [s] at which the path crosses the ground, between a point above it and one under it."""
    surface = where.surface
    assert surface is not None

    def height(time: float) -> float:
        return float(surface.height(path(np.array([time]))[0])[0]) + where.touch

    if height(start) <= 0.0:
        return start
    # To a millionth of an interval that is a millimetre long or shorter.
    close = max(1e-6 * (end - start), 1e-15 * end)
    time = brentq(height, start, end, xtol=close, rtol=1e-15)
    if abs(height(time)) <= 10.0 * where.touch:
        return time
    # A wall: the height jumps. Stay on the open side of it.
    while end - start > close:
        middle = 0.5 * (start + end)
        start, end = (middle, end) if height(middle) > 0.0 else (start, middle)
    return start


def _has_left(where: Surroundings, position: np.ndarray, velocity: np.ndarray) -> bool:
    """Whether a point is far out, moves outward and has the energy not to return."""
    if not 0.0 < ESCAPE_RATIO * where.reach < np.linalg.norm(position) or position @ velocity <= 0.0:
        return False
    still = velocity + np.cross([0.0, 0.0, where.spin_rate], position)
    return bool(0.5 * (still @ still) >= where.field.potential(position))


def _parabola(
    where: Surroundings, position: np.ndarray, velocity: np.ndarray, *, gravity: float, time_limit: float
) -> Arc:
    """Flight in a uniform field, down to the plane z = 0 if there is one; the spin is zero."""
    height, climb = max(float(position[2]), 0.0), float(velocity[2])
    until = math.inf
    if where.surface is not None and (gravity > 0.0 or climb < 0.0):
        root = math.sqrt(climb * climb + 2.0 * gravity * height)
        # The form without a difference of equals: up divides by gravity, down by the speed.
        until = (climb + root) / gravity if climb > 0.0 else 2.0 * height / (root - climb) if root - climb else 0.0
    up = np.array([0.0, 0.0, gravity])
    times = np.array([0.0, min(until, time_limit)])
    positions = position + times[:, None] * (velocity - 0.5 * times[:, None] * up)
    velocities = velocity - times[:, None] * up
    arc = _pack(where, [(times, positions, velocities)], reason="contact" if until <= time_limit else "time", num=0)
    if 0.0 < climb < gravity * times[1]:
        rise = climb / gravity
        return replace(arc, apex_a=position + rise * (velocity - 0.5 * rise * up))
    return arc


def _pack(
    where: Surroundings, kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]], *, reason: Reason, num: int
) -> Arc:
    """Join the samples of all steps, put a contact on the ground, and find its normal and the apex."""
    times, positions, velocities = (np.concatenate([part[i] for part in kept]) for i in range(3))
    fresh = np.concatenate([[True], np.diff(times) > 0.0])
    times, positions, velocities = times[fresh], positions[fresh].copy(), velocities[fresh]
    flat = isinstance(where.surface, FlatSurface)
    normal = np.zeros(3)
    if reason == "contact" and where.surface is not None:
        positions[-1], normal = _ground(where, positions[-1], velocities[-1])
    return Arc(
        times=times,
        positions_a=positions,
        velocities_a=velocities,
        reason=reason,
        normal_a=normal,
        apex_a=positions[positions[:, 2].argmax()] if flat else _apex(times, positions, velocities),
        num_evaluations=num,
    )


def _ground(where: Surroundings, position: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Point of the ground (3,) and its normal (3,) at a contact."""
    surface = where.surface
    assert surface is not None
    if isinstance(surface, FlatSurface):
        return position * np.array([1.0, 1.0, 0.0]), surface.normal(position)
    normal = surface.normal(position)
    if abs(float(surface.height(position))) <= 10.0 * where.touch:
        return surface.point(position), normal
    # A wall, or the side of an overhang, where the height jumps: it stands across the level part of the motion.
    up = position / np.linalg.norm(position)
    level = velocity - (velocity @ up) * up
    return position, -level / np.linalg.norm(level)


def _apex(times: np.ndarray, positions: np.ndarray, velocities: np.ndarray) -> np.ndarray:
    """Farthest position (3,) [m] from the centre: a sample, or between two the top of the cubic through both."""
    distances = np.linalg.norm(positions, axis=1)
    climbs = np.einsum("ni,ni->n", positions, velocities)
    best = positions[distances.argmax()]
    for k in np.flatnonzero((climbs[:-1] > 0.0) & (climbs[1:] <= 0.0)):
        path = CubicHermiteSpline(times[k : k + 2], positions[k : k + 2], velocities[k : k + 2])
        top = path(_top(path, times[k], times[k + 1]))
        best = top if np.linalg.norm(top) > np.linalg.norm(best) else best
    return best


def _top(path: CubicHermiteSpline, start: float, end: float) -> float:
    """Time [s] between two at which the distance from the centre stops to grow; either end on a circle."""
    slope = path.derivative()

    def climb(time: float) -> float:
        return float(path(time) @ slope(time))

    return brentq(climb, start, end) if climb(start) > 0.0 > climb(end) else end


def _vector(name: str, value: ArrayLike, unit: str) -> np.ndarray:
    """Return three finite numbers as float64."""
    vector = np.array(value, dtype=np.float64)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise RangeError(f"coast.{name} = {np.asarray(value).tolist()} {unit}: must be three finite numbers.")
    return vector


def _check_positive(**numbers: float) -> None:
    """Refuse numbers that are not finite and positive."""
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0.0):
            raise RangeError(f"coast.{name} = {number}: must be finite and positive.")
