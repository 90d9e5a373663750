# SPDX-License-Identifier: Apache-2.0
"""Whether beliefs are calibrated where the model is right: ranks and coverage over worlds of T0 and T1.

T0: flights imagined in stope's own worlds, truths drawn from the prior. T1: the proving ground's worlds of the same
physics under another scheme. Each world flies one experiment and is fitted; the rank of the truth among the particles
is uniform if beliefs are calibrated (simulation-based calibration), and intervals of 50 and 90 % hold it that often.
Each world's row is kept in the work folder, so a killed run goes on.

    python benchmarks/calibration.py --json                    # 300 worlds of T0, 3-minute logs
    python benchmarks/calibration.py --tier T1 --worlds 20     # the open worlds
    python benchmarks/calibration.py --tier T1 --workers 2 --threads 1 --sealed A,B,C    # a hundred of each seal
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kstwo

from stope.base.files import read_json, write_json
from stope.base.intervals import binomial_band
from stope.base.seeding import generator
from stope.base.workers import Unit, make_workers
from stope.flight import Flight, load_flight
from stope.flight.disturbance import ALWAYS
from stope.flight.effect import load_truth, sum_band
from stope.flight.experiment import Limits, imagine, make_experiment
from stope.flight.fit import fit_flight
from stope.learn.train import SiteConfig
from stope.world.physics import NUM_PARAMETERS, PARAMETERS
from stope.world.robots import Robot, load_robot

ROOT = Path(__file__).parents[1]
LEVELS = (0.5, 0.9)
NUM_POINTS = 41
"""Of a rank's distribution that are kept for the picture."""


