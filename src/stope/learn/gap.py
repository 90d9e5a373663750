# SPDX-License-Identifier: Apache-2.0
"""The gravity gap of a free flight: trained where Earth allows, tested where it must work.

Every specialist has the same budget and seeds; within a seed every test has the same worlds, starts and noise. What
moves from one platform to another is the network; the description of the robot (its prior, its limits) is that of the
place of the test, as an engineer would have it there.

The gap of training at i and testing at j is (best - found) / (best - nothing), where `best` is the specialist of j and
`nothing` leaves the thrusters off; 0 is no gap, 1 is as bad as doing nothing. It is no number where best and nothing
are within `LEAST_SPAN`, and a platform whose own specialist stays under `FEASIBLE` is infeasible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.config import content_hash
from stope.base.errors import ConfigError
from stope.base.files import read_json, write_json
from stope.base.intervals import clopper_pearson
from stope.base.progress import Progress, silent
from stope.base.seeding import generator
from stope.base.workers import Here, Unit, Workers
from stope.learn.assess import fresh_seed
from stope.learn.baselines import ZeroPolicy
from stope.learn.evaluate import Policy, conditions, fly
from stope.learn.policies import MlpPolicy
from stope.learn.store import trained_all
from stope.learn.train import TrainConfig
from stope.world.allocation import Allocation
from stope.world.env import DockBatch
from stope.world.platforms import PLATFORMS

__all__ = ["FEASIBLE", "LEAST_SPAN", "TESTED", "TRAINED", "Found", "flight_gap", "gap", "kept_units", "matrix"]

FEASIBLE = 0.5
"""Success that a specialist must reach for its platform to be feasible [1]."""
LEAST_SPAN = 0.1
"""Least difference of success between the best and doing nothing for a gap to be a number [1]."""
TESTED = ("orbit", "gimbal", "table")
TRAINED = (*TESTED, "all")

Found = NDArray[np.bool_]


def flight_gap(
    config: TrainConfig,
    root: Path,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    num: int = 1000,
    num_threads: int = 1,
    progress: Progress = silent,
    workers: Workers | None = None,
) -> dict[str, Any]:
    """Matrix of success, and of the gap, of `dock` or `haul` over platforms; what is found in `root` is not done again.

    Args:
        config: The training; its platform and seed are set here.
        root: Folder of all runs.
        seeds: One training each, tested in worlds of its own, which all policies of the seed share.
        num: Episodes in each cell and seed.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of trainings, then of tests.
        workers: Who trains and tests: a training, and the tests of a seed at a place, are a unit of work each. This
            process if left out; results do not depend on it, but for `learning_s`, which is wall-clock.

    Returns:
        `{"skill", "trained", "tested", "cells": {trained: {tested: cell}}, "nothing", ...}`; rates are fractions. A
        rate's interval is over worlds, with all trainings in one pot; a gap's is from a bootstrap over trainings and
        worlds, and three trainings say little of the spread between them: `by_seed` has each.

    Raises:
        ConfigError: no seed, or fewer than one episode.
    """
    if not seeds or num < 1:
        raise ConfigError(f"gap: seeds {list(seeds)}, num = {num}: expected 1 or more of each.")
    pairs = [(seed, where) for seed in seeds for where in TRAINED]
    policies = dict(zip(pairs, trained_all([replace(config, platform=where, seed=seed) for seed, where in pairs], root,
                                           num_threads=num_threads, progress=progress, workers=workers),
                        strict=True))  # fmt: skip
    tests = [_Test(config, there, seed, {where: policies[seed, where] for where in TRAINED}, num)
             for seed in seeds for there in TESTED]  # fmt: skip
    answers = kept_units(
        [Unit(_tested, (test, num_threads), f"test at {test.where}, seed {test.seed}") for test in tests],
        [Path(root) / f"gap-{config.skill}-{test.key}.json" for test in tests], progress=progress, workers=workers,
    )  # fmt: skip
    flown: dict[str, dict[str, list[Found]]] = {w: {there: [] for there in TESTED} for w in (*TRAINED, "nothing")}
    for test, found in zip(tests, answers, strict=True):
        for who, values in found.items():
            flown[who][test.where].append(np.array(values, dtype=np.bool_))
    cost = {where: [policies[seed, where].card["learning_s"] for seed in seeds] for where in TRAINED}
    digests = [policies[pair].digest for pair in pairs]
    return {
        "skill": config.skill, "robot": config.robot, "seeds": list(seeds), "episodes": num, "trained": list(TRAINED),
        "tested": list(TESTED), "platforms": {name: PLATFORMS[name].summary for name in TRAINED},
        **matrix(flown, TRAINED, TESTED), "learning_s": cost, "policies": digests,
    }  # fmt: skip


def matrix(
    flown: Mapping[str, Mapping[str, Sequence[Found]]], rows: Sequence[str], tested: Sequence[str], *,
    best: str | None = None, under: str = "infeasible",
) -> dict[str, Any]:  # fmt: skip
    """Cells of success and gap.

    Args:
        flown: Success by who flew, "nothing" among them, and where, a row of worlds for each seed.
        rows: Who, but for "nothing".
        tested: Where.
        best: Whose success is the best of every place; None takes the row of the place's own name, its specialist.
        under: What a cell says whose best stays under `FEASIBLE`.

    Returns:
        `{"cells": {row: {place: cell}}, "nothing": {place: rate}}`.
    """
    nothing = flown["nothing"]
    cells = {who: {there: _cell(flown[who][there], flown[best or there][there], nothing[there], under)
                   for there in tested} for who in rows}  # fmt: skip
    return {"cells": cells, "nothing": {there: _rate(nothing[there]) for there in tested}}


@dataclass(frozen=True, slots=True)
class _Test:
    """All policies of a seed in the same worlds of one platform."""

    config: TrainConfig
    where: str
    seed: int
    policies: dict[str, MlpPolicy]
    num: int

    @property
    def key(self) -> str:
        """Of what decides the answer."""
        return content_hash({"config": replace(self.config, platform=self.where, seed=self.seed), "num": self.num,
                             "policies": {k: p.digest for k, p in self.policies.items()}})  # fmt: skip


def _tested(test: _Test, num_threads: int) -> dict[str, list[bool]]:
    """Success of every policy, and of doing nothing."""
    config, seed, num = test.config, test.seed, test.num
    there = replace(config, platform=test.where)
    robot = there.make_robot()
    batch = DockBatch(robot, config.site.site(), num_worlds=num, seed=fresh_seed(seed), task=there.make_task(),
                      pool_size=1, num_threads=num_threads)  # fmt: skip
    z, told = conditions(num, fresh_seed(seed))["prior"]
    flyers: dict[str, Policy] = {k: MlpPolicy(p.weights, Allocation.of(robot), {}) for k, p in test.policies.items()}
    flyers["nothing"] = ZeroPolicy()
    out: dict[str, list[bool]] = {}
    for name, flyer in flyers.items():
        batch.episodes[:] = 0
        out[name] = fly(flyer, batch, z, told).is_success.tolist()
    return out


def kept_units(
    units: Sequence[Unit], paths: Sequence[Path], *, progress: Progress = silent, workers: Workers | None = None
) -> list[dict[str, Any]]:
    """JSON objects of units: read where they are on disk, else made and written, each as soon as it is there."""
    missing = [k for k, path in enumerate(paths) if not path.exists()]
    (workers or Here()).do([units[k] for k in missing], progress=progress,
                           keep=lambda at, found: write_json(paths[missing[at]], found))  # fmt: skip
    return [read_json(path, what=unit.name) for path, unit in zip(paths, units, strict=True)]


def _rate(found: Sequence[Found]) -> dict[str, float]:
    rate = clopper_pearson(int(np.sum(found)), int(np.size(found)))
    return {"success": rate.success, "n": rate.n, "low": rate.low, "high": rate.high}


def _cell(found: Sequence[Found], best: Sequence[Found], nothing: Sequence[Found], under: str) -> dict[str, Any]:
    """Success of one policy at one place, and its gap to the best there."""
    cell: dict[str, Any] = {**_rate(found), "by_seed": [float(f.mean()) for f in found]}
    if np.mean(best) < FEASIBLE:
        return cell | {"gap": None, "why": under}
    if np.mean(best) - np.mean(nothing) < LEAST_SPAN:
        return cell | {"gap": None, "why": "nothing does as well"}
    return cell | {"gap": gap(found, best, nothing)}


def gap(
    found: Sequence[Found], best: Sequence[Found], nothing: Sequence[Found], *, draws: int = 2000
) -> dict[str, float]:
    """Gap with a 95 % interval: worlds and seeds are drawn again together, and the three stay paired.

    Args:
        found: Success of the policy under test, a row of worlds for each seed.
        best: The same of the specialist.
        nothing: The same of doing nothing.
        draws: Bootstrap draws.

    Returns:
        `value`, `low` and `high` [1].
    """
    rows = [np.asarray(x, dtype=np.float64) for x in (found, best, nothing)]
    rng = generator(0, "gap")

    def of(means: list[float]) -> float:
        span = means[1] - means[2]
        return (means[1] - means[0]) / span if span > 0 else float("nan")

    seeds, worlds = rows[0].shape
    drawn = []
    for _ in range(draws):
        ids = rng.integers(0, seeds, seeds)
        picks = rng.integers(0, worlds, (seeds, worlds))
        drawn.append(of([float(np.take_along_axis(x[ids], picks, axis=1).mean()) for x in rows]))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {"value": of([float(x.mean()) for x in rows]), "low": float(low), "high": float(high)}
