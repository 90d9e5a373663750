# SPDX-License-Identifier: Apache-2.0
"""Force on a blade that cuts soil: the fundamental earthmoving equation, with the inertia of the soil it lifts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import minimize_scalar

from stope.base.errors import RangeError
from stope.world.regolith.soil import Soil

__all__ = ["BladeFactors", "BladeForce", "blade_factors", "blade_force"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BladeFactors:
    """Dimensionless factors of a blade."""

    failure_angle: float
    """Of the failure plane from the horizontal [rad], where the weight's factor is least."""
    weight: float
    """N_g"""
    cohesion: float
    """N_c"""
    surcharge: float
    """N_q"""
    adhesion: float
    """N_ca"""
    inertia: float
    """N_a"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BladeForce:
    """Force on a blade [N] and its parts; along the normal of the blade turned by the tool friction."""

    total: float
    weight: float
    cohesion: float
    inertia: float
    surcharge: float
    adhesion: float
    factors: BladeFactors


def _weight_factor(r: float, rake: float, tool: float, soil: float) -> float:
    below = math.cos(rake + tool) + math.sin(rake + tool) / math.tan(r + soil)
    return (1.0 / math.tan(rake) + 1.0 / math.tan(r)) / (2.0 * below)


def blade_factors(*, rake_angle: float, tool_friction_angle: float, soil_friction_angle: float) -> BladeFactors:
    """Factors of a wide blade, from the failure plane of least weight resistance.

    Args:
        rake_angle: Of the blade from the horizontal, in the direction of travel [rad].
        tool_friction_angle: Between blade and soil [rad].
        soil_friction_angle: Internal friction of the soil [rad].

    Raises:
        RangeError: for angles outside the theory, or where no failure plane exists (the blade is too steep and rough).

    Source:
        McKyes 1985, Soil Cutting and Tillage (Elsevier), chapter on two-dimensional failure; Reece 1964,
        doi 10.1243/PIME_CONF_1964_179_134_02. Reference case in tests/laws/test_soil.py.
    """
    if not 0.0 < rake_angle < math.pi / 2 + 0.5:
        raise RangeError(f"rake_angle = {math.degrees(rake_angle):.4g} deg: expected more than 0 and less than 118.")
    if not (0.0 <= tool_friction_angle < math.pi / 2 and 0.0 < soil_friction_angle < math.pi / 2):
        raise RangeError("tool_friction_angle and soil_friction_angle: expected 0 to 90 deg.")
    a, d, p = rake_angle, tool_friction_angle, soil_friction_angle
    # The factor's denominator is positive for failure angles up to this one: cot(r + p) > -cot(a + d).
    top = math.pi - a - d - p
    if top <= 1e-3:
        raise RangeError(
            f"rake {math.degrees(a):.4g} + tool friction {math.degrees(d):.4g} + soil friction {math.degrees(p):.4g}"
            " deg: expected a sum below 180 deg; a steeper or rougher blade pushes a dead wedge."
        )
    found = minimize_scalar(
        lambda r: _weight_factor(r, a, d, p), bounds=(1e-3, min(top, math.pi / 2) - 1e-4), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    r = float(found.x)
    below = math.cos(a + d) + math.sin(a + d) / math.tan(r + p)
    cot_a, cot_r, cot_rp = 1.0 / math.tan(a), 1.0 / math.tan(r), 1.0 / math.tan(r + p)
    return BladeFactors(
        failure_angle=r, weight=(cot_a + cot_r) / (2.0 * below), cohesion=(1.0 + cot_r * cot_rp) / below,
        surcharge=(cot_a + cot_r) / below, adhesion=(1.0 - cot_a * cot_rp) / below,
        inertia=(math.tan(r) + cot_rp) / ((1.0 + math.tan(r) * cot_a) * below),
    )  # fmt: skip


def blade_force(
    soil: Soil, *, width: float, depth: float, rake_angle: float, speed: float, gravity: float, surcharge: float = 0.0
) -> BladeForce:
    """Force of the soil on a blade [N].

    Args:
        soil: The ground.
        width: Of the blade [m].
        depth: Of the cut [m].
        rake_angle: Of the blade from the horizontal [rad].
        speed: Of the cut [m/s].
        gravity: Into the ground [m/s2].
        surcharge: Stress of what lies on the surface before the blade [Pa].

    Raises:
        RangeError: for a number that is not finite or negative, or an angle outside the theory.

    Valid for:
        A blade wide against its depth. Excavation models differ among themselves by a factor of three and more
        (Wilkinson and DeGennaro 2007, doi 10.1016/j.jterra.2006.09.001): use that as the uncertainty.
    """
    given = {"width": width, "depth": depth, "speed": speed, "gravity": gravity, "surcharge": surcharge}
    for name, value in given.items():
        if not (math.isfinite(value) and value >= 0.0):
            raise RangeError(f"{name} = {value}: expected a finite number, 0 or more.")
    n = blade_factors(
        rake_angle=rake_angle, tool_friction_angle=math.atan(soil.tool_friction),
        soil_friction_angle=math.atan(soil.internal_friction),
    )  # fmt: skip
    rho = soil.bulk_density
    parts = {
        "weight": width * rho * gravity * depth**2 * n.weight, "cohesion": width * soil.cohesion * depth * n.cohesion,
        "surcharge": width * surcharge * depth * n.surcharge, "adhesion": width * soil.adhesion * depth * n.adhesion,
        "inertia": width * rho * speed**2 * depth * n.inertia,
    }  # fmt: skip
    return BladeForce(total=sum(parts.values()), factors=n, **parts)
