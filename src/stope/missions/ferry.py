# SPDX-License-Identifier: Apache-2.0
"""The ferry mission: learn to dock, let one flight log sharpen the belief, measure the skill, run the month, report.

Each stage is kept as a file of the run, so that a mission killed anywhere goes on where it was and ends with the same
report. Nothing a stage makes depends on the number of threads or on how often the mission was interrupted; wall-clock
is kept apart.

The month is run twice on paired seeds. Both times the robots' physics are draws from the belief that the flight left;
the first time the robots are told only the prior, the second time that belief. The difference is what the flight was
worth to the fleet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stope import __version__
from stope.base.config import as_dict, content_hash
from stope.base.errors import ConfigError, FileError, StopeError
from stope.base.files import read_json, write_json
from stope.base.progress import Progress, silent
from stope.base.runs import Run
from stope.fleet.figures import MissionResult
from stope.fleet.measure import bank_table, join, measure_piece, pieces
from stope.fleet.scenario import FerryScenario, load_scenario, with_settings
from stope.fleet.simulate import simulate
from stope.fleet.skill_bank import SkillBank
from stope.flight.effect import before_and_after
from stope.flight.fit import fit_flight
from stope.flight.record import Flight, load_flight
from stope.flight.samples import sample_flight
from stope.learn.policies import MlpPolicy
from stope.learn.store import trained_flight
from stope.learn.train import SiteConfig, TrainConfig
from stope.missions.ferry_config import TOLD, FerryConfig
from stope.missions.ferry_report import Facts, ferry_report
from stope.view.report import write_report
from stope.world.belief import Belief
from stope.world.robots import Robot, load_robot
from stope.world.site import make_site

__all__ = ["Done", "FerryConfig", "mine"]


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """A mission that has run to its end."""

    html: Path
    report: dict[str, Any]


def mine(
    config: FerryConfig,
    *,
    out: Path | None = None,
    runs: Path = Path("runs"),
    num_threads: int = 1,
    progress: Progress = silent,
) -> Done:
    """Run a ferry mission, or take it up where it was left.

    Args:
        config: What to run.
        out: Folder of the run; `runs` / the scenario's name when left out.
        runs: Where policies are kept.
        num_threads: Threads of the physics; the report does not depend on it.
        progress: Told of each stage.

    Returns:
        The report, and where its page is. `report.json` beside it holds the same.

    Raises:
        ConfigError: a folder with a run of another configuration, or settings that cannot be.
        FileError: a broken file.
        Misfit: a flight log that no world explains.
    """
    scenario = with_settings(load_scenario(config.scenario), list(config.settings))
    flight = load_flight(config.flight or sample_flight())
    robot = load_robot(scenario.robot)
    if flight.robot != robot.name:
        raise ConfigError(f"flight {flight.name}: flown by {flight.robot!r}, the mission flies {robot.name!r}.")
    folder = out or runs / scenario.name
    run = Run(folder, _identity(config, scenario, flight))
    stages = _Stages(run, config, scenario, flight, robot, num_threads, progress)
    policy, curve = stages.train(runs)
    belief = stages.fit()
    effect = stages.effect(policy, belief)
    banks = {told: stages.bank(told, policy, belief) for told in TOLD}
    months = {told: stages.month(told, banks[told]) for told in TOLD}
    with run.timed("report"):
        facts = Facts(
            config=config, scenario=scenario, flight=flight, robot=robot, policy=policy, curve=curve, belief=belief,
            effect=effect, banks=banks, months=months, config_hash=run.config_hash,
        )  # fmt: skip
        report = ferry_report(facts)
    html = write_report(report | {"timing": {"seconds": run.timing(), "threads": num_threads}}, folder)
    return Done(html, read_json(folder / "report.json", what="report"))


def _identity(config: FerryConfig, scenario: FerryScenario, flight: Flight) -> dict[str, Any]:
    """What decides a mission's result."""
    plain = replace(config, scenario=scenario.name, settings=(), flight="")
    return {"mission": as_dict(plain), "scenario": scenario.digest, "flight": flight.telemetry_sha256,
            "version": __version__}  # fmt: skip


