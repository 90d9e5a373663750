# SPDX-License-Identifier: Apache-2.0
"""`stope flight`: read flight logs of any format, and turn one into a belief about the physics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stope.base.errors import FileError
from stope.base.files import check_writable
from stope.cli import flight_ground, flight_logs
from stope.cli.console import interval, line, number, percent, progress_bars, show_facts, show_json, show_table
from stope.cli.flight_loop import register
from stope.cli.keep import reported, told
from stope.cli.options import AsJson, Episodes, Runs, Seed, Threads, config_of_card, example, policy_for

if TYPE_CHECKING:
    from stope.base.progress import Progress
    from stope.flight import Flight
    from stope.flight.fit import Knowledge
    from stope.learn.policies import MlpPolicy
    from stope.learn.train import TrainConfig
    from stope.world.belief import Belief
    from stope.world.robots import Robot
    from stope.world.site import Site

__all__ = ["app"]

app = typer.Typer(
    help="Read flight logs, and turn one into a belief that makes the same policy better.",
    no_args_is_help=True,
    epilog=example("stope flight fit flights/0007 --out belief.json"),
)
Log = Annotated[Path, typer.Argument(metavar="LOG", help="Flight folder, or a log of `stope flight formats`.")]
Logs = Annotated[list[Path], typer.Argument(metavar="LOG...", help="Flights of one robot, one folder each.")]
register(app)
flight_ground.register(app)
RATIO = "Mass and thrust gain enter the motion only as gain over total mass: a flight knows them as that ratio."


@app.command(
    "fit",
    epilog=example(
        "stope flight fit flights/0007 --out belief.json",
        "stope flight fit flights/*-flight-* --out belief.json   # several flights of one robot in one belief",
        "stope flight fit flights/0007 --truth flights/0007/truth.json   # score a stand-in flight",
        "stope flight fit flights/0007 --before table.json --from table   # on top of what a table told",
    ),
)
@reported(
    basis="extrapolated", level=0.9, notes=("A belief holds inside the model: it does not say what the model lacks.",)
)
def fit(
    logs: Logs,
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the belief here, as JSON.")] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Policy to compare; left out, the package's where it is of this robot and site, "
            "else one trained or found in --runs.",
        ),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="truth.json of a stand-in flight: score the belief against it.")
    ] = None,
    before: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A belief of earlier data to start from, not the prior.")
    ] = None,
    came_from: Annotated[
        str, typer.Option("--from", metavar="PLACE", help="Where its data are from: orbit, parabola, table, gimbal.")
    ] = "orbit",
    n: Episodes = 500,
    seed: Seed = 1,
    runs: Runs = Path("runs"),
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Infer the physics from one flight or several, then dock with the same policy before and after.

    The policy is not retrained: only what it is told changes. Both times it gets the same worlds, starts and noise.
    """
    from stope.flight import load_flight  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.flight.effect import before_and_after, coverage, load_truth  # noqa: PLC0415 -- as above
    from stope.flight.fit import fit_flights, known  # noqa: PLC0415 -- as above
    from stope.world.robots import load_robot  # noqa: PLC0415 -- as above

    check_writable(out)
    flights = [load_flight(log) for log in logs]
    flight = flights[0]
    _same_robot(flights)
    hidden = None if truth is None else load_truth(_stand_in(flight, truth))
    robot, sites = load_robot(flight.robot), [_site(each) for each in flights]
    site = sites[0]
    with progress_bars() as progress:
        flyer, config = _flyer(flight, policy, runs, threads, progress)
        progress("fit flight", 0.0)
        belief = fit_flights(flights, robot, sites, seed=seed, num_threads=threads,
                             before=_before(before, came_from, robot, seed),
                             on_stage=lambda power: progress("fit flight", power))  # fmt: skip
        docking = before_and_after(flyer, belief, robot, site, task=config.task, num=n, seed=seed, truth=hidden,
                                   num_threads=threads, progress=progress)  # fmt: skip
    if out is not None:
        belief.save(out)
    rows = known(belief, robot)
    score = None if hidden is None else coverage(belief, robot, hidden)
    says = (f"{len(flights)} flight{'s' * (len(flights) > 1)} of {flight.robot} gave a belief of {len(rows)} "
            f"quantities at temperature {belief.provenance['temperature']:.2f}; 1 is as sure as the data.")  # fmt: skip
    if told(_answer(flight, belief.provenance, rows, docking, score), as_json=as_json, says=says):
        return
    _show_knowledge(flight, belief.provenance, rows, score)
    for reason in belief.provenance["widened_because"]:
        line(f"widened: {reason}")
    line(f"temperature of the belief: {belief.provenance['temperature']:.2f} (1 is as sure as the likelihood)")
    _show_docking(docking, n)
    if out is not None:
        line(f"belief: {out}")


