# SPDX-License-Identifier: Apache-2.0
"""Allocation: from wanted accelerations to shares of the thrusters' limits, under the mean of a belief.

A wanted linear and angular acceleration becomes force and torque with the believed mass, inertia, centre of mass and
thrust gains; the believed residual acceleration is fed forward, and the torque that the force makes about the believed
centre of mass is taken back. A sharper belief therefore flies better without any weight being changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from stope.world.physics import NUM_PARAMETERS, PARAMETERS, index_of, mass_properties
from stope.world.robots import Robot

__all__ = ["Allocation"]

Floats = NDArray[np.float64]

_KIND = np.array([{"linear": 0, "log": 1, "uniform": 2}[q.transform] for q in PARAMETERS])
_MASS, _COM, _DIAGONAL, _SKEW = (index_of(k) for k in ("mass", "com_x", "inertia_d1", "inertia_s12"))
_GAIN, _PAYLOAD, _RESIDUAL = (index_of(k) for k in ("gain_fx", "payload", "residual_x"))


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """The numbers of a robot that turn accelerations into thruster shares."""

    centre: Floats
    """Of the prior, (num_parameters,)."""
    spread: Floats
    """Of the prior, (num_parameters,)."""
    limit: Floats
    """Command limits [N, N m], (6,)."""
    mount: Floats
    """Payload mount [m], b, (3,), and payload radius [m], together (4,)."""
    authority: Floats
    """Acceleration that an output of 1 asks for [m/s2, rad/s2], (6,)."""

    @classmethod
    def of(cls, robot: Robot) -> Allocation:
        """For a robot; an output of 1 asks for what the limits give at the prior's median."""
        prior = robot.prior
        mass, _, inertia = mass_properties(prior.theta(np.zeros(NUM_PARAMETERS)),
                                           payload_mount_b=robot.payload_mount_b,
                                           payload_radius=robot.payload_radius)  # fmt: skip
        authority = robot.limit_b / np.concatenate([np.full(3, float(mass)), np.diag(inertia)])
        mount = np.append(robot.payload_mount_b, robot.payload_radius)
        return cls(prior.centre.copy(), prior.spread.copy(), robot.limit_b.copy(), mount, authority)

    def shares(self, wanted: NDArray[np.float32], z: Floats, residual_b: Floats) -> NDArray[np.float32]:
        """Shares of the limits in [-1, 1].

        Args:
            wanted: Accelerations in units of `authority`, clipped to [-1, 1], (worlds, 6).
            z: Mean of each world's belief, (worlds, num_parameters).
            residual_b: Believed residual acceleration, whitened, turned to b, (worlds, 3).

        Returns:
            Force and torque shares, (worlds, 6).
        """
        out = np.empty((len(wanted), 6), dtype=np.float32)
        _shares(wanted, np.ascontiguousarray(z, dtype=np.float64), np.ascontiguousarray(residual_b, dtype=np.float64),
                self.centre, self.spread, self.limit, self.mount, self.authority, out)  # fmt: skip
        return out


@nb.njit(error_model="numpy")
def _value(z, k, centre, spread):
    if _KIND[k] == 0:
        return centre[k] + spread[k] * z[k]
    if _KIND[k] == 1:
        return centre[k] * math.exp(spread[k] * z[k])
    return centre[k] + spread[k] * math.erf(z[k] / math.sqrt(2.0))


@nb.njit(cache=True, error_model="numpy")
def _shares(wanted, zs, residuals, centre, spread, limit, mount, authority, out):  # noqa: C901 -- loops over axes
    second, com, force, total = np.empty((3, 3)), np.empty(3), np.empty(3), np.empty((3, 3))
    upper, accel = np.zeros((3, 3)), np.empty(6)
    for i in range(wanted.shape[0]):
        z = zs[i]
        mass, payload = _value(z, _MASS, centre, spread), _value(z, _PAYLOAD, centre, spread)
        for k in range(3):
            upper[k, k] = math.exp(_value(z, _DIAGONAL + k, centre, spread))
        upper[0, 1], upper[0, 2] = _value(z, _SKEW, centre, spread), _value(z, _SKEW + 1, centre, spread)
        upper[1, 2] = _value(z, _SKEW + 2, centre, spread)
        both = mass + payload
        for a in range(3):
            for b in range(3):
                s = 0.0
                for k in range(3):
                    s += upper[a, k] * upper[b, k]
                ca, cb = _value(z, _COM + a, centre, spread), _value(z, _COM + b, centre, spread)
                second[a, b] = mass * s + mass * payload / both * (mount[a] - ca) * (mount[b] - cb)
            second[a, a] += payload * mount[3] ** 2 / 5.0
        trace = second[0, 0] + second[1, 1] + second[2, 2]
        for a in range(3):
            c = _value(z, _COM + a, centre, spread)
            com[a] = c + payload / both * (mount[a] - c)
            for b in range(3):
                total[a, b] = (trace if a == b else 0.0) - second[a, b]
        for k in range(6):
            accel[k] = min(1.0, max(-1.0, float(wanted[i, k]))) * authority[k]
        for k in range(3):
            needed = accel[k] - spread[_RESIDUAL + k] * residuals[i, k]
            gain = _value(z, _GAIN + k, centre, spread)
            share = min(1.0, max(-1.0, both * needed / gain / limit[k]))
            out[i, k] = share
            force[k] = share * limit[k] * gain
        for k in range(3):
            a, b = (k + 1) % 3, (k + 2) % 3
            torque = com[a] * force[b] - com[b] * force[a]
            for c in range(3):
                torque += total[k, c] * accel[3 + c]
            gain = _value(z, _GAIN + 3 + k, centre, spread)
            out[i, 3 + k] = min(1.0, max(-1.0, torque / gain / limit[3 + k]))
