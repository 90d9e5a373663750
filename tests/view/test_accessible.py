# SPDX-License-Identifier: Apache-2.0
"""Accessibility by axe-core in headless Chromium: no serious or critical finding on a report or a replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stope.cli.main import run as main
from stope.view.replay import write_replay
from stope.view.replay.month import record_month
from stope.view.report import write_report
from tests.view.builders import report
from tests.view.test_replay import run, small

pytestmark = pytest.mark.slow
__all__ = ["run"]
GRAVE = {"serious", "critical"}


@pytest.fixture
def check(browser: Any, axe: str) -> Callable[..., list[str]]:
    """Opens a page and returns what axe finds grave, as texts."""

    def found(path: Path, *, scheme: str, width: int = 1280, act: str = "") -> list[str]:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.goto(path.as_uri())
        page.evaluate(axe)
        if act:
            page.evaluate(act)
        result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        assert result["passes"], "axe ran no rule"
        page.close()
        return [f"{row['id']} ({row['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
                for row in result["violations"] if row["impact"] in GRAVE for node in row["nodes"][:3]]  # fmt: skip

    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_report(check: Callable[..., list[str]], tmp_path: Path, scheme: str, width: int) -> None:
    page = write_report(report(), tmp_path)
    act = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
    assert check(page, scheme=scheme, width=width, act=act) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_replay_of_a_skill_with_a_robot_chosen(check: Callable[..., list[str]], tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "skill.html"
    write_replay(small(frames=51, robots=9), path)
    act = "document.querySelector('[data-state=\"1\"]').click(); document.querySelector('#list button').click()"
    assert check(path, scheme=scheme, act=act) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_replay_of_a_month_with_its_log(
    check: Callable[..., list[str]], run: Path, tmp_path: Path, scheme: str
) -> None:
    path = tmp_path / "month.html"
    write_replay(record_month(run), path)
    act = "document.querySelector('#pareto button').click(); document.querySelector('#list button').click()"
    assert check(path, scheme=scheme, act=act) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_of_one_command(check: Callable[..., list[str]], tmp_path: Path, scheme: str) -> None:
    page = tmp_path / "plan.html"
    assert main(["cluster", "plan", "stope-dock", "--on", "laptop", "--report", str(page)]) == 0
    act = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
    assert check(page, scheme=scheme, act=act) == []


def test_axe_finds_what_is_wrong(check: Callable[..., list[str]], tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<!doctype html><html lang='en'><title>t</title><body><button></button></body></html>")
    assert any(text.startswith("button-name (critical)") for text in check(path, scheme="light"))
