# SPDX-License-Identifier: Apache-2.0
"""What a robot is told of robot and ground: calibrated, never centred on the truth, with correlations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import kstest

from stope.base.errors import RangeError
from stope.world.belief import covariances, pseudo_measured
from stope.world.told import CERTAIN, NUM_JOINT, NUM_SUMMARY, PAIRS, Told, summaries

NUM = 6000
ALARM = 1e-3
"""False-alarm rate of each test of ranks; seeds are fixed."""


def parts(summary: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and correlations."""
    return summary[:, :NUM_JOINT], np.exp(summary[:, NUM_JOINT : 2 * NUM_JOINT]), summary[:, 2 * NUM_JOINT :]


@pytest.mark.parametrize("kind", ["drawn", "sharp"])
def test_the_truths_rank_in_its_belief_is_uniform(kind: Told) -> None:
    rng = np.random.default_rng(1)
    z = rng.standard_normal((NUM, NUM_JOINT))
    mean, std, _ = parts(summaries(kind, z, rng))
    ranks = ndtr((z - mean) / std)
    for k in range(NUM_JOINT):
        assert kstest(ranks[:, k], "uniform").pvalue > ALARM / NUM_JOINT
    assert not np.allclose(mean, z, atol=1e-3)  # not the truth itself


def test_the_correlations_are_those_of_the_belief() -> None:
    """The product of two standardised errors has their correlation as its mean: binned, told and found agree."""
    rng = np.random.default_rng(2)
    z = rng.standard_normal((8 * NUM, NUM_JOINT))
    mean, std, together = parts(summaries("drawn", z, rng))
    errors = (z - mean) / std
    a, b = PAIRS[0]
    strong = np.abs(together[:, 0]) > 0.3
    assert strong.sum() > 200
    found = (errors[strong, a] * errors[strong, b] * np.sign(together[strong, 0])).mean()
    told = np.abs(together[strong, 0]).mean()
    assert abs(found - told) < 4.0 * np.sqrt(2.0 / strong.sum())
    assert (np.abs(together) < 1.0).all()


def test_whole_covariances_whiten_the_error() -> None:
    rng = np.random.default_rng(3)
    z = rng.standard_normal((NUM, NUM_JOINT))
    mean, made_of = pseudo_measured(z, rng)
    whole = covariances(made_of)
    error = z - mean
    squares = np.einsum("ni,ni->n", error, np.linalg.solve(whole, error[..., None])[..., 0])
    assert abs(squares.mean() - NUM_JOINT) < 4.0 * np.sqrt(2.0 * NUM_JOINT / NUM)


def test_told_the_prior_or_the_truth() -> None:
    rng = np.random.default_rng(4)
    z = rng.standard_normal((5, NUM_JOINT))
    mean, std, together = parts(summaries("prior", z, rng))
    assert not mean.any()
    assert (std == 1.0).all()
    assert not together.any()
    mean, std, _ = parts(summaries("truth", z, rng))
    assert (mean == z).all()
    assert np.allclose(std, np.sqrt(CERTAIN))
    assert summaries("truth", z, rng).shape == (5, NUM_SUMMARY)


def test_sharper_than_drawn_and_vaguer_than_the_truth() -> None:
    rng = np.random.default_rng(5)
    z = rng.standard_normal((NUM, NUM_JOINT))
    middle = {kind: np.median(parts(summaries(kind, z, rng))[1]) for kind in ("prior", "drawn", "sharp", "truth")}
    assert middle["truth"] < middle["sharp"] < middle["drawn"] < middle["prior"]


def test_another_kind_or_shape_is_refused() -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(RangeError, match="expected one of"):
        summaries("guess", np.zeros((2, NUM_JOINT)), rng)  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="expected one of"):
        summaries("prior", np.zeros((2, 3)), rng)
