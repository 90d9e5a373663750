# SPDX-License-Identifier: Apache-2.0
"""Where data can be had, on Earth and off it: what acts there, what moves there, and what it gets wrong.

Data of several gravities enter one belief through a discrepancy: what a place on Earth told is blurred, block by
block, by how far the robot as it was there may differ from the robot as it flies. A rig that moves along adds mass that
is known so well and no better; no hour on it takes that away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError, UnknownName
from stope.base.seeding import generator
from stope.flight.disturbance import ALWAYS
from stope.flight.likelihood import Disturbance
from stope.flight.posterior import TotalCoordinates
from stope.world.belief import Belief
from stope.world.physics import NUM_PARAMETERS, PARAMETERS
from stope.world.robots import Robot

__all__ = ["BLOCKS", "PLACES", "Place", "blurred", "carried_over", "discrepancy", "place"]

Floats = NDArray[np.float64]
NUM_DRAWS, NUM_PARTICLES = 8192, 2048
"""Draws that prior and belief are made normal from, and particles of what is carried over."""

BLOCKS: dict[str, tuple[str, ...]] = {
    "force gain over mass": ("gain_fx", "gain_fy", "gain_fz"),
    "torque gain over inertia": ("gain_tx", "gain_ty", "gain_tz"),
    "centre of mass": ("com_x", "com_y", "com_z"),
    "shape of the inertia": ("inertia_d1", "inertia_d2", "inertia_d3", "inertia_s12", "inertia_s13", "inertia_s23"),
    "timing": ("lag", "latency"),
    "mass, payload": ("mass", "payload"),
    "residual acceleration": ("residual_x", "residual_y", "residual_z"),
}
"""Parameters by block, in the coordinates of `TotalCoordinates`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a robot can be tried. Every number is chosen unless it says otherwise."""

    name: str
    summary: str
    disturbance: Disturbance
    """What acts beside theta."""
    is_planar: bool = False
    """Whether it moves in x and y and turns about z alone."""
    seconds: float = 1200.0
    """Of one log [s]."""
    wrong: dict[str, float] = field(default_factory=dict[str, float])
    """Standard deviation of how far each block is off there, in the parameters' own units, of the inertia's shape as a
    share; a missing one is right."""


PLACES: dict[str, Place] = {
    p.name: p
    for p in (
        Place(name="orbit", summary="beside the body, as it must work", disturbance=ALWAYS),
        Place(
            name="parabola",
            summary="afloat in an aircraft for 20 s; the cabin jerks by a hundredth of g and turns",
            # Of a parabola: 20 to 22 s, 0.01 to 0.05 g (from memory, unverified).
            disturbance=Disturbance(acceleration=0.1, torque=1e-3, length=1.0, offset=0.02, gyro_bias=2e-4),
            seconds=20.0,
            wrong={"residual acceleration": 1.0},
        ),
        Place(
            name="table",
            summary="air-bearing table: x, y and the turn about z; slope of 1e-5 to 1e-4 rad; a carriage moves along",
            disturbance=Disturbance(acceleration=3e-4, torque=5e-5, length=5.0, offset=5e-4, gyro_bias=2e-4),
            is_planar=True,
            wrong={"force gain over mass": 0.02, "torque gain over inertia": 0.05, "centre of mass": 1e-3,
                   "shape of the inertia": 0.05, "residual acceleration": 1.0},
        ),
        Place(
            name="gimbal",
            summary="gimbal off-load: six degrees of freedom, 0.05 % of the weight left, frames that move along",
            disturbance=Disturbance(acceleration=1e-3, torque=1e-3, length=5.0, offset=3e-3, gyro_bias=2e-4),
            wrong={"force gain over mass": 0.05, "torque gain over inertia": 0.1, "centre of mass": 2e-3,
                   "shape of the inertia": 0.1, "residual acceleration": 1.0},
        ),
    )
}  # fmt: skip
"""By name."""


def place(name: str) -> Place:
    """A place by name.

    Raises:
        UnknownName: for another.
    """
    if name not in PLACES:
        raise UnknownName.of("place", name, list(PLACES), listing="stope flight worth")
    return PLACES[name]


def discrepancy(where: Place, robot: Robot) -> Floats:
    """Variance of each free coordinate of `TotalCoordinates` by which a place is off, (free,)."""
    spread, names = robot.prior.spread, [p.name for p in PARAMETERS]
    # Sizes of the inertia are shares; what stands off the diagonal of its factor is a length, a share of the diagonal.
    first = names.index("inertia_d1")
    diagonal = float(np.exp(robot.prior.centre[first : first + 3].mean()))
    out = np.zeros(NUM_PARAMETERS)
    for block, size in where.wrong.items():
        for name in BLOCKS[block]:
            k = names.index(name)
            if robot.prior.is_free[k]:
                out[k] = (size * (diagonal if name.startswith("inertia_s") else 1.0) / spread[k]) ** 2
    return out[np.flatnonzero(robot.prior.is_free)]


def blurred(information: Floats, wrong: Floats) -> Floats:
    """What is told of u where u plus an error of these variances (free,) was measured: (I^-1 + D)^-1, (free, free)."""
    root = _root(information)
    # With R R^T = I, which may be singular: R (1 + R^T D R)^-1 R^T.
    left = root @ np.linalg.solve(_kept(root, wrong), root.T)
    return 0.5 * (left + left.T)


def _root(information: Floats) -> Floats:
    values, vectors = np.linalg.eigh(0.5 * (information + information.T))
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _kept(root: Floats, wrong: Floats) -> Floats:
    return np.eye(len(root)) + root.T @ (wrong[:, None] * root)


def _transport(one: Floats, other: Floats) -> Floats:
    """The symmetric A that makes vectors of one covariance into vectors of the other: A one A = other.

    Source:
        Olkin and Pukelsheim 1982, doi 10.1016/0024-3795(82)90112-4.
    """
    root = _power(one, 0.5)
    return _power(one, -0.5) @ _power(root @ other @ root, 0.5) @ _power(one, -0.5)


def _power(matrix: Floats, exponent: float) -> Floats:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * np.maximum(values, 1e-300) ** exponent) @ vectors.T


def carried_over(belief: Belief, where: Place, robot: Robot, *, seed: int) -> Belief:
    """A belief from a place, as it holds where the robot flies: what it knows beyond the prior, less well.

    Prior and belief are taken as normal in the coordinates u. What the place told is the one over the other; that much
    is blurred by what the place gets wrong, and added to the prior again. A place that told nothing leaves the prior.

    Args:
        belief: From logs of the place.
        where: That place.
        robot: What the belief is about.
        seed: Of the draws.

    Returns:
        The wider belief, with particles and the place in its provenance.

    Raises:
        ConfigError: a belief about another robot.
    """
    if belief.robot != robot.name:
        raise ConfigError(f"belief: about robot {belief.robot!r}: expected {robot.name!r}.")
    coordinates, rng = TotalCoordinates(robot), generator(seed, "carried-over", where.name)
    draws, z = rng.standard_normal((NUM_DRAWS, NUM_PARAMETERS)), belief.particles
    if z is None:
        z = belief.mean + draws @ np.linalg.cholesky(belief.covariance).T
    prior, found = coordinates.u(draws), coordinates.u(z)
    middle, spread = prior.mean(axis=0), np.cov(prior.T)
    before = np.linalg.inv(spread)
    after = np.linalg.inv(np.cov(found.T) + 1e-12 * np.eye(coordinates.num))
    wrong, root = discrepancy(where, robot), _root(after - before)
    size = np.linalg.norm(root, axis=0)
    told = np.where(size > 1e-9 * max(1.0, size.max()), size, np.inf)
    # Along each of R's columns: where the place saw the robot, over how well it did.
    seen = root.T @ after @ (found.mean(axis=0) - middle) / told**2
    covariance = np.linalg.inv(before + blurred(after - before, wrong))
    mean = middle + covariance @ root @ np.linalg.solve(_kept(root, wrong), seen)
    # Draws of the prior moved as little as makes them such: what nothing was told of keeps its own distribution.
    moved, log_jacobian = coordinates.z(mean + (prior - middle) @ _transport(spread, covariance))
    fits = np.isfinite(log_jacobian)  # where a robot fits inside its total
    out = z[np.arange(NUM_DRAWS) % len(z)][fits][:NUM_PARTICLES]  # what is fixed stays as the belief has it
    out[:, coordinates.free] = moved[fits][:NUM_PARTICLES][:, coordinates.free]
    return Belief(robot=robot.name, mean=out.mean(axis=0), covariance=np.cov(out.T) + 1e-9 * np.eye(NUM_PARAMETERS),
                  provenance={**belief.provenance, "carried_over_from": where.name}, particles=out)  # fmt: skip
