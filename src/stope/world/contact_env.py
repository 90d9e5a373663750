# SPDX-License-Identifier: Apache-2.0
"""A task with contact as a batch of environments: N articulated robots, native physics, task logic on arrays."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.errors import ConfigError, RangeError
from stope.base.rotation import from_rotation_vector, multiply, rotate, rotate_inverse
from stope.base.seeding import generator
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD, World
from stope.world.gravities import Place, place_of
from stope.world.ground import Ground
from stope.world.physics import GROUND_PARAMETERS, NUM_PARAMETERS
from stope.world.regolith.prior import ground_prior, soil_of
from stope.world.site import Site
from stope.world.tasks.contact_task import ContactTask
from stope.world.told import NUM_JOINT, NUM_SUMMARY, Told, summaries
from stope.world.tools import set_soils

__all__ = ["ContactBatch", "Pose"]

Floats = NDArray[np.float64]
FRICTION, RESTITUTION, FRACTION = (
    [p.name for p in GROUND_PARAMETERS].index(name) for name in ("tool_friction", "restitution", "boulder_fraction")
)
KEPT = ("steps", "episodes", "action", "success", "theta_ground", "z", "belief")
"""Arrays of a batch that a snapshot holds beside those of its world and its task."""
ROCK_REACH = 1.2
"""Rocks lie within this distance of the origin of l [m]; chosen: a lander's footprint and its drift."""
ROCK_SIZES = (0.10, 0.30)
"""Least and largest radius of a rock [m]; chosen: larger than a foot, smaller than a lander."""


def _draw_rocks(rng: np.random.Generator, ground: Floats, num: int) -> Floats:
    """Half-buried rocks (num, 4) whose full discs cover the ground's share of boulders, as far as `num` allows.

    At ground level they cover 78 % of that on average, for a rock's middle lies up to 0.8 of its radius deep.
    """
    radius = rng.uniform(*ROCK_SIZES, num)
    place = ROCK_REACH * np.sqrt(rng.random(num))
    angle = 2.0 * np.pi * rng.random(num)
    wanted = ground[FRACTION] * ROCK_REACH**2 / (num * np.mean(np.square(radius)))
    there = rng.random(num) < wanted
    # Between half and nine tenths of a rock is in the ground.
    depth = radius * rng.uniform(0.0, 0.8, num)
    return np.stack([place * np.cos(angle), place * np.sin(angle), -depth, np.where(there, radius, 0.0)], axis=1)


def _links(model: mujoco.MjModel) -> float:
    """Mass of all that hangs on the robot's base [kg]."""
    return float(model.body_mass[model.body_rootid == 1].sum() - model.body_mass[1])


class Pose:
    """Position [m, l], attitude q_lb, velocity [m/s, l] and rate [rad/s, b] of every world's robot, as measured."""

    def __init__(self, state: Floats) -> None:
        """From rows of 13 numbers."""
        self.position_l, self.q_lb = state[:, 0:3], state[:, 3:7]
        self.velocity_l, self.rate_b = state[:, 7:10], state[:, 10:13]

    def up_b(self) -> Floats:
        """The direction away from the ground in robot axes, (worlds, 3)."""
        return rotate_inverse(self.q_lb, np.array([0.0, 0.0, 1.0]))

    def to_b(self, vector_l: Floats) -> Floats:
        """Components in robot axes."""
        return rotate_inverse(self.q_lb, vector_l)

    def to_l(self, vector_b: Floats) -> Floats:
        """Components in local axes."""
        return rotate(self.q_lb, vector_b)


