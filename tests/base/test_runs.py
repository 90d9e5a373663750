# SPDX-License-Identifier: Apache-2.0
"""A run directory does each stage once and refuses another configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from stope.base.errors import ConfigError, FileError
from stope.base.runs import Run


def test_a_stage_is_made_once_and_read_back(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> dict[str, object]:
        calls.append(1)
        return {"pair": (1.0, 2.0)}

    for _ in range(2):
        assert Run(tmp_path, {"a": 1}).json("part/one.json", make) == {"pair": [1.0, 2.0]}
    assert calls == [1]


def test_a_stage_that_fails_leaves_no_file(tmp_path: Path) -> None:
    run = Run(tmp_path, {"a": 1})

    def fail() -> dict[str, object]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.json("one.json", fail)
    assert not (tmp_path / "one.json").exists()
    assert run.json("one.json", lambda: {"x": 1}) == {"x": 1}


def test_another_configuration_is_refused_by_name(tmp_path: Path) -> None:
    Run(tmp_path, {"a": 1})
    with pytest.raises(ConfigError, match=r"another configuration.*--out"):
        Run(tmp_path, {"a": 2})


def test_a_truncated_stage_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path, {"a": 1})
    (tmp_path / "one.json").write_text('{"x": 1')
    with pytest.raises(FileError, match=r"one\.json: not a whole stage 'one\.json' file"):
        run.json("one.json", lambda: {"x": 1})


def test_time_adds_up_over_attempts_also_after_a_failure(tmp_path: Path) -> None:
    run = Run(tmp_path, {"a": 1})
    with run.timed("train"):
        pass
    first = run.timing()["train"]
    with pytest.raises(ZeroDivisionError), run.timed("train"):
        raise ZeroDivisionError
    assert Run(tmp_path, {"a": 1}).timing()["train"] > first > 0.0
