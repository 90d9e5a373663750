# SPDX-License-Identifier: Apache-2.0
"""From a stand-in flight to a belief: the likelihood is calibrated, the belief holds the truth, nonsense is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from stope.base.errors import Misfit
from stope.flight import load_flight
from stope.flight.experiment import Limits, make_experiment
from stope.flight.fit import fit_flight, known
from stope.flight.likelihood import FlightLikelihood
from stope.flight.posterior import TotalCoordinates
from stope.flight.record import Flight
from stope.flight.samples import sample_flight
from stope.world.physics import PARAMETERS, index_of
from stope.world.robots import Robot, load_robot
from stope.world.site import Site, make_site

ROOT = Path(__file__).parents[2]
MINUTES = 1.0


def truth_of(path: Path) -> np.ndarray:
    theta = json.loads(path.read_text(encoding="utf-8"))["theta"]
    return np.array([[theta[p.name] for p in PARAMETERS]])


def place_of(flight: Flight) -> tuple[Robot, Site]:
    place = flight.site
    site = make_site(
        place.body, latitude_deg=place.latitude_deg, longitude_deg=place.longitude_deg, height=place.height
    )
    return load_robot(flight.robot), site


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Stand-in flights of one minute by the independent engine, in the first four open worlds of T1.

    T1 has what a fit grants every flight, an acceleration and a gyro bias of its own. Without them beliefs are too
    wide.
    """
    folder = tmp_path_factory.mktemp("flights")
    experiment = folder / "experiment.json"
    robot = load_robot("bee-gas")
    make_experiment("random", robot, Limits(), minutes=MINUTES, seed=1).save(experiment, robot)
    command = [sys.executable, "-m", "proving_ground", "experiment", str(experiment), "--tier", "T1"]
    subprocess.run([*command, "--worlds", "0-3", "--out", str(folder)], cwd=ROOT, check=True, capture_output=True)
    return sorted(path for path in folder.iterdir() if path.is_dir())


@cache
def sample_errors() -> np.ndarray:
    """Whitened prediction errors (rows, 12) of the hidden truth on the sample flight, measured rows after the first."""
    flight = load_flight(sample_flight())
    likelihood = FlightLikelihood(flight, *place_of(flight))
    theta = truth_of(ROOT / "proving_ground" / "truths" / "ryugu-gas-0001.json")
    errors = likelihood.prediction_errors(theta).reshape(-1, 12)
    return errors[np.abs(errors).max(axis=1) > 0.0]


def test_prediction_errors_of_the_truth_are_white_and_of_unit_size() -> None:
    errors = sample_errors()
    num = len(errors)
    # Each bound is 4 sigma of what white noise of unit size gives, over 12 channels.
    assert (errors**2).mean(axis=0) == pytest.approx(np.ones(12), abs=4.0 * np.sqrt(2.0 / num))
    assert errors.mean(axis=0) == pytest.approx(np.zeros(12), abs=4.0 / np.sqrt(num))
    for lag in (1, 2, 5, 20):
        assert (errors[lag:] * errors[:-lag]).mean(axis=0) == pytest.approx(np.zeros(12), abs=4.0 / np.sqrt(num))
    assert np.corrcoef(errors.T) == pytest.approx(np.eye(12), abs=4.5 / np.sqrt(num))


def test_the_truth_lies_inside_the_belief(flights: list[Path]) -> None:
    """Distance of the truth from the belief, in the belief's own covariance, over all parameters at once."""
    total, dimensions = 0.0, 0
    for path in flights:
        flight = load_flight(path)
        robot, site = place_of(flight)
        coordinates = TotalCoordinates(robot)
        belief = fit_flight(flight, robot, site, seed=1, num_threads=2)
        assert belief.particles is not None
        particles = coordinates.u(belief.particles)
        away = coordinates.u(robot.prior.whiten(truth_of(path / "truth.json")))[0] - particles.mean(axis=0)
        total += float(away @ np.linalg.solve(np.cov(particles.T), away))
        dimensions += coordinates.num
    low, high = chi2.ppf([0.001, 0.999], dimensions)
    assert low < total < high


def test_a_flight_tells_gain_over_mass_and_not_the_mass(flights: list[Path]) -> None:
    flight = load_flight(flights[0])
    robot, site = place_of(flight)
    told = {k.name: (k.high - k.low) / (k.prior_high - k.prior_low) for k in known(
        fit_flight(flight, robot, site, seed=1, num_threads=2), robot)}  # fmt: skip
    assert told["gain_fx / total mass"] < 0.02
    assert told["mass"] > 0.5


def test_a_belief_has_the_same_bits_for_any_thread_count(flights: list[Path]) -> None:
    flight = load_flight(flights[1])
    robot, site = place_of(flight)
    one, two = (fit_flight(flight, robot, site, seed=3, num_threads=n) for n in (1, 2))
    assert one.particles is not None
    assert np.array_equal(one.particles, two.particles)  # type: ignore[arg-type]
    assert np.array_equal(one.mean, two.mean)


def test_a_flight_that_no_world_explains_is_refused(flights: list[Path]) -> None:
    flight = load_flight(flights[0])
    robot, site = place_of(flight)
    backwards = replace(flight, velocity_l=-flight.velocity_l)
    with pytest.raises(Misfit, match="Do not use this belief"):
        fit_flight(backwards, robot, site, seed=1, num_threads=2)


def test_a_wrong_thrust_gain_is_far_less_likely_than_the_truth() -> None:
    flight = load_flight(sample_flight())
    likelihood = FlightLikelihood(flight, *place_of(flight))
    theta = np.repeat(truth_of(ROOT / "proving_ground" / "truths" / "ryugu-gas-0001.json"), 2, axis=0)
    theta[1, index_of("gain_fx")] *= 1.02
    right, wrong = likelihood.log_likelihood(theta)
    assert right - wrong > 50.0
