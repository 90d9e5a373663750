# SPDX-License-Identifier: Apache-2.0
"""The gravity gap of what is shipped: the package's policies away from home, beside the script and doing nothing.

Nothing is trained. The best of a place is its script, which knows the task and is told nothing; the gap is the share of
what the script can do there, over doing nothing, that the policy lacks. Below zero the policy does better. Everybody
gets the same worlds, starts and noise at a place. No safety envelope: its limits are those of home.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from stope.base.config import override
from stope.base.errors import ConfigError, UnknownName
from stope.base.intervals import clopper_pearson
from stope.base.progress import Progress, silent
from stope.base.seeding import stream_key
from stope.base.workers import Here, Unit, Workers
from stope.learn.baselines import VelocityPd, ZeroPolicy
from stope.learn.evaluate import Policy, conditions, fly
from stope.learn.gap import TESTED, Found, matrix
from stope.learn.pilots import GruPilot, NothingPilot, Pilot, ScriptPilot, fly_skill
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.skills import FLIGHTS, flight_config, shipped, shipped_names
from stope.world.allocation import Allocation
from stope.world.contact_env import ContactBatch
from stope.world.env import DockBatch
from stope.world.gravities import GRAVITIES, place_of
from stope.world.platforms import PLATFORMS
from stope.world.tasks import CONTACT_TASKS

__all__ = ["LEFT_OUT", "NUM", "PLACES", "quick_gap"]

SLOW = tuple(name for name, g in GRAVITIES.items() if g.level == g.felt)
PLACES: dict[str, tuple[str, ...]] = {
    "dock": TESTED, "haul": TESTED, "capture": ("orbit", "gimbal"), "anchor": tuple(GRAVITIES),
    "dig": tuple(GRAVITIES), "hop": SLOW,
}  # fmt: skip
"""Where each skill is tried."""
LEFT_OUT: dict[str, dict[str, str]] = {
    "capture": {"table": "not built: a boulder that tumbles about any axis leaves the plane of a table"},
    "hop": {name: "not built: off-loaded it would not land, and on its own a push of 0.2 s is no impulse there"
            for name in GRAVITIES if name not in SLOW},
}  # fmt: skip
"""Where a skill is not tried, and why."""
NUM = {"dock": 500, "haul": 500, "capture": 48, "anchor": 48, "dig": 12, "hop": 32}
"""Episodes in each cell, meant for less than ten minutes of two cores in all; chosen, and that sum was not measured."""


def quick_gap(
    skill: str, *, num: int | None = None, seed: int = 1, num_threads: int = 1, progress: Progress = silent,
    workers: Workers | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Success of the shipped policy, the script and nobody at each place, and the policy's gap to the script.

    Args:
        skill: Which.
        num: Episodes in each cell; `NUM` of the skill if None.
        seed: Root seed of worlds, starts and noise.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each pilot at each place.
        workers: Who flies: one pilot at one place is a unit. This process if left out; results do not depend on it.

    Returns:
        As `stope.learn.gap.flight_gap`, with the rows "shipped" (where one is shipped) and "script", and `paired`:
        worlds in which only the policy, or only the script, succeeded, at each place.

    Raises:
        UnknownName: no such skill.
        ConfigError: fewer than one episode.
    """
    if skill not in PLACES:
        raise UnknownName.of("skill", skill, PLACES, listing="stope gap --help")
    num = NUM[skill] if num is None else num
    if num < 1:
        raise ConfigError(f"gap: num = {num}: expected 1 or more.")
    policy = shipped(skill)[0] if skill in shipped_names() else None
    who_flies = ("script", "nothing") if policy is None else ("script", "nothing", "shipped")
    pairs = [(there, who) for there in PLACES[skill] for who in who_flies]
    units = [Unit(_flown if skill in FLIGHTS else _touched,
                  (skill, there, who, policy, num, stream_key(seed, "gap-quick", skill), num_threads),
                  f"{skill} at {there}: {who}", shows=True) for there, who in pairs]  # fmt: skip
    flown: dict[str, dict[str, list[Found]]] = {}
    for (there, who), found in zip(pairs, (workers or Here()).do(units, progress=progress), strict=True):
        flown.setdefault(who, {})[there] = [found]
    rows = [who for who in ("shipped", "script") if who in flown]
    words = {name: PLATFORMS[name].summary for name in TESTED} | {name: g.summary for name, g in GRAVITIES.items()}
    return {
        "skill": skill, "robot": _robot(skill), "seeds": [seed], "episodes": num, "trained": rows,
        "tested": list(PLACES[skill]), "platforms": {name: words[name] for name in PLACES[skill]},
        **matrix(flown, rows, PLACES[skill], best="script", under="script under 50 %"),
        "paired": {there: _paired(flown["shipped"][there][0], flown["script"][there][0]) for there in PLACES[skill]}
        if policy is not None else {},
        "left_out": LEFT_OUT.get(skill, {}), "is_shipped": policy is not None, "rows": "done by",
    }  # fmt: skip


