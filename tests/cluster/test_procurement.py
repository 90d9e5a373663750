# SPDX-License-Identifier: Apache-2.0
"""Schedules: known answers, what does not come, what one more batch buys, and files that cannot be."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import ConfigError, FileError
from stope.cluster.procurement import schedule, solve

FILE = """format = "stope-available-1"
start = "2027-01-04"

[[batch]]
name = "first"
system = "h800"
devices = 1024
arrives = "2027-01-04"
supplier = "north"
where = "there"

[[batch]]
name = "second"
system = "dgx-h200"
devices = 2048
arrives = "2027-02-01"
supplier = "south"
where = "here"

[[job]]
job = "dense-405b"
priority = 3.0

[[job]]
job = "stope-contact"
name = "sweep"
priority = 2.0
repeats = 100000
"""


def available(tmp_path: Path, old: str = "", new: str = "", more: str = "") -> Path:
    assert old in FILE
    file = tmp_path / "deliveries.toml"
    file.write_text((FILE.replace(old, new, 1) if old else FILE) + more)
    return file


def one_batch(devices: float, *, priorities: tuple[float, float] = (1.0, 2.0)) -> dict:
    """Two jobs of 40 device-weeks each on one batch, to end in 4 weeks of 10."""
    return solve(rates=np.full((2, 1), 1 / 40), most=np.full((2, 1), 1e9), devices=[devices], windows=[(0, 100)],
                 repeats=[1, 1], priorities=priorities, weeks=4, horizon=10)  # fmt: skip


def test_the_dearer_job_goes_first_and_nothing_is_used_twice() -> None:
    found = one_batch(10.0)
    assert found["ends"] == [8, 4] and found["on_time"] == [False, True]
    assert one_batch(10.0, priorities=(2.0, 1.0))["ends"] == [4, 8]
    assert (found["use"].sum(axis=(0, 1)) <= 10.0 + 1e-6).all()
    assert one_batch(20.0)["on_time"] == [True, True]


def test_a_late_batch_is_used_late_and_a_job_has_its_limit() -> None:
    found = solve(rates=np.array([[1 / 40]]), most=np.array([[5.0]]), devices=[100.0], windows=[(3, 100)], repeats=[1],
                  priorities=[1.0], weeks=4, horizon=20)  # fmt: skip
    assert found["use"][0, 0, :3].sum() == 0.0
    assert found["ends"] == [3 + 8] and found["done"][0] == pytest.approx(5 / 40)


def test_a_file_becomes_days_and_says_what_one_more_buys(tmp_path: Path) -> None:
    found = schedule(available(tmp_path), by="2027-06-28")
    jobs = {row["job"]: row for row in found["jobs"]}
    assert jobs["sweep"]["is_on_time"]
    assert {row["batch"] for row in found["one_more"]} == {"first", "second"}
    assert all(row["days_sooner"] >= -1e-9 for row in found["one_more"])
    assert all(use["week"] >= 4 for use in found["use"] if use["batch"] == "second")


def test_sold_out_quota_and_jurisdiction_change_what_comes(tmp_path: Path) -> None:
    more = '\n[sold_out]\nsouth = "2027-07-05"\n\n[quota]\nh800 = 100\n'
    found = schedule(available(tmp_path, more=more), by="2027-08-30")
    assert all(use["week"] >= 26 for use in found["use"] if use["batch"] == "second")
    assert "quota of h800 leaves 100 of 1024 devices" in found["notes"][0]
    found = schedule(available(tmp_path, more='\n[not_for]\nthere = ["h800"]\n'), by="2027-03-01")
    assert {use["batch"] for use in found["use"]} == {"second"}
    assert "there may not buy h800" in found["notes"][0]


@pytest.mark.parametrize(
    ("old", "new", "more", "text"),
    [
        ("2027-02-01", "soon", "", "arrives = 'soon': expected a day"),
        ("devices = 1024", "devices = 0", "", "devices = 0: expected 1 or more"),
        ("devices = 1024", "devices = 1.5", "", "devices"),
        ('name = "second"', 'name = "first"', "", "expected each once"),
        ("priority = 3.0", "priority = -3.0", "", "expected more than 0"),
        ("priority = 3.0", "prioriti = 3.0", "", "prioriti"),
        ("stope-available-1", "x", "", 'expected "stope-available-1"'),
        ("", "", "[quota]\nh80 = 3\n", "quota: 'h80': expected one of"),
        ("", "", "[quota]\nh800 = -3\n", "quota: h800 = -3: expected 0 or more"),
        ("", "", '[sold_out]\neast = "2027-07-01"\n', "sold_out: 'east': expected one of north, south"),
        ("", "", '[not_for]\nthere = ["h800"]\nhere = ["dgx-h200"]\n', "no batch may be delivered"),
    ],
)
def test_a_file_that_cannot_be_is_refused_in_one_line(tmp_path: Path, old: str, new: str, more: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        schedule(available(tmp_path, old, new, more), by="2027-12-27")
    assert text in str(caught.value)


def test_dates_and_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--by = 'never': expected a day"):
        schedule(available(tmp_path), by="never")
    for by in ("2026-01-01", "2027-01-04", "2027-01-10"):
        with pytest.raises(ConfigError, match="whole weeks after start"):
            schedule(available(tmp_path), by=by)
    with pytest.raises(FileError, match="no such file"):
        schedule(tmp_path / "none.toml", by="2027-01-01")


def test_a_job_that_ends_after_the_day_is_late(tmp_path: Path) -> None:
    file = available(tmp_path, "repeats = 100000", "repeats = 100000000")
    (ends,) = (row["ends"] for row in schedule(file, by="2027-12-27")["jobs"] if row["job"] == "sweep")
    last = dt.date.fromisoformat(ends)
    for days, is_on_time in ((0, True), (3, True), (-1, False)):
        by = (last + dt.timedelta(days=days)).isoformat()
        (row,) = (row for row in schedule(file, by=by)["jobs"] if row["job"] == "sweep")
        assert row["is_on_time"] is is_on_time is (row["ends"] <= by), by
