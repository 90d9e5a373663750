# SPDX-License-Identifier: Apache-2.0
"""Information before a flight: closed forms of linear-Gaussian models, and beliefs that will be right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from stope.base.errors import FileError, RangeError
from stope.fleet.mission.kernels.columns import SKILLS
from stope.fleet.mission.value import CHANGES, write_weights
from stope.flight.design import belief_after, load_weights
from stope.flight.experiment import KINDS, Limits, load_experiment, make_experiment
from stope.flight.information import Information, eig_bounds, information, sampled_eig
from stope.world.belief import Belief
from stope.world.body import load_body
from stope.world.robots import load_robot
from stope.world.site import make_site

ROBOT = load_robot("bee-gas")


def linear_gaussian(dims: int, size: float, num: int, seed: int) -> tuple[np.ndarray, float]:
    """Likelihoods log p(y_i | theta_j) of y = A theta + e, all normal, and the information gain in closed form."""
    rng = np.random.default_rng(seed)
    a = size * rng.standard_normal((6, dims)) / np.sqrt(6.0)
    theta = rng.standard_normal((num, dims))
    y = theta @ a.T + rng.standard_normal((num, 6))
    gain = 0.5 * np.linalg.slogdet(np.eye(dims) + a.T @ a)[1]
    return -0.5 * np.sum((y[:, None] - (theta @ a.T)[None]) ** 2, axis=2), float(gain)


@given(dims=st.integers(1, 3), size=st.floats(0.3, 1.5), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_bounds_enclose_the_closed_form(dims: int, size: float, seed: int) -> None:
    log_likelihood, gain = linear_gaussian(dims, size, 600, seed)
    lower, upper = eig_bounds(log_likelihood)
    error = 5.0 * np.sqrt(dims / 600)  # five standard errors of a mean of terms whose variance is of order dims
    assert lower - error < gain < upper + error
    assert lower < upper
    assert lower == pytest.approx(gain, abs=error + 0.1)


def test_the_contrastive_bound_cannot_show_more_than_its_draws() -> None:
    log_likelihood, gain = linear_gaussian(6, 60.0, 50, 1)
    lower, _ = eig_bounds(log_likelihood)
    assert gain > 10.0
    assert lower == pytest.approx(np.log(50), abs=1e-6)


def test_bounds_of_one_draw_are_refused() -> None:
    with pytest.raises(RangeError, match="expected"):
        eig_bounds(np.zeros((1, 1)))


def test_expected_gain_is_the_closed_form() -> None:
    a = np.random.default_rng(3).standard_normal((7, 4))
    info = Information(a.T @ a, a.T @ a, np.zeros(4), 0.0, 0.0)
    covariance = np.diag([1.0, 0.5, 2.0, 0.1])
    joint = np.eye(7) + a @ covariance @ a.T  # the entropy of the data, less that of the noise
    assert info.expected_gain(covariance) == pytest.approx(0.5 * np.linalg.slogdet(joint)[1])


def test_a_narrow_belief_gains_from_imagined_flights_what_the_linear_form_says() -> None:
    """Two ways to one number: sampled bounds know nothing of Jacobians; shaking tells more than rest by both."""
    site = make_site(load_body("ryugu"), latitude_deg=30.0, longitude_deg=0.0, height=6.0)
    wide = Belief.prior("bee-gas")
    narrow = Belief(robot="bee-gas", mean=wide.mean, covariance=0.03**2 * wide.covariance)
    free = np.flatnonzero(ROBOT.prior.is_free)
    found = {}
    for kind in ("shake", "rest"):
        made = make_experiment(kind, ROBOT, Limits(), minutes=0.2, seed=3)
        gain = information(made, narrow, ROBOT, site, seed=1, keep_in=5.0).expected_gain(
            narrow.covariance[np.ix_(free, free)])  # fmt: skip
        lower, upper = sampled_eig(made, narrow, ROBOT, site, num=200, seed=1)
        error = 3.0 * np.sqrt(2.0 * gain / 200)  # of a mean of terms whose variance is at most twice the gain
        assert lower - error < gain < upper + error
        found[kind] = gain, lower, upper
    assert found["shake"][0] > 5.0 * found["rest"][0]
    assert found["shake"][1] > 2.0 * found["rest"][2]


def test_the_truth_lies_in_the_belief_after_an_experiment_as_a_draw_of_it() -> None:
    rng = np.random.default_rng(4)
    root = rng.standard_normal((3, 3))
    covariance, info = root @ root.T + 0.1 * np.eye(3), np.diag([0.0, 2.0, 30.0])
    truths = rng.multivariate_normal(np.ones(3), covariance, 4000)
    means, after = belief_after(np.ones(3), covariance, info, truths, rng.standard_normal((4000, 3)))
    assert after == pytest.approx(np.linalg.inv(np.linalg.inv(covariance) + info))
    away = truths - means
    assert np.cov(away.T) == pytest.approx(after, abs=0.08 * np.abs(after).max())
    # Nothing of what is left depends on the mean: it is all the belief knows.
    assert (away.T @ (means - 1.0)) / 4000 == pytest.approx(np.zeros((3, 3)), abs=0.08 * np.abs(covariance).max())
    inside = np.einsum("wi,ij,wj->w", away, np.linalg.inv(after), away) < chi2.ppf(0.9, 3)
    assert inside.mean() == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_an_experiment_keeps_its_limits_and_comes_back_from_its_file(kind: str, tmp_path: Path) -> None:
    limits = Limits(force_share=0.3, keep_in=2.0)
    made = make_experiment(kind, ROBOT, limits, minutes=2.0, seed=3)
    assert np.abs(made.knots).max(axis=0) == pytest.approx(np.minimum(np.abs(made.knots).max(axis=0),
                                                                      0.3 * ROBOT.limit_b))  # fmt: skip
    assert np.linalg.norm(made.targets[:, 1:4], axis=1).max() <= 0.5 * limits.keep_in + 1e-12
    both = made.then(make_experiment("rest", ROBOT, limits, minutes=0.5, seed=1))
    both.save(tmp_path / "next.json", ROBOT, notes={"why": "because"})
    back = load_experiment(tmp_path / "next.json")
    assert (back.name, back.minutes) == (both.name, 2.5)
    assert back.targets == pytest.approx(both.targets, abs=1e-6)
    assert back.knots == pytest.approx(both.knots, abs=1e-5)
    assert json.loads((tmp_path / "next.json").read_text())["why"] == "because"


def test_a_broken_experiment_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "next.json"
    path.write_text('{"format": "stope-experiment-1", "minutes": 1, "targets": [], "excitation": {"knots": [[NaN]]}}')
    with pytest.raises(FileError, match=r"next\.json"):
        load_experiment(path)


def weights(table: dict[str, Any], form: str = "stope-weights-1") -> str:
    return json.dumps({"format": form, "unit": "t", "weights": table})


@pytest.mark.parametrize("text", ["{}", weights({"anchor": 1}), weights({"dock": -1}), weights({"dock": "much"}),
                                  weights({"dock": 1}, "stope-weights-0")])  # fmt: skip
def test_weights_that_say_nothing_of_docking_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    path.write_text(text)
    with pytest.raises(FileError, match=r"weights\.json"):
        load_weights(path)


def test_weights_of_skills_without_a_regret_are_handed_back(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    path.write_text(weights({"dock": 0.5, "anchor": 2, "dig": 0}))
    assert load_weights(path) == (0.5, {"anchor": 2.0})


def test_weights_that_a_month_wrote_are_read(tmp_path: Path) -> None:
    skills = {s: {c: {"t": 0.1} for c in CHANGES} for s in SKILLS}
    skills["dock"]["sharp_belief"] = {"t": 1.5}
    skills["dig"]["sharp_belief"] = {"t": -0.2}
    path = tmp_path / "weights.json"
    write_weights({"skills": skills, "scenario": "s", "bank_digest": "0" * 16, "seed": 1}, path)
    assert load_weights(path) == (1.5, {})