def _robot(skill: str) -> str:
    return flight_config(skill).robot if skill in FLIGHTS else CONTACT_TASKS.get(skill)().robot


def _paired(one: Found, other: Found) -> dict[str, Any]:
    """Worlds in which only one succeeded, and whether an exact sign test tells them apart at 95 %."""
    only, lost = int((one & ~other).sum()), int((other & ~one).sum())
    sign = clopper_pearson(only, only + lost) if only + lost else None
    better = "neither shown"
    if sign is not None and (sign.low > 0.5 or sign.high < 0.5):
        better = "policy" if sign.low > 0.5 else "script"
    return {"n": len(one), "only_policy": only, "only_script": lost, "better": better}


def _flown(
    skill: str, there: str, who: str, policy: MlpPolicy | None, num: int, seed: int, num_threads: int, *,
    show: Callable[[float], None] | None = None,
) -> Found:  # fmt: skip
    """Success of one flyer on one platform."""
    config, where = flight_config(skill), PLATFORMS[there]
    robot = where.robot(config.make_robot())
    batch = DockBatch(robot, config.site.site(), num_worlds=num, seed=seed, task=where.task(config.task), pool_size=1,
                      num_threads=num_threads)  # fmt: skip
    z, told = conditions(num, seed)["prior"]
    flyer: Policy = ZeroPolicy()
    if who == "script":
        flyer = VelocityPd(robot=robot, uses_belief=True)
    elif policy is not None and who == "shipped":
        flyer = MlpPolicy(policy.weights, Allocation.of(robot), {})
    found = fly(flyer, batch, z, told).is_success
    if show is not None:
        show(1.0)
    return found


def _touched(
    skill: str, there: str, who: str, policy: GruPolicy | None, num: int, seed: int, num_threads: int, *,
    show: Callable[[float], None] | None = None,
) -> Found:  # fmt: skip
    """Success of one pilot of a task with contact at one place."""
    task = CONTACT_TASKS.get(skill)()
    pilot: Pilot = NothingPilot(len(task.action_names))
    if who == "script":
        pilot = ScriptPilot(task)
    elif policy is not None and who == "shipped":
        pilot = GruPilot(policy)
    batch = _batch(skill, there, num=num, seed=seed, num_threads=num_threads)
    return np.asarray(fly_skill(pilot, batch, show=show).is_success)


def _batch(skill: str, there: str, *, num: int, seed: int, num_threads: int) -> ContactBatch:
    """Worlds of a task at a gravity or on a platform."""
    task = CONTACT_TASKS.get(skill)()
    if there in GRAVITIES:
        return override(task, [f"body={there}"]).batch(num_worlds=num, seed=seed, num_threads=num_threads)
    home = place_of(task.robot, task.body, latitude_deg=task.latitude_deg, height=task.height)
    return ContactBatch(task, num_worlds=num, seed=seed, num_threads=num_threads,
                        place=replace(home, robot=PLATFORMS[there].robot(home.robot)))  # fmt: skip