class _Stages:
    """The stages of one mission; each reads its file when it is there."""

    def __init__(
        self,
        run: Run,
        config: FerryConfig,
        scenario: FerryScenario,
        flight: Flight,
        robot: Robot,
        num_threads: int,
        progress: Progress,
    ) -> None:
        self.run, self.config, self.scenario, self.flight, self.robot = run, config, scenario, flight, robot
        self.num_threads, self.progress = num_threads, progress
        place = scenario.site
        self.train_config = TrainConfig(
            site=SiteConfig(body=place.body, latitude_deg=place.latitude_deg, longitude_deg=place.longitude_deg,
                            height=place.height),
            robot=scenario.robot, seed=config.seed,
        )  # fmt: skip

    def train(self, runs: Path) -> tuple[MlpPolicy, list[dict[str, float]]]:
        """The docking policy, kept with the run, and how its success grew."""
        kept, curve = self.run.path("policy.safetensors"), self.run.path("history.json")
        if not (kept.exists() and curve.exists()):
            with self.run.timed("train"):
                policy, path = trained_flight(
                    self.train_config, runs, num_threads=self.num_threads, progress=self.progress
                )
            history = json.loads((path.parent / "history.json").read_text(encoding="utf-8"))
            write_json(curve, {"rows": [{k: v for k, v in row.items() if k != "seconds"} for row in history]})
            policy.save(kept)
        policy = MlpPolicy.load(kept)
        if policy.card.get("config_hash") != content_hash(self.train_config):
            raise FileError(f"{kept}: a policy of another training. Delete it to train again.")
        self.progress("train dock", 1.0)
        return policy, list(read_json(curve, what="history")["rows"])

    def fit(self) -> Belief:
        """What the flight log says of the physics."""
        path = self.run.path("belief.json")
        if not path.exists():
            place = self.flight.site
            site = make_site(place.body, latitude_deg=place.latitude_deg, longitude_deg=place.longitude_deg,
                             height=place.height)  # fmt: skip
            with self.run.timed("fit flight"):
                self.progress("fit flight", 0.0)
                fit_flight(
                    self.flight, self.robot, site, seed=self.config.seed, num_threads=self.num_threads,
                    on_stage=lambda power: self.progress("fit flight", power),
                ).save(path)  # fmt: skip
        self.progress("fit flight", 1.0)
        return Belief.load(path)

    def effect(self, policy: MlpPolicy, belief: Belief) -> dict[str, Any]:
        """The same policy told the prior and told the belief, in worlds drawn from the belief."""
        with self.run.timed("dock before and after"):
            return self.run.json(
                "docking-effect.json",
                lambda: before_and_after(
                    policy, belief, self.robot, self.scenario.site.site(), task=self.train_config.task,
                    num=self.config.dockings, seed=self.config.seed, num_threads=self.num_threads,
                    progress=self.progress,
                ),
            )  # fmt: skip

    def bank(self, told: str, policy: MlpPolicy, belief: Belief) -> SkillBank:
        """The skill bank measured with robots that are told the prior or the belief; kept piece by piece."""
        names, parts = pieces(self.scenario), []
        stage = f"measure skills, told the {told}"
        for k, piece in enumerate(names):
            path = self.run.path(f"bank-{told}/{piece}.npz")
            if not path.exists():

                def report(_: str, share: float, done: int = k) -> None:
                    self.progress(stage, (done + share) / len(names))

                with self.run.timed("measure skills"):
                    measure_piece(
                        piece, self.scenario, policy, belief=belief,
                        told=belief if told == "belief" else Belief.prior(self.robot.name), n=self.config.outcomes,
                        seed=self.config.seed, num_threads=self.num_threads, progress=report,
                    ).save(path)  # fmt: skip
            parts.append(SkillBank.load(path))
            self.progress(stage, (k + 1) / len(names))
        bank = join(parts)
        for row in bank_table(bank):
            if row["success"] == 0.0:
                raise StopeError(
                    f"skill bank: {row['activity']} never succeeded in {row['n']} tries. The month needs it."
                )
        return bank

    def month(self, told: str, bank: SkillBank) -> MissionResult:
        """The month from one bank, replicate by replicate."""
        with self.run.timed("the month"):
            return simulate(
                self.scenario, bank, seed=self.config.seed,
                progress=lambda _, share: self.progress(f"the month, told the {told}", share),
                store=lambda name, make: self.run.json(f"told-{told}/{name}", make),
            )  # fmt: skip
