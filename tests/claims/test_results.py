# SPDX-License-Identifier: Apache-2.0
"""What README and docs claim is what the commands printed, and every link and command in them exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import results  # noqa: E402 -- a script beside the package

PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_readmes_hold_the_figures_that_were_measured() -> None:
    for readme, shown in results.readmes(results.load()).items():
        text = readme.read_text(encoding="utf-8")
        assert results.written_readme(text, shown) == text, readme
        assert shown in text, readme


def test_the_results_page_is_what_was_measured() -> None:
    assert (ROOT / "docs" / "results" / "index.md").read_text(encoding="utf-8") == results.page(results.load())


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_resolves(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_in_the_pages_is_one(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = {
        tuple(m.split()) for m in re.findall(r"stope ((?:mine|train|evaluate|flight|world|fleet)(?: [a-z]+)?)", text)
    }
    groups = {"flight", "world", "fleet"}
    for words in commands:
        wanted = words if words[0] in groups else words[:1]
        done = subprocess.run(
            [Path(sys.executable).with_name("stope"), *wanted, "--help"], capture_output=True, check=False
        )
        assert done.returncode == 0, words
