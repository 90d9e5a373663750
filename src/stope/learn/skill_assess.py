# SPDX-License-Identifier: Apache-2.0
"""Assess a policy of a task with contact: by what it is told, beside its script, in the same worlds.

Every pilot gets the same worlds, starts and noise. The seed enters under a name of its own, so that no `--seed` can
bring back the worlds that chose a policy's weights in training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.base.intervals import clopper_pearson, mean_interval
from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.base.workers import Here, Unit, Workers
from stope.learn.envelope import envelope_for
from stope.learn.pilots import GruPilot, NothingPilot, Outcomes, Pilot, RandomPilot, ScriptPilot, TutorPilot, fly_skill
from stope.learn.policies import GruPolicy
from stope.world.gravities import place_of
from stope.world.tasks import ContactTask
from stope.world.told import NUM_SUMMARY, Told

__all__ = ["CONDITIONS", "Believed", "assess_skill", "check_policy", "paired_outcomes"]

CONDITIONS: dict[str, Told] = {"ignorant": "prior", "prior": "drawn", "sharp": "sharp", "truth": "truth"}
"""Worlds are drawn from the prior in each; what the policy is told of them differs. As for `dock`, "prior" is the
training's own mixture of beliefs and "ignorant" is nothing but the prior."""

BASELINES = ("script", "tutor", "random", "nothing")
"""The tutor is the program that taught the policy, told the prior; left out where it is the script."""
BELIEVED = {"belief": True, "belief-ignorant": False}
"""Worlds are drawn from a belief; whether the policy is told the belief, or nothing but the prior. `BELIEVED_SCRIPT`
flies in the same worlds."""
BELIEVED_SCRIPT = "belief-script"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Believed:
    """Grounds that a belief thinks possible."""

    grounds: Floats
    """Whitened, (episodes, len(GROUND_PARAMETERS))."""
    summary: Floats
    """What the policy is told, (NUM_SUMMARY,)."""


def check_policy(policy: GruPolicy, task: ContactTask, name: str, where: str) -> None:
    """Refuse a policy of another task.

    Raises:
        ConfigError: naming the file, what was found and what was expected.
    """
    found = policy.card.get("task")
    if found != name:
        raise ConfigError(f"{where}: a policy of task {found!r}: expected one of {name!r}.")
    wanted = (len(task.observation_names) + NUM_SUMMARY, len(task.action_names))
    if (policy.num_inputs, policy.num_actions) != wanted:
        raise ConfigError(
            f"{where}: {policy.num_inputs} inputs and {policy.num_actions} actions: expected {wanted[0]} and "
            f"{wanted[1]} of task {name!r}. Train it again."
        )
    for kind, names in (("observation", task.observation_names), ("action", task.action_names)):
        theirs = policy.card.get(f"{kind}_names", list(names))
        if theirs != list(names):
            k = next(i for i, n in enumerate(names) if i >= len(theirs) or theirs[i] != n)
            raise ConfigError(
                f"{where}: {kind} {k} is {theirs[k] if k < len(theirs) else None!r}: expected {names[k]!r} of task "
                f"{name!r}. The policy is of another version; train it again."
            )


def assess_skill(
    policy: GruPolicy,
    name: str,
    task: ContactTask,
    *,
    num: int,
    seed: int,
    num_threads: int = 1,
    progress: Progress = silent,
    is_enveloped: bool = True,
    only: Sequence[str] = (),
    believed: Believed | None = None,
    workers: Workers | None = None,
) -> dict[str, Any]:
    """Fly a policy in every condition, and the baselines.

    Args:
        policy: What is assessed.
        name: Of the task.
        task: With its settings.
        num: Episodes in each cell.
        seed: Root seed of worlds, starts and noise.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each pilot.
        is_enveloped: Whether the safety envelope stands between the policy and the robots; the baselines fly bare.
        only: Names of conditions and baselines to fly; all if empty.
        believed: Adds worlds with these grounds, one an episode.
        workers: Who flies the cells, one a unit; this process if left out. Results do not depend on it.

    Returns:
        `{"skills": {name: {"conditions", "baselines", "paired", ...}}}`; every rate is a fraction. What is paired is
        the policy with the script, where both are flown.

    Raises:
        ConfigError: fewer than one episode, a policy of another task, or a cell that is not known.
    """
    if num < 1:
        raise ConfigError(f"assess.num = {num}: expected 1 or more episodes in each cell.")
    extra = () if believed is None else (*BELIEVED, BELIEVED_SCRIPT)
    known = (*CONDITIONS, *BASELINES, *extra)
    if not set(only) <= set(known):
        raise ConfigError(f"assess.only = {', '.join(only)}: expected some of {', '.join(known)}.")
    check_policy(policy, task, name, "policy")
    cells = [c for c in known if c in (only or known) and (c != "tutor" or task.has_tutor or only)]
    units = [
        Unit(_fly_cell, (policy, name, task, cell, num, seed, num_threads, is_enveloped, believed), f"{name}: {cell}",
             shows=True)
        for cell in cells
    ]  # fmt: skip
    flown: dict[str, Outcomes] = dict(zip(cells, (workers or Here()).do(units, progress=progress), strict=True))
    own = {c: flown[c] for c in (*CONDITIONS, *BELIEVED) if c in flown}
    others = {who: found for who, found in flown.items() if who not in own}
    rivals = {c: flown.get(BELIEVED_SCRIPT if c in BELIEVED else "script") for c in own}
    rng = generator(seed, "assess-bootstrap", name)
    return {
        "skills": {
            name: {
                "conditions": {condition: found.summary() for condition, found in own.items()},
                "baselines": {who: found.summary() for who, found in others.items()},
                "paired": {
                    c: paired_outcomes(own[c], script, rng=rng) for c, script in rivals.items() if script is not None
                },
                "robot": task.robot,
                "site": place_of(task.robot, task.body, latitude_deg=task.latitude_deg, height=task.height).site.name,
                "seed": seed,
            }
        }
    }


