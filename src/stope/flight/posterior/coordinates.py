# SPDX-License-Identifier: Apache-2.0
"""Coordinates in which a flight's posterior is close to normal: what a flight tells apart, axis by axis.

The motion depends on the loaded body alone: force gain over total mass, torque gain over inertia, the common centre of
mass, the shape of the total inertia. How these split into robot and payload only the prior can say. In z each well
known total is therefore a thin curved ridge (more payload, a higher centre of the bare robot, a lower gain), and a
sampler whose proposals are normal misses most of it. Here those totals are the coordinates themselves:

- com_*: common centre of mass;
- inertia_*: log-Cholesky entries of the total second moment over the total mass, about that centre;
- gain_f*: logarithm of gain over total mass; gain_t*: of gain over the total inertia about that axis;
- the rest (mass, payload, lag, ...) as in z.

Each is measured from its value at the prior's median, in units of the prior's spread of its parameter.

Source:
    Log-Cholesky: as in `stope.world.physics`. Jacobian of U U^T: Muirhead 1982, Aspects of Multivariate Statistical
    Theory, theorem 2.1.9.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stope.world.physics import NUM_PARAMETERS, index_of, mass_properties
from stope.world.robots import Robot

__all__ = ["TotalCoordinates"]

Floats = NDArray[np.float64]
_MASS, _COM, _INERTIA = index_of("mass"), index_of("com_x"), index_of("inertia_d1")
_GAIN, _PAYLOAD = index_of("gain_fx"), index_of("payload")
_OFF = ((0, 1), (0, 2), (1, 2))
"""Places of inertia_s12, inertia_s13, inertia_s23 in the upper triangular factor."""


class TotalCoordinates:
    """Map between u (particles, free parameters) and z (particles, num_parameters) for one robot."""

    def __init__(self, robot: Robot) -> None:
        """Take the robot whose prior whitens z; parameters it fixes do not appear in u."""
        self.robot = robot
        is_free = robot.prior.is_free
        self.free = np.flatnonzero(is_free)
        self._has_com = bool(is_free[_COM : _COM + 3].all())
        self._has_inertia = bool(is_free[_INERTIA : _INERTIA + 6].all())
        self._gains = [k for k in range(_GAIN, _GAIN + 6) if is_free[k]]
        self._spread = np.where(is_free, robot.prior.spread, 1.0)
        self._median = robot.prior.theta(np.zeros((1, NUM_PARAMETERS)))
        _, self._com0, inertia = self._totals(self._median)
        mass = self._median[:, _MASS] + self._median[:, _PAYLOAD]
        self._factor0 = _log_cholesky(_second_moment(inertia) / mass[:, None, None])[0]
        self._divisor0 = self._divisor(self._median)

    @property
    def num(self) -> int:
        """Length of u."""
        return len(self.free)

    def u(self, z: Floats) -> Floats:
        """Coordinates of whitened z (particles, num_parameters); inverse of `z`."""
        theta = self.robot.prior.theta(z)
        full = z.copy()
        mass, com, inertia = self._totals(theta)
        if self._has_com:
            at = slice(_COM, _COM + 3)
            full[:, at] = (com - self._com0) / self._spread[at]
        if self._has_inertia:
            at = slice(_INERTIA, _INERTIA + 6)
            factor, _ = _log_cholesky(_second_moment(inertia) / mass[:, None, None])
            full[:, at] = (factor - self._factor0) / self._spread[at]
        full[:, self._gains] -= self._shift(theta)
        return full[:, self.free]

    def z(self, u: Floats) -> tuple[Floats, Floats]:
        """Whitened z of coordinates u, and the logarithm of |dz/du| up to a constant.

        Returns:
            z (particles, num_parameters), and log |dz/du| (particles,): -inf where no robot fits inside the total (the
            payload alone has more inertia than the whole), with z = 0 there.
        """
        z = np.zeros((len(u), NUM_PARAMETERS))
        z[:, self.free] = u
        rest = z.copy()
        rest[:, _COM : _GAIN + 6] = 0.0
        theta = self.robot.prior.theta(rest)
        mass, payload = theta[:, _MASS], theta[:, _PAYLOAD]
        total = mass + payload
        log_jacobian = np.zeros(len(u))
        if self._has_com:
            at = slice(_COM, _COM + 3)
            com = self._com0 + self._spread[at] * z[:, at]
            bare = (total[:, None] * com - payload[:, None] * np.array(self.robot.payload_mount_b)) / mass[:, None]
            z[:, at] = (bare - self._median[:, at]) / self._spread[at]
            log_jacobian += 3.0 * np.log(total / mass)
        else:
            bare = np.repeat(self._median[:, _COM : _COM + 3], len(u), axis=0)
        if self._has_inertia:
            at = slice(_INERTIA, _INERTIA + 6)
            factor = self._factor0 + self._spread[at] * z[:, at]
            second = total[:, None, None] * _product(factor) - self._payload_part(mass, payload, bare)
            own, is_body = _log_cholesky(second / mass[:, None, None])
            z[:, at] = np.where(is_body[:, None], (own - self._median[:, at]) / self._spread[at], 0.0)
            # d(U U^T)/dU has the determinant 8 prod U_ii^i, and dU_ii = U_ii d(log U_ii).
            log_jacobian += 6.0 * np.log(total / mass) + (factor[:, :3] - own[:, :3]) @ np.array([2.0, 3.0, 4.0])
            log_jacobian[~is_body] = -np.inf
        body = z.copy()
        body[:, _GAIN : _GAIN + 6] = 0.0
        z[:, self._gains] += self._shift(self.robot.prior.theta(body))
        z[~np.isfinite(log_jacobian)] = 0.0
        return z, log_jacobian

    def _totals(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        return mass_properties(
            theta, payload_mount_b=self.robot.payload_mount_b, payload_radius=self.robot.payload_radius
        )

    def _divisor(self, theta: Floats) -> Floats:
        """Logarithm of what each gain is divided by, (particles, 6)."""
        mass, _, inertia = self._totals(theta)
        moments = np.diagonal(inertia, axis1=-2, axis2=-1)
        return np.log(np.concatenate([np.repeat(mass[:, None], 3, axis=1), moments], axis=1))

    def _shift(self, theta: Floats) -> Floats:
        """Divisor from its value at the median, in units of the gains' spread, (particles, free gains)."""
        chosen = [k - _GAIN for k in self._gains]
        return (self._divisor(theta) - self._divisor0)[:, chosen] / self._spread[self._gains]

    def _payload_part(self, mass: Floats, payload: Floats, bare: Floats) -> Floats:
        """What the payload adds to the robot's second moment, about the common centre, (particles, 3, 3)."""
        offset = np.array(self.robot.payload_mount_b) - bare
        reduced = (mass * payload / (mass + payload))[:, None, None] * (offset[:, :, None] * offset[:, None, :])
        return reduced + (payload * self.robot.payload_radius**2 / 5.0)[:, None, None] * np.eye(3)


