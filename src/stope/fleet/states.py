# SPDX-License-Identifier: Apache-2.0
"""What a robot can be doing, and the one book of how long it did it; every figure of time comes from this book."""

from __future__ import annotations

from enum import IntEnum

from stope.fleet.events import Events

__all__ = ["WORKING", "State", "StateBook"]


class State(IntEnum):
    """Of one robot; names in figures are lower case with hyphens."""

    IDLE = 0
    FLY_OUT = 1
    QUEUE_DEPOT = 2
    DOCK_DEPOT = 3
    LOAD = 4
    FLY_BACK = 5
    QUEUE_PORT = 6
    DOCK_PROCESSOR = 7
    QUEUE_HOPPER = 8
    UNLOAD = 9
    QUEUE_CHARGER = 10
    CHARGE = 11
    WAIT_FOR_LIGHT = 12
    QUEUE_PUMP = 13
    REFUEL = 14
    QUEUE_REPAIR = 15
    REPAIR = 16
    LOST = 17

    @property
    def label(self) -> str:
        """Name in figures."""
        return self.name.lower().replace("_", "-")


WORKING = (State.FLY_OUT, State.DOCK_DEPOT, State.LOAD, State.FLY_BACK, State.DOCK_PROCESSOR, State.UNLOAD)
"""States in which the clock of failures runs."""
_NUM = len(State)


class StateBook:
    """Who is in which state, since when, and the sum of times by state."""

    __slots__ = ("_since", "_state", "counts", "events", "times")

    def __init__(self, events: Events, num_robots: int) -> None:
        """Begin with every robot idle."""
        self.events = events
        self.counts = [num_robots] + [0] * (_NUM - 1)
        """Robots in each state now."""
        self.times = [0.0] * _NUM
        """Robot time in each state, without what is under way [s]."""
        self._state = [State.IDLE] * num_robots
        self._since = [0.0] * num_robots

    def enter(self, robot: int, state: State) -> None:
        """A robot's state changes now."""
        now, old = self.events.now, self._state[robot]
        self.times[old] += now - self._since[robot]
        self.counts[old] -= 1
        self.counts[state] += 1
        self._state[robot], self._since[robot] = state, now

    def closed(self) -> dict[str, float]:
        """Robot time by state up to now [s], by label."""
        times, now = self.times.copy(), self.events.now
        for state, since in zip(self._state, self._since, strict=True):
            times[state] += now - since
        return {state.label: times[state] for state in State}
