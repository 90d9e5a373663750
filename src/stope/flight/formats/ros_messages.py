# SPDX-License-Identifier: Apache-2.0
"""Which ROS messages become which channels. ROS has SI units (REP 103) and quaternions as x, y, z, w.

A message of another type is not read; the log's notes count it, so nothing is dropped in silence.

Source:
    Fields of ff_msgs: nasa/astrobee, communications/ff_msgs/msg; units are the comments in those files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from stope.base.errors import FlightError
from stope.flight.log import MOST_SAMPLES, Channel, Kind

__all__ = ["SAMPLE_ROS1", "SAMPLE_ROS2", "SAMPLE_TYPE", "Collector", "split_time"]

LATEST_NS = 4_102_444_800_000_000_000
"""The year 2100: stamps beyond are no UTC."""
SAMPLE_TYPE = "stope_msgs/msg/Sample"
"""What an export writes: a time and the components of one channel."""
SAMPLE_ROS2 = "float64 time\nfloat64[] values\n"
SAMPLE_ROS1 = SAMPLE_ROS2
"""Definition of `SAMPLE_TYPE`; time is in seconds since the log's start, so that no digit is lost."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One channel of a message: what it is, and how to take its numbers out."""

    suffix: str
    kind: Kind
    unit: str
    frame: str
    names: tuple[str, ...]
    take: Callable[[Any], Sequence[float]]


XYZ, WXYZ = ("x", "y", "z"), ("w", "x", "y", "z")


def _vector(path: str) -> Callable[[Any], Sequence[float]]:
    steps = path.split(".")

    def take(message: Any) -> Sequence[float]:
        for step in steps:
            message = getattr(message, step)
        return (message.x, message.y, message.z)

    return take


def _quaternion(path: str) -> Callable[[Any], Sequence[float]]:
    steps = path.split(".")

    def take(message: Any) -> Sequence[float]:
        for step in steps:
            message = getattr(message, step)
        return (message.w, message.x, message.y, message.z)

    return take


def _scalar(name: str) -> Callable[[Any], Sequence[float]]:
    return lambda message: (float(getattr(message, name)),)


MESSAGES: dict[str, tuple[_Part, ...]] = {
    "ff_msgs/msg/EkfState": (
        _Part("position_i", "estimate", "m", "i", XYZ, _vector("pose.position")),
        _Part("q_ib", "estimate", "1", "i", WXYZ, _quaternion("pose.orientation")),
        _Part("velocity_i", "estimate", "m/s", "i", XYZ, _vector("velocity")),
        _Part("rate_b", "estimate", "rad/s", "b", XYZ, _vector("omega")),
        _Part("acceleration_b", "estimate", "m/s2", "b", XYZ, _vector("accel")),
        _Part("gyro_bias_b", "estimate", "rad/s", "b", XYZ, _vector("gyro_bias")),
        _Part("accelerometer_bias_b", "estimate", "m/s2", "b", XYZ, _vector("accel_bias")),
        _Part("variance", "estimate", "1", "", tuple(f"v{k}" for k in range(15)), lambda m: m.cov_diag),
        _Part("confidence", "estimate", "1", "", ("confidence",), _scalar("confidence")),
    ),
    "ff_msgs/msg/FamCommand": (
        _Part("force_command_b", "command", "N", "b", XYZ, _vector("wrench.force")),
        _Part("torque_command_b", "command", "N m", "b", XYZ, _vector("wrench.torque")),
        _Part("position_error", "estimate", "m", "", XYZ, _vector("position_error")),
        _Part("attitude_error", "estimate", "rad", "", XYZ, _vector("attitude_error")),
    ),
    "sensor_msgs/msg/Imu": (
        _Part("rate_b", "measurement", "rad/s", "b", XYZ, _vector("angular_velocity")),
        _Part("acceleration_b", "measurement", "m/s2", "b", XYZ, _vector("linear_acceleration")),
    ),
    "geometry_msgs/msg/WrenchStamped": (
        _Part("force_command_b", "command", "N", "b", XYZ, _vector("wrench.force")),
        _Part("torque_command_b", "command", "N m", "b", XYZ, _vector("wrench.torque")),
    ),
    "geometry_msgs/msg/PoseStamped": (
        _Part("position_i", "measurement", "m", "i", XYZ, _vector("pose.position")),
        _Part("q_ib", "measurement", "1", "i", WXYZ, _quaternion("pose.orientation")),
    ),
    "geometry_msgs/msg/TwistStamped": (
        _Part("velocity_b", "measurement", "m/s", "b", XYZ, _vector("twist.linear")),
        _Part("rate_b", "measurement", "rad/s", "b", XYZ, _vector("twist.angular")),
    ),
}
"""By name of the type. A pose's parent frame is taken as i; what it really is stands in the message's header."""


