# SPDX-License-Identifier: Apache-2.0
"""Kernels of what robots do: each phase ends, is booked, and leads to the next.

Every handler takes the world, a robot and the time, and sets the robot's next phase and when it ends. A robot that
waits for another has its next event at infinity; the other one wakes it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stope.base.counter_rng import uniform
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import Count, Kind, Phase, Skill
from stope.fleet.mission.kernels.inner import inner
from stope.fleet.mission.kernels.power import answer_time, cool_time, gathered, light_time, settle
from stope.fleet.mission.kernels.queues import join, schedule, serve, stand_still

__all__ = ["TRIES", "chance", "draw", "fail", "go", "is_held", "is_well", "ready", "wait_for_earth", "wake"]

TRIES = 20
"""Most tries at a docking or a leg before its time is taken as it is (chosen; loops are bounded)."""
LEAST_CHARGE = 300.0
"""Shortest time to recharge [s] (chosen)."""
LEAST_COOL = 60.0
"""Shortest wait for cool ground [s] (chosen; at the edge of a bin a wait would be shorter than time can tell)."""
# As numpy's integers: numba compiles a function anew for every literal one that it is called with.
(EXCAVATOR, HAULER, PROSPECTOR, UNIT) = (np.int64(x) for x in Kind)
(DECIDE, RECHARGE, COOL, ANCHOR, DIG, DEPOSIT, BLOCKED, PARKED, LEG_OUT, QUEUE_PIT, LOAD, LEG_BACK, QUEUE_PORT, UNLOAD,
 PROSPECT, QUEUE_REPAIR, REPAIR, WAIT_EARTH, PROCESS, LOST, NO_SPARE, SAFE) = (np.int64(x) for x in Phase)  # fmt: skip
FAILURES, ROBOTS_LOST, MINED_LOST, WATER_LOST = (
    int(Count.FAILURES), int(Count.ROBOTS_LOST), int(Count.LOST), int(Count.WATER_LOST),
)  # fmt: skip
SPARES_USED, REPAIR_ARRIVALS, ASKED = int(Count.SPARES_USED), int(Count.REPAIR_ARRIVALS), int(Count.ASKED_EARTH)
TRIES_COUNT = int(Count.TRIES)
CAPTURE = np.int64(Skill.CAPTURE)


@inner
def chance(w: Any, robot: Any, key: Any) -> Any:
    """Next uniform number of a robot's own stream."""
    count = w.whole[robot, k.DRAWS]
    w.whole[robot, k.DRAWS] = count + 1
    return uniform(key, (np.uint64(robot) << np.uint64(32)) | np.uint64(count))


@inner
def draw(w: Any, robot: Any, skill: Any, key: Any) -> Any:
    """Row of one whole measured outcome of a skill."""
    n = w.tables[skill, 1]
    w.draws[skill, w.whole[robot, k.PIT]] += 1
    return w.tables[skill, 0] + min(int(chance(w, robot, key) * n), n - 1)


@inner
def is_well(w: Any, robot: Any, skill: Any, key: Any) -> Any:
    """Whether no fault spoils an attempt at a skill; no chance is drawn where there is none."""
    share = w.constants[k.SUCCESS + skill]
    return share >= 1.0 or chance(w, robot, key) < share


@inner
def is_held(w: Any, robot: Any, t: Any, skill: Any) -> Any:
    """Whether nothing flies a skill at the time: the robot then stays in safe mode until something does."""
    until = w.constants[k.HELD_UNTIL + skill]
    if t < until:
        go(w, robot, t, SAFE, until)
    return t < until


@inner
def draw_until(w: Any, robot: Any, skill: Any, key: Any) -> Any:
    """Time and energy of tries at a skill until one succeeds [s, J], and how the last one ended.

    A record of a robot lost is a try that failed: free flights have none, and whom a capture lets go is caught again.
    """
    time, energy, outcome = 0.0, 0.0, 0.0
    for _ in range(TRIES):
        r = draw(w, robot, skill, key)
        w.counts[TRIES_COUNT] += 1
        time += w.constants[k.SLOWNESS + skill] * w.records[r, 1]
        energy += w.records[r, 2]
        w.real[robot, k.PROPELLANT] += w.records[r, 4]
        outcome = w.records[r, 0]
        if outcome > 0.0 and not is_well(w, robot, skill, key):
            outcome = 0.0
        if outcome > 0.0:
            break
    return time, energy, outcome


@inner
def go(w: Any, robot: Any, t: Any, phase: Any, until: Any) -> None:
    """Enter a phase that ends at a time [s]; the phase that was is booked and logged."""
    old, since = w.whole[robot, k.PHASE], w.real[robot, k.SINCE]
    w.times[w.whole[robot, k.KIND], old] += t - since
    row = w.clock[2]
    if row < w.log.shape[0] and t > since:
        w.log[row, 0], w.log[row, 1], w.log[row, 2], w.log[row, 3] = robot, old, since, t
        w.log[row, 4], w.log[row, 5] = w.whole[robot, k.OUTCOME], w.whole[robot, k.MASS]
        w.log[row, 6], w.log[row, 7] = w.real[robot, k.ENERGY], w.whole[robot, k.PIT]
        w.clock[2] = row + 1
    w.whole[robot, k.PHASE], w.real[robot, k.SINCE], w.real[robot, k.T_NEXT] = phase, t, until
    w.whole[robot, k.OUTCOME], w.whole[robot, k.MASS], w.real[robot, k.ENERGY] = 1, 0, 0.0


