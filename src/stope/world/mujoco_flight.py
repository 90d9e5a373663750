# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo path: stope's forces native inside every stage of a fourth-order step of any MuJoCo model.

One numba callback is run by `mjb_apply` on the library's own threads, once per control period and world. It advances
the thrusters and takes the physics steps; between them no Python runs. `mj_step1/mj_step2` would silently fall back to
Euler, so the callback composes MuJoCo's own stages (position, velocity, actuation, acceleration, constraint) with the
classical Runge-Kutta weights, quaternions treated as vectors of R^4 as in `free_flight`. The robot's base is integrated
at its centre of mass, also as there: at its origin, which swings about the centre, the scheme's error is larger.

The callback knows no model: sizes, joint addresses, field offsets and function addresses come in one array of integers
(the columns below), so one compilation, kept on disk, serves every scene.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Mapping
from typing import Any

import mujoco
import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import StopeError
from stope.world import native
from stope.world import plant as p
from stope.world.free_flight import (
    apply_command,
    rotate,
    segment_end,
    shift_origin,
    site_acceleration,
    spin_torque,
    thrust_over,
)
from stope.world.ground import Ground, apply_ctrl, ground_wrenches
from stope.world.native import address_to_floats, address_to_ints, call, load_address

__all__ = ["MujocoBatch"]

# --- layout: what the callback must know of a model and of this build of MuJoCo ---------------------------------------
NQ, NV, NBODY, NJNT = range(4)
JOINT_KIND, JOINT_QPOS, JOINT_DOF, BODY_ROOT = range(4, 8)  # addresses of int32 arrays
STAGES = 8  # addresses of the five stage functions, in the order they run
FIRST_FIELD = 13  # offsets of the fields of mjData, then of mjModel
_STAGE_FUNCTIONS = ("mj_fwdPosition", "mj_fwdVelocity", "mj_fwdActuation", "mj_fwdAcceleration", "mj_fwdConstraint")
_DATA_FIELDS = ("qpos", "qvel", "qacc", "qacc_warmstart", "xfrc_applied", "xipos", "xmat", "cvel", "subtree_com",
                "ximat", "xpos", "ctrl")  # fmt: skip
_MODEL_FIELDS = ("body_mass", "body_inertia")
QPOS, QVEL, QACC, WARM, XFRC, XIPOS, XMAT, CVEL, SUBTREE, XIMAT, XPOS, CTRL, MODEL_MASS, MODEL_INERTIA = range(
    FIRST_FIELD, FIRST_FIELD + len(_DATA_FIELDS) + len(_MODEL_FIELDS)
)
NUM_LAYOUT = FIRST_FIELD + len(_DATA_FIELDS) + len(_MODEL_FIELDS)
NUM_BLOCK = 10  # what the callback is handed: steps, then addresses of the arrays of `MujocoBatch.step`

_FREE, _BALL = int(mujoco.mjtJoint.mjJNT_FREE), int(mujoco.mjtJoint.mjJNT_BALL)

kernel = nb.njit(error_model="numpy")


@kernel
def _field(owner, offset, n):
    """The n numbers a pointer field of mjData or mjModel points at."""
    return nb.carray(address_to_floats(load_address(owner, offset)), (n,))


@kernel
def _copy(source, target):
    """Copy one vector; a loop, because numba takes seconds to compile a copy between slices."""
    for k in range(target.shape[0]):
        target[k] = source[k]


@kernel
def _configuration_rate(at, q, v, out):
    """Time derivative of qpos for joint velocities v, quaternions as vectors of R^4, into out (nq,)."""
    n = at[NJNT]
    kind, q_at = nb.carray(address_to_ints(at[JOINT_KIND]), (n,)), nb.carray(address_to_ints(at[JOINT_QPOS]), (n,))
    v_at = nb.carray(address_to_ints(at[JOINT_DOF]), (n,))
    for j in range(n):
        a, d = q_at[j], v_at[j]
        if kind[j] == _FREE:
            out[a], out[a + 1], out[a + 2] = v[d], v[d + 1], v[d + 2]
            a, d = a + 3, d + 3
        elif kind[j] != _BALL:
            out[a] = v[d]
            continue
        w, x, y, z = q[a], q[a + 1], q[a + 2], q[a + 3]
        out[a] = -0.5 * (x * v[d] + y * v[d + 1] + z * v[d + 2])
        out[a + 1] = 0.5 * (w * v[d] + y * v[d + 2] - z * v[d + 1])
        out[a + 2] = 0.5 * (w * v[d + 1] + z * v[d] - x * v[d + 2])
        out[a + 3] = 0.5 * (w * v[d + 2] + x * v[d + 1] - y * v[d])


