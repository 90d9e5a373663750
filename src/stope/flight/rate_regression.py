# SPDX-License-Identifier: Apache-2.0
"""The rival of a physical prediction: a ridge regression of the rates ahead, with an error model of its own.

It sees the rates at the start of a window and the wheel speeds at its start and end. Whether products of these enter
and how strong the ridge is, is chosen by the log score of logs left out, one at a time, of those it may fit. Its error
model is fitted to errors on logs left out: Student t, with a spread that depends on how much the wheels and the body
turn, or, for the plain regression, one spread for each axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from stope.flight.gyrostat import WheelRows
from stope.flight.rate_windows import cut_windows

__all__ = ["ErrorModel", "RateRegression", "fit_error_model", "fit_regression"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RIDGES = (0.1, 1.0, 10.0, 100.0, 1000.0)
FEWEST_TAILS = 2.1
"""Degrees of freedom below which a Student t has no variance."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ErrorModel:
    """Spread of prediction errors: per axis a floor and parts that grow with given measures of activity."""

    weights: Floats
    """(3, measures): spread is the root of the summed squares of weight times measure."""
    tails: float
    """Degrees of freedom of the Student t."""

    def spread(self, measures: Floats) -> Floats:
        """Scale of the errors.

        Args:
            measures: (windows, 3, measures), not negative; in the unit of the errors over that of the weights.
        """
        return np.sqrt(np.sum((self.weights * measures) ** 2, axis=-1))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RateRegression:
    """A fitted regression."""

    with_products: bool
    ridge: float
    depends_on_activity: bool
    scale: Floats
    """Of rates and wheel speeds in the logs it was fitted to (6,) [rad/s]."""
    coefficients: Floats
    errors: ErrorModel

    def predict(self, rows: WheelRows, windows: Ints) -> tuple[Floats, Floats]:
        """Mean and scale (windows, 3) [rad/s] of the rates at the end of windows."""
        mean = _features(rows, windows, self.scale, self.with_products) @ self.coefficients
        return mean, self.errors.spread(
            _activity(rows, windows) if self.depends_on_activity else np.ones((len(windows), 3, 1))
        )


def fit_error_model(errors: Floats, measures: Floats) -> ErrorModel:
    """Weights and tails that make errors most likely.

    Args:
        errors: (windows, 3).
        measures: (windows, 3, measures).
    """
    num = measures.shape[-1]
    typical = np.sqrt(np.mean(measures**2, axis=0)) + 1e-12
    size = np.median(np.abs(errors), axis=0) + 1e-9
    start = np.append(np.log(size[:, None] / typical).ravel(), np.log(2.0))

    def loss(x: Floats) -> float:
        model = ErrorModel(weights=np.exp(x[:-1]).reshape(3, num), tails=FEWEST_TAILS + float(np.exp(x[-1])))
        score = _log_density(errors, np.maximum(model.spread(measures), 1e-12), model.tails)
        return -float(score.sum()) + 0.02 * float(np.sum((x - start) ** 2))  # a weak prior: no weight runs away

    best = minimize(loss, start, method="L-BFGS-B", options={"maxiter": 200}).x
    return ErrorModel(weights=np.exp(best[:-1]).reshape(3, num), tails=FEWEST_TAILS + float(np.exp(best[-1])))


def _log_density(errors: Floats, scale: Floats, tails: float) -> Floats:
    """Of a Student t; scipy's is twenty times slower."""
    constant = math.lgamma(0.5 * tails + 0.5) - math.lgamma(0.5 * tails) - 0.5 * math.log(math.pi * tails)
    return constant - np.log(scale) - 0.5 * (tails + 1.0) * np.log1p((errors / scale) ** 2 / tails)


def fit_regression(logs: Sequence[WheelRows], horizon: float, *, depends_on_activity: bool) -> RateRegression:
    """Fit the strongest regression of its family.

    Args:
        logs: One or more; with one, its two halves take turns in being left out.
        horizon: From the last rates used to the rates to predict [s].
        depends_on_activity: Whether the spread of its errors may grow with what the wheels and rates do.
    """
    scale = np.concatenate([
        np.sqrt(np.mean(np.concatenate([r.rate_b for r in logs]) ** 2, axis=0)),
        np.sqrt(np.mean(np.concatenate([r.wheel_speed for r in logs]) ** 2, axis=0)),
    ]) + 1e-9  # fmt: skip
    cut = [(rows, cut_windows(rows, horizon, overlapping=True)) for rows in logs]
    if len(cut) == 1:
        rows, windows = cut[0]
        cut = [(rows, half) for half in np.array_split(windows, 2)]
    best: tuple[float, RateRegression] | None = None
    for with_products in (False, True):
        data = [(_features(r, w, scale, with_products), r.rate_b[w[:, 1]]) for r, w in cut]
        for ridge in RIDGES:
            held_out = [
                y - x @ _solve([d for m, d in enumerate(data) if m != k], ridge) for k, (x, y) in enumerate(data)
            ]
            errors = np.concatenate(held_out)
            model = fit_error_model(errors, np.ones((len(errors), 3, 1)))
            score = float(_log_density(errors, model.spread(np.ones((1, 3, 1))), model.tails).mean())
            if best is None or score > best[0]:
                if depends_on_activity:
                    model = fit_error_model(errors, np.concatenate([_activity(r, w) for r, w in cut]))
                best = score, RateRegression(with_products=with_products, ridge=ridge, scale=scale, errors=model,
                                             coefficients=_solve(data, ridge),
                                             depends_on_activity=depends_on_activity)  # fmt: skip
    assert best is not None
    return best[1]


def _features(rows: WheelRows, windows: Ints, scale: Floats, with_products: bool) -> Floats:  # noqa: FBT001 -- one of a grid
    start, end = windows.T
    rate, before, after = (
        rows.rate_b[start] / scale[:3],
        rows.wheel_speed[start] / scale[3:],
        rows.wheel_speed[end] / scale[3:],
    )
    linear = np.concatenate([rate, before, after], axis=1)
    parts = [np.ones((len(windows), 1)), linear]
    if with_products:
        parts += [np.einsum("ni,nj->nij", rate, linear).reshape(len(windows), -1)]
        parts += [np.einsum("ni,nj->nij", before, after).reshape(len(windows), -1)]
    return np.concatenate(parts, axis=1)


def _activity(rows: WheelRows, windows: Ints) -> Floats:
    """What the spread may grow with: 1, the wheels' turn-up, their acceleration at the window's end, the rates."""
    start, end = windows.T
    one = np.ones((len(windows), 3, 1))
    turn_up = np.abs(rows.wheel_speed[end] - rows.wheel_speed[start])
    gap = np.maximum(rows.time[end] - rows.time[end - 1], 1.0)[:, None]
    acceleration = np.abs(rows.wheel_speed[end] - rows.wheel_speed[end - 1]) / gap
    rate = np.linalg.norm(rows.rate_b[start], axis=1)[:, None].repeat(3, axis=1)
    total = np.linalg.norm(turn_up, axis=1)[:, None].repeat(3, axis=1)
    return np.concatenate([one, np.stack([turn_up, total, acceleration, rate], axis=-1)], axis=-1)


def _solve(data: Sequence[tuple[Floats, Floats]], ridge: float) -> Floats:
    x, y = (np.concatenate(part) for part in zip(*data, strict=True))
    penalty = np.full(x.shape[1], ridge)
    penalty[:10] *= 0.01  # the constant and the linear part are scaled to 1 and needed
    return np.linalg.solve(x.T @ x + np.diag(penalty), x.T @ y)
