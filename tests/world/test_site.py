# SPDX-License-Identifier: Apache-2.0
"""Sites: level frames, effective gravity, heights."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stope.base.errors import RangeError, UnknownName
from stope.world.body import body_names, load_body
from stope.world.site import make_site

PLACES = [
    ("ryugu", 10.0, 25.0),
    ("ryugu", -90.0, 0.0),
    ("bennu", 5.0, -170.0),
    ("eros", 60.0, 200.0),
    ("ryugu", 90.0, 40.0),
]


@pytest.mark.parametrize(("body", "latitude", "longitude"), PLACES)
def test_the_level_frame_stands_against_effective_gravity_and_looks_east(
    body: str, latitude: float, longitude: float
) -> None:
    site = make_site(body, latitude_deg=latitude, longitude_deg=longitude)
    axes = site.rotation_al
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-15)
    assert np.linalg.det(axes) == pytest.approx(1.0, abs=1e-15)
    size = float(np.linalg.norm(site.gravity_l))
    np.testing.assert_allclose(site.gravity_l, np.array([0.0, 0.0, -size]), atol=1e-14 * size)
    if abs(latitude) < 90.0:
        east = np.cross([0.0, 0.0, 1.0], site.position_a)
        assert axes[:, 0] @ east / np.linalg.norm(east) > 0.9
    else:
        assert axes[0, 0] > 0.9  # at a pole x_l looks along x of frame a
    assert abs(axes[:, 0] @ axes[:, 2]) < 1e-15


def test_effective_gravity_is_attraction_plus_centrifugal_acceleration() -> None:
    site = make_site("ryugu", latitude_deg=20.0, longitude_deg=70.0, height=6.0)
    body = site.body
    expected = body.field().acceleration(site.position_a) + body.spin_rate**2 * site.position_a * [1.0, 1.0, 0.0]
    np.testing.assert_allclose(site.rotation_al @ site.gravity_l, expected, rtol=1e-12, atol=1e-18)
    spin, arm = site.spin_l, site.position_l0
    np.testing.assert_allclose(site.gravity_l, site.attraction_l - np.cross(spin, np.cross(spin, arm)), atol=1e-17)
    np.testing.assert_allclose(site.rotation_al @ spin, [0.0, 0.0, body.spin_rate], atol=1e-18)
    np.testing.assert_allclose(site.rotation_al @ arm, site.position_a, rtol=1e-13, atol=1e-12)


def test_latitude_longitude_and_height_are_those_of_the_ray_from_the_centre() -> None:
    site = make_site("bennu", latitude_deg=30.0, longitude_deg=-60.0, height=5.0)
    x, y, z = site.position_a
    assert np.degrees(np.arctan2(z, np.hypot(x, y))) == pytest.approx(30.0, abs=1e-10)
    assert np.degrees(np.arctan2(y, x)) == pytest.approx(-60.0, abs=1e-10)
    assert site.body.surface().height(site.position_a) == pytest.approx(5.0, abs=1e-10)
    assert site.name == "bennu-lat30-lon-60"


def test_the_quaternion_and_the_matrix_are_the_same_rotation() -> None:
    site = make_site("ryugu", latitude_deg=-35.0, longitude_deg=120.0)
    w, x, y, z = site.q_al
    first_column = [w * w + x * x - y * y - z * z, 2 * (x * y + w * z), 2 * (x * z - w * y)]
    np.testing.assert_allclose(site.rotation_al[:, 0], first_column, atol=1e-14)


def test_slopes_on_ryugu_are_as_published() -> None:
    slopes = [
        make_site("ryugu", latitude_deg=float(np.degrees(np.arcsin(s))), longitude_deg=float(lon)).slope_deg
        for s, lon in zip(np.linspace(-0.95, 0.95, 60), np.linspace(0.0, 355.0, 60), strict=True)
    ]
    assert np.median(slopes) == pytest.approx(12.0, abs=4.0)  # median of 60 of a spread of 8 deg: 1.3 deg, three times


def test_a_sphere_without_spin_is_level_everywhere() -> None:
    body = replace(load_body("bennu"), kind="point", spin_rate=0.0)
    site = make_site(body, latitude_deg=40.0, longitude_deg=10.0)
    assert site.slope_deg == pytest.approx(0.0, abs=1e-6)  # arccos near 1 keeps half of the digits
    np.testing.assert_allclose(site.gravity_l, [0.0, 0.0, -body.gm / body.mean_radius**2], atol=1e-19)


def test_on_a_fast_spinner_gravity_points_outward_and_the_frame_stands_on_the_ground() -> None:
    body = replace(load_body("bennu"), spin_rate=2.0e-3)
    site = make_site(body, latitude_deg=0.0, longitude_deg=0.0)
    assert site.points_outward
    assert site.gravity_l[2] > 0.0
    assert site.slope_deg == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(site.rotation_al[:, 2], [1.0, 0.0, 0.0], atol=1e-12)
    assert "outward" in site.describe()["note"]
    assert not make_site("bennu").points_outward


@pytest.mark.parametrize("name", [name for name in body_names() if load_body(name).kind == "uniform"])
def test_a_uniform_place_is_local_level_and_without_spin(name: str) -> None:
    site = make_site(name, height=1.5)
    level = site.body.gravity_level
    np.testing.assert_array_equal(site.gravity_l, [0.0, 0.0, -level])
    np.testing.assert_array_equal(site.rotation_al, np.eye(3))
    np.testing.assert_array_equal(site.spin_l, np.zeros(3))
    np.testing.assert_array_equal(site.position_l0, np.zeros(3))
    assert site.grid.nodes.shape == (2, 2, 2, 3)
    np.testing.assert_array_equal(site.grid.nodes[1, 0, 1], site.gravity_l)
    assert site.height_above_surface(np.array([0.0, 0.0, -1.5])) == 0.0
    assert site.jitter_rms == site.body.jitter_rms
    assert site.has_air == site.body.has_air
    assert site.name == name


def test_height_above_surface_is_zero_on_the_ground_under_the_origin() -> None:
    site = make_site("ryugu", latitude_deg=10.0, longitude_deg=25.0, height=6.0)
    down_l = -site.position_l0 / np.linalg.norm(site.position_l0)
    heights = site.height_above_surface(np.array([np.zeros(3), 6.0 * down_l, 9.0 * down_l]))
    np.testing.assert_allclose(heights, [6.0, 0.0, -3.0], atol=1e-9)  # rounding of a radius of 500 m


@pytest.mark.parametrize("name", body_names())
def test_every_place_has_a_site_that_describes_itself_in_json(name: str) -> None:
    assert json.loads(json.dumps(make_site(name).describe(), allow_nan=False))["body"] == name


def test_an_unknown_body_has_no_site() -> None:
    with pytest.raises(UnknownName, match=r"^no body 'nowhere'\."):
        make_site("nowhere")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"latitude_deg": 91.0}, r"^make_site\.latitude_deg = 91\.0 deg: must be -90 to 90\. South is negative\.$"),
        ({"latitude_deg": float("nan")}, r"^make_site\.latitude_deg = nan deg: must be -90 to 90\."),
        (
            {"longitude_deg": 400.0},
            r"^make_site\.longitude_deg = 400\.0 deg: must be -360 to 360\. East is positive\.$",
        ),
        (
            {"height": -1.0},
            r"^make_site\.height = -1\.0 m: must be zero or more\. The ground is at 0 m\.$",
        ),
        ({"grid_half_width": 0.0}, r"^grid_half_width = 0\.0 m: must be positive\. The default of a site is 12 m\.$"),
        ({"grid_nodes": 1}, r"^grid_nodes = 1: needs 2 or more along each axis\. The default of a site is 9\.$"),
    ],
)
def test_a_site_that_cannot_be_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(RangeError, match=text):
        make_site("ryugu", **arguments)


def test_a_uniform_place_has_no_latitude() -> None:
    text = (
        r"^make_site\.latitude_deg, longitude_deg = 10\.0, 0\.0 deg: 'moon' is a uniform place without latitude\. Leave"
    )
    with pytest.raises(RangeError, match=text):
        make_site("moon", latitude_deg=10.0)
