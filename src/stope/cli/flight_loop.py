# SPDX-License-Identifier: Apache-2.0
"""`stope flight worth`, `forecast`, `next` and `campaign`: what comes before and after a flight, and the whole loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stope.base.config import whole
from stope.cli.console import line, number, percent, progress_bars, show_table
from stope.cli.flight_ground import STAND_IN, dig_campaign, flyer_words, show_gaps
from stope.cli.keep import reported, told
from stope.cli.options import AsJson, Seed, Threads, Workers, config_of_card, example, policy_for

if TYPE_CHECKING:
    from stope.learn.policies import MlpPolicy
    from stope.learn.train import TrainConfig
    from stope.world.belief import Belief

__all__ = ["register"]

TIERS = ("T0", "T1", "T2", "T3")
"""Of the stand-in flyer; another has its own."""
BeliefFile = Annotated[
    Path | None, typer.Option("--belief", metavar="FILE", help="From `stope flight fit`; left out, the prior.")
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="Left out, the one that comes with the package.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `stope flight`."""
    app.command(
        "forecast",
        epilog=example("stope flight forecast --belief belief.json --out forecast.json",
                       "stope flight forecast --score forecast.json --outcomes outcomes.json"),
    )(forecast)  # fmt: skip
    app.command("next", epilog=example("stope flight next --belief belief.json --out next.json"))(next_flight)
    app.command(
        "campaign",
        epilog=example("stope flight campaign --tier T3 --worlds 0-4 --flights 0,1,3",
                       "stope flight campaign --skill dig --tier T2 --worlds 0-9",
                       "stope flight campaign --tier T3 --worlds 0-19 --workers 8",
                       'stope flight campaign --flyer "python -m proving_ground" --tier T2 --worlds 0-19'),
    )(campaign)  # fmt: skip
    app.command("worth", epilog=example("stope flight worth", "stope flight worth --hours 10 --json"))(worth)


