# SPDX-License-Identifier: Apache-2.0
"""Predict a vehicle's body rates on flights the model never saw, and judge the intervals against a regression's.

Predictive distribution: for each axis a Student t about the mean over draws of the belief; its scale has the
filter's variance and that of the draws' means, times a factor per axis, with a floor. Factor, floor and the t's
degrees of freedom are the model's own error, fitted to what the belief leaves in the logs it was fitted to.

Widening: intervals of each level carry a factor that grows after a miss and falls after a hit, so that the share held
tends to the level whatever the errors are. It starts at 1 on every log, uses only windows that ended before, and the
regression gets the same. It may fall below 1: at 50 % an interval can be too wide as well as too narrow.

Source:
    Adaptive conformal inference: Gibbs and Candes 2021, arXiv 2106.00170; as quantile tracking: Angelopoulos, Candes
    and Tibshirani 2023, arXiv 2307.16895. Interval score: Gneiting and Raftery 2007, doi 10.1198/016214506000001437.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from scipy.stats import t as student_t

from stope.base.errors import FlightError
from stope.base.progress import Progress, silent
from stope.base.seeding import generator
from stope.flight.gyrostat import WheelRows, filter_rows, predict_rates, unpack
from stope.flight.gyrostat_fit import GyrostatBelief, fit_gyrostat
from stope.flight.rate_regression import ErrorModel, RateRegression, fit_error_model, fit_regression
from stope.flight.rate_windows import cut_windows, first_running

__all__ = ["HORIZONS", "MAIN_HORIZON", "Judged", "RatePredictor", "fit_predictor", "judge_logs", "summarise"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HORIZONS = (4.0, 10.0, 20.0)
"""Predicted [s]."""
MAIN_HORIZON = 10.0
"""The horizon whose figures are the answer [s]."""
LEVELS = (0.5, 0.9)
NUM_DRAWS = 16
"""Of the belief (measured: 16 and 64 give the same coverage to a window)."""
LEARNING_RATE = 0.5
"""Of the logarithm of a widening factor, for one window wholly missed (chosen before any test: a miss of a 90 %
interval widens it by half, a hit narrows it by 5 %)."""
NUM_RESAMPLES = 2000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RatePredictor:
    """A belief about a vehicle, its own error at each horizon, and its rival."""

    belief: GyrostatBelief
    thetas: Floats
    """Draws of the belief (draws, NUM_THETA)."""
    errors: dict[float, ErrorModel]
    """Own error, by horizon."""
    rivals: dict[float, RateRegression]
    """The strongest regression, by horizon: the spread of its errors depends on what wheels and rates do."""
    plain_rivals: dict[float, RateRegression]
    """The same with one spread for each axis, by horizon."""

    def predict(self, rows: WheelRows, windows: Ints, horizon: float) -> tuple[Floats, Floats, float]:
        """Mean and scale (windows, 3) [rad/s] of the rates at the end of windows, and degrees of freedom."""
        mean, deviation = _mixture(self.thetas, self.belief.sign, rows, windows)
        model = self.errors[horizon]
        return mean, model.spread(_measures(deviation)), model.tails


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """One log's windows at one horizon: what was predicted, by both, and what was held. Arrays (windows, 3)."""

    name: str
    log_score: Floats
    rival_log_score: Floats
    raw_held: dict[float, Floats]
    held: dict[float, Floats]
    interval_score: Floats
    """Of the 90 % interval after widening [rad/s]."""
    rival_interval_score: Floats
    rival_held: dict[float, Floats]
    error: Floats
    """Predicted minus measured [rad/s]."""
    rival_error: Floats


def fit_predictor(logs: Sequence[WheelRows], *, seed: int, progress: Progress = silent) -> RatePredictor:
    """Fit belief, own error and rival to the same logs.

    Args:
        logs: One or more, of one vehicle.
        seed: Root seed of the draws.
        progress: Told of the stages "fit gyrostat" and "fit regression".

    Raises:
        FlightError: if the logs together hold too few windows of a horizon.
    """
    belief = fit_gyrostat(logs, on_step=lambda share: progress("fit gyrostat", share))
    thetas = belief.draws(NUM_DRAWS, generator(seed, "gyrostat-draws"))
    errors: dict[float, ErrorModel] = {}
    rivals: dict[float, RateRegression] = {}
    plain: dict[float, RateRegression] = {}
    for n, horizon in enumerate(HORIZONS):
        left, deviations = list[Floats](), list[Floats]()
        for rows in logs:
            windows = cut_windows(rows, horizon, overlapping=True)
            mean, deviation = _mixture(thetas, belief.sign, rows, windows)
            left.append(mean - rows.rate_b[windows[:, 1]])
            deviations.append(deviation)
        if sum(map(len, left)) < 4:
            raise FlightError(
                f"logs {', '.join(belief.logs)}: fewer than 4 windows of {horizon:g} s: expected more rows."
            )
        errors[horizon] = fit_error_model(np.concatenate(left), _measures(np.concatenate(deviations)))
        rivals[horizon] = fit_regression(logs, horizon, depends_on_activity=True)
        plain[horizon] = fit_regression(logs, horizon, depends_on_activity=False)
        progress("fit regression", (n + 1) / len(HORIZONS))
    return RatePredictor(belief=belief, thetas=thetas, errors=errors, rivals=rivals, plain_rivals=plain)


