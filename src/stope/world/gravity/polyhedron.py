# SPDX-License-Identifier: Apache-2.0
"""Exact gravity of a polyhedron of constant density: the oracle the fast fields are measured against.

A sum over edges (line potentials) and faces (solid angles), closed form inside, outside and on the surface. Far from
an edge or face the logarithm and the arc tangent are replaced by their own series to full double precision. So nearly
all are summed without a branch, several at once where the processor can, and the few near ones by themselves.
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
        vertices = mesh.vertices - self._origin
        normals, self._doubled_areas = _face_geometry(vertices, mesh.faces)
        edges, self._lengths, dyads = _edge_geometry(vertices, mesh.faces, normals)
        # One row a component, the points of an edge or face beside it: the kernel reads along rows, many at once.
        self._corners = np.ascontiguousarray(vertices[mesh.faces].reshape(-1, 9).T)
        self._ends = np.ascontiguousarray(vertices[edges].reshape(-1, 6).T)
        self._normals, self._dyads = np.ascontiguousarray(normals.T), np.ascontiguousarray(dyads.T)

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
        mesh = (self._corners, self._normals, self._doubled_areas, self._ends, self._lengths, self._dyads)
        if points.shape[0] == 1:  # waking the threads costs more than one point does
            _evaluate_one(points[0], *mesh, self._density_constant, values[0])
        else:
            _evaluate_many(points, *mesh, self._density_constant, values)
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
def _edge_potential(ax: float, ay: float, az: float, bx: float, by: float, bz: float, length: float) -> float:
    """Line potential ln((|a| + |b| + length) / (|a| + |b| - length)) of the edge from a to b, seen from the origin.

    Zero on the edge itself, where its factor is zero as well.
    """
    a, b = np.sqrt(ax * ax + ay * ay + az * az), np.sqrt(bx * bx + by * by + bz * bz)
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


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _far_edges(
    point: np.ndarray, ends: np.ndarray, lengths: np.ndarray, dyads: np.ndarray, ratios: np.ndarray
) -> tuple[float, float, float, float]:
    """Sum of attraction (x, y, z) and potential over the edges for which the series holds.

    Leaves length / (|a| + |b|) of each edge in `ratios`; the caller adds the others. Without a branch, so that the
    compiler takes several edges at once.
    """
    gx, gy, gz, potential = 0.0, 0.0, 0.0, 0.0
    for e in range(lengths.shape[0]):
        ax, ay, az = ends[0, e] - point[0], ends[1, e] - point[1], ends[2, e] - point[2]
        bx, by, bz = ends[3, e] - point[0], ends[4, e] - point[1], ends[5, e] - point[2]
        ratio = lengths[e] / (np.sqrt(ax * ax + ay * ay + az * az) + np.sqrt(bx * bx + by * by + bz * bz))
        ratios[e] = ratio
        s = ratio * ratio
        tail = s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * (1 / 9 + s * (1 / 11 + s * (1 / 13 + s * (1 / 15)))))))
        line = 2.0 * ratio * (1.0 + tail) if ratio < SERIES_BELOW else 0.0
        x = line * (dyads[0, e] * ax + dyads[3, e] * ay + dyads[4, e] * az)
        y = line * (dyads[3, e] * ax + dyads[1, e] * ay + dyads[5, e] * az)
        z = line * (dyads[4, e] * ax + dyads[5, e] * ay + dyads[2, e] * az)
        gx -= x
        gy -= y
        gz -= z
        potential += x * ax + y * ay + z * az
    return gx, gy, gz, potential


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _far_faces(
    point: np.ndarray, corners: np.ndarray, normals: np.ndarray, doubled_areas: np.ndarray, tangents: np.ndarray
) -> tuple[float, float, float, float, float]:
    """Sum of attraction (x, y, z), potential and solid angle over the faces for which the series holds.

    Leaves the tangent of half the solid angle of each face in `tangents`, 1 where the solid angle is over pi, and 0
    where the point lies in the plane of the face: its term vanishes, and its solid angle counts as half of 4 pi.
    """
    gx, gy, gz, potential, angle = 0.0, 0.0, 0.0, 0.0, 0.0
    for f in range(doubled_areas.shape[0]):
        ax, ay, az = corners[0, f] - point[0], corners[1, f] - point[1], corners[2, f] - point[2]
        bx, by, bz = corners[3, f] - point[0], corners[4, f] - point[1], corners[5, f] - point[2]
        cx, cy, cz = corners[6, f] - point[0], corners[7, f] - point[1], corners[8, f] - point[2]
        a = np.sqrt(ax * ax + ay * ay + az * az)
        b = np.sqrt(bx * bx + by * by + bz * bz)
        c = np.sqrt(cx * cx + cy * cy + cz * cz)
        below = a * (b * c + bx * cx + by * cy + bz * cz)
        below += b * (cx * ax + cy * ay + cz * az) + c * (ax * bx + ay * by + az * bz)
        nx, ny, nz = normals[0, f], normals[1, f], normals[2, f]
        height = nx * ax + ny * ay + nz * az
        t = height * doubled_areas[f] / below
        t = t if below > 0.0 else 1.0
        t = t if abs(height) > 1e-15 * a else 0.0
        tangents[f] = t
        s = t * t
        tail = s * (1 / 3 - s * (1 / 5 - s * (1 / 7 - s * (1 / 9 - s * (1 / 11 - s * (1 / 13 - s * (1 / 15)))))))
        solid = 2.0 * t * (1.0 - tail) if abs(t) < SERIES_BELOW else 0.0
        pull = height * solid
        angle += solid
        gx += pull * nx
        gy += pull * ny
        gz += pull * nz
        potential -= pull * height
    return gx, gy, gz, potential, angle


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _near_edges(
    point: np.ndarray, ends: np.ndarray, lengths: np.ndarray, dyads: np.ndarray, ratios: np.ndarray
) -> tuple[float, float, float, float]:
    """Sum of attraction (x, y, z) and potential over the edges that `_far_edges` left out."""
    gx, gy, gz, potential = 0.0, 0.0, 0.0, 0.0
    for e in range(lengths.shape[0]):
        if ratios[e] < SERIES_BELOW:
            continue
        ax, ay, az = ends[0, e] - point[0], ends[1, e] - point[1], ends[2, e] - point[2]
        bx, by, bz = ends[3, e] - point[0], ends[4, e] - point[1], ends[5, e] - point[2]
        line = _edge_potential(ax, ay, az, bx, by, bz, lengths[e])
        x = line * (dyads[0, e] * ax + dyads[3, e] * ay + dyads[4, e] * az)
        y = line * (dyads[3, e] * ax + dyads[1, e] * ay + dyads[5, e] * az)
        z = line * (dyads[4, e] * ax + dyads[5, e] * ay + dyads[2, e] * az)
        gx -= x
        gy -= y
        gz -= z
        potential += x * ax + y * ay + z * az
    return gx, gy, gz, potential


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _near_faces(
    point: np.ndarray, corners: np.ndarray, normals: np.ndarray, doubled_areas: np.ndarray, tangents: np.ndarray
) -> tuple[float, float, float, float, float]:
    """Sum of attraction (x, y, z), potential and solid angle over the faces that `_far_faces` left out."""
    gx, gy, gz, potential, angle = 0.0, 0.0, 0.0, 0.0, 0.0
    for f in range(doubled_areas.shape[0]):
        if abs(tangents[f]) < SERIES_BELOW:
            continue
        ax, ay, az = corners[0, f] - point[0], corners[1, f] - point[1], corners[2, f] - point[2]
        bx, by, bz = corners[3, f] - point[0], corners[4, f] - point[1], corners[5, f] - point[2]
        cx, cy, cz = corners[6, f] - point[0], corners[7, f] - point[1], corners[8, f] - point[2]
        a = np.sqrt(ax * ax + ay * ay + az * az)
        b = np.sqrt(bx * bx + by * by + bz * bz)
        c = np.sqrt(cx * cx + cy * cy + cz * cz)
        below = a * (b * c + bx * cx + by * cy + bz * cz)
        below += b * (cx * ax + cy * ay + cz * az) + c * (ax * bx + ay * by + az * bz)
        nx, ny, nz = normals[0, f], normals[1, f], normals[2, f]
        height = nx * ax + ny * ay + nz * az
        solid = 2.0 * np.arctan2(height * doubled_areas[f], below)
        pull = height * solid
        angle += solid
        gx += pull * nx
        gy += pull * ny
        gz += pull * nz
        potential -= pull * height
    return gx, gy, gz, potential, angle


@njit(cache=True, error_model="numpy")
def _evaluate_one(
    point: np.ndarray,
    corners: np.ndarray,
    normals: np.ndarray,
    doubled_areas: np.ndarray,
    ends: np.ndarray,
    lengths: np.ndarray,
    dyads: np.ndarray,
    density_constant: float,
    values: np.ndarray,
) -> None:
    """Fill values (5,): attraction, potential, solid angle."""
    ratios, tangents = np.empty(lengths.shape[0]), np.empty(doubled_areas.shape[0])
    x, y, z, u = _far_edges(point, ends, lengths, dyads, ratios)
    nx, ny, nz, nu = _near_edges(point, ends, lengths, dyads, ratios)
    fx, fy, fz, fu, angle = _far_faces(point, corners, normals, doubled_areas, tangents)
    hx, hy, hz, hu, near = _near_faces(point, corners, normals, doubled_areas, tangents)
    values[0] = density_constant * (x + nx + fx + hx)
    values[1] = density_constant * (y + ny + fy + hy)
    values[2] = density_constant * (z + nz + fz + hz)
    values[3] = 0.5 * density_constant * (u + nu + fu + hu)
    values[4] = angle + near


@njit(cache=True, parallel=True, error_model="numpy")
def _evaluate_many(
    points: np.ndarray,
    corners: np.ndarray,
    normals: np.ndarray,
    doubled_areas: np.ndarray,
    ends: np.ndarray,
    lengths: np.ndarray,
    dyads: np.ndarray,
    density_constant: float,
    values: np.ndarray,
) -> None:
    """Fill values (num_points, 5). One thread does one point whole."""
    for p in prange(points.shape[0]):
        _evaluate_one(points[p], corners, normals, doubled_areas, ends, lengths, dyads, density_constant, values[p])
