# SPDX-License-Identifier: Apache-2.0
"""From a log to the rows a prediction may use, and to the windows on which it is judged."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FlightError
from stope.flight.gyrostat import WheelRows
from stope.flight.log import Channel, FlightLog

__all__ = ["cut_windows", "first_running", "wheel_rows"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TARGET_TOLERANCE = 1.0
"""How far the row to predict may be from the horizon [s]: half of the nominal 2 s between rows."""
LARGEST_ACCELERATION = 10.5
"""Of a wheel [rad/s2]: 100 rpm/s, the largest that is commanded; a larger jump is a false reading."""
CLOCK_TICK = 1.0
"""Resolution of the times [s]: two rows a second apart by the clock may be two seconds apart."""
SMALLEST_ROWS = 10


def wheel_rows(log: FlightLog) -> WheelRows:
    """Rows of a log with three rates and three wheel speeds.

    Rows that repeat the row before at the same second are dropped, rows with a lost value too, and wheel speeds that
    no motor reaches from the row before (which needs no later row, so a prediction may do it as well).

    Raises:
        FlightError: without such channels, with a clock that runs backwards, or with fewer than ten good rows.
    """
    where = f"log {log.head.name}"
    rate, speed = _channel(log, "rate_b", where), _channel(log, "wheel_speed", where)
    if not np.array_equal(rate.time, speed.time):
        raise FlightError(f"{where}: rate_b and wheel_speed have different times: expected one row for both.")
    time = rate.time
    if not np.isfinite(time).all():
        raise FlightError(f"{where}, rate_b: a time that is not finite: expected numbers. See `stope flight check`.")
    back = np.flatnonzero(np.diff(time) < 0.0)
    if back.size:
        k = int(back[0]) + 1
        raise FlightError(
            f"{where} row {k}: {time[k]:g} s after {time[k - 1]:g} s: expected times that grow. "
            "Is the log reversed, or its clock set back?"
        )
    keep = np.asarray(np.isfinite(np.concatenate([rate.values, speed.values], axis=1)).all(axis=1))
    last = -1
    for k in range(len(time)):
        if not keep[k]:
            continue
        if last >= 0:
            gap = time[k] - time[last]
            jump = float(np.abs(speed.values[k] - speed.values[last]).max())
            if gap <= 0.0 or jump > LARGEST_ACCELERATION * (gap + CLOCK_TICK):
                keep[k] = False
                continue
        last = k
    if keep.sum() < SMALLEST_ROWS:
        raise FlightError(f"{where}: {keep.sum()} rows that can be used: expected {SMALLEST_ROWS} or more.")
    return WheelRows(name=log.head.name, time=time[keep], rate_b=rate.values[keep], wheel_speed=speed.values[keep])


def first_running(rows: WheelRows) -> int:
    """First row in which a wheel turns.

    Raises:
        FlightError: if none ever does.
    """
    running = np.flatnonzero((rows.wheel_speed != 0.0).any(axis=1))
    if not running.size or running[0] >= len(rows.time) - 2:
        raise FlightError(f"log {rows.name}: its wheels never turn: expected some rows with a wheel speed.")
    return int(running[0])


def cut_windows(rows: WheelRows, horizon: float, *, overlapping: bool = False) -> Ints:
    """Windows that start with a wheel turning and end near a horizon.

    Args:
        rows: The log.
        horizon: From the last rates used to the rates to predict [s].
        overlapping: Start one at every row (for fitting) rather than where the one before ended (for judging).

    Returns:
        (windows, 2): row of the start and row of the end.
    """
    time, out = rows.time, list[tuple[int, int]]()
    k = first_running(rows)
    while k < len(time):
        end = int(np.argmin(np.abs(time - time[k] - horizon)))
        is_one = abs(time[end] - time[k] - horizon) <= TARGET_TOLERANCE and bool((rows.wheel_speed[k] != 0.0).any())
        if is_one:
            out.append((k, end))
        k = end if is_one and not overlapping else k + 1
    return np.array(out, dtype=np.int64).reshape(-1, 2)


def _channel(log: FlightLog, name: str, where: str) -> Channel:
    found = log.channels.get(name)
    known: Sequence[str] = tuple(log.channels)
    if found is None or found.values.shape[1] != 3 or found.unit != "rad/s":
        raise FlightError(f"{where}: no channel {name!r} of three columns in rad/s: found {', '.join(known)}.")
    largest = float(np.nanmax(np.abs(found.values), initial=0.0))
    if name == "rate_b" and largest > math.tau:
        raise FlightError(f"{where}, {name}: up to {largest:.3g} rad/s: expected below 6.28. Are these degrees?")
    return found
