# SPDX-License-Identifier: Apache-2.0
"""Sunlight at a site: where the Sun stands over one turn of the body, and whether ground or shape hide it.

The Sun is far away and keeps its latitude over a turn, so in frame a it goes round the spin axis once per spin period,
westward. Its latitude and first longitude are assumed by whoever asks: a season of the body, not an ephemeris.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike

from stope.base.errors import RangeError
from stope.world.body import Body
from stope.world.site import Site

NUM_TIMES = 360
"""Times of a turn at which the light is looked at before its changes are narrowed down (chosen: every degree)."""
HALVINGS = 20
"""Of the interval of a change of light: to a millionth of a degree."""
CLEAR = 1e-9
"""A triangle nearer than this along the ray, over the size of the body, is the ground one stands on (chosen)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Light:
    """Sunlight at one point of the ground, at several times."""

    sun_a: np.ndarray
    """Unit vectors (num_times, 3) towards the Sun, frame a."""
    incidence_cosine: np.ndarray
    """Cosine (num_times,) of the angle between the Sun and the ground's normal; negative under the horizon."""
    is_above_horizon: np.ndarray
    """Whether (num_times,) the Sun is over the plane of the ground."""
    is_shadowed: np.ndarray
    """Whether (num_times,) another part of the body hides the Sun; False under the horizon."""

    @property
    def is_lit(self) -> np.ndarray:
        """Whether (num_times,) sunlight falls on the ground."""
        return self.is_above_horizon & ~self.is_shadowed

    @property
    def illumination(self) -> np.ndarray:
        """Sunlight on the ground (num_times,) over that of a plate that faces the Sun: the cosine, 0 in the dark."""
        return np.where(self.is_lit, self.incidence_cosine, 0.0)


def sun_direction(
    body: Body, times: ArrayLike, *, sun_latitude_deg: float, sun_longitude_deg: float = 0.0
) -> np.ndarray:
    """Unit vectors towards the Sun in the spinning frame a.

    Args:
        body: Whose spin turns the Sun.
        times: (...) [s], from any start.
        sun_latitude_deg: Of the point under the Sun [deg], north positive; assumed constant.
        sun_longitude_deg: Of the point under the Sun at time zero [deg], east positive.

    Returns:
        Directions (..., 3), frame a. The longitude falls with time: the Sun moves westward.

    Raises:
        RangeError: if the latitude is not -90 to 90 deg, or an angle or a time is not finite.

    Valid for:
        A few turns: the body's own way round the Sun is left out, which turns the Sun by 360 deg in one of its years.
    """
    times = np.asarray(times, dtype=np.float64)
    if not -90.0 <= sun_latitude_deg <= 90.0:
        raise RangeError(
            f"sun_direction.sun_latitude_deg = {sun_latitude_deg} deg: must be -90 to 90. South is negative."
        )
    if not (math.isfinite(sun_longitude_deg) and np.isfinite(times).all()):
        raise RangeError("sun_direction.times, sun_longitude_deg = not finite: must be finite. Mask bad times first.")
    latitude = math.radians(sun_latitude_deg)
    longitude = math.radians(sun_longitude_deg) - body.spin_rate * times
    level = math.cos(latitude)
    height = np.full(times.shape, math.sin(latitude))
    return np.stack([level * np.cos(longitude), level * np.sin(longitude), height], axis=-1)


def light_at(site: Site, times: ArrayLike, *, sun_latitude_deg: float, sun_longitude_deg: float = 0.0) -> Light:
    """Sunlight on the ground of a site.

    Args:
        site: Where; its ground is the plane of its normal, the facet under it on a mesh.
        times: (num_times,) [s], from any start.
        sun_latitude_deg: Of the point under the Sun [deg], north positive.
        sun_longitude_deg: Of the point under the Sun at time zero [deg], east positive.

    Returns:
        Light at each time.

    Raises:
        RangeError: if the site is on a uniform place, which says nothing of a Sun, or an angle is out of range.

    Valid for:
        A Sun without width and shadows of the stored shape: a mesh of 30 m triangles has no shadows of boulders. An
        ellipsoid and a sphere are convex and have none of their own. No penumbra, no scattered light.

    Source:
        Ray and triangle; checked against heights along the ray in tests/world/test_light.py.
    """
    body = site.body
    if body.kind == "uniform":
        raise RangeError(
            f"light_at.site = {site.name!r}: a uniform place has no spin and no Sun. Use a site on a body."
        )
    times = np.atleast_1d(np.asarray(times, dtype=np.float64))
    sun = sun_direction(body, times, sun_latitude_deg=sun_latitude_deg, sun_longitude_deg=sun_longitude_deg)
    cosine = sun @ (site.rotation_al @ site.normal_l)
    above = cosine > 0.0
    shadowed = np.zeros(times.shape, dtype=np.bool_)
    if body.kind == "mesh":
        mesh = body.shape()
        clear = CLEAR * float(np.abs(mesh.vertices).max())
        shadowed[above] = _hidden(site.position_a, np.ascontiguousarray(sun[above]), mesh.corners, clear)
    return Light(sun_a=sun, incidence_cosine=cosine, is_above_horizon=above, is_shadowed=shadowed)


