# SPDX-License-Identifier: Apache-2.0
"""Time of one training step of a dense transformer, data-, tensor- and pipeline-parallel, by what it is spent on.

Six fitted numbers (`Coefficients`) and the data sheet: arithmetic at a share of the peak; element-wise work at the
memory's speed; a fixed cost a layer and pass; collectives over the tiers at a share of their line rates; the bubble of
the pipeline; the optimiser. Not in it: mixtures of experts, congestion, thermal limits, other tenants.

Against its relatives: Calculon and vTrain search or profile every operator; this has no operators, so it needs no
profile of the target, and ranks configurations of one model poorly. Use it for how many and how long, not for tuning.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from stope.base.config import build, check_fraction, check_positive
from stope.base.errors import ConfigError
from stope.cluster.collectives import Real, best_all_reduce, levels_of
from stope.cluster.system import Software
from stope.cluster.transformer import Recompute, Transformer, head_flops, layer_flops

__all__ = ["TERMS", "Coefficients", "Fabric", "Layout", "fitted", "shipped_coefficients", "step_terms"]

TERMS = ("compute", "memory", "overhead", "tensor", "pipeline", "bubble", "data", "optimizer")
"""What a step's time is spent on."""
HALF = 2.0
"""Bytes of a weight or an activation."""
GRADIENT = 4.0
"""Bytes of a gradient when it is added up over replicas."""
UPDATE_BYTES = 20.0
"""Read and written per parameter by Adam: master copy and moments in and out, gradient in, weight out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Coefficients:
    """What was fitted to measured steps; `python benchmarks/cluster.py --fit` makes them anew."""

    arithmetic: float
    """Share of the peak that matrix products reach [1]."""
    traffic: float
    """Element-wise memory traffic over the bytes of the activations of a layer [1]."""
    inside: float
    """Share of the line rate that collectives reach inside the first tier [1]."""
    across: float
    """The same beyond the first tier [1]."""
    layer_overhead: float
    """Of one layer and forward pass, beside everything else [s]."""
    hidden: float
    """Share of communication that overlapped software hides behind arithmetic [1]."""

    def __post_init__(self) -> None:
        """Check shares and signs."""
        check_positive(self, "arithmetic", "inside", "across")
        check_fraction(self, "arithmetic", "inside", "across", "hidden")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fabric:
    """What of a machine a step's time depends on; each number may be an array of draws."""

    peak: Real
    """Of a device [FLOP/s]."""
    memory_bandwidth: Real
    """Of a device [B/s]."""
    sizes: Sequence[float]
    """Devices each tier joins."""
    latencies: Sequence[Real]
    """Of each tier [s]."""
    bandwidths: Sequence[Real]
    """Of each tier and device, as advertised [B/s]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How a step is laid out over devices."""

    tensor: int
    """Devices that share each layer."""
    data: int
    """Replicas."""
    pipeline: int
    """Stages."""
    micro_batch: int
    """Samples of one pass."""
    global_batch: Real
    """Samples of one step; may be an array, to try many at once."""
    context: int = 1
    """Devices that share a sequence."""
    interleave: int = 1
    """Parts of the model each stage holds; divides the bubble."""
    recompute: Recompute = "full"
    """What the backward pass computes again."""
    software: Software = "recompute"
    """`overlapped` hides communication; the others do not."""
    shards_weights: bool = False
    """Whether replicas share the weights and gather them for each pass (ZeRO-3)."""

    @property
    def devices(self) -> int:
        """Devices in all."""
        return self.tensor * self.data * self.pipeline * self.context

    @property
    def is_fused(self) -> bool:
        """Whether attention is one kernel, so that its scores never reach memory."""
        return self.software == "overlapped" or self.recompute == "none"

    @property
    def micro_batches(self) -> Real:
        """Passes of one replica a step; at least 1, the last may be smaller."""
        return np.maximum(1.0, self.global_batch / (self.data * self.micro_batch))


