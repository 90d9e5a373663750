# SPDX-License-Identifier: Apache-2.0
"""A task as a batch of environments: one native call per control step, observations and resets included.

`DockBatch` is the core; `stope.world.gym` wraps it for Gymnasium and `stope.learn.rsl` for rsl-rl. The boundary between
float64 physics and float32 learning is the line in `_after_one` that writes the observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.counter_rng import normal, uniform
from stope.base.device import set_kernel_threads
from stope.base.errors import ConfigError, RangeError
from stope.base.seeding import generator, stream_key
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD, World
from stope.world.belief import Belief, draw_beliefs
from stope.world.free_flight import advance, apply_command
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import Robot
from stope.world.scene import SceneConfig
from stope.world.sensors import NUM_MEASURED, measure, sensor_row
from stope.world.site import Site
from stope.world.tasks import dock
from stope.world.tasks.dock import DockConfig

__all__ = ["DockBatch", "Pool"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Worlds to draw from at a reset: truths z, plant rows and belief summaries."""

    z: Floats
    plant: Floats
    belief: Floats


@nb.njit(error_model="numpy")
def _begin_one(i, key, episode, pool_z, pool_plant, pool_belief, draws_index, state, plant, privileged, belief,
               record, measured, action, task, sensor, draws):  # fmt: skip
    """Start a new episode of one world from the pool."""
    base = np.uint64(episode) << np.uint64(32)
    m = pool_z.shape[0]
    j = i
    if draws_index == 0:
        j = min(np.int64(m - 1), np.int64(uniform(key, base) * m))
    for k in range(13):
        draws[k] = normal(key, base + np.uint64(1 + k))
    draws[13], draws[14] = uniform(key, base + np.uint64(20)), uniform(key, base + np.uint64(21))
    for k in range(plant.shape[0]):  # a loop: numba takes seconds to compile a copy between slices
        plant[k] = pool_plant[j, k]
    for k in range(belief.shape[0]):
        belief[k] = pool_belief[j, k]
    for k in range(privileged.shape[0]):
        privileged[k] = pool_z[j, k]
    dock.reset(state, record, draws, task[0], task[1], task[2], task[5], task[7])
    action[:] = 0.0
    measure(state, measured, sensor, key, base + np.uint64(32), True)


@nb.njit(error_model="numpy")
def _after_one(state, record, measured, action, belief, sensor, task, key, episode, terms, observation):
    """Judge, reward, measure and observe one world; return (reward, terminated, truncated)."""
    position, attitude, speed, rate = dock.judge(state, record, task[6], task[3])
    dock.reward_terms(position, attitude, speed, rate, action, terms)
    reward = 0.0
    for k in range(len(dock.WEIGHTS)):
        reward += dock.WEIGHTS[k] * terms[k]
    terminated = position > task[4]
    if terminated:
        reward -= 5.0
    truncated = (not terminated) and record[dock.STEPS] * task[6] >= task[3] - 1e-9
    record[dock.RETURN] += reward
    counter = (np.uint64(episode) << np.uint64(32)) + np.uint64(record[dock.STEPS]) * np.uint64(64)
    measure(state, measured, sensor, key, counter, False)
    dock.observe(measured, action, belief, observation)
    return reward, terminated, truncated


@nb.njit(cache=True, parallel=True, error_model="numpy")
def _step_all(nodes, plant, state, actions, jitter, num_steps, fused, keys, episodes, pool_z, pool_plant, pool_belief,
              draws_index, privileged, belief, record, measured, task, sensor, autoreset, observation,
              rewards, terminated, truncated, last_record):  # fmt: skip
    for i in nb.prange(plant.shape[0]):
        scratch = np.empty(142)
        action, command, draws, terms = scratch[96:102], scratch[102:108], scratch[108:124], scratch[124:142]
        for k in range(6):
            action[k] = actions[i, k]
        if fused:
            apply_command(state[i], plant[i], command, action)
            base = (np.uint64(episodes[i]) << np.uint64(32)) + np.uint64(record[i, dock.STEPS]) * np.uint64(64)
            rms = plant[i, p.JITTER]
            for k in range(3):
                jitter[i, k] = rms * normal(keys[i], base + np.uint64(48 + k)) if rms > 0.0 else 0.0
            advance(nodes, plant[i], state[i], command, jitter[i], num_steps, scratch[:96])
            if record[i, dock.PLANAR] > 0.0:
                dock.level(state[i])
        r, done, late = _after_one(state[i], record[i], measured[i], action, belief[i], sensor, task, keys[i],
                                   episodes[i], terms, observation[i])  # fmt: skip
        rewards[i], terminated[i], truncated[i] = r, done, late
        for k in range(record.shape[1]):
            last_record[i, k] = record[i, k]
        if autoreset and (done or late):
            episodes[i] += 1
            # A prange index is unsigned; signed as in `_begin_all`, one compilation serves both.
            _begin_one(np.int64(i), keys[i], episodes[i], pool_z, pool_plant, pool_belief, draws_index, state[i],
                       plant[i], privileged[i], belief[i], record[i], measured[i], action, task, sensor,
                       draws)  # fmt: skip
            dock.observe(measured[i], action, belief[i], observation[i])


