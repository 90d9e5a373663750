# SPDX-License-Identifier: Apache-2.0
"""Comparisons: the published figures, closed forms, and error rates as promised, also under constant peeking."""

from __future__ import annotations

from itertools import chain, combinations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import betaln
from scipy.stats import mannwhitneyu, multinomial, norm, ttest_1samp

from stope.base.comparisons import (
    Difference,
    anytime_interval,
    decided_after,
    holm,
    log_e_values,
    paired_mean,
    paired_success,
    probability_of_improvement,
)
from stope.base.errors import RangeError
from stope.base.intervals import mean_interval, wilson

LEVELS = st.sampled_from([0.5, 0.9, 0.95, 0.99])
COUNTS = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200)).filter(lambda c: sum(c) > 0)
DIFFERENCES = st.lists(st.one_of(st.sampled_from([-1.0, 0.0, 1.0]), st.floats(-1.0, 1.0)), min_size=1, max_size=60)


def outcomes(rng: np.random.Generator, shape: tuple[int, ...], *, up: float, down: float) -> np.ndarray:
    """Paired successes: 1 where only the one succeeded, -1 where only the other did, else 0."""
    u = rng.random(shape)
    return np.where(u < up, 1.0, np.where(u < up + down, -1.0, 0.0))


@pytest.mark.parametrize(
    ("only_one", "only_other", "n", "level", "low", "high", "digits"),
    [
        (9, 3, 32, 0.95, -0.027, 0.390, 3),  # Tango 1998, table VII
        (0, 1, 44, 0.90, -0.096, 0.037, 3),  # Tango 1998, table V
        (16, 8, 86, 0.95, -0.020, 0.207, 3),  # Agresti and Min 2005
        (1, 7, 21, 0.95, -0.517, -0.026, 3),  # Fagerland, Lydersen and Laake 2014
        (3, 1, 14, 0.95, -0.1670, 0.4327, 4),  # Tang and others 2010
        (6, 16, 161, 0.95, -0.1240, -0.0054, 4),  # contingencytables 3.0 for R, Cavo and others 2012
        (0, 3, 3, 0.95, -1.0, 0.1230, 4),  # contingencytables, its test of the limits
    ],
)
def test_score_intervals_of_paired_successes_are_the_published_ones(
    only_one: int, only_other: int, n: int, level: float, low: float, high: float, digits: int
) -> None:
    found = paired_success(only_one, only_other, n, level=level)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.51 * 10.0**-digits)
    assert (found.estimate, found.n, found.level) == ((only_one - only_other) / n, n, level)


def test_the_exact_mcnemar_p_value_is_the_published_one() -> None:
    assert paired_success(6, 16, 161).p_value == pytest.approx(0.052479, abs=5e-7)  # contingencytables, Cavo 2012


@settings(max_examples=100, deadline=None)
@given(COUNTS, LEVELS)
def test_paired_successes_are_fair_to_both_and_hold_their_estimate(counts: tuple[int, int, int], level: float) -> None:
    (one, other, _), n = counts, sum(counts)
    found, exchanged = paired_success(one, other, n, level=level), paired_success(other, one, n, level=level)
    assert -1.0 <= found.low <= found.estimate <= found.high <= 1.0
    assert (exchanged.low, exchanged.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    assert exchanged.p_value == found.p_value
    if one + other:  # a binomial sum in whole numbers
        tail = sum(chooses(one + other, k) for k in range(min(one, other) + 1)) / 2 ** (one + other)
        assert found.p_value == pytest.approx(min(1.0, 2.0 * tail), rel=1e-9)
        # Inverts McNemar's score test: zero is outside exactly when that rejects.
        score, critical = abs(one - other) / np.sqrt(one + other), norm.ppf(0.5 + 0.5 * level)
        assume(abs(score - critical) > 1e-6)
        assert (found.low > 0.0 or found.high < 0.0) == (score > critical)
    wider = paired_success(one, other, n, level=0.999)
    assert wider.low <= found.low
    assert found.high <= wider.high


def chooses(n: int, k: int) -> int:
    """Binomial coefficient by Pascal's rule along the row."""
    out = 1
    for i in range(k):
        out = out * (n - i) // (i + 1)
    return out


def test_worlds_that_tell_nothing_apart_leave_the_interval_open() -> None:
    z2 = norm.ppf(0.975) ** 2
    for n in (1, 10, 500):
        found = paired_success(0, 0, n)
        assert (found.low, found.high) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)), abs=1e-9)
        assert found.p_value == 1.0


