# SPDX-License-Identifier: Apache-2.0
"""Belief: a distribution over Physics, and how far it can be trusted.

A belief is a normal distribution over the whitened coordinates z of one robot's prior, with the particles it came from
when there are any. Policies see its mean and the logarithm of its standard deviations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError
from stope.base.files import read_json, write_json
from stope.world.physics import NUM_PARAMETERS, PARAMETERS

__all__ = ["Belief", "covariances", "draw_beliefs", "pseudo_measured"]

Floats = NDArray[np.float64]
Covariances = tuple[Floats, Floats, NDArray[np.bool_]]
"""Eigenvalues (num, n), two reflections (2, num, n) that make the eigenvectors, and whether they are used (num,)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Belief:
    """What is thought of theta, in whitened coordinates."""

    robot: str
    """Whose prior whitens it."""
    mean: Floats
    """Mean of z, (num_parameters,)."""
    covariance: Floats
    """Covariance of z, (num_parameters, num_parameters)."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """How it was obtained: flights, method, temperature, checks."""
    particles: Floats | None = None
    """Equally weighted draws of z, (draws, num_parameters), where the method made them."""

    @classmethod
    def prior(cls, robot: str) -> Belief:
        """What is known before any flight."""
        return cls(robot=robot, mean=np.zeros(NUM_PARAMETERS), covariance=np.eye(NUM_PARAMETERS),
                   provenance={"method": "prior"})  # fmt: skip

    @property
    def std(self) -> Floats:
        """Standard deviations of z, (num_parameters,)."""
        return np.sqrt(np.diag(self.covariance))

    def summary(self) -> Floats:
        """What a policy sees: mean and log standard deviation of z, (2 num_parameters,)."""
        return np.concatenate([self.mean, np.log(np.maximum(self.std, 1e-6))])

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Central interval of each z from the particles, or from the normal when there are none."""
        tail = 0.5 * (1.0 - level)
        if self.particles is not None:
            low, high = np.quantile(self.particles, [tail, 1.0 - tail], axis=0)
            return low, high
        from scipy.special import ndtri  # noqa: PLC0415 -- one use, kept off the import path

        half = -float(ndtri(tail)) * self.std
        return self.mean - half, self.mean + half

    def save(self, path: Path) -> None:
        """Write to a JSON file, atomically."""
        write_json(
            path,
            {
                "format": "stope-belief-1",
                "robot": self.robot,
                "parameters": [q.name for q in PARAMETERS],
                "mean": self.mean.tolist(),
                "covariance": self.covariance.tolist(),
                "provenance": self.provenance,
                "particles": None if self.particles is None else self.particles.tolist(),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Belief:
        """Read a belief file.

        Raises:
            FileError: not a belief file, of other parameters, or with numbers that cannot be.
        """
        data = read_json(path, what="belief")
        if data.get("format") != "stope-belief-1":
            raise FileError(f"{path}: format {data.get('format')!r}: expected 'stope-belief-1'.")
        if data.get("parameters") != [q.name for q in PARAMETERS]:
            raise FileError(f"{path}: parameters differ from this version's theta. Fit the flight again.")
        if not isinstance(data.get("robot"), str) or not isinstance(data.get("provenance"), dict):
            raise FileError(f"{path}: robot or provenance: expected a name and a table.")
        n = NUM_PARAMETERS
        mean, cov = _numbers(data, "mean", (n,), path), _numbers(data, "covariance", (n, n), path)
        if not np.allclose(cov, cov.T, rtol=0.0, atol=1e-12) or np.linalg.eigvalsh(cov).min() <= 0:
            raise FileError(f"{path}: covariance: expected a symmetric positive definite matrix.")
        particles = None if data.get("particles") is None else _numbers(data, "particles", (None, n), path)
        return cls(robot=data["robot"], mean=mean, covariance=cov, provenance=data["provenance"], particles=particles)


def _numbers(data: dict[str, Any], key: str, shape: tuple[int | None, ...], path: Path) -> Floats:
    """Finite numbers of a shape, in which None stands for one or more."""
    try:
        found = np.asarray(data.get(key), dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    fits = found.ndim == len(shape) and all(
        a == b or (b is None and a > 0) for a, b in zip(found.shape, shape, strict=True)
    )
    if not fits or not np.isfinite(found).all():
        words = " x ".join("any number" if n is None else str(n) for n in shape)
        raise FileError(f"{path}: {key}: expected {words} finite numbers.")
    return found


def draw_beliefs(rng: np.random.Generator, num: int) -> tuple[Floats, Floats]:
    """Truths from the prior of a robot's parameters, each with a belief of random sharpness about it.

    Args:
        rng: Random numbers.
        num: Number of pairs.

    Returns:
        Truths z (num, num_parameters) and belief summaries (num, 2 num_parameters): mean and log standard deviation.
    """
    z = rng.standard_normal((num, NUM_PARAMETERS))
    mean, covariance = pseudo_measured(z, rng)
    return z, np.concatenate([mean, 0.5 * np.log(_diagonal(covariance))], axis=1)


def pseudo_measured(
    z: Floats, rng: np.random.Generator, *, log10_noise: tuple[float, float] = (-2.0, 2.0)
) -> tuple[Floats, Covariances]:
    """Beliefs about truths, each the exact posterior given a noisy pseudo-measurement of its truth.

    A truth z ~ N(0, I) is pseudo-measured as y = z + e, e ~ N(0, R) with R random and correlated; the belief is the
    posterior given y: covariance C = (I + R^-1)^-1 and mean C R^-1 y. It is never centred on the truth, and the
    truth's rank in it is uniform by construction. R = Q^T diag(r) Q, with Q two random Householder reflections in half
    of the beliefs, and log10 r_k = base + own part, so that some beliefs are sharp in most directions, some in a few,
    some know nothing.

    Args:
        z: Truths drawn from the prior, (num, n).
        rng: Random numbers.
        log10_noise: Range of the base of log10 r, a variance in units of the prior's.

    Returns:
        Means (num, n), and what the covariances are made of.
    """
    num, n = z.shape
    base = rng.uniform(*log10_noise, (num, 1))
    r = 10.0 ** (base + rng.uniform(-1.5, 1.5, (num, n)))
    u = rng.standard_normal((2, num, n))
    u /= np.linalg.norm(u, axis=-1, keepdims=True)
    correlated = rng.random((num, 1)) < 0.5
    # In the eigenbasis of R everything is diagonal: y' = z' + sqrt(r) e, mean' = y' / (1 + r), var' = r / (1 + r).
    zq = np.where(correlated, _reflect(z, u[1], u[0]), z)
    y = zq + np.sqrt(r) * rng.standard_normal((num, n))
    mean_q, var_q = y / (1.0 + r), r / (1.0 + r)
    mean = np.where(correlated, _reflect(mean_q, u[0], u[1]), mean_q)
    return mean, (var_q, u, correlated[:, 0])


def _reflect(x: Floats, *ways: Floats) -> Floats:
    """Householder reflections of rows x (num, n), one after the other."""
    for way in ways:
        x = x - 2.0 * np.sum(x * way, axis=-1, keepdims=True) * way
    return x


def _diagonal(covariance: Covariances) -> Floats:
    """Variances (num, n)."""
    var_q, u, correlated = covariance
    # The diagonal of Q^T D Q, with Q = H0 H1 made column by column.
    var = var_q.copy()
    rows = np.flatnonzero(correlated)
    for start in range(0, len(rows), 1024):
        ids = rows[start : start + 1024]
        var[ids] = np.einsum("ikj,ik->ij", _basis(u[:, ids]) ** 2, var_q[ids])
    return var


def covariances(covariance: Covariances) -> Floats:
    """The whole matrices, (num, n, n); `pseudo_measured` gives what they are made of."""
    var_q, u, correlated = covariance
    num, n = var_q.shape
    basis = np.where(correlated[:, None, None], _basis(u), np.broadcast_to(np.eye(n), (num, n, n)))
    return np.einsum("ikj,ik,ikl->ijl", basis, var_q, basis)


def _basis(u: Floats) -> Floats:
    """Q = H0 H1 of pairs of reflections (2, num, n), as matrices (num, n, n)."""
    num, n = u.shape[1:]
    eye = np.broadcast_to(np.eye(n), (num, n, n)).copy()
    for k in (1, 0):
        v = u[k]
        eye = eye - 2.0 * v[:, :, None] * np.einsum("ij,ijk->ik", v, eye)[:, None, :]
    return eye
