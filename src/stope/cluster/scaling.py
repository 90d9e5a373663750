# SPDX-License-Identifier: Apache-2.0
"""Measured scaling: a real job at 1, 2, ... workers, what one worker says it would be, and a profile for the planner.

`evaluate` flies units of docking episodes in processes of their own; `train` trains docking with as many threads for
the worlds. What the cores themselves allow is measured beside it: the same arithmetic on one core and on all that are
asked for, which says how much slower a core is when its neighbours work. The forecast for w workers:

- evaluate: start + ceil(units / w) * (time of a unit) / c(w); start and unit from two lengths at one worker;
- train: (time of a rollout) / (w c(w)) + (time of an update); both timed at one worker.
"""

from __future__ import annotations

import math
import multiprocessing as mp
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from stope.base.errors import ConfigError
from stope.base.progress import Progress, silent
from stope.base.workers import Here, Processes, Unit, Workers
from stope.learn.assess import fly_conditions
from stope.learn.baselines import VelocityPd
from stope.learn.evaluate import conditions
from stope.learn.noise_scale import noise_scale
from stope.learn.skills import flight_config
from stope.learn.train import Training

__all__ = ["JOBS", "core_share", "scale"]

JOBS = ("evaluate", "train")
SPINS = 5_000_000
"""Turns of the loop that measures cores [1]; chosen, about a fifth of a second."""
EPISODES = 768
"""Docking episodes of a unit of `evaluate`."""
UNITS = 24
"""Units of `evaluate`."""
ITERATIONS = 3
"""Iterations of `train` in one measurement."""


def _spin(num: int) -> float:
    """Seconds of a loop of arithmetic."""
    start, x = time.perf_counter(), 0.5
    for _ in range(num):
        x = 3.9 * x * (1.0 - x)
    return time.perf_counter() - start


def core_share(count: int, *, repeats: int = 3) -> float:
    """Speed of a core while `count` work, over its speed alone [1]."""
    if count == 1:
        return 1.0
    with mp.get_context("spawn").Pool(count) as pool:
        pool.map(_spin, [1] * count, chunksize=1)
        alone = np.median([pool.map(_spin, [SPINS], chunksize=1)[0] for _ in range(repeats)])
        all_of = np.median([max(pool.map(_spin, [SPINS] * count, chunksize=1)) for _ in range(repeats)])
    return float(min(1.0, alone / all_of))


def fly_unit(seed: int) -> float:
    """One unit of `evaluate`: the share of `EPISODES` dockings that succeed."""
    config = flight_config("dock")
    robot = config.make_robot()
    flown = fly_conditions({"pd": partial(VelocityPd, robot=robot, uses_belief=False)},
                           {"prior": conditions(EPISODES, seed)["ignorant"]}, robot, config.site.site(),
                           task=config.make_task(), seed=seed)["prior"]["pd"]  # fmt: skip
    return flown.rate.success


def _evaluate_seconds(workers: Workers, num: int) -> float:
    start = time.perf_counter()
    workers.do([Unit(fly_unit, (k,), f"unit {k}") for k in range(num)])
    return time.perf_counter() - start


def _train_seconds(count: int) -> tuple[float, float]:
    """Median seconds of a rollout and of an update, with `count` threads for the worlds."""
    run = Training(flight_config("dock"), num_threads=count)
    run.roll_out()
    run.ppo.update()
    rows: list[tuple[float, float]] = []
    for _ in range(ITERATIONS):
        start = time.perf_counter()
        run.roll_out()
        middle = time.perf_counter()
        run.ppo.update()
        rows.append((middle - start, time.perf_counter() - middle))
    rollout, update = np.median(np.array(rows), axis=0)
    return float(rollout), float(update)


