# SPDX-License-Identifier: Apache-2.0
"""`stope mine`: a month of work on an asteroid, from training to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stope.cli.console import line, progress_bars, show_json
from stope.cli.options import AsJson, Runs, Seed, Settings, Threads, example

__all__ = ["EXAMPLE", "mine"]

EXAMPLE = example(
    "stope mine",
    "stope mine --set robots=50 --seed 3 --out runs/fifty",
    "stope mine --flight flights/0007 --json",
)


def mine(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A name of `stope fleet scenarios`, or a TOML file.")
    ] = "ryugu-ferry",
    *,
    flight: Annotated[
        Path | None,
        typer.Option(metavar="LOG", help="Flight log to learn from; left out, a stand-in that is shipped."),
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
    """Train what is missing, measure it, fly a month, write a report.

    Ctrl-C or a kill at any point: the same command goes on from there and ends with the same report.
    """
    from stope.missions.ferry import FerryConfig  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.missions.ferry import mine as fly_mission  # noqa: PLC0415 -- as above

    config = FerryConfig(scenario=scenario, settings=tuple(settings or ()), seed=seed, flight=str(flight or ""))
    with progress_bars() as progress:
        done = fly_mission(config, out=out, runs=runs, num_threads=threads, progress=progress)
    if as_json:
        show_json(done.report)
    else:
        line(f"report: {done.html}")
