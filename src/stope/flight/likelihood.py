# SPDX-License-Identifier: Apache-2.0
"""How well a world explains a flight: the prediction errors of a filter that runs on the fused kernel.

Each control period the world predicts the next measurement; the prediction error has a known covariance, and the
filter's correction carries the uncertainty of the state from row to row, from the first row's noise on. The state is
position and attitude with their rates; an attitude known wrongly turns the thrust, so the two halves are coupled and
their errors correlate over many rows. The gains do not depend on theta to first order: they are computed once per
flight along its measured attitudes, with the prior's median robot, and every particle costs one pass of the kernel.

Process noise: the site's jitter and a small slack for what the model leaves out.

Valid for:
    One rigid body without contact; rates up to about 1 rad/s (the attitude error is linearised within a period).

Source:
    Prediction-error decomposition of the likelihood: Schweppe 1965, doi 10.1109/TIT.1965.1053737. Attitude error as a
    rotation vector in body axes: Markley 2003, doi 10.2514/2.5048.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.rotation import to_matrix
from stope.flight.record import Flight
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD
from stope.world.free_flight import advance
from stope.world.physics import NUM_PARAMETERS, index_of
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
    """Of the filter, per row; the errors are position and velocity in l, attitude and rate in b, three each."""

    gain: Floats
    """From innovation to correction, (rows, 12, 12)."""
    whitening: Floats
    """Upper triangular U with U^T U the inverse of the innovation's covariance, (rows, 12, 12)."""


def _mean_thrust(command: Floats, theta: Floats, mass: float) -> Floats:
    """Mean acceleration by thrust over the period that ends at each row (rows, 3) [m/s2, b], of one robot."""
    gain = theta[index_of("gain_fx") : index_of("gain_fx") + 3]
    lag, latency = theta[index_of("lag")], theta[index_of("latency")]
    out, force, held = np.zeros((len(command), 3)), np.zeros(3), np.zeros(3)
    for t in range(1, len(command)):
        for target, span in ((held, latency), (command[t - 1, :3], CONTROL_PERIOD - latency)):
            fade = math.exp(-span / lag)
            out[t] += target * span + (force - target) * lag * (1.0 - fade)
            force = target + (force - target) * fade
        held = command[t - 1, :3]
    return out * gain / (mass * CONTROL_PERIOD)


def _cross_matrix(v: Floats) -> Floats:
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


def _riccati(flight: Flight, thrust: Floats, noise: tuple[float, float, float, float], slack: float) -> _Gains:
    """Gains along a flight.

    Args:
        flight: The log; where a row is not measured, the last measured attitude and rate stand in.
        thrust: Mean acceleration by thrust before each row, (rows, 3) [m/s2, b].
        noise: Standard deviations of measured position [m], velocity [m/s], attitude [rad] and rate [rad/s].
        slack: Acceleration noise over one period [m/s2].
    """
    h, rows = CONTROL_PERIOD, len(thrust)
    gains = _Gains(np.zeros((rows, 12, 12)), np.zeros((rows, 12, 12)))
    measured = np.diag(np.repeat(np.square(noise), 3))
    kick = np.vstack([0.5 * h * h * np.eye(3), h * np.eye(3)])
    pushed = np.zeros((12, 12))
    pushed[:6, :6], pushed[6:, 6:] = slack**2 * kick @ kick.T, ANGULAR_SLACK**2 * kick @ kick.T
    cov, seen = measured.copy(), int(np.flatnonzero(flight.measured)[0])
    start = seen
    for t in range(start + 1, rows):
        turned = -to_matrix(flight.q_lb[seen]) @ _cross_matrix(thrust[t])
        move = np.eye(12)
        move[0:3, 3:6] = move[6:9, 9:12] = h * np.eye(3)
        move[0:3, 6:9], move[3:6, 6:9] = 0.5 * h * h * turned, h * turned
        move[0:3, 9:12], move[3:6, 9:12] = h**3 / 6.0 * turned, 0.5 * h * h * turned
        move[6:9, 6:9] -= h * _cross_matrix(flight.rate_b[seen])
        cov = move @ cov @ move.T + pushed
        if not flight.measured[t]:
            continue
        seen = t
        inverse = np.linalg.inv(cov + measured)
        gains.gain[t] = cov @ inverse
        gains.whitening[t] = np.linalg.cholesky(inverse).T
        cov = cov - gains.gain[t] @ cov
        cov = 0.5 * (cov + cov.T)
    return gains


