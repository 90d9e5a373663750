# SPDX-License-Identifier: Apache-2.0
"""What was known before the flights: the robot's prior, or a belief of earlier data, in the sampler's coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stope.base.seeding import generator
from stope.flight.posterior import TotalCoordinates
from stope.world.belief import Belief
from stope.world.physics import NUM_PARAMETERS

__all__ = ["Before"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """A density of the coordinates u: the prior, which is standard normal in z, or a normal of u fitted to a belief."""

    coordinates: TotalCoordinates
    normal: tuple[Floats, Floats] | None
    """Mean (dimensions,) and covariance (dimensions, dimensions) of u; None for the robot's prior."""

    @classmethod
    def of(cls, coordinates: TotalCoordinates, belief: Belief | None, *, seed: int) -> Before:
        """Of a belief; of the robot's prior without one."""
        if belief is None:
            return cls(coordinates, None)
        z = belief.particles
        if z is None:
            z = generator(seed, "before").multivariate_normal(belief.mean, belief.covariance, 4096)
        u = coordinates.u(z)
        return cls(coordinates, (u.mean(axis=0), np.cov(u.T) + 1e-12 * np.eye(coordinates.num)))

    def starts(self, num: int, *, seed: int) -> Floats:
        """Points to look for the mode from, the middle first, (num, dimensions)."""
        draws = 0.5 * generator(seed, "starts").standard_normal((num, NUM_PARAMETERS))
        draws[0] = 0.0
        if self.normal is None:
            return self.coordinates.u(draws)
        mean, covariance = self.normal
        return mean + draws[:, self.coordinates.free] @ np.linalg.cholesky(covariance).T

    def residuals(self, u: Floats) -> Floats:
        """What is standard normal before the flights, (particles, dimensions)."""
        if self.normal is None:
            return self.coordinates.z(u)[0][:, self.coordinates.free]
        mean, covariance = self.normal
        return np.asarray(np.linalg.solve(np.linalg.cholesky(covariance), (u - mean).T).T, dtype=np.float64)

    def log_density(self, u: Floats) -> Floats:
        """Up to a constant, (particles,); -inf where no robot has these coordinates."""
        log_jacobian = self.coordinates.z(u)[1]
        if self.normal is not None:  # a density of u already
            log_jacobian = np.where(np.isfinite(log_jacobian), 0.0, -np.inf)
        return log_jacobian - 0.5 * np.sum(self.residuals(u) ** 2, axis=1)
