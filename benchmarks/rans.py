# SPDX-License-Identifier: Apache-2.0
"""A peer's task on its published figures: RANS `MFP2D GoToPose`, trained and flown here.

Trains PPO from nothing for each seed, twice (undisturbed, and with all the peer's disturbances at once), then flies the
policies, the script, chance and doing nothing in the same worlds under five conditions: the published evaluation; with
the steady push that its policy was trained with; with half the platform's inertia, which the peer's files leave
open; from the start of the peer's newest settings; and with all its disturbances. "Reach" is the peer's own measure,
and stricter ones stand beside it. What the peer published is set beside them, not measured here;
docs/explanation/rans.md says what is known of it.

    python benchmarks/rans.py --json > docs/results/rans.json
    python benchmarks/rans.py --show docs/results/rans.json --page
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stope.base.intervals import clopper_pearson
from stope.base.seeding import generator
from stope.learn.pose_training import Pilot, PoseConfig, PoseFlight, PoseTraining, fly_pose
from stope.world.tasks.go_to_pose import (
    CHOICES,
    CONTROL_PERIOD,
    HEADING_TOLERANCE,
    HOLD_SAMPLES,
    INERTIA,
    NOZZLES,
    NUM_THRUSTERS,
    GoToPose,
    PoseBatch,
    disturbed,
    published,
    script,
    today,
)

EVALUATION_SEED = 424242
"""Of the worlds that are flown; no training has it."""
PEER_STEPS = 4096 * 16 * 2000
"""Worlds, steps of a rollout, rollouts: conf_runs/exp_icra_expR_Pose_uf.json, 73ec3a1, and the train yaml, db09122."""
FIRST = round(50.0 / CONTROL_PERIOD)
"""Steps over which the peer's shares of time are taken: horizon of multi_model_eval.py, commit 98e50e4."""
FLOOR = 0.25 / np.sqrt(2.0)
"""Steady push that the peer's policy was trained with [N]: MFP2D_disturbances.py with a largest floor force of 0.25."""
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "rans.md"
BEGIN, END = "<!-- rans: begin -->\n", "<!-- rans: end -->"
CONDITIONS = {
    "published": published(),
    "floor": replace(published(), force=(FLOOR, 0.0, FLOOR, FLOOR)),
    "half_inertia": replace(published(), inertia=0.5 * INERTIA),
    "today": today(),
    "disturbed": disturbed(),
}


def say(text: str) -> None:
    """Progress for a person, beside the JSON."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def rate(successes: int, n: int) -> dict[str, Any]:
    """A rate with its 95 % Clopper-Pearson interval."""
    found = asdict(clopper_pearson(successes, n))
    del found["level"]
    return found


def held(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a world was inside for 10 s without a break, (worlds,); inside is (steps, worlds)."""
    run, longest = np.zeros(inside.shape[1]), np.zeros(inside.shape[1])
    for row in inside:
        run = np.where(row, run + 1.0, 0.0)
        longest = np.maximum(longest, run)
    return longest >= HOLD_SAMPLES


def figures(flight: PoseFlight) -> dict[str, Any]:
    """What a flight came to, in the peer's measures and in stricter ones."""
    d, h, n = flight.distance, flight.heading, flight.distance.shape[1]
    near = d < 0.02
    # The peer's "stay": from the first sample within 2 cm on, always within 15 cm.
    after = np.cumsum(near, axis=0) > 0
    passed = {
        "reach_2cm": near.any(axis=0),
        "reach_1cm": (d < 0.01).any(axis=0),
        "stay_15cm": near.any(axis=0) & ~(after & (d >= 0.15)).any(axis=0),
        "hold_2cm_10s": held(near),
        "hold_1cm_10s": held(d < 0.01),
        "hold_1cm_and_heading_10s": held((d < 0.01) & (h < HEADING_TOLERANCE)),
        "lost": flight.lost,
    }
    first_1cm = np.argmax(d < 0.01, axis=0)[passed["reach_1cm"]]
    return {
        "n": n, **{name: rate(int(which.sum()), n) for name, which in passed.items()},
        "time_within": {f"{cm}cm": float((d[:FIRST] < 0.01 * cm).mean()) for cm in (5, 2, 1)},
        "heading_within": {f"{deg}deg": float((h[:FIRST] < np.radians(deg)).mean()) for deg in (5, 2, 1)},
        "open_share": float(flight.opened.mean()) / NUM_THRUSTERS,
        "median_time_to_1cm_s": float(np.median(first_1cm) + 1.0) * CONTROL_PERIOD if len(first_1cm) else None,
    }  # fmt: skip


