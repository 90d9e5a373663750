# SPDX-License-Identifier: Apache-2.0
"""What a round trip can take: the worst measured, which a robot must hold to leave, and the best, for the bound.

The needs are those of a whole trip, because there is nothing to charge from at a depot. Each docking is counted with as
many tries as are allowed, each as costly as the costliest that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from stope.base.errors import ConfigError
from stope.base.units import HOUR
from stope.fleet.scenario import Depot, FerryScenario
from stope.fleet.skill_bank import Outcomes, SkillBank
from stope.world.robots import Robot, load_robot

__all__ = ["Best", "Cell", "Row", "Skill", "Trip", "plan_trips"]

Row = tuple[bool, float, float, float]
"""Success, duration [s], energy [J], propellant [kg] of one measured outcome."""
Cell = int
"""Payload cell of the skill bank."""


@dataclass(frozen=True, slots=True)
class Skill:
    """Outcomes of one activity with one range of payload, as rows to draw from."""

    name: str
    rows: tuple[Row, ...]
    worst_energy: float
    """[J]."""
    worst_propellant: float
    """[kg]."""
    best: Best
    """Least of each column among the successes; infinite without one."""

    @classmethod
    def of(cls, name: str, outcomes: Outcomes) -> Skill:
        """Take the columns that a fleet needs."""
        good = outcomes.is_success
        columns = (outcomes.duration, outcomes.energy, outcomes.propellant)
        rows = zip(good.tolist(), *(column.tolist() for column in columns), strict=True)
        least = [float(column[good].min()) if good.any() else math.inf for column in columns]
        return cls(name, tuple(rows), float(columns[1].max()), float(columns[2].max()), Best(*least))

    def pick(self, u: float) -> Row:
        """The outcome at share u of the table, as `SkillBank.draw` picks it."""
        return self.rows[min(int(u * len(self.rows)), len(self.rows) - 1)]


@dataclass(frozen=True, slots=True)
class Best:
    """The least that something took: no trip takes less of any."""

    time: float
    """[s]."""
    energy: float
    """[J]."""
    propellant: float
    """[kg]."""

    def __add__(self, other: Best) -> Best:
        """One after the other."""
        return Best(self.time + other.time, self.energy + other.energy, self.propellant + other.propellant)

    @classmethod
    def among(cls, several: Iterable[Best]) -> Best:
        """Least of each column."""
        rows = list(several)
        return cls(min(r.time for r in rows), min(r.energy for r in rows), min(r.propellant for r in rows))


@dataclass(frozen=True, kw_only=True, slots=True)
class Trip:
    """Skills, needs and best case of the trips to one depot."""

    depot: Depot
    out: Skill
    dock_depot: Skill
    back: dict[Cell, Skill]
    """By the cell of the canister."""
    dock_processor: dict[Cell, Skill]
    load_energy: float
    """Of loading a canister [J]."""
    need_energy: float
    """To leave the processor, without the reserve [J]."""
    need_propellant: float
    """To leave the processor, without the reserve [kg]."""
    need_docking: dict[Cell, float]
    """Energy to dock at the processor, all tries [J]."""
    need_return: dict[Cell, float]
    """Energy to dock at the depot, load, fly back and dock at the processor [J]."""
    best: Best
    """Least of a delivery, from leaving the processor to the end of unloading."""
    best_port_time: float
    """Least time a delivery holds a port [s]."""
    best_dock_time: float
    """Least time a delivery holds a dock of the depot [s]."""


def plan_trips(scenario: FerryScenario, bank: SkillBank) -> dict[str, Trip]:
    """Trips to every depot by its name, in the order of the names.

    Raises:
        RangeError: an activity or a payload that the scenario needs was not measured.
        ConfigError: a robot could never hold what the worst measured trip and its reserve need.
    """
    robot = load_robot(scenario.robot)
    trips = {d.name: _trip(scenario, bank, robot, d) for d in sorted(scenario.depots, key=lambda d: d.name)}
    service = scenario.service
    for name, trip in trips.items():
        spare = 1.0 - service.energy_reserve
        need = trip.need_energy / HOUR
        if need > spare * service.battery_wh:
            raise ConfigError(
                f"Service.battery_wh = {service.battery_wh:g} Wh: the worst measured trip to {name!r} needs {need:.3g} "
                f"Wh beyond the reserve of {service.energy_reserve:g}, so no robot could ever leave. Give it more, or "
                "move the depot closer."
            )
        spare = 1.0 - service.propellant_reserve
        if trip.need_propellant > spare * robot.propellant_capacity:
            raise ConfigError(
                f"robot {robot.name!r}: a tank of {robot.propellant_capacity:g} kg, but the worst measured trip to "
                f"{name!r} needs {trip.need_propellant:.3g} kg beyond the reserve of {service.propellant_reserve:g}, "
                "so no robot could ever leave. Move the depot closer."
            )
    return trips


def _trip(scenario: FerryScenario, bank: SkillBank, robot: Robot, depot: Depot) -> Trip:
    def skill(activity: str, cell: Cell) -> Skill:
        payload = 0.0 if cell == 0 else bank.payload_edges[cell]
        return Skill.of(activity, bank.outcomes(activity, payload))

    lightest, heaviest = (bank.cell_of(round(1000.0 * m) / 1000.0) for m in (depot.lightest, depot.heaviest))
    cells = range(lightest, heaviest + 1)
    out, dock_depot = skill(f"leg-out-{depot.name}", 0), skill("dock-depot", 0)
    back = {cell: skill(f"leg-back-{depot.name}", cell) for cell in cells}
    dock_processor = {cell: skill("dock-processor", cell) for cell in cells}
    tries = scenario.service.dock_attempts
    load_energy = robot.power_idle * depot.load_time
    need_docking = {cell: tries * dock_processor[cell].worst_energy for cell in cells}
    need_return = {
        cell: tries * dock_depot.worst_energy + load_energy + back[cell].worst_energy + need_docking[cell]
        for cell in cells
    }
    back_propellant = max(back[c].worst_propellant + tries * dock_processor[c].worst_propellant for c in cells)
    unload_time = scenario.processor.unload_time
    best_docking = Best.among(dock_processor[cell].best for cell in cells)
    best = out.best + dock_depot.best + Best.among(back[cell].best for cell in cells) + best_docking
    return Trip(
        depot=depot, out=out, dock_depot=dock_depot, back=back, dock_processor=dock_processor, load_energy=load_energy,
        need_energy=out.worst_energy + max(need_return.values()),
        need_propellant=out.worst_propellant + tries * dock_depot.worst_propellant + back_propellant,
        need_docking=need_docking, need_return=need_return,
        best=best + Best(depot.load_time + unload_time, load_energy, 0.0),
        best_port_time=best_docking.time + unload_time, best_dock_time=dock_depot.best.time + depot.load_time,
    )  # fmt: skip
