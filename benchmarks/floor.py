# SPDX-License-Identifier: Apache-2.0
"""The floor of `world.py`: what the same physics costs in the barest loop one can write.

Two compiled loops, which do not hold the interpreter lock, one per thread with one mjData each. A thread flies each of
its worlds to the end before the next; nothing is observed or handed over between control steps, and all worlds of a
thread share one model. The faster of the two is the floor, so the batch is held to the harder one.

`mj_step`: MuJoCo's own fourth-order step, with stope's forces in its passive-force callback, that is, in every stage.
    MuJoCo integrates the base at its origin and turns quaternions by the exponential; otherwise the scheme is the same.
`stages`: the step that the batch takes, called from a loop. The worlds end with the batch's bits.
"""

from __future__ import annotations

import copy
import ctypes
import functools
import threading
import time
from dataclasses import dataclass
from typing import Any

import mujoco
import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.world import mujoco_flight as flight
from stope.world import native
from stope.world import plant as p
from stope.world.batch import World
from stope.world.free_flight import apply_command, thrust_over
from stope.world.mujoco_flight import MujocoBatch
from stope.world.native import address_to_floats, address_to_longs, call, load_address

__all__ = ["LOOPS", "Course", "Floor"]

Floats = NDArray[np.float64]

LOOPS = ("mj_step", "stages")

# Columns of the context, which tells the passive callback where its thread's arrays are.
ROW, STATE, NODES, NUM_NODES, WRENCH, JITTER, SMALL, LAYOUT, START, NUM_CONTEXT = range(10)

# The callback is handed the model and the data only. The address of its thread's context travels in a field of the
# thread's own model that only magnetometers read; there are none.
_CARRIER = native.field_offset("mjModel", "opt") + native.field_offset("mjOption", "magnetic")
_TIME = native.field_offset("mjData", "time")

_control_period = nb.njit(error_model="numpy")(flight._control_period)


@dataclass(frozen=True, eq=False)
class Course:
    """What every contestant flies: N worlds of one plant, without jitter, from given starts under given actions."""

    row: Floats
    """Plant row of all worlds, (NUM_PLANT,)."""
    nodes: Floats
    """Gravity table, flat."""
    state: Floats
    """State rows at the start, (worlds, NUM_STATE)."""
    qpos: Floats
    """MuJoCo's positions at the start, (worlds, nq)."""
    qvel: Floats
    """MuJoCo's velocities at the start, (worlds, nv)."""
    actions: Floats
    """Of every control step, (steps, worlds, 6)."""
    num_steps: int
    """Physics steps of a control step."""

    @classmethod
    def of(cls, world: World, actions: Floats) -> Course:
        """Take the course that a world on the MuJoCo path stands at the start of."""
        batch = world._mujoco
        assert batch is not None
        row = world.plant[0].copy()
        latency = row[p.LATENCY] / row[p.DT]
        assert (world.plant == row).all(), "the floor has one plant"
        assert abs(latency - round(latency)) < 1e-9, "a latency within a step would split it"
        assert row[p.JITTER] == 0.0, "the floor draws nothing"
        return cls(row, world.table.nodes, world.state.copy(), batch.qpos.copy(), batch.qvel.copy(), actions,
                   world.num_steps)  # fmt: skip

    @property
    def num_physics_steps(self) -> int:
        """Physics steps of all worlds."""
        return self.actions.shape[0] * self.actions.shape[1] * self.num_steps


@nb.njit(error_model="numpy")
def _load(dp, at, qpos, qvel):
    """Put a world's start into mjData, as a fresh row of a batch would be."""
    flight._copy(qpos, flight._field(dp, at[flight.QPOS], at[flight.NQ]))
    flight._copy(qvel, flight._field(dp, at[flight.QVEL], at[flight.NV]))
    flight._field(dp, at[flight.WARM], at[flight.NV])[:] = 0.0
    nb.carray(address_to_floats(dp + _TIME), (1,))[0] = 0.0


@nb.njit(error_model="numpy")
def _save(dp, at, qpos, qvel):
    """Take a world's end out of mjData."""
    flight._copy(flight._field(dp, at[flight.QPOS], at[flight.NQ]), qpos)
    flight._copy(flight._field(dp, at[flight.QVEL], at[flight.NV]), qvel)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _stages(mp, dp, at, block, actions, qpos, qvel, first, last):
    """Fly worlds first to last with the step of the batch; qpos and qvel are replaced by the ends."""
    for sim in range(first, last):
        _load(dp, at, qpos[sim], qvel[sim])
        for c in range(actions.shape[0]):
            block[3] = actions[c].ctypes.data
            _control_period(mp, dp, sim, block.ctypes.data)
        _save(dp, at, qpos[sim], qvel[sim])


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _mj_step(mp, dp, at, context, step, states, actions, num_steps, qpos, qvel, first, last):
    """Fly worlds first to last with `mj_step`; qpos and qvel are replaced by the ends."""
    row = nb.carray(address_to_floats(context[ROW]), (p.NUM_PLANT,))
    wrench = nb.carray(address_to_floats(context[WRENCH]), (18,))
    start = nb.carray(address_to_floats(context[START]), (1,))
    now = nb.carray(address_to_floats(dp + _TIME), (1,))
    command, dt = np.empty(6), row[p.DT]
    for sim in range(first, last):
        _load(dp, at, qpos[sim], qvel[sim])
        state = states[sim]
        context[STATE] = state.ctypes.data
        for c in range(actions.shape[0]):
            apply_command(state, row, command, actions[c, sim])
            for k in range(num_steps):
                thrust_over(state, row, command, k * dt, dt, wrench)
                start[0] = now[0]
                call(step, mp, dp)
                for a in range(3):
                    state[p.WHEEL + a] += dt * state[p.WHEEL_TORQUE + a]
            for k in range(6):
                state[p.COMMAND + k] = command[k]
        _save(dp, at, qpos[sim], qvel[sim])


