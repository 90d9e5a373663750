# SPDX-License-Identifier: Apache-2.0
"""Whether a skill can be trained again: its recipe on several seeds, the time each took, and how each does.

Every policy, told nothing but the prior, flies the same fresh worlds. It takes up what an earlier, killed run has
trained or flown. Two trainings of one thread each, side by side, are slower than one alone on two cores.

    python benchmarks/seeds.py dock anchor --json
    python benchmarks/seeds.py capture dig hop --workers 2 --threads 1 --json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from stope.base.workers import make_workers
from stope.learn.rivals import flown_in_prior
from stope.learn.skills import SKILLS, shipped, shipped_config
from stope.learn.store import trained_all


def main() -> int:
    """Train, fly and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("skills", nargs="+", choices=SKILLS)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each skill, seeds 1 to N")
    parser.add_argument("--n", type=int, default=1000, help="worlds")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of trainings and flights")
    parser.add_argument("--workers", default="1", help="processes, or Ray's, that train")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    configs: list[Any] = []
    for skill in args.skills:
        policy, path = shipped(skill)
        configs += [shipped_config(policy, path, seed=seed) for seed in range(1, args.seeds + 1)]
    told = -1

    def show(_: str, share: float) -> None:
        nonlocal told
        if (now := int(10 * share)) > told:
            told = now
            say(f"trained {10 * now} %")

    policies = trained_all(configs, args.runs, num_threads=args.threads, workers=make_workers(args.workers),
                           progress=show)  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {skill: [] for skill in args.skills}
    for k, (config, policy) in enumerate(zip(configs, policies, strict=True)):
        skill = args.skills[k // args.seeds]
        flown = flown_in_prior(policy, replace(config, seed=1), "prior", args.runs, num=args.n, seed=1,
                               num_threads=os.cpu_count() or 1, show=lambda _: None)  # fmt: skip
        row = {"seed": config.seed, "steps": policy.card["steps"], "learning_s": policy.card["learning_s"],
               "threads": policy.card["physics_threads"], "selection": policy.card["selection"]}  # fmt: skip
        found[skill].append(row | flown.rate())
        say(line(skill, found[skill][-1]))
    sys.stdout.write(json.dumps({"skills": found}, indent=1) + "\n" if args.json else
                     "\n".join(line(skill, row) for skill, rows in found.items() for row in rows) + "\n")  # fmt: skip
    return 0


def say(text: str) -> None:
    """Progress for a person, beside the JSON."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def line(skill: str, row: dict[str, Any]) -> str:
    """For people."""
    return (f"{skill:8} seed {row['seed']}: {row['learning_s'] / 60:5.1f} min, {100 * row['success']:5.1f} % "
            f"({100 * row['low']:.1f} to {100 * row['high']:.1f}, n = {row['n']})")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
