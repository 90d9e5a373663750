# SPDX-License-Identifier: Apache-2.0
"""Validation: the step model against a table of measured steps, beside two baselines. Fits nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from stope.base.errors import FileError
from stope.cluster.fitting import amdahl_time, constant_time, family, scores
from stope.cluster.layouts import MEMORY_LIMIT, fabric_of, layout_memory
from stope.cluster.measured import MeasuredStep, Refused, read_table
from stope.cluster.training_step import fitted, shipped_coefficients, step_terms

__all__ = ["validate_table"]

WIDER = 1.25
"""Factor on an interval for each thing a row left open, at most three times (chosen)."""
MEASURED = ("vtrain-a100", "dgx-a100", "megascale-a100", "dgx-h100")
"""Machines that calibration rows were measured on."""
UNMEASURED = 1.5
"""Factor on an interval on any other machine (chosen)."""
BASELINES = ("constant_efficiency", "amdahl")


def validate_table(path: Path | str) -> dict[str, Any]:
    """Predict every row of a table with the coefficients of the package.

    Returns:
        `n`, `median_ape`, `mape`, `p90_ape`, `interval_coverage` over all rows, the same under `baselines`, by machine
        under `systems`, and under `rows` each row with the same figures of its own; `refused` rows with their reason.
        `amdahl_serial_share` is that of the baseline; at 0, its best on the calibration rows, both baselines are one.

    Raises:
        FileError: a table that cannot be read, or of which no row can be predicted.
    """
    rows, ignored = read_table(path)
    steps = [row for row in rows if isinstance(row, MeasuredStep)]
    refused = [{"line": row.line, "why": row.why} for row in rows if isinstance(row, Refused)]
    if not steps:
        first = refused[0]
        raise FileError(f"{path}: no row can be predicted; line {first['line']}: {first['why']}")
    told = [_told(step) for step in steps]
    systems = sorted({row["system"] for row in told})
    return _over(told) | {
        "table": str(path),
        "interval": 0.8,
        "rows": told,
        "refused": refused,
        "ignored_columns": list(ignored),
        "systems": {name: _over([row for row in told if row["system"] == name]) for name in systems},
        "fitted_on": fitted()["fitted_on"],
        "amdahl_serial_share": fitted()["baselines"]["amdahl"]["serial"],
    }


def _told(step: MeasuredStep) -> dict[str, Any]:
    """What is said of one row."""
    left = fitted()
    terms = step_terms(step.model, step.layout, fabric_of(step.system), shipped_coefficients())
    seconds = float(cast("float", sum(terms.values())))
    widen = WIDER ** min(len(step.assumed), 3)
    widen *= 1.0 if step.system.name in MEASURED else UNMEASURED
    constant, amdahl = left["baselines"]["constant_efficiency"], left["baselines"]["amdahl"]
    times = {
        "model": (seconds, left["half_width"][family(step)] * widen),
        "constant_efficiency": (constant_time(step, constant["efficiency"]), constant["half_width"][family(step)]),
        "amdahl": (amdahl_time(step, amdahl["efficiency"], amdahl["serial"]), amdahl["half_width"][family(step)]),
    }
    memory = layout_memory(step.model, step.layout) / step.system.memory.value
    notes = [*step.notes, *(["memory over 90 %: allocators thrash, expect longer"] if memory > MEMORY_LIMIT else [])]
    losses = {name: float(value) for name, value in terms.items()}
    return {
        "line": step.line,
        "system": step.system.name,
        "source": step.source,
        "parameters_billion": step.model.parameters / 1e9,
        "gpus": step.layout.devices,
        "measure": step.measure,
        "measured_ms": 1e3 * step.seconds,
        "predicted_ms": 1e3 * seconds,
        "low_ms": 1e3 * seconds * math.exp(-times["model"][1]),
        "high_ms": 1e3 * seconds * math.exp(times["model"][1]),
        "ape": abs(seconds / step.seconds - 1.0),
        "terms_ms": {name: 1e3 * value for name, value in losses.items()},
        "largest_loss": max((name for name in losses if name != "compute"), key=lambda name: losses[name]),
        "memory_share": memory,
        "assumed": list(step.assumed),
        "notes": notes,
        "half_widths": {name: width for name, (_, width) in times.items()},
        "times_s": {name: value for name, (value, _) in times.items()},
        **_scores([step.seconds], [times["model"]]),
        "baselines": {name: _scores([step.seconds], [times[name]]) for name in BASELINES},
    }


def _scores(measured: Sequence[float], predicted: Sequence[tuple[float, float]]) -> dict[str, float]:
    return scores([p for p, _ in predicted], measured, [w for _, w in predicted])


def _over(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures over several rows."""
    measured = [row["measured_ms"] / 1e3 for row in rows]

    def of(name: str) -> dict[str, float]:
        return _scores(measured, [(row["times_s"][name], row["half_widths"][name]) for row in rows])

    return {"n": len(rows), **of("model"), "baselines": {name: of(name) for name in BASELINES}}
