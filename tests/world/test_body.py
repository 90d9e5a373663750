# SPDX-License-Identifier: Apache-2.0
"""Bodies: those of the package, and what a user's TOML may and may not say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from stope.base.errors import ConfigError, FileError, StopeError, UnknownName
from stope.world.body import KEYS, UNITS, Body, body_names, check_body, load_body
from stope.world.gravity import EllipsoidField, PointMassField, PolyhedronField, UniformField
from stope.world.shape import box_mesh

POINT = {
    "format": '"stope-body-1"',
    "name": '"pebble"',
    "kind": '"point"',
    "summary": '"a sphere of 100 m"',
    "licence": '"CC0"',
    "has_air": "false",
    "gm": '{ value = 0.3355, unit = "m3/s2", source = "test" }',
    "density": '{ value = 1200.0, unit = "kg/m3", source = "test", error = 5.0 }',
    "spin_period": '{ value = 5.0, unit = "h", source = "test" }',
    "mean_radius": '{ value = 100.0, unit = "m", source = "test" }',
}
MESH = POINT | {
    "kind": '"mesh"',
    "gm": '{ value = 0.080092, unit = "m3/s2", source = "test" }',
    "mesh": '"cube.obj"',
    "mesh_unit": '"km"',
    "mesh_vertices": "8",
    "mesh_faces": "12",
}
UNIFORM = {key: POINT[key] for key in ("format", "name", "summary", "licence", "has_air")} | {
    "kind": '"uniform"',
    "gravity_level": '{ value = 0.0, unit = "m/s2", source = "test" }',
    "jitter_rms": '{ value = 1e-5, unit = "m/s2", source = "test" }',
}


def write(folder: Path, entries: dict[str, str], **changes: str | None) -> Path:
    """Write a body's TOML with some entries changed, or left out where the change is None."""
    lines = [f"{key} = {value}" for key, value in (entries | changes).items() if value is not None]
    path = folder / "pebble.toml"
    path.write_text("\n".join(lines))
    cube = box_mesh((0.1, 0.1, 0.1))
    rows = [f"v {x} {y} {z}" for x, y, z in cube.vertices] + [f"f {a} {b} {c}" for a, b, c in cube.faces + 1]
    (folder / "cube.obj").write_text("\n".join(rows))
    return path


@pytest.mark.parametrize("name", body_names())
def test_every_body_has_a_source_for_every_number_and_a_field(name: str) -> None:
    body = load_body(name)
    assert body.name == name
    assert set(body.sources) == {key for key in KEYS[body.kind] if key in UNITS}
    assert all(len(source) > 10 for source in body.sources.values())
    assert json.dumps(body.describe(), allow_nan=False)
    assert load_body(name) is body


def test_the_package_has_the_places_it_promises() -> None:
    assert {"ryugu", "bennu", "eros", "67p", "iss-cabin", "earth-lab", "moon", "parabolic"} <= set(body_names())
    fields = {name: type(load_body(name).field()) for name in ("ryugu", "eros", "bennu", "67p", "moon")}
    assert fields == {
        "ryugu": PolyhedronField,
        "eros": PolyhedronField,
        "bennu": EllipsoidField,
        "67p": EllipsoidField,
        "moon": UniformField,
    }


def test_escape_speeds_are_the_published_ones() -> None:
    for name, speed in (("bennu", 0.200), ("ryugu", 0.366), ("eros", 10.3), ("67p", 0.90)):
        assert load_body(name).escape_speed == pytest.approx(speed, rel=2e-3)  # half of the last digit
    assert load_body("moon").escape_speed == 0.0


@pytest.mark.parametrize("entries", [POINT, MESH, UNIFORM], ids=["point", "mesh", "uniform"])
def test_a_users_body_loads_and_is_described(tmp_path: Path, entries: dict[str, str]) -> None:
    path = write(tmp_path, entries)
    body = load_body(path)
    assert body.name == "pebble"
    assert hash(body) == hash(load_body(str(path)))
    facts = check_body(path)
    if body.kind != "uniform":
        assert facts["density_from_gm_kgpm3"] == pytest.approx(1200.0, rel=0.01)
        assert body.errors == {"density": 5.0}
        assert body.spin_rate == pytest.approx(2.0 * math.pi / 18000.0)
        assert isinstance(body.field(), PointMassField | PolyhedronField)
    else:
        assert "volume_m3" not in facts


def test_an_ellipsoid_of_a_user_loads(tmp_path: Path) -> None:
    axes = '{ value = [120, 100, 84], unit = "m", source = "test" }'
    assert load_body(write(tmp_path, POINT, kind='"ellipsoid"', semi_axes=axes)).semi_axes == (120.0, 100.0, 84.0)


def test_an_unknown_body_names_the_closest() -> None:
    with pytest.raises(UnknownName, match=r"^no body 'ruygu'\. Closest: 'ryugu'\. All: `stope world bodies` \("):
        load_body("ruygu")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        load_body(tmp_path / "none.toml")
    assert "\n" not in str(caught.value)
    assert "none.toml" in str(caught.value)


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, POINT)
    path.write_text(path.read_text() + '\nname = "again"\n')
    with pytest.raises(FileError, match=r"pebble\.toml"):
        load_body(path)