def _second_moment(inertia: Floats) -> Floats:
    """Second moment of mass of an inertia, (particles, 3, 3)."""
    return 0.5 * np.trace(inertia, axis1=-2, axis2=-1)[:, None, None] * np.eye(3) - inertia


def _product(factor: Floats) -> Floats:
    """U U^T of log-Cholesky entries (particles, 6)."""
    upper = np.zeros((len(factor), 3, 3))
    for k in range(3):
        upper[:, k, k] = np.exp(factor[:, k])
    for k, (i, j) in enumerate(_OFF):
        upper[:, i, j] = factor[:, 3 + k]
    return upper @ np.swapaxes(upper, 1, 2)


def _log_cholesky(second: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Entries (particles, 6) of the upper triangular U with U U^T = second, and whether there is one."""
    a = second
    out = np.zeros((len(a), 6))
    with np.errstate(invalid="ignore", divide="ignore"):
        u33 = np.sqrt(a[:, 2, 2])
        u13, u23 = a[:, 0, 2] / u33, a[:, 1, 2] / u33
        u22 = np.sqrt(a[:, 1, 1] - u23**2)
        u12 = (a[:, 0, 1] - u13 * u23) / u22
        u11 = np.sqrt(a[:, 0, 0] - u12**2 - u13**2)
        out[:, 0], out[:, 1], out[:, 2] = np.log(u11), np.log(u22), np.log(u33)
    out[:, 3], out[:, 4], out[:, 5] = u12, u13, u23
    is_body: NDArray[np.bool_] = np.asarray(np.isfinite(out).all(axis=1))
    out[~is_body] = 0.0
    return out, is_body
