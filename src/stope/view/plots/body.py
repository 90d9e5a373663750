# SPDX-License-Identifier: Apache-2.0
"""A small body seen from outside, with the site on it.

`body`: what `stope.view.ground.body_picture` gives: faces projected and shaded, the site, the ends of the spin axis,
lines of latitude and longitude.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import FigureBase

from stope.base.errors import ConfigError
from stope.view.look import Look
from stope.view.numbers import number
from stope.view.plots.ground import LEG, PLATE
from stope.view.plots.kind import Data, Kind, check_keys, check_numbers, is_number

__all__ = ["BODY"]

DARK = np.array([0x17, 0x16, 0x18]) / 255.0
LIGHT = np.array([0xD6, 0xCF, 0xC4]) / 255.0
"""Of a facet in shadow and in light."""
MARGIN = 1.14
"""Half width of the picture over the largest reach of the body [1]."""


def _check(data: Data, where: str) -> None:
    keys = ("points", "faces", "shade", "site", "axis", "graticule", "latitude_deg", "longitude_deg")
    check_keys(data, where, needs=keys)
    for k, point in enumerate(data["points"]):
        check_numbers(point, f"{where}.points[{k}]", num=2)
    check_numbers(data["shade"], f"{where}.shade", num=len(data["faces"]))
    for k, face in enumerate(data["faces"]):
        check_numbers(face, f"{where}.faces[{k}]", num=3)
        if not all(isinstance(i, int) and 0 <= i < len(data["points"]) for i in face):
            raise ConfigError(
                f"{where}.faces[{k}] = {list(face)}: expected indices from 0 to {len(data['points']) - 1}."
            )
    check_numbers(data["site"], f"{where}.site", num=2)
    check_keys(data["axis"], f"{where}.axis", needs=("north", "south"))
    for name in ("north", "south"):
        check_numbers(data["axis"][name], f"{where}.axis.{name}", num=2)
    for k, line in enumerate(data["graticule"]):
        for i, point in enumerate(line):
            check_numbers(point, f"{where}.graticule[{k}][{i}]", num=2)
    for key in ("latitude_deg", "longitude_deg"):
        if not is_number(data[key]):
            raise ConfigError(f"{where}.{key} = {data[key]!r}: expected a finite number.")


def _draw(panel: FigureBase, data: Data, look: Look) -> None:
    axes = panel.subplots()
    draw_body(axes, data, look)


def draw_body(axes: Axes, data: Data, look: Look) -> None:
    """Draw the body into axes of one's own."""
    points, faces = np.asarray(data["points"], dtype=float), np.asarray(data["faces"], dtype=int)
    shade = np.asarray(data["shade"], dtype=float)[:, None]
    colours = DARK + (LIGHT - DARK) * shade
    # Without antialiasing there are no hairlines between neighbours.
    axes.add_collection(
        PolyCollection(list(points[faces]), facecolors=colours, linewidths=0.0, antialiaseds=False, rasterized=True)
    )
    lines = [np.asarray(line, dtype=float) for line in data["graticule"]]
    axes.add_collection(LineCollection(lines, colors=PLATE, linewidths=0.6, alpha=0.22))
    for name, letter in (("north", "N"), ("south", "S")):
        end = np.asarray(data["axis"][name], dtype=float)
        out = end / np.linalg.norm(end)
        reach = float(np.abs(points @ out).max())
        axes.plot(*np.column_stack([1.01 * reach * out, 1.07 * reach * out]), color=look.muted, linewidth=1.2)
        axes.annotate(
            letter, (1.10 * reach * out[0], 1.10 * reach * out[1]), color=look.muted, ha="center", va="center"
        )
    x, y = data["site"]
    axes.plot(x, y, marker="o", markersize=15.0, markerfacecolor="none", markeredgecolor=LEG, markeredgewidth=1.8)
    axes.plot(x, y, marker="o", markersize=4.0, color=LEG)
    half = MARGIN * float(np.abs(points).max())
    _scale_bar(axes, half, look)
    axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
    axes.set_axis_off()


def _scale_bar(axes: Axes, half: float, look: Look) -> None:
    power = 10.0 ** np.floor(np.log10(0.6 * half))
    length = float(next(k * power for k in (5.0, 2.0, 1.0) if k * power <= 0.6 * half))
    x, y = -0.98 * half, -0.92 * half
    axes.plot([x, x + length], [y, y], color=look.muted, linewidth=2.0, solid_capstyle="butt")
    axes.annotate(f"{number(length)} m", (x, y), (0, 5), textcoords="offset points", ha="left", color=look.muted)


BODY = Kind(check=_check, height=lambda _: 430.0, draw=_draw)