@kernel
def _normalise(at, q):
    """Give every quaternion of qpos unit length."""
    n = at[NJNT]
    kind, q_at = nb.carray(address_to_ints(at[JOINT_KIND]), (n,)), nb.carray(address_to_ints(at[JOINT_QPOS]), (n,))
    for j in range(n):
        if kind[j] == _FREE or kind[j] == _BALL:
            a = q_at[j] + (3 if kind[j] == _FREE else 0)
            s = 1.0 / math.sqrt(q[a] ** 2 + q[a + 1] ** 2 + q[a + 2] ** 2 + q[a + 3] ** 2)
            for k in range(4):
                q[a + k] *= s


@kernel
def _base_forces(r, w, row, state, wrench, jitter, ahead, v, out):
    """Add thrust, drag, residual, jitter, wheels and spin to the robot's base.

    Args:
        r: Rotation from b to l, row by row (9,).
        w: Angular rate relative to l, b (3,).
        row: Plant row.
        state: State row.
        wrench: Force and torque of the thrusters at the base origin, b (6,).
        jitter: Acceleration [m/s2, l] (3,).
        ahead: Time since the wheels' momentum in `state` was true [s].
        v: Velocity of the centre of mass, l (3,).
        out: Force and torque at the centre of mass, l (6,), changed in place.
    """
    m = row[p.MASS]
    for k in range(3):
        thrust = r[3 * k] * wrench[0] + r[3 * k + 1] * wrench[1] + r[3 * k + 2] * wrench[2]
        out[k] += thrust - row[p.DRAG] * v[k] + m * (row[p.RESIDUAL + k] + jitter[k])
    sx = r[0] * row[p.SPIN] + r[3] * row[p.SPIN + 1] + r[6] * row[p.SPIN + 2]
    sy = r[1] * row[p.SPIN] + r[4] * row[p.SPIN + 1] + r[7] * row[p.SPIN + 2]
    sz = r[2] * row[p.SPIN] + r[5] * row[p.SPIN + 1] + r[8] * row[p.SPIN + 2]
    gx, gy, gz = state[p.WHEEL_TORQUE], state[p.WHEEL_TORQUE + 1], state[p.WHEEL_TORQUE + 2]
    hx, hy, hz = state[p.WHEEL] + ahead * gx, state[p.WHEEL + 1] + ahead * gy, state[p.WHEEL + 2] + ahead * gz
    tx, ty, tz = spin_torque(row, sx, sy, sz, w[0], w[1], w[2], hx, hy, hz)
    cx, cy, cz = row[p.COM], row[p.COM + 1], row[p.COM + 2]
    tx += wrench[3] - (cy * wrench[2] - cz * wrench[1]) - gx
    ty += wrench[4] - (cz * wrench[0] - cx * wrench[2]) - gy
    tz += wrench[5] - (cx * wrench[1] - cy * wrench[0]) - gz
    for k in range(3):
        out[3 + k] = r[3 * k] * tx + r[3 * k + 1] * ty + r[3 * k + 2] * tz


@kernel
def _frame_torque(r, moments, row, w, out):
    """Torque [N m, l] that stands for the spin s of l in the rotation of a loose body: as `spin_torque`, no wheels.

    In the body's principal axes -(w+s) x I (w+s) + w x I w + I (w x s) has, with moments a, b, c about them, the first
    component a (w x s)_1 - (c - b) (w_2 s_3 + s_2 w_3 + s_2 s_3), and so on round.

    Args:
        r: Rotation from principal axes to l, row by row (9,).
        moments: Principal moments [kg m2] (3,).
        row: Plant row.
        w: Angular rate relative to l, l (3,).
        out: Force and torque (6,); the torque is written.
    """
    out[3], out[4], out[5] = 0.0, 0.0, 0.0
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        wi, wj = r[i] * w[0] + r[3 + i] * w[1] + r[6 + i] * w[2], r[j] * w[0] + r[3 + j] * w[1] + r[6 + j] * w[2]
        si = r[i] * row[p.SPIN] + r[3 + i] * row[p.SPIN + 1] + r[6 + i] * row[p.SPIN + 2]
        sj = r[j] * row[p.SPIN] + r[3 + j] * row[p.SPIN + 1] + r[6 + j] * row[p.SPIN + 2]
        t = moments[k] * (wi * sj - wj * si) - (moments[j] - moments[i]) * (wi * sj + si * wj + si * sj)
        for a in range(3):
            out[3 + a] += r[3 * a + k] * t


