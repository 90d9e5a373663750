# SPDX-License-Identifier: Apache-2.0
"""Measured scaling: the noise scale of known gradients, a profile that the planner reads, a job that really runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import ConfigError, FileError
from stope.cluster import scaling
from stope.cluster.job import ActorLearner, load_job, with_profile
from stope.learn.noise_scale import noise_scale, policy_gradients, scale_of
from stope.learn.skills import flight_config
from stope.learn.train import Training


def test_the_noise_scale_of_known_gradients_is_found() -> None:
    """Gradients g + noise / sqrt(batch), g of squared norm 4 and noise of total variance 300: 75 samples."""
    rng, batch, weights = np.random.default_rng(1), 16, 50
    truth = np.zeros(weights)
    truth[:4] = 1.0
    parts = np.array([scale_of(truth + rng.standard_normal((32, weights)) * np.sqrt(300.0 / weights / batch), batch)
                      for _ in range(200)]).mean(axis=0)  # fmt: skip
    assert parts == pytest.approx([300.0, 4.0], rel=0.05)


def test_gradients_of_groups_average_to_that_of_all_and_their_scale_is_a_number() -> None:
    config = flight_config("dock")
    one, four = (policy_gradients(Training(config), groups, seed=1) for groups in (1, 4))
    assert np.allclose(four.mean(axis=0), one[0], rtol=1e-3, atol=1e-6 * np.abs(one).max())
    found = noise_scale(Training(config), rollouts=2, groups=8)
    assert found["value"] > 0.0
    assert found["low"] <= found["high"]


@pytest.mark.slow
def test_a_job_runs_at_each_count_beside_its_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "UNITS", 2)
    monkeypatch.setattr(scaling, "SPINS", 100_000)
    found = scaling.scale("evaluate", (1, 2), repeats=1)
    assert [row["workers"] for row in found["rows"]] == [1, 2]
    assert found["rows"][0]["efficiency"] == pytest.approx(1.0)
    for row in found["rows"]:
        assert row["seconds"] > 0.0
        assert 0.0 < row["core_share"] <= 1.0
        assert row["forecast_seconds"] == pytest.approx(row["seconds"] * (1.0 + row["forecast_error"]))


@pytest.mark.parametrize(("job", "counts"), [("mine", (1, 2)), ("train", (2, 4)), ("train", (1, 1)), ("train", ())])
def test_what_cannot_be_measured_is_refused(job: str, counts: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        scaling.scale(job, counts, repeats=1)


def written(path: Path, profile: object) -> Path:
    path.write_text(json.dumps({"profile": profile}))
    return path


def test_a_profile_stands_in_for_the_jobs_own_numbers(tmp_path: Path) -> None:
    measured = {"value": 1000.0, "low": 900.0, "high": 1100.0, "unit": "1/s", "source": "measured"}
    job = with_profile(load_job("stope-dock"), written(tmp_path / "p.json", {"world_rate": measured}))
    assert isinstance(job, ActorLearner)
    assert (job.world_rate.value, job.world_rate.low) == (1000.0, 900.0)
    assert job.goal == load_job("stope-dock").quantities["goal"]


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({}, "expected a profile"),
        ({"speed": {"value": 1.0, "unit": "1/s", "source": "x"}}, "profile.speed"),
        ({"world_rate": {"value": 1.0, "unit": "s", "source": "x"}}, "profile.world_rate"),
    ],
)
def test_a_profile_that_does_not_fit_is_refused(tmp_path: Path, profile: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        with_profile(load_job("stope-dock"), written(tmp_path / "p.json", profile))
    with pytest.raises(ConfigError, match="actors with a learner"):
        with_profile(load_job("dense-405b"), written(tmp_path / "p.json", profile))
    with pytest.raises(FileError):
        with_profile(load_job("stope-dock"), tmp_path / "none.json")
