# SPDX-License-Identifier: Apache-2.0
"""The month of a whole fleet: measure skills where no bank is there, play many months, keep one, value skills, report.

Every stage is a file of the run, so that a mission killed anywhere goes on where it was and ends with the same report.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stope import __version__
from stope.base.config import as_dict, check_not_negative, check_positive
from stope.base.files import read_json
from stope.base.progress import Progress, silent
from stope.base.runs import Run
from stope.fleet.mission.bank import Bank, shipped_bank
from stope.fleet.mission.bound import month_bound
from stope.fleet.mission.kept import keep_month
from stope.fleet.mission.kernels.columns import SKILLS
from stope.fleet.mission.limits import what_limits
from stope.fleet.mission.measuring import join_rows, measure_bank
from stope.fleet.mission.result import months, summarise
from stope.fleet.mission.scenario import MonthScenario, load_month, with_changes
from stope.fleet.mission.value import skill_values
from stope.missions.month_report import month_report
from stope.view.report import write_report

__all__ = ["MonthConfig", "bank_of", "mine_month"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthConfig:
    """One mission of a month."""

    scenario: str = "ryugu-month"
    """A name listed by `stope fleet scenarios`, or a TOML file."""
    settings: tuple[str, ...] = ()
    """Fields of the scenario that differ, such as `robots=50`."""
    seed: int = 1
    """Root seed of everything."""
    bank: str = ""
    """File of a skill bank; empty takes the package's, or measures one into the run."""
    outcomes: int = 64
    """Measured outcomes of each skill, where a bank is measured."""
    value_months: int = 4
    """Paired months of each change when limits are looked for and skills are valued; 0 leaves that out."""

    def __post_init__(self) -> None:
        """Check seeds and counts."""
        check_not_negative(self, "seed", "value_months")
        check_positive(self, "outcomes")


def mine_month(
    config: MonthConfig, *, out: Path, num_threads: int = 1, progress: Progress = silent
) -> tuple[Path, dict[str, Any]]:
    """Run a month's mission, or take it up where it was left.

    Args:
        config: What to run.
        out: Folder of the run.
        num_threads: Threads of the physics, and months played side by side; the report does not depend on it.
        progress: Told of each stage.

    Returns:
        The report's page, and the report as data.

    Raises:
        ConfigError: a folder with a run of another configuration, or settings that cannot be.
        FileError: a broken file.
    """
    scenario = with_changes(load_month(config.scenario), list(config.settings))
    given = Bank.load(Path(config.bank)) if config.bank else None
    plain = as_dict(config) | {"scenario": scenario.digest, "settings": [], "bank": given.digest if given else ""}
    run = Run(out, {"mission": plain, "version": __version__})
    with run.timed("measure skills"):
        bank = given or bank_of(run, config, num_threads=num_threads, progress=progress)
    with run.timed("the months"):
        played = months(scenario, bank, seed=config.seed, store=run.json, num_threads=num_threads, progress=progress)
    found = summarise(scenario, bank, played)
    found["bound"] = month_bound(scenario, bank.tables(scenario.told))
    # Before the month, so that its days can be looked at as they come.
    run.json("kept.json", lambda: {"scenario": as_dict(scenario) | {"sources": {}}, "bank": config.bank,
                                   "bank_digest": bank.digest, "seed": config.seed})  # fmt: skip
    with run.timed("the month that is kept"):
        kept = keep_month(scenario, bank.believed(0, seed=config.seed, told=scenario.told), run.path("month"),
                          seed=config.seed, policies=bank.pilots(scenario.told), progress=progress)  # fmt: skip
    found["kept_digest"] = kept["digest"]
    if config.value_months:
        with run.timed("what limits"):
            found["limits"] = run.json("limits.json", lambda: what_limits(
                scenario, bank, seed=config.seed, months=config.value_months, num_threads=num_threads,
                progress=progress))  # fmt: skip
        with run.timed("worth of skills"):
            found["value"] = run.json("value.json", lambda: skill_values(
                scenario, bank, seed=config.seed, months=config.value_months, num_threads=num_threads,
                progress=progress))  # fmt: skip
    report = month_report(scenario, found, _provenance(config, scenario, bank))
    html = write_report(report | {"timing": {"seconds": run.timing(), "threads": num_threads}}, out)
    return html, read_json(out / "report.json", what="report")


def bank_of(run: Run, config: MonthConfig, *, num_threads: int, progress: Progress) -> Bank:
    """The package's bank where it has one, else one measured skill by skill into the run."""
    if shipped_bank().is_file():
        return Bank.load(shipped_bank())
    whole = run.path("bank.parquet")
    if not whole.exists():
        parts: list[Bank] = []
        for skill in SKILLS:
            path = run.path(f"bank/{skill}.parquet")
            if not path.exists():
                measure_bank(num=config.outcomes, seed=config.seed, skills=(skill,), num_threads=num_threads,
                             progress=progress).save(path)  # fmt: skip
            parts.append(Bank.load(path))
        join_rows(parts).save(whole)
    return Bank.load(whole)


def _provenance(config: MonthConfig, scenario: MonthScenario, bank: Bank) -> dict[str, Any]:
    return {
        "command": f"stope mine {config.scenario} --seed {config.seed}", "seed": config.seed,
        "settings": list(config.settings), "scenario_digest": scenario.digest, "bank_digest": bank.digest,
        "bank": {key: value for key, value in bank.about.items() if isinstance(value, str | int | float)},
        "versions": {"stope": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
        | {name: version(name) for name in ("numpy", "scipy", "numba", "pyarrow")},
    }  # fmt: skip
