# SPDX-License-Identifier: Apache-2.0
"""What an experiment would tell, before it is flown: information, bounds on its expected gain, and power to refute.

An experiment is imagined under a theta; the filter's prediction errors then change with theta by a Jacobian J, and with
each effect that stope does not model (a saturation curve, cross-coupling, a dead band, sag) by a column of D. The
information about theta is taken with those effects unknown too, of the size stated here: J^T (I + D D^T)^-1 J. What
comes from regimes where the model may be wrong then counts for less. What is left of D when theta has done its best to
imitate it is the power to prove the model wrong.

Source: nested Monte Carlo and prior contrastive bounds: Foster et al. 2020, arXiv 1911.00294.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from stope.base.errors import RangeError
from stope.base.seeding import generator
from stope.flight.disturbance import ALWAYS
from stope.flight.experiment import Experiment, imagine
from stope.flight.likelihood import Disturbance, FlightLikelihood
from stope.flight.posterior import linearise
from stope.flight.record import Flight
from stope.world.belief import Belief
from stope.world.robots import Robot
from stope.world.site import Site

__all__ = ["EFFECTS", "Information", "eig_bounds", "information", "sampled_eig"]

Floats = NDArray[np.float64]

EFFECTS = ("saturation", "coupling", "dead_band", "sag")
"""Not modelled by stope; sizes below are one sigma, chosen."""
SATURATION, COUPLING, DEAD_BAND, SAG = 0.10, 0.03, 0.03, 0.05
REPRESENTATIVE_MINUTES = 3.0
"""A longer experiment is judged by its first minutes and counted in proportion: its manoeuvres repeat."""


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """What one experiment would tell about the free z of a robot, at one theta."""

    fisher: Floats
    """J^T J, (free, free)."""
    robust: Floats
    """The same with the effects unknown too."""
    detects: Floats
    """Size of each effect against noise once theta has imitated it as it can [1], (effects,)."""
    farthest: float
    """Largest distance from the start [m] over the believed worlds imagined."""
    abort_share: float
    """Share of them in which the keep-in sphere is left."""

    def expected_gain(self, covariance: Floats) -> float:
        """Expected information gain [nats] of a normal belief with this covariance of the free z, to first order."""
        return 0.5 * float(np.linalg.slogdet(np.eye(len(covariance)) + covariance @ self.fisher)[1])


def information(
    experiment: Experiment, belief: Belief, robot: Robot, site: Site, *, seed: int, keep_in: float,
    disturbance: Disturbance | None = None, num_worlds: int = 6, num_threads: int = 1,
) -> Information:  # fmt: skip
    """Judge an experiment about the mean of a belief.

    Args:
        experiment: What is flown.
        belief: About the robot.
        robot: Which.
        site: Where.
        seed: Of worlds and noise; the same for all candidates.
        keep_in: Distance that must not be left [m].
        disturbance: What is expected to act; what every flight is granted, if left out.
        num_worlds: Believed worlds in which the distance is looked at; the first is the mean.
        num_threads: Threads of the kernel.
    """
    share = max(1.0, experiment.minutes / REPRESENTATIVE_MINUTES)
    part = replace(experiment, minutes=experiment.minutes / share)
    z = generator(seed, "information").multivariate_normal(belief.mean, belief.covariance, num_worlds)
    z[0] = belief.mean
    flights = imagine(part, robot, site, z, seed=seed)
    away = np.array([float(np.nanmax(np.linalg.norm(f.position_l, axis=1))) for f in flights])
    acts, free = disturbance or ALWAYS, np.flatnonzero(robot.prior.is_free)

    def errors(flight: Flight, rows: Floats) -> Floats:
        full = np.tile(belief.mean, (len(rows), 1))
        full[:, free] = rows
        known = FlightLikelihood(flight, robot, site, num_threads=num_threads, disturbance=acts)
        return known.prediction_errors(robot.prior.theta(full))

    own = flights[0]
    at = belief.mean[free]
    plain, jacobian = linearise(lambda rows: errors(own, rows), at)
    changed = [errors(replace(own, command=c), at[None])[0] for c in _other_commands(own.command, robot)]
    effects = np.stack(changed, axis=1) - plain[:, None]
    fisher, cross, self_info = jacobian.T @ jacobian, jacobian.T @ effects, effects.T @ effects
    robust = fisher - cross @ np.linalg.solve(np.eye(len(EFFECTS)) + self_info, cross.T)
    covariance = belief.covariance[np.ix_(free, free)]
    imitated = np.linalg.solve(np.linalg.inv(covariance) + fisher, cross)
    left = np.maximum(0.0, np.diag(self_info) - np.einsum("de,de->e", cross, imitated))
    return Information(share * fisher, share * 0.5 * (robust + robust.T), np.sqrt(share * left), float(away.max()),
                       float(np.mean(away > keep_in)))  # fmt: skip


def _other_commands(command: Floats, robot: Robot) -> list[Floats]:
    """What the thrusters would have made of a command under each effect, in the order of `EFFECTS`."""
    share = command / robot.limit_b
    leak = COUPLING * generator(0, "coupling").standard_normal((6, 6))
    leak[3:, :3] *= 0.05
    leak[:3, 3:] *= 0.5
    np.fill_diagonal(leak, 0.0)
    used = np.cumsum(np.abs(command[:, :3]).sum(axis=1)) * 0.2
    return [command * (1.0 - SATURATION * share**2), command + command @ leak.T,
            command * (np.abs(share) >= DEAD_BAND), command * (1.0 - SAG * used / 100.0)[:, None]]  # fmt: skip


def eig_bounds(log_likelihood: Floats) -> tuple[float, float]:
    """Lower and upper bound on an expected information gain [nats], in expectation.

    Args:
        log_likelihood: log p(y_i | theta_j) of n outcomes and n draws of the prior, (n, n); y_i came from theta_i.

    Returns:
        The prior contrastive bound, at most log n, which has the own theta among the contrasts; and nested Monte Carlo,
        which has not, and is never less in expectation than the gain itself.

    Raises:
        RangeError: for another shape, or fewer than two draws.
    """
    n = len(log_likelihood)
    if log_likelihood.shape != (n, n) or n < 2:
        raise RangeError(f"log-likelihoods of shape {log_likelihood.shape}: expected (n, n), n of 2 or more.")
    own = np.diag(log_likelihood)
    lower = own - (logsumexp(log_likelihood, axis=1) - np.log(n))
    others = np.where(np.eye(n, dtype=bool), -np.inf, log_likelihood)
    upper = own - (logsumexp(others, axis=1) - np.log(n - 1))
    return float(lower.mean()), float(upper.mean())


def sampled_eig(
    experiment: Experiment, belief: Belief, robot: Robot, site: Site, *, num: int, seed: int, num_threads: int = 1
) -> tuple[float, float]:
    """Bounds of `eig_bounds` by imagined flights; with `num` draws neither can show more than about log num.

    Raises:
        RangeError: fewer than two draws.
    """
    z = generator(seed, "eig").multivariate_normal(belief.mean, belief.covariance, num)
    flights = imagine(experiment, robot, site, z, seed=seed, disturbance=ALWAYS)
    theta = robot.prior.theta(z)
    known = (FlightLikelihood(f, robot, site, num_threads=num_threads, disturbance=ALWAYS) for f in flights)
    return eig_bounds(np.array([each.log_likelihood(theta) for each in known]))
