# SPDX-License-Identifier: Apache-2.0
"""Foreign formats: what is written comes back bit for bit, real clients read it, and damaged files are one line."""

from __future__ import annotations

import json
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proving_ground import fly, load_scenario, write_flight
from stope.base.errors import FlightError, StopeError, UnknownName
from stope.flight.formats import FORMATS, LogFormat, export_log, read_log
from stope.flight.formats.lerobot import hf_features
from stope.flight.log import FlightLog
from tests.flight.log_builders import assert_same, by_hand, turn_by_wheels, write_lelar

WRITTEN = ("mcap", "ros1-bag", "lerobot-v3", "stope-log")
EKF = """std_msgs/Header header
string child_frame_id
geometry_msgs/Pose pose
geometry_msgs/Vector3 velocity
geometry_msgs/Vector3 omega
geometry_msgs/Vector3 gyro_bias
geometry_msgs/Vector3 accel
geometry_msgs/Vector3 accel_bias
float32[15] cov_diag
uint8 confidence
"""
FAM = """std_msgs/Header header
geometry_msgs/Wrench wrench
geometry_msgs/Vector3 accel
geometry_msgs/Vector3 alpha
uint8 status
geometry_msgs/Vector3 position_error
geometry_msgs/Vector3 attitude_error
"""
HEAD_OF_IMU = "builtin_interfaces/Time stamp\nstring frame_id\n"
IMU = f"""std_msgs/Header header
geometry_msgs/Quaternion orientation
float64[9] orientation_covariance
geometry_msgs/Vector3 angular_velocity
float64[9] angular_velocity_covariance
geometry_msgs/Vector3 linear_acceleration
float64[9] linear_acceleration_covariance
================================================================================
MSG: std_msgs/Header
{HEAD_OF_IMU}================================================================================
MSG: geometry_msgs/Quaternion
float64 x
float64 y
float64 z
float64 w
================================================================================
MSG: geometry_msgs/Vector3
float64 x
float64 y
float64 z
"""


def test_those_that_are_written_are_these() -> None:
    assert {name for name in FORMATS if FORMATS.get(name).write is not None} == set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_log_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    log = by_hand()
    export_log(log, tmp_path / "out", name)
    assert FORMATS.get(name).recognise(tmp_path / "out")
    assert_same(read_log(tmp_path / "out"), log)


@pytest.mark.parametrize("name", WRITTEN)
def test_nothing_is_overwritten_and_nothing_without_a_licence_passed_on(name: str, tmp_path: Path) -> None:
    log = by_hand()
    with pytest.raises(FlightError, match="licence: empty: expected one"):
        export_log(replace(log, head=replace(log.head, licence="")), tmp_path / "out", name)
    (tmp_path / "there").mkdir()
    with pytest.raises(FlightError, match="exists: expected a new file or folder"):
        export_log(log, tmp_path / "there", name)


def test_a_format_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FORMATS, "_things", dict(FORMATS._things))
    monkeypatch.setattr(FORMATS, "_tags", dict(FORMATS._tags))
    FORMATS.add(
        "telegraph", LogFormat(summary="dots", recognise=lambda p: p.suffix == ".dots", read=lambda p: by_hand())
    )
    (tmp_path / "a.dots").write_text("-.-", encoding="ascii")
    assert read_log(tmp_path / "a.dots").head.source == "by hand"
    with pytest.raises(FlightError, match="'telegraph' is only read"):
        export_log(by_hand(), tmp_path / "b", "telegraph")


def test_unknown_names_and_unknown_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello", encoding="ascii")
    with pytest.raises(UnknownName, match=r"no log format 'mcup'\. Closest: 'mcap'"):
        read_log(tmp_path / "x", "mcup")
    with pytest.raises(FlightError, match="of no known format"):
        read_log(tmp_path / "x")
    with pytest.raises(FlightError, match="no such file or folder"):
        read_log(tmp_path / "y")


def test_a_flight_folder_is_a_log_with_its_drop_outs(tmp_path: Path) -> None:
    folder = write_flight(fly(load_scenario(), seed=7, minutes=0.2), tmp_path / "0007")
    head = (folder / "flight.toml").read_text(encoding="ascii")
    more = 'outcome = "docked"\nrobot_minutes = 0.2\nnum_bytes = 77\nresidual_acceleration = 1e-6\n'
    (folder / "flight.toml").write_text(more + head, encoding="ascii")
    log = read_log(folder)
    assert (log.head.outcome, log.head.robot_minutes, log.head.residual_acceleration) == ("docked", 0.2, 1e-6)
    assert len(log.channels["force_command_b"].time) == 60
    assert len(log.channels["rate_b"].time) < 60
    (folder / "flight.toml").write_text(head.replace("[site]", "robot_minutes = -1.0\n[site]"), encoding="ascii")
    with pytest.raises(FlightError, match=r"robot_minutes = -1.0: expected 0 or more"):
        read_log(folder)


