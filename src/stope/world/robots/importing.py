# SPDX-License-Identifier: Apache-2.0
"""Importing: a robot from somebody else's MJCF or URDF, checked, as a cleaned MJCF and a TOML with open questions.

MuJoCo reads the file and its includes; nothing in it is executed, and plugins are refused. Masses, inertias and
places are kept to the last digit and compared with the original before anything is written. What the file does not
say (thrusters, sensors, spreads of the prior, numbers of tools) is a "?" in the TOML, which `load_robot`
refuses until it is answered.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import mujoco
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError, FileError
from stope.world.robots.articulation import read_articulation
from stope.world.robots.import_checks import (
    Link,
    check_base,
    check_links,
    check_names,
    check_spec,
    extent_of,
    links_of,
    loose_joints,
)
from stope.world.robots.import_source import Source, careful, make_free, mesh_files, read_source
from stope.world.robots.mjcf_cleaning import (
    UNNAMED,
    BaseFrame,
    base_frame,
    clean_document,
    multiply,
    rotation,
)
from stope.world.robots.questionnaire import questionnaire
from stope.world.robots.robot import robot_names

__all__ = ["ImportReport", "import_robot"]

Floats = NDArray[np.float64]
EXACT = 1e-6
"""Relative deviation of the cleaned model from the original that is refused; rounding gives 1e-15, and the places of
inline meshes have six digits."""
_JOINTS = {mujoco.mjtJoint.mjJNT_FREE: "free", mujoco.mjtJoint.mjJNT_BALL: "ball",
           mujoco.mjtJoint.mjJNT_SLIDE: "slide", mujoco.mjtJoint.mjJNT_HINGE: "hinge"}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportReport:
    """What was imported, what was changed, what looks wrong and what is missing."""

    name: str
    source: str
    language: str
    toml: Path
    mjcf: Path
    links: tuple[Link, ...]
    joints: tuple[dict[str, Any], ...]
    """Name, link, type, range [m or rad] and limits [N or N m] of each joint; None for none."""
    mass: float
    """Of the whole robot [kg]."""
    com_b: tuple[float, ...]
    """Of the whole robot as it starts [m], in base axes."""
    turned: tuple[float, ...] | None
    """Quaternion from the new base axes to the file's; None where they are the same."""
    deviation: float
    """Greatest relative deviation of the cleaned model from the original: masses, mass matrix, places [1]."""
    changes: tuple[str, ...]
    warnings: tuple[str, ...]
    missing: tuple[str, ...]
    """Keys of the TOML that wait for an answer, first to last."""

    @property
    def next_step(self) -> str:
        """What to do now."""
        return f"Answer the {len(self.missing)} questions in {self.toml}, then `stope world robot {self.toml}`."

    def describe(self) -> dict[str, Any]:
        """Plain data for programs."""
        links = [
            {"name": k.name, "mass_kg": k.mass, "com_m": list(k.com), "moments_kgm2": list(k.moments),
             "density_kgm3": k.density, "mass_from": "file" if k.has_own_inertia else "density of geoms"}
            for k in self.links
        ]  # fmt: skip
        return {
            "name": self.name, "source": self.source, "language": self.language, "toml": str(self.toml),
            "mjcf": str(self.mjcf), "links": links, "joints": list(self.joints), "mass_kg": self.mass,
            "com_b_m": list(self.com_b), "base_turned": None if self.turned is None else list(self.turned),
            "deviation": self.deviation, "changes": list(self.changes), "warnings": list(self.warnings),
            "missing": list(self.missing), "next_step": self.next_step,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Examined:
    """A model that passed every check."""

    source: Source
    model: Any
    frame: BaseFrame
    links: tuple[Link, ...]
    changes: tuple[str, ...]
    warnings: tuple[str, ...]


def import_robot(file: Path | str, *, out: Path | None = None, name: str = "") -> ImportReport:
    """Check a robot's MJCF or URDF and write `NAME.xml` and `NAME.toml`.

    Args:
        file: MJCF (.xml) or URDF (.urdf).
        out: Folder to write into; a new folder of the robot's name if None.
        name: Of the robot; from the file's if empty.

    Raises:
        FileError: the file or a mesh is missing or broken, the model is no robot, a number cannot be, or there is such
            a robot already.
        ConfigError: a name that cannot be one.
    """
    file = Path(file)
    name = _checked_name(name or _slug(file.stem), is_given=bool(name))
    found = _examine(read_source(file))
    folder = Path(name) if out is None else Path(out)
    for path in (folder / f"{name}.toml", folder / f"{name}.xml", folder / f"{name}-meshes"):
        if path.exists():
            raise FileError(f"{path}: is there already: expected a new name. Choose --name or --out, or remove it.")
    model, frame = found.model, found.frame
    toml, missing = questionnaire(name, model, frame=frame, file=file.name, side=extent_of(model, 1))
    with tempfile.TemporaryDirectory() as stage:
        (Path(stage) / f"{name}.toml").write_text(toml, encoding="utf-8")
        deviation = _write_model(found, Path(stage), name)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(stage, folder, dirs_exist_ok=True)
    return ImportReport(
        name=name, source=str(file), language=found.source.language, toml=folder / f"{name}.toml",
        mjcf=folder / f"{name}.xml", links=found.links, joints=_joints(model), mass=float(model.body_mass.sum()),
        com_b=_centre(model, frame), turned=tuple(map(float, frame.quaternion)) if frame.is_turned else None,
        deviation=deviation, changes=found.changes, warnings=found.warnings, missing=missing,
    )  # fmt: skip


def _slug(stem: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "robot"


def _checked_name(name: str, *, is_given: bool) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ConfigError(f"--name {name!r}: expected small letters, digits and single hyphens, such as 'my-arm'.")
    if name in robot_names():
        hint = "Choose another." if is_given else "Choose one with --name."
        raise ConfigError(f"name {name!r}: the package has a robot of this name. {hint}")
    return name


def _examine(source: Source) -> _Examined:
    """Make the robot free, compile it and run every check."""
    spec, file = source.spec, source.path.name
    check_spec(spec, file)
    _name_the_unnamed(spec)
    changes = [*source.changes, *make_free(source)]
    mesh_files(source)
    warnings = list(source.warnings)
    model = careful(spec.compile, file, warnings)
    _check_finite(model, file)
    links = links_of(spec, model)
    warnings += [*check_links(links, model, file), *loose_joints(model, file), *check_names(model, file)]
    frame = base_frame(model)
    check_base(links[0].mass, frame, file)
    if frame.is_turned:
        _check_turn(source, model)
        shown = " ".join(f"{x:.6g}" for x in frame.quaternion)
        changes.append(
            "the base's inertia is not diagonal in the file's axes: the base's axes are now the principal ones nearest "
            f"to them. Quaternion from the new axes to the file's: {shown}. Thrusters and sensors act in the new axes."
        )
    return _Examined(
        source=source, model=model, frame=frame, links=links, changes=tuple(changes), warnings=tuple(warnings)
    )


def _name_the_unnamed(spec: Any) -> None:
    """Give names: to links and joints for good, to the rest until the document is cleaned."""
    for word, items in (("link", spec.bodies[1:]), ("joint", spec.joints), (f"{UNNAMED}geom", spec.geoms),
                        (f"{UNNAMED}site", spec.sites), (f"{UNNAMED}camera", spec.cameras)):  # fmt: skip
        taken = {x.name for x in items}
        for k, item in enumerate(items):
            if not item.name:
                item.name = next(n for n in (f"{word}{k + m}" for m in range(len(taken) + 1)) if n not in taken)
                taken.add(item.name)


def _check_finite(model: Any, file: str) -> None:
    for name in ("body_mass", "body_inertia", "body_ipos", "body_pos", "body_quat", "geom_size", "geom_pos",
                 "jnt_range", "jnt_axis", "site_pos", "dof_armature", "dof_damping"):  # fmt: skip
        if not np.isfinite(getattr(model, name)).all():
            raise FileError(f"{file}: {name.replace('_', ' ')} is not finite: expected finite numbers everywhere.")


def _check_turn(source: Source, model: Any) -> None:
    """Refuse what is given in base axes and does not turn with them."""
    file, base = source.path.name, model.body(1).name
    for item in source.spec.equalities:
        if item.objtype == mujoco.mjtObj.mjOBJ_BODY and base in (item.name1, item.name2):
            raise FileError(f"{file}: equality {item.name or '(unnamed)'!r} is given in the base's axes, in which its "
                            "inertia is not diagonal: expected one between sites, site1 and site2.")  # fmt: skip
    of_joints = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)
    for a in range(model.nu):
        if int(model.actuator_trntype[a]) in of_joints and model.actuator_trnid[a, 0] == 0:
            raise FileError(f"{file}: actuator {model.actuator(a).name!r} pushes along the base's axes, in which its "
                            "inertia is not diagonal: expected one at a site. Write it with site.")  # fmt: skip


def _joints(model: Any) -> tuple[dict[str, Any], ...]:
    rows: list[dict[str, Any]] = []
    for j in range(model.njnt):
        forces = [model.actuator_forcerange[a].tolist() for a in range(model.nu)
                  if model.actuator_trntype[a] == mujoco.mjtTrn.mjTRN_JOINT and model.actuator_trnid[a, 0] == j
                  and model.actuator_forcelimited[a]]  # fmt: skip
        if model.jnt_actfrclimited[j]:
            forces.append(model.jnt_actfrcrange[j].tolist())
        rows.append({
            "name": model.joint(j).name, "link": model.body(int(model.jnt_bodyid[j])).name,
            "type": _JOINTS[mujoco.mjtJoint(int(model.jnt_type[j]))],
            "range": model.jnt_range[j].tolist() if model.jnt_limited[j] else None,
            "limit": forces[0] if forces else None,
        })  # fmt: skip
    return tuple(rows)


def _centre(model: Any, frame: BaseFrame) -> tuple[float, ...]:
    """Centre of mass of the whole robot as it starts [m], in base axes."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    com = rotation(frame.quaternion).T @ rotation(data.xquat[1]).T @ (data.subtree_com[1] - data.xpos[1])
    return tuple(map(float, com))


def _write_model(found: _Examined, folder: Path, name: str) -> float:
    """Write meshes and the cleaned MJCF, read them back, and return how far they are from the original."""
    file = found.source.path
    meshes: dict[str, str] = {}
    for mesh, path in mesh_files(found.source).items():
        target = f"{name}-meshes/{len(meshes)}-{path.name}"
        (folder / f"{name}-meshes").mkdir(exist_ok=True)
        shutil.copyfile(path, folder / target)
        meshes[mesh] = target
    written = careful(found.source.spec.to_xml, file.name, [])
    root = clean_document(written, found.model, frame=found.frame, meshes=meshes)
    for item in root.iter():
        if "{" in item.get("name", "") or "}" in item.get("name", ""):
            raise FileError(f"{file.name}: name {item.get('name')!r}: expected one without braces. Rename it.")
    title, *notes = (re.sub("-{2,}", "-", line) for line in (f"Imported from {file.name}.", *found.changes))
    ET.indent(root, " ")
    remark = "\n  ".join([title, *notes])
    text = f"<!-- {remark}\n-->\n{ET.tostring(root, encoding='unicode')}\n"
    (folder / f"{name}.xml").write_text(text, encoding="utf-8")
    numbers = {"mass": found.model.body_mass[1], "com": found.frame.com, "inertia": found.frame.moments}
    made = read_articulation({"file": f"{name}.xml"}, numbers, folder=folder, where=name, sources={})
    cleaned = careful(lambda: mujoco.MjSpec.from_string(made.mjcf).compile(), f"{file.name}, cleaned", [])
    deviation = compare(found.model, cleaned, quaternion=found.frame.quaternion)
    if not deviation <= EXACT:
        raise FileError(
            f"{file.name}: the cleaned model differs from the original by {deviation:.2g} of its masses or lengths: "
            f"expected {EXACT:g} or less. It holds something the import cannot write; nothing was written."
        )
    return deviation


def compare(original: Any, cleaned: Any, *, quaternion: Floats, seed: int = 0) -> float:
    """Greatest relative deviation of two models of one robot, in three configurations drawn at random.

    Compared are the mass matrix, the places of links' centres of mass, and the places and axes of geoms. Joints and
    links are found by name, the free joint and the base by their place.

    Args:
        original: Compiled as the file says, with a free base.
        cleaned: The same with other base axes.
        quaternion: Takes components in the cleaned base's axes to the original's.
        seed: Of the configurations.
    """
    rng, worst = np.random.default_rng(seed), 0.0
    if (original.nv, original.nbody, original.ngeom) != (cleaned.nv, cleaned.nbody, cleaned.ngeom):
        return float("inf")
    for _ in range(3):
        a, b = mujoco.MjData(original), mujoco.MjData(cleaned)
        rows = _draw((original, cleaned), (a, b), quaternion=quaternion, rng=rng)
        for model, data in ((original, a), (cleaned, b)):
            mujoco.mj_forward(model, data)
        turn = np.eye(original.nv)
        turn[3:6, 3:6] = rotation(quaternion)
        full_a, full_b = mass_matrix(original, a), mass_matrix(cleaned, b)[np.ix_(rows, rows)]
        worst = max(worst, _off(turn.T @ full_a @ turn, full_b))
        worst = max(worst, _places((original, cleaned), (a, b)))
    return worst


def mass_matrix(model: Any, data: Any) -> Floats:
    """Mass matrix (nv, nv) in the configuration of the data."""
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    return full


def _off(a: Floats, b: Floats) -> float:
    return float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-12))


def _draw(models: tuple[Any, Any], data: tuple[Any, Any], *, quaternion: Floats, rng: np.random.Generator) -> list[int]:
    """Put both models into one random configuration; returns the cleaned model's column of each of the original's."""
    columns: list[int] = []
    (original, cleaned), (a, b) = models, data
    for j in range(original.njnt):
        k = 0 if j == 0 else int(cleaned.joint(original.joint(j).name).id)
        p, q = int(original.jnt_qposadr[j]), int(cleaned.jnt_qposadr[k])
        kind = original.jnt_type[j]
        size, dofs = {0: (7, 6), 1: (4, 3)}.get(int(kind), (1, 1))
        value = rng.normal(size=size)
        if size > 1:
            value[-4:] /= np.linalg.norm(value[-4:])
        elif original.jnt_limited[j]:
            value = rng.uniform(*original.jnt_range[j], size=1)
        a.qpos[p : p + size] = b.qpos[q : q + size] = value
        if j == 0:
            b.qpos[q + 3 : q + 7] = multiply(value[3:], quaternion)
        columns += range(int(cleaned.jnt_dofadr[k]), int(cleaned.jnt_dofadr[k]) + dofs)
    return columns


def _places(models: tuple[Any, Any], data: tuple[Any, Any]) -> float:
    """Greatest distance between the links' centres of mass, and the geoms, of two models [of the robot's size]."""
    (original, cleaned), (a, b) = models, data
    worst, centre = 0.0, a.xpos[1]
    size = max(float(np.abs(a.xipos[1:] - centre).max()), float(np.abs(a.geom_xpos - centre).max(initial=0.0)), 1e-3)
    links = [1] + [int(cleaned.body(original.body(k).name).id) for k in range(2, original.nbody)]
    for k, m in enumerate(links, start=1):
        worst = max(worst, float(np.abs(a.xipos[k] - b.xipos[m]).max()) / size)
        mine = [g for g in range(original.ngeom) if original.geom_bodyid[g] == k]
        theirs = [g for g in range(cleaned.ngeom) if cleaned.geom_bodyid[g] == m]
        for g in mine:
            apart = [float(np.abs(a.geom_xpos[g] - b.geom_xpos[h]).max()) / size
                     + float(np.abs(a.geom_xmat[g] - b.geom_xmat[h]).max()) for h in theirs]  # fmt: skip
            worst = max(worst, min(apart, default=np.inf))
    return worst
