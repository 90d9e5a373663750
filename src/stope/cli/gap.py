# SPDX-License-Identifier: Apache-2.0
"""`stope gap`: what training where Earth allows is worth where a skill must work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from stope.cli.console import line, percent, progress_bars, show_json, show_table
from stope.cli.options import AsJson, Runs, Threads, example

__all__ = ["EXAMPLE", "gap"]

EXAMPLE = example("stope gap dock", "stope gap all --plot gap.png", "stope gap haul --seeds 1 --n 200 --json")


def gap(
    skill: Annotated[str, typer.Argument(metavar="SKILL", help="dock, haul, or all, which is both.")],
    *,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Trainings at each platform, seeds 1 to N.")] = 3,
    n: Annotated[int, typer.Option(metavar="N", min=1, help="Episodes in each cell and seed.")] = 1000,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the matrix as a heat map.")] = None,
    runs: Runs = Path("runs"),
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Train a skill on an air-bearing table, on a gimbal and in orbit, and test each policy on all of them.

    One more is trained on a mixture. The gap is (best - found) / (best - nothing), where best is the specialist of the
    place; 0 is none, 1 as bad as thrusters off. A killed run goes on: what is there is not made again.
    """
    from stope.base.errors import FileError, UnknownName  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.gap import flight_gap  # noqa: PLC0415 -- as above
    from stope.learn.skills import FLIGHTS, flight_config  # noqa: PLC0415 -- as above

    if plot is not None and plot.suffix not in {".png", ".svg"}:
        raise FileError(f"{plot}: expected a name that ends in .png or .svg.")
    if plot is not None and not plot.parent.is_dir():
        raise FileError(f"{plot.parent}: no such folder. Make it first.")
    if skill not in (*FLIGHTS, "all"):
        raise UnknownName.of("skill with a gap", skill, [*FLIGHTS, "all"], listing="stope gap --help")
    names = FLIGHTS if skill == "all" else (skill,)
    with progress_bars() as progress:
        found = [flight_gap(flight_config(name), runs, seeds=range(1, seeds + 1), num=n, num_threads=threads,
                            progress=progress) for name in names]  # fmt: skip
    if plot is not None:
        from stope.view.plots.gap import draw_gap  # noqa: PLC0415 -- as above

        draw_gap(found, plot)
    if as_json:
        show_json({"skills": {one["skill"]: one for one in found}})
        return
    for one in found:
        _show(one)


def _show(one: Mapping[str, Any]) -> None:
    line(f"{one['skill']} with {one['robot']}: {len(one['seeds'])} trainings at each platform, {one['episodes']} "
         "episodes in each cell and training; 95 % intervals, of success over worlds, "
         "of gaps over worlds and trainings")  # fmt: skip
    rows = [(f"trained: {who}", *(percent(one["cells"][who][there]) for there in one["tested"]))
            for who in one["trained"]]  # fmt: skip
    rows.append(("nothing", *(percent(one["nothing"][there]) for there in one["tested"])))
    show_table("Success", ("", *(f"tested: {there}" for there in one["tested"])), rows)
    show_table(
        "Gap to the specialist of the place", ("", *(f"tested: {there}" for there in one["tested"])),
        [(f"trained: {who}", *(_gap(one["cells"][who][there]) for there in one["tested"])) for who in one["trained"]],
        note="; ".join(f"{name}: {text}" for name, text in one["platforms"].items()),
    )  # fmt: skip


def _gap(cell: Mapping[str, Any]) -> str:
    found = cell["gap"]
    return cell["why"] if found is None else f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
