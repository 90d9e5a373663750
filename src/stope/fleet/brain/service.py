# SPDX-License-Identifier: Apache-2.0
"""The service: a brain behind a WebSocket on loopback, for whoever has the token.

WebSocket rather than HTTP/2: one connection a relay stays open, frames keep their borders, both ends may send at any
time, and one small package (`websockets`, BSD) does it without a framework; HTTP/2 would add a state machine per stream
for nothing that is needed here. Health and metrics are plain GET requests on the same port.

Bounds: a frame has at most `LARGEST_FRAME` bytes, a connection one frame in work and one waiting, connections are
counted, the queue is bounded in rows, and whoever does not read an answer within `patience` is disconnected.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast

from stope.base.config import check_positive
from stope.base.errors import ConfigError, MissingExtra, StopeError
from stope.fleet.brain.answering import Brain
from stope.fleet.brain.batching import BatchConfig, Batcher
from stope.fleet.brain.frames import LARGEST_FRAME, pack_answer, unpack_request
from stope.fleet.brain.metrics import Metrics
from stope.fleet.brain.shelf import Shelf
from stope.fleet.brain.tokens import is_bearer

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request as HttpRequest
    from websockets.http11 import Response

__all__ = ["ServiceConfig", "serve"]

LOG = logging.getLogger("stope.brain")
NOT_A_FRAME, GOING = 1002, 1001
"""Codes of a close: protocol error, going away."""
LONGEST_BUDGET = 60.0
"""Time that a request may wait [s], whatever it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceConfig:
    """Where a brain listens, and what it bears."""

    host: str = "127.0.0.1"
    """Address to listen on; loopback only: what goes farther goes through a tunnel that encrypts."""
    port: int = 8765
    """Port; 0 takes one that is free."""
    most_connections: int = 512
    """Connections open at a time."""
    patience: float = 2.0
    """Time that a client has to take an answer off the wire [s]."""
    drain: float = 2.0
    """Time that answers have to get out after SIGTERM [s]."""
    reload: float = 1.0
    """Time between two looks at the folder of policies [s]."""

    def __post_init__(self) -> None:
        """Check that the address is one of loopback and that numbers are possible."""
        check_positive(self, "most_connections", "patience", "drain", "reload")
        try:
            is_loopback = ip_address(self.host).is_loopback
        except ValueError:
            is_loopback = False
        if not is_loopback:
            raise ConfigError(f"host {self.host!r}: expected a loopback address such as 127.0.0.1. Reach it from "
                              "elsewhere through a tunnel, such as `ssh -L`.")  # fmt: skip
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port {self.port}: expected 0 to 65535.")


