# SPDX-License-Identifier: Apache-2.0
"""The loop over hidden ground: fly scoop tests, fit, forecast, dig, compare; a killed run goes on from its pieces.

In every world the robot flies tests 1, 2, ...; after N of them the belief is fitted, a forecast is written down, and
the same policy digs told that belief; a forecast that is asked for later looks at the belief alone as well. Beside it
dig, on the same soils with the same stones and noise: the policy told default physics for sure, the policy told nothing
but the prior (it adapts by its memory alone), the script, the program that taught the policy (told the prior, or the
belief: classical control that hurries where its scale says it will be late), and the policy told the truth (oracle).
Nothing of a world reaches this side but logs and readings; the truth is read for the oracle and for scoring, and for
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stope.base.comparisons import paired_mean
from stope.base.config import as_dict, check_positive, content_hash
from stope.base.errors import ConfigError
from stope.base.files import read_json, write_json
from stope.base.intervals import clopper_pearson
from stope.base.progress import Progress, silent
from stope.base.seeding import generator
from stope.base.workers import Here, Unit, Workers
from stope.flight.campaign import gap_closed
from stope.flight.ground.belief import GroundBelief, combined
from stope.flight.ground.engine import SoilEngine, engine_for
from stope.flight.ground.forecast import FIGURES, forecasts
from stope.flight.ground.imagine import SPREADS
from stope.flight.ground.log import load_contact_flight
from stope.flight.ground.piloting import TRUE, dig, fly_test, true_soils
from stope.flight.ground.scoop import Kind, ScoopTest
from stope.flight.stand_in import Flyer
from stope.learn.pilots import GruPilot, Pilot, ScriptPilot, TutorPilot
from stope.learn.policies import GruPolicy
from stope.learn.store import task_hash
from stope.world.physics import GROUND_PARAMETERS
from stope.world.tasks import DigTask

__all__ = ["GroundCampaign", "run_ground_campaign"]

Floats = NDArray[np.float64]
SCRIPT, TUTOR, DEFAULT, ADAPTS, ORACLE = "script", "tutor", "default", "adapts", "oracle"


@dataclass(frozen=True, kw_only=True, slots=True)
class GroundCampaign:
    """One campaign."""

    tier: str = "T3"
    """How much the worlds hold that no trainer models."""
    first: int = 0
    last: int = 19
    """Worlds, both included."""
    sealed: str = ""
    """Commit that seals the worlds; empty for the open ones."""
    flights: tuple[int, ...] = (0, 1, 3)
    """After how many flights to dig."""
    design: Kind = "hand"
    """The scoop test that is flown."""
    episodes: int = 20
    """Of digging in each world and arm."""
    simulations: int = 400
    """Worlds that the engine learns from."""
    num_grounds: int = 20
    """Drawn from a belief for its forecast; 0 makes none."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Check the counts.

        Raises:
            ConfigError: worlds out of order, or flights that do not rise from 0.
        """
        check_positive(self, "episodes", "simulations")
        if self.num_grounds < 0 or self.num_grounds == 1:
            raise ConfigError(f"campaign.num_grounds = {self.num_grounds}: expected 0, or 2 or more.")
        if not 0 <= self.first <= self.last:
            raise ConfigError(f"campaign worlds {self.first} to {self.last}: expected 0 or more, in order.")
        rising = all(a < b for a, b in zip(self.flights, self.flights[1:], strict=False))
        if not self.flights or self.flights[0] < 0 or not rising:
            raise ConfigError(f"campaign.flights = {list(self.flights)}: expected counts that rise, such as 0, 1, 3.")


def run_ground_campaign(
    config: GroundCampaign, command: Sequence[str], policy: GruPolicy, *, task: DigTask, root: Path,
    num_threads: int = 1, progress: Progress = silent, workers: Workers | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run a campaign, or take up one that was begun.

    Args:
        config: What.
        command: The flyer's program and first arguments (`stope.flight.ground.piloting`).
        policy: What digs.
        task: The task, at the flyer's site.
        root: Folder of all campaigns.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each stage.
        workers: Who digs and forecasts: one arm's digging, and the forecasts after one number of flights, are a unit
            each. Tests are flown, and their posterior is learned, by this process. This process if left out; results
            do not depend on it.

    Returns:
        Arms with rates and means, gap closed, coverage of beliefs and forecasts, and what criticism widened.
    """
    # How many flights are looked at is left out, and who is drawn for a forecast: a campaign that is asked for more
    # goes on from what it has.
    decides = {k: v for k, v in as_dict(config).items() if k not in ("flights", "num_grounds")}
    key = content_hash({"config": decides, "policy": policy.digest, "flyer": list(command), "task": task_hash(task),
                        "spreads": SPREADS})  # fmt: skip
    run = _Run(config, Flyer(command, tier=config.tier, sealed=config.sealed), policy, task,
               Path(root) / f"campaign-dig-{key}", Path(root), num_threads, progress, workers or Here())  # fmt: skip
    beliefs = run.beliefs()
    given = run.forecasts(beliefs) if config.num_grounds else {}
    arms = run.dig_all(beliefs)
    return {"command": command_of(config), "config": as_dict(config), "policy": policy.digest, "skill": "dig",
            **_report(config, arms, given, beliefs, run.truths())}  # fmt: skip