@app.command("check", epilog=example("stope flight check flights/0007", "stope flight check orbit.mcap"))
def check(log: Log, *, as_json: AsJson = False) -> None:
    """Check a flight log completely: what it holds, drop-outs, clock jumps, units and frames."""
    if not _is_flight(log):
        flight_logs.check_any(log, as_json=as_json)
        return
    from stope.flight import load_flight  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.world.robots import load_robot  # noqa: PLC0415 -- as above

    flight = load_flight(log)
    load_robot(flight.robot)
    site = _site(flight)
    facts = _facts(flight, site)
    if as_json:
        show_json(facts)
    else:
        show_facts(f"Flight {flight.name}: nothing to object to", facts)


@app.command("show", epilog=example("stope flight show flights/0007 --png flight.png"))
def show(
    log: Log,
    *,
    png: Annotated[Path, typer.Option(metavar="FILE", help="Picture to write.")],
    as_json: AsJson = False,
) -> None:
    """Draw a flight log: commands and measurements over time, drop-outs left blank."""
    from stope.flight import load_flight  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.view.flight_plot import draw_flight  # noqa: PLC0415 -- as above

    if png.suffix != ".png":
        raise FileError(f"--png {png}: expected a name that ends in .png.")
    check_writable(png)
    if _is_flight(log):
        draw_flight(load_flight(log), png)
    else:
        flight_logs.show_any(log, png)
    if as_json:
        show_json({"png": str(png)})
    else:
        line(f"picture: {png}")


app.command("import", epilog=example("stope flight import orbit.bag --licence CC-BY-4.0"))(flight_logs.import_log)
app.command("list", epilog=example("stope flight list --store flights"))(flight_logs.list_logs)
app.command("export", epilog=example("stope flight export flights/0007 --to mcap --out 0007.mcap"))(flight_logs.export)
app.command("formats", epilog=example("stope flight formats"))(flight_logs.formats)
app.command(
    "predict",
    cls=flight_logs.ManyValues,
    epilog=example("stope flight predict --fit lelar/a lelar/b --test lelar/c --json"),
)(flight_logs.predict)


def _is_flight(log: Path) -> bool:
    """A flight folder, or nothing at all, which is then refused as one: a folder without any known log in it."""
    from stope.flight.formats import FORMATS  # noqa: PLC0415 -- keeps `stope --help` fast

    return not log.is_file() and not any(FORMATS.get(name).recognise(log) for name in FORMATS if name != "stope-flight")


def _before(path: Path | None, came_from: str, robot: Robot, seed: int) -> Belief | None:
    """A belief of earlier data as it holds in flight."""
    from stope.flight.places import carried_over, place  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.world.belief import Belief  # noqa: PLC0415 -- as above

    where = place(came_from)
    return None if path is None else carried_over(Belief.load(path), where, robot, seed=seed)


def _same_robot(flights: list[Flight]) -> None:
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- as above

    for each in flights[1:]:
        if each.robot != flights[0].robot:
            raise ConfigError(f"flight {each.name}: of robot {each.robot!r}: expected {flights[0].robot!r}, as "
                              f"{flights[0].name}. A belief is about one robot.")  # fmt: skip


def _stand_in(flight: Flight, truth: Path) -> Path:
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- as above

    if not flight.stand_in:
        raise ConfigError(
            f"--truth {truth}: flight {flight.name} is no stand-in: expected one. A real flight has no truth."
        )
    return truth


def _site(flight: Flight) -> Site:
    """The site of a flight; its gravity must be the one the log was written with.

    Raises:
        FlightError: if the two gravities differ by more than a tenth of the fit's prior of a residual acceleration.
    """
    import numpy as np  # noqa: PLC0415 -- keeps `stope --help` fast

    from stope.base.errors import FlightError  # noqa: PLC0415 -- as above
    from stope.world.site import make_site  # noqa: PLC0415 -- as above

    at = flight.site
    site = make_site(at.body, latitude_deg=at.latitude_deg, longitude_deg=at.longitude_deg, height=at.height)
    apart = float(np.linalg.norm(site.gravity_l - flight.gravity_l))
    if apart > 1e-4:
        raise FlightError(
            f"flight {flight.name}: gravity_l = {flight.gravity_l.tolist()} m/s2 is {apart:.2g} m/s2 from that of "
            f"{site.name}: expected at most 1e-4. Check body, latitude, longitude and frame."
        )
    return site


def _config(flight: Flight) -> TrainConfig:
    from stope.learn.train import SiteConfig, TrainConfig  # noqa: PLC0415 -- keeps `stope --help` fast

    at = flight.site
    site = SiteConfig(body=at.body, latitude_deg=at.latitude_deg, longitude_deg=at.longitude_deg, height=at.height)
    return TrainConfig(site=site, robot=flight.robot)


