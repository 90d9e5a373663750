# SPDX-License-Identifier: Apache-2.0
"""The books of a fleet's month close: mass, energy, propellant, time, places and queues, whatever the scenario."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stope.fleet.ferry import Ferry
from stope.fleet.month import month_of
from stope.fleet.simulate import simulate_month
from tests.fleet.books import check_books, check_places, usual
from tests.fleet.builders import bank, depot, noisy_bank, scenario, shipped, without


def test_every_month_of_the_shipped_mission_closes_its_books() -> None:
    of = shipped("reliability.mtbf_h=40", "reliability.lost_share=0.1")
    for month in usual().months:
        check_books(month, of)
        assert all(month.failures[cause] > 0 for cause in ("breakdown", "failed-docking"))
        assert month.mass_balance_g["lost"] > 0 or month.kpis["robots_lost"] > 0


@pytest.mark.parametrize("place", ["robots", "ports", "chargers", "maintainers", "depots", "hopper"])
def test_a_month_with_one_less_of_anything_still_ends_and_balances(place: str) -> None:
    of = without(shipped("processor.chargers=2", "processor.hopper=2", "reliability.mtbf_h=40"), place)
    month = simulate_month(of, noisy_bank(of), seed=6)
    check_books(month, of)
    assert month.kpis["delivered_canisters"] > 0.3 * usual().kpis["delivered_canisters"].mean


PARTS = st.fixed_dictionaries({
    "robots": st.integers(1, 4), "days": st.sampled_from([0.3, 1.0, 2.0]),
    "processor.ports": st.integers(1, 2), "processor.hopper": st.integers(1, 3),
    "processor.line_kgph": st.sampled_from([1.0, 20.0]), "processor.chargers": st.integers(1, 2),
    "processor.charger_power": st.sampled_from([10.0, 200.0]), "processor.pump_kgph": st.sampled_from([0.05, 5.0]),
    "service.battery_wh": st.sampled_from([20.0, 100.0]), "service.charge_below": st.sampled_from([0.0, 0.5, 1.0]),
    "service.refuel_below": st.sampled_from([0.0, 1.0]), "service.energy_reserve": st.sampled_from([0.0, 0.1]),
    "service.standby_power": st.sampled_from([0.0, 30.0]), "service.dock_attempts": st.integers(1, 3),
    "reliability.mtbf_h": st.sampled_from([1.0, 20.0, 1e6]), "reliability.mttr_h": st.sampled_from([0.5, 10.0]),
    "reliability.lost_share": st.sampled_from([0.0, 0.2, 1.0]), "reliability.maintainers": st.integers(1, 2),
})  # fmt: skip
DEPOTS = st.fixed_dictionaries({
    "canisters_per_day": st.sampled_from([20.0, 300.0]), "interval_spread": st.sampled_from([0.0, 1.5]),
    "canister_mass": st.sampled_from([1.0, 4.0]), "canister_mass_spread": st.sampled_from([0.0, 0.9]),
    "buffer": st.integers(1, 5), "docks": st.integers(1, 2), "load_time": st.sampled_from([0.0, 60.0]),
})  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(parts=PARTS, first=DEPOTS, second=DEPOTS, by_day=st.sampled_from(["true", "false"]),
       success=st.sampled_from([0.3, 0.95, 1.0]), seed=st.integers(0, 10**6))  # fmt: skip
def test_whatever_the_scenario_the_books_close(
    parts: dict[str, float], first: dict[str, float], second: dict[str, float], by_day: str, success: float, seed: int
) -> None:
    depots = (depot("alder", **first), depot("birch", east=-60.0, **second))
    choices = [f"{path}={value}" for path, value in parts.items()]
    of = scenario(*choices, f"processor.charging_by_day_only={by_day}", depots=depots)
    made = bank(depots, num=20, legs={"success": success, "spread": 0.1, "energy": 5000.0},
                docks={"success": success, "spread": 0.3})  # fmt: skip
    ferry = Ferry(of, made, seed=seed, replicate=0)
    ferry.run()
    check_places(ferry)
    check_books(month_of(ferry), of)
