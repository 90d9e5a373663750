# SPDX-License-Identifier: Apache-2.0
"""Tasks as Gymnasium environments: one native batch behind `make_vec`, one world behind `make`.

Importing this module registers the ids. Gymnasium imports it by itself when the id names it::

    envs = gymnasium.make_vec("stope.world.gym:Stope-Dock-v0", num_envs=256, num_threads=2)
    env = gymnasium.make("stope.world.gym:Stope-DockCabin-v0")

`Stope-Dock-v0` is `bee-gas` six metres above Ryugu at 30 deg north, `Stope-DockCabin-v0` is `bee-cabin` in a space
station. An action is the share of each thruster limit, force then torque, in base axes; an observation is that of
`stope.world.tasks.dock`; `is_success` in the info says whether the pose has been held for 5 s in this episode.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from stope.base.errors import ConfigError
from stope.world.env import DockBatch
from stope.world.robots import load_robot
from stope.world.site import make_site
from stope.world.tasks import dock

__all__ = ["IDS", "DockEnv", "DockVectorEnv", "dock_batch"]

POOL = 1024
"""Worlds drawn from the prior for resets to draw from; fewer than in training, so that `make` is quick (chosen)."""

LARGEST = 1000.0
"""Bound of every observation (chosen): within the keep-in sphere of a default task none comes near it."""

Observations = NDArray[np.float32]
Flags = NDArray[np.bool_]


def dock_batch(
    num_worlds: int,
    *,
    robot: str,
    body: str,
    latitude_deg: float = 0.0,
    longitude_deg: float = 0.0,
    height: float = 6.0,
    seed: int = 0,
    num_threads: int = 1,
) -> DockBatch:
    """Docking worlds by names and numbers only.

    Args:
        num_worlds: How many.
        robot: A name listed by `stope world robots`, or a file.
        body: A name listed by `stope world bodies`, or a file.
        latitude_deg: Of the site [deg]; 0 for a place without a shape.
        longitude_deg: Of the site [deg]; 0 for a place without a shape.
        height: Of the docking pose above the ground [m].
        seed: Root seed, until `reset` is given another.
        num_threads: Threads that step; results do not depend on it.

    Raises:
        StopeError: as `load_robot`, `make_site` and `DockBatch` do.
    """
    site = make_site(body, latitude_deg=latitude_deg, longitude_deg=longitude_deg, height=height)
    return DockBatch(load_robot(robot), site, num_worlds=num_worlds, seed=seed, num_threads=num_threads, pool_size=POOL)


def _spaces() -> tuple[Box, Box]:
    """Observation and action space of one world."""
    observation = Box(-LARGEST, LARGEST, (dock.NUM_OBSERVATION,), np.float32)
    return observation, Box(-1.0, 1.0, (6,), np.float32)


def _facts(record: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """What the info says of worlds, from their records (worlds, NUM_RECORD)."""
    return {
        "is_success": record[:, dock.SUCCESS_TIME] >= 0.0,
        "position_error_m": record[:, dock.POSITION_ERROR].copy(),
        "attitude_error_rad": record[:, dock.ATTITUDE_ERROR].copy(),
    }


class DockVectorEnv(VectorEnv):
    """`DockBatch` as a Gymnasium vector environment that starts the next episode in the step that ends one.

    Where an episode ended, `info` carries `final_obs` and `final_info` as Gymnasium's own same-step environments do;
    `is_success` and the errors are those of the step just taken, also where a new episode has begun.
    """

    def __init__(self, num_envs: int = 1, **options: Any) -> None:
        """Make `num_envs` worlds with the options of `dock_batch`."""
        self.batch = dock_batch(num_envs, **options)
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}
        self.single_observation_space, self.single_action_space = _spaces()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Start new episodes; a seed starts all random streams anew.

        Raises:
            ConfigError: for options; there are none.
        """
        _refuse_options(options)
        if seed is not None:
            self.batch.reseed(seed)
        return self.batch.reset().copy(), {}

    def step(self, actions: ArrayLike) -> tuple[Observations, NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Step all worlds; actions are clipped to [-1, 1]."""
        clipped = np.clip(np.asarray(actions, dtype=np.float64), -1.0, 1.0)
        observation, rewards, terminated, truncated = self.batch.step(clipped, autoreset=False)
        facts = _facts(self.batch.last_record)
        info: dict[str, Any] = dict(facts)
        over = terminated | truncated
        if over.any():
            final = np.full(self.num_envs, None, dtype=object)
            for i in np.flatnonzero(over):
                final[i] = observation[i].copy()
            marks = {f"_{key}": over.copy() for key in facts}
            info |= {"final_obs": final, "_final_obs": over.copy(), "final_info": {**facts, **marks},
                     "_final_info": over.copy()}  # fmt: skip
            observation = self.batch.reset(np.flatnonzero(over)).copy()
        return observation, rewards.astype(np.float64), terminated, truncated, info


class DockEnv(gymnasium.Env[Any, Any]):
    """One docking world."""

    def __init__(self, **options: Any) -> None:
        """Make the world with the options of `dock_batch`."""
        self.metadata = {"render_modes": []}
        self.render_mode = None
        self.batch = dock_batch(1, **options)
        self.observation_space, self.action_space = _spaces()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Start a new episode; a seed starts all random streams anew.

        Raises:
            ConfigError: for options; there are none.
        """
        _refuse_options(options)
        super().reset(seed=seed)
        if seed is not None:
            self.batch.reseed(seed)
        return self.batch.reset()[0].copy(), {}

    def step(self, action: ArrayLike) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """Take one control step; the action is clipped to [-1, 1]."""
        clipped = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        observation, rewards, terminated, truncated = self.batch.step(clipped[None, :], autoreset=False)
        info = {key: values[0].item() for key, values in _facts(self.batch.last_record).items()}
        return observation[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), info


def _refuse_options(options: dict[str, Any] | None) -> None:
    if options:
        raise ConfigError(f"reset: option {next(iter(options))!r} is unknown: dock has none. Set them in `make`.")


IDS: dict[str, dict[str, Any]] = {
    "Stope-Dock-v0": {"robot": "bee-gas", "body": "ryugu", "latitude_deg": 30.0},
    "Stope-DockCabin-v0": {"robot": "bee-cabin", "body": "iss-cabin"},
}
"""Registered ids, and where each differs from the defaults of `dock_batch`."""

for _id, _kwargs in IDS.items():
    if _id not in gymnasium.registry:
        gymnasium.register(_id, "stope.world.gym:DockEnv", vector_entry_point="stope.world.gym:DockVectorEnv",
                           kwargs=_kwargs)  # fmt: skip
