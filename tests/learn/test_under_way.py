# SPDX-License-Identifier: Apache-2.0
"""The policy of a training that is under way is what the training itself has, read without stopping it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stope.base.config import as_dict
from stope.base.errors import ConfigError, FileError
from stope.base.files import write_json
from stope.learn.skill_training import SkillConfig, SkillTraining
from stope.learn.train import Training
from stope.learn.under_way import policy_under_way
from tests.learn import test_skill_training as skills
from tests.learn import test_train as flights


def test_of_a_task_with_contact_it_is_the_newest_before_any_evaluation_and_then_the_best(tmp_path: Path) -> None:
    config = SkillConfig(**skills.TINY)
    write_json(tmp_path / "config.json", as_dict(config))
    run = SkillTraining(config, checkpoint=tmp_path / "checkpoint.safetensors")
    run.advance()
    found = policy_under_way(tmp_path)
    assert (found.iteration, found.config, found.policy.digest) == (1, config, run.policy().digest)
    run.advance()
    run.advance()
    assert run.best is not None
    found = policy_under_way(tmp_path)
    assert (found.iteration, found.policy.digest) == (3, run.best.digest)


def test_of_a_free_flight_it_is_the_best_so_far(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", as_dict(flights.TINY))
    run = Training(flights.TINY, checkpoint=tmp_path / "checkpoint.safetensors")
    with pytest.raises(FileError, match=r"checkpoint.safetensors: no such file: the training has written no"):
        policy_under_way(tmp_path)
    run.advance()
    run.advance()
    assert run.best is not None
    found = policy_under_way(tmp_path)
    assert (found.iteration, found.config, found.policy.digest) == (2, flights.TINY, run.best.digest)


def test_what_is_broken_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"config.json"):
        policy_under_way(tmp_path)
    write_json(tmp_path / "config.json", as_dict(flights.TINY))
    (tmp_path / "checkpoint.safetensors").write_bytes(b"\x08\x00")
    with pytest.raises(FileError, match="not a whole checkpoint") as caught:
        policy_under_way(tmp_path)
    assert "\n" not in str(caught.value)
    write_json(tmp_path / "config.json", as_dict(flights.TINY) | {"num_worlds": -1})
    with pytest.raises(ConfigError, match="num_worlds"):
        policy_under_way(tmp_path)
