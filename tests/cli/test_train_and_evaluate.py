# SPDX-License-Identifier: Apache-2.0
"""`stope train` and `stope evaluate`: a run of each, and the shape of their answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stope.learn.policies import MlpPolicy
from tests.cli.conftest import TINY, Stope

N = 8


@pytest.fixture
def result(stope: Stope, policy: Path) -> dict[str, Any]:
    """What `stope evaluate --json` prints, of a few episodes a cell."""
    answer = stope("evaluate", "dock", "--policy", policy, "--n", str(N), "--json", "--threads", "1")
    assert answer.code == 0
    return json.loads(answer.out)["skills"]["dock"]


def test_train_says_how_the_policy_does_and_where_it_is(stope: Stope, runs: Path, policy: Path) -> None:
    """The second time the policy is found, not trained."""
    people = stope("train", "dock", *TINY, "--runs", runs)
    assert people.code == 0
    assert people.err == ""  # no stage ran
    assert "docked" in people.out
    programs = json.loads(stope("train", "dock", *TINY, "--runs", runs, "--json").out)
    assert programs["digest"] == MlpPolicy.load(policy).digest
    assert programs["digest"] in people.out
    assert programs["card"]["success"]["prior"]["n"] == 1000


def test_train_takes_a_place_and_settings(stope: Stope) -> None:
    answer = stope("train", "dock", "--body", "bennu", "--latitude", "45", "--seed", "3", "--set", "task.distance=3",
                   "--set", "hidden=[32, 16]", "--dry-run", "--json")  # fmt: skip
    config = json.loads(answer.out)
    assert config["site"] == {"body": "bennu", "latitude_deg": 45.0, "longitude_deg": 0.0, "height": 6.0}
    assert (config["seed"], config["task"]["distance"], config["hidden"]) == (3, 3.0, [32, 16])


def test_dry_run_explains_every_setting(stope: Stope) -> None:
    rows = [line for line in stope("train", "dock", "--dry-run").out.splitlines() if line.startswith(" ")]
    described = [line for line in rows if line.rstrip().endswith((".", "]", "]."))]
    names = [line for line in rows if line[1:2].isalpha() and not line.startswith(" setting")]
    assert "task.distance" in "".join(names)
    assert len(described) == len(names)


def test_a_policy_of_a_platform_is_evaluated_on_it(stope: Stope, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "gimbal.safetensors"
    given = ("--runs", runs, "--threads", "1", "--json")
    assert stope("train", "dock", *TINY, "--set", "platform=gimbal", "--out", out, *given).code == 0
    flown = stope("evaluate", "dock", "--policy", out, "--n", "4", *given)
    assert flown.code == 0, flown
    assert json.loads(flown.out)["skills"]["dock"]["conditions"]["prior"]["n"] == 4


def test_evaluate_answers_in_the_promised_shape(result: dict[str, Any]) -> None:
    for condition in ("default", "prior", "ignorant"):
        for cell in (result["conditions"][condition], *(b[condition] for b in result["baselines"].values())):
            assert cell["n"] == N
            assert 0.0 <= cell["low"] <= cell["success"] <= cell["high"] <= 1.0
            assert {"within_2cm_10s", "within_1cm_10s", "time_to_success_s", "final_error_m", "energy_j"} <= set(cell)
    assert set(result["baselines"]) == {"zero", "random", "pd", "pd-belief", "adaptive"}


def test_evaluate_covers_gravities_from_none_to_earth(result: dict[str, Any]) -> None:
    assert list(result["gravities"]) == sorted(result["gravities"])  # JSON keys are sorted: the order is in the numbers
    levels = sorted(cell["gravity_mps2"] for cell in result["gravities"].values())
    assert levels[0] == 0.0
    assert levels[-2:] == [1.62, 9.81]
    assert {"0 g", "1e-06 g", "1e-05 g", "0.001 g", "1 g"} <= set(result["gravities"])
    for cell in result["gravities"].values():
        assert set(cell["baselines"]) == {"zero", "random", "pd", "pd-belief", "adaptive"}


def test_evaluate_shows_people_the_same_and_says_who_is_better(stope: Stope, policy: Path) -> None:
    answer = stope("evaluate", "dock", "--policy", policy, "--n", str(N), "--threads", "1")
    assert answer.code == 0
    for text in ("default: the prior's median world", "pd-belief", "Uniform gravity", "better at 95 %", "1e-05 g",
                 "Safety envelope of the policy"):  # fmt: skip
        assert text in answer.out


def test_evaluate_flies_bare_when_asked(stope: Stope, policy: Path, result: dict[str, Any]) -> None:
    """Where the envelope did nothing, the figures are the same with and without it."""
    answer = stope("evaluate", "dock", "--policy", policy, "--n", str(N), "--no-envelope", "--json", "--threads", "1")
    bare = json.loads(answer.out)["skills"]["dock"]
    for name, cell in {**bare["conditions"], **bare["gravities"]}.items():
        assert "envelope" not in cell
        guarded = {**result["conditions"], **result["gravities"]}[name]
        if not any(guarded["envelope"]["interventions"].values()):
            assert cell == {k: v for k, v in guarded.items() if k != "envelope"}


def test_evaluate_trains_first_when_there_is_no_policy(stope: Stope, tmp_path: Path) -> None:
    answer = stope("evaluate", "dock", *TINY, "--runs", tmp_path, "--n", "2", "--json", "--threads", "1")
    assert answer.code == 0
    assert "train dock: done" in answer.err
    assert json.loads(answer.out)["skills"]["dock"]["policy"]["file"].startswith(str(tmp_path))


def test_evaluate_takes_a_policy_to_another_place(stope: Stope, policy: Path) -> None:
    answer = stope("evaluate", "dock", "--policy", policy, "--body", "bennu", "--n", "2", "--json", "--threads", "1")
    assert json.loads(answer.out)["skills"]["dock"]["site"] == "bennu-lat0-lon0"


@pytest.mark.parametrize(
    "arguments", [("train", "anchor", "--workers", "2"), ("train", "dock", "--check", "--workers", "2")]
)
def test_a_training_that_ranks_cannot_share_is_refused(stope: Stope, arguments: tuple[str, ...]) -> None:
    answer = stope(*arguments)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "expected dock or haul, without --check" in answer.err


def test_ranks_from_both_sides_are_refused(stope: Stope, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    answer = stope("train", "dock", "--workers", "2")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "torchrun has started 2 ranks already" in answer.err
