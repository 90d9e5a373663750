# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels are kept by the state of the sources that make them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import stope
from stope.base.kernel_cache import KERNEL_PACKAGES, use_kernel_cache

ROOT = Path(stope.__file__).parent
PRINT_FOLDER = """
import shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import stope
assert Path(stope.__file__).parent.parent == Path(sys.argv[1]), stope.__file__
from stope.base.kernel_cache import use_kernel_cache
use_kernel_cache()
import numba
print(numba.config.CACHE_DIR)
"""


def folder_of(source: Path, **variables: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "STOPE_CACHE_DIR")} | variables
    command = [sys.executable, "-c", PRINT_FOLDER, str(source)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment, timeout=60
    ).stdout.strip()


def test_a_changed_kernel_source_moves_the_cache_and_a_changed_command_line_does_not(tmp_path: Path) -> None:
    for name in ("__init__.py", "base/__init__.py", "base/kernel_cache.py", "world/x.py", "flight/y.py", "cli/main.py"):
        path = tmp_path / "stope" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((ROOT / name).read_text() if (ROOT / name).exists() and "base" in name else "")
    home = str(tmp_path / "cache")
    first = folder_of(tmp_path, STOPE_CACHE_DIR=home)
    assert first.startswith(home)
    (tmp_path / "stope/cli/main.py").write_text("x = 1\n")
    assert folder_of(tmp_path, STOPE_CACHE_DIR=home) == first
    (tmp_path / "stope/world/x.py").write_text("x = 1\n")
    assert folder_of(tmp_path, STOPE_CACHE_DIR=home) != first


def test_numbas_own_setting_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    before = numba.config.CACHE_DIR
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/nowhere")
    use_kernel_cache()
    assert before == numba.config.CACHE_DIR


def test_kernels_are_written_only_in_the_packages_whose_sources_are_hashed() -> None:
    outside = []
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        hashed = any(path.is_relative_to(ROOT / folder) for folder in KERNEL_PACKAGES)
        if any(n.split(".")[0] == "numba" for n in names) and not hashed:
            outside.append(str(path.relative_to(ROOT)))
    assert outside == []
