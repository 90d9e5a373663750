# SPDX-License-Identifier: Apache-2.0
"""What a robot is told of a world with ground: a belief over its own parameters and those of the ground, as numbers.

The whitened coordinates of robot and ground stand side by side; a summary is what a policy sees of the belief: its
mean, the logarithm of its standard deviations, and the correlations that matter, those of gains with the mass, which a
flight without a force sensor knows only as a ratio, and that of cohesion with friction.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import RangeError
from stope.world.belief import covariances, pseudo_measured
from stope.world.physics import GROUND_PARAMETERS, NUM_PARAMETERS, PARAMETERS

__all__ = ["JOINT_PARAMETERS", "KINDS", "NUM_JOINT", "NUM_SUMMARY", "Told", "believed", "flight_summaries",
           "summaries"]  # fmt: skip

Floats = NDArray[np.float64]
Told = Literal["drawn", "prior", "sharp", "truth"]
KINDS: tuple[Told, ...] = ("drawn", "prior", "sharp", "truth")
"""drawn: a belief of random sharpness, as in training; prior: nothing but the prior; sharp: as after some flights;
truth: theta itself."""

JOINT_PARAMETERS = (*PARAMETERS, *GROUND_PARAMETERS)
NUM_JOINT = len(JOINT_PARAMETERS)
_INDEX = {p.name: k for k, p in enumerate(JOINT_PARAMETERS)}
PAIRS = tuple((_INDEX[a], _INDEX[b]) for a, b in
              (("gain_fx", "mass"), ("gain_fy", "mass"), ("gain_fz", "mass"), ("cohesion", "k_mu")))  # fmt: skip
"""Whose correlations a summary carries."""
NUM_SUMMARY = 2 * NUM_JOINT + len(PAIRS)

DRAWN = (-3.5, 2.0)
"""Range of log10 of the pseudo-measurement's variance, in units of the prior's, of a belief in training. Chosen: from
certain to worthless. A policy never told anything sharper than 0.01 did nothing right when told the truth."""
SHARP = (-2.0, -1.0)
"""The same of a sharp belief. Chosen: standard deviations of 0.1 to 0.3 of the prior's, about what one 5-minute
stand-in flight leaves of gain over mass (docs/results/flight.json); a scoop test leaves 0.35 of cohesion."""
CERTAIN = 10.0**-3.5
"""Variance of a belief that is told the truth: the lower end of those in training."""


def summaries(kind: Told, z: Floats, rng: np.random.Generator) -> Floats:
    """Summaries (worlds, NUM_SUMMARY) of beliefs about truths z (worlds, NUM_JOINT).

    Args:
        kind: One of `KINDS`.
        z: Truths, drawn from the prior: drawn and sharp beliefs are calibrated only then.
        rng: Noise of the pseudo-measurement.

    Raises:
        RangeError: for another kind or shape.
    """
    if kind not in KINDS or z.ndim != 2 or z.shape[1] != NUM_JOINT:
        raise RangeError(f"summaries({kind!r}) of {z.shape}: expected one of {KINDS} and (worlds, {NUM_JOINT}).")
    if kind in ("prior", "truth"):
        mean = z if kind == "truth" else np.zeros_like(z)
        spread = np.full_like(z, 0.5 * np.log(CERTAIN) if kind == "truth" else 0.0)
        return np.concatenate([mean, spread, np.zeros((len(z), len(PAIRS)))], axis=1)
    mean, parts = pseudo_measured(z, rng, log10_noise=DRAWN if kind == "drawn" else SHARP)
    whole = covariances(parts)
    std = np.sqrt(np.einsum("ijj->ij", whole))
    together = np.stack([whole[:, a, b] / (std[:, a] * std[:, b]) for a, b in PAIRS], axis=1)
    return np.concatenate([mean, np.log(std), together], axis=1)


def flight_summaries(kind: Told, z: Floats, rng: np.random.Generator) -> Floats:
    """The same of a free flight, without ground and without correlations.

    Args:
        kind: One of `KINDS`.
        z: Truths of a robot's parameters, drawn from the prior, (worlds, NUM_PARAMETERS).
        rng: Noise of the pseudo-measurement.

    Returns:
        Means and logarithms of standard deviations, (worlds, 2 NUM_PARAMETERS).
    """
    blank = np.zeros((len(z), NUM_JOINT - NUM_PARAMETERS))
    whole = summaries(kind, np.concatenate([z, blank], axis=1), rng)
    return np.concatenate([whole[:, :NUM_PARAMETERS], whole[:, NUM_JOINT : NUM_JOINT + NUM_PARAMETERS]], axis=1)


def believed(summary: Floats, name: str) -> tuple[Floats, Floats]:
    """Mean and standard deviation of a parameter's whitened coordinate, both (worlds,).

    Args:
        summary: (worlds, NUM_SUMMARY).
        name: Of a parameter of robot or ground.
    """
    k = _INDEX[name]
    return summary[:, k], np.exp(summary[:, NUM_JOINT + k])
