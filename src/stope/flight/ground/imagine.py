# SPDX-License-Identifier: Apache-2.0
"""Scoop tests flown in stope's own worlds, and what of a log tells the soil: the simulations an engine learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.flight.ground.log import ContactFlight
from stope.flight.ground.scoop import STAGE_S, ScoopTest
from stope.world.batch import CONTROL_PERIOD
from stope.world.physics import GROUND_PARAMETERS, NUM_PARAMETERS
from stope.world.regolith.prior import ground_prior
from stope.world.tasks import ContactTask

__all__ = ["SPREADS", "Imagined", "acting", "features", "features_of", "imagine", "misjudged"]

Floats = NDArray[np.float64]
AT_ONCE = 256
"""Worlds that step together; chosen: their logs are a few megabytes."""
PER_STAGE = 7
"""Features of a stage."""
FORCE_SPREAD = 0.7
"""Standard deviation of the logarithm of the factor that all forces of a log are off by [1]: excavation models differ
by a factor of three and more (Wilkinson and DeGennaro 2007, doi 10.1016/j.jterra.2006.09.001)."""
FILL_SPREAD = 0.15
"""The same of what a scoop catches; chosen: the share is a guess of the robot's file."""
OWN_SPREAD = 0.1
"""The same of each feature by itself; chosen."""
COHESION_SPREAD = 0.5
"""The same of the cohesion that soil acts with in a scoop, over what it is said to have: how grains hold together there
is one bond number, known to no better than its constant; chosen."""
TORQUE_BIAS, EFFORT_BIAS, LOAD_BIAS, DRIFT = 0.05, 0.1, 0.03, 0.02
"""Standard deviations of what sensors are off by: half a percent of the largest torque and effort [N m, N], and of a
scale [capacity, capacity/min]; chosen."""
SPREADS = {"force": FORCE_SPREAD, "fill": FILL_SPREAD, "own": OWN_SPREAD, "cohesion": COHESION_SPREAD,
           "torque": TORQUE_BIAS, "effort": EFFORT_BIAS, "load": LOAD_BIAS, "drift": DRIFT}  # fmt: skip
"""All that an engine allows a model to be off by."""
# Columns of the observation of `dig`.
COHESION = [p.name for p in GROUND_PARAMETERS].index("cohesion")
ARMS, TORQUES, EFFORTS, LOADS, FELT = slice(6, 8), slice(10, 12), slice(12, 14), slice(14, 16), slice(16, 20)


@dataclass(frozen=True, slots=True, eq=False)
class Imagined:
    """Tests in worlds drawn from the prior."""

    z: Floats
    """Whitened grounds, (worlds, len(GROUND_PARAMETERS))."""
    features: Floats
    """(worlds, PER_STAGE * stages)."""


