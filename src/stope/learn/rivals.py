# SPDX-License-Identifier: Apache-2.0
"""A policy that takes a belief, against policies that do not and one that is told the truth: same budget, same worlds.

The rivals differ from the policy in one setting of its training each: `uniform` has seen the whole prior and is told
nothing (domain randomisation), `default` has seen default physics alone, `oracle` is told the truth. Beside them fly
the classical controllers of the skill. What has been trained or flown is kept, so a killed comparison goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.comparisons import Difference, holm, paired_mean, paired_success
from stope.base.config import as_dict, content_hash
from stope.base.errors import ConfigError
from stope.base.files import read_json, write_json
from stope.base.intervals import clopper_pearson
from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.base.workers import Workers
from stope.learn.adaptive import AdaptiveConfig, AdaptivePd
from stope.learn.baselines import VelocityPd
from stope.learn.evaluate import Policy, conditions, fly
from stope.learn.pilots import GruPilot, Pilot, ScriptPilot, TutorPilot, fly_skill
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.skill_training import SkillConfig
from stope.learn.store import physics_hash, task_hash, trained_all
from stope.learn.train import TrainConfig
from stope.world.env import DockBatch
from stope.world.told import Told, flight_summaries

__all__ = ["RIVALS", "TELLS", "Flown", "against", "flown_in_prior"]

RIVALS: dict[str, dict[str, Any]] = {
    "uniform": {"told": "prior"},
    "default": {"told": "prior", "breadth": 0.0},
    "oracle": {"told": "truth"},
}
"""What of the training's settings each rival changes."""
TELLS: tuple[Told, ...] = ("prior", "sharp", "truth")
"""What the policy is told when it is compared."""
Config = TrainConfig | SkillConfig
AnyPolicy = MlpPolicy | GruPolicy


@dataclass(frozen=True, slots=True, eq=False)
class Flown:
    """One episode in each world; every array is (n,)."""

    is_success: NDArray[np.bool_]
    duration: NDArray[np.float64]
    """To the success, or the time limit [s]."""
    cost: NDArray[np.float64]
    """Impulse [N s] of a free flight; mean size of the actions [1] of a task with contact."""

    def rate(self) -> dict[str, float]:
        """Success with its interval, and medians over the successes."""
        ok, rate = self.is_success, clopper_pearson(int(self.is_success.sum()), len(self.is_success))
        medians = {name: float(np.median(getattr(self, name)[ok])) if ok.any() else None
                   for name in ("duration", "cost")}  # fmt: skip
        return {"success": rate.success, "n": rate.n, "low": rate.low, "high": rate.high, **medians}  # type: ignore[dict-item]


def against(
    policy: AnyPolicy,
    config: Config,
    root: Path,
    *,
    num: int = 1000,
    seed: int = 1,
    rivals: tuple[str, ...] = tuple(RIVALS),
    num_threads: int = 1,
    progress: Progress = silent,
    workers: Workers | None = None,
) -> dict[str, Any]:
    """Train the rivals of a policy, and fly all of them in the same worlds of the prior.

    Args:
        policy: What is compared.
        config: How it was trained; the rivals get the same with one setting changed.
        root: Folder of all runs.
        num: Worlds.
        seed: Root seed of worlds, starts and noise; no training uses them.
        rivals: Names of `RIVALS`.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each training and flight.
        workers: Who trains, a rival each; this process if left out.

    Returns:
        `{"flown": {name: rates}, "questions": {...}}`: the policy goes by "told the prior" and so on. Each question is
        one difference with its interval and, over those of the sharp belief, Holm's adjusted p-values.

    Raises:
        ConfigError: fewer than two worlds, or a rival that is not known.
    """
    if num < 2 or not set(rivals) <= set(RIVALS):
        raise ConfigError(f"against: num = {num}, rivals {list(rivals)}: expected 2 or more, of {', '.join(RIVALS)}.")
    changed: list[Any] = [replace(config, **RIVALS[name]) for name in rivals]
    trained = trained_all(changed, root, num_threads=num_threads, progress=progress, workers=workers)
    made: dict[str, AnyPolicy] = dict(zip(rivals, trained, strict=True))
    flown: dict[str, Flown] = {}
    flights: dict[str, tuple[AnyPolicy | str, Told]] = {f"told the {t}": (policy, t) for t in TELLS}
    flights |= {name: (made[name], "truth" if name == "oracle" else "prior") for name in rivals}
    flights |= {name: (name, "prior") for name in _classical(config)}
    for name, (who, told) in flights.items():
        flown[name] = flown_in_prior(who, config, told, Path(root), num=num, seed=seed, num_threads=num_threads,
                            show=lambda share, what=name: progress(f"fly {what}", share))  # fmt: skip
    return {
        "skill": config.skill if isinstance(config, TrainConfig) else config.task, "n": num, "seed": seed,
        "flown": {name: found.rate() for name, found in flown.items()},
        "learning_s": {name: p.card.get("learning_s") for name, p in made.items()},
        "questions": _questions(flown),
    }  # fmt: skip


def _classical(config: Config) -> tuple[str, ...]:
    """Controllers that nobody trained; a tutor that is the script does not fly twice."""
    if isinstance(config, TrainConfig):
        return ("pd", "adaptive")
    return ("script", "tutor") if config.make_task().has_tutor else ("script",)


