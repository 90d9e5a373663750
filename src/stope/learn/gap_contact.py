# SPDX-License-Identifier: Apache-2.0
"""The gravity gap of a task with contact: taught in the soil of one gravity, tested in that of another.

The policies of these tasks imitate a tutor, who knows the task and not the gravity. What the matrix measures is what
imitation in worlds of one gravity is worth in those of another, not what reinforcement would find there by itself.

Budget, seeds, pairs, gaps and intervals are those of `stope.learn.gap`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stope.base.config import content_hash
from stope.base.errors import ConfigError
from stope.base.progress import Progress, silent
from stope.base.seeding import stream_key
from stope.base.workers import Unit, Workers
from stope.learn.gap import Found, kept_units, matrix
from stope.learn.pilots import GruPilot, NothingPilot, Pilot, fly_skill
from stope.learn.policies import GruPolicy
from stope.learn.skill_training import SkillConfig
from stope.learn.store import task_hash, trained_all
from stope.world.gravities import ALL, GRAVITIES

__all__ = ["RECIPES", "TESTED", "TRAINED", "skill_gap"]

TESTED = tuple(GRAVITIES)
TRAINED = (*TESTED, ALL)

RECIPES: dict[str, SkillConfig] = {
    "anchor": SkillConfig(task="anchor", num_worlds=128, num_imitation=28, imitation_updates=48, num_evaluation=32,
                          retold=1.0, shrink=1.0),
}  # fmt: skip
"""What one training of a matrix is: a quarter of the control steps of `stope train anchor`, so that it takes one or two
minutes of one core; chosen."""


def skill_gap(
    config: SkillConfig,
    root: Path,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    num: int = 32,
    num_threads: int = 1,
    progress: Progress = silent,
    workers: Workers | None = None,
) -> dict[str, Any]:
    """Matrix of success, and of the gap, of a task over gravities; what is found in `root` is not done again.

    Args:
        config: The training; its place and seed are set here.
        root: Folder of all runs.
        seeds: One training each, tested in worlds of its own, which all policies of the seed share.
        num: Episodes in each cell and seed.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of trainings, then of tests.
        workers: Who trains and tests: a training, and one policy at one gravity, are a unit of work each. This process
            if left out; results do not depend on it, but for `learning_s`, which is wall-clock.

    Returns:
        As `stope.learn.gap.flight_gap`.

    Raises:
        ConfigError: no seed, or fewer than one episode.
    """
    if not seeds or num < 1:
        raise ConfigError(f"gap: seeds {list(seeds)}, num = {num}: expected 1 or more of each.")
    pairs = [(seed, who) for seed in seeds for who in TRAINED]
    policies = dict(zip(pairs, trained_all([_at(config, who, seed) for seed, who in pairs], root,
                                           num_threads=num_threads, progress=progress, workers=workers),
                        strict=True))  # fmt: skip
    tests = [_Test(_at(config, there, seed), there, who, policies.get((seed, who)), num)
             for seed in seeds for there in TESTED for who in (*TRAINED, "nothing")]  # fmt: skip
    answers = kept_units(
        [Unit(_tested, (test, num_threads), f"{test.who} at {test.where}, seed {test.config.seed}", shows=True)
         for test in tests],
        [Path(root) / f"gap-{config.task}-{test.key}.json" for test in tests], progress=progress, workers=workers,
    )  # fmt: skip
    flown: dict[str, dict[str, list[Found]]] = {who: {there: [] for there in TESTED} for who in (*TRAINED, "nothing")}
    for test, found in zip(tests, answers, strict=True):
        flown[test.who][test.where].append(np.array(found["success"], dtype=np.bool_))
    cost = {who: [policies[seed, who].card["learning_s"] for seed in seeds] for who in TRAINED}
    digests = [policies[pair].digest for pair in pairs]
    words = {name: g.summary for name, g in GRAVITIES.items()} | {ALL: "every gravity, in turn from world to world"}
    return {
        "skill": config.task, "robot": config.make_task().robot, "seeds": list(seeds), "episodes": num,
        "trained": list(TRAINED), "tested": list(TESTED), "platforms": words, **matrix(flown, TRAINED, TESTED),
        "learning_s": cost, "policies": digests, "by": "imitation of the task's tutor",
    }  # fmt: skip


def _at(config: SkillConfig, place: str, seed: int) -> SkillConfig:
    """The same training at a gravity."""
    return replace(config, settings=(*config.settings, f"body={place}"), seed=seed)


@dataclass(frozen=True, slots=True)
class _Test:
    """One policy, or nobody, in the worlds of one gravity and seed."""

    config: SkillConfig
    where: str
    who: str
    policy: GruPolicy | None
    num: int

    @property
    def key(self) -> str:
        """Of what decides the answer."""
        return content_hash({"task": task_hash(self.config.make_task()), "seed": self.config.seed, "num": self.num,
                             "policy": "nothing" if self.policy is None else self.policy.digest})  # fmt: skip


def _tested(test: _Test, num_threads: int, *, show: Callable[[float], None] | None = None) -> dict[str, list[bool]]:
    """Success in each world."""
    task, config = test.config.make_task(), test.config
    pilot: Pilot = NothingPilot(len(task.action_names)) if test.policy is None else GruPilot(test.policy)
    batch = task.batch(num_worlds=test.num, seed=stream_key(config.seed, "gap", config.task), num_threads=num_threads)
    return {"success": fly_skill(pilot, batch, show=show).is_success.tolist()}
