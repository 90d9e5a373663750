# SPDX-License-Identifier: Apache-2.0
"""How long until dock works: stope against stable-baselines3, on the same worlds, reward and success test, in one run.

The clock is the wall-clock of the learning to the first evaluation (about every 82,000 steps) at which at least 95 % of
512 fixed episodes over the whole prior succeed; compilation and evaluation are outside it, for both. SB3 flies the way
its users do, Gymnasium environments in a DummyVecEnv, with the best settings of a small search (`--search` runs it and
writes `benchmarks/sb3_search.json`, which names every setting tried). A second row gives SB3 stope's own batch as its
vector environment, so that only the learner differs.

    python benchmarks/train.py --json
    python benchmarks/train.py --search
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import sys
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


def search(limit: float) -> None:
    """Try each setting of SB3 once, write down how it did, and choose the fastest of each kind of environment."""
    found: dict[str, Any] = {"seed": SEARCH_SEED, "limit_s": limit, "goal": GOAL, "tried": [], "chosen": {}}
    if FOUND.exists():
        found = json.loads(FOUND.read_text())
    for settings in SEARCHED:
        if asdict(settings) in [t["settings"] for t in found["tried"]]:
            continue
        seconds, history = seconds_to_success(
            TrainConfig(seed=SEARCH_SEED), settings, goal=GOAL, limit=limit, every=EVERY
        )
        top = max((h[2] for h in history), default=0.0)
        row = {"settings": asdict(settings), "seconds": seconds, "best_success": top, "steps": history[-1][0]}
        found["tried"].append(row)
        say(f"{settings}: {seconds} s, best success {top:.3f}")
        for kind in ("dummy", "batch"):
            good = [t for t in found["tried"] if t["settings"]["env"] == kind and t["seconds"] is not None]
            if good:
                found["chosen"][kind] = min(good, key=lambda t: t["seconds"])["settings"]
        write_json(FOUND, found)


def compare(seeds: list[int], limit: float) -> dict[str, Any]:
    """Train with each learner on each seed, in turn."""
    chosen = json.loads(FOUND.read_text())["chosen"]
    times: dict[str, list[float | None]] = {"stope": [], "sb3": [], "sb3_on_stope_batch": []}
    for seed in seeds:
        config = TrainConfig(seed=seed)
        times["stope"].append(stope_seconds(seed, limit))
        for name, kind in (("sb3", "dummy"), ("sb3_on_stope_batch", "batch")):
            settings = Sb3Settings(**chosen[kind])
            times[name].append(seconds_to_success(config, settings, goal=GOAL, limit=limit, every=EVERY)[0])
        say(f"seed {seed}: " + ", ".join(f"{k} {v[-1]} s" for k, v in times.items()))

    def speedup(rival: str) -> float | None:
        middle = [statistics.median(math.inf if t is None else t for t in times[name]) for name in (rival, "stope")]
        return middle[0] / middle[1] if math.isfinite(middle[0]) else None

    return {
        "success_95_s": times,
        "speedup_median": speedup("sb3"),
        "speedup_on_stope_batch_median": speedup("sb3_on_stope_batch"),
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
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--limit", type=float, default=150.0, help="seconds after which a training is given up")
    given = parser.parse_args()
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
        value = result[key]
        sys.stdout.write(f"{key:30} " + ("not reached" if value is None else f"{value:.1f}") + "\n")


if __name__ == "__main__":
    main()
