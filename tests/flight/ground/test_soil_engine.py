# SPDX-License-Identifier: Apache-2.0
"""What of a log tells the soil, and that what is learned of it is the posterior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from stope.base.errors import StopeError
from stope.flight.ground import engine as own
from stope.flight.ground.engine import SoilEngine, engine_for
from stope.flight.ground.imagine import PER_STAGE, Imagined, acting, features, features_of, imagine, misjudged
from stope.flight.ground.scoop import ScoopTest
from stope.world.physics import GROUND_PARAMETERS
from stope.world.regolith.prior import ground_prior
from stope.world.tasks import DigTask
from tests.flight.ground.ground_builders import scooped

TEST = ScoopTest("hand", num_stages=1)


def test_the_growth_of_a_load_is_its_slope() -> None:
    found = features_of(scooped(ScoopTest("hand", num_stages=2), pace=0.004), 2).reshape(2, PER_STAGE)
    np.testing.assert_allclose(found[:, 0], 60.0 * 0.004, rtol=1e-6)
    assert found[1, 6] == pytest.approx(0.004 * 0.2 * (199 - 12), rel=1e-6)


def test_rows_beyond_the_test_do_not_count() -> None:
    seen = scooped(ScoopTest("hand", num_stages=3)).observation[:, None]
    assert np.array_equal(features(seen, 2), features(seen[:200], 2))


def test_what_is_misjudged_keeps_its_sign_and_spreads_forces_most() -> None:
    found = np.tile([[0.5, 0.1, -0.3, 0.01, 0.2, 0.4, 0.6]], (4000, 1))
    spoiled = misjudged(found, np.random.default_rng(1))
    spread = np.log(np.abs(spoiled / found)).std(axis=0)
    assert spread[4] == pytest.approx(np.sqrt(2.0 * 0.7**2 + 0.1**2), rel=0.05)
    assert spread[0] == pytest.approx(np.sqrt(0.15**2 + 0.1**2 + (0.02 / 0.5) ** 2), rel=0.05)
    off = np.abs(spoiled[:, 1]) - 0.1 * np.exp(0.0)
    assert off.std() > 0.05  # a bias of the torque's sensor is larger than the torque


@given(st.integers(0, 1000))
def test_soil_acts_with_a_cohesion_about_its_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((500, len(GROUND_PARAMETERS)))
    acted = acting(z, rng)
    prior = ground_prior()
    ratio = np.log(prior.theta(acted)[:, 0] / prior.theta(z)[:, 0])
    inner = np.abs(z[:, 0]) < 0.7  # far from the ends of the range, where factors are cut
    assert ratio[inner].std() == pytest.approx(0.5, rel=0.25)
    assert np.array_equal(acted[:, 1:], z[:, 1:])


def test_the_same_seed_imagines_the_same_whatever_the_threads() -> None:
    short = ScoopTest("fast", num_stages=1)
    one, two = (imagine(short, DigTask(), num=3, seed=5, num_threads=k) for k in (1, 2))
    assert np.array_equal(one.features, two.features)
    assert np.array_equal(one.z, two.z)
    assert one.features.shape == (3, PER_STAGE)


def _engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SoilEngine:
    """Of a toy whose posterior is known: features are linear in the soil, with noise of the same size as the soil."""
    pytest.importorskip("sbi")
    rng = np.random.default_rng(2)
    z = rng.standard_normal((3000, len(GROUND_PARAMETERS)))
    x = rng.standard_normal((3000, PER_STAGE))
    x[:, :3] += z[:, :3]
    monkeypatch.setattr(own, "COPIES", 1)
    monkeypatch.setattr(own, "misjudged", lambda found, rng: found)
    monkeypatch.setattr(own, "acting", lambda z, rng: z)
    monkeypatch.setattr(own, "_scaled", lambda found: found)
    monkeypatch.setattr(own, "imagine", lambda *a, **k: Imagined(z, x))
    return engine_for(TEST, DigTask(), folder, num=3000)


def test_a_learned_posterior_is_the_exact_one_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = _engine(tmp_path, monkeypatch)
    rng = np.random.default_rng(3)
    logs = rng.standard_normal((40, PER_STAGE))
    found = engine.posterior(logs)
    # Measured with noise of variance 1 under a prior of variance 1: half of what was seen, with variance 1/2.
    off = np.array([b.mean[:3] for b in found]) - 0.5 * logs[:, :3]
    assert np.sqrt(np.mean(off**2)) < 0.15
    variance = np.array([np.diag(b.covariance)[:3] for b in found])
    assert np.all(np.abs(np.median(variance, axis=0) - 0.5) < 0.1)
    assert all(b.covariance[3, 3] == 1.0 for b in found)
    # Read from the disk, it is the same to the bit; and it says what is unlike anything it has seen.
    again = _engine(tmp_path, monkeypatch)
    assert np.array_equal(again.posterior(logs)[0].mean, found[0].mean)
    strange = engine.posterior(np.full((1, PER_STAGE), 30.0))[0]
    assert strange.provenance["widened"] > 1.0
    assert strange.provenance["widened_because"]


def test_a_log_of_another_program_and_a_broken_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = _engine(tmp_path, monkeypatch)
    with pytest.raises(StopeError, match="which this engine has learned"):
        engine.belief(scooped(ScoopTest("slow", num_stages=1)))
    with pytest.raises(StopeError, match="50 or more"):
        engine_for(TEST, DigTask(), tmp_path, num=10)
    net = next(p for p in tmp_path.iterdir() if "imagined" not in p.name)
    net.write_bytes(net.read_bytes()[:-50])
    with pytest.raises(StopeError, match="not a whole file"):
        engine_for(TEST, DigTask(), tmp_path, num=3000)
    net.write_bytes(save({"x": torch.zeros(3)}))
    with pytest.raises(StopeError, match="weights of another network"):
        engine_for(TEST, DigTask(), tmp_path, num=3000)
