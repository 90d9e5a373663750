# SPDX-License-Identifier: Apache-2.0
"""The fused kernel: one rigid body, no contact, many worlds, no Python between physics steps.

State is integrated at the centre of mass in the spinning local frame l by the classical Runge-Kutta scheme of fourth
order, the quaternion as a vector of R^4 that is normalised after each step. The same scheme and the same forces run
on MuJoCo in `mujoco_flight`; a standing test holds the two together.

Forces: gravity of the site's grid, the spin of the local frame (centrifugal, Coriolis, and their torques), thrusters
with latency, lag, gain and quantisation, linear drag, a constant residual acceleration, jitter, wheels (a gyrostat).
A physics step in which the latency ends is split there, so that the thrust is smooth within every stretch.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from stope.world import plant as p

__all__ = ["advance", "advance_all", "apply_command", "gravity_at", "rotate", "segment_end", "shift_origin",
           "site_acceleration", "spin_torque", "thrust_over"]  # fmt: skip

inline = nb.njit(inline="never", fastmath=False, error_model="numpy")
F8 = np.float64


@inline
def gravity_at(nodes, row, x, y, z):
    """Attraction [m/s2, l] at a point of the local frame [m], trilinear; the edge value outside the grid."""
    nx, ny, nz = int(row[p.GRID_SHAPE]), int(row[p.GRID_SHAPE + 1]), int(row[p.GRID_SHAPE + 2])
    u = (x - row[p.GRID_ORIGIN]) * row[p.GRID_INVERSE]
    v = (y - row[p.GRID_ORIGIN + 1]) * row[p.GRID_INVERSE + 1]
    w = (z - row[p.GRID_ORIGIN + 2]) * row[p.GRID_INVERSE + 2]
    u = min(max(u, 0.0), nx - 1.0)
    v = min(max(v, 0.0), ny - 1.0)
    w = min(max(w, 0.0), nz - 1.0)
    i, j, k = min(int(u), nx - 2), min(int(v), ny - 2), min(int(w), nz - 2)
    a, b, c = u - i, v - j, w - k
    at = int(row[p.GRID_OFFSET]) + 3 * ((i * ny + j) * nz + k)
    sx, sy = 3 * ny * nz, 3 * nz
    w000, w001 = (1.0 - a) * (1.0 - b) * (1.0 - c), (1.0 - a) * (1.0 - b) * c
    w010, w011 = (1.0 - a) * b * (1.0 - c), (1.0 - a) * b * c
    w100, w101 = a * (1.0 - b) * (1.0 - c), a * (1.0 - b) * c
    w110, w111 = a * b * (1.0 - c), a * b * c
    gx = (w000 * nodes[at] + w001 * nodes[at + 3] + w010 * nodes[at + sy] + w011 * nodes[at + sy + 3]
          + w100 * nodes[at + sx] + w101 * nodes[at + sx + 3] + w110 * nodes[at + sx + sy]
          + w111 * nodes[at + sx + sy + 3])  # fmt: skip
    at += 1
    gy = (w000 * nodes[at] + w001 * nodes[at + 3] + w010 * nodes[at + sy] + w011 * nodes[at + sy + 3]
          + w100 * nodes[at + sx] + w101 * nodes[at + sx + 3] + w110 * nodes[at + sx + sy]
          + w111 * nodes[at + sx + sy + 3])  # fmt: skip
    at += 1
    gz = (w000 * nodes[at] + w001 * nodes[at + 3] + w010 * nodes[at + sy] + w011 * nodes[at + sy + 3]
          + w100 * nodes[at + sx] + w101 * nodes[at + sx + 3] + w110 * nodes[at + sx + sy]
          + w111 * nodes[at + sx + sy + 3])  # fmt: skip
    return gx, gy, gz


@inline
def site_acceleration(nodes, row, x, y, z, vx, vy, vz):
    """Gravity, centrifugal and Coriolis acceleration [m/s2, l] of a point at rest or moving in l."""
    gx, gy, gz = gravity_at(nodes, row, x, y, z)
    ox, oy, oz = row[p.SPIN], row[p.SPIN + 1], row[p.SPIN + 2]
    if ox != 0.0 or oy != 0.0 or oz != 0.0:
        rx, ry, rz = row[p.CENTRE] + x, row[p.CENTRE + 1] + y, row[p.CENTRE + 2] + z
        cx, cy, cz = oy * rz - oz * ry + 2.0 * vx, oz * rx - ox * rz + 2.0 * vy, ox * ry - oy * rx + 2.0 * vz
        gx -= oy * cz - oz * cy
        gy -= oz * cx - ox * cz
        gz -= ox * cy - oy * cx
    return gx, gy, gz


@inline
def spin_torque(row, sx, sy, sz, wx, wy, wz, hx, hy, hz):
    """Torque [N m, b] that stands for the spin of l and for the wheels in Euler's equations of the rate relative to l.

    With w the rate relative to l and s the spin of l (both in b): -(w+s) x (I (w+s) + h) + w x I w + I (w x s).
    """
    ixx, iyy, izz = row[p.INERTIA], row[p.INERTIA + 1], row[p.INERTIA + 2]
    ixy, ixz, iyz = row[p.INERTIA + 3], row[p.INERTIA + 4], row[p.INERTIA + 5]
    tx, ty, tz = wx + sx, wy + sy, wz + sz
    lx = ixx * tx + ixy * ty + ixz * tz + hx
    ly = ixy * tx + iyy * ty + iyz * tz + hy
    lz = ixz * tx + iyz * ty + izz * tz + hz
    mx = ixx * wx + ixy * wy + ixz * wz
    my = ixy * wx + iyy * wy + iyz * wz
    mz = ixz * wx + iyz * wy + izz * wz
    cx, cy, cz = wy * sz - wz * sy, wz * sx - wx * sz, wx * sy - wy * sx
    ox = -(ty * lz - tz * ly) + (wy * mz - wz * my) + ixx * cx + ixy * cy + ixz * cz
    oy = -(tz * lx - tx * lz) + (wz * mx - wx * mz) + ixy * cx + iyy * cy + iyz * cz
    oz = -(tx * ly - ty * lx) + (wx * my - wy * mx) + ixz * cx + iyz * cy + izz * cz
    return ox, oy, oz


@inline
def apply_command(state, row, command, action):
    """Turn an action in [-1, 1]^6 into a command: clip, scale to the limits, round to the quantum; 0 with empty tanks.

    The new command goes to `command` (6,); the one still held stays in the state until the latency has passed.
    """
    empty = row[p.PER_IMPULSE] > 0.0 and state[p.PROPELLANT] <= 0.0
    for k in range(6):
        u = min(1.0, max(-1.0, action[k])) * row[p.LIMIT + k]
        q = row[p.QUANTUM + k]
        if q > 0.0:
            u = math.floor(u / q + 0.5) * q
        command[k] = 0.0 if empty else u


@inline
def segment_end(row, start, step):
    """End of the stretch that begins `start` seconds after the command: the step's own end, or that of the latency."""
    end = (step + 1) * row[p.DT]
    latency = row[p.LATENCY]
    return latency if start < latency - 1e-9 and latency < end - 1e-9 else end


