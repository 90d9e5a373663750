# SPDX-License-Identifier: Apache-2.0
"""rsl-rl's view of a task with contact, and the networks that learn it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.env import VecEnv
from rsl_rl.models import MLPModel, RNNModel
from rsl_rl.utils import unpad_trajectories
from tensordict import TensorDict

from stope.learn.policies.gru import LARGEST_INPUT, MAGNIFIED
from stope.world.contact_env import ContactBatch
from stope.world.told import NUM_SUMMARY

__all__ = ["MemoryActor", "ScaledCritic", "Scaling", "SkillEnv"]

LEAST_SPREAD = 0.05
"""Least standard deviation an input is divided by (chosen): what hardly ever changes is not blown up."""


class Scaling(torch.nn.Module):
    """Mean and spread of the inputs, found once from the first steps of a training and then fixed."""

    def __init__(self, size: int) -> None:
        """Start as the identity."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def fit(self, inputs: torch.Tensor) -> None:
        """Take mean and spread of inputs (n, size)."""
        self.mean = inputs.mean(dim=0)
        self.std = inputs.std(dim=0).clamp_min(LEAST_SPREAD)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scaled and clipped inputs."""
        return torch.clamp((x - self.mean) / self.std, -LARGEST_INPUT, LARGEST_INPUT)

    def magnified(self, x: torch.Tensor) -> torch.Tensor:
        """Observations, without the belief, seen from near."""
        return torch.tanh(MAGNIFIED * x[..., :-NUM_SUMMARY] / self.std[:-NUM_SUMMARY])  # type: ignore[index]


class MemoryActor(RNNModel):
    """rsl-rl's recurrent network whose head sees the inputs, plain and magnified, beside the memory."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """As `RNNModel`."""
        super().__init__(*args, **settings)
        self.obs_normalizer = Scaling(self.obs_dim)

    def _get_latent_dim(self) -> int:
        return 2 * self.obs_dim - NUM_SUMMARY + self.latent_dim

    def get_latent(self, obs: TensorDict, masks: Any = None, hidden_state: Any = None) -> torch.Tensor:
        """Inputs and memory side by side."""
        x = MLPModel.get_latent(self, obs)
        near = self.obs_normalizer.magnified(torch.cat([obs[g] for g in self.obs_groups], dim=-1))
        kept = self.rnn(x, masks, hidden_state).squeeze(0)
        both = torch.cat([x, near], dim=-1)
        return torch.cat([both if masks is None else unpad_trajectories(both, masks), kept], dim=-1)

    def unroll(self, inputs: torch.Tensor, dones: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """Mean actions (steps, worlds, actions) along a rollout, with gradients through the memory.

        Args:
            inputs: (steps, worlds, inputs).
            dones: Whether an episode ended after each step, (steps, worlds).
            memory: Before the first step, (1, worlds, memory).
        """
        x, near = self.obs_normalizer(inputs), self.obs_normalizer.magnified(inputs)
        out = []
        for step in range(len(x)):
            _, memory = self.rnn.rnn(x[step : step + 1], memory)
            out.append(torch.cat([x[step], near[step], memory[0]], dim=-1))
            memory = memory * (1.0 - dones[step])[None, :, None]
        return self.mlp(torch.stack(out))

    @torch.no_grad()
    def shrink_told(self, amount: float) -> None:
        """Bring every number of the belief nearer to being left unread: its weights shrink together, by one length.

        One proximal step of the group lasso; what the tutor acts on pulls its weights back, and the rest goes to
        nothing. Source: Yuan and Lin 2006 (doi:10.1111/j.1467-9868.2005.00532.x).

        Args:
            amount: Length taken from each number's weights [1].
        """
        told = slice(self.obs_dim - NUM_SUMMARY, self.obs_dim)
        inner: Any = self.rnn.rnn, self.mlp[0]
        read = [inner[0].weight_ih_l0[:, told], inner[1].weight[:, told]]
        size = torch.cat(read).norm(dim=0)
        for weights in read:
            weights.mul_(torch.clamp(1.0 - amount / size.clamp_min(1e-12), min=0.0))


class ScaledCritic(MLPModel):
    """rsl-rl's network with inputs scaled as the actor's."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """As `MLPModel`."""
        super().__init__(*args, **settings)
        self.obs_normalizer = Scaling(self.obs_dim)


class SkillEnv(VecEnv):
    """A batch of a task with contact as rsl-rl's vectorized environment, on the host.

    Args:
        batch: The worlds.
        device: Where tensors live.
        reward_scale: Factor on rewards, so that values are of order 1.
        bonus: Added, before the scale, when an episode's success is reached.
    """

    def __init__(self, batch: ContactBatch, device: str, *, reward_scale: float, bonus: float) -> None:
        """Reset the batch."""
        self.batch, self.reward_scale, self.bonus = batch, reward_scale, bonus
        self.num_envs, self.num_actions = batch.num_worlds, batch.action.shape[1]
        self.max_episode_length = batch.max_episode_steps
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.device, self.cfg = device, {}
        self.observation = batch.reset()

    def inputs(self) -> NDArray[np.float32]:
        """Observation and belief summary of every world."""
        return np.concatenate([self.observation, self.batch.belief], axis=1, dtype=np.float32)

    def get_observations(self) -> TensorDict:
        """Observations now; the critic may see the truth."""
        groups = {"policy": torch.from_numpy(self.inputs()),
                  "privileged": torch.from_numpy(self.batch.z.astype(np.float32))}  # fmt: skip
        return TensorDict(groups, batch_size=[self.num_envs])  # type: ignore[arg-type]

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Step all worlds."""
        before = self.batch.success.copy()
        self.observation, rewards, terminated, truncated = self.batch.step(actions.numpy())
        gained = self.batch.last_success & ~before
        scaled = self.reward_scale * (rewards + self.bonus * gained.astype(np.float32))
        extras = {"time_outs": torch.from_numpy(truncated.astype(np.float32))}
        return self.get_observations(), torch.from_numpy(scaled), torch.from_numpy(terminated | truncated), extras
