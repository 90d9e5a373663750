# SPDX-License-Identifier: Apache-2.0
"""Closed triangle meshes: read from OBJ text, checked, brought to metres and to their centroid.

Nothing about a mesh is guessed: its length unit and its counts come from the body's TOML, its indices start at 1
(the OBJ rule), and a mesh with a hole or with its faces turned inward is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stope.base.errors import FileError


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """A closed triangle mesh with outward winding."""

    vertices: np.ndarray
    """Vertex positions (num_vertices, 3) [m], in the axes of frame a. Every vertex is used by a face."""
    faces: np.ndarray
    """Vertex indices (num_faces, 3), counted from 0, counter-clockwise seen from outside."""

    @property
    def corners(self) -> np.ndarray:
        """Corner positions of each face (num_faces, 3 corners, 3) [m]."""
        return self.vertices[self.faces]

    @property
    def face_normals(self) -> np.ndarray:
        """Unit outward normals (num_faces, 3)."""
        doubled = _doubled_areas(self.corners)
        return doubled / np.linalg.norm(doubled, axis=1, keepdims=True)

    @property
    def volume(self) -> float:
        """Enclosed volume [m3]; positive for outward winding."""
        return float(_tetrahedra(self._centred_corners).sum())

    @property
    def centroid(self) -> np.ndarray:
        """Centre of mass of the enclosed volume at constant density (3,) [m]."""
        corners = self._centred_corners
        weight = _tetrahedra(corners)
        return self.vertices.mean(axis=0) + (weight[:, None] * corners.sum(axis=1) / 4.0).sum(axis=0) / weight.sum()

    @property
    def _centred_corners(self) -> np.ndarray:
        """Corners about the mean vertex, so that a far origin costs no digits."""
        return self.corners - self.vertices.mean(axis=0)

    def moved(self, offset: np.ndarray) -> TriangleMesh:
        """Return the mesh with `offset` (3,) [m] added to every vertex."""
        return TriangleMesh(self.vertices + np.asarray(offset, dtype=np.float64), self.faces)

    def centred(self) -> TriangleMesh:
        """Return the mesh with its centroid of volume at the origin."""
        return self.moved(-self.centroid)


def read_obj(path: Path, *, scale: float, num_vertices: int, num_faces: int) -> TriangleMesh:
    """Read and check a closed triangle mesh from the `v` and `f` lines of an OBJ file.

    Args:
        path: The file; lines other than `v x y z` and `f i j k` are ignored, indices start at 1.
        scale: Metres per length unit of the file.
        num_vertices: Number of `v` lines the file must have.
        num_faces: Number of `f` lines the file must have.

    Returns:
        The mesh in metres, where the file puts it. Vertices that no face uses are dropped.

    Raises:
        FileError: if the file is missing, truncated, not finite, not closed, or wound inward.
    """
    vertices, faces, face_lines = _parse_obj(path)
    for what, found, declared in (("vertices", len(vertices), num_vertices), ("faces", len(faces), num_faces)):
        if found != declared:
            raise FileError(
                f"{path.name} = {found} {what}: the body's TOML says {declared}, so it is truncated or another mesh. "
                "Copy it again, or correct the counts."
            )
    _check_indices(path, faces, face_lines, len(vertices))
    used, compact = np.unique(faces, return_inverse=True)
    mesh = TriangleMesh(scale * vertices[used - 1], compact.reshape(faces.shape).astype(np.int64))
    check_closed(mesh, where=path.name)
    return mesh


def box_mesh(sides: tuple[float, float, float]) -> TriangleMesh:
    """Return a box (12 triangles) about the origin, with edges of `sides` along x, y, z [m]."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    squares = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in squares for triangle in ((a, b, c), (a, c, d))]
    return TriangleMesh(corners * np.asarray(sides), np.array(faces, dtype=np.int64))


def ellipsoid_mesh(semi_axes: tuple[float, float, float], *, halvings: int) -> TriangleMesh:
    """Return an ellipsoid about the origin as a mesh of 20 x 4**halvings triangles, corners on its surface.

    Args:
        semi_axes: Half lengths along x, y, z [m].
        halvings: How often each edge of the icosahedron is halved.
    """
    golden = (1.0 + math.sqrt(5.0)) / 2.0
    points = np.array([[0.0, s, t * golden] for s in (-1, 1) for t in (-1, 1)])
    points = np.concatenate([points, np.roll(points, 1, axis=1), np.roll(points, 2, axis=1)])
    apart = np.linalg.norm(points[:, None] - points[None, :], axis=2)
    near = apart < 2.1
    faces = [
        (i, j, k) for i in range(12) for j in range(i) for k in range(j) if near[i, j] and near[j, k] and near[k, i]
    ]
    turned = [(i, j, k) if points[i] @ np.cross(points[j], points[k]) > 0.0 else (i, k, j) for i, j, k in faces]
    triangles = np.array(turned, dtype=np.int64)
    for _ in range(halvings):
        points, triangles = _halve(points, triangles)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    return TriangleMesh(points * np.asarray(semi_axes), triangles)


