# SPDX-License-Identifier: Apache-2.0
"""The real ground around the site from above, lit from the north-west, with what stands and flies there.

`site-map`: `half_width` [m], `ground` (rows from south to north) and `radius` as `stope.view.ground.ground_map` gives
them, `marks` of `name`, `east`, `north`, and `legs` of `name`, `east`, `north` and, optional, `up` and `is_success`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.view.look import Look, axes_in
from stope.view.plots.kind import Data, Kind, check_keys, check_numbers, check_text, is_number

__all__ = ["SITE_MAP"]

Floats = NDArray[np.float64]
DARK = np.array([0x43, 0x40, 0x3D]) / 255.0
LIGHT = np.array([0xEF, 0xE9, 0xDF]) / 255.0
"""Of the ground in shadow and in light: alike on paper and at night, so what lies on it has colours of its own."""
WORDS, PLATE, LEG, LINE = "#22201e", "#f7f3ec", "#c2410c", "#6b645c"
SUN_L = (-0.55, 0.55, 0.63)
"""Direction of the light: from the north-west, as on maps (chosen)."""
PLACES = (((0, 1), ("center", "bottom")), ((1, 0), ("left", "center")), ((0, -1), ("center", "top")),
          ((-1, 0), ("right", "center")))  # fmt: skip
"""Where the name of a mark may stand: above, right, below, left."""
DRAWN_WIDTH = 360.0
"""Of the map in the drawing, about [px]; for the places of names only."""
SMOOTH = 300
"""Points a side of the shaded picture."""
RELIEF = 1.6
"""How much steeper the ground is lit than it is (chosen)."""


def _check(data: Data, where: str) -> None:
    check_keys(data, where, needs=("half_width", "ground", "marks"), allows=("radius", "legs"))
    if not is_number(data["half_width"]) or data["half_width"] <= 0:
        raise ConfigError(f"{where}.half_width = {data['half_width']!r} m: expected a positive number.")
    ground = data["ground"]
    if not isinstance(ground, list | tuple) or len(ground) < 2:
        raise ConfigError(f"{where}.ground: expected two rows of heights or more.")
    for k, row in enumerate(ground):
        check_numbers(row, f"{where}.ground[{k}]", num=len(ground))
    for k, mark in enumerate(data["marks"]):
        at = f"{where}.marks[{k}]"
        check_keys(mark, at, needs=("name", "east", "north"))
        check_text(mark["name"], f"{at}.name")
        check_numbers([mark["east"], mark["north"]], at)
    for k, leg in enumerate(data.get("legs", [])):
        at = f"{where}.legs[{k}]"
        check_keys(leg, at, needs=("name", "east", "north"), allows=("up", "is_success"))
        check_text(leg["name"], f"{at}.name")
        check_numbers(leg["east"], f"{at}.east", least=2)
        for key in ("north", "up"):
            if key in leg:
                check_numbers(leg[key], f"{at}.{key}", num=len(leg["east"]))


def hill_shade(ground: Floats, spacing: float) -> Floats:
    """Brightness (rows, columns) from 0 to 1 of a height map [m] with a grid `spacing` [m]."""
    north, east = np.gradient(ground, spacing)
    normal = np.stack([-RELIEF * east, -RELIEF * north, np.ones_like(ground)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = np.array(SUN_L) / np.linalg.norm(SUN_L)
    return np.clip(normal @ light, 0.0, 1.0)


def _draw(panel: FigureBase, data: Data, look: Look) -> None:
    axes = axes_in(panel.subplots(), look, sides="")
    draw_map(axes, data)
    axes.set(xlabel="east of the processor [m]", ylabel="north [m]")


def draw_map(axes: Axes, data: Data) -> None:
    """Draw the map into axes of one's own."""
    half, ground = float(data["half_width"]), np.asarray(data["ground"], dtype=float)
    spacing = 2.0 * half / (len(ground) - 1)
    shade = hill_shade(ground, spacing)
    low, high = np.quantile(shade, (0.01, 0.99))
    shade = _finer(np.clip((shade - low) / max(high - low, 1e-9), 0.0, 1.0))[..., None]
    picture = np.round(255.0 * (DARK + (LIGHT - DARK) * shade)).astype(np.uint8)
    axes.imshow(picture, origin="lower", extent=(-half, half, -half, half), interpolation="none")
    axis = np.linspace(-half, half, len(ground))
    step = _step(float(np.ptp(ground)) / 8.0)
    levels = step * np.arange(np.floor(ground.min() / step), np.ceil(ground.max() / step) + 1)
    if np.ptp(ground) > 0.0:
        lines = axes.contour(axis, axis, ground, levels, colors=LINE, linewidths=0.6, linestyles="solid", alpha=0.75)
        axes.clabel(lines, levels[::2], fmt=lambda z: f"{z:g}".replace("-", "\u2212"), fontsize=8.5, colors=WORDS)
    for leg in data.get("legs", []):
        style = "-" if leg.get("is_success", True) else ":"
        axes.plot(leg["east"], leg["north"], color=LEG, linewidth=1.5, linestyle=style)
    for mark, place in zip(data["marks"], _label_places(data["marks"], half), strict=True):
        _mark(axes, mark, place, is_home=mark["east"] == 0.0 and mark["north"] == 0.0)
    _scale_bar(axes, half)
    axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")