def command_of(config: GroundCampaign) -> str:
    """The command line that runs a campaign."""
    c = config
    seal = f" --sealed {c.sealed}" if c.sealed else ""
    return (f"stope flight campaign --skill dig --tier {c.tier} --worlds {c.first}-{c.last}{seal} "
            f"--flights {','.join(map(str, c.flights))} --design {c.design} --episodes {c.episodes} "
            f"--grounds {c.num_grounds} --seed {c.seed}")  # fmt: skip


class _Run:
    """The pieces of one campaign, each made when it is not there."""

    def __init__(
        self, config: GroundCampaign, flyer: Flyer, policy: GruPolicy, task: DigTask, folder: Path, root: Path,
        threads: int, progress: Progress, workers: Workers,
    ) -> None:  # fmt: skip
        self.config, self.flyer, self.policy, self.task = config, flyer, policy, task
        self.folder, self.root, self.threads, self.progress = folder, root, threads, progress
        self.workers = workers
        self.worlds = (config.first, config.last)
        self.num_worlds = config.last - config.first + 1
        folder.mkdir(parents=True, exist_ok=True)

    def _test(self, number: int) -> ScoopTest:
        """Flown as flight `number`; only a random one differs from flight to flight."""
        seed = self.config.seed + (number if self.config.design == "random" else 0)
        return ScoopTest(self.config.design, seed=seed, time_limit=self.task.time_limit)

    def _engine(self, number: int) -> SoilEngine:
        return engine_for(self._test(number), self.task, self.root, num=self.config.simulations,
                          seed=self.config.seed, num_threads=self.threads, progress=self.progress)  # fmt: skip

    def _single(self, number: int) -> list[GroundBelief]:
        """What flight `number` alone says of each world."""
        path = self.folder / f"flight-{number}.json"
        if not path.exists():
            flown = fly_test(self.flyer, self._test(number), self.task, self.worlds, flight=number,
                             on_step=lambda x: self.progress(f"fly test {number}", x))  # fmt: skip
            for k, flight in enumerate(flown):
                flight.save(self.folder / f"world-{self.config.first + k:03d}" / f"flight-{number}")
            write_json(path, {"flights": [f.name for f in flown]})
        out: list[GroundBelief] = []
        engine: SoilEngine | None = None
        for world in range(self.config.first, self.config.last + 1):
            kept = self.folder / f"world-{world:03d}" / f"belief-of-{number}.json"
            if not kept.exists():
                engine = engine or self._engine(number)
                flight = load_contact_flight(kept.parent / f"flight-{number}")
                engine.belief(flight, seed=self.config.seed).save(kept)
            out.append(GroundBelief.load(kept))
        return out

    def beliefs(self) -> dict[int, list[GroundBelief]]:
        """After each number of flights, one a world."""
        singles = [self._single(k) for k in range(1, max(self.config.flights) + 1)]
        return {n: [combined([s[w] for s in singles[:n]]) for w in range(self.num_worlds)]
                for n in self.config.flights}  # fmt: skip

    def truths(self) -> Floats:
        """Whitened, (worlds, len(TRUE))."""
        return true_soils(self.flyer, self.worlds)

    def forecasts(self, beliefs: dict[int, list[GroundBelief]]) -> dict[int, list[dict[str, Any]]]:
        """Before the digging, after each number of flights, one a world."""
        c, paths = self.config, {n: self.folder / f"forecast-{n}-of-{self.config.num_grounds}.json" for n in beliefs}
        missing = [n for n, path in paths.items() if not path.exists()]
        # Before any flight all worlds are believed the same: one forecast is theirs.
        units = [Unit(_forecast, (self.policy, self.task, beliefs[n] if n else beliefs[n][:1], c.episodes,
                                  c.num_grounds, c.seed, self.threads), f"forecast after {n}", shows=True)
                 for n in missing]  # fmt: skip

        def keep(at: int, found: list[dict[str, Any]]) -> None:
            number = missing[at]
            write_json(paths[number], {"forecasts": found if number else found * self.num_worlds})

        self.workers.do(units, keep=keep, progress=lambda _, share: self.progress("forecast", share))
        return {n: cast("list[dict[str, Any]]", read_json(path, what="forecasts")["forecasts"])
                for n, path in paths.items()}  # fmt: skip

    def _pilot(self, arm: str) -> Pilot:
        """Who digs in an arm."""
        if arm == SCRIPT:
            return ScriptPilot(self.task)
        return TutorPilot(self.task) if arm.startswith(TUTOR) else GruPilot(self.policy)

    def dig_all(self, beliefs: dict[int, list[GroundBelief]]) -> dict[str, list[list[dict[str, Any]]]]:
        """Outcomes by arm, then world, then episode."""
        prior = GroundBelief.prior().summary()
        default = GroundBelief.certain(np.zeros(len(GROUND_PARAMETERS))).summary()
        told = {SCRIPT: [prior] * self.num_worlds, DEFAULT: [default] * self.num_worlds,
                ADAPTS: [prior] * self.num_worlds, TUTOR: [prior] * self.num_worlds}  # fmt: skip
        for n, found in beliefs.items():
            if n > 0:
                told[f"belief-{n}"] = told[f"{TUTOR}-{n}"] = [b.summary() for b in found]
        told[ORACLE] = [GroundBelief.certain(z, TRUE).summary() for z in self.truths()]
        n, paths = self.config.episodes, {arm: self.folder / f"dig-{arm}.json" for arm in told}
        missing = [arm for arm, path in paths.items() if not path.exists()]
        each = {arm: np.repeat(told[arm], n, axis=0) for arm in missing}
        units = [Unit(_dig, (self.flyer, self._pilot(arm), self.task, self.worlds, n, each[arm]), f"dig {arm}",
                      shows=True) for arm in missing]  # fmt: skip
        self.workers.do(units, keep=lambda at, rows: write_json(paths[missing[at]], {"outcomes": rows}),
                        progress=lambda _, share: self.progress("dig", share))  # fmt: skip
        out: dict[str, list[list[dict[str, Any]]]] = {}
        for arm, path in paths.items():
            rows = cast("list[dict[str, Any]]", read_json(path, what="outcomes")["outcomes"])
            out[arm] = [rows[k * n : (k + 1) * n] for k in range(self.num_worlds)]
        return out