def scale(
    job: str, counts: Sequence[int], *, repeats: int = 7, ray: str = "", progress: Progress = silent
) -> dict[str, Any]:
    """Run a job at each count of workers.

    Args:
        job: One of `JOBS`.
        counts: Workers, rising from 1.
        repeats: Measurements of each; medians are given, and the spread beside them.
        ray: Address of Ray workers for `evaluate`, `local` or HOST:PORT; processes of this machine if empty.
        progress: Told of the share done.

    Returns:
        Per count: seconds, spread, throughput, efficiency, what the cores allow, and the forecast from one worker with
        its error; for `train` the gradient noise scale and the quantities the planner reads.

    Raises:
        ConfigError: another job, or counts that do not rise from 1.
    """
    if job not in JOBS:
        raise ConfigError(f"scale {job}: expected one of {', '.join(JOBS)}.")
    if list(counts) != sorted(set(counts)) or not counts or counts[0] != 1 or repeats < 1:
        raise ConfigError(f"workers {list(counts)}, {repeats} repeats: expected counts that rise from 1, such as 1,2.")
    measure = _measure_evaluate if job == "evaluate" else _measure_train
    return {"job": job, "repeats": repeats, **measure(counts, repeats, ray, progress)}


def _row(count: int, seconds: Sequence[float], work: float, one: float, share: float, said: float) -> dict[str, Any]:
    took = float(np.median(seconds))
    low, high = np.quantile(seconds, [0.25, 0.75])
    return {
        "workers": count, "seconds": took, "spread": float((high - low) / took), "throughput": work / took,
        "efficiency": one / (count * took), "core_share": share, "forecast_seconds": said,
        "forecast_error": said / took - 1.0,
    }  # fmt: skip


def _measure_evaluate(counts: Sequence[int], repeats: int, ray: str, progress: Progress) -> dict[str, Any]:
    def crew(count: int) -> Workers:
        if not ray:
            return Processes(count)
        from stope.base.ray_workers import RayWorkers  # noqa: PLC0415 -- an extra

        return RayWorkers(ray, count)

    Here().do([Unit(fly_unit, (0,), "compile")])  # so that no worker compiles
    half = float(np.median([_evaluate_seconds(crew(1), UNITS // 2) for _ in range(repeats)]))
    rows: list[dict[str, Any]] = []
    one, unit, start = 0.0, 0.0, 0.0
    for k, count in enumerate(counts):
        seconds = [_evaluate_seconds(crew(count), UNITS) for _ in range(repeats)]
        share = core_share(count)
        if count == 1:
            one = float(np.median(seconds))
            unit = max(0.0, (one - half) / (UNITS - UNITS // 2))
            start = one - UNITS * unit
        said = start + math.ceil(UNITS / count) * unit / share
        rows.append(_row(count, seconds, float(UNITS * EPISODES), one, share, said))
        progress("workers", (k + 1) / len(counts))
    return {"unit": "episodes", "rows": rows, "start_s": start, "unit_s": unit}


def _measure_train(counts: Sequence[int], repeats: int, ray: str, progress: Progress) -> dict[str, Any]:
    if ray:
        raise ConfigError("scale train: the worlds of a training are threads of one process: expected no Ray.")
    config = flight_config("dock")
    work = float(config.num_worlds * config.steps_per_iteration)
    rows: list[dict[str, Any]] = []
    one, parts, share = 0.0, (0.0, 0.0), 1.0
    for k, count in enumerate(counts):
        found = [_train_seconds(count) for _ in range(repeats)]
        seconds = [a + b for a, b in found]
        share = core_share(count)
        if count == 1:
            one = float(np.median(seconds))
            rollout, update = np.median(np.array(found), axis=0)
            parts = float(rollout), float(update)
        said = parts[0] / (count * share) + parts[1]
        rows.append(_row(count, seconds, work, one, share, said))
        progress("workers", (k + 1) / (len(counts) + 1))
    run = Training(config, num_threads=counts[-1])
    for _ in range(10):  # past the very start, where every gradient is large
        run.advance()
    noise = noise_scale(run)
    progress("workers", 1.0)
    source = "measured here: stope cluster scale train"
    profile = {"world_rate": {"value": work / parts[0], "unit": "1/s", "source": source}}
    if np.isfinite([noise["low"], noise["high"]]).all():
        profile["critical_batch"] = {"value": noise["value"], "low": noise["low"], "high": noise["high"],
                                     "unit": "samples", "source": source}  # fmt: skip
    return {"unit": "samples", "rows": rows, "rollout_s": parts[0], "update_s": parts[1],
            "noise_scale": {k: v if np.isfinite(v) else None for k, v in noise.items()},
            "profile": profile}  # fmt: skip
