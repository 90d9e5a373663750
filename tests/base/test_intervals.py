# SPDX-License-Identifier: Apache-2.0
"""Intervals: exact against an independent implementation, right in the published figures, covering as promised."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from stope.base import intervals
from stope.base.errors import RangeError
from stope.base.intervals import Interval, Rate, binomial_band, clopper_pearson, iqm_interval, mean_interval, wilson


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


@pytest.mark.parametrize("interval", [clopper_pearson, wilson])
@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 3), (4, 3), (0, -2)])
def test_counts_that_cannot_be_are_refused(interval: Callable[[int, int], Rate], k: int, n: int) -> None:
    with pytest.raises(RangeError, match=rf"^{k} successes of {n}: expected 0 <= successes <= n and n > 0\.$"):
        interval(k, n)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -0.5, float("nan")])
def test_a_level_that_is_no_probability_is_refused(level: float) -> None:
    rng = np.random.default_rng(0)
    text = rf"^level = {level}: expected a probability between 0 and 1, such as 0\.95\.$"
    for call in (
        lambda: clopper_pearson(1, 2, level),
        lambda: wilson(1, 2, level),
        lambda: binomial_band(2, 0.5, level),
        lambda: mean_interval([1.0], rng=rng, level=level),
        lambda: iqm_interval([[1.0, 2.0]], rng=rng, level=level),
    ):
        with pytest.raises(RangeError, match=text):
            call()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.5, 0.9, 0.95])
)
def test_the_score_interval_is_scipys_and_within_it_lies_the_rate(counts: tuple[int, int], level: float) -> None:
    k, n = counts
    expected, found = binomtest(k, n).proportion_ci(level, method="wilson"), wilson(k, n, level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (found.success, found.n, found.level) == (k / n, n, level)
    assert 0.0 <= found.low <= found.success <= found.high <= 1.0
    mirrored = wilson(n - k, n, level)
    assert (1.0 - mirrored.high, 1.0 - mirrored.low) == pytest.approx((found.low, found.high), abs=1e-12)


def test_the_score_interval_of_none_or_all_ends_at_the_limit() -> None:
    for n in range(1, 300):
        assert (wilson(0, n).low, wilson(n, n).high) == (0.0, 1.0)  # without the rounding of the formula


def test_the_score_interval_covers_on_average_only() -> None:
    n = 50
    ends = np.array([((r := wilson(k, n)).low, r.high) for k in range(n + 1)])

    def coverage(rates: np.ndarray) -> np.ndarray:
        covers = (ends[:, :1] <= rates) & (rates <= ends[:, 1:])
        return (binom.pmf(np.arange(n + 1)[:, None], n, rates) * covers).sum(axis=0)  # exact: a sum, no sampling

    assert coverage(np.linspace(1e-4, 1.0 - 1e-4, 2000)).mean() == pytest.approx(0.95, abs=0.005)
    just_outside = np.concatenate([ends[1:, 0] - 1e-9, ends[:-1, 1] + 1e-9])  # where it is least
    assert coverage(just_outside).min() == pytest.approx(0.84, abs=0.005)  # what the docstring says


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


def test_the_middle_half_of_all_scores_is_averaged() -> None:
    scores = np.array([[8.0, 1.0, -900.0, 4.0], [5.0, 3.0, 700.0, 2.0]])
    # Sorted: -900, 1 | 2, 3, 4, 5 | 8, 700
    assert iqm_interval(scores, rng=np.random.default_rng(0)).estimate == 3.5
    # Of six, int(1.5) = 1 goes on either side, as in scipy and rliable.
    assert iqm_interval(scores[:, :3], rng=np.random.default_rng(0)).estimate == (1.0 + 3.0 + 5.0 + 8.0) / 4


def test_runs_are_drawn_inside_their_stratum_only() -> None:
    # Drawn across strata, the number of ones would vary.
    scores = np.repeat([[0.0], [1.0], [1.0]], 10, axis=1)
    assert iqm_interval(scores, rng=np.random.default_rng(0)) == Interval(*[13 / 16] * 3)  # 3 zeros, 13 ones


def test_the_interval_of_the_interquartile_mean_is_that_of_all_resamples() -> None:
    scores, level = np.array([[0.1, 1.0, 2.3], [0.4, 1.7, 3.9]]), 0.8
    rows = [[list(r) for r in product(row, repeat=3)] for row in scores]  # 27 x 27, equally likely
    every = np.array([np.sort(a + b)[1:5].mean() for a, b in product(*rows)])
    found = iqm_interval(scores, rng=np.random.default_rng(3), level=level, draws=20_000)
    for end, tail in ((found.low, 0.1), (found.high, 0.9)):
        # 20000 draws place a 10 % quantile to sqrt(0.09 / 20000) = 0.002; allow five times that.
        assert (every < end - 1e-9).mean() - 0.01 <= tail <= (every <= end + 1e-9).mean() + 0.01
    assert found.low < found.estimate < found.high


def test_the_interquartile_mean_is_covered_nearly_as_often_as_it_says() -> None:
    rng, repeats = np.random.default_rng(4), 400
    truth = 1.0 - 1.5 * np.log(0.75) + 0.5 * np.log(0.25)  # mean of the middle half of an exponential; its mean is 1
    found = [iqm_interval(rng.exponential(size=(4, 10)), rng=rng, draws=400) for _ in range(repeats)]
    coverage = np.mean([low <= truth <= high for _, low, high in found])
    # Resampling 10 runs shortens the interval by sqrt(9 / 10): 0.936 if normal. Four standard errors of 0.0125.
    assert coverage == pytest.approx(0.936, abs=0.05)
    assert np.mean([low <= 1.0 <= high for _, low, high in found]) < 0.7  # it is not the mean's


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(-5, 5), st.floats(0.1, 10))
def test_the_interquartile_mean_has_the_scale_of_its_scores_and_grows_with_the_level(
    seed: int, shift: float, scale: float
) -> None:
    scores = np.random.default_rng(seed).normal(size=(3, 5))

    def interval(x: np.ndarray, level: float) -> Interval:
        return iqm_interval(x, rng=np.random.default_rng(seed), level=level, draws=200)

    plain, wide = interval(scores, 0.8), interval(scores, 0.99)
    assert interval(shift + scale * scores, 0.8) == pytest.approx([shift + scale * v for v in plain], abs=1e-9)
    assert wide.low <= plain.low <= plain.high <= wide.high


def test_many_scores_are_resampled_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(5).normal(size=(4, 25))
    whole = iqm_interval(scores, rng=np.random.default_rng(6), draws=4000)
    monkeypatch.setattr(intervals, "BLOCK", 1000)
    blocks = iqm_interval(scores, rng=np.random.default_rng(6), draws=4000)
    assert blocks.estimate == whole.estimate
    assert blocks == pytest.approx(whole, abs=0.1 * (whole.high - whole.low))  # 4000 draws place an end to some 3 %


@pytest.mark.parametrize("shape", [(3,), (0, 4), (3, 1), (2, 2, 2)])
def test_scores_without_runs_in_strata_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(RangeError, match=r"^scores of shape \(.*\): expected \(strata, runs\) with two runs or more"):
        iqm_interval(np.zeros(shape), rng=np.random.default_rng(0))


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(RangeError, match=r"^scores: 2 of 4 are not finite\. Say what they mean first\.$"):
        iqm_interval([[np.nan, 1.0], [np.inf, 2.0]], rng=np.random.default_rng(0))


def test_a_long_bootstrap_is_drawn_in_blocks_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(1000)
    whole = mean_interval(values, rng=np.random.default_rng(2))
    monkeypatch.setattr(intervals, "BLOCK", 7000)
    assert mean_interval(values, rng=np.random.default_rng(2)) == whole