@nb.njit(error_model="numpy")
def _correct(
    state: Floats, gain: Floats, whitening: Floats, position: Floats, attitude: Floats, velocity: Floats, rate: Floats,
    white: Floats,
) -> float:  # fmt: skip
    """Correct a state row with one measurement; whitened innovations into white (12,); return their squared sum."""
    error = np.empty(12)
    # q_pred^-1 q_meas, as a rotation vector in b, to second order in half the angle.
    w, x, y, z = state[3], state[4], state[5], state[6]
    a, b, c, d = attitude[0], attitude[1], attitude[2], attitude[3]
    scale = 2.0 if w * a + x * b + y * c + z * d >= 0.0 else -2.0
    error[6] = scale * (w * b - x * a - y * d + z * c)
    error[7] = scale * (w * c + x * d - y * a - z * b)
    error[8] = scale * (w * d - x * c + y * b - z * a)
    for k in range(3):
        error[k], error[3 + k], error[9 + k] = (
            position[k] - state[k],
            velocity[k] - state[7 + k],
            rate[k] - state[10 + k],
        )
    total = 0.0
    correction = np.zeros(12)
    for i in range(12):
        white[i] = 0.0
        for j in range(i, 12):
            white[i] += whitening[i, j] * error[j]
        total += white[i] * white[i]
        for j in range(12):
            correction[i] += gain[i, j] * error[j]
    for k in range(3):
        state[k] += correction[k]
        state[7 + k] += correction[3 + k]
        state[10 + k] += correction[9 + k]
    ex, ey, ez = 0.5 * correction[6], 0.5 * correction[7], 0.5 * correction[8]
    qw, qx = w - x * ex - y * ey - z * ez, x + w * ex + y * ez - z * ey
    qy, qz = y + w * ey + z * ex - x * ez, z + w * ez + x * ey - y * ex
    n = 1.0 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
    state[3], state[4], state[5], state[6] = n * qw, n * qx, n * qy, n * qz
    return total


@nb.njit(cache=True, parallel=True, error_model="numpy")
def _misfit_all(
    nodes: Floats, plant: Floats, first: Floats, command: Floats, measured: NDArray[np.bool_], position: Floats,
    attitude: Floats, velocity: Floats, rate: Floats, gain: Floats, whitening: Floats, num_steps: int, out: Floats,
    errors: Floats,
) -> None:  # fmt: skip
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
                total += _correct(state, gain[t], whitening[t], position[t], attitude[t], velocity[t], rate[t], white)
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
        """Prepare the gains of one flight; see the class for the arguments."""
        self.robot, self.num_threads = robot, num_threads
        self.table = p.GravityTable((site,))
        self._command = np.ascontiguousarray(flight.command)
        self._data = tuple(
            np.ascontiguousarray(a) for a in (flight.position_l, flight.q_lb, flight.velocity_l, flight.rate_b)
        )
        self._measured = np.ascontiguousarray(flight.measured)
        sensors = robot.sensors
        median = robot.prior.theta(np.zeros(NUM_PARAMETERS))
        thrust = _mean_thrust(self._command, median, median[index_of("mass")] + median[index_of("payload")])
        noise = (sensors.position_noise, sensors.velocity_noise, sensors.attitude_noise, sensors.rate_noise)
        self._gains = _riccati(flight, thrust, noise, math.hypot(site.jitter_rms, ACCELERATION_SLACK))
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
                    velocity, rate, self._gains.gain[s:], self._gains.whitening[s:],
                    round(CONTROL_PERIOD / PHYSICS_STEP), out, errors)  # fmt: skip
        return out

    def log_likelihood(self, theta: Floats) -> Floats:
        """Minus half the misfit, (particles,); a theta that blows up gets -inf."""
        misfit = self.misfit(theta)
        return np.where(np.isfinite(misfit), -0.5 * misfit, -np.inf)

    def normalised_error(self, theta: Floats) -> Floats:
        """Mean squared normalised prediction error per channel; 1 where the model explains the flight."""
        return self.misfit(theta) / (12.0 * self.num_measured)
