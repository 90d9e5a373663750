# SPDX-License-Identifier: Apache-2.0
"""Digging worlds and a scripted pilot for the tests of the proving ground's digger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from proving_ground.dig_fleet import DigFleet
from proving_ground.dig_serve import DigJudge
from proving_ground.dig_world import DigWorld, dig_world, load_dig_scenario

SCENARIO = load_dig_scenario()
PERIOD = SCENARIO.control_period
TAMED: dict[str, Any] = {"packet_loss": 0.0}


def soil(tier: str = "T1", index: int = 1, **changes: Any) -> DigWorld:
    """A world of medium soil and equal anchors; changes name numbers of its truth or its effects."""
    world = dig_world(SCENARIO, tier, index)
    truth: dict[str, Any] = {
        "cohesion": 1.0, "bulk_density": 1000.0, "friction_angle": np.radians(30.0), "anchor_scatter": np.ones(4),
    }  # fmt: skip
    effects = dict(TAMED)
    for name, value in changes.items():
        (truth if hasattr(world.truth, name) else effects)[name] = value
    return replace(world, truth=replace(world.truth, **truth), effects=replace(world.effects, **effects))


def fleet(
    *worlds: DigWorld, episodes: list[int] | None = None, seconds: float = 400.0, stones: bool = False
) -> DigFleet:
    """Diggers in worlds, without stones unless asked for."""
    made = DigFleet(SCENARIO, worlds, episodes=episodes or [1000] * len(worlds), num_rows=round(seconds / PERIOD))
    if not stones:
        made.stones[:] = 0.0
    return made


def script(seen: np.ndarray, rate: float) -> np.ndarray:
    """Commands of a pilot that lowers while anchors, arms and stones do not complain, and stops a drum that is full."""
    felt, full = seen[:, 16:20].max(axis=1)[:, None], seen[:, 14:16] > 0.95
    lower = np.where(felt < 0.25, 0.2, np.where(felt < 0.45, 0.05, -0.2)) * (np.abs(seen[:, 12:14]) < 6.0)
    lower = np.where(np.tanh(seen[:, 20:22]) > 0.8, -0.3, np.where(full, -0.5, lower))
    return np.concatenate([0.01 * lower, np.where(full, 0.0, rate) * np.array([1.0, -1.0])], axis=1)


def fly(made: DigFleet, rate: float, seconds: float = 400.0) -> list[dict[str, Any]]:
    """Outcomes of the script at a drum rate."""
    judge = DigJudge(made, seconds)
    for k in range(round(seconds / PERIOD)):
        made.advance(script(made.seen, rate))
        judge.look((k + 1) * PERIOD)
    return judge.outcomes()
