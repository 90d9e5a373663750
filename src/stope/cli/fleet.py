# SPDX-License-Identifier: Apache-2.0
"""`stope fleet`: the scenarios a fleet can be simulated in, and checks of a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stope.cli import serve
from stope.cli.console import line, number, percent, progress_bars, show_json, show_table
from stope.cli.keep import reported, told
from stope.cli.options import AsJson, Episodes, Seed, Settings, Threads, Workers, example
from stope.cli.settings import show_settings

__all__ = ["app"]

Scenario = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A month of `stope fleet scenarios`, or a TOML file of one.")
]
BankFile = Annotated[Path | None, typer.Option("--bank", metavar="FILE", help="Skill bank; left out, the package's.")]
Kept = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run of `stope mine`.")]

app = typer.Typer(
    help="Whole fleets: scenarios, the skill bank, the worth of skills, and a closer look at a month.",
    no_args_is_help=True,
    epilog=example("stope fleet scenarios"),
)


@app.command("scenarios", epilog=example("stope fleet scenarios"))
def scenarios(*, as_json: AsJson = False) -> None:
    """List the scenarios that come with the package."""
    from stope.base.config import as_dict  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.fleet.mission.scenario import load_month, month_names  # noqa: PLC0415 -- as above
    from stope.fleet.scenario import load_scenario, scenario_names  # noqa: PLC0415 -- as above

    rows: list[dict[str, Any]] = [as_dict(load_scenario(name)) for name in scenario_names()]
    rows += [as_dict(load_month(name)) for name in month_names()]
    if as_json:
        show_json(rows)
    else:
        show_table("Scenarios", ("name", "what"), [(str(r["name"]), str(r["summary"])) for r in rows])


@app.command("check", epilog=example("stope fleet check my-mission.toml"))
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML of a scenario.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Check a scenario of your own, and show its settings."""
    from stope.base.config import as_dict, read_toml  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.fleet.mission.scenario import FORMAT, load_month  # noqa: PLC0415 -- as above
    from stope.fleet.scenario import load_scenario  # noqa: PLC0415 -- as above

    is_month = read_toml(file).get("format") == FORMAT
    scenario = load_month(file) if is_month else load_scenario(str(file))
    if as_json:
        show_json(as_dict(scenario))
    else:
        show_settings(f"{file}: nothing to object to", scenario)


app.command("serve", epilog=serve.EXAMPLE)(serve.serve)


