# SPDX-License-Identifier: Apache-2.0
"""Known orbits, hops and bounces, and the integrals of motion in the field of a spinning body.

The numbered cases are those of the project's list of exact tests (physics notes, section 7).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from stope.world.body import Body, load_body
from stope.world.bouncing import bounce, rebound
from stope.world.coasting import Arc, Surroundings, coast, surroundings
from stope.world.gravity import PointMassField, UniformField
from stope.world.surface import FlatSurface

MICRO = 9.81e-6  # 1e-6 g, as the reference numbers take it


def point_mass(gm: float, spin_rate: float = 0.0) -> Surroundings:
    return Surroundings(field=PointMassField(gm=gm), surface=None, spin_rate=spin_rate)


def plane(gravity_level: float = MICRO) -> Surroundings:
    return Surroundings(field=UniformField(gravity_level=gravity_level), surface=FlatSurface(), spin_rate=0.0)


def above_the_ground(body: Body, *, speed: float = 0.0, height: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A start over a facet near the equator, and a velocity along its normal and a tenth of that eastward."""
    surface, ray = body.surface(), np.array([1.0, 0.3, 0.2])
    position, normal = surface.point(ray), surface.normal(ray)
    return position + height * ray / np.linalg.norm(ray), speed * (normal + 0.1 * np.array([-0.287, 0.958, 0.0]))


def orbit(body: Body, *, ratio: float, speed_ratio: float = 1.1) -> tuple[np.ndarray, np.ndarray]:
    """An inclined prograde start at `ratio` times the reach, in frame a."""
    radius = ratio * surroundings(body).reach
    position = np.array([radius, 0.0, 0.0])
    speed = speed_ratio * math.sqrt(body.gm / radius)
    still = speed * np.array([0.0, math.cos(1.0), math.sin(1.0)])
    return position, still - np.cross([0.0, 0.0, body.spin_rate], position)


# Case 4: two bodies.


def test_an_orbit_of_one_kilometre_about_bennu_has_its_period() -> None:
    gm, radius = load_body("bennu").gm, 1000.0
    period = 2.0 * math.pi * math.sqrt(radius**3 / gm)
    assert period == pytest.approx(8.983e4, rel=1e-4)  # the reference has four digits
    start, speed = np.array([radius, 0.0, 0.0]), np.array([0.0, math.sqrt(gm / radius), 0.0])
    arc = coast(point_mass(gm), start, speed, time_limit=period, tolerance=1e-13)
    assert arc.reason == "time"
    np.testing.assert_allclose(arc.position_a, start, atol=1e-7)  # 1e-10 of the radius over one turn


def test_energy_drifts_less_than_1e_10_in_100_orbits() -> None:
    gm, semi_major, eccentricity = 4.892, 1000.0, 0.3
    period = 2.0 * math.pi * math.sqrt(semi_major**3 / gm)
    near = semi_major * (1.0 - eccentricity)
    fast = math.sqrt(gm / semi_major * (1.0 + eccentricity) / (1.0 - eccentricity))
    where = point_mass(gm)
    arc = coast(where, [near, 0.0, 0.0], [0.0, fast, 0.0], time_limit=100.0 * period, tolerance=1e-13)
    energy = where.jacobi(arc.positions_a, arc.velocities_a)
    assert np.abs(energy / energy[0] - 1.0).max() < 1e-10  # the required bound
    # Kepler's period: a thousandth of a millionth of the orbit of phase may be lost with the energy.
    np.testing.assert_allclose(arc.position_a, [near, 0.0, 0.0], atol=1e-4)


# Case 7: the spinning frame.