@pytest.mark.parametrize(("k", "n"), [(1, 10), (7, 10), (10, 10), (30, 200)])
def test_the_upper_end_is_wilsons_where_the_other_never_won(k: int, n: int) -> None:
    assert paired_success(k, 0, n).high == pytest.approx(wilson(k, n).high, abs=1e-9)


@pytest.mark.parametrize("n", [20, 50])
def test_differences_of_paired_successes_are_covered_as_often_as_the_docstring_says(n: int) -> None:
    counts = np.array([(b, c, n - b - c) for b in range(n + 1) for c in range(n + 1 - b)])
    ends = np.array([((r := paired_success(int(b), int(c), n)).low, r.high) for b, c, _ in counts])
    coverage: list[float] = []
    for up, down in product([0.001, 0.01, 0.02, 0.05, 0.1, 0.11, 0.15, 0.2, 0.24, 0.35, 0.5], repeat=2):
        if up + down < 1.0:
            covers = (ends[:, 0] <= up - down) & (up - down <= ends[:, 1])
            coverage.append(multinomial.pmf(counts, n, [up, down, 1.0 - up - down])[covers].sum())  # exact
    assert min(coverage) > 0.93
    assert 0.95 < np.mean(coverage) < 0.97  # high where successes are nearly all alike; this grid has many such


@pytest.mark.parametrize(("one", "other", "n"), [(1, 0, 0), (-1, 2, 5), (2, -1, 5), (3, 3, 5)])
def test_pairs_that_cannot_be_are_refused(one: int, other: int, n: int) -> None:
    text = rf"^only one {one}, only other {other}, of {n} worlds: expected counts >= 0, together <= n, n > 0\.$"
    with pytest.raises(RangeError, match=text):
        paired_success(one, other, n)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(0, 1000), LEVELS)
def test_the_mean_of_paired_differences_is_students(n: int, seed: int, level: float) -> None:
    d = np.random.default_rng(seed).normal(0.3, 2.0, n)
    found, expected = paired_mean(d, level), ttest_1samp(d, 0.0)
    ends = expected.confidence_interval(level)
    assert (found.low, found.high, found.p_value) == pytest.approx((ends.low, ends.high, expected.pvalue), rel=1e-7)
    assert (found.estimate, found.n, found.level) == (pytest.approx(d.mean()), n, level)
    mirrored = paired_mean(-d, level)
    assert (mirrored.low, mirrored.high, mirrored.p_value) == pytest.approx((-found.high, -found.low, found.p_value))


def test_students_interval_covers_where_the_bootstrap_of_few_worlds_does_not() -> None:
    rng, repeats = np.random.default_rng(0), 1000
    worlds = rng.normal(size=(repeats, 10))
    student = np.mean([(d := paired_mean(row)).low <= 0.0 <= d.high for row in worlds])
    bootstrap = np.mean([(m := mean_interval(row, rng=rng, draws=400)).low <= 0.0 <= m.high for row in worlds])
    assert student == pytest.approx(0.95, abs=0.021)  # three standard errors
    assert bootstrap == pytest.approx(0.90, abs=0.029)  # likewise; the figure of the docstring


def test_equal_differences_give_no_length() -> None:
    assert paired_mean([0.0, 0.0, 0.0]) == Difference(0.0, 0.0, 0.0, 1.0, 3)
    assert paired_mean([-0.1, -0.1, -0.1], 0.9) == Difference(-0.1, -0.1, -0.1, 0.0, 3, 0.9)


@pytest.mark.parametrize("shape", [(0,), (1,), (2, 2)])
def test_too_few_differences_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(RangeError, match=r"^differences of shape \(.*\): expected \(worlds,\) with two or more\.$"):
        paired_mean(np.zeros(shape))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
