# SPDX-License-Identifier: Apache-2.0
"""Gravities of the tasks with contact: what the soil feels, what the robot feels, and what of it is rescaled."""

from __future__ import annotations

import numpy as np
import pytest

from stope.base.config import override
from stope.base.errors import ConfigError, UnknownName
from stope.world import plant as p
from stope.world.gravities import ALL, GRAVITIES, LEFT, WORK, place_of
from stope.world.regolith.prior import soil_of
from stope.world.regolith.soil import FRICTION_GRADIENT
from stope.world.robots import load_robot
from stope.world.site import make_site
from stope.world.tasks import CONTACT_TASKS
from stope.world.tasks.anchor import AnchorTask
from stope.world.tasks.hop import HopTask

LEVELS = [9.81, 1.62, 1e-2, 1e-4, 1e-5]
STEPS = 15


def test_the_gravities_are_those_of_the_issue_and_an_off_load_carries_the_rest() -> None:
    assert [g.level for g in GRAVITIES.values()] == LEVELS
    assert [g.felt for g in GRAVITIES.values()] == pytest.approx([LEFT * 9.81, LEFT * 1.62, WORK, 1e-4, 1e-5])
    for name, gravity in GRAVITIES.items():
        assert float(name.removeprefix("gravity-")) == gravity.level
        assert gravity.felt <= gravity.level


@pytest.mark.parametrize("body", [*GRAVITIES, ALL])
def test_a_robot_falls_with_what_it_feels_over_soil_that_feels_the_whole(body: str) -> None:
    """Free fall of the whole robot from rest, and the friction of the soil, world by world."""
    batch = AnchorTask(body=body).batch(num_worlds=5, seed=3)
    batch.reset()
    world = batch.world
    world.state[:, 2], world.state[:, 3:7] = 3.0, (1.0, 0.0, 0.0, 0.0)
    world.state[:, 7:13] = 0.0
    world.push_state(np.arange(5))
    for _ in range(STEPS):
        batch.step(np.zeros((5, 7)))
    levels = LEVELS if body == ALL else [GRAVITIES[body].level] * 5
    felt = np.array([GRAVITIES[f"gravity-{x:g}"].felt for x in levels])
    assert -world.state[:, 9] / (0.2 * STEPS) == pytest.approx(felt, rel=0.02)
    soils = [soil_of(row) for row in batch.theta_ground]
    wanted = [s.bulk_density * s.k_mu * x for s, x in zip(soils, levels, strict=True)]
    assert batch.ground.soil[:, FRICTION_GRADIENT] == pytest.approx(wanted)


def test_worlds_of_a_seed_are_the_same_at_every_gravity() -> None:
    one, other = (AnchorTask(body=body).batch(num_worlds=4, seed=3) for body in ("gravity-9.81", "gravity-1e-05"))
    one.reset()
    other.reset()
    np.testing.assert_array_equal(one.z, other.z)
    np.testing.assert_array_equal(one.world.state[:, :13], other.world.state[:, :13])
    np.testing.assert_array_equal(one.belief, other.belief)


@pytest.mark.parametrize("body", [*GRAVITIES, ALL])
@pytest.mark.parametrize("task", ["anchor", "dig"])
def test_every_rescaled_robot_is_one_that_the_physics_step_can_follow(task: str, body: str) -> None:
    override(CONTACT_TASKS.get(task)(), [f"body={body}"]).batch(num_worlds=1, seed=1)


@pytest.mark.parametrize("body", ["gravity-0.0001", "gravity-1e-05"])
def test_a_hopper_rests_where_its_weight_is_its_own(body: str) -> None:
    batch = HopTask(body=body).batch(num_worlds=2, seed=1)
    batch.reset()
    assert batch.gravity == GRAVITIES[body].level == batch.soil_gravity[0]
    assert batch.site.grid_half_width == HopTask().grid_half_width
    batch.step(np.zeros((2, 2)))
    assert batch.time == pytest.approx(HopTask().wait), "who does not push waits"


def test_only_the_arms_of_a_digger_are_rescaled() -> None:
    home = load_robot("digger").articulation
    earth = GRAVITIES["gravity-9.81"].robot("digger").articulation
    assert home is not None
    assert earth is not None
    changed = {k: earth.numbers[k] / v for k, v in home.numbers.items() if earth.numbers[k] != v}
    assert changed == pytest.approx({"arm_gain": 20.0, "arm_force": 20.0, "arm_damping": 2.5})
    lander = load_robot("lander").articulation
    assert lander is not None
    there = GRAVITIES["gravity-9.81"].robot("lander").articulation
    assert there is not None
    assert there.numbers == lander.numbers


def test_a_body_is_the_place_it_was() -> None:
    there = place_of("lander", "ryugu", latitude_deg=30.0, height=0.0)
    site = make_site("ryugu", latitude_deg=30.0)
    np.testing.assert_array_equal(there.site.gravity_l, site.gravity_l)
    assert there.grounds(2) == pytest.approx([-site.gravity_l[2]] * 2)
    assert not there.extras(2).any()
    batch = AnchorTask().batch(num_worlds=1, seed=1)
    batch.reset()
    assert batch.world.plant[0, p.RESIDUAL + 2] == 0.0


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UnknownName, match=r"no gravity 'gravity-3\.71'"):
        AnchorTask(body="gravity-3.71").batch(num_worlds=1, seed=1)
    with pytest.raises(ConfigError, match=r"digger.toml: model.numbers has no 'arm_gian' to rescale: expected one of "):
        load_robot("digger", {"arm_gian": 2.0})
    with pytest.raises(ConfigError, match="expected one of none"):
        load_robot("bee-gas", {"arm_gain": 2.0})
