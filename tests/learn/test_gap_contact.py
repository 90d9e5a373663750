# SPDX-License-Identifier: Apache-2.0
"""Gaps of tasks with contact, of what is shipped, and of predictive models."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, UnknownName
from stope.base.rotation import normalise
from stope.base.workers import Processes
from stope.learn import gap_contact, gap_model, gap_quick
from stope.learn.gap import matrix
from stope.learn.gap_contact import RECIPES, TESTED, TRAINED, skill_gap
from stope.learn.gap_model import PAST, Flights, Model, fit, model_gap, open_loop
from stope.learn.gap_quick import LEFT_OUT, NUM, PLACES, quick_gap
from stope.learn.skill_training import SkillConfig
from stope.learn.skills import SKILLS
from stope.world.gravities import GRAVITIES
from stope.world.physics import index_of
from stope.world.platforms import PLATFORMS

TINY = SkillConfig(task="anchor", settings=("time_limit=2", "push_start=1"), num_worlds=4, steps_per_iteration=4,
                   num_imitation=1, imitation_updates=1, num_evaluation=2, memory=4, hidden=(4,))  # fmt: skip


@pytest.mark.slow
def test_the_matrix_over_gravities_has_every_cell_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = skill_gap(TINY, tmp_path, seeds=(1,), num=2)
    assert set(found["cells"]) == set(TRAINED) == {*GRAVITIES, "gravity-all"}
    for row in found["cells"].values():
        assert set(row) == set(TESTED) == set(GRAVITIES)
        assert all((cell["n"], cell["gap"], cell["why"]) == (2, None, "infeasible") for cell in row.values())
    assert len(set(found["policies"])) == len(TRAINED), "another gravity is another policy"

    other = skill_gap(TINY, tmp_path / "other", seeds=(1,), num=2, workers=Processes(2))
    assert {**other, "learning_s": None} == {**found, "learning_s": None}

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(gap_contact, "fly_skill", never)
    monkeypatch.setattr("stope.learn.store.SkillTraining", never)
    assert skill_gap(TINY, tmp_path, seeds=(1,), num=2) == found
    with pytest.raises(ConfigError, match="expected 1 or more of each"):
        skill_gap(TINY, tmp_path, seeds=(), num=2)


@pytest.mark.slow
def test_what_is_shipped_and_models_are_flown_the_same_by_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLACES, "anchor", ("gravity-0.01",))
    for call in (partial(quick_gap, "anchor", num=1), partial(quick_gap, "dock", num=8),
                 partial(model_gap, num=60, seeds=(1,))):  # fmt: skip
        assert call(workers=Processes(2)) == call()


def test_a_training_of_the_matrix_differs_from_the_shipped_ones_in_its_budget_alone() -> None:
    for name, config in RECIPES.items():
        assert config.task == name
        assert (config.told, config.breadth, config.num_reinforcement) == ("drawn", 1.0, 0)


def test_the_gap_to_the_script_is_below_zero_where_the_policy_does_better() -> None:
    good, fair, none = (np.arange(100) < k for k in (90, 80, 10))
    flown = {"shipped": {"x": [good]}, "script": {"x": [fair]}, "nothing": {"x": [none]}}
    cells = matrix(flown, ("shipped", "script"), ("x",), best="script", under="script under 50 %")["cells"]
    assert cells["shipped"]["x"]["gap"]["value"] == pytest.approx(-1.0 / 7.0)
    assert cells["script"]["x"]["gap"]["value"] == 0.0
    flown["script"]["x"] = [np.arange(100) < 40]
    assert matrix(flown, ("shipped",), ("x",), best="script", under="low")["cells"]["shipped"]["x"]["why"] == "low"


def test_every_skill_is_tried_somewhere_and_every_place_it_is_not_tried_at_has_a_reason() -> None:
    assert set(PLACES) == set(NUM) == set(SKILLS)
    for skill, places in PLACES.items():
        offered = GRAVITIES if places[0] in GRAVITIES else {k: PLATFORMS[k] for k in ("orbit", "table", "gimbal")}
        assert set(places) | set(LEFT_OUT.get(skill, {})) == set(offered), skill
        assert not set(places) & set(LEFT_OUT.get(skill, {}))


def test_what_is_shipped_is_flown_beside_its_script_in_the_same_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLACES, "anchor", ("gravity-0.01",))
    found = quick_gap("anchor", num=1)
    assert found["trained"] == ["shipped", "script"]
    assert found["nothing"]["gravity-0.01"]["success"] == 0.0, "who does not drill is not held"
    assert found["paired"]["gravity-0.01"]["n"] == 1
    monkeypatch.setattr(gap_quick, "shipped_names", lambda: ())
    monkeypatch.setitem(PLACES, "dock", ("gimbal",))
    found = quick_gap("dock", num=8)
    assert (found["trained"], found["paired"], found["is_shipped"]) == (["script"], {}, False)
    assert found["cells"]["script"]["gimbal"]["success"] > 0.5
    with pytest.raises(UnknownName, match="no skill 'swim'"):
        quick_gap("swim")
    with pytest.raises(ConfigError, match="expected 1 or more"):
        quick_gap("dock", num=0)


def test_on_a_gimbal_a_catcher_meets_the_residuals_of_the_gimbal() -> None:
    batch = gap_quick._batch("capture", "gimbal", num=2, seed=1, num_threads=1)
    first = index_of("residual_x")
    assert batch.robot.prior.spread[first : first + 3] == pytest.approx(PLATFORMS["gimbal"].residual)
    home = gap_quick._batch("capture", "orbit", num=2, seed=1, num_threads=1)
    assert home.robot.prior.spread[first + 2] < batch.robot.prior.spread[first + 2]
    assert batch.robot.prior.centre[index_of("mass")] == pytest.approx(1.3 * home.robot.prior.centre[index_of("mass")])
    assert home.site.name == batch.site.name


def synthetic(model: Model | None, *, num: int = 60, seed: int = 0, spin: float = 0.2) -> Flights:
    """Flights whose motion is a model's; without one, uniform motion."""
    rng = np.random.default_rng(seed)
    steps = 40
    commands = rng.uniform(-1.0, 1.0, (steps, num, 6))
    states = np.zeros((steps + 1, num, 13))
    states[0, :, 3:7] = normalise(rng.standard_normal((num, 4)))
    states[0, :, 7:10], states[0, :, 10:13] = rng.normal(0, 0.1, (num, 3)), rng.normal(0, spin, (num, 3))
    for k in range(steps):
        past = np.concatenate([commands[[max(k - 1, 0)]], commands[[k]]]).transpose(1, 0, 2)
        change = np.zeros((num, 6)) if model is None else model.change(states[k], past)
        states[k + 1] = gap_model._after(states[k], change)
    return Flights(states, commands)


