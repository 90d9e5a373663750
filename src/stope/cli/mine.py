# SPDX-License-Identifier: Apache-2.0
"""`stope mine`: a month of work on an asteroid, from training to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stope.cli.console import line, progress_bars, show_json
from stope.cli.options import AsJson, Runs, Seed, Threads, example

__all__ = ["EXAMPLE", "mine"]

EXAMPLE = example("stope mine", "stope mine --seed 3 --out runs/third", "stope mine --json")


def mine(  # noqa: PLR0913 -- one parameter an option
    mission: Annotated[str, typer.Argument(metavar="MISSION", help="Which mission.")] = "ryugu-ferry",
    *,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the run and its report.")] = None,
    runs: Runs = Path("runs"),
    seed: Seed = 1,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Train what is missing, measure it, fly a month, write a report."""
    from stope.missions.ferry import mine as fly_mission  # noqa: PLC0415 -- keeps `stope --help` fast

    with progress_bars() as progress:
        done = fly_mission(mission, out=out, runs=runs, seed=seed, num_threads=threads, progress=progress)
    if as_json:
        show_json(done.report)
    else:
        line(f"report: {done.html}")
