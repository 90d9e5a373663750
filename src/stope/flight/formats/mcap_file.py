# SPDX-License-Identifier: Apache-2.0
"""MCAP files with ROS 2 messages.

Read: the messages of `ros_messages.MESSAGES`, and what `write_mcap` wrote. Written: one topic for each channel, of type
stope_msgs/msg/Sample, its definition inside the file, and a metadata record "stope" with all else.

Source:
    mcap.dev/spec; libraries mcap and mcap-ros2-support (MIT).
"""

from __future__ import annotations

import contextlib
import io
import math
from pathlib import Path
from typing import Any

from stope.base.errors import FlightError, MissingExtra
from stope.base.files import write_atomic
from stope.flight.formats.extra import check_size, describe, load, restore
from stope.flight.formats.ros_messages import SAMPLE_ROS2, SAMPLE_TYPE, Collector
from stope.flight.log import FlightLog, LogHead, check_log

__all__ = ["is_mcap", "read_mcap", "write_mcap"]

MAGIC = b"\x89MCAP0\r\n"
RECORD = "stope"
"""Name of the metadata record."""


def is_mcap(path: Path) -> bool:
    """Whether a path is a file that begins as one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_mcap(path: Path) -> FlightLog:
    """Read an MCAP file.

    Raises:
        FlightError: cut short, damaged, or without a message this reads.
        MissingExtra: without `stope[logs]`.
    """
    check_size(path)
    try:
        # The parser of message definitions prints what it thinks of a damaged one.
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            log = _read(path)
    except (FlightError, MissingExtra):
        raise
    except Exception as error:  # noqa: BLE001 -- the readers of damaged data raise types that share no other class
        raise FlightError(f"{path}: not a whole MCAP file ({type(error).__name__}: {_line(error)}).") from None
    check_log(log, where=str(path))
    return log


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _read(path: Path) -> FlightLog:
    reader_module, decoder = load("mcap.reader"), load("mcap_ros2.decoder")
    # Whole into memory (`check_size` bounds it): a read of a damaged length then ends at the file's end, where one of
    # a file would first set that much memory aside.
    with io.BytesIO(path.read_bytes()) as file:
        reader = reader_module.make_reader(file, validate_crcs=True, decoder_factories=[decoder.DecoderFactory()])
        about = next((m.metadata for m in reader.iter_metadata() if m.name == RECORD), None)
        gather = Collector(where=str(path))
        samples: dict[str, list[tuple[float, tuple[float, ...]]]] = {}
        factory = decoder.DecoderFactory()
        decoders: dict[int, Any] = {}
        for schema, channel, message in reader.iter_messages(log_time_order=False):
            kind = "" if schema is None else schema.name
            is_sample = about is not None and kind == SAMPLE_TYPE
            if not is_sample and not gather.knows(kind):
                gather.skip(channel.topic, kind or "no schema")
                continue
            if channel.id not in decoders:
                decoders[channel.id] = factory.decoder_for(channel.message_encoding, schema)
            if decoders[channel.id] is None:
                gather.skip(channel.topic, f"{kind}, {channel.message_encoding}")
                continue
            found = decoders[channel.id](message.data)
            if is_sample:
                samples.setdefault(channel.topic.lstrip("/"), []).append((found.time, tuple(found.values)))
            else:
                gather.add(channel.topic, kind, found, message.log_time)
    if about is not None:
        return restore(about["log"], samples, where=str(path))
    head = LogHead(name=path.stem, source="mcap", num_bytes=path.stat().st_size, notes=gather.notes(),
                   start_utc=gather.start_utc(), clock="the message headers', else the recorder's")  # fmt: skip
    return FlightLog(head=head, channels=gather.channels())


def write_mcap(log: FlightLog, path: Path) -> None:
    """Write a log as MCAP, atomically; times and values keep every digit, NaN and infinity included."""
    writer_module, ros2 = load("mcap.writer"), load("mcap_ros2.writer")
    check_log(log)
    buffer = io.BytesIO()
    writer = ros2.Writer(buffer)
    schema = writer.register_msgdef(SAMPLE_TYPE, SAMPLE_ROS2)
    for name, channel in log.channels.items():
        for k, (time, values) in enumerate(zip(channel.time, channel.values, strict=True)):
            stamp = max(0, round(float(time) * 1e9)) if math.isfinite(time) else 0
            writer.write_message(topic=f"/{name}", schema=schema, log_time=stamp, publish_time=stamp, sequence=k,
                                 message={"time": float(time), "values": [float(v) for v in values]})  # fmt: skip
    inner: Any = getattr(writer, "_writer")  # noqa: B009 -- the ROS 2 writer has no call for metadata
    assert isinstance(inner, writer_module.Writer)
    inner.add_metadata(RECORD, {"log": describe(log)})
    writer.finish()
    write_atomic(path, buffer.getvalue())