def _passive(mp, dp):
    """Stope's forces at one stage of `mj_step`, into xfrc_applied; compiled by `_callback` with its signature."""
    context = nb.carray(address_to_longs(load_address(mp, _CARRIER)), (NUM_CONTEXT,))
    row = nb.carray(address_to_floats(context[ROW]), (p.NUM_PLANT,))
    state = nb.carray(address_to_floats(context[STATE]), (p.NUM_STATE,))
    nodes = nb.carray(address_to_floats(context[NODES]), (context[NUM_NODES],))
    wrench = nb.carray(address_to_floats(context[WRENCH]), (18,))
    jitter = nb.carray(address_to_floats(context[JITTER]), (3,))
    small = nb.carray(address_to_floats(context[SMALL]), (6,))
    at = nb.carray(address_to_longs(context[LAYOUT]), (flight.NUM_LAYOUT,))
    ahead = nb.carray(address_to_floats(dp + _TIME), (1,))[0] - nb.carray(address_to_floats(context[START]), (1,))[0]
    stage = int(2.0 * ahead / row[p.DT] + 0.5)  # 0, 1 and 2: beginning, middle and end of the step
    flight._forces(mp, dp, at, nodes, row, state, wrench[6 * stage : 6 * stage + 6], jitter, ahead, small,
                   small[0:0])  # fmt: skip


@functools.cache
def _callback() -> Any:
    return nb.cfunc(nb.void(nb.intp, nb.intp), cache=True)(_passive)


class _Lane:
    """One thread's model, data and arrays."""

    def __init__(self, batch: MujocoBatch, course: Course) -> None:
        self.model = copy.copy(batch.model)
        # The batch's model of world 0 has the mass properties of the course; the compiled scene has the robot's own.
        native.library().mjb_getModel(ctypes.c_void_p(batch._handle), 0, ctypes.c_void_p(self.model._address))
        self.data = mujoco.MjData(self.model)
        self.row, self.layout = course.row.copy(), batch._layout.copy()
        self.wrench, self.small, self.jitter, self.start = np.zeros(18), np.zeros(6), np.zeros(3), np.zeros(1)
        self.context = np.zeros(NUM_CONTEXT, dtype=np.int64)
        for column, array in ((ROW, self.row), (NODES, course.nodes), (WRENCH, self.wrench), (JITTER, self.jitter),
                              (SMALL, self.small), (LAYOUT, self.layout), (START, self.start)):  # fmt: skip
            self.context[column] = native.as_bytes(array)
        self.context[NUM_NODES] = course.nodes.size
        self.model.opt.magnetic[0] = np.int64(native.as_bytes(self.context)).view(np.float64)


class Floor:
    """Both loops over one course."""

    def __init__(self, batch: MujocoBatch, course: Course, *, num_threads: int) -> None:
        """Give every thread its model and data; `batch` is the one that flies the same course."""
        self.course = course
        self._lanes = [_Lane(batch, course) for _ in range(num_threads)]
        self._cuts = [len(course.state) * k // num_threads for k in range(num_threads + 1)]
        self._rows = np.repeat(course.row[None], len(course.state), axis=0)
        self._jitters = np.zeros((len(course.state), 3))
        self._work = np.zeros_like(batch._work)

    def fly(self, loop: str) -> tuple[float, Floats, Floats]:
        """Fly the course with one of LOOPS; return the seconds it took and where the worlds ended, qpos and qvel."""
        c, step = self.course, native.function_address("mj_step")
        states, qpos, qvel = c.state.copy(), c.qpos.copy(), c.qvel.copy()

        def lane(k: int) -> None:
            own, span = self._lanes[k], (self._cuts[k], self._cuts[k + 1])
            at = (own.model._address, own.data._address, own.layout)
            if loop == "mj_step":
                _mj_step(*at, own.context, step, states, c.actions, c.num_steps, qpos, qvel, *span)
                return
            block = np.array([c.num_steps, native.as_bytes(self._rows), native.as_bytes(states), 0,
                              native.as_bytes(self._jitters), native.as_bytes(c.nodes), c.nodes.size,
                              native.as_bytes(self._work), native.as_bytes(own.layout), 0], dtype=np.int64)  # fmt: skip
            _stages(*at, block, c.actions, qpos, qvel, *span)

        threads = [threading.Thread(target=lane, args=(k,)) for k in range(len(self._lanes))]
        mujoco.set_mjcb_passive(_callback().ctypes if loop == "mj_step" else None)
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
        mujoco.set_mjcb_passive(None)
        return seconds, qpos, qvel
