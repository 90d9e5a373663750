# SPDX-License-Identifier: Apache-2.0
"""Robot: a free-flyer's masses, thrusters, sensors and prior, each number with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.config import is_finite, read_toml
from stope.base.errors import ConfigError, RangeError, UnknownName
from stope.base.plugins import check_name, plugged, plugged_file
from stope.world.physics import PARAMETERS, PhysicsPrior
from stope.world.robots.articulation import Articulation, read_articulation
from stope.world.robots.questions import refuse_unanswered

__all__ = ["Robot", "Sensors", "load_robot", "robot_names"]

_FOLDER = Path(__file__).parent
ROBOT_UNITS = {
    "body": {"mass": "kg", "com_b": "m", "inertia_b": "kg m2", "side": "m"},
    "thrusters": {
        "force_limit_b": "N", "torque_limit_b": "N m", "force_quantum": "N", "torque_quantum": "N m",
        "specific_impulse": "s", "propellant_capacity": "kg", "torque_arm": "m", "power_idle": "W",
        "power_per_newton": "W/N",
    },
    "payload": {"mount_b": "m", "radius": "m"},
    "sensors": {
        "position_noise": "m", "attitude_noise": "rad", "velocity_noise": "m/s", "rate_noise": "rad/s", "period": "s",
        "delay": "s", "drop_out": "1",
    },
}  # fmt: skip
_VECTORS = {"com_b", "inertia_b", "force_limit_b", "torque_limit_b", "mount_b"}
PRIOR_UNITS = {
    "mass": "kg", "com_x": "m", "com_y": "m", "com_z": "m", "inertia_spread": "1", "inertia_skew": "m", "gain": "1",
    "lag": "s", "latency": "s", "drag": "kg/s", "payload": "kg", "residual": "m/s2",
}  # fmt: skip
_MAY_BE_ZERO = {"specific_impulse", "propellant_capacity", "power_idle", "power_per_newton", "delay", "drop_out",
                "force_limit_b", "torque_limit_b", "force_quantum", "torque_quantum", "position_noise",
                "attitude_noise", "velocity_noise", "rate_noise"}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensors:
    """What the robot measures of its own pose and rates, and how badly."""

    position_noise: float
    """Per axis, one sigma [m]."""
    attitude_noise: float
    """Per body axis, one sigma [rad]."""
    velocity_noise: float
    """Per axis, one sigma [m/s]."""
    rate_noise: float
    """Per axis, one sigma [rad/s]."""
    period: float
    """Time between samples [s]."""
    delay: float
    """Age of a sample when it is used [s]."""
    drop_out: float
    """Share of samples lost [1]; the last one is held."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Robot:
    """One free-flying robot."""

    name: str
    summary: str
    needs_air: bool
    mass: float
    """Without payload [kg]."""
    com_b: NDArray[np.float64]
    """Centre of mass from the base origin [m], (3,)."""
    inertia_b: NDArray[np.float64]
    """Diagonal inertia about the centre of mass [kg m2], (3,)."""
    side: float
    """Edge of the collision cube [m]."""
    limit_b: NDArray[np.float64]
    """Largest commanded force [N] and torque [N m] per base axis, (6,)."""
    quantum_b: NDArray[np.float64]
    """Smallest step of the command [N, N m], (6,); 0 for none."""
    specific_impulse: float
    """[s]; 0 when no propellant is used."""
    propellant_capacity: float
    """[kg]."""
    torque_arm: float
    """Lever of the torque thrusters [m]: force used per torque."""
    power_idle: float
    """[W]."""
    power_per_newton: float
    """Electrical power per commanded newton [W/N]."""
    payload_mount_b: NDArray[np.float64]
    """Centre of the payload sphere [m], (3,)."""
    payload_radius: float
    """[m]."""
    sensors: Sensors
    prior: PhysicsPrior
    sources: dict[str, str]
    """Where each number comes from, by "section.key"."""
    articulation: Articulation | None = None
    """Links, joints and tools; None for one rigid body."""


def robot_names() -> tuple[str, ...]:
    """Names of the robots that come with the package or with a plug-in (`stope.robots`), sorted."""
    own = _own_names()
    return tuple(sorted([*own, *plugged("stope.robots", own)]))


