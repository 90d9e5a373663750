# SPDX-License-Identifier: Apache-2.0
"""Command line of the proving ground: `python -m proving_ground fly --seed 7 --minutes 5 --out flights/0007`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from proving_ground.dig_serve import serve_dig
from proving_ground.dig_world import DEFAULT as DIG_DEFAULT
from proving_ground.dig_world import dig_world, load_dig_scenario, truth_row
from proving_ground.experiment import fly_experiment, load_experiment
from proving_ground.flight import fly
from proving_ground.hidden import TIERS, HiddenWorld, hidden_world
from proving_ground.scenario import DEFAULT, Scenario, load_scenario
from proving_ground.serve import serve
from proving_ground.write import write_flight

FIRST_EPISODE = 1000
"""Number of the first episode of a world; flights come before."""
EXAMPLE = """\
examples:
  python -m proving_ground fly --seed 7 --minutes 5 --out flights/0007
  python -m proving_ground experiment next.json --tier T3 --worlds 0-4 --flight 1 --out flights
  python -m proving_ground dock --tier T3 --worlds 0-4 --episodes 20    # for a pilot at the other end of the pipe
  python -m proving_ground dig --tier T3 --worlds 0-4 --flight 1    # the same for the digger, with another soil law
  python -m proving_ground dig-truth --tier T3 --worlds 0-4

A flight is flight.toml, telemetry.csv and truth.json; the same seed gives the same bytes. truth.json holds the hidden
numbers, as dig-truth does: they are for scoring a belief, never for making one. Worlds 0 to 19 of a tier are open; with
--sealed COMMIT there are 100 whose seeds are the SHA-256 of that commit.
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse, fly, write, say one line. Returns the exit code: 0 done, 1 the flight failed, 2 misuse."""
    given = _parser().parse_args(arguments)
    try:
        if given.command in ("dig", "dig-truth"):
            _dig(given)
            return 0
        scenario = load_scenario(given.scenario)
        if given.command == "fly":
            flown = fly(scenario, seed=given.seed, minutes=given.minutes)
            folder = write_flight(flown, given.out)
            sys.stdout.write(f"{folder}: {len(flown.time)} rows, {int(flown.lost.sum())} without a reading\n")
        elif given.command == "experiment":
            _experiment(scenario, given)
        else:
            serve(scenario, _worlds(scenario, given), given.episodes, sys.stdin, sys.stdout)
    except BrokenPipeError:
        return 1
    except (ValueError, OSError) as error:
        sys.stderr.write(f"proving_ground: {error}\n")
        return 2
    except RuntimeError as error:
        sys.stderr.write(f"proving_ground: {error}\n")
        return 1
    return 0


def _experiment(scenario: Scenario, given: argparse.Namespace) -> None:
    worlds = _worlds(scenario, given)
    for world, flown in zip(worlds, fly_experiment(scenario, worlds, load_experiment(given.file), flight=given.flight),
                            strict=True):  # fmt: skip
        folder = write_flight(flown, given.out / f"{world.name}-flight-{given.flight}")
        sys.stdout.write(f"{folder}: {len(flown.time)} rows, {int(flown.lost.sum())} without a reading\n")


def _dig(given: argparse.Namespace) -> None:
    scenario = load_dig_scenario(given.scenario)
    worlds = [dig_world(scenario, given.tier, k, given.sealed) for k in _numbers(given)]
    if given.command == "dig-truth":
        for world in worlds:
            sys.stdout.write(json.dumps(truth_row(world)) + "\n")
        return
    flight = given.flight
    if flight is not None and not 0 <= flight < FIRST_EPISODE:
        raise ValueError(f"--flight {flight}: expected 0 to {FIRST_EPISODE - 1}; episodes are numbered from there.")
    episodes = [FIRST_EPISODE + k for k in range(given.episodes)] if flight is None else [flight]
    serve_dig(scenario, worlds, episodes, given.seconds, sys.stdin, sys.stdout)


def _worlds(scenario: Scenario, given: argparse.Namespace) -> list[HiddenWorld]:
    return [hidden_world(scenario, given.tier, k, given.sealed) for k in _numbers(given)]


def _numbers(given: argparse.Namespace) -> list[int]:
    """The worlds of "3" or "0-4"."""
    first, _, last = given.worlds.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        raise ValueError(f"--worlds {given.worlds!r}: expected a number, or two joined by a dash, such as 0-4.")
    return list(range(int(first), int(last or first) + 1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proving_ground",
        description="Stand-in flights from an engine that shares no code with stope.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, epilog=EXAMPLE,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
        command.add_argument("--scenario", type=Path, default=DEFAULT, help="scenario file (default: the package's)")
        return command

    command = add("fly", "Fly one stand-in flight with the built-in pilot and write its file.")
    command.add_argument("--seed", type=int, required=True, help="picks truths, targets and noise; zero or more")
    command.add_argument("--minutes", type=float, default=5.0, help="length of the flight [min] (default: 5)")
    command.add_argument("--out", type=Path, required=True, help="new folder of the flight")
    experiment = add("experiment", "Fly an experiment file in hidden worlds and write one flight for each.")
    experiment.add_argument("file", type=Path, help="of format stope-experiment-1")
    experiment.add_argument("--flight", type=int, default=1, help="number of the flight in its world (default: 1)")
    experiment.add_argument("--out", type=Path, required=True, help="folder that gets a folder for each flight")
    dock = add("dock", "Fly dockings in hidden worlds for a pilot: JSON lines on stdout and stdin (see serve.py).")
    dock.add_argument("--episodes", type=int, default=20, help="dockings in each world (default: 20)")
    dig = add("dig", "Dig in hidden worlds for a pilot: JSON lines on stdout and stdin (see dig_serve.py).")
    dig.add_argument("--episodes", type=int, default=20, help="episodes in each world (default: 20)")
    dig.add_argument("--flight", type=int, help="instead of episodes, one with noise and stones of this flight")
    dig.add_argument("--seconds", type=float, default=400.0, help="length of an episode [s] (default: 400)")
    truth = add("dig-truth", "Print the hidden numbers of digging worlds, a JSON object a line.")
    for each in (dig, truth):
        each.set_defaults(scenario=DIG_DEFAULT)
    for each in (experiment, dock, dig, truth):
        each.add_argument("--tier", choices=TIERS, required=True, help="how much no trainer models")
        each.add_argument("--worlds", required=True, help="a number or a range, such as 0-4")
        each.add_argument("--sealed", default="", metavar="COMMIT", help="hash whose SHA-256 seeds the sealed worlds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
