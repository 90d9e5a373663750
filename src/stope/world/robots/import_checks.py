# SPDX-License-Identifier: Apache-2.0
"""Checks of a model somebody else wrote: what cannot be is an error, what looks like a wrong unit is a warning.

Each is one line that names the file, the element, what was found and what was expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError
from stope.world.physics import PARAMETERS
from stope.world.robots.mjcf_cleaning import BaseFrame, rotation

__all__ = [
    "Link",
    "check_base",
    "check_links",
    "check_names",
    "check_spec",
    "extent_of",
    "links_of",
    "loose_joints",
    "weighs",
]

Floats = NDArray[np.float64]
MASS_KG = (0.01, 1e5)
DENSITY = (10.0, 25_000.0)
"""Density of a link over its geoms' volume [kg/m3]: from an inflated hull to tungsten."""
SIZE = (1e-3, 100.0)
"""Size of a whole robot [m]."""
IMPOSSIBLE = 10.0
"""Radius of gyration over half diagonal that is refused; above 1 it is a warning (chosen: geoms leave parts out)."""
ODD_SPAN = (0.11, 20.0)
"""Span of a hinge's range [rad]: a turn in radians, read as degrees, is 0.11 rad (chosen)."""
DEFAULT_DENSITY = 1000.0
"""Of MuJoCo, for geoms that say nothing [kg/m3]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One rigid part of the imported robot."""

    name: str
    mass: float
    """[kg]."""
    com: tuple[float, ...]
    """Centre of mass [m], link axes."""
    moments: tuple[float, ...]
    """Principal moments about it [kg m2], greatest first."""
    volume: float
    """Of its geoms, overlaps counted twice [m3]; those that collide, or all if none does."""
    half_diagonal: float
    """Of the box around its geoms [m]; 0 without any."""
    has_own_inertia: bool
    """Whether the file gives its mass, rather than a density of geoms."""

    @property
    def density(self) -> float | None:
        """Mass over volume [kg/m3]; None without geoms."""
        return self.mass / self.volume if self.volume > 0.0 else None

    @property
    def radius_of_gyration(self) -> float:
        """About the axis of the greatest moment [m]."""
        return float(np.sqrt(self.moments[0] / self.mass)) if self.mass > 0.0 else 0.0


def check_spec(spec: Any, file: str) -> None:
    """Check the inertias that a specification gives, as written: MuJoCo's `balanceinertia` would hide them.

    Raises:
        FileError: a mass or moment that is not positive, a tensor that no body has, or a link without mass that moves.
    """
    for body in spec.bodies[1:]:
        if body.explicitinertial:
            _check_tensor(body, f"{file}: body {body.name!r}")
        if body.mocap:
            raise FileError(
                f"{file}: body {body.name!r} is a mocap body: expected links that physics moves. Remove it."
            )
        if body.joints and not _may_have_mass(body):
            raise FileError(
                f"{file}: body {body.name!r}: no mass, and joint {body.joints[0].name!r} moves it: expected an "
                "inertial, or geoms with a mass or density."
            )


def _may_have_mass(body: Any) -> bool:
    """Whether a body or what is welded to it has a mass or a geom that gives one."""
    if body.mass > 0.0 if body.explicitinertial else any(weighs(g) for g in body.geoms):
        return True
    return any(_may_have_mass(child) for child in body.bodies if not child.joints)


def weighs(geom: Any) -> bool:
    """Whether a geom gives its body a mass."""
    return bool(geom.density > 0.0 if np.isnan(geom.mass) else geom.mass > 0.0)


def _check_tensor(body: Any, where: str) -> None:
    full = np.asarray(body.fullinertia, dtype=np.float64)
    if np.isnan(full[0]):
        tensor, shown = np.diag(body.inertia), np.asarray(body.inertia)
    else:
        a, b, c, d, e, f = full
        tensor, shown = np.array([[a, d, e], [d, b, f], [e, f, c]]), full
    moments = np.linalg.eigvalsh(tensor)
    text = f"{where}: inertia [{', '.join(f'{x:g}' for x in shown)}] kg m2"
    if not body.mass > 0.0:
        if body.mass == 0.0 and not np.any(moments) and not body.joints:
            return  # a frame without matter, as URDF writes it
        raise FileError(f"{where}: mass = {body.mass:g} kg: expected more than 0.")
    if moments[0] <= 0.0:
        principal = ", ".join(f"{x:.4g}" for x in moments)
        raise FileError(f"{text}: not positive definite (principal moments {principal}): expected all more than 0.")
    if moments[2] > (moments[0] + moments[1]) * (1.0 + 1e-9):
        raise FileError(
            f"{text}: greatest principal moment {moments[2]:.4g} is more than the sum of the other two, "
            f"{moments[0] + moments[1]:.4g} (triangle inequality): no body has it. Check unit, axes and centre."
        )


