# SPDX-License-Identifier: Apache-2.0
"""ContactFlight: the log of a flight of a task with contact, row by row what the pilot saw and what it did.

A flight is a folder. `flight.json` says what flew, where, under which licence, and holds the SHA-256 of the rows.
`telemetry.csv` has a row for each control period: `time_s`, the task's observations and its actions, named and scaled
as the task names them (docs/reference/tasks.md). Nothing is repaired: what is not this is refused in one line.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stope.base.config import is_finite
from stope.base.errors import FileError
from stope.base.files import read_json, write_atomic, write_json
from stope.world.batch import CONTROL_PERIOD
from stope.world.tasks import CONTACT_TASKS

__all__ = ["ContactFlight", "load_contact_flight"]

Floats = NDArray[np.float64]
FORMAT = "stope-contact-flight-1"
MOST_BYTES = 1 << 28
"""Of a telemetry file that is read; chosen."""


def _columns(task: str) -> list[str]:
    """Header of a task's telemetry."""
    made = CONTACT_TASKS.get(task)
    return ["time_s", *made.observation_names, *made.action_names]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ContactFlight:
    """One flight of a task with contact."""

    name: str
    task: str
    """A task with contact."""
    program: str
    """What was flown, such as "hand-1"; whoever fits must have flown the same in its own worlds."""
    stand_in: bool
    """Whether a simulator flew it."""
    robot: str
    body: str
    latitude_deg: float
    licence: str
    observation: Floats
    """Before each action, as the task observes, (rows, num_observations)."""
    action: Floats
    """In [-1, 1], (rows, num_actions)."""

    @property
    def columns(self) -> list[str]:
        """Header of telemetry.csv."""
        return _columns(self.task)

    def save(self, folder: Path) -> Path:
        """Write the folder: rows first, then the header that vouches for them."""
        rows = np.concatenate([CONTROL_PERIOD * np.arange(len(self.action))[:, None], self.observation, self.action],
                              axis=1)  # fmt: skip
        out = io.StringIO()
        np.savetxt(out, rows, delimiter=",", fmt="%.9g", comments="",
                   header=",".join(f'"{c}"' if "," in c else c for c in self.columns))  # fmt: skip
        data = out.getvalue().encode()
        write_atomic(folder / "telemetry.csv", data)
        write_json(folder / "flight.json", {
            "format": FORMAT, "name": self.name, "task": self.task, "program": self.program,
            "stand_in": self.stand_in, "robot": self.robot, "body": self.body, "latitude_deg": self.latitude_deg,
            "licence": self.licence, "control_period_s": CONTROL_PERIOD,
            "telemetry_sha256": hashlib.sha256(data).hexdigest(),
        })  # fmt: skip
        return folder


def load_contact_flight(folder: Path) -> ContactFlight:
    """Read a flight and check it.

    Raises:
        FileError: one line naming the file, the field or row, what was found and what was expected.
    """
    head, path = Path(folder) / "flight.json", Path(folder) / "telemetry.csv"
    data = read_json(head, what="flight of a task with contact")
    if data.get("format") != FORMAT:
        raise FileError(f"{head}: format {data.get('format')!r}: expected {FORMAT!r}.")
    kinds = {"name": str, "task": str, "program": str, "stand_in": bool, "robot": str, "body": str, "licence": str,
             "latitude_deg": (int, float), "telemetry_sha256": str}  # fmt: skip
    for key, kind in kinds.items():
        found = data.get(key)
        if not isinstance(found, kind) or (key == "latitude_deg" and (isinstance(found, bool) or not is_finite(found))):
            raise FileError(f"{head}: {key} is {str(found)[:60]!r}: expected what a flight's header holds.")
    if data["task"] not in CONTACT_TASKS.names():
        raise FileError(f"{head}: task {data['task']!r}: expected one of {', '.join(CONTACT_TASKS.names())}.")
    if data.get("control_period_s") != CONTROL_PERIOD:
        raise FileError(f"{head}: control_period_s = {data.get('control_period_s')!r}: expected {CONTROL_PERIOD}.")
    rows = _rows(path, str(data["telemetry_sha256"]), _columns(data["task"]))
    num = len(CONTACT_TASKS.get(data["task"]).observation_names)
    flight = ContactFlight(
        name=data["name"], task=data["task"], program=data["program"], stand_in=data["stand_in"],
        robot=data["robot"], body=data["body"], latitude_deg=float(data["latitude_deg"]), licence=data["licence"],
        observation=rows[:, 1 : 1 + num], action=rows[:, 1 + num :],
    )  # fmt: skip
    _check(path, flight, rows)
    return flight


def _rows(path: Path, sha256: str, columns: list[str]) -> Floats:
    """The numbers of telemetry.csv, once its hash and its header are right."""
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise FileError(f"{path}: no such file, or more than {MOST_BYTES} bytes: expected a flight's rows.")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise FileError(f"{path}: SHA-256 {found[:12]}...: expected {sha256[:12]}..., which its flight.json says.")
    header = next(csv.reader(io.StringIO(data[: data.find(b"\n") + 1].decode(errors="replace"))), [])
    for found_name, name in zip_longest(header, columns):
        if found_name != name:
            raise FileError(f"{path}: column {found_name!r}: expected {name!r}, as the task names its columns.")
    try:
        rows = np.loadtxt(io.StringIO(data.decode()), delimiter=",", skiprows=1, ndmin=2)
    except (ValueError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: not a table of numbers ({error}).") from None
    return np.asarray(rows, dtype=np.float64)


def _check(path: Path, flight: ContactFlight, rows: Floats) -> None:
    """Columns, finite numbers, an even clock, actions in range."""
    if rows.shape[1] != len(flight.columns) or len(rows) < 2:
        raise FileError(f"{path}: {rows.shape[0]} rows of {rows.shape[1]} columns: expected 2 or more rows of "
                        f"{len(flight.columns)}, as task {flight.task!r} has.")  # fmt: skip
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, column = (int(k) for k in bad[0])
        name, value = flight.columns[column], rows[row, column]
        raise FileError(f"{path}: row {row}: {name} is {value}: expected a finite number.")
    late = np.abs(rows[:, 0] - CONTROL_PERIOD * np.arange(len(rows)))
    if late.max() > 1e-3:
        row = int(np.argmax(late > 1e-3))
        raise FileError(f"{path}: row {row}: time_s = {rows[row, 0]:g}: expected {CONTROL_PERIOD * row:g}.")
    if np.abs(flight.action).max() > 1.0 + 1e-9:
        row, k = (int(i) for i in np.argwhere(np.abs(flight.action) > 1.0 + 1e-9)[0])
        name = CONTACT_TASKS.get(flight.task).action_names[k]
        raise FileError(f"{path}: row {row}: {name} = {flight.action[row, k]:g}: expected -1 to 1.")
