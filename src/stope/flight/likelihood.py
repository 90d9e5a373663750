# SPDX-License-Identifier: Apache-2.0
"""How well a world explains a flight: the prediction errors of a filter that runs on the fused kernel.

Each control period the world predicts the next measurement; the prediction error has a known covariance, and the
filter's correction carries the uncertainty of the state from row to row, from the first row's noise on. The gains come
from the Riccati recursion of a double integrator per axis (position and velocity; attitude and rate), which does not
depend on theta to first order, so they are computed once per flight and every particle costs one pass of the kernel.

Process noise: the site's jitter, a small slack for what the model leaves out, and the thrust turned by the uncertain
attitude.

Valid for:
    One rigid body without contact; rates up to about 1 rad/s (the attitude error is linearised within a period).

Source:
    Prediction-error decomposition of the likelihood: Schweppe 1965, doi 10.1109/TIT.1965.1053737.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.flight.record import Flight
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD
from stope.world.free_flight import advance
from stope.world.robots import Robot
from stope.world.site import Site

__all__ = ["FlightLikelihood"]

Floats = NDArray[np.float64]

ACCELERATION_SLACK = 3e-5
"""Unmodelled acceleration, rms over a control period [m/s2]; chosen, 3 % of the residual's prior."""
ANGULAR_SLACK = 2e-4
"""Unmodelled angular acceleration, rms over a control period [rad/s2]; chosen, under 0.1 % of the torque's."""
PHYSICS_STEP = 0.2
"""Step of the kernel inside the likelihood [s]."""


@dataclass(frozen=True, slots=True, eq=False)
class _Gains:
    """Per row: the gain (4) and the whitening factor (3) of each of the two double integrators."""

    linear: Floats
    angular: Floats


def _riccati(is_measured: NDArray[np.bool_], noise: tuple[float, float], slack: Floats) -> Floats:
    """Gains k11 k12 k21 k22 and the factor u11 u12 u22 that whitens an innovation, per row; S^-1 = U^T U.

    Args:
        is_measured: Whether a row carries a measurement, (rows,).
        noise: Standard deviations of the measured value and of its rate.
        slack: Acceleration noise over the period that ends at each row, (rows,).
    """
    h = CONTROL_PERIOD
    out = np.zeros((len(is_measured), 7))
    cov, meas = np.diag(np.square(noise)), np.diag(np.square(noise))
    move = np.array([[1.0, h], [0.0, 1.0]])
    kick = np.array([0.5 * h * h, h])
    for t in range(1, len(is_measured)):
        cov = move @ cov @ move.T + slack[t] ** 2 * np.outer(kick, kick)
        if not is_measured[t]:
            continue
        total = cov + meas
        inverse = np.linalg.inv(total)
        gain = cov @ inverse
        cov = (np.eye(2) - gain) @ cov
        upper = np.linalg.cholesky(inverse).T
        out[t] = [*gain.ravel(), upper[0, 0], upper[0, 1], upper[1, 1]]
    return out


@nb.njit(error_model="numpy")
def _correct(state, linear, angular, position, attitude, velocity, rate, white):
    """Correct a state row with one measurement; whitened innovations into white (12,); return their squared sum."""
    total = 0.0
    # q_pred^-1 q_meas, as a rotation vector in b, to second order in half the angle.
    w, x, y, z = state[3], state[4], state[5], state[6]
    a, b, c, d = attitude[0], attitude[1], attitude[2], attitude[3]
    ew = w * a + x * b + y * c + z * d
    turn = (w * b - x * a - y * d + z * c, w * c + x * d - y * a - z * b, w * d - x * c + y * b - z * a)
    scale = 2.0 if ew >= 0.0 else -2.0
    correction = np.empty(3)
    for k in range(3):
        e, f = position[k] - state[k], velocity[k] - state[7 + k]
        white[4 * k], white[4 * k + 1] = linear[4] * e + linear[5] * f, linear[6] * f
        state[k] += linear[0] * e + linear[1] * f
        state[7 + k] += linear[2] * e + linear[3] * f
        e, f = scale * turn[k], rate[k] - state[10 + k]
        white[4 * k + 2], white[4 * k + 3] = angular[4] * e + angular[5] * f, angular[6] * f
        for j in range(4):
            total += white[4 * k + j] ** 2
        correction[k] = 0.5 * (angular[0] * e + angular[1] * f)
        state[10 + k] += angular[2] * e + angular[3] * f
    ex, ey, ez = correction[0], correction[1], correction[2]
    qw, qx = w - x * ex - y * ey - z * ez, x + w * ex + y * ez - z * ey
    qy, qz = y + w * ey + z * ex - x * ez, z + w * ez + x * ey - y * ex
    n = 1.0 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
    state[3], state[4], state[5], state[6] = n * qw, n * qx, n * qy, n * qz
    return total


