# SPDX-License-Identifier: Apache-2.0
"""Month: the figures of one replicate of a mission; plain numbers that survive JSON to the bit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from stope.base.config import as_dict, build, content_hash
from stope.base.units import DAY, HOUR
from stope.fleet.bound import delivery_limits
from stope.fleet.courier import BREAKDOWN
from stope.fleet.ferry import Ferry
from stope.fleet.states import WORKING, State

__all__ = ["KPIS", "Month", "month_of"]

KPIS = {
    "delivered_canisters": ("1", "unloaded by robots"),
    "delivered_kg": ("kg", "unloaded by robots"),
    "processed_kg": ("kg", "through the lines"),
    "mined_kg": ("kg", "filled into canisters"),
    "blocked_kg": ("kg", "not filled, because a depot had no place"),
    "brought_in_kg": ("kg", "brought in by maintainers with failed robots"),
    "lost_kg": ("kg", "lost with robots"),
    "delivered_share_of_bound": ("1", "of the most that could be delivered, the least of all limits"),
    "mean_trip_s": ("s", "from leaving the processor to the end of unloading; 0 without a trip"),
    "legs_flown": ("1", "legs that ended, well or not; those a breakdown broke off are not counted"),
    "legs_failed": ("1", "legs that ended as failures of the skill"),
    "docks_attempted": ("1", "tries at docking that ended, well or not"),
    "docks_succeeded": ("1", "tries that docked"),
    "breakdowns": ("1", "after exponential working time"),
    "rescues": ("1", "after a failed leg, all tries at a docking, or a wait beyond the reserve"),
    "robots_lost": ("1", "with what they carried"),
    "propellant_kg": ("kg", "used by activities that ended"),
    "energy_kwh": ("kWh", "from the robots' batteries, by activities and waits that ended"),
    "charged_kwh": ("kWh", "into the robots' batteries"),
    "parked_kwh": ("kWh", "given to robots that stand by at the processor"),
    "working_share": ("1", "of robot time: flying, docking, loading, unloading"),
    "available_share": ("1", "of robot time: neither lost nor under repair nor waiting for it"),
}
"""Unit and meaning of each figure of a month."""
_AWAY = (*(s for s in WORKING if s != State.UNLOAD), State.QUEUE_DEPOT, State.QUEUE_PORT, State.LOST)
_DOWN = (State.QUEUE_REPAIR, State.REPAIR, State.LOST)


@dataclass(frozen=True, kw_only=True, slots=True)
class Month:
    """Figures of one replicate."""

    replicate: int
    """Which one, from 0."""
    num_events: int
    """Events of the simulation."""
    kpis: dict[str, float]
    """By the names in `KPIS`."""
    limits: dict[str, float]
    """Upper limits of the number of canisters delivered, by the names in `stope.fleet.bound.LIMITS`."""
    time_shares: dict[str, float]
    """Share of all robot time in each state; they add up to 1."""
    stations: dict[str, dict[str, float]]
    """Places, use and queue of each station, and the two queues of the dispatch."""
    activities: dict[str, dict[str, float]]
    """How often each was begun, succeeded, failed, and was broken off by a breakdown."""
    failures: dict[str, float]
    """By cause."""
    depots: dict[str, dict[str, float]]
    """Mass of each depot [kg]: mined, blocked, and in stock at the end."""
    mass_balance_g: dict[str, int]
    """Where the mass is at the end [g]; `mined` is the sum of the others."""
    energy_balance_kwh: dict[str, float]
    """Batteries: held at the start, charged, used, held at the end."""
    propellant_balance_kg: dict[str, float]
    """Tanks: held at the start, refuelled, used, held at the end."""
    delivered_kg_by_day: list[float]
    """In each day."""
    robots_by_hour: dict[str, list[int]]
    """Robots in each state at the beginning of each hour."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return as_dict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, where: str = "Month") -> Month:
        """From plain data, such as JSON gives back.

        Raises:
            ConfigError: if it is not a month.
        """
        return build(cls, data, where=where)

    @property
    def digest(self) -> str:
        """Content hash of every figure."""
        return content_hash(self)


