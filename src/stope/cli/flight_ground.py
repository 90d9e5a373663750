# SPDX-License-Identifier: Apache-2.0
"""`stope flight soil`, and the loop on digging: from logs of scoop tests to a belief about the ground."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stope.base.files import check_writable
from stope.cli.console import line, number, percent, progress_bars, show_facts, show_table
from stope.cli.keep import reported, told
from stope.cli.options import AsJson, Seed, Threads, example

STAND_IN = "python -m proving_ground"
"""The flyer of the repository."""

if TYPE_CHECKING:
    from stope.flight.ground import GroundBelief

__all__ = ["dig_campaign", "register", "show_gaps"]


def register(app: typer.Typer) -> None:
    """Add the command of this module to `stope flight`."""
    app.command(
        "soil",
        epilog=example("stope flight soil logs/scoop-1 logs/scoop-2 --out ground.json",
                       "stope flight soil logs/scoop-1 --forecast --json"),
    )(soil)  # fmt: skip


@reported(basis="simulated", level=0.9, notes=("Soil at micro-gravity is extrapolation: no law of it was measured.",))
def soil(
    flights: Annotated[list[Path], typer.Argument(metavar="FLIGHT...", help="Folders of logs of scoop tests.")],
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the belief here.")] = None,
    simulations: Annotated[int, typer.Option(metavar="N", min=50, help="Worlds to learn from, once a program.")] = 400,
    with_forecast: Annotated[
        bool, typer.Option("--forecast", help="Say how digging with the shipped policy will go on this ground.")
    ] = False,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Folder that what is learned is kept in.")] = Path("runs"),
    seed: Seed = 1,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Say what scoop tests tell of the soil: a belief for `dig`, widened where the logs are like no simulation.

    All flights must be of one ground. The first log of a program takes minutes, in which its posterior is learned from
    simulations; the next ones take seconds. Needs the extra sbi.
    """
    from stope.flight.ground import load_contact_flight  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.flight.ground.belief import combined  # noqa: PLC0415 -- as above
    from stope.flight.ground.engine import check_same_ground, engine_for  # noqa: PLC0415 -- as above
    from stope.flight.ground.forecast import forecast  # noqa: PLC0415 -- as above
    from stope.flight.ground.scoop import program  # noqa: PLC0415 -- as above
    from stope.learn.pilots import GruPilot  # noqa: PLC0415 -- as above
    from stope.learn.policies import GruPolicy  # noqa: PLC0415 -- as above
    from stope.learn.skills import shipped  # noqa: PLC0415 -- as above
    from stope.world.tasks import DigTask  # noqa: PLC0415 -- as above

    check_writable(out)
    logs = [load_contact_flight(folder) for folder in flights]
    check_same_ground(logs)
    task = DigTask(robot=logs[0].robot, body=logs[0].body, latitude_deg=logs[0].latitude_deg)
    with progress_bars() as progress:
        found = [engine_for(program(log.program), task, runs, num=simulations, seed=seed, num_threads=threads,
                            progress=progress).belief(log, seed=seed) for log in logs]  # fmt: skip
        belief = combined(found)
        answer = _in_units(belief)
        if with_forecast:
            policy, _ = shipped("dig")
            assert isinstance(policy, GruPolicy)
            answer["forecast"] = forecast(GruPilot(policy), task, belief, seed=seed, num_threads=threads,
                                          progress=progress)  # fmt: skip
    if out is not None:
        belief.save(out)
    one = answer["ground"]["cohesion"]
    says = f"Cohesion {number(one['median'], 3)} Pa ({number(one['low'], 3)} to {number(one['high'], 3)}, 90 %)."
    if told(answer, as_json=as_json, says=says):
        return
    rows = [[name, f"{number(row['median'], 3)} {row['unit']}", f"{number(row['low'], 3)} to {number(row['high'], 3)}",
             number(row["of_prior"], 2)] for name, row in answer["ground"].items()]  # fmt: skip
    show_table("Ground", ["parameter", "median", "90 % interval", "width [prior]"], rows)
    for note in answer["flights"]:
        if note.get("widened_because"):
            line(f"{note['flight']}: {note['widened_because']}; its belief is widened {number(note['widened'], 2)} x.")
    for name, row in answer.get("forecast", {}).get("figures", {}).items():
        line(f"forecast of {name}: {number(row['mean'], 3)} ({number(row['low'], 3)} to {number(row['high'], 3)}).")
    if out is not None:
        line(f"belief: {out}")


