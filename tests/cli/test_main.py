# SPDX-License-Identifier: Apache-2.0
"""What becomes of errors: one line and an exit code, a traceback only when asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stope.base.errors import ConfigError, MissingExtra
from stope.cli import world
from tests.cli.conftest import TINY, Stope

INTERRUPTED = "stope: interrupted. The same command goes on from the last checkpoint, if it keeps any.\n"


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `stope world robots --json` raise."""

    def broken(value: object) -> None:
        raise error

    monkeypatch.setattr(world, "show_json", broken)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("a = 1: expected 2."), 2, "stope: a = 1: expected 2.\n"),
        (MissingExtra("no device."), 3, "stope: no device.\n"),
        (PermissionError(13, "Permission denied", "a.toml"), 2, "stope: a.toml: permission denied.\n"),
        (OSError(28, "No space left on device", "b"), 2, "stope: b: no space left on device.\n"),
        (MemoryError("7 TB"), 2, "stope: not enough memory (7 TB). Use fewer worlds or episodes.\n"),
        (KeyboardInterrupt(), 130, INTERRUPTED),
        (ConfigError("two\nlines"), 2, "stope: two lines\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_error_becomes_one_line_and_its_code(
    stope: Stope, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    fail_with(monkeypatch, error)
    answer = stope("world", "robots", "--json")
    assert (answer.code, answer.out, answer.err) == (code, "", line)


def test_debug_shows_the_traceback_wherever_it_stands(stope: Stope, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, ConfigError("a = 1: expected 2."))
    for arguments in (["--debug", "world", "robots", "--json"], ["world", "robots", "--json", "--debug"]):
        answer = stope(*arguments)
        assert answer.code == 2  # 1 would be an answer of "no"
        assert "Traceback" in answer.err
        assert answer.err.endswith("stope: a = 1: expected 2.\n")


def test_a_fault_of_our_own_is_not_hidden_and_no_answer(stope: Stope, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is no misuse: it must show its traceback, so that it can be reported; and code 1 would mean "no"."""
    fail_with(monkeypatch, ZeroDivisionError("ours"))
    answer = stope("world", "robots", "--json")
    assert answer.code == 70
    assert "ZeroDivisionError: ours" in answer.err
    assert answer.err.endswith("stope: this is a fault of stope, not of what was asked.\n")


def test_closed_pipe_ends_without_a_traceback() -> None:
    command = f"{sys.executable} -m stope.cli.main world physics --json | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    assert len(done.stdout) == 10


def test_a_pipe_that_nobody_reads_is_no_answer() -> None:
    """Closed before anything was written: code 1 would mean "no"."""
    command = [sys.executable, "-m", "stope.cli.main", "world", "physics", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 141


def test_interrupted_training_goes_on_and_ends_with_the_same_weights(stope: Stope, tmp_path: Path) -> None:
    """Ctrl-C in another process, then the same command here; against a training that was left alone."""
    settings = [*TINY, "--set=num_iterations=80", "--set=evaluate_every=10", "--set=goal=2.0", "--threads=1",
                "--json"]  # fmt: skip
    command = [sys.executable, "-m", "stope.cli.main", "train", "dock", *settings, "--runs"]

    def cut(runs: Path) -> tuple[int, str, str]:
        with subprocess.Popen(
            [*command, str(runs)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
            # A shell that put the tests in its background has told them to ignore the signal, and children inherit it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 -- the tests have one thread
        ) as job:  # fmt: skip
            deadline = time.monotonic() + 240.0
            while not list(runs.glob("*/checkpoint.safetensors")) and time.monotonic() < deadline:
                time.sleep(0.02)
            job.send_signal(signal.SIGINT)
            out, err = job.communicate(timeout=60)
        return job.returncode, out, err

    runs, attempt = tmp_path / "cut0", 0
    # On a busy machine the training can end between the checkpoint and the signal: then another one is cut.
    while (ended := cut(runs))[0] == 0 and attempt < 4:
        attempt += 1
        runs = tmp_path / f"cut{attempt}"
    code, out, err = ended
    assert (code, out) == (130, "")
    assert err == INTERRUPTED
    resumed = stope("train", "dock", *settings, "--runs", runs)
    alone = stope("train", "dock", *settings, "--runs", tmp_path / "alone")
    digest = [line for line in resumed.out.splitlines() if '"digest"' in line]
    assert digest
    assert digest == [line for line in alone.out.splitlines() if '"digest"' in line]