@nb.njit(cache=True, error_model="numpy")
def _begin_all(worlds, plant, state, keys, episodes, pool_z, pool_plant, pool_belief, draws_index, privileged, belief,
               record, measured, task, sensor, observation):  # fmt: skip
    draws, action = np.empty(16), np.empty(6)
    for i in worlds:
        _begin_one(i, keys[i], episodes[i], pool_z, pool_plant, pool_belief, draws_index, state[i], plant[i],
                   privileged[i], belief[i], record[i], measured[i], action, task, sensor, draws)  # fmt: skip
        dock.observe(measured[i], action, belief[i], observation[i])


class DockBatch:
    """N docking worlds stepping together, with beliefs.

    Args:
        robot: The robot.
        site: Where.
        num_worlds: N.
        seed: Root seed of starts, noise and the pool of worlds.
        task: The task's numbers.
        pool_size: Worlds drawn from the prior at the start, from which each reset draws one.
        engine: As in `World`.
        num_threads: As in `World`; results do not depend on it.
        scene: As in `World`.

    Raises:
        ConfigError: what `World` refuses; a time limit that is no whole number of control periods; a keep-in sphere
            that leaves the site's gravity grid, beyond which gravity is not known.
    """

    def __init__(
        self,
        robot: Robot,
        site: Site,
        *,
        num_worlds: int,
        seed: int,
        task: DockConfig | None = None,
        pool_size: int = 8192,
        engine: Literal["auto", "fused", "mujoco"] = "auto",
        num_threads: int = 1,
        scene: SceneConfig | None = None,
    ) -> None:
        """Make the worlds and draw the pool; `reset` starts the first episodes."""
        self.task = task or DockConfig()
        _check_task(self.task, site)
        self.robot, self.site, self.seed, self.num_worlds = robot, site, seed, num_worlds
        n = num_worlds
        theta = robot.prior.theta(np.zeros((n, NUM_PARAMETERS)))
        self.world = World(robot, site, theta, seed=seed, engine=engine, num_threads=num_threads, scene=scene)
        if self.task.planar_share > 0.0 and not self.world.is_fused:
            raise ConfigError(
                f"DockConfig.planar_share = {self.task.planar_share}: expected 0 but in the fused engine; there is no "
                "table in MuJoCo's worlds."
            )
        self._task = np.array([self.task.distance, self.task.speed, self.task.rate, self.task.time_limit,
                               self.task.keep_in, robot.propellant_capacity, CONTROL_PERIOD,
                               self.task.planar_share])  # fmt: skip
        self._sensor = sensor_row(robot.sensors, CONTROL_PERIOD)
        self.max_episode_steps = round(self.task.time_limit / CONTROL_PERIOD)
        self._keys = np.zeros(n, dtype=np.uint64)
        self.episodes = np.zeros(n, dtype=np.int64)
        self.record = np.zeros((n, dock.NUM_RECORD))
        self.measured = np.zeros((n, NUM_MEASURED))
        self.belief = np.zeros((n, 2 * NUM_PARAMETERS))
        self.privileged = np.zeros((n, dock.NUM_PRIVILEGED), dtype=np.float32)
        self.observation = np.zeros((n, dock.NUM_OBSERVATION), dtype=np.float32)
        self.draws_index = False
        self._pool_size = pool_size
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start all random streams anew: a batch made with this seed does the same from its first reset on.

        Worlds given by `assign` stay; otherwise the pool is drawn anew.
        """
        self.seed = seed
        self.episodes[:] = 0
        self._keys[:] = [stream_key(seed, "env", i) for i in range(self.num_worlds)]
        self.world.reseed(seed)
        if not self.draws_index:
            self.pool = self.draw_pool(self._pool_size)

    def draw_pool(self, num: int) -> Pool:
        """Draw `num` worlds and beliefs from the robot's prior; a prior's fixed parameters stay fixed."""
        z, belief = draw_beliefs(generator(self.seed, "pool"), num)
        return self.pool_of(z, belief)

    def pool_of(self, z: ArrayLike, belief: ArrayLike) -> Pool:
        """A pool of given truths z (m, num_parameters) and belief summaries (m, 2 num_parameters) or one for all.

        Raises:
            RangeError: for a wrong shape or a number that is not finite.
        """
        z = np.ascontiguousarray(np.atleast_2d(np.asarray(z, dtype=np.float64)))
        rows = np.asarray(belief, dtype=np.float64)
        if z.ndim != 2 or z.shape[1] != NUM_PARAMETERS or len(z) == 0 or not np.isfinite(z).all():
            raise RangeError(f"truths of shape {z.shape}: expected finite (worlds, {NUM_PARAMETERS}).")
        if rows.shape not in ((2 * NUM_PARAMETERS,), (len(z), 2 * NUM_PARAMETERS)) or not np.isfinite(rows).all():
            raise RangeError(
                f"belief summaries of shape {rows.shape}: expected finite ({2 * NUM_PARAMETERS},), one for all, or "
                f"({len(z)}, {2 * NUM_PARAMETERS})."
            )
        rows = np.broadcast_to(rows, (len(z), 2 * NUM_PARAMETERS)).copy()
        plant = p.compile_plant(
            self.robot.prior.theta(z), robot=self.robot, table=self.world.table, dt=self.world.scene.physics_step
        )
        return Pool(z, plant, rows)

    def assign(self, z: ArrayLike, belief: Belief | ArrayLike) -> None:
        """Give world i truth z[i] and a belief (one for all, or one summary each) from the next reset on.

        Raises:
            RangeError: for a wrong shape or a number that is not finite.
        """
        summary = belief.summary() if isinstance(belief, Belief) else belief
        pool = self.pool_of(z, summary)
        if len(pool.z) != self.num_worlds:
            raise RangeError(f"assign got {len(pool.z)} truths: expected one per world, {self.num_worlds}.")
        self.pool, self.draws_index = pool, True

    def reset(self, worlds: ArrayLike | None = None) -> NDArray[np.float32]:
        """Start new episodes in all worlds, or in the listed ones; return all observations."""
        ids = np.arange(self.num_worlds) if worlds is None else np.asarray(worlds, dtype=np.int64)
        self.episodes[ids] += 1
        _begin_all(ids, self.world.plant, self.world.state, self._keys, self.episodes, self.pool.z, self.pool.plant,
                   self.pool.belief, int(self.draws_index), self.privileged, self.belief, self.record, self.measured,
                   self._task, self._sensor, self.observation)  # fmt: skip
        if not self.world.is_fused:
            self.world.set_plant(self.world.plant[ids], ids)
            self.world.restart(ids)
        return self.observation

    def step(
        self, actions: ArrayLike, *, autoreset: bool = True
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
        """One control step of every world.

        Args:
            actions: Share of the thrusters' limits in [-1, 1], (worlds, 6).
            autoreset: Start a new episode at once where one ended; the observation is then the new one's.

        Returns:
            Observations (worlds, NUM_OBSERVATION), rewards, terminated, truncated. Fresh arrays.

        Raises:
            RangeError: if an action or a state is not finite.
        """
        actions = np.ascontiguousarray(actions, dtype=np.float64)
        if actions.shape != (self.num_worlds, 6) or not np.isfinite(actions).all():
            raise RangeError(f"actions of shape {actions.shape}: expected finite ({self.num_worlds}, 6).")
        n, w = self.num_worlds, self.world
        observation = np.empty((n, dock.NUM_OBSERVATION), dtype=np.float32)
        rewards = np.empty(n, dtype=np.float32)
        terminated, truncated = np.empty(n, dtype=np.bool_), np.empty(n, dtype=np.bool_)
        if not w.is_fused:
            w.step(actions)
        set_kernel_threads(w.num_threads)
        last = np.empty_like(self.record)
        _step_all(w.table.nodes, w.plant, w.state, actions, w.jitter, w.num_steps, w.is_fused, self._keys,
                  self.episodes, self.pool.z, self.pool.plant, self.pool.belief, int(self.draws_index),
                  self.privileged, self.belief, self.record, self.measured, self._task, self._sensor,
                  autoreset, observation, rewards, terminated, truncated, last)  # fmt: skip
        self.last_record = last
        if not np.isfinite(rewards).all():
            raise RangeError(
                f"world {int(np.flatnonzero(~np.isfinite(rewards))[0])}: state is not finite after a step."
            )
        if autoreset and not w.is_fused:
            ids = np.flatnonzero(terminated | truncated)
            w.set_plant(w.plant[ids], ids)
            w.restart(ids)
        self.observation = observation
        return observation, rewards, terminated, truncated

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Everything that decides the future of the batch, as arrays; the seed and worlds given by `assign` are not."""
        own = ("episodes", "record", "measured", "belief", "privileged", "observation")
        world = {f"world.{k}": v for k, v in self.world.snapshot().items()}
        return {**world, **{k: getattr(self, k).copy() for k in own}}

    def restore(self, snapshot: dict[str, NDArray[Any]]) -> None:
        """Go back to a snapshot of a batch of the same shape and seed."""
        self.world.restore({k[6:]: v for k, v in snapshot.items() if k.startswith("world.")})
        for k in ("episodes", "record", "measured", "belief", "privileged"):
            getattr(self, k)[:] = snapshot[k]
        self.observation = snapshot["observation"].copy()


def _check_task(task: DockConfig, site: Site) -> None:
    """Refuse a task that the control period or the site cannot hold."""
    if abs(task.time_limit / CONTROL_PERIOD - round(task.time_limit / CONTROL_PERIOD)) > 1e-9:
        raise ConfigError(
            f"DockConfig.time_limit = {task.time_limit} s: expected a whole number of control periods "
            f"of {CONTROL_PERIOD} s."
        )
    if site.body.kind != "uniform" and task.keep_in > site.grid_half_width:
        raise ConfigError(
            f"DockConfig.keep_in = {task.keep_in} m: leaves the gravity grid of site {site.name!r}, which ends at "
            f"{site.grid_half_width} m. Make the site with a larger grid_half_width."
        )
