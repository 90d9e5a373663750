# SPDX-License-Identifier: Apache-2.0
"""Scene: the MuJoCo model of a robot at a site, with or without something to touch."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_not_negative, check_positive
from stope.base.errors import ConfigError
from stope.world.robots import Robot

__all__ = ["MAX_ROCK", "NOWHERE", "SceneConfig", "compile_scene", "fastest_rate", "rock_law"]

MAX_ROCK = 1.0
"""Largest radius of a rock [m]."""
NOWHERE = (0.0, 0.0, -100.0)
"""Where rocks that a world does not have are kept [m, l]."""
MAX_RATE = 2.5
"""Largest rate of a joint's spring, damper or servo, times the physics step [1]; chosen: the Runge-Kutta method of
fourth order is stable up to 2.78 on the real axis and 2.83 on the imaginary one (where its growth factor is 1)."""
TOUCHES_ROCK = 2
"""Contact bit of tools, which meet soil by its own law and rock by MuJoCo's contact."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneConfig:
    """What is around the robot."""

    physics_step: float = 0.05
    """Integration step [s]."""
    has_ground: bool = False
    """A plane through the local frame's origin, normal to z_l, that the robot's cube can touch."""
    num_boulders: int = 0
    """Loose spheres of 0.1 m radius resting beside the robot; they need `has_ground` to rest on."""
    has_soil: bool = False
    """Granular ground below z_l = 0 that the robot's tools feel."""
    bed_half_width: float = 0.0
    """Half width of the height map that remembers what was dug [m]; 0 keeps no memory. It needs `has_soil`."""
    bed_spacing: float = 0.05
    """Edge of a cell of the height map [m]."""
    num_stones: int = 0
    """Stones buried in the soil of each world, which drums can strike."""
    num_rocks: int = 0
    """Rocks fixed in the ground of each world, placed by `World.set_rocks`; rigid, with friction and restitution."""
    target_size: float = 0.0
    """Radius of one free-floating boulder to be grasped [m]; 0 for none."""
    friction: float = 0.6
    """Coulomb friction of every contact [1]; chosen, within 0.4 to 0.8 for rock."""

    def __post_init__(self) -> None:
        """Check the step, the friction, and that boulders have something to rest on."""
        check_positive(self, "physics_step", "friction", "bed_spacing")
        check_not_negative(self, "num_boulders", "bed_half_width", "num_stones", "target_size", "num_rocks")
        if (self.bed_half_width > 0.0 or self.num_stones > 0) and not self.has_soil:
            raise ConfigError("SceneConfig.has_soil = false: a bed and stones need soil. Set has_soil = true.")
        if self.num_boulders > 0 and not self.has_ground:
            raise ConfigError(f"SceneConfig.num_boulders = {self.num_boulders}: boulders need has_ground = true.")


def compile_scene(robot: Robot, config: SceneConfig) -> mujoco.MjModel:
    """MuJoCo model: world frame = l, body 1 = the robot's base, gravity 0 (ours is native), RK4.

    MuJoCo's Euler step gains energy in free rotation; the fourth-order scheme does not (measured in docs/results).

    Raises:
        ConfigError: if the robot's MJCF is refused, its first body is not `base` with a free joint, or a joint answers
            faster than the physics step can follow.
    """
    if robot.articulation is not None:
        return _compile_links(robot, config)
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


def rock_law(restitution: NDArray[np.float64], *, physics_step: float) -> NDArray[np.float64]:
    """MuJoCo's contact numbers of rock with a restitution.

    A linear spring and damper whose natural period is 25 steps: stiff enough to be rock, soft enough for the step.

    Args:
        restitution: Of each world, 0 to 1, (n,).
        physics_step: [s]

    Returns:
        Time constant [s] and damping ratio [1], `solref`, (n, 2).

    Source:
        Damping ratio of a linear contact by its restitution: zeta = -ln e / sqrt(pi^2 + ln^2 e), Nagurka and Huang
        2004, doi 10.23919/ACC.2004.1383652; MuJoCo's documentation for the meaning of solref. The restitution of a
        falling sphere is tested in tests/world/test_rocks.py.
    """
    e = np.log(np.clip(restitution, 0.02, 0.99))
    ratio = -e / np.sqrt(np.pi**2 + e**2)
    frequency = 2.0 * np.pi / (25.0 * physics_step)
    return np.stack([1.0 / (frequency * ratio), ratio], axis=1)


