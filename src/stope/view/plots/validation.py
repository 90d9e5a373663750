# SPDX-License-Identifier: Apache-2.0
"""Validation: every compared value against its band, one line each, bands drawn to one width.

Data: the rows of `stope.world.validation`. A value at the left or right edge of its strip lies at the lower or upper
end of its band; a band with one end is drawn open, from a measured value or zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import FigureBase

from stope.base.errors import ConfigError, FileError
from stope.base.files import write_atomic
from stope.view.look import PAPER, Look, axes_in, draw_figure, png, svg

__all__ = ["draw_validation"]

ROW = 17.0
"""Height of a line [px]."""
WIDTH = 900.0
BEYOND = 1.6
"""How far out of its band a value is drawn at most, in half widths of the band; farther ones sit there."""
LONGEST = 62


def draw_validation(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw rows to a `.png` or `.svg` file.

    Raises:
        ConfigError: if none of the rows has a band and a value.
        FileError: for a file of another kind.
    """
    if path.suffix not in {".png", ".svg"}:
        raise FileError(f"{path}: expected a name that ends in .png or .svg.")
    judged = [row for row in rows if row["band"] is not None and row["simulated"] is not None]
    if not judged:
        raise ConfigError("nothing to draw: no row has a band and a value. Add an [[expect]] to the case.")
    figure = draw_figure(lambda panel, look: _draw(panel, judged, look), 70.0 + ROW * len(judged), PAPER, width=WIDTH)
    if path.suffix == ".svg":
        figure.patch.set(facecolor=PAPER.ground, alpha=1.0)
        write_atomic(path, svg(figure))
    else:
        write_atomic(path, png(figure, ground=PAPER.ground))


def _place(row: Mapping[str, Any]) -> float:
    """Where a value lies: -1 at the lower end of its band, 1 at the upper."""
    low, high = row["band"]
    value, measured = float(row["simulated"]), row["measured"]
    known = [float(x) for x in (measured, 0.0) if x is not None]
    if low is None:
        low = min([*known, high - abs(high)])
    if high is None:
        high = max([*known, low + abs(low)])
    half = 0.5 * (high - low)
    if half <= 0.0:
        return 0.0 if value == low else BEYOND if value > low else -BEYOND
    return min(max((value - 0.5 * (low + high)) / half, -BEYOND), BEYOND)


def _draw(panel: FigureBase, rows: Sequence[Mapping[str, Any]], look: Look) -> None:
    axes = axes_in(panel.subplots(), look, sides="b")
    lines = range(len(rows))
    names = [f"{row['name']}: {row['quantity']}" for row in rows]
    for k, row in enumerate(rows):
        low, high = row["band"]
        left, right = (-1.0 if low is not None else -BEYOND), (1.0 if high is not None else BEYOND)
        axes.barh(k, right - left, left=left, height=0.62, color=look.grey_soft)
        # A control is there to miss its band.
        colour = look.slate if row["passed"] else look.accent
        marker = "D" if row.get("must_fail") else "o"
        axes.plot([_place(row)], [k], marker, color=colour, markersize=5.0 if marker == "D" else 5.5, clip_on=False)
    axes.set_yticks(lines, [n if len(n) <= LONGEST else f"{n[: LONGEST - 1]}…" for n in names], fontsize=9.5)
    axes.tick_params(axis="y", length=0, labelcolor=look.ink)
    axes.set_xticks([-1.0, 0.0, 1.0], ["lower end", "middle", "upper end"])
    axes.set(xlim=(-1.1 * BEYOND, 1.1 * BEYOND), ylim=(len(rows) - 0.4, -0.6))
    axes.set_xlabel("place in the band that passes; blue: inside,\nred: outside, diamond: a control that must miss")
