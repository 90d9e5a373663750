# SPDX-License-Identifier: Apache-2.0
"""A fleet's mission, simulated event by event from a skill bank, and again with other chances.

What is measured is in the bank: every flight and docking is one whole outcome of it. What is assumed is in the
scenario, with its source. The intervals here are those of chance from month to month; how well the bank itself is known
is in the bank's own table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from stope.base.progress import Progress, silent
from stope.fleet.ferry import Ferry
from stope.fleet.figures import MissionResult, summarise
from stope.fleet.month import Month, month_of
from stope.fleet.scenario import FerryScenario
from stope.fleet.skill_bank import SkillBank
from stope.fleet.trips import plan_trips

__all__ = ["Store", "keep_nothing", "months", "simulate", "simulate_month"]

Store = Callable[[str, Callable[[], dict[str, Any]]], dict[str, Any]]
"""Given a name and how to make it, returns what is stored under the name, made now if it is not there: `Run.json`."""


def keep_nothing(_: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A store that makes everything anew."""
    return make()


def simulate_month(scenario: FerryScenario, bank: SkillBank, *, seed: int, replicate: int = 0) -> Month:
    """Simulate one replicate of a mission.

    Args:
        scenario: What there is to do, and with what.
        bank: Measured outcomes of every activity of the scenario.
        seed: Root seed of all chance.
        replicate: Which one; every one has chances of its own.

    Returns:
        Its figures; the same for the same arguments, to the bit.

    Raises:
        RangeError: if the bank lacks an activity or a payload.
        ConfigError: if a robot could never hold what a trip needs.
    """
    ferry = Ferry(scenario, bank, seed=seed, replicate=replicate)
    ferry.run()
    return month_of(ferry)


def months(scenario: FerryScenario, bank: SkillBank, *, seed: int, store: Store = keep_nothing) -> Iterator[Month]:
    """Each replicate of a mission, one by one; those that the store has are not simulated again."""
    for replicate in range(scenario.replicates):

        def make(replicate: int = replicate) -> dict[str, Any]:
            return simulate_month(scenario, bank, seed=seed, replicate=replicate).as_dict()

        name = f"months/{replicate:04d}.json"
        yield Month.from_dict(store(name, make), where=name)


def simulate(
    scenario: FerryScenario,
    bank: SkillBank,
    *,
    seed: int,
    progress: Progress = silent,
    store: Store = keep_nothing,
) -> MissionResult:
    """Simulate every replicate of a mission and say what they have in common.

    Args:
        scenario: What there is to do, and with what; `scenario.replicates` times.
        bank: Measured outcomes of every activity of the scenario.
        seed: Root seed of all chance.
        progress: Told of the share done.
        store: Keeps each month, so that a killed run goes on where it was: `Run.json` of a run whose configuration
            holds the scenario, the bank's digest and the seed.

    Raises:
        RangeError: if the bank lacks an activity or a payload.
        ConfigError: if a robot could never hold what a trip needs, or the store holds something else.
    """
    plan_trips(scenario, bank)  # says what is wrong before the first month is begun
    done: list[Month] = []
    for month in months(scenario, bank, seed=seed, store=store):
        done.append(month)
        progress("the month", len(done) / scenario.replicates)
    return summarise(scenario, bank, done, seed=seed)
