# SPDX-License-Identifier: Apache-2.0
"""Intervals that every figure carries: exact binomial ones for rates, bootstrap ones for means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stope.base.errors import RangeError

__all__ = ["Rate", "binomial_band", "clopper_pearson", "mean_interval"]


@dataclass(frozen=True, slots=True)
class Rate:
    """A success rate with its interval; all three are fractions from 0 to 1."""

    success: float
    n: int
    low: float
    high: float
    level: float = 0.95


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> Rate:
    """Exact central interval of a binomial rate (Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404).

    Raises:
        RangeError: unless 0 <= successes <= n and n > 0.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise RangeError(f"{successes} successes of {n}: expected 0 <= successes <= n and n > 0.")
    from scipy.special import betaincinv  # noqa: PLC0415 -- scipy stays off the import path of the command line

    tail = 0.5 * (1.0 - level)
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1.0 - tail))
    return Rate(successes / n, n, low, high, level)


def binomial_band(n: int, p: float, level: float = 0.95) -> tuple[float, float]:
    """Central range of the observed fraction of n trials whose true rate is p."""
    from scipy.stats import binom  # noqa: PLC0415 -- as above

    tail = 0.5 * (1.0 - level)
    return float(binom.ppf(tail, n, p)) / n, float(binom.ppf(1.0 - tail, n, p)) / n


def mean_interval(
    values: ArrayLike, *, rng: np.random.Generator, level: float = 0.95, draws: int = 2000
) -> tuple[float, float, float]:
    """Mean and its percentile bootstrap interval.

    Raises:
        RangeError: for no values.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise RangeError("the mean of no values: expected at least one.")
    means = x[rng.integers(0, x.size, (draws, x.size))].mean(axis=1)
    low, high = np.quantile(means, [0.5 * (1 - level), 0.5 * (1 + level)])
    return float(x.mean()), float(low), float(high)
