# SPDX-License-Identifier: Apache-2.0
"""Every exception stope raises on purpose.

The tree::

    StopeError                 base of all; `exit_code` is what the command line returns
    ├── UnknownName            a name no registry holds (also a KeyError)
    ├── ConfigError            a setting that cannot be (also a ValueError)
    ├── RangeError             a physical quantity outside what a model is valid for (also a ValueError)
    ├── FileError              a file that is missing, truncated or not what it claims (also a ValueError)
    │   └── FlightError        a flight record with such a fault
    ├── Misfit                 no world in the prior explains a flight (also a ValueError)
    ├── WorkerLost             a unit of work that took its workers with it
    ├── UnitFailed             what a unit of work raised elsewhere, when that cannot travel (also a RuntimeError)
    └── MissingExtra           an optional dependency or device is not there (also an ImportError)

Pattern of a message: *where = value unit: rule. Next step.*
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "FileError",
    "FlightError",
    "Misfit",
    "MissingExtra",
    "RangeError",
    "StopeError",
    "UnitFailed",
    "UnknownName",
    "WorkerLost",
]


class StopeError(Exception):
    """Base of every error stope raises on purpose; its text is one line for the user."""

    exit_code = 2

    def __str__(self) -> str:
        """Return the message as given (a KeyError would show it quoted)."""
        return str(self.args[0]) if self.args else self.__class__.__name__


class UnknownName(StopeError, KeyError):
    """A name that no registry holds."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str], *, listing: str) -> UnknownName:
        """Build the error for `name`, naming the closest known one and the command that lists all."""
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f" Closest: {close[0]!r}." if close else ""
        return cls(f"no {kind} {name!r}.{hint} All: `{listing}` ({', '.join(names)}).")


class ConfigError(StopeError, ValueError):
    """A setting that cannot be: unknown key, wrong type, wrong unit, impossible value."""


class RangeError(StopeError, ValueError):
    """A physical quantity outside the range a model is valid for."""


class FileError(StopeError, ValueError):
    """A file that is missing, truncated, or not what it claims to be."""


class FlightError(FileError):
    """A flight record with a fault in it."""


class Misfit(StopeError, ValueError):
    """No world in the prior explains a flight."""


class WorkerLost(StopeError):
    """A unit of work that took its workers with it."""

    exit_code = 70


class UnitFailed(StopeError, RuntimeError):
    """What a unit of work raised in a worker, when the exception itself cannot travel: its type and message."""

    exit_code = 70


class MissingExtra(StopeError, ImportError):
    """An optional dependency or a device that is not there."""

    exit_code = 3
