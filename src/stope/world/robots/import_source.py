# SPDX-License-Identifier: Apache-2.0
"""Reading somebody else's MJCF or URDF: into a MuJoCo specification of one free robot, without its scene.

The documents are read as plain XML first, so that a plugin, a number that is not finite or a missing file is named
before MuJoCo sees it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import mujoco
import numpy as np

from stope.base.errors import FileError
from stope.world.robots.import_checks import weighs

__all__ = ["Source", "careful", "make_free", "mesh_files", "read_source"]

_MESH_KINDS = (".stl", ".obj", ".msh")
_LINK_NAMES = ("name", "link")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Source:
    """A file that MuJoCo has read."""

    path: Path
    language: str
    """MJCF or URDF."""
    spec: Any
    """The specification, without textures, keyframes and what is fixed to the world."""
    changes: tuple[str, ...]
    """What was left out or switched off, one line each."""
    warnings: tuple[str, ...]


MOST_COPIES = 1000
"""Most copies that <replicate> may make (chosen): MuJoCo takes minutes to compile tens of thousands."""


def read_source(path: Path) -> Source:
    """Read a robot's file and take away what belongs to its scene.

    Raises:
        FileError: missing, broken, of another kind, with a plugin, or with a number that is not finite.
    """
    if not path.is_file():
        raise FileError(f"{path}: no such file. Expected a robot's MJCF (.xml) or URDF (.urdf).")
    if path.suffix == ".xacro":
        raise FileError(f"{path}: expected MJCF (.xml) or URDF (.urdf). Expand it first: `xacro FILE > robot.urdf`.")
    if path.suffix not in (".xml", ".urdf"):
        raise FileError(f"{path}: expected a file whose name ends in .xml (MJCF) or .urdf.")
    documents: dict[Path, ET.Element] = {}
    root = _documents(path, path, seen=documents)
    if root.tag not in ("mujoco", "robot"):
        raise FileError(f"{path.name}: root element <{root.tag}>: expected <mujoco> (MJCF) or <robot> (URDF).")
    changes: list[str] = []
    remarks: list[str] = []
    if root.tag == "robot":
        _prepare_urdf(root, path, changes=changes, remarks=remarks)
    text = ET.tostring(root, encoding="unicode")
    spec = careful(
        lambda: mujoco.MjSpec.from_string(text) if root.tag == "robot" else mujoco.MjSpec.from_file(str(path)),
        path.name, remarks,
    )  # fmt: skip
    if spec.plugins:
        raise FileError(f"{path.name}: plugin {spec.plugins[0].plugin_name!r}: expected none. Remove it.")
    if spec.flexes:
        raise FileError(f"{path.name}: flex {spec.flexes[0].name!r}: expected rigid links only. Remove it.")
    for document in documents.values():
        _say_options(document, changes)
    spec.compiler.balanceinertia, spec.compiler.boundmass, spec.compiler.boundinertia = False, 0.0, 0.0
    spec.compiler.fusestatic, spec.compiler.discardvisual = False, False
    spec.compiler.alignfree, spec.compiler.saveinertial = False, True
    _leave_out_scene(spec, path.name, changes)
    language = "URDF" if root.tag == "robot" else "MJCF"
    return Source(path=path, language=language, spec=spec, changes=tuple(changes), warnings=tuple(remarks))


def careful(action: Callable[[], Any], file: str, remarks: list[str]) -> Any:
    """Let MuJoCo do something: its warnings are added to the remarks, its refusal is one line.

    Raises:
        FileError: what MuJoCo refuses.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            done = action()
        except ValueError as error:
            raise FileError(f"{file}: {_first_line(error)}") from None
    found = (f"{file}: MuJoCo: {' '.join(str(x.message).split())}" for x in said)
    remarks += [text for text in dict.fromkeys(found) if text not in remarks]
    return done


def _first_line(error: Exception) -> str:
    """What MuJoCo says of a fault, with the element it names, in one line."""
    lines = [x.strip() for x in str(error).splitlines() if x.strip()]
    text = lines[0].removeprefix("Error: ").removeprefix("XML Error: ")
    return f"{text} ({lines[1]})." if len(lines) > 1 else f"{text}."


def _documents(path: Path, main: Path, *, seen: dict[Path, ET.Element]) -> ET.Element:
    """The root of a document, it and what it includes looked through."""
    try:
        root = ET.fromstring(path.read_bytes())
    except (ET.ParseError, UnicodeDecodeError, ValueError) as error:
        raise FileError(f"{path.name}: not XML ({error}).") from None
    seen[path.resolve()] = root
    try:
        _check_copies(root, 1, path.name)
    except RecursionError:
        raise FileError(f"{path.name}: its elements are nested too deeply: expected the depth of a robot.") from None
    for item in root.iter():
        _check_item(item, path.name)
        if item.tag == "include":
            other = main.parent / item.get("file", "")
            if not other.is_file():
                raise FileError(f"{path.name}: include {item.get('file')!r}: no such file beside {main.name}.")
            if other.resolve() not in seen:
                _documents(other, main, seen=seen)
    return root


