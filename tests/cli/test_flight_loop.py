# SPDX-License-Identifier: Apache-2.0
"""Commands of the flight loop: misuse is one line and exit code 2; the loop itself runs end to end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from stope.flight.experiment import Limits, load_experiment, make_experiment
from stope.world.belief import Belief
from stope.world.robots import load_robot
from tests.cli.conftest import Stope

ROBOT = load_robot("bee-gas")
FLYER = f"{sys.executable} -m proving_ground"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("forecast", "--score", "f.json"), "belong together"),
        (("campaign", "--worlds", "some"), "joined by a dash"),
        (("campaign", "--flights", "1;3"), "joined by commas"),
        (("campaign", "--flights", "3,1"), "that rise"),
        (("campaign", "--design", "lucky"), "design"),
        (("next", "--out", "n.json", "--weights", "none.json"), "none.json"),
    ],
)
def test_misuse_is_one_line(stope: Stope, arguments: tuple[str, ...], words: str) -> None:
    answer = stope("flight", *arguments)
    assert answer.code == 2
    assert words in answer.err
    assert answer.err.count("\n") == 1


def test_a_belief_about_another_robot_is_refused(stope: Stope, tmp_path: Path) -> None:
    Belief.prior("hauler").save(tmp_path / "b.json")
    answer = stope("flight", "forecast", "--belief", str(tmp_path / "b.json"))
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "hauler" in answer.err


def test_a_forecast_is_held_against_what_came(stope: Stope, tmp_path: Path) -> None:
    figures = {name: {"mean": 1.0, "low": 0.9, "high": 1.0} for name in ("success", "time_s", "final_error_m",
                                                                        "impulse_ns", "energy_j")}  # fmt: skip
    (tmp_path / "f.json").write_text(json.dumps({"episodes": 20, "figures": figures}))
    rows = [{"success": True, "time_s": 30.0, "final_error_m": 1.0, "impulse_ns": 1.0}]
    (tmp_path / "o.json").write_text(json.dumps({"outcomes": rows}))
    answer = stope("flight", "forecast", "--score", str(tmp_path / "f.json"), "--outcomes", str(tmp_path / "o.json"),
                   "--json")  # fmt: skip
    found = json.loads(answer.out)["figures"]
    assert [found[name]["is_covered"] for name in ("success", "time_s")] == [True, False]


@pytest.mark.slow
def test_the_loop_runs_end_to_end_and_goes_on_from_what_it_has(stope: Stope, tmp_path: Path) -> None:
    call = ("flight", "campaign", "--tier", "T1", "--worlds", "0-0", "--minutes", "1", "--episodes", "2",
            "--flyer", FLYER, "--runs", str(tmp_path), "--json", "--threads", "1")  # fmt: skip
    first = json.loads(stope(*call, "--flights", "0,1").out)
    assert set(first["arms"]) == {"default", "adaptive", "belief-1", "oracle"}
    assert first["arms"]["belief-1"]["n"] == 2
    again = json.loads(stope(*call, "--flights", "0,1").out)
    assert again == first
    elsewhere = [*call, "--flights", "0,1", "--workers", "2"]
    elsewhere[elsewhere.index(str(tmp_path))] = str(tmp_path / "two")
    assert json.loads(stope(*elsewhere).out) == first, "two processes fit, forecast and dock the same"
    more = json.loads(stope(*call, "--flights", "0,1,2").out)
    assert more["arms"]["belief-1"] == first["arms"]["belief-1"]
    assert len(more["beliefs"]["2"][0]["disturbances"]) == 2


@pytest.mark.slow
def test_the_next_flight_is_one_that_can_be_flown(stope: Stope, tmp_path: Path) -> None:
    out = tmp_path / "next.json"
    answer = stope("flight", "next", "--out", str(out), "--minutes", "2", "--per-kind", "1", "--json")
    report = json.loads(answer.out)
    assert load_experiment(out).minutes == pytest.approx(2.0)
    assert report["candidates"][0]["reduction"] >= report["candidates"][-1]["reduction"]
    rest = next(row for row in report["candidates"] if row["name"].startswith("rest"))
    shake = next(row for row in report["candidates"] if row["name"].startswith("shake"))
    assert rest["gain_nats"] < shake["gain_nats"]
    assert make_experiment("rest", ROBOT, Limits(), minutes=1.0, seed=1).num_rows == 300
