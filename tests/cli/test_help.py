# SPDX-License-Identifier: Apache-2.0
"""Help: every command has an example, the root reads like a good tool's, and help is quick."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stope import __version__
from stope.cli import cluster, fleet, flight, main, world
from tests.cli.conftest import Stope

COMMANDS = (
    "mine", "train", "evaluate", "gap", "export", "view",
    "flight", "flight fit", "flight check", "flight show", "flight import", "flight list", "flight export",
    "flight formats", "flight predict",
    "flight forecast", "flight next", "flight campaign", "flight worth", "flight soil",
    "world", "world bodies", "world body", "world check", "world robots", "world robot", "world robot import",
    "world tasks", "world site", "world physics", "world practise", "world validate",
    "fleet", "fleet scenarios", "fleet check", "fleet measure", "fleet value", "fleet query", "fleet replay",
    "fleet serve",
    "cluster", "cluster systems", "cluster jobs", "cluster validate", "cluster plan", "cluster limit", "cluster scale",
    "cluster wire",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(stope: Stope, command: str) -> None:
    answer = stope(*command.split(), "--help")
    assert (answer.code, answer.err) == (0, "")
    assert "example" in answer.out.lower()
    assert f"$ stope {command}" in answer.out


def test_every_command_is_in_this_list() -> None:
    found = {str(command.name) for command in main.app.registered_commands}
    for name, group in (("flight", flight.app), ("world", world.app), ("fleet", fleet.app), ("cluster", cluster.app)):
        found |= {name, *(f"{name} {command.name}" for command in group.registered_commands)}
    assert found == set(COMMANDS)


@pytest.mark.parametrize("arguments", [(), ("--help",)], ids=["nothing", "--help"])
def test_root_says_what_it_is_shows_panels_three_examples_and_the_version(
    stope: Stope, arguments: tuple[str, ...]
) -> None:
    answer = stope(*arguments)
    assert answer.code == 0
    assert "Teach robots to mine asteroids" in answer.out
    assert "─ Work ─" in answer.out
    assert "─ Look and check ─" in answer.out
    assert answer.out.count("$ stope ") == 3
    assert __version__ in answer.out


def test_version(stope: Stope) -> None:
    assert stope("--version").out == f"stope {__version__}\n"


def test_group_without_a_command_prints_its_help_and_is_misuse(stope: Stope) -> None:
    answer = stope("world")
    assert answer.code == 2
    assert "bodies" in answer.out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from stope.cli.main import run; assert run(['train', '--help']) == 0;"
        "heavy = {'torch', 'mujoco', 'numba', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
