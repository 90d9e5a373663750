# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a training: networks, optimiser, worlds and random numbers in one sealed file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from stope.base.errors import FileError
from stope.learn.sealed import Tensors, read_sealed, write_sealed

if TYPE_CHECKING:
    from rsl_rl.algorithms import PPO

__all__ = [
    "actor_weights",
    "learner_state",
    "part_of",
    "read_checkpoint",
    "restore_learner",
    "world_state",
    "write_checkpoint",
]


def write_checkpoint(path: Path, arrays: Tensors, header: dict[str, Any]) -> None:
    """Write arrays, the state of torch's random numbers, and a header."""
    write_sealed(path, arrays | {"torch_rng": torch.get_rng_state()}, json.dumps(header))


def read_checkpoint(path: Path, config_hash: str) -> tuple[Tensors, dict[str, Any]]:
    """Arrays and header of a checkpoint of a configuration; torch's random numbers go on from it.

    Raises:
        FileError: not a whole checkpoint, or of another configuration.
    """
    arrays, text = read_sealed(path, what="a whole checkpoint")
    header = json.loads(text)
    if header["config"] != config_hash:
        raise FileError(f"{path}: belongs to another configuration. Delete it or choose another run directory.")
    torch.set_rng_state(arrays.pop("torch_rng"))
    return arrays, header


def part_of(arrays: Tensors, name: str) -> Tensors:
    """The arrays under a name, without it."""
    return {k[len(name) + 1 :]: v for k, v in arrays.items() if k.startswith(f"{name}.")}


def actor_weights(state: Tensors) -> Tensors:
    """The tensors of the learner's actor with memory, under the names of `GruPolicy`."""
    state = {k: v.detach().clone() for k, v in state.items()}
    out = {f"input.{k}": state[f"obs_normalizer.{k}"] for k in ("mean", "std")}
    out |= {f"memory.{k}": state[f"rnn.rnn.{k}_l0"] for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    layers = sorted({int(k.split(".")[1]) for k in state if k.startswith("mlp.")})
    return out | {f"{i}.{part}": state[f"mlp.{n}.{part}"] for i, n in enumerate(layers) for part in ("weight", "bias")}


def world_state(snapshot: dict[str, NDArray[Any]]) -> Tensors:
    """A batch's snapshot as arrays of a checkpoint."""
    return {f"env.{k}": torch.from_numpy(np.array(v, order="C")) for k, v in snapshot.items()}


def learner_state(ppo: PPO) -> Tensors:
    """Both networks and the optimiser's moments."""
    arrays: Tensors = {}
    for name, network in (("actor", ppo.actor), ("critic", ppo.critic)):
        arrays |= {f"{name}.{k}": v for k, v in network.state_dict().items()}
    return arrays | optimiser_state(ppo.optimizer, "optimizer")


def optimiser_state(optimiser: torch.optim.Optimizer, name: str) -> Tensors:
    """Moments of an optimiser."""
    moments = optimiser.state_dict()["state"]
    return {f"{name}.{index}.{k}": v for index, state in moments.items() for k, v in state.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, arrays: Tensors, name: str) -> None:
    """Put moments back."""
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in part_of(arrays, name).items():
        index, what = key.split(".", 1)
        moments.setdefault(int(index), {})[what] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})


def restore_learner(ppo: PPO, arrays: Tensors, *, learning_rate: float) -> None:
    """Put networks, moments and the learning rate back."""
    ppo.actor.load_state_dict(part_of(arrays, "actor"))
    ppo.critic.load_state_dict(part_of(arrays, "critic"))
    restore_optimiser(ppo.optimizer, arrays, "optimizer")
    ppo.learning_rate = learning_rate
    for group in ppo.optimizer.param_groups:
        group["lr"] = learning_rate
