# SPDX-License-Identifier: Apache-2.0
"""Frames: what goes in comes out to the bit; anything else is refused in one line, whatever its bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stope.base.errors import RangeError
from stope.fleet.brain.answering import Answer, Request
from stope.fleet.brain.frames import (
    HEADER,
    LARGEST_FRAME,
    MOST_COLUMNS,
    MOST_ROWS,
    pack_answer,
    pack_request,
    unpack_answer,
    unpack_request,
)


def made(num: int, wide: int, memory: int, seed: int = 0) -> Request:
    rng = np.random.Generator(np.random.Philox(seed))
    return Request(rng.normal(size=(num, wide)).astype(np.float32), rng.normal(size=(num, memory)).astype(np.float32),
                   rng.integers(0, 65536, num).astype(np.uint16), rng.integers(0, 2**64, num, dtype=np.uint64),
                   rng.random(num).astype(np.float32), rng.random(num) < 0.5)  # fmt: skip


@settings(deadline=None)
@given(st.integers(0, MOST_ROWS), st.integers(0, 90), st.integers(0, 70), st.integers(0, 2**64 - 1))
def test_a_request_comes_out_as_it_went_in(num: int, wide: int, memory: int, number: int) -> None:
    request = made(num, wide, memory)
    back, back_number, budget = unpack_request(pack_request(request, number=number, budget=0.25))
    assert (back_number, budget) == (number, 0.25)
    for name in ("observation", "memory", "skill", "version", "age", "mask"):
        one, other = getattr(request, name), getattr(back, name)
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("num", [0, 3])
def test_an_answer_comes_out_as_it_went_in(num: int) -> None:
    answer = Answer(np.arange(num, dtype=np.uint8), np.arange(num, dtype=np.uint64),
                    np.full((num, 7), 0.5, dtype=np.float32), np.full((num, 64), -0.5, dtype=np.float32))  # fmt: skip
    back, number, took = unpack_answer(pack_answer(answer, number=9, took=0.0015))
    assert (number, took) == (9, pytest.approx(0.0015))
    for name in ("verdict", "version", "action", "memory"):
        assert getattr(answer, name).tobytes() == getattr(back, name).tobytes()


@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    for unpack in (unpack_request, unpack_answer):
        with pytest.raises(RangeError, match=r"^frame: "):
            unpack(data)


@settings(deadline=None)
@given(st.integers(0, 31), st.integers(0, 255))
def test_a_header_with_any_byte_changed_is_read_or_refused(at: int, value: int) -> None:
    data = bytearray(pack_request(made(2, 5, 3), number=1, budget=0.1))
    data[at] = value
    try:
        assert len(unpack_request(bytes(data))[0]) == 2
    except RangeError as error:
        assert str(error).startswith("frame: ")


def test_lengths_are_checked_before_anything_is_made_of_them() -> None:
    data = pack_request(made(2, 5, 3), number=1, budget=0.1)
    for wrong in (data[:-1], data + b"\0"):
        with pytest.raises(RangeError, match=rf"{len(wrong)} bytes: expected {len(data)} for 2 rows of 5 and 3"):
            unpack_request(wrong)
    huge = HEADER.pack(b"stb1", 1, 1, 0xFFFFFFFF, 0xFFFF, 0xFFFF, 1, 0)
    with pytest.raises(RangeError, match="4294967295 rows"):
        unpack_request(huge)
    with pytest.raises(RangeError, match="513 rows"):
        pack_request(made(MOST_ROWS + 1, 5, 3), number=1, budget=0.1)
    assert HEADER.size == 32


def test_a_mask_is_yes_or_no() -> None:
    data = bytearray(pack_request(made(2, 5, 3), number=1, budget=0.1))
    data[-1] = 2
    with pytest.raises(RangeError, match="mask"):
        unpack_request(bytes(data))


def test_the_largest_frame_that_robots_send_is_far_below_the_bound() -> None:
    assert len(pack_request(made(MOST_ROWS, 85, 64), number=1, budget=0.1)) < LARGEST_FRAME / 2
    assert MOST_COLUMNS > 2 * 85
