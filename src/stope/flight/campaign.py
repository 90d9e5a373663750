# SPDX-License-Identifier: Apache-2.0
"""The whole loop over hidden worlds: fly, fit, forecast, dock, compare; each piece is kept, so a killed run goes on.

In every world the robot flies experiments 1, 2, ...; after N of them the belief is fitted, a forecast is written down,
and the same policy docks told that belief. Beside it dock, from the same starts and under the same noise: the policy
told the prior (default), a classical adaptive controller, and the policy told the truth (oracle). Nothing of a world
reaches this side but flight folders and readings; the truth is read for the oracle and for nothing else.

Gap closed is a ratio of sums over worlds, (arm - default) / (oracle - default), with a bootstrap over worlds. Where the
oracle is not shown to differ from default physics there is no gap to close, and the report says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from stope.base.comparisons import paired_mean
from stope.base.config import as_dict, check_positive, content_hash
from stope.base.errors import ConfigError, Misfit
from stope.base.files import read_json, write_json
from stope.base.intervals import clopper_pearson
from stope.base.progress import Progress, silent
from stope.base.seeding import generator
from stope.base.workers import Here, Unit, Workers
from stope.flight.design import next_flight
from stope.flight.effect import load_truth
from stope.flight.experiment import Experiment, Limits, make_experiment
from stope.flight.fit import fit_flights
from stope.flight.forecast import FIGURES, compare, forecast
from stope.flight.record import Flight, load_flight
from stope.flight.stand_in import Flyer
from stope.learn.adaptive import AdaptivePd
from stope.learn.evaluate import Policy
from stope.learn.policies import MlpPolicy
from stope.learn.store import physics_hash
from stope.world.belief import Belief
from stope.world.physics import NUM_PARAMETERS
from stope.world.robots import Robot
from stope.world.site import Site
from stope.world.tasks import DockConfig

__all__ = ["CampaignConfig", "gap_closed", "run_campaign"]

Floats = NDArray[np.float64]
DEFAULT, ADAPTIVE, ORACLE = "default", "adaptive", "oracle"
GAPS = ("success", "time_s", "final_error_m")
DRAWS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignConfig:
    """One campaign."""

    tier: str = "T3"
    """How much the worlds hold that no trainer models."""
    first: int = 0
    last: int = 19
    """Worlds, both included."""
    sealed: str = ""
    """Commit that seals the worlds; empty for the open ones."""
    flights: tuple[int, ...] = (0, 1, 3)
    """After how many flights to dock."""
    design: Literal["hand", "random", "task", "designed"] = "hand"
    """What is flown; designed: `next_flight` after each."""
    minutes: float = 5.0
    """Length of an experiment [min]."""
    episodes: int = 20
    """Dockings in each world and arm."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Check the counts.

        Raises:
            ConfigError: worlds out of order, or flights that do not rise from 0.
        """
        check_positive(self, "minutes", "episodes")
        if not 0 <= self.first <= self.last:
            raise ConfigError(f"campaign worlds {self.first} to {self.last}: expected 0 or more, in order.")
        rising = all(a < b for a, b in zip(self.flights, self.flights[1:], strict=False))
        if not self.flights or self.flights[0] < 0 or not rising:
            raise ConfigError(f"campaign.flights = {list(self.flights)}: expected counts that rise, such as 0, 1, 3.")


def run_campaign(
    config: CampaignConfig,
    command: Sequence[str],
    policy: MlpPolicy,
    robot: Robot,
    site: Site,
    *,
    task: DockConfig,
    root: Path,
    num_threads: int = 1,
    progress: Progress = silent,
    workers: Workers | None = None,
) -> dict[str, Any]:
    """Run a campaign, or take up one that was begun.

    Args:
        config: What.
        command: The flyer's program and first arguments (`stope.flight.stand_in`).
        policy: What docks.
        robot: What flies.
        site: Where; the flyer's must be the same, which each log says.
        task: The docking task.
        root: Folder of all campaigns.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each stage.
        workers: Who designs, fits, forecasts and docks: a design, fit or forecast of one world, and one arm's dockings,
            are a unit each. The flyer's experiments run on this machine. This process if left out; results do not
            depend on it.

    Returns:
        Arms with rates and means, gap closed, coverage of the forecasts, and what was refused or widened.
    """
    # How many flights are looked at is left out: a campaign that is asked for more goes on from what it has.
    decides = {k: v for k, v in as_dict(config).items() if k != "flights"}
    key = content_hash({"config": decides, "policy": policy.digest, "flyer": list(command), "task": as_dict(task),
                        "physics": physics_hash(robot, site)})  # fmt: skip
    run = _Run(config, Flyer(command, tier=config.tier, sealed=config.sealed), policy, robot, site, task,
               Path(root) / f"campaign-{key}", num_threads, progress, workers or Here())  # fmt: skip
    run.fly()
    beliefs = {n: run.beliefs(n) for n in config.flights}
    forecasts = {n: run.forecasts(n, beliefs[n]) for n in config.flights}
    arms = run.dock_all(beliefs)
    return {
        "command": command_of(config),
        "config": as_dict(config),
        "policy": policy.digest,
        **_report(config, arms, forecasts, beliefs),
    }


def command_of(config: CampaignConfig) -> str:
    """The command line that runs a campaign."""
    c = config
    seal = f" --sealed {c.sealed}" if c.sealed else ""
    return (f"stope flight campaign --tier {c.tier} --worlds {c.first}-{c.last}{seal} "
            f"--flights {','.join(map(str, c.flights))} --design {c.design} --minutes {c.minutes:g} "
            f"--episodes {c.episodes} --seed {c.seed}")  # fmt: skip


class _Run:
    """The pieces of one campaign, each made when it is not there."""

    def __init__(
        self, config: CampaignConfig, flyer: Flyer, policy: MlpPolicy, robot: Robot, site: Site, task: DockConfig,
        folder: Path, threads: int, progress: Progress, workers: Workers,
    ) -> None:  # fmt: skip
        self.config, self.flyer, self.policy, self.robot, self.site = config, flyer, policy, robot, site
        self.task, self.folder, self.threads, self.progress, self.workers = task, folder, threads, progress, workers
        self.worlds = list(range(config.first, config.last + 1))
        folder.mkdir(parents=True, exist_ok=True)

    def fly(self) -> None:
        """All experiments, flight by flight; worlds that fly the same one fly together."""
        first, last = self.config.first, self.config.last
        together = self.config.design != "designed"
        groups = [(first, last)] if together else [(k, k) for k in self.worlds]
        for number in range(1, max(self.config.flights) + 1):
            open_groups = [group for group in groups if not self._kept(group, number).exists()]
            experiments = self._experiments([group[0] for group in open_groups], number)
            for k, group in enumerate(open_groups):
                kept = self._kept(group, number)
                file = kept.with_name(f"experiment-{kept.name}")
                experiments[k].save(file, self.robot)
                # A folder of its own for each attempt: what a killed one left is not in the way.
                out = Path(tempfile.mkdtemp(prefix=f"flight-{number}-", dir=self.folder))
                flown = self.flyer.experiment(file, group, flight=number, out=out)
                write_json(kept, {"flights": [str(f.relative_to(self.folder)) for f in flown]})
                done = (number - 1) * len(groups) + len(groups) - len(open_groups) + k + 1
                self.progress("fly", done / (len(groups) * max(self.config.flights)))

    def _kept(self, group: tuple[int, int], number: int) -> Path:
        return self.folder / f"flight-{number}-worlds-{group[0]}-{group[1]}.json"

    def _flown(self, world: int, number: int) -> Path:
        """Folder of a flight."""
        together = self.config.design != "designed"
        group = (self.config.first, self.config.last) if together else (world, world)
        names = cast("list[str]", read_json(self._kept(group, number), what="list of flights")["flights"])
        return self.folder / names[world - group[0]]

    def _experiments(self, worlds: list[int], number: int) -> list[Experiment]:
        """What worlds fly as their flight of a number."""
        c = self.config
        limits = Limits(robot_minutes=c.minutes)
        if c.design != "designed":
            one = make_experiment(c.design, self.robot, limits, minutes=c.minutes, seed=c.seed + number)
            return [one] * len(worlds)
        beliefs = self._beliefs(worlds, number - 1)
        units = [Unit(_design, (self.policy, belief, self.robot, self.site, self.task, limits, c.seed + number,
                                self.threads), f"world {world}: design of flight {number}")
                 for world, belief in zip(worlds, beliefs, strict=True)]  # fmt: skip
        return self.workers.do(units, progress=lambda _, share: self.progress(f"design {number}", share))

    def beliefs(self, number: int) -> list[Belief]:
        """After a number of flights, one a world."""
        return self._beliefs(self.worlds, number)

    def _beliefs(self, worlds: list[int], number: int) -> list[Belief]:
        """From the first flights of worlds; where they are refused, the prior, and the reason with it."""
        if number == 0:
            return [Belief.prior(self.robot.name)] * len(worlds)
        paths = [self.folder / f"world-{world:03d}" / f"belief-{number}.json" for world in worlds]
        missing = [k for k, path in enumerate(paths) if not path.exists()]
        units = [Unit(_fit, ([load_flight(self._flown(worlds[k], n)) for n in range(1, number + 1)], self.robot,
                             self.site, self.config.seed, self.threads), f"world {worlds[k]}: fit after {number}")
                 for k in missing]  # fmt: skip
        self.workers.do(units, keep=lambda at, belief: belief.save(paths[missing[at]]),
                        progress=lambda _, share: self.progress(f"fit after {number}", share))  # fmt: skip
        return [Belief.load(path) for path in paths]

    def forecasts(self, number: int, beliefs: list[Belief]) -> list[dict[str, Any]]:
        """Before the dockings, one a world."""
        paths = [self.folder / f"world-{world:03d}" / f"forecast-{number}.json" for world in self.worlds]
        missing = [k for k, path in enumerate(paths) if not path.exists()]
        c = self.config
        units = [Unit(_forecast, (self.policy, beliefs[k], self.robot, self.site, self.task, c.episodes, c.seed,
                                  self.threads), f"world {self.worlds[k]}: forecast after {number}")
                 for k in missing]  # fmt: skip
        self.workers.do(units, keep=lambda at, found: write_json(paths[missing[at]], found),
                        progress=lambda _, share: self.progress(f"forecast after {number}", share))  # fmt: skip
        return [read_json(path, what="forecast") for path in paths]

    def dock_all(self, beliefs: dict[int, list[Belief]]) -> dict[str, list[list[dict[str, Any]]]]:
        """Outcomes by arm, then world, then episode."""
        prior = Belief.prior(self.robot.name).summary()
        told: dict[str, list[Floats]] = {DEFAULT: [prior] * len(self.worlds), ADAPTIVE: [prior] * len(self.worlds)}
        told |= {f"belief-{n}": [b.summary() for b in found] for n, found in beliefs.items() if n > 0}
        if max(self.config.flights) > 0:
            told[ORACLE] = [self._truth(world) for world in self.worlds]
        n = self.config.episodes
        paths = {arm: self.folder / f"dock-{arm}.json" for arm in told}
        missing = [arm for arm, path in paths.items() if not path.exists()]
        units = [Unit(_dock, (self.flyer, None if arm == ADAPTIVE else self.policy, self.robot,
                              (self.config.first, self.config.last), n, np.repeat(told[arm], n, axis=0)),
                      f"dock {arm}", shows=True) for arm in missing]  # fmt: skip
        self.workers.do(units, keep=lambda at, rows: write_json(paths[missing[at]], {"outcomes": rows}),
                        progress=lambda _, share: self.progress("dock", share))  # fmt: skip
        out: dict[str, list[list[dict[str, Any]]]] = {}
        for arm, path in paths.items():
            rows = cast("list[dict[str, Any]]", read_json(path, what="outcomes")["outcomes"])
            out[arm] = [rows[k * n : (k + 1) * n] for k in range(len(self.worlds))]
        return out

    def _truth(self, world: int) -> Floats:
        """What the oracle is told: theta of the stand-in, and nothing of the effects that theta has no word for."""
        z = self.robot.prior.whiten(load_truth(self._flown(world, 1) / "truth.json"))
        return np.concatenate([z, np.full(NUM_PARAMETERS, np.log(1e-3))])


def _design(
    policy: MlpPolicy, belief: Belief, robot: Robot, site: Site, task: DockConfig, limits: Limits, seed: int,
    num_threads: int,
) -> Experiment:  # fmt: skip
    """The next flight of one world."""
    return next_flight(policy, belief, robot, site, task=task, limits=limits, per_kind=1, seed=seed,
                       num_threads=num_threads)[0]  # fmt: skip


def _fit(flights: list[Flight], robot: Robot, site: Site, seed: int, num_threads: int) -> Belief:
    """The belief of one world's flights; the prior, and the reason with it, where they are refused."""
    try:
        return fit_flights(flights, robot, [site] * len(flights), seed=seed, num_threads=num_threads)
    except Misfit as error:
        prior = Belief.prior(robot.name)
        return Belief(robot=prior.robot, mean=prior.mean, covariance=prior.covariance,
                      provenance={"method": "prior", "refused": str(error)})  # fmt: skip