def _own_names() -> list[str]:
    return [p.stem for p in _FOLDER.glob("*.toml")]


def _file_of(name: str) -> Path:
    """File of a robot by name or path."""
    if name.endswith(".toml"):
        return Path(name)
    if name in _own_names():
        return _FOLDER / f"{name}.toml"
    outside = plugged("stope.robots")
    if name not in outside:
        raise UnknownName.of("robot", name, robot_names(), listing="stope world robots")
    path = plugged_file(outside[name])
    check_name(outside[name], str(read_toml(path).get("name")))
    return path


def load_robot(name: str, factors: Mapping[str, float] = MappingProxyType({})) -> Robot:
    """Read a shipped robot by name, or a user's file by path.

    Args:
        name: Of a shipped robot, or a path.
        factors: What some of its `[model.numbers]` are multiplied by, by name [1].

    Raises:
        UnknownName: no such shipped robot.
        FileError: the file cannot be read.
        ConfigError: a key is unknown or missing, a unit is wrong, a value is impossible, or a question unanswered.
    """
    path = _file_of(name)
    data = read_toml(path)
    for key, factor in factors.items():
        numbers = data.get("model", {}).get("numbers", {})
        if key not in numbers:
            raise ConfigError(f"{path.name}: model.numbers has no {key!r} to rescale: expected one of "
                              f"{', '.join(numbers) or 'none'}.")  # fmt: skip
        numbers[key] = numbers[key] | {"value": factor * numbers[key]["value"]}
    robot = _build(data, str(path.name), folder=path.parent)
    if name.endswith(".toml") and robot.name in robot_names():
        raise ConfigError(f"{path.name}: name = {robot.name!r}: the package has a robot of this name. Choose another.")
    return robot


def _build(data: dict[str, Any], where: str, *, folder: Path) -> Robot:
    refuse_unanswered(data, where)
    needed = {"name", "summary", "needs_air", "prior", *ROBOT_UNITS}
    allowed = needed | {"model"}
    for key in data:
        if key not in allowed:
            raise ConfigError(f"{where}: unknown key {key!r}: expected one of {', '.join(sorted(allowed))}.")
    for key in sorted(needed):
        if key not in data:
            raise ConfigError(f"{where}: missing key {key!r}.")
        _check_kind(data[key], key, where)
    _check_kind(data.get("model", {}), "model", where)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for section, units in ROBOT_UNITS.items():
        for key, unit in units.items():
            values[key], sources[f"{section}.{key}"] = _quantity(data[section], key, unit, f"{where}: {section}")
        _no_more(data[section], set(units), f"{where}: {section}")
    prior = _prior(data["prior"], values, f"{where}: prior", sources)
    sensors = Sensors(**{k: values.pop(k) for k in ROBOT_UNITS["sensors"]})
    articulation = None
    if "model" in data:
        base = {"mass": values["mass"], "com": values["com_b"], "inertia": values["inertia_b"]}
        articulation = read_articulation(data["model"], base, folder=folder, where=f"{where}: model", sources=sources)
    limit = np.concatenate([values.pop("force_limit_b"), values.pop("torque_limit_b")])
    quantum = np.repeat([values.pop("force_quantum"), values.pop("torque_quantum")], 3)
    return Robot(
        name=data["name"], summary=data["summary"], needs_air=data["needs_air"], limit_b=limit, quantum_b=quantum,
        payload_mount_b=values.pop("mount_b"), payload_radius=values.pop("radius"), sensors=sensors, prior=prior,
        sources=sources, articulation=articulation, **values,
    )  # fmt: skip


def _check_kind(value: Any, key: str, where: str) -> None:
    """Refuse a top-level entry that is no text, truth value or table, whichever it must be."""
    kind, word = (bool, "true or false") if key == "needs_air" else (dict, "a table")
    if key in ("name", "summary"):
        kind, word = str, "text"
    if not isinstance(value, kind) or value == "":
        raise ConfigError(f"{where}: {key} = {value!r}: expected {word}.")


