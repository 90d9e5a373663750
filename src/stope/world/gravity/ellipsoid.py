# SPDX-License-Identifier: Apache-2.0
"""Exact gravity of a homogeneous triaxial ellipsoid, inside and outside.

For bodies without a shape model that may be shipped: one formula serves both sides of the surface, with the confocal
coordinate of the point outside and zero inside.
"""

from __future__ import annotations

import numpy as np
from scipy.special import elliprd, elliprf


class EllipsoidField:
    """Gravity of an ellipsoid of constant density, axes along x, y, z of frame a.

    Args:
        semi_axes: Half lengths along x, y, z (3,) [m], in any order of size; equal ones are allowed.
        gm: Gravitational parameter of the whole body [m3/s2].

    Valid for:
        Any point. A real body differs from its ellipsoid by the size of its relief, so surface gravity is good to
        some ten per cent (Bennu) or worse (Eros, which is bent).

    Source:
        MacMillan 1930, The Theory of the Potential, section 32 onwards; Chandrasekhar 1969, Ellipsoidal Figures of
        Equilibrium, chapter 3; integrals in Carlson's forms R_F and R_D (DLMF 19.16). Checked against the polyhedron of
        the same shape, the sphere, and the axes 3:2:1 in tests/laws/test_gravity.py.
    """

    def __init__(self, semi_axes: tuple[float, float, float], *, gm: float) -> None:
        """Keep the axes and the gravitational parameter."""
        self.semi_axes = np.asarray(semi_axes, dtype=np.float64)
        self.gm = float(gm)

    def acceleration(self, position_a: np.ndarray) -> np.ndarray:
        """Attraction (..., 3) [m/s2] in frame a, at positions (..., 3) [m] in frame a."""
        position_a = np.asarray(position_a, dtype=np.float64)
        return -self.gm * self._shrinking(self._confocal(position_a)) * position_a

    def potential(self, position_a: np.ndarray) -> np.ndarray:
        """Potential U (...) [m2/s2], positive, tending to gm / r far away; attraction is its gradient."""
        position_a = np.asarray(position_a, dtype=np.float64)
        squared = self._confocal(position_a)
        first = elliprf(squared[..., 0], squared[..., 1], squared[..., 2])
        return 0.5 * self.gm * (3.0 * first - (self._shrinking(squared) * position_a**2).sum(axis=-1))

    def index_symbols(self) -> np.ndarray:
        """Chandrasekhar's A_i of the inside field g_i = -2 pi G density A_i x_i, (3,); their sum is 2."""
        return 2.0 / 3.0 * self.semi_axes.prod() * self._shrinking(self.semi_axes**2)

    @staticmethod
    def _shrinking(squared: np.ndarray) -> np.ndarray:
        """Carlson's R_D with each axis in turn in the last place, (..., 3) [1/m3]."""
        x, y, z = squared[..., 0], squared[..., 1], squared[..., 2]
        return np.stack([elliprd(y, z, x), elliprd(z, x, y), elliprd(x, y, z)], axis=-1)

    def _confocal(self, position_a: np.ndarray) -> np.ndarray:
        """Squared semi-axes (..., 3) [m2] of the confocal ellipsoid through each point outside, of the body inside."""
        axes = self.semi_axes**2
        square = position_a**2
        # From the left of the largest root Newton's steps only grow, because the function falls and is convex there.
        level = np.maximum(square.sum(axis=-1) - axes.max(), 0.0)
        outside = (square / axes).sum(axis=-1) > 1.0
        for _ in range(60):
            share = square / (axes + level[..., None])
            step = (share.sum(axis=-1) - 1.0) / (share / (axes + level[..., None])).sum(axis=-1).clip(min=1e-300)
            step = np.where(outside, np.maximum(step, 0.0), 0.0)
            level = level + step
            if (step <= 1e-16 * (level + axes.min())).all():
                break
        return axes + np.where(outside, level, 0.0)[..., None]
