# SPDX-License-Identifier: Apache-2.0
"""Training: the same bits for any number of threads and after any kill; one folder per configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stope.base.errors import ConfigError, FileError
from stope.learn.store import physics_hash, run_folder, trained_flight
from stope.learn.train import SiteConfig, TrainConfig, Training, train
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import load_robot
from stope.world.tasks import DockConfig, dock

TINY = TrainConfig(num_worlds=16, steps_per_iteration=8, num_iterations=4, evaluate_every=2, num_evaluation=8,
                   hidden=(8,), task=DockConfig(time_limit=6.0))  # fmt: skip
"""Learns nothing, but runs every part of a training in a second."""


class KilledError(Exception):
    """Stands for a kill in the middle of a training."""


def kill_after(iterations: int) -> Any:
    """A callback that ends a training abruptly."""

    def on_iteration(run: Training) -> None:
        if run.iteration == iterations:
            raise KilledError

    return on_iteration


def everything(run: Training) -> dict[str, torch.Tensor]:
    """All that a training ends with, as tensors: networks, moments, worlds."""
    out = {f"actor.{k}": v for k, v in run.ppo.actor.state_dict().items()}
    out |= {f"critic.{k}": v for k, v in run.ppo.critic.state_dict().items()}
    for index, state in run.ppo.optimizer.state_dict()["state"].items():
        out |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
    return out | {k: torch.from_numpy(v.copy()) for k, v in run.batch.snapshot().items()}


def without_clock(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """A history without its wall-clock."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


@pytest.fixture(scope="module")
def unbroken() -> Training:
    """The tiny training on one thread, from start to end."""
    return train(TINY, num_threads=1)[1]


def test_weights_do_not_depend_on_the_number_of_physics_threads(unbroken: Training) -> None:
    """One and two threads end with the same networks, moments and worlds."""
    policy, run = train(TINY, num_threads=2)
    assert policy.digest == unbroken.best.digest  # type: ignore[union-attr]
    assert all(torch.equal(v, everything(unbroken)[k]) for k, v in everything(run).items())


@pytest.mark.parametrize("iterations", [2, 3], ids=["right after a checkpoint", "between two checkpoints"])
def test_killed_training_ends_as_if_it_had_never_been_killed(
    unbroken: Training, tmp_path: Path, iterations: int
) -> None:
    """Networks, moments, learning rate, worlds and history are the same bits after a kill and a resume."""
    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KilledError):
        train(TINY, checkpoint=checkpoint, on_iteration=kill_after(iterations))
    seen: list[int] = []
    policy, run = train(TINY, checkpoint=checkpoint, on_iteration=lambda r: seen.append(r.iteration))
    assert seen == [3, 4]  # taken up after iteration 2, not from the start
    assert policy.digest == unbroken.best.digest  # type: ignore[union-attr]
    assert run.ppo.learning_rate == unbroken.ppo.learning_rate
    assert without_clock(run.history) == without_clock(unbroken.history)
    assert all(torch.equal(v, everything(unbroken)[k]) for k, v in everything(run).items())


def test_another_seed_gives_other_weights(unbroken: Training) -> None:
    """The seed enters the weights."""
    assert train(replace(TINY, seed=2))[0].digest != unbroken.best.digest  # type: ignore[union-attr]


def test_truncated_checkpoint_is_refused_with_one_line(tmp_path: Path) -> None:
    """A checkpoint cut short is named, and what to do is said."""
    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KilledError):
        train(TINY, checkpoint=checkpoint, on_iteration=kill_after(2))
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(FileError, match=r"checkpoint\.safetensors: not a whole checkpoint .* Delete it"):
        train(TINY, checkpoint=checkpoint)


