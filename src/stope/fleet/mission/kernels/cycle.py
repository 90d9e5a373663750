# SPDX-License-Identifier: Apache-2.0
"""Kernels of the cycles: excavators dig and deposit, haulers carry and unload, prospectors sample, units process."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import Count, Skill
from stope.fleet.mission.kernels.inner import inner
from stope.fleet.mission.kernels.power import settle
from stope.fleet.mission.kernels.queues import first_free, leave_first, schedule
from stope.fleet.mission.kernels.steps import (
    ANCHOR,
    BLOCKED,
    DECIDE,
    DEPOSIT,
    DIG,
    EXCAVATOR,
    HAULER,
    LEG_BACK,
    LEG_OUT,
    LOAD,
    PARKED,
    PROCESS,
    PROSPECT,
    QUEUE_PIT,
    QUEUE_PORT,
    QUEUE_REPAIR,
    REPAIR,
    SAFE,
    TRIES,
    UNIT,
    UNLOAD,
    chance,
    draw,
    draw_until,
    fail,
    go,
    is_held,
    is_well,
    lose,
    ready,
    wait_for_earth,
    wait_in_line,
    wake,
)  # fmt: skip

__all__ = ["advance", "choose_pit", "end_wait", "send"]

MINED, UNLOADED = int(Count.MINED), int(Count.UNLOADED)
WATER_MINED, WATER_UNLOADED = int(Count.WATER_MINED), int(Count.WATER_UNLOADED)
LOADS, DEPOSITS, LEGS, LEGS_FAILED = int(Count.LOADS), int(Count.DEPOSITS), int(Count.LEGS), int(Count.LEGS_FAILED)
PORT_ARRIVALS, PIT_ARRIVALS, SAMPLES = int(Count.PORT_ARRIVALS), int(Count.PIT_ARRIVALS), int(Count.SAMPLES)
REPAIRS, GAVE_UP, LOADS_LOST = int(Count.REPAIRS), int(Count.GAVE_UP), int(Count.LOADS_LOST)
MINED_LOST, WATER_LOST = int(Count.LOST), int(Count.WATER_LOST)
SKILL_ANCHOR, SKILL_DIG, SKILL_DOCK = np.int64(Skill.ANCHOR), np.int64(Skill.DIG), np.int64(Skill.DOCK)
SKILL_HAUL, SKILL_HOP = np.int64(Skill.HAUL), np.int64(Skill.HOP)
WORKS = np.array([False] * 22)
WORKS[[ANCHOR, DIG, DEPOSIT, LEG_OUT, LOAD, LEG_BACK, UNLOAD, PROSPECT]] = True


@inner
def advance(w: Any, robot: Any, t: Any, key: Any, window: Any) -> None:
    """End a robot's phase at time t, and begin the next."""
    phase, kind = w.whole[robot, k.PHASE], w.whole[robot, k.KIND]
    spent = t - w.real[robot, k.SINCE]
    if phase == PROCESS or kind == UNIT:
        advance_unit(w, robot, t, phase, key)
        return
    if phase == QUEUE_PORT:
        settle(w, robot, t, 0.0)  # moored, it lives on the plant
        w.counts[PORT_ARRIVALS] += 1
        go(w, robot, t, UNLOAD, t + w.real[robot, k.DURATION])
        return
    if phase in (QUEUE_REPAIR, REPAIR):
        end_repair_phase(w, robot, t, phase)
        return
    settle(w, robot, t, w.real[robot, k.ENERGY] + w.constants[k.IDLE] * spent)
    if WORKS[phase]:
        w.real[robot, k.CLOCK] -= spent
        w.real[robot, k.SERVICE] += spent
        if phase in (LEG_BACK, LEG_OUT):
            end_leg(w, robot, t, phase, key)
        else:
            end_work(w, robot, t, phase, key, window)
        return
    decide(w, robot, t, key)


@inner
def advance_unit(w: Any, robot: Any, t: Any, phase: Any, key: Any) -> None:
    """A unit of the plant works until it fails, waits for a maintainer, is repaired, works again."""
    if phase == PROCESS:
        fail(w, robot, t, key)
    elif phase == QUEUE_REPAIR:
        go(w, robot, t, REPAIR, t + w.real[robot, k.DURATION])
    else:
        w.counts[REPAIRS] += phase == REPAIR
        go(w, robot, t, PROCESS, t + w.real[robot, k.CLOCK])