def _in_units(belief: GroundBelief) -> dict[str, Any]:
    """Medians and intervals in SI units."""
    import numpy as np  # noqa: PLC0415 -- keeps `stope --help` fast

    from stope.world.physics import GROUND_PARAMETERS  # noqa: PLC0415 -- as above
    from stope.world.regolith.prior import ground_prior  # noqa: PLC0415 -- as above

    prior = ground_prior()
    points = prior.theta(belief.mean + np.array([[0.0], [-1.6449], [1.6449]]) * belief.std)
    ground = {p.name: {"median": float(points[0, k]), "low": float(points[1, k]), "high": float(points[2, k]),
                       "unit": p.unit, "of_prior": float(belief.std[k])}
              for k, p in enumerate(GROUND_PARAMETERS)}  # fmt: skip
    return {"ground": ground, "flights": belief.provenance.get("flights", [])}


def flyer_words(flyer: str) -> list[str]:
    """A flyer's program and first arguments.

    Raises:
        ConfigError: a quotation that does not end, or nothing.
    """
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- keeps `stope --help` fast

    try:
        words = shlex.split(flyer)
    except ValueError as error:
        raise ConfigError(f"--flyer {flyer!r}: {str(error).lower()}: expected a command line.") from None
    if not words:
        raise ConfigError("--flyer: nothing in it: expected a command line.")
    if flyer == STAND_IN:
        places = [Path.cwd(), *(Path(each) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each)]
        if not any((place / "proving_ground").is_dir() for place in places):
            raise ConfigError(f"{STAND_IN}: the stand-in flyer is in the repository and not in the package. Run this "
                              "in a clone, or name another with --flyer.")  # fmt: skip
    return words


def dig_campaign(
    given: Mapping[str, Any], *, flyer: str, policy: Path | None, runs: Path, workers: str, threads: int,
    as_json: bool, out: Path | None,
) -> None:  # fmt: skip
    """Run the loop on digging and show it; `given` holds the fields of `GroundCampaign`."""
    from stope.base.config import build  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.files import write_json  # noqa: PLC0415 -- as above
    from stope.base.workers import make_workers  # noqa: PLC0415 -- as above
    from stope.flight.ground.campaign import GroundCampaign, run_ground_campaign  # noqa: PLC0415 -- as above
    from stope.learn.policies import GruPolicy  # noqa: PLC0415 -- as above
    from stope.learn.skill_assess import check_policy  # noqa: PLC0415 -- as above
    from stope.learn.skills import shipped  # noqa: PLC0415 -- as above
    from stope.world.tasks import DigTask  # noqa: PLC0415 -- as above

    config = build(GroundCampaign, dict(given), where="campaign")
    task = DigTask()
    found, path = shipped("dig") if policy is None else (GruPolicy.load(policy), policy)
    assert isinstance(found, GruPolicy)
    check_policy(found, task, "dig", str(path))
    crew = make_workers(workers)
    each = max(1, threads // crew.num)  # threads are of one worker
    with progress_bars() as progress:
        answer = run_ground_campaign(config, flyer_words(flyer), found, task=task, root=runs, num_threads=each,
                                     progress=progress, workers=crew)  # fmt: skip
    if out is not None:
        write_json(out, answer)
    arms = "; ".join(f"{arm} {percent(row)}" for arm, row in answer["arms"].items())
    if told(answer, as_json=as_json, says=f"Digging in hidden worlds of {config.tier}: {arms}, with 95 % intervals."):
        return
    rows = [[arm, percent(row), number(row["time_s"], 3)] for arm, row in answer["arms"].items()]
    n = next(iter(answer["arms"].values()))["n"]
    show_table(f"Digging in hidden worlds of {config.tier}, {n} episodes an arm", ["arm", "full", "time [s]"], rows)
    show_gaps(answer)


def show_gaps(answer: Mapping[str, Any]) -> None:
    """Gaps that a campaign closed, and its forecasts that held."""
    for arm, gaps in answer["gap_closed"].items():
        facts = {name: "no gap shown" if not g["is_there"] else
                 f"{100 * g['closed']:.0f} % ({100 * g['low']:.0f} to {100 * g['high']:.0f})"
                 for name, g in gaps.items()}  # fmt: skip
        show_facts(f"Gap closed by {arm}", facts)
    for count, rates in answer["forecast"].items():
        facts = {name: f"{round(r['covered'] * r['n'])} of {r['n']} worlds" for name, r in rates.items()}
        show_facts(f"90 % forecasts that held, after {count} flights", facts)
