# SPDX-License-Identifier: Apache-2.0
"""The policy of a training as it is now, read from the run's own files: whoever looks on stops nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from stope.base.config import build
from stope.base.errors import FileError
from stope.base.files import read_json
from stope.base.runs import HEADER
from stope.learn.checkpoint import actor_weights, part_of
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.skill_training import SkillConfig
from stope.learn.train import TrainConfig
from stope.world.allocation import Allocation

__all__ = ["UnderWay", "config_of", "policy_under_way"]


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A policy and where it comes from."""

    policy: MlpPolicy | GruPolicy
    config: TrainConfig | SkillConfig
    iteration: int
    """After which it was written."""


def config_of(run: Path) -> TrainConfig | SkillConfig:
    """The configuration of a training.

    Raises:
        FileError: no training there, or of another version.
        ConfigError: a field that cannot be.
    """
    path = run / "config.json"
    found = read_json(path, what="configuration")
    # A free flight's task is a table of numbers, one with contact is named.
    kind = SkillConfig if isinstance(found.get("task"), str) else TrainConfig
    return build(kind, found, where=str(path))


def policy_under_way(run: Path) -> UnderWay:
    """The finished policy, else the best weights so far, else, before any evaluation, the newest.

    Args:
        run: Folder of a training.

    Raises:
        FileError: no checkpoint yet, or a broken file.
        ConfigError: a configuration that cannot be.
    """
    config, done = config_of(run), run / "policy.safetensors"
    if done.is_file():
        policy = MlpPolicy.load(done) if isinstance(config, TrainConfig) else GruPolicy.load(done)
        return UnderWay(policy, config, int(policy.card["selection"]["iteration"]))
    path = run / "checkpoint.safetensors"
    iteration, best, actor = _read(path)
    if isinstance(config, SkillConfig):
        return UnderWay(GruPolicy(best or actor_weights(actor), {}), config, iteration)
    if not best:
        raise FileError(f"{path}: no evaluation yet. Wait for the first.")
    return UnderWay(MlpPolicy(best, Allocation.of(config.make_robot()), {}), config, iteration)


def _read(path: Path) -> tuple[int, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Iteration, best weights and the newest of a checkpoint; the worlds' part, which may be large, is left alone."""
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            wanted = [k for k in file.keys() if k.startswith(("best.", "actor."))]  # noqa: SIM118 -- not a mapping
            arrays = {k: file.get_tensor(k) for k in wanted}
        return int(header["iteration"]), part_of(arrays, "best"), part_of(arrays, "actor")
    except FileNotFoundError:
        raise FileError(f"{path}: no such file: the training has written no checkpoint yet.") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise FileError(f"{path}: not a whole checkpoint ({' '.join(str(error).split())}).") from None
