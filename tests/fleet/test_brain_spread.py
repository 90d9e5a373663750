# SPDX-License-Identifier: Apache-2.0
"""A brain on several machines: two Ray actors here; their bits, a death among them, and a policy that changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stope.fleet.brain.spread import _shares

SPREAD_TEST = """
import asyncio, os, signal, sys, time
import numpy as np
from stope.base.ray_workers import RayWorkers
from stope.fleet.brain.answering import Brain, Verdict, joined
from stope.fleet.brain.client import BrainClient
from stope.fleet.brain.shelf import Shelf
from stope.fleet.brain.spread import SpreadBrain
from tests.fleet.brains import TOKEN, request, serving
from tests.fleet.test_brain import bits, variant

shelf = Shelf()
here, there = Brain(shelf), SpreadBrain(shelf, RayWorkers("local", 2), patience=60.0)
asked = joined([request(shelf.current(skill), 400) for skill in shelf.skills])
asked.age[7], asked.mask[9], asked.skill[11], asked.observation[13, 0] = 9.0, False, 999, np.nan
assert bits(there.answer(asked)) == bits(here.answer(asked))

def eventually(answer_of):
    for _ in range(1200):
        answer = there.answer(asked)
        if answer_of(answer):
            return answer
        time.sleep(0.05)
    raise AssertionError("it never came")

there._ray.kill(there._machines[0].actor)
gone = there.answer(asked)
lost = gone.verdict == Verdict.NO_ANSWER
assert lost.any() and not lost.all()
assert not gone.action[lost].any()
eventually(lambda answer: bits(answer) == bits(here.answer(asked)))

first = shelf.current("capture").number
second = shelf.put("capture", variant(0.9), source="new").number
rows = asked.skill == request(shelf.current("capture"), 1).skill[0]
seen = set()
def swapped(answer):
    acted = answer.verdict[rows] == Verdict.ACTED
    seen.update(answer.version[rows][acted].tolist())
    return (answer.version[rows][acted] == second).all()
eventually(swapped)
assert seen <= {first, second}
eventually(lambda answer: bits(answer) == bits(here.answer(asked)))

async def over_the_wire():
    async with serving(there) as (url, _), BrainClient(url, TOKEN) as client:
        one = request(shelf.current("dock"), 300)
        assert bits(await client.act(one, within=60.0)) == bits(here.answer(one))
asyncio.run(over_the_wire())
there.close()
"""


def test_shares_are_whole_tiles_and_all_rows() -> None:
    for num, machines in ((0, 2), (1, 3), (256, 2), (257, 2), (2600, 3), (100_000, 7)):
        shares = _shares(num, machines)
        assert len(shares) == machines
        assert [i for s in shares for i in range(s.start, s.stop)] == list(range(num))
        assert all(s.stop % 256 == 0 or s.stop == num for s in shares)
    assert _shares(10, 0) == []


@pytest.mark.slow  # a Ray cluster is started, and each of its actors checks the policies
def test_rows_on_two_machines_have_the_bits_of_one_brain_whatever_dies_or_changes() -> None:
    pytest.importorskip("ray", reason="needs stope[ray]")
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root / "src"), str(root), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run([sys.executable, "-c", SPREAD_TEST], cwd=root, env=env, capture_output=True, text=True,
                          timeout=600, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
