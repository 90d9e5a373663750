# SPDX-License-Identifier: Apache-2.0
"""Files are whole or not there."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stope.base.errors import FileError
from stope.base.files import check_writable, read_json, write_atomic, write_json

KILLED_BETWEEN_WRITE_AND_RENAME = """
import os, signal, sys
from pathlib import Path
from stope.base.files import write_atomic
Path.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
write_atomic(Path(sys.argv[1]), b"new")
"""


def test_text_and_bytes_arrive_as_given_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x"
    write_atomic(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    write_atomic(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in path.parent.iterdir()] == ["x"]  # nothing left beside it


def test_a_kill_between_write_and_rename_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED_BETWEEN_WRITE_AND_RENAME, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_atomic(path, "new")  # what the kill left behind is in nobody's way
    assert path.read_text() == "new"


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_json_comes_back_equal_and_has_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None, True], "a": {"é": "x"}}
    write_json(tmp_path / "1.json", value)
    write_json(tmp_path / "2.json", dict(reversed(value.items())))
    assert read_json(tmp_path / "1.json", what="thing") == value
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


def test_a_whole_number_that_no_float_holds_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": 1' + "0" * 400 + "}")
    with pytest.raises(FileError, match=r"x\.json: not a whole thing file \(.*not a finite number.*\)\.$"):
        read_json(path, what="thing")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_neither_written_nor_read(tmp_path: Path, number: float) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(FileError, match=r"x\.json: cannot be written as JSON \(.*\)\.$"):
        write_json(path, {"a": number})
    assert not path.exists()
    path.write_text(json.dumps({"a": number}))  # Python's own writer lets it through
    with pytest.raises(FileError, match=r"x\.json: not a whole thing file \(.*not a finite number.*\)\.$"):
        read_json(path, what="thing")


def test_what_is_no_json_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"x\.json: cannot be written as JSON \(.*complex.*\)\.$"):
        write_json(tmp_path / "x.json", {"a": 1j})


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe", b"[1] 2"])
def test_a_truncated_or_foreign_file_is_one_line_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"x\.json: not a whole thing file \(.*\)\.$") as caught:
        read_json(path, what="thing")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_list_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.json: no such thing file\.$"):
        read_json(tmp_path / "none.json", what="thing")
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(FileError, match=r"x\.json: found a list: expected a thing \(a JSON object\)\.$"):
        read_json(tmp_path / "x.json", what="thing")


@pytest.mark.parametrize("place", ["folder", "file/x.json"])
def test_a_place_that_cannot_be_written_is_refused_by_the_name_that_was_given(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for write in (check_writable, lambda path: write_atomic(path, "x")):
        with pytest.raises(FileError) as caught:
            write(tmp_path / place)
        assert str(caught.value).startswith(f"{tmp_path / place}: ")
        assert ".part" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
