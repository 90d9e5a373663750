# SPDX-License-Identifier: Apache-2.0
"""Hopping: a robot without legs throws itself off the ground by a torque on a wheel inside, flies for minutes, lands.

One step of `HopBatch` is one whole hop. Where something may touch, MuJoCo steps with the native soil: the push-off, the
landing, every bounce. Above `CLEAR` the robot is one rigid body with spinning wheels, and the fused kernel of
`free_flight` flies all worlds on their own clocks, in the same gravity and the same spinning frame.

Approximations, beside those of the soil law:

- the ground is the plane z = 0 of the site, in the body's own field of gravity, so that on a body of 448 m radius the
  plane seems to rise by one degree per 8 m from the site;
- in flight the drives hold their speeds relative to the hull, after they have stopped the hull's turn about their axes
  at its beginning, in no time and at the same angular momentum;
- near the ground, but for the push itself, the wheels brake the hull's turn about their axes, by an exact gyro;
- at rest the torquer is aimed, and what momentum the wheels still hold is let go through the ground, so slowly that the
  robot's weight holds the hull; it is not stepped: the time it takes is added to the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.device import set_kernel_threads
from stope.base.errors import ConfigError, RangeError
from stope.base.rotation import rotate_inverse
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD
from stope.world.contact_env import ContactBatch
from stope.world.free_flight import advance_all
from stope.world.gravities import Place, place_of
from stope.world.tasks.hop import GRID_SHARE, HopTask
from stope.world.told import Told

__all__ = ["Drive", "HopBatch", "whole_rows"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ids = NDArray[np.intp]

CLEAR = 0.25
"""Height of the base's origin above which nothing can touch [m]; chosen: a hopper's hull reaches 0.10 m."""
FLIGHT_STEP = 0.05
"""Step where nothing touches [s]; chosen: at 5 rad/s a quarter of a radian."""
LOOK = 10
"""Steps of flight between two looks at the height [1]; chosen: 0.5 s, in which a hopper at 0.15 m/s falls 0.08 m."""
REST_HEIGHT = 1e-4
"""A robot rests when its kinetic energy would lift it by less than this [m]; chosen."""
REST_TIME = 10.0
"""For how long [s]; chosen: about the time in which the turn of a hull that tips over its edge grows threefold."""
MOST_CONTACT = 600.0
"""Longest time near the ground in one step [s]; chosen: who still rolls then goes on rolling in the next step."""
MARGIN = 0.002
"""Distance to the ground under which a robot counts as touching it [m]; chosen: hundreds of times what it falls
from rest in a control period."""
BRAKE_TIME = 5.0
"""In which the wheels stop a free hull near the ground [s]; chosen: long beside a push-off, short beside a roll."""
HOLD = 0.3
"""Torque at which wheels are unwound at rest, over that which tips the hull [1]; chosen."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Drive:
    """The wheels of a hopper: three along its axes, or one, the torquer, on a turntable about z_b."""

    dofs: Ids
    """Of each wheel."""
    ctrl: Ids
    """Actuator of each wheel."""
    inertia: Floats
    """About its axis [kg m2], of each wheel."""
    torque: float
    """Limit of the motor [N m]."""
    aim: tuple[int, int, int] | None
    """Actuator, position and velocity address of the turntable, or None."""
    reach: float
    """Radius of the hull [m]."""
    half_height: float
    """Of the hull [m]."""

    @staticmethod
    def of(model: mujoco.MjModel, *, name: str) -> Drive:
        """Find the wheels by the names of their joints and motors.

        Raises:
            ConfigError: a robot without them, or with a wheel that is out of balance.
        """
        joints = {model.joint(i).name for i in range(model.njnt)}
        wheels = ["torquer"] if "torquer" in joints else [f"wheel_{k}" for k in "xyz"]
        hulls = [i for i in range(model.ngeom) if model.geom(i).name == "soil_hull"]
        motors_named = {model.actuator(i).name for i in range(model.nu)}
        needed = {*wheels, "turntable"} if wheels == ["torquer"] else set(wheels)
        is_drum = bool(hulls) and model.geom_type[hulls[0]] == mujoco.mjtGeom.mjGEOM_CYLINDER
        if not (needed <= joints and needed <= motors_named and is_drum):
            raise ConfigError(
                f"robot {name!r}: expected joints torquer and turntable, or wheel_x, wheel_y and wheel_z, each with a "
                "motor of its name, and a cylinder soil_hull. Take hopper or hopper-wheels."
            )
        bodies = [int(model.jnt_bodyid[model.joint(w).id]) for w in wheels]
        moments = model.body_inertia[bodies]
        if np.abs(model.body_ipos[bodies]).max() > 1e-9 or np.ptp(moments, axis=1).max() > 1e-12:
            raise ConfigError(
                f"robot {name!r}: a wheel is out of balance: expected its centre on its joint, one moment."
            )
        motors = np.array([model.actuator(w).id for w in wheels], dtype=np.intp)
        aim = None
        if "turntable" in joints:
            joint = model.joint("turntable")
            aim = int(model.actuator("turntable").id), int(joint.qposadr[0]), int(joint.dofadr[0])
        return Drive(
            dofs=np.array([model.joint(w).dofadr[0] for w in wheels], dtype=np.intp), ctrl=motors,
            inertia=moments[:, 0].copy(), torque=float(model.actuator_ctrlrange[motors, 1].min()), aim=aim,
            reach=float(model.geom_size[hulls[0], 0]), half_height=float(model.geom_size[hulls[0], 1]),
        )  # fmt: skip

    @property
    def momentum(self) -> float:
        """Largest angular momentum of one push-off, which lasts one control period [N m s]."""
        return self.torque * CONTROL_PERIOD

    def axes_b(self, qpos: Floats) -> Floats:
        """Unit vectors along the wheels' axes in robot axes, (worlds, wheels, 3)."""
        if self.aim is None:
            return np.broadcast_to(np.eye(3), (len(qpos), 3, 3))
        angle = qpos[:, self.aim[1]]
        return np.stack([-np.sin(angle), np.cos(angle), 0.0 * angle], axis=1)[:, None, :]

    def push(self, q_lb: Floats, heading_l: Floats, momentum: Floats) -> Floats:
        """Commands of all actuators that roll the hull towards a level heading.

        Args:
            q_lb: Attitude, (worlds, 4).
            heading_l: Unit vectors, (worlds, 3).
            momentum: Angular momentum given to the hull [N m s], (worlds,).

        Returns:
            Torques [N m] for one control period and the turntable's angle [rad], (worlds, actuators). A torquer whose
            plane stands across the heading, on a hull that lies on its rim, turns the hull over instead.
        """
        up = np.array([0.0, 0.0, 1.0])
        axis = rotate_inverse(q_lb, np.cross(up, heading_l))
        torque = np.minimum(momentum / CONTROL_PERIOD, self.torque)
        if self.aim is None:
            return -torque[:, None] * axis
        up_b, heading = rotate_inverse(q_lb, up), rotate_inverse(q_lb, heading_l)
        over = np.stack([-up_b[:, 1], up_b[:, 0], 0.0 * up_b[:, 0]], axis=1)
        sign = np.where((np.cross(over, up_b) * heading).sum(axis=1) >= 0.0, 1.0, -1.0)
        flat = np.stack([axis[:, 0], axis[:, 1], 0.0 * axis[:, 0]], axis=1)
        flat = np.where(np.linalg.norm(flat, axis=1, keepdims=True) < 0.5, sign[:, None] * over, flat)
        out = np.zeros((len(q_lb), 2))
        out[:, self.ctrl[0]] = -torque
        out[:, self.aim[0]] = np.arctan2(-flat[:, 0], flat[:, 1])
        return out


