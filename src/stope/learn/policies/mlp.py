# SPDX-License-Identifier: Apache-2.0
"""MlpPolicy: (observation, belief) to action; a safetensors file that carries its own card.

The belief enters through its mean: `Allocation` turns the accelerations the network asks for into thruster shares, with
the believed mass, inertia, gains and centre of mass, and feeds the believed residual acceleration forward. The network
sees the motion only, and asks for nothing at rest at the goal. (A network that saw the belief's spread as well, and had
an offset of its own, docked worse after a flight than before: its answer to a belief sharper than any in training was
an offset of 16 to 28 mm. docs/explanation/belief.md has the figures.) The file holds both parts, so a policy needs no
robot file to fly.

The file's header holds the card as JSON: task, robot, site, prior, seeds, steps, wall-clock, success with n and its
interval. Loading reads tensors and text, and executes nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from stope.base.errors import FileError
from stope.base.files import write_atomic
from stope.world.allocation import Allocation
from stope.world.physics import NUM_PARAMETERS
from stope.world.tasks import dock

__all__ = ["NUM_INPUTS", "MlpPolicy", "allocate", "network_input"]

NUM_INPUTS = dock.NUM_MOTION
"""Length of what the network sees."""
_ALLOCATION = tuple(f.name for f in fields(Allocation))
_ALLOCATION_SHAPES = ((NUM_PARAMETERS,), (NUM_PARAMETERS,), (6,), (4,), (6,))


def network_input(observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network sees of an observation: the motion, (worlds, 24)."""
    return np.ascontiguousarray(observation[:, : dock.NUM_MOTION])


