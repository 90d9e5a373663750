# SPDX-License-Identifier: Apache-2.0
"""Reading a flight: what comes back, and that each fault is one line that names the file and the row."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from proving_ground import fly, load_scenario, write_flight
from stope.base.errors import FlightError
from stope.flight import Flight, check_flight, load_flight
from stope.flight.record import COLUMNS

Edit = Callable[[list[list[str]]], object]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in flight of 60 rows."""
    flown = fly(load_scenario(), seed=7, minutes=0.2)
    return write_flight(flown, tmp_path_factory.mktemp("flights") / "0007")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(original, tmp_path / "0007"))


def rewrite(folder: Path, edit: Edit) -> None:
    """Change the cells of telemetry.csv (row 0 is the header) and set the row count and hash to match."""
    path, head = folder / "telemetry.csv", folder / "flight.toml"
    cells = [line.split(",") for line in path.read_text(encoding="ascii").splitlines()]
    edit(cells)
    data = ("\n".join(",".join(row) for row in cells) + "\n").encode("ascii")
    path.write_bytes(data)
    text = re.sub(
        r'telemetry_sha256 = ".*"', f'telemetry_sha256 = "{hashlib.sha256(data).hexdigest()}"', head.read_text()
    )
    head.write_text(re.sub(r"rows = \d+", f"rows = {len(cells) - 1}", text), encoding="ascii")


def set_cell(row: int, column: str, value: str) -> Edit:
    """Set one cell; row -1 is the header."""

    def edit(cells: list[list[str]]) -> None:
        cells[row + 1][COLUMNS.index(column)] = value

    return edit


