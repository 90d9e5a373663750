# SPDX-License-Identifier: Apache-2.0
"""Hidden worlds, the engine that flies many at once, experiments by file, and the pilot's protocol."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from proving_ground.__main__ import main
from proving_ground.dynamics import Motion, Pose
from proving_ground.experiment import fly_experiment, load_experiment, steer
from proving_ground.fleet import Fleet
from proving_ground.hidden import HiddenWorld, hidden_world, world_seed
from proving_ground.scenario import load_scenario
from proving_ground.serve import serve
from stope.flight import experiment as stope_side
from stope.flight.record import load_flight
from stope.world.robots import load_robot

SCENARIO = load_scenario()
COMMIT = "42ce76f00000000000000000000000000000abcd"
ROBOT = load_robot("bee-gas")


def start(num: int) -> np.ndarray:
    out = np.zeros((num, 13))
    out[:, :3], out[:, 3:7] = [1.0, 2.0, -1.0], [0.5, 0.5, -0.5, 0.5]
    out[:, 7:10], out[:, 10:13] = 0.02, [0.1, -0.2, 0.15]
    return out


def test_seeds_follow_from_the_commit_alone() -> None:
    seeds = {world_seed("T3", k, COMMIT) for k in range(100)} | {world_seed("T2", k, COMMIT) for k in range(100)}
    seeds |= {world_seed("T3", k) for k in range(20)} | {world_seed("T3", k, COMMIT[::-1]) for k in range(100)}
    assert len(seeds) == 320
    assert hidden_world(SCENARIO, "T3", 7, COMMIT).truth.by_name() == hidden_world(SCENARIO, "T3", 7,
                                                                                   COMMIT).truth.by_name()  # fmt: skip
    with pytest.raises(ValueError, match="0 to 19"):
        world_seed("T3", 20)


def test_each_tier_adds_to_the_one_before() -> None:
    one, two, three = (hidden_world(SCENARIO, tier, 3).effects for tier in ("T1", "T2", "T3"))
    sealed = [hidden_world(SCENARIO, "T3", k, COMMIT).effects for k in range(5)]
    assert (one.saturation, one.gyro_drift, one.slosh_mass, one.swing) == (0.0, 0.0, 0.0, 0.0)
    assert not one.coupling.any()
    assert two.saturation > 0.0
    assert 0.02 <= two.packet_loss <= 0.10
    assert (two.slosh_mass, two.swing) == (0.0, 0.0)
    assert three.slosh_mass > 0.0
    assert three.hose_torque == 0.0
    assert all(e.hose_torque > 0.0 for e in sealed)


def test_the_fast_engine_agrees_with_the_adaptive_one() -> None:
    """Explicit midpoint of 5 ms against an adaptive scheme of eighth order, under the same commands."""
    world = hidden_world(SCENARIO, "T1", 3)
    fleet = Fleet(SCENARIO, [world], start(1), flight=[0], num_rows=50)
    fleet.kick[:], fleet.push = 0.0, world.truth.residual_l[None]
    first = start(1)[0]
    vehicle = world.truth.vehicle(SCENARIO)
    pose = Pose(position_l=first[:3], attitude_lb=Rotation.from_quat(first[3:7], scalar_first=True),
                velocity_l=first[7:10], rate_b=first[10:13])  # fmt: skip
    motion, held, rng = Motion(vehicle, SCENARIO.place, pose), np.zeros(6), np.random.default_rng(1)
    for k in range(50):
        taken = fleet.advance(np.concatenate([0.2 * rng.standard_normal(3), 0.02 * rng.standard_normal(3)])[None])[0]
        motion.advance(k * 0.2 + vehicle.latency, target=vehicle.gain * held, push_l=world.truth.residual_l)
        motion.advance((k + 1) * 0.2, target=vehicle.gain * taken, push_l=world.truth.residual_l)
        held = taken
    expected, found = motion.pose(), fleet.true()[0]
    assert found[:3] == pytest.approx(expected.position_l, abs=2e-6)
    assert found[7:10] == pytest.approx(expected.velocity_l, abs=2e-6)
    assert found[10:13] == pytest.approx(expected.rate_b, abs=2e-5)


def test_what_one_vehicle_does_does_not_depend_on_the_others() -> None:
    worlds = [hidden_world(SCENARIO, "T3", k) for k in (1, 2)]
    both = Fleet(SCENARIO, worlds, start(2), flight=[4, 5], num_rows=5)
    alone = Fleet(SCENARIO, worlds[1:], start(1), flight=[5], num_rows=5)
    command = np.full((2, 6), 0.05)
    for _ in range(5):
        both.advance(command)
        alone.advance(command[:1])
    assert np.array_equal(both.seen[1], alone.seen[0])


def test_sloshing_conserves_momentum_and_swings_at_its_frequency() -> None:
    """No gravity, no push, tank at the centre of mass: robot and sloshing mass exchange momentum, none is lost."""
    world = hidden_world(SCENARIO, "T3", 0)
    com = world.truth.vehicle(SCENARIO).com_b
    effects = replace(world.effects, slosh_mass=2.0, slosh_hz=0.5, slosh_damping=0.0, slosh_at_b=com, swing=0.0)
    still = start(1)
    still[:, 3:7], still[:, 10:13] = [1.0, 0.0, 0.0, 0.0], 0.0
    fleet = Fleet(SCENARIO, [replace(world, effects=effects)], still, flight=[0], num_rows=60)
    fleet._where[3:16], fleet.push, fleet.kick = 0.0, np.zeros((1, 3)), 0.0 * fleet.kick
    fleet.state[:, 10:13], fleet.state[0, 13:16] = 0.0, [0.02, 0.0, 0.0]
    total, displacement, momentum = float(fleet.rows[0, 0]), [], []
    for _ in range(60):
        fleet.advance(np.zeros((1, 6)))
        displacement.append(fleet.state[0, 13])
        momentum.append(total * fleet.state[0, 3] + 2.0 * fleet.state[0, 16])
    assert momentum == pytest.approx([momentum[0]] * 60, abs=1e-9)
    rate = 2.0 * np.pi * 0.5 * np.sqrt(total / (total - 2.0))  # of the reduced mass
    times = 0.2 * np.arange(1, 61)
    assert displacement == pytest.approx(list(0.02 * np.cos(rate * times)), abs=1e-4)


def experiment_file(folder: Path, minutes: float = 0.2) -> Path:
    made = stope_side.make_experiment("random", ROBOT, stope_side.Limits(), minutes=minutes, seed=2)
    made.save(folder / "next.json", ROBOT)
    return folder / "next.json"


def test_both_sides_fly_the_same_law(tmp_path: Path) -> None:
    path, rng = experiment_file(tmp_path), np.random.default_rng(3)
    theirs, ours = load_experiment(path), stope_side.load_experiment(path)
    seen = rng.standard_normal((20, 13))
    seen[:, 3:7] /= np.linalg.norm(seen[:, 3:7], axis=1, keepdims=True)
    for time in (0.0, 3.3, 11.0):
        assert steer(theirs, time, seen) == pytest.approx(stope_side._steer(ours, ROBOT, time, seen),
                                                          abs=1e-5)  # fmt: skip


def test_an_experiment_becomes_a_flight_that_stope_reads(tmp_path: Path) -> None:
    path = experiment_file(tmp_path)
    call = ["experiment", str(path), "--tier", "T2", "--worlds", "0-1", "--flight", "3", "--out", str(tmp_path / "f")]
    assert main(call) == 0
    flights = [load_flight(f) for f in sorted((tmp_path / "f").iterdir())]
    assert [f.num_rows for f in flights] == [60, 60]
    assert [f.name.split("-flight-")[0] for f in flights] == ["T2-open-00", "T2-open-01"]
    assert main(call) == 2  # it does not write over a flight


def test_a_flight_ends_where_it_leaves_the_keep_in_sphere(tmp_path: Path) -> None:
    experiment = load_experiment(experiment_file(tmp_path, 1.0))
    experiment["targets"][:, 1:4] = [9.0, 0.0, 0.0]
    experiment["law"]["speed_limit"] = np.array(0.5)
    (flown,) = fly_experiment(replace(SCENARIO, keep_in_radius=0.5), [hidden_world(SCENARIO, "T1", 0)], experiment,
                              flight=0)  # fmt: skip
    assert 10 < len(flown.time) < 300
    assert np.linalg.norm(flown.true[-1].position_l) <= 0.5


class Pilot:
    """The other end of the pipe: answers each reading with what `answer` says."""

    def __init__(self, answer: str) -> None:
        """Take the answer."""
        self.answer = answer

    def readline(self, limit: int, /) -> str:
        """Say it."""
        return self.answer


def worlds() -> list[HiddenWorld]:
    return [hidden_world(SCENARIO, "T1", k) for k in (0, 1)]


def test_a_pilot_that_does_nothing_hears_300_readings_and_does_not_dock() -> None:
    out = io.StringIO()
    serve(SCENARIO, worlds(), 1, Pilot(json.dumps({"command": [[0.0] * 6] * 2})), out)
    lines = [json.loads(text) for text in out.getvalue().splitlines()]
    assert (lines[0]["format"], lines[0]["num"], len(lines)) == ("stope-pilot-1", 2, 302)
    assert np.shape(lines[1]["measured"]) == (2, 13)
    assert [row["success"] for row in lines[-1]["outcomes"]] == [False, False]
    assert [row["impulse_ns"] for row in lines[-1]["outcomes"]] == [0.0, 0.0]


@pytest.mark.parametrize("answer", ["", "{}", '{"command": [[0, 0]]}', '{"command": "go"}', '{"command": [[NaN]]}'])
def test_a_pilot_that_does_not_command_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match="the pilot sent"):
        serve(SCENARIO, worlds(), 1, Pilot(answer), io.StringIO())
