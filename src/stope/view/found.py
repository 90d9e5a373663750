# SPDX-License-Identifier: Apache-2.0
"""A report of what one command found, made from what it prints: its JSON, its tables and its lines.

No command describes its figures a second time. Whatever in the JSON carries an interval is a figure of the report:
`success` with `n`, `low` and `high` is a rate; `mean`, `value`, `median` and their like beside `low` and `high`, or
`NAME` beside `NAME_low` and `NAME_high`, is a quantity, whose unit ends its name as everywhere in stope (`time_s`).
Numbers without an interval stand in the table of all that the JSON holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stope.view.plots.kind import is_number

__all__ = ["Shown", "figures_of", "leaves_of", "report_of"]

MIDDLES = ("mean", "value", "median", "closed", "error_m", "t")
"""Names under which a quantity stands beside its `low` and `high`."""
UNITS = {
    "s": "s", "m": "m", "mm": "mm", "kg": "kg", "j": "J", "h": "h", "deg": "deg", "t": "t", "usd": "USD", "mwh": "MWh",
    "days": "d", "mps2": "m/s2", "mps": "m/s", "n": "N", "nats": "nat", "bits": "bit", "nm": "nm",
}  # fmt: skip
"""By the last word of a name."""
NAMING = ("name", "system", "skill", "count", "workers", "job", "arm")
"""What a row of a list is called by, the first that it has."""
MOST_KEY = 3
MOST_BARS = 20
MOST_ROWS = 1500
LONG = 8
"""Numbers of a list above which the table gives its ends alone."""


@dataclass(slots=True)
class Shown:
    """What a command printed for people."""

    lines: list[str] = field(default_factory=list[str])
    tables: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Each of title, columns, rows, note."""


def report_of(
    value: Any, shown: Shown, *, says: str, command: str, basis: str, level: float,
    options: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any], notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """The report, in the layout of `stope.view.report`.

    Args:
        value: What the command prints with --json.
        shown: What it prints without.
        says: The answer in a sentence.
        command: As it was typed.
        basis: Of its figures, one of `stope.view.layout.BASES`.
        level: Of its intervals, where its JSON does not say [1].
        options: Settings of the command: name, value, unit, source.
        provenance: Seed, versions.
        notes: What holds for every figure.
    """
    figures = figures_of(value, how=f"`{command}`", basis=basis, level=level)
    rows = leaves_of(value)
    more = [f"{len(rows) - MOST_ROWS} more stand in the JSON."] if len(rows) > MOST_ROWS else []
    sections: list[dict[str, Any]] = []
    if shown.lines or notes:
        sections.append({"title": "In words", "text": "\n\n".join([*shown.lines, *notes])})
    for table in shown.tables:
        columns = [c.strip() or "what" for c in table["columns"]] or ["what", "found"]
        rows_of = [[str(cell).strip() for cell in row] for row in table["rows"]]
        sections.append(
            {"title": table["title"], "text": table["note"], "table": {"columns": columns, "rows": rows_of}}
        )
    if figures:
        sections.append({"title": "Figures with intervals", "text": "", "figures": figures, "plots": _bars(figures)})
    sections.append({"title": "All that the JSON holds", "text": " ".join(more),
                     "table": {"columns": ["name", "value"], "rows": rows[:MOST_ROWS]}})  # fmt: skip
    title = command.split(" --", maxsplit=1)[0]
    key = sorted(figures, key=lambda figure: figure["kind"] != "rate")[:MOST_KEY]
    return {"title": title, "answer": says, "figures": key, "sections": sections,
            "assumptions": list(options), "provenance": {"command": command, **provenance}}  # fmt: skip


def figures_of(value: Any, *, how: str, basis: str, level: float) -> list[dict[str, Any]]:
    """Everything in a command's JSON that carries an interval, as figures of a report."""
    out: list[dict[str, Any]] = []
    for path, table in _tables(value, ()):
        given = {"how": how, "basis": basis, "level": table.get("level", level)}
        if not is_number(given["level"]):
            given["level"] = level
        for key, low, high, middle in _intervals(table):
            name = " / ".join([*path, *([key] if key else [])]) or middle
            row = {"name": _worded(name), "value": table[middle], "low": table[low], "high": table[high], **given}
            n = table.get("n")
            if middle == "success" and is_number(n) and 0.0 <= row["low"] <= row["value"] <= row["high"] <= 1.0:
                out.append(row | {"kind": "rate", "unit": "1", "n": n})
            else:
                last = (key or (path[-1] if path else middle)) if middle in MIDDLES[:4] else middle
                whole = {"n": n} if n is not None and is_number(n) and n >= 1 and n == int(n) else {}
                kind = {"mean": "mean", "median": "median"}.get(middle, "count") if whole else "count"
                unit = _unit(last)
                out.append(row | {"name": _bare(row["name"], unit), "kind": kind, "unit": unit} | whole)
    begin = len(_common([figure["name"] for figure in out]))
    return [figure | {"name": figure["name"][begin:]} for figure in out]


