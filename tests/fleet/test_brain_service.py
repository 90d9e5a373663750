# SPDX-License-Identifier: Apache-2.0
"""The service with real clients: who gets in, what is answered, and what faults do to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stope.base.errors import ConfigError, FileError
from stope.fleet.brain.answering import Brain, Request, Verdict
from stope.fleet.brain.batching import BatchConfig
from stope.fleet.brain.client import BrainClient
from stope.fleet.brain.drive import DriveConfig, drive
from stope.fleet.brain.frames import HEADER, LARGEST_FRAME, pack_request
from stope.fleet.brain.service import ServiceConfig
from stope.fleet.brain.shelf import Shelf
from stope.fleet.brain.tokens import is_bearer, new_token, read_token
from tests.fleet.brains import TOKEN, process, request, serving, shelf, token_file
from tests.fleet.test_brain import SHIPPED, bits, variant

OURS = {"Authorization": f"Bearer {TOKEN}"}
LONG = 20.0
"""Deadline of tests that are not about deadlines [s]: machines may be slow."""


def get(url: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    asked = urllib.request.Request(url.replace("ws:", "http:").rstrip("/") + path, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_over_the_wire_bits_are_those_in_process() -> None:
    async def run() -> None:
        async with serving(shelf()) as (url, _), BrainClient(url, TOKEN) as one, BrainClient(url, TOKEN) as two:
            asked = [request(shelf().current(skill), 20 + k, seed=k) for k, skill in enumerate(shelf().skills)] * 5
            answers = await asyncio.gather(*(
                (one, two)[k % 2].act(rows, within=LONG) for k, rows in enumerate(asked)
            ))  # fmt: skip
        brain = Brain(shelf())
        assert all(bits(a) == bits(brain.answer(rows)) for a, rows in zip(answers, asked, strict=True))

    asyncio.run(run())


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN},
                                     {"Authorization": f"Bearer {TOKEN}x"}])  # fmt: skip
def test_nobody_gets_in_without_the_token(headers: dict[str, str]) -> None:
    async def run() -> None:
        async with serving(shelf()) as (url, _):
            with pytest.raises(InvalidStatus, match="401"):
                await connect(url, additional_headers=headers, proxy=None)
            for path in ("/health", "/metrics", "/policies", "/"):
                assert (await asyncio.to_thread(get, url, path, headers))[0] == 401
            text = (await asyncio.to_thread(get, url, "/metrics", OURS))[1]
            assert "stope_brain_bad_tokens_total 5" in text

    asyncio.run(run())


def test_two_tokens_are_none() -> None:
    async def run() -> None:
        async with serving(shelf()) as (url, _):
            twice = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer wrong")]
            with pytest.raises(InvalidStatus, match="401"):
                await connect(url, additional_headers=twice, proxy=None)

    asyncio.run(run())


def test_health_and_metrics_tell_what_happened() -> None:
    async def run() -> None:
        async with serving(shelf()) as (url, _), BrainClient(url, TOKEN) as client:
            asked = request(shelf().current("dock"), 10)
            asked.age[:3] = 9.0
            await client.act(asked, within=LONG)
            status, text = await asyncio.to_thread(get, url, "/health", OURS)
            health = json.loads(text)
            assert (status, health["status"], health["connections"]) == (200, "serving", 1)
            assert {p["skill"] for p in health["policies"]} == set(shelf().skills)
            status, text = await asyncio.to_thread(get, url, "/metrics", OURS)
            assert 'stope_brain_rows_total{verdict="acted"} 7' in text
            assert 'stope_brain_rows_total{verdict="stale"} 3' in text
            assert 'stope_brain_frame_seconds_bucket{le="+Inf"} 1' in text
            assert (await asyncio.to_thread(get, url, "/nothing", OURS))[0] == 404

    asyncio.run(run())


async def closed_with(url: str, *messages: bytes) -> int | None:
    async with connect(url, additional_headers=OURS, proxy=None, compression=None) as stranger:
        with contextlib.suppress(ConnectionClosed):
            for message in messages:
                await stranger.send(message)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(stranger.recv(), 10)
        return stranger.close_code


def test_garbage_and_huge_frames_close_their_own_connection_only() -> None:
    async def run() -> None:
        async with serving(shelf()) as (url, _), BrainClient(url, TOKEN) as client:
            asked = request(shelf().current("dock"), 4)
            before = await client.act(asked, within=LONG)
            head = HEADER.pack(b"stb1", 1, 1, 0xFFFFFFFF, 0xFFFF, 0xFFFF, 1, 0)
            for garbage in (b"", b"garbage", os.urandom(5000), head, head + bytes(100)):
                assert await closed_with(url, garbage) == 1002
            assert await closed_with(url, bytes(LARGEST_FRAME + 1)) == 1009
            host, port = url.removeprefix("ws://").rstrip("/").split(":")
            for raw in (b"\x16\x03\x01\x02\x00", b"POST / HTTP/1.1\r\n\r\n", os.urandom(2000), b"G" * 100_000):
                await asyncio.to_thread(throw, host, int(port), raw)
            assert bits(await client.act(asked, within=LONG)) == bits(before)
            assert client.num_connections == 1
            for order in ("[]", "{", '{"do": "rm"}', '{"do": "roll-back", "skill": 7}', "[" * 100_000):
                async with connect(url, additional_headers=OURS, proxy=None) as other:
                    await other.send(order)
                    assert "error" in json.loads(await asyncio.wait_for(other.recv(), 10))

    asyncio.run(run())


def throw(host: str, port: int, raw: bytes) -> None:
    with socket.create_connection((host, port), timeout=5) as thrown, contextlib.suppress(OSError):
        thrown.sendall(raw)
        thrown.shutdown(socket.SHUT_WR)
        while thrown.recv(4096):
            pass


def test_a_client_that_never_reads_is_disconnected_and_others_are_served() -> None:
    async def run() -> None:
        async with serving(shelf(), patience=0.3) as (url, _), BrainClient(url, TOKEN) as client:
            asked = request(shelf().current("capture"), 500)
            data = pack_request(asked, number=1, budget=LONG)
            stranger = await connect(url, additional_headers=OURS, proxy=None, compression=None, max_queue=1)
            stranger.transport.pause_reading()  # the kernel's buffers fill, then the service's
            flood = asyncio.create_task(flooded(stranger, data))
            text = ""
            for _ in range(200):
                answer = await client.act(request(shelf().current("dock"), 4), within=LONG)
                assert not answer.verdict.any()
                text = (await asyncio.to_thread(get, url, "/metrics", OURS))[1]
                if "stope_brain_slow_readers_total 1" in text:
                    break
                await asyncio.sleep(0.05)
            assert "stope_brain_slow_readers_total 1" in text
            assert "stope_brain_queued_rows 0" in text
            flood.cancel()
            await asyncio.gather(flood, return_exceptions=True)
            stranger.transport.abort()

    asyncio.run(run())


async def flooded(stranger: Any, data: bytes) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await stranger.send(data)


def test_beyond_the_bounds_clients_are_turned_away_and_rows_answered_with_the_fallback() -> None:
    async def run() -> None:
        small = BatchConfig(window=0.2, most_rows=300, queue_rows=300)
        async with (
            serving(shelf(), small, most_connections=2) as (url, _),
            BrainClient(url, TOKEN) as one,
            BrainClient(url, TOKEN) as two,
        ):
            asked = request(shelf().current("dock"), 200)
            answers = await asyncio.gather(one.act(asked, within=LONG), two.act(asked, within=LONG))
            assert sorted(Verdict(a.verdict[0]).name for a in answers) == ["ACTED", "OVERLOADED"]
            with pytest.raises(InvalidStatus, match="503"):
                await connect(url, additional_headers=OURS, proxy=None)

    asyncio.run(run())


def test_a_brain_that_is_not_there_leaves_the_fallback_by_the_deadline() -> None:
    async def run() -> None:
        async with BrainClient("ws://127.0.0.1:9/", TOKEN) as client:
            asked = request(shelf().current("capture"), 3)
            start = asyncio.get_running_loop().time()
            answer = await client.act(asked, within=0.2)
            took = asyncio.get_running_loop().time() - start
        assert (answer.verdict == Verdict.NO_ANSWER).all()
        assert not answer.action.any()
        assert (answer.memory == asked.memory).all()
        assert took >= 0.2

    asyncio.run(run())


@pytest.mark.slow  # starts two processes
def test_killed_and_started_again_under_load_every_robot_has_an_action_and_memory_goes_on(tmp_path: Path) -> None:
    async def run() -> None:
        file = token_file(tmp_path)
        version = shelf().current("capture")
        with contextlib.ExitStack() as stack:
            server, url = stack.enter_context(process(file, "--port", "0"))
            port = url.rstrip("/").rsplit(":", 1)[1]
            config = DriveConfig(num_robots=200, num_connections=4, rows_per_frame=10, period=0.2, seconds=600.0,
                                 deadline=0.15)  # fmt: skip
            stop = asyncio.Event()
            driving = asyncio.create_task(drive(url, TOKEN, version, config, stop=stop))
            await asyncio.sleep(2.0)
            server.kill()
            await asyncio.to_thread(server.wait)
            _, second = await asyncio.to_thread(stack.enter_context, process(file, "--port", port))
            assert second == url
            await asyncio.sleep(4.0)  # four times the longest pause between attempts
            stop.set()
            driven = await driving
            assert sum(driven.verdicts.values()) == sum(driven.rows)  # every question ended in an action
            assert driven.verdicts["no_answer"] > 0
            assert driven.verdicts["acted"] > 0
            assert driven.num_connections >= 8  # each came back
            assert driven.longest_without < 0.15 + 0.5  # the loop of a machine that is busy may come late itself
            assert driven.num_differing(Brain(shelf())) == 0

    asyncio.run(run())


def test_policies_swap_and_roll_back_while_robots_ask(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    shutil.copy(SHIPPED / "capture.safetensors", folder)
    held = Shelf(folder)
    first = held.current("capture").number

    async def run() -> None:
        async with serving(held, reload=60.0) as (url, _), BrainClient(url, TOKEN) as client:
            asked = request(held.current("capture"), 5)
            (folder / "capture.safetensors").write_bytes(b"not a policy")
            reply = await client.order("reload")
            assert "not a whole safetensors file" in reply["refused"][0]
            assert ((await client.act(asked, within=LONG)).version == first).all()
            variant(0.9).save(folder / "capture.safetensors")
            reply = await client.order("reload")
            assert reply["refused"] == []
            swapped = (await client.act(asked, within=LONG)).version
            assert (swapped != first).all()
            await client.order("roll-back", skill="capture")
            assert ((await client.act(asked, within=LONG)).version == first).all()
            with pytest.raises(ConfigError, match="nothing to roll back to"):
                await client.order("roll-back", skill="capture")
            text = (await asyncio.to_thread(get, url, "/metrics", OURS))[1]
            for line in ("swaps_total 1", "refused_files_total 1", "roll_backs_total 1"):
                assert f"stope_brain_{line}" in text

    asyncio.run(run())


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_memory_does_not_grow_under_garbage_and_sigterm_lets_answers_out(tmp_path: Path) -> None:
    async def run() -> None:
        with process(token_file(tmp_path), "--port", "0", "--window-ms", "300") as (server, url):
            zeros = np.zeros((500, 79), dtype=np.float32), np.zeros((500, 64), dtype=np.float32)
            data = pack_request(Request.of(1, *zeros), number=1, budget=1.0)
            await attack(url, data[:-1], 20)
            before = resident(server.pid)
            await attack(url, data[:-1], 60)
            assert resident(server.pid) - before < 8_000  # kB; the 60 frames alone had 17 MB
            assert server.poll() is None
            async with BrainClient(url, TOKEN) as client:
                asked = request(shelf().current("dock"), 6)
                await client.act(asked, within=LONG)
                waiting = asyncio.create_task(client.act(asked, within=LONG))
                await asyncio.sleep(0.1)
                server.send_signal(signal.SIGTERM)
                assert ((await waiting).verdict == Verdict.ACTED).all()  # what was in work got out
                assert await asyncio.to_thread(server.wait, 10) == 0
                late = await client.act(asked, within=0.2)
                assert (late.verdict == Verdict.NO_ANSWER).all()

    asyncio.run(run())


async def attack(url: str, garbage: bytes, num: int) -> None:
    for _ in range(num):
        await closed_with(url, garbage)
        with pytest.raises(InvalidStatus):
            await connect(url, additional_headers={}, proxy=None)


def test_the_example_of_the_documentation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "brain.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    code, last = code.rsplit("\n\n\n", 1)
    assert last.strip() == 'asyncio.run(ask("ws://127.0.0.1:8765/", Path("brain.token").read_text().strip()))'
    given: dict[str, Any] = {}
    exec(compile(code, "brain.md", "exec"), given)

    async def run() -> None:
        async with serving(shelf()) as (url, _):
            await given["ask"](url, TOKEN)

    asyncio.run(run())
    assert capsys.readouterr().out == "['ACTED', 'ACTED', 'ACTED'] (3, 7)\n"


def test_only_loopback_is_listened_on() -> None:
    for host in ("0.0.0.0", "192.168.1.1", "example.org"):
        with pytest.raises(ConfigError, match="expected a loopback address"):
            ServiceConfig(host=host)
    assert ServiceConfig(host="::1").host == "::1"


def test_a_token_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with pytest.raises(FileError, match="no such token file"):
        read_token(path)
    path.write_text(TOKEN + "\n", encoding="ascii")
    path.chmod(0o644)
    with pytest.raises(FileError, match="mode 0644: expected 0600"):
        read_token(path)
    path.chmod(0o600)
    assert read_token(path) == TOKEN
    path.write_text("short", encoding="ascii")
    with pytest.raises(FileError, match="5 characters"):
        read_token(path)
    assert not is_bearer("Bearer \xe9", TOKEN)
    assert not is_bearer("Bearer \udcff", TOKEN)
    assert new_token() != new_token()
