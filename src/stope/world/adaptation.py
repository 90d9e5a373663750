# SPDX-License-Identifier: Apache-2.0
"""Native kernels of adaptive control: two recursive least squares a world, and thrust by what they have found.

`stope.learn.adaptive` says what is estimated and why; the layouts below are the only place that knows the columns.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from stope.world.batch import CONTROL_PERIOD

__all__ = ["estimate_and_command"]

# --- translation: 12 numbers ------------------------------------------------------------------------------------------
VELOCITY = 0  # of the centre of mass [m/s], l
RATIO = 3  # gain over mass [1/kg], b
COM = 6  # [m], b
RESIDUAL = 9  # [m/s2], l
NUM_LINEAR = 12
# --- rotation: 21 numbers ---------------------------------------------------------------------------------------------
TURNING = 0  # rate [rad/s], b
TORQUE = 3  # angular acceleration per torque [1/(kg m2)], row by row
FORCE = 12  # angular acceleration per force [1/(kg m)], row by row
NUM_ANGULAR = 21
# --- memory of one world ----------------------------------------------------------------------------------------------
THRUST = 0  # [N, N m], b
COMMAND = 6  # the last but one [N, N m], b
AXES = 12  # R_lb of the last step, row by row
MEASURED = 21  # last velocity and rate as observed
NUM_MEMORY = 27
# --- gains, in the order of AdaptiveConfig ----------------------------------------------------------------------------
(STIFFNESS, DAMPING, TURN_DAMPING, SHARE, TOP_SPEED, TOP_RATE, FORGETTING, DELAY_ERROR, DRIFT, EXCITATION,
 EXCITATION_TIME) = range(11)  # fmt: skip

inline = nb.njit(inline="never", error_model="numpy")


@inline
def _axes(e0, e1, e2, out):
    """R_lb from the vector part of q_lb whose scalar part is not negative; return the angle over its sine's half."""
    s2 = e0 * e0 + e1 * e1 + e2 * e2
    w = math.sqrt(max(0.0, 1.0 - s2))
    out[0, 0], out[0, 1], out[0, 2] = 1 - 2 * (e1 * e1 + e2 * e2), 2 * (e0 * e1 - w * e2), 2 * (e0 * e2 + w * e1)
    out[1, 0], out[1, 1], out[1, 2] = 2 * (e0 * e1 + w * e2), 1 - 2 * (e0 * e0 + e2 * e2), 2 * (e1 * e2 - w * e0)
    out[2, 0], out[2, 1], out[2, 2] = 2 * (e0 * e2 - w * e1), 2 * (e1 * e2 + w * e0), 1 - 2 * (e0 * e0 + e1 * e1)
    size = math.sqrt(s2)
    return 2.0 if size < 1e-9 else 2.0 * math.atan2(size, w) / size


@inline
def _cross(a, b, out):
    out[0], out[1], out[2] = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@inline
