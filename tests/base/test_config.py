# SPDX-License-Identifier: Apache-2.0
"""Settings: what builds, what is refused and with which words, and that plain data and back is the same setting."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stope.base.config import (
    as_dict,
    build,
    check_finite,
    check_fraction,
    check_multiple,
    check_not_negative,
    check_positive,
    content_hash,
    override,
    read_toml,
)
from stope.base.errors import ConfigError, FileError


@dataclass(frozen=True, kw_only=True, slots=True)
class Leg:
    """An inner setting."""

    distance: float = 5.0
    num_legs: int = 3
    mode: Literal["hop", "crawl"] = "hop"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trip:
    """A setting with every kind of field the package uses."""

    name: str
    leg: Leg = field(default_factory=Leg)
    edges: tuple[float, ...] = (0.0, 1.0)
    point: tuple[float, float, float] = (0.0, 0.0, 0.0)
    is_dry: bool = False
    limit: float | None = None
    log: Path = Path("log.csv")
    share: dict[str, float] = field(default_factory=dict)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TRIPS = st.builds(
    Trip,
    name=st.text(),
    leg=st.builds(Leg, distance=FLOATS, num_legs=st.integers(-(2**40), 2**40), mode=st.sampled_from(["hop", "crawl"])),
    edges=st.lists(FLOATS, max_size=4).map(tuple),
    point=st.tuples(FLOATS, FLOATS, FLOATS),
    is_dry=st.booleans(),
    limit=st.none() | FLOATS,
    log=st.sampled_from([Path("a/b.csv"), Path("/tmp/x")]),
    share=st.dictionaries(st.text(min_size=1), FLOATS, max_size=3),
)


@given(trip=TRIPS)
def test_a_setting_written_as_plain_data_builds_the_same_setting(trip: Trip) -> None:
    again = build(Trip, as_dict(trip), where="t")
    assert again == trip
    assert content_hash(again) == content_hash(trip)


def test_defaults_fill_what_is_not_said_and_whole_numbers_pass_as_numbers() -> None:
    trip = build(Trip, {"name": "x", "leg": {"distance": 3}}, where="t")
    assert trip == Trip(name="x", leg=Leg(distance=3.0))
    assert isinstance(trip.leg.distance, float)


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, r"^t: field 'name' is missing\.$"),
    ({"name": "x", "legg": {}}, r"^t: field 'legg' is unknown\. Closest: 'leg'\. Known: name, leg, edges, "),
    ({"name": "x", "zzz": 1}, r"^t: field 'zzz' is unknown\. Known: name"),
    ({"name": "x", "leg": {"speed": 1}}, r"^t\.leg: field 'speed' is unknown\."),
    ({"name": "x", "leg": 3}, r"^t: field 'leg' = 3: expected a table\.$"),
    ({"name": 7}, r"^t: field 'name' = 7: expected str\.$"),
    ({"name": "x", "is_dry": 1}, r"^t: field 'is_dry' = 1: expected bool\.$"),
    ({"name": "x", "leg": {"num_legs": 2.0}}, r"^t\.leg: field 'num_legs' = 2\.0: expected int\.$"),
    ({"name": "x", "leg": {"num_legs": True}}, r"^t\.leg: field 'num_legs' = True: expected int\.$"),
    ({"name": "x", "leg": {"distance": True}}, r"^t\.leg: field 'distance' = True: expected a finite number\.$"),
    ({"name": "x", "leg": {"distance": "5"}}, r"^t\.leg: field 'distance' = '5': expected a finite number\.$"),
    ({"name": "x", "leg": {"distance": math.nan}}, r"^t\.leg: field 'distance' = nan: expected a finite number\.$"),
    ({"name": "x", "leg": {"distance": math.inf}}, r"^t\.leg: field 'distance' = inf: expected a finite number\.$"),
    ({"name": "x", "leg": {"mode": "fly"}}, r"^t\.leg: field 'mode' = 'fly': expected one of 'hop', 'crawl'\.$"),
    ({"name": "x", "edges": 1.0}, r"^t: field 'edges' = 1\.0: expected a list\.$"),
    ({"name": "x", "edges": [0.0, math.nan]}, r"^t: field 'edges' = nan: expected a finite number\.$"),
    ({"name": "x", "point": [1.0, 2.0]}, r"^t: field 'point' = \[1\.0, 2\.0\]: expected 3 entries\.$"),
    ({"name": "x", "share": [1]}, r"^t: field 'share' = \[1\]: expected a table\.$"),
    ({"name": "x", "limit": "much"}, r"^t: field 'limit' = 'much': expected a finite number\.$"),
]


@pytest.mark.parametrize(("data", "text"), FAULTS, ids=[str(k) for k in range(len(FAULTS))])
def test_what_does_not_fit_is_refused_in_one_line_that_names_the_field(data: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        build(Trip, data, where="t")
    assert "\n" not in str(caught.value)


def test_overrides_reach_inner_fields_and_leave_the_rest() -> None:
    trip = Trip(name="x", edges=(1.0, 2.0))
    assert override(trip, []) == trip
    changed = override(trip, ["leg.distance=30", "name=far away", "edges=[0, 2.5]", "leg.mode='crawl'", "is_dry=true"])
    expected = Trip(name="far away", edges=(0.0, 2.5), leg=Leg(distance=30.0, mode="crawl"), is_dry=True)
    assert changed == expected
    assert trip.leg.distance == 5.0


@pytest.mark.parametrize(
    ("assignment", "text"),
    [
        ("leg.distance", r"^--set 'leg\.distance': expected field=value\.$"),
        ("leg.range=3", r"^--set leg\.range: no such field\. Known: distance, num_legs, mode\.$"),
        ("foot.range=3", r"^--set foot\.range: no such field\. Known: name, leg, "),
        ("name.x=3", r"^--set name\.x: no such field\. Known: name, leg, "),
        ("leg.distance=nan", r"^--set\.leg: field 'distance' = nan: expected a finite number\.$"),
        ("leg.distance=far", r"^--set\.leg: field 'distance' = 'far': expected a finite number\.$"),
    ],
)
def test_an_override_that_cannot_be_says_what_is_known(assignment: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        override(Trip(name="x"), [assignment])


def test_the_content_hash_sees_every_number_and_not_the_order_of_keys() -> None:
    assert content_hash({"a": 1, "b": 2.5}) == content_hash({"b": 2.5, "a": 1})
    assert content_hash(Trip(name="x")) != content_hash(Trip(name="x", leg=Leg(distance=5.000000000000001)))
    assert len(content_hash({})) == 16


def test_a_number_that_is_not_finite_has_no_content_hash() -> None:
    with pytest.raises(ConfigError, match=r"^content_hash: .*: expected plain data with finite numbers\.$"):
        content_hash({"a": math.nan})


@dataclass(frozen=True)
class Numbers:
    """A holder for the checks."""

    x: float
    y: float = 0.5


@pytest.mark.parametrize(
    ("check", "good", "bad", "rule"),
    [
        (check_positive, [1e-300, 1], [0.0, -1.0, math.nan, math.inf], "more than 0"),
        (check_not_negative, [0.0, 3], [-1e-300, math.nan, math.inf], "0 or more"),
        (check_finite, [0.0, -5], [math.nan, -math.inf], "a finite number"),
        (check_fraction, [0, 1, 0.5], [-1e-9, 1.0000001, math.nan], "a fraction from 0 to 1"),
    ],
)
def test_each_check_passes_what_fits_and_names_what_does_not(
    check: Any,
    good: list[float],
    bad: list[float],
    rule: str,
) -> None:
    for value in good:
        check(Numbers(value), "x", "y")
    for value in bad:
        with pytest.raises(ConfigError, match=rf"^Numbers\.x = {value}: expected {rule}\.$"):
            check(Numbers(value), "y", "x")


def test_a_step_must_divide_its_period() -> None:
    check_multiple(Numbers(0.2, 0.05), whole="x", part="y")
    with pytest.raises(ConfigError, match=r"^Numbers\.y = 0\.03 does not divide x = 0\.5\.$"):
        check_multiple(Numbers(0.5, 0.03), whole="x", part="y")


def test_a_toml_that_is_missing_or_broken_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.toml: no such file\.$"):
        read_toml(tmp_path / "none.toml")
    path = tmp_path / "x.toml"
    path.write_text("a = [1,\n")
    with pytest.raises(FileError, match=r"x\.toml: not TOML \(.*end of document.*\)\.$"):
        read_toml(path)
    path.write_bytes(b"a = '\xff'\n")
    with pytest.raises(FileError, match=r"x\.toml: not TOML \(.*\)\.$"):
        read_toml(path)
    path.write_text("a = 1\n[b]\nc = 2.5\n")
    assert read_toml(str(path)) == {"a": 1, "b": {"c": 2.5}}
