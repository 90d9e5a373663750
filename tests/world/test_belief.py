# SPDX-License-Identifier: Apache-2.0
"""Beliefs: calibrated by construction, never centred on the truth, and read back as written or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import kstest

from stope.base.errors import FileError
from stope.world.belief import Belief, draw_beliefs
from stope.world.physics import NUM_PARAMETERS, PARAMETERS

Floats = NDArray[np.float64]
NUM = 20_000
ALARM = 1e-3
"""False-alarm rate of each test of ranks; the seed is fixed, so it either always passes or never does."""


def ranks_are_uniform(z: Floats, summary: Floats) -> bool:
    """Whether the truth's rank in its belief is uniform: for each parameter, and for all ranks together.

    The 23 tests of single parameters share ALARM (Bonferroni), and so does one of the mean rank over the parameters:
    beliefs are correlated, so the pooled ranks of one world are not independent, but worlds are.
    """
    mean, std = summary[:, :NUM_PARAMETERS], np.exp(summary[:, NUM_PARAMETERS:])
    ranks = ndtr((z - mean) / std)
    single = all(kstest(ranks[:, k], "uniform").pvalue > ALARM / NUM_PARAMETERS for k in range(NUM_PARAMETERS))
    rng = np.random.default_rng(0)
    one_each = ranks[np.arange(len(ranks)), rng.integers(0, NUM_PARAMETERS, len(ranks))]
    return single and bool(kstest(one_each, "uniform").pvalue > ALARM)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_truths_rank_in_its_belief_is_uniform(seed: int) -> None:
    z, summary = draw_beliefs(np.random.default_rng(seed), NUM)
    assert ranks_are_uniform(z, summary)
    for k in range(NUM_PARAMETERS):  # the truths themselves are drawn from the prior
        assert kstest(z[:, k], "norm").pvalue > ALARM / NUM_PARAMETERS


@pytest.mark.parametrize("kind", ["sharp", "vague"])
def test_ranks_are_uniform_among_the_sharp_beliefs_and_among_the_vague(kind: str) -> None:
    z, summary = draw_beliefs(np.random.default_rng(4), 4 * NUM)
    chosen = (summary[:, NUM_PARAMETERS:].mean(axis=1) < -1.0) == (kind == "sharp")
    assert chosen.sum() > 5000
    assert ranks_are_uniform(z[chosen], summary[chosen])


def test_a_cloud_centred_on_the_truth_fails_the_same_test() -> None:
    z, summary = draw_beliefs(np.random.default_rng(1), NUM)
    std = np.exp(summary[:, NUM_PARAMETERS:])
    drawn = z + std * np.random.default_rng(5).standard_normal(z.shape)  # the truth plus noise of the stated size
    wrong = np.concatenate([drawn, summary[:, NUM_PARAMETERS:]], axis=1)
    centred = np.concatenate([z, summary[:, NUM_PARAMETERS:]], axis=1)
    assert not ranks_are_uniform(z, centred)
    # Truth plus noise has uniform ranks too, so it needs the other half of calibration: given its belief the truth must
    # lie at the mean, but here it lies towards the prior.
    assert ranks_are_uniform(z, wrong)
    assert means_are_believable(z, summary)
    assert not means_are_believable(z, wrong)


def means_are_believable(z: Floats, summary: Floats) -> bool:
    """Whether the truth is the belief's mean on average, at every value of that mean: slope 1 of truth on mean."""
    mean, std = summary[:, :NUM_PARAMETERS], np.exp(summary[:, NUM_PARAMETERS:])
    share = np.sum((z - mean) * mean / std**2) / np.sum(mean**2 / std**2)
    error = 1.0 / np.sqrt(np.sum(mean**2 / std**2) / NUM_PARAMETERS)  # as if all parameters of a world were one
    return bool(abs(share) < 3.3 * error)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_spreads_ten_per_cent_off_fail_the_same_test(factor: float) -> None:
    z, summary = draw_beliefs(np.random.default_rng(1), NUM)
    summary[:, NUM_PARAMETERS:] += np.log(factor)
    assert not ranks_are_uniform(z, summary)


def test_beliefs_come_in_all_sharpnesses_and_never_vaguer_than_the_prior() -> None:
    _, summary = draw_beliefs(np.random.default_rng(6), NUM)
    std = np.exp(summary[:, NUM_PARAMETERS:])
    assert std.max() < 1.0
    assert (np.median(std, axis=1) < 0.2).mean() > 0.05  # some know most
    assert (std.min(axis=1) > 0.7).mean() > 0.05  # some know nothing
    assert ((std.min(axis=1) < 0.2) & (std.max(axis=1) > 0.9)).mean() > 0.05  # some know a few directions


def test_a_belief_is_the_posterior_given_its_pseudo_measurement() -> None:
    """For correlated noise too: the same formulas with whole matrices, from the same random numbers."""
    rng, again = np.random.default_rng(8), np.random.default_rng(8)
    _, summary = draw_beliefs(rng, 200)
    n = NUM_PARAMETERS
    z = again.standard_normal((200, n))
    base = again.uniform(-2.0, 2.0, (200, 1))
    r = 10.0 ** (base + again.uniform(-1.5, 1.5, (200, n)))
    u = again.standard_normal((2, 200, n))
    u /= np.linalg.norm(u, axis=-1, keepdims=True)
    correlated = again.random((200, 1)) < 0.5
    noise = again.standard_normal((200, n))
    for i in range(200):
        first, second = (np.eye(n) - 2.0 * np.outer(u[k, i], u[k, i]) for k in (0, 1))
        basis = second @ first if correlated[i, 0] else np.eye(n)  # z to the eigenbasis is its transpose
        covariance_y = basis @ np.diag(r[i]) @ basis.T
        y = z[i] + basis @ (np.sqrt(r[i]) * noise[i])
        covariance = np.linalg.inv(np.eye(n) + np.linalg.inv(covariance_y))
        np.testing.assert_allclose(summary[i, :n], covariance @ np.linalg.solve(covariance_y, y), atol=1e-8)
        np.testing.assert_allclose(summary[i, n:], 0.5 * np.log(np.diag(covariance)), atol=1e-8)
    assert 60 < correlated.sum() < 140


