# SPDX-License-Identifier: Apache-2.0
"""`--report`: each command's page has the figures of its JSON, says how they arose, and loads nothing."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from stope.cli import train
from stope.view.found import figures_of, leaves_of
from stope.view.numbers import figure_interval, figure_value
from stope.view.report import read_report
from tests.cli.conftest import TINY, Stope
from tests.cli.test_flight_loop import FLYER
from tests.cli.test_validate import EXPECT, PROBE
from tests.cluster.test_procurement import available
from tests.flight.log_builders import turn_by_wheels, write_lelar

CALIBRATION = Path(__file__).parents[2] / "benchmarks" / "cluster_calibration.csv"
SPACES = re.compile(r"[\s\u00a0\u202f]+")
QUICK = (
    ("world", "validate", "--kind", "cut"),
    ("cluster", "plan", "stope-dock", "--on", "laptop", "--count", "1", "--count", "4"),
    ("cluster", "limit", "stope-dock", "--on", "dgx-h100"),
    ("cluster", "wire", "--thickness", "1.5", "--thickness", "5"),
    ("evaluate", "anchor", "--n", "2", "--only", "prior", "--only", "script", "--set", "task.time_limit=4",
     "--set", "task.push_start=1"),
    ("world", "practise", "anchor", "--n", "2", "--set", "time_limit=4", "--set", "push_start=1"),
    ("fleet", "value", "--months", "2", "--set", "robots=50", "--set", "days=1"),
)  # fmt: skip
SLOW = (
    ("flight", "next", "--out", "FOLDER/experiment.json", "--minutes", "2", "--per-kind", "1"),
    (
        "flight",
        "campaign",
        "--tier",
        "T1",
        "--worlds",
        "0-0",
        "--minutes",
        "1",
        "--episodes",
        "2",
        "--flyer",
        FLYER,
        "--runs",
        "FOLDER",
        "--flights",
        "0,1",
    ),
    ("flight", "forecast", "--episodes", "3", "--robots", "4"),
    ("flight", "worth", "--hours", "0.02"),
    ("fleet", "measure", "--skill", "dock", "--n", "2", "--out", "FOLDER/bank.parquet"),
    ("gap", "anchor", "--quick", "--n", "2"),
    ("cluster", "scale", "evaluate", "--workers", "1", "--repeats", "1"),
)


def words(html: str) -> str:
    """Text of a page as people read it, spaces of all kinds alike."""
    return SPACES.sub(" ", unescape(re.sub(r"<[^>]+>", " ", html)))


def check(answer: dict[str, Any], page: Path, command: str) -> None:
    """The page has every figure and every leaf of the JSON, and what a page of ours must have."""
    html = page.read_text(encoding="utf-8")
    text = words(html)
    figures = figures_of(answer, how="h", basis="measured", level=0.95)
    for figure in figures:
        assert SPACES.sub(" ", figure_value(figure)) in text, figure
        assert SPACES.sub(" ", figure_interval(figure).split(",")[0]) in text, figure
    for name, value in leaves_of(answer)[:1500]:
        assert SPACES.sub(" ", f"{name} {value}").strip().replace("`", "") in text.replace("`", ""), name
    assert command in text
    assert not re.search(r"(src|href)=\"?https?:(?!//doi\.org)|<script|@import|url\(http", html)
    assert "default-src 'none'" in html
    assert "prefers-color-scheme:dark" in html
    assert "@media print" in html
    assert 'name="viewport"' in html
    kept = read_report(page.with_suffix(".json"))
    assert kept["provenance"]["versions"]["stope"]
    assert kept["answer"] in text.replace("`", "")
    assert kept["answer"].endswith(".")


def run_and_check(stope: Stope, arguments: tuple[str | Path, ...], page: Path) -> dict[str, Any]:
    """Run with --json and --report; the JSON."""
    answer = stope(*arguments, "--json", "--report", page)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)  # the JSON alone: what people would read is muted
    check(found, page, "stope " + " ".join(map(str, arguments[:2])))
    return found


@pytest.mark.parametrize("arguments", QUICK, ids=lambda row: " ".join(row[:2]))
def test_page_has_what_the_json_has(stope: Stope, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    run_and_check(stope, arguments, tmp_path / "kept.html")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", SLOW, ids=lambda row: " ".join(row[:2]))
def test_page_of_slow_commands_has_what_the_json_has(stope: Stope, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    given = tuple(a.replace("FOLDER", str(tmp_path)) for a in arguments)
    run_and_check(stope, given, tmp_path / "kept.html")


def test_page_of_a_validation(stope: Stope, tmp_path: Path) -> None:
    rows, table = CALIBRATION.read_text(encoding="utf-8").splitlines(keepends=True), tmp_path / "steps.csv"
    table.write_text("".join(rows[:9]), encoding="utf-8")  # of many rows the page leaves the last to the JSON
    found = run_and_check(stope, ("cluster", "validate", "--table", table), tmp_path / "kept.html")
    assert found["n"] > 3


def test_page_of_a_schedule(stope: Stope, tmp_path: Path) -> None:
    file = available(tmp_path)
    found = run_and_check(
        stope, ("cluster", "plan", "--by", "2027-06-28", "--available", file), tmp_path / "schedule.html"
    )
    assert found["jobs"]


@pytest.mark.slow
def test_page_of_a_prediction(stope: Stope, tmp_path: Path) -> None:
    logs = [write_lelar(tmp_path / name, turn_by_wheels(seed, num=60)) for seed, name in enumerate("abc", start=1)]
    found = run_and_check(
        stope, ("flight", "predict", "--fit", *logs[:2], "--test", logs[2]), tmp_path / "prediction.html"
    )
    assert f"{100 * found['coverage_90']:.1f} %" in words((tmp_path / "prediction.html").read_text(encoding="utf-8"))


def test_page_of_a_training(stope: Stope, runs: Path, tmp_path: Path) -> None:
    run_and_check(stope, ("train", "dock", *TINY, "--runs", runs), tmp_path / "kept.html")


def test_page_of_a_fit_says_who_chose_what(stope: Stope, flight: Path, policy: Path, tmp_path: Path) -> None:
    fit = ("flight", "fit", flight, "--policy", policy, "--n", "16", "--truth", flight / "truth.json")
    run_and_check(stope, fit, tmp_path / "fit.html")
    rows = {row["name"]: row for row in read_report(tmp_path / "fit.json")["assumptions"]}
    assert rows["n"] == {"name": "n", "value": 16, "unit": "", "source": "given on the command line"}
    assert rows["seed"]["source"] == "the command's default"


def test_people_are_told_too_and_where_the_page_is(stope: Stope, tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    arguments = ("cluster", "plan", "stope-dock", "--on", "laptop", "--count", "1")
    plain, kept = stope(*arguments), stope(*arguments, "--report", page)
    assert kept.out == plain.out + f"report: {page}\n"
    assert "Stops helping" in words(page.read_text(encoding="utf-8"))


def test_an_answer_of_no_is_kept_as_well(stope: Stope, tmp_path: Path) -> None:
    case, page = tmp_path / "case.toml", tmp_path / "kept.html"
    case.write_text(PROBE + EXPECT.format(low=50.0, high=60.0), encoding="utf-8")  # no ball of 10 cm goes so deep
    assert stope("world", "validate", "--case", case, "--report", page).code == 1
    assert "0 of 1 values of 1 cases lie where they should." in words(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("cluster", "plan", "stope-dock", "--on", "laptop", "--report", "kept.pdf"), "ends in .html"),
        (("cluster", "plan", "stope-dock", "--on", "laptop", "--report", "nowhere/kept.html"), "no folder nowhere"),
        (("train", "dock", "--dry-run", "--report", "kept.html"), "finds nothing to keep"),
    ],
)
def test_misuse_is_one_line_and_writes_nothing(
    stope: Stope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = stope(*arguments)
    assert answer.code == 2
    assert text in answer.err
    assert answer.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_figure_is_named_without_the_unit_that_stands_beside_its_value() -> None:
    row = {"mean": 3.0, "low": 2.0, "high": 4.0}
    answer = {"x": {"time_s": row, "gap_m": row, "score": row}, "y": {"s": row}}
    found = {figure["name"]: figure["unit"] for figure in figures_of(answer, how="h", basis="measured", level=0.95)}
    assert found == {"x / time": "s", "x / gap": "m", "x / score": "1", "y / s": "s"}


def test_a_rank_that_is_not_the_first_keeps_no_report(
    stope: Stope, policy: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends well, for torchrun ends the whole job where one of its ranks does not."""
    assert policy.exists()
    monkeypatch.setattr(train, "_is_first", lambda: False)
    report = tmp_path / "r.html"
    answer = stope("train", "dock", *TINY, "--runs", runs, "--threads", "1", "--report", report)
    assert (answer.code, answer.out) == (0, "")
    assert not report.exists()
