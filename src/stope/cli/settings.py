# SPDX-License-Identifier: Apache-2.0
"""Settings as tables: path, value, and the line of documentation under each field of a configuration."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast

from stope.cli.console import number, show_table

__all__ = ["field_docs", "setting_rows", "show_settings"]


def show_settings(title: str, config: object) -> None:
    """Print every setting of a configuration with its value and meaning."""
    show_table(title, ("setting", "value", "what"), setting_rows(config))


def setting_rows(config: object, prefix: str = "") -> list[tuple[str, str, str]]:
    """Path as `--set` takes it, value and meaning of each setting, tables inside included."""
    assert is_dataclass(config)
    docs = field_docs(type(config))
    rows: list[tuple[str, str, str]] = []
    for field in fields(config):
        value: Any = getattr(config, field.name)
        if is_dataclass(value):
            rows += setting_rows(value, f"{prefix}{field.name}.")
        elif items := _tables(value):
            for k, item in enumerate(items):
                rows += setting_rows(item, f"{prefix}{field.name}.{getattr(item, 'name', k)}.")
        elif not isinstance(value, Mapping):  # sources stand in the file
            rows.append((prefix + field.name, number(value), docs.get(field.name, "")))
    return rows


def _tables(value: object) -> tuple[object, ...]:
    """The configurations in a tuple of them; empty for anything else."""
    items = cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()
    return items if any(map(is_dataclass, items)) else ()


def field_docs(cls: object) -> dict[str, str]:
    """The text under each field of a dataclass, on one line; read from its source, so that nothing is retyped."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body  # type: ignore[arg-type]
    assert isinstance(node, ast.ClassDef)
    out: dict[str, str] = {}
    for one, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(after, ast.Expr):
            text = ast.literal_eval(after.value) if isinstance(after.value, ast.Constant) else ""
            out[one.target.id] = " ".join(str(text).split())
    return out
