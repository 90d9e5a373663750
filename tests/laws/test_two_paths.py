# SPDX-License-Identifier: Apache-2.0
"""The standing test: the fused kernel and the MuJoCo path fly the same flight, to 1e-8 m after 500 physics steps."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stope.base.rotation import random_quaternions
from stope.world import plant as p
from stope.world.batch import World
from stope.world.robots import load_robot
from stope.world.site import make_site
from tests.builders import Place, drawn_theta, linear_grid, make_world, place_at

NUM = 24
NUM_PHYSICS_STEPS = 500
SPINNING = Place(
    grid=linear_grid([1e-4, 0.0, -2e-4], -1e-3 * np.eye(3)),
    spin_l=np.array([0.02, -0.01, 0.03]),
    position_l0=np.array([5.0, 8.0, -3.0]),
)


@cache
def pair(dt: float) -> tuple[World, World]:
    """Two batches of 24 worlds, each spread over the same four places."""
    robot = load_robot("bee-gas")
    sites = (
        make_site("ryugu", latitude_deg=30.0, height=6.0),
        make_site("ryugu", latitude_deg=-55.0, longitude_deg=130.0, height=2.0),
        make_site("iss-cabin"),
        SPINNING,
    )
    theta = drawn_theta(robot, NUM, np.random.default_rng(0))
    index = np.arange(NUM) % len(sites)
    fused, mujoco = (make_world(sites, theta, dt=dt, engine=e, site_index=index) for e in ("fused", "mujoco"))
    assert fused.is_fused
    assert not mujoco.is_fused
    return fused, mujoco


@pytest.mark.parametrize("dt", [0.05, 0.04, 0.1])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_both_paths_fly_the_same_flight(dt: float, seed: int) -> None:
    fused, mujoco = pair(dt)
    rng = np.random.default_rng(seed)
    theta = drawn_theta(load_robot("bee-gas"), NUM, rng)
    wheels = rng.normal(0.0, 0.02, (NUM, 3)), rng.normal(0.0, 1e-3, (NUM, 3))
    first = {
        "position": rng.uniform(-3.0, 3.0, (NUM, 3)),
        "attitude": random_quaternions(rng, NUM),
        "velocity": rng.normal(0.0, 0.05, (NUM, 3)),
        "rate": rng.normal(0.0, 0.1, (NUM, 3)),
    }
    per_period = round(0.2 / dt)
    actions = rng.uniform(-1.2, 1.2, (NUM_PHYSICS_STEPS // per_period, NUM, 6))
    for world in (fused, mujoco):
        world.set_theta(theta)
        world.state[:] = p.initial_state(NUM, robot=world.robot)
        world.state[:, p.WHEEL : p.WHEEL + 3], world.state[:, p.WHEEL_TORQUE : p.WHEEL_TORQUE + 3] = wheels
        place_at(world, **first)
        world._counts[:] = 0  # the jitter of the cabin starts anew
        for action in actions:
            world.step(action)
    assert np.linalg.norm(fused.position_l - first["position"], axis=1).max() > 0.5
    np.testing.assert_allclose(mujoco.position_l, fused.position_l, rtol=0.0, atol=1e-8)  # as promised
    # The same scheme of the same equations about another point (base or centre of mass): rounding, and what the scheme
    # itself is off by; rates come to 1 rad/s, so the attitude may differ by as much as the position.
    np.testing.assert_allclose(mujoco.velocity_l, fused.velocity_l, rtol=0.0, atol=1e-8)
    np.testing.assert_allclose(mujoco.q_lb, fused.q_lb, rtol=0.0, atol=1e-8)
    np.testing.assert_allclose(mujoco.rate_b, fused.rate_b, rtol=0.0, atol=1e-8)
    # Actuation is the same code in both.
    np.testing.assert_array_equal(mujoco.state[:, p.THRUST : p.WHEEL], fused.state[:, p.THRUST : p.WHEEL])
    np.testing.assert_allclose(mujoco.state[:, p.WHEEL :], fused.state[:, p.WHEEL :], rtol=0.0, atol=1e-15)


def test_gravity_spin_and_place_differ_within_one_batch() -> None:
    fused, _ = pair(0.05)
    np.testing.assert_array_equal(fused.plant[0, p.SPIN : p.SPIN + 3], fused.table.sites[0].spin_l)
    rows = fused.plant[:4]
    assert len(np.unique(rows[:, p.SPIN : p.SPIN + 3], axis=0)) == 4
    assert len(np.unique(rows[:, p.GRID_OFFSET])) == 4
    np.testing.assert_array_equal(rows[:, p.JITTER], [0.0, 0.0, 2.0e-4, 0.0])


@pytest.mark.parametrize("path", [0, 1], ids=["fused", "mujoco"])
def test_each_world_falls_as_its_own_place_makes_it(path: int) -> None:
    world = pair(0.05)[path]
    world.set_theta(drawn_theta(load_robot("bee-gas"), NUM, np.random.default_rng(1)) * 1.0)
    rows = world.plant.copy()
    rows[:, p.RESIDUAL : p.RESIDUAL + 3], rows[:, p.DRAG], rows[:, p.COM : p.COM + 3] = 0.0, 0.0, 0.0
    rows[:, p.JITTER] = 0.0
    world.set_plant(rows, np.arange(NUM))
    world.state[:] = p.initial_state(NUM, robot=world.robot)
    world.push_state()
    world.step(np.zeros((NUM, 6)))
    for k, site in enumerate(world.table.sites):
        spin, centre = site.spin_l, site.position_l0
        expected = site.grid.acceleration(np.zeros(3)) - np.cross(spin, np.cross(spin, centre))
        # Coriolis over 0.2 s: 2 x 0.04 rad/s x 0.2 s = 1.5 % where the frame spins fast, 1e-4 on Ryugu.
        np.testing.assert_allclose(world.velocity_l[k] / 0.2, expected, atol=0.02 * float(np.linalg.norm(expected)))