class _Service:
    """One run of the service."""

    def __init__(self, brain: Brain, token: str, config: ServiceConfig, batches: BatchConfig) -> None:
        self.shelf, self.token, self.config = brain.shelf, token, config
        self.metrics = Metrics()
        self.batcher = Batcher(brain, batches, self.metrics)
        self.num_open = 0
        self.num_at_work = 0
        self.is_draining = False
        self._reloading = asyncio.Lock()

    def admit(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        """Answer a plain GET, turn away, or let a handshake go on."""
        given = request.headers.get_all("Authorization")
        if not is_bearer(given[0] if len(given) == 1 else None, self.token):
            self.metrics.counts["bad_tokens"] += 1
            answer = connection.respond(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong\n")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        if request.path != "/":
            return self._page(connection, request.path)
        if self.is_draining or self.num_open >= self.config.most_connections:
            self.metrics.counts["turned_away"] += 1
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no connection is free\n")
        return None

    def _page(self, connection: ServerConnection, path: str) -> Response:
        """Answer a plain GET."""
        if path == "/health":
            status = HTTPStatus.SERVICE_UNAVAILABLE if self.is_draining else HTTPStatus.OK
            return _json(connection, status, self.health())
        if path == "/metrics":
            self._gauge()
            return connection.respond(HTTPStatus.OK, self.metrics.text())
        if path == "/policies":
            return _json(connection, HTTPStatus.OK, {"policies": self.shelf.summary()})
        return connection.respond(HTTPStatus.NOT_FOUND, "expected /, /health, /metrics or /policies\n")

    def health(self) -> dict[str, Any]:
        """What a watchdog wants to know."""
        return {"status": "draining" if self.is_draining else "serving", "connections": self.num_open,
                "queued_rows": self.batcher.num_rows, "policies": self.shelf.summary()}  # fmt: skip

    def _gauge(self) -> None:
        self.metrics.gauges |= {"connections": self.num_open, "queued_rows": self.batcher.num_rows}
        self.metrics.counts["roll_backs"] = self.shelf.num_rolled_back

    async def talk(self, connection: ServerConnection) -> None:
        """Answer one client until it goes."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 -- an extra

        if self.num_open >= self.config.most_connections:
            self.metrics.counts["turned_away"] += 1
            return
        self.num_open += 1
        try:
            async for message in connection:
                self.num_at_work += 1
                try:
                    reply = await (self._answer(message) if isinstance(message, bytes) else self._order(message))
                    async with asyncio.timeout(self.config.patience):
                        await connection.send(reply)
                finally:
                    self.num_at_work -= 1
        except TimeoutError:
            self.metrics.counts["slow_readers"] += 1
            connection.transport.abort()
        except StopeError as error:
            self.metrics.counts["bad_frames"] += 1
            await connection.close(NOT_A_FRAME, str(error)[:120])
        except ConnectionClosed:
            pass
        finally:
            self.num_open -= 1

    async def _answer(self, message: bytes) -> bytes:
        clock = asyncio.get_running_loop().time
        start = clock()
        request, number, budget = unpack_request(message)
        answer = await self.batcher.answer(request, budget=min(budget, LONGEST_BUDGET))
        took = clock() - start
        self.metrics.add_frame(answer.verdict, took)
        return pack_answer(answer, number=number, took=took)

    async def _order(self, message: str) -> str:
        """Carry out an order in JSON; what it cannot do it says, and goes on."""
        try:
            order = json.loads(message)
        except (ValueError, RecursionError):
            order = None
        if not isinstance(order, dict):
            return json.dumps({"error": 'expected an object such as {"do": "policies"}'})
        order = cast("dict[str, Any]", order)
        kind, refused = order.get("do"), list[str]()
        try:
            if kind == "reload":
                refused = await self.reload()
            elif kind == "roll-back":
                self.shelf.roll_back(str(order.get("skill")))
            elif kind != "policies":
                return json.dumps({"error": f"do = {kind!r}: expected policies, reload or roll-back"})
        except StopeError as error:
            return json.dumps({"error": str(error)})
        return json.dumps({"policies": self.shelf.summary(), "refused": refused})

    async def reload(self) -> list[str]:
        """Look for policies that changed; the event loop goes on meanwhile."""
        async with self._reloading:
            before = {v["version"] for v in self.shelf.summary()}
            refused = await asyncio.to_thread(self.shelf.reload)
            self.metrics.counts["swaps"] += len({v["version"] for v in self.shelf.summary()} - before)
            self.metrics.counts["refused_files"] += len(refused)
            for line in refused:
                LOG.warning("refused: %s", line)
            return refused

    async def watch(self) -> None:
        """Reload now and then until cancelled."""
        while True:
            await asyncio.sleep(self.config.reload)
            await self.reload()

    async def drain(self) -> None:
        """Let what is in work get out."""
        self.is_draining = self.batcher.is_draining = True
        loop = asyncio.get_running_loop()
        end = loop.time() + self.config.drain
        while (self.batcher.num_rows or self.num_at_work) and loop.time() < end:
            await asyncio.sleep(0.01)


def _json(connection: ServerConnection, status: HTTPStatus, value: object) -> Response:
    answer = connection.respond(status, json.dumps(value) + "\n")
    del answer.headers["Content-Type"]
    answer.headers["Content-Type"] = "application/json"
    return answer


async def serve(
    brain: Brain | Shelf,
    token: str,
    *,
    config: ServiceConfig | None = None,
    batches: BatchConfig | None = None,
    on_start: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> dict[str, int]:
    """Serve until SIGTERM, SIGINT or `stop`; then drain. SIGHUP looks for changed policies at once.

    Args:
        brain: What answers; of a shelf, a brain in this process.
        token: What a client must have.
        config: Where to listen, and bounds.
        batches: Window and bounds of batches.
        on_start: Told the address once it listens.
        stop: For callers without signals, such as tests.

    Returns:
        Rows that were answered, by verdict.

    Raises:
        MissingExtra: without `websockets`.
        OSError: if the port is taken.
    """
    try:
        from websockets.asyncio.server import serve as listen  # noqa: PLC0415 -- an extra
    except ImportError:
        raise MissingExtra("stope fleet serve: websockets is not installed: `pip install -e '.[serve]'`.") from None
    config = config or ServiceConfig()
    brain = Brain(brain) if isinstance(brain, Shelf) else brain
    service = _Service(brain, token, config, batches or BatchConfig())
    over = stop or asyncio.Event()
    quiet = logging.getLogger("stope.brain.wire")
    quiet.setLevel(logging.CRITICAL)  # what strangers send is counted, not logged with a traceback
    # Not `async with`: leaving would close before what is in work has got out.
    server = await listen(service.talk, config.host, config.port, process_request=service.admit, compression=None,
                          max_size=LARGEST_FRAME, max_queue=1, write_limit=1 << 16, open_timeout=5.0, close_timeout=1.0,
                          logger=quiet, server_header=None)  # fmt: skip
    tasks = [asyncio.create_task(service.batcher.run()), asyncio.create_task(service.watch())]
    _on_signals(service, over)
    host, port = next(iter(server.sockets)).getsockname()[:2]
    if on_start is not None:
        on_start(f"ws://{f'[{host}]' if ':' in host else host}:{port}/")
    ended = asyncio.create_task(over.wait())
    done, _ = await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
    await service.drain()
    for task in tasks:
        task.cancel()
    server.close(code=GOING, reason="the brain is going away")
    await server.wait_closed()
    for task in done - {ended}:
        task.result()  # a batcher never ends by itself: what ended it is to be seen
    return service.metrics.rows()


def _on_signals(service: _Service, over: asyncio.Event) -> None:
    """Drain on SIGTERM and SIGINT, reload on SIGHUP, where this is the main thread."""
    loop, looks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def hang_up() -> None:
        look = loop.create_task(_once(service))
        looks.add(look)  # a loop holds its tasks weakly
        look.add_done_callback(looks.discard)

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, over.set)
        loop.add_signal_handler(signal.SIGHUP, hang_up)
    except (RuntimeError, ValueError):
        LOG.debug("no signals in this thread")


async def _once(service: _Service) -> None:
    await service.reload()
