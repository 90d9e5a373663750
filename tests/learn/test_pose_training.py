# SPDX-License-Identifier: Apache-2.0
"""Training for go-to-pose: eight yes-or-no choices, and the same bits for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stope.base.errors import ConfigError
from stope.learn.pose_training import NUM_INPUTS, Bernoulli, PoseConfig, PoseTraining, fly_pose, network_input
from stope.world.tasks.go_to_pose import published

SMALL: dict[str, Any] = {"num_worlds": 16, "steps_per_iteration": 8, "num_iterations": 2, "hidden": (8,)}


def test_the_network_sees_nothing_at_the_goal() -> None:
    goal = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]], dtype=np.float32)
    seen = network_input(goal)
    assert seen.shape == (1, NUM_INPUTS)
    assert not seen.any()


def test_bernoulli_is_torchs_own() -> None:
    ours = Bernoulli(8)
    old, new = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
    ours.update(new)
    theirs = torch.distributions.Bernoulli(logits=new)
    actions = (old > 0).float()
    assert torch.allclose(ours.log_prob(actions), theirs.log_prob(actions).sum(-1), atol=1e-5)
    assert torch.allclose(ours.entropy, theirs.entropy().sum(-1), atol=1e-5)
    kl = torch.distributions.kl_divergence(torch.distributions.Bernoulli(logits=old), theirs).sum(-1)
    assert torch.allclose(ours.kl_divergence((old,), (new,)), kl, atol=1e-5)
    assert torch.allclose(ours.std, theirs.stddev, atol=1e-6)
    assert set(ours.sample().unique().tolist()) <= {0.0, 1.0}


def test_one_seed_gives_one_policy_whatever_the_threads() -> None:
    def weights(seed: int, num_threads: int) -> list[bytes]:
        run = PoseTraining(PoseConfig(seed=seed, **SMALL), num_threads=num_threads)
        for _ in range(2):
            run.advance()
        assert run.num_steps == run.config.num_steps == 256
        return [w.detach().numpy().tobytes() for w in run.ppo.actor.parameters()]

    assert weights(1, 1) == weights(1, 2)
    assert weights(1, 1) != weights(2, 1)


def test_a_pilot_does_nothing_at_the_goal_and_a_lost_platform_stays_lost() -> None:
    pilot = PoseTraining(PoseConfig(**SMALL)).pilot()
    goal = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]], dtype=np.float32)
    assert not pilot(goal).any()

    def outward(observation: np.ndarray) -> np.ndarray:
        away = np.zeros((len(observation), 8))
        away[:, [0, 5]] = 1.0
        return away

    flown = fly_pose(outward, published(), num_worlds=4, seed=1)
    assert flown.lost.all()
    assert np.isinf(flown.distance[-1]).all()
    assert (flown.opened == 2.0).all()


@pytest.mark.parametrize("wrong", [{"num_worlds": 0}, {"hidden": ()}, {"discount": 1.5}, {"seed": -1}])
def test_settings_that_train_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        PoseConfig(**wrong)
