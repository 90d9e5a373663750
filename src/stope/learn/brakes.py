# SPDX-License-Identifier: Apache-2.0
"""Brakes: what each robot senses of its own motion, and what it does when its policy may not act.

The safety envelope (`stope.learn.envelope`) asks a brake three things: which numbers of an observation come from which
sensor, how the robot moves by them, and the actions that bring it to rest. A brake knows the robot's nominal mass and
inertia, never the true ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.learn.envelope_limits import Limits
from stope.world.allocation import Allocation
from stope.world.batch import CONTROL_PERIOD
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import Robot, load_robot
from stope.world.tasks import ContactTask, DockConfig, HopTask
from stope.world.tasks.capture import GRASP

__all__ = ["Brake", "DrumBrake", "HopBrake", "Motion", "ThrusterBrake", "brake_for"]

Floats = NDArray[np.float64]
Single = NDArray[np.float32]
DAMPING = 0.5
"""Wanted deceleration per speed [1/s]; chosen: two control periods and the thrust's lag are a fifth of its time."""
TURN_DAMPING = 1.0
"""Wanted angular deceleration per rate [1/s]; chosen as above."""
LONGEST = 140.0
"""Distance of a hop over the square of its strength that must be reckoned with [m]; chosen: about twice the largest
median over the soils of the prior, `stope.world.tasks.hop.GAIN_OF_COHESION`."""
LIFT = -0.5
"""Action of an arm that is raised [1]: half a centimetre a second, as the script does."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How robots move by their sensors, in base axes unless its brake says otherwise."""

    position: Floats | None
    """From the volume's centre [m], (worlds, 3); None where it must be reckoned from the velocity."""
    velocity: Floats
    """[m/s], (worlds, 3)."""
    rate: Floats
    """[rad/s], (worlds, 3)."""


class Brake(ABC):
    """What one robot senses, and how it stops."""

    position: slice | None = None
    """Columns of the sensor of position; None without one."""
    velocity: slice | None = None
    """Columns of the sensor of velocity."""
    rate: slice | None = None
    """Columns of the gyro."""
    others: tuple[slice, ...] = ()
    """Columns of further sensors, one slice each."""
    period: float = CONTROL_PERIOD
    """Between two actions [s]."""
    every: int = 1
    """Actions between two samples of the sensors."""
    authority: Floats
    """Acceleration of a full action, nominal [m/s2, rad/s2], (6,); zeros without thrusters."""
    wrench: Floats
    """Impulse of a full action over a period [N s], torque by its lever, (6,); zeros without thrusters."""
    is_from_start: bool = False
    """Whether the volume's centre is where the episode began."""

    @abstractmethod
    def motion(self, seen: Single) -> Motion:
        """By an observation; fresh arrays."""

    @abstractmethod
    def stop(self, seen: Single, velocity: Floats, rate: Floats) -> Floats:
        """Actions that bring robots to rest from these velocities (relative to the wanted ones) and rates."""

    def load(self, seen: Single) -> Floats:
        """Largest share of what an anchor can bear [1], (worlds,); 0 without anchors."""
        return np.zeros(len(seen))

    def power(self, seen: Single) -> Floats:
        """Mechanical power of the motors [W], (worlds,); 0 without motors."""
        return np.zeros(len(seen))

    def shorten(self, seen: Single, action: NDArray[Any], position: Floats, limits: Limits) -> NDArray[Any]:
        """Actions that end inside the volume, where an action is a whole leap; the same array where it is not."""
        return action


