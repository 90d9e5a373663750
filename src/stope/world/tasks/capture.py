# SPDX-License-Identifier: Apache-2.0
"""capture: grasp a tumbling, free-floating boulder of unknown mass and inertia, and stop its spin.

The boulder drifts 0.8 to 1.6 m away beside the body, turning at up to 4 deg/s about any axis. Success, judged on the
truth: it lies in the gripper with both fingers on it, moves with the robot (under 1 cm/s) and turns at less than
1 deg/s, for 5 s on end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_positive
from stope.base.errors import ConfigError
from stope.base.rotation import cross, normalise, rotate
from stope.world.physics import GROUND_PARAMETERS
from stope.world.scene import SceneConfig
from stope.world.tasks.contact_task import Commands, ContactTask
from stope.world.touching import touching

FRICTION, RESTITUTION = ([p.name for p in GROUND_PARAMETERS].index(name) for name in ("tool_friction", "restitution"))

if TYPE_CHECKING:
    from stope.world.contact_env import ContactBatch

__all__ = ["CaptureTask"]

Floats = NDArray[np.float64]
GRASP = np.array([0.285, 0.0, 0.0])
"""Where the boulder's centre should be, in robot axes [m]: between the fingers."""
FINGERS = ("left", "right")
"""Links that hold it."""
TARGET_Q, TARGET_V = 9, 8
"""First column of the boulder in qpos and in qvel: after the base and two fingers."""
NOISE = 0.004
"""Of the boulder's measured position, per axis [m]; chosen, a depth camera at a metre."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptureTask(ContactTask):
    """Grasp and stop a tumbling boulder."""

    robot: str = "bee-gripper"
    """A robot with two fingers."""
    body: str = "ryugu"
    """Where."""
    latitude_deg: float = 30.0
    """[deg]"""
    height: float = 100.0
    """Of the meeting point above the surface [m]."""
    time_limit: float = 120.0
    """Length of an episode [s]."""
    size: float = 0.07
    """Largest half axis of the boulder [m]; the others are 0.85 and 0.7 of it."""
    spin: float = 0.07
    """Largest rate of the boulder [rad/s]; 4 deg/s."""
    near: float = 0.8
    """Least distance at the start [m]."""
    far: float = 1.6
    """Largest distance at the start [m]."""
    physics_step: float = 0.005
    """[s]"""

    action_names = (*(f"force_{k}_b" for k in "xyz"), *(f"torque_{k}_b" for k in "xyz"), "grip")
    observation_names = (
        *(f"boulder_{k}_b [m]" for k in "xyz"), *(f"boulder_velocity_{k}_b [0.1 m/s]" for k in "xyz"),
        *(f"boulder_rate_{k}_b [0.1 rad/s]" for k in "xyz"), *(f"rate_{k}_b [0.1 rad/s]" for k in "xyz"),
        "left finger [rad]", "right finger [rad]", "time [limit]",
    )  # fmt: skip
    reward_names = ("pointing", "near", "in_grasp", "matched", "still", "frugal")
    reward_weights = (0.1, 0.2, 0.3, 0.3, 0.5, 0.05)

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive(self, "time_limit", "size", "spin", "near", "far", "physics_step", "height")
        if self.near > self.far:
            raise ConfigError(f"CaptureTask.near = {self.near} m: expected at most far = {self.far} m.")

    def scene(self) -> SceneConfig:
        """The boulder, nothing else."""
        return SceneConfig(physics_step=self.physics_step, target_size=self.size, friction=0.6)

    def begin(self, batch: ContactBatch, worlds: NDArray[np.intp], rngs: list[np.random.Generator]) -> None:
        """Robot at rest, any attitude within 60 degrees of the boulder's direction; boulder drifting and turning."""
        batch.record.setdefault("held", np.zeros((batch.num_worlds,)))
        batch.record["held"][worlds] = 0.0
        world = batch.world
        mass, moments = np.zeros(len(worlds)), np.zeros((len(worlds), 3))
        for j, (i, rng) in enumerate(zip(worlds, rngs, strict=True)):
            away = rng.standard_normal(3)
            away /= np.linalg.norm(away)
            lean, side = rng.uniform(0.0, np.radians(60.0)), 2.0 * np.pi * rng.random()
            at_b = np.array([np.cos(lean), np.sin(lean) * np.cos(side), np.sin(lean) * np.sin(side)])
            q = normalise(rng.standard_normal(4))
            world.state[i, 3:7] = q
            world.state[i, 10:13] = rng.uniform(-0.01, 0.01, 3)
            world.qpos[i, TARGET_Q : TARGET_Q + 3] = rotate(q, at_b) * rng.uniform(self.near, self.far)
            world.qpos[i, TARGET_Q + 3 : TARGET_Q + 7] = normalise(rng.standard_normal(4))
            world.qvel[i, TARGET_V : TARGET_V + 3] = rng.uniform(-0.005, 0.005, 3)
            turn = rng.standard_normal(3)
            world.qvel[i, TARGET_V + 3 : TARGET_V + 6] = turn / np.linalg.norm(turn) * self.spin * rng.random()
            axes = self.size * np.array([1.0, 0.85, 0.7])
            mass[j] = rng.uniform(1200.0, 3000.0) * 4.0 / 3.0 * np.pi * axes.prod()
            # Moments of an ellipsoid whose mass is not spread evenly: each second moment off by up to 15 %.
            second = mass[j] / 5.0 * axes**2 * rng.uniform(0.85, 1.15, 3)
            moments[j] = second.sum() - second
        ground = batch.theta_ground[worlds]
        world.set_surface("target", 1, friction=ground[:, FRICTION], restitution=ground[:, RESTITUTION], worlds=worlds)
        world.set_link("target", mass=mass, moments=moments, worlds=worlds)
        world.push_state(worlds)

    def command(self, batch: ContactBatch, action: Floats) -> Commands:
        """Thrust, and both fingers from open (-1) to closed (1)."""
        angle = 0.6 - 0.8 * (action[:, 6:7] + 1.0)
        return Commands(thrust=action[:, :6], joints=np.repeat(angle, 2, axis=1))

    def _relative(self, batch: ContactBatch) -> tuple[Floats, Floats, Floats]:
        """The boulder's position and velocity in robot axes relative to the base, and its rate in robot axes."""
        pose, qpos, qvel = batch.truth(), batch.world.qpos, batch.world.qvel
        position = pose.to_b(qpos[:, TARGET_Q : TARGET_Q + 3] - pose.position_l)
        velocity = pose.to_b(qvel[:, TARGET_V : TARGET_V + 3] - pose.velocity_l) - cross(pose.rate_b, position)
        rate_l = rotate(qpos[:, TARGET_Q + 3 : TARGET_Q + 7], qvel[:, TARGET_V + 3 : TARGET_V + 6])
        return position, velocity, pose.to_b(rate_l)

    def observe(self, batch: ContactBatch, rng: np.random.Generator) -> Floats:
        """What a camera and a gyro show."""
        position, velocity, rate = self._relative(batch)
        n, sensors = batch.num_worlds, batch.robot.sensors
        noise = rng.standard_normal((n, 12))
        return np.concatenate([
            position + NOISE * noise[:, :3], (velocity + sensors.velocity_noise * noise[:, 3:6]) / 0.1,
            (rate + 0.005 * noise[:, 6:9]) / 0.1,
            (batch.truth().rate_b + sensors.rate_noise * noise[:, 9:12]) / 0.1, batch.world.qpos[:, 7:9],
            (batch.time / self.time_limit)[:, None],
        ], axis=1)  # fmt: skip

    def judge(self, batch: ContactBatch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Held: both fingers on it, moving with them, not turning, for 5 s. Failure for good: lost."""
        position, velocity, rate = self._relative(batch)
        held = (
            (np.linalg.norm(position - GRASP, axis=1) < 0.08) & (np.linalg.norm(velocity, axis=1) < 0.01)
            & (np.linalg.norm(rate, axis=1) < np.radians(1.0))
        )  # fmt: skip
        # A boulder that hardly turns would otherwise be held by a robot that only keeps beside it.
        still = np.flatnonzero(held)
        if len(still):
            held[still] = touching(batch.world.model, batch.world.qpos[still], "target", FINGERS).all(axis=1)
        count = batch.record["held"]
        count[:] = np.where(held, count + 1.0, 0.0)
        return count >= 25.0, np.linalg.norm(position, axis=1) > 4.0

    def reward(self, batch: ContactBatch, action: Floats) -> Floats:
        """Point, come near, hold, match, be still."""
        position, velocity, rate = self._relative(batch)
        distance = np.linalg.norm(position, axis=1)
        off = np.linalg.norm(position - GRASP, axis=1)
        return np.stack([
            np.clip(position[:, 0] / np.maximum(distance, 1e-6), 0.0, 1.0), np.exp(-off), np.exp(-((off / 0.06) ** 2)),
            np.exp(-((np.linalg.norm(velocity, axis=1) / 0.03) ** 2)) * (off < 0.1),
            np.exp(-((np.linalg.norm(rate, axis=1) / 0.02) ** 2)) * (off < 0.1),
            1.0 - np.abs(action[:, :6]).mean(axis=1),
        ], axis=1)  # fmt: skip

    def script(self, observation: Floats) -> Floats:
        """Point at the boulder, close in along the axis, shut the fingers round it, then take out all rates."""
        position, velocity = observation[:, 0:3], observation[:, 3:6] * 0.1
        rate, fingers = observation[:, 9:12] * 0.1, observation[:, 12:14]
        distance = np.linalg.norm(position, axis=1, keepdims=True)
        line = position / np.maximum(distance, 1e-6)
        side = np.linalg.norm(position[:, 1:], axis=1)
        inside = (position[:, 0] < 0.335) & (side < 0.05)
        shut = inside & (fingers.max(axis=1) < 0.5)
        # Wanted place of the boulder: on the axis, far while it is off the axis.
        place = np.zeros_like(position)
        place[:, 0] = np.where(side < 0.15 * np.maximum(position[:, 0], 0.1), GRASP[0], 0.75)
        error = position - place
        speed = np.minimum(0.25 * np.linalg.norm(error, axis=1, keepdims=True), 0.05)
        wanted = -error / np.maximum(np.linalg.norm(error, axis=1, keepdims=True), 1e-6) * speed
        # The robot moves, so its force is along what the boulder should not do.
        force = 12.0 * 0.8 * (velocity - wanted)
        turn = np.stack([0.0 * line[:, 0], -line[:, 2], line[:, 1]], axis=1)
        wanted_rate = np.clip(0.5 * turn, -0.12, 0.12)
        torque = 0.25 * (np.where(shut[:, None], 0.0, wanted_rate) - rate)
        force = np.where(shut[:, None], 12.0 * 0.3 * velocity, force)
        out = np.zeros((len(observation), 7))
        out[:, :3], out[:, 3:6] = force / 0.5, torque / 0.06
        out[:, 6] = np.where(inside, 1.0, -1.0)
        return np.clip(out, -1.0, 1.0)