def leaves_of(value: Any) -> list[list[Any]]:
    """Name and value of each leaf of a command's JSON; of a long list of numbers its length and its ends."""
    return [[_worded(" / ".join(path)) or "value", _text(leaf)] for path, leaf in _leaves(value, ())]


def _intervals(table: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Name, and the keys of low, high and middle, of each quantity of a table that carries an interval."""

    def holds(*keys: str) -> bool:
        return all(is_number(table.get(key)) for key in keys) and table[keys[0]] <= table[keys[1]]

    if holds("low", "high"):
        middle = next((key for key in ("success", *MIDDLES) if is_number(table.get(key))), None)
        if middle is not None:
            yield "", "low", "high", middle
    for key in table:
        if is_number(table[key]) and holds(f"{key}_low", f"{key}_high"):
            yield key, f"{key}_low", f"{key}_high", key


def _tables(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield path, value
    for name, inner in _inner(value):
        yield from _tables(inner, (*path, name))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, list | tuple) and not any(isinstance(v, Mapping | list | tuple) for v in value):
        yield path, value
    elif isinstance(value, Mapping | list | tuple):
        for name, inner in _inner(value):
            yield from _leaves(inner, (*path, name))
    else:
        yield path, value


def _inner(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, list | tuple):
        for k, inner in enumerate(value):
            found = next((n for n in NAMING if n in inner), None) if isinstance(inner, Mapping) else None
            key = k if found is None else f"{found} {inner[found]}" if is_number(inner[found]) else inner[found]
            yield str(key), inner


def _text(leaf: Any) -> str:
    if isinstance(leaf, list | tuple):
        if len(leaf) > LONG and all(is_number(v) for v in leaf):
            return f"{len(leaf)} numbers, {min(leaf):.6g} to {max(leaf):.6g}"
        return ", ".join(_text(v) for v in leaf)
    if leaf is None:
        return "none"
    if isinstance(leaf, bool):
        return "yes" if leaf else "no"
    return f"{leaf:.6g}" if isinstance(leaf, float) else str(leaf)


def _worded(name: str) -> str:
    return name.replace("_", " ")


def _bare(name: str, unit: str) -> str:
    """A name without the unit that it ends in, which stands beside its value; one that is nothing else stays."""
    head, _, last = name.rpartition(" ")
    return head if unit != "1" and UNITS.get(last) == unit and head and head[-1] != "/" else name


def _unit(name: str) -> str:
    return UNITS.get(name.rsplit("_", 1)[-1], "1")


def _bars(figures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The largest group of figures that compare, side by side."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for figure in figures:
        last = "" if figure["kind"] == "rate" else figure["name"].rsplit(" / ", 1)[-1]  # rates compare among each other
        groups.setdefault((figure["kind"], figure["unit"], last), []).append(figure)
    most = max(groups, key=lambda key: len(groups[key]))
    kind, unit, name = most
    chosen = groups[most][:MOST_BARS]
    if len(chosen) < 2:
        return []
    scale, label = (100.0, "%") if kind == "rate" else (1.0, "" if unit == "1" else unit)
    begin = _common([figure["name"] for figure in chosen])
    labels = [figure["name"][len(begin) :].removesuffix(f" / {name}") for figure in chosen]
    data: dict[str, Any] = {"labels": labels, "x_label": " ".join([name, label]).strip() or "value"}
    data |= {key: [scale * figure[name] for figure in chosen]
             for key, name in (("values", "value"), ("low", "low"), ("high", "high"))}  # fmt: skip
    first = f"The first {len(chosen)} of {len(groups[most])}. " if len(groups[most]) > len(chosen) else ""
    return [{"kind": "bars", "title": begin.removesuffix(" / ") or name or "Success",
             "caption": f"{first}Lines are the intervals of the table below.", "data": data}]  # fmt: skip


def _common(names: Sequence[str]) -> str:
    """The parts of a path that all names begin with."""
    parts = [name.split(" / ")[:-1] for name in names]
    same: list[str] = []
    for column in zip(*parts, strict=False):
        if len(set(column)) > 1:
            break
        same.append(column[0])
    return "".join(f"{part} / " for part in same)
