# SPDX-License-Identifier: Apache-2.0
"""A body's field near it, a point mass far away, with the error of the change measured."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from stope.base.errors import RangeError
from stope.base.seeding import generator
from stope.world.gravity.point_mass import PointMassField


class GravityField(Protocol):
    """What every field offers: attraction and potential at positions in frame a."""

    def acceleration(self, position_a: np.ndarray, /) -> np.ndarray:
        """Attraction (..., 3) [m/s2] in frame a, at positions (..., 3) [m] in frame a."""
        ...

    def potential(self, position_a: np.ndarray, /) -> np.ndarray:
        """Potential (...) [m2/s2], positive, tending to gm / r."""
        ...


class FarField:
    """A field that is exact within `switch_radius` and a point mass beyond; made by `far_field`."""

    def __init__(self, near: GravityField, *, gm: float, switch_radius: float, max_relative_error: float) -> None:
        """Join `near` and a point mass at `switch_radius` [m]; the error is the one `far_field` measured."""
        self.near = near
        self.far = PointMassField(gm=gm)
        self.switch_radius = switch_radius
        self.max_relative_error = max_relative_error

    def acceleration(self, position_a: np.ndarray) -> np.ndarray:
        """Attraction (..., 3) [m/s2] in frame a, at positions (..., 3) [m] in frame a."""
        position_a = np.asarray(position_a, dtype=np.float64)
        points = position_a.reshape(-1, 3)
        attraction = self.far.acceleration(points)
        near = self._is_near(points)
        attraction[near] = self.near.acceleration(points[near])
        return attraction.reshape(position_a.shape)

    def potential(self, position_a: np.ndarray) -> np.ndarray:
        """Potential (...) [m2/s2]; it steps by the measured error at the switch."""
        position_a = np.asarray(position_a, dtype=np.float64)
        points = position_a.reshape(-1, 3)
        potential = self.far.potential(points)
        near = self._is_near(points)
        potential[near] = self.near.potential(points[near])
        return potential.reshape(position_a.shape[:-1])

    def _is_near(self, points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points, axis=1) < self.switch_radius


def far_field(
    near: GravityField, *, gm: float, mean_radius: float, radius_ratio: float, num_samples: int = 400
) -> FarField:
    """Use a point mass beyond `radius_ratio` mean radii, and measure what that costs.

    Args:
        near: The exact field, in frame a with the origin at its centre of mass.
        gm: Gravitational parameter [m3/s2].
        mean_radius: Mean radius of the body [m].
        radius_ratio: Distance of the change, in mean radii.
        num_samples: Number of directions, spread at random, at which the two are compared.

    Returns:
        The joined field; `max_relative_error` is the largest relative difference of the attractions found at the
        switch, where it is largest: it falls as the square of the distance.

    Raises:
        RangeError: if `radius_ratio` is not above 1.
    """
    if not radius_ratio > 1.0:
        raise RangeError(
            f"far_field.radius_ratio = {radius_ratio}: a point mass needs a distance above 1 mean radius. Try 20."
        )
    directions = generator(0, "far field").standard_normal((num_samples, 3))
    points = radius_ratio * mean_radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    exact = near.acceleration(points)
    error = np.linalg.norm(PointMassField(gm=gm).acceleration(points) - exact, axis=1)
    worst = float((error / np.linalg.norm(exact, axis=1)).max())
    return FarField(near, gm=gm, switch_radius=radius_ratio * mean_radius, max_relative_error=worst)
