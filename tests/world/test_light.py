# SPDX-License-Identifier: Apache-2.0
"""Sunlight: half a day on a sphere, polar night, the shadows of a waist, and mirrored symmetry."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import RangeError
from stope.world.body import Body, load_body
from stope.world.light import daylight_fraction, light_at, sun_direction
from stope.world.shape import TriangleMesh, ellipsoid_mesh
from stope.world.site import make_site

SPHERE = replace(load_body("bennu"), kind="point", name="sphere", semi_axes=(0.0, 0.0, 0.0))


def body_of(mesh: TriangleMesh, folder: Path, name: str) -> Body:
    """A body with Bennu's numbers and a mesh in metres; only its shape matters here."""
    rows = [f"v {x!r} {y!r} {z!r}" for x, y, z in mesh.vertices.tolist()]
    rows += [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]
    path = folder / f"{name}.obj"
    path.write_text("\n".join(rows))
    counts = {"mesh_vertices": len(mesh.vertices), "mesh_faces": len(mesh.faces)}
    return replace(load_body("bennu"), kind="mesh", name=name, semi_axes=(0.0, 0.0, 0.0), mesh=path, **counts)


def two_lobes() -> TriangleMesh:
    """Two lobes along x with a waist at x = 0: radius 60 m at the waist, 200 m at the ends."""
    ball = ellipsoid_mesh((1.0, 1.0, 1.0), halvings=3)
    radius = 60.0 + 140.0 * ball.vertices[:, :1] ** 2
    return TriangleMesh(radius * ball.vertices, ball.faces)


@pytest.fixture(scope="module")
def lobes(tmp_path_factory: pytest.TempPathFactory) -> Body:
    return body_of(two_lobes(), tmp_path_factory.mktemp("meshes"), "two-lobes")


def test_the_sun_goes_round_westward_once_a_spin() -> None:
    period = 2.0 * math.pi / SPHERE.spin_rate
    sun = sun_direction(SPHERE, [0.0, period / 4.0, period], sun_latitude_deg=0.0)
    np.testing.assert_allclose(sun, [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]], atol=1e-14)
    north = sun_direction(SPHERE, 0.0, sun_latitude_deg=30.0, sun_longitude_deg=90.0)
    np.testing.assert_allclose(north, [0.0, math.sqrt(0.75), 0.5], atol=1e-15)


@pytest.mark.parametrize("latitude", [0.0, 20.0, -50.0])
@pytest.mark.parametrize("season", [0.0, 10.0, -25.0])
def test_daylight_on_a_sphere_is_that_of_the_almanac(latitude: float, season: float) -> None:
    site = make_site(SPHERE, latitude_deg=latitude, longitude_deg=35.0)
    half_day = math.acos(-math.tan(math.radians(latitude)) * math.tan(math.radians(season)))
    # The changes are narrowed down to 1 / 360 / 2^20 of a turn.
    assert daylight_fraction(site, sun_latitude_deg=season) == pytest.approx(half_day / math.pi, abs=1e-8)


def test_half_a_day_at_the_equator_and_a_noon_of_full_light() -> None:
    site = make_site(SPHERE, latitude_deg=0.0, longitude_deg=0.0)
    assert daylight_fraction(site, sun_latitude_deg=0.0) == pytest.approx(0.5, abs=1e-8)
    period = 2.0 * math.pi / SPHERE.spin_rate
    light = light_at(site, [0.0, period / 6.0, period / 2.0], sun_latitude_deg=0.0)
    np.testing.assert_allclose(light.illumination, [1.0, 0.5, 0.0], atol=1e-14)
    assert light.is_lit.tolist() == [True, True, False]
    assert light.incidence_cosine[2] == pytest.approx(-1.0)


def test_polar_night_and_polar_day() -> None:
    pole = make_site(SPHERE, latitude_deg=85.0)
    assert daylight_fraction(pole, sun_latitude_deg=-10.0) == 0.0
    assert daylight_fraction(pole, sun_latitude_deg=10.0) == 1.0


@pytest.mark.parametrize("name", ["bennu", "67p"])
def test_an_ellipsoid_has_half_a_day_at_equinox_everywhere(name: str) -> None:
    # Its horizon is a plane, and the Sun on the equator spends half a turn on each side of any plane.
    site = make_site(name, latitude_deg=33.0, longitude_deg=50.0)
    assert daylight_fraction(site, sun_latitude_deg=0.0) == pytest.approx(0.5, abs=1e-8)


