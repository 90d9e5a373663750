# SPDX-License-Identifier: Apache-2.0
"""Importing: a robot from somebody else's MJCF or URDF, checked, as a cleaned MJCF and a TOML with open questions.

MuJoCo reads the file and its includes; nothing in it is executed, and plugins are refused. What the file says of masses,
inertias, joints and actuators is kept to the last digit and compared with the original before anything is written. What
it does not say (thrusters, sensors, spreads of the prior, numbers of tools) is a "?" in the TOML, which `load_robot`
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
    links_of,
    loose_joints,
)
from stope.world.robots.import_source import Source, mesh_files, read_source
from stope.world.robots.mjcf_cleaning import UNNAMED, BaseFrame, base_frame, clean_document, multiply, rotation
from stope.world.robots.questionnaire import questionnaire
from stope.world.robots.robot import robot_names

__all__ = ["ImportReport", "import_robot"]

Floats = NDArray[np.float64]
EXACT = 1e-6
"""Relative deviation of the cleaned model from the original that is refused; rounding gives 1e-13, actuators and tendons
keep six digits."""
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
    source = read_source(file)
    changes = [*source.changes, *_make_free(source)]
    check_spec(source.spec, file.name)
    _name_the_unnamed(source.spec)
    model = _compile(source)
    _check_finite(model, file.name)
    links = links_of(source.spec, model)
    warnings = [*source.warnings, *check_links(links, model, file.name)]
    check_names(model, file.name)
    frame = base_frame(model)
    check_base(links[0].mass, frame, file.name)
    if frame.is_turned:
        _check_turn(source, model)
        shown = " ".join(f"{x:.6g}" for x in frame.quaternion)
        changes.append(
            "the base's inertia is not diagonal in the file's axes: its axes are now the principal ones; the quaternion "
            f"({shown}) takes components in the new axes to the file's. Thrusters and sensors are in the new axes."
        )
    warnings += loose_joints(model, file.name)
    folder = Path(name) if out is None else Path(out)
    for path in (folder / f"{name}.toml", folder / f"{name}.xml", folder / f"{name}-meshes"):
        if path.exists():
            raise FileError(f"{path}: is there already: expected a new name. Choose --name or --out, or remove it.")
    toml, missing = questionnaire(name, model, frame=frame, file=file.name)
    with tempfile.TemporaryDirectory() as stage:
        meshes = _copy_meshes(source, Path(stage), name)
        root = clean_document(source.spec.to_xml(), model, frame=frame, meshes=meshes)
        text = _document(root, file.name, [model.body(1).name, *changes])
        (Path(stage) / f"{name}.xml").write_text(text, encoding="utf-8")
        (Path(stage) / f"{name}.toml").write_text(toml, encoding="utf-8")
        deviation = _deviation(model, _reload(Path(stage), name, model, frame), frame)
        if not deviation <= EXACT:
            raise FileError(
                f"{file}: the cleaned model differs from the original by {deviation:.2g} of its masses or lengths: "
                f"expected {EXACT:g} or less. It holds something the import cannot write; nothing was written."
            )
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(stage, folder, dirs_exist_ok=True)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    com = rotation(frame.quaternion).T @ rotation(data.xquat[1]).T @ (data.subtree_com[1] - data.xpos[1])
    return ImportReport(
        name=name, source=str(file), language=source.language, toml=folder / f"{name}.toml", mjcf=folder / f"{name}.xml",
        links=links, joints=_joints(model), mass=float(model.body_mass.sum()), com_b=tuple(map(float, com)),
        turned=tuple(map(float, frame.quaternion)) if frame.is_turned else None, deviation=deviation,
        changes=tuple(changes), warnings=tuple(warnings), missing=missing,
    )  # fmt: skip
