# SPDX-License-Identifier: Apache-2.0
"""A place: shape, gravity, spin and air of a small body, a cabin or a laboratory, each number with its source.

Frame a is fixed in the body: origin at the centre of mass, +z along the spin axis. A body is one TOML file, in which a
number is a table `{value, unit, source}` with an optional `error`; a wrong unit is refused, never converted.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from stope.base.config import check_not_negative, check_positive, is_finite, read_toml
from stope.base.errors import ConfigError, UnknownName
from stope.base.plugins import check_name, plugged, plugged_file
from stope.base.units import HOUR, G
from stope.world.gravity import EllipsoidField, GravityField, PointMassField, PolyhedronField, UniformField
from stope.world.shape import TriangleMesh, read_obj
from stope.world.surface import EllipsoidSurface, FlatSurface, MeshSurface

Kind = Literal["mesh", "ellipsoid", "point", "uniform"]
Surface = EllipsoidSurface | FlatSurface | MeshSurface

FORMAT = "stope-body-1"
UNITS = {
    "gm": "m3/s2",
    "density": "kg/m3",
    "spin_period": "h",
    "mean_radius": "m",
    "semi_axes": "m",
    "gravity_level": "m/s2",
    "jitter_rms": "m/s2",
}
"""The one unit each number of a body's TOML is written in."""
MESH_UNITS = {"m": 1.0, "km": 1000.0}
"""Metres per length unit of a mesh file."""
WORDS = ("format", "name", "kind", "summary", "licence", "has_air")
ATTRACTING = ("gm", "density", "spin_period", "mean_radius")
KEYS: dict[str, tuple[str, ...]] = {
    "mesh": (*WORDS, *ATTRACTING, "mesh", "mesh_unit", "mesh_vertices", "mesh_faces"),
    "ellipsoid": (*WORDS, *ATTRACTING, "semi_axes"),
    "point": (*WORDS, *ATTRACTING),
    "uniform": (*WORDS, "gravity_level", "jitter_rms"),
}
"""Every key a body's TOML must have, by kind; it may have no other."""
DENSITY_AGREEMENT = 0.1
"""Largest relative difference of `density` and gm / (G volume): the usual cause of more is a wrong unit (chosen)."""

