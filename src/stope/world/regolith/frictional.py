# SPDX-License-Identifier: Apache-2.0
"""Frictional resistance of granular ground: resistive force theory in three and in two dimensions.

The only term of the ground that knows gravity: stress = xi depth alpha, with xi = density gravity k_mu. `alpha` depends
on how a surface element lies and moves, not on how fast.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["STRAIGHT_DOWN", "alpha_2d", "alpha_3d", "k_mu_of_friction"]

Floats = NDArray[np.float64]

STRAIGHT_DOWN = 0.875
"""-alpha . v of a horizontal plate pushed straight down, by the coefficients below (0.87469, rounded)."""

# Rows f1, f2, f3 over 1, x1, x2, x3, x1^2, x2^2, x3^2, x1x2, x2x3, x3x1, x1^3, x2^3, x3^3, x1x2^2, x2x1^2, x2x3^2,
# x3x2^2, x3x1^2, x1x3^2, x1x2x3. Entry 16 of f3 is -0.02730; a public copy has -0.20770, which creates energy.
_F1 = (0.00212, -0.02320, -0.20890, -0.43083, -0.00259, 0.48872, -0.00415, 0.07204, -0.02750, -0.08772, 0.01992,
       -0.45961, 0.40799, -0.10107, -0.06576, 0.05664, -0.09269, 0.01892, 0.01033, 0.15120)  # fmt: skip
_F2 = (-0.06796, -0.10941, 0.04725, -0.06914, -0.05835, -0.65880, -0.11985, -0.25739, -0.26834, 0.02692, -0.00736,
       0.63758, 0.08997, 0.21069, 0.04748, 0.20406, 0.18589, 0.04934, 0.13527, -0.33207)  # fmt: skip
_F3 = (-0.02634, -0.03436, 0.45256, 0.00835, 0.02553, -1.31290, -0.05532, 0.06790, -0.16404, 0.02287, 0.02927,
       0.95406, -0.00131, -0.11028, 0.01487, -0.02730, 0.10911, -0.04097, 0.07881, -0.27519)  # fmt: skip


@nb.njit(inline="always")
def _cubic(f, a, b, c):
    """The cubic basis of one row at x1, x2, x3 = a, b, c, in nested form."""
    return (
        f[0] + a * (f[1] + a * (f[4] + a * f[10])) + b * (f[2] + b * (f[5] + b * f[11]))
        + c * (f[3] + c * (f[6] + c * f[12])) + a * b * (f[7] + b * f[13] + a * f[14] + c * f[19])
        + b * c * (f[8] + c * f[15] + b * f[16]) + c * a * (f[9] + a * f[17] + c * f[18])
    )  # fmt: skip


@nb.njit(inline="always")
def alpha_3d(nx, ny, nz, ux, uy, uz):
    """Dimensionless traction on a leading surface element, z up.

    A face that looks up and leads (the top of a lifted plate) is outside the fitted range: the plate is then described
    by its underside, as the data were (a plate lifted straight is held by 0.080).

    Args:
        nx: Outward unit normal.
        ny: As above.
        nz: As above.
        ux: Unit direction of motion, n . u >= 0.
        uy: As above.
        uz: As above.

    Returns:
        alpha (3 components): the traction is xi depth alpha. Not yet clamped to dissipate.

    Valid for:
        Leading faces of an intruder larger than ten grains, slower than the grains flow; the fit alone gives up to
        0.0045 of positive power in 59 of 12,899 directions, which `traction` clamps.

    Source:
        Agarwal, Goldman and Kamrin 2023, doi 10.1073/pnas.2214017120; coefficients as in two public implementations.
    """
    side = -1.0 if nz > 0.0 else 1.0
    nx, ny, nz = side * nx, side * ny, side * nz
    a, b = -uz, -nz
    c = nx * ux + ny * uy + nz * uz
    f1, f2, f3 = _cubic(_F1, a, b, c), _cubic(_F2, a, b, c), _cubic(_F3, a, b, c)
    return f1 * nx + f2 * ux, f1 * ny + f2 * uy, f1 * nz + f2 * uz - f3


def alpha_2d(tilt: ArrayLike, motion: ArrayLike) -> tuple[Floats, Floats]:
    """Two-dimensional resistive force theory, generic coefficients.

    Args:
        tilt: Angle beta of the plate from the horizontal [rad].
        motion: Angle gamma of its motion below the horizontal [rad]; pi/2 is straight down.

    Returns:
        alpha_x and alpha_z [N/cm3 at 1 g for a medium factor of 1].

    Source:
        Li, Zhang and Goldman 2013, doi 10.1126/science.1229163; generic coefficients as in public implementations.
    """
    b, g = np.asarray(tilt, dtype=np.float64), np.asarray(motion, dtype=np.float64)
    alpha_z = (0.206 + 0.169 * np.cos(2 * b) + 0.212 * np.sin(2 * b + g) + 0.358 * np.sin(g)
               + 0.055 * np.sin(-2 * b + g))  # fmt: skip
    alpha_x = -0.124 * np.cos(2 * b + g) + 0.253 * np.cos(g) + 0.007 * np.cos(-2 * b + g) + 0.088 * np.sin(2 * b)
    return alpha_x, alpha_z


def k_mu_of_friction(internal_friction: float) -> float:
    """Ratio xi / (density gravity) of a granular medium by its internal friction coefficient [1].

    One tenth in the coefficient is nearly a factor of two: where there is a penetration curve, fit k_mu to that.

    Source:
        Agarwal, Goldman and Kamrin 2023, doi 10.1073/pnas.2214017120, as in two public implementations.
    """
    m = internal_friction
    return 894.0 * m**3 - 386.0 * m**2 + 89.0 * m