def test_a_point_at_rest_among_the_stars_circles_in_the_spinning_frame() -> None:
    spin, position = 4e-4, np.array([3000.0, 400.0, 100.0])
    nothing = Surroundings(field=UniformField(gravity_level=0.0), surface=None, spin_rate=spin)
    nothing = replace(nothing, field=PointMassField(gm=0.0))  # a uniform field would be flown as a parabola
    velocity = -np.cross([0.0, 0.0, spin], position)
    arc = coast(nothing, position, velocity, time_limit=20_000.0, tolerance=1e-12)
    angle = -spin * arc.times
    turned = np.column_stack(
        [
            position[0] * np.cos(angle) - position[1] * np.sin(angle),
            position[0] * np.sin(angle) + position[1] * np.cos(angle),
            np.full(len(angle), position[2]),
        ]
    )
    np.testing.assert_allclose(arc.positions_a, turned, atol=3e-7)  # 1e-10 of the radius; dense output is of order 7


@pytest.mark.parametrize(("name", "ratio"), [("ryugu", 1.6), ("eros", 1.5)])
def test_the_jacobi_integral_is_constant_over_ten_spins(name: str, ratio: float) -> None:
    body = load_body(name)
    where, (position, velocity) = surroundings(body), orbit(body, ratio=ratio)
    spins = 10.0 * 2.0 * math.pi / body.spin_rate
    arc = coast(body, position, velocity, time_limit=spins, tolerance=1e-12)
    assert arc.reason == "time"
    ends = slice(None, None, 160)
    jacobi = where.jacobi(arc.positions_a[ends], arc.velocities_a[ends])
    assert np.abs(jacobi / jacobi[0] - 1.0).max() < 1e-9  # the required bound


@pytest.mark.parametrize("name", ["ryugu", "eros"])
def test_both_frames_give_the_same_path(name: str) -> None:
    body = load_body(name)
    position, velocity = orbit(body, ratio=1.6)
    spins = 2.0 * 2.0 * math.pi / body.spin_rate
    arcs = [coast(body, position, velocity, time_limit=spins, tolerance=1e-11, frame=f) for f in ("a", "i")]
    apart = np.linalg.norm(arcs[0].position_a - arcs[1].position_a)
    assert apart < 1e-7 * np.linalg.norm(position)  # the required bound


def test_both_frames_find_the_same_contact() -> None:
    body = load_body("ryugu")
    position, velocity = above_the_ground(body, speed=0.1)
    arcs = [coast(body, position, velocity, time_limit=1e5, tolerance=1e-10, frame=f) for f in ("a", "i")]
    assert arcs[0].reason == arcs[1].reason == "contact"
    np.testing.assert_allclose(arcs[0].position_a, arcs[1].position_a, atol=4.5e-5)  # 1e-7 of the radius
    np.testing.assert_allclose(arcs[0].velocity_a, arcs[1].velocity_a, atol=1e-7)
    np.testing.assert_array_equal(arcs[0].normal_a, arcs[1].normal_a)


# Case 8: the synchronous radius.


@pytest.mark.parametrize(("name", "radius"), [("bennu", 309.5), ("ryugu", 831.0), ("eros", 15970.0)])
def test_at_the_synchronous_radius_a_point_mass_lets_a_body_hover(name: str, radius: float) -> None:
    body = load_body(name)
    assert body.synchronous_radius == pytest.approx(radius, rel=6e-4)  # the reference has three or four digits
    still = np.array([body.synchronous_radius, 0.0, 0.0])
    where = point_mass(body.gm, body.spin_rate)
    arc = coast(where, still, np.zeros(3), time_limit=2.0 * math.pi / body.spin_rate)
    np.testing.assert_allclose(arc.position_a, still, atol=1e-6 * radius)  # tolerance 1e-8 a step, over one turn


# Case 9: bouncing at 1e-6 g.