def features(observation: Floats, num_stages: int) -> Floats:
    """What of a log tells the soil.

    Of each stage and averaged over both drums: growth of the load [capacity/min], torque [N m], effort of the arms [N],
    travel [m], load of the anchors (mean of the largest, and the largest) [strength], and the load at its end.

    Args:
        observation: Of `dig`, (rows, logs, num_observations).
        num_stages: Stages of the test; rows beyond it are left out.

    Returns:
        (logs, PER_STAGE * num_stages).
    """
    num = round(STAGE_S / CONTROL_PERIOD)
    clock = CONTROL_PERIOD / 60.0 * (np.arange(num) - 0.5 * (num - 1))
    out: list[Floats] = []
    for k in range(num_stages):
        part = observation[k * num : (k + 1) * num]
        load = part[:, :, LOADS].mean(axis=2)
        felt = part[:, :, FELT].max(axis=2)
        out += [
            clock @ (load - load.mean(axis=0)) / (clock @ clock), np.abs(part[:, :, TORQUES]).mean(axis=(0, 2)),
            part[:, :, EFFORTS].mean(axis=(0, 2)), (part[0, :, ARMS] - part[-1, :, ARMS]).mean(axis=1),
            felt.mean(axis=0), felt.max(axis=0), load[-num // 4 :].mean(axis=0),
        ]  # fmt: skip
    return np.stack(out, axis=1)


def misjudged(found: Floats, rng: np.random.Generator) -> Floats:
    """Features as a world would show them whose forces and scoops are not those of the model.

    Args:
        found: (logs, PER_STAGE * stages).
        rng: Random numbers.
    """
    shape = (len(found), found.shape[1] // PER_STAGE, PER_STAGE)
    factor = np.exp(OWN_SPREAD * rng.standard_normal(shape))
    force = np.exp(FORCE_SPREAD * rng.standard_normal((len(found), 1)))
    anchors = np.exp(FORCE_SPREAD * rng.standard_normal((len(found), 1)))
    fill = np.exp(FILL_SPREAD * rng.standard_normal((len(found), 1)))
    for k in (1, 2):
        factor[:, :, k] *= force
    for k in (4, 5):
        factor[:, :, k] *= force * anchors
    for k in (0, 6):
        factor[:, :, k] *= fill
    out = found.reshape(shape) * factor
    for k, size in ((0, DRIFT), (1, TORQUE_BIAS), (2, EFFORT_BIAS), (6, LOAD_BIAS)):
        out[:, :, k] += size * rng.standard_normal((len(found), 1))
    out[:, :, 1] = np.abs(out[:, :, 1])
    return out.reshape(len(found), -1)


def acting(z: Floats, rng: np.random.Generator) -> Floats:
    """Whitened grounds (n, len(GROUND_PARAMETERS)) whose cohesion acts as that of others: of the acting, the acted.

    Cohesion is uniform in its logarithm, so which soil acts with a cohesion and which cohesion a soil acts with are
    drawn alike: by a factor, kept within the prior's range.
    """
    p = ground_prior()
    width = COHESION_SPREAD / (2.0 * p.spread[COHESION])
    share = ndtr(z[:, COHESION])
    low, high = ndtr((0.0 - share) / width), ndtr((1.0 - share) / width)
    out = z.copy()
    moved = share + width * ndtri(low + (high - low) * rng.random(len(z)))
    out[:, COHESION] = ndtri(np.clip(moved, 1e-4, 1.0 - 1e-4))
    return out


def imagine(
    test: ScoopTest, task: ContactTask, *, num: int, seed: int, num_threads: int = 1, progress: Progress = silent
) -> Imagined:
    """Fly a test in worlds drawn from the prior.

    Args:
        test: The program.
        task: `dig`, where it will be flown.
        num: Worlds.
        seed: Root seed of worlds and noise.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of the stage "imagine".
    """
    grounds: list[Floats] = []
    found: list[Floats] = []
    for first in range(0, num, AT_ONCE):
        n = min(AT_ONCE, num - first)
        batch = task.batch(num_worlds=n, seed=stream_key(seed, "imagine", str(first)), num_threads=num_threads,
                           told="prior")  # fmt: skip
        rows = np.zeros((test.num_rows, n, len(task.observation_names)))
        seen = batch.reset()
        for k in range(test.num_rows):
            rows[k] = seen
            seen, *_ = batch.step(test.act(seen, batch.belief), autoreset=False)
            progress("imagine", (first + n * (k + 1) / test.num_rows) / num)
        grounds.append(batch.z[:, NUM_PARAMETERS : NUM_PARAMETERS + len(GROUND_PARAMETERS)].copy())
        found.append(features(_with_losses(rows, generator(seed, "losses", first)), test.num_stages))
    return Imagined(np.concatenate(grounds), np.concatenate(found))


def _with_losses(rows: Floats, rng: np.random.Generator) -> Floats:
    """A share of readings lost, the last one held in their place; up to a tenth of them, as in flight logs."""
    lost = rng.random(rows.shape[:2]) < np.asarray(rng.uniform(0.0, 0.1, rows.shape[1]), dtype=np.float64)
    lost[0] = False
    at = np.maximum.accumulate(np.where(lost, 0, np.arange(len(rows))[:, None]), axis=0)
    return rows[at, np.arange(rows.shape[1])]


def features_of(flight: ContactFlight, num_stages: int) -> Floats:
    """Features of a flown log, (PER_STAGE * num_stages,)."""
    return features(flight.observation[:, None], num_stages)[0]
