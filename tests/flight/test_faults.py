# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a log is told: drop-outs, jumps, reversed time, swapped units and frames; fuzzed."""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stope.base.errors import FlightError
from stope.base.seeding import generator
from stope.flight.faults import find_faults
from stope.flight.formats import FORMATS, export_log, read_log
from stope.flight.formats.stope_log import pack_log, unpack_log
from stope.flight.log import MOST_SAMPLES, Channel, FlightLog, LogHead, check_log
from tests.flight.log_builders import by_hand, turn_by_wheels, write_lelar

RATE = np.array([0.03, -0.02, 0.05])


def spinning(num: int = 60, *, period: float = 1.0) -> FlightLog:
    """Attitude and rates of a body that turns at RATE about a fixed axis: q = (cos, axis sin) of half the angle."""
    time = period * np.arange(num, dtype=np.float64)
    half, axis = 0.5 * np.linalg.norm(RATE) * time, RATE / np.linalg.norm(RATE)
    q = np.column_stack([np.cos(half), np.sin(half)[:, None] * axis])
    wobble = 1.0 + 1e-3 * generator(1, "wobble").normal(size=(num, 3))
    return FlightLog(head=LogHead(name="spin", source="by hand"), channels={
        "rate_b": Channel(kind="measurement", unit="rad/s", frame="b", names=("x", "y", "z"), time=time,
                          values=RATE * wobble),
        "q_ib": Channel(kind="measurement", unit="1", frame="i", names=("w", "x", "y", "z"), time=time, values=q),
    })  # fmt: skip


def changed(log: FlightLog, name: str, **changes: object) -> FlightLog:
    """A log with one channel changed."""
    return replace(log, channels={**log.channels, name: replace(log.channels[name], **changes)})  # type: ignore[arg-type]


def kinds(log: FlightLog) -> set[str]:
    return {fault.kind for fault in find_faults(log)}


def test_a_good_log_has_no_fault() -> None:
    assert find_faults(spinning()) == []


def test_drop_outs_and_jumps_are_counted() -> None:
    log = spinning()
    time = log.channels["rate_b"].time.copy()
    time[30:] += 3.0
    time[50:] += 500.0
    found = {f.kind: f for f in find_faults(changed(log, "rate_b", time=time)) if f.channel == "rate_b"}
    assert (found["drop-outs"].count, found["clock jump"].count) == (1, 1)
    assert "longest 4 s" in found["drop-outs"].text and "largest 501 s" in found["clock jump"].text


def test_repeats_and_clocks_that_go_back_are_told() -> None:
    rate = spinning().channels["rate_b"]
    twice = replace(
        rate, time=np.insert(rate.time, 5, rate.time[5]), values=np.insert(rate.values, 5, rate.values[5], axis=0)
    )
    assert kinds(FlightLog(head=spinning().head, channels={"rate_b": twice})) == {"repeated"}
    back = rate.time.copy()
    back[40:] -= 10.0
    assert "clock backwards" in kinds(changed(spinning(), "rate_b", time=back))
    assert "time reversed" in kinds(changed(spinning(), "rate_b", time=rate.time[::-1].copy()))


def test_a_log_played_backwards_is_told_even_with_a_clock_made_good() -> None:
    log = spinning()
    flipped = {name: replace(c, values=c.values[::-1].copy()) for name, c in log.channels.items()}
    assert kinds(replace(log, channels=flipped)) == {"time reversed"}


def test_swapped_units_and_frames_are_told() -> None:
    log = spinning()
    values = log.channels["rate_b"].values
    assert "units" in kinds(changed(log, "rate_b", values=np.degrees(values)))
    assert "units" in kinds(changed(log, "rate_b", values=100.0 * np.degrees(values)))
    assert "frames" in kinds(changed(log, "rate_b", values=values[:, [1, 2, 0]]))
    q = log.channels["q_ib"].values
    assert "units" in kinds(changed(log, "q_ib", values=1.1 * q))
    assert "not finite" in kinds(changed(log, "rate_b", values=np.where(values > 0.049, math.nan, values)))


