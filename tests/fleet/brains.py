# SPDX-License-Identifier: Apache-2.0
"""What the tests of the brain share: rows, and a service in this process or in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import numpy as np

from stope.fleet.brain.answering import Brain, Request
from stope.fleet.brain.batching import BatchConfig
from stope.fleet.brain.service import ServiceConfig, serve
from stope.fleet.brain.shelf import Shelf, Version, number_of

TOKEN = "a-token-that-only-tests-use"


@functools.cache
def shelf() -> Shelf:
    """The shipped policies, checked once; tests that change a shelf make their own."""
    return Shelf()


def request(version: Version, num: int, *, seed: int = 0) -> Request:
    """Rows as in training."""
    tile, rng = version.tile, np.random.Generator(np.random.Philox(seed))
    drawn = rng.uniform(-0.05, 0.05, (num, tile.num_inputs)).astype(np.float32)
    memory = rng.uniform(-1.0, 1.0, (num, tile.num_memory)).astype(np.float32)
    observation = (0.5 * (tile.low + tile.high) + drawn * (tile.high - tile.low)).astype(np.float32)
    return Request.of(number_of(version.skill), observation, memory)


@contextlib.asynccontextmanager
async def serving(
    held: Brain | Shelf, batches: BatchConfig | None = None, **settings: Any
) -> AsyncGenerator[tuple[str, asyncio.Task[dict[str, int]]], None]:
    """A service in this process: its address and its task."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    config = ServiceConfig(port=0, **settings)
    task = asyncio.create_task(
        serve(held, TOKEN, config=config, batches=batches, on_start=started.set_result, stop=stop)
    )
    url = await asyncio.wait_for(started, 10)
    try:
        yield url, task
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


@contextlib.contextmanager
def process(token_file: Path, *options: str) -> Generator[tuple[subprocess.Popen[str], str], None, None]:
    """`stope fleet serve` in a process of its own, and its address; killed at the end if it still runs."""
    command = [sys.executable, "-m", "stope.cli.main", "fleet", "serve", "--json", "--token-file", str(token_file)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            text = ""
            while not text.endswith("\n}\n"):
                line = server.stdout.readline()
                assert line, server.stderr.read() if server.stderr else ""
                text += line
            yield server, str(json.loads(text)["url"])
        finally:
            server.kill()


def token_file(folder: Path) -> Path:
    """A file with the token that only its owner reads."""
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(TOKEN, encoding="ascii")
    return path
