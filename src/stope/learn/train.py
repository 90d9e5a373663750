# SPDX-License-Identifier: Apache-2.0
"""Training: PPO of rsl-rl on a batch of worlds; resumable to the bit, best weights kept by success.

The learner is rsl-rl's PPO; the loop around it is ours because a run must survive a kill: each checkpoint holds
weights, optimiser, random streams and every world, in a safetensors file that is written aside and renamed.

With several ranks each steps its share of the worlds and rsl-rl averages gradients and divergence over them, so that
all have the same weights after every update. The first rank evaluates and writes. Bits are the same for a given number
of ranks; another number is another training, because each rank draws its own noise and scales its own advantages.
"""

from __future__ import annotations

import contextlib
import copy
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from stope.base.config import as_dict, check_fraction, check_not_negative, check_positive, content_hash
from stope.base.device import HOST, set_learner_threads
from stope.base.errors import ConfigError
from stope.base.ranks import Group
from stope.base.seeding import generator, stream_key
from stope.learn.checkpoint import (
    learner_state,
    part_of,
    read_checkpoint,
    restore_learner,
    world_state,
    write_checkpoint,
)
from stope.learn.evaluate import conditions, fly
from stope.learn.policies import MlpPolicy
from stope.world.body import load_body
from stope.world.env import DockBatch, Pool
from stope.world.platforms import platform
from stope.world.robots import Robot, load_robot
from stope.world.site import Site, make_site
from stope.world.tasks import DockConfig
from stope.world.told import KINDS, Told, flight_summaries

