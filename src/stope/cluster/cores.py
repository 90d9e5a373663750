# SPDX-License-Identifier: Apache-2.0
"""What the cores of this machine allow: the same short work by one process alone, and by several at a time.

Cores share memory, caches, power, and on some machines the core itself, so that two do less than twice the work of one
whatever the job. The probe is arithmetic on numbers that stay in a core's own cache and passes over numbers that do
not, about half of the time each; the job itself is not in it. Processes begin together, and each measurement of all is
next to one of the first alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stope.base.ranks import Group
from stope.base.workers import Processes, Unit

__all__ = ["Cores", "core_pair", "cores_of", "exchange_seconds", "measure_cores"]

NEAR = 1 << 15
"""Numbers of 8 bytes in a core's own cache: a quarter of a megabyte."""
FAR = 1 << 21
"""Numbers of 8 bytes in what cores share: 16 megabytes."""
PASSES = 96
"""Over the near numbers for each one over the far ones; chosen, so that both take about as long."""
ROUNDS = 8
"""Of a measurement; chosen, about an eighth of a second."""
PAIRS = 5
"""Measurements alone and together in one call."""
EXCHANGES = 16
"""In one measurement of their time."""


@dataclass(frozen=True, slots=True)
class Cores:
    """What one call of `measure_cores` found."""

    mean: float
    """Speed of a core while all work, over its speed alone, in the mean over cores [1]."""
    slowest: float
    """The same of the slowest core [1]."""
    alone: float
    """Time of the probe alone [s], whose spread is the machine's noise."""


def probe() -> float:
    """Seconds of the work that measures cores."""
    near, far = np.full(NEAR, 0.5), np.full(FAR, 0.5)
    begun = time.perf_counter()
    for _ in range(ROUNDS):
        _turn(near, PASSES)
        _turn(far, 1)
    return time.perf_counter() - begun


def measure_cores(count: int) -> Cores:
    """Measure with as many processes as workers."""
    return Processes(count).together(Unit(_measure, (), "what the cores allow"))


def _measure(group: Group) -> Cores:
    """One rank's part; all ranks answer the same."""
    with group.joined():
        probe()
        return cores_of([core_pair(group) for _ in range(PAIRS)])


def cores_of(pairs: Sequence[tuple[float, float, float]]) -> Cores:
    """The medians of several `core_pair`."""
    mean, slowest, alone = np.median(np.array(pairs), axis=0)
    return Cores(min(1.0, float(mean)), min(1.0, float(slowest)), float(alone))


def core_pair(group: Group) -> tuple[float, float, float]:
    """Mean and least share of its speed that a core keeps while all work [1], and the time of the probe alone [s]."""
    group.gathered(None)
    alone = float(group.agreed(probe() if group.is_first else 0.0))
    if group.size == 1:
        return 1.0, 1.0, alone
    group.gathered(None)
    each = [float(seconds) for seconds in group.gathered(probe())]
    return alone * sum(1.0 / x for x in each) / len(each), alone / max(each), alone


def exchange_seconds(group: Group, turn: Callable[[bool], None]) -> float:
    """Seconds that what ranks exchange adds to a piece of work: sending, waking up, and waiting for the slowest.

    An exchange that follows another at once finds everybody awake, and costs less than one after work; so it is
    measured with the work, and the same work without it is taken off.

    Args:
        group: Ranks that have joined.
        turn: The work, once; told whether to exchange.
    """
    if group.size == 1:
        return 0.0
    took: list[float] = []
    for exchanges in (False, True):
        group.gathered(None)
        begun = time.perf_counter()
        for _ in range(EXCHANGES):
            turn(exchanges)
        took.append(time.perf_counter() - begun)
    return max(0.0, took[1] - took[0]) / EXCHANGES


def _turn(numbers: npt.NDArray[np.float64], turns: int) -> None:
    for _ in range(turns):
        np.multiply(numbers, 1.1, out=numbers)
        np.sqrt(numbers, out=numbers)
