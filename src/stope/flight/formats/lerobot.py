# SPDX-License-Identifier: Apache-2.0
"""LeRobotDataset v3.0, written and read with pyarrow alone: one episode for each log.

LeRobot has rows on a grid of whole frames a second; a log has channels on clocks of their own. Nothing is resampled:
the finest of 1 to 1000 frames a second is looked for at which each frame holds at most one sample of each channel, and
each sample goes, as it was, to the frame nearest its time. Three columns tell what happened: the values (NaN where a
frame holds none), `<channel>.valid`, and `<channel>.time`, the recorded time. Reading undoes it, bit for bit, but for
samples that were not in the order of their times, which are refused.

The four traps of the format, and what is done: every column is declared; tasks.parquet carries pandas' index metadata;
what is ours stands in columns `stope.*` of the episodes and in meta/stope.json; frames are whole numbers a second.

Source:
    lerobot 0.6.2 (Apache-2.0), as described in docs/reference/log-formats.md; a check with lerobot itself is
    benchmarks/lerobot_check.py, which has not been run.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError, FlightError
from stope.base.files import read_json, write_json
from stope.flight.faults import nominal_period
from stope.flight.formats.extra import describe, load, restore
from stope.flight.log import Channel, FlightLog, LogHead, check_log

__all__ = ["hf_features", "is_dataset", "read_dataset", "write_dataset"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

VERSION = "v3.0"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
RATES = (1, 2, 3, 4, 5, 10, 20, 25, 30, 50, 60, 100, 125, 200, 250, 500, 1000)
"""Frames a second that are tried."""
MOST_FRAMES = 5_000_000
AUTOMATIC: dict[str, dict[str, Any]] = {
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    "frame_index": {"dtype": "int64", "shape": [1], "names": None},
    "episode_index": {"dtype": "int64", "shape": [1], "names": None},
    "index": {"dtype": "int64", "shape": [1], "names": None},
    "task_index": {"dtype": "int64", "shape": [1], "names": None},
}


def is_dataset(path: Path) -> bool:
    """Whether a path is a folder with meta/info.json."""
    return path.is_dir() and (path / "meta" / "info.json").is_file()


def write_dataset(log: FlightLog, path: Path) -> None:
    """Write a log as a dataset of one episode; the folder is renamed when whole.

    Raises:
        FlightError: times that do not grow or are not finite, or finer than a thousandth of a second.
    """
    load("pyarrow")
    check_log(log)
    fps, start, num = _grid(log)
    columns: dict[str, Any] = {}
    features: dict[str, Any] = {}
    for name, channel in log.channels.items():
        key = _key(name, channel)
        frames = np.rint((channel.time - start) * fps).astype(np.int64)
        values = np.full((num, len(channel.names)), np.nan)
        times = np.full(num, np.nan)
        valid = np.zeros(num, dtype=np.bool_)
        values[frames], times[frames], valid[frames] = channel.values, channel.time, True
        about = {"unit": channel.unit, "frame": channel.frame, "kind": channel.kind}
        features[key] = {
            "dtype": "float64",
            "shape": [len(channel.names)],
            "names": list(channel.names),
            "stope": about,
        }
        features[f"{key}.time"] = {"dtype": "float64", "shape": [1], "names": None}
        features[f"{key}.valid"] = {"dtype": "bool", "shape": [1], "names": None}
        columns[key], columns[f"{key}.time"], columns[f"{key}.valid"] = values, times, valid
    index = np.arange(num, dtype=np.int64)
    zero = np.zeros(num, dtype=np.int64)
    columns |= {"timestamp": (index / fps).astype(np.float32), "frame_index": index, "episode_index": zero,
                "index": index, "task_index": zero}  # fmt: skip
    features |= AUTOMATIC
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        root = Path(folder) / "dataset"
        _write_tables(root, log, columns, features, fps)
        for file in sorted(root.rglob("*")):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        root.replace(path)


def _key(name: str, channel: Channel) -> str:
    """LeRobot's name of a channel; a slash is not allowed."""
    return ("action." if channel.kind == "command" else "observation.") + name.replace("/", ".")


