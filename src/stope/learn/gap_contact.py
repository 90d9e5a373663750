# SPDX-License-Identifier: Apache-2.0
"""The gravity gap of a task with contact: taught in the soil of one gravity, tested in that of another.

The policies of these tasks imitate a tutor, who knows the task and not the gravity. What the matrix measures is what
imitation in worlds of one gravity is worth in those of another, not what reinforcement would find there by itself.

Budget, seeds, pairs, gaps and intervals are those of `stope.learn.gap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stope.base.config import as_dict, content_hash
from stope.base.errors import ConfigError
from stope.base.files import read_json, write_json
from stope.base.progress import Progress, silent
from stope.base.seeding import stream_key
from stope.learn.gap import Found, matrix
from stope.learn.pilots import GruPilot, NothingPilot, Pilot, fly_skill
from stope.learn.skill_training import SkillConfig
from stope.learn.store import TUTORS, trained_skill
from stope.world.gravities import ALL, GRAVITIES

__all__ = ["RECIPES", "TESTED", "TRAINED", "skill_gap"]

TESTED = tuple(GRAVITIES)
TRAINED = (*TESTED, ALL)

RECIPES: dict[str, SkillConfig] = {
    "anchor": SkillConfig(task="anchor", num_worlds=64, num_imitation=14, imitation_updates=60, num_evaluation=32),
}
"""What one training of a matrix is: a twelfth of the control steps of `stope train anchor`, so that it takes about two
minutes of one core; chosen. Whether so short a training makes a feasible specialist was not measured."""


def skill_gap(
    config: SkillConfig,
    root: Path,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    num: int = 32,
    num_threads: int = 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Matrix of success, and of the gap, of a task over gravities; what is found in `root` is not done again.

    Args:
        config: The training; its place and seed are set here.
        root: Folder of all runs.
        seeds: One training each, tested in worlds of its own, which all policies of the seed share.
        num: Episodes in each cell and seed.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each training and of each test.

    Returns:
        As `stope.learn.gap.flight_gap`.

    Raises:
        ConfigError: no seed, or fewer than one episode.
    """
    if not seeds or num < 1:
        raise ConfigError(f"gap: seeds {list(seeds)}, num = {num}: expected 1 or more of each.")
    flown: dict[str, dict[str, list[Found]]] = {who: {there: [] for there in TESTED} for who in (*TRAINED, "nothing")}
    cost: dict[str, list[float]] = {who: [] for who in TRAINED}
    digests: list[str] = []
    for seed in seeds:
        pilots: dict[str, tuple[Pilot, str]] = {}
        for who in TRAINED:
            policy, _ = trained_skill(_at(config, who, seed), root, num_threads=num_threads, progress=progress)
            cost[who].append(policy.card["learning_s"])
            digests.append(policy.digest)
            pilots[who] = GruPilot(policy), policy.digest
        pilots["nothing"] = NothingPilot(len(config.make_task().action_names)), "nothing"
        for there in TESTED:
            for who, (pilot, digest) in pilots.items():
                found = _tested(_at(config, there, seed), pilot, digest, num=num, root=root, num_threads=num_threads,
                                progress=progress)  # fmt: skip
                flown[who][there].append(found)
    words = {name: g.summary for name, g in GRAVITIES.items()} | {ALL: "every gravity, in turn from world to world"}
    return {
        "skill": config.task, "robot": config.make_task().robot, "seeds": list(seeds), "episodes": num,
        "trained": list(TRAINED), "tested": list(TESTED), "platforms": words, **matrix(flown, TRAINED, TESTED),
        "learning_s": cost, "policies": digests, "by": "imitation of the task's tutor",
    }  # fmt: skip


def _at(config: SkillConfig, place: str, seed: int) -> SkillConfig:
    """The same training at a gravity."""
    return replace(config, settings=(*config.settings, f"body={place}"), seed=seed)


def _tested(
    config: SkillConfig, pilot: Pilot, digest: str, *, num: int, root: Path, num_threads: int, progress: Progress
) -> Found:
    """Success of one pilot in the worlds of one gravity and seed; kept on disk."""
    task = config.make_task()
    key = content_hash({"task": as_dict(task), "seed": config.seed, "num": num, "policy": digest, "tutors": TUTORS})
    kept = Path(root) / f"gap-{config.task}-{key}.json"
    if kept.exists():
        return np.array(read_json(kept, what="a cell of a gap")["success"], dtype=np.bool_)
    batch = task.batch(num_worlds=num, seed=stream_key(config.seed, "gap", config.task), num_threads=num_threads)
    found = fly_skill(pilot, batch, show=lambda share: progress(f"test {config.task}", share)).is_success
    write_json(kept, {"success": found.tolist()})
    return found
