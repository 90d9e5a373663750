# SPDX-License-Identifier: Apache-2.0
"""What the documentation says is what the code does: its example is valid, sources are listed, it builds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from stope.world.body import load_body

ROOT = Path(__file__).parents[1]
DOI = re.compile(r"\b10\.\d{4,}/[\w./()-]*\w")


def test_the_example_body_is_accepted(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "add-a-body.md").read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", page, re.S)
    assert example
    file = tmp_path / "pebble.toml"
    file.write_text(example.group(1), encoding="utf-8")
    assert load_body(str(file)).name == "pebble"


def test_every_doi_that_the_code_cites_is_in_the_bibliography() -> None:
    listed = set(DOI.findall((ROOT / "docs" / "references.bib").read_text(encoding="utf-8")))
    cited = {
        doi
        for folder in ("src", "proving_ground")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".toml")
        for doi in DOI.findall(path.read_text(encoding="utf-8"))
    }
    assert len(cited) > 5
    assert cited <= listed, cited - listed


def test_the_tables_of_the_pages_are_those_of_what_was_measured() -> None:
    """`python docs/tables.py` would change nothing."""
    script = "import sys; sys.path.insert(0, 'docs'); from pathlib import Path; from tables import filled\n" \
             "for p in sorted(Path('docs').rglob('*.md')):\n" \
             "    text = p.read_text(encoding='utf-8')\n" \
             "    assert filled(text) == text, p\n"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    bodies = (tmp_path / "site" / "reference" / "bodies" / "index.html").read_text(encoding="utf-8")
    assert "Hayabusa2" in bodies
    assert "table: bodies" not in bodies
    for page, words in {"tasks/dock": "Against a classical controller",
                        "bodies/ryugu": "gm_m3ps2", "robots/digger": "its prior",
                        "formats/mcap": "ROS 2", "systems/laptop": "peak_tflops"}.items():  # fmt: skip
        made = (tmp_path / "site" / "reference" / page / "index.html").read_text(encoding="utf-8")
        assert words in made, page
    pages = "".join(p.read_text(encoding="utf-8") for p in (tmp_path / "site").rglob("*.html"))
    assert not re.search(r"""(?:src|rel="stylesheet" href)=["']?https?:""", pages)  # fetches nothing from elsewhere
