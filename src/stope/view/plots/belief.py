# SPDX-License-Identifier: Apache-2.0
"""What is known of each parameter before and after a flight, as intervals; the truth has no place here.

`belief`: `parameters`, a list of `name`, `unit`, `median`, `low`, `high`, `prior_low`, `prior_high`. Each row is scaled
to its own interval before the flight, so that all of them can be read in one picture.
"""

from __future__ import annotations

from matplotlib.figure import FigureBase

from stope.base.errors import ConfigError
from stope.view.look import Look, axes_in
from stope.view.numbers import THIN, number
from stope.view.plots.kind import Data, Kind, check_band, check_keys, check_text, is_number

__all__ = ["BELIEF"]

NUMBERS = ("median", "low", "high", "prior_low", "prior_high")
ROW = 17.0
"""Height of a row [px]."""


def _check(data: Data, where: str) -> None:
    check_keys(data, where, needs=("parameters",))
    if not isinstance(data["parameters"], list | tuple) or not data["parameters"]:
        raise ConfigError(f"{where}.parameters: expected a list with one parameter or more.")
    for k, row in enumerate(data["parameters"]):
        at = f"{where}.parameters[{k}]"
        check_keys(row, at, needs=("name", "unit", *NUMBERS))
        for key in ("name", "unit"):
            check_text(row[key], f"{at}.{key}")
        for key in NUMBERS:
            if not is_number(row[key]):
                raise ConfigError(f"{at}.{key} = {row[key]!r}: expected a finite number.")
        check_band(row, at)
        check_band(row, at, low="prior_low", high="prior_high")
        if row["prior_low"] == row["prior_high"]:
            raise ConfigError(f"{at}: {row['name']!r} has no width before the flight. Leave out what is not uncertain.")


def _draw(panel: FigureBase, data: Data, look: Look) -> None:
    axes = axes_in(panel.subplots(), look, sides="")
    rows = data["parameters"]
    for y, row in enumerate(rows):
        middle = 0.5 * (row["prior_low"] + row["prior_high"])
        half = 0.5 * (row["prior_high"] - row["prior_low"])
        low, median, high = ((row[key] - middle) / half for key in ("low", "median", "high"))
        axes.hlines(y, -1.0, 1.0, color=look.grey_soft, linewidth=9.0)
        axes.hlines(y, low, high, color=look.accent, linewidth=4.0)
        axes.plot(median, y, color=look.accent, marker="o", markersize=5.0)
        left = 100.0 * (high - low) / 2.0
        axes.annotate(f"{number(left, 0 if left >= 9.5 else 1)}{THIN}%", (1.0, y), (40, 0), va="center", ha="right",
                      xycoords=("axes fraction", "data"), textcoords="offset points", color=look.muted,
                      annotation_clip=False)  # fmt: skip
    reach = max(1.15, *(abs(row[k] - 0.5 * (row["prior_low"] + row["prior_high"])) * 2.0
                        / (row["prior_high"] - row["prior_low"]) for row in rows for k in ("low", "high")))  # fmt: skip
    axes.set(xlim=(-reach, reach), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.tick_params(axis="y", length=0, labelcolor=look.ink)
    axes.set_xticks([-1.0, 1.0], [f"5{THIN}%", f"95{THIN}%"])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("scaled to the interval before the flight")
    axes.annotate("width left", (1.0, -0.9), (40, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                  ha="right", va="bottom", color=look.muted, annotation_clip=False)  # fmt: skip


BELIEF = Kind(check=_check, height=lambda data: 82.0 + ROW * len(data["parameters"]), draw=_draw)
