# SPDX-License-Identifier: Apache-2.0
"""The loop on digging over the pipe: it goes on where it was killed; who breaks the protocol is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import StopeError
from stope.base.workers import Processes
from stope.flight.ground import ContactFlight, GroundBelief, campaign
from stope.flight.ground.campaign import GroundCampaign, run_ground_campaign
from stope.flight.ground.piloting import FELT, TARE_AT, TRUE, dig, fly_test, true_soils
from stope.flight.ground.scoop import ScoopTest
from stope.flight.stand_in import Flyer
from stope.learn.pilots import ScriptPilot
from stope.learn.policies import GruPolicy
from stope.learn.skills import shipped
from stope.world.tasks import DigTask

GROUND = [sys.executable, "-m", "proving_ground"]
TASK = DigTask(time_limit=20.0)
TEST = ScoopTest("fast", num_stages=1, time_limit=TASK.time_limit)


class _Engine:
    """Believes what the load says: a stand-in for the engine, whose learning has a test of its own."""

    def belief(self, flight: ContactFlight, *, seed: int = 1) -> GroundBelief:
        return GroundBelief.certain(np.array([flight.observation[-1, 14]]), ("cohesion",))


def _policy() -> GruPolicy:
    policy, _ = shipped("dig")
    assert isinstance(policy, GruPolicy)
    return policy


def test_a_test_leaves_logs_and_the_same_ones_again(tmp_path: Path) -> None:
    flyer = Flyer(GROUND, tier="T2")
    one, two = (fly_test(flyer, TEST, TASK, (0, 1), flight=1) for _ in range(2))
    assert [f.name for f in one] == ["T2-open-00-flight-1", "T2-open-01-flight-1"]
    assert one[0].observation.shape == (100, 23)
    assert all(np.array_equal(a.observation, b.observation) for a, b in zip(one, two, strict=True))
    other = fly_test(flyer, TEST, TASK, (0, 0), flight=2)[0]
    assert not np.array_equal(other.observation, one[0].observation)
    one[0].save(tmp_path / "log")
    assert true_soils(flyer, (0, 1)).shape == (2, len(TRUE))


def test_what_anchors_bear_at_rest_is_not_digging() -> None:
    # In this world the robot's weight is a fifth of what its anchors hold.
    flown = fly_test(Flyer(GROUND, tier="T2"), TEST, TASK, (3, 3), flight=1)[0].observation[:, FELT]
    assert flown[TARE_AT - 1].min() > 0.1
    assert np.array_equal(flown[TARE_AT], np.zeros(4))
    assert flown[TARE_AT : TARE_AT + 20].max() < 0.05
    assert flown.min() >= 0.0


def test_a_campaign_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "engine_for", lambda *a, **k: _Engine())
    monkeypatch.setattr(campaign, "ScoopTest", lambda kind, **given: ScoopTest(kind, num_stages=1, **given))
    config = GroundCampaign(tier="T3", first=0, last=1, flights=(0, 1), episodes=1, num_grounds=2)
    killed = False

    def kill(stage: str, share: float) -> None:
        nonlocal killed
        if stage == "dig" and share > 0.33 and not killed:  # two of seven arms have dug
            killed = True
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ground_campaign(config, GROUND, _policy(), task=TASK, root=tmp_path / "a", progress=kill)
    (folder,) = (tmp_path / "a").glob("campaign-dig-*")
    done = {path.name: path.stat().st_mtime_ns for path in folder.glob("dig-*.json")}
    assert set(done) == {"dig-script.json", "dig-default.json"}
    stages: list[str] = []
    again = run_ground_campaign(config, GROUND, _policy(), task=TASK, root=tmp_path / "a",
                                progress=lambda stage, share: stages.append(stage))  # fmt: skip
    assert "fly test 1" not in stages
    assert all((folder / name).stat().st_mtime_ns == stamp for name, stamp in done.items())
    none = run_ground_campaign(replace(config, num_grounds=0), GROUND, _policy(), task=TASK, root=tmp_path / "b")
    assert none["forecast"] == {}
    # Forecasts that are asked for later join what has been dug.
    whole = run_ground_campaign(config, GROUND, _policy(), task=TASK, root=tmp_path / "b")
    assert none["arms"] == whole["arms"]
    assert again == whole
    assert run_ground_campaign(config, GROUND, _policy(), task=TASK, root=tmp_path / "c", workers=Processes(2)) == whole
    assert set(whole["arms"]) == {"script", "tutor", "tutor-1", "default", "adapts", "belief-1", "oracle"}
    assert set(whole["against"]["belief-1"]) == {"script", "tutor", "tutor-1", "default", "adapts", "oracle"}
    assert all(arm["n"] == 2 for arm in whole["arms"].values())
    assert set(whole["forecast"]) == {"0", "1"}
    assert whole["beliefs"]["1"]["of"] == 2


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ('{"format": "x"}', "expected 'stope-pilot-1' and 'dig'"),
        ("nonsense", "expected a JSON object"),
        (
            '{"format": "stope-pilot-1", "task": "dig", "steps": 2, "control_period_s": 1.0, "worlds": ["a"]}',
            "steps of",
        ),
        (
            '{"format": "stope-pilot-1", "task": "dig", "steps": 2, "control_period_s": 0.2, "worlds": ["a"]}\\n'
            '{"measured": [[1, 2]]}',
            "measured has shape",
        ),
        (
            '{"format": "stope-pilot-1", "task": "dig", "steps": 2, "control_period_s": 0.2, "worlds": ["a"]}\\n'
            '{"measured": [[1, 2], [3]]}',
            "expected a table of",
        ),
        ('{"format": "stope-pilot-1", "task": "dig", "steps": 2, "control_period_s": 0.2}', "names worlds None"),
        (
            '{"format": "stope-pilot-1", "task": "dig", "steps": 2, "control_period_s": 0.2, "worlds": ["a", "a"]}',
            "one for each of 1 vehicles",
        ),
    ],
)
def test_a_flyer_that_breaks_the_protocol_is_refused(tmp_path: Path, says: str, words: str) -> None:
    program = tmp_path / "flyer.py"
    program.write_text(f"print('{says}', flush=True)\n")
    flyer = Flyer([sys.executable, str(program)], tier="T1")
    with pytest.raises(StopeError, match=words):
        dig(flyer, ScriptPilot(TASK), lambda names: np.zeros((len(names), 1)), TASK, (0, 0), episodes=1)
    with pytest.raises(StopeError, match="dig-truth"):
        true_soils(flyer, (0, 0))


def test_a_campaign_that_cannot_be_is_refused() -> None:
    with pytest.raises(StopeError, match="counts that rise"):
        GroundCampaign(flights=(3, 1))
    with pytest.raises(StopeError, match="2 or more"):
        GroundCampaign(num_grounds=1)
    with pytest.raises(StopeError, match="in order"):
        GroundCampaign(first=4, last=2)
