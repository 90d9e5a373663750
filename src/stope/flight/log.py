# SPDX-License-Identifier: Apache-2.0
"""What a flight log of any origin is: channels, each on its own clock, and what is known about them.

A `Flight` (record.py) is one robot, one clock, one row per control period: what the likelihood needs. A `FlightLog`
is what comes down from a vehicle: several channels with their own times, some late, some lost. Nothing is resampled:
a channel holds the samples that were recorded, in the order in which they were recorded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FlightError

__all__ = ["FRAMES", "KINDS", "MOST_SAMPLES", "UNITS", "Channel", "FlightLog", "LogHead", "check_log"]

Floats = NDArray[np.float64]
Kind = Literal["command", "measurement", "estimate"]

KINDS: tuple[str, ...] = ("command", "measurement", "estimate")
"""What a channel can be: ordered, sensed, or worked out on board."""
FRAMES: tuple[str, ...] = ("", "i", "a", "l", "b", "t", "c")
"""Frames of docs/explanation/conventions.md; empty for what has none, such as a wheel's speed about its own axis."""
UNITS: tuple[str, ...] = ("1", "m", "m/s", "m/s2", "rad", "rad/s", "rad/s2", "N", "N m", "kg", "s", "A", "V", "K")
"""Units a channel may have: SI. Importers convert; the unit found in the file is kept in `Channel.found_unit`."""
MOST_SAMPLES = 20_000_000
"""Numbers in one channel above which a log is refused: 160 MB (chosen; 20 minutes at 1 kHz are 1.2 million rows)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Channel:
    """One stream of samples."""

    kind: Kind
    """Whether it was commanded, measured or estimated on board."""
    unit: str
    """Of `values`; one of `UNITS`."""
    frame: str
    """Axes the components are along; one of `FRAMES`."""
    names: tuple[str, ...]
    """Of the components, in order."""
    time: Floats
    """Of each sample (samples,) [s] since `LogHead.start_utc`, as recorded."""
    values: Floats
    """Of each sample (samples, components); NaN where a sample says it has no value."""
    found_unit: str = ""
    """Unit in the file it came from; empty if the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogHead:
    """What is known about a log besides its samples. Empty text and None mean: not known."""

    name: str
    source: str
    """Format it was read from, a name of `stope flight formats`."""
    vehicle: str = ""
    """What flew."""
    robot: str = ""
    """Its model here, a name of `stope world robots`."""
    body: str = ""
    """Small body it flew at, a name of `stope world bodies`."""
    place: str = ""
    """Where, in words: orbit, parabola, air bearing."""
    gravity: tuple[float, float, float] | None = None
    """Effective gravity [m/s2], in `gravity_frame`."""
    gravity_frame: str = "l"
    """Frame of `gravity` and `residual_acceleration`."""
    residual_acceleration: float | None = None
    """Bound on what is left of gravity besides `gravity` [m/s2]."""
    start_utc: str = ""
    """UTC of time 0, ISO 8601."""
    clock: str = ""
    """Whose clock the times are by, and how fine it is."""
    outcome: str = ""
    """How the flight ended, in words."""
    robot_minutes: float | None = None
    """Robot time it cost [min]."""
    num_bytes: int | None = None
    """Size of what was brought down [bytes]."""
    licence: str = ""
    """Under which the log may be used; empty forbids export."""
    stand_in: bool = False
    """Whether it is simulated by the proving ground rather than flown."""
    notes: tuple[str, ...] = ()
    """What the importer had to say."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FlightLog:
    """Channels and what is known about them."""

    head: LogHead
    channels: Mapping[str, Channel] = field(default_factory=dict[str, Channel])
    """By name, such as `rate_b`."""

    @property
    def duration(self) -> float:
        """From the first sample to the last [s]; 0 without finite times."""
        ends = [t for c in self.channels.values() for t in c.time[np.isfinite(c.time)]]
        return float(max(ends) - min(ends)) if ends else 0.0


def check_log(log: FlightLog, *, where: str = "") -> None:
    """Check that a log can be kept: shapes, units, frames, sizes. Its faults in time are `faults.py`'s to tell.

    Args:
        log: The log.
        where: File to name in an error; the log's name when empty.

    Raises:
        FlightError: one line naming the first fault.
    """
    where = where or f"log {log.head.name}"
    if not log.channels:
        raise FlightError(f"{where}: no channel: expected at least one. Nothing in it is known to this format.")
    for name, channel in log.channels.items():
        at = f"{where}, channel {name}"
        if channel.kind not in KINDS or channel.unit not in UNITS or channel.frame not in FRAMES:
            raise FlightError(
                f"{at}: kind {channel.kind!r}, unit {channel.unit!r}, frame {channel.frame!r}: expected one of "
                f"{KINDS}, {UNITS}, {FRAMES}."
            )
        shape = (len(channel.time), len(channel.names))
        if channel.time.ndim != 1 or channel.values.shape != shape:
            raise FlightError(f"{at}: values {channel.values.shape}, expected {shape}. One row for each time.")
        if not channel.names or channel.values.size > MOST_SAMPLES:
            raise FlightError(f"{at}: {channel.values.size} numbers: expected 1 to {MOST_SAMPLES}. Cut the log first.")
        if channel.values.size == 0:
            raise FlightError(f"{at}: no sample: expected one or more.")
    known = [
        x for x in (*(log.head.gravity or ()), log.head.residual_acceleration, log.head.robot_minutes) if x is not None
    ]
    if not all(math.isfinite(x) for x in known):
        raise FlightError(f"{where}: gravity, residual_acceleration, robot_minutes = {known}: expected finite numbers.")
