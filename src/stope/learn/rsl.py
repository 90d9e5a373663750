# SPDX-License-Identifier: Apache-2.0
"""rsl-rl's view of a batch: TensorDict observations in two groups, `policy` (what a robot may see) and `privileged`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from rsl_rl.env import VecEnv
from rsl_rl.models import MLPModel
from tensordict import TensorDict

from stope.base.device import HOST
from stope.learn.policies import allocate, network_input
from stope.world.allocation import Allocation
from stope.world.env import DockBatch

__all__ = ["CentredModel", "RslEnv"]


class CentredModel(MLPModel):
    """rsl-rl's network less its answer to nothing: at rest at the goal the mean action is zero."""

    def forward(
        self,
        obs: TensorDict,
        masks: Any = None,
        hidden_state: Any = None,
        stochastic_output: bool = False,  # noqa: FBT001, FBT002 -- MLPModel's signature
    ) -> torch.Tensor:
        """Actions, as in `MLPModel`, which is never recurrent here."""
        latent = self.get_latent(obs, masks, hidden_state)
        mean = self.mlp(latent) - self.mlp(torch.zeros_like(latent[:1]))
        assert self.distribution is not None
        if not stochastic_output:
            return self.distribution.deterministic_output(mean)
        self.distribution.update(mean)
        return self.distribution.sample()


class RslEnv(VecEnv):
    """A `DockBatch` as rsl-rl's vectorized environment: worlds on the host, what the learner sees on its device."""

    def __init__(self, batch: DockBatch, device: str) -> None:
        """Wrap a batch and start its episodes."""
        self.batch = batch
        self.allocation = Allocation.of(batch.robot)
        self.num_envs, self.num_actions = batch.num_worlds, 6
        self.max_episode_length = batch.max_episode_steps
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.device, self.cfg = device, {}
        batch.reset()

    def get_observations(self) -> TensorDict:
        """Observations now."""
        groups = {
            "policy": torch.from_numpy(network_input(self.batch.observation)).to(self.device),
            "privileged": torch.from_numpy(self.batch.privileged.copy()).to(self.device),
        }
        return TensorDict(groups, batch_size=[self.num_envs])  # type: ignore[arg-type]

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Step all worlds; an action is a wanted acceleration, as in `MlpPolicy`."""
        shares = allocate(self.allocation, actions.to(HOST).numpy(), self.batch.observation)
        _, rewards, terminated, truncated = self.batch.step(shares)
        extras = {"time_outs": torch.from_numpy(truncated.astype(np.float32)).to(self.device)}
        dones = torch.from_numpy(terminated | truncated).to(self.device)
        return self.get_observations(), torch.from_numpy(rewards).to(self.device), dones, extras
