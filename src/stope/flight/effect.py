# SPDX-License-Identifier: Apache-2.0
"""What a flight is worth: the same policy told the prior, and told the belief, in the same worlds.

The worlds are drawn from the belief, which is all one has after a real flight; for a stand-in flight the hidden truth
can be asked instead, and it also tells whether the belief's intervals cover it.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError, FileError
from stope.base.files import read_json
from stope.base.intervals import binomial_band
from stope.base.progress import Progress, silent
from stope.base.seeding import generator
from stope.flight.fit import known
from stope.learn.assess import fly_conditions, paired
from stope.learn.evaluate import Policy, draw_truths
from stope.world.belief import Belief
from stope.world.physics import PARAMETERS, index_of
from stope.world.robots import Robot
from stope.world.site import Site
from stope.world.tasks import DockConfig

__all__ = ["before_and_after", "coverage", "load_truth"]

Floats = NDArray[np.float64]


def before_and_after(
    policy: Policy,
    belief: Belief,
    robot: Robot,
    site: Site,
    *,
    task: DockConfig,
    num: int = 500,
    seed: int,
    truth: Floats | None = None,
    num_threads: int = 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Dock with the prior and with a belief as the policy's input, paired.

    Args:
        policy: What flies both times.
        belief: From `fit_flight`.
        robot: What the belief is about.
        site: Where to dock.
        task: The docking task.
        num: Episodes of each.
        seed: Root seed of draws, starts and noise.
        truth: Hidden theta (num_parameters,) of a stand-in flight, put into every world; None draws from the belief.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of the stage "dock before and after".

    Returns:
        Outcomes `before` and `after`, their `paired` comparison, and which `worlds` they flew in.

    Raises:
        ConfigError: a belief about another robot, or fewer than one episode.
    """
    if belief.robot != robot.name:
        raise ConfigError(
            f"the belief is about robot {belief.robot!r}: expected {robot.name!r}. Fit one of its flights."
        )
    if num < 1:
        raise ConfigError(f"before_and_after.num = {num}: expected 1 or more episodes.")
    if truth is None:
        z = draw_truths(belief, num, rng=generator(seed, "effect"))
    else:
        z = np.tile(robot.prior.whiten(truth), (num, 1))
    told = {"before": Belief.prior(robot.name), "after": belief}
    questions = {name: (z, np.tile(b.summary(), (num, 1))) for name, b in told.items()}
    flown = fly_conditions(
        {"policy": lambda: policy}, questions, robot, site, task=task, seed=seed, num_threads=num_threads,
        progress=lambda share: progress("dock before and after", share),
    )  # fmt: skip
    before, after = (flown[name]["policy"] for name in ("before", "after"))
    return {
        "worlds": "drawn from the belief" if truth is None else "the hidden truth of the stand-in flight",
        "before": before.summary(),
        "after": after.summary(),
        "paired": paired(after, before, rng=generator(seed, "effect-bootstrap"), names=("after", "before")),
    }


def load_truth(path: Path) -> Floats:
    """Hidden theta (num_parameters,) of a stand-in flight, for scoring a belief and for nothing else.

    Raises:
        FileError: missing, not a truth file, or without one of the parameters as a finite number.
    """
    data = read_json(path, what="truth")
    if data.get("format") != "stope-truth-1":
        raise FileError(f"{path}: format {data.get('format')!r}: expected 'stope-truth-1'.")
    table: Any = data.get("theta")
    out = np.zeros(len(PARAMETERS))
    for k, parameter in enumerate(PARAMETERS):
        value: Any = cast("dict[str, Any]", table).get(parameter.name) if isinstance(table, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise FileError(f"{path}: theta.{parameter.name} = {value!r}: expected a finite number [{parameter.unit}].")
        out[k] = value
    return out


def coverage(belief: Belief, robot: Robot, truth: Floats, *, level: float = 0.9) -> dict[str, Any]:
    """Whether the belief's intervals hold the hidden truth of a stand-in flight.

    Args:
        belief: From `fit_flight`.
        robot: What the belief is about.
        truth: Hidden theta, (num_parameters,).
        level: Of the intervals.

    Returns:
        Each quantity with its truth, and the share covered over the free parameters with the band in which it should
        be. Quantities of one flight are correlated: judge over several flights.
    """
    values = {q.name: float(truth[k]) for k, q in enumerate(PARAMETERS)}
    total = values["mass"] + values["payload"]
    for axis in "xyz":
        values[f"gain_f{axis} / total mass"] = float(truth[index_of(f"gain_f{axis}")]) / total
    found = known(belief, robot, level)
    is_covered = [row.low <= values[row.name] <= row.high for row in found]
    rows = [asdict(row) | {"truth": values[row.name], "is_covered": yes}
            for row, yes in zip(found, is_covered, strict=True)]  # fmt: skip
    free = [yes for row, yes in zip(found, is_covered, strict=True) if "/" not in row.name]
    low, high = binomial_band(len(free), level)
    return {"level": level, "quantities": rows, "covered": sum(free), "n": len(free), "share": sum(free) / len(free),
            "band_low": low, "band_high": high}  # fmt: skip
