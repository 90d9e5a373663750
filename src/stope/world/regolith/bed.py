# SPDX-License-Identifier: Apache-2.0
"""Bed: the free surface of the ground as a height map per world, so that what a tool removed is gone."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import RangeError

__all__ = ["bed_shape", "flat_shape", "height_at", "spread"]

Floats = NDArray[np.float64]

NX, NY, X0, Y0, SPACING = range(5)
"""Cells along x and y, the outer corner of the first cell [m, l], edge of a cell [m]."""
NUM_SHAPE = 5


def flat_shape() -> Floats:
    """The shape of ground that keeps no memory: one cell, everywhere level."""
    return np.array([1.0, 1.0, 0.0, 0.0, 1.0])


def bed_shape(*, half_width: float, spacing: float) -> Floats:
    """A square bed about the origin of l.

    Raises:
        RangeError: if the sizes are not positive or leave no two cells.
    """
    if not (math.isfinite(half_width) and math.isfinite(spacing) and 0.0 < spacing <= half_width):
        raise RangeError(
            f"bed of half width {half_width} m and spacing {spacing} m: expected 0 < spacing <= half width."
        )
    num = round(2.0 * half_width / spacing)
    return np.array([num, num, -0.5 * num * spacing, -0.5 * num * spacing, spacing], dtype=np.float64)


@nb.njit(inline="always", error_model="numpy")
def height_at(bed, shape, x, y):
    """Height of the free surface [m, l] at a point: bilinear between cell centres, the edge's value beyond."""
    nx, ny = int(shape[NX]), int(shape[NY])
    if nx * ny == 1:
        return bed[0]
    u = min(max((x - shape[X0]) / shape[SPACING] - 0.5, 0.0), nx - 1.0)
    v = min(max((y - shape[Y0]) / shape[SPACING] - 0.5, 0.0), ny - 1.0)
    i, j = min(int(u), nx - 2), min(int(v), ny - 2)
    a, c = u - i, v - j
    at = i * ny + j
    return ((1.0 - a) * ((1.0 - c) * bed[at] + c * bed[at + 1])
            + a * ((1.0 - c) * bed[at + ny] + c * bed[at + ny + 1]))  # fmt: skip


@nb.njit(inline="never", error_model="numpy")
def spread(bed, shape, x, y, reach, volume):
    """Lay a volume [m3] evenly on the cells whose centres lie within `reach` [m] of a point, or on the nearest one."""
    nx, ny, h = int(shape[NX]), int(shape[NY]), shape[SPACING]
    i0, i1 = int((x - reach - shape[X0]) / h), int((x + reach - shape[X0]) / h)
    j0, j1 = int((y - reach - shape[Y0]) / h), int((y + reach - shape[Y0]) / h)
    i0, i1, j0, j1 = min(max(i0, 0), nx - 1), min(max(i1, 0), nx - 1), min(max(j0, 0), ny - 1), min(max(j1, 0), ny - 1)
    share = volume / ((i1 - i0 + 1) * (j1 - j0 + 1) * h * h)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            bed[i * ny + j] += share
