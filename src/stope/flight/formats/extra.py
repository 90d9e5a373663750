# SPDX-License-Identifier: Apache-2.0
"""Libraries of the extra `logs`, named where they are missing; and what both ROS containers keep about a log."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np

from stope.base.config import build
from stope.base.errors import ConfigError, FlightError, MissingExtra
from stope.flight.log import Channel, FlightLog, LogHead

__all__ = ["check_size", "describe", "load", "restore"]

MOST_BYTES = 8 << 30
"""Size of a container above which it is refused unread (chosen)."""


def load(module: str) -> Any:
    """Import a module of the extra.

    Raises:
        MissingExtra: naming the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtra(f"{module} is not installed. Install the extra: pip install -e '.[logs]'.") from None


def check_size(path: Path) -> None:
    """Refuse a container that is too large to read whole.

    Raises:
        FlightError: naming its size.
    """
    if path.stat().st_size > MOST_BYTES:
        raise FlightError(f"{path}: {path.stat().st_size} bytes: expected at most {MOST_BYTES}. Cut the log first.")


def describe(log: FlightLog) -> str:
    """Everything about a log but its samples, as JSON."""
    about = {
        name: {"kind": c.kind, "unit": c.unit, "frame": c.frame, "names": list(c.names), "found_unit": c.found_unit}
        for name, c in log.channels.items()
    }
    return json.dumps({"head": asdict(log.head), "channels": about}, allow_nan=False)


def restore(text: str, samples: dict[str, list[tuple[float, tuple[float, ...]]]], *, where: str) -> FlightLog:
    """A log from `describe` and its samples by channel.

    Raises:
        FlightError: if they do not fit each other.
    """
    try:
        table: dict[str, Any] = json.loads(text)
        head = build(LogHead, table["head"], where=where)
        channels: dict[str, Channel] = {}
        for name, about in cast("dict[str, dict[str, Any]]", table["channels"]).items():
            rows = samples.get(name, [])
            values = np.array([v for _, v in rows], dtype=np.float64).reshape(len(rows), len(about["names"]))
            channels[name] = Channel(
                kind=about["kind"], unit=about["unit"], frame=about["frame"], names=tuple(about["names"]),
                found_unit=about["found_unit"], time=np.array([t for t, _ in rows], dtype=np.float64), values=values,
            )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise FlightError(f"{where}: its description does not fit ({' '.join(str(error).split())[:200]}).") from None
    return FlightLog(head=head, channels=channels)
