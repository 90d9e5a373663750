# SPDX-License-Identifier: Apache-2.0
"""One month of a fleet: hand-computed production, closed forms, skills as measured, failures and rescues."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, RangeError
from stope.base.intervals import clopper_pearson
from stope.base.units import DAY, HOUR
from stope.fleet.canisters import Canister
from stope.fleet.daylight import Daylight
from stope.fleet.ferry import Ferry
from stope.fleet.month import month_of
from stope.fleet.random_streams import Stream
from stope.fleet.scenario import FerryScenario, with_settings
from stope.fleet.simulate import simulate, simulate_month
from stope.fleet.skill_bank import SkillBank
from stope.fleet.states import WORKING
from tests.fleet.books import check_books
from tests.fleet.builders import bank, depot, noisy_bank, outcomes, scenario, shipped


def hourly(**changes: Any) -> tuple[FerryScenario, SkillBank]:
    """One robot and a depot that fills a canister in 600 s by clockwork: more than one robot can fetch."""
    of = scenario(depots=(depot(canisters_per_day=144.0, **changes),))
    return of, bank(of.depots)


def test_one_robot_and_one_depot_deliver_what_a_hand_computes() -> None:
    of, made = hourly()
    month = simulate_month(of, made, seed=1)
    # First canister at 600 s. A trip: 300 out + 60 dock + 60 load + 300 back + 60 dock + 60 unload = 840 s, and 24 g.
    # The worst trip needs 10 + 3 * 2 + 10 + 3 * 2 = 32 g, with the reserve 57 g: after 19 trips 500 - 456 = 44 g are
    # left, so 456 g are pumped at 1 kg/h: 1641.6 s. In 86,400 - 600 s: four times (19 * 840 + 1641.6) s, then 18 trips.
    assert month.kpis["delivered_canisters"] == 4 * 19 + 18
    assert month.kpis["delivered_kg"] == 2.0 * 94
    assert month.kpis["mined_kg"] == 2.0 * 144
    assert month.kpis["mean_trip_s"] == pytest.approx(840.0)
    assert month.stations["pumps"]["arrivals"] == 4.0
    assert month.time_shares["refuel"] * DAY == pytest.approx(4 * 1641.6)
    assert month.time_shares["idle"] * DAY == pytest.approx(600.0)
    # The 95th trip began at 600 + 4 * 17601.6 + 18 * 840 = 86,126.4 s: the leg out is not over at the end.
    assert month.propellant_balance_kg["used"] == pytest.approx(94 * 0.024)
    # 20 W for 600 s of legs, 2 * 1500 J of docking, 20 W for 60 s of loading; unloading is on the processor's supply.
    assert month.energy_balance_kwh["used"] * HOUR * 1000.0 == pytest.approx(94 * (12000.0 + 3000.0 + 1200.0))
    check_books(month, of)


def test_the_lines_are_what_limits_when_they_are_slow() -> None:
    of, made = hourly()
    month = simulate_month(with_settings(of, ["processor.line_kgph=2.0", "processor.hopper=3"]), made, seed=1)
    # First delivery at 600 + 840 s; then 2 kg an hour for the 84,960 s that are left: 23.6 h, 23 canisters are through,
    # one is on the line, three are in the hopper.
    assert month.kpis["processed_kg"] == 2.0 * 23
    assert month.kpis["delivered_canisters"] == 23 + 1 + 3
    assert month.time_shares["queue-hopper"] > 0.5
    assert min(month.limits, key=lambda name: month.limits[name]) == "processing"


def test_charging_waits_for_light() -> None:
    of, made = hourly()
    of = with_settings(of, ["service.battery_wh=30.0", "service.charge_below=0.9", "processor.charger_power=10.0",
                            "processor.charging_by_day_only=true"])  # fmt: skip
    ferry = Ferry(of, made, seed=1, replicate=0)
    ferry.run()
    month, half = month_of(ferry), ferry.daylight.half
    assert half == pytest.approx(7.63262 * HOUR / 2.0)
    lit = 3 * half + (DAY - 6 * half)  # lit, dark, lit, dark, lit, dark, and the rest of a fourth day
    assert ferry.daylight.lit_time(DAY) == pytest.approx(lit)
    assert 0.0 < month.time_shares["charge"] * DAY <= lit
    assert month.energy_balance_kwh["charged"] * HOUR * 1000.0 <= 10.0 * lit
    # The robot charges whenever it is home: each night that it meets there it waits until morning.
    assert month.time_shares["wait-for-light"] * DAY > 2.0 * half
    by_day = replace(of, processor=replace(of.processor, charging_by_day_only=False))
    assert simulate_month(by_day, made, seed=1).kpis["delivered_kg"] > 1.5 * month.kpis["delivered_kg"]
    check_books(month, of)


@pytest.mark.parametrize("half", [1000.0, 13739.716, 0.1])
def test_daylight_changes_at_every_half_turn_and_never_now(half: float) -> None:
    daylight = Daylight(half)
    time, states = 0.0, []
    for _ in range(500):
        is_lit, change = daylight.until(time)
        assert change > time
        states.append(is_lit)
        time = change
    assert states == [True, False] * 250
    assert time == pytest.approx(500 * half)
    assert daylight.lit_time(7.25 * half) == pytest.approx(4.0 * half)
    assert daylight.lit_time(6.25 * half) == pytest.approx(3.25 * half)


def test_robots_under_repair_are_as_many_as_the_machine_repair_model_says() -> None:
    num, repairers, mtbf, mttr = 6, 2, 10.0, 6.0
    dock = depot(canisters_per_day=300.0, canister_mass=0.5, docks=num, load_time=0.0)
    of = scenario(
        f"robots={num}", "days=100", f"processor.ports={num}", "processor.hopper=100000", "processor.line_kgph=1e6",
        "processor.unload_time=0.0", "service.battery_wh=1e9", "service.charge_below=0.0", "service.energy_reserve=0.0",
        "service.refuel_below=0.0", "service.propellant_reserve=0.0", f"reliability.mtbf_h={mtbf}",
        f"reliability.mttr_h={mttr}", f"reliability.maintainers={repairers}", depots=(dock,),
    )  # fmt: skip
    made = bank(of.depots, legs={"duration": 5000.0, "propellant": 0.0}, docks={"duration": 100.0, "propellant": 0.0})
    months = [simulate_month(of, made, seed=9, replicate=k) for k in range(16)]
    weights = [1.0]
    for k in range(num):  # with k down, one more fails at (num - k) / mtbf, one is back at min(k, repairers) / mttr
        weights.append(weights[-1] * (num - k) / mtbf * mttr / min(k + 1, repairers))
    expected = sum((num - k) / num * w for k, w in enumerate(weights)) / sum(weights)
    working = np.array([sum(m.time_shares[s.label] for s in WORKING) for m in months])
    # Student's t of 15 degrees of freedom: a false alarm in 1 of 1,000 seeds. The first hours, with all robots up, and
    # the half hour until there is a canister for each are below 1 % of the time; six robots fetch 51 of 300 a day.
    half_width = 4.07 * working.std(ddof=1) / math.sqrt(len(months))
    assert abs(working.mean() - expected) < half_width
    assert half_width < 0.05 * expected
    assert months[0].kpis["available_share"] == pytest.approx(working[0], abs=1e-3)
    assert months[0].failures["breakdown"] > 50
    check_books(months[0], of)


def test_skills_succeed_as_often_as_their_bank_says() -> None:
    of = shipped()
    made = noisy_bank(of, success=0.8)
    month = simulate_month(of, made, seed=2)
    count = month.activities["dock-depot"]
    rate = clopper_pearson(int(count["succeeded"]), int(count["succeeded"] + count["failed"]), level=0.999)
    assert rate.low < made.cells["dock-depot", 0].is_success.mean() < rate.high
    assert rate.n > 1000


def test_activities_take_what_their_outcomes_say() -> None:
    of, made = hourly()
    cells = dict(made.cells)
    cells["leg-out-alder", 0] = outcomes(300, duration=300.0, spread=0.4, seed=3)
    month = simulate_month(with_settings(of, ["days=20"]), replace(made, cells=cells), seed=1)
    legs, column = month.activities["leg-out-alder"]["succeeded"], cells["leg-out-alder", 0].duration
    mean = month.time_shares["fly-out"] * 20 * DAY / legs
    assert abs(mean - column.mean()) < 4.0 * column.std() / math.sqrt(legs)


def test_a_canister_flies_in_the_cell_of_its_payload() -> None:
    of = scenario(depots=(depot(canister_mass=2.5, canister_mass_spread=0.4, canisters_per_day=144.0),))
    made = bank(of.depots)
    cells = {key: (outcomes(duration=1e5) if key[1] not in (0, 3) else column) for key, column in made.cells.items()}
    assert simulate_month(of, replace(made, cells=cells), seed=1).kpis["mean_trip_s"] == pytest.approx(840.0)
    one_cell = {key: column for key, column in made.cells.items() if key[1] in (0, 3)}
    assert simulate_month(of, replace(made, cells=one_cell), seed=1).kpis["delivered_canisters"] > 0


def test_a_failed_docking_is_tried_again_at_its_own_cost() -> None:
    of, made = hourly()
    cells = dict(made.cells)
    failing = outcomes(2, success=0.0, duration=60.0, energy=1500.0, propellant=0.002)
    cells["dock-depot", 0] = replace(failing, is_success=np.array([True, False]), duration=np.array([60.0, 90.0]))
    month = simulate_month(with_settings(of, ["service.dock_attempts=60"]), replace(made, cells=cells), seed=1)
    count = month.activities["dock-depot"]
    tries = count["succeeded"] + count["failed"]
    assert count["failed"] > 10
    assert sum(month.failures.values()) == 0.0
    spent = count["succeeded"] * 60.0 + count["failed"] * 90.0
    assert 0.0 <= month.time_shares["dock-depot"] * DAY - spent < 90.0  # one may be under way at the end
    assert month.kpis["docks_attempted"] == tries + month.activities["dock-processor"]["succeeded"]


def test_a_robot_that_fails_every_try_is_rescued_and_its_canister_is_fetched_later() -> None:
    of, made = hourly()
    cells = dict(made.cells)
    cells["dock-depot", 0] = outcomes(duration=60.0, success=0.0)
    month = simulate_month(of, replace(made, cells=cells), seed=1)
    check_books(month, of)
    count = month.activities["dock-depot"]
    assert month.kpis["delivered_canisters"] == 0.0
    assert month.failures["failed-docking"] == count["failed"] // 3 > 3
    assert month.mass_balance_g["at-depots"] == month.mass_balance_g["mined"] == 144 * 2000
    assert month.limits["robots"] == 0.0  # a docking that never succeeded has no best case


def test_what_a_rescued_robot_carried_is_brought_in() -> None:
    of, made = hourly()
    cells = {
        key: (outcomes(success=0.0) if key[0] == "leg-back-alder" else column) for key, column in made.cells.items()
    }
    month = simulate_month(of, replace(made, cells=cells), seed=1)
    check_books(month, of)
    assert month.kpis["delivered_canisters"] == 0.0
    assert month.kpis["brought_in_kg"] == month.kpis["processed_kg"] > 10.0
    lost = simulate_month(with_settings(of, ["reliability.lost_share=1.0"]), replace(made, cells=cells), seed=1)
    check_books(lost, of)
    assert (lost.kpis["robots_lost"], lost.kpis["lost_kg"], lost.kpis["brought_in_kg"]) == (1.0, 2.0, 0.0)
    assert lost.time_shares["lost"] > 0.9


def test_a_robot_that_waits_beyond_its_reserve_is_rescued() -> None:
    of = scenario("robots=8", "processor.unload_time=7200.0", "service.standby_power=20.0", "service.battery_wh=30.0",
                  depots=(depot(canisters_per_day=2000.0, docks=8),))  # fmt: skip
    month = simulate_month(of, bank(of.depots), seed=1)
    check_books(month, of)
    assert month.failures["stranded"] > 0
    assert month.stations["ports"]["served"] < month.stations["ports"]["arrivals"]
    calm = simulate_month(with_settings(of, ["service.standby_power=0.0"]), bank(of.depots), seed=1)
    assert calm.failures["stranded"] == 0


def test_the_worst_trip_is_what_keeps_batteries_and_tanks_from_running_dry() -> None:
    of = shipped("service.charge_below=0.0", "service.energy_reserve=0.0", "service.refuel_below=0.0",
                 "service.propellant_reserve=0.0", "processor.charging_by_day_only=false")  # fmt: skip
    made = noisy_bank(of, success=0.7)
    check_books(simulate_month(of, made, seed=3), of)
    for level in ("charge_below", "refuel_below"):
        ferry = Ferry(of, made, seed=3, replicate=0)
        setattr(ferry, level, 0.0)  # a fleet that leaves without looking
        with pytest.raises(AssertionError):
            ferry.run()


def test_a_robot_that_could_never_leave_is_refused_at_the_start() -> None:
    of, made = hourly()
    with pytest.raises(
        ConfigError, match=r"^Service.battery_wh = 5 Wh: the worst measured trip to 'alder' needs 6\.17 Wh"
    ):
        simulate_month(with_settings(of, ["service.battery_wh=5.0"]), made, seed=1)
    thirsty = bank(of.depots, legs={"propellant": 0.3})
    with pytest.raises(
        ConfigError, match=r"^robot 'bee-gas': a tank of 0\.5 kg, but the worst .* 'alder' needs 0\.612 kg"
    ):
        simulate(of, thirsty, seed=1)


def test_a_bank_that_lacks_something_is_refused_at_the_start() -> None:
    of, made = hourly()
    for key in (("leg-out-alder", 0), ("leg-back-alder", 2), ("dock-depot", 0), ("dock-processor", 2)):
        cells = {k: column for k, column in made.cells.items() if k != key}
        with pytest.raises(RangeError, match=rf"^activity '{key[0]}' with .* was not measured"):
            simulate(of, replace(made, cells=cells), seed=1)
    narrow = SkillBank((0.0, 1.0), {k: c for k, c in made.cells.items() if k[1] <= 1}, {})
    with pytest.raises(RangeError, match=r"^payload = 2\.0 kg: measured from 0 to 1\.0 kg"):
        simulate(of, narrow, seed=1)


def test_a_full_depot_stands_still() -> None:
    of = scenario("robots=1", "days=2", depots=(depot(canisters_per_day=1440.0, buffer=3),))
    month = simulate_month(of, bank(of.depots), seed=1)
    check_books(month, of)
    assert month.depots["alder"]["stock_kg"] <= 3 * 2.0
    assert month.kpis["mined_kg"] + month.kpis["blocked_kg"] == 2 * 1440 * 2.0
    assert month.kpis["mined_kg"] < 2.0 * (month.kpis["delivered_canisters"] + 3 + 2)


def test_a_breakdown_half_way_costs_half() -> None:
    of = scenario("reliability.mtbf_h=1.0", "reliability.mttr_h=1e9", depots=(depot(canisters_per_day=144.0),))
    made = bank(of.depots, legs={"duration": 1e5, "energy": 50_000.0, "propellant": 0.01})
    working = Stream(1, "fleet", 0, "robot", 0, "failure").exponential(HOUR)
    assert 0.0 < working < DAY - 600.0  # within the first leg, which begins at 600 s
    month = simulate_month(of, made, seed=1)
    assert month.failures["breakdown"] == 1.0
    assert month.activities["leg-out-alder"] == {"started": 1.0, "succeeded": 0.0, "failed": 0.0, "broken_off": 1.0}
    assert month.time_shares["fly-out"] * DAY == pytest.approx(working)
    assert month.energy_balance_kwh["used"] * HOUR * 1000.0 == pytest.approx(50_000.0 * working / 1e5)
    assert month.propellant_balance_kg["used"] == pytest.approx(0.01 * working / 1e5)


def test_waiting_for_a_dock_lives_on_the_battery() -> None:
    of = scenario("robots=3", "service.standby_power=7.0", depots=(depot(canisters_per_day=600.0, load_time=900.0),))
    month = simulate_month(of, bank(of.depots), seed=1)
    # 20 W for 300 s of a leg and for 900 s of loading, 1500 J a docking; three robots for one dock: two always wait.
    count = {name: row["succeeded"] for name, row in month.activities.items()}
    done = 6000.0 * (count["leg-out-alder"] + count["leg-back-alder"])
    done += 1500.0 * (count["dock-depot"] + count["dock-processor"])
    done += 18_000.0 * month.activities["leg-back-alder"]["started"]
    waited = (month.time_shares["queue-depot"] + month.time_shares["queue-port"]) * 3 * DAY
    spent = month.energy_balance_kwh["used"] * HOUR * 1000.0 - done
    under_way = 7.0 * 2 * month.stations["docks-alder"]["max_wait_s"]  # waits that have not ended are not counted yet
    assert waited > DAY / 2
    assert 7.0 * waited - under_way <= spent <= 7.0 * waited * (1.0 + 1e-12)


def test_who_has_waited_longest_comes_first() -> None:
    depots = (depot("alder"), depot("birch", north=60.0))
    ferry = Ferry(scenario("robots=3", depots=depots), bank(depots), seed=1, replicate=0)
    events, dispatch, robots = ferry.events, ferry.dispatch, ferry.robots
    events.run(1.0)  # all three have asked for a canister, in the order of their numbers
    canisters = [Canister(ready, ferry.trips[name], 0, 2000, 2) for ready, name in ((3.0, "birch"), (2.0, "alder"))]
    for canister in canisters:
        dispatch.offer(canister)
    assert [robot.job for robot in robots] == [*canisters, None]
    dispatch.take(robots[0])
    more = [Canister(ready, ferry.trips["alder"], k, 2000, 2) for k, ready in enumerate((9.0, 7.0, 8.0, 1.0))]
    for canister in more:
        dispatch.offer(canister)
    assert [robot.job for robot in robots] == [more[1], canisters[1], more[0]]
    assert [dispatch.take(robots[0]) for _ in range(3)] == [more[3], more[2], None]
