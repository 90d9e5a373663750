# SPDX-License-Identifier: Apache-2.0
"""This project's log file: a line of JSON, then the samples as little-endian float64, then a SHA-256 of all before.

Nothing in it is executed when it is read, and a file that was cut at any byte is refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np

from stope.base.config import build
from stope.base.errors import ConfigError, FlightError
from stope.base.files import write_atomic
from stope.flight.log import MOST_SAMPLES, Channel, FlightLog, LogHead, check_log

__all__ = ["SUFFIX", "is_log", "pack_log", "read_log_file", "unpack_log", "write_log_file"]

SUFFIX = ".stopelog"
MAGIC = b"stope-log-1\n"
MOST_HEAD = 1 << 20
"""Bytes of the line of JSON above which a file is refused."""
MOST_BYTES = 2 << 30


def is_log(path: Path) -> bool:
    """Whether a path is a file that begins as one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def pack_log(log: FlightLog) -> bytes:
    """A log as the bytes of its file."""
    check_log(log)
    channels: dict[str, Any] = {}
    blobs: list[bytes] = []
    for name, channel in log.channels.items():
        channels[name] = {
            "kind": channel.kind, "unit": channel.unit, "frame": channel.frame, "names": list(channel.names),
            "samples": len(channel.time), "found_unit": channel.found_unit,
        }  # fmt: skip
        blobs += [np.ascontiguousarray(a, dtype="<f8").tobytes() for a in (channel.time, channel.values)]
    head = json.dumps({"head": asdict(log.head), "channels": channels}, allow_nan=False)
    body = MAGIC + head.encode() + b"\n" + b"".join(blobs)
    return body + hashlib.sha256(body).digest()


def unpack_log(data: bytes, *, where: str) -> FlightLog:
    """A log from the bytes of its file.

    Raises:
        FlightError: cut short, changed, or not such a file.
    """
    if not data.startswith(MAGIC):
        raise FlightError(f"{where}: expected a file that begins with {MAGIC!r}.")
    body, digest = data[:-32], data[-32:]
    if hashlib.sha256(body).digest() != digest:
        raise FlightError(f"{where}: its SHA-256 differs: expected a whole file. It was cut short or changed.")
    end = body.find(b"\n", len(MAGIC), MOST_HEAD)
    try:
        table: dict[str, Any] = json.loads(body[len(MAGIC) : end])
        head = build(LogHead, table["head"], where=where)
        channels: dict[str, Channel] = {}
        at = end + 1
        for name, about in cast("dict[str, dict[str, Any]]", table["channels"]).items():
            num, width = int(about["samples"]), len(about["names"])
            if num < 0 or num * (1 + width) > 2 * MOST_SAMPLES:
                raise FlightError(f"{where}, channel {name}: {num} samples: expected at most {MOST_SAMPLES}.")
            numbers = np.frombuffer(body, dtype="<f8", count=num * (1 + width), offset=at).astype(np.float64)
            at += 8 * len(numbers)
            channels[name] = Channel(
                kind=about["kind"], unit=about["unit"], frame=about["frame"], names=tuple(about["names"]),
                time=numbers[:num], values=numbers[num:].reshape(num, width), found_unit=about["found_unit"],
            )  # fmt: skip
    except FlightError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, ConfigError) as error:
        raise FlightError(f"{where}: not a whole log ({' '.join(str(error).split())[:200]}).") from None
    log = FlightLog(head=head, channels=channels)
    check_log(log, where=where)
    return log


def read_log_file(path: Path) -> FlightLog:
    """Read a log file."""
    if path.stat().st_size > MOST_BYTES:
        raise FlightError(f"{path}: {path.stat().st_size} bytes: expected at most {MOST_BYTES}.")
    return unpack_log(path.read_bytes(), where=str(path))


def write_log_file(log: FlightLog, path: Path) -> None:
    """Write a log file, atomically."""
    write_atomic(path, pack_log(log))
