# SPDX-License-Identifier: Apache-2.0
"""Outcome: what a job takes on so many devices, as time to its goal, split by what the time goes to.

The parts add up to the time: a step's parts for as many steps as tiny batches would need; "critical batch" is what
larger batches waste; "failures" what restarts, lost work and checkpoints add.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stope.base.errors import RangeError
from stope.cluster.collectives import Real, best_all_reduce, levels_of
from stope.cluster.critical_batch import fewest_samples, samples_to_goal
from stope.cluster.job import ActorLearner, DenseTraining, Job
from stope.cluster.layouts import MEMORY_LIMIT, MICRO_BATCHES, fabric_of, layout_memory
from stope.cluster.reliability import job_mttf, useful_share, useful_share_without
from stope.cluster.sampling import MODEL_ERROR, Sample, fabric_from
from stope.cluster.system import System
from stope.cluster.training_step import GRADIENT, HALF, Layout, shipped_coefficients, step_terms

__all__ = ["NETWORK", "USEFUL", "Outcome", "actor_outcome", "candidates", "dense_outcome", "outcome_of"]

USEFUL = ("compute", "memory", "host rollout", "rollout", "learner")
"""Parts that are the work itself."""
NETWORK = ("tensor", "pipeline", "data")
"""Parts that a fabric could shorten."""
BATCHES = tuple(2**k for k in range(13))
"""Micro-batches of a replica and step that are tried."""
SHORTLIST = 8
"""Layouts of each machine that are tried at every count."""
FLOAT32 = 4.0
"""Bytes of a gradient of a small network."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a job takes on so many devices; arrays with one value a draw."""

    count: int
    """Devices used."""
    seconds: np.ndarray[Any, Any]
    """To the goal; infinite where failures come faster than restarts."""
    parts: Mapping[str, np.ndarray[Any, Any]]
    """Seconds by what they go to."""
    useful: np.ndarray[Any, Any]
    """Share of the time that failures leave [1]."""
    joules: np.ndarray[Any, Any]
    """Energy of the building to the goal."""
    usd: np.ndarray[Any, Any]
    """Price of the devices to the goal."""
    memory: float
    """Share of the fullest device's memory [1]."""
    how: str
    """Layout, in words."""


