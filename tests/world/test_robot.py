# SPDX-License-Identifier: Apache-2.0
"""Robots: those of the package, and what a user's TOML may and may not say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import stope.world.robots
from stope.base.errors import ConfigError, FileError, UnknownName
from stope.world.physics import PARAMETERS, index_of
from stope.world.robots import load_robot, robot_names

SHIPPED = Path(stope.world.robots.__file__).parent
TEXT = (SHIPPED / "bee-gas.toml").read_text().replace('name = "bee-gas"', 'name = "bee-test"')


def write(folder: Path, *changes: tuple[str, str]) -> str:
    """Write a robot's TOML with some text replaced; each pattern must be there."""
    text = TEXT
    for pattern, new in changes:
        assert re.search(pattern, text, re.MULTILINE), pattern
        text = re.sub(pattern, new, text, count=1, flags=re.MULTILINE)
    path = folder / "bee.toml"
    path.write_text(text)
    return str(path)


def test_the_package_has_the_body_in_two_dresses() -> None:
    assert {"bee-cabin", "bee-gas"} < set(robot_names())
    cabin, gas = load_robot("bee-cabin"), load_robot("bee-gas")
    assert cabin.needs_air
    assert not gas.needs_air
    assert cabin.mass == gas.mass
    np.testing.assert_array_equal(cabin.inertia_b, gas.inertia_b)
    assert cabin.propellant_capacity == cabin.specific_impulse == 0.0
    assert gas.propellant_capacity > 0.0
    assert gas.specific_impulse > 0.0


@pytest.mark.parametrize("name", robot_names())
def test_every_number_has_a_source_and_every_parameter_a_prior(name: str) -> None:
    robot = load_robot(name)
    data = tomllib.loads((SHIPPED / f"{name}.toml").read_text())
    numbers = [f"{s}.{k}" for s in ("body", "thrusters", "payload", "sensors", "prior") for k in data[s]]
    model = data.get("model", {})
    numbers += [f"model.{k}" for k in model.get("numbers", {})]
    numbers += [f"{group}.{k}" for group in ("anchors", "drums") for k in model.get(group, {})]
    numbers += ["model.element_size"] if "element_size" in model else []
    assert sorted(robot.sources) == sorted(numbers)
    assert all(len(text) >= 6 for text in robot.sources.values())
    assert robot.prior.centre.shape == robot.prior.spread.shape == (len(PARAMETERS),)
    for key in ("mass", "com_x", "lag", "payload"):
        assert robot.prior.centre[index_of(key)] == data["prior"][key]["centre"]
    np.testing.assert_array_equal(robot.prior.spread[index_of("gain_fx") :][:6], data["prior"]["gain"]["spread"])


def test_a_users_robot_loads_from_its_path(tmp_path: Path) -> None:
    robot = load_robot(write(tmp_path, (r"^mass = \{ value = [\d.]+", "mass = { value = 12")))
    assert (robot.name, robot.mass) == ("bee-test", 12.0)


def test_an_unknown_robot_names_the_closest() -> None:
    text = r"^no robot 'bee-gaz'\. Closest: 'bee-gas'\. All: `stope world robots` \(bee-cabin, bee-gas, "
    with pytest.raises(UnknownName, match=text):
        load_robot("bee-gaz")


