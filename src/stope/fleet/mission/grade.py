# SPDX-License-Identifier: Apache-2.0
"""The grade map: a Gaussian process over the cells of each pit, learned from prospectors' samples.

Prior: the scenario's mean grade, its spread, and a squared-exponential covariance of its length. A sample is the grade
of a cell with white noise. Excavators of a pit dig where the expected grade is highest.

Source:
    Rasmussen and Williams 2006, equations 2.25 and 2.26 (means of n equal samples are one sample of noise / n).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import World
from stope.fleet.mission.lay_out import cell_places
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["choose_cells", "grade_map"]

Floats = NDArray[np.float64]


def grade_map(scenario: MonthScenario, samples: NDArray[np.int64], sums: Floats) -> tuple[Floats, Floats]:
    """Expected grade of every cell and its standard deviation, both (pits, cells).

    Args:
        scenario: The prior: mean, spread, length, noise.
        samples: How often each cell was sampled, (pits, cells).
        sums: Sum of the measured grades, (pits, cells).
    """
    ground, noise = scenario.ground, scenario.digging.sample_noise
    places = cell_places(samples.shape[1], ground.grade_length)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    prior = (ground.grade * ground.grade_spread) ** 2 * np.exp(-0.5 * (apart / ground.grade_length) ** 2)
    # Cells without a sample have one of a noise so large that it says nothing.
    variance = np.where(samples > 0, noise**2 / np.maximum(samples, 1), 1e12)
    mean = np.where(samples > 0, sums / np.maximum(samples, 1), ground.grade)
    noisy: Floats = prior[None] + variance[:, :, None] * np.eye(samples.shape[1])
    inverse: Any = np.linalg.inv(noisy)
    gain: Floats = np.matmul(prior, inverse)
    expected = ground.grade + np.einsum("pij,pj->pi", gain, mean - ground.grade)
    left = np.diagonal(prior[None] - gain @ prior, axis1=1, axis2=2)
    return expected, np.sqrt(np.maximum(left, 0.0))


def choose_cells(scenario: MonthScenario, world: World | Any) -> None:
    """Send every pit's excavators to its most promising cell."""
    expected, _ = grade_map(scenario, world.samples, world.sample_sum)
    best = expected.argmax(axis=1)
    true: Floats = world.true_grade[np.arange(len(best)), best]
    world.pits[:, k.GRADE] = np.round(1e6 * true).astype(np.int64)
