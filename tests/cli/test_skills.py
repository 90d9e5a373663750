# SPDX-License-Identifier: Apache-2.0
"""`stope train` and `stope evaluate` for tasks with contact: a run of each, and the shape of their answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from stope.flight.ground.belief import GroundBelief
from stope.learn.policies import GruPolicy
from stope.learn.skills import SKILLS
from stope.world.belief import Belief
from tests.cli.conftest import Stope

SHORT = ("--set", "task.time_limit=4", "--set", "task.push_start=3")
TINY = (*SHORT, *(x for text in ("num_worlds=8", "steps_per_iteration=5", "num_imitation=2", "num_evaluation=4",
                                 "memory=6", "hidden=[8]") for x in ("--set", text)))  # fmt: skip


def test_a_policy_is_trained_found_again_and_evaluated(stope: Stope, tmp_path: Path) -> None:
    out = tmp_path / "anchor.safetensors"
    first = stope("train", "anchor", *TINY, "--runs", tmp_path, "--out", out, "--json", "--threads", "1")
    assert first.code == 0, first
    made = json.loads(first.out)
    assert made["digest"] == GruPolicy.load(out).digest
    assert made["card"]["task"] == "anchor"
    assert made["card"]["selection"]["success"] <= 1.0
    (folder,) = tmp_path.glob("train-anchor-*")
    assert not (folder / "checkpoint.safetensors").exists()
    assert list((folder / "tensorboard").iterdir())
    again = stope("train", "anchor", *TINY, "--runs", tmp_path)
    assert again.err == ""  # no stage ran
    assert made["digest"] in again.out
    flown = stope("evaluate", "anchor", "--policy", out, *SHORT, "--n", "3", "--json", "--threads", "1")
    assert flown.code == 0, flown
    found = json.loads(flown.out)["skills"]["anchor"]
    assert found["policy"]["digest"] == made["digest"]
    for cell in (*found["conditions"].values(), *found["baselines"].values()):
        assert cell["n"] == 3
    assert all(cell["envelope"]["worlds"]["n"] == 3 for cell in found["conditions"].values())
    assert "envelope" not in found["baselines"]["script"]
    people = stope("evaluate", "anchor", "--policy", out, *SHORT, "--n", "3", "--threads", "1")
    assert "policy, told the truth" in people.out
    other = stope("evaluate", "dig", "--policy", out, "--n", "2")
    assert other.code == 2
    assert "a policy of task 'anchor': expected one of 'dig'" in other.err


def test_a_policy_is_flown_where_it_was_trained_unless_it_is_told_otherwise(stope: Stope, tmp_path: Path) -> None:
    out, moon = tmp_path / "anchor.safetensors", ("--set", "task.body=gravity-1.62")
    trained = stope("train", "anchor", *TINY, *moon, "--runs", tmp_path, "--out", out, "--json", "--threads", "1")
    assert trained.code == 0, trained
    asked = ("evaluate", "anchor", "--policy", out, "--n", "2", "--only", "ignorant", "--threads", "1")
    there = json.loads(stope(*asked, "--json").out)["skills"]["anchor"]
    same = json.loads(stope(*asked, *SHORT, *moon, "--json").out)["skills"]["anchor"]
    assert there == same
    assert there["site"] == json.loads(trained.out)["card"]["site"]
    home = json.loads(stope(*asked, "--set", "task.body=ryugu", "--json").out)["skills"]["anchor"]
    assert home["site"] == "ryugu-lat30-lon0"
    refused = stope(*asked, "--set", "memory=32")
    assert refused.code == 2
    assert "memory=32: a number of a training: expected task.NUMBER" in refused.err


def test_a_belief_of_the_ground_adds_worlds_to_an_evaluation(stope: Stope, tmp_path: Path) -> None:
    belief = GroundBelief.certain(np.array([1.0]), ["cohesion"])
    belief.save(tmp_path / "soil.json")
    asked = ("evaluate", "anchor", *SHORT, "--n", "2", "--threads", "1", "--only", "belief", "--only", "belief-script")
    flown = stope(*asked, "--belief", tmp_path / "soil.json", "--json")
    assert flown.code == 0, flown
    found = json.loads(flown.out)["skills"]["anchor"]
    assert set(found["conditions"]) == {"belief"} == set(found["paired"])
    assert found["conditions"]["belief"]["n"] == found["baselines"]["belief-script"]["n"] == 2
    people = stope(*asked, "--belief", tmp_path / "soil.json")
    assert "told the belief, in worlds of the belief" in " ".join(people.out.split())
    other = tmp_path / "robot.json"
    Belief.prior("bee-gas").save(other)
    refused = stope(*asked, "--belief", other)
    assert refused.code == 2
    assert refused.err.count("\n") == 1 and "robot.json: format" in refused.err
    assert stope(*asked).code == 2, "there is no belief"


def test_all_skills_can_be_looked_at_before_they_are_trained(stope: Stope) -> None:
    answer = stope("train", "all", "--dry-run", "--json")
    assert answer.code == 0
    assert set(json.loads(answer.out)) == set(SKILLS)
