# SPDX-License-Identifier: Apache-2.0
"""Figures of a mission over all replicates: means with intervals, the band of outcomes, counts, and the bound.

There is no success rate with an interval here. A month draws a skill ten thousand times from a bank of some hundred
measured outcomes, so an interval of the draws would claim a knowledge that nobody has; the skill bank's own table has
the measured rates and their intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stope.base.config import as_dict, content_hash
from stope.base.intervals import mean_interval
from stope.base.seeding import generator
from stope.fleet.bound import LIMITS
from stope.fleet.month import KPIS, Month
from stope.fleet.scenario import FerryScenario
from stope.fleet.skill_bank import SkillBank

__all__ = ["MissionResult", "Spread", "summarise"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """One figure over all replicates."""

    mean: float
    low: float
    """Lower end of the mean's 95 % bootstrap interval."""
    high: float
    """Upper end of the mean's 95 % bootstrap interval."""
    p05: float
    """5 % of replicates have less."""
    p95: float
    """5 % of replicates have more."""
    n: int
    """Replicates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MissionResult:
    """What the replicates of a mission have in common, and each of them."""

    scenario: str
    """Its name."""
    scenario_digest: str
    """Content hash of the scenario."""
    bank_digest: str
    """Content hash of the skill bank."""
    seed: int
    replicates: int
    digest: str
    """Content hash of every figure of every month: the same for the same scenario, bank and seed."""
    kpis: dict[str, Spread]
    """By the names in `stope.fleet.month.KPIS`."""
    bound: Spread
    """Most canisters that robots could deliver."""
    limits: dict[str, float]
    """Mean of each limit [canisters], by the names in `stope.fleet.bound.LIMITS`."""
    binding: dict[str, int]
    """In how many replicates each limit was the least."""
    time_shares: dict[str, Spread]
    """Of all robot time, by state."""
    stations: dict[str, dict[str, float]]
    """Mean over the replicates of each station's figures; the largest of those that say `max`."""
    activities: dict[str, dict[str, float]]
    """Of each activity, over all replicates: how many were begun, succeeded, failed, and broken off by a breakdown."""
    failures: dict[str, Spread]
    """By cause."""
    delivered_kg_by_day: dict[str, list[float]]
    """In each day: mean, p05, p95."""
    robots_by_hour: dict[str, list[float]]
    """Mean number of robots in each state at the beginning of each hour."""
    months: tuple[Month, ...]
    """The replicates."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a report; the months are left out."""
        data = as_dict(self)
        del data["months"]
        return data | {"kpi_units": {name: {"unit": unit, "what": what} for name, (unit, what) in KPIS.items()},
                       "limit_meanings": LIMITS}  # fmt: skip


def summarise(scenario: FerryScenario, bank: SkillBank, months: Sequence[Month], *, seed: int) -> MissionResult:
    """Figures over months of the same scenario, bank and seed."""

    def spread(name: str, pick: Callable[[Month], float]) -> Spread:
        return _spread([pick(m) for m in months], name, seed)

    first = months[0]
    least = [min(m.limits, key=lambda name, m=m: m.limits[name]) for m in months]
    return MissionResult(
        scenario=scenario.name, scenario_digest=scenario.digest, bank_digest=bank.digest, seed=seed,
        replicates=len(months), digest=content_hash([m.digest for m in months]),
        kpis={name: spread(name, lambda m, name=name: m.kpis[name]) for name in KPIS},
        bound=spread("bound", lambda m: min(m.limits.values())),
        limits={name: _mean(m.limits[name] for m in months) for name in LIMITS},
        binding={name: least.count(name) for name in LIMITS},
        time_shares={s: spread(f"time in {s}", lambda m, s=s: m.time_shares[s]) for s in first.time_shares},
        stations={name: _station([m.stations[name] for m in months]) for name in first.stations},
        activities={name: {key: sum(m.activities[name][key] for m in months) for key in row}
                    for name, row in first.activities.items()},
        failures={c: spread(f"failures by {c}", lambda m, c=c: m.failures[c]) for c in first.failures},
        delivered_kg_by_day=_days(months),
        robots_by_hour={s: np.mean([m.robots_by_hour[s] for m in months], axis=0).tolist()
                        for s in first.robots_by_hour},
        months=tuple(months),
    )  # fmt: skip


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _spread(values: Sequence[float], name: str, seed: int) -> Spread:
    mean, low, high = mean_interval(values, rng=generator(seed, "fleet", "bootstrap", name))
    p05, p95 = np.quantile(values, (0.05, 0.95))
    return Spread(mean=mean, low=low, high=high, p05=float(p05), p95=float(p95), n=len(values))


def _station(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean wait is that of all who waited, not the mean of the replicates' means."""
    out = {
        key: max(row[key] for row in rows) if key.startswith("max_") else _mean(row[key] for row in rows)
        for key in rows[0]
    }
    left = sum(row["arrivals"] - row["still_waiting"] for row in rows)
    waited = sum(row["mean_wait_s"] * (row["arrivals"] - row["still_waiting"]) for row in rows)
    return out | {"mean_wait_s": waited / left if left else 0.0}


def _days(months: Sequence[Month]) -> dict[str, list[float]]:
    days = np.array([m.delivered_kg_by_day for m in months])
    low, high = np.quantile(days, (0.05, 0.95), axis=0)
    return {"mean": days.mean(axis=0).tolist(), "p05": low.tolist(), "p95": high.tolist()}