def flight_of(tier: str, world: int, minutes: float, robot: Robot, folder: Path, commit: str) -> tuple[Flight, Any]:
    """A flight in a world, and its hidden z."""
    site = SiteConfig(body="ryugu", latitude_deg=30.0).site()
    experiment = make_experiment("random", robot, Limits(), minutes=minutes, seed=world)
    if tier == "T0":
        z = generator(world, "calibration").standard_normal((1, NUM_PARAMETERS))
        return imagine(experiment, robot, site, z, seed=world, disturbance=ALWAYS)[0], z[0]
    out = folder / f"{tier}-{world:03d}"
    if not out.exists():
        file, part = folder / f"experiment-{world:03d}.json", folder / f"{out.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        experiment.save(file, robot)
        number = world % 100 if commit else world  # a seal has a hundred worlds
        call = [sys.executable, "-m", "proving_ground", "experiment", str(file), "--tier", tier, "--out", str(part)]
        call += ["--worlds", str(number), *(["--sealed", commit] if commit else [])]
        subprocess.run(call, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        part.rename(out)
    found = next(out.iterdir())
    return load_flight(found), robot.prior.whiten(load_truth(found / "truth.json"))


def one(tier: str, world: int, minutes: float, folder: Path, commits: list[str], threads: int) -> dict[str, Any]:
    """A world's row, made where it is not there; a seal has a hundred worlds."""
    robot, commit = load_robot("bee-gas"), commits[world // 100 if len(commits) > 1 else 0]
    kept = folder / f"row-{tier}-{world:03d}-{minutes:g}-{commit[:12]}.json"
    if not kept.exists():
        flight, z = flight_of(tier, world, minutes, robot, folder / commit[:12], commit)
        write_json(kept, score(flight, z, robot, threads))
    return read_json(kept, what="row")


def score(flight: Flight, z: np.ndarray, robot: Robot, threads: int) -> dict[str, Any]:
    """Fit a flight, and where the truth is in the belief."""
    place = flight.site
    site = SiteConfig(body=place.body, latitude_deg=place.latitude_deg, longitude_deg=place.longitude_deg,
                      height=place.height).site()  # fmt: skip
    start, cpu = time.perf_counter(), time.process_time()
    belief = fit_flight(flight, robot, site, seed=1, num_threads=threads)
    took, worked = time.perf_counter() - start, time.process_time() - cpu
    free = np.flatnonzero(robot.prior.is_free)
    particles = belief.particles
    assert particles is not None
    ranks = (particles[:, free] < z[free]).mean(axis=0)
    row: dict[str, Any] = {"fit_s": took, "fit_cpu_s": worked, "ranks": ranks.tolist(),
                           "temperature": belief.provenance["temperature"]}  # fmt: skip
    for level in LEVELS:
        low, high = belief.interval(level)
        held = ((low <= particles) & (particles <= high))[:, free].sum(axis=1)
        row[f"covered_{round(100 * level)}"] = int(((low <= z) & (z <= high))[free].sum())
        row[f"counts_{round(100 * level)}"] = (np.bincount(held, minlength=len(free) + 1) / len(held)).tolist()
    return row


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--tier", choices=("T0", "T1", "T2", "T3"), default="T0")
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--sealed", default="", metavar="COMMIT,...", help="hashes that seal worlds, 100 each")
    parser.add_argument("--threads", type=int, default=2, help="of each fit")
    parser.add_argument("--workers", default="1", help="processes, or Ray's")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args()
    commits, folder = given.sealed.split(","), given.runs / "bench-calibration"
    for commit in commits:
        (folder / commit[:12]).mkdir(parents=True, exist_ok=True)
    units = [Unit(one, (given.tier, world, given.minutes, folder, commits, given.threads), f"world {world}")
             for world in range(given.worlds)]  # fmt: skip
    rows = make_workers(given.workers).do(units, progress=say)
    result = report(rows, load_robot("bee-gas")) | {"tier": given.tier, "worlds": given.worlds,
                                                    "minutes": given.minutes}  # fmt: skip
    sys.stdout.write(json.dumps(result, indent=1, allow_nan=False) + "\n" if given.json else lines(result))


def say(_: str, share: float) -> None:
    """Progress for a person, beside the JSON."""
    sys.stderr.write(f"{100 * share:.0f} %\n")


def report(rows: list[dict[str, Any]], robot: Robot) -> dict[str, Any]:
    """Coverage with its bands, and how far the ranks of each parameter lie from uniform."""
    free = np.flatnonzero(robot.prior.is_free)
    ranks, num = np.array([row["ranks"] for row in rows]), len(rows)
    steps = np.arange(1, num + 1) / num
    sorted_ranks = np.sort(ranks, axis=0)
    apart = np.maximum(np.abs(sorted_ranks - steps[:, None]), np.abs(sorted_ranks - steps[:, None] + 1.0 / num))
    out: dict[str, Any] = {"fit_s": {"median": float(np.median([r["fit_s"] for r in rows])),
                                     "max": max(r["fit_s"] for r in rows)},
                           "fit_cpu_s": {"median": float(np.median([r["fit_cpu_s"] for r in rows]))},
                           "temperature_max": max(r["temperature"] for r in rows),
                           "widened": sum(r["temperature"] > 1.0 for r in rows)}  # fmt: skip
    out["ks"] = {PARAMETERS[k].name: float(d) for k, d in zip(free, apart.max(axis=0), strict=True)}
    at = np.linspace(0.0, 1.0, NUM_POINTS)
    out["ranks_at"] = at.tolist()
    out["ranks_off"] = {PARAMETERS[k].name: np.round(np.searchsorted(sorted_ranks[:, j], at, "right") / num - at,
                                                     4).tolist() for j, k in enumerate(free)}  # fmt: skip
    out["ks_band"] = float(kstwo.ppf(1.0 - 0.05 / len(free), num))  # 5 % over all parameters together
    for level in (50, 90):
        total = len(free) * num
        covered = sum(r[f"covered_{level}"] for r in rows)
        low, high = sum_band([r[f"counts_{level}"] for r in rows])
        plain = binomial_band(total, level / 100)
        out[f"coverage_{level}"] = {"share": covered / total, "n": total, "band_if_calibrated": [low / total,
                                    high / total], "binomial_band": list(plain)}  # fmt: skip
    return out


def lines(result: dict[str, Any]) -> str:
    """For people."""
    text = [f"{result['worlds']} worlds of {result['tier']}, logs of {result['minutes']:g} min"]
    for level in (50, 90):
        c = result[f"coverage_{level}"]
        text.append(
            f"{level} % intervals hold the truth in {100 * c['share']:.1f} % of {c['n']} "
            f"(calibrated: {100 * c['band_if_calibrated'][0]:.1f} to {100 * c['band_if_calibrated'][1]:.1f})"
        )
    worst = max(result["ks"], key=lambda name: result["ks"][name])
    text.append(
        f"ranks: largest distance from uniform {result['ks'][worst]:.3f} ({worst}; band {result['ks_band']:.3f})"
    )
    text.append(f"fit: median {result['fit_s']['median']:.1f} s, longest {result['fit_s']['max']:.1f} s")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
