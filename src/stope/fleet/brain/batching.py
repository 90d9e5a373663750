# SPDX-License-Identifier: Apache-2.0
"""Batching: requests that arrive within a short window are answered together; a deadline shortens the window.

The queue is bounded in rows: what does not fit is answered at once with the fallback, and so is a request whose time is
over before its turn. Batches are bounded too, so that the event loop reads sockets between them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from stope.base.config import check_positive
from stope.base.errors import ConfigError
from stope.fleet.brain.answering import Answer, Brain, Request, Verdict, fallback, joined, split
from stope.fleet.brain.metrics import Metrics

__all__ = ["BatchConfig", "Batcher"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchConfig:
    """How long requests wait for each other, and how many may."""

    window: float = 0.004
    """Longest time that a request waits for others [s]; chosen: a tenth of the 50 ms that a fleet allows."""
    margin: float = 0.010
    """Time before a request's deadline at which its batch starts at the latest [s]; chosen: a batch and its sending."""
    most_rows: int = 1024
    """Rows of a batch; chosen: about five milliseconds on one core, so that sockets are read in between."""
    queue_rows: int = 20_000
    """Rows that may wait; chosen: two rounds of ten thousand robots, a tenth of a second's work."""

    def __post_init__(self) -> None:
        """Check that all are positive and that a batch fits the queue."""
        check_positive(self, "window", "margin", "most_rows", "queue_rows")
        if self.most_rows > self.queue_rows:
            raise ConfigError(f"BatchConfig.most_rows = {self.most_rows}: expected at most queue_rows = "
                              f"{self.queue_rows}.")  # fmt: skip


class _Waiting(NamedTuple):
    request: Request
    due: float
    """When it must have been answered, on the loop's clock [s]."""
    answer: asyncio.Future[Answer]


class Batcher:
    """Collects requests and answers them with one brain.

    Args:
        brain: What answers.
        config: Window and bounds.
        metrics: Counts batches and queue.
    """

    def __init__(self, brain: Brain, config: BatchConfig, metrics: Metrics) -> None:
        """Take all three; `run` works."""
        self.brain, self.config, self.metrics = brain, config, metrics
        self.is_draining = False
        """Set to answer whatever comes with the fallback from now on."""
        self._queue: deque[_Waiting] = deque()
        self._rows = 0
        self._wake = asyncio.Event()

    @property
    def num_rows(self) -> int:
        """Rows that wait."""
        return self._rows

    async def answer(self, request: Request, *, budget: float) -> Answer:
        """The answer to a request, within about `budget` seconds, or the fallback."""
        if self.is_draining:
            return self._refused(request, Verdict.DRAINING)
        if self._rows + len(request) > self.config.queue_rows:
            return self._refused(request, Verdict.OVERLOADED)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, loop.time() + budget, loop.create_future())
        self._queue.append(waiting)
        self._rows += len(request)
        self._wake.set()
        return await waiting.answer

    def _refused(self, request: Request, verdict: Verdict) -> Answer:
        return fallback(request, verdict, self.brain.shelf.widest[2])

    async def run(self) -> None:
        """Answer batch after batch until cancelled."""
        loop, c = asyncio.get_running_loop(), self.config
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            close = loop.time() + c.window
            while self._rows < c.most_rows:
                wait = min(close, min(w.due for w in self._queue) - c.margin) - loop.time()
                if wait <= 0.0:
                    break
                self._wake.clear()
                try:
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                except TimeoutError:
                    break
            await self._step(loop.time())
            await asyncio.sleep(0)

    async def _step(self, now: float) -> None:
        """Answer one batch."""
        batch: list[_Waiting] = []
        rows = 0
        while self._queue and (not batch or rows + len(self._queue[0].request) <= self.config.most_rows):
            waiting = self._queue.popleft()
            self._rows -= len(waiting.request)
            if waiting.answer.done():
                continue  # its connection is gone
            if now > waiting.due:
                waiting.answer.set_result(self._refused(waiting.request, Verdict.LATE))
                continue
            batch.append(waiting)
            rows += len(waiting.request)
        self.metrics.gauges["queued_rows"] = self._rows
        if not batch:
            return
        self.metrics.counts["batches"] += 1
        requests = [w.request for w in batch]
        together = joined(requests)
        if self.brain.is_remote:
            answers = await asyncio.to_thread(self.brain.answer, together)
        else:
            answers = self.brain.answer(together)
        for waiting, answer in zip(batch, split(answers, requests), strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
