# SPDX-License-Identifier: Apache-2.0
"""Ground of a body: radius, normal and height."""

from __future__ import annotations

import numpy as np
import pytest

from stope.base.errors import RangeError
from stope.world.body import load_body
from stope.world.gravity import PolyhedronField
from stope.world.shape import TriangleMesh, box_mesh, ellipsoid_mesh
from stope.world.surface import EllipsoidSurface, FlatSurface, MeshSurface


def outermost_radius(mesh: TriangleMesh, direction: np.ndarray) -> float:
    """Largest distance at which a ray from the origin leaves through a triangle, tried on every triangle."""
    corners, normals = mesh.corners, mesh.face_normals
    facing = normals @ direction
    sides = np.stack([np.cross(corners[:, k], corners[:, (k + 1) % 3]) @ direction for k in range(3)], axis=1)
    met = (sides >= -1e-9).all(axis=1) & (facing > 0.0)
    return float((np.einsum("fi,fi->f", normals, corners[:, 0])[met] / facing[met]).max())


def test_the_table_finds_the_same_ground_as_trying_every_triangle() -> None:
    mesh, surface = load_body("ryugu").shape(), load_body("ryugu").surface()
    directions = np.random.default_rng(0).standard_normal((300, 3))
    for direction in directions / np.linalg.norm(directions, axis=1, keepdims=True):
        # Rounding of a radius of 500 m, and no more: the table is exact.
        assert np.linalg.norm(surface.point(direction)) == pytest.approx(outermost_radius(mesh, direction), abs=1e-9)


def test_no_direction_slips_between_two_triangles() -> None:
    surface = MeshSurface(ellipsoid_mesh((3.0, 2.0, 1.0), halvings=2))
    mesh = ellipsoid_mesh((3.0, 2.0, 1.0), halvings=2)
    middles = 0.5 * (mesh.corners + np.roll(mesh.corners, 1, axis=1)).reshape(-1, 3)
    for points in (mesh.vertices, middles, mesh.corners.mean(axis=1)):
        np.testing.assert_allclose(surface.height(points), 0.0, atol=1e-10)  # sides widened by 1e-12
    assert np.isfinite(surface.height(np.random.default_rng(1).standard_normal((100_000, 3)))).all()


def test_the_sign_of_the_height_says_inside_or_outside() -> None:
    body = load_body("ryugu")
    directions = np.random.default_rng(2).standard_normal((400, 3))
    points = directions / np.linalg.norm(directions, axis=1, keepdims=True) * np.linspace(370.0, 540.0, 400)[:, None]
    below = body.surface().height(points) < 0.0
    inside = PolyhedronField(body.shape(), gm=body.gm).is_inside(points)
    assert (below >= inside).all()  # what the polyhedron calls inside is always under the ground
    assert (below != inside).mean() < 0.01  # the rest lies under an overhang


def test_heights_of_a_cube_are_measured_along_the_radius() -> None:
    surface = MeshSurface(box_mesh((2.0, 2.0, 2.0)))
    points = np.array([[3.0, 0.0, 0.0], [0.5, 0.0, 0.0], [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(surface.height(points), [2.0, -0.5, np.sqrt(3.0), -1.0], rtol=1e-12)
    assert surface.height(points.reshape(2, 2, 3)).shape == (2, 2)
    np.testing.assert_allclose(surface.normal(np.array([-5.0, 1.0, 0.0])), [-1.0, 0.0, 0.0], atol=1e-15)


def test_an_ellipsoid_and_its_mesh_have_the_same_ground() -> None:
    axes = (300.0, 250.0, 200.0)
    smooth, faceted = EllipsoidSurface(axes), MeshSurface(ellipsoid_mesh(axes, halvings=5))
    points = 400.0 * np.random.default_rng(3).standard_normal((500, 3))
    # A facet of edge s = 17 m sags s^2 / (6 R) with R down to 133 m: 0.36 m.
    np.testing.assert_allclose(faceted.height(points), smooth.height(points), atol=0.4)
    direction = np.array([1.0, 2.0, 3.0])
    assert smooth.normal(direction) @ faceted.normal(direction) > 0.995
    np.testing.assert_allclose(smooth.height(smooth.point(direction)), 0.0, atol=1e-12)
    assert smooth.height(np.zeros(3)) == -200.0


def test_the_floor_of_a_uniform_place_is_flat() -> None:
    floor = FlatSurface()
    np.testing.assert_array_equal(floor.height(np.array([[1.0, 2.0, 3.0], [0.0, 0.0, -1.0]])), [3.0, -1.0])
    np.testing.assert_array_equal(floor.point(np.ones(3)), np.zeros(3))
    np.testing.assert_array_equal(floor.normal(np.ones(3)), [0.0, 0.0, 1.0])


def test_a_mesh_around_another_point_is_refused() -> None:
    text = r"^MeshSurface origin = outside the mesh: latitude and longitude need a centre inside\. Centre the mesh\.$"
    with pytest.raises(RangeError, match=text):
        MeshSurface(box_mesh((1.0, 1.0, 1.0)).moved(np.array([5.0, 0.0, 0.0])))