def _inverse(m, at, out):
    """Inverse of the 3 x 3 matrix that begins at m[at]."""
    a, b, c, d, e, f = m[at], m[at + 1], m[at + 2], m[at + 3], m[at + 4], m[at + 5]
    g, h, i = m[at + 6], m[at + 7], m[at + 8]
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    out[0, 0], out[0, 1], out[0, 2] = (e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det
    out[1, 0], out[1, 1], out[1, 2] = (f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det
    out[2, 0], out[2, 1], out[2, 2] = (d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det


@inline
def _gyroscopic(x, inverse, rate, h, out):
    """Angular acceleration [rad/s2] that the turn itself makes, by the estimated matrix and its inverse."""
    for i in range(3):
        h[i] = inverse[i, 0] * rate[0] + inverse[i, 1] * rate[1] + inverse[i, 2] * rate[2]
    a, b, c = rate[1] * h[2] - rate[2] * h[1], rate[2] * h[0] - rate[0] * h[2], rate[0] * h[1] - rate[1] * h[0]
    for i in range(3):
        out[i] = -(x[TORQUE + 3 * i] * a + x[TORQUE + 3 * i + 1] * b + x[TORQUE + 3 * i + 2] * c)


@inline
def _propagate(cov, g, rows, size):  # noqa: C901 -- loops over rows
    """Turn cov to G cov G^T, for a G that is the identity but for its first rows g (3, size); rows is scratch."""
    for i in range(3):
        for j in range(size):
            s = 0.0
            for k in range(size):
                if g[i, k] != 0.0:
                    s += g[i, k] * cov[k, j]
            rows[i, j] = s
    for i in range(3):
        for j in range(3, size):
            cov[i, j] = cov[j, i] = rows[i, j]
    for i in range(3):
        for j in range(i, 3):
            s = 0.0
            for k in range(size):
                if g[j, k] != 0.0:
                    s += rows[i, k] * g[j, k]
            cov[i, j] = cov[j, i] = s


@inline
def _learn(x, cov, h, surprise, variance, gain, size):
    """One scalar measurement h . x, whose error is `surprise`."""
    total = variance
    for i in range(size):
        s = 0.0
        for k in range(size):
            if h[k] != 0.0:
                s += cov[i, k] * h[k]
        gain[i] = s
        total += h[i] * s
    for i in range(size):
        x[i] += gain[i] * surprise / total
        for j in range(i, size):
            cov[i, j] -= gain[i] * gain[j] / total
            cov[j, i] = cov[i, j]


@inline
def _learn_translation(x, cov, before, after, f, change, velocity, rate, noise, gains, is_new, g, rows,  # noqa: C901 -- loops
                       gain):  # fmt: skip
    """Predict over the last period with the mean force f, then take the measured velocity of the base [m/s], b."""
    dt = CONTROL_PERIOD
    g[:, :] = 0.0
    for i in range(3):
        g[i, i], g[i, RESIDUAL + i] = 1.0, dt
        speed = x[i] + dt * x[RESIDUAL + i]
        for k in range(3):
            g[i, RATIO + k] = dt * 0.5 * (before[i, k] + after[i, k]) * f[k]
            speed += g[i, RATIO + k] * x[RATIO + k]
        x[i] = speed
    _propagate(cov, g, rows, NUM_LINEAR)
    for i in range(NUM_LINEAR):
        for j in range(NUM_LINEAR):
            if i >= 3 and j >= 3:
                cov[i, j] /= gains[FORGETTING]
            elif i < 3 and j < 3:
                for k in range(3):
                    late = gains[DELAY_ERROR] * change[k] * x[RATIO + k]
                    cov[i, j] += after[i, k] * after[j, k] * late * late
    for k in range(3):
        cov[RESIDUAL + k, RESIDUAL + k] += gains[DRIFT] ** 2
    if not is_new:
        return
    h = rows[0]
    for i in range(3):
        a, b = (i + 1) % 3, (i + 2) % 3
        h[:] = 0.0
        expected = 0.0
        for k in range(3):
            h[k] = after[k, i]
        # The base moves with the centre of mass, less the rate times the lever.
        h[COM + b], h[COM + a] = -rate[a], rate[b]
        for k in range(NUM_LINEAR):
            expected += h[k] * x[k]
        _learn(x, cov, h, velocity[i] - expected, noise * noise, gain, NUM_LINEAR)


@inline
def _learn_rotation(x, cov, f, change, rate, noise, gains, is_new, g, rows, gain, inverse, turn):
    """Predict over the last period with the mean wrench f (6,), then take the measured rate [rad/s], b."""
    dt = CONTROL_PERIOD
    _inverse(x, TORQUE, inverse)
    _gyroscopic(x, inverse, x[TURNING : TURNING + 3], gain, turn)
    g[:, :] = 0.0
    for i in range(3):
        g[i, i] = 1.0
        faster, late = turn[i], 0.0
        for k in range(3):
            g[i, TORQUE + 3 * i + k], g[i, FORCE + 3 * i + k] = dt * f[3 + k], dt * f[k]
            faster += x[TORQUE + 3 * i + k] * f[3 + k] + x[FORCE + 3 * i + k] * f[k]
            late += (x[TORQUE + 3 * i + k] * change[3 + k]) ** 2 + (x[FORCE + 3 * i + k] * change[k]) ** 2
        turn[i] = x[i] + dt * faster
        rows[i, 0] = late
    late0, late1, late2 = rows[0, 0], rows[1, 0], rows[2, 0]
    _propagate(cov, g, rows, NUM_ANGULAR)
    for i in range(3):
        x[i] = turn[i]
        cov[i, i] += gains[DELAY_ERROR] ** 2 * (late0 if i == 0 else late1 if i == 1 else late2)
    for i in range(3, NUM_ANGULAR):
        for j in range(3, NUM_ANGULAR):
            cov[i, j] /= gains[FORGETTING]
    if not is_new:
        return
    h = rows[0]
    for i in range(3):
        h[:] = 0.0
        h[i] = 1.0
        _learn(x, cov, h, rate[i] - x[i], noise * noise, gain, NUM_ANGULAR)


@inline
def _profile(offset, braking, gains, top, out):
    """Wanted velocity along a way that can always be braked."""
    distance = math.sqrt(offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2) + 1e-12
    speed = min(gains[STIFFNESS] * distance, math.sqrt(2.0 * braking * distance), top)
    for k in range(3):
        out[k] = -offset[k] * speed / distance


@inline
def _command(x, y, axes, position, turn, limit, gains, inverse, work, out):
    """Shares (6,) from the estimates; work is scratch (8, 3)."""
    com, rate, speed, wanted, accel, alpha, force, spin = work
    push, pull = 1e30, 1e30
    for k in range(3):
        com[k], rate[k] = x[COM + k], y[TURNING + k]
        push = min(push, x[RATIO + k] * limit[k])
        pull = min(pull, y[TORQUE + 4 * k] * limit[3 + k])
    _cross(rate, com, spin)
    _profile(position, gains[SHARE] * max(push, 1e-9), gains, gains[TOP_SPEED], wanted)
    for i in range(3):
        speed[i] = axes[0, i] * x[0] + axes[1, i] * x[1] + axes[2, i] * x[2] - spin[i]
        accel[i] = gains[DAMPING] * (wanted[i] - speed[i])
    _profile(turn, gains[SHARE] * max(pull, 1e-9), gains, gains[TOP_RATE], wanted)
    _inverse(y, TORQUE, inverse)
    _gyroscopic(y, inverse, rate, alpha, spin)
    for i in range(3):
        known = axes[0, i] * x[RESIDUAL] + axes[1, i] * x[RESIDUAL + 1] + axes[2, i] * x[RESIDUAL + 2]
        share = (accel[i] - known) / x[RATIO + i] / limit[i]
        out[i] = min(1.0, max(-1.0, share))
        force[i] = out[i] * limit[i]
    for i in range(3):
        alpha[i] = gains[TURN_DAMPING] * (wanted[i] - rate[i]) - spin[i]
        for k in range(3):
            alpha[i] -= y[FORCE + 3 * i + k] * force[k]
    for i in range(3):
        share = (inverse[i, 0] * alpha[0] + inverse[i, 1] * alpha[1] + inverse[i, 2] * alpha[2]) / limit[3 + i]
        out[3 + i] = min(1.0, max(-1.0, share))


@nb.njit(cache=True, error_model="numpy")
def estimate_and_command(seen, step, linear, angular, linear_cov, angular_cov, memory, response, limit, quantum,  # noqa: C901 -- loops
             noise, gains, out):  # fmt: skip
    """Estimates and shares of every world."""
    before, after, inverse, work = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((8, 3))
    g, rows, gain = np.empty((3, NUM_ANGULAR)), np.empty((3, NUM_ANGULAR)), np.empty(NUM_ANGULAR)
    g12, rows12 = np.empty((3, NUM_LINEAR)), np.empty((3, NUM_LINEAR))
    f, change, turn, velocity, rate = np.empty(6), np.empty(6), np.empty(3), np.empty(3), np.empty(3)
    for i in range(seen.shape[0]):
        o, m, x, y = seen[i], memory[i], linear[i], angular[i]
        angle = _axes(o[9], o[10], o[11], after)
        is_new = False
        for k in range(3):
            velocity[k], rate[k] = o[6 + k] / 5.0, o[15 + k] / 2.0
            # A lost sample is held: the same numbers say nothing new.
            is_new |= o[6 + k] != m[MEASURED + k] or o[15 + k] != m[MEASURED + 3 + k]
            m[MEASURED + k], m[MEASURED + 3 + k] = o[6 + k], o[15 + k]
        if step == 0:
            _cross(rate, x[COM : COM + 3], turn)
            for k in range(3):
                y[TURNING + k] = rate[k]
                x[k] = 0.0
                for c in range(3):
                    x[k] += after[k, c] * (velocity[c] + turn[c])
        else:
            for k in range(6):
                c = o[18 + k] * limit[k]
                if quantum[k] > 0.0:
                    c = math.floor(c / quantum[k] + 0.5) * quantum[k]
                old, t = m[COMMAND + k], m[THRUST + k]
                f[k] = response[0, 0] * t + response[0, 1] * old + response[0, 2] * c
                m[THRUST + k] = response[1, 0] * t + response[1, 1] * old + response[1, 2] * c
                change[k], m[COMMAND + k] = abs(c - old), c
            for k in range(9):
                before[k // 3, k % 3] = m[AXES + k]
            _learn_translation(x, linear_cov[i], before, after, f, change, velocity, rate, noise[0], gains, is_new,
                               g12, rows12, gain)  # fmt: skip
            _learn_rotation(y, angular_cov[i], f, change, rate, noise[1], gains, is_new, g, rows, gain, inverse, turn)
        for k in range(9):
            m[AXES + k] = after[k // 3, k % 3]
        for k in range(3):
            turn[k] = angle * o[9 + k]
        _command(x, y, after, o[0:3], turn, limit, gains, inverse, work, out[i])
        if step * CONTROL_PERIOD < gains[EXCITATION_TIME]:
            for k in range(6):
                # Half periods of 1, 2, 3 ... steps: no two axes move together.
                sign = 1.0 if (step // (k + 1)) % 2 == 0 else -1.0
                out[i, k] = min(1.0, max(-1.0, out[i, k] + sign * gains[EXCITATION]))
