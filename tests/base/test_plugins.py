# SPDX-License-Identifier: Apache-2.0
"""An outside package adds a body, a robot, a task and a log format by entry points, without a line changed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stope.base.errors import ConfigError, UnknownName
from stope.base.plugins import plugged
from stope.base.registry import Registry
from stope.world.body import body_names, load_body
from stope.world.robots import load_robot, robot_names

ROOT = Path(__file__).parents[2]
MODULE = '''
from pathlib import Path

from stope.flight.formats import LogFormat
from stope.flight.formats.stope_flight import read_flight
from stope.world.tasks import CaptureTask

HERE = Path(__file__).parent
GRAVEL = HERE / "gravel.toml"
NUMBER = 7


def tug():
    return HERE / "tug.toml"


class Grab(CaptureTask):
    """Capture in a hurry."""


POINTER = LogFormat(summary="a file that names a flight folder", recognise=lambda path: path.suffix == ".pointer",
                    read=lambda path: read_flight(Path(path.read_text())))
'''
POINTS = """
[stope.bodies]
gravel = outside:GRAVEL
[stope.robots]
tug = outside:tug
[stope.tasks]
grab = outside:Grab
[stope.formats]
pointer = outside:POINTER
"""


def install(folder: Path, points: str = POINTS) -> Path:
    """What an installer leaves of the package `outside`: its files, and metadata with entry points."""
    package, about = folder / "outside", folder / "outside-1.0.dist-info"
    package.mkdir(parents=True)
    about.mkdir()
    (package / "__init__.py").write_text(MODULE, encoding="utf-8")
    robot = (ROOT / "src/stope/world/robots/bee-gas.toml").read_text(encoding="utf-8")
    (package / "tug.toml").write_text(robot.replace('name = "bee-gas"', 'name = "tug"', 1), encoding="utf-8")
    body = (ROOT / "src/stope/world/bodies/bennu.toml").read_text(encoding="utf-8")
    (package / "gravel.toml").write_text(body.replace('name = "bennu"', 'name = "gravel"', 1), encoding="utf-8")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(points, encoding="utf-8")
    return folder


def stope(folder: Path, *words: str) -> object:
    """What a command prints as JSON with the package installed."""
    path = os.pathsep.join([str(folder), *(p for p in sys.path if p)])
    command = [sys.executable, "-m", "stope.cli.main", *words, "--json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package, installed for this test."""
    folder = install(tmp_path / "site")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "outside", raising=False)
    return folder


@pytest.mark.usefixtures("outside")
def test_a_body_and_a_robot_from_outside_are_listed_and_loaded_by_name() -> None:
    assert "gravel" in body_names()
    assert load_body("gravel").gm == load_body("bennu").gm
    assert "tug" in robot_names()
    assert load_robot("tug").mass == load_robot("bee-gas").mass
    with pytest.raises(UnknownName, match=r"^no robot 'tag'\. Closest: 'tug'\."):
        load_robot("tag")


def test_without_it_the_names_are_unknown() -> None:
    with pytest.raises(UnknownName):
        load_body("gravel")
    with pytest.raises(UnknownName):
        load_robot("tug")


@pytest.mark.slow  # compiles the physics of contact
def test_a_task_from_outside_is_practised(tmp_path: Path) -> None:
    folder = install(tmp_path / "site")
    found = stope(folder, "world", "practise", "grab", "--n", "4", "--set", "time_limit=2")
    assert found["tasks"]["grab"]["nothing"]["n"] == 4  # type: ignore[index]


def test_a_task_and_a_log_format_from_outside_are_listed_and_used(tmp_path: Path) -> None:
    folder = install(tmp_path / "site")
    log = tmp_path / "mine.pointer"
    log.write_text(str(ROOT / "src/stope/flight/samples/ryugu-gas-0001"), encoding="utf-8")
    code = (
        "import json; from stope.flight.formats import FORMATS, read_log; from stope.world.tasks import CONTACT_TASKS;"
        f"print(json.dumps([list(CONTACT_TASKS), list(FORMATS), read_log({str(log)!r}).head.name,"
        "CONTACT_TASKS.get('grab')().robot]))"
    )
    path = os.pathsep.join([str(folder), *(p for p in sys.path if p)])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    tasks, formats, name, robot = json.loads(done.stdout)
    assert "grab" in tasks
    assert "pointer" in formats
    assert name
    assert robot == "bee-gripper"


@pytest.mark.parametrize(
    ("points", "fault"),
    [("[stope.bodies]\nryugu = outside:GRAVEL", r"stope\.bodies: ryugu = 'outside:GRAVEL': the name is taken"),
     ("[stope.bodies]\nsand = outside:GRAVEL", r"stope\.bodies: sand: its file says name = 'gravel'"),
     ("[stope.bodies]\nsand = outside:NUMBER", r"stope\.bodies: sand = 7: expected the path of a TOML file"),
     ("[stope.bodies]\nsand = outside:nothing", r"stope\.bodies: sand = 'outside:nothing': .*nothing"),
     ("[stope.bodies]\nsand = elsewhere:thing", r"stope\.bodies: sand = 'elsewhere:thing': No module named")],
)  # fmt: skip
def test_a_broken_plug_in_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: str, fault: str
) -> None:
    monkeypatch.syspath_prepend(install(tmp_path / "site", points))
    monkeypatch.delitem(sys.modules, "outside", raising=False)
    with pytest.raises(ConfigError, match=f"^entry point {fault}"):
        load_body("sand")


@pytest.mark.usefixtures("outside")
def test_a_registry_without_a_group_takes_nothing_from_outside() -> None:
    assert set(plugged("stope.tasks")) == {"grab"}
    registry: Registry[int] = Registry("tool", "stope tools")
    assert registry.names() == ()
    assert "grab" not in registry
