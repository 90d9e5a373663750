# SPDX-License-Identifier: Apache-2.0
"""What Earth can offer a free flight: an air-bearing table, a gimbal that takes the weight off; and the place itself.

The place is that of the training, such as 6 m over Ryugu; its small gravity stays on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from stope.base.errors import UnknownName
from stope.world.physics import PhysicsPrior, index_of
from stope.world.robots import Robot
from stope.world.tasks import DockConfig

__all__ = ["PLATFORMS", "Platform", "platform"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """Where a free flight can be practised. Every number is chosen unless it says otherwise."""

    name: str
    """What it is called."""
    summary: str
    """What it is, in a line."""
    planar_share: float | None = None
    """Share of the episodes that are held in a plane [1]; None leaves the task's own."""
    residual: tuple[float, float, float] | None = None
    """Standard deviation of the constant acceleration left over, in local axes [m/s2]; None leaves the robot's own."""
    mass_factor: float = 1.0
    """What the robot and the parts of a rig that move with it weigh, over the robot alone [1]."""

    def robot(self, robot: Robot) -> Robot:
        """The robot as it is there: what its prior says of residual acceleration and mass."""
        centre, spread = robot.prior.centre.copy(), robot.prior.spread.copy()
        if self.residual is not None:
            first = index_of("residual_x")
            centre[first : first + 3], spread[first : first + 3] = 0.0, self.residual
        centre[index_of("mass")] *= self.mass_factor
        return replace(robot, prior=PhysicsPrior(centre=centre, spread=spread))

    def task(self, task: DockConfig) -> DockConfig:
        """The task as it is there."""
        return task if self.planar_share is None else replace(task, planar_share=self.planar_share)


PLATFORMS: dict[str, Platform] = {
    p.name: p
    for p in (
        Platform(name="orbit", summary="beside the body, in its gravity, as the skill must work"),
        Platform(
            name="table",
            summary="air-bearing table: three degrees of freedom, tilted by 1e-5 to 1e-4 rad",
            planar_share=1.0,
            residual=(5e-4, 5e-4, 0.0),  # slope of 1e-5 to 1e-4 rad: 0.1 to 1 mm/s2, from memory, unverified
        ),
        Platform(
            name="gimbal",
            summary="gimbal off-load: six degrees of freedom, 0.05 % of the weight left, frames that move along",
            residual=(1e-3, 1e-3, 5e-3),
            mass_factor=1.3,
        ),
        Platform(
            name="all",
            summary="half of the episodes on a table, half free, with the residuals of the gimbal but not its mass",
            planar_share=0.5,
            residual=(1e-3, 1e-3, 5e-3),
        ),
    )
}
"""By name; "all" is for training, not for testing."""


def platform(name: str) -> Platform:
    """A platform by name.

    Raises:
        UnknownName: for another.
    """
    if name not in PLATFORMS:
        raise UnknownName.of("platform", name, list(PLATFORMS), listing="stope gap --help")
    return PLATFORMS[name]
