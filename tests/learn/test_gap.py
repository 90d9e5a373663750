# SPDX-License-Identifier: Apache-2.0
"""The gravity gap: its arithmetic, the platforms, and that what was done is not done again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, UnknownName
from stope.base.workers import Processes
from stope.learn import gap as module
from stope.learn.gap import TESTED, TRAINED, flight_gap, gap
from stope.learn.skills import flight_config
from stope.learn.train import TrainConfig
from stope.world.env import DockBatch
from stope.world.physics import index_of
from stope.world.platforms import PLATFORMS, platform
from stope.world.robots import load_robot
from stope.world.tasks import DockConfig

BEE = load_robot("bee-gas")


def successes(share: float, n: int = 400, seed: int = 0) -> list[np.ndarray]:
    """Two seeds of n worlds, of which a share ends well."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(np.arange(n) < share * n) for _ in range(2)]


def test_the_gap_of_the_specialist_is_none_and_of_doing_nothing_is_all() -> None:
    best, nothing = successes(0.9), successes(0.2, seed=1)
    assert gap(best, best, nothing) == {"value": 0.0, "low": 0.0, "high": 0.0}
    whole = gap(nothing, best, nothing)
    assert (whole["value"], whole["low"], whole["high"]) == pytest.approx((1.0, 1.0, 1.0))


def test_a_gap_is_the_share_of_the_span_and_lies_in_its_interval() -> None:
    found = gap(successes(0.55, seed=2), successes(0.9), successes(0.2, seed=1))
    assert found["value"] == pytest.approx(0.5, abs=0.01), "0.55 and 0.9 of 400 are whole worlds but for rounding"
    assert found["low"] < 0.5 < found["high"]
    assert found["high"] - found["low"] < 0.25


@pytest.mark.parametrize("name", ["orbit", "gimbal"])
def test_off_the_table_a_robot_leaves_the_plane(name: str) -> None:
    batch = _pushed(name)
    assert (np.abs(batch.world.state[:, 2]) > 1e-3).all()


def test_a_table_lets_a_robot_slide_and_turn_about_the_vertical_alone() -> None:
    """A push along x and z, and a torque about x and z: only the first of each does anything."""
    batch = _pushed("table")
    state = batch.world.state
    assert (state[:, [2, 9]] == 0.0).all(), "height, speed up"
    assert (state[:, [4, 5, 10, 11]] == 0.0).all(), "roll, pitch and their rates"
    assert (np.abs(state[:, 12]) > 1e-3).all(), "yaw rate"
    assert (np.hypot(state[:, 7], state[:, 8]) > 1e-3).all()
    distance = batch.record[:, 13]
    assert 0.45 < np.mean((distance / 5.0) ** 2) < 0.55, "uniform over the disc"


def _pushed(name: str, num: int = 512) -> DockBatch:
    there = platform(name)
    batch = DockBatch(there.robot(BEE), flight_config("dock").site.site(), num_worlds=num, seed=1,
                      task=there.task(DockConfig(speed=1e-9, rate=1e-9)), pool_size=64)  # fmt: skip
    batch.reset()
    for _ in range(5):
        batch.step(np.tile([0.5, 0.0, 0.5, 0.2, 0.0, 0.2], (num, 1)))
    return batch


def test_platforms_change_what_they_say_and_nothing_else() -> None:
    first = index_of("residual_x")
    for name in ("table", "gimbal", "all"):
        there = platform(name).robot(BEE)
        same = np.ones(len(BEE.prior.centre), dtype=bool)
        same[first : first + 3] = same[index_of("mass")] = False
        assert (there.prior.centre[same] == BEE.prior.centre[same]).all()
        assert (there.prior.spread[same] == BEE.prior.spread[same]).all()
        assert there.prior.spread[first : first + 3] == pytest.approx(PLATFORMS[name].residual)
    assert platform("orbit").task(DockConfig(planar_share=0.25)).planar_share == 0.25
    with pytest.raises(UnknownName, match="no platform 'pool'"):
        platform("pool")


def test_no_table_in_mujocos_worlds() -> None:
    with pytest.raises(ConfigError, match=r"planar_share = 1\.0: expected 0 but in the fused engine"):
        DockBatch(BEE, flight_config("dock").site.site(), num_worlds=2, seed=1, task=DockConfig(planar_share=1.0),
                  engine="mujoco")  # fmt: skip


def tiny() -> TrainConfig:
    return replace(flight_config("dock"), num_worlds=16, steps_per_iteration=8, num_iterations=2, evaluate_every=1,
                   num_evaluation=8, hidden=(8,), task=DockConfig(time_limit=6.0))  # fmt: skip


@pytest.mark.slow
def test_two_processes_train_and_test_the_same_matrix(tmp_path: Path) -> None:
    one = flight_gap(tiny(), tmp_path / "one", seeds=(1,), num=20)
    two = flight_gap(tiny(), tmp_path / "two", seeds=(1,), num=20, workers=Processes(2))
    assert {**one, "learning_s": None} == {**two, "learning_s": None}, "all but the wall-clock"


def test_the_matrix_has_every_cell_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    found = flight_gap(config, tmp_path, seeds=(1, 2), num=20)
    assert set(found["cells"]) == set(TRAINED)
    for row in found["cells"].values():
        assert set(row) == set(TESTED)
        for cell in row.values():
            assert cell["n"] == 40
            assert 0.0 <= cell["low"] <= cell["success"] <= cell["high"] <= 1.0
            assert (cell["gap"], cell["why"]) == (None, "infeasible"), "two iterations teach nothing"

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(module, "fly", never)
    assert flight_gap(config, tmp_path, seeds=(1, 2), num=20) == found
    with pytest.raises(ConfigError, match="expected 1 or more of each"):
        flight_gap(config, tmp_path, seeds=(), num=20)