def _grid(log: FlightLog) -> tuple[int, float, int]:
    """Frames a second, time of frame 0, and number of frames."""
    for name, channel in log.channels.items():
        if not np.isfinite(channel.time).all() or (np.diff(channel.time) <= 0.0).any():
            raise FlightError(
                f"log {log.head.name}, channel {name}: times that do not grow: expected each later than the one "
                "before. A frame holds one sample; see `stope flight check`."
            )
    start = min(float(c.time[0]) for c in log.channels.values())
    end = max(float(c.time[-1]) for c in log.channels.values())
    for fps in RATES:
        if (end - start) * fps > MOST_FRAMES:
            break
        if all((np.diff(np.rint((c.time - start) * fps)) >= 1.0).all() for c in log.channels.values()):
            return fps, start, int(np.rint((end - start) * fps)) + 1
    period = min(nominal_period(c.time) for c in log.channels.values())
    raise FlightError(
        f"log {log.head.name}: samples {period:.3g} s apart over {end - start:.3g} s: expected no more than one in "
        f"1/{RATES[-1]} s and {MOST_FRAMES} frames. Export it as MCAP."
    )


def _arrow(values: Any) -> Any:
    pa: Any = load("pyarrow")
    if values.ndim == 1 or values.shape[1] == 1:
        return pa.array(values.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def _stats(values: Any) -> dict[str, list[Any]]:
    """LeRobot's statistics of one column, over the frames that hold a number."""
    table = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    good = table[np.isfinite(table).all(axis=1)]
    good = good if len(good) else np.zeros((1, table.shape[1]))
    out = {"min": good.min(axis=0), "max": good.max(axis=0), "mean": good.mean(axis=0), "std": good.std(axis=0)}
    out |= {f"q{q:02d}": np.quantile(good, q / 100.0, axis=0) for q in (1, 10, 50, 90, 99)}
    return {name: x.tolist() for name, x in out.items()} | {"count": [len(good)]}


def _write_tables(root: Path, log: FlightLog, columns: dict[str, Any], features: dict[str, Any], fps: int) -> None:
    pa, pq = load("pyarrow"), load("pyarrow.parquet")
    num = len(columns["index"])
    task = log.head.outcome or f"fly {log.head.vehicle or log.head.name}"
    data = root / DATA.format(chunk_index=0, file_index=0)
    data.parent.mkdir(parents=True)
    (root / EPISODES).parent.mkdir(parents=True)
    pq.write_table(pa.table({name: _arrow(v) for name, v in columns.items()}), data, compression="snappy")
    pandas_index = {"index_columns": ["task"], "column_indexes": [], "columns": [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_kind, "metadata": None}
        for name, kind, numpy_kind in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
    ], "creator": {"library": "pyarrow", "version": pa.__version__}, "pandas_version": "2.2.0"}  # fmt: skip
    tasks = pa.table({"task_index": pa.array([0], pa.int64()), "task": [task]})
    pq.write_table(tasks.replace_schema_metadata({"pandas": json.dumps(pandas_index)}), root / "meta" / "tasks.parquet")
    stats = {name: _stats(v) for name, v in columns.items()}
    episode: dict[str, Any] = {
        "episode_index": [0], "tasks": [[task]], "length": [num], "data/chunk_index": [0], "data/file_index": [0],
        "dataset_from_index": [0], "dataset_to_index": [num], "meta/episodes/chunk_index": [0],
        "meta/episodes/file_index": [0],
    }  # fmt: skip
    episode |= {f"stats/{name}/{stat}": [x] for name, s in stats.items() for stat, x in s.items()}
    head = log.head
    episode |= {
        "stope.gravity_m_s2": [list(head.gravity or ())], "stope.residual_accel_m_s2": [head.residual_acceleration],
        "stope.domain": [head.place], "stope.flight_id": [head.name], "stope.robot_minutes": [head.robot_minutes],
        "stope.downlink_bytes": [head.num_bytes], "stope.outcome": [head.outcome], "stope.licence": [head.licence],
    }  # fmt: skip
    pq.write_table(pa.table({k: pa.array(v, pa.list_(pa.float64()) if k == "stope.gravity_m_s2" else None)
                             for k, v in episode.items()}), root / EPISODES, compression="snappy")  # fmt: skip
    write_json(root / "meta" / "stats.json", stats)
    write_json(root / "meta" / "info.json", {
        "codebase_version": VERSION, "robot_type": head.robot or head.vehicle or "unknown", "total_episodes": 1,
        "total_frames": num, "total_tasks": 1, "chunks_size": 1000, "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200, "fps": fps, "splits": {"train": "0:1"}, "data_path": DATA, "video_path": None,
        "features": features,
    })  # fmt: skip
    write_json(root / "meta" / "stope.json", json.loads(describe(log)))


