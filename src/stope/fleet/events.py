# SPDX-License-Identifier: Apache-2.0
"""Events in order of time: a heap of processes, each a generator that says how long it will be busy.

A process yields the seconds until it goes on, or None to sleep until somebody wakes it. Two events at the same time are
taken in the order in which they were scheduled, so a run is repeatable to the bit.
"""

from __future__ import annotations

import heapq
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

    __slots__ = ("_heap", "_num", "now", "num_taken")

    def __init__(self) -> None:
        """Begin at time 0 with nothing to do."""
        self.now = 0.0
        """[s]."""
        self.num_taken = 0
        """Events that have happened."""
        self._heap: list[tuple[float, int, Process, int]] = []
        self._num = 0

    def start(self, steps: Steps) -> Process:
        """Begin a process now."""
        process = Process(steps)
        self.at(self.now, process)
        return process

    def at(self, time: float, process: Process) -> None:
        """Let a process go on at a time [s], unless something else has made it go on before."""
        self._num += 1
        heapq.heappush(self._heap, (time, self._num, process, process.turn))

    def wake(self, process: Process) -> None:
        """Let a sleeping process go on now."""
        self.at(self.now, process)

    def run(self, until: float) -> None:
        """Let everything up to and including a time [s] happen; the clock then stands there."""
        heap, pop, push = self._heap, heapq.heappop, heapq.heappush
        while heap and heap[0][0] <= until:
            time, _, process, turn = pop(heap)
            if turn != process.turn:
                continue
            process.turn = turn + 1
            self.now = time
            self.num_taken += 1
            try:
                delay = next(process.steps)
            except StopIteration:
                continue
            if delay is not None:
                self._num += 1
                push(heap, (time + delay, self._num, process, turn + 1))
        self.now = until
