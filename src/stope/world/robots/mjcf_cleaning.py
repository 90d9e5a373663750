# SPDX-License-Identifier: Apache-2.0
"""Cleaning: an expanded MJCF document as stope's robot format wants it, without loss of digits.

MuJoCo writes a model with six digits; every pose, inertia and joint number is therefore written again from the compiled
model, found by its name. Frames are taken apart, what belongs to a scene is left out, and the base is turned to its
principal axes where its inertia is not diagonal.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import mujoco
import numpy as np
from numpy.typing import NDArray

__all__ = ["BaseFrame", "base_frame", "clean_document"]

Floats = NDArray[np.float64]
UNNAMED = "unnamed."
"""Prefix of the names that geoms, sites and cameras without one carry while the document is cleaned."""
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
DIAGONAL = 1e-9
"""Greatest off-diagonal moment over the trace that counts as rounding [1]."""
KEPT = ("compiler", "default", "custom", "asset", "worldbody", "contact", "equality", "tendon", "actuator", "sensor")
_SIZES = {mujoco.mjtGeom.mjGEOM_SPHERE: 1, mujoco.mjtGeom.mjGEOM_CAPSULE: 2, mujoco.mjtGeom.mjGEOM_CYLINDER: 2,
          mujoco.mjtGeom.mjGEOM_ELLIPSOID: 3, mujoco.mjtGeom.mjGEOM_BOX: 3}  # fmt: skip
_ORIENTATIONS = ("quat", "euler", "axisangle", "xyaxes", "zaxis", "fromto")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BaseFrame:
    """Axes of the base in which its inertia is diagonal."""

    quaternion: Floats
    """Takes components in the new base axes to components in the old ones, (4,)."""
    com: Floats
    """Centre of mass [m], new axes."""
    moments: Floats
    """Moments about the centre of mass along the new axes [kg m2]."""

    @property
    def is_turned(self) -> bool:
        """Whether the new axes differ from the old ones."""
        return bool(np.any(self.quaternion != IDENTITY))

    def moved(self, pos: Floats, quat: Floats) -> tuple[Floats, Floats]:
        """A pose given in the old base axes, in the new ones."""
        if not self.is_turned:
            return pos, quat
        back = conjugate(self.quaternion)
        return rotation(back) @ pos, multiply(back, quat)


def rotation(quaternion: Floats) -> Floats:
    """Matrix (3, 3) of a unit quaternion."""
    out = np.empty(9)
    mujoco.mju_quat2Mat(out, np.asarray(quaternion, dtype=np.float64))
    return out.reshape(3, 3)


def multiply(a: Floats, b: Floats) -> Floats:
    """Product of two quaternions."""
    out = np.empty(4)
    mujoco.mju_mulQuat(out, np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    return out


def conjugate(q: Floats) -> Floats:
    """Inverse of a unit quaternion."""
    return np.asarray(q) * [1.0, -1.0, -1.0, -1.0]


def base_frame(model: Any) -> BaseFrame:
    """Axes of body 1 in which its inertia is diagonal: its own if it is, else the principal axes nearest to them."""
    axes = rotation(model.body_iquat[1])
    tensor = axes @ np.diag(model.body_inertia[1]) @ axes.T
    off = tensor - np.diag(np.diag(tensor))
    if np.abs(off).max() <= DIAGONAL * np.trace(tensor):
        return BaseFrame(quaternion=IDENTITY, com=model.body_ipos[1].copy(), moments=np.diag(tensor).copy())
    moments, vectors = np.linalg.eigh(tensor)
    order = max(itertools.permutations(range(3)), key=lambda p: sum(abs(vectors[k, p[k]]) for k in range(3)))
    turned = vectors[:, order]
    turned = turned * np.where(np.diag(turned) < 0.0, -1.0, 1.0)
    if np.linalg.det(turned) < 0.0:
        turned[:, np.abs(np.diag(turned)).argmin()] *= -1.0
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(turned).reshape(9))
    quaternion /= np.linalg.norm(quaternion)
    return BaseFrame(
        quaternion=quaternion, com=rotation(quaternion).T @ model.body_ipos[1], moments=moments[list(order)]
    )


def clean_document(text: str, model: Any, *, frame: BaseFrame, meshes: dict[str, str]) -> ET.Element:
    """The document that a robot's TOML names; the base's mass properties are `{mass}`, `{com}` and `{inertia}`.

    Args:
        text: What MuJoCo wrote of the compiled specification.
        model: The compiled model; its geoms, sites, cameras, joints and bodies have names.
        frame: Axes of the base.
        meshes: File beside the TOML of each mesh that has one, by name.
    """
    root = ET.fromstring(text)
    for section in list(root):
        if section.tag not in KEPT:
            root.remove(section)
    _set_compiler(root, has_files=bool(meshes))
    for asset in root.findall("asset"):
        _keep_meshes(asset, meshes)
    world = root.find("worldbody")
    assert world is not None
    _take_frames_apart(world, "")
    for item in list(world):
        if item.tag != "body":
            world.remove(item)
    for body in world.iter("body"):
        _write_body(body, model, frame)
    for item in root.iter():
        _strip(item)
    _name_base(root, model)
    return root


def _keep_meshes(asset: ET.Element, files: dict[str, str]) -> None:
    for item in list(asset):
        if item.tag != "mesh":
            asset.remove(item)
        elif item.get("name") in files:
            item.set("file", files[str(item.get("name"))])


def _strip(item: ET.Element) -> None:
    """Take away materials, masses that the inertias already hold, and names given for the cleaning only."""
    if item.tag != "inertial":
        for name in ("material", "mass", "density", "shellinertia"):
            item.attrib.pop(name, None)
    if item.get("name", "").startswith(UNNAMED):
        del item.attrib["name"]


def _name_base(root: ET.Element, model: Any) -> None:
    """Call the first body `base`, and its free joint unless another one is called so; mend what refers to them."""
    body, joint = model.body(1).name, model.joint(0).name
    new_joint = "base_free" if any(model.joint(k).name == "base" for k in range(1, model.njnt)) else "base"
    for item in root.iter():
        for key in ("body1", "body2", "body", "target", "objname", "refname"):
            kind = item.get({"objname": "objtype", "refname": "reftype"}.get(key, ""), "body")
            if item.get(key) == body and kind in ("body", "xbody"):
                item.set(key, "base")
        for key in ("joint", "joint1", "joint2", "jointinparent"):
            if item.get(key) == joint:
                item.set(key, new_joint)
    first = root.find("worldbody/body")
    assert first is not None
    first.set("name", "base")
    for item in [*first.findall("joint"), *first.findall("freejoint")]:
        if item.tag == "freejoint" or item.get("type") == "free":
            first.remove(item)
    first.insert(0, ET.Element("freejoint", {"name": new_joint, "align": "false"}))
    first.insert(1, ET.Element("inertial", {"pos": "{com}", "mass": "{mass}", "diaginertia": "{inertia}"}))


def _set_compiler(root: ET.Element, *, has_files: bool) -> None:
    old = root.find("compiler")
    limits = None if old is None else old.get("autolimits")
    if old is not None:
        root.remove(old)
    new = ET.Element("compiler", {"angle": "radian", "inertiafromgeom": "false"})
    if limits is not None:
        new.set("autolimits", limits)
    if has_files:
        new.set("meshdir", "{folder}")
    root.insert(0, new)


def _take_frames_apart(parent: ET.Element, childclass: str) -> None:
    """Lift what is in frames into the body they are in; poses are written from the model afterwards."""
    lifted: list[ET.Element] = []
    for item in list(parent):
        if item.tag != "frame":
            lifted.append(item)
            if item.tag == "body" and childclass and "childclass" not in item.attrib:
                item.set("childclass", childclass)
            elif item.tag in ("geom", "site", "joint", "camera") and childclass and "class" not in item.attrib:
                item.set("class", childclass)
            if item.tag == "body":
                _take_frames_apart(item, "")
        else:
            _take_frames_apart(item, item.get("childclass", childclass))
            lifted += list(item)
    for item in list(parent):
        parent.remove(item)
    parent.extend(lifted)


def text_of(values: float | Iterable[float]) -> str:
    """Numbers with all their digits."""
    numbers = np.atleast_1d(np.asarray(values, dtype=np.float64)).tolist()
    return " ".join(f"{x:g}" if float(f"{x:g}") == x else repr(x) for x in numbers)


def _place(item: ET.Element, pos: Floats, quat: Floats) -> None:
    for name in _ORIENTATIONS:
        item.attrib.pop(name, None)
    item.set("pos", text_of(pos))
    if np.any(np.asarray(quat) != IDENTITY):
        item.set("quat", text_of(quat))


def _write_body(body: ET.Element, model: Any, frame: BaseFrame) -> None:
    """Write one body's pose and inertia, and those of what is in it, from the compiled model."""
    k = int(model.body(body.get("name")).id)
    on_base = k == 1
    if on_base:
        for name in ("pos", *_ORIENTATIONS):
            body.attrib.pop(name, None)
    else:
        pose = (model.body_pos[k], model.body_quat[k])
        _place(body, *(frame.moved(*pose) if model.body_parentid[k] == 1 else pose))
    for item in body.findall("light"):
        body.remove(item)
    for item in body.findall("inertial"):
        body.remove(item)
    if not on_base and model.body_mass[k] > 0.0:
        inertial = ET.Element("inertial")
        _place(inertial, model.body_ipos[k], model.body_iquat[k])
        inertial.set("mass", text_of(model.body_mass[k]))
        inertial.set("diaginertia", text_of(model.body_inertia[k]))
        body.insert(0, inertial)
    for item in body:
        if item.tag in ("geom", "site", "camera"):
            pos, quat = _pose(item, model)
            _place(item, *(frame.moved(pos, quat) if on_base else (pos, quat)))
        elif item.tag == "joint" and not on_base:
            _write_joint(item, model)


