# SPDX-License-Identifier: Apache-2.0
"""Sealed files: what was written comes back to the bit; whatever byte is changed, the file is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stope.base.errors import FileError
from stope.learn.sealed import read_sealed, write_sealed

ARRAYS = {"a": torch.arange(6.0).reshape(2, 3), "rng": torch.arange(9, dtype=torch.uint8), "none": torch.zeros(0, 4)}
TEXT = '{"config": "0123", "iteration": 7}'


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_sealed(path, {**ARRAYS, "turned": ARRAYS["a"].T}, TEXT)
    arrays, text = read_sealed(path, what="a whole checkpoint")
    assert text == TEXT
    assert set(arrays) == {*ARRAYS, "turned"}
    assert all(torch.equal(arrays[k], v) for k, v in ARRAYS.items())
    assert torch.equal(arrays["turned"], ARRAYS["a"].T)


@given(where=st.floats(0.0, 1.0, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_changed_or_missing_byte_is_refused(
    tmp_path_factory: pytest.TempPathFactory, where: float, bit: int, *, cut: bool
) -> None:
    """Refused, or read as it was: the header's padding and the order of its words mean nothing."""
    path = tmp_path_factory.mktemp("sealed") / "x.safetensors"
    write_sealed(path, ARRAYS, TEXT)
    data = bytearray(path.read_bytes())
    at = int(where * len(data))
    if cut:
        del data[at:]
    else:
        data[at] ^= 1 << bit
    path.write_bytes(bytes(data))
    try:
        arrays, text = read_sealed(path, what="a whole checkpoint")
    except FileError as error:
        assert "x.safetensors: not a whole checkpoint" in str(error)
        assert "\n" not in str(error)
    else:
        assert not cut
        assert text == TEXT
        assert set(arrays) == set(ARRAYS)
        assert all(torch.equal(arrays[k], v) for k, v in ARRAYS.items())