def test_a_missing_or_broken_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.toml: no such file\.$"):
        load_robot(str(tmp_path / "none.toml"))
    path = tmp_path / "bee.toml"
    path.write_text(TEXT[: len(TEXT) // 2])
    with pytest.raises(FileError, match=r"bee\.toml: not TOML \("):
        load_robot(str(path))


FAULTS = {
    "name taken": ((r'"bee-test"', '"bee-gas"'), r"name = 'bee-gas': the package has a robot of this name\. Choose"),
    "unknown top key": (
        (r"^\[body\]", "colour = 3\n[body]"),
        r"unknown key 'colour': expected one of body, model, name, needs",
    ),
    "missing top key": ((r"^needs_air = false$", ""), r"missing key 'needs_air'\."),
    "needs_air is text": ((r"^needs_air = false$", 'needs_air = "no"'), r"needs_air = 'no': expected true or false\."),
    "no name": ((r'"bee-test"', '""'), r"name = '': expected text\."),
    "section is a number": ((r"^\[payload\]\n.*\n.*\n", "[payload_]\n"), r"unknown key 'payload_'"),
    "unknown key": ((r"^side = ", "sides = "), r"body: missing key 'side'\."),
    "additional key": (
        (r"^side = ", 'length = { value = 1, unit = "m", source = "x" }\nside = '),
        r"body: unknown key 'length': expected one of com_b, inertia_b, mass, side\.",
    ),
    "wrong unit": ((r'^(side = .*?)"m"', r'\1"cm"'), r"body\.side: unit 'cm': expected 'm'\."),
    "no unit": ((r'^(side = .*?)unit = "m", ', r"\1"), r"body\.side: unit None: expected 'm'\."),
    "no source": ((r'^(side = .*?), source = ".*?"', r"\1"), r"body\.side: no source: expected where the number comes"),
    "empty source": ((r'^(side = .*?), source = ".*?"', r'\1, source = " "'), r"body\.side: no source: expected where"),
    "bare number": (
        (r"^side = .*$", "side = 0.3"),
        r"body\.side = 0\.3: expected \{ value = \.\.\., unit = 'm', source",
    ),
    "odd key in a number": (
        (r"^side = \{", "side = { error = 1,"),
        r"body\.side: unknown key 'error': expected one of",
    ),
    "nan": ((r"^mass = \{ value = [\d.]+", "mass = { value = nan"), r"body\.mass = nan kg: expected finite numbers\."),
    "infinite": (
        (r"^(force_limit_b = \{ value = )\[0.5", r"\1[inf"),
        r"thrusters\.force_limit_b = \[inf, 0\.5, 0\.5\] N: ",
    ),
    "negative mass": (
        (r"^mass = \{ value = [\d.]+", "mass = { value = -9"),
        r"body\.mass = -9 kg: expected more than 0\.",
    ),
    "zero mass": ((r"^mass = \{ value = [\d.]+", "mass = { value = 0"), r"body\.mass = 0 kg: expected more than 0\."),
    "negative noise": (
        (r"^(position_noise = \{ value = )", r"\1-"),
        r"sensors\.position_noise = -0\.003 m: expected 0 or",
    ),
    "all lost": (
        (r"^(drop_out = \{ value = )[\d.]+", r"\g<1>1.5"),
        r"sensors\.drop_out = 1\.5: expected 0 or more and less",
    ),
    "text": ((r"^mass = \{ value = [\d.]+", 'mass = { value = "9"'), r"body\.mass = '9': expected numbers \[kg\]\."),
    "truth value": (
        (r"^mass = \{ value = [\d.]+", "mass = { value = true"),
        r"body\.mass = True: expected numbers \[kg\]",
    ),
    "two of three": (
        (r"^(com_b = \{ value = \[[\d.]+, [-\d.]+), [-\d.]+", r"\1"),
        r"body\.com_b = .*: expected three num",
    ),
    "three of one": (
        (r"^mass = \{ value = [\d.]+", "mass = { value = [1, 2, 3]"),
        r"body\.mass = \[1, 2, 3\]: expected one",
    ),
    "triangle": (
        (r"^(inertia_b = \{ value = )\[.*?\]", r"\1[0.1, 0.2, 0.35]"),
        r"body\.inertia_b = \[0\.1, 0\.2, 0\.35\] kg m2: the greatest must be less than the sum of the other two",
    ),
    "no prior": ((r"^lag = .*$", ""), r"prior: missing key 'lag'\."),
    "odd prior": ((r"^lag = ", "weight = 3\nlag = "), r"prior: unknown key 'weight': expected one of com_x"),
    "prior unit": ((r'^(lag = .*?)"s"', r'\1"ms"'), r"prior\.lag: unit 'ms': expected 's'\."),
    "prior source": (
        (r'^(lag = .*?), source = ".*?"', r"\1"),
        r"prior\.lag: no source: expected where the number comes",
    ),
    "prior nan": (
        (r"^(lag = \{ centre = )[\d.]+", r"\1nan"),
        r"prior\.lag\.centre = nan: expected a finite number \[s\]\.",
    ),
    "prior text": ((r"^(lag = \{ centre = )[\d.]+", r'\1"x"'), r"prior\.lag\.centre = 'x': expected a finite number"),
    "negative spread": ((r"^(lag = .*?spread = )", r"\1-"), r"prior\.lag\.spread = -0\.3: expected 0 or more\."),
    "prior out of bounds": (
        (r"^(lag = \{ centre = )[\d.]+", r"\g<1>9"),
        r"prior\.lag\.centre = 9\.0 s: expected 0\.001 to",
    ),
    "payload below zero": (
        (r"^(payload = \{ centre = )[\d.]+", r"\g<1>2"),
        r"prior\.payload = 2\.0 \+- 2\.5 kg: leaves 0\.0",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_users_toml_is_one_line_that_names_file_and_field(tmp_path: Path, fault: str) -> None:
    change, text = FAULTS[fault]
    with pytest.raises(ConfigError, match=rf"^bee\.toml: {text}") as caught:
        load_robot(write(tmp_path, change))
    assert "\n" not in str(caught.value)


def test_a_section_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bee.toml"
    numbers = [f"{key} = 1" for key in ("body", "thrusters", "payload", "sensors", "prior")]
    path.write_text("\n".join(['name = "x"', 'summary = "y"', "needs_air = true", *numbers]))
    with pytest.raises(
        ConfigError, match=r"^bee\.toml: (body|sensors|payload|thrusters|prior) = 1: expected a table\.$"
    ):
        load_robot(str(path))
