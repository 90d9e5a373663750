# SPDX-License-Identifier: Apache-2.0
"""The ground under a batch of robots: soil on tools, anchors, drums that dig and remember, stones. All native.

`Ground` holds the arrays of N worlds; `ground_wrenches` is what the callback of `mujoco_flight` runs once per physics
step, between MuJoCo's kinematics and its solver. Everything is in the local frame l, whose z axis points out of the
ground; without a bed the free surface is the plane z = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import RangeError
from stope.world.native import address_to_floats, address_to_longs, as_bytes, load_address
from stope.world.regolith import bed as b
from stope.world.regolith import drum as d
from stope.world.regolith.contact import NUM_HELD, NUM_TILE, TILE, tile_forces
from stope.world.regolith.soil import NUM_SOIL

__all__ = ["Ground"]

Floats = NDArray[np.float64]

# Element table, one row per piece of a tool's surface: body; position and normal in its frame [m]; area [m2]; share of
# the mass it moves [kg]; half its width [m].
BODY, POSITION, NORMAL, AREA, MASS, HALF = 0, 1, 4, 7, 8, 9
NUM_ELEMENT = 10
# Anchor table: body; tip and axis in its frame [m]; bounds of stiffness [N/m] and damping [N s/m]; drilling time [s]
# and push [N]; depth of the helix [m].
TIP, AXIS, STIFFNESS, DAMPING, DRILL_TIME, DRILL_PUSH, LENGTH = 1, 4, 7, 8, 9, 10, 11
NUM_ANCHOR = 12
# Anchor state: share of the depth drilled; whether it holds; where in the ground [m, l]; pull-out force at full depth
# and load now [N]; times torn out; slip since it bit [m].
PROGRESS, HOLDS, POINT, STRENGTH, LOAD, BROKEN, SLIP = 0, 1, 2, 5, 6, 7, 8
NUM_ANCHOR_STATE = 9
GIVE = 0.002
"""Displacement at which the soil round an anchor yields [m]; chosen."""
TEAR = 0.1
"""An anchor is torn out when it has slipped this share of its helix's full depth; chosen."""
SETTLE = 0.1
"""Largest damping of an anchor over its stiffness [s]; chosen."""
MAX_DRILL_SPEED = 0.02
"""An anchor does not bite while its tip moves faster than this [m/s]; chosen."""

# What the callback is handed: counts and addresses.
(NUM_ELEMENTS, NUM_ANCHORS, NUM_DRUMS, NUM_STONES, NUM_CTRL, ELEMENTS, HELD, SOIL, ANCHORS, ANCHOR_STATE,
 ANCHOR_COMMAND, BED, BED_SHAPE, DRUMS, DRUM_STATE, STONES, CTRL, PUSH, SCRATCH, CONTACT, NUM_ROCKS,
 ROCKS) = range(22)  # fmt: skip
NUM_TABLE = 22
NUM_SMALL = 16
NUM_SCRATCH = NUM_SMALL + TILE * (NUM_TILE + 4)

kernel = nb.njit(error_model="numpy")
inline = nb.njit(inline="never", error_model="numpy")


@inline
def _floats(table, at, offset, n):
    """View of n float64 numbers, `offset` numbers after the address kept in a table entry."""
    return nb.carray(address_to_floats(table[at] + 8 * offset), (n,))


@inline
def _point(xpos, xmat, body, x, y, z, out):
    """World position (3,) of a point of a body frame."""
    o, m = 3 * body, 9 * body
    for k in range(3):
        out[k] = xpos[o + k] + xmat[m + 3 * k] * x + xmat[m + 3 * k + 1] * y + xmat[m + 3 * k + 2] * z


@inline
def _turn(xmat, body, x, y, z, out):
    m = 9 * body
    for k in range(3):
        out[k] = xmat[m + 3 * k] * x + xmat[m + 3 * k + 1] * y + xmat[m + 3 * k + 2] * z


@inline
def _speed(cvel, com, root, body, point, out):
    """Velocity (3,) of a world point that moves with a body."""
    c, o = 6 * body, 3 * root
    rx, ry, rz = point[0] - com[o], point[1] - com[o + 1], point[2] - com[o + 2]
    wx, wy, wz = cvel[c], cvel[c + 1], cvel[c + 2]
    out[0] = cvel[c + 3] + wy * rz - wz * ry
    out[1] = cvel[c + 4] + wz * rx - wx * rz
    out[2] = cvel[c + 5] + wx * ry - wy * rx


