# SPDX-License-Identifier: Apache-2.0
"""The scheme of `fleet`, compiled: one vehicle through one control period by explicit midpoint steps.

A state is position and velocity of the centre of mass in i, quaternion b to i, rate in b against i, and displacement
and speed of the sloshing mass in b (19 numbers). What a vehicle is stands in one row; `ROW` names its columns.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

NUM_STATE = 19
ROW = {
    "mass": (0, 1), "com": (1, 3), "inertia": (4, 9), "inverse": (13, 9), "lag": (22, 1), "latency": (23, 1),
    "slosh_mass": (24, 1), "slosh_rate": (25, 1), "slosh_damping": (26, 1), "slosh_at": (27, 3), "hose": (30, 3),
    "hose_stiffness": (33, 1), "swing": (34, 1), "swing_rate": (35, 1), "swing_phase": (36, 1), "swing_way": (37, 3),
    "q0": (40, 4),
}  # fmt: skip
"""First column and number of columns of each quantity."""
NUM_ROW = 44
inline = nb.njit(error_model="numpy", inline="never")


@inline
def turn(q, x, y, z):
    """A vector turned by a quaternion of norm 1, from b to i."""
    tx, ty, tz = 2.0 * (q[2] * z - q[3] * y), 2.0 * (q[3] * x - q[1] * z), 2.0 * (q[1] * y - q[2] * x)
    return (x + q[0] * tx + q[2] * tz - q[3] * ty, y + q[0] * ty + q[3] * tx - q[1] * tz,
            z + q[0] * tz + q[1] * ty - q[2] * tx)  # fmt: skip


@inline
def spun(n, angle, x, y, z):
    """A vector turned about the unit vector n by an angle."""
    c, s = math.cos(angle), math.sin(angle)
    m = (1.0 - c) * (n[0] * x + n[1] * y + n[2] * z)
    return (x * c + (n[1] * z - n[2] * y) * s + n[0] * m, y * c + (n[2] * x - n[0] * z) * s + n[1] * m,
            z * c + (n[0] * y - n[1] * x) * s + n[2] * m)  # fmt: skip


@inline
def rates(row, place, time, y, thrust, push, out):
    """Time derivative of a state into out (19,); the quaternion's entries stay empty, `step` turns it.

    Args:
        row: The vehicle, (NUM_ROW,).
        place: Unit spin 3, spin rate, attraction 3, gradient 9, centre 3, (19,).
        time: [s]
        y: State, (19,).
        thrust: Force [N] and torque [N m], (6,), b.
        push: Acceleration besides gravity (3,) [m/s2], l.
        out: Written.
    """
    n, angle = place[0:3], place[3] * time
    bx, by, bz = place[16], place[17], place[18]
    lx, ly, lz = spun(n, -angle, y[0] + bx, y[1] + by, y[2] + bz)
    lx, ly, lz = lx - bx, ly - by, lz - bz
    wave = row[34] * math.sin(row[35] * time + row[36])
    gx = place[4] + place[7] * lx + place[8] * ly + place[9] * lz + push[0] + wave * row[37]
    gy = place[5] + place[10] * lx + place[11] * ly + place[12] * lz + push[1] + wave * row[38]
    gz = place[6] + place[13] * lx + place[14] * ly + place[15] * lz + push[2] + wave * row[39]
    gx, gy, gz = spun(n, angle, gx, gy, gz)
    omega, dry, q, w = row[25], row[0] - row[24], y[6:10], y[10:13]
    sx = omega * omega * y[13] + 2.0 * row[26] * omega * y[16]
    sy = omega * omega * y[14] + 2.0 * row[26] * omega * y[17]
    sz = omega * omega * y[15] + 2.0 * row[26] * omega * y[18]
    px, py, pz = row[24] * sx, row[24] * sy, row[24] * sz
    fx, fy, fz = thrust[0] + px, thrust[1] + py, thrust[2] + pz
    cx, cy, cz = row[1], row[2], row[3]
    ax, ay, az = row[27] - cx, row[28] - cy, row[29] - cz
    # The turn since the start, q0* q, against which a hose winds.
    e = row[40:44]
    ww = e[0] * q[0] + e[1] * q[1] + e[2] * q[2] + e[3] * q[3]
    k = -2.0 * row[33] if ww >= 0.0 else 2.0 * row[33]
    tx = k * (e[0] * q[1] - e[1] * q[0] - e[2] * q[3] + e[3] * q[2]) + row[30]
    ty = k * (e[0] * q[2] - e[2] * q[0] - e[3] * q[1] + e[1] * q[3]) + row[31]
    tz = k * (e[0] * q[3] - e[3] * q[0] - e[1] * q[2] + e[2] * q[1]) + row[32]
    tx += thrust[3] - (cy * thrust[2] - cz * thrust[1]) + ay * pz - az * py
    ty += thrust[4] - (cz * thrust[0] - cx * thrust[2]) + az * px - ax * pz
    tz += thrust[5] - (cx * thrust[1] - cy * thrust[0]) + ax * py - ay * px
    hx = row[4] * w[0] + row[5] * w[1] + row[6] * w[2]
    hy = row[7] * w[0] + row[8] * w[1] + row[9] * w[2]
    hz = row[10] * w[0] + row[11] * w[1] + row[12] * w[2]
    tx, ty, tz = tx - (w[1] * hz - w[2] * hy), ty - (w[2] * hx - w[0] * hz), tz - (w[0] * hy - w[1] * hx)
    dx = row[13] * tx + row[14] * ty + row[15] * tz
    dy = row[16] * tx + row[17] * ty + row[18] * tz
    dz = row[19] * tx + row[20] * ty + row[21] * tz
    ux, uy, uz = turn(q, fx, fy, fz)
    out[0], out[1], out[2] = y[3], y[4], y[5]
    out[3], out[4], out[5] = ux / dry + gx, uy / dry + gy, uz / dry + gz
    out[10], out[11], out[12] = dx, dy, dz
    out[13], out[14], out[15] = y[16], y[17], y[18]
    # Against the body: the tank's own acceleration taken off. Without a sloshing mass nobody feels it.
    out[16] = -sx - (fx / dry + dy * az - dz * ay)
    out[17] = -sy - (fy / dry + dz * ax - dx * az)
    out[18] = -sz - (fz / dry + dx * ay - dy * ax)


@inline
def turn_on(q, w, h, out):
    """Quaternion q after turning at the rate w (in b) for h seconds."""
    n = math.sqrt(w[0] * w[0] + w[1] * w[1] + w[2] * w[2])
    s = 0.5 * h if n * h < 1e-12 else math.sin(0.5 * n * h) / n
    c, x, y, z = math.cos(0.5 * n * h), s * w[0], s * w[1], s * w[2]
    a, b, d, e = q[0], q[1], q[2], q[3]
    out[0], out[1] = a * c - b * x - d * y - e * z, a * x + b * c + d * z - e * y
    out[2], out[3] = a * y - b * z + d * c + e * x, a * z + b * y - d * x + e * c


@nb.njit(cache=True, error_model="numpy")
def advance_all(rows, place, time, states, thrusts, before, after, pushes, step, num_steps):
    """Every vehicle through one control period, in place.

    Args:
        rows: (vehicles, NUM_ROW).
        place: As in `rates`.
        time: At the beginning [s].
        states: (vehicles, 19), changed.
        thrusts: Lagged wrench (vehicles, 6), changed.
        before: Wrench that the thrust tends to until the latency has passed, (vehicles, 6).
        after: The same from then on.
        pushes: Acceleration besides gravity (vehicles, 3) [m/s2], l.
        step: [s]
        num_steps: Steps.
    """
    k1, middle, half, last = np.zeros(NUM_STATE), np.zeros(NUM_STATE), np.zeros(6), np.zeros(6)
    for i in range(rows.shape[0]):
        row, y, thrust = rows[i], states[i], thrusts[i]
        short, long = math.exp(-0.5 * step / row[22]), math.exp(-step / row[22])
        for k in range(num_steps):
            # The share of this step that the old command still has.
            share = min(1.0, max(0.0, (row[23] - k * step) / step))
            for j in range(6):
                aim = share * before[i, j] + (1.0 - share) * after[i, j]
                half[j], last[j] = aim + (thrust[j] - aim) * short, aim + (thrust[j] - aim) * long
            now = time + k * step
            rates(row, place, now, y, thrust, pushes[i], k1)
            for j in range(NUM_STATE):
                middle[j] = y[j] + 0.5 * step * k1[j]
            turn_on(y[6:10], y[10:13], 0.5 * step, middle[6:10])
            rates(row, place, now + 0.5 * step, middle, half, pushes[i], k1)
            turn_on(y[6:10], middle[10:13], step, y[6:10])
            for j in range(NUM_STATE):
                if j < 6 or j > 9:
                    y[j] += step * k1[j]
            for j in range(6):
                thrust[j] = last[j]
