# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that can be checked by reading the sources."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stope.base.kernel_cache import KERNEL_PACKAGES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "stope"
MODULES = sorted(SOURCE.rglob("*.py"))
OURS = [p for folder in ("src", "proving_ground", "benchmarks", "tests") for p in sorted((ROOT / folder).rglob("*.py"))]
PACKAGES = sorted(p.parent for p in MODULES if p.name == "__init__.py")
FORBIDDEN_NAMES = {"utils", "common", "helpers", "misc", "core", "types"}


def dotted(path: Path) -> str:
    """Module name of a source file."""
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Top-level packages a file imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_imports_point_down() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_importing_stope_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, time; a = time.perf_counter(); import stope; b = time.perf_counter();"
        "heavy = {'torch', 'mujoco', 'numba', 'numpy', 'scipy'} & set(sys.modules); assert not heavy, heavy;"
        "assert b - a < 0.3, b - a"  # the house rule
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_the_device_module_names_an_accelerator(path: Path) -> None:
    words = set(re.findall(r"[a-z]+", path.read_text(encoding="utf-8").lower()))
    assert dotted(path) == "stope.base.device" or not words & {"cuda", "npu"}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_kernels_live_where_the_cache_looks(path: Path) -> None:
    assert any(path.is_relative_to(SOURCE / folder) for folder in KERNEL_PACKAGES) or "numba" not in imports(path)


@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_has_one_idea_and_a_licence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# SPDX-License-Identifier: Apache-2.0"
    assert len(text.splitlines()) <= 500
    assert path.stem not in FORBIDDEN_NAMES
    assert path.name.endswith("__init__.py") or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_loading_a_file_executes_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "pickle" not in imports(path)
    assert "allow_pickle=True" not in text
    assert "weights_only=False" not in text
    assert not re.search(r"\b(eval|exec)\(", text)


@pytest.mark.parametrize("path", PACKAGES, ids=lambda p: p.name)
def test_a_package_names_at_most_twelve_things_and_has_them(path: Path) -> None:
    module = importlib.import_module(dotted(path / "__init__.py"))
    names = getattr(module, "__all__", [])
    assert len(names) <= 12
    for name in names:
        assert hasattr(module, name) or importlib.import_module(f"{module.__name__}.{name}")
