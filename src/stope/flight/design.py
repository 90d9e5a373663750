# SPDX-License-Identifier: Apache-2.0
"""The next flight: which experiment makes the task go better, per minute of the robot.

Each candidate is judged before it is flown. Its information (`stope.flight.information`) says what the belief will be:
a normal belief of covariance C becomes one of covariance C' = (C^-1 + I)^-1, and its mean moves by what is learned. In
worlds drawn from the belief, the policy docks told such beliefs, told the belief as it is, and told the truth, with the
same starts and noise. Regret is the loss told a belief less the loss told the truth; a candidate is worth the regret it
takes away, per robot-minute. A fifth of the time goes to the experiment that could best prove the model wrong.

The loss of an episode: 1 for a failure, plus a tenth of the time as a share of the limit, plus a tenth of the final
error as a share of 5 cm. The weights are chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError, FileError
from stope.base.files import read_json
from stope.base.intervals import mean_interval
from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.flight.disturbance import acted
from stope.flight.experiment import KINDS, Experiment, Limits, make_experiment
from stope.flight.information import EFFECTS, Information, information
from stope.learn.evaluate import Episodes, Policy, draw_truths, fly
from stope.world.belief import Belief
from stope.world.env import DockBatch
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import Robot
from stope.world.site import Site
from stope.world.tasks import DockConfig

__all__ = ["CRITICISM_SHARE", "Judged", "belief_after", "expected_regret", "load_weights", "losses", "next_flight"]

Floats = NDArray[np.float64]

CRITICISM_SHARE = 0.2
"""Share of the robot's time kept for the experiment that could prove the model wrong."""
WEIGHTS = "stope-weights-1"
CERTAIN = 1e-3
"""Standard deviation of z of a belief that is told the truth."""
NUM_WORLDS = 256
"""Worlds in which regret is estimated."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One candidate and what is expected of it."""

    experiment: Experiment
    info: Information
    regret: float
    """Expected after it [1]."""
    reduction: tuple[float, float, float]
    """Of regret: mean, and 95 % interval over worlds."""
    gain: float
    """Expected information gain, to first order [nats]."""

    def row(self) -> dict[str, Any]:
        """Figures for a table or JSON."""
        e = self.experiment
        return {
            "name": e.name, "minutes": e.minutes, "megabytes": e.megabytes, "regret_after": self.regret,
            "reduction": self.reduction[0], "reduction_low": self.reduction[1], "reduction_high": self.reduction[2],
            "reduction_per_minute": self.reduction[0] / e.minutes, "gain_nats": self.gain,
            "fisher_log_det": float(np.linalg.slogdet(np.eye(len(self.info.fisher)) + self.info.fisher)[1]),
            "detects": dict(zip(EFFECTS, self.info.detects.tolist(), strict=True)),
            "refutes": self.refutes, "farthest_m": self.info.farthest, "abort_share": self.info.abort_share,
        }  # fmt: skip

    @property
    def refutes(self) -> float:
        """Power to prove the model wrong: mean over effects of log(1 + size^2 against noise) / 2 [nats]."""
        return float(0.5 * np.mean(np.log1p(self.info.detects**2)))


def load_weights(path: Path) -> tuple[float, dict[str, float]]:
    """What the skills are worth to a mission, as `stope fleet value --weights FILE` writes it.

    Returns:
        The weight of docking, whose regret is estimated, and the weights of skills for which none is.

    Raises:
        FileError: another format, no such table, a weight below 0, or none for docking.
    """
    data = read_json(path, what="weights")
    if data.get("format") != WEIGHTS:
        raise FileError(f"{path}: format {data.get('format')!r}: expected {WEIGHTS!r}, of `stope fleet value`.")
    table: Any = data.get("weights")
    rows = cast("dict[str, Any]", table) if isinstance(table, dict) else {}
    for name, value in rows.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < np.inf:
            raise FileError(f"{path}: weights.{name} = {value!r}: expected a number of 0 or more.")
    weight = float(rows.get("dock", 0.0))
    if weight <= 0.0:
        raise FileError(f"{path}: weights.dock: expected a weight above 0; regret is estimated for dock alone.")
    return weight, {name: float(value) for name, value in rows.items() if name != "dock" and value > 0.0}


