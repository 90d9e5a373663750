# SPDX-License-Identifier: Apache-2.0
"""What pictures of a place need, as plain data: heights of the real ground, flown legs, the body seen from outside.

Nothing is drawn here. The numbers come from the shape that the physics uses, rounded to what a picture can show.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import RangeError
from stope.base.seeding import generator
from stope.base.units import DEG
from stope.fleet.legs import LegConfig, Route, fly_legs
from stope.learn.evaluate import draw_truths
from stope.world.batch import CONTROL_PERIOD, World
from stope.world.belief import Belief
from stope.world.physics import index_of
from stope.world.robots import Robot
from stope.world.shape import TriangleMesh
from stope.world.site import Site

__all__ = ["body_picture", "ground_map", "sample_legs"]

Floats = NDArray[np.float64]

SCAN_STEP = 2.0
"""First step down in search of the ground [m] (chosen: a tenth of the facets of the shipped shapes)."""
RECORD_EVERY = 25
"""Control steps between two points of a leg that are kept: 5 s."""
CAMERA_LEAD_DEG = -32.0
"""Longitude from the camera to the site [deg] (chosen: the site stands left of the middle, towards the light)."""
CAMERA_SHARE = 0.35
"""Latitude of the camera over that of the site [1] (chosen: near the equator a spinning top looks like one)."""
SUN_C = (-0.60, 0.42, 0.68)
"""Direction of the light in the camera's axes: from the upper left, behind the viewer (chosen)."""
AMBIENT = 0.12
"""Brightness of a facet that the light does not reach (chosen)."""
GRATICULE_DEG = 30
"""Between two lines of latitude or longitude [deg]."""


def ground_map(site: Site, half_width: float, num: int = 97) -> dict[str, Any]:
    """Heights of the ground on a square grid of the site's level frame.

    Args:
        site: Its frame l gives east, north and up; the heights are measured from its origin.
        half_width: From the origin to the sides of the square [m].
        num: Grid points along each side.

    Returns:
        `half_width` [m], `ground` [m] as rows from south to north and columns from west to east, rounded to 1 cm, and
        `radius` [m], the distance of the origin from the body's centre (0 for a uniform place).

    Raises:
        RangeError: fewer than two points, no width, or a point without ground under it.
    """
    if num < 2 or not (math.isfinite(half_width) and half_width > 0.0):
        raise RangeError(f"ground_map = {half_width} m, {num} points: expected a positive width and 2 points or more.")
    axis = np.linspace(-half_width, half_width, num)
    east, north = (grid.ravel() for grid in np.meshgrid(axis, axis))
    is_flat = site.body.kind == "uniform"
    ground = np.full(num * num, -site.height) if is_flat else _ground_under(site, east, north)
    radius = float(np.linalg.norm(site.position_l0))
    return {"half_width": float(half_width), "radius": round(radius, 2),
            "ground": np.round(ground, 2).reshape(num, num).tolist()}  # fmt: skip


def _ground_under(site: Site, east: Floats, north: Floats) -> Floats:
    """Highest ground (n,) [m] on each line along z_l, found from above: in steps, then by halving."""
    reach = float(np.linalg.norm(site.body.shape().vertices, axis=1).max())
    top = reach - float(np.linalg.norm(site.position_l0)) + SCAN_STEP

    def is_above(z: Floats, which: NDArray[np.int64]) -> NDArray[np.bool_]:
        return site.height_above_surface(np.column_stack([east[which], north[which], z])) > 0.0

    high = np.full(len(east), top)
    everywhere = np.arange(len(east))
    seeks = everywhere
    for _ in range(math.ceil(2.0 * reach / SCAN_STEP)):
        seeks = seeks[is_above(high[seeks] - SCAN_STEP, seeks)]
        if not len(seeks):
            break
        high[seeks] -= SCAN_STEP
    if len(seeks):
        where = seeks[0]
        raise RangeError(
            f"ground_map: no ground of {site.body.name!r} under east, north = {east[where]:.0f}, {north[where]:.0f} m. "
            "Make the map smaller."
        )
    low = high - SCAN_STEP
    for _ in range(12):  # 2 m / 2^12 = 0.5 mm, far below the rounding
        middle = 0.5 * (low + high)
        above = is_above(middle, everywhere)
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return 0.5 * (low + high)


def sample_legs(
    legs: Mapping[str, tuple[Route, Route]],
    robot: Robot,
    belief: Belief,
    *,
    seed: int,
    payload: float,
    config: LegConfig | None = None,
    num_threads: int = 1,
) -> list[dict[str, Any]]:
    """Fly every leg once, for the map alone: no figure comes from it.

    Args:
        legs: Routes out and back by depot, from `plan_legs` with the same `config`.
        robot: Who flies; out empty, back loaded.
        belief: What is thought of the robots; each physics is a draw from it, and each robot flies by it.
        seed: Root seed of the draws, the starts and the sensors.
        payload: On the way back [kg].
        config: What a leg is.
        num_threads: Threads of the physics; the legs do not depend on it.

    Returns:
        For each leg up to its end: `name`, `east`, `north`, `up` [m] in the site's level frame, rounded to 10 cm, and
        `is_success`.
    """
    routes = [route for pair in legs.values() for route in pair]
    names = [f"{way}-{depot}" for depot in legs for way in ("out", "back")]
    theta = robot.prior.theta(draw_truths(belief, len(routes), rng=generator(seed, "sample legs")))
    theta[:, index_of("payload")] = [payload * (k % 2) for k in range(len(routes))]
    track: list[Floats] = []
    steps = itertools.count()

    def record(world: World, _: NDArray[np.float32]) -> None:
        if next(steps) % RECORD_EVERY == 0:
            track.append(world.position_l.copy())

    flown = fly_legs(
        routes, robot, config=config or LegConfig(), route_index=np.arange(len(routes)), theta=theta,
        told=np.tile(belief.summary(), (len(routes), 1)), seed=seed, num_threads=num_threads, on_step=record,
    )  # fmt: skip
    points = np.round(np.array(track), 1)
    out = []
    for k, name in enumerate(names):
        num = max(2, math.ceil(flown.duration[k] / (RECORD_EVERY * CONTROL_PERIOD)))
        east, north, up = points[:num, k].T.tolist()
        out.append({"name": name, "east": east, "north": north, "up": up, "is_success": bool(flown.is_success[k])})
    return out