_SHIPPED = Path(__file__).parent / "bodies"


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A place a robot can be at. Numbers that a kind does not have are zero; gravity has no default.

    Raises:
        ConfigError: if a number is not finite or negative, or one that the kind needs is zero.
    """

    name: str
    """Name, kebab-case."""
    kind: Kind
    """`mesh` and `ellipsoid` have constant density, `point` is a sphere, `uniform` is a local place without a body."""
    summary: str
    """One line for tables."""
    licence: str
    """Terms of the numbers and of the mesh."""
    has_air: bool
    """Whether there is air for fans and drag."""
    gm: float
    """Gravitational parameter [m3/s2]; zero for kind `uniform`."""
    gravity_level: float
    """Size of the gravity towards -z [m/s2]; zero for the kinds that attract by `gm`."""
    density: float = 0.0
    """Bulk density as published [kg/m3]; the field uses `gm` and the volume."""
    spin_rate: float = 0.0
    """Spin about +z of frame a [rad/s]."""
    mean_radius: float = 0.0
    """Mean radius as published [m]."""
    semi_axes: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Half lengths along x, y, z [m]; kind `ellipsoid` only."""
    mesh: Path | None = None
    """OBJ file; kind `mesh` only."""
    mesh_unit: str = "m"
    """Length unit of the mesh file."""
    mesh_vertices: int = 0
    """Number of vertices the mesh file must have."""
    mesh_faces: int = 0
    """Number of faces the mesh file must have."""
    jitter_rms: float = 0.0
    """Random acceleration of the place, each axis, white over one control period of 0.2 s [m/s2]."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each number comes from, by its key in the TOML."""
    errors: Mapping[str, float] = field(default_factory=dict, compare=False)
    """One-sigma error of each number that has one, in the unit of the TOML."""

    def __post_init__(self) -> None:
        """Check the numbers that a field or a frame would divide by."""
        check_not_negative(self, "gm", "gravity_level", "density", "spin_rate", "mean_radius", "jitter_rms")
        if self.kind != "uniform":
            check_positive(self, "gm", "mean_radius")
        if self.kind == "ellipsoid" and not min(self.semi_axes) > 0.0:
            raise ConfigError(f"Body.semi_axes = {self.semi_axes} m: all three must be positive.")
        if self.kind == "mesh" and self.mesh is None:
            raise ConfigError("Body.mesh = None: a body of kind 'mesh' needs the path of an OBJ file.")

    @property
    def synchronous_radius(self) -> float:
        """Distance [m] at which a point-mass orbit takes one spin period; infinite without spin."""
        return (self.gm / self.spin_rate**2) ** (1.0 / 3.0) if self.spin_rate else math.inf

    @property
    def escape_speed(self) -> float:
        """Escape speed [m/s] from the mean radius of a point mass; zero for a uniform place."""
        return math.sqrt(2.0 * self.gm / self.mean_radius) if self.mean_radius else 0.0

    def shape(self) -> TriangleMesh:
        """Mesh in metres with its centroid of volume at the origin of frame a; kind `mesh` only."""
        return _shape(self)

    def field(self) -> GravityField:
        """Exact gravity field of this body, in frame a."""
        return _field(self)

    def surface(self) -> Surface:
        """Ground of this body, in frame a."""
        return _surface(self)

    def describe(self) -> dict[str, Any]:
        """Return what tables and JSON show of a body: its numbers, in the units of the names."""
        row: dict[str, Any] = {"name": self.name, "kind": self.kind, "summary": self.summary, "has_air": self.has_air}
        if self.kind == "uniform":
            return row | {"gravity_mps2": self.gravity_level, "jitter_rms_mps2": self.jitter_rms}
        return row | {
            "gm_m3ps2": self.gm,
            "density_kgpm3": self.density,
            "mean_radius_m": self.mean_radius,
            "spin_period_h": 2.0 * math.pi / self.spin_rate / HOUR if self.spin_rate else math.inf,
            "escape_speed_mps": self.escape_speed,
            "synchronous_radius_m": self.synchronous_radius,
        }


def body_names() -> tuple[str, ...]:
    """Return the names of the bodies that come with the package or with a plug-in (`stope.bodies`), sorted."""
    own = _own_names()
    return tuple(sorted([*own, *plugged("stope.bodies", own)]))


def _own_names() -> list[str]:
    return [path.stem for path in _SHIPPED.glob("*.toml")]


def load_body(name_or_path: str | Path) -> Body:
    """Load a body of the package by name, or a user's body from the path of a TOML file.

    Raises:
        UnknownName: if a name without `.toml` is not one of the package.
        ConfigError: if a key is unknown, missing, of the wrong type, unit or sign, or the name is taken.
        FileError: if the TOML or the mesh is missing or broken.
    """
    if not str(name_or_path).endswith(".toml"):
        name = str(name_or_path)
        if name in _own_names():
            return _shipped_body(name)
        if name not in body_names():
            raise UnknownName.of("body", name, body_names(), listing="stope world bodies")
        return _plugged_body(name)
    path = Path(name_or_path)
    body = _read_body(path)
    if body.name in body_names():
        raise ConfigError(f"{path.name}: name = {body.name!r}: the package has a body of this name. Choose another.")
    return body


def check_body(path: str | Path) -> dict[str, Any]:
    """Check a user's body completely, its mesh included, and say what it is.

    Returns:
        What `Body.describe` returns and, where there is a volume, `volume_m3` and `density_from_gm_kgpm3`.

    Raises:
        ConfigError, FileError: with one line that names the first fault; those of `load_body`.
    """
    body = load_body(path)
    volume = _volume(body)
    facts = body.describe()
    return facts | {"volume_m3": volume, "density_from_gm_kgpm3": body.gm / (G * volume)} if volume else facts


