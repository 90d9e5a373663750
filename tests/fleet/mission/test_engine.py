# SPDX-License-Identifier: Apache-2.0
"""The engine: equal to a plain event loop, books that close, queues that obey their laws, work that can be reckoned.

Fourteen answers that are known, and where each is tested; here, unless a file is named:

| known | test |
| --- | --- |
| 1 mass balance to the gram | `test_mass_is_conserved_to_the_gram`; `close_books` refuses any month without it |
| 2 Little's law | `test_littles_law_holds_at_the_ports`, `..._at_the_pits_and_for_the_maintainers` |
| 3 machine repair | `test_machines_under_repair_are_as_available_as_the_closed_form_says` |
| 4 M/M/c and M/D/1 | `test_queues.py`, in a month and on the kernel that serves in order of arrival |
| 5 one excavator, one hauler | `test_one_excavator_and_one_hauler_do_what_can_be_reckoned_by_hand` |
| 6 below the bound, near it | `test_month_is_never_above_the_bound_and_near_it_where_haulers_abound` |
| 7 windows and heap | `test_engine_gives_what_a_plain_heap_of_events_gives`, to the bit at every window |
| 8 causality | `test_no_answer_comes_before_light_time_twice_and_the_decision`, `test_in_a_whole_month_...` |
| 9 batteries and night | `test_batteries_are_never_negative_and_their_books_close`, `test_no_light_is_gathered_...` |
| 10 without any one or two | `test_without_any_one_or_two_robots_the_month_ends_and_the_books_close`: every pair |
| 11 killed at 50 points | `test_kept.py` |
| 12 bits in every composition | `tests/fleet/test_brain.py`, `tests/fleet/test_brain_faults.py` |
| 13 layered assignment | `test_bank.py` at 400 robots; its speed at 10,000 in `benchmarks/fleet.py` |
| 14 speed beside the heap | `benchmarks/fleet.py`: no test is timed |
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from fleet_heap import HeapMonth, play_heap
from fleet_simpy import play_simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from stope.base.units import DAY, HOUR
from stope.fleet.mission.bound import month_bound
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import Count, Kind, Phase
from stope.fleet.mission.kernels.power import answer_time, gathered, light_time
from stope.fleet.mission.month import Player, close_books, play
from stope.fleet.mission.scenario import Fault, with_changes
from tests.fleet.mission.builders import month, tables


def played(*changes: str, robots: int = 50, days: float = 2.0, window: float = 60.0, seed: int = 1) -> Player:
    player = Player(month(*changes, robots=robots, days=days), tables(), seed=seed, window=window)
    player.advance(player.end)
    return player


NO_PARTS = ("failing.unit_mtbf_h=10", "failing.spare_share=0.5", "failing.spares_per_robot=0")


@pytest.mark.parametrize("changes", [
    ("link.autonomy='E4'",), ("link.autonomy='E1'",), ("dispatch='nearest'",), ("failing.mtbf_h=20",), NO_PARTS,
    (*NO_PARTS, "link.autonomy='E2'"),
])  # fmt: skip
def test_engine_gives_what_a_plain_heap_of_events_gives(changes: tuple[str, ...]) -> None:
    player = played(*changes)
    heap = play_heap(HeapMonth(player.scenario, tables(), seed=1))
    assert {c.name: int(player.world.counts[c]) for c in Count} == {c.name: heap.counts[c.name.lower()] for c in Count}
    ours = player.world.real[:, [k.USED, k.SOLAR, k.CURTAILED]]
    theirs = np.array([(r.used, r.solar, r.curtailed) for r in heap.robots])
    assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-6)  # sums of some thousand terms, in the same order


def test_result_does_not_depend_on_the_window() -> None:
    digests = {close_books(played(window=w)).digest for w in (5.0, 60.0, 3600.0)}
    assert len(digests) == 1


@pytest.mark.slow
def test_simpy_processes_mine_the_same_but_for_rounding_of_their_clock() -> None:
    player = played()
    peer = play_simpy(HeapMonth(player.scenario, tables(), seed=1))
    # SimPy adds up delays, so its times differ in the last bit, and a tie may go the other way.
    assert peer.counts["mined"] == pytest.approx(int(player.world.counts[Count.MINED]), rel=0.01)


@pytest.mark.parametrize(
    "change", ["failing.mtbf_h=20", "digging.pile=300", "plant.leg_loss=0.5", "failing.lost_share=1"]
)
def test_mass_is_conserved_to_the_gram(change: str) -> None:
    for seed in (1, 2):
        mass = close_books(played(change, seed=seed)).mass
        assert mass["mined"] == sum(v for n, v in mass.items() if n != "mined") > 0
        assert all(isinstance(v, int) and v >= 0 for v in mass.values())


def test_batteries_are_never_negative_and_their_books_close() -> None:
    player = played("robots.battery_wh=500")
    energy = close_books(player).energy
    gained, spent = energy["start"] + energy["solar"], energy["used"] + energy["curtailed"] + energy["end"]
    assert gained == pytest.approx(spent, rel=1e-9)
    assert player.world.real[:, k.BATTERY].min() >= 0.0


def test_no_light_is_gathered_at_night_and_the_time_of_an_amount_is_its_inverse() -> None:
    player = played(days=0.1)
    table, spin = player.world.sunlight[0], player.world.constants[k.SPIN]
    dark = np.flatnonzero(np.diff(table) == 0.0)
    assert 0.3 * len(table) < len(dark) < 0.7 * len(table)
    middle = (dark[len(dark) // 2] + 0.5) * spin / (len(table) - 1)
    assert gathered(table, spin, middle + 1.0) == gathered(table, spin, middle)
    for t in np.linspace(0.0, 3.0 * spin, 50):
        amount = gathered(table, spin, t)
        assert gathered(table, spin, light_time(table, spin, amount)) == pytest.approx(amount, abs=1e-3)


@pytest.mark.slow
def test_littles_law_holds_at_the_ports() -> None:
    player = played("plant.power_kw=20", robots=60, days=3.0)
    w, end = player.world, player.end
    waiting = w.whole[:, k.PHASE] == Phase.QUEUE_PORT
    area = w.times[Kind.HAULER, Phase.QUEUE_PORT] + (end - w.real[waiting, k.SINCE]).sum()  # from the book of states
    ahead = (w.real[waiting, k.T_NEXT] - end).sum()  # of those still there, the rest of a wait that is known
    assert w.waits[k.QUEUE_AT_PORT, 2] > 20
    assert area + ahead == pytest.approx(w.waits[k.QUEUE_AT_PORT, 0], rel=1e-9)  # from the book of waits


def test_littles_law_holds_at_the_pits_and_for_the_maintainers() -> None:
    player = played("failing.mtbf_h=20", "failing.lost_share=0", "fleet.maintainers=2", robots=60, days=3.0)
    w, end = player.world, player.end
    assert w.waits[k.QUEUE_AT_PIT, 2] > 20
    assert w.waits[k.QUEUE_FOR_REPAIR, 2] > 20
    # Waits at a pit are booked when they end, as the book of states does.
    assert w.times[Kind.HAULER, Phase.QUEUE_PIT] == pytest.approx(w.waits[k.QUEUE_AT_PIT, 0], rel=1e-9)
    # Waits for a maintainer are known, and booked, when they begin.
    waiting = w.whole[:, k.PHASE] == Phase.QUEUE_REPAIR
    area = w.times[:, Phase.QUEUE_REPAIR].sum() + (end - w.real[waiting, k.SINCE]).sum()
    ahead = (w.real[waiting, k.T_NEXT] - end).sum()
    assert area + ahead == pytest.approx(w.waits[k.QUEUE_FOR_REPAIR, 0], rel=1e-9)


@pytest.mark.slow
def test_machines_under_repair_are_as_available_as_the_closed_form_says() -> None:
    up, repair, machines, repairers = 100.0, 40.0, 6, 2
    scenario = month("fleet.units=6", "fleet.maintainers=2", f"failing.unit_mtbf_h={up}", f"failing.mttr_h={repair}",
                     "failing.mtbf_h=1e9", "failing.spare_share=0", days=1500.0, robots=20)  # fmt: skip
    scenario = with_changes(scenario, [f"fleet.units={machines}", f"fleet.maintainers={repairers}", "tick=86400",
                                       "fleet.excavators=1", "fleet.haulers=1", "fleet.prospectors=0"])  # fmt: skip
    assert scenario.num_yards == 1
    player = Player(scenario, tables(capture=(1.0, 1e-6, 0.0, 0.0), spread=0.0), seed=1)
    player.advance(player.end)
    weights = [1.0]
    for down in range(machines):
        weights.append(weights[-1] * (machines - down) / up / (min(down + 1, repairers) / repair))
    wanted = 1.0 - sum(i * x for i, x in enumerate(weights)) / sum(weights) / machines
    times = player.world.times[Kind.UNIT]
    assert times[Phase.PROCESS] / times.sum() == pytest.approx(wanted, abs=0.03)  # three standard errors of 36,000 h


@pytest.mark.parametrize(("skill", "kind"), [("ANCHOR", Kind.EXCAVATOR), ("DIG", Kind.EXCAVATOR),
                                             ("HOP", Kind.PROSPECTOR)])  # fmt: skip
def test_a_measured_loss_loses_the_robot_in_the_engine_and_in_the_heap(skill: str, kind: Kind) -> None:
    scenario = month("failing.mtbf_h=1e9", "plant.leg_loss=0")
    records = tables()
    records.of(k.Skill[skill])[:2, 0] = -1.0  # of 60; a month draws many
    player = Player(scenario, records, seed=1)
    player.advance(player.end)
    lost = player.world.whole[:, k.PHASE] == Phase.LOST
    assert lost.any()
    assert set(player.world.whole[lost, k.KIND].tolist()) == {int(kind)}
    heap = play_heap(HeapMonth(scenario, records, seed=1))
    assert lost.sum() == heap.counts["robots_lost"] == close_books(player).counts["robots_lost"]
    assert player.world.counts[Count.MINED] == heap.counts["mined"]


def quiet(*changes: str, days: float) -> Player:
    """Nothing varies, nobody fails, nothing is dark to the point of stopping."""
    still = ("failing.mtbf_h=1e9", "failing.unit_mtbf_h=1e9", "plant.leg_success=1", "digging.wear=0", "link.gaps=0",
             "robots.hot_limit=1000", "robots.battery_wh=100000", "ground.grade_spread=0")  # fmt: skip
    sure = {n: (1.0, d, e, m) for n, (d, e, m) in {
        "anchor": (100.0, 0.0, 0.0), "dig": (100.0, 0.0, 5.0), "dock": (50.0, 0.0, 0.0), "haul": (50.0, 0.0, 0.0),
        "hop": (1000.0, 0.0, 0.0), "capture": (10.0, 0.0, 0.0)}.items()}  # fmt: skip
    scenario = month(*still, days=days)
    player = Player(with_changes(scenario, list(changes)), tables(spread=0.0, n=60, **sure), seed=1)
    player.advance(player.end)
    return player


ALONE = ("fleet.excavators=1", "fleet.haulers=1", "fleet.prospectors=0", "fleet.maintainers=1", "fleet.units=1",
         "ground.pits_per_yard=1", "plant.patience=1e9")  # fmt: skip


def test_one_excavator_and_one_hauler_do_what_can_be_reckoned_by_hand() -> None:
    player = quiet(*ALONE, days=2.0)
    d = player.scenario.digging
    dig = 100.0 + 3 * (100.0 + d.dump_time) + d.move_time  # anchor, three fillings, move: 15 kg
    deposit = 7 * dig + d.deposit_time  # after seven digs 105 kg are more than the hopper's 100
    num, rest = divmod(2.0 * DAY - 60.0, deposit)  # everybody begins within the first minute
    digs = 7 * num + min(7, rest // dig)
    assert close_books(player).mass["mined"] == 15000 * digs
    assert player.world.counts[Count.DEPOSITS] == num
    # A hauler is faster than an excavator, so it takes every load of 100 kg, and brings all but the last.
    there_and_back = 2.0 * float(player.world.leg_time[0, 0]) + 2 * 50.0 + 600.0
    assert there_and_back < deposit
    assert num - 1 <= player.world.counts[Count.LOADS] <= num


@pytest.mark.slow
def test_month_is_never_above_the_bound_and_near_it_where_haulers_abound() -> None:
    many = ("fleet.excavators=10", "fleet.haulers=200", "fleet.units=10", "fleet.maintainers=1", "fleet.prospectors=0",
            "ground.pits_per_yard=1")  # fmt: skip
    for dispatch in ("shortest-queue", "assignment"):
        player = quiet(*many, f"dispatch='{dispatch}'", days=20.0)
        sure = tables(spread=0.0, anchor=(1.0, 100.0, 0.0, 0.0), dig=(1.0, 100.0, 0.0, 5.0),
                      dock=(1.0, 50.0, 0.0, 0.0), haul=(1.0, 50.0, 0.0, 0.0))  # fmt: skip
        bound = month_bound(player.scenario, sure)
        ore = close_books(player).figures["ore_t"]
        assert 0.98 * bound["all"] < ore <= bound["all"]


@settings(max_examples=100, deadline=None)
@given(
    spans=st.lists(st.tuples(st.floats(0.0, 1e6), st.floats(1.0, 1e5)), min_size=1, max_size=20),
    t=st.floats(0.0, 1e6), light=st.floats(0.0, 2000.0), decision=st.floats(0.0, 1e5),
)  # fmt: skip
def test_no_answer_comes_before_light_time_twice_and_the_decision(
    spans: list[tuple[float, float]], t: float, light: float, decision: float
) -> None:
    edges = np.cumsum(np.array(spans).ravel())
    contact = edges.reshape(-1, 2)
    answer = answer_time(contact, t, light, decision)
    assert answer >= t + 2.0 * light + decision
    if math.isfinite(answer):
        assert ((contact[:, 0] <= answer) & (answer < contact[:, 1])).any()


@settings(max_examples=25, deadline=None)
@given(
    autonomy=st.sampled_from(["E1", "E2", "E3"]), light=st.floats(1.0, 2000.0), decision=st.floats(0.0, 7200.0),
    contact=st.floats(2.0, 24.0), gaps=st.floats(0.0, 4.0), fault=st.sampled_from(["", "delay", "answers-lost"]),
    window=st.sampled_from([5.0, 60.0, 3600.0]), seed=st.integers(0, 1000),
)  # fmt: skip
def test_in_a_whole_month_nothing_acts_on_what_it_cannot_know_yet(
    autonomy: str, light: float, decision: float, contact: float, gaps: float, fault: str, window: float, seed: int
) -> None:
    """Delays, gaps, answers lost, windows that could reorder: answers are late enough, what is loaded was dug first."""
    scenario = month(f"link.autonomy='{autonomy}'", f"link.light_time={light}", f"link.decision_time={decision}",
                     f"link.contact_h={contact}", f"link.gaps={gaps}", "failing.mtbf_h=20", robots=20)  # fmt: skip
    if fault:
        scenario = replace(scenario, faults=(Fault(kind=fault, at_d=0.2, hours=24.0, share=0.5),))
    logged: list[np.ndarray] = []
    player = Player(scenario, tables(), seed=seed, window=window, log_rows=20_000,
                    on_log=lambda w, _: logged.append(w.log[: w.clock[2]].copy()))  # fmt: skip
    player.advance(player.end)
    robot, phase, since, until, _, mass, _, pit = np.concatenate(logged).T
    for each in np.unique(robot):
        mine = np.flatnonzero(robot == each)
        assert np.array_equal(until[mine][:-1], since[mine][1:]), "one thing after the other, and nothing left out"
    waits = phase == Phase.WAIT_EARTH
    assert (until - since)[waits & np.isfinite(until)].min(initial=np.inf) >= 2.0 * light + decision - 1e-6
    for each in np.unique(pit[phase == Phase.LOAD]):
        dug, taken = ((phase == p) & (pit == each) for p in (Phase.DIG, Phase.LOAD))
        order = np.argsort(np.concatenate([until[dug], since[taken]]), kind="stable")  # what is dug first, on a tie
        pile = np.cumsum(np.concatenate([mass[dug], -mass[taken]])[order])
        assert pile.min() >= 0


def test_months_of_the_same_seed_are_the_same_and_of_another_are_not() -> None:
    one, again, other = (play(month(), tables(), seed=s).digest for s in (1, 1, 2))
    assert one == again != other


@pytest.mark.slow
def test_delay_costs_ore_when_every_cycle_waits_for_earth() -> None:
    alone, asked = (close_books(played(f"link.autonomy='{a}'", days=4.0)).figures for a in ("E4", "E1"))
    assert asked["mined_t"] < 0.5 * alone["mined_t"]
    assert alone["asked_earth"] == 0.0 < asked["asked_earth"]


@pytest.mark.slow
@pytest.mark.parametrize("lost", [*combinations(range(12), 1), *combinations(range(12), 2)])
def test_without_any_one_or_two_robots_the_month_ends_and_the_books_close(lost: tuple[int, ...]) -> None:
    player = Player(month(robots=14, days=1.0), tables(), seed=1)
    player.world.whole[list(lost), k.DOOMED] = 1
    player.advance(player.end)
    found = close_books(player)
    assert found.counts["robots_lost"] == sum(player.world.whole[i, k.KIND] != Kind.UNIT for i in lost)
    assert sum(sum(p.values()) for p in found.times.values()) == pytest.approx(
        len(player.world.whole) * player.end / HOUR
    )
