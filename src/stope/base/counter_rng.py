# SPDX-License-Identifier: Apache-2.0
"""Random numbers from counters, for native kernels: the same bits whatever the order or the number of threads.

A number depends on (key, counter) alone; there is no state. The counter is spread by the golden-ratio increment of
SplitMix64 and mixed with the key by its finaliser, twice. `uniform` and the two halves of `normal` are three streams of
one key, so a kernel may use both functions with the same key and counter.

Not for cryptography, and not for more than about 2^32 numbers of one key: for a fixed key different counters never give
the same 64 bits, which a true random source would begin to do there.

Source:
    Steele, Lea and Flood 2014, doi 10.1145/2660193.2660195 (SplitMix64; the finaliser's constants are Stafford's
    "Mix13"); checked in tests/base/test_counter_rng.py.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

__all__ = ["normal", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
# Chosen: the first three 64-bit words of the fractional part of pi in hexadecimal (as in Blowfish), no other meaning.
_STREAM_UNIFORM = np.uint64(0x243F6A8885A308D3)
_STREAM_RADIUS = np.uint64(0x13198A2E03707344)
_STREAM_TURN = np.uint64(0xA4093822299F31D0)
_STEP = 2.0**-52


@nb.njit
def _mix(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@nb.njit
def _fraction(key: Any, counter: Any, stream: Any) -> Any:
    mixed_key = np.uint64(key) ^ stream
    bits = _mix(_mix(np.uint64(counter) * _GOLDEN + mixed_key) ^ mixed_key)
    # 52 bits and a half step are exact in a double: 2^-53 at least, 1 - 2^-53 at most, so neither 0 nor 1.
    return (float(bits >> np.uint64(12)) + 0.5) * _STEP


@nb.njit
def uniform(key: Any, counter: Any) -> Any:
    """Uniform number in the open interval (0, 1) of a uint64 key and a uint64 counter."""
    return _fraction(key, counter, _STREAM_UNIFORM)


@nb.njit
def normal(key: Any, counter: Any) -> Any:
    """Standard normal number of a uint64 key and a uint64 counter, 8.58 standard deviations at most.

    Source:
        Box and Muller 1958, doi 10.1214/aoms/1177706645; the first of the pair.
    """
    radius = math.sqrt(-2.0 * math.log(_fraction(key, counter, _STREAM_RADIUS)))
    return radius * math.cos(2.0 * math.pi * _fraction(key, counter, _STREAM_TURN))
