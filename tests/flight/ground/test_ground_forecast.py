# SPDX-License-Identifier: Apache-2.0
"""Forecasts of digging: few episodes stand for many as variances add, and the ground decides."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import beta

from stope.base.errors import StopeError
from stope.flight.ground import GroundBelief
from stope.flight.ground.forecast import forecasts, of_many, successes
from stope.learn.pilots import ScriptPilot
from stope.world.physics import GROUND_PARAMETERS
from stope.world.tasks import DigTask


def test_means_of_few_are_drawn_together_to_means_of_many() -> None:
    rng = np.random.default_rng(1)
    few = 2.0 * rng.standard_normal((4000, 1)) + 3.0 * rng.standard_normal((4000, 3))
    assert of_many(few, 20).std() == pytest.approx(np.sqrt(4.0 + 9.0 / 20.0), rel=0.05)
    assert few.mean(axis=1).std() == pytest.approx(np.sqrt(4.0 + 9.0 / 3.0), rel=0.05)
    chance = of_many(rng.standard_normal((4000, 3)), 9)
    assert chance.std() == pytest.approx(1.0 / 3.0, rel=0.1)
    assert np.array_equal(of_many(np.ones((5, 3)), 20), np.ones(5))


def test_successes_of_many_are_those_of_a_beta_binomial() -> None:
    rng = np.random.default_rng(1)
    all_won = successes(np.ones((20_000, 3), dtype=bool), 5, rng)
    # Mean 3.5 / 4; all five with B(8.5, 0.5) / B(3.5, 0.5).
    assert all_won.mean() == pytest.approx(3.5 / 4.0, abs=0.01)
    assert (all_won == 1.0).mean() == pytest.approx(beta(8.5, 0.5) / beta(3.5, 0.5), abs=0.01)
    assert set(np.unique(successes(np.zeros((500, 3), dtype=bool), 2, rng))) <= {0.0, 0.5, 1.0}


def test_a_forecast_is_of_the_ground_that_is_believed_and_repeats() -> None:
    task = DigTask(time_limit=20.0, num_stones=0)  # too short to fill a drum
    beliefs = [GroundBelief.prior(), GroundBelief.certain(np.zeros(len(GROUND_PARAMETERS)))]
    one, two = (forecasts(ScriptPilot(task), task, beliefs, num_grounds=2, seed=3, num_threads=k) for k in (1, 2))
    assert one == two
    assert all(f["figures"]["success"]["mean"] < 0.5 for f in one)
    assert all(f["figures"]["time_s"]["high"] <= 20.0 for f in one)
    with pytest.raises(StopeError, match="expected 1 and 2"):
        forecasts(ScriptPilot(task), task, beliefs, num_grounds=1, seed=3)


def test_worlds_have_the_ground_they_are_given() -> None:
    batch = DigTask(time_limit=20.0).batch(num_worlds=3, seed=1)
    z = np.arange(21).reshape(3, 7) / 10.0 - 1.0
    told = np.tile(GroundBelief.prior().summary(), (3, 1))
    batch.give(z, told)
    batch.reset()
    np.testing.assert_allclose(batch.theta_ground, batch.ground_prior.theta(z))
    assert np.array_equal(batch.belief, told)
    with pytest.raises(StopeError, match="expected finite"):
        batch.give(z[:2], told)
