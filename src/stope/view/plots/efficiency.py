# SPDX-License-Identifier: Apache-2.0
"""Parallel efficiency against the number of devices: where each system stops helping a job.

Data: what `stope cluster plan --json` gives, one for each line. The line is the middle, the band of the first plan the
80 % interval; a dot is where twice the devices are no longer worth it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import FigureBase

from stope.base.errors import ConfigError, FileError
from stope.base.files import write_atomic
from stope.view.look import PAPER, Look, axes_in, draw_figure, png, svg

__all__ = ["draw_efficiency"]

HEIGHT = 400.0
"""Of the picture [px]."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
"""Lines take a colour and then a dash, so that nine are told apart."""
MOST = 9


def draw_efficiency(plans: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw plans of one job to a `.png` or `.svg` file.

    Raises:
        ConfigError: nothing to draw, or more lines than can be told apart.
        FileError: for a file of another kind, or in a folder that is not there.
    """
    if path.suffix not in {".png", ".svg"}:
        raise FileError(f"{path}: expected a name that ends in .png or .svg.")
    if not path.parent.is_dir():
        raise FileError(f"{path.parent}: no such folder. Make it first.")
    if not 1 <= len(plans) <= MOST:
        raise ConfigError(f"{len(plans)} systems to draw: expected 1 to {MOST}. Name some with --on.")
    figure = draw_figure(lambda panel, look: _draw(panel, plans, look), HEIGHT, PAPER, width=760.0)
    if path.suffix == ".svg":
        figure.patch.set(facecolor=PAPER.ground, alpha=1.0)
        write_atomic(path, svg(figure))
    else:
        write_atomic(path, png(figure, ground=PAPER.ground))


def _draw(panel: FigureBase, plans: Sequence[Mapping[str, Any]], look: Look) -> None:
    axes = axes_in(panel.subplots(), look, grid="y")
    colours = (look.accent, look.slate, look.muted)
    for k, plan in enumerate(plans):
        rows = plan["rows"]
        counts = [row["count"] for row in rows]
        colour = colours[k % len(colours)]
        if k == 0:
            low, high = ([100.0 * row["efficiency"][end] for row in rows] for end in ("low", "high"))
            axes.fill_between(counts, low, high, color=look.accent_pale, alpha=0.6, linewidth=0.0)
        axes.plot(counts, [100.0 * row["efficiency"]["mean"] for row in rows], color=colour,
                  linestyle=DASHES[k // len(colours)], label=plan["system"])  # fmt: skip
        stop = plan["stops"]["time"]["count"]
        nearest = min(rows, key=lambda row: abs(row["count"] - stop))
        axes.plot([nearest["count"]], [100.0 * nearest["efficiency"]["mean"]], "o", color=colour, markersize=6.0)
    axes.axhline(50.0, color=look.grey, linewidth=1.0)
    axes.set_xscale("log")
    most = max(row["efficiency"]["mean"] for plan in plans for row in plan["rows"])
    axes.set_ylim(0.0, 105.0 * max(1.0, most))
    axes.set_xlabel("devices")
    axes.set_ylabel("parallel efficiency [%]")
    axes.set_title(f"{plans[0]['job']}: dot: twice the devices are no longer 1.25 times faster", loc="left",
                   color=look.ink)  # fmt: skip
    axes.legend(frameon=False, labelcolor=look.ink, fontsize=11.0)