def test_the_probability_of_improvement_is_mann_and_whitneys(strata: int, runs: int, others: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 5, (strata, runs)), rng.integers(0, 5, (strata, others))  # ties included
    expected = np.mean([mannwhitneyu(x, y).statistic for x, y in zip(one, other, strict=True)]) / (runs * others)
    found = probability_of_improvement(one, other, rng=rng, draws=50)
    assert found.estimate == pytest.approx(expected)
    assert probability_of_improvement(other, one, rng=rng, draws=50).estimate == pytest.approx(1.0 - expected)
    assert -1e-12 <= found.low <= found.high <= 1.0 + 1e-12


def test_the_probability_of_improvement_is_covered_nearly_as_often_as_it_says() -> None:
    rng, repeats = np.random.default_rng(1), 400
    truth = norm.cdf(0.5 / np.sqrt(2.0))  # of normal scores half a standard deviation apart
    covers = 0
    for _ in range(repeats):
        one, other = rng.normal(0.5, 1.0, (3, 12)), rng.normal(0.0, 1.0, (3, 9))
        _, low, high = probability_of_improvement(one, other, rng=rng, draws=300)
        covers += low <= truth <= high
    # Resampling 9 to 12 runs shortens the interval by some 5 %: 0.936 if normal. Four standard errors of 0.0125.
    assert covers / repeats == pytest.approx(0.936, abs=0.05)


def test_the_interval_of_the_probability_of_improvement_is_that_of_all_resamples() -> None:
    one, other, level = [[0.1, 1.0, 2.3], [0.4, 1.7, 3.9]], [[0.3, 1.2], [0.2, 2.0]], 0.8
    shares = [  # of each stratum, all 27 x 4 resamples, equally likely
        [np.mean([[x > y for x in xs] for y in ys]) for xs in product(a, repeat=3) for ys in product(b, repeat=2)]
        for a, b in zip(one, other, strict=True)
    ]
    every = np.array([0.5 * (a + b) for a, b in product(*shares)])
    found = probability_of_improvement(one, other, rng=np.random.default_rng(3), level=level, draws=20_000)
    for end, tail in ((found.low, 0.1), (found.high, 0.9)):
        # 20000 draws place a 10 % quantile to sqrt(0.09 / 20000) = 0.002; allow five times that.
        assert (every < end - 1e-9).mean() - 0.01 <= tail <= (every <= end + 1e-9).mean() + 0.01


def test_resamples_of_the_probability_of_improvement_stay_inside_their_stratum() -> None:
    one, other = [[0.0, 0.0], [9.0, 9.0]], [[5.0, 5.0, 5.0], [5.0, 5.0, 5.0]]
    assert probability_of_improvement(one, other, rng=np.random.default_rng(0)) == pytest.approx((0.5, 0.5, 0.5))


def test_strata_are_resampled_independently_of_each_other() -> None:
    # Each stratum gives 0, 1/2, 1 with chances 1/4, 1/2, 1/4. Drawn alike, the two would always add up to 1.
    found = probability_of_improvement([[0, 3], [3, 0]], [[1], [1]], rng=np.random.default_rng(0), level=0.8)
    assert found == pytest.approx((0.5, 0.25, 0.75))


@pytest.mark.parametrize(("one", "other"), [((2, 3), (3, 3)), ((3,), (3,)), ((2, 0), (2, 3)), ((0, 2), (0, 2))])
def test_scores_of_unlike_strata_are_refused(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(
        RangeError, match=r"^scores of shapes .* and .*: expected \(strata, runs\) with as many strata\.$"
    ):
        probability_of_improvement(np.zeros(one), np.zeros(other), rng=np.random.default_rng(0))


def test_holms_correction_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; the last may not fall below 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([0.3]) == pytest.approx([0.3])
    assert holm([]).shape == (0,)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.01, 0.02, 0.05])), min_size=1, max_size=6))
