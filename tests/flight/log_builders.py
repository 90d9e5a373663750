# SPDX-License-Identifier: Apache-2.0
"""Logs made by hand: a few channels on clocks of their own, and a gyrostat whose numbers are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stope.base.seeding import generator
from stope.flight.gyrostat import WheelRows
from stope.flight.log import Channel, FlightLog, LogHead

Floats = NDArray[np.float64]

INERTIA = np.array([[780.0, 10.0, -8.0], [10.0, 820.0, 4.0], [-8.0, 4.0, 180.0]])
AXES = -np.array([[1.0, 0.02, 0.01], [-0.02, 1.01, 0.0], [0.01, 0.0, 0.97]])
"""Over a wheel's moment of inertia: a CubeSat of three units."""


def by_hand(num: int = 40, *, name: str = "by-hand") -> FlightLog:
    """A log with a command, a slower measurement with a lost value and a drop-out, and everything known about it."""
    rng = generator(3, "by-hand")
    fast = 0.1 * np.arange(num, dtype=np.float64)
    slow = np.delete(0.3 * np.arange(num // 3 + 2, dtype=np.float64), 4)
    values = rng.normal(size=(len(slow), 3))
    values[2, 1] = np.nan
    head = LogHead(
        name=name, source="by hand", vehicle="bee", robot="bee-gas", body="ryugu", place="orbit",
        gravity=(0.0, 0.0, -1e-4),
        residual_acceleration=1e-6, start_utc="2026-01-02T03:04:05+00:00", clock="on board", outcome="docked",
        robot_minutes=0.1, num_bytes=1234, licence="CC0-1.0", stand_in=True, notes=("a note",),
    )  # fmt: skip
    return FlightLog(head=head, channels={
        "force_command_b": Channel(kind="command", unit="N", frame="b", names=("x", "y", "z"), time=fast,
                                   values=rng.normal(size=(num, 3))),
        "rate_b": Channel(kind="measurement", unit="rad/s", frame="b", names=("x", "y", "z"), time=slow,
                          values=0.1 * values, found_unit="deg/s"),
        "wheel/current": Channel(kind="measurement", unit="A", frame="", names=("only",), time=slow,
                                 values=rng.normal(size=(len(slow), 1))),
    })  # fmt: skip


def assert_same(found: FlightLog, log: FlightLog) -> None:
    """Every word and every bit of two logs."""
    assert found.head == log.head
    assert list(found.channels) == list(log.channels)
    for name, channel in log.channels.items():
        other = found.channels[name]
        assert (other.kind, other.unit, other.frame, other.names, other.found_unit) == (
            channel.kind, channel.unit, channel.frame, channel.names, channel.found_unit)  # fmt: skip
        assert other.time.tobytes() == channel.time.tobytes(), name
        assert np.array_equal(other.values, channel.values, equal_nan=True), name


def turn_by_wheels(seed: int, *, num: int = 160, noise: float = 2e-4, jitter: float = 0.1) -> WheelRows:
    """A gyrostat of known inertia whose wheels wander, measured every 2 s: truth in closed steps of 0.02 s."""
    rng = generator(seed, "gyrostat")
    inverse, dt, per_row = np.linalg.inv(INERTIA), 0.02, 100
    knots = np.cumsum(rng.normal(scale=12.0, size=(num // 4 + 2, 3)), axis=0) * 0.5
    rate, momentum = np.zeros(3), np.zeros(3)
    rows_rate, rows_speed = np.empty((num, 3)), np.empty((num, 3))
    momentum = INERTIA @ np.array([0.002, -0.003, 0.01]) + AXES @ knots[0]
    for k in range(num * per_row):
        at = k / (4 * per_row)
        speed = knots[int(at)] + (at - int(at)) * (knots[int(at) + 1] - knots[int(at)])
        if k % per_row == 0:
            late = jitter * rng.normal()
            slope = (knots[int(at) + 1] - knots[int(at)]) / 8.0
            rate = inverse @ (momentum - AXES @ speed)
            rows_rate[k // per_row] = rate + noise * rng.normal(size=3)
            rows_speed[k // per_row] = speed + late * slope
        middle = momentum - 0.5 * dt * np.cross(inverse @ (momentum - AXES @ speed), momentum)
        momentum = momentum - dt * np.cross(inverse @ (middle - AXES @ speed), middle)
    time = 2.0 * np.arange(num, dtype=np.float64)
    return WheelRows(name=f"truth-{seed}", time=time, rate_b=rows_rate, wheel_speed=rows_speed)


def write_lelar(folder: Path, rows: WheelRows, *, rate_unit: str = "°/s") -> Path:
    """The files of a manoeuvre as LeLaR writes them."""
    folder.mkdir(parents=True)
    factor = {"°/s": 180.0 / math.pi, "rad/s": 1.0}[rate_unit]
    tables = {
        "rates.csv": (rows.rate_b * factor, rate_unit),
        "rw_speeds.csv": (rows.wheel_speed * 30.0 / math.pi, "rpm"),
    }
    for file, (values, unit) in tables.items():
        lines = ['"Time","X","Y","Z"']
        for time, row in zip(rows.time, values, strict=True):
            minute, second = divmod(int(time), 60)
            stamp = f"2026-03-01 {10 + minute // 60:02d}:{minute % 60:02d}:{second:02d}"
            lines.append(",".join([stamp, *(f"{v:.6g} {unit}" for v in row)]))
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return folder
