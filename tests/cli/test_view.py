# SPDX-License-Identifier: Apache-2.0
"""`stope view`: pages of a skill and of a flight, the same content as JSON, and one line for what cannot be."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from stope.view.browser import NAMES
from tests.cli.conftest import Stope

SAMPLE = Path(str(files("stope.flight.samples") / "ryugu-gas-0001"))


def test_skill_with_contact(stope: Stope, tmp_path: Path) -> None:
    out = tmp_path / "anchor.html"
    answer = stope(
        "view", "anchor", "--n", "2", "--set", "task.time_limit=4", "--set", "task.push_start=1", "--out", out, "--json"
    )
    assert answer.code == 0, answer.err
    shown = json.loads(answer.out)
    assert (shown["num_robots"], shown["num_frames"], shown["duration_s"]) == (2, 21, 4.0)
    assert shown["bytes"] == out.stat().st_size
    assert sum(shown["states_at_end"].values()) == 2
    assert shown["answer"] in out.read_text(encoding="utf-8")
    assert shown["outcome"]["n"] == 2


def test_flight_beside_its_prediction(stope: Stope, tmp_path: Path) -> None:
    out = tmp_path / "flight.html"
    shown = json.loads(stope("view", SAMPLE, "--n", "8", "--out", out, "--json").out)
    found = shown["prediction"]
    assert (found["draws"], found["from"], shown["num_robots"]) == (8, "prior", 9)
    assert 0.0 < found["median_error_m"] < 0.5
    assert found["stretches"] > 20
    assert "stand-in flight" in " ".join(shown["notes"]).lower()
    alone = json.loads(stope("view", SAMPLE, "--n", "0", "--out", out, "--json").out)
    assert alone["prediction"] is None
    assert any("Measured only" in note for note in alone["notes"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dok",), "dock"),
        (("anchor", "--n", "0"), "--n 0: expected 1 to 1024."),
        (("anchor", "--belief", "b.json"), "--belief: is for a flight"),
        ((SAMPLE, "--set", "a=1"), "--set: is for a skill"),
        (("runs", "--live", "--n", "3"), "--live: reads a run's own files"),
        (("nowhere", "--live"), "nowhere: expected a training (config.json), a mission (run.json)"),
        (("anchor", "--seconds", "0.5"), "--seconds 0.5: expected 1 to 120."),
        (("anchor", "--video", "film.avi"), "expected a name that ends in .gif or .mp4"),
    ],
)
def test_misuse_is_one_line(stope: Stope, arguments: tuple[str | Path, ...], words: str) -> None:
    answer = stope("view", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert answer.err.count("\n") == 1


def test_folder_of_something_else_is_refused(stope: Stope, tmp_path: Path) -> None:
    answer = stope("view", tmp_path)
    assert answer.code == 2
    assert "expected a flight (flight.toml) or a run of a month" in answer.err


def test_film_without_a_browser_is_refused_before_anything_is_flown(
    stope: Stope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = stope("view", SAMPLE, "--video", tmp_path / "film.gif")
    assert (answer.code, answer.out) == (3, "")
    assert "none of chromium" in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_film_of_a_flight(stope: Stope, tmp_path: Path) -> None:
    if not any(shutil.which(name) for name in NAMES):
        pytest.skip("no Chromium on the path")
    film = tmp_path / "flight.gif"
    answer = stope("view", SAMPLE, "--n", "2", "--out", tmp_path / "flight.html", "--video", film, "--seconds", "1",
                   "--json")  # fmt: skip
    assert answer.code == 0, answer.err
    shown = json.loads(answer.out)
    assert (shown["video"], shown["video_bytes"]) == (str(film), film.stat().st_size)
