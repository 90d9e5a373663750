# SPDX-License-Identifier: Apache-2.0
"""The proving ground and stope meet in flight files only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(folder: Path) -> set[str]:
    """Top-level packages that the modules of a folder import, anywhere in their code."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("folder", "stranger"), [("proving_ground", "stope"), ("src/stope", "proving_ground"), ("proving_ground", "mujoco")]
)
def test_neither_package_imports_the_other(folder: str, stranger: str) -> None:
    packages = imported(ROOT / folder)
    assert "numpy" in packages
    assert stranger not in packages
