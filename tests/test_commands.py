# SPDX-License-Identifier: Apache-2.0
"""Every `stope ...` line of README and docs is one that the parser takes; short ones and the tutorial run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from stope.cli.main import app, run

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
READ_ONLY = {"bodies", "robots", "tasks", "physics", "body", "robot", "site", "formats", "systems", "jobs", "scenarios",
             "wire"}  # fmt: skip
"""Commands that only list; they run as they stand."""
PLACEHOLDERS = {"NAME": "ryugu", "DEG": "20"}


def lines_of(page: Path) -> Iterator[str]:
    """Each command line of stope on a page: in blocks without a language, and between backticks."""
    text = page.read_text(encoding="utf-8")
    for language, code in CODE.findall(text):
        if language in ("", "sh", "bash", "console"):
            yield from (found[1].strip() for found in re.finditer(r"^(?:\.venv/bin/)?stope (.*)$", code, re.M))
    for found in re.finditer(r"`(?:\.venv/bin/)?stope ([a-z][^`]*)`", CODE.sub("", text)):
        yield " ".join(found[1].split())


LINES = sorted({line for page in PAGES for line in lines_of(page)})


def words_of(line: str) -> list[str]:
    """A line as its words, the comment left out and what the prose leaves open filled in."""
    return [PLACEHOLDERS.get(word, word) for word in shlex.split(line, comments=True)]


def parse(words: list[str]) -> None:
    """Follow the groups to a command and let it parse what is left, running nothing.

    An option or argument that is missing is no fault: prose says `stope fleet measure` for the command itself.
    """
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        if not words:
            return
        joined = " ".join(words[:2])
        name = joined if joined in command.commands else words[0]
        assert name in command.commands, f"no command {name!r}"
        command, words = command.commands[name], words[len(name.split()) :]
    for parameter in command.params:
        parameter.required, parameter.callback = False, None
    if words and words[-1].startswith("--") and any(words[-1] in p.opts and not p.is_flag for p in command.params):
        words = words[:-1]  # prose may name an option without its value
    command.make_context("stope", list(words), resilient_parsing=False)


def test_there_are_many_lines() -> None:
    assert len(LINES) > 60
    assert any(line.startswith("train dock --robot mule") for line in LINES)


@pytest.mark.parametrize("line", LINES)
def test_every_line_parses(line: str) -> None:
    if "|" in line:  # a list of commands, `flight fit|check|show`
        head, last = line.rsplit(" ", 1)
        for one in last.split("|"):
            parse(words_of(f"{head} {one}"))
        return
    parse(words_of(line))


@pytest.mark.parametrize("line", ["world bodys", "train dock --sett a=1", "flight fit x --tryth y"])
def test_a_wrong_line_does_not(line: str) -> None:
    with pytest.raises((AssertionError, typer.TyperException)):
        parse(words_of(line))


SHORT = [
    line
    for line in LINES
    if len(line.split()) > 1
    and line.split()[1] in READ_ONLY
    and ".toml" not in line
    and "|" not in line
    and "import" not in line
    and not any(word.isupper() for word in line.split())  # a file or a placeholder
]


@pytest.mark.parametrize("line", SHORT)
def test_short_ones_run(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words_of(line)) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.slow
def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    """Every block of docs/tutorials/own-robot.md: files are saved under the name the prose gives, commands are run."""
    text = (ROOT / "docs" / "tutorials" / "own-robot.md").read_text(encoding="utf-8")
    before = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    start = 0
    for block in CODE.finditer(text):
        named = re.findall(r"[Ss]aved? (?:this |it )?as `([\w.]+)`", text[start : block.start()])
        start = block.end()
        if block[1]:
            (tmp_path / named[-1]).write_text(block[2], encoding="utf-8")
            commands = [[sys.executable, named[-1]]] if block[1] == "python" else []
        else:
            lines = [line for line in block[2].splitlines() if line]
            assert all(line.startswith("stope ") for line in lines)
            commands = [[sys.executable, "-m", "stope.cli.main", *shlex.split(line)[1:]] for line in lines]
        for command in commands:
            done = subprocess.run(command, cwd=tmp_path, env=before, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}: {done.stderr}"
    assert (tmp_path / "arrive.onnx").stat().st_size > 1000
    assert (tmp_path / "arrive.safetensors").exists()
