# SPDX-License-Identifier: Apache-2.0
"""One picture of a log of any origin: each channel over its own time, drop-outs blank, what is wrong in the title."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stope.base.files import write_atomic
from stope.flight.faults import LONG_GAP, find_faults, nominal_period
from stope.flight.log import Channel, FlightLog

__all__ = ["draw_log"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of the components: distinguishable without red and green (Okabe and Ito)."""
MOST_PANELS = 12
MOST_POINTS = 20_000
"""Drawn of one component; a longer one is thinned for the picture, never the log."""


def draw_log(log: FlightLog, path: Path) -> None:
    """Draw every channel to a PNG.

    Args:
        log: The log.
        path: File to write, atomically.
    """
    shown = list(log.channels.items())[:MOST_PANELS]
    faults = find_faults(log)
    figure = Figure(figsize=(10.0, 1.2 + 1.7 * len(shown)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
    for axis, (name, channel) in zip(panels, shown, strict=True):
        time, values = _with_gaps(channel)
        style = "steps-post" if channel.kind == "command" else "default"
        for k in range(min(values.shape[1], len(COLOURS))):
            axis.plot(time, values[:, k], color=COLOURS[k], linewidth=0.9, marker=".", markersize=2.0,
                      label=channel.names[k], drawstyle=style)  # fmt: skip
        unit = "" if channel.unit == "1" else f" [{channel.unit}]"
        frame = f", {channel.frame}" if channel.frame else ""
        axis.set_ylabel(f"{name}\n{channel.kind}{unit}{frame}", fontsize="small", parse_math=False)
        axis.grid(alpha=0.3)
        for text in axis.legend(loc="upper right", ncols=6, fontsize="small").get_texts():
            text.set_parse_math(False)
        wrong = sorted({f"{f.kind} ({f.count})" for f in faults if f.channel == name})
        if wrong:
            axis.set_title("; ".join(wrong), fontsize="small", loc="left", color="#d55e00")
    panels[-1].set_xlabel(f"time since {log.head.start_utc or 'the first sample'} [s]", parse_math=False)
    left = len(log.channels) - len(shown)
    title = f"{log.head.name}: {log.head.vehicle or log.head.source}" + (
        f" ({left} channels not shown)" if left else ""
    )
    figure.suptitle(title, parse_math=False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    write_atomic(path, buffer.getvalue())


def _with_gaps(channel: Channel) -> tuple[np.ndarray, np.ndarray]:
    """Times and values with a blank put into each drop-out."""
    step = max(1, len(channel.time) // MOST_POINTS)
    time, values = channel.time[::step], channel.values[::step]
    period = nominal_period(time)
    gaps = np.flatnonzero(np.diff(time) > LONG_GAP * period)
    at = gaps + 1
    return np.insert(time, at, time[gaps] + period), np.insert(values, at, np.nan, axis=0)
