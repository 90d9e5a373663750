# SPDX-License-Identifier: Apache-2.0
"""What the robot sees of its own motion: noise on each reading, and rows that are lost."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation

from proving_ground.dynamics import Pose
from proving_ground.scenario import Scenario


def measure(scenario: Scenario, rng: np.random.Generator, pose: Pose) -> Pose:
    """One reading: white noise on each axis; the attitude error is a small turn about the axes of b."""
    noise = scenario.noise
    turn = math.radians(noise["attitude_sd_deg"]) * rng.standard_normal(3)
    return Pose(
        position_l=pose.position_l + noise["position_sd"] * rng.standard_normal(3),
        attitude_lb=pose.attitude_lb * Rotation.from_rotvec(turn),
        velocity_l=pose.velocity_l + noise["velocity_sd"] * rng.standard_normal(3),
        rate_b=pose.rate_b + math.radians(noise["rate_sd_deg"]) * rng.standard_normal(3),
    )


def lost_rows(scenario: Scenario, rng: np.random.Generator, num_rows: int) -> np.ndarray:
    """Which rows are lost (num_rows,) bool: a white share and one gap. Row 0 never is: the pilot needs a start."""
    lost = rng.random(num_rows) < scenario.noise["drop_out"]
    length = round(scenario.noise["gap"] / scenario.control_period)
    first = int(rng.integers(1, num_rows - length + 1))
    lost[first : first + length] = True
    lost[0] = False
    return lost
