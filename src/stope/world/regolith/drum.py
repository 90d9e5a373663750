# SPDX-License-Identifier: Apache-2.0
"""Bucket drums: cutting force by the earthmoving equation, and the soil that goes from the bed into the drum.

A drum with its lowest line below the surface cuts a slice as deep as it reaches, as fast as its rim passes the soil.
What is cut leaves the bed at once. A share enters the scoops; the rest, and what a full or too fast drum cannot hold,
falls back beside it or is thrown away. Mass is only moved between bed, drum and spill.
"""

from __future__ import annotations

import math

import numba as nb

from stope.world.regolith import bed as b
from stope.world.regolith import soil as s
from stope.world.regolith.frictional import STRAIGHT_DOWN

__all__ = ["dig", "strike"]

# --- drum table (first column: body) ----------------------------------------------------------------------------------
CENTRE, AXIS, RADIUS, WIDTH, CAPACITY, CATCH = 1, 4, 7, 8, 9, 10
"""Centre and axis in the body's frame, radius and width [m], soil it can hold [m3], share of cut soil that enters."""
NUM_DRUM = 11
# --- drum state -------------------------------------------------------------------------------------------------------
LOAD, SPILT, THROWN, STRUCK, WEIGHT_G, COHESION_C, INERTIA_A, DENSITY, KEEP, RAKE = range(10)
"""Mass in the drum, put back on the bed, thrown away [kg]; hardest blow of a stone [N]; the blade's terms per width
(set at the start: density gravity N_g [Pa/m], cohesion N_c [Pa], density N_a [kg/m3]), density [kg/m3], centripetal
acceleration up to which scoops hold their soil [m/s2], and rake plus friction angle [rad]."""
NUM_DRUM_STATE = 10

SMOOTH = 2e-3
"""Rim speed below which the cutting force fades [m/s]; chosen: a drum at rest neither cuts nor holds."""
STONE_STIFFNESS = 2000.0
"""Of a stone in soil against a drum [N/m]; chosen: a buried stone yields with its bed."""
STONE_FRICTION = 0.5
"""Coulomb friction of a stone on a drum [1]; chosen."""


@nb.njit(inline="never", error_model="numpy")
def _cut(row, bed, shape, centre, axis, volume):
    """Take up to a volume [m3] from the bed inside the drum's outline; return what was taken."""
    nx, ny, h = int(shape[b.NX]), int(shape[b.NY]), shape[b.SPACING]
    r, half = row[RADIUS], 0.5 * row[WIDTH]
    i0 = min(max(int((centre[0] - half - r - shape[b.X0]) / h), 0), nx - 1)
    i1 = min(max(int((centre[0] + half + r - shape[b.X0]) / h), 0), nx - 1)
    j0 = min(max(int((centre[1] - half - r - shape[b.Y0]) / h), 0), ny - 1)
    j1 = min(max(int((centre[1] + half + r - shape[b.Y0]) / h), 0), ny - 1)
    flat = math.sqrt(axis[0] ** 2 + axis[1] ** 2)
    ax, ay = (axis[0] / flat, axis[1] / flat) if flat > 0.1 else (0.0, 1.0)
    total = 0.0
    for sweep in range(2):
        share = 0.0 if sweep == 0 else (min(1.0, volume / total) if total > 0.0 else 0.0)
        for i in range(i0, i1 + 1):
            x = shape[b.X0] + (i + 0.5) * h - centre[0]
            for j in range(j0, j1 + 1):
                y = shape[b.Y0] + (j + 0.5) * h - centre[1]
                along, across = x * ax + y * ay, y * ax - x * ay
                if abs(along) > half or abs(across) >= r:
                    continue
                over = bed[i * ny + j] - (centre[2] - math.sqrt(r * r - across * across))
                if over > 0.0:
                    if sweep == 0:
                        total += over * h * h
                    else:
                        bed[i * ny + j] -= share * over
    return min(total, volume)


