# SPDX-License-Identifier: Apache-2.0
"""The brain: rows a second in process beside the bare matrix products, and ten thousand robots over the wire.

In process, a shipped recurrent policy at 1,000, 10,000 and 100,000 rows, beside the floor: the same products and
nothing else, in numpy and in torch, at several tile sizes, the fastest of all; on one thread, in turns, so that what
else the machine does falls on both. Over the wire, `stope fleet serve` in a process of its own, and the fleet's client
in this one, both on the same cores; a row's time runs from when it was due.

    python benchmarks/brain.py --json
    python benchmarks/brain.py --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import starmap
from pathlib import Path
from typing import Any

# Before numpy: its matrix products take every core otherwise, and the brain's run on one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch

from stope.base.device import set_learner_threads
from stope.fleet.brain.answering import Brain, Request
from stope.fleet.brain.drive import DriveConfig, drive
from stope.fleet.brain.shelf import Shelf, number_of
from stope.fleet.brain.tiles import ROWS, MemoryTile
from stope.fleet.brain.tokens import new_token
from stope.learn.policies import GruPolicy

SIZES = (1_000, 10_000, 100_000)
FLOOR_TILES = (64, 128, 256, 512, 1024)
REPEATS = 8
SKILL = "capture"


def products(tile: MemoryTile) -> list[tuple[int, int]]:
    """Sizes (outputs, inputs) of the matrix products of a row."""
    return [(w.shape[0], w.shape[1]) for k, w in tile.policy.weights.items() if k.endswith("weight") or ".weight_" in k]


def floors(shapes: list[tuple[int, int]], num: int) -> dict[str, Callable[[], None]]:
    """Bare products for so many rows, by name."""
    rng = np.random.Generator(np.random.Philox(1))
    out: dict[str, Callable[[], None]] = {}
    for rows in FLOOR_TILES:
        if rows > num:
            continue
        pairs = [(rng.standard_normal((rows, i), dtype=np.float32), rng.standard_normal((i, o), dtype=np.float32),
                  np.empty((rows, o), dtype=np.float32)) for o, i in shapes]  # fmt: skip
        tensors = [(torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(c)) for a, b, c in pairs]

        def by_numpy(pairs: Any = pairs, rows: int = rows) -> None:
            for _ in range(-(-num // rows)):
                for a, b, c in pairs:
                    np.matmul(a, b, out=c)

        def by_torch(tensors: Any = tensors, rows: int = rows) -> None:
            with torch.inference_mode():
                for _ in range(-(-num // rows)):
                    for a, b, c in tensors:
                        torch.mm(a, b, out=c)

        out |= {f"numpy, {rows} rows": by_numpy, f"torch, {rows} rows": by_torch}
    return out


def best(contestants: dict[str, Callable[[], Any]]) -> dict[str, tuple[float, float]]:
    """Least wall-clock and least CPU time of each [s], in turns of three: the first finds the caches of another."""
    least = dict.fromkeys(contestants, (np.inf, np.inf))
    for _ in range(REPEATS):
        for name, run in (pair for pair in contestants.items() for _ in range(3)):
            wall, cpu = time.perf_counter(), time.thread_time()
            run()
            took = (time.perf_counter() - wall, time.thread_time() - cpu)
            least[name] = (min(least[name][0], took[0]), min(least[name][1], took[1]))
    return least


def request_of(brain: Brain, num: int) -> Request:
    """Rows as in training."""
    tile = brain.shelf.current(SKILL).tile
    rng = np.random.Generator(np.random.Philox(2))
    drawn = rng.uniform(-0.05, 0.05, (num, tile.num_inputs)).astype(np.float32)
    memory = rng.uniform(-1.0, 1.0, (num, tile.num_memory)).astype(np.float32)
    observation = (0.5 * (tile.low + tile.high) + drawn * (tile.high - tile.low)).astype(np.float32)
    return Request.of(number_of(SKILL), observation, memory)


def ours(brain: Brain, tile: MemoryTile, request: Request) -> dict[str, Callable[[], Any]]:
    """The brain, its network alone, and the policy's own `act` in torch."""
    policy, seen = tile.policy, tile.num_inputs - tile.num_told
    assert isinstance(policy, GruPolicy)
    observation, belief = request.observation[:, :seen], request.observation[:, seen:]
    return {
        "brain": lambda: brain.answer(request),
        "network": lambda: tile.act(request.observation, request.memory),
        "policy's own act": lambda: policy.act(observation, belief, request.memory),
    }


