# SPDX-License-Identifier: Apache-2.0
"""Every command line of README and docs is run, with less of what costs time, in a folder that has the files it names.

A line that is not run stands in `MENTIONS` (prose names a command, not a call of it) or in `ELSEWHERE` (why, and what
runs it instead). A new line that is in neither, and fails, fails here.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proving_ground import fly, load_scenario, write_flight
from stope.base.errors import StopeError
from stope.cli.main import run
from stope.flight.ground.scoop import program
from stope.view.browser import find_browser
from tests.cli.conftest import TINY
from tests.cli.test_validate import EXPECT, PROBE
from tests.cluster.test_procurement import available
from tests.flight.ground.ground_builders import scooped
from tests.flight.log_builders import turn_by_wheels, write_lelar
from tests.test_commands import CODE, LINES, ROOT, words_of

pytestmark = pytest.mark.slow

MENTIONS = {
    "cluster plan --by", "cluster scale", "cluster scale train", "cluster validate", "evaluate", "export",
    "fleet measure", "fleet query", "fleet replay", "fleet serve", "flight campaign", "flight check", "flight import",
    "flight predict", "flight soil", "gap", "train", "view",
}  # fmt: skip
ELSEWHERE = {
    "fleet serve --workers ray://HOST:PORT?num=8": "wants other machines; tests/fleet/test_brain_spread.py has two",
    "flight campaign --skill dig --tier T3 --worlds 0-19 --flights 0,1,3":
        "learns a posterior from 400 simulations; tests/flight/ground/test_ground_campaign.py",
    "flight campaign --skill dig --tier T2 --worlds 0-19 --flights 0,1 --grounds 0": "as the one before",
    "gap anchor": "a quarter of an hour of training; tests/learn/test_gap_contact.py has a small one",
    "gap anchor --workers 2 --threads 1 --json": "as the one before",
    "gap dock": "a quarter of an hour of training; tests/learn/test_gap.py has a small one",
    "gap dock --json": "as the one before",
    "gap dock --workers ray://10.0.0.1:6379": "wants other machines; tests/base/test_workers.py has two nodes",
    "train dock --workers ray://10.0.0.1:6379": "as the one before",
    "train all": "hours; each skill is trained below, for one iteration",
    "train anchor --set num_reinforcement=80 --set evaluate_every=20": "an hour; a small one is trained below",
}  # fmt: skip
FLYER = f"env PYTHONPATH={ROOT} {sys.executable} -m proving_ground"
SKILL_TINY = ("--set=num_worlds=4", "--set=steps_per_iteration=4", "--set=num_imitation=1", "--set=num_evaluation=2",
              "--set=imitation_updates=2", "--set=memory=8", "--set=hidden=[8]")  # fmt: skip
MONTH = ("--set", "robots=50", "--set", "days=1")
CAMPAIGN = ("--worlds", "0-0", "--flights", "0,1", "--minutes", "1", "--episodes", "2", "--flyer", FLYER)
SMALL: dict[str, tuple[str, ...]] = {
    "cluster scale": ("--repeats", "1"), "evaluate": ("--n", "2"), "fleet measure": ("--n", "2"),
    "fleet value": ("--months", "2", *MONTH), "flight campaign": CAMPAIGN, "flight fit": ("--n", "16"),
    "flight forecast --belief": ("--episodes", "3", "--robots", "4"), "flight forecast": ("--episodes", "3"),
    "flight next": ("--minutes", "2", "--per-kind", "1"), "flight soil": ("--simulations", "50"),
    "flight worth": ("--hours", "0.02"), "gap": ("--n", "2"), "gap dock --model": ("--n", "20", "--seeds", "1"),
    "gap all --model": ("--n", "20", "--seeds", "1"), "mine": MONTH,
    "mine ryugu-ferry": ("--set", "days=1", "--set", "replicates=2"), "train dock": TINY, "train anchor": SKILL_TINY,
    "train capture": SKILL_TINY, "train dig": SKILL_TINY, "train hop": SKILL_TINY, "view dock": ("--n", "2"),
    "view anchor": ("--n", "2"), "view runs": ("--port", "0"), "world practise": ("--n", "2"),
}  # fmt: skip
"""Options that make a line small, by its beginning; the longest beginning counts, and later options win."""
INSTEAD = {
    "cluster limit JOB": "cluster limit stope-dock",
    "cluster plan --by DATE --available FILE": "cluster plan --by 2027-06-28 --available deliveries.toml",
    "cluster plan stope-dock --on laptop --profile FILE": "cluster plan stope-dock --on laptop --profile scale.json",
    "cluster validate --table FILE.csv": "cluster validate --table steps.csv",
    "evaluate SKILL": "evaluate dock", "evaluate SKILL --json": "evaluate dock --json",
    "fleet value --weights FILE": "fleet value --weights weights.json",
    "flight fit LOG": "flight fit flights/0007",
    "flight fit --before table.json --from table": "flight fit flights/0007 --before table.json --from table",
    "gap SKILL": "gap anchor --quick", "train SKILL": "train dock",
    "world physics --robot NAME": "world physics --robot bee-gas", "world robot NAME": "world robot bee-gas",
    "world robot import FILE": "world robot import mule.xml --out again",
    "world robot import mule.xml": "world robot import mule.xml --out again-too",
    "world robot import rover.urdf": "world robot import rover.urdf --out another",
}  # fmt: skip
"""What a line with something left open becomes."""
SAYS_NO = {"cluster plan stope-dock --on hanguang-800", "world validate --case my-drop.toml"}
"""Lines whose answer is no: exit code 1 or 2, and a reason."""
SERVERS = ("fleet serve --token-file", "view runs --live", "view runs/ryugu-month --live")
RUN = [line for line in LINES if line not in MENTIONS and line.split("  #")[0].strip() not in ELSEWHERE]
URDF = '<robot name="rover"><link name="base"><inertial><mass value="9"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ' \
       'ixz="0" iyz="0"/></inertial></link></robot>'  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with every file that the pages name, which is the working directory meanwhile."""
    folder, before = tmp_path_factory.mktemp("docs"), Path.cwd()
    os.chdir(folder)
    try:
        _own_robot()
        _logs(folder)
        for line in ("train dock --out policy.safetensors", "flight fit flights/0007 --out belief.json",
                     "flight fit flights/0007 --out table.json", "mine --out runs/ryugu-month",
                     "flight forecast --belief belief.json --out forecast.json",
                     "flight soil logs/scoop-1 --out ground.json"):  # fmt: skip
            assert run(small(line)) == 0, line
        shutil.copy("policy.safetensors", "arrive.safetensors")
        shutil.copy(ROOT / "docs" / "results" / "scaling-train.json", "scale.json")
        shutil.copy(ROOT / "benchmarks" / "cluster_calibration.csv", "steps.csv")
        yield folder
    finally:
        os.chdir(before)


