# SPDX-License-Identifier: Apache-2.0
"""World: N copies of a robot at its site, stepping together.

A pure function of (robot, site, theta, seed, actions): the same bits whatever the number of threads. For one body
without contact the fused kernel steps; with anything to touch, MuJoCo does, with the same native forces.
"""

from __future__ import annotations

from typing import Literal

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.counter_rng import normal
from stope.base.device import set_kernel_threads
from stope.base.errors import ConfigError, RangeError
from stope.base.seeding import stream_key
from stope.world import plant as p
from stope.world.free_flight import advance_all
from stope.world.ground import Ground
from stope.world.physics import check_theta
from stope.world.regolith.bed import bed_shape
from stope.world.robots import Robot
from stope.world.scene import MAX_ROCK, NOWHERE, SceneConfig, compile_scene, rock_law
from stope.world.site import Site

__all__ = ["CONTROL_PERIOD", "World"]

CONTROL_PERIOD = 0.2
"""Time between two actions [s]."""

Floats = NDArray[np.float64]


@nb.njit(cache=True, error_model="numpy")
def _draw_jitter(keys, counts, plant, out):
    for i in range(keys.shape[0]):
        if plant[i, p.JITTER] > 0.0:
            for k in range(3):
                out[i, k] = plant[i, p.JITTER] * normal(keys[i], np.uint64(3 * counts[i] + k))
        else:
            out[i, :] = 0.0
        counts[i] += 1


