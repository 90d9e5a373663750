# SPDX-License-Identifier: Apache-2.0
"""Failures: how often a job stops, how often it should save itself, and what share of its time is useful."""

from __future__ import annotations

import numpy as np

from stope.cluster.collectives import Real

__all__ = ["checkpoint_interval", "job_mttf", "useful_share", "useful_share_without"]

NEVER = 14.0
"""Working times between failures after which a job without checkpoints is said to never end: a million tries."""


def job_mttf(num_nodes: Real, failure_rate: Real) -> Real:
    """Mean time to failure of a job whose nodes fail independently [s]: 1 / (n r)."""
    return 1.0 / np.maximum(num_nodes * failure_rate, 1e-300)


def checkpoint_interval(checkpoint_write: Real, mttf: Real) -> Real:
    """Young's best time between checkpoints [s]: sqrt(2 w M).

    Valid for:
        A write much shorter than the time between failures; beside it Daly's higher terms are small.

    Source:
        Young 1974, Daly 2006, doi 10.1016/j.future.2004.11.016.
    """
    return np.sqrt(2.0 * checkpoint_write * mttf)


def useful_share(num_nodes: Real, *, failure_rate: Real, checkpoint_write: Real, restart: Real) -> Real:
    """Share of its wall-clock time that a job moves on [1]: (1 - n r (u + D / 2)) / (1 + w / D), D by Young.

    Source:
        arXiv 2410.21680, expected training time ratio; 0 where failures come faster than restarts.
    """
    mttf = job_mttf(num_nodes, failure_rate)
    every = np.maximum(checkpoint_interval(checkpoint_write, mttf), 1e-9)
    lost = (restart + every / 2.0) / mttf
    return np.maximum(1.0 - lost, 0.0) / (1.0 + checkpoint_write / every)


def useful_share_without(working: Real, *, mttf: Real, restart: Real) -> Real:
    """The same for a job that writes no checkpoint and begins anew after each failure [1]; best for short ones.

    The mean time to work `working` seconds without a failure between, failures exponential, is
    (M + u) (exp(W / M) - 1).
    """
    exponent = np.minimum(working / mttf, NEVER)
    return np.where(exponent < NEVER, working / np.maximum((mttf + restart) * np.expm1(exponent), 1e-300), 0.0)
