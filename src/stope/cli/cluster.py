# SPDX-License-Identifier: Apache-2.0
"""`stope cluster`: how many machines a job should have, where more stop helping, and how well the model is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from stope.cli.console import line, number, progress_bars, show_json, show_table
from stope.cli.keep import reported, told
from stope.cli.options import AsJson, example

__all__ = ["app"]

app = typer.Typer(
    help="Plan training on machines you do not have: how many help, for how long, and what binds.",
    no_args_is_help=True,
    epilog=example("stope cluster limit stope-dock"),
)

Job = Annotated[str, typer.Argument(metavar="JOB", help="A name of `stope cluster jobs`, or a TOML file.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw efficiency against count, .png or .svg.")]


@app.command("systems", epilog=example("stope cluster systems"))
def systems(*, as_json: AsJson = False) -> None:
    """List the machines that come with the package."""
    from stope.cluster.listing import system_rows  # noqa: PLC0415 -- keeps `stope --help` fast

    rows = system_rows()
    if as_json:
        show_json(rows)
        return
    columns = ("name", "status", "peak_tflops", "memory_gb", "unit", "cores_per_node", "summary")
    show_table("Systems", columns, [tuple(number(row.get(k)) for k in columns) for row in rows])


@app.command("jobs", epilog=example("stope cluster jobs"))
def jobs(*, as_json: AsJson = False) -> None:
    """List the jobs that come with the package."""
    from stope.cluster.listing import job_rows  # noqa: PLC0415 -- keeps `stope --help` fast

    rows = job_rows()
    if as_json:
        show_json(rows)
    else:
        show_table("Jobs", ("name", "what"), [(row["name"], row["summary"]) for row in rows])


@app.command("validate", epilog=example("stope cluster validate --table benchmarks/cluster_calibration.csv --json"))
@reported(basis="measured", level=0.8)
def validate(
    *,
    table: Annotated[Path, typer.Option(metavar="FILE.csv", help="Measured steps; docs/reference/cluster-files.md.")],
    as_json: AsJson = False,
) -> None:
    """Predict the steps of published runs, and say how far off. Fits nothing."""
    from stope.cluster.validation import validate_table  # noqa: PLC0415 -- keeps `stope --help` fast

    found = validate_table(table)
    says = (f"{found['n']} measured steps were predicted, off by {100 * found['mape']:.1f} % in the mean; 80 % "
            f"intervals hold {100 * found['interval_coverage']:.0f} % of them.")  # fmt: skip
    if told(found, as_json=as_json, says=says):
        return
    rows = [(str(r["line"]), r["system"], number(r["parameters_billion"]), str(r["gpus"]), number(r["measured_ms"]),
             f"{number(r['predicted_ms'])} ({number(r['low_ms'])} to {number(r['high_ms'])})",
             f"{100 * r['ape']:.1f} %", r["largest_loss"]) for r in found["rows"]]  # fmt: skip
    columns = ("line", "system", "params [B]", "devices", "measured [ms]", "predicted [ms]", "error", "largest loss")
    show_table("Steps", columns, rows)
    names = ("median_ape", "mape", "p90_ape", "interval_coverage")
    whole = [("model", found), *found["baselines"].items()]
    show_table(f"All {found['n']} rows", ("", *names),
               [(who, *(f"{100 * row[k]:.1f} %" for k in names)) for who, row in whole],
               note=f"Fitted on {found['fitted_on']}.")  # fmt: skip
    if not found["amdahl_serial_share"]:
        line("amdahl: its best serial share on those rows is 0, so that it is constant efficiency.")
    for one in found["refused"]:
        line(f"line {one['line']} refused: {one['why']}")
    if found["ignored_columns"]:
        line(f"columns not read: {', '.join(found['ignored_columns'])}")


@app.command(
    "plan",
    epilog=example(
        "stope cluster plan stope-dock --on laptop",
        "stope cluster plan stope-dock --on laptop --profile scale.json",
        "stope cluster plan dense-405b --on cloudmatrix384 --count 4096 --count 8192 --wish 65536",
        "stope cluster plan --by 2027-06-30 --available deliveries.toml",
    ),
)
@reported(basis="extrapolated", level=0.8)
def plan(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="A name of `stope cluster jobs`, or a TOML.")] = None,
    *,
    on: Annotated[
        str | None, typer.Option(metavar="SYSTEM", help="A name of `stope cluster systems`, or a TOML.")
    ] = None,
    count: Annotated[list[int] | None, typer.Option(metavar="N", help="Devices; may be repeated. Default: 20.")] = None,
    wish: Annotated[int, typer.Option(metavar="N", min=0, help="Say what would have to be true for N devices.")] = 0,
    by: Annotated[
        str | None, typer.Option(metavar="DATE", help="Schedule instead: day by which jobs should end.")
    ] = None,
    available: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Deliveries and jobs to schedule.")
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Numbers of this machine, of `stope cluster scale train --out`.")
    ] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Plan a job on a system: time, energy, cost with intervals, and what binds; or schedule jobs on deliveries."""
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- keeps `stope --help` fast

    if (by is None) != (available is None):
        raise ConfigError("plan: --by and --available belong together. Give both, or neither.")
    if by is not None and available is not None:
        if job is not None or on is not None or count or wish or plot is not None or profile is not None:
            raise ConfigError(
                "plan: --by and --available schedule the jobs of the file: no JOB, --on, --count, --wish."
            )
        _schedule(by, available, as_json=as_json)
        return
    if job is None or on is None:
        raise ConfigError("plan: expected a JOB and --on SYSTEM, or --by DATE and --available FILE.")
    from stope.cluster.job import load_job, with_profile  # noqa: PLC0415 -- as above
    from stope.cluster.planner import make_plan  # noqa: PLC0415 -- as above
    from stope.cluster.system import load_system  # noqa: PLC0415 -- as above

    what = load_job(job) if profile is None else with_profile(load_job(job), profile)
    found = make_plan(what, load_system(on), count or (), wished=wish)
    if plot is not None:
        from stope.view.plots.efficiency import draw_efficiency  # noqa: PLC0415 -- as above

        draw_efficiency([found], plot)
    stops = {name: _stop(found["stops"][name]) for name in ("efficiency", "cost")}
    says = (f"{found['job']} on {found['system']}: efficiency falls under half at {stops['efficiency']}, 80 % "
            f"interval; cost is twice the least at {stops['cost']}.")  # fmt: skip
    if not told(found, as_json=as_json, says=says):
        _show_plan(found)