def body_picture(site: Site) -> dict[str, Any]:
    """A body seen from far outside, north up, with a site on its near side, projected and shaded.

    Returns:
        In the camera's axes (x right, y up) [m], rounded to 0.1 m: `points` (n, 2), `faces` (m, 3) into them from back
        to front, `shade` (m,) from 0 to 1, `site` (2,), `axis` with the ends `north` and `south` (2,) of the spin
        axis, and `graticule`, lines every 30 deg. `latitude_deg` and `longitude_deg` are the camera's.

    Raises:
        RangeError: for a uniform place, which has no shape.
    """
    if site.body.kind == "uniform":
        raise RangeError(f"body_picture: {site.body.name!r} is a uniform place without a shape.")
    latitude, longitude = CAMERA_SHARE * site.latitude_deg, site.longitude_deg - CAMERA_LEAD_DEG
    axes = _camera_axes(latitude, longitude)
    mesh = site.body.shape()
    corners = mesh.vertices @ axes
    normals = mesh.face_normals @ axes
    near = np.flatnonzero(normals[:, 2] > 0.0)
    near = near[np.argsort(corners[mesh.faces[near]].mean(axis=1)[:, 2], kind="stable")]
    light = np.array(SUN_C) / np.linalg.norm(SUN_C)
    lit = np.maximum(_softened(mesh, normals)[near] @ light, 0.0)
    shade = AMBIENT + (1.0 - AMBIENT) * lit
    used, index = np.unique(mesh.faces[near], return_inverse=True)
    poles = {name: np.array([0.0, 0.0, sign]) for name, sign in (("north", 1.0), ("south", -1.0))}
    return {
        "points": np.round(corners[used, :2], 1).tolist(),
        "faces": index.reshape(-1, 3).tolist(),
        "shade": np.round(np.clip(shade / shade.max(), 0.0, 1.0), 3).tolist(),
        "site": np.round((site.position_a @ axes)[:2], 1).tolist(),
        "axis": {name: _pole(site, pole, axes) for name, pole in poles.items()},
        "graticule": _graticule(site, axes),
        "latitude_deg": round(latitude, 3),
        "longitude_deg": round(longitude, 3),
    }


def _softened(mesh: TriangleMesh, normals: Floats) -> Floats:
    """Unit normals (num_faces, 3) halfway between each facet's own and the mean of its neighbours' at its corners."""
    at_corners = np.zeros((len(mesh.vertices), 3))
    for k in range(3):
        np.add.at(at_corners, mesh.faces[:, k], normals)
    around = at_corners[mesh.faces].sum(axis=1)
    mixed = normals + around / np.linalg.norm(around, axis=1, keepdims=True)
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


def _camera_axes(latitude_deg: float, longitude_deg: float) -> Floats:
    """Right, up and towards the camera, as the columns of a matrix (3, 3) in frame a."""
    lat, lon = latitude_deg * DEG, longitude_deg * DEG
    out = np.array([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
    right = np.array([-math.sin(lon), math.cos(lon), 0.0])
    return np.column_stack([right, np.cross(out, right), out])


def _pole(site: Site, pole: Floats, axes: Floats) -> list[float]:
    return np.round((site.body.surface().point(pole) @ axes)[:2], 1).tolist()


def _graticule(site: Site, axes: Floats) -> list[list[list[float]]]:
    """Visible pieces of the lines of equal latitude and longitude, laid on the surface."""
    turn = np.arange(0.0, 361.0, 3.0) * DEG
    lines = []
    for lat in np.arange(-60, 61, GRATICULE_DEG) * DEG:
        circle = [np.cos(lat) * np.cos(turn), np.cos(lat) * np.sin(turn), np.full_like(turn, np.sin(lat))]
        lines.append(np.column_stack(circle))
    rise = np.arange(-90.0, 91.0, 3.0) * DEG
    for lon in np.arange(0, 360, GRATICULE_DEG) * DEG:
        lines.append(np.column_stack([np.cos(rise) * np.cos(lon), np.cos(rise) * np.sin(lon), np.sin(rise)]))
    pieces: list[list[list[float]]] = []
    far = 4.0 * float(np.linalg.norm(site.body.shape().vertices, axis=1).max())
    for line in lines:
        points = (line * (far - site.body.surface().height(line * far))[:, None]) @ axes
        # The slope of the line's own ray stands for the facet's: lines end a little before the limb.
        visible = points[:, 2] > 0.12 * np.linalg.norm(points, axis=1)
        breaks = np.flatnonzero(np.diff(visible.astype(int))) + 1
        for piece, shown in zip(np.split(points, breaks), np.split(visible, breaks), strict=True):
            if shown[0] and len(piece) > 1:
                pieces.append(np.round(piece[:, :2], 1).tolist())
    return pieces