def allocate(
    allocation: Allocation, wanted: NDArray[np.float32], observation: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Thruster shares (worlds, 6) from wanted accelerations, under the belief that the observation carries."""
    z = observation[:, dock.BELIEF_AT : dock.BELIEF_AT + NUM_PARAMETERS] / dock.MEAN_SCALE
    residual_b = observation[:, dock.NUM_MOTION : dock.NUM_MOTION + dock.RESIDUAL]
    return allocation.shares(wanted, np.asarray(z, dtype=np.float64), np.asarray(residual_b, dtype=np.float64))


class MlpPolicy:
    """Fully connected policy with ELU units, mean actions, and belief-aware allocation."""

    family = "mlp-elu-allocated-2"

    def __init__(self, weights: dict[str, torch.Tensor], allocation: Allocation, card: dict[str, Any]) -> None:
        """Take weights "0.weight", "0.bias", "1.weight", ... in float32, an allocation and a card."""
        self.weights = {k: v.detach().to(torch.float32).contiguous().clone() for k, v in sorted(weights.items())}
        self.allocation = allocation
        self.card = card
        self.num_layers = len(weights) // 2

    @property
    def num_inputs(self) -> int:
        """Length of what the network sees."""
        return int(self.weights["0.weight"].shape[1])

    @property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the weights."""
        h = hashlib.sha256()
        for name, tensor in self.weights.items():
            h.update(name.encode())
            h.update(tensor.numpy().tobytes())
        for name in _ALLOCATION:
            h.update(getattr(self.allocation, name).tobytes())
        return h.hexdigest()[:16]

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions in [-1, 1] for a batch of observations, (worlds, num_observations) to (worlds, num_actions).

        NaN for an observation with a number that is not finite.
        """
        with torch.inference_mode():
            x = torch.from_numpy(network_input(observation))
            for k in range(self.num_layers):
                x = torch.nn.functional.linear(x, self.weights[f"{k}.weight"], self.weights[f"{k}.bias"])
                if k < self.num_layers - 1:
                    x = torch.nn.functional.elu(x)
            shares = allocate(self.allocation, x.numpy(), observation)
        # Clipping would turn what is not a number into full thrust.
        shares[~np.isfinite(observation).all(axis=1)] = np.nan
        return shares

    def _seal(self, card: str) -> str:
        """What tells a file that was changed: a hash of weights, allocation and card."""
        return hashlib.sha256(f"{self.digest}{card}".encode()).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write weights and card to one file, atomically."""
        card = json.dumps(self.card, sort_keys=True)
        header = {"format": "stope-policy-1", "family": self.family, "card": card, "seal": self._seal(card)}
        arrays = {f"allocation.{k}": torch.from_numpy(getattr(self.allocation, k)) for k in _ALLOCATION}
        write_atomic(path, save({**self.weights, **arrays}, metadata=header))

    @classmethod
    def load(cls, path: Path) -> MlpPolicy:
        """Read a policy file.

        Raises:
            FileError: missing, truncated, changed, not a policy, of another family, or with weights that do not fit
                together.
        """
        if not path.is_file():
            raise FileError(f"{path}: no such policy file. Train one: `stope train dock --out {path}`.")
        try:
            with safe_open(str(path), framework="pt") as file:
                header = file.metadata() or {}
                weights = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 -- not a mapping
        except (SafetensorError, OSError, ValueError) as error:
            raise FileError(f"{path}: not a whole safetensors file ({error}). Copy or train it again.") from None
        if header.get("format") != "stope-policy-1" or header.get("family") != cls.family:
            raise FileError(f"{path}: format {header.get('format')!r}: expected a 'stope-policy-1' of {cls.family!r}.")
        missing = [k for k in _ALLOCATION if f"allocation.{k}" not in weights]
        if missing:
            raise FileError(f"{path}: no allocation.{missing[0]}: expected {', '.join(_ALLOCATION)}.")
        _check_numbers(weights, path)
        allocation = Allocation(*(weights.pop(f"allocation.{k}").numpy() for k in _ALLOCATION))
        shapes = [getattr(allocation, k).shape for k in _ALLOCATION]
        if shapes != list(_ALLOCATION_SHAPES):
            raise FileError(f"{path}: allocation of shapes {shapes}: expected {list(_ALLOCATION_SHAPES)}.")
        _check_layers(weights, path)
        try:
            card = json.loads(header.get("card", ""))
        except ValueError as error:
            raise FileError(f"{path}: its card is not JSON ({error}). Copy or train it again.") from None
        if not isinstance(card, dict):
            raise FileError(f"{path}: its card is a {type(card).__name__}: expected an object. Train it again.")
        policy = cls(weights, allocation, card)
        if policy._seal(header["card"]) != header.get("seal"):
            raise FileError(f"{path}: weights or card are not those that were written. Copy or train it again.")
        return policy


def _check_numbers(weights: dict[str, torch.Tensor], path: Path) -> None:
    """Refuse tensors of another type than they were written in, and numbers that are not finite."""
    for name, tensor in weights.items():
        wanted = torch.float64 if name.startswith("allocation.") else torch.float32
        if tensor.dtype != wanted or not torch.isfinite(tensor).all():
            raise FileError(f"{path}: {name} of {tensor.dtype}: expected finite numbers of {wanted}.")


def _check_layers(weights: dict[str, torch.Tensor], path: Path) -> None:
    """Refuse tensors that are not the layers of a policy, or that do not fit together."""
    layers = len(weights) // 2
    wanted = {f"{k}.{part}" for k in range(layers) for part in ("weight", "bias")}
    if set(weights) != wanted or not wanted:
        raise FileError(f"{path}: tensors {', '.join(sorted(weights))}: expected 0.weight, 0.bias, 1.weight, ...")
    sizes = [tuple(weights[f"{k}.weight"].shape) for k in range(layers)]
    units = [NUM_INPUTS, *(size[0] for size in sizes)]
    biases = [tuple(weights[f"{k}.bias"].shape) for k in range(layers)]
    if sizes != [(b, a) for a, b in pairwise(units)] or biases != [(b,) for b in units[1:]] or units[-1] != 6:
        raise FileError(f"{path}: layers {sizes} do not fit together: expected {NUM_INPUTS} inputs and 6 outputs.")
