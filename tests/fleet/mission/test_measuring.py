# SPDX-License-Identifier: Apache-2.0
"""Measuring a skill bank: the same rows whoever flies, and refusals."""

from __future__ import annotations

import pytest

from stope.base.errors import ConfigError, UnknownName
from stope.base.workers import Processes
from stope.fleet.mission.measuring import measure_bank, measure_skill
from stope.world.robots import load_robot


@pytest.mark.slow
def test_two_processes_measure_the_same_bank() -> None:
    here = measure_bank(num=3, seed=5, skills=("dock", "hop"))
    there = measure_bank(num=3, seed=5, skills=("dock", "hop"), workers=Processes(2))
    assert there.digest == here.digest
    assert measure_bank(num=3, seed=6, skills=("dock", "hop")).digest != here.digest


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected at least one skill"):
        measure_bank(num=1, seed=1, skills=())
    with pytest.raises(UnknownName, match="no skill 'swim'"):
        measure_bank(num=1, seed=1, skills=("swim",))
    with pytest.raises(ConfigError, match="1 or more"):
        measure_bank(num=0, seed=1, skills=("dock",))


@pytest.mark.parametrize(("skill", "robot"), [("dock", "bee-gas"), ("capture", "bee-gripper")])
def test_energy_is_without_idling_which_a_month_adds(skill: str, robot: str) -> None:
    rows = measure_skill(skill, "prior", 4, 1)
    assert set(rows["robot"].tolist()) == {robot}
    assert (rows["energy"] > 0.0).all()
    assert (rows["energy"] < load_robot(robot).power_idle * rows["duration"]).all()
