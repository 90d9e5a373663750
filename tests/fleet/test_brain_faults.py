# SPDX-License-Identifier: Apache-2.0
"""The brain under faults, with real clients over the wire.

| fault | test |
| --- | --- |
| brain killed and started again under load | `test_brain_service.py`, and all at once here |
| one policy file corrupted | any byte of either family, and under load, here |
| garbage, huge frames, wrong tokens, clients that never read | each in `test_brain_service.py`, all at once here |
| sockets that are opened and say nothing | here |
| frames that are whole and say anything | here |
| a brain that is none, or answers with what no robot should do | here |
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import shutil
import signal
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stope.fleet.brain.answering import Answer, Brain, Request, Verdict, joined, split
from stope.fleet.brain.client import ACTIONS, BrainClient
from stope.fleet.brain.drive import DriveConfig, drive
from stope.fleet.brain.frames import LARGEST_FRAME, pack_answer, pack_request, unpack_request
from stope.fleet.brain.shelf import Shelf
from tests.fleet.brains import TOKEN, process, request, serving, shelf, token_file
from tests.fleet.test_brain import bits

SHIPPED = Path(str(files("stope.learn") / "shipped"))
OURS = {"Authorization": f"Bearer {TOKEN}"}
LONG = 20.0
"""Deadline of tests that are not about deadlines [s]: machines may be slow."""


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["capture", "dock"]), st.floats(0.0, 1.0, exclude_max=True), st.integers(1, 255))
def test_a_policy_file_with_any_byte_changed_is_refused_and_nothing_else_happens(
    skill: str, where: float, change: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, held = Path(folder) / f"{skill}.safetensors", holding()
        data = bytearray((SHIPPED / path.name).read_bytes())
        data[int(where * len(data))] ^= change
        path.write_bytes(bytes(data))
        os.utime(path, ns=(next(TICKS), next(TICKS)))  # a clock of files may be too coarse for a test this quick
        held.folder, before = Path(folder), held.current(skill)
        (problem,) = held.reload()
        assert problem.startswith(f"{path}: ")
        assert held.current(skill) is before


TICKS = itertools.count(1)


@functools.cache
def holding() -> Shelf:
    """A shelf that holds the shipped policies: their check takes longer than a test of their files."""
    return Shelf()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 130), st.integers(0, 80))
def test_whatever_a_whole_frame_says_is_answered_and_leaves_others_alone(
    seed: int, num: int, wide: int, memory: int
) -> None:
    rng, usual = np.random.Generator(np.random.Philox(seed)), request(shelf().current("capture"), 3)
    strange = Request(
        rng.integers(0, 2**32, (num, wide), dtype=np.uint32).view(np.float32),
        rng.integers(0, 2**32, (num, memory), dtype=np.uint32).view(np.float32),
        rng.choice([0, 1, 2, 3, 4, 5, 6, 65535], num).astype(np.uint16),
        rng.choice(np.array([0, shelf().current("dock").number, 2**64 - 1], dtype=np.uint64), num),
        rng.choice([0.0, 1.0, -1.0, np.nan, np.inf], num).astype(np.float32),
        rng.random(num) < 0.8,
    )  # fmt: skip
    strange, _, _ = unpack_request(pack_request(strange, number=1, budget=1.0))
    brain = Brain(shelf())
    answer = brain.answer(strange)
    beside = split(brain.answer(joined([strange, usual])), [strange, usual])
    assert bits(beside[0]) == bits(answer)
    assert bits(beside[1]) == bits(brain.answer(usual))
    acted = answer.verdict == Verdict.ACTED
    assert (np.abs(answer.action) <= 1.0).all()
    assert np.isfinite(answer.memory).all()
    assert not answer.action[~acted].any()
    assert not answer.version[~acted].any()
    assert (answer.version[acted] != 0).all()


@pytest.mark.parametrize("kind", ["garbage", "nan", "beyond", "rows", "memory", "narrow", "lost-memory", "gone"])
def test_a_brain_that_is_none_leaves_robots_their_fallback_and_no_connection_open(kind: str) -> None:
    async def run() -> None:
        closed = 0

        async def lie(connection: ServerConnection) -> None:
            nonlocal closed
            with contextlib.suppress(ConnectionClosed):
                async for message in connection:
                    assert isinstance(message, bytes)
                    asked, number, _ = unpack_request(message)
                    if kind == "gone":
                        connection.transport.abort()
                        break
                    await connection.send(b"no frame" if kind == "garbage" else lying(asked, number, kind))
            closed += 1

        asked = request(shelf().current("capture"), 5)
        async with listen(lie, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with BrainClient(f"ws://127.0.0.1:{port}/", TOKEN) as client:
                for _ in range(3):
                    answer = await client.act(asked, within=0.2)
                    assert (answer.verdict == Verdict.NO_ANSWER).all()
                    assert not answer.action.any()
                    assert (answer.memory == asked.memory).all()
            await asyncio.sleep(0)
        assert closed == client.num_connections >= 1

    asyncio.run(run())


def lying(asked: Request, number: int, kind: str) -> bytes:
    """An answer that is whole, with one thing wrong."""
    n = len(asked) + (kind == "rows")
    columns = 7 - (kind == "narrow")
    action = np.full((n, columns), {"nan": np.nan, "beyond": 1.01}.get(kind, 0.0), dtype=np.float32)
    memory = np.zeros((n, asked.memory.shape[1] + (kind == "memory")), dtype=np.float32)
    memory[-1, -1] = np.inf if kind == "lost-memory" else 0.0
    return pack_answer(Answer(np.zeros(n, dtype=np.uint8), np.ones(n, dtype=np.uint64), action, memory),
                       number=number, took=0.0)  # fmt: skip


def test_the_client_knows_how_many_actions_each_skill_has() -> None:
    assert {row["skill"]: row["num_actions"] for row in Shelf().summary()} == ACTIONS


def test_sockets_that_say_nothing_do_not_keep_robots_out() -> None:
    async def run() -> None:
        async with serving(shelf(), most_connections=2) as (url, _):
            host, port = url.removeprefix("ws://").rstrip("/").split(":")
            silent = [await asyncio.open_connection(host, int(port)) for _ in range(200)]
            async with BrainClient(url, TOKEN) as client:
                answer = await client.act(request(shelf().current("dock"), 4), within=LONG)
                assert not answer.verdict.any()
            for reader, writer in silent:
                assert await asyncio.wait_for(reader.read(), LONG) == b""  # the brain hangs up
                writer.close()

    asyncio.run(run())


@pytest.mark.slow  # half a minute: processes are started, and memory is looked at after rounds of attacks
def test_under_all_faults_at_once_every_robot_has_an_action_and_nothing_grows(tmp_path: Path) -> None:
    """Robots ask while strangers attack; the brain is killed, and the next one is attacked on."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for skill in ("capture", "dock"):
        shutil.copy(SHIPPED / f"{skill}.safetensors", folder)
    held = Shelf(folder)
    file, version = token_file(tmp_path), held.current("capture")
    config = DriveConfig(num_robots=200, num_connections=4, rows_per_frame=10, period=0.25, seconds=600.0,
                         deadline=0.2)  # fmt: skip

    async def run() -> None:
        with contextlib.ExitStack() as stack:
            server, url = stack.enter_context(process(file, "--port", "0", "--policies", str(folder)))
            port, stop = url.rstrip("/").rsplit(":", 1)[1], asyncio.Event()
            driving = asyncio.create_task(drive(url, TOKEN, version, config, stop=stop))
            await attacked(url, rounds=1)
            damage(folder / "dock.safetensors")
            damage(folder / "capture.safetensors")
            await attacked(url, rounds=1)
            assert server.poll() is None
            server.kill()
            await asyncio.to_thread(server.wait)
            shutil.copy(SHIPPED / "capture.safetensors", folder)
            (folder / "dock.safetensors").unlink()
            again = await asyncio.to_thread(process, file, "--port", port, "--policies", str(folder))
            server, url = await asyncio.to_thread(stack.enter_context, again)
            await attacked(url, rounds=2)
            before = resident(server.pid)
            damage(folder / "capture.safetensors")
            await attacked(url, rounds=3)
            assert resident(server.pid) - before < 16_000  # kB; the attacks alone sent twenty times as much
            assert server.poll() is None
            stop.set()
            driven = await driving
            server.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait, 20) == 0
        num = sum(driven.rows)
        assert sum(driven.verdicts.values()) == num  # every question of every robot ended in an action
        assert set(driven.verdicts) <= {"acted", "no_answer", "late"}  # no fault but the kill reached a robot
        assert driven.verdicts["acted"] > 0.2 * num
        assert driven.num_connections >= 8  # all came back
        assert driven.num_differing(Brain(held)) == 0
        # Robots have their own action by then, whatever the brain does; the loop of a busy machine may come late.
        assert driven.longest_without < config.deadline + 1.0

    asyncio.run(run())


