# SPDX-License-Identifier: Apache-2.0
"""Play one month: the engine between the looks of the dispatcher, then the books closed and summed up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stope.base.config import content_hash
from stope.base.errors import StopeError
from stope.base.units import DAY, HOUR
from stope.fleet.mission.bank import Tables
from stope.fleet.mission.dispatch import Dispatcher
from stope.fleet.mission.faults import Strike, strike, strikes
from stope.fleet.mission.grade import choose_cells
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels import engine
from stope.fleet.mission.kernels.columns import COUNTS, KINDS, PHASES, Count, Kind, Phase, World
from stope.fleet.mission.kernels.power import settle
from stope.fleet.mission.lay_out import lay_out
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["WINDOW", "Month", "Player", "close_books", "play"]

WINDOW = 60.0
"""Of the calendar [s] (chosen; results do not depend on it)."""
OnLog = Callable[[World, float], None]
Note = tuple[float, str, str, int, int, str]
"""What the dispatcher did: time [s], kind, what, robot and pit (-1 for none), cause."""


@dataclass(frozen=True, slots=True, eq=False)
class Month:
    """The figures of one month; plain numbers."""

    figures: dict[str, float]
    """By name, see `FIGURES`."""
    times: dict[str, dict[str, float]]
    """Robot time by kind and phase [h]."""
    mass: dict[str, int]
    """Where the ore is at the end [g]; `mined` is the sum of the others."""
    energy: dict[str, float]
    """Of the batteries [kWh]: start + solar + charged = used + curtailed + end."""
    queues: dict[str, dict[str, float]]
    counts: dict[str, int]
    draws: dict[str, list[int]]
    """Records drawn by skill and pit."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def digest(self) -> str:
        """Content hash of every figure."""
        return content_hash(self.as_dict())


class Player:
    """A month under way; `advance` goes on to a time, so that it can be stopped, kept and taken up again.

    Args:
        scenario: What there is.
        tables: Records of the skills.
        seed: Root seed.
        replicate: Which month.
        window: Of the calendar [s]; speed alone depends on it.
        log_rows: Room for activities between two flushes; 0 for no log.
        on_log: Takes the rows of the log when it is full and at the end of every advance.
    """

    def __init__(
        self,
        scenario: MonthScenario,
        tables: Tables,
        *,
        seed: int,
        replicate: int = 0,
        window: float = WINDOW,
        log_rows: int = 0,
        on_log: OnLog | None = None,
    ) -> None:
        """Lay the month out."""
        self.scenario, self.window, self.on_log = scenario, window, on_log
        self.world, self.key = lay_out(scenario, tables, seed=seed, replicate=replicate, log_rows=log_rows)
        self.end, self.now, self.tick = scenario.days * DAY, 0.0, 0
        self.battery_start = float(self.world.real[self.world.whole[:, k.KIND] != Kind.UNIT, k.BATTERY].sum())
        self.dispatcher = Dispatcher(scenario, np.zeros((scenario.num_yards, int(self.world.near.shape[1]))))
        self.strikes: list[Strike] = strikes(scenario, seed=seed, replicate=replicate)
        self.struck = 0
        self.usual = self.world.constants.copy()
        self.notes: list[Note] = []
        """Decisions of the dispatcher, if there is a log; whoever takes them empties the list."""
        engine.start(self.world, window)

    def advance(self, until: float) -> None:
        """Play to a time [s], or to the end where that is sooner; whole ticks are looked at in between."""
        until = min(until, self.end)
        while self.now < until:
            following = min((self.tick + 1) * self.scenario.tick, self.end)
            target = min(following, until)
            self._run(target)
            self.now = target
            if target == following and target < self.end:
                self.tick += 1
                self._look(target)
        self._flush()

    def _run(self, until: float) -> None:
        while not engine.run(self.world, until, np.uint64(self.key), self.window):
            self._flush()

    def _flush(self) -> None:
        if self.on_log is not None and self.world.clock[2] > 0:
            self.on_log(self.world, self.now)
        self.world.clock[2] = 0

    def _look(self, t: float) -> None:
        """What the dispatcher does at a tick: faults, patience, assignment, and the grade map once a day."""
        while self.struck < len(self.strikes) and self.strikes[self.struck].time <= t:
            for robot in np.flatnonzero(self.world.whole[:, k.KIND] != Kind.UNIT):
                settle(self.world, robot, t, 0.0)
            self.struck += 1
            strike(self.world, self.strikes[: self.struck], self.usual, t)
            what = self.strikes[self.struck - 1]
            if what.kind == "landslide":
                engine.clear(self.world, t, self.window)
            self._note(t, "fault", f"{what.kind} {'ends' if what.is_end else 'begins'}", -1, -1, "injected")
        tired = self._waiting_longer_than(self.scenario.plant.patience, t)
        engine.release(self.world, t, self.scenario.plant.patience, np.uint64(self.key), self.window)
        if self.scenario.dispatch == "assignment":
            robots, columns = self.dispatcher.orders(self.world, t)
            if len(robots):
                engine.assign(self.world, t, robots, columns, np.uint64(self.key), self.window)
                for robot in robots.tolist():
                    pit = int(self.world.whole[robot, k.PIT])
                    self._note(t, "decision", "assign", robot, pit, "least flying time within the quotas")
        for robot, pit in tired:
            self._note(t, "decision", "stop waiting", robot, pit, "waited for ore longer than its patience")
        if t % DAY < self.scenario.tick:
            before = self.world.pits[:, k.GRADE].copy()
            choose_cells(self.scenario, self.world)
            for pit in np.flatnonzero(self.world.pits[:, k.GRADE] != before).tolist():
                self._note(t, "decision", "dig another cell", -1, pit, "most grade expected from the samples")

    def _waiting_longer_than(self, patience: float, t: float) -> list[tuple[int, int]]:
        """Haulers that will be let go, and their pits; none without a log."""
        if self.on_log is None:
            return []
        w = self.world
        late = (w.whole[:, k.PHASE] == Phase.QUEUE_PIT) & (t - w.real[:, k.SINCE] >= patience)
        return [(int(robot), int(w.whole[robot, k.PIT])) for robot in np.flatnonzero(late)]

    def _note(self, t: float, kind: str, what: str, robot: int, pit: int, cause: str) -> None:
        if self.on_log is not None:
            self.notes.append((t, kind, what, robot, pit, cause))


