# SPDX-License-Identifier: Apache-2.0
"""The digger and its soil, compiled: base, arms and drums by symplectic Euler steps of 1 ms, the bed every 10 ms.

Planar: x forward, z up, pitch about y (a positive pitch lowers the front), small pitch. Arms slide along the base's z.
Pairs of two numbers are front, rear; the front drum cuts when it turns positively, the rear one negatively. The bed is
a profile along x for each drum, (vehicles, 2, NUM_CELLS) [m], as wide as the drum; all soil in it counts at the density
of the ground. Soil does not flow in from beside the drum's ends.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

STEP = 1.0e-3
"""Of the mechanics [s]: a tenth of the trainer's."""
SOIL_EVERY, SLUMP_EVERY = 10, 100
"""Steps between two cuts of the bed, and between two landslips."""
CELL, NUM_CELLS = 0.01, 71
"""Of a profile: width [m], number; the middle one is under the drum's nominal axis."""
SLOW = 1.0e-3
"""Speed of a scoop over which its force reaches its size [m/s]; chosen."""

ROW = np.dtype([
    ("gravity", "f8"), ("mass", "f8"), ("inertia", "f8"), ("com_x", "f8"), ("arm_mass", "f8"), ("drum_inertia", "f8"),
    ("reach", "f8"), ("drum_height", "f8"), ("radius", "f8"), ("width", "f8"), ("scoop", "f8"), ("num_scoops", "f8"),
    ("capacity", "f8"), ("foot", "f8"), ("anchor_height", "f8"), ("arm_gain", "f8"), ("arm_damping", "f8"),
    ("arm_force", "f8"), ("drum_gain", "f8"), ("drum_damping", "f8"), ("drum_torque", "f8"), ("density", "f8"),
    ("cohesion", "f8"), ("growth", "f8"), ("crust", "f8"), ("crust_depth", "f8"), ("passive", "f8"),
    ("nc", "f8"), ("nq", "f8"), ("stand", "f8"), ("bulking", "f8"), ("bearing_yield", "f8"), ("thrust_ratio", "f8"),
    ("back_ratio", "f8"), ("spill_reach", "f8"), ("catch", "f8"), ("adhesion", "f8"), ("stick_most", "f8"),
    ("hold", "f8"), ("let_go", "f8"),
    ("strength", "f8", 4), ("stiffness", "f8", 4), ("damping", "f8", 4), ("tear", "f8"),
    ("pad_stiffness", "f8"), ("rate_scale", "f8"), ("stiction", "f8"), ("stone_stiffness", "f8"),
    ("stone_density", "f8"), ("stone_knock", "f8"),
])  # fmt: skip
"""What a vehicle is; made by `dig_fleet.rows`. SI units."""

STATE = np.dtype([
    ("x", "f8"), ("z", "f8"), ("pitch", "f8"), ("vx", "f8"), ("vz", "f8"), ("rate", "f8"),
    ("height", "f8", 2), ("speed", "f8", 2), ("spin", "f8", 2), ("phase", "f8", 2), ("aim", "f8", 2),
    ("ex", "f8", 4), ("ez", "f8", 4), ("slipped", "f8", 4), ("felt", "f8", 4), ("holds", "f8", 4), ("pad", "f8", 2),
    ("pressed", "f8", 2), ("depth", "f8", 2), ("engaged", "f8", 2), ("chord", "f8", 2),
    ("cut", "f8", 2), ("load", "f8", 2), ("spilt", "f8", 2), ("thrown", "f8", 2), ("stuck", "f8", 2),
    ("torque", "f8", 2), ("force", "f8", 2), ("struck", "f8", 2), ("pulse", "f8", 2), ("left", "f8", 2),
])  # fmt: skip
"""A vehicle's state. `height` and `speed` are those of a drum's axis in l [m, m/s]; `aim` is an arm's set point [m];
`ex`, `ez` are how far soil is strained round an anchor and `pad`, `pressed` under a pad and a drum [m]; `depth` is that
of a drum under the ground beside it, `engaged` how deep the soil reaches into its outline and `chord` over what length
[m]; `cut` to `stuck` are masses [kg]; `pulse`, `left` are a blow's force [N] and how long it still lasts [s]."""

inline = nb.njit(error_model="numpy", inline="never")


@inline
def cohesion_at(row, depth):
    """Cohesion [Pa] at a depth [m]."""
    crust = row.crust if depth < row.crust_depth else 1.0
    return row.cohesion * crust * (1.0 + row.growth * max(0.0, depth) / 0.10)


