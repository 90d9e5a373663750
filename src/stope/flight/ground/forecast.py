# SPDX-License-Identifier: Apache-2.0
"""Forecast of a task with contact: how a policy will do on ground that is believed, with an interval.

Grounds are drawn from the belief; on each the policy, told the belief, does a few episodes in stope's worlds. What is
forecast are means over the many episodes that will be flown on the one ground there is: the spread of the few times is
drawn together to what the spread of the many would be, and successes of the many are drawn from what the few leave
possible. The cohesion that soil acts with in a scoop is drawn about the
believed one, and time carries how far a scoop's catch may be from the robot's file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.flight.ground.belief import GroundBelief
from stope.flight.ground.imagine import FILL_SPREAD, acting
from stope.learn.pilots import Pilot, fly_skill
from stope.world.tasks import ContactTask

__all__ = ["FIGURES", "forecast", "forecasts", "of_many", "successes"]

Floats = NDArray[np.float64]
FIGURES = ("success", "time_s")
"""Means over the episodes on one ground; a failed one takes the whole time."""
EACH = 3
"""Episodes on a ground that is drawn; chosen: two tell chance from ground, and one more."""


def forecast(
    pilot: Pilot, task: ContactTask, belief: GroundBelief, *, episodes: int = 20, num_grounds: int = 30,
    level: float = 0.9, seed: int, num_threads: int = 1, progress: Progress = silent,
) -> dict[str, Any]:  # fmt: skip
    """What `episodes` episodes on one ground will come to; as `forecasts` for one belief."""
    return forecasts(pilot, task, [belief], episodes=episodes, num_grounds=num_grounds, level=level, seed=seed,
                     num_threads=num_threads, progress=progress)[0]  # fmt: skip


def forecasts(
    pilot: Pilot, task: ContactTask, beliefs: list[GroundBelief], *, episodes: int = 20, num_grounds: int = 30,
    level: float = 0.9, seed: int, num_threads: int = 1, progress: Progress = silent,
) -> list[dict[str, Any]]:  # fmt: skip
    """Forecasts for several beliefs, flown together.

    Args:
        pilot: Who will act.
        task: What, and where.
        beliefs: What each will be told, and what grounds are drawn from.
        episodes: That will be flown on the one ground.
        num_grounds: Drawn from each belief.
        level: Of the intervals.
        seed: Root seed.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of the stage "forecast".

    Raises:
        ConfigError: fewer than one episode or two grounds.
    """
    if episodes < 1 or num_grounds < 2:
        raise ConfigError(f"forecast: {episodes} episodes, {num_grounds} grounds: expected 1 and 2, or more.")
    grounds = [b.draw(num_grounds, generator(seed, "forecast-ground", k)) for k, b in enumerate(beliefs)]
    z = np.repeat(acting(np.concatenate(grounds), generator(seed, "forecast-acting")), EACH, axis=0)
    told = np.repeat([b.summary() for b in beliefs], num_grounds * EACH, axis=0)
    batch = task.batch(num_worlds=len(z), seed=stream_key(seed, "forecast"), num_threads=num_threads)
    batch.give(z, told)
    flown = fly_skill(pilot, batch, show=lambda share: progress("forecast", share))
    shape = (len(beliefs), num_grounds, EACH)
    rng = generator(seed, "forecast-catch")
    tail = 0.5 * (1.0 - level)
    out: list[dict[str, Any]] = []
    for success, time in zip(flown.is_success.reshape(shape), flown.duration.reshape(shape), strict=True):
        slow = np.exp(FILL_SPREAD * rng.standard_normal(num_grounds))
        tables = {
            "success": successes(success, episodes, rng),
            "time_s": np.clip(of_many(time, episodes) * slow, 0.0, task.time_limit),
        }  # fmt: skip
        rows: dict[str, dict[str, float]] = {}
        for name, x in tables.items():
            low, high = np.quantile(x, tail, method="lower"), np.quantile(x, 1.0 - tail, method="higher")
            rows[name] = {"mean": float(x.mean()), "low": float(low), "high": float(high)}
        out.append({"episodes": episodes, "num_grounds": num_grounds, "level": level, "seed": seed, "figures": rows})
    return out


def successes(few: NDArray[np.bool_], episodes: int, rng: np.random.Generator) -> Floats:
    """Shares of `episodes` episodes that might succeed on each ground, (grounds,), after a few did or did not.

    A rate is drawn from its posterior under Jeffreys' prior, a count from the rate.

    Args:
        few: (grounds, few).
        episodes: Of the many.
        rng: Random numbers.
    """
    won = np.asarray(few.sum(axis=1), dtype=np.float64)
    rate = np.asarray(rng.beta(0.5 + won, 0.5 + few.shape[1] - won), dtype=np.float64)
    return np.asarray(rng.binomial(episodes, rate), dtype=np.float64) / episodes


def of_many(few: Floats, episodes: int) -> Floats:
    """Means of each ground's few episodes (grounds, few), drawn together as means of `episodes` would lie.

    With variance b between grounds and w within one, means of k episodes have variance b + w / k.
    """
    mean, k = few.mean(axis=1), few.shape[1]
    within = float(few.var(axis=1, ddof=1).mean())
    between = max(0.0, float(mean.var(ddof=1)) - within / k)
    has = between + within / k
    shrink = np.sqrt((between + within / episodes) / has) if has > 0.0 else 1.0
    return np.asarray(mean.mean() + shrink * (mean - mean.mean()), dtype=np.float64)
