# SPDX-License-Identifier: Apache-2.0
"""Sample: one value, or many draws, of every uncertain number of a job on a system, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stope.base.seeding import generator
from stope.cluster.job import Job
from stope.cluster.system import System
from stope.cluster.training_step import Fabric, fitted

__all__ = ["NUM_DRAWS", "Sample", "draws_of", "fabric_from", "middle_of", "scaled"]

Sample = Mapping[str, np.ndarray[Any, Any]]
"""Values in SI by name: of the system as in its TOML with `tier.K.` by position, of the job after `job.`."""
NUM_DRAWS = 200
"""Draws behind an interval; its ends are then good to a few per cent of its width."""
SEED = 7
"""Of every plan: the same question has the same answer, and two systems share their luck."""
MODEL_ERROR = "model_error"
"""Factor on the time of a step: what the step model is known to miss by."""


def _quantities(job: Job, system: System) -> dict[str, Any]:
    own = {key: value for key, value in system.numbers().items() if not key.startswith("tier.")}
    for k, tier in enumerate(system.tiers):
        own |= {f"tier.{k}.{key}": getattr(tier, key) for key in ("size", "bandwidth", "latency", "energy")}
    return own | {f"job.{key}": value for key, value in job.quantities.items()}


def middle_of(job: Job, system: System) -> Sample:
    """The middle values; arrays of one."""
    found = {key: np.array([q.value]) for key, q in _quantities(job, system).items()}
    return found | {MODEL_ERROR: np.ones(1)}


def draws_of(job: Job, system: System, *, num: int = NUM_DRAWS, seed: int = SEED) -> Sample:
    """Independent draws over every range, and of the error of the step model; the first draw is the middle."""

    def normal(name: str) -> np.ndarray[Any, Any]:
        values = generator(seed, "cluster", name).standard_normal(num)
        values[0] = 0.0
        return values

    found = {key: q.draw(normal(key)) for key, q in _quantities(job, system).items()}
    width = fitted()["half_width"]["other machine"]
    return found | {MODEL_ERROR: np.exp(normal(MODEL_ERROR) * width / 1.2815515655446004)}


def scaled(sample: Sample, factors: Mapping[str, float]) -> Sample:
    """A sample with some numbers multiplied; `tier.latency` stands for the latency of every tier."""
    found = dict(sample)
    for name, factor in factors.items():
        part = name.removeprefix("tier.")
        names = [k for k in found if k.startswith("tier.") and k.endswith(part)] if part != name else [name]
        for key in names:
            found[key] = found[key] * factor
    return found


def fabric_from(sample: Sample) -> Fabric:
    """What a step's time depends on, of a sample."""
    tiers = sorted({int(key.split(".")[1]) for key in sample if key.startswith("tier.")})
    return Fabric(
        peak=sample["peak"],
        memory_bandwidth=sample["memory_bandwidth"],
        sizes=[float(sample[f"tier.{k}.size"][0]) for k in tiers],
        latencies=[sample[f"tier.{k}.latency"] for k in tiers],
        bandwidths=[sample[f"tier.{k}.bandwidth"] for k in tiers],
    )