@inner
def end_repair_phase(w: Any, robot: Any, t: Any, phase: Any) -> None:
    """The maintainer comes; the maintainer is done: the robot is as new, full and free to decide."""
    settle(w, robot, t, 0.0)
    if phase == QUEUE_REPAIR:
        go(w, robot, t, REPAIR, t + w.real[robot, k.DURATION])
        return
    w.counts[REPAIRS] += 1
    w.real[robot, k.SERVICE] = 0.0
    go(w, robot, t, DECIDE, t)


@inner
def decide_to_dig(w: Any, robot: Any, t: Any, key: Any) -> None:
    """An excavator deposits what it has when its hopper is full, else it anchors."""
    c = w.constants
    if w.whole[robot, k.LOAD] >= c[k.HOPPER]:
        if ready(w, robot, t, c[k.WORST_HOP]):
            begin(w, robot, t, DEPOSIT, c[k.DEPOSIT_TIME], c[k.MOVE_POWER] * c[k.DEPOSIT_TIME])
    elif t < w.pits[w.whole[robot, k.PIT], k.CLOSED_UNTIL]:
        go(w, robot, t, SAFE, float(w.pits[w.whole[robot, k.PIT], k.CLOSED_UNTIL]))
    elif is_held(w, robot, t, SKILL_ANCHOR) or is_held(w, robot, t, SKILL_DIG):
        return
    elif ready(w, robot, t, c[k.WORST_DIG]):
        attempt(w, robot, t, ANCHOR, SKILL_ANCHOR, 0.0, key)


@inner
def attempt(w: Any, robot: Any, t: Any, phase: Any, skill: Any, beside: Any, key: Any) -> None:
    """Begin one attempt at a skill, and what takes `beside` seconds with it."""
    r = draw(w, robot, skill, key)
    w.whole[robot, k.RESUME] = 0
    begin(w, robot, t, phase, w.constants[k.SLOWNESS + skill] * w.records[r, 1] + beside, w.records[r, 2])
    outcome = int(w.records[r, 0])
    w.whole[robot, k.OUTCOME] = 0 if outcome > 0 and not is_well(w, robot, skill, key) else outcome
    if phase == ANCHOR:
        w.real[robot, k.PROPELLANT] += w.records[r, 4]


@inner
def decide(w: Any, robot: Any, t: Any, key: Any) -> None:
    """What a free robot does next."""
    c, kind = w.constants, w.whole[robot, k.KIND]
    if c[k.AUTONOMY] < 2.0 and w.whole[robot, k.RESUME] == 0:
        wait_for_earth(w, robot, t, key)
        return
    if kind == EXCAVATOR:
        decide_to_dig(w, robot, t, key)
    elif kind == HAULER:
        if is_held(w, robot, t, SKILL_HAUL if w.whole[robot, k.LOAD] > 0 else SKILL_DOCK):
            return
        if ready(w, robot, t, c[k.WORST_HAUL]):
            w.whole[robot, k.RESUME] = 0
            if w.whole[robot, k.LOAD] > 0:
                depart(w, robot, t, LEG_BACK, key)
            elif c[k.DISPATCH] == k.ASSIGNED:
                go(w, robot, t, PARKED, np.inf)
            else:
                send(w, robot, t, choose_pit(w, robot), key)
    elif not is_held(w, robot, t, SKILL_HOP) and ready(w, robot, t, c[k.WORST_HOP]):
        attempt(w, robot, t, PROSPECT, SKILL_HOP, c[k.SAMPLE_TIME], key)


@inner
def begin(w: Any, robot: Any, t: Any, phase: Any, duration: Any, energy: Any) -> None:
    """Begin an activity; idling draws on top of its energy."""
    go(w, robot, t, phase, t + duration)
    w.real[robot, k.ENERGY] = energy


@inner
def choose_pit(w: Any, robot: Any) -> Any:
    """Column of the candidate pit that a hauler flies to: the shortest queue, or the nearest with a load to fetch."""
    yard, c = w.whole[robot, k.YARD], w.constants
    load, best, least = np.int64(c[k.HAUL_LOAD]), 0, np.int64(1) << 62
    for j in range(w.near.shape[1]):
        pit = w.near[yard, j]
        ahead = w.pits[pit, k.INBOUND] * load - w.pits[pit, k.PILE]
        if c[k.DISPATCH] == k.NEAREST:
            if ahead + load <= 0:
                return j
        elif ahead < least:
            best, least = j, ahead
    return best


