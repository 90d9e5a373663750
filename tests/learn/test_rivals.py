# SPDX-License-Identifier: Apache-2.0
"""A policy against its rivals: the same worlds, questions with intervals, nothing flown twice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import ConfigError
from stope.learn.rivals import RIVALS, against
from stope.learn.skill_training import SkillConfig, SkillTraining
from stope.learn.store import trained_skill
from stope.learn.train import TrainConfig, Training
from stope.world.physics import NUM_PARAMETERS
from stope.world.tasks import DockConfig
from stope.world.told import CERTAIN, NUM_JOINT, flight_summaries

TINY = SkillConfig(task="anchor", settings=("time_limit=4", "push_start=2"), num_worlds=8, steps_per_iteration=5,
                   num_imitation=2, num_evaluation=4, memory=8, hidden=(8,), imitation_updates=2)  # fmt: skip
DOCK = TrainConfig(task=DockConfig(time_limit=6.0), num_worlds=8, num_iterations=1, num_evaluation=4, hidden=(8,))


def test_all_rivals_meet_the_policy_in_the_same_worlds(tmp_path: Path) -> None:
    policy, _ = trained_skill(TINY, tmp_path)
    found = against(policy, TINY, tmp_path, num=4)
    assert set(found["flown"]) == {"told the prior", "told the sharp", "told the truth", *RIVALS, "script", "tutor"}
    assert all(rate["n"] == 4 for rate in found["flown"].values())
    asked = found["questions"]
    assert set(asked["sharp belief against"]) == {"uniform", "default", "script", "tutor"}
    assert all("p_holm" in one["success"] for one in asked["sharp belief against"].values())
    assert asked["told the truth against the oracle"]["success"]["n"] == 4
    kept = sorted(tmp_path.glob("against-anchor-*.json"))
    assert len(kept) == 8
    before = [f.stat().st_mtime_ns for f in kept]
    assert against(policy, TINY, tmp_path, num=4) == found
    assert [f.stat().st_mtime_ns for f in kept] == before, "nothing is flown again"


def test_a_rival_that_is_the_policy_itself_does_the_same(tmp_path: Path) -> None:
    """Paired worlds: a difference between two copies would be a difference of luck."""
    uniform, _ = trained_skill(replace(TINY, told="prior"), tmp_path)
    found = against(uniform, TINY, tmp_path, num=4, rivals=("uniform",))
    same = found["questions"]["prior belief against uniform"]
    assert same["success"]["estimate"] == 0.0
    assert found["flown"]["told the prior"] == found["flown"]["uniform"]


@pytest.mark.parametrize(("num", "rivals"), [(1, ("oracle",)), (4, ("nobody",))])
def test_what_cannot_be_compared_is_refused(tmp_path: Path, num: int, rivals: tuple[str, ...]) -> None:
    policy = SkillTraining(TINY).policy()
    with pytest.raises(ConfigError, match=r"against: num = \d+, rivals"):
        against(policy, TINY, tmp_path, num=num, rivals=rivals)


def test_a_flight_is_told_what_its_training_says() -> None:
    certain = 0.5 * np.log(CERTAIN)
    oracle = Training(replace(DOCK, told="truth")).batch.pool
    assert oracle.belief[:, :NUM_PARAMETERS] == pytest.approx(oracle.z)
    assert oracle.belief[:, NUM_PARAMETERS:] == pytest.approx(np.full_like(oracle.z, certain))
    plain = Training(replace(DOCK, told="prior", breadth=0.0))
    assert (plain.batch.pool.z == 0.0).all()
    assert (plain.batch.pool.belief == 0.0).all()
    assert (plain.judge_set[0] == 0.0).all()
    narrow = Training(replace(DOCK, breadth=0.2)).batch.pool
    mean, spread = narrow.belief[:, :NUM_PARAMETERS], np.exp(narrow.belief[:, NUM_PARAMETERS:])
    assert narrow.z.std() == pytest.approx(0.2, abs=0.02)
    assert ((narrow.z - mean) / spread).std() < 1.1  # about these worlds, not about wider ones
    drawn = Training(DOCK).batch.pool
    assert drawn.z.std() == pytest.approx(1.0, abs=0.05)
    assert np.ptp(drawn.belief[:, NUM_PARAMETERS:]) > 1.0


def test_a_summary_of_a_flight_is_the_robots_part_of_the_joint_one() -> None:
    z = np.random.default_rng(1).standard_normal((500, NUM_PARAMETERS))
    sharp = flight_summaries("sharp", z, np.random.default_rng(2))
    assert sharp.shape == (500, 2 * NUM_PARAMETERS)
    assert NUM_JOINT > NUM_PARAMETERS
    whitened = (z - sharp[:, :NUM_PARAMETERS]) / np.exp(sharp[:, NUM_PARAMETERS:])
    assert whitened.std() == pytest.approx(1.0, abs=0.03), "a sharp belief is off by what it says"


def test_an_unknown_way_of_telling_is_refused() -> None:
    with pytest.raises(ConfigError, match="told = 'all': expected one of drawn, prior, sharp, truth"):
        TrainConfig(told="all")  # type: ignore[arg-type]
