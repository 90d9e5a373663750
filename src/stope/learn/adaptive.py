# SPDX-License-Identifier: Apache-2.0
"""Classical adaptive control of `dock` and `haul`: what the robot is, estimated while it flies, and a PD on top.

Two recursive least squares run in every world, started from the robot's prior (its mean and covariance, by drawing from
it) and from nothing else; neither truth nor belief enters.

- Translation: ratio of gain to mass of each axis, centre of mass, residual acceleration, and the velocity of the centre
  of mass, from the measured velocity of the base and the commanded force.
- Rotation: the 3 x 3 matrices that turn torque and force into angular acceleration (inverse inertia with the torque's
  gains; the same times the lever of the centre of mass), and the rate, from the gyro.

The velocity is a state of its own, so its noise is not differenced and does not correlate with the command that answers
it: plain least squares on finite differences takes a command that follows the noise for an effect. Commands pass the
thrust's nominal latency and lag; a change of command counts as uncertain in proportion to its size, because the true
delay is not known. `forgetting` lets old samples fade, and `excitation` adds a square wave at first; the search for
gains (benchmarks/adaptive.py) wanted neither: what the robot is does not change, and a flight to a dock excites enough.

The law is certainty equivalence: the profile and damping of `VelocityPd`, a braking acceleration from the estimated
authority, and the inverse of the estimated model, residual acceleration and gyroscopic torque included.

Source: recursive least squares with a state, which is the Kalman filter of a linear model with constant parameters:
Ljung and Soderstrom, Theory and Practice of Recursive Identification, MIT Press 1983.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_fraction, check_not_negative, check_positive
from stope.base.seeding import generator
from stope.world.adaptation import COM, NUM_MEMORY, RATIO, TORQUE, estimate_and_command
from stope.world.batch import CONTROL_PERIOD
from stope.world.physics import NUM_PARAMETERS, index_of, mass_properties
from stope.world.robots import Robot

__all__ = ["AdaptiveConfig", "AdaptivePd", "Nominal"]

Floats = NDArray[np.float64]
LEAST_NOISE = 3e-4
"""Of velocity [m/s] and rate [rad/s], that the estimator reckons with at least: its wrench is constant over a control
period and the thrust's is not. Believing a gyro of 2e-6 rad/s drove the inertia of one world in twelve astray."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdaptiveConfig:
    """Gains of the law and of the estimator, tuned on seeds of their own (benchmarks/adaptive.py)."""

    stiffness: float = 0.52
    """Wanted speed per distance near the target [1/s]."""
    damping: float = 1.55
    """Wanted acceleration per speed error [1/s]."""
    turn_damping: float = 1.6
    """Wanted angular acceleration per rate error [1/s]; the thrust's delay, 0.45 s at worst, bears 3.5."""
    share: float = 0.8
    """Share of the estimated thrust that braking may plan with [1]."""
    top_speed: float = 0.475
    """[m/s]"""
    top_rate: float = 0.34
    """[rad/s]"""
    forgetting: float = 1.0
    """Factor by which a sample's weight fades in a control period [1]."""
    delay_error: float = 0.06
    """Uncertainty of the thrust's delay [s]: of latency and lag together, one sigma of the prior."""
    drift: float = 1e-5
    """Change of the residual acceleration in a control period, one sigma [m/s2]; gravity is not the same everywhere."""
    excitation: float = 0.0
    """Size of a square wave on every axis in the first `excitation_time`, share of the limits [1]."""
    excitation_time: float = 4.0
    """[s]"""

    def __post_init__(self) -> None:
        """Check signs and shares."""
        check_positive(self, *(k for k in self.__dataclass_fields__ if k != "excitation"))
        check_not_negative(self, "excitation")
        check_fraction(self, "share", "forgetting", "excitation")