@dataclass(slots=True)
class Collector:
    """Gathers messages into channels, in the order they were written."""

    where: str
    """File, for errors."""
    start_ns: int | None = None
    """Stamp of the first message, time 0."""
    times: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    values: dict[str, list[tuple[float, ...]]] = field(default_factory=dict[str, list[tuple[float, ...]]])
    parts: dict[str, _Part] = field(default_factory=dict[str, _Part])
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    frames: set[str] = field(default_factory=set[str])
    num: int = 0

    def add(self, topic: str, kind: str, message: Any, logged_ns: int) -> None:
        """Take in one message; `logged_ns` is used where it has no stamp of its own."""
        parts = MESSAGES.get(kind)
        if parts is None:
            self.skip(topic, kind)
            return
        header = getattr(message, "header", None)
        stamp = logged_ns if header is None else split_time(header.stamp)
        if header is not None:
            self.frames.add(str(header.frame_id)[:60])
        self.start_ns = stamp if self.start_ns is None else self.start_ns
        time = (stamp - self.start_ns) / 1e9
        for part in parts:
            name = f"{topic.strip('/')}/{part.suffix}"
            numbers = tuple(float(x) for x in part.take(message))
            if len(numbers) != len(part.names):
                raise FlightError(f"{self.where}, {name}: {len(numbers)} numbers: expected {len(part.names)}.")
            self.parts[name] = part
            self.times.setdefault(name, []).append(time)
            self.values.setdefault(name, []).append(numbers)
            self.num += 1 + len(numbers)
        if self.num > MOST_SAMPLES:
            raise FlightError(f"{self.where}: more than {MOST_SAMPLES} numbers: expected fewer. Cut the log first.")

    def knows(self, kind: str) -> bool:
        """Whether messages of this type become channels."""
        return kind in MESSAGES

    def start_utc(self) -> str:
        """UTC of time 0; empty without messages, or where the stamps are not since 1970."""
        if self.start_ns is None or not 0 < self.start_ns < LATEST_NS:
            return ""
        return datetime.fromtimestamp(self.start_ns / 1e9, UTC).isoformat()

    def skip(self, topic: str, kind: str) -> None:
        """Count a message that is not read."""
        at = f"{topic} ({kind})"
        self.skipped[at] = self.skipped.get(at, 0) + 1

    def channels(self) -> dict[str, Channel]:
        """What was gathered; a channel's name loses its topic where no other topic has the same channel."""
        short = [self.parts[n].suffix for n in self.parts]
        out: dict[str, Channel] = {}
        for name, part in self.parts.items():
            key = part.suffix if short.count(part.suffix) == 1 else name
            out[key] = Channel(kind=part.kind, unit=part.unit, frame=part.frame, names=part.names,
                               time=np.array(self.times[name]), values=np.array(self.values[name]))  # fmt: skip
        return out

    def notes(self) -> tuple[str, ...]:
        """What to say about it: messages not read, and the frames the headers name."""
        out = [f"not read: {count} of {at}" for at, count in sorted(self.skipped.items())]
        if self.frames:
            out.append(f"frames named by headers: {', '.join(sorted(self.frames))[:400]}")
        return tuple(out)


def split_time(stamp: Any) -> int:
    """Nanoseconds of a ROS 1 or ROS 2 time."""
    nano = getattr(stamp, "nanosec", None)
    nano = getattr(stamp, "nsecs", 0) if nano is None else nano
    seconds = getattr(stamp, "sec", None)
    seconds = getattr(stamp, "secs", 0) if seconds is None else seconds
    return int(seconds) * 1_000_000_000 + int(nano) if math.isfinite(float(seconds)) else 0
