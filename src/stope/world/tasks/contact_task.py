# SPDX-License-Identifier: Apache-2.0
"""What a task with contact is: where it starts, what it shows, rewards and calls a success, and how a script does it.

A task is one file with one class. Its methods work on all worlds at once, once per control step; the physics between
two of them is native. `stope.world.contact_env.ContactBatch` drives it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stope.world.scene import SceneConfig

if TYPE_CHECKING:
    from stope.world.contact_env import ContactBatch
    from stope.world.told import Told

__all__ = ["Commands", "ContactTask"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Commands:
    """What a robot is told for one control period; each may be None where the robot has no such thing."""

    thrust: Floats
    """Share of the thrusters' limits (force then torque, b), (worlds, 6)."""
    joints: Floats | None = None
    """Commands of the actuators, (worlds, num_ctrl)."""
    anchors: Floats | None = None
    """Above 0 an anchor drills, (worlds, num_anchors)."""
    push: Floats | None = None
    """Disturbance the world applies to the base: force and torque at its centre of mass, l, (worlds, 6)."""


class ContactTask(ABC):
    """One task with contact. Subclasses are frozen dataclasses whose fields are the task's numbers."""

    robot: str
    body: str
    latitude_deg: float
    height: float
    """Of the local frame's origin above the surface [m]."""
    time_limit: float
    action_names: tuple[str, ...]
    """What each action in [-1, 1] means."""
    observation_names: tuple[str, ...]
    """What each observation is, with its unit and scale."""
    reward_names: tuple[str, ...]
    """Terms of the reward, each in [0, 1] before its weight."""
    reward_weights: tuple[float, ...]

    def batch(
        self, *, num_worlds: int, seed: int, num_threads: int = 1, told: Told = "drawn", breadth: float = 1.0
    ) -> ContactBatch:
        """Worlds of this task, stepped a control period at a time; a task whose step is longer brings its own."""
        from stope.world.contact_env import ContactBatch  # noqa: PLC0415 -- it imports this file

        return ContactBatch(self, num_worlds=num_worlds, seed=seed, num_threads=num_threads, told=told, breadth=breadth)

    @abstractmethod
    def scene(self) -> SceneConfig:
        """What is around the robot."""

    @abstractmethod
    def begin(self, batch: ContactBatch, worlds: NDArray[np.intp], rngs: list[np.random.Generator]) -> None:
        """Start new episodes in the listed worlds: states, soils, targets."""

    @abstractmethod
    def command(self, batch: ContactBatch, action: Floats) -> Commands:
        """What actions (worlds, num_actions) mean now."""

    @abstractmethod
    def observe(self, batch: ContactBatch, rng: np.random.Generator) -> Floats:
        """Observations (worlds, num_observations): what the robot can sense, with noise."""

    @abstractmethod
    def judge(self, batch: ContactBatch) -> tuple[Bools, Bools]:
        """Success by now and failure for good, both (worlds,); the truth, not what is sensed."""

    @abstractmethod
    def reward(self, batch: ContactBatch, action: Floats) -> Floats:
        """Terms of the reward (worlds, num_terms), each in [0, 1]."""

    @abstractmethod
    def script(self, observation: Floats) -> Floats:
        """Scripted baseline: actions from observations alone, (worlds, num_actions)."""

    @property
    def has_tutor(self) -> bool:
        """Whether its tutor is another program than its script."""
        return type(self).tutor is not ContactTask.tutor

    def tutor(self, observation: Floats, belief: Floats) -> Floats:
        """What a policy is taught: the script, or better where what is believed of the world tells how.

        Args:
            observation: (worlds, num_observations).
            belief: Summaries as in `stope.world.told`, (worlds, NUM_SUMMARY).
        """
        return self.script(observation)

    def imagined(self, observation: Floats, rng: np.random.Generator) -> Floats:
        """What might have been seen as well, and is too rare where training flies; what was seen, by default.

        Args:
            observation: Along a rollout, (steps, worlds, num_observations).
            rng: Of what is changed.

        Returns:
            Observations of the same shape; what is given is left as it is.
        """
        return observation
