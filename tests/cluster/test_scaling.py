# SPDX-License-Identifier: Apache-2.0
"""Measured scaling: the noise scale of known gradients, a profile that the planner reads, a job that really runs."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, FileError
from stope.base.ranks import Group
from stope.base.workers import Here, Processes, Unit
from stope.cluster import scaling
from stope.cluster.cores import Cores, exchange_seconds, measure_cores
from stope.cluster.job import ActorLearner, load_job, with_profile
from stope.learn.noise_scale import noise_scale, rollout_gradient, scale_of
from stope.learn.skills import flight_config
from stope.learn.train import Training


def test_the_noise_scale_of_known_gradients_is_found() -> None:
    """Gradients g + noise / sqrt(batch), g of squared norm 4 and noise of total variance 300: 75 samples."""
    rng, batch, weights = np.random.default_rng(1), 16, 50
    truth = np.zeros(weights)
    truth[:4] = 1.0
    gradients = truth + rng.standard_normal((200, 32, weights)) * np.sqrt(300.0 / weights / batch)
    parts = np.array([scale_of(g @ g.T, batch) for g in gradients]).mean(axis=0)
    assert parts == pytest.approx([300.0, 4.0], rel=0.05)


def test_noise_that_neighbours_share_is_no_signal() -> None:
    """Each rollout has half its noise from the one before: products of neighbours hold it, of others they do not."""
    rng, truth = np.random.default_rng(2), np.full(20, 0.1)
    noise = rng.standard_normal((2001, 20))
    gradients = truth + noise[1:] + noise[:-1]
    products = gradients @ gradients.T
    noise_of, signal = scale_of(products, 1, apart=2)
    assert signal == pytest.approx(0.2, abs=0.06)
    assert noise_of == pytest.approx(40.0, rel=0.05)
    assert scale_of(products, 1)[1] - signal == pytest.approx(20.0 * 2.0 / 2000.0, rel=0.2)  # two of 2,000 partners


def test_one_drawn_twice_makes_no_pair_with_itself() -> None:
    gradients = np.random.default_rng(3).standard_normal((6, 4))
    counts = np.array([2.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    kept = gradients[[0, 2, 3, 4, 5]]
    pairs = np.array([2.0, 1.0, 1.0, 1.0, 1.0])
    wanted = (pairs @ kept) @ (pairs @ kept) - pairs**2 @ (kept**2).sum(axis=1)
    found = scale_of(gradients @ gradients.T, 1, counts=counts)[1]
    assert found == pytest.approx(wanted / (pairs.sum() ** 2 - (pairs**2).sum()))


def test_the_noise_scale_of_a_training_is_the_same_again() -> None:
    config = replace(flight_config("dock"), num_worlds=16, num_minibatches=1, num_evaluation=8, hidden=(8,))
    training = Training(config)
    gradient = rollout_gradient(training)
    assert gradient.shape == (sum(w.numel() for n, w in training.ppo.actor.named_parameters() if n.startswith("mlp.")),)
    assert 0.0 < np.linalg.norm(gradient) < np.inf
    found, again = (noise_scale(Training(config), rollouts=60) for _ in range(2))
    assert found == again
    assert 0.0 < found["low"] <= found["high"]
    with pytest.raises(ConfigError, match="noise_scale: 3 rollouts: expected"):
        noise_scale(training, rollouts=3)


@pytest.mark.slow
@pytest.mark.parametrize("job", ["evaluate", "train"])
def test_a_job_runs_at_each_count_beside_its_forecast(monkeypatch: pytest.MonkeyPatch, job: str) -> None:
    monkeypatch.setattr(scaling, "UNITS", 3)
    monkeypatch.setattr(scaling, "ITERATIONS", 1)
    monkeypatch.setattr(scaling, "ROUNDS", 1)
    monkeypatch.setattr(scaling, "ROLLOUTS", 40)
    found = scaling.scale(job, (1, 2), repeats=1)
    assert [row["workers"] for row in found["rows"]] == [1, 2]
    assert found["rows"][0]["efficiency"] == found["rows"][0]["speedup"] == pytest.approx(1.0)
    for row in found["rows"]:
        assert row["seconds"] > 0.0
        assert 0.0 < row["core_share"] <= 1.0
        assert row["cores_allow"] == row["workers"] * row["core_share"]
        assert row["forecast_seconds"] == pytest.approx(row["seconds"] * (1.0 + row["forecast_error"]))
    if job == "evaluate":
        assert found["rows"][0]["forecast_error"] == pytest.approx(0.0, abs=1e-9), "of what it was made of"
    assert set(found["noise"]) == {"probe", "job"}
    if job == "train":
        assert found["profile"]["world_rate"]["value"] > 0.0
        assert found["rows"][1]["sync_s"] > 0.0 == found["rows"][0]["sync_s"]


def test_the_forecast_of_units_is_the_closed_form_where_cores_do_not_mind_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One worker: 2 s and 24 units of 1 s. Five workers: the longest has five; cores at 80 % take a quarter longer."""
    monkeypatch.setattr(scaling, "UNITS", 24)
    assert scaling.evaluate_forecast(2.0, 1.0, 1, 1.0) == 26.0
    assert scaling.evaluate_forecast(2.0, 1.0, 2, 1.0) == 14.0
    assert scaling.evaluate_forecast(2.0, 1.0, 5, 0.8) == pytest.approx(7.0 / 0.8)
    assert scaling.train_forecast(0.06, 0.05, syncs=8, sync=0.0) == pytest.approx(0.11)
    assert scaling.train_forecast(0.04, 0.03, syncs=8, sync=1e-3) == pytest.approx(0.078)