def _fly_cell(
    policy: GruPolicy, name: str, task: ContactTask, cell: str, num: int, seed: int, num_threads: int,
    is_enveloped: bool,  # noqa: FBT001 -- a unit of work takes its arguments in order
    believed: Believed | None, *, show: Callable[[float], None] | None = None,
) -> Outcomes:  # fmt: skip
    """One condition of the policy, or one baseline; every cell has the same worlds, or those of the belief."""
    num_actions = len(task.action_names)
    # Told nothing but the prior, the baselines do the same in every condition.
    pilots: dict[str, Callable[[], Pilot]] = {
        "script": lambda: ScriptPilot(task), "tutor": lambda: TutorPilot(task),
        "random": lambda: RandomPilot(num_actions, seed),
        "nothing": lambda: NothingPilot(num_actions), BELIEVED_SCRIPT: lambda: ScriptPilot(task),
    }  # fmt: skip
    is_policy = cell in CONDITIONS or cell in BELIEVED
    pilot = GruPilot(policy) if is_policy else pilots[cell]()
    guard = envelope_for(name, task) if is_policy and is_enveloped else None
    batch = task.batch(num_worlds=num, seed=stream_key(seed, "assess", name), num_threads=num_threads,
                       told=CONDITIONS.get(cell, "prior"))  # fmt: skip
    if cell == BELIEVED_SCRIPT or cell in BELIEVED:
        assert believed is not None, "a cell of a belief comes with it"
        told = believed.summary if BELIEVED.get(cell, False) else np.zeros(NUM_SUMMARY)  # zeros are the prior
        batch.give(believed.grounds, np.tile(told, (num, 1)))
    return fly_skill(pilot, batch, show=show, envelope=guard)


def paired_outcomes(one: Outcomes, other: Outcomes, *, rng: np.random.Generator) -> dict[str, Any]:
    """Compare a policy with another pilot in the same worlds.

    Returns:
        Counts of worlds in which only one of them succeeded (an exact sign test tells them apart), and mean differences
        (policy minus other), where both succeeded, of time and effort, with 95 % bootstrap intervals.
    """
    only_one, only_other = (
        int((one.is_success & ~other.is_success).sum()),
        int((other.is_success & ~one.is_success).sum()),
    )
    both = one.is_success & other.is_success
    sign = clopper_pearson(only_one, only_one + only_other) if only_one + only_other else None

    def better(low: float, high: float) -> str:
        return "policy" if low > 0 else "other" if high < 0 else "neither shown"

    out: dict[str, Any] = {
        "n": len(both), "both": int(both.sum()), "only_policy": only_one, "only_other": only_other,
        "difference": (only_one - only_other) / len(both),
        "better_success": better(sign.low - 0.5, sign.high - 0.5) if sign else better(0.0, 0.0),
    }  # fmt: skip
    for name in ("duration", "effort"):
        gap = (getattr(one, name) - getattr(other, name))[both]
        row = None
        if len(gap):
            mean, low, high = mean_interval(gap, rng=rng)
            row = {"mean": mean, "low": low, "high": high, "better": better(-high, -low)}  # less is better
        out[f"difference_{name}"] = row
    return out
