# SPDX-License-Identifier: Apache-2.0
"""What an hour of data is worth, block by block, at 1 g, on parabolas and in orbit: a verdict on Earth data in bits.

The same experiment is imagined at each place, under what acts there. Its Fisher information about the coordinates that
motion tells apart makes the prior's covariance smaller; what the place gets wrong (`stope.flight.places`) is then added
back. The bits of a block are half the binary logarithm of how much smaller its covariance became, marginal over the
rest. Information grows in proportion to time, for manoeuvres repeat, but for the acceleration that is a log's own.

Valid for:
    A rigid robot in free flight, to first order about the prior's median. What soil and contact do is not in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.base.progress import Progress, silent
from stope.base.seeding import generator
from stope.flight.experiment import Experiment, Limits, imagine, make_experiment
from stope.flight.likelihood import FlightLikelihood
from stope.flight.places import BLOCKS, PLACES, Place, blurred, discrepancy
from stope.flight.posterior import TotalCoordinates, linearise
from stope.world.physics import NUM_PARAMETERS, PARAMETERS, index_of
from stope.world.robots import Robot
from stope.world.site import Site

__all__ = ["bits", "log_information", "worth"]

Floats = NDArray[np.float64]

JUDGED_SECONDS = 180.0
"""A longer log is judged by its first minutes [s]."""
IN_PLANE = (0, 1, 3, 4, 8, 11)
"""Of position, velocity, attitude and rate: what moves on a table."""


def log_information(where: Place, robot: Robot, site: Site, *, seed: int, num_threads: int = 1) -> Floats:
    """Fisher information of one log of a place about the free coordinates u, (free, free)."""
    seconds = min(where.seconds, JUDGED_SECONDS)
    experiment = make_experiment("random", robot, Limits(), minutes=seconds / 60.0, seed=seed)
    if where.is_planar:
        experiment = _in_plane(experiment)
    (flight,) = imagine(experiment, robot, site, np.zeros((1, NUM_PARAMETERS)), seed=seed)
    if where.is_planar:  # the bearing, not the thrusters, keeps it in the plane
        command = flight.command.copy()
        command[:, 2:5] = 0.0
        flight = replace(flight, command=command)
    # The log's own acceleration does not change within it, so it is put in once and not in every piece.
    acts = replace(where.disturbance, offset=0.0)
    known = FlightLikelihood(flight, robot, site, num_threads=num_threads, disturbance=acts)
    coordinates = TotalCoordinates(robot)

    def errors(u: Floats) -> Floats:
        return known.prediction_errors(robot.prior.theta(coordinates.z(u)[0]))

    _, jacobian = linearise(errors, coordinates.u(np.zeros((1, NUM_PARAMETERS)))[0])
    rows = jacobian.reshape(-1, 12, coordinates.num)
    if where.is_planar:
        rows = known.channels(rows, IN_PLANE)
    flat = rows.reshape(-1, coordinates.num)
    own = np.zeros(NUM_PARAMETERS)
    at = index_of("residual_x")
    own[at : at + 3] = np.square(where.disturbance.offset / robot.prior.spread[at : at + 3])
    return blurred(where.seconds / seconds * flat.T @ flat, own[coordinates.free])


def bits(before: Floats, after: Floats, robot: Robot) -> dict[str, float]:
    """Bits by block between two covariances of the free coordinates (free, free)."""
    free = np.flatnonzero(robot.prior.is_free)
    names = [PARAMETERS[k].name for k in free]
    out: dict[str, float] = {}
    for block, parameters in BLOCKS.items():
        at = [names.index(name) for name in parameters if name in names]
        if at:
            one, two = before[np.ix_(at, at)], after[np.ix_(at, at)]
            out[block] = float(0.5 * (np.linalg.slogdet(one)[1] - np.linalg.slogdet(two)[1]) / np.log(2.0))
    return out


def worth(
    robot: Robot, site: Site, *, hours: float = 1.0, seed: int = 1, num_threads: int = 1, progress: Progress = silent
) -> dict[str, Any]:
    """What so many robot-hours are worth at each place, alone and before a flight of 20 minutes in orbit.

    Args:
        robot: What is tried.
        site: Where it must work.
        hours: Of motion at the place; a parabola's hour has 180 of them.
        seed: Of the experiment and its noise; the same everywhere.
        num_threads: Threads of the kernel.
        progress: Told of each place.

    Returns:
        By place: bits by block alone, the same if the place got nothing wrong, and what it adds to 20 minutes in orbit.

    Raises:
        ConfigError: a robot that cannot push along and turn about every axis.
    """
    if not (np.asarray(robot.limit_b) > 0.0).all():
        raise ConfigError(f"robot {robot.name}: expected one with thrust along and torque about all three axes.")
    coordinates = TotalCoordinates(robot)
    prior = np.cov(coordinates.u(generator(seed, "worth").standard_normal((8192, NUM_PARAMETERS))).T)
    logs: dict[str, Floats] = {}
    for k, (name, where) in enumerate(PLACES.items()):
        logs[name] = log_information(where, robot, site, seed=seed, num_threads=num_threads)
        progress("places", (k + 1) / len(PLACES))
    flight = logs["orbit"]
    orbit = _after(prior, flight)
    rows: dict[str, Any] = {}
    for name, where in PLACES.items():
        told = 3600.0 * hours / where.seconds * logs[name]
        here = blurred(told, discrepancy(where, robot))
        rows[name] = {
            "summary": where.summary,
            "bits": bits(prior, _after(prior, here), robot),
            "bits_if_nothing_differed": bits(prior, _after(prior, told), robot),
            "bits_added_to_a_flight": bits(orbit, _after(orbit, here), robot),
            "wrong": where.wrong,
        }
    return {"robot": robot.name, "site": site.name, "hours": hours, "seed": seed, "places": rows,
            "bits_of_a_flight": bits(prior, orbit, robot)}  # fmt: skip


def _after(covariance: Floats, information: Floats) -> Floats:
    return np.asarray(np.linalg.inv(np.linalg.inv(covariance) + information), dtype=np.float64)


def _in_plane(experiment: Experiment) -> Experiment:
    targets, knots = experiment.targets.copy(), experiment.knots.copy()
    targets[:, 3:6], knots[:, 2:5] = 0.0, 0.0
    return replace(experiment, targets=targets, knots=knots)
