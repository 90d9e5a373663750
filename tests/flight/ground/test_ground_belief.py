# SPDX-License-Identifier: Apache-2.0
"""Beliefs about ground: flights add up as exact arithmetic says, and a policy is told what training told it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stope.base.errors import StopeError
from stope.flight.ground import GroundBelief
from stope.flight.ground.belief import LEAST, NAMES, combined
from stope.world.physics import NUM_PARAMETERS
from stope.world.told import NUM_JOINT, summaries

N = len(NAMES)


def _posterior(y: np.ndarray, noise: np.ndarray) -> GroundBelief:
    """Of a ground measured directly, with noise of these variances, under the prior N(0, I)."""
    variance = noise / (1.0 + noise)
    return GroundBelief(mean=variance * y / noise, covariance=np.diag(variance))


@given(st.integers(1, 5), st.integers(0, 1000))
def test_flights_add_up_to_the_exact_posterior(num: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, noise = rng.standard_normal((num, N)), 10.0 ** rng.uniform(-1.0, 1.0, (num, N))
    found = combined([_posterior(a, b) for a, b in zip(y, noise, strict=True)])
    precision = 1.0 + (1.0 / noise).sum(axis=0)
    np.testing.assert_allclose(np.diag(found.covariance), 1.0 / precision, rtol=1e-9)
    np.testing.assert_allclose(found.mean, (y / noise).sum(axis=0) / precision, atol=1e-9)


def test_no_flight_is_the_prior_and_no_flight_takes_knowledge_away() -> None:
    assert np.array_equal(combined([]).covariance, np.eye(N))
    wide = GroundBelief(mean=np.zeros(N), covariance=4.0 * np.eye(N))
    assert np.all(combined([wide]).std <= 1.0 + 1e-12)
    sure = GroundBelief(mean=np.zeros(N), covariance=1e-9 * np.eye(N))
    assert np.all(combined([sure] * 5).std >= LEAST - 1e-12)


def test_a_policy_is_told_it_as_in_training() -> None:
    told = GroundBelief.prior().summary()
    assert np.array_equal(told, summaries("prior", np.zeros((1, NUM_JOINT)), np.random.default_rng(0))[0])
    z = np.arange(N) / 10.0
    sure = GroundBelief.certain(z).summary()
    np.testing.assert_allclose(sure[NUM_PARAMETERS:NUM_JOINT], z)
    np.testing.assert_allclose(sure[NUM_JOINT + NUM_PARAMETERS : 2 * NUM_JOINT], np.log(LEAST))
    leans = np.eye(N)
    leans[0, 1] = leans[1, 0] = 0.5
    assert GroundBelief(mean=np.zeros(N), covariance=leans).summary()[-1] == pytest.approx(0.5)


def test_a_file_comes_back_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ground.json"
    belief = GroundBelief.certain(np.array([0.3]), ("cohesion",))
    belief.save(path)
    found = GroundBelief.load(path)
    assert np.array_equal(found.mean, belief.mean)
    assert np.array_equal(found.covariance, belief.covariance)
    broken: list[tuple[dict[str, object], str]] = [
        ({"format": "x"}, "format"),
        ({"mean": [1.0]}, "finite means"),
        ({"covariance": (-np.eye(N)).tolist()}, "positive definite"),
        ({"mean": "a"}, "no table"),
    ]
    for change, words in broken:
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        with pytest.raises(StopeError, match=words) as error:
            GroundBelief.load(path)
        assert str(path) in str(error.value)
        belief.save(path)


def test_draws_are_those_of_the_belief() -> None:
    covariance = np.eye(N)
    covariance[0, 1] = covariance[1, 0] = 0.8
    draws = GroundBelief(mean=np.full(N, 2.0), covariance=covariance).draw(20_000, np.random.default_rng(1))
    np.testing.assert_allclose(draws.mean(axis=0), 2.0, atol=0.04)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.05)
