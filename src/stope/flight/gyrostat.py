# SPDX-License-Identifier: Apache-2.0
"""A rigid body turned by wheels: how its rates follow from its wheel speeds, and how sure that is.

State: angular momentum L of body and wheels, in body axes, in units of one wheel's moment of inertia I_w [rad/s].
Without a torque from outside, L is fixed in space, so in body axes

    dL/dt = -w x L,    w = J^-1 (L - A s),

with J the inertia of the body over I_w [1], A the wheels' axes (columns; relative wheel inertia included) and s the
wheel speeds [rad/s]. A log fixes J and A up to one factor, which is why the first entry of A is 1 or -1.

The filter carries L with its covariance from row to row and takes in the measured rates. What the model leaves out is
stated as noise, each with its cause: gyro noise; wheel-speed noise; rates and speeds of one row read at slightly
different moments (an error that grows with the wheels' acceleration); a coarse clock (a row is not read when it says,
so that L has turned on: an error along J^-1 (w x L)); a torque from outside (a random walk of L); and wheel speeds
between two rows that are not on the line between them (an angle error that grows with the gap squared).

Valid for:
    One rigid body, wheels on fixed axes; torque from outside small over a prediction.

Source:
    Gyrostat: Hughes 1986, Spacecraft Attitude Dynamics, section 3.3. Down-weighting of a Student t measurement: West
    1981, Robust sequential approximate Bayesian estimation, JRSS B 43(2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["NOISES", "NUM_PHYSICS", "NUM_THETA", "Gyrostat", "WheelRows", "filter_rows", "predict_rates", "unpack"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NUM_PHYSICS = 15
"""Six of the inertia's log-Cholesky factor, eight of the wheel axes, one of the time shift."""
NOISES = ("gyro x", "gyro y", "gyro z", "wheel speed", "time apart", "torque walk", "path in gaps", "clock")
"""Standard deviations [rad/s, rad/s, rad/s, rad/s, s, I_w rad/s per s^0.5, rad/s2, s]; theta holds their logarithms."""
NUM_THETA = NUM_PHYSICS + len(NOISES)
LARGEST_STEP = 1.0
"""Of the integrator [s]: at 10 deg/s a step turns the body 0.17 rad, and the error of order 4 is about 1e-6."""
TAILS = 4.0
"""Degrees of freedom of an innovation (chosen: a Student t with a variance and long tails)."""
TRUSTED = 0.25
"""Weight of an innovation below which the wheel speed of that row is replaced by the one its rates imply (chosen)."""
FIRST_SPREAD = 100.0
"""Of L before the first row, in standard deviations of what the first row tells (so that it tells all)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WheelRows:
    """Rows of one log that the model takes: all finite, one for each time."""

    name: str
    time: Floats
    """(rows,) [s]."""
    rate_b: Floats
    """Measured (rows, 3) [rad/s], b."""
    wheel_speed: Floats
    """Measured (rows, 3) [rad/s]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Gyrostat:
    """The model's numbers, unpacked from theta."""

    inertia: Floats
    """J (3, 3) over I_w, b."""
    axes: Floats
    """A (3, 3), columns in b, times each wheel's inertia over I_w."""
    shift: float
    """How much later than the rates a row's wheel speeds were read [s]; negative if before."""
    noise: Floats
    """`NOISES`, as standard deviations."""


def unpack(theta: Floats, sign: float) -> Gyrostat:
    """The model of a parameter vector.

    Args:
        theta: (NUM_THETA,): logarithms of the Cholesky factor's diagonal, its other three entries over its diagonal's
            geometric mean, the axes' departures from `sign` times identity (the first is fixed), the time shift [s],
            logarithms of the noises.
        sign: 1 or -1: sense of positive wheel speeds.
    """
    diagonal = np.exp(theta[:3])
    mean = float(np.exp(theta[:3].mean()))
    factor = np.diag(diagonal)
    factor[1, 0], factor[2, 0], factor[2, 1] = mean * theta[3:6]
    axes = np.eye(3)
    axes.ravel()[1:] += theta[6:14]
    return Gyrostat(inertia=factor @ factor.T, axes=sign * axes, shift=float(theta[14]),
                    noise=np.exp(theta[NUM_PHYSICS:]))  # fmt: skip


