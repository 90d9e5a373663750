# SPDX-License-Identifier: Apache-2.0
"""From logs of wheels and rates to a belief about a gyrostat: maximum a posteriori, and Gaussian about it.

The likelihood is that of the filter's innovations, each a Student t. Its curvature is taken from the rows' own
gradients and multiplied by the ratio of what neighbouring rows vary together to what they vary alone: rows of one log
are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from stope.base.errors import Misfit
from stope.flight.gyrostat import NUM_PHYSICS, NUM_THETA, WheelRows, filter_rows, unpack
from stope.flight.rate_windows import first_running

__all__ = ["GyrostatBelief", "fit_gyrostat"]

Floats = NDArray[np.float64]

PRIOR_SPREAD = np.array([1.0] * 3 + [0.1] * 3 + [0.1] * 8 + [0.3] + [1.5] * 8)
"""Standard deviations: a factor e of the start's inertia; axes within 6 degrees; shift [s]; noises, a factor 4.5."""
PRIOR_NOISE = (3e-4, 3e-4, 1e-3, 0.05, 0.2, 0.1, 0.3, 0.3)
"""Medians of `NOISES`: a MEMS gyro's, half an rpm, and round numbers; the clock's is a tick of 1 s, evenly spread."""
UNIT = np.array([0.02] * 14 + [0.05] + [0.2] * 8)
"""Steps the optimiser sees as 1: about what one log tells each parameter to."""
DIFFERENCE = 0.02
"""Half width of the gradient's central differences, in `UNIT`."""
MOST_ITERATIONS = 60
LONGEST_MEMORY = 8
"""Rows over which scores are taken to vary together (chosen: 16 s, a control cycle of the vehicle)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GyrostatBelief:
    """What logs say of one vehicle's wheels and inertia."""

    sign: float
    """Sense of positive wheel speeds: 1 or -1."""
    mean: Floats
    """theta (NUM_THETA,), see `gyrostat.unpack`."""
    covariance: Floats
    """(NUM_THETA, NUM_THETA)."""
    logs: tuple[str, ...]
    """Names of the logs it was fitted to."""
    score: float
    """Mean logarithm of a row's predictive density at the mean."""

    def draws(self, num: int, rng: np.random.Generator) -> Floats:
        """Parameter vectors (num, NUM_THETA): physics drawn, noises kept at the mean."""
        out = np.tile(self.mean, (num, 1))
        block = self.covariance[:NUM_PHYSICS, :NUM_PHYSICS]
        out[:, :NUM_PHYSICS] = rng.multivariate_normal(self.mean[:NUM_PHYSICS], block, num, method="cholesky")
        return out


def fit_gyrostat(logs: Sequence[WheelRows], *, on_step: Callable[[float], None] | None = None) -> GyrostatBelief:
    """Fit one vehicle's model to its logs.

    Args:
        logs: One or more, of the same vehicle.
        on_step: Called with the share done.

    Returns:
        The belief.

    Raises:
        Misfit: if rates do not answer to wheel speeds, so there is nothing to start from.
    """
    first = [first_running(rows) for rows in logs]
    sign, start = _start(logs, first)

    def scores(theta: Floats) -> list[Floats]:
        model = unpack(theta, sign)
        return [filter_rows(rows, model, k)[3][k + 1 :] for rows, k in zip(logs, first, strict=True)]

    def loss(u: Floats) -> float:
        theta = start + UNIT * u
        with np.errstate(all="ignore"):
            value = 0.5 * float(np.sum(((theta - start) / PRIOR_SPREAD) ** 2))
            value -= float(sum(s.sum() for s in scores(theta)))
        return value if math.isfinite(value) else 1e12

    def slope(u: Floats) -> Floats:
        steps = DIFFERENCE * np.eye(NUM_THETA)
        return np.array([(loss(u + e) - loss(u - e)) / (2.0 * DIFFERENCE) for e in steps])

    done = 0

    def tell(_: Floats) -> None:
        nonlocal done
        done += 1
        if on_step is not None:
            on_step(min(0.99, done / MOST_ITERATIONS))

    found: Any = minimize(loss, np.zeros(NUM_THETA), jac=slope, method="BFGS", callback=tell,
                          options={"maxiter": MOST_ITERATIONS, "gtol": 1.0})  # fmt: skip
    mean = start + UNIT * np.asarray(found.x)
    at = scores(mean)
    if on_step is not None:
        on_step(1.0)
    return GyrostatBelief(sign=sign, mean=mean, covariance=_covariance(scores, mean),
                          score=float(np.concatenate(at).mean()), logs=tuple(rows.name for rows in logs))  # fmt: skip


def _start(logs: Sequence[WheelRows], first: Sequence[int]) -> tuple[float, Floats]:
    """Sense of the wheels and theta to start from: each axis' rate increments against its wheel's."""
    theta = np.zeros(NUM_THETA)
    theta[NUM_PHYSICS:] = np.log(PRIOR_NOISE)
    signs = 0.0
    for axis in range(3):
        rate = np.concatenate([np.diff(r.rate_b[k:, axis]) for r, k in zip(logs, first, strict=True)])
        speed = np.concatenate([np.diff(r.wheel_speed[k:, axis]) for r, k in zip(logs, first, strict=True)])
        both, alone = float(rate @ speed), float(speed @ speed)
        if alone <= 0.0 or both == 0.0:
            raise Misfit(f"wheel {'xyz'[axis]} of {logs[0].name}: its speed never changes: nothing can be fitted.")
        signs += math.copysign(1.0, both)
        theta[axis] = 0.5 * math.log(abs(alone / both))
    # Rates fall as the wheels turn faster about the same axis; where they rise, speeds count the other way.
    return (-1.0 if signs > 0.0 else 1.0), theta


def _covariance(scores: Callable[[Floats], list[Floats]], mean: Floats) -> Floats:
    """Inverse of the summed outer products of the rows' gradients, with the prior, times how they vary together."""
    gradients: list[Floats] = []
    for k in range(NUM_THETA):
        step = np.zeros(NUM_THETA)
        step[k] = 2.0 * DIFFERENCE * UNIT[k]
        up, down = np.concatenate(scores(mean + step)), np.concatenate(scores(mean - step))
        gradients.append(np.clip((up - down) / (2.0 * step[k]), -20.0 / UNIT[k], 20.0 / UNIT[k]))
    rows = np.array(gradients).T
    rows -= rows.mean(axis=0)
    alone = rows.T @ rows
    together = alone.copy()
    for lag in range(1, LONGEST_MEMORY):
        pair = rows[lag:].T @ rows[:-lag]
        together += (1.0 - lag / LONGEST_MEMORY) * (pair + pair.T)
    factor = np.clip(np.diag(together) / np.maximum(np.diag(alone), 1e-300), 1.0, 10.0)
    spread = np.asarray(np.linalg.inv(alone + np.diag(PRIOR_SPREAD**-2.0)), dtype=np.float64)
    return spread * np.sqrt(np.outer(factor, factor))