def _own_robot() -> None:
    """Robot and site of the tutorial, the same robot under another name, and a case."""
    text = (ROOT / "docs" / "tutorials" / "own-robot.md").read_text(encoding="utf-8")
    saved = [code for language, code in CODE.findall(text) if language in ("xml", "python", "toml")]
    for name, code in zip(("mule.xml", "answers.py", "pebble.toml"), saved, strict=False):
        Path(name).write_text(code, encoding="utf-8")
    assert run(["world", "robot", "import", "mule.xml"]) == 0
    subprocess.run([sys.executable, "answers.py"], check=True)
    shutil.copytree("mule", "rover")
    Path("rover/mule.toml").rename("rover/rover.toml")
    shutil.copy("pebble.toml", "my.toml")
    Path("rover.urdf").write_text(URDF, encoding="utf-8")
    Path("my-drop.toml").write_text(PROBE + EXPECT.format(low=50.0, high=60.0), encoding="utf-8")
    available(Path())


def _logs(folder: Path) -> None:
    """Flights, logs of other formats, and what came of a forecast."""
    for minutes, name in ((1.0, "0007"), (1.0, "1"), (1.1, "2"), (1.2, "3")):  # all of one robot
        write_flight(fly(load_scenario(), seed=7, minutes=minutes), folder / "flights" / name)
    assert run(["flight", "export", "flights/0007", "--to", "ros1-bag", "--out", "orbit.bag"]) == 0
    assert run(["flight", "import", "orbit.bag", "--store", "flights", "--name", "orbit", "--vehicle", "free-flyer 2",
                "--licence", "CC-BY-4.0"]) == 0  # fmt: skip
    for seed, name in enumerate("abcd", start=1):
        write_lelar(folder / "lelar" / name, turn_by_wheels(seed, num=60))
    for seed in (1, 2):
        scooped(program("hand-6-1"), seed=seed).save(folder / "logs" / f"scoop-{seed}")
    page = (ROOT / "docs" / "how-to" / "fly-the-loop.md").read_text(encoding="utf-8")
    came = re.search(r'`(\{"outcomes": .*?\})(?:, \.\.\.)?\]\}`', page)
    assert came
    Path("outcomes.json").write_text(came[1] + "]}", encoding="utf-8")
    token = Path("brain.token")
    token.touch(mode=0o600)
    token.write_text("a-token-of-a-test-0123456789", encoding="ascii")


def small(line: str) -> list[str]:
    """A line as it is run here."""
    line = INSTEAD.get(line, line)
    beginnings = [b for b in SMALL if line == b or line.startswith(f"{b} ")]
    more = SMALL[max(beginnings, key=len)] if beginnings else ()
    return [*words_of(line), *more]


@pytest.mark.parametrize("line", [line for line in RUN if not line.startswith(SERVERS)])
def test_line_runs(line: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Path.cwd() == place
    if "--video" in line:
        try:
            find_browser()
        except StopeError as error:
            pytest.skip(str(error))
    code = run(small(line))
    out, err = capsys.readouterr()
    if line in SAYS_NO:
        assert code in (1, 2)
        assert out or err.count("\n") == 1
        return
    assert code == 0, err


@pytest.mark.parametrize("line", [line for line in RUN if line.startswith(SERVERS)])
def test_server_of_a_line_starts_and_ends(line: str, place: Path) -> None:
    port = [] if "--port 0" in line else ["--port", "0"]
    command = [sys.executable, "-m", "stope.cli.main", *small(line), *port]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert "127.0.0.1" in server.stdout.readline()
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
        finally:
            server.kill()  # a shell's background job ignores the interrupt


def test_what_is_not_run_is_on_a_page() -> None:
    lines = {line.split("  #")[0].strip() for line in LINES}
    assert MENTIONS | set(ELSEWHERE) | set(INSTEAD) | SAYS_NO <= lines
