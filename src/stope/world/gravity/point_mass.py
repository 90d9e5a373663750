# SPDX-License-Identifier: Apache-2.0
"""The two simplest fields: a point mass, and a uniform field for cabins, laboratories and flat ground."""

from __future__ import annotations

import numpy as np


class PointMassField:
    """Gravity of a point mass, or of any sphere seen from outside.

    Args:
        gm: Gravitational parameter [m3/s2].

    Valid for:
        Points away from the centre, where the attraction is infinite (the arrays then hold nan).

    Source:
        Newton's law; checked as the far limit of every other field in tests/laws/test_gravity.py.
    """

    def __init__(self, *, gm: float) -> None:
        """Keep the gravitational parameter."""
        self.gm = float(gm)

    def acceleration(self, position_a: np.ndarray) -> np.ndarray:
        """Attraction (..., 3) [m/s2] in frame a, at positions (..., 3) [m] in frame a."""
        position_a = np.asarray(position_a, dtype=np.float64)
        distance = np.linalg.norm(position_a, axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return -self.gm * position_a / distance**3

    def potential(self, position_a: np.ndarray) -> np.ndarray:
        """Potential U = gm / r (...) [m2/s2], positive."""
        with np.errstate(divide="ignore"):
            return self.gm / np.linalg.norm(np.asarray(position_a, dtype=np.float64), axis=-1)


class UniformField:
    """The same gravity everywhere, towards -z.

    Args:
        gravity_level: Size of the gravity [m/s2].

    Valid for:
        Places small against the body that attracts: a laboratory, a cabin, a flat piece of the Moon.

    Source:
        Definition.
    """

    def __init__(self, *, gravity_level: float) -> None:
        """Keep the size of the gravity."""
        self.gravity_level = float(gravity_level)

    def acceleration(self, position_a: np.ndarray) -> np.ndarray:
        """Gravity (..., 3) [m/s2], the same at every position (..., 3) [m]."""
        gravity = np.zeros(np.shape(position_a))
        gravity[..., 2] = -self.gravity_level
        return gravity

    def potential(self, position_a: np.ndarray) -> np.ndarray:
        """Potential U (...) [m2/s2]: zero at z = 0, falling upward, so that its gradient is the gravity."""
        return -self.gravity_level * np.asarray(position_a, dtype=np.float64)[..., 2]
