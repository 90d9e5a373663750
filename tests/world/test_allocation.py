# SPDX-License-Identifier: Apache-2.0
"""Allocation: under a true belief a robot accelerates as wanted."""

from __future__ import annotations

import numpy as np
import pytest

from stope.base.rotation import random_quaternions, rotate, rotate_inverse
from stope.world import plant as p
from stope.world.allocation import Allocation
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import load_robot, robot_names
from tests.builders import Place, com_state, make_world, place_at

NUM = 50
LAG = index_of("lag")


ONE_BODY = tuple(n for n in robot_names() if load_robot(n).articulation is None)
"""Robots that the fused kernel flies; what links and joints add is not in the belief."""


@pytest.mark.parametrize("name", ONE_BODY)
def test_under_a_true_belief_a_robot_accelerates_as_wanted(name: str) -> None:
    robot, rng = load_robot(name), np.random.default_rng(1)
    z = rng.standard_normal((NUM, NUM_PARAMETERS))
    z = np.clip(z, -2.0, 2.0)  # so that nothing is wanted beyond the limits
    theta = robot.prior.theta(z)
    theta[:, LAG], theta[:, index_of("latency")], theta[:, index_of("drag")] = 1e-3, 0.0, 0.0
    world = make_world(Place(), theta, robot=name, dt=0.01)
    attitude = random_quaternions(rng, NUM)
    place_at(world, attitude=attitude)
    world.plant[:, p.QUANTUM : p.QUANTUM + 6] = 0.0
    allocation = Allocation.of(robot)
    wanted = rng.uniform(-0.4, 0.4, (NUM, 6)).astype(np.float32)
    at = index_of("residual_x")
    shares = allocation.shares(wanted, z, rotate_inverse(attitude, z[:, at : at + 3]))
    assert np.abs(shares).max() < 1.0
    world.step(shares)
    rate, velocity = world.rate_b / 0.2, rotate_inverse(attitude, com_state(world)[1]) / 0.2
    expected = wanted * allocation.authority
    # Within 0.2 s the lag of 1 ms costs 0.5 %, the turn of 0.01 rad 1 %, the gyroscopic torque less.
    np.testing.assert_allclose(rate, expected[:, 3:], atol=0.02 * np.abs(expected[:, 3:]).max())
    np.testing.assert_allclose(velocity, expected[:, :3], atol=0.02 * np.abs(expected[:, :3]).max())


def test_an_output_of_one_asks_for_what_the_limits_give_the_median_robot() -> None:
    robot = load_robot("bee-gas")
    allocation = Allocation.of(robot)
    z = np.zeros((1, NUM_PARAMETERS))
    for k in range(3):
        wanted = np.zeros((1, 6), dtype=np.float32)
        wanted[0, k] = 1.0
        share = allocation.shares(wanted, z, np.zeros((1, 3)))[0]
        assert share[k] == pytest.approx(1.0, abs=1e-6)  # single precision
    total = robot.mass + 2.5
    np.testing.assert_allclose(allocation.authority[:3], robot.limit_b[:3] / total, rtol=1e-12)


def test_a_believed_residual_is_fed_forward_in_the_attitude_the_robot_has() -> None:
    robot = load_robot("bee-gas")
    z = np.zeros((1, NUM_PARAMETERS))
    at = index_of("residual_x")
    z[0, at : at + 3] = [1.5, -1.0, 0.5]
    attitude = random_quaternions(np.random.default_rng(3), 1)
    shares = Allocation.of(robot).shares(
        np.zeros((1, 6), dtype=np.float32), z, rotate_inverse(attitude, z[:, at : at + 3])
    )
    force_l = rotate(attitude, shares[:, :3] * robot.limit_b[:3])
    np.testing.assert_allclose(force_l[0], -(robot.mass + 2.5) * 1e-3 * z[0, at : at + 3], rtol=1e-5)  # float32


def test_what_is_wanted_beyond_the_limits_is_clipped() -> None:
    shares = Allocation.of(load_robot("bee-gas")).shares(
        np.full((2, 6), 50.0, dtype=np.float32), np.zeros((2, NUM_PARAMETERS)), np.zeros((2, 3))
    )
    assert shares.dtype == np.float32
    assert np.abs(shares).max() <= 1.0
