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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError
from stope.learn.evaluate import Policy
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import Robot
from stope.world.tasks import dock

__all__ = ["Flyer"]

Floats = NDArray[np.float64]

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
        return [*self.command, *what, "--tier", self.tier, "--worlds", f"{worlds[0]}-{worlds[1]}", *seal]

    def experiment(self, file: Path, worlds: tuple[int, int], *, flight: int, out: Path) -> list[Path]:
        """Fly an experiment in worlds a to b, and return the folders of the flights.

        Raises:
            FileError: if the flyer fails; its own words are passed on.
        """
        call = [*self.call(["experiment", str(file), "--flight", str(flight), "--out", str(out)], worlds)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise FileError(f"{' '.join(self.command)}: {done.stderr.strip() or 'failed without a word'}")
        folders = [Path(line.rsplit(": ", 1)[0]) for line in done.stdout.splitlines()]
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
                rows = self._pilot(flyer, make, told, robot, on_step)
            finally:
                if flyer.stdin is not None:
                    flyer.stdin.close()
                flyer.terminate()
        return rows

    def _pilot(
        self, flyer: subprocess.Popen[str], make: Callable[[int], Policy], told: Callable[[Sequence[str]], Floats],
        robot: Robot, on_step: Callable[[float], None],
    ) -> list[dict[str, Any]]:  # fmt: skip
        hello = self.read(flyer)
        if hello.get("format") != "stope-pilot-1" or hello.get("task") != "dock":
            raise FileError(f"the flyer says format {hello.get('format')!r}: expected 'stope-pilot-1' and task 'dock'.")
        names = [str(name) for name in cast("list[Any]", hello["worlds"])]
        n, steps = len(names), int(cast("int", hello["steps"]))
        policy, beliefs = make(n), np.ascontiguousarray(told(names), dtype=np.float64)
        if beliefs.shape != (n, 2 * NUM_PARAMETERS) or not 0 < steps < 100_000:
            raise FileError(f"{beliefs.shape} beliefs for {n} vehicles, {steps} steps: expected one each.")
        actions, observation = np.zeros((n, 6)), np.zeros((n, dock.NUM_OBSERVATION), dtype=np.float32)
        for k in range(steps):
            seen = np.array(self.read(flyer).get("measured"), dtype=np.float64)
            if seen.shape != (n, 13) or not np.isfinite(seen).all():
                raise FileError(f"step {k}: the flyer's measured has shape {seen.shape}: expected finite ({n}, 13).")
            _observe_all(seen, actions, beliefs, observation)
            actions = np.clip(policy.act(observation).astype(np.float64), -1.0, 1.0)
            assert flyer.stdin is not None
            flyer.stdin.write(json.dumps({"command": np.round(actions * robot.limit_b, 6).tolist()}) + "\n")
            flyer.stdin.flush()
            on_step((k + 1) / steps)
        outcomes = cast("list[dict[str, Any]]", self.read(flyer).get("outcomes"))
        if len(outcomes) != n:
            raise FileError(f"the flyer gave {len(outcomes)} outcomes: expected {n}.")
        return [{"world": name, **row} for name, row in zip(names, outcomes, strict=True)]

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