@kernel
def _forces(mp, dp, at, nodes, row, state, wrench, jitter, ahead, work, pressed):
    """Fill xfrc_applied: gravity and spin on every body, and on body 1, the robot's base, what drives the robot."""
    n = at[NBODY]
    xfrc, xipos, xmat = _field(dp, at[XFRC], 6 * n), _field(dp, at[XIPOS], 3 * n), _field(dp, at[XMAT], 9 * n)
    cvel, com, ximat = _field(dp, at[CVEL], 6 * n), _field(dp, at[SUBTREE], 3 * n), _field(dp, at[XIMAT], 9 * n)
    mass, moments = _field(mp, at[MODEL_MASS], n), _field(mp, at[MODEL_INERTIA], 3 * n)
    root = nb.carray(address_to_ints(at[BODY_ROOT]), (n,))
    v, w = work[0:3], work[3:6]
    for b in range(1, n):
        o = 3 * root[b]
        x, y, z = xipos[3 * b], xipos[3 * b + 1], xipos[3 * b + 2]
        rx, ry, rz = x - com[o], y - com[o + 1], z - com[o + 2]
        for k in range(3):
            w[k] = cvel[6 * b + k]
        v[0] = cvel[6 * b + 3] + w[1] * rz - w[2] * ry
        v[1] = cvel[6 * b + 4] + w[2] * rx - w[0] * rz
        v[2] = cvel[6 * b + 5] + w[0] * ry - w[1] * rx
        out = xfrc[6 * b : 6 * b + 6]
        m = row[p.MASS] if b == 1 else mass[b]
        ax, ay, az = site_acceleration(nodes, row, x, y, z, v[0], v[1], v[2])
        out[0], out[1], out[2] = m * ax, m * ay, m * az
        if b == 1:
            rate = _field(dp, at[QVEL], 6)[3:6]
            _base_forces(xmat[9:18], rate, row, state, wrench, jitter, ahead, v, out)
        else:
            _frame_torque(ximat[9 * b : 9 * b + 9], moments[3 * b : 3 * b + 3], row, w, out)
        if pressed.shape[0] > 0:
            for k in range(6):
                out[k] += pressed[6 * b + k]


@kernel
def _press(dp, at, ground, sim, dt, step, pressed):
    """Fill the wrench of the ground on every body for the step that begins; it is held over the stages."""
    n = at[NBODY]
    pressed[:] = 0.0
    root = nb.carray(address_to_ints(at[BODY_ROOT]), (n,))
    ground_wrenches(ground, sim, dt, step, _field(dp, at[XPOS], 3 * n), _field(dp, at[XMAT], 9 * n),
                    _field(dp, at[XIPOS], 3 * n), _field(dp, at[CVEL], 6 * n), _field(dp, at[SUBTREE], 3 * n), root,
                    pressed)  # fmt: skip


@kernel
def _evaluate(mp, dp, at, nodes, row, state, wrench, jitter, ahead, work, ground, sim, dt, pressed):
    """MuJoCo's stages with our forces: from qpos and qvel to qacc; a step dt > 0 begins here, 0 goes on."""
    call(at[STAGES], mp, dp)
    call(at[STAGES + 1], mp, dp)
    if ground != 0 and dt > 0.0:
        _press(dp, at, ground, sim, dt, row[p.DT], pressed)
    _forces(mp, dp, at, nodes, row, state, wrench, jitter, ahead, work, pressed)
    call(at[STAGES + 2], mp, dp)
    call(at[STAGES + 3], mp, dp)
    call(at[STAGES + 4], mp, dp)


@kernel
def _acceleration_of_centre(row, q, v, acceleration):
    """Turn the first three components of qacc from the base origin's to those of its centre of mass."""
    cx, cy, cz = row[p.COM], row[p.COM + 1], row[p.COM + 2]
    wx, wy, wz = v[3], v[4], v[5]
    ux, uy, uz = wy * cz - wz * cy, wz * cx - wx * cz, wx * cy - wy * cx
    ax, ay, az = acceleration[3], acceleration[4], acceleration[5]
    dx, dy, dz = rotate(q[3], q[4], q[5], q[6], ay * cz - az * cy + wy * uz - wz * uy,
                        az * cx - ax * cz + wz * ux - wx * uz, ax * cy - ay * cx + wx * uy - wy * ux)  # fmt: skip
    acceleration[0] += dx
    acceleration[1] += dy
    acceleration[2] += dz


