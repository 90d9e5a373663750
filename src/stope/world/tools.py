# SPDX-License-Identifier: Apache-2.0
"""Tools: what of a compiled model meets the ground, read from the names of its geoms and sites; see `articulation`."""

from __future__ import annotations

import math

import mujoco
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.world import ground as g
from stope.world.ground import Ground
from stope.world.regolith import drum as d
from stope.world.regolith import elements as el
from stope.world.regolith.bed import flat_shape
from stope.world.regolith.blade import blade_factors
from stope.world.regolith.soil import BEARING, Soil, soil_rows
from stope.world.robots import Robot

__all__ = ["anchor_strength", "anchor_table", "drum_table", "element_table", "make_ground", "set_soils"]

Floats = NDArray[np.float64]

BREAKOUT = 0.5
"""Pull-out resistance of a screw's helix over the bearing stress that pushes on it from below [1]; chosen: uplift
breaks out a cone to the surface, so a shallow plate holds less than it bears (Meyerhof and Adams 1968)."""


def _rotation(quaternion: Floats) -> Floats:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, np.asarray(quaternion, dtype=np.float64))
    return matrix.reshape(3, 3)


def _geoms(model: mujoco.MjModel, prefixes: tuple[str, ...]) -> list[int]:
    return [i for i in range(model.ngeom) if model.geom(i).name.startswith(prefixes)]


def element_table(model: mujoco.MjModel, *, size: float) -> Floats:
    """Rows of `ground.NUM_ELEMENT` numbers for every geom named `soil...` or `drum...`.

    Args:
        model: The compiled scene.
        size: Largest width of an element [m].

    Raises:
        ConfigError: for a shape other than sphere, cylinder and box.
    """
    kinds = mujoco.mjtGeom
    parts: list[Floats] = []
    for i in _geoms(model, ("soil", "drum")):
        s, kind, body = model.geom_size[i], model.geom_type[i], int(model.geom_bodyid[i])
        if kind == kinds.mjGEOM_SPHERE:
            piece = el.sphere(float(s[0]), size=size)
        elif kind == kinds.mjGEOM_CYLINDER:
            piece = el.cylinder(float(s[0]), 2.0 * float(s[1]), size=size)
        elif kind == kinds.mjGEOM_BOX:
            piece = el.box((float(s[0]), float(s[1]), float(s[2])), size=size)
        else:
            raise ConfigError(f"geom {model.geom(i).name!r}: expected a sphere, a cylinder or a box to meet soil.")
        piece = el.placed(piece, rotation=_rotation(model.geom_quat[i]), position=model.geom_pos[i])
        rows = np.zeros((len(piece), g.NUM_ELEMENT))
        rows[:, g.BODY], rows[:, g.POSITION : g.POSITION + 3] = body, piece.position
        rows[:, g.NORMAL : g.NORMAL + 3], rows[:, g.AREA] = piece.normal, piece.area
        rows[:, g.HALF] = 0.5 * np.sqrt(piece.area)
        parts.append(rows)
    if not parts:
        return np.zeros((0, g.NUM_ELEMENT))
    table = np.concatenate(parts)
    table = table[np.argsort(table[:, g.BODY], kind="stable")]
    for body in np.unique(table[:, g.BODY]).astype(int):
        own = table[:, g.BODY] == body
        table[own, g.MASS] = _moved_mass(model, body, table[own]) * table[own, g.AREA] / table[own, g.AREA].sum()
    return np.ascontiguousarray(table)


def _moved_mass(model: mujoco.MjModel, body: int, rows: Floats) -> float:
    """Mass that the elements of a link can be sure to move [kg]: its own, less where they turn it by a long lever."""
    mass, inertia = float(model.body_mass[body]), float(model.body_inertia[body].min())
    lever = np.linalg.norm(rows[:, g.POSITION : g.POSITION + 3] - model.body_ipos[body], axis=1).max()
    return mass / (1.0 + mass * lever**2 / inertia)


def anchor_table(model: mujoco.MjModel, numbers: dict[str, float]) -> Floats:
    """Rows of `ground.NUM_ANCHOR` numbers for every site named `anchor...`."""
    sites = [i for i in range(model.nsite) if model.site(i).name.startswith("anchor")]
    rows = np.zeros((len(sites), g.NUM_ANCHOR))
    for row, i in zip(rows, sites, strict=True):
        row[0], row[g.TIP : g.TIP + 3] = model.site_bodyid[i], model.site_pos[i]
        row[g.AXIS : g.AXIS + 3] = _rotation(model.site_quat[i])[:, 2]
        row[g.STIFFNESS], row[g.DAMPING] = numbers["stiffness"], numbers["damping"]
        row[g.DRILL_TIME], row[g.DRILL_PUSH] = numbers["drill_time"], numbers["drill_push"]
        row[g.LENGTH] = numbers["helix_depth"]
    return rows


