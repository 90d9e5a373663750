# SPDX-License-Identifier: Apache-2.0
"""How success grew in training, with the interval of each evaluation.

`learning-curve`: `success`, `low`, `high` as fractions, and `steps` [1], or `seconds` [s] for a plot under `timing`.
"""

from __future__ import annotations

from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter

from stope.base.errors import ConfigError
from stope.view.look import Look, axes_in
from stope.view.numbers import THIN, number
from stope.view.plots.kind import Data, Kind, check_band, check_keys, check_numbers

__all__ = ["LEARNING_CURVE"]

AXES = {"steps": ("control steps, over all worlds [millions]", 1e-6), "seconds": ("wall-clock of learning [s]", 1.0)}


def _check(data: Data, where: str) -> None:
    check_keys(data, where, needs=("success", "low", "high"), allows=tuple(AXES))
    given = [name for name in AXES if name in data]
    if len(given) != 1:
        raise ConfigError(f"{where}: expected one of 'steps' and 'seconds', found {' and '.join(given) or 'neither'}.")
    check_numbers(data[given[0]], f"{where}.{given[0]}")
    for key in ("success", "low", "high"):
        check_numbers(data[key], f"{where}.{key}", num=len(data[given[0]]))
        for k, rate in enumerate(data[key]):
            if not 0.0 <= rate <= 1.0:
                raise ConfigError(f"{where}.{key}[{k}] = {rate:g}: expected a fraction from 0 to 1.")
    check_band(data, where)


def _draw(panel: FigureBase, data: Data, look: Look) -> None:
    axes = axes_in(panel.subplots(), look, grid="y")
    name = next(name for name in AXES if name in data)
    label, scale = AXES[name]
    x = [scale * value for value in data[name]]
    axes.fill_between(x, data["low"], data["high"], color=look.accent_pale, linewidth=0)
    axes.plot(x, data["success"], color=look.accent, marker="o", markersize=3.5)
    axes.set(xlabel=label, ylim=(-0.02, 1.17), yticks=[0.0, 0.25, 0.5, 0.75, 1.0])
    axes.set_xlim(left=0.0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.0f}{THIN}%"))
    last = f"{number(100 * data['success'][-1], 1)}{THIN}%"
    axes.annotate(last, (x[-1], data["success"][-1]), (0, 5), textcoords="offset points", ha="right", va="bottom",
                  color=look.ink, weight="bold")  # fmt: skip


LEARNING_CURVE = Kind(check=_check, height=lambda _: 250.0, draw=_draw)
