# SPDX-License-Identifier: Apache-2.0
"""Events in order of time: a heap of processes, each a generator that says how long it will be busy.

A process yields the seconds until it goes on, or None to sleep until somebody wakes it. Two events at the same time are
taken in the order in which they were scheduled, so a run is repeatable to the bit.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Generator

__all__ = ["Events", "Process", "Steps"]

Steps = Generator[float | None, None, None]
"""What a process yields: seconds to wait, or None to sleep."""


class Process:
    """Something that lives through the run."""

    __slots__ = ("steps", "turn")

    def __init__(self, steps: Steps) -> None:
        """Take the generator that it lives by."""
        self.steps = steps
        self.turn = 0  # an event made for an earlier turn is void


class Events:
    """The clock, and what happens next."""

    __slots__ = ("_heap", "_number", "now", "num_taken")

    def __init__(self) -> None:
        """Begin at time 0 with nothing to do."""
        self.now = 0.0
        """[s]."""
        self.num_taken = 0
        """Events that have happened."""
        self._heap: list[tuple[float, int, Process, int]] = []
        self._number = itertools.count()  # of the event, so that those at one time stay in order

    def start(self, steps: Steps) -> Process:
        """Begin a process now."""
        process = Process(steps)
        self.at(self.now, process)
        return process

    def at(self, time: float, process: Process) -> None:
        """Let a process go on at a time [s], unless something else has made it go on before."""
        heapq.heappush(self._heap, (time, next(self._number), process, process.turn))

    def wake(self, process: Process) -> None:
        """Let a sleeping process go on now."""
        self.at(self.now, process)

    def begin(self, process: Process) -> None:
        """Let a new process live at once up to its first wait, within whatever is happening now."""
        process.turn += 1
        delay = next(process.steps, None)
        if delay is not None:
            self.at(self.now + delay, process)

    def run(self, until: float) -> None:
        """Let everything up to and including a time [s] happen; the clock then stands there."""
        heap, number, pop, push = self._heap, self._number, heapq.heappop, heapq.heappush
        taken = 0
        while heap and heap[0][0] <= until:
            time, _, process, turn = pop(heap)
            if turn != process.turn:
                continue
            turn += 1
            process.turn = turn
            self.now = time
            taken += 1
            delay = next(process.steps, None)  # a process that has ended sleeps for ever
            if delay is not None:
                push(heap, (time + delay, next(number), process, turn))
        self.now = until
        self.num_taken += taken
