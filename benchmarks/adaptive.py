# SPDX-License-Identifier: Apache-2.0
"""Gains of the adaptive controller of `dock` and `haul`, and of the PD beside it, by the same search.

Each candidate flies the same worlds of the prior with the prior as its belief, as in the condition "ignorant"; a random
search is followed by one around the best, and the best few fly many more worlds of another seed. Scores are mean times
[s], a failure counting as three times the time limit, plus half a second for each millimetre of final error, dock and
haul together. The winners fly worlds of a third seed. Speeds are kept to what the safety envelope allows.

    python benchmarks/adaptive.py --json > adaptive.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from stope.base.seeding import generator, stream_key
from stope.learn.adaptive import AdaptiveConfig, AdaptivePd
from stope.learn.baselines import VelocityPd
from stope.learn.evaluate import Episodes, Policy, conditions, fly
from stope.world.body import load_body
from stope.world.env import DockBatch
from stope.world.robots import Robot, load_robot
from stope.world.site import make_site
from stope.world.tasks import DockConfig, HaulConfig
from stope.world.tasks.haul import HAULER

RANGES = {"stiffness": (0.2, 0.8), "damping": (0.5, 2.0), "share": (0.3, 0.9), "top_speed": (0.3, 0.48),
          "top_rate": (0.25, 0.75)}  # fmt: skip
TURNS = {"turn_damping": (0.8, 2.8)}
"""The adaptive law's own; the PD's is twice its damping."""
CHOICES = {"forgetting": (1.0, 0.9999, 0.999, 0.998), "delay_error": (0.03, 0.06, 0.1), "excitation": (0.0, 0.1, 0.3)}
FLOWN: dict[str, tuple[str, DockConfig]] = {"dock": ("bee-gas", DockConfig()), "haul": (HAULER, HaulConfig())}
FEW, MANY = 5, 6
"""How many candidates are flown again, in how many times the worlds."""
Maker = Callable[[Robot, dict[str, float]], Policy]
MAKERS: dict[str, Maker] = {
    "adaptive": lambda robot, gains: AdaptivePd(robot, AdaptiveConfig(**gains)),
    "pd": lambda robot, gains: VelocityPd(robot=robot, uses_belief=False, **gains),
}


def worlds(skill: str, num: int, seed: int) -> tuple[DockBatch, Any, Any]:
    """Worlds of the prior, told nothing but the prior."""
    robot, task = FLOWN[skill]
    site = make_site(load_body("ryugu"), latitude_deg=30.0, longitude_deg=0.0, height=6.0)
    batch = DockBatch(load_robot(robot), site, num_worlds=num, seed=stream_key(seed, "tune"), task=task, pool_size=1)
    return batch, *conditions(num, stream_key(seed, "tune", skill))["ignorant"]


def flown(make: Maker, gains: dict[str, float], num: int, seed: int) -> dict[str, Episodes]:
    """One episode in each world of both tasks."""
    out = {}
    for skill in FLOWN:
        batch, z, told = worlds(skill, num, seed)
        out[skill] = fly(make(batch.robot, gains), batch, z, told)
    return out


def score(found: dict[str, Episodes]) -> float:
    """Less is better [s]."""
    total = 0.0
    for skill, e in found.items():
        lost = 2.0 * FLOWN[skill][1].time_limit * (1.0 - e.is_success.mean())
        total += float(e.duration.mean() + lost + 500.0 * e.tail_error.mean())
    return total


def drawn(rng: np.random.Generator, who: str, near: dict[str, float] | None) -> dict[str, float]:
    """A candidate: anywhere in the ranges, or around the best so far."""
    out = {}
    for name, (low, high) in (RANGES | (TURNS if who == "adaptive" else {})).items():
        value = rng.uniform(low, high) if near is None else near[name] + 0.08 * (high - low) * rng.standard_normal()
        out[name] = round(float(np.clip(value, low, high)), 3)
    if who == "adaptive":
        for name, values in CHOICES.items():
            out[name] = near[name] if near is not None and rng.random() < 0.7 else float(rng.choice(values))
    return out


def search(who: str, *, candidates: int, num: int) -> dict[str, Any]:
    """Two thirds at random, one third around the best; then the best few, and the defaults, in many more worlds."""
    rng, make = generator(1, "search", who), MAKERS[who]
    tried: list[tuple[float, dict[str, float]]] = [(np.inf, {})]
    for k in range(candidates):
        gains = drawn(rng, who, None if k < 2 * candidates // 3 else tried[0][1])
        tried = sorted([*tried, (score(flown(make, gains, num, 1)), gains)], key=lambda row: row[0])
        if tried[0][1] is gains:
            sys.stderr.write(f"{who} {k}: {tried[0][0]:.2f} {gains}\n")
    # Rare failures show only here: a failure in a thousand is a matter of some 0.1 s.
    last = sorted(((score(flown(make, gains, MANY * num, 2)), gains) for gains in ({}, *(g for _, g in tried[:FEW]))),
                  key=lambda row: row[0])  # fmt: skip
    fresh = flown(make, last[0][1], MANY * num, 3)
    return {"last": last, "gains": last[0][1], "candidates": candidates,
            "fresh": {skill: e.summary() for skill, e in fresh.items()}}  # fmt: skip


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--who", nargs="*", default=list(MAKERS), choices=list(MAKERS))
    parser.add_argument("--candidates", type=int, default=60)
    parser.add_argument("--n", type=int, default=128, help="worlds of each task")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {who: search(who, candidates=options.candidates, num=options.n) for who in options.who}
    if options.json:
        sys.stdout.write(json.dumps(found, indent=1, allow_nan=False) + "\n")
        return
    for who, row in found.items():
        sys.stdout.write(f"{who}: {row['last'][0][0]:.2f} s with {row['gains'] or 'the defaults'}\n")
        for skill, cell in row["fresh"].items():
            error = 1e3 * cell["final_error_m"]
            sys.stdout.write(f"  {skill}: success {cell['success']:.3f} of {cell['n']}, error {error:.1f} mm\n")


if __name__ == "__main__":
    main()