def losses(flown: Episodes, task: DockConfig) -> Floats:
    """Loss of each episode [1], (episodes,)."""
    failed = 1.0 - flown.is_success.astype(np.float64)
    error = np.minimum(1.0, flown.tail_error / 0.05)
    return failed + 0.1 * flown.duration / task.time_limit + 0.1 * error


class _Docking:
    """The same worlds, starts and noise, docked in under different beliefs."""

    def __init__(
        self, policy: Policy, belief: Belief, robot: Robot, site: Site, task: DockConfig, *, seed: int, threads: int
    ) -> None:
        self.policy, self.belief, self.task = policy, belief, task
        self.z = draw_truths(Belief(robot=belief.robot, mean=belief.mean, covariance=belief.covariance), NUM_WORLDS,
                             rng=generator(seed, "regret"))  # fmt: skip
        self.noise = generator(seed, "regret-noise").standard_normal(self.z.shape)
        self.batch = DockBatch(robot, site, num_worlds=NUM_WORLDS, seed=stream_key(seed, "regret"), task=task,
                               pool_size=1, num_threads=threads)  # fmt: skip

    def loss(self, summary: Floats) -> Floats:
        """Of each world, told a summary each or one for all, (worlds,)."""
        self.batch.episodes[:] = 0
        told = np.broadcast_to(summary, (NUM_WORLDS, 2 * NUM_PARAMETERS))
        return losses(fly(self.policy, self.batch, self.z, told), self.task)

    def told_truth(self) -> Floats:
        """Loss when told the truth."""
        return self.loss(np.concatenate([self.z, np.full_like(self.z, np.log(CERTAIN))], axis=1))

    def told_after(self, info: Floats, free: NDArray[np.intp]) -> Floats:
        """Loss when told what the belief will be after an experiment of this information about the free z."""
        mean, after = belief_after(self.belief.mean[free], self.belief.covariance[np.ix_(free, free)], info,
                                   self.z[:, free], self.noise[:, free])  # fmt: skip
        told = np.tile(self.belief.summary(), (NUM_WORLDS, 1))
        told[:, free] = mean
        told[:, NUM_PARAMETERS + free] = 0.5 * np.log(np.maximum(np.diag(after), CERTAIN**2))
        return self.loss(told)


def belief_after(
    mean: Floats, covariance: Floats, info: Floats, truths: Floats, noise: Floats
) -> tuple[Floats, Floats]:  # fmt: skip
    """Normal beliefs after an experiment, in worlds whose truths the belief before it drew.

    Given the truth z, the new mean is mean + K (z - mean) + noise of covariance K C', with K = 1 - C' C^-1; over truths
    and noise the truth then lies in its new belief as a draw of it.

    Args:
        mean: Before, (n,).
        covariance: Before, (n, n).
        info: What the experiment tells, (n, n).
        truths: (worlds, n).
        noise: Standard normal, (worlds, n).

    Returns:
        New means (worlds, n) and the new covariance (n, n).
    """
    before = np.linalg.inv(covariance)
    after = np.linalg.inv(before + info)
    weight = np.eye(len(mean)) - after @ before
    spread = weight @ after
    values, vectors = np.linalg.eigh(0.5 * (spread + spread.T))
    shaken = noise * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    return mean + (truths - mean) @ weight.T + shaken, 0.5 * (after + after.T)


def expected_regret(
    policy: Policy, belief: Belief, robot: Robot, site: Site, infos: Sequence[Floats], *, task: DockConfig, seed: int,
    num_threads: int = 1, progress: Progress = silent,
) -> tuple[Floats, list[Floats]]:  # fmt: skip
    """Regret of each world now, and after experiments of the given information about the free z, (worlds,) each."""
    docking = _Docking(policy, belief, robot, site, task, seed=seed, threads=num_threads)
    free = np.flatnonzero(robot.prior.is_free)
    best = docking.told_truth()
    now = docking.loss(belief.summary()) - best
    after: list[Floats] = []
    for k, info in enumerate(infos):
        after.append(docking.told_after(info, free) - best)
        progress("regret", (k + 1) / len(infos))
    return now, after