def in_process(brain: Brain) -> list[dict[str, Any]]:
    """Rows a second beside the floor, at each size; the same rows in another composition give the same bits."""
    tile = brain.shelf.current(SKILL).tile
    assert isinstance(tile, MemoryTile)
    out = []
    for num in SIZES:
        request = request_of(brain, num)
        contestants = ours(brain, tile, request)
        times = best(contestants | floors(products(tile), num))
        bare = {k: v for k, v in times.items() if k not in contestants}
        floor = min(bare, key=lambda k: bare[k][1])
        out.append({
            "rows": num, "rows_per_s": num / times["brain"][1], "network_rows_per_s": num / times["network"][1],
            "act_rows_per_s": num / times["policy's own act"][1], "floor": floor,
            "floor_rows_per_s": num / times[floor][1], "floor_ratio": times[floor][1] / times["brain"][1],
            "network_floor_ratio": times[floor][1] / times["network"][1],
            "rows_per_s_wall": num / times["brain"][0], "is_equal": is_equal(brain, request),
        })  # fmt: skip
    return out


def is_equal(brain: Brain, request: Request) -> bool:
    """Whether rows shuffled and cut into pieces of 1 to 700 have the bits they have together."""
    whole = brain.answer(request)
    rng = np.random.Generator(np.random.Philox(3))
    order = rng.permutation(len(request))
    cuts = np.cumsum(rng.integers(1, 700, len(order)))
    for rows in np.split(order, cuts[cuts < len(order)]):
        part = brain.answer(Request.of(number_of(SKILL), request.observation[rows], request.memory[rows]))
        if (part.action != whole.action[rows]).any() or (part.memory != whole.memory[rows]).any():
            return False
    return True


def over_the_wire(brain: Brain, config: DriveConfig) -> dict[str, Any]:
    """Drive the fleet against a service in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        token, file = new_token(), Path(folder) / "token"
        file.touch(mode=0o600)
        file.write_text(token, encoding="ascii")
        command = [sys.executable, "-m", "stope.cli.main", "fleet", "serve", "--json", "--port", "0"]
        with subprocess.Popen([*command, "--token-file", str(file)], stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                text = ""
                while not text.endswith("\n}\n"):
                    text += server.stdout.readline() or sys.exit("the service did not start")
                driven = asyncio.run(drive(json.loads(text)["url"], token, brain.shelf.current(SKILL), config))
                usage = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
            finally:
                server.terminate()
        peak = next(int(row.split()[1]) for row in usage.splitlines() if row.startswith("VmHWM"))
        return driven.summary() | {"differing": driven.num_differing(brain), "service_peak_mb": peak / 1024,
                                   "service_exit": server.returncode}  # fmt: skip


def main() -> None:
    """Measure, print, and say whether the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the fleet asks over the wire")
    parser.add_argument("--robots", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--rows", type=int, default=100, help="rows of a frame")
    given = parser.parse_args()
    set_learner_threads()
    load = os.getloadavg()[0]
    brain = Brain(Shelf())
    sizes = in_process(brain)
    config = DriveConfig(num_robots=given.robots, num_connections=given.connections, rows_per_frame=given.rows,
                         seconds=given.seconds)  # fmt: skip
    wire = over_the_wire(brain, config)
    middle = sizes[1]
    result = {
        "skill": SKILL, "policy": brain.shelf.current(SKILL).tile.policy.digest, "tile": ROWS,
        "rows_per_s": middle["rows_per_s"], "floor_ratio": middle["floor_ratio"], "sizes": sizes,
        "robots": given.robots, "seconds": given.seconds, "rows_per_frame": given.rows, **wire,
        "cores": len(os.sched_getaffinity(0)), "load_at_start": load, "load_at_end": os.getloadavg()[0],
        "versions": {"numpy": np.__version__, "torch": torch.__version__},
    }  # fmt: skip
    if given.json:
        sys.stdout.write(json.dumps(result, indent=1, sort_keys=True) + "\n")
        return
    for row in sizes:
        sys.stdout.write("{rows} rows: {rows_per_s:.0f} rows/s, {floor_ratio:.2f} of {floor}\n".format(**row))
    sys.stdout.writelines(starmap("{}: {}\n".format, wire.items()))


if __name__ == "__main__":
    main()
