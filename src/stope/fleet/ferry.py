# SPDX-License-Identifier: Apache-2.0
"""Ferry: one mission as it goes, from depots that fill canisters to the lines that process them.

Mass is counted in whole grams. What was mined is, at any time, at the depots, with robots, at the processor (in the
hopper, on a line, or brought in by a maintainer), processed, or lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from stope.base.units import DAY, HOUR
from stope.fleet.canisters import Canister, DepotStock, Dispatch
from stope.fleet.courier import BREAKDOWN, FAILED_DOCKING, FAILED_LEG, STRANDED, Courier
from stope.fleet.daylight import Daylight
from stope.fleet.events import Events, Process, Steps
from stope.fleet.scenario import FerryScenario
from stope.fleet.skill_bank import SkillBank
from stope.fleet.states import StateBook
from stope.fleet.stations import Station
from stope.fleet.trips import Skill, Trip, plan_trips
from stope.world.robots import load_robot

__all__ = ["ActivityCount", "Ferry"]


@dataclass(slots=True)
class ActivityCount:
    """How often an activity was flown."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    broken_off: int = 0
    """By a breakdown: neither success nor failure of the skill."""


class Ferry:
    """One replicate of a mission: everything that is there, and what has happened so far."""

    def __init__(self, scenario: FerryScenario, bank: SkillBank, *, seed: int, replicate: int) -> None:
        """Set everything up at time 0.

        Raises:
            RangeError, ConfigError: those of `plan_trips`.
        """
        self.scenario, self.bank, self.seed, self.replicate = scenario, bank, seed, replicate
        self.events, self.trips = Events(), plan_trips(scenario, bank)
        robot, service, processor = load_robot(scenario.robot), scenario.service, scenario.processor
        self.battery_capacity, self.tank_capacity = service.battery_wh * HOUR, robot.propellant_capacity
        energy = max(t.need_energy for t in self.trips.values()) + service.energy_reserve * self.battery_capacity
        propellant = max(t.need_propellant for t in self.trips.values())
        propellant += service.propellant_reserve * self.tank_capacity
        self.charge_below = min(max(service.charge_below * self.battery_capacity, energy), self.battery_capacity)
        self.refuel_below = min(max(service.refuel_below * self.tank_capacity, propellant), self.tank_capacity)
        self.daylight = Daylight.of(scenario)
        self.ports, self.hopper, self.lines, self.chargers, self.pumps, self.maintainers = (
            Station(self.events, num)
            for num in (processor.ports, processor.hopper, processor.lines, processor.chargers, processor.pumps,
                        scenario.reliability.maintainers)
        )  # fmt: skip
        self.docks = {name: Station(self.events, trip.depot.docks) for name, trip in self.trips.items()}
        self.states = StateBook(self.events, scenario.robots)
        self.dispatch = Dispatch(self.events)
        self.activities = {skill.name: ActivityCount() for trip in self.trips.values() for skill in _skills(trip)}
        self.failures: dict[str, int] = dict.fromkeys((BREAKDOWN, FAILED_LEG, FAILED_DOCKING, STRANDED), 0)
        self.trip_times: list[float] = []
        self.num_delivered = 0
        self.grams_by_day = [0] * math.ceil(scenario.days)
        """Delivered in each day [g]."""
        self.at_processor: set[Canister] = set()
        self.grams_brought_in = self.grams_processed = self.grams_lost = 0
        self.by_hour: list[list[int]] = []
        """Robots in each state at the beginning of each hour."""
        self.depots = {name: DepotStock(self, trip) for name, trip in self.trips.items()}
        self.robots = [Courier(self, index) for index in range(scenario.robots)]
        self.events.start(self._sample())

    def run(self) -> None:
        """Let the whole mission happen."""
        self.events.run(self.scenario.days * DAY)

    def deliver(self, canister: Canister) -> None:
        """A robot has put a canister into the hopper, where it had a place."""
        self.num_delivered += 1
        day = min(int(self.events.now // DAY), len(self.grams_by_day) - 1)  # the last moment is in the last day
        self.grams_by_day[day] += canister.grams
        self._start_processing(canister, has_place=True)

    def bring_in(self, canister: Canister) -> None:
        """A maintainer has brought what a failed robot carried; it waits for a place in the hopper."""
        self.grams_brought_in += canister.grams
        self._start_processing(canister, has_place=False)

    def lose(self, canister: Canister) -> None:
        """A canister is lost with its robot."""
        self.grams_lost += canister.grams

    def balance(self) -> dict[str, int]:
        """Where the mass is [g], each counted where it lies; `mined` is the sum of the others."""
        return {
            "mined": sum(depot.grams_mined for depot in self.depots.values()),
            "at-depots": sum(canister.grams for depot in self.depots.values() for canister in depot.stock),
            "with-robots": sum(robot.cargo.grams for robot in self.robots if robot.cargo is not None),
            "at-processor": sum(canister.grams for canister in self.at_processor),
            "processed": self.grams_processed,
            "lost": self.grams_lost,
        }

    def _start_processing(self, canister: Canister, *, has_place: bool) -> None:
        self.at_processor.add(canister)
        canister.process = Process(self._process(canister, has_place=has_place))
        self.events.begin(canister.process)

    def _process(self, canister: Canister, *, has_place: bool) -> Steps:
        assert canister.process is not None
        if not (has_place or self.hopper.request(canister.process)):
            yield None
        if not self.lines.request(canister.process):
            yield None
        self.hopper.release()
        yield canister.grams / 1000.0 * HOUR / self.scenario.processor.line_kgph
        self.lines.release()
        self.at_processor.remove(canister)
        canister.process = None  # breaks the circle with its own life, so that it can be forgotten
        self.grams_processed += canister.grams

    def _sample(self) -> Steps:
        while True:
            self.by_hour.append(self.states.counts.copy())
            yield HOUR


def _skills(trip: Trip) -> tuple[Skill, ...]:
    return (trip.out, trip.dock_depot, *trip.back.values(), *trip.dock_processor.values())
