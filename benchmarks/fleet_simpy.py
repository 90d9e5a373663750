# SPDX-License-Identifier: Apache-2.0
"""The fleet's month as SimPy processes: one a robot, with the same steps as the heap loop.

The queues are those of the engine: whoever serves is free at a known time, so a SimPy `Resource`, which would cost more
events, is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import simpy
from fleet_heap import HeapMonth
from fleet_robot import Robot

from stope.base.units import DAY

__all__ = ["play_simpy"]

INF = math.inf


def play_simpy(month: HeapMonth) -> HeapMonth:
    """Play to the end as SimPy processes: one a robot, one dispatcher; who waits for another waits for an event."""
    env = simpy.Environment()
    end, alarms = month.scenario.days * DAY, [env.event() for _ in month.robots]

    def rouse() -> None:
        for t, other in month.wakes:
            alarm, alarms[other.number] = alarms[other.number], env.event()
            alarm.succeed(t)
        month.wakes.clear()

    def live(robot: Robot, first: float) -> Generator[Any, Any, None]:
        following = first
        while True:
            if following == INF:
                following = yield alarms[robot.number]
            yield env.timeout(following - env.now)
            following = month.advance(robot, env.now)
            if month.wakes:
                rouse()

    def look() -> Generator[Any, Any, None]:
        while True:
            yield env.timeout(month.scenario.tick)
            month.look(env.now)
            rouse()

    env.process(look())
    for t, robot in zip(month.first, month.robots, strict=True):
        env.process(live(robot, t))
    env.run(until=end)
    return month
