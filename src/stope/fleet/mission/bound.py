# SPDX-License-Identifier: Apache-2.0
"""The most ore a month could process: a linear programme that grants everything but capacity.

No robot fails, waits, or is in the dark longer than its energy asks for; every try succeeds as quickly as the mean
successful record. Diggers, haulers and units work all the time. So no month with the same mean times is above it but by
chance, and one where haulers abound and nothing varies comes close.
"""

from __future__ import annotations

import numpy as np

from stope.base.units import DAY
from stope.fleet.mission.bank import Tables
from stope.fleet.mission.dispatch import quotas
from stope.fleet.mission.kernels.columns import Skill
from stope.fleet.mission.lay_out import place_of
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["month_bound"]


def month_bound(scenario: MonthScenario, tables: Tables) -> dict[str, float]:
    """Limits of a month's ore [t]: by diggers, by their energy, by haulers, by the plant, and by all together.

    Args:
        scenario: Numbers of robots and places.
        tables: Records of the skills.
    """
    place, digging, plant, robots = place_of(scenario), scenario.digging, scenario.plant, scenario.robots
    end = scenario.days * DAY

    def mean(skill: Skill, column: int) -> float:
        """Of successes; of all rows for what every dig brings, well or not."""
        rows = tables.of(skill)
        good = rows if skill == Skill.DIG else rows[rows[:, 0] > 0.0]
        return float(good[:, column].mean()) if len(good) else float("inf")

    mass = digging.loads * mean(Skill.DIG, 3) / 1e6
    cycle = mean(Skill.ANCHOR, 1) + digging.loads * (mean(Skill.DIG, 1) + digging.dump_time) + digging.move_time
    energy = mean(Skill.ANCHOR, 2) + digging.loads * mean(Skill.DIG, 2) + digging.move_power * digging.move_time
    # A hopper is emptied when it has reached its mark, by which it may be exceeded by one whole digging.
    most = digging.loads * float(tables.of(Skill.DIG)[:, 3].max()) / 1e6
    share = mass / (digging.hopper / 1000.0 + most)
    cycle += share * digging.deposit_time
    energy += share * digging.move_power * digging.deposit_time
    num, pits = scenario.fleet.excavators, len(place.yard_of)
    income = robots.array_area * robots.array_efficiency * scenario.ground.flux * place.illumination.mean(axis=1)
    by_energy = np.clip((income - robots.idle_power) / energy, 0.0, None) + robots.battery_wh * 3600.0 / energy / end
    digs = np.minimum(1.0 / cycle, by_energy)
    each = np.bincount(np.arange(num) % pits, minlength=pits)
    load = plant.load / 1000.0
    supply = each * digs * mass / load
    haulers = np.full(scenario.num_yards, scenario.fleet.haulers / scenario.num_yards)
    units = scenario.fleet.units // scenario.num_yards
    rate = np.full(scenario.num_yards, units * scenario.unit_rate / plant.load)
    beside = plant.load_time + plant.unload_time + mean(Skill.DOCK, 1) + mean(Skill.HAUL, 1)
    many = np.full(scenario.num_yards, 1e9)

    def together(supply: np.ndarray, haulers: np.ndarray, rate: np.ndarray) -> float:
        flows = quotas(supply, place.leg_time, place.near, haulers, rate, load_time=beside)
        return float(flows.sum()) * load * end

    return {
        "diggers": float((each / cycle).sum()) * mass * end, "energy": float((each * by_energy).sum()) * mass * end,
        "haulers": together(many[:1].repeat(pits), haulers, many), "plant": together(many[:1].repeat(pits), many, rate),
        "all": together(supply, haulers, rate),
    }  # fmt: skip
