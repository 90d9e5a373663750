# SPDX-License-Identifier: Apache-2.0
"""Rocks in the batch: each world has its own, with its own friction and restitution; screws do not enter them."""

from __future__ import annotations

import numpy as np
import pytest

from stope.base.errors import RangeError
from stope.world import ground as g
from stope.world.batch import World
from stope.world.regolith import Soil
from stope.world.robots import load_robot
from stope.world.scene import SceneConfig, rock_law
from stope.world.site import make_site
from stope.world.tools import set_soils
from tests.builders import default_theta


def hoppers(num: int, rocks: np.ndarray, restitution: np.ndarray, friction: np.ndarray) -> World:
    """Hoppers without spin over rocks, in soil that no one reaches."""
    robot = load_robot("hopper-wheels")
    site = make_site("moon", height=0.0)
    world = World(robot, site, default_theta(robot, num, latency=0.0), seed=1,
                  scene=SceneConfig(has_soil=True, num_rocks=rocks.shape[1], physics_step=0.002))  # fmt: skip
    world.state[:, 2] = 2.0
    world.restart(np.arange(num))
    world.set_rocks(rocks, friction=friction, restitution=restitution, worlds=np.arange(num))
    return world


def test_a_body_that_falls_on_a_rock_comes_back_with_its_restitution() -> None:
    wanted = np.array([0.2, 0.4, 0.6, 0.8])
    rocks = np.tile(np.array([0.0, 0.0, 0.0, 1.0]), (4, 1, 1))
    world = hoppers(4, rocks, wanted, np.full(4, 0.5))
    speeds = []
    for _ in range(12):
        world.step(np.zeros((4, 6)))
        speeds.append(world.velocity_l[:, 2].copy())
    down, up = -np.min(speeds, axis=0), np.max(speeds, axis=0)
    assert (down > 1.0).all()
    # Free fall before and after a sample, 1.62 m/s2 over 0.2 s, hides up to 0.3 m/s of 1.75 m/s on either side.
    fall = np.sqrt(2 * 1.62 * (2.0 - 0.035 - 1.0))
    rise = up / fall
    assert (np.diff(rise) > 0.0).all()
    np.testing.assert_allclose(rise, wanted, atol=0.2)


def test_each_world_has_its_own_rocks() -> None:
    rocks = np.array([[[0.0, 0.0, 0.0, 1.0]], [[0.0, 0.0, 0.0, 0.0]]])
    world = hoppers(2, rocks, np.array([0.3, 0.3]), np.array([0.5, 0.5]))
    for _ in range(12):
        world.step(np.zeros((2, 6)))
    assert world.position_l[0, 2] > 1.0  # on the rock
    assert world.position_l[1, 2] < 0.2  # down to the soil
    kept = world.snapshot()
    world.step(np.zeros((2, 6)))
    first = world.qpos.copy()
    world.restore(kept)
    world.step(np.zeros((2, 6)))
    np.testing.assert_array_equal(first, world.qpos)


def test_a_screw_does_not_enter_a_rock() -> None:
    robot = load_robot("lander")
    site = make_site("ryugu", latitude_deg=30.0, height=0.0)
    world = World(robot, site, default_theta(robot, 2, latency=0.0), seed=1,
                  scene=SceneConfig(has_soil=True, num_rocks=1, physics_step=0.01))  # fmt: skip
    world.state[:, 2] = 0.459
    world.restart(np.arange(2))
    assert world.ground is not None
    set_soils(world.ground, robot, (Soil(cohesion=50.0),) * 2, gravity=1.3e-4)
    rocks = np.array([[[0.45, 0.0, -0.31, 0.3]], [[0.0, 0.0, 0.0, 0.0]]])
    world.set_rocks(rocks, friction=[0.5, 0.5], restitution=[0.3, 0.3], worlds=np.arange(2))
    world.ground.anchor_command[:] = 1.0
    for _ in range(50):
        world.step(np.zeros((2, 6)))
    assert world.ground.anchor_state[0, 0, g.PROGRESS] == 0.0
    assert (world.ground.anchor_state[1, :, g.PROGRESS] > 0.5).all()


def test_rocks_that_cannot_be_are_refused() -> None:
    world = hoppers(1, np.zeros((1, 1, 4)), np.array([0.5]), np.array([0.5]))
    with pytest.raises(RangeError, match="rocks of shape"):
        world.set_rocks(np.zeros((1, 2, 4)), friction=[0.5], restitution=[0.5], worlds=np.arange(1))
    with pytest.raises(RangeError, match=r"of radius 1\.0 m at most"):
        world.set_rocks(np.full((1, 1, 4), 3.0), friction=[0.5], restitution=[0.5], worlds=np.arange(1))


def test_the_damping_ratio_is_that_of_a_linear_contact() -> None:
    law = rock_law(np.array([0.5]), physics_step=0.01)[0]
    assert law[1] == pytest.approx(0.2155, abs=1e-3)
    assert np.exp(-np.pi * law[1] / np.sqrt(1 - law[1] ** 2)) == pytest.approx(0.5)
