# SPDX-License-Identifier: Apache-2.0
"""The fleet's month as a plain loop: a heap of events, and what every robot does at each.

Written apart from the compiled engine, in plain Python on lists, as the reference that it must agree with and a peer
that it is timed against. What a robot does is `HeapMonth.advance`.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections import deque
from typing import Any

import numba as nb
import numpy as np
from fleet_robot import Robot

from stope.base.counter_rng import uniform
from stope.base.units import DAY
from stope.fleet.mission.bank import Tables
from stope.fleet.mission.grade import choose_cells
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import COUNTS, Kind, Phase, Skill
from stope.fleet.mission.lay_out import lay_out
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["HeapMonth", "play_heap"]

BLOCK = 64
INF, PORT = math.inf, k.FIRST_PORT
(DECIDE, RECHARGE, COOL, ANCHOR, DIG, DEPOSIT, BLOCKED, PARKED, LEG_OUT, QUEUE_PIT, LOAD, LEG_BACK, QUEUE_PORT, UNLOAD,
 PROSPECT, QUEUE_REPAIR, REPAIR, WAIT_EARTH, PROCESS, LOST, NO_SPARE, _) = (int(x) for x in Phase)  # fmt: skip
WORKS = {ANCHOR, DIG, DEPOSIT, LEG_OUT, LOAD, LEG_BACK, UNLOAD, PROSPECT}


@nb.njit
def _block(key: Any, robot: Any, first: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        out[i] = uniform(key, (np.uint64(robot) << np.uint64(32)) | np.uint64(first + i))


class HeapMonth:
    """A month in plain Python. `advance` ends a robot's phase and returns when its next one ends."""

    def __init__(self, scenario: MonthScenario, tables: Tables, *, seed: int, replicate: int = 0) -> None:
        """Lay the month out."""
        self.scenario = scenario
        world, self.key = lay_out(scenario, tables, seed=seed, replicate=replicate)
        self.world = world
        self.c = world.constants.tolist()
        rows = zip(world.real.tolist(), world.whole.tolist(), strict=True)
        self.robots = [Robot(i, a, b) for i, (a, b) in enumerate(rows)]
        self.first = world.real[:, k.T_NEXT].tolist()
        pits = len(world.pits)
        self.pile, self.pile_water, self.inbound = [0] * pits, [0] * pits, [0] * pits
        self.queue: list[deque[Robot]] = [deque() for _ in range(pits)]
        self.blocked: list[deque[Robot]] = [deque() for _ in range(pits)]
        self.grade = world.pits[:, k.GRADE].tolist()
        self.units, self.repairers, self.spares = world.units.tolist(), world.repairers.tolist(), world.spares.tolist()
        self.near, self.legs = world.near.tolist(), world.leg_time.tolist()
        self.sun, self.cool = world.sunlight.tolist(), world.cool_bins.tolist()
        self.records = [[tuple(r) for r in tables.of(s).tolist()] for s in Skill]
        self.contact = world.contact.tolist()
        self.contact_ends = [b for _, b in self.contact]
        self.counts = dict.fromkeys(COUNTS, 0)
        self.wakes: list[tuple[float, Robot]] = []
        self.out = np.empty(BLOCK)

    def chance(self, r: Robot) -> float:
        """Next uniform number of a robot's own stream."""
        if not r.block:
            _block(np.uint64(self.key), r.number, r.drawn, self.out)
            r.block = self.out[::-1].tolist()
            r.drawn += BLOCK
        return r.block.pop()

    def draw(self, r: Robot, skill: int) -> tuple[float, ...]:
        """One whole measured outcome of a skill."""
        rows = self.records[skill]
        return rows[min(int(self.chance(r) * len(rows)), len(rows) - 1)]

    def draw_until(self, r: Robot, skill: int) -> tuple[float, float]:
        """Time and energy of tries until one succeeds [s, J]."""
        time = energy = 0.0
        for _ in range(20):
            row = self.draw(r, skill)
            self.counts["tries"] += 1
            time += row[1]
            energy += row[2]
            if row[0] > 0.0:
                break
        return time, energy

    def gathered(self, table: list[float], t: float) -> float:
        """Sunlight since the start [J/m2]."""
        spin, bins = self.c[k.SPIN], len(table) - 1
        turns = math.floor(t / spin)
        x = (t - turns * spin) / spin * bins
        i = min(int(x), bins - 1)
        return turns * table[bins] + table[i] + (x - i) * (table[i + 1] - table[i])

    def light_time(self, table: list[float], wanted: float) -> float:
        """When the sunlight since the start reaches what is wanted [s]."""
        bins, whole = len(table) - 1, table[-1]
        if whole <= 0.0:
            return INF
        turns = math.floor(wanted / whole)
        rest = wanted - turns * whole
        low = min(bisect_right(table, rest, 1, bins) - 1, bins - 1)
        step = table[low + 1] - table[low]
        share = (rest - table[low]) / step if step > 0.0 else 0.0
        return (turns + (low + share) / bins) * self.c[k.SPIN]

    def settle(self, r: Robot, t: float, energy: float) -> None:
        """Bring a battery to time t, given what was drawn [J]."""
        c, table = self.c, self.sun[r.pit]
        solar = c[k.ARRAY] * c[k.DUST] * (self.gathered(table, t) - self.gathered(table, r.t_battery))
        there = r.battery + solar
        used = min(energy, there)
        left = there - used
        kept = min(left, c[k.CAPACITY])
        r.battery, r.t_battery = kept, t
        r.solar += solar
        r.used += used
        r.shed += energy - used
        r.curtailed += left - kept

    def go(self, r: Robot, t: float, phase: int, until: float) -> float:
        """Enter a phase; returns when it ends [s]."""
        r.phase, r.since, r.outcome, r.mass, r.energy = phase, t, 1, 0, 0.0
        return until

    def begin(self, r: Robot, t: float, phase: int, duration: float, energy: float) -> float:
        """Begin an activity; returns when it ends [s]."""
        self.go(r, t, phase, t)
        r.energy = energy
        return t + duration

    def ready(self, r: Robot, t: float, worst: float) -> float | None:
        """None if it may work, else when it looks again."""
        c = self.c
        need = worst + c[k.RESERVE] * c[k.CAPACITY]
        if r.battery < need:
            table, array = self.sun[r.pit], c[k.ARRAY] * max(c[k.DUST], 0.01)
            now = self.gathered(table, t)
            wanted = min(1.1 * need, c[k.CAPACITY]) - r.battery
            until = self.light_time(table, now + wanted / array)
            until = self.light_time(table, now + (wanted + c[k.IDLE] * (until - t)) / array)
            return self.go(r, t, RECHARGE, max(until, t + 300.0))
        spin, row = c[k.SPIN], self.cool[r.pit]
        x = (t / spin - math.floor(t / spin)) * len(row)
        i = min(int(x), len(row) - 1)
        if row[i]:
            hot = (row[i] - (x - i)) * spin / len(row)
            if hot > 0.0:
                return self.go(r, t, COOL, t + max(hot, 60.0))
        return None

    def answer_time(self, t: float) -> float:
        """When Earth's answer to a question of time t is there [s]."""
        leaves = self.next_contact(t)
        return self.next_contact(leaves + 2.0 * self.c[k.LIGHT_TIME] + self.c[k.DECISION])

    def next_contact(self, t: float) -> float:
        """First time of contact not before t [s]."""
        i = bisect_right(self.contact_ends, t)
        return max(t, self.contact[i][0]) if i < len(self.contact) else INF

    def lose(self, r: Robot, t: float) -> float:
        """A robot is gone, and what it carries."""
        self.counts["robots_lost"] += 1
        self.counts["lost"] += r.load
        self.counts["water_lost"] += r.water
        r.load = r.water = 0
        return self.go(r, t, LOST, INF)

    def fail(self, r: Robot, t: float) -> float:
        """A robot or a unit fails."""
        c, is_unit = self.c, r.kind == Kind.UNIT
        self.counts["failures"] += 1
        u_lost, u_spare, u_repair = self.chance(r), self.chance(r), self.chance(r)
        r.clock = -(c[k.UNIT_MTBF] if is_unit else c[k.MTBF]) * math.log(self.chance(r))
        if u_lost < c[k.LOST_SHARE] and not is_unit:
            return self.lose(r, t)
        if u_spare < c[k.SPARE_SHARE]:
            if self.spares[r.yard] <= 0:
                self.halt(r, t, INF)
                return self.go(r, t, NO_SPARE, INF)
            self.spares[r.yard] -= 1
            self.counts["spares_used"] += 1
        known = t
        if c[k.AUTONOMY] < 4.0:
            self.counts["asked_earth"] += 1
            known = self.answer_time(t)
            if known > c[k.END]:
                self.halt(r, t, INF)
                return self.go(r, t, QUEUE_REPAIR, INF)
        service = self.draw_until(r, Skill.CAPTURE)[0] - c[k.MTTR] * math.log(u_repair)
        free = self.repairers[r.yard]
        j = free.index(min(free))
        start = max(known, free[j])
        free[j] = start + service
        self.counts["repair_arrivals"] += 1
        r.duration = service
        self.halt(r, t, start + service)
        return self.go(r, t, QUEUE_REPAIR, start)

    def halt(self, r: Robot, t: float, until: float) -> None:
        """A unit that fails takes no ore, and works none off, until it is repaired; a robot has none."""
        if r.kind == Kind.UNIT:
            row = self.units[r.unit]
            row[0] = max(row[0], t) + (until - t)
            row[PORT:] = [max(x, until) for x in row[PORT:]]

    def advance(self, r: Robot, t: float) -> float:  # noqa: PLR0911 -- one for each way a phase may end
        """End a robot's phase at time t [s]; returns when the next ends, infinite if somebody must wake it."""
        self.counts["events"] += 1
        phase, spent, c = r.phase, t - r.since, self.c
        if r.kind == Kind.UNIT:
            if phase == PROCESS:
                return self.fail(r, t)
            if phase == QUEUE_REPAIR:
                return self.go(r, t, REPAIR, t + r.duration)
            self.counts["repairs"] += 1
            return self.go(r, t, PROCESS, t + r.clock)
        if phase == QUEUE_PORT:
            self.settle(r, t, 0.0)
            self.counts["port_arrivals"] += 1
            return self.go(r, t, UNLOAD, t + r.duration)
        if phase in (QUEUE_REPAIR, REPAIR):
            self.settle(r, t, 0.0)
            if phase == QUEUE_REPAIR:
                return self.go(r, t, REPAIR, t + r.duration)
            self.counts["repairs"] += 1
            r.service = 0.0
            return self.go(r, t, DECIDE, t)
        self.settle(r, t, r.energy + c[k.IDLE] * spent)
        if phase not in WORKS:
            return self.decide(r, t)
        r.clock -= spent
        r.service += spent
        if phase in (LEG_BACK, LEG_OUT):
            return self.end_leg(r, t, phase)
        return self.end_work(r, t, phase)

    def decide(self, r: Robot, t: float) -> float:  # noqa: PLR0911 -- one for each thing that may follow
        """What a free robot does next."""
        c = self.c
        if c[k.AUTONOMY] < 2.0 and r.resume == 0:
            self.counts["asked_earth"] += 1
            r.resume = 1
            return self.go(r, t, WAIT_EARTH, self.answer_time(t))
        if r.kind == Kind.EXCAVATOR:
            if r.load >= c[k.HOPPER]:
                wait = self.ready(r, t, c[k.WORST_HOP])
                return wait if wait is not None else self.begin(
                    r, t, DEPOSIT, c[k.DEPOSIT_TIME], c[k.MOVE_POWER] * c[k.DEPOSIT_TIME])  # fmt: skip
            wait = self.ready(r, t, c[k.WORST_DIG])
            if wait is not None:
                return wait
            row = self.draw(r, Skill.ANCHOR)
            r.resume = 0
            until = self.begin(r, t, ANCHOR, row[1], row[2])
            r.outcome = int(row[0])
            return until
        if r.kind == Kind.HAULER:
            wait = self.ready(r, t, c[k.WORST_HAUL])
            if wait is not None:
                return wait
            r.resume = 0
            if r.load > 0:
                return self.depart(r, t, LEG_BACK)
            r.unit = self.choose_pit(r)
            r.pit = self.near[r.yard][r.unit]
            self.inbound[r.pit] += 1
            return self.depart(r, t, LEG_OUT)
        wait = self.ready(r, t, c[k.WORST_HOP])
        if wait is not None:
            return wait
        row = self.draw(r, Skill.HOP)
        r.resume = 0
        until = self.begin(r, t, PROSPECT, row[1] + c[k.SAMPLE_TIME], row[2])
        r.outcome = int(row[0])
        return until

    def choose_pit(self, r: Robot) -> int:
        """Column of the candidate pit that a hauler flies to."""
        load, best, least = int(self.c[k.HAUL_LOAD]), 0, 1 << 62
        nearest = self.c[k.DISPATCH] == k.NEAREST
        for j, pit in enumerate(self.near[r.yard]):
            ahead = self.inbound[pit] * load - self.pile[pit]
            if nearest:
                if ahead + load <= 0:
                    return j
            elif ahead < least:
                best, least = j, ahead
        return best

    def depart(self, r: Robot, t: float, phase: int) -> float:
        """A leg, with its failed tries."""
        c, leg, tries, outcome = self.c, self.legs[r.yard][r.unit], 1, 1
        success = c[k.LEG_SUCCESS] ** float(self.world.leg_hops[r.yard, r.unit])
        while tries < 20 and self.chance(r) >= success:
            self.counts["legs_failed"] += 1
            if self.chance(r) < c[k.LEG_LOSS]:
                outcome = -1
                break
            tries += 1
        self.counts["legs"] += 1
        until = self.begin(r, t, phase, tries * leg, c[k.LEG_POWER] * tries * leg)
        r.outcome = outcome
        return until

    def end_leg(self, r: Robot, t: float, phase: int) -> float:
        """A hauler is there, or has escaped."""
        if phase == LEG_OUT:
            self.inbound[r.pit] -= 1
        if r.outcome < 0:
            self.counts["loads_lost"] += r.load > 0
            return self.lose(r, t)
        if r.clock <= 0.0:
            return self.fail(r, t)
        if phase == LEG_OUT:
            self.counts["pit_arrivals"] += 1
            if self.pile[r.pit] >= self.c[k.HAUL_LOAD] and not self.queue[r.pit]:
                until = self.take(r, t)
                self.make_room(r.pit, t)
                return until
            self.inbound[r.pit] += 1
            self.queue[r.pit].append(r)
            return self.go(r, t, QUEUE_PIT, INF)
        if r.load == 0:
            return self.go(r, t, DECIDE, t)
        return self.line_up(r, t)

    def take(self, r: Robot, t: float) -> float:
        """Take a load off the pile."""
        pit = r.pit
        pile = self.pile[pit]
        mass = min(pile, int(self.c[k.HAUL_LOAD]))
        water = self.pile_water[pit] if mass == pile else self.pile_water[pit] * mass // pile
        self.pile[pit] -= mass
        self.pile_water[pit] -= water
        time, energy = self.draw_until(r, Skill.DOCK)
        self.go(r, t, LOAD, t)
        r.energy, r.mass, r.load, r.water = energy, mass, mass, water
        return t + time + self.c[k.LOAD_TIME]

    def line_up(self, r: Robot, t: float) -> float:
        """Choose a unit of the yard, and wait for it."""
        c, load = self.c, r.load
        time, energy = self.draw_until(r, Skill.HAUL)
        service = time + c[k.UNLOAD_TIME]
        num, rate = int(c[k.NUM_UNITS]), c[k.UNIT_RATE]
        unit, port, start = r.yard * num, PORT, INF
        for u in range(r.yard * num, r.yard * num + num):
            row = self.units[u]
            j = row.index(min(row[PORT:]), PORT)
            begins = max(t, row[j], row[0] - (c[k.UNIT_HOPPER] - load) / rate - service)
            if begins < start:
                unit, port, start = u, j, begins
        if start == INF:
            return self.go(r, t, QUEUE_PORT, INF)
        row = self.units[unit]
        row[port] = start + service
        row[0] = max(row[0], start + service) + load / rate
        r.duration = service
        self.settle(r, t, min(energy, r.battery))
        r.resume = 0
        return self.go(r, t, QUEUE_PORT, start)

    def end_work(self, r: Robot, t: float, phase: int) -> float:
        """An activity is over."""
        if r.outcome < 0:
            return self.lose(r, t)
        if phase == DIG:
            water = r.mass * self.grade[r.pit] // 1000
            r.load += r.mass
            r.water += water
            self.counts["mined"] += r.mass
            self.counts["water_mined"] += water
        elif phase == UNLOAD:
            self.counts["loads"] += 1
            self.counts["unloaded"] += r.load
            self.counts["water_unloaded"] += r.water
            r.load = r.water = 0
        elif phase == DEPOSIT:
            return self.deposit(r, t)
        elif phase == PROSPECT and r.outcome > 0:
            self.sample(r)
        if r.clock <= 0.0:
            return self.fail(r, t)
        return self.dig(r, t) if phase == ANCHOR and r.outcome > 0 else self.decide(r, t)

    def dig(self, r: Robot, t: float) -> float:
        """Fill the drums some times at one anchoring."""
        c = self.c
        time, energy, mass, outcome = c[k.MOVE_TIME], c[k.MOVE_POWER] * c[k.MOVE_TIME], 0.0, 1
        for _ in range(int(c[k.LOADS])):
            row = self.draw(r, Skill.DIG)
            time += row[1] + c[k.DUMP_TIME]
            energy += row[2]
            mass += row[3]
            if (outcome := min(1, int(row[0]))) < 0:
                break
        sharp = max(c[k.WEAR_FLOOR], 1.0 - c[k.WEAR] * r.service)
        until = self.begin(r, t, DIG, time, energy)
        r.outcome, r.mass = (1, int(mass * sharp * c[k.DIG_FACTOR])) if outcome >= 0 else (-1, 0)
        return until

    def deposit(self, r: Robot, t: float) -> float:
        """Put the hopper's ore on the pile."""
        if r.clock <= 0.0:
            return self.fail(r, t)
        if self.pile[r.pit] + r.load > self.c[k.PILE_MOST]:
            self.blocked[r.pit].append(r)
            return self.go(r, t, BLOCKED, INF)
        self.pour(r)
        until = self.decide(r, t)
        pit = r.pit
        while self.queue[pit] and self.pile[pit] >= self.c[k.HAUL_LOAD]:
            other = self.queue[pit].popleft()
            self.inbound[pit] -= 1
            self.settle(other, t, self.c[k.IDLE] * (t - other.since))
            self.wakes.append((self.take(other, t), other))
        self.make_room(pit, t)
        return until

    def pour(self, r: Robot) -> None:
        """From the hopper to the pile."""
        self.pile[r.pit] += r.load
        self.pile_water[r.pit] += r.water
        r.load = r.water = 0
        self.counts["deposits"] += 1

    def make_room(self, pit: int, t: float) -> None:
        """Excavators that wait pour their ore where there is room."""
        line = self.blocked[pit]
        while line and self.pile[pit] + line[0].load <= self.c[k.PILE_MOST]:
            other = line.popleft()
            self.pour(other)
            self.settle(other, t, self.c[k.IDLE] * (t - other.since))
            self.wakes.append((self.go(other, t, DECIDE, t), other))

    def sample(self, r: Robot) -> None:
        """A prospector measures a grade."""
        w = self.world
        cells = w.samples.shape[1]
        cell = min(int(self.chance(r) * cells), cells - 1)
        u, v = self.chance(r), self.chance(r)
        noise = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)
        w.samples[r.pit, cell] += 1
        w.sample_sum[r.pit, cell] += w.true_grade[r.pit, cell] + self.c[k.SAMPLE_NOISE] * noise
        self.counts["samples"] += 1
        near = self.near[r.yard]
        r.pit = near[self.counts["samples"] % len(near)]

    def look(self, t: float) -> None:
        """What happens at a tick: patience, and the grade map once a day."""
        patience = self.scenario.plant.patience
        for pit, line in enumerate(self.queue):
            while line and t - line[0].since >= patience:
                r = line.popleft()
                self.inbound[pit] -= 1
                self.settle(r, t, self.c[k.IDLE] * (t - r.since))
                self.counts["gave_up"] += 1
                self.wakes.append((self.take(r, t) if self.pile[pit] > 0 else self.depart(r, t, LEG_BACK), r))
                self.make_room(pit, t)
        if t % DAY < self.scenario.tick:
            choose_cells(self.scenario, self.world)
            self.grade = self.world.pits[:, k.GRADE].tolist()


def play_heap(month: HeapMonth) -> HeapMonth:
    """Play to the end from one heap of (time, robot)."""
    heap = [(t, r.number) for t, r in zip(month.first, month.robots, strict=True)]
    heapq.heapify(heap)
    end, tick, robots, advance = month.scenario.days * DAY, month.scenario.tick, month.robots, month.advance
    looks, pop, push, wakes = tick, heapq.heappop, heapq.heappush, month.wakes
    while looks < end + tick:
        until = min(looks, end)
        while heap and heap[0][0] < until:
            t, number = pop(heap)
            following = advance(robots[number], t)
            if following <= end:
                push(heap, (following, number))
            if wakes:
                for other_t, other in wakes:
                    if other_t <= end:
                        push(heap, (other_t, other.number))
                wakes.clear()
        if until < end:
            month.look(until)
            for other_t, other in wakes:
                push(heap, (other_t, other.number))
            wakes.clear()
        looks += tick
    return month
