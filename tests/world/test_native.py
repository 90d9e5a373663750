# SPDX-License-Identifier: Apache-2.0
"""MuJoCo's C interface: its clock is left alone while our steps run, and is its own again afterwards."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import mujoco
import pytest

from stope.world import native

BALL = "<mujoco><worldbody><body><freejoint/><geom size='0.1'/></body></worldbody></mujoco>"


def clock() -> int | None:
    return ctypes.c_void_p.in_dll(native.library(), "mjcb_time").value


def seconds_counted() -> float:
    """What MuJoCo counts of ten thousand steps."""
    model = mujoco.MjModel.from_xml_string(BALL)
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 10_000)
    return float(data.timer[mujoco.mjtTimer.mjTIMER_STEP].duration)


def test_a_step_is_not_timed_inside_and_is_timed_after() -> None:
    before = clock()
    assert seconds_counted() > 0.0
    with native.untimed():
        assert seconds_counted() == 0.0
        with native.untimed():
            assert seconds_counted() == 0.0
        assert seconds_counted() == 0.0
    assert clock() == before
    assert seconds_counted() > 0.0


def test_the_clock_comes_back_after_a_fault() -> None:
    before = clock()
    with pytest.raises(ValueError, match="ours"), native.untimed():
        raise ValueError("ours")
    assert clock() == before


def test_the_clock_comes_back_whichever_thread_ends_first() -> None:
    before, both = clock(), Barrier(2)

    def some(*, ends_first: bool) -> None:
        with native.untimed():
            both.wait(10.0)
            if not ends_first:
                both.wait(10.0)
        if ends_first:
            both.wait(10.0)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda first: some(ends_first=first), (True, False)))
    assert clock() == before
