# SPDX-License-Identifier: Apache-2.0
"""Forecasts are held against what came; gaps are ratios of sums, and none is closed where none is shown."""

from __future__ import annotations

import numpy as np
import pytest

from stope.base.errors import ConfigError
from stope.flight.campaign import CampaignConfig, gap_closed
from stope.flight.forecast import FIGURES, STAYS, compare, disturbed
from stope.world.belief import Belief
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import load_robot

GIVEN = {"figures": {name: {"mean": 1.0, "low": 0.5, "high": 1.5} for name in FIGURES}}
ROBOT = load_robot("bee-gas")


def test_a_figure_is_covered_where_the_mean_over_episodes_is_in_its_interval() -> None:
    rows = [{"success": True, "time_s": t, "final_error_m": 1.0, "impulse_ns": 1.0} for t in (0.0, 4.0)]
    found = compare(GIVEN, rows)["figures"]
    assert found["success"]["is_covered"]
    assert (found["time_s"]["came"], found["time_s"]["is_covered"]) == (2.0, False)
    assert "energy_j" not in found


@pytest.mark.parametrize("rows", [[], [{"success": True, "time_s": 1.0, "impulse_ns": 1.0}]])
def test_outcomes_without_a_figure_are_refused(rows: list[dict[str, float]]) -> None:
    with pytest.raises(ConfigError, match="expected one"):
        compare(GIVEN, rows)


def test_what_no_theta_explains_is_drawn_for_each_episode() -> None:
    told = Belief.prior(ROBOT.name)
    z, rng = np.zeros((4000, NUM_PARAMETERS)), np.random.default_rng(1)
    assert np.array_equal(disturbed(z, 3, told, ROBOT, rng), np.zeros((12_000, NUM_PARAMETERS)))
    acts = {"offset": 3e-4, "acceleration": 8e-3, "length": 5.0 / 3.0}  # a quarter of whose variance lasts 10 s
    seen = Belief(robot=told.robot, mean=told.mean, covariance=told.covariance, provenance={"disturbances": [acts]})
    drawn = disturbed(z, 3, seen, ROBOT, rng)
    # Of a prior of 1e-3 m/s2; the mean square of a share between 0 and STAYS is a third of STAYS squared.
    size = np.sqrt(0.3**2 + STAYS**2 / 3.0 * 0.25 * 8.0**2)
    assert drawn[:, index_of("residual_y")].std() == pytest.approx(size, rel=0.05)
    assert not drawn[:, index_of("mass")].any()


def test_gap_closed_is_a_ratio_of_sums() -> None:
    default, oracle = np.array([0.5, 0.6, 0.7, 0.4]), np.array([0.9, 0.9, 0.9, 0.9])
    arm = default + 0.75 * (oracle - default)
    found = gap_closed(default, arm, oracle, rng=np.random.default_rng(1))
    assert found["is_there"]
    assert (found["closed"], found["low"], found["high"]) == pytest.approx((0.75, 0.75, 0.75))


def test_no_gap_is_closed_where_none_is_shown() -> None:
    default = np.array([0.9, 1.0, 0.8, 1.0])
    found = gap_closed(default, default, default[::-1], rng=np.random.default_rng(1))
    assert not found["is_there"]
    assert found["closed"] is None


def test_few_worlds_show_no_gap_by_chance() -> None:
    """Of two groups that do not differ, one pair in twenty seems to, however few worlds; one world shows nothing."""
    rng = np.random.default_rng(1)
    for num in (2, 3, 5):
        seems = [gap_closed(np.zeros(num), np.zeros(num), rng.standard_normal(num), rng=rng)["is_there"]
                 for _ in range(200)]  # fmt: skip
        assert np.mean(seems) < 0.1
    alone = gap_closed(np.zeros(1), np.ones(1), np.ones(1), rng=rng)
    assert (alone["is_there"], alone["closed"]) == (False, None)


@pytest.mark.parametrize("wrong", [{"flights": (3, 1)}, {"flights": ()}, {"first": 2, "last": 1}, {"minutes": 0.0}])
def test_a_campaign_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        CampaignConfig(**wrong)  # type: ignore[arg-type]