@inner
def send(w: Any, robot: Any, t: Any, j: Any, key: Any) -> None:
    """Send a hauler to the j-th candidate of its yard."""
    pit = w.near[w.whole[robot, k.YARD], j]
    w.whole[robot, k.PIT] = pit
    w.whole[robot, k.UNIT] = j
    w.pits[pit, k.INBOUND] += 1
    depart(w, robot, t, LEG_OUT, key)


@inner
def depart(w: Any, robot: Any, t: Any, phase: Any, key: Any) -> None:
    """A leg, with its failed tries; each takes as long again. Every hop of it must succeed and takes propellant."""
    c, yard, j = w.constants, w.whole[robot, k.YARD], w.whole[robot, k.UNIT]
    leg, hops, tries, outcome = w.leg_time[yard, j], w.leg_hops[yard, j], 1, 1
    success = c[k.LEG_SUCCESS] ** hops
    while tries < TRIES and chance(w, robot, key) >= success:
        w.counts[LEGS_FAILED] += 1
        if chance(w, robot, key) < c[k.LEG_LOSS]:
            outcome = -1
            break
        tries += 1
    w.counts[LEGS] += 1
    w.real[robot, k.PROPELLANT] += tries * hops * c[k.LEG_PROPELLANT]
    begin(w, robot, t, phase, tries * leg, c[k.LEG_POWER] * tries * leg)
    w.whole[robot, k.OUTCOME] = outcome


@inner
def end_leg(w: Any, robot: Any, t: Any, phase: Any, key: Any) -> None:
    """A hauler is there: it waits for its load at the pit, or for a port of the yard; or it has escaped."""
    pit, outcome = w.whole[robot, k.PIT], w.whole[robot, k.OUTCOME]
    if phase == LEG_OUT:
        w.pits[pit, k.INBOUND] -= 1
    if outcome < 0:
        w.counts[LOADS_LOST] += w.whole[robot, k.LOAD] > 0
        lose(w, robot, t)
        return
    if has_failed(w, robot):
        fail(w, robot, t, key)
        return
    if phase == LEG_OUT:
        w.counts[PIT_ARRIVALS] += 1
        if w.pits[pit, k.PILE] >= w.constants[k.HAUL_LOAD] and w.pits[pit, k.QUEUE_HEAD] < 0:
            w.waits[k.QUEUE_AT_PIT, 2] += 1.0
            take(w, robot, t, key)
        else:
            w.pits[pit, k.INBOUND] += 1  # who waits is still on the way to a load
            w.pits[pit, k.QUEUE_LENGTH] += 1
            wait_in_line(w, robot, t, pit, k.QUEUE_HEAD, QUEUE_PIT)
    elif w.whole[robot, k.LOAD] == 0:
        go(w, robot, t, DECIDE, t)
    else:
        line_up(w, robot, t, key)


@inner
def has_failed(w: Any, robot: Any) -> Any:
    """Whether a robot's working time to the next failure is over, or a fault has struck it."""
    return w.real[robot, k.CLOCK] <= 0.0 or w.whole[robot, k.DOOMED] == 1


@inner
def take(w: Any, robot: Any, t: Any, key: Any) -> None:
    """Take a load off the pile; docking at the pit and loading then take their time."""
    pit, c = w.whole[robot, k.PIT], w.constants
    pile = w.pits[pit, k.PILE]
    mass = min(pile, np.int64(c[k.HAUL_LOAD]))
    water = w.pits[pit, k.PILE_WATER] if mass == pile else w.pits[pit, k.PILE_WATER] * mass // pile
    w.pits[pit, k.PILE] -= mass
    w.pits[pit, k.PILE_WATER] -= water
    time, energy, _ = draw_until(w, robot, SKILL_DOCK, key)
    go(w, robot, t, LOAD, t + time + c[k.LOAD_TIME])
    w.real[robot, k.ENERGY] = energy
    w.whole[robot, k.MASS], w.whole[robot, k.LOAD], w.whole[robot, k.WATER] = mass, mass, water


