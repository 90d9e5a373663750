# SPDX-License-Identifier: Apache-2.0
"""What would have to be true for a wished count to be worth having, one number at a time and then in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from stope.base.errors import RangeError
from stope.cluster.job import DenseTraining, Job
from stope.cluster.outcome import candidates, outcome_of
from stope.cluster.planner import WORTH
from stope.cluster.sampling import Sample, middle_of, scaled
from stope.cluster.system import System
from stope.cluster.training_step import Layout

__all__ = ["what_would_have_to_be_true"]

Gain = Callable[[Sample], float]
MOST = 1e6
"""Largest factor tried."""
STEPS = 12
"""Bisections: the factor is then good to 0.4 %."""
LEVERS = {"critical batch": ("job.critical_batch", 1), "failure rate": ("failure_rate", -1), "restart": ("restart", -1),
          "bandwidth of every tier": ("tier.bandwidth", 1), "latency of every tier": ("tier.latency", -1)}  # fmt: skip
ACTOR_LEVERS = {"rollout spread": ("job.rollout_spread", -1)}


def what_would_have_to_be_true(job: Job, system: System, count: int) -> dict[str, Any]:
    """For the last doubling up to `count` to shorten the job 1.25 times, at the middle of every range.

    Returns:
        `is_worth_it` as things are, `gain` of the last doubling, and under `levers` the factor on each number
        that would do alone, or None if none up to a million does.
    """
    middle, shortlist = middle_of(job, system), candidates(job, system)

    def gain(sample: Sample) -> float:
        return _gain(job, system, count, sample, shortlist)

    now = gain(middle)
    levers = LEVERS if isinstance(job, DenseTraining) else LEVERS | ACTOR_LEVERS
    found: dict[str, float | None] = {}
    if now < WORTH:
        found = {name: _least_factor(gain, middle, key, sign) for name, (key, sign) in levers.items()}
    return {"count": count, "gain": now, "is_worth_it": now >= WORTH,
            "levers": {name: _told(levers[name][1], factor) for name, factor in found.items()},
            "all_but_critical_batch": now >= WORTH or _with(gain, middle, levers) >= WORTH}  # fmt: skip


def _with(gain: Gain, middle: Sample, levers: Mapping[str, tuple[str, int]]) -> float:
    """The gain with everything but the critical batch as good as it gets."""
    return gain(scaled(middle, {key: MOST**sign for name, (key, sign) in levers.items() if name != "critical batch"}))


def _gain(job: Job, system: System, count: int, sample: Sample, shortlist: tuple[Layout, ...]) -> float:
    try:
        half = outcome_of(job, system, max(1, count // 2), sample, shortlist)
        whole = outcome_of(job, system, count, sample, shortlist)
    except RangeError:
        return 0.0
    a, b = float(half.seconds[0]), float(whole.seconds[0])
    return a / b if math.isfinite(b) and math.isfinite(a) else (MOST if math.isfinite(b) else 0.0)


def _least_factor(gain: Gain, middle: Sample, key: str, sign: int) -> float | None:
    """The least factor, 1 to a million, that makes the doubling worth it."""
    if gain(scaled(middle, {key: MOST**sign})) < WORTH:
        return None
    low, high = 0.0, math.log(MOST)
    for _ in range(STEPS):
        mid = 0.5 * (low + high)
        low, high = (low, mid) if gain(scaled(middle, {key: math.exp(mid) ** sign})) >= WORTH else (mid, high)
    return math.exp(high)


def _told(sign: int, factor: float | None) -> float | None:
    return None if factor is None else factor**sign
