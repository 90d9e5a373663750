# SPDX-License-Identifier: Apache-2.0
"""Exact gravity of a polyhedron of constant density: the oracle the fast fields are measured against.

A sum over edges (line potentials) and faces (solid angles), closed form inside, outside and on the surface. Far from
an edge or face the logarithm and the arc tangent are replaced by their own series to full double precision, which is
where most of the time goes otherwise.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from stope.world.shape import TriangleMesh

SERIES_BELOW = 0.1
"""Arguments under this use eight terms of the series: the first one left out is under 1e-17 of the sum."""


class PolyhedronField:
    """Gravity of a closed triangle mesh filled with constant density.

    Args:
        mesh: Closed mesh [m], in frame a, outward winding.
        gm: Gravitational parameter of the whole mesh [m3/s2]; the density is `gm / (G volume)`.

    Valid for:
        Any point, inside, outside, on faces, edges and vertices. Digits are lost with distance r from a body of size R,
        about 1e-16 (r / R)^2 of the attraction, so use a point mass from some hundred radii on. Inhomogeneous bodies
        (Bennu is one) differ from any constant-density field.

    Source:
        Werner and Scheeres 1997, Celest. Mech. Dyn. Astron. 65, 313; solid angle of a triangle: Van Oosterom and
        Strackee 1983, IEEE Trans. Biomed. Eng. 30, 125. Checked against the closed form of a cube, a sphere mesh and an
        ellipsoid in tests/laws/test_gravity.py.
    """

    def __init__(self, mesh: TriangleMesh, *, gm: float) -> None:
        """Precompute normals, edges and edge dyads."""
        self.gm = float(gm)
        self._density_constant = self.gm / mesh.volume
        self._origin = mesh.vertices.mean(axis=0)
        self._vertices = np.ascontiguousarray(mesh.vertices - self._origin)
        self._faces = np.ascontiguousarray(mesh.faces)
        self._normals, self._doubled_areas = _face_geometry(self._vertices, self._faces)
        self._edges, self._lengths, self._dyads = _edge_geometry(self._vertices, self._faces, self._normals)

    def acceleration(self, position_a: np.ndarray) -> np.ndarray:
        """Attraction (..., 3) [m/s2] in frame a, at positions (..., 3) [m] in frame a."""
        return self._evaluate(position_a)[..., 0:3]

    def potential(self, position_a: np.ndarray) -> np.ndarray:
        """Potential U (...) [m2/s2], positive, tending to gm / r far away; attraction is its gradient."""
        return self._evaluate(position_a)[..., 3]

    def solid_angle(self, position_a: np.ndarray) -> np.ndarray:
        """Solid angle (...) [sr] the surface fills: 4 pi inside, 2 pi on a face, 0 outside."""
        return self._evaluate(position_a)[..., 4]

    def is_inside(self, position_a: np.ndarray) -> np.ndarray:
        """Whether each position (..., 3) [m] lies inside the mesh; a point on a face does not."""
        return self.solid_angle(position_a) > 3.0 * np.pi

    def _evaluate(self, position_a: np.ndarray) -> np.ndarray:
        """Return attraction, potential and solid angle side by side, (..., 5)."""
        position_a = np.asarray(position_a, dtype=np.float64)
        points = np.ascontiguousarray((position_a - self._origin).reshape(-1, 3))
        values = np.empty((points.shape[0], 5))
        _evaluate(
            points,
            self._vertices,
            self._faces,
            self._normals,
            self._doubled_areas,
            self._edges,
            self._lengths,
            self._dyads,
            self._density_constant,
            values,
        )
        return values.reshape(*position_a.shape[:-1], 5)


def _face_geometry(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unit outward normals (num_faces, 3) and doubled areas (num_faces,) [m2]."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    normals = np.cross(b - a, c - a)
    doubled = np.linalg.norm(normals, axis=1)
    return normals / doubled[:, None], doubled


def _edge_geometry(
    vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return edges (num_edges, 2), lengths (num_edges,) [m] and dyads (num_edges, 6: xx yy zz xy xz yz).

    The dyad of an edge is the sum over its two faces of normal times in-plane outward edge normal; it is symmetric.
    """
    num_faces = faces.shape[0]
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = np.tile(np.arange(num_faces), 3)
    along = vertices[directed[:, 1]] - vertices[directed[:, 0]]
    length = np.linalg.norm(along, axis=1)
    outward = np.cross(along / length[:, None], normals[owner])
    dyad = normals[owner][:, :, None] * outward[:, None, :]
    edges, index = np.unique(np.sort(directed, axis=1), axis=0, return_inverse=True)
    total = np.zeros((edges.shape[0], 3, 3))
    np.add.at(total, index.reshape(-1), dyad)
    total = 0.5 * (total + total.transpose(0, 2, 1))
    lengths = np.linalg.norm(vertices[edges[:, 1]] - vertices[edges[:, 0]], axis=1)
    rows, columns = [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]
    return edges, lengths, np.ascontiguousarray(total[:, rows, columns])


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _edge_potential(seen: np.ndarray, i: int, j: int, length: float) -> float:
    """Line potential ln((|a| + |b| + length) / (|a| + |b| - length)) of the edge from vertex i to vertex j.

    `seen` holds x, y, z and distance of each vertex from the field point. Zero on the edge itself, where its factor
    is zero as well.
    """
    ax, ay, az, a = seen[i, 0], seen[i, 1], seen[i, 2], seen[i, 3]
    bx, by, bz, b = seen[j, 0], seen[j, 1], seen[j, 2], seen[j, 3]
    ratio = length / (a + b)
    if ratio < SERIES_BELOW:
        s = ratio * ratio
        tail = s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * (1 / 9 + s * (1 / 11 + s * (1 / 13 + s / 15))))))
        return 2.0 * ratio * (1.0 + tail)
    dot = ax * bx + ay * by + az * bz
    product = a * b
    gap = product + dot
    if dot < 0.0:
        # |a||b| + a.b cancels beside the edge; |a x b|^2 / (|a||b| - a.b) is the same without cancelling.
        x = ay * bz - az * by
        y = az * bx - ax * bz
        z = ax * by - ay * bx
        gap = (x * x + y * y + z * z) / (product - dot)
    if gap <= 0.0:
        return 0.0
    total = a + b + length
    return np.log(total * total / (2.0 * gap))


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _solid_angle(seen: np.ndarray, i: int, j: int, k: int, triple: float) -> float:
    """Signed solid angle [sr] of the triangle of vertices i, j, k; `triple` is the product a . (b x c)."""
    ax, ay, az, a = seen[i, 0], seen[i, 1], seen[i, 2], seen[i, 3]
    bx, by, bz, b = seen[j, 0], seen[j, 1], seen[j, 2], seen[j, 3]
    cx, cy, cz, c = seen[k, 0], seen[k, 1], seen[k, 2], seen[k, 3]
    below = a * (b * c + bx * cx + by * cy + bz * cz)
    below += b * (cx * ax + cy * ay + cz * az) + c * (ax * bx + ay * by + az * bz)
    if below > 0.0 and abs(triple) < SERIES_BELOW * below:
        t = triple / below
        s = t * t
        tail = s * (1 / 3 - s * (1 / 5 - s * (1 / 7 - s * (1 / 9 - s * (1 / 11 - s * (1 / 13 - s / 15))))))
        return 2.0 * t * (1.0 - tail)
    return 2.0 * np.arctan2(triple, below)


