# SPDX-License-Identifier: Apache-2.0
"""`stope flight`: fit, check and show on a short stand-in flight."""

from __future__ import annotations

import json
from pathlib import Path

from stope.learn.skills import shipped
from stope.world.belief import Belief
from stope.world.physics import PARAMETERS
from tests.cli.conftest import Stope


def test_check_says_what_a_flight_holds(stope: Stope, flight: Path) -> None:
    facts = json.loads(stope("flight", "check", flight, "--json").out)
    assert (facts["rows"], facts["robot"], facts["stand_in"]) == (90, "bee-gas", True)
    assert "nothing to object to" in stope("flight", "check", flight).out


def test_show_draws_a_picture(stope: Stope, flight: Path, tmp_path: Path) -> None:
    png = tmp_path / "flight.png"
    assert stope("flight", "show", flight, "--png", png).code == 0
    assert png.read_bytes().startswith(b"\x89PNG")


def test_fit_makes_a_belief_and_compares_the_same_policy_before_and_after(
    stope: Stope, flight: Path, policy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "belief.json"
    answer = stope("flight", "fit", flight, "--policy", policy, "--n", "16", "--out", out, "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    belief = Belief.load(out)
    assert (belief.robot, belief.provenance["flights"]) == ("bee-gas", [found["flight"]["name"]])
    names = {row["name"] for row in found["quantities"]}
    assert "gain_fx / total mass" in names
    assert names < {q.name for q in PARAMETERS} | {f"gain_f{k} / total mass" for k in "xyz"}
    assert found["docking"]["worlds"] == "drawn from the belief"
    for told in ("before", "after"):
        assert found["docking"][told]["n"] == 16
    assert found["coverage"] is None
    ratio = next(row for row in found["quantities"] if row["name"] == "gain_fx / total mass")
    assert ratio["high"] - ratio["low"] < 0.5 * (ratio["prior_high"] - ratio["prior_low"])  # 18 s tell at least half


def test_fit_scores_a_stand_in_flight_against_its_truth(stope: Stope, flight: Path, policy: Path) -> None:
    answer = stope("flight", "fit", flight, "--policy", policy, "--n", "16", "--truth", flight / "truth.json")
    assert answer.code == 0
    for text in ("truth", "covered", "the hidden truth of the stand-in flight", "only as gain over total mass"):
        assert text in answer.out


def test_fit_takes_the_policy_of_the_package_where_it_is_of_the_same_robot_and_site(
    stope: Stope, flight: Path, tmp_path: Path
) -> None:
    _, path = shipped("dock")
    given = ("flight", "fit", flight, "--n", "8", "--runs", tmp_path / "runs", "--threads", "1", "--json")
    left_out, named = stope(*given), stope(*given, "--policy", path)
    assert json.loads(left_out.out)["docking"] == json.loads(named.out)["docking"]
    assert not (tmp_path / "runs").exists(), "nothing is trained"


def test_evaluate_can_be_told_the_belief(stope: Stope, flight: Path, policy: Path, tmp_path: Path) -> None:
    out = tmp_path / "belief.json"
    Belief.prior("bee-gas").save(out)
    answer = stope("evaluate", "dock", "--policy", policy, "--belief", out, "--n", "4", "--json", "--threads", "1")
    assert "belief" in json.loads(answer.out)["skills"]["dock"]["conditions"]
