# SPDX-License-Identifier: Apache-2.0
"""A replay: what is kept comes back, the page holds it and loads nothing, a month's figures are its activities'."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stope.base.config import as_dict
from stope.base.errors import ConfigError, FileError
from stope.base.files import write_json
from stope.base.rotation import rotate
from stope.base.units import DAY, HOUR
from stope.fleet.mission import kept
from stope.fleet.mission.kernels.columns import PHASES
from stope.fleet.mission.kernels.power import answer_time
from stope.view.replay import Part, Replay, State
from stope.view.replay.model import quantise
from stope.view.replay.month import is_month_folder, record_month
from stope.view.replay.page import render_replay
from stope.view.replay.questions import EDGES, questions
from stope.view.replay.shapes import box, cylinder, ellipsoid, vehicle
from stope.world.body import load_body
from stope.world.light import sun_direction
from stope.world.shape import TriangleMesh
from tests.fleet.mission.builders import month, tables

STATES = [State(name="working", colour=1), State(name="</script>hot", level=3, colour=4, is_lost_time=True)]


def small(frames: int = 7, robots: int = 5, **changes: Any) -> Replay:
    """Robots that wander, some of them hot."""
    rng = np.random.default_rng(1)
    q = np.cumsum(rng.standard_normal((frames, robots, 4)), axis=0)
    given: dict[str, Any] = {
        "kind": "skill", "title": "a <b> & c", "answer": "Two of five.", "frame": "l",
        "times": 0.2 * np.arange(frames), "states": STATES, "state": rng.integers(0, 2, (frames, robots)),
        "parts": [Part("robot/base", vehicle(0.3), rng.uniform(-9.0, 40.0, (frames, robots, 3)), q)],
        "names": [f"world {i}" for i in range(robots)],
        "series": {"speed [m/s]": rng.random((frames, robots))},
    }  # fmt: skip
    return Replay(**given | changes)


def read(page: str) -> tuple[dict[str, Any], bytes]:
    """The data of a page."""
    head = re.search(r'id="head">(.*?)</script>', page, re.DOTALL)
    blob = re.search(r'id="blob">(.*?)</script>', page, re.DOTALL)
    assert head is not None
    assert blob is not None
    return json.loads(head[1]), zlib.decompress(base64.b64decode(blob[1]))


def array(given: dict[str, Any], data: bytes) -> Any:
    """One array of a page, as its script reads it."""
    num = int(np.prod(given["shape"]))
    return np.frombuffer(data, dtype=given["type"], count=num, offset=given["at"]).reshape(given["shape"])


def test_poses_come_back_within_half_a_step_of_their_box() -> None:
    replay = small()
    part = replay.parts[0]
    rows, middle, half = quantise(part, replay.state)
    place = middle + half / 32767.0 * rows[..., :3]
    assert (np.abs(place - part.position) <= 0.5001 * half / 32767.0).all()
    q = np.concatenate([rows[..., 7:], rows[..., 4:7]], axis=-1) / 32767.0
    wanted = part.quaternion / np.linalg.norm(part.quaternion, axis=-1, keepdims=True)
    tip = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(rotate(q, tip), rotate(wanted, tip), atol=5e-4)
    assert ((q[1:] * q[:-1]).sum(axis=-1) > -1e-3).all()  # never the long way round
    assert (rows[..., 3] == 1600 + replay.state).all()


@pytest.mark.parametrize("mesh", [box(np.array([1.0, 2.0, 3.0])), cylinder(0.5, 1.0), ellipsoid(np.ones(3)),
                                  vehicle(0.3)])  # fmt: skip
def test_meshes_are_seen_from_outside(mesh: Any) -> None:
    assert TriangleMesh(mesh.vertices, mesh.faces).volume > 0.0


def test_cylinder_has_its_volume() -> None:
    made = cylinder(0.5, 1.0)
    exact = 2.0 * 0.5**2 * 10.0 * np.sin(2.0 * np.pi / 20)  # a prism of 20 sides
    assert TriangleMesh(made.vertices, made.faces).volume == pytest.approx(exact, rel=1e-12)


def test_page_holds_the_data_escapes_text_and_loads_nothing() -> None:
    replay = small()
    page = render_replay(replay)
    assert page == render_replay(small())
    assert "a &lt;b&gt; &amp; c" in page
    assert page.count("</script>") == 3
    outside = re.sub(r"http://www\.w3\.org/\S+", "", page)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:|//)|@import|url\(""", outside)
    head, data = read(page)
    np.testing.assert_array_equal(array(head["state"], data), replay.state)
    np.testing.assert_array_equal(array(head["counts"], data), replay.counts())
    np.testing.assert_array_equal(array(head["series"][0]["values"], data),
                                  replay.series["speed [m/s]"].astype(np.float32))  # fmt: skip
    assert head["states"][1]["name"] == "</script>hot"
    assert head["shown"] == json.loads(json.dumps(replay.as_json()))