@inline
def bearing(row, depth):
    """Pressure that soil bears at a depth [Pa]: Terzaghi 1943, local shear (two thirds of the cohesion), a strip.

    Cohesion and overburden; the term of the soil's own weight under the strip is left out.
    """
    return 2.0 / 3.0 * cohesion_at(row, depth) * row.nc + row.density * row.gravity * max(0.0, depth) * row.nq


@inline
def cutting(row, chip, depth, speed):
    """Force [N] to push soil before a scoop: passive earth pressure and the momentum of what is set in motion.

    Rankine 1857 with Bell's cohesion, on a face of height `chip` [m] under the overburden of `depth` [m], as the models
    of Balovnev and of Zeng build on; `speed` [m/s] is the scoop's.
    """
    weight = row.density * row.gravity
    push = row.passive * (0.5 * weight * chip + weight * max(0.0, depth))
    stick = 2.0 * cohesion_at(row, depth) * math.sqrt(row.passive)
    return row.width * chip * (push + stick + row.density * speed * speed)


@inline
def kept(row, spin):
    """Share of a turn's load that stays in the scoops [1].

    Half stays where the centripetal acceleration equals gravity and what cohesion holds in a scoop of that depth;
    about it, a logistic in the logarithm of their ratio.
    """
    ratio = spin * spin * row.radius / (row.gravity + row.hold)
    return 1.0 / (1.0 + ratio ** (1.0 / row.let_go))


@inline
def anchors(row, s):
    """Force x, z [N] and moment [N m] of anchors and pads on the base; strains their soil, and tears."""
    fx, fz, moment = 0.0, 0.0, 0.0
    for k in range(4):
        at = row.foot if k < 2 else -row.foot
        s.felt[k] = 0.0
        if s.holds[k] > 0.0:
            ux, uz = s.vx + s.rate * row.anchor_height, s.vz - s.rate * at
            s.ex[k] += STEP * ux
            s.ez[k] += STEP * uz
            strain = math.sqrt(s.ex[k] * s.ex[k] + s.ez[k] * s.ez[k])
            most = row.strength[k] / row.stiffness[k]
            if strain > most:
                s.slipped[k] += strain - most
                s.ex[k] *= most / strain
                s.ez[k] *= most / strain
            px = -row.stiffness[k] * s.ex[k] - row.damping[k] * ux
            pz = -row.stiffness[k] * s.ez[k] - row.damping[k] * uz
            size = math.sqrt(px * px + pz * pz)
            if size > row.strength[k]:
                px *= row.strength[k] / size
                pz *= row.strength[k] / size
            # What an anchor feels is the strain of its soil, not the viscous part.
            s.felt[k] = min(1.0, strain / most)
            if s.slipped[k] > row.tear:
                s.holds[k] = 0.0
            fx, fz, moment = fx + px, fz + pz, moment + row.anchor_height * px - at * pz
    for k in range(2):
        at = row.foot if k == 0 else -row.foot
        # Negative while the pad is off the ground; what yields stays pressed.
        s.pad[k] = min(row.bearing_yield, s.pad[k] - STEP * (s.vz - s.rate * at))
        push = 2.0 * row.pad_stiffness * max(0.0, s.pad[k])
        fz, moment = fz + push, moment - at * push
    return fx, fz, moment


@inline
def stone_force(row, s, k, stones, out):
    """Force on drum k by its stones into out (x, z, torque) [N, N m], at rest and in blows; pushes the stones."""
    out[0], out[1], out[2] = 0.0, 0.0, 0.0
    side = 1.0 if k == 0 else -1.0
    at_x = side * row.reach + s.x + s.pitch * (s.height[k] - s.z)
    for j in range(stones.shape[0]):
        stone = stones[j]
        size = stone[3]
        if size <= 0.0 or abs(stone[1]) > 0.5 * row.width + size:
            continue
        wx, wz = at_x - stone[0], s.height[k] - stone[2]
        gap = math.sqrt(wx * wx + wz * wz) - row.radius - size
        if gap >= 0.0:
            continue
        nx, nz = wx / (gap + row.radius + size), wz / (gap + row.radius + size)
        push = -row.stone_stiffness * gap
        most = bearing(row, -stone[2]) * math.pi * size * size
        if push > most:
            give = (push - most) / row.stone_stiffness
            stone[0], stone[2], push = stone[0] - give * nx, stone[2] - give * nz, most
        s.struck[k] = max(s.struck[k], push)
        out[0], out[1] = out[0] + push * nx, out[1] + push * nz
        before = s.phase[k] - abs(s.spin[k]) * STEP
        pitch = 2.0 * math.pi / row.num_scoops
        if math.floor(s.phase[k] / pitch) != math.floor(before / pitch):
            mass = 4.0 / 3.0 * math.pi * size**3 * row.stone_density
            s.pulse[k] = s.spin[k] * row.radius * math.sqrt(row.stone_stiffness * mass)
            s.left[k] = math.pi * math.sqrt(mass / row.stone_stiffness)
            # A tip at the foot of the drum moves against x when the spin is positive.
            stone[0] -= math.copysign(row.stone_knock, s.spin[k])
            s.struck[k] = max(s.struck[k], abs(s.pulse[k]))
    if s.left[k] > 0.0:
        s.left[k] -= STEP
        out[0] += s.pulse[k]
        out[2] -= s.pulse[k] * row.radius


