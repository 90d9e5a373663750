# SPDX-License-Identifier: Apache-2.0
"""The brain over the wire, with its real client: same bits, no way in without a token, a safe action always."""

import asyncio
import json
import signal
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stope.fleet.brain.answering import Brain, Verdict
from stope.fleet.brain.client import BrainClient
from stope.fleet.brain.frames import HEADER, LARGEST_FRAME, pack_request
from tests.fleet.brains import TOKEN, process, request, serving, shelf, token_file

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def test_answers_over_the_wire_have_the_bits_of_the_brain_in_process() -> None:
    rows = request(shelf().current("anchor"), 300)
    here = Brain(shelf()).answer(rows)

    async def there() -> None:
        async with serving(shelf()) as (url, _), BrainClient(url, TOKEN) as client:
            found = await client.act(rows, within=10.0)
            for name in ("action", "memory", "verdict", "version"):
                np.testing.assert_array_equal(getattr(found, name), getattr(here, name))

    asyncio.run(there())
    assert (here.verdict == Verdict.ACTED).all()


def test_nobody_is_let_in_without_the_token() -> None:
    async def strangers() -> None:
        async with serving(shelf()) as (url, _):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(url, additional_headers=headers, proxy=None)
                assert refused.value.response.status_code == 401
            page = url.replace("ws://", "http://")
            for path in ("health", "metrics", "policies"):
                with pytest.raises(urllib.error.HTTPError, match="401"):
                    await asyncio.to_thread(urllib.request.urlopen, page + path, None, 5)

    asyncio.run(strangers())


def test_health_and_metrics_tell_what_was_answered() -> None:
    async def ask() -> tuple[dict[str, object], str]:
        async with serving(shelf()) as (url, _), BrainClient(url, TOKEN) as client:
            await client.act(request(shelf().current("dock"), 5), within=10.0)
            pages = []
            for path in ("health", "metrics"):
                asked = urllib.request.Request(url.replace("ws://", "http://") + path, headers=BEARER)
                with await asyncio.to_thread(urllib.request.urlopen, asked, None, 5) as page:
                    pages.append(page.read().decode())
            return json.loads(pages[0]), pages[1]

    health, metrics = asyncio.run(ask())
    assert (health["status"], health["connections"]) == ("serving", 1)
    rows = [line for line in metrics.splitlines() if not line.startswith("#") and 'acted"' in line.lower()]
    assert rows, metrics
    assert rows[0].endswith(" 5")


@pytest.mark.parametrize("garbage", [
    b"", b"stb1", b"\x00" * 400, HEADER.pack(b"stb1", 1, 1, 512, 512, 512, 0, 0), b"x" * (LARGEST_FRAME + 1),
    pack_request(request(shelf().current("dock"), 3), number=1, budget=1.0)[:-1],
], ids=["empty", "short", "zeros", "promises too much", "huge", "cut"])  # fmt: skip
def test_garbage_ends_its_own_connection_and_no_other(garbage: bytes) -> None:
    rows = request(shelf().current("dock"), 3)

    async def both() -> None:
        async with serving(shelf()) as (url, _), BrainClient(url, TOKEN) as client:
            async with connect(url, additional_headers=BEARER, proxy=None, max_size=None) as rude:
                with pytest.raises(ConnectionClosed):
                    await rude.send(garbage)
                    await asyncio.wait_for(rude.recv(), 5)
            assert (await client.act(rows, within=10.0)).verdict.tolist() == [Verdict.ACTED] * 3

    asyncio.run(both())


def test_a_robot_acts_safely_while_the_brain_is_killed_and_is_served_when_it_is_back(tmp_path: Path) -> None:
    rows = request(shelf().current("dock"), 3)
    secret = token_file(tmp_path)

    async def life(client: BrainClient, tries: int = 200) -> np.ndarray:
        for _ in range(tries):
            found = await client.act(rows, within=0.2)
            if (found.verdict == Verdict.ACTED).all():
                break
        return found.verdict

    async def outlive() -> None:
        with process(secret, "--port", "0") as (server, url):
            async with BrainClient(url, TOKEN) as client:
                assert (await life(client) == Verdict.ACTED).all()
                server.send_signal(signal.SIGKILL)
                server.wait(10)
                loop = asyncio.get_running_loop()
                start = loop.time()
                lost = await client.act(rows, within=0.2)
                assert loop.time() - start < 1.0
                assert (lost.verdict == Verdict.NO_ANSWER).all()
                assert (lost.action == 0.0).all(), "the fallback leaves the robot alone"
                port = url.rstrip("/").rsplit(":", 1)[1]
                with process(secret, "--port", port):
                    assert (await life(client) == Verdict.ACTED).all()
                    assert client.num_connections == 2

    asyncio.run(outlive())


def test_sigterm_drains_and_ends_cleanly(tmp_path: Path) -> None:
    with process(token_file(tmp_path), "--port", "0") as (server, _):
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=20)
    assert (server.returncode, errors) == (0, "")
