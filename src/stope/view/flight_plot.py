# SPDX-License-Identifier: Apache-2.0
"""One picture of a flight log: what was commanded and what was measured, over time."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stope.base.files import write_atomic
from stope.flight import Flight

__all__ = ["draw_flight"]

COLOURS = ("#0072b2", "#d55e00", "#009e73")
"""x, y, z: distinguishable without red and green (Okabe and Ito)."""


def draw_flight(flight: Flight, path: Path) -> None:
    """Draw commands, pose and rates over time to a PNG; drop-outs stay blank.

    Args:
        flight: The log.
        path: File to write, atomically.
    """
    w, x, y, z = (np.asarray(column) for column in flight.q_lb.T)
    angle = 2.0 * np.degrees(np.arctan2(np.sqrt(x * x + y * y + z * z), np.abs(w)))
    panels = (
        ("force commanded\n[N], b", flight.command[:, :3], "xyz"),
        ("torque commanded\n[N m], b", flight.command[:, 3:], "xyz"),
        ("position\n[m], l", flight.position_l, "xyz"),
        ("angle from l\n[deg]", angle[:, None], ("angle",)),
        ("velocity\n[m/s], l", flight.velocity_l, "xyz"),
        ("angular rate\n[deg/s], b", np.degrees(flight.rate_b), "xyz"),
    )
    figure = Figure(figsize=(10.0, 11.0), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True)
    for axis, (label, values, names) in zip(axes, panels, strict=True):
        style = "steps-post" if "commanded" in label else "default"
        for k, name in enumerate(names):
            axis.plot(flight.time, values[:, k], color=COLOURS[k], linewidth=0.9, label=name, drawstyle=style)
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        axis.legend(loc="upper right", ncols=3, fontsize="small")
    axes[-1].set_xlabel("time since the first row [s]")
    kind = "stand-in flight" if flight.stand_in else "flight"
    where = f"{flight.site.body}, {flight.site.latitude_deg:g} deg N {flight.site.longitude_deg:g} deg E"
    figure.suptitle(f"{kind} {flight.name}: {flight.robot} at {where}", parse_math=False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    write_atomic(path, buffer.getvalue())
