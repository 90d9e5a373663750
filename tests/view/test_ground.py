# SPDX-License-Identifier: Apache-2.0
"""Pictures of a place come from the shape that the physics uses."""

from __future__ import annotations

import numpy as np
import pytest

from stope.base.errors import RangeError
from stope.fleet.legs import LegConfig, plan_route, pose_at, with_grid
from stope.view.ground import body_picture, ground_map, sample_legs
from stope.world.belief import Belief
from stope.world.robots import load_robot
from stope.world.site import Site, make_site


@pytest.fixture(scope="module")
def site() -> Site:
    """The processor of the ferry mission."""
    return make_site("ryugu", latitude_deg=30.0, longitude_deg=60.0, height=6.0)


def test_the_map_lies_on_the_ground(site: Site) -> None:
    data = ground_map(site, 120.0, 13)
    axis = np.linspace(-120.0, 120.0, 13)
    east, north = np.meshgrid(axis, axis)
    points = np.stack([east, north, np.array(data["ground"])], axis=-1)
    height = site.height_above_surface(points)
    assert np.abs(height).max() < 0.02  # rounding to 1 cm, along slopes of up to 45 deg
    assert data["ground"][6][6] == pytest.approx(-6.0, abs=0.15)  # 6 m along the ray, which leans by 10 deg
    assert data["radius"] == pytest.approx(float(np.linalg.norm(site.position_a)), abs=0.01)


def test_the_map_has_north_up_and_east_right(site: Site) -> None:
    ground = np.array(ground_map(site, 100.0, 3)["ground"])
    for (row, column), (east, north) in {(0, 1): (0.0, -100.0), (1, 2): (100.0, 0.0)}.items():
        pose = pose_at(site, east, north)
        assert abs(pose.position_l[2] - 6.0 * pose.up_l[2] - ground[row, column]) < 0.6  # poses lean with their radius


def test_a_uniform_place_is_flat_and_has_no_outside() -> None:
    lab = make_site("earth-lab", height=2.0)
    assert ground_map(lab, 5.0, 3)["ground"] == [[-2.0] * 3] * 3
    with pytest.raises(RangeError, match="uniform place without a shape"):
        body_picture(lab)


def test_maps_that_cannot_be_are_refused(site: Site) -> None:
    with pytest.raises(RangeError, match="no ground of 'ryugu' under"):
        ground_map(site, 600.0, 3)
    for half_width, num in ((0.0, 9), (float("nan"), 9), (10.0, 1)):
        with pytest.raises(RangeError, match="expected a positive width and 2 points or more"):
            ground_map(site, half_width, num)


def test_the_body_is_seen_from_outside_with_the_site_on_the_near_side(site: Site) -> None:
    data = body_picture(site)
    points, faces = np.array(data["points"]), np.array(data["faces"])
    a, b, c = (points[faces[:, k]] for k in range(3))
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    assert (area > -15.0).all()  # counter-clockwise, but for slivers at the limb turned by rounding to 0.1 m
    shown = 0.5 * float(area.sum())
    assert shown == pytest.approx(np.pi * 448.0**2, rel=0.05)  # disc of the mean radius; a spinning top is nearly one
    assert np.abs(points).max() < 530.0
    x, y = data["site"]
    assert x < 0.0 < y  # left of the middle, north of it
    assert data["axis"]["north"][1] > 400.0
    assert 0.0 <= min(data["shade"]) < 0.2
    assert max(data["shade"]) == 1.0
    radius = max(np.hypot(*np.array(line).T).max() for line in data["graticule"])
    assert radius < 530.0


def test_sample_legs_go_from_the_processor_to_the_depot_and_back(site: Site) -> None:
    config, robot = LegConfig(), load_robot("bee-gas")
    home, there = pose_at(site, 0.0, 0.0), pose_at(site, 25.0, 0.0)
    routes = [plan_route(site, home, there, config), plan_route(site, there, home, config)]
    world = with_grid(site, routes, config)
    out, back = (type(r)(site=world, start=r.start, goal=r.goal, arc=r.arc, clearance=r.clearance) for r in routes)
    flown = [
        sample_legs({"alder": (out, back)}, robot, Belief.prior(robot.name), seed=3, payload=2.0, num_threads=threads)
        for threads in (1, 2)
    ]
    assert flown[0] == flown[1]
    out, back = flown[0]
    assert (out["name"], back["name"]) == ("out-alder", "back-alder")
    assert out["is_success"]
    assert back["is_success"]
    for leg, start, end in ((out, home, there), (back, there, home)):
        track = np.array([leg["east"], leg["north"], leg["up"]]).T
        assert np.linalg.norm(track[0] - start.position_l) < 0.2  # docked to 5 cm, rounded to 10 cm
        assert np.linalg.norm(track[-1] - end.position_l) < 5.0  # the ball in which docking begins
