# SPDX-License-Identifier: Apache-2.0
"""`stope world robot import`: a report for people and for programs, one line for a fault; `robot NAME` still works."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.cli.conftest import Stope

ARM = """<mujoco model="arm"><option gravity="0 0 -9.81"/><worldbody><body name="torso">
 <geom name="hull" type="box" size="0.2 0.15 0.1" density="700"/>
 <body name="arm" pos="0.1 0 0"><joint name="shoulder" axis="0 1 0" range="-60 60"/>
  <geom type="capsule" size="0.03" fromto="0 0 0 0.3 0.1 0" density="700"/></body>
</body></worldbody></mujoco>"""


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An arm's MJCF in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "Arm 2.xml"
    path.write_text(ARM, encoding="utf-8")
    return path


def test_a_report_for_people_lists_links_joints_changes_warnings_and_what_is_missing(stope: Stope, arm: Path) -> None:
    answer = stope("world", "robot", "import", arm.name)
    assert (answer.code, answer.err) == (0, "")
    for text in ("Robot arm-2", "torso", "shoulder", "-1.047, 1.047", "density [kg/m3]", "range [m, rad]", "Changed",
                 "option gravity = '0 0 -9.81' is ignored", "joint 'shoulder': no actuator", "force_limit_b",
                 "Answer the 31 questions in arm-2/arm-2.toml"):  # fmt: skip
        assert text in answer.out
    assert sorted(p.name for p in Path("arm-2").iterdir()) == ["arm-2.toml", "arm-2.xml"]


def test_a_report_for_programs_is_json_with_units_in_its_keys(stope: Stope, arm: Path) -> None:
    answer = stope("world", "robot", "import", arm.name, "--out", "robots", "--name", "my-arm", "--json")
    facts = json.loads(answer.out)
    assert (answer.code, facts["name"], facts["language"]) == (0, "my-arm", "MJCF")
    assert facts["toml"] == "robots/my-arm.toml"
    assert facts["mass_kg"] == pytest.approx(sum(k["mass_kg"] for k in facts["links"]))
    assert [k["density_kgm3"] for k in facts["links"]] == pytest.approx([700.0, 700.0])
    assert facts["joints"][1] == {
        "name": "shoulder",
        "link": "arm",
        "type": "hinge",
        "range": pytest.approx([-math.pi / 3, math.pi / 3]),
        "limit": None,
    }
    assert facts["missing"][0] == "needs_air"
    assert facts["deviation"] < 1e-12
    assert len(facts["com_b_m"]) == 3


def test_the_written_robot_says_what_it_waits_for(stope: Stope, arm: Path) -> None:
    stope("world", "robot", "import", arm.name)
    answer = stope("world", "robot", "arm-2/arm-2.toml")
    assert answer.code == 2
    assert answer.err == (
        'stope: arm-2.toml: needs_air = "?": not answered yet: true if fans push it, false if thrusters do.\n'
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", "Missing argument 'FILE'. See `stope world robot import --help`."),
        ("none.xml", "none.xml: no such file. Expected a robot's MJCF (.xml) or URDF (.urdf)."),
        ("notes.txt", "notes.txt: expected a file whose name ends in .xml (MJCF) or .urdf."),
        ("notes.xml", "notes.xml: not XML"),
        ("arm.xml --name lander", "name 'lander': the package has a robot of this name. Choose another."),
        ("arm.xml --name Big", "--name 'Big': expected small letters, digits and single hyphens"),
        ("arm.xml --colour red", "No such option: --colour"),
    ],
)
def test_misuse_is_one_line(stope: Stope, arm: Path, arguments: str, text: str) -> None:
    arm.rename("arm.xml")
    Path("notes.txt").write_text("no robot")
    Path("notes.xml").write_text("no robot")
    answer = stope("world", "robot", "import", *arguments.split())
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"stope: {text}")
    assert answer.err.count("\n") == 1
    assert sorted(p.name for p in Path().iterdir()) == ["arm.xml", "notes.txt", "notes.xml"]


def test_describing_a_robot_is_still_a_command_and_both_have_help(stope: Stope) -> None:
    assert "body.mass" in stope("world", "robot", "bee-gas").out
    assert "$ stope world robot bee-gas" in stope("world", "robot", "--help").out
    answer = stope("world", "robot", "import", "--help")
    assert "Usage: stope world robot import" in answer.out
    assert "$ stope world robot import arm.urdf" in answer.out