def _check_copies(item: ET.Element, copies: int, file: str) -> None:
    """Refuse more copies of an element, inside one another, than a robot can have."""
    if item.tag == "replicate":
        given = item.get("count", "0")
        copies *= int(given) if given.isdecimal() else 1  # MuJoCo says what is wrong with anything else
        if copies > MOST_COPIES:
            raise FileError(f"{file}: <replicate>: {copies} copies: expected at most {MOST_COPIES}.")
    for inner in item:
        _check_copies(inner, copies, file)


def _check_item(item: ET.Element, file: str) -> None:
    named = f"<{item.tag}>" + (f" {item.get('name')!r}" if item.get("name") else "")
    if item.tag in ("plugin", "extension"):
        raise FileError(f"{file}: {named}: expected a model without plugins, which are programs. Remove it.")
    for key, value in item.attrib.items():
        try:
            numbers = [] if key in _LINK_NAMES else [float(x) for x in value.split()]
        except ValueError:
            continue
        if not np.isfinite(numbers).all():
            raise FileError(f"{file}: {named}: {key} = {value!r}: expected finite numbers.")


def _say_options(root: ET.Element, changes: list[str]) -> None:
    """Note settings of the file that do not hold here."""
    for item in root.iter("option"):
        for key, value in item.attrib.items():
            why = "the place gives its own" if key == "gravity" else "the scene has its own settings"
            changes.append(f"option {key} = {value!r} is ignored: {why}.")
        if len(item):
            changes.append("option flags are ignored: the scene has its own settings.")
    for item in root.iter("compiler"):
        for key in ("balanceinertia", "boundmass", "boundinertia"):
            if item.get(key, "false") not in ("false", "0"):
                changes.append(f"compiler {key} is switched off: masses and inertias count as they are written.")
        if float(item.get("settotalmass", "-1")) > 0.0:
            changes.append(f"compiler settotalmass: masses were scaled to {item.get('settotalmass')} kg in all.")


def _leave_out_scene(spec: Any, file: str, changes: list[str]) -> None:
    world = spec.worldbody
    gone = {g.name for g in world.geoms if g.name}
    for kind, items in (("keyframe", spec.keys), ("geom of the world", world.geoms), ("site of the world", world.sites),
                        ("camera of the world", world.cameras), ("light", spec.lights), ("skin", spec.skins),
                        ("texture", spec.textures), ("material", spec.materials),
                        ("contact pair with the world", [p for p in spec.pairs if {p.geomname1, p.geomname2} & gone]),
                        ("height field", spec.hfields)):  # fmt: skip
        found = list(items)
        if found:
            changes.append(f"{kind} left out: {', '.join(x.name or '(unnamed)' for x in found[:5])}"
                           f"{f' and {len(found) - 5} more' if len(found) > 5 else ''}.")  # fmt: skip
        for item in found:
            spec.delete(item)
    for item in (*spec.geoms, *spec.sites, *spec.tendons):
        item.material = ""
    for item in spec.equalities:
        ties = item.type in (mujoco.mjtEq.mjEQ_CONNECT, mujoco.mjtEq.mjEQ_WELD)
        if ties and item.objtype == mujoco.mjtObj.mjOBJ_BODY and {item.name1, item.name2} & {"", "world"}:
            raise FileError(
                f"{file}: equality {item.name or '(unnamed)'!r} ties the robot to the world: expected two links."
            )