def _no_more(table: dict[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}: expected one of {', '.join(sorted(known))}.")


def _quantity(table: dict[str, Any], key: str, unit: str, where: str) -> tuple[Any, str]:
    if key not in table:
        raise ConfigError(f"{where}: missing key {key!r}.")
    row = table[key]
    if not isinstance(row, dict) or "value" not in row:
        raise ConfigError(f"{where}.{key} = {row!r}: expected {{ value = ..., unit = {unit!r}, source = ... }}.")
    _no_more(row, {"value", "unit", "source"}, f"{where}.{key}")
    if row.get("unit") != unit:
        raise ConfigError(f"{where}.{key}: unit {row.get('unit')!r}: expected {unit!r}.")
    _check_source(row, f"{where}.{key}")
    given = row["value"] if isinstance(row["value"], list) else [row["value"]]
    if any(isinstance(x, bool) or not isinstance(x, int | float) for x in given):
        raise ConfigError(f"{where}.{key} = {row['value']!r}: expected numbers [{unit}].")
    if not all(is_finite(x) for x in given):
        raise ConfigError(f"{where}.{key} = {row['value']!r} {unit}: expected finite numbers.")
    value = np.asarray(row["value"], dtype=np.float64)
    if value.shape != ((3,) if key in _VECTORS else ()):
        count = "three numbers" if key in _VECTORS else "one number"
        raise ConfigError(f"{where}.{key} = {row['value']!r}: expected {count}.")
    signed = key in {"com_b", "mount_b"}
    if not signed and np.any(value < 0 if key in _MAY_BE_ZERO else value <= 0):
        rule = "0 or more" if key in _MAY_BE_ZERO else "more than 0"
        raise ConfigError(f"{where}.{key} = {row['value']!r} {unit}: expected {rule}.")
    if key == "drop_out" and value >= 1.0:
        raise ConfigError(f"{where}.{key} = {row['value']!r}: expected 0 or more and less than 1.")
    return (value if key in _VECTORS else float(value)), str(row["source"])


def _check_source(row: dict[str, Any], where: str) -> None:
    if not isinstance(row.get("source"), str) or not row["source"].strip():
        raise ConfigError(f"{where}: no source: expected where the number comes from.")


def _prior_rows(table: dict[str, Any], where: str, sources: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Centre and spread by key of the prior's table, checked."""
    _no_more(table, set(PRIOR_UNITS), where)
    rows: dict[str, tuple[float, float]] = {}
    for key, unit in PRIOR_UNITS.items():
        row = table.get(key)
        if not isinstance(row, dict):
            raise ConfigError(f"{where}: missing key {key!r}.")
        _no_more(row, {"centre", "spread", "unit", "source"}, f"{where}.{key}")
        if row.get("unit") != unit:
            raise ConfigError(f"{where}.{key}: unit {row.get('unit')!r}: expected {unit!r}.")
        for part in ("centre", "spread"):
            number = row.get(part)
            if isinstance(number, bool) or not isinstance(number, int | float) or not is_finite(number):
                raise ConfigError(f"{where}.{key}.{part} = {row.get(part)!r}: expected a finite number [{unit}].")
        _check_source(row, f"{where}.{key}")
        rows[key] = (float(row["centre"]), float(row["spread"]))
        sources[f"prior.{key}"] = row["source"]
    return rows


def _prior(table: dict[str, Any], values: dict[str, Any], where: str, sources: dict[str, str]) -> PhysicsPrior:
    rows = _prior_rows(table, where, sources)
    inertia = values["inertia_b"]
    second = 0.5 * np.sum(inertia) - inertia
    if np.any(second <= 0):
        raise ConfigError(
            f"{where[:-7]}: body.inertia_b = {inertia.tolist()} kg m2: the greatest must be less than the sum of the "
            "other two (triangle inequality)."
        )
    log_diagonal = 0.5 * np.log(second / values["mass"])
    centre, spread = [], []
    for p in PARAMETERS:
        if p.name.startswith("inertia_d"):
            c, s = log_diagonal[int(p.name[-1]) - 1] + rows["inertia_spread"][0], rows["inertia_spread"][1]
        elif p.name.startswith("inertia_s"):
            c, s = rows["inertia_skew"]
        else:
            c, s = rows.get(p.name) or rows[p.name.split("_")[0]]
        centre.append(c)
        spread.append(s)
    try:
        return PhysicsPrior(centre=np.array(centre), spread=np.array(spread))
    except RangeError as error:
        raise ConfigError(f"{where[:-7]}: {error}") from None
