# SPDX-License-Identifier: Apache-2.0
"""A tumbling vehicle near plane ground: its corners strike soil and boulders until it flies off, or rests.

Everything is in frame p: its origin on the ground, z along the ground's normal. Between impacts the vehicle falls and
turns freely; a corner under the ground that approaches it strikes. What is there, a boulder or soil, is a map of square
cells drawn from a key, so a place that is struck twice is the same place.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from stope.base.counter_rng import normal, uniform
from stope.world.rock_contact import strike

__all__ = ["near_ground", "turn_freely"]

# --- log of one vehicle, kept over its whole way ---------------------------------------------------------------------
TIME, TOUCHES, FIRST_TIME, FIRST_SPEED, FIRST_ACROSS, LEAVE_TIME, LEAVE_SPEED, AFTER_ACROSS, SECOND_TIME, TOUCHING, \
    IMPACTS, FIRST_AT, SECOND_AT = (*range(12), 14)  # fmt: skip
NUM_LOG = 17
# --- ground ----------------------------------------------------------------------------------------------------------
FRACTION, LOW, HIGH, ROCK_FRICTION, TILT, CELL, SOIL_FRICTION, REST_HEIGHT, TIME_LIMIT, MOST, ROAM, WHOLE = range(12)
NUM_GROUND = 12
UPRIGHT = 0.7
"""Cosine of the tilt up to which a vehicle with a structure lands on all its feet at once (chosen: 45 deg)."""
FLIES, RESTS, SPENT, ROAMS = range(4)
"""Why `near_ground` ended: it flies off, it rests, time or impacts are spent, it has moved out of the plane's reach."""
STEP = 4e-3
"""Step near the ground over the shortest time of the motion (chosen)."""
TURN_STEP = 0.05
"""Turn in one step of free rotation [rad] (chosen; fourth order, so 1e-7 a step)."""
HIGH_UP, GAP, FLAT = 1.7, 0.25, 0.04
"""Height of the centre over the farthest corner's distance from which it flies, and height of the lowest corner over
that distance at which a touch has ended (chosen)."""


