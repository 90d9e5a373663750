# SPDX-License-Identifier: Apache-2.0
"""The answer of `stope flight predict`: figures at each horizon and log, what was learned, and who the rival was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stope.base.errors import ConfigError
from stope.base.progress import Progress, silent
from stope.base.seeding import generator
from stope.flight.formats import read_log
from stope.flight.gyrostat import NOISES, WheelRows, unpack
from stope.flight.rate_prediction import (
    HORIZONS,
    MAIN_HORIZON,
    Judged,
    RatePredictor,
    fit_predictor,
    judge_logs,
    summarise,
)
from stope.flight.rate_windows import wheel_rows

__all__ = ["KEYS", "answer", "leave_one_out", "predict_logs"]

KEYS = ("coverage_50", "coverage_90", "winkler_ratio", "log_score_gain", "raw_coverage_50", "raw_coverage_90")
"""Figures at 10 s that stand at the top of the answer."""


def predict_logs(
    fit: Sequence[Path], test: Sequence[Path], *, seed: int, progress: Progress = silent
) -> dict[str, Any]:
    """Fit some logs, predict others.

    Args:
        fit: Logs to learn from, of any format with channels `rate_b` and `wheel_speed`.
        test: Logs of the same vehicle to predict.
        seed: Root seed of draws and resampling.
        progress: Told of the stages.

    Raises:
        ConfigError: without a log on either side, or with one on both.
        FlightError: for a log that cannot be used.
    """
    if not fit or not test:
        raise ConfigError(f"{len(fit)} logs to fit, {len(test)} to test: expected one or more of each.")
    both = {p.resolve() for p in fit} & {p.resolve() for p in test}
    if both:
        raise ConfigError(f"{min(both).name}: in --fit and in --test: expected different logs.")
    learned = [wheel_rows(read_log(p)) for p in fit]
    unseen = [wheel_rows(read_log(p)) for p in test]
    predictor = fit_predictor(learned, seed=seed, progress=progress)
    judged = {h: judge_logs(predictor, unseen, h) for h in HORIZONS}
    plain = {h: judge_logs(predictor, unseen, h, against_plain=True) for h in HORIZONS}
    return answer(judged, plain, seed=seed) | {
        "fit": [rows.name for rows in learned], "test": [rows.name for rows in unseen],
        "learned": _learned(predictor), "rival": _rival(predictor),
    }  # fmt: skip


def leave_one_out(logs: Sequence[WheelRows], *, seed: int, progress: Progress = silent) -> dict[str, Any]:
    """Predict each log from all others, and pool the windows.

    Raises:
        ConfigError: with fewer than two logs.
    """
    if len(logs) < 2:
        raise ConfigError(f"{len(logs)} logs: expected two or more, to leave one out.")
    judged: dict[float, list[Judged]] = {h: [] for h in HORIZONS}
    plain: dict[float, list[Judged]] = {h: [] for h in HORIZONS}
    rivals: dict[str, Any] = {}
    learned: dict[str, Any] = {}
    for k, left_out in enumerate(logs):
        predictor = fit_predictor([rows for m, rows in enumerate(logs) if m != k], seed=seed)
        for horizon in HORIZONS:
            judged[horizon] += judge_logs(predictor, [left_out], horizon)
            plain[horizon] += judge_logs(predictor, [left_out], horizon, against_plain=True)
        learned[left_out.name], rivals[left_out.name] = _learned(predictor), _rival(predictor)
        progress("leave one out", (k + 1) / len(logs))
    return answer(judged, plain, seed=seed) | {"learned_without": learned, "rival_without": rivals}


def answer(judged: dict[float, list[Judged]], plain: dict[float, list[Judged]], *, seed: int) -> dict[str, Any]:
    """Figures over all windows, at each horizon, and for each log at the main one."""
    horizons = {f"{h:g}": summarise(judged[h], seed=seed) for h in HORIZONS}
    main = horizons[f"{MAIN_HORIZON:g}"]
    weaker = {f"{h:g}": summarise(plain[h], seed=seed) for h in HORIZONS}
    return {
        **{key: main[key] for key in KEYS},
        "band_50": main["band_50"], "band_90": main["band_90"], "windows": main["windows"],
        "horizons": horizons,
        "against_plain_regression": {
            h: {key: s[key] for key in ("winkler_ratio", "log_score_gain", "interval", "rival_coverage_50",
                                        "rival_coverage_90")} for h, s in weaker.items()
        },
        "logs": {j.name: summarise([j], seed=seed) for j in judged[MAIN_HORIZON]},
    }  # fmt: skip


def _learned(predictor: RatePredictor) -> dict[str, Any]:
    """What the belief says, with 90 % intervals: inertia and axes over the first wheel's inertia."""
    belief = predictor.belief
    draws = [unpack(t, belief.sign) for t in belief.draws(1000, generator(0, "gyrostat-intervals"))]
    inertia, axes = np.array([d.inertia for d in draws]), np.array([d.axes for d in draws])
    mean = unpack(belief.mean, belief.sign)
    return {
        "inertia_over_wheel": mean.inertia.tolist(), "inertia_low": np.quantile(inertia, 0.05, axis=0).tolist(),
        "inertia_high": np.quantile(inertia, 0.95, axis=0).tolist(), "axes": mean.axes.tolist(),
        "axes_low": np.quantile(axes, 0.05, axis=0).tolist(), "axes_high": np.quantile(axes, 0.95, axis=0).tolist(),
        "wheel_speed_later_s": mean.shift, "noise": dict(zip(NOISES, mean.noise.tolist(), strict=True)),
        "own_error": {f"{h:g}": {"weights": e.weights.tolist(), "tails": e.tails} for h, e in predictor.errors.items()},
    }  # fmt: skip


def _rival(predictor: RatePredictor) -> dict[str, Any]:
    """What the regressions chose."""
    return {
        f"{h:g}": {"with_products": r.with_products, "ridge": r.ridge, "tails": r.errors.tails,
                   "spread_depends_on_activity": r.depends_on_activity} for h, r in predictor.rivals.items()
    }  # fmt: skip
