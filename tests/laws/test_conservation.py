# SPDX-License-Identifier: Apache-2.0
"""Translation: conserved quantities, motion in a spinning frame, impulse of thrusters, and nothing ever asleep."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stope.base.rotation import from_rotation_vector, random_quaternions, rotate, rotate_inverse
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD
from stope.world.robots import load_robot
from stope.world.site import make_site
from tests.builders import (
    ENGINES,
    Place,
    angular_momentum,
    coast,
    com_state,
    default_theta,
    give_body,
    linear_grid,
    make_world,
    place_at,
)

RYUGU_SPIN = 2.0 * math.pi / (7.63262 * 3600.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_body_drifting_at_a_tenth_of_a_millimetre_a_second_moves_exactly(engine: str) -> None:
    world = make_world(engine=engine)
    give_body(world, mass=9.0, inertia=[0.2, 0.2, 0.2])
    place_at(world, velocity=[1e-4, 0.0, -1e-7])
    coast(world, 5000)  # 1000 s
    # 20,000 sums of rounding 1e-16 of 0.1 m: 1e-12 at worst.
    np.testing.assert_allclose(world.position_l[0], [0.1, 0.0, -1e-4], rtol=0.0, atol=1e-12)
    np.testing.assert_array_equal(world.velocity_l[0], [1e-4, 0.0, -1e-7])
    np.testing.assert_array_equal(world.q_lb[0], [1.0, 0.0, 0.0, 0.0])
    assert world.state.dtype == np.float64


@pytest.mark.parametrize("engine", ENGINES)
def test_a_slow_turn_is_never_put_to_sleep(engine: str) -> None:
    world = make_world(engine=engine)
    give_body(world, mass=9.0, inertia=[0.2, 0.2, 0.2])
    place_at(world, rate=[0.0, 1e-8, 0.0])
    coast(world, 5000)
    np.testing.assert_allclose(world.q_lb[0], from_rotation_vector([0.0, 1e-5, 0.0]), atol=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
def test_without_forces_the_centre_of_mass_goes_straight_while_the_body_tumbles(engine: str) -> None:
    rng = np.random.default_rng(1)
    world = make_world(num=5, engine=engine)
    give_body(world, mass=9.0, inertia=[0.15, 0.2, 0.3], com=[0.1, -0.05, 0.2])
    place_at(world, position=rng.normal(0, 1, (5, 3)), attitude=random_quaternions(rng, 5),
             velocity=rng.normal(0, 0.1, (5, 3)), rate=rng.normal(0, 0.3, (5, 3)))  # fmt: skip
    start, velocity = com_state(world)
    momentum = angular_momentum(world)
    coast(world, 500)
    here, now = com_state(world)
    np.testing.assert_allclose(now, velocity, atol=1e-13)  # the base itself swings at 0.06 m/s; rounding of it
    np.testing.assert_allclose(here, start + 100.0 * velocity, atol=1e-11)  # 2000 sums of 1e-15
    # (rate dt)^4 / 120 per radian, 60 rad at most: 1e-9 relative.
    np.testing.assert_allclose(angular_momentum(world), momentum, atol=1e-8 * np.abs(momentum).max())


@pytest.mark.parametrize("engine", ENGINES)
def test_in_uniform_gravity_a_body_falls_by_the_parabola(engine: str) -> None:
    gravity = np.array([1e-5, -2e-5, -1.33e-4])
    world = make_world(Place(grid=linear_grid(gravity)), engine=engine)
    give_body(world, mass=3.0, inertia=[0.1, 0.1, 0.1])
    place_at(world, position=[1.0, 2.0, 3.0], velocity=[0.01, 0.0, 0.02])
    coast(world, 500)
    # Runge-Kutta is exact for a parabola; 2000 sums of rounding are left.
    expected = np.array([1.0, 2.0, 3.0]) + 100.0 * np.array([0.01, 0.0, 0.02]) + 5000.0 * gravity
    np.testing.assert_allclose(world.position_l[0], expected, atol=1e-11)


@pytest.mark.parametrize("engine", ENGINES)
def test_energy_is_constant_in_a_field_that_has_a_potential_also_in_a_spinning_frame(engine: str) -> None:
    """The Jacobi integral over three turns of a frame that spins fast, in gravity with a gradient."""
    spin, centre = np.array([0.01, -0.02, 0.05]), np.array([3.0, -1.0, 2.0])
    gravity = np.array([0.002, -0.001, -0.003])
    gradient = np.array([[-2e-4, 1e-4, 0.0], [1e-4, -3e-4, 5e-5], [0.0, 5e-5, -1e-4]]) - 4e-3 * np.eye(3)
    place = Place(grid=linear_grid(gravity, gradient), spin_l=spin, position_l0=centre)
    world = make_world(place, engine=engine)
    give_body(world, mass=3.0, inertia=[0.1, 0.1, 0.1])
    place_at(world, position=[2.0, -1.0, 0.5], velocity=[0.05, 0.1, -0.02])

    def jacobi() -> float:
        x, v = world.position_l[0], world.velocity_l[0]
        arm = np.cross(spin, x + centre)
        return float(0.5 * v @ v - gravity @ x - 0.5 * x @ gradient @ x - 0.5 * arm @ arm)

    start, worst = jacobi(), 0.0
    for _ in range(round(3 * 2 * math.pi / np.linalg.norm(spin) / CONTROL_PERIOD / 10)):
        coast(world, 10)
        worst = max(worst, abs(jacobi() / start - 1.0))
    assert worst < 1e-9  # the tolerance of physics.md section 7 number 7; measured 1e-12
    assert np.linalg.norm(world.position_l[0] - [2.0, -1.0, 0.5]) > 0.1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_particle_at_rest_in_inertial_space_goes_round_a_circle_in_the_spinning_frame(engine: str) -> None:
    spin = np.array([0.0, 0.03, 0.04])  # 0.05 rad/s: one turn in 125.7 s
    centre = np.array([4.0, -2.0, 7.0])
    world = make_world(Place(spin_l=spin, position_l0=centre), engine=engine)
    give_body(world, mass=3.0, inertia=[0.1, 0.2, 0.25], com=[0.02, 0.0, -0.01])
    start_com = np.array([1.0, 0.5, -2.0])
    com = np.array([0.02, 0.0, -0.01])
    # At rest in inertial space: the frame's rigid motion, reversed, at the centre of mass, and a rate of -spin.
    rate = -spin
    place_at(
        world, position=start_com - com, velocity=-np.cross(spin, start_com + centre) - np.cross(rate, com), rate=rate
    )
    num = round(2.0 * math.pi / 0.05 / CONTROL_PERIOD)
    for k in range(1, num + 1):
        coast(world, 1)
        back = from_rotation_vector(-spin * k * CONTROL_PERIOD)
        here, velocity = com_state(world)
        # (spin dt)^4 / 120 = 3e-13 per radian of a circle of 10 m; 2 pi radians: 2e-11 m.
        np.testing.assert_allclose(here[0] + centre, rotate(back, start_com + centre), atol=1e-10)
        np.testing.assert_allclose(velocity[0], -np.cross(spin, here[0] + centre), atol=1e-11)
        # The attitude stands still in inertial space: q_ib = q_il q_lb is one, so q_lb is the frame's turn undone.
        assert abs(world.q_lb[0] @ back) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(com_state(world)[0][0], start_com, atol=0.1 * 0.05 * 20.0)  # the turn ends within a step


@pytest.mark.parametrize("engine", ENGINES)
def test_a_tumbling_body_seen_from_a_spinning_frame_keeps_its_inertial_momentum(engine: str) -> None:
    spin = np.array([0.05, -0.02, 0.1])
    rng = np.random.default_rng(5)
    world = make_world(Place(spin_l=spin), num=3, dt=0.0125, engine=engine)
    tensor = np.diag([0.15, 0.2, 0.3]) + 0.02 * (np.ones((3, 3)) - np.eye(3))
    give_body(world, mass=9.0, inertia=tensor)
    place_at(world, attitude=random_quaternions(rng, 3), rate=rng.normal(0.0, 0.3, (3, 3)))
    world.state[:, p.WHEEL : p.WHEEL + 3] = rng.normal(0.0, 0.02, (3, 3))

    def inertial(t: float) -> np.ndarray:
        total = world.rate_b + rotate_inverse(world.q_lb, spin)
        momentum_b = total @ tensor + world.state[:, p.WHEEL : p.WHEEL + 3]
        return rotate(from_rotation_vector(spin * t), rotate(world.q_lb, momentum_b))

    start = inertial(0.0)
    for k in range(1, 501):
        coast(world, 1)
        # (rate dt)^4 / 120 = 1e-11 per radian, 50 rad.
        np.testing.assert_allclose(inertial(k * CONTROL_PERIOD), start, atol=1e-9 * np.linalg.norm(start, axis=1).max())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("latency", [0.0, 0.03, 0.05, 0.12, 0.2])
def test_a_command_gives_its_impulse_after_latency_and_lag(engine: str, latency: float) -> None:
    robot = load_robot("bee-gas")
    lag, gain, mass, force = 0.13, 1.2, 4.0, 0.25
    theta = default_theta(robot, lag=lag, latency=latency, gain_fx=gain, payload=0.0)
    world = make_world(theta=theta, engine=engine)
    give_body(world, mass=mass, inertia=[0.1, 0.1, 0.1])
    num = 20
    coast(world, num, [force / robot.limit_b[0], 0.0, 0.0, 0.0, 0.0, 0.0])
    on = num * CONTROL_PERIOD - latency
    # m dv = gain F (t - lag (1 - exp(-t / lag))) from the moment the latency has passed, exactly.
    speed = gain * force / mass * (on - lag * (1.0 - math.exp(-on / lag)))
    assert world.velocity_l[0, 0] == pytest.approx(speed, rel=1e-12)
    assert world.state[0, p.THRUST] == pytest.approx(gain * force * (1.0 - math.exp(-on / lag)), rel=1e-12)
    coast(world, 40)  # what is still in the lag filter comes out: the impulse is gain F times the time commanded
    assert world.velocity_l[0, 0] == pytest.approx(gain * force * num * CONTROL_PERIOD / mass, rel=1e-12)
    assert world.state[0, p.IMPULSE] == pytest.approx(force * num * CONTROL_PERIOD, rel=1e-12)
    used = force * num * CONTROL_PERIOD / (robot.specific_impulse * 9.80665)
    assert robot.propellant_capacity - world.state[0, p.PROPELLANT] == pytest.approx(used, rel=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_thrust_beside_the_centre_of_mass_turns_the_body_and_gives_the_right_momentum(engine: str) -> None:
    robot = load_robot("bee-gas")
    com = np.array([0.02, -0.03, 0.05])
    world = make_world(theta=default_theta(robot, lag=1e-3, latency=0.0), engine=engine)
    give_body(world, mass=4.0, inertia=[0.1, 0.2, 0.25], com=com)
    share = np.array([0.5, -0.2, 0.3, 0.1, -0.2, 0.3])
    wrench = share * robot.limit_b
    coast(world, 1, share)
    coast(world, 5)
    # The turn of 1e-3 rad during the push bends the impulse by as much.
    momentum = angular_momentum(world)[0]
    np.testing.assert_allclose(momentum, 0.2 * (wrench[3:] - np.cross(com, wrench[:3])), rtol=1e-2)
    np.testing.assert_allclose(4.0 * com_state(world)[1][0], 0.2 * wrench[:3], rtol=1e-2)


@pytest.mark.parametrize("engine", ENGINES)
def test_drag_slows_the_centre_of_mass_exponentially(engine: str) -> None:
    world = make_world(theta=default_theta(load_robot("bee-gas"), drag=0.4, payload=0.0, mass=8.0), engine=engine)
    place_at(world, velocity=[0.3, -0.1, 0.0])
    coast(world, 100)
    # Runge-Kutta: (dt drag / m)^5 / 120 per step, 400 steps: 1e-13.
    np.testing.assert_allclose(
        com_state(world)[1][0], np.array([0.3, -0.1, 0.0]) * math.exp(-1.0), rtol=1e-11, atol=1e-15
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_without_propellant_nothing_is_commanded(engine: str) -> None:
    world = make_world(theta=default_theta(load_robot("bee-gas"), latency=0.0), engine=engine)
    give_body(world, mass=4.0, inertia=[0.1, 0.1, 0.1])
    world.state[:, p.PROPELLANT] = 0.999 * 0.5 * 0.2 / (65.0 * 9.80665)  # a little less than one period of full thrust
    coast(world, 1, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert world.state[0, p.PROPELLANT] == pytest.approx(0.0, abs=1e-15)
    coast(world, 50, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert world.velocity_l[0, 0] == pytest.approx(0.5 * 0.2 / 4.0, rel=1e-9)
    assert world.state[0, p.PROPELLANT] == 0.0


def test_a_body_at_rest_on_ryugus_equator_falls_at_effective_gravity_and_coriolis_bends_it_east() -> None:
    site = make_site("ryugu", latitude_deg=0.0, longitude_deg=30.0, height=8.0)
    world = make_world(site)
    give_body(world, mass=3.0, inertia=[0.1, 0.1, 0.1])
    coast(world, 500)
    fall, g = 100.0, -site.gravity_l[2]
    # Gravity changes by 2 GM / r^3 = 5e-7 /s2 over the 0.7 m of the fall: 3e-3 of it, and the grid's own error.
    np.testing.assert_allclose(world.position_l[0, 2], -0.5 * g * fall**2, rtol=5e-3)
    # What rises bends against the spin, what falls bends along it, by spin_north g t^3 / 3 (towards east, +x).
    assert world.position_l[0, 0] == pytest.approx(site.spin_l[1] * g * fall**3 / 3.0, rel=0.1)
