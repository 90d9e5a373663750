# SPDX-License-Identifier: Apache-2.0
"""A month of work: what came in each day, and what the robots were doing.

`daily`: `mean`, `p05`, `p95`, one a day, and `unit`.
`states`: `by_hour`, the mean number of robots in each state at the beginning of each hour.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.view.look import Look, axes_in
from stope.view.plots.kind import Data, Kind, check_band, check_keys, check_numbers, check_text

__all__ = ["DAILY", "STATES"]

Floats = NDArray[np.float64]
DAY = 24
"""Hours."""
CLOSE_UP = 2 * DAY
"""Hours at the end that are shown hour by hour, if the whole is longer than twice that."""

GROUPS = {
    "flying": ("fly-out", "fly-back"),
    "docking": ("dock-depot", "dock-processor"),
    "loading": ("load", "unload"),
    "charging": ("charge",),
    "refuelling": ("refuel",),
    "in a queue": ("queue-depot", "queue-port", "queue-hopper", "queue-charger", "queue-pump"),
    "waiting for light": ("wait-for-light",),
    "idle": ("idle",),
    "under repair": ("queue-repair", "repair"),
    "lost": ("lost",),
}
"""States that are shown as one; a state that stands nowhere here is shown by its own name."""


def _colours(look: Look) -> list[str]:
    return [look.accent, look.accent_soft, look.accent_pale, look.slate, look.slate_soft, look.grey, look.muted,
            look.grey_soft, look.alarm_soft, look.alarm]  # fmt: skip


def _check_daily(data: Data, where: str) -> None:
    check_keys(data, where, needs=("mean", "p05", "p95", "unit"))
    check_text(data["unit"], f"{where}.unit")
    check_numbers(data["mean"], f"{where}.mean")
    for key in ("p05", "p95"):
        check_numbers(data[key], f"{where}.{key}", num=len(data["mean"]))
    check_band(data, where, low="p05", high="p95")


def _draw_daily(panel: FigureBase, data: Data, look: Look) -> None:
    axes = axes_in(panel.subplots(), look, grid="y")
    edges = np.arange(len(data["mean"]) + 1) + 0.5
    axes.stairs(data["p95"], edges, baseline=data["p05"], fill=True, color=look.accent_pale)
    axes.stairs(data["mean"], edges, color=look.accent, linewidth=1.8, baseline=None)
    axes.set(xlabel="day", ylabel=f"delivered [{data['unit']}]", xlim=(edges[0], edges[-1]))
    axes.set_ylim(0.0, 1.08 * max(*data["p95"], 1e-9))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _check_states(data: Data, where: str) -> None:
    check_keys(data, where, needs=("by_hour",))
    states = data["by_hour"]
    check_keys(states, f"{where}.by_hour", needs=(), allows=tuple(states) if isinstance(states, dict) else ())
    if not states:
        raise ConfigError(f"{where}.by_hour: expected one state or more.")
    hours = len(next(iter(states.values())))
    for name, values in states.items():
        check_numbers(values, f"{where}.by_hour.{name}", num=hours)
        if min(values) < 0:
            raise ConfigError(f"{where}.by_hour.{name} = {min(values):g}: a number of robots is 0 or more.")
    if not any(max(values) > 0 for values in states.values()):
        raise ConfigError(f"{where}.by_hour: no robot is in any state at any time.")


def grouped(by_hour: dict[str, list[float]]) -> dict[str, Floats]:
    """Robots by group of states, in the order of GROUPS, then the states that belong to none; without empty ones."""
    groups = dict(GROUPS)
    placed = {state for states in groups.values() for state in states}
    groups |= {state: (state,) for state in sorted(by_hour) if state not in placed}
    rows = {name: [by_hour[s] for s in states if s in by_hour] for name, states in groups.items()}
    sums = {name: np.array(values, dtype=np.float64).sum(axis=0) for name, values in rows.items() if values}
    return {name: values for name, values in sums.items() if np.any(values)}


def _draw_states(panel: FigureBase, data: Data, look: Look) -> None:
    groups = grouped(data["by_hour"])
    order = list(GROUPS)
    palette = _colours(look)
    colours = [palette[order.index(name)] if name in order else look.rule for name in groups]
    hours = len(next(iter(groups.values())))
    if hours <= 2 * CLOSE_UP:
        stacks = [(panel.subplots(), 0, 1, hours)]
    else:
        top, bottom = panel.subplots(2, 1)
        stacks = [(top, 0, DAY, hours // DAY * DAY), (bottom, hours - CLOSE_UP, 1, CLOSE_UP)]
    for axes, first, step, num in stacks:
        _stack(axes, {n: g[first : first + num] for n, g in groups.items()}, colours, first=first, step=step, look=look)
    if len(stacks) > 1:
        stacks[0][0].set_title("the whole month, daily means", loc="left", color=look.ink)
        stacks[1][0].set_title("the last two days, hour by hour", loc="left", color=look.ink)
    stacks[-1][0].set_xlabel("time [days]")
    from matplotlib.patches import Patch  # noqa: PLC0415 -- one use

    handles = [Patch(color=colour, label=name) for name, colour in zip(groups, colours, strict=True)]
    panel.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, labelcolor=look.ink,
                 handlelength=1.0, handleheight=0.9, handletextpad=0.5, columnspacing=1.4)  # fmt: skip


def _stack(axes: Axes, groups: dict[str, Floats], colours: list[str], *, first: int, step: int, look: Look) -> None:
    """Robots on top of each other, each step's mean as a stair."""
    axes_in(axes, look)
    levels = np.cumsum([g.reshape(-1, step).mean(axis=1) for g in groups.values()], axis=0)
    edges = (first + step * np.arange(levels.shape[1] + 1)) / DAY
    base = np.zeros(levels.shape[1])
    for level, colour in zip(levels, colours, strict=True):
        axes.stairs(level, edges, baseline=base, fill=True, color=colour, linewidth=0.3, edgecolor=colour)
        base = level
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0.0, max(1.0, float(levels[-1].max()))), ylabel="robots")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


DAILY = Kind(check=_check_daily, height=lambda _: 250.0, draw=_draw_daily)
STATES = Kind(check=_check_states, height=lambda _: 420.0, draw=_draw_states)