class ContactBatch:
    """N worlds of a task with contact.

    Args:
        task: The task.
        num_worlds: N.
        seed: Root seed of worlds, starts and noise.
        num_threads: Threads that step; results do not depend on it.
        place: Where, and the robot that is made for it; the task's own if None.
        told: What the robots are told of their worlds, one of `stope.world.told.KINDS`.
        breadth: Factor on the whitened parameters that worlds are drawn with: 1 is the prior, 0 default physics [1].

    Raises:
        ConfigError: a time limit that is no whole number of control periods.
    """

    def __init__(
        self,
        task: ContactTask,
        *,
        num_worlds: int,
        seed: int,
        num_threads: int = 1,
        place: Place | None = None,
        told: Told = "drawn",
        breadth: float = 1.0,
    ) -> None:
        """Compile the scene; `reset` starts the first episodes."""
        steps = task.time_limit / CONTROL_PERIOD
        if abs(steps - round(steps)) > 1e-9:
            raise ConfigError(
                f"{type(task).__name__}.time_limit = {task.time_limit} s: expected a whole number of control periods "
                f"of {CONTROL_PERIOD} s."
            )
        self.task, self.num_worlds, self.seed = task, num_worlds, seed
        self.told: Told = told
        self.breadth = breadth
        self.max_episode_steps = round(steps)
        self.place = place or place_of(task.robot, task.body, latitude_deg=task.latitude_deg, height=task.height)
        self.robot = self.place.robot
        self.site: Site = self.place.site
        self.gravity = -float(self.site.gravity_l[2])
        """What a robot feels, into the ground [m/s2]."""
        self.soil_gravity, self.extra_gravity = self.place.grounds(num_worlds), self.place.extras(num_worlds)
        theta = self.robot.prior.theta(np.zeros((num_worlds, NUM_PARAMETERS)))
        self.world = World(self.robot, self.site, theta, seed=seed, scene=task.scene(), engine="mujoco",
                           num_threads=num_threads)  # fmt: skip
        model = self.world.model
        assert isinstance(model, mujoco.MjModel)
        self.link_mass = _links(model)
        """Of all that hangs on the base [kg]."""
        self.ground_prior = ground_prior()
        self.theta_ground = np.tile(self.ground_prior.centre, (num_worlds, 1))
        """Parameters of each world's ground, (worlds, len(GROUND_PARAMETERS))."""
        self.z = np.zeros((num_worlds, NUM_JOINT))
        """Whitened truths of robot and ground, (worlds, NUM_JOINT)."""
        self.belief = np.zeros((num_worlds, NUM_SUMMARY))
        """What each robot is told of them, (worlds, NUM_SUMMARY)."""
        self.steps = np.zeros(num_worlds, dtype=np.int64)
        self.episodes = np.zeros(num_worlds, dtype=np.int64)
        self._given: tuple[Floats, Floats] | None = None
        self.record: dict[str, Floats] = {}
        """What the task keeps of each world's episode, by name, (worlds, ...)."""
        self.action = np.zeros((num_worlds, len(task.action_names)))
        self.success = np.zeros(num_worlds, dtype=np.bool_)
        self._ticks = 0

    @property
    def ground(self) -> Ground:
        """The ground under the robots."""
        assert self.world.ground is not None, "a contact task's scene has ground or tools"
        return self.world.ground

    @property
    def time(self) -> Floats:
        """Time in the episode [s], (worlds,)."""
        return np.asarray(self.steps * CONTROL_PERIOD, dtype=np.float64)

    def give(self, ground: Floats, told: Floats) -> None:
        """From the next reset on, each world has this ground and its robot is told this.

        Args:
            ground: Whitened parameters, (worlds, len(GROUND_PARAMETERS)).
            told: Summaries as in `stope.world.told`, (worlds, NUM_SUMMARY).

        Raises:
            RangeError: for another shape, or a number that is not finite.
        """
        for name, rows, width in (("ground", ground, self.theta_ground.shape[1]), ("told", told, NUM_SUMMARY)):
            if rows.shape != (self.num_worlds, width) or not np.isfinite(rows).all():
                raise RangeError(f"{name} of shape {rows.shape}: expected finite ({self.num_worlds}, {width}).")
        self._given = np.array(ground, dtype=np.float64), np.array(told, dtype=np.float64)

    def reset(self, worlds: ArrayLike | None = None) -> NDArray[np.float32]:
        """Start new episodes in all worlds, or in the listed ones; return all observations."""
        ids = np.arange(self.num_worlds) if worlds is None else np.asarray(worlds, dtype=np.intp)
        self.episodes[ids] += 1
        self.steps[ids], self.success[ids], self.action[ids] = 0, False, 0.0
        rngs = [generator(self.seed, "episode", int(i), int(self.episodes[i])) for i in ids]
        z = self.breadth * np.array([rng.standard_normal(NUM_PARAMETERS) for rng in rngs])
        self.world.set_theta(self.robot.prior.theta(z), ids)
        if self.extra_gravity.any():  # the base bears what its links weigh more
            whole = 1.0 + self.link_mass / self.world.plant[ids, p.MASS]
            self.world.plant[ids, p.RESIDUAL + 2] -= whole * self.extra_gravity[ids]
        ground = self.breadth * np.array([rng.standard_normal(self.theta_ground.shape[1]) for rng in rngs])
        if self._given is not None:
            ground = self._given[0][ids]
        self.theta_ground[ids] = self.ground_prior.theta(ground)
        self.z[ids] = np.concatenate([z, ground], axis=1)
        for i in ids:  # a stream of its own, so that worlds are the same whatever is told of them
            rng = generator(self.seed, "told", int(i), int(self.episodes[i]))
            told = summaries(self.told, self.z[i : i + 1], rng)[0]
            self.belief[i] = told if self._given is None else self._given[1][i]
        self.world.state[ids] = 0.0
        self.world.state[ids, 3] = 1.0
        self.world.state[ids, 25] = self.robot.propellant_capacity
        self.world.restart(ids)
        soils = tuple(soil_of(row) for row in self.theta_ground[ids])
        scatter = np.exp(0.3 * np.array([rng.standard_normal(len(self.ground.anchors)) for rng in rngs]))
        set_soils(self.ground, self.robot, soils, gravity=self.soil_gravity[ids], strength_factor=scatter, worlds=ids)
        if self.world.scene.num_rocks > 0:
            rocks = np.array([_draw_rocks(rng, row, self.world.scene.num_rocks) for rng, row in
                              zip(rngs, self.theta_ground[ids], strict=True)])  # fmt: skip
            self.world.set_rocks(rocks, friction=self.theta_ground[ids, FRICTION],
                                 restitution=self.theta_ground[ids, RESTITUTION], worlds=ids)  # fmt: skip
        self.task.begin(self, ids, rngs)
        return self._observe()

    def step(
        self, actions: ArrayLike, *, autoreset: bool = True, going: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
        """One control step of every world.

        Args:
            actions: In [-1, 1], (worlds, num_actions); clipped.
            autoreset: Start a new episode at once where one ended; the observation is then the new one's.
            going: Worlds whose physics goes on (worlds,); what the others show and reward from now on means nothing.
                All if None.

        Returns:
            Observations, rewards, terminated, truncated. `last_success` holds the successes of episodes that ended.

        Raises:
            RangeError: if an action or a state is not finite.
        """
        given = np.asarray(actions, dtype=np.float64)
        if given.shape != self.action.shape or not np.isfinite(given).all():
            raise RangeError(f"actions of shape {given.shape}: expected finite {self.action.shape}.")
        self.action = np.clip(given, -1.0, 1.0)
        commands = self.task.command(self, self.action)
        if commands.joints is not None:
            self.ground.ctrl[:] = commands.joints
        if commands.anchors is not None:
            self.ground.anchor_command[:] = commands.anchors
        if commands.push is not None:
            self.ground.push[:] = commands.push
        self.world.step(commands.thrust, None if going is None or going.all() else np.flatnonzero(going))
        self.steps += 1
        if not np.isfinite(self.world.state).all():
            bad = int(np.flatnonzero(~np.isfinite(self.world.state).all(axis=1))[0])
            raise RangeError(f"world {bad}: state is not finite after a step.")
        success, failed = self.task.judge(self)
        self.success |= success
        terms = self.task.reward(self, self.action)
        rewards = (terms @ np.array(self.task.reward_weights)).astype(np.float32)
        truncated = ~failed & (self.steps >= self.max_episode_steps)
        self.last_success = self.success.copy()
        ended = failed | truncated
        over = np.flatnonzero(ended) if autoreset else []
        observation = self.reset(over) if len(over) else self._observe()
        return observation, rewards, failed, truncated

    def _observe(self) -> NDArray[np.float32]:
        """The boundary between float64 physics and float32 learning."""
        self._ticks += 1
        rng = generator(self.seed, "noise", self._ticks)
        return self.task.observe(self, rng).astype(np.float32)

    def measured(self, rng: np.random.Generator) -> Pose:
        """The base's pose and rates with the robot's sensor noise."""
        s, n = self.robot.sensors, self.num_worlds
        out = self.world.state[:, :13].copy()
        noise = rng.standard_normal((n, 12))
        out[:, 0:3] += s.position_noise * noise[:, 0:3]
        out[:, 7:10] += s.velocity_noise * noise[:, 3:6]
        out[:, 10:13] += s.rate_noise * noise[:, 6:9]
        out[:, 3:7] = multiply(out[:, 3:7], from_rotation_vector(s.attitude_noise * noise[:, 9:12]))
        return Pose(out)

    def truth(self) -> Pose:
        """The base's true pose and rates."""
        return Pose(self.world.state[:, :13])

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Everything that decides the future, as arrays."""
        own = {k: np.copy(getattr(self, k)) for k in KEPT}
        world = {f"world.{k}": v for k, v in self.world.snapshot().items()}
        kept = {f"record.{k}": v.copy() for k, v in self.record.items()}
        return {**own, **world, **kept, "ticks": np.array(self._ticks)}

    def restore(self, snapshot: dict[str, NDArray[Any]]) -> None:
        """Go back to a snapshot of a batch of the same task, shape and seed."""
        self.world.restore({k[6:]: v for k, v in snapshot.items() if k.startswith("world.")})
        for k in KEPT:
            getattr(self, k)[...] = snapshot[k]
        self.record = {k[7:]: v.copy() for k, v in snapshot.items() if k.startswith("record.")}
        self._ticks = int(snapshot["ticks"])
