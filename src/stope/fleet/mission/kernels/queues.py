# SPDX-License-Identifier: Apache-2.0
"""Kernels of order: the calendar of windows, lists of who waits, servers taken in order of arrival.

The calendar is a ring of windows. What ends within the window at hand is kept in a small binary heap, ordered by time
and then by robot, so that events happen in exactly the order of a plain event loop whatever the length of the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.inner import inner, outer

__all__ = ["enter", "first_free", "gather", "join", "leave_first", "pop", "schedule", "serve", "stand_still"]


@inner
def before(w: Any, a: Any, b: Any) -> Any:
    """Whether robot a's event comes before robot b's."""
    ta, tb = w.real[a, k.T_NEXT], w.real[b, k.T_NEXT]
    return ta < tb or (ta == tb and a < b)


@inner
def enter(w: Any, robot: Any) -> None:
    """Put a robot into the heap of the window at hand."""
    i = w.clock[1]
    w.clock[1] += 1
    while i > 0:
        parent = (i - 1) >> 1
        other = w.heap[parent]
        if not before(w, robot, other):
            break
        w.heap[i] = other
        i = parent
    w.heap[i] = robot


@inner
def pop(w: Any) -> Any:
    """Take the first robot of the heap."""
    first = w.heap[0]
    w.clock[1] -= 1
    n = w.clock[1]
    if n > 0:
        robot, i = w.heap[n], 0
        while True:
            child = 2 * i + 1
            if child >= n:
                break
            if child + 1 < n and before(w, w.heap[child + 1], w.heap[child]):
                child += 1
            if not before(w, w.heap[child], robot):
                break
            w.heap[i] = w.heap[child]
            i = child
        w.heap[i] = robot
    return first


@inner
def schedule(w: Any, robot: Any, window: Any) -> None:
    """Enter a robot's next event; one at infinity waits to be woken, and one beyond the end never comes."""
    t = w.real[robot, k.T_NEXT]
    if t > w.constants[k.END]:
        return
    slot = np.int64(t / window)
    if slot <= w.clock[0]:
        enter(w, robot)
        return
    ring = slot % w.calendar.shape[0]
    w.whole[robot, k.LINK] = w.calendar[ring]
    w.calendar[ring] = robot


@inner
def gather(w: Any, window: Any) -> None:
    """Bring everybody whose event falls into the window at hand into the heap; later rounds of the ring stay."""
    ring = w.clock[0] % w.calendar.shape[0]
    robot = w.calendar[ring]
    w.calendar[ring] = -1
    while robot >= 0:
        following = w.whole[robot, k.LINK]
        if np.int64(w.real[robot, k.T_NEXT] / window) <= w.clock[0]:
            enter(w, robot)
        else:
            w.whole[robot, k.LINK] = w.calendar[ring]
            w.calendar[ring] = robot
        robot = following


@inner
def join(w: Any, pit: Any, head: Any, robot: Any) -> None:
    """Go to the end of a list at a pit; its tail's column follows its head's."""
    w.whole[robot, k.NEXT] = -1
    if w.pits[pit, head] < 0:
        w.pits[pit, head] = robot
    else:
        w.whole[w.pits[pit, head + 1], k.NEXT] = robot
    w.pits[pit, head + 1] = robot


@inner
def leave_first(w: Any, pit: Any, head: Any) -> Any:
    """Take the first of a list at a pit."""
    robot = w.pits[pit, head]
    w.pits[pit, head] = w.whole[robot, k.NEXT]
    return robot


@inner
def first_free(free: Any, begin: Any, end: Any) -> Any:
    """Column, from `begin` to `end`, of the server that is free first."""
    best = begin
    for j in range(begin + 1, end):
        if free[j] < free[best]:
            best = j
    return best


@outer
def serve(free: Any, begin: Any, end: Any, arrival: Any, service: Any) -> Any:
    """Serve one who arrives, in order of arrival, by whoever is free first; returns when the service starts."""
    j = first_free(free, begin, end)
    start = max(arrival, free[j])
    free[j] = start + service
    return start


@outer
def stand_still(unit: Any, t: Any, until: Any, end: Any) -> None:
    """Let a unit of the plant do nothing from t until a time, infinite for good; stands that overlap count once."""
    since = max(t, unit[k.DOWN_UNTIL])
    if until <= since:
        return
    done = max(unit[k.WORK_UNTIL], since)
    if until == np.inf:
        unit[k.WORK_LEFT] = done - since
    unit[k.WORK_UNTIL] = done + (until - since)
    unit[k.DOWN_UNTIL] = until
    unit[k.DOWN_TIME] += max(min(until, end) - since, 0.0)
    for j in range(k.FIRST_PORT, unit.shape[0]):
        unit[j] = max(unit[j], until)
