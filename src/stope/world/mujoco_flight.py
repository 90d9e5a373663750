# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo path: stope's forces native inside every stage of a fourth-order step of any MuJoCo model.

One numba callback per scene is run by `mjb_apply` on the library's own threads, once per control period and world.
It advances the thrusters and takes the physics steps; between them no Python runs. `mj_step1/mj_step2` would silently
fall back to Euler, so the callback composes MuJoCo's own stages (position, velocity, actuation, acceleration,
constraint) with the classical Runge-Kutta weights, quaternions treated as vectors of R^4 as in `free_flight`.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import mujoco
import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import StopeError
from stope.world import native
from stope.world import plant as p
from stope.world.free_flight import apply_command, segment_end, site_acceleration, spin_torque, thrust_over

__all__ = ["MujocoBatch"]

_FIELDS = ("qpos", "qvel", "qacc", "qacc_warmstart", "xfrc_applied", "xipos", "xmat", "cvel", "subtree_com")


def _numbers(array: NDArray[Any]) -> Any:  # noqa: ANN401 -- numba reads a frozen array as a constant
    return np.ascontiguousarray(array)


def build_step(model: mujoco.MjModel) -> Any:  # noqa: ANN401 -- a numba dispatcher
    """Compile `step(mp, dp, nodes, row, state, wrench, jitter, work, dt)`: one RK4 step of `model` with stope's forces.

    Body 1 is the robot's base: it feels thrust, drag, wheels and the residual; every other body feels only the site.
    """
    nq, nv, nbody, njnt = model.nq, model.nv, model.nbody, model.njnt
    kind, qadr, vadr = _numbers(model.jnt_type), _numbers(model.jnt_qposadr), _numbers(model.jnt_dofadr)
    root = _numbers(model.body_rootid)
    mass = _numbers(model.body_mass)
    free, ball = int(mujoco.mjtJoint.mjJNT_FREE), int(mujoco.mjtJoint.mjJNT_BALL)
    o_qpos, o_qvel, o_qacc, o_warm = (native.data_offset(f) for f in ("qpos", "qvel", "qacc", "qacc_warmstart"))
    o_xfrc, o_xipos, o_xmat, o_cvel, o_com = (
        native.data_offset(f) for f in ("xfrc_applied", "xipos", "xmat", "cvel", "subtree_com")
    )
    position, velocity = native.function("mj_fwdPosition"), native.function("mj_fwdVelocity")
    actuation, acceleration = native.function("mj_fwdActuation"), native.function("mj_fwdAcceleration")
    constraint = native.function("mj_fwdConstraint")
    floats, load = native.address_to_floats, native.load_address

    @nb.njit(error_model="numpy")
    def configuration_rate(q, v, out):
        for j in range(njnt):
            a, d = qadr[j], vadr[j]
            if kind[j] == free:
                out[a], out[a + 1], out[a + 2] = v[d], v[d + 1], v[d + 2]
                a, d = a + 3, d + 3
            elif kind[j] != ball:
                out[a] = v[d]
                continue
            w, x, y, z = q[a], q[a + 1], q[a + 2], q[a + 3]
            out[a] = -0.5 * (x * v[d] + y * v[d + 1] + z * v[d + 2])
            out[a + 1] = 0.5 * (w * v[d] + y * v[d + 2] - z * v[d + 1])
            out[a + 2] = 0.5 * (w * v[d + 1] + z * v[d] - x * v[d + 2])
            out[a + 3] = 0.5 * (w * v[d + 2] + x * v[d + 1] - y * v[d])

    @nb.njit(error_model="numpy")
    def forces(dp, nodes, row, state, wrench, jitter, ahead):
        xfrc = nb.carray(floats(load(dp, o_xfrc)), (nbody, 6))
        xipos = nb.carray(floats(load(dp, o_xipos)), (nbody, 3))
        xmat = nb.carray(floats(load(dp, o_xmat)), (nbody, 9))
        cvel = nb.carray(floats(load(dp, o_cvel)), (nbody, 6))
        com = nb.carray(floats(load(dp, o_com)), (nbody, 3))
        for b in range(1, nbody):
            rx, ry, rz = (
                xipos[b, 0] - com[root[b], 0], xipos[b, 1] - com[root[b], 1], xipos[b, 2] - com[root[b], 2])
            ox, oy, oz = cvel[b, 0], cvel[b, 1], cvel[b, 2]
            vx = cvel[b, 3] + oy * rz - oz * ry
            vy = cvel[b, 4] + oz * rx - ox * rz
            vz = cvel[b, 5] + ox * ry - oy * rx
            ax, ay, az = site_acceleration(nodes, row, xipos[b, 0], xipos[b, 1], xipos[b, 2], vx, vy, vz)
            m = row[p.MASS] if b == 1 else mass[b]
            xfrc[b, 0], xfrc[b, 1], xfrc[b, 2] = m * ax, m * ay, m * az
            xfrc[b, 3], xfrc[b, 4], xfrc[b, 5] = 0.0, 0.0, 0.0
            if b == 1:
                base_forces(dp, xfrc, xmat, row, state, wrench, jitter, ahead, vx, vy, vz)

    @nb.njit(error_model="numpy")
    def base_forces(dp, xfrc, xmat, row, state, wrench, jitter, ahead, vx, vy, vz):
        r = xmat[1]
        qvel = nb.carray(floats(load(dp, o_qvel)), (nv,))
        wx, wy, wz = qvel[3], qvel[4], qvel[5]
        m = row[p.MASS]
        fx = r[0] * wrench[0] + r[1] * wrench[1] + r[2] * wrench[2]
        fy = r[3] * wrench[0] + r[4] * wrench[1] + r[5] * wrench[2]
        fz = r[6] * wrench[0] + r[7] * wrench[1] + r[8] * wrench[2]
        xfrc[1, 0] += fx - row[p.DRAG] * vx + m * (row[p.RESIDUAL] + jitter[0])
        xfrc[1, 1] += fy - row[p.DRAG] * vy + m * (row[p.RESIDUAL + 1] + jitter[1])
        xfrc[1, 2] += fz - row[p.DRAG] * vz + m * (row[p.RESIDUAL + 2] + jitter[2])
        sx = r[0] * row[p.SPIN] + r[3] * row[p.SPIN + 1] + r[6] * row[p.SPIN + 2]
        sy = r[1] * row[p.SPIN] + r[4] * row[p.SPIN + 1] + r[7] * row[p.SPIN + 2]
        sz = r[2] * row[p.SPIN] + r[5] * row[p.SPIN + 1] + r[8] * row[p.SPIN + 2]
        gx, gy, gz = state[p.WHEEL_TORQUE], state[p.WHEEL_TORQUE + 1], state[p.WHEEL_TORQUE + 2]
        hx, hy, hz = state[p.WHEEL] + ahead * gx, state[p.WHEEL + 1] + ahead * gy, state[p.WHEEL + 2] + ahead * gz
        tx, ty, tz = spin_torque(row, sx, sy, sz, wx, wy, wz, hx, hy, hz)
        cx, cy, cz = row[p.COM], row[p.COM + 1], row[p.COM + 2]
        tx += wrench[3] - (cy * wrench[2] - cz * wrench[1]) - gx
        ty += wrench[4] - (cz * wrench[0] - cx * wrench[2]) - gy
        tz += wrench[5] - (cx * wrench[1] - cy * wrench[0]) - gz
        xfrc[1, 3] = r[0] * tx + r[1] * ty + r[2] * tz
        xfrc[1, 4] = r[3] * tx + r[4] * ty + r[5] * tz
        xfrc[1, 5] = r[6] * tx + r[7] * ty + r[8] * tz

    @nb.njit(error_model="numpy")
    def evaluate(mp, dp, nodes, row, state, wrench, jitter, ahead):
        position(mp, dp)
        velocity(mp, dp)
        forces(dp, nodes, row, state, wrench, jitter, ahead)
        actuation(mp, dp)
        acceleration(mp, dp)
        constraint(mp, dp)

    @nb.njit(error_model="numpy")
    def step(mp, dp, nodes, row, state, wrench, jitter, work, dt):
        qpos = nb.carray(floats(load(dp, o_qpos)), (nq,))
        qvel = nb.carray(floats(load(dp, o_qvel)), (nv,))
        qacc = nb.carray(floats(load(dp, o_qacc)), (nv,))
        warm = nb.carray(floats(load(dp, o_warm)), (nv,))
        q0, v0 = work[0:nq], work[nq : nq + nv]
        dq, sq, sv = work[nq + nv : 2 * nq + nv], work[2 * nq + nv : 3 * nq + nv], work[3 * nq + nv : 3 * nq + 2 * nv]
        vs = work[3 * nq + 2 * nv : 3 * nq + 3 * nv]
        q0[:], v0[:] = qpos, qvel
        sq[:], sv[:] = 0.0, 0.0
        for stage in range(4):
            ahead = 0.0 if stage == 0 else (dt if stage == 3 else 0.5 * dt)
            vs[:] = qvel
            configuration_rate(qpos, vs, dq)
            at = 0 if stage == 0 else (12 if stage == 3 else 6)
            evaluate(mp, dp, nodes, row, state, wrench[at : at + 6], jitter, ahead)
            if stage == 0:
                warm[:] = qacc
            weight = dt / 6.0 if stage == 0 or stage == 3 else dt / 3.0
            reach = dt if stage == 2 else 0.5 * dt
            for k in range(nq):
                sq[k] += weight * dq[k]
                qpos[k] = q0[k] + (sq[k] if stage == 3 else reach * dq[k])
            for k in range(nv):
                sv[k] += weight * qacc[k]
                qvel[k] = v0[k] + (sv[k] if stage == 3 else reach * qacc[k])
        for j in range(njnt):
            if kind[j] == free or kind[j] == ball:
                a = qadr[j] + (3 if kind[j] == free else 0)
                n = 1.0 / math.sqrt(qpos[a] ** 2 + qpos[a + 1] ** 2 + qpos[a + 2] ** 2 + qpos[a + 3] ** 2)
                for k in range(4):
                    qpos[a + k] *= n

    return step


