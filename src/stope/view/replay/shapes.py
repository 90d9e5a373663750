# SPDX-License-Identifier: Apache-2.0
"""Meshes of what a replay draws: MuJoCo's shapes, a robot's cube, the ground at a site, a whole body."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from stope.base.rotation import rotate
from stope.view.replay.model import Mesh
from stope.world.body import Body
from stope.world.shape import box_mesh, ellipsoid_mesh
from stope.world.site import Site

__all__ = ["body_mesh", "box", "cylinder", "ellipsoid", "ground_patch", "link_mesh", "on_surface", "vehicle"]

Floats = NDArray[np.float64]
SIDES = 20
"""Of a cylinder (chosen: round to the eye)."""
FINE = 5000
"""Faces up to which a body's own mesh is drawn; above, it is sampled (chosen: a page of about a megabyte)."""


def box(half: Floats) -> Mesh:
    """A box of half sides (3,) [m]."""
    mesh = box_mesh((2.0 * float(half[0]), 2.0 * float(half[1]), 2.0 * float(half[2])))
    return Mesh(mesh.vertices, mesh.faces.astype(np.int64))


def ellipsoid(axes: Floats, *, halvings: int = 2) -> Mesh:
    """An ellipsoid of half axes (3,) [m]."""
    mesh = ellipsoid_mesh((float(axes[0]), float(axes[1]), float(axes[2])), halvings=halvings)
    return Mesh(mesh.vertices, mesh.faces.astype(np.int64))


def cylinder(radius: float, half: float) -> Mesh:
    """A cylinder along z."""
    turn = 2.0 * np.pi * np.arange(SIDES) / SIDES
    ring = np.stack([radius * np.cos(turn), radius * np.sin(turn), np.full(SIDES, -half)], axis=1)
    ends = np.array([[0.0, 0.0, -half], [0.0, 0.0, half]])
    k, after = np.arange(SIDES), (np.arange(SIDES) + 1) % SIDES
    low, high = np.full(SIDES, 2 * SIDES), np.full(SIDES, 2 * SIDES + 1)
    up, over = k + SIDES, after + SIDES
    faces = [(k, after, over), (k, over, up), (low, after, k), (high, up, over)]
    return Mesh(
        np.concatenate([ring, ring * [1.0, 1.0, -1.0], ends]),
        np.concatenate([np.stack(f, axis=1) for f in faces]).astype(np.int64),
    )


def vehicle(side: float) -> Mesh:
    """A free flyer: its cube, with a nose towards x and a mast towards z, so that one sees how it is turned."""
    half = 0.5 * side
    nose, mast = cylinder(0.45 * half, 0.35 * half), cylinder(0.12 * half, 0.5 * half)
    nose = Mesh(nose.vertices[:, [2, 0, 1]] + np.array([1.35 * half, 0.0, 0.0]), nose.faces)
    mast = Mesh(mast.vertices + np.array([0.0, 0.0, 1.5 * half]), mast.faces)
    return Mesh.join([box(np.full(3, half)), nose, mast])


def link_mesh(model: Any, body: int) -> Mesh | None:
    """The shapes of one body of a MuJoCo model, in the axes of that body; None without any that is drawn."""
    found = [m for g in range(model.ngeom) if model.geom_bodyid[g] == body and (m := _geom(model, g)) is not None]
    return Mesh.join(found) if found else None


def _geom(model: Any, g: int) -> Mesh | None:
    size, kind = np.array(model.geom_size[g]), int(model.geom_type[g])
    kinds = mujoco.mjtGeom
    if kind == kinds.mjGEOM_BOX:
        mesh = box(size)
    elif kind == kinds.mjGEOM_SPHERE:
        mesh = ellipsoid(np.full(3, size[0]))
    elif kind == kinds.mjGEOM_ELLIPSOID:
        mesh = ellipsoid(size)
    elif kind in (kinds.mjGEOM_CYLINDER, kinds.mjGEOM_CAPSULE):
        mesh = cylinder(float(size[0]), float(size[1]))
    elif kind == kinds.mjGEOM_MESH:
        m = int(model.geom_dataid[g])
        at, num = int(model.mesh_vertadr[m]), int(model.mesh_vertnum[m])
        first, faces = int(model.mesh_faceadr[m]), int(model.mesh_facenum[m])
        mesh = Mesh(np.array(model.mesh_vert[at : at + num], dtype=np.float64),
                    np.array(model.mesh_face[first : first + faces], dtype=np.int64))  # fmt: skip
    else:
        return None
    return Mesh(rotate(np.array(model.geom_quat[g]), mesh.vertices) + model.geom_pos[g], mesh.faces)


def ground_patch(site: Site, half: float, *, cells: int) -> Mesh:
    """The ground around the origin of l: the body's own shape as stored, looked up along the radius, frame l.

    Args:
        site: Where.
        half: Half width of the patch [m].
        cells: Along each side.
    """
    x = np.linspace(-half, half, cells + 1)
    xy = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    points = np.concatenate([xy, np.zeros((len(xy), 1))], axis=1)
    points[:, 2] = -site.height
    if site.body.kind != "uniform":
        # Along the radius, which near the origin is nearly z: a step of Newton's method in z is enough to the eye.
        for _ in range(3):
            points[:, 2] -= site.height_above_surface(points)
    i, j = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
    a = (i * (cells + 1) + j).ravel()
    b, c, d = a + cells + 1, a + 1, a + cells + 2
    faces = np.concatenate([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)])
    return Mesh(points, faces.astype(np.int64))


def body_mesh(body: Body) -> Mesh:
    """A whole body in frame a: its mesh where it has a small one, else its surface on a subdivided sphere."""
    if body.kind == "mesh" and len(body.shape().faces) <= 4 * FINE:
        shape = body.shape()
        return Mesh(np.asarray(shape.vertices), np.asarray(shape.faces, dtype=np.int64))
    ball = ellipsoid(np.ones(3), halvings=4)
    return Mesh(on_surface(body, ball.vertices), ball.faces)


def on_surface(body: Body, rays: Floats) -> Floats:
    """Points of the surface (..., 3) [m], frame a, in the directions of unit vectors (..., 3)."""
    out = 2.0 * max(map(float, body.surface().point(np.array([1.0, 0.0, 0.0])).tolist())) * rays
    return out - body.surface().height(out)[..., None] * rays