def links_of(spec: Any, model: Any) -> tuple[Link, ...]:
    """The links of a compiled specification, the base first."""
    own = {body.name: bool(body.explicitinertial) for body in spec.bodies}
    return tuple(_link(model, k, has_own_inertia=own.get(model.body(k).name, True)) for k in range(1, model.nbody))


def _link(model: Any, k: int, *, has_own_inertia: bool) -> Link:
    geoms = [g for g in range(model.ngeom) if model.geom_bodyid[g] == k]
    solid = [g for g in geoms if model.geom_contype[g] or model.geom_conaffinity[g]] or geoms
    corners = np.concatenate([_corners(model, g) for g in geoms]) if geoms else np.zeros((1, 3))
    diagonal = float(np.linalg.norm(np.ptp(corners, axis=0)))
    return Link(
        name=model.body(k).name, mass=float(model.body_mass[k]), com=tuple(map(float, model.body_ipos[k])),
        moments=tuple(sorted(map(float, model.body_inertia[k]), reverse=True)),
        volume=sum(_volume(model, g) for g in solid), half_diagonal=0.5 * diagonal,
        has_own_inertia=has_own_inertia,
    )  # fmt: skip


def _corners(model: Any, g: int) -> Floats:
    """Corners of the box around a geom, in its link's axes, (8, 3)."""
    box = np.asarray(model.geom_aabb[g], dtype=np.float64)
    signs = np.array(np.meshgrid(*[(-1.0, 1.0)] * 3)).reshape(3, 8).T
    return model.geom_pos[g] + (box[:3] + signs * box[3:]) @ rotation(model.geom_quat[g]).T


def _volume(model: Any, g: int) -> float:
    kinds, (a, b, c) = mujoco.mjtGeom, model.geom_size[g]
    kind = int(model.geom_type[g])
    if kind == int(kinds.mjGEOM_MESH):
        mesh = int(model.geom_dataid[g])
        at, first = int(model.mesh_vertadr[mesh]), int(model.mesh_faceadr[mesh])
        faces = model.mesh_face[first : first + int(model.mesh_facenum[mesh])]
        p = np.asarray(model.mesh_vert[at : at + int(model.mesh_vertnum[mesh])], dtype=np.float64)[faces]
        return abs(float(np.einsum("fi,fi->f", p[:, 0], np.cross(p[:, 1], p[:, 2])).sum())) / 6.0
    volumes = {
        int(kinds.mjGEOM_SPHERE): 4.0 / 3.0 * np.pi * a**3,
        int(kinds.mjGEOM_CAPSULE): np.pi * a**2 * (4.0 / 3.0 * a + 2.0 * b),
        int(kinds.mjGEOM_CYLINDER): 2.0 * np.pi * a**2 * b,
        int(kinds.mjGEOM_ELLIPSOID): 4.0 / 3.0 * np.pi * a * b * c,
        int(kinds.mjGEOM_BOX): 8.0 * a * b * c,
    }
    return float(volumes.get(kind, 0.0))


def extent_of(model: Any, k: int) -> float:
    """Greatest extent of a link's geoms along its axes [m]; 0 without any."""
    corners = [_corners(model, g) for g in range(model.ngeom) if model.geom_bodyid[g] == k]
    return float(np.ptp(np.concatenate(corners), axis=0).max()) if corners else 0.0


