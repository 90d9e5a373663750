# SPDX-License-Identifier: Apache-2.0
"""Replicates of a mission: the same bits again, in any order, from any store; and figures over all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import ConfigError
from stope.base.runs import Run
from stope.fleet.month import KPIS, Month
from stope.fleet.scenario import with_settings
from stope.fleet.simulate import simulate, simulate_month
from tests.fleet.books import usual
from tests.fleet.builders import noisy_bank, shipped


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    of = shipped("reliability.mtbf_h=40", "reliability.lost_share=0.1")
    again = simulate(of, noisy_bank(of, success=0.8), seed=4)
    assert again.digest == usual().digest
    assert again.as_dict() == usual().as_dict()
    assert simulate(of, noisy_bank(of, success=0.8), seed=5).digest != again.digest
    assert len({month.digest for month in again.months}) == of.replicates


def test_the_order_of_depots_changes_nothing() -> None:
    of = shipped()
    turned = replace(of, depots=of.depots[::-1])
    assert simulate_month(turned, noisy_bank(of), seed=8).digest == simulate_month(of, noisy_bank(of), seed=8).digest


def test_variants_meet_the_same_chances() -> None:
    of = shipped()
    few, many = (simulate_month(with_settings(of, [f"robots={n}"]), noisy_bank(of), seed=8) for n in (5, 40))
    for name, depot_ in few.depots.items():
        nominal = depot_["mined_kg"] + depot_["blocked_kg"]
        assert nominal == pytest.approx(many.depots[name]["mined_kg"] + many.depots[name]["blocked_kg"])
    assert few.kpis["blocked_kg"] > 0.0


def test_a_month_survives_json_to_the_bit(tmp_path: Path) -> None:
    of = shipped()
    run = Run(tmp_path, {"scenario": of.digest})
    kept = simulate(of, noisy_bank(of), seed=4, store=run.json)
    assert kept.digest == simulate(of, noisy_bank(of), seed=4).digest
    assert sorted(p.name for p in (tmp_path / "months").iterdir()) == ["0000.json", "0001.json"]
    assert Month.from_dict(kept.months[0].as_dict()) == kept.months[0]


def test_a_killed_simulation_goes_on_where_it_was(tmp_path: Path) -> None:
    of = shipped("days=1.0", "replicates=4")
    made, whole, calls = noisy_bank(of), simulate(shipped("days=1.0", "replicates=4"), noisy_bank(of), seed=4), []
    for stop in (1, 3, 9):
        run = Run(tmp_path, {"scenario": of.digest})

        def store(name: str, make, run: Run = run, stop: int = stop) -> dict:  # type: ignore[no-untyped-def]
            if int(name[7:11]) == stop:
                raise KeyboardInterrupt
            if not run.path(name).exists():
                calls.append(name)
            return run.json(name, make)

        if stop < of.replicates:
            with pytest.raises(KeyboardInterrupt):
                simulate(of, made, seed=4, store=store)
        else:
            assert simulate(of, made, seed=4, store=store).digest == whole.digest
    assert calls == [f"months/{k:04d}.json" for k in range(4)]  # each was simulated once


def test_a_store_with_something_else_in_it_is_refused() -> None:
    of = shipped()
    with pytest.raises(ConfigError, match=r"^months/0000\.json: field 'months' is unknown"):
        simulate(of, noisy_bank(of), seed=4, store=lambda _, __: {"months": 3})


def test_progress_goes_from_month_to_month() -> None:
    told: list[tuple[str, float]] = []
    of = shipped("days=0.5", "replicates=3")
    simulate(of, noisy_bank(of), seed=1, progress=lambda stage, share: told.append((stage, share)))
    assert [share for _, share in told] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert len({stage for stage, _ in told}) == 1


def test_figures_over_months_are_those_of_the_months() -> None:
    result = usual()
    assert set(result.kpis) == set(KPIS)
    values = [month.kpis["delivered_kg"] for month in result.months]
    spread = result.kpis["delivered_kg"]
    assert spread.mean == pytest.approx(np.mean(values))
    assert min(values) <= spread.low <= spread.mean <= spread.high <= max(values)
    assert (spread.p05, spread.p95) == pytest.approx(np.quantile(values, (0.05, 0.95)).tolist())
    assert spread.n == result.replicates == len(values)
    assert sum(result.binding.values()) == len(values)
    for month in result.months:
        assert month.kpis["breakdowns"] == month.failures["breakdown"] > 0.0
        assert month.kpis["breakdowns"] + month.kpis["rescues"] == sum(month.failures.values())
    assert result.bound.mean >= spread.mean / 4.0  # canisters, none heavier than 4 kg
    assert sum(share.mean for share in result.time_shares.values()) == pytest.approx(1.0)
    total, counts = result.activities["dock-depot"], [month.activities["dock-depot"] for month in result.months]
    for key in ("started", "succeeded", "failed", "broken_off"):
        assert total[key] == sum(count[key] for count in counts) > 0.0
    assert result.stations["ports"]["max_wait_s"] == max(m.stations["ports"]["max_wait_s"] for m in result.months)
    assert len(result.delivered_kg_by_day["mean"]) == 3
    assert "months" not in result.as_dict()