def _flyer(
    flight: Flight, policy: Path | None, runs: Path, threads: int, progress: Progress
) -> tuple[MlpPolicy, TrainConfig]:  # fmt: skip
    """What docks before and after, and what it was trained for."""
    from stope.learn.policies import MlpPolicy  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.skills import shipped  # noqa: PLC0415 -- as above
    from stope.learn.store import trained_flight  # noqa: PLC0415 -- as above
    from stope.world.robots import load_robot  # noqa: PLC0415 -- as above

    if policy is not None:
        found: Any = MlpPolicy.load(policy)
        config = config_of_card(found, policy)
        policy_for(found, policy, load_robot(flight.robot))
        return found, config
    config = _config(flight)
    found, path = shipped("dock")
    if config_of_card(found, path) == config:
        return found, config
    return trained_flight(config, runs, num_threads=threads, progress=progress)[0], config


def _facts(flight: Flight, site: Site) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 -- keeps `stope --help` fast

    force, torque = np.abs(flight.command[:, :3]), np.abs(flight.command[:, 3:])
    return {
        "name": flight.name,
        "stand_in": flight.stand_in,
        "engine": flight.engine,
        "robot": flight.robot,
        "site": site.name,
        "start_utc": flight.start_utc,
        "licence": flight.licence,
        "rows": flight.num_rows,
        "duration_s": float(flight.time[-1]),
        "control_period_s": flight.control_period,
        "measured_share": float(flight.measured.mean()),
        "longest_gap_s": _longest_gap(flight),
        "largest_force_n": float(force.max()),
        "largest_torque_nm": float(torque.max()),
        "largest_distance_m": float(np.nanmax(np.linalg.norm(flight.position_l, axis=1))),
        "payload_note": flight.payload_note,
        "telemetry_sha256": flight.telemetry_sha256,
    }


def _longest_gap(flight: Flight) -> float:
    """Longest time without a measurement [s]."""
    longest = now = 0
    for is_measured in flight.measured:
        now = 0 if is_measured else now + 1
        longest = max(longest, now)
    return longest * flight.control_period


def _answer(
    flight: Flight, provenance: dict[str, Any], rows: list[Knowledge], docking: dict[str, Any],
    score: dict[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    from dataclasses import asdict  # noqa: PLC0415 -- only for JSON

    return {
        "flight": {"name": flight.name, "stand_in": flight.stand_in, "robot": flight.robot},
        "fit": provenance,
        "quantities": [asdict(row) for row in rows],
        "identifiable": RATIO,
        "docking": docking,
        "coverage": score,
    }


def _show_knowledge(
    flight: Flight, provenance: Mapping[str, Any], rows: list[Knowledge], score: Mapping[str, Any] | None
) -> None:
    what = "Stand-in flight" if flight.stand_in else "Flight"
    columns = ["quantity", "unit", "prior 90 %", "after 90 %", "median", "width left"]
    truths = {} if score is None else {q["name"]: q for q in score["quantities"]}
    if truths:
        columns += ["truth", "covered"]
    table: list[list[str]] = []
    for row in rows:
        left = (row.high - row.low) / (row.prior_high - row.prior_low)
        cells = [row.name, row.unit, f"{row.prior_low:.3g} to {row.prior_high:.3g}", f"{row.low:.3g} to {row.high:.3g}",
                 number(row.median, 3), f"{100 * left:.0f} %"]  # fmt: skip
        if truths:
            cells += [number(truths[row.name]["truth"], 3), number(truths[row.name]["is_covered"])]
        table.append(cells)
    show_table(f"{what} {flight.name}: what is known, before and after", columns, table)
    line(RATIO)
    line(f"prediction errors: {provenance['normalised_error']:.3f} times the expected square (1 is noise alone)")
    if score is not None:
        band = f"{100 * score['band_low']:.0f} to {100 * score['band_high']:.0f} %"
        line(f"covered: {score['covered']} of {score['n']} free parameters at {100 * score['level']:.0f} %")
        line(f"(were they independent, 95 % of flights would cover {band}; they are not: judge over several flights)")


def _show_docking(docking: Mapping[str, Any], n: int) -> None:
    rows = [
        (
            name,
            percent(cell),
            percent(cell["within_2cm_10s"]),
            percent(cell["within_1cm_10s"]),
            number(cell["time_to_success_s"], 3),
            number(1000.0 * cell["final_error_m"], 3),
        )
        for name, cell in (("told the prior", docking["before"]), ("told the belief", docking["after"]))
    ]
    show_table(
        f"The same policy in {n} worlds: {docking['worlds']}",
        ("", "docked", "2 cm for 10 s", "1 cm for 10 s", "time [s]", "error [mm]"),
        rows,
    )
    pair = docking["paired"]
    error = pair["difference_final_error_m"]
    line(f"error, after minus before, world by world: {interval(error, 1000.0)} mm; better: {error['better']}")
