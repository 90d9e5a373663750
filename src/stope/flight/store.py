# SPDX-License-Identifier: Apache-2.0
"""A store of logs: a folder with one file for each, which a kill at any byte leaves whole.

A log is written beside its place, synced, and renamed: it is there whole or not at all, and no other log is touched.
There is no index to go stale: the folder is the list. Each file ends in a SHA-256, so that a damaged one is told.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from stope.base.errors import FlightError
from stope.base.files import write_atomic
from stope.flight.formats.stope_log import SUFFIX, pack_log, read_log_file
from stope.flight.log import FlightLog

__all__ = ["LogStore", "Stored"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One file of a store: the log, or why it cannot be read."""

    name: str
    log: FlightLog | None
    fault: str = ""


class LogStore:
    """Logs in a folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when a log is added."""
        self.folder = Path(folder)

    def path(self, name: str) -> Path:
        """Where a log is kept.

        Raises:
            FlightError: for a name that is no plain file name.
        """
        if not NAME.fullmatch(name):
            raise FlightError(f"log name {name[:60]!r}: expected letters, digits, '.', '_' and '-', at most 100.")
        return self.folder / f"{name}{SUFFIX}"

    def add(self, log: FlightLog) -> Path:
        """Keep a log; adding the same log again changes nothing.

        Raises:
            FlightError: if another log has its name.
        """
        path = self.path(log.head.name)
        data = pack_log(log)
        if path.exists():
            if path.read_bytes() != data:
                raise FlightError(f"{path}: another log has this name: expected a new one. Nothing was overwritten.")
            return path
        write_atomic(path, data)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)  # the rename itself
        finally:
            os.close(handle)
        return path

    def names(self) -> tuple[str, ...]:
        """Of all logs, sorted; files that were being written when something died are no logs."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(p.name.removesuffix(SUFFIX) for p in self.folder.glob(f"*{SUFFIX}") if p.name[0] != "."))

    def load(self, name: str) -> FlightLog:
        """Read one log.

        Raises:
            FlightError: none of that name, or damaged.
        """
        path = self.path(name)
        if not path.is_file():
            raise FlightError(f"{path}: no such log. All: {', '.join(self.names()) or 'none'}.")
        return read_log_file(path)

    def all(self) -> list[Stored]:
        """Every file of the store; a damaged one is told and stops nothing."""
        out: list[Stored] = []
        for name in self.names():
            try:
                out.append(Stored(name=name, log=self.load(name)))
            except FlightError as error:
                out.append(Stored(name=name, log=None, fault=str(error)))
        return out
