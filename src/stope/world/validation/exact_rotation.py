# SPDX-License-Identifier: Apache-2.0
"""Exact cases of rigid bodies: free rotation, a wheel, an arm on a free base, and changes of frame and origin."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq

from stope.base.rotation import from_matrix, multiply, normalise, random_quaternions, rotate, to_matrix
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD, World
from stope.world.gravity import GravityGrid
from stope.world.robots import load_robot
from stope.world.scene import SceneConfig
from stope.world.validation.check import Check

__all__ = ["arm", "flywheel", "invariance", "tumbling_body"]

Floats = NDArray[np.float64]

INERTIA = np.array([1.0, 2.0, 3.0])
PERIOD = 41.50921953
"""4 K(m) / tau of the torque-free body below, m = 0.999900010 (physics notes, section 7) [s]."""
NUM_PERIODS = 3
STEP = 0.0125
"""Physics step [s] of the fine runs."""


def _grid(gravity: Floats, gradient: Floats, centre: Floats) -> GravityGrid:
    """A field that is linear in space, which the grid gives back exactly."""
    axis = np.array([-50.0, 50.0])
    points = centre + np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    nodes = gravity + (points - centre) @ gradient.T
    return GravityGrid(centre - 50.0, np.full(3, 100.0), nodes, 0.0, 0.0)


@dataclass(frozen=True)
class _Somewhere:
    """What a world reads of a site."""

    grid: GravityGrid = field(default_factory=lambda: _grid(np.zeros(3), np.zeros((3, 3)), np.zeros(3)))
    spin_l: Floats = field(default_factory=lambda: np.zeros(3))
    position_l0: Floats = field(default_factory=lambda: np.zeros(3))
    jitter_rms: float = 0.0
    has_air: bool = True
    name: str = "by-hand"


def _world(place: _Somewhere, theta: Floats | None, *, engine: str, num: int = 1, dt: float = STEP) -> World:
    robot = load_robot("bee-gas")
    theta = robot.prior.theta(np.zeros((num, len(robot.prior.centre)))) if theta is None else theta
    sites: Any = place
    return World(robot, sites, theta, seed=0, scene=SceneConfig(physics_step=dt), engine=engine)  # type: ignore[arg-type]


def _body(world: World, *, mass: float, inertia: Floats) -> None:
    """Give a world one rigid body without drag and residual, principal axes along b."""
    rows = world.plant.copy()
    rows[:, p.MASS], rows[:, p.COM : p.COM + 3] = mass, 0.0
    rows[:, p.INERTIA : p.INERTIA + 6] = [*inertia, 0.0, 0.0, 0.0]
    rows[:, p.INVERSE : p.INVERSE + 6] = [*(1.0 / inertia), 0.0, 0.0, 0.0]
    rows[:, p.DRAG], rows[:, p.RESIDUAL : p.RESIDUAL + 3] = 0.0, 0.0
    world.set_plant(rows, np.arange(world.num_worlds))


def _sign_change(rate: Floats) -> float:
    def euler(_: float, w: Floats) -> Floats:
        return np.cross(INERTIA * w, w) / INERTIA

    flight = solve_ivp(euler, (0.0, CONTROL_PERIOD), rate, method="DOP853", rtol=1e-13, atol=1e-15, dense_output=True)
    return float(brentq(lambda t: flight.sol(t)[1], 0.0, CONTROL_PERIOD, xtol=1e-12))


def tumbling_body() -> list[Check]:
    """Number 1: the torque-free body, in both engines."""
    checks: list[Check] = []
    for engine in ("fused", "mujoco"):
        world = _world(_Somewhere(), None, engine=engine)
        _body(world, mass=1.0, inertia=INERTIA)
        world.rate_b[:], world.q_lb[:] = [0.01, 1.0, 0.0], random_quaternions(np.random.default_rng(1), 1)
        world.push_state()
        rates, idle = [world.rate_b[0].copy()], np.zeros((1, 6))
        first = rotate(world.q_lb[0], INERTIA * world.rate_b[0])
        drift, energy = 0.0, float(INERTIA @ world.rate_b[0] ** 2)
        for _ in range(math.ceil((NUM_PERIODS + 0.5) * PERIOD / CONTROL_PERIOD)):
            world.step(idle)
            rates.append(world.rate_b[0].copy())
            now = rotate(world.q_lb[0], INERTIA * world.rate_b[0])
            drift = max(drift, float(np.linalg.norm(now - first) / np.linalg.norm(first)),
                        abs(float(INERTIA @ rates[-1] ** 2) / energy - 1.0))  # fmt: skip
        turns = np.flatnonzero(np.diff(np.sign(np.array(rates)[:, 1])))
        times = [CONTROL_PERIOD * k + _sign_change(rates[k]) for k in (turns[0], turns[2 * NUM_PERIODS])]
        checks += [
            Check(f"{engine}: first sign change", "s", exact=10.3773, simulated=times[0], tolerance=5e-5),
            Check(
                f"{engine}: period", "s", exact=PERIOD, simulated=(times[1] - times[0]) / NUM_PERIODS, tolerance=1e-6
            ),
            Check(
                f"{engine}: drift of energy and momentum in {NUM_PERIODS} periods",
                "1",
                exact=0.0,
                simulated=drift,
                tolerance=1e-9,
            ),
        ]
    return checks


def flywheel() -> list[Check]:
    """Number 2: a wheel that spins down gives its momentum to the body."""
    inertia, before, after, num = 18.5, 2.0 * math.pi / 510.0, 2.0 * math.pi / 13.0, 600
    stored = inertia * (after - before)
    world = _world(_Somewhere(), None, engine="fused", dt=0.05)
    _body(world, mass=98.0, inertia=np.array([17.0, 16.0, inertia]))
    world.rate_b[:] = [0.0, 0.0, before]
    world.push_state()
    world.state[:, p.WHEEL + 2] = stored
    world.state[:, p.WHEEL_TORQUE + 2] = -stored / (num * CONTROL_PERIOD)
    for _ in range(num):
        world.step(np.zeros((1, 6)))
    jump = float(world.rate_b[0, 2]) - before
    return [Check("jump of the rate, h / I", "rad/s", exact=stored / inertia, simulated=jump, tolerance=1e-12)]


ARM = """
<mujoco><option gravity="0 0 0" timestep="0.002" integrator="RK4"><flag contact="disable"/></option><worldbody>
<body name="base"><freejoint/><geom type="box" size=".2 .2 .2" mass="10"/>
<body pos=".2 0 0"><joint name="one" axis="0 0 1"/><geom type="capsule" fromto="0 0 0 .5 0 0" size=".03" mass="2"/>
<body pos=".5 0 0"><joint name="two" axis="0 0 1"/><geom type="capsule" fromto="0 0 0 .5 0 0" size=".03" mass="1.5"/>
</body></body></body></worldbody><actuator><motor joint="one"/><motor joint="two"/></actuator></mujoco>
"""
"""A base of 10 kg and two links of 0.5 m (chosen)."""
LOOP = 6.0
"""Duration of the joint path [s] (chosen)."""


def _wanted(time: float) -> tuple[Floats, Floats]:
    """Joint angles and rates on a closed path, at rest at both ends."""
    x = min(time / LOOP, 1.0)
    s, ds = x**3 * (10.0 - 15.0 * x + 6.0 * x * x), 30.0 * x**2 * (1.0 - x) ** 2 / LOOP
    a = 2.0 * math.pi * s
    angles = np.array([0.9 * (1.0 - math.cos(a)), 1.2 * math.sin(a)])
    return angles, 2.0 * math.pi * ds * np.array([0.9 * math.sin(a), 1.2 * math.cos(a)])


def _turn_rate(model: mujoco.MjModel, data: mujoco.MjData, joints: Floats, rates: Floats) -> float:
    """Rate of the base [rad/s] at which nothing has momentum: the generalised Jacobian's."""
    data.qpos[:7], data.qpos[7:] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], joints
    mujoco.mj_forward(model, data)
    mass = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass)
    return float(np.linalg.solve(mass[:6, :6], -mass[:6, 6:] @ rates)[5])