def test_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    """A run directory serves one configuration."""
    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KilledError):
        train(TINY, checkpoint=checkpoint, on_iteration=kill_after(2))
    with pytest.raises(FileError, match="belongs to another configuration"):
        train(replace(TINY, seed=2), checkpoint=checkpoint)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"num_worlds": 0}, "num_worlds = 0: expected more than 0"),
        ({"seed": -1}, "seed = -1: expected 0 or more"),
        ({"hidden": ()}, r"hidden = \[\]: expected layers"),
        ({"discount": 1.5}, "discount = 1.5: expected a fraction"),
        ({"num_minibatches": 1000}, "num_minibatches = 1000: expected at most num_worlds x steps_per_iteration = 128"),
        ({"task": DockConfig(time_limit=4.0)}, "task.time_limit = 4.0 s: expected 5 s or more"),
    ],
)
def test_impossible_training_cannot_be_constructed(change: dict[str, Any], text: str) -> None:
    """Each wrong setting is named with its value and the rule."""
    with pytest.raises(ConfigError, match=text):
        replace(TINY, **change)


def test_store_trains_once_and_then_loads(tmp_path: Path) -> None:
    """The second call reads the file the first one wrote; the card tells how the policy was made and how it does."""
    stages: list[str] = []
    first, path = trained_flight(TINY, tmp_path, progress=lambda stage, share: stages.append(stage))
    assert {"train dock", "measure dock"} == set(stages)
    stages.clear()
    again, same = trained_flight(TINY, tmp_path, progress=lambda stage, share: stages.append(stage))
    assert (again.digest, same, stages) == (first.digest, path, [])
    assert sorted(f.name for f in path.parent.iterdir()) == ["config.json", "history.json", "policy.safetensors"]
    card = again.card
    assert (card["task"], card["robot"], card["site"], card["seed"]) == ("dock", "bee-gas", "ryugu-lat30-lon0", 1)
    assert card["steps"] == 4 * 16 * 8
    for condition in ("default", "prior"):
        row = card["success"][condition]
        assert row["n"] == 1000
        assert 0.0 <= row["low"] <= row["success"] <= row["high"] <= 1.0
    assert {"prior", "learning_s", "git_commit", "version", "physics_hash", "digest"} <= set(card)
    json.dumps(card, allow_nan=False)


def test_store_resumes_a_killed_training(unbroken: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill in the middle of the store's work leaves a checkpoint that the next call takes up."""

    def killing(stage: str, share: float) -> None:
        if share >= 3 / 4:
            raise KilledError

    with pytest.raises(KilledError):
        trained_flight(TINY, tmp_path, progress=killing)
    folder = next(tmp_path.iterdir())
    assert sorted(f.name for f in folder.iterdir()) == ["checkpoint.safetensors", "config.json"]
    policy, path = trained_flight(TINY, tmp_path)
    assert (policy.digest, path.parent) == (unbroken.best.digest, folder)  # type: ignore[union-attr]


def test_policy_of_another_configuration_in_the_folder_is_refused(tmp_path: Path) -> None:
    """A file copied into the wrong folder is not taken for the right one."""
    policy, path = trained_flight(TINY, tmp_path)
    policy.card["config_hash"] = "0" * 16
    policy.save(path)
    with pytest.raises(FileError, match=r"policy\.safetensors: trained from configuration 0000000000000000: expected"):
        trained_flight(TINY, tmp_path)


def test_changed_number_of_a_robot_changes_the_folder(tmp_path: Path) -> None:
    """The name of a configuration is not enough: the numbers behind it count too."""
    robot, site = load_robot("bee-gas"), SiteConfig(body="ryugu").site()
    heavier = replace(robot, mass=robot.mass + 0.1)
    assert physics_hash(robot, site) == physics_hash(load_robot("bee-gas"), SiteConfig(body="ryugu").site())
    folders = {run_folder(TINY, tmp_path, robot=r, site=site) for r in (robot, heavier)}
    assert len(folders) == 2


def test_trained_policy_asks_for_nothing_at_rest_at_the_goal(unbroken: Training) -> None:
    """No motion, no believed residual: no thrust, whatever the belief's spread says."""
    assert unbroken.best is not None
    observation = np.zeros((3, dock.NUM_OBSERVATION), dtype=np.float32)
    observation[1, dock.BELIEF_AT + NUM_PARAMETERS :] = -0.3  # a sharp belief: exp(-0.3 / 0.05) of the prior's width
    observation[2, dock.BELIEF_AT + NUM_PARAMETERS :] = 0.1
    assert np.abs(unbroken.best.act(observation)).max() < 1e-6  # float32 sums in two orders