def anchor_strength(soil: Soil, numbers: dict[str, float], *, gravity: float) -> float:
    """Pull-out force of one screw anchor at full depth [N].

    The helix bears on the soil above it as a disc of its size does at that depth, times `BREAKOUT`.

    Args:
        soil: The ground.
        numbers: `ANCHOR_UNITS` of the robot.
        gravity: Into the ground [m/s2].

    Valid for:
        Weak, uncemented ground; never measured at micro-gravity. Lateral strength is taken equal to the axial one.

    Source:
        [meyerhof1968], for the form (cohesion and overburden on a plate).
    """
    area = math.pi * numbers["helix_radius"] ** 2
    depth = numbers["helix_depth"]
    weight = soil.bulk_density * max(gravity, 0.0)
    return BREAKOUT * area * (BEARING * soil.cohesion + weight * soil.k_mu * 0.875 * depth)


def drum_table(model: mujoco.MjModel, numbers: dict[str, float]) -> Floats:
    """Rows of `drum.NUM_DRUM` numbers for every cylinder named `drum...`."""
    geoms = _geoms(model, ("drum",))
    rows = np.zeros((len(geoms), d.NUM_DRUM))
    for row, i in zip(rows, geoms, strict=True):
        row[0], row[d.CENTRE : d.CENTRE + 3] = model.geom_bodyid[i], model.geom_pos[i]
        row[d.AXIS : d.AXIS + 3] = _rotation(model.geom_quat[i])[:, 2]
        row[d.RADIUS], row[d.WIDTH] = model.geom_size[i, 0], 2.0 * model.geom_size[i, 1]
        row[d.CAPACITY], row[d.CATCH] = numbers["capacity"], numbers["catch_share"]
    return rows


def make_ground(
    model: mujoco.MjModel,
    robot: Robot,
    num_worlds: int,
    *,
    bed_shape: Floats | None = None,
    num_stones: int = 0,
    num_rocks: int = 0,
) -> Ground:
    """The ground of N worlds for a robot's tools, with the default soil at no gravity; `set_soils` gives it its own."""
    made = robot.articulation
    anchors = anchor_table(model, made.anchors) if made and made.anchors else np.zeros((0, g.NUM_ANCHOR))
    drums = drum_table(model, made.drums) if made and made.drums else np.zeros((0, d.NUM_DRUM))
    return Ground(
        num_worlds=num_worlds, num_ctrl=model.nu, soil=np.tile(soil_rows((Soil(),), gravity=0.0), (num_worlds, 1)),
        elements=element_table(model, size=made.element_size if made else 0.03), anchors=anchors, drums=drums,
        bed_shape=flat_shape() if bed_shape is None else bed_shape, num_stones=num_stones,
        num_rocks=num_rocks,
    )  # fmt: skip


def set_soils(
    ground: Ground,
    robot: Robot,
    soils: tuple[Soil, ...],
    *,
    gravity: float | Floats,
    strength_factor: Floats | float = 1.0,
    worlds: NDArray[np.intp] | None = None,
) -> None:
    """Give the listed worlds, or all, their soils: rows of the kernels, strength of anchors, terms of the drums.

    Args:
        ground: Changed in place.
        robot: Whose anchors and drums.
        soils: One per world.
        gravity: Into the ground [m/s2], one or one per world.
        strength_factor: Scatter of the pull-out force, per world and anchor.
        worlds: Which; all if None.
    """
    ids = np.arange(ground.num_worlds) if worlds is None else worlds
    pull = np.broadcast_to(np.asarray(gravity, dtype=np.float64), (len(ids),))
    ground.soil[ids] = soil_rows(soils, gravity=pull)
    made = robot.articulation
    if made is None:
        return
    factor = np.broadcast_to(np.asarray(strength_factor), (len(ids), len(ground.anchors)))
    for i, soil, down, scatter in zip(ids, soils, pull, factor, strict=True):
        if made.anchors:
            ground.anchor_state[i, :, g.STRENGTH] = scatter * anchor_strength(soil, made.anchors, gravity=float(down))
        if made.drums:
            _set_drums(ground.drum_state[i], soil, made.drums, gravity=max(float(down), 0.0))


def _set_drums(state: Floats, soil: Soil, numbers: dict[str, float], *, gravity: float) -> None:
    tool, inner = math.atan(soil.tool_friction), math.atan(soil.internal_friction)
    factors = blade_factors(rake_angle=numbers["rake_angle"], tool_friction_angle=tool, soil_friction_angle=inner)
    state[:, d.WEIGHT_G] = soil.bulk_density * gravity * factors.weight
    state[:, d.COHESION_C] = soil.cohesion * factors.cohesion
    state[:, d.INERTIA_A] = soil.bulk_density * factors.inertia
    state[:, d.DENSITY] = soil.bulk_density
    # Soil stays in a scoop while weight and cohesion over its height outdo the turn's pull.
    state[:, d.KEEP] = gravity + soil.cohesion / (soil.bulk_density * numbers["scoop_height"])
    state[:, d.RAKE] = numbers["rake_angle"] + tool