@inline
def thrust_over(state, row, command, start, h, wrench):
    """Lagged wrench over a stretch of h seconds that begins `start` seconds after the command.

    Writes the wrench at the beginning, the middle and the end into `wrench` (18,); the middle is set so that the
    Runge-Kutta weights give the exact impulse of the exponential. Advances the lag filter, the impulse counters and the
    propellant. Within the latency the command before is still in force.
    """
    lag = row[p.LAG]
    decay = math.exp(-h / lag)
    mean = (1.0 - decay) * lag / h
    held = start < row[p.LATENCY] - 1e-9
    used = 0.0
    for k in range(6):
        u = state[p.COMMAND + k] if held else command[k]
        target = row[p.GAIN + k] * u
        first = state[p.THRUST + k]
        last = target + (first - target) * decay
        wrench[k], wrench[12 + k] = first, last
        wrench[6 + k] = 1.5 * (target + (first - target) * mean) - 0.25 * (first + last)
        state[p.THRUST + k] = last
        state[p.IMPULSE + k // 3] += abs(u) * h
        used += abs(u) * h * (1.0 if k < 3 else row[p.PER_ARM])
    if row[p.PER_IMPULSE] > 0.0:
        state[p.PROPELLANT] = max(0.0, state[p.PROPELLANT] - used * row[p.PER_IMPULSE])


@inline
def rotate(qw, qx, qy, qz, x, y, z):
    """Components in l of a vector given in b, for a quaternion q_lb of any norm but zero."""
    n = 2.0 / (qw * qw + qx * qx + qy * qy + qz * qz)
    tx, ty, tz = n * (qy * z - qz * y), n * (qz * x - qx * z), n * (qx * y - qy * x)
    return x + qw * tx + qy * tz - qz * ty, y + qw * ty + qz * tx - qx * tz, z + qw * tz + qx * ty - qy * tx


@inline
def _rates(nodes, row, y, wrench, ax, ay, az, hx, hy, hz, gx, gy, gz, out):
    """Time derivative of y = (com position, q_lb, com velocity, rate) into out (13,)."""
    qw, qx, qy, qz = y[3], y[4], y[5], y[6]
    vx, vy, vz = y[7], y[8], y[9]
    wx, wy, wz = y[10], y[11], y[12]
    out[0], out[1], out[2] = vx, vy, vz
    out[3] = -0.5 * (qx * wx + qy * wy + qz * wz)
    out[4] = 0.5 * (qw * wx + qy * wz - qz * wy)
    out[5] = 0.5 * (qw * wy + qz * wx - qx * wz)
    out[6] = 0.5 * (qw * wz + qx * wy - qy * wx)
    fx, fy, fz = rotate(qw, qx, qy, qz, wrench[0], wrench[1], wrench[2])
    bx, by, bz = site_acceleration(nodes, row, y[0], y[1], y[2], vx, vy, vz)
    inverse_mass = 1.0 / row[p.MASS]
    out[7] = (fx - row[p.DRAG] * vx) * inverse_mass + bx + ax
    out[8] = (fy - row[p.DRAG] * vy) * inverse_mass + by + ay
    out[9] = (fz - row[p.DRAG] * vz) * inverse_mass + bz + az
    sx, sy, sz = rotate(qw, -qx, -qy, -qz, row[p.SPIN], row[p.SPIN + 1], row[p.SPIN + 2])
    ox, oy, oz = spin_torque(row, sx, sy, sz, wx, wy, wz, hx, hy, hz)
    ixx, iyy, izz = row[p.INERTIA], row[p.INERTIA + 1], row[p.INERTIA + 2]
    ixy, ixz, iyz = row[p.INERTIA + 3], row[p.INERTIA + 4], row[p.INERTIA + 5]
    mx = ixx * wx + ixy * wy + ixz * wz
    my = ixy * wx + iyy * wy + iyz * wz
    mz = ixz * wx + iyz * wy + izz * wz
    cx, cy, cz = row[p.COM], row[p.COM + 1], row[p.COM + 2]
    # The thrusters act at the base origin: the lever to the centre of mass is -com.
    ox += wrench[3] - (cy * wrench[2] - cz * wrench[1]) - gx - (wy * mz - wz * my)
    oy += wrench[4] - (cz * wrench[0] - cx * wrench[2]) - gy - (wz * mx - wx * mz)
    oz += wrench[5] - (cx * wrench[1] - cy * wrench[0]) - gz - (wx * my - wy * mx)
    jxx, jyy, jzz = row[p.INVERSE], row[p.INVERSE + 1], row[p.INVERSE + 2]
    jxy, jxz, jyz = row[p.INVERSE + 3], row[p.INVERSE + 4], row[p.INVERSE + 5]
    out[10] = jxx * ox + jxy * oy + jxz * oz
    out[11] = jxy * ox + jyy * oy + jyz * oz
    out[12] = jxz * ox + jyz * oy + jzz * oz


@inline
def shift_origin(row, q, v, sign):
    """Move a pose and its rates from the base origin to the centre of mass (sign 1), or back (sign -1), in place.

    Args:
        row: Plant row.
        q: Position [m, l] and quaternion q_lb, (7,).
        v: Velocity [m/s, l] and angular rate [rad/s, b], (6,).
        sign: 1.0 or -1.0.
    """
    cx, cy, cz = sign * row[p.COM], sign * row[p.COM + 1], sign * row[p.COM + 2]
    wx, wy, wz = v[3], v[4], v[5]
    dx, dy, dz = rotate(q[3], q[4], q[5], q[6], cx, cy, cz)
    ex, ey, ez = rotate(q[3], q[4], q[5], q[6], wy * cz - wz * cy, wz * cx - wx * cz, wx * cy - wy * cx)
    q[0] += dx
    q[1] += dy
    q[2] += dz
    v[0] += ex
    v[1] += ey
    v[2] += ez


@inline
def advance(nodes, row, state, command, jitter, num_steps, scratch):  # noqa: C901 -- loops over components
    """Advance one world by `num_steps` physics steps under one command.

    Args:
        nodes: Gravity table, flat.
        row: Plant row (NUM_PLANT,).
        state: State row (NUM_STATE,), changed in place.
        command: New command [N, N m] (6,), in force after the latency.
        jitter: Acceleration over these steps [m/s2, l], (3,).
        num_steps: Physics steps.
        scratch: Work space (96,).
    """
    y, z, wrench = scratch[0:13], scratch[13:26], scratch[78:96]
    k1, k2, k3, k4 = scratch[26:39], scratch[39:52], scratch[52:65], scratch[65:78]
    ax, ay, az = row[p.RESIDUAL] + jitter[0], row[p.RESIDUAL + 1] + jitter[1], row[p.RESIDUAL + 2] + jitter[2]
    gx, gy, gz = state[p.WHEEL_TORQUE], state[p.WHEEL_TORQUE + 1], state[p.WHEEL_TORQUE + 2]
    hx, hy, hz = state[p.WHEEL], state[p.WHEEL + 1], state[p.WHEEL + 2]
    for k in range(13):
        y[k] = state[k]
    shift_origin(row, y[0:7], y[7:13], 1.0)
    step, start = 0, 0.0
    while step < num_steps:
        end = segment_end(row, start, step)
        dt = end - start
        thrust_over(state, row, command, start, dt, wrench)
        h = 0.5 * dt
        _rates(nodes, row, y, wrench[0:6], ax, ay, az, hx, hy, hz, gx, gy, gz, k1)
        for k in range(13):
            z[k] = y[k] + h * k1[k]
        mx, my, mz = hx + h * gx, hy + h * gy, hz + h * gz
        _rates(nodes, row, z, wrench[6:12], ax, ay, az, mx, my, mz, gx, gy, gz, k2)
        for k in range(13):
            z[k] = y[k] + h * k2[k]
        _rates(nodes, row, z, wrench[6:12], ax, ay, az, mx, my, mz, gx, gy, gz, k3)
        for k in range(13):
            z[k] = y[k] + dt * k3[k]
        hx, hy, hz = hx + dt * gx, hy + dt * gy, hz + dt * gz
        _rates(nodes, row, z, wrench[12:18], ax, ay, az, hx, hy, hz, gx, gy, gz, k4)
        for k in range(13):
            y[k] += dt / 6.0 * (k1[k] + 2.0 * k2[k] + 2.0 * k3[k] + k4[k])
        n = 1.0 / math.sqrt(y[3] * y[3] + y[4] * y[4] + y[5] * y[5] + y[6] * y[6])
        for k in range(3, 7):
            y[k] *= n
        start = end
        if end > (step + 1) * row[p.DT] - 1e-9:
            step += 1
    state[p.WHEEL], state[p.WHEEL + 1], state[p.WHEEL + 2] = hx, hy, hz
    state[p.TIME] += num_steps * row[p.DT]
    shift_origin(row, y[0:7], y[7:13], -1.0)
    for k in range(13):
        state[k] = y[k]
    for k in range(6):
        state[p.COMMAND + k] = command[k]


@nb.njit(cache=True, parallel=True, error_model="numpy")
def advance_all(nodes, rows, states, actions, jitters, num_steps):
    """One control period of every world: actions (worlds, 6) in [-1, 1], jitters (worlds, 3) [m/s2, l]."""
    for i in nb.prange(rows.shape[0]):
        scratch = np.empty(102)
        command = scratch[96:102]
        apply_command(states[i], rows[i], command, actions[i])
        advance(nodes, rows[i], states[i], command, jitters[i], num_steps, scratch[:96])
