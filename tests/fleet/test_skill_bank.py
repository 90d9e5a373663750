# SPDX-License-Identifier: Apache-2.0
"""SkillBank: whole outcomes, nothing outside the table, and files that are whole or refused."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stope.base.errors import FileError, RangeError
from stope.fleet.skill_bank import Outcomes, SkillBank
from tests.fleet.builders import bank, depot, outcomes


def noisy() -> SkillBank:
    """A bank of 50 different outcomes a cell."""
    return bank(num=50, legs={"spread": 0.3, "success": 0.8}, docks={"spread": 0.3})


def write_npz(path: Path, header: object, **arrays: Any) -> Path:
    """A file of the right kind with any header."""
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array(json.dumps(header)), **arrays)
    path.write_bytes(buffer.getvalue())
    return path


def test_a_draw_is_one_outcome_as_it_was_measured() -> None:
    made = noisy()
    column = made.cells["leg-out-alder", 0]
    whole = set(zip(*(getattr(column, f.name).tolist() for f in fields(Outcomes) if f.name != "payload"), strict=True))
    assert len(whole) == 50
    for u in np.random.default_rng(1).random(300):
        assert tuple(made.draw("leg-out-alder", 0.0, float(u))) in whole


def test_draws_use_the_whole_table_evenly() -> None:
    made = noisy()
    drawn = [made.draw("leg-out-alder", 0.0, (k + 0.5) / 500).duration for k in range(500)]
    _, counts = np.unique(drawn, return_counts=True)
    assert counts.tolist() == [10] * 50


def test_the_ends_of_the_unit_interval_give_the_ends_of_the_table() -> None:
    column = noisy().cells["leg-out-alder", 0]
    assert column.pick(0.0).duration == column.duration[0]
    assert column.pick(np.nextafter(1.0, 0.0)).duration == column.duration[-1]


@pytest.mark.parametrize(("payload", "cell"), [(0.0, 0), (1e-9, 1), (1.0, 1), (np.nextafter(1.0, 2.0), 2), (5.0, 5)])
def test_a_cell_holds_payloads_up_to_its_upper_edge(payload: float, cell: int) -> None:
    assert noisy().cell_of(payload) == cell


@pytest.mark.parametrize("payload", [-0.1, np.nextafter(5.0, 6.0), float("nan"), float("inf")])
def test_a_payload_outside_the_table_is_refused(payload: float) -> None:
    with pytest.raises(RangeError, match=r"^payload = .* kg: measured from 0 to 5\.0 kg\.$"):
        noisy().draw("leg-back-alder", payload, 0.5)


def test_an_activity_that_was_not_measured_is_refused() -> None:
    with pytest.raises(RangeError, match=r"^activity 'leg-out-birch' .* was not measured\. Measured: dock-depot, "):
        noisy().draw("leg-out-birch", 0.0, 0.5)
    with pytest.raises(RangeError, match=r"^activity 'leg-out-alder' with 2\.0 kg was not measured"):
        noisy().draw("leg-out-alder", 2.0, 0.5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("name", ["duration", "energy", "propellant", "final_error", "payload"])
def test_an_outcome_that_cannot_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(RangeError, match=rf"^Outcomes\.{name}: expected finite numbers of 0 or more\.$"):
        replace(outcomes(3), **{name: np.array([1.0, value, 1.0])})


def test_columns_of_other_lengths_and_empty_ones_are_refused() -> None:
    with pytest.raises(RangeError, match=r"^Outcomes\.energy: shape \(2,\): expected \(3,\) with n > 0\.$"):
        replace(outcomes(3), energy=np.zeros(2))
    empty: dict[str, Any] = {f.name: np.zeros(0) for f in fields(Outcomes)}
    with pytest.raises(RangeError, match=r"^Outcomes\.is_success: shape \(0,\)"):
        Outcomes(**(empty | {"is_success": np.zeros(0, dtype=bool)}))


def test_a_saved_bank_is_read_back_to_the_bit(tmp_path: Path) -> None:
    made = noisy()
    made.save(tmp_path / "bank.npz")
    read = SkillBank.load(tmp_path / "bank.npz")
    assert read.digest == made.digest
    assert (read.payload_edges, read.provenance) == (made.payload_edges, made.provenance)
    assert read.draw("dock-processor", 2.5, 0.3) == made.draw("dock-processor", 2.5, 0.3)


def test_the_digest_sees_every_number() -> None:
    made = noisy()
    for field in fields(Outcomes):
        cells = dict(made.cells)
        column = getattr(cells["dock-depot", 0], field.name).copy()
        column[7] = not column[7] if field.name == "is_success" else np.nextafter(column[7], np.inf)
        cells["dock-depot", 0] = replace(cells["dock-depot", 0], **{field.name: column})
        assert replace(made, cells=cells).digest != made.digest, field.name
    assert replace(made, payload_edges=(0.0, 1.0, 2.0, 3.0, 4.0, 5.5)).digest != made.digest
    assert bank((depot("birch"),), num=50).digest != bank(num=50).digest


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_truncated_bank_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "bank.npz"
    noisy().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(FileError, match=r"bank\.npz: not a whole skill bank .*Measure it again\.$"):
        SkillBank.load(path)


def test_a_bank_with_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    noisy().save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF  # in the middle of the numbers: only the checksum of the archive can tell
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"not a whole skill bank"):
        SkillBank.load(path)


@pytest.mark.parametrize("data", [b"garbage", b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(100)])
def test_garbage_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bank.npz").write_bytes(data)
    with pytest.raises(FileError, match=r"bank\.npz: not a whole skill bank"):
        SkillBank.load(tmp_path / "bank.npz")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    np.savez(path, header=np.array([{"format": "stope-skill-bank-1"}], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match=r"not a whole skill bank .*pickle"):
        SkillBank.load(path)


def test_a_plain_array_or_another_header_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    (tmp_path / "plain.npz").write_bytes(buffer.getvalue())
    with pytest.raises(FileError, match=r"plain\.npz: not a whole skill bank"):
        SkillBank.load(tmp_path / "plain.npz")
    with pytest.raises(FileError, match=r"format 'stope-policy-1': expected 'stope-skill-bank-1'\.$"):
        SkillBank.load(write_npz(tmp_path / "other.npz", {"format": "stope-policy-1"}))
    header = {"format": "stope-skill-bank-1", "payload_edges": [0, 5], "keys": [["leg", 0]], "provenance": {}}
    with pytest.raises(FileError, match=r"not a whole skill bank \(KeyError"):
        SkillBank.load(write_npz(tmp_path / "hollow.npz", header))


def test_a_missing_bank_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.npz: no such skill bank\.$"):
        SkillBank.load(tmp_path / "none.npz")
