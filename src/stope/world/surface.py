# SPDX-License-Identifier: Apache-2.0
"""Where the ground of a body is: surface point, normal and height, exact for each kind of shape.

Heights are measured along the radius from the body's centre. They are exact in sign and zero on the ground; the
distance to the nearest ground is at most the height, and smaller by the cosine of the angle between radius and normal.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from stope.base.errors import RangeError
from stope.world.shape import TriangleMesh

CELLS_PER_FACE = 4
"""Cells of the direction table per triangle of the mesh (chosen: two to four triangles to try in a cell)."""
TOLERANCE = 1e-12
"""Widening of each triangle, relative, so that no direction slips between two neighbours."""


class EllipsoidSurface:
    """Surface of an ellipsoid about the origin; three equal axes make a sphere.

    Args:
        semi_axes: Half lengths along x, y, z (3,) [m].
    """

    def __init__(self, semi_axes: tuple[float, float, float]) -> None:
        """Keep the axes."""
        self._axes = np.asarray(semi_axes, dtype=np.float64)

    def height(self, position_a: np.ndarray) -> np.ndarray:
        """Height (...) [m] along the radius above the ground, negative below it, at positions (..., 3) [m]."""
        position_a = np.asarray(position_a, dtype=np.float64)
        distance = np.linalg.norm(position_a, axis=-1)
        scaled = np.linalg.norm(position_a / self._axes, axis=-1)
        # At the centre every direction is as good; the shortest way out is along the smallest axis.
        return np.where(scaled > 0.0, distance - distance / np.where(scaled > 0.0, scaled, 1.0), -self._axes.min())

    def point(self, direction_a: np.ndarray) -> np.ndarray:
        """Surface point (3,) [m] under a direction (3,) of any length."""
        return np.asarray(direction_a) / np.linalg.norm(direction_a / self._axes)

    def normal(self, direction_a: np.ndarray) -> np.ndarray:
        """Outward unit normal (3,) at the surface point under a direction (3,)."""
        normal = self.point(direction_a) / self._axes**2
        return normal / np.linalg.norm(normal)


class FlatSurface:
    """The plane z = 0: the floor of a uniform place."""

    def height(self, position_a: np.ndarray) -> np.ndarray:
        """Height (...) [m] above the floor, at positions (..., 3) [m]."""
        return np.asarray(position_a, dtype=np.float64)[..., 2].copy()

    def point(self, direction_a: np.ndarray) -> np.ndarray:
        """Origin (3,) [m], whatever the direction."""
        return np.zeros(3)

    def normal(self, direction_a: np.ndarray) -> np.ndarray:
        """Up, (3,)."""
        return np.array([0.0, 0.0, 1.0])


class MeshSurface:
    """Surface of a closed mesh, seen from the origin: the outermost triangle in each direction.

    A table over the six sides of a cube lists the triangles that each small cone of directions can meet, so a query
    tries a few triangles and is exact; nothing is interpolated.

    Args:
        mesh: Closed mesh [m] with the origin inside.

    Raises:
        RangeError: if the origin does not lie inside the mesh.

    Valid for:
        Any mesh around its origin. Under an overhang the outermost surface counts as the ground.
    """

    def __init__(self, mesh: TriangleMesh) -> None:
        """Build the table of directions."""
        corners = mesh.corners
        normals = mesh.face_normals
        self._planes = np.column_stack([normals, np.einsum("fi,fi->f", normals, corners[:, 0])])
        sides = np.cross(corners, np.roll(corners, -1, axis=1))
        self._sides = np.ascontiguousarray(sides / np.linalg.norm(sides, axis=2, keepdims=True))
        self._cells = int(np.clip(math.ceil(math.sqrt(len(corners) * CELLS_PER_FACE / 6)), 4, 512))
        self._starts, self._members = _direction_table(corners, self._cells)
        probe = np.concatenate([np.eye(3), -np.eye(3)])
        if np.isnan(self._meet(probe)[0]).any():
            raise RangeError(
                "MeshSurface origin = outside the mesh: latitude and longitude need a centre inside. Centre the mesh."
            )

    def height(self, position_a: np.ndarray) -> np.ndarray:
        """Height (...) [m] along the radius above the ground, negative below it, at positions (..., 3) [m]."""
        position_a = np.asarray(position_a, dtype=np.float64)
        points = np.ascontiguousarray(position_a.reshape(-1, 3))
        distance = np.sqrt((points * points).sum(axis=1))
        return (distance - self._meet(points)[0]).reshape(position_a.shape[:-1])

    def point(self, direction_a: np.ndarray) -> np.ndarray:
        """Surface point (3,) [m] under a direction (3,) of any length."""
        direction_a = np.asarray(direction_a, dtype=np.float64) / np.linalg.norm(direction_a)
        return self._meet(direction_a[None, :])[0][0] * direction_a

    def normal(self, direction_a: np.ndarray) -> np.ndarray:
        """Outward unit normal (3,) of the triangle under a direction (3,)."""
        direction_a = np.asarray(direction_a, dtype=np.float64) / np.linalg.norm(direction_a)
        return self._planes[self._meet(direction_a[None, :])[1][0], :3].copy()

    def _meet(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Surface radius (n,) [m] under each point (n, 3), and the triangle met (n,)."""
        radius = np.empty(points.shape[0])
        triangle = np.empty(points.shape[0], dtype=np.int64)
        _meet_surface(points, self._planes, self._sides, self._starts, self._members, self._cells, radius, triangle)
        return radius, triangle


