# SPDX-License-Identifier: Apache-2.0
"""rsl-rl's view of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stope.learn.policies import allocate, network_input
from stope.learn.rsl import RslEnv
from stope.world.env import DockBatch
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import load_robot
from stope.world.site import make_site
from stope.world.tasks import DockConfig, dock

NUM = 6


def make(seed: int = 1) -> RslEnv:
    site, task = make_site("ryugu", latitude_deg=30.0, height=6.0), DockConfig(time_limit=5.0, keep_in=6.0)
    batch = DockBatch(load_robot("bee-gas"), site, num_worlds=NUM, seed=seed, pool_size=32, task=task)
    return RslEnv(batch, "cpu")


def test_it_has_what_rsl_rl_asks_of_an_environment() -> None:
    env = make()
    assert (env.num_envs, env.num_actions, env.max_episode_length, env.device) == (NUM, 6, 25, "cpu")
    assert env.episode_length_buf.shape == (NUM,)
    groups = env.get_observations()
    assert set(groups.keys()) == {"policy", "privileged"}
    assert groups.batch_size == torch.Size([NUM])
    assert groups["privileged"].shape == (NUM, NUM_PARAMETERS)
    assert groups["policy"].dtype == groups["privileged"].dtype == torch.float32


def test_the_policy_group_is_what_a_policy_sees_and_the_truth_is_the_critics() -> None:
    env = make()
    groups = env.get_observations()
    np.testing.assert_array_equal(groups["policy"].numpy(), network_input(env.batch.observation))
    np.testing.assert_array_equal(groups["privileged"].numpy(), env.batch.privileged)
    kept = groups["privileged"].clone()
    env.batch.privileged[:] = 7.0
    assert torch.equal(groups["privileged"], kept)  # a copy: the rollout buffer must not change under the learner


def test_a_step_is_the_batchs_step_with_the_allocated_action() -> None:
    env, other = make(), make()
    for k in range(30):  # past the time limit, so that worlds start anew
        wanted = torch.from_numpy(np.random.default_rng(k).uniform(-2.0, 2.0, (NUM, 6)).astype(np.float32))
        shares = allocate(other.allocation, wanted.numpy(), other.batch.observation)
        observation, rewards, terminated, truncated = other.batch.step(shares)
        groups, found, dones, extras = env.step(wanted)
        np.testing.assert_array_equal(groups["policy"].numpy(), network_input(observation))
        np.testing.assert_array_equal(found.numpy(), rewards)
        np.testing.assert_array_equal(dones.numpy(), terminated | truncated)
        # What was cut short is bootstrapped, what failed is not: the time-outs are the truncated alone.
        np.testing.assert_array_equal(extras["time_outs"].numpy(), truncated.astype(np.float32))
        assert not (extras["time_outs"].numpy().astype(bool) & terminated).any()
    np.testing.assert_array_equal(env.batch.episodes, other.batch.episodes)
    assert env.batch.episodes.min() >= 2


def test_leaving_is_no_time_out() -> None:
    env = make()
    env.batch.world.state[0, :3] = [5.99, 0.0, 0.0]
    env.batch.world.state[0, 7:10] = [1.0, 0.0, 0.0]
    _, rewards, dones, extras = env.step(torch.zeros(NUM, 6))
    assert bool(dones[0])
    assert float(extras["time_outs"][0]) == 0.0
    assert float(rewards[0]) == pytest.approx(float(env.batch.last_record[0, dock.RETURN]), rel=1e-6)
    assert float(rewards[0]) < -4.0
