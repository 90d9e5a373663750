# SPDX-License-Identifier: Apache-2.0
"""Who can do a task with contact: a policy, script, tutor, nobody, chance; and one episode of it in every world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stope.base.device import set_learner_threads
from stope.base.intervals import Rate, clopper_pearson
from stope.base.seeding import generator
from stope.learn.envelope import Envelope, Interventions
from stope.learn.policies import GruPolicy
from stope.world.contact_env import ContactBatch
from stope.world.tasks import ContactTask

__all__ = ["GruPilot", "NothingPilot", "Outcomes", "Pilot", "RandomPilot", "ScriptPilot", "TutorPilot", "fly_skill"]

Floats = NDArray[np.float64]


class Pilot(Protocol):
    """Who acts in a batch of worlds."""

    def begin(self, num_worlds: int) -> None:
        """Forget everything: new episodes in so many worlds."""
        ...

    def act(self, observation: NDArray[np.float32], belief: Floats) -> NDArray[Any]:
        """Actions in [-1, 1], (worlds, num_actions)."""
        ...


class GruPilot:
    """A policy with its memory."""

    def __init__(self, policy: GruPolicy) -> None:
        """Take the policy."""
        self.policy = policy

    def begin(self, num_worlds: int) -> None:
        """Start with an empty memory."""
        self.memory = self.policy.start(num_worlds)

    def act(self, observation: NDArray[np.float32], belief: Floats) -> NDArray[Any]:
        """The policy's mean actions."""
        action, self.memory = self.policy.act(observation, belief, self.memory)
        return action


class ScriptPilot:
    """The scripted baseline of a task."""

    def __init__(self, task: ContactTask) -> None:
        """Take the task."""
        self.task = task

    def begin(self, num_worlds: int) -> None:
        """Nothing to forget."""

    def act(self, observation: NDArray[np.float32], belief: Floats) -> NDArray[Any]:
        """What the script does; it is told nothing."""
        return self.task.script(observation.astype(np.float64))


class TutorPilot(ScriptPilot):
    """What taught the policy: a program that acts on what is seen and told, without a memory."""

    def act(self, observation: NDArray[np.float32], belief: Floats) -> NDArray[Any]:
        """What the tutor does."""
        return self.task.tutor(observation.astype(np.float64), belief)


class NothingPilot:
    """Zero in every action."""

    def __init__(self, num_actions: int) -> None:
        """Take how many actions there are."""
        self.num_actions = num_actions

    def begin(self, num_worlds: int) -> None:
        """Nothing to forget."""

    def act(self, observation: NDArray[np.float32], belief: Floats) -> NDArray[Any]:
        """Zeros."""
        return np.zeros((len(observation), self.num_actions))


class RandomPilot(NothingPilot):
    """Uniform actions."""

    def __init__(self, num_actions: int, seed: int) -> None:
        """Take how many actions there are, and a seed."""
        super().__init__(num_actions)
        self.rng = generator(seed, "random-pilot")

    def act(self, observation: NDArray[np.float32], belief: Floats) -> NDArray[Any]:
        """Anything."""
        return self.rng.uniform(-1.0, 1.0, (len(observation), self.num_actions))


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """One episode in each world; every array is (n,)."""

    is_success: NDArray[np.bool_]
    has_failed: NDArray[np.bool_]
    """Ended for good, such as gone or torn loose."""
    duration: Floats
    """To the first success, or the task's time limit when there was none [s]."""
    effort: Floats
    """Mean size of the actions until then [1]."""
    envelope: Interventions | None = None
    """What the safety envelope did until then; None without one."""

    @property
    def rate(self) -> Rate:
        """Success with its Clopper-Pearson 95 % interval."""
        return clopper_pearson(int(self.is_success.sum()), len(self.is_success))

    def summary(self) -> dict[str, Any]:
        """Figures for a table or JSON; every rate is a fraction from 0 to 1."""
        ok, rate = self.is_success, self.rate
        return {
            "success": rate.success, "n": rate.n, "low": rate.low, "high": rate.high,
            "failed": float(self.has_failed.mean()),
            "time_to_success_s": float(np.median(self.duration[ok])) if ok.any() else None,
            "effort": float(self.effort.mean()),
        } | ({} if self.envelope is None else {"envelope": self.envelope.summary()})  # fmt: skip


def fly_skill(
    pilot: Pilot,
    batch: ContactBatch,
    *,
    show: Callable[[float], None] | None = None,
    envelope: Envelope | None = None,
) -> Outcomes:
    """One episode in every world of a batch, from its next reset on.

    Args:
        pilot: Who acts.
        batch: The worlds; what they tell of themselves is theirs.
        show: Told of the share done.
        envelope: Stands between the pilot and the robots.
    """
    set_learner_threads()
    n = batch.num_worlds
    pilot.begin(n)
    if envelope is not None:
        envelope.begin(n)
    observation = batch.reset()
    success, failed, over = (np.zeros(n, dtype=np.bool_) for _ in range(3))
    duration, effort, steps = np.full(n, batch.task.time_limit), np.zeros(n), np.zeros(n)
    for step in range(batch.max_episode_steps):
        going = ~over & ~success
        shown = observation if envelope is None else envelope.watch(observation)
        action = np.asarray(pilot.act(shown, batch.belief), dtype=np.float64)
        if envelope is not None:
            action = envelope.check(action, going)
        effort += np.where(going, np.abs(np.clip(action, -1.0, 1.0)).mean(axis=1), 0.0)
        steps += going
        observation, _, terminated, truncated = batch.step(action, autoreset=False, going=going)
        # A success counts when it was reached before the episode ended for good.
        new = batch.last_success & ~over & ~success
        duration[new] = batch.time[new]
        success |= new
        failed |= terminated & ~batch.last_success & ~over
        over |= terminated | truncated
        done = bool((over | success).all())
        if show is not None:
            show(1.0 if done else (step + 1) / batch.max_episode_steps)
        if done:
            break
    kept = None if envelope is None else envelope.record()
    return Outcomes(success, failed, duration, effort / np.maximum(steps, 1.0), kept)
