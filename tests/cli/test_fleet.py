# SPDX-License-Identifier: Apache-2.0
"""`stope fleet`: scenarios are listed and checked."""

from __future__ import annotations

import json
from pathlib import Path

import stope.fleet
from tests.cli.conftest import Stope

SHIPPED = Path(stope.fleet.__file__).parent / "scenarios" / "ryugu-ferry.toml"


def test_scenarios_are_listed(stope: Stope) -> None:
    rows = json.loads(stope("fleet", "scenarios", "--json").out)
    assert [row["name"] for row in rows] == ["ryugu-ferry", "ryugu-month"]
    assert "ryugu-ferry" in stope("fleet", "scenarios").out


def test_a_scenario_file_passes_the_check_and_shows_its_settings(stope: Stope, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(SHIPPED.read_text())
    answer = stope("fleet", "check", file)
    assert answer.code == 0
    assert "depots.alder.buffer" in answer.out
    assert json.loads(stope("fleet", "check", file, "--json").out)["robots"] == 20


def test_the_worth_of_skills_says_what_its_intervals_are_of(stope: Stope, tmp_path: Path) -> None:
    page = tmp_path / "value.html"
    answer = stope("fleet", "value", "--months", "2", "--set", "robots=20", "--set", "days=0.5", "--report", page)
    assert "95 % intervals of chance alone" in " ".join(answer.out.split())
    assert "the belief about the measured rows is drawn once" in page.read_text(encoding="utf-8")
