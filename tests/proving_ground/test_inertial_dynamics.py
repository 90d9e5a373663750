# SPDX-License-Identifier: Apache-2.0
"""Laws that the proving ground's own engine must keep."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from proving_ground.dynamics import Motion, Place, Pose, Vehicle

NOWHERE = Place(gravity_l=np.zeros(3), spin_l=np.zeros(3), centre_l=np.zeros(3))
NOTHING = np.zeros(6)
STILL = np.zeros(3)


def vehicle(**changes: object) -> Vehicle:
    """A body of no symmetry whose thrusters are perfect but for their lag."""
    inertia = np.array([[0.20, 0.01, -0.02], [0.01, 0.18, 0.015], [-0.02, 0.015, 0.22]])
    given: dict[str, object] = {
        "mass": 12.0,
        "com_b": np.array([0.004, -0.003, -0.03]),
        "inertia_b": inertia,
        "gain": np.ones(6),
        "lag": 0.1,
        "latency": 0.05,
    }
    return Vehicle(**(given | changes))  # type: ignore[arg-type]


def at_rest(**changes: object) -> Pose:
    """At the origin of l, aligned with it."""
    given: dict[str, object] = {
        "position_l": np.zeros(3),
        "attitude_lb": Rotation.identity(),
        "velocity_l": np.zeros(3),
        "rate_b": np.zeros(3),
    }
    return Pose(**(given | changes))  # type: ignore[arg-type]


def test_a_free_body_turns_with_the_period_of_the_elliptic_integral() -> None:
    body = vehicle(inertia_b=np.diag([1.0, 2.0, 3.0]), com_b=np.zeros(3))
    motion = Motion(body, NOWHERE, at_rest(rate_b=np.array([0.01, 1.0, 0.0])))
    period = 41.50921953  # 4 K(k) / p for inertia (1, 2, 3) and first rate (0.01, 1, 0)
    motion.advance(period, target=NOTHING, push_l=STILL)
    wx, wy, wz = motion.pose().rate_b
    # w_z crosses zero at the period; its slope there, (Ixx - Iyy) / Izz w_x w_y, turns what is left of it into time.
    late = wz / ((1.0 - 2.0) / 3.0 * wx * wy)
    assert abs(late) / period < 1e-7  # the digits of the period end at 1e-10; the scheme is asked for 1e-10 a step
    assert wx == pytest.approx(0.01, rel=1e-6)  # ditto, times the hundredfold from w_x to w_y


def test_a_free_body_keeps_energy_and_both_momenta() -> None:
    start = at_rest(velocity_l=np.array([0.1, -0.2, 0.05]), rate_b=np.array([0.3, -0.2, 0.4]))
    body = vehicle()
    motion = Motion(body, NOWHERE, start)

    def held(state: np.ndarray) -> np.ndarray:
        rate, turn = state[10:13], Rotation.from_quat(state[6:10], scalar_first=True)
        spin = body.inertia_b @ rate
        energy = 0.5 * body.mass * state[3:6] @ state[3:6] + 0.5 * rate @ spin
        return np.concatenate([[energy], body.mass * state[3:6], turn.apply(spin)])

    before = held(motion.state)
    motion.advance(300.0, target=NOTHING, push_l=STILL)
    # About 1000 steps of 1e-10 each that could all add: 1e-7.
    assert held(motion.state) == pytest.approx(before, rel=1e-7, abs=1e-9)


def test_a_pulse_of_thrust_gives_impulse_over_mass_and_the_lag_keeps_its_sum() -> None:
    body = vehicle(com_b=np.zeros(3), gain=np.array([1.1, 1.0, 1.0, 1.0, 1.0, 1.0]))
    motion = Motion(body, NOWHERE, at_rest())
    pulse = np.array([0.5, 0.0, 0.0, 0.0, 0.0, 0.0])
    motion.advance(0.2, target=body.gain * pulse, push_l=STILL)
    motion.advance(5.0, target=NOTHING, push_l=STILL)
    speed = motion.pose().velocity_l[0]
    assert speed == pytest.approx(1.1 * 0.5 * 0.2 / 12.0, rel=1e-9)  # the lag's tail is exp(-48)


def test_the_lag_is_first_order() -> None:
    motion = Motion(vehicle(), NOWHERE, at_rest())
    motion.advance(0.15, target=np.array([0.5, 0, 0, 0, 0, 0.06]), push_l=STILL)
    share = 1.0 - math.exp(-1.5)
    assert motion.state[13] == pytest.approx(0.5 * share, rel=1e-8)  # a few steps of 1e-10
    assert motion.state[18] == pytest.approx(0.06 * share, rel=1e-8)


def test_a_force_at_the_base_origin_turns_the_body_about_its_centre_of_mass() -> None:
    body = vehicle(lag=1e-3)
    motion = Motion(body, NOWHERE, at_rest())
    force = np.array([0.1, 0.2, -0.3])
    motion.advance(0.1, target=np.concatenate([force, np.zeros(3)]), push_l=STILL)
    expected = np.linalg.solve(body.inertia_b, np.cross(-body.com_b, force)) * (0.1 - 1e-3)
    # What is left out, w x I w and the turn itself, is the angle of 2.5e-4 rad relative.
    assert motion.pose().rate_b == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_a_drift_in_the_turning_frame_follows_coriolis_centrifugal_and_tidal_acceleration() -> None:
    spin = np.array([0.003, 0.01, 0.006])  # fifty times Ryugu's, so that the curve shows
    gravity, push = np.array([1e-5, 2e-5, -1.3e-4]), np.array([3e-4, 0.0, -2e-4])
    # The gradient is as large as the square of the spin.
    gradient = 1e-4 * np.array([[-3.0, 0.4, -0.5], [0.4, -1.6, -0.2], [-0.5, -0.2, 4.6]])
    place = Place(gravity_l=gravity, spin_l=spin, centre_l=np.array([10.0, -20.0, 450.0]), gradient_l=gradient)
    body = vehicle(com_b=np.zeros(3))
    start = at_rest(position_l=np.array([0.5, -0.3, 0.2]), velocity_l=np.array([0.05, 0.1, -0.02]))
    motion = Motion(body, place, start)
    motion.advance(100.0, target=NOTHING, push_l=push)
    # x'' = g + G x - W W x - 2 W x' is linear: its exact solution is the exponential of this matrix.
    x, y, z = spin
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    system = np.zeros((7, 7))
    system[0:3, 3:6] = np.eye(3)
    system[3:6, 0:3], system[3:6, 3:6], system[3:6, 6] = gradient - cross @ cross, -2.0 * cross, gravity + push
    exact = expm(100.0 * system) @ np.concatenate([start.position_l, start.velocity_l, [1.0]])
    pose = motion.pose()
    assert pose.position_l == pytest.approx(exact[:3], abs=1e-6)  # 500 m in i times 1e-10 a step, some tens of steps
    assert pose.velocity_l == pytest.approx(exact[3:6], abs=1e-7)


def test_a_body_that_rests_in_inertial_space_counter_turns_in_the_local_frame() -> None:
    spin = np.array([0.0, 0.02, 0.01])
    place = Place(gravity_l=np.zeros(3), spin_l=spin, centre_l=np.zeros(3))
    motion = Motion(vehicle(), place, at_rest(rate_b=-spin))
    motion.advance(30.0, target=NOTHING, push_l=STILL)
    turned = motion.pose().attitude_lb.as_rotvec()
    assert turned == pytest.approx(-30.0 * spin, abs=1e-9)  # rotation about one axis is exact up to rounding


def test_the_first_pose_is_the_start() -> None:
    start = at_rest(
        position_l=np.array([1.0, 2.0, 3.0]),
        attitude_lb=Rotation.from_rotvec([0.3, -0.5, 0.9]),
        velocity_l=np.array([0.1, 0.0, -0.1]),
        rate_b=np.array([0.05, 0.02, -0.01]),
    )
    place = Place(gravity_l=np.zeros(3), spin_l=np.array([0.0, 2e-4, 1e-4]), centre_l=np.array([0.0, 0.0, 454.0]))
    pose = Motion(vehicle(), place, start).pose()
    assert pose.position_l == pytest.approx(start.position_l, abs=1e-12)  # rounding of 454 m
    assert pose.velocity_l == pytest.approx(start.velocity_l, abs=1e-14)
    assert pose.rate_b == pytest.approx(start.rate_b, abs=1e-15)
    assert (start.attitude_lb.inv() * pose.attitude_lb).magnitude() < 1e-14


def test_a_state_that_cannot_be_integrated_stops_with_the_time() -> None:
    motion = Motion(vehicle(lag=1e-3), NOWHERE, at_rest())
    with pytest.raises(RuntimeError, match=r"integration stopped at t = 0\.000000 s"):
        motion.advance(0.1, target=np.full(6, np.nan), push_l=STILL)