def next_flight(
    policy: Policy,
    belief: Belief,
    robot: Robot,
    site: Site,
    *,
    task: DockConfig,
    limits: Limits | None = None,
    per_kind: int = 2,
    weight: float = 1.0,
    seed: int = 1,
    num_threads: int = 1,
    progress: Progress = silent,
) -> tuple[Experiment, dict[str, Any]]:
    """Choose the next flight.

    Args:
        policy: Whose regret counts.
        belief: What is known.
        robot: What flies.
        site: Where.
        task: The docking task.
        limits: What the flight may take.
        per_kind: Candidates of each kind.
        weight: What docking is worth to the mission; scales regret.
        seed: Root seed.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of the stages "candidates" and "regret".

    Returns:
        The experiment, and what each candidate was expected to do.

    Raises:
        ConfigError: if no candidate keeps the limits.
    """
    limits = limits or Limits()
    minutes = min(limits.robot_minutes, limits.megabytes / (190e-6 * 300.0))
    candidates = [make_experiment(kind, robot, limits, minutes=(1.0 - CRITICISM_SHARE) * minutes, seed=seed + k)
                  for kind in KINDS for k in range(1 if kind in ("hand", "rest") else per_kind)]  # fmt: skip
    infos, acts = list[Information](), acted(belief)
    for k, each in enumerate(candidates):
        infos.append(information(each, belief, robot, site, seed=seed, keep_in=limits.keep_in, disturbance=acts,
                                 num_threads=num_threads))  # fmt: skip
        progress("candidates", (k + 1) / len(candidates))
    now, after = expected_regret(policy, belief, robot, site, [i.robust for i in infos], task=task, seed=seed,
                                 num_threads=num_threads, progress=progress)  # fmt: skip
    free = np.flatnonzero(robot.prior.is_free)
    covariance, judged = belief.covariance[np.ix_(free, free)], list[Judged]()
    for each, info, left in zip(candidates, infos, after, strict=True):
        change = mean_interval(weight * (now - left), rng=generator(seed, "reduction"))
        judged.append(Judged(each, info, weight * float(left.mean()), (change.estimate, change.low, change.high),
                             info.expected_gain(covariance)))  # fmt: skip
    safe = [j for j in judged if j.info.abort_share <= limits.abort_risk]
    if not safe:
        raise ConfigError(f"no candidate stays within {limits.keep_in:g} m: raise keep_in, or lower force_share.")
    best = max(safe, key=lambda j: (j.reduction[0], j.gain))
    critic = max(safe, key=lambda j: j.refutes)
    kind, _, number = critic.experiment.name.rpartition("-")
    last = make_experiment(kind, robot, limits, minutes=CRITICISM_SHARE * minutes, seed=int(number))
    chosen = best.experiment.then(last)
    ranked = sorted(judged, key=lambda j: -j.reduction[0])
    return chosen, {
        "robot": robot.name, "site": site.name, "seed": seed, "regret_now": weight * float(now.mean()),
        "chosen": best.experiment.name, "criticism": critic.experiment.name, "minutes": chosen.minutes,
        "megabytes": chosen.megabytes, "candidates": [j.row() for j in ranked],
        "by": {"regret": best.experiment.name, "gain": max(safe, key=lambda j: j.gain).experiment.name,
               "hand": "hand-" + str(seed), "refutes": critic.experiment.name},
        "notes": _notes(best, critic, weight * float(now.mean()), robot, limits),
    }  # fmt: skip


def _notes(best: Judged, critic: Judged, now: float, robot: Robot, limits: Limits) -> Mapping[str, Any]:
    """For the crew: what to do, why, what it should tell, when to stop."""
    strongest = EFFECTS[int(np.argmax(critic.info.detects))]
    return {
        "what_to_do": f"Fly {best.experiment.name} for {best.experiment.minutes:.1f} min, then "
        f"{critic.experiment.name} for {CRITICISM_SHARE / (1 - CRITICISM_SHARE) * best.experiment.minutes:.1f} min; "
        f"the robot is {robot.name}.",
        "why": f"Expected regret of docking now {now:.4f}, after it {best.regret:.4f} (loss of an episode; reduction "
        f"{best.reduction[0]:.4f}, 95 % {best.reduction[1]:.4f} to {best.reduction[2]:.4f}).",
        "what_it_should_tell": f"{best.gain:.1f} nats about the robot's physics. The last part could show what the "
        f"model leaves out, {strongest} most of all ({critic.info.detects.max():.1f} times the noise at the size "
        "thought likely).",
        "abort_if": f"the robot is more than {limits.keep_in:g} m from the start; keep the log up to there.",
    }  # fmt: skip
