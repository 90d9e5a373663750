# SPDX-License-Identifier: Apache-2.0
"""Scene: the MuJoCo model of a robot at a site, with or without something to touch."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco

from stope.base.config import check_not_negative, check_positive
from stope.base.errors import ConfigError
from stope.world.robots import Robot

__all__ = ["SceneConfig", "compile_scene"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneConfig:
    """What is around the robot."""

    physics_step: float = 0.05
    """Integration step [s]."""
    has_ground: bool = False
    """A plane through the local frame's origin, normal to z_l, that the robot's cube can touch."""
    num_boulders: int = 0
    """Loose spheres of 0.1 m radius resting beside the robot; they need `has_ground` to rest on."""
    friction: float = 0.6
    """Coulomb friction of every contact [1]; chosen, within 0.4 to 0.8 for rock."""

    def __post_init__(self) -> None:
        """Check the step, the friction, and that boulders have something to rest on."""
        check_positive(self, "physics_step", "friction")
        check_not_negative(self, "num_boulders")
        if self.num_boulders > 0 and not self.has_ground:
            raise ConfigError(f"SceneConfig.num_boulders = {self.num_boulders}: boulders need has_ground = true.")


def compile_scene(robot: Robot, config: SceneConfig) -> mujoco.MjModel:
    """MuJoCo model: world frame = l, body 1 = the robot's base, gravity 0 (ours is native), RK4.

    MuJoCo's Euler step gains energy in free rotation; the fourth-order scheme does not (measured in docs/results).
    """
    half, contact = 0.5 * robot.side, int(config.has_ground or config.num_boulders > 0)
    inertia = " ".join(f"{x:.17g}" for x in robot.inertia_b)
    com = " ".join(f"{x:.17g}" for x in robot.com_b)
    ground = '<geom name="ground" type="plane" size="50 50 1"/>' if config.has_ground else ""
    boulders = "".join(
        f'<body name="boulder{k}" pos="{1.0 + 0.25 * k} 0 0.1"><freejoint/><geom type="sphere" size="0.1" '
        'density="2000"/></body>'
        for k in range(config.num_boulders)
    )
    return mujoco.MjModel.from_xml_string(
        f"""<mujoco model="{robot.name}">
<option timestep="{config.physics_step:.17g}" gravity="0 0 0" integrator="RK4" cone="elliptic"/>
<default><geom friction="{config.friction} 0.005 0.0001" solref="0.2 1"/></default>
<worldbody>{ground}
<body name="base"><freejoint name="base"/>
<inertial pos="{com}" mass="{robot.mass:.17g}" diaginertia="{inertia}"/>
<geom name="base" type="box" size="{half} {half} {half}" contype="{contact}" conaffinity="{contact}"/></body>
{boulders}</worldbody></mujoco>"""
    )