def test_astrobee_bag_becomes_estimates_and_commands(tmp_path: Path) -> None:
    from rosbags.rosbag1 import Writer  # noqa: PLC0415 -- an extra
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: PLC0415 -- an extra

    store = get_typestore(Stores.ROS1_NOETIC)
    store.register(get_types_from_msg(EKF, "ff_msgs/msg/EkfState"))
    store.register(get_types_from_msg(FAM, "ff_msgs/msg/FamCommand"))
    make: Any = store.types

    def vector(x: float) -> Any:
        return make["geometry_msgs/msg/Vector3"](x=x, y=2.0 * x, z=3.0 * x)

    def header(k: int) -> Any:
        stamp = make["builtin_interfaces/msg/Time"](sec=1_600_000_000 + k, nanosec=500)
        return make["std_msgs/msg/Header"](seq=k, stamp=stamp, frame_id="world")

    turned = make["geometry_msgs/msg/Quaternion"](x=0.6, y=0.0, z=0.0, w=0.8)
    pose = make["geometry_msgs/msg/Pose"](
        position=make["geometry_msgs/msg/Point"](x=1.0, y=2.0, z=3.0), orientation=turned
    )
    with Writer(tmp_path / "bee.bag") as writer:
        ekf = writer.add_connection("/gnc/ekf", "ff_msgs/msg/EkfState", typestore=store)
        fam = writer.add_connection("/gnc/ctl/command", "ff_msgs/msg/FamCommand", typestore=store)
        text = writer.add_connection("/rosout", "std_msgs/msg/String", typestore=store)
        for k in range(3):
            state = make["ff_msgs/msg/EkfState"](
                header=header(k), child_frame_id="body", pose=pose, velocity=vector(0.1), omega=vector(0.01 * k),
                gyro_bias=vector(0.0), accel=vector(0.2), accel_bias=vector(0.0),
                cov_diag=np.arange(15, dtype=np.float32), confidence=1,
            )  # fmt: skip
            order = make["ff_msgs/msg/FamCommand"](
                header=header(k), wrench=make["geometry_msgs/msg/Wrench"](force=vector(0.3), torque=vector(0.004)),
                accel=vector(0.0), alpha=vector(0.0), status=0, position_error=vector(0.0), attitude_error=vector(0.0),
            )  # fmt: skip
            stamp = (1_600_000_000 + k) * 10**9
            writer.write(ekf, stamp, store.serialize_ros1(state, "ff_msgs/msg/EkfState"))
            writer.write(fam, stamp, store.serialize_ros1(order, "ff_msgs/msg/FamCommand"))
            writer.write(
                text, stamp, store.serialize_ros1(make["std_msgs/msg/String"](data="hi"), "std_msgs/msg/String")
            )
    log = read_log(tmp_path / "bee.bag")
    rate, force = log.channels["rate_b"], log.channels["force_command_b"]
    assert (rate.kind, rate.unit, rate.frame, force.kind, force.unit) == ("estimate", "rad/s", "b", "command", "N")
    assert rate.values[2].tolist() == [0.02, 0.04, 0.06]
    assert rate.time.tolist() == [0.0, 1.0, 2.0]
    assert log.channels["q_ib"].values[0].tolist() == [0.8, 0.6, 0.0, 0.0]
    assert log.channels["variance"].values[0].tolist() == list(range(15))
    assert log.head.start_utc.startswith("2020-09-13T12:26:40")
    assert "not read: 3 of /rosout (std_msgs/msg/String)" in log.head.notes
    assert "frames named by headers: world" in log.head.notes


def test_ros_2_messages_in_mcap_are_read(tmp_path: Path) -> None:
    from mcap_ros2.writer import Writer  # noqa: PLC0415 -- an extra

    with (tmp_path / "imu.mcap").open("wb") as file:
        writer = Writer(file)
        schema = writer.register_msgdef("sensor_msgs/msg/Imu", IMU)
        other = writer.register_msgdef("acme_msgs/msg/Mood", "string mood\n")
        for k in range(4):
            xyz = {"x": 0.1 * k, "y": 0.0, "z": -0.1}
            message = {
                "header": {"stamp": {"sec": 1_700_000_000, "nanosec": k * 10_000_000}, "frame_id": "imu"},
                "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}, "orientation_covariance": [0.0] * 9,
                "angular_velocity": xyz, "angular_velocity_covariance": [0.0] * 9,
                "linear_acceleration": xyz, "linear_acceleration_covariance": [0.0] * 9,
            }  # fmt: skip
            writer.write_message("/imu", schema, message, log_time=k)
            writer.write_message("/mood", other, {"mood": "good"}, log_time=k)
        writer.finish()
    log = read_log(tmp_path / "imu.mcap")
    assert log.channels["rate_b"].values[:, 0].tolist() == [0.0, 0.1, 0.2, pytest.approx(0.3)]
    assert log.channels["rate_b"].time == pytest.approx([0.0, 0.01, 0.02, 0.03])
    assert "not read: 4 of /mood (acme_msgs/msg/Mood)" in log.head.notes


