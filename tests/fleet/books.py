# SPDX-License-Identifier: Apache-2.0
"""What must hold in every month of a fleet, whatever happens in it; and one month in which much does."""

from __future__ import annotations

import math
from functools import lru_cache

import pytest

from stope.base.units import DAY
from stope.fleet.bound import LIMITS
from stope.fleet.ferry import Ferry
from stope.fleet.figures import MissionResult
from stope.fleet.month import Month
from stope.fleet.scenario import FerryScenario
from stope.fleet.simulate import simulate
from stope.fleet.states import State
from tests.fleet.builders import noisy_bank, shipped

QUEUES = ("ports", "hopper", "lines", "chargers", "pumps", "maintainers", "canisters-for-robot", "robots-for-canister")


def check_books(month: Month, of: FerryScenario) -> None:
    """Everything that must hold in every month, whatever happens in it."""
    mass = month.mass_balance_g
    assert mass["mined"] == sum(grams for place, grams in mass.items() if place != "mined")
    assert all(isinstance(grams, int) and grams >= 0 for grams in mass.values())
    # Sums of up to a million terms at 1e-16 each, relative to what has gone through.
    energy, propellant = month.energy_balance_kwh, month.propellant_balance_kg
    assert energy["start"] + energy["charged"] == pytest.approx(energy["used"] + energy["end"], rel=1e-9)
    assert propellant["start"] + propellant["refuelled"] == pytest.approx(
        propellant["used"] + propellant["end"], rel=1e-9
    )
    assert 0.0 <= energy["end"] <= energy["start"]
    assert 0.0 <= propellant["end"] <= propellant["start"]
    assert sum(month.time_shares.values()) == pytest.approx(1.0, rel=1e-9)
    assert min(month.time_shares.values()) >= 0.0
    for name in (*QUEUES, *(f"docks-{d.name}" for d in of.depots)):
        queue = month.stations[name]
        # Little: the length over time and the waits of each are two books of one queue; equal up to rounding.
        assert queue["mean_length"] * of.days * DAY == pytest.approx(queue["total_wait_s"], rel=1e-9, abs=1e-6), name
        assert 0.0 <= queue.get("utilisation", 0.0) <= 1.0 + 1e-12
    assert set(month.limits) == set(LIMITS)
    assert month.kpis["delivered_canisters"] <= min(month.limits.values()) + 1e-9
    assert sum(month.delivered_kg_by_day) == pytest.approx(month.kpis["delivered_kg"])
    assert all(sum(robots) == of.robots for robots in zip(*month.robots_by_hour.values(), strict=True))
    for name, count in month.activities.items():
        under_way = count["started"] - count["succeeded"] - count["failed"] - count["broken_off"]
        assert 0.0 <= under_way <= of.robots, name
    assert all(math.isfinite(value) for value in month.kpis.values())


def check_places(ferry: Ferry) -> None:
    """Every place that is taken is taken by a robot that is there, or by a canister: none has leaked."""
    robots = dict(zip(State, ferry.states.counts, strict=True))
    at_port = robots[State.DOCK_PROCESSOR] + robots[State.QUEUE_HOPPER] + robots[State.UNLOAD]
    assert ferry.ports.num_taken == at_port
    assert sum(docks.num_taken for docks in ferry.docks.values()) == robots[State.DOCK_DEPOT] + robots[State.LOAD]
    assert ferry.chargers.num_taken == robots[State.CHARGE] + robots[State.WAIT_FOR_LIGHT]
    assert ferry.pumps.num_taken == robots[State.REFUEL]
    assert ferry.maintainers.num_taken == robots[State.REPAIR]
    in_hopper = ferry.hopper.num_taken - robots[State.UNLOAD]
    brought = ferry.hopper.tally.length - robots[State.QUEUE_HOPPER]
    assert len(ferry.at_processor) == in_hopper + ferry.lines.num_taken + brought
    stocks = sum(len(d.stock) for d in ferry.depots.values())
    on_the_way = robots[State.FLY_OUT] + robots[State.QUEUE_DEPOT] + robots[State.DOCK_DEPOT] + robots[State.LOAD]
    assert stocks == ferry.dispatch.canister_tally.length + on_the_way


@lru_cache
def usual() -> MissionResult:
    """Three days of the shipped mission, twice, with failures of every kind."""
    of = shipped("reliability.mtbf_h=40", "reliability.lost_share=0.1")
    return simulate(of, noisy_bank(of, success=0.8), seed=4)