@kernel
def _step(mp, dp, at, nodes, row, state, wrench, jitter, work, dt, ground, sim, pressed):
    """One Runge-Kutta step; `wrench` (18,) holds the thrusters at the beginning, the middle and the end of it."""
    nq, nv = at[NQ], at[NV]
    qpos, qvel, qacc = _field(dp, at[QPOS], nq), _field(dp, at[QVEL], nv), _field(dp, at[QACC], nv)
    q0, dq, sq = work[0:nq], work[nq : 2 * nq], work[2 * nq : 3 * nq]
    speeds = work[3 * nq :]
    v0, sv, vs, dv = speeds[0:nv], speeds[nv : 2 * nv], speeds[2 * nv : 3 * nv], speeds[3 * nv : 4 * nv]
    small = speeds[4 * nv : 4 * nv + 6]
    _copy(qpos, q0)
    _copy(qvel, v0)
    shift_origin(row, q0, v0, 1.0)
    _copy(v0, vs)
    sq[:], sv[:] = 0.0, 0.0
    for stage in range(4):
        ahead = 0.0 if stage == 0 else (dt if stage == 3 else 0.5 * dt)
        first = 0 if stage == 0 else (12 if stage == 3 else 6)
        _configuration_rate(at, qpos, vs, dq)
        _evaluate(mp, dp, at, nodes, row, state, wrench[first : first + 6], jitter, ahead, small, ground, sim,
                  dt if stage == 0 else 0.0, pressed)  # fmt: skip
        if stage == 0:
            _copy(qacc, _field(dp, at[WARM], nv))
        _copy(qacc, dv)
        _acceleration_of_centre(row, qpos, qvel, dv)
        weight = dt / 6.0 if stage % 3 == 0 else dt / 3.0
        reach = dt if stage == 2 else 0.5 * dt
        for k in range(nq):
            sq[k] += weight * dq[k]
            qpos[k] = q0[k] + (sq[k] if stage == 3 else reach * dq[k])
        for k in range(nv):
            sv[k] += weight * dv[k]
            vs[k] = v0[k] + (sv[k] if stage == 3 else reach * dv[k])
        if stage == 3:
            _normalise(at, qpos)
        _copy(vs, qvel)
        shift_origin(row, qpos, qvel, -1.0)


def _control_period(mp, dp, sim, block):
    """What `mjb_apply` runs: one control period of one world."""
    steps = load_address(block, 0)
    row = nb.carray(address_to_floats(load_address(block, 8) + 8 * p.NUM_PLANT * sim), (p.NUM_PLANT,))
    state = nb.carray(address_to_floats(load_address(block, 16) + 8 * p.NUM_STATE * sim), (p.NUM_STATE,))
    action = nb.carray(address_to_floats(load_address(block, 24) + 48 * sim), (6,))
    jitter = nb.carray(address_to_floats(load_address(block, 32) + 24 * sim), (3,))
    nodes = nb.carray(address_to_floats(load_address(block, 40)), (load_address(block, 48),))
    at = nb.carray(native.address_to_longs(load_address(block, 64)), (NUM_LAYOUT,))
    ground = load_address(block, 72)
    loads = 6 * at[NBODY] if ground != 0 else 0
    size = 3 * at[NQ] + 4 * at[NV] + 30 + 6 * at[NBODY]
    work = nb.carray(address_to_floats(load_address(block, 56) + 8 * size * sim), (size,))
    command, wrench = work[size - 24 : size - 18], work[size - 18 : size]
    pressed = work[size - 24 - loads : size - 24]
    if ground != 0:
        apply_ctrl(ground, sim, dp, at[CTRL])
    apply_command(state, row, command, action)
    done, start = 0, 0.0
    while done < steps:
        end = segment_end(row, start, done)
        thrust_over(state, row, command, start, end - start, wrench)
        _step(mp, dp, at, nodes, row, state, wrench, jitter, work, end - start, ground, sim, pressed)
        for k in range(3):
            state[p.WHEEL + k] += (end - start) * state[p.WHEEL_TORQUE + k]
        start = end
        if end > (done + 1) * row[p.DT] - 1e-9:
            done += 1
    state[p.TIME] += steps * row[p.DT]
    qpos, qvel = _field(dp, at[QPOS], at[NQ]), _field(dp, at[QVEL], at[NV])
    for k in range(6):
        state[p.COMMAND + k] = command[k]
        state[p.VELOCITY + k] = qvel[k]
    for k in range(7):
        state[k] = qpos[k]


