# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a log: drop-outs, clock jumps, repeated rows, units and frames. Told, never repaired."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stope.flight.log import Channel, FlightLog

__all__ = ["Fault", "find_faults", "nominal_period"]

Floats = NDArray[np.float64]

LONG_GAP = 1.75
"""Of the nominal period: more is a drop-out (chosen between one row and two)."""
JUMP = 100.0
"""Of the nominal period: more is a jump of the clock rather than a drop-out (chosen)."""
NORM_TOLERANCE = 0.01
"""Of a quaternion (chosen: three digits, as LeLaR's)."""
LARGEST_RATE = math.tau
"""Of a robot [rad/s]; more is most often degrees."""
FEWEST_TURNS = 20
"""Pairs of attitudes without which rates are not compared with them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong."""

    channel: str
    kind: str
    """drop-outs, clock jump, clock backwards, time reversed, repeated, not finite, units, frames, or stuck."""
    count: int
    """How many samples or gaps."""
    text: str
    """What was found and what was expected."""


def nominal_period(time: Floats) -> float:
    """Usual time between two samples [s]: the median of the steps forward; NaN without any."""
    step = np.diff(time)
    step = step[np.isfinite(step) & (step > 0.0)]
    return float(np.median(step)) if step.size else math.nan


def find_faults(log: FlightLog) -> list[Fault]:
    """Everything a look at each channel, and at attitude against rates, can tell."""
    out: list[Fault] = []
    for name, channel in log.channels.items():
        out += _clock(name, channel) + _values(name, channel)
    return out + _attitude_against_rates(log)


def _clock(name: str, channel: Channel) -> list[Fault]:
    time, out = channel.time, list[Fault]()

    def add(kind: str, count: int, text: str) -> None:
        if count:
            out.append(Fault(channel=name, kind=kind, count=count, text=text))

    is_bad = ~np.isfinite(time)
    add("not finite", int(is_bad.sum()), "times that are not finite: expected numbers")
    good = time[~is_bad]
    if len(good) < 2:
        return out
    step, period = np.diff(good), nominal_period(good)
    back = int((step < 0.0).sum())
    if back and back >= 0.5 * len(step):
        add("time reversed", back, f"{back} of {len(step)} steps go back: expected time to grow. Is the log reversed?")
    elif back:
        k = int(np.flatnonzero(step < 0.0)[0])
        add("clock backwards", back, f"first by {-step[k]:.4g} s at {good[k]:.4g} s: expected time to grow")
    same = step == 0.0
    twin = np.all(channel.values[~is_bad][1:] == channel.values[~is_bad][:-1], axis=1)
    add("repeated", int((same & twin).sum()), "rows that repeat the one before, time and values")
    add("clock backwards", int((same & ~twin).sum()), "rows with the time of the one before and other values")
    if math.isfinite(period):
        gaps = step[(step > LONG_GAP * period) & (step <= JUMP * period)]
        if gaps.size:
            share = float((gaps - period).sum() / max(good[-1] - good[0], period))
            add(
                "drop-outs",
                gaps.size,
                f"{100 * share:.1f} % of the time; longest {gaps.max():.4g} s, rows {period:.4g} s",
            )
        jumps = step[step > JUMP * period]
        if jumps.size:
            add("clock jump", jumps.size, f"largest {jumps.max():.4g} s, rows {period:.4g} s")
    return out


def _values(name: str, channel: Channel) -> list[Fault]:
    values, out = channel.values, list[Fault]()
    is_lost = ~np.isfinite(values).all(axis=1)
    if is_lost.any():
        out.append(Fault(channel=name, kind="not finite", count=int(is_lost.sum()), text="samples with a lost value"))
    good = values[~is_lost]
    if not len(good):
        return out
    if set(channel.names) == set("wxyz"):
        off = np.abs(np.linalg.norm(good, axis=1) - 1.0) > NORM_TOLERANCE
        if off.any():
            worst = float(np.linalg.norm(good[off][0]))
            out.append(
                Fault(
                    channel=name, kind="units", count=int(off.sum()), text=f"quaternion of norm {worst:.4g}: expected 1"
                )
            )
    if "rate" in name and channel.unit == "rad/s" and (peak := float(np.abs(good).max())) > LARGEST_RATE:
        count = int((np.abs(good) > LARGEST_RATE).any(axis=1).sum())
        out.append(
            Fault(
                channel=name,
                kind="units",
                count=count,
                text=f"up to {peak:.4g} rad/s: expected below 6.28. Are these degrees?",
            )
        )
    if channel.kind != "command" and len(good) > FEWEST_TURNS and np.ptp(good, axis=0).max() == 0.0:
        out.append(
            Fault(channel=name, kind="stuck", count=len(good), text="every sample is the same: expected some noise")
        )
    return out


def _attitude_against_rates(log: FlightLog) -> list[Fault]:
    """Attitude must turn at the measured rates: a factor tells units, a sign tells reversed time or a swapped frame."""
    rate = log.channels.get("rate_b")
    attitude = next((log.channels[n] for n in ("q_ib", "q_lb") if n in log.channels), None)
    if rate is None or attitude is None or not np.array_equal(rate.time, attitude.time):
        return []
    step = np.diff(rate.time)
    period = nominal_period(rate.time)
    if not math.isfinite(period):
        return []
    turn, ratio_sign = _turn(attitude.values), 1.0 if np.median(step) > 0.0 else -1.0
    with np.errstate(all="ignore"):
        seen = turn / step[:, None]
        told = 0.5 * (rate.values[1:] + rate.values[:-1])
        usable = (
            np.isfinite(seen).all(axis=1) & np.isfinite(told).all(axis=1) & (np.abs(step) > 0.0)
            & (np.abs(step) <= LONG_GAP * period) & (np.linalg.norm(turn, axis=1) < 1.0)
        )  # fmt: skip
    seen, told = seen[usable], told[usable]
    power = float(np.sum(told * told))
    if usable.sum() < FEWEST_TURNS or power <= 0.0 or float(np.sum(seen * seen)) <= 0.0:
        return []
    slope = float(np.sum(seen * told)) / power
    match = float(np.sum(seen * told)) / math.sqrt(power * float(np.sum(seen * seen)))
    count = int(usable.sum())
    if match < -0.5:
        text = f"attitude turns against the rates (correlation {match:.2f}): is time reversed, or q from i to b?"
        return [Fault(channel="rate_b", kind="time reversed" if ratio_sign > 0.0 else "frames", count=count, text=text)]
    if match < 0.5:
        kind, text = "frames", f"attitude does not turn at the rates (correlation {match:.2f}): are the axes the same?"
    elif not 0.5 < slope < 2.0:
        kind, text = "units", f"attitude turns at {slope:.3g} times the rates: expected 1 (0.0175 is degrees)"
    else:
        return []
    return [Fault(channel="rate_b", kind=kind, count=count, text=text)]


def _turn(q: Floats) -> Floats:
    """Rotation vectors (samples - 1, 3) [rad] from each attitude to the next, in b, for q from b to the outer frame."""
    a, b = q[:-1], q[1:]
    w = np.sum(a * b, axis=1)
    v = a[:, :1] * b[:, 1:] - b[:, :1] * a[:, 1:] - np.cross(a[:, 1:], b[:, 1:])
    v = np.where(w[:, None] < 0.0, -v, v)
    size = np.linalg.norm(v, axis=1)
    angle = 2.0 * np.arctan2(size, np.abs(w))
    return v * np.where(size > 0.0, angle / np.maximum(size, 1e-300), 2.0)[:, None]
