# SPDX-License-Identifier: Apache-2.0
"""Plan: a job on a system over counts of devices: time, energy, cost, each with an interval, and what binds.

"Stops scaling" is three counts: where parallel efficiency falls under a half, where twice the devices shorten the time
less than 1.25 times, and where the goal costs twice its least price.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stope.base.errors import ConfigError, RangeError
from stope.cluster.job import DenseTraining, Job
from stope.cluster.outcome import USEFUL, Outcome, candidates, outcome_of
from stope.cluster.sampling import Sample, draws_of
from stope.cluster.system import System
from stope.cluster.training_step import Layout

__all__ = [
    "LARGEST",
    "WORTH",
    "default_counts",
    "evaluate_counts",
    "interval_of",
    "make_plan",
    "stop_counts",
    "whole_grid",
]

LARGEST = 2**20
"""Largest count planned for: about a million devices."""
WORTH = 1.25
"""How much shorter twice the devices must make it to be worth having."""
HALF_EFFICIENCY = 0.5
TWICE_COST = 2.0
CALIBRATED = 16 * 12288
"""Devices beyond which a plan extrapolates: 16 times the largest measured row."""
BINDS = 0.1
"""Share of the time that a loss must take to be called binding; under it the work itself binds."""
DAY = 86400.0

Counted = list[Outcome]
Evaluate = Callable[[int], Outcome]


def make_plan(
    job: Job, system: System, counts: Sequence[int] = (), *, sample: Sample | None = None, wished: int = 0
) -> dict[str, Any]:
    """Plan a job.

    Args:
        job: What is to be reached.
        system: On what.
        counts: Numbers of devices to show; none shows 20, up to about a million.
        sample: Other draws than those of the ranges, for "what if".
        wished: A count somebody has in mind; the plan then says what would have to be true for it.

    Returns:
        `rows`, one a count; `stops`, the three stop counts; `warnings`, and `wished` if asked.

    Raises:
        RangeError: the job does not fit, with the reason.
        ConfigError: a count that is none.
    """
    from stope.cluster.wished import what_would_have_to_be_true  # noqa: PLC0415 -- it plans too

    for count in (*counts, *([wished] if wished else [])):
        if not 1 <= count <= 16 * LARGEST:
            raise ConfigError(f"count {count}: expected 1 to {16 * LARGEST}.")
    sample = sample or draws_of(job, system)
    shortlist = candidates(job, system)
    grid = whole_grid(job, system, sample, shortlist)
    shown = evaluate_counts(job, system, counts, sample, shortlist, strict=True) if counts else grid
    plan: dict[str, Any] = {
        "job": job.name, "system": system.name, "status": system.status, "summary": system.summary,
        "rows": [_row(one, grid[0], system) for one in shown],
        "stops": stop_counts(grid),
        "warnings": _warnings(shown, system),
    }  # fmt: skip
    if wished:
        plan["wished"] = what_would_have_to_be_true(job, system, wished)
    return plan


def whole_grid(job: Job, system: System, sample: Sample, shortlist: tuple[Layout, ...]) -> Counted:
    """Outcomes of `default_counts`.

    Raises:
        RangeError: none fits, with the reason of the largest, or none ends.
    """
    counts = default_counts(job, shortlist)
    grid = evaluate_counts(job, system, counts, sample, shortlist)
    if not grid:
        evaluate_counts(job, system, counts[-1:], sample, shortlist, strict=True)
        raise RangeError(f"{job.name} on {system.name}: no count ends: failures come faster than restarts.")
    return grid


def default_counts(job: Job, shortlist: Sequence[Layout]) -> list[int]:
    """The smallest count that fits, and its doubles up to about a million."""
    first = min((layout.tensor * layout.pipeline for layout in shortlist), default=1)
    if isinstance(job, DenseTraining):
        first = 2 ** math.ceil(math.log2(first))
    return [first * 2**k for k in range(int(math.log2(LARGEST // first)) + 1)]


def evaluate_counts(
    job: Job,
    system: System,
    counts: Sequence[int],
    sample: Sample,
    shortlist: tuple[Layout, ...],
    *,
    strict: bool = False,
) -> Counted:
    """Outcomes of counts, without those that do not fit or never end.

    Raises:
        RangeError: if `strict`, the first that does not fit.
    """  # fmt: skip
    found: Counted = []
    for count in counts:
        try:
            one = outcome_of(job, system, count, sample, shortlist)
        except RangeError:
            if strict:
                raise
            continue
        if strict or math.isfinite(one.seconds[0]):
            found.append(one)
    return found


def stop_counts(grid: Counted) -> dict[str, Any]:
    """Where it stops scaling, three ways, each with an interval and what binds there; over a grid of doubled counts.

    Between two counts of the grid each measure is interpolated in the logarithm of the count.
    """
    seconds = np.array([one.seconds for one in grid])
    counts = np.array([one.count for one in grid], dtype=float)
    cost = np.array([one.usd for one in grid])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        efficiency = np.nan_to_num(seconds[0] * counts[0] / (seconds * counts[:, None]))
        # Twice the devices: the step of the grid, which is a replica off a factor of 2 where replicas are large.
        doubled = np.log2(counts[1:] / counts[:-1])[:, None]
        gain = np.nan_to_num((seconds[:-1] / seconds[1:]) ** (1.0 / doubled))
        cheapest = np.nanmin(np.where(np.isfinite(cost), cost, np.nan), axis=0)
        dear = np.nan_to_num(cheapest / cost)
    dear = np.where(np.arange(len(grid))[:, None] < np.argmax(dear, axis=0), 1.0, dear)
    measures = {
        "efficiency": (efficiency, HALF_EFFICIENCY, counts),
        "time": (gain, WORTH, counts[:-1]),
        "cost": (dear, 1.0 / TWICE_COST, counts),
    }
    return {name: _stop(grid, *given) for name, given in measures.items()}


def _stop(grid: Counted, measure: np.ndarray[Any, Any], least: float, counts: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Where a falling measure first comes under `least`, for each draw, with an interval."""
    found = np.array([_crossing(measure[:, k], least, counts) for k in range(measure.shape[1])])
    low, middle, high = (float(v) for v in np.quantile(found, (0.1, 0.5, 0.9), method="nearest"))
    at = next((one for one in grid if one.count > middle), grid[-1])
    return {"count": round(middle), "low": round(low), "high": round(high), "binding": binding(at),
            "is_beyond_grid": bool(middle >= counts[-1])}  # fmt: skip


