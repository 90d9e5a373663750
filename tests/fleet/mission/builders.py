# SPDX-License-Identifier: Apache-2.0
"""Small months, and records of skills whose numbers are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stope.fleet.mission.bank import COLUMNS, Bank, Tables
from stope.fleet.mission.kernels.columns import SKILLS
from stope.fleet.mission.scenario import MonthScenario, load_month, with_changes

NUMBERS = {
    "anchor": (0.9, 120.0, 2400.0, 0.0), "dig": (0.95, 150.0, 15000.0, 5.8), "dock": (0.97, 60.0, 1500.0, 0.0),
    "haul": (0.95, 90.0, 3000.0, 0.0), "hop": (0.98, 6800.0, 1000.0, 0.0), "capture": (0.99, 45.0, 1500.0, 0.0),
}  # fmt: skip
"""Success, duration [s], energy [J], mass [kg]."""


def tables(*, spread: float = 0.2, n: int = 60, **changes: tuple[float, float, float, float]) -> Tables:
    """Records with lognormal durations; with spread 0 they are all alike, and succeed unless the success is under 1."""
    parts = []
    for i, name in enumerate(SKILLS):
        success, duration, energy, mass = (NUMBERS | changes)[name]
        rng = np.random.default_rng(i)
        factor = np.exp(spread * rng.standard_normal(n))
        parts.append(np.stack([(np.arange(n) < round(success * n)).astype(float), duration * factor, energy * factor,
                               1000.0 * mass * np.ones(n), np.zeros(n)], axis=1))  # fmt: skip
    return Tables.join(parts)


def bank(**changes: Mapping[str, Any]) -> Bank:
    """A bank of made-up rows, each skill told the prior, `dock` a sharp belief too."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for skill in SKILLS:
        for told in ("prior", "sharp") if skill == "dock" else ("prior",):
            success, duration, energy, mass = NUMBERS[skill]
            n = 40
            rng = np.random.default_rng(len(skill))
            row = {"skill": skill, "told": told, "robot": "r", "site": "s", "gravity": 1.1e-4, "payload": 0.0,
                   "cohesion": 1.0, "duration": duration * np.exp(0.2 * rng.standard_normal(n)), "energy": energy,
                   "outcome": (np.arange(n) < round(success * n)).astype(int), "mass": mass, "peak_force": 1.0,
                   "propellant": 0.0, "pilot": "script", "physics": "p", "seed": 1, "world": np.arange(n)}  # fmt: skip
            for name in COLUMNS:
                columns[name] += np.broadcast_to(row[name], n).tolist()
    types = {str: np.str_, float: np.float64, int: np.int64}
    return Bank({n: np.array(v, dtype=types[COLUMNS[n][0]]) for n, v in columns.items()}, dict(changes))


def month(*settings: str, robots: int = 50, days: float = 2.0) -> MonthScenario:
    """The shipped month, small and short."""
    return with_changes(load_month("ryugu-month"), [f"robots={robots}", f"days={days}", *settings])
