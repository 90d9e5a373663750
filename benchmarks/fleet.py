# SPDX-License-Identifier: Apache-2.0
"""How fast a fleet's month is, beside a plain heap loop and SimPy, and how dispatch compares: `--json` prints all.

All three play the same days of the same scenario with shortest-queue dispatch and the records of the shipped bank, in
one process on one thread; the engine is compiled before it is timed, and timed once more right before each peer, which
its speed is compared with. CPU seconds are given, because they say the same on a busy machine; `seconds` is the
engine's wall-clock. Assignments are timed apart. A month of 10,000 robots takes the heap loop and SimPy some minutes
each; with `--keep FOLDER` what is done stays there, and the same command goes on after a cut.

    python benchmarks/fleet.py --json
    python benchmarks/fleet.py --json --keep runs/fleet-bench
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from fleet_heap import HeapMonth, play_heap
from fleet_simpy import play_simpy

from stope.base.runs import Run
from stope.base.seeding import generator
from stope.fleet.mission.bank import Bank, Tables, shipped_bank
from stope.fleet.mission.bound import month_bound
from stope.fleet.mission.dispatch import exact_assignment, layered_assignment, nearest_assignment
from stope.fleet.mission.kernels.columns import SKILLS, Count
from stope.fleet.mission.month import Player, play
from stope.fleet.mission.scenario import MonthScenario, load_month, with_changes

T = TypeVar("T")
Keep = Callable[[str, Callable[[], dict[str, Any]]], dict[str, Any]]
"""Makes a part of the result, or reads it where it was made before."""


def timed(make: Callable[[], T]) -> tuple[T, float, float]:
    """What is made, CPU seconds and wall-clock seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    made = make()
    return made, time.process_time() - cpu, time.perf_counter() - wall


def played(scenario: MonthScenario, tables: Tables) -> Player:
    """A month by the engine, to its end."""
    player = Player(scenario, tables, seed=1)
    player.advance(player.end)
    return player


def race(robots: int, days: float, tables: Tables, keep: Keep) -> dict[str, Any]:
    """The same month by the engine, the heap loop and SimPy; each peer has the engine timed beside it."""
    scenario = with_changes(load_month("ryugu-month"), [f"robots={robots}", f"days={days}"])
    ours = keep("race-engine", lambda: by_engine(scenario, tables))
    heap, peer = (keep(f"race-{name}", lambda play=play: by_peer(scenario, tables, play))
                  for name, play in (("heap", play_heap), ("simpy", play_simpy)))  # fmt: skip
    speedups = {f"speedup_vs_{n}": p["cpu_seconds"] / p["engine_cpu_seconds"]
                for n, p in (("heap", heap), ("simpy", peer))}  # fmt: skip
    return {
        "robots": robots, "days": days, "events": ours["counts"]["events"], "seconds": ours["seconds"],
        "cpu_seconds": ours["cpu_seconds"], "heap_cpu_seconds": heap["cpu_seconds"],
        "simpy_cpu_seconds": peer["cpu_seconds"], **speedups, "peak_mb": ours["peak_mb"],
        "arrays_mb": ours["arrays_mb"],
        "mined_t": {name: part["counts"]["mined"] / 1e6 for name, part in
                    (("engine", ours), ("heap", heap), ("simpy", peer))},
        "is_equal_to_heap": ours["counts"] == heap["counts"],
    }  # fmt: skip


def by_engine(scenario: MonthScenario, tables: Tables) -> dict[str, Any]:
    """The engine's month, compiled before; memory is that of the process, so no peer may have run in it."""
    played(with_changes(scenario, ["days=0.1"]), tables)  # compile, and lay out
    tracemalloc.start()
    player = Player(scenario, tables, seed=1)
    arrays = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    player, cpu, wall = timed(lambda: played(scenario, tables))
    return {"cpu_seconds": cpu, "seconds": wall, "arrays_mb": arrays / 1e6,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
            "counts": {c.name.lower(): int(player.world.counts[c]) for c in Count}}  # fmt: skip


def by_peer(scenario: MonthScenario, tables: Tables, play: Callable[[HeapMonth], HeapMonth]) -> dict[str, Any]:
    """A peer's month, and the engine's right before it, so that what else the machine does falls on both."""
    played(with_changes(scenario, ["days=0.1"]), tables)
    _, engine, _ = timed(lambda: played(scenario, tables))
    month, cpu, wall = timed(lambda: play(HeapMonth(scenario, tables, seed=1)))
    return {"cpu_seconds": cpu, "seconds": wall, "engine_cpu_seconds": engine, "counts": month.counts}


def growth(sizes: list[int], days: float, tables: Tables) -> dict[str, Any]:
    """CPU seconds by fleet size; the exponent of seconds over n log n is that of seconds over n, less the logarithm."""
    rows = []
    for robots in sizes:
        scenario = with_changes(load_month("ryugu-month"), [f"robots={robots}", f"days={days}"])
        Player(scenario, tables, seed=1)
        player = Player(scenario, tables, seed=1)
        _, cpu, _ = timed(lambda p=player: p.advance(p.end))
        rows.append({"robots": robots, "cpu_seconds": cpu, "events": int(player.world.counts[Count.EVENTS])})
    x = np.log([r["robots"] for r in rows])
    y = np.log([r["cpu_seconds"] for r in rows])
    n_log_n = np.log([r["robots"] * math.log2(r["robots"]) for r in rows])
    return {"days": days, "rows": rows, "exponent": float(np.polyfit(x, y, 1)[0]),
            "exponent_over_n_log_n": float(np.polyfit(n_log_n, y, 1)[0])}  # fmt: skip