def filter_rows(rows: WheelRows, model: Gyrostat, first: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Run the filter over a log.

    Args:
        rows: The log.
        model: Its model.
        first: Row to start at, without knowledge of L.

    Returns:
        After each row, L (rows, 3) and its covariance (rows, 3, 3); the wheel speeds it believed (rows, 3); and the
        logarithm of each row's predictive density (rows,) [rad/s units], 0 up to `first`.
    """
    speed = _shifted(rows.time, rows.wheel_speed, model.shift)
    return _filter(rows.time, rows.rate_b, speed, first, model.inertia, np.linalg.inv(model.inertia), model.axes,
                   np.linalg.inv(model.axes), model.noise)  # fmt: skip


def predict_rates(
    rows: WheelRows, model: Gyrostat, filtered: tuple[Floats, Floats, Floats, Floats], windows: Ints
) -> tuple[Floats, Floats]:
    """Predict the measured rates at the end of windows.

    Args:
        rows: The log.
        model: Its model.
        filtered: From `filter_rows`.
        windows: (windows, 2): row of the last rates that may be used, and row of the rates to predict.

    Returns:
        Mean (windows, 3) [rad/s] and covariance (windows, 3, 3), measurement noise included.
    """
    speed = _shifted(rows.time, rows.wheel_speed, model.shift)
    momentum, covariance, believed, _ = filtered
    return _predict(rows.time, speed, believed, momentum, covariance, windows, np.linalg.inv(model.inertia),
                    model.axes, model.noise)  # fmt: skip


def _shifted(time: Floats, speed: Floats, shift: float) -> Floats:
    """Wheel speeds at the moment of each row's rates, by the slope since the row before (later rows are not used)."""
    slope = np.zeros_like(speed)
    slope[1:] = np.diff(speed, axis=0) / np.maximum(np.diff(time), 1.0)[:, None]
    return speed - shift * slope


@nb.njit(cache=True)
def _dot(matrix: Floats, vector: Floats, out: Floats) -> None:
    for r in range(3):
        out[r] = matrix[r, 0] * vector[0] + matrix[r, 1] * vector[1] + matrix[r, 2] * vector[2]


@nb.njit(cache=True)
def _slope(
    momentum: Floats, speed: Floats, inverse: Floats, axes: Floats, rate: Floats, work: Floats, out: Floats,
) -> None:  # fmt: skip
    """Minus rate x L; leaves the rate in `rate`."""
    _dot(axes, speed, work)
    for r in range(3):
        work[r] = momentum[r] - work[r]
    _dot(inverse, work, rate)
    out[0] = rate[2] * momentum[1] - rate[1] * momentum[2]
    out[1] = rate[0] * momentum[2] - rate[2] * momentum[0]
    out[2] = rate[1] * momentum[0] - rate[0] * momentum[1]


@nb.njit(cache=True)
def _cross_matrix(v: Floats) -> Floats:
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


@nb.njit(cache=True)
def _mul(a: Floats, b: Floats) -> Floats:
    """A b of 3 x 3 matrices; a call of BLAS costs ten times as much."""
    out = np.empty((3, 3))
    for r in range(3):
        for c in range(3):
            out[r, c] = a[r, 0] * b[0, c] + a[r, 1] * b[1, c] + a[r, 2] * b[2, c]
    return out


@nb.njit(cache=True)
def _times(a: Floats, v: Floats) -> Floats:
    """A v of a 3 x 3 matrix."""
    out = np.empty(3)
    _dot(a, v, out)
    return out


@nb.njit(cache=True)
def _around(a: Floats, b: Floats) -> Floats:
    """A b a^T."""
    return _mul(_mul(a, b), a.T)


@nb.njit(cache=True)
def _invert(a: Floats) -> tuple[Floats, float]:
    """Inverse and determinant of a 3 x 3 matrix."""
    out = np.empty((3, 3))
    for r in range(3):
        p, q = (r + 1) % 3, (r + 2) % 3
        for c in range(3):
            u, v = (c + 1) % 3, (c + 2) % 3
            out[c, r] = a[p, u] * a[q, v] - a[p, v] * a[q, u]
    det = a[0, 0] * out[0, 0] + a[0, 1] * out[1, 0] + a[0, 2] * out[2, 0]
    return out / det, det


@nb.njit(cache=True)
def _advance(
    momentum: Floats, covariance: Floats, gap: float, before: Floats, after: Floats, inverse: Floats, axes: Floats,
    noise: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """L and its covariance over one gap with wheel speeds on the line between two rows (Runge-Kutta of order 4)."""
    steps = max(1, int(np.ceil(gap / LARGEST_STEP)))
    dt = gap / steps
    now = momentum.copy()
    k1, k2, k3, k4 = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    rate, work, speed, middle = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    carry = np.eye(3)
    for n in range(steps):
        for r in range(3):
            speed[r] = before[r] + (after[r] - before[r]) * n / steps
        _slope(now, speed, inverse, axes, rate, work, k1)
        for r in range(3):
            speed[r] = before[r] + (after[r] - before[r]) * (n + 0.5) / steps
            middle[r] = now[r] + 0.5 * dt * k1[r]
        _slope(middle, speed, inverse, axes, rate, work, k2)
        for r in range(3):
            middle[r] = now[r] + 0.5 * dt * k2[r]
        _slope(middle, speed, inverse, axes, rate, work, k3)
        carry = carry + dt * _mul(_mul(_cross_matrix(middle), inverse) - _cross_matrix(rate), carry)
        for r in range(3):
            speed[r] = before[r] + (after[r] - before[r]) * (n + 1.0) / steps
            middle[r] = now[r] + dt * k3[r]
        _slope(middle, speed, inverse, axes, rate, work, k4)
        for r in range(3):
            now[r] += dt / 6.0 * (k1[r] + 2.0 * k2[r] + 2.0 * k3[r] + k4[r])
    turn = _mul(_cross_matrix(now), _mul(inverse, axes)) * (noise[6] * gap * gap)
    spread = _around(carry, covariance) + _mul(turn, turn.T) + noise[5] ** 2 * gap * np.eye(3)
    return now, spread


@nb.njit(cache=True)
def _measured_spread(
    slope: Floats, to_rate: Floats, noise: Floats, momentum: Floats, rate: Floats, inverse: Floats,
) -> Floats:  # fmt: skip
    """Covariance of a row's rates about those its L and wheel speeds imply."""
    out = np.zeros((3, 3))
    late = _times(inverse, np.cross(rate, momentum))
    for r in range(3):
        out[r, r] = noise[r] ** 2
        for c in range(3):
            out[r, c] += noise[7] ** 2 * late[r] * late[c]
            for k in range(3):
                out[r, c] += to_rate[r, k] * to_rate[c, k] * (noise[3] ** 2 + (noise[4] * slope[k]) ** 2)
    return out


@nb.njit(cache=True)
def _filter(
    time: Floats, rate_b: Floats, speed: Floats, first: int, inertia: Floats, inverse: Floats, axes: Floats,
    axes_inverse: Floats, noise: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    num = len(time)
    means, spreads = np.zeros((num, 3)), np.zeros((num, 3, 3))
    score = np.zeros(num)
    believed = speed.copy()
    to_rate = _mul(inverse, axes)
    eye = np.eye(3)
    start = _measured_spread(np.zeros(3), to_rate, noise, np.zeros(3), rate_b[first], inverse)
    means[first] = _times(inertia, rate_b[first]) + _times(axes, speed[first])
    spreads[first] = FIRST_SPREAD**2 * _around(inertia, start)
    for k in range(first, num):
        mean, spread = means[first], spreads[first]
        slope, gap = np.zeros(3), 0.0
        if k > first:
            gap = time[k] - time[k - 1]
            slope = (speed[k] - believed[k - 1]) / max(gap, 1.0)
            mean, spread = _advance(means[k - 1], spreads[k - 1], gap, believed[k - 1], speed[k], inverse, axes, noise)
        expected = _times(inverse, mean - _times(axes, speed[k]))
        error = rate_b[k] - expected
        measured = _measured_spread(slope, to_rate, noise, mean, expected, inverse)
        total = _around(inverse, spread) + measured
        weight = 1.0
        if k > first:
            inverted, det = _invert(total)
            distance = np.sum(error * _times(inverted, error))
            weight = min(1.0, (TAILS + 3.0) / (TAILS + distance))
            score[k] = -0.5 * np.log(det) - 0.5 * (TAILS + 3.0) * np.log1p(distance / TAILS)
            if weight < TRUSTED:
                believed[k] = _times(axes_inverse, mean - _times(inertia, rate_b[k]))
                mean, spread = _advance(means[k - 1], spreads[k - 1], gap, believed[k - 1], believed[k], inverse,
                                        axes, noise)  # fmt: skip
                error = rate_b[k] - _times(inverse, mean - _times(axes, speed[k]))
        total = _around(inverse, spread) + measured / weight
        inverted, _ = _invert(total)
        gain = _mul(_mul(spread, inverse.T), inverted)
        means[k] = mean + _times(gain, error)
        keep = eye - _mul(gain, inverse)
        spreads[k] = _around(keep, spread) + _around(gain, measured / weight)
    return means, spreads, believed, score


@nb.njit(cache=True)
def _predict(
    time: Floats, speed: Floats, believed: Floats, means: Floats, spreads: Floats, windows: Ints, inverse: Floats,
    axes: Floats, noise: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    num = len(windows)
    out, cov = np.zeros((num, 3)), np.zeros((num, 3, 3))
    to_rate = _mul(inverse, axes)
    for n in range(num):
        i, j = windows[n]
        mean, spread = means[i].copy(), spreads[i].copy()
        before = believed[i].copy()
        slope = np.zeros(3)
        for k in range(i + 1, j + 1):
            gap = time[k] - time[k - 1]
            slope = (speed[k] - before) / max(gap, 1.0)
            mean, spread = _advance(mean, spread, gap, before, speed[k], inverse, axes, noise)
            before = speed[k].copy()
        out[n] = _times(inverse, mean - _times(axes, speed[j]))
        cov[n] = _around(inverse, spread) + _measured_spread(slope, to_rate, noise, mean, out[n], inverse)
    return out, cov
