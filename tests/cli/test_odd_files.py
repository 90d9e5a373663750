# SPDX-License-Identifier: Apache-2.0
"""Files and numbers of odd size or type that once ended in a traceback, an endless loop, or a wrong fleet."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from stope.base.errors import ConfigError
from stope.cluster.transformer import Transformer
from stope.fleet.mission.kernels.columns import KIND as KIND_COLUMN
from stope.fleet.mission.kernels.columns import Kind
from stope.fleet.mission.lay_out import lay_out
from stope.fleet.mission.scenario import load_month, with_changes
from tests.cli.conftest import Stope
from tests.cli.test_misuse import refused
from tests.fleet.mission.builders import tables

HUGE = "9" * 5000
SYSTEM = (files("stope.cluster") / "systems" / "dgx-h100.toml").read_text(encoding="utf-8")
BODY = (files("stope.world") / "bodies" / "bennu.toml").read_text(encoding="utf-8")
ROBOT = (files("stope.world") / "robots" / "bee-gas.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (f"mine --set robots={HUGE}", "expected a whole number of 5 or more"),
        ("mine --set robots=99999999999999", "fleet = 1e+14: expected at most 1,000,000"),
        ("mine --set days=1e300", "days = 1e+300: expected at most 3,660"),
        ("mine --set link.gaps=1e300", "link.gaps = 1e+300: expected at most 100,000"),
        (f"mine --set beliefs=1{'0' * 400}", "expected a whole number of less than 2^63"),
        ("fleet value --set plant.hop_speed=5", "the speed of a circular orbit"),
        (f"cluster scale evaluate --workers 1,{HUGE}", "expected counts"),
        (f"evaluate dock --workers {HUGE}", "expected a number of processes from 1 to 1024"),
        ("train dock --workers 1000000", "expected a number of processes from 1 to 1024"),
    ],
)
def test_numbers_of_odd_size(line: str, text: str, stope: Stope) -> None:
    assert text in refused(stope, *line.split(" "))


@pytest.mark.parametrize(
    ("command", "name", "text", "changed"),
    [
        (("cluster", "plan", "stope-dock", "--on"), "odd.toml", SYSTEM, lambda t: t.replace("[[tier]]", "[[other]]")),
        (("cluster", "plan", "stope-dock", "--on"), "odd.toml", SYSTEM, lambda t: t.replace('unit = "W"', "unit = []")),
        (("world", "check"), "odd.toml", BODY, lambda t: t.replace("value = ", "value = 1" + "0" * 400 + " # ", 1)),
        (("world", "robot"), "odd.toml", ROBOT, lambda t: t.replace("value = 9.583788668", "value = 1" + "0" * 400)),
        (("world", "robot"), "odd.toml", ROBOT, lambda t: t.replace("spread = 0.03", "spread = 1" + "0" * 400)),
    ],
)
def test_files_with_an_odd_value(
    command: tuple[str, ...], name: str, text: str, changed: Callable[[str], str], stope: Stope, tmp_path: Path
) -> None:
    assert changed(text) != text
    (tmp_path / name).write_text(changed(text), encoding="utf-8")
    refused(stope, *command, tmp_path / name)


def test_a_system_based_on_itself(stope: Stope, tmp_path: Path) -> None:
    path = tmp_path / "self.toml"
    text = (files("stope.cluster") / "systems" / "ascend-semimetal.toml").read_text(encoding="utf-8")
    path.write_text(text.replace('based_on = "cloudmatrix384"', f'based_on = "{path}"'), encoding="utf-8")
    assert "not based on this one" in refused(stope, "cluster", "plan", "stope-dock", "--on", path)


def test_a_robot_of_too_many_bodies_in_one_another(stope: Stope, tmp_path: Path) -> None:
    path = tmp_path / "deep.xml"
    inner = "<body>" * 3000 + "</body>" * 3000
    path.write_text(f'<mujoco model="deep"><worldbody>{inner}</worldbody></mujoco>', encoding="utf-8")
    assert "nested too deeply" in refused(stope, "world", "robot", "import", path)


def test_a_run_without_its_settings_is_not_replayed(stope: Stope, tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text("{}", encoding="utf-8")
    assert "scenario = None" in refused(stope, "fleet", "replay", tmp_path, "--day", "1")


def test_more_layers_than_can_be_divided_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected at most 10,000"):
        Transformer(parameters=1e15, layers=10**12, hidden_size=128, attention_heads=1, sequence_length=1)


@pytest.mark.parametrize("changes", [["robots=1300"], ["fleet.units=3", "fleet.maintainers=2"], ["robots=1090"]])
def test_nobody_of_the_fleet_is_left_out(changes: list[str]) -> None:
    scenario = with_changes(load_month("ryugu-month"), ["days=1", *changes])
    world, _ = lay_out(scenario, tables(), seed=1, replicate=0)
    units = (world.whole[:, KIND_COLUMN] == Kind.UNIT).sum()
    assert units == len(world.units) == scenario.fleet.units
    assert world.repairers.size == scenario.fleet.maintainers
    assert len(world.whole) + world.repairers.size == scenario.fleet.total
