# SPDX-License-Identifier: Apache-2.0
"""FerryScenario: what a fleet has to do, with what, where and for how long; each number with its source.

A scenario is one TOML file. A number in it is a table `{value, unit, source}`; it is kept as it is written, so the unit
of a field is the unit of the file, and a wrong one is refused, never converted. Words and yes/no are written bare.
"""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from stope.base.config import (
    as_dict,
    build,
    check_fraction,
    check_not_negative,
    check_positive,
    content_hash,
    override,
    read_toml,
)
from stope.base.errors import ConfigError, RangeError, UnknownName
from stope.fleet.quantities import plain
from stope.world.body import load_body
from stope.world.robots import load_robot
from stope.world.site import Site, make_site

__all__ = ["MAX_PAYLOAD", "Depot", "FerryScenario", "FerrySite", "Processor", "Reliability", "Service", "load_scenario",
           "numeric_paths", "scenario_names", "with_settings"]  # fmt: skip

FORMAT = "stope-ferry-1"
MAX_PAYLOAD = 5.0
"""Heaviest canister that skills are measured with [kg]."""
MIN_SPACING = 5.0
"""Least distance between two docking places [m]: the ball in which the dock task flies (chosen)."""
_FOLDER = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, kw_only=True, slots=True)
class FerrySite:
    """Where the processor stands."""

    body: str
    """Small body, a name listed by `stope world bodies`, or a TOML file."""
    latitude_deg: Annotated[float, "deg"]
    """Of the processor [deg]."""
    longitude_deg: Annotated[float, "deg"]
    """Of the processor, east positive [deg]."""
    height: Annotated[float, "m"]
    """Of every docking place above the ground [m]."""

    def site(self) -> Site:
        """The processor's docking place and its level frame; depots are given in that frame."""
        return make_site(
            self.body, latitude_deg=self.latitude_deg, longitude_deg=self.longitude_deg, height=self.height
        )

    @property
    def spin_period(self) -> float:
        """Of the body [s]; infinite without spin."""
        rate = load_body(self.body).spin_rate
        return 2.0 * math.pi / rate if rate else math.inf


@dataclass(frozen=True, kw_only=True, slots=True)
class Processor:
    """The plant that robots bring canisters to, and what serves robots there."""

    ports: Annotated[int, "1"]
    """Robots that can be docked to unload at one time."""
    unload_time: Annotated[float, "s"]
    """To take a canister off a docked robot [s]."""
    hopper: Annotated[int, "1"]
    """Canisters that can wait to be processed; a robot holds its port until its canister has a place."""
    lines: Annotated[int, "1"]
    """Canisters that are processed at one time."""
    line_kgph: Annotated[float, "kg/h"]
    """Processed by one line [kg/h]."""
    chargers: Annotated[int, "1"]
    """Robots that can charge at one time."""
    charger_power: Annotated[float, "W"]
    """Into the battery, of one charger [W]."""
    charging_by_day_only: bool
    """Whether chargers have power only in the lit half of each turn of the body; the first day begins at the start."""
    pumps: Annotated[int, "1"]
    """Robots that can take propellant at one time."""
    pump_kgph: Annotated[float, "kg/h"]
    """Propellant that one pump gives [kg/h]; the supply is counted, not limited."""

    def __post_init__(self) -> None:
        """Check that everything is there at least once, and that what has a speed moves."""
        check_positive(self, "ports", "hopper", "lines", "line_kgph", "chargers", "charger_power", "pumps", "pump_kgph")
        check_not_negative(self, "unload_time")


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """What a robot carries, and when it is served."""

    battery_wh: Annotated[float, "Wh"]
    """Capacity of the battery [Wh]."""
    charge_below: Annotated[float, "1"]
    """Share of the capacity under which a robot at the processor charges, to the full; sooner if a trip needs more."""
    energy_reserve: Annotated[float, "1"]
    """Share of the capacity kept beyond the worst measured trip when a robot leaves; waiting on the way lives on it."""
    refuel_below: Annotated[float, "1"]
    """Share of the tank under which a robot at the processor refuels, to the full; sooner if a trip needs more."""
    propellant_reserve: Annotated[float, "1"]
    """Share of the tank kept beyond the worst measured trip when a robot leaves."""
    standby_power: Annotated[float, "W"]
    """Drawn by a robot that is moored and waits for a docking place [W]; at the processor the processor gives it."""
    dock_attempts: Annotated[int, "1"]
    """Tries at one docking before a robot calls for rescue."""

    def __post_init__(self) -> None:
        """Check signs and shares."""
        check_positive(self, "battery_wh", "dock_attempts")
        check_fraction(self, "charge_below", "energy_reserve", "refuel_below", "propellant_reserve")
        check_not_negative(self, "standby_power")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """How robots fail and who repairs them."""

    mtbf_h: Annotated[float, "h"]
    """Mean working time between failures [h]; flying, docking, loading and unloading are work; exponential."""
    mttr_h: Annotated[float, "h"]
    """Mean time a maintainer needs to bring a robot in and repair it [h]; exponential."""
    lost_share: Annotated[float, "1"]
    """Share of failures, rescues included, that lose the robot and what it carries."""
    maintainers: Annotated[int, "1"]
    """Robots that can be under repair at one time."""

    def __post_init__(self) -> None:
        """Check signs and shares."""
        check_positive(self, "mtbf_h", "mttr_h", "maintainers")
        check_fraction(self, "lost_share")


