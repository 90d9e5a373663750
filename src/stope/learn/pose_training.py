# SPDX-License-Identifier: Apache-2.0
"""Training for go-to-pose: PPO of rsl-rl from nothing, on a network that opens and shuts eight nozzles itself.

Unlike `stope.learn.train` the action is eight yes-or-no choices, each its own Bernoulli variable, and no allocation
stands between the network and the nozzles. One seed gives the same weights bit for bit, whatever the threads.
"""

from __future__ import annotations

import contextlib
import copy
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.algorithms import PPO
from rsl_rl.env import VecEnv
from rsl_rl.modules.distribution import Distribution
from tensordict import TensorDict

from stope.base.config import check_fraction, check_not_negative, check_positive
from stope.base.device import HOST, set_learner_threads
from stope.base.errors import ConfigError
from stope.base.seeding import generator
from stope.learn.rsl import CentredModel
from stope.world.tasks.go_to_pose import NUM_THRUSTERS, GoToPose, PoseBatch

__all__ = ["Pilot", "PoseConfig", "PoseFlight", "PoseTraining", "fly_pose", "network_input"]

Floats = NDArray[np.float64]
Pilot = Callable[[NDArray[np.float32]], Floats]
"""From observations (worlds, 7) to open nozzles (worlds, 8)."""


NUM_INPUTS = 16
"""Of the network."""


