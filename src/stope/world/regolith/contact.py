# SPDX-License-Identifier: Apache-2.0
"""Soil that holds: an elastic-plastic state per surface element, so that a foot at rest stays at rest.

Flowing soil has no force at rest, and a law that scales it with small speeds lets a loaded foot creep. Here each
element keeps an elastic displacement e. Below yield the force is -K e: it depends on where the element has moved, not
on how fast, so a constant load moves nothing. Beyond yield e slides and the force is that of `plastic_stress`. The
rules below never let the stored energy K e^2 / 2 grow by more than the work done on the soil:

- where soil gets stiffer (deeper), e shrinks so that the force stays; where it gets softer, e stays;
- yield shortens e along itself, and unloading shortens it faster than the element moves back;
- the part of the flowing stress across the motion acts only as far as the element slides, and not where it would drive.

Differs from the LuGre friction model (Canudas de Wit et al. 1995), whose bristles creep under vibration, in having a
true elastic range, as in elasto-plastic friction (Dupont et al. 2002); and from both in that the yield force is
anisotropic.
"""

from __future__ import annotations

import math

import numba as nb

from stope.world.regolith import soil as s
from stope.world.regolith.frictional import STRAIGHT_DOWN
from stope.world.regolith.traction import plastic_stress

__all__ = ["NUM_HELD", "element_force"]

NUM_HELD = 4
"""Elastic displacement [m, l] (3) and stiffness [N/m] of one element."""
STEADY = 0.1
"""Largest stiffness times step squared over mass: a third of the limit of an explicit step, in frequency (chosen)."""


@nb.njit(inline="never", error_model="numpy", fastmath={"contract"})
def element_force(row, depth, nx, ny, nz, vx, vy, vz, area, dt, step, mass, held, at):
    """Force of the soil on one element [N, l], and its state one step later.

    Args:
        row: Soil row.
        depth: Below the free surface [m], positive.
        nx: Outward unit normal, l.
        ny: As above.
        nz: As above.
        vx: Velocity through the soil [m/s], l.
        vy: As above.
        vz: As above.
        area: [m2].
        dt: Time for which the force will be held [s].
        step: Physics step [s], at least dt and the same throughout, so that the stiffness does not change with dt.
        mass: That the element moves, its share of the link [kg]: bounds the stiffness so that the step is stable.
        held: States of all elements, flat, changed in place; a stiffness of 0 means a fresh element.
        at: Where this element's NUM_HELD numbers begin.

    Returns:
        Force (3 components) [N].

    Source:
        Dupont, Hayward, Armstrong and Altpeter 2002, doi 10.1109/TAC.2002.1000274, for the elastic range; passivity is
        tested in tests/laws/test_soil.py.
    """
    fx, fy, fz = 0.0, 0.0, 0.0
    bearing = (row[s.FRICTION_GRADIENT] * depth * STRAIGHT_DOWN + row[s.COHESIVE_STRESS]) * area
    stiffness = min(bearing * row[s.PER_YIELD], mass * (STEADY / (step * step)))
    if stiffness > 0.0:
        before = held[at + 3]
        ox, oy, oz = 0.0, 0.0, 0.0
        if before > 0.0:
            keep = before / stiffness if stiffness > before else 1.0
            ox, oy, oz = keep * held[at], keep * held[at + 1], keep * held[at + 2]
            back = -(ox * vx + oy * vy + oz * vz)
            if back > 0.0:
                # Unloading is stiffer than loading, so that little of the energy comes back.
                lost = min(1.0, row[s.HYSTERESIS] * dt * back / (ox * ox + oy * oy + oz * oz))
                ox, oy, oz = ox - lost * ox, oy - lost * oy, oz - lost * oz
        ex, ey, ez = ox + vx * dt, oy + vy * dt, oz + vz * dt
        size = math.sqrt(ex * ex + ey * ey + ez * ez)
        if size > 0.0:
            inverse = 1.0 / size
            dx, dy, dz = inverse * ex, inverse * ey, inverse * ez
            tx, ty, tz = plastic_stress(row, depth, nx, ny, nz, dx, dy, dz)
            tx, ty, tz = area * tx, area * ty, area * tz
            resistance = -(tx * dx + ty * dy + tz * dz)
            if size * stiffness > resistance:
                most = resistance / stiffness
                square = vx * vx + vy * vy + vz * vz
                slid = min(1.0, (size - most) / (dt * math.sqrt(square))) if square > 0.0 else 0.0
                fx, fy, fz = slid * (tx + resistance * dx), slid * (ty + resistance * dy), slid * (tz + resistance * dz)
                power = fx * vx + fy * vy + fz * vz
                if power > 0.0:
                    power /= square
                    fx, fy, fz = fx - power * vx, fy - power * vy, fz - power * vz
                ex, ey, ez = most * dx, most * dy, most * dz
            fx, fy, fz = fx - stiffness * ex, fy - stiffness * ey, fz - stiffness * ez
            loss = stiffness * (min(row[s.LOSS_TIME], 2.5 * step) / dt)
            lx, ly, lz = loss * (ex - ox), loss * (ey - oy), loss * (ez - oz)
            if lx * vx + ly * vy + lz * vz > 0.0:
                fx, fy, fz = fx - lx, fy - ly, fz - lz
        held[at], held[at + 1], held[at + 2] = ex, ey, ez
    held[at + 3] = stiffness
    lead = nx * vx + ny * vy + nz * vz
    if lead > 0.0:
        # The inertial stress is bounded so that one step cannot turn the motion round.
        push = lead * min(row[s.INERTIA_DENSITY] * lead * area, mass * (0.5 / dt))
        fx, fy, fz = fx - push * nx, fy - push * ny, fz - push * nz
    return fx, fy, fz
