# SPDX-License-Identifier: Apache-2.0
"""Attraction on a regular grid in a site's local frame, with its error measured against the exact field.

The kernels read it by trilinear interpolation instead of the sum over thousands of faces. The error is largest
in the cells the ground passes through, because the gradient of gravity jumps there by 4 pi G density.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stope.base.errors import RangeError
from stope.base.seeding import generator

Measure = Callable[[np.ndarray], np.ndarray]

NUM_SAMPLES = 2000
"""Random points at which each grid is compared with the exact field (chosen)."""
ERROR_MARGIN = 2.0
"""The bound is this many times the largest error found, for the points not sampled (chosen)."""


@dataclass(frozen=True, eq=False)
class GravityGrid:
    """Attraction at the nodes of a regular grid, frame l."""

    origin_l: np.ndarray
    """Position of the first node (3,) [m], frame l."""
    spacing: np.ndarray
    """Distance between nodes along x, y, z (3,) [m]."""
    nodes: np.ndarray
    """Attraction at the nodes (nx, ny, nz, 3) [m/s2], in l axes; the spin is not in it."""
    max_relative_error: float
    """Largest relative error of the attraction found at random points above the ground [1]."""
    median_relative_error: float
    """Median relative error at the same points [1]."""

    @property
    def error_bound(self) -> float:
        """Relative error of the attraction that no point above the ground is expected to exceed [1]."""
        return ERROR_MARGIN * self.max_relative_error

    @property
    def upper_l(self) -> np.ndarray:
        """Position of the last node (3,) [m], frame l."""
        return self.origin_l + self.spacing * (np.array(self.nodes.shape[:3]) - 1)

    def acceleration(self, position_l: np.ndarray) -> np.ndarray:
        """Attraction (..., 3) [m/s2] in l axes, at positions (..., 3) [m] in frame l, trilinear.

        Raises:
            RangeError: if a position lies outside the grid.
        """
        position_l = np.asarray(position_l, dtype=np.float64)
        slack = 1e-9 * self.spacing  # a node computed in another order of operations is still a node
        if (position_l < self.origin_l - slack).any() or (position_l > self.upper_l + slack).any():
            reach, end = np.abs(position_l).max(), self.upper_l.min()
            raise RangeError(
                f"GravityGrid.acceleration position_l = up to {reach:.6g} m: the grid ends at {end:.6g} m. "
                "Make the site with a larger grid_half_width."
            )
        return interpolate(self.nodes, (position_l - self.origin_l) / self.spacing)

    def describe(self) -> dict[str, float | int]:
        """Half width [m], nodes along x, and measured relative errors, for tables and JSON."""
        return {
            "half_width_m": float(0.5 * (self.upper_l[0] - self.origin_l[0])),
            "nodes_per_axis": int(self.nodes.shape[0]),
            "median_relative_error": self.median_relative_error,
            "max_relative_error": self.max_relative_error,
        }


def interpolate(nodes: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Trilinear values (..., 3) of nodes (nx, ny, nz, 3) at fractional indices (..., 3)."""
    cell = np.clip(np.floor(index).astype(np.int64), 0, np.array(nodes.shape[:3]) - 2)
    part = index - cell
    total = np.zeros(index.shape)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(np.array(corner) == 1, part, 1.0 - part).prod(axis=-1)
        i, j, k = np.moveaxis(cell + np.array(corner), -1, 0)
        total += weight[..., None] * nodes[i, j, k]
    return total


def build_grid(
    attraction_l: Measure, height_l: Measure, *, half_width: float, num_nodes: int, num_samples: int = NUM_SAMPLES
) -> GravityGrid:
    """Fill a cubic grid about the origin of frame l and measure its error.

    Args:
        attraction_l: Exact attraction (n, 3) [m/s2] in l axes, at positions (n, 3) [m] in frame l.
        height_l: Height above the ground (n,) [m] of the same positions; only points above it are measured.
        half_width: From the origin to the grid's sides [m].
        num_nodes: Nodes along each axis, at least 2.
        num_samples: Random points at which the error is measured.

    Returns:
        The grid with its median and largest relative error.

    Raises:
        RangeError: if the half width is not positive or there are fewer than 2 nodes.
    """
    check_grid_size(half_width=half_width, num_nodes=num_nodes)
    axis = np.linspace(-half_width, half_width, num_nodes)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    nodes = attraction_l(points.reshape(-1, 3)).reshape(points.shape)
    spacing = np.full(3, 2.0 * half_width / (num_nodes - 1))
    samples = half_width * generator(0, "gravity grid").uniform(-1.0, 1.0, (num_samples, 3))
    above = height_l(samples) >= 0.0
    samples = samples[above] if above.any() else samples
    exact = attraction_l(samples)
    found = interpolate(nodes, (samples + half_width) / spacing)
    error = np.linalg.norm(found - exact, axis=1) / np.linalg.norm(exact, axis=1)
    return GravityGrid(np.full(3, -half_width), spacing, nodes, float(error.max()), float(np.median(error)))


def check_grid_size(*, half_width: float, num_nodes: int) -> None:
    """Refuse a grid without extent or without cells.

    Raises:
        RangeError: if the half width is not positive or there are fewer than 2 nodes.
    """
    if not (np.isfinite(half_width) and half_width > 0.0):
        raise RangeError(f"grid_half_width = {half_width} m: must be positive. The default of a site is 12 m.")
    if num_nodes < 2:
        raise RangeError(f"grid_nodes = {num_nodes}: needs 2 or more along each axis. The default of a site is 9.")


def uniform_grid(gravity_l: np.ndarray, *, half_width: float) -> GravityGrid:
    """Build the 2 x 2 x 2 grid of a uniform field (3,) [m/s2]; it is exact."""
    nodes = np.broadcast_to(np.asarray(gravity_l, dtype=np.float64), (2, 2, 2, 3)).copy()
    return GravityGrid(np.full(3, -half_width), np.full(3, 2.0 * half_width), nodes, 0.0, 0.0)