def judge_logs(
    predictor: RatePredictor, logs: Sequence[WheelRows], horizon: float, *, against_plain: bool = False
) -> list[Judged]:
    """Predict logs that were not fitted, window by window, and score them.

    Args:
        predictor: From `fit_predictor`.
        logs: Of the same vehicle.
        horizon: One of `HORIZONS` [s].
        against_plain: Score against the regression with one spread for each axis.

    Raises:
        FlightError: if a log holds no window.
    """
    out: list[Judged] = []
    for rows in logs:
        windows = cut_windows(rows, horizon)
        if not len(windows):
            raise FlightError(f"log {rows.name}: no window of {horizon:g} s: expected rows closer together.")
        seen = rows.rate_b[windows[:, 1]]
        mean, scale, tails = predictor.predict(rows, windows, horizon)
        rival = (predictor.plain_rivals if against_plain else predictor.rivals)[horizon]
        rival_mean, rival_scale = rival.predict(rows, windows)
        ours = {p: _track(seen - mean, scale * _quantile(p, tails), p) for p in LEVELS}
        theirs = {p: _track(seen - rival_mean, rival_scale * _quantile(p, rival.errors.tails), p) for p in LEVELS}
        out.append(Judged(
            name=rows.name,
            log_score=student_t.logpdf(seen, tails, loc=mean, scale=scale),
            rival_log_score=student_t.logpdf(seen, rival.errors.tails, loc=rival_mean, scale=rival_scale),
            raw_held={p: (np.abs(seen - mean) <= scale * _quantile(p, tails)).astype(np.float64) for p in LEVELS},
            held={p: held for p, (_, held) in ours.items()},
            interval_score=_interval_score(seen - mean, ours[0.9][0]),
            rival_interval_score=_interval_score(seen - rival_mean, theirs[0.9][0]),
            rival_held={p: held for p, (_, held) in theirs.items()},
            error=mean - seen, rival_error=rival_mean - seen,
        ))  # fmt: skip
    return out


def summarise(judged: Sequence[Judged], *, seed: int) -> dict[str, Any]:
    """Figures over all windows and axes of some logs, with bands and intervals from resampling whole windows."""

    def over(pick: Callable[[Judged], Floats]) -> Floats:
        return np.concatenate([pick(j) for j in judged])

    columns = {
        "coverage_50": over(lambda j: j.held[0.5]), "coverage_90": over(lambda j: j.held[0.9]),
        "raw_coverage_50": over(lambda j: j.raw_held[0.5]), "raw_coverage_90": over(lambda j: j.raw_held[0.9]),
        "rival_coverage_50": over(lambda j: j.rival_held[0.5]), "rival_coverage_90": over(lambda j: j.rival_held[0.9]),
        "log_score_gain": over(lambda j: j.log_score - j.rival_log_score),
    }  # fmt: skip
    score, rival = over(lambda j: j.interval_score), over(lambda j: j.rival_interval_score)
    num = len(score)
    picks = generator(seed, "windows").integers(0, num, (NUM_RESAMPLES, num))
    out: dict[str, Any] = {name: float(values.mean()) for name, values in columns.items()}
    out["winkler_ratio"] = float(score.sum() / rival.sum())
    out["winkler_ratio_by_axis"] = (score.sum(axis=0) / rival.sum(axis=0)).tolist()
    out["interval"] = {name: _ends(values.mean(axis=1)[picks].mean(axis=1)) for name, values in columns.items()}
    ratio = score.sum(axis=1)[picks].sum(axis=1) / rival.sum(axis=1)[picks].sum(axis=1)
    out["interval"]["winkler_ratio"] = _ends(ratio)
    for level in LEVELS:
        band = [float(binom.ppf(q, 3 * num, level)) / (3 * num) for q in (0.025, 0.975)]
        out[f"band_{round(100 * level)}"] = band
    error, rival_error = over(lambda j: j.error), over(lambda j: j.rival_error)
    out["rms_error_radps"] = np.sqrt(np.mean(error**2, axis=0)).tolist()
    out["rival_rms_error_radps"] = np.sqrt(np.mean(rival_error**2, axis=0)).tolist()
    out["windows"] = num
    return out


def _mixture(thetas: Floats, sign: float, rows: WheelRows, windows: Ints) -> tuple[Floats, Floats]:
    """Mean and standard deviation (windows, 3) over draws of the belief."""
    first = first_running(rows)
    means, variances = list[Floats](), list[Floats]()
    for theta in thetas:
        model = unpack(theta, sign)
        mean, covariance = predict_rates(rows, model, filter_rows(rows, model, first), windows)
        means.append(mean)
        variances.append(np.einsum("nii->ni", covariance))
    return np.mean(means, axis=0), np.sqrt(np.mean(variances, axis=0) + np.var(means, axis=0))


def _measures(deviation: Floats) -> Floats:
    """What the spread of our errors may grow with: the stated deviation, and 1."""
    return np.stack([deviation, np.ones_like(deviation)], axis=-1)


def _quantile(level: float, tails: float) -> float:
    return float(student_t.ppf(0.5 + 0.5 * level, tails))


def _track(error: Floats, half_width: Floats, level: float) -> tuple[Floats, Floats]:
    """Half widths after widening, and which held (windows, 3); each axis has its own factor."""
    factor = np.zeros(3)
    widths, held = np.empty_like(error), np.empty_like(error)
    for n in range(len(error)):
        widths[n] = half_width[n] * np.exp(factor)
        held[n] = np.abs(error[n]) <= widths[n]
        factor += LEARNING_RATE * ((1.0 - held[n]) - (1.0 - level))
    return widths, held


def _interval_score(error: Floats, half_width: Floats, level: float = 0.9) -> Floats:
    return 2.0 * half_width + 2.0 / (1.0 - level) * np.maximum(np.abs(error) - half_width, 0.0)


def _ends(values: Floats) -> list[float]:
    return [float(q) for q in np.quantile(values, (0.025, 0.975))]
