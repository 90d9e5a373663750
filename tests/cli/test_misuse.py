# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind: exit code 2, exactly one clear line on stderr, nothing on stdout, no traceback."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import stope.fleet
from stope.learn.policies import MlpPolicy
from stope.world.belief import Belief
from tests.cli.conftest import TINY, Stope
from tests.cli.test_world import MOON

TETRAHEDRON = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\n"  # the face 2 3 4 is missing
MESH = MOON.replace('"point"', '"mesh"') + 'mesh = "hole.obj"\nmesh_unit = "m"\nmesh_vertices = 4\nmesh_faces = 4\n'
SCENARIO = (Path(stope.fleet.__file__).parent / "scenarios" / "ryugu-ferry.toml").read_text()
Make = Callable[[Path], tuple[str | Path, ...]]


def refused(stope_: Stope, *arguments: str | Path) -> str:
    """The one line with which a command is refused."""
    answer = stope_(*arguments)
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.endswith("\n")
    assert answer.err.count("\n") == 1, answer.err
    assert answer.err.startswith("stope: ")
    assert "Traceback" not in answer.err
    return answer.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("mine no-such-mission", "no scenario 'no-such-mission'"),
        ("mine --set robots=-3", "--set robots=-3: expected a whole number of 5 or more"),
        ("mine ryugu-ferry --set robots=-3", "robots = -3"),
        ("mine --set fleet=3", "fleet"),
        ("mine --bank nowhere.parquet", "nowhere.parquet: no such bank"),
        ("mine --flight nowhere", "months draw from a bank"),
        ("mine ryugu-ferry --flight nowhere", "nowhere: no such folder"),
        ("mine --threads 0", "'--threads': 0 is not in the range 1 to"),
        ("train hopp", "no skill 'hopp'. Closest: 'hop'"),
        ("train all --set num_worlds=8", "all: expected no option of one skill"),
        ("train anchor --body bennu", "--body is for dock and haul: anchor brings its own"),
        ("train anchor --set task.colour=1", "--set colour: no such field. Known: robot"),
        ("train anchor --set num_minibatches=3", "num_minibatches = 3: expected a divisor of num_worlds = 256"),
        ("train go --check", "no skill 'go'"),
        ("evaluate all --policy x", "all: expected no option of one skill"),
        ("evaluate anchor --policy nowhere.safetensors", "nowhere.safetensors: no such policy file"),
        ("train", "Missing argument 'SKILL'. See `stope train --help`."),
        ("train dock --robot bee-gaz", "no robot 'bee-gaz'. Closest: 'bee-gas'"),
        ("train dock --robot bee-cabin", "robot 'bee-cabin' flies with fans and site 'ryugu-lat30-lon0' has no air"),
        ("train dock --body ryugo", "no body 'ryugo'. Closest: 'ryugu'"),
        ("train dock --latitude 95", "latitude_deg = 95.0 deg: must be -90 to 90"),
        ("train dock --latitude nan", "--latitude nan: expected a finite number"),
        ("train dock --latitude north", "'--latitude': 'north': expected a valid number"),
        ("train dock --body moon --latitude 10", "'moon' is a uniform place without latitude"),
        ("train dock --height -1", "height = -1.0 m: must be zero or more"),
        ("train dock --seed -1", "'--seed': -1 is not in the range 0 to"),
        ("train dock --seed 99999999999999999999", "'--seed': 99999999999999999999 is not in the range 0 to"),
        ("train dock --threads -1", "'--threads': -1 is not in the range 1 to"),
        ("train dock --threads 100000", "the cores of this machine"),
        ("train dock --threads two", "'--threads': 'two': expected a valid integer"),
        ("train dock --set speed=1", "--set speed: no such field. Known: skill, site, robot, task"),
        ("train dock --set task.colour=1", "--set task.colour: no such field. Known: distance"),
        ("train dock --set num_worlds=many", "field 'num_worlds' = 'many': expected int"),
        ("train dock --set num_worlds=1.5", "field 'num_worlds' = 1.5: expected int"),
        ("train dock --set num_worlds=-4", "num_worlds = -4: expected more than 0"),
        ("train dock --set task.distance=nan", "field 'distance' = nan: expected a finite number"),
        ("train dock --set task.distance=-1", "distance = -1.0: expected more than 0"),
        ("train dock --set task.distance=99", "distance = 99.0 m: expected less than keep_in = 10.0 m"),
        ("train dock --set task=3", "field 'task' = 3: expected a table"),
        ("train dock --set hidden=[]", "hidden = []: expected layers of 1 or more units"),
        ("train dock --set seed", "expected field=value"),
        ("train dock --colour red", "No such option: --colour"),
        ("trian dock", "No such command 'trian'. Did you mean 'train'? See `stope --help`."),
        ("evaluate dock --n 0", "'--n': 0 is not in the range 1 to"),
        ("evaluate dock --n -5", "'--n': -5 is not in the range 1 to"),
        ("evaluate dock --n 1e3", "'--n': '1e3': expected a valid integer"),
        ("evaluate dock --policy nowhere.safetensors", "nowhere.safetensors: no such policy file"),
        ("evaluate dock --belief nowhere.json", "nowhere.json: no such belief file"),
        ("flight fit nowhere", "nowhere: no such folder"),
        ("flight check nowhere", "nowhere: no such folder"),
        ("flight show nowhere", "Missing option '--png'"),
        ("flight show nowhere --png x.jpg", "--png x.jpg: expected a name that ends in .png"),
        ("world body atlantis", "no body 'atlantis'"),
        ("world robot tin-man", "no robot 'tin-man'"),
        ("world physics --robot tin-man", "no robot 'tin-man'"),
        ("world site ryugu --latitude -91", "latitude_deg = -91.0 deg: must be -90 to 90"),
        ("world site ryugu --height inf", "--height inf: expected a finite number"),
        ("world check nowhere.toml", "nowhere.toml: no such file"),
        ("world check ryugu", "expected a file whose name ends in .toml"),
        ("fleet check nowhere.toml", "nowhere.toml: no such file"),
        ("fleet measure --out .", ".: is a folder: expected the name of a file"),
        ("train dock --out .", ".: is a folder: expected the name of a file"),
        ("view dock --out .", ".: is a folder: expected the name of a file"),
        ("view dock --n 1 --set robot=cubesat", "robot"),
        ("train dock --robot hopper", "robot hopper: force and torque limits"),
        ("evaluate haul --robot cubesat", "expected all above 0"),
        ("world site ryugu --height 1e300 --json", "height = 1e+300 m: must be at most 1e+09 m"),
        ("cluster scale evaluate --workers 1,100000000", "expected a number of processes from 1 to 1024"),
        (f"flight campaign --flights {'9' * 5000}", "expected counts joined by commas"),
        (f"flight campaign --worlds {'9' * 5000}", "expected a number, or two joined by a dash"),
    ],
)
def test_misused_command_is_refused_with_one_line(
    stope: Stope, arguments: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # nothing is found, and nothing may be left
    assert text in refused(stope, *arguments.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        (MOON.replace("1190.0", "nan"), "density = nan kg/m3: must be a finite number"),
        (MOON.replace('"kg/m3"', '"g/cm3"'), "density unit = 'g/cm3': must be 'kg/m3'"),
        (MOON.replace("30.0", "-30.0"), "gm = -30.0 m3/s2: must be positive"),
        (MOON + "colour = 3\n", "colour = unknown key"),
        (MOON.replace("has_air = false\n", ""), "has_air = missing"),
        (MOON.replace("30.0", "3.0e4"), "gm and the volume of the shape give"),
        (MESH, "hole.obj"),
        ("this is no TOML", "not TOML"),
        ("", "format = None"),
        ("\x00\x01\x02", "not TOML"),
    ],
    ids=["NaN density", "wrong unit", "negative", "unknown key", "missing key", "wrong size", "hole in the mesh",
         "no TOML", "empty", "binary"],
)  # fmt: skip
@pytest.mark.parametrize("command", ["check", "body"])
def test_broken_body_is_refused(stope: Stope, tmp_path: Path, command: str, toml: str, text: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(toml)
    (tmp_path / "hole.obj").write_text(TETRAHEDRON)
    assert text in refused(stope, "world", command, file)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("robots = ", "robots = -", "robots"),
        ("days = ", "colour = 3\ndays = ", "colour"),
        ('unit = "kg/h"', 'unit = "t/h"', "t/h"),
        ("format = ", "form = ", "format"),
    ],
    ids=["negative robots", "unknown key", "wrong unit", "no format"],
)
def test_broken_scenario_is_refused(stope: Stope, tmp_path: Path, old: str, new: str, text: str) -> None:
    file = tmp_path / "mine.toml"
    assert old in SCENARIO
    changed = (
        re.sub(r"robots = (\{ value = )?", lambda m: m.group(0) + "-", SCENARIO, count=1) if "robots" in old else None
    )
    file.write_text(changed or SCENARIO.replace(old, new, 1))
    assert text in refused(stope, "fleet", "check", file)


