# SPDX-License-Identifier: Apache-2.0
"""Stress of flowing soil on one surface element: friction, cohesion and inertia, opposing motion.

    stress = (xi depth + c N_c) alpha(normal, direction)  -  lambda density (v . n)^2 n

on elements that lead (n . v > 0) below the surface; the part along the surface is clipped to the friction of the tool.
An element that does not lead is rubbed along its surface by the active pressure of the soil beside it, and by adhesion.
Power is never positive.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.errors import RangeError
from stope.world.regolith import soil as s
from stope.world.regolith.frictional import STRAIGHT_DOWN, alpha_3d

__all__ = ["plastic_stress", "traction"]

Floats = NDArray[np.float64]


@nb.njit(inline="always")
def plastic_stress(row, depth, nx, ny, nz, ux, uy, uz):
    """Rate-independent stress [Pa] on an element that moves along the unit vector u; see the module.

    Args:
        row: Soil row.
        depth: Below the free surface [m], positive.
        nx: Outward unit normal, z up.
        ny: As above.
        nz: As above.
        ux: Unit direction of motion.
        uy: As above.
        uz: As above.

    Returns:
        Stress (3 components) [Pa]; its product with u is never positive.
    """
    # Both cases are computed and one is taken: without branches a loop over elements is vectorised.
    lead = nx * ux + ny * uy + nz * uz
    rx, ry, rz = ux - lead * nx, uy - lead * ny, uz - lead * nz
    # Along a face that moves straight away there is no direction to rub in; u and n are of unit length.
    square = 1.0 - lead * lead
    rub = (row[s.REAR_GRADIENT] * depth + row[s.ADHESION]) / math.sqrt(max(square, 1e-20))
    rub = rub if square > 1e-20 else 0.0
    ax, ay, az = alpha_3d(nx, ny, nz, ux, uy, uz)
    # The pattern of the cohesive bearing is that of the friction, normalised to a plate pushed straight down.
    size = row[s.FRICTION_GRADIENT] * depth + row[s.COHESIVE_STRESS] / STRAIGHT_DOWN
    tx, ty, tz = size * ax, size * ay, size * az
    normal = tx * nx + ty * ny + tz * nz
    tx, ty, tz = tx - normal * nx, ty - normal * ny, tz - normal * nz
    normal = min(normal, 0.0)
    limit = -row[s.TOOL_FRICTION] * normal
    keep = min(1.0, limit / math.sqrt(max(tx * tx + ty * ty + tz * tz, 1e-300)))
    tx, ty, tz = normal * nx + keep * tx, normal * ny + keep * ty, normal * nz + keep * tz
    power = max(tx * ux + ty * uy + tz * uz, 0.0)
    tx, ty, tz = tx - power * ux, ty - power * uy, tz - power * uz
    leads = lead > 0.0
    return tx if leads else -rub * rx, ty if leads else -rub * ry, tz if leads else -rub * rz


@nb.njit(inline="always")
def _traction(row, depth, n, v):
    speed = math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    if depth <= 0.0 or speed == 0.0:
        return 0.0, 0.0, 0.0
    tx, ty, tz = plastic_stress(row, depth, n[0], n[1], n[2], v[0] / speed, v[1] / speed, v[2] / speed)
    lead = n[0] * v[0] + n[1] * v[1] + n[2] * v[2]
    push = row[s.INERTIA_DENSITY] * lead * lead if lead > 0.0 else 0.0
    return tx - push * n[0], ty - push * n[1], tz - push * n[2]


@nb.njit(cache=True, error_model="numpy")
def _tractions(rows, depth, normal, velocity, out):
    for k in range(out.shape[0]):
        out[k, 0], out[k, 1], out[k, 2] = _traction(rows[k], depth[k], normal[k], velocity[k])


def traction(rows: Floats, *, depth: ArrayLike, normal: ArrayLike, velocity: ArrayLike) -> Floats:
    """Stress of flowing soil on surface elements [Pa], (num, 3).

    Args:
        rows: Soil rows (num, NUM_SOIL), or one for all; from `soil_rows`.
        depth: Below the free surface [m], (num,); 0 or less feels nothing.
        normal: Outward unit normals, z up, (num, 3).
        velocity: Of the elements through the soil [m/s], (num, 3). At rest the flowing soil is undetermined and the
            result is zero: what holds a tool at rest is in `contact`.

    Raises:
        RangeError: for numbers that are not finite, or normals that are not unit vectors.

    Valid for:
        Shapes blunt and wide against a grain; a sum of three terms that do not add exactly in nature (Roth et al. 2019,
        arXiv 1910.10358; Yeo et al. 2025, arXiv 2507.14645): first order, with structural error.

    Source:
        Friction: [agarwal2023]. Inertia: [agarwal2021]. Bearing stress of cohesive ground, N_c = 5.14 to 6.05:
        [terzaghi1943]. Checked in tests/laws/test_soil.py.
    """
    n = np.ascontiguousarray(normal, dtype=np.float64).reshape(-1, 3)
    v = np.ascontiguousarray(np.broadcast_to(np.asarray(velocity, dtype=np.float64), n.shape))
    z = np.ascontiguousarray(np.broadcast_to(np.asarray(depth, dtype=np.float64), (len(n),)))
    r = np.ascontiguousarray(np.broadcast_to(np.atleast_2d(rows), (len(n), s.NUM_SOIL)))
    for name, array in (("depth", z), ("normal", n), ("velocity", v), ("rows", r)):
        if not np.isfinite(array).all():
            raise RangeError(f"traction: {name} has numbers that are not finite: expected finite ones.")
    size = np.linalg.norm(n, axis=1)
    if len(n) and np.abs(size - 1.0).max() > 1e-6:
        raise RangeError(f"traction: normal of length {size[np.abs(size - 1.0).argmax()]:.6g}: expected 1.")
    out = np.empty((len(n), 3))
    _tractions(r, z, n, v, out)
    return out