def peer_row() -> dict[str, Any]:
    """The best of the peer's twelve pose policies; the rates are multiples of 1/256, the shares of time of 1/256,000.

    Source: omniisaacgymenvs/notebooks/eval_multi_models.ipynb, 6f2720b, cell 53 (`nominal_pose.csv`) and cell 59.
    """
    n = 256
    return {
        "condition": "published", "who": "RANS", "kind": "published",
        "policy": "nominal_UF_0.25_GoToPose_MLP_expRew_PE_0.01",
        "steps": PEER_STEPS, "learning_s": None, "wall_s": None, "n": n, "is_n_implied": True,
        "reach_2cm": rate(254, n), "reach_1cm": rate(225, n), "stay_15cm": rate(249, n),
        "time_within": {"5cm": 0.603047, "2cm": 0.351223, "1cm": 0.105895},
        "heading_within": {"5deg": 0.966945, "2deg": 0.919828, "1deg": 0.805355}, "open_share": 0.427422,
        "source": "github.com/elharirymatteo/RANS, 6f2720b, omniisaacgymenvs/notebooks/eval_multi_models.ipynb, "
                  "cells 53 and 59",
    }  # fmt: skip


def balanced(task: GoToPose, num_worlds: int) -> dict[str, Any]:
    """Worlds in which some mix of the 256 actions balances the steady push and torque at the target pose."""
    from scipy.optimize import linprog  # noqa: PLC0415 -- only here

    batch = PoseBatch(task, num_worlds=num_worlds, seed=EVALUATION_SEED)
    batch.reset()
    shared = CHOICES / np.maximum(1.0, CHOICES.sum(axis=1, keepdims=True))
    count = 0
    for p in batch.plant:
        live = shared * p[7:]
        arms = (NOZZLES[:, 0] - p[2]) * NOZZLES[:, 3] - (NOZZLES[:, 1] - p[3]) * NOZZLES[:, 2]
        push = np.array([p[4], p[5], p[6] - p[2] * p[5] + p[3] * p[4]])
        rows = np.stack([live @ NOZZLES[:, 2], live @ NOZZLES[:, 3], live @ arms, np.ones(len(CHOICES))])
        found = linprog(np.zeros(len(CHOICES)), A_eq=rows, b_eq=np.append(-push, 1.0), bounds=(0.0, 1.0))
        count += found.status == 0
    return rate(count, num_worlds)


def chance(seed: int) -> Pilot:
    """Each nozzle is open or shut by the toss of a coin."""
    rng = generator(seed, "chance")

    def pilot(observation: NDArray[np.float32]) -> NDArray[np.float64]:
        return rng.integers(0, 2, (len(observation), NUM_THRUSTERS)).astype(np.float64)

    return pilot


def nothing(observation: NDArray[np.float32]) -> NDArray[np.float64]:
    """No nozzle is ever open."""
    return np.zeros((len(observation), NUM_THRUSTERS))


def train(config: PoseConfig, num_threads: int) -> tuple[Pilot, dict[str, Any]]:
    """A policy, and what its training took; compilation is outside the clocks."""
    start = time.perf_counter()
    run = PoseTraining(config, num_threads=num_threads)
    for _ in range(config.num_iterations):
        run.advance()
    taken = {"seed": config.seed, "steps": run.num_steps, "learning_s": run.seconds,
             "wall_s": time.perf_counter() - start}  # fmt: skip
    return run.pilot(), taken


def disturbed_starts(config: PoseConfig, num_iterations: int) -> PoseConfig:
    """The same training with all disturbances."""
    start, wild = config.task, disturbed()
    task = replace(wild, distance=start.distance, speed=start.speed, rate=start.rate, keep_in=start.keep_in,
                   time_limit=start.time_limit)  # fmt: skip
    return replace(config, task=task, num_iterations=num_iterations)


def compare(seeds: list[int], n: int, num_threads: int) -> dict[str, Any]:
    """Train for each seed, then fly everybody in the same worlds."""
    fly_pose(script, published(), num_worlds=2, seed=0, num_threads=num_threads)  # compile outside the clocks
    pilots: list[tuple[dict[str, Any], Pilot]] = []
    for seed in seeds:
        plain = PoseConfig(seed=seed)
        for who, config in (("stope policy", plain), ("stope policy, trained disturbed", disturbed_starts(plain, 400))):
            pilot, taken = train(config, num_threads)
            say(f"{who}, seed {seed}: {taken['steps']:,} steps in {taken['learning_s']:.1f} s")
            pilots.append(({"who": who, "kind": "policy", **taken}, pilot))
    still = {"steps": 0, "learning_s": 0.0, "wall_s": 0.0}
    pilots.append(({"who": "script", "kind": "script", **still}, script))
    pilots.append(({"who": "random", "kind": "random", **still}, chance(EVALUATION_SEED)))
    pilots.append(({"who": "nothing", "kind": "nothing", **still}, nothing))
    rows = [peer_row()]
    for condition, task in CONDITIONS.items():
        for who, pilot in pilots:
            flight = fly_pose(pilot, task, num_worlds=n, seed=EVALUATION_SEED, num_threads=num_threads)
            rows.append({"condition": condition, **who, **figures(flight)})
        say(f"{condition}: flown")
    return {
        "rows": rows,
        "conditions": {name: asdict(task) for name, task in CONDITIONS.items()},
        "balanced": {"disturbed": balanced(disturbed(), n)},
        "training": {"plain": asdict(PoseConfig()), "disturbed": asdict(disturbed_starts(PoseConfig(), 400))},
        "peer_steps": PEER_STEPS, "seeds": seeds, "evaluation_seed": EVALUATION_SEED,
        "machine": {"processor": platform.processor() or platform.machine(), "threads": num_threads,
                    "torch": torch.__version__},
    }  # fmt: skip