GARBAGE = {
    "truncated": lambda data: data[:-200],
    "empty": lambda data: b"",
    "garbage": lambda data: bytes(range(256)) * 8,
    "flipped": lambda data: data[::-1],
    "other format": lambda data: data.replace(b"stope-policy-1", b"stope-policy-9"),
    "other family": lambda data: re.sub(rb"(family[^m]*mlp-)", lambda m: m.group(0)[:-4] + b"lpm-", data),
    "huge header": lambda data: b"\xff" * 8 + data[8:],
}


@pytest.mark.parametrize("fault", sorted(GARBAGE))
def test_broken_policy_file_is_refused(stope: Stope, policy: Path, tmp_path: Path, fault: str) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(GARBAGE[fault](policy.read_bytes()))
    assert "mine.safetensors" in refused(stope, "evaluate", "dock", "--policy", file, "--n", "2")


def test_file_of_no_format_is_refused_as_such(stope: Stope, tmp_path: Path) -> None:
    (tmp_path / "x.mcap").write_bytes(b"")
    assert "x.mcap: of no known format: expected one of" in refused(stope, "flight", "check", tmp_path / "x.mcap")


def test_folder_instead_of_a_policy_is_refused(stope: Stope, tmp_path: Path) -> None:
    assert "no such policy file" in refused(stope, "evaluate", "dock", "--policy", tmp_path)


