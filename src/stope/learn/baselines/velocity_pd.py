# SPDX-License-Identifier: Apache-2.0
"""The classical docker: a speed profile that can always brake, tracked by a proportional loop.

Wanted speed along the line to the target: min(k r, sqrt(2 a r), v_max), so that the robot slows down with the
acceleration it can afford and ends as a damped spring; the same for the attitude. It uses the mass and inertia of the
belief's mean where `uses_belief`, with the believed residual acceleration fed forward, else the prior's median.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stope.world.allocation import Allocation
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import Robot
from stope.world.tasks import dock

__all__ = ["VelocityPd"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class VelocityPd:
    """Speed-profile controller for `dock`."""

    robot: Robot
    uses_belief: bool
    """Whether mass, inertia, gains and residual come from the belief's mean, or from the prior's median."""
    stiffness: float = 0.35
    """Wanted speed per distance near the target [1/s]."""
    damping: float = 0.9
    """Wanted acceleration per speed error [1/s]."""
    share: float = 0.4
    """Share of the thrust that braking may plan with [1]."""
    top_speed: float = 0.4
    """[m/s]."""
    top_rate: float = 0.35
    """[rad/s]."""

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions in [-1, 1], (worlds, 6)."""
        obs = observation.astype(np.float64)
        position, velocity = obs[:, 0:3], obs[:, 6:9] / 5.0
        turn, rate = 2.0 * obs[:, 9:12], obs[:, 15:18] / 2.0
        z = np.zeros((len(obs), NUM_PARAMETERS))
        if self.uses_belief:
            z = obs[:, dock.BELIEF_AT : dock.BELIEF_AT + NUM_PARAMETERS] / dock.MEAN_SCALE
        allocation = Allocation.of(self.robot)
        push = self.share * float(allocation.authority[:3].min())
        spin = self.share * float(allocation.authority[3:].min())
        accel = self.damping * (self._profile(position, push, self.top_speed) - velocity)
        # The error quaternion's vector part is sin(half angle): turn is the rotation vector to first order.
        alpha = 2.0 * self.damping * (self._profile(turn, spin, self.top_rate) - rate)
        wanted = (np.concatenate([accel, alpha], axis=1) / allocation.authority).astype(np.float32)
        residual = obs[:, dock.NUM_MOTION : dock.NUM_MOTION + dock.RESIDUAL] * float(self.uses_belief)
        return allocation.shares(wanted, z, residual)

    def _profile(self, offset: Floats, braking: float, top: float) -> Floats:
        distance = np.linalg.norm(offset, axis=1) + 1e-12
        speed = np.minimum(np.minimum(self.stiffness * distance, np.sqrt(2.0 * braking * distance)), top)
        return -offset * (speed / distance)[:, None]
