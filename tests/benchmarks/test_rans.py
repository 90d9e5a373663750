# SPDX-License-Identifier: Apache-2.0
"""The peer's task: its measures on flights made by hand, and the figures that are kept."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stope.base.intervals import clopper_pearson
from stope.learn.pose_training import PoseFlight

ROOT = Path(__file__).parents[2]
RATES = ("reach_2cm", "reach_1cm", "stay_15cm", "hold_2cm_10s", "hold_1cm_10s", "hold_1cm_and_heading_10s", "lost")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield importlib.import_module("rans")
    sys.modules.pop("rans")


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """The figures in docs/results."""
    return json.loads((ROOT / "docs" / "results" / "rans.json").read_text())


def flight(*columns: Any) -> PoseFlight:
    """A flight of 500 steps whose distances are the columns, heading always right."""
    distance = np.stack([np.broadcast_to(np.asarray(c, dtype=float), 500) for c in columns], axis=1)
    n = distance.shape[1]
    return PoseFlight(distance, np.zeros_like(distance), np.zeros(n), np.zeros(n, dtype=np.bool_))


def test_reach_is_the_peers_and_the_others_are_stricter(script: ModuleType) -> None:
    grazed, left, good = np.full(500, 1.0), np.full(500, 0.005), np.full(500, 0.005)
    grazed[40] = 0.015
    left[400:] = 0.2
    found = script.figures(flight(grazed, left, good, 3.0))
    assert [found[k]["success"] for k in RATES] == [0.75, 0.5, 0.25, 0.5, 0.5, 0.5, 0.0]
    # Of the first 250 steps of four worlds: two all, one for a step within 2 cm.
    assert found["time_within"] == {"5cm": 501 / 1000, "2cm": 501 / 1000, "1cm": 0.5}


def test_a_hold_is_ten_seconds_without_a_break(script: ModuleType) -> None:
    inside = np.ones((500, 2), dtype=np.bool_)
    inside[50::51] = False  # 50 samples, then one outside: 9.8 s
    inside[:, 1] = False
    inside[100:151, 1] = True
    assert script.held(inside).tolist() == [False, True]


def test_a_steady_push_that_no_mix_of_nozzles_balances_is_told(script: ModuleType) -> None:
    from dataclasses import replace  # noqa: PLC0415 -- only here

    calm = script.published()
    assert script.balanced(calm, 4)["success"] == 1.0
    gale = replace(calm, force=(0.0, 0.0, 0.0, 0.0), torque=(0.4, 0.0, 0.4, 0.4))  # 0.31 N m is all there is
    assert script.balanced(gale, 4)["success"] == 0.0


# --- the figures that are kept ---------------------------------------------------------------------------------------
def test_kept_intervals_are_those_of_their_counts(kept: dict[str, Any]) -> None:
    for row in kept["rows"]:
        for name in RATES:
            if name in row:
                found = row[name]
                again = clopper_pearson(round(found["success"] * found["n"]), found["n"])
                assert (found["low"], found["high"]) == pytest.approx((again.low, again.high), abs=1e-12)


def test_kept_policies_meet_the_target_with_a_tenth_of_the_steps(kept: dict[str, Any]) -> None:
    mine = [r for r in kept["rows"] if r["who"] == "stope policy" and r["condition"] == "published"]
    assert len(mine) >= 3
    for row in mine:
        assert row["n"] >= 1000
        assert row["steps"] <= kept["peer_steps"] / 10
        assert row["reach_2cm"]["low"] >= 0.99
        assert row["reach_1cm"]["low"] >= 0.95


def test_nobody_gets_there_by_doing_nothing_or_by_chance(kept: dict[str, Any]) -> None:
    for row in kept["rows"]:
        if row["kind"] == "nothing" and row["condition"] != "floor":
            assert row["reach_1cm"]["success"] <= 0.01
        if row["kind"] in ("nothing", "random"):
            assert row["hold_2cm_10s"]["success"] == 0.0


def test_the_page_says_what_was_measured(script: ModuleType, kept: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "explanation" / "rans.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- rans: begin -->\n(.*?)<!-- rans: end -->", page, re.S)
    assert table
    assert table.group(1) == script.page_tables(kept)
