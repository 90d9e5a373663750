# SPDX-License-Identifier: Apache-2.0
"""Exact cases of flight: orbits, the spinning frame, bounces and hops, all through `stope.world.coasting`."""

from __future__ import annotations

import math

import numpy as np

from stope.world.body import load_body
from stope.world.bouncing import bounce, rebound
from stope.world.coasting import Surroundings, coast, surroundings
from stope.world.gravity import PointMassField, UniformField
from stope.world.surface import FlatSurface
from stope.world.validation.check import Check

__all__ = ["bounces", "clohessy_wiltshire", "hop", "spinning_frame", "synchronous", "two_bodies"]

MICRO = 9.81e-6
"""A millionth of g as the reference numbers take it [m/s2]."""


def _point(gm: float, spin_rate: float = 0.0) -> Surroundings:
    return Surroundings(field=PointMassField(gm=gm), surface=None, spin_rate=spin_rate)


def _plane(gravity_level: float) -> Surroundings:
    return Surroundings(field=UniformField(gravity_level=gravity_level), surface=FlatSurface(), spin_rate=0.0)


def two_bodies() -> list[Check]:
    """Number 4: Kepler's period, and the energy over 100 orbits of eccentricity 0.3."""
    gm, radius = 4.892, 1000.0
    period = 2.0 * math.pi * math.sqrt(radius**3 / gm)
    start = np.array([radius, 0.0, 0.0])
    arc = coast(_point(gm), start, [0.0, math.sqrt(gm / radius), 0.0], time_limit=period, tolerance=1e-13)
    near = 0.7 * radius
    fast = math.sqrt(gm / radius * 1.3 / 0.7)
    where = _point(gm)
    long = coast(where, [near, 0.0, 0.0], [0.0, fast, 0.0], time_limit=100.0 * period, tolerance=1e-13)
    energy = where.jacobi(long.positions_a, long.velocities_a)
    drift = float(np.abs(energy / energy[0] - 1.0).max())
    angle = math.atan2(arc.position_a[1], arc.position_a[0])
    return [
        Check(
            "period at 1 km from Bennu's mass",
            "s",
            exact=8.983e4,
            simulated=period * (1.0 - angle / (2.0 * math.pi)),
            tolerance=5.0,
        ),
        Check(
            "return after one period, distance missed",
            "m",
            exact=0.0,
            simulated=float(np.linalg.norm(arc.position_a - start)),
            tolerance=1e-7,
        ),
        Check("drift of energy in 100 orbits", "1", exact=0.0, simulated=drift, tolerance=1e-10),
    ]


def spinning_frame() -> list[Check]:
    """Number 7: a particle at rest among the stars, the Jacobi integral, both frames."""
    spin, position = 4e-4, np.array([3000.0, 400.0, 100.0])
    arc = coast(
        _point(0.0, spin), position, -np.cross([0.0, 0.0, spin], position), time_limit=20_000.0, tolerance=1e-12
    )
    angle = -spin * arc.duration
    c, s = math.cos(angle), math.sin(angle)
    exact = np.array([c * position[0] - s * position[1], s * position[0] + c * position[1], position[2]])
    checks = [Check("at rest among the stars, distance missed", "m", exact=0.0,
                    simulated=float(np.linalg.norm(arc.position_a - exact)), tolerance=3e-7)]  # fmt: skip
    for name, ratio in (("eros", 1.5), ("bennu", 1.6)):
        body = load_body(name)
        radius = ratio * surroundings(body).reach
        start, speed = np.array([radius, 0.0, 0.0]), 1.1 * math.sqrt(body.gm / radius)
        velocity = speed * np.array([0.0, math.cos(1.0), math.sin(1.0)]) - np.cross([0.0, 0.0, body.spin_rate], start)
        spins = 2.0 * math.pi / body.spin_rate
        where = surroundings(body)
        long = coast(body, start, velocity, time_limit=10.0 * spins, tolerance=1e-12)
        jacobi = where.jacobi(long.positions_a[::160], long.velocities_a[::160])
        other = coast(body, start, velocity, time_limit=2.0 * spins, tolerance=1e-11, frame="i")
        same = coast(body, start, velocity, time_limit=2.0 * spins, tolerance=1e-11)
        apart = float(np.linalg.norm(other.position_a - same.position_a)) / radius
        checks += [
            Check(f"{name}: drift of the Jacobi integral in 10 spins", "1", exact=0.0,
                  simulated=float(np.abs(jacobi / jacobi[0] - 1.0).max()), tolerance=1e-9),
            Check(f"{name}: difference of the frames over the radius", "1", exact=0.0, simulated=apart, tolerance=1e-7),
        ]  # fmt: skip
    return checks


