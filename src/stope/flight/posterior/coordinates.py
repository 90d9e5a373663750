# SPDX-License-Identifier: Apache-2.0
"""Coordinates in which a flight's posterior is close to normal: what a flight tells apart, axis by axis.

A flight knows thrust gain over total mass to a tenth of a per cent, and torque gain over inertia, but the gains and the
masses themselves hardly better than the prior: in z that is a thin curved ridge no sampler likes. Here each gain is
replaced by the logarithm of gain over mass (or over the inertia about its axis). For fixed other parameters the map is a
shift and a scale, so its Jacobian is constant and densities carry over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stope.world.physics import NUM_PARAMETERS, index_of, mass_properties
from stope.world.robots import Robot

__all__ = ["RatioCoordinates"]

Floats = NDArray[np.float64]
_GAIN = index_of("gain_fx")


class RatioCoordinates:
    """Map between u (particles, free parameters) and z (particles, num_parameters) for one robot."""

    def __init__(self, robot: Robot) -> None:
        """Take the robot whose prior whitens z; parameters it fixes do not appear in u."""
        self.robot = robot
        self.free = np.flatnonzero(robot.prior.is_free)
        self._gains = [k for k in range(_GAIN, _GAIN + 6) if robot.prior.is_free[k]]

    @property
    def num(self) -> int:
        """Length of u."""
        return len(self.free)

    def _shift(self, z: Floats) -> Floats:
        """log of what each gain is divided by, relative to the prior's median, in units of the gain's spread, (n, 6)."""
        def logs(x: Floats) -> Floats:
            mass, _, inertia = mass_properties(
                self.robot.prior.theta(x), payload_mount_b=self.robot.payload_mount_b,
                payload_radius=self.robot.payload_radius,
            )  # fmt: skip
            moments = np.diagonal(inertia, axis1=-2, axis2=-1)
            return np.log(np.concatenate([np.repeat(mass[:, None], 3, axis=1), moments], axis=1))

        spread = np.where(self.robot.prior.spread[_GAIN : _GAIN + 6] > 0, self.robot.prior.spread[_GAIN : _GAIN + 6], 1.0)
        return (logs(z) - logs(np.zeros((1, NUM_PARAMETERS)))) / spread

    def z(self, u: Floats) -> Floats:
        """Whitened coordinates from u."""
        z = np.zeros((len(u), NUM_PARAMETERS))
        z[:, self.free] = u
        z[:, self._gains] = 0.0
        shift = self._shift(z)
        for k in self._gains:
            z[:, k] = u[:, int(np.flatnonzero(self.free == k)[0])] + shift[:, k - _GAIN]
        return z

    def u(self, z: Floats) -> Floats:
        """u from whitened coordinates; inverse of `z`."""
        shift = self._shift(z)
        full = z.copy()
        for k in self._gains:
            full[:, k] -= shift[:, k - _GAIN]
        return full[:, self.free]
