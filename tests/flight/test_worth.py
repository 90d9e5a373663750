# SPDX-License-Identifier: Apache-2.0
"""What Earth data are worth: a table says nothing of what it holds still; a rig's own error is never averaged away."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from proving_ground import load_scenario, write_flight
from proving_ground.experiment import fly_experiment, load_experiment
from proving_ground.hidden import hidden_world
from stope.base.errors import ConfigError, UnknownName
from stope.flight.experiment import Limits, make_experiment
from stope.flight.fit import fit_flights
from stope.flight.places import PLACES, carried_over, discrepancy, place
from stope.flight.posterior import SmcConfig, TotalCoordinates
from stope.flight.record import Flight, load_flight
from stope.flight.worth import bits, log_information, worth
from stope.world.belief import Belief
from stope.world.physics import NUM_PARAMETERS, PARAMETERS, index_of
from stope.world.robots import load_robot
from stope.world.site import Site, make_site

ROBOT = load_robot("bee-gas")
COORDINATES = TotalCoordinates(ROBOT)
NAMES = [PARAMETERS[k].name for k in COORDINATES.free]


@cache
def site() -> Site:
    return make_site("ryugu", latitude_deg=30.0, longitude_deg=0.0, height=6.0)


def test_a_table_says_nothing_of_what_it_holds_still() -> None:
    told = np.diag(log_information(place("table"), ROBOT, site(), seed=1))
    still = [NAMES.index(name) for name in ("gain_fz", "gain_tx", "gain_ty", "residual_z")]
    moves = [NAMES.index(name) for name in ("gain_fx", "gain_fy", "gain_tz", "residual_x", "lag", "latency")]
    assert told[still].max() < 1e-3 * told[moves].min()


def test_hours_on_a_rig_do_not_take_its_own_error_away() -> None:
    one, many = (worth(ROBOT, site(), hours=h)["places"] for h in (1.0, 1000.0))
    block = "torque gain over inertia"
    # Of the three axes a table turns about one, known to 5 % of a prior of 10 % and what the inertia adds.
    assert many["table"]["bits"][block] - one["table"]["bits"][block] < 0.2
    assert many["table"]["bits_if_nothing_differed"][block] > one["table"]["bits_if_nothing_differed"][block] + 4.0
    # A thousand times the data is 5 bits more for each of three axes.
    more = many["orbit"]["bits"][block] - one["orbit"]["bits"][block]
    assert more == pytest.approx(1.5 * np.log2(1000.0), abs=0.5)


def test_bits_of_a_block_are_the_logarithm_of_how_much_smaller_it_became() -> None:
    after = np.eye(len(NAMES))
    after[NAMES.index("lag"), NAMES.index("lag")] = 1.0 / 16.0
    found = bits(np.eye(len(NAMES)), after, ROBOT)
    assert found.pop("timing") == pytest.approx(2.0)
    assert list(found.values()) == pytest.approx([0.0] * len(found))


def test_a_belief_of_earth_is_widened_where_the_place_is_wrong_and_nowhere_else() -> None:
    sharp = Belief(robot="bee-gas", mean=np.zeros(NUM_PARAMETERS), covariance=1e-4 * np.eye(NUM_PARAMETERS))
    wide = carried_over(sharp, place("table"), ROBOT, seed=1)
    assert wide.particles is not None
    spread = np.std(COORDINATES.u(wide.particles), axis=0)
    prior = np.cov(COORDINATES.u(np.random.default_rng(2).standard_normal((20000, NUM_PARAMETERS))).T)
    # All but exact data of a place are worth its own error; the prior is still there.
    error = np.diag(1.0 / (discrepancy(place("table"), ROBOT) + 1e-4))
    expected = np.sqrt(np.diag(np.linalg.inv(np.linalg.inv(prior) + error)))
    np.testing.assert_allclose(spread, expected, rtol=0.15)
    for name in ("lag", "latency"):
        assert wide.std[index_of(name)] == pytest.approx(0.01, rel=0.15)
    assert wide.provenance["carried_over_from"] == "table"


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_told_nothing_leaves_the_prior(name: str) -> None:
    """However wrong it is: nothing is known worse than before."""
    kept = carried_over(Belief.prior("bee-gas"), place(name), ROBOT, seed=1)
    assert kept.std == pytest.approx(np.ones(NUM_PARAMETERS), rel=0.1)
    assert np.abs(kept.mean).max() < 0.15


def test_where_a_place_saw_the_robot_is_carried_over_as_well() -> None:
    """A shift far beyond the place's own error stays; one of its size is shared with the prior."""
    mean = np.zeros(NUM_PARAMETERS)
    mean[[index_of("gain_fx"), index_of("lag")]] = 1.5
    seen = Belief(robot="bee-gas", mean=mean, covariance=1e-4 * np.eye(NUM_PARAMETERS))
    kept = carried_over(seen, place("table"), ROBOT, seed=1)
    assert kept.particles is not None
    off, prior = discrepancy(place("table"), ROBOT), COORDINATES.u(np.zeros((1, NUM_PARAMETERS)))[0]
    moved = COORDINATES.u(kept.particles).mean(axis=0) - prior
    assert kept.mean[index_of("lag")] == pytest.approx(1.5, abs=0.1)
    k = NAMES.index("gain_fx")
    assert off[k] > 0.0
    assert moved[k] == pytest.approx(COORDINATES.u(mean[None])[0, k] - prior[k], rel=0.2)


def test_nothing_is_added_to_a_belief_of_orbit() -> None:
    belief = Belief(robot="bee-gas", mean=np.zeros(NUM_PARAMETERS), covariance=0.01 * np.eye(NUM_PARAMETERS))
    same = carried_over(belief, PLACES["orbit"], ROBOT, seed=1)
    assert same.std == pytest.approx(belief.std, rel=0.1)


def test_misuse_is_refused() -> None:
    with pytest.raises(UnknownName, match="moonbase"):
        place("moonbase")
    with pytest.raises(ConfigError, match="about robot 'hauler'"):
        carried_over(Belief.prior("hauler"), place("table"), ROBOT, seed=1)
    with pytest.raises(ConfigError, match="hopper"):
        worth(load_robot("hopper"), site())


def flown(folder: Path, number: int) -> Flight:
    make_experiment("random", ROBOT, Limits(), minutes=1.0, seed=number).save(folder / "e.json", ROBOT)
    (found,) = fly_experiment(load_scenario(), [hidden_world(load_scenario(), "T1", 7)],
                              load_experiment(folder / "e.json"), flight=number)  # fmt: skip
    return load_flight(write_flight(found, folder / f"f{number}"))


def test_one_flight_after_the_other_gives_the_belief_of_both_together(tmp_path: Path) -> None:
    flights, config = [flown(tmp_path, k) for k in (1, 2)], SmcConfig(num_particles=512)
    together = fit_flights(flights, ROBOT, [site()] * 2, seed=1, config=config)
    first = fit_flights(flights[:1], ROBOT, [site()], seed=1, config=config)
    second = fit_flights(flights[1:], ROBOT, [site()], seed=2, config=config, before=first)
    assert together.particles is not None
    assert second.particles is not None
    one, two = COORDINATES.u(together.particles), COORDINATES.u(second.particles)
    away = (two.mean(axis=0) - one.mean(axis=0)) / one.std(axis=0)
    assert np.abs(away).max() < 0.8
    assert np.log(two.std(axis=0) / one.std(axis=0)) == pytest.approx(np.zeros(len(away)), abs=0.35)
    assert second.provenance["before"]["flights"] == [flights[0].name]