def robot_size(model: Any) -> float:
    """Greatest extent of the robot's geoms in the configuration it starts from [m]; of its links without any."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    points = [np.asarray(data.xpos[1:])]
    for g in range(model.ngeom):
        k = int(model.geom_bodyid[g])
        points.append(data.xpos[k] + _corners(model, g) @ np.asarray(data.xmat[k]).reshape(3, 3).T)
    return float(np.ptp(np.concatenate(points), axis=0).max())


def check_links(links: tuple[Link, ...], model: Any, file: str) -> list[str]:
    """Check masses, sizes and inertias of the links against each other.

    Returns:
        Warnings, one line each.

    Raises:
        FileError: a mass or size no robot has, or an inertia far too large for its link.
    """
    mass, size = sum(link.mass for link in links), robot_size(model)
    if not MASS_KG[0] <= mass <= MASS_KG[1]:
        hint = "Masses in grams are a thousand times too large." if mass > 1.0 else "Is a density missing?"
        raise FileError(f"{file}: total mass {mass:.4g} kg: expected {MASS_KG[0]:g} to {MASS_KG[1]:g} kg. {hint}")
    if size > SIZE[1] or (size < SIZE[0] and model.ngeom > 0):
        hint = "Lengths in kilometres, or scaled twice, are a thousand times too small."
        if size > SIZE[1]:
            hint = 'A mesh in millimetres is a thousand times too large: give it scale="0.001 0.001 0.001".'
        raise FileError(f"{file}: size {size:.4g} m: expected {SIZE[0]:g} to {SIZE[1]:g} m. {hint}")
    warnings: list[str] = []
    for link in links:
        if link.mass > 0.0:
            warnings += _suspicions(link, f"{file}: body {link.name!r}", size)
    if model.ngeom == 0:
        warnings.append(f"{file}: no geoms: nothing of the robot can touch anything.")
    return warnings


def _suspicions(link: Link, where: str, size: float) -> list[str]:
    found: list[str] = []
    density = link.density
    if density is not None and not DENSITY[0] <= density <= DENSITY[1]:
        hint = "a mass in grams, or a length in kilometres, makes it a thousand times too large or more"
        if density < DENSITY[0]:
            hint = "a mesh in millimetres is a thousand times too large"
        found.append(f"{where}: density {density:.4g} kg/m3 ({link.mass:.4g} kg in {link.volume:.4g} m3): expected "
                     f"{DENSITY[0]:g} to {DENSITY[1]:g} kg/m3; {hint}.")  # fmt: skip
    if density is not None and not link.has_own_inertia and abs(density - DEFAULT_DENSITY) < 1e-6 * DEFAULT_DENSITY:
        found.append(f"{where}: mass {link.mass:.4g} kg is MuJoCo's default density of 1000 kg/m3: nobody chose it.")
    half, radius = link.half_diagonal or 0.5 * size, link.radius_of_gyration
    if half > 0.0 and radius > half:
        text = (f"{where}: radius of gyration {radius:.4g} m is more than half its diagonal, {half:.4g} m: expected "
                "less; an inertia in g cm2, kg mm2 or kg cm2 is 1e7, 1e6 or 1e4 times too large")  # fmt: skip
        if radius > IMPOSSIBLE * half:
            raise FileError(f"{text}.")
        found.append(f"{text}.")
    if half > 0.0 and radius < 0.02 * half:
        found.append(f"{where}: radius of gyration {radius:.4g} m is less than 2 % of half its diagonal, {half:.4g} m: "
                     "expected more; is the inertia in t m2, or missing?")  # fmt: skip
    if link.half_diagonal > 0.0 and float(np.linalg.norm(link.com)) > 10.0 * size:
        found.append(f"{where}: centre of mass {np.linalg.norm(link.com):.4g} m from its origin: in another unit?")
    return found


def check_base(mass: float, frame: BaseFrame, file: str) -> None:
    """Check that the base's mass properties lie within what stope's prior can hold.

    Raises:
        FileError: naming the property, what was found and what was expected.
    """
    moments = np.asarray(frame.moments)
    second = 0.5 * moments.sum() - moments
    text = f"{file}: base: mass {mass:.4g} kg, moments [{', '.join(f'{x:.4g}' for x in moments)}] kg m2"
    if not mass > 0.0 or np.any(second <= 1e-12 * moments.sum()):
        raise FileError(
            f"{text}: expected the greatest to be less than the sum of the other two (triangle inequality): the base "
            "of a robot is no thin plate, rod or point."
        )
    found = {"mass": mass, **{f"com_{a}": c for a, c in zip("xyz", frame.com, strict=True)}}
    found |= {f"inertia_d{k + 1}": float(0.5 * np.log(x / mass)) for k, x in enumerate(second)}
    for p in PARAMETERS:
        if p.name in found and not p.low <= found[p.name] <= p.high:
            hint = " Move the first body's origin nearer to it." if p.name.startswith("com") else ""
            raise FileError(
                f"{file}: base: {p.name} = {found[p.name]:.4g} {p.unit} ({p.text}): expected {p.low:g} to {p.high:g}."
                f"{hint}"
            )


def loose_joints(model: Any, file: str) -> list[str]:
    """Warnings about joints without a range or actuator, and actuators without limits."""
    found: list[str] = []
    kinds = mujoco.mjtJoint
    of_joints = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)
    driven = {int(model.actuator_trnid[a, 0]) for a in range(model.nu) if int(model.actuator_trntype[a]) in of_joints}
    for j in range(1, model.njnt):
        where = f"{file}: joint {model.joint(j).name!r}"
        if int(model.jnt_type[j]) in (kinds.mjJNT_HINGE, kinds.mjJNT_SLIDE) and not model.jnt_limited[j]:
            found.append(f"{where}: no range: it turns or slides without end. Add range, unless it is a wheel.")
        span = float(np.ptp(model.jnt_range[j])) if model.jnt_limited[j] else ODD_SPAN[0]
        if model.jnt_type[j] == kinds.mjJNT_HINGE and not ODD_SPAN[0] <= span <= ODD_SPAN[1]:
            hint = (
                'radians read as degrees? Write <compiler angle="radian"/>'
                if span < 1.0
                else "degrees read as radians?"
            )
            found.append(
                f"{where}: its range spans {span:.4g} rad: expected {ODD_SPAN[0]:g} to {ODD_SPAN[1]:g}; {hint}."
            )
        if model.jnt_type[j] == kinds.mjJNT_FREE:
            found.append(f"{where}: a second free joint: this body is loose from the base.")
        elif j not in driven and model.ntendon == 0:
            found.append(f"{where}: no actuator: it swings freely. Add one to the MJCF, or damping.")
    for a in range(model.nu):
        where, joint = f"{file}: actuator {model.actuator(a).name or a!r}", int(model.actuator_trnid[a, 0])
        is_joint = model.actuator_trntype[a] == mujoco.mjtTrn.mjTRN_JOINT
        has_limit = model.actuator_forcelimited[a] or (is_joint and model.jnt_actfrclimited[joint])
        if not has_limit and not model.actuator_ctrllimited[a]:
            found.append(f"{where}: no ctrlrange and no forcerange: it has no limit. Add forcerange.")
        elif not has_limit and model.actuator_biastype[a] != mujoco.mjtBias.mjBIAS_NONE:
            found.append(f"{where}: no forcerange: a servo without it pushes as hard as its gain says.")
        if is_joint and joint == 0:
            found.append(f"{where}: pushes the base: stope's thrusters are in [thrusters]; this one comes on top.")
    return found


def check_names(model: Any, file: str) -> list[str]:
    """Check that geoms whose names make them tools have shapes that can be.

    Returns:
        A warning if nothing is named as a tool.

    Raises:
        FileError: naming the geom.
    """
    kinds = mujoco.mjtGeom
    shapes = {"soil": (kinds.mjGEOM_SPHERE, kinds.mjGEOM_CYLINDER, kinds.mjGEOM_BOX), "drum": (kinds.mjGEOM_CYLINDER,)}
    named = [model.site(k).name for k in range(model.nsite) if model.site(k).name.startswith("anchor")]
    for g in range(model.ngeom):
        name = model.geom(g).name
        for word, good in shapes.items():
            if not name.startswith(word):
                continue
            named.append(name)
            if int(model.geom_type[g]) not in good:
                known = " or ".join(str(k).rsplit("_", maxsplit=1)[-1].lower() for k in good)
                raise FileError(
                    f"{file}: geom {name!r}: {word!r} makes it a tool: expected a {known}, or another name."
                )
    if named:
        return []
    return [f"{file}: no geom named soil... or drum..., no site named anchor...: nothing of the robot feels soil."]