@njit(cache=True, parallel=True, error_model="numpy", fastmath={"contract"})
def _evaluate(
    points: np.ndarray,
    vertices: np.ndarray,
    faces: np.ndarray,
    normals: np.ndarray,
    doubled_areas: np.ndarray,
    edges: np.ndarray,
    lengths: np.ndarray,
    dyads: np.ndarray,
    density_constant: float,
    values: np.ndarray,
) -> None:
    """Fill values (num_points, 5): attraction, potential, solid angle. One thread does one point whole."""
    for p in prange(points.shape[0]):
        seen = np.empty((vertices.shape[0], 4))
        for v in range(vertices.shape[0]):
            x = vertices[v, 0] - points[p, 0]
            y = vertices[v, 1] - points[p, 1]
            z = vertices[v, 2] - points[p, 2]
            seen[v, 0], seen[v, 1], seen[v, 2] = x, y, z
            seen[v, 3] = np.sqrt(x * x + y * y + z * z)
        gx, gy, gz, potential, angle = 0.0, 0.0, 0.0, 0.0, 0.0
        for e in range(edges.shape[0]):
            i = edges[e, 0]
            ax, ay, az = seen[i, 0], seen[i, 1], seen[i, 2]
            line = _edge_potential(seen, i, edges[e, 1], lengths[e])
            x = line * (dyads[e, 0] * ax + dyads[e, 3] * ay + dyads[e, 4] * az)
            y = line * (dyads[e, 3] * ax + dyads[e, 1] * ay + dyads[e, 5] * az)
            z = line * (dyads[e, 4] * ax + dyads[e, 5] * ay + dyads[e, 2] * az)
            gx -= x
            gy -= y
            gz -= z
            potential += x * ax + y * ay + z * az
        for f in range(faces.shape[0]):
            i = faces[f, 0]
            height = normals[f, 0] * seen[i, 0] + normals[f, 1] * seen[i, 1] + normals[f, 2] * seen[i, 2]
            if abs(height) <= 1e-15 * seen[i, 3]:
                continue  # in the plane of the face: its term vanishes, and its solid angle counts as half of 4 pi
            solid = _solid_angle(seen, i, faces[f, 1], faces[f, 2], height * doubled_areas[f])
            angle += solid
            pull = height * solid
            gx += pull * normals[f, 0]
            gy += pull * normals[f, 1]
            gz += pull * normals[f, 2]
            potential -= pull * height
        values[p, 0] = density_constant * gx
        values[p, 1] = density_constant * gy
        values[p, 2] = density_constant * gz
        values[p, 3] = 0.5 * density_constant * potential
        values[p, 4] = angle
