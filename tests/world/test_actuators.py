# SPDX-License-Identifier: Apache-2.0
"""Motor loops are stable at the physics step: a joint that is told a rate has that rate, and does not shake."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from stope.base.errors import ConfigError
from stope.world.robots import load_robot
from stope.world.scene import compile_scene, fastest_rate
from stope.world.tasks import CONTACT_TASKS, DigTask
from stope.world.tasks.dig import MAX_SPIN


def growth(rate: complex) -> float:
    """What the classical Runge-Kutta method of fourth order multiplies exp(rate t) by, per step of rate."""
    return abs(1 + rate + rate**2 / 2 + rate**3 / 6 + rate**4 / 24)


@pytest.mark.parametrize("name", CONTACT_TASKS.names())
def test_no_motor_loop_grows_in_a_step(name: str) -> None:
    """Each loop by itself, with the inertia that its joint has in the free robot."""
    task = CONTACT_TASKS.get(name)()
    model = compile_scene(load_robot(task.robot), task.scene())
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    mass = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass)
    inertia = 1.0 / np.diag(np.linalg.inv(mass))
    for k in range(model.nu):
        joint = model.actuator_trnid[k, 0]
        dof = model.jnt_dofadr[joint]
        gear = model.actuator_gear[k, 0] ** 2
        stiffness = -model.actuator_biasprm[k, 1] * gear + model.jnt_stiffness[joint]
        damping = -model.actuator_biasprm[k, 2] * gear + model.dof_damping[dof]
        loop = np.array([[0.0, 1.0], [-stiffness, -damping]]) / np.array([[1.0], [inertia[dof]]])
        rates = np.linalg.eigvals(loop) * model.opt.timestep
        assert max(growth(rate) for rate in rates) <= 1.0 + 1e-12, model.actuator(k).name


def test_a_step_too_long_for_a_joint_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"robot 'digger': joint 'drum_\w+' answers at .* expected at most 50 1/s"):
        DigTask(physics_step=0.05).batch(num_worlds=1, seed=0)


def test_the_fastest_rate_is_that_of_a_spring_and_damper_by_hand() -> None:
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><body><joint type="slide" axis="1 0 0" stiffness="8" damping="6"/>'
        '<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body></worldbody></mujoco>'
    )  # x'' + 6 x' + 8 x = 0: rates 2 and 4
    assert fastest_rate(model)[0] == pytest.approx(4.0)


def test_drums_turn_as_they_are_told() -> None:
    batch = DigTask().batch(num_worlds=4, seed=3)
    batch.reset()
    action = np.zeros((4, 4))
    action[:, 2:] = (0.05 / MAX_SPIN) ** 0.5, -((0.05 / MAX_SPIN) ** 0.5)
    for _ in range(10):
        batch.step(action)
        assert batch.world.qvel[:, 7] == pytest.approx(np.full(4, 0.05), rel=0.01)
        assert batch.world.qvel[:, 9] == pytest.approx(np.full(4, -0.05), rel=0.01)
