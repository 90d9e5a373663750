# SPDX-License-Identifier: Apache-2.0
"""How much acts on a robot that is in no theta, judged by how well the filter then predicts the flight.

The amplitude and the length of the wandering acceleration and torque are those of the highest evidence on a grid
(empirical Bayes): each starts at nothing and grows while the evidence does. A flight that theta explains keeps nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stope.base.config import build
from stope.flight.likelihood import Disturbance, FlightLikelihood
from stope.flight.record import Flight
from stope.world.belief import Belief
from stope.world.robots import Robot
from stope.world.site import Site

__all__ = ["ALWAYS", "acted", "head", "infer_disturbance"]

Floats = NDArray[np.float64]

ALWAYS = Disturbance(offset=1e-4, gyro_bias=2e-4)
"""What every flight is granted: an acceleration of its own, a tenth of the residual's prior, and a gyro bias of 0.01
deg/s. Chosen."""
ACCELERATIONS = (5e-5, 2e-4, 5e-4, 1.2e-3, 3e-3, 1e-2)
"""Amplitudes tried [m/s2]. A flight that needs the last, a quarter of what the thrusters of `bee-gas` give, is refused:
propellant that sloshes makes 1e-3 to 3e-3, and such a flight is worth a wide belief."""
TORQUES = (5e-5, 2e-4, 5e-4, 1.2e-3, 3e-3)
"""Amplitudes tried [N m]."""
LENGTHS = (0.3, 1.0, 20.0)
"""Correlation times tried besides that of the start [s]."""
NUM_ROWS = 900
"""Rows the evidence is taken over, from the first [3 minutes of control periods]."""


def acted(belief: Belief) -> Disturbance:
    """What acted in the flights behind a belief, as large as in the worst of them; `ALWAYS` if none is told of."""
    found = belief.provenance.get("disturbances")
    rows = [build(Disturbance, row, where="belief.provenance.disturbances")
            for row in cast("list[Any]", found if isinstance(found, list) else [])]  # fmt: skip
    return max(rows, key=lambda acts: acts.acceleration, default=ALWAYS)


def head(flight: Flight, num_rows: int) -> Flight:
    """The first rows of a flight."""
    if flight.num_rows <= num_rows:
        return flight
    names = ("time", "command", "position_l", "q_lb", "velocity_l", "rate_b", "measured")
    return replace(flight, **{name: getattr(flight, name)[:num_rows] for name in names})


def infer_disturbance(
    flight: Flight, robot: Robot, site: Site, theta: Floats, *, start: Disturbance = ALWAYS
) -> Disturbance:
    """The disturbance of highest evidence under one theta (1, num_parameters)."""
    part = head(flight, NUM_ROWS)

    def evidence(given: Disturbance) -> float:
        return float(FlightLikelihood(part, robot, site, disturbance=given).log_evidence(theta)[0])

    best, most = start, evidence(start)
    for name, values in (("acceleration", ACCELERATIONS), ("torque", TORQUES)):
        for value in values:
            trial = replace(best, **{name: value})
            found = evidence(trial)
            if found <= most:
                break
            best, most = trial, found
    if best != start:
        for length in LENGTHS:
            found = evidence(replace(best, length=length))
            if found > most:
                best, most = replace(best, length=length), found
    return best
