# SPDX-License-Identifier: Apache-2.0
"""Scoop tests: two minutes of digging by a program, made to tell the soil rather than to fill the drums.

Soil stays in a scoop up to a drum rate that its cohesion decides, so the program climbs a staircase of rates; how the
load grows on each step, and what the motors feel, tells the soil. The arms are lowered as the script of `dig` does it,
more slowly where the anchors complain. A program is a pilot: it flies wherever the task is flown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_positive, whole
from stope.base.errors import ConfigError
from stope.base.seeding import generator
from stope.world.batch import CONTROL_PERIOD
from stope.world.tasks import DigTask
from stope.world.tasks.dig import MAX_SPIN, SLOW

__all__ = ["KINDS", "STAGE_S", "ScoopTest", "program"]

Floats = NDArray[np.float64]
Kind = Literal["hand", "random", "slow", "fast"]
KINDS: tuple[Kind, ...] = ("hand", "random", "slow", "fast")
"""hand: rates that rise by equal factors from the script's to the largest; random: each stage its own, log-uniform;
slow, fast: one of the two all along."""
STAGE_S = 20.0
"""Length of a stage [s]; chosen: a slow drum gains a tenth of its capacity in it, five times the noise of its scale."""


@dataclass(frozen=True, slots=True)
class ScoopTest:
    """A program of drum rates; a `stope.learn.pilots.Pilot`."""

    kind: Kind = "hand"
    num_stages: int = 6
    seed: int = 1
    """Of a random program."""
    time_limit: float = DigTask().time_limit
    """Of the episodes it is flown in [s], for a robot's clock shows a share of it."""

    def __post_init__(self) -> None:
        """Check the kind and the number of stages.

        Raises:
            ConfigError: naming what was found and what was expected.
        """
        check_positive(self, "time_limit")
        if self.kind not in KINDS or not 1 <= self.num_stages <= 20:
            raise ConfigError(f"scoop test {self.kind!r} of {self.num_stages} stages: expected one of "
                              f"{', '.join(KINDS)} and 1 to 20 stages.")  # fmt: skip

    @property
    def name(self) -> str:
        """What a log says was flown."""
        return f"{self.kind}-{self.num_stages}-{self.seed}"

    @property
    def num_rows(self) -> int:
        """Control periods."""
        return round(self.num_stages * STAGE_S / CONTROL_PERIOD)

    def rates(self) -> Floats:
        """Of the drums in each stage [rad/s], (num_stages,)."""
        if self.kind == "random":
            share = generator(self.seed, "scoop-test").random(self.num_stages)
        else:
            share = {"hand": np.linspace(0.0, 1.0, self.num_stages), "slow": np.zeros(self.num_stages),
                     "fast": np.ones(self.num_stages)}[self.kind]  # fmt: skip
        return np.asarray(SLOW * (MAX_SPIN / SLOW) ** share, dtype=np.float64)

    def begin(self, num_worlds: int) -> None:
        """Nothing to forget."""

    def act(self, observation: NDArray[np.float32], belief: Floats) -> NDArray[Any]:
        """Lower as the script does, turn as the stage says."""
        seen = np.asarray(observation, dtype=np.float64)
        time = seen[:, -1] * self.time_limit
        stage = np.clip((time / STAGE_S + 1e-6).astype(np.intp), 0, self.num_stages - 1)
        return DigTask().fill(seen, self.rates()[stage], 1.0)


def program(name: str) -> ScoopTest:
    """The test that a log's program names, such as "hand-6-1".

    Raises:
        ConfigError: for a name that no test has.
    """
    kind, *numbers = name.split("-")
    counts = [whole(number) for number in numbers]
    if kind not in KINDS or len(counts) != 2 or counts[0] is None or counts[1] is None:
        raise ConfigError(f"program {name[:60]!r}: expected a kind ({', '.join(KINDS)}), stages and seed, such as "
                          "hand-6-1.")  # fmt: skip
    return ScoopTest(kind, num_stages=counts[0], seed=counts[1])