def _crossing(measure: np.ndarray[Any, Any], least: float, counts: np.ndarray[Any, Any]) -> float:
    under = np.flatnonzero(measure < least)
    if not len(under):
        return float(counts[-1])
    k = int(under[0])
    if k == 0:
        return float(counts[0])
    share = (measure[k - 1] - least) / (measure[k - 1] - measure[k])
    return float(counts[k - 1] * (counts[k] / counts[k - 1]) ** share)


def binding(one: Outcome) -> str:
    """What takes most of the time beside the work; the largest part of the work if no loss takes a tenth."""
    shares = _shares(one)
    losses = {name: share for name, share in shares.items() if name not in USEFUL}
    worst = max(losses, key=lambda name: losses[name])
    if losses[worst] >= BINDS:
        return worst
    return max((name for name in USEFUL if name in shares), key=lambda name: shares[name])


def _shares(one: Outcome) -> dict[str, float]:
    """Share of the time of each part, the median over draws."""
    with np.errstate(invalid="ignore"):
        found = {name: float(np.median(np.nan_to_num(part / one.seconds, nan=1.0))) for name, part in one.parts.items()}
    return found


def interval_of(values: np.ndarray[Any, Any], scale: float = 1.0) -> dict[str, float | None]:
    """Middle and 80 % interval; None where it never ends."""
    low, middle, high = np.quantile(np.asarray(values) / scale, (0.1, 0.5, 0.9), method="nearest")
    return {
        name: float(v) if math.isfinite(v) else None for name, v in (("mean", middle), ("low", low), ("high", high))
    }


def _row(one: Outcome, first: Outcome, system: System) -> dict[str, Any]:
    with np.errstate(invalid="ignore", divide="ignore"):
        efficiency = np.nan_to_num(first.seconds * first.count / (one.seconds * one.count))
    return {
        "count": one.count,
        "days": interval_of(one.seconds, DAY),
        "mwh": interval_of(one.joules, 3.6e9),
        "usd": interval_of(one.usd),
        "efficiency": interval_of(efficiency),
        "useful_time": interval_of(np.asarray(one.useful)),
        "binding": binding(one),
        "parts": {name: round(share, 4) for name, share in _shares(one).items()},
        "memory_share": one.memory,
        "how": one.how,
        "is_beyond_largest": one.count > system.devices_max.high,
    }


def _warnings(shown: Counted, system: System) -> list[str]:
    found: list[str] = []
    largest = max(one.count for one in shown)
    if system.status in ("announced", "hypothesis"):
        found.append(f"{system.name}: {system.status}; its numbers are claims, not measurements.")
    if largest > system.devices_max.value:
        found.append(
            f"counts over {system.devices_max.value:.0f} are more than one job gets: {system.devices_max.source}."
        )
    if largest > CALIBRATED:
        found.append(f"counts over {CALIBRATED} extrapolate more than 16 times beyond the largest measured row.")
    return found


def share_table(parts: Mapping[str, float], most: int = 3) -> str:
    """The largest parts, in words."""
    ordered = sorted(parts.items(), key=lambda one: -one[1])[:most]
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in ordered)
