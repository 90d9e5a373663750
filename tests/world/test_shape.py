# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes: reading, checking, centring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import FileError
from stope.world.shape import TriangleMesh, box_mesh, check_closed, ellipsoid_mesh, read_obj


def obj_lines(mesh: TriangleMesh) -> list[str]:
    """OBJ text of a mesh, line by line."""
    vertices = [f"v {x:.12g} {y:.12g} {z:.12g}" for x, y, z in mesh.vertices]
    return vertices + [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]


def read(
    folder: Path, lines: list[str], *, scale: float = 1.0, num_vertices: int = 8, num_faces: int = 12
) -> TriangleMesh:
    path = folder / "cube.obj"
    path.write_text("\n".join(lines))
    return read_obj(path, scale=scale, num_vertices=num_vertices, num_faces=num_faces)


@pytest.fixture
def cube_lines() -> list[str]:
    return obj_lines(box_mesh((1.0, 1.0, 1.0)))


def test_a_mesh_is_read_in_metres_without_its_unused_vertices(tmp_path: Path, cube_lines: list[str]) -> None:
    mesh = read(
        tmp_path, ["# comment", "v 9 9 9", *cube_lines[:8], *shifted(cube_lines[8:], 1)], scale=1000.0, num_vertices=9
    )
    assert mesh.vertices.shape == (8, 3)
    assert mesh.volume == pytest.approx(1e9, rel=1e-14)


def shifted(faces: list[str], by: int) -> list[str]:
    return ["f " + " ".join(str(int(word) + by) for word in face.split()[1:]) for face in faces]


def test_centring_moves_the_centroid_of_volume_to_the_origin() -> None:
    mesh = ellipsoid_mesh((3.0, 2.0, 1.0), halvings=2).moved(np.array([1e3, -2e3, 5.0]))
    np.testing.assert_allclose(mesh.centroid, [1e3, -2e3, 5.0], atol=1e-11)  # digits of a coordinate of 2e3
    np.testing.assert_allclose(mesh.centred().centroid, 0.0, atol=1e-11)
    assert mesh.centred().volume == pytest.approx(ellipsoid_mesh((3.0, 2.0, 1.0), halvings=2).volume, rel=1e-12)


def test_normals_point_outward_with_unit_length() -> None:
    mesh = ellipsoid_mesh((1.0, 1.0, 1.0), halvings=1)
    normals = mesh.face_normals
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, rtol=1e-15)
    assert (np.einsum("fi,fi->f", normals, mesh.corners.mean(axis=1)) > 0.9).all()


def test_a_missing_mesh_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(
        FileError, match=r"^mesh .*none\.obj = no such file: put it beside the body's TOML, or correct `mesh`\.$"
    ):
        read_obj(tmp_path / "none.obj", scale=1.0, num_vertices=8, num_faces=12)


def test_a_mesh_cut_between_lines_is_truncated(tmp_path: Path, cube_lines: list[str]) -> None:
    text = r"^cube\.obj = 10 faces: the body's TOML says 12, so it is truncated or another mesh\. Copy it again, "
    with pytest.raises(FileError, match=text):
        read(tmp_path, cube_lines[:-2])
    with pytest.raises(FileError, match=r"^cube\.obj = 5 vertices: the body's TOML says 8"):
        read(tmp_path, cube_lines[:5])


def test_a_mesh_cut_inside_a_line_names_the_line(tmp_path: Path, cube_lines: list[str]) -> None:
    text = r"^cube\.obj, line 20 = 'f 2 8': 2 of 3 numbers, so the file is truncated or not a triangle mesh\. Copy"
    with pytest.raises(FileError, match=text):
        read(tmp_path, [*cube_lines[:-1], "f 2 8"])


def test_a_square_face_is_refused(tmp_path: Path, cube_lines: list[str]) -> None:
    with pytest.raises(FileError, match=r"^cube\.obj, line 20 = 'f 1 2 4 3': 4 of 3 numbers"):
        read(tmp_path, [*cube_lines[:-1], "f 1 2 4 3"])


def test_words_in_place_of_numbers_are_refused(tmp_path: Path, cube_lines: list[str]) -> None:
    with pytest.raises(FileError, match=r"^cube\.obj, line 1 = 'v a b c': not numbers\. Copy the file again\.$"):
        read(tmp_path, ["v a b c", *cube_lines[1:]])


@pytest.mark.parametrize("word", ["nan", "inf"])
def test_a_vertex_that_is_not_finite_is_refused(tmp_path: Path, cube_lines: list[str], word: str) -> None:
    with pytest.raises(
        FileError, match=rf"^cube\.obj, line 1 = 'v 0 {word} 0': a vertex must be finite\. Repair the mesh\.$"
    ):
        read(tmp_path, [f"v 0 {word} 0", *cube_lines[1:]])


def test_indices_that_count_from_zero_are_refused(tmp_path: Path, cube_lines: list[str]) -> None:
    text = r"^cube\.obj, line 9 = index 0: OBJ counts vertices from 1\. Add 1 to every index of a file"
    with pytest.raises(FileError, match=text):
        read(tmp_path, cube_lines[:8] + shifted(cube_lines[8:], -1))


def test_an_index_beyond_the_vertices_is_refused(tmp_path: Path, cube_lines: list[str]) -> None:
    text = r"^cube\.obj, line \d+ = index 9: the file has 8 vertices\. It is truncated, or its indices"
    with pytest.raises(FileError, match=text):
        read(tmp_path, cube_lines[:8] + shifted(cube_lines[8:], 1))


def test_a_mesh_with_a_hole_is_refused(tmp_path: Path, cube_lines: list[str]) -> None:
    text = r"^cube\.obj = 3 unpaired edges: the mesh has a hole or is truncated; gravity needs a closed one\. Close it"
    with pytest.raises(FileError, match=text):
        read(tmp_path, cube_lines[:-1], num_faces=11)


def test_a_mesh_wound_inward_is_refused() -> None:
    cube = box_mesh((1.0, 1.0, 1.0))
    text = r"^cube = -1 m3: the faces are wound inward\. Swap two indices in every `f` line\.$"
    with pytest.raises(FileError, match=text):
        check_closed(TriangleMesh(cube.vertices, cube.faces[:, ::-1]), where="cube")


def test_a_mesh_wound_both_ways_is_refused() -> None:
    cube = box_mesh((1.0, 1.0, 1.0))
    faces = cube.faces.copy()
    faces[0] = faces[0, ::-1]
    text = r"^cube = neighbouring faces wound differently: every face must run counter-clockwise seen from outside\."
    with pytest.raises(FileError, match=text):
        check_closed(TriangleMesh(cube.vertices, faces), where="cube")


def test_a_face_without_area_is_refused() -> None:
    cube = box_mesh((1.0, 1.0, 1.0))
    faces = cube.faces.copy()
    faces[3] = [0, 0, 1]
    with pytest.raises(FileError, match=r"^cube = 1 faces without area, first face 4: remove them from the mesh\.$"):
        check_closed(TriangleMesh(cube.vertices, faces), where="cube")
