# SPDX-License-Identifier: Apache-2.0
"""Training of tasks with contact: it learns the script, resumes to the bit, and does not depend on threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stope.base.errors import ConfigError, FileError
from stope.learn.pilots import GruPilot, NothingPilot, ScriptPilot, fly_skill
from stope.learn.policies import GruPolicy
from stope.learn.skill_assess import Believed, assess_skill
from stope.learn.skill_training import SkillConfig, SkillTraining
from stope.world.contact_env import ContactBatch
from stope.world.physics import GROUND_PARAMETERS
from stope.world.tasks import AnchorTask
from stope.world.told import NUM_SUMMARY

SHORT = ("time_limit=4", "push_start=3")
TINY: dict[str, Any] = {
    "task": "anchor", "settings": SHORT, "num_worlds": 8, "steps_per_iteration": 5, "num_imitation": 2,
    "num_reinforcement": 2, "num_warm_up": 1, "evaluate_every": 1, "num_evaluation": 4, "memory": 6, "hidden": (8,),
}  # fmt: skip


def finished(run: SkillTraining) -> SkillTraining:
    while not run.is_done:
        run.advance()
    return run


def same(one: SkillTraining, other: SkillTraining) -> bool:
    a, b = one.ppo.actor.state_dict(), other.ppo.actor.state_dict()
    return all(torch.equal(a[k], b[k]) for k in a) and one.policy().digest == other.policy().digest


def test_killed_after_any_iteration_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    """Through the imitation, the critic's warm-up, and reinforcement."""
    whole = finished(SkillTraining(SkillConfig(**TINY)))
    path = tmp_path / "checkpoint.safetensors"
    while True:  # a new process after each iteration
        run = SkillTraining(SkillConfig(**TINY), checkpoint=path)
        if run.is_done:
            break
        run.advance()
        if run.is_done:
            break
    assert run.iteration == whole.iteration == 4
    assert same(whole, run)
    assert [h["success"] for h in run.history] == [h["success"] for h in whole.history]


def test_weights_do_not_depend_on_the_threads() -> None:
    assert same(finished(SkillTraining(SkillConfig(**TINY), num_threads=1)),
                finished(SkillTraining(SkillConfig(**TINY), num_threads=2)))  # fmt: skip


def test_another_seed_gives_other_weights() -> None:
    one, other = (finished(SkillTraining(SkillConfig(**{**TINY, "seed": seed}))) for seed in (1, 2))
    assert not same(one, other)


def test_warm_up_leaves_the_actor_alone() -> None:
    run = SkillTraining(SkillConfig(**{**TINY, "num_warm_up": 2}))
    for _ in range(2):
        run.advance()
    before = {k: v.clone() for k, v in run.ppo.actor.mlp.state_dict().items()}
    critic = {k: v.clone() for k, v in run.ppo.critic.mlp.state_dict().items()}
    run.advance()
    assert all(torch.equal(before[k], v) for k, v in run.ppo.actor.mlp.state_dict().items())
    assert any(not torch.equal(critic[k], v) for k, v in run.ppo.critic.mlp.state_dict().items())


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    SkillTraining(SkillConfig(**TINY), checkpoint=path).advance()
    with pytest.raises(FileError, match="belongs to another configuration"):
        SkillTraining(SkillConfig(**{**TINY, "seed": 5}), checkpoint=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FileError, match="not a whole checkpoint"):
        SkillTraining(SkillConfig(**TINY), checkpoint=path)


