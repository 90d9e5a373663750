# SPDX-License-Identifier: Apache-2.0
"""Soil: the numbers of granular ground, and the row of them that kernels read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_not_negative, check_positive
from stope.base.errors import ConfigError

__all__ = ["BEARING", "NUM_SOIL", "Soil", "soil_rows"]

Floats = NDArray[np.float64]

# --- soil row: what the kernels read ---------------------------------------------------------------------------------
FRICTION_GRADIENT = 0  # xi = density gravity k_mu [Pa/m]
COHESIVE_STRESS = 1  # cohesion times bearing factor [Pa]
INERTIA_DENSITY = 2  # lambda density [kg/m3]
TOOL_FRICTION = 3  # between tool and soil [1]
REAR_GRADIENT = 4  # tool friction times active earth pressure per depth [Pa/m]
ADHESION = 5  # tangential adhesion on faces that do not lead [Pa]
PER_YIELD = 6  # one over the elastic displacement at yield [1/m]
LOSS_TIME = 7  # viscous part of the stuck state over its stiffness [s]
HYSTERESIS = 8  # stiffness of unloading over that of loading, less 1
NUM_SOIL = 9

BEARING = 6.0
"""Plastic bearing stress over cohesion of a blunt shape on its surface [1]: between 5.14 (strip) and 6.05 (disc)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Soil:
    """Granular ground. Three stresses resist a tool: friction (with gravity), cohesion, inertia (with speed)."""

    bulk_density: float = 1200.0
    """[kg/m3]"""
    k_mu: float = 60.0
    """Frictional stress per overburden of a plate pushed down, over 0.875 [1]; 15 very loose to 180 dense."""
    cohesion: float = 1.0
    """[Pa]; the surfaces of Bennu and Ryugu have a few at most."""
    inertial_factor: float = 1.2
    """Normal stress over density times squared normal speed (lambda) [1]; the prior has 0.7 to 4."""
    internal_friction: float = 0.7
    """Tangent of the friction angle [1]; for the pressure on faces that do not lead, and for blades."""
    tool_friction: float = 0.4
    """Coulomb friction between tool and soil [1]; chosen, smooth metal."""
    adhesion: float = 0.0
    """Tangential stress on faces that do not lead [Pa]; 0 unless measured."""
    yield_length: float = 5e-4
    """Elastic displacement at which soil yields [m]; chosen: of the order of a grain."""
    energy_return: float = 0.1
    """Share of the elastic energy that unloading gives back [1]; more than 0, soil hardly rebounds (chosen)."""
    loss_time: float = 0.02
    """Viscous over elastic part of soil that holds [s]; chosen so that a tool comes to rest in a few swings."""

    def __post_init__(self) -> None:
        """Check every number."""
        check_positive(self, "bulk_density", "k_mu", "inertial_factor", "internal_friction", "yield_length")
        check_not_negative(self, "cohesion", "tool_friction", "adhesion", "loss_time")
        if not 0.0 < self.energy_return <= 1.0:
            raise ConfigError(f"Soil.energy_return = {self.energy_return}: expected more than 0 and at most 1.")
        if self.internal_friction > 2.0:
            raise ConfigError(f"Soil.internal_friction = {self.internal_friction}: expected at most 2 (63 degrees).")
        if self.k_mu > 1000.0:
            raise ConfigError(f"Soil.k_mu = {self.k_mu}: expected at most 1000; dense sand has about 110.")


def soil_rows(soils: tuple[Soil, ...], *, gravity: float | Floats) -> Floats:
    """What the kernels read, one row per soil.

    Args:
        soils: The soils.
        gravity: Effective gravity into the ground [m/s2], one or one per soil; where it points outward, 0 counts:
            the friction of soil that nothing holds down is zero.

    Returns:
        Rows (num_soils, NUM_SOIL).
    """
    held = np.broadcast_to(np.maximum(np.asarray(gravity, dtype=np.float64), 0.0), (len(soils),))
    rows = np.zeros((len(soils), NUM_SOIL))
    for row, soil, g in zip(rows, soils, held, strict=True):
        sine = soil.internal_friction / np.hypot(1.0, soil.internal_friction)
        weight = soil.bulk_density * g
        row[:] = (
            weight * soil.k_mu, BEARING * soil.cohesion, soil.inertial_factor * soil.bulk_density, soil.tool_friction,
            soil.tool_friction * weight * (1.0 - sine) / (1.0 + sine), soil.adhesion, 1.0 / soil.yield_length,
            soil.loss_time, 1.0 / soil.energy_return - 1.0,
        )  # fmt: skip
    return rows