def _forecast(
    policy: GruPolicy, task: DigTask, beliefs: list[GroundBelief], episodes: int, num_grounds: int, seed: int,
    threads: int, *, show: Callable[[float], None] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """One a belief."""
    return forecasts(GruPilot(policy), task, beliefs, episodes=episodes, num_grounds=num_grounds, seed=seed,
                     num_threads=threads, progress=lambda _, x: show(x) if show else None)  # fmt: skip


def _dig(
    flyer: Flyer, pilot: Pilot, task: DigTask, worlds: tuple[int, int], episodes: int, told: Floats,
    *, show: Callable[[float], None] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """One arm's digging in all worlds."""
    return dig(flyer, pilot, lambda names: told, task, worlds, episodes=episodes,
               on_step=lambda x: show(x) if show else None)  # fmt: skip


def _means(worlds: list[list[dict[str, Any]]], name: str) -> Floats:
    """Mean of a figure over the episodes of each world, (worlds,)."""
    return np.array([np.mean([float(row[name]) for row in rows]) for rows in worlds], dtype=np.float64)


def _report(
    config: GroundCampaign, arms: dict[str, list[list[dict[str, Any]]]], given: dict[int, list[dict[str, Any]]],
    beliefs: dict[int, list[GroundBelief]], truths: Floats,
) -> dict[str, Any]:  # fmt: skip
    table: dict[str, Any] = {}
    for arm, worlds in arms.items():
        rows = [row for each in worlds for row in each]
        rate = clopper_pearson(sum(bool(row["success"]) for row in rows), len(rows))
        table[arm] = {"success": rate.success, "n": rate.n, "low": rate.low, "high": rate.high,
                      "time_s": float(_means(worlds, "time_s").mean()),
                      "by_world": {name: _means(worlds, name).tolist() for name in FIGURES}}  # fmt: skip
    gaps = {arm: {name: gap_closed(_means(arms[DEFAULT], name), _means(arms[arm], name), _means(arms[ORACLE], name),
                                   rng=generator(config.seed, "gap", arm, name)) for name in FIGURES}
            for arm in arms if arm not in (DEFAULT, ORACLE)}  # fmt: skip
    against = {arm: {other: {name: _difference(_means(arms[arm], name) - _means(arms[other], name)) for name in FIGURES}
                     for other in (SCRIPT, TUTOR, arm.replace("belief", TUTOR), DEFAULT, ADAPTS, ORACLE)}
               for arm in arms if arm.startswith("belief-")}  # fmt: skip
    return {"arms": table, "gap_closed": gaps, "against": against,
            "forecast": {str(n): _covered(f, arms[f"belief-{n}" if n else ADAPTS]) for n, f in given.items()},
            "beliefs": {str(n): _scored(found, truths) for n, found in beliefs.items() if n > 0}}  # fmt: skip


def _difference(rows: Floats) -> dict[str, float | None]:
    """Mean over worlds of what one arm has more than another (worlds,), with its 95 % interval and p-value."""
    if len(rows) < 2:
        return {"mean": float(rows.mean()), "low": None, "high": None, "p_value": None}
    found = paired_mean(rows)
    return {"mean": found.estimate, "low": found.low, "high": found.high, "p_value": found.p_value}


def _covered(given: list[dict[str, Any]], arm: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """How many forecasts held what came, figure by figure; n is the number of worlds."""
    out: dict[str, Any] = {}
    for name in FIGURES:
        came = _means(arm, name)
        spans = np.array([[f["figures"][name][k] for k in ("low", "high", "mean")] for f in given], dtype=np.float64)
        held = (spans[:, 0] <= came + 1e-9) & (came <= spans[:, 1] + 1e-9)
        rate = clopper_pearson(int(held.sum()), len(held))
        out[name] = {"covered": rate.success, "n": rate.n, "low": rate.low, "high": rate.high,
                     "mean_width": float((spans[:, 1] - spans[:, 0]).mean()), "forecast": float(spans[:, 2].mean()),
                     "came": float(came.mean())}  # fmt: skip
    return out


def _scored(beliefs: list[GroundBelief], truths: Floats) -> dict[str, Any]:
    """How the beliefs lie about the truths, parameter by parameter, and how many were widened."""
    at = [[p.name for p in GROUND_PARAMETERS].index(name) for name in TRUE]
    mean, std = np.array([b.mean[at] for b in beliefs]), np.array([b.std[at] for b in beliefs])
    off = (mean - truths) / std
    notes = [note for b in beliefs for note in cast("list[dict[str, Any]]", b.provenance.get("flights", []))]
    out: dict[str, Any] = {"widened": sum(float(note.get("widened", 1.0)) > 1.0 for note in notes), "of": len(notes)}
    for k, name in enumerate(TRUE):
        rates = {level: clopper_pearson(int((np.abs(off[:, k]) < half).sum()), len(off))
                 for level, half in (("50", 0.6745), ("90", 1.6449))}  # fmt: skip
        out[name] = {"std": float(std[:, k].mean()), "rms_off": float(np.sqrt(np.mean((mean - truths)[:, k] ** 2))),
                     **{f"held_{level}": {"share": r.success, "n": r.n, "low": r.low, "high": r.high}
                        for level, r in rates.items()}}  # fmt: skip
    return out
