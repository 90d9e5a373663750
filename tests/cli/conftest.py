# SPDX-License-Identifier: Apache-2.0
"""What the command-line tests share: a way to run a command, a policy that learned nothing, and a short flight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from proving_ground import fly, load_scenario, write_flight
from stope.cli.main import run

TINY = tuple(f"--set={field}" for field in (
    "num_worlds=16", "steps_per_iteration=8", "num_iterations=1", "num_evaluation=8", "hidden=[8]", "task.time_limit=6",
))  # fmt: skip
"""Settings of a training of half a second."""


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str


Stope = Callable[..., Answer]


@pytest.fixture
def stope(capsys: pytest.CaptureFixture[str]) -> Stope:
    """Run a command line in this process."""

    def call(*arguments: str | Path) -> Answer:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the tests' policies are kept."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def policy(runs: Path) -> Path:
    """File of a policy for bee-gas at Ryugu that was trained for one iteration."""
    path = runs / "tiny.safetensors"
    assert run(["train", "dock", *TINY, "--runs", str(runs), "--out", str(path), "--threads", "1"]) == 0
    return path


@pytest.fixture(scope="session")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in flight of 90 rows with its truth."""
    return write_flight(fly(load_scenario(), seed=7, minutes=0.3), tmp_path_factory.mktemp("flights") / "0007")
