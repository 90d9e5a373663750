# SPDX-License-Identifier: Apache-2.0
"""Dense transformer: its arithmetic, and the memory a device needs to train a part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stope.base.config import check_positive
from stope.base.errors import ConfigError

__all__ = ["Recompute", "Transformer", "activation_bytes", "forward_flops", "head_flops", "layer_flops", "state_bytes"]

Recompute = Literal["full", "selective", "none"]
"""What the backward pass computes again: every layer, attention only, or nothing because attention is fused."""
MOST_LAYERS = 10_000
"""Chosen: a hundred times the deepest published."""
STATE_BYTES = 18.0
"""Per parameter with Adam in mixed precision: 2 weight, 4 gradient, 12 optimiser (master copy and two moments)."""
OPTIMIZER_BYTES = 12.0
"""Of these, what a sharded optimiser spreads over data-parallel ranks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transformer:
    """Shape of a decoder-only dense transformer."""

    parameters: float
    """Weights in all [1]."""
    layers: int
    """Blocks."""
    hidden_size: int
    """Width of the residual stream."""
    attention_heads: int
    """Query heads."""
    sequence_length: int
    """Tokens of one sample."""
    vocabulary_size: int = 51200
    """Rows of the output matrix."""

    def __post_init__(self) -> None:
        """Check signs, and that there are not so many layers that dividing them takes for ever."""
        check_positive(self, "parameters", "layers", "hidden_size", "attention_heads", "sequence_length",
                       "vocabulary_size")  # fmt: skip
        if self.layers > MOST_LAYERS:
            raise ConfigError(f"{type(self).__name__}.layers = {self.layers}: expected at most {MOST_LAYERS:,}.")

    @property
    def layer_parameters(self) -> float:
        """Weights of one block: what is left beside the embedding, over the layers; at least 1 % of 12 h2."""
        rest = self.parameters - self.vocabulary_size * self.hidden_size
        return max(rest / self.layers, 0.12 * self.hidden_size**2)


def layer_flops(model: Transformer) -> float:
    """Forward arithmetic of one block for one sample [FLOP]: 2 per weight and token, and 4 s2 h of attention."""
    s = model.sequence_length
    return 2.0 * model.layer_parameters * s + 4.0 * s * s * model.hidden_size


def head_flops(model: Transformer) -> float:
    """Forward arithmetic of the output matrix for one sample [FLOP]."""
    return 2.0 * model.vocabulary_size * model.hidden_size * model.sequence_length


def forward_flops(model: Transformer) -> float:
    """Forward arithmetic of one sample [FLOP]; a training step is 3 of these, 4 with full recomputation.

    With 12 h2 weights a block it is 24 s L h2 (1 + s / 6h + V / 12 L h), arXiv 2104.04473 without recomputation.
    """
    return model.layers * layer_flops(model) + head_flops(model)


def state_bytes(model: Transformer, *, tensor: int, pipeline: int, shards: int = 1) -> float:
    """Weights, gradients and optimiser on one device [B].

    Args:
        model: Shape.
        tensor: Tensor-parallel ranks.
        pipeline: Pipeline stages.
        shards: Data-parallel ranks over which the optimiser's part is spread.
    """
    each = model.parameters / (tensor * pipeline)
    return each * (STATE_BYTES - OPTIMIZER_BYTES + OPTIMIZER_BYTES / shards)


def activation_bytes(
    model: Transformer, *, micro_batch: int, tensor: int, pipeline: int, in_flight: int, recompute: Recompute,
    is_fused: bool = False,
) -> float:  # fmt: skip
    """Activations on one device of the first stage [B].

    Args:
        model: Shape.
        micro_batch: Samples of one pass.
        tensor: Tensor-parallel ranks; with recompute other than full, sequence-parallel too.
        pipeline: Pipeline stages.
        in_flight: Micro-batches whose backward pass is still to come; at most `pipeline` in the 1F1B schedule.
        recompute: What is computed again.
        is_fused: Whether attention is one kernel, so that its scores never reach memory.

    Source:
        arXiv 2205.05198: s b h (10 + 24 / t + 5 a s / h t) a layer without recomputation, 34 s b h / t with selective
        recomputation (fused attention keeps as much), 2 s b h with full recomputation and one layer at work.
    """
    sbh = float(model.sequence_length * micro_batch * model.hidden_size)
    held = in_flight * -(-model.layers // pipeline)
    if recompute == "full":
        scores = 5.0 * model.attention_heads * model.sequence_length / (model.hidden_size * tensor)
        scores = 0.0 if is_fused else scores
        return sbh * (2.0 * held + 10.0 + 24.0 / tensor + scores)
    return sbh * 34.0 / tensor * held