@dataclass(frozen=True, slots=True, eq=False)
class Nominal:
    """What is known before the flight: the robot's data sheet and its prior, as mean and covariance."""

    limit: Floats
    """Command limits [N, N m], (6,)."""
    quantum: Floats
    """Command steps [N, N m], (6,)."""
    lag: float
    """Of the thrust, median [s]."""
    latency: float
    """Of the thrust, median [s]."""
    noise: Floats
    """Of velocity [m/s] and rate [rad/s], one sigma, (2,)."""
    linear: tuple[Floats, Floats]
    """Mean (12,) and covariance (12, 12) of the translation."""
    angular: tuple[Floats, Floats]
    """Mean (21,) and covariance (21, 21) of the rotation."""

    @classmethod
    def of(cls, robot: Robot, *, num_draws: int = 4000) -> Nominal:
        """Of a robot, by drawing from its prior."""
        theta = robot.prior.theta(generator(1, "adaptive-prior").standard_normal((num_draws, NUM_PARAMETERS)))
        mass, com, inertia = mass_properties(theta, payload_mount_b=robot.payload_mount_b,
                                             payload_radius=robot.payload_radius)  # fmt: skip
        at, lag, latency = (index_of(k) for k in ("gain_fx", "lag", "latency"))
        force, torque = theta[:, at : at + 3], theta[:, at + 3 : at + 6]
        inverse = np.asarray(np.linalg.inv(inertia), dtype=np.float64)
        # A force at the base turns the robot about its centre of mass by -com x force.
        lever = np.zeros((num_draws, 3, 3))
        for k in range(3):
            lever[:, :, k] = -np.cross(com, np.eye(3)[k] * force[:, [k]])
        residual = theta[:, index_of("residual_x") :][:, :3]
        straight = np.concatenate([force / mass[:, None], com, residual], axis=1)
        turning = np.concatenate([(inverse * torque[:, None, :]).reshape(-1, 9), (inverse @ lever).reshape(-1, 9)],
                                 axis=1)  # fmt: skip
        noise = np.maximum([robot.sensors.velocity_noise, robot.sensors.rate_noise], LEAST_NOISE)
        return cls(
            robot.limit_b.copy(), robot.quantum_b.copy(), float(robot.prior.centre[lag]),
            float(robot.prior.centre[latency]), noise, _started(straight, float(noise[0])),
            _started(turning, float(noise[1])),
        )  # fmt: skip

    def response(self) -> Floats:
        """How the thrust follows what it was, the old and the new command, (2, 3).

        First row: their shares in its mean over a control period; second row: in the thrust at its end.
        """
        tau, first = self.lag, min(self.latency, CONTROL_PERIOD)
        second = CONTROL_PERIOD - first
        e1, e2 = math.exp(-first / tau), math.exp(-second / tau)
        # Over the latency the thrust goes from T to the old command, then from where it is to the new one.
        thrust = np.array([tau * (1.0 - e1) + e1 * tau * (1.0 - e2), 0.0, 0.0])
        thrust[1] = first - tau * (1.0 - e1) + (1.0 - e1) * tau * (1.0 - e2)
        thrust[2] = second - tau * (1.0 - e2)
        return np.array([thrust / CONTROL_PERIOD, [e1 * e2, (1.0 - e1) * e2, 1.0 - e2]])


def _started(draws: Floats, noise: float) -> tuple[Floats, Floats]:
    """Mean and covariance of three velocities, known as well as they are measured, and of drawn parameters."""
    size = 3 + draws.shape[1]
    mean, spread = np.zeros(size), np.zeros((size, size))
    mean[3:], spread[3:, 3:] = draws.mean(axis=0), np.cov(draws.T)
    spread[np.arange(3), np.arange(3)] = noise**2
    # A parameter that the prior fixes keeps a sliver, so that the matrix stays definite.
    spread[np.arange(size), np.arange(size)] += 1e-12
    return mean, spread


class AdaptivePd:
    """Adaptive speed-profile controller; one object flies one episode of a batch.

    Args:
        robot: The robot; its data sheet and prior, not its truth.
        config: Gains.
    """

    def __init__(self, robot: Robot, config: AdaptiveConfig | None = None) -> None:
        """Start with what the prior says."""
        self.config, self.nominal = config or AdaptiveConfig(), Nominal.of(robot)
        self._response = self.nominal.response()
        self._gains = np.array([getattr(self.config, k) for k in self.config.__dataclass_fields__])
        self._step = -1

    def begin(self, num_worlds: int) -> None:
        """Forget everything: new episodes in so many worlds."""
        n, start = num_worlds, self.nominal
        self.linear, self.angular = np.tile(start.linear[0], (n, 1)), np.tile(start.angular[0], (n, 1))
        self._linear_cov = np.tile(start.linear[1], (n, 1, 1))
        self._angular_cov = np.tile(start.angular[1], (n, 1, 1))
        self._memory = np.zeros((n, NUM_MEMORY))
        self._step = 0

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Learn from what came of the last action, then actions in [-1, 1], (worlds, 6)."""
        if self._step < 0 or len(observation) != len(self.linear):
            self.begin(len(observation))
        out = np.empty((len(observation), 6))
        n = self.nominal
        estimate_and_command(observation.astype(np.float64), self._step, self.linear, self.angular, self._linear_cov,
                 self._angular_cov, self._memory, self._response, n.limit, n.quantum, n.noise, self._gains,
                 out)  # fmt: skip
        self._step += 1
        return out.astype(np.float32)

    @property
    def ratio(self) -> Floats:
        """Estimated gain over mass of each axis [1/kg], (worlds, 3)."""
        return self.linear[:, RATIO : RATIO + 3]

    @property
    def com(self) -> Floats:
        """Estimated centre of mass [m], b, (worlds, 3)."""
        return self.linear[:, COM : COM + 3]

    @property
    def per_torque(self) -> Floats:
        """Estimated angular acceleration per torque [1/(kg m2)], (worlds, 3, 3)."""
        return self.angular[:, TORQUE : TORQUE + 9].reshape(-1, 3, 3)