def _pose(item: ET.Element, model: Any) -> tuple[Floats, Floats]:
    name = item.get("name")
    if item.tag == "camera":
        k = int(model.camera(name).id)
        return model.cam_pos[k], model.cam_quat[k]
    if item.tag == "site":
        k = int(model.site(name).id)
        return model.site_pos[k], model.site_quat[k]
    k = int(model.geom(name).id)
    pos, quat, kind = model.geom_pos[k], model.geom_quat[k], int(model.geom_type[k])
    if kind in _SIZES:
        for word in ("mesh", "fitscale"):
            item.attrib.pop(word, None)
        item.set("size", text_of(model.geom_size[k][: _SIZES[mujoco.mjtGeom(kind)]]))
    elif kind == int(mujoco.mjtGeom.mjGEOM_MESH):  # the compiled pose includes that of the mesh's inertial frame
        mesh = int(model.geom_dataid[k])
        quat = multiply(quat, conjugate(model.mesh_quat[mesh]))
        pos = pos - rotation(quat) @ model.mesh_pos[mesh]
    return pos, quat


def _write_joint(item: ET.Element, model: Any) -> None:
    k = int(model.joint(item.get("name")).id)
    dof, at = int(model.jnt_dofadr[k]), int(model.jnt_qposadr[k])
    item.attrib.pop("springdamper", None)
    item.set("pos", text_of(model.jnt_pos[k]))
    item.set("armature", text_of(model.dof_armature[dof]))
    item.set("frictionloss", text_of(model.dof_frictionloss[dof]))
    if not np.any(model.dof_dampingpoly[dof]):
        item.set("damping", text_of(model.dof_damping[dof]))
    if not np.any(model.jnt_stiffnesspoly[k]):
        item.set("stiffness", text_of(model.jnt_stiffness[k]))
    if int(model.jnt_type[k]) in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE):
        item.set("axis", text_of(model.jnt_axis[k]))
        item.set("ref", text_of(model.qpos0[at]))
        item.set("springref", text_of(model.qpos_spring[at]))
    if model.jnt_limited[k]:
        low, high = model.jnt_range[k]
        item.set("limited", "true")
        item.set("range", text_of([low, high]))
