# SPDX-License-Identifier: Apache-2.0
"""What a belief is worth: each shipped policy against its rivals, trained alike, in the same worlds.

Rivals: uniform domain randomisation, default physics alone, an oracle, and the classical controllers of the skill. It
takes up what an earlier, killed run has trained or flown.

    python benchmarks/rivals.py anchor --n 1000 --json > rivals.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from stope.base.workers import make_workers
from stope.learn.rivals import RIVALS, against
from stope.learn.skill_training import SkillConfig
from stope.learn.skills import SKILLS, shipped, shipped_config
from stope.learn.train import TrainConfig


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("skills", nargs="+", choices=SKILLS)
    parser.add_argument("--n", type=int, default=1000, help="worlds")
    parser.add_argument("--seed", type=int, default=1, help="of worlds, starts and noise")
    parser.add_argument("--rivals", nargs="*", choices=tuple(RIVALS), default=tuple(RIVALS), help="which to train")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of trainings and flights")
    parser.add_argument("--workers", default="1", help="processes, or Ray's, that train")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    found = {}
    for skill in args.skills:
        policy, path = shipped(skill)
        config = shipped_config(policy, path, seed=int(policy.card["config"]["seed"]))
        assert isinstance(config, TrainConfig | SkillConfig)
        found[skill] = against(policy, config, args.runs, num=args.n, seed=args.seed, rivals=tuple(args.rivals),
                               num_threads=args.threads, workers=make_workers(args.workers))  # fmt: skip
    if args.json:
        sys.stdout.write(json.dumps({"skills": found}, indent=1) + "\n")
        return 0
    for skill, one in found.items():
        for name, rate in one["flown"].items():
            sys.stdout.write(f"{skill:8} {name:18} {100 * rate['success']:6.1f} % ({100 * rate['low']:.1f} to "
                             f"{100 * rate['high']:.1f}, n = {rate['n']})\n")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
