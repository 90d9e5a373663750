# SPDX-License-Identifier: Apache-2.0
"""Which of two is better, and how sure that is: in the same worlds, over many questions, and while still counting.

Two pilots flown through the same worlds are compared by `paired_success` (did it work?) and `paired_mean` (how well?).
`probability_of_improvement` needs no pairs. Many p-values at once go through `holm`. Whoever looks at the result while
episodes still come in, or stops when it pleases, uses `log_e_values`, `decided_after` and `anytime_interval`, and none
of the others: what those promise holds for a number of worlds fixed beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.errors import RangeError
from stope.base.intervals import Interval, finite_values, tail_of

__all__ = [
    "Difference",
    "anytime_interval",
    "decided_after",
    "holm",
    "log_e_values",
    "paired_mean",
    "paired_success",
    "probability_of_improvement",
]

Floats = NDArray[np.float64]

NUM_BETS = 16
"""Sizes of bet on each side; valid for any number. Twice as many moved no median stopping time of 1000 simulated
comparisons (expected values of 0.02 to 0.5, up to 1000 pairs), half as many moved the longest by 2 %."""
TOLERANCE = 1e-12
"""How closely the end of an interval is found, on the side that makes it longer."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One pilot minus the other in the same worlds, with its interval and the p-value of no difference."""

    estimate: float
    low: float
    high: float
    p_value: float
    n: int
    level: float = 0.95


