# SPDX-License-Identifier: Apache-2.0
"""How well a world explains a flight: the prediction errors of a filter that runs on the fused kernel.

Each control period the world predicts the next measurement; the prediction error has a known covariance, and the
filter's correction carries the uncertainty of the state from row to row, from the first row's noise on. The state is
position and attitude with their rates; an attitude known wrongly turns the thrust, so the two halves are coupled and
their errors correlate over many rows. The gains do not depend on theta to first order: they are computed once per
flight along its measured attitudes, with the prior's median robot, and every particle costs one pass of the kernel.

Process noise: the site's jitter and a small slack for what the model leaves out. A `Disturbance` adds what no theta
has: an acceleration and a torque that wander (AR(1), in l and in b), an acceleration that is constant over this flight
and another in the next, and a gyro bias. They are states of the filter, which carries them and marginalises over them.

Valid for:
    One rigid body without contact; rates up to about 1 rad/s (the attitude error is linearised within a period).

Source:
    Prediction-error decomposition of the likelihood: Schweppe 1965, doi 10.1109/TIT.1965.1053737. Attitude error as a
    rotation vector in body axes: Markley 2003, doi 10.2514/2.5048.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_not_negative, check_positive
from stope.base.device import set_kernel_threads
from stope.base.rotation import to_matrix
from stope.flight.record import Flight
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD
from stope.world.free_flight import advance
from stope.world.physics import NUM_PARAMETERS, index_of, mass_properties
from stope.world.robots import Robot
from stope.world.site import Site

__all__ = ["HELD", "SEEN", "UNSEEN", "Disturbance", "FlightLikelihood"]

Floats = NDArray[np.float64]

ACCELERATION_SLACK = 3e-5
"""Unmodelled acceleration, rms over a control period [m/s2]; chosen, 3 % of the residual's prior."""
ANGULAR_SLACK = 2e-4
"""Unmodelled angular acceleration, rms over a control period [rad/s2]; chosen, under 0.1 % of the torque's."""
PHYSICS_STEP = 0.2
"""Step of the kernel inside the likelihood [s]."""


