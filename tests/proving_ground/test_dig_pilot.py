# SPDX-License-Identifier: Apache-2.0
"""Digging worlds, what the digger reads of itself, and the pilot's protocol."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from proving_ground.__main__ import main
from proving_ground.dig_serve import serve_dig
from proving_ground.dig_world import DEFAULT, dig_world, load_dig_scenario
from tests.proving_ground.dig_builders import SCENARIO, fleet, fly, script, soil

COMMIT = "42ce76f00000000000000000000000000000abcd"


def test_hidden_numbers_are_drawn_from_the_published_prior() -> None:
    sealed = [dig_world(SCENARIO, "T3", k, COMMIT) for k in range(100)]
    cohesion = np.log10([w.truth.cohesion for w in sealed])
    density = np.array([w.truth.bulk_density for w in sealed])
    assert (cohesion.min() >= -2.0, cohesion.max() <= 2.0) == (True, True)
    assert (density.min() >= 400.0, density.max() <= 1800.0) == (True, True)
    # Standard errors of the means of 100 uniform draws: 0.115 and 40; four of them.
    assert np.mean(cohesion) == pytest.approx(0.0, abs=0.46)
    assert np.mean(density) == pytest.approx(1100.0, abs=160.0)
    assert len({w.truth.cohesion for w in sealed} | {dig_world(SCENARIO, "T2", 3).truth.cohesion}) == 101


def test_each_tier_adds_to_the_one_before() -> None:
    one, two, three = (dig_world(SCENARIO, tier, 3).effects for tier in ("T1", "T2", "T3"))
    sealed = dig_world(SCENARIO, "T3", 3, COMMIT).effects
    assert (one.rate_scale, one.stiction, one.sag, one.load_drift) == (0.0, 0.0, 0.0, 0.0)
    assert np.array_equal(one.torque_scale, np.ones(2))
    assert two.rate_scale != 0.0
    assert 0.02 <= two.packet_loss <= 0.10
    for tame in (one, two):
        assert (tame.kappa, tame.catch_share, tame.growth, tame.adhesion, tame.crust) == (1.0, 0.6, 0.0, 0.0, 1.0)
    assert 0.5 <= three.kappa <= 2.0
    assert 0.45 <= three.catch_share <= 0.75
    assert (three.growth > 0.0, three.adhesion > 0.0, three.crust) == (True, True, 1.0)
    assert sealed.crust >= 5.0
    assert sealed.crust_depth > 0.0


def test_what_one_digger_does_does_not_depend_on_the_others() -> None:
    worlds = [dig_world(SCENARIO, "T3", k) for k in range(7)]
    both = fleet(*worlds, episodes=list(range(7)), seconds=60.0, stones=True)
    alone = fleet(worlds[5], episodes=[5], seconds=60.0, stones=True)
    for _ in range(300):
        both.advance(script(both.seen, 0.3))
        alone.advance(script(alone.seen, 0.3))
    assert both.state["cut"][5].min() > 0.0
    assert both.seen[5].tobytes() == alone.seen[0].tobytes()
    assert both.state[5].tobytes() == alone.state[0].tobytes()


def test_a_lost_reading_repeats_the_last_one() -> None:
    made = fleet(soil(packet_loss=0.5), seconds=40.0)
    repeats = []
    for k in range(200):
        before = made.seen.copy()
        made.advance(np.array([[0.002, 0.002, 0.05, -0.05]]))
        repeats.append(bool(np.array_equal(made.seen, before)))
        assert repeats[-1] == made.lost[k + 1, 0]
    assert 60 < sum(repeats) < 140


def test_sensors_and_actuators_err_as_their_world_says() -> None:
    plain = soil(cohesion=5.0)
    wrong = soil(cohesion=5.0, torque_bias=np.array([0.5, 0.0]), load_bias=np.array([0.0, 0.3]), rate_scale=0.25)
    made = fleet(plain, wrong, seconds=20.0)
    for _ in range(100):
        made.advance(np.tile([0.0, 0.0, 0.2, -0.2], (2, 1)))
    spin, seen = made.state["spin"], made.seen
    assert spin[0, 0] == pytest.approx(0.2, rel=0.01)  # the motor's own friction takes 1 part in 400
    assert spin[1, 0] == pytest.approx(0.2 / 1.25, rel=0.01)
    assert seen[1, 8] == pytest.approx(0.2, rel=0.01)
    assert seen[1, 10] - seen[0, 10] == pytest.approx(0.5, abs=0.01)
    assert seen[1, 15] - seen[0, 15] == pytest.approx(0.3, abs=0.15)  # five sigma of two readings of 0.02
    tired = fleet(soil(sag=0.1), seconds=400.0)
    tired.row = 1999
    tired.advance(np.array([[0.0, 0.0, 0.5, -0.5]]))
    assert tired.state["spin"][0, 0] == pytest.approx(0.45, rel=0.01)


def test_a_set_point_never_runs_far_from_its_arm() -> None:
    made = fleet(soil(cohesion=100.0), seconds=60.0)
    for _ in range(300):
        before = made.arms()
        made.advance(np.array([[9.0, 9.0, 0.0, 0.0]]))
        assert np.abs(made.state["aim"] - before).max() <= 0.02 + 1e-12
    assert made.state["aim"].min() >= -0.30
    assert made.arms().max() < 0.05


def test_the_script_fills_both_drums_in_most_worlds() -> None:
    worlds = [dig_world(SCENARIO, "T1", k) for k in range(20)]
    outcomes = fly(fleet(*worlds, stones=True), 0.05)
    assert sum(row["success"] for row in outcomes) >= 12
    assert all(min(row["fill"]) >= 0.9 for row in outcomes if row["success"])


def test_cohesive_soil_can_be_dug_three_times_faster() -> None:
    (slow,), (medium,), (fast,) = (fly(fleet(soil(cohesion=3.0)), rate) for rate in (0.05, 0.15, 0.5))
    assert slow["success"]
    assert slow["time_s"] > 1.5 * medium["time_s"] > 1.5 * fast["time_s"]
    assert slow["time_s"] > 3.0 * fast["time_s"]


class Pilot:
    """The other end of the pipe: answers each reading with what `answer` says."""

    def __init__(self, answer: str) -> None:
        """Take the answer."""
        self.answer = answer

    def readline(self, limit: int, /) -> str:
        """Say it."""
        return self.answer


def test_a_pilot_that_does_nothing_hears_every_reading_and_fills_nothing() -> None:
    out = io.StringIO()
    worlds = [dig_world(SCENARIO, "T1", k) for k in (0, 1)]
    serve_dig(SCENARIO, worlds, [1000, 1001], 4.0, Pilot(json.dumps({"command": [[0.0] * 4] * 4})), out)
    lines = [json.loads(text) for text in out.getvalue().splitlines()]
    assert lines[0] == {"format": "stope-pilot-1", "task": "dig", "num": 4, "steps": 20, "control_period_s": 0.2,
                        "worlds": ["T1-open-00"] * 2 + ["T1-open-01"] * 2}  # fmt: skip
    assert len(lines) == 22
    assert np.shape(lines[1]["measured"]) == (4, 22)
    assert lines[-1]["outcomes"][0] == {"success": False, "time_s": 4.0, "fill": [0.0, 0.0], "dug_kg": 0.0,
                                        "thrown_share": 0.0, "slip_m": pytest.approx(0.0, abs=1e-7),
                                        "anchors_held": 4}  # fmt: skip


@pytest.mark.parametrize("answer", ["", "dig!", "{}", '{"command": [[0, 0]]}', '{"command": [[0, 0, 0, NaN]]}'])
def test_a_pilot_that_sends_garbage_gets_one_line_and_exit_code_2(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["dig", "--tier", "T1", "--worlds", "0", "--flight", "1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("proving_ground: the pilot sent")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "word"),
    [(["--flight", "1000"], "0 to 999"), (["--seconds", "0"], "expected"), (["--worlds", "20"], "0 to 19")],
)
def test_a_call_that_means_nothing_is_refused(more: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dig", "--tier", "T1", "--worlds", "0", *more]) == 2
    assert word in capsys.readouterr().err


def test_a_flight_and_an_episode_have_other_noise_in_the_same_soil(capsys: pytest.CaptureFixture[str]) -> None:
    first = []
    for more in (["--flight", "1"], ["--flight", "2"], ["--episodes", "1"], ["--flight", "1"]):
        assert main(["dig", "--tier", "T2", "--worlds", "4", *more]) == 2  # nobody answers
        first.append(capsys.readouterr().out.splitlines()[1])
    assert (len(set(first)), first[0]) == (3, first[3])


def test_truths_are_printed_for_scoring(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dig-truth", "--tier", "T3", "--worlds", "0-2", "--sealed", COMMIT]) == 0
    rows = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [row["world"] for row in rows] == ["T3-sealed-00", "T3-sealed-01", "T3-sealed-02"]
    world = dig_world(SCENARIO, "T3", 1, COMMIT)
    assert (rows[1]["cohesion_pa"], rows[1]["bulk_density"]) == (world.truth.cohesion, world.truth.bulk_density)


def test_another_file_is_not_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "dig.toml"
    path.write_text(DEFAULT.read_text(encoding="utf-8").replace("[task]", "[tusk]"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"dig.toml: not a digger's scenario"):
        load_dig_scenario(path)