class World:
    """N worlds of one robot.

    Args:
        robot: The robot.
        sites: One site, or several with `site_index` telling which world stands where.
        theta: Physics of each world, (worlds, num_parameters).
        seed: Root seed of the jitter.
        scene: What is around the robot, and the physics step.
        engine: "auto" takes the fused kernel when nothing can touch; "mujoco" forces the other path.
        num_threads: Threads that step; results do not depend on it.
        site_index: Site of each world, (worlds,).

    Raises:
        ConfigError: unknown engine, a fused kernel asked for a scene with contact, a step that does not divide the
            control period, no thread, or a robot that needs air where there is none.
        RangeError: theta of the wrong shape, or outside the bounds of its parameters; a site that is not there.
    """

    def __init__(
        self,
        robot: Robot,
        sites: Site | tuple[Site, ...],
        theta: ArrayLike,
        *,
        seed: int,
        scene: SceneConfig | None = None,
        engine: Literal["auto", "fused", "mujoco"] = "auto",
        num_threads: int = 1,
        site_index: ArrayLike = 0,
    ) -> None:
        """Compile the plants and, where something can touch, the scene."""
        self.robot = robot
        self.scene = scene or SceneConfig()
        self.table = p.GravityTable(sites if isinstance(sites, tuple) else (sites,))
        theta = check_theta(theta)
        self.num_worlds = len(theta)
        self.site_index = _checked_index(site_index, self.num_worlds, len(self.table.sites))
        self.num_steps = round(CONTROL_PERIOD / self.scene.physics_step)
        if abs(self.num_steps * self.scene.physics_step - CONTROL_PERIOD) > 1e-12:
            raise ConfigError(
                f"SceneConfig.physics_step = {self.scene.physics_step} s does not divide the control period "
                f"of {CONTROL_PERIOD} s."
            )
        scene = self.scene
        touches = scene.has_ground or scene.has_soil or scene.num_boulders > 0 or scene.target_size > 0.0
        touches = touches or robot.articulation is not None
        if num_threads < 1:
            raise ConfigError(f"num_threads = {num_threads}: expected 1 or more.")
        if engine not in ("auto", "fused", "mujoco"):
            raise ConfigError(f"engine {engine!r}: expected 'auto', 'fused' or 'mujoco'.")
        if engine == "fused" and touches:
            raise ConfigError("engine 'fused' is for one body without contact: expected a scene with nothing to touch.")
        self.is_fused = engine == "fused" or (engine == "auto" and not touches)
        self.num_threads = num_threads
        self.plant = np.zeros((self.num_worlds, p.NUM_PLANT))
        self.state = p.initial_state(self.num_worlds, robot=robot)
        self.jitter = np.zeros((self.num_worlds, 3))
        self._keys = np.zeros(self.num_worlds, dtype=np.uint64)
        self._counts = np.zeros(self.num_worlds, dtype=np.int64)
        self.reseed(seed)
        self._mujoco = None
        self.ground: Ground | None = None
        if not self.is_fused:
            from stope.world.mujoco_flight import MujocoBatch  # noqa: PLC0415 -- compiles a callback: only when used
            from stope.world.tools import make_ground  # noqa: PLC0415 -- as above

            model = compile_scene(robot, self.scene)
            if scene.has_soil or robot.articulation is not None:
                shape = None
                if scene.bed_half_width > 0.0:
                    shape = bed_shape(half_width=scene.bed_half_width, spacing=scene.bed_spacing)
                self.ground = make_ground(
                    model,
                    robot,
                    self.num_worlds,
                    bed_shape=shape,
                    num_stones=scene.num_stones,
                    num_rocks=scene.num_rocks,
                )
            self._mujoco = MujocoBatch(
                model, self.num_worlds, num_threads=num_threads, nodes=self.table.nodes, ground=self.ground
            )
        self.set_theta(theta)

    def reseed(self, seed: int) -> None:
        """Start the jitter anew under a seed."""
        self._keys[:] = [stream_key(seed, "jitter", i) for i in range(self.num_worlds)]
        self._counts[:] = 0

    @property
    def model(self) -> object:
        """The MuJoCo model of the scene (compiled on demand when the fused kernel steps)."""
        return self._mujoco.model if self._mujoco else compile_scene(self.robot, self.scene)

    def set_theta(self, theta: ArrayLike, worlds: ArrayLike | None = None) -> None:
        """Give all worlds, or the listed ones, new physics; the state stays."""
        theta = check_theta(theta)
        ids = np.arange(self.num_worlds) if worlds is None else np.asarray(worlds, dtype=np.intp)
        if len(theta) != len(ids):
            raise RangeError(f"theta has {len(theta)} rows: expected one for each of {len(ids)} worlds.")
        rows = p.compile_plant(
            theta, robot=self.robot, table=self.table, dt=self.scene.physics_step, site_index=self.site_index[ids]
        )
        self.set_plant(rows, ids)

    def set_plant(self, rows: Floats, worlds: NDArray[np.intp]) -> None:
        """Give the listed worlds compiled plant rows."""
        self.plant[worlds] = rows
        if self._mujoco is not None and len(worlds):
            self._mujoco.set_mass_properties(self.plant[worlds], worlds)

    def push_state(self, worlds: NDArray[np.intp] | slice = slice(None)) -> None:
        """Tell MuJoCo that the state rows of the listed worlds were written; nothing to do for the fused kernel."""
        if self._mujoco is not None:
            self._mujoco.qpos[worlds, :7] = self.state[worlds, :7]
            self._mujoco.qvel[worlds, :6] = self.state[worlds, 7:13]

    def restart(self, worlds: NDArray[np.intp]) -> None:
        """Give the listed worlds the scene as compiled and their state rows; nothing of an earlier episode is left."""
        if self._mujoco is not None:
            self._mujoco.restart(worlds)
        if self.ground is not None:
            self.ground.restart(worlds)
        self.push_state(worlds)

    def step(self, action: ArrayLike, worlds: NDArray[np.intp] | None = None) -> None:
        """Advance every world by one control period.

        Args:
            action: Share of the thrusters' limits in [-1, 1] (force then torque, b), (worlds, 6).
            worlds: Advance these alone, each listed once, where MuJoCo steps; the others stay as they are.

        Raises:
            RangeError: an action of the wrong shape or not finite; no world listed, or one for the fused kernel.
        """
        action = np.ascontiguousarray(action, dtype=np.float64)
        if action.shape != (self.num_worlds, 6) or not np.isfinite(action).all():
            raise RangeError(f"action of shape {action.shape}: expected finite ({self.num_worlds}, 6).")
        if worlds is not None:
            self._step_some(action, np.asarray(worlds, dtype=np.intp))
            return
        _draw_jitter(self._keys, self._counts, self.plant, self.jitter)
        if self._mujoco is None:
            set_kernel_threads(self.num_threads)
            advance_all(self.table.nodes, self.plant, self.state, action, self.jitter, self.num_steps)
        else:
            self._mujoco.step(self.plant, self.state, action=action, jitter=self.jitter, num_steps=self.num_steps)

    def _step_some(self, action: Floats, worlds: NDArray[np.intp]) -> None:
        if self._mujoco is None or not len(worlds):
            raise RangeError(f"World.step of {len(worlds)} listed worlds: expected one or more, stepped by MuJoCo.")
        counts, jitter = self._counts[worlds], np.empty((len(worlds), 3))
        _draw_jitter(self._keys[worlds], counts, self.plant[worlds], jitter)
        self._counts[worlds], self.jitter[worlds] = counts, jitter
        ids = np.ascontiguousarray(worlds, dtype=np.int32)
        self._mujoco.step(
            self.plant, self.state, action=action, jitter=self.jitter, num_steps=self.num_steps, worlds=ids
        )

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Everything that decides the future of the worlds, as arrays; `restore` takes it back exactly."""
        out: dict[str, NDArray[np.generic]] = {
            "state": self.state.copy(), "plant": self.plant.copy(), "counts": self._counts.copy()
        }  # fmt: skip
        if self._mujoco is not None:
            out["rows"] = self._mujoco.rows.copy()
            out |= {f"model.{name}": array for name, array in self._mujoco.model_fields().items()}
        if self.ground is not None:
            out |= {f"ground.{name}": array for name, array in self.ground.snapshot().items()}
        return out

    def restore(self, snapshot: dict[str, NDArray[np.generic]]) -> None:
        """Go back to a snapshot of a world of the same shape.

        Raises:
            RangeError: if it is of another number of worlds or of another engine.
        """
        same = {"rows"} if self._mujoco is not None else set()
        if snapshot["state"].shape != self.state.shape or ({"rows"} & snapshot.keys()) != same:
            raise RangeError(
                f"snapshot of {len(snapshot['state'])} worlds: expected one of {self.num_worlds} in the same engine."
            )
        self.state[:], self._counts[:] = snapshot["state"], snapshot["counts"]
        self.set_plant(np.asarray(snapshot["plant"], dtype=np.float64), np.arange(self.num_worlds))
        if self._mujoco is not None:
            fields = {k[6:]: np.asarray(v, dtype=np.float64) for k, v in snapshot.items() if k.startswith("model.")}
            self._mujoco.set_model_fields(fields)
            self._mujoco.rows[:] = snapshot["rows"]
        if self.ground is not None:
            self.ground.restore({k[7:]: v for k, v in snapshot.items() if k.startswith("ground.")})

    @property
    def qpos(self) -> Floats:
        """Joint positions of the whole model, a live view (worlds, nq); the base's free joint comes first."""
        assert self._mujoco is not None, "only scenes that MuJoCo steps have joints"
        return self._mujoco.qpos

    @property
    def qvel(self) -> Floats:
        """Joint velocities of the whole model, a live view (worlds, nv)."""
        assert self._mujoco is not None, "only scenes that MuJoCo steps have joints"
        return self._mujoco.qvel

    def set_rocks(
        self, rocks: ArrayLike, *, friction: ArrayLike, restitution: ArrayLike, worlds: NDArray[np.intp]
    ) -> None:
        """Give the listed worlds their rocks.

        Args:
            rocks: Centre [m, l] and radius [m] of each, (n, num_rocks, 4); a radius of 0 is no rock.
            friction: Coulomb friction of all rocks of a world [1], (n,).
            restitution: Of all rocks of a world [1], (n,).
            worlds: Which.

        Raises:
            RangeError: for a wrong shape, or a rock larger than `scene.MAX_ROCK`.
        """
        given = np.asarray(rocks, dtype=np.float64)
        if given.shape != (len(worlds), self.scene.num_rocks, 4) or not (given[..., 3] <= MAX_ROCK).all():
            raise RangeError(
                f"rocks of shape {given.shape}: expected ({len(worlds)}, {self.scene.num_rocks}, 4) of radius "
                f"{MAX_ROCK} m at most."
            )
        assert self._mujoco is not None, "only scenes that MuJoCo steps have rocks"
        assert self.ground is not None, "a scene with rocks has ground"
        num = self.scene.num_rocks
        there = given[..., 3:] > 0.0
        size = np.zeros((len(worlds), num, 3))
        size[..., 0] = np.maximum(given[..., 3], 1e-3)
        places = {"geom_pos": np.where(there, given[..., :3], np.array(NOWHERE)), "geom_size": size}
        self._mujoco.set_geoms("rock", places, worlds)
        self.set_surface("rock", num, friction=friction, restitution=restitution, worlds=worlds)
        self.ground.rocks[worlds] = given

    def set_surface(
        self, prefix: str, num: int, *, friction: ArrayLike, restitution: ArrayLike, worlds: NDArray[np.intp]
    ) -> None:
        """Give the geoms `prefix0`, `prefix1`, ... of the listed worlds a friction and a restitution, (n,) each."""
        assert self._mujoco is not None, "only scenes that MuJoCo steps have surfaces"
        law = rock_law(np.asarray(restitution, dtype=np.float64), physics_step=self.scene.physics_step)
        rub = np.zeros((len(worlds), num, 3))
        rub[..., 0], rub[..., 1], rub[..., 2] = np.asarray(friction, dtype=np.float64)[:, None], 0.005, 0.0001
        values = {"geom_friction": rub, "geom_solref": np.repeat(law[:, None, :], num, axis=1)}
        self._mujoco.set_geoms(prefix, values, worlds)

    def set_link(self, link: str, *, mass: ArrayLike, moments: ArrayLike, worlds: NDArray[np.intp]) -> None:
        """Give a link of the listed worlds another mass [kg] (n,) and principal moments [kg m2] (n, 3)."""
        assert self._mujoco is not None, "only scenes that MuJoCo steps have links"
        self._mujoco.set_link(link, mass=np.asarray(mass), moments=np.asarray(moments), worlds=worlds)

    @property
    def position_l(self) -> Floats:
        """Base origin [m], a live view (worlds, 3)."""
        return self.state[:, p.POSITION : p.POSITION + 3]

    @property
    def q_lb(self) -> Floats:
        """Attitude, a live view (worlds, 4)."""
        return self.state[:, p.ATTITUDE : p.ATTITUDE + 4]

    @property
    def velocity_l(self) -> Floats:
        """Velocity of the base origin relative to l [m/s], a live view (worlds, 3)."""
        return self.state[:, p.VELOCITY : p.VELOCITY + 3]

    @property
    def rate_b(self) -> Floats:
        """Angular rate relative to l [rad/s], in b, a live view (worlds, 3)."""
        return self.state[:, p.RATE : p.RATE + 3]


def _checked_index(site_index: ArrayLike, num_worlds: int, num_sites: int) -> NDArray[np.int64]:
    index = np.asarray(site_index)
    if index.dtype.kind not in "iu" or index.shape not in ((), (num_worlds,)):
        raise RangeError(f"site_index of shape {index.shape}: expected one whole number, or one for each world.")
    if index.size and not 0 <= index.min() <= index.max() < num_sites:
        raise RangeError(f"site_index = {index.min()} to {index.max()}: expected 0 to {num_sites - 1}.")
    return np.broadcast_to(index.astype(np.int64), (num_worlds,)).copy()
