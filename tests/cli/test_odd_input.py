# SPDX-License-Identifier: Apache-2.0
"""Input that once ended in a traceback, in another file's loss, or in a belief about nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stope.flight.formats.stope_log import write_log_file
from stope.flight.ground.scoop import program
from stope.view.report import read_report
from tests.cli.conftest import Stope
from tests.cli.test_misuse import refused
from tests.flight.ground.ground_builders import scooped
from tests.flight.log_builders import by_hand
from tests.flight.test_record import rewrite

FIGURES = ("success", "time_s", "final_error_m", "impulse_ns", "energy_j")
OUTCOME = dict.fromkeys(FIGURES, 1.0)


@pytest.fixture
def scored(tmp_path: Path) -> Sequence[str | Path]:
    """A forecast, and what came."""
    given, came = tmp_path / "given.json", tmp_path / "came.json"
    row = {"mean": 0.9, "low": 0.5, "high": 1.0}
    given.write_text(json.dumps({"episodes": 1, "level": 0.9, "figures": dict.fromkeys(FIGURES, row)}))
    came.write_text(json.dumps({"outcomes": [OUTCOME]}))
    return "flight", "forecast", "--score", given, "--outcomes", came


def test_a_report_takes_no_other_file_place(stope: Stope, scored: Sequence[str | Path], tmp_path: Path) -> None:
    before = (tmp_path / "given.json").read_bytes()
    assert "score names too" in refused(stope, *scored, "--report", tmp_path / "given.html")
    (tmp_path / "mine.json").write_text("{}")
    assert "no report" in refused(stope, *scored, "--report", tmp_path / "mine.html")
    assert (tmp_path / "given.json").read_bytes() == before
    assert (tmp_path / "mine.json").read_text() == "{}"
    for _ in range(2):  # its own it may replace
        assert stope(*scored, "--report", tmp_path / "page.html").code == 0
    assert read_report(tmp_path / "page.json")["figures"]


@pytest.mark.parametrize(
    ("given", "came"),
    [
        ('{"a": 1}', '{"outcomes": []}'),
        ('{"figures": [1]}', json.dumps({"outcomes": [OUTCOME]})),
        (None, '{"outcomes": [1, 2]}'),
        (None, '{"outcomes": {"a": 1}}'),
        (None, json.dumps({"outcomes": [{**OUTCOME, "time_s": "fast"}]})),
        (None, '{"outcomes": [{"success": 1e999}]}'),
        (None, "[" * 100_000),
    ],
)
def test_what_is_no_forecast_or_outcome_is_refused(
    given: str | None, came: str, stope: Stope, scored: Sequence[str | Path], tmp_path: Path
) -> None:
    if given is not None:
        (tmp_path / "given.json").write_text(given)
    (tmp_path / "came.json").write_text(came)
    refused(stope, *scored)


def test_a_flight_without_a_measurement_is_refused(stope: Stope, flight: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(flight, tmp_path / "blind"))
    rewrite(folder, lambda cells: [row.__setitem__(slice(7, None), [""] * 13 + ["0"]) for row in cells[1:]])
    assert "0 measured rows" in refused(stope, "flight", "check", folder, "--json")


def test_a_stray_quote_is_a_wrong_number_in_its_row(stope: Stope, flight: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(flight, tmp_path / "quoted"))
    rewrite(folder, lambda cells: cells[40].__setitem__(1, '"0.0'))
    assert "row 39" in refused(stope, "flight", "check", folder)


def test_a_log_counts_once(stope: Stope, flight: Path, policy: Path) -> None:
    text = refused(stope, "flight", "fit", flight, flight, "--policy", policy, "--n", "4")
    assert "expected each log once" in text


def test_a_log_of_another_control_period_is_refused(stope: Stope, flight: Path, policy: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(flight, tmp_path / "quick"))
    head = folder / "flight.toml"
    head.write_text(head.read_text().replace("control_period_s = 0.2", "control_period_s = 0.1"))
    rewrite(folder, lambda cells: [row.__setitem__(0, f"{0.1 * k:.1f}") for k, row in enumerate(cells[1:])])
    assert "a control period of 0.1 s" in refused(stope, "flight", "fit", folder, "--policy", policy, "--n", "4")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"latitude_deg": 12.0}, "latitude_deg 12.0: expected 30.0"),
        ({"body": "bennu"}, "body 'bennu': expected 'ryugu'"),
        ({}, "the same rows as made-up"),
        ({"rows": 300}, "300 rows: expected 600"),
    ],
)
def test_scoop_tests_of_one_ground_are_whole_and_there_once(
    changes: dict[str, object], text: str, stope: Stope, tmp_path: Path
) -> None:
    log = scooped(program("hand-6-1"))
    log.save(tmp_path / "one")
    if num := changes.pop("rows", 0):
        changes |= {"observation": log.observation[:num] + 1e-3, "action": log.action[:num]}
    replace(log, **changes).save(tmp_path / "two")  # type: ignore[arg-type]
    assert text in refused(stope, "flight", "soil", tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("flight campaign --worlds ²", "expected a number"),
        ("flight campaign --flights 0,²", "expected counts"),
        ("flight campaign --worlds 0-0 --flyer 'x", "no closing quotation"),
        ("cluster scale evaluate --workers ²", "expected counts"),
        ("flight worth --hours nan", "--hours nan: expected a finite number"),
        ("train dock --latitude=inf --dry-run", "--latitude inf: expected a finite number"),
        ("train anchor --set seed=20000000000000000000", "less than 2^63"),
        ("train dock --set num_worlds=" + "9" * 5000, "num_worlds"),
        ("train dock --set learning_rate=" + "9" * 400, "expected a finite number"),
    ],
)
def test_a_command_line_that_cannot_be_read(line: str, text: str, stope: Stope) -> None:
    assert text in refused(stope, *line.split(" "))


def test_names_from_a_log_are_text_in_pages_and_pictures(stope: Stope, flight: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(flight, tmp_path / "named"))
    head = folder / "flight.toml"
    head.write_text(re.sub(r'^name = ".*"', r"name = '%HEAD% %FACTS% $\\foo$'", head.read_text(), flags=re.MULTILINE))
    assert stope("flight", "show", folder, "--png", tmp_path / "log.png").code == 0
    assert (tmp_path / "log.png").read_bytes().startswith(b"\x89PNG")
    assert stope("view", folder, "--n", "0", "--out", tmp_path / "log.html").code == 0
    assert "<title>" in (tmp_path / "log.html").read_text()
    assert "%HEAD% %FACTS% $\\foo$" in (tmp_path / "log.html").read_text().split("</title>")[0]


def test_what_a_log_says_is_text_in_its_picture(stope: Stope, tmp_path: Path) -> None:
    log = by_hand()
    odd = replace(log, head=replace(log.head, vehicle=r"$\foo$"))
    write_log_file(odd, tmp_path / "odd.stopelog")
    assert stope("flight", "show", tmp_path / "odd.stopelog", "--png", tmp_path / "odd.png").code == 0


def test_a_path_is_not_broken_in_a_pipe(stope: Stope, flight: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)
    shown = stope("flight", "show", flight, "--png", deep / "x.png").out
    assert str(deep / "x.png") in shown


def test_a_month_that_is_none_is_refused(stope: Stope, tmp_path: Path) -> None:
    (tmp_path / "month" / "activities").mkdir(parents=True)
    (tmp_path / "month" / "activities" / "day-000.parquet").touch()
    (tmp_path / "kept.json").write_text("{}")
    assert "scenario = None" in refused(stope, "view", tmp_path, "--out", tmp_path / "page.html")
