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
import numpy as np

from stope.world.regolith import soil as s
from stope.world.regolith.frictional import STRAIGHT_DOWN
from stope.world.regolith.traction import plastic_stress

__all__ = ["NUM_HELD", "element_force", "tile_forces"]

NUM_HELD = 4
"""Elastic displacement [m, l] (3) and stiffness [N/m] of one element."""
STEADY = 0.1
"""Largest stiffness times step squared over mass: a third of the limit of an explicit step, in frequency (chosen)."""
TINY = 1e-300

# Columns of a tile: what `tile_forces` is given of each element, and what it gives.
TILE = 64
DEPTH, NORMAL, VELOCITY, AREA, MASS, STATE, FORCE, NEXT = 0, 1, 4, 7, 8, 9, 13, 16
NUM_TILE = 20
_AT = tuple(np.uint64(TILE * k) for k in range(NUM_TILE))


@nb.njit(inline="always")
def element_force(row, depth, nx, ny, nz, vx, vy, vz, area, mass, px, py, pz, before, dt, step):
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
        mass: That the element moves, its share of the link [kg]: bounds the stiffness so that the step is stable.
        px: Elastic displacement [m], l.
        py: As above.
        pz: As above.
        before: Stiffness for which that was [N/m]; 0 for a fresh element.
        dt: Time for which the force will be held [s].
        step: Physics step [s], at least dt and the same throughout, so that the stiffness does not change with dt.

    Returns:
        Force (3 components) [N], elastic displacement (3) [m], stiffness [N/m].

    Source:
        Dupont, Hayward, Armstrong and Altpeter 2002, doi 10.1109/TAC.2002.1000274, for the elastic range; passivity is
        tested in tests/laws/test_soil.py.
    """
    bearing = (row[s.FRICTION_GRADIENT] * depth * STRAIGHT_DOWN + row[s.COHESIVE_STRESS]) * area
    stiffness = min(bearing * row[s.PER_YIELD], mass * (STEADY / (step * step)))
    per_stiffness = 1.0 / max(stiffness, TINY)
    keep = min(1.0, before * per_stiffness)
    ox, oy, oz = keep * px, keep * py, keep * pz
    # Unloading is stiffer than loading, so that little of the energy comes back.
    back = max(-(ox * vx + oy * vy + oz * vz), 0.0)
    left = 1.0 - min(1.0, row[s.HYSTERESIS] * dt * back / max(ox * ox + oy * oy + oz * oz, TINY))
    ox, oy, oz = left * ox, left * oy, left * oz
    ex, ey, ez = ox + vx * dt, oy + vy * dt, oz + vz * dt
    size = math.sqrt(ex * ex + ey * ey + ez * ez)
    inverse = 1.0 / max(size, TINY)
    dx, dy, dz = inverse * ex, inverse * ey, inverse * ez
    tx, ty, tz = plastic_stress(row, depth, nx, ny, nz, dx, dy, dz)
    tx, ty, tz = area * tx, area * ty, area * tz
    resistance = -(tx * dx + ty * dy + tz * dz)
    most = resistance * per_stiffness
    # Beyond yield: what of the motion slides, and the flowing stress across it, unless that would drive the element.
    over = max(size - most, 0.0)
    square = max(vx * vx + vy * vy + vz * vz, TINY)
    slid = min(1.0, over / (dt * math.sqrt(square)))
    fx, fy, fz = slid * (tx + resistance * dx), slid * (ty + resistance * dy), slid * (tz + resistance * dz)
    drive = max(fx * vx + fy * vy + fz * vz, 0.0) / square
    fx, fy, fz = fx - drive * vx, fy - drive * vy, fz - drive * vz
    short = min(1.0, most * inverse)
    ex, ey, ez = short * ex, short * ey, short * ez
    fx, fy, fz = fx - stiffness * ex, fy - stiffness * ey, fz - stiffness * ez
    loss = stiffness * (min(row[s.LOSS_TIME], 2.5 * step) / dt)
    lx, ly, lz = loss * (ex - ox), loss * (ey - oy), loss * (ez - oz)
    brakes = 1.0 if lx * vx + ly * vy + lz * vz > 0.0 else 0.0
    fx, fy, fz = fx - brakes * lx, fy - brakes * ly, fz - brakes * lz
    lead = max(nx * vx + ny * vy + nz * vz, 0.0)
    # The inertial stress is bounded so that one step cannot turn the motion round.
    push = lead * min(row[s.INERTIA_DENSITY] * lead * area, mass * (0.5 / dt))
    return fx - push * nx, fy - push * ny, fz - push * nz, ex, ey, ez, stiffness


@nb.njit(inline="never", error_model="numpy", fastmath={"contract", "nnan"})
def tile_forces(row, tile, num, dt, step):
    """Forces and next states of the first `num` elements of a tile, in place; without branches, so vectorised.

    Args:
        row: Soil row.
        tile: NUM_TILE columns of TILE numbers, flat.
        num: Elements in it.
        dt: Time for which the forces will be held [s].
        step: Physics step [s].
    """
    # Unsigned indices and a tuple of the row: signed ones wrap round, and a row might overlap the tile.
    soil = (row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8])
    for j in range(num):
        k = np.uint64(j)
        fx, fy, fz, ex, ey, ez, stiffness = element_force(
            soil, tile[k], tile[k + _AT[1]], tile[k + _AT[2]], tile[k + _AT[3]], tile[k + _AT[4]], tile[k + _AT[5]],
            tile[k + _AT[6]], tile[k + _AT[7]], tile[k + _AT[8]], tile[k + _AT[9]], tile[k + _AT[10]],
            tile[k + _AT[11]], tile[k + _AT[12]], dt, step,
        )  # fmt: skip
        tile[k + _AT[13]], tile[k + _AT[14]], tile[k + _AT[15]] = fx, fy, fz
        tile[k + _AT[16]], tile[k + _AT[17]], tile[k + _AT[18]] = ex, ey, ez
        tile[k + _AT[19]] = stiffness
