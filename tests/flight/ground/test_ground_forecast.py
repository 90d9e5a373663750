# SPDX-License-Identifier: Apache-2.0
"""Forecasts of digging: few episodes stand for many as variances add, and the ground decides."""

from __future__ import annotations

import numpy as np
import pytest

from stope.base.errors import StopeError
from stope.flight.ground import GroundBelief
from stope.flight.ground.forecast import forecasts, of_many
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


def test_a_forecast_is_of_the_ground_that_is_believed_and_repeats() -> None:
    task = DigTask(time_limit=20.0, num_stones=0)  # too short to fill a drum
    beliefs = [GroundBelief.prior(), GroundBelief.certain(np.zeros(len(GROUND_PARAMETERS)))]
    one, two = (forecasts(ScriptPilot(task), task, beliefs, num_grounds=2, seed=3, num_threads=k) for k in (1, 2))
    assert one == two
    assert [f["figures"]["success"] for f in one] == [{"mean": 0.0, "low": 0.0, "high": 0.0}] * 2
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
