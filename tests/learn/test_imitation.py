# SPDX-License-Identifier: Apache-2.0
"""Imitation: the loss knows limits, rollouts are kept beside the checkpoint, and tutors use what is believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stope.base.errors import FileError
from stope.learn.imitation import Chunk, Replay, imitate, imitation_loss, imitation_rate, retold
from stope.learn.skill_training import SkillConfig, SkillTraining
from stope.world.tasks import AnchorTask, CaptureTask, DigTask, HopTask
from stope.world.tasks.dig import EFFORT, FAST, FELT, FULL_PULL, LOADS, LOWERING, MAX_SPIN, MOST_HURRY, SLOW, TIME
from stope.world.told import NUM_JOINT, NUM_SUMMARY, believed, summaries

RNG = np.random.default_rng(0)


def chunk(number: int, worlds: int = 6) -> Chunk:
    """A rollout whose numbers say which it is."""
    return Chunk(torch.full((3, worlds, 4), float(number)), torch.zeros(3, worlds, 2), torch.zeros(3, worlds),
                 torch.zeros(1, worlds, 5))  # fmt: skip


def test_beyond_a_limit_that_the_script_asks_for_nothing_is_off() -> None:
    wanted = torch.tensor([1.0, -1.0, 1.0, 0.5])
    assert imitation_loss(torch.tensor([3.0, -2.0, 1.0, 0.5]), wanted) == 0.0
    assert imitation_loss(torch.tensor([3.0, 2.0, 1.0, 0.5]), wanted) == pytest.approx(9.0 / 4)
    assert imitation_loss(torch.tensor([0.0, -2.0, 1.0, 1.5]), wanted) == pytest.approx(2.0 / 4)


def test_the_rate_falls_to_a_twentieth() -> None:
    rates = [imitation_rate(1e-3, share) for share in np.linspace(0, 1, 11)]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(5e-5)
    assert rates == sorted(rates, reverse=True)


def test_the_last_rollouts_come_back_and_the_rest_leaves_no_file(tmp_path: Path) -> None:
    replay = Replay(2, tmp_path / "checkpoint.safetensors")
    for k in range(5):
        replay.add(chunk(k))
        replay.trim()
    assert [float(c.inputs[0, 0, 0]) for c in replay.chunks] == [3.0, 4.0]
    again = Replay(2, tmp_path / "checkpoint.safetensors")
    again.restore(5)
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(again.chunks, replay.chunks, strict=True))
    assert len(list(tmp_path.iterdir())) == 2
    replay.add(chunk(5))  # killed before the checkpoint that comes after it
    again.restore(5)
    assert [float(c.inputs[0, 0, 0]) for c in again.chunks] == [3.0, 4.0]
    again.restore(6)
    again.clear()
    assert not list(tmp_path.iterdir())


def test_a_rollout_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    replay = Replay(2, tmp_path / "checkpoint.safetensors")
    replay.add(chunk(0))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(FileError, match="not a whole rollout"):
        replay.restore(1)
    file.unlink()
    with pytest.raises(FileError, match="not a whole rollout"):
        replay.restore(1)


def test_what_was_flown_is_retold_with_what_the_tutor_does_then() -> None:
    """Worlds keep their belief and its action, or get another for all of the rollout, and the action of that."""

    def tutor(seen: np.ndarray, belief: np.ndarray) -> np.ndarray:
        return seen[:, :1] + belief[:, 1:2]

    rng = np.random.default_rng(5)
    seen, old = rng.standard_normal((6, 40, 3)), rng.standard_normal((40, 2))
    inputs = np.concatenate([seen, np.broadcast_to(old, (6, 40, 2))], axis=2).astype(np.float32)
    wanted = seen[:, :, :1] + old[None, :, 1:2]
    part = tuple(torch.from_numpy(np.asarray(x, dtype=np.float32)) for x in
                 (inputs, wanted, np.zeros((6, 40)), np.zeros((1, 40, 4))))  # fmt: skip
    new = rng.standard_normal((40, 2))
    got, right, _, _ = retold(part, new, tutor, rng)
    changed = (got[:, :, 3:] != part[0][:, :, 3:]).any(dim=2).all(dim=0).numpy()
    assert 8 < changed.sum() < 32, "about half"
    assert torch.equal(got[:, :, :3], part[0][:, :, :3]), "what was seen stays"
    assert torch.equal(got[:, ~changed], part[0][:, ~changed])
    assert torch.equal(right[:, ~changed], part[1][:, ~changed])
    assert got[0, changed, 3:].numpy() == pytest.approx(new[changed], abs=1e-6)
    assert torch.allclose(right, got[:, :, :1] + got[:, :, 4:5], atol=1e-6), "and each action fits its belief"


def told(mean: float, std: float, name: str = "cohesion", n: int = 3) -> np.ndarray:
    """Beliefs that know nothing but one parameter."""
    out = summaries("prior", np.zeros((n, NUM_JOINT)), RNG)
    for k in range(NUM_JOINT):
        probe = np.zeros((1, NUM_SUMMARY))
        probe[0, k] = 1.0
        if believed(probe, name)[0][0] == 1.0:
            out[:, k], out[:, NUM_JOINT + k] = mean, np.log(std)
    return out


def test_the_tutor_of_dig_turns_as_fast_as_the_believed_soil_surely_holds() -> None:
    task = DigTask()
    seen = np.zeros((3, len(task.observation_names)))

    def rate(belief: np.ndarray) -> float:
        return float(MAX_SPIN * task.tutor(seen, belief)[0, 2] ** 2)

    unsure, weak, strong = told(0.0, 1.0), told(-1.5, 0.1), told(1.5, 0.1)
    assert rate(unsure) < 1.01 * SLOW, "who knows nothing goes as slowly as the script"
    assert SLOW <= rate(weak) < rate(strong) <= FAST + 1e-12
    assert rate(told(1.5, 0.1)) > rate(told(1.5, 1.0)) >= rate(unsure)
    assert rate(unsure) >= SLOW - 1e-12
    assert task.script(seen)[:, 2] ** 2 == pytest.approx(np.full(3, SLOW / MAX_SPIN))


def test_the_tutor_of_dig_hurries_when_late_and_no_faster_than_scoops_likely_hold() -> None:
    task = DigTask()
    seen = np.zeros((5, len(task.observation_names)))
    seen[:, TIME] = (0.1, 0.5, 0.5, 0.5, 0.9)
    seen[:, LOADS] = np.array([[0.02, 0.2, 0.5, 0.4, 0.2], [0.02, 0.6, 0.6, 0.15, 0.5]]).T
    rate = MAX_SPIN * task.tutor(seen, told(0.0, 1.0, n=5))[:, 2:] ** 2
    calm = MAX_SPIN * task.tutor(seen * 0.0, told(0.0, 1.0, n=5))[0, 2] ** 2
    assert rate[0] == pytest.approx(calm), "early on a load says nothing"
    assert rate[1, 0] > rate[1, 1] == pytest.approx(calm), "each drum by its own load"
    # In half of the time 0.5 came, and 0.52 are left for 0.4 of it.
    assert rate[2, 0] == pytest.approx(calm * 0.52 / 0.4, rel=1e-6)
    weak = told(-1.5, 1.0, n=5)
    late, calm = task.tutor(seen, weak)[3:, 3] ** 2, task.tutor(seen, weak)[0, 3] ** 2
    assert calm < late[0] == late[1] < MOST_HURRY * calm, "who is later still does not throw his load away"


def test_the_tutor_of_dig_lowers_its_arms_by_what_the_anchors_have_left() -> None:
    task = DigTask()
    seen = np.zeros((4, len(task.observation_names)))
    seen[:, FELT.start + 2] = (0.0, FULL_PULL - 0.1, FULL_PULL, 0.9)
    lower = task.tutor(seen, told(0.0, 1.0, n=4))[:, 0]
    assert lower == pytest.approx([LOWERING, 0.1, 0.0, -LOWERING])
    seen[:, EFFORT] = 8.0
    assert (task.tutor(seen, told(0.0, 1.0, n=4))[:, :2] == 0.0).all(), "nor against what holds them up"


def test_what_dig_imagines_is_later_in_some_worlds_all_along_and_else_what_was_seen() -> None:
    task = DigTask()
    seen = RNG.random((20, 200, len(task.observation_names)))
    seen[:, :, TIME] = np.linspace(0.0, 0.5, 20)[:, None]
    got = task.imagined(seen, np.random.default_rng(1))
    others = [k for k in range(seen.shape[2]) if k != TIME]
    assert (got[:, :, others] == seen[:, :, others]).all()
    slower = got[5, :, TIME] / seen[5, :, TIME]
    assert 0.35 < (slower == 1.0).mean() < 0.65
    assert slower.min() == 1.0
    assert 2.5 < slower.max() <= 3.0
    assert got[:, :, TIME] == pytest.approx(np.minimum(1.0, slower * seen[:, :, TIME]))


def test_what_is_imagined_is_taught_and_a_task_that_imagines_nothing_teaches_what_was_seen() -> None:
    part = chunk(0).part(torch.arange(6))
    beliefs = np.zeros((6, 3))

    def tutor(seen: np.ndarray, belief: np.ndarray) -> np.ndarray:
        return seen[:, :1]

    plain = retold(part, beliefs, tutor, np.random.default_rng(3))
    got, right, _, _ = retold(part, beliefs, tutor, np.random.default_rng(3), lambda seen, rng: seen + 1.0)
    size = got.shape[2] - 3
    changed = (got != plain[0]).any(dim=2).any(dim=0)
    assert changed.any()
    assert not changed.all()
    assert torch.allclose(got[:, changed, :size], part[0][:, changed, :size] + 1.0)
    assert torch.allclose(right[:, changed], got[:, changed, :1]), "taught for what was imagined"
    assert torch.equal(plain[0][:, :, :size], part[0][:, :, :size])
    assert (AnchorTask().imagined(np.ones((2, 3, 4)), RNG) == 1.0).all()


def test_the_tutor_of_hop_pushes_harder_where_soil_is_believed_to_give_way() -> None:
    task = HopTask()
    seen = np.zeros((3, len(task.observation_names)))
    seen[:, 0], seen[:, 5], seen[:, 13] = 1.0, 1.0, 1.0  # 10 m east of the spot, flat, at rest, nothing hopped yet

    def push(belief: np.ndarray, seen: np.ndarray = seen) -> float:
        return float(task.tutor(seen, belief)[0, 1])

    assert push(told(-1.0, 0.1)) > push(told(0.0, 1.0)) > push(told(1.0, 0.1))
    # Who is unsure believes the hop he has just made; who is sure hardly.
    after = seen.copy()
    after[:, 7], after[:, 8], after[:, 10] = 0.3, 1.8, 1.0  # 18 m of a strength of 0.3: a gain of 200 m
    assert push(told(0.0, 1.0), after) < 0.75 * push(told(0.0, 1.0))
    change = push(told(-1.0, 0.05)) - push(told(-1.0, 0.05), after)
    assert 0.0 <= change < 0.1 * push(told(-1.0, 0.05))


def test_the_tutor_of_capture_is_the_script() -> None:
    task = CaptureTask()
    seen = RNG.standard_normal((5, len(task.observation_names)))
    assert (task.tutor(seen, told(0.0, 1.0, n=5)) == task.script(seen)).all()


def test_a_lander_whose_anchors_have_not_bitten_tries_again_and_its_tutor_does_not() -> None:
    task = AnchorTask()
    times = np.linspace(0.0, 0.99, 100)
    seen = np.zeros((100, len(task.observation_names)))
    seen[:, 2], seen[:, 10], seen[:, 12:15] = 1.0, times, 1.0
    lifts = task.script(seen)[:, 2] > 0.0
    assert (lifts == (((times >= 0.40) & (times < 0.45)) | ((times >= 0.60) & (times < 0.65)))).all()
    assert not (task.tutor(seen, told(0.0, 1.0, n=100))[:, 2] > 0.0).any()
    seen[:, 15:18] = 0.5
    assert (task.script(seen) == task.tutor(seen, told(0.0, 1.0, n=100))).all()


def test_what_is_told_is_read_only_where_the_tutor_acts_on_it() -> None:
    """One number of the belief decides, the others do not: with shrinkage only that one keeps its weights."""
    training = SkillTraining(SkillConfig(task="hop", num_worlds=4, memory=8, hidden=(8,)))
    actor = training.ppo.actor
    first = actor.obs_dim - NUM_SUMMARY
    optimiser = torch.optim.Adam(actor.parameters(), lr=3e-3)

    def sizes() -> np.ndarray:
        told = slice(first, actor.obs_dim)
        read = torch.cat([actor.rnn.rnn.weight_ih_l0[:, told], actor.mlp[0].weight[:, told]])
        return read.norm(dim=0).detach().numpy()

    before = sizes()
    for _ in range(600):
        inputs = torch.from_numpy(RNG.standard_normal((4, 64, actor.obs_dim)).astype(np.float32))
        inputs[:, :, first:] = inputs[:1, :, first:]
        wanted = inputs[:, :, first + 3 : first + 4].expand(-1, -1, training.env.num_actions)
        imitate(actor, optimiser, (inputs, wanted, torch.zeros(4, 64), torch.zeros(1, 64, 8)), shrink=1.0)
    after = sizes()
    assert after[3] > 0.5 * before[3]
    assert np.delete(after, 3).max() < 0.1 * after[3]
    for _ in range(10):
        actor.shrink_told(1.0)
    assert (sizes() == 0.0).all(), "what shrinks on ends at nothing and stays there"
