# SPDX-License-Identifier: Apache-2.0
"""A flyer in another process: it flies experiments from files, and dockings for a pilot at this end of a pipe.

The flyer is any program with two commands, and `python -m proving_ground` of the repository is one:

- `COMMAND experiment FILE --tier T --worlds A-B --flight K --out DIR`: fly the experiment file in worlds A to B; write
  one flight folder each and print a line `FOLDER: ...` for each, in order;
- `COMMAND dock --tier T --worlds A-B --episodes N`: speak the protocol `stope-pilot-1` on stdout and stdin, one JSON
  object a line (docs/how-to/fly-the-loop.md); `COMMAND dig` likewise (`stope.flight.ground.piloting`).

Nothing but flight folders and JSON lines passes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError
from stope.learn.evaluate import Policy
from stope.world.batch import CONTROL_PERIOD
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import Robot
from stope.world.tasks import dock

__all__ = ["Flyer"]

Floats = NDArray[np.float64]

PROTOCOL = "stope-pilot-1"
MOST_STEPS = 100_000
"""Steps of one flight fewer than this are believed; chosen."""
LONGEST_LINE = 1 << 28
"""Bytes of a line that are read before it is refused."""


@nb.njit(cache=True, error_model="numpy")
def _observe_all(measured: Floats, actions: Floats, beliefs: Floats, out: NDArray[np.float32]) -> None:
    for i in range(measured.shape[0]):
        dock.observe(measured[i], actions[i], beliefs[i], out[i])


class Flyer:
    """A program that flies."""

    def __init__(self, command: Sequence[str], *, tier: str, sealed: str = "") -> None:
        """Take the program and its first arguments, the tier, and the commit that seals its worlds, if any."""
        self.command, self.tier, self.sealed = list(command), tier, sealed

    def call(self, what: Sequence[str], worlds: tuple[int, int]) -> list[str]:
        """The command line of one of the flyer's commands, such as `["dock", "--episodes", "20"]`."""
        seal = ["--sealed", self.sealed] if self.sealed else []
        # The repository's own flyer imports what this Python has, and the one on the path may not have.
        program = sys.executable if self.command == ["python", "-m", "proving_ground"] else self.command[0]
        return [program, *self.command[1:], *what, "--tier", self.tier, "--worlds", f"{worlds[0]}-{worlds[1]}", *seal]

    def experiment(self, file: Path, worlds: tuple[int, int], *, flight: int, out: Path) -> list[Path]:
        """Fly an experiment in worlds a to b, and return the folders of the flights.

        Raises:
            FileError: if the flyer fails; its own words are passed on.
        """
        call = [*self.call(["experiment", str(file), "--flight", str(flight), "--out", str(out)], worlds)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise FileError(f"{' '.join(self.command)}: {done.stderr.strip() or 'failed without a word'}")
        folders = [Path(line.split(": ", 1)[0]) for line in done.stdout.splitlines()]
        if len(folders) != worlds[1] - worlds[0] + 1:
            raise FileError(f"{' '.join(self.command)}: {len(folders)} flights: expected one for each world.")
        return folders

    def dock(
        self,
        make: Callable[[int], Policy],
        told: Callable[[Sequence[str]], Floats],
        robot: Robot,
        worlds: tuple[int, int],
        *,
        episodes: int,
        on_step: Callable[[float], None] = lambda share: None,
    ) -> list[dict[str, Any]]:
        """Pilot dockings, and return one row a vehicle: its world's name and the outcome.

        Args:
            make: The policy, for a number of vehicles.
            told: Belief summaries (vehicles, 2 num_parameters) for the worlds' names.
            robot: What flies; its limits turn actions into commands.
            worlds: First and last.
            episodes: Dockings in each.
            on_step: Called with the share done.

        Raises:
            FileError: if the flyer does not keep to the protocol.
        """
        call = self.call(["dock", "--episodes", str(episodes)], worlds)
        with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as flyer:
            try:
                rows = self._pilot(flyer, make, told, robot, on_step, num=episodes * (worlds[1] - worlds[0] + 1))
            finally:
                if flyer.stdin is not None:
                    flyer.stdin.close()
                flyer.terminate()
        return rows

    def _pilot(
        self, flyer: subprocess.Popen[str], make: Callable[[int], Policy], told: Callable[[Sequence[str]], Floats],
        robot: Robot, on_step: Callable[[float], None], *, num: int,
    ) -> list[dict[str, Any]]:  # fmt: skip
        names, steps = self.greeting(flyer, "dock", num=num)
        n = len(names)
        policy, beliefs = make(n), np.ascontiguousarray(told(names), dtype=np.float64)
        if beliefs.shape != (n, 2 * NUM_PARAMETERS):
            raise FileError(f"{beliefs.shape} beliefs for {n} vehicles: expected one each.")
        actions, observation = np.zeros((n, 6)), np.zeros((n, dock.NUM_OBSERVATION), dtype=np.float32)
        for k in range(steps):
            seen = self.measured(flyer, k, (n, 13))
            _observe_all(seen, actions, beliefs, observation)
            actions = np.clip(policy.act(observation).astype(np.float64), -1.0, 1.0)
            assert flyer.stdin is not None
            flyer.stdin.write(json.dumps({"command": np.round(actions * robot.limit_b, 6).tolist()}) + "\n")
            flyer.stdin.flush()
            on_step((k + 1) / steps)
        return self.outcomes(flyer, names)

    def greeting(self, flyer: subprocess.Popen[str], task: str, *, num: int) -> tuple[list[str], int]:
        """The world of each vehicle, and how many control steps it flies.

        Args:
            flyer: That runs.
            task: What it is asked to fly.
            num: How many vehicles.

        Raises:
            FileError: if it says anything else than the protocol asks for.
        """
        hello = self.read(flyer)
        if hello.get("format") != PROTOCOL or hello.get("task") != task:
            raise FileError(f"the flyer says {hello.get('format')!r}, task {hello.get('task')!r}: expected "
                            f"{PROTOCOL!r} and {task!r}.")  # fmt: skip
        names, steps, period = hello.get("worlds"), hello.get("steps"), hello.get("control_period_s")
        if not isinstance(names, list) or len(cast("list[Any]", names)) != num:
            raise FileError(f"the flyer names worlds {str(names)[:60]}: expected one for each of {num} vehicles.")
        if type(steps) is not int or not 0 < steps < MOST_STEPS or period != CONTROL_PERIOD:
            raise FileError(f"the flyer says {str(steps)[:20]} steps of {str(period)[:20]} s: expected 1 to "
                            f"{MOST_STEPS - 1} steps of {CONTROL_PERIOD} s.")  # fmt: skip
        return [str(name) for name in cast("list[Any]", names)], steps

    def measured(self, flyer: subprocess.Popen[str], step: int, shape: tuple[int, int]) -> Floats:
        """What all vehicles measured before a step.

        Raises:
            FileError: unless it is a table of finite numbers of that shape.
        """
        told = self.read(flyer).get("measured")
        try:
            seen = np.array(told, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise FileError(f"step {step}: the flyer's measured is {str(told)[:60]}: expected a table of {shape} "
                            "numbers.") from None  # fmt: skip
        if seen.shape != shape or not np.isfinite(seen).all():
            raise FileError(f"step {step}: the flyer's measured has shape {seen.shape}: expected finite {shape}.")
        return seen

    def outcomes(self, flyer: subprocess.Popen[str], names: Sequence[str]) -> list[dict[str, Any]]:
        """A row for each vehicle: its world's name and the outcome.

        Raises:
            FileError: unless there is one for each.
        """
        rows = self.read(flyer).get("outcomes")
        listed = cast("list[Any]", rows) if isinstance(rows, list) else []
        if len(listed) != len(names) or not all(isinstance(row, dict) for row in listed):
            raise FileError(f"the flyer gave outcomes {str(rows)[:60]}: expected one for each of {len(names)} "
                            "vehicles.")  # fmt: skip
        return [{"world": name, **row} for name, row in zip(names, listed, strict=True)]

    def read(self, flyer: subprocess.Popen[str]) -> dict[str, Any]:
        """The next message of a flyer that runs.

        Raises:
            FileError: if it is no JSON object.
        """
        assert flyer.stdout is not None
        line = flyer.stdout.readline(LONGEST_LINE)
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise FileError(f"the flyer said {line[:60]!r}: expected a JSON object. Its own words are on stderr.")
        return cast("dict[str, Any]", message)