def hf_features(info: dict[str, Any]) -> Any:
    """The schema `datasets` is given by lerobot for the data files: scalars, and lists of fixed length."""
    datasets: Any = load("datasets")
    out: dict[str, Any] = {}
    for name, feature in cast("dict[str, dict[str, Any]]", info["features"]).items():
        value, shape = datasets.Value(feature["dtype"]), feature["shape"]
        out[name] = value if shape == [1] else datasets.List(value, length=shape[0])
    return datasets.Features(out)


def read_dataset(path: Path) -> FlightLog:
    """Read the only episode of a dataset.

    Raises:
        FlightError: another version, more than one episode, or files that do not fit each other.
        MissingExtra: without `stope[logs]`.
    """
    pa, pq = load("pyarrow"), load("pyarrow.parquet")
    try:
        info = read_json(path / "meta" / "info.json", what="LeRobot info")
        log = _read(path, info, pq)
    except FlightError:
        raise
    except (FileError, pa.ArrowException, LookupError, TypeError, ArithmeticError, ValueError, AttributeError,
            OSError) as error:  # fmt: skip
        raise FlightError(f"{path}: not a whole LeRobotDataset ({' '.join(str(error).split())[:200]}).") from None
    check_log(log, where=str(path))
    return log


def _read(path: Path, info: dict[str, Any], pq: Any) -> FlightLog:
    version, episodes = info.get("codebase_version"), info.get("total_episodes")
    if version != VERSION or episodes != 1:
        raise FlightError(f"{path}: version {version!r}, {episodes!r} episodes: expected {VERSION!r} and 1 episode.")
    table = pq.read_table(path / DATA.format(chunk_index=0, file_index=0))
    if table.num_rows != info.get("total_frames"):
        raise FlightError(f"{path}: {table.num_rows} frames: expected {info.get('total_frames')} as info.json says.")
    features = cast("dict[str, dict[str, Any]]", info["features"])
    ours = path / "meta" / "stope.json"
    if not ours.is_file():
        return _foreign(path, table, features)
    about = read_json(ours, what="stope")
    samples: dict[str, list[tuple[float, tuple[float, ...]]]] = {}
    for name, c in cast("dict[str, dict[str, Any]]", about["channels"]).items():
        key = ("action." if c["kind"] == "command" else "observation.") + name.replace("/", ".")
        values, rows = _numbers(table, key), table[f"{key}.valid"].to_numpy()
        times = table[f"{key}.time"].to_numpy()
        samples[name] = [(float(t), tuple(v)) for t, v in zip(times[rows], values[rows].tolist(), strict=True)]
    return restore(json.dumps(about), samples, where=str(path))


def _numbers(table: Any, key: str) -> Floats:
    column = table[key].combine_chunks()
    flat = column.flatten() if hasattr(column, "flatten") and column.type.num_fields else column
    return np.asarray(flat.to_numpy(zero_copy_only=False), dtype=np.float64).reshape(table.num_rows, -1)


def _foreign(path: Path, table: Any, features: dict[str, dict[str, Any]]) -> FlightLog:
    """A dataset of another writer: units and frames are not known, which its notes say."""
    time = np.asarray(table["timestamp"].to_numpy(), dtype=np.float64)
    channels: dict[str, Channel] = {}
    skipped: list[str] = []
    for key, feature in features.items():
        if key in AUTOMATIC:
            continue
        if feature["dtype"] not in ("float32", "float64") or len(feature["shape"]) != 1:
            skipped.append(key)
            continue
        values = _numbers(table, key)
        given = feature.get("names")
        names = tuple(map(str, cast("list[Any]", given))) if isinstance(given, list) else ()
        if len(names) != values.shape[1]:
            names = tuple(f"v{k}" for k in range(values.shape[1]))
        kind = "command" if key.startswith("action") else "measurement"
        channels[key] = Channel(kind=kind, unit="1", frame="", names=names, time=time, values=values)
    notes = ["units and frames: the dataset does not say", *(f"not read: {key}" for key in skipped)]
    head = LogHead(name=path.name, source="lerobot-v3", clock="frames of the dataset", notes=tuple(notes))
    return FlightLog(head=head, channels=channels)
