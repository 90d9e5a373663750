# SPDX-License-Identifier: Apache-2.0
"""Foreign log formats: one file each in this folder, and one line each in `_listed`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stope.base.errors import FlightError
from stope.base.registry import Registry
from stope.flight.log import FlightLog

__all__ = ["FORMATS", "LogFormat", "export_log", "read_log"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogFormat:
    """How one format is told, read and written."""

    summary: str
    """What it is, in a line."""
    recognise: Callable[[Path], bool]
    """Whether a path looks like it; reads little."""
    read: Callable[[Path], FlightLog]
    write: Callable[[FlightLog, Path], None] | None = None
    """Writes a new file or folder; None where the format is only read."""


FORMATS: Registry[LogFormat] = Registry("log format", "stope flight formats", group="stope.formats")


def _listed() -> dict[str, LogFormat]:
    # Inside a function, because each of these is in this package.
    from stope.flight.formats import (  # noqa: PLC0415 -- as above
        lelar,
        lerobot,
        mcap_file,
        ros1_bag,
        stope_flight,
        stope_log,
    )

    return {
        "stope-flight": LogFormat(summary="this project's flight folder: flight.toml and telemetry.csv",
                                  recognise=stope_flight.is_flight, read=stope_flight.read_flight),
        "stope-log": LogFormat(summary="this project's log file, as the store keeps it",
                               recognise=stope_log.is_log, read=stope_log.read_log_file,
                               write=stope_log.write_log_file),
        "lelar": LogFormat(summary="LeLaR's CSV of InnoCube, a folder for each manoeuvre",
                           recognise=lelar.is_lelar, read=lelar.read_lelar),
        "mcap": LogFormat(summary="MCAP with ROS 2 messages", recognise=mcap_file.is_mcap, read=mcap_file.read_mcap,
                          write=mcap_file.write_mcap),
        "ros1-bag": LogFormat(summary="ROS 1 bag, Astrobee's EkfState and FamCommand among others",
                              recognise=ros1_bag.is_bag, read=ros1_bag.read_bag, write=ros1_bag.write_bag),
        "lerobot-v3": LogFormat(summary="LeRobotDataset v3.0, one episode for each log",
                                recognise=lerobot.is_dataset, read=lerobot.read_dataset, write=lerobot.write_dataset),
    }  # fmt: skip


for _name, _format in _listed().items():
    FORMATS.add(_name, _format)


def read_log(path: Path, name: str = "") -> FlightLog:
    """Read a log of any known format.

    Args:
        path: File or folder.
        name: Of the format; empty asks each whether it knows the path.

    Raises:
        FlightError: no such path, no format that knows it, or a fault in it.
        UnknownName: no such format.
    """
    path = Path(path)
    if name:
        return FORMATS.get(name).read(path)
    if not path.exists():
        raise FlightError(f"{path}: no such file or folder.")
    for known in FORMATS:
        if FORMATS.get(known).recognise(path):
            return FORMATS.get(known).read(path)
    raise FlightError(f"{path}: of no known format: expected one of {', '.join(FORMATS)}. Name it with --format.")


def export_log(log: FlightLog, path: Path, name: str) -> None:
    """Write a log in a foreign format.

    Raises:
        FlightError: a path that exists, a format that is only read, or a log without a licence.
    """
    write = FORMATS.get(name).write
    if write is None:
        can = [n for n in FORMATS if FORMATS.get(n).write is not None]
        raise FlightError(f"format {name!r} is only read: expected one of {', '.join(can)}.")
    if Path(path).exists():
        raise FlightError(f"{path}: exists: expected a new file or folder. Nothing is overwritten.")
    if not log.head.licence:
        raise FlightError(f"log {log.head.name}, licence: empty: expected one. Say it with --licence when importing.")
    write(log, Path(path))