def test_policy_admits_the_page_own_script_and_no_other() -> None:
    page = render_replay(small())
    script = re.search(r"<script>('use strict'.*?)</script>", page, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page
    assert "default-src 'none'" in page


def test_lost_time_is_that_of_the_states() -> None:
    replay = small()
    hot = 0.2 * float((replay.state[:-1] == 1).sum()) / HOUR
    assert replay.lost_time() == {"</script>hot": pytest.approx(hot)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"names": ["one"]}, "1 names: expected 7, 5"),
        ({"series": {"x [m]": np.zeros((2, 5))}}, "'x [m]' of shape (2, 5)"),
        ({"times": np.zeros(3)}, "3 times"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        small(**changes)
    assert words in str(caught.value)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small month as `stope mine` keeps it."""
    folder = tmp_path_factory.mktemp("month")
    scenario = month(robots=20, days=2.0)
    kept.keep_month(scenario, tables(), folder / "month", seed=1, policies={"dig": "p"})
    write_json(folder / "kept.json", {"scenario": as_dict(scenario) | {"sources": {}}, "bank": "",
                                      "bank_digest": "made up", "seed": 1})  # fmt: skip
    return folder


def test_month_is_its_activities(run: Path) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 -- heavy

    replay = record_month(run)
    rows = [row for path in sorted((run / "month" / "activities").glob("*.parquet"))
            for row in pq.read_table(path).to_pylist()]  # fmt: skip
    assert replay.as_json()["num_activities"] == len(rows) > 100
    maintainers = month(robots=20, days=2.0).fleet.maintainers
    assert replay.num_robots == 20 - maintainers < 20
    assert any(f"the {maintainers} maintainers are not shown" in note for note in replay.notes)
    lost = dict.fromkeys(replay.lost_time(), 0.0)
    assert lost
    for row in rows:
        if row["activity"] in lost:
            lost[row["activity"]] += (row["end_s"] - row["start_s"]) / HOUR
    for name, hours in replay.lost_time().items():
        assert hours == pytest.approx(lost[name], rel=1e-9)
    assert replay.times[-1] == 2.0 * DAY
    # The Sun at every frame, and close enough together for the page to draw lines between.
    parts, rest = divmod(len(replay.sun) - 1, len(replay.times) - 1)
    assert rest == 0
    sun = sun_direction(load_body("ryugu"), replay.times, sun_latitude_deg=month().ground.sun_latitude_deg)
    np.testing.assert_allclose(replay.sun[::parts], sun, atol=1e-9)
    assert (replay.sun[1:] * replay.sun[:-1]).sum(axis=1).min() > np.cos(np.radians(16.0))
    middle = len(replay.times) // 2
    t = replay.times[middle]
    for robot in range(replay.num_robots):
        now = [r["activity"] for r in rows if r["robot"] == robot and r["start_s"] <= t < r["end_s"]]
        assert PHASES[replay.state[middle, robot]] == (now[-1] if now else "decide")


def test_month_that_is_under_way_is_the_days_that_are_kept(run: Path, tmp_path: Path) -> None:
    part, whole = tmp_path / "run", record_month(run)
    assert not is_month_folder(part)
    (part / "month" / "activities").mkdir(parents=True)
    shutil.copy(run / "kept.json", part)
    assert not is_month_folder(part)
    shutil.copy(run / "month" / "activities" / "day-0000.parquet", part / "month" / "activities")
    assert is_month_folder(part)
    replay = record_month(part)
    assert replay.answer.startswith(f"Under way: {whole.num_robots} robots, 1 of 2 days")
    assert replay.times[-1] == DAY
    assert 0 < len(replay.rows["robot"]) < len(whole.rows["robot"])
    assert replay.rows["end_s"].max() <= DAY


@pytest.mark.parametrize("light", [0.0, 499.0])
def test_questions_come_back_when_the_month_says(light: float) -> None:
    rng = np.random.default_rng(4)
    contact = np.cumsum(rng.uniform(600.0, 40_000.0, (60, 2)).ravel()).reshape(60, 2)
    start = rng.uniform(0.0, 0.7 * contact[-1, 1], 500)
    end = np.array([answer_time(contact, t, light, 1800.0) for t in start])
    found = questions(np.arange(500), start, end, contact, light=light, decision=1800.0)
    assert found["robot"].tolist() == list(range(500))
    assert found["came"] == pytest.approx(end)
    edges = np.array([found[name] for name in EDGES])
    assert (np.diff(edges, axis=0) >= -1e-6).all()
    assert edges[2] - edges[1] == pytest.approx(light)
    assert edges[3] - edges[2] == pytest.approx(1800.0)
    assert edges[5] - edges[4] == pytest.approx(light)
    for t in (edges[1], edges[5]):  # both at a time of contact
        assert all(((contact[:, 0] <= one) & (one < contact[:, 1])).any() for one in t)


def test_an_answer_that_is_lost_is_asked_for_again() -> None:
    contact = np.array([[0.0, 1e9]])
    found = questions(np.array([7]), np.array([100.0]), np.array([100.0 + 3 * 1000.0]), contact, light=100.0,
                      decision=800.0)  # fmt: skip
    assert found["robot"].tolist() == [7.0, 7.0, 7.0]
    assert found["asked"] == pytest.approx([100.0, 1100.0, 2100.0])
    assert found["came"] == pytest.approx([1100.0, 2100.0, 3100.0])


def test_month_stands_on_its_body(run: Path) -> None:
    replay = record_month(run)
    away = np.linalg.norm(replay.parts[0].position, axis=-1)
    assert replay.ground is not None
    ground = np.linalg.norm(replay.ground.vertices, axis=1)
    assert (away > ground.min()).all()
    assert (away < 1.08 * ground.max()).all()


def test_month_with_a_broken_file_is_refused_in_one_line(run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "run"
    (broken / "month" / "activities").mkdir(parents=True)
    (broken / "kept.json").write_text((run / "kept.json").read_text())
    (broken / "month" / "activities" / "day-0000.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(FileError) as caught:
        record_month(broken)
    assert "day-0000.parquet: not the activities of a month" in str(caught.value)
    assert "\n" not in str(caught.value)