def refusal(folder: Path) -> str:
    """The one line with which a flight is refused."""
    with pytest.raises(FlightError) as caught:
        load_flight(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert str(folder) in text
    return text


def measured_row(folder: Path, *, after: int = 5) -> int:
    """A row with a measurement."""
    return after + int(np.flatnonzero(load_flight(folder).measured[after:])[0])


def test_a_flight_comes_back_as_it_was_flown(original: Path) -> None:
    flown, flight = fly(load_scenario(), seed=7, minutes=0.2), load_flight(original)
    assert (flight.name, flight.robot, flight.stand_in, flight.seed) == ("ryugu-gas-0007", "bee-gas", True, 7)
    assert (flight.site.body, flight.site.latitude_deg, flight.site.height) == ("ryugu", 30.0, 6.0)
    assert flight.gravity_l.tolist() == [0.0, 0.0, -1.32306e-4]
    assert flight.num_rows == 60
    assert flight.command == pytest.approx(flown.command, abs=1e-12)  # decimal fractions, as written
    assert flight.time == pytest.approx(flown.time, abs=1e-12)
    assert (flight.measured == ~flown.lost).all()
    seen = np.array([pose.position_l for pose in flown.seen])
    rows = flight.measured
    assert flight.position_l[rows] == pytest.approx(seen[rows], abs=1e-9)  # nine digits are written
    assert np.isnan(flight.position_l[~rows]).all()
    assert np.isnan(flight.q_lb[~rows]).all()
    assert np.linalg.norm(flight.q_lb[rows], axis=1) == pytest.approx(1.0, abs=1e-8)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "no such folder. A flight is a folder with flight.toml" in refusal(tmp_path / "none")


@pytest.mark.parametrize("name", ["flight.toml", "telemetry.csv"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in refusal(folder)


def test_metadata_that_are_not_toml_are_refused(folder: Path) -> None:
    (folder / "flight.toml").write_text("format = \n", encoding="ascii")
    with pytest.raises(FlightError, match=r"flight\.toml") as caught:
        load_flight(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [100, 3000, -1, -40])
def test_a_truncated_file_is_refused(folder: Path, size: int) -> None:
    path = folder / "telemetry.csv"
    path.write_bytes(path.read_bytes()[:size])
    assert "telemetry.csv" in refusal(folder)


def test_a_file_cut_after_a_whole_row_is_refused(folder: Path) -> None:
    path = folder / "telemetry.csv"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))
    assert "telemetry.csv: 57 rows, expected 60 as flight.toml says" in refusal(folder)


def test_an_empty_file_is_refused(folder: Path) -> None:
    (folder / "telemetry.csv").write_bytes(b"")
    assert "header: missing time_s, force_command_x_n" in refusal(folder)


def test_a_row_with_too_few_cells_is_refused(folder: Path) -> None:
    rewrite(folder, lambda cells: cells[13].pop())
    assert "telemetry.csv row 12 (line 14): 20 cells, expected 21" in refusal(folder)


@pytest.mark.parametrize("value", ["nan", "inf", "", "three"])
def test_a_cell_that_is_no_finite_number_is_named(folder: Path, value: str) -> None:
    row = measured_row(folder)
    rewrite(folder, set_cell(row, "velocity_y_mps", value))
    expected = f"telemetry.csv row {row} (line {row + 2}), velocity_y_mps = {value!r}: expected a finite number"
    assert expected in refusal(folder)


def test_a_measured_flag_other_than_0_or_1_is_refused(folder: Path) -> None:
    rewrite(folder, set_cell(8, "measured", "yes"))
    assert "telemetry.csv row 8 (line 10), measured = 'yes': expected 0 or 1" in refusal(folder)


def test_a_value_in_a_drop_out_is_refused(folder: Path) -> None:
    row = int(np.flatnonzero(~load_flight(folder).measured)[0])
    rewrite(folder, set_cell(row, "position_x_m", "0.5"))
    assert f"row {row} (line {row + 2}), position_x_m = '0.5': expected an empty cell where measured" in refusal(folder)


def test_a_duplicate_time_is_refused(folder: Path) -> None:
    rewrite(folder, set_cell(10, "time_s", "1.800"))
    assert "telemetry.csv row 10, time_s = 1.8 s: the same time as row 9 (1.8 s), expected 2 s" in refusal(folder)


def test_time_going_backwards_is_refused(folder: Path) -> None:
    rewrite(folder, set_cell(10, "time_s", "1.000"))
    assert "telemetry.csv row 10, time_s = 1 s: earlier than row 9 (1.8 s), expected 2 s" in refusal(folder)


def test_a_row_left_out_is_refused(folder: Path) -> None:
    rewrite(folder, lambda cells: cells.pop(11))
    text = refusal(folder)
    assert "telemetry.csv row 10, time_s = 2.2 s: expected 2 s, one row every 0.2 s" in text
    assert "measured = 0" in text


def test_an_unknown_column_is_refused(folder: Path) -> None:
    rewrite(folder, lambda cells: [row.append("1" if k else "mood") for k, row in enumerate(cells)] and None)
    assert "telemetry.csv header, column 21 = 'mood': unknown column, expected no more columns" in refusal(folder)


def test_a_wrong_unit_in_a_column_name_is_refused(folder: Path) -> None:
    rewrite(folder, set_cell(-1, "position_x_m", "position_x_mm"))
    expected = "telemetry.csv header, column 7 = 'position_x_mm': unknown column, expected 'position_x_m'"
    assert expected in refusal(folder)


def test_columns_out_of_order_are_refused(folder: Path) -> None:
    rewrite(folder, lambda cells: cells[0].insert(1, cells[0].pop(2)))
    assert "telemetry.csv header: out of order or repeated, expected 21 columns" in refusal(folder)


def test_a_hash_mismatch_is_refused(folder: Path) -> None:
    path = folder / "telemetry.csv"
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    lines[5] = lines[5].replace(lines[5].split(",")[1], "0.33", 1)
    path.write_text("".join(lines), encoding="ascii")
    text = refusal(folder)
    assert "telemetry.csv: SHA-256 " in text
    assert "The rows were changed after the flight was written" in text


def test_a_quaternion_without_norm_one_is_refused(folder: Path) -> None:
    row = measured_row(folder)
    rewrite(folder, set_cell(row, "attitude_w", "1.5"))
    assert f"telemetry.csv row {row}, attitude: norm 1.5" in refusal(folder)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('format = "stope-flight-1"', 'format = "rosbag"', "format = 'rosbag': expected 'stope-flight-1'"),
        ("rows = 60", "row = 60", "rows: missing. Found 'row'. Expected a value of type int"),
        ("stand_in = true", 'stand_in = "yes"', "stand_in = 'yes': expected a value of type bool"),
        ("rows = 60", "rows = true", "rows = True: expected a value of type int"),
        ("control_period_s = 0.2", "control_period_s = nan", "control_period_s = nan: expected a value of type float"),
        ("control_period_s = 0.2", "control_period_s = 0", "control_period = 0.0 s: expected a positive number"),
        ("[0.0, 0.0, -0.000132306]", "[0.0, 0.0]", "gravity_l = [0.0, 0.0]: expected three finite numbers [m/s2]"),
        ('body = "ryugu"', "", "[site], body: missing"),
    ],
)
def test_a_wrong_field_of_the_metadata_is_named(folder: Path, old: str, new: str, text: str) -> None:
    path = folder / "flight.toml"
    before = path.read_text(encoding="ascii")
    assert old in before
    path.write_text(before.replace(old, new), encoding="ascii")
    assert text in refusal(folder)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda f: {"command": f.command[:, :5]}, "command: shape (60, 5), expected (60, 6)"),
        (lambda f: {"gravity_l": np.array([0.0, np.nan, 0.0])}, "gravity_l = "),
        (lambda f: {"time": np.where(f.time > 3.0, np.nan, f.time)}, "row 16, time_s: nan, expected a finite number"),
        (
            lambda f: {"command": np.where(f.time[:, None] > 3.0, np.nan, f.command)},
            "row 16, command: not finite in",
        ),
        (lambda f: {"rate_b": np.nan_to_num(f.rate_b)}, "rate_b: a value in a row with measured = 0. Expected none."),
    ],
)
def test_a_flight_made_in_memory_is_checked_too(
    original: Path, change: Callable[[Flight], dict[str, np.ndarray]], text: str
) -> None:
    flight = load_flight(original)
    check_flight(flight)
    with pytest.raises(FlightError, match=re.escape(text)) as caught:
        check_flight(replace(flight, **change(flight)))  # type: ignore[arg-type]
    assert str(caught.value).startswith("flight ryugu-gas-0007")


def test_a_flight_of_one_row_is_refused(original: Path) -> None:
    flight = load_flight(original)
    arrays = ("time", "command", "position_l", "q_lb", "velocity_l", "rate_b", "measured")
    with pytest.raises(FlightError, match="1 rows, expected 2 or more"):
        check_flight(replace(flight, **{name: getattr(flight, name)[:1] for name in arrays}))
