# SPDX-License-Identifier: Apache-2.0
"""One root seed to independent, counter-based generators, by name: order and threads do not matter."""

from __future__ import annotations

import hashlib
import json
import operator

import numpy as np

from stope.base.errors import ConfigError

__all__ = ["generator", "stream_key"]


def _digest(seed: int, path: tuple[str | int, ...]) -> bytes:
    parts: list[str | int] = []
    for part in (seed, *path):
        try:
            parts.append(part if isinstance(part, str) else operator.index(part))  # so that numpy's 3 is 3
        except TypeError:
            kind = type(part).__name__
            raise ConfigError(f"stream {part!r}: expected whole numbers and text, found {kind}.") from None
    return hashlib.sha256(json.dumps(parts).encode()).digest()  # JSON tells 1 from "1", and ["a", "b"] from ["a/b"]


def stream_key(seed: int, *path: str | int) -> int:
    """64-bit key of the stream `path` under `seed`, for `stope.base.counter_rng`.

    Raises:
        ConfigError: for a part of the path that is neither text nor a whole number.
    """
    return int.from_bytes(_digest(seed, path)[:8], "little")


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """NumPy generator (Philox) of the stream `path` under `seed`.

    Raises:
        ConfigError: for a part of the path that is neither text nor a whole number.
    """
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(seed, path)[:16], "little")))