def damage(path: Path) -> None:
    """Change a byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(bytes(data))


def resident(pid: int) -> int:
    """Memory of a process that is in use [kB]."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


async def attacked(url: str, *, rounds: int) -> None:
    """Rounds of every attack at once, each over when the brain has thrown the stranger out."""
    for _ in range(rounds):
        await asyncio.gather(
            *(thrown_out(url, b"garbage") for _ in range(4)), *(thrown_out(url, os.urandom(50_000)) for _ in range(4)),
            *(thrown_out(url, bytes(LARGEST_FRAME + 1)) for _ in range(4)), *(not_let_in(url) for _ in range(4)),
            *(never_reading(url) for _ in range(2)),
        )  # fmt: skip


async def thrown_out(url: str, message: bytes) -> None:
    async with connect(url, additional_headers=OURS, proxy=None, compression=None) as stranger:
        with contextlib.suppress(ConnectionClosed):
            await stranger.send(message)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(stranger.recv(), LONG)


async def not_let_in(url: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {TOKEN[:-1]}"}):
        with pytest.raises(InvalidStatus, match="401"):
            await connect(url, additional_headers=headers, proxy=None)


async def never_reading(url: str) -> None:
    """Ask all the time, read never, until the brain hangs up."""
    asked = pack_request(request(shelf().current("dock"), 400), number=1, budget=1.0)
    stranger = await connect(url, additional_headers=OURS, proxy=None, compression=None, max_queue=1)
    stranger.transport.pause_reading()
    with contextlib.suppress(ConnectionClosed, TimeoutError):
        async with asyncio.timeout(LONG):
            while True:
                await stranger.send(asked)
    stranger.transport.abort()
    assert stranger.state.name != "OPEN"
