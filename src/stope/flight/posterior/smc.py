# SPDX-License-Identifier: Apache-2.0
"""Tempered sequential Monte Carlo: from a normal reference to the posterior of theta given flights.

Particles start as draws of the reference (the prior, or a widened Laplace approximation) and are carried along the
geometric path to the posterior, each step chosen so that half of the effective sample is left. After each resampling
they move by autoregressive proposals about the normal fitted to them, x' = m + r (x - m) + sqrt(1 - r^2) L e, which
leave that normal unchanged; the acceptance therefore only corrects what is not normal, and a few moves suffice in two
dozen dimensions where a random walk needs dozens. On a curved ridge the proposals fail: choose coordinates that have
none, and mind the acceptance.

Source:
    Del Moral, Doucet and Jasra 2006, doi 10.1111/j.1467-9868.2006.00553.x; adaptive temperatures: Jasra et al. 2011,
    doi 10.1111/j.1467-9469.2010.00723.x; the proposal is preconditioned Crank-Nicolson about a fitted reference,
    Cotter et al. 2013, doi 10.1214/13-STS421.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_positive
from stope.base.errors import Misfit

__all__ = ["SmcConfig", "SmcResult", "anneal", "tempered_smc"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class SmcConfig:
    """How hard to work."""

    num_particles: int = 512
    moves: int = 4
    """Proposals per particle and stage; the last stage makes three times as many."""
    keep: float = 0.5
    """Share of the effective sample left by each step of the temperature [1]."""
    memory: float = 0.6
    """Correlation r of a proposal with where the particle was [1]; adapted between stages."""
    max_stages: int = 80

    def __post_init__(self) -> None:
        """Check the counts."""
        check_positive(self, "num_particles", "moves", "keep", "max_stages")


@dataclass(frozen=True, slots=True, eq=False)
class SmcResult:
    """Equally weighted particles and how they came about."""

    particles: Floats
    """(particles, dimensions)."""
    log_posterior: Floats
    stages: list[dict[str, float]]
    """Per stage: inverse temperature, acceptance, correlation used."""
    num_passes: int
    """Evaluations of the likelihood over all particles."""


def tempered_smc(
    log_posterior: Callable[[Floats], Floats],
    reference: tuple[Floats, Floats],
    *,
    config: SmcConfig,
    rng: np.random.Generator,
    on_stage: Callable[[float], None] | None = None,
) -> SmcResult:
    """Sample a posterior along the path reference^(1-t) posterior^t.

    Args:
        log_posterior: log prior plus log likelihood of each row (particles, dimensions), up to a constant.
        reference: Mean and covariance of the normal to start from: the prior, or an approximation of the posterior
            wider than it.
        config: How hard to work.
        rng: Random numbers.
        on_stage: Called with the power t reached after each stage.

    Raises:
        Misfit: if no draw of the reference has a finite posterior, or the stages run out.
    """
    origin, start = reference[0], _cholesky(reference[1])
    x = origin + rng.standard_normal((config.num_particles, len(origin))) @ start.T

    def log_reference(rows: Floats) -> Floats:
        return _log_normal(rows, origin, start)

    return anneal(x, log_reference, log_posterior, config=config, rng=rng, on_stage=on_stage)


def anneal(
    particles: Floats,
    log_reference: Callable[[Floats], Floats],
    log_posterior: Callable[[Floats], Floats],
    *,
    config: SmcConfig,
    rng: np.random.Generator,
    on_stage: Callable[[float], None] | None = None,
) -> SmcResult:
    """Carry draws of any reference along the path reference^(1-t) posterior^t.

    Args:
        particles: Draws of the reference, (particles, dimensions).
        log_reference: Its log density, up to a constant.
        log_posterior: As in `tempered_smc`.
        config: How hard to work; the number of particles is that given.
        rng: Random numbers.
        on_stage: Called with the power t reached after each stage.

    Raises:
        Misfit: as `tempered_smc`.
    """
    n, x = len(particles), particles
    floor = 1e-9 * np.diag(np.var(particles, axis=0))
    lp, lq = log_posterior(x), log_reference(x)
    if not np.isfinite(lp).any():
        raise Misfit("no world near the best fit gives this flight a finite likelihood. Check the log's units.")
    power, memory, passes = 0.0, config.memory, 1
    stages: list[dict[str, float]] = []
    while power < 1.0:
        if len(stages) == config.max_stages:
            raise Misfit(f"the posterior was not reached in {config.max_stages} stages (power {power:.2g}).")
        gain = np.where(np.isfinite(lp), lp - lq, -np.inf)
        step = _next_step(gain, 1.0 - power, config.keep)
        weights = np.exp(step * (gain - gain.max()))
        weights /= weights.sum()
        power = min(1.0, power + step)
        mean: Floats = weights @ x
        cov: Floats = ((x - mean) * weights[:, None]).T @ (x - mean) / (1.0 - np.sum(weights**2))
        factor = _cholesky(cov + floor)
        chosen = _systematic(weights, rng)
        x, lp, lq = x[chosen], lp[chosen], lq[chosen]
        moves = config.moves * (3 if power >= 1.0 else 1)
        accepted = 0.0
        for _ in range(moves):
            proposal = mean + memory * (x - mean) + np.sqrt(1 - memory**2) * rng.standard_normal(x.shape) @ factor.T
            new_lp, new_lq = log_posterior(proposal), log_reference(proposal)
            passes += 1
            ratio = power * (new_lp - lp) + (1.0 - power) * (new_lq - lq)
            ratio += _log_normal(x, mean, factor) - _log_normal(proposal, mean, factor)
            take = np.log(rng.random(n)) < np.where(np.isfinite(new_lp), ratio, -np.inf)
            x, lp, lq = np.where(take[:, None], proposal, x), np.where(take, new_lp, lp), np.where(take, new_lq, lq)
            accepted += float(take.mean()) / moves
            memory = float(np.clip(memory + 0.2 * (0.4 - take.mean()), 0.0, 0.98))
        stages.append({"power": power, "accepted": accepted, "memory": memory})
        if on_stage is not None:
            on_stage(power)
    return SmcResult(x, lp, stages, passes)


def _cholesky(covariance: Floats) -> Floats:
    return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)


def _log_normal(x: Floats, mean: Floats, factor: Floats) -> Floats:
    """Log density of a normal with Cholesky factor `factor`, up to a constant."""
    return -0.5 * np.sum(np.linalg.solve(factor, (x - mean).T) ** 2, axis=0)


def _next_step(gain: Floats, left: float, keep: float) -> float:
    """Largest step of the power that leaves `keep` of the effective sample, by bisection."""
    shifted = gain - gain.max()

    def share(step: float) -> float:
        w = np.exp(step * shifted)
        return float(w.sum() ** 2 / np.sum(w**2)) / len(gain)

    if share(left) >= keep:
        return left
    low, high = 0.0, left
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if share(middle) > keep else (low, middle)
    return max(low, 1e-12)


def _systematic(weights: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    points = (rng.random() + np.arange(len(weights))) / len(weights)
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1)
