# SPDX-License-Identifier: Apache-2.0
"""Measured scaling: a real job at 1, 2, ... workers, what one worker says it would be, and a profile for the planner.

`evaluate` flies units of docking episodes; `train` trains docking by ranks that share the worlds. The forecast for w
workers is made of what one worker took, at two sizes of the job, and of the machine, never of the job at w workers:

- evaluate: (start + ceil(units / w) * unit) / c(w); start and unit from one unit and from all at one worker;
- train: rollout + update + syncs * sync(w); rollout and update of a w-th of the worlds that exchanges nothing, by w
  processes at a time: the slowest rollout, for which all wait, and the mean update; waits within it are in sync(w).

c(w) is what the cores themselves allow (`stope.cluster.cores`): how fast a core is while its neighbours work, over its
speed alone, in the mean over cores, since units go to who is free. Everything is measured in turn, once a repeat, so
that a slow minute of the machine is in all of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from stope.base.errors import ConfigError
from stope.base.progress import Progress, silent
from stope.base.ranks import Group
from stope.base.workers import Here, Processes, Unit, Workers, make_workers
from stope.cluster.cores import Cores, core_pair, cores_of, exchange_seconds, measure_cores
from stope.learn.assess import fly_conditions
from stope.learn.baselines import VelocityPd
from stope.learn.evaluate import conditions
from stope.learn.noise_scale import noise_scale
from stope.learn.skills import flight_config
from stope.learn.train import Training, share_of

__all__ = ["JOBS", "scale"]

JOBS = ("evaluate", "train")
EPISODES = 1024
"""Docking episodes of a unit of `evaluate`; chosen, so that all units take about a minute."""
UNITS = 36
"""Units of `evaluate`. A worker takes 3 to 5 s to start, which no other shares: half a minute hides the rest."""
ITERATIONS = 4
"""Iterations of `train` in one measurement; all parts of a round take two seconds."""
ROLLOUTS = 512
"""Of the noise scale: of 128, the interval of docking's has no upper end; these take a minute."""
ROUNDS = 6
"""Rounds of measurements of `train` in one repeat."""


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


def train_rounds(
    group: Group, rounds: int, iterations: int, *, show: Callable[[float], None] | None = None
) -> dict[str, Any]:
    """Times of an iteration by the whole group, next to those of its parts at the first rank alone.

    A machine's speed drifts by tens of percent within a minute: all are measured in turn, in the same processes.

    Returns:
        `alone`, seconds of a rollout and an update of all worlds by the first rank while the others wait, (rounds, 2);
        `share`, the slowest rollout and the mean update of a rank's share of the worlds, by every rank for itself,
        (rounds, 2); `together`, seconds of an iteration by all, (rounds,); `sync`, what an exchange adds [s],
        (rounds,); `pairs`, of `core_pair`; `syncs`, exchanges in an iteration.
    """
    config = flight_config("dock")
    found: dict[str, list[Any]] = {"alone": [], "share": [], "together": [], "sync": [], "pairs": []}
    syncs = config.num_epochs * config.num_minibatches
    with group.joined():
        whole, share = Training(config), Training(replace(config, num_worlds=share_of(config, group.size)))
        run = Training(config, group=group)
        turn = _mini_batch(run)
        for training in (whole, share, run):
            _iteration(training)  # loads kernels; by all
        for k in range(rounds):
            group.gathered(None)
            mine = [_iteration(whole) for _ in range(iterations)] if group.is_first else None
            found["alone"].append(np.median(group.agreed(mine), axis=0))
            group.gathered(None)
            each = np.array(group.gathered([_iteration(share) for _ in range(iterations)]))  # by rank, iteration, part
            found["share"].append(np.median([each[..., 0].max(axis=0), each[..., 1].mean(axis=0)], axis=1))
            group.gathered(None)
            found["together"].append(np.median([sum(_iteration(run)) for _ in range(iterations)]))
            found["sync"].append(exchange_seconds(group, turn))
            found["pairs"].append(core_pair(group))
            if show is not None:
                show((k + 1) / rounds)
    return {**{name: np.array(values) for name, values in found.items()}, "syncs": syncs}