@inline
def drum(row, s, k, command, stones, hit, out):
    """One drum and its arm through one step; force and moment on the base into out (x, z, moment) [N, N m]."""
    side = 1.0 if k == 0 else -1.0
    at_z = s.height[k] - s.z
    arm = at_z - row.drum_height + side * row.reach * s.pitch
    arm_speed = s.speed[k] - s.vz + side * row.reach * s.rate
    s.force[k] = max(-row.arm_force, min(row.arm_force, row.arm_gain * (s.aim[k] - arm)))
    lift = s.force[k] - row.arm_damping * arm_speed
    spin, tip = s.spin[k], s.spin[k] * row.radius
    up, along, brake = 0.0, 0.0, 0.0
    s.pressed[k] -= STEP * s.speed[k]
    if s.engaged[k] > 0.0:
        chip = min(s.engaged[k], row.scoop)
        size = cutting(row, chip, s.depth[k], tip) * math.tanh(tip / SLOW)
        if side * spin > 0.0:
            # Each scoop that passes takes along soil that had been pressed.
            s.pressed[k] -= STEP * s.pressed[k] * abs(spin) * row.num_scoops / (2.0 * math.pi)
        else:
            size *= row.back_ratio
        s.pressed[k] = min(row.bearing_yield, max(0.0, s.pressed[k]))
        # Scoops that are not full bear on their edges; the hub bears once they are.
        most = bearing(row, s.depth[k]) * s.chord[k] * row.width * (chip / row.scoop) ** 2
        up = most * s.pressed[k] / row.bearing_yield + row.thrust_ratio * abs(size)
        along, brake = size, -size * row.radius
    else:
        s.pressed[k] = 0.0
    stone_force(row, s, k, stones, hit)
    up, along, brake = up + hit[1], along + hit[0], brake + hit[2]
    mass = row.arm_mass + s.load[k] + s.stuck[k]
    s.speed[k] += STEP * ((lift + up) / mass - row.gravity)
    read = spin * (1.0 + row.rate_scale)
    s.torque[k] = max(-row.drum_torque, min(row.drum_torque, row.drum_gain * (command - read)))
    loss = row.drum_damping * spin + row.stiction * math.tanh(spin / 3.0e-3)
    inertia = row.drum_inertia + 0.5 * (s.load[k] + s.stuck[k]) * row.radius * row.radius
    s.spin[k] += STEP * (s.torque[k] - loss + brake) / inertia
    s.phase[k] += STEP * abs(s.spin[k])
    out[0], out[1] = along, -lift
    out[2] = at_z * along + side * row.reach * lift - (s.torque[k] - loss)


