# SPDX-License-Identifier: Apache-2.0
"""Counter-based random numbers: distribution, independence of order, and streams that differ.

Every statistical test below has a false-alarm rate of 1e-4 and fixed keys, so it either always passes or never does.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, kstest

from stope.base.counter_rng import normal, uniform

ALARM = 1e-4
NUM = 200_000
Floats = NDArray[np.float64]


@nb.njit
def draw(key: int, counters: NDArray[np.uint64]) -> tuple[Floats, Floats]:
    u, n = np.empty(len(counters)), np.empty(len(counters))
    for i in range(len(counters)):
        u[i], n[i] = uniform(key, counters[i]), normal(key, counters[i])
    return u, n


def numbers(key: int, stride: int = 1, num: int = NUM) -> tuple[Floats, Floats]:
    return draw(np.uint64(key), np.arange(num, dtype=np.uint64) * np.uint64(stride))


@pytest.mark.parametrize("key", [0, 1, 2**64 - 1, 0x9E3779B97F4A7C15])
@pytest.mark.parametrize("stride", [1, 64, 2**32])
def test_numbers_are_uniform_and_normal_whatever_the_key_and_the_stride(key: int, stride: int) -> None:
    u, n = numbers(key, stride)
    assert u.min() > 0.0
    assert u.max() < 1.0
    assert kstest(u, "uniform").pvalue > ALARM
    assert kstest(n, "norm").pvalue > ALARM


def test_neighbouring_counters_and_keys_are_uncorrelated() -> None:
    (u, n), (v, m) = numbers(5), numbers(6)
    bound = 3.9 / np.sqrt(NUM)  # two-sided 1e-4
    for a, b in ((u[:-1], u[1:]), (n[:-1], n[1:]), (n[:-2], n[2:]), (u, v), (n, m), (u, n), (n[:-1] ** 2, n[1:] ** 2)):
        assert abs(np.corrcoef(a, b)[0, 1]) < bound


def test_pairs_fill_the_square_evenly() -> None:
    u, _ = numbers(11)
    cells, _, _ = np.histogram2d(u[0::2], u[1::2], bins=32, range=[[0, 1], [0, 1]])
    expected = NUM / 2 / 1024
    assert ((cells - expected) ** 2 / expected).sum() < chi2.isf(ALARM, 1023)


def test_the_tail_of_the_normal_is_as_long_as_it_should_be() -> None:
    _, n = numbers(3, num=1_000_000)
    beyond = (np.abs(n) > 4.0).sum()  # 63 expected of a million
    assert 63.3 - 3.9 * np.sqrt(63.3) < beyond < 63.3 + 3.9 * np.sqrt(63.3)


def test_a_number_is_the_same_whatever_the_order_it_is_asked_in() -> None:
    u, n = numbers(42, num=1000)
    order = np.random.default_rng(0).permutation(1000)
    shuffled = draw(np.uint64(42), order.astype(np.uint64))
    np.testing.assert_array_equal(shuffled[0], u[order])
    np.testing.assert_array_equal(shuffled[1], n[order])


def test_the_first_numbers_of_a_key_are_pinned() -> None:
    # Recomputed below in Python's whole numbers: a change of these bits changes every result of the package.
    u, _ = numbers(12345, num=5)
    mask = 2**64 - 1

    def mix(z: int) -> int:
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    key = 12345 ^ 0x243F6A8885A308D3
    expected = [((mix(mix((c * 0x9E3779B97F4A7C15 + key) & mask) ^ key) >> 12) + 0.5) * 2.0**-52 for c in range(5)]
    assert u.tolist() == expected


def test_no_two_counters_of_a_key_give_the_same_number() -> None:
    u, _ = numbers(9, num=1_000_000)
    # 52 bits are kept of 64, so chance repeats some: n^2 / 2^53 = 1e-4 expected among a million.
    assert len(np.unique(u)) >= 1_000_000 - 1
