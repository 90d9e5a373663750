# SPDX-License-Identifier: Apache-2.0
"""`stope mine`: a month of work on an asteroid, from training to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stope.base.errors import ConfigError
from stope.cli.console import line, progress_bars, show_json
from stope.cli.options import AsJson, Runs, Seed, Settings, Threads, example

__all__ = ["EXAMPLE", "mine"]

EXAMPLE = example(
    "stope mine",
    "stope mine --set robots=100 --seed 3 --out runs/hundred",
    "stope mine --bank bank.parquet --json",
    "stope mine ryugu-ferry --flight flights/0007",
)


def mine(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A name of `stope fleet scenarios`, or a TOML file.")
    ] = "ryugu-month",
    *,
    flight: Annotated[
        Path | None,
        typer.Option(metavar="LOG", help="Flight log to learn from; left out, a stand-in that is shipped."),
    ] = None,
    bank: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Skill bank of a month; left out, the package's or a measured one."),
    ] = None,
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the run; left out, --runs and the scenario's name.")
    ] = None,
    runs: Runs = Path("runs"),
    seed: Seed = 1,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Play a month of a whole fleet from measured skills, many times over, and write a report.

    `ryugu-ferry` is a small mission around one flight log: it trains what is missing, learns from the log, and flies.

    Ctrl-C or a kill at any point: the same command goes on from there and ends with the same report.
    """
    from stope.missions.choose import is_month  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.missions.ferry import FerryConfig  # noqa: PLC0415 -- as above
    from stope.missions.ferry import mine as fly_mission  # noqa: PLC0415 -- as above
    from stope.missions.month import MonthConfig, mine_month  # noqa: PLC0415 -- as above

    if is_month(scenario):
        if flight is not None:
            raise ConfigError(
                "--flight: is for the ferry; months draw from a bank. Use --bank, or `stope mine ryugu-ferry`."
            )
        month = MonthConfig(scenario=scenario, settings=tuple(settings or ()), seed=seed, bank=str(bank or ""))
        with progress_bars() as progress:
            html, report = mine_month(
                month, out=out or runs / Path(scenario).stem, num_threads=threads, progress=progress
            )
        _show(html, report, as_json=as_json)
        return
    if bank is not None:
        raise ConfigError("--bank: is for the months of a fleet; the ferry measures its own skills.")

    config = FerryConfig(scenario=scenario, settings=tuple(settings or ()), seed=seed, flight=str(flight or ""))
    with progress_bars() as progress:
        done = fly_mission(config, out=out, runs=runs, num_threads=threads, progress=progress)
    _show(done.html, done.report, as_json=as_json)


def _show(html: Path, report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(report)
    else:
        line(f"report: {html}")
