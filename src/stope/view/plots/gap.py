# SPDX-License-Identifier: Apache-2.0
"""Gravity gap: success of each training at each test, or error of each model, as a heat map.

Data: what `stope gap` finds of one skill. A row is where a policy was trained (or who flew, or where a model was
fitted), a column where it was tested; the last row does nothing.
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
    height = sum(CELL * (len(one["trained"]) + 1) + 105.0 for one in found)
    figure = draw_figure(lambda panel, look: _draw(panel, found, look), height, PAPER, width=720.0)
    if path.suffix == ".svg":
        figure.patch.set(facecolor=PAPER.ground, alpha=1.0)
        write_atomic(path, svg(figure))
    else:
        write_atomic(path, png(figure, ground=PAPER.ground))


def _rows(one: Mapping[str, Any]) -> tuple[list[str], list[list[Mapping[str, Any]]], str]:
    """Names of the rows, their cells, and the title of one skill's map."""
    tested = one["tested"]
    before, last, title = "trained: ", "nothing", "success, and gap to the specialist"
    if "constant" in one:
        before, last, title = "fitted: ", "constant velocity", f"position error after {one['horizon_s']:g} s, and gap"
    elif "is_shipped" in one:
        before, title = "", "success of what is shipped, and gap to the script"
    cells = [[one["cells"][who][there] for there in tested] for who in one["trained"]]
    end = one["constant"] if "constant" in one else one["nothing"]
    return [*(before + who for who in one["trained"]), last], [*cells, [end[there] for there in tested]], title


def _draw(panel: FigureBase, found: Sequence[Mapping[str, Any]], look: Look) -> None:
    shade = LinearSegmentedColormap.from_list("success", [look.ground, look.slate])
    parts = panel.subplots(len(found), 1, squeeze=False, height_ratios=[len(one["trained"]) + 2 for one in found])
    for axes, one in zip(parts[:, 0], found, strict=True):
        names, cells, title = _rows(one)
        axes_in(axes, look, sides="")
        axes.imshow([[_good(c) for c in row] for row in cells], cmap=shade, vmin=0.0, vmax=1.0, aspect="auto")
        for j, row in enumerate(cells):
            for k, cell in enumerate(row):
                axes.text(k, j, _text(cell), ha="center", va="center", fontsize=10.0 if len(row) < 5 else 8.0,
                          color=look.ground if _good(cell) > DARK else look.ink)  # fmt: skip
        axes.set_xticks(range(len(one["tested"])), [f"tested:\n{name}" for name in one["tested"]])
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0, labelcolor=look.ink)
        axes.set_title(f"{one['skill']}: {title}", loc="left", fontsize=11.0, color=look.ink)


def _good(cell: Mapping[str, Any]) -> float:
    """How dark a cell is: success, or what of a model's gap is closed, from 0 to 1."""
    return cell["success"] if "success" in cell else min(1.0, max(0.0, 1.0 - cell["gap"]["value"]))


def _text(cell: Mapping[str, Any]) -> str:
    """Success or error, and the gap under it."""
    text = f"{100 * cell['success']:.1f} %" if "success" in cell else f"{1000 * cell['error_m']:.0f} mm"
    if "gap" not in cell:
        return text
    if cell["gap"] is None:
        return f"{text}\n{cell['why']}"
    value, low, high = (round(cell["gap"][key], 2) + 0.0 for key in ("value", "low", "high"))  # no minus before a zero
    return f"{text}\ngap {value:.2f} ({low:.2f} to {high:.2f})"
