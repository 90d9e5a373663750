# SPDX-License-Identifier: Apache-2.0
"""What the cores of this machine allow: the same short work by one process alone, and by several at a time.

Cores share memory, caches, power, and on some machines the core itself, so that two do less than twice the work of one
whatever the job. The probe is arithmetic on numbers that stay in a core's own cache and passes over numbers that do
not, about half of the time each; the job itself is not in it. Processes begin together, and each measurement of all is
next to one of the first alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from stope.base.ranks import Group
from stope.base.workers import Processes, Unit

__all__ = ["Cores", "measure_cores"]

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
SYNCS = 50
"""Exchanges in one measurement of their time."""


@dataclass(frozen=True, slots=True)
class Cores:
    """What one call of `measure_cores` found."""

    mean: float
    """Speed of a core while all work, over its speed alone, in the mean over cores [1]."""
    slowest: float
    """The same of the slowest core [1]."""
    sync: float
    """Time of one exchange between all, as after a mini-batch [s]."""
    alone: float
    """Time of the probe alone [s], whose spread is the machine's noise."""


def probe() -> float:
    """Seconds of the work that measures cores."""
    near, far = np.full(NEAR, 0.5), np.full(FAR, 0.5)
    begun = time.perf_counter()
    for _ in range(ROUNDS):
        for _ in range(PASSES):
            np.multiply(near, 1.1, out=near)
            np.sqrt(near, out=near)
        np.multiply(far, 1.1, out=far)
        np.sqrt(far, out=far)
    return time.perf_counter() - begun


def measure_cores(count: int, *, numbers: int = 1) -> Cores:
    """Measure with as many processes as workers.

    Args:
        count: Processes.
        numbers: Weights whose gradients are exchanged.
    """
    return Processes(count).together(Unit(_measure, (numbers,), "what the cores allow"))


def _measure(group: Group, numbers: int) -> Cores:
    """One rank's part; all ranks answer the same."""
    with group.joined():
        probe()
        pairs = np.array([_pair(group) for _ in range(PAIRS)])
        sync = float(np.median([_sync(group, numbers) for _ in range(PAIRS)]))
    mean, slowest, alone = np.median(pairs, axis=0)
    if group.size == 1:
        return Cores(1.0, 1.0, 0.0, float(alone))
    return Cores(min(1.0, float(mean)), min(1.0, float(slowest)), sync, float(alone))


def _pair(group: Group) -> tuple[float, float, float]:
    """Mean and least share of its speed that a core keeps, and the time alone."""
    group.gathered(None)
    alone = float(group.agreed(probe() if group.is_first else 0.0))
    group.gathered(None)
    each = [float(seconds) for seconds in group.gathered(probe())]
    return alone * sum(1.0 / x for x in each) / len(each), alone / max(each), alone


def _sync(group: Group, numbers: int) -> float:
    """Seconds of what ranks exchange after a mini-batch: gradients, the divergence and the learning rate."""
    if group.size == 1:
        return 0.0
    import torch  # noqa: PLC0415 -- one second of import

    dist: Any = torch.distributed
    gradients, divergence, rate = torch.zeros(numbers), torch.zeros(()), torch.zeros(())
    group.gathered(None)
    begun = time.perf_counter()
    for _ in range(SYNCS):
        dist.all_reduce(divergence)
        dist.broadcast(rate, src=0)
        dist.all_reduce(gradients)
    return (time.perf_counter() - begun) / SYNCS