@reported(basis="extrapolated")
def worth(
    *,
    hours: Annotated[float, typer.Option(metavar="H", min=0.01, max=1000.0, help="Of motion at each place.")] = 1.0,
    robot: Annotated[str, typer.Option(metavar="NAME", help="Of `stope world robots`; free-flying.")] = "bee-gas",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the answer here, as JSON.")] = None,
    seed: Seed = 1,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Say what data of Earth, of parabolas and of orbit are worth, in bits by block of parameters.

    "alone" counts what the place gets wrong; "if right" does not; "added" is what it adds to one flight of 20 minutes.
    """
    from stope.base.files import write_json  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.flight import worth as own  # noqa: PLC0415 -- as above
    from stope.learn.train import SiteConfig  # noqa: PLC0415 -- as above
    from stope.world.robots import load_robot  # noqa: PLC0415 -- as above

    site = SiteConfig(body="ryugu", latitude_deg=30.0).site()
    with progress_bars() as progress:
        answer = own.worth(load_robot(robot), site, hours=hours, seed=seed, num_threads=threads, progress=progress)
    if out is not None:
        write_json(out, answer)
    most = max(((one, block, bits) for one, row in answer["places"].items() for block, bits in row["bits"].items()),
               key=lambda row: row[2])  # fmt: skip
    says = f"{hours:g} h of data are worth most from {most[0]}: {number(most[2], 3)} bits of {most[1]}."
    if told(answer, as_json=as_json, says=says):
        return
    for name, row in answer["places"].items():
        cells = [[block, number(alone, 3), number(row["bits_if_nothing_differed"][block], 3),
                  number(row["bits_added_to_a_flight"][block], 3)] for block, alone in row["bits"].items()]  # fmt: skip
        show_table(f"{name}: {row['summary']}", ["bits", "alone", "if right", "added"], cells)
    one = ", ".join(f"{block} {number(value, 3)}" for block, value in answer["bits_of_a_flight"].items())
    line(f"{hours:g} h of motion at each place; one flight of 20 min in orbit gives {one}.")


@reported(basis="extrapolated", level=0.9)
def forecast(
    *,
    belief: BeliefFile = None,
    policy: PolicyFile = None,
    episodes: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Dockings that will be flown.")] = 20,
    robots: Annotated[int, typer.Option(metavar="N", min=2, max=2000, help="Robots drawn from the belief.")] = 100,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the forecast here, as JSON.")] = None,
    score: Annotated[Path | None, typer.Option(metavar="FILE", help="A forecast to hold against --outcomes.")] = None,
    outcomes: Annotated[
        Path | None, typer.Option(metavar="FILE", help='How it did: {"outcomes": [{"success": true, ...}, ...]}.')
    ] = None,
    seed: Seed = 1,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Say before a flight how docking will go, with a 90 % interval; after it, how it did."""
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.files import read_json, write_json  # noqa: PLC0415 -- as above
    from stope.flight import forecast as own  # noqa: PLC0415 -- as above

    if (score is None) != (outcomes is None):
        raise ConfigError("--score and --outcomes belong together: expected both or neither.")
    if score is not None and outcomes is not None:
        answer = own.compare(
            read_json(score, what="forecast"), read_json(outcomes, what="outcomes").get("outcomes", [])
        )
    else:
        flyer, config, known = _setting(belief, policy)
        with progress_bars() as progress:
            answer = own.forecast(flyer, known, config.make_robot(), config.site.site(), task=config.make_task(),
                                  episodes=episodes, num_robots=robots, seed=seed, num_threads=threads,
                                  progress=progress)  # fmt: skip
        if out is not None:
            write_json(out, answer)
    first, row = next(iter(answer["figures"].items()))
    says = (f"{answer['episodes']} dockings: {first} {number(row['mean'], 3)} expected, 90 % interval "
            f"{number(row['low'], 3)} to {number(row['high'], 3)}.")  # fmt: skip
    if told(answer, as_json=as_json, says=says):
        return
    columns = ["figure", "expected", "90 % interval"] + (["came", "covered"] if score else [])
    rows = [[name, number(row["mean"], 3), f"{number(row['low'], 3)} to {number(row['high'], 3)}",
             *([number(row["came"], 3), number(row["is_covered"])] if score else [])]
            for name, row in answer["figures"].items()]  # fmt: skip
    show_table(f"{answer['episodes']} dockings of one robot", columns, rows,
               note="Means over the episodes; a failed one takes the whole time.")  # fmt: skip


@reported(basis="extrapolated", notes=("Regret and gain are computed inside the belief.",))
def next_flight(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Experiment file to write, for crew and flyer.")],
    belief: BeliefFile = None,
    policy: PolicyFile = None,
    minutes: Annotated[float, typer.Option(metavar="MIN", min=0.5, max=60.0, help="The robot's time.")] = 20.0,
    megabytes: Annotated[float, typer.Option(metavar="MB", min=0.01, help="Downlink.")] = 5.0,
    keep_in: Annotated[float, typer.Option(metavar="M", min=0.1, help="Distance that is never left.")] = 4.0,
    force: Annotated[float, typer.Option(metavar="SHARE", min=0.01, max=1.0, help="Largest excitation.")] = 0.4,
    per_kind: Annotated[int, typer.Option(metavar="N", min=1, max=20, help="Candidates of each kind.")] = 2,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What skills are worth, of `stope fleet value --weights`.")
    ] = None,
    seed: Seed = 1,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Choose the experiment that takes most regret away per robot-minute, and write it down for the crew.

    A fifth of the time goes to what could prove the model wrong.
    """
    from stope.flight import design  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.flight.experiment import Limits  # noqa: PLC0415 -- as above

    weight, uncounted = (1.0, dict[str, float]()) if weights is None else design.load_weights(weights)
    flyer, config, known = _setting(belief, policy)
    limits = Limits(robot_minutes=minutes, megabytes=megabytes, keep_in=keep_in, force_share=force)
    robot = config.make_robot()
    with progress_bars() as progress:
        chosen, answer = design.next_flight(flyer, known, robot, config.site.site(), task=config.make_task(),
                                            limits=limits, per_kind=per_kind, weight=weight, seed=seed,
                                            num_threads=threads, progress=progress)  # fmt: skip
    chosen.save(out, robot, notes=answer["notes"])
    answer |= {"file": str(out), "not_counted": uncounted}
    best = max(answer["candidates"], key=lambda row: row["reduction"])
    says = (f"Of {len(answer['candidates'])} experiments {best['name']} takes most regret away: {_span(best)} of an "
            "episode.")  # fmt: skip
    if told(answer, as_json=as_json, says=says):
        return
    rows = [[row["name"], number(row["regret_after"], 3), _span(row), number(row["gain_nats"], 3),
             number(row["refutes"], 3), number(row["farthest_m"], 2), number(row["abort_share"], 2)]
            for row in answer["candidates"]]  # fmt: skip
    show_table("Candidates", ["experiment", "regret after", "reduction (95 %)", "gain [nats]", "refutes [nats]",
                              "farthest [m]", "aborts"], rows,
               note=f"Regret now {number(answer['regret_now'], 3)}: loss of an episode, 1 for a failure.")  # fmt: skip
    for text in answer["notes"].values():
        line(text)
    for name in uncounted:
        line(f"{name}: no regret is estimated for it; its weight was not counted.")
    line(f"experiment: {out}")


@reported(basis="simulated", notes=("The flights are stand-ins of an independent engine: nothing was flown.",))
def campaign(
    *,
    skill: Annotated[str, typer.Option(metavar="SKILL", help="dock, or dig after scoop tests of 2 min.")] = "dock",
    tier: Annotated[str, typer.Option(metavar="TIER", help="T1, T2 or T3 of the flyer.")] = "T3",
    worlds: Annotated[str, typer.Option(metavar="A-B", help="Worlds, both included.")] = "0-19",
    sealed: Annotated[str, typer.Option(metavar="COMMIT", help="Seals the worlds; left out, the open ones.")] = "",
    flights: Annotated[str, typer.Option(metavar="N,N,...", help="After how many flights to do the task.")] = "0,1,3",
    what: Annotated[
        str,
        typer.Option("--design", metavar="KIND", help="hand, random, task, designed; dig: hand, random, slow, fast."),
    ] = "hand",
    minutes: Annotated[
        float, typer.Option(metavar="MIN", min=0.5, max=60.0, help="Of each flight; a scoop test has its own.")
    ] = 5.0,
    episodes: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Of the task, a world and arm.")] = 20,
    grounds: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=1000, help="dig: drawn for each forecast, which takes most of the time; 0: none."
        ),
    ] = 20,
    flyer: Annotated[str, typer.Option(metavar="COMMAND", help="Program that flies; see the how-to.")] = STAND_IN,
    policy: PolicyFile = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report here, as JSON.")] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Folder that the pieces are kept in.")] = Path("runs"),
    seed: Seed = 1,
    workers: Workers = "1",
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Fly, fit, forecast and do the task in hidden worlds, and say how much of the gap the flights close.

    A killed campaign goes on with the same command.
    """
    from stope.base.config import build  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.errors import UnknownName  # noqa: PLC0415 -- as above
    from stope.base.files import write_json  # noqa: PLC0415 -- as above
    from stope.base.workers import make_workers  # noqa: PLC0415 -- as above
    from stope.flight.campaign import CampaignConfig, run_campaign  # noqa: PLC0415 -- as above

    first, last = _range(worlds)
    if flyer == STAND_IN and tier not in TIERS:
        raise UnknownName.of("tier", tier, list(TIERS), listing="stope flight campaign --help")
    given = {"tier": tier, "first": first, "last": last, "sealed": sealed, "design": what,
             "flights": _counts(flights), "episodes": episodes, "seed": seed}  # fmt: skip
    if skill == "dig":
        dig_campaign({**given, "num_grounds": grounds}, flyer=flyer, policy=policy, runs=runs, workers=workers,
                     threads=threads, as_json=as_json, out=out)  # fmt: skip
        return
    if skill != "dock":
        raise UnknownName.of("skill of a campaign", skill, ["dock", "dig"], listing="stope flight campaign --help")
    config = build(CampaignConfig, {**given, "minutes": minutes}, where="campaign")
    pilot, setting, _ = _setting(None, policy)
    crew = make_workers(workers)
    each = max(1, threads // crew.num)  # threads are of one worker
    with progress_bars() as progress:
        answer = run_campaign(config, flyer_words(flyer), pilot, setting.make_robot(), setting.site.site(),
                              task=setting.make_task(), root=runs, num_threads=each, progress=progress,
                              workers=crew)  # fmt: skip
    if out is not None:
        write_json(out, answer)
    arms = "; ".join(f"{arm} {percent(row)}" for arm, row in answer["arms"].items())
    if not told(answer, as_json=as_json, says=f"Docking in hidden worlds of {tier}: {arms}, with 95 % intervals."):
        _show_campaign(answer, tier)


def _show_campaign(answer: Mapping[str, Any], tier: str) -> None:
    rows = [[arm, percent(row), number(row["time_s"], 3), number(1000.0 * row["final_error_m"], 3)]
            for arm, row in answer["arms"].items()]  # fmt: skip
    n = next(iter(answer["arms"].values()))["n"]
    show_table(f"Docking in hidden worlds of {tier}, {n} episodes an arm", ["arm", "docked", "time [s]", "error [mm]"],
               rows)  # fmt: skip
    show_gaps(answer)


def _setting(belief: Path | None, policy: Path | None) -> tuple[MlpPolicy, TrainConfig, Belief]:
    """What docks, what it was trained for, and what is known."""
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.policies import MlpPolicy  # noqa: PLC0415 -- as above
    from stope.learn.skills import shipped  # noqa: PLC0415 -- as above
    from stope.world.belief import Belief  # noqa: PLC0415 -- as above
    from stope.world.robots import load_robot  # noqa: PLC0415 -- as above

    if policy is None:
        found, path = shipped("dock")
        assert isinstance(found, MlpPolicy)
    else:
        found, path = MlpPolicy.load(policy), policy
    config = config_of_card(found, path)
    known = Belief.prior(config.robot) if belief is None else Belief.load(belief)
    if known.robot != config.robot:
        raise ConfigError(f"{belief}: about robot {known.robot!r}: expected {config.robot!r}, which the policy flies.")
    policy_for(found, path, load_robot(config.robot))
    return found, config, known


def _span(row: Mapping[str, Any]) -> str:
    return f"{number(row['reduction'], 3)} ({number(row['reduction_low'], 3)} to {number(row['reduction_high'], 3)})"


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    low, high = whole(first), whole(last or first)
    if low is None or high is None:
        raise typer.BadParameter(f"{text[:40]!r}: expected a number, or two joined by a dash, such as 0-4.")
    return low, high


def _counts(text: str) -> list[int]:
    counts = [whole(part.strip()) for part in text.split(",")]
    if None in counts:
        raise typer.BadParameter(f"{text[:40]!r}: expected counts joined by commas, such as 0,1,3.")
    return [count for count in counts if count is not None]