def near_the_bound(days: float) -> dict[str, Any]:
    """A month where haulers abound and nothing varies, beside the bound of the linear programme."""
    sure = {"anchor": (100.0, 0.0), "dig": (100.0, 5000.0), "dock": (50.0, 0.0), "haul": (50.0, 0.0),
            "hop": (1000.0, 0.0), "capture": (10.0, 0.0)}  # fmt: skip
    tables = Tables.join([np.array([[1.0, *sure[name][:1], 0.0, sure[name][1], 0.0]]) for name in SKILLS])
    settings = ["fleet.excavators=10", "fleet.haulers=200", "fleet.units=10", "fleet.maintainers=1",
                "fleet.prospectors=0", "ground.pits_per_yard=1", "failing.mtbf_h=1e9", "failing.unit_mtbf_h=1e9",
                "plant.leg_success=1", "digging.wear=0", "link.gaps=0", "robots.hot_limit=1000",
                "robots.battery_wh=100000", "ground.grade_spread=0",
                f"days={days}"]  # fmt: skip
    out: dict[str, Any] = {"days": days}
    for dispatch in ("shortest-queue", "assignment"):
        scenario = with_changes(load_month("ryugu-month"), [*settings, f"dispatch='{dispatch}'"])
        ore, most = play(scenario, tables, seed=1).figures["ore_t"], month_bound(scenario, tables)["all"]
        out[dispatch] = {"ore_t": ore, "bound_t": most, "gap": 1.0 - ore / most}
    return out


def assignment(num: int, sites: int = 100) -> dict[str, Any]:
    """Robots and tasks in clusters on a sphere: layered against exact and nearest first."""
    rng = generator(1, "assignment")

    def cluster(centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        site = np.sort(rng.integers(0, len(centres), num))
        place = centres[site] + 0.05 * rng.standard_normal((num, 3))
        return 448.0 * place / np.linalg.norm(place, axis=1, keepdims=True), site

    centres = rng.standard_normal((sites, 3))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    (robots, robot_site), (tasks, task_site) = cluster(centres), cluster(centres)
    layered, layered_cpu, _ = timed(lambda: layered_assignment(robots, tasks, robot_site, task_site))
    exact, exact_cpu, _ = timed(lambda: exact_assignment(robots, tasks))
    near, near_cpu, _ = timed(lambda: nearest_assignment(robots, tasks))
    return {
        "robots": num, "layered_cpu_seconds": layered_cpu, "exact_cpu_seconds": exact_cpu,
        "nearest_cpu_seconds": near_cpu, "layered_gap": layered[1] / exact[1] - 1.0,
        "nearest_gap": near[1] / exact[1] - 1.0, "speedup_vs_exact": exact_cpu / layered_cpu,
    }  # fmt: skip


def main() -> None:
    """Run all, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    parser.add_argument("--quick", action="store_true", help="small sizes: checks that all runs, says nothing of speed")
    parser.add_argument(
        "--robots", type=int, default=10_000, help="robots of the race; growth goes to ten times as many"
    )
    parser.add_argument("--days", type=float, default=30.0, help="days of the race, for all three alike")
    parser.add_argument("--replicates", type=int, default=100, help="months on two threads, of a tenth the robots")
    parser.add_argument(
        "--only", choices=("race", "growth", "bound", "assignment", "replicates"), help="one part alone"
    )
    parser.add_argument("--keep", type=Path, help="folder of the parts that are done: a run that was cut goes on there")
    given = parser.parse_args()
    tables = Bank.load(shipped_bank()).tables()
    robots, days = (100, 1.0) if given.quick else (given.robots, given.days)
    keep: Keep = lambda _, make: make()  # noqa: E731 -- one line says it
    if given.keep:
        run = Run(given.keep, {"robots": robots, "days": days, "replicates": given.replicates, "bank": tables.digest,
                               "scenario": load_month("ryugu-month").digest, "is_quick": given.quick})  # fmt: skip
        keep = lambda name, make: run.json(f"{name}.json", make)  # noqa: E731 -- as above
    sizes = [n for n in (10, 100, 1_000, 10_000, 100_000) if n <= 10 * robots]
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "race": lambda: race(robots, days, tables, keep),
        "growth": lambda: growth(sizes, 1.0 if given.quick else 3.0, tables),
        "bound": lambda: near_the_bound(5.0 if given.quick else 30.0),
        "assignment": lambda: assignment(200 if given.quick else min(robots, 10_000), 10 if given.quick else 100),
        "replicates": lambda: replicates(
            2 if given.quick else given.replicates, robots // 10, 1.0 if given.quick else 30.0, tables
        ),
    }
    out = {name: make() if name == "race" else keep(name, make) for name, make in parts.items()
           if given.only in (None, name)}  # fmt: skip
    race_part, growth_part = out.get("race", {}), out.get("growth", {})
    out |= {n: race_part[n] for n in ("speedup_vs_heap", "speedup_vs_simpy", "seconds", "peak_mb") if n in race_part}
    out |= {"exponent": growth_part["exponent"]} if growth_part else {}
    sys.stdout.write(json.dumps(out, indent=None if given.json else 1) + "\n")


def replicates(num: int, robots: int, days: float, tables: Tables) -> dict[str, Any]:
    """Months of one scenario on two threads."""
    scenario = with_changes(load_month("ryugu-month"), [f"robots={robots}", f"days={days}"])

    def month(replicate: int) -> None:
        player = Player(scenario, tables, seed=1, replicate=replicate)
        player.advance(player.end)

    def all_months() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(month, range(num)))

    _, cpu, wall = timed(all_months)
    return {"replicates": num, "robots": robots, "days": days, "cpu_seconds": cpu, "seconds": wall}


if __name__ == "__main__":
    main()
