# SPDX-License-Identifier: Apache-2.0
"""Practice: what the scripted baseline of a task achieves, and what doing nothing does, in the same worlds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.config import override
from stope.base.errors import UnknownName
from stope.base.intervals import clopper_pearson
from stope.base.progress import Progress, silent
from stope.learn.baselines.velocity_pd import VelocityPd
from stope.learn.pilots import NothingPilot, ScriptPilot, fly_skill
from stope.world.body import load_body
from stope.world.env import DockBatch
from stope.world.robots import load_robot
from stope.world.site import make_site
from stope.world.tasks import CONTACT_TASKS, ContactTask, DockConfig, HaulConfig, dock
from stope.world.tasks.haul import HAULER

__all__ = ["TASK_NAMES", "practise", "task_class"]

PILOTS = ("script", "nothing")
FLOWN = {"dock": (DockConfig, "bee-gas"), "haul": (HaulConfig, HAULER)}
"""Tasks of one rigid body without contact: configuration and robot."""
TASK_NAMES = tuple(sorted({*FLOWN, *CONTACT_TASKS}))


def task_class(name: str) -> type[DockConfig] | type[ContactTask]:
    """The configuration class of a task.

    Raises:
        UnknownName: no such task.
    """
    if name not in TASK_NAMES:
        raise UnknownName.of("task", name, TASK_NAMES, listing="stope world tasks")
    return FLOWN[name][0] if name in FLOWN else CONTACT_TASKS.get(name)


def practise(
    task: str,
    *,
    num: int,
    seed: int,
    settings: list[str] | None = None,
    num_threads: int = 1,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Success of the scripted baseline and of doing nothing, over one episode in each of `num` worlds.

    Args:
        task: A name of `TASK_NAMES`.
        num: Episodes of each pilot; both get the same worlds and starts.
        seed: Root seed.
        settings: Overrides of the task's numbers, such as `time_limit=60`; `task.time_limit=60` is the same.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each stage and its share done.

    Returns:
        By pilot, `success`, `n`, `low`, `high` (Clopper-Pearson, 95 %) and the share that `failed` for good.

    Raises:
        UnknownName: no such task.
    """
    config = override(task_class(task)(), [text.removeprefix("task.") for text in settings or []])
    out = {}
    for pilot in PILOTS:
        show = partial(progress, f"{task}: {pilot}")
        if isinstance(config, ContactTask):
            success, failed = _touched(config, pilot, num=num, seed=seed, num_threads=num_threads, show=show)
        else:
            success, failed = _flown(config, pilot, robot=FLOWN[task][1], num=num, seed=seed, num_threads=num_threads,
                                     show=show)  # fmt: skip
        rate = clopper_pearson(int(success.sum()), num)
        out[pilot] = asdict(rate) | {"failed": float(failed.mean())}
    return out


Ends = tuple[NDArray[np.bool_], NDArray[np.bool_]]


def _touched(
    work: ContactTask, pilot: str, *, num: int, seed: int, num_threads: int, show: Callable[[float], None]
) -> Ends:
    batch = work.batch(num_worlds=num, seed=seed, num_threads=num_threads)
    who = ScriptPilot(work) if pilot == "script" else NothingPilot(batch.action.shape[1])
    flown = fly_skill(who, batch, show=show)
    return flown.is_success, flown.has_failed


def _flown(
    config: DockConfig,
    pilot: str,
    *,
    robot: str,
    num: int,
    seed: int,
    num_threads: int,
    show: Callable[[float], None],
) -> Ends:
    flyer = load_robot(robot)
    site = make_site(load_body("ryugu"), latitude_deg=30.0, longitude_deg=0.0, height=6.0)
    batch = DockBatch(flyer, site, num_worlds=num, seed=seed, task=config, num_threads=num_threads)
    script = VelocityPd(robot=flyer, uses_belief=True)
    observation = batch.reset()
    success, failed, over = (np.zeros(num, dtype=np.bool_) for _ in range(3))
    for step in range(batch.max_episode_steps):
        action = script.act(observation) if pilot == "script" else np.zeros((num, 6))
        observation, _, terminated, truncated = batch.step(action, autoreset=False)
        success |= (batch.last_record[:, dock.SUCCESS_TIME] >= 0.0) & ~over
        failed |= terminated & ~over
        over |= terminated | truncated
        show((step + 1) / batch.max_episode_steps)
    return success, failed
