# SPDX-License-Identifier: Apache-2.0
"""Faults on schedule or by rate: what each does, and a refusal of those that cannot do anything.

| kind | what happens, for `hours` where it says "meanwhile" |
| --- | --- |
| `robots-lost` | a share of the robots is gone when its present work ends, with what it carries |
| `tools-stuck` | a share of the excavators fails when its present work ends, and needs a maintainer |
| `units-down` | a share of the plant's units stands still meanwhile; unloadings that were granted go on |
| `spares-lost` | a share of the spare parts is gone |
| `landslide` | the piles of a share of the pits are buried, and nobody digs there meanwhile |
| `dust` | arrays give a share less meanwhile |
| `batteries-weak` | batteries hold a share less meanwhile |
| `dig-down` | drums bring a share less meanwhile |
| `grade-bias` | prospectors read grades a share too high meanwhile |
| `skill-fails` | a share of the attempts at a skill that would have succeeded fails meanwhile: a slipped anchor |
| `skill-slow` | attempts at a skill take a share longer meanwhile |
| `skill-refused` | no policy flies a skill meanwhile: a wrong version, observations refused, inference too slow |
| `brain-down` | as if every skill were refused: the site's server is gone, robots stay in safe mode |
| `blackout` | no contact with Earth meanwhile: the relay is lost |
| `delay` | light takes a share longer meanwhile |
| `answers-lost` | a share of Earth's answers is lost meanwhile, and asked for again when it should have come |

A fault strikes at the first look of the dispatcher at or after its time. What is not here is not part of a month: disks
that fill and files that are cut (`stope.fleet.mission.kept`), a brain that is killed (`stope.fleet.brain`), messages
that overtake each other (each question waits for its own answer).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.base.seeding import generator
from stope.base.units import DAY, HOUR
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import SKILLS, Count, Kind, Phase, World
from stope.fleet.mission.kernels.queues import stand_still

if TYPE_CHECKING:
    from stope.fleet.mission.scenario import Fault, MonthScenario

__all__ = ["Strike", "check_faults", "strike", "strikes"]

FACTORS = {"dust": (k.DUST, -1), "dig-down": (k.DIG_FACTOR, -1), "batteries-weak": (k.CAPACITY, -1),
           "grade-bias": (k.GRADE_GAIN, 1), "skill-fails": (k.SUCCESS, -1), "skill-slow": (k.SLOWNESS, 1),
           "delay": (k.LIGHT_TIME, 1), "answers-lost": (k.ANSWERS, -1)}  # fmt: skip
"""Constants that a fault multiplies by 1 plus or minus its share while it lasts; of a skill where there are several."""
LASTING = ("units-down", "landslide", "skill-refused", "brain-down", "blackout", *FACTORS)
"""Faults that need a length."""
WHOLE = ("skill-refused", "brain-down", "blackout")
"""Faults that have no share."""
EARTH = ("blackout", "delay", "answers-lost")
"""Faults of the link."""
MINED_LOST, WATER_LOST = int(Count.LOST), int(Count.WATER_LOST)


class Strike(NamedTuple):
    """One change at one time."""

    time: float
    """[s]."""
    kind: str
    share: float
    """Of what is struck."""
    hours: float
    skill: str
    is_end: bool
    number: int
    """The same for begin and end of a fault that lasts."""


def check_faults(scenario: MonthScenario) -> None:
    """Refuse every fault that could have no effect.

    Raises:
        ConfigError: naming the fault, and why nothing would happen.
    """
    for number, fault in enumerate(scenario.faults):
        why = _never(scenario, fault) or _nobody(scenario, fault)
        if why:
            raise ConfigError(f"MonthScenario.faults[{number}] {fault.kind!r}: {why}: expected a fault with an effect.")


def _never(scenario: MonthScenario, fault: Fault) -> str:
    """Why a fault would never be felt, or could not be told from the next, by its time, length and share."""
    last = (math.ceil(scenario.days * DAY / scenario.tick) - 1) * scenario.tick
    if fault.at_d >= scenario.days:
        return f"at_d = {fault.at_d:g} d is after the end, {scenario.days:g} d"
    if fault.at_d * DAY > last and fault.kind != "blackout":
        return f"at_d = {fault.at_d:g} d is after the dispatcher's last look, {last / DAY:g} d"
    if 0.0 < fault.every_d * DAY < scenario.tick:
        return f"every_d = {fault.every_d:g} d is more often than the dispatcher looks, every {scenario.tick:g} s"
    if fault.kind in LASTING and fault.hours == 0.0:
        return "hours = 0 h"
    if fault.kind in FACTORS and fault.hours * HOUR < scenario.tick:
        return f"hours = {fault.hours:g} h is over before the dispatcher's next look, {scenario.tick / HOUR:.3g} h"
    return "share = 0" if fault.kind not in WHOLE and fault.share == 0.0 else ""


def _nobody(scenario: MonthScenario, fault: Fault) -> str:
    """Why there is nobody or nothing that a fault could strike."""
    fleet, failing, ground, kind = scenario.fleet, scenario.failing, scenario.ground, fault.kind
    robots, pits = fleet.excavators + fleet.haulers + fleet.prospectors, scenario.num_yards * ground.pits_per_yard
    counted = {"robots-lost": (robots, "robots"), "tools-stuck": (fleet.excavators, "excavators"),
               "units-down": (fleet.units, "units"), "landslide": (pits, "pits")}  # fmt: skip
    num, name = counted.get(kind, (0, ""))
    reasons = {
        f"share = {fault.share:g} of {num} {name} is less than one": bool(name) and fault.share * num < 1.0,
        "autonomy is E4, so nothing waits for Earth": kind in EARTH and scenario.link.autonomy == "E4",
        "light_time is 0 s": kind == "delay" and scenario.link.light_time == 0.0,
        "there are no prospectors": fleet.prospectors == 0 and (kind == "grade-bias" or fault.skill == "hop"),
        "a pit has one cell, so there is nothing to choose": kind == "grade-bias" and ground.cells == 1,
        "there are no spares, or no repair needs one":
            kind == "spares-lost" and 0.0 in (failing.spares_per_robot, failing.spare_share),
    }  # fmt: skip
    return next((why for why, is_so in reasons.items() if is_so), "")


def strikes(scenario: MonthScenario, *, seed: int, replicate: int) -> list[Strike]:
    """All changes that faults make, in order of time; blackouts are in the contacts instead."""
    out: list[Strike] = []
    for number, fault in enumerate(scenario.faults):
        if fault.kind == "blackout":
            continue
        for t in fault_times(scenario, fault, number, seed=seed, replicate=replicate):
            begin = Strike(t, fault.kind, fault.share, fault.hours, fault.skill, is_end=False, number=len(out))
            out.append(begin)
            if fault.kind in FACTORS:
                out.append(begin._replace(time=t + fault.hours * HOUR, is_end=True))
    return sorted(out)


def fault_times(scenario: MonthScenario, fault: Fault, number: int, *, seed: int, replicate: int) -> list[float]:
    """When a fault strikes [s]: once, or at exponential intervals from its first time on."""
    times, end = [fault.at_d * DAY], scenario.days * DAY
    rng = generator(seed, "month", replicate, "fault", number)
    while fault.every_d > 0.0 and times[-1] < end:
        times.append(times[-1] + rng.exponential(fault.every_d * DAY))
    return [t for t in times if t < end]


def strike(world: World, done: list[Strike], usual: NDArray[np.float64], t: float) -> None:
    """Let the last of some strikes happen at a time [s] to a world whose batteries are settled.

    Args:
        world: Changes.
        done: Every strike so far, this one last.
        usual: Constants of a world without faults.
        t: Not before the strike's own time.
    """
    what = done[-1]
    until = t + what.hours * HOUR
    if what.kind in FACTORS:
        column = _column(what)
        ended = {s.number for s in done if s.is_end}
        lasting = [s for s in done if s.kind in FACTORS and s.number not in ended and _column(s) == column]
        world.constants[column] = usual[column] * math.prod(1.0 + FACTORS[s.kind][1] * s.share for s in lasting)
    elif what.kind in ("brain-down", "skill-refused"):
        first = k.HELD_UNTIL + (SKILLS.index(what.skill) if what.skill else 0)
        held = slice(first, first + (1 if what.skill else len(SKILLS)))
        world.constants[held] = np.maximum(world.constants[held], until)
    elif what.kind == "landslide":
        pits = world.pits[_some(np.arange(len(world.pits)), what.share)]
        world.counts[MINED_LOST] += pits[:, k.PILE].sum()
        world.counts[WATER_LOST] += pits[:, k.PILE_WATER].sum()
        pits[:, [k.PILE, k.PILE_WATER]] = 0
        pits[:, k.CLOSED_UNTIL] = np.maximum(pits[:, k.CLOSED_UNTIL], math.ceil(until))
        world.pits[_some(np.arange(len(world.pits)), what.share)] = pits
    elif what.kind == "units-down":
        for unit in world.units[: max(1, math.floor(what.share * len(world.units)))]:
            stand_still(unit, t, until, usual[k.END])
    elif what.kind == "spares-lost":
        world.spares[:] = np.floor(world.spares * (1.0 - what.share))
    else:
        kind, is_there = world.whole[:, k.KIND], world.whole[:, k.PHASE] != Phase.LOST
        if what.kind == "robots-lost":
            world.whole[_some(np.flatnonzero((kind != Kind.UNIT) & is_there), what.share), k.DOOMED] = 1
        else:
            world.real[_some(np.flatnonzero((kind == Kind.EXCAVATOR) & is_there), what.share), k.CLOCK] = 0.0


def _column(what: Strike) -> int:
    """Constant that a lasting fault changes."""
    return FACTORS[what.kind][0] + (SKILLS.index(what.skill) if what.skill else 0)


def _some(all_of_them: NDArray[Any], share: float) -> NDArray[Any]:
    """A share of some things, evenly picked, at least one where there is one."""
    num = min(len(all_of_them), max(1, round(share * len(all_of_them))))
    return all_of_them[np.arange(num) * len(all_of_them) // max(num, 1)]