@inline
def _push_at(out, xipos, body, point, fx, fy, fz):
    """Add a force at a world point to the wrench of a body about its centre of mass."""
    o, c = 6 * body, 3 * body
    rx, ry, rz = point[0] - xipos[c], point[1] - xipos[c + 1], point[2] - xipos[c + 2]
    out[o] += fx
    out[o + 1] += fy
    out[o + 2] += fz
    out[o + 3] += ry * fz - rz * fy
    out[o + 4] += rz * fx - rx * fz
    out[o + 5] += rx * fy - ry * fx


@inline
def _soil_on_tools(table, sim, dt, step, xpos, xmat, xipos, cvel, com, root, out):
    """Soil on every element, link by link: the wet ones are gathered into a tile, whose law is vectorised."""
    count = table[NUM_ELEMENTS]
    rows = _floats(table, ELEMENTS, 0, NUM_ELEMENT * count)
    held = _floats(table, HELD, NUM_HELD * count * sim, NUM_HELD * count)
    soil = _floats(table, SOIL, NUM_SOIL * sim, NUM_SOIL)
    contact = _floats(table, CONTACT, 4 * sim, 4)
    shape = _floats(table, BED_SHAPE, 0, b.NUM_SHAPE)
    cells = int(shape[b.NX]) * int(shape[b.NY])
    bed = _floats(table, BED, cells * sim, cells)
    tile = _floats(table, SCRATCH, NUM_SCRATCH * sim + NUM_SMALL, TILE * (NUM_TILE + 4))
    contact[0], contact[1], contact[2], contact[3] = 0.0, 0.0, 0.0, 0.0
    e = 0
    while e < count:
        body = int(rows[NUM_ELEMENT * e])
        frame, motion = _frame_of(xpos, xmat, body), _motion_of(cvel, com, root[body], body)
        num = 0
        while e < count and num < TILE and int(rows[NUM_ELEMENT * e]) == body:
            num += _gather(rows, e, held, bed, shape, frame, motion, tile, num)
            e += 1
        tile_forces(soil, tile, num, dt, step)
        _scatter(tile, num, held, xipos, body, contact, out)


@inline
def _frame_of(xpos, xmat, body):
    """Origin and rotation of a body frame, as twelve numbers that stay in registers."""
    o, m = 3 * body, 9 * body
    return (xpos[o], xpos[o + 1], xpos[o + 2], xmat[m], xmat[m + 1], xmat[m + 2], xmat[m + 3], xmat[m + 4],
            xmat[m + 5], xmat[m + 6], xmat[m + 7], xmat[m + 8])  # fmt: skip


@inline
def _motion_of(cvel, com, root, body):
    """Rate of a body, and the velocity that its motion has at the origin of l."""
    c, r = 6 * body, 3 * root
    wx, wy, wz = cvel[c], cvel[c + 1], cvel[c + 2]
    return (wx, wy, wz, cvel[c + 3] - (wy * com[r + 2] - wz * com[r + 1]),
            cvel[c + 4] - (wz * com[r] - wx * com[r + 2]), cvel[c + 5] - (wx * com[r + 1] - wy * com[r]))  # fmt: skip


@nb.njit(inline="always", error_model="numpy")
def _gather(rows, e, held, bed, shape, frame, motion, tile, k):
    """Put an element into column k of the tile if it is in the ground (1), or make it a fresh one (0)."""
    at = NUM_ELEMENT * e
    x0, y0, z0, xx, xy, xz, yx, yy, yz, zx, zy, zz = frame
    ax, ay, az = rows[at + 1], rows[at + 2], rows[at + 3]
    x, y, z = x0 + xx * ax + xy * ay + xz * az, y0 + yx * ax + yy * ay + yz * az, z0 + zx * ax + zy * ay + zz * az
    depth = b.height_at(bed, shape, x, y) - z
    half = rows[at + HALF]
    if depth <= -half:
        held[NUM_HELD * e + 3] = 0.0
        return 0
    px, py, pz = rows[at + 4], rows[at + 5], rows[at + 6]
    nz = zx * px + zy * py + zz * pz
    # An element that is not level dips in bit by bit: the wet part of its height, at its own mean depth.
    half *= math.sqrt(max(0.0, 1.0 - nz * nz))
    area = rows[at + AREA]
    if depth < half:
        if depth <= -half:
            held[NUM_HELD * e + 3] = 0.0
            return 0
        area *= 0.5 * (depth + half) / half
        depth = 0.5 * (depth + half)
    wx, wy, wz, ux, uy, uz = motion
    tile[k], tile[k + 3 * TILE] = depth, nz
    tile[k + TILE], tile[k + 2 * TILE] = xx * px + xy * py + xz * pz, yx * px + yy * py + yz * pz
    tile[k + 4 * TILE], tile[k + 5 * TILE] = ux + wy * z - wz * y, uy + wz * x - wx * z
    tile[k + 6 * TILE] = uz + wx * y - wy * x
    tile[k + 7 * TILE], tile[k + 8 * TILE] = area, rows[at + MASS]
    for i in range(NUM_HELD):
        tile[k + (9 + i) * TILE] = held[NUM_HELD * e + i]
    first = NUM_TILE * TILE
    tile[k + first], tile[k + first + TILE], tile[k + first + 2 * TILE] = x, y, z
    tile[k + first + 3 * TILE] = e
    return 1