@cache
def _shipped_body(name: str) -> Body:
    return _read_body(_SHIPPED / f"{name}.toml")


@cache
def _plugged_body(name: str) -> Body:
    point = plugged("stope.bodies")[name]
    body = _read_body(plugged_file(point))
    check_name(point, body.name)
    return body


@lru_cache(maxsize=16)
def _shape(body: Body) -> TriangleMesh:
    if body.mesh is None:
        raise ConfigError(f"Body {body.name!r}.mesh = none: a body of kind {body.kind!r} has no mesh. Use surface().")
    scale = MESH_UNITS[body.mesh_unit]
    mesh = read_obj(body.mesh, scale=scale, num_vertices=body.mesh_vertices, num_faces=body.mesh_faces)
    return mesh.centred()


@lru_cache(maxsize=16)
def _field(body: Body) -> GravityField:
    if body.kind == "mesh":
        return PolyhedronField(_shape(body), gm=body.gm)
    if body.kind == "ellipsoid":
        return EllipsoidField(body.semi_axes, gm=body.gm)
    return PointMassField(gm=body.gm) if body.kind == "point" else UniformField(gravity_level=body.gravity_level)


@lru_cache(maxsize=16)
def _surface(body: Body) -> Surface:
    if body.kind == "mesh":
        return MeshSurface(_shape(body))
    if body.kind == "ellipsoid":
        return EllipsoidSurface(body.semi_axes)
    return (
        EllipsoidSurface((body.mean_radius, body.mean_radius, body.mean_radius))
        if body.kind == "point"
        else FlatSurface()
    )


def _volume(body: Body) -> float:
    """Volume [m3] of a body's shape, 0 for a uniform place."""
    if body.kind == "mesh":
        return _shape(body).volume
    volume = math.prod(body.semi_axes) if body.kind == "ellipsoid" else body.mean_radius**3
    return 4.0 / 3.0 * math.pi * volume


def _read_body(path: Path) -> Body:
    """Read one TOML and check it, its mesh included."""
    data = read_toml(path)
    where = path.name
    _check_keys(data, where)
    numbers = {key: _quantity(data[key], key, where) for key in KEYS[data["kind"]] if key in UNITS}
    values: dict[str, Any] = {"gm": 0.0, "gravity_level": 0.0}
    values |= {key: value for key, (value, _, _) in numbers.items()}
    if "spin_period" in values:
        values["spin_rate"] = 2.0 * math.pi / (values.pop("spin_period") * HOUR)
    if data["kind"] == "mesh":
        values |= _mesh_words(data, path)
    body = Body(
        name=data["name"],
        kind=data["kind"],
        summary=data["summary"],
        licence=data["licence"],
        has_air=data["has_air"],
        sources={key: source for key, (_, source, _) in numbers.items()},
        errors={key: error for key, (_, _, error) in numbers.items() if error is not None},
        **values,
    )
    _check_density(body, where)
    return body


def _check_keys(data: dict[str, Any], where: str) -> None:
    """Refuse a wrong format or kind, unknown and missing keys, and words of the wrong type."""
    if data.get("format") != FORMAT:
        raise ConfigError(f'{where}: format = {data.get("format")!r}: must be "{FORMAT}". Write it on the first line.')
    kind = data.get("kind", "")
    if kind not in get_args(Kind):
        raise ConfigError(f"{where}: kind = {kind!r}: must be one of {', '.join(get_args(Kind))}.")
    for key in data:
        if key not in KEYS[kind]:
            close = difflib.get_close_matches(key, KEYS[kind], n=1, cutoff=0.6)
            hint = f"Closest: {close[0]}." if close else f"Known: {', '.join(KEYS[kind])}."
            raise ConfigError(f"{where}: {key} = unknown key for kind {kind!r}. {hint}")
    for key in KEYS[kind]:
        if key not in data:
            raise ConfigError(f"{where}: {key} = missing: a body of kind {kind!r} needs it. Add it with its source.")
    for key in WORDS:
        wanted = bool if key == "has_air" else str
        if not isinstance(data[key], wanted) or data[key] == "":
            rule = "true or false" if wanted is bool else "text"
            raise ConfigError(f"{where}: {key} = {data[key]!r}: must be {rule}. Correct it.")


