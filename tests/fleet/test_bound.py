# SPDX-License-Identifier: Apache-2.0
"""The bound: reached where nothing varies, and each limit binds where it was made tight."""

from __future__ import annotations

import pytest

from stope.fleet.scenario import with_settings
from stope.fleet.simulate import simulate_month
from tests.fleet.books import check_books
from tests.fleet.builders import bank, depot, scenario


def test_with_robots_to_spare_and_no_variance_the_bound_is_reached() -> None:
    of = scenario(
        "robots=30", "days=5", "processor.ports=4", depots=(depot("alder"), depot("birch", east=0.0, north=70.0))
    )
    month = simulate_month(of, bank(of.depots), seed=1)
    assert min(month.limits, key=lambda name: month.limits[name]) == "production"
    # 240 canisters; the one of each depot that is filled at the very end cannot be home.
    assert month.kpis["delivered_canisters"] == 238.0
    assert 0.98 < month.kpis["delivered_share_of_bound"] < 1.0


@pytest.mark.parametrize(
    ("limit", "changes"),
    [
        ("robots", []),
        ("ports", ["robots=60", "processor.unload_time=3000.0"]),
        ("depot-docks", ["robots=60", "processor.ports=9", "depots.alder.load_time=4000.0"]),
        ("chargers", ["robots=20", "processor.ports=9", "service.battery_wh=20.0", "processor.charger_power=20.0",
                      "depots.alder.docks=9"]),
        ("pumps", ["robots=20", "processor.ports=9", "processor.pump_kgph=0.05", "depots.alder.docks=9"]),
        ("processing", ["robots=20", "processor.ports=9", "processor.line_kgph=3.0", "processor.hopper=5",
                        "depots.alder.docks=9"]),
    ],
)  # fmt: skip
def test_the_limit_that_binds_is_the_one_that_was_made_tight(limit: str, changes: list[str]) -> None:
    of = with_settings(scenario("days=4", depots=(depot(canisters_per_day=1440.0),)), changes)
    month = simulate_month(of, bank(of.depots), seed=1)
    check_books(month, of)
    assert min(month.limits, key=lambda name: month.limits[name]) == limit
    assert month.kpis["delivered_share_of_bound"] > 0.6