def outcome_of(job: Job, system: System, count: int, sample: Sample, shortlist: tuple[Layout, ...] = ()) -> Outcome:
    """What a job takes on `count` devices.

    Raises:
        RangeError: it does not fit, with the reason.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # a job that never ends takes infinite time
        if isinstance(job, DenseTraining):
            return dense_outcome(job, system, count, sample, shortlist or candidates(job, system))
        return actor_outcome(job, system, count, sample)


def candidates(job: Job, system: System) -> tuple[Layout, ...]:
    """Layouts of one replica that fit in memory, a few fastest of each number of devices first.

    Raises:
        RangeError: a tensor-parallel group over a tier, or none that fits in memory.
    """
    if not isinstance(job, DenseTraining):
        return ()
    if job.tensor > system.unit:
        raise RangeError(f"{job.name}: tensor = {job.tensor} devices: {system.name} joins {system.unit} in its first "
                         f"tier, and a tensor-parallel group over it costs twice (vTrain table). Use {system.unit} "
                         "or fewer.")  # fmt: skip
    room = system.memory.value
    software = "selective" if system.software == "recompute" else system.software
    found: list[tuple[float, Layout]] = []
    least = math.inf
    for tensor in (job.tensor,) if job.tensor else (1, 2, 4, 8):
        for pipeline in (job.pipeline,) if job.pipeline else range(1, job.model.layers + 1):
            if tensor > system.unit or job.model.layers % pipeline:
                continue
            for micro in (job.micro_batch,) if job.micro_batch else MICRO_BATCHES:
                for recompute in dict.fromkeys((job.recompute, "full")):
                    layout = Layout(tensor=tensor, pipeline=pipeline, data=8, micro_batch=micro, software=software,
                                    global_batch=32 * micro * pipeline, recompute=recompute)  # fmt: skip
                    share = layout_memory(job.model, layout) / room
                    least = min(least, share)
                    if share <= MEMORY_LIMIT:
                        found.append((_device_seconds(job, system, layout), layout))
    if not found:
        raise RangeError(f"{job.name}: memory {100 * least:.0f} % of {system.name}'s {room / 1e9:.0f} GB at the least: "
                         f"over {100 * MEMORY_LIMIT:.0f} %. More stages, or another system.")  # fmt: skip
    found.sort(key=lambda one: one[0])
    return tuple(_varied([layout for _, layout in found]))


def _varied(ordered: list[Layout]) -> list[Layout]:
    """The fastest few, and the fastest of each size of a replica, so that large counts have deep pipelines to take."""
    sizes: dict[int, Layout] = {}
    for layout in ordered:
        sizes.setdefault(layout.tensor * layout.pipeline, layout)
    return list(dict.fromkeys([*ordered[:SHORTLIST], *list(sizes.values())[: 2 * SHORTLIST]]))


def _device_seconds(job: DenseTraining, system: System, layout: Layout) -> float:
    """Device time of a sample at middle values."""
    terms = step_terms(job.model, layout, fabric_of(system), shipped_coefficients())
    return float(np.sum([np.asarray(v) for v in terms.values()])) * layout.devices / float(layout.global_batch)


def dense_outcome(
    job: DenseTraining, system: System, count: int, sample: Sample, shortlist: tuple[Layout, ...]
) -> Outcome:
    """A dense training: the layout and batch that reach the goal soonest at the middle of every range.

    Raises:
        RangeError: fewer devices than the smallest replica that fits.
    """
    middle = {key: value[:1] for key, value in sample.items()}
    options = [layout for layout in shortlist if _fits(job, system, layout, count)]
    if not options:
        least = min(layout.tensor * layout.pipeline for layout in shortlist)
        raise RangeError(f"{job.name}: {count} devices of {system.name}: memory over {100 * MEMORY_LIMIT:.0f} %: the "
                         f"smallest replica has {least}, and more of them share the optimiser. Use more.")  # fmt: skip
    best = (math.inf, options[0], 0)
    for layout in options:
        data = count // (layout.tensor * layout.pipeline)
        batches = layout.micro_batch * data * np.array(BATCHES, dtype=float)
        seconds = _dense(job, system, _laid(layout, data, batches), middle)[0]
        k = int(np.argmin(seconds))
        best = min(best, (float(seconds[k]), layout, BATCHES[k]), key=lambda one: one[0])
    _, layout, passes = best
    data = count // (layout.tensor * layout.pipeline)
    chosen = _laid(layout, data, passes * layout.micro_batch * data)
    seconds, parts, useful, utilisation = _dense(job, system, chosen, sample)
    devices = layout.tensor * layout.pipeline * data
    traffic = _dense_traffic(job, chosen)
    tokens = _tokens(job, chosen)
    critical = sample["job.critical_batch"]
    steps = samples_to_goal(tokens, fewest=_fewest(sample), critical_batch=critical) / tokens
    bits = 8.0 * steps * devices * (traffic[0] * sample["tier.0.energy"] + traffic[1] * _outer(sample, "energy"))
    how = (f"tensor {layout.tensor} x pipeline {layout.pipeline} x data {data}, {passes} micro-batches of "
           f"{layout.micro_batch}, recompute {layout.recompute}")  # fmt: skip
    return Outcome(
        count=devices, seconds=seconds, parts=parts, useful=useful, how=how,
        joules=_joules(sample, devices, seconds, utilisation, bits), usd=devices * seconds * sample["price"],
        memory=layout_memory(job.model, chosen) / system.memory.value,
    )  # fmt: skip


def _fits(job: DenseTraining, system: System, layout: Layout, count: int) -> bool:
    """Whether one replica, its share of the optimiser included, fits."""
    data = count // (layout.tensor * layout.pipeline)
    if not data:
        return False
    laid = _laid(layout, data, layout.pipeline * layout.micro_batch * data)
    return layout_memory(job.model, laid) <= MEMORY_LIMIT * system.memory.value


def _laid(layout: Layout, data: int, batch: Any) -> Layout:
    return Layout(tensor=layout.tensor, pipeline=layout.pipeline, data=data, micro_batch=layout.micro_batch,
                  global_batch=batch, recompute=layout.recompute, software=layout.software)  # fmt: skip


def _tokens(job: DenseTraining, layout: Layout) -> Any:
    return np.asarray(layout.global_batch, dtype=float) * job.model.sequence_length


def _fewest(sample: Sample) -> Real:
    return fewest_samples(sample["job.goal"], sample["job.goal_batch"], sample["job.critical_batch"])


def _dense(job: DenseTraining, system: System, layout: Layout, sample: Sample) -> Any:
    terms = step_terms(job.model, layout, fabric_from(sample), shipped_coefficients())
    terms = {name: value * sample[MODEL_ERROR] for name, value in terms.items()}
    parts, seconds, useful = _to_goal(terms, _tokens(job, layout), sample, nodes=_nodes(layout, sample))
    busy = (terms["compute"] + terms["memory"]) / sum(terms.values())
    return seconds, parts, useful, busy


def _nodes(layout: Layout, sample: Sample) -> Real:
    devices = layout.tensor * layout.pipeline * layout.data
    return np.maximum(1.0, devices / sample["node_devices"])


def _dense_traffic(job: DenseTraining, layout: Layout) -> tuple[float, float]:
    """Bytes that one device sends a step inside the first tier and across."""
    passes = 6.0 if layout.recompute == "full" else 4.0
    message = HALF * layout.micro_batch * job.model.sequence_length * job.model.hidden_size
    inside = 2.0 * passes * message * job.model.layers / layout.pipeline * float(layout.micro_batches)
    return inside if layout.tensor > 1 else 0.0, 2.0 * GRADIENT * job.model.parameters / (
        layout.tensor * layout.pipeline)  # fmt: skip


def _outer(sample: Sample, what: str) -> Any:
    last = max(int(key.split(".")[1]) for key in sample if key.startswith("tier."))
    return sample[f"tier.{last}.{what}"]


def _to_goal(terms: Mapping[str, Real], batch: Real, sample: Sample, *, nodes: Real) -> Any:
    """Seconds to the goal, by what they go to, of the parts of one step of `batch` samples."""
    fewest, critical = _fewest(sample), sample["job.critical_batch"]
    steps = fewest / batch
    step = sum(terms.values())
    parts: dict[str, Any] = {name: steps * value for name, value in terms.items()}
    parts["critical batch"] = (samples_to_goal(batch, fewest=fewest, critical_batch=critical) - fewest) / batch * step
    useful = useful_share(nodes, failure_rate=sample["failure_rate"], checkpoint_write=sample["checkpoint_write"],
                          restart=sample["restart"])  # fmt: skip
    working = sum(parts.values())
    mttf = job_mttf(nodes, sample["failure_rate"])
    useful = np.maximum(useful, useful_share_without(working, mttf=mttf, restart=sample["restart"]))
    seconds = working / np.asarray(useful)
    parts["failures"] = seconds - working
    return parts, seconds, useful


def actor_outcome(job: ActorLearner, system: System, count: int, sample: Sample) -> Outcome:
    """Actors and learner in turn, every device or core with its own worlds, as many of them as is soonest.

    Raises:
        RangeError: the worlds do not fit in memory.
    """
    middle = {key: value[:1] for key, value in sample.items()}
    options = [job.worlds]
    while options[-1] % 2 == 0 and options[-1] // 2 >= job.worlds_least:
        options.append(options[-1] // 2)
    each = min(options, key=lambda worlds: float(_actors(job, count, worlds, middle)[1][0]))
    _, seconds, parts, useful, busy, rounds, batch = _actors(job, count, each, sample)
    cores = float((sample["cores_per_node"] / sample["node_devices"])[0]) if job.simulator == "host" else 1.0
    worlds = each * cores
    memory = (worlds * float(sample["job.world_memory"][0]) + 16.0 * job.parameters) / float(sample["memory"][0])
    if memory > MEMORY_LIMIT:
        raise RangeError(f"{job.name}: memory {100 * memory:.0f} % of a device of {system.name}: over "
                         f"{100 * MEMORY_LIMIT:.0f} %. Use fewer worlds.")  # fmt: skip
    bits = 8.0 * 2.0 * FLOAT32 * job.parameters * job.epochs * count * rounds
    where = "core" if job.simulator == "host" else "device"
    how = f"{each} worlds a {where}, mini-batches of {float(batch[0]):.3g} samples"
    return Outcome(
        count=count, seconds=seconds, parts=parts, useful=useful, how=how, memory=memory,
        joules=_joules(sample, count, seconds, busy, bits * _outer(sample, "energy")),
        usd=count * seconds * sample["price"],
    )  # fmt: skip


def _actors(job: ActorLearner, count: int, each: int, sample: Sample) -> Any:
    """Seconds of a mini-batch, to the goal, their parts, useful and busy shares, mini-batches, samples in one."""
    is_host = job.simulator == "host"
    cores = sample["cores_per_node"] / sample["node_devices"] if is_host else np.ones_like(sample["peak"])
    nodes = np.maximum(1.0, count / sample["node_devices"])
    rollout = each * job.steps / (sample["job.world_rate"] * (sample["core_speed"] if is_host else 1.0))
    samples = each * cores * job.steps
    updates = job.epochs * job.mini_batches
    fabric = fabric_from(sample)
    levels = levels_of(count, 1, fabric.sizes, fabric.latencies, fabric.bandwidths)
    reduce = best_all_reduce(FLOAT32 * job.parameters, levels) if count > 1 else 0.0 * rollout
    rate = sample["peak"] * sample["job.learner_efficiency"]
    terms: dict[str, Real] = {
        "host rollout" if is_host else "rollout": rollout,
        "stragglers": rollout * sample["job.rollout_spread"] * np.sqrt(2.0 * np.log(nodes)),
        "learner": samples * job.epochs * sample["job.learner_flops"] / rate,
        "overhead": updates * sample["job.update_overhead"],
        "data": updates * reduce,
    }
    # One iteration is `mini_batches` batches, and critical batches count those.
    terms = {name: value / job.mini_batches for name, value in terms.items()}
    step = sum(terms.values())
    batch = samples * count / job.mini_batches
    parts, seconds, useful = _to_goal(terms, batch, sample, nodes=nodes)
    busy = terms["learner"] / step if is_host else np.ones_like(rollout)
    return step, seconds, parts, useful, busy, seconds / step, batch


def _joules(sample: Sample, count: int, seconds: Any, busy: Real, network: Real) -> Any:
    """Energy of the building [J]: devices idle and at work, nodes around them, the network, all times PUE."""
    device = sample["idle_power"] + busy * np.maximum(sample["peak_power"] - sample["idle_power"], 0.0)
    power = count * device + np.maximum(1.0, count / sample["node_devices"]) * sample["node_power"]
    return np.nan_to_num(sample["pue"] * (power * seconds + network), nan=np.inf, posinf=np.inf)