def some_belief() -> Belief:
    rng = np.random.default_rng(9)
    factor = rng.normal(0.0, 0.3, (NUM_PARAMETERS, NUM_PARAMETERS))
    covariance = factor @ factor.T + 0.01 * np.eye(NUM_PARAMETERS)
    return Belief(
        robot="bee-gas",
        mean=rng.standard_normal(NUM_PARAMETERS),
        covariance=0.5 * (covariance + covariance.T),
        provenance={"method": "smc", "flights": ["a"]},
        particles=rng.standard_normal((50, NUM_PARAMETERS)),
    )


def test_a_belief_comes_back_as_it_was_written(tmp_path: Path) -> None:
    belief, path = some_belief(), tmp_path / "b" / "belief.json"
    belief.save(path)
    again = Belief.load(path)
    assert (again.robot, again.provenance) == (belief.robot, belief.provenance)
    np.testing.assert_array_equal(again.mean, belief.mean)
    np.testing.assert_array_equal(again.covariance, belief.covariance)
    np.testing.assert_array_equal(again.particles, belief.particles)
    again.save(tmp_path / "c.json")
    assert (tmp_path / "c.json").read_bytes() == path.read_bytes()
    Belief.prior("bee-gas").save(path)
    assert Belief.load(path).particles is None


def test_the_summary_is_what_policies_are_trained_on() -> None:
    belief = some_belief()
    summary = belief.summary()
    assert summary.shape == (2 * NUM_PARAMETERS,) == draw_beliefs(np.random.default_rng(0), 1)[1][0].shape
    np.testing.assert_array_equal(summary[:NUM_PARAMETERS], belief.mean)
    np.testing.assert_allclose(np.exp(summary[NUM_PARAMETERS:]), belief.std, rtol=1e-14)
    np.testing.assert_array_equal(Belief.prior("x").summary(), 0.0)


def test_intervals_come_from_the_particles_or_else_from_the_normal() -> None:
    belief = some_belief()
    low, high = belief.interval(0.9)
    assert belief.particles is not None
    np.testing.assert_allclose(((belief.particles >= low) & (belief.particles <= high)).mean(axis=0), 0.9, atol=0.021)
    low, high = Belief.prior("x").interval(0.95)
    np.testing.assert_allclose(high, 1.959963984540054, rtol=1e-14)
    np.testing.assert_array_equal(low, -high)


def edited(**changes: Any) -> dict[str, Any]:
    n = NUM_PARAMETERS
    data: dict[str, Any] = {
        "format": "stope-belief-1", "robot": "bee-gas", "parameters": [p.name for p in PARAMETERS], "mean": [0.0] * n,
        "covariance": np.eye(n).tolist(), "provenance": {}, "particles": None,
    }  # fmt: skip
    return {k: v for k, v in (data | changes).items() if v != "left out"}


N = NUM_PARAMETERS
CROOKED = np.eye(N)
CROOKED[0, 1] = 0.5
ARRAYS = rf"expected {N} x {N} finite numbers\.$"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": "stope-belief-0"}, r"format 'stope-belief-0': expected 'stope-belief-1'\.$"),
        ({"format": "left out"}, r"format None: expected 'stope-belief-1'\.$"),
        ({"parameters": ["mass"]}, r"parameters differ from this version's theta\. Fit the flight again\.$"),
        ({"robot": 3}, r"robot or provenance: expected a name and a table\.$"),
        ({"provenance": "left out"}, r"robot or provenance: expected a name and a table\.$"),
        ({"mean": "left out"}, rf"mean: expected {N} finite numbers\.$"),
        ({"mean": [0.0] * 3}, rf"mean: expected {N} finite numbers\.$"),
        ({"mean": ["x"] * N}, rf"mean: expected {N} finite numbers\.$"),
        ({"mean": {"a": 1}}, rf"mean: expected {N} finite numbers\.$"),
        ({"covariance": [[1.0], [1.0, 2.0]]}, rf"covariance: {ARRAYS}"),
        ({"covariance": (-np.eye(N)).tolist()}, r"covariance: expected a symmetric positive definite matrix\.$"),
        ({"covariance": CROOKED.tolist()}, r"covariance: expected a symmetric positive definite matrix\.$"),
        ({"particles": [[0.0] * 3]}, rf"particles: expected any number x {N} finite numbers\.$"),
        ({"particles": []}, rf"particles: expected any number x {N} finite numbers\.$"),
    ],
)
def test_a_file_that_is_no_belief_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    path = tmp_path / "belief.json"
    path.write_text(json.dumps(edited(**changes)))
    with pytest.raises(FileError, match=r"belief\.json: " + text) as caught:
        Belief.load(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_belief_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "belief.json"
    some_belief().save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FileError, match=r"belief\.json: not a whole belief file"):
        Belief.load(path)
    path.write_text(json.dumps(edited(mean=[float("nan")] * N)))
    with pytest.raises(FileError, match=r"belief\.json: not a whole belief file \(NaN is not a finite number\)\.$"):
        Belief.load(path)
