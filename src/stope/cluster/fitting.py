# SPDX-License-Identifier: Apache-2.0
"""Fit of the step model to measured steps, its cross-validation, and the two baselines it must beat.

Intervals are conformal: half of their width in log time is the 80 % quantile of what leaving rows out missed, one for
the cluster most rows come from and one for every other machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import astuple, fields
from typing import Any, cast

import numpy as np

from stope.base.progress import Progress, silent
from stope.cluster.layouts import fabric_of
from stope.cluster.measured import DEFAULT_SYSTEM, START, MeasuredStep, executed_flops
from stope.cluster.training_step import Coefficients, step_terms

__all__ = ["INTERVAL", "amdahl_time", "constant_time", "cross_validate", "family", "fit", "fit_amdahl", "fit_constant",
           "half_width", "predict", "scores", "summary"]  # fmt: skip

INTERVAL = 0.8
"""Share of rows an interval should hold."""
_LOW = Coefficients(arithmetic=0.2, traffic=0.0, inside=0.1, across=0.1, layer_overhead=0.0, hidden=0.0)
_HIGH = Coefficients(arithmetic=1.0, traffic=10.0, inside=1.0, across=1.0, layer_overhead=2e-2, hidden=0.95)
"""Bounds; nothing hides all of its communication, so that share stays under 0.95 (chosen)."""
_SCALE = (0.5, 1.0, 0.5, 0.5, 1e-3, 0.5)
ROBUST = 0.05
"""Log error from which a row pulls with constant force: one row of thrashing memory should not bend the model."""


def predict(step: MeasuredStep, c: Coefficients) -> float:
    """Time of a step [s]."""
    return float(cast("float", sum(step_terms(step.model, step.layout, fabric_of(step.system), c).values())))


def family(step: MeasuredStep) -> str:
    """Which interval a step gets: the cluster most rows were measured on, or any other."""
    return "fitted cluster" if step.system.name == DEFAULT_SYSTEM else "other machine"


def fit(steps: Sequence[MeasuredStep]) -> Coefficients:
    """The coefficients of least robust error of log time."""
    from scipy.optimize import least_squares  # noqa: PLC0415 -- heavy, and only a fit needs it

    names = [f.name for f in fields(Coefficients)]

    def error(values: Sequence[float]) -> list[float]:
        c = Coefficients(**{n: float(v) for n, v in zip(names, values, strict=True)})
        return [math.log(predict(step, c) / step.seconds) for step in steps]

    found = least_squares(error, astuple(START), bounds=(astuple(_LOW), astuple(_HIGH)), loss="soft_l1",
                          f_scale=ROBUST, x_scale=_SCALE)  # fmt: skip
    return Coefficients(**{n: float(v) for n, v in zip(names, found.x, strict=True)})


def constant_time(step: MeasuredStep, efficiency: float) -> float:
    """Time of a step at a constant share of the peak [s]: the baseline that knows neither network nor layout."""
    return executed_flops(step.model, step.layout) / (step.layout.devices * step.system.peak.value * efficiency)


def fit_constant(steps: Sequence[MeasuredStep]) -> float:
    """The share of the peak with the least absolute log error: the median."""
    return float(np.exp(np.median([math.log(constant_time(s, 1.0) / s.seconds) for s in steps])))


def amdahl_time(step: MeasuredStep, efficiency: float, serial: float) -> float:
    """Time of a step by Amdahl's law [s]: a share `serial` of the work runs on one device, the rest on all."""
    one = executed_flops(step.model, step.layout) / (step.system.peak.value * efficiency)
    return one * (serial + (1.0 - serial) / step.layout.devices)


def fit_amdahl(steps: Sequence[MeasuredStep]) -> tuple[float, float]:
    """Efficiency and serial share of least absolute log error, over shares 0 and 1e-7 to 1e-2.

    A share of 0 is the bound, and makes `amdahl_time` equal `constant_time`. It is what the calibration rows give:
    their larger jobs train larger models at a higher share of the peak, where Amdahl's law with one serial share for
    all jobs can only let it fall. Rows made by the law give their share back (tests/cluster/test_validation.py).
    """
    best = (math.inf, 1.0, 0.0)
    for serial in (0.0, *np.logspace(-7, -2, 101).tolist()):
        logs = [math.log(amdahl_time(s, 1.0, serial) / s.seconds) for s in steps]
        middle = float(np.median(logs))
        error = float(np.mean(np.abs(np.array(logs) - middle)))
        best = min(best, (error, math.exp(middle), serial))
    return best[1], best[2]


def half_width(log_errors: Sequence[float]) -> float:
    """Conformal half-width: the quantile of absolute log errors that holds `INTERVAL` of one more row."""
    ordered = sorted(abs(e) for e in log_errors)
    return ordered[min(len(ordered), math.ceil((len(ordered) + 1) * INTERVAL)) - 1]


def scores(predicted: Sequence[float], measured: Sequence[float], half_widths: Sequence[float]) -> dict[str, float]:
    """`median_ape`, `mape`, `p90_ape` of predicted times, and the share of measured ones in their intervals."""
    p, m = np.asarray(predicted), np.asarray(measured)
    ape = np.abs(p / m - 1.0)
    inside = np.abs(np.log(p / m)) <= np.asarray(half_widths) + 1e-12
    return {"median_ape": float(np.median(ape)), "mape": float(np.mean(ape)),
            "p90_ape": float(np.quantile(ape, 0.9)), "interval_coverage": float(np.mean(inside))}  # fmt: skip


def cross_validate(
    steps: Sequence[MeasuredStep],
    group: Callable[[MeasuredStep], Hashable],
    *,
    progress: Progress = silent,
    stage: str = "leave one out",
) -> dict[str, list[float]]:
    """Log errors of each step when its group is left out of the fit, of the model and both baselines.

    Args:
        steps: All of them.
        group: What is left out together: a row, a size, a publication.
        progress: Told the share done.
        stage: Its name.
    """  # fmt: skip
    found: dict[str, list[float]] = {name: [math.nan] * len(steps) for name in ("model", "constant", "amdahl")}
    keys = [group(step) for step in steps]
    groups = list(dict.fromkeys(keys))
    for done, key in enumerate(groups, start=1):
        rest = [s for s, k in zip(steps, keys, strict=True) if k != key]
        c, efficiency, amdahl = fit(rest), fit_constant(rest), fit_amdahl(rest)
        for i, step in enumerate(steps):
            if keys[i] == key:
                found["model"][i] = math.log(predict(step, c) / step.seconds)
                found["constant"][i] = math.log(constant_time(step, efficiency) / step.seconds)
                found["amdahl"][i] = math.log(amdahl_time(step, *amdahl) / step.seconds)
        progress(stage, done / len(groups))
    return found


def summary(log_errors: Sequence[float], half_widths: Sequence[float]) -> dict[str, Any]:
    """`scores` of log errors."""
    return scores([math.exp(e) for e in log_errors], [1.0] * len(log_errors), half_widths)