def daylight_fraction(site: Site, *, sun_latitude_deg: float, num_times: int = NUM_TIMES) -> float:
    """Part of one turn of the body in which sunlight falls on a site, 0 to 1.

    Args:
        site: Where, see `light_at`.
        sun_latitude_deg: Of the point under the Sun [deg], north positive.
        num_times: Times at which the light is looked at first; a change of light between two of them is then narrowed
            down, a day or night shorter than their distance may be missed.

    Raises:
        RangeError: if the body does not spin, there are fewer than 8 times, or as in `light_at`.
    """
    if num_times < 8:
        raise RangeError(f"daylight_fraction.num_times = {num_times}: must be 8 or more. A degree apart is 360.")
    if site.body.kind != "uniform" and site.body.spin_rate == 0.0:
        raise RangeError(
            f"daylight_fraction.site = {site.name!r}: the body does not spin, so it has no day. Use light_at."
        )
    turn = 2.0 * math.pi / site.body.spin_rate if site.body.spin_rate else 1.0
    # Half a step off the meridian of the site, where the light of a symmetric place would change on a sample.
    times = (np.arange(num_times + 1) + 0.5) * turn / num_times
    lit = light_at(site, times, sun_latitude_deg=sun_latitude_deg).is_lit
    lit[-1] = lit[0]
    change = np.flatnonzero(lit[1:] != lit[:-1])
    if not change.size:
        return float(lit[0])
    low, high, was = times[change], times[change + 1], lit[change]
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        same = light_at(site, middle, sun_latitude_deg=sun_latitude_deg).is_lit == was
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    edges = 0.5 * (low + high) / turn
    # The ends of light less its beginnings, and a whole turn if it is lit where the turn is cut.
    return float(np.where(was, edges, -edges).sum() + (1.0 if lit[0] else 0.0))


def _hidden(origin: np.ndarray, rays: np.ndarray, corners: np.ndarray, clear: float) -> np.ndarray:
    """Whether each ray (n, 3) from `origin` (3,) [m] meets a triangle farther than `clear` [m]."""
    hidden = np.zeros(len(rays), dtype=np.bool_)
    sides = corners[:, 1:] - corners[:, :1]
    _cast(np.ascontiguousarray(origin - corners[:, 0]), np.ascontiguousarray(sides), rays, clear, hidden)
    return hidden


@njit(cache=True, parallel=True, error_model="numpy")
def _cast(seen: np.ndarray, sides: np.ndarray, rays: np.ndarray, clear: float, hidden: np.ndarray) -> None:
    """Fill whether each ray meets a triangle, given by the origin seen from its first corner and its two sides."""
    for r in prange(rays.shape[0]):
        dx, dy, dz = rays[r, 0], rays[r, 1], rays[r, 2]
        for f in range(sides.shape[0]):
            ax, ay, az = sides[f, 0, 0], sides[f, 0, 1], sides[f, 0, 2]
            bx, by, bz = sides[f, 1, 0], sides[f, 1, 1], sides[f, 1, 2]
            px, py, pz = dy * bz - dz * by, dz * bx - dx * bz, dx * by - dy * bx
            volume = ax * px + ay * py + az * pz
            if volume == 0.0:
                continue  # the ray runs along the triangle
            sx, sy, sz = seen[f, 0], seen[f, 1], seen[f, 2]
            u = (sx * px + sy * py + sz * pz) / volume
            if u < -1e-12 or u > 1.0 + 1e-12:
                continue
            qx, qy, qz = sy * az - sz * ay, sz * ax - sx * az, sx * ay - sy * ax
            v = (dx * qx + dy * qy + dz * qz) / volume
            if v < -1e-12 or u + v > 1.0 + 1e-12:
                continue
            if (bx * qx + by * qy + bz * qz) / volume > clear:
                hidden[r] = True
                break
