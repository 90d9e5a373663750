# SPDX-License-Identifier: Apache-2.0
"""From flight logs to a belief about the physics, and how well that belief explains the logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError, FlightError, Misfit
from stope.base.seeding import generator
from stope.flight.before import Before
from stope.flight.criticism import (
    Held,
    block_temperature,
    column_faults,
    held_temperature,
    kept_aside,
    score_blocks,
    widened,
)
from stope.flight.disturbance import ACCELERATIONS, ALWAYS, head, infer_disturbance
from stope.flight.likelihood import HELD, FlightLikelihood
from stope.flight.posterior import (
    SmcConfig,
    SmcResult,
    TotalCoordinates,
    anneal,
    laplace,
    linearise,
    tempered_smc,
)
from stope.flight.record import Flight
from stope.world.batch import CONTROL_PERIOD
from stope.world.belief import Belief
from stope.world.physics import NUM_PARAMETERS, PARAMETERS, index_of
from stope.world.robots import Robot
from stope.world.site import Site

__all__ = ["LARGEST_ERROR", "Knowledge", "fit_flight", "fit_flights", "known"]

Floats = NDArray[np.float64]

WIDEN = 2.0
"""How much wider than Laplace's approximation the particles start, in variance [1]."""
LARGEST_ERROR = 1.5
"""Mean squared normalised prediction error above which a belief is refused; 1 is what noise alone gives."""
START_ROWS = 900
"""Rows of the first flight on which the mode is looked for from several starts [3 minutes]."""
LEAST_SPREAD = 0.01
"""Entropy floor: standard deviation of z that no direction of a belief falls under [1]; chosen. Sharper beliefs than
any in training served a policy badly (docs/explanation/belief.md)."""


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
    """Infer theta from one flight; see `fit_flights`."""
    return fit_flights([flight], robot, [site], seed=seed, config=config, num_threads=num_threads, on_stage=on_stage)


def fit_flights(
    flights: Sequence[Flight],
    robot: Robot,
    sites: Sequence[Site],
    *,
    seed: int,
    config: SmcConfig | None = None,
    before: Belief | None = None,
    num_threads: int = 1,
    on_stage: Callable[[float], None] | None = None,
) -> Belief:
    """Infer theta from the flights of one robot, criticise it, and widen it where it is too sure.

    Theta is shared; each flight has its own disturbance (`stope.flight.likelihood.Disturbance`), which the filter
    marginalises over. A quadratic of the prediction errors about the mode stands in for the likelihood until the
    particles are near the posterior; the likelihood itself has the last word.

    Args:
        flights: The logs, one or more.
        robot: What flew.
        sites: Where each flew.
        seed: Root seed of the particles.
        config: How hard to work.
        before: What was known before, such as from data of Earth (`stope.flight.places.carried_over`); the robot's
            prior if left out. It is taken as normal in the sampler's coordinates.
        num_threads: Threads of the kernel; results do not depend on it.
        on_stage: Called with the share done.

    Returns:
        The belief, with particles. Its provenance says what was found wrong and how far it was widened. Parameters the
        prior fixes keep their standard normal.

    Raises:
        Misfit: if a log's columns do not fit together, or even the best world leaves prediction errors well above
            noise.
        ConfigError: no flight, or not one site for each.
        FlightError: a log that is there twice, or another control period than the world's.
    """
    if not flights or len(sites) != len(flights):
        raise ConfigError(f"fit_flights: {len(flights)} flights and {len(sites)} sites: expected one or more of each.")
    config, say = config or SmcConfig(), on_stage or _say_nothing
    _check_once(flights)
    for flight in flights:
        _check(flight, robot)
    coordinates = TotalCoordinates(robot)
    prior = Before.of(coordinates, before, seed=seed)
    model = _Model(prior, [FlightLikelihood(head(flights[0], START_ROWS), robot, sites[0], num_threads=num_threads,
                                            disturbance=ALWAYS)])  # fmt: skip
    mode, _, _ = laplace(model.residuals, prior.starts(4, seed=seed))
    say(0.1)
    theta = model.theta(mode[None])
    acting = [infer_disturbance(f, robot, site, theta) for f, site in zip(flights, sites, strict=True)]
    model = _Model(prior, [FlightLikelihood(f, robot, site, num_threads=num_threads, disturbance=d)
                           for f, site, d in zip(flights, sites, acting, strict=True)])  # fmt: skip
    mode, covariance, _ = laplace(model.residuals, mode[None])
    say(0.3)
    errors = [float(x.normalised_error(model.theta(mode[None]))[0]) for x in model.likelihoods]
    for flight, error, acts in zip(flights, errors, acting, strict=True):
        if error > LARGEST_ERROR or acts.acceleration >= ACCELERATIONS[-1]:
            raise Misfit(
                f"flight {flight.name}: the best world leaves prediction errors {error:.2f} times the expected square "
                f"(limit {LARGEST_ERROR}) with an unexplained acceleration of {acts.acceleration:g} m/s2. Do not use "
                "this belief; check units, frames and the robot of the log."
            )
    linear = _Linear.about(model, mode)
    temperature, findings = _criticise(model, linear, covariance, mode)
    say(0.5)
    result = _sample(model, linear, covariance, temperature, config=config, seed=seed, say=say)
    z = generator(seed, "fixed").standard_normal((config.num_particles, NUM_PARAMETERS))
    free = coordinates.free
    z[:, free], is_floored = widened(coordinates.z(result.particles)[0][:, free], LEAST_SPREAD,
                                     generator(seed, "floor"))  # fmt: skip
    mean, cov = np.zeros(NUM_PARAMETERS), np.eye(NUM_PARAMETERS)
    mean[free] = z[:, free].mean(axis=0)
    cov[np.ix_(free, free)] = np.cov(z[:, free].T) + 1e-9 * np.eye(len(free))
    provenance: dict[str, Any] = {
        "method": "bridged-smc-2", "flights": [f.name for f in flights], "stand_in": any(f.stand_in for f in flights),
        "telemetry_sha256": [f.telemetry_sha256 for f in flights], "seed": seed, "num_particles": config.num_particles,
        "num_stages": len(result.stages), "num_passes": result.num_passes, "normalised_error": max(errors),
        "normalised_errors": errors, "acceptance": result.stages[-1]["accepted"],
        "disturbances": [asdict(d) for d in acting], "temperature": temperature, "entropy_floor": is_floored,
        "before": None if before is None else before.provenance, **findings,
    }  # fmt: skip
    return Belief(robot=robot.name, mean=mean, covariance=cov, provenance=provenance, particles=z)


