# SPDX-License-Identifier: Apache-2.0
"""Events, stations and their books against queues with known answers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from stope.base.seeding import generator
from stope.fleet.events import Events, Process, Steps
from stope.fleet.random_streams import Stream
from stope.fleet.stations import Station, Tally

REPLICATES, CUSTOMERS = 24, 8000
TAIL = 3.77  # Student's t of 23 degrees of freedom: a false alarm in 1 of 1,000 seeds, and the seed is fixed


class Customer:
    """Comes, takes a place for a while, goes."""

    def __init__(self, station: Station, service: float) -> None:
        """Come now."""
        self.station, self.service = station, service
        self.process = station.events.start(self.steps())

    def steps(self) -> Steps:
        """Wait, be served, go."""
        if not self.station.request(self.process):
            yield None
        yield self.service
        self.station.release()


def mean_wait(
    num_places: int, *, load: float, replicate: int, service: Callable[[np.random.Generator], float]
) -> float:
    """Mean wait of Poisson customers in units of the mean service time, `load` being the share of time places work."""
    rng, events = generator(5, "queue", replicate, num_places), Events()
    station = Station(events, num_places)

    def arrive() -> Steps:
        while True:
            yield rng.exponential(1.0 / (load * num_places))
            Customer(station, service(rng))

    events.start(arrive())
    events.run(CUSTOMERS / (load * num_places))
    figures = station.figures()
    assert figures["mean_length"] * events.now == pytest.approx(
        figures["total_wait_s"], rel=1e-9
    )  # Little, to rounding
    # The share of time that places work is the load: the standard error of 8,000 services over 8,000 gaps is 1.6 %.
    assert figures["utilisation"] == pytest.approx(load, rel=0.08)
    return figures["mean_wait_s"]


def interval(num_places: int, load: float, service: Callable[[np.random.Generator], float]) -> tuple[float, float]:
    """Mean over the replicates, and the half width of its interval."""
    waits = [mean_wait(num_places, load=load, replicate=k, service=service) for k in range(REPLICATES)]
    return float(np.mean(waits)), TAIL * float(np.std(waits, ddof=1)) / math.sqrt(REPLICATES)


def erlang_wait(num_places: int, load: float) -> float:
    """Mean wait in M/M/c, in units of the mean service time (Erlang C)."""
    offered = load * num_places
    waiting = offered**num_places / math.factorial(num_places) / (1.0 - load)
    free = sum(offered**k / math.factorial(k) for k in range(num_places))
    return waiting / (free + waiting) / (num_places * (1.0 - load))


@pytest.mark.parametrize("num_places", [1, 3])
def test_poisson_robots_at_ports_wait_as_erlang_says(num_places: int) -> None:
    mean, half_width = interval(num_places, 0.7, lambda rng: rng.exponential(1.0))
    expected = erlang_wait(num_places, 0.7)
    assert erlang_wait(1, 0.7) == pytest.approx(0.7 / 0.3)  # the textbook's M/M/1
    assert abs(mean - expected) < half_width
    assert half_width < 0.2 * expected  # so that a wait wrong by a fifth is seen


def test_equal_canisters_at_the_line_wait_as_pollaczek_and_khinchine_say() -> None:
    mean, half_width = interval(1, 0.8, lambda _: 1.0)
    expected = 0.8 / (2.0 * (1.0 - 0.8))
    assert abs(mean - expected) < half_width
    assert half_width < 0.2 * expected


def test_places_are_given_in_the_order_of_asking() -> None:
    events, order = Events(), []
    station = Station(events, 1)

    class Named(Customer):
        def __init__(self, name: str) -> None:
            self.name = name
            super().__init__(station, 10.0)

        def steps(self) -> Steps:
            yield from super().steps()
            order.append((self.name, events.now))

    for name in "abc":
        Named(name)
    events.run(100.0)
    assert order == [("a", 10.0), ("b", 20.0), ("c", 30.0)]
    figures = station.figures()
    assert (figures["mean_wait_s"], figures["max_wait_s"], figures["max_length"]) == (10.0, 20.0, 2.0)
    assert figures["utilisation"] == 0.3
    assert figures["mean_length"] == 0.3  # 2 for 10 s and 1 for 10 s, of 100 s


def test_who_leaves_a_queue_is_not_served_and_holds_nobody_up() -> None:
    events = Events()
    station = Station(events, 1)
    holder, impatient, patient = (Process(iter(())) for _ in range(3))  # type: ignore[arg-type]
    assert station.request(holder)
    assert not station.request(impatient)
    assert not station.request(patient)
    events.run(5.0)
    assert station.withdraw(impatient)
    assert not station.withdraw(impatient)
    station.release()
    assert not station.withdraw(patient)  # has the place now
    assert station.num_taken == 1
    station.release()
    assert station.num_taken == 0
    figures = station.figures()
    assert (figures["arrivals"], figures["served"], figures["still_waiting"]) == (3.0, 2.0, 0.0)
    assert figures["mean_wait_s"] == pytest.approx(10.0 / 3.0)


def test_who_still_waits_at_the_end_is_in_the_books() -> None:
    tally = Tally()
    tally.enter(2.0)
    tally.enter(4.0)
    tally.leave(5.0, 2.0)
    figures = tally.figures(10.0, [4.0])
    assert figures["total_wait_s"] == 9.0
    assert figures["mean_length"] == 0.9
    assert (figures["mean_wait_s"], figures["max_wait_s"]) == (3.0, 6.0)


def test_events_at_one_time_come_in_the_order_they_were_made() -> None:
    events, seen = Events(), []

    def say(name: str, delay: float) -> Steps:
        yield delay
        seen.append(name)

    for name, delay in (("late", 3.0), ("first", 1.0), ("second", 1.0), ("last", 3.0)):
        events.start(say(name, delay))
    events.run(2.0)
    assert (seen, events.now) == (["first", "second"], 2.0)
    events.run(3.0)  # what happens at the very end still happens
    assert seen == ["first", "second", "late", "last"]


def test_an_event_of_an_earlier_turn_is_void() -> None:
    events, seen = Events(), []

    def sleeper() -> Steps:
        while True:
            yield None
            seen.append(events.now)

    process = events.start(sleeper())
    events.run(1.0)
    events.at(3.0, process)
    events.at(7.0, process)  # for the same sleep, which ends at 3 s
    events.run(10.0)
    assert seen == [3.0]


def test_a_stream_depends_on_its_name_and_place_alone() -> None:
    first, again, other = Stream(1, "robot", 3, "out"), Stream(1, "robot", 3, "out"), Stream(1, "robot", 3, "back")
    drawn = [first.uniform() for _ in range(200)]
    assert drawn == [again.uniform() for _ in range(200)]
    assert not set(drawn) & {other.uniform() for _ in range(200)}
    assert all(0.0 <= u < 1.0 for u in drawn)


def test_streams_have_the_means_and_spreads_they_promise() -> None:
    n = 20_000
    stream = Stream(2, "e")
    exponential = np.array([stream.exponential(3.0) for _ in range(n)])
    stream = Stream(2, "l")
    lognormal = np.array([stream.lognormal(3.0, 0.5) for _ in range(n)])
    # Standard errors of the means are 3 / sqrt(n) and 1.5 / sqrt(n), of the deviations below 2 % each; four of them.
    assert exponential.mean() == pytest.approx(3.0, abs=4 * 3.0 / math.sqrt(n))
    assert exponential.std() == pytest.approx(3.0, rel=0.08)
    assert lognormal.mean() == pytest.approx(3.0, abs=4 * 1.5 / math.sqrt(n))
    assert lognormal.std() == pytest.approx(1.5, rel=0.08)
    assert lognormal.min() > 0.0


def test_without_spread_a_stream_still_moves_on() -> None:
    fixed, free = Stream(4, "s"), Stream(4, "s")
    assert fixed.lognormal(7.0, 0.0) == 7.0
    free.lognormal(7.0, 0.4)
    assert fixed.uniform() == free.uniform()