def test_rollouts_that_a_kill_left_behind_are_deleted(tmp_path: Path) -> None:
    """Killed after the last checkpoint of the imitation, before its rollouts were cleared."""
    path = tmp_path / "checkpoint.safetensors"
    run = SkillTraining(SkillConfig(**TINY), checkpoint=path)
    for _ in range(run.config.num_imitation):
        run.advance()
    left = tmp_path / "checkpoint.rollout-0.safetensors"
    left.write_bytes(b"left behind")
    SkillTraining(SkillConfig(**TINY), checkpoint=path)
    assert [f.name for f in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_imitation_comes_near_the_script() -> None:
    """The network's actions approach the script's, in the worlds the network itself brings about."""
    config = SkillConfig(**{**TINY, "num_worlds": 32, "steps_per_iteration": 20, "num_imitation": 12, "memory": 32,
                            "hidden": (32,), "num_reinforcement": 0})  # fmt: skip
    run = SkillTraining(config)
    run.advance()

    def gap() -> float:
        batch, task = run.task.batch(num_worlds=32, seed=99), run.task
        observation, policy = batch.reset(), run.policy()
        memory, squares = policy.start(32), []
        for _ in range(batch.max_episode_steps):
            action, memory = policy.act(observation, batch.belief, memory)
            squares.append(np.square(action - task.script(observation.astype(np.float64))).mean())
            observation, *_ = batch.step(action, autoreset=False)
        return float(np.mean(squares))

    first = gap()
    finished(run)
    assert gap() < 0.5 * first


def test_settings_are_checked() -> None:
    for change, text in (
        ({"num_minibatches": 3}, "expected a divisor of num_worlds"),
        ({"hidden": ()}, "expected layers of 1 or more units"),
        ({"discount": 1.5}, "discount = 1.5"),
        ({"settings": ("push_low=-1",)}, "push_low = -1.0"),
        ({"num_imitation": 0}, "num_imitation = 0: expected more than 0"),
        ({"told": "everything"}, "told = 'everything': expected one of drawn, prior, sharp, truth"),
        ({"breadth": 2.0}, "breadth = 2.0"),
    ):
        with pytest.raises(ConfigError, match=text):
            SkillConfig(**{**TINY, **change})


def test_pilots_get_the_same_worlds_whatever_is_told() -> None:
    """What a world is does not depend on what is told of it, so that comparisons are paired."""
    task = AnchorTask(time_limit=4.0, push_start=3.0)
    batches = [task.batch(num_worlds=4, seed=3, told=told) for told in ("prior", "drawn", "truth")]
    for batch in batches:
        batch.reset()
    assert all((b.z == batches[0].z).all() for b in batches)
    assert all((b.world.state == batches[0].world.state).all() for b in batches)
    assert not (batches[0].belief == batches[1].belief).all()
    one, other = (fly_skill(ScriptPilot(task), b) for b in batches[:2])
    assert (one.effort == other.effort).all()


def test_worlds_of_no_breadth_are_default_physics() -> None:
    task = AnchorTask(time_limit=4.0, push_start=3.0)
    narrow, wide = (task.batch(num_worlds=4, seed=3, breadth=breadth) for breadth in (0.0, 1.0))
    for batch in (narrow, wide):
        batch.reset()
    assert not narrow.z.any()
    assert (narrow.theta_ground == narrow.ground_prior.centre).all()
    assert wide.z.any()
    assert (narrow.world.state[:, 3:13] == wide.world.state[:, 3:13]).all(), "starts are the same"


def test_the_assessment_has_every_cell(tmp_path: Path) -> None:
    run = finished(SkillTraining(SkillConfig(**TINY)))
    policy = run.policy()
    policy.card = run.card()
    policy.save(tmp_path / "p.safetensors")
    task = SkillConfig(**TINY).make_task()
    found = assess_skill(GruPolicy.load(tmp_path / "p.safetensors"), "anchor", task, num=4, seed=1)["skills"]["anchor"]
    assert set(found["conditions"]) == {"ignorant", "prior", "sharp", "truth"}
    assert set(found["baselines"]) == {"script", "tutor", "random", "nothing"}  # of anchor, which has a tutor
    for cell in (*found["conditions"].values(), *found["baselines"].values()):
        assert cell["n"] == 4
        assert 0.0 <= cell["low"] <= cell["success"] <= cell["high"] <= 1.0
    for pair in found["paired"].values():
        assert pair["both"] + pair["only_policy"] + pair["only_other"] <= pair["n"] == 4
    assert found["baselines"]["nothing"]["effort"] == 0.0
    some = assess_skill(policy, "anchor", task, num=4, seed=1, only=("ignorant", "nothing"))["skills"]["anchor"]
    assert some["conditions"] == {"ignorant": found["conditions"]["ignorant"]}
    assert some["baselines"] == {"nothing": found["baselines"]["nothing"]}
    assert some["paired"] == {}, "there is no script to pair with"
    for cell in ("best", "belief"):
        with pytest.raises(ConfigError, match=f"only = {cell}: expected some of ignorant, prior"):
            assess_skill(policy, "anchor", task, num=4, seed=1, only=(cell,))


def test_worlds_of_a_belief_are_flown_told_it_and_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run = SkillTraining(SkillConfig(**TINY))
    policy, task, given = run.policy(), SkillConfig(**TINY).make_task(), []
    policy.card = run.card()
    give = ContactBatch.give

    def watched(batch: ContactBatch, ground: np.ndarray, told: np.ndarray) -> None:
        given.append((ground, told))
        give(batch, ground, told)

    monkeypatch.setattr(ContactBatch, "give", watched)
    grounds = np.random.default_rng(1).standard_normal((3, len(GROUND_PARAMETERS)))
    summary = np.linspace(-1.0, 1.0, NUM_SUMMARY)
    cells = ("belief", "belief-ignorant", "belief-script")
    found = assess_skill(policy, "anchor", task, num=3, seed=1, only=cells, believed=Believed(grounds, summary))
    assert set(found["skills"]["anchor"]["conditions"]) == set(cells[:2]) == set(found["skills"]["anchor"]["paired"])
    assert set(found["skills"]["anchor"]["baselines"]) == {"belief-script"}
    assert all((ground == grounds).all() for ground, _ in given), "all in the same worlds"
    assert [(told == want).all() for (_, told), want in zip(given, (summary, 0.0, 0.0), strict=True)] == [True] * 3


def test_a_pilot_forgets_between_episodes() -> None:
    run = SkillTraining(SkillConfig(**TINY))
    run.advance()
    pilot = GruPilot(run.policy())
    flown = [fly_skill(pilot, run.task.batch(num_worlds=3, seed=5)) for _ in range(2)]
    assert (flown[0].effort == flown[1].effort).all()
    idle = fly_skill(NothingPilot(7), run.task.batch(num_worlds=3, seed=5))
    assert not idle.is_success.any()
