# SPDX-License-Identifier: Apache-2.0
"""MonthScenario: a body and its pits, a fleet, a plant, a link, failures and policies; each number with its source.

One TOML file. A number is a table `{value, unit, source}`, as in `stope.fleet.scenario`; a source that begins with
"assumed" or "chosen" is listed as such in every report.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from stope.base.config import (
    as_dict,
    build,
    check_fraction,
    check_not_negative,
    check_positive,
    content_hash,
    override,
    read_toml,
    whole,
)
from stope.base.errors import ConfigError, RangeError, UnknownName
from stope.fleet.quantities import plain
from stope.world.body import load_body

__all__ = ["FORMAT", "Digging", "Failing", "Fault", "Fleet", "Ground", "Link", "MonthScenario", "Plant", "Robots",
           "load_month", "month_names", "with_changes"]  # fmt: skip

FORMAT = "stope-month-1"
MOST_DAYS, MOST_ROBOTS, MOST_GAPS = 3_660, 1_000_000, 100_000
"""That are played; chosen: ten times the longest month, the largest fleet and the worst link that were tried."""
_FOLDER = Path(__file__).parents[1] / "months"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """The body, where yards and pits are, the light, and the ore."""

    body: str
    """Small body, a name listed by `stope world bodies`, or a TOML file."""
    latitude_deg: Annotated[float, "deg"]
    """Yards are spread evenly in longitude at this latitude, north and south by turns [deg]."""
    sun_latitude_deg: Annotated[float, "deg"]
    """Of the point under the Sun [deg]."""
    flux: Annotated[float, "W/m2"]
    """Sunlight on a plate that faces the Sun [W/m2]."""
    albedo: Annotated[float, "1"]
    """Bond albedo of the ground."""
    pit_distance: Annotated[float, "m"]
    """Mean distance of a yard's pits along the surface [m]; they stand on a ring of 0.75 to 1.25 of it."""
    pits_per_yard: Annotated[int, "1"]
    """Pits around one yard."""
    robots_per_yard: Annotated[int, "1"]
    """Robots that share one yard; a larger fleet has more yards."""
    grade: Annotated[float, "1"]
    """Mean water in the ore, share of mass."""
    grade_spread: Annotated[float, "1"]
    """Standard deviation between cells of the logarithm of the grade."""
    grade_length: Annotated[float, "m"]
    """Length over which the grade changes [m]."""
    cells: Annotated[int, "1"]
    """Cells of a pit among which prospecting chooses."""

    def __post_init__(self) -> None:
        """Check signs and shares."""
        check_positive(
            self, "flux", "pit_distance", "pits_per_yard", "robots_per_yard", "grade", "grade_length", "cells"
        )
        check_not_negative(self, "grade_spread")
        check_fraction(self, "albedo", "grade")
        if load_body(self.body).kind == "uniform" or load_body(self.body).spin_rate == 0.0:
            raise ConfigError(f"Ground.body = {self.body!r}: has no spin and no Sun. Choose a small body.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """How many of each."""

    excavators: Annotated[int, "1"]
    haulers: Annotated[int, "1"]
    prospectors: Annotated[int, "1"]
    maintainers: Annotated[int, "1"]
    units: Annotated[int, "1"]
    """Units of the plant."""

    def __post_init__(self) -> None:
        """Check that there is a fleet."""
        check_positive(self, "excavators", "haulers", "maintainers", "units")
        check_not_negative(self, "prospectors")

    @property
    def total(self) -> int:
        """Robots of all kinds, units of the plant included."""
        return self.excavators + self.haulers + self.prospectors + self.maintainers + self.units


@dataclass(frozen=True, kw_only=True, slots=True)
class Robots:
    """What every robot carries."""

    mass: Annotated[float, "kg"]
    """Of one robot, for the product per mass of the fleet [kg]."""
    unit_mass: Annotated[float, "kg"]
    """Of one unit of the plant [kg]."""
    array_area: Annotated[float, "m2"]
    array_efficiency: Annotated[float, "1"]
    battery_wh: Annotated[float, "Wh"]
    idle_power: Annotated[float, "W"]
    reserve: Annotated[float, "1"]
    """Share of the battery kept beyond the worst outcome of an activity."""
    heat_rise: Annotated[float, "K"]
    """Of a robot at work over the ground under it [K]."""
    hot_limit: Annotated[float, "K"]
    """Above this a robot does not begin to work [K]."""

    def __post_init__(self) -> None:
        """Check signs and shares."""
        check_positive(self, "mass", "unit_mass", "array_area", "battery_wh", "idle_power", "hot_limit")
        check_fraction(self, "array_efficiency", "reserve")
        check_not_negative(self, "heat_rise")


@dataclass(frozen=True, kw_only=True, slots=True)
class Digging:
    """What excavators do around a measured filling of the drums, and what prospectors add to a measured hop."""

    hopper: Annotated[float, "kg"]
    """An excavator deposits its ore when it has this much [kg]."""
    loads: Annotated[int, "1"]
    """Fillings of the drums at one anchoring."""
    dump_time: Annotated[float, "s"]
    """To empty the drums into the hopper [s]."""
    move_time: Annotated[float, "s"]
    """To move to the next spot [s]."""
    move_power: Annotated[float, "W"]
    """Of moving and depositing, over idling [W]."""
    deposit_time: Annotated[float, "s"]
    """To the pit's pile and back [s]."""
    pile: Annotated[float, "kg"]
    """A pit's pile has room for this much [kg]."""
    wear: Annotated[float, "1/h"]
    """Share of a filling lost with every hour of work since the last repair [1/h]."""
    wear_floor: Annotated[float, "1"]
    """What is left of a filling at worst."""
    sample_time: Annotated[float, "s"]
    """Of a prospector at a spot [s]."""
    sample_noise: Annotated[float, "1"]
    """Standard deviation of one measured grade."""

    def __post_init__(self) -> None:
        """Check signs and shares."""
        check_positive(self, "hopper", "loads", "pile", "sample_noise")
        check_not_negative(self, "dump_time", "move_time", "move_power", "deposit_time", "wear", "sample_time")
        check_fraction(self, "wear_floor")
        if self.pile < self.hopper:
            raise ConfigError(f"Digging.pile = {self.pile:g} kg: expected room for one hopper, {self.hopper:g} kg or "
                              "more, or no excavator could ever deposit.")  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Plant:
    """Haulers and the units they unload at."""

    load: Annotated[float, "kg"]
    """Of one hauler [kg]."""
    hop_speed: Annotated[float, "m/s"]
    """At which a hauler leaves the ground [m/s]; below the speed of a circular orbit."""
    leg_success: Annotated[float, "1"]
    """Share of tries at a leg of one hop that arrive; another takes as long again. Of more hops, each must succeed."""
    leg_loss: Annotated[float, "1"]
    """Share of failed legs that lose the robot and its load to escape."""
    leg_power: Annotated[float, "W"]
    leg_propellant: Annotated[float, "kg"]
    """Of one hop of a try at a leg [kg]."""
    load_time: Annotated[float, "s"]
    unload_time: Annotated[float, "s"]
    patience: Annotated[float, "s"]
    """A hauler waits so long for a full load at a pit [s]."""
    ports: Annotated[int, "1"]
    """Of one unit."""
    hopper: Annotated[float, "kg"]
    """Ore that a unit has room for [kg]."""
    power_kw: Annotated[float, "kW"]
    """Heat of one unit, day and night [kW]."""
    recovery: Annotated[float, "1"]
    """Share of the water in the ore that is won."""
    heat_ore: Annotated[float, "MJ/kg"]
    """To heat ore and free its water [MJ per kg of ore]."""
    heat_water: Annotated[float, "MJ/kg"]
    """To evaporate water [MJ per kg of water]."""

    def __post_init__(self) -> None:
        """Check signs and shares."""
        check_positive(self, "load", "hop_speed", "patience", "ports", "hopper", "power_kw", "heat_ore")
        check_not_negative(self, "leg_power", "leg_propellant", "load_time", "unload_time", "heat_water")
        check_fraction(self, "leg_success", "leg_loss", "recovery")
        if self.leg_success == 0.0 or self.hopper < self.load:
            raise ConfigError(
                f"Plant.leg_success, hopper, load = {self.leg_success:g}, {self.hopper:g} kg, {self.load:g} kg: "
                "expected legs that can arrive, and a hopper for one load."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """Contact with Earth, and what waits for it."""

    light_time: Annotated[float, "s"]
    """One way [s]."""
    contact_h: Annotated[float, "h"]
    """Of every day [h]."""
    decision_time: Annotated[float, "s"]
    """Of people on Earth, for one question [s]."""
    gaps: Annotated[float, "1"]
    """Unplanned blackouts in 30 days, on average."""
    gap_h: Annotated[float, "h"]
    """Length of one [h]."""
    autonomy: Literal["E1", "E2", "E3", "E4"]
    """E1: every cycle and every repair waits for Earth; E2 and E3: every repair; E4: nothing.

    E2 and E3 differ in who plans, which costs the same here: nothing, as long as nothing fails.
    """

    def __post_init__(self) -> None:
        """Check signs."""
        check_not_negative(self, "light_time", "decision_time", "gaps", "gap_h")
        if not 0.0 < self.contact_h <= 24.0:
            raise ConfigError(f"Link.contact_h = {self.contact_h}: expected more than 0, at most 24 h.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Failing:
    """How robots and units fail, and what repair needs."""

    mtbf_h: Annotated[float, "h"]
    """Mean working time between failures of a robot, exponential [h]."""
    unit_mtbf_h: Annotated[float, "h"]
    """Mean time between failures of a unit, exponential [h]."""
    mttr_h: Annotated[float, "h"]
    """Mean time of a repair after the robot is caught, exponential [h]."""
    lost_share: Annotated[float, "1"]
    """Share of robots' failures that lose the robot and what it carries."""
    spare_share: Annotated[float, "1"]
    """Share of repairs that need a spare part."""
    spares_per_robot: Annotated[float, "1"]
    """Spare parts at the start."""

    def __post_init__(self) -> None:
        """Check signs and shares."""
        check_positive(self, "mtbf_h", "unit_mtbf_h", "mttr_h")
        check_fraction(self, "lost_share", "spare_share")
        check_not_negative(self, "spares_per_robot")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something that goes wrong at a set time."""

    kind: Literal["robots-lost", "tools-stuck", "units-down", "spares-lost", "landslide", "dust", "batteries-weak",
                  "dig-down", "grade-bias", "skill-fails", "skill-slow", "skill-refused", "brain-down", "blackout",
                  "delay", "answers-lost"]  # fmt: skip
    """What: see `stope.fleet.mission.faults`."""
    at_d: Annotated[float, "d"]
    """When [d]."""
    hours: Annotated[float, "h"]
    """For how long [h]; 0 for what stays."""
    share: Annotated[float, "1"]
    """Of the robots, units, spares, light or ore, that is struck."""
    every_d: Annotated[float, "d"] = 0.0
    """Mean time to the next one, exponential [d]; 0 for once."""
    skill: Literal["", "anchor", "dig", "dock", "haul", "hop", "capture"] = ""
    """Which, for the kinds that strike a skill."""

    def __post_init__(self) -> None:
        """Check signs and shares."""
        check_not_negative(self, "at_d", "hours", "every_d")
        check_fraction(self, "share")
        if self.kind.startswith("skill-") != bool(self.skill):
            raise ConfigError(f"Fault.skill = {self.skill!r} of {self.kind!r}: expected a skill for skill-fails, "
                              "skill-slow and skill-refused, and none for others.")  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthScenario:
    """A fleet that mines for some weeks."""

    name: str
    summary: str
    days: Annotated[float, "d"]
    """Length [d]."""
    beliefs: Annotated[int, "1"]
    """Draws of what is believed of the skills: the outer loop."""
    chances: Annotated[int, "1"]
    """Months for each of them: the inner loop."""
    dispatch: Literal["shortest-queue", "nearest", "assignment"]
    """How haulers are sent to pits."""
    tick: Annotated[float, "s"]
    """Time between two looks of the dispatcher at the fleet [s]."""
    told: Literal["prior", "sharp"]
    """What robots are told of their physics: which records of the skill bank are drawn."""
    ground: Ground
    fleet: Fleet
    robots: Robots
    digging: Digging
    plant: Plant
    link: Link
    failing: Failing
    faults: tuple[Fault, ...] = ()
    """Injected on schedule."""
    sources: dict[str, str] = field(default_factory=dict[str, str], compare=False)
    """Where each number comes from, by its path."""

    def __post_init__(self) -> None:
        """Check lengths, and that every fault can have an effect."""
        check_positive(self, "days", "beliefs", "chances", "tick")
        for name, value, most in (("days", self.days, MOST_DAYS), ("fleet", self.fleet.total, MOST_ROBOTS),
                                  ("link.gaps", self.link.gaps, MOST_GAPS)):  # fmt: skip
            if value > most:
                raise ConfigError(f"MonthScenario.{name} = {value:g}: expected at most {most:,}.")
        from stope.fleet.mission.faults import check_faults  # noqa: PLC0415 -- it imports this file

        check_faults(self)

    @property
    def digest(self) -> str:
        """Content hash of all that can change a result."""
        return content_hash(as_dict(replace(self, sources={})))

    @property
    def num_yards(self) -> int:
        """Yards: one for each `robots_per_yard`, begun ones included, or as many fewer as share the units evenly.

        The maintainers are shared evenly too, so that nobody of the fleet is left out.
        """
        most = min(max(1, math.ceil(self.fleet.total / self.ground.robots_per_yard)), self.fleet.units,
                   self.fleet.maintainers)  # fmt: skip
        return next(n for n in range(most, 0, -1) if self.fleet.units % n == 0 == self.fleet.maintainers % n)

    @property
    def unit_rate(self) -> float:
        """Ore that one unit processes at the mean grade [kg/s]."""
        plant = self.plant
        heat = plant.heat_ore + plant.heat_water * self.ground.grade * plant.recovery
        return plant.power_kw / 1000.0 / heat

    def assumed(self) -> dict[str, str]:
        """Sources that are assumptions, choices, or the user's, by path."""
        return {p: s for p, s in self.sources.items() if s.startswith(("assumed", "chosen", "set by"))}

    def scaled(self, robots: int) -> MonthScenario:
        """The same mix with another number of robots; at least one of what is needed, and as many at every yard."""
        part, fleet = robots / self.fleet.total, self.fleet
        counts = {
            n: max(1, round(getattr(fleet, n) * part)) for n in ("haulers", "prospectors", "maintainers", "units")
        }
        yards = min(max(1, math.ceil(robots / self.ground.robots_per_yard)), counts["units"], counts["maintainers"])
        counts |= {n: counts[n] - counts[n] % yards for n in ("maintainers", "units")}
        return replace(self, fleet=Fleet(excavators=max(1, robots - sum(counts.values())), **counts))


def month_names() -> tuple[str, ...]:
    """Names of the shipped scenarios."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_month(name_or_path: str | Path) -> MonthScenario:
    """Load a shipped scenario by name, or a user's by the path of a TOML file.

    Raises:
        UnknownName: no such shipped scenario, or it names no known body.
        FileError: the file is missing, or not TOML.
        ConfigError: a key is unknown or missing, a number has no source, or a value, type or unit cannot be.
    """
    if str(name_or_path).endswith(".toml"):
        return _read(Path(name_or_path))
    if name_or_path not in month_names():
        raise UnknownName.of("scenario", str(name_or_path), month_names(), listing="stope fleet scenarios")
    return _shipped(str(name_or_path))


def with_changes(scenario: MonthScenario, assignments: list[str]) -> MonthScenario:
    """A scenario with fields replaced by path, and `set by the user` as their source; `robots=N` scales the fleet.

    Raises:
        ConfigError: no such field, or a value that does not fit.
    """
    sizes = [a.partition("=")[2].strip() for a in assignments if a.partition("=")[0].strip() == "robots"]
    rest = [a for a in assignments if a.partition("=")[0].strip() != "robots"]
    if sizes:
        if (robots := whole(sizes[-1])) is None or robots < 5:
            raise ConfigError(f"--set robots={sizes[-1][:40]}: expected a whole number of 5 or more.")
        scenario = scenario.scaled(robots)
    paths = [a.partition("=")[0].strip() for a in assignments]
    if any(path.split(".")[0] in ("sources", "faults") for path in paths):
        raise ConfigError("--set sources, faults: cannot be set. Write a scenario file.")
    changed = override(scenario, rest) if rest else scenario
    return replace(changed, sources=scenario.sources | dict.fromkeys(paths, "set by the user"))


@cache
def _shipped(name: str) -> MonthScenario:
    return _read(_FOLDER / f"{name}.toml")


def _read(path: Path) -> MonthScenario:
    where, data = path.name, read_toml(path)
    found = data.pop("format", None)
    if found != FORMAT:
        raise ConfigError(f"{where}: format = {found!r}: expected {FORMAT!r}.")
    sources: dict[str, str] = {}
    values = plain(MonthScenario, data, where, sources=sources)
    try:
        return build(MonthScenario, values | {"sources": sources}, where=where)
    except (ConfigError, RangeError, UnknownName) as error:
        text = str(error)
        raise type(error)(text if text.startswith(where) else f"{where}: {text}") from None