@inline
def _scatter(tile, num, held, xipos, body, contact, out):
    """Add the forces of a tile to the wrench of its link and to the sum of the world; keep the next states."""
    c, o, first = 6 * body, 3 * body, NUM_TILE * TILE
    bx, by, bz, tx, ty, tz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(num):
        fx, fy, fz = tile[k + 13 * TILE], tile[k + 14 * TILE], tile[k + 15 * TILE]
        x, y = tile[k + first] - xipos[o], tile[k + first + TILE] - xipos[o + 1]
        z = tile[k + first + 2 * TILE] - xipos[o + 2]
        bx, by, bz = bx + fx, by + fy, bz + fz
        tx, ty, tz = tx + y * fz - z * fy, ty + z * fx - x * fz, tz + x * fy - y * fx
        contact[3] = max(contact[3], tile[k])
        e = int(tile[k + first + 3 * TILE])
        for i in range(NUM_HELD):
            held[NUM_HELD * e + i] = tile[k + (16 + i) * TILE]
    out[c], out[c + 1], out[c + 2] = out[c] + bx, out[c + 1] + by, out[c + 2] + bz
    out[c + 3], out[c + 4], out[c + 5] = out[c + 3] + tx, out[c + 4] + ty, out[c + 5] + tz
    contact[0], contact[1], contact[2] = contact[0] + bx, contact[1] + by, contact[2] + bz