def _forecast(
    policy: MlpPolicy, belief: Belief, robot: Robot, site: Site, task: DockConfig, episodes: int, seed: int,
    num_threads: int,
) -> dict[str, Any]:  # fmt: skip
    """The forecast of one world's dockings."""
    return forecast(policy, belief, robot, site, task=task, episodes=episodes, seed=seed, num_robots=60,
                    num_threads=num_threads)  # fmt: skip


def _dock(
    flyer: Flyer, policy: MlpPolicy | None, robot: Robot, worlds: tuple[int, int], episodes: int, told: Floats, *,
    show: Callable[[float], None] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Dockings of one arm, of the adaptive controller where there is no policy."""

    def make(_: int) -> Policy:
        return AdaptivePd(robot) if policy is None else policy

    return flyer.dock(make, lambda names: told, robot, worlds, episodes=episodes,
                      on_step=show or (lambda share: None))  # fmt: skip


def _means(worlds: list[list[dict[str, Any]]], name: str) -> Floats:
    """Mean of a figure over the episodes of each world, (worlds,)."""
    return np.array([np.mean([float(row[name]) for row in rows]) for rows in worlds], dtype=np.float64)


def gap_closed(default: Floats, arm: Floats, oracle: Floats, *, rng: np.random.Generator) -> dict[str, Any]:
    """Share of the gap between default and oracle that an arm closes, over worlds (worlds,) each.

    Returns:
        The ratio of sums with a 95 % bootstrap interval over worlds, and whether there is a gap: whether the 95 %
        interval of oracle minus default (Student's t: with few worlds a bootstrap's is too short) leaves out 0.
    """
    pick = rng.integers(0, len(default), (DRAWS, len(default)))
    whole, part = (oracle - default)[pick].sum(axis=1), (arm - default)[pick].sum(axis=1)
    found = paired_mean(oracle - default) if len(default) > 1 else None
    is_there = found is not None and (found.low > 0.0 or found.high < 0.0)
    total = float((oracle - default).sum())
    ratios = part[whole != 0.0] / whole[whole != 0.0]
    interval = np.quantile(ratios, [0.025, 0.975]).tolist() if is_there and len(ratios) else [None, None]
    return {"closed": float((arm - default).sum()) / total if is_there else None, "low": interval[0],
            "high": interval[1], "is_there": is_there, "gap": total / len(default)}  # fmt: skip


def _report(
    config: CampaignConfig, arms: dict[str, list[list[dict[str, Any]]]], forecasts: dict[int, list[dict[str, Any]]],
    beliefs: dict[int, list[Belief]],
) -> dict[str, Any]:  # fmt: skip
    table: dict[str, Any] = {}
    for arm, worlds in arms.items():
        rows = [row for each in worlds for row in each]
        rate = clopper_pearson(sum(bool(row["success"]) for row in rows), len(rows))
        table[arm] = {
            "success": rate.success, "n": rate.n, "low": rate.low, "high": rate.high,
            **{name: float(_means(worlds, name).mean()) for name in ("time_s", "final_error_m", "impulse_ns")},
            "by_world": {name: _means(worlds, name).tolist() for name in GAPS},
        }  # fmt: skip
    gaps: dict[str, Any] = {}
    if ORACLE in arms:
        for arm in [a for a in arms if a not in (DEFAULT, ORACLE)]:
            gaps[arm] = {name: gap_closed(_means(arms[DEFAULT], name), _means(arms[arm], name),
                                          _means(arms[ORACLE], name), rng=generator(config.seed, "gap", arm, name))
                         for name in GAPS}  # fmt: skip
    return {"arms": table, "gap_closed": gaps, "forecast": {str(n): _covered(f, arms, n) for n, f in forecasts.items()},
            "beliefs": {str(n): [_trust(b) for b in found] for n, found in beliefs.items() if n > 0}}  # fmt: skip


def _covered(given: list[dict[str, Any]], arms: dict[str, list[list[dict[str, Any]]]], number: int) -> dict[str, Any]:
    """How many forecasts held what came, figure by figure; n is the number of worlds."""
    arm = arms[f"belief-{number}" if number else DEFAULT]
    scores = [compare(f, rows)["figures"] for f, rows in zip(given, arm, strict=True)]
    out: dict[str, Any] = {}
    for name in FIGURES:
        if name in scores[0]:
            rate = clopper_pearson(sum(s[name]["is_covered"] for s in scores), len(scores))
            out[name] = {"covered": rate.success, "n": rate.n, "low": rate.low, "high": rate.high,
                         "mean_width": float(np.mean([s[name]["high"] - s[name]["low"] for s in scores])),
                         "forecast": float(np.mean([s[name]["mean"] for s in scores])),
                         "came": float(np.mean([s[name]["came"] for s in scores]))}  # fmt: skip
    return out


def _trust(belief: Belief) -> dict[str, Any]:
    """What criticism made of one belief."""
    keys = ("temperature", "block_ratio", "flight_ratio", "normalised_error", "disturbances", "widened_because",
            "refused", "held_out")  # fmt: skip
    return {k: belief.provenance[k] for k in keys if k in belief.provenance}