def make_free(source: Source) -> tuple[str, ...]:
    """Give the first body a free joint; returns what was changed.

    Raises:
        FileError: no body, several, a first body tied to the world or without mass, or another one called `base`.
    """
    spec, file = source.spec, source.path.name
    first = [b for b in spec.bodies[1:] if b.parent.name == "world"]
    if not first:
        raise FileError(f"{file}: no body: expected one robot in <worldbody>, or links of a URDF.")
    if len(first) > 1:
        names = ", ".join(repr(b.name) for b in first)
        raise FileError(f"{file}: the world holds bodies {names}: expected one, the robot. Remove the others.")
    base = first[0]
    changes = [] if base.name == "base" else [f"body {base.name!r} is now 'base'."]
    if base.name != "base" and any(b.name == "base" for b in spec.bodies):
        raise FileError(f"{file}: body 'base' is not the first: expected that name for {base.name!r}. Rename it.")
    tied = [j for j in base.joints if j.type != mujoco.mjtJoint.mjJNT_FREE]
    if tied:
        kind = str(tied[0].type).rsplit("_", maxsplit=1)[-1].lower()
        raise FileError(
            f"{file}: body {base.name!r}: joint {tied[0].name!r} ({kind}) ties it to the world: expected none, or a "
            "free joint. Delete it, or put a body without joint around."
        )
    if base.joints:
        joint = base.joints[0]
        joint.damping, joint.armature, joint.frictionloss = [0.0, 0.0, 0.0], 0.0, 0.0
        joint.stiffness = [0.0, 0.0, 0.0]
    else:
        taken = {j.name for j in spec.joints}
        base.add_freejoint(name="base_free" if "base" in taken else "base")
        changes.append(f"body {base.name!r} was fixed to the world: it has a free joint now.")
    if not _has_mass(base):
        count = careful(spec.fuse_static, file, [])
        if count:
            changes.append(f"the first body has no mass: {count} links welded to others are now part of those.")
        if not _has_mass(spec.bodies[1]):
            raise FileError(f"{file}: body {spec.bodies[1].name!r}, the first, has no mass: expected an inertial, "
                            "geoms, or a link with mass welded to it.")  # fmt: skip
    return tuple(changes)


def _has_mass(body: Any) -> bool:
    return bool(body.mass > 0.0) if body.explicitinertial else any(weighs(g) for g in body.geoms)


def mesh_files(source: Source) -> dict[str, Path]:
    """File of each mesh that has one, by the mesh's name.

    Raises:
        FileError: a file that is not there.
    """
    spec, found = source.spec, {}
    for mesh in spec.meshes:
        if mesh.file:
            file = Path(mesh.file).name if spec.strippath else mesh.file
            path = source.path.parent / (spec.compiler.meshdir or spec.meshdir or "") / file
            if not path.is_file():
                raise FileError(f"{source.path.name}: mesh file {str(path)!r}: no such file. Put it there.")
            found[mesh.name or path.stem] = path
    return found


def _prepare_urdf(root: ET.Element, path: Path, *, changes: list[str], remarks: list[str]) -> None:
    """Change a URDF so that MuJoCo loses none of it: the root link's mass, meshes beside the file."""
    for link in root.findall("link"):
        _prepare_link(link, path)
        if link.get("name") == "world" and link.find("inertial") is not None:
            for item in root.iter():
                key = "name" if item.tag == "link" else "link"
                if item.get(key) == "world":
                    item.set(key, "world_link")
            changes.append("link 'world' is now 'world_link': it has a mass.")
    if root.find("link/visual") is not None:
        changes.append("visual shapes of the URDF are left out; collision shapes stay.")
    for joint in root.findall("joint"):
        if joint.find("mimic") is not None:
            remarks.append(f"{path.name}: joint {joint.get('name')!r}: mimic is not read: it moves on its own.")
    extension = root.find("mujoco")
    extension = ET.SubElement(root, "mujoco") if extension is None else extension
    compiler = extension.find("compiler")
    compiler = ET.SubElement(extension, "compiler") if compiler is None else compiler
    compiler.attrib.update({"strippath": "false", "fusestatic": "false"})
    compiler.attrib.pop("meshdir", None)


def _prepare_link(link: ET.Element, path: Path) -> None:
    where = f"{path.name}: link {link.get('name')!r}"
    inertial = link.find("inertial")
    if inertial is None and link.find("collision") is not None:
        raise FileError(f"{where}: no <inertial>: expected mass and inertia; MuJoCo would make them up.")
    if inertial is not None:
        for part, key in (("mass", "value"), ("inertia", "ixx")):
            item = inertial.find(part)
            if item is None or key not in item.attrib:
                raise FileError(f"{where}: <inertial> without <{part}>: expected <{part} {key}=...>.")
    for mesh in link.iterfind("collision/geometry/mesh"):
        mesh.set("filename", str(_mesh_path(mesh.get("filename", ""), path, where)))


def _mesh_path(name: str, file: Path, where: str) -> Path:
    """The file that a URDF's mesh names, `package://` taken as a folder at or above the file."""
    bare = name.removeprefix("file://")
    if bare.startswith("package://"):
        package, _, rest = bare.removeprefix("package://").partition("/")
        folders = [file.resolve().parent, *list(file.resolve().parents)[1:5]]
        tries = [folder / part for folder in folders for part in (Path(package) / rest, Path(rest))]
    else:
        tries = [file.resolve().parent / bare]
    found = next((p for p in tries if p.is_file()), None)
    if found is None:
        raise FileError(f"{where}: mesh file {name!r}: no such file. Expected {str(tries[0])!r}.")
    if found.suffix.lower() not in _MESH_KINDS:
        raise FileError(f"{where}: mesh file {name!r}: expected {', '.join(_MESH_KINDS)}. Convert it.")
    return found
