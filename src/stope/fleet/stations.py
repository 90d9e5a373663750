# SPDX-License-Identifier: Apache-2.0
"""Stations: a number of places, a queue in order of arrival, and the books of who waited how long.

A tally keeps two books of the same queue: the length over time and the wait of each. Little's law ties them, so each
checks the other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from stope.fleet.events import Events, Process

__all__ = ["Station", "Tally"]


class Tally:
    """The books of one queue."""

    __slots__ = ("area", "arrivals", "length", "longest", "longest_wait", "served", "since", "waited")

    def __init__(self) -> None:
        """Begin empty at time 0."""
        self.arrivals = 0
        self.served = 0
        """Who has left the queue by being served."""
        self.length = 0
        self.longest = 0
        self.area = 0.0
        """Integral of the length over time [s]."""
        self.since = 0.0
        self.waited = 0.0
        """Sum of the waits of all who left, served or not [s]."""
        self.longest_wait = 0.0

    def pass_by(self) -> None:
        """Somebody came and was served at once."""
        self.arrivals += 1
        self.served += 1

    def enter(self, now: float) -> None:
        """Somebody came and waits."""
        self.arrivals += 1
        self.area += self.length * (now - self.since)
        self.since = now
        self.length += 1
        self.longest = max(self.longest, self.length)

    def leave(self, now: float, came: float, *, is_served: bool = True) -> None:
        """Somebody who came at `came` leaves the queue."""
        self.area += self.length * (now - self.since)
        self.since = now
        self.length -= 1
        self.served += is_served
        self.waited += now - came
        self.longest_wait = max(self.longest_wait, now - came)

    def figures(self, now: float, still: Iterable[float]) -> dict[str, float]:
        """Figures up to `now` [s], given when those who still wait came [s].

        The mean wait is that of all who left the queue, those served at once included.
        """
        waits = [now - came for came in still]
        left = self.arrivals - len(waits)
        return {
            "arrivals": float(self.arrivals),
            "served": float(self.served),
            "still_waiting": float(len(waits)),
            "mean_length": (self.area + self.length * (now - self.since)) / now if now > 0.0 else 0.0,
            "max_length": float(self.longest),
            "mean_wait_s": self.waited / left if left else 0.0,
            "max_wait_s": max([self.longest_wait, *waits]),
            "total_wait_s": self.waited + sum(waits),
        }


class Station:
    """A number of places that are taken in the order of asking."""

    __slots__ = ("_busy", "_free", "_queue", "_since", "events", "num_places", "tally")

    def __init__(self, events: Events, num_places: int) -> None:
        """Begin with every place free."""
        self.events, self.num_places = events, num_places
        self.tally = Tally()
        self._free = num_places
        self._queue: OrderedDict[Process, float] = OrderedDict()  # who waits, and when each came [s]
        self._busy, self._since = 0.0, 0.0

    def request(self, process: Process) -> bool:
        """Take a place: True if there is one now; else the process is queued and is woken when it has one."""
        if self._free:
            self._count()
            self._free -= 1
            self.tally.pass_by()
            return True
        now = self.events.now
        self.tally.enter(now)
        self._queue[process] = now
        return False

    def release(self) -> None:
        """Give a place back; who waits longest has it from now on and is woken."""
        if self._queue:
            process, came = self._queue.popitem(last=False)
            self.tally.leave(self.events.now, came)
            self.events.wake(process)
        else:
            self._count()
            self._free += 1

    def withdraw(self, process: Process) -> bool:
        """Leave the queue without a place: False if the process has been given one already."""
        came = self._queue.pop(process, None)
        if came is None:
            return False
        self.tally.leave(self.events.now, came, is_served=False)
        return True

    @property
    def num_taken(self) -> int:
        """Places that are taken."""
        return self.num_places - self._free

    def figures(self) -> dict[str, float]:
        """Figures of the queue, the number of places, and the share of their time that they were taken."""
        now = self.events.now
        self._count()
        share = self._busy / (now * self.num_places) if now > 0.0 else 0.0
        queue = self.tally.figures(now, self._queue.values())
        return {"places": float(self.num_places), "utilisation": share, **queue}

    def _count(self) -> None:
        now = self.events.now
        self._busy += (self.num_places - self._free) * (now - self._since)
        self._since = now