def _iteration(run: Training) -> tuple[float, float]:
    """Seconds of a rollout, and of the update after it."""
    start = time.perf_counter()
    run.roll_out()
    middle = time.perf_counter()
    run.ppo.update()
    return middle - start, time.perf_counter() - middle


def _mini_batch(run: Training) -> Callable[[bool], None]:
    """The gradient of a mini-batch, and what ranks exchange for it, if wanted; no weight changes."""
    import torch  # noqa: PLC0415 -- one second of import

    dist: Any = torch.distributed
    ppo: Any = run.ppo  # without types of its own
    config = run.config
    divergence, rate = torch.zeros(()), torch.zeros(())

    def turn(exchanges: bool) -> None:  # noqa: FBT001 -- as `exchange_seconds` calls it
        num = ppo.storage.actions[..., 0].numel() // config.num_minibatches
        seen, done = (x.flatten(0, 1)[:num] for x in (ppo.storage.observations, ppo.storage.actions))
        ppo.actor(seen, stochastic_output=True)
        loss = ppo.actor.get_output_log_prob(done).mean() + ppo.critic(seen).square().mean()
        if exchanges:  # the divergence, and the learning rate that follows from it
            dist.all_reduce(divergence)
            dist.broadcast(rate, src=0)
        ppo.optimizer.zero_grad()
        loss.backward()
        if exchanges:
            ppo.reduce_parameters()

    return turn


def scale(
    job: str, counts: Sequence[int], *, repeats: int = 7, ray: str = "", progress: Progress = silent
) -> dict[str, Any]:
    """Run a job at each count of workers.

    Args:
        job: One of `JOBS`.
        counts: Workers, rising from 1.
        repeats: Measurements of each, in turn; medians are given, and the spread beside them.
        ray: Address of Ray's workers, `local` or HOST:PORT; processes of this machine if empty. What the cores allow is
            measured on this machine.
        progress: Told of the share done.

    Returns:
        Per count: seconds, spread, throughput, speed-up, efficiency, what the cores allow, and the forecast from one
        worker with its error; for `train` the gradient noise scale and the quantities the planner reads.

    Raises:
        ConfigError: another job, counts that do not rise from 1, or worlds that ranks cannot share.
    """
    if job not in JOBS:
        raise ConfigError(f"scale {job}: expected one of {', '.join(JOBS)}.")
    if list(counts) != sorted(set(counts)) or not counts or counts[0] != 1 or repeats < 1:
        raise ConfigError(f"workers {list(counts)}, {repeats} repeats: expected counts that rise from 1, such as 1,2.")
    measure = _measure_evaluate if job == "evaluate" else _measure_train
    by = "Ray's workers" if ray else "processes"
    return {"job": job, "by": by, "repeats": repeats, **measure(counts, _crews(counts, ray), repeats, progress)}


def _crews(counts: Sequence[int], ray: str) -> dict[int, Workers]:
    if not ray:
        make_workers(str(max(counts)))  # refuses more than a machine is ever asked for
        return {count: Processes(count) for count in counts}
    from stope.base.ray_workers import RayWorkers  # noqa: PLC0415 -- an extra

    # The largest first: it is what a cluster of this machine is started for.
    return {count: RayWorkers(ray, count) for count in sorted(counts, reverse=True)}


def _row(count: int, seconds: Sequence[float], *, work: float, one: float, share: float, said: float) -> dict[str, Any]:
    took = float(np.median(seconds))
    low, high = np.quantile(seconds, [0.25, 0.75])
    return {
        "workers": count, "seconds": took, "spread": float((high - low) / took), "throughput": work / took,
        "speedup": one / took, "efficiency": one / (count * took), "core_share": share, "cores_allow": count * share,
        "forecast_seconds": said, "forecast_error": said / took - 1.0,
    }  # fmt: skip


