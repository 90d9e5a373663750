# SPDX-License-Identifier: Apache-2.0
"""What the package holds: bodies, robots, places, limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tabled.markdown import number, sources, table

from stope.base.units import HOUR
from stope.learn.envelope_limits import LIMITS
from stope.world.body import Body, body_names, load_body
from stope.world.gravities import GRAVITIES
from stope.world.physics import PARAMETERS
from stope.world.platforms import PLATFORMS
from stope.world.robots import Robot, load_robot, robot_names


def bodies() -> str:
    """The places that come with the package."""
    shipped = [load_body(name) for name in body_names()]
    rows = (
        [f"`{b.name}`", b.kind, "yes" if b.has_air else "no", number(b.mean_radius), spin_period(b),
         number(b.gm), number(b.gravity_level), b.summary]
        for b in shipped
    )  # fmt: skip
    return table(
        ["name", "kind", "air", "mean radius [m]", "spin [h]", "gm [m3/s2]", "gravity [m/s2]", "what"], rows
    ) + sources((b.name, b.sources) for b in shipped)


def spin_period(body: Body) -> str:
    """Spin period [h], or nothing for a place that does not spin."""
    return number(2.0 * np.pi / body.spin_rate / HOUR) if body.spin_rate else ""


def robots() -> str:
    """The robots that come with the package."""
    shipped = [load_robot(name) for name in robot_names()]
    return table(
        ["name", "needs air", "mass [kg]", "force [N]", "torque [N m]", "propellant [kg]", "what"],
        ([f"`{r.name}`", "yes" if r.needs_air else "no", number(r.mass), limits(r, 0), limits(r, 3),
          number(r.propellant_capacity), r.summary] for r in shipped),
    ) + sources((r.name, r.sources) for r in shipped)  # fmt: skip


def limits(robot: Robot, first: int) -> str:
    """Limits along x, y, z from an entry on."""
    return ", ".join(f"{value:.3g}" for value in robot.limit_b[first : first + 3])


def physics() -> str:
    """The uncertain quantities of a world."""
    return table(
        ["name", "unit", "law", "bounds", "what"],
        ([f"`{q.name}`", q.unit, q.transform, f"{q.low:g} to {q.high:g}", q.text] for q in PARAMETERS),
    )


def envelope() -> str:
    """How far each task may be flown before the safety envelope takes over."""
    heads = {"keep_in": "keep-in [m]", "speed": "speed [m/s]", "rate": "rate [deg/s]", "braking": "braking [m/s2]",
             "impulse": "impulse [N s]", "energy": "energy [J]", "load": "anchor load [1]",
             "stale": "stale [s]"}  # fmt: skip
    rows: list[list[object]] = []
    for name, row in LIMITS.items():
        values = {key: getattr(row, key) for key in heads}
        values["rate"] = float(np.degrees(values["rate"]))
        rows.append([f"`{name}`", *("" if np.isinf(v) else f"{v:.4g}" for v in values.values())])
    return table(["task", *heads.values()], rows)


def gravities() -> str:
    """In what gravities a task with contact can be practised."""
    rows = ([f"`{g.name}`", g.summary, f"{g.level:g}", f"{g.felt:.3g}", f"{g.arms:g}"] for g in GRAVITIES.values())
    return table(["`body`", "what", "the soil feels [m/s2]", "the robot feels [m/s2]",
                  "digger's arms over its own"], rows)  # fmt: skip


def platforms() -> str:
    """Where a free flight can be practised."""
    rows = ([p.name, p.summary, "" if p.planar_share is None else f"{p.planar_share:g}",
             "the robot's own" if p.residual is None else ", ".join(f"{1000 * x:g}" for x in p.residual),
             f"{p.mass_factor:g}"] for p in PLATFORMS.values())  # fmt: skip
    return table(["name", "what", "share on a table", "residual x, y, z [mm/s2], one standard deviation",
                  "mass over the robot's"], rows)  # fmt: skip


TABLES: dict[str, Callable[[], str]] = {
    "bodies": bodies,
    "robots": robots,
    "physics": physics,
    "envelope": envelope,
    "gravities": gravities,
    "platforms": platforms,
}
