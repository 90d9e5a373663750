# SPDX-License-Identifier: Apache-2.0
"""Policies of the package: whole, of their task, small, and with a card by which they can be made again."""

from __future__ import annotations

import pytest

from stope.base.config import content_hash
from stope.base.errors import FileError, UnknownName
from stope.learn.policies import GruPolicy
from stope.learn.skill_assess import check_policy
from stope.learn.skill_training import SkillConfig
from stope.learn.skills import FLIGHTS, RECIPES, SKILLS, flight_config, shipped, shipped_config, shipped_names
from stope.learn.skills import skill_config as config_of

LARGEST = 400_000
"""Bytes of a shipped policy."""


def test_there_is_one_at_least() -> None:
    assert "anchor" in shipped_names()


@pytest.mark.parametrize("skill", shipped_names())
def test_a_shipped_policy_is_whole_and_says_how_it_was_made(skill: str) -> None:
    policy, path = shipped(skill)
    config = shipped_config(policy, path, seed=policy.card["config"]["seed"])
    assert path.stat().st_size < LARGEST
    assert policy.card["task"] == skill
    assert policy.card["digest"] == policy.digest
    steps = config.num_iterations * config.num_worlds * config.steps_per_iteration
    if isinstance(policy, GruPolicy):
        assert isinstance(config, SkillConfig)
        check_policy(policy, config.make_task(), skill, str(path))
        assert policy.card["config_hash"] == content_hash(config) == content_hash(config_of(skill))
        assert policy.card["steps"] == steps
    else:
        assert policy.card["config_hash"] == content_hash(config) == content_hash(flight_config(skill))
        assert policy.card["steps"] <= steps
    chosen = policy.card["selection"]
    assert 0.0 <= chosen["low"] <= chosen["success"] <= chosen["high"] <= 1.0


def test_every_skill_has_a_configuration() -> None:
    assert {*FLIGHTS, *RECIPES} <= set(SKILLS)
    for skill in SKILLS:
        found = flight_config(skill).skill if skill in FLIGHTS else config_of(skill).task
        assert found == skill


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownName, match="no skill 'dock'"):
        config_of("dock")
    with pytest.raises(FileError, match="no policy for 'nothing' comes with the package"):
        shipped("nothing")
