# SPDX-License-Identifier: Apache-2.0
"""dock as stable-baselines3 sees it: the same worlds, reward, network input, allocation and success test.

Two ways in. `DockGym` is one world as a Gymnasium environment, many of which stand in SB3's own `DummyVecEnv`: how the
field uses SB3. `BatchVecEnv` gives SB3 stope's whole batch as one vector environment, so that only the learner differs.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from stope.learn.evaluate import conditions, fly
from stope.learn.policies import MlpPolicy, allocate, network_input
from stope.learn.train import TrainConfig
from stope.world.allocation import Allocation
from stope.world.env import DockBatch
from stope.world.robots import load_robot
from stope.world.tasks import dock

__all__ = ["Sb3Settings", "seconds_to_success"]


@dataclass(frozen=True, kw_only=True)
class Sb3Settings:
    """What the small search varies."""

    env: str = "dummy"
    """`dummy` (Gymnasium environments in DummyVecEnv) or `batch` (stope's batch as a VecEnv)."""
    num_envs: int = 64
    steps: int = 128
    """Per environment and rollout."""
    batch_size: int = 2048
    epochs: int = 5
    learning_rate: float = 1e-3
    target_kl: float | None = 0.03


class DockGym(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One docking world."""

    def __init__(self, config: TrainConfig, seed: int) -> None:
        robot = load_robot(config.robot)
        self.batch = DockBatch(robot, config.site.site(), num_worlds=1, seed=seed, task=config.task, pool_size=1024)
        self.allocation = Allocation.of(robot)
        size = network_input(self.batch.observation).shape[1]
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (6,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        return network_input(self.batch.reset())[0], {}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One control period."""
        shares = allocate(self.allocation, action[None], self.batch.observation)
        observation, rewards, terminated, truncated = self.batch.step(shares, autoreset=False)
        return network_input(observation)[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), {}


class BatchVecEnv(VecEnv):
    """Stope's batch as an SB3 VecEnv."""

    def __init__(self, config: TrainConfig, num_envs: int, seed: int) -> None:
        robot = load_robot(config.robot)
        self.batch = DockBatch(
            robot, config.site.site(), num_worlds=num_envs, seed=seed, task=config.task, num_threads=2
        )
        self.allocation = Allocation.of(robot)
        size = network_input(self.batch.observation).shape[1]
        super().__init__(
            num_envs,
            gym.spaces.Box(-np.inf, np.inf, (size,), np.float32),
            gym.spaces.Box(-1.0, 1.0, (6,), np.float32),
        )

    def reset(self) -> NDArray[np.float32]:
        """Start all worlds, at random times within the episode as stope's own training does."""
        self.batch.reset()
        rng = np.random.default_rng(0)
        self.batch.record[:, dock.STEPS] = rng.integers(0, self.batch.max_episode_steps, self.num_envs)
        return network_input(self.batch.observation)

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Keep the actions."""
        self.actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step all worlds.

        A time limit is told to SB3 so that it bootstraps, with the value of the next episode's first observation,
        because the batch resets by itself.
        """
        shares = allocate(self.allocation, self.actions, self.batch.observation)
        observation, rewards, terminated, truncated = self.batch.step(shares)
        seen = network_input(observation)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for k in np.flatnonzero(truncated):
            infos[k] = {"TimeLimit.truncated": True, "terminal_observation": seen[k]}
        return seen, rewards, terminated | truncated, infos

    def close(self) -> None:
        """Nothing to free."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """One value for all."""
        return [getattr(self, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not needed."""

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Not needed."""
        return []

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Never."""
        return [False] * self.num_envs


class _Judge(BaseCallback):
    """Stops the clock at each rollout, evaluates about every `every` steps, ends training at the goal or the limit."""

    def __init__(self, config: TrainConfig, *, goal: float, limit: float, every: int) -> None:
        super().__init__()
        self.config, self.goal, self.limit, self.every = config, goal, limit, every
        robot = load_robot(config.robot)
        self.allocation = Allocation.of(robot)
        self.batch = DockBatch(robot, config.site.site(), num_worlds=config.num_evaluation, seed=config.seed + 7919,
                               task=config.task, num_threads=2)  # fmt: skip
        self.cases = conditions(config.num_evaluation, config.seed + 7919)["prior"]
        self.torch_threads = torch.get_num_threads()
        self.seconds, self.started, self.last = 0.0, 0.0, 0
        self.reached: float | None = None
        self.history: list[tuple[int, float, float]] = []

    def policy(self) -> MlpPolicy:
        """SB3's actor as a policy of stope: the very success test of stope's own training."""
        state = self.model.policy.state_dict()
        layers = sorted({int(k.split(".")[2]) for k in state if k.startswith("mlp_extractor.policy_net.")})
        names = [f"mlp_extractor.policy_net.{n}" for n in layers] + ["action_net"]
        weights = {f"{i}.{part}": state[f"{n}.{part}"] for i, n in enumerate(names) for part in ("weight", "bias")}
        return MlpPolicy(weights, self.allocation, {})

    def _on_training_start(self) -> None:
        self.started = time.perf_counter()

    def _on_rollout_start(self) -> None:  # an update lies behind us
        if self.num_timesteps - self.last < self.every or self.num_timesteps == 0:
            return
        self.seconds += time.perf_counter() - self.started
        self.last = self.num_timesteps
        self.batch.episodes[:] = 0
        rate = fly(self.policy(), self.batch, *self.cases).rate
        self.history.append((self.num_timesteps, self.seconds, rate.success))
        if rate.success >= self.goal and self.reached is None:
            self.reached = self.seconds
        torch.set_num_threads(self.torch_threads)  # evaluation sets one
        self.started = time.perf_counter()

    def _on_step(self) -> bool:
        return self.reached is None and self.seconds + time.perf_counter() - self.started < self.limit


def seconds_to_success(
    config: TrainConfig, settings: Sb3Settings, *, goal: float, limit: float, every: int
) -> tuple[float | None, list[tuple[int, float, float]]]:
    """Wall-clock of the learning, evaluation and compilation left out, to the first evaluation at the goal.

    Returns:
        Seconds, or None when the limit came first; and (steps, seconds, success) of each evaluation.
    """
    torch.set_num_threads(1 if settings.env == "batch" else 2)
    if settings.env == "batch":
        env: VecEnv = BatchVecEnv(config, settings.num_envs, config.seed)
    else:
        limit_steps = round(config.task.time_limit / 0.2)
        env = DummyVecEnv(
            [lambda k=k: gym.wrappers.TimeLimit(DockGym(config, 1000 * config.seed + k), limit_steps)  # type: ignore[misc]
             for k in range(settings.num_envs)]
        )  # fmt: skip
    env.reset()
    for _ in range(2):  # compile outside the clock
        env.step(np.zeros((settings.num_envs, 6), dtype=np.float32))
    net = {"pi": list(config.hidden), "vf": list(config.hidden)}
    model = PPO(
        "MlpPolicy", env, n_steps=settings.steps, batch_size=settings.batch_size, n_epochs=settings.epochs,
        learning_rate=settings.learning_rate, gamma=config.discount, gae_lambda=config.trace, ent_coef=0.0,
        target_kl=settings.target_kl, seed=config.seed, device="cpu", verbose=0,
        policy_kwargs={"net_arch": net, "activation_fn": torch.nn.ELU, "log_std_init": math.log(config.initial_std)},
    )  # fmt: skip
    judge = _Judge(config, goal=goal, limit=limit, every=every)
    model.learn(10**9, callback=judge)
    return judge.reached, judge.history
