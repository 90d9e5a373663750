# SPDX-License-Identifier: Apache-2.0
"""What one flight log is worth: stand-in flights, each fitted and scored against its hidden truth.

For each log: does the 90 % interval of each parameter hold the hidden truth, and how long did the fit take? For the
first ten, with paired starts and noise: how well does the same policy dock in the true world when it is told the prior,
and when it is told the belief? The parameters of one log go together (all gains share the mass), so ten logs say little
of coverage: forty are fitted, the first ten stand beside them, and each share has the band in which exactly calibrated
beliefs with the same correlations would be. Stand-in flights come from `proving_ground`, an
independent engine in its own process; it and stope meet in files. Each log's row is kept in the work folder, so a
killed run goes on.

    python benchmarks/flight.py --json
    python benchmarks/flight.py --logs 4 --docking-logs 2
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from stope.base.files import read_json, write_json
from stope.base.intervals import binomial_band, mean_interval
from stope.base.seeding import generator
from stope.flight import load_flight
from stope.flight.effect import before_and_after, coverage, load_truth, sum_band, sum_distribution
from stope.flight.fit import fit_flight
from stope.learn.policies import MlpPolicy
from stope.learn.store import trained_flight
from stope.learn.train import SiteConfig, TrainConfig
from stope.world.robots import load_robot

ROOT = Path(__file__).parents[1]
LEVEL = 0.9


def stand_in(seed: int, minutes: float, folder: Path) -> Path:
    """The flight of a seed, flown by the proving ground if it is not there."""
    log = folder / f"log-{seed:04d}"
    if not log.exists():
        command = [sys.executable, "-m", "proving_ground", "fly", "--seed", str(seed), "--minutes", str(minutes)]
        subprocess.run([*command, "--out", str(log)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return log


def score(log: Path, policy: MlpPolicy | None, config: TrainConfig, *, num: int, threads: int) -> dict[str, Any]:
    """Fit one log and score the belief against the truth it never saw."""
    flight, truth = load_flight(log), load_truth(log / "truth.json")
    robot = load_robot(flight.robot)
    place = flight.site
    site = SiteConfig(body=place.body, latitude_deg=place.latitude_deg, longitude_deg=place.longitude_deg,
                      height=place.height).site()  # fmt: skip
    start = time.perf_counter()
    belief = fit_flight(flight, robot, site, seed=1, num_threads=threads)
    row: dict[str, Any] = {"log": log.name, "fit_s": time.perf_counter() - start,
                           "normalised_error": belief.provenance["normalised_error"],
                           **coverage(belief, robot, truth, level=LEVEL)}  # fmt: skip
    row["sharper"] = {q["name"]: (q["high"] - q["low"]) / (q["prior_high"] - q["prior_low"]) for q in row["quantities"]}
    if policy is not None:
        row["docking"] = before_and_after(policy, belief, robot, site, task=config.task, num=num, seed=1, truth=truth,
                                          num_threads=threads)  # fmt: skip
    return row


def pooled(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Coverage over logs, with two bands of 95 %.

    `band` is the binomial one, as if the parameters of a log were independent. `band_if_calibrated` is where beliefs
    that are exactly right would be: for each log, the truth is drawn from its own belief instead, with all that goes
    together in it. `plain_band_holds` is how often such beliefs would lie in the binomial band; 95 % if it were valid.
    """
    free = [[q for q in row["quantities"] if "/" not in q["name"]] for row in rows]
    hits = np.array([[q["is_covered"] for q in log] for log in free], dtype=float)
    ratios = np.array([[q["is_covered"] for q in row["quantities"] if "/" in q["name"]] for row in rows], dtype=float)
    low, high = binomial_band(hits.size, LEVEL)
    counts = [row["counts"] for row in rows]
    own_low, own_high = sum_band(counts)
    total = sum_distribution(counts)
    spread = float(np.arange(hits.size + 1.0) ** 2 @ total - (np.arange(hits.size + 1.0) @ total) ** 2)
    by_name = {q["name"]: float(hits[:, k].mean()) for k, q in enumerate(free[0])}
    return {
        "level": LEVEL, "share": float(hits.mean()), "n": int(hits.size), "band": [low, high],
        "is_in_band": bool(low <= hits.mean() <= high),
        "band_if_calibrated": [own_low / hits.size, own_high / hits.size],
        "is_in_band_if_calibrated": bool(own_low <= hits.sum() <= own_high),
        "plain_band_holds": float(total[round(low * hits.size) : round(high * hits.size) + 1].sum()),
        "design_effect": spread / (hits.size * LEVEL * (1.0 - LEVEL)),
        "by_parameter": by_name, "by_log": [float(h) for h in hits.mean(axis=1)],
        "ratios_share": float(ratios.mean()), "ratios_n": int(ratios.size),
    }  # fmt: skip


