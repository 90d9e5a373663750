# SPDX-License-Identifier: Apache-2.0
"""Fly an experiment: a file says where to go when, what to shake on top, and the law that flies it.

The file is JSON, format `stope-experiment-1`:

- `minutes`: length of the flight;
- `targets`: a list of `time_s`, `position_l_m` (3) and `rotation_vector_lb_rad` (3), each in force from its time on;
- `excitation`: `period_s`, and `knots`, rows of force [N] and torque [N m] in b, joined by straight lines (a linear
  spline), added to what the law commands;
- `law`: mass, inertia (3) and gains of the position and attitude law below; limits are the robot's.

The law: wanted velocity is `position_gain` times the way to go, at most `speed_limit`; force is mass times
`velocity_gain` times the velocity that is missing. For the attitude the same with `angle_gain`, `rate_limit`,
`rate_gain` and the inertia.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from proving_ground.dynamics import Pose
from proving_ground.fleet import Fleet
from proving_ground.flight import Flown
from proving_ground.hidden import HiddenWorld
from proving_ground.scenario import Scenario

FORMAT = "stope-experiment-1"
LONGEST_MINUTES = 60.0
LAW = ("mass", "inertia", "position_gain", "speed_limit", "velocity_gain", "angle_gain", "rate_limit", "rate_gain")


def load_experiment(path: Path) -> dict[str, Any]:
    """Read an experiment and check what flying needs of it.

    Raises:
        ValueError: one line naming the file, the field and what was expected.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not a JSON file ({error}).") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"{path}, format: expected {FORMAT!r}.")
    try:
        minutes = float(data["minutes"])
        targets = np.array([[t["time_s"], *t["position_l_m"], *t["rotation_vector_lb_rad"]] for t in data["targets"]])
        knots = np.array(data["excitation"]["knots"], dtype=float)
        period = float(data["excitation"]["period_s"])
        law = {name: np.array(data["law"][name], dtype=float) for name in LAW}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: {type(error).__name__} {error}: expected minutes, targets, excitation, law."
        ) from None
    is_shaped = targets.ndim == 2 and targets.shape[1] == 7 and knots.ndim == 2 and knots.shape[1] == 6
    if not is_shaped or not 0.0 < minutes <= LONGEST_MINUTES or not period > 0.0:
        raise ValueError(f"{path}: expected 1 target or more, knots of 6 numbers, up to {LONGEST_MINUTES:g} minutes.")
    if not all(np.isfinite(x).all() for x in (targets, knots, *law.values())):
        raise ValueError(f"{path}: a number that is not finite.")
    return {"name": str(data.get("name", path.stem)), "minutes": minutes, "targets": targets, "knots": knots,
            "period": period, "law": law}  # fmt: skip


def fly_experiment(
    scenario: Scenario, worlds: list[HiddenWorld], experiment: dict[str, Any], *, flight: int
) -> list[Flown]:
    """Fly an experiment in every world; one that leaves the keep-in sphere ends there, and its log with it.

    Args:
        scenario: Robot and place.
        worlds: Where; each flies alone.
        experiment: From `load_experiment`.
        flight: Number of the flight in its world, which picks noise and what is of one flight.
    """
    period, n = scenario.control_period, len(worlds)
    num_rows = round(experiment["minutes"] * 60.0 / period)
    start = np.zeros((n, 13))
    start[:, 3] = 1.0
    fleet = Fleet(scenario, worlds, start, flight=[flight] * n, num_rows=num_rows)
    command, seen, true = (np.zeros((num_rows, n, k)) for k in (6, 13, 13))
    end = np.full(n, num_rows)
    for k in range(num_rows):
        seen[k], true[k] = fleet.seen, fleet.true()
        gone = np.linalg.norm(true[k, :, :3], axis=1) > scenario.keep_in_radius
        end = np.where(gone & (end == num_rows), k, end)
        command[k] = fleet.advance(steer(experiment, k * period, fleet.seen))
    return [_flown(scenario, worlds[i], experiment, fleet.lost[:, i], command[: end[i], i], seen[:, i], true[:, i],
                   flight) for i in range(n)]  # fmt: skip


def steer(experiment: dict[str, Any], time: float, seen: np.ndarray) -> np.ndarray:
    """Wrench to command (vehicles, 6), b, from readings (vehicles, 13)."""
    law, targets, knots = experiment["law"], experiment["targets"], experiment["knots"]
    target = targets[max(0, int(np.searchsorted(targets[:, 0], time, side="right")) - 1)]
    attitude = Rotation.from_quat(seen[:, 3:7], scalar_first=True)
    velocity = _shorten(law["position_gain"] * (target[1:4] - seen[:, :3]), float(law["speed_limit"]))
    force_l = law["mass"] * law["velocity_gain"] * (velocity - seen[:, 7:10])
    to_go = (attitude.inv() * Rotation.from_rotvec(target[4:7])).as_rotvec()
    rate = _shorten(law["angle_gain"] * to_go, float(law["rate_limit"]))
    torque = law["inertia"] * law["rate_gain"] * (rate - seen[:, 10:13])
    at = time / experiment["period"]
    shake = np.array([np.interp(at, np.arange(len(knots)), knots[:, j]) for j in range(6)])
    return np.concatenate([attitude.inv().apply(force_l), torque], axis=1) + shake


def _shorten(vectors: np.ndarray, limit: float) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors * np.minimum(1.0, limit / np.maximum(length, 1e-12))


def _flown(
    scenario: Scenario, world: HiddenWorld, experiment: dict[str, Any], lost: np.ndarray, command: np.ndarray,
    seen: np.ndarray, true: np.ndarray, flight: int,
) -> Flown:  # fmt: skip
    n = len(command)
    # Where a reading was lost the last one is held; the file leaves it out.
    renamed = replace(scenario, name=f"{world.name}-flight-{flight}-{experiment['name']}")
    return Flown(seed=world.seed, scenario=renamed, truth=world.truth, time=scenario.control_period * np.arange(n),
                 command=command, lost=lost[:n], seen=_poses(seen[:n]), true=_poses(true[:n]))  # fmt: skip


def _poses(rows: np.ndarray) -> list[Pose]:
    turns = Rotation.from_quat(rows[:, 3:7], scalar_first=True)
    return [Pose(position_l=r[:3], attitude_lb=q, velocity_l=r[7:10], rate_b=r[10:13])
            for r, q in zip(rows, turns, strict=True)]  # fmt: skip
