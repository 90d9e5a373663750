# SPDX-License-Identifier: Apache-2.0
"""BrainClient: asks a brain over the wire, and always has an answer by the deadline.

What the brain does not answer in time, because it is late, gone, draining or killed, the client answers itself with the
fallback action and the verdict `NO_ANSWER`; so it does with answers that no robot should act on. It reconnects on its
own, at longer and longer intervals.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from stope.base.errors import ConfigError, MissingExtra, RangeError, StopeError
from stope.fleet.brain.answering import Answer, Request, Verdict, fallback
from stope.fleet.brain.frames import LARGEST_FRAME, pack_request, unpack_answer
from stope.learn.skills import SKILLS

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.asyncio.client import ClientConnection

__all__ = ["BrainClient"]

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Between two attempts to connect [s]; each is twice as long as the one before."""
ACTIONS = {"anchor": 7, "capture": 7, "dig": 4, "dock": 6, "haul": 6, "hop": 2}
"""Columns of the action of each skill, whoever trained its policy."""
NUM_ACTIONS = max(ACTIONS.values())
"""Columns of the action of a request that was not answered."""
_WIDTH = np.array([ACTIONS[skill] for skill in SKILLS])


class BrainClient:
    """One connection to a brain.

    Args:
        url: Address that `stope fleet serve` printed, such as ws://127.0.0.1:8765/.
        token: Its token.
    """

    def __init__(self, url: str, token: str) -> None:
        """Take both; `async with` connects."""
        self.url, self._token = url, token
        self.num_connections = 0
        """Times a connection was made."""
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[Request, asyncio.Future[Answer]]] = {}
        self._orders: asyncio.Queue[str] = asyncio.Queue(maxsize=16)
        self._connection: ClientConnection | None = None
        self._is_up = asyncio.Event()
        self._pause = FIRST_PAUSE
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> BrainClient:
        """Begin to connect; a brain that is not there yet is waited for in the background."""
        self._task = asyncio.create_task(self._stay_connected())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._connection is not None:
            await self._connection.close()

    async def act(self, request: Request, *, within: float) -> Answer:
        """The brain's answer, or after `within` seconds the fallback; never an error of the wire."""
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[number] = request, answer
        try:
            async with asyncio.timeout(within):
                await self._is_up.wait()
                connection = self._connection
                if connection is not None and await self._sent(
                    connection, pack_request(request, number=number, budget=within)
                ):
                    return await answer
                await asyncio.get_running_loop().create_future()  # nothing will come: the deadline ends this
        except TimeoutError:
            pass
        finally:
            self._open.pop(number, None)
        return fallback(request, Verdict.NO_ANSWER, NUM_ACTIONS)

    async def order(self, do: str, *, within: float = 10.0, **fields: str) -> dict[str, Any]:
        """Give an order, one at a time: "policies", "reload", or "roll-back" with `skill`.

        Raises:
            ConfigError: if the brain does not carry it out, or does not answer.
        """
        try:
            async with asyncio.timeout(within):
                await self._is_up.wait()
                assert self._connection is not None
                while not self._orders.empty():
                    self._orders.get_nowait()  # of an order before that was given up
                await self._sent(self._connection, json.dumps({"do": do, **fields}))
                reply: dict[str, Any] = json.loads(await self._orders.get())
        except TimeoutError:
            raise ConfigError(f"{self.url}: no answer to {do!r} within {within:g} s. Is the token right?") from None
        if "error" in reply:
            raise ConfigError(f"{self.url}: {reply['error']}.")
        return reply

    @staticmethod
    async def _sent(connection: ClientConnection, data: bytes | str) -> bool:
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 -- an extra

        try:
            await connection.send(data)
        except ConnectionClosed:
            return False
        return True

    async def _stay_connected(self) -> None:
        """Connect, read, and connect again until cancelled."""
        try:
            from websockets.asyncio.client import connect  # noqa: PLC0415 -- an extra
            from websockets.exceptions import WebSocketException  # noqa: PLC0415 -- as above
        except ImportError:
            raise MissingExtra("BrainClient: websockets is not installed: `pip install -e '.[serve]'`.") from None
        while True:
            try:
                self._connection = await connect(
                    self.url, additional_headers={"Authorization": f"Bearer {self._token}"}, compression=None,
                    max_size=LARGEST_FRAME, open_timeout=5.0, close_timeout=1.0, proxy=None,
                )  # fmt: skip
                self.num_connections += 1
                self._is_up.set()
                await self._read(self._connection)
            except (OSError, WebSocketException):
                pass  # gone, or not there yet: try again, slower
            except StopeError:
                assert self._connection is not None
                await self._connection.close()  # not a brain: leave it before trying again
            self._is_up.clear()
            await asyncio.sleep(self._pause)
            self._pause = min(2.0 * self._pause, LONGEST_PAUSE)

    async def _read(self, connection: ClientConnection) -> None:
        """Hand out answers until the connection ends."""
        async for message in connection:
            if isinstance(message, str):
                with contextlib.suppress(asyncio.QueueFull):
                    self._orders.put_nowait(message)
                continue
            answer, number, _ = unpack_answer(message)
            asked, waiting = self._open.get(number, (None, None))
            if asked is None or waiting is None or waiting.done():
                continue
            _check(answer, asked)
            waiting.set_result(answer)
            self._pause = FIRST_PAUSE  # it is a brain


def _check(answer: Answer, asked: Request) -> None:
    """Refuse an answer that no robot should act on, whoever gave it.

    Raises:
        RangeError: of another shape than the question, with fewer actions than a skill has that it acted on, with
            actions beyond [-1, 1] or not finite, or with memory that is not finite.
    """
    found, wanted = (len(answer), answer.memory.shape[1]), (len(asked), asked.memory.shape[1])
    if found != wanted:
        raise RangeError(f"answer: {found} rows and columns of memory: expected {wanted}.")
    if not (np.abs(answer.action) <= 1.0).all():
        raise RangeError("answer: actions beyond [-1, 1], or not finite.")
    skills = asked.skill[answer.verdict == Verdict.ACTED]
    if (skills >= len(SKILLS)).any():
        raise RangeError(f"answer: acted on skill {skills.max()}: expected one below {len(SKILLS)}.")
    if answer.action.shape[1] < (most := int(_WIDTH[skills].max(initial=0))):
        raise RangeError(f"answer: {answer.action.shape[1]} columns of the action: expected {most} or more.")
    if not np.isfinite(answer.memory).all():
        raise RangeError("answer: memory that is not finite.")