@inner
def line_up(w: Any, robot: Any, t: Any, key: Any) -> None:
    """Choose the unit of the yard that can begin first, and wait there for a port and for room in its hopper."""
    c, load = w.constants, w.whole[robot, k.LOAD]
    time, energy, _ = draw_until(w, robot, SKILL_HAUL, key)
    service = time + c[k.UNLOAD_TIME]
    num = int(c[k.NUM_UNITS])
    first = w.whole[robot, k.YARD] * num
    unit, port, start = first, k.FIRST_PORT, np.inf
    for u in range(first, first + num):
        j = first_free(w.units[u], k.FIRST_PORT, w.units.shape[1])
        room = w.units[u, k.WORK_UNTIL] - (c[k.UNIT_HOPPER] - load) / c[k.UNIT_RATE]
        begins = max(t, w.units[u, j], room - service)
        if begins < start:
            unit, port, start = u, j, begins
    if start == np.inf:  # every unit of the yard is down for good
        go(w, robot, t, QUEUE_PORT, np.inf)
        return
    row = w.units[unit]
    row[port] = start + service
    row[k.WORK_UNTIL] = max(row[k.WORK_UNTIL], start + service) + load / c[k.UNIT_RATE]
    w.waits[k.QUEUE_AT_PORT, 0] += start - t
    w.waits[k.QUEUE_AT_PORT, 1] = max(w.waits[k.QUEUE_AT_PORT, 1], start - t)
    w.waits[k.QUEUE_AT_PORT, 2] += 1.0
    w.real[robot, k.DURATION] = service
    settle(w, robot, t, min(energy, w.real[robot, k.BATTERY]))
    go(w, robot, t, QUEUE_PORT, start)
    w.whole[robot, k.RESUME] = 0


@inner
def end_work(w: Any, robot: Any, t: Any, phase: Any, key: Any, window: Any) -> None:
    """An activity of a robot at work is over."""
    outcome = w.whole[robot, k.OUTCOME]
    if outcome < 0:  # of anchoring, digging or a prospector's hop; what it had dug there is not mined
        lose(w, robot, t)
        return
    if phase == DIG:
        w.whole[robot, k.LOAD] += w.whole[robot, k.MASS]
        water = w.whole[robot, k.MASS] * w.pits[w.whole[robot, k.PIT], k.GRADE] // 1000  # grade in ppm: g ppm = mg/1000
        w.whole[robot, k.WATER] += water
        w.counts[MINED] += w.whole[robot, k.MASS]
        w.counts[WATER_MINED] += water
    if phase == UNLOAD:
        unload(w, robot)
    if phase == DEPOSIT:
        deposit(w, robot, t, key, window)
        return
    if phase == PROSPECT and outcome > 0:
        sample(w, robot, key)
    if has_failed(w, robot):
        fail(w, robot, t, key)
    elif phase == ANCHOR and outcome > 0:
        dig(w, robot, t, key)
    else:
        decide(w, robot, t, key)


@inner
def dig(w: Any, robot: Any, t: Any, key: Any) -> None:
    """Fill the drums some times at one anchoring, empty them into the hopper each time, move on."""
    c = w.constants
    time, energy, mass, outcome = c[k.MOVE_TIME], c[k.MOVE_POWER] * c[k.MOVE_TIME], 0.0, 1
    for _ in range(int(c[k.LOADS])):
        r = draw(w, robot, SKILL_DIG, key)
        time += c[k.SLOWNESS + SKILL_DIG] * w.records[r, 1] + c[k.DUMP_TIME]
        energy += w.records[r, 2]
        if w.records[r, 0] < 0.0:
            outcome = -1
            break
        if is_well(w, robot, SKILL_DIG, key):
            mass += w.records[r, 3]
    sharp = max(c[k.WEAR_FLOOR], 1.0 - c[k.WEAR] * w.real[robot, k.SERVICE])
    begin(w, robot, t, DIG, time, energy)
    w.whole[robot, k.OUTCOME] = outcome
    w.whole[robot, k.MASS] = 0 if outcome < 0 else np.int64(mass * sharp * c[k.DIG_FACTOR])


@inner
def deposit(w: Any, robot: Any, t: Any, key: Any, window: Any) -> None:
    """Put the hopper's ore on the pile where it has room, and give loads to haulers that wait for them."""
    pit, load = w.whole[robot, k.PIT], w.whole[robot, k.LOAD]
    if has_failed(w, robot):
        fail(w, robot, t, key)
        return
    if w.pits[pit, k.PILE] + load > w.constants[k.PILE_MOST]:
        wait_in_line(w, robot, t, pit, k.BLOCKED_HEAD, BLOCKED)
        return
    pour(w, robot, pit)
    decide(w, robot, t, key)
    hand_out(w, pit, t, key, window)


