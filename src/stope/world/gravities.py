# SPDX-License-Identifier: Apache-2.0
"""Gravities a task with contact can be practised in: soil under real gravity, and a robot that an off-load carries.

A robot made for a small body cannot carry its own weight on Earth, so it is practised as in a laboratory: cables hold
it, and the ground under it weighs what it weighs there. Each place is a uniform one, of soil that feels `level`
and a robot that feels `felt`: what the place of work has, or `LEFT` of the real weight where the off-load cannot do
better, and never more than `level`. The actuators that meet the ground are rescaled to what that ground takes.

Ideal, and said so: the cables carry every link and what is in a drum, without friction, swing or inertia of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import UnknownName
from stope.world.body import Body
from stope.world.robots import Robot, load_robot
from stope.world.site import Site, make_site

__all__ = ["ALL", "GRAVITIES", "LEFT", "WORK", "Gravity", "Place", "place_of"]

Floats = NDArray[np.float64]
WORK = 1.3e-4
"""What an off-load aims at: effective gravity on Ryugu, where the tasks are at home (its median) [m/s2]."""
LEFT = 5e-4
"""Share of the weight that an off-load leaves [1]; chosen, as the gimbal of `stope.world.platforms`."""
MOST_DAMPING = 2.5
"""Largest factor on the damping of an arm that the physics step of the tasks can follow [1]; chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gravity:
    """One gravity, and what of a robot is rescaled for it."""

    level: float
    """What the ground feels [m/s2]."""
    summary: str
    """What it is, in a line."""
    arms: float = 1.0
    """Factor on gain and force limit of the digger's arms, its root on their damping, up to `MOST_DAMPING` [1]; chosen:
    the soil under a drum resists with its weight, and four screws yield a centimetre under what it can press."""

    @property
    def name(self) -> str:
        """Under which a task's `body` finds it."""
        return f"gravity-{self.level:g}"

    def robot(self, name: str) -> Robot:
        """A robot rescaled for this gravity: arms, where it has some."""
        robot = load_robot(name)
        if self.arms == 1.0 or robot.articulation is None or "arm_gain" not in robot.articulation.numbers:
            return robot
        damping = min(math.sqrt(self.arms), MOST_DAMPING)
        return load_robot(name, {"arm_gain": self.arms, "arm_force": self.arms, "arm_damping": damping})

    @property
    def felt(self) -> float:
        """What the robot feels [m/s2]."""
        return min(self.level, max(WORK, LEFT * self.level))


GRAVITIES: dict[str, Gravity] = {
    g.name: g
    for g in (
        Gravity(level=9.81, summary="the Earth, off-loaded", arms=20.0),
        Gravity(level=1.62, summary="the Moon, off-loaded", arms=4.0),
        Gravity(level=1e-2, summary="a body of some ten kilometres, off-loaded"),
        Gravity(level=1e-4, summary="a body of some hundred metres"),
        Gravity(level=1e-5, summary="a body of some ten metres"),
    )
}
"""By name."""
ALL = "gravity-all"
"""A place for training: world i has the gravity at i modulo their number. What a robot's base feels beyond the least of
them pulls at its centre of mass alone, with the weight of its links."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Place:
    """Where a task with contact is done, and by what."""

    site: Site
    robot: Robot
    ground: tuple[float, ...]
    """Gravity that the soil feels, of world i at i modulo their number [m/s2]."""
    extra: tuple[float, ...]
    """What a robot feels beyond the site's own, likewise [m/s2]."""

    def grounds(self, num: int) -> Floats:
        """Gravity in the soil of each world [m/s2], (num,)."""
        return np.resize(np.array(self.ground), num)

    def extras(self, num: int) -> Floats:
        """What the base of each world's robot feels beyond the site's gravity [m/s2], (num,)."""
        return np.resize(np.array(self.extra), num)


def place_of(
    robot: str, body: str, *, latitude_deg: float, height: float, grid_half_width: float = 12.0, grid_nodes: int = 9
) -> Place:
    """The place and the robot of a task.

    Args:
        robot: A name listed by `stope world robots`, or a file.
        body: A name listed by `stope world bodies`, a file, or one of `GRAVITIES` and `ALL`.
        latitude_deg: On a body [deg]; a gravity has none.
        height: Of the local frame's origin above the ground [m].
        grid_half_width: As in `make_site` [m].
        grid_nodes: As in `make_site`.

    Raises:
        UnknownName: a gravity that is none of them.
    """
    if not body.startswith("gravity-"):
        site = make_site(body, latitude_deg=latitude_deg, height=height, grid_half_width=grid_half_width,
                         grid_nodes=grid_nodes)  # fmt: skip
        return Place(site=site, robot=load_robot(robot), ground=(-float(site.gravity_l[2]),), extra=(0.0,))
    if body not in (*GRAVITIES, ALL):
        raise UnknownName.of("gravity", body, [*GRAVITIES, ALL], listing="stope gap --help")
    there = tuple(GRAVITIES.values()) if body == ALL else (GRAVITIES[body],)
    least = min(g.felt for g in there)
    uniform = Body(name=body, kind="uniform", summary="the same gravity everywhere", licence="none needed",
                   has_air=False, gm=0.0, gravity_level=least)  # fmt: skip
    site = make_site(uniform, height=height, grid_half_width=grid_half_width)
    made = load_robot(robot) if body == ALL else there[0].robot(robot)
    return Place(site=site, robot=made, ground=tuple(g.level for g in there),
                 extra=tuple(g.felt - least for g in there))  # fmt: skip
