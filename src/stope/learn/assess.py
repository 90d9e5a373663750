# SPDX-License-Identifier: Apache-2.0
"""Assess a docking policy: conditions, gravities and baselines, all paired, each rate with n and its interval.

Every flyer (the policy and each baseline) gets the same worlds, the same starts and the same noise, so two of them can
be compared world by world. The seed enters under a name of its own: no `--seed` can bring back the worlds that chose a
policy's weights in training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.base.intervals import clopper_pearson, mean_interval
from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.base.units import STANDARD_GRAVITY
from stope.base.workers import Here, Unit, Workers
from stope.learn.adaptive import AdaptivePd
from stope.learn.baselines import RandomPolicy, VelocityPd, ZeroPolicy
from stope.learn.envelope import Envelope, envelope_for
from stope.learn.evaluate import Episodes, Policy, conditions, draw_truths, fly
from stope.world.belief import Belief
from stope.world.body import Body
from stope.world.env import DockBatch
from stope.world.robots import Robot
from stope.world.site import Site, make_site
from stope.world.tasks import DockConfig

__all__ = ["BASELINES", "GRAVITY_LEVELS", "NUM_EPISODES", "assess", "fly_conditions", "fresh_seed", "gravity_name",
           "paired"]  # fmt: skip

NUM_EPISODES = 1000
"""Episodes in each cell of a table, unless told otherwise."""
MOON_GRAVITY = 1.62
"""At the surface of the Moon [m/s2]."""
GRAVITY_LEVELS = (*(g * STANDARD_GRAVITY for g in (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2)), MOON_GRAVITY, 9.81)
"""Uniform gravities a policy is flown in [m/s2]; `bee-gas` with half its payload can hold against 4.2e-3 g an axis."""
BASELINES = ("zero", "random", "pd", "pd-belief", "adaptive")
RIVALS = ("pd", "pd-belief", "adaptive")
"""Baselines that the policy is set against world by world."""
POLICY = "policy"
FLYERS = (POLICY, *BASELINES)

Flyers = Mapping[str, Callable[[], Policy]]
Question = tuple[NDArray[np.float64], NDArray[np.float64]]


def fresh_seed(seed: int) -> int:
    """Root seed of the worlds an assessment flies in; no training uses it."""
    return stream_key(seed, "assess")


def gravity_name(level: float) -> str:
    """Key of a gravity level [m/s2], in units of standard gravity: "1e-05 g"."""
    return f"{level / STANDARD_GRAVITY:.3g} g"


def assess(
    policy: Policy,
    robot: Robot,
    site: Site,
    *,
    task: DockConfig,
    num: int = NUM_EPISODES,
    seed: int,
    belief: Belief | None = None,
    num_threads: int = 1,
    progress: Progress = silent,
    skill: str = "dock",
    is_enveloped: bool = True,
    workers: Workers | None = None,
) -> dict[str, Any]:
    """Fly a policy and the baselines in every condition and gravity.

    Args:
        policy: What is assessed.
        robot: What it flies.
        site: Where the conditions are flown.
        task: The docking task.
        num: Episodes in each cell.
        seed: Root seed of worlds, starts and noise.
        belief: Adds the condition "belief": worlds drawn from it, and the policy told of it.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each stage.
        skill: Under which name it goes, "dock" or "haul"; says which limits hold.
        is_enveloped: Whether the safety envelope stands between the policy and the robots; the baselines fly bare.
        workers: Who flies: one flyer in one condition or gravity is a unit. This process if left out; results do not
            depend on it.

    Returns:
        `{"skills": {skill: {"conditions", "gravities", "baselines", "paired", ...}}}`; every rate is a fraction.

    Raises:
        ConfigError: fewer than one episode, or a belief about another robot.
    """
    questions = conditions(num, fresh_seed(seed)) if num > 0 else {}
    if not questions:
        raise ConfigError(f"assess.num = {num}: expected 1 or more episodes in each cell.")
    if belief is not None:
        questions["belief"] = _believed(belief, robot, num=num, seed=seed)
    places = {gravity_name(level): uniform_place(level, has_air=site.has_air) for level in GRAVITY_LEVELS}
    cells = [(site, name, flyer) for name in questions for flyer in FLYERS]
    cells += [(there, "prior", flyer) for there in places.values() for flyer in FLYERS]
    units = [
        Unit(_fly_cell, (policy, flyer, robot, there, task, questions[name], seed, num_threads,
                         skill if is_enveloped and flyer == POLICY else None), f"{there.name}: {name}, {flyer}")
        for there, name, flyer in cells
    ]  # fmt: skip
    found = iter((workers or Here()).do(units, progress=progress))
    flown = {name: {flyer: next(found) for flyer in FLYERS} for name in questions}
    gravities = {}
    for level, name in zip(GRAVITY_LEVELS, places, strict=True):
        there = {flyer: next(found) for flyer in FLYERS}
        gravities[name] = {
            **there[POLICY].summary(),
            "gravity_mps2": level,
            "baselines": {b: there[b].summary() for b in BASELINES},
        }
    rng = generator(seed, "assess-bootstrap")
    return {
        "skills": {
            skill: {
                "conditions": {name: row[POLICY].summary() for name, row in flown.items()},
                "gravities": gravities,
                "baselines": {b: {name: row[b].summary() for name, row in flown.items()} for b in BASELINES},
                "paired": {
                    name: {b: paired(row[POLICY], row[b], rng=rng) for b in RIVALS} for name, row in flown.items()
                },
                "robot": robot.name,
                "site": site.name,
                "seed": seed,
            }
        }
    }


def _fly_cell(
    policy: Policy, flyer: str, robot: Robot, site: Site, task: DockConfig, question: Question, seed: int,
    num_threads: int, guarded: str | None,
) -> Episodes:  # fmt: skip
    """One flyer in one condition; `guarded` names the skill whose envelope stands before it."""
    make = _flyers(policy, robot, seed)[flyer]
    guards = {} if guarded is None else {flyer: envelope_for(guarded, task, robot)}
    return fly_conditions({flyer: make}, {"cell": question}, robot, site, task=task, seed=seed,
                          num_threads=num_threads, envelopes=guards)["cell"][flyer]  # fmt: skip


def fly_conditions(
    flyers: Flyers,
    questions: Mapping[str, Question],
    robot: Robot,
    site: Site,
    *,
    task: DockConfig,
    seed: int,
    num_threads: int = 1,
    progress: Callable[[float], None] = lambda share: None,
    envelopes: Mapping[str, Envelope] = MappingProxyType({}),
) -> dict[str, dict[str, Episodes]]:
    """Fly every flyer through the same episodes, condition by condition.

    Args:
        flyers: Make each flyer anew, so that what a random one drew before does not matter.
        questions: Truths z and belief summaries by condition, all of one length.
        robot: What flies.
        site: Where.
        task: The docking task.
        seed: Root seed of starts and noise, before `fresh_seed`.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Called with the share done.
        envelopes: Stand between a flyer, by its name, and the robots.

    Returns:
        Outcomes by condition and flyer. World i had the same truth, start and noise for each of them.
    """
    num = len(next(iter(questions.values()))[0])
    batch = DockBatch(
        robot, site, num_worlds=num, seed=fresh_seed(seed), task=task, pool_size=1, num_threads=num_threads
    )
    total, done = len(flyers) * len(questions) * batch.max_episode_steps, 0
    out: dict[str, dict[str, Episodes]] = {}
    for condition, (z, summary) in questions.items():
        out[condition] = {}
        for name, make in flyers.items():
            batch.episodes[:] = 0  # the episode's number picks start and noise
            out[condition][name] = fly(
                make(), batch, z, summary, on_step=lambda step, before=done: progress((before + step + 1) / total),
                envelope=envelopes.get(name),
            )  # fmt: skip
            done += batch.max_episode_steps
    return out


def paired(
    one: Episodes, other: Episodes, *, rng: np.random.Generator, names: tuple[str, str] = ("policy", "other")
) -> dict[str, Any]:
    """Compare two flyers that had the same worlds, starts and noise.

    Args:
        one: The first one's outcomes.
        other: The other's outcomes in the same worlds.
        rng: Random numbers of the bootstrap.
        names: What the two are called in the answer.

    Returns:
        Counts of worlds in which only one of them docked (an exact sign test tells them apart), and mean differences
        (one minus other) of time, where both docked, and of final error, with 95 % bootstrap intervals. Each `better`
        is one of the names, or "neither shown" at the 95 % level.
    """
    only_one = int((one.is_success & ~other.is_success).sum())
    only_other = int((other.is_success & ~one.is_success).sum())
    both = one.is_success & other.is_success
    sign = clopper_pearson(only_one, only_one + only_other) if only_one + only_other else None

    def better(low: float, high: float) -> str:
        return names[0] if low > 0 else names[1] if high < 0 else "neither shown"

    out: dict[str, Any] = {
        "n": len(both), "both": int(both.sum()), f"only_{names[0]}": only_one, f"only_{names[1]}": only_other,
        "better_success": better(sign.low - 0.5, sign.high - 0.5) if sign else better(0.0, 0.0),
    }  # fmt: skip
    pairs = {
        "time_s": (one.duration - other.duration)[both],
        "final_error_m": one.tail_error - other.tail_error,
    }
    for name, difference in pairs.items():
        row = None
        if len(difference):
            mean, low, high = mean_interval(difference, rng=rng)
            row = {"mean": mean, "low": low, "high": high, "better": better(-high, -low)}  # less is better
        out[f"difference_{name}"] = row
    return out


def uniform_place(level: float, *, has_air: bool) -> Site:
    """A place without shape or spin whose gravity [m/s2] is the same everywhere, towards -z_l."""
    name = f"uniform-{level:.3g}-mps2"
    body = Body(name=name, kind="uniform", summary="the same gravity everywhere", licence="none needed",
                has_air=has_air, gm=0.0, gravity_level=level)  # fmt: skip
    return make_site(body)


def _flyers(policy: Policy, robot: Robot, seed: int) -> dict[str, Callable[[], Policy]]:
    return {
        POLICY: lambda: policy,
        "zero": ZeroPolicy,
        "random": lambda: RandomPolicy(generator(seed, "assess-random")),
        "pd": lambda: VelocityPd(robot=robot, uses_belief=False),
        "pd-belief": lambda: VelocityPd(robot=robot, uses_belief=True),
        "adaptive": lambda: AdaptivePd(robot),
    }


def _believed(belief: Belief, robot: Robot, *, num: int, seed: int) -> Question:
    if belief.robot != robot.name:
        raise ConfigError(
            f"the belief is about robot {belief.robot!r}: expected {robot.name!r}. Fit one of its flights."
        )
    return draw_truths(belief, num, rng=generator(seed, "assess-belief")), np.tile(belief.summary(), (num, 1))
