# SPDX-License-Identifier: Apache-2.0
"""Faults of a month: each costs what it should, ends as if it had not been, and is refused where it could do nothing.

How failures that fleets see are injected: robot lost `robots-lost`; stuck tool `tools-stuck`; slipped anchor
`skill-fails` of `anchor`; weak battery `batteries-weak`; dirty array and dust `dust`; sensor bias `grade-bias`;
observations that are no numbers, wrong policy version, slow inference `skill-refused`; success down `skill-fails`; tail
of durations `skill-slow`; plant outage `units-down`; landslide `landslide`; site server killed `brain-down`; relay lost
and blackout `blackout`; delay jump `delay`; messages that expire `answers-lost`. Cut files and killed processes are in
`test_kept.py` and `tests/fleet/test_brain_faults.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from stope.base.errors import ConfigError
from stope.base.units import DAY, HOUR
from stope.fleet.mission import kept
from stope.fleet.mission.faults import FACTORS, strikes
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import Count, Kind, Phase
from stope.fleet.mission.month import Month, Player, close_books
from stope.fleet.mission.scenario import Fault, MonthScenario, load_month
from tests.fleet.mission.builders import month, tables

KINDS = get_args(get_type_hints(Fault)["kind"])


def fault(kind: str, **settings: Any) -> Fault:
    usual = {"at_d": 0.25, "hours": 24.0, "share": 0.5, "skill": "dig" if kind.startswith("skill-") else ""}
    return Fault(**({"kind": kind} | usual | settings))  # type: ignore[arg-type]


def struck(*faults: Fault, scenario: MonthScenario | None = None) -> MonthScenario:
    return replace(scenario or month("failing.mtbf_h=60", "link.autonomy='E2'", robots=100), faults=faults)


def ended(scenario: MonthScenario) -> tuple[Player, Month]:
    player = Player(scenario, tables(), seed=1)
    player.advance(player.end)
    return player, close_books(player)  # the books close under every fault


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_changes_the_month_and_the_books_still_close(kind: str) -> None:
    share = 1.0 if kind == "spares-lost" else 0.5  # half of the spares last for two days
    whole, month_struck = ended(struck())[1], ended(struck(fault(kind, share=share)))[1]
    assert month_struck.digest != whole.digest


@pytest.mark.parametrize(("kind", "figure", "settings"), [
    ("robots-lost", "mined_t", {}), ("tools-stuck", "mined_t", {}), ("units-down", "ore_t", {"share": 1.0}),
    ("landslide", "ore_t", {"share": 1.0}), ("dust", "mined_t", {"share": 1.0}), ("dig-down", "mined_t", {}),
    ("batteries-weak", "mined_t", {"share": 0.9}), ("skill-fails", "mined_t", {"skill": "anchor"}),
    ("skill-fails", "mined_t", {"skill": "dig"}), ("skill-slow", "mined_t", {"share": 1.0}),
    ("skill-refused", "mined_t", {}), ("skill-refused", "ore_t", {"skill": "dock"}), ("brain-down", "mined_t", {}),
    ("blackout", "available_share", {"hours": 40.0}), ("delay", "available_share", {"share": 1.0}),
    ("answers-lost", "available_share", {"share": 0.9}),
])  # fmt: skip
def test_a_fault_costs_what_it_strikes(kind: str, figure: str, settings: dict[str, Any]) -> None:
    whole, month_struck = ended(struck())[1], ended(struck(fault(kind, **settings)))[1]
    assert month_struck.figures[figure] < whole.figures[figure]


def test_a_lost_server_stops_every_robot_and_they_go_on_when_it_is_back() -> None:
    player = Player(struck(fault("brain-down", hours=6.0)), tables(), seed=1)
    player.advance(0.25 * DAY + 5.9 * HOUR)
    robots = player.world.whole[:, k.KIND] != Kind.UNIT
    works = np.isin(player.world.whole[robots, k.PHASE], (Phase.ANCHOR, Phase.DIG, Phase.LEG_OUT, Phase.PROSPECT))
    mined = int(player.world.counts[Count.MINED])
    assert not works.any()
    assert (player.world.whole[robots, k.PHASE] == Phase.SAFE).mean() > 0.5
    player.advance(player.end)
    assert player.world.counts[Count.MINED] > mined
    assert not (player.world.whole[:, k.PHASE] == Phase.SAFE).any()


def test_faults_that_overlap_multiply_and_leave_nothing_behind() -> None:
    scenario = struck(*(fault("dust", at_d=0.1 * i, share=s, hours=6.0) for i, s in ((1, 0.3), (2, 1.0), (3, 0.7))))
    player = Player(scenario, tables(), seed=1)
    seen = {}
    for day in (0.15, 0.25, 0.355, 0.5, 0.6):
        player.advance(day * DAY)
        seen[day] = float(player.world.constants[k.DUST])
    # From days 0.1, 0.2, 0.3 for a quarter of a day each.
    assert seen == {0.15: pytest.approx(0.7), 0.25: 0.0, 0.355: 0.0, 0.5: pytest.approx(0.3), 0.6: 1.0}


@pytest.mark.parametrize("kind", sorted(FACTORS))
def test_when_a_fault_is_over_the_world_is_as_it_was(kind: str) -> None:
    player = Player(struck(fault(kind, hours=5.0)), tables(), seed=1)
    before = player.world.constants.copy()
    player.advance(0.3 * DAY)
    assert (player.world.constants != before).sum() == 1
    player.advance(player.end)
    assert (player.world.constants == before).all()


def test_a_landslide_loses_the_piles_and_closes_the_pits() -> None:
    player = Player(struck(fault("landslide", share=1.0, hours=12.0)), tables(), seed=1)
    player.advance(0.25 * DAY - 1.0)
    piled, lost = int(player.world.pits[:, k.PILE].sum()), int(player.world.counts[Count.LOST])
    player.advance(0.25 * DAY + 1.0)
    assert player.world.counts[Count.LOST] >= lost + 0.9 * piled > lost
    player.advance(0.25 * DAY + 11.0 * HOUR)
    digs = (player.world.whole[:, k.KIND] == Kind.EXCAVATOR) & np.isin(player.world.whole[:, k.PHASE],
                                                                        (Phase.ANCHOR, Phase.DIG))  # fmt: skip
    assert not digs.any()


def test_a_fault_by_rate_comes_as_often_as_it_says_and_strikes_others_each_time() -> None:
    scenario = struck(fault("robots-lost", at_d=0.0, share=0.1, every_d=0.5), scenario=month(days=200.0))
    num = len(strikes(scenario, seed=1, replicate=0))
    assert abs(num - 400) < 3.0 * 400**0.5  # a Poisson number: one in 370 seeds is farther out
    player = Player(struck(fault("robots-lost", at_d=0.2, share=0.2, every_d=0.3)), tables(), seed=1)
    player.advance(player.end)
    assert player.world.counts[Count.ROBOTS_LOST] > 0.5 * (player.world.whole[:, k.KIND] != Kind.UNIT).sum()


def test_a_month_with_faults_goes_on_after_a_kill_to_the_same_hash() -> None:
    scenario = struck(fault("dust"), fault("skill-fails", at_d=0.5), fault("landslide", at_d=0.7),
                      fault("brain-down", at_d=1.0, hours=3.0))  # fmt: skip
    wanted = ended(scenario)[1].digest
    for day in (0.3, 0.75, 1.05, 1.3):
        first, second = (Player(scenario, tables(), seed=1) for _ in range(2))
        first.advance(day * DAY)
        kept.restore(second, kept.snapshot(first), where="test")
        second.advance(second.end)
        assert close_books(second).digest == wanted


@pytest.mark.parametrize(("changed", "scenario", "why"), [
    ({"kind": "dust", "hours": 0.0}, month(), "hours = 0"), ({"kind": "dust", "share": 0.0}, month(), "share = 0"),
    ({"kind": "dust", "at_d": 9.0}, month(), "after the end"),
    ({"kind": "dust", "hours": 0.1}, month(), "over before the dispatcher's next look"),
    ({"kind": "dust", "at_d": 1.999}, month(), "after the dispatcher's last look"),
    ({"kind": "blackout"}, month(), "nothing waits for Earth"), ({"kind": "delay"}, month(), "nothing waits for Earth"),
    ({"kind": "answers-lost"}, month(), "nothing waits for Earth"),
    ({"kind": "delay"}, month("link.autonomy='E1'", "link.light_time=0"), "light_time is 0"),
    ({"kind": "robots-lost", "share": 1e-4}, month(), "robots is less than one"),
    ({"kind": "tools-stuck", "share": 1e-4}, month(), "excavators is less than one"),
    ({"kind": "units-down", "share": 0.1}, month(), "units is less than one"),
    ({"kind": "landslide", "share": 0.1}, month(), "pits is less than one"),
    ({"kind": "grade-bias"}, month("fleet.prospectors=0"), "no prospectors"),
    ({"kind": "grade-bias"}, month("ground.cells=1"), "one cell"),
    ({"kind": "skill-slow", "skill": "hop"}, month("fleet.prospectors=0"), "no prospectors"),
    ({"kind": "spares-lost"}, month("failing.spare_share=0"), "no spares"),
])  # fmt: skip
def test_a_fault_without_effect_is_refused(changed: dict[str, Any], scenario: MonthScenario, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"faults\[0\] '{changed['kind']}': .*{why}"):
        struck(fault(**changed), scenario=scenario)


def test_a_skill_is_named_where_a_skill_is_struck_and_nowhere_else() -> None:
    for kind, skill in (("skill-fails", ""), ("dust", "dig")):
        with pytest.raises(ConfigError, match="expected a skill for skill-fails"):
            fault(kind, skill=skill)


def test_the_fault_of_the_documentation_is_read(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    page = (root / "docs/explanation/fleet-month.md").read_text(encoding="utf-8")
    text = (root / "src/stope/fleet/months/ryugu-month.toml").read_text(encoding="utf-8")
    path = tmp_path / "month.toml"
    path.write_text(text + "\n" + page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    (found,) = load_month(path).faults
    assert (found.kind, found.skill, found.every_d) == ("skill-fails", "anchor", 5.0)


@pytest.mark.parametrize("dispatch", ["assignment", "nearest"])
def test_excavators_that_waited_for_room_go_on_after_a_landslide(dispatch: str) -> None:
    scenario = month("fleet.haulers=2", f"dispatch={dispatch}", robots=100, days=6.0)
    player, _ = ended(struck(fault("landslide", at_d=3.0, hours=1.0, share=1.0), scenario=scenario))
    heads, piles = player.world.pits[:, k.BLOCKED_HEAD], player.world.pits[:, k.PILE]
    waiting = player.world.whole[heads[heads >= 0], k.LOAD]
    assert (piles[heads >= 0] + waiting > player.world.constants[k.PILE_MOST]).all()
    assert piles.max() > 0


def test_units_that_stand_still_keep_their_ore_and_a_repair_that_overlaps_counts_once() -> None:
    quiet = month("failing.mtbf_h=1e9", "failing.unit_mtbf_h=1e9", robots=100, days=1.0)
    outage = [fault("units-down", at_d=1.0, hours=h, share=1.0) for h in (36.0, 72.0)]
    longer = replace(quiet, days=3.0, faults=tuple(outage))
    (_, before), (player, after) = ended(quiet), ended(longer)
    assert before.mass["processed"] > 0
    assert after.mass["processed"] == pytest.approx(before.mass["processed"], abs=5)  # [g], of rounding
    assert after.figures["plant_up_share"] == pytest.approx(1.0 / 3.0)
    assert (player.world.units[:, k.DOWN_UNTIL] == 4.0 * DAY).all()


def test_units_that_nobody_can_repair_take_no_ore_and_their_ore_is_not_processed() -> None:
    none = ("failing.unit_mtbf_h=0.5", "failing.spare_share=1", "failing.spares_per_robot=0")
    for changes in (none, ("failing.unit_mtbf_h=0.5", "link.autonomy='E2'", "link.gaps=0", "link.decision_time=1e7")):
        _, found = ended(month(*changes, robots=100, days=3.0))
        assert found.figures["plant_up_share"] < 0.1
        assert found.mass["processed"] == found.counts["loads"] == 0  # the first load comes after hours
        assert found.times["hauler"]["queue-port"] > 0.0


def test_faults_cannot_be_so_frequent_that_a_month_never_ends() -> None:
    with pytest.raises(ConfigError, match="more often than the dispatcher looks"):
        struck(fault("dust", share=0.1, hours=1.0, every_d=1e-20))
