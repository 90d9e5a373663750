# SPDX-License-Identifier: Apache-2.0
"""What one flight is: columns, units, frames, clock; and how a flight file is read.

A flight is a folder with two files. `flight.toml` says what flew, where, under which licence, and holds the SHA-256 of
the rows. `telemetry.csv` has one row per control period:

    time_s                        from the first row, by the clock on board
    force_command_{x,y,z}_n       base axes; in force from this row to the next
    torque_command_{x,y,z}_nm     base axes; in force from this row to the next
    position_{x,y,z}_m            measured, of the base origin in l
    attitude_{w,x,y,z}            measured, q_lb of norm 1; either sign
    velocity_{x,y,z}_mps          measured, of the base origin relative to l, in l
    rate_{x,y,z}_radps            measured, relative to l, in base axes
    measured                      1, or 0 for a drop-out, whose measured cells are empty

Nothing is repaired: a file that is not this is refused, with the file, the row and what was expected. Rows count from
0; the line in the file is two more. A `truth.json` beside them, in stand-in flights, is not read here.
"""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stope.base.config import is_finite, read_toml
from stope.base.errors import FileError, FlightError

__all__ = ["COLUMNS", "FORMAT", "Flight", "FlightSite", "check_flight", "load_flight"]

Floats = NDArray[np.float64]