@nb.njit(inline="never", error_model="numpy")
def dig(row, state, bed, shape, centre, axis, speed, spin, dt):
    """One step of one drum: cut, fill, spill; return the force on its lowest line [N, l] and its depth [m].

    Args:
        row: Drum row.
        state: Drum state, changed in place.
        bed: Heights of this world, changed in place.
        shape: Of the bed.
        centre: Of the drum [m], l.
        axis: Of the drum, l.
        speed: Of the centre [m/s], l.
        spin: Rate about the axis [rad/s].
        dt: Step [s].

    Source:
        Force: McKyes 1985, as in `blade`. Shares of what is caught: row; chosen per drum.
    """
    depth = b.height_at(bed, shape, centre[0], centre[1]) - (centre[2] - row[RADIUS])
    if depth <= 0.0:
        return 0.0, 0.0, 0.0, 0.0
    depth = min(depth, row[RADIUS])
    flat = math.sqrt(axis[0] ** 2 + axis[1] ** 2)
    if flat < 0.1:
        return 0.0, 0.0, 0.0, 0.0
    # At the lowest line the rim moves along axis x (-z) times the spin.
    tx, ty = -axis[1] / flat, axis[0] / flat
    rim = spin * row[RADIUS] + speed[0] * tx + speed[1] * ty
    pace = abs(rim)
    cut = _cut(row, bed, shape, centre, axis, row[WIDTH] * depth * pace * dt)
    mass = state[DENSITY] * cut
    holds = spin * spin * row[RADIUS] <= state[KEEP]
    caught = min(row[CATCH] * mass, max(0.0, row[CAPACITY] * state[DENSITY] - state[LOAD])) if holds else 0.0
    state[LOAD] += caught
    rest = mass - caught
    if holds:
        state[SPILT] += rest
        ahead = math.copysign(1.5 * row[RADIUS], rim)  # where the lip pushes it
        b.spread(bed, shape, centre[0] + ahead * tx, centre[1] + ahead * ty, row[RADIUS],
                 rest / state[DENSITY])  # fmt: skip
    else:
        state[THROWN] += rest
    # The force needs soil before the lip: what could be cut, over what the rim's passage asked for.
    asked = row[WIDTH] * depth * pace * dt
    share = cut / asked if asked > 0.0 else 0.0
    force = row[WIDTH] * share * depth * (state[WEIGHT_G] * depth + state[COHESION_C] + state[INERTIA_A] * pace * pace)
    force *= rim / (pace + SMOOTH)
    along, down = force * math.sin(state[RAKE]), abs(force) * math.cos(state[RAKE])
    if down * speed[2] < 0.0:
        down = 0.0  # the blade's suction must not drive the drum down
    return -along * tx, -along * ty, -down, depth


@nb.njit(inline="never", error_model="numpy")
def strike(row, centre, axis, speed, spin, stone, soil, out):
    """Blow of a buried stone on a drum: point and force (6,) into out; return the force's size [N].

    The stone holds as long as the soil behind it bears; beyond, it is pushed aside.

    Args:
        row: Drum row.
        centre: Of the drum [m], l.
        axis: Of the drum, l.
        speed: Of its centre [m/s], l.
        spin: Rate about the axis [rad/s].
        stone: Centre [m, l] and radius [m] (4,), changed in place; radius 0 for none.
        soil: Soil row.
        out: Point [m] and force [N], l (6,).
    """
    if stone[3] <= 0.0:
        return 0.0
    x, y, z = stone[0] - centre[0], stone[1] - centre[1], stone[2] - centre[2]
    along = x * axis[0] + y * axis[1] + z * axis[2]
    half = 0.5 * row[WIDTH]
    near = min(max(along, -half), half)
    x, y, z = x - near * axis[0], y - near * axis[1], z - near * axis[2]
    gap = math.sqrt(x * x + y * y + z * z)
    deep = row[RADIUS] + stone[3] - gap
    if deep <= 0.0 or gap < 1e-9:
        return 0.0
    x, y, z = x / gap, y / gap, z / gap
    holds = (soil[s.COHESIVE_STRESS] + _frictional_bearing(soil, max(-stone[2], 0.0))) * math.pi * stone[3] ** 2
    push = STONE_STIFFNESS * deep
    if push > holds:
        aside = (push - holds) / STONE_STIFFNESS
        stone[0], stone[1], stone[2] = stone[0] + aside * x, stone[1] + aside * y, stone[2] + aside * z
        push = holds
    r = row[RADIUS]
    vx = speed[0] + r * spin * (axis[1] * z - axis[2] * y)
    vy = speed[1] + r * spin * (axis[2] * x - axis[0] * z)
    vz = speed[2] + r * spin * (axis[0] * y - axis[1] * x)
    into = vx * x + vy * y + vz * z
    if into < 0.0:
        push *= 0.3  # a stone pressed into its bed comes back with a third of the force (chosen)
    vx, vy, vz = vx - into * x, vy - into * y, vz - into * z
    slide = math.sqrt(vx * vx + vy * vy + vz * vz)
    rub = STONE_FRICTION * push / (slide + SMOOTH)
    out[0] = centre[0] + near * axis[0] + r * x
    out[1] = centre[1] + near * axis[1] + r * y
    out[2] = centre[2] + near * axis[2] + r * z
    out[3], out[4], out[5] = -push * x - rub * vx, -push * y - rub * vy, -push * z - rub * vz
    return push


@nb.njit(inline="always")
def _frictional_bearing(soil, depth):
    """Frictional bearing stress of soil at a depth [Pa]."""
    return soil[s.FRICTION_GRADIENT] * STRAIGHT_DOWN * depth
