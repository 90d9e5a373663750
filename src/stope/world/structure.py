# SPDX-License-Identifier: Apache-2.0
"""Touching down straight: a tool that sinks into soil, and the compliance of the legs, horns and panels behind it.

A rigid tool sinks under the stress of flowing soil, summed over its surface once (`Resistance`). Behind a structure the
tool is a foot without mass: what the spring and damper press with is what the ground answers with. On rock the foot
stays where it is, on soil it goes as fast as that balance lets it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_not_negative, check_positive
from stope.base.errors import RangeError
from stope.world.regolith.elements import Elements
from stope.world.regolith.soil import ADHESION, COHESIVE_STRESS, INERTIA_DENSITY
from stope.world.regolith.traction import traction

__all__ = ["Resistance", "Sinking", "Structure", "Touchdown", "resistance", "sink", "touch_down"]

Floats = NDArray[np.float64]

SHARE = 2e-3
"""Step over the shortest time of the motion: size / speed, the fall over a size, the spring's (chosen)."""
MOST_STEPS = 20_000_000
HEIGHT, SLOPE, OFFSET, COHESION, INERTIA, RUB, RUB_OFFSET = range(7)
NUM_ROWS = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Structure:
    """A spring and a damper, in parallel, between a vehicle and its feet; along the motion."""

    stiffness: float
    """[N/m]"""
    damping: float = 0.0
    """[N s/m]"""
    crush_force: float = math.inf
    """Force at which it shortens for good, as honeycomb and brakes do [N]; infinite without such."""

    def __post_init__(self) -> None:
        """Check every number."""
        check_positive(self, "stiffness")
        check_not_negative(self, "damping")
        if not self.crush_force > 0.0:
            raise RangeError(f"Structure.crush_force = {self.crush_force} N: expected more than 0.")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Resistance:
    """Resistance of soil to a tool moving straight, as sums over the elements that are under the surface."""

    rows: Floats
    """(NUM_ROWS, num + 1): height of the next element over the lowest [m], then sums over those below it."""
    size: float
    """Of the tool: the square root of its largest level area [m]."""

    def hold(self, depth: float) -> float:
        """Largest force that the soil bears at rest [N], the lowest point `depth` [m] under the surface."""
        return float(_down(self.rows, depth, 0.0))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sinking:
    """How a tool sank."""

    times: Floats
    """(n,) [s] from the touch."""
    depths: Floats
    """Of the lowest point (n,) [m]."""
    speeds: Floats
    """Downward (n,) [m/s]."""
    duration: float
    """Until it first stood still, or left [s]; the time limit if neither."""
    max_depth: float
    """[m]"""
    static_hold: float
    """What the soil bears at the largest depth [N]."""
    reason: str
    """Why it ended: `rest`, `left` the ground, or `time`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Touchdown:
    """One touchdown through a structure."""

    rebound_speed: float
    """[m/s]; 0 where it stays."""
    restitution: float
    """Rebound speed over the speed of touchdown [1]."""
    peak_force: float
    """Between structure and vehicle [N]."""
    duration: float
    """Of the contact [s]; until it stands where it stays."""
    depth: float
    """Of the foot in the soil [m]."""
    stroke: float
    """Largest shortening of the structure [m]."""


def resistance(elements: Elements, row: Floats) -> Resistance:
    """Sum the law of flowing soil over a tool that moves along z.

    Args:
        elements: Its surface, z up.
        row: Soil row, from `soil_rows`.

    Valid for:
        Level ground. Going up, faces that look up feel nothing (the hole stays open) and the sides are rubbed.
    """
    heights = elements.position[:, 2] - elements.position[:, 2].min()
    order = np.argsort(heights, kind="stable")
    normal, area, heights = elements.normal[order], elements.area[order], heights[order]
    num = len(area)

    def upward(*, depth: float, speed: float, without: tuple[int, ...]) -> Floats:
        kept = row.copy()
        kept[list(without)] = 0.0
        velocity = np.tile([0.0, 0.0, -speed], (num, 1))
        return area * traction(kept, depth=np.full(num, depth), normal=normal, velocity=velocity)[:, 2]

    stuck = (COHESIVE_STRESS, ADHESION)
    slope = upward(depth=1.0, speed=1.0, without=(*stuck, INERTIA_DENSITY))
    # A depth that adds nothing to the two stresses which do not know it, against rounding 0.
    held = upward(depth=1.0, speed=1.0, without=(INERTIA_DENSITY,)) - slope
    push = upward(depth=1.0, speed=1.0, without=stuck) - slope
    beside = normal[:, 2] <= 1e-9
    rub = -np.where(beside, upward(depth=1.0, speed=-1.0, without=(*stuck, INERTIA_DENSITY)), 0.0)
    rows = np.zeros((NUM_ROWS, num + 1))
    rows[HEIGHT, :num], rows[HEIGHT, num] = heights, math.inf
    for k, terms in ((SLOPE, slope), (OFFSET, slope * heights), (COHESION, held), (INERTIA, push), (RUB, rub),
                     (RUB_OFFSET, rub * heights)):  # fmt: skip
        rows[k, 1:] = np.cumsum(terms)
    level = float(np.abs(normal[:, 2] * area)[normal[:, 2] < 0.0].sum())
    return Resistance(rows=rows, size=math.sqrt(level) if level > 0.0 else math.sqrt(float(area.sum())))


@nb.njit(inline="always", error_model="numpy")
def _below(rows, depth):
    return 0 if depth < 0.0 else int(np.searchsorted(rows[0], depth, side="right"))


@nb.njit(cache=True, error_model="numpy")
def _down(rows, depth, speed):
    """Upward force [N] on a tool going down; at rest the most it can be."""
    n = _below(rows, depth)
    return rows[1, n] * depth - rows[2, n] + rows[3, n] + rows[4, n] * speed * speed


@nb.njit(cache=True, error_model="numpy")
def _up(rows, depth):
    """Downward force [N] on a tool going up; at rest the most it can be."""
    n = _below(rows, depth)
    return rows[5, n] * depth - rows[6, n]


@nb.njit(cache=True, error_model="numpy")
def _rate(rows, depth, speed, mass, push):
    if speed >= 0.0:
        return (push - _down(rows, depth, speed)) / mass
    return (push + _up(rows, depth)) / mass


@nb.njit(cache=True, error_model="numpy")
def _sink(rows, size, mass, weight, speed, thrust, turn, thrust_after, out):
    """Fill `out` (n, 3: time, depth, speed), whose first column is given; see `sink`."""
    t, z, v, deepest, stopped = 0.0, 0.0, speed, 0.0, -1.0
    reason, k, num = 2, 0, out.shape[0]
    for _ in range(MOST_STEPS):
        while k < num and out[k, 0] <= t:
            out[k, 1], out[k, 2] = z, v
            k += 1
        if k >= num:
            break
        push = weight + (thrust if t < turn else thrust_after)
        until = min(out[k, 0], turn) if t < turn else out[k, 0]
        if v == 0.0 and -_up(rows, z) <= push <= _down(rows, z, 0.0) and (z > 0.0 or push >= 0.0):
            if stopped < 0.0 and t > 0.0:
                stopped = t
            reason = 0
            t = until
            continue
        reason = 2
        a = _rate(rows, z, v if v != 0.0 else (1e-300 if push > 0.0 else -1e-300), mass, push)
        dt = min(SHARE * min(size / max(abs(v), 1e-300), math.sqrt(size / max(abs(a), 1e-300))), until - t)
        sign = 1.0 if v > 0.0 or (v == 0.0 and a > 0.0) else -1.0
        tiny = sign * 1e-300
        k1, a1 = v, a
        k2 = v + 0.5 * dt * a1
        a2 = _rate(rows, z + 0.5 * dt * k1, k2 if k2 * sign > 0.0 else tiny, mass, push)
        k3 = v + 0.5 * dt * a2
        a3 = _rate(rows, z + 0.5 * dt * k2, k3 if k3 * sign > 0.0 else tiny, mass, push)
        k4 = v + dt * a3
        a4 = _rate(rows, z + dt * k3, k4 if k4 * sign > 0.0 else tiny, mass, push)
        mean = (a1 + 2.0 * a2 + 2.0 * a3 + a4) / 6.0
        new = v + dt * mean
        if v != 0.0 and new * sign <= 0.0:  # stops within the step: the soil's force ends there
            dt = min(dt, abs(v / mean)) if mean != 0.0 else dt
            z, v = z + 0.5 * dt * v, 0.0
        else:
            z, v = z + dt * (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0, new
        t = t + dt if t + dt < until * (1.0 - 1e-15) else until
        deepest = max(deepest, z)
        if z < 0.0 and v < 0.0:
            reason = 1
            stopped = t if stopped < 0.0 else stopped
            for j in range(k, num):
                out[j, 1], out[j, 2] = z + v * (out[j, 0] - t), v
            break
    return deepest, stopped if stopped >= 0.0 else t, reason


def sink(
    law: Resistance,
    *,
    mass: float,
    speed: float,
    gravity: float,
    thrust: float = 0.0,
    reversal_time: float = math.inf,
    thrust_after: float = 0.0,
    times: Floats,
) -> Sinking:
    """Let a tool go into the ground from the moment it touches.

    Args:
        law: Summed resistance.
        mass: That moves with the tool [kg].
        speed: Downward at the touch [m/s], 0 or more.
        gravity: Into the ground [m/s2].
        thrust: Force on the vehicle, downward [N].
        reversal_time: When the thrust changes [s].
        thrust_after: From then on, downward [N]; negative lifts.
        times: When to report [s], rising; the last ends the motion.

    Valid for:
        Straight motion, level and undisturbed ground. It does not rebound: the law has no elastic part.

    Source:
        Equation of motion under friction, cohesion and inertia, the form of Katsuragi and Durian 2007,
        doi 10.1038/nphys583; fourth order of Runge and Kutta, with steps that scale as the motion does, so that a
        change of gravity alone changes nothing but the unit of time. Checked in tests/world/test_validation.py.
    """
    out = np.zeros((len(times), 3))
    out[:, 0] = times
    depth, duration, reason = _sink(
        law.rows, law.size, mass, mass * gravity, speed, thrust, reversal_time, thrust_after, out
    )
    return Sinking(times=out[:, 0], depths=out[:, 1], speeds=out[:, 2], duration=float(duration),
                   max_depth=float(depth), static_hold=law.hold(float(depth)),
                   reason=("rest", "left", "time")[reason])  # fmt: skip


@nb.njit(cache=True, error_model="numpy")
def _foot_speed(rows, hard, spring, damping, speed, depth):
    """Downward speed of a foot without mass: spring + damping (speed - s) = hold + inertia s^2."""
    if hard:
        return 0.0
    n = _below(rows, depth)
    inertia = rows[4, n]
    surplus = spring + damping * speed - (rows[1, n] * depth - rows[2, n] + rows[3, n])
    if inertia <= 0.0:
        return max(speed, 0.0)  # touches nothing yet
    if surplus <= 0.0:
        return 0.0
    return 2.0 * surplus / (damping + math.sqrt(damping * damping + 4.0 * inertia * surplus))


@nb.njit(cache=True, error_model="numpy")
def _strut(rows, hard, k, c, crush, x, v, foot, short):
    """Force [N] on the vehicle, speed of the foot and of the lasting shortening [m/s]."""
    spring = k * (x - foot - short)
    s = _foot_speed(rows, hard, spring, c, v, foot)
    force = spring + c * (v - s)
    yielding = 0.0
    if force > crush:
        s = _foot_speed(rows, hard, crush, 0.0, 0.0, foot) if not hard else 0.0
        s = min(s, max(v, 0.0))
        force = crush
        yielding = v - s - ((crush - spring) / c if c > 0.0 else 0.0)
    return force, s, max(yielding, 0.0)


@nb.njit(cache=True, error_model="numpy")
def _touch(rows, size, hard, k, c, crush, mass, weight, speed, out):
    x, v, foot, short, t, peak, stroke = 0.0, speed, 0.0, 0.0, 0.0, 0.0, 0.0
    pace = math.sqrt(mass / k)
    pace = min(pace, mass / c) if c > 0.0 else pace
    turned = False
    left = 0.0
    for _ in range(MOST_STEPS):
        dt = SHARE * pace
        if not hard:
            dt = min(dt, SHARE * size / max(abs(v), 1e-12 * speed))
        f1, s1, y1 = _strut(rows, hard, k, c, crush, x, v, foot, short)
        peak, stroke = max(peak, f1), max(stroke, x - foot)
        if f1 <= 0.0 and v < 0.0:
            left = -v
            break
        turned = turned or v < 0.0
        if turned and v >= 0.0:
            break  # comes down again without having left: it stays
        a1 = (weight - f1) / mass
        h = 0.5 * dt
        f2, s2, y2 = _strut(rows, hard, k, c, crush, x + h * v, v + h * a1, foot + h * s1, short + h * y1)
        v2, a2 = v + h * a1, (weight - f2) / mass
        f3, s3, y3 = _strut(rows, hard, k, c, crush, x + h * v2, v + h * a2, foot + h * s2, short + h * y2)
        v3, a3 = v + h * a2, (weight - f3) / mass
        f4, s4, y4 = _strut(rows, hard, k, c, crush, x + dt * v3, v + dt * a3, foot + dt * s3, short + dt * y3)
        v4, a4 = v + dt * a3, (weight - f4) / mass
        x += dt * (v + 2.0 * v2 + 2.0 * v3 + v4) / 6.0
        foot += dt * (s1 + 2.0 * s2 + 2.0 * s3 + s4) / 6.0
        short += dt * (y1 + 2.0 * y2 + 2.0 * y3 + y4) / 6.0
        v += dt * (a1 + 2.0 * a2 + 2.0 * a3 + a4) / 6.0
        t += dt
        if not turned and abs(v) < 1e-9 * speed and abs(weight - f1) < 1e-6 * peak:
            break
    out[0], out[1], out[2], out[3], out[4] = left, peak, t, foot, stroke


def touch_down(
    structure: Structure,
    *,
    mass: float,
    speed: float,
    gravity: float,
    ground: Resistance | None,
    elastic_share: float = 0.0,
) -> Touchdown:
    """Touch down through a spring and a damper.

    Args:
        structure: Of all feet together.
        mass: Of the vehicle [kg].
        speed: Downward at the touch [m/s].
        gravity: Into the ground [m/s2].
        ground: Soil under all feet together, or None for rock.
        elastic_share: Share of the work done on the soil that comes back, 0 to 0.1.

    Raises:
        RangeError: if mass or speed is not positive, or the share is out of range.

    Valid for:
        Straight landings on all feet; a foot much lighter than the vehicle.

    Source:
        On rock the linear dashpot that lets go when its force is zero, Schwager and Poschel 2008,
        doi 10.1007/s10035-007-0065-z, whose closed form tests/world/test_validation.py checks.
    """
    for name, value in (("mass", mass), ("speed", speed)):
        if not (math.isfinite(value) and value > 0.0):
            raise RangeError(f"touch_down.{name} = {value}: expected more than 0.")
    if not 0.0 <= elastic_share <= 1.0:
        raise RangeError(f"touch_down.elastic_share = {elastic_share}: expected 0 to 1.")
    out = np.zeros(5)
    rows = np.zeros((NUM_ROWS, 1)) if ground is None else ground.rows
    _touch(rows, 1.0 if ground is None else ground.size, ground is None, structure.stiffness, structure.damping,
           structure.crush_force, mass, mass * gravity, speed, out)  # fmt: skip
    left, peak, duration, depth, stroke = (float(x) for x in out)
    if ground is not None and elastic_share > 0.0:
        work = float(np.trapezoid([ground.hold(d) for d in np.linspace(0.0, depth, 200)], dx=depth / 199.0))
        left = math.sqrt(min(left**2 + 2.0 * elastic_share * work / mass, speed**2))
    return Touchdown(rebound_speed=left, restitution=left / speed, peak_force=peak, duration=duration, depth=depth,
                     stroke=stroke)  # fmt: skip
