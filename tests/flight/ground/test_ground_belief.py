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


@given(st.integers(1, 5), st.integers(0, 1000))
def test_flights_are_averaged_and_grow_no_surer_by_their_number(num: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((N, N))
    covariance = root @ root.T / N + 0.1 * np.eye(N)
    means = rng.standard_normal((num, N))
    found = combined([GroundBelief(mean=m, covariance=covariance) for m in means])
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9)
    np.testing.assert_allclose(found.mean, means.mean(axis=0), atol=1e-9)


def test_what_one_flight_tells_of_cohesion_another_may_tell_of_density() -> None:
    assert np.array_equal(combined([]).covariance, np.eye(N))
    sure = [np.ones(N), np.ones(N)]
    sure[0][0], sure[1][2] = 0.01, 0.04
    found = combined([GroundBelief(mean=np.full(N, 2.0 * k), covariance=np.diag(s)) for k, s in enumerate(sure)])
    np.testing.assert_allclose(np.diag(found.covariance)[[0, 2]], [2.0 / 101.0, 2.0 / 26.0])
    np.testing.assert_allclose(found.mean[[0, 2]], [2.0 / 101.0, 2.0 * 25.0 / 26.0])


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