def paired_success(only_one: int, only_other: int, n: int, *, level: float = 0.95) -> Difference:
    """Difference of two success rates in the same worlds: score interval, and exact McNemar p-value.

    Args:
        only_one: Worlds in which only the first pilot succeeded.
        only_other: Worlds in which only the other did.
        n: All worlds, those where both or neither succeeded included.
        level: Of the interval.

    Returns:
        The first pilot's rate minus the other's. The p-value is the exact two-sided one of as many successes on one
        side as on the other, given the number of worlds that tell them apart; it is conservative, so an interval just
        clear of zero can go with a p-value just above 1 - level.

    Raises:
        RangeError: unless the counts are not negative, sum to at most n, n > 0, and 0 < level < 1.

    Valid for:
        Worlds drawn independently. The interval is approximate: at a level of 0.95 it covers with a chance of 0.93 or
        more, 0.95 to 0.96 on average (20 and 50 worlds; tests/base/test_comparisons.py). It does not collapse when no
        world tells the two apart, unlike Wald's: it is then +- z^2 / (n + z^2).

    Source:
        [tango1998], which inverts McNemar's score test; exact test: McNemar 1947, doi 10.1007/BF02295996.
    """
    if n <= 0 or min(only_one, only_other) < 0 or only_one + only_other > n:
        raise RangeError(
            f"only one {only_one}, only other {only_other}, of {n} worlds: expected counts >= 0, together <= n, n > 0."
        )
    from scipy.special import ndtri  # noqa: PLC0415 -- scipy stays off the import path of the command line
    from scipy.stats import binomtest  # noqa: PLC0415 -- as above

    z2 = float(ndtri(tail_of(level))) ** 2

    def is_excluded(delta: float) -> bool:
        # Likeliest chance of "only other" where the rates differ by delta: the larger root of a quadratic.
        b = -only_one - only_other + (2 * n - only_one + only_other) * delta
        c = -only_other * delta * (1.0 - delta)
        rare = (sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = n * max(2.0 * rare + delta * (1.0 - delta), 0.0)
        return (only_one - only_other - n * delta) ** 2 > z2 * variance

    estimate = (only_one - only_other) / n
    low, high = _end(is_excluded, estimate, -1.0), _end(is_excluded, estimate, 1.0)
    told = only_one + only_other
    p_value = float(binomtest(only_one, told).pvalue) if told else 1.0
    return Difference(estimate, low, high, p_value, n, level)


def paired_mean(differences: ArrayLike, level: float = 0.95) -> Difference:
    """Mean of paired differences with Student's interval and p-value.

    For few worlds, where the bootstrap of `mean_interval` is too short: of 10 normal values it covers 0.90 instead
    of 0.95.

    Args:
        differences: One per world, shape (n,), one pilot minus the other. Average over episodes and seeds of the same
            world first; they are not independent.
        level: Of the interval.

    Returns:
        Differences without any spread give an interval without length, and p = 1 if they are zero, else 0.

    Raises:
        RangeError: for fewer than two differences, one that is not finite, or unless 0 < level < 1.

    Source:
        Student 1908, doi 10.1093/biomet/6.1.1.
    """
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 -- as above

    tail, d = tail_of(level), finite_values(differences, "differences")
    if d.ndim != 1 or len(d) < 2:
        raise RangeError(f"differences of shape {d.shape}: expected (worlds,) with two or more.")
    n, mean, error = len(d), float(d.mean()), float(d.std(ddof=1)) / sqrt(len(d))
    if np.ptp(d) == 0.0:
        return Difference(float(d[0]), float(d[0]), float(d[0]), float(d[0] == 0.0), n, level)
    half = -float(stdtrit(n - 1, tail)) * error
    return Difference(mean, mean - half, mean + half, 2.0 * float(stdtr(n - 1, -abs(mean) / error)), n, level)


def probability_of_improvement(
    one: ArrayLike, other: ArrayLike, *, rng: np.random.Generator, level: float = 0.95, draws: int = 2000
) -> Interval:
    """Chance that a run of one scores higher than a run of the other, mean over strata, ties counting half.

    Args:
        one: Scores of the first, shape (strata, runs); more is better.
        other: Scores of the other, shape (strata, its runs). Runs of the two are not paired.
        rng: Random numbers of the bootstrap, which resamples runs of both inside each stratum.
        level: Of the percentile interval. It has no length where all runs of one side win.
        draws: Bootstrap samples.

    Raises:
        RangeError: unless scores are finite, of as many strata, with a run or more in each, and 0 < level < 1.

    Source:
        Agarwal et al. 2021, doi 10.48550/arXiv.2108.13264; in each stratum the statistic of Mann and Whitney 1947,
        doi 10.1214/aoms/1177730491, over its largest value.
    """
    tail, x, y = tail_of(level), finite_values(one, "scores of one"), finite_values(other, "scores of the other")
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or 0 in x.shape + y.shape:
        raise RangeError(f"scores of shapes {x.shape} and {y.shape}: expected (strata, runs) with as many strata.")
    wins = 0.5 * (1.0 + np.sign(x[:, :, None] - y[:, None, :]))

    def shares(runs: int) -> Floats:
        """How often each run is drawn, as a fraction of its stratum."""
        return rng.multinomial(runs, np.full(runs, 1.0 / runs), (draws, len(x))) / runs

    resampled = np.einsum("dsi,sij,dsj->d", shares(x.shape[1]), wins, shares(y.shape[1]), optimize=True) / len(x)
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return Interval(float(wins.mean()), float(low), float(high))


def holm(p_values: ArrayLike) -> Floats:
    """Adjusted p-values of a family of questions, in the order given.

    Calling significant what is below alpha errs anywhere in the family with a chance of at most alpha, however the
    p-values depend on each other. Never less powerful than Bonferroni.

    Args:
        p_values: Shape (questions,). All that were asked, not only those that look good.

    Raises:
        RangeError: if one is not within 0 to 1.

    Source:
        Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    p = finite_values(p_values, "p-values")
    if p.ndim != 1 or (p < 0.0).any() or (p > 1.0).any():
        raise RangeError(f"p-values {p.tolist()}: expected a list of numbers from 0 to 1.")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def log_e_values(differences: ArrayLike, mean: float = 0.0) -> Floats:
    """Evidence after each difference that their expected value is not `mean`: log wealth of a gambler who bets on it.

    The gambler starts with 1, spread evenly over bets of a fixed fraction, 0 to 1, on either side, and cannot expect to
    gain if `mean` is true. So the chance that the wealth *ever* reaches 1 / alpha is at most alpha (Ville's
    inequality): look as often as you please, stop at log(1 / alpha). Differences of zero cost nothing where `mean` is
    zero, and the order of the past does not matter. Paired successes (differences -1, 0, 1) with b up and c down give
    a wealth against zero of 2^(b + c) B(b + 1, c + 1): a sequential McNemar test.

    Args:
        differences: Shape (..., n), in the order seen, each within -1 to 1: scale scores by their known bounds,
            never by those observed.
        mean: Hypothesis, between -1 and 1; not zero asks for a margin.

    Returns:
        Shape (..., n), natural logarithms.

    Raises:
        RangeError: if a difference is not within -1 to 1, or the mean not strictly so.

    Valid for:
        Differences whose expected value stays the same given the past, as with worlds drawn independently for each
        pair. Not for a fixed list of worlds sorted by difficulty.

    Source:
        Waudby-Smith and Ramdas 2024, doi 10.1093/jrsssb/qkad009, betting with a mixture of constant bets; over all
        fractions, as the universal portfolio of Orabona and Jun 2024, doi 10.1109/TIT.2023.3330187. It decides sooner
        than the closed-form empirical Bernstein sequence of the former, and about as soon or sooner than their hedged
        predictable plug-in bets: with chances of 0.2 up and 0.1 down after 238 pairs (median), not 325 and 263.
    """
    d = _within_one(differences)
    if not -1.0 < mean < 1.0:
        raise RangeError(f"mean = {mean}: expected a number strictly between -1 and 1.")
    wealth = np.full(d.shape, -np.inf)
    for log_share, log_gain in _bets(d, mean):
        np.logaddexp(wealth, log_share + np.cumsum(log_gain, axis=-1), out=wealth)
    return wealth


def decided_after(differences: ArrayLike, level: float = 0.95) -> int | None:
    """Number of pairs after which zero was first excluded, where one may stop; None if it never was.

    The better one is told by the sign of the mean of these pairs. What comes later does not undo the decision.

    Args:
        differences: Shape (n,), in the order seen, as in `log_e_values`.
        level: 1 - level is the chance, at most, of ever deciding between equals.

    Raises:
        RangeError: unless differences are a list within -1 to 1, and 0 < level < 1.
    """
    is_decided = log_e_values(_list_within_one(differences)) >= -log(2.0 * tail_of(level))
    return int(np.argmax(is_decided)) + 1 if is_decided.any() else None


def anytime_interval(differences: ArrayLike, level: float = 0.95) -> Interval:
    """Mean of differences so far, with an interval that may be looked at, and stopped on, at any time.

    With a chance of `level` or more the intervals after 1, 2, 3, ... differences *all* hold the expected value. The
    price is length: 1.5 to 1.9 times that of an interval for one look, from 100 to 5000 pairs; more while n is so small
    that the bounds of -1 and 1 weigh more than the spread.

    Args:
        differences: Shape (n,), as in `log_e_values`; all of them, from the first on.
        level: Of all the intervals together.

    Returns:
        The means that `log_e_values` leaves below log(1 / (1 - level)). They form an interval, as the wealth is convex
        in the mean, and hold the mean of the differences, against which no bet gains.

    Raises:
        RangeError: unless differences are a list within -1 to 1, not empty, and 0 < level < 1.
    """
    enough = -log(2.0 * tail_of(level))
    values, counts = np.unique(_list_within_one(differences), return_counts=True)
    if not len(values):
        raise RangeError("the mean of no differences: expected at least one.")

    def is_excluded(mean: float) -> bool:
        wealth = [log_share + float(counts @ log_gain) for log_share, log_gain in _bets(values, mean)]
        return float(np.logaddexp.reduce(wealth)) >= enough

    estimate = float(np.clip(counts @ values / counts.sum(), values[0], values[-1]))
    return Interval(estimate, _end(is_excluded, estimate, -1.0), _end(is_excluded, estimate, 1.0))


@cache
def _bet_sizes() -> tuple[Floats, Floats]:
    # Nodes of Gauss and Legendre: the uniform mixture exactly, up to 31 differences. The weights add up to 1 always.
    nodes, weights = np.polynomial.legendre.leggauss(NUM_BETS)
    return 0.5 * (nodes + 1.0), 0.25 * weights


def _bets(d: Floats, mean: float) -> Iterator[tuple[float, Floats]]:
    """Yield each bet on the expected value not being `mean`: log of its share of the wealth, log gain on each value."""
    above, below = (1.0 + d) / (1.0 + mean), (1.0 - d) / (1.0 - mean)
    for size, share in zip(*_bet_sizes(), strict=True):
        for odds in (above, below):
            yield log(share), np.log((1.0 - size) + size * odds)


def _within_one(differences: ArrayLike) -> Floats:
    d = finite_values(differences, "differences")
    if d.ndim == 0 or (np.abs(d) > 1.0).any():
        raise RangeError(f"differences of shape {d.shape}, up to {np.abs(d).max()}: expected a list within -1 to 1.")
    return d


def _list_within_one(differences: ArrayLike) -> Floats:
    d = _within_one(differences)
    if d.ndim != 1:
        raise RangeError(f"differences of shape {d.shape}: expected (n,), one comparison at a time.")
    return d


def _end(is_excluded: Callable[[float], bool], inside: float, outside: float) -> float:
    """End of an interval between a value in it and one that is not, or the latter: the limit of the scale."""
    while abs(outside - inside) > TOLERANCE:
        middle = 0.5 * (inside + outside)
        if is_excluded(middle):
            outside = middle
        else:
            inside = middle
    return outside
