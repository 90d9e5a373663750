# SPDX-License-Identifier: Apache-2.0
"""The Gymnasium side: every registered id, single and vectorised, through one checklist."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from stope.base.errors import ConfigError, UnknownName
from stope.world.gym import IDS, DockVectorEnv
from stope.world.tasks import dock

NUM = 8


def make_vec(name: str = "Stope-DockCabin-v0", num: int = NUM, **options: Any) -> DockVectorEnv:
    envs = gymnasium.make_vec(name, num_envs=num, **options)
    assert isinstance(envs, DockVectorEnv)
    return envs


def test_gymnasium_finds_the_ids_by_the_modules_name_alone() -> None:
    code = (
        "import gymnasium, sys; assert 'stope' not in sys.modules;"
        "e = gymnasium.make_vec('stope.world.gym:Stope-Dock-v0', num_envs=3); print(e.reset(seed=1)[0].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300)
    assert done.stdout.split("\n")[0] == f"(3, {dock.NUM_OBSERVATION})"


@pytest.mark.parametrize("name", IDS)
def test_a_single_environment_passes_gymnasiums_own_check(name: str) -> None:
    env = gymnasium.make(name)
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_make_vec_gives_one_native_batch(name: str) -> None:
    envs = make_vec(name, num_threads=2)
    assert envs.num_envs == NUM == envs.batch.num_worlds
    assert envs.batch.world.num_threads == 2
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.spec is not None
    assert envs.spec.id == name
    observation, _ = envs.reset(seed=3)
    assert observation in envs.observation_space
    envs.action_space.seed(1)
    for _ in range(100):
        observation, rewards, terminated, truncated, info = envs.step(envs.action_space.sample())
        assert observation in envs.observation_space
        assert (rewards.dtype, terminated.dtype, truncated.dtype) == (np.float64, np.bool_, np.bool_)
        assert info["is_success"].dtype == np.bool_
        assert info["is_success"].shape == (NUM,)
    envs.close()


@pytest.mark.parametrize("name", IDS)
def test_the_same_seed_gives_the_same_episode_vectorised_single_or_again(name: str) -> None:
    envs, env = make_vec(name, num=1, seed=99), gymnasium.make(name, seed=5)
    action = np.random.default_rng(1).uniform(-1.0, 1.0, (50, 6)).astype(np.float32)
    for _ in range(2):
        many, one = envs.reset(seed=4)[0], env.reset(seed=4)[0]
        np.testing.assert_array_equal(many[0], one)
        for a in action:
            np.testing.assert_array_equal(envs.step(a[None, :])[0][0], env.step(a)[0])
    assert not np.array_equal(env.reset(seed=5)[0], env.reset(seed=4)[0])
    first = env.reset()[0]  # without a seed the streams go on
    assert not np.array_equal(env.reset()[0], first)


def test_the_end_of_an_episode_is_told_as_gymnasium_tells_it() -> None:
    envs, reference = make_vec(), make_vec()
    envs.reset(seed=1)
    reference.reset(seed=1)
    idle, truncated = np.zeros((NUM, 6), dtype=np.float32), np.zeros(NUM, dtype=np.bool_)
    for k in range(300):
        observation, _, terminated, truncated, info = envs.step(idle)
        over = terminated | truncated
        assert over.any() == ("final_obs" in info) == ("_final_obs" in info)
        if over.any():
            np.testing.assert_array_equal(info["_final_obs"], over)
            for i in range(NUM):
                assert (info["final_obs"][i] is not None) == over[i]
                if over[i]:
                    assert not np.array_equal(info["final_obs"][i], observation[i])
            np.testing.assert_array_equal(info["final_info"]["is_success"], info["is_success"])
        if k < 299:
            assert not truncated.any()
        # The same as the batch's own same-step start.
        expected = reference.batch.step(idle)[0]
        np.testing.assert_array_equal(observation, expected)
    assert truncated.sum() >= 1


def test_gymnasiums_wrappers_see_whole_episodes() -> None:
    envs = RecordEpisodeStatistics(make_vec())
    envs.reset(seed=2)
    lengths: list[int] = []
    for _ in range(301):
        *_, info = envs.step(np.zeros((NUM, 6), dtype=np.float32))
        if "episode" in info:
            lengths += [int(n) for n in info["episode"]["l"][info["_episode"]]]
    assert len(lengths) >= NUM
    assert max(lengths) == 300


def test_success_is_in_the_info() -> None:
    envs = make_vec()
    envs.reset(seed=1)
    state, info = envs.batch.world.state, {}
    for _ in range(25):  # hold half of the worlds at the goal by hand
        state[:4, :3], state[:4, 3:7], state[:4, 7:13] = 0.0, [1.0, 0.0, 0.0, 0.0], 0.0
        *_, info = envs.step(np.zeros((NUM, 6), dtype=np.float32))
    np.testing.assert_array_equal(info["is_success"], np.arange(NUM) < 4)
    env = gymnasium.make("Stope-DockCabin-v0")
    env.reset(seed=1)
    info = env.step(np.zeros(6, dtype=np.float32))[4]
    assert info["is_success"] is False
    assert info["position_error_m"] > 0.0


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_stable_baselines3_trains_a_task_as_it_is() -> None:
    """SB3's own check and its PPO, with nothing of ours between: it steps, learns and acts in the space."""
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.env_checker import check_env as check  # noqa: PLC0415 -- slow to import

    env = gymnasium.make("Stope-DockCabin-v0")
    check(env)
    learner = sb3.PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=2, seed=1, device="auto")
    before = [w.detach().clone() for w in learner.policy.parameters()]
    learner.learn(total_timesteps=128)
    assert learner.num_timesteps == 128
    assert any(not torch.equal(a, b) for a, b in zip(before, learner.policy.parameters(), strict=True))
    action, _ = learner.predict(env.reset(seed=3)[0], deterministic=True)
    assert env.action_space.contains(action)


def test_actions_beyond_the_space_are_clipped() -> None:
    a, b = make_vec(), make_vec()
    a.reset(seed=1)
    b.reset(seed=1)
    np.testing.assert_array_equal(a.step(np.full((NUM, 6), 7.0))[0], b.step(np.ones((NUM, 6)))[0])


def test_other_robots_and_places_are_options() -> None:
    envs = make_vec("Stope-Dock-v0", body="bennu", latitude_deg=-20.0, longitude_deg=10.0, height=8.0)
    assert envs.batch.site.name == "bennu-lat-20-lon10"
    assert make_vec("Stope-DockCabin-v0", robot="bee-gas").batch.robot.name == "bee-gas"


def test_what_cannot_be_is_refused_in_one_line() -> None:
    with pytest.raises(UnknownName, match=r"^no body 'ruygu'\. Closest: 'ryugu'\."):
        make_vec("Stope-Dock-v0", body="ruygu")
    with pytest.raises(UnknownName, match=r"^no robot 'bee'\."):
        make_vec("Stope-Dock-v0", robot="bee")
    with pytest.raises(
        ConfigError, match=r"^robot 'bee-cabin' flies with fans and site 'ryugu-lat30-lon0' has no air\."
    ):
        make_vec("Stope-Dock-v0", robot="bee-cabin")
    with pytest.raises(TypeError, match="unexpected keyword argument 'wind'"):
        make_vec(wind=3.0)
    envs = make_vec()
    with pytest.raises(ConfigError, match=r"^reset: option 'wind' is unknown: dock has none\. Set them in `make`\.$"):
        envs.reset(options={"wind": 3.0})
