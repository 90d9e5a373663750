# SPDX-License-Identifier: Apache-2.0
"""A site: one point of a body, its level frame, its effective gravity, and the gravity grid around it.

Frame l turns with the body. Its origin is on the ground (or `height` above it), z_l points against the effective
gravity, that is attraction plus centrifugal acceleration, x_l towards local east. Latitude and longitude are those of
the ray from the centre of mass, in frame a.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from stope.base.errors import RangeError
from stope.base.rotation import from_matrix
from stope.base.units import DEG
from stope.world.body import Body, load_body
from stope.world.gravity import GravityGrid
from stope.world.gravity.grid import build_grid, check_grid_size, uniform_grid

GRID_HALF_WIDTH = 12.0
"""From the site's origin to the sides of its gravity grid [m] (chosen for hops and landings)."""
GRID_NODES = 9
"""Nodes of the grid along each axis (chosen: 3 m apart).

Measured on Ryugu: median error 7e-6 to 3e-5, largest 5e-3 in the cells that the ground cuts, 1e-4 above them."""
MOST_HEIGHT = 1e9
"""Of a site above the ground [m]; chosen: far beyond what any small body's gravity decides."""
NEAR_POLE = 1e-6
"""Cosine of latitude under which local east is not used and x_l points along x of frame a instead (chosen)."""


@dataclass(frozen=True, eq=False)
class Site:
    """One point of a body; made by `make_site`."""

    body: Body
    """The place the site is on."""
    latitude_deg: float
    """Latitude of the ray from the centre [deg]; 0 for a uniform place."""
    longitude_deg: float
    """Longitude of the ray from the centre [deg], east positive; 0 for a uniform place."""
    height: float
    """Height of the origin above the ground, along the ray [m]."""
    grid_half_width: float
    """From the origin to the sides of the gravity grid [m]."""
    grid_nodes: int
    """Nodes of the grid along each axis."""
    position_a: np.ndarray
    """Origin of frame l (3,) [m], frame a."""
    rotation_al: np.ndarray
    """Matrix (3, 3) that takes components in l to components in a."""
    normal_l: np.ndarray
    """Outward unit normal of the ground under the origin (3,), in l axes."""
    attraction_l: np.ndarray
    """Attraction at the origin (3,) [m/s2], in l axes, without the spin."""
    gravity_l: np.ndarray
    """Effective gravity at the origin (3,) [m/s2], in l axes: attraction plus centrifugal acceleration."""
    spin_l: np.ndarray
    """Spin of frame l (3,) [rad/s], in l axes; zero for a uniform place."""
    position_l0: np.ndarray
    """From the body's centre to the origin (3,) [m], in l axes; zero for a uniform place."""
    points_outward: bool
    """Whether effective gravity points away from the ground, as on a fast spinner; z_l is then the normal."""

    @property
    def name(self) -> str:
        """Body, latitude and longitude in one word, such as `ryugu-lat10-lon25`."""
        if self.body.kind == "uniform":
            return self.body.name
        return f"{self.body.name}-lat{self.latitude_deg:g}-lon{self.longitude_deg:g}"

    @property
    def q_al(self) -> np.ndarray:
        """Quaternion (4,) w, x, y, z that takes components in l to components in a."""
        return from_matrix(self.rotation_al)

    @property
    def has_air(self) -> bool:
        """Whether there is air for fans and drag."""
        return self.body.has_air

    @property
    def jitter_rms(self) -> float:
        """Random acceleration, each axis, white over one control period of 0.2 s [m/s2]."""
        return self.body.jitter_rms

    @property
    def slope_deg(self) -> float:
        """Angle between the ground's normal and z_l [deg], of the facet under the origin."""
        return math.degrees(math.acos(min(max(float(self.normal_l[2]), -1.0), 1.0)))

    @property
    def grid(self) -> GravityGrid:
        """Attraction around the origin in l axes; built at first use and kept."""
        return _grid(
            self.body, self.latitude_deg, self.longitude_deg, self.height, self.grid_half_width, self.grid_nodes
        )

    def attraction_at(self, position_l: np.ndarray) -> np.ndarray:
        """Exact attraction (..., 3) [m/s2] in l axes, at positions (..., 3) [m] in frame l."""
        return self.body.field().acceleration(self._to_a(position_l)) @ self.rotation_al

    def height_above_surface(self, position_l: np.ndarray) -> np.ndarray:
        """Height (...) [m] above the ground along the radius, negative under it, at positions (..., 3) [m], frame l.

        Valid for:
            The sign is exact for the body's shape as stored. The nearest ground may be closer than the height: by the
            cosine of the angle between radius and facet normal, so a robot of radius r should keep more than r.
            For a uniform place the ground is the plane `height` under the origin.

        Source:
            Ray and triangle; checked against every triangle in tests/world/test_surface.py.
        """
        return self.body.surface().height(self._to_a(position_l))

    def describe(self) -> dict[str, Any]:
        """Return what tables and JSON show of a site; it does not build the grid."""
        note = ""
        if self.points_outward:
            note = "effective gravity points outward here: z_l is the ground's outward normal, loose things fly off"
        elif self.body.kind == "uniform":
            note = "a local place: uniform gravity towards -z_l, no spin"
        return {
            "site": self.name,
            "body": self.body.name,
            "latitude_deg": self.latitude_deg,
            "longitude_deg": self.longitude_deg,
            "height_m": self.height,
            "radius_m": float(np.linalg.norm(self.position_a)),
            "attraction_mps2": float(np.linalg.norm(self.attraction_l)),
            "gravity_mps2": float(np.linalg.norm(self.gravity_l)),
            "gravity_l_mps2": [float(g) for g in self.gravity_l],
            "spin_l_radps": [float(w) for w in self.spin_l],
            "slope_deg": self.slope_deg,
            "points_outward": self.points_outward,
            "has_air": self.has_air,
            "jitter_rms_mps2": self.jitter_rms,
            "note": note,
        }

    def _to_a(self, position_l: np.ndarray) -> np.ndarray:
        """Positions (..., 3) [m] from frame l to frame a."""
        return np.asarray(position_l, dtype=np.float64) @ self.rotation_al.T + self.position_a


