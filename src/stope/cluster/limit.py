# SPDX-License-Identifier: Apache-2.0
"""Limit: where each system stops for a job, what binds there, and whether a perfect fabric would change that.

The perfect fabric has infinite bandwidth and only light between devices. What it does not move, no wire can: the claim
of such a wire is irrelevant for that job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stope.base.errors import RangeError
from stope.base.progress import Progress, silent
from stope.cluster.job import Job
from stope.cluster.outcome import Outcome, candidates, outcome_of
from stope.cluster.planner import default_counts, make_plan, stop_counts, whole_grid
from stope.cluster.sampling import draws_of
from stope.cluster.system import System, ideal_fabric, load_system
from stope.cluster.training_step import Layout

__all__ = ["limit_of", "limits", "plans_beside"]

MOVES = 1.1
"""Factor on a stop count from which it has moved (chosen); under it, nobody would buy another number of machines."""


def limits(job: Job, systems: Sequence[System], *, progress: Progress = silent) -> list[dict[str, Any]]:
    """`limit_of` for each system; one that cannot take the job says why."""
    found: list[dict[str, Any]] = []
    for done, system in enumerate(systems, start=1):
        try:
            found.append(limit_of(job, system))
        except RangeError as error:
            found.append({"job": job.name, "system": system.name, "status": system.status, "why_not": str(error)})
        progress("limits", done / len(systems))
    return found


def limit_of(job: Job, system: System) -> dict[str, Any]:
    """Where a job stops on a system, as it is and with a perfect fabric.

    Returns:
        `stops` and `ideal_stops`, each with the three counts; `moved`, the stop counts that a perfect fabric moves;
        `faster`, how much shorter the job is there with it at the count where time stops; `moved_by`, which property
        did it; for a hypothesis also `against`, the machine it changes.

    Raises:
        RangeError: the job does not fit.
    """
    shortlist = candidates(job, system)
    counts = default_counts(job, shortlist)
    grid = whole_grid(job, system, draws_of(job, system), shortlist)
    ideal = _ideal(job, system, counts, shortlist)
    stops, best = stop_counts(grid), stop_counts(ideal)
    moved = [name for name in stops if _has_moved(stops[name]["count"], best[name]["count"])]
    at = stops["time"]["count"]
    faster = _at(grid, at).seconds[0] / _at(ideal, at).seconds[0]
    found: dict[str, Any] = {
        "job": job.name, "system": system.name, "status": system.status, "stops": stops, "ideal_stops": best,
        "moved": moved, "faster": float(faster), "is_host_bound": _is_host_bound(_at(grid, at)),
        "is_relevant": bool(moved),
        "moved_by": _moved_by(job, system, counts, shortlist, stops) if moved else [],
    }  # fmt: skip
    if system.based_on:
        base = limit_of(job, load_system(system.based_on))
        differ = [n for n in stops if _has_moved(stops[n]["count"], base["stops"][n]["count"])]
        found["against"] = {"system": system.based_on, "stops": base["stops"], "moved": differ}
    return found


def _has_moved(before: int, after: int) -> bool:
    return max(before, after) > MOVES * min(before, after) + 1.0  # counts are whole


def _at(grid: list[Outcome], count: int) -> Outcome:
    return min(grid, key=lambda one: abs(one.count - count))


def _is_host_bound(one: Outcome) -> bool:
    """Whether the largest part of the work itself is stepping worlds on host cores."""
    work = {name: float(np.median(one.parts[name])) for name in ("host rollout", "learner", "compute", "rollout")
            if name in one.parts}  # fmt: skip
    return max(work, key=lambda name: work[name]) == "host rollout"


def _ideal(
    job: Job, system: System, counts: Sequence[int], shortlist: tuple[Layout, ...], *, keep: str = ""
) -> list[Outcome]:
    """Outcomes with the perfect fabric of each count; `keep` leaves latency or bandwidth as it is."""
    found: list[Outcome] = []
    for count in counts:
        perfect = ideal_fabric(system, count)
        if keep:
            light = perfect.tiers[0]
            if keep == "latency":
                tiers = tuple(replace(tier, bandwidth=light.bandwidth) for tier in system.tiers)
            else:
                tiers = tuple(replace(tier, latency=light.latency) for tier in system.tiers)
            perfect = replace(system, tiers=tiers)
        try:
            one = outcome_of(job, perfect, count, draws_of(job, perfect), shortlist)
        except RangeError:
            continue
        if np.isfinite(one.seconds[0]):
            found.append(one)
    return found


def _moved_by(
    job: Job, system: System, counts: Sequence[int], shortlist: tuple[Layout, ...], stops: dict[str, Any]
) -> list[str]:
    """Which of infinite bandwidth and light's latency moves a stop count alone."""
    alone = {"bandwidth": "latency", "latency": "bandwidth"}
    found: list[str] = []
    for name, keep in alone.items():
        other = stop_counts(_ideal(job, system, counts, shortlist, keep=keep))
        if any(_has_moved(stops[k]["count"], other[k]["count"]) for k in stops):
            found.append(name)
    return found or ["both together"]


def plans_beside(job: Job, systems: Sequence[System]) -> list[dict[str, Any]]:
    """Plans of the systems that can take the job, for a picture."""
    found: list[dict[str, Any]] = []
    for system in systems:
        try:
            found.append(make_plan(job, system))
        except RangeError:
            continue
    return found