@nb.njit(cache=True, error_model="numpy")
def _matrix(q, out):
    w, x, y, z = q[0], q[1], q[2], q[3]
    out[0, 0], out[0, 1], out[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    out[1, 0], out[1, 1], out[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    out[2, 0], out[2, 1], out[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)


@nb.njit(cache=True, error_model="numpy")
def _euler(inertia, w, out):
    out[0] = (inertia[1] - inertia[2]) * w[1] * w[2] / inertia[0]
    out[1] = (inertia[2] - inertia[0]) * w[2] * w[0] / inertia[1]
    out[2] = (inertia[0] - inertia[1]) * w[0] * w[1] / inertia[2]


@nb.njit(cache=True, error_model="numpy")
def _turn(inertia, q, w, dt, work):
    """One step of free rotation: Runge-Kutta for the rate, the attitude by its middle value."""
    a, b, c, d, v = work[0], work[1], work[2], work[3], work[4]
    _euler(inertia, w, a)
    for k in range(3):
        v[k] = w[k] + 0.5 * dt * a[k]
    _euler(inertia, v, b)
    for k in range(3):
        v[k] = w[k] + 0.5 * dt * b[k]
    _euler(inertia, v, c)
    for k in range(3):
        v[k] = w[k] + dt * c[k]
    _euler(inertia, v, d)
    mean = work[5]
    for k in range(3):
        new = w[k] + dt * (a[k] + 2.0 * b[k] + 2.0 * c[k] + d[k]) / 6.0
        mean[k] = w[k] + 0.5 * dt * (a[k] + b[k] + c[k]) / 3.0
        w[k] = new
    angle = dt * math.sqrt(mean[0] ** 2 + mean[1] ** 2 + mean[2] ** 2)
    s = 0.5 * dt * (math.sin(0.5 * angle) / (0.5 * angle) if angle > 1e-8 else 1.0)
    rw, rx, ry, rz = math.cos(0.5 * angle), s * mean[0], s * mean[1], s * mean[2]
    w0, x0, y0, z0 = q[0], q[1], q[2], q[3]
    q[0] = w0 * rw - x0 * rx - y0 * ry - z0 * rz
    q[1] = w0 * rx + x0 * rw + y0 * rz - z0 * ry
    q[2] = w0 * ry - x0 * rz + y0 * rw + z0 * rx
    q[3] = w0 * rz + x0 * ry - y0 * rx + z0 * rw
    size = math.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2 + q[3] ** 2)
    for k in range(4):
        q[k] /= size


@nb.njit(cache=True, error_model="numpy")
def turn_freely(inertia, q, w, time):
    """Turn a body freely for a time [s]: attitude q (4,) and rate w (3,) in its principal axes, changed in place."""
    speed = math.sqrt(w[0] ** 2 + w[1] ** 2 + w[2] ** 2)
    num = max(1, math.ceil(time * speed / TURN_STEP))
    work = np.zeros((6, 3))
    for _ in range(num):
        _turn(inertia, q, w, time / num, work)


@nb.njit(cache=True, error_model="numpy")
def _table(speeds, values, v):
    """Restitution at a speed of approach, by the logarithm of the speed."""
    if speeds.shape[0] == 1 or v <= speeds[0]:
        return values[0]
    n = speeds.shape[0]
    if v >= speeds[n - 1]:
        return values[n - 1]
    k = np.searchsorted(speeds, v)
    a = math.log(v / speeds[k - 1]) / math.log(speeds[k] / speeds[k - 1])
    return (1.0 - a) * values[k - 1] + a * values[k]


@nb.njit(cache=True, error_model="numpy")
def _place(ground, key, x, y, out):
    """What lies at a place: restitution (negative: soil), and the normal there."""
    i, j = math.floor(x / ground[CELL]), math.floor(y / ground[CELL])
    counter = np.uint64(((i + 1000000) * 2000003 + (j + 1000000)) * 8)
    out[1], out[2], out[3] = 0.0, 0.0, 1.0
    if uniform(key, counter) >= ground[FRACTION]:
        out[0] = -1.0
        return
    out[0] = ground[LOW] + (ground[HIGH] - ground[LOW]) * uniform(key, counter + np.uint64(1))
    # No facet steeper than 60 degrees: a vehicle does not land on the side of a boulder.
    a = min(abs(ground[TILT] * normal(key, counter + np.uint64(2))), math.pi / 3.0)
    b = 2.0 * math.pi * uniform(key, counter + np.uint64(3))
    out[1], out[2], out[3] = math.sin(a) * math.cos(b), math.sin(a) * math.sin(b), math.cos(a)


@nb.njit(cache=True, error_model="numpy")
def _corners(corners, position, turn, at):
    """Corners (num, 3) [m, p] of the vehicle; returns the height of the lowest."""
    lowest = math.inf
    for c in range(corners.shape[0]):
        for k in range(3):
            at[c, k] = position[k]
            for j in range(3):
                at[c, k] += turn[k, j] * corners[c, j]
        lowest = min(lowest, at[c, 2])
    return lowest


@nb.njit(cache=True, error_model="numpy")
def _touching(at, position, velocity, spin, pull, ground, key, table, is_flat, points, normals, back, rub):
    """Contacts of the corners under the ground that approach it; returns how many.

    `at` are the corners [m, p], `spin` the angular velocity [rad/s, p], `pull` the size of gravity [m/s2]; `is_flat`
    says whether boulders count as level. The last four are filled.
    """
    place, m = np.zeros(4), 0
    # What would rise less than the height of rest does not bounce: it is pressed on.
    slow = math.sqrt(2.0 * pull * ground[REST_HEIGHT])
    for c in range(at.shape[0]):
        if at[c, 2] > 0.0:
            continue
        rx, ry, rz = at[c, 0] - position[0], at[c, 1] - position[1], at[c, 2] - position[2]
        vx = velocity[0] + spin[1] * rz - spin[2] * ry
        vy = velocity[1] + spin[2] * rx - spin[0] * rz
        vz = velocity[2] + spin[0] * ry - spin[1] * rx
        _place(ground, key, at[c, 0], at[c, 1], place)
        if is_flat:
            place[1], place[2], place[3] = 0.0, 0.0, 1.0
        approach = -(vx * place[1] + vy * place[2] + vz * place[3])
        if approach <= 0.0:
            continue
        rock = place[0] >= 0.0
        back[m] = place[0] * _table(table[0], table[1], approach) if rock else _table(table[0], table[2], approach)
        back[m] = back[m] if approach > slow else 0.0
        rub[m] = ground[ROCK_FRICTION] if rock else ground[SOIL_FRICTION]
        for k in range(3):
            points[m, k], normals[m, k] = at[c, k], place[k + 1]
        m += 1
    return m


@nb.njit(cache=True, error_model="numpy")
def _stand(at, position, velocity, ground, key, table, points, normals, back, rub):
    """One contact for all feet, on the axis: they give way by more than they differ in height."""
    place, first = np.zeros(4), 0
    for c in range(at.shape[0]):
        first = c if at[c, 2] < at[first, 2] else first
    _place(ground, key, at[first, 0], at[first, 1], place)
    rock = place[0] >= 0.0
    speed = -velocity[2]
    back[0] = place[0] * _table(table[0], table[1], speed) if rock else _table(table[0], table[2], speed)
    rub[0] = ground[ROCK_FRICTION] if rock else ground[SOIL_FRICTION]
    points[0, 0], points[0, 1], points[0, 2] = position[0], position[1], 0.0
    normals[0, 0], normals[0, 1], normals[0, 2] = 0.0, 0.0, 1.0


@nb.njit(cache=True, error_model="numpy")
def _strike(mass, inertia, position, velocity, w, turn, at, pull, ground, key, table, is_first):
    """Carry out the impacts of the corners under the ground; returns whether there were any."""
    num = at.shape[0]
    inverse_mass, inverse_inertia = np.zeros(2), np.zeros((2, 3, 3))
    two_x, two_v, two_w = np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    points, normals, back, rub = np.zeros((num, 3)), np.zeros((num, 3)), np.zeros(num), np.zeros(num)
    inverse_mass[0] = 1.0 / mass
    for i in range(3):
        two_x[0, i], two_v[0, i] = position[i], velocity[i]
        for j in range(3):
            two_w[0, i] += turn[i, j] * w[j]
            for k in range(3):
                inverse_inertia[0, i, j] += turn[i, k] * turn[j, k] / inertia[k]
    struck = False
    for attempt in range(2):  # what a tilted boulder has sent downward meets the level ground as well
        m = _touching(
            at, position, two_v[0], two_w[0], pull, ground, key, table, attempt == 1, points, normals, back, rub
        )
        if m == 0:
            continue
        if is_first and attempt == 0 and ground[WHOLE] > 0.0 and turn[2, 2] > UPRIGHT and velocity[2] < 0.0:
            m = 1
            _stand(at, position, velocity, ground, key, table, points, normals, back, rub)
        strike(inverse_mass, inverse_inertia, two_x, two_v, two_w, points[:m], normals[:m], back[:m], rub[:m])
        struck = True
    for k in range(3):
        velocity[k] = two_v[0, k]
        if struck:
            w[k] = turn[0, k] * two_w[0, 0] + turn[1, k] * two_w[0, 1] + turn[2, k] * two_w[0, 2]
    return struck


@nb.njit(cache=True, error_model="numpy")
def _note(log, position, before, across, climb):
    """Keep an impact in the log: the speed before it, its part into the ground, and the part out of it afterwards."""
    log[IMPACTS] += 1.0
    if log[TOUCHING] > 0.0:
        return
    log[TOUCHING] = 1.0
    log[TOUCHES] += 1.0
    if log[TOUCHES] == 1.0:
        log[FIRST_TIME], log[FIRST_SPEED], log[FIRST_ACROSS], log[AFTER_ACROSS] = log[TIME], before, across, climb
    if log[TOUCHES] == 2.0:
        log[SECOND_TIME] = log[TIME]
    if log[TOUCHES] <= 2.0:
        where = FIRST_AT if log[TOUCHES] == 1.0 else SECOND_AT
        for k in range(3):
            log[where + k] = position[k]


@nb.njit(cache=True, error_model="numpy")
def _note_rise(log, speed, has_left):
    """Keep in the log that a touch has ended."""
    if log[TOUCHING] > 0.0 and has_left:
        log[TOUCHING] = 0.0
        if log[TOUCHES] == 1.0:
            log[LEAVE_TIME], log[LEAVE_SPEED] = log[TIME], speed


@nb.njit(cache=True, error_model="numpy")
def _size(v):
    return math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


@nb.njit(cache=True, error_model="numpy")
def _rests(mass, inertia, velocity, w, at, lowest, reach, fall, ground):
    """Whether three corners are down and the energy would not lift the vehicle by the height of rest."""
    energy = 0.5 * (velocity[0] ** 2 + velocity[1] ** 2 + velocity[2] ** 2)
    for k in range(3):
        energy += 0.5 * inertia[k] * w[k] * w[k] / mass
    down = 0
    for c in range(at.shape[0]):
        down += 1 if at[c, 2] < lowest + FLAT * reach else 0
    return down >= 3 and fall > 0.0 and energy < fall * ground[REST_HEIGHT]


@nb.njit(cache=True, error_model="numpy")
def _fall(position, velocity, gravity, spin, dt):
    """Move the centre of mass by one step: a parabola, with the Coriolis acceleration of its start."""
    turning = np.zeros(3)
    for k in range(3):
        a, b = (k + 1) % 3, (k + 2) % 3
        turning[k] = gravity[k] - 2.0 * (spin[a] * velocity[b] - spin[b] * velocity[a])
    for k in range(3):
        position[k] += dt * (velocity[k] + 0.5 * dt * turning[k])
        velocity[k] += dt * turning[k]


@nb.njit(cache=True, error_model="numpy")
def near_ground(mass, inertia, corners, position, velocity, q, w, gravity, spin, ground, key, table, log):
    """Move a vehicle near plane ground until something ends it.

    Args:
        mass: [kg]
        inertia: Principal moments (3,) [kg m2].
        corners: Points that can touch, from the centre of mass, principal axes (num, 3) [m].
        position: Centre of mass (3,) [m, p], changed in place as the next three.
        velocity: (3,) [m/s, p].
        q: Attitude (4,), principal axes to p.
        w: Rate (3,) [rad/s], principal axes.
        gravity: Effective gravity (3,) [m/s2, p].
        spin: Of the ground (3,) [rad/s, p].
        ground: Numbers of the ground (NUM_GROUND,).
        key: Of the map of boulders.
        table: Speeds of approach [m/s], and the restitution of the structure there on rock and on soil (3, num).
        log: What happened so far (NUM_LOG,), changed in place.

    Returns:
        FLIES, RESTS, SPENT or ROAMS.
    """
    reach, pull = 0.0, _size(gravity)
    for c in range(corners.shape[0]):
        reach = max(reach, _size(corners[c]))
    turn, work, at = np.zeros((3, 3)), np.zeros((6, 3)), np.zeros(corners.shape)
    start_x, start_y = position[0], position[1]
    while log[TIME] < ground[TIME_LIMIT] and log[IMPACTS] < ground[MOST]:
        if position[2] > HIGH_UP * reach and velocity[2] > 0.0:
            return FLIES
        if abs(position[0] - start_x) + abs(position[1] - start_y) > ground[ROAM]:
            return ROAMS
        _matrix(q, turn)
        lowest, speed, across = _corners(corners, position, turn, at), _size(velocity), -velocity[2]
        _note_rise(log, speed, lowest > GAP * reach)
        is_first = log[TOUCHING] == 0.0
        if lowest <= 0.0 and _strike(
            mass, inertia, position, velocity, w, turn, at, pull, ground, key, table, is_first
        ):
            _note(log, position, speed, across, velocity[2])
            if _rests(mass, inertia, velocity, w, at, lowest, reach, -gravity[2], ground):
                return RESTS
        rate = _size(w)
        moving = _size(velocity) + rate * reach
        dt = STEP * min(reach / max(moving, 1e-300), math.sqrt(reach / max(pull, 1e-300)))
        if lowest > 0.0:
            free = 0.5 * lowest / (moving + math.sqrt(2.0 * pull * lowest) + 1e-300)
            dt = max(dt, min(free, TURN_STEP / max(rate, 1e-300)))
        dt = min(dt, ground[TIME_LIMIT] - log[TIME] + 1e-9)
        _fall(position, velocity, gravity, spin, dt)
        _turn(inertia, q, w, dt, work)
        log[TIME] += dt
    return SPENT
