# SPDX-License-Identifier: Apache-2.0
"""A month that is kept: killed anywhere it ends the same; its journal only grows; its moments can be played again."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import ConfigError, FileError, RangeError
from stope.base.files import write_atomic
from stope.base.units import DAY
from stope.fleet.mission import kept
from stope.fleet.mission.kernels.columns import SKILLS, Count
from stope.fleet.mission.month import Player, close_books
from stope.fleet.mission.scenario import Fault
from tests.fleet.mission.builders import month, tables

PILOTS = {skill: f"{i:016x}" for i, skill in enumerate(SKILLS, start=1)}
pytestmark = pytest.mark.slow  # the engine takes a minute to compile


@pytest.mark.slow
@pytest.mark.parametrize("dispatch", ["shortest-queue", "assignment"])
def test_killed_at_fifty_points_a_month_ends_with_the_same_hash(dispatch: str) -> None:
    scenario, records = month(f"dispatch='{dispatch}'", days=1.0, robots=20), tables()
    whole = Player(scenario, records, seed=1)
    whole.advance(whole.end)
    wanted = close_books(whole).digest
    for t in np.random.default_rng(1).uniform(0.0, whole.end, 50):
        first = Player(scenario, records, seed=1)
        first.advance(float(t))
        second = Player(scenario, records, seed=1)
        kept.restore(second, kept.snapshot(first), where="test")
        second.advance(second.end)
        assert close_books(second).digest == wanted


@pytest.mark.slow
def test_kept_month_killed_between_any_two_files_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, records = month(days=3.0, robots=20), tables()
    wanted = kept.keep_month(scenario, records, tmp_path / "whole", seed=1, policies=PILOTS)
    left = 0

    def dying(path: Path, data: bytes) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        write_atomic(path, data)

    monkeypatch.setattr(kept, "write_atomic", dying)
    found, kills = None, 0
    while found is None and kills < 20:
        left = 1 + kills % 2  # killed after the activities, then after the checkpoint of every day
        try:
            found = kept.keep_month(scenario, records, tmp_path / "cut", seed=1, policies=PILOTS)
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 4
    assert found == wanted
    rows = [sqlite3.connect(tmp_path / d / "journal.sqlite").execute("SELECT * FROM journal").fetchall()
            for d in ("whole", "cut")]  # fmt: skip
    assert rows[0] == rows[1]
    assert {r[3] for r in rows[0]} == {"command", "refusal", "decision"}


def test_journal_names_cause_state_and_the_policy_that_flies_each_command(tmp_path: Path) -> None:
    scenario = replace(month("plant.patience=1800", days=1.5, robots=30),
                       faults=(Fault(kind="brain-down", at_d=0.5, hours=3.0, share=0.0),))  # fmt: skip
    kept.keep_month(scenario, tables(), tmp_path, seed=1, policies=PILOTS)
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        rows = db.execute("SELECT day, kind, what, robot, cause, inputs, policy, time FROM journal").fetchall()
        flown = dict(db.execute("SELECT DISTINCT what, policy FROM journal WHERE kind = 'command'").fetchall())
    db.close()
    assert all(cause for _, _, _, _, cause, _, _, _ in rows)
    for day in (0, 1):
        state = hashlib.sha256((tmp_path / f"checkpoints/day-{day:04d}.npz").read_bytes()).hexdigest()[:16]
        assert {r[5] for r in rows if r[0] == day} == {state}
    assert flown == {"fetch": "", "bring": "", "deposit": "", "anchor": PILOTS["anchor"], "dig": PILOTS["dig"],
                     "load": PILOTS["dock"], "unload": PILOTS["haul"], "prospect": PILOTS["hop"]} | (
                         {"repair": PILOTS["capture"]} if "repair" in flown else {})  # fmt: skip
    assert [(r[2], r[7]) for r in rows if r[1] == "fault"] == [("brain-down begins", 0.5 * DAY)]
    safe = {r[3] for r in rows if r[1] == "refusal" and r[2] == "safe"}
    assert len(safe) > 20  # the whole fleet, but for who worked through it
    assert {r[2] for r in rows if r[1] == "decision"} <= {"stop waiting", "dig another cell", "assign"}
    # The last day's journal has what was still under way: every robot is in it.
    assert {r[3] for r in rows if r[0] == 1} >= set(range(20))


def test_journal_cannot_be_changed(tmp_path: Path) -> None:
    journal = kept.Journal(tmp_path / "j.sqlite")
    row = (0.0, "command", "fetch", 1, 0, "free", "inputs", "policy")
    journal.add(0, [row])
    journal.add(0, [row])
    assert journal.count() == 1
    journal.close()
    with sqlite3.connect(tmp_path / "j.sqlite") as db:
        for sql in ("UPDATE journal SET time = 1", "DELETE FROM journal"):
            with pytest.raises(sqlite3.IntegrityError, match="append only"):
                db.execute(sql)
    db.close()


def test_a_moment_is_played_again_and_its_activities_can_be_asked(tmp_path: Path) -> None:
    scenario, records = month(days=2.0, robots=20), tables()
    kept.keep_month(scenario, records, tmp_path, seed=1)
    state = kept.replay(scenario, records, tmp_path, 1.4 * DAY, seed=1)
    straight = Player(scenario, records, seed=1)
    straight.advance(1.4 * DAY)
    assert state["counts"]["mined"] == int(straight.world.counts[Count.MINED])
    with pytest.raises(RangeError, match="expected 0 to 2 d"):
        kept.replay(scenario, records, tmp_path, 3.0 * DAY, seed=1)
    with pytest.raises(FileError, match="holds no month of this scenario"):
        kept.replay(scenario, records, tmp_path, DAY, seed=2)
    with pytest.raises(ConfigError, match="another configuration"):
        kept.keep_month(scenario, records, tmp_path, seed=2)
    pytest.importorskip("duckdb")
    _, rows = kept.query(tmp_path, "SELECT sum(mass_g) FROM activities WHERE activity = 'dig'")
    result = kept.keep_month(scenario, records, tmp_path, seed=1)
    assert int(rows[0][0]) == result["counts"]["mined"]
    with pytest.raises(RangeError, match="query"):
        kept.query(tmp_path, "SELECT * FROM read_csv('/etc/passwd')")
    with pytest.raises(RangeError, match="found no statement"):
        kept.query(tmp_path, " ")
    _, rows = kept.query(tmp_path, "SELECT 'NaN'::DOUBLE, [1.0, 'inf'::DOUBLE], 2")
    assert kept.as_json(rows) == [[None, [1.0, None], 2]]


def test_a_cut_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    player = Player(month(days=1.0, robots=20), tables(), seed=1)
    with pytest.raises(FileError, match=r"c\.npz: not a whole checkpoint"):
        kept.restore(player, kept.snapshot(player)[:-500], where="c.npz")
