# SPDX-License-Identifier: Apache-2.0
"""Intervals that every figure carries: of a rate, of a mean, of an interquartile mean.

Two pilots are set against each other in `stope.base.comparisons`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.errors import RangeError

__all__ = [
    "Interval",
    "Rate",
    "binomial_band",
    "clopper_pearson",
    "finite_values",
    "iqm_interval",
    "mean_interval",
    "tail_of",
    "wilson",
]

BLOCK = 4_000_000
"""Resampled scores held at once [32 MB of float64], however many draws are asked for."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A success rate with its interval; all three are fractions from 0 to 1."""

    success: float
    n: int
    low: float
    high: float
    level: float = 0.95


class Interval(NamedTuple):
    """An estimate between the ends of its interval, in the unit of the values it came from."""

    estimate: float
    low: float
    high: float


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> Rate:
    """Exact central interval of a binomial rate (Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404).

    Raises:
        RangeError: unless 0 <= successes <= n and n > 0, and 0 < level < 1.
    """
    _check_counts(successes, n)
    from scipy.special import betaincinv  # noqa: PLC0415 -- scipy stays off the import path of the command line

    tail = tail_of(level)
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1.0 - tail))
    return Rate(successes / n, n, low, high, level)


def wilson(successes: int, n: int, level: float = 0.95) -> Rate:
    """Score interval of a binomial rate: shorter than the exact one, and right only on average over rates.

    For plots. Tables and safety bounds take `clopper_pearson`, which covers at least as often as it says; this one
    falls to 0.84 at its worst rates, near 0 and 1 (at a level of 0.95).

    Raises:
        RangeError: unless 0 <= successes <= n and n > 0, and 0 < level < 1.

    Source:
        Wilson 1927, doi 10.1080/01621459.1927.10502953.
    """
    _check_counts(successes, n)
    from scipy.special import ndtri  # noqa: PLC0415 -- as above

    z2 = float(ndtri(tail_of(level))) ** 2
    rate, shrink = successes / n, 1.0 / (1.0 + z2 / n)
    middle = (rate + 0.5 * z2 / n) * shrink
    half = sqrt(z2 * (rate * (1.0 - rate) / n + 0.25 * z2 / n**2)) * shrink
    # At 0 and n successes one end is the rate itself, but for rounding.
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == n else middle + half
    return Rate(rate, n, low, high, level)


def binomial_band(n: int, p: float, level: float = 0.95) -> tuple[float, float]:
    """Central range of the observed fraction of n trials whose true rate is p."""
    from scipy.stats import binom  # noqa: PLC0415 -- as above

    tail = tail_of(level)
    return float(binom.ppf(tail, n, p)) / n, float(binom.ppf(1.0 - tail, n, p)) / n


def mean_interval(values: ArrayLike, *, rng: np.random.Generator, level: float = 0.95, draws: int = 2000) -> Interval:
    """Mean and its percentile bootstrap interval.

    Raises:
        RangeError: for no values, or unless 0 < level < 1.
    """
    tail = tail_of(level)
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise RangeError("the mean of no values: expected at least one.")
    means = np.empty(draws)
    for begin in range(0, draws, step := max(1, BLOCK // x.size)):
        num = min(step, draws - begin)
        means[begin : begin + num] = x[rng.integers(0, x.size, (num, x.size))].mean(axis=1)
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(x.mean()), float(low), float(high))


def iqm_interval(scores: ArrayLike, *, rng: np.random.Generator, level: float = 0.95, draws: int = 2000) -> Interval:
    """Interquartile mean of all scores, with the percentile interval of a bootstrap within each stratum.

    The lowest and the highest quarter of all scores together are left out: less noisy than the mean when single runs
    fail or excel, less wasteful than the median. The trimming is of the whole matrix, so a stratum in which every
    score is low weighs little.

    Args:
        scores: Shape (strata, runs), in any unit common to all strata. Runs are resampled with replacement inside their
            stratum (a task, say), never across.
        rng: Random numbers of the bootstrap.
        level: Of the interval.
        draws: Bootstrap samples.

    Raises:
        RangeError: unless scores are finite, two or more in each stratum, and 0 < level < 1.

    Valid for:
        Runs that are independent within a stratum, and a question about these very strata: with worlds as strata and
        seeds as runs, the interval does not say what new worlds would do (give one stratum of worlds for that). Few
        runs make it too short: a percentile interval of m runs a stratum is narrower by about sqrt(1 - 1 / m).

    Source:
        Agarwal et al. 2021, doi 10.48550/arXiv.2108.13264, as their library rliable does it; it has the axes the other
        way round, (runs, tasks).
    """
    from scipy.stats import trim_mean  # noqa: PLC0415 -- as above

    tail = tail_of(level)
    x = finite_values(scores, "scores")
    if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] < 2:
        raise RangeError(f"scores of shape {x.shape}: expected (strata, runs) with two runs or more in each stratum.")
    strata = np.arange(len(x))[:, None]
    blocks = np.array_split(np.arange(draws), max(1, ceil(draws * x.size / BLOCK)))
    resampled: list[NDArray[np.float64]] = []
    for block in blocks:
        runs = rng.integers(0, x.shape[1], (len(block), *x.shape))
        resampled.append(trim_mean(x[strata, runs].reshape(len(block), -1), 0.25, axis=1))
    low, high = np.quantile(np.concatenate(resampled), [tail, 1.0 - tail])
    return Interval(float(trim_mean(x, 0.25, axis=None)), float(low), float(high))


def tail_of(level: float) -> float:
    """Probability on either side of a central interval.

    Raises:
        RangeError: unless 0 < level < 1.
    """
    if not 0.0 < level < 1.0:
        raise RangeError(f"level = {level}: expected a probability between 0 and 1, such as 0.95.")
    return 0.5 * (1.0 - level)


def finite_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """The values as an array, of any shape.

    Raises:
        RangeError: if one is not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if not np.isfinite(x).all():
        raise RangeError(
            f"{name}: {int((~np.isfinite(x)).sum())} of {x.size} are not finite. Say what they mean first."
        )
    return x


def _check_counts(successes: int, n: int) -> None:
    if n <= 0 or not 0 <= successes <= n:
        raise RangeError(f"{successes} successes of {n}: expected 0 <= successes <= n and n > 0.")