def docking(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Final error before and after, log by log and over the logs."""
    pairs = [(r["docking"]["before"]["final_error_m"], r["docking"]["after"]["final_error_m"]) for r in rows]
    change = np.array([after - before for before, after in pairs])
    mean, low, high = mean_interval(change, rng=generator(1, "logs"))
    return {
        "before_m": [b for b, _ in pairs], "after_m": [a for _, a in pairs],
        "no_worse": [bool(a <= b) for b, a in pairs], "num_no_worse": int((change <= 0).sum()), "num_logs": len(rows),
        "mean_change_m": {"mean": mean, "low": low, "high": high},
        "success_before": [r["docking"]["before"]["success"] for r in rows],
        "success_after": [r["docking"]["after"]["success"] for r in rows],
        "n_per_log": rows[0]["docking"]["before"]["n"],
    }  # fmt: skip


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--logs", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--episodes", type=int, default=500, help="dockings per log, before and after each")
    parser.add_argument(
        "--docking-logs", type=int, default=10, help="logs, from the first, whose beliefs are docked with"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args()
    folder = given.runs / "bench-flight"
    config = TrainConfig()
    trained = trained_flight(config, given.runs, num_threads=given.threads)[0] if given.docking_logs else None
    rows = []
    for seed in range(1, given.logs + 1):
        policy = trained if seed <= given.docking_logs else None
        kept = folder / f"row2-{seed:04d}-{given.minutes:g}-{0 if policy is None else given.episodes}.json"
        if not kept.exists():
            log = stand_in(seed, given.minutes, folder)
            write_json(kept, score(log, policy, config, num=given.episodes, threads=given.threads))
        rows.append(read_json(kept, what="row"))
        sys.stderr.write(f"log {seed}: fit {rows[-1]['fit_s']:.0f} s, covered {rows[-1]['covered']}/{rows[-1]['n']}\n")
    times = [row["fit_s"] for row in rows]
    cover = pooled(rows)
    tens = [pooled(rows[k : k + 10]) for k in range(0, len(rows), 10)]
    result: dict[str, Any] = {
        "logs": len(rows), "minutes": given.minutes, "coverage": cover, "coverage_first_ten": tens[0],
        "shares_by_tens": [ten["share"] for ten in tens],
        "tens_in_band": [ten["is_in_band"] for ten in tens],
        "tens_in_band_if_calibrated": [ten["is_in_band_if_calibrated"] for ten in tens],
        "fit_s": {"median": float(np.median(times)), "max": max(times)},
        "mass_and_gain": "known only as gain over total mass: see ratios_share",
    }  # fmt: skip
    docked = [row for row in rows if "docking" in row]
    if docked:
        result["docking"] = docking(docked)
    if given.json:
        sys.stdout.write(json.dumps(result, indent=1, allow_nan=False) + "\n")
        return
    c = result["coverage"]
    lines = [
        f"{len(rows)} stand-in logs of {given.minutes:g} min",
        f"90 % intervals hold the truth: {100 * c['share']:.1f} % of {c['n']} (band {100 * c['band'][0]:.1f} to "
        f"{100 * c['band'][1]:.1f}; exactly calibrated beliefs would be in {100 * c['band_if_calibrated'][0]:.1f} to "
        f"{100 * c['band_if_calibrated'][1]:.1f})",
        f"gain over total mass: {100 * c['ratios_share']:.1f} % of {c['ratios_n']}",
        f"fit: median {result['fit_s']['median']:.0f} s, longest {result['fit_s']['max']:.0f} s",
    ]
    if docked:
        d = result["docking"]
        lines.append(
            f"docking error in the true world no worse after the flight in {d['num_no_worse']} of {len(docked)}"
        )
        lines += [f"  {row['log']}: {1000 * b:.1f} to {1000 * a:.1f} mm" for row, b, a
                  in zip(docked, d["before_m"], d["after_m"], strict=True)]  # fmt: skip
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