def _direction_table(corners: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each cell of the six cube sides, which triangles its directions can meet, as (starts, members)."""
    owners: list[list[int]] = [[] for _ in range(6 * cells * cells)]
    for side in range(6):
        axis, sign = side % 3, 1.0 if side < 3 else -1.0
        depth = sign * corners[:, :, axis]
        across = corners[:, :, (axis + 1) % 3], corners[:, :, (axis + 2) % 3]
        met = (depth > 0.0).any(axis=1)
        for coordinate in across:
            met &= (coordinate <= depth).any(axis=1) & (coordinate >= -depth).any(axis=1)
        ahead = np.all(depth > 0.0, axis=1)
        for face in np.flatnonzero(met):
            spans = [_cell_span(c[face] / depth[face], cells) if ahead[face] else (0, cells) for c in across]
            for i in range(*spans[0]):
                for j in range(*spans[1]):
                    owners[(side * cells + i) * cells + j].append(int(face))
    starts = np.concatenate([[0], np.cumsum([len(owner) for owner in owners])])
    return starts.astype(np.int64), np.array([face for owner in owners for face in owner], dtype=np.int64)


def _cell_span(slope: np.ndarray, cells: int) -> tuple[int, int]:
    """Return the half-open range of cells that slopes between -1 and 1 touch, one thousandth of a cell wider."""
    low, high = (0.5 * (slope.min() + 1.0) * cells, 0.5 * (slope.max() + 1.0) * cells)
    return max(math.floor(low - 1e-3), 0), min(math.floor(high + 1e-3) + 1, cells)


@njit(cache=True, error_model="numpy")
def _cell_of(x: float, y: float, z: float, cells: int) -> int:
    """Cell of the direction table that a direction of any length falls in."""
    ax, ay, az = abs(x), abs(y), abs(z)
    if ax >= ay and ax >= az:
        side, depth, u, v = (0 if x >= 0.0 else 3), ax, y, z
    elif ay >= az:
        side, depth, u, v = (1 if y >= 0.0 else 4), ay, z, x
    else:
        side, depth, u, v = (2 if z >= 0.0 else 5), az, x, y
    i = min(max(int(0.5 * (u / depth + 1.0) * cells), 0), cells - 1)
    j = min(max(int(0.5 * (v / depth + 1.0) * cells), 0), cells - 1)
    return (side * cells + i) * cells + j


@njit(cache=True, parallel=True, error_model="numpy")
def _meet_surface(
    points: np.ndarray,
    planes: np.ndarray,
    sides: np.ndarray,
    starts: np.ndarray,
    members: np.ndarray,
    cells: int,
    radius: np.ndarray,
    triangle: np.ndarray,
) -> None:
    """Fill the radius of the outermost triangle under each point (nan if there is none) and that triangle."""
    for p in prange(points.shape[0]):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        r = np.sqrt(x * x + y * y + z * z)
        if r == 0.0:
            z = 1.0  # the centre has no direction: look along the spin axis
            r = 1.0
        cell = _cell_of(x, y, z, cells)
        best, found = np.nan, -1
        for m in range(starts[cell], starts[cell + 1]):
            f = members[m]
            facing = planes[f, 0] * x + planes[f, 1] * y + planes[f, 2] * z
            if facing <= 0.0:
                continue  # the outermost crossing leaves the body, through a triangle that faces outward
            inside = True
            for k in range(3):
                if sides[f, k, 0] * x + sides[f, k, 1] * y + sides[f, k, 2] * z < -TOLERANCE * r:
                    inside = False
            if inside and not planes[f, 3] * r / facing <= best:
                best, found = planes[f, 3] * r / facing, f
        radius[p] = best
        triangle[p] = found