def test_a_log_that_cannot_be_kept_is_one_line() -> None:
    log = spinning()
    huge = np.broadcast_to(np.zeros(1), (MOST_SAMPLES, 3))  # takes no memory
    for bad, text in (
        (replace(log, channels={}), "no channel"),
        (changed(log, "rate_b", unit="deg/s"), "unit 'deg/s'"),
        (changed(log, "rate_b", time=np.zeros(3)), "One row for each time"),
        (changed(log, "rate_b", time=np.zeros(0), values=np.zeros((0, 3))), "no sample"),
        (changed(log, "rate_b", time=np.broadcast_to(0.0, MOST_SAMPLES), values=huge), "Cut the log first"),
        (replace(log, head=replace(log.head, robot_minutes=math.inf)), "expected finite numbers"),
    ):
        with pytest.raises(FlightError, match=text) as caught:
            check_log(bad)
        assert "\n" not in str(caught.value)


def test_a_file_that_claims_to_be_huge_is_refused_before_it_takes_memory() -> None:
    data = pack_log(by_hand(12))
    import hashlib  # noqa: PLC0415 -- only here

    body = data[:-32].replace(b'"samples": 12', b'"samples": 999999999999')
    with pytest.raises(FlightError, match="999999999999 samples: expected at most"):
        unpack_log(body + hashlib.sha256(body).digest(), where="f")


def mangle(data: bytes, at: int, what: bytes) -> bytes:
    """Bytes with some of them replaced."""
    at %= max(1, len(data))
    return data[:at] + what + data[at + len(what) :]


def _read_or_refuse(path: Path, name: str) -> None:
    """Reading either gives a log that can be looked at, or one line that names the file."""
    try:
        log = read_log(path, name)
    except FlightError as error:
        assert "\n" not in str(error)
        assert path.name in str(error)
        return
    find_faults(log)


def _fuzz(tmp_path: Path, name: str, at: int, what: bytes) -> None:
    source = tmp_path / f"whole-{name}"
    if name == "lelar":
        if not source.exists():
            write_lelar(source, turn_by_wheels(1, num=12))
        data = (source / "rates.csv").read_bytes()
        target = tmp_path / "bad-lelar"
        target.mkdir(exist_ok=True)
        (target / "rw_speeds.csv").write_bytes((source / "rw_speeds.csv").read_bytes())
        (target / "rates.csv").write_bytes(mangle(data, at, what))
        _read_or_refuse(target, name)
        return
    if not source.exists():
        export_log(by_hand(12), source, name)
    target = tmp_path / "bad"
    target.write_bytes(mangle(source.read_bytes(), at, what))
    _read_or_refuse(target, name)


ANYTHING = {"name": st.sampled_from(["lelar", "mcap", "ros1-bag", "stope-log"]), "at": st.integers(0, 100_000),
            "what": st.binary(min_size=1, max_size=40)}  # fmt: skip
SHARED = (HealthCheck.function_scoped_fixture,)


@settings(max_examples=60, deadline=None, suppress_health_check=SHARED, derandomize=True)
@given(**ANYTHING)
def test_damaged_files_are_refused_or_read_never_a_crash(tmp_path: Path, name: str, at: int, what: bytes) -> None:
    _fuzz(tmp_path, name, at, what)


@pytest.mark.slow
def test_damaged_files_for_an_hour(tmp_path: Path) -> None:
    """STOPE_FUZZ_MINUTES makes it shorter; a failure names the draw, which is then one more example above."""
    end, draw = time.monotonic() + 60.0 * float(os.environ.get("STOPE_FUZZ_MINUTES", "60")), 0
    while time.monotonic() < end:
        rng = generator(draw, "fuzz")
        name = str(rng.choice(["lelar", "mcap", "ros1-bag", "stope-log"]))
        at, what = int(rng.integers(100_000)), rng.bytes(int(rng.integers(1, 41)))
        try:
            _fuzz(tmp_path, name, at, what)
        except Exception as error:  # whatever it is, it fails with the draw that made it
            raise AssertionError(f"draw {draw}: {name}, at {at}, {what!r}") from error
        draw += 1
    assert draw > 0


def test_the_formats_that_are_fuzzed_are_all_that_are_one_file_or_text() -> None:
    assert set(FORMATS) - {"lerobot-v3", "stope-flight"} == {"lelar", "mcap", "ros1-bag", "stope-log"}