class ThrusterBrake(Brake):
    """Thrusters against velocity and rates, as sensed, by the nominal mass and inertia.

    Args:
        robot: The robot.
        task: What it does; says where in an observation its sensors are.
    """

    def __init__(self, robot: Robot, task: DockConfig | ContactTask) -> None:
        """Find the columns."""
        self.allocation = Allocation.of(robot)
        self.authority = np.where(robot.limit_b > 0.0, self.allocation.authority, 0.0)
        levers = np.array([1.0, 1.0, 1.0, *(3 * [robot.torque_arm])])
        self.wrench = robot.limit_b / levers * CONTROL_PERIOD
        self.task = task
        if isinstance(task, DockConfig):
            self.position, self.velocity, self.rate = slice(0, 6), slice(6, 9), slice(15, 18)
            self.others = (slice(9, 15),)
            self.scales = (1.0, 0.2, 0.5)  # `stope.world.tasks.dock.observe` magnifies them
            self.every = max(1, round(robot.sensors.period / CONTROL_PERIOD))
            return
        names = task.observation_names
        self.rate, rate = _columns(names, "rate_x_b")
        if "boulder_x_b [m]" in names:
            self.position, place = _columns(names, "boulder_x_b")
            self.velocity, speed = _columns(names, "boulder_velocity_x_b")
            self.others = (_columns(names, "boulder_rate_x_b")[0],)
        else:
            self.position, place, self.is_from_start = None, 1.0, True
            self.velocity, speed = _columns(names, "velocity_x_b")
            self.others = (_columns(names, "up_x_b")[0],)
        self.scales = (place, speed, rate)

    def motion(self, seen: Single) -> Motion:
        """Position, velocity and rate; a boulder's motion is the robot's, turned round."""
        place, speed, turn = self.scales
        rate = turn * seen[:, self.rate].astype(np.float64)
        velocity = speed * seen[:, self.velocity].astype(np.float64)
        if self.position is None:
            return Motion(None, velocity, rate)
        start = self.position.start
        position = place * seen[:, start : start + 3].astype(np.float64)
        if isinstance(self.task, ContactTask):
            return Motion(-position, -velocity - np.cross(rate, position), rate)
        return Motion(position, velocity, rate)

    def stop(self, seen: Single, velocity: Floats, rate: Floats) -> Floats:
        """Damp both; fingers shut on a boulder stay shut, and a drill rests."""
        wanted = -np.concatenate([DAMPING * velocity, TURN_DAMPING * rate], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(self.authority > 0.0, wanted / self.authority, 0.0).astype(np.float32)
        n = len(share)
        out = self.allocation.shares(share, np.zeros((n, NUM_PARAMETERS)), np.zeros((n, 3))).astype(np.float64)
        if isinstance(self.task, DockConfig):
            return out
        tool = -np.ones((n, 1))
        if self.position is not None:
            away = np.linalg.norm(seen[:, self.position] - GRASP, axis=1)
            tool[away < 0.1] = 1.0
        return np.concatenate([out, tool], axis=1)


class DrumBrake(Brake):
    """A digger on its anchors: raise the arms, stop the drums."""

    is_from_start = True

    def __init__(self, task: ContactTask) -> None:
        """Find the columns."""
        names = task.observation_names
        self.velocity, self.scale = _columns(names, "velocity_x_b")
        self.others = (_columns(names, "up_x_b")[0],)
        self.drums, self.torques = names.index("front drum [rad/s]"), names.index("front drum's torque [N m]")
        self.anchors = names.index("anchor 0 load [strength]")
        self.authority = self.wrench = np.zeros(6)

    def motion(self, seen: Single) -> Motion:
        """The base's velocity; it has no gyro to tell."""
        velocity = self.scale * seen[:, self.velocity].astype(np.float64)
        return Motion(None, velocity, np.zeros_like(velocity))

    def load(self, seen: Single) -> Floats:
        """The anchor that bears most."""
        return seen[:, self.anchors : self.anchors + 4].max(axis=1).astype(np.float64)

    def power(self, seen: Single) -> Floats:
        """Of the drums, torque times rate; the arms' speed is not sensed."""
        rate, torque = (seen[:, k : k + 2].astype(np.float64) for k in (self.drums, self.torques))
        return np.abs(rate * torque).sum(axis=1)

    def stop(self, seen: Single, velocity: Floats, rate: Floats) -> Floats:
        """Arms up, drums still."""
        return np.tile([LIFT, LIFT, 0.0, 0.0], (len(seen), 1))


class HopBrake(Brake):
    """A hopper, whose action is a whole hop: shorten a hop that could end outside, and wait where none is safe.

    Its motion is in local axes: where it is, relative to the spot, east and north.
    """

    is_from_start = True

    def __init__(self, task: HopTask) -> None:
        """Find the columns."""
        self.position, self.scale = slice(0, 2), _columns(task.observation_names, "spot east")[1]
        self.others = (_columns(task.observation_names, "up_x_b")[0],)
        self.period = task.wait
        self.authority = self.wrench = np.zeros(6)

    def motion(self, seen: Single) -> Motion:
        """Where it is; between hops it lies still."""
        position = np.zeros((len(seen), 3))
        position[:, :2] = -self.scale * seen[:, self.position].astype(np.float64)
        still = np.zeros_like(position)
        return Motion(position, still, still)

    def stop(self, seen: Single, velocity: Floats, rate: Floats) -> Floats:
        """Wait."""
        return np.zeros((len(seen), 2))

    def shorten(self, seen: Single, action: NDArray[Any], position: Floats, limits: Limits) -> NDArray[Any]:
        """Hop no further along the chosen way than the volume reaches, even where a hop carries far."""
        to = seen[:, self.position].astype(np.float64)
        way = np.arctan2(to[:, 1], to[:, 0]) + np.pi * np.clip(action[:, 0], -1.0, 1.0)
        outward = position[:, 0] * np.cos(way) + position[:, 1] * np.sin(way)
        inside = outward**2 + limits.keep_in**2 - np.sum(position**2, axis=1)
        reach = np.maximum(np.sqrt(np.maximum(inside, 0.0)) - outward, 0.0)
        strongest = np.sqrt(reach / LONGEST)
        out = action.copy()
        out[:, 1] = np.minimum(action[:, 1], strongest)
        return out


def brake_for(name: str, task: DockConfig | ContactTask, robot: Robot | None = None) -> Brake:
    """The brake of a task's robot.

    Args:
        name: Of the task.
        task: With its settings.
        robot: What flies `dock` or `haul`; tasks with contact name theirs.

    Raises:
        ConfigError: a flight without a robot.
    """
    if isinstance(task, HopTask):
        return HopBrake(task)
    if isinstance(task, ContactTask):
        return DrumBrake(task) if name == "dig" else ThrusterBrake(load_robot(task.robot), task)
    if robot is None:
        raise ConfigError(f"brake_for({name!r}): expected a robot. Give the one that flies.")
    return ThrusterBrake(robot, task)


def _columns(names: tuple[str, ...], first: str) -> tuple[slice, float]:
    """Three columns from the one whose name begins so, and the unit in which they are observed, from the name."""
    at = next(k for k, name in enumerate(names) if name.startswith(first))
    unit = names[at].partition("[")[2].split()  # "0.05 m/s]" or "m]"
    return slice(at, at + 3), float(unit[0]) if len(unit) == 2 else 1.0