def check_closed(mesh: TriangleMesh, *, where: str) -> None:
    """Refuse a mesh that does not bound a volume.

    Raises:
        FileError: if a face has no area, an edge is not shared by two faces, two neighbours are wound differently,
            or the volume is negative.
    """
    areas = 0.5 * np.linalg.norm(_doubled_areas(mesh.corners), axis=1)
    flat = np.flatnonzero(areas <= 1e-14 * areas.max())
    if flat.size:
        raise FileError(
            f"{where} = {flat.size} faces without area, first face {flat[0] + 1}: remove them from the mesh."
        )
    directed = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    _, count = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    unpaired = int((count != 2).sum())
    if unpaired:
        raise FileError(
            f"{where} = {unpaired} unpaired edges: the mesh has a hole or is truncated; gravity needs a closed one. "
            "Close it in a mesh editor."
        )
    if len(np.unique(directed, axis=0)) != len(directed):
        raise FileError(
            f"{where} = neighbouring faces wound differently: every face must run counter-clockwise seen from outside. "
            "Make the winding consistent in a mesh editor."
        )
    if mesh.volume <= 0.0:
        raise FileError(
            f"{where} = {mesh.volume:.6g} m3: the faces are wound inward. Swap two indices in every `f` line."
        )


def _halve(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut each triangle into four at the middles of its edges, pushed out to the unit sphere."""
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    unique, index = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    middle = index.reshape(3, -1).T + len(points)
    a, b, c = triangles.T
    ab, bc, ca = middle.T
    parts = [np.stack(part, axis=1) for part in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
    return np.concatenate([points, points[unique].mean(axis=1)]), np.concatenate(parts)


def _parse_obj(path: Path) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return vertices (n, 3), one-based faces (m, 3) and the line number of each face."""
    if not path.is_file():
        raise FileError(f"mesh {path} = no such file: put it beside the body's TOML, or correct `mesh`.")
    vertices: list[list[float]] = []
    faces: list[list[int]] = []
    face_lines: list[int] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = line.split()
        if not words or words[0] not in ("v", "f"):
            continue
        if len(words) != 4:
            raise FileError(
                f"{path.name}, line {number} = {line.strip()!r}: {len(words) - 1} of 3 numbers, so the file is "
                "truncated or not a triangle mesh. Copy it again, or triangulate it."
            )
        try:
            if words[0] == "v":
                vertices.append([float(word) for word in words[1:]])
            else:
                faces.append([int(word.split("/")[0]) for word in words[1:]])
                face_lines.append(number)
        except ValueError:
            raise FileError(
                f"{path.name}, line {number} = {line.strip()!r}: not numbers. Copy the file again."
            ) from None
        if words[0] == "v" and not np.isfinite(vertices[-1]).all():
            raise FileError(f"{path.name}, line {number} = {line.strip()!r}: a vertex must be finite. Repair the mesh.")
    return np.array(vertices).reshape(-1, 3), np.array(faces, dtype=np.int64).reshape(-1, 3), face_lines


def _check_indices(path: Path, faces: np.ndarray, face_lines: list[int], num_vertices: int) -> None:
    """Refuse vertex indices that are not 1..num_vertices."""
    low = np.flatnonzero((faces < 1).any(axis=1))
    if low.size:
        raise FileError(
            f"{path.name}, line {face_lines[low[0]]} = index {faces[low[0]].min()}: OBJ counts vertices from 1. "
            "Add 1 to every index of a file that counts from 0."
        )
    high = np.flatnonzero((faces > num_vertices).any(axis=1))
    if high.size:
        raise FileError(
            f"{path.name}, line {face_lines[high[0]]} = index {faces[high[0]].max()}: the file has {num_vertices} "
            "vertices. It is truncated, or its indices belong to another file."
        )


def _doubled_areas(corners: np.ndarray) -> np.ndarray:
    """Return normals with length twice the area, (num_faces, 3) [m2]."""
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _tetrahedra(corners: np.ndarray) -> np.ndarray:
    """Return signed volumes of the tetrahedra from the origin to each face, (num_faces,) [m3]."""
    return np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6.0