def synchronous() -> list[Check]:
    """Number 8: at the synchronous radius a point mass lets a particle hover."""
    checks = []
    for name, exact, tolerance in (("bennu", 309.5, 0.05), ("ryugu", 831.0, 0.5), ("eros", 15970.0, 5.0)):
        body = load_body(name)
        still = np.array([body.synchronous_radius, 0.0, 0.0])
        arc = coast(_point(body.gm, body.spin_rate), still, np.zeros(3), time_limit=2.0 * math.pi / body.spin_rate)
        moved = float(np.linalg.norm(arc.position_a - still)) / exact
        checks += [
            Check(
                f"{name}: synchronous radius", "m", exact=exact, simulated=body.synchronous_radius, tolerance=tolerance
            ),
            Check(f"{name}: drift in one spin over the radius", "1", exact=0.0, simulated=moved, tolerance=1e-6),
        ]
    return checks


def bounces() -> list[Check]:
    """Number 9: bouncing at a millionth of g."""
    checks = []
    for e, apex, first, total in ((0.3, 45.872, 6116.2, 8737.4), (0.5, 127.421, 10193.7, 20387.4)):
        run = bounce(_plane(MICRO), np.zeros(3), [0.0, 0.0, -0.1], restitution=e, friction=0.5, time_limit=1e6)
        checks += [
            Check(
                f"restitution {e}: first apex", "m", exact=apex, simulated=float(run.apex_heights[0]), tolerance=6e-4
            ),
            Check(f"restitution {e}: first flight", "s", exact=first, simulated=run.arcs[0].duration, tolerance=0.06),
            Check(f"restitution {e}: until rest", "s", exact=total, simulated=run.total_time, tolerance=0.06),
        ]
    return checks


def clohessy_wiltshire() -> list[Check]:
    """Number 10: relative motion after one orbit, to first order in the offset."""
    gm, radius, offset = 4.892, 1000.0, 1e-3
    rate = math.sqrt(gm / radius**3)

    def after(x0: float) -> tuple[float, float]:
        arc = coast(
            _point(gm),
            [radius + x0, 0.0, 0.0],
            [0.0, rate * (radius + x0), 0.0],
            time_limit=2.0 * math.pi / rate,
            tolerance=1e-13,
        )
        x, y = float(arc.position_a[0]), float(arc.position_a[1])
        return (math.hypot(x, y) - radius) / x0, radius * math.atan2(y, x) / x0

    out, along = after(offset)
    far, near = (after(x)[1] / (-12.0 * math.pi) - 1.0 for x in (10.0, 5.0))
    return [
        Check(
            "drift along the orbit for 10 m, first order", "m", exact=-376.99, simulated=10.0 * along, tolerance=0.04
        ),
        Check("offset after one orbit for 10 m, first order", "m", exact=10.0, simulated=10.0 * out, tolerance=0.01),
        Check("second order: its halving with the offset", "1", exact=2.0, simulated=far / near, tolerance=0.1),
    ]


def hop() -> list[Check]:
    """Number 12: range of a hop, and what friction lets it have."""
    checks, gravity, speed = [], 1e-5, 0.05
    for degrees in (20.0, 45.0, 70.0):
        angle = math.radians(degrees)
        arc = coast(
            _plane(gravity), np.zeros(3), speed * np.array([math.cos(angle), 0.0, math.sin(angle)]), time_limit=1e6
        )
        exact = speed**2 * math.sin(2.0 * angle) / gravity
        checks.append(Check(f"range at {degrees:.0f} deg", "m", exact=exact, simulated=float(arc.position_a[0]),
                            tolerance=1e-9 * exact))  # fmt: skip
    for friction in (0.3, 0.8):
        slip = np.array([10.0, 0.0, -0.02])
        gained = rebound(slip, np.array([0.0, 0.0, 1.0]), restitution=0.0, friction=friction) - slip
        flattest = math.degrees(math.atan2(gained[2], -gained[0]))
        checks.append(
            Check(
                f"flattest push-off at friction {friction}",
                "deg",
                exact=90.0 - math.degrees(math.atan(friction)),
                simulated=flattest,
                tolerance=1e-9,
            )
        )
    return checks