def test_the_lobes_shorten_the_day_of_the_waist(lobes: Body) -> None:
    waist = make_site(lobes, latitude_deg=3.0, longitude_deg=92.0)
    end = make_site(lobes, latitude_deg=3.0, longitude_deg=2.0)
    in_the_waist = daylight_fraction(waist, sun_latitude_deg=0.0)
    # The lobes, which reach 200 m, hide the Sun near either end of the day; at noon it shines between them.
    assert 0.1 < in_the_waist < 0.4
    assert daylight_fraction(end, sun_latitude_deg=0.0) == pytest.approx(0.5, abs=1e-8)
    light = light_at(waist, [0.0], sun_latitude_deg=0.0, sun_longitude_deg=92.0)
    assert light.is_lit.all()
    low = light_at(waist, [0.0], sun_latitude_deg=0.0, sun_longitude_deg=8.0)
    assert (low.is_above_horizon & low.is_shadowed).all()
    assert low.illumination.tolist() == [0.0]


@pytest.mark.parametrize("where", ["lobes", "ryugu", "eros"])
def test_shadows_are_where_the_ray_to_the_sun_goes_under_the_ground(where: str, lobes: Body) -> None:
    """The heights of surface.py along the ray are a second way, with nothing in common with rays and triangles."""
    body = lobes if where == "lobes" else load_body(where)
    size = float(np.linalg.norm(body.shape().vertices, axis=1).max())
    times = np.linspace(0.0, 2.0 * math.pi / body.spin_rate, 48, endpoint=False)
    num_shadowed = num_differing = 0
    for longitude in np.arange(3.0, 180.0, 16.0):
        site = make_site(body, latitude_deg=12.0, longitude_deg=float(longitude))
        light = light_at(site, times, sun_latitude_deg=7.0)
        along = np.geomspace(1e-4, 2.0, 4000) * size
        for k in np.flatnonzero(light.is_above_horizon):
            heights = body.surface().height(site.position_a + along[:, None] * light.sun_a[k])
            num_differing += bool((heights < -1e-6).any()) != bool(light.is_shadowed[k])
            num_shadowed += bool(light.is_shadowed[k])
    assert num_differing <= 2  # rays that graze a crest between two of the 4000 points
    assert num_shadowed > (0 if where == "ryugu" else 20)


@pytest.mark.parametrize(
    ("mirror", "move"),
    [
        ((1.0, 1.0, -1.0), lambda lat, lon, sun: (-lat, lon, -sun)),
        ((1.0, -1.0, 1.0), lambda lat, lon, sun: (lat, -lon, sun)),
    ],
    ids=["north-south", "east-west"],
)
def test_a_mirrored_body_has_mirrored_light(
    mirror: tuple[float, float, float],
    move: Callable[[float, float, float], tuple[float, float, float]],
    tmp_path: Path,
) -> None:
    lumpy = two_lobes()
    lumps = np.random.default_rng(2).uniform(0.9, 1.1, (len(lumpy.vertices), 1))
    lumpy = TriangleMesh(lumpy.vertices * lumps, lumpy.faces).centred()
    turned = TriangleMesh(lumpy.vertices * np.array(mirror), lumpy.faces[:, ::-1])
    here, there = body_of(lumpy, tmp_path, "lumpy"), body_of(turned, tmp_path, "mirrored")
    for latitude, longitude in ((10.0, 80.0), (-35.0, 110.0), (50.0, 20.0)):
        moved_latitude, moved_longitude, moved_sun = move(latitude, longitude, 15.0)
        first = daylight_fraction(
            make_site(here, latitude_deg=latitude, longitude_deg=longitude), sun_latitude_deg=15.0
        )
        second = daylight_fraction(
            make_site(there, latitude_deg=moved_latitude, longitude_deg=moved_longitude), sun_latitude_deg=moved_sun
        )
        assert 0.0 < first < 1.0
        assert first == pytest.approx(second, abs=1e-6)  # the changes are found to 3e-9 of a turn, at other samples


def test_light_that_cannot_be_is_refused_in_one_line() -> None:
    with pytest.raises(RangeError, match=r"^light_at\.site = 'moon': a uniform place has no spin and no Sun\."):
        light_at(make_site("moon"), [0.0], sun_latitude_deg=0.0)
    with pytest.raises(RangeError, match=r"^light_at\.site = 'moon': a uniform place"):
        daylight_fraction(make_site("moon"), sun_latitude_deg=0.0)
    site = make_site(SPHERE)
    with pytest.raises(RangeError, match=r"^sun_direction\.sun_latitude_deg = 91\.0 deg: must be -90 to 90\."):
        light_at(site, [0.0], sun_latitude_deg=91.0)
    with pytest.raises(RangeError, match=r"^sun_direction\.times, sun_longitude_deg = not finite: must be finite\."):
        light_at(site, [math.nan], sun_latitude_deg=0.0)
    with pytest.raises(RangeError, match=r"^daylight_fraction\.num_times = 4: must be 8 or more\."):
        daylight_fraction(site, sun_latitude_deg=0.0, num_times=4)
    with pytest.raises(RangeError, match=r"^daylight_fraction\.site = 'sphere-lat0-lon0': the body does not spin"):
        daylight_fraction(make_site(replace(SPHERE, spin_rate=0.0)), sun_latitude_deg=0.0)