@inner
def pour(w: Any, robot: Any, pit: Any) -> None:
    """From the hopper to the pile."""
    w.pits[pit, k.PILE] += w.whole[robot, k.LOAD]
    w.pits[pit, k.PILE_WATER] += w.whole[robot, k.WATER]
    w.whole[robot, k.LOAD], w.whole[robot, k.WATER] = 0, 0
    w.counts[DEPOSITS] += 1


@inner
def hand_out(w: Any, pit: Any, t: Any, key: Any, window: Any) -> None:
    """Loads to the haulers that wait at a pit, in order of arrival; then room for excavators that wait."""
    while w.pits[pit, k.QUEUE_HEAD] >= 0 and w.pits[pit, k.PILE] >= w.constants[k.HAUL_LOAD]:
        other = leave_first(w, pit, k.QUEUE_HEAD)
        end_wait(w, other, t)
        take(w, other, t, key)
        schedule(w, other, window)
    make_room(w, pit, t, window)


@inner
def end_wait(w: Any, robot: Any, t: Any) -> None:
    """A hauler leaves the queue of a pit, with a load or without."""
    pit, waited = w.whole[robot, k.PIT], t - w.real[robot, k.SINCE]
    w.pits[pit, k.INBOUND] -= 1
    w.pits[pit, k.QUEUE_LENGTH] -= 1
    w.waits[k.QUEUE_AT_PIT, 0] += waited
    w.waits[k.QUEUE_AT_PIT, 1] = max(w.waits[k.QUEUE_AT_PIT, 1], waited)
    w.waits[k.QUEUE_AT_PIT, 2] += 1.0
    settle(w, robot, t, w.constants[k.IDLE] * waited)


@inner
def make_room(w: Any, pit: Any, t: Any, window: Any) -> None:
    """Excavators that wait pour their ore where there is room now."""
    while w.pits[pit, k.BLOCKED_HEAD] >= 0:
        other = w.pits[pit, k.BLOCKED_HEAD]
        if w.pits[pit, k.PILE] + w.whole[other, k.LOAD] > w.constants[k.PILE_MOST]:
            return
        leave_first(w, pit, k.BLOCKED_HEAD)
        pour(w, other, pit)
        wake(w, other, t, DECIDE, t, window)


@inner
def unload(w: Any, robot: Any) -> None:
    """Into the unit's hopper; when it will be processed was settled on arrival."""
    w.counts[LOADS] += 1
    w.counts[UNLOADED] += w.whole[robot, k.LOAD]
    w.counts[WATER_UNLOADED] += w.whole[robot, k.WATER]
    w.whole[robot, k.LOAD], w.whole[robot, k.WATER] = 0, 0


@inner
def sample(w: Any, robot: Any, key: Any) -> None:
    """A prospector measures the grade of one cell of its pit, with noise; next time it goes to another pit."""
    pit, cells = w.whole[robot, k.PIT], w.samples.shape[1]
    cell = min(int(chance(w, robot, key) * cells), cells - 1)
    u, v = chance(w, robot, key), chance(w, robot, key)
    noise = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)
    w.samples[pit, cell] += 1
    seen = w.constants[k.GRADE_GAIN] * w.true_grade[pit, cell]
    w.sample_sum[pit, cell] += seen + w.constants[k.SAMPLE_NOISE] * noise
    w.counts[SAMPLES] += 1
    w.whole[robot, k.PIT] = w.near[w.whole[robot, k.YARD], w.counts[SAMPLES] % w.near.shape[1]]


@inner
def give_up(w: Any, robot: Any, t: Any, key: Any, window: Any) -> None:
    """A hauler that has waited too long takes what there is, or flies home empty."""
    end_wait(w, robot, t)
    w.counts[GAVE_UP] += 1
    if w.pits[w.whole[robot, k.PIT], k.PILE] > 0:
        take(w, robot, t, key)
    else:
        depart(w, robot, t, LEG_BACK, key)
    schedule(w, robot, window)
    make_room(w, w.whole[robot, k.PIT], t, window)
