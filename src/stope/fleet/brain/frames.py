# SPDX-License-Identifier: Apache-2.0
"""Frames: requests and answers as bytes, little-endian, arrays one after the other, the widest numbers first.

docs/explanation/brain.md has the layout byte by byte. A frame says how many rows and columns it has, and its length
must be exactly what follows from them; nothing in it is executed, and nothing is allocated before its length is
checked.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import RangeError
from stope.fleet.brain.answering import Answer, Request, Verdict

__all__ = ["HEADER", "LARGEST_FRAME", "MOST_ROWS", "pack_answer", "pack_request", "unpack_answer", "unpack_request"]

HEADER = struct.Struct("<4sB3xQIHHII")
"""Magic, kind, id, rows, columns of observation or action, columns of memory, time, zero: 32 bytes."""
MAGIC = b"stb1"
REQUEST, ANSWER = 1, 2
MOST_ROWS, MOST_COLUMNS = 512, 512
"""Of a frame; chosen: five times what a hundred robots need."""
LARGEST_FRAME = 1 << 20
"""Bytes."""
_REQUEST = (("version", "<u8"), ("age", "<f4"), ("observation", "<f4"), ("memory", "<f4"), ("skill", "<u2"),
            ("mask", "u1"))  # fmt: skip
_ANSWER = (("version", "<u8"), ("action", "<f4"), ("memory", "<f4"), ("verdict", "u1"))


def pack_request(request: Request, *, number: int, budget: float) -> bytes:
    """Bytes of a request.

    Args:
        request: At most `MOST_ROWS` rows.
        number: Comes back with the answer.
        budget: Time from arrival after which an answer is of no use [s].

    Raises:
        RangeError: too many rows or columns.
    """
    columns = request.observation.shape[1], request.memory.shape[1]
    head = _head(REQUEST, number, len(request), columns, round(1e3 * budget))
    return head + _bytes(request, _REQUEST)


def pack_answer(answer: Answer, *, number: int, took: float) -> bytes:
    """Bytes of an answer; `took` is the time from arrival [s]."""
    columns = answer.action.shape[1], answer.memory.shape[1]
    head = _head(ANSWER, number, len(answer), columns, min(round(1e6 * took), 0xFFFFFFFF))
    return head + _bytes(answer, _ANSWER)


def unpack_request(data: bytes) -> tuple[Request, int, float]:
    """The request in a frame, its number, and the time it allows [s].

    Raises:
        RangeError: a frame that is none; the text says what was found and expected.
    """
    arrays, number, time = _unpack(data, REQUEST, _REQUEST)
    if (arrays["mask"] > 1).any():
        raise RangeError("frame: a mask that is neither 0 nor 1.")
    arrays["mask"] = arrays["mask"].astype(np.bool_)
    return Request(**arrays), number, 1e-3 * time


def unpack_answer(data: bytes) -> tuple[Answer, int, float]:
    """The answer in a frame, the number of its request, and how long the brain had it [s].

    Raises:
        RangeError: a frame that is none.
    """
    arrays, number, time = _unpack(data, ANSWER, _ANSWER)
    if (arrays["verdict"] > max(Verdict)).any():
        raise RangeError(f"frame: verdict {arrays['verdict'].max()}: expected at most {max(Verdict):d}.")
    return Answer(**arrays), number, 1e-6 * time


def _head(kind: int, number: int, rows: int, columns: tuple[int, int], time: int) -> bytes:
    if rows > MOST_ROWS or max(columns) > MOST_COLUMNS:
        raise RangeError(f"frame: {rows} rows of {columns} columns: expected at most {MOST_ROWS} of {MOST_COLUMNS}.")
    return HEADER.pack(MAGIC, kind, number, rows, *columns, time, 0)


def _bytes(value: Request | Answer, layout: tuple[tuple[str, str], ...]) -> bytes:
    return b"".join(np.ascontiguousarray(getattr(value, name), dtype=kind).tobytes() for name, kind in layout)


def _unpack(data: bytes, wanted: int, layout: tuple[tuple[str, str], ...]) -> tuple[dict[str, NDArray[Any]], int, int]:
    if len(data) < HEADER.size:
        raise RangeError(f"frame: {len(data)} bytes: expected at least {HEADER.size}.")
    magic, kind, number, rows, wide, memory, time, zero = HEADER.unpack_from(data)
    if (magic, kind, zero) != (MAGIC, wanted, 0):
        raise RangeError(f"frame: begins with {data[:5].hex()}: expected {MAGIC.hex()}{wanted:02x}.")
    if rows > MOST_ROWS or max(wide, memory) > MOST_COLUMNS:
        raise RangeError(f"frame: {rows} rows of {wide} and {memory} columns: expected at most {MOST_ROWS} of "
                         f"{MOST_COLUMNS}.")  # fmt: skip
    columns = {"observation": wide, "action": wide, "memory": memory}
    sizes = [(name, np.dtype(kind), rows * columns.get(name, 1)) for name, kind in layout]
    length = HEADER.size + sum(dtype.itemsize * num for _, dtype, num in sizes)
    if len(data) != length:
        raise RangeError(f"frame: {len(data)} bytes: expected {length} for {rows} rows of {wide} and {memory} columns.")
    arrays: dict[str, NDArray[Any]] = {}
    at = HEADER.size
    for name, dtype, num in sizes:
        array = np.frombuffer(data, dtype=dtype, count=num, offset=at)
        arrays[name] = array.reshape(rows, columns[name]) if name in columns else array
        at += dtype.itemsize * num
    return arrays, number, time
