# SPDX-License-Identifier: Apache-2.0
"""Intervals: exact against an independent implementation, right in the published figures, covering as promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from stope.base.errors import RangeError
from stope.base.intervals import binomial_band, clopper_pearson, mean_interval


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.5, 0.9, 0.95])
)
def test_the_interval_is_scipys_exact_one(counts: tuple[int, int], level: float) -> None:
    k, n = counts
    expected = binomtest(k, n).proportion_ci(level, method="exact")
    found = clopper_pearson(k, n, level)
    # scipy finds the ends by bisection to 2e-12; ours is the inverse incomplete beta function.
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)
    assert (found.success, found.n, found.level) == (k / n, n, level)
    assert 0.0 <= found.low <= found.success <= found.high <= 1.0


@pytest.mark.parametrize(("n", "percent"), [(3, 29), (5, 48), (10, 69), (20, 83), (30, 88), (50, 93), (100, 96)])
def test_lower_bounds_of_a_clean_sheet_are_the_published_ones(n: int, percent: int) -> None:
    assert round(100 * clopper_pearson(n, n).low) == percent
    assert clopper_pearson(n, n).high == 1.0


@pytest.mark.parametrize(
    ("n", "low", "high"), [(10, 56.0, 99.7), (30, 74.0, 98.0), (100, 82.0, 95.0), (1000, 88.0, 92.0)]
)
def test_intervals_of_nine_in_ten_are_the_published_ones(n: int, low: float, high: float) -> None:
    rate = clopper_pearson(round(0.9 * n), n)
    # The notes round away from the half: the exact ends are 55.498 where they print 56, and 73.47 where they print 74.
    assert 100 * rate.low == pytest.approx(low, abs=0.54)
    assert 100 * rate.high == pytest.approx(high, abs=0.06 if high == 99.7 else 0.5)


def test_no_failure_in_n_bounds_the_failure_rate_by_about_three_over_n() -> None:
    for n in (100, 1000, 100_000):
        # The rule of three is one-sided at 95 %, that is two-sided at 90 %; the next order is 3 / n itself.
        assert 1.0 - clopper_pearson(n, n, 0.90).low == pytest.approx(3.0 / n, rel=2e-3 + 3.0 / n)


@pytest.mark.parametrize("n", [1, 7, 40])
@pytest.mark.parametrize("p", [0.01, 0.2, 0.5, 0.93])
def test_the_interval_covers_the_truth_at_least_as_often_as_it_says(n: int, p: float) -> None:
    covers = [(r := clopper_pearson(k, n)).low <= p <= r.high for k in range(n + 1)]
    assert binom.pmf(np.flatnonzero(covers), n, p).sum() >= 0.95  # exact: a sum, no sampling


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 3), (4, 3), (0, -2)])
def test_counts_that_cannot_be_are_refused(k: int, n: int) -> None:
    with pytest.raises(RangeError, match=rf"^{k} successes of {n}: expected 0 <= successes <= n and n > 0\.$"):
        clopper_pearson(k, n)


def test_a_calibrated_interval_covers_within_the_published_bands() -> None:
    assert binomial_band(100, 0.9) == (0.84, 0.95)
    assert binomial_band(50, 0.9) == (0.82, 0.98)  # 41 to 49 of 50
    low, high = binomial_band(200, 0.5, 0.99)
    assert binom.cdf(round(200 * high), 200, 0.5) - binom.cdf(round(200 * low) - 1, 200, 0.5) >= 0.99


def test_the_bootstrap_interval_of_a_mean_is_near_students_and_repeats_by_seed() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    mean, low, high = mean_interval(values, rng=np.random.default_rng(2))
    half = 1.966 * values.std(ddof=1) / np.sqrt(400)  # Student's quantile of 399 degrees of freedom
    assert mean == values.mean()
    assert low == pytest.approx(mean - half, abs=0.15 * half)  # 2000 draws place a 2.5 % quantile to some 5 %
    assert high == pytest.approx(mean + half, abs=0.15 * half)
    assert mean_interval(values, rng=np.random.default_rng(2)) == (mean, low, high)


def test_the_mean_of_nothing_is_refused() -> None:
    with pytest.raises(RangeError, match=r"^the mean of no values: expected at least one\.$"):
        mean_interval([], rng=np.random.default_rng(0))
