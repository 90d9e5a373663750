# SPDX-License-Identifier: Apache-2.0
"""A log of a task with contact comes back as it was, and a damaged one is refused in one line that says where."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import StopeError
from stope.flight.ground import load_contact_flight
from stope.flight.ground.scoop import KINDS, ScoopTest
from stope.world.tasks.dig import MAX_SPIN, SLOW
from tests.flight.ground.ground_builders import scooped

TEST = ScoopTest("hand", num_stages=2)


def test_a_log_comes_back_as_it_was(tmp_path: Path) -> None:
    flight = scooped(TEST)
    found = load_contact_flight(flight.save(tmp_path / "log"))
    assert (found.name, found.task, found.program, found.stand_in) == ("made-up", "dig", "hand-2-1", True)
    np.testing.assert_allclose(found.observation, flight.observation, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.action, flight.action, rtol=1e-8, atol=1e-12)


def _rewritten(folder: Path, change: Callable[[list[str]], None]) -> None:
    """Change the lines of telemetry.csv and make flight.json vouch for them."""
    path, head = folder / "telemetry.csv", folder / "flight.json"
    lines = path.read_text().splitlines()
    change(lines)
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(data)
    header = json.loads(head.read_text()) | {"telemetry_sha256": hashlib.sha256(data).hexdigest()}
    head.write_text(json.dumps(header))


def _set_cell(row: int, column: int, value: str) -> Callable[[list[str]], None]:
    def change(lines: list[str]) -> None:
        cells = lines[row + 1].split(",")
        cells[column] = value
        lines[row + 1] = ",".join(cells)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set_cell(3, 5, "nan"), "row 3"),
        (_set_cell(4, 0, "0.7"), "time_s"),
        (_set_cell(2, 24, "1.5"), "arm_front"),
        (_set_cell(2, 7, "wet"), "not a table of numbers"),
        (lambda lines: lines.__setitem__(2, lines[2].rsplit(",", 1)[0]), "not a table"),
        (lambda lines: lines.__delitem__(slice(2, None)), "expected 2 or more rows"),
        (
            lambda lines: lines.__setitem__(0, lines[0].replace("time_s", "banana")),
            "column 'banana': expected 'time_s'",
        ),
        (
            lambda lines: lines.__setitem__(0, lines[0].replace("arm_front,arm_rear", "arm_rear,arm_front")),
            "column 'arm_rear': expected 'arm_front'",
        ),
        (lambda lines: lines.__setitem__(0, lines[0] + ",more"), "column 'more': expected None"),
    ],
)
def test_damaged_rows_are_refused_where_they_are(
    tmp_path: Path, change: Callable[[list[str]], None], words: str
) -> None:
    folder = scooped(TEST).save(tmp_path / "log")
    _rewritten(folder, change)
    with pytest.raises(StopeError, match=words) as found:
        load_contact_flight(folder)
    assert "telemetry.csv" in str(found.value)
    assert "\n" not in str(found.value)


def test_a_byte_that_changed_is_refused(tmp_path: Path) -> None:
    folder = scooped(TEST).save(tmp_path / "log")
    data = bytearray((folder / "telemetry.csv").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "telemetry.csv").write_bytes(bytes(data))
    with pytest.raises(StopeError, match="SHA-256"):
        load_contact_flight(folder)


@pytest.mark.parametrize(("key", "value"), [("task", "swim"), ("control_period_s", 0.1), ("format", "x"), ("robot", 3),
                                            ("latitude_deg", True)])  # fmt: skip
def test_a_wrong_header_is_refused_by_its_field(tmp_path: Path, key: str, value: object) -> None:
    folder = scooped(TEST).save(tmp_path / "log")
    head = folder / "flight.json"
    head.write_text(json.dumps(json.loads(head.read_text()) | {key: value}))
    with pytest.raises(StopeError, match=f"flight.json: {key}"):
        load_contact_flight(folder)


def test_programs_keep_between_the_slowest_and_the_fastest_drum() -> None:
    for kind in KINDS:
        rates = ScoopTest(kind).rates()
        assert rates.shape == (6,)
        assert np.all((rates >= SLOW - 1e-12) & (rates <= MAX_SPIN + 1e-12))
    np.testing.assert_allclose(np.diff(np.log(ScoopTest("hand").rates())), np.log(MAX_SPIN / SLOW) / 5)
    assert not np.array_equal(ScoopTest("random", seed=1).rates(), ScoopTest("random", seed=2).rates())
    with pytest.raises(StopeError, match="expected one of"):
        ScoopTest("dance")  # type: ignore[arg-type]
