# SPDX-License-Identifier: Apache-2.0
"""What limited a month: ore that a tenth more of each thing brings, from months of the same chances.

A waiting robot does not say what limits: diggers that wait for light may have dug all that haulers could take. So each
thing is made a tenth more plentiful by itself, and what that brings is counted. Nothing is said of two at a time.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

from stope.base.intervals import mean_interval
from stope.base.progress import Progress, silent
from stope.base.seeding import generator
from stope.fleet.mission.bank import Bank
from stope.fleet.mission.scenario import MonthScenario
from stope.fleet.mission.value import ore_of_months

__all__ = ["RESOURCES", "more_of", "what_limits"]

MORE = 0.1
"""How much more there is of one thing; chosen: a digger or a hauler more is not seen beside chance."""
Part = tuple[str, str, float]
RESOURCES: dict[str, tuple[Part, ...]] = {
    "diggers": (("fleet", "excavators", 1.0),),
    "haulers": (("fleet", "haulers", 1.0),),
    "power of the plant": (("plant", "power_kw", 1.0),),
    "speed of the ports": (("plant", "unload_time", -1.0),),
    "light": (("robots", "array_area", 1.0),),
    "battery": (("robots", "battery_wh", 1.0),),
    "maintainers": (("fleet", "maintainers", 1.0),),
    "time between failures": (("failing", "mtbf_h", 1.0), ("failing", "unit_mtbf_h", 1.0)),
    "speed of Earth's answers": (("link", "light_time", -1.0), ("link", "decision_time", -1.0)),
}
"""Of each thing the fields that make more of it: part of the scenario, field, and whether more or less of it helps."""


def more_of(scenario: MonthScenario, parts: tuple[Part, ...]) -> MonthScenario:
    """The scenario with a tenth more of one thing, in as many yards; whole numbers go up by one at least.

    Maintainers go up to the next multiple of the yards, which share them evenly: others would be of fewer yards.
    """
    yards = scenario.num_yards
    for part, field, sign in parts:
        group = getattr(scenario, part)
        value = getattr(group, field)
        wanted = value * (1.0 + MORE) ** sign
        new = max(value + 1, round(wanted)) if isinstance(value, int) else wanted
        if field == "maintainers":
            new = math.ceil(new / yards) * yards
        scenario = replace(scenario, **{part: replace(group, **{field: new})})
    per_yard = max(scenario.ground.robots_per_yard, math.ceil(scenario.fleet.total / yards))
    return replace(scenario, ground=replace(scenario.ground, robots_per_yard=per_yard))


def what_limits(
    scenario: MonthScenario,
    bank: Bank,
    *,
    seed: int,
    months: int,
    num_threads: int = 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Ore a month [t] for a tenth more of each thing, with 95 % intervals over paired months.

    Args:
        scenario: What there is.
        bank: Measured outcomes; all months have the same belief.
        seed: Root seed; months are paired by it.
        months: Paired months of each change.
        num_threads: Months played side by side; nothing depends on it.
        progress: Told of the share done.

    Returns:
        `resources`, each with `t`, `low`, `high`, `n`, the largest first; `limited_by`, the first of those whose
        interval is above 0, or nothing.
    """
    tables = bank.believed(0, seed=seed, told=scenario.told)
    ore = partial(ore_of_months, tables=tables, seed=seed, months=months, num_threads=num_threads)
    before = ore(scenario)
    rows: list[dict[str, Any]] = []
    for done, (name, parts) in enumerate(RESOURCES.items(), start=1):
        gain = ore(more_of(scenario, parts)) - before
        mean, low, high = mean_interval(gain, rng=generator(seed, "limit", name))
        rows.append({"name": name, "t": mean, "low": low, "high": high, "n": months})
        progress("what limits", done / len(RESOURCES))
    rows.sort(key=lambda row: -float(row["t"]))
    limited_by = next((row["name"] for row in rows if row["low"] > 0.0), "")
    return {"more": MORE, "ore_t": float(before.mean()), "resources": rows, "limited_by": limited_by}
