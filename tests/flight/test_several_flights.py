# SPDX-License-Identifier: Apache-2.0
"""What is in no theta: the filter carries it, its size is found, and several flights make one belief that is right."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from proving_ground import load_scenario, write_flight
from proving_ground.experiment import fly_experiment, load_experiment
from proving_ground.hidden import hidden_world
from stope.flight.disturbance import ALWAYS, infer_disturbance
from stope.flight.experiment import Limits, imagine, make_experiment
from stope.flight.fit import fit_flights
from stope.flight.likelihood import Disturbance, FlightLikelihood
from stope.flight.posterior import SmcConfig, TotalCoordinates, anneal
from stope.flight.record import Flight, load_flight
from stope.world.physics import NUM_PARAMETERS, PARAMETERS
from stope.world.robots import load_robot
from stope.world.site import Site, make_site

ROBOT = load_robot("bee-gas")
SCENARIO = load_scenario()


@cache
def site() -> Site:
    return make_site("ryugu", latitude_deg=30.0, longitude_deg=0.0, height=6.0)


def test_errors_are_of_unit_size_when_the_filter_knows_what_acts_and_not_when_it_does_not() -> None:
    acts = Disturbance(offset=5e-3, gyro_bias=1e-2)
    experiment = make_experiment("random", ROBOT, Limits(), minutes=0.5, seed=1)
    z = np.zeros((4, NUM_PARAMETERS))
    flights = imagine(experiment, ROBOT, site(), z, seed=2, disturbance=acts)
    theta = ROBOT.prior.theta(z[:1])
    known, ignored = ([float(FlightLikelihood(f, ROBOT, site(), disturbance=d).normalised_error(theta)[0])
                       for f in flights] for d in (acts, Disturbance()))  # fmt: skip
    num = 4 * 12 * 150
    assert np.mean(known) == pytest.approx(1.0, abs=4.0 * np.sqrt(2.0 / num))
    assert min(ignored) > 1.5


def stand_in(folder: Path, swing: float, flight: int, minutes: float) -> tuple[Flight, np.ndarray]:
    """A flight of one world of T1 with an acceleration that swings, and the hidden theta."""
    make_experiment("random", ROBOT, Limits(), minutes=minutes, seed=flight).save(folder / "e.json", ROBOT)
    world = hidden_world(SCENARIO, "T1", 5)
    world = replace(world, effects=replace(world.effects, swing=swing, swing_period=20.0))
    (flown,) = fly_experiment(SCENARIO, [world], load_experiment(folder / "e.json"), flight=flight)
    named = world.truth.by_name()
    return load_flight(write_flight(flown, folder / f"f{flight}")), np.array([[named[p.name] for p in PARAMETERS]])


def test_a_swing_is_found_and_nothing_is_found_without_one(tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    calm, theta = stand_in(tmp_path / "calm", 0.0, 1, 1.0)
    swung, _ = stand_in(tmp_path, 3e-3, 1, 1.0)
    nothing, found = (infer_disturbance(f, ROBOT, site(), theta) for f in (calm, swung))
    assert nothing == ALWAYS
    assert found.acceleration >= 5e-4


def test_two_flights_make_one_belief_that_holds_the_truth_and_is_sharper(tmp_path: Path) -> None:
    flown = [stand_in(tmp_path, 0.0, k, 1.0) for k in (1, 2)]
    flights, theta = [f for f, _ in flown], flown[0][1]
    one = fit_flights(flights[:1], ROBOT, [site()], seed=1, config=SmcConfig(num_particles=256))
    two = fit_flights(flights, ROBOT, [site()] * 2, seed=1, config=SmcConfig(num_particles=256))
    coordinates = TotalCoordinates(ROBOT)
    spreads = []
    for belief in (one, two):
        assert belief.particles is not None
        u = coordinates.u(belief.particles)
        away = coordinates.u(ROBOT.prior.whiten(theta))[0] - u.mean(axis=0)
        low, high = chi2.ppf([0.001, 0.999], coordinates.num)
        assert low < float(away @ np.linalg.solve(np.cov(u.T), away)) < high
        spreads.append(np.linalg.slogdet(np.cov(u.T))[1])
    assert spreads[1] < spreads[0] - 3.0
    assert two.provenance["flights"] == [f.name for f in flights]
    assert len(two.provenance["disturbances"]) == 2


def test_particles_of_any_reference_are_carried_to_the_posterior() -> None:
    rng = np.random.default_rng(5)
    covariance = np.array([[1.0, 0.6], [0.6, 0.5]])
    inverse, middle = np.linalg.inv(covariance), np.array([0.5, -1.0])

    def log_posterior(x: np.ndarray) -> np.ndarray:
        return -0.5 * np.einsum("ni,ij,nj->n", x - middle, inverse, x - middle)

    start = rng.uniform(-4.0, 4.0, (4000, 2))  # no normal at all
    found = anneal(start, lambda x: np.where(np.abs(x).max(axis=1) <= 4.0, 0.0, -50.0), log_posterior,
                   config=SmcConfig(num_particles=4000), rng=rng)  # fmt: skip
    assert found.particles.mean(axis=0) == pytest.approx(middle, abs=0.08)
    assert np.cov(found.particles.T) == pytest.approx(covariance, abs=0.1)
