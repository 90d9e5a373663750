# SPDX-License-Identifier: Apache-2.0
"""The mission of a month: run again it is the same; its moments and activities can be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stope.base.errors import ConfigError, FileError
from stope.base.units import DAY
from stope.fleet.mission.kept import query
from stope.fleet.mission.scenario import load_month, with_changes
from stope.missions.choose import is_month
from stope.missions.month import MonthConfig, mine_month
from stope.missions.month_replay import replay_run
from tests.fleet.mission.builders import bank

SMALL = ("robots=20", "days=2", "beliefs=2", "chances=2")


def test_ferry_and_month_are_told_apart() -> None:
    assert is_month("ryugu-month")
    assert not is_month("ryugu-ferry")


def test_a_mission_of_a_month_goes_on_where_it_was_and_can_be_looked_at(tmp_path: Path) -> None:
    file, out = tmp_path / "bank.parquet", tmp_path / "run"
    bank().save(file)
    config = MonthConfig(settings=SMALL, bank=str(file), value_months=2)
    html, report = mine_month(config, out=out)
    (out / "value.json").unlink()
    again_html, again = mine_month(config, out=out)
    drop = {"timing"}
    assert {n: v for n, v in report.items() if n not in drop} == {n: v for n, v in again.items() if n not in drop}
    assert html == again_html
    assert "ryugu" in html.read_text(encoding="utf-8").lower()
    assert report["assumptions"]
    state = replay_run(out, 1.5)
    counted = sum(sum(phases.values()) for kind, phases in state["robots"].items() if kind != "unit")
    fleet = with_changes(load_month("ryugu-month"), list(SMALL)).fleet
    assert counted == fleet.excavators + fleet.haulers + fleet.prospectors
    with pytest.raises(ConfigError, match="another configuration"):
        mine_month(MonthConfig(settings=SMALL, bank=str(file), value_months=2, seed=2), out=out)
    pytest.importorskip("duckdb")
    _, rows = query(out / "month", "SELECT max(end_s) FROM activities")
    assert 0.0 < rows[0][0] <= 2.0 * DAY
    assert json.loads((out / "kept.json").read_text())["seed"] == 1
    file.unlink()
    with pytest.raises(FileError, match="bank"):
        replay_run(out, 1.5)
