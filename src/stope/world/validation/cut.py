# SPDX-License-Identifier: Apache-2.0
"""Cut: the force of soil on a blade.

Result: `force_n`, its parts `weight_n`, `cohesion_n`, `inertia_n`, `surcharge_n`, `adhesion_n`, and the dimensionless
`factors.*` with `factors.failure_angle_deg`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from stope.base.config import check_not_negative, check_positive
from stope.base.progress import Progress
from stope.world.regolith.blade import blade_force
from stope.world.validation.case import Kind
from stope.world.validation.conditions import SoilGiven

__all__ = ["CUT", "CutGiven"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CutGiven:
    """A blade that cuts soil."""

    width_m: float
    """Of the blade [m]."""
    depth_m: float
    """Of the cut [m]."""
    rake_deg: float
    """Angle of the blade from the horizontal [deg]."""
    speed_mps: float
    """Of the cut [m/s]."""
    gravity_mps2: float
    """Into the ground [m/s2]."""
    surcharge_pa: float = 0.0
    """Stress of what lies before the blade [Pa]."""
    soil_friction_deg: float = 0.0
    """Friction angle of the soil [deg]; 0 for that of the soil's table."""
    tool_friction_deg: float = 0.0
    """Friction angle between blade and soil [deg]; 0 for that of the soil's table."""
    soil: SoilGiven = field(default_factory=SoilGiven)
    """Table or name."""

    def __post_init__(self) -> None:
        """Check every number."""
        check_positive(self, "width_m", "depth_m", "rake_deg")
        check_not_negative(self, "speed_mps", "gravity_mps2", "surcharge_pa", "soil_friction_deg", "tool_friction_deg")


def _run(given: CutGiven, progress: Progress) -> dict[str, Any]:
    del progress
    soil = given.soil.soil()
    if given.soil_friction_deg:
        soil = replace(soil, internal_friction=math.tan(math.radians(given.soil_friction_deg)))
    if given.tool_friction_deg:
        soil = replace(soil, tool_friction=math.tan(math.radians(given.tool_friction_deg)))
    f = blade_force(soil, width=given.width_m, depth=given.depth_m, rake_angle=math.radians(given.rake_deg),
                    speed=given.speed_mps, gravity=given.gravity_mps2, surcharge=given.surcharge_pa)  # fmt: skip
    n = f.factors
    return {
        "force_n": f.total, "weight_n": f.weight, "cohesion_n": f.cohesion, "inertia_n": f.inertia,
        "surcharge_n": f.surcharge, "adhesion_n": f.adhesion,
        "factors": {"failure_angle_deg": math.degrees(n.failure_angle), "weight": n.weight, "cohesion": n.cohesion,
                    "surcharge": n.surcharge, "adhesion": n.adhesion, "inertia": n.inertia},
    }  # fmt: skip


CUT = Kind(conditions=CutGiven, run=_run, headline=("force_n", "weight_n", "cohesion_n", "inertia_n"))