@dataclass(frozen=True, kw_only=True, slots=True)
class Depot:
    """A place where ore is dug into canisters."""

    name: str
    """Name, unique, of letters, digits and hyphens; random streams are keyed by it."""
    east: Annotated[float, "m"]
    """From the processor, along x of its level frame [m]."""
    north: Annotated[float, "m"]
    """From the processor, along y of its level frame [m]."""
    canisters_per_day: Annotated[float, "1/d"]
    """Canisters filled in a day, on average, while there is place for them."""
    interval_spread: Annotated[float, "1"]
    """Standard deviation over mean of the time to fill one, lognormal; 0 for clockwork."""
    canister_mass: Annotated[float, "kg"]
    """Mean mass of a full canister [kg]."""
    canister_mass_spread: Annotated[float, "kg"]
    """Largest deviation from the mean, uniform [kg]."""
    buffer: Annotated[int, "1"]
    """Canisters the depot has place for; without a free place it stands still."""
    docks: Annotated[int, "1"]
    """Robots that can be docked at one time."""
    load_time: Annotated[float, "s"]
    """To put a canister on a docked robot [s]."""

    def __post_init__(self) -> None:
        """Check signs, and that every canister can be carried.

        Raises:
            ConfigError: naming the field.
        """
        if not self.name or not all(c.isalnum() or c == "-" for c in self.name):
            raise ConfigError(f"Depot.name = {self.name!r}: expected letters, digits and hyphens.")
        check_positive(self, "canisters_per_day", "canister_mass", "buffer", "docks")
        check_not_negative(self, "interval_spread", "canister_mass_spread", "load_time")
        if self.lightest < 0.001 or self.heaviest > MAX_PAYLOAD:
            raise ConfigError(
                f"Depot.canister_mass = {self.canister_mass:g} +- {self.canister_mass_spread:g} kg: expected canisters "
                f"of 0.001 to {MAX_PAYLOAD:g} kg, the range that skills are measured in."
            )
        if self.distance < MIN_SPACING:
            raise ConfigError(
                f"Depot.east, north = {self.east:g}, {self.north:g} m: {self.name!r} is {self.distance:g} m from the "
                f"processor, expected {MIN_SPACING:g} m or more."
            )

    @property
    def distance(self) -> float:
        """From the processor, in the level plane [m]."""
        return math.hypot(self.east, self.north)

    @property
    def lightest(self) -> float:
        """Least mass of a canister [kg]."""
        return self.canister_mass - self.canister_mass_spread

    @property
    def heaviest(self) -> float:
        """Largest mass of a canister [kg]."""
        return self.canister_mass + self.canister_mass_spread


@dataclass(frozen=True, kw_only=True, slots=True)
class FerryScenario:
    """Robots that ferry canisters from depots to one processor."""

    name: str
    """Name of the mission."""
    summary: str
    """One line for tables."""
    robot: str
    """Who flies, a name listed by `stope world robots`, or a TOML file."""
    robots: Annotated[int, "1"]
    """How many."""
    days: Annotated[float, "d"]
    """Length of the mission [d]."""
    replicates: Annotated[int, "1"]
    """How often it is simulated, each time with other chances."""
    site: FerrySite
    """Where the processor stands."""
    processor: Processor
    """The plant and its services."""
    service: Service
    """What a robot carries, and when it is served."""
    reliability: Reliability
    """How robots fail."""
    depots: tuple[Depot, ...]
    """Where the canisters come from; their order means nothing."""
    sources: dict[str, str] = field(default_factory=dict[str, str], compare=False)
    """Where each number comes from, by its path."""

    def __post_init__(self) -> None:
        """Check counts, and that depots are apart by name and by place.

        Raises:
            ConfigError: naming the field.
        """
        check_positive(self, "robots", "days", "replicates")
        if not self.depots:
            raise ConfigError("FerryScenario.depots = []: expected one depot or more.")
        names = [d.name for d in self.depots]
        double = sorted({n for n in names if names.count(n) > 1})
        if double:
            raise ConfigError(f"FerryScenario.depots: two are named {double[0]!r}. Give each its own name.")
        for k, a in enumerate(self.depots):
            for b in self.depots[:k]:
                apart = math.hypot(a.east - b.east, a.north - b.north)
                if apart < MIN_SPACING:
                    raise ConfigError(
                        f"FerryScenario.depots: {b.name!r} and {a.name!r} are {apart:g} m apart, expected "
                        f"{MIN_SPACING:g} m or more."
                    )

    @property
    def digest(self) -> str:
        """Content hash of everything that can change a result: all but the sources and the order of the depots."""
        depots = tuple(sorted(self.depots, key=lambda d: d.name))
        return content_hash(as_dict(replace(self, depots=depots, sources={})))


