# SPDX-License-Identifier: Apache-2.0
"""GroundBelief: what is thought of the ground under a robot, and how flights on the same ground add up.

It is a normal distribution over the whitened parameters of `GROUND_PARAMETERS`, whose prior is a standard normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError, RangeError
from stope.base.files import read_json, write_json
from stope.world.physics import GROUND_PARAMETERS, NUM_PARAMETERS
from stope.world.told import JOINT_PARAMETERS, NUM_JOINT, PAIRS

__all__ = ["GroundBelief", "combined"]

Floats = NDArray[np.float64]
NAMES = tuple(p.name for p in GROUND_PARAMETERS)
FORMAT = "stope-ground-belief-1"
LEAST = 0.01
"""Least standard deviation of any whitened parameter [1]; chosen, the entropy floor: no policy has been told less."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GroundBelief:
    """What is thought of the ground, in whitened coordinates."""

    mean: Floats
    """(len(GROUND_PARAMETERS),)."""
    covariance: Floats
    """Square, of the same length."""
    provenance: dict[str, Any] = field(default_factory=dict[str, Any])
    """Flights, method, what criticism found."""

    def __post_init__(self) -> None:
        """Check that the numbers can be a belief.

        Raises:
            RangeError: wrong shapes, or no positive definite matrix.
        """
        n = len(NAMES)
        fits = self.mean.shape == (n,) and self.covariance.shape == (n, n)
        if not (fits and np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise RangeError(f"belief of the ground: expected {n} finite means and a finite {n} x {n} covariance.")
        if not np.allclose(self.covariance, self.covariance.T, rtol=0.0, atol=1e-12) or (
            np.linalg.eigvalsh(self.covariance).min() <= 0.0
        ):
            raise RangeError("belief of the ground: covariance: expected a symmetric positive definite matrix.")

    @classmethod
    def prior(cls) -> GroundBelief:
        """What is known before any flight."""
        return cls(mean=np.zeros(len(NAMES)), covariance=np.eye(len(NAMES)), provenance={"method": "prior"})

    @classmethod
    def certain(cls, z: Floats, names: Sequence[str] = NAMES) -> GroundBelief:
        """Sure of some parameters, whitened (len(names),); of the others nothing but the prior is known."""
        mean, variance = np.zeros(len(NAMES)), np.ones(len(NAMES))
        at = [NAMES.index(name) for name in names]
        mean[at], variance[at] = z, LEAST**2
        return cls(mean=mean, covariance=np.diag(variance), provenance={"method": "certain", "of": list(names)})

    @property
    def std(self) -> Floats:
        """Standard deviations, (len(GROUND_PARAMETERS),)."""
        return np.sqrt(np.diag(self.covariance))

    def draw(self, num: int, rng: np.random.Generator) -> Floats:
        """Whitened grounds, (num, len(GROUND_PARAMETERS))."""
        return self.mean + rng.standard_normal((num, len(NAMES))) @ np.linalg.cholesky(self.covariance).T

    def summary(self) -> Floats:
        """What a policy of a task with contact is told, (NUM_SUMMARY,); of its robot nothing but the prior."""
        mean, log_std, together = np.zeros(NUM_JOINT), np.zeros(NUM_JOINT), np.zeros(len(PAIRS))
        mean[NUM_PARAMETERS:], log_std[NUM_PARAMETERS:] = self.mean, np.log(self.std)
        for k, (a, b) in enumerate(PAIRS):
            names = JOINT_PARAMETERS[a].name, JOINT_PARAMETERS[b].name
            if min(a, b) >= NUM_PARAMETERS and set(names) <= set(NAMES):
                i, j = a - NUM_PARAMETERS, b - NUM_PARAMETERS
                together[k] = self.covariance[i, j] / (self.std[i] * self.std[j])
        return np.concatenate([mean, log_std, together])

    def save(self, path: Path) -> None:
        """Write to a JSON file, atomically."""
        write_json(path, {"format": FORMAT, "parameters": list(NAMES), "mean": self.mean.tolist(),
                          "covariance": self.covariance.tolist(), "provenance": self.provenance})  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> GroundBelief:
        """Read a file of `save`.

        Raises:
            FileError: another format, or numbers that cannot be a belief.
        """
        data = read_json(path, what="belief of the ground")
        if data.get("format") != FORMAT or data.get("parameters") != list(NAMES):
            raise FileError(f"{path}: format {data.get('format')!r}: expected {FORMAT!r} of {', '.join(NAMES)}.")
        notes = data.get("provenance")
        try:
            mean, covariance = (np.array(data[k], dtype=np.float64) for k in ("mean", "covariance"))
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(f"{path}: mean or covariance is missing or no table of numbers ({error}).") from None
        try:
            return cls(mean=mean, covariance=covariance,
                       provenance=cast("dict[str, Any]", notes) if isinstance(notes, dict) else {})  # fmt: skip
        except RangeError as error:
            raise FileError(f"{path}: {error}") from None


def combined(beliefs: Sequence[GroundBelief]) -> GroundBelief:
    """What flights on the same ground say together: covariance intersection with equal weights.

    What a model of soil is wrong in, it is wrong in alike in every flight, so flights on one ground are not
    independent, and nobody knows how far. Covariance intersection is never too sure whatever the correlation: it
    averages what the flights tell, and does not grow surer by their number.

    Args:
        beliefs: Of one flight each; none gives the prior.

    Source:
        Julier and Uhlmann 1997, doi 10.1109/ACC.1997.609105.
    """
    if not beliefs:
        return GroundBelief.prior()
    inverses = [np.linalg.inv(b.covariance) for b in beliefs]
    covariance = np.asarray(np.linalg.inv(np.mean(np.stack(inverses), axis=0)), dtype=np.float64)
    weighted = np.stack([a @ b.mean for a, b in zip(inverses, beliefs, strict=True)]).mean(axis=0)
    notes = [b.provenance for b in beliefs]
    return GroundBelief(mean=covariance @ weighted, covariance=0.5 * (covariance + covariance.T),
                        provenance={"method": "covariance intersection", "flights": notes})  # fmt: skip
