# SPDX-License-Identifier: Apache-2.0
"""Training of a task with contact: imitate its script, then improve on it by PPO; resumable to the bit.

Imitation hands the network what the script can do at once (the network flies, with a growing share, and is corrected by
what the script would have done: DAgger). Reinforcement can go on from there with what the script has not, the belief
and the memory; from nothing it would take hours on a laptop.

Sources: DAgger, Ross, Gordon and Bagnell 2011 (AISTATS, arXiv 1011.0686); PPO is rsl-rl's.
"""

from __future__ import annotations

import contextlib
import copy
import io
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stope.base.config import as_dict, check_fraction, check_not_negative, check_positive, content_hash, override
from stope.base.device import HOST, set_learner_threads
from stope.base.errors import ConfigError
from stope.base.seeding import generator
from stope.learn.checkpoint import (
    actor_weights,
    learner_state,
    optimiser_state,
    part_of,
    read_checkpoint,
    restore_learner,
    restore_optimiser,
    world_state,
    write_checkpoint,
)
from stope.learn.imitation import Chunk, Replay, imitate, imitation_rate, retold
from stope.learn.pilots import GruPilot, fly_skill
from stope.learn.policies import GruPolicy
from stope.world.tasks import CONTACT_TASKS, ContactTask
from stope.world.told import KINDS, NUM_JOINT, Told, summaries

__all__ = ["SkillConfig", "SkillTraining"]

EDGES = 0.15
"""Share of what is retold that is told the bare prior, and share of the rest that is told the truth [1]; chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SkillConfig:
    """One training of a task with contact."""

    task: str
    """A task with contact."""
    settings: tuple[str, ...] = ()
    """Changed numbers of the task, such as "time_limit=60"."""
    told: Told = "drawn"
    """What the policy is told in training: beliefs of random sharpness, "prior" for uniform randomisation, "truth" for
    an oracle."""
    breadth: float = 1.0
    """Factor on the whitened parameters of the training's worlds: 1 is the prior, 0 default physics alone [1]."""
    seed: int = 1
    """Root seed of worlds, noise and weights."""
    num_worlds: int = 256
    """Worlds that step together."""
    steps_per_iteration: int = 50
    """Control steps of each world between two updates."""
    num_imitation: int = 30
    """Iterations that imitate the script."""
    num_reinforcement: int = 0
    """Iterations of PPO after them."""
    num_warm_up: int = 3
    """Of those, iterations at first in which only the critic learns."""
    evaluate_every: int = 10
    """Iterations of PPO between evaluations; one more comes after the imitation."""
    num_evaluation: int = 256
    """Episodes of the fixed evaluation set that chooses the weights."""
    memory: int = 64
    """Units of the GRU."""
    hidden: tuple[int, ...] = (64, 64)
    """Units of each layer of the head, and of the critic."""
    imitation_rate: float = 2e-3
    """Learning rate of the imitation at its start; it falls to a twentieth [1]."""
    imitation_updates: int = 24
    """Steps of the optimiser in an iteration of imitation, each on a quarter of the worlds of one rollout."""
    retold: float = 0.5
    """Share of the worlds that are told another belief when they are learned from again [1]."""
    shrink: float = 0.0
    """How far each step of the imitation shrinks the weights of what is told, in units of the learning rate [1]."""
    replay: int = 30
    """Rollouts that the imitation learns from: the last so many."""
    num_epochs: int = 3
    """Passes of PPO."""
    num_minibatches: int = 4
    """Parts of the worlds, each with an update of its own."""
    discount: float = 0.99
    """Of the reward, per step [1]."""
    trace: float = 0.95
    """Lambda of generalised advantage estimation [1]."""
    learning_rate: float = 3e-4
    """Of PPO at the start; then adapted so that updates keep to `desired_kl` [1]."""
    desired_kl: float = 0.008
    """Kullback-Leibler divergence of an update [nat]."""
    action_std: float = 0.1
    """Of each action when reinforcement starts [1]."""
    bonus: float = 20.0
    """Reward for reaching a success [1]."""

    def __post_init__(self) -> None:
        """Check counts and shares, and that the task is there and takes its settings."""
        check_positive(self, "num_worlds", "steps_per_iteration", "num_imitation", "evaluate_every", "num_evaluation",
                       "memory", "imitation_rate", "imitation_updates", "replay", "num_epochs", "num_minibatches",
                       "learning_rate", "desired_kl", "action_std")  # fmt: skip
        check_not_negative(self, "seed", "num_reinforcement", "num_warm_up", "bonus", "shrink")
        check_fraction(self, "discount", "trace", "breadth", "retold")
        if self.seed >= 2**63:
            raise ConfigError(f"SkillConfig.seed = {self.seed}: expected less than 2^63.")
        if self.told not in KINDS:
            raise ConfigError(f"SkillConfig.told = {self.told!r}: expected one of {', '.join(KINDS)}.")
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigError(f"SkillConfig.hidden = {list(self.hidden)}: expected layers of 1 or more units.")
        if self.num_worlds % self.num_minibatches:
            raise ConfigError(
                f"SkillConfig.num_minibatches = {self.num_minibatches}: expected a divisor of num_worlds = "
                f"{self.num_worlds}."
            )
        self.make_task()

    def make_task(self) -> ContactTask:
        """The task with its settings."""
        return override(CONTACT_TASKS.get(self.task)(), list(self.settings))

    @property
    def num_iterations(self) -> int:
        """Iterations of both kinds."""
        return self.num_imitation + self.num_reinforcement