def build_callback(model: mujoco.MjModel) -> Any:  # noqa: ANN401 -- a numba cfunc
    """Compile the function `mjb_apply` runs: one control period of one world."""
    step, nq, nv = build_step(model), model.nq, model.nv
    size = 3 * (nq + nv) + 24
    o_qpos, o_qvel = native.data_offset("qpos"), native.data_offset("qvel")
    floats, load = native.address_to_floats, native.load_address
    ns, npl = p.NUM_STATE, p.NUM_PLANT

    @nb.cfunc(nb.void(nb.intp, nb.intp, nb.int32, nb.intp))
    def callback(mp, dp, sim, block):  # noqa: ANN001, ANN202 -- numba signature above
        steps = load(block, 0)
        row = nb.carray(floats(load(block, 8) + 8 * npl * sim), (npl,))
        state = nb.carray(floats(load(block, 16) + 8 * ns * sim), (ns,))
        action = nb.carray(floats(load(block, 24) + 48 * sim), (6,))
        jitter = nb.carray(floats(load(block, 32) + 24 * sim), (3,))
        nodes = nb.carray(floats(load(block, 40)), (load(block, 48),))
        work = nb.carray(floats(load(block, 56) + 8 * size * sim), (size,))
        qpos = nb.carray(floats(load(dp, o_qpos)), (nq,))
        qvel = nb.carray(floats(load(dp, o_qvel)), (nv,))
        command, wrench = work[size - 24 : size - 18], work[size - 18 : size]
        apply_command(state, row, command, action)
        done, start = 0, 0.0
        while done < steps:
            end = segment_end(row, start, done)
            thrust_over(state, row, command, start, end - start, wrench)
            step(mp, dp, nodes, row, state, wrench, jitter, work, end - start)
            for k in range(3):
                state[p.WHEEL + k] += (end - start) * state[p.WHEEL_TORQUE + k]
            start = end
            if end > (done + 1) * row[p.DT] - 1e-9:
                done += 1
        state[p.TIME] += steps * row[p.DT]
        for k in range(6):
            state[p.COMMAND + k] = command[k]
            state[p.VELOCITY + k] = qvel[k]
        for k in range(7):
            state[k] = qpos[k]

    return callback, size


