# SPDX-License-Identifier: Apache-2.0
"""What the repository promises beside the code: pins, papers, versions, what a wheel holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import stope

ROOT = Path(__file__).parents[1]
# In pieces, so that this file does not find itself.
MACHINE = re.compile(
    "|".join(["/(?:home|root|work|Users)" + "/[a-z]", "index" + "-url", "pypi" + r"\.org", "file:" + "///"])
)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    """Version of each pinned package; torch's is in the Makefile."""
    found = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    torch = re.search(r"torch==(\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert torch and "torch" not in found
    return {name.lower().replace("_", "-"): Version(v) for name, v in (found | {"torch": torch.group(1)}).items()}


def tracked() -> list[Path]:
    """Files that are in the repository."""
    if not (ROOT / ".git").exists():
        # An unpacked source archive has no list of its files; continuous integration always runs in a clone.
        pytest.skip("not a clone")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in (ROOT / line for line in listed.splitlines()) if path.exists()]


def test_no_path_of_a_machine_and_no_registry_is_in_the_repository() -> None:
    for path in tracked():
        found = MACHINE.search(path.read_bytes().decode("utf-8", errors="replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_every_source_begins_with_the_licence() -> None:
    for path in tracked():
        if path.suffix in (".py", ".pyi") or path.name == "Makefile":
            first = path.read_text(encoding="utf-8").split("\n", 1)[0]
            assert first == "# SPDX-License-Identifier: Apache-2.0", path


def test_one_version_everywhere(project: dict[str, Any]) -> None:
    assert project["version"] == stope.__version__
    assert f"version: {stope.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_what_is_pinned_is_what_is_asked_for(project: dict[str, Any], pins: dict[str, Version]) -> None:
    extras = [r for group in project["optional-dependencies"].values() for r in group]
    for text in [*project["dependencies"], *extras]:
        asked = Requirement(text)
        assert pins[asked.name.lower().replace("_", "-")] in asked.specifier, text


def test_make_installs_torch_first_then_the_rest_under_the_pins() -> None:
    done = subprocess.run(["make", "-n", "-B", "setup"], cwd=ROOT, capture_output=True, text=True, check=True)
    installs = [line for line in done.stdout.splitlines() if "pip install" in line]
    assert [line.split()[-1] for line in installs] == ["torch==2.13.0", ".venv/wanted.txt", "."]
    assert "--constraint constraints.txt" in installs[1]
    assert "--no-deps" in installs[2]


def test_ci_runs_the_tests_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', "make test"]


def test_the_changelog_has_a_place_for_each_kind_of_change() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased = text.split("## Unreleased", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^### (.*)$", unreleased, re.M) == ["Added", "Changed", "Fixed", "Removed", "Results change"]


def test_the_wheel_holds_bodies_robots_scenarios_and_licences(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        wheel.extractall(tmp_path / "unpacked")
    mine = {str(p.relative_to(ROOT / "src")) for p in tracked() if p.is_relative_to(ROOT / "src")}
    assert {Path(name).suffix for name in mine} >= {".py", ".toml", ".obj", ".css", ".csv", ".safetensors"}
    assert {name for name in names if "dist-info" not in name} == mine  # all of it, and nothing else
    code = "import stope, sys; from stope.cli.main import main; print(stope.__file__, file=sys.stderr); main()"
    done = subprocess.run([sys.executable, "-P", "-c", code, "--help"], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path / "unpacked")}, check=True)  # fmt: skip
    assert str(tmp_path / "unpacked") in done.stderr
    assert "Teach robots to mine asteroids" in done.stdout
    assert {name.rsplit("/", 1)[1] for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert all(name.startswith(("stope/", "stope-")) for name in names)