def show(result: dict[str, Any]) -> str:
    """The rows for a person."""
    head = ("condition", "who", "seed", "steps", "s", "2 cm %", "1 cm %", "stay %", "10 s %", "pose %", "in 1 cm")
    form = "{:13} {:32} {:>4} {:>11} {:>4} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8}"
    lines = [form.format(*head)]
    for row in result["rows"]:
        shares = [f"{100.0 * row[k]['success']:.1f}" if k in row else "-" for k in
                  ("reach_2cm", "reach_1cm", "stay_15cm", "hold_1cm_10s", "hold_1cm_and_heading_10s")]  # fmt: skip
        seconds = "-" if row["learning_s"] is None else f"{row['learning_s']:.0f}"
        lines.append(form.format(row["condition"], row["who"], row.get("seed", "-"), f"{row['steps']:,}", seconds,
                                 *shares, f"{row['time_within']['1cm']:.3f}"))  # fmt: skip
    return "\n".join(lines) + "\n"


def percent(row: dict[str, Any], name: str) -> str:
    """A rate with its interval, or a dash for what was not published."""
    found = row.get(name)
    if found is None:
        return "-"
    return f"{100.0 * found['success']:.1f} % ({100.0 * found['low']:.1f} to {100.0 * found['high']:.1f})"


def page_tables(result: dict[str, Any]) -> str:
    """The tables of docs/explanation/rans.md."""
    rows = result["rows"]
    head = ["who", "n", "steps", "learning [s]", "within 2 cm", "within 1 cm", "stays within 15 cm",
            "1 cm for 10 s", "1 cm and 0.025 rad for 10 s"]  # fmt: skip
    names = ("reach_2cm", "reach_1cm", "stay_15cm", "hold_1cm_10s", "hold_1cm_and_heading_10s")
    first = [
        [name_of(r), f"{r['n']:,}", f"{r['steps']:,}", "-" if r["learning_s"] is None else f"{r['learning_s']:.0f}",
         *(percent(r, name) for name in names)]
        for r in rows if r["condition"] == "published"
    ]  # fmt: skip
    shares = [
        [name_of(r), *(f"{100.0 * r['time_within'][k]:.1f} %" for k in ("5cm", "2cm", "1cm")),
         *(f"{100.0 * r['heading_within'][k]:.1f} %" for k in ("5deg", "2deg", "1deg")),
         f"{100.0 * r['open_share']:.0f} %"]
        for r in rows if r["condition"] == "published"
    ]  # fmt: skip
    others = [
        [r["condition"], name_of(r), *(percent(r, name) for name in (*names, "lost"))]
        for r in rows if r["condition"] != "published" and r["kind"] in ("policy", "script")
    ]  # fmt: skip
    tables = [
        (head, first),
        (["who", "5 cm", "2 cm", "1 cm", "5 deg", "2 deg", "1 deg", "nozzles open"], shares),
        (["condition", "who", *head[4:], "left the area"], others),
    ]
    note = (
        f"A mix of the 256 actions balances the steady push and torque at the target in "
        f"{percent(result['balanced'], 'disturbed')} of the disturbed worlds.\n"
    )
    return "\n" + "\n".join([*(markdown(*t) for t in tables), note])


def name_of(row: dict[str, Any]) -> str:
    """Who flew, with the seed."""
    if row["kind"] == "published":
        return "RANS, published"
    return f"{row['who']}, seed {row['seed']}" if "seed" in row else row["who"]


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """One table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def write_page(result: dict[str, Any]) -> None:
    """Put the tables into the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(before + BEGIN + page_tables(result) + END + rest.split(END)[1], encoding="utf-8")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--n", type=int, default=2000, help="worlds that each pilot flies in under each condition")
    parser.add_argument("--threads", type=int, default=1, help="threads of the physics; figures do not depend on it")
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the table of an earlier JSON and stop")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/explanation/rans.md too")
    given = parser.parse_args()
    result = json.loads(given.show.read_text()) if given.show else compare(given.seeds, given.n, given.threads)
    if given.page:
        write_page(result)
    sys.stdout.write(json.dumps(result, indent=1, allow_nan=False) + "\n" if given.json else show(result))


if __name__ == "__main__":
    main()