def _say_nothing(share: float) -> None:
    """Where nobody asks how far it is."""


def _check(flight: Flight, robot: Robot) -> None:
    if abs(flight.control_period - CONTROL_PERIOD) > 1e-9:
        raise FlightError(f"flight {flight.name}: a control period of {flight.control_period:g} s: expected "
                          f"{CONTROL_PERIOD:g} s, which the world steps by.")  # fmt: skip
    faults = column_faults(flight, robot)
    if faults:
        raise Misfit(f"flight {flight.name}: {'; '.join(faults)}. Do not use this belief; check units, frames and the "
                     "robot of the log.")  # fmt: skip


def _check_once(flights: Sequence[Flight]) -> None:
    """A log that is there twice would count twice."""
    seen = dict[str, str]()
    for flight in flights:
        if (digest := flight.telemetry_sha256) and digest in seen:
            raise FlightError(f"flight {flight.name}: the same rows as {seen[digest]}: expected each log once.")
        seen[digest] = flight.name


class _Model:
    """The flights of one robot in the sampler's coordinates."""

    def __init__(self, prior: Before, likelihoods: list[FlightLikelihood]) -> None:
        """Take what was known before, and one likelihood a flight."""
        self.prior, self.coordinates, self.likelihoods = prior, prior.coordinates, likelihoods

    def theta(self, u: Floats) -> Floats:
        """Parameters (particles, num_parameters)."""
        return self.coordinates.robot.prior.theta(self.coordinates.z(u)[0])

    def residuals(self, u: Floats) -> Floats:
        """Whitened errors of all flights, then what was known before, (particles, residuals)."""
        z, log_jacobian = self.coordinates.z(u)
        theta = self.coordinates.robot.prior.theta(z)
        errors = np.concatenate([x.prediction_errors(theta) for x in self.likelihoods], axis=1)
        errors[~np.isfinite(log_jacobian)] = np.inf
        errors = np.nan_to_num(errors, nan=1e6, posinf=1e6, neginf=-1e6)
        return np.concatenate([errors, self.prior.residuals(u)], axis=1)

    def log_likelihood(self, u: Floats) -> Floats:
        """Of all flights together, (particles,)."""
        theta = self.theta(u)
        total = np.zeros(len(u))
        for each in self.likelihoods:
            total += each.log_likelihood(theta)
        return total


