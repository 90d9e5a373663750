# SPDX-License-Identifier: Apache-2.0
"""haul: carry a container with an unknown load, its centre of mass off axis, to a dock.

The flight, its observation, its reward and its success test are those of `dock`; what differs is the robot, whose
load of up to twice its own mass hangs 25 cm off its centre, and the distance. Thrusters at the base then turn the
robot as they push it.
"""

from __future__ import annotations

from dataclasses import dataclass

from stope.world.tasks.dock import DockConfig

__all__ = ["HAULER", "HaulConfig"]

HAULER = "hauler"
"""The robot of this task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HaulConfig(DockConfig):
    """Carry a load to a dock and stop."""

    distance: float = 9.0
    """Largest distance at the start [m]; uniform in the ball."""
    time_limit: float = 180.0
    """Length of an episode [s]."""
    keep_in: float = 12.0
    """Distance at which the episode ends in failure [m]."""
