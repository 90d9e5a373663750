# SPDX-License-Identifier: Apache-2.0
"""Turning the whole scene, or counting positions from another origin, changes nothing (physics.md section 7, 16)."""

from __future__ import annotations

import numpy as np
import pytest

from stope.base.rotation import from_matrix, multiply, random_quaternions, to_matrix
from stope.world.batch import World
from stope.world.robots import load_robot
from tests.builders import ENGINES, Place, default_theta, drawn_theta, linear_grid, make_world, place_at

NUM = 6
NUM_CONTROL_STEPS = 300
GRAVITY = np.array([2e-4, -1e-4, -1.3e-4])
GRADIENT = np.array([[-2e-6, 1e-6, 0.0], [1e-6, -3e-6, 5e-7], [0.0, 5e-7, 5e-6]])
SPIN = np.array([1e-3, -2e-3, 3e-3])
CENTRE = np.array([300.0, -200.0, 250.0])


def start(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "position": rng.uniform(-3.0, 3.0, (NUM, 3)),
        "attitude": random_quaternions(rng, NUM),
        "velocity": rng.normal(0.0, 0.05, (NUM, 3)),
        "rate": rng.normal(0.0, 0.1, (NUM, 3)),
    }


def fly(world: World, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(NUM_CONTROL_STEPS):
        world.step(rng.uniform(-1.0, 1.0, (NUM, 6)))


@pytest.mark.parametrize("engine", ENGINES)
def test_turning_the_whole_scene_turns_the_flight(engine: str) -> None:
    robot = load_robot("bee-gas")
    theta = drawn_theta(robot, NUM, np.random.default_rng(1))
    turn = to_matrix(random_quaternions(np.random.default_rng(2), 1)[0])
    turned = theta.copy()
    turned[:, -3:] = theta[:, -3:] @ turn.T  # the residual acceleration has components in l
    place = Place(grid=linear_grid(GRAVITY, GRADIENT), spin_l=SPIN, position_l0=CENTRE)
    other = Place(
        grid=linear_grid(turn @ GRAVITY, turn @ GRADIENT @ turn.T), spin_l=turn @ SPIN, position_l0=turn @ CENTRE
    )
    still, moved = make_world(place, theta, engine=engine), make_world(other, turned, engine=engine)
    first = start(3)
    place_at(still, **first)
    place_at(moved, position=first["position"] @ turn.T, attitude=multiply(from_matrix(turn), first["attitude"]),
             velocity=first["velocity"] @ turn.T, rate=first["rate"])  # fmt: skip
    fly(still, 4)
    fly(moved, 4)
    assert np.linalg.norm(still.position_l - first["position"], axis=1).min() > 1.0
    # Rounding: the gravity table is turned with 1e-16 of its size, 1200 steps; far below the asked 1e-6 m.
    np.testing.assert_allclose(moved.position_l, still.position_l @ turn.T, atol=1e-10)
    np.testing.assert_allclose(moved.velocity_l, still.velocity_l @ turn.T, atol=1e-11)
    np.testing.assert_allclose(moved.rate_b, still.rate_b, atol=1e-11)
    expected = multiply(from_matrix(turn), still.q_lb)
    np.testing.assert_allclose(np.abs(np.sum(moved.q_lb * expected, axis=1)), 1.0, atol=1e-11)


@pytest.mark.parametrize("engine", ENGINES)
def test_counting_positions_from_an_origin_a_thousand_kilometres_away_changes_nothing(engine: str) -> None:
    theta = drawn_theta(load_robot("bee-gas"), NUM, np.random.default_rng(1))
    shift = np.array([1.0e6, -1.0e6, 1.0e6])
    place = Place(grid=linear_grid(GRAVITY, GRADIENT), spin_l=SPIN, position_l0=CENTRE)
    # The same field and the same spin axis, with the origin of l moved by -shift.
    other = Place(grid=linear_grid(GRAVITY, GRADIENT, centre_l=shift), spin_l=SPIN, position_l0=CENTRE - shift)
    near, far = make_world(place, theta, engine=engine), make_world(other, theta, engine=engine)
    first = start(5)
    place_at(near, **first)
    place_at(far, **{**first, "position": first["position"] + shift})
    fly(near, 6)
    fly(far, 6)
    assert np.linalg.norm(near.position_l - first["position"], axis=1).min() > 1.0
    # A double holds 1e6 m to 1.2e-10 m; single precision would hold 0.06 m.
    gap = far.position_l - shift - near.position_l
    assert np.abs(gap).max() < 1e-6
    np.testing.assert_allclose(far.velocity_l, near.velocity_l, atol=1e-7)
    np.testing.assert_allclose(far.rate_b, near.rate_b, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_robot_scaled_in_mass_and_thrust_flies_the_same(engine: str) -> None:
    """Mass and thrust gain are only ever seen as a ratio: what no flight can tell apart."""
    robot = load_robot("bee-gas")
    light = default_theta(robot, NUM, payload=0.0, drag=0.0)
    heavy = light.copy()
    heavy[:, 0] *= 1.5
    heavy[:, 10:16] *= 1.5  # the inertia is the log-Cholesky factor times the mass
    a, b = make_world(theta=light, engine=engine), make_world(theta=heavy, engine=engine)
    for world in (a, b):
        place_at(world, **start(7))
        fly(world, 8)
    np.testing.assert_allclose(a.position_l, b.position_l, atol=1e-11)
    np.testing.assert_allclose(a.rate_b, b.rate_b, atol=1e-12)