def month_of(ferry: Ferry) -> Month:
    """Figures of a mission that has run to its end."""
    duration = ferry.scenario.days * DAY
    assert ferry.events.now == duration
    times, balance = ferry.states.closed(), ferry.balance()
    assert balance["mined"] == sum(grams for place, grams in balance.items() if place != "mined"), balance
    nominal = {name: depot.nominal_grams for name, depot in ferry.depots.items()}
    limits = delivery_limits(ferry.scenario, ferry.trips, nominal, duration)
    total = duration * ferry.scenario.robots
    return Month(
        replicate=ferry.replicate, num_events=ferry.events.num_taken,
        kpis=_kpis(ferry, times, limits, total), limits=limits,
        time_shares={label: time / total for label, time in times.items()}, stations=_stations(ferry),
        activities={name: _activity(ferry, name) for name in sorted(ferry.activities)},
        failures={cause: float(num) for cause, num in ferry.failures.items()},
        depots={name: {"mined_kg": depot.grams_mined / 1000.0, "blocked_kg": depot.grams_blocked / 1000.0,
                       "stock_kg": sum(c.grams for c in depot.stock) / 1000.0} for name, depot in ferry.depots.items()},
        mass_balance_g=balance, energy_balance_kwh=_energy(ferry), propellant_balance_kg=_propellant(ferry),
        delivered_kg_by_day=[grams / 1000.0 for grams in ferry.grams_by_day],
        robots_by_hour={state.label: [row[state] for row in ferry.by_hour] for state in State},
    )  # fmt: skip


def _kpis(ferry: Ferry, times: dict[str, float], limits: dict[str, float], total: float) -> dict[str, float]:
    counts = {name: _activity(ferry, name) for name in ferry.activities}
    legs = [row for name, row in counts.items() if name.startswith("leg-")]
    docks = [row for name, row in counts.items() if name.startswith("dock-")]
    delivered, bound = ferry.num_delivered, min(limits.values())
    energy, propellant, trips = _energy(ferry), _propellant(ferry), ferry.trip_times
    parked = sum(time for label, time in times.items() if label not in {s.label for s in _AWAY})
    rescues = sum(num for cause, num in ferry.failures.items() if cause != BREAKDOWN)
    figures = {
        "delivered_canisters": delivered,
        "delivered_kg": sum(ferry.grams_by_day) / 1000.0,
        "processed_kg": ferry.grams_processed / 1000.0,
        "mined_kg": sum(d.grams_mined for d in ferry.depots.values()) / 1000.0,
        "blocked_kg": sum(d.grams_blocked for d in ferry.depots.values()) / 1000.0,
        "brought_in_kg": ferry.grams_brought_in / 1000.0,
        "lost_kg": ferry.grams_lost / 1000.0,
        "delivered_share_of_bound": delivered / bound if bound > 0.0 else 0.0,
        "mean_trip_s": math.fsum(trips) / len(trips) if trips else 0.0,
        "legs_flown": sum(row["succeeded"] + row["failed"] for row in legs),
        "legs_failed": sum(row["failed"] for row in legs),
        "docks_attempted": sum(row["succeeded"] + row["failed"] for row in docks),
        "docks_succeeded": sum(row["succeeded"] for row in docks),
        "breakdowns": ferry.failures[BREAKDOWN],
        "rescues": rescues,
        "robots_lost": ferry.states.counts[State.LOST],
        "propellant_kg": propellant["used"],
        "energy_kwh": energy["used"],
        "charged_kwh": energy["charged"],
        "parked_kwh": ferry.scenario.service.standby_power * parked / HOUR / 1000.0,
        "working_share": sum(times[s.label] for s in WORKING) / total,
        "available_share": 1.0 - sum(times[s.label] for s in _DOWN) / total,
    }
    assert figures.keys() == KPIS.keys()
    return {name: float(value) for name, value in figures.items()}


def _activity(ferry: Ferry, name: str) -> dict[str, float]:
    """One that is under way at the end was begun, and nothing else yet."""
    count = ferry.activities[name]
    return {"started": float(count.started), "succeeded": float(count.succeeded), "failed": float(count.failed),
            "broken_off": float(count.broken_off)}  # fmt: skip


def _stations(ferry: Ferry) -> dict[str, dict[str, float]]:
    stations = {"ports": ferry.ports, "hopper": ferry.hopper, "lines": ferry.lines, "chargers": ferry.chargers,
                "pumps": ferry.pumps, "maintainers": ferry.maintainers}  # fmt: skip
    docks = {f"docks-{name}": station for name, station in ferry.docks.items()}
    return {name: station.figures() for name, station in (stations | docks).items()} | ferry.dispatch.figures()


def _energy(ferry: Ferry) -> dict[str, float]:
    joules = {
        "start": ferry.battery_capacity * len(ferry.robots),
        "charged": math.fsum(robot.energy_charged for robot in ferry.robots),
        "used": math.fsum(robot.energy_used for robot in ferry.robots),
        "end": math.fsum(robot.battery for robot in ferry.robots),
    }
    return {name: value / HOUR / 1000.0 for name, value in joules.items()}


def _propellant(ferry: Ferry) -> dict[str, float]:
    return {
        "start": ferry.tank_capacity * len(ferry.robots),
        "refuelled": math.fsum(robot.refuelled for robot in ferry.robots),
        "used": math.fsum(robot.propellant_used for robot in ferry.robots),
        "end": math.fsum(robot.tank for robot in ferry.robots),
    }
