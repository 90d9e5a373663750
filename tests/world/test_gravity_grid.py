# SPDX-License-Identifier: Apache-2.0
"""The gravity grid: what it stores, and whether the error it states holds."""

from __future__ import annotations

import numba as nb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stope.base.errors import RangeError
from stope.world import plant as p
from stope.world.free_flight import gravity_at
from stope.world.gravity.grid import build_grid, interpolate
from stope.world.robots import load_robot
from stope.world.site import Site, make_site
from tests.builders import default_theta

SITES = {
    "ryugu": make_site("ryugu", latitude_deg=10.0, longitude_deg=25.0, height=6.0),
    "ryugu-wide": make_site("ryugu", latitude_deg=-20.0, longitude_deg=250.0, grid_half_width=400.0, grid_nodes=17),
    "bennu": make_site("bennu", latitude_deg=40.0, longitude_deg=100.0),
}
FRACTION = st.floats(-1.0, 1.0, allow_nan=False)


@nb.njit
def read_by_kernel(nodes: np.ndarray, row: np.ndarray, points: np.ndarray) -> np.ndarray:
    out = np.empty_like(points)
    for i in range(len(points)):
        out[i, 0], out[i, 1], out[i, 2] = gravity_at(nodes, row, points[i, 0], points[i, 1], points[i, 2])
    return out


def relative_error(site: Site, position_l: np.ndarray) -> float:
    exact = site.attraction_at(position_l)
    return float(np.linalg.norm(site.grid.acceleration(position_l) - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("name", SITES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(x=FRACTION, y=FRACTION, z=FRACTION)
def test_the_measured_error_bound_holds_at_fresh_points_above_the_ground(
    name: str, x: float, y: float, z: float
) -> None:
    site = SITES[name]
    position_l = site.grid_half_width * np.array([x, y, z])
    if site.height_above_surface(position_l) >= 0.0:
        assert relative_error(site, position_l) <= site.grid.error_bound


def test_the_default_grid_is_good_to_half_a_per_cent_and_typically_to_a_hundred_thousandth() -> None:
    grid = SITES["ryugu"].grid
    assert grid.nodes.shape == (9, 9, 9, 3)
    # The largest error is where the ground cuts a cell: a jump of the gradient by 4 pi G rho = 1e-6 over 3 m.
    assert grid.max_relative_error < 1e-2
    assert grid.median_relative_error < 5e-5
    assert grid.describe() == {
        "half_width_m": 12.0,
        "nodes_per_axis": 9,
        "median_relative_error": grid.median_relative_error,
        "max_relative_error": grid.max_relative_error,
    }


def test_the_grid_is_built_once() -> None:
    again = make_site("ryugu", latitude_deg=10.0, longitude_deg=25.0, height=6.0)
    assert again.grid is SITES["ryugu"].grid


def test_the_grid_is_exact_at_its_nodes() -> None:
    site = SITES["bennu"]
    index = np.array([[0, 0, 0], [8, 8, 8], [4, 4, 4], [1, 7, 3]])
    points = site.grid.origin_l + index * site.grid.spacing
    np.testing.assert_allclose(site.grid.acceleration(points), site.attraction_at(points), rtol=1e-12, atol=1e-19)


def test_interpolation_is_exact_for_a_linear_field() -> None:
    axis = np.arange(4.0)
    nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    points = np.random.default_rng(0).uniform(0.0, 3.0, (50, 3))
    np.testing.assert_allclose(interpolate(nodes, points), points, atol=1e-14)


def test_the_error_falls_as_the_square_of_the_spacing_away_from_the_ground() -> None:
    site = make_site("ryugu", latitude_deg=10.0, longitude_deg=25.0, height=60.0)
    medians = [
        build_grid(
            site.attraction_at, site.height_above_surface, half_width=24.0, num_nodes=num_nodes, num_samples=300
        ).median_relative_error
        for num_nodes in (5, 9)
    ]
    assert medians[0] / medians[1] == pytest.approx(4.0, rel=0.25)  # 300 random points; next order is small at 60 m


def test_a_position_outside_the_grid_is_refused() -> None:
    text = r"^GravityGrid\.acceleration position_l = up to 12\.5 m: the grid ends at 12 m\. Make the site with"
    with pytest.raises(RangeError, match=text):
        SITES["ryugu"].grid.acceleration(np.array([0.0, 12.5, 0.0]))


def test_the_kernel_reads_the_same_grid_and_holds_its_edge_value_outside() -> None:
    table = p.GravityTable((SITES["bennu"], SITES["ryugu"]))
    robot = load_robot("bee-gas")
    rows = p.compile_plant(default_theta(robot, 2), robot=robot, table=table, dt=0.05, site_index=[0, 1])
    rng = np.random.default_rng(5)
    for row, name in zip(rows, ("bennu", "ryugu"), strict=True):
        site = SITES[name]
        points = rng.uniform(-site.grid_half_width, site.grid_half_width, (200, 3))
        found = read_by_kernel(table.nodes, row, points)
        np.testing.assert_allclose(found, site.grid.acceleration(points), rtol=1e-13, atol=1e-18)
        outside = points * np.array([3.0, 1.0, 1.0])
        edge = np.clip(outside, -site.grid_half_width, site.grid_half_width)
        np.testing.assert_allclose(
            read_by_kernel(table.nodes, row, outside), site.grid.acceleration(edge), rtol=1e-13, atol=1e-18
        )
