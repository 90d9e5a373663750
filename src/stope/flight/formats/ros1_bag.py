# SPDX-License-Identifier: Apache-2.0
"""ROS 1 bags, which is what Astrobee publishes: EkfState and FamCommand become estimates and commands.

Message definitions are read from the bag itself, so a bag of an older release reads as it was written.

Source:
    Library rosbags (Apache-2.0), which needs no ROS.
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import Any

from stope.base.errors import FlightError, MissingExtra
from stope.flight.formats.extra import check_size, describe, load, restore
from stope.flight.formats.ros_messages import SAMPLE_ROS1, SAMPLE_TYPE, Collector
from stope.flight.log import FlightLog, LogHead, check_log

__all__ = ["is_bag", "read_bag", "write_bag"]

MAGIC = b"#ROSBAG V2.0\n"
ABOUT_TOPIC, ABOUT_TYPE = "/stope/about", "std_msgs/msg/String"
EARLIEST_NS = 1_000_000_000
"""Stamp of time 0 in a written bag: rosbag takes no time of 0."""


def is_bag(path: Path) -> bool:
    """Whether a path is a file that begins as one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_bag(path: Path) -> FlightLog:
    """Read a bag.

    Raises:
        FlightError: cut short, damaged, or without a message this reads.
        MissingExtra: without `stope[logs]`.
    """
    check_size(path)
    rosbag1, typesys = load("rosbags.rosbag1"), load("rosbags.typesys")
    try:
        log = _read(path, rosbag1, typesys)
    except (FlightError, MissingExtra):
        raise
    except Exception as error:  # noqa: BLE001 -- the readers of damaged data raise types that share no other class
        text = " ".join(str(error).split())[:200]
        raise FlightError(f"{path}: not a whole ROS 1 bag ({type(error).__name__}: {text}).") from None
    check_log(log, where=str(path))
    return log


def _read(path: Path, rosbag1: Any, typesys: Any) -> FlightLog:
    store = typesys.get_typestore(typesys.Stores.EMPTY)
    gather = Collector(where=str(path))
    samples: dict[str, list[tuple[float, tuple[float, ...]]]] = {}
    about = ""
    with rosbag1.Reader(path) as reader:
        wanted = (SAMPLE_TYPE, ABOUT_TYPE)
        for connection in reader.connections:
            if connection.msgtype in wanted or gather.knows(connection.msgtype):
                store.register(typesys.get_types_from_msg(connection.msgdef.data, connection.msgtype))
        for connection, stamp, raw in reader.messages():
            kind = connection.msgtype
            if kind not in wanted and not gather.knows(kind):
                gather.skip(connection.topic, kind)
                continue
            message = store.deserialize_ros1(raw, kind)
            if kind == SAMPLE_TYPE:
                samples.setdefault(connection.topic.lstrip("/"), []).append((message.time, tuple(message.values)))
            elif kind == ABOUT_TYPE:
                about = message.data if connection.topic == ABOUT_TOPIC else about
                if connection.topic != ABOUT_TOPIC:
                    gather.skip(connection.topic, kind)
            else:
                gather.add(connection.topic, kind, message, stamp)
    if about:
        return restore(about, samples, where=str(path))
    head = LogHead(name=path.stem, source="ros1-bag", num_bytes=path.stat().st_size, notes=gather.notes(),
                   start_utc=gather.start_utc(), clock="the message headers', else the recorder's")  # fmt: skip
    return FlightLog(head=head, channels=gather.channels())


def write_bag(log: FlightLog, path: Path) -> None:
    """Write a log as a ROS 1 bag: one topic for each channel, and /stope/about with all else; renamed when whole."""
    rosbag1, typesys = load("rosbags.rosbag1"), load("rosbags.typesys")
    check_log(log)
    store = typesys.get_typestore(typesys.Stores.ROS1_NOETIC)
    store.register(typesys.get_types_from_msg(SAMPLE_ROS1, SAMPLE_TYPE))
    np_array: Any = load("numpy").array
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        part = Path(folder) / "log.bag"
        with rosbag1.Writer(part) as writer:
            connection = writer.add_connection(ABOUT_TOPIC, ABOUT_TYPE, typestore=store)
            message = store.types[ABOUT_TYPE](data=describe(log))
            writer.write(connection, EARLIEST_NS, store.serialize_ros1(message, ABOUT_TYPE))
            for name, channel in log.channels.items():
                connection = writer.add_connection(f"/{name}", SAMPLE_TYPE, typestore=store)
                for time, values in zip(channel.time, channel.values, strict=True):
                    stamp = EARLIEST_NS + (max(0, round(float(time) * 1e9)) if math.isfinite(time) else 0)
                    message = store.types[SAMPLE_TYPE](time=float(time), values=np_array(values))
                    writer.write(connection, stamp, store.serialize_ros1(message, SAMPLE_TYPE))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