def arm() -> list[Check]:
    """Number 11: an arm that goes round a closed path of its joints turns its free base, and moves nothing else."""
    model = mujoco.MjModel.from_xml_string(ARM)
    data = mujoco.MjData(model)
    angles, rates, worst = [data.qpos[7:].copy()], [data.qvel[6:].copy()], np.zeros(2)
    turned, before = 0.0, 0.0
    num = round((LOOP + 2.0) / model.opt.timestep)
    for _ in range(num):
        goal, speed = _wanted(data.time)
        data.ctrl[:] = 60.0 * (goal - data.qpos[7:]) + 20.0 * (speed - data.qvel[6:])
        mujoco.mj_forward(model, data)
        mujoco.mj_RungeKutta(model, data, 4)
        angles.append(data.qpos[7:].copy())
        rates.append(data.qvel[6:].copy())
        now = 2.0 * math.atan2(data.qpos[6], data.qpos[3])
        turned += math.remainder(now - before, 2.0 * math.pi)
        before = now
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_subtreeVel(model, data)
        worst = np.maximum(worst, [np.abs(data.subtree_linvel[0]).max() * model.body_subtreemass[0],
                                   np.abs(data.subtree_angmom[0]).max()])  # fmt: skip
    times = model.opt.timestep * np.arange(num + 1)
    path = CubicHermiteSpline(times, np.array(angles), np.array(rates))
    speed, other = path.derivative(), mujoco.MjData(model)
    nodes = np.linspace(0.0, times[-1], 2001)
    along = [_turn_rate(model, other, path(t), speed(t)) for t in nodes]
    h = nodes[1] - nodes[0]
    predicted = h / 3.0 * (along[0] + along[-1] + 4.0 * sum(along[1:-1:2]) + 2.0 * sum(along[2:-1:2]))
    return [
        Check("linear momentum at most", "N s", exact=0.0, simulated=float(worst[0]), tolerance=1e-8),
        Check("angular momentum at most", "N m s", exact=0.0, simulated=float(worst[1]), tolerance=1e-8),
        Check(
            "joints back at their start", "rad", exact=0.0, simulated=float(np.abs(angles[-1]).max()), tolerance=1e-3
        ),
        Check("turn of the base", "rad", exact=float(predicted), simulated=turned, tolerance=1e-6),
    ]


