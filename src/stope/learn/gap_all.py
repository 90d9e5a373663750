# SPDX-License-Identifier: Apache-2.0
"""The gravity gaps by kind and skill: which there are, and the call that measures each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from stope.base.progress import Progress, silent
from stope.base.workers import Workers
from stope.learn.gap import flight_gap
from stope.learn.gap_contact import RECIPES, skill_gap
from stope.learn.gap_model import model_gap
from stope.learn.gap_quick import PLACES, quick_gap
from stope.learn.skills import FLIGHTS, flight_config

__all__ = ["EPISODES", "GAPS", "Kind", "gaps"]

Kind = Literal["trained", "quick", "model"]
GAPS: dict[str, tuple[str, ...]] = {"trained": (*FLIGHTS, *RECIPES), "quick": tuple(PLACES), "model": FLIGHTS}
"""Skills by kind of gap."""
EPISODES = {"flight": 1000, "contact": 32, "model": 1000}
"""In each cell and seed, unless told otherwise; a task with contact costs a thousand times as much."""


def gaps(
    kind: Kind, skills: Sequence[str], root: Path, *, seeds: int, num: int | None = None, num_threads: int = 1,
    progress: Progress = silent, workers: Workers | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Measure the gap of each skill.

    Args:
        kind: Of policies trained here, of the shipped ones, or of predictive models.
        skills: Of `GAPS[kind]`.
        root: Folder of all runs.
        seeds: Trainings at each place; the shipped policies are flown with the first seed.
        num: Episodes in each cell and seed; None leaves it to the skill.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each stage.
        workers: Who works; this process if left out. Results do not depend on it.
    """
    numbers = tuple(range(1, seeds + 1))
    found = []
    for skill in skills:
        if kind == "quick":
            found.append(quick_gap(skill, num=num, num_threads=num_threads, progress=progress, workers=workers))
        elif kind == "model":
            found.append(model_gap(skill=skill, num=num or EPISODES["model"], seeds=numbers, num_threads=num_threads,
                                   progress=progress, workers=workers))  # fmt: skip
        elif skill in FLIGHTS:
            found.append(flight_gap(flight_config(skill), root, seeds=numbers, num=num or EPISODES["flight"],
                                    num_threads=num_threads, progress=progress, workers=workers))  # fmt: skip
        else:
            found.append(skill_gap(RECIPES[skill], root, seeds=numbers, num=num or EPISODES["contact"],
                                   num_threads=num_threads, progress=progress, workers=workers))  # fmt: skip
    return found
