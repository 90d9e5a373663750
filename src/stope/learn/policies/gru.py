# SPDX-License-Identifier: Apache-2.0
"""GruPolicy: (observation, belief, memory) to (action, memory); a safetensors file that carries its own card.

Inputs are normalised, a GRU remembers, and a small network sees both the inputs and the memory: what matters now need
not pass through the memory. It sees observations magnified as well, so that a centimetre tells where inputs span
metres. Loading reads tensors and text, and executes nothing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from stope.base.errors import FileError
from stope.base.files import write_atomic
from stope.world.told import NUM_SUMMARY

__all__ = ["LARGEST_INPUT", "MAGNIFIED", "GruPolicy"]

LARGEST_INPUT = 10.0
"""Normalised inputs are clipped to this size [1]; chosen: what is farther out than any in training says no more."""
MAGNIFIED = 10.0
"""Observations in units of their spread are seen a second time as the tanh of so many times their size [1]; chosen."""

FloatArray = NDArray[np.float32]


class GruPolicy:
    """Recurrent policy with explicit memory and mean actions.

    Args:
        weights: Tensors in float32: `input.mean` and `input.std` (inputs,); `memory.weight_ih`, `.weight_hh`,
            `.bias_ih`, `.bias_hh` of a GRU cell in torch's order of gates; `0.weight`, `0.bias`, ... of the head.
        card: What the policy says of itself; `observation_names` and `action_names` name what goes in and out.
    """

    family = "gru-skip-elu-2"

    def __init__(self, weights: dict[str, torch.Tensor], card: dict[str, Any]) -> None:
        """Take weights and a card."""
        self.weights = {k: v.detach().to(torch.float32).contiguous().clone() for k, v in sorted(weights.items())}
        self.card = card
        self.num_layers = sum(k[0].isdigit() and k.endswith("weight") for k in weights)
        w = self.weights
        # Without random weights first, which would take numbers from a training's stream.
        sizes = w["memory.weight_ih"].shape[1], w["memory.weight_hh"].shape[1]
        self.cell = torch.nn.utils.skip_init(torch.nn.GRUCell, *sizes)
        self.cell.load_state_dict({k: w[f"memory.{k}"] for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")})

    @property
    def num_inputs(self) -> int:
        """Length of observation and belief summary together."""
        return int(self.weights["input.mean"].shape[0])

    @property
    def num_memory(self) -> int:
        """Length of the memory."""
        return int(self.weights["memory.weight_hh"].shape[1])

    @property
    def num_actions(self) -> int:
        """Length of an action."""
        return int(self.weights[f"{self.num_layers - 1}.bias"].shape[0])

    @property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the weights."""
        h = hashlib.sha256()
        for name, tensor in self.weights.items():
            h.update(name.encode())
            h.update(tensor.numpy().tobytes())
        return h.hexdigest()[:16]

    def start(self, num: int) -> FloatArray:
        """Memory at the start of an episode, (num, num_memory)."""
        return np.zeros((num, self.num_memory), dtype=np.float32)

    def act(
        self, observation: FloatArray, belief: NDArray[np.floating[Any]], memory: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Actions in [-1, 1] (n, num_actions) and the new memory.

        Args:
            observation: (n, num_observations).
            belief: Summaries as in `stope.world.told`, (n, NUM_SUMMARY).
            memory: From the step before, or from `start`.
        """
        given = np.concatenate([observation, belief], axis=1, dtype=np.float32)
        with torch.inference_mode():
            action, kept = self.forward(torch.from_numpy(given), torch.from_numpy(memory))
        return action.numpy(), kept.numpy()

    def forward(self, given: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions and memory from raw inputs; what `export` traces."""
        w = self.weights
        x = torch.clamp((given - w["input.mean"]) / w["input.std"], -LARGEST_INPUT, LARGEST_INPUT)
        kept = self.cell(x, memory)
        seen = given[:, :-NUM_SUMMARY] / w["input.std"][:-NUM_SUMMARY]
        y = torch.cat([x, torch.tanh(MAGNIFIED * seen), kept], dim=-1)
        for k in range(self.num_layers):
            y = torch.nn.functional.linear(y, w[f"{k}.weight"], w[f"{k}.bias"])
            if k < self.num_layers - 1:
                y = torch.nn.functional.elu(y)
        return torch.clamp(y, -1.0, 1.0), kept

    def _seal(self, card: str) -> str:
        """What tells a file that was changed: a hash of weights and card."""
        return hashlib.sha256(f"{self.digest}{card}".encode()).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write weights and card to one file, atomically."""
        card = json.dumps(self.card, sort_keys=True)
        header = {"format": "stope-policy-1", "family": self.family, "card": card, "seal": self._seal(card)}
        write_atomic(path, save(self.weights, metadata=header))

    @classmethod
    def load(cls, path: Path) -> GruPolicy:
        """Read a policy file.

        Raises:
            FileError: missing, truncated, changed, not a policy, of another family, or with weights that do not fit
                together.
        """
        if not path.is_file():
            raise FileError(f"{path}: no such policy file. Train one: `stope train --help`.")
        try:
            with safe_open(str(path), framework="pt") as file:
                header = file.metadata() or {}
                weights = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 -- not a mapping
        except (SafetensorError, OSError, ValueError) as error:
            raise FileError(f"{path}: not a whole safetensors file ({error}). Copy or train it again.") from None
        if header.get("format") != "stope-policy-1" or header.get("family") != cls.family:
            raise FileError(f"{path}: a {header.get('family')!r}: expected a 'stope-policy-1' of {cls.family!r}.")
        _check_shapes(weights, path)
        for name, tensor in weights.items():
            if tensor.dtype != torch.float32 or not torch.isfinite(tensor).all():
                raise FileError(f"{path}: {name} of {tensor.dtype}: expected finite numbers of {torch.float32}.")
        try:
            card = json.loads(header.get("card", ""))
        except ValueError as error:
            raise FileError(f"{path}: its card is not JSON ({error}). Copy or train it again.") from None
        if not isinstance(card, dict):
            raise FileError(f"{path}: its card is a {type(card).__name__}: expected an object. Train it again.")
        policy = cls(weights, card)
        if policy._seal(header["card"]) != header.get("seal"):
            raise FileError(f"{path}: weights or card are not those that were written. Copy or train it again.")
        return policy


def _check_shapes(weights: dict[str, torch.Tensor], path: Path) -> None:
    """Refuse tensors that are not those of a policy, or that do not fit together."""
    fixed = ["input.mean", "input.std", *(f"memory.{k}" for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))]
    layers = (len(weights) - len(fixed)) // 2
    names = {*fixed, *(f"{k}.{part}" for k in range(layers) for part in ("weight", "bias"))}
    if set(weights) != names or layers < 1:
        raise FileError(f"{path}: tensors {', '.join(sorted(weights))}: expected {', '.join(fixed)}, 0.weight, 0.bias.")
    shapes = {k: tuple(v.shape) for k, v in weights.items()}
    inputs, memory = (shapes[k][-1] if shapes[k] else 0 for k in ("memory.weight_ih", "memory.weight_hh"))
    if inputs <= NUM_SUMMARY:
        raise FileError(f"{path}: {inputs} inputs: expected more than a belief's {NUM_SUMMARY}.")
    wanted = {"input.mean": (inputs,), "input.std": (inputs,), "memory.weight_ih": (3 * memory, inputs),
              "memory.weight_hh": (3 * memory, memory), "memory.bias_ih": (3 * memory,),
              "memory.bias_hh": (3 * memory,)}  # fmt: skip
    width = 2 * inputs - NUM_SUMMARY + memory
    for k in range(layers):
        units = shapes[f"{k}.bias"][0] if shapes[f"{k}.bias"] else 0
        wanted |= {f"{k}.weight": (units, width), f"{k}.bias": (units,)}
        width = units
    for name, shape in wanted.items():
        if shapes[name] != shape:
            raise FileError(f"{path}: {name} of shape {shapes[name]}: expected {shape}.")
