# SPDX-License-Identifier: Apache-2.0
"""Imitation of a script by a network with memory, from what both have flown so far.

Rollouts are dear and gradients cheap, so every rollout is kept and learned from again (DAgger's aggregation of data). A
script that asks for more than an actuator gives says only on which side of the limit to be, and so does the loss. A
tutor acts on what is seen and believed alone, so what was flown with one belief also teaches what to do with others.

Source: Ross, Gordon and Bagnell 2011 (AISTATS, arXiv 1011.0686).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stope.base.errors import FileError
from stope.learn.sealed import read_sealed, write_sealed

__all__ = ["Chunk", "Replay", "imitate", "imitation_loss", "imitation_rate", "retold"]

Floats = NDArray[np.float64]

LEAST_RATE = 0.05
"""Share of the first learning rate that the last iteration of an imitation has [1]; chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What was seen along one rollout, and what the script would have done there."""

    inputs: torch.Tensor
    """(steps, worlds, inputs)."""
    wanted: torch.Tensor
    """The script's actions, (steps, worlds, actions)."""
    dones: torch.Tensor
    """1 where an episode ended after the step, (steps, worlds)."""
    memory: torch.Tensor
    """Of the network before the first step, (1, worlds, memory)."""

    def part(self, worlds: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Inputs, actions, ends and memory of some worlds."""
        return tuple(x[:, worlds] for x in (self.inputs, self.wanted, self.dones, self.memory))


@dataclass
class Replay:
    """The last rollouts of an imitation; each is a file of its own beside the checkpoint, so that nothing is lost."""

    size: int
    """Most rollouts kept."""
    path: Path | None = None
    """The training's checkpoint, beside which rollouts are written; None keeps them in memory alone."""
    chunks: list[Chunk] = field(default_factory=list)
    num: int = 0
    """Rollouts so far."""

    def add(self, chunk: Chunk) -> None:
        """Keep a rollout, and drop the oldest when there are too many."""
        if self.path is not None:
            write_sealed(self._file(self.num), {k: getattr(chunk, k) for k in Chunk.__slots__})
        self.chunks.append(chunk)
        self.num += 1
        if len(self.chunks) > self.size:
            self.chunks.pop(0)

    def trim(self) -> None:
        """Delete the files that no later start needs; after the checkpoint that comes without them is written."""
        if self.path is not None and self.num - self.size >= 1:
            self._file(self.num - self.size - 1).unlink(missing_ok=True)

    def restore(self, num: int) -> None:
        """Read the rollouts of a training that had `num`.

        Raises:
            FileError: a file that is missing or not whole.
        """
        self.chunks, self.num = [], num
        for k in range(max(0, num - self.size), num):
            arrays, _ = read_sealed(self._file(k), what="a whole rollout")
            if set(arrays) != set(Chunk.__slots__):
                raise FileError(f"{self._file(k)}: {', '.join(arrays)}: expected {', '.join(Chunk.__slots__)}.")
            self.chunks.append(Chunk(**arrays))

    def clear(self) -> None:
        """Forget all rollouts and delete their files."""
        if self.path is not None:
            for file in self.path.parent.glob(f"{self.path.stem}.rollout-*.safetensors"):
                file.unlink(missing_ok=True)
        self.chunks = []

    def draw(self, rng: np.random.Generator, parts: int) -> tuple[torch.Tensor, ...]:
        """Some worlds of one rollout, as `Chunk.part`; half of the draws are of the newest."""
        pick = -1 if rng.random() < 0.5 else int(rng.integers(len(self.chunks)))
        chunk = self.chunks[pick]
        n = chunk.inputs.shape[1]
        return chunk.part(torch.from_numpy(rng.permutation(n)[: max(1, n // parts)]))

    def _file(self, number: int) -> Path:
        assert self.path is not None
        return self.path.with_suffix(f".rollout-{number}.safetensors")


def retold(
    part: tuple[torch.Tensor, ...],
    beliefs: Floats,
    tutor: Callable[[Floats, Floats], Floats],
    rng: np.random.Generator,
    imagined: Callable[[Floats, np.random.Generator], Floats] = lambda seen, rng: seen,
    *,
    share: float = 0.5,
) -> tuple[torch.Tensor, ...]:
    """A part of a rollout in which some worlds are told and imagined otherwise all along, and what the tutor does then.

    Without it a network meets as many beliefs as it has flown episodes, too few to learn which of a belief's numbers do
    not matter.

    Args:
        part: Inputs, actions, ends and memory, as `Chunk.part`; the beliefs are the last of the inputs.
        beliefs: One for each world, (worlds, summary).
        tutor: Observations and beliefs (n, ...) to actions (n, actions).
        rng: Which worlds, and what is imagined.
        imagined: Observations (steps, worlds, n) to what those worlds might have seen instead, of the same shape.
        share: Of the worlds that are told otherwise [1].
    """
    inputs, wanted, dones, memory = part
    size = beliefs.shape[1]
    ids = np.flatnonzero(rng.random(inputs.shape[1]) < share)
    if len(ids) == 0:
        return part
    inputs, wanted = inputs.clone(), wanted.clone()
    inputs[:, ids, -size:] = torch.from_numpy(beliefs[ids].astype(np.float32))
    seen = inputs[:, ids].numpy().astype(np.float64)
    seen[..., :-size] = imagined(seen[..., :-size], rng)
    inputs[:, ids] = torch.from_numpy(seen.astype(np.float32))
    seen = seen.reshape(-1, seen.shape[-1])
    right = torch.from_numpy(tutor(seen[:, :-size], seen[:, -size:]).astype(np.float32))
    wanted[:, ids] = right.reshape(len(inputs), len(ids), -1)
    return inputs, wanted, dones, memory


def imitation_rate(rate: float, progress: float) -> float:
    """Learning rate at a share of the imitation: a cosine down to `LEAST_RATE` of it."""
    return rate * (LEAST_RATE + (1.0 - LEAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * progress)))


def imitation_loss(mean: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean square of what a network's action is off; beyond a limit at which the script is, nothing is off.

    Args:
        mean: The network's actions before they are clipped to [-1, 1], any shape.
        wanted: The script's, of the same shape.
    """
    beyond = (wanted.abs() >= 1.0) & (mean * wanted >= 1.0)
    return torch.where(beyond, 0.0, (mean - wanted).square()).mean()


def imitate(
    actor: Any, optimiser: torch.optim.Optimizer, part: tuple[torch.Tensor, ...], *, shrink: float = 0.0
) -> float:
    """One step of the optimiser on some worlds of a rollout, back through the memory; returns the loss.

    Args:
        actor: A `MemoryActor`.
        optimiser: Of its weights.
        part: As `Chunk.part`.
        shrink: How far the weights of what is told shrink, in units of the learning rate [1].
    """
    inputs, wanted, dones, memory = part
    loss = imitation_loss(actor.unroll(inputs, dones, memory), wanted)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(actor.parameters(), 1.0)
    optimiser.step()
    if shrink > 0.0:
        actor.shrink_told(shrink * optimiser.param_groups[0]["lr"])
    return float(loss.detach())
