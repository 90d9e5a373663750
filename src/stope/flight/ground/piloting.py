# SPDX-License-Identifier: Apache-2.0
"""Pilot digging in another process: scoop tests that leave logs, and the task itself with its outcomes.

The flyer's command is `COMMAND dig --tier T --worlds A-B --episodes N --seconds S`, or `--flight K` in place of the
episodes for one vehicle a world. It speaks `stope-pilot-1`, one JSON object a line: first `format`, `task`, `num`,
`steps`, `control_period_s` and the `worlds` of its vehicles; then `measured` rows of 22 numbers in SI units, each
answered with a `command` row of four; last, `outcomes`. `COMMAND dig-truth` prints what scoring and the oracle ask for.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError
from stope.flight.ground.log import ContactFlight
from stope.flight.ground.scoop import STAGE_S, ScoopTest
from stope.flight.stand_in import Flyer
from stope.learn.pilots import Pilot
from stope.world.batch import CONTROL_PERIOD
from stope.world.physics import GROUND_PARAMETERS
from stope.world.regolith.prior import ground_prior
from stope.world.tasks import DigTask
from stope.world.tasks.dig import MAX_LOWERING, MAX_SPIN

__all__ = ["TRUE", "dig", "fly_test", "true_soils"]

Floats = NDArray[np.float64]
TRUE = ("cohesion", "bulk_density")
"""What the flyer tells of its soil; another law need not have the rest."""
NUM_MEASURED = 22
FELT = slice(16, 20)
"""Loads of the anchors among what is measured."""
TARE_AT = round(1.0 / CONTROL_PERIOD)
"""Row whose loads of the anchors count as none from then on: a second after the start, when the robot stands and has
touched nothing. Chosen: in another world the robot's weight may rest on the anchors, and in the trainer's it does not;
what a policy knows to shrink from is what digging adds."""


@dataclass(slots=True)
class _Session:
    """What one vehicle after another saw and did."""

    worlds: list[str]
    observations: list[Floats]
    actions: list[Floats]
    outcomes: list[dict[str, Any]]


def _observation(measured: Floats, time: float, limit: float, at_rest: Floats | float = 0.0) -> Floats:
    """As the task observes, (vehicles, 23), from rows in SI units, less the loads of the anchors at rest."""
    out = np.concatenate([measured, np.full((len(measured), 1), time / limit)], axis=1)
    out[:, 3:6] /= 0.01
    out[:, FELT] = np.maximum(0.0, out[:, FELT] - at_rest)
    out[:, 20:22] = np.tanh(out[:, 20:22])
    return out


def _command(action: Floats) -> Floats:
    """Speeds of lowering [m/s] and drum rates [rad/s], (vehicles, 4)."""
    return np.concatenate([MAX_LOWERING * action[:, :2], MAX_SPIN * action[:, 2:] * np.abs(action[:, 2:])], axis=1)


def _fly(
    flyer: Flyer, what: Sequence[str], worlds: tuple[int, int], pilot: Pilot, told: Callable[[list[str]], Floats],
    task: DigTask, on_step: Callable[[float], None], *, num: int, keep: bool,
) -> _Session:  # fmt: skip
    call = flyer.call(["dig", *what], worlds)
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            names, steps = flyer.greeting(process, "dig", num=num)
            session = _Session(names, [], [], [])
            pilot.begin(len(names))
            belief, at_rest = told(names), np.zeros((len(names), 4))
            for k in range(steps):
                seen = flyer.measured(process, k, (len(names), NUM_MEASURED))
                if k == TARE_AT:
                    at_rest = seen[:, FELT].copy()
                observation = _observation(seen, k * CONTROL_PERIOD, task.time_limit, at_rest)
                action = np.clip(np.asarray(pilot.act(observation.astype(np.float32), belief), dtype=np.float64), -1, 1)
                if keep:
                    session.observations.append(observation)
                    session.actions.append(action)
                assert process.stdin is not None
                process.stdin.write(json.dumps({"command": np.round(_command(action), 7).tolist()}) + "\n")
                process.stdin.flush()
                on_step((k + 1) / steps)
            session.outcomes = flyer.outcomes(process, names)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.terminate()
    return session


def fly_test(
    flyer: Flyer, test: ScoopTest, task: DigTask, worlds: tuple[int, int], *, flight: int,
    on_step: Callable[[float], None] = lambda share: None,
) -> list[ContactFlight]:  # fmt: skip
    """Fly a scoop test in worlds a to b; one log each, in order.

    Raises:
        FileError: if the flyer does not keep to the protocol.
    """
    what = ["--flight", str(flight), "--seconds", f"{test.num_stages * STAGE_S:g}"]
    # A program looks at nothing that is believed.
    flown = _fly(flyer, what, worlds, test, lambda names: np.zeros((len(names), 0)), task, on_step,
                 num=worlds[1] - worlds[0] + 1, keep=True)  # fmt: skip
    seen, did = np.stack(flown.observations), np.stack(flown.actions)
    return [
        ContactFlight(name=f"{name}-flight-{flight}", task="dig", program=test.name, stand_in=True, robot=task.robot,
                      body=task.body, latitude_deg=task.latitude_deg, licence="CC0-1.0", observation=seen[:, k],
                      action=did[:, k])
        for k, name in enumerate(flown.worlds)
    ]  # fmt: skip


def dig(
    flyer: Flyer, pilot: Pilot, told: Callable[[list[str]], Floats], task: DigTask, worlds: tuple[int, int], *,
    episodes: int, on_step: Callable[[float], None] = lambda share: None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Pilot the task, and return one row a vehicle: its world's name and the outcome.

    Args:
        flyer: Who flies.
        pilot: Who acts.
        told: Belief summaries (vehicles, NUM_SUMMARY) for the worlds' names.
        task: Its time limit.
        worlds: First and last.
        episodes: In each.
        on_step: Called with the share done.

    Raises:
        FileError: if the flyer does not keep to the protocol.
    """
    what = ["--episodes", str(episodes), "--seconds", f"{task.time_limit:g}"]
    return _fly(flyer, what, worlds, pilot, told, task, on_step, num=episodes * (worlds[1] - worlds[0] + 1),
                keep=False).outcomes  # fmt: skip


def true_soils(flyer: Flyer, worlds: tuple[int, int]) -> Floats:
    """Whitened truths of the stand-in's soils, (worlds, len(TRUE)): for the oracle and for scoring, for nothing else.

    Raises:
        FileError: if the flyer does not say.
    """
    done = subprocess.run(flyer.call(["dig-truth"], worlds), capture_output=True, text=True, check=False)
    rows = np.zeros((0, 2))
    if done.returncode == 0:
        try:
            found = [json.loads(line) for line in done.stdout.splitlines()]
            rows = np.array([[row["cohesion_pa"], row["bulk_density"]] for row in found], dtype=np.float64)
        except (ValueError, KeyError, TypeError):
            raise FileError(f"{' '.join(flyer.command)} dig-truth said what is no soil.") from None
    if rows.shape != (worlds[1] - worlds[0] + 1, 2):
        raise FileError(f"{' '.join(flyer.command)} dig-truth: {done.stderr.strip() or 'said too little'}")
    at = [[p.name for p in GROUND_PARAMETERS].index(name) for name in TRUE]
    theta = np.tile(ground_prior().centre, (len(rows), 1))
    theta[:, at] = rows
    return ground_prior().whiten(theta)[:, at]
