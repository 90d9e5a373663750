# SPDX-License-Identifier: Apache-2.0
"""The step model of `stope.cluster`: its fit to measured steps, and what leaving rows out says of it.

python benchmarks/cluster.py --json          # cross-validation on benchmarks/cluster_calibration.csv, a few minutes
python benchmarks/cluster.py --fit           # and write fitted.json of the package and docs/results/cluster-fit.json
python benchmarks/cluster.py --limits        # docs/results/cluster-limits.json and the pictures, half a minute
python benchmarks/cluster.py --machine       # arithmetic of one core, for systems/laptop.toml
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from stope.base.files import write_json
from stope.cluster.fitting import (
    cross_validate,
    family,
    fit,
    fit_amdahl,
    fit_constant,
    half_width,
    predict,
    scores,
    summary,
)
from stope.cluster.job import load_job
from stope.cluster.limit import limits, plans_beside
from stope.cluster.listing import trainable_systems
from stope.cluster.measured import MeasuredStep, read_table
from stope.cluster.system import load_system
from stope.view.plots.efficiency import draw_efficiency

TABLE = Path(__file__).parent / "cluster_calibration.csv"
FITTED = Path(__file__).parents[1] / "src" / "stope" / "cluster" / "fitted.json"
DOCS = Path(__file__).parents[1] / "docs"
JOBS = {
    "stope-dock": (),
    "stope-contact": ("laptop", "dgx-h100", "dgx-gh200", "cloudmatrix384", "ascend-910b"),
    "ppo-on-device": (),
    "dense-405b": ("dgx-h100", "gb200-nvl72", "cloudmatrix384", "atlas-950", "ceiba", "dgx-a100"),
}
"""Jobs of the page on limits, and the systems of each picture."""
FIGURES = ("mape", "median_ape", "p90_ape", "interval_coverage")
FAMILIES = ("fitted cluster", "other machine")
GROUPS: dict[str, Callable[[MeasuredStep], Hashable]] = {
    "leave one out": lambda step: step.line,
    "leave one size out": lambda step: round(step.model.parameters / 1e9),
    "leave one publication out": lambda step: step.source,
}


def widths(errors: list[float], steps: list[MeasuredStep]) -> dict[str, float]:
    """Half-width of each family."""
    return {name: half_width([e for e, s in zip(errors, steps, strict=True) if family(s) == name]) for name in FAMILIES}


def coverage(errors: list[float], steps: list[MeasuredStep]) -> list[float]:
    """For each step the half-width of its family, the step itself not in it."""
    found: list[float] = []
    for i, step in enumerate(steps):
        rest = [e for j, (e, s) in enumerate(zip(errors, steps, strict=True)) if j != i and family(s) == family(step)]
        found.append(half_width(rest))
    return found


def validate(steps: list[MeasuredStep]) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Scores of each way of leaving out, and log errors for the widths of intervals.

    Those are of leaving one row out on the cluster most rows come from, and of leaving its publication out elsewhere: a
    new row of that cluster is like the others, a new publication is not.
    """
    found: dict[str, Any] = {}
    kept: dict[str, list[float]] = {}
    for name, group in GROUPS.items():
        errors = cross_validate(steps, group)
        for who, logs in errors.items():
            old = kept.get(who) or logs
            away = name == "leave one publication out"
            kept[who] = [
                e if away and family(s) != FAMILIES[0] else o for e, o, s in zip(logs, old, steps, strict=True)
            ]
        found[name] = {}
        for who, logs in errors.items():
            found[name][who] = summary(logs, coverage(logs, steps))
            for part in FAMILIES:
                of = [i for i, s in enumerate(steps) if family(s) == part]
                found[name][who][part] = summary([logs[i] for i in of], [coverage(logs, steps)[i] for i in of])
        found[name]["below_constant"] = 1.0 - found[name]["model"]["mape"] / found[name]["constant"]["mape"]
    return found, kept


def whole(steps: list[MeasuredStep], errors: dict[str, list[float]]) -> dict[str, Any]:
    """What the package ships: the fit to all steps, the widths of leaving one out, the baselines."""
    c, amdahl = fit(steps), fit_amdahl(steps)
    return {
        "coefficients": asdict(c),
        "half_width": widths(errors["model"], steps),
        "baselines": {
            "constant_efficiency": {"efficiency": fit_constant(steps), "half_width": widths(errors["constant"], steps)},
            "amdahl": {"efficiency": amdahl[0], "serial": amdahl[1], "half_width": widths(errors["amdahl"], steps)},
        },
        "fitted_on": f"{len(steps)} rows of benchmarks/cluster_calibration.csv, by benchmarks/cluster.py --fit",
        "in_sample": scores([predict(s, c) for s in steps], [s.seconds for s in steps], [1.0] * len(steps)),
    }


def machine() -> dict[str, float]:
    """Rate of float32 products of 2048 x 2048 on one core [TFLOP/s]: the median of 7."""
    a = np.random.default_rng(1).random((2048, 2048), dtype=np.float32)
    rates: list[float] = []
    for _ in range(7):
        begun = time.process_time()
        np.matmul(a, a)
        rates.append(2.0 * 2048.0**3 / (time.process_time() - begun) / 1e12)
    return {"tflops_per_core": median(rates), "low": min(rates), "high": max(rates)}


def write_limits() -> None:
    """What the page "The limit of the limitless cluster" shows: its tables and its pictures."""
    found: dict[str, Any] = {}
    for name, drawn in JOBS.items():
        job = load_job(name)
        found[name] = limits(job, list(trainable_systems()))
        if drawn:
            plans = plans_beside(job, [load_system(system) for system in drawn])
            draw_efficiency(plans, DOCS / f"cluster-{name}.png")
    write_json(DOCS / "results" / "cluster-limits.json", found)


def main() -> None:
    """Cross-validate, and fit if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--fit", action="store_true", help="write fitted.json")
    parser.add_argument("--limits", action="store_true", help="write what the documentation shows of limits")
    parser.add_argument("--machine", action="store_true", help="measure a core instead")
    args = parser.parse_args()
    if args.machine:
        sys.stdout.write(json.dumps(machine()) + "\n")
        return
    if args.limits:
        write_limits()
        return
    rows, _ = read_table(TABLE)
    steps = [row for row in rows if isinstance(row, MeasuredStep)]
    found, errors = validate(steps)
    shipped = whole(steps, errors)
    found |= {"shipped": shipped, "rows": len(steps)}
    if args.fit:
        write_json(FITTED, shipped)
        write_json(DOCS / "results" / "cluster-fit.json", found)
    if args.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    for name in GROUPS:
        for who in ("model", "constant", "amdahl"):
            s = found[name][who]
            figures = ", ".join(f"{key} {100 * s[key]:.1f} %" for key in FIGURES)
            sys.stdout.write(f"{name}, {who}: {figures}\n")


if __name__ == "__main__":
    main()