def test_holms_correction_is_the_closed_test_of_bonferronis(p: list[float]) -> None:
    # A question is settled when every set of questions that holds it is, each by Bonferroni (Marcus and others 1976).
    groups = list(chain.from_iterable(combinations(range(len(p)), k) for k in range(1, len(p) + 1)))
    each = [max(min(1.0, len(g) * min(p[j] for j in g)) for g in groups if i in g) for i in range(len(p))]
    assert holm(p) == pytest.approx(each, abs=1e-12)


@pytest.mark.parametrize("p", [[0.1, 1.2], [-0.1], [[0.1]]])
def test_what_is_no_p_value_is_refused(p: list[float]) -> None:
    with pytest.raises(RangeError, match=r"^p-values \[.*\]: expected a list of numbers from 0 to 1\.$"):
        holm(p)


@pytest.mark.parametrize(
    ("up", "down", "tolerance"), [(17, 13, 1e-9), (3, 0, 1e-9), (130, 100, 1e-2), (700, 600, 3e-2)]
)
def test_the_wealth_against_equal_successes_is_the_beta_function(up: int, down: int, tolerance: float) -> None:
    order = np.random.default_rng(0).permutation(np.repeat([1.0, -1.0, 0.0], [up, down, 50]))
    b, c = np.cumsum(order > 0), np.cumsum(order < 0)
    # 16 nodes are exact up to 31 pairs that differ, and near the uniform mixture beyond: 0.03 is 3 % of the wealth.
    assert log_e_values(order) == pytest.approx((b + c) * np.log(2.0) + betaln(b + 1, c + 1), abs=tolerance)


@pytest.mark.parametrize(("mean", "chances"), [(0.0, (0.2, 0.6, 0.2)), (-0.3, (0.5, 0.3, 0.2)), (0.5, (0.1, 0.3, 0.6))])
def test_nobody_gains_by_betting_against_the_truth(mean: float, chances: tuple[float, float, float]) -> None:
    paths = np.array(list(product([-1.0, 0.0, 1.0], repeat=6)))
    chance = np.prod(np.array(chances)[paths.astype(int) + 1], axis=1)
    assert chance @ np.exp(log_e_values(paths, mean)) == pytest.approx(np.ones(6))  # exact: all paths
    assert chance @ np.exp(log_e_values(paths, mean + 0.2))[:, -1] > 1.0  # but against an untruth


def test_peeking_a_thousand_times_errs_no_more_often_than_promised() -> None:
    rng, runs, looks, alpha = np.random.default_rng(2), 2000, 1000, 0.05
    equals = outcomes(rng, (runs, looks), up=0.3, down=0.3)
    errs = (log_e_values(equals) >= np.log(1.0 / alpha)).any(axis=1).mean()
    # The bound is 0.05; the true rate is about 0.04 here. Three standard errors of 0.0049 above the bound.
    assert 0.02 < errs <= alpha + 0.015
    total, told = np.cumsum(equals, axis=1), np.cumsum(equals != 0.0, axis=1)
    naive = (np.abs(total) > 1.96 * np.sqrt(np.maximum(told, 1)))[:, 20:].any(axis=1).mean()
    assert naive > 0.3  # McNemar's test at each look: what this is for


def test_graded_equals_are_not_told_apart_by_peeking() -> None:
    rng = np.random.default_rng(3)
    skewed = rng.choice([-1.0, 0.1], size=(1000, 500), p=[1.0 / 11.0, 10.0 / 11.0])  # mean zero, rarely much worse
    errs = (log_e_values(skewed) >= np.log(20.0)).any(axis=1).mean()
    assert errs <= 0.05 + 0.021  # three standard errors


def test_a_better_pilot_is_found_early_and_hardly_ever_the_wrong_one() -> None:
    rng = np.random.default_rng(4)
    d = outcomes(rng, (300, 600), up=0.2, down=0.1)
    after = [decided_after(row) for row in d]
    decided = [(n, row[:n].mean()) for n, row in zip(after, d, strict=True) if n is not None]
    assert len(decided) > 0.9 * len(d)
    assert np.median([n or 10**9 for n in after]) == pytest.approx(238, rel=0.15)  # the docstring's; 300 runs, to 5 %
    assert np.mean([mean < 0.0 for _, mean in decided]) < 0.025