def step_terms(model: Transformer, layout: Layout, fabric: Fabric, c: Coefficients) -> dict[str, Real]:
    """Seconds of one step, by the names in `TERMS`."""
    passes = 4.0 if layout.recompute == "full" else 3.0
    layers = float(-(-model.layers // layout.pipeline))
    shared = layout.tensor * layout.context
    rate = fabric.peak * c.arithmetic * shared / layout.micro_batch
    reach = [c.inside, *(c.across for _ in fabric.sizes[1:])]
    bandwidths = [b * share for b, share in zip(fabric.bandwidths, reach, strict=True)]
    hidden = c.hidden if layout.software == "overlapped" else 0.0

    m = layout.micro_batches
    one: dict[str, Real] = {
        "compute": passes * layers * layer_flops(model) / rate,
        "memory": c.traffic * passes * layers * _layer_bytes(model, layout) / fabric.memory_bandwidth,
        "overhead": c.layer_overhead * passes / 3.0 * layers,
    }
    behind = sum(one.values())  # arithmetic that communication can hide behind
    messages = {
        "tensor": layers * _tensor_time(model, layout, fabric, bandwidths),
        "pipeline": _pipeline_time(model, layout, fabric, bandwidths),
    }
    one |= {name: _exposed(value, behind / len(messages), hidden) for name, value in messages.items()}
    pass_time = sum(one.values())
    bubble = (layout.pipeline - 1.0) / layout.interleave * pass_time
    terms: dict[str, Real] = {name: m * value for name, value in one.items()}
    terms["compute"] = terms["compute"] + m * 3.0 * head_flops(model) / rate
    gradients = GRADIENT * model.parameters / (layout.tensor * layout.pipeline)
    if layout.shards_weights:
        # Gathered twice and scattered once over one flat ring, as much of it as the arithmetic does not hide.
        gathered = m * 1.5 * _flat_ring(HALF * model.parameters, layout, fabric, bandwidths)
        data: Real = np.maximum(gathered - sum(terms.values()), 0.0)
    else:
        levels = levels_of(layout.data * layout.context, layout.tensor, fabric.sizes, fabric.latencies, bandwidths)
        data = _exposed(best_all_reduce(gradients, levels), pass_time, hidden)  # behind one backward and forward pass
    update = UPDATE_BYTES * model.parameters / (layout.tensor * layout.pipeline)
    terms |= {"bubble": bubble, "data": data}
    spread = layout.data if layout.shards_weights else 1
    terms["optimizer"] = update / spread / fabric.memory_bandwidth
    return terms


def _exposed(seconds: Real, behind: Real, hidden: float) -> Real:
    """What of a message's time is seen [s], when a share is hidden, and no more than there is arithmetic to hide it."""
    return np.maximum((1.0 - hidden) * seconds, seconds - behind) if hidden else seconds


def _layer_bytes(model: Transformer, layout: Layout) -> float:
    """Activations of one layer and micro-batch on one device [B], by arXiv 2205.05198; see `transformer`."""
    b, s, t = layout.micro_batch, model.sequence_length, layout.tensor
    sbh = float(b * s * model.hidden_size)
    scores = 0.0 if layout.is_fused else 5.0 * model.attention_heads * s * s * b
    others = sbh * (10.0 + 24.0 / t) if layout.recompute == "full" else 34.0 * sbh / t
    return (others + scores / t) / layout.context


def _tensor_time(model: Transformer, layout: Layout, fabric: Fabric, bandwidths: Sequence[Real]) -> Real:
    """All-reduces of one layer and micro-batch [s]: two forward, two backward, two more if all is computed again."""
    if layout.tensor == 1:
        return 0.0
    message = HALF * layout.micro_batch * model.sequence_length * model.hidden_size / layout.context
    levels = levels_of(layout.tensor, 1, fabric.sizes, fabric.latencies, bandwidths)
    return (6.0 if layout.recompute == "full" else 4.0) * best_all_reduce(message, levels)


def _pipeline_time(model: Transformer, layout: Layout, fabric: Fabric, bandwidths: Sequence[Real]) -> Real:
    """Messages between two stages for one micro-batch [s], over the tier that joins the whole job."""
    if layout.pipeline == 1:
        return 0.0
    message = HALF * layout.micro_batch * model.sequence_length * model.hidden_size / (layout.tensor * layout.context)
    k = next((k for k, size in enumerate(fabric.sizes) if size >= layout.devices), len(fabric.sizes) - 1)
    return 2.0 * layout.interleave * (fabric.latencies[k] + message / bandwidths[k])


def _flat_ring(num_bytes: float, layout: Layout, fabric: Fabric, bandwidths: Sequence[Real]) -> Real:
    """All-reduce of a flat ring over every replica [s]; it runs at the speed of the slowest link it crosses."""
    levels = levels_of(layout.data, layout.tensor, fabric.sizes, fabric.latencies, bandwidths)
    outer = levels[-1]
    return 2.0 * (layout.data - 1.0) * outer.latency + 2.0 * num_bytes / outer.bandwidth


@cache
def fitted() -> dict[str, Any]:
    """What the fit left: coefficients, widths of intervals, baselines, and where they come from."""
    return json.loads((Path(__file__).parent / "fitted.json").read_text(encoding="utf-8"))


@cache
def shipped_coefficients() -> Coefficients:
    """The coefficients that come with the package.

    Raises:
        ConfigError: the file of the package was changed to something that does not fit.
    """
    found = fitted()["coefficients"]
    if set(found) != {f.name for f in fields(Coefficients)}:
        raise ConfigError(f"fitted.json: coefficients {sorted(found)}: expected the fields of Coefficients.")
    return build(Coefficients, found, where="fitted.json")
