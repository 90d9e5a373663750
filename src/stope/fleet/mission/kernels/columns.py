# SPDX-License-Identifier: Apache-2.0
"""Columns of a fleet's state: what each number of a robot, a pit, a unit and the books is, and the arrays together.

One robot is one row, so that an event touches few cache lines. Times are seconds from the start, energies joules,
masses whole grams, water whole milligrams.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

__all__ = ["COUNTS", "KINDS", "PHASES", "SKILLS", "WORKING", "Count", "Kind", "Phase", "Skill", "World"]


class Kind(IntEnum):
    """What a robot is for."""

    EXCAVATOR = 0
    HAULER = 1
    PROSPECTOR = 2
    UNIT = 3


class Phase(IntEnum):
    """What a robot is doing; names in figures are lower case with hyphens."""

    DECIDE = 0
    RECHARGE = 1
    COOL = 2
    ANCHOR = 3
    DIG = 4
    DEPOSIT = 5
    BLOCKED = 6
    PARKED = 7
    LEG_OUT = 8
    QUEUE_PIT = 9
    LOAD = 10
    LEG_BACK = 11
    QUEUE_PORT = 12
    UNLOAD = 13
    PROSPECT = 14
    QUEUE_REPAIR = 15
    REPAIR = 16
    WAIT_EARTH = 17
    PROCESS = 18
    LOST = 19
    NO_SPARE = 20
    SAFE = 21


class Skill(IntEnum):
    """Which table of measured outcomes an activity draws from."""

    ANCHOR = 0
    DIG = 1
    DOCK = 2
    HAUL = 3
    HOP = 4
    CAPTURE = 5


class Count(IntEnum):
    """Whole numbers that a month adds up."""

    EVENTS = 0
    MINED = 1
    LOST = 2
    UNLOADED = 3
    WATER_MINED = 4
    WATER_LOST = 5
    WATER_UNLOADED = 6
    FAILURES = 7
    ROBOTS_LOST = 8
    SPARES_USED = 9
    REPAIRS = 10
    LEGS = 11
    LEGS_FAILED = 12
    LOADS = 13
    DEPOSITS = 14
    PORT_ARRIVALS = 15
    PIT_ARRIVALS = 16
    REPAIR_ARRIVALS = 17
    SAMPLES = 18
    ASKED_EARTH = 19
    GAVE_UP = 20
    TRIES = 21
    LOADS_LOST = 22


KINDS = tuple(k.name.lower() for k in Kind)
PHASES = tuple(p.name.lower().replace("_", "-") for p in Phase)
SKILLS = tuple(s.name.lower() for s in Skill)
COUNTS = tuple(c.name.lower() for c in Count)
WORKING = (Phase.ANCHOR, Phase.DIG, Phase.DEPOSIT, Phase.LEG_OUT, Phase.LOAD, Phase.LEG_BACK, Phase.UNLOAD,
           Phase.PROSPECT, Phase.PROCESS)  # fmt: skip
"""Phases in which the clock of failures runs."""

# Columns of `World.real`, one row a robot.
T_NEXT, SINCE, BATTERY, T_BATTERY, CLOCK, SERVICE, DURATION, ENERGY, USED, SOLAR, CURTAILED, SHED, PROPELLANT = range(
    13
)
NUM_REAL = 13
# Columns of `World.whole`, one row a robot.
KIND, PHASE, PIT, YARD, UNIT, LOAD, WATER, DRAWS, OUTCOME, MASS, NEXT, LINK, RESUME, DOOMED = range(14)
NUM_WHOLE = 14
# Columns of `World.pits`, one row a pit; the queues are lists linked by NEXT.
(PILE, PILE_WATER, INBOUND, QUEUE_HEAD, QUEUE_TAIL, QUEUE_LENGTH, BLOCKED_HEAD, BLOCKED_TAIL, HOME, GRADE,
 CLOSED_UNTIL) = range(11)  # fmt: skip
NUM_PIT = 11
# Columns of `World.units`, one row a unit: when the ore promised to it is done [s], until when it stands still [s], how
# long it has stood still within the month [s], work left in one that stands still for good [s]; from FIRST_PORT on,
# when each port is free [s].
WORK_UNTIL, DOWN_UNTIL, DOWN_TIME, WORK_LEFT, FIRST_PORT = range(5)
# Columns of `World.waits`, one row a queue: sum of waits [s], longest [s], waits.
QUEUE_AT_PORT, QUEUE_AT_PIT, QUEUE_FOR_REPAIR = range(3)
# Constants of `World.constants`.
(
    CAPACITY,
    IDLE,
    ARRAY,
    WORST_DIG,
    WORST_HAUL,
    WORST_HOP,
    RESERVE,
    HOPPER,
    DUMP_TIME,
    MOVE_TIME,
    DEPOSIT_TIME,
    MOVE_POWER,
    WEAR,
    WEAR_FLOOR,
    PILE_MOST,
    HAUL_LOAD,
    LEG_SUCCESS,
    LEG_LOSS,
    LEG_POWER,
    LEG_PROPELLANT,
    LOAD_TIME,
    UNLOAD_TIME,
    UNIT_HOPPER,
    UNIT_RATE,
    NUM_UNITS,
    MTBF,
    MTTR,
    LOST_SHARE,
    SPARE_SHARE,
    LIGHT_TIME,
    DECISION,
    AUTONOMY,
    DISPATCH,
    LOADS,
    SPIN,
    NUM_BINS,
    SAMPLE_TIME,
    SAMPLE_NOISE,
    UNIT_MTBF,
    END,
    DIG_FACTOR,
    DUST,
    GRADE_GAIN,
    ANSWERS,
    SUCCESS,
) = range(45)
# From SUCCESS, SLOWNESS and HELD_UNTIL on, one number for each skill.
SLOWNESS, HELD_UNTIL, NUM_CONSTANTS = SUCCESS + 6, SUCCESS + 12, SUCCESS + 18
SHORTEST, NEAREST, ASSIGNED = 0, 1, 2
"""Values of DISPATCH."""


class World(NamedTuple):
    """Every array of one month; the engine changes them in place."""

    real: Any
    """(robots, NUM_REAL)."""
    whole: Any
    """(robots, NUM_WHOLE)."""
    pits: Any
    """(pits, NUM_PIT)."""
    units: Any
    """(units, FIRST_PORT + ports); units of one yard stand together."""
    repairers: Any
    """When each is free, (yards, repairers) [s]."""
    spares: Any
    """(yards,)."""
    near: Any
    """Pits by distance from each yard, (yards, candidates)."""
    leg_time: Any
    """To each of `near`, (yards, candidates) [s]."""
    leg_hops: Any
    """Of each of those legs, (yards, candidates)."""
    sunlight: Any
    """Light gathered since the start of a turn, on a square metre of array, (pits, NUM_BINS + 1) [J/m2]."""
    cool_bins: Any
    """Bins until it is cool enough to work, (pits, NUM_BINS)."""
    records: Any
    """Outcome, duration, energy, mass, propellant of each record of all tables, (records, 5)."""
    tables: Any
    """First record and number of records of each skill, (skills, 2)."""
    contact: Any
    """Begin and end of each contact with Earth, (contacts, 2) [s]."""
    times: Any
    """Robot time by kind and phase, (kinds, phases) [s]."""
    counts: Any
    """(counts,)."""
    waits: Any
    """(queues, 3)."""
    draws: Any
    """Records drawn, by skill and pit, (skills, pits)."""
    samples: Any
    """(pits, cells)."""
    sample_sum: Any
    """(pits, cells)."""
    true_grade: Any
    """(pits, cells) [share]."""
    constants: Any
    """(NUM_CONSTANTS,)."""
    calendar: Any
    """First robot of each window of the ring, (ring,)."""
    heap: Any
    """Robots that end in the window at hand, (robots,)."""
    clock: Any
    """Number of the window at hand, robots in `heap`, rows in the log, (3,)."""
    log: Any
    """Activities that ended: robot, phase, start, end, outcome, mass, energy, pit, (rows, 8)."""
