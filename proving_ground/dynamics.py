# SPDX-License-Identifier: Apache-2.0
"""One rigid body with thrusters near a spinning body, integrated in an inertial frame.

Frame i is inertial and coincides with the local frame l at t = 0; frame l turns with the asteroid. The state is held at
the centre of mass in i, so no Coriolis or centrifugal term appears in the equations: they come out when the motion is
expressed in l. The scheme is DOP853 of scipy (Hairer, Norsett and Wanner, Solving ODE I, 1993), adaptive.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.integrate import DOP853
from scipy.spatial.transform import Rotation

RTOL = 1e-10
"""Relative tolerance of one step (chosen: noise of a measurement is 1e-3)."""
ATOL = 1e-12
"""Absolute tolerance of one step [m, m/s, 1, rad/s, N, N m] (chosen)."""
NUM_STATE = 19
"""Position 3, velocity 3, quaternion 4, rate 3, force 3, torque 3."""


@dataclass(frozen=True, kw_only=True)
class Vehicle:
    """A rigid body whose thrusters act at the origin of b."""

    mass: float
    """Total [kg]."""
    com_b: np.ndarray
    """Centre of mass (3,) [m], b."""
    inertia_b: np.ndarray
    """About the centre of mass (3, 3) [kg m2], b."""
    gain: np.ndarray
    """True over commanded force and torque (6,) [1]."""
    lag: float
    """Time constant of the thrust [s]."""
    latency: float
    """From command to actuator [s]."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Gravity and spin at a site; attraction is taken linear in position, in l axes."""

    gravity_l: np.ndarray
    """Effective gravity at the origin of l (3,) [m/s2], l: attraction plus centrifugal acceleration."""
    spin_l: np.ndarray
    """Spin of l (3,) [rad/s], l; the same components in i."""
    centre_l: np.ndarray
    """From the asteroid's centre to the origin of l (3,) [m], l."""
    gradient_l: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))
    """Change of attraction with position (3, 3) [1/s2], l; row k is the gradient of component k."""

    @property
    def attraction_l(self) -> np.ndarray:
        """Attraction (3,) [m/s2], l: the effective gravity without its centrifugal part."""
        return self.gravity_l + np.cross(self.spin_l, np.cross(self.spin_l, self.centre_l))

    def rotation_il(self, time: float) -> Rotation:
        """Rotation that takes components in l to components in i, `time` seconds after they coincided."""
        return Rotation.from_rotvec(self.spin_l * time)

    def origin_i(self, time: float) -> np.ndarray:
        """Where the origin of l is (3,) [m], i."""
        return self.rotation_il(time).apply(self.centre_l) - self.centre_l


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the base is and how it moves, relative to l."""

    position_l: np.ndarray
    """Origin of b (3,) [m], l."""
    attitude_lb: Rotation
    """Takes components in b to components in l."""
    velocity_l: np.ndarray
    """Of the origin of b relative to l (3,) [m/s], l."""
    rate_b: np.ndarray
    """Angular rate relative to l (3,) [rad/s], b."""


class Motion:
    """The state of one vehicle, carried forward in time."""

    def __init__(self, vehicle: Vehicle, place: Place, start: Pose) -> None:
        """Begin at t = 0 at `start`, with no thrust."""
        self.vehicle, self.place, self.time = vehicle, place, 0.0
        arm_l = start.attitude_lb.apply(vehicle.com_b)
        rate_i = start.attitude_lb.apply(start.rate_b) + place.spin_l
        velocity_i = start.velocity_l + np.cross(place.spin_l, place.centre_l + start.position_l)
        self.state = np.zeros(NUM_STATE)
        self.state[0:3] = start.position_l + arm_l
        self.state[3:6] = velocity_i + np.cross(rate_i, arm_l)
        self.state[6:10] = start.attitude_lb.as_quat(scalar_first=True)
        self.state[10:13] = start.attitude_lb.inv().apply(rate_i)
        self._step = 0.01  # first trial step [s]; the scheme corrects it

    def advance(self, end: float, *, target: np.ndarray, push_l: np.ndarray) -> None:
        """Carry the state to a later time under a constant target wrench.

        Args:
            end: Time to reach [s].
            target: Force [N] and torque [N m] that the lagged thrust tends to (6,), b.
            push_l: Constant acceleration besides gravity (3,) [m/s2], l.
        """
        if end <= self.time:
            return
        rates = _equations(self.vehicle, self.place, target=target, push_l=push_l)
        first = min(self._step, end - self.time)
        solver = DOP853(rates, self.time, self.state, end, rtol=RTOL, atol=ATOL, first_step=first)
        while solver.status == "running":
            problem = solver.step()
            if solver.status == "failed":
                raise RuntimeError(f"integration stopped at t = {solver.t:.6f} s: {problem}")
            if solver.status == "running":
                self._step = solver.h_abs  # the last step is cut short by `end` and says nothing
        self.state, self.time = solver.y, end
        self.state[6:10] /= np.linalg.norm(self.state[6:10])

    def pose(self) -> Pose:
        """The motion of the base relative to l, now."""
        to_l = self.place.rotation_il(self.time).inv()
        attitude_ib = Rotation.from_quat(self.state[6:10], scalar_first=True)
        rate_i = attitude_ib.apply(self.state[10:13])
        arm_i = attitude_ib.apply(self.vehicle.com_b)
        base_i = self.state[0:3] - arm_i
        base_velocity_i = self.state[3:6] - np.cross(rate_i, arm_i)
        from_centre_i = base_i + self.place.centre_l
        return Pose(
            position_l=to_l.apply(base_i - self.place.origin_i(self.time)),
            attitude_lb=to_l * attitude_ib,
            velocity_l=to_l.apply(base_velocity_i - np.cross(self.place.spin_l, from_centre_i)),
            rate_b=self.state[10:13] - attitude_ib.inv().apply(self.place.spin_l),
        )


def _equations(
    vehicle: Vehicle, place: Place, *, target: np.ndarray, push_l: np.ndarray
) -> Callable[[float, np.ndarray], list[float]]:
    """Time derivative of the state in i, in plain floats: numpy on three numbers is ten times slower.

    Newton for the centre of mass; Euler's equations about it with the torque tau - com x F of a force at the origin of
    b; q' = q (0, w) / 2; thrust' = (target - thrust) / lag.
    """
    inverse_mass, inverse_lag = 1.0 / vehicle.mass, 1.0 / vehicle.lag
    cx, cy, cz = vehicle.com_b.tolist()
    (ixx, ixy, ixz), (_, iyy, iyz), (_, _, izz) = vehicle.inertia_b.tolist()
    (jxx, jxy, jxz), (_, jyy, jyz), (_, _, jzz) = np.linalg.inv(vehicle.inertia_b).tolist()
    aims = target.tolist()
    spin = float(np.linalg.norm(place.spin_l))
    nx, ny, nz = (place.spin_l / spin if spin > 0.0 else np.zeros(3)).tolist()
    ax, ay, az = (place.attraction_l + push_l).tolist()
    bx, by, bz = place.centre_l.tolist()
    (dxx, dxy, dxz), (dyx, dyy, dyz), (dzx, dzy, dzz) = place.gradient_l.tolist()

    def rates(time: float, state: np.ndarray) -> list[float]:
        x, y, z, ux, uy, uz, qw, qx, qy, qz, wx, wy, wz, fx, fy, fz, tx, ty, tz = state.tolist()
        # From i to l and back: v cos + (n x v) sin + n (n . v) (1 - cos), by the angle of the spin.
        cos, sin = math.cos(spin * time), math.sin(spin * time)
        x, y, z = x + bx, y + by, z + bz
        m = (1.0 - cos) * (nx * x + ny * y + nz * z)
        x, y, z = (
            x * cos - (ny * z - nz * y) * sin + nx * m - bx,
            y * cos - (nz * x - nx * z) * sin + ny * m - by,
            z * cos - (nx * y - ny * x) * sin + nz * m - bz,
        )
        lx, ly, lz = (
            ax + dxx * x + dxy * y + dxz * z,
            ay + dyx * x + dyy * y + dyz * z,
            az + dzx * x + dzy * y + dzz * z,
        )
        m = (1.0 - cos) * (nx * lx + ny * ly + nz * lz)
        px = lx * cos + (ny * lz - nz * ly) * sin + nx * m
        py = ly * cos + (nz * lx - nx * lz) * sin + ny * m
        pz = lz * cos + (nx * ly - ny * lx) * sin + nz * m
        # Force to i: f + 2 w (r x f) + 2 r x (r x f), for a quaternion of any norm.
        n = 2.0 / (qw * qw + qx * qx + qy * qy + qz * qz)
        kx, ky, kz = n * (qy * fz - qz * fy), n * (qz * fx - qx * fz), n * (qx * fy - qy * fx)
        gx = fx + qw * kx + qy * kz - qz * ky
        gy = fy + qw * ky + qz * kx - qx * kz
        gz = fz + qw * kz + qx * ky - qy * kx
        hx, hy, hz = ixx * wx + ixy * wy + ixz * wz, ixy * wx + iyy * wy + iyz * wz, ixz * wx + iyz * wy + izz * wz
        mx = tx - (cy * fz - cz * fy) - (wy * hz - wz * hy)
        my = ty - (cz * fx - cx * fz) - (wz * hx - wx * hz)
        mz = tz - (cx * fy - cy * fx) - (wx * hy - wy * hx)
        return [
            ux,
            uy,
            uz,
            gx * inverse_mass + px,
            gy * inverse_mass + py,
            gz * inverse_mass + pz,
            -0.5 * (qx * wx + qy * wy + qz * wz),
            0.5 * (qw * wx + qy * wz - qz * wy),
            0.5 * (qw * wy + qz * wx - qx * wz),
            0.5 * (qw * wz + qx * wy - qy * wx),
            jxx * mx + jxy * my + jxz * mz,
            jxy * mx + jyy * my + jyz * mz,
            jxz * mx + jyz * my + jzz * mz,
            (aims[0] - fx) * inverse_lag,
            (aims[1] - fy) * inverse_lag,
            (aims[2] - fz) * inverse_lag,
            (aims[3] - tx) * inverse_lag,
            (aims[4] - ty) * inverse_lag,
            (aims[5] - tz) * inverse_lag,
        ]

    return rates
