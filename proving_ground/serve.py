# SPDX-License-Identifier: Apache-2.0
"""Fly the dock task for a pilot in another process: JSON lines out, JSON lines in.

The protocol `stope-pilot-1`, one JSON object a line:

1. out: `{"format": "stope-pilot-1", "task": "dock", "num": n, "steps": 300, "control_period_s": 0.2, "worlds": [...]}`;
   `worlds` names the world of each of the n vehicles, so that a pilot can tell each what is believed of its robot;
2. then `steps` times out: `{"step": k, "measured": [[...13], ...]}`, position in l [m], quaternion w, x, y, z (b to l),
   velocity in l [m/s], rate in b [rad/s]; a lost reading repeats the last one;
   and in: `{"command": [[...6], ...]}`, force [N] and torque [N m] in b;
3. out: `{"outcomes": [{...}, ...]}`, judged on the true states.

The task is dock of stope's documentation, retyped: from up to 5 m and any attitude to the origin of l, within 5 cm,
5 deg, 2 cm/s and 1 deg/s for 5 s, before 60 s are over, never more than 10 m away.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

import numpy as np

from proving_ground.fleet import Fleet
from proving_ground.hidden import HiddenWorld
from proving_ground.scenario import Scenario

FORMAT = "stope-pilot-1"
LONGEST_LINE = 1 << 28
DISTANCE, SPEED, RATE, TIME_LIMIT, KEEP_IN = 5.0, 0.02, 0.02, 60.0, 10.0
HOLD, TAIL = 5.0, 5.0


class Lines(Protocol):
    """What a pilot's answers are read from."""

    def readline(self, limit: int, /) -> str:
        """One line, of at most `limit` characters."""
        ...


def starts(worlds: Sequence[HiddenWorld], episodes: Sequence[int]) -> np.ndarray:
    """Where each vehicle starts (vehicles, 13): the same for whoever flies it."""
    out = np.zeros((len(worlds), 13))
    for k, (world, episode) in enumerate(zip(worlds, episodes, strict=True)):
        rng = np.random.Generator(np.random.Philox([world.seed, 3, int(episode)]))
        way, turn = rng.standard_normal(3), rng.standard_normal(4)
        out[k, :3] = DISTANCE * rng.random() ** (1.0 / 3.0) * way / np.linalg.norm(way)
        out[k, 3:7] = turn / np.linalg.norm(turn)
        out[k, 7:10], out[k, 10:13] = SPEED * rng.standard_normal(3), RATE * rng.standard_normal(3)
    return out


def serve(scenario: Scenario, worlds: list[HiddenWorld], num_episodes: int, given: Lines, out: TextIO) -> None:
    """Fly `num_episodes` dockings in each world for the pilot at the other end.

    Raises:
        ValueError: if the pilot sends what is not a command.
    """
    vehicles = [w for w in worlds for _ in range(num_episodes)]
    episodes = [k for _ in worlds for k in range(num_episodes)]
    n, period = len(vehicles), scenario.control_period
    steps = round(TIME_LIMIT / period)
    # Docking flights come after experiments: their numbers start where no experiment's does.
    fleet = Fleet(scenario, vehicles, starts(vehicles, episodes), flight=[1000 + k for k in episodes], num_rows=steps)
    say(out, {"format": FORMAT, "task": "dock", "num": n, "steps": steps, "control_period_s": period,
               "worlds": [w.name for w in vehicles]})  # fmt: skip
    judge = _Judge(n, period, steps)
    for k in range(steps):
        say(out, {"step": k, "measured": np.round(fleet.seen, 9).tolist()})
        judge.effort(fleet.advance(read_command(given, n, 6)))
        judge.look(fleet.true())
    say(out, {"outcomes": judge.outcomes()})


def say(out: TextIO, message: dict[str, Any]) -> None:
    """Send one line."""
    out.write(json.dumps(message, allow_nan=False) + "\n")
    out.flush()


def read_command(given: Lines, n: int, num: int) -> np.ndarray:
    """The pilot's next command, (n, num).

    Raises:
        ValueError: if the line is not one.
    """
    line = given.readline(LONGEST_LINE)
    try:
        command = np.array(json.loads(line)["command"], dtype=float)
    except (ValueError, TypeError, KeyError):
        raise ValueError(f'the pilot sent {line[:60]!r}: expected {{"command": [...]}}.') from None
    if command.shape != (n, num) or not np.isfinite(command).all():
        raise ValueError(f"the pilot sent commands of shape {command.shape}: expected finite ({n}, {num}).")
    return command


class _Judge:
    """Counts what the task counts."""

    def __init__(self, n: int, period: float, steps: int) -> None:
        self.period, self.steps, self.step = period, steps, 0
        self.held, self.time = np.zeros(n), np.full(n, -1.0)
        self.tail, self.force, self.torque = np.zeros(n), np.zeros(n), np.zeros(n)
        self.is_lost = np.zeros(n, dtype=bool)

    def effort(self, command: np.ndarray) -> None:
        """Add what was commanded over one period."""
        self.force += self.period * np.abs(command[:, :3]).sum(axis=1)
        self.torque += self.period * np.abs(command[:, 3:]).sum(axis=1)

    def look(self, pose: np.ndarray) -> None:
        """Judge true states (vehicles, 13) at the end of a period."""
        self.step += 1
        away, speed, rate = (np.linalg.norm(pose[:, a:b], axis=1) for a, b in ((0, 3), (7, 10), (10, 13)))
        angle = 2.0 * np.arctan2(np.linalg.norm(pose[:, 4:7], axis=1), np.abs(pose[:, 3]))
        inside = (away < 0.05) & (angle < math.radians(5.0)) & (speed < 0.02) & (rate < math.radians(1.0))
        self.held = np.where(inside, self.held + 1.0, 0.0)
        now = self.step * self.period
        self.time = np.where((self.time < 0.0) & (self.held * self.period >= HOLD - 1e-9), now, self.time)
        self.is_lost |= away > KEEP_IN
        if now > TIME_LIMIT - TAIL + 1e-9:
            self.tail += away

    def outcomes(self) -> list[dict[str, Any]]:
        """One row a vehicle."""
        num_tail = round(TAIL / self.period)
        return [
            {"success": bool(t >= 0.0 and not lost), "time_s": float(t if t >= 0.0 and not lost else TIME_LIMIT),
             "final_error_m": float(e / num_tail), "impulse_ns": float(f), "angular_impulse_nms": float(m)}
            for t, lost, e, f, m in zip(self.time, self.is_lost, self.tail, self.force, self.torque, strict=True)
        ]  # fmt: skip
