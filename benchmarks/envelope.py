# SPDX-License-Identifier: Apache-2.0
"""What the safety envelope costs a healthy policy, and what it saves when something is broken.

Healthy: each skill's policy, the package's if none is given, flies the same worlds, starts and noise with and without
the envelope. Broken, on `dock`: a policy that pushes outward for ever, and a PD whose sensors are all stuck after 4 s
for half a minute or for good, or whose velocity is stuck, or a number of whose attitude is not finite, for good; the
share of worlds whose robot leaves the sphere of the task.

    python benchmarks/envelope.py --skills dock haul --faults --n 1000 --json
    python benchmarks/envelope.py --skills anchor --policy anchor.safetensors --n 128
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.intervals import clopper_pearson
from stope.base.seeding import stream_key
from stope.learn.baselines import VelocityPd
from stope.learn.envelope import Envelope, envelope_for
from stope.learn.evaluate import conditions, fly
from stope.learn.pilots import GruPilot, fly_skill
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.skills import shipped
from stope.world.body import load_body
from stope.world.env import DockBatch
from stope.world.robots import load_robot
from stope.world.site import make_site
from stope.world.tasks import CONTACT_TASKS, DockConfig, HaulConfig
from stope.world.tasks.haul import HAULER

Single = NDArray[np.float32]
Spoil = Callable[[int, Single], Single]
FLOWN: dict[str, tuple[str, DockConfig]] = {"dock": ("bee-gas", DockConfig()), "haul": (HAULER, HaulConfig())}
FREEZE = 20
"""Step at which sensors stick: after 4 s, in full flight."""


def worlds(skill: str, num: int, seed: int) -> tuple[DockBatch, Any, Any]:
    """Worlds of the prior, told a noisy belief of each."""
    robot, task = FLOWN[skill]
    site = make_site(load_body("ryugu"), latitude_deg=30.0, longitude_deg=0.0, height=6.0)
    key = stream_key(seed, "envelope", skill)
    batch = DockBatch(load_robot(robot), site, num_worlds=num, seed=key, task=task, pool_size=1)
    return batch, *conditions(num, key)["prior"]


def healthy_flight(skill: str, policy: MlpPolicy, num: int, seed: int) -> dict[str, Any]:
    """With and without, paired; the time of a step too."""
    found, seconds = [], []
    for guarded in (False, True, False, True):  # twice, the second time without compilation
        batch, z, told = worlds(skill, num, seed)
        envelope = envelope_for(skill, batch.task, batch.robot) if guarded else None
        start = time.perf_counter()
        found.append(fly(policy, batch, z, told, envelope=envelope))
        seconds.append(time.perf_counter() - start)
    bare, kept = found[2:]
    out = paired(bare.is_success, kept.is_success)
    changed = float((kept.duration - bare.duration)[bare.is_success & kept.is_success].mean())
    return out | {"by": "policy", "policy": policy.digest, "difference_time_s": changed, "bare": bare.summary(),
                  "guarded": kept.summary(), "seconds": {"bare": seconds[2], "guarded": seconds[3]}}  # fmt: skip


def healthy_contact(skill: str, policy: GruPolicy, num: int, seed: int) -> dict[str, Any]:
    """With and without, paired."""
    task, key = CONTACT_TASKS.get(skill)(), stream_key(seed, "envelope", skill)
    bare, kept = (fly_skill(GruPilot(policy), task.batch(num_worlds=num, seed=key), envelope=e)
                  for e in (None, envelope_for(skill, task)))  # fmt: skip
    out = paired(bare.is_success, kept.is_success)
    return out | {"by": "policy", "policy": policy.digest, "bare": bare.summary(), "guarded": kept.summary()}


def paired(bare: NDArray[np.bool_], kept: NDArray[np.bool_]) -> dict[str, int]:
    """Worlds in which only one of the two succeeded."""
    return {"n": len(bare), "only_bare": int((bare & ~kept).sum()), "only_guarded": int((kept & ~bare).sum())}


def outward(seen: Single) -> Single:
    """Full thrust away from the goal."""
    out = np.zeros((len(seen), 6), dtype=np.float32)
    out[:, :3] = np.sign(seen[:, :3])
    return out


def stuck(columns: slice, steps: float) -> Spoil:
    """A sensor whose numbers stay as they are at `FREEZE` for so many steps."""
    kept: list[Single] = []

    def spoil(step: int, seen: Single) -> Single:
        if step == FREEZE:
            kept[:] = [seen.copy()]
        if not FREEZE <= step < FREEZE + steps:
            return seen
        out = seen.copy()
        out[:, columns] = kept[0][:, columns]
        return out

    return spoil


def lost(column: int) -> Spoil:
    """A number that is not finite from `FREEZE` on."""

    def spoil(step: int, seen: Single) -> Single:
        if step < FREEZE:
            return seen
        out = seen.copy()
        out[:, column] = np.nan
        return out

    return spoil


def leaves(act: Callable[[Single], Any], spoil: Spoil, num: int, seed: int, *, guarded: bool) -> dict[str, Any]:
    """Share of worlds whose robot leaves the sphere of `dock`."""
    batch, z, told = worlds("dock", num, seed)
    batch.assign(z, told)
    envelope: Envelope | None = envelope_for("dock", batch.task, batch.robot) if guarded else None
    observation, gone = batch.reset(), np.zeros(num, dtype=np.bool_)
    if envelope is not None:
        envelope.begin(num)
    for step in range(batch.max_episode_steps):
        seen = spoil(step, observation)
        action = act(seen) if envelope is None else envelope.check(act(envelope.watch(seen)))
        observation, _, terminated, _ = batch.step(action, autoreset=False)
        gone |= terminated
    rate = clopper_pearson(int(gone.sum()), num)
    return {"left": rate.success, "n": rate.n, "low": rate.low, "high": rate.high}


def broken(num: int, seed: int) -> dict[str, Any]:
    """Each fault with and without the envelope."""
    pd = VelocityPd(robot=load_robot("bee-gas"), uses_belief=False)
    whole, velocity = slice(None), slice(6, 9)
    faults: dict[str, tuple[Callable[[Single], Any], Spoil]] = {
        "full thrust outward": (outward, lambda step, seen: seen),
        "all sensors stuck for 30 s": (pd.act, stuck(whole, 150)),
        "all sensors stuck for good": (pd.act, stuck(whole, np.inf)),
        "velocity stuck for good": (pd.act, stuck(velocity, np.inf)),
        "one number of the attitude not finite for good": (pd.act, lost(9)),
    }
    return {name: {"bare": leaves(act, spoil, num, seed, guarded=False),
                   "guarded": leaves(act, spoil, num, seed, guarded=True)}
            for name, (act, spoil) in faults.items()}  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skills", nargs="*", default=[], help="skills to fly with and without")
    parser.add_argument("--policy", type=Path, action="append", default=[], help="their policies, in this order")
    parser.add_argument("--n", type=int, default=1000, help="worlds of each")
    parser.add_argument("--faults", action="store_true", help="fly `dock` with something broken")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    files: list[Path] = [*options.policy, *(shipped(s)[1] for s in options.skills[len(options.policy) :])]
    found: dict[str, Any] = {}
    for skill, file in zip(options.skills, files, strict=True):
        if skill in FLOWN:
            found[skill] = healthy_flight(skill, MlpPolicy.load(file), options.n, options.seed)
        else:
            found[skill] = healthy_contact(skill, GruPolicy.load(file), options.n, options.seed)
    if options.faults:
        found["faults"] = broken(options.n, options.seed)
    sys.stdout.write(json.dumps(found, indent=None if not options.json else 1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
