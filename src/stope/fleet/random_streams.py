# SPDX-License-Identifier: Apache-2.0
"""Streams of chance: one independent, counter-based sequence for each robot or depot and each purpose.

The k-th number of a stream depends on its name and k alone. So the third flight out of robot 7 meets the same chance in
every variant of a scenario, whatever happened between, and variants can be compared pair by pair.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from stope.base.seeding import generator

__all__ = ["Stream"]

_BLOCK = 16  # small, so that a thousand robots stay in the cache
_NORMAL = NormalDist()
_LEAST = 2.0**-53


class Stream:
    """Uniform numbers of the stream `path` under `seed`, and what is made of them one by one."""

    __slots__ = ("_block", "_generator", "_path", "_seed")

    def __init__(self, seed: int, *path: str | int) -> None:
        """Name the stream; nothing is drawn before it is asked for."""
        self._seed, self._path = seed, path
        self._generator = None
        self._block: list[float] = []

    def uniform(self) -> float:
        """In [0, 1)."""
        if not self._block:
            if self._generator is None:
                self._generator = generator(self._seed, *self._path)
            self._block = self._generator.random(_BLOCK).tolist()
            self._block.reverse()
        return self._block.pop()

    def exponential(self, mean: float) -> float:
        """Exponential with this mean."""
        return -mean * math.log1p(-self.uniform())

    def lognormal(self, mean: float, spread: float) -> float:
        """Lognormal with this mean; `spread` is its standard deviation over its mean, 0 for the mean itself."""
        u = self.uniform()  # drawn also for spread 0, so that the stream does not depend on it
        if spread == 0.0:
            return mean
        variance = math.log1p(spread * spread)
        return mean * math.exp(math.sqrt(variance) * _NORMAL.inv_cdf(max(u, _LEAST)) - 0.5 * variance)