def _measure_evaluate(
    counts: Sequence[int], crews: dict[int, Workers], repeats: int, progress: Progress
) -> dict[str, Any]:
    Here().do([Unit(fly_unit, (0,), "compile")])  # so that no worker compiles
    short: list[float] = []
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    cores: dict[int, list[Cores]] = {count: [] for count in counts}
    for k in range(repeats):
        short.append(_evaluate_seconds(crews[1], 1))
        for count in counts:
            cores[count].append(measure_cores(count))
            seconds[count].append(_evaluate_seconds(crews[count], UNITS))
        progress("workers", (k + 1) / repeats)
    one, least = float(np.median(seconds[1])), float(np.median(short))
    unit = max(0.0, (one - least) / (UNITS - 1))
    start = max(0.0, least - unit)
    rows: list[dict[str, Any]] = []
    for count in counts:
        share = float(np.median([c.mean for c in cores[count]]))
        said = evaluate_forecast(start, unit, count, share)
        rows.append(_row(count, seconds[count], work=float(UNITS * EPISODES), one=one, share=share, said=said))
    return {"unit": "episodes", "rows": rows, "start_s": start, "unit_s": unit, **_noise(cores, [short, seconds[1]])}


def evaluate_forecast(start: float, unit: float, count: int, share: float) -> float:
    """Seconds of all units by `count` workers that start together, each at a share of a core's speed alone."""
    return (start + math.ceil(UNITS / count) * unit) / share


def train_forecast(rollout: float, update: float, *, syncs: int, sync: float) -> float:
    """Seconds of an iteration, of a rank's rollout and update for itself, and of what ranks exchange."""
    return rollout + update + syncs * sync


def _noise(cores: dict[int, list[Cores]], alone: Sequence[Sequence[float]]) -> dict[str, Any]:
    """How much the machine itself varied: of the cores' probe, and of the job at one worker."""
    probe = [c.alone for each in cores.values() for c in each]
    return {"noise": {"probe": _spread(probe), "job": max(_spread(each) for each in alone)}}


def _spread(values: Sequence[float]) -> float:
    """Interquartile range over the median [1]."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float((high - low) / middle)


def _measure_train(
    counts: Sequence[int], crews: dict[int, Workers], repeats: int, progress: Progress
) -> dict[str, Any]:
    config = flight_config("dock")
    for count in counts:
        share_of(config, count)  # refused here, before anything is measured
    found: dict[int, dict[str, Any]] = {}
    for k, count in enumerate(counts):
        unit = Unit(train_rounds, (ROUNDS * repeats, ITERATIONS), "train", shows=True)
        told = partial(_part, progress, k, len(counts))
        found[count] = crews[count].together(unit, progress=told)
    work = float(config.num_worlds * config.steps_per_iteration)
    rows = [_train_row(count, each, work=work) for count, each in found.items()]
    run = Training(config)
    for _ in range(10):  # past the very start, where every gradient is large
        run.advance()
    noise = noise_scale(run, rollouts=ROLLOUTS)
    source = "measured here: stope cluster scale train"
    profile = {"world_rate": {"value": work / rows[0]["rollout_s"], "unit": "1/s", "source": source}}
    if np.isfinite([noise["low"], noise["high"]]).all():
        profile["critical_batch"] = {"value": noise["value"], "low": noise["low"], "high": noise["high"],
                                     "unit": "samples", "source": source}  # fmt: skip
    cores = {count: [cores_of([pair]) for pair in each["pairs"].tolist()] for count, each in found.items()}
    return {"unit": "samples", "rows": rows, "rollout_s": rows[0]["rollout_s"], "update_s": rows[0]["update_s"],
            "syncs": found[1]["syncs"], **_noise(cores, [each["alone"].sum(axis=1) for each in found.values()]),
            "noise_scale": {k: v if np.isfinite(v) else None for k, v in noise.items()},
            "profile": profile}  # fmt: skip


def _part(progress: Progress, k: int, num: int, stage: str, share: float) -> None:
    progress(stage, (k + share) / num)


def _train_row(count: int, found: dict[str, Any], *, work: float) -> dict[str, Any]:
    """The row of a count: speed-up over, and forecast from, what was measured beside it."""
    rollout, update = np.median(found["share"], axis=0).tolist()
    sync = float(np.median(found["sync"]))
    share = cores_of(found["pairs"].tolist()).slowest
    said = train_forecast(rollout, update, syncs=found["syncs"], sync=sync)
    alone = found["alone"].sum(axis=1)
    one, seconds = float(np.median(alone)), (found["together"] if count > 1 else alone).tolist()
    return _row(count, seconds, work=work, one=one, share=share, said=said) | {
        "rollout_s": rollout, "update_s": update, "sync_s": sync, "one_s": one}  # fmt: skip
