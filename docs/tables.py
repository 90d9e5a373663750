# SPDX-License-Identifier: Apache-2.0
"""Tables of the reference, written from what the code holds when the documentation is built.

A page says `<!-- table: bodies -->` where it wants one. A name that is not known stops the build.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from stope.base.units import HOUR
from stope.world.body import Body, body_names, load_body
from stope.world.physics import PARAMETERS
from stope.world.robots import Robot, load_robot, robot_names


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the tables of one page; the event of mkdocs."""
    return re.sub(r"<!-- table: (\S+) -->", lambda found: TABLES[found[1]](), markdown)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def number(value: float) -> str:
    """Four digits, or nothing for a number that a place does not have."""
    return f"{value:.4g}" if value else ""


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


def sources(all_sources: Iterable[tuple[str, Any]]) -> str:
    """Where each number comes from, one section a name."""
    parts = (
        f"\n\n## {name}\n\n" + table(["number", "source"], ([f"`{key}`", text] for key, text in given.items()))
        for name, given in all_sources
    )
    return "".join(parts)


def physics() -> str:
    """The uncertain quantities of a world."""
    return table(
        ["name", "unit", "law", "bounds", "what"],
        ([f"`{q.name}`", q.unit, q.transform, f"{q.low:g} to {q.high:g}", q.text] for q in PARAMETERS),
    )


TABLES: dict[str, Callable[[], str]] = {"bodies": bodies, "robots": robots, "physics": physics}
