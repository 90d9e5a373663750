# SPDX-License-Identifier: Apache-2.0
"""The bank keeps whole outcomes, the belief weighs them, the worth of skills and the spread follow from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import FileError, RangeError
from stope.fleet.mission.bank import Bank, shipped_bank
from stope.fleet.mission.dispatch import exact_assignment, layered_assignment, nearest_assignment
from stope.fleet.mission.grade import grade_map
from stope.fleet.mission.kernels.columns import SKILLS, Skill
from stope.fleet.mission.limits import RESOURCES, more_of, what_limits
from stope.fleet.mission.result import bands, months, summarise
from stope.fleet.mission.value import changed, ore_of_months, skill_values, write_weights
from stope.learn.skills import shipped
from tests.fleet.mission.builders import bank, month, tables


def test_a_bank_survives_its_file(tmp_path: Path) -> None:
    one = bank()
    one.save(tmp_path / "bank.parquet")
    again = Bank.load(tmp_path / "bank.parquet")
    assert again.digest == one.digest
    assert again.summary() == one.summary()


def test_the_shipped_bank_is_small_whole_and_what_its_card_says() -> None:
    path = shipped_bank()
    one, card = Bank.load(path), json.loads(path.with_suffix(".parquet.json").read_text(encoding="utf-8"))
    assert path.stat().st_size < 1_000_000
    assert card == json.loads(json.dumps(one.card(card["command"])))
    assert {(r["skill"], r["told"]) for r in card["skills"]} == {(s, t) for s in SKILLS for t in ("prior", "sharp")}
    assert all(r["n"] == card["num"] and len(r["physics"]) == 16 and len(r["pilot"]) == 16 for r in card["skills"])


def test_the_shipped_bank_was_flown_by_the_policies_of_the_package() -> None:
    pilots = {r["skill"]: r["pilot"] for r in Bank.load(shipped_bank()).summary()}
    assert pilots == {skill: shipped(skill)[0].digest for skill in SKILLS}
    assert Bank.load(shipped_bank()).pilots("sharp") == pilots


@pytest.mark.parametrize("cut", [10, 400])
def test_a_cut_bank_is_refused_in_one_line(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "bank.parquet"
    bank().save(path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(FileError, match=r"bank\.parquet: not a whole bank"):
        Bank.load(path)


def test_an_impossible_row_is_refused() -> None:
    columns = dict(bank().columns)
    columns["duration"] = np.where(np.arange(len(columns["duration"])) == 3, np.nan, columns["duration"])
    with pytest.raises(RangeError, match=r"Bank\.duration"):
        Bank(columns, {})


def test_belief_draws_whole_rows_and_is_as_wide_as_the_rate_is_unsure() -> None:
    one = bank()
    rows = {tuple(r) for r in one.tables().of(Skill.ANCHOR).tolist()}
    rates = []
    for number in range(150):
        drawn = one.believed(number, seed=1).of(Skill.ANCHOR)
        assert {tuple(r) for r in drawn.tolist()} <= rows
        rates.append(float((drawn[:, 0] > 0.0).mean()))
    # Weights of 36 good rows of 40 are Beta(36, 4): mean 0.9, deviation 0.0469.
    assert np.mean(rates) == pytest.approx(0.9, abs=0.013)
    assert np.std(rates) == pytest.approx(0.0469, rel=0.2)


def test_spread_is_split_into_belief_and_chance() -> None:
    rng = np.random.default_rng(1)
    values = 3.0 * rng.standard_normal((400, 1)) + 2.0 * rng.standard_normal((400, 20))
    split = bands(values)
    shared = 50.0 * rng.standard_normal((1, 20))  # what a month's chances do under every belief alike
    assert bands(values + shared)["belief_half_width"] == pytest.approx(split["belief_half_width"], rel=1e-9)
    assert split["belief_half_width"] == pytest.approx(1.645 * 3.0, rel=0.15)  # 400 beliefs: 3.5 % of a deviation
    assert split["chance_half_width"] == pytest.approx(1.645 * 2.0, rel=0.05)


def test_summary_names_what_is_outside_and_what_is_assumed() -> None:
    scenario = month("beliefs=2", "chances=2", days=1.0)
    found = summarise(scenario, bank(), months(scenario, bank(), seed=1))
    assert found["extrapolated"]["skills"]["haul"]["share"] == 1.0  # 100 kg, and nothing was measured with a load
    assert 0.0 < found["extrapolated"]["share"] < 1.0
    assert "digging.dump_time" in found["assumed"]
    assert found["figures"]["ore_t"]["n"] == 4


def test_more_success_turns_failures_into_successes_and_leaves_the_rest() -> None:
    before = tables(n=100)
    after = changed(before, Skill.ANCHOR, "success", 5.0)
    assert (after.of(Skill.ANCHOR)[:, 0] > 0).mean() == pytest.approx((before.of(Skill.ANCHOR)[:, 0] > 0).mean() + 0.05)
    assert all(np.array_equal(after.of(s), before.of(s)) for s in Skill if s != Skill.ANCHOR)
    quick = changed(before, Skill.DIG, "duration", 5.0)
    assert np.allclose(quick.of(Skill.DIG)[:, 1], 0.95 * before.of(Skill.DIG)[:, 1])


@pytest.mark.parametrize("short", ["fleet.excavators=5", "fleet.haulers=1", "plant.power_kw=3", "robots.array_area=1"])
def test_what_is_scarce_is_what_limits(short: str) -> None:
    """A month that has plenty of all but one thing: a tenth more of it brings ore, and of nothing else as much."""
    plenty = ("fleet.excavators=30", "fleet.haulers=20", "plant.power_kw=500", "robots.array_area=20")
    scenario = month(*plenty, short, "failing.mtbf_h=1e9", robots=60, days=6.0)
    found = what_limits(scenario, bank(), seed=1, months=4)
    named = {"excavators": "diggers", "haulers": "haulers", "power_kw": "power of the plant", "array_area": "light"}
    assert found["limited_by"] == named[short.partition("=")[0].partition(".")[2]]
    gains = [row["t"] for row in found["resources"]]
    assert gains == sorted(gains, reverse=True)
    assert set(RESOURCES) == {row["name"] for row in found["resources"]}


def test_a_tenth_more_is_a_tenth_more_of_what_helps() -> None:
    before = month(robots=1000)
    for name, parts in RESOURCES.items():
        after = more_of(before, parts)
        assert after.num_yards == before.num_yards == 2
        for part, field, sign in parts:
            old, new = (getattr(getattr(s, part), field) for s in (before, after))
            assert (new > old) == (sign > 0), name
            assert new == pytest.approx(old * 1.1**sign, abs=0.5 if isinstance(old, int) and old > 5 else 1.0), name


@pytest.mark.parametrize("robots", [600, 1700, 2600])
def test_a_tenth_more_is_in_as_many_yards(robots: int) -> None:
    before = month(robots=robots)
    assert before.num_yards > 1
    assert {more_of(before, parts).num_yards for parts in RESOURCES.values()} == {before.num_yards}
    fleet = more_of(before, RESOURCES["maintainers"]).fleet
    assert 1.1 * before.fleet.maintainers <= fleet.maintainers + 0.5 < 1.1 * before.fleet.maintainers + before.num_yards


@pytest.mark.slow
def test_worth_of_skills_and_weights(tmp_path: Path) -> None:
    scenario = month(days=1.0, robots=20)
    values = skill_values(scenario, bank(), seed=1, months=2)
    assert set(values["skills"]) == set(SKILLS)
    assert "sharp_belief" in values["skills"]["dock"]
    assert "sharp_belief" not in values["skills"]["dig"]
    write_weights(values, tmp_path / "w.json")
    kept = json.loads((tmp_path / "w.json").read_text())
    assert kept["format"] == "stope-weights-1"
    assert min(kept["weights"].values()) >= 0.0


def test_grade_map_learns_what_was_sampled_and_keeps_the_prior_elsewhere() -> None:
    scenario = month()
    samples, sums = np.zeros((1, 9), dtype=np.int64), np.zeros((1, 9))
    mean, spread = grade_map(scenario, samples, sums)
    assert np.allclose(mean, 0.07)
    assert np.allclose(spread, 0.07 * 0.3, rtol=1e-6)
    samples[0, 4], sums[0, 4] = 10_000, 10_000 * 0.12
    mean, spread = grade_map(scenario, samples, sums)
    assert mean[0, 4] == pytest.approx(0.12, abs=1e-4)
    assert spread[0, 4] < 2e-4 < spread[0, 0]
    assert 0.07 < mean[0, 1] < 0.12  # a neighbour, one length away


def test_layered_assignment_is_near_the_exact_one_and_better_than_nearest_first() -> None:
    rng = np.random.default_rng(1)
    centres = 400.0 * rng.standard_normal((10, 3))
    here, there = (np.sort(rng.integers(0, 10, 400)) for _ in range(2))
    robots, tasks = (centres[s] + 20.0 * rng.standard_normal((400, 3)) for s in (here, there))
    columns, total = layered_assignment(robots, tasks, here, there)
    _, exact = exact_assignment(robots, tasks)
    assert sorted(columns.tolist()) == list(range(400))
    assert exact <= total <= 1.15 * exact
    assert nearest_assignment(robots, tasks)[1] >= exact


def test_a_point_of_success_is_one_that_was_there_to_be_had() -> None:
    scenario, found = month(days=1.0), bank()
    rows = np.flatnonzero(found.columns["skill"] == "dig")
    found.columns["outcome"][rows] = 1
    found.columns["outcome"][rows[:1]] = 0
    base = found.believed(0, seed=1, told="prior")
    gained = 100.0 * (1.0 - (base.of(Skill.DIG)[:, 0] > 0).mean())
    assert 0.0 < gained < 5.0
    better = ore_of_months(scenario, changed(base, Skill.DIG, "success", 5.0), seed=1, months=2)
    worth = (better - ore_of_months(scenario, base, seed=1, months=2)).mean() / gained
    assert skill_values(scenario, found, seed=1, months=2)["skills"]["dig"]["success"]["t"] == pytest.approx(worth)