@dataclass
class SkillTraining:
    """A training that can be stopped anywhere and taken up again."""

    config: SkillConfig
    num_threads: int = 1
    checkpoint: Path | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    """Of the imitation, one an iteration."""
    iteration: int = 0
    seconds: float = 0.0
    """Wall-clock of the learning itself, without compilation and evaluation."""

    def __post_init__(self) -> None:
        """Build worlds, networks and optimisers."""
        from rsl_rl.algorithms import PPO  # noqa: PLC0415 -- two seconds of import, only when training

        from stope.learn.skill_networks import MemoryActor, ScaledCritic, SkillEnv  # noqa: PLC0415 -- as above

        c = self.config
        set_learner_threads()
        torch.manual_seed(c.seed)
        self.task = c.make_task()
        self.batch = self.task.batch(num_worlds=c.num_worlds, seed=c.seed, num_threads=self.num_threads, told=c.told,
                                     breadth=c.breadth)  # fmt: skip
        self.env = SkillEnv(self.batch, HOST, reward_scale=1.0 - c.discount, bonus=c.bonus)
        # Worlds start at random times within the episode, so that an update sees all of it and resets do not bunch.
        rng = generator(c.seed, "stagger")
        self.batch.steps[:] = rng.integers(0, self.batch.max_episode_steps, c.num_worlds)
        settings = {
            "num_steps_per_env": c.steps_per_iteration,
            "multi_gpu": None,
            "obs_groups": {"actor": ["policy"], "critic": ["policy", "privileged"]},
            "algorithm": {"class_name": "PPO", "num_learning_epochs": c.num_epochs,
                          "num_mini_batches": c.num_minibatches, "gamma": c.discount, "lam": c.trace,
                          "entropy_coef": 0.0, "learning_rate": c.learning_rate, "desired_kl": c.desired_kl},
            "actor": {"class_name": MemoryActor, "hidden_dims": list(c.hidden), "activation": "elu",
                      "rnn_type": "gru", "rnn_hidden_dim": c.memory,
                      "distribution_cfg": {"class_name": "GaussianDistribution", "init_std": c.action_std}},
            "critic": {"class_name": ScaledCritic, "hidden_dims": list(c.hidden), "activation": "elu"},
        }  # fmt: skip
        # construct_algorithm pops keys from what it is given, and prints its networks.
        with contextlib.redirect_stdout(io.StringIO()):
            self.ppo = PPO.construct_algorithm(self.env.get_observations(), self.env, copy.deepcopy(settings), HOST)
        self.ppo.train_mode()
        self.tutor = torch.optim.Adam(self.ppo.actor.parameters(), lr=c.imitation_rate)
        self.replay = Replay(c.replay, self.checkpoint)
        self.best: GruPolicy | None = None
        self.best_score = (-1.0, 0.0)
        self.chosen: dict[str, float] = {}
        if self.checkpoint is not None and self.checkpoint.exists():
            self._restore(self.checkpoint)

    @property
    def num_steps(self) -> int:
        """Control steps taken so far, over all worlds."""
        return self.iteration * self.config.num_worlds * self.config.steps_per_iteration

    @property
    def is_done(self) -> bool:
        """Whether the iterations are spent."""
        return self.iteration >= self.config.num_iterations

    def policy(self) -> GruPolicy:
        """The actor as it is now."""
        return GruPolicy(actor_weights(self.ppo.actor.state_dict()), {})

    def advance(self) -> None:
        """One iteration: a rollout, an update, and an evaluation and a checkpoint when they are due."""
        c, start = self.config, time.perf_counter()
        if self.iteration < c.num_imitation:
            self._imitate()
        else:
            self._reinforce()
        self.iteration += 1
        self.seconds += time.perf_counter() - start
        done = self.iteration - c.num_imitation
        if done == 0 or self.is_done or (done > 0 and done % c.evaluate_every == 0):
            self._evaluate()
        if self.checkpoint is not None and not self.is_done:
            self._save(self.checkpoint)
            self.replay.trim()
            if self.iteration == c.num_imitation:  # not before the checkpoint that does without them
                self.replay.clear()

    def _imitate(self) -> None:
        """Fly a chunk, the script in a shrinking share of the worlds, then learn what it would have done in all."""
        c, env = self.config, self.env
        actor: Any = self.ppo.actor
        rng = generator(c.seed, "imitate", self.iteration)
        share = max(0.0, 1.0 - self.iteration / (0.5 * c.num_imitation))
        scripted = rng.random(c.num_worlds) < share
        memory = actor.get_hidden_state()
        memory = torch.zeros((1, c.num_worlds, c.memory)) if memory is None else memory.clone()
        inputs, wanted, dones = [], [], []
        with torch.inference_mode():
            for _ in range(c.steps_per_iteration):
                seen = env.observation.astype(np.float64)
                script = np.asarray(self.task.tutor(seen, self.batch.belief), dtype=np.float32)
                observations = env.get_observations()
                own = actor(observations)
                noise = c.action_std * rng.standard_normal(script.shape).astype(np.float32)
                action = np.where(scripted[:, None], script, own.numpy()) + noise
                inputs.append(observations["policy"])
                _, _, done, _ = env.step(torch.from_numpy(action))
                actor.reset(done)
                wanted.append(torch.from_numpy(script))
                dones.append(done.float())
        given, right, ended = (torch.stack(x).clone() for x in (inputs, wanted, dones))
        if self.iteration == 0:
            self._fit_scaling(given)
        self.replay.add(Chunk(given, right, ended, memory.clone()))
        for group in self.tutor.param_groups:
            group["lr"] = imitation_rate(c.imitation_rate, self.iteration / c.num_imitation)
        losses = []
        for _ in range(c.imitation_updates):
            part = self.replay.draw(rng, c.num_minibatches)
            part = retold(part, self._beliefs(part[0].shape[1], rng), self.task.tutor, rng, self.task.imagined,
                          share=c.retold)  # fmt: skip
            losses.append(imitate(actor, self.tutor, part, shrink=c.shrink))
        self.losses.append(float(np.mean(losses)))

    def _beliefs(self, num: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Beliefs of worlds that might be, (num, summary); of drawn ones, some know all, some nothing."""
        z = self.config.breadth * rng.standard_normal((num, NUM_JOINT))
        out = summaries(self.config.told, z, rng)
        if self.config.told == "drawn":
            for kind in ("truth", "prior"):
                those = rng.random(num) < EDGES
                out[those] = summaries(kind, z[those], rng)
        return out

    def _fit_scaling(self, inputs: torch.Tensor) -> None:
        """Fix the scale of the inputs; the critic's last ones are z, which is scaled by construction."""
        flat = inputs.flatten(0, 1)
        actor, critic = self.ppo.actor.obs_normalizer, self.ppo.critic.obs_normalizer
        actor.fit(flat)  # type: ignore[operator]
        n = flat.shape[1]
        critic.mean[:n], critic.std[:n] = actor.mean, actor.std  # type: ignore[index]

    def _reinforce(self) -> None:
        """One iteration of PPO; at first only the critic learns."""
        c = self.config
        is_free = self.iteration >= c.num_imitation + c.num_warm_up
        for weights in self.ppo.actor.parameters():
            weights.requires_grad_(is_free)
        observations = self.env.get_observations()
        with torch.inference_mode():
            for _ in range(c.steps_per_iteration):
                actions = self.ppo.act(observations)
                observations, rewards, dones, extras = self.env.step(actions)
                self.ppo.process_env_step(observations, rewards, dones, extras)
            self.ppo.compute_returns(observations)
        self.ppo.update()

    def _evaluate(self) -> None:
        c, policy = self.config, self.policy()
        judge = self.task.batch(num_worlds=c.num_evaluation, seed=c.seed + 7919, num_threads=self.num_threads,
                                told=c.told, breadth=c.breadth)  # fmt: skip
        flown = fly_skill(GruPilot(policy), judge)
        score = (flown.rate.success, -float(flown.duration.mean()))
        row = {"iteration": self.iteration, "steps": self.num_steps, "success": flown.rate.success,
               "low": flown.rate.low, "high": flown.rate.high, "seconds": self.seconds}  # fmt: skip
        self.history.append(row)
        if score > self.best_score:
            self.best, self.best_score, self.chosen = policy, score, row

    def _save(self, path: Path) -> None:
        arrays = {**world_state(self.batch.snapshot()), **learner_state(self.ppo),
                  **optimiser_state(self.tutor, "tutor")}  # fmt: skip
        memory: Any = self.ppo.actor.get_hidden_state()
        if memory is not None:
            arrays["memory"] = memory
        arrays["observation"] = torch.from_numpy(self.env.observation)
        if self.best is not None:
            arrays |= {f"best.{k}": v for k, v in self.best.weights.items()}
        header = {"config": content_hash(self.config), "history": self.history, "losses": self.losses,
                  "iteration": self.iteration, "seconds": self.seconds, "best_score": self.best_score,
                  "chosen": self.chosen,
                  "learning_rate": self.ppo.learning_rate}  # fmt: skip
        write_checkpoint(path, arrays, header)

    def _restore(self, path: Path) -> None:
        arrays, header = read_checkpoint(path, content_hash(self.config))
        restore_learner(self.ppo, arrays, learning_rate=header["learning_rate"])
        restore_optimiser(self.tutor, arrays, "tutor")
        self.batch.restore({k: v.numpy() for k, v in part_of(arrays, "env").items()})
        self.env.observation = arrays["observation"].numpy()
        if header["iteration"] < self.config.num_imitation:
            self.replay.restore(header["iteration"])
        else:
            self.replay.clear()  # a kill may have come between the last checkpoint of the imitation and this
        if "memory" in arrays:
            self.ppo.actor.reset(hidden_state=arrays["memory"])
        self.history, self.losses = header["history"], header["losses"]
        self.iteration, self.seconds = header["iteration"], header["seconds"]
        self.best_score, self.chosen = tuple(header["best_score"]), header["chosen"]
        best = part_of(arrays, "best")
        self.best = GruPolicy(best, {}) if best else None

    def card(self) -> dict[str, Any]:
        """What the policy file says of itself; success is on the evaluation set that chose the weights."""
        return {
            "task": self.config.task, "config": as_dict(self.config), "config_hash": content_hash(self.config),
            "robot": self.task.robot, "site": self.batch.site.name, "steps": self.num_steps,
            "observation_names": list(self.task.observation_names), "action_names": list(self.task.action_names),
            "selection": {k: v for k, v in self.chosen.items() if k != "seconds"}, "learning_s": self.seconds,
            "num_evaluation": self.config.num_evaluation,
        }  # fmt: skip