class MujocoBatch:
    """N worlds of one MuJoCo model with stope's native forces, on the C interface behind `mujoco.batch.Batch`."""

    def __init__(self, model: mujoco.MjModel, num_worlds: int, *, num_threads: int, nodes: NDArray[np.float64]) -> None:
        """Make the batch; compiles the callback for this model.

        Raises:
            StopeError: if MuJoCo cannot allocate the batch.
            LayoutError: if mjData is not laid out as declared.
        """
        native.check_offsets(mujoco.MjData(model), _FIELDS)
        self.model, self.num_worlds = model, num_worlds
        self._library = native.library()
        self._callback, size = build_callback(model)
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
        self._work = np.zeros((num_worlds, size))
        self._nodes = np.ascontiguousarray(nodes)
        self._block = np.zeros(8, dtype=np.int64)
        start = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_TIME.value)
        self.qpos = self.rows[:, start : start + model.nq]
        self.qvel = self.rows[:, start + model.nq : start + model.nq + model.nv]
        data = mujoco.MjData(model)
        mujoco.mj_getState(model, data, self.rows[0], mujoco.mjtState.mjSTATE_INTEGRATION.value)
        self.rows[:] = self.rows[0]

    def close(self) -> None:
        """Free the native batch; a second call does nothing."""
        if self._handle:
            self._library.mjb_deleteBatch(self._handle)
            self._handle = None

    def __del__(self) -> None:
        """Free the native batch with the object."""
        if getattr(self, "_handle", None):
            self.close()

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
    ) -> None:
        """One control period of every world; plant, state, action and jitter as in `free_flight.advance_all`."""
        self._block[:] = [num_steps, native.as_bytes(plant), native.as_bytes(state), native.as_bytes(action),
                          native.as_bytes(jitter), native.as_bytes(self._nodes), self._nodes.size,
                          native.as_bytes(self._work)]  # fmt: skip
        pointer = ctypes.cast(self._callback.ctypes, ctypes.c_void_p)
        failed = self._library.mjb_apply(self._handle, None, 0, pointer, self._block.ctypes.data, 1)
        if failed:
            raise StopeError(f"MuJoCo stopped in {failed} of {self.num_worlds} worlds: {self._first_error()}")

    def _first_error(self) -> str:
        status = np.ctypeslib.as_array(self._library.mjb_status(self._handle), (self.num_worlds,))
        first = int(np.flatnonzero(status)[0]) if status.any() else 0
        return self._library.mjb_error(self._handle, first).decode()