@pytest.mark.parametrize(
    ("restitution", "apex", "first", "total"),
    [(0.3, 45.872, 6116.2, 8737.4), (0.5, 127.421, 10193.7, 20387.4)],
)
def test_bouncing_at_a_millionth_of_g(restitution: float, apex: float, first: float, total: float) -> None:
    run = bounce(plane(), np.zeros(3), [0.0, 0.0, -0.1], restitution=restitution, friction=0.5, time_limit=1e6)
    assert run.reason == "rest"
    assert run.apex_heights[0] == pytest.approx(apex, abs=6e-4)  # the reference has three digits after the point
    assert run.arcs[0].duration == pytest.approx(first, abs=0.06)
    assert run.total_time == pytest.approx(total, abs=0.06)
    # All bounces, those not flown included: the closed form of the whole series, to rounding.
    assert run.total_time == pytest.approx(2.0 * restitution * 0.1 / (MICRO * (1.0 - restitution)), rel=1e-12)
    assert len(run.impacts) < 20
    speeds = np.array([impact.speed_before for impact in run.impacts])
    np.testing.assert_allclose(speeds, 0.1 * restitution ** np.arange(len(speeds)), rtol=1e-12)


def test_a_nearly_perfect_ball_still_comes_to_rest() -> None:
    begun = time.perf_counter()
    run = bounce(plane(), np.zeros(3), [0.01, 0.0, -0.1], restitution=0.99, friction=0.0, time_limit=1e9)
    assert run.reason == "time"  # nothing stops the slide
    assert run.arcs[-1].duration > 0.0
    assert run.slide > 0.0
    assert time.perf_counter() - begun < 10.0  # Zeno is not followed: some thousand bounces of a tenth of a millisecond
    run = bounce(plane(), np.zeros(3), [0.0, 0.0, -0.1], restitution=0.99, friction=0.0, time_limit=1e9)
    assert run.reason == "rest"
    assert run.total_time == pytest.approx(2.0 * 0.99 * 0.1 / (MICRO * 0.01), rel=1e-10)  # a thousand sums


def test_a_perfect_ball_bounces_until_the_time_is_up() -> None:
    run = bounce(plane(), np.zeros(3), [0.0, 0.0, -0.1], restitution=1.0, friction=0.0, time_limit=1e5)
    assert (run.reason, run.total_time, len(run.impacts)) == ("time", 1e5, 5)
    np.testing.assert_allclose(run.apex_heights[:4], 0.01 / (2.0 * MICRO), rtol=1e-12)


def test_a_tenth_of_a_millimetre_per_second_is_not_rest() -> None:
    slow = 1e-4
    hop = bounce(plane(), np.zeros(3), [0.0, 0.0, slow], restitution=0.5, friction=0.6, time_limit=1e6)
    assert hop.arcs[0].duration == pytest.approx(2.0 * slow / MICRO, rel=1e-12)  # 20 s
    assert hop.apex_heights[0] == pytest.approx(slow**2 / (2.0 * MICRO), rel=1e-12)  # half a millimetre
    slid = bounce(plane(), np.zeros(3), [slow, 0.0, 0.0], restitution=0.5, friction=0.6, time_limit=1e6)
    assert slid.reason == "rest"
    assert slid.total_time == pytest.approx(slow / (0.6 * MICRO), rel=1e-12)  # 17 s
    assert slid.position_a[0] == pytest.approx(slow**2 / (2.0 * 0.6 * MICRO), rel=1e-12)
    smooth = bounce(plane(), np.zeros(3), [slow, 0.0, 0.0], restitution=0.5, friction=0.0, time_limit=1e4)
    assert smooth.reason == "time"
    assert smooth.position_a[0] == pytest.approx(1.0, rel=1e-9)


def test_bounces_on_ryugu_end_at_rest_on_its_ground() -> None:
    body = load_body("ryugu")
    position, velocity = above_the_ground(body, speed=0.05)
    run = bounce(body, position, velocity, restitution=0.4, friction=0.6, time_limit=1e6)
    assert run.reason == "rest"
    assert body.surface().height(run.position_a) == pytest.approx(0.0, abs=1e-6)
    assert not run.velocity_a.any()
    for impact in run.impacts:
        assert body.surface().height(impact.position_a) == pytest.approx(0.0, abs=1e-6)
        assert impact.speed_after <= impact.speed_before
    lost = [surroundings(body).jacobi(arc.position_a, arc.velocity_a) for arc in run.arcs]
    assert all(after < before for before, after in pairwise(lost))


