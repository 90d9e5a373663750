# SPDX-License-Identifier: Apache-2.0
"""Prior over the ground: what a robot may assume of the soil and rock of a small body before it touches them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stope.world.physics import GROUND_PARAMETERS, PhysicsPrior
from stope.world.regolith.soil import Soil

__all__ = ["RANGES", "draw_ground", "ground_prior", "soil_of"]

Floats = NDArray[np.float64]

RANGES: dict[str, tuple[float, float, str]] = {
    "cohesion": (
        0.01,
        100.0,
        "chosen: measured surfaces of Bennu and Ryugu lie at the low end, fine matrix near 25 Pa",
    ),
    "k_mu": (15.0, 180.0, "chosen: loose poppy seed implies 45, dense sand 110"),
    "bulk_density": (400.0, 1800.0, "chosen: near-surface Bennu 500 to 700 kg/m3"),
    "inertial_factor": (
        0.7,
        4.0,
        "chosen: 1.0 and 1.1 in published use, 3 to 5 against simulated grains (soil_dem.json)",
    ),
    "tool_friction": (0.4, 0.8, "chosen: metal on grains to grains on grains; rock in contact 0.4 to 0.8"),
    "restitution": (0.1, 0.8, "chosen: rock contacts in flight and laboratory"),
    "boulder_fraction": (0.0, 0.3, "chosen: share of a landing spot that is boulders larger than a foot"),
}
"""Lowest and highest value of each parameter of the ground, with source."""


def ground_prior() -> PhysicsPrior:
    """The default prior: independent, uniform in the value or, for cohesion and k_mu, in its logarithm."""
    centre, spread = [], []
    for p in GROUND_PARAMETERS:
        low, high, _ = RANGES[p.name]
        is_log = p.transform == "log-uniform"
        centre.append(math.sqrt(low * high) if is_log else 0.5 * (low + high))
        spread.append(0.5 * math.log(high / low) if is_log else 0.5 * (high - low))
    return PhysicsPrior(centre=np.array(centre), spread=np.array(spread), parameters=GROUND_PARAMETERS)


def draw_ground(rng: np.random.Generator, num: int, *, prior: PhysicsPrior | None = None) -> Floats:
    """Parameters of the ground of `num` worlds, (num, len(GROUND_PARAMETERS))."""
    prior = prior or ground_prior()
    return prior.theta(rng.standard_normal((num, len(GROUND_PARAMETERS))))


def soil_of(theta: Floats) -> Soil:
    """The soil of one row of ground parameters; the last two, of rock, are left to who draws what is touched."""
    names = [p.name for p in GROUND_PARAMETERS[:5]]
    return Soil(**{name: float(value) for name, value in zip(names, theta[:5], strict=True)})