@app.command(
    "measure",
    epilog=example("stope fleet measure --n 128 --out bank.parquet", "stope fleet measure --workers 4 --out b.parquet"),
)
@reported(basis="measured")
def measure(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Parquet file that the bank is written to.")],
    n: Episodes = 64,
    skill: Annotated[
        list[str] | None, typer.Option(metavar="SKILL", help="Measure this skill alone; may be repeated.")
    ] = None,
    seed: Seed = 1,
    workers: Workers = "1",
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Fly the shipped policies, or scripts where there is none, and keep whole outcomes.

    Beside the file a card is written, FILE.json: the command, and who flew what in which physics.
    """
    from stope.base.files import check_writable, write_json  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.workers import make_workers  # noqa: PLC0415 -- as above
    from stope.fleet.mission.kernels.columns import SKILLS  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.fleet.mission.measuring import measure_bank  # noqa: PLC0415 -- as above

    check_writable(out)
    crew = make_workers(workers)
    each = max(1, threads // crew.num)  # threads are of one worker
    with progress_bars() as progress:
        bank = measure_bank(num=n, seed=seed, skills=skill or SKILLS, num_threads=each, progress=progress, workers=crew)
    bank.save(out)
    only = "".join(f" --skill {name}" for name in skill or ())
    write_json(
        out.with_suffix(out.suffix + ".json"),
        bank.card(f"stope fleet measure --n {n} --seed {seed}{only} --out {out.name}"),
    )
    rows = bank.summary()
    fewest = min(rows, key=lambda row: row["success"])
    says = f"{len(rows)} cells were flown; {fewest['skill']}, told {fewest['told']}, succeeds least: {percent(fewest)}."
    if told({"bank": str(out), "digest": bank.digest, "skills": rows}, as_json=as_json, says=says):
        return
    cells = [(r["skill"], r["told"], percent(r), str(r["n"]), number(r["duration_median"]), number(r["energy_median"]),
              number(r["mass_median"]), r["pilot"]) for r in rows]  # fmt: skip
    show_table(f"{out}", ("skill", "told", "success", "n", "time [s]", "energy [J]", "ore [kg]", "flown by"), cells)


@app.command("value", epilog=example("stope fleet value ryugu-month --weights weights.json"))
@reported(
    basis="simulated",
    notes=(
        "Plant, service times and failures of the month are assumed; see the month's own report.",
        "Intervals are of the months' chances alone: the belief about the measured rows is drawn once.",
    ),
)
def value(
    scenario: Scenario = "ryugu-month",
    *,
    bank: BankFile = None,
    settings: Settings = None,
    months: Annotated[int, typer.Option(min=2, metavar="N", help="Paired months of each change.")] = 8,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the worth of sharp beliefs as weights, JSON.")
    ] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Ore that a point of each skill, and a sharp belief of it, would bring in a month."""
    from stope.fleet.mission.bank import Bank, shipped_bank  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.fleet.mission.scenario import load_month, with_changes  # noqa: PLC0415 -- as above
    from stope.fleet.mission.value import skill_values, write_weights  # noqa: PLC0415 -- as above

    what = with_changes(load_month(scenario), settings or [])
    found = Bank.load(bank or shipped_bank())
    with progress_bars() as progress:
        values = skill_values(what, found, seed=seed, months=months, progress=progress)
    if weights is not None:
        write_weights(values, weights)
    best = max(((skill, name, row) for skill, parts in values["skills"].items() for name, row in parts.items()),
               key=lambda found: found[2]["t"])  # fmt: skip
    says = (f"Most is won by {best[0]}, {best[1].replace('_', ' ')}: {best[2]['t']:.3g} t a month "
            f"({best[2]['low']:.3g} to {best[2]['high']:.3g}) of {values['ore_t']:.4g} t.")  # fmt: skip
    if told(values, as_json=as_json, says=says):
        return
    rows = [(skill, name.replace("_", " "), number(row["t"], 3), number(row["low"], 3), number(row["high"], 3))
            for skill, parts in values["skills"].items() for name, row in parts.items()]  # fmt: skip
    show_table(f"Ore a month [t] for one point, of {values['ore_t']:.4g} t; {months} paired months, 95 % intervals "
               "of chance alone", ("skill", "better", "t", "low", "high"), rows)  # fmt: skip


@app.command(
    "query", epilog=example('stope fleet query runs/ryugu-month "SELECT activity, count(*) FROM activities GROUP BY 1"')
)
def query(
    folder: Kept,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="Question to the table `activities`.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Ask the activities of the kept month in SQL (DuckDB)."""
    from stope.fleet.mission.kept import as_json as plain  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.fleet.mission.kept import query as ask  # noqa: PLC0415 -- as above

    names, rows = ask(folder / "month", sql)
    if as_json:
        show_json({"columns": names, "rows": plain(rows)})
    elif rows:
        show_table(f"{len(rows)} rows", names, [[number(v) for v in row] for row in rows])
    else:
        line("no rows")


@app.command("replay", epilog=example("stope fleet replay runs/ryugu-month --day 12.5"))
def replay(
    folder: Kept,
    *,
    day: Annotated[float, typer.Option(metavar="D", help="Moment of the month, in days.")],
    as_json: AsJson = False,
) -> None:
    """Play the kept month again to a moment, from the checkpoint before it."""
    from stope.missions.month_replay import replay_run  # noqa: PLC0415 -- keeps `stope --help` fast

    state = replay_run(folder, day)
    if as_json:
        show_json(state)
        return
    rows = [(kind, phase, str(n)) for kind, phases in state["robots"].items() for phase, n in phases.items()]
    show_table(f"Day {day:g}: what the robots do", ("robot", "does", "how many"), rows)
