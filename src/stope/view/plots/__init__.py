# SPDX-License-Identifier: Apache-2.0
"""Plots of a report: a table of kinds, each drawn from plain data, as SVG for a page or as a file.

A plot is `{"kind", "title", "caption", "data"}`; the module of each kind says what its data holds.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stope.base.errors import ConfigError, FileError
from stope.base.files import write_atomic
from stope.view.look import PAPER, draw_figure, page_svg, png, svg
from stope.view.plots.bank import BANK
from stope.view.plots.belief import BELIEF
from stope.view.plots.body import BODY
from stope.view.plots.docking import BEFORE_AFTER
from stope.view.plots.generic import BARS, LINES
from stope.view.plots.ground import SITE_MAP
from stope.view.plots.kind import Kind, check_keys, check_text
from stope.view.plots.learning import LEARNING_CURVE
from stope.view.plots.month import DAILY, STATES

__all__ = ["KINDS", "check_plot", "plot_svg", "save_plot"]

KINDS: Mapping[str, Kind] = {
    "bank": BANK,
    "bars": BARS,
    "before-after": BEFORE_AFTER,
    "belief": BELIEF,
    "body": BODY,
    "daily": DAILY,
    "learning-curve": LEARNING_CURVE,
    "lines": LINES,
    "site-map": SITE_MAP,
    "states": STATES,
}
"""By the name in a plot's `kind`."""


def check_plot(plot: Any, where: str = "plot") -> None:
    """Refuse a plot that cannot be drawn.

    Raises:
        ConfigError: naming the place, what was found and what was expected.
    """
    check_keys(plot, where, needs=("kind", "title", "caption", "data"))
    if plot["kind"] not in KINDS:
        raise ConfigError(f"{where}.kind = {plot['kind']!r}: expected one of {', '.join(KINDS)}.")
    check_text(plot["title"], f"{where}.title")
    check_text(plot["caption"], f"{where}.caption", may_be_empty=True)
    KINDS[plot["kind"]].check(plot["data"], f"{where}.data")


def plot_svg(plot: Mapping[str, Any], *, key: str) -> str:
    """A checked plot as an SVG element of a page; `key` is unique on the page."""
    label = html.escape(f"{plot['title']}. {plot['caption']}".strip(), quote=True)
    return page_svg(svg(_figure(plot)), key=key, label=label)


def save_plot(plot: Mapping[str, Any], path: Path) -> None:
    """Draw a plot to a `.svg` or `.png` file, on paper.

    Raises:
        ConfigError: if the plot cannot be drawn.
        FileError: for a file of another kind.
    """
    check_plot(plot)
    path = Path(path)
    if path.suffix not in {".png", ".svg"}:
        raise FileError(f"{path}: expected a name that ends in .png or .svg.")
    figure = _figure(plot)
    if path.suffix == ".svg":
        figure.patch.set(facecolor=PAPER.ground, alpha=1.0)
        write_atomic(path, svg(figure))
    else:
        write_atomic(path, png(figure, ground=PAPER.ground))


def _figure(plot: Mapping[str, Any]) -> Any:
    kind, data = KINDS[plot["kind"]], plot["data"]
    return draw_figure(lambda panel, look: kind.draw(panel, data, look), kind.height(data), PAPER)
