# SPDX-License-Identifier: Apache-2.0
"""Layouts: which ways to lay a dense training out over devices fit, and which of them is fastest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from stope.cluster.system import Software, System
from stope.cluster.training_step import Coefficients, Fabric, Layout, step_terms
from stope.cluster.transformer import Recompute, Transformer, activation_bytes, state_bytes

__all__ = ["MEMORY_LIMIT", "Wishes", "best_layout", "fabric_of", "layout_memory", "ways"]

MEMORY_LIMIT = 0.9
"""Share of a device's memory beyond which allocators thrash: one row of the vTrain table took twice its time."""
MOST_TENSOR = 8
"""Largest tensor-parallel group tried: heads and layers are divided no further in published dense runs."""
MICRO_BATCHES = (1, 2, 4, 8, 16)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What of a layout is given; 0 leaves a number open."""

    devices: int
    """In all."""
    global_batch: int
    """Samples of one step."""
    tensor: int = 0
    """Devices that share each layer."""
    data: int = 0
    """Replicas."""
    pipeline: int = 0
    """Stages."""
    micro_batch: int = 0
    """Samples of one pass."""
    context: int = 1
    """Devices that share a sequence."""
    interleave: int = 1
    """Parts of the model each stage holds."""
    recompute: Recompute = "full"
    """What the backward pass computes again."""
    software: Software = "recompute"
    """Generation of the software."""
    shards_weights: bool = False
    """Whether replicas share the weights."""


def fabric_of(system: System) -> Fabric:
    """The middle values of a system."""
    return Fabric(
        peak=system.peak.value,
        memory_bandwidth=system.memory_bandwidth.value,
        sizes=[tier.size.value for tier in system.tiers],
        latencies=[tier.latency.value for tier in system.tiers],
        bandwidths=[tier.bandwidth.value for tier in system.tiers],
    )


def layout_memory(model: Transformer, layout: Layout) -> float:
    """Memory of the fullest device [B]: state and activations; new software spreads the optimiser over replicas."""
    is_spread = layout.shards_weights or layout.software == "overlapped"
    if layout.shards_weights:
        state = state_bytes(model, tensor=layout.tensor * layout.data, pipeline=layout.pipeline)
    else:
        state = state_bytes(model, tensor=layout.tensor, pipeline=layout.pipeline,
                            shards=layout.data if is_spread else 1)  # fmt: skip
    in_flight = int(min(layout.pipeline, math.ceil(float(np.min(layout.micro_batches)))))
    return state + activation_bytes(
        model, micro_batch=layout.micro_batch, tensor=layout.tensor, pipeline=layout.pipeline, in_flight=in_flight,
        recompute=layout.recompute, is_fused=layout.is_fused,
    ) / layout.context  # fmt: skip


def ways(model: Transformer, wishes: Wishes, *, most_tensor: int = MOST_TENSOR) -> Iterator[Layout]:
    """Every layout that keeps the wishes and divides devices, layers and batch evenly."""
    per_sequence = wishes.devices // wishes.context
    for tensor in _options(wishes.tensor, (1, 2, 4, 8), most_tensor):
        for pipeline in _options(wishes.pipeline, _divisors(model.layers), per_sequence // tensor):
            data, rest = divmod(per_sequence, tensor * pipeline)
            if rest or data < 1 or (wishes.data and data != wishes.data):
                continue
            for micro in _options(wishes.micro_batch, MICRO_BATCHES, max(1, wishes.global_batch // data)):
                yield Layout(
                    tensor=tensor, data=data, pipeline=pipeline, micro_batch=micro, context=wishes.context,
                    global_batch=wishes.global_batch, interleave=wishes.interleave, recompute=wishes.recompute,
                    software=wishes.software, shards_weights=wishes.shards_weights,
                )  # fmt: skip


def best_layout(model: Transformer, wishes: Wishes, system: System, c: Coefficients) -> Layout | None:
    """The fastest layout that fits in memory by the model, the leanest if none fits; None if none divides."""
    fabric, room = fabric_of(system), MEMORY_LIMIT * system.memory.value
    found = list(ways(model, wishes, most_tensor=min(MOST_TENSOR, system.unit)))
    if not found:
        return None
    fitting = [layout for layout in found if layout_memory(model, layout) <= room]
    if not fitting:
        return min(found, key=lambda layout: layout_memory(model, layout))

    def seconds(layout: Layout) -> float:
        return float(cast("float", sum(step_terms(model, layout, fabric, c).values())))

    return min(fitting, key=seconds)


def _options(given: int, tried: tuple[int, ...], most: int) -> tuple[int, ...]:
    return (given,) if given else tuple(n for n in tried if n <= max(1, most))


def _divisors(number: int) -> tuple[int, ...]:
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return tuple(sorted({*small, *(number // n for n in small)}))
