# SPDX-License-Identifier: Apache-2.0
"""SkillBank: whole measured outcomes of activities, drawn jointly and never as marginals.

A cell holds the outcomes of one activity with one range of payload. A draw is one outcome as it was measured: its time,
energy and propellant belong together. An outcome of an activity or a payload outside the table is refused, never
extrapolated.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError, RangeError
from stope.base.files import write_atomic

__all__ = ["Outcome", "Outcomes", "SkillBank"]

FORMAT = "stope-skill-bank-1"
Floats = NDArray[np.float64]


class Outcome(NamedTuple):
    """One measured outcome of one activity."""

    is_success: bool
    duration: float
    """[s]."""
    energy: float
    """Electrical [J]."""
    propellant: float
    """[kg]."""
    final_error: float
    """Distance from where it should have ended [m]."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Measured outcomes of one activity with one range of payload; every array is (n,)."""

    is_success: NDArray[np.bool_]
    duration: Floats
    """[s]."""
    energy: Floats
    """Electrical [J]."""
    propellant: Floats
    """[kg]."""
    final_error: Floats
    """Distance from where it should have ended [m]."""
    payload: Floats
    """Carried [kg]."""

    def __post_init__(self) -> None:
        """Check that there is something, all of one length, finite and not negative.

        Raises:
            RangeError: naming the column.
        """
        n = len(self.is_success)
        for field in fields(self):
            column = np.asarray(getattr(self, field.name), dtype=np.float64)
            if column.shape != (n,) or n == 0:
                raise RangeError(f"Outcomes.{field.name}: shape {column.shape}: expected ({n},) with n > 0.")
            if not np.isfinite(column).all() or column.min() < 0:
                raise RangeError(f"Outcomes.{field.name}: expected finite numbers of 0 or more.")

    def __len__(self) -> int:
        """Number of outcomes."""
        return len(self.is_success)

    def pick(self, u: float) -> Outcome:
        """The outcome at share `u` (0 <= u < 1) of the table."""
        k = min(int(u * len(self)), len(self) - 1)
        return Outcome(bool(self.is_success[k]), float(self.duration[k]), float(self.energy[k]),
                       float(self.propellant[k]), float(self.final_error[k]))  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class SkillBank:
    """Outcomes by activity and range of payload."""

    payload_edges: tuple[float, ...]
    """Cell 0 is without payload; cell k >= 1 holds payloads above edge k - 1 up to edge k [kg]; edge 0 is 0."""
    cells: Mapping[tuple[str, int], Outcomes]
    """By activity and payload cell."""
    provenance: Mapping[str, Any]
    """What was measured: policy digest, site, belief, physics hash, seeds, number per cell."""

    def cell_of(self, payload: float) -> int:
        """Payload cell of a payload [kg].

        Raises:
            RangeError: below 0 or above the largest that was measured.
        """
        if not 0.0 <= payload <= self.payload_edges[-1]:
            raise RangeError(f"payload = {payload} kg: measured from 0 to {self.payload_edges[-1]} kg.")
        return int(np.searchsorted(self.payload_edges, payload, side="left"))

    def outcomes(self, activity: str, payload: float) -> Outcomes:
        """All outcomes of an activity with the payload's cell.

        Raises:
            RangeError: if that was not measured.
        """
        key = (activity, self.cell_of(payload))
        if key not in self.cells:
            known = ", ".join(sorted({a for a, _ in self.cells}))
            raise RangeError(f"activity {activity!r} with {payload} kg was not measured. Measured: {known}.")
        return self.cells[key]

    def draw(self, activity: str, payload: float, u: float) -> Outcome:
        """One whole outcome, picked by a uniform number u in [0, 1)."""
        return self.outcomes(activity, payload).pick(u)

    @property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of every number in the table."""
        h = hashlib.sha256(json.dumps(self.payload_edges).encode())
        for key in sorted(self.cells):
            h.update(json.dumps(key).encode())
            for field in fields(Outcomes):
                h.update(np.ascontiguousarray(getattr(self.cells[key], field.name)).tobytes())
        return h.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write to one file, atomically."""
        keys = sorted(self.cells)
        header = {"format": FORMAT, "payload_edges": self.payload_edges, "keys": keys, "provenance": self.provenance}
        arrays = {
            f"{k}.{f.name}": getattr(self.cells[key], f.name) for k, key in enumerate(keys) for f in fields(Outcomes)
        }
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, header=np.array(json.dumps(header, sort_keys=True)), **arrays)
        write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> SkillBank:
        """Read a bank; nothing in the file is executed.

        Raises:
            FileError: missing, truncated, or not a skill bank.
        """
        if not path.is_file():
            raise FileError(f"{path}: no such skill bank.")
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:  # by path it leaks a broken file
                header = json.loads(str(file["header"]))
                if header.get("format") != FORMAT:
                    raise FileError(f"{path}: format {header.get('format')!r}: expected {FORMAT!r}.")
                cells = {
                    (str(key[0]), int(key[1])): Outcomes(**{f.name: file[f"{k}.{f.name}"] for f in fields(Outcomes)})
                    for k, key in enumerate(header["keys"])
                }
                return cls(tuple(header["payload_edges"]), cells, header["provenance"])
        except FileError:
            raise
        except Exception as error:  # noqa: BLE001 -- a damaged zip can raise nearly anything; it is reported, not hidden
            raise FileError(
                f"{path}: not a whole skill bank ({type(error).__name__}: {error}). Measure it again."
            ) from None
