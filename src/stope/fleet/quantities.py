# SPDX-License-Identifier: Apache-2.0
"""Numbers in a scenario's file: each a table `{value, unit, source}`, refused without a source or in a wrong unit."""

from __future__ import annotations

import typing
from dataclasses import is_dataclass
from typing import Annotated, Any

from stope.base.errors import ConfigError

__all__ = ["plain"]


def plain(cls: Any, data: Any, where: str, *, sources: dict[str, str], prefix: str = "") -> Any:
    """The table of a dataclass with each `{value, unit, source}` replaced by its value; the sources are kept."""
    if not isinstance(data, dict):
        return data  # `build` refuses it, by name
    hints = typing.get_type_hints(cls, include_extras=True)
    out: dict[str, Any] = {}
    for key, value in typing.cast("dict[str, Any]", data).items():
        kind, path = hints.get(key), prefix + key
        if kind is not None and typing.get_origin(kind) is Annotated:
            out[key] = _quantity(value, kind.__metadata__[0], f"{where}: field {path!r}")
            sources[path] = value["source"]
        elif is_dataclass(kind):
            out[key] = plain(kind, value, where, sources=sources, prefix=f"{path}.")
        elif typing.get_origin(kind) is tuple and isinstance(value, list):
            (inner, _) = typing.get_args(kind)
            rows = typing.cast("list[Any]", value)
            out[key] = [
                plain(inner, row, where, sources=sources, prefix=f"{path}.{_label(row, k)}.")
                for k, row in enumerate(rows)
            ]
        else:
            out[key] = value
    return out


def _label(row: Any, k: int) -> str:
    """What a depot is called in paths: its name, or its place in the list where that is missing."""
    name = typing.cast("dict[str, Any]", row).get("name") if isinstance(row, dict) else None
    return name if isinstance(name, str) else str(k)


def _quantity(row: Any, unit: str, at: str) -> Any:
    """Value of a `{value, unit, source}` table."""
    if not isinstance(row, dict) or "value" not in row:
        raise ConfigError(f"{at} = {row!r}: expected {{ value = ..., unit = {unit!r}, source = ... }}.")
    table = typing.cast("dict[str, Any]", row)
    for key in table:
        if key not in ("value", "unit", "source"):
            raise ConfigError(f"{at}: key {key!r} is unknown. Known: value, unit, source.")
    if table.get("unit") != unit:
        raise ConfigError(f"{at}: unit {table.get('unit')!r}: expected {unit!r}.")
    source = table.get("source")
    if not isinstance(source, str) or not source.strip():
        raise ConfigError(f"{at}: no source: expected where the number comes from.")
    return table["value"]