def pretended(unit: float, start: float, alone: dict[int, tuple[float, float]], share: float) -> dict[str, Any]:
    """A machine whose times are known, in place of measuring: what `scale` reads of it."""

    class Crew:
        def __init__(self, num: int) -> None:
            """Take how many."""
            self.num = num

        def together(self, unit: Unit, *, progress: Any = None) -> dict[str, Any]:
            rounds, _ = unit.arguments
            own, slow = np.array(alone[256 // self.num]), 1.0 if self.num == 1 else share
            wait = 0.0 if self.num == 1 else 1e-3
            return {"alone": np.tile(alone[256], (rounds, 1)), "share": np.tile(own / slow, (rounds, 1)), "syncs": 8,
                    "together": np.full(rounds, own.sum() / slow + 8 * wait), "sync": np.full(rounds, wait),
                    "pairs": np.tile([slow, slow, 0.1], (rounds, 1))}  # fmt: skip

    def seconds(crew: Crew, num: int) -> float:
        return (start + -(-num // crew.num) * unit) / (1.0 if crew.num == 1 else share)

    def cores(count: int) -> Cores:
        return Cores(1.0, 1.0, 0.1) if count == 1 else Cores(share, share, 0.1)

    return {"_crews": lambda counts, ray: {n: Crew(n) for n in counts}, "_evaluate_seconds": seconds,
            "measure_cores": cores}  # fmt: skip


@pytest.mark.parametrize("job", ["evaluate", "train"])
def test_a_machine_that_keeps_to_the_model_is_forecast_without_error(monkeypatch: pytest.MonkeyPatch, job: str) -> None:
    """From one worker at two sizes, and the probe; the rest of the work does not shrink with the worlds."""
    alone = {256: (0.060, 0.050), 128: (0.035, 0.030)}
    for name, value in pretended(1.2, 3.0, alone, 0.9).items():
        monkeypatch.setattr(scaling, name, value)
    monkeypatch.setattr(Here, "do", lambda self, units: [])
    monkeypatch.setattr(scaling, "noise_scale", lambda run, rollouts: {"value": 1.0, "low": 0.5, "high": 2.0})
    monkeypatch.setattr(scaling, "Training", lambda config: SimpleNamespace(advance=lambda: None))
    found = scaling.scale(job, (1, 2), repeats=3)
    for row in found["rows"]:
        assert row["forecast_error"] == pytest.approx(0.0, abs=1e-12)
    two = found["rows"][1]
    assert two["cores_allow"] == 1.8 and two["speedup"] < 1.8, "a start and small batches cost more than cores"
    if job == "evaluate":
        assert (found["unit_s"], found["start_s"]) == pytest.approx((1.2, 3.0))


def test_what_cores_allow_is_a_share_and_one_core_allows_itself() -> None:
    assert measure_cores(1).mean == measure_cores(1).slowest == 1.0
    two = measure_cores(2)
    assert 0.0 < two.slowest <= two.mean <= 1.0
    assert two.alone > 0.0


def test_an_exchange_of_several_takes_time_and_that_of_one_none() -> None:
    assert exchange_seconds(Group(), lambda exchanges: None) == 0.0
    work, waited = 0.02, 0.01
    added = Processes(2).together(Unit(_exchange, (work, waited), "exchange"))
    assert waited * 0.9 < added < waited + work, "the slower rank is waited for, and the work itself is taken off"


def _exchange(group: Group, work: float, waited: float) -> float:
    """Work of 20 ms, which takes the second rank another 10 ms where ranks exchange."""

    def turn(exchanges: bool) -> None:  # noqa: FBT001 -- as `exchange_seconds` calls it
        time.sleep(work + (waited if exchanges and not group.is_first else 0.0))
        if exchanges:
            group.gathered(None)

    with group.joined():
        return exchange_seconds(group, turn)


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
