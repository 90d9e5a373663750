# SPDX-License-Identifier: Apache-2.0
"""This project's flight folder as a log of channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stope.flight.log import Channel, FlightLog, Kind, LogHead, check_log
from stope.flight.record import Flight, load_flight

__all__ = ["as_log", "is_flight", "read_flight"]

Floats = NDArray[np.float64]


def is_flight(path: Path) -> bool:
    """Whether a path is a folder with flight.toml."""
    return path.is_dir() and (path / "flight.toml").is_file()


def read_flight(path: Path) -> FlightLog:
    """Read a flight folder; rows without a measurement have none in the measured channels."""
    size = sum(f.stat().st_size for f in path.iterdir() if f.name in ("flight.toml", "telemetry.csv"))
    log = as_log(load_flight(path), num_bytes=size)
    check_log(log, where=str(path))
    return log


def as_log(flight: Flight, *, num_bytes: int | None = None) -> FlightLog:
    """A flight as channels: commands at every row, measurements at the rows that hold one."""
    seen = flight.measured

    def channel(kind: Kind, unit: str, frame: str, values: Floats, names: str = "xyz") -> Channel:
        rows = np.ones(len(seen), dtype=np.bool_) if kind == "command" else seen
        return Channel(
            kind=kind, unit=unit, frame=frame, names=tuple(names), time=flight.time[rows], values=values[rows]
        )

    head = LogHead(
        name=flight.name, source="stope-flight", vehicle=flight.robot, robot=flight.robot, body=flight.site.body,
        place=f"{flight.site.latitude_deg:g} deg N, {flight.site.longitude_deg:g} deg E, {flight.site.height:g} m",
        gravity=(float(flight.gravity_l[0]), float(flight.gravity_l[1]), float(flight.gravity_l[2])),
        residual_acceleration=flight.residual_acceleration, start_utc=flight.start_utc, clock=flight.clock,
        outcome=flight.outcome, robot_minutes=flight.robot_minutes, num_bytes=num_bytes, licence=flight.licence,
        stand_in=flight.stand_in,
    )  # fmt: skip
    return FlightLog(head=head, channels={
        "force_command_b": channel("command", "N", "b", flight.command[:, :3]),
        "torque_command_b": channel("command", "N m", "b", flight.command[:, 3:]),
        "position_l": channel("measurement", "m", "l", flight.position_l),
        "q_lb": channel("measurement", "1", "l", flight.q_lb, "wxyz"),
        "velocity_l": channel("measurement", "m/s", "l", flight.velocity_l),
        "rate_b": channel("measurement", "rad/s", "b", flight.rate_b),
    })  # fmt: skip
