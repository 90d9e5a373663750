# SPDX-License-Identifier: Apache-2.0
"""Stand-in flights: what is drawn, flown, seen and written."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from proving_ground import Flown, draw_truth, fly, load_scenario, write_flight
from proving_ground.__main__ import main
from proving_ground.flight import fly_truth, streams
from proving_ground.scenario import mass_properties, nominal_inertia_d

SCENARIO = load_scenario()


@cache
def flown(seed: int, minutes: float) -> Flown:
    """One flight, kept between tests."""
    return fly(SCENARIO, seed=seed, minutes=minutes)


def test_nominal_mass_properties_come_back_from_their_log_cholesky_form() -> None:
    nominal = SCENARIO.nominal
    truth = draw_truth(SCENARIO, streams(0)["truth"])
    bare = replace(
        truth,
        mass=nominal["mass"],
        com_b=np.array(nominal["com_b"]),
        inertia_d=nominal_inertia_d(SCENARIO),
        inertia_s=np.zeros(3),
        payload=0.0,
    )
    total, com_b, inertia = mass_properties(bare, mount_b=np.array([0.0, 0.0, -0.12]), radius=0.1)
    assert total == nominal["mass"]
    assert com_b == pytest.approx(nominal["com_b"], abs=1e-15)
    assert inertia == pytest.approx(np.diag(nominal["inertia_b"]), rel=1e-12, abs=1e-15)


def test_a_payload_adds_mass_and_inertia_as_two_spheres_would() -> None:
    truth = draw_truth(SCENARIO, streams(3)["truth"])
    mount = np.array([0.0, 0.0, -0.12])
    _, _, alone = mass_properties(replace(truth, payload=0.0), mount_b=mount, radius=0.1)
    total, com_b, inertia = mass_properties(replace(truth, payload=4.0), mount_b=mount, radius=0.1)
    assert total == truth.mass + 4.0
    # Steiner with the reduced mass, an independent form of the parallel axis theorem; 2/5 p a^2 for the sphere.
    arm, reduced = mount - truth.com_b, truth.mass * 4.0 / total
    expected = alone + 0.4 * 4.0 * 0.1**2 * np.eye(3) + reduced * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    assert inertia == pytest.approx(expected, rel=1e-12)
    assert com_b == pytest.approx((truth.mass * truth.com_b + 4.0 * mount) / total, rel=1e-12)


def test_truths_have_the_spread_of_the_published_prior() -> None:
    rng = np.random.default_rng(1)
    rows = [draw_truth(SCENARIO, rng).by_name() for _ in range(2000)]
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    n = len(rows)
    sd = {"com_x": 0.005, "inertia_d2": 0.05, "inertia_s13": 0.005, "residual_z": 1e-3}
    for name, spread in sd.items():
        assert np.std(table[name]) == pytest.approx(spread, rel=5 / np.sqrt(2 * n)), name  # five standard errors
    for name, spread in {"mass": 0.03, "gain_tz": 0.10, "lag": 0.30}.items():
        assert np.std(np.log(table[name])) == pytest.approx(spread, rel=5 / np.sqrt(2 * n)), name
    assert np.median(table["lag"]) == pytest.approx(0.10, rel=5 * 1.25 * 0.3 / np.sqrt(n))  # error of a median
    for name, high in {"latency": 0.15, "payload": 5.0}.items():
        assert 0.0 <= table[name].min() < 0.01 * high
        assert 0.99 * high < table[name].max() <= high
    assert not table["drag"].any()


def test_a_longer_flight_of_a_seed_has_the_same_truth() -> None:
    assert flown(7, 0.5).truth.by_name() == flown(7, 0.2).truth.by_name()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_flight_stays_slow_and_near(seed: int) -> None:
    flight = flown(seed, 1.5)
    speed = [np.linalg.norm(pose.velocity_l) for pose in flight.true]
    distance = [np.linalg.norm(pose.position_l) for pose in flight.true]
    assert max(speed) < 0.3
    assert max(speed) > 0.05
    assert max(distance) < SCENARIO.keep_in_radius


def test_commands_keep_the_limits_and_the_quanta() -> None:
    command = flown(1, 1.5).command
    assert np.abs(command[:, :3]).max() <= 0.5
    assert np.abs(command[:, 3:]).max() <= 0.06
    steps = command / np.repeat([0.01, 0.001], 3)
    assert steps == pytest.approx(np.round(steps), abs=1e-9)  # rounding of decimal fractions


def test_readings_scatter_about_the_truth_as_stated() -> None:
    flight = flown(1, 1.5)
    pairs = list(zip(flight.seen, flight.true, strict=True))
    errors = {
        0.003: [s.position_l - t.position_l for s, t in pairs],
        0.002: [s.velocity_l - t.velocity_l for s, t in pairs],
        np.radians(0.2): [(t.attitude_lb.inv() * s.attitude_lb).as_rotvec() for s, t in pairs],
        np.radians(0.1): [s.rate_b - t.rate_b for s, t in pairs],
    }
    for sd, rows in errors.items():
        assert np.std(rows) == pytest.approx(sd, rel=5 / np.sqrt(2 * np.size(rows)))  # five standard errors


def test_losses_are_a_white_share_and_one_gap() -> None:
    lost = flown(2, 1.5).lost
    assert not lost[0]
    assert any(lost[k : k + 5].all() for k in range(len(lost) - 4))
    assert 5 <= lost.sum() < 5 + 0.08 * len(lost)  # mean 2 %, so 8 % is beyond 8 standard errors


def test_latency_delays_the_answer_to_the_first_command() -> None:
    truth = draw_truth(SCENARIO, streams(5)["truth"])
    early, late = (
        fly_truth(SCENARIO, replace(truth, latency=s), seed=5, num_rows=20).true[1].rate_b for s in (0.0, 0.15)
    )
    assert np.linalg.norm(late) < 0.5 * np.linalg.norm(early)


def test_a_flight_that_drifts_away_is_refused() -> None:
    truth = replace(draw_truth(SCENARIO, streams(5)["truth"]), residual_l=np.array([0.5, 0.0, 0.0]))
    with pytest.raises(RuntimeError, match=r"seed 5: left the keep-in sphere of 5 m at t = .* take another seed"):
        fly_truth(SCENARIO, truth, seed=5, num_rows=100)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"fly\.minutes = 0 min: gives 0 rows, at least 10 are needed\."):
        fly(SCENARIO, seed=1, minutes=0.0)
    with pytest.raises(ValueError, match=r"fly\.seed = -1: must be zero or more\."):
        fly(SCENARIO, seed=-1, minutes=0.1)


def test_a_scenario_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text("colour = 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"odd\.toml: not a scenario \(.*colour"):
        load_scenario(path)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["fly", "--seed", "9", "--minutes", "0.2", "--out", str(tmp_path / name)]) == 0
    assert main(["fly", "--seed", "10", "--minutes", "0.2", "--out", str(tmp_path / "c")]) == 0
    for file in ("flight.toml", "telemetry.csv", "truth.json"):
        first, second, other = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert first == second
        assert first != other
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c"]  # no temporary folder stays


def test_the_metadata_describe_the_rows(tmp_path: Path) -> None:
    folder = write_flight(flown(7, 0.2), tmp_path / "new" / "0007")
    head = tomllib.loads((folder / "flight.toml").read_text(encoding="ascii"))
    data = (folder / "telemetry.csv").read_bytes()
    assert head["telemetry_sha256"] == hashlib.sha256(data).hexdigest()
    assert head["rows"] == 60 == data.count(b"\n") - 1
    assert head["stand_in"] is True
    assert head["format"] == "stope-flight-1"
    truth = json.loads((folder / "truth.json").read_text(encoding="ascii"))
    assert len(truth["theta"]) == 23
    assert not any(name in data.decode() + (folder / "flight.toml").read_text() for name in ("lag", "latency ="))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("mine", encoding="ascii")
    with pytest.raises(FileExistsError, match=r"exists and is not an empty folder\. Choose another --out"):
        write_flight(flown(7, 0.2), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["keep.txt"]


def test_misuse_is_one_line_and_exit_code_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly", "--seed", "1", "--minutes", "0", "--out", str(tmp_path / "x")]) == 2
    text = capsys.readouterr().err
    assert text.startswith("proving_ground: fly.minutes = 0 min")
    assert text.count("\n") == 1


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fly", "--help"])
    assert stop.value.code == 0
    assert "python -m proving_ground fly --seed 7 --minutes 5 --out flights/0007" in capsys.readouterr().out
