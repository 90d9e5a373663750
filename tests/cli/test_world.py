# SPDX-License-Identifier: Apache-2.0
"""`stope world`: each command runs, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stope.learn.practice import TASK_NAMES
from stope.world.body import body_names
from stope.world.physics import GROUND_PARAMETERS, PARAMETERS
from stope.world.robots import robot_names
from tests.cli.conftest import Stope

MOON = """\
format = "stope-body-1"
name = "my-moon"
kind = "point"
summary = "a ball"
licence = "none"
has_air = false
gm = { value = 30.0, unit = "m3/s2", source = "test" }
density = { value = 1190.0, unit = "kg/m3", source = "test" }
spin_period = { value = 7.6, unit = "h", source = "test" }
mean_radius = { value = 448.0, unit = "m", source = "test" }
"""


@pytest.mark.parametrize("command", ["bodies", "robots", "tasks", "physics"])
def test_lists_show_the_same_names_to_people_and_programs(stope: Stope, command: str) -> None:
    names = {"bodies": body_names(), "robots": robot_names(), "tasks": TASK_NAMES,
             "physics": tuple(q.name for q in (*PARAMETERS, *GROUND_PARAMETERS))}[command]  # fmt: skip
    people, programs = stope("world", command), stope("world", command, "--json")
    assert (people.code, programs.code, people.err, programs.err) == (0, 0, "", "")
    assert [row["name"] for row in json.loads(programs.out)] == list(names)
    assert all(name in people.out for name in names)


@pytest.mark.parametrize("name", body_names())
def test_every_body_is_described_with_sources(stope: Stope, name: str) -> None:
    facts = json.loads(stope("world", "body", name, "--json").out)
    assert facts["name"] == name
    assert facts["sources"]
    assert name in stope("world", "body", name).out


def test_robot_is_described_with_values_and_sources(stope: Stope) -> None:
    assert "body.mass" in json.loads(stope("world", "robot", "bee-gas", "--json").out)["sources"]
    text = stope("world", "robot", "bee-gas").out
    assert "9.584" in text
    assert "[N]" not in text  # units stand in the sources' sections; nothing is eaten as markup


def test_site_says_gravity_and_slope(stope: Stope) -> None:
    facts = json.loads(stope("world", "site", "ryugu", "--latitude", "30", "--json").out)
    assert facts["site"] == "ryugu-lat30-lon0"
    assert 1.0e-4 < facts["gravity_mps2"] < 2.0e-4  # 30 m3/s2 over (450 m)^2 is 1.5e-4, less the spin
    assert "slope_deg" in stope("world", "site", "ryugu", "--latitude", "30").out


def test_table_headers_keep_their_units(stope: Stope) -> None:
    assert "radius [m]" in stope("world", "bodies").out


def test_a_body_of_ones_own_passes_the_check(stope: Stope, tmp_path: Path) -> None:
    file = tmp_path / "my-moon.toml"
    file.write_text(MOON)
    assert "nothing to object to" in stope("world", "check", file).out
    assert json.loads(stope("world", "check", file, "--json").out)["name"] == "my-moon"


def test_task_settings_carry_their_documentation(stope: Stope) -> None:
    assert "Largest distance at the start [m]" in stope("world", "tasks").out