def _quantity(table: Any, key: str, where: str) -> tuple[Any, str, float | None]:
    """Return value, source and error of one number table, checked for unit, finiteness and sign."""
    needed = {"value", "unit", "source"}
    if not isinstance(table, dict) or not needed <= set(table) <= needed | {"error"}:
        raise ConfigError(
            f"{where}: {key} = {table!r}: must be a table {{value, unit, source}} with an optional error. "
            f'Write {key} = {{ value = ..., unit = "{UNITS[key]}", source = "..." }}.'
        )
    if table["unit"] != UNITS[key]:
        raise ConfigError(f"{where}: {key} unit = {table['unit']!r}: must be {UNITS[key]!r}. Convert the value.")
    if not isinstance(table["source"], str) or not table["source"].strip():
        raise ConfigError(f"{where}: {key} source = {table['source']!r}: must say where the number is from.")
    numbers = table["value"] if key == "semi_axes" else [table["value"]]
    if not isinstance(numbers, list) or (key == "semi_axes" and len(numbers) != 3):
        raise ConfigError(f"{where}: {key} = {numbers!r} {UNITS[key]}: must be three numbers, along x, y and z.")
    may_be_zero = key in ("gravity_level", "jitter_rms")
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not is_finite(number):
            raise ConfigError(f"{where}: {key} = {number!r} {UNITS[key]}: must be a finite number.")
        if number < 0.0 or (number == 0.0 and not may_be_zero):
            raise ConfigError(
                f"{where}: {key} = {number} {UNITS[key]}: must be {'zero or more' if may_be_zero else 'positive'}."
            )
    error = table.get("error")
    if error is not None and not (isinstance(error, int | float) and is_finite(error) and error >= 0.0):
        raise ConfigError(f"{where}: {key} error = {error!r} {UNITS[key]}: must be a finite number, zero or more.")
    value = tuple(float(n) for n in numbers) if key == "semi_axes" else float(numbers[0])
    return value, table["source"], None if error is None else float(error)


def _mesh_words(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the fields that name a mesh file, checked."""
    if str(data["mesh_unit"]) not in MESH_UNITS:
        raise ConfigError(f"{path.name}: mesh_unit = {data['mesh_unit']!r}: must be one of {', '.join(MESH_UNITS)}.")
    if not isinstance(data["mesh"], str) or not data["mesh"]:
        raise ConfigError(f"{path.name}: mesh = {data['mesh']!r}: must be the name of an OBJ file beside this TOML.")
    for key in ("mesh_vertices", "mesh_faces"):
        if isinstance(data[key], bool) or not isinstance(data[key], int) or data[key] < 4:
            raise ConfigError(f"{path.name}: {key} = {data[key]!r}: must be a whole number of 4 or more.")
    words = {key: data[key] for key in ("mesh_unit", "mesh_vertices", "mesh_faces")}
    return words | {"mesh": path.parent / data["mesh"]}


def _check_density(body: Body, where: str) -> None:
    """Refuse a density that gm and the volume contradict; reads the mesh, so its faults show here."""
    volume = _volume(body)
    if not volume:
        return
    mean = body.gm / (G * volume)
    if abs(mean - body.density) > DENSITY_AGREEMENT * body.density:
        raise ConfigError(
            f"{where}: density = {body.density:.6g} kg/m3: gm and the volume of the shape give {mean:.6g} kg/m3. "
            "Check the units of mesh, axes and gm."
        )