@app.command(
    "scale",
    epilog=example(
        "stope cluster scale evaluate --workers 1,2",
        "stope cluster scale train --workers 1,2 --out scale.json",
        "stope cluster scale evaluate --workers 1,2 --ray local --out ray.json",
    ),
)
@reported(basis="measured", level=0.8)
def scale(
    job: Annotated[str, typer.Argument(metavar="JOB", help="evaluate or train, of docking.")],
    *,
    workers: Annotated[str, typer.Option(metavar="N,N,...", help="Counts, rising from 1.")] = "1,2",
    repeats: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Measurements of each; medians.")] = 7,
    ray: Annotated[str, typer.Option(metavar="ADDRESS", help="Ray's workers: local, or HOST:PORT.")] = "",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it here; the planner's --profile.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a real job at several counts of workers, beside what one worker and the cores say it would be.

    The job at more workers has no part in its forecast: one worker at two sizes of the job has, and a probe of the
    cores. For train, also the gradient noise scale: how large a mini-batch may be before more samples stop helping.
    """
    from stope.base.config import whole  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- as above
    from stope.base.files import write_json  # noqa: PLC0415 -- as above
    from stope.cluster import scaling  # noqa: PLC0415 -- as above

    parts = workers.split(",")
    counts = [num for part in parts if (num := whole(part.strip())) is not None]
    if len(counts) != len(parts):
        raise ConfigError(f"--workers {workers[:40]}: expected counts joined by commas, such as 1,2.")
    with progress_bars() as progress:
        found = scaling.scale(job, counts, repeats=repeats, ray=ray, progress=progress)
    if out is not None:
        write_json(out, found)
    last = found["rows"][-1]
    says = (f"{job} runs at {100 * last['efficiency']:.0f} % efficiency on {last['workers']} workers, where the cores "
            f"allow {100 * last['core_share']:.0f} %.")  # fmt: skip
    if told(found, as_json=as_json, says=says):
        return
    rows = [(str(r["workers"]), number(r["seconds"]), f"{100 * r['spread']:.0f} %", number(r["throughput"]),
             f"{r['speedup']:.2f}", f"{r['cores_allow']:.2f}", number(r["forecast_seconds"]),
             f"{100 * r['forecast_error']:+.1f} %") for r in found["rows"]]  # fmt: skip
    columns = (
        "workers",
        "seconds",
        "spread",
        f"{found['unit']}/s",
        "times one",
        "cores allow",
        "forecast [s]",
        "error",
    )
    show_table(f"{job} by {found['by']}, medians of {repeats}", columns, rows,
               note=f"The machine itself: its probe varied by {100 * found['noise']['probe']:.1f} %, the job at one "
                    f"worker by {100 * found['noise']['job']:.1f} % (interquartile range over median).")  # fmt: skip
    if noise := found.get("noise_scale"):
        line(f"gradient noise scale: {number(noise['value'])} samples ({number(noise['low'])} to "
             f"{number(noise['high'])}, 80 %)")  # fmt: skip


@app.command(
    "limit", epilog=example("stope cluster limit stope-dock", "stope cluster limit dense-405b --on dgx-h100 --json")
)
@reported(basis="extrapolated", level=0.8)
def limit(
    job: Job,
    *,
    on: Annotated[list[str] | None, typer.Option(metavar="SYSTEM", help="May be repeated; default: all.")] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Where each system stops for a job, what binds there, and what a perfect fabric would change."""
    from stope.cluster.job import load_job  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.cluster.limit import limits  # noqa: PLC0415 -- as above
    from stope.cluster.listing import trainable_systems  # noqa: PLC0415 -- as above
    from stope.cluster.system import load_system  # noqa: PLC0415 -- as above

    wanted, what = [load_system(name) for name in on] if on else list(trainable_systems()), load_job(job)
    with progress_bars() as progress:
        found = limits(what, wanted, progress=progress)
    if plot is not None:
        from stope.cluster.limit import plans_beside  # noqa: PLC0415 -- as above
        from stope.view.plots.efficiency import draw_efficiency  # noqa: PLC0415 -- as above

        draw_efficiency(plans_beside(what, wanted), plot)
    ends = [f"{r['system']} at {_stop(r['stops']['efficiency'])}" for r in found if "stops" in r]
    says = f"Efficiency of {what.name} falls under half: {'; '.join(ends) or 'on no system that can run it'}."
    if not told({"job": what.name, "systems": found}, as_json=as_json, says=says):
        _show_limits(what.name, found)


@app.command("wire", epilog=example("stope cluster wire", "stope cluster wire --thickness 1.5 --thickness 5 --json"))
@reported(basis="extrapolated")
def wire(
    *,
    thickness: Annotated[
        list[float] | None, typer.Option(metavar="NM", help="Of the film, in nanometres; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Resistivity of thin copper and niobium phosphide, and what of a cluster's links that can change."""
    from stope.cluster.interconnect import wire_table  # noqa: PLC0415 -- keeps `stope --help` fast

    found = wire_table(tuple(thickness or ()))
    rows = found["rows"]
    says = f"Resistivity of copper and of niobium phosphide, in films of {len(rows)} thicknesses."
    if told(found, as_json=as_json, says=says):
        return
    columns = ("nm", "Cu, surface", "Cu, surface and grains", "NbP, published", "NbP over Cu")
    shown = [(number(r["thickness_nm"]), number(r["copper_surface"]), number(r["copper"]), number(r["nbp"]),
              number(r["ratio"])) for r in rows]  # fmt: skip
    show_table("Resistivity [uOhm cm]", columns, shown, note=found["note"])
    show_table("Where current flows", ("GHz", "skin depth of Cu [um]"),
               [(number(r["ghz"]), number(r["skin_depth_um"])) for r in found["skin"]])  # fmt: skip


def _span(one: Mapping[str, Any], scale: float = 1.0) -> str:
    """A middle with its interval, or "never"."""
    texts = ["never" if one[k] is None else f"{scale * one[k]:.3g}" for k in ("mean", "low", "high")]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def _stop(one: Mapping[str, Any]) -> str:
    more = "at least " if one["is_beyond_grid"] else ""
    return f"{more}{one['count']} ({one['low']} to {one['high']}): {one['binding']}"


def _show_plan(found: Mapping[str, Any]) -> None:
    line(f"{found['job']} on {found['system']} ({found['status']}): {found['summary']}")
    columns = ("devices", "days", "MWh", "USD", "efficiency", "useful time", "binds", "memory")
    rows = [(str(r["count"]) + ("*" if r["is_beyond_largest"] else ""), _span(r["days"]), _span(r["mwh"]),
             _span(r["usd"]), _span(r["efficiency"]), _span(r["useful_time"]), r["binding"],
             f"{100 * r['memory_share']:.0f} %") for r in found["rows"]]  # fmt: skip
    show_table("Plan; 80 % intervals", columns, rows, note="* more than one job gets")
    show_table("Stops helping", ("measure", "devices, and what binds"),
               [("efficiency under 50 %", _stop(found["stops"]["efficiency"])),
                ("twice is under 1.25 times faster", _stop(found["stops"]["time"])),
                ("twice the least cost", _stop(found["stops"]["cost"]))])  # fmt: skip
    if "wished" in found:
        wished = found["wished"]
        verdict = "worth it as things are" if wished["is_worth_it"] else "not worth it as things are"
        line(f"{wished['count']} devices: the last doubling is {wished['gain']:.3g} times faster: {verdict}.")
        for name, factor in wished["levers"].items():
            line(
                f"  {name}: " + ("no factor up to a million does it alone" if factor is None else f"times {factor:.3g}")
            )
    for text in found["warnings"]:
        line(f"note: {text}")


def _show_limits(job: str, found: list[dict[str, Any]]) -> None:
    columns = ("system", "efficiency < 50 %", "doubling < 1.25x", "cost > 2x least", "perfect fabric")
    rows = [(r["system"], *(_stop(r["stops"][k]) for k in ("efficiency", "time", "cost")), _fabric(r))
            for r in found if "stops" in r]  # fmt: skip
    show_table(f"Where {job} stops: devices, 80 % interval, what binds", columns, rows)
    for row in found:
        if "why_not" in row:
            line(f"{row['system']}: {row['why_not']}")
        if row.get("is_host_bound"):
            line(
                f"{row['system']}: worlds step on the host's cores, and that is most of the work: devices mostly wait."
            )
        if "against" in row:
            moved = row["against"]["moved"]
            verdict = f"moves {', '.join(moved)}" if moved else "no stop count moves: irrelevant for this job"
            line(f"{row['system']} against {row['against']['system']}: {verdict}")


def _fabric(row: Mapping[str, Any]) -> str:
    if not row["moved"]:
        return f"irrelevant: no stop moves, {row['faster']:.3f} times faster"
    to = ", ".join(f"{name} to {row['ideal_stops'][name]['count']}" for name in row["moved"])
    return f"moves {to}, by {' and '.join(row['moved_by'])}; {row['faster']:.2f} times faster"


def _schedule(by: str, available: Path, *, as_json: bool) -> None:
    from stope.cluster.procurement import schedule  # noqa: PLC0415 -- keeps `stope --help` fast

    with progress_bars() as progress:
        found = schedule(available, by=by, progress=progress)
    on_time = sum(bool(r["is_on_time"]) for r in found["jobs"])
    if told(found, as_json=as_json, says=f"{on_time} of {len(found['jobs'])} jobs end by {found['by']}."):
        return
    jobs = [(r["job"], number(r["priority"]), r["ends"] or "beyond the horizon", "yes" if r["is_on_time"] else "slips",
             f"{100 * r['done_by_date']:.0f} %", ", ".join(r["batches"])) for r in found["jobs"]]  # fmt: skip
    show_table(f"Jobs by {found['by']}", ("job", "priority", "ends", "on time", "done by then", "on"), jobs)
    more = [(r["batch"], ", ".join(r["more_on_time"]) or "-", number(r["days_sooner"])) for r in found["one_more"]]
    show_table("What one more of a batch would buy", ("batch", "more on time", "days sooner, by priority"), more)
    for text in found["notes"]:
        line(f"note: {text}")