def test_a_point_on_a_steep_slope_slides_until_friction_is_enough() -> None:
    """On bare Ryugu facets, without friction, nothing rests that is not in a pit; with much friction it stays."""
    body = load_body("ryugu")
    position, _ = above_the_ground(body)
    stays = bounce(body, position, np.zeros(3), restitution=0.0, friction=5.0, time_limit=1e4)
    assert stays.reason == "rest"
    assert stays.travel < 1e-6
    slides = bounce(body, position, np.zeros(3), restitution=0.0, friction=0.0, time_limit=1000.0)
    assert slides.reason == "time"
    assert slides.travel > 0.1
    start, end = (
        surroundings(body).jacobi(p, v) for p, v in ((position, np.zeros(3)), (slides.position_a, slides.velocity_a))
    )
    assert end <= start + 1e-9 * abs(start)  # nothing drives it but gravity and spin


@pytest.mark.parametrize(("restitution", "friction"), [(0.0, 0.0), (0.7, 0.0), (0.3, 0.4)])
def test_bouncing_and_sliding_never_gain_energy(restitution: float, friction: float) -> None:
    body = load_body("bennu")
    surface, where, rng = body.surface(), surroundings(body), np.random.default_rng(8)
    for _ in range(3):
        ray = rng.standard_normal(3)
        velocity = 0.02 * rng.standard_normal(3)
        start = surface.point(ray)
        run = bounce(body, start, velocity, restitution=restitution, friction=friction, time_limit=20_000.0)
        states = [(start, velocity), *((arc.position_a, arc.velocity_a) for arc in run.arcs)]
        states.append((run.position_a, run.velocity_a))
        energy = np.array([where.jacobi(position, speed) for position, speed in states])
        # A flight keeps it to the tolerance of 1e-6 a step, an impact or a slide may only lose.
        assert np.diff(energy).max() <= 1e-6 * abs(energy[0])
        assert float(surface.height(run.position_a)) > -1e-6


@pytest.mark.parametrize("downhill", [1.0, -1.0])
def test_a_slide_on_a_facet_ends_where_friction_has_used_its_energy(downhill: float) -> None:
    body, friction, speed = load_body("ryugu"), 0.9, 1e-3
    position, normal = above_the_ground(body)[0], body.surface().normal(np.array([1.0, 0.3, 0.2]))
    pull = surroundings(body).gravity(position)
    weight, along = -float(pull @ normal), pull + float(-pull @ normal) * normal
    slope = float(np.linalg.norm(along))
    run = bounce(body, position, downhill * speed * along / slope, restitution=0.0, friction=friction, time_limit=1e5)
    assert run.reason == "rest"
    # Coriolis acceleration is 2 w v / g = 3e-3 of the weight, and the contact is seen 1e-9 m deep.
    assert run.slide == pytest.approx(speed**2 / (2.0 * (friction * weight - downhill * slope)), rel=0.01)


def test_a_rebound_never_gains_energy_and_keeps_to_the_friction_cone() -> None:
    rng = np.random.default_rng(3)
    for _ in range(500):
        velocity, normal = rng.standard_normal(3), rng.standard_normal(3)
        normal /= np.linalg.norm(normal)
        restitution, friction = rng.uniform(), 2.0 * rng.uniform()
        after = rebound(velocity, normal, restitution=restitution, friction=friction)
        assert after @ after <= (velocity @ velocity) * (1.0 + 1e-15)
        kick = after - velocity
        across = kick @ normal
        along = np.linalg.norm(kick - across * normal)
        assert across >= 0.0
        assert along <= friction * across + 1e-15
        assert (velocity - after) @ (velocity - (velocity @ normal) * normal) >= -1e-15


# Case 10: Clohessy and Wiltshire.


