# SPDX-License-Identifier: Apache-2.0
"""What each activity takes with each payload: success, time and propellant of every cell of the skill bank.

`bank`: `rows`, as `stope.fleet.measure.bank_table` gives them.
"""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, MaxNLocator

from stope.base.errors import ConfigError
from stope.view.look import Look, axes_in
from stope.view.numbers import THIN
from stope.view.plots.kind import Data, Kind, check_band, check_keys, check_numbers, check_text, is_number

__all__ = ["BANK"]

RANGES = ("duration_s", "energy_j", "propellant_kg", "final_error_m")
CELL = 9.0
"""Height that one cell of payload takes [px]."""
GAP = 13.0
"""Between two activities [px]."""


def _check(data: Data, where: str) -> None:
    check_keys(data, where, needs=("rows",))
    if not isinstance(data["rows"], list | tuple) or not data["rows"]:
        raise ConfigError(f"{where}.rows: expected a list with one row or more.")
    for k, row in enumerate(data["rows"]):
        at = f"{where}.rows[{k}]"
        check_keys(row, at, needs=("activity", "cell", "payload_kg", "success", "n", "low", "high", *RANGES))
        check_text(row["activity"], f"{at}.activity")
        check_numbers(row["payload_kg"], f"{at}.payload_kg", num=2)
        for key in ("cell", "success", "n", "low", "high"):
            if not is_number(row[key]):
                raise ConfigError(f"{at}.{key} = {row[key]!r}: expected a finite number.")
        if not 0.0 <= row["low"] <= row["success"] <= row["high"] <= 1.0:
            raise ConfigError(f"{at}: expected 0 <= low <= success <= high <= 1.")
        for key in RANGES:
            check_keys(row[key], f"{at}.{key}", needs=("median", "p05", "p95"))
            check_numbers(list(row[key].values()), f"{at}.{key}")
            check_band(row[key], f"{at}.{key}", low="p05", high="p95")


def _height(data: Data) -> float:
    rows = data["rows"]
    return 86.0 + CELL * len(rows) + GAP * len({row["activity"] for row in rows})


def _draw(panel: FigureBase, data: Data, look: Look) -> None:
    rows = sorted(data["rows"], key=lambda row: (row["activity"], row["cell"]))
    places, ticks = _places(rows)
    left, middle, right = panel.subplots(1, 3, sharey=True, width_ratios=(0.8, 1.0, 1.0))
    shades = _shades(max(int(row["cell"]) for row in rows), look)
    worst = min(row["low"] for row in rows)
    for axes, title in ((left, "success"), (middle, "time [s]"), (right, "propellant [g]")):
        axes_in(axes, look, sides="b", grid="x")
        axes.set_title(title, loc="left", color=look.ink)
        axes.tick_params(axis="y", length=0, labelcolor=look.ink)
        axes.xaxis.set_major_locator(MaxNLocator(3))
    for row, y in zip(rows, places, strict=True):
        colour = shades[int(row["cell"])]
        _mark(left, y, (row["low"], row["success"], row["high"]), colour)
        for axes, key, scale in ((middle, "duration_s", 1.0), (right, "propellant_kg", 1e3)):
            _mark(axes, y, tuple(scale * row[key][q] for q in ("p05", "median", "p95")), colour)
    left.set_xlim(min(worst, 0.9) - 0.01, 1.005)
    left.set_xticks([math.ceil(20.0 * min(worst, 0.9)) / 20.0, 1.0])
    left.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.0f}{THIN}%"))
    left.set(ylim=(max(places) + CELL, min(places) - CELL))
    left.set_yticks(list(ticks.values()), list(ticks))
    for axes in (middle, right):
        axes.set_xlim(left=-0.08 * axes.get_xlim()[1])
    _key(panel, rows, shades, look)


def _places(rows: list[dict[str, Any]]) -> tuple[list[float], dict[str, float]]:
    """Height of each row, and of the name of each activity."""
    y, places, by_activity = 0.0, [], {}
    for k, row in enumerate(rows):
        if k and row["activity"] != rows[k - 1]["activity"]:
            y += GAP
        places.append(y)
        by_activity.setdefault(row["activity"], []).append(y)
        y += CELL
    return places, {name: sum(ys) / len(ys) for name, ys in by_activity.items()}


def _mark(axes: Axes, y: float, values: tuple[float, ...], colour: str) -> None:
    low, middle, high = values
    axes.hlines(y, low, high, color=colour, linewidth=1.6)
    axes.plot(middle, y, color=colour, marker="o", markersize=4.5)


def _shades(num: int, look: Look) -> list[str]:
    """One for the empty robot, one for each half of the payloads: only colours of the look, so that pages recolour."""
    return [look.slate, *(look.accent_soft if 2 * k < num else look.accent for k in range(num))]


def _key(panel: FigureBase, rows: list[dict[str, Any]], shades: list[str], look: Look) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415 -- one use

    spans: dict[str, list[float]] = {}
    for row in rows:
        span = spans.setdefault(shades[int(row["cell"])], [float("inf"), 0.0])
        span[0], span[1] = min(span[0], row["payload_kg"][0]), max(span[1], row["payload_kg"][1])
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=4.5, linestyle="",
               label="empty" if high == 0.0 or colour == look.slate else f"{low:g} to {high:g} kg")
        for colour, (low, high) in sorted(spans.items(), key=lambda item: shades.index(item[0]))
    ]  # fmt: skip
    panel.legend(handles=handles, loc="outside upper left", ncols=4, frameon=False, labelcolor=look.ink,
                 handletextpad=0.2, columnspacing=1.2)  # fmt: skip


BANK = Kind(check=_check, height=_height, draw=_draw)
