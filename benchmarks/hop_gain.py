# SPDX-License-Identifier: Apache-2.0
"""What a hop of a given strength covers, by the cohesion of the soil: the numbers that `hop`'s tutor believes in.

python benchmarks/hop_gain.py --json
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from stope.world.hopping import HopBatch
from stope.world.tasks import HopTask
from stope.world.tasks.hop import GAIN_OF_COHESION
from stope.world.told import believed


def main() -> None:
    """Throw a robot once in each world; print medians of distance over strength squared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=512, help="hops")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    batch = HopBatch(HopTask(), num_worlds=args.n, seed=args.seed, num_threads=args.threads, told="truth")
    batch.reset()
    cohesion, _ = believed(batch.belief, "cohesion")
    strength = np.random.default_rng(args.seed).uniform(0.15, 0.5, args.n)
    seen, *_ = batch.step(np.stack([np.zeros(args.n), strength], axis=1), autoreset=False)
    log_gain = np.log(10.0 * np.linalg.norm(seen[:, 8:10], axis=1) / strength**2)
    nodes = np.array(GAIN_OF_COHESION[0])
    rows = []
    for node, used in zip(nodes, GAIN_OF_COHESION[1], strict=True):
        near = np.abs(cohesion - node) <= (0.25 if abs(node) < nodes.max() else np.inf)
        near &= np.sign(node) * (cohesion - node) >= -0.25  # the outermost take all that is beyond them
        gain = float(np.exp(np.median(log_gain[near])))
        rows.append({"cohesion_z": float(node), "hops": int(near.sum()), "gain_m": gain,
                     "log_std": float(log_gain[near].std()), "in_use_m": used})  # fmt: skip
    lines = [", ".join(f"{k} {v:.3g}" for k, v in row.items()) for row in rows]
    sys.stdout.write((json.dumps({"rows": rows}, indent=1) if args.json else "\n".join(lines)) + "\n")


if __name__ == "__main__":
    main()
