# SPDX-License-Identifier: Apache-2.0
"""Training by several ranks: one is the plain training, several have the same weights, a killed one costs no bits."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stope.base.errors import ConfigError
from stope.base.ranks import Group
from stope.base.workers import Here, Processes, Unit, Workers
from stope.learn import train as module
from stope.learn.distributed import trained_together
from stope.learn.train import TrainConfig, Training, rank_seed, train
from stope.world.tasks import DockConfig

TINY = TrainConfig(num_worlds=16, steps_per_iteration=8, num_iterations=4, evaluate_every=2, num_evaluation=8,
                   hidden=(8,), task=DockConfig(time_limit=6.0))  # fmt: skip


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """Of the bits of all."""
    return hashlib.sha256(b"".join(v.numpy().tobytes() for _, v in sorted(tensors.items()))).hexdigest()


def whole(run: Training) -> dict[str, str]:
    """Digests of what a training ends with."""
    worlds = {k: torch.from_numpy(np.array(v)) for k, v in run.batch.snapshot().items()}
    return {"actor": digest(run.ppo.actor.state_dict()), "critic": digest(run.ppo.critic.state_dict()),
            "rate": repr(run.ppo.learning_rate), "worlds": digest(worlds)}  # fmt: skip


def ends_with(group: Group, config: TrainConfig) -> dict[str, Any]:
    """A training by ranks: each one's digests, and the first's history and policy."""
    with group.joined():
        policy, run = train(config, group=group)
        history = [{k: v for k, v in row.items() if k != "seconds"} for row in run.history]
        return {"ranks": group.gathered(whole(run)), "history": history, "policy": policy.digest}


def together(workers: Workers, config: TrainConfig = TINY, call: Any = ends_with) -> dict[str, Any]:
    return workers.together(Unit(call, (config,), "train"))


@pytest.mark.parametrize("workers", [Here(), pytest.param(Processes(1), marks=pytest.mark.slow)])
def test_one_rank_is_the_plain_training(workers: Workers) -> None:
    policy, run = train(TINY)
    found = together(workers)
    assert found["policy"] == policy.digest
    assert found["ranks"] == [whole(run)]


def test_two_ranks_have_the_same_weights_and_worlds_of_their_own() -> None:
    found = together(Processes(2))
    one, two = found["ranks"]
    assert {k: one[k] for k in ("actor", "critic", "rate")} == {k: two[k] for k in ("actor", "critic", "rate")}
    assert one["worlds"] != two["worlds"]
    assert found["history"][-1]["steps"] == 4 * 16 * 8, "the ranks share the worlds"
    assert found["policy"] != train(TINY)[0].digest, "another number is another training"


@pytest.mark.slow
def test_bits_are_the_same_for_a_given_number_of_ranks() -> None:
    assert together(Processes(2)) == together(Processes(2))


def same_seed(group: Group, config: TrainConfig) -> list[list[float]]:
    """Weights after one update by ranks that all draw the same worlds and noise."""
    module.rank_seed = lambda seed, group: seed
    with group.joined():
        run = Training(config, group=group)
        torch.manual_seed(7)
        run.roll_out()
        run.ppo.update()
        return [p.detach().flatten().tolist() for p in run.ppo.actor.parameters()]


@pytest.mark.slow
def test_gradients_are_averaged_so_that_ranks_of_equal_worlds_learn_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of two equal gradients is that gradient: two ranks of 8 equal worlds are one of 8."""
    monkeypatch.setattr(module, "rank_seed", rank_seed)  # put back what the rank in this process changes
    two = together(Processes(2), TINY, same_seed)
    one = together(Here(), replace(TINY, num_worlds=8), same_seed)
    before = [p.detach().flatten().tolist() for p in Training(TINY).ppo.actor.parameters()]
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-7)  # the learning rate goes between ranks as a float32
    moved = [a != pytest.approx(start, rel=1e-3) for a, start in zip(one, before, strict=True)]
    assert sum(moved) >= len(moved) - 1, "the last bias does nothing (`CentredModel`)"