def play(scenario: MonthScenario, tables: Tables, *, seed: int, replicate: int = 0, window: float = WINDOW) -> Month:
    """Play one month to its end; the same for the same arguments, to the bit, whatever the window."""
    player = Player(scenario, tables, seed=seed, replicate=replicate, window=window)
    player.advance(player.end)
    return close_books(player)


def close_books(player: Player) -> Month:
    """Figures of a month that has run to its end.

    Raises:
        StopeError: if the books of mass or energy do not close.
    """
    scenario, w, end = player.scenario, player.world, player.end
    times = w.times.copy()
    kind, phase = w.whole[:, k.KIND], w.whole[:, k.PHASE]
    np.add.at(times, (kind, phase), end - w.real[:, k.SINCE])
    robots = kind != Kind.UNIT
    counts = {name: int(w.counts[i]) for i, name in enumerate(COUNTS)}
    mass = _mass(scenario, w, end)
    energy = _energy(player, robots)
    queues = {name: {"served": float(w.waits[i, 2]), "mean_wait_s": float(w.waits[i, 0] / max(w.waits[i, 2], 1.0)),
                     "longest_wait_s": float(w.waits[i, 1])}
              for i, name in enumerate(("port", "pit", "repair"))}  # fmt: skip
    return Month(
        figures=_figures(player, times, mass, counts), mass=mass, energy=energy, queues=queues, counts=counts,
        times={a: {b: float(times[i, j] / HOUR) for j, b in enumerate(PHASES)} for i, a in enumerate(KINDS)},
        draws={s.name.lower(): w.draws[s].tolist() for s in k.Skill},
    )  # fmt: skip


