# SPDX-License-Identifier: Apache-2.0
"""Impacts on rock: momentum is kept, energy never grows, known results at one point (physics.md section 7, 3)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stope.base.errors import RangeError
from stope.base.rotation import random_quaternions, to_matrix
from stope.world.rock_contact import Rigid, collide, strike_ground

UP = np.array([0.0, 0.0, 1.0])


def tumbling(rng: np.random.Generator, *, at: np.ndarray) -> Rigid:
    """A body of random mass, inertia and motion whose centre is near a point."""
    turn = to_matrix(random_quaternions(rng, 1)[0])
    a, b = rng.uniform(0.1, 2.0, 2)
    principal = np.array([a, b, rng.uniform(abs(a - b) + 0.01, a + b)])  # a body may have these
    mass = float(np.exp(rng.uniform(-3.0, 3.0)))
    return Rigid(
        mass=mass, inertia=mass * turn @ np.diag(principal) @ turn.T, position=at + rng.normal(0.0, 0.5, 3),
        velocity=rng.normal(0.0, 1.0, 3), rate=rng.normal(0.0, 2.0, 3),
    )  # fmt: skip


def ball(velocity: list[float], rate: list[float] | None = None, *, position: float = 0.5) -> Rigid:
    """A solid ball of 2 kg and 0.5 m."""
    spin = np.zeros(3) if rate is None else np.array(rate)
    return Rigid(mass=2.0, inertia=0.4 * 2.0 * 0.25 * np.eye(3), position=position * UP,
                 velocity=np.array(velocity), rate=spin)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), num=st.integers(1, 6), restitution=st.floats(0.0, 1.0),
       friction=st.floats(0.0, 3.0))  # fmt: skip
def test_a_collision_keeps_momentum_and_gains_no_energy(
    seed: int, num: int, restitution: float, friction: float
) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(0.0, 0.3, (num, 3))
    normals = rng.standard_normal((num, 3)) if seed % 2 else np.tile(rng.standard_normal(3), (num, 1))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    before = tumbling(rng, at=normals[0]), tumbling(rng, at=-normals[0])
    after = collide(*before, points=points, normals=normals, restitution=restitution, friction=friction)
    momentum = [sum(b.momentum for b in pair) for pair in (before, after)]
    turning = [sum(b.angular_momentum for b in pair) for pair in (before, after)]
    size = sum(float(np.linalg.norm(b.momentum)) for b in before)
    spin = sum(float(np.linalg.norm(b.angular_momentum)) for b in before)
    np.testing.assert_allclose(momentum[1], momentum[0], atol=1e-12 * size)  # the required bound
    np.testing.assert_allclose(turning[1], turning[0], atol=1e-8 * spin)  # the required bound
    energy = [sum(b.kinetic_energy for b in pair) for pair in (before, after)]
    assert energy[1] <= energy[0] * (1.0 + 1e-12)  # rounding of some hundred increments


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), num=st.integers(1, 8), restitution=st.floats(0.0, 1.0),
       friction=st.floats(0.0, 3.0))  # fmt: skip
def test_ground_takes_energy_and_turns_the_approach_round(
    seed: int, num: int, restitution: float, friction: float
) -> None:
    rng = np.random.default_rng(seed)
    body = tumbling(rng, at=0.5 * UP)
    points = rng.uniform(-0.5, 0.5, (num, 3)) * [1.0, 1.0, 0.0]
    after = strike_ground(body, points=points, normals=UP, restitution=restitution, friction=friction)
    assert after.kinetic_energy <= body.kinetic_energy * (1.0 + 1e-12)
    speeds = (after.velocity + np.cross(after.rate, points - body.position))[:, 2]
    if restitution < 0.9:  # nearer to 1 the impacts of several points may be cut short
        assert speeds.min() > -1e-6 * math.sqrt(2.0 * body.kinetic_energy / body.mass + 1.0)
    push = body.mass * (after.velocity - body.velocity)
    assert push[2] >= 0.0
    assert np.hypot(push[0], push[1]) <= friction * push[2] * (1.0 + 1e-9) + 1e-12


@pytest.mark.parametrize("restitution", [0.0, 0.3, 0.7, 1.0])
def test_a_central_impact_has_newtons_result(restitution: float) -> None:
    after = strike_ground(ball([0.0, 0.0, -0.2]), points=np.zeros(3), normals=UP, restitution=restitution, friction=0.6)
    np.testing.assert_allclose(after.velocity, [0.0, 0.0, 0.2 * restitution], atol=1e-15)
    one, other = ball([0.0, 0.0, -1.0]), ball([0.0, 0.0, 0.0], position=-0.5)
    a, b = collide(one, other, points=np.zeros(3), normals=UP, restitution=restitution, friction=0.6)
    assert a.velocity[2] == pytest.approx(-0.5 * (1.0 - restitution), abs=1e-15)
    assert b.velocity[2] == pytest.approx(-0.5 * (1.0 + restitution), abs=1e-15)


def test_a_ball_slides_or_grips_as_routh_says() -> None:
    # A ball that grips leaves with 5/7 of its speed along the ground and rolls; one that slides loses mu (1 + e) v.
    gripped = strike_ground(ball([0.1, 0.0, -1.0]), points=np.zeros(3), normals=UP, restitution=0.5, friction=0.6)
    np.testing.assert_allclose(gripped.velocity, [0.1 * 5.0 / 7.0, 0.0, 0.5], atol=1e-14)
    np.testing.assert_allclose(gripped.rate, [0.0, gripped.velocity[0] / 0.5, 0.0], atol=1e-14)
    slid = strike_ground(ball([3.0, 4.0, -1.0]), points=np.zeros(3), normals=UP, restitution=0.5, friction=0.2)
    np.testing.assert_allclose(slid.velocity, [3.0 - 0.3 * 0.6, 4.0 - 0.3 * 0.8, 0.5], rtol=1e-13)
    # Spin turns back what comes straight down, and slip that is already rolling feels no friction.
    spun = strike_ground(ball([0.0, 0.0, -1.0], [0.0, 1.0, 0.0]), points=np.zeros(3), normals=UP, restitution=0.5,
                         friction=0.6)  # fmt: skip
    assert spun.velocity[0] == pytest.approx(0.5 * 2.0 / 7.0, rel=1e-13)
    rolling = ball([0.5, 0.0, -1.0], [0.0, 1.0, 0.0])
    kept = strike_ground(rolling, points=np.zeros(3), normals=UP, restitution=0.5, friction=0.6)
    np.testing.assert_allclose(kept.velocity, [0.5, 0.0, 0.5], atol=1e-14)


def test_the_energy_given_back_without_friction_is_the_square_of_the_restitution() -> None:
    """A rod that lands on its end: with no friction the compressed energy is that of the approach of the point."""
    rod = Rigid(mass=3.0, inertia=np.diag([0.25, 0.25, 0.01]), position=np.array([0.3, 0.0, 0.4]),
                velocity=np.array([0.0, 0.0, -1.0]), rate=np.array([0.0, 0.4, 0.0]))  # fmt: skip
    approach = rod.velocity[2] + np.cross(rod.rate, -rod.position)[2]
    effective = 1.0 / (1.0 / 3.0 + 0.3**2 / 0.25)
    for e in (0.0, 0.4, 1.0):
        after = strike_ground(rod, points=np.zeros(3), normals=UP, restitution=e, friction=0.0)
        lost = rod.kinetic_energy - after.kinetic_energy
        assert lost == pytest.approx(0.5 * effective * approach**2 * (1.0 - e * e), abs=1e-14)
        assert (after.velocity + np.cross(after.rate, -rod.position))[2] == pytest.approx(-e * approach, abs=1e-14)


def test_a_flat_landing_of_a_box_stays_flat() -> None:
    corners = np.array([[x, y, 0.0] for x in (-0.2, 0.2) for y in (-0.1, 0.1)])
    box = Rigid(mass=10.0, inertia=np.diag([0.2, 0.3, 0.4]), position=0.1 * UP,
                velocity=np.array([0.0, 0.0, -0.1]), rate=np.zeros(3))  # fmt: skip
    after = strike_ground(box, points=corners, normals=UP, restitution=0.4, friction=0.6)
    np.testing.assert_allclose(after.velocity, [0.0, 0.0, 0.04], atol=1e-15)
    np.testing.assert_allclose(after.rate, 0.0, atol=1e-14)


def test_what_no_contact_can_have_is_refused() -> None:
    with pytest.raises(RangeError, match=r"restitution = 1\.2: expected 0 to 1\."):
        strike_ground(ball([0.0, 0.0, -1.0]), points=np.zeros(3), normals=UP, restitution=1.2, friction=0.6)
    with pytest.raises(RangeError, match=r"friction = -0\.1: expected a finite number, 0 or more\."):
        strike_ground(ball([0.0, 0.0, -1.0]), points=np.zeros(3), normals=UP, restitution=0.2, friction=-0.1)
    with pytest.raises(RangeError, match=r"normals: expected unit vectors\."):
        strike_ground(ball([0.0, 0.0, -1.0]), points=np.zeros(3), normals=2.0 * UP, restitution=0.2, friction=0.1)
    with pytest.raises(RangeError, match=r"body 1\.velocity = \[nan, 0\.0, 0\.0\]: expected finite numbers"):
        strike_ground(ball([math.nan, 0.0, 0.0]), points=np.zeros(3), normals=UP, restitution=0.2, friction=0.1)
