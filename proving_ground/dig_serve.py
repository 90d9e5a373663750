# SPDX-License-Identifier: Apache-2.0
"""Fly the dig task for a pilot in another process: JSON lines out, JSON lines in.

The protocol `stope-pilot-1` of `serve`, with

1. out: `{"format": "stope-pilot-1", "task": "dig", "num": n, "steps": S, "control_period_s": 0.2, "worlds": [...]}`;
2. then S times out: `{"step": k, "measured": [[...22], ...]}`: up in b x, y, z [1]; velocity in b x, y, z [m/s]; then
   pairs of front, rear: position of the arms [m] (0.05 at the start, -0.30 the lowest), drum rates [rad/s], torques of
   the drums' motors [N m], forces of the arms' motors [N], fill [share of capacity]; then the load of the four anchors
   over their strength (two front, two rear) [1]; hardest blow of a stone since the last row, front, rear [N]; a lost
   reading repeats the last one;
   and in: `{"command": [[...4], ...]}`: speed of lowering of the arms front, rear [m/s], down positive, at most 0.01 in
   size; drum rates front, rear [rad/s], at most 0.5 in size. The front drum cuts with a positive rate, the rear drum
   with a negative one, so that they oppose. A set point never runs more than 2 cm ahead of its arm;
3. out: `{"outcomes": [{...}, ...]}`, judged on the true states.

The task is dig of stope's documentation, retyped: both drums at 90 % of their capacity, three anchors or more that
hold, the base moved by less than 5 cm, less than a tenth of what was dug thrown away, all at one time. An episode ends
then, or when fewer than two anchors hold or the base has moved by half a metre; its outcome is that of its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np

from proving_ground.dig_fleet import NUM_COMMAND, DigFleet
from proving_ground.dig_world import DigScenario, DigWorld
from proving_ground.serve import FORMAT, Lines, read_command, say


def serve_dig(
    scenario: DigScenario, worlds: Sequence[DigWorld], episodes: Sequence[int], seconds: float, given: Lines,
    out: TextIO,
) -> None:  # fmt: skip
    """Dig once a number of `episodes` in each world for the pilot at the other end.

    Args:
        scenario: Robot and place.
        worlds: Where.
        episodes: Numbers that pick noise and stones.
        seconds: Length of an episode [s].
        given: What the pilot says.
        out: Where it listens.

    Raises:
        ValueError: if the pilot sends what is not a command, or there is nothing to fly.
    """
    period = scenario.control_period
    steps = round(seconds / period)
    if steps < 1 or not episodes:
        raise ValueError(f"{seconds:g} s and {len(episodes)} episodes: expected {period:g} s and 1 episode or more.")
    vehicles = [w for w in worlds for _ in episodes]
    n = len(vehicles)
    fleet = DigFleet(scenario, vehicles, episodes=[k for _ in worlds for k in episodes], num_rows=steps)
    say(out, {"format": FORMAT, "task": "dig", "num": n, "steps": steps, "control_period_s": period,
               "worlds": [w.name for w in vehicles]})  # fmt: skip
    judge = DigJudge(fleet, seconds)
    for k in range(steps):
        say(out, {"step": k, "measured": np.round(fleet.seen, 9).tolist()})
        fleet.advance(read_command(given, n, NUM_COMMAND))
        judge.look((k + 1) * period)
    say(out, {"outcomes": judge.outcomes()})


class DigJudge:
    """Counts what the task counts, until each episode's end."""

    def __init__(self, fleet: DigFleet, seconds: float) -> None:
        """Begin with nothing decided."""
        n = len(fleet.worlds)
        self.fleet, self.task = fleet, fleet.scenario.task
        self.success, self.is_over, self.time = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool), np.full(n, seconds)
        self.counted = self._count()

    def _count(self) -> np.ndarray:
        """Fill front and rear [1], dug [kg], thrown share [1], slip [m], anchors that hold: (vehicles, 6)."""
        s = self.fleet.state
        thrown = s["thrown"].sum(axis=1)
        dug = s["cut"].sum(axis=1)
        share = thrown / np.maximum(dug, 1e-9)
        return np.column_stack([self.fleet.fill(), dug, share, self.fleet.slip(), s["holds"].sum(axis=1)])

    def look(self, now: float) -> None:
        """Judge the true states at the end of a period."""
        task, seen = self.task, self._count()
        self.counted = np.where(self.is_over[:, None], self.counted, seen)
        fill, share, slip, holds = seen[:, :2].min(axis=1), seen[:, 3], seen[:, 4], seen[:, 5]
        good = (fill >= task["fill"]) & (holds >= task["anchors"]) & (slip < task["slip"]) & (share < task["thrown"])
        lost = (holds < task["lost_anchors"]) | (slip > task["lost_slip"])
        new = good & ~self.is_over
        self.time = np.where(new, now, self.time)
        self.success |= new
        self.is_over |= good | lost

    def outcomes(self) -> list[dict[str, Any]]:
        """One row a vehicle."""
        return [
            {"success": bool(good), "time_s": round(float(time), 9), "fill": [float(row[0]), float(row[1])],
             "dug_kg": float(row[2]), "thrown_share": float(row[3]), "slip_m": float(row[4]),
             "anchors_held": int(row[5])}
            for good, time, row in zip(self.success, self.time, self.counted, strict=True)
        ]  # fmt: skip
