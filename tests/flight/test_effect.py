# SPDX-License-Identifier: Apache-2.0
"""Coverage of a belief, and the band in which exactly calibrated ones would be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from stope.base.errors import ConfigError
from stope.flight.effect import coverage, sum_band, sum_distribution
from stope.world.belief import Belief
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import load_robot

ROBOT = load_robot("bee-gas")


@given(n=st.integers(1, 60), p=st.floats(0.05, 0.95))
def test_independent_trials_give_the_binomial_band(n: int, p: float) -> None:
    assert np.allclose(sum_distribution([[1.0 - p, p]] * n), binom.pmf(np.arange(n + 1), n, p), atol=1e-12)
    low, high = sum_band([[1.0 - p, p]] * n)
    # A quantile within a rounding of a step may fall to either side of it.
    assert abs(low - binom.ppf(0.025, n, p)) <= 1
    assert abs(high - binom.ppf(0.975, n, p)) <= 1


def test_trials_that_all_go_together_give_a_wider_band() -> None:
    together = np.zeros(23)
    together[[0, 22]] = 0.1, 0.9
    low, high = sum_band([together] * 10)
    assert (low, high) == (22 * 7, 22 * 10)
    independent = sum_band([binom.pmf(np.arange(23), 22, 0.9)] * 10)
    assert low < independent[0]
    assert independent[1] < high


def belief(correlation: float, num: int = 4000) -> Belief:
    """A belief with particles; every pair of parameters has the same correlation."""
    cov = 0.01 * ((1.0 - correlation) * np.eye(NUM_PARAMETERS) + correlation)
    z = np.random.default_rng(1).multivariate_normal(np.zeros(NUM_PARAMETERS), cov, num)
    return Belief(robot=ROBOT.name, mean=np.zeros(NUM_PARAMETERS), covariance=cov, particles=z)


def test_the_band_follows_the_correlation_in_the_belief() -> None:
    truth = ROBOT.prior.theta(np.zeros((1, NUM_PARAMETERS)))[0]
    loose, tight = (coverage(belief(c), ROBOT, truth) for c in (0.0, 0.9))
    for found in (loose, tight):
        counts = np.array(found["counts"])
        assert counts.sum() == pytest.approx(1.0)
        assert np.arange(found["n"] + 1) @ counts == pytest.approx(0.9 * found["n"], rel=0.01)
        assert found["covered"] == found["n"]  # the truth is the middle
    plain = binom.ppf([0.025, 0.975], loose["n"], 0.9) / loose["n"]
    assert abs(loose["band_low"] - plain[0]) <= 1.5 / loose["n"]
    assert tight["band_low"] < plain[0] - 0.2


def test_beliefs_that_draw_the_truth_lie_in_their_band() -> None:
    told = belief(0.8)
    assert told.particles is not None
    truths = ROBOT.prior.theta(np.random.default_rng(2).permutation(told.particles)[:400])
    found = [coverage(told, ROBOT, truth) for truth in truths]
    inside = [row["band_low"] <= row["share"] <= row["band_high"] for row in found]
    assert np.mean(inside) >= 0.93
    low, high = sum_band([row["counts"] for row in found[:10]])
    tens = [sum(row["covered"] for row in found[k : k + 10]) for k in range(0, 400, 10)]
    assert np.mean([low <= ten <= high for ten in tens]) >= 0.85


def test_a_belief_without_particles_is_refused() -> None:
    with pytest.raises(ConfigError, match="no particles"):
        coverage(Belief.prior(ROBOT.name), ROBOT, ROBOT.prior.theta(np.zeros((1, NUM_PARAMETERS)))[0])
