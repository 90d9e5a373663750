# SPDX-License-Identifier: Apache-2.0
"""Many months: beliefs outside, chance inside, and how much of the spread comes from each.

The band of everything is that of all months. The band of chance is that of months around the mean of their belief; the
band of belief is that of the beliefs' means, from whose variance the part that chance leaves in a mean is taken off.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.config import content_hash
from stope.base.progress import Progress, silent
from stope.fleet.mission.bank import Bank, Tables
from stope.fleet.mission.kernels.columns import SKILLS
from stope.fleet.mission.lay_out import place_of
from stope.fleet.mission.month import play
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["bands", "extrapolated", "lost_time", "months", "summarise"]

Store = Callable[[str, Callable[[], dict[str, Any]]], dict[str, Any]]
NORMAL_90 = 1.6448536269514722
"""95 % quantile of the standard normal."""
GRAVITY_SLACK = 0.1
"""Share by which a pit's gravity may differ from that of the measurement and still count as measured (chosen)."""
WAITS = {
    "recharge": "light", "cool": "cool ground", "blocked": "room on the pile", "queue-pit": "ore at the pit",
    "queue-port": "a port or room at the plant", "queue-repair": "a maintainer", "repair": "repair",
    "wait-earth": "Earth", "parked": "orders", "lost": "robots lost", "no-spare": "spare parts",
    "safe": "a policy, the site's server, or an open pit",
}  # fmt: skip


def months(
    scenario: MonthScenario,
    bank: Bank,
    *,
    seed: int,
    store: Store | None = None,
    num_threads: int = 1,
    progress: Progress = silent,
) -> list[list[dict[str, Any]]]:
    """Every month, by belief and chance.

    Args:
        scenario: What there is.
        bank: Measured outcomes.
        seed: Root seed.
        store: Keeps each month, so that a killed run goes on where it was.
        num_threads: Months played side by side; nothing depends on it.
        progress: Told of the share done.
    """
    keep: Store = store or (lambda _, make: make())
    out: list[list[dict[str, Any]]] = []
    with ThreadPoolExecutor(num_threads) as pool:
        for b in range(scenario.beliefs):
            tables = bank.believed(b, seed=seed, told=scenario.told)

            def month(c: int, b: int = b, tables: Tables = tables) -> dict[str, Any]:
                # The same chances under every belief, so that beliefs are compared in the same months.
                return keep(
                    f"months/{b:03d}-{c:03d}.json", lambda: play(scenario, tables, seed=seed, replicate=c).as_dict()
                )

            out.append(list(pool.map(month, range(scenario.chances))))
            progress("the months", (b + 1) / scenario.beliefs)
    return out


def bands(values: NDArray[np.float64]) -> dict[str, Any]:
    """Mean, 5 to 95 % band of everything, and the half widths that belief and chance would have alone.

    The same chances are played under every belief, so what a chance does to all of them alike is no spread between
    beliefs: the variance of the means of beliefs is held against what is left when both means are taken off.

    Args:
        values: (beliefs, chances).

    Source:
        Two-way random effects, one value a cell: Searle, Casella and McCulloch 1992, doi 10.1002/9780470316856.
    """
    beliefs, chances = values.shape
    means = values.mean(axis=1)
    within = float(values.var(axis=1, ddof=1).mean()) if chances > 1 else 0.0
    between = 0.0
    if beliefs > 1 and chances > 1:
        rest = values - means[:, None] - values.mean(axis=0) + values.mean()
        noise = float((rest**2).sum()) / ((beliefs - 1) * (chances - 1))
        between = max(0.0, float(means.var(ddof=1)) - noise / chances)
    elif beliefs > 1:
        between = float(means.var(ddof=1))
    low, high = np.quantile(values, (0.05, 0.95))
    return {"mean": float(values.mean()), "p05": float(low), "p95": float(high), "n": int(values.size),
            "belief_half_width": NORMAL_90 * between**0.5, "chance_half_width": NORMAL_90 * within**0.5,
            "beliefs": beliefs, "chances": chances}  # fmt: skip


def extrapolated(scenario: MonthScenario, bank: Bank, played: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Share of all draws whose context is outside what was measured, by skill and in all, and why."""
    place = place_of(scenario)
    out: dict[str, Any] = {}
    total = outside = 0
    for skill in SKILLS:
        rows = bank.rows(skill, scenario.told)
        gravity, payload = bank.columns["gravity"][rows], bank.columns["payload"][rows]
        far = np.abs(place.gravity / gravity.mean() - 1.0) > GRAVITY_SLACK
        heavy = skill == "haul" and scenario.plant.load > payload.max()
        draws = np.sum([m["draws"][skill] for row in played for m in row], axis=0)
        bad = draws.sum() if heavy else draws[far].sum()
        why = [f"load of {scenario.plant.load:g} kg, measured to {payload.max():.3g} kg"] if heavy else []
        why += [f"gravity at {int(far.sum())} of {len(far)} pits differs by over 10 %"] if far.any() else []
        out[skill] = {"draws": int(draws.sum()), "share": float(bad / max(draws.sum(), 1)), "why": "; ".join(why)}
        total, outside = total + int(draws.sum()), outside + int(bad)
    return {"skills": out, "share": outside / max(total, 1), "draws": total}


def lost_time(played: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Where robots' time was lost, the largest first: share of the time of all robots but the plant's units."""
    sums: dict[str, float] = {}
    for row in played:
        for month in row:
            for kind, phases in month["times"].items():
                if kind != "unit":
                    for phase, hours in phases.items():
                        sums[phase] = sums.get(phase, 0.0) + hours
    whole = sum(sums.values())
    rows = [{"phase": p, "waiting_for": WAITS[p], "share": sums.get(p, 0.0) / whole} for p in WAITS]
    return sorted((r for r in rows if r["share"] > 0.0), key=lambda r: -float(r["share"]))  # type: ignore[arg-type]


def summarise(scenario: MonthScenario, bank: Bank, played: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """What many months say: bands, lost time, what is outside the table, what is assumed."""
    names = list(played[0][0]["figures"])
    figures = {n: bands(np.array([[m["figures"][n] for m in row] for row in played])) for n in names}
    return {
        "scenario": scenario.name, "scenario_digest": scenario.digest, "bank_digest": bank.digest,
        "figures": figures, "lost_time": lost_time(played),
        "extrapolated": extrapolated(scenario, bank, played), "skills": bank.summary(),
        "assumed": scenario.assumed(), "digest": content_hash([[m["figures"] for m in row] for row in played]),
    }  # fmt: skip
