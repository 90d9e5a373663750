# SPDX-License-Identifier: Apache-2.0
"""What a flight is worth: the same policy told the prior, and told the belief, in the same worlds.

The worlds are drawn from the belief, which is all one has after a real flight; for a stand-in flight the hidden truth
can be asked instead, and it also tells whether the belief's intervals cover it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.errors import ConfigError, FileError
from stope.base.files import read_json
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

__all__ = ["before_and_after", "coverage", "load_truth", "sum_band", "sum_distribution"]

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
        Outcomes `before` and `after`, their `paired` comparison, which `worlds` they flew in, and the mean distance
        from the pose at the end of each episode (`errors_m`).

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
        "errors_m": {"before": before.tail_error.round(5).tolist(), "after": after.tail_error.round(5).tolist()},
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

    The parameters of one belief go together (all gains share the mass), so intervals that hold the truth come in
    bunches and a binomial band is too narrow. The belief itself says by how much: `counts` is how many intervals hold a
    truth drawn from the belief, which is what an exactly calibrated belief would do.

    Args:
        belief: From `fit_flight`, with particles.
        robot: What the belief is about.
        truth: Hidden theta, (num_parameters,).
        level: Of the intervals.

    Returns:
        Each quantity with its truth; the share covered over the n free parameters, with the band in which 95 % of
        exactly calibrated beliefs would be; and `counts` (n + 1,), the probability of each number covered if it is.

    Raises:
        ConfigError: a belief without particles.
    """
    if belief.particles is None:
        raise ConfigError("coverage: the belief has no particles: expected one from a fit.")
    values = {q.name: float(truth[k]) for k, q in enumerate(PARAMETERS)}
    total = values["mass"] + values["payload"]
    for axis in "xyz":
        values[f"gain_f{axis} / total mass"] = float(truth[index_of(f"gain_f{axis}")]) / total
    found = known(belief, robot, level)
    is_covered = [row.low <= values[row.name] <= row.high for row in found]
    rows = [asdict(row) | {"truth": values[row.name], "is_covered": yes}
            for row, yes in zip(found, is_covered, strict=True)]  # fmt: skip
    free = [(row, yes) for row, yes in zip(found, is_covered, strict=True) if "/" not in row.name]
    n, covered = len(free), sum(yes for _, yes in free)
    drawn = robot.prior.theta(belief.particles)[:, [index_of(row.name) for row, _ in free]]
    low, high = (np.array([getattr(row, end) for row, _ in free]) for end in ("low", "high"))
    held = ((low <= drawn) & (drawn <= high)).sum(axis=1)
    counts = np.bincount(held, minlength=n + 1) / len(held)
    band = sum_band([counts])
    return {"level": level, "quantities": rows, "covered": covered, "n": n, "share": covered / n,
            "band_low": band[0] / n, "band_high": band[1] / n, "counts": counts.tolist()}  # fmt: skip


def sum_band(counts: Sequence[ArrayLike], level: float = 0.95) -> tuple[int, int]:
    """Central range of a sum of independent counts, each given by the probabilities of 0, 1, 2 and so on."""
    low, high = np.searchsorted(np.cumsum(sum_distribution(counts)), [0.5 * (1.0 - level), 0.5 * (1.0 + level)])
    return int(low), int(high)


def sum_distribution(counts: Sequence[ArrayLike]) -> Floats:
    """Probabilities of 0, 1, 2 and so on, of a sum of independent counts given by theirs."""
    total = np.ones(1)
    for each in counts:
        total = np.convolve(total, np.asarray(each, dtype=np.float64))
    return total