def test_relative_motion_of_two_orbits_is_that_of_clohessy_and_wiltshire() -> None:
    gm, radius, offset = 4.892, 1000.0, 1e-3
    rate = math.sqrt(gm / radius**3)
    where, period = point_mass(gm), 2.0 * math.pi / math.sqrt(gm / radius**3)

    def after_one_orbit(x0: float) -> np.ndarray:
        """Offset in the turning frame of the first orbit, released at rest in it."""
        here = np.array([radius + x0, 0.0, 0.0])
        arc = coast(where, here, [0.0, rate * (radius + x0), 0.0], time_limit=period, tolerance=1e-13)
        return arc.position_a - np.array([radius, 0.0, 0.0])

    def drift(x0: float) -> float:
        """Along the first orbit [m]: the angle times its radius, because a straight offset bends away from it."""
        x, y, _ = after_one_orbit(x0)
        return radius * math.atan2(y, radius + x)

    small = after_one_orbit(offset)
    # The next term is offset / radius = 1e-6 of it with a factor of some ten; rounding 1e-10 m of 4e-2 m.
    assert small[1] / offset == pytest.approx(-12.0 * math.pi, rel=1e-4)
    assert 10.0 * small[1] / offset == pytest.approx(-376.99, abs=0.04)
    assert small[0] / offset == pytest.approx(1.0, abs=1e-3)
    # The full difference at 10 m agrees to first order: what is left halves with the offset.
    left = [drift(x) / (-12.0 * math.pi * x) - 1.0 for x in (10.0, 5.0, 2.5)]
    assert abs(left[0]) < 0.05
    assert left[0] / left[1] == pytest.approx(2.0, rel=0.05)
    assert left[1] / left[2] == pytest.approx(2.0, rel=0.03)


# Case 12: the reaction hop.


@pytest.mark.parametrize("angle_deg", [20.0, 45.0, 70.0])
def test_a_reaction_hop_has_its_range(angle_deg: float) -> None:
    speed, angle = 0.05, math.radians(angle_deg)
    arc = coast(plane(1e-5), np.zeros(3), speed * np.array([math.cos(angle), 0.0, math.sin(angle)]), time_limit=1e6)
    assert arc.reason == "contact"
    assert arc.position_a[0] == pytest.approx(speed**2 * math.sin(2.0 * angle) / 1e-5, rel=1e-12)
    assert arc.apex_a[2] == pytest.approx((speed * math.sin(angle)) ** 2 / 2e-5, rel=1e-12)


@pytest.mark.parametrize("friction", [0.3, 0.6, 0.8])
def test_the_friction_cone_limits_the_angle_of_a_hop(friction: float) -> None:
    """An impulse J on the robot is the ground's: along the ground at most friction times across it.

    So a push-off can leave no flatter than 90 degrees less the friction angle, and an impact turned back by the ground
    as well: whatever speed along the ground is asked for, friction and the same impulse across take or give that much.
    """
    steep = math.pi / 2.0 - math.atan(friction)
    across = 0.02
    pushed = -rebound(np.array([10.0, 0.0, -across]), np.array([0.0, 0.0, 1.0]), restitution=0.0, friction=friction)
    gained = pushed + np.array([10.0, 0.0, 0.0])  # what the ground gave along it, against a huge slip
    launch = np.array([gained[0], 0.0, across])
    assert math.atan2(launch[2], launch[0]) == pytest.approx(steep, rel=1e-12)
    arc = coast(plane(), np.zeros(3), launch, time_limit=1e6)
    speed = float(np.linalg.norm(launch))
    assert arc.position_a[0] == pytest.approx(speed**2 * math.sin(2.0 * steep) / MICRO, rel=1e-12)


# Contacts.


def test_a_contact_with_a_mesh_is_on_it_and_is_the_first() -> None:
    body = load_body("ryugu")
    surface, rng = body.surface(), np.random.default_rng(5)
    for _ in range(12):
        ray = rng.standard_normal(3)
        position, normal = surface.point(ray), surface.normal(ray)
        velocity = 0.03 * normal + 0.02 * rng.standard_normal(3)
        if velocity @ normal <= 0.0:
            continue
        arc = coast(body, position, velocity, time_limit=1e5)
        assert arc.reason == "contact"
        assert abs(float(surface.height(arc.position_a))) < 1e-6
        assert (surface.height(arc.positions_a[1:-1]) > 0.0).all()
        # Before the contact it is above, after it it would be under.
        further = arc.position_a + np.outer([-1e-3, 1e-3], arc.velocity_a / np.linalg.norm(arc.velocity_a))
        above, under = surface.height(further)
        assert above > 0.0 > under