def _finer(shade: Floats) -> Floats:
    """The same brightness, softened by a grid point and laid on SMOOTH points a side, linear in between."""
    for axis in (0, 1):
        padded = np.pad(shade, [(1, 1) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
        before, after = (np.delete(padded, [0, 1] if k else [-2, -1], axis=axis) for k in (0, 1))
        shade = 0.25 * before + 0.5 * shade + 0.25 * after
    old = np.linspace(0.0, 1.0, len(shade))
    new = np.linspace(0.0, 1.0, max(SMOOTH, len(shade)))
    rows = np.array([np.interp(new, old, row) for row in shade])
    return np.array([np.interp(new, old, column) for column in rows.T]).T


def _label_places(marks: Sequence[Data], half: float) -> list[int]:
    """Index into PLACES for the name of each mark: the first that covers the fewest marks and names."""
    metres = 2.0 * half / DRAWN_WIDTH
    boxes = [_box(mark["east"], mark["north"], 9.0 * metres, 9.0 * metres) for mark in marks]
    chosen: list[int] = []
    for k, mark in enumerate(marks):
        width, height = metres * (7.0 * len(mark["name"]) + 8.0), metres * 20.0
        places = [
            _box(mark["east"] + dx * (0.5 * width + 10.0 * metres), mark["north"] + dy * 20.0 * metres, width, height)
            for (dx, dy), _ in PLACES
        ]
        others = [box for i, box in enumerate(boxes) if i != k]
        covered = [sum(_overlap(place, box) for box in others) for place in places]
        chosen.append(covered.index(min(covered)))
        boxes.append(places[chosen[-1]])
    return chosen


def _box(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x - 0.5 * width, x + 0.5 * width, y - 0.5 * height, y + 0.5 * height


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def _mark(axes: Axes, mark: Data, place: int, *, is_home: bool) -> None:
    shape = {"marker": "D", "markersize": 8.0} if is_home else {"marker": "o", "markersize": 7.0}
    axes.plot(mark["east"], mark["north"], color=LEG if is_home else PLATE, markeredgecolor=WORDS, linestyle="",
              markeredgewidth=1.3, **shape)  # fmt: skip
    plate = {"facecolor": PLATE, "edgecolor": "none", "alpha": 0.85, "boxstyle": "round,pad=0.25"}
    (dx, dy), (across, upright) = PLACES[place]
    axes.annotate(mark["name"], (mark["east"], mark["north"]), (11 * dx, 11 * dy), textcoords="offset points",
                  ha=across, va=upright, color=WORDS, bbox=plate, annotation_clip=True)  # fmt: skip


def _scale_bar(axes: Axes, half: float) -> None:
    length = _step(0.4 * half)
    x, y = -0.94 * half, -0.92 * half
    plate = {"facecolor": PLATE, "edgecolor": "none", "alpha": 0.85, "boxstyle": "round,pad=0.25"}
    axes.plot([x, x + length], [y, y], color=PLATE, linewidth=5.0, solid_capstyle="butt")
    axes.plot([x, x + length], [y, y], color=WORDS, linewidth=2.5, solid_capstyle="butt")
    axes.annotate(f"{length:g} m", (x + 0.5 * length, y), (0, 7), textcoords="offset points", ha="center", color=WORDS,
                  bbox=plate)  # fmt: skip


def _step(size: float) -> float:
    """The largest of ..., 1, 2, 5, 10, ... that is not above a size; 1 for none."""
    if size <= 0.0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(size))
    return float(next(k * power for k in (5.0, 2.0, 1.0) if k * power <= size))


SITE_MAP = Kind(check=_check, height=lambda _: 430.0, draw=_draw)
