# SPDX-License-Identifier: Apache-2.0
"""Granular ground: one file per law, and the state of soil that holds."""

from __future__ import annotations

from stope.world.regolith.blade import blade_factors, blade_force
from stope.world.regolith.elements import Elements
from stope.world.regolith.prior import draw_ground, ground_prior, soil_of
from stope.world.regolith.soil import Soil, soil_rows
from stope.world.regolith.traction import traction

__all__ = ["Elements", "Soil", "blade_factors", "blade_force", "draw_ground", "ground_prior", "soil_of", "soil_rows",
           "traction"]  # fmt: skip