FORMAT = "stope-flight-1"
"""The only format this module reads."""
COLUMNS: tuple[str, ...] = (
    "time_s",
    *(f"force_command_{k}_n" for k in "xyz"),
    *(f"torque_command_{k}_nm" for k in "xyz"),
    *(f"position_{k}_m" for k in "xyz"),
    *(f"attitude_{k}" for k in "wxyz"),
    *(f"velocity_{k}_mps" for k in "xyz"),
    *(f"rate_{k}_radps" for k in "xyz"),
    "measured",
)
"""Header of telemetry.csv, in this order."""
NUM_COMMAND_COLUMNS = 7
"""Time and command: never empty."""
TIME_TOLERANCE = 1e-3
"""How far a row may be from its whole number of control periods [s] (chosen: half a percent of a period)."""
NORM_TOLERANCE = 1e-3
"""How far the norm of a measured quaternion may be from 1 (chosen: rounding to four digits)."""
_ABSENT = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class FlightSite:
    """Where a flight took place: the origin of frame l."""

    body: str
    """Small body, a name listed by `stope world bodies`."""
    latitude_deg: float
    """Of the ray from the centre [deg]."""
    longitude_deg: float
    """Of the ray from the centre [deg], east positive."""
    height: float
    """Of the origin above the ground [m]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Flight:
    """One flight: what was commanded, what was measured, where, on what machine, under which licence."""

    name: str
    stand_in: bool
    """Whether the flight is simulated by the proving ground rather than flown."""
    robot: str
    site: FlightSite
    gravity_l: Floats
    """Effective gravity at the origin (3,) [m/s2], l."""
    start_utc: str
    """UTC of the first row, ISO 8601."""
    clock: str
    licence: str
    control_period: float
    """Between two rows [s]."""
    payload_note: str
    """What is known of the payload, in words."""
    time: Floats
    """Since the first row (rows,) [s]."""
    command: Floats
    """Force [N] and torque [N m] commanded from each row to the next (rows, 6), b."""
    position_l: Floats
    """Measured position of the base origin (rows, 3) [m], l; NaN where not measured."""
    q_lb: Floats
    """Measured attitude w, x, y, z, b to l (rows, 4); NaN where not measured."""
    velocity_l: Floats
    """Measured velocity of the base origin relative to l (rows, 3) [m/s], l; NaN where not measured."""
    rate_b: Floats
    """Measured angular rate relative to l (rows, 3) [rad/s], b; NaN where not measured."""
    measured: NDArray[np.bool_]
    """Which rows hold a measurement (rows,)."""
    telemetry_sha256: str = ""
    """Hash of telemetry.csv; empty for a flight that was not read from a file."""
    engine: str = ""
    """What made a stand-in flight; empty for a real one."""
    seed: int | None = None
    """Seed of a stand-in flight; None for a real one."""
    residual_acceleration: float | None = None
    """Bound on what is left of gravity besides `gravity_l` [m/s2]; None: not known."""
    outcome: str = ""
    """How the flight ended, in words; empty: not known."""
    robot_minutes: float | None = None
    """Robot time it cost [min]; None: not known."""
    num_bytes: int | None = None
    """Size of what was brought down [bytes]; None: not known."""

    @property
    def num_rows(self) -> int:
        """Number of control periods."""
        return len(self.time)


def load_flight(path: Path | str) -> Flight:
    """Read one flight and check it.

    Args:
        path: Folder that holds flight.toml and telemetry.csv.

    Returns:
        The flight; measured arrays hold NaN in drop-outs.

    Raises:
        FlightError: one line naming the file, the field or row, what was found and what was expected.
    """
    folder = Path(path)
    head_path, rows_path = folder / "flight.toml", folder / "telemetry.csv"
    if not folder.is_dir():
        raise FlightError(f"{folder}: no such folder. A flight is a folder with flight.toml and telemetry.csv.")
    try:
        head: dict[str, Any] = read_toml(head_path)
    except FileError as error:
        raise FlightError(str(error)) from None
    fields = _read_head(head, str(head_path))
    table, sha256 = _read_rows(rows_path, num_rows=_get(head, "rows", int, str(head_path)))
    flight = Flight(
        **fields,
        time=table[:, 0],
        command=table[:, 1:7],
        position_l=table[:, 7:10],
        q_lb=table[:, 10:14],
        velocity_l=table[:, 14:17],
        rate_b=table[:, 17:20],
        measured=table[:, 20] == 1.0,
    )
    check_flight(flight, where=str(rows_path))
    # Last, because a row that is wrong in itself says more than a digest.
    if sha256 != flight.telemetry_sha256:
        raise FlightError(
            f"{rows_path}: SHA-256 {sha256[:16]}..., expected {flight.telemetry_sha256[:16]}... as flight.toml says. "
            "The rows were changed after the flight was written; copy it again."
        )
    return flight


def check_flight(flight: Flight, *, where: str = "") -> None:
    """Check that a flight is one: shapes, clock, finite numbers, unit quaternions.

    Args:
        flight: The flight.
        where: File to name in an error; the flight's name when empty.

    Raises:
        FlightError: one line naming the first fault by field and row.
    """
    where = where or f"flight {flight.name}"
    rows = flight.num_rows
    widths = {"time": (), "command": (6,), "position_l": (3,), "q_lb": (4,), "velocity_l": (3,), "rate_b": (3,)}
    for name, width in {**widths, "measured": ()}.items():
        shape = np.shape(getattr(flight, name))
        if shape != (rows, *width):
            raise FlightError(f"{where}, {name}: shape {shape}, expected {(rows, *width)}. One entry per row.")
    if rows < 2:
        raise FlightError(f"{where}: {rows} rows, expected 2 or more. Nothing can be learned from one instant.")
    if np.count_nonzero(flight.measured) < 2:
        raise FlightError(f"{where}: {np.count_nonzero(flight.measured)} measured rows, expected 2 or more. Nothing "
                          "can be learned from commands alone.")  # fmt: skip
    if not (math.isfinite(flight.control_period) and flight.control_period > 0.0):
        raise FlightError(f"{where}, control_period = {flight.control_period} s: expected a positive number.")
    if np.shape(flight.gravity_l) != (3,) or not np.isfinite(flight.gravity_l).all():
        raise FlightError(f"{where}, gravity_l = {flight.gravity_l} m/s2: expected three finite numbers.")
    _check_clock(flight, where)
    for name in ("command", "position_l", "q_lb", "velocity_l", "rate_b"):
        _check_numbers(flight, name, where)
    norm = np.linalg.norm(flight.q_lb, axis=1)
    bad = np.flatnonzero(flight.measured & (np.abs(norm - 1.0) > NORM_TOLERANCE))
    if bad.size:
        raise FlightError(
            f"{where} row {bad[0]}, attitude: norm {norm[bad[0]]:.6g}, expected 1. Order is w, x, y, z; normalise it."
        )


def _check_clock(flight: Flight, where: str) -> None:
    """Time is finite, grows, and each row is at its whole number of control periods."""
    time = flight.time
    bad = np.flatnonzero(~np.isfinite(time))
    if bad.size:
        raise FlightError(f"{where} row {bad[0]}, time_s: {time[bad[0]]}, expected a finite number.")
    back = np.flatnonzero(np.diff(time) <= 0.0)
    if back.size:
        k = int(back[0]) + 1
        fault = "the same time as" if time[k] == time[k - 1] else "earlier than"
        raise FlightError(
            f"{where} row {k}, time_s = {time[k]:g} s: {fault} row {k - 1} ({time[k - 1]:g} s), expected "
            f"{k * flight.control_period:g} s. Sort the rows by the clock and keep one of each time."
        )
    off = np.flatnonzero(np.abs(time - flight.control_period * np.arange(len(time))) > TIME_TOLERANCE)
    if off.size:
        k = int(off[0])
        raise FlightError(
            f"{where} row {k}, time_s = {time[k]:g} s: expected {k * flight.control_period:g} s, one row every "
            f"{flight.control_period:g} s from 0. Write a lost row with measured = 0."
        )


def _check_numbers(flight: Flight, name: str, where: str) -> None:
    """Finite where there must be a number, NaN where there was no measurement."""
    values = cast(Floats, getattr(flight, name))
    wanted = np.ones(flight.num_rows, dtype=bool) if name == "command" else flight.measured
    bad = np.flatnonzero(wanted & ~np.isfinite(values).all(axis=1))
    if bad.size:
        raise FlightError(
            f"{where} row {bad[0]}, {name}: not finite in {bad.size} of {flight.num_rows} rows, first at "
            f"t = {flight.time[bad[0]]:.2f} s. Expected numbers; a lost measurement has measured = 0."
        )
    extra = np.flatnonzero(~wanted & ~np.isnan(values).all(axis=1))
    if extra.size:
        raise FlightError(f"{where} row {extra[0]}, {name}: a value in a row with measured = 0. Expected none.")


def _read_head(head: dict[str, Any], where: str) -> dict[str, Any]:
    """Fields of `Flight` from flight.toml, all but the arrays of telemetry."""
    found = _get(head, "format", str, where)
    if found != FORMAT:
        raise FlightError(f"{where}, format = {found!r}: expected {FORMAT!r}. Convert the flight first.")
    site = cast("dict[str, Any]", _get(head, "site", dict, where))
    site_where = f"{where} [site]"
    gravity = cast("list[Any]", _get(head, "gravity_l", list, where))
    if len(gravity) != 3 or not all(_is_number(g) for g in gravity):
        raise FlightError(f"{where}, gravity_l = {gravity}: expected three finite numbers [m/s2], in l.")
    stand_in = _get(head, "stand_in", bool, where)
    return {
        **{name: _get(head, name, str, where) for name in ("name", "robot", "start_utc", "clock", "licence")},
        **{name: _get(head, name, str, where) for name in ("payload_note", "telemetry_sha256")},
        "stand_in": stand_in,
        "engine": _get(head, "engine", str, where) if stand_in else "",
        "seed": _get(head, "seed", int, where) if stand_in else None,
        "control_period": _get(head, "control_period_s", float, where),
        "gravity_l": np.array(gravity, dtype=np.float64),
        "site": FlightSite(
            body=_get(site, "body", str, site_where),
            latitude_deg=_get(site, "latitude_deg", float, site_where),
            longitude_deg=_get(site, "longitude_deg", float, site_where),
            height=_get(site, "height", float, site_where),
        ),
        # Flights written before these fields were known have none of them.
        "residual_acceleration": _get_or_none(head, "residual_acceleration", float, where),
        "outcome": _get(head, "outcome", str, where) if "outcome" in head else "",
        "robot_minutes": _get_or_none(head, "robot_minutes", float, where),
        "num_bytes": _get_or_none(head, "num_bytes", int, where),
    }


def _get_or_none(table: dict[str, Any], name: str, kind: type, where: str) -> Any:
    """An entry that may be left out; a number in it is not negative."""
    if name not in table:
        return None
    value = _get(table, name, kind, where)
    if value < 0:
        raise FlightError(f"{where}, {name} = {value!r}: expected 0 or more.")
    return value


def _get(table: dict[str, Any], name: str, kind: type, where: str) -> Any:
    """One entry of flight.toml, of the wanted type; a whole number passes for a float."""
    value = table.get(name, _ABSENT)
    if value is _ABSENT:
        close = get_close_matches(name, table, n=1)
        hint = f" Found {close[0]!r}." if close else ""
        raise FlightError(f"{where}, {name}: missing.{hint} Expected a value of type {kind.__name__}.")
    if kind is float and _is_number(value):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)) or kind is float:
        raise FlightError(f"{where}, {name} = {value!r}: expected a value of type {kind.__name__}.")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)


def _read_rows(path: Path, *, num_rows: int) -> tuple[Floats, str]:
    """Read telemetry.csv as numbers (rows, columns), NaN for the empty cells of a drop-out, and its SHA-256."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FlightError(f"{path}: missing. A flight is a folder with flight.toml and telemetry.csv.") from None
    # No cell is quoted, so a stray quote is a wrong number in its row and not the start of a long cell.
    try:
        lines = list(csv.reader(data.decode("utf-8", errors="replace").splitlines(), quoting=csv.QUOTE_NONE))
    except csv.Error as error:
        raise FlightError(f"{path}: no table of numbers ({error}).") from None
    _check_header(path, lines[0] if lines else [])
    table = np.array([_read_row(path, k, cells) for k, cells in enumerate(lines[1:])]).reshape(-1, len(COLUMNS))
    if len(table) != num_rows:
        raise FlightError(
            f"{path}: {len(table)} rows, expected {num_rows} as flight.toml says. "
            "The file is cut short or was added to; copy it again."
        )
    return table, hashlib.sha256(data).hexdigest()