@inline
def dig(row, s, k, bed):
    """Cut the bed of drum k over SOIL_EVERY steps, and say where the soil goes."""
    side = 1.0 if k == 0 else -1.0
    time = SOIL_EVERY * STEP
    at = s.x + s.pitch * (s.height[k] - s.z) + CELL * (NUM_CELLS // 2)
    first = max(0, math.ceil((at - row.radius) / CELL))
    last = min(NUM_CELLS - 1, math.floor((at + row.radius) / CELL))
    total, most, num = 0.0, 0.0, 0
    for j in range(first, last + 1):
        over = bed[j] - _outline(row, s.height[k], j * CELL - at)
        if over > 0.0:
            total, most, num = total + over, max(most, over), num + 1
    # Three cells beside the drum; a base that came loose may have left the profile.
    behind, ahead = min(NUM_CELLS - 1, max(0, first - 3)), max(0, min(NUM_CELLS - 1, last + 3))
    ground = 0.5 * (bed[behind] + bed[ahead])
    s.engaged[k], s.chord[k] = most, num * CELL
    s.depth[k] = max(0.0, ground - s.height[k] + row.radius)
    hold = kept(row, s.spin[k])
    leaving = s.load[k] * (1.0 - hold) * min(1.0, abs(s.spin[k]) * time / (2.0 * math.pi))
    s.load[k] -= leaving
    s.thrown[k] += leaving
    if num == 0 or side * s.spin[k] <= 0.0:
        return
    volume = min(total * CELL * row.width, abs(s.spin[k]) * row.radius * row.width * min(most, row.scoop) * time)
    share = volume / (total * CELL * row.width)
    for j in range(first, last + 1):
        over = bed[j] - _outline(row, s.height[k], j * CELL - at)
        if over > 0.0:
            bed[j] -= share * over
    mass = volume * row.density
    s.cut[k] += mass
    caught = row.catch * mass
    flung = caught * (1.0 - hold)
    full = row.capacity * row.density / row.bulking
    stays = min(caught - flung, max(0.0, full - s.load[k]))
    s.load[k] += stays
    s.thrown[k] += flung
    falling = mass - flung - stays
    sticks = min(row.adhesion * falling, max(0.0, row.stick_most * full - s.stuck[k]))
    s.stuck[k] += sticks
    s.spilt[k] += falling - sticks
    _fall(row, (falling - sticks) / (row.density * row.width * CELL), first, last, bed)


@inline
def _outline(row, height, away):
    """Height of a drum's lower outline [m] at a distance along x from its axis."""
    return height - math.sqrt(max(0.0, row.radius * row.radius - away * away))


@inline
def _fall(row, volume, first, last, bed):
    """Spread what falls, in metres of one cell, evenly over the ground on both sides of cells first to last."""
    reach = round(row.spill_reach / CELL)
    low, high = max(0, first - reach), min(NUM_CELLS - 1, last + reach)
    each = volume / (first - low + high - last)
    for j in range(low, first):
        bed[j] += each
    for j in range(last + 1, high + 1):
        bed[j] += each


@inline
def slump(row, bed):
    """One pass of landslips: where a step is steeper than soil stands, half of the excess moves down."""
    most = CELL * row.stand
    for j in range(NUM_CELLS - 1):
        rise = bed[j + 1] - bed[j]
        if abs(rise) > most:
            move = 0.25 * (abs(rise) - most)
            bed[j] += math.copysign(move, rise)
            bed[j + 1] -= math.copysign(move, rise)


@nb.njit(cache=True, error_model="numpy")
def advance_all(rows, states, beds, stones, commands, num_steps):
    """Every vehicle through one control period, in place.

    Args:
        rows: (vehicles,) of ROW.
        states: (vehicles,) of STATE, changed.
        beds: Profiles (vehicles, 2, NUM_CELLS) [m], changed.
        stones: x, y, z, radius (vehicles, 2, stones, 4) [m], l, changed; radius 0 where there is none.
        commands: Drum rates (vehicles, 2) [rad/s].
        num_steps: Steps; a multiple of SLUMP_EVERY.
    """
    out, hit = np.zeros(3), np.zeros(3)
    for i in range(rows.shape[0]):
        row, s = rows[i], states[i]
        s.struck[0], s.struck[1] = 0.0, 0.0
        for n in range(num_steps):
            if n % SLUMP_EVERY == 0:
                slump(row, beds[i, 0])
                slump(row, beds[i, 1])
            if n % SOIL_EVERY == 0:
                dig(row, s, 0, beds[i, 0])
                dig(row, s, 1, beds[i, 1])
            fx, fz, moment = anchors(row, s)
            # Drums move with the base along x: their mass is in its inertia, with its lever.
            mass, lever, inertia = row.mass, 0.0, row.inertia
            for k in range(2):
                at_z = s.height[k] - s.z
                drum(row, s, k, commands[i, k], stones[i, k], hit, out)
                fx, fz, moment = fx + out[0], fz + out[1], moment + out[2]
                own = row.arm_mass + s.load[k] + s.stuck[k]
                mass, lever, inertia = mass + own, lever + own * at_z, inertia + own * at_z * at_z
            moment += row.com_x * row.mass * row.gravity
            det = mass * inertia - lever * lever
            s.vx += STEP * (inertia * fx - lever * moment) / det
            s.rate += STEP * (mass * moment - lever * fx) / det
            s.vz += STEP * (fz / row.mass - row.gravity)
            s.x += STEP * s.vx
            s.z += STEP * s.vz
            s.pitch += STEP * s.rate
            for k in range(2):
                s.height[k] += STEP * s.speed[k]