def test_a_flight_along_a_sphere_of_facets_misses_nothing() -> None:
    """Fast and flat over an ellipsoid: the contact is where a fine sampling of the path has it."""
    body = load_body("bennu")
    surface = body.surface()
    position = np.array([265.0, 0.0, 0.0])
    arc = coast(body, position, [0.0, -0.05, 0.0], time_limit=1e5)
    assert arc.reason == "contact"
    fine = coast(replace(surroundings(body), surface=None), position, [0.0, -0.05, 0.0], time_limit=arc.duration)
    assert (surface.height(fine.positions_a[:-1]) > 0.0).all()
    assert surface.height(fine.position_a) == pytest.approx(0.0, abs=1e-5)  # tolerance 1e-8 of 250 m, twice


def test_a_start_into_the_ground_is_a_contact_at_once() -> None:
    body = load_body("ryugu")
    position, velocity = above_the_ground(body, speed=0.1)
    arc = coast(body, position, -velocity, time_limit=10.0)
    assert (arc.reason, arc.duration, arc.num_evaluations) == ("contact", 0.0, 0)
    np.testing.assert_array_equal(arc.normal_a, body.surface().normal(position))


def test_above_escape_speed_it_leaves_and_below_it_returns() -> None:
    body = load_body("bennu")
    position = np.array([0.0, 0.0, 229.27])
    speed = math.sqrt(2.0 * float(body.field().potential(position)))
    leaves = coast(body, position, [0.0, 0.0, 1.01 * speed], time_limit=1e7)
    assert leaves.reason == "escape"
    returns = coast(body, position, [0.0, 0.0, 0.95 * speed], time_limit=1e7)
    assert returns.reason == "contact"
    gone = bounce(body, position, [0.0, 0.0, -1.2 * speed], restitution=1.0, friction=0.0, time_limit=1e7)
    assert (gone.reason, len(gone.impacts)) == ("escape", 1)


def test_without_gravity_a_point_flies_straight() -> None:
    arc = coast(plane(0.0), [0.0, 0.0, 2.0], [0.1, 0.0, -0.2], time_limit=100.0)
    assert (arc.reason, arc.duration) == ("contact", 10.0)
    np.testing.assert_allclose(arc.position_a, [1.0, 0.0, 0.0], atol=1e-15)
    assert coast(plane(0.0), [0.0, 0.0, 2.0], [0.1, 0.0, 0.2], time_limit=100.0).reason == "time"


def test_the_same_start_gives_the_same_bits() -> None:
    body = load_body("ryugu")
    position, velocity = above_the_ground(body, speed=0.02)
    runs = [bounce(body, position, velocity, restitution=0.5, friction=0.4, time_limit=1e5) for _ in range(2)]
    assert runs[0].total_time == runs[1].total_time
    np.testing.assert_array_equal(runs[0].position_a, runs[1].position_a)
    first: Arc = runs[0].arcs[0]
    np.testing.assert_array_equal(first.positions_a, runs[1].arcs[0].positions_a)


def test_an_hour_above_ryugu_takes_few_evaluations() -> None:
    body = load_body("ryugu")
    position, velocity = above_the_ground(body, speed=0.15)
    arc = coast(body, position, velocity, time_limit=1e5)
    assert arc.reason == "contact"
    assert arc.duration > 3000.0
    assert arc.num_evaluations < 300  # 1.8 million steps of 2 ms in an hour; 300 x 0.2 ms are 60 ms
    exact = coast(body, position, velocity, time_limit=1e5, tolerance=1e-12)
    assert np.linalg.norm(arc.position_a - exact.position_a) < 1e-5  # 2e-8 of the radius
