# SPDX-License-Identifier: Apache-2.0
"""Collectives: time to add up and spread a message over ranks, by ring, tree, or tier by tier.

The alpha-beta model: a message of M bytes costs a latency a hop and M over the bandwidth; congestion is not in it.
Latencies and bandwidths may be arrays, one value a draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Level", "Real", "best_all_reduce", "hierarchical_all_reduce", "levels_of", "ring_all_reduce",
           "tree_all_reduce"]  # fmt: skip

Real = float | np.ndarray[Any, Any]
"""A number, or one for each draw of the uncertain quantities."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Ranks that one kind of link joins."""

    ranks: float
    """Members at this level; 1 is no level at all."""
    latency: Real
    """Of a hop [s]."""
    bandwidth: Real
    """Of one device, each direction [B/s]."""


def ring_all_reduce(num_bytes: Real, level: Level) -> Real:
    """Time of a ring: 2 (N - 1) hops, and 2 (N - 1) / N of the message through each device [s]."""
    n = level.ranks
    return 2.0 * (n - 1.0) * level.latency + 2.0 * (n - 1.0) / n * num_bytes / level.bandwidth


def tree_all_reduce(num_bytes: Real, level: Level) -> Real:
    """Time of a tree: up and down log2 N hops, with the message twice through a device [s]; nothing for one rank."""
    if level.ranks <= 1:
        return 0.0 * level.latency
    return 2.0 * math.log2(level.ranks) * level.latency + 2.0 * num_bytes / level.bandwidth


def hierarchical_all_reduce(num_bytes: Real, levels: Sequence[Level]) -> Real:
    """Time tier by tier [s]: scatter the sum inside, add across what is left of the message, gather inside.

    The outermost level takes the faster of ring and tree.
    """
    *inner, outer = levels
    total: Real = 0.0
    for level in inner:
        total = total + ring_all_reduce(num_bytes, level)  # half of it scatters, half gathers
        num_bytes = num_bytes / level.ranks
    return total + np.minimum(ring_all_reduce(num_bytes, outer), tree_all_reduce(num_bytes, outer))


def best_all_reduce(num_bytes: Real, levels: Sequence[Level]) -> Real:
    """The fastest way [s]: hierarchical, or flat by ring or tree over the slowest link."""
    ranks = math.prod(level.ranks for level in levels)
    outer = levels[-1]
    flat = Level(ranks=ranks, latency=outer.latency, bandwidth=outer.bandwidth)
    tree = tree_all_reduce(num_bytes, flat)
    return np.minimum(hierarchical_all_reduce(num_bytes, levels), np.minimum(ring_all_reduce(num_bytes, flat), tree))


def levels_of(
    num_ranks: int, stride: int, sizes: Sequence[float], latencies: Sequence[Real], bandwidths: Sequence[Real]
) -> list[Level]:
    """The levels that a group of ranks spans, when its members are `stride` devices apart.

    Args:
        num_ranks: Members of the group.
        stride: Devices from one member to the next; the devices between belong to other groups, alike.
        sizes: Devices that each tier joins; the last joins all.
        latencies: Of each tier [s].
        bandwidths: Of each tier and device [B/s].

    Returns:
        At least one level, those with one member left out.
    """
    found: list[Level] = []
    below = 1.0
    for k, (size, latency, bandwidth) in enumerate(zip(sizes, latencies, bandwidths, strict=True)):
        is_last = k == len(sizes) - 1
        inside = float(num_ranks) if is_last else min(float(num_ranks), max(1.0, float(size // stride)))
        if inside > below or (is_last and not found):
            found.append(Level(ranks=inside / below, latency=latency, bandwidth=bandwidth))
            below = inside
    return found