NUMBER = '{{ value = {0}, unit = "{1}", source = "test" }}'
FAULTS = [
    (
        POINT,
        {"format": '"stope-body-0"'},
        r"format = 'stope-body-0': must be \"stope-body-1\"\. Write it on the first line\.",
    ),
    (POINT, {"format": None}, r"format = None: must be \"stope-body-1\""),
    (POINT, {"kind": '"cube"'}, r"kind = 'cube': must be one of mesh, ellipsoid, point, uniform\."),
    (POINT, {"densty": "3"}, r"densty = unknown key for kind 'point'\. Closest: density\."),
    (POINT, {"colour": '"red"'}, r"colour = unknown key for kind 'point'\. Known: format, name, kind"),
    (POINT, {"gm": None}, r"gm = missing: a body of kind 'point' needs it\. Add it with its source\."),
    (UNIFORM, {"gravity_level": None}, r"gravity_level = missing: a body of kind 'uniform' needs it\."),
    (POINT, {"has_air": '"no"'}, r"has_air = 'no': must be true or false\. Correct it\."),
    (POINT, {"summary": '""'}, r"summary = '': must be text\. Correct it\."),
    (POINT, {"name": '"ryugu"'}, r"name = 'ryugu': the package has a body of this name\. Choose another\."),
    (
        POINT,
        {"gm": "0.3"},
        r"gm = 0\.3: must be a table \{value, unit, source\} with an optional error\. Write gm = \{",
    ),
    (POINT, {"gm": NUMBER.format(0.3, "km3/s2")}, r"gm unit = 'km3/s2': must be 'm3/s2'\. Convert the value\."),
    (POINT, {"spin_period": NUMBER.format(5, "s")}, r"spin_period unit = 's': must be 'h'\. Convert the value\."),
    (
        POINT,
        {"gm": '{ value = 1, unit = "m3/s2", source = " " }'},
        r"gm source = ' ': must say where the number is from\.",
    ),
    (POINT, {"gm": NUMBER.format("nan", "m3/s2")}, r"gm = nan m3/s2: must be a finite number\."),
    (POINT, {"gm": NUMBER.format("true", "m3/s2")}, r"gm = True m3/s2: must be a finite number\."),
    (POINT, {"density": NUMBER.format(-5, "kg/m3")}, r"density = -5 kg/m3: must be positive\."),
    (POINT, {"spin_period": NUMBER.format(0, "h")}, r"spin_period = 0 h: must be positive\."),
    (UNIFORM, {"gravity_level": NUMBER.format(-1, "m/s2")}, r"gravity_level = -1 m/s2: must be zero or more\."),
    (
        POINT,
        {"gm": '{ value = 1, unit = "m3/s2", source = "x", error = -1 }'},
        r"gm error = -1 m3/s2: must be a finite number, zero or more\.",
    ),
    (
        POINT,
        {"kind": '"ellipsoid"', "semi_axes": NUMBER.format([1, 2], "m")},
        r"semi_axes = \[1, 2\] m: must be three numbers, along x, y and z\.",
    ),
    (MESH, {"mesh_unit": '"cm"'}, r"mesh_unit = 'cm': must be one of m, km\."),
    (MESH, {"mesh": "7"}, r"mesh = 7: must be the name of an OBJ file beside this TOML\."),
    (MESH, {"mesh_faces": "1.5"}, r"mesh_faces = 1\.5: must be a whole number of 4 or more\."),
    (
        MESH,
        {"mesh_unit": '"m"'},
        r"density = 1200 kg/m3: gm and the volume of the shape give 1\.2\S+ kg/m3\. Check the units",
    ),
]


@pytest.mark.parametrize(("entries", "changes", "text"), FAULTS, ids=[next(iter(fault[1])) for fault in FAULTS])
def test_a_fault_in_a_users_toml_is_one_line_that_names_it(
    tmp_path: Path, entries: dict[str, str], changes: dict[str, str | None], text: str
) -> None:
    path = write(tmp_path, entries, **changes)
    with pytest.raises(ConfigError, match=rf"^pebble\.toml: {text}") as caught:
        check_body(path)
    assert "\n" not in str(caught.value)


def test_a_fault_of_the_mesh_shows_when_the_body_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path, MESH, mesh='"none.obj"')
    with pytest.raises(FileError, match=r"^mesh .*none\.obj = no such file"):
        load_body(path)
    with pytest.raises(FileError, match=r"^cube\.obj = 12 faces: the body's TOML says 11"):
        load_body(write(tmp_path, MESH, mesh_faces="11"))


def test_gravity_has_no_default() -> None:
    with pytest.raises(TypeError, match=r"'gm' and 'gravity_level'"):
        Body(name="x", kind="point", summary="x", licence="x", has_air=False, mean_radius=1.0)  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("bennu", {"gm": -1.0}, r"Body\.gm = -1"),
        ("bennu", {"gm": 0.0}, r"Body\.gm = 0"),
        ("bennu", {"mean_radius": math.nan}, r"Body\.mean_radius = nan"),
        (
            "bennu",
            {"semi_axes": (1.0, 0.0, 1.0)},
            r"^Body\.semi_axes = \(1\.0, 0\.0, 1\.0\) m: all three must be positive\.$",
        ),
        ("ryugu", {"mesh": None}, r"^Body\.mesh = None: a body of kind 'mesh' needs the path of an OBJ file\.$"),
    ],
)
def test_a_wrong_body_cannot_be_constructed(name: str, change: dict[str, object], text: str) -> None:
    with pytest.raises(StopeError, match=text):
        replace(load_body(name), **change)


def test_a_body_without_mesh_has_no_shape() -> None:
    with pytest.raises(
        ConfigError, match=r"^Body 'bennu'\.mesh = none: a body of kind 'ellipsoid' has no mesh\. Use surface"
    ):
        load_body("bennu").shape()


def test_a_body_without_spin_has_no_synchronous_radius() -> None:
    assert replace(load_body("bennu"), spin_rate=0.0).synchronous_radius == math.inf
