# SPDX-License-Identifier: Apache-2.0
"""Forecast: how a policy will do in flight under a belief, with an interval, and afterwards how it did.

One robot flies a number of episodes; what the forecast is about is their success rate and their means of time, error
and effort. Many robots are drawn from the belief, each flies that many episodes in stope's worlds with the policy told
the belief, and the interval is that of the robots' figures: it holds what is not known of the robot and what chance
does.
What earlier flights showed of an acceleration that no theta explains is drawn anew for each episode as a constant one:
a flight's own offset in full, and a share of what wandered. An experiment shakes the robot, and most of what wanders
in it (saturation, cross-coupling, propellant that sloshes) is not there when it holds still; how much stays is not
known, so each robot drawn has a share of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stope.base.config import is_finite
from stope.base.errors import ConfigError
from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.learn.evaluate import Episodes, Policy, draw_truths, fly
from stope.world.belief import Belief
from stope.world.env import DockBatch
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import Robot
from stope.world.site import Site
from stope.world.tasks import DockConfig

__all__ = ["FIGURES", "compare", "disturbed", "figures", "forecast"]

Floats = NDArray[np.float64]

FIGURES = ("success", "time_s", "final_error_m", "impulse_ns", "energy_j")
"""What is forecast: means over the episodes of one robot; a failed episode takes the whole time."""


RESPONSE = 10.0
"""Over which a docking robot averages what pushes it [s]; chosen, twice the hold."""
STAYS = 0.2
"""Largest share of the wandering acceleration that stays while docking [1]; chosen on the open worlds 0 to 9 of T3,
where forecasts with the whole of it missed too often; sealed worlds tested it (docs/results/campaign.json)."""


def forecast(
    policy: Policy,
    belief: Belief,
    robot: Robot,
    site: Site,
    *,
    task: DockConfig,
    episodes: int = 20,
    num_robots: int = 100,
    level: float = 0.9,
    seed: int,
    num_threads: int = 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """What `episodes` dockings of one robot will come to.

    Args:
        policy: What will fly.
        belief: What it will be told, and what the robots are drawn from.
        robot: Which.
        site: Where.
        task: The docking task.
        episodes: Dockings that will be flown with the one robot there is.
        num_robots: Robots drawn from the belief.
        level: Of the intervals.
        seed: Root seed of robots, starts and noise.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of the stage "forecast".

    Raises:
        ConfigError: a belief about another robot, or fewer than one episode or two robots.
    """
    if belief.robot != robot.name:
        raise ConfigError(f"the belief is about robot {belief.robot!r}: expected {robot.name!r}.")
    if episodes < 1 or num_robots < 2:
        raise ConfigError(f"forecast: {episodes} episodes of {num_robots} robots: expected 1 and 2, or more.")
    truths = draw_truths(belief, num_robots, rng=generator(seed, "forecast"))
    z = disturbed(truths, episodes, belief, robot, generator(seed, "forecast-disturbance"))
    batch = DockBatch(robot, site, num_worlds=len(z), seed=stream_key(seed, "forecast"), task=task, pool_size=1,
                      num_threads=num_threads)  # fmt: skip
    flown = fly(policy, batch, z, np.tile(belief.summary(), (len(z), 1)),
                on_step=lambda step: progress("forecast", (step + 1) / batch.max_episode_steps))  # fmt: skip
    table = figures(flown, num_robots)
    tail = 0.5 * (1.0 - level)
    rows: dict[str, dict[str, float]] = {}
    for name, x in table.items():
        low, high = np.quantile(x, tail, method="lower"), np.quantile(x, 1.0 - tail, method="higher")
        rows[name] = {"mean": float(x.mean()), "low": float(low), "high": float(high)}
    return {"robot": robot.name, "site": site.name, "episodes": episodes, "num_robots": num_robots, "level": level,
            "seed": seed, "flights": belief.provenance.get("flights", []), "figures": rows}  # fmt: skip


def figures(flown: Episodes, num_robots: int) -> dict[str, Floats]:
    """Figures of each robot, (robots,) each; its episodes stand together."""
    columns = (flown.is_success.astype(np.float64), flown.duration, flown.tail_error, flown.impulse, flown.energy)
    return {name: x.reshape(num_robots, -1).mean(axis=1) for name, x in zip(FIGURES, columns, strict=True)}


def disturbed(truths: Floats, episodes: int, belief: Belief, robot: Robot, rng: np.random.Generator) -> Floats:
    """Truths of each robot's episodes, with the unexplained acceleration of the belief's flights in the residual.

    Args:
        truths: Of the robots, (robots, num_parameters).
        episodes: Of each.
        belief: Whose provenance says what its flights left unexplained.
        robot: Whose prior whitens.
        rng: Random numbers.

    Returns:
        (robots * episodes, num_parameters); a robot's episodes stand together.
    """
    out = np.repeat(truths, episodes, axis=0)
    found = belief.provenance.get("disturbances", [])
    rows = cast("list[dict[str, float]]", found if isinstance(found, list) else [])
    if not rows:
        return out
    # Of what wanders, the part that lasts over a docking's response: the variance of its mean, for a short length.
    wanders = float(
        np.mean([2.0 * r["length"] / (2.0 * r["length"] + RESPONSE) * r["acceleration"] ** 2 for r in rows])
    )
    own = float(np.mean([r["offset"] ** 2 for r in rows]))
    share = np.repeat(rng.uniform(0.0, STAYS, len(truths)), episodes)
    size = np.sqrt(own + share**2 * wanders)
    for name in ("residual_x", "residual_y", "residual_z"):
        k = index_of(name)
        if robot.prior.spread[k] > 0.0:
            out[:, k] += size / robot.prior.spread[k] * rng.standard_normal(len(out))
    assert out.shape[1] == NUM_PARAMETERS
    return out


def _is_forecast(row: object) -> bool:
    """Whether this is what a forecast says of one figure."""
    if not isinstance(row, dict):
        return False
    found = [cast("dict[str, object]", row).get(k) for k in ("mean", "low", "high")]
    return all(isinstance(v, int | float) and is_finite(v) for v in found)


def compare(given: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How it did: the figures of a flight's episodes against a forecast's intervals.

    Args:
        given: What `forecast` returned.
        outcomes: One row an episode, with `success`, `time_s`, `final_error_m` and `impulse_ns`.

    Raises:
        ConfigError: no outcome, one without a figure, or no forecast.
    """
    rows: object = outcomes
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in cast("list[object]", rows)):
        raise ConfigError("outcomes: expected one or more episodes in a list, each a table of its figures.")
    found: object = given.get("figures")
    figures = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if not all(_is_forecast(figures.get(name)) for name in FIGURES):
        raise ConfigError(f"forecast: expected figures with mean, low and high, of {', '.join(FIGURES)}, as `stope "
                          "flight forecast --out` writes them.")  # fmt: skip
    out: dict[str, Any] = {"episodes": len(outcomes), "figures": {}}
    for name in FIGURES:
        values = [row.get(name) for row in outcomes]
        if not all(isinstance(v, bool | int | float) and is_finite(v) for v in values):
            if name == "energy_j":
                continue
            raise ConfigError(f"outcomes: {name} is missing or no number: expected one in each row.")
        came = float(np.mean([float(cast("float", v)) for v in values]))
        row = figures[name]
        out["figures"][name] = {**row, "came": came, "is_covered": bool(row["low"] <= came <= row["high"])}
    return out
