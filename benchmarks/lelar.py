# SPDX-License-Identifier: Apache-2.0
"""Real flights: a wheel-driven CubeSat's body rates predicted on manoeuvres the model never saw.

Each manoeuvre of LeLaR's data set (InnoCube, in orbit, 2025) is predicted from all others of the folder: coverage of
the 50 and 90 % intervals, their score against a regression that sees the same and is widened online in the same way,
and the log score gained over it. The data have no licence, so they are not in this repository: give your own copy of
github.com/kdjebko/lelar-in-orbit-data, one folder for each manoeuvre.

    python benchmarks/lelar.py DATA --json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from stope.flight.formats.lelar import is_lelar, read_lelar
from stope.flight.rate_answer import leave_one_out
from stope.flight.rate_windows import wheel_rows


def measure(folder: Path, *, seed: int) -> dict[str, Any]:
    """Leave one manoeuvre out, for each in a folder."""
    found = sorted(path for path in folder.iterdir() if is_lelar(path))
    logs = [wheel_rows(read_lelar(path)) for path in found]
    start = time.perf_counter()

    def tell(stage: str, share: float) -> None:
        sys.stderr.write(f"{stage}: {100 * share:.0f} %, {time.perf_counter() - start:.0f} s\n")

    answer = leave_one_out(logs, seed=seed, progress=tell)
    return {"manoeuvres": [rows.name for rows in logs], "rows_used": [len(rows.time) for rows in logs], "seed": seed,
            "seconds": time.perf_counter() - start, **answer}  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with one folder for each manoeuvre")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data}: no such folder. Download the data set; it is not in this repository.")
    answer = measure(arguments.data, seed=arguments.seed)
    if arguments.json:
        print(json.dumps(answer, indent=1, sort_keys=True, allow_nan=False))  # noqa: T201 -- a script's answer
        return
    for key in ("coverage_50", "coverage_90", "winkler_ratio", "log_score_gain", "raw_coverage_50", "raw_coverage_90"):
        print(f"{key:16s} {answer[key]:.3f}")  # noqa: T201 -- a script's answer


if __name__ == "__main__":
    main()
