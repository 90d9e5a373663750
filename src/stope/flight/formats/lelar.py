# SPDX-License-Identifier: Apache-2.0
"""LeLaR's telemetry of InnoCube: a folder of CSV files whose cells carry their unit.

The data are public but have no licence yet: users load their own copy, and a log read from one says so.

Source:
    Repository kdjebko/lelar-in-orbit-data; the experiment is arXiv 2512.19576.
"""

from __future__ import annotations

import csv
import io
import math
import re
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FlightError
from stope.flight.log import MOST_SAMPLES, Channel, FlightLog, Kind, LogHead, check_log

__all__ = ["is_lelar", "read_lelar"]

Floats = NDArray[np.float64]

RPM = 2.0 * math.pi / 60.0
UNIT_OF_CELL = {
    "": ("1", 1.0),
    "°/s": ("rad/s", math.pi / 180.0),
    "rad/s": ("rad/s", 1.0),
    "rpm": ("rad/s", RPM),
    "RPM": ("rad/s", RPM),
    "RPM/s": ("rad/s2", RPM),
    "rpm/s": ("rad/s2", RPM),
}
"""Unit in a cell: SI unit and factor."""
FILES: dict[str, tuple[str, Kind, str, tuple[str, ...], str]] = {
    "rates.csv": ("rate_b", "measurement", "b", ("x", "y", "z"), "rad/s"),
    "rw_speeds.csv": ("wheel_speed", "measurement", "", ("x", "y", "z"), "rad/s"),
    "rw_cmds.csv": ("wheel_acceleration_command", "command", "", ("x", "y", "z"), "rad/s2"),
    "attitude_quaternion.csv": ("q_ib", "measurement", "i", ("w", "x", "y", "z"), "1"),
}
"""File: channel, kind, frame, components, and the unit its cells must come to."""
CELL = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")
MOST_BYTES = 256 * 1024 * 1024
"""Size of one file above which it is refused unread (chosen)."""


def is_lelar(path: Path) -> bool:
    """Whether a path is a folder with LeLaR's rates and wheel speeds."""
    return path.is_dir() and (path / "rates.csv").is_file() and (path / "rw_speeds.csv").is_file()


def read_lelar(path: Path) -> FlightLog:
    """Read one manoeuvre.

    Args:
        path: Folder with rates.csv and rw_speeds.csv; rw_cmds.csv and attitude_quaternion.csv where there are.

    Returns:
        The log, every row as recorded: repeated rows and drop-outs included.

    Raises:
        FlightError: naming the file, the row, what was found and what was expected.
    """
    if not is_lelar(path):
        raise FlightError(f"{path}: expected a folder with rates.csv and rw_speeds.csv.")
    start: datetime | None = None
    channels: dict[str, Channel] = {}
    for file, (name, kind, frame, names, unit) in FILES.items():
        if not (path / file).is_file():
            continue
        stamps, values, found = _read_table(path / file, names, unit)
        start = stamps[0] if start is None else start
        time = np.array([(stamp - start).total_seconds() for stamp in stamps])
        channels[name] = Channel(kind=kind, unit=unit, frame=frame, names=names, time=time, values=values,
                                 found_unit=found)  # fmt: skip
    assert start is not None  # is_lelar saw rates.csv
    head = LogHead(
        name=path.name, source="lelar", vehicle="InnoCube (3U CubeSat, three wheels)", place="low Earth orbit",
        start_utc=start.isoformat() + "Z", clock="UTC, whole seconds; nominally a row every 2 s",
        num_bytes=sum((path / file).stat().st_size for file in FILES if (path / file).is_file()),
        robot_minutes=max(float(c.time[-1]) for c in channels.values()) / 60.0,
        notes=("The source gives no licence: use your own copy, pass none on.",
               "The axes of the attitude quaternion are as the source has them: not checked here."),
    )  # fmt: skip
    log = FlightLog(head=head, channels=channels)
    check_log(log, where=str(path))
    return log


def _read_table(  # noqa: C901 -- one check after another
    path: Path, names: tuple[str, ...], unit: str
) -> tuple[list[datetime], Floats, str]:
    """Times, values in SI, and the unit found, of one file."""
    if path.stat().st_size > MOST_BYTES:
        raise FlightError(f"{path}: {path.stat().st_size} bytes: expected at most {MOST_BYTES}. Cut the log first.")
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    try:
        rows = list(csv.reader(io.StringIO(text.replace("\0", "�"))))
    except csv.Error as error:
        raise FlightError(f"{path}: not CSV ({error}).") from None
    if not rows or len(rows[0]) != 1 + len(names) or rows[0][0] != "Time":
        raise FlightError(f"{path} header = {rows[0] if rows else []}: expected Time and {len(names)} columns.")
    if len(rows) < 3:
        raise FlightError(f"{path}: {len(rows) - 1} rows, expected 2 or more. The file is cut short.")
    if len(rows) * len(names) > MOST_SAMPLES:
        raise FlightError(f"{path}: {len(rows)} rows: expected at most {MOST_SAMPLES // len(names)}.")
    stamps: list[datetime] = []
    values = np.empty((len(rows) - 1, len(names)))
    found: set[str] = set()
    for k, cells in enumerate(rows[1:]):
        where = f"{path} row {k} (line {k + 2})"
        if len(cells) != 1 + len(names):
            raise FlightError(f"{where}: {len(cells)} cells, expected {1 + len(names)}. The file is cut short.")
        try:
            stamp = datetime.fromisoformat(cells[0])
        except ValueError:
            raise FlightError(f"{where}, Time = {cells[0][:40]!r}: expected YYYY-MM-DD hh:mm:ss.") from None
        if stamp.tzinfo is not None:
            raise FlightError(f"{where}, Time = {cells[0]!r}: expected UTC without a zone.")
        stamps.append(stamp)
        for m, cell in enumerate(cells[1:]):
            values[k, m] = _number(cell, unit, f"{where}, {names[m]}", found)
    return stamps, values, ", ".join(sorted(found))


def _number(cell: str, unit: str, where: str, found: set[str]) -> float:
    """A cell such as "0.79 °/s" in SI; NaN for an empty cell."""
    if not cell.strip():
        return math.nan
    match = CELL.fullmatch(cell)
    known = UNIT_OF_CELL.get(match.group(2)) if match else None
    if match is None or known is None:
        raise FlightError(f"{where} = {cell[:40]!r}: expected a number with one of {', '.join(UNIT_OF_CELL)}.")
    if known[0] != unit:
        raise FlightError(
            f"{where} = {cell[:40]!r}: a unit of {known[0]}, expected one of {unit}. Is it the right file?"
        )
    found.add(match.group(2) or "1")
    value = float(match.group(1)) * known[1]
    if not math.isfinite(value):
        raise FlightError(f"{where} = {cell[:40]!r}: expected a finite number.")
    return value
