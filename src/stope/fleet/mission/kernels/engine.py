# SPDX-License-Identifier: Apache-2.0
"""The engine: windows over arrays, compiled.

A window collects everybody whose activity ends in it; they go on in order of time and of robot, and whoever ends
again within the same window is taken in his turn. So the result is that of a plain event loop, to the bit, whatever
the length of the window: it decides speed alone. `benchmarks/fleet_heap.py` is that plain loop, written apart, and
`tests/fleet/mission/test_engine.py` compares the two.
"""

from __future__ import annotations

from typing import Any

from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import Count
from stope.fleet.mission.kernels.cycle import advance, give_up, make_room, send
from stope.fleet.mission.kernels.inner import outer
from stope.fleet.mission.kernels.power import settle
from stope.fleet.mission.kernels.queues import gather, pop, schedule
from stope.fleet.mission.kernels.steps import LOAD, PARKED

__all__ = ["LOG_SPARE", "assign", "clear", "release", "run", "start"]

EVENTS = int(Count.EVENTS)
LOG_SPARE = 64
"""Rows that one event may log at most, with a wide margin."""


@outer
def start(w: Any, window: Any) -> None:
    """Enter everybody's first event."""
    w.calendar[:] = -1
    w.clock[0], w.clock[1] = 0, 0
    for robot in range(w.real.shape[0]):
        schedule(w, robot, window)


@outer
def run(w: Any, until: Any, key: Any, window: Any) -> Any:
    """Let everything before a time happen; False if the log was full before."""
    logged = w.log.shape[0] > 0
    while True:
        while w.clock[1] > 0:
            robot = w.heap[0]
            t = w.real[robot, k.T_NEXT]
            if t >= until:
                return True
            if logged and w.clock[2] + LOG_SPARE > w.log.shape[0]:
                return False
            pop(w)
            w.counts[EVENTS] += 1
            before = w.whole[robot, k.PHASE]
            advance(w, robot, t, key, window)
            schedule(w, robot, window)
            if w.whole[robot, k.PHASE] == LOAD and before != LOAD:
                make_room(w, w.whole[robot, k.PIT], t, window)
        if (w.clock[0] + 1) * window >= until:
            return True
        w.clock[0] += 1
        gather(w, window)


@outer
def release(w: Any, t: Any, patience: Any, key: Any, window: Any) -> None:
    """Haulers that have waited at a pit longer than their patience [s] take what there is."""
    for pit in range(w.pits.shape[0]):
        while True:
            robot = w.pits[pit, k.QUEUE_HEAD]
            if robot < 0 or t - w.real[robot, k.SINCE] < patience:
                break
            w.pits[pit, k.QUEUE_HEAD] = w.whole[robot, k.NEXT]
            give_up(w, robot, t, key, window)


@outer
def clear(w: Any, t: Any, window: Any) -> None:
    """Excavators that wait for room go on where a pile has gone without a hauler."""
    for pit in range(w.pits.shape[0]):
        make_room(w, pit, t, window)


@outer
def assign(w: Any, t: Any, robots: Any, columns: Any, key: Any, window: Any) -> None:
    """Send parked haulers each to a candidate pit of its yard."""
    for i in range(robots.shape[0]):
        robot = robots[i]
        if w.whole[robot, k.PHASE] == PARKED:
            settle(w, robot, t, w.constants[k.IDLE] * (t - w.real[robot, k.SINCE]))
            send(w, robot, t, columns[i], key)
            schedule(w, robot, window)
