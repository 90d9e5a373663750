# SPDX-License-Identifier: Apache-2.0
"""The page of a replay in headless Chromium: what it shows is what its data say, and nothing is complained of."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stope.base.config import as_dict
from stope.base.files import write_json
from stope.fleet.mission.kept import keep_month
from stope.flight.record import load_flight
from stope.view.replay import Replay, write_replay
from stope.view.replay.flight import record_flight
from stope.view.replay.month import record_month
from stope.view.replay.questions import EDGES, STAGES
from tests.fleet.mission.builders import month, tables
from tests.view.test_replay import run, small

pytestmark = pytest.mark.slow
__all__ = ["run"]


class Shown:
    """One replay in one page."""

    def __init__(self, browser: Any, replay: Replay, path: Path, **options: Any) -> None:
        """Write it, open it, wait until it is there."""
        write_replay(replay, path)
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page = browser.new_page(**({"viewport": {"width": 1280, "height": 900}} | options))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type in ("error", "warning") else None)
        self.page.goto(path.as_uri())
        # By selector: waiting for a function needs eval, which the page's own policy forbids.
        self.page.wait_for_selector("html[data-ready=true]", timeout=60_000)

    def text(self, where: str) -> str:
        """Of an element."""
        return self.page.inner_text(where)

    def num_colours(self) -> int:
        """Of the scene as it is drawn."""
        return self.page.evaluate(
            """() => { const { scene, view } = window.stopeReplay, gl = scene.gl; scene.draw(view.frame, view.mix);
            const w = gl.drawingBufferWidth, h = gl.drawingBufferHeight, p = new Uint8Array(4 * w * h);
            gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, p);
            const seen = new Set();
            for (let k = 0; k < p.length; k += 4) seen.add(p[k] << 16 | p[k + 1] << 8 | p[k + 2]);
            return seen.size; }"""
        )

    def end(self) -> None:
        """Nothing was fetched from anywhere, nothing went wrong."""
        # Chromium remarks on the pictures that the test itself reads back.
        assert [f for f in self.faults if "due to ReadPixels" not in f] == []
        assert all(url.startswith(("file:", "data:", "blob:")) for url in self.asked)
        self.page.close()


def test_skill_counts_seek_play_keys_and_robot(browser: Any, tmp_path: Path) -> None:
    replay = small(frames=51, robots=9)
    shown = Shown(browser, replay, tmp_path / "skill.html")
    assert shown.text("#answer") == replay.answer
    for frame in (0, 20, 50):
        shown.page.evaluate("(t) => { const s = window.stopeReplay; s.seek(t); s.refresh(); }", 0.2 * frame + 1e-4)
        for k, name in enumerate(s.name for s in replay.states):
            words = shown.text(f'[data-state="{k}"]')
            assert name in words
            assert words.split()[-1] == str(int(replay.counts()[frame, k]))
    assert "distress" in shown.text('[data-state="1"]')  # in words, not by colour alone
    assert shown.num_colours() > 10
    hot = [i for i in range(9) if replay.state[50, i] == 1]
    shown.page.click('[data-state="1"]')
    assert shown.text("#list-title") == f"{len(hot)} in </script>hot now"
    shown.page.click("#list button")
    assert shown.text("#robot-title") == replay.names[hot[0]]
    value = replay.series["speed [m/s]"][50, hot[0]]
    assert float(shown.text("#readouts dd:last-child")) == pytest.approx(value, rel=1e-3)
    shown.page.focus("#scene")
    shown.page.keyboard.press(",")
    assert shown.page.evaluate("window.stopeReplay.view.frame") == 49
    shown.page.evaluate("window.stopeReplay.seek(0)")
    shown.page.click("#play")
    assert shown.text("#play") == "Pause"
    for _ in range(100):
        shown.page.wait_for_timeout(100)
        if shown.page.evaluate("window.stopeReplay.view.now") > 0.5:
            break
    assert shown.page.evaluate("window.stopeReplay.view.now") > 0.5
    shown.page.click("#play")
    shown.end()


def test_month_is_two_clicks_from_lost_time_to_one_robot(browser: Any, run: Path, tmp_path: Path) -> None:
    replay = record_month(run)
    shown = Shown(browser, replay, tmp_path / "month.html")
    lost = replay.lost_time()
    assert [row.split()[-1] for row in shown.page.locator("#pareto button").all_inner_texts()] == [
        f"{hours:.1f}" for hours in lost.values()
    ]
    shown.page.click("#pareto button")  # the first click
    state = [s.name for s in replay.states].index(next(iter(lost)))
    chosen = replay.rows["state"] == state
    spent = {r: float((replay.rows["end_s"] - replay.rows["start_s"])[chosen & (replay.rows["robot"] == r)].sum())
             for r in range(replay.num_robots)}  # fmt: skip
    worst = max(spent, key=lambda r: spent[r])
    assert shown.text("#list button") == f"{replay.names[worst]}, {spent[worst] / 3600:.2f} h"
    shown.page.click("#list button")  # the second
    assert shown.text("#robot-title") == replay.names[worst]
    assert shown.page.locator("#log tbody tr").count() == int((replay.rows["robot"] == worst).sum())
    shown.end()


def test_questions_to_earth_are_counted_by_stage_and_lead_to_their_robots(browser: Any, tmp_path: Path) -> None:
    folder, scenario = tmp_path / "run", month("link.autonomy='E1'", robots=20, days=2.0)
    keep_month(scenario, tables(), folder / "month", seed=1)
    write_json(folder / "kept.json", {"scenario": as_dict(scenario) | {"sources": {}}, "bank": "",
                                      "bank_digest": "made up", "seed": 1})  # fmt: skip
    replay = record_month(folder)
    assert len(replay.questions["robot"]) == replay.as_json()["num_questions"] > 20
    shown = Shown(browser, replay, tmp_path / "month.html")
    edges = np.array([replay.questions[name] for name in EDGES])
    seen = 0
    for t in np.linspace(0.1, 0.9, 9) * replay.times[-1]:
        shown.page.evaluate("(t) => { const s = window.stopeReplay; s.seek(t); s.refresh(); }", float(t))
        is_open = (edges[0] <= t) & (t < edges[5])
        stage = (edges[1:5, is_open] <= t).sum(axis=0)
        for k, name in enumerate(STAGES):
            words = shown.text(f'[data-stage="{k}"]')
            assert name in words
            assert int(words.split()[-1]) == int((stage == k).sum())
            seen += int((stage == k).sum())
        if is_open.any() and seen:
            k = int(stage[0])
            shown.page.click(f'[data-stage="{k}"]')
            num = int((stage == k).sum())
            assert shown.text("#list-title") == f"{num} question{'s' * (num > 1)}: {STAGES[k]}"
            robot = replay.names[int(replay.questions["robot"][is_open][0])]
            assert shown.text("#list button").startswith(f"{robot}, asked ")
            shown.page.click("#list button")
            assert shown.text("#robot-title") == robot
            shown.page.click(f'[data-stage="{k}"]')
    assert seen > 0
    shown.end()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_flight_on_a_phone_fits_and_every_control_has_a_name(browser: Any, tmp_path: Path, scheme: str) -> None:
    flight = load_flight(Path(str(files("stope.flight.samples") / "ryugu-gas-0001")))
    replay = record_flight(flight, num_draws=4)
    shown = Shown(browser, replay, tmp_path / "flight.html", viewport={"width": 390, "height": 800},
                  color_scheme=scheme, has_touch=True)  # fmt: skip
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert shown.text("#robot-title") == "measured"
    unnamed = shown.page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, canvas, [role=region]')].filter((e) =>
        !(e.innerText || '').trim() && !e.getAttribute('aria-label') && !e.labels?.length).map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    shown.end()