def test_lelar_cells_come_to_si_and_nothing_is_dropped(tmp_path: Path) -> None:
    rows = turn_by_wheels(1, num=12)
    log = read_log(write_lelar(tmp_path / "a", rows))
    assert log.channels["rate_b"].values == pytest.approx(rows.rate_b, rel=1e-5)  # six digits are written
    assert log.channels["wheel_speed"].values == pytest.approx(rows.wheel_speed, rel=1e-5, abs=1e-9)
    assert (log.channels["rate_b"].found_unit, log.channels["rate_b"].unit) == ("°/s", "rad/s")
    assert log.channels["rate_b"].time.tolist() == rows.time.tolist()


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (("°/s", "rpm"), r"rates.csv row 0 \(line 2\), x = .*: a unit of rad/s|unit"),
        (("°/s", "furlong"), "expected a number with one of"),
        (("2026-03-01 10:00:00", "yesterday"), "expected YYYY-MM-DD hh:mm:ss"),
        (('"X",', ""), "expected Time and 3 columns"),
        (("°/s\n", "°/s,5\n"), "5 cells, expected 4"),
    ],
)
def test_a_wrong_cell_is_one_line(tmp_path: Path, edit: tuple[str, str], text: str) -> None:
    folder = write_lelar(tmp_path / "a", turn_by_wheels(1, num=12))
    file = folder / ("rw_cmds.csv" if edit[1] == "rpm" else "rates.csv")
    file.write_text((folder / "rates.csv").read_text(encoding="utf-8").replace(*edit), encoding="utf-8")
    with pytest.raises(FlightError, match=text) as caught:
        read_log(folder)
    assert "\n" not in str(caught.value)


def test_datasets_loads_the_written_set_under_lerobots_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    import pyarrow.parquet as pq  # noqa: PLC0415 -- an extra

    log = by_hand()
    export_log(log, tmp_path / "set", "lerobot-v3")
    info = json.loads((tmp_path / "set" / "meta" / "info.json").read_text())
    data = tmp_path / "set" / info["data_path"].format(chunk_index=0, file_index=0)
    loaded = datasets.Dataset.from_parquet(str(data), features=hf_features(info), cache_dir=str(tmp_path / "cache"))
    assert set(loaded.column_names) == set(info["features"])  # an undeclared column is a cast error
    assert len(loaded) == info["total_frames"]
    assert (type(info["fps"]), info["codebase_version"]) == (int, "v3.0")
    table = loaded.to_dict()
    for name, channel in log.channels.items():
        key = ("action." if channel.kind == "command" else "observation.") + name.replace("/", ".")
        valid = np.asarray(table[f"{key}.valid"])
        width = len(channel.names)
        assert np.array_equal(
            np.array(table[key], dtype=float)[valid].reshape(-1, width), channel.values, equal_nan=True
        )
        assert np.asarray(table[f"{key}.time"])[valid].tolist() == channel.time.tolist()
        assert np.isnan(np.array(table[key], dtype=float)[~valid]).all()
        assert "/" not in key
    assert np.asarray(table["timestamp"]) == pytest.approx(np.arange(len(loaded)) / info["fps"], abs=1e-5)
    tasks = pq.read_table(tmp_path / "set" / "meta" / "tasks.parquet").to_pandas()
    assert (tasks.index.name, tasks.index.tolist(), tasks["task_index"].tolist()) == ("task", ["docked"], [0])
    episodes = pq.read_table(tmp_path / "set" / "meta" / "episodes" / "chunk-000" / "file-000.parquet").to_pylist()
    assert (episodes[0]["length"], episodes[0]["stope.licence"]) == (len(loaded), "CC0-1.0")


def test_lerobot_refuses_what_its_grid_cannot_hold(tmp_path: Path) -> None:
    log = by_hand()
    rate = log.channels["rate_b"]
    for time, text in ((rate.time[::-1], "times that do not grow"), (1e-5 * rate.time, "Export it as MCAP")):
        one = FlightLog(head=log.head, channels={"rate_b": replace(rate, time=time.copy())})
        with pytest.raises(FlightError, match=text):
            export_log(one, tmp_path / "out", "lerobot-v3")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["mcap", "ros1-bag", "stope-log"])
def test_a_file_cut_anywhere_is_one_line_and_never_a_crash(name: str, tmp_path: Path) -> None:
    export_log(by_hand(12), tmp_path / "whole", name)
    data = (tmp_path / "whole").read_bytes()
    cut = tmp_path / "cut"
    for end in range(20, len(data), max(1, len(data) // 25)):
        cut.write_bytes(data[:end])
        with pytest.raises(FlightError) as caught:
            read_log(cut, name)
        assert "\n" not in str(caught.value) and str(cut) in str(caught.value)


def test_without_the_extra_the_line_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import importlib  # noqa: PLC0415 -- only to break it

    def no_module(name: str) -> types.ModuleType:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", no_module)
    with pytest.raises(StopeError, match=r"pip install -e '\.\[logs\]'"):
        export_log(by_hand(), tmp_path / "x", "mcap")