def make_site(
    body: Body | str,
    *,
    latitude_deg: float = 0.0,
    longitude_deg: float = 0.0,
    height: float = 0.0,
    grid_half_width: float = GRID_HALF_WIDTH,
    grid_nodes: int = GRID_NODES,
) -> Site:
    """Place a level frame on a body.

    Args:
        body: Where; a `Body`, or a name or path as `load_body` takes it.
        latitude_deg: Angle of the ray from the centre above the equator [deg], -90 to 90.
        longitude_deg: Angle of the ray about the spin axis from x of frame a [deg], -360 to 360.
        height: Of the origin above the ground, along the ray [m], zero or more.
        grid_half_width: From the origin to the sides of the gravity grid [m].
        grid_nodes: Nodes of the grid along each axis, 2 or more.

    Returns:
        The site. Its grid is built when it is first asked for.

    Raises:
        RangeError: if an angle, the height or the grid is out of range, or a uniform place is given an angle.
    """
    body = load_body(body) if isinstance(body, str) else body
    _check_place(body, latitude_deg=latitude_deg, longitude_deg=longitude_deg, height=height)
    check_grid_size(half_width=grid_half_width, num_nodes=grid_nodes)
    latitude, longitude = latitude_deg * DEG, longitude_deg * DEG
    ray = np.array(
        [math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)]
    )
    if body.kind == "uniform":
        ray = np.array([0.0, 0.0, 1.0])
    position = body.surface().point(ray) + height * ray
    normal = body.surface().normal(ray)
    attraction = body.field().acceleration(position)
    spin = np.array([0.0, 0.0, body.spin_rate])
    gravity = attraction - np.cross(spin, np.cross(spin, position))
    points_outward = bool(gravity @ normal > 0.0)
    rotation = _level_axes(gravity, ray, normal, points_outward=points_outward)
    return Site(
        body=body,
        latitude_deg=float(latitude_deg),
        longitude_deg=float(longitude_deg),
        height=float(height),
        grid_half_width=float(grid_half_width),
        grid_nodes=int(grid_nodes),
        position_a=position,
        rotation_al=rotation,
        normal_l=normal @ rotation,
        attraction_l=attraction @ rotation,
        gravity_l=gravity @ rotation,
        spin_l=spin @ rotation,
        position_l0=np.zeros(3) if body.kind == "uniform" else position @ rotation,
        points_outward=points_outward,
    )


def _check_place(body: Body, *, latitude_deg: float, longitude_deg: float, height: float) -> None:
    """Refuse angles and heights that no site can have."""
    if not -90.0 <= latitude_deg <= 90.0:
        raise RangeError(f"make_site.latitude_deg = {latitude_deg} deg: must be -90 to 90. South is negative.")
    if not -360.0 <= longitude_deg <= 360.0:
        raise RangeError(f"make_site.longitude_deg = {longitude_deg} deg: must be -360 to 360. East is positive.")
    if not (math.isfinite(height) and height >= 0.0):
        raise RangeError(f"make_site.height = {height} m: must be zero or more. The ground is at 0 m.")
    if height > MOST_HEIGHT:
        raise RangeError(f"make_site.height = {height:g} m: must be at most {MOST_HEIGHT:g} m.")
    if body.kind == "uniform" and (latitude_deg != 0.0 or longitude_deg != 0.0):
        raise RangeError(
            f"make_site.latitude_deg, longitude_deg = {latitude_deg}, {longitude_deg} deg: {body.name!r} is a uniform "
            "place without latitude. Leave them out."
        )


def _level_axes(gravity: np.ndarray, ray: np.ndarray, normal: np.ndarray, *, points_outward: bool) -> np.ndarray:
    """Return the axes of l as the columns of a matrix (3, 3), from vectors in frame a."""
    size = np.linalg.norm(gravity)
    up = normal if points_outward or size == 0.0 else -gravity / size
    east = np.cross([0.0, 0.0, 1.0], ray)
    if np.linalg.norm(east) < NEAR_POLE:
        east = np.array([1.0, 0.0, 0.0])
    east = east - (east @ up) * up
    east = east / np.linalg.norm(east)
    return np.column_stack([east, np.cross(up, east), up])


@lru_cache(maxsize=64)
def _grid(
    body: Body, latitude_deg: float, longitude_deg: float, height: float, half_width: float, num_nodes: int
) -> GravityGrid:
    site = make_site(body, latitude_deg=latitude_deg, longitude_deg=longitude_deg, height=height)
    if body.kind == "uniform":
        return uniform_grid(site.gravity_l, half_width=half_width)
    return build_grid(site.attraction_at, site.height_above_surface, half_width=half_width, num_nodes=num_nodes)
