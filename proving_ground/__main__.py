# SPDX-License-Identifier: Apache-2.0
"""Command line of the proving ground: `python -m proving_ground fly --seed 7 --minutes 5 --out flights/0007`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from proving_ground.flight import fly
from proving_ground.scenario import DEFAULT, load_scenario
from proving_ground.write import write_flight

EXAMPLE = """\
example:
  python -m proving_ground fly --seed 7 --minutes 5 --out flights/0007

writes flight.toml, telemetry.csv and truth.json; the same seed gives the same bytes. truth.json holds the hidden
numbers: it is for scoring a belief, never for making one.
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse, fly, write, say one line. Returns the exit code: 0 done, 1 the flight failed, 2 misuse."""
    parser = argparse.ArgumentParser(
        prog="python -m proving_ground",
        description="Stand-in flights from an engine that shares no code with stope.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "fly",
        help="fly one stand-in flight",
        description="Fly one stand-in flight and write its file.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--seed", type=int, required=True, help="picks truths, targets and noise; zero or more")
    command.add_argument("--minutes", type=float, default=5.0, help="length of the flight [min] (default: 5)")
    command.add_argument("--out", type=Path, required=True, help="new folder of the flight")
    command.add_argument("--scenario", type=Path, default=DEFAULT, help="scenario file (default: the package's)")
    given = parser.parse_args(arguments)
    try:
        flown = fly(load_scenario(given.scenario), seed=given.seed, minutes=given.minutes)
        folder = write_flight(flown, given.out)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"proving_ground: {error}\n")
        return 2
    except RuntimeError as error:
        sys.stderr.write(f"proving_ground: {error}\n")
        return 1
    sys.stdout.write(f"{folder}: {len(flown.time)} rows, {int(flown.lost.sum())} without a reading\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
