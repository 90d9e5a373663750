# SPDX-License-Identifier: Apache-2.0
"""What the tests of flights on unknown ground share."""

from __future__ import annotations

import numpy as np

from stope.flight.ground import ContactFlight
from stope.flight.ground.scoop import ScoopTest
from stope.world.tasks import DigTask


def scooped(test: ScoopTest, *, pace: float = 0.01, seed: int = 1) -> ContactFlight:
    """A made-up log: the load grows by `pace` of the capacity a second, all else is noise."""
    task, rng = DigTask(), np.random.default_rng(seed)
    rows = test.num_rows
    observation = 0.01 * rng.standard_normal((rows, len(task.observation_names)))
    observation[:, 14:16] = pace * 0.2 * np.arange(rows)[:, None]
    observation[:, -1] = 0.2 * np.arange(rows) / task.time_limit
    action = np.stack([test.act(row[None].astype(np.float32), row[None])[0] for row in observation])
    return ContactFlight(name="made-up", task="dig", program=test.name, stand_in=True, robot=task.robot, body=task.body,
                         latitude_deg=task.latitude_deg, licence="CC0-1.0", observation=observation,
                         action=action)  # fmt: skip