@nb.njit(cache=True, parallel=True, error_model="numpy")
def _misfit_all(nodes, plant, first, command, measured, position, attitude, velocity, rate, linear, angular, num_steps,
                out, errors):  # fmt: skip
    """Sum of squared whitened innovations of each plant row, into out (particles,).

    Where errors (particles, rows, 12) has particles at all, the innovations themselves go there.
    """
    keeps = errors.shape[0] > 0
    for i in nb.prange(plant.shape[0]):
        state, scratch, none, white = first.copy(), np.empty(96), np.zeros(3), np.zeros(12)
        total = 0.0
        for t in range(1, command.shape[0]):
            advance(nodes, plant[i], state, command[t - 1], none, num_steps, scratch)
            if measured[t]:
                total += _correct(state, linear[t], angular[t], position[t], attitude[t], velocity[t], rate[t], white)
                if keeps:
                    errors[i, t] = white
        out[i] = total


class FlightLikelihood:
    """log p(flight | theta) for one flight, up to a constant in theta.

    Args:
        flight: The log.
        robot: What flew; its sensors give the noise.
        site: Where it flew.
        num_threads: Threads of the kernel; results do not depend on it.
    """

    def __init__(self, flight: Flight, robot: Robot, site: Site, *, num_threads: int = 1) -> None:
        self.robot, self.num_threads = robot, num_threads
        self.table = p.GravityTable((site,))
        self._command = np.ascontiguousarray(flight.command)
        self._data = tuple(
            np.ascontiguousarray(a) for a in (flight.position_l, flight.q_lb, flight.velocity_l, flight.rate_b)
        )
        self._measured = np.ascontiguousarray(flight.measured)
        sensors = robot.sensors
        angular = _riccati(self._measured, (sensors.attitude_noise, sensors.rate_noise),
                           np.full(len(self._measured), ANGULAR_SLACK))  # fmt: skip
        thrust = np.linalg.norm(self._command[:, :3], axis=1) / robot.mass
        # The attitude is known to about the innovation's own scatter over the square root of its memory.
        turned = np.concatenate([[0.0], thrust[:-1]]) * 0.3 * sensors.attitude_noise
        slack = np.sqrt(site.jitter_rms**2 + ACCELERATION_SLACK**2 + turned**2)
        linear = _riccati(self._measured, (sensors.position_noise, sensors.velocity_noise), slack)
        self._gains = _Gains(linear, angular)
        self.num_measured = int(self._measured[1:].sum())
        self._first = p.initial_state(1, robot=robot)[0]
        start = int(np.flatnonzero(self._measured)[0])
        for at, values in zip((0, 3, 7, 10), self._data, strict=True):
            self._first[at : at + values.shape[1]] = values[start]
        self._start = start

    def misfit(self, theta: Floats) -> Floats:
        """Sum of squared whitened prediction errors of each theta (particles, num_parameters), (particles,)."""
        return self._run(theta, np.empty((0, 0, 12)))

    def prediction_errors(self, theta: Floats) -> Floats:
        """Whitened prediction errors of each theta, (particles, 12 rows); unit variance where the model is right."""
        errors = np.zeros((len(theta), len(self._measured) - self._start, 12))
        self._run(theta, errors)
        return errors.reshape(len(theta), -1)

    def _run(self, theta: Floats, errors: Floats) -> Floats:
        plant = p.compile_plant(theta, robot=self.robot, table=self.table, dt=PHYSICS_STEP)
        out = np.empty(len(plant))
        nb.set_num_threads(self.num_threads)
        s = self._start
        position, attitude, velocity, rate = (a[s:] for a in self._data)
        _misfit_all(self.table.nodes, plant, self._first, self._command[s:], self._measured[s:], position, attitude,
                    velocity, rate, self._gains.linear[s:], self._gains.angular[s:],
                    round(CONTROL_PERIOD / PHYSICS_STEP), out, errors)  # fmt: skip
        return out

    def log_likelihood(self, theta: Floats) -> Floats:
        """Minus half the misfit, (particles,); a theta that blows up gets -inf."""
        misfit = self.misfit(theta)
        return np.where(np.isfinite(misfit), -0.5 * misfit, -np.inf)

    def normalised_error(self, theta: Floats) -> Floats:
        """Mean squared normalised prediction error per channel; 1 where the model explains the flight."""
        return self.misfit(theta) / (12.0 * self.num_measured)