NUM_STATES = 24
"""Position, velocity, attitude, rate; wandering acceleration and torque, the flight's own acceleration, gyro bias."""
BIAS_WANDER = 600.0
"""Time in which a gyro bias moves by its own standard deviation [s]; chosen."""
UNSEEN, SEEN, HELD = 0, 1, 2
"""What a row is to the filter: no measurement, one to learn from, one kept aside to be predicted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbance:
    """What acts on a robot and is in no theta; standard deviations."""

    acceleration: float = 0.0
    """Of the wandering acceleration, per axis of l [m/s2]."""
    torque: float = 0.0
    """Of the wandering torque, per axis of b [N m]."""
    length: float = 5.0
    """Correlation time of both [s]."""
    offset: float = 0.0
    """Of the acceleration that is constant over one flight, per axis of l [m/s2]."""
    gyro_bias: float = 0.0
    """Per axis [rad/s]."""

    def __post_init__(self) -> None:
        """Check the signs."""
        check_not_negative(self, "acceleration", "torque", "offset", "gyro_bias")
        check_positive(self, "length")


@dataclass(frozen=True, slots=True, eq=False)
class _Gains:
    """Of the filter, per row; the states are those of `NUM_STATES`, three components each."""

    gain: Floats
    """From innovation to correction, (rows, 24, 12); zeros in a row that is kept aside."""
    whitening: Floats
    """Upper triangular U with U^T U the inverse of the innovation's covariance, (rows, 12, 12)."""
    log_det: float
    """Sum of log |U| over the rows learned from."""


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
    """Of each vector (rows, 3), so that its product with another is their cross product, (rows, 3, 3)."""
    out = np.zeros((len(v), 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        out[:, i, j], out[:, i, k] = -v[:, k], v[:, j]
    return out


def _transition(h: float, inverse_inertia: Floats, fade: float) -> Floats:
    """What a control period does to the states, but for attitude and rate turning (24, 24)."""
    eye, move = np.eye(3), np.eye(NUM_STATES)
    move[0:3, 3:6] = move[6:9, 9:12] = h * eye
    for at in (12, 18):
        move[0:3, at : at + 3], move[3:6, at : at + 3] = 0.5 * h * h * eye, h * eye
    move[6:9, 15:18], move[9:12, 15:18] = 0.5 * h * h * inverse_inertia, h * inverse_inertia
    move[12:18, 12:18] = fade * np.eye(6)
    return move


def _riccati(
    flight: Flight, role: NDArray[np.int8], thrust: Floats, inverse_inertia: Floats, noise: Sequence[float],
    slack: float, disturbance: Disturbance,
) -> _Gains:  # fmt: skip
    """Gains along a flight.

    Args:
        flight: The log; where a row is not measured, the last measured attitude and rate stand in.
        role: What each row is to the filter, (rows,).
        thrust: Mean acceleration by thrust before each row, (rows, 3) [m/s2, b].
        inverse_inertia: (3, 3) [1/(kg m2), b].
        noise: Standard deviations of measured position [m], velocity [m/s], attitude [rad] and rate [rad/s].
        slack: Acceleration noise over one period [m/s2].
        disturbance: What acts beside theta.
    """
    h, d = CONTROL_PERIOD, disturbance
    measured, see = np.diag(np.repeat(np.square(noise), 3)), np.zeros((12, NUM_STATES))
    see[:, :12], see[9:12, 21:24] = np.eye(12), np.eye(3)
    kick, pushed = np.vstack([0.5 * h * h * np.eye(3), h * np.eye(3)]), np.zeros((NUM_STATES, NUM_STATES))
    pushed[:6, :6], pushed[6:12, 6:12] = slack**2 * kick @ kick.T, ANGULAR_SLACK**2 * kick @ kick.T
    fade = math.exp(-h / d.length)
    own = np.repeat([d.acceleration, d.torque, d.offset, d.gyro_bias], 3) ** 2
    pushed[12:, 12:] = np.diag(own * np.repeat([1.0 - fade**2, 1.0 - fade**2, 0.0, h / BIAS_WANDER], 3))
    base, cov, start = _transition(h, inverse_inertia, fade), np.zeros_like(pushed), int(np.argmax(role == SEEN))
    cov[:12, :12], cov[12:, 12:] = measured, np.diag(own)
    cov[9:12, 9:12] += np.diag(own[9:])  # the first rate is the gyro's, bias included
    cov[9:12, 21:24] = cov[21:24, 9:12] = -np.diag(own[9:])
    return _Gains(*_recursion(h, base, pushed, cov, measured, see, start, role, to_matrix(flight.q_lb),
                              _cross_matrix(flight.rate_b), _cross_matrix(thrust)))  # fmt: skip


@nb.njit(cache=True, error_model="numpy")
def _recursion(
    h: float, base: Floats, pushed: Floats, first: Floats, measured: Floats, see: Floats, start: int,
    role: NDArray[np.int8], attitude: Floats, turning: Floats, pushing: Floats,
) -> tuple[Floats, Floats, float]:  # fmt: skip
    """Fields of `_Gains`, from the covariance after the first row seen; matrices of each row are (rows, 3, 3)."""
    rows = len(role)
    gain, whitening, log_det = np.zeros((rows, NUM_STATES, 12)), np.zeros((rows, 12, 12)), 0.0
    cov, seen = first.copy(), start
    for t in range(start + 1, rows):
        turned, move = -(attitude[seen] @ pushing[t]), base.copy()
        move[0:3, 6:9], move[3:6, 6:9] = 0.5 * h * h * turned, h * turned
        move[0:3, 9:12], move[3:6, 9:12] = h**3 / 6.0 * turned, 0.5 * h * h * turned
        move[6:9, 6:9] -= h * turning[seen]
        cov = move @ cov @ move.T + pushed
        if role[t] == UNSEEN:
            continue
        across = cov @ see.T
        inverse = np.linalg.inv(see @ across + measured)
        whitening[t] = np.linalg.cholesky(0.5 * (inverse + inverse.T)).T
        if role[t] == HELD:
            continue
        seen = t
        log_det += np.log(np.diag(whitening[t])).sum()
        gain[t] = across @ inverse
        cov = cov - gain[t] @ across.T
        cov = 0.5 * (cov + cov.T)
    return gain, whitening, log_det


@nb.njit(error_model="numpy")
def _correct(
    state: Floats, carried: Floats, gain: Floats, whitening: Floats, position: Floats, attitude: Floats,
    velocity: Floats, rate: Floats, white: Floats,
) -> float:  # fmt: skip
    """Correct a state row with one measurement; whitened innovations into white (12,); return their squared sum.

    Gain and whitening come turned, (12, 24) and (12, 12): their inner loops then run along memory, over sums of their
    own, which a processor does several at a time without summing in another order.
    """
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
            rate[k] - state[10 + k] - carried[9 + k],
        )
    total = 0.0
    correction = np.zeros(24)
    white[:] = 0.0
    for j in range(12):
        one = error[j]
        for i in range(12):  # those beyond j are zero
            white[i] += whitening[j, i] * one
        for i in range(24):
            correction[i] += gain[j, i] * one
    for i in range(12):
        total += white[i] * white[i]
    for k in range(3):
        state[k] += correction[k]
        state[7 + k] += correction[3 + k]
        state[10 + k] += correction[9 + k]
    for k in range(12):
        carried[k] += correction[12 + k]
    ex, ey, ez = 0.5 * correction[6], 0.5 * correction[7], 0.5 * correction[8]
    qw, qx = w - x * ex - y * ey - z * ez, x + w * ex + y * ez - z * ey
    qy, qz = y + w * ey + z * ex - x * ez, z + w * ez + x * ey - y * ex
    n = 1.0 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
    state[3], state[4], state[5], state[6] = n * qw, n * qx, n * qy, n * qz
    return total


@nb.njit(cache=True, parallel=True, error_model="numpy")
def _misfit_all(
    nodes: Floats, plant: Floats, first: Floats, fade: float, command: Floats, role: NDArray[np.int8],
    position: Floats, attitude: Floats, velocity: Floats, rate: Floats, gain: Floats, whitening: Floats,
    num_steps: int, out: Floats, errors: Floats,
) -> None:  # fmt: skip
    """Sum of squared whitened innovations of each plant row over the rows learned from, into out (particles,).

    Where errors (particles, rows, 12) has particles at all, the innovations themselves go there, also of rows that are
    kept aside.
    """
    keeps = errors.shape[0] > 0
    for i in nb.prange(plant.shape[0]):
        state, scratch, white = first.copy(), np.empty(96), np.zeros(12)
        carried, push = np.zeros(12), np.zeros(3)
        total = 0.0
        for t in range(1, command.shape[0]):
            for k in range(3):
                push[k] = carried[k] + carried[6 + k]
                # A torque that is no thruster's: the kernel has one, that of a wheel, whose momentum is then taken out.
                state[p.WHEEL_TORQUE + k], state[p.WHEEL + k] = -carried[3 + k], 0.0
            advance(nodes, plant[i], state, command[t - 1], push, num_steps, scratch)
            for k in range(6):
                carried[k] *= fade
            if role[t] > 0:
                squared = _correct(state, carried, gain[t], whitening[t], position[t], attitude[t], velocity[t],
                                   rate[t], white)  # fmt: skip
                if role[t] == 1:
                    total += squared
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
        disturbance: What acts beside theta; nothing by default.
        held: Rows (rows,) to predict and not to learn from; their errors are `held_errors`.
    """

    def __init__(
        self,
        flight: Flight,
        robot: Robot,
        site: Site,
        *,
        num_threads: int = 1,
        disturbance: Disturbance | None = None,
        held: NDArray[np.bool_] | None = None,
    ) -> None:
        """Prepare the gains of one flight; see the class for the arguments."""
        self.flight, self.robot, self.site, self.num_threads = flight, robot, site, num_threads
        self.disturbance = disturbance or Disturbance()
        self.table = p.GravityTable((site,))
        self._command = np.ascontiguousarray(flight.command)
        self._data = tuple(
            np.ascontiguousarray(a) for a in (flight.position_l, flight.q_lb, flight.velocity_l, flight.rate_b)
        )
        self.role = flight.measured.astype(np.int8)
        if held is not None:
            self.role[held & flight.measured] = HELD
        sensors = robot.sensors
        median = robot.prior.theta(np.zeros(NUM_PARAMETERS))
        total, _, inertia = mass_properties(
            median, payload_mount_b=robot.payload_mount_b, payload_radius=robot.payload_radius
        )
        noise = (sensors.position_noise, sensors.velocity_noise, sensors.attitude_noise, sensors.rate_noise)
        inverse = np.asarray(np.linalg.inv(inertia), dtype=np.float64)
        slack = math.hypot(site.jitter_rms, ACCELERATION_SLACK)
        thrust = _mean_thrust(self._command, median, float(total))
        self._gains = _riccati(flight, self.role, thrust, inverse, noise, slack, self.disturbance)
        self._turned = tuple(np.ascontiguousarray(a.transpose(0, 2, 1)) for a in (self._gains.gain,
                                                                                  self._gains.whitening))  # fmt: skip
        self._first = p.initial_state(1, robot=robot)[0]
        self._start = int(np.argmax(self.role == SEEN))
        self.num_measured = int((self.role[self._start + 1 :] == SEEN).sum())
        for at, values in zip((0, 3, 7, 10), self._data, strict=True):
            self._first[at : at + values.shape[1]] = values[self._start]

    def misfit(self, theta: Floats) -> Floats:
        """Sum of squared whitened prediction errors of each theta (particles, num_parameters), (particles,)."""
        return self._run(theta, np.empty((0, 0, 12)))

    def all_errors(self, theta: Floats) -> tuple[Floats, Floats]:
        """Whitened prediction errors of each theta: of the rows learned from, and of the rows kept aside.

        Returns:
            (particles, rows after the first, 12), zeros in rows without a measurement or kept aside; and
            (particles, rows kept aside, 12), each predicted from the last row learned from before it.
        """
        errors = np.zeros((len(theta), len(self.role) - self._start, 12))
        self._run(theta, errors)
        is_held = self.role[self._start :] == HELD
        held = errors[:, is_held]
        errors[:, is_held] = 0.0
        return errors, held

    def prediction_errors(self, theta: Floats) -> Floats:
        """Whitened prediction errors of each theta, (particles, 12 rows); unit variance where the model is right."""
        return self.all_errors(theta)[0].reshape(len(theta), -1)

    def channels(self, rows: Floats, chosen: Sequence[int]) -> Floats:
        """What whitened errors or their slopes say of some channels alone, whitened among themselves.

        Args:
            rows: (rows after the first, 12, columns), as `prediction_errors` orders them.
            chosen: Of the channels position, velocity, attitude, rate (3 each).

        Returns:
            (rows, chosen, columns); zeros where a row has no measurement.
        """
        out = np.zeros((len(rows), len(chosen), rows.shape[2]))
        for t, u in enumerate(self._gains.whitening[self._start :]):
            if u[0, 0] > 0.0:
                back = np.asarray(np.linalg.inv(u), dtype=np.float64)
                part = (back @ back.T)[np.ix_(chosen, chosen)]
                out[t] = np.linalg.solve(np.linalg.cholesky(part), (back @ rows[t])[list(chosen)])
        return out

    def _run(self, theta: Floats, errors: Floats) -> Floats:
        plant = p.compile_plant(theta, robot=self.robot, table=self.table, dt=PHYSICS_STEP)
        out = np.empty(len(plant))
        set_kernel_threads(self.num_threads)
        s = self._start
        position, attitude, velocity, rate = (a[s:] for a in self._data)
        _misfit_all(self.table.nodes, plant, self._first, math.exp(-CONTROL_PERIOD / self.disturbance.length),
                    self._command[s:], self.role[s:], position, attitude, velocity, rate, self._turned[0][s:],
                    self._turned[1][s:], round(CONTROL_PERIOD / PHYSICS_STEP), out, errors)  # fmt: skip
        return out

    def log_likelihood(self, theta: Floats) -> Floats:
        """Minus half the misfit, (particles,); a theta that blows up gets -inf."""
        misfit = self.misfit(theta)
        return np.where(np.isfinite(misfit), -0.5 * misfit, -np.inf)

    def log_evidence(self, theta: Floats) -> Floats:
        """Evidence log p(flight | theta, disturbance), (particles,), up to a constant: tells disturbances apart."""
        return self.log_likelihood(theta) + self._gains.log_det

    def normalised_error(self, theta: Floats) -> Floats:
        """Mean squared normalised prediction error per channel; 1 where the model explains the flight."""
        return self.misfit(theta) / (12.0 * max(1, self.num_measured))
