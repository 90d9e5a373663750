# SPDX-License-Identifier: Apache-2.0
"""Lines and bars of any quantity.

`lines`: `x`, `x_label`, `y_label`, `series` of `name`, `y` and, as a pair, `low` and `high`.
`bars`: `labels`, `values`, `x_label` and, as a pair, `low` and `high`.
The first series is the one that matters.
"""

from __future__ import annotations

from matplotlib.figure import FigureBase

from stope.base.errors import ConfigError
from stope.view.look import Look, axes_in
from stope.view.numbers import decimals_for, number
from stope.view.plots.kind import Data, Kind, check_band, check_keys, check_names, check_numbers, check_text

__all__ = ["BARS", "LINES"]


def _check_pair(data: Data, where: str, num: int) -> None:
    if ("low" in data) != ("high" in data):
        raise ConfigError(f"{where}: expected both of 'low' and 'high', or neither.")
    if "low" in data:
        for key in ("low", "high"):
            check_numbers(data[key], f"{where}.{key}", num=num)
        check_band(data, where)


def _check_lines(data: Data, where: str) -> None:
    check_keys(data, where, needs=("x", "x_label", "y_label", "series"))
    check_numbers(data["x"], f"{where}.x")
    for key in ("x_label", "y_label"):
        check_text(data[key], f"{where}.{key}")
    if not isinstance(data["series"], list | tuple) or not data["series"]:
        raise ConfigError(f"{where}.series: expected a list with one series or more.")
    for k, series in enumerate(data["series"]):
        at = f"{where}.series[{k}]"
        check_keys(series, at, needs=("name", "y"), allows=("low", "high"))
        check_text(series["name"], f"{at}.name")
        check_numbers(series["y"], f"{at}.y", num=len(data["x"]))
        _check_pair(series, at, len(data["x"]))


def _draw_lines(panel: FigureBase, data: Data, look: Look) -> None:
    axes = axes_in(panel.subplots(), look, grid="y")
    colours = (look.accent, look.slate, look.muted, look.slate_soft, look.accent_soft)
    for k, series in enumerate(data["series"]):
        colour = colours[k % len(colours)]
        if "low" in series:
            axes.fill_between(data["x"], series["low"], series["high"], color=colour, alpha=0.18, linewidth=0)
        axes.plot(data["x"], series["y"], color=colour, label=series["name"])
    axes.set(xlabel=data["x_label"], ylabel=data["y_label"])
    if len(data["series"]) > 1:
        panel.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=look.ink, handlelength=1.2,
                     fontsize="medium")  # fmt: skip


def _check_bars(data: Data, where: str) -> None:
    check_keys(data, where, needs=("labels", "values", "x_label"), allows=("low", "high"))
    check_names(data["labels"], f"{where}.labels")
    check_text(data["x_label"], f"{where}.x_label")
    check_numbers(data["values"], f"{where}.values", num=len(data["labels"]))
    _check_pair(data, where, len(data["labels"]))


def _draw_bars(panel: FigureBase, data: Data, look: Look) -> None:
    axes = axes_in(panel.subplots(), look, sides="b")
    rows, values = range(len(data["labels"])), data["values"]
    axes.barh(rows, values, height=0.6, color=look.accent_soft)
    lows, highs = data.get("low", values), data.get("high", values)
    if "low" in data:
        axes.hlines(rows, lows, highs, color=look.ink, linewidth=1.4)
    for row, value, low, high in zip(rows, values, lows, highs, strict=True):
        text = number(value, decimals_for(low, high, value))
        axes.annotate(text, (max(value, high), row), (5, 0), textcoords="offset points", va="center", color=look.ink)
    axes.set_yticks(rows, data["labels"], color=look.ink)
    axes.tick_params(axis="y", length=0, labelcolor=look.ink)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.set_xlabel(data["x_label"])


LINES = Kind(check=_check_lines, height=lambda _: 260.0, draw=_draw_lines)
BARS = Kind(check=_check_bars, height=lambda data: 50.0 + 26.0 * len(data["labels"]), draw=_draw_bars)
