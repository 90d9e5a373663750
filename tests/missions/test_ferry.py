# SPDX-License-Identifier: Apache-2.0
"""A ferry mission, small but whole: killed anywhere and with any number of threads it ends with the same report."""

from __future__ import annotations

import html
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stope.base.errors import ConfigError, FileError, UnknownName
from stope.base.files import read_json
from stope.base.progress import Progress, silent
from stope.missions.ferry import Done, FerryConfig, mine

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # it trains a policy and fits a flight: two minutes

SMALL = ("robots=3", "days=1", "replicates=2")


class Stop(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in flight of one minute: its fit takes a few seconds."""
    folder = tmp_path_factory.mktemp("flights") / "0001"
    command = [sys.executable, "-m", "proving_ground", "fly", "--seed", "1", "--minutes", "1", "--out", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def config(log: Path, **changes: Any) -> FerryConfig:
    """A mission that takes seconds."""
    return FerryConfig(**{"settings": SMALL, "flight": str(log), "outcomes": 12, "dockings": 40, **changes})


def killed_at(stage: str) -> Progress:
    """A progress that stops the process when a stage is half done."""

    def progress(name: str, share: float) -> None:
        if name.startswith(stage) and share >= 0.5:
            raise Stop

    return progress


@pytest.fixture(scope="session")
def whole(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The mission in one go, on one thread."""
    folder = tmp_path_factory.mktemp("whole")
    return mine(config(log), out=folder / "run", runs=folder / "runs", num_threads=1, progress=silent)


def without_time(done: Done) -> dict[str, Any]:
    """The report as it is in its file, without wall-clock and without the commit, which others may move meanwhile."""
    report = {k: v for k, v in read_json(done.html.parent / "report.json", what="report").items() if k != "timing"}
    report["provenance"].pop("git_commit")
    return report


def test_a_mission_killed_in_every_stage_and_on_two_threads_ends_with_the_same_report(
    log: Path, whole: Done, tmp_path: Path
) -> None:
    # A training killed half way is in tests/learn and tests/cli; here its policy is there already.
    runs = whole.html.parents[1] / "runs"
    for stage in (
        "fit flight",
        "dock before and after",
        "measure skills, told the belief",
        "the month, told the prior",
    ):
        with pytest.raises(Stop):
            mine(config(log), out=tmp_path / "run", runs=runs, num_threads=2, progress=killed_at(stage))
    done = mine(config(log), out=tmp_path / "run", runs=runs, num_threads=2)
    assert without_time(done) == without_time(whole)


def test_the_report_says_what_was_mined_and_how_each_figure_arose(whole: Done) -> None:
    report = without_time(whole)
    page = " ".join(html.unescape(whole.html.read_text(encoding="utf-8")).split())
    assert " ".join(report["answer"].split()[:4]) in page
    for figure in report["figures"] + [f for s in report["sections"] for f in s["figures"]]:
        assert figure["how"]
        if figure["kind"] == "rate":
            assert 0.0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1.0
            assert figure["n"] > 0
    assert all(row["source"] for row in report["assumptions"])


def test_a_folder_with_another_mission_is_refused(log: Path, whole: Done) -> None:
    with pytest.raises(ConfigError, match="another configuration"):
        mine(config(log, seed=2), out=whole.html.parent, runs=whole.html.parents[1] / "runs")


def test_a_broken_piece_of_the_bank_is_named(log: Path, whole: Done, tmp_path: Path) -> None:
    piece = whole.html.parent / "bank-prior" / "dock-depot.npz"
    kept = piece.read_bytes()
    try:
        piece.write_bytes(kept[: len(kept) // 2])
        with pytest.raises(FileError, match=r"dock-depot\.npz: not a whole skill bank"):
            mine(config(log), out=whole.html.parent, runs=whole.html.parents[1] / "runs")
    finally:
        piece.write_bytes(kept)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"scenario": "ceres-ferry"}, UnknownName, "no scenario 'ceres-ferry'.*ryugu-ferry"),
        ({"settings": ("robots=-3",)}, ConfigError, "robots = -3"),
        ({"settings": ("robot=bee-cabin",)}, ConfigError, "needs air"),
        ({"settings": ("robtos=3",)}, ConfigError, "robtos: no such field"),
        ({"outcomes": 0}, ConfigError, "outcomes = 0"),
        ({"seed": -1}, ConfigError, "seed = -1"),
        ({"flight": "no/such/folder"}, FileError, "no/such/folder: no such folder"),
    ],
)
def test_a_mission_that_cannot_be_is_refused_in_one_line(
    log: Path, tmp_path: Path, changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        mine(config(log, **changes), out=tmp_path / "run", runs=tmp_path / "runs")
    assert not (tmp_path / "run").exists()
