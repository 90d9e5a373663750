# SPDX-License-Identifier: Apache-2.0
"""From one flight log to a belief about the physics, and how well that belief explains the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import Misfit
from stope.base.seeding import generator
from stope.flight.likelihood import FlightLikelihood
from stope.flight.posterior import SmcConfig, TotalCoordinates, laplace, tempered_smc
from stope.flight.record import Flight
from stope.world.belief import Belief
from stope.world.physics import NUM_PARAMETERS, PARAMETERS, index_of
from stope.world.robots import Robot
from stope.world.site import Site

__all__ = ["LARGEST_ERROR", "Knowledge", "fit_flight", "known"]

Floats = NDArray[np.float64]

WIDEN = 2.0
"""How much wider than Laplace's approximation the particles start, in variance [1]."""
LARGEST_ERROR = 1.5
"""Mean squared normalised prediction error above which a belief is refused; 1 is what noise alone gives."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a belief says of one quantity, in its own unit."""

    name: str
    unit: str
    median: float
    low: float
    high: float
    prior_low: float
    prior_high: float


def fit_flight(
    flight: Flight,
    robot: Robot,
    site: Site,
    *,
    seed: int,
    config: SmcConfig | None = None,
    num_threads: int = 1,
    on_stage: Callable[[float], None] | None = None,
) -> Belief:
    """Infer theta from one flight.

    Args:
        flight: The log.
        robot: What flew.
        site: Where.
        seed: Root seed of the particles.
        config: How hard to work.
        num_threads: Threads of the kernel; results do not depend on it.
        on_stage: Called with the inverse temperature after each stage.

    Returns:
        The belief, with particles. Parameters the prior fixes keep their standard normal.

    Raises:
        Misfit: if even the best world leaves prediction errors well above the sensors' noise.
    """
    config = config or SmcConfig()
    likelihood = FlightLikelihood(flight, robot, site, num_threads=num_threads)
    coordinates = TotalCoordinates(robot)
    free = coordinates.free

    def residuals(u: Floats) -> Floats:
        z, log_jacobian = coordinates.z(u)
        errors = likelihood.prediction_errors(robot.prior.theta(z))
        errors[~np.isfinite(log_jacobian)] = np.inf
        return np.concatenate([np.nan_to_num(errors, nan=1e6, posinf=1e6, neginf=-1e6), z[:, free]], axis=1)

    def log_posterior(u: Floats) -> Floats:
        z, log_jacobian = coordinates.z(u)
        log_prior = log_jacobian - 0.5 * np.sum(z[:, free] ** 2, axis=1)
        return likelihood.log_likelihood(robot.prior.theta(z)) + log_prior

    draws = 0.5 * generator(seed, "starts").standard_normal((4, NUM_PARAMETERS))
    draws[0] = 0.0
    mode, covariance, _ = laplace(residuals, coordinates.u(draws))
    result = tempered_smc(log_posterior, (mode, WIDEN * covariance), config=config, rng=generator(seed, "smc"),
                          on_stage=on_stage)  # fmt: skip
    z = generator(seed, "fixed").standard_normal((config.num_particles, NUM_PARAMETERS))
    z[:, free] = coordinates.z(result.particles)[0][:, free]
    mean, cov = np.zeros(NUM_PARAMETERS), np.eye(NUM_PARAMETERS)
    mean[free] = z[:, free].mean(axis=0)
    cov[np.ix_(free, free)] = np.cov(z[:, free].T) + 1e-9 * np.eye(len(free))
    error = float(likelihood.normalised_error(robot.prior.theta(coordinates.z(mode[None])[0]))[0])
    if error > LARGEST_ERROR:
        raise Misfit(
            f"flight {flight.name}: the best world leaves prediction errors {error:.2f} times the expected square "
            f"(limit {LARGEST_ERROR}). Do not use this belief; check units, frames and the robot of the log."
        )
    provenance = {
        "method": "tempered-smc-1", "flights": [flight.name], "stand_in": flight.stand_in,
        "telemetry_sha256": flight.telemetry_sha256, "seed": seed, "num_particles": config.num_particles,
        "num_stages": len(result.stages), "num_passes": result.num_passes, "normalised_error": error,
        "acceptance": result.stages[-1]["accepted"],
    }  # fmt: skip
    return Belief(robot=robot.name, mean=mean, covariance=cov, provenance=provenance, particles=z)


def known(belief: Belief, robot: Robot, level: float = 0.9) -> list[Knowledge]:
    """Intervals of every uncertain parameter, and of the ratios a flight can really tell.

    Mass and thrust gain enter the motion only as gain over total mass (and inertia likewise), so a flight without a
    force sensor knows them as a ratio; the last rows are those ratios.
    """
    prior_z = generator(0, "known").standard_normal((4096, NUM_PARAMETERS))
    z = belief.particles
    if z is None:
        z = generator(0, "known-belief").multivariate_normal(belief.mean, belief.covariance, 4096)
    before, after = robot.prior.theta(prior_z), robot.prior.theta(z)
    tail = [0.5 * (1 - level), 0.5, 0.5 * (1 + level)]
    rows: list[Knowledge] = []

    def add(name: str, unit: str, old: NDArray[np.float64], new: NDArray[np.float64]) -> None:
        low, middle, high = (float(x) for x in np.quantile(new, tail))
        prior_low, prior_high = (float(x) for x in np.quantile(old, [tail[0], tail[2]]))
        rows.append(Knowledge(name, unit, middle, low, high, prior_low, prior_high))

    for k in np.flatnonzero(robot.prior.is_free):
        add(PARAMETERS[k].name, PARAMETERS[k].unit, before[:, k], after[:, k])
    total = [th[:, index_of("mass")] + th[:, index_of("payload")] for th in (before, after)]
    for axis in "xyz":
        at = index_of(f"gain_f{axis}")
        add(f"gain_f{axis} / total mass", "1/kg", before[:, at] / total[0], after[:, at] / total[1])
    return rows
