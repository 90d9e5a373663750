# SPDX-License-Identifier: Apache-2.0
"""Courier: the life of one robot, from job to job.

Charge and refuel when needed; wait for a canister; fly out, dock, load; fly back, dock, unload. Every flight and every
docking is one whole outcome of the skill bank, with the payload that is carried. A robot leaves only if it holds what
the worst measured trip can take, and the reserve: battery and tank are never negative. One that waits so long for a
dock that it could no longer finish its trip calls for rescue.

A breakdown comes after an exponential working time, in the middle of what the robot does; the share of energy and
propellant up to then is spent (assumed: evenly over the activity). A robot that broke down, failed a leg, failed all
tries at a docking or is stranded leaves its place at once and is brought in and repaired by a maintainer, who also
brings what it carried; or it is lost with it. A failed try at a docking costs what it was measured to cost, and the
next try begins like the first (assumed).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING

from stope.base.units import HOUR
from stope.fleet.random_streams import Stream
from stope.fleet.states import State
from stope.fleet.stations import Station
from stope.fleet.trips import Skill

if TYPE_CHECKING:
    from stope.fleet.canisters import Canister
    from stope.fleet.ferry import Ferry

__all__ = ["BREAKDOWN", "FAILED_DOCKING", "FAILED_LEG", "STRANDED", "Courier"]

BREAKDOWN, FAILED_LEG, FAILED_DOCKING, STRANDED = "breakdown", "failed-leg", "failed-docking", "stranded"
Doing = Generator[float | None, None, str | None]
"""Part of a life: waits as a process does, and returns what went wrong, or None."""
_ROUNDING = 1e-9  # of a sum of a few thousand terms, relative to the capacity


class Courier:
    """One robot."""

    __slots__ = ("_chances", "_enter", "battery", "cargo", "energy_charged", "energy_used", "ferry", "index", "job",
                 "process", "propellant_used", "refuelled", "tank", "until_failure")  # fmt: skip

    def __init__(self, ferry: Ferry, index: int) -> None:
        """Begin idle at the processor, with full battery and tank."""
        self.ferry, self.index = ferry, index
        self._enter = ferry.states.enter
        self.battery = ferry.battery_capacity
        """Charge [J]."""
        self.tank = ferry.tank_capacity
        """Propellant [kg]."""
        self.cargo: Canister | None = None
        self.job: Canister | None = None
        self.energy_used = self.energy_charged = self.propellant_used = self.refuelled = 0.0
        self._chances = {
            purpose: Stream(ferry.seed, "fleet", ferry.replicate, "robot", index, purpose)
            for purpose in ("out", "back", "dock-depot", "dock-processor", "failure", "loss", "repair")
        }
        self.until_failure = self._draw_failure()
        self.process = ferry.events.start(self._live())

    def _live(self) -> Generator[float | None, None, None]:
        ferry = self.ferry
        while True:
            if self.battery < ferry.charge_below or self.tank < ferry.refuel_below:
                yield from self._refill()
            canister = ferry.dispatch.take(self)
            if canister is None:
                self._enter(self.index, State.IDLE)
                yield None
                canister, self.job = self.job, None
                assert canister is not None
            started = ferry.events.now
            problem = yield from self._fetch(canister)
            if problem is not None:
                ferry.dispatch.offer(canister)
            else:
                problem = yield from self._bring(canister)
                if problem is None:
                    ferry.trip_times.append(ferry.events.now - started)
            if problem is not None and (yield from self._recover(problem)):
                return

    def _fetch(self, canister: Canister) -> Doing:
        """Fly out, dock and load."""
        ferry, trip = self.ferry, canister.trip
        problem = yield from self._try(trip.out, "out", State.FLY_OUT, FAILED_LEG)
        if problem is not None:
            return problem
        docks = ferry.docks[trip.depot.name]
        problem = yield from self._await(docks, State.QUEUE_DEPOT, trip.need_return[canister.cell])
        if problem is not None:
            return problem
        problem = yield from self._dock(trip.dock_depot, "dock-depot", State.DOCK_DEPOT)
        if problem is None:
            problem = yield from self._work(State.LOAD, trip.depot.load_time, trip.load_energy, 0.0)
        if problem is None:
            ferry.depots[trip.depot.name].give(canister)
            self.cargo = canister
        docks.release()
        return problem

    def _bring(self, canister: Canister) -> Doing:
        """Fly back, dock and unload; the port is held until the hopper has taken the canister."""
        ferry, trip, cell = self.ferry, canister.trip, canister.cell
        problem = yield from self._try(trip.back[cell], "back", State.FLY_BACK, FAILED_LEG)
        if problem is not None:
            return problem
        problem = yield from self._await(ferry.ports, State.QUEUE_PORT, trip.need_docking[cell])
        if problem is not None:
            return problem
        problem = yield from self._dock(trip.dock_processor[cell], "dock-processor", State.DOCK_PROCESSOR)
        if problem is None:
            if not ferry.hopper.request(self.process):
                self._enter(self.index, State.QUEUE_HOPPER)
                yield None
            problem = yield from self._work(State.UNLOAD, ferry.scenario.processor.unload_time, 0.0, 0.0)
            if problem is None:
                self.cargo = None
                ferry.deliver(canister)
            else:
                ferry.hopper.release()
        ferry.ports.release()
        return problem

    def _dock(self, skill: Skill, purpose: str, state: State) -> Doing:
        problem: str | None = FAILED_DOCKING
        for _ in range(self.ferry.scenario.service.dock_attempts):
            problem = yield from self._try(skill, purpose, state, FAILED_DOCKING)
            if problem != FAILED_DOCKING:
                break
        return problem

    def _try(self, skill: Skill, purpose: str, state: State, failure: str) -> Doing:
        """One activity as it was once measured."""
        is_success, duration, energy, propellant = skill.pick(self._chances[purpose].uniform())
        count = self.ferry.activities[skill.name]
        count.started += 1
        self._enter(self.index, state)
        yield min(duration, self.until_failure)
        problem = self._end(duration, energy, propellant)
        if problem is not None:
            count.broken_off += 1
        elif is_success:
            count.succeeded += 1
        else:
            count.failed += 1
            problem = failure
        return problem

    def _work(self, state: State, duration: float, energy: float, propellant: float) -> Doing:
        """Work for a time [s], at a cost [J, kg], unless the robot breaks down before."""
        self._enter(self.index, state)
        yield min(duration, self.until_failure)
        return self._end(duration, energy, propellant)

    def _end(self, duration: float, energy: float, propellant: float) -> str | None:
        """Books of work that would have taken `duration`; it ended before, if the robot broke down."""
        if duration < self.until_failure:
            self.until_failure -= duration
            self._spend(energy, propellant)
            return None
        share = self.until_failure / duration if duration > 0.0 else 0.0
        self._spend(share * energy, share * propellant)
        self.until_failure = self._draw_failure()
        return BREAKDOWN

    def _await(self, station: Station, state: State, need: float) -> Doing:
        """Get a docking place; wait moored, as long as the battery then still holds what is needed [J]."""
        if station.request(self.process):
            return None
        ferry, came = self.ferry, self.ferry.events.now
        power = ferry.scenario.service.standby_power
        patience = max(0.0, self.battery - need) / power if power > 0.0 else math.inf
        self._enter(self.index, state)
        if math.isfinite(patience):
            ferry.events.at(came + patience, self.process)
        yield None
        self._spend(min(power * (ferry.events.now - came), self.battery), 0.0)
        return STRANDED if station.withdraw(self.process) else None

    def _recover(self, problem: str) -> Generator[float | None, None, bool]:
        """Be brought in and repaired: True if the robot is lost instead."""
        ferry = self.ferry
        ferry.failures[problem] += 1
        if self._chances["loss"].uniform() < ferry.scenario.reliability.lost_share:
            if self.cargo is not None:
                ferry.lose(self.cargo)
                self.cargo = None
            self._enter(self.index, State.LOST)
            return True
        if not ferry.maintainers.request(self.process):
            self._enter(self.index, State.QUEUE_REPAIR)
            yield None
        self._enter(self.index, State.REPAIR)
        yield self._chances["repair"].exponential(ferry.scenario.reliability.mttr_h * HOUR)
        ferry.maintainers.release()
        if self.cargo is not None:
            ferry.bring_in(self.cargo)
            self.cargo = None
        return False

    def _refill(self) -> Generator[float | None, None, None]:
        ferry = self.ferry
        if self.battery < ferry.charge_below:
            if not ferry.chargers.request(self.process):
                self._enter(self.index, State.QUEUE_CHARGER)
                yield None
            yield from self._charge()
            ferry.chargers.release()
        if self.tank < ferry.refuel_below:
            if not ferry.pumps.request(self.process):
                self._enter(self.index, State.QUEUE_PUMP)
                yield None
            self._enter(self.index, State.REFUEL)
            missing = ferry.tank_capacity - self.tank
            yield missing * HOUR / ferry.scenario.processor.pump_kgph
            self.refuelled += missing
            self.tank = ferry.tank_capacity
            ferry.pumps.release()

    def _charge(self) -> Generator[float | None, None, None]:
        """To the full; in the dark the robot keeps its charger and waits for light."""
        ferry, events = self.ferry, self.ferry.events
        power = ferry.scenario.processor.charger_power
        while self.battery < ferry.battery_capacity:
            is_lit, change = ferry.daylight.until(events.now)
            missing = ferry.battery_capacity - self.battery
            if not is_lit:
                self._enter(self.index, State.WAIT_FOR_LIGHT)
                yield change - events.now
                continue
            self._enter(self.index, State.CHARGE)
            lit = change - events.now
            if missing <= power * lit:
                yield missing / power
                self.battery = ferry.battery_capacity
                self.energy_charged += missing
            else:
                yield lit
                self.battery += power * lit
                self.energy_charged += power * lit

    def _spend(self, energy: float, propellant: float) -> None:
        self.energy_used += energy
        self.propellant_used += propellant
        self.battery -= energy
        self.tank -= propellant
        if self.battery < 0.0 or self.tank < 0.0:
            assert self.battery >= -_ROUNDING * self.ferry.battery_capacity, self.battery
            assert self.tank >= -_ROUNDING * self.ferry.tank_capacity, self.tank
            self.battery, self.tank = max(0.0, self.battery), max(0.0, self.tank)

    def _draw_failure(self) -> float:
        return self._chances["failure"].exponential(self.ferry.scenario.reliability.mtbf_h * HOUR)
