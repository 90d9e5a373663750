# SPDX-License-Identifier: Apache-2.0
"""A case: one event with its conditions and what was measured, as one TOML file that needs no code.

    name = "my-drop"                     # kebab-case
    kind = "drop"                        # body, cut, drop, orbit, penetrate or spin
    title = "What happened"
    source = "Where it is told"          # optional
    parameters = "my-parameters.toml"    # optional: named soils, rocks and structures beside the package's own
    [given]                              # conditions; the unit is in each name. Fields: the class of the kind
    mass_kg = 10.0
    [sources]                            # optional: where each number is from, by its name
    mass_kg = "paper, table 1"
    [[expect]]                           # optional, any number of them; without, the case only reports
    quantity = "travel_m.q50"            # path in the result
    measured = 12.0                      # optional
    low = 6.0                            # low, high: the band that passes; one of them may be left out
    high = 24.0
    unit = "m"
    source = "paper, figure 2"

`given.soil`, `given.rock` and `given.structure` may be tables or names from `parameters.toml`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from stope.base.config import build, read_toml
from stope.base.errors import ConfigError, StopeError
from stope.base.progress import Progress

__all__ = ["NAMED", "SHIPPED", "Case", "Expect", "Kind", "at_path", "case_paths", "named", "read_case", "rows_of"]

HERE = Path(__file__).parent
SHIPPED = HERE / "cases"
NAMED = ("soil", "rock", "structure")
"""Tables of a case's conditions that a parameter file may hold by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expect:
    """What was measured of one quantity, and the band in which a simulation passes."""

    quantity: str
    """Dotted path in the result of the kind, such as `travel_m.q50`."""
    unit: str
    """Of all three numbers; 1 for none."""
    source: str = ""
    """Where the measurement and the band are from."""
    measured: float | None = None
    """[unit]; None if only a band is known."""
    low: float | None = None
    """Lowest value that passes [unit]; None for no bound."""
    high: float | None = None
    """Highest value that passes [unit]; None for no bound."""

    def __post_init__(self) -> None:
        """Refuse a band that is none."""
        if self.low is None and self.high is None:
            raise ConfigError(f"expect {self.quantity!r}: low and high are missing: expected one of them at least.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ConfigError(f"expect {self.quantity!r}: low = {self.low} {self.unit} lies above high = {self.high}.")

    def passes(self, value: float) -> bool:
        """Whether a simulated value lies in the band, its ends included."""
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return low <= value <= high


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of case."""

    conditions: type
    """Dataclass of its conditions."""
    run: Callable[[Any, Progress], dict[str, Any]]
    """From the conditions to the result: plain data, finite numbers."""
    headline: tuple[str, ...]
    """Quantities that a case without expectations shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A case as read."""

    name: str
    """Name, kebab-case."""
    kind: str
    """Which kind of event."""
    title: str
    """One line for tables."""
    given: Any
    """Conditions, of the class of the kind."""
    source: str = ""
    """Where the event is told."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each condition is from."""
    expect: tuple[Expect, ...] = ()
    """What was measured."""
    path: Path = Path()
    """The file."""


def case_paths() -> tuple[Path, ...]:
    """The case files of the package, sorted by name."""
    return tuple(sorted(SHIPPED.glob("*.toml")))


def named(kind: str, name: str, *, where: str, extra: Path | None = None) -> dict[str, Any]:
    """A named table of a parameter file: the case's own first, then the package's.

    Raises:
        ConfigError: if neither holds it.
    """
    known: list[str] = []
    for path in (*((extra,) if extra else ()), HERE / "parameters.toml"):
        tables = read_toml(path).get(kind, {})
        known += list(tables)
        if name in tables:
            return {k: v for k, v in tables[name].items() if k != "source"}
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Closest: {close[0]!r}." if close else ""
    raise ConfigError(f"{where}: given.{kind} = {name!r}: no such named {kind}.{hint} Known: {', '.join(known)}.")


def read_case(path: Path | str, kinds: Mapping[str, Kind]) -> Case:
    """Read and check one case file.

    Raises:
        FileError: missing, or not TOML.
        ConfigError: an unknown or missing field, a wrong type, unit or value; names the file and the field.
    """
    path = Path(path)
    data, where = read_toml(path), path.name
    _check_top(data, where)
    kind = data["kind"]
    if kind not in kinds:
        close = difflib.get_close_matches(kind, kinds, n=1)
        hint = f" Closest: {close[0]!r}." if close else ""
        raise ConfigError(f"{where}: kind = {kind!r}: expected one of {', '.join(kinds)}.{hint}")
    extra = _parameter_file(data, path)
    given = dict(data["given"])
    for key in NAMED:
        if isinstance(given.get(key), str):
            given[key] = named(key, given[key], where=where, extra=extra)
    try:
        conditions = build(kinds[kind].conditions, given, where=f"{where}: given")
        expect = tuple(build(Expect, table, where=f"{where}: expect[{k}]") for k, table in enumerate(data["expect"]))
    except StopeError as error:
        raise ConfigError(str(error) if where in str(error) else f"{where}: {error}") from None
    return Case(name=data["name"], kind=kind, title=data["title"], source=data["source"], given=conditions,
                sources=data["sources"], expect=expect, path=path)  # fmt: skip


def _check_top(data: dict[str, Any], where: str) -> None:
    """Refuse wrong words outside the conditions; fills in what may be left out."""
    kinds = {"name": str, "kind": str, "title": str, "source": str, "parameters": str, "given": dict, "sources": dict,
             "expect": list}  # fmt: skip
    for key in data:
        if key not in kinds:
            close = difflib.get_close_matches(key, kinds, n=1)
            hint = f" Closest: {close[0]!r}." if close else ""
            raise ConfigError(f"{where}: field {key!r} is unknown.{hint} Known: {', '.join(kinds)}.")
    missing = [key for key in ("name", "kind", "title", "given") if key not in data]
    if missing:
        raise ConfigError(f"{where}: field {missing[0]!r} is missing.")
    data |= {"source": data.get("source", ""), "sources": data.get("sources", {}), "expect": data.get("expect", [])}
    for key, wanted in kinds.items():
        if key in data and not isinstance(data[key], wanted):
            word = {str: "text", dict: "a table", list: "a list of tables"}[wanted]
            raise ConfigError(f"{where}: {key} = {data[key]!r}: expected {word}.")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", data["name"]):
        raise ConfigError(f"{where}: name = {data['name']!r}: expected kebab-case, such as 'my-drop'.")
    _check_inner(data, where)


def _check_inner(data: dict[str, Any], where: str) -> None:
    """Refuse entries of the lists and tables that are none."""
    for k, table in enumerate(data["expect"]):
        if not isinstance(table, dict):
            raise ConfigError(f"{where}: expect[{k}] = {table!r}: expected a table.")
    for key, text in data["sources"].items():
        if not isinstance(text, str):
            raise ConfigError(f"{where}: sources.{key} = {text!r}: expected text.")


def _parameter_file(data: dict[str, Any], path: Path) -> Path | None:
    return path.parent / data["parameters"] if "parameters" in data else None


def at_path(result: Mapping[str, Any], path: str, *, where: str) -> float | None:
    """The number at a dotted path of a result; a whole number picks from a list. None where no draw has it.

    Raises:
        ConfigError: naming the part that does not exist, and what does.
    """
    value: Any = result
    for part in path.split("."):
        if value is None:
            return None
        if isinstance(value, Mapping) and part in value:
            value = cast("Mapping[str, Any]", value)[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            known = ", ".join(value) if isinstance(value, Mapping) else f"0 to {len(value) - 1}" if isinstance(
                value, list) else "nothing"  # fmt: skip
            raise ConfigError(f"{where}: expect.quantity = {path!r}: no {part!r} in the result. Known: {known}.")
    if value is None:
        return None
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float):
        raise ConfigError(f"{where}: expect.quantity = {path!r}: is no number. Name one of its parts.")
    return float(value)


def rows_of(case: Case, result: Mapping[str, Any], kind: Kind) -> list[dict[str, Any]]:
    """One row per expectation; for a case without, one per headline quantity, with nothing to pass."""
    start = {"name": case.name, "kind": case.kind}
    if not case.expect:
        return [
            start
            | {
                "quantity": path,
                "unit": "",
                "measured": None,
                "simulated": at_path(result, path, where=case.name),
                "band": None,
                "passed": None,
                "source": case.source,
            }
            for path in kind.headline
        ]
    rows: list[dict[str, Any]] = []
    for e in case.expect:
        value = at_path(result, e.quantity, where=case.path.name)
        rows.append(
            start
            | {
                "quantity": e.quantity,
                "unit": e.unit,
                "measured": e.measured,
                "simulated": value,
                "band": [e.low, e.high],
                "passed": value is not None and e.passes(value),
                "source": e.source or case.source,
            }
        )
    return rows
