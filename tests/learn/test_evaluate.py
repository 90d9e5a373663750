# SPDX-License-Identifier: Apache-2.0
"""Evaluation: the same worlds for everybody, known answers of known policies, and honest comparisons."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.learn.assess import (
    BASELINES,
    GRAVITY_LEVELS,
    assess,
    fly_conditions,
    fresh_seed,
    gravity_name,
    paired,
    uniform_place,
)
from stope.learn.baselines import RandomPolicy, VelocityPd, ZeroPolicy
from stope.learn.evaluate import Episodes, conditions, draw_truths, fly
from stope.learn.train import SiteConfig
from stope.world.belief import Belief
from stope.world.env import DockBatch
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import load_robot
from stope.world.site import Site
from stope.world.tasks import DockConfig

ROBOT = load_robot("bee-gas")
TASK = DockConfig()
NUM = 24
QUESTIONS = {name: rows for name, rows in conditions(NUM, 5).items() if name != "ignorant"}


@cache
def ryugu() -> Site:
    """Beside Ryugu, where docking is trained by default."""
    return SiteConfig(body="ryugu", latitude_deg=30.0).site()


@cache
def flown(num_threads: int = 1) -> dict[str, dict[str, Episodes]]:
    """PD, its twin, and thrusters off, in the same worlds."""
    pd = VelocityPd(robot=ROBOT, uses_belief=True)
    flyers = {"pd": lambda: pd, "zero": ZeroPolicy, "twin": lambda: pd}
    return fly_conditions(flyers, QUESTIONS, ROBOT, ryugu(), task=TASK, seed=3, num_threads=num_threads)


def episodes(success: list[bool], **columns: NDArray[np.float64]) -> Episodes:
    """Outcomes made by hand."""
    n = len(success)
    zeros = dict.fromkeys(("duration", "tail_error", "impulse", "propellant", "energy", "distance"), np.zeros(n))
    no, every = np.zeros(n, dtype=bool), zeros | columns
    return Episodes(np.array(success), every["duration"], every["tail_error"], no, no, every["impulse"],
                    every["propellant"], every["energy"], every["distance"])  # fmt: skip


def same(one: Episodes, other: Episodes) -> bool:
    """Whether two outcomes are the same bits."""
    return all(np.array_equal(getattr(one, k), getattr(other, k)) for k in Episodes.__dataclass_fields__)


def test_everybody_gets_the_same_worlds_starts_and_noise() -> None:
    """The same flyer, flown first and last, has the same outcomes to the bit."""
    for row in flown().values():
        assert same(row["pd"], row["twin"])
        assert np.array_equal(row["pd"].distance, row["zero"].distance)


def test_outcomes_do_not_depend_on_the_number_of_threads() -> None:
    for condition, row in flown().items():
        assert all(same(row[name], flown(num_threads=2)[condition][name]) for name in row)


def test_a_random_flyer_is_made_anew_for_each_condition() -> None:
    make = {"random": lambda: RandomPolicy(np.random.default_rng(1))}
    z, told = QUESTIONS["prior"]
    out = fly_conditions(make, {"one": (z, told), "two": (z, told)}, ROBOT, ryugu(), task=TASK, seed=3)
    assert same(out["one"]["random"], out["two"]["random"])


def test_thrusters_off_never_dock_and_pd_does() -> None:
    for row in flown().values():
        assert row["zero"].rate.success == 0.0
        assert row["pd"].rate.success == 1.0


def test_thrusters_off_use_nothing_but_idle_power() -> None:
    zero = flown()["prior"]["zero"]
    assert np.all(zero.impulse == 0.0)
    assert np.all(zero.propellant == 0.0)
    assert np.all(zero.energy == ROBOT.power_idle * TASK.time_limit)


def test_propellant_follows_from_the_impulse() -> None:
    """Every newton second takes 1 / (specific impulse x g0) of propellant, torque by its lever."""
    row = flown()["default"]["pd"]
    least = row.impulse / (ROBOT.specific_impulse * 9.80665)
    assert np.all(row.propellant >= 0.999 * least)  # torque comes on top
    assert np.all(row.propellant <= 3.0 * least)


def test_an_episode_that_leaves_the_sphere_has_failed_even_if_it_comes_back() -> None:
    """One metre of keep-in sphere and a start at its edge, moving outward: PD brings it back and holds it, too late."""
    task = replace(TASK, distance=0.9, keep_in=1.0, speed=0.3)
    batch = DockBatch(ROBOT, ryugu(), num_worlds=64, seed=2, task=task, pool_size=1)
    lost, best = np.zeros(64, dtype=bool), VelocityPd(robot=ROBOT, uses_belief=False)

    def look(step: int) -> None:
        np.logical_or(lost, np.linalg.norm(batch.world.position_l, axis=1) > 1.0, out=lost)

    out = fly(best, batch, np.zeros((64, NUM_PARAMETERS)), Belief.prior("bee-gas"), on_step=look)
    assert lost.any()
    assert not out.is_success[lost].any()
    assert out.is_success[~lost].all()
    came_back = lost & (out.tail_error < 0.05)
    assert came_back.any()


def test_conditions_are_what_they_say() -> None:
    rows = conditions(400, 5)
    prior = Belief.prior("").summary()
    assert np.all(rows["default"][0] == 0.0)
    assert np.array_equal(rows["prior"][0], rows["ignorant"][0])
    assert np.all(rows["ignorant"][1] == prior)
    assert np.all(rows["default"][1] == prior)
    assert abs(rows["prior"][0].std() - 1.0) < 0.03  # 9200 normals: 4 standard errors of 0.0074
    assert not np.array_equal(rows["prior"][1], rows["ignorant"][1])


def test_no_seed_brings_back_the_worlds_that_chose_the_weights() -> None:
    """Training judges with the root seed itself; an assessment enters its seed under a name."""
    assert all(fresh_seed(seed) > 10**6 for seed in range(100))
    assert len({fresh_seed(seed) for seed in range(100)}) == 100


def test_truths_of_a_belief_are_its_particles_or_its_normal() -> None:
    rng = np.random.default_rng(0)
    particles = rng.standard_normal((5, NUM_PARAMETERS))
    belief = replace(Belief.prior("bee-gas"), particles=particles)
    drawn = draw_truths(belief, 50, rng=rng)
    assert {tuple(row) for row in drawn} == {tuple(row) for row in particles}  # 50 draws miss one of 5 in 7e-5 of cases
    normal = draw_truths(replace(Belief.prior("bee-gas"), mean=np.full(NUM_PARAMETERS, 3.0)), 500, rng=rng)
    assert abs(normal.mean() - 3.0) < 0.04  # 11500 normals: 4 standard errors of 0.0093


def test_paired_counts_and_differences_by_hand() -> None:
    one = episodes([True, True, False, True], duration=np.array([10.0, 12.0, 60.0, 20.0]), tail_error=np.full(4, 0.01))
    two = episodes([True, False, True, True], duration=np.array([20.0, 60.0, 15.0, 30.0]), tail_error=np.full(4, 0.02))
    out = paired(one, two, rng=np.random.default_rng(0))
    assert (out["n"], out["both"], out["only_policy"], out["only_other"]) == (4, 2, 1, 1)
    assert out["better_success"] == "neither shown"
    assert out["difference_time_s"] == {"mean": -10.0, "low": -10.0, "high": -10.0, "better": "policy"}
    assert out["difference_final_error_m"]["mean"] == pytest.approx(-0.01)
    assert out["difference_final_error_m"]["better"] == "policy"


@pytest.mark.parametrize(
    ("only_one", "only_other", "better"),
    [(0, 0, "neither shown"), (5, 0, "neither shown"), (6, 0, "first"), (0, 6, "second"), (9, 3, "neither shown")],
)  # exact two-sided sign test at 5 %: 2 / 2^5 = 0.063, 2 / 2^6 = 0.031, (9, 3) has p = 0.15
def test_success_is_told_apart_by_an_exact_sign_test(only_one: int, only_other: int, better: str) -> None:
    one = episodes([True] * only_one + [False] * only_other + [True])
    two = episodes([False] * only_one + [True] * only_other + [True])
    assert paired(one, two, rng=np.random.default_rng(0), names=("first", "second"))["better_success"] == better


def test_paired_without_a_common_success_says_nothing_of_time() -> None:
    out = paired(episodes([False]), episodes([False]), rng=np.random.default_rng(0))
    assert out["difference_time_s"] is None


def test_no_rate_is_shown_without_n_and_interval() -> None:
    summary = flown()["prior"]["pd"].summary()
    for cell in (summary, summary["within_2cm_10s"], summary["within_1cm_10s"]):
        assert cell["n"] == NUM
        assert 0.0 <= cell["low"] <= cell["success"] <= cell["high"] <= 1.0
    assert summary["high"] == 1.0
    assert summary["low"] == pytest.approx(0.025 ** (1 / NUM))  # Clopper-Pearson of n successes in n


def test_time_of_nobody_is_none() -> None:
    assert flown()["prior"]["zero"].summary()["time_to_success_s"] is None


def test_gravity_levels_have_names_of_their_own() -> None:
    names = [gravity_name(level) for level in GRAVITY_LEVELS]
    assert names == ["0 g", "1e-06 g", "1e-05 g", "0.0001 g", "0.001 g", "0.003 g", "0.01 g", "0.165 g", "1 g"]


@pytest.mark.parametrize("level", [0.0, 1.62])
def test_uniform_place_pulls_as_it_says(level: float) -> None:
    """With thrusters off a robot falls: the second difference of its height is the gravity."""
    place = uniform_place(level, has_air=False)
    assert np.allclose(place.gravity_l, [0.0, 0.0, -level])
    batch = DockBatch(ROBOT, place, num_worlds=2, seed=1, pool_size=1)
    batch.assign(np.zeros((2, NUM_PARAMETERS)), Belief.prior("bee-gas"))
    batch.reset()
    heights = [batch.world.position_l[:, 2].copy()]
    for _ in range(2):
        batch.step(np.zeros((2, 6)), autoreset=False)
        heights.append(batch.world.position_l[:, 2].copy())
    measured = (heights[2] - 2.0 * heights[1] + heights[0]) / 0.2**2
    # A tumbling robot's base circles its centre of mass: 0.06 m x (0.1 rad/s)^2 = 6e-4 m/s2 at most.
    assert np.allclose(measured, -level, atol=6e-4)


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    """The whole assessment of the PD flown as if it were the policy."""
    pd = VelocityPd(robot=ROBOT, uses_belief=True)
    return assess(pd, ROBOT, ryugu(), task=replace(TASK, time_limit=40.0), num=NUM, seed=1)["skills"]["dock"]


def test_assessment_has_a_cell_for_everything(table: dict[str, Any]) -> None:
    assert set(table["conditions"]) == {"default", "prior", "ignorant"}
    assert set(table["baselines"]) == set(BASELINES)
    assert list(table["gravities"]) == [gravity_name(level) for level in GRAVITY_LEVELS]
    for cell in table["gravities"].values():
        assert set(cell["baselines"]) == set(BASELINES)


def test_interventions_are_counted_in_every_cell_of_the_policy(table: dict[str, Any]) -> None:
    """None in the conditions; where thrust cannot hold against gravity every world falls out of its volume."""
    cells = [*table["conditions"].values(), *table["gravities"].values()]
    assert all(cell["envelope"]["worlds"]["n"] == NUM for cell in cells)
    assert all(not any(c["envelope"]["interventions"].values()) for c in table["conditions"].values())
    falls = table["gravities"]["0.165 g"]["envelope"]
    assert falls["worlds"]["success"] == 1.0
    assert falls["interventions"]["keep_in"] + falls["interventions"]["speed"] >= NUM
    assert not any("envelope" in row for b in table["baselines"].values() for row in b.values())


def test_policy_that_is_the_baseline_ties_with_it(table: dict[str, Any]) -> None:
    for row in table["paired"].values():
        assert row["pd-belief"]["difference_time_s"]["mean"] == 0.0
        assert row["pd-belief"]["better_success"] == "neither shown"
        assert row["pd-belief"]["difference_final_error_m"]["better"] == "neither shown"


def test_success_ends_where_thrust_cannot_hold_against_gravity(table: dict[str, Any]) -> None:
    """0.5 N on 12.1 kg hold 0.041 m/s2: at 1e-5 g all dock, at a hundredth of g none can."""
    assert table["gravities"]["1e-05 g"]["success"] == 1.0
    for name in ("0.01 g", "0.165 g", "1 g"):
        assert table["gravities"][name]["success"] == 0.0


def test_belief_of_another_robot_is_refused() -> None:
    with pytest.raises(ConfigError, match="about robot 'bee-cabin': expected 'bee-gas'"):
        assess(ZeroPolicy(), ROBOT, ryugu(), task=TASK, num=2, seed=1, belief=Belief.prior("bee-cabin"))


def test_assessment_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="num = 0: expected 1 or more"):
        assess(ZeroPolicy(), ROBOT, ryugu(), task=TASK, num=0, seed=1)
