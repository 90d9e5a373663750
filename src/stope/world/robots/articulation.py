# SPDX-License-Identifier: Apache-2.0
"""Articulation: the links and joints of a robot that is more than one rigid body, as MJCF with named numbers.

The TOML of such a robot has a table `[model]`: the MJCF text itself (`mjcf`) or a file beside the TOML (`file`), in
which `{name}` stands for a number of `[model.numbers]`, each with unit and source; the base's mass properties are taken
from `[body]`, and `{folder}`, for meshes, is the folder of the TOML. Names carry meaning: body `base` with its free
joint comes first; geoms named `soil...` feel soil and nothing else; cylinder geoms named `drum...` dig; sites named
`anchor...` are anchors, their z axis pointing out of the robot; every other geom touches rock and boulders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from stope.base.errors import ConfigError, FileError

__all__ = ["Articulation", "read_articulation"]

_NAME = re.compile(r"\{([a-z_0-9]+)\}")
ANCHOR_UNITS = {"stiffness": "N/m", "damping": "N s/m", "drill_time": "s", "drill_push": "N", "helix_radius": "m",
                "helix_depth": "m"}  # fmt: skip
DRUM_UNITS = {"capacity": "m3", "catch_share": "1", "scoop_height": "m", "rake_angle": "rad"}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Articulation:
    """Links, joints and tools of a robot."""

    mjcf: str
    """Complete MJCF document, numbers filled in."""
    anchors: dict[str, float] = field(default_factory=dict)
    """Numbers shared by the anchors, `ANCHOR_UNITS`; empty for none."""
    drums: dict[str, float] = field(default_factory=dict)
    """Numbers shared by the drums, `DRUM_UNITS`; empty for none."""
    element_size: float = 0.03
    """Largest width of a soil element [m]."""
    numbers: dict[str, float] = field(default_factory=dict)
    """The numbers that were filled in, by name."""


def read_articulation(
    table: dict[str, Any], body: dict[str, Any], *, folder: Path, where: str, sources: dict[str, str]
) -> Articulation:
    """Check the table `[model]` of a robot's TOML and fill its numbers in.

    Args:
        table: The table.
        body: Mass [kg], com_b [m] and inertia_b [kg m2] of the base.
        folder: Where a `file` lies.
        where: File and table, for messages.
        sources: Filled with the source of each number.

    Raises:
        ConfigError: an unknown or missing key, a wrong unit, a number that is not finite or not used, a name in the
            MJCF without a number.
        FileError: the model file is missing.
    """
    known = {"mjcf", "file", "numbers", "anchors", "drums", "element_size"}
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}: expected one of {', '.join(sorted(known))}.")
    if ("mjcf" in table) == ("file" in table):
        raise ConfigError(f"{where}: expected either mjcf (text) or file (a path beside the TOML), one of them.")
    text = table.get("mjcf") or _read(folder / str(table["file"]))
    numbers = {name: _number(row, None, f"{where}.numbers.{name}") for name, row in table.get("numbers", {}).items()}
    for name, row in table.get("numbers", {}).items():
        sources[f"model.{name}"] = row["source"]
    given = {name: f"{value:.17g}" for name, value in numbers.items()}
    given["folder"] = escape(str(folder.resolve()), {'"': "&quot;"})
    for name, value in body.items():
        given[name] = " ".join(f"{x:.17g}" for x in np.atleast_1d(np.asarray(value, dtype=np.float64)))
    used = set(_NAME.findall(text))
    for name in sorted(used - given.keys()):
        raise ConfigError(f"{where}: the MJCF uses {{{name}}}, which model.numbers does not have. Add it.")
    for name in sorted(numbers.keys() - used):
        raise ConfigError(f"{where}.numbers.{name}: the MJCF does not use it. Remove it.")
    anchors = _group(table.get("anchors"), ANCHOR_UNITS, f"{where}.anchors", sources)
    drums = _group(table.get("drums"), DRUM_UNITS, f"{where}.drums", sources)
    size = _number(table["element_size"], "m", f"{where}.element_size") if "element_size" in table else 0.03
    if "element_size" in table:
        sources["model.element_size"] = table["element_size"]["source"]
    if not size > 0.0:
        raise ConfigError(f"{where}.element_size = {size} m: expected more than 0.")
    return Articulation(
        mjcf=_NAME.sub(lambda m: given[m.group(1)], text),
        anchors=anchors,
        drums=drums,
        element_size=size,
        numbers=numbers,
    )


def _read(path: Path) -> str:
    if not path.is_file():
        raise FileError(f"{path}: no such file. It must lie beside the robot's TOML.")
    return path.read_text(encoding="utf-8")


def _number(row: Any, unit: str | None, where: str) -> float:
    """The value of a table {value, unit, source}; any unit where none is asked for."""
    if not isinstance(row, dict) or set(row) != {"value", "unit", "source"}:
        raise ConfigError(f"{where} = {row!r}: expected {{ value = ..., unit = {unit or '...'!r}, source = ... }}.")
    value = row["value"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ConfigError(f"{where} = {value!r}: expected a finite number.")
    if unit is not None and row["unit"] != unit:
        raise ConfigError(f"{where}: unit {row['unit']!r}: expected {unit!r}.")
    if not isinstance(row["source"], str) or not row["source"].strip():
        raise ConfigError(f"{where}: no source: expected where the number comes from.")
    return float(value)


_ABOVE_NONE = 1e-9
_BOUNDS = dict.fromkeys(
    ("stiffness", "drill_time", "helix_radius", "helix_depth", "capacity", "scoop_height", "rake_angle"),
    (_ABOVE_NONE, np.inf),
) | {"catch_share": (0.0, 1.0)}
"""Least and most of numbers that are divided by, and of shares."""


def _words(least: float, most: float) -> str:
    return f"{least:g} to {most:g}" if most < np.inf else "more than 0" if least > 0.0 else "0 or more"


def _group(table: Any, units: dict[str, str], where: str, sources: dict[str, str]) -> dict[str, float]:
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise ConfigError(f"{where} = {table!r}: expected a table.")
    out = {}
    for key in table:
        if key not in units:
            raise ConfigError(f"{where}: unknown key {key!r}: expected one of {', '.join(units)}.")
    for key, unit in units.items():
        if key not in table:
            raise ConfigError(f"{where}: missing key {key!r}.")
        out[key] = _number(table[key], unit, f"{where}.{key}")
        least, most = _BOUNDS.get(key, (0.0, np.inf))
        if not least <= out[key] <= most:
            raise ConfigError(f"{where}.{key} = {out[key]} {unit}: expected {_words(least, most)}.")
        sources[f"{where.rsplit('.', maxsplit=1)[-1]}.{key}"] = table[key]["source"]
    return out
