# SPDX-License-Identifier: Apache-2.0
"""Gravity gap: success of each training at each test, as a heat map.

Data: what `stope gap` finds of one skill. A row is where a policy was trained, a column where it was tested; the last
row does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import FigureBase

from stope.base.errors import ConfigError, FileError
from stope.base.files import write_atomic
from stope.view.look import PAPER, Look, axes_in, draw_figure, png, svg

__all__ = ["draw_gap"]

CELL = 62.0
"""Height of a cell [px]."""
DARK = 0.6
"""Success above which a cell's text is light [1]."""


def draw_gap(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw one heat map for each skill, one under the other, to a `.png` or `.svg` file.

    Raises:
        ConfigError: nothing to draw.
        FileError: for a file of another kind.
    """
    if path.suffix not in {".png", ".svg"}:
        raise FileError(f"{path}: expected a name that ends in .png or .svg.")
    if not found:
        raise ConfigError("nothing to draw: no skill has a gap.")
    height = sum(CELL * (len(one["trained"]) + 1) + 90.0 for one in found)
    figure = draw_figure(lambda panel, look: _draw(panel, found, look), height, PAPER, width=720.0)
    if path.suffix == ".svg":
        figure.patch.set(facecolor=PAPER.ground, alpha=1.0)
        write_atomic(path, svg(figure))
    else:
        write_atomic(path, png(figure, ground=PAPER.ground))


def _draw(panel: FigureBase, found: Sequence[Mapping[str, Any]], look: Look) -> None:
    shade = LinearSegmentedColormap.from_list("success", [look.ground, look.slate])
    parts = panel.subplots(len(found), 1, squeeze=False, height_ratios=[len(one["trained"]) + 2 for one in found])
    for axes, one in zip(parts[:, 0], found, strict=True):
        rows = [*one["trained"], "nothing"]
        cells = [[one["nothing"][there] if who == "nothing" else one["cells"][who][there] for there in one["tested"]]
                 for who in rows]  # fmt: skip
        axes_in(axes, look, sides="")
        axes.imshow([[c["success"] for c in row] for row in cells], cmap=shade, vmin=0.0, vmax=1.0, aspect="auto")
        for j, row in enumerate(cells):
            for k, cell in enumerate(row):
                axes.text(k, j, _text(cell), ha="center", va="center", fontsize=10.0,
                          color=look.ground if cell["success"] > DARK else look.ink)  # fmt: skip
        axes.set_xticks(range(len(one["tested"])), [f"tested: {name}" for name in one["tested"]])
        axes.set_yticks(range(len(rows)), [w if w == "nothing" else f"trained: {w}" for w in rows])
        axes.tick_params(length=0, labelcolor=look.ink)
        axes.set_title(f"{one['skill']}: success, and gap to the specialist", loc="left", fontsize=11.0, color=look.ink)


def _text(cell: Mapping[str, Any]) -> str:
    """Success, and the gap under it."""
    text = f"{100 * cell['success']:.1f} %"
    if "gap" not in cell:
        return text
    if cell["gap"] is None:
        return f"{text}\n{cell['why']}"
    value, low, high = (round(cell["gap"][key], 2) + 0.0 for key in ("value", "low", "high"))  # no minus before a zero
    return f"{text}\ngap {value:.2f} ({low:.2f} to {high:.2f})"