def scenario_names() -> tuple[str, ...]:
    """Names of the shipped scenarios."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_scenario(name_or_path: str | Path) -> FerryScenario:
    """Load a shipped scenario by name, or a user's by the path of a TOML file.

    Raises:
        UnknownName: no such shipped scenario, or it names no known body or robot.
        FileError: the file is missing, or not TOML.
        ConfigError: a key is unknown or missing, a number has no source, or a value, type or unit cannot be.
    """
    if str(name_or_path).endswith(".toml"):
        return _read(Path(name_or_path))
    if name_or_path not in scenario_names():
        raise UnknownName.of("scenario", str(name_or_path), scenario_names(), listing="stope fleet scenarios")
    return _shipped(str(name_or_path))


def with_settings(scenario: FerryScenario, assignments: list[str]) -> FerryScenario:
    """A scenario with fields replaced by path, and `set by the user` as their source.

    Args:
        scenario: What to change.
        assignments: Such as `robots=50`, `processor.ports=1` or `depots.alder.buffer=4`.

    Raises:
        ConfigError: no such field, or a value that does not fit.
    """
    paths = [assignment.partition("=")[0].strip() for assignment in assignments]
    if "sources" in [path.split(".")[0] for path in paths]:
        raise ConfigError("--set sources: cannot be set. They follow from the settings.")
    of_depots = [a.strip().removeprefix("depots.") for a in assignments if a.strip().startswith("depots.")]
    changed = override(scenario, [a for a in assignments if not a.strip().startswith("depots.")])
    by_depot: dict[str, list[str]] = {}
    for assignment in of_depots:
        name, _, rest = assignment.partition(".")
        by_depot.setdefault(name, []).append(rest)
    for name in by_depot:
        if name not in [depot.name for depot in changed.depots]:
            known = ", ".join(depot.name for depot in changed.depots)
            raise ConfigError(f"--set depots.{name}: no such depot. Known: {known}.")
    depots = tuple(override(depot, by_depot.get(depot.name, [])) for depot in changed.depots)
    changed = replace(changed, depots=depots, sources=changed.sources | dict.fromkeys(paths, "set by the user"))
    _check_named(changed)
    return changed


@cache
def _shipped(name: str) -> FerryScenario:
    return _read(_FOLDER / f"{name}.toml")


def _read(path: Path) -> FerryScenario:
    where, data = path.name, read_toml(path)
    found = data.pop("format", None)
    if found != FORMAT:
        raise ConfigError(f"{where}: format = {found!r}: expected {FORMAT!r}.")
    if "sources" in data:
        raise ConfigError(f"{where}: field 'sources' is unknown. The source stands beside each number.")
    sources: dict[str, str] = {}
    values = plain(FerryScenario, data, where, sources=sources)
    try:
        scenario = build(FerryScenario, values | {"sources": sources}, where=where)
        _check_named(scenario)
    except (ConfigError, RangeError, UnknownName) as error:
        text = str(error)
        raise type(error)(text if text.startswith(where) else f"{where}: {text}") from None
    return scenario


def _check_named(scenario: FerryScenario) -> None:
    """The body, the robot and the site exist and fit each other."""
    robot, site = load_robot(scenario.robot), scenario.site.site()
    if robot.needs_air and not site.has_air:
        raise ConfigError(f"FerryScenario.robot = {robot.name!r}: needs air, and there is none at {site.name}. "
                          "Choose a robot with thrusters.")  # fmt: skip
    if scenario.processor.charging_by_day_only and not math.isfinite(scenario.site.spin_period):
        raise ConfigError(f"Processor.charging_by_day_only = true: {site.body.name!r} does not turn, so it has no day. "
                          "Set it to false.")  # fmt: skip


def numeric_paths(cls: Any = FerryScenario) -> dict[str, str]:
    """Unit of every number of a scenario, by path; depots appear once, as `depots`."""
    hints = typing.get_type_hints(cls, include_extras=True)
    out: dict[str, str] = {}
    for one in fields(cls):
        kind = hints[one.name]
        if typing.get_origin(kind) is Annotated:
            out[one.name] = kind.__metadata__[0]
        inner = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind
        if is_dataclass(inner):
            out |= {f"{one.name}.{path}": unit for path, unit in numeric_paths(inner).items()}
    return out
