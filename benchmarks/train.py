# SPDX-License-Identifier: Apache-2.0
"""How long until dock works: stope against stable-baselines3, on the same worlds, reward and success test, in one run.

The clock is the wall-clock of the learning to the first evaluation (about every 82,000 steps) at which at least 95 % of
512 fixed episodes over the whole prior succeed; compilation and evaluation are outside it, for both. SB3 flies the way
its users do, Gymnasium environments in a DummyVecEnv, with the best settings of a small search (`--search` runs it and
writes `benchmarks/sb3_search.json`, which names every setting tried). A second row gives SB3 stope's own batch as its
vector environment, so that only the learner differs. Every training is a process of its own: what one learner sets in
torch or OpenMP would slow the next.

    python benchmarks/train.py --json
    python benchmarks/train.py --search
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from sb3_dock import Sb3Settings, seconds_to_success

from stope.base.files import write_json
from stope.learn.train import TrainConfig, Training

GOAL, EVERY = 0.95, 82_000
FOUND = Path(__file__).with_name("sb3_search.json")
SEARCHED = [
    *(
        Sb3Settings(num_envs=n, steps=steps, batch_size=batch, epochs=epochs, learning_rate=rate, target_kl=kl)
        for n, steps, batch, epochs, rate, kl in [
            (16, 512, 2048, 5, 1e-3, 0.03),
            (64, 128, 2048, 2, 1e-3, 0.03),
            (64, 128, 2048, 5, 1e-3, 0.03),
            (64, 128, 2048, 5, 3e-4, None),
            (64, 128, 512, 5, 1e-3, 0.03),
            (256, 32, 2048, 3, 1e-3, 0.03),
        ]
    ),
    *(
        Sb3Settings(env="batch", num_envs=256, steps=32, epochs=epochs, learning_rate=rate, target_kl=kl)
        for epochs, rate, kl in [(2, 1e-3, 0.03), (5, 1e-3, 0.03), (5, 5e-4, None)]
    ),
]
SEARCH_SEED = 100
"""Not one of the seeds that are compared."""


def say(text: str) -> None:
    """Progress for a person, beside the JSON."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def stope_seconds(seed: int, limit: float) -> float | None:
    """Seconds of learning to the goal with stope's own recipe, or None at the limit."""
    run = Training(TrainConfig(seed=seed, evaluate_every=10, goal=GOAL), num_threads=2)
    run.env.step(torch.zeros(run.env.num_envs, 6))  # compile outside the clock
    run.batch.reset()
    while run.seconds < limit and not run.is_done:
        run.advance()
        if run.history and run.history[-1]["success"] >= GOAL:
            return run.seconds
    return None


def one(settings: dict[str, Any] | None, seed: int, limit: float) -> tuple[float | None, list[Any]]:
    """One training in this process: stope's own without settings, else SB3's; seconds and history."""
    if settings is None:
        return stope_seconds(seed, limit), []
    return seconds_to_success(TrainConfig(seed=seed), Sb3Settings(**settings), goal=GOAL, limit=limit, every=EVERY)


def apart(settings: dict[str, Any] | None, seed: int, limit: float) -> tuple[float | None, list[Any]]:
    """`one` in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps(settings), "--seeds", str(seed), "--limit", str(limit)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds, history = json.loads(done.stdout)
    return seconds, history


def chosen_of(tried: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings of each kind of environment that were fastest to the goal, or nearest to it where none got there."""

    def key(row: dict[str, Any]) -> tuple[float, float]:
        return (math.inf if row["seconds"] is None else row["seconds"], -row["best_success"])

    kinds = {row["settings"]["env"] for row in tried}
    return {
        kind: min((t for t in tried if t["settings"]["env"] == kind), key=key)["settings"] for kind in sorted(kinds)
    }


def search(limit: float) -> None:
    """Try each setting of SB3 once, write down how it did, and choose the fastest of each kind of environment."""
    found: dict[str, Any] = {"seed": SEARCH_SEED, "limit_s": limit, "goal": GOAL, "tried": []}
    for settings in SEARCHED:
        seconds, history = apart(asdict(settings), SEARCH_SEED, limit)
        top = max((h[2] for h in history), default=0.0)
        row = {
            "settings": asdict(settings),
            "seconds": seconds,
            "best_success": top,
            "steps": history[-1][0] if history else 0,
        }
        found["tried"].append(row)
        say(f"{settings}: {seconds} s, best success {top:.3f}")
        write_json(FOUND, found)


def speedups(times: Mapping[str, list[float | None]], limit: float) -> dict[str, Any]:
    """Ratios of the medians; a training that was given up counts as the limit, and its ratio is then a lower bound."""

    def middle(name: str) -> tuple[float, bool]:
        found = statistics.median_high(math.inf if t is None else t for t in times[name])
        return (found, False) if math.isfinite(found) else (limit, True)

    own, _ = middle("stope")
    alone, is_alone_bound = middle("sb3")
    batch, is_batch_bound = middle("sb3_on_stope_batch")
    return {
        "speedup_median": alone / own, "speedup_is_lower_bound": is_alone_bound,
        "speedup_on_stope_batch_median": batch / own, "speedup_on_stope_batch_is_lower_bound": is_batch_bound,
    }  # fmt: skip


def compare(seeds: list[int], limit: float) -> dict[str, Any]:
    """Train with each learner on each seed, in turn."""
    chosen = chosen_of(json.loads(FOUND.read_text())["tried"])
    times: dict[str, list[float | None]] = {"stope": [], "sb3": [], "sb3_on_stope_batch": []}
    for seed in seeds:
        times["stope"].append(apart(None, seed, limit)[0])
        for name, kind in (("sb3", "dummy"), ("sb3_on_stope_batch", "batch")):
            times[name].append(apart(chosen[kind], seed, limit)[0])
        say(f"seed {seed}: " + ", ".join(f"{k} {v[-1]} s" for k, v in times.items()))

    return {
        "success_95_s": times,
        **speedups(times, limit),
        "seeds": seeds,
        "limit_s": limit,
        "sb3_settings": chosen,
        "machine": {"processor": platform.processor() or platform.machine(), "threads": 2, "torch": torch.__version__},
        "stope_config": {"evaluate_every": 10, "num_evaluation": replace(TrainConfig()).num_evaluation},
    }


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--search", action="store_true", help="search SB3's settings again and write them down")
    parser.add_argument("--one", metavar="SETTINGS", help=argparse.SUPPRESS)  # how it starts itself, see `apart`
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--limit", type=float, default=150.0, help="seconds after which a training is given up")
    given = parser.parse_args()
    if given.one is not None:
        sys.stdout.write(json.dumps(one(json.loads(given.one), given.seeds[0], given.limit)))
        return
    if given.search:
        search(given.limit)
        return
    result = compare(given.seeds, given.limit)
    if given.json:
        sys.stdout.write(json.dumps(result, indent=1, allow_nan=False) + "\n")
        return
    for name, times in result["success_95_s"].items():
        shown = ", ".join("not reached" if t is None else f"{t:.1f} s" for t in times)
        sys.stdout.write(f"{name:20} {shown}\n")
    for key in ("speedup_median", "speedup_on_stope_batch_median"):
        bound = "at least " if result[key.replace("median", "is_lower_bound")] else ""
        sys.stdout.write(f"{key:30} {bound}{result[key]:.1f}\n")


if __name__ == "__main__":
    main()
