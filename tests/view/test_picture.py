# SPDX-License-Identifier: Apache-2.0
"""The picture for the README is made by one command from the data of a report."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from stope.base.errors import ConfigError, FileError
from stope.view.picture import main, readme_picture
from tests.view.builders import report


def test_the_picture_is_the_same_twice_and_has_its_size(tmp_path: Path) -> None:
    source = tmp_path / "report.json"
    source.write_text(json.dumps(report()))
    for name in ("one.png", "two.png"):
        assert main([str(source), str(tmp_path / name)]) == 0
    one = (tmp_path / "one.png").read_bytes()
    assert one == (tmp_path / "two.png").read_bytes()
    assert struct.unpack(">II", one[16:24]) == (1600, 700)
    assert len(one) < 600_000


def test_a_report_without_the_plots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a plot of kind 'body'"):
        readme_picture(report(sections=[]), tmp_path / "x.png")
    with pytest.raises(FileError, match=r"ends in \.png"):
        readme_picture(report(), tmp_path / "x.svg")


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nothing.json"), str(tmp_path / "x.png")]) == 2
    assert capsys.readouterr().err == f"FileError: {tmp_path / 'nothing.json'}: no such report file.\n"
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: ")