def test_every_interval_of_a_sequence_holds_the_truth_at_once() -> None:
    rng = np.random.default_rng(5)
    d = 2.0 * rng.beta(4.0, 1.0, (500, 400)) - 1.0  # graded and skewed; its mean is 0.6
    # The truth is outside an interval exactly when the wealth against it is enough; see the next test.
    misses = (log_e_values(d, 0.6) >= np.log(20.0)).any(axis=1).mean()
    assert misses <= 0.05 + 0.03  # three standard errors


@settings(max_examples=40, deadline=None)
@given(DIFFERENCES, LEVELS)
def test_the_interval_ends_where_the_wealth_is_enough(values: list[float], level: float) -> None:
    d, enough = np.array(values), -np.log(1.0 - level)
    mean, low, high = anytime_interval(d, level)
    assert mean == pytest.approx(d.mean(), abs=1e-12)
    assert -1.0 <= low <= mean <= high <= 1.0
    for end, inward in ((low, 1e-6), (high, -1e-6)):
        if abs(end) < 1.0:
            assert log_e_values(d, end)[-1] >= enough - 1e-6
        inside = np.clip(end + inward, low, high)
        if abs(inside) < 1.0:
            assert log_e_values(d, float(inside))[-1] <= enough + 1e-6
    mirrored = anytime_interval(-d[::-1], level)  # exchange, and the order does not matter
    assert (mirrored.low, mirrored.high) == pytest.approx((-high, -low), abs=1e-9)
    wider = anytime_interval(d, 0.999)
    assert wider.low <= low + 1e-9
    assert wider.high >= high - 1e-9


def test_the_decision_comes_when_the_interval_leaves_zero() -> None:
    d = outcomes(np.random.default_rng(6), (600,), up=0.3, down=0.1)
    for level in (0.9, 0.99):
        n = decided_after(d, level)
        assert n is not None
        assert anytime_interval(d[:n], level).low > 0.0
        assert anytime_interval(d[: n - 1], level).low <= 0.0
        assert decided_after(d[: n - 1], level) is None
    assert decided_after([]) is None


def test_an_interval_for_all_looks_is_longer_than_that_for_one() -> None:
    rng = np.random.default_rng(7)
    for n in (100, 1000, 5000):
        d = outcomes(rng, (n,), up=0.2, down=0.1)
        _, low, high = anytime_interval(d)
        assert 1.5 < (high - low) / (2.0 * 1.96 * d.std() / np.sqrt(n)) < 1.9  # the docstring's


@pytest.mark.parametrize("values", [[1.0] * 40, [-1.0] * 40])
def test_a_clean_sheet_reaches_the_limit(values: list[float]) -> None:
    mean, low, high = anytime_interval(values)
    assert mean == values[0]
    assert (high == 1.0) if mean > 0 else (low == -1.0)
    assert high - low < 0.35


def test_what_the_gambler_cannot_bet_on_is_refused() -> None:
    with pytest.raises(
        RangeError, match=r"^differences of shape \(2,\), up to 3\.0: expected a list within -1 to 1\.$"
    ):
        log_e_values([0.5, -3.0])
    with pytest.raises(RangeError, match=r"^differences: 1 of 2 are not finite\."):
        decided_after([0.5, np.nan])
    with pytest.raises(RangeError, match=r"^mean = 1\.0: expected a number strictly between -1 and 1\.$"):
        log_e_values([0.5], 1.0)
    with pytest.raises(RangeError, match=r"^the mean of no differences: expected at least one\.$"):
        anytime_interval([])
    for call in (decided_after, anytime_interval):
        with pytest.raises(
            RangeError, match=r"^differences of shape \(2, 1\): expected \(n,\), one comparison at a time\.$"
        ):
            call([[0.5], [0.25]])
    for call in (decided_after, anytime_interval, paired_mean):
        with pytest.raises(RangeError, match=r"^level = 95\.0: expected a probability"):
            call([0.5, 0.25], 95.0)