def dies_once(group: Group, config: TrainConfig, root: Path, *, at: int) -> str:
    """A stored training of which one rank kills itself after an iteration, once."""
    mark = root / "mark"

    def on_iteration(run: Training) -> None:
        if run.iteration == at and group.rank == 1 and not mark.exists():
            mark.write_text("was here")
            os.kill(os.getpid(), signal.SIGKILL)

    with group.joined():
        policy, _ = train(config, checkpoint=root / "checkpoint.safetensors", on_iteration=on_iteration, group=group)
        return policy.digest


def dies_after_a_checkpoint(group: Group, config: TrainConfig, root: Path) -> str:
    return dies_once(group, config, root, at=3)


@pytest.mark.slow
def test_a_killed_rank_has_all_go_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    found = Processes(2).together(Unit(dies_after_a_checkpoint, (TINY, tmp_path), "train"))
    assert (tmp_path / "mark").exists() and (tmp_path / "checkpoint.safetensors").exists()
    assert found == together(Processes(2))["policy"]


@pytest.mark.slow
def test_the_store_keeps_the_policies_of_each_number_of_ranks(tmp_path: Path) -> None:
    one, where = trained_together(TINY, tmp_path, Here())
    two, there = trained_together(TINY, tmp_path, Processes(2))
    assert where != there and one.digest != two.digest
    assert two.card["ranks"] == 2 and "ranks" not in one.card
    again, _ = trained_together(TINY, tmp_path, Processes(2))
    assert again.digest == two.digest


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"num_worlds": 15}, "num_worlds = 15: expected a multiple of the 2 ranks"),
     ({"num_worlds": 2, "steps_per_iteration": 2}, "num_minibatches = 4: expected at most the 2 steps of a rank")],
)  # fmt: skip
def test_what_two_ranks_cannot_share_is_refused_in_one_line(tmp_path: Path, changes: dict[str, int], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        trained_together(replace(TINY, **changes), tmp_path, Processes(2))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_torchruns_environment_makes_a_rank() -> None:
    given = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    assert Group.of_environment(given) == Group(1, 2, "env://")
    assert Group.of_environment({**given, "WORLD_SIZE": "1", "RANK": "0"}) == Group()
    assert Group.of_environment({"RANK": "1"}) == Group(), "a stray variable starts nothing"
    with pytest.raises(ConfigError, match="RANK=2, WORLD_SIZE=2: expected a rank from 0"):
        Group.of_environment({**given, "RANK": "2"})


SETTINGS = ("num_worlds=16", "steps_per_iteration=8", "num_iterations=2", "evaluate_every=2", "num_evaluation=8",
            "task.time_limit=6")  # fmt: skip


def outside(*command: str, runs: Path) -> dict[str, Any]:
    """`stope train dock` in a process of its own, or in those that torchrun starts."""
    root = Path(__file__).parents[2]
    sets = [word for one in SETTINGS for word in ("--set", one)]
    call = [sys.executable, "-m", *command, "train", "dock", *sets, "--threads", "2", "--runs", str(runs), "--json"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *filter(None, sys.path)]),
           "RAY_USAGE_STATS_ENABLED": "0"}  # fmt: skip
    if command[-1].startswith("--workers"):
        call = [sys.executable, "-m", *command[:-1], "train", "dock", *sets, "--threads", "2", "--runs", str(runs),
                "--json", command[-1]]  # fmt: skip
    done = subprocess.run(call, cwd=root, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
def test_torchrun_and_ray_train_as_processes_do(tmp_path: Path) -> None:
    ours = outside("stope.cli.main", "--workers=2", runs=tmp_path / "ours")
    torchrun = outside("torch.distributed.run", "--nproc-per-node", "2", "-m", "stope.cli.main", runs=tmp_path / "run")
    assert torchrun["digest"] == ours["digest"]
    pytest.importorskip("ray", reason="needs stope[ray]")
    ray = outside("stope.cli.main", "--workers=ray://local?num=2", runs=tmp_path / "ray")
    assert ray["digest"] == ours["digest"]