@inline
def _is_on_rock(rocks, tip):
    """Whether a screw's tip is within two centimetres of a rock, which it cannot enter."""
    for k in range(rocks.shape[0] // 4):
        r = rocks[4 * k + 3]
        if r > 0.0:
            x, y, z = tip[0] - rocks[4 * k], tip[1] - rocks[4 * k + 1], tip[2] - rocks[4 * k + 2]
            if x * x + y * y + z * z < (r + 0.02) ** 2:
                return True
    return False


@inline
def _hold_anchors(table, sim, dt, xpos, xmat, xipos, cvel, com, root, out, small):
    count = table[NUM_ANCHORS]
    rows = _floats(table, ANCHORS, 0, NUM_ANCHOR * count)
    states = _floats(table, ANCHOR_STATE, NUM_ANCHOR_STATE * count * sim, NUM_ANCHOR_STATE * count)
    command = _floats(table, ANCHOR_COMMAND, count * sim, count)
    rocks = _floats(table, ROCKS, 4 * table[NUM_ROCKS] * sim, 4 * table[NUM_ROCKS])
    tip, axis, speed = small[0:3], small[3:6], small[6:9]
    for a in range(count):
        at, state = NUM_ANCHOR * a, states[NUM_ANCHOR_STATE * a : NUM_ANCHOR_STATE * (a + 1)]
        body = int(rows[at])
        _point(xpos, xmat, body, rows[at + TIP], rows[at + TIP + 1], rows[at + TIP + 2], tip)
        _turn(xmat, body, rows[at + AXIS], rows[at + AXIS + 1], rows[at + AXIS + 2], axis)
        _speed(cvel, com, root[body], body, tip, speed)
        state[LOAD] = 0.0
        rate = math.sqrt(speed[0] ** 2 + speed[1] ** 2 + speed[2] ** 2)
        near = tip[2] < 0.0 and not _is_on_rock(rocks, tip)
        if state[HOLDS] > 0.0:
            most = state[STRENGTH] * min(1.0, state[PROGRESS])
            stiffness = min(rows[at + STIFFNESS], most / GIVE)
            damping = min(rows[at + DAMPING], SETTLE * stiffness)
            dx, dy, dz = state[POINT] - tip[0], state[POINT + 1] - tip[1], state[POINT + 2] - tip[2]
            # Pushed into the ground an anchor is held by the foot, not by its thread: only pull and shear count.
            load = stiffness * math.sqrt(dx * dx + dy * dy + min(dz, 0.0) ** 2)
            keep = min(1.0, most / load) if load > 0.0 else 1.0
            state[LOAD] = keep * load
            state[SLIP] += (1.0 - keep) * math.sqrt(dx * dx + dy * dy + dz * dz)
            dx, dy, dz = keep * dx, keep * dy, keep * dz
            state[POINT], state[POINT + 1], state[POINT + 2] = tip[0] + dx, tip[1] + dy, tip[2] + dz
            if state[SLIP] > TEAR * rows[at + LENGTH]:
                # The soil it tore through is loose: a second try there holds half as much (chosen).
                state[HOLDS], state[PROGRESS], state[SLIP] = 0.0, 0.0, 0.0
                state[BROKEN] += 1.0
                state[STRENGTH] *= 0.5
            else:
                _push_at(out, xipos, body, tip, stiffness * dx - damping * speed[0],
                         stiffness * dy - damping * speed[1], stiffness * dz - damping * speed[2])  # fmt: skip
        if command[a] > 0.0 and near and rate < MAX_DRILL_SPEED and state[PROGRESS] < 1.0:
            state[PROGRESS] = min(1.0, state[PROGRESS] + dt / rows[at + DRILL_TIME])
            push = rows[at + DRILL_PUSH]
            _push_at(out, xipos, body, tip, -push * axis[0], -push * axis[1], -push * axis[2])
            if state[HOLDS] == 0.0 and state[PROGRESS] > 0.1:
                state[HOLDS] = 1.0
                state[POINT], state[POINT + 1], state[POINT + 2] = tip[0], tip[1], tip[2]


@inline
def _dig_with_drums(table, sim, dt, xpos, xmat, xipos, cvel, com, root, out, small):
    shape = _floats(table, BED_SHAPE, 0, b.NUM_SHAPE)
    cells = int(shape[b.NX]) * int(shape[b.NY])
    bed = _floats(table, BED, cells * sim, cells)
    count, stones = table[NUM_DRUMS], table[NUM_STONES]
    rows = _floats(table, DRUMS, 0, d.NUM_DRUM * count)
    states = _floats(table, DRUM_STATE, d.NUM_DRUM_STATE * count * sim, d.NUM_DRUM_STATE * count)
    stone = _floats(table, STONES, 4 * stones * sim, 4 * stones)
    soil = _floats(table, SOIL, NUM_SOIL * sim, NUM_SOIL)
    point, axis, speed, wrench = small[0:3], small[3:6], small[6:9], small[9:15]
    for k in range(count):
        row = rows[d.NUM_DRUM * k : d.NUM_DRUM * (k + 1)]
        state = states[d.NUM_DRUM_STATE * k : d.NUM_DRUM_STATE * (k + 1)]
        body = int(row[0])
        _point(xpos, xmat, body, row[d.CENTRE], row[d.CENTRE + 1], row[d.CENTRE + 2], point)
        _turn(xmat, body, row[d.AXIS], row[d.AXIS + 1], row[d.AXIS + 2], axis)
        _speed(cvel, com, root[body], body, point, speed)
        c = 6 * body
        spin = cvel[c] * axis[0] + cvel[c + 1] * axis[1] + cvel[c + 2] * axis[2]
        fx, fy, fz, low = d.dig(row, state, bed, shape, point, axis, speed, spin, dt)
        if low > 0.0:
            wrench[0], wrench[1], wrench[2] = point[0], point[1], point[2] - row[d.RADIUS]
            _push_at(out, xipos, body, wrench[0:3], fx, fy, fz)
        for s in range(stones):
            hit = d.strike(row, point, axis, speed, spin, stone[4 * s : 4 * s + 4], soil, wrench)
            if hit > 0.0:
                state[d.STRUCK] = max(state[d.STRUCK], hit)
                _push_at(out, xipos, body, wrench[0:3], wrench[3], wrench[4], wrench[5])


@kernel
def ground_wrenches(address, sim, dt, step, xpos, xmat, xipos, cvel, com, root, out):
    """Wrench of the ground on every body about its centre of mass (6 nbody,), for the step that begins; see `Ground`.

    Args:
        address: Of the table of `Ground`.
        sim: World.
        dt: Time until the next call [s].
        step: Physics step [s].
        xpos: Origins of the body frames, flat [m, l].
        xmat: Rotations of the body frames, flat.
        xipos: Centres of mass, flat [m, l].
        cvel: Rates and velocities at the centre of each tree, flat.
        com: Centre of the tree of each root body, flat [m, l].
        root: Root body of each body.
        out: Force and torque per body; added to.
    """
    table = nb.carray(address_to_longs(address), (NUM_TABLE,))
    small = _floats(table, SCRATCH, NUM_SCRATCH * sim, NUM_SMALL)
    if table[NUM_ELEMENTS] > 0:
        _soil_on_tools(table, sim, dt, step, xpos, xmat, xipos, cvel, com, root, out)
    if table[NUM_ANCHORS] > 0:
        _hold_anchors(table, sim, dt, xpos, xmat, xipos, cvel, com, root, out, small)
    if table[NUM_DRUMS] > 0:
        _dig_with_drums(table, sim, dt, xpos, xmat, xipos, cvel, com, root, out, small)
    push = _floats(table, PUSH, 6 * sim, 6)
    for k in range(6):
        out[6 + k] += push[k]


@kernel
def apply_ctrl(address, sim, dp, offset):
    """Copy the joint commands of a world into mjData.ctrl."""
    table = nb.carray(address_to_longs(address), (NUM_TABLE,))
    n = table[NUM_CTRL]
    if n > 0:
        target = nb.carray(address_to_floats(load_address(dp, offset)), (n,))
        source = _floats(table, CTRL, n * sim, n)
        for k in range(n):
            target[k] = source[k]


def _empty(columns: int) -> Floats:
    return np.zeros((0, columns))


@dataclass(kw_only=True, eq=False)
class Ground:
    """The ground's arrays for N worlds. Rows of a world are independent of all others."""

    num_worlds: int
    num_ctrl: int
    soil: Floats
    """Soil rows (num_worlds, NUM_SOIL)."""
    elements: Floats = field(default_factory=lambda: _empty(NUM_ELEMENT))
    anchors: Floats = field(default_factory=lambda: _empty(NUM_ANCHOR))
    drums: Floats = field(default_factory=lambda: _empty(d.NUM_DRUM))
    bed_shape: Floats = field(default_factory=b.flat_shape)
    num_stones: int = 0
    num_rocks: int = 0

    def __post_init__(self) -> None:
        """Make the state arrays: a fresh, level bed, nothing held, nothing dug."""
        n = self.num_worlds
        if self.soil.shape != (n, NUM_SOIL):
            raise RangeError(f"soil rows of shape {self.soil.shape}: expected ({n}, {NUM_SOIL}).")
        self.soil = np.ascontiguousarray(self.soil, dtype=np.float64)
        self.held = np.zeros((n, len(self.elements), NUM_HELD))
        self.anchor_state = np.zeros((n, len(self.anchors), NUM_ANCHOR_STATE))
        self.anchor_command = np.zeros((n, len(self.anchors)))
        self.bed = np.zeros((n, int(self.bed_shape[b.NX]), int(self.bed_shape[b.NY])))
        self.drum_state = np.zeros((n, len(self.drums), d.NUM_DRUM_STATE))
        self.stones = np.zeros((n, self.num_stones, 4))
        self.rocks = np.zeros((n, self.num_rocks, 4))
        self.ctrl = np.zeros((n, self.num_ctrl))
        self.push = np.zeros((n, 6))
        self.contact = np.zeros((n, 4))
        self._scratch = np.zeros((n, NUM_SCRATCH))
        self.table = np.zeros(NUM_TABLE, dtype=np.int64)
        self.table[:5] = len(self.elements), len(self.anchors), len(self.drums), self.num_stones, self.num_ctrl
        self.table[NUM_ROCKS], self.table[ROCKS] = self.num_rocks, as_bytes(self.rocks)
        self.table[5:NUM_ROCKS] = [as_bytes(a) for a in (
            self.elements, self.held, self.soil, self.anchors, self.anchor_state, self.anchor_command, self.bed,
            self.bed_shape, self.drums, self.drum_state, self.stones, self.ctrl, self.push, self._scratch, self.contact,
        )]  # fmt: skip

    def restart(self, worlds: NDArray[np.intp]) -> None:
        """Give the listed worlds fresh ground: level, undug, nothing held or pushed; soil and stones stay."""
        for array in (self.held, self.anchor_state, self.anchor_command, self.bed, self.drum_state, self.ctrl,
                      self.push, self.contact):  # fmt: skip
            array[worlds] = 0.0

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Copies of everything that decides the future."""
        names = ("soil", "held", "anchor_state", "anchor_command", "bed", "drum_state", "stones", "rocks", "ctrl",
                 "push", "contact")  # fmt: skip
        return {name: getattr(self, name).copy() for name in names}

    def restore(self, snapshot: dict[str, NDArray[np.generic]]) -> None:
        """Go back to a snapshot of a ground of the same shape."""
        for name, value in snapshot.items():
            getattr(self, name)[:] = value
