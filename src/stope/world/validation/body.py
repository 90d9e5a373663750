# SPDX-License-Identifier: Apache-2.0
"""Body: what a small body's parameters, or its mesh, say of gravity on its surface.

Result: `attraction_mps2.*` and `effective_mps2.*` (min, max, mean, median `q50` and quantiles over the surface, by
area; effective counts as negative where it points outward), `slope_deg.*`, `mean_radius_gravity_mps2`,
`escape_speed_mps` (from the mean radius), `local_escape_mps.*` (against the turning ground, straight up),
`synchronous_radius_m` (null without spin), `outward_share` (of the surface), `outward_latitude_max_deg` (0 if there
is none), `effective_min_latitude_deg`, `density_kgpm3`, `shape` (what was used), `num_points`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from stope.base.config import check_not_negative
from stope.base.errors import ConfigError
from stope.base.progress import Progress
from stope.base.units import HOUR, G
from stope.world.body import Body, load_body
from stope.world.shape import ellipsoid_mesh
from stope.world.validation.case import Kind

__all__ = ["BODY", "BodyGiven", "body_of"]

HALVINGS = 4
"""Halvings of the icosahedron that samples an ellipsoid: 5120 places (chosen)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyGiven:
    """A body by name or file, or by its numbers as an ellipsoid of constant density."""

    body: str = ""
    """A name of `stope world bodies`, or a TOML file; empty for the numbers that follow."""
    gm_m3ps2: float = 0.0
    """Gravitational parameter [m3/s2]; 0 if the density is given."""
    density_kgpm3: float = 0.0
    """[kg/m3]; 0 if gm is given."""
    semi_axes_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Half lengths along x, y and the spin axis z [m]."""
    spin_period_h: float = 0.0
    """[h]; 0 for no spin."""

    def __post_init__(self) -> None:
        """Check that there is a body, once."""
        check_not_negative(self, "gm_m3ps2", "density_kgpm3", "spin_period_h")
        if self.body:
            if self.gm_m3ps2 or self.density_kgpm3 or self.spin_period_h or any(self.semi_axes_m):
                raise ConfigError(f"BodyGiven.body = {self.body!r}: leave out the numbers of a body that has a name.")
            return
        if min(self.semi_axes_m) <= 0.0:
            raise ConfigError(f"BodyGiven.semi_axes_m = {list(self.semi_axes_m)}: expected three positive numbers.")
        if (self.gm_m3ps2 > 0.0) == (self.density_kgpm3 > 0.0):
            raise ConfigError("BodyGiven.gm_m3ps2, density_kgpm3: expected one of them, more than 0.")


def body_of(given: BodyGiven) -> Body:
    """The body of the conditions."""
    if given.body:
        return load_body(given.body)
    volume = 4.0 / 3.0 * math.pi * math.prod(given.semi_axes_m)
    gm = given.gm_m3ps2 or G * given.density_kgpm3 * volume
    return Body(
        name="inline",
        kind="ellipsoid",
        summary="of a case",
        licence="none",
        has_air=False,
        gm=gm,
        gravity_level=0.0,
        density=gm / (G * volume),
        spin_rate=2.0 * math.pi / (given.spin_period_h * HOUR) if given.spin_period_h else 0.0,
        mean_radius=math.prod(given.semi_axes_m) ** (1.0 / 3.0),
        semi_axes=given.semi_axes_m,
    )


def _spread(values: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    q = np.interp([0.05, 0.5, 0.95], share / share[-1], values[order])
    return {"min": float(values.min()), "max": float(values.max()), "mean": float(np.average(values, weights=weights)),
            "q05": float(q[0]), "q50": float(q[1]), "q95": float(q[2])}  # fmt: skip


def _run(given: BodyGiven, progress: Progress) -> dict[str, Any]:
    body = body_of(given)
    if body.kind == "uniform":
        raise ConfigError(f"BodyGiven.body = {body.name!r}: a uniform place has no surface to measure. Name a body.")
    r = body.mean_radius
    axes = body.semi_axes if body.kind == "ellipsoid" else (r, r, r)
    mesh = body.shape() if body.kind == "mesh" else ellipsoid_mesh(axes, halvings=HALVINGS)
    corners = mesh.corners
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    surface, middles = body.surface(), corners.mean(axis=1)
    if body.kind != "mesh":
        middles = np.array([surface.point(m) for m in middles])
    normals = mesh.face_normals if body.kind == "mesh" else np.array([surface.normal(m) for m in middles])
    attraction = body.field().acceleration(middles)
    progress("gravity over the surface", 0.5)
    swept = np.array([1.0, 1.0, 0.0]) * middles
    effective = attraction + body.spin_rate**2 * swept
    size, inward = np.linalg.norm(effective, axis=1), -np.einsum("fi,fi->f", effective, normals)
    latitude = np.degrees(np.arcsin(middles[:, 2] / np.linalg.norm(middles, axis=1)))
    # Where the attraction itself points outward the facet is an overhang, not a place that the spin empties.
    outward = (inward < 0.0) & (np.einsum("fi,fi->f", attraction, normals) < 0.0)
    # Straight up with speed v the energy among the stars is |v n + w x r|^2 / 2 - U.
    around = np.cross([0.0, 0.0, body.spin_rate], middles)
    along = np.einsum("fi,fi->f", around, normals)
    need = along**2 + 2.0 * body.field().potential(middles) - np.einsum("fi,fi->f", around, around)
    escape = np.maximum(np.sqrt(np.maximum(need, 0.0)) - along, 0.0)
    progress("gravity over the surface", 1.0)
    signed = np.where(outward, -size, size)
    return {
        "attraction_mps2": _spread(np.linalg.norm(attraction, axis=1), area), "effective_mps2": _spread(signed, area),
        "slope_deg": _spread(np.degrees(np.arccos(np.clip(inward / size, -1.0, 1.0))), area),
        "mean_radius_gravity_mps2": body.gm / body.mean_radius**2, "escape_speed_mps": body.escape_speed,
        "local_escape_mps": _spread(escape, area),
        "synchronous_radius_m": body.synchronous_radius if body.spin_rate else None,
        "outward_share": float(area[outward].sum() / area.sum()),
        "outward_latitude_max_deg": float(np.abs(latitude[outward]).max()) if outward.any() else 0.0,
        "effective_min_latitude_deg": float(latitude[signed.argmin()]), "density_kgpm3": body.density,
        "shape": body.kind, "num_points": len(middles),
    }  # fmt: skip


BODY = Kind(
    conditions=BodyGiven,
    run=_run,
    headline=("effective_mps2.min", "effective_mps2.q50", "effective_mps2.max", "escape_speed_mps"),
)
