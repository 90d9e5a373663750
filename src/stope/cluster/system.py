# SPDX-License-Identifier: Apache-2.0
"""System: a machine to plan on, from one node to a pod, each number with its range and source.

A system is one TOML file (`docs/reference/cluster-files.md`). "One unit" of advertisements is a bandwidth tier here:
each tier says how many devices it joins, at what bandwidth and latency; the last joins all.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from stope.base.config import read_toml
from stope.base.errors import ConfigError, UnknownName
from stope.cluster.quantity import Quantity, exactly, read_quantity

__all__ = ["Knobs", "System", "Tier", "find_system", "ideal_fabric", "load_system", "system_names"]

FORMAT = "stope-system-1"
NUMBERS = {
    "peak": "TFLOP/s", "memory": "GB", "memory_bandwidth": "GB/s", "idle_power": "W", "peak_power": "W",
    "node_devices": "1", "node_power": "W", "cores_per_node": "1", "core_speed": "1", "devices_max": "1",
    "failure_rate": "1/1000 node-days", "checkpoint_write": "s", "restart": "s", "pue": "1", "price": "USD/h",
    "devices_per_rack": "1",
}  # fmt: skip
"""Every number of a system and the one unit it is written in."""
TIER_NUMBERS = {"size": "1", "bandwidth": "GB/s", "latency": "us", "energy": "pJ/bit"}
KNOBS = {"performance_per_watt": "1", "bandwidth": "1", "latency": "1", "energy_per_bit": "1", "failure_rate": "1"}
ZERO_ALLOWED = ("price", "idle_power", "node_power", "failure_rate", "checkpoint_write", "restart", "latency", "energy")
WORDS: dict[str, type] = {"format": str, "name": str, "summary": str, "status": str, "can_train": bool}
OPTIONAL: dict[str, type] = {"aliases": list, "software": str, "why_not": str, "based_on": str}
STATUSES = ("sold", "announced", "hypothesis", "measured here")
SOFTWARE = ("recompute", "selective", "overlapped")
_FOLDER = Path(__file__).parent / "systems"

Software = Literal["recompute", "selective", "overlapped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """Devices joined by one kind of link."""

    name: str
    """What the link is called."""
    size: Quantity
    """Devices it joins [1]."""
    bandwidth: Quantity
    """Of one device, each direction [B/s]."""
    latency: Quantity
    """Of one message between two devices [s]."""
    energy: Quantity
    """Per bit moved [J]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Knobs:
    """What a hypothetical fabric would change, as factors on the system it is based on; 1 is unchanged."""

    performance_per_watt: Quantity
    """Work per energy of the device."""
    bandwidth: Quantity
    """Of every tier."""
    latency: Quantity
    """Of every tier."""
    energy_per_bit: Quantity
    """Of every tier."""
    failure_rate: Quantity
    """Of a node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """A machine: devices, hosts, tiers, how it fails and what it costs. Numbers in SI."""

    name: str
    """Name, kebab-case; the file's too."""
    summary: str
    """One line for tables."""
    status: str
    """sold, announced, hypothesis, or measured here."""
    software: Software
    """Generation of training software published runs on it used; see `training_step`."""
    aliases: tuple[str, ...]
    """Other names it is known by in tables, lower case."""
    tiers: tuple[Tier, ...]
    """From the smallest to the one that joins everything."""
    peak: Quantity
    """Dense half-precision rate of a device [FLOP/s]."""
    memory: Quantity
    """Of a device [B]."""
    memory_bandwidth: Quantity
    """Of a device [B/s]."""
    idle_power: Quantity
    """Of a device [W]."""
    peak_power: Quantity
    """Of a device at full load [W]."""
    node_devices: Quantity
    """Devices that share a host and fail together [1]."""
    node_power: Quantity
    """Of a node beside its devices: host, fans, network [W]."""
    cores_per_node: Quantity
    """Physical cores on which worlds step [1]."""
    core_speed: Quantity
    """Of a core, relative to the one stope was measured on [1]."""
    devices_max: Quantity
    """Devices one job can get [1]."""
    failure_rate: Quantity
    """Failures of a node that stop a job [1/s]."""
    checkpoint_write: Quantity
    """Time training stands still to write a checkpoint [s]."""
    restart: Quantity
    """From a failure until training goes on [s]."""
    pue: Quantity
    """Power of the building over power of the machines [1]."""
    price: Quantity
    """Of a device [USD/s]."""
    devices_per_rack: Quantity
    """For the distance light must go [1]."""
    knobs: Knobs | None = None
    """What a hypothesis changes; already applied to the numbers above."""
    based_on: str = ""
    """System a hypothesis changes."""

    def __post_init__(self) -> None:
        """Check what the planner divides by or walks along."""
        sizes = [tier.size.value for tier in self.tiers]
        if sizes != sorted(set(sizes)) or not sizes:
            raise ConfigError(f"{self.name}: tier sizes {sizes}: expected one tier or more, each larger than the last.")

    @property
    def unit(self) -> int:
        """Devices of the smallest tier: a tensor-parallel group must fit in it."""
        return int(self.tiers[0].size.value)

    def numbers(self) -> dict[str, Quantity]:
        """Every number by its key in the TOML, tiers included."""
        own: dict[str, Quantity] = {key: getattr(self, key) for key in NUMBERS}
        return own | {f"tier.{t.name}.{key}": getattr(t, key) for t in self.tiers for key in TIER_NUMBERS}


