# SPDX-License-Identifier: Apache-2.0
"""One picture that tells a mission: the body, the ground and the legs, the learning, the flight, the month.

It is drawn from a report, so from `report.json` alone:

    python -m stope.view.picture runs/ryugu-ferry/report.json docs/assets/mission.png
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import FigureBase, SubFigure

from stope.base.errors import ConfigError, FileError, StopeError
from stope.base.files import write_atomic
from stope.view.layout import check_report
from stope.view.look import NIGHT, Look, axes_in, draw_figure, png
from stope.view.numbers import figure_interval, figure_value
from stope.view.plots import KINDS
from stope.view.plots.body import draw_body
from stope.view.plots.ground import draw_map
from stope.view.report import read_report

__all__ = ["readme_picture"]

WIDTH, HEIGHT = 1280.0, 560.0
"""Of the drawing [px]; the picture has a quarter more pixels each way, 1600 x 700."""
SCALE = 1600.0 / WIDTH
NUM_FIGURES = 3
"""Key figures that are shown, from the first."""
SMALL = (("learning-curve", "learns to dock"), ("before-after", "one flight log later"), ("daily", "a month of work"))
"""Plots on the right, from above, and what each is called there."""


def readme_picture(report: Mapping[str, Any], path: Path) -> None:
    """Draw the picture of a mission, 1600 x 700 pixels, dark on any page.

    Args:
        report: In the layout of `stope.view.report`, with plots of body, site-map, learning-curve, before-after and
            daily.
        path: File to write, atomically; ends in .png.

    Raises:
        ConfigError: if the report lacks something, or one of the plots.
        FileError: for a file of another kind.
    """
    check_report(report)
    if Path(path).suffix != ".png":
        raise FileError(f"{path}: expected a name that ends in .png.")
    names = ("body", "site-map", *(name for name, _ in SMALL))
    data = {name: _plot(report, name) for name in names}
    figure = draw_figure(lambda panel, look: _draw(panel, look, report, data), HEIGHT, NIGHT, width=WIDTH)
    write_atomic(path, png(figure, dpi=72.0 * SCALE, ground=NIGHT.ground))


def _plot(report: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    for section in report["sections"]:
        for plot in section.get("plots", []):
            if plot["kind"] == kind:
                return plot
    raise ConfigError(f"the picture needs a plot of kind {kind!r}: the report {report['title']!r} has none.")


def _draw(panel: FigureBase, look: Look, report: Mapping[str, Any], data: Mapping[str, Mapping[str, Any]]) -> None:
    panel.get_layout_engine().set(w_pad=9 / 72, h_pad=7 / 72)  # type: ignore[union-attr]
    places, right = _parts(panel, 1, 2, width_ratios=(2.05, 0.95))
    pictures, words = _parts(places, 2, 1, height_ratios=(1.0, 0.2))
    left, middle = _parts(pictures, 1, 2)
    _figures(words, report["figures"][:NUM_FIGURES], look)
    body = left.subplots()
    draw_body(body, data["body"]["data"], look)
    _title(body, data["body"]["title"].capitalize(), look)
    ground = axes_in(middle.subplots(), look, sides="")
    draw_map(ground, data["site-map"]["data"])
    ground.set(xticks=[], yticks=[])
    _title(ground, "real ground, flown legs" if data["site-map"]["data"].get("legs") else "real ground", look)
    parts = _parts(right, 3, 1, height_ratios=(1.0, 1.15, 0.95))
    for part, (kind, title) in zip(parts, SMALL, strict=True):
        KINDS[kind].draw(part, data[kind]["data"], look)
        part.suptitle(title, color=look.ink, fontsize=14.5, weight="bold", x=0.02, ha="left")


def _parts(panel: FigureBase, num_rows: int, num_columns: int, **ratios: tuple[float, ...]) -> list[SubFigure]:
    """Parts of a figure without a ground of their own."""
    parts = list(np.ravel(np.asarray(panel.subfigures(num_rows, num_columns, **ratios))))  # type: ignore[arg-type]
    for part in parts:
        part.patch.set_alpha(0.0)
    return parts


def _figures(panel: FigureBase, figures: Sequence[Mapping[str, Any]], look: Look) -> None:
    """Key figures side by side, as on the page."""
    for k, figure in enumerate(figures):
        x = 0.02 + k / NUM_FIGURES
        panel.text(x, 0.92, figure["name"], color=look.muted, fontsize=12.5, va="top")
        panel.text(x, 0.70, figure_value(figure), color=look.ink if k else look.accent, fontsize=25.0, weight="bold",
                   va="top")  # fmt: skip
        interval = figure_interval(figure)
        panel.text(x, 0.32, f"({interval})" if interval else "", color=look.muted, fontsize=12.0, va="top")


def _title(axes: Any, text: str, look: Look) -> None:
    axes.set_title(text, loc="left", color=look.ink, fontsize=14.5, weight="bold")


def main(arguments: list[str]) -> int:
    """Draw from the command line: a report.json and a .png; returns the exit code."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m stope.view.picture REPORT.json PICTURE.png\n")
        return 2
    try:
        readme_picture(read_report(Path(arguments[0])), Path(arguments[1]))
    except StopeError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