def _compile_links(robot: Robot, config: SceneConfig) -> mujoco.MjModel:
    """The model of a robot of several links, its ground and its target."""
    made = robot.articulation
    assert made is not None
    try:
        spec = mujoco.MjSpec.from_string(made.mjcf)
    except ValueError as error:
        raise ConfigError(f"robot {robot.name!r}: model.mjcf: {str(error).splitlines()[0]}") from None
    spec.option.timestep, spec.option.gravity = config.physics_step, [0.0, 0.0, 0.0]
    spec.option.integrator, spec.option.cone = mujoco.mjtIntegrator.mjINT_RK4, mujoco.mjtCone.mjCONE_ELLIPTIC
    rock = {"friction": [config.friction, 0.005, 0.0001], "solref": [0.04, 1.0]}
    world = spec.worldbody
    if config.has_ground:
        world.add_geom(name="ground", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[50, 50, 1], **rock)
    if config.target_size > 0.0:
        target = world.add_body(name="target", pos=[0.0, 0.0, 0.0])
        target.add_freejoint(name="target")
        r = config.target_size
        target.add_geom(name="target0", priority=1, type=mujoco.mjtGeom.mjGEOM_ELLIPSOID, size=[r, 0.85 * r, 0.7 * r],
                        density=2000.0, condim=4, **rock)  # fmt: skip
    for geom in spec.geoms:
        if geom.name.startswith(("soil", "drum")):
            geom.contype, geom.conaffinity = TOUCHES_ROCK * int(config.num_rocks > 0), 0
    for k in range(config.num_rocks):
        # The largest size and a place far below: each world gives its rocks their own. Their law is theirs alone.
        world.add_geom(name=f"rock{k}", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[MAX_ROCK, 0, 0], pos=NOWHERE,
                       contype=0, conaffinity=1 + TOUCHES_ROCK, priority=1, condim=3)  # fmt: skip
    if config.num_rocks > 0:
        spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_MIDPHASE  # it knows the compiled places only
    try:
        model = spec.compile()
    except ValueError as error:
        raise ConfigError(f"robot {robot.name!r}: model.mjcf: {str(error).splitlines()[0]}") from None
    if model.nbody < 2 or model.body(1).name != "base" or model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
        raise ConfigError(f"robot {robot.name!r}: model.mjcf: expected the first body to be 'base' with a free joint.")
    _check_rates(model, robot.name, config.physics_step)
    return model


def _check_rates(model: mujoco.MjModel, name: str, step: float) -> None:
    """Refuse a joint that answers faster than the physics step can follow."""
    fastest, joint = fastest_rate(model)
    if fastest * step > MAX_RATE:
        raise ConfigError(
            f"robot {name!r}: joint {joint!r} answers at {fastest:.3g} 1/s: expected at most {MAX_RATE / step:.3g} 1/s "
            f"at a physics step of {step:g} s. Take a smaller step, less gain or damping, or more armature."
        )


def fastest_rate(model: mujoco.MjModel) -> tuple[float, str]:
    """Largest rate of the joints' own springs, dampers and servos [1/s], and the joint that has most of it.

    MuJoCo's Runge-Kutta step integrates all of them explicitly, and beyond 2.8 over the step they shake; what bounds a
    motor's force hides that.
    """
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    mass = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass)
    stiffness, damping = np.zeros(model.nv), model.dof_damping.copy()
    for j in range(model.njnt):
        if model.jnt_type[j] != mujoco.mjtJoint.mjJNT_FREE and model.jnt_type[j] != mujoco.mjtJoint.mjJNT_BALL:
            stiffness[model.jnt_dofadr[j]] = model.jnt_stiffness[j]
    for k in range(model.nu):
        if model.actuator_trntype[k] == mujoco.mjtTrn.mjTRN_JOINT:
            dof, gear = model.jnt_dofadr[model.actuator_trnid[k, 0]], model.actuator_gear[k, 0] ** 2
            stiffness[dof] -= gear * model.actuator_biasprm[k, 1]
            damping[dof] -= gear * model.actuator_biasprm[k, 2]
    back = -np.linalg.inv(mass)
    motion = np.block([[np.zeros_like(mass), np.eye(model.nv)], [back * stiffness, back * damping]])
    rates, shapes = np.linalg.eig(motion)
    worst = int(np.abs(rates).argmax())
    dof = int(np.abs(shapes[model.nv :, worst]).argmax())
    return float(np.abs(rates[worst])), model.joint(model.dof_jntid[dof]).name
