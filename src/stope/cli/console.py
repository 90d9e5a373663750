# SPDX-License-Identifier: Apache-2.0
"""What people and programs see: tables and lines on stdout, JSON on stdout, progress on stderr."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stope.base.errors import RangeError
from stope.base.progress import Progress

__all__ = [
    "Kept",
    "interval",
    "keeper",
    "keeping",
    "line",
    "number",
    "percent",
    "progress_bars",
    "show_facts",
    "show_json",
    "show_table",
]

PIPED_WIDTH = 140
"""Width of tables when stdout is no terminal, so that a pipe keeps whole rows [characters]."""


@dataclass(slots=True)
class Kept:
    """What a command said, while somebody keeps it."""

    value: Any = None
    """Its answer as JSON."""
    says: str = ""
    """The same in a sentence."""
    lines: list[str] = field(default_factory=list[str])
    tables: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    is_muted: bool = False
    """Whether what follows is kept and not printed."""


_KEEPERS: list[Kept] = []
"""Where what is printed is kept too, the innermost last; one command line runs in a process, as there is one stdout."""


def keeper() -> Kept | None:
    """Where what is printed is kept too; None for nowhere."""
    return _KEEPERS[-1] if _KEEPERS else None


@contextmanager
def keeping() -> Generator[Kept]:
    """Keep what is printed in this block."""
    _KEEPERS.append(Kept())
    try:
        yield _KEEPERS[-1]
    finally:
        _KEEPERS.pop()


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def line(text: str) -> None:
    """Print one line for people."""
    if kept := keeper():
        kept.lines.append(text.strip())
        if kept.is_muted:
            return
    _console().print(text, markup=False, soft_wrap=True)  # a path stays whole where a pipe reads it


def show_json(value: object) -> None:
    """Print one JSON value, and nothing else, to stdout.

    Raises:
        RangeError: for a number that is not finite.
    """
    try:
        text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise RangeError(f"the answer holds a number that JSON does not ({error}). Ask with smaller numbers.") from None
    sys.stdout.write(text + "\n")


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, note: str = "") -> None:
    """Print a title, a table and a note. Columns of numbers are right-aligned; no column names, no header."""
    rows = [list(row) for row in rows]
    if kept := keeper():
        kept.tables.append({"title": title, "columns": list(columns), "rows": rows, "note": note})
        if kept.is_muted:
            return
    table = Table(box=box.SIMPLE_HEAD if columns else None, pad_edge=False, show_header=bool(columns))
    cells = [[Text(cell) for cell in row] for row in rows]  # Text: brackets are no markup
    for k in range(len(columns) or len(cells[0])):
        is_number = k > 0 and all(_is_numeric(row[k].plain) for row in cells)
        table.add_column(Text(columns[k]) if columns else "", justify="right" if is_number else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    console = _console()
    console.print(Text(f"\n{title}", style="bold"))
    console.print(table)
    if note:
        console.print(Text(note))


def show_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Print names and values, one a line."""
    show_table(title, (), [(f"  {name}", number(value)) for name, value in facts.items()])


def _is_numeric(cell: str) -> bool:
    return re.fullmatch(r"[-+]?([\d.,e+\-%() ]|to)*", cell) is not None


def number(value: object, digits: int = 4) -> str:
    """A value as a table shows it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, list | tuple):
        return ", ".join(number(v, digits) for v in cast("Sequence[object]", value))
    return str(value)


def percent(rate: Mapping[str, Any]) -> str:
    """A rate with its interval: "99.3 % (98.6 to 99.8)"; n is in the table's title."""
    return f"{100 * rate['success']:.1f} % ({100 * rate['low']:.1f} to {100 * rate['high']:.1f})"


def interval(row: Mapping[str, Any] | None, scale: float = 1.0, digits: int = 3) -> str:
    """A mean with its interval: "-1.2 (-1.4 to -1.0)"."""
    if row is None:
        return "-"
    mean, low, high = (f"{scale * row[k]:.{digits}g}" for k in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


@contextmanager
def progress_bars() -> Generator[Progress]:
    """Bars on stderr where it is a terminal; else one line for each stage that ended."""
    err = Console(stderr=True)
    if not err.is_terminal:
        yield _lines(err)
        return
    from rich.progress import (  # noqa: PLC0415 -- only when a bar is drawn
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415 -- as above

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    with Bars(*columns, console=err) as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=min(1.0, share))

        yield show


def _lines(err: Console) -> Progress:
    started: dict[str, float] = {}
    ended: set[str] = set()

    def show(stage: str, share: float) -> None:
        started.setdefault(stage, time.monotonic())
        if share >= 1.0 and stage not in ended:
            ended.add(stage)
            err.print(f"{stage}: done in {time.monotonic() - started[stage]:.0f} s", markup=False, highlight=False)

    return show