__all__ = ["SiteConfig", "TrainConfig", "Training", "rank_seed", "share_of", "train"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteConfig:
    """Where: a body, a direction from its centre, and a height above its surface."""

    body: str
    """A name listed by `stope world bodies`, or a file."""
    latitude_deg: float = 0.0
    """Planetocentric latitude [deg]."""
    longitude_deg: float = 0.0
    """East longitude [deg]."""
    height: float = 6.0
    """Of the local frame's origin above the surface [m]."""

    def site(self) -> Site:
        """Make the site."""
        body = load_body(self.body)
        return make_site(body, latitude_deg=self.latitude_deg, longitude_deg=self.longitude_deg, height=self.height)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """One training of a task of one rigid body: `dock`, or `haul`, which is the same flight with a load."""

    skill: Literal["dock", "haul"] = "dock"
    """What it is called."""
    site: SiteConfig = field(default_factory=lambda: SiteConfig(body="ryugu", latitude_deg=30.0))
    robot: str = "bee-gas"
    """A name listed by `stope world robots`, or a file."""
    task: DockConfig = field(default_factory=DockConfig)
    platform: str = "orbit"
    """Where it practises, one of `stope.world.platforms`; what it offers goes before what the task says."""
    told: Told = "drawn"
    """What the policy is told in training: beliefs of random sharpness, "prior" for uniform randomisation, "truth" for
    an oracle."""
    breadth: float = 1.0
    """Factor on the whitened parameters of the training's worlds: 1 is the prior, 0 default physics alone [1]."""
    seed: int = 1
    """Root seed of worlds, noise and weights."""
    num_worlds: int = 256
    """Worlds that step together."""
    steps_per_iteration: int = 32
    """Control steps of each world between two updates."""
    num_iterations: int = 600
    """Upper bound; training ends earlier when `goal` is met."""
    goal: float = 0.995
    """Success over the prior on the fixed evaluation worlds that ends training, twice in a row [1]."""
    evaluate_every: int = 25
    """Iterations between evaluations."""
    num_evaluation: int = 512
    """Episodes of the fixed evaluation set."""
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
    """Kullback-Leibler divergence of an update [nat]."""
    initial_std: float = 1.0
    """Of each action at the start [1]."""

    def __post_init__(self) -> None:
        """Check counts and shares, and that there is something to learn from."""
        check_positive(self, "num_worlds", "steps_per_iteration", "num_iterations", "evaluate_every", "num_evaluation",
                       "num_epochs", "num_minibatches", "learning_rate", "desired_kl", "initial_std",
                       "goal")  # fmt: skip
        check_not_negative(self, "seed")
        if self.seed >= 2**63:
            raise ConfigError(f"TrainConfig.seed = {self.seed}: expected less than 2^63.")
        check_fraction(self, "discount", "trace", "breadth")
        if self.told not in KINDS:
            raise ConfigError(f"TrainConfig.told = {self.told!r}: expected one of {', '.join(KINDS)}.")
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigError(f"TrainConfig.hidden = {list(self.hidden)}: expected layers of 1 or more units.")
        if self.num_worlds * self.steps_per_iteration < self.num_minibatches:
            raise ConfigError(
                f"TrainConfig.num_minibatches = {self.num_minibatches}: expected at most num_worlds x "
                f"steps_per_iteration = {self.num_worlds * self.steps_per_iteration}."
            )
        if self.task.time_limit < 5.0:
            raise ConfigError(
                f"task.time_limit = {self.task.time_limit} s: expected 5 s or more, the hold of a success."
            )
        platform(self.platform)

    def make_robot(self) -> Robot:
        """The robot on its platform.

        Raises:
            ConfigError: one that cannot push or turn about every axis.
        """
        robot = load_robot(self.robot)
        if not (robot.limit_b > 0.0).all():
            raise ConfigError(
                f"robot {robot.name}: force and torque limits {robot.limit_b.tolist()} N, N m: expected all above 0: "
                f"{self.skill} is flown by thrusters alone."
            )
        return platform(self.platform).robot(robot)

    def make_task(self) -> DockConfig:
        """The task on its platform."""
        return platform(self.platform).task(self.task)


@dataclass
class Training:
    """A training that can be stopped anywhere and taken up again."""

    config: TrainConfig
    num_threads: int = 1
    checkpoint: Path | None = None
    group: Group = field(default_factory=Group)
    """Which of the ranks this is; the process has joined it."""
    history: list[dict[str, float]] = field(default_factory=list)
    iteration: int = 0
    seconds: float = 0.0
    """Wall-clock of the learning itself, without compilation and evaluation."""
    streak: int = 0

    def __post_init__(self) -> None:
        """Build worlds, networks and optimiser."""
        from rsl_rl.algorithms import PPO  # noqa: PLC0415 -- two seconds of import, only when training

        from stope.learn.rsl import CentredModel, RslEnv  # noqa: PLC0415 -- as above

        c = self.config
        set_learner_threads()
        torch.manual_seed(c.seed)
        self.device = HOST
        own_seed, own_worlds = rank_seed(c.seed, self.group), share_of(c, self.group.size)
        self.batch = DockBatch(c.make_robot(), c.site.site(), num_worlds=own_worlds, seed=own_seed,
                               task=c.make_task(), num_threads=self.num_threads)  # fmt: skip
        self.batch.pool = self._retold(self.batch.pool)
        self.env = RslEnv(self.batch, self.device)
        rng = np.random.default_rng(own_seed)
        self.batch.record[:, 0] = rng.integers(0, self.batch.max_episode_steps, own_worlds)
        network = {"class_name": "MLPModel", "hidden_dims": list(c.hidden), "activation": "elu"}
        settings = {
            "num_steps_per_env": c.steps_per_iteration,
            "multi_gpu": None if self.group.size == 1 else
            {"global_rank": self.group.rank, "local_rank": self.group.rank, "world_size": self.group.size},
            "obs_groups": {"actor": ["policy"], "critic": ["policy", "privileged"]},
            "algorithm": {"class_name": "PPO", "num_learning_epochs": c.num_epochs,
                          "num_mini_batches": c.num_minibatches, "gamma": c.discount, "lam": c.trace,
                          "entropy_coef": 0.0, "learning_rate": c.learning_rate, "desired_kl": c.desired_kl},
            "actor": {**network, "class_name": CentredModel,
                      "distribution_cfg": {"class_name": "GaussianDistribution", "init_std": c.initial_std}},
            "critic": network,
        }  # fmt: skip
        # construct_algorithm pops keys from what it is given, and prints its networks.
        with contextlib.redirect_stdout(io.StringIO()):
            self.ppo = PPO.construct_algorithm(
                self.env.get_observations(), self.env, copy.deepcopy(settings), self.device
            )
        self.ppo.train_mode()
        if not self.group.is_first:
            torch.manual_seed(own_seed)  # the same weights, and noise of its own
        self.judge = DockBatch(self.batch.robot, self.batch.site, num_worlds=c.num_evaluation, seed=c.seed + 7919,
                               task=c.make_task(), num_threads=self.num_threads)  # fmt: skip
        z, told = conditions(c.num_evaluation, c.seed + 7919)["prior"]
        known = self._retold(self.judge.pool_of(z, told))
        self.judge_set = known.z, known.belief
        self.best: MlpPolicy | None = None
        self.best_score = (-1.0, 0.0)
        if self.checkpoint is not None and self.group.agreed(self.checkpoint.exists()):
            self._restore(self.checkpoint)

    def _retold(self, pool: Pool) -> Pool:
        """The pool as the configuration wants its worlds and what is told of them."""
        c = self.config
        if c.told == "drawn" and c.breadth == 1.0:
            return pool
        z = c.breadth * pool.z
        # Beliefs of the pool are about its own z.
        told = flight_summaries(c.told, z, generator(c.seed, "told"))
        return self.batch.pool_of(z, told)

    @property
    def num_steps(self) -> int:
        """Control steps taken so far, over all worlds."""
        return self.iteration * self.config.num_worlds * self.config.steps_per_iteration

    @property
    def is_done(self) -> bool:
        """Whether the goal was met twice in a row or the iterations are spent."""
        return self.streak >= 2 or self.iteration >= self.config.num_iterations

    def actor(self) -> MlpPolicy:
        """The actor as it is now, as a policy."""
        state = {k: v for k, v in self.ppo.actor.state_dict().items() if k.startswith("mlp.")}
        names = sorted({int(k.split(".")[1]) for k in state})
        weights = {f"{i}.{part}": state[f"mlp.{n}.{part}"] for i, n in enumerate(names) for part in ("weight", "bias")}
        # CentredModel's answer to nothing is a constant, so that it goes into the last bias.
        at_rest = torch.zeros((1, self.ppo.actor.obs_dim))
        with torch.inference_mode():
            last = f"{len(names) - 1}.bias"
            weights[last] = weights[last] - self.ppo.actor.mlp(at_rest)[0]
        return MlpPolicy(weights, self.env.allocation, {})

    def advance(self) -> None:
        """One iteration: a rollout, an update, and an evaluation when it is due."""
        start = time.perf_counter()
        self.roll_out()
        self.ppo.update()
        self.iteration += 1
        self.seconds += time.perf_counter() - start
        if self.iteration % self.config.evaluate_every == 0 or self.iteration == self.config.num_iterations:
            if self.group.is_first:
                self._evaluate()
            self.streak = self.group.agreed(self.streak)
            if self.checkpoint is not None and not self.is_done:
                self._save(self.checkpoint)

    def roll_out(self) -> None:
        """The worlds' part of an iteration: steps into the learner's storage, and their returns."""
        observations = self.env.get_observations()
        with torch.inference_mode():
            for _ in range(self.config.steps_per_iteration):
                actions = self.ppo.act(observations)
                observations, rewards, dones, extras = self.env.step(actions)
                self.ppo.process_env_step(observations, rewards, dones, extras)
            self.ppo.compute_returns(observations)

    def _evaluate(self) -> None:
        policy = self.actor()
        self.judge.episodes[:] = 0
        flown = fly(policy, self.judge, *self.judge_set)
        score = (flown.rate.success, -float(flown.tail_error.mean()))
        self.streak = self.streak + 1 if score[0] >= self.config.goal else 0
        if score > self.best_score:
            self.best, self.best_score = policy, score
        self.history.append({"iteration": self.iteration, "steps": self.num_steps, "success": flown.rate.success,
                             "low": flown.rate.low, "high": flown.rate.high, "final_error_m": -score[1],
                             "seconds": self.seconds})  # fmt: skip

    def _save(self, path: Path) -> None:
        own = world_state(self.batch.snapshot()) | {"torch_rng": torch.get_rng_state()}
        others = self.group.gathered(own)[1:]
        if not self.group.is_first:
            return
        arrays = {**own, **learner_state(self.ppo)}
        for rank, part in enumerate(others, start=1):
            arrays |= {f"rank{rank}.{k}": v for k, v in part.items()}
        if self.best is not None:
            arrays |= {f"best.{k}": v for k, v in self.best.weights.items()}
        header = {"config": self._identity(), "history": self.history, "iteration": self.iteration,
                  "seconds": self.seconds, "streak": self.streak, "best_score": self.best_score,
                  "learning_rate": self.ppo.learning_rate}  # fmt: skip
        write_checkpoint(path, arrays, header)

    def _identity(self) -> str:
        """Hash of what decides the bits."""
        alone = content_hash(self.config)
        return alone if self.group.size == 1 else content_hash([alone, self.group.size])

    def _restore(self, path: Path) -> None:
        """Go on from a checkpoint that the first rank can read."""
        found = read_checkpoint(path, self._identity()) if self.group.is_first else None
        arrays, header = self.group.agreed(found)
        if not self.group.is_first:
            own = part_of(arrays, f"rank{self.group.rank}")
            torch.set_rng_state(own.pop("torch_rng"))
            arrays |= own
        restore_learner(self.ppo, arrays, learning_rate=header["learning_rate"])
        self.batch.restore({k: v.numpy() for k, v in part_of(arrays, "env").items()})
        self.history, self.iteration, self.seconds = header["history"], header["iteration"], header["seconds"]
        self.streak, self.best_score = header["streak"], tuple(header["best_score"])
        best = part_of(arrays, "best")
        self.best = MlpPolicy(best, self.env.allocation, {}) if best else None

    def card(self) -> dict[str, Any]:
        """What the policy file says of itself; success is on the evaluation set that chose the weights."""
        at_best = max(self.history, key=lambda h: (h["success"], -h["final_error_m"]))
        return {
            "task": self.config.skill, "config": as_dict(self.config), "config_hash": content_hash(self.config),
            "steps": self.num_steps, "selection": {k: v for k, v in at_best.items() if k != "seconds"},
            "num_evaluation": self.config.num_evaluation,
        } | ({} if self.group.size == 1 else {"ranks": self.group.size})  # fmt: skip


def share_of(config: TrainConfig, ranks: int) -> int:
    """Worlds of each of several ranks.

    Raises:
        ConfigError: worlds or mini-batches that they cannot share.
    """
    num = Group(0, ranks).share(config.num_worlds, what="num_worlds")
    if num * config.steps_per_iteration < config.num_minibatches:
        raise ConfigError(f"num_minibatches = {config.num_minibatches}: expected at most the "
                          f"{num * config.steps_per_iteration} steps of a rank.")  # fmt: skip
    return num


def rank_seed(seed: int, group: Group) -> int:
    """Root seed of a rank's own worlds and noise; the first one's is the configuration's."""
    return seed if group.is_first else stream_key(seed, "rank", group.rank) >> 1  # torch takes 63 bits


def train(
    config: TrainConfig,
    *,
    num_threads: int = 1,
    checkpoint: Path | None = None,
    on_iteration: Callable[[Training], None] | None = None,
    group: Group | None = None,
) -> tuple[MlpPolicy, Training]:
    """Train a policy, taking up `checkpoint` where it stands.

    Args:
        config: What and how.
        num_threads: Threads for the physics; the learner has one, so that bits do not depend on the machine.
        checkpoint: File to keep the run in; None keeps nothing.
        on_iteration: Called after each iteration.
        group: The ranks that train together; the process has joined it. This one alone if left out.

    Returns:
        The best policy by success on the fixed evaluation set, and the finished training.

    Raises:
        ConfigError: worlds or mini-batches that the ranks cannot share.
    """
    run = Training(config, num_threads=num_threads, checkpoint=checkpoint, group=group or Group())
    while not run.is_done:
        run.advance()
        if on_iteration is not None:
            on_iteration(run)
    if run.best is not None:  # only the first rank has evaluated
        run.best.card = run.card()
    run.best = run.group.agreed(run.best)
    assert run.best is not None
    return run.best, run