def test_policy_of_another_robot_is_refused(stope: Stope, policy: Path) -> None:
    line = refused(stope, "evaluate", "dock", "--policy", policy, "--robot", "bee-cabin", "--body", "iss-cabin")
    assert "trained for robot 'bee-gas'" in line
    assert "expected one for 'bee-cabin'" in line


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"robot": "bee-cabin"}, "the belief is about robot 'bee-cabin': expected 'bee-gas'"),
        ({"format": "stope-belief-0"}, "format 'stope-belief-0'"),
        ({"mean": [0.0]}, "mean"),
        ({"mean": "zero"}, "mean"),
        ({"parameters": []}, "parameters"),
        ({"particles": [[1.0]]}, "particles"),
    ],
)
def test_broken_belief_file_is_refused(
    stope: Stope, policy: Path, tmp_path: Path, change: dict[str, object], text: str
) -> None:
    file = tmp_path / "belief.json"
    Belief.prior("bee-gas").save(file)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert text in refused(stope, "evaluate", "dock", "--policy", policy, "--belief", file, "--n", "2")


def rewrite(folder: Path, edit: Callable[[list[str]], list[str]], *, rehash: bool = True) -> None:
    """Change the lines of telemetry.csv (line 0 is the header), and the hash and row count with them."""
    rows, head = folder / "telemetry.csv", folder / "flight.toml"
    data = ("\n".join(edit(rows.read_text().splitlines())) + "\n").encode()
    rows.write_bytes(data)
    if rehash:
        digest = hashlib.sha256(data).hexdigest()
        text = re.sub(r'telemetry_sha256 = ".*"', f'telemetry_sha256 = "{digest}"', head.read_text())
        head.write_text(re.sub(r"rows = \d+", f"rows = {data.count(bytes([10])) - 1}", text))