def _mass(scenario: MonthScenario, w: World, end: float) -> dict[str, int]:
    """Where the ore is [g]."""
    hauler = w.whole[:, k.KIND] == Kind.HAULER
    # Who waits for units that are down for good has been promised nothing.
    unloading = np.isin(w.whole[:, k.PHASE], (Phase.QUEUE_PORT, Phase.UNLOAD)) & np.isfinite(w.real[:, k.T_NEXT])
    unloaded = int(w.counts[Count.UNLOADED])
    promised = int(w.whole[unloading, k.LOAD].sum())
    ahead = sum(_work_left(unit, end) for unit in w.units) * 1000.0 * scenario.unit_rate
    waiting = min(unloaded, max(0, math.ceil(ahead) - promised))
    mass = {
        "mined": int(w.counts[Count.MINED]), "in_hoppers": int(w.whole[~hauler, k.LOAD].sum()),
        "on_piles": int(w.pits[:, k.PILE].sum()), "in_transit": int(w.whole[hauler, k.LOAD].sum()),
        "at_the_plant": waiting, "processed": unloaded - waiting, "lost": int(w.counts[Count.LOST]),
    }  # fmt: skip
    if mass["mined"] != sum(v for n, v in mass.items() if n != "mined"):
        raise StopeError(f"books of mass do not close: {mass}. This is a fault of the engine.")
    return mass


def _work_left(unit: Any, end: float) -> float:
    """Work that a unit of the plant has before it at the end [s]; the rest of a standstill is none."""
    if unit[k.DOWN_UNTIL] == np.inf:
        return float(unit[k.WORK_LEFT])
    return max(float(unit[k.WORK_UNTIL]) - max(end, float(unit[k.DOWN_UNTIL])), 0.0)


def _energy(player: Player, robots: Any) -> dict[str, float]:
    """Books of the batteries up to when each was last settled [kWh]."""
    row = player.world.real[robots]
    joules = {"start": player.battery_start, "solar": row[:, k.SOLAR].sum(), "used": row[:, k.USED].sum(),
              "curtailed": row[:, k.CURTAILED].sum(), "end": row[:, k.BATTERY].sum()}  # fmt: skip
    gap = joules["start"] + joules["solar"] - joules["used"] - joules["curtailed"] - joules["end"]
    if abs(gap) > 1e-9 * (joules["start"] + joules["solar"]) or row[:, k.BATTERY].min() < 0.0:
        raise StopeError(f"books of energy do not close by {gap:g} J. This is a fault of the engine.")
    return {n: float(v / HOUR / 1000.0) for n, v in joules.items()} | {
        "shed": float(row[:, k.SHED].sum() / HOUR / 1000.0)}  # fmt: skip


def _figures(player: Player, times: Any, mass: dict[str, int], counts: dict[str, int]) -> dict[str, float]:
    scenario, w = player.scenario, player.world
    unloaded, processed = counts["unloaded"], mass["processed"] / 1000.0
    grade = counts["water_unloaded"] / 1000.0 / unloaded if unloaded else 0.0
    water = processed * grade * scenario.plant.recovery
    robots = times[: Kind.UNIT]
    total = robots.sum()
    working = [p for p in k.WORKING if p != Phase.PROCESS]
    down = [Phase.QUEUE_REPAIR, Phase.REPAIR, Phase.LOST, Phase.NO_SPARE]
    heat = processed * scenario.plant.heat_ore + water * scenario.plant.heat_water
    fleet_mass = scenario.robots.mass * (scenario.fleet.total - scenario.fleet.units)
    fleet_mass += scenario.robots.unit_mass * scenario.fleet.units
    propellant = float(w.real[:, k.PROPELLANT].sum())
    kwh = float(w.real[:, k.USED].sum()) / HOUR / 1000.0
    unit_time = player.end * scenario.fleet.units
    capacity = scenario.unit_rate * scenario.fleet.units * player.end
    return {
        "ore_t": processed / 1000.0, "mined_t": mass["mined"] / 1e6, "lost_t": mass["lost"] / 1e6,
        "water_l": water, "grade": grade, "plant_kwh": heat / 3.6, "robots_kwh": kwh,
        "kwh_per_kg_water": heat / 3.6 / water if water else 0.0,
        "kwh_per_t_ore": kwh / (processed / 1000.0) if processed else 0.0,
        "propellant_kg": propellant, "water_per_kg_fleet_year": water / fleet_mass * 365.25 * DAY / player.end,
        "working_share": float(robots[:, working].sum() / total),
        "available_share": float(1 - robots[:, down].sum() / total),
        "plant_used_share": processed / capacity,
        "plant_up_share": float(1.0 - w.units[:, k.DOWN_TIME].sum() / unit_time),
        "failures_per_day": counts["failures"] / (player.end / DAY), "robots_lost": float(counts["robots_lost"]),
        "spares_used": float(counts["spares_used"]), "asked_earth": float(counts["asked_earth"]),
        "lost_loads": float(counts["loads_lost"]),
    }  # fmt: skip
