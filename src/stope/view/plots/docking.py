# SPDX-License-Identifier: Apache-2.0
"""Docking errors before and after a flight, as two distributions on one scale.

`before-after`: `before` and `after`, the errors one by one, in `unit`; small metres are shown in millimetres.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import FigureBase

from stope.base.errors import ConfigError
from stope.view.look import Look, axes_in
from stope.view.numbers import THIN, decimals_for, quantity
from stope.view.plots.kind import Data, Kind, check_keys, check_numbers, check_text

__all__ = ["BEFORE_AFTER"]

BINS = 36
SHOWN = 0.995
"""Share of the errors that the scale holds; the rest is said in words."""


def _check(data: Data, where: str) -> None:
    check_keys(data, where, needs=("before", "after", "unit"))
    check_text(data["unit"], f"{where}.unit")
    for key in ("before", "after"):
        check_numbers(data[key], f"{where}.{key}", least=2)
        if min(data[key]) < 0:
            raise ConfigError(f"{where}.{key} = {min(data[key]):g}: an error is 0 or more.")


def _draw(panel: FigureBase, data: Data, look: Look) -> None:
    rows = {key: np.asarray(data[key], dtype=float) for key in ("before", "after")}
    unit, top = data["unit"], float(np.quantile(np.concatenate(list(rows.values())), SHOWN))
    if unit == "m" and top < 0.5:
        rows, unit, top = {key: 1e3 * x for key, x in rows.items()}, "mm", 1e3 * top
    top = top * 1.02 if top > 0.0 else 1.0
    edges = np.linspace(0.0, top, BINS + 1)
    shares = {key: np.histogram(x, edges)[0] / len(x) for key, x in rows.items()}
    highest = max(float(share.max()) for share in shares.values())
    for axes, (key, x) in zip(panel.subplots(2, 1, sharex=True), rows.items(), strict=True):
        axes_in(axes, look, sides="b")
        line, fill = (look.accent, look.accent_pale) if key == "after" else (look.muted, look.grey_soft)
        axes.stairs(shares[key], edges, fill=True, color=fill)
        axes.stairs(shares[key], edges, color=line, linewidth=1.2)
        median, low, high = (float(q) for q in np.quantile(x, (0.5, 0.05, 0.95)))
        decimals = decimals_for(low, high, median)
        axes.vlines(median, 0.0, 1.12 * highest, color=line, linewidth=1.6)
        text = f"median {quantity(median, unit, decimals)}, 95{THIN}% below {quantity(high, unit, decimals)}"
        axes.set_title(f"{key}: {text}", loc="left", color=look.ink)
        axes.set(ylim=(0.0, 1.15 * highest), xlim=(0.0, top), yticks=[])
        if key == "after":
            beyond = sum(int((errors > top).sum()) for errors in rows.values())
            counts = f"n = {len(rows['before'])} and {len(rows['after'])}" + (f"; {beyond} beyond" if beyond else "")
            axes.set_xlabel(f"distance from the pose [{unit}]; {counts}")
        else:
            axes.tick_params(labelbottom=False)


BEFORE_AFTER = Kind(check=_check, height=lambda _: 280.0, draw=_draw)
