# SPDX-License-Identifier: Apache-2.0
"""What skills are worth: ore a month for a point of each skill's success, duration and energy, and for knowing more.

Months with a skill changed are compared with months of the same chances without. The worth of a flight session is that
of robots which are told a sharp belief instead of the prior, where the bank holds rows of both: what a session that
leaves such a belief could bring at most, one skill at a time. Both are figures of this model, with its assumptions.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.files import write_json
from stope.base.intervals import mean_interval
from stope.base.progress import Progress, silent
from stope.base.seeding import generator
from stope.fleet.mission.bank import Bank, Tables
from stope.fleet.mission.kernels.columns import SKILLS
from stope.fleet.mission.month import play
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["CHANGES", "changed", "ore_of_months", "skill_values", "write_weights"]

CHANGES = ("success", "duration", "energy")
POINT = 0.01
"""One point of success; one per cent of duration or of energy."""
FORMAT = "stope-weights-1"
Floats = NDArray[np.float64]


def changed(tables: Tables, skill: int, what: str, points: float) -> Tables:
    """Tables with one skill better by so many points: success up, or duration or energy down.

    More success turns failed rows into copies of rows that succeeded, evenly over both.
    """
    parts = [tables.of(s).copy() for s in range(len(SKILLS))]
    rows = parts[skill]
    if what == "success":
        bad, good = np.flatnonzero(rows[:, 0] <= 0.0), np.flatnonzero(rows[:, 0] > 0.0)
        num = min(round(points * POINT * len(rows)), len(bad))
        if num and len(good):
            rows[bad[np.linspace(0, len(bad) - 1, num).astype(int)]] = rows[
                good[np.linspace(0, len(good) - 1, num).astype(int)]
            ]
    else:
        rows[:, 1 if what == "duration" else 2] *= 1.0 - points * POINT
    return Tables.join(parts)


def _success(tables: Tables, skill: int) -> float:
    """Share of a skill's rows that succeed."""
    return float((tables.of(skill)[:, 0] > 0.0).mean())


def ore_of_months(scenario: MonthScenario, tables: Tables, *, seed: int, months: int, num_threads: int = 1) -> Floats:
    """Ore of so many months [t]; those of the same seed have the same chances, whatever else differs."""

    def month(replicate: int) -> float:
        return play(scenario, tables, seed=seed, replicate=replicate).figures["ore_t"]

    with ThreadPoolExecutor(num_threads) as pool:
        return np.array(list(pool.map(month, range(months))))


def skill_values(
    scenario: MonthScenario,
    bank: Bank,
    *,
    seed: int,
    months: int,
    points: float = 5.0,
    num_threads: int = 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Ore a month [t] for one point of each skill, and for a sharp belief, each with its 95 % interval.

    The interval is of the chances of the months: the belief about the bank's rows is drawn once for either side.

    Args:
        scenario: What there is.
        bank: Measured outcomes.
        seed: Root seed; all months are paired by it.
        months: Paired months of each change.
        points: How large a change is played, where a skill leaves room for it; the worth is given for one point of it.
        num_threads: Months played side by side; nothing depends on it.
        progress: Told of the share done.
    """
    base = bank.believed(0, seed=seed, told="prior")
    jobs: list[tuple[str, str, Tables, float]] = []
    for i, skill in enumerate(SKILLS):
        for what in CHANGES:
            better = changed(base, i, what, points)
            # A skill that hardly ever fails has less success to gain.
            size = 100.0 * (_success(better, i) - _success(base, i)) if what == "success" else points
            jobs.append((skill, what, better, size or points))
        told = set(bank.columns["told"][bank.columns["skill"] == skill].tolist())
        if "sharp" in told:
            parts = [base.of(s) for s in range(len(SKILLS))]
            parts[i] = bank.believed(0, seed=seed, told="sharp").of(i)
            jobs.append((skill, "sharp_belief", Tables.join(parts), 1.0))
    ore = partial(ore_of_months, scenario, seed=seed, months=months, num_threads=num_threads)
    before = ore(base)
    values: dict[str, dict[str, Any]] = {skill: {} for skill in SKILLS}
    for done, (skill, what, tables, size) in enumerate(jobs, start=1):
        gain = (ore(tables) - before) / size
        mean, low, high = mean_interval(gain, rng=generator(seed, "value", skill, what))
        values[skill][what] = {"t": mean, "low": low, "high": high, "n": months}
        progress("worth of skills", done / len(jobs))
    return {"scenario": scenario.name, "bank_digest": bank.digest, "seed": seed, "months": months, "points": points,
            "ore_t": float(before.mean()), "skills": values}  # fmt: skip


def write_weights(values: dict[str, Any], path: Path) -> None:
    """Weights of skills for the choice of the next flight: tonnes that a sharp belief would bring, never negative."""
    skills = values["skills"]
    weights = {s: max(0.0, float(skills[s].get("sharp_belief", {"t": 0.0})["t"])) for s in SKILLS}
    write_json(path, {"format": FORMAT, "unit": "t of ore a month for a sharp belief of the skill's physics",
                      "weights": weights, "points": {s: {w: skills[s][w]["t"] for w in CHANGES} for s in SKILLS},
                      "scenario": values["scenario"],
                      "bank": values["bank_digest"], "seed": values["seed"]})  # fmt: skip
