# SPDX-License-Identifier: Apache-2.0
"""`stope world validate`: tables, JSON, plot and exit codes; a user's own case; bad files in one line each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Stope
from tests.cli.test_misuse import refused

PROBE = """\
name = "my-probe"
kind = "penetrate"
title = "A ball dropped on a rubble pile"

[given]
shape = "sphere"
diameter_m = 0.1
mass_kg = 1.0
speed_mps = 0.1
gravity_mps2 = 1e-4
"""
EXPECT = """
[[expect]]
quantity = "max_depth_m"
measured = 0.1
low = {low}
high = {high}
unit = "m"
source = "made up"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_kind_of_the_packages_cases_passes_for_people_and_programs(stope: Stope, tmp_path: Path) -> None:
    plot = tmp_path / "cut.png"
    people = stope("world", "validate", "--kind", "cut", "--plot", plot)
    programs = stope("world", "validate", "--kind", "cut", "--json")
    assert (people.code, programs.code, people.err, programs.err) == (0, 0, "", "")
    found = json.loads(programs.out)
    assert found["passed"] is True
    assert [r["name"] for r in found["results"]] == ["mckyes-cut"]
    for row in found["cases"]:
        assert {"name", "kind", "quantity", "unit", "measured", "simulated", "band", "passed", "source"} <= set(row)
        assert row["quantity"] in people.out
        assert row["passed"] is True
    assert "McKyes" in people.out
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_exact_cases_pass_as_json(stope: Stope) -> None:
    answer = stope("world", "validate", "--kind", "exact", "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert len(found["results"]) == 16
    assert all(row["passed"] is True for row in found["cases"])


def test_a_case_of_ones_own_is_reported_and_judged(stope: Stope, tmp_path: Path) -> None:
    alone = stope("world", "validate", "--case", write(tmp_path, PROBE), "--json")
    assert alone.code == 0
    rows = {row["quantity"]: row for row in json.loads(alone.out)["cases"]}
    depth = rows["max_depth_m"]["simulated"]
    assert rows["max_depth_m"]["passed"] is None
    assert 0.01 < depth < 1.0
    assert "max_depth_m" in stope("world", "validate", "--case", write(tmp_path, PROBE)).out
    good = write(tmp_path, PROBE + EXPECT.format(low=0.9 * depth, high=1.1 * depth))
    assert stope("world", "validate", "--case", good).code == 0
    bad = write(tmp_path, PROBE + EXPECT.format(low=2.0 * depth, high=3.0 * depth))
    answer = stope("world", "validate", "--case", bad, "--json")
    assert (answer.code, answer.err) == (1, "")
    assert json.loads(answer.out)["cases"][0]["passed"] is False
    assert "OUTSIDE" in stope("world", "validate", "--case", bad).out


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"penetrate"', '"penetrat"', "case.toml: kind = 'penetrat': expected one of body, cut, drop"),
        ("mass_kg = 1.0", "mass_g = 1000.0", "case.toml: given: field 'mass_g' is unknown. Closest: 'mass_kg'"),
        ("mass_kg = 1.0", "mass_kg = nan", "case.toml: given: field 'mass_kg' = nan: expected a finite number."),
        ("mass_kg = 1.0", "mass_kg = -1.0", "case.toml: PenetrateGiven.mass_kg = -1.0: expected more than 0."),
        ("mass_kg = 1.0", 'mass_kg = "1"', "case.toml: given: field 'mass_kg' = '1': expected a finite number."),
        ("mass_kg = 1.0\n", "", "case.toml: given: field 'mass_kg' is missing."),
        ("[given]", "[givn]", "case.toml: field 'givn' is unknown. Closest: 'given'."),
        ("[given]", '[given]\nsoil = "bennuu"', "given.soil = 'bennuu': no such named soil. Closest: 'bennu'"),
        ("[given]", "[given]\nsoil = { cohesion_kpa = 1.0 }", "given.soil: field 'cohesion_kpa' is unknown."),
        ('name = "my-probe"', 'name = "My Probe"', "case.toml: name = 'My Probe': expected kebab-case"),
        ('"sphere"', '"cone"', "case.toml: PenetrateGiven.height_m = 0.0: a cone needs more than 0."),
        ("gravity_mps2 = 1e-4", "gravity_mps2 = 1e-4\n[[expect]", "case.toml: not TOML"),
    ],
)  # fmt: skip
def test_a_bad_case_is_refused_in_one_line(stope: Stope, tmp_path: Path, old: str, new: str, text: str) -> None:
    path = write(tmp_path, PROBE.replace(old, new, 1))
    assert text in refused(stope, "world", "validate", "--case", path)


def test_a_bad_expectation_is_refused_in_one_line(stope: Stope, tmp_path: Path) -> None:
    no_such = EXPECT.format(low=0.0, high=1.0).replace("max_depth_m", "max_deep_m")
    assert "case.toml: expect.quantity = 'max_deep_m': no 'max_deep_m' in the result. Known: max_depth_m" in refused(
        stope, "world", "validate", "--case", write(tmp_path, PROBE + no_such)
    )
    upside = write(tmp_path, PROBE + EXPECT.format(low=2.0, high=1.0))
    assert "low = 2.0 m lies above high = 1.0" in refused(stope, "world", "validate", "--case", upside)
    open_ended = re.sub(r"low.*\nhigh.*\n", "", EXPECT)
    assert "low and high are missing" in refused(
        stope, "world", "validate", "--case", write(tmp_path, PROBE + open_ended)
    )


def test_bad_options_are_refused_in_one_line(stope: Stope, tmp_path: Path) -> None:
    assert "nowhere.toml: no such file." in refused(stope, "world", "validate", "--case", tmp_path / "nowhere.toml")
    assert "no kind of case 'drops'. Closest: 'drop'" in refused(stope, "world", "validate", "--kind", "drops")
    assert "expected a name that ends in .png or .svg" in refused(stope, "world", "validate", "--plot", "x.pdf")
    path = write(tmp_path, PROBE)
    assert "give one of the two" in refused(stope, "world", "validate", "--case", path, "--kind", "cut")
    assert "no row has a band" in refused(stope, "world", "validate", "--case", path, "--plot", tmp_path / "x.png")
