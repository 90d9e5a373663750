# SPDX-License-Identifier: Apache-2.0
"""Scenarios: what is shipped is complete, and a file with a fault is refused with one line that names it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

import stope.fleet.scenario as scenario_module
from stope.base.config import as_dict
from stope.base.errors import ConfigError, FileError, RangeError, StopeError, UnknownName
from stope.fleet.scenario import load_scenario, numeric_paths, scenario_names, with_settings
from tests.fleet.builders import depot, scenario

SHIPPED = Path(scenario_module.__file__).parent / "scenarios" / "ryugu-ferry.toml"
TEXT = SHIPPED.read_text(encoding="utf-8")


def written(folder: Path, old: str, new: str) -> Path:
    """The shipped file with the first `old` replaced."""
    assert old in TEXT
    path = folder / "mine.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_shipped_mission_is_the_agreed_one() -> None:
    shipped = load_scenario("ryugu-ferry")
    assert scenario_names() == ("ryugu-ferry",)
    assert (shipped.robot, shipped.robots, shipped.days, shipped.replicates) == ("bee-gas", 20, 30.0, 20)
    assert [round(d.distance) for d in shipped.depots] == [40, 70, 100, 139]


def test_every_number_of_the_shipped_mission_has_a_source() -> None:
    shipped = load_scenario("ryugu-ferry")
    want = set()
    for path in numeric_paths():
        section, _, last = path.rpartition(".")
        want |= {f"depots.{d.name}.{last}" for d in shipped.depots} if section == "depots" else {path}
    assert set(shipped.sources) == want
    assert all(source.strip() for source in shipped.sources.values())


def test_a_number_is_what_its_file_says() -> None:
    data, shipped = tomllib.loads(TEXT), load_scenario(str(SHIPPED))
    assert shipped.processor.line_kgph == data["processor"]["line_kgph"]["value"]
    assert shipped.depots[2].east == data["depots"][2]["east"]["value"] == -80.0
    assert shipped == load_scenario("ryugu-ferry")


def test_the_site_is_the_processors_docking_place() -> None:
    site = load_scenario("ryugu-ferry").site.site()
    assert (site.body.name, site.latitude_deg, site.longitude_deg, site.height) == ("ryugu", 30.0, 60.0, 6.0)
    assert site.slope_deg < 2.0  # the source says level ground of 1 deg


FAULTS = [
    ("robots = { value = 20,", "robots = { value = -1,", r"FerryScenario.robots = -1: expected more than 0"),
    ("robots = { value = 20,", "robots = { value = 0,", r"FerryScenario.robots = 0: expected more than 0"),
    ("robots = { value = 20,", "robots = { value = 2.5,", r"field 'robots' = 2.5: expected int"),
    ("robots = { value = 20,", "robots = { value = nan,", r"field 'robots' = nan: expected int"),
    ("robots = { value = 20,", 'robots = { value = "many",', r"field 'robots' = 'many': expected int"),
    ("robots = { value = 20,", "robots = { value = true,", r"field 'robots' = True: expected int"),
    ("days = { value = 30.0,", "days = { value = nan,", r"field 'days' = nan: expected a finite number"),
    ("days = { value = 30.0,", "days = { value = inf,", r"field 'days' = inf: expected a finite number"),
    ("days = { value = 30.0,", "days = { value = 0.0,", r"FerryScenario.days = 0.0: expected more than 0"),
    ("days = { value = 30.0,", "days = { value = [30.0],", r"field 'days' = \[30.0\]: expected a finite number"),
    ("replicates = { value = 20,", "replicates = { value = 0,", r"FerryScenario.replicates = 0: expected more than 0"),
    ('unit = "d"', 'unit = "h"', r"field 'days': unit 'h': expected 'd'"),
    ('unit = "W"', 'unit = "kW"', r"field 'processor.charger_power': unit 'kW': expected 'W'"),
    (', source = "chosen: a month"', "", r"field 'days': no source: expected where the number comes from"),
    ('source = "chosen: a month"', 'source = " "', r"field 'days': no source"),
    ('source = "chosen: a month"', "source = 3", r"field 'days': no source"),
    ('source = "chosen: a month"', 'source = "x", sigma = 1', r"field 'days': key 'sigma' is unknown"),
    ("days = {", "dayz = {", r"field 'dayz' is unknown\. Closest: 'days'"),
    ("ports = {", "portals = {", r"mine.toml.processor: field 'portals' is unknown\. Closest: 'ports'"),
    ("[service]", "[servise]", r"field 'servise' is unknown\. Closest: 'service'"),
    ("buffer = {", "bufer = {", r"field 'bufer' is unknown\. Closest: 'buffer'"),
    ("height = { value = 6.0,", "height = { value = -1.0,", r"make_site.height = -1.0 m: must be zero or more"),
    ("latitude_deg = { value = 30.0,", "latitude_deg = { value = 91.0,", r"make_site.latitude_deg = 91.0 deg"),
    ('body = "ryugu"', 'body = "ryugo"', r"no body 'ryugo'\. Closest: 'ryugu'"),
    ('robot = "bee-gas"', 'robot = "bee"', r"no robot 'bee'\."),
    ('robot = "bee-gas"', 'robot = "bee-cabin"', r"FerryScenario.robot = 'bee-cabin': needs air, and there is none"),
    ('format = "stope-ferry-1"', 'format = "stope-body-1"', r"format = 'stope-body-1': expected 'stope-ferry-1'"),
    ('format = "stope-ferry-1"\n', "", r"format = None: expected 'stope-ferry-1'"),
    ('name = "ryugu-ferry"', 'name = 7', r"field 'name' = 7: expected str"),
    ("charging_by_day_only = true", "charging_by_day_only = 1", r"field 'charging_by_day_only' = 1: expected bool"),
    ("charging_by_day_only = true\n", "", r"field 'charging_by_day_only' is missing"),
    ("robots = { value = 20,", "robots = 20 #", r"field 'robots' = 20: expected \{ value"),
    ("robots = { value = 20,", "robots = { number = 20,", r"field 'robots' = .*: expected \{ value"),
    ("ports = { value = 2,", "ports = { value = 0,", r"Processor.ports = 0: expected more than 0"),
    ("line_kgph = { value = 100.0,", "line_kgph = { value = -1.0,", r"line_kgph = -1.0: expected more than 0"),
    ("battery_wh = { value = 100.0,", "battery_wh = { value = 0.0,", r"Service.battery_wh = 0.0: expected more than 0"),
    ("charge_below = { value = 0.4,", "charge_below = { value = 40,", r"charge_below = 40.0: expected a fraction"),
    ("lost_share = { value = 0.01,", "lost_share = { value = 1.01,", r"lost_share = 1.01: expected a fraction"),
    ("mtbf_h = { value = 200.0,", "mtbf_h = { value = 0.0,", r"Reliability.mtbf_h = 0.0: expected more than 0"),
    ('name = "birch"', 'name = "alder"', r"two are named 'alder'"),
    ('name = "birch"', 'name = "two words"', r"Depot.name = 'two words': expected letters, digits and hyphens"),
    ("north = { value = 70.0,", "north = { value = 2.0,", r"'birch' is 2 m from the processor, expected 5 m or more"),
    ("north = { value = 0.0,", "north = { value = nan,", r"field 'north' = nan: expected a finite number"),
    ("canister_mass = { value = 2.5,", "canister_mass = { value = 4.0,", r"expected canisters of 0.001 to 5 kg"),
    ("canister_mass = { value = 2.5,", "canister_mass = { value = 1.0,", r"expected canisters of 0.001 to 5 kg"),
    ("interval_spread = { value = 0.3,", "interval_spread = { value = -0.3,", r"interval_spread = -0.3: expected 0"),
    ("buffer = { value = 12,", "buffer = { value = 0,", r"Depot.buffer = 0: expected more than 0"),
    ("[processor]", "[sources]\nrobots = 'x'\n[processor]", r"field 'sources' is unknown"),
    ("[[depots]]", "[depots]", r"not TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "text"), FAULTS)
def test_a_file_with_a_fault_is_refused_in_one_line(tmp_path: Path, old: str, new: str, text: str) -> None:
    path = written(tmp_path, old, new)
    with pytest.raises(StopeError, match=text) as caught:
        load_scenario(path)
    message = str(caught.value)
    assert message.startswith(("mine.toml", str(path)))
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_depots_that_are_no_list_or_empty_are_refused(tmp_path: Path) -> None:
    head = TEXT[: TEXT.index("[[depots]]")]
    path = tmp_path / "mine.toml"
    path.write_text(head)
    with pytest.raises(ConfigError, match=r"^mine.toml: field 'depots' is missing\.$"):
        load_scenario(path)
    path.write_text(head.replace("robot =", "depots = []\nrobot =", 1))
    with pytest.raises(ConfigError, match=r"^mine.toml: FerryScenario.depots = \[\]: expected one depot or more\.$"):
        load_scenario(path)
    path.write_text(head.replace("robot =", "depots = [3]\nrobot =", 1))
    with pytest.raises(ConfigError, match=r"^mine.toml: field 'depots' = 3: expected a table\.$"):
        load_scenario(path)


def test_two_depots_at_one_place_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'alder' and 'birch' are 1 m apart, expected 5 m or more\.$"):
        scenario(depots=(depot("alder"), depot("birch", north=1.0)))


def test_chargers_by_day_need_a_body_that_turns() -> None:
    shipped = load_scenario("ryugu-ferry")
    cabin = replace(shipped.site, body="iss-cabin", latitude_deg=0.0, longitude_deg=0.0)
    with pytest.raises(ConfigError, match=r"charging_by_day_only = true: 'iss-cabin' does not turn"):
        with_settings(replace(shipped, site=cabin), ["robots=3"])


def test_missing_files_and_unknown_names_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.toml: no such file\.$"):
        load_scenario(tmp_path / "none.toml")
    with pytest.raises(UnknownName, match=r"no scenario 'ryugu-fery'\. Closest: 'ryugu-ferry'"):
        load_scenario("ryugu-fery")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match=r"bytes\.toml: not TOML"):
        load_scenario(tmp_path / "bytes.toml")


def test_settings_replace_fields_by_path_and_say_so() -> None:
    shipped = load_scenario("ryugu-ferry")
    changed = with_settings(shipped, ["robots=50", "processor.ports=1", "depots.birch.canister_mass=4.5",
                                      "depots.birch.canister_mass_spread=0.5"])  # fmt: skip
    assert (changed.robots, changed.processor.ports, changed.depots[1].heaviest) == (50, 1, 5.0)
    assert changed.sources["depots.birch.canister_mass"] == changed.sources["robots"] == "set by the user"
    assert changed.sources["days"] == shipped.sources["days"]
    back = with_settings(changed, ["robots=20", "processor.ports=2", "depots.birch.canister_mass=2.5",
                                   "depots.birch.canister_mass_spread=1.5"])  # fmt: skip
    assert back == shipped


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("robots=-3", "FerryScenario.robots = -3: expected more than 0"),
        ("robots=none", "field 'robots' = 'none': expected int"),
        ("robos=3", "--set robos: no such field"),
        ("robots", "--set 'robots': expected field=value"),
        ("depots.elm.buffer=3", "--set depots.elm: no such depot. Known: alder, birch, cedar, damson"),
        ("depots.alder.bufer=3", "--set bufer: no such field"),
        ("sources.robots=guess", "--set sources: cannot be set"),
        ("site.body=atlantis", "no body 'atlantis'"),
        ("site.latitude_deg=100", "make_site.latitude_deg = 100.0 deg"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting: str, text: str) -> None:
    with pytest.raises((ConfigError, RangeError, UnknownName), match=re.escape(text)):
        with_settings(load_scenario("ryugu-ferry"), [setting])


def test_the_digest_sees_settings_but_neither_sources_nor_the_order_of_depots() -> None:
    shipped = load_scenario("ryugu-ferry")
    assert replace(shipped, sources={}).digest == shipped.digest
    assert replace(shipped, depots=shipped.depots[::-1]).digest == shipped.digest
    assert with_settings(shipped, ["depots.cedar.buffer=11"]).digest != shipped.digest
    assert with_settings(shipped, ["service.dock_attempts=2"]).digest != shipped.digest


def test_a_scenario_is_plain_data() -> None:
    data = as_dict(load_scenario("ryugu-ferry"))
    assert data["depots"][0]["name"] == "alder"
    assert data["sources"]["days"] == "chosen: a month"
