# SPDX-License-Identifier: Apache-2.0
"""Free rotation: the tumbling body with a known solution, spin-down of a wheel, stability about the axes.

Reference figures are those of physics.md section 7, numbers 1 and 2. "Fine" is 0.0125 s per physics step; "default" is
the package's own 0.05 s, the fast integrator of those notes.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import ellipj, ellipk

from stope.base.rotation import random_quaternions
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD
from tests.builders import ENGINES, angular_momentum, coast, give_body, make_world, place_at, rotational_energy

INERTIA = np.array([1.0, 2.0, 3.0])
PERIOD = 41.50921953
FINE = 0.0125
DEFAULT = 0.05
NUM_100_PERIODS = math.ceil(100.0 * PERIOD / CONTROL_PERIOD)


def euler(_: float, w: np.ndarray) -> np.ndarray:
    return np.cross(INERTIA * w, w) / INERTIA


def sign_change(rate: np.ndarray, within: float) -> float:
    """Time until the second component of a torque-free rate changes sign [s], by an independent integrator."""
    flight = solve_ivp(euler, (0.0, within), rate, method="DOP853", rtol=1e-13, atol=1e-15, dense_output=True)
    return float(brentq(lambda t: flight.sol(t)[1], 0.0, within, xtol=1e-12))


def test_the_reference_period_is_that_of_the_closed_solution() -> None:
    energy2, momentum2 = 1e-4 + 2.0, 1e-4 + 4.0  # 2 T and L^2 of the initial rate (0.01, 1, 0)
    a, b = momentum2 - energy2, 3.0 * energy2 - momentum2
    m = a / b  # with L^2 < 2 T I2 the body turns about axis 1: see Landau and Lifshitz, Mechanics, section 37
    tau = math.sqrt((2.0 - 1.0) * b / 6.0)
    assert m == pytest.approx(0.999900010, abs=5e-10)
    assert 4.0 * ellipk(m) / tau == pytest.approx(PERIOD, abs=5e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("dt", "tolerance"), [(FINE, 1e-9), (DEFAULT, 1e-6)], ids=["fine", "default"])
def test_a_tumbling_body_keeps_energy_and_momentum_and_its_period(engine: str, dt: float, tolerance: float) -> None:
    world = make_world(dt=dt, engine=engine)
    give_body(world, mass=1.0, inertia=INERTIA)
    place_at(world, attitude=random_quaternions(np.random.default_rng(1), 1), rate=[0.01, 1.0, 0.0])
    energy, momentum = rotational_energy(world)[0], angular_momentum(world)[0]
    worst, rates, idle = np.zeros(2), [world.rate_b[0].copy()], np.zeros((1, 6))
    for k in range(NUM_100_PERIODS + 60):
        world.step(idle)
        rates.append(world.rate_b[0].copy())
        if k % 20 == 0:
            gap = np.linalg.norm(angular_momentum(world)[0] - momentum) / np.linalg.norm(momentum)
            worst = np.maximum(worst, [abs(rotational_energy(world)[0] / energy - 1.0), gap])
    times = CONTROL_PERIOD * np.arange(len(rates))
    assert worst.max() < tolerance  # measured: 1.4e-10 and 5.0e-10 fine, 1.0e-7 and 1.1e-7 by default
    second = np.array(rates)[:, 1]
    turns = np.flatnonzero(np.diff(np.sign(second)))
    first = times[turns[0]] + sign_change(rates[turns[0]], CONTROL_PERIOD)
    assert first == pytest.approx(10.3773, abs=5e-5)  # as many digits as the reference has
    assert first == pytest.approx(PERIOD / 4.0, rel=tolerance)
    # Two sign changes a period: number 200 comes 100 periods after the first.
    last = times[turns[200]] + sign_change(rates[turns[200]], CONTROL_PERIOD)
    assert (last - first) / 100.0 == pytest.approx(PERIOD, rel=10.0 * tolerance)
    tau, m = 4.0 * ellipk(0.99990001) / PERIOD, 0.99990001
    _, cn, dn, _ = ellipj(tau * times[: turns[1]], m)
    # The closed solution over the first half turn; its steepest slope of 0.6 turns the period's error into an angle.
    np.testing.assert_allclose(second[: turns[1]], cn / dn, atol=max(20.0 * tolerance, 2e-8))


@pytest.mark.parametrize("engine", ENGINES)
def test_spin_is_stable_about_the_axes_of_least_and_greatest_inertia_and_not_about_the_middle(engine: str) -> None:
    world = make_world(num=3, dt=DEFAULT, engine=engine)
    give_body(world, mass=1.0, inertia=INERTIA)
    place_at(world, rate=np.eye(3) + 1e-4 * (1.0 - np.eye(3)))
    furthest = np.zeros(3)
    for _ in range(NUM_100_PERIODS // 10):
        coast(world, 10)
        furthest = np.maximum(furthest, np.abs(world.rate_b * (1.0 - np.eye(3))).max(axis=1))
    # The ratio of the two small amplitudes is sqrt((I3 - I1) I3 / ((I2 - I1) I2)) = 1.7 at most for these inertias.
    assert furthest[0] < 1e-4 * (1.0 + math.sqrt(3.0))
    assert furthest[2] < 1e-4 * (1.0 + math.sqrt(3.0))
    assert furthest[1] > 0.5


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wheel_that_spins_down_gives_its_momentum_to_the_body(engine: str) -> None:
    # Philae at its first touchdown: one turn per 8.5 minutes, then one per 13 s when the flywheel had stopped.
    inertia, before, after = 18.5, 2.0 * math.pi / 510.0, 2.0 * math.pi / 13.0
    stored, num = inertia * (after - before), 600  # 120 s of braking
    world = make_world(engine=engine)
    give_body(world, mass=98.0, inertia=[17.0, 16.0, inertia])
    place_at(world, rate=[0.0, 0.0, before])
    world.state[:, p.WHEEL + 2] = stored
    world.state[:, p.WHEEL_TORQUE + 2] = -stored / (num * CONTROL_PERIOD)
    total = angular_momentum(world)[0]
    coast(world, num // 2)
    assert world.rate_b[0, 2] == pytest.approx(0.5 * (before + after), rel=1e-12)
    coast(world, num // 2)
    world.state[:, p.WHEEL_TORQUE + 2] = 0.0
    coast(world, 50)
    # 2400 steps of rounding 1e-16 each, at most 2.4e-13.
    assert world.rate_b[0, 2] - before == pytest.approx(stored / inertia, rel=1e-12)
    assert abs(world.state[0, p.WHEEL + 2]) < 1e-12 * stored
    np.testing.assert_allclose(angular_momentum(world)[0], total, atol=1e-12 * float(np.linalg.norm(total)))
    np.testing.assert_array_equal(world.rate_b[0, :2], 0.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_total_angular_momentum_is_constant_while_wheels_turn_a_tumbling_body(engine: str) -> None:
    worst = []
    for dt in (FINE, 0.5 * FINE):
        rng = np.random.default_rng(3)
        world = make_world(num=4, dt=dt, engine=engine)
        skew = 0.2 * np.array([[0.0, 1.0, -2.0], [1.0, 0.0, 0.5], [-2.0, 0.5, 0.0]])
        give_body(world, mass=9.0, inertia=np.diag([1.0, 2.0, 2.5]) + skew, com=[0.03, -0.02, 0.05])
        place_at(world, attitude=random_quaternions(rng, 4), rate=rng.normal(0.0, 0.3, (4, 3)))
        world.state[:, p.WHEEL : p.WHEEL + 3] = rng.normal(0.0, 0.3, (4, 3))
        total, alone = angular_momentum(world), angular_momentum(world, wheel=False)
        worst.append(0.0)
        for _ in range(50):
            world.state[:, p.WHEEL_TORQUE : p.WHEEL_TORQUE + 3] = rng.normal(0.0, 0.03, (4, 3))
            coast(world, 10)
            gap = np.linalg.norm(angular_momentum(world) - total, axis=1) / np.linalg.norm(total, axis=1)
            worst[-1] = max(worst[-1], gap.max())
        assert (np.linalg.norm(angular_momentum(world, wheel=False) - alone, axis=1) > 0.2).all()
    assert worst[0] / worst[1] == pytest.approx(16.0, rel=0.1)  # what is left is the scheme's: fourth order
    assert worst[1] < 1e-9  # over 100 s at rates up to 1.3 rad/s; measured 2.0e-10
