# SPDX-License-Identifier: Apache-2.0
"""Faults on schedule or by rate: what each does, and a refusal of those that cannot do anything.

- `robots-lost`: a share of the robots is gone when its present work ends, with what it carries.
- `units-down`: a share of the plant's units stands still for so long; unloadings that were granted go on.
- `blackout`: no contact with Earth for so long.
- `dust`: arrays give a share less for so long.
- `dig-down`: drums bring a share less for so long.
- `spares-lost`: a share of the spare parts is gone.

A fault strikes at the first look of the dispatcher at or after its time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stope.base.errors import ConfigError
from stope.base.seeding import generator
from stope.base.units import DAY, HOUR
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import Kind, World

if TYPE_CHECKING:
    from stope.fleet.mission.scenario import Fault, MonthScenario

__all__ = ["Strike", "check_faults", "strike", "strikes"]

LASTING = ("units-down", "blackout", "dust", "dig-down")
"""Faults that need a length."""


class Strike(NamedTuple):
    """One change at one time."""

    time: float
    """[s]."""
    kind: str
    share: float
    """Of what is struck; for the end of a fault, of what comes back."""
    hours: float
    is_end: bool


def check_faults(scenario: MonthScenario) -> None:
    """Refuse every fault that could have no effect.

    Raises:
        ConfigError: naming the fault, and why nothing would happen.
    """
    fleet = scenario.fleet
    robots = fleet.excavators + fleet.haulers + fleet.prospectors
    for number, fault in enumerate(scenario.faults):
        why = ""
        if fault.at_d >= scenario.days:
            why = f"at_d = {fault.at_d:g} d is after the end, {scenario.days:g} d"
        elif fault.kind in LASTING and fault.hours == 0.0:
            why = "hours = 0 h"
        elif fault.kind != "blackout" and fault.share == 0.0:
            why = "share = 0"
        elif fault.kind == "robots-lost" and fault.share * robots < 1.0:
            why = f"share = {fault.share:g} of {robots} robots is less than one"
        elif fault.kind == "units-down" and fault.share * fleet.units < 1.0:
            why = f"share = {fault.share:g} of {fleet.units} units is less than one"
        elif fault.kind == "blackout" and scenario.link.autonomy == "E4":
            why = "autonomy is E4, so nothing waits for Earth"
        elif fault.kind == "spares-lost" and 0.0 in (scenario.failing.spares_per_robot, scenario.failing.spare_share):
            why = "there are no spares, or no repair needs one"
        if why:
            raise ConfigError(f"MonthScenario.faults[{number}] {fault.kind!r}: {why}: expected a fault with an effect.")


def strikes(scenario: MonthScenario, *, seed: int, replicate: int) -> list[Strike]:
    """All changes that faults make, in order of time; blackouts are in the contacts instead."""
    out: list[Strike] = []
    for number, fault in enumerate(scenario.faults):
        if fault.kind == "blackout":
            continue
        for t in fault_times(scenario, fault, number, seed=seed, replicate=replicate):
            out.append(Strike(t, fault.kind, fault.share, fault.hours, is_end=False))
            if fault.kind in ("dust", "dig-down"):
                out.append(Strike(t + fault.hours * HOUR, fault.kind, fault.share, fault.hours, is_end=True))
    return sorted(out)


def fault_times(scenario: MonthScenario, fault: Fault, number: int, *, seed: int, replicate: int) -> list[float]:
    """When a fault strikes [s]: once, or at exponential intervals from its first time on."""
    times, end = [fault.at_d * DAY], scenario.days * DAY
    rng = generator(seed, "month", replicate, "fault", number)
    while fault.every_d > 0.0 and times[-1] < end:
        times.append(times[-1] + rng.exponential(fault.every_d * DAY))
    return [t for t in times if t < end]


def strike(world: World, what: Strike) -> None:
    """Let one change happen to a world whose batteries are settled."""
    factor = 1.0 / (1.0 - what.share) if what.is_end and what.share < 1.0 else 1.0 - what.share
    if what.kind == "robots-lost":
        robots = np.flatnonzero(world.whole[:, k.KIND] != Kind.UNIT)
        world.whole[robots[:: max(1, round(1.0 / what.share))], k.DOOMED] = 1
    elif what.kind == "units-down":
        rows = world.units[: max(1, math.floor(what.share * len(world.units)))]
        rows[:, k.WORK_UNTIL] = np.maximum(rows[:, k.WORK_UNTIL], what.time) + what.hours * HOUR
        rows[:, k.FIRST_PORT :] = np.maximum(rows[:, k.FIRST_PORT :], what.time + what.hours * HOUR)
    elif what.kind == "spares-lost":
        world.spares[:] = np.floor(world.spares * factor)
    else:
        column = k.DUST if what.kind == "dust" else k.DIG_FACTOR
        world.constants[column] = world.constants[column] * factor if what.share < 1.0 else float(what.is_end)