def turned(row: str) -> str:
    """A row with the sign of its last rate changed, which no check of a single row can notice."""
    *cells, rate, flag = row.split(",")
    return ",".join([*cells, f"{-float(rate):.9f}", flag])


def edit_head(old: str, new: str) -> Callable[[Path], None]:
    """A fault of flight.toml: `new` in place of what the pattern `old` finds."""

    def spoil(folder: Path) -> None:
        head = folder / "flight.toml"
        text, count = re.subn(old, new, head.read_text())
        assert count == 1
        head.write_text(text)

    return spoil


def spoil_rows(folder: Path) -> None:
    """Binary garbage in place of rows."""
    (folder / "telemetry.csv").write_bytes(np.arange(99).tobytes())


FLIGHT_FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (lambda f: rewrite(f, lambda rows: rows[:-5], rehash=False), "rows, expected 90"),
    "cut in a row": (lambda f: rewrite(f, lambda rows: [*rows[:-1], rows[-1][:20]]), "cut short or damaged"),
    "time-reversed": (lambda f: rewrite(f, lambda rows: [rows[0], *rows[:0:-1]]), "row 0"),
    "unit-swapped header": (
        lambda f: rewrite(f, lambda rows: [rows[0].replace("position_x_m", "position_x_mm"), *rows[1:]]),
        "position_x_mm",
    ),
    "no number": (lambda f: rewrite(f, lambda rows: [*rows[:9], rows[9].replace("0", "x", 1), *rows[10:]]), "row 8"),
    "changed rows": (lambda f: rewrite(f, lambda rows: [*rows[:-1], turned(rows[-1])], rehash=False), "SHA-256"),
    "no head": (lambda f: (f / "flight.toml").unlink(), "flight.toml"),
    "no rows": (lambda f: (f / "telemetry.csv").unlink(), "telemetry.csv"),
    "binary": (spoil_rows, "telemetry.csv"),
    "unknown robot": (edit_head('"bee-gas"', '"bee-wax"'), "no robot 'bee-wax'"),
    "unknown body": (edit_head('body = "ryugu"', 'body = "atlantis"'), "no body 'atlantis'"),
    "gravity of elsewhere": (
        edit_head(r"gravity_l = .*", "gravity_l = [0.0, 0.0, -9.8]"), "gravity_l = [0.0, 0.0, -9.8] m/s2"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(FLIGHT_FAULTS))
@pytest.mark.parametrize("command", ["check", "fit"])
def test_broken_flight_is_refused(stope: Stope, flight: Path, tmp_path: Path, command: str, fault: str) -> None:
    folder = Path(shutil.copytree(flight, tmp_path / "0007"))
    spoil, text = FLIGHT_FAULTS[fault]
    spoil(folder)
    assert text in refused(stope, "flight", command, folder)


def test_truth_of_a_real_flight_is_refused(stope: Stope, flight: Path, policy: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(flight, tmp_path / "0007"))
    head = folder / "flight.toml"
    head.write_text(head.read_text().replace("stand_in = true", "stand_in = false"))
    line = refused(stope, "flight", "fit", folder, "--policy", policy, "--truth", folder / "truth.json")
    assert "A real flight has no truth" in line


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"format": "stope-truth-1", "theta": {"mass": "heavy"}}'])
def test_broken_truth_is_refused(stope: Stope, flight: Path, policy: Path, tmp_path: Path, text: str) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text(text)
    assert "truth.json" in refused(stope, "flight", "fit", flight, "--policy", policy, "--truth", truth)


def test_folder_that_cannot_be_written_is_refused(stope: Stope, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file, not a folder")
    answer = stope("train", "dock", *TINY, "--runs", tmp_path / "runs")
    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("stope: ")
    assert "runs" in answer.err
    assert "Traceback" not in answer.err


def test_settings_of_another_version_in_a_policy_are_refused(stope: Stope, policy: Path, tmp_path: Path) -> None:
    file = tmp_path / "old.safetensors"
    old = MlpPolicy.load(policy)
    old.card = json.loads(json.dumps(old.card).replace("num_epochs", "num_epochz"))
    old.save(file)
    assert "of another version; train it again" in refused(stope, "evaluate", "dock", "--policy", file)