def test_a_model_is_found_again_in_the_flights_it_made() -> None:
    size = 1 + 3 + 6 + 18 + 6 * PAST
    rng = np.random.default_rng(1)
    truth = Model(0.02 * rng.standard_normal((size, 6)), np.ones(size))
    truth.weights[10:28] *= 0.1  # products would blow up
    found = fit(synthetic(truth))
    fresh = synthetic(truth, seed=5)
    assert open_loop(found, fresh).max() < 0.02 * np.median(open_loop(None, fresh))


def test_constant_velocity_is_exact_where_nothing_acts() -> None:
    assert open_loop(None, synthetic(None)).max() < 1e-12


def test_a_model_from_a_table_is_worse_in_orbit_than_none_of_its_own() -> None:
    found = model_gap(num=60, seeds=(1,))
    cells = found["cells"]
    for there in found["tested"]:
        assert cells[there][there]["gap"]["value"] == 0.0
        for who in found["trained"]:
            cell = cells[who][there]
            best, none = cells[there][there]["error_m"], found["constant"][there]["error_m"]
            assert cell["gap"]["value"] == pytest.approx((cell["error_m"] - best) / (none - best))
            assert cell["low"] <= cell["error_m"] <= cell["high"]
    assert cells["table"]["orbit"]["gap"]["value"] > 0.2
    with pytest.raises(ConfigError, match="expected a seed, 20 flights or more"):
        model_gap(num=19)
