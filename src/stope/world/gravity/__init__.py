# SPDX-License-Identifier: Apache-2.0
"""Gravity fields: one file per field, the exact ones, and the grid the kernels read."""

from stope.world.gravity.ellipsoid import EllipsoidField
from stope.world.gravity.far import FarField, GravityField, far_field
from stope.world.gravity.grid import GravityGrid
from stope.world.gravity.point_mass import PointMassField, UniformField
from stope.world.gravity.polyhedron import PolyhedronField

__all__ = [
    "EllipsoidField",
    "FarField",
    "GravityField",
    "GravityGrid",
    "PointMassField",
    "PolyhedronField",
    "UniformField",
    "far_field",
]
