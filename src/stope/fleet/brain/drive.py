# SPDX-License-Identifier: Apache-2.0
"""Drive: thousands of simulated robots that ask a brain all the time, and act safely when it does not answer.

Robots come in groups that share a relay, as many to a frame; groups ask at instants spread evenly over the period.
Their observations are drawn from the range that training covered, their memories are what the brain sent back. A row's
time runs from the instant its group was due, not from when a busy client got round to sending it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_positive
from stope.base.errors import ConfigError
from stope.base.seeding import generator
from stope.fleet.brain.answering import Answer, Brain, Request, Verdict
from stope.fleet.brain.client import BrainClient
from stope.fleet.brain.frames import MOST_ROWS
from stope.fleet.brain.shelf import Version, number_of

__all__ = ["DriveConfig", "Driven", "drive"]

BREADTH = 0.05
"""Largest distance of an observation from the middle of its range, over the range's width [1]; chosen: at least one
standard deviation of training for a policy with memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveConfig:
    """How many robots ask, how often, and for how long."""

    num_robots: int = 10_000
    """Robots."""
    num_connections: int = 100
    """Relays, each with a connection of its own."""
    rows_per_frame: int = 100
    """Robots that ask in one frame."""
    period: float = 1.0
    """Time between two questions of a robot [s]."""
    seconds: float = 20.0
    """How long to drive [s]."""
    deadline: float = 0.5
    """Time after which a robot takes its own fallback action [s]."""
    kept_frames: int = 50
    """Answers that are compared with the brain in process afterwards."""
    seed: int = 1
    """Of the observations."""

    def __post_init__(self) -> None:
        """Check that all can be."""
        check_positive(self, "num_robots", "num_connections", "rows_per_frame", "period", "seconds", "deadline")
        if self.rows_per_frame > MOST_ROWS:
            raise ConfigError(f"DriveConfig.rows_per_frame = {self.rows_per_frame}: expected at most {MOST_ROWS}.")


@dataclass(slots=True, eq=False)
class Driven:
    """What came of it."""

    latency: list[float] = field(default_factory=list[float])
    """Of each frame [s], from when it was due."""
    rows: list[int] = field(default_factory=list[int])
    """Of each frame."""
    verdicts: Counter[str] = field(default_factory=Counter[str])
    """Rows by verdict."""
    kept: list[tuple[Request, Answer]] = field(default_factory=list[tuple[Request, Answer]])
    """Some requests and what came back."""
    longest_without: float = 0.0
    """Longest time from when a robot was due to when it had an action, of the brain or its own [s]."""
    num_connections: int = 0
    """Connections made, those that were made again included."""

    def summary(self) -> dict[str, Any]:
        """Quantiles over rows, and what was lost."""
        each = np.repeat(np.asarray(self.latency), np.asarray(self.rows, dtype=np.intp))
        p50, p99, p999 = (float(q) for q in 1e3 * np.quantile(each, (0.5, 0.99, 0.999))) if each.size else (0.0,) * 3
        num = int(each.size)
        return {
            "rows": num, "lost": num - self.verdicts["acted"], "verdicts": dict(self.verdicts), "p50_ms": p50,
            "p99_ms": p99, "p999_ms": p999, "longest_ms": 1e3 * self.longest_without,
            "connections": self.num_connections,
        }  # fmt: skip

    def num_differing(self, brain: Brain) -> int:
        """Rows that were kept and that the brain in process answers with other bits."""
        differing = 0
        for request, answer in self.kept:
            own = brain.answer(request)
            same = own.memory.view(np.uint32) == answer.memory.view(np.uint32)
            equal = (own.action.view(np.uint32) == answer.action.view(np.uint32)).all(axis=1) & same.all(axis=1)
            differing += int((~equal).sum())
        return differing


async def drive(
    url: str, token: str, version: Version, config: DriveConfig, *, stop: asyncio.Event | None = None
) -> Driven:
    """Drive robots against a brain until the time is over.

    Args:
        url: Where the brain listens.
        token: Its token.
        version: Whose inputs the robots make up; rows ask for the current version of its skill.
        config: How many, how often, how long.
        stop: Ends it earlier, once every robot has had its action.
    """
    out = Driven()
    over = stop or asyncio.Event()
    size = config.rows_per_frame
    sizes = [min(size, config.num_robots - first) for first in range(0, config.num_robots, size)]
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(BrainClient(url, token)) for _ in range(config.num_connections)]
        await asyncio.sleep(0)
        start = asyncio.get_running_loop().time() + min(2.0, 0.5 + 0.005 * len(clients))
        groups = [
            _group(
                clients[k % len(clients)],
                version,
                num,
                config,
                out,
                due=start + config.period * k / len(sizes),
                index=k,
                over=over,
            )
            for k, num in enumerate(sizes)
        ]
        await asyncio.gather(*groups)
        out.num_connections = sum(client.num_connections for client in clients)
    return out


async def _group(
    client: BrainClient,
    version: Version,
    num: int,
    config: DriveConfig,
    out: Driven,
    *,
    due: float,
    index: int,
    over: asyncio.Event,
) -> None:
    """Robots of one frame: ask, act, wait."""
    loop, tile = asyncio.get_running_loop(), version.tile
    rng = generator(config.seed, "brain", str(index))
    middle, breadth = 0.5 * (tile.low + tile.high), np.float32(BREADTH) * (tile.high - tile.low)
    skill, names = number_of(version.skill), {int(v): v.name.lower() for v in Verdict}
    memory: NDArray[np.float32] = np.zeros((num, tile.num_memory), dtype=np.float32)
    for _ in range(round(config.seconds / config.period)):
        await asyncio.sleep(max(0.0, due - loop.time()))
        if over.is_set():
            return
        drawn = 2.0 * rng.random((num, tile.num_inputs), dtype=np.float32) - np.float32(1.0)
        request = Request.of(skill, (middle + breadth * drawn).astype(np.float32), memory)
        answer = await client.act(request, within=max(0.0, config.deadline - (loop.time() - due)))
        took = loop.time() - due
        memory = answer.memory
        out.latency.append(took)
        out.rows.append(num)
        out.longest_without = max(out.longest_without, took)
        for value, count in zip(*np.unique(answer.verdict, return_counts=True), strict=True):
            out.verdicts[names[int(value)]] += int(count)
        if len(out.kept) < config.kept_frames and not answer.verdict.any():
            out.kept.append((request, answer))
        due += config.period