def _check_header(path: Path, header: list[str]) -> None:
    """Columns by name and order; a near miss is most often a wrong unit."""
    for k, name in enumerate(header):
        if name not in COLUMNS:
            expected = repr(COLUMNS[k]) if k < len(COLUMNS) else "no more columns"
            raise FlightError(
                f"{path} header, column {k} = {name!r}: unknown column, expected {expected}. "
                "Units are part of the name; convert the values with the name."
            )
    if tuple(header) != COLUMNS:
        missing = [name for name in COLUMNS if name not in header]
        fault = f"missing {', '.join(missing)}" if missing else "out of order or repeated"
        raise FlightError(f"{path} header: {fault}, expected {len(COLUMNS)} columns from time_s to measured.")


def _read_row(path: Path, row: int, cells: list[str]) -> list[float]:
    """One row as numbers; empty measured cells become NaN where measured is 0."""
    where = f"{path} row {row} (line {row + 2})"
    if len(cells) != len(COLUMNS):
        raise FlightError(f"{where}: {len(cells)} cells, expected {len(COLUMNS)}. The file is cut short or damaged.")
    flag = cells[-1]
    if flag not in ("0", "1"):
        raise FlightError(f"{where}, measured = {flag!r}: expected 0 or 1.")
    out: list[float] = []
    for k, cell in enumerate(cells):
        if flag == "0" and NUM_COMMAND_COLUMNS <= k < len(COLUMNS) - 1:
            if cell:
                raise FlightError(f"{where}, {COLUMNS[k]} = {cell!r}: expected an empty cell where measured is 0.")
            out.append(math.nan)
            continue
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise FlightError(
                f"{where}, {COLUMNS[k]} = {cell!r}: expected a finite number. "
                "Write a lost measurement with measured = 0."
            )
        out.append(value)
    return out
