# SPDX-License-Identifier: Apache-2.0
"""`stope gap`: what training where Earth allows is worth where a skill must work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from stope.cli.console import line, percent, progress_bars, show_table
from stope.cli.keep import reported, told
from stope.cli.options import AsJson, Runs, Threads, Workers, example

__all__ = ["EXAMPLE", "gap"]

EXAMPLE = example("stope gap dock", "stope gap all --quick --plot gap.png", "stope gap anchor --seeds 1 --n 16 --json",
                  "stope gap dock --model", "stope gap dock --workers 2")  # fmt: skip


@reported(basis="measured", notes=("Every place is simulated: a platform on Earth and an orbit are worlds of stope.",))
def gap(
    skill: Annotated[str, typer.Argument(metavar="SKILL", help="A skill, or all that this can be asked of.")],
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Train nothing: fly what is shipped, and scripts.")] = False,
    model: Annotated[bool, typer.Option("--model", help="Of a predictive model instead of a policy.")] = False,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Trainings at each place, seeds 1 to N.")] = 3,
    n: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Episodes in each cell and seed; else by skill.", show_default=False),
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the matrix as a heat map.")] = None,
    runs: Runs = Path("runs"),
    workers: Workers = "1",
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """What a skill is worth away from where it was learned: on a table, a gimbal, in the soil of other gravities.

    dock, haul and anchor are trained at each place, and once over all, and each policy is tested at all of them. The
    gap is (best - found) / (best - nothing), where best is the specialist of the place; 0 is none, 1 as bad as doing
    nothing. A killed run goes on: what is there is not made again. With --quick nothing is trained: the policies of the
    package are flown beside the scripts, whose success is then the best.
    """
    from stope.base.errors import ConfigError, FileError, UnknownName  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.workers import make_workers  # noqa: PLC0415 -- as above
    from stope.learn.gap_all import GAPS, gaps  # noqa: PLC0415 -- as above

    if plot is not None and plot.suffix not in {".png", ".svg"}:
        raise FileError(f"{plot}: expected a name that ends in .png or .svg.")
    if plot is not None and not plot.parent.is_dir():
        raise FileError(f"{plot.parent}: no such folder. Make it first.")
    if quick and model:
        raise ConfigError("--quick and --model: expected one of them.")
    kind = "quick" if quick else "model" if model else "trained"
    if kind == "trained" and skill in GAPS["quick"] and skill not in GAPS[kind]:
        raise ConfigError(f"no trained gap of skill {skill!r}: expected --quick, which trains nothing.")
    if skill not in (*GAPS[kind], "all"):
        raise UnknownName.of(f"{kind} gap of skill", skill, [*GAPS[kind], "all"], listing="stope gap --help")
    crew = make_workers(workers)
    each = max(1, threads // crew.num)  # threads are of one worker
    with progress_bars() as progress:
        found = gaps(kind, GAPS[kind] if skill == "all" else (skill,), runs, seeds=seeds, num=n, num_threads=each,
                     progress=progress, workers=crew)  # fmt: skip
    if plot is not None:
        from stope.view.plots.gap import draw_gap  # noqa: PLC0415 -- as above

        draw_gap(found, plot)
    gaps_of = [(one["skill"], who, there, cell["gap"]) for one in found for who, row in one["cells"].items()
               for there, cell in row.items() if cell.get("gap")]  # fmt: skip
    worst = max(gaps_of, key=lambda row: row[3]["value"], default=None)
    says = "No gap could be measured." if worst is None else (
        f"The largest gap is that of {worst[0]} from {worst[1]} at {worst[2]}: {_gap({'gap': worst[3]})}; "
        "1 is as bad as doing nothing.")  # fmt: skip
    if told({"skills": {one["skill"]: one for one in found}}, as_json=as_json, says=says):
        return
    for one in found:
        _show_model(one) if model else _show(one)


def _show_model(one: Mapping[str, Any]) -> None:
    line(f"{one['skill']} with {one['robot']}: position error after {one['horizon_s']:g} s of prediction [mm], "
         f"{one['flights']} flights to each model and test, {len(one['seeds'])} seeds; "
         "95 % intervals over worlds and seeds")  # fmt: skip
    head = ("", *(f"tested: {there}" for there in one["tested"]))
    rows = [(f"fitted: {who}", *(_error(one["cells"][who][there]) for there in one["tested"]))
            for who in one["trained"]]  # fmt: skip
    rows.append(("constant velocity", *(_error(one["constant"][there]) for there in one["tested"])))
    show_table("Error [mm]", head, rows)
    show_table("Gap to the model of the place; 1 is no better than constant velocity", head,
               [(f"fitted: {who}", *(_gap(one["cells"][who][there]) for there in one["tested"]))
                for who in one["trained"]])  # fmt: skip


def _error(cell: Mapping[str, Any]) -> str:
    return f"{1000 * cell['error_m']:.0f} ({1000 * cell['low']:.0f} to {1000 * cell['high']:.0f})"


def _show(one: Mapping[str, Any]) -> None:
    quick = "is_shipped" in one
    said = f"{len(one['seeds'])} trainings at each place, {one['episodes']} episodes in each cell and training"
    line(f"{one['skill']} with {one['robot']}: " + (f"{one['episodes']} episodes in each cell" if quick else said)
         + "; 95 % intervals, of success over worlds, of gaps over worlds and trainings")  # fmt: skip
    if quick and not one["is_shipped"]:
        line(f"no policy of {one['skill']} is shipped: the script alone")
    before = "" if quick else "trained: "
    head = ("", *(f"tested: {there}" for there in one["tested"]))
    rows = [(before + who, *(percent(one["cells"][who][there]) for there in one["tested"])) for who in one["trained"]]
    rows.append(("nothing", *(percent(one["nothing"][there]) for there in one["tested"])))
    show_table("Success", head, rows)
    title = "Gap to the script" if quick else "Gap to the specialist of the place"
    show_table(
        title, head,
        [(before + who, *(_gap(one["cells"][who][there]) for there in one["tested"])) for who in one["trained"]],
        note="; ".join(f"{name}: {text}" for name, text in {**one["platforms"], **one.get("left_out", {})}.items()),
    )  # fmt: skip


def _gap(cell: Mapping[str, Any]) -> str:
    found = cell["gap"]
    return cell["why"] if found is None else f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
