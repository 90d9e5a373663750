# SPDX-License-Identifier: Apache-2.0
"""`stope cluster`: each command once for people, once for programs, and its misuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Stope

TABLE = Path(__file__).parents[2] / "benchmarks" / "cluster_calibration.csv"


def test_lists(stope: Stope) -> None:
    assert "cloudmatrix384" in stope("cluster", "systems").out
    rows = json.loads(stope("cluster", "systems", "--json").out)
    assert next(r for r in rows if r["name"] == "dgx-h100")["sources"]["peak"]
    assert "stope-dock" in stope("cluster", "jobs").out
    assert json.loads(stope("cluster", "jobs", "--json").out)


def test_validate_prints_what_was_promised(stope: Stope) -> None:
    found = json.loads(stope("cluster", "validate", "--table", TABLE, "--json").out)
    for one in (found, *found["baselines"].values(), *found["rows"], *found["rows"][0]["baselines"].values()):
        assert {"median_ape", "mape", "p90_ape", "interval_coverage"} <= set(one)
    assert set(found["baselines"]) == {"constant_efficiency", "amdahl"}
    answer = stope("cluster", "validate", "--table", TABLE)
    assert answer.code == 0 and "interval_coverage" in answer.out
    assert found["amdahl_serial_share"] == 0.0 and "amdahl: its best serial share on those rows is 0" in answer.out


def test_plan_and_its_picture(stope: Stope, tmp_path: Path) -> None:
    picture = tmp_path / "plan.png"
    answer = stope("cluster", "plan", "stope-dock", "--on", "laptop", "--count", "8", "--wish", "64", "--plot", picture)
    assert (answer.code, answer.err) == (0, "")
    assert "Stops helping" in answer.out and "critical batch" in answer.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    found = json.loads(stope("cluster", "plan", "stope-dock", "--on", "laptop", "--count", "4", "--json").out)
    assert [row["count"] for row in found["rows"]] == [4]


def test_limit_says_when_a_claim_is_irrelevant(stope: Stope) -> None:
    answer = stope("cluster", "limit", "stope-contact", "--on", "ascend-semimetal")
    assert answer.code == 0
    assert "irrelevant" in answer.out and "host's cores" in answer.out
    assert json.loads(stope("cluster", "limit", "stope-dock", "--on", "dgx-h100", "--json").out)["systems"]


def test_wire(stope: Stope) -> None:
    assert "NbP" in stope("cluster", "wire").out
    rows = json.loads(stope("cluster", "wire", "--thickness", "1.5", "--json").out)["rows"]
    assert rows[0]["ratio"] < 1.0


def test_schedule(stope: Stope, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('format = "stope-available-1"\nstart = "2027-01-04"\n'
                    '[[batch]]\nname = "a"\nsystem = "dgx-h100"\ndevices = 8\narrives = "2027-01-04"\n'
                    '[[job]]\njob = "stope-contact"\npriority = 1.0\nrepeats = 1000\n')  # fmt: skip
    answer = stope("cluster", "plan", "--by", "2027-03-01", "--available", file)
    assert answer.code == 0 and "One more" in answer.out.title().replace("One More", "One more")
    assert json.loads(stope("cluster", "plan", "--by", "2027-03-01", "--available", file, "--json").out)["jobs"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("plan", "stope-dock"), "expected a JOB and --on SYSTEM"),
        (("plan", "stope-dock", "--on", "dgx-h10"), "Closest: 'dgx-h100'"),
        (("plan", "stope-dock", "--on", "hanguang-800"), "not applicable"),
        (("plan", "dense-405b", "--on", "laptop"), "over 90 %"),
        (("plan", "--by", "2027-01-01"), "belong together"),
        (("plan", "stope-dock", "--on", "laptop", "--plot", "x.gif"), "ends in .png or .svg"),
        (("limit", "stope-dok"), "Closest: 'stope-dock'"),
        (("wire", "--thickness", "0"), "expected 0.1, an atom, to 1e9"),
        (("wire", "--thickness", "1e-300"), "expected 0.1, an atom, to 1e9"),
        (("validate", "--table", "none.csv"), "no such file"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(stope: Stope, arguments: tuple[str, ...], text: str) -> None:
    answer = stope("cluster", *arguments)
    assert answer.code == 2
    assert text in answer.err
    assert answer.err.count("\n") == 1
