# SPDX-License-Identifier: Apache-2.0
"""Canisters: how a depot fills them, and how dispatch gives them to robots.

A depot fills one canister after the other; the k-th has its time and its mass from the k-th numbers of two streams of
chance. When there is no place for one more the depot stands still for as long as that one would have taken.

Dispatch: the canister that has waited longest for a robot goes to the robot that has waited longest for a canister. A
job that a robot could not begin is offered again with its old place in the order.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stope.base.units import DAY
from stope.fleet.events import Events, Process, Steps
from stope.fleet.random_streams import Stream
from stope.fleet.stations import Tally
from stope.fleet.trips import Cell, Trip

if TYPE_CHECKING:
    from stope.fleet.courier import Courier
    from stope.fleet.ferry import Ferry

__all__ = ["Canister", "DepotStock", "Dispatch"]


@dataclass(slots=True, eq=False)
class Canister:
    """One full canister."""

    ready: float
    """When it was full [s]."""
    trip: Trip
    """To the depot it comes from."""
    number: int
    """Of its depot, from 0."""
    grams: int
    cell: Cell
    """Payload cell of the skill bank."""
    offered: float = 0.0
    """When it was last offered to robots [s]."""
    process: Process | None = None
    """Its life at the processor."""


class Dispatch:
    """Canisters that wait for robots, and robots that wait for canisters: never both."""

    def __init__(self, events: Events) -> None:
        """Begin with neither."""
        self.events = events
        self.canister_tally, self.robot_tally = Tally(), Tally()
        self._canisters: list[tuple[float, str, int, Canister]] = []
        self._robots: deque[tuple[Courier, float]] = deque()

    def offer(self, canister: Canister) -> None:
        """A canister is ready to be fetched."""
        now = self.events.now
        if self._robots:
            robot, came = self._robots.popleft()
            self.robot_tally.leave(now, came)
            self.canister_tally.pass_by()
            robot.job = canister
            self.events.wake(robot.process)
            return
        canister.offered = now
        self.canister_tally.enter(now)
        heapq.heappush(self._canisters, (canister.ready, canister.trip.depot.name, canister.number, canister))

    def take(self, robot: Courier) -> Canister | None:
        """The canister that has waited longest; without one the robot is queued, and woken when it has a job."""
        now = self.events.now
        if not self._canisters:
            self.robot_tally.enter(now)
            self._robots.append((robot, now))
            return None
        canister = heapq.heappop(self._canisters)[3]
        self.canister_tally.leave(now, canister.offered)
        self.robot_tally.pass_by()
        return canister

    def figures(self) -> dict[str, dict[str, float]]:
        """Figures of both queues."""
        now = self.events.now
        return {
            "canisters-for-robot": self.canister_tally.figures(now, [row[3].offered for row in self._canisters]),
            "robots-for-canister": self.robot_tally.figures(now, [came for _, came in self._robots]),
        }


class DepotStock:
    """Fills canisters and keeps them until they are fetched."""

    def __init__(self, ferry: Ferry, trip: Trip) -> None:
        """Begin empty."""
        self.ferry, self.trip = ferry, trip
        self.stock: set[Canister] = set()
        self.grams_mined = 0
        self.grams_blocked = 0
        self.nominal_grams: list[int] = []
        """What would have been filled with place for everything."""
        name = trip.depot.name
        self._interval, self._mass = (
            Stream(ferry.seed, "fleet", ferry.replicate, "depot", name, purpose) for purpose in ("interval", "mass")
        )
        ferry.events.start(self._fill())

    def _fill(self) -> Steps:
        depot, number = self.trip.depot, 0
        while True:
            interval = self._interval.lognormal(DAY / depot.canisters_per_day, depot.interval_spread)
            deviation = depot.canister_mass_spread * (2.0 * self._mass.uniform() - 1.0)
            grams = round(1000.0 * (depot.canister_mass + deviation))
            has_place = len(self.stock) < depot.buffer
            yield interval
            self.nominal_grams.append(grams)
            if has_place:
                self.grams_mined += grams
                cell = self.ferry.bank.cell_of(grams / 1000.0)
                canister = Canister(self.ferry.events.now, self.trip, number, grams, cell)
                self.stock.add(canister)
                self.ferry.dispatch.offer(canister)
            else:
                self.grams_blocked += grams
            number += 1

    def give(self, canister: Canister) -> None:
        """A robot has it now."""
        self.stock.remove(canister)