def network_input(observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network sees, (worlds, NUM_INPUTS): each error at its own scale and magnified; zero at the goal."""
    target, velocity, rate = observation[:, 0:2], observation[:, 4:6], observation[:, 6:7]
    turn = np.arctan2(observation[:, 3:4], observation[:, 2:3])
    return np.concatenate([
        0.25 * target, np.tanh(3.0 * target), np.tanh(25.0 * target), 2.0 * velocity, np.tanh(25.0 * velocity),
        turn / 3.0, np.tanh(5.0 * turn), np.tanh(30.0 * turn), rate, np.tanh(10.0 * rate), 1.0 - observation[:, 2:3],
    ], axis=1, dtype=np.float32)  # fmt: skip


class Bernoulli(Distribution):
    """Independent yes-or-no actions; the network's outputs are log odds, and without chance "yes" is above zero."""

    def __init__(self, output_dim: int) -> None:
        """For so many actions."""
        super().__init__(output_dim)
        self.odds = torch.zeros(output_dim)

    def update(self, mlp_output: torch.Tensor) -> None:
        """Take log odds."""
        self.odds = mlp_output

    def sample(self) -> torch.Tensor:
        """Draw actions, 0 or 1."""
        return torch.bernoulli(torch.sigmoid(self.odds))

    def deterministic_output(self, mlp_output: torch.Tensor) -> torch.Tensor:
        """The likelier of both."""
        return (mlp_output > 0.0).float()

    @property
    def input_dim(self) -> int:
        """Numbers that the network gives."""
        return self.output_dim

    @property
    def mean(self) -> torch.Tensor:
        """Chance of "yes"."""
        return torch.sigmoid(self.odds)

    @property
    def std(self) -> torch.Tensor:
        """Standard deviation of the actions."""
        chance = self.mean
        return torch.sqrt(chance * (1.0 - chance))

    @property
    def entropy(self) -> torch.Tensor:
        """Of all actions together [nat]."""
        return (torch.nn.functional.softplus(self.odds) - self.odds * torch.sigmoid(self.odds)).sum(dim=-1)

    @property
    def params(self) -> tuple[torch.Tensor, ...]:
        """Log odds."""
        return (self.odds,)

    def log_prob(self, outputs: torch.Tensor) -> torch.Tensor:
        """Of actions together [nat]."""
        return (outputs * self.odds - torch.nn.functional.softplus(self.odds)).sum(dim=-1)

    def kl_divergence(self, old_params: tuple[torch.Tensor, ...], new_params: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """From old to new [nat]."""
        old, new = old_params[0], new_params[0]
        softplus = torch.nn.functional.softplus
        return (torch.sigmoid(old) * (old - new) - softplus(old) + softplus(new)).sum(dim=-1)


class PoseEnv(VecEnv):
    """A `PoseBatch` as rsl-rl's vectorized environment, on the host."""

    def __init__(self, batch: PoseBatch, reward_scale: float) -> None:
        """Reset the batch."""
        self.batch, self.reward_scale = batch, reward_scale
        self.num_envs, self.num_actions = batch.num_worlds, NUM_THRUSTERS
        self.max_episode_length = batch.task.max_steps
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.device, self.cfg = HOST, {}
        self.observation = batch.reset()

    def get_observations(self) -> TensorDict:
        """Observations now."""
        seen = torch.from_numpy(network_input(self.observation))
        return TensorDict({"policy": seen}, batch_size=[self.num_envs])  # type: ignore[arg-type]

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Step all worlds."""
        self.observation, rewards, lost, truncated = self.batch.step(actions.numpy())
        extras = {"time_outs": torch.from_numpy(truncated.astype(np.float32))}
        scaled = torch.from_numpy(self.reward_scale * rewards)
        return self.get_observations(), scaled, torch.from_numpy(lost | truncated), extras


def _starts() -> GoToPose:
    """Starts of training: near and far, moving and turning, undisturbed."""
    flat = 1e3
    return GoToPose(distance=(3.0, flat, 0.0, 6.0), speed=(0.0, 0.2, 0.0, 0.5), rate=(0.0, 0.2, -0.5, 0.5), keep_in=8.0,
                    time_limit=50.0)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class PoseConfig:
    """One training for go-to-pose."""

    task: GoToPose = field(default_factory=_starts)
    """Starts and disturbances to learn from."""
    seed: int = 1
    """Root seed of worlds and weights."""
    num_worlds: int = 512
    """Worlds that step together."""
    steps_per_iteration: int = 32
    """Control steps of each world between two updates."""
    num_iterations: int = 200
    """Of a rollout and an update: with the above 3,276,800 steps, a fortieth of the peer's 131,072,000."""
    hidden: tuple[int, ...] = (64, 64)
    """Units of each hidden layer, actor and critic."""
    num_epochs: int = 2
    """Passes over the steps of an iteration."""
    num_minibatches: int = 4
    """Parts of the steps, each with an update of its own."""
    discount: float = 0.98
    """Of the reward, per control step [1]."""
    trace: float = 0.95
    """Lambda of generalised advantage estimation [1]."""
    learning_rate: float = 1e-3
    """At the start; then adapted so that updates keep to `desired_kl` [1]."""
    desired_kl: float = 0.015
    """Kullback-Leibler divergence of an update at the start [nat]; it falls evenly to a tenth at the end."""

    def __post_init__(self) -> None:
        """Check counts and shares."""
        check_positive(self, "num_worlds", "steps_per_iteration", "num_iterations", "num_epochs", "num_minibatches",
                       "learning_rate", "desired_kl")  # fmt: skip
        check_not_negative(self, "seed")
        check_fraction(self, "discount", "trace")
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigError(f"PoseConfig.hidden = {list(self.hidden)}: expected layers of 1 or more units.")

    @property
    def num_steps(self) -> int:
        """Control steps of the whole training, over all worlds."""
        return self.num_worlds * self.steps_per_iteration * self.num_iterations


class PoseTraining:
    """One training, an iteration at a time."""

    def __init__(self, config: PoseConfig, *, num_threads: int = 1) -> None:
        """Build worlds, networks and optimiser."""
        c = self.config = config
        set_learner_threads()
        torch.manual_seed(c.seed)
        batch = PoseBatch(c.task, num_worlds=c.num_worlds, seed=c.seed, num_threads=num_threads)
        self.env = PoseEnv(batch, reward_scale=1.0 - c.discount)
        # Worlds start at random times within the episode, so that resets do not come all at once.
        batch.steps[:] = generator(c.seed, "stagger").integers(0, c.task.max_steps, c.num_worlds)
        network = {"class_name": "MLPModel", "hidden_dims": list(c.hidden), "activation": "elu"}
        settings = {
            "num_steps_per_env": c.steps_per_iteration,
            "multi_gpu": None,
            "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
            "algorithm": {"class_name": "PPO", "num_learning_epochs": c.num_epochs,
                          "num_mini_batches": c.num_minibatches, "gamma": c.discount, "lam": c.trace,
                          "entropy_coef": 0.0, "learning_rate": c.learning_rate, "desired_kl": c.desired_kl},
            "actor": {**network, "class_name": CentredModel, "distribution_cfg": {"class_name": Bernoulli}},
            "critic": network,
        }  # fmt: skip
        # construct_algorithm pops keys from what it is given, and prints its networks.
        with contextlib.redirect_stdout(io.StringIO()):
            self.ppo = PPO.construct_algorithm(self.env.get_observations(), self.env, copy.deepcopy(settings), HOST)
        self.ppo.train_mode()
        self.iteration = 0
        self.seconds = 0.0
        """Wall-clock of the learning: rollouts and updates."""

    @property
    def num_steps(self) -> int:
        """Control steps taken so far, over all worlds."""
        return self.iteration * self.config.num_worlds * self.config.steps_per_iteration

    def advance(self) -> None:
        """One iteration: a rollout and an update."""
        start = time.perf_counter()
        observations = self.env.get_observations()
        with torch.inference_mode():
            for _ in range(self.config.steps_per_iteration):
                actions = self.ppo.act(observations)
                observations, rewards, dones, extras = self.env.step(actions)
                self.ppo.process_env_step(observations, rewards, dones, extras)
            self.ppo.compute_returns(observations)
        # The last weights are the policy, so that the last updates have to be small.
        self.ppo.desired_kl = self.config.desired_kl * (1.0 - 0.9 * self.iteration / self.config.num_iterations)
        self.ppo.update()
        self.iteration += 1
        self.seconds += time.perf_counter() - start

    def pilot(self) -> Pilot:
        """The actor as it is now, without chance."""
        network = copy.deepcopy(self.ppo.actor.mlp)
        with torch.inference_mode():
            at_rest = network(torch.zeros((1, NUM_INPUTS)))  # CentredModel takes its answer to nothing away

        def fly(observation: NDArray[np.float32]) -> Floats:
            with torch.inference_mode():
                odds = network(torch.from_numpy(network_input(observation))) - at_rest
            return (odds > 0.0).numpy().astype(np.float64)

        return fly


@dataclass(frozen=True, slots=True, eq=False)
class PoseFlight:
    """What a pilot's episodes were, after each control step; an episode that ended in failure is far away for good."""

    distance: Floats
    """True, from the target [m], (steps, worlds)."""
    heading: Floats
    """True heading error [rad], 0 or more, (steps, worlds)."""
    opened: Floats
    """Mean number of nozzles told to open, (worlds,)."""
    lost: NDArray[np.bool_]
    """Whether it left the area, (worlds,)."""


def fly_pose(pilot: Pilot, task: GoToPose, *, num_worlds: int, seed: int, num_threads: int = 1) -> PoseFlight:
    """One whole episode in each of so many worlds."""
    batch = PoseBatch(task, num_worlds=num_worlds, seed=seed, num_threads=num_threads)
    observation = batch.reset()
    distance, heading = np.empty((task.max_steps, num_worlds)), np.empty((task.max_steps, num_worlds))
    lost, opened = np.zeros(num_worlds, dtype=np.bool_), np.zeros(num_worlds)
    for step in range(task.max_steps):
        actions = pilot(observation)
        opened += actions.sum(axis=1)
        observation, _, left, _ = batch.step(actions, autoreset=False)
        lost |= left
        distance[step], heading[step] = batch.errors()
        distance[step, lost], heading[step, lost] = np.inf, np.pi
    return PoseFlight(distance, heading, opened / task.max_steps, lost)