@inner
def wake(w: Any, robot: Any, t: Any, phase: Any, until: Any, window: Any) -> None:
    """Let a robot that waited go on."""
    settle(w, robot, t, w.constants[k.IDLE] * (t - w.real[robot, k.SINCE]))
    go(w, robot, t, phase, until)
    schedule(w, robot, window)


@inner
def ready(w: Any, robot: Any, t: Any, worst: Any) -> Any:
    """Whether a robot may begin work that draws at most `worst` [J]; if not, it waits for light or for cool ground."""
    c, row = w.constants, w.real[robot]
    pit, array = w.whole[robot, k.PIT], c[k.ARRAY] * max(c[k.DUST], 0.01)
    need = worst + c[k.RESERVE] * c[k.CAPACITY]
    if row[k.BATTERY] < need:
        table, spin = w.sunlight[pit], c[k.SPIN]
        now = gathered(table, spin, t)
        # A tenth more than is needed, so that a robot does not stop at every ray; what idling draws comes on top.
        wanted = min(1.1 * need, c[k.CAPACITY]) - row[k.BATTERY]
        until = light_time(table, spin, now + wanted / array)
        until = light_time(table, spin, now + (wanted + c[k.IDLE] * (until - t)) / array)
        go(w, robot, t, RECHARGE, max(until, t + LEAST_CHARGE))
        return False
    hot = cool_time(w, pit, t)
    if hot > 0.0:
        go(w, robot, t, COOL, t + max(hot, LEAST_COOL))
        return False
    return True


@inner
def ask_earth(w: Any, robot: Any, t: Any, key: Any) -> Any:
    """When the answer of Earth is there [s]; an answer that is lost is asked for again when it should have come."""
    until = t
    for _ in range(TRIES):
        w.counts[ASKED] += 1
        until = answer_time(w.contact, until, w.constants[k.LIGHT_TIME], w.constants[k.DECISION])
        if until == np.inf or w.constants[k.ANSWERS] >= 1.0 or chance(w, robot, key) < w.constants[k.ANSWERS]:
            break
    return until


@inner
def wait_for_earth(w: Any, robot: Any, t: Any, key: Any) -> None:
    """Ask Earth, and wait for the answer before deciding again."""
    until = ask_earth(w, robot, t, key)
    w.whole[robot, k.RESUME] = 1
    go(w, robot, t, WAIT_EARTH, until)


@inner
def lose(w: Any, robot: Any, t: Any) -> None:
    """A robot is gone, and what it carries."""
    w.counts[ROBOTS_LOST] += 1
    w.counts[MINED_LOST] += w.whole[robot, k.LOAD]
    w.counts[WATER_LOST] += w.whole[robot, k.WATER]
    w.whole[robot, k.LOAD], w.whole[robot, k.WATER] = 0, 0
    go(w, robot, t, LOST, np.inf)


@inner
def fail(w: Any, robot: Any, t: Any, key: Any) -> None:
    """A robot or a unit fails: lost, without a spare, or brought to the maintainers of its yard in order of failure."""
    c, yard = w.constants, w.whole[robot, k.YARD]
    w.counts[FAILURES] += 1
    is_unit = w.whole[robot, k.KIND] == UNIT
    mtbf = c[k.UNIT_MTBF] if is_unit else c[k.MTBF]
    u_lost, u_spare, u_repair = chance(w, robot, key), chance(w, robot, key), chance(w, robot, key)
    w.real[robot, k.CLOCK] = -mtbf * math.log(chance(w, robot, key))
    if (u_lost < c[k.LOST_SHARE] or w.whole[robot, k.DOOMED] == 1) and not is_unit:
        lose(w, robot, t)
        return
    if u_spare < c[k.SPARE_SHARE]:
        if w.spares[yard] <= 0:
            give_out(w, robot, t, NO_SPARE)
            return
        w.spares[yard] -= 1
        w.counts[SPARES_USED] += 1
    known = max(t, c[k.HELD_UNTIL + CAPTURE])
    if c[k.AUTONOMY] < 4.0:
        known = max(known, ask_earth(w, robot, t, key))
        if known > c[k.END]:
            give_out(w, robot, t, QUEUE_REPAIR)
            return
    caught, _, _ = draw_until(w, robot, CAPTURE, key)
    service = caught - c[k.MTTR] * math.log(u_repair)
    free = w.repairers[yard]
    start = serve(free, 0, free.shape[0], known, service)
    w.counts[REPAIR_ARRIVALS] += 1
    w.waits[k.QUEUE_FOR_REPAIR, 0] += start - known
    w.waits[k.QUEUE_FOR_REPAIR, 1] = max(w.waits[k.QUEUE_FOR_REPAIR, 1], start - known)
    w.waits[k.QUEUE_FOR_REPAIR, 2] += 1.0
    w.real[robot, k.DURATION] = service
    go(w, robot, t, QUEUE_REPAIR, start)
    if is_unit:
        stand_still(w.units[w.whole[robot, k.UNIT]], t, start + service, c[k.END])


@inner
def give_out(w: Any, robot: Any, t: Any, phase: Any) -> None:
    """A robot or a unit has failed and nobody repairs it before the end."""
    go(w, robot, t, phase, np.inf)
    if w.whole[robot, k.KIND] == UNIT:
        stand_still(w.units[w.whole[robot, k.UNIT]], t, np.inf, w.constants[k.END])


@inner
def wait_in_line(w: Any, robot: Any, t: Any, pit: Any, head: Any, phase: Any) -> None:
    """Wait at a pit, for ore or for room on its pile."""
    join(w, pit, head, robot)
    go(w, robot, t, phase, np.inf)
