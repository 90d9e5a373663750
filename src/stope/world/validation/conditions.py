# SPDX-License-Identifier: Apache-2.0
"""Conditions that several kinds share: soil, boulders and structure, with the unit in each name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stope.base.config import check_fraction, check_not_negative, check_positive
from stope.base.errors import ConfigError
from stope.world.regolith.prior import RANGES, ground_prior
from stope.world.regolith.soil import Soil
from stope.world.structure import Structure

__all__ = ["RockMap", "SoilGiven", "StructureGiven", "quantiles"]

MEDIAN = {p.name: float(v) for p, v in zip(ground_prior().parameters, ground_prior().theta(np.zeros((1, 7)))[0],
                                           strict=True)}  # fmt: skip
"""Medians of the prior over the ground (`stope.world.regolith.prior`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SoilGiven:
    """Granular ground; the defaults are the medians of the prior."""

    bulk_density_kgpm3: float = MEDIAN["bulk_density"]
    """[kg/m3]"""
    k_mu: float = MEDIAN["k_mu"]
    """Frictional stress per overburden [1]; 15 very loose to 180 dense."""
    cohesion_pa: float = MEDIAN["cohesion"]
    """[Pa]"""
    inertial_factor: float = MEDIAN["inertial_factor"]
    """Normal stress over density times squared normal speed [1]."""
    internal_friction: float = 0.7
    """Tangent of the friction angle [1]; chosen, 35 deg."""
    tool_friction: float = MEDIAN["tool_friction"]
    """Between tool and soil [1]."""
    adhesion_pa: float = 0.0
    """On faces that do not lead [Pa]; chosen, none unless measured."""
    elastic_share: float = 0.0
    """Share of the work done on the soil that comes back, 0 to 0.1 [1]; chosen, none."""

    def __post_init__(self) -> None:
        """Check every number."""
        check_positive(self, "bulk_density_kgpm3", "k_mu", "inertial_factor", "internal_friction")
        check_not_negative(self, "cohesion_pa", "tool_friction", "adhesion_pa")
        check_fraction(self, "elastic_share")
        self.soil()

    def soil(self) -> Soil:
        """As the soil's laws take it."""
        return Soil(
            bulk_density=self.bulk_density_kgpm3, k_mu=self.k_mu, cohesion=self.cohesion_pa,
            inertial_factor=self.inertial_factor, internal_friction=self.internal_friction,
            tool_friction=self.tool_friction, adhesion=self.adhesion_pa,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class RockMap:
    """Boulders and stones that a vehicle lands on instead of soil; the defaults are the medians of the prior."""

    fraction: float = MEDIAN["boulder_fraction"]
    """Share of the ground, in cells, that answers as rock, 0 to 1 [1]."""
    restitution: tuple[float, float] = (RANGES["restitution"][0], RANGES["restitution"][1])
    """Lowest and highest restitution; uniform between, one value per cell [1]."""
    friction: float = MEDIAN["tool_friction"]
    """Coulomb coefficient [1]."""
    tilt_deg: float = 20.0
    """Spread (one sigma) of the tilt of a rock's face against the ground [deg]; chosen."""
    cell_m: float = 0.0
    """Width of a cell [m]; 0 for the largest length of the vehicle."""

    def __post_init__(self) -> None:
        """Check every number."""
        check_fraction(self, "fraction")
        check_not_negative(self, "friction", "tilt_deg", "cell_m")
        low, high = self.restitution
        if not 0.0 <= low <= high <= 1.0:
            raise ConfigError(f"RockMap.restitution = {list(self.restitution)}: expected 0 <= lowest <= highest <= 1.")


@dataclass(frozen=True, kw_only=True, slots=True)
class StructureGiven:
    """Legs, horn or panels between the vehicle and what touches the ground."""

    stiffness_npm: float
    """Along the touchdown, all feet together [N/m]."""
    damping_nspm: float = 0.0
    """[N s/m]"""
    crush_force_n: float = 0.0
    """Force at which it shortens for good [N]; 0 if it does not."""
    foot_area_m2: float = 0.05
    """Of all feet together, on soil [m2]; chosen."""

    def __post_init__(self) -> None:
        """Check every number."""
        check_positive(self, "stiffness_npm", "foot_area_m2")
        check_not_negative(self, "damping_nspm", "crush_force_n")

    def structure(self) -> Structure:
        """As the law takes it."""
        crush = self.crush_force_n or float("inf")
        return Structure(stiffness=self.stiffness_npm, damping=self.damping_nspm, crush_force=crush)


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Mean and quantiles of what was drawn; None of nothing."""
    if not len(values):
        return None
    x = np.asarray(values, dtype=np.float64)
    q = np.quantile(x, [0.05, 0.25, 0.5, 0.75, 0.95])
    return {"mean": float(x.mean()), "min": float(x.min()), "max": float(x.max()), "q05": float(q[0]),
            "q25": float(q[1]), "q50": float(q[2]), "q75": float(q[3]), "q95": float(q[4])}  # fmt: skip