def invariance() -> list[Check]:
    """Number 16: turning the scene, or counting from an origin 1e6 m away, changes nothing."""
    num, rng = 4, np.random.default_rng(1)
    robot = load_robot("bee-gas")
    theta = robot.prior.theta(rng.standard_normal((num, len(robot.prior.centre))))
    turn, shift = to_matrix(random_quaternions(rng, 1)[0]), np.array([1.0e6, -1.0e6, 1.0e6])
    pull, spin, centre = (
        np.array([2e-4, -1e-4, -1.3e-4]),
        np.array([1e-3, -2e-3, 3e-3]),
        np.array([300.0, -200.0, 250.0]),
    )
    gradient, zero = np.array([[-2e-6, 1e-6, 0.0], [1e-6, -3e-6, 5e-7], [0.0, 5e-7, 5e-6]]), np.zeros(3)
    turned_theta = theta.copy()
    turned_theta[:, -3:] = theta[:, -3:] @ turn.T  # the residual acceleration has components in l
    places = (
        _Somewhere(grid=_grid(pull, gradient, zero), spin_l=spin, position_l0=centre),
        _Somewhere(
            grid=_grid(turn @ pull, turn @ gradient @ turn.T, zero), spin_l=turn @ spin, position_l0=turn @ centre
        ),
        _Somewhere(grid=_grid(pull, gradient, shift), spin_l=spin, position_l0=centre - shift),
    )
    position, attitude = rng.uniform(-3.0, 3.0, (num, 3)), random_quaternions(rng, num)
    velocity, rate = rng.normal(0.0, 0.05, (num, 3)), rng.normal(0.0, 0.1, (num, 3))
    actions, ends = rng.uniform(-1.0, 1.0, (100, num, 6)), []
    for k, place in enumerate(places):
        world = _world(place, turned_theta if k == 1 else theta, engine="fused", dt=0.05)
        r = turn if k == 1 else np.eye(3)
        world.position_l[:] = position @ r.T + (shift if k == 2 else 0.0)
        world.velocity_l[:], world.rate_b[:] = velocity @ r.T, rate
        world.q_lb[:] = normalise(multiply(from_matrix(r), attitude))
        world.push_state()
        for action in actions:
            world.step(action)
        ends.append(world.position_l.copy())
    return [
        Check("turned scene, difference", "m", exact=0.0, simulated=float(np.abs(ends[1] @ turn - ends[0]).max()),
              tolerance=1e-6),
        Check("shifted origin, difference", "m", exact=0.0, simulated=float(np.abs(ends[2] - shift - ends[0]).max()),
              tolerance=1e-6),
    ]  # fmt: skip
