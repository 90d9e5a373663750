# SPDX-License-Identifier: Apache-2.0
"""What no fleet could beat: the most canisters that robots can deliver, as the least of seven simple limits.

Each limit grants everything but one thing: no robot fails, waits or chooses badly, every activity is as quick and as
cheap as the best that was measured, every battery and tank starts full and may end empty. Where depots differ, the
cheapest trips come first, each depot giving no more than it can fill. Canisters that maintainers bring in with a
rescued robot are not deliveries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from stope.base.units import HOUR
from stope.fleet.daylight import Daylight
from stope.fleet.scenario import FerryScenario
from stope.fleet.trips import Trip
from stope.world.robots import load_robot

__all__ = ["LIMITS", "delivery_limits"]

LIMITS = {
    "production": "what the depots would have filled with place for everything",
    "depot-docks": "docks of the depots, each delivery as short as the best docking and the loading",
    "robots": "every robot on its best measured trips without a pause",
    "ports": "ports, each delivery as short as the best docking and the unloading",
    "chargers": "full batteries at the start, all chargers while they have power, best measured energy",
    "pumps": "full tanks at the start, all pumps without a pause, best measured propellant",
    "processing": "all lines without a pause on the lightest canisters, and a full hopper at the end",
}
"""What each limit grants."""


def delivery_limits(
    scenario: FerryScenario, trips: Mapping[str, Trip], nominal_grams: Mapping[str, list[int]], duration: float
) -> dict[str, float]:
    """Upper limits of the number of canisters that robots deliver.

    Args:
        scenario: Numbers of robots and places.
        trips: By depot.
        nominal_grams: Masses [g] of what each depot would have filled with place for everything.
        duration: Of the mission [s].

    Returns:
        By the names in `LIMITS`; the least one is the bound.
    """
    robot, processor = load_robot(scenario.robot), scenario.processor
    charging = Daylight.of(scenario).lit_time(duration)
    filled = {name: float(len(grams)) for name, grams in nominal_grams.items()}
    docked = {name: _share(trip.depot.docks * duration, trip.best_dock_time) for name, trip in trips.items()}
    most = {name: min(filled[name], docked[name]) for name in trips}
    energy = scenario.robots * scenario.service.battery_wh * HOUR
    energy += processor.chargers * processor.charger_power * charging
    propellant = scenario.robots * robot.propellant_capacity + processor.pumps * processor.pump_kgph * duration / HOUR
    kilograms = processor.lines * processor.line_kgph * duration / HOUR
    masses = np.sort(np.concatenate([np.asarray(grams, dtype=np.float64) for grams in nominal_grams.values()]))
    through = int(np.searchsorted(np.cumsum(masses), 1000.0 * kilograms, side="right"))
    return {
        "production": sum(filled.values()),
        "depot-docks": sum(most.values()),
        "robots": _fill(most, {n: t.best.time for n, t in trips.items()}, scenario.robots * duration),
        "ports": _fill(most, {n: t.best_port_time for n, t in trips.items()}, processor.ports * duration),
        "chargers": _fill(most, {n: t.best.energy for n, t in trips.items()}, energy),
        "pumps": _fill(most, {n: t.best.propellant for n, t in trips.items()}, propellant),
        "processing": float(through + processor.hopper + processor.lines),
    }


def _share(total: float, each: float) -> float:
    return total / each if each > 0.0 else math.inf


def _fill(most: Mapping[str, float], cost: Mapping[str, float], total: float) -> float:
    """Most canisters for a total cost, the cheapest first; whole robots are not asked for, so it is a bound."""
    count = 0.0
    for name in sorted(most, key=lambda n: (cost[n], n)):
        take = min(most[name], _share(total, cost[name])) if math.isfinite(cost[name]) else 0.0
        count += take
        total -= take * cost[name] if take else 0.0
    return count