@dataclass(frozen=True, slots=True, eq=False)
class _Linear:
    """The errors of all flights about one point: what the information, the scores and the stand-in are made of."""

    point: Floats
    information: list[Floats]
    """J^T J of each flight's blocks, (blocks, dimensions, dimensions)."""
    scores: list[Floats]
    """Of each flight's blocks, (blocks, dimensions)."""

    @classmethod
    def about(cls, model: _Model, point: Floats) -> _Linear:
        """Flight by flight, so that one flight's Jacobian is in memory at a time."""
        information: list[Floats] = []
        scores: list[Floats] = []
        for each in model.likelihoods:
            error, jacobian = linearise(lambda u, x=each: x.prediction_errors(model.theta(u)), point)
            found = score_blocks(jacobian.reshape(-1, 12, len(point)), error.reshape(-1, 12))
            scores.append(found[0])
            information.append(found[1])
        return cls(point, information, scores)

    def log_likelihood(self, u: Floats) -> Floats:
        """Quadratic in u, up to a constant, (particles,)."""
        away, info = u - self.point, np.concatenate(self.information).sum(axis=0)
        gradient = np.sum([s.sum(axis=0) for s in self.scores], axis=0)
        return -(away @ gradient) - 0.5 * np.einsum("pi,ij,pj->p", away, info, away)


def _criticise(model: _Model, linear: _Linear, covariance: Floats, mode: Floats) -> tuple[float, dict[str, Any]]:
    """Temperature that the belief needs, and why."""
    temperature, reasons = 1.0, list[str]()
    found, limit = block_temperature(np.concatenate(linear.scores), np.concatenate(linear.information), covariance)
    if found > limit:
        temperature = found
        reasons.append(f"scores of 20 s blocks vary {found:.2f} times as much as their information says "
                       f"(limit {limit:.2f})")  # fmt: skip
    between, between_limit = block_temperature(
        np.array([s.sum(axis=0) for s in linear.scores]),
        np.array([i.sum(axis=0) for i in linear.information]),
        covariance,
    )
    if between > max(between_limit, temperature):
        temperature = between
        reasons.append(f"flights disagree {between:.2f} times as much as they should (limit {between_limit:.2f})")
    after, held = held_temperature(_held_out(model, mode), temperature)
    if after > temperature:
        temperature = after
        reasons.append(f"90 % intervals held {100 * held['coverage_90']:.0f} % of {held['n']} measurements kept aside")
    if held.get("scale", 1.0) > 1.0:
        reasons.append(f"even so, predictions 3 s ahead must be widened {held['scale']:.2f} times")
    return temperature, {"block_ratio": found, "block_limit": limit, "flight_ratio": between, "held_out": held,
                         "widened_because": reasons}  # fmt: skip


def _held_out(model: _Model, mode: Floats) -> list[Held]:
    """Windows of all flights, predicted by a belief that saw the rest: one step of Gauss-Newton from the mode."""
    parts: list[tuple[Floats, Floats, Floats, Floats]] = []
    dims = len(mode)
    for each in model.likelihoods:
        flight, rows = kept_aside(each.flight)
        masked = FlightLikelihood(flight, each.robot, each.site, num_threads=each.num_threads,
                                  disturbance=each.disturbance, held=rows)  # fmt: skip
        size = 12 * int((masked.role == HELD).sum())

        def errors(u: Floats, x: FlightLikelihood = masked, size: int = size) -> Floats:
            seen, held = x.all_errors(model.theta(u))
            return np.concatenate([seen.reshape(len(u), -1), held.reshape(len(u), size)], axis=1)

        e, jacobian = linearise(errors, mode)
        cut = len(e) - size
        parts.append((jacobian[:cut].T @ jacobian[:cut], jacobian[:cut].T @ e[:cut], e[cut:], jacobian[cut:]))
    z, z_jacobian = linearise(model.prior.residuals, mode)
    information, gradient = z_jacobian.T @ z_jacobian, z_jacobian.T @ z
    for info, score, _, _ in parts:
        information, gradient = information + info, gradient + score
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    step = -covariance @ gradient
    return [Held((e + j @ step).reshape(-1, 12), j.reshape(-1, 12, dims), covariance) for _, _, e, j in parts]


def _sample(
    model: _Model, linear: _Linear, covariance: Floats, temperature: float, *, config: SmcConfig, seed: int,
    say: Callable[[float], None],
) -> SmcResult:  # fmt: skip
    """Particles of the tempered posterior: first under the stand-in, then under the likelihood itself."""

    def stand_in(u: Floats) -> Floats:
        return model.prior.log_density(u) + linear.log_likelihood(u) / temperature

    def exact(u: Floats) -> Floats:
        return model.prior.log_density(u) + model.log_likelihood(u) / temperature

    wide = WIDEN * temperature * covariance
    near = tempered_smc(stand_in, (linear.point, wide), config=config, rng=generator(seed, "smc"))
    return anneal(near.particles, stand_in, exact, config=replace(config, moves=max(1, config.moves // 4)),
                  rng=generator(seed, "bridge"), on_stage=lambda power: say(0.5 + 0.5 * power))  # fmt: skip


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