def _questions(flown: Mapping[str, Flown]) -> dict[str, Any]:
    """What the comparison is made for."""
    out: dict[str, Any] = {}
    pairs = {"prior belief against uniform": ("told the prior", "uniform"),
             "told the truth against the oracle": ("told the truth", "oracle"),
             "oracle against default physics": ("oracle", "default"),
             "told the truth against told the prior": ("told the truth", "told the prior")}  # fmt: skip
    for question, (one, other) in pairs.items():
        if one in flown and other in flown:
            out[question] = _compare(flown[one], flown[other])
    blind = [name for name in flown if not name.startswith("told the") and name != "oracle"]
    sharp = {name: _compare(flown["told the sharp"], flown[name]) for name in blind}
    names = [(name, what) for name in blind for what in ("success", "duration", "cost") if sharp[name][what]]
    adjusted = holm([sharp[name][what]["p_value"] for name, what in names])
    for (name, what), p in zip(names, adjusted, strict=True):
        sharp[name][what]["p_holm"] = float(p)
    return out | {"sharp belief against": sharp}


def _compare(one: Flown, other: Flown) -> dict[str, Any]:
    """One minus the other: success over all worlds; duration and cost where both succeeded."""
    both = one.is_success & other.is_success
    success = paired_success(int((one.is_success & ~other.is_success).sum()),
                             int((other.is_success & ~one.is_success).sum()), len(both))  # fmt: skip
    out: dict[str, Any] = {"success": _plain(success), "duration": None, "cost": None}
    if both.sum() > 1:
        for what in ("duration", "cost"):
            out[what] = _plain(paired_mean((getattr(one, what) - getattr(other, what))[both]))
    return out


def _plain(found: Difference) -> dict[str, float]:
    return {"estimate": found.estimate, "low": found.low, "high": found.high, "p_value": found.p_value, "n": found.n}


def flown_in_prior(
    who: AnyPolicy | str, config: Config, told: Told, root: Path, *, num: int, seed: int, num_threads: int,
    show: Callable[[float], None],
) -> Flown:  # fmt: skip
    """One episode in each of `num` worlds of the prior, read from `root` if it was flown before.

    Args:
        who: A policy, or the name of a classical controller.
        config: A training of the skill, which says the task and where it is done.
        told: What the flyer is told.
        root: Folder of all runs.
        num: Worlds.
        seed: Root seed of worlds, starts and noise; no training uses them.
        num_threads: Threads of the physics; results do not depend on it.
        show: Told of the share that has been flown.
    """
    name = who if isinstance(who, str) else who.digest
    place = replace(config, **{"told": "drawn", "breadth": 1.0, "seed": 1})
    skill = config.skill if isinstance(config, TrainConfig) else config.task
    physics = (physics_hash(config.make_robot(), config.site.site()) if isinstance(config, TrainConfig)
               else task_hash(config.make_task()))  # fmt: skip
    gains = {"adaptive": [as_dict(AdaptiveConfig())]}.get(name, [])
    key = content_hash(
        {"who": [name, *gains], "config": place, "told": told, "num": num, "seed": seed, "physics": physics}
    )
    path = root / f"against-{skill}-{key}.json"
    if path.exists():
        data = read_json(path, what="flights of a comparison")
        return Flown(np.array(data["is_success"], dtype=np.bool_), np.array(data["duration"]), np.array(data["cost"]))
    if isinstance(config, TrainConfig):
        found = _free(who, config, told, num=num, seed=seed, num_threads=num_threads)  # type: ignore[arg-type]
    else:
        found = _touching(who, config, told, num=num, seed=seed, num_threads=num_threads, show=show)  # type: ignore[arg-type]
    write_json(path, {k: getattr(found, k).tolist() for k in Flown.__slots__})
    return found


def _free(
    who: MlpPolicy | str, config: TrainConfig, told: Told, *, num: int, seed: int, num_threads: int
) -> Flown:  # fmt: skip
    robot = config.make_robot()
    pilots: dict[str, Callable[[], Policy]] = {
        "pd": lambda: VelocityPd(robot=robot, uses_belief=False), "adaptive": lambda: AdaptivePd(robot),
    }  # fmt: skip
    key = stream_key(seed, "against")
    batch = DockBatch(robot, config.site.site(), num_worlds=num, seed=key, task=config.make_task(), pool_size=1,
                      num_threads=num_threads)  # fmt: skip
    z, _ = conditions(num, key)["prior"]
    summary = flight_summaries(told, z, generator(seed, "against-told"))
    found = fly(pilots[who]() if isinstance(who, str) else who, batch, z, summary)
    return Flown(found.is_success, found.duration, found.impulse)


def _touching(
    who: GruPolicy | str, config: SkillConfig, told: Told, *, num: int, seed: int, num_threads: int,
    show: Callable[[float], None],
) -> Flown:  # fmt: skip
    task = config.make_task()
    classical: dict[str, type[ScriptPilot]] = {"script": ScriptPilot, "tutor": TutorPilot}
    pilot: Pilot = classical[who](task) if isinstance(who, str) else GruPilot(who)
    key = stream_key(seed, "against", config.task)
    batch = task.batch(num_worlds=num, seed=key, num_threads=num_threads, told=told)
    found = fly_skill(pilot, batch, show=show)
    return Flown(found.is_success, found.duration, found.effort)