def whole_rows(plant: Floats, model: mujoco.MjModel, *, step: float) -> Floats:
    """Plant rows of the whole robot as one rigid body, its joints where the model puts them.

    Args:
        plant: Rows of the base alone.
        model: Whose other links are balanced about their joints, so that their mass properties do not move.
        step: Of the flight [s].
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    out = plant.copy()
    links = range(2, model.nbody)
    base = np.asarray(data.xpos[1])
    mass = plant[:, p.MASS] + sum(float(model.body_mass[k]) for k in links)
    moment = plant[:, [p.MASS]] * plant[:, p.COM : p.COM + 3]
    com = (moment + sum(model.body_mass[k] * (data.xipos[k] - base) for k in links)) / mass[:, None]
    inertia = np.empty((len(plant), 3, 3))
    inertia[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]] = plant[:, p.INERTIA : p.INERTIA + 6]
    inertia[:, [1, 2, 2], [0, 0, 1]] = plant[:, p.INERTIA + 3 : p.INERTIA + 6]
    inertia += _moved(plant[:, p.MASS], plant[:, p.COM : p.COM + 3] - com)
    for k in links:
        axes = np.asarray(data.ximat[k]).reshape(3, 3)
        own = axes @ np.diag(model.body_inertia[k]) @ axes.T
        inertia += own + _moved(np.full(len(plant), model.body_mass[k]), data.xipos[k] - base - com)
    out[:, p.MASS], out[:, p.COM : p.COM + 3], out[:, p.DT] = mass, com, step
    rows, columns = [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]
    out[:, p.INERTIA : p.INERTIA + 6] = inertia[:, rows, columns]
    out[:, p.INVERSE : p.INVERSE + 6] = np.linalg.inv(inertia)[:, rows, columns]
    return out


def _moved(mass: Floats, arm: Floats) -> Floats:
    """What a mass at an arm adds to the inertia tensor, (n, 3, 3)."""
    square = (arm * arm).sum(axis=1)[:, None, None] * np.eye(3)
    return mass[:, None, None] * (square - arm[:, :, None] * arm[:, None, :])


class HopBatch(ContactBatch):
    """N worlds of a task whose step is one hop. It resets, observes and records as `ContactBatch` does.

    Args:
        task: The task; its `command` gives the torques of one control period and the turntable's angle.
        num_worlds: N.
        seed: Root seed of worlds, starts and noise.
        num_threads: Threads that step; results do not depend on it.
        place: Where, and the robot; the task's own if None. Its gravity grid must reach as far as the robots go.
        told: What the robots are told of their worlds.
        breadth: As in `ContactBatch`.

    Raises:
        ConfigError: a robot that has no wheels to hop with.
    """

    def __init__(
        self,
        task: HopTask,
        *,
        num_worlds: int,
        seed: int,
        num_threads: int = 1,
        place: Place | None = None,
        told: Told = "drawn",
        breadth: float = 1.0,
    ) -> None:
        """Compile the scene; `reset` starts the first episodes."""
        place = place or place_of(
            task.robot, task.body, latitude_deg=task.latitude_deg, height=task.height,
            grid_half_width=task.grid_half_width, grid_nodes=task.grid_nodes,
        )  # fmt: skip
        super().__init__(task, num_worlds=num_worlds, seed=seed, num_threads=num_threads, place=place, told=told,
                         breadth=breadth)  # fmt: skip
        self.max_episode_steps, self.wait = task.most_hops, task.wait
        model = self.world.model
        assert isinstance(model, mujoco.MjModel)
        self.drive = Drive.of(model, name=task.robot)
        self.clock = np.zeros(num_worlds)
        """Time in the episode [s], (worlds,)."""
        self.resting = np.ones(num_worlds, dtype=np.bool_)
        """Whether each robot lies still, (worlds,)."""
        self.gone = np.zeros(num_worlds, dtype=np.bool_)
        """Whether each robot has left what the gravity grid covers, (worlds,)."""
        self.take_off = np.zeros((num_worlds, 3))
        """Velocity when the last hop first rose above `CLEAR` [m/s, l], (worlds, 3); zero if it did not."""
        self.work = np.zeros(num_worlds)
        """Of the motors in the last push [J], (worlds,)."""
        self._still = np.zeros((num_worlds, 6))
        self.last_success = np.zeros(num_worlds, dtype=np.bool_)

    @property
    def time(self) -> Floats:
        """Time in the episode [s], (worlds,)."""
        return self.clock

    def reset(self, worlds: ArrayLike | None = None) -> NDArray[np.float32]:
        """Start new episodes in all worlds, or in the listed ones; return all observations."""
        ids = np.arange(self.num_worlds) if worlds is None else np.asarray(worlds, dtype=np.intp)
        self.clock[ids], self.resting[ids], self.gone[ids] = 0.0, True, False
        self.take_off[ids], self.work[ids] = 0.0, 0.0
        return super().reset(ids)

    def step(
        self, actions: ArrayLike, *, autoreset: bool = True, going: Bools | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], Bools, Bools]:
        """One hop of every world; as `ContactBatch.step`, but success ends an episode too."""
        given = np.asarray(actions, dtype=np.float64)
        if given.shape != self.action.shape or not np.isfinite(given).all():
            raise RangeError(f"actions of shape {given.shape}: expected finite {self.action.shape}.")
        self.action = np.clip(given, -1.0, 1.0)
        commands = self.task.command(self, self.action)
        assert commands.joints is not None, "a hop is commanded by its drives"
        # Only at rest: the table is aimed in no time, which would turn the momentum of a wheel that still spins.
        acts = (np.abs(commands.joints[:, self.drive.ctrl]).max(axis=1) > 0.0) & self.resting
        moves = acts | ~self.resting
        if going is not None:
            acts, moves = acts & going, moves & going
        self.clock[~acts & self.resting] += self.wait
        if acts.any():
            self._push(np.flatnonzero(acts), commands.joints)
        self._until_rest(moves)
        self.steps += 1
        success, failed = self.task.judge(self)
        self.success |= success
        terms = self.task.reward(self, self.action)
        rewards = (terms @ np.array(self.task.reward_weights)).astype(np.float32)
        ended = self.success | failed
        late = (self.clock >= self.task.time_limit) | (self.steps >= self.max_episode_steps)
        truncated = ~ended & late
        self.last_success = self.success.copy()
        over = np.flatnonzero(ended | truncated) if autoreset else []
        observation = self.reset(over) if len(over) else self._observe()
        return observation, rewards, ended, truncated

    def _push(self, ids: Ids, joints: Floats) -> None:
        """Aim, then one control period of torque."""
        drive, world = self.drive, self.world
        if drive.aim is not None:
            ctrl, at, dof = drive.aim
            world.qpos[ids, at], world.qvel[ids, dof] = joints[ids, ctrl], 0.0
        self.ground.ctrl[ids] = joints[ids]
        before = self._angles(ids)
        self._step(ids, step=world.scene.physics_step)
        self.work[ids] = (joints[np.ix_(ids, drive.ctrl)] * (self._angles(ids) - before)).sum(axis=1)
        self.ground.ctrl[np.ix_(ids, drive.ctrl)] = 0.0
        self.clock[ids] += CONTROL_PERIOD
        self.take_off[ids] = 0.0

    def _step(self, ids: Ids, *, step: float) -> None:
        """One control period of the listed worlds at a step of MuJoCo [s]."""
        if len(ids):
            self.world.plant[ids, p.DT], self.world.num_steps = step, round(CONTROL_PERIOD / step)
            self.world.step(self._still, ids)

    def _may_touch(self) -> Bools:
        """Whether a robot can touch the ground within a control period, (worlds,)."""
        state, drive = self.world.state, self.drive
        tilt = np.abs(self.truth().up_b()[:, 2])
        low = state[:, 2] - drive.half_height * tilt - drive.reach * np.sqrt(np.maximum(1.0 - tilt**2, 0.0))
        size = float(np.hypot(drive.reach, drive.half_height))
        falls = np.maximum(-state[:, 9], 0.0) + size * np.linalg.norm(state[:, 10:13], axis=1)
        return low < (falls + 0.5 * self.gravity * CONTROL_PERIOD) * CONTROL_PERIOD + MARGIN

    def _angles(self, ids: Ids) -> Floats:
        """Of the wheels [rad], (n, wheels); the free joint has seven positions and six velocities, each wheel one."""
        return self.world.qpos[np.ix_(ids, self.drive.dofs + 1)]

    def _until_rest(self, moves: Bools) -> None:
        """Step near the ground and fly above it until every listed world rests, is gone, or its time is up."""
        near, high = moves & ~self.gone, np.zeros_like(moves)
        quiet, left = np.zeros(self.num_worlds), np.full(self.num_worlds, MOST_CONTACT)
        self.resting[moves] = False
        state, touches = self.world.state, self._may_touch()
        while near.any() or high.any():
            if not near.any():
                self._fly(np.flatnonzero(high))
                touches = self._may_touch()
                near, high = high & ~self.gone & (self.clock < self.task.time_limit), np.zeros_like(moves)
                continue
            ids = np.flatnonzero(near)
            self._brake(ids)
            self._step(ids[touches[ids]], step=self.world.scene.physics_step)
            self._step(ids[~touches[ids]], step=FLIGHT_STEP)
            if not np.isfinite(state[ids]).all():
                bad = int(ids[~np.isfinite(state[ids]).all(axis=1)][0])
                raise RangeError(f"world {bad}: state is not finite after a step.")
            self.clock[ids] += CONTROL_PERIOD
            left[ids] -= CONTROL_PERIOD
            touches = self._may_touch()
            calm = touches & (self._kinetic() < REST_HEIGHT)
            quiet[ids] = np.where(calm[ids], quiet[ids] + CONTROL_PERIOD, 0.0)
            self.resting |= near & (quiet >= REST_TIME)
            high |= near & (state[:, 2] > CLEAR) & (state[:, 9] > 0.0)
            self.gone |= near & self._outside(state)
            near &= ~self.resting & ~high & ~self.gone & (left > 0.0) & (self.clock < self.task.time_limit)
        self.ground.ctrl[np.ix_(np.flatnonzero(moves), self.drive.ctrl)] = 0.0
        self._unwind(np.flatnonzero(moves & self.resting))

    def _brake(self, ids: Ids) -> None:
        """Let the wheels brake the hull's turn about their axes for a control period; the gyro counts as exact."""
        drive, world = self.drive, self.world
        turn = (drive.axes_b(world.qpos[ids]) @ world.state[ids, 10:13, None])[:, :, 0]
        gain = world.plant[ids, p.INERTIA, None] / BRAKE_TIME
        self.ground.ctrl[np.ix_(ids, drive.ctrl)] = np.clip(gain * turn, -drive.torque, drive.torque)

    def _kinetic(self) -> Floats:
        """Kinetic energy of the hull over the robot's weight [m], (worlds,)."""
        state, plant = self.world.state, self.world.plant
        turning = (plant[:, p.INERTIA : p.INERTIA + 3] * state[:, 10:13] ** 2).sum(axis=1)
        speed = (state[:, 7:10] ** 2).sum(axis=1)
        return 0.5 * (speed + turning / plant[:, p.MASS]) / self.gravity

    def _outside(self, state: Floats) -> Bools:
        """Whether a robot is beyond the gravity grid, or going there for good."""
        return np.abs(state[:, 0:3]).max(axis=1) > GRID_SHARE * self.site.grid_half_width

    def _unwind(self, ids: Ids) -> None:
        """Let the wheels' momentum go through the ground; only the clock and the wheels see it."""
        drive, world = self.drive, self.world
        momentum = np.abs(drive.inertia * world.qvel[np.ix_(ids, drive.dofs)]).sum(axis=1)
        flat = np.abs(self.truth().up_b()[ids, 2]) > np.sqrt(0.5)
        lever = np.where(flat, drive.reach, drive.half_height)
        self.clock[ids] += momentum / (HOLD * world.plant[ids, p.MASS] * self.gravity * lever)
        world.qvel[np.ix_(ids, drive.dofs)] = 0.0

    def _fly(self, ids: Ids) -> None:
        """Fly the listed worlds until they come down to `CLEAR` or are gone; each has its own clock."""
        drive, world = self.drive, self.world
        model = world.model
        assert isinstance(model, mujoco.MjModel)
        first = np.linalg.norm(self.take_off[ids], axis=1) == 0.0
        self.take_off[ids[first]] = world.state[ids[first], 7:10]
        rows = whole_rows(world.plant[ids], model, step=FLIGHT_STEP)
        states = world.state[ids].copy()
        axes = drive.axes_b(world.qpos[ids])
        momentum = drive.inertia * world.qvel[np.ix_(ids, drive.dofs)]
        states[:, 10:13], momentum = _despin(rows, states[:, 10:13], axes, momentum)
        states[:, p.WHEEL : p.WHEEL + 3] = (momentum[:, None, :] @ axes)[:, 0]
        states[:, p.TIME] = 0.0
        set_kernel_threads(self.num_threads)
        going = np.arange(len(ids))
        while going.size:
            part = states[going]
            zero = np.zeros((len(going), 6))
            advance_all(world.table.nodes, rows[going], part, zero, zero[:, :3].copy(), LOOK)
            states[going] = part
            self.gone[ids[going]] = self._outside(part)
            landed = (part[:, 2] < CLEAR) & (part[:, 9] < 0.0)
            late = self.clock[ids[going]] + part[:, p.TIME] >= self.task.time_limit
            going = going[~landed & ~late & ~self.gone[ids[going]]]
        self.clock[ids] += states[:, p.TIME]
        world.state[ids, :13] = states[:, :13]
        world.push_state(ids)
        world.qvel[np.ix_(ids, drive.dofs)] = momentum / drive.inertia
        if drive.aim is not None:
            world.qvel[ids, drive.aim[2]] = 0.0

    @property
    def num_threads(self) -> int:
        """Threads that step."""
        return self.world.num_threads

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Everything that decides the future, as arrays."""
        own = {k: np.copy(getattr(self, k)) for k in ("clock", "resting", "gone", "take_off", "work")}
        return {**super().snapshot(), **{f"hop.{k}": v for k, v in own.items()}}

    def restore(self, snapshot: dict[str, NDArray[Any]]) -> None:
        """Go back to a snapshot of a batch of the same task, shape and seed."""
        super().restore(snapshot)
        for k in ("clock", "resting", "gone", "take_off", "work"):
            getattr(self, k)[...] = snapshot[f"hop.{k}"]


def _despin(rows: Floats, rate: Floats, axes: Floats, momentum: Floats) -> tuple[Floats, Floats]:
    """Rates [rad/s, b] and wheels' momenta [N m s] after the wheels have stopped the turn about their axes.

    Args:
        rows: Plant rows of the whole robot.
        rate: Before, (n, 3).
        axes: Of the wheels, (n, wheels, 3).
        momentum: Relative to the hull, before, (n, wheels).
    """
    inverse = np.empty((len(rows), 3, 3))
    six = rows[:, p.INVERSE : p.INVERSE + 6]
    inverse[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]] = six
    inverse[:, [1, 2, 2], [0, 0, 1]] = six[:, 3:]
    total = np.linalg.solve(inverse, rate[:, :, None]) + axes.transpose(0, 2, 1) @ momentum[:, :, None]
    turned = axes @ inverse
    after = np.asarray(np.linalg.solve(turned @ axes.transpose(0, 2, 1), turned @ total), dtype=np.float64)
    return (inverse @ (total - axes.transpose(0, 2, 1) @ after))[:, :, 0], after[:, :, 0]