@functools.cache
def _callback() -> Any:
    """Compile `_control_period`, or read it from the kernel cache."""
    return nb.cfunc(nb.void(nb.intp, nb.intp, nb.int32, nb.intp), cache=True)(_control_period)


class MujocoBatch:
    """N worlds of one MuJoCo model with stope's native forces, on the C interface behind `mujoco.batch.Batch`.

    Body 1 of the model, on the model's first joint, a free one, is the robot's base.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        num_worlds: int,
        *,
        num_threads: int,
        nodes: NDArray[np.float64],
        ground: Ground | None = None,
    ) -> None:
        """Make the batch; compiles the callback when no earlier process has.

        Raises:
            StopeError: if MuJoCo cannot allocate the batch.
            LayoutError: if mjData or mjModel is not laid out as declared.
        """
        data = mujoco.MjData(model)
        native.check_offsets(data, _DATA_FIELDS)
        native.check_offsets(model, _MODEL_FIELDS)
        self.model, self.num_worlds = model, num_worlds
        self._library = native.library()
        error = ctypes.create_string_buffer(300)
        config = native.BatchConfig(num_threads, False)
        handle = self._library.mjb_makeBatch(model._address, num_worlds, ctypes.byref(config), error, 300)
        if not handle:
            raise StopeError(f"MuJoCo made no batch of {num_worlds} worlds: {error.value.decode()}")
        self._handle = handle
        self.rows = np.ctypeslib.as_array(
            self._library.mjb_state(handle), (num_worlds, self._library.mjb_nstate(handle))
        )
        self._expanded: dict[str, NDArray[np.float64]] = {}
        self.ground = ground
        self._work = np.zeros((num_worlds, 3 * model.nq + 4 * model.nv + 30 + 6 * model.nbody))
        self._nodes = np.ascontiguousarray(nodes)
        self._layout = self._layout_of(model)
        self._block = np.zeros(NUM_BLOCK, dtype=np.int64)
        start = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_TIME.value)
        self.qpos = self.rows[:, start : start + model.nq]
        self.qvel = self.rows[:, start + model.nq : start + model.nq + model.nv]
        mujoco.mj_getState(model, data, self.rows[0], mujoco.mjtState.mjSTATE_INTEGRATION.value)
        self.rows[:] = self.rows[0]
        self._start = self.rows[0].copy()

    def _layout_of(self, model: mujoco.MjModel) -> NDArray[np.int64]:
        """The layout of a model; keeps the arrays it points at."""
        self._tables = [np.ascontiguousarray(getattr(model, name), dtype=np.int32)
                        for name in ("jnt_type", "jnt_qposadr", "jnt_dofadr", "body_rootid")]  # fmt: skip
        return np.array(
            [model.nq, model.nv, model.nbody, model.njnt, *(native.as_bytes(t) for t in self._tables),
             *(native.function_address(name) for name in _STAGE_FUNCTIONS),
             *(native.field_offset("mjData", name) for name in _DATA_FIELDS),
             *(native.field_offset("mjModel", name) for name in _MODEL_FIELDS)], dtype=np.int64
        )  # fmt: skip

    def close(self) -> None:
        """Free the native batch; a second call does nothing."""
        if self._handle:
            self._library.mjb_deleteBatch(self._handle)
            self._handle = None

    def __del__(self) -> None:
        """Free the native batch with the object."""
        if getattr(self, "_handle", None):
            self.close()

    def restart(self, worlds: NDArray[np.intp]) -> None:
        """Put the listed worlds back to the scene as compiled, the solver's memory included."""
        self.rows[worlds] = self._start

    def _expand(self, name: str) -> NDArray[np.float64]:
        if name not in self._expanded:
            size, element = ctypes.c_int(), ctypes.c_int()
            address = self._library.mjb_expand(self._handle, name.encode(), ctypes.byref(size), ctypes.byref(element))
            assert address and element.value == 8, name
            pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_double))
            self._expanded[name] = np.ctypeslib.as_array(pointer, (self.num_worlds, size.value))
        return self._expanded[name]

    def set_mass_properties(self, plant: NDArray[np.float64], worlds: NDArray[np.intp]) -> None:
        """Give worlds the base's mass, centre of mass and inertia of their plant rows (all six moments)."""
        six = plant[:, p.INERTIA : p.INERTIA + 6]
        tensor = np.empty((len(plant), 3, 3))
        tensor[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]] = six
        tensor[:, [1, 2, 2], [0, 0, 1]] = six[:, 3:]
        moments, axes = np.linalg.eigh(tensor)
        axes[:, :, 0] *= np.linalg.det(axes)[:, None]
        quaternion = np.empty((len(plant), 4))
        for k in range(len(plant)):
            mujoco.mju_mat2Quat(quaternion[k], axes[k].reshape(9))
        self._expand("body_mass")[worlds, 1] = plant[:, p.MASS]
        self._expand("body_ipos")[worlds, 3:6] = plant[:, p.COM : p.COM + 3]
        self._expand("body_inertia")[worlds, 3:6] = moments
        self._expand("body_iquat")[worlds, 4:8] = quaternion
        self._settle(worlds)

    def set_link(
        self, link: str, *, mass: NDArray[np.float64], moments: NDArray[np.float64], worlds: NDArray[np.intp]
    ) -> None:
        """Give a link other than the base its mass (n,) and principal moments (n, 3) in the listed worlds."""
        body = int(self.model.body(link).id)
        self._expand("body_mass")[worlds, body] = mass
        self._expand("body_inertia")[worlds, 3 * body : 3 * body + 3] = moments
        self._settle(worlds)

    def set_geoms(self, prefix: str, values: dict[str, NDArray[np.float64]], worlds: NDArray[np.intp]) -> None:
        """Give fields of the geoms `prefix0`, `prefix1`, ... their values (n, num_geoms, size) in the listed worlds."""
        first = int(self.model.geom(f"{prefix}0").id)
        for name, value in values.items():
            size = value.shape[2]
            columns = slice(size * first, size * (first + value.shape[1]))
            self._expand(name)[worlds, columns] = value.reshape(len(worlds), -1)

    def model_fields(self) -> dict[str, NDArray[np.float64]]:
        """Copies of the model's fields that differ between worlds: masses, links, surfaces, rocks."""
        return {name: values.copy() for name, values in self._expanded.items()}

    def set_model_fields(self, fields: Mapping[str, NDArray[np.float64]]) -> None:
        """Put fields back that `model_fields` gave."""
        for name, values in fields.items():
            self._expand(name)[:] = values
        self._settle(np.arange(self.num_worlds))

    def _settle(self, worlds: NDArray[np.intp]) -> None:
        """Let MuJoCo derive what depends on masses."""
        ids = np.ascontiguousarray(worlds, dtype=np.int32)
        failed = self._library.mjb_setConst(self._handle, ids.ctypes.data, len(ids))
        if failed:
            raise StopeError(f"MuJoCo refused the mass properties of {failed} worlds: {self._first_error()}")

    def step(
        self,
        plant: NDArray[np.float64],
        state: NDArray[np.float64],
        *,
        action: NDArray[np.float64],
        jitter: NDArray[np.float64],
        num_steps: int,
        worlds: NDArray[np.int32] | None = None,
    ) -> None:
        """One control period of every world, or of the listed ones; arrays as in `free_flight.advance_all`."""
        self._block[:] = [num_steps, native.as_bytes(plant), native.as_bytes(state), native.as_bytes(action),
                          native.as_bytes(jitter), native.as_bytes(self._nodes), self._nodes.size,
                          native.as_bytes(self._work), native.as_bytes(self._layout),
                          0 if self.ground is None else native.as_bytes(self.ground.table)]  # fmt: skip
        ids, count = (None, 0) if worlds is None else (worlds.ctypes.data, len(worlds))
        with native.untimed():
            failed = self._library.mjb_apply(self._handle, ids, count, _callback().address, self._block.ctypes.data, 1)
        if failed:
            raise StopeError(f"MuJoCo stopped in {failed} of {self.num_worlds} worlds: {self._first_error()}")

    def _first_error(self) -> str:
        status = np.ctypeslib.as_array(self._library.mjb_status(self._handle), (self.num_worlds,))
        first = int(np.flatnonzero(status)[0]) if status.any() else 0
        return self._library.mjb_error(self._handle, first).decode()