def system_names() -> tuple[str, ...]:
    """Names of the systems that come with the package, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_system(name_or_path: str | Path) -> System:
    """Load a system of the package by name, or a user's from the path of a TOML file.

    Raises:
        UnknownName: if a name without `.toml` is not one of the package.
        ConfigError: a key, type, unit or range that does not fit, or a device that cannot train.
        FileError: the file is missing or not TOML.
    """
    if str(name_or_path).endswith(".toml"):
        return _read(Path(name_or_path))
    name = str(name_or_path)
    if name not in system_names():
        raise UnknownName.of("system", name, system_names(), listing="stope cluster systems")
    return _shipped(name)


def find_system(text: str) -> System | None:
    """The system a table means by a name, an alias, or a longer text that holds an alias; None if none.

    Raises:
        ConfigError: the device cannot train.
    """
    if text.endswith(".toml"):
        return load_system(text)
    wanted = _plain(text)
    names = {_plain(alias): name for name in system_names() for alias in (name, *_aliases(name))}
    if wanted in names:
        return _shipped(names[wanted])
    inside = [alias for alias in names if len(alias) >= 3 and re.search(rf"(?<![a-z0-9]){re.escape(alias)}", wanted)]
    return _shipped(names[max(inside, key=len)]) if inside else None


def ideal_fabric(system: System, count: int) -> System:
    """The same machine with infinite bandwidth and only light between devices: the most any wire could do.

    Latency is the one-way time through `count` devices: 3 m2 a rack, along both sides of the square and 3 m up and
    down again, at 5 ns/m.
    """
    racks = max(1.0, count / system.devices_per_rack.value)
    metres = 2.0 * (3.0 * racks) ** 0.5 + 6.0
    tier = Tier(
        name="ideal",
        size=exactly(max(float(count), 2.0)),
        bandwidth=exactly(1e30),
        latency=exactly(5e-9 * metres),
        energy=exactly(0.0),
    )
    return replace(system, tiers=(tier,))


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@cache
def _shipped(name: str) -> System:
    return _read(_FOLDER / f"{name}.toml")


@cache
def _aliases(name: str) -> tuple[str, ...]:
    return tuple(read_toml(_FOLDER / f"{name}.toml").get("aliases", ()))


def _read(path: Path) -> System:
    data, where = read_toml(path), path.name
    if data.get("format") != FORMAT:
        raise ConfigError(f'{where}: format = {data.get("format")!r}: expected "{FORMAT}".')
    _check_words(data, where)
    if not data["can_train"]:
        raise ConfigError(f"{data['name']}: not applicable: {data.get('why_not', 'the device cannot train')}")
    based_on = data.get("based_on", "")
    if based_on:
        return _hypothesis(data, where)
    given: dict[str, Any] = {}
    for key, unit in NUMBERS.items():
        given[key] = read_quantity(data[key], unit=unit, at=f"{where}: {key}", may_be_zero=key in ZERO_ALLOWED)
    return System(
        name=data["name"], summary=data["summary"], status=data["status"], aliases=tuple(data.get("aliases", ())),
        software=data.get("software", "selective"), tiers=_tiers(data["tier"], where), **given,
    )  # fmt: skip


def _tiers(tables: object, where: str) -> tuple[Tier, ...]:
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f"{where}: tier = {tables!r}: expected one [[tier]] table or more.")
    found: list[Tier] = []
    for number, table in enumerate(cast("list[object]", tables), start=1):
        at = f"{where}: tier {number}"
        if not isinstance(table, dict):
            raise ConfigError(f"{at} = {table!r}: expected a table.")
        table = cast("dict[str, Any]", table)
        _check_keys(table, {"name", *TIER_NUMBERS}, set(), at)
        numbers = {key: read_quantity(table[key], unit=unit, at=f"{at}: {key}", may_be_zero=key in ZERO_ALLOWED)
                   for key, unit in TIER_NUMBERS.items()}  # fmt: skip
        found.append(Tier(name=str(table["name"]), **numbers))
    return tuple(found)


def _hypothesis(data: dict[str, Any], where: str) -> System:
    """A system with the knobs of a hypothesis applied."""
    try:
        base = load_system(data["based_on"])
    except RecursionError:
        raise ConfigError(f"{where}: based_on = {data['based_on']!r}: expected a system that is not based on this "
                          "one.") from None  # fmt: skip
    given = cast("dict[str, Any]", data["knobs"])
    if not isinstance(data["knobs"], dict):
        raise ConfigError(f"{where}: knobs = {given!r}: expected a table.")
    _check_keys(given, set(KNOBS), set(), f"{where}: knobs")
    knobs = Knobs(**{key: read_quantity(given[key], unit=unit, at=f"{where}: knobs.{key}") for key, unit in
                     KNOBS.items()})  # fmt: skip
    tiers = tuple(
        replace(tier, bandwidth=tier.bandwidth.times(knobs.bandwidth), latency=tier.latency.times(knobs.latency),
                energy=tier.energy.times(knobs.energy_per_bit))
        for tier in base.tiers
    )  # fmt: skip
    return replace(
        base, name=data["name"], summary=data["summary"], status=data["status"], aliases=tuple(data.get("aliases", ())),
        tiers=tiers, peak=base.peak.times(knobs.performance_per_watt), knobs=knobs, based_on=base.name,
        failure_rate=base.failure_rate.times(knobs.failure_rate),
    )  # fmt: skip


def _check_words(data: dict[str, Any], where: str) -> None:
    needed = set(WORDS)
    if data.get("based_on"):
        needed |= {"knobs"}
    elif data.get("can_train") is not False:
        needed |= set(NUMBERS) | {"tier"}
    _check_keys(data, needed, set(OPTIONAL), where)
    for key, kind in (WORDS | OPTIONAL).items():
        if key in data and (not isinstance(data[key], kind) or data[key] == ""):
            raise ConfigError(f"{where}: {key} = {data[key]!r}: expected {kind.__name__}.")
    for key, known in (("status", STATUSES), ("software", SOFTWARE)):
        if key in data and data[key] not in known:
            raise ConfigError(f"{where}: {key} = {data[key]!r}: expected one of {', '.join(known)}.")


def _check_keys(data: dict[str, Any], needed: set[str], optional: set[str], where: str) -> None:
    known = sorted(needed | optional)
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"Closest: {close[0]!r}." if close else f"Known: {', '.join(known)}."
            raise ConfigError(f"{where}: field {key!r} is unknown. {hint}")
    for key in sorted(needed):
        if key not in data:
            raise ConfigError(f"{where}: field {key!r} is missing. Add it with its unit and source.")
