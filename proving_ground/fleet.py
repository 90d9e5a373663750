# SPDX-License-Identifier: Apache-2.0
"""Many hidden worlds at once: an explicit midpoint scheme in an inertial frame with a step of 5 ms.

Axes are vehicles, components. Frame i is that of `dynamics`: it coincides with l at t = 0. The attitude is advanced by
the exponential of the rate at the middle of a step; the thrust's lag is exact. `dynamics` (adaptive, of eighth order)
is the check on it. The sloshing mass is a point on a damped spring in b, whose own rotation terms are left out (its
amplitude is millimetres).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from proving_ground.dynamics import Vehicle
from proving_ground.hidden import Effects, HiddenWorld
from proving_ground.kernel import NUM_ROW, NUM_STATE, ROW, advance_all
from proving_ground.scenario import Scenario

STEP = 0.005
"""Of the scheme [s]: a tenth of the trainer's."""


def rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors (n, 3) turned by quaternions w, x, y, z (n, 4) of norm 1."""
    t = 2.0 * np.cross(q[:, 1:], v)
    return v + q[:, :1] * t + np.cross(q[:, 1:], t)


def product(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Quaternion product p q, (n, 4)."""
    w = p[:, :1] * q[:, :1] - np.sum(p[:, 1:] * q[:, 1:], axis=1, keepdims=True)
    return np.concatenate([w, p[:, :1] * q[:, 1:] + q[:, :1] * p[:, 1:] + np.cross(p[:, 1:], q[:, 1:])], axis=1)


def exponential(turn: np.ndarray) -> np.ndarray:
    """Quaternions (n, 4) of rotation vectors (n, 3)."""
    half = 0.5 * np.linalg.norm(turn, axis=1, keepdims=True)
    return np.concatenate([np.cos(half), 0.5 * turn * np.sinc(half / np.pi)], axis=1)


def conjugate(q: np.ndarray) -> np.ndarray:
    """The turn back, (n, 4)."""
    return q * np.array([1.0, -1.0, -1.0, -1.0])


class Fleet:
    """Vehicles of several worlds that fly together; what one does never depends on the others."""

    def __init__(
        self, scenario: Scenario, worlds: Sequence[HiddenWorld], starts: np.ndarray, *, flight: Sequence[int],
        num_rows: int,
    ) -> None:  # fmt: skip
        """Put vehicles at their starts.

        Args:
            scenario: Robot and place.
            worlds: One a vehicle; a world may come many times.
            starts: Position, quaternion, velocity, rate as in a reading, (vehicles, 13), l and b.
            flight: Number of each vehicle's flight in its world: picks noise and what is of one flight.
            num_rows: Control periods that will be flown.
        """
        self.scenario, self.place, self.time, self.row = scenario, scenario.place, 0.0, 0
        n = len(worlds)
        vehicles = [w.truth.vehicle(scenario) for w in worlds]
        self.com = np.array([v.com_b for v in vehicles])
        self.gain = np.array([v.gain for v in vehicles])
        self.limit = np.repeat([scenario.nominal["force_limit"], scenario.nominal["torque_limit"]], 3)
        self.quantum = np.repeat([scenario.nominal["force_quantum"], scenario.nominal["torque_quantum"]], 3)
        effects = [w.effects for w in worlds]
        self.coupling = np.array([e.coupling for e in effects])
        self.saturation, self.sag, self.dead_band = (
            np.array([getattr(e, name) for e in effects])[:, None] for name in ("saturation", "sag", "dead_band")
        )
        self._draw(worlds, flight, num_rows)
        self.held, self.used, self.thrust = np.zeros((n, 6)), np.zeros((n, 1)), np.zeros((n, 6))
        spin, centre = self.place.spin_l, self.place.centre_l
        q = starts[:, 3:7] / np.linalg.norm(starts[:, 3:7], axis=1, keepdims=True)
        arm = rotate(q, self.com)
        rate_i = rotate(q, starts[:, 10:13]) + spin
        self.state = np.zeros((n, NUM_STATE))
        self.state[:, 0:3] = starts[:, 0:3] + arm
        self.state[:, 3:6] = starts[:, 7:10] + np.cross(spin, centre + starts[:, 0:3]) + np.cross(rate_i, arm)
        self.state[:, 6:10] = q
        self.state[:, 10:13] = rotate(conjugate(q), rate_i)
        self.rows = self._rows(vehicles, effects, q)
        rate = float(np.linalg.norm(spin))
        self._where = np.concatenate([spin / rate if rate > 0.0 else np.zeros(3), [rate], self.place.attraction_l,
                                      self.place.gradient_l.ravel(), centre])  # fmt: skip
        self.seen = self._reading()

    def _rows(self, vehicles: Sequence[Vehicle], effects: Sequence[Effects], q: np.ndarray) -> np.ndarray:
        """What each vehicle is, for the compiled scheme."""
        rows = np.zeros((len(vehicles), NUM_ROW))
        for k, (v, e) in enumerate(zip(vehicles, effects, strict=True)):
            values = {
                "mass": v.mass, "com": v.com_b, "inertia": v.inertia_b.ravel(),
                "inverse": np.linalg.inv(v.inertia_b).ravel(), "lag": v.lag, "latency": v.latency,
                "slosh_mass": e.slosh_mass, "slosh_rate": 2.0 * np.pi * e.slosh_hz, "slosh_damping": e.slosh_damping,
                "slosh_at": e.slosh_at_b, "hose": self.hose[k], "hose_stiffness": e.hose_stiffness, "swing": e.swing,
                "swing_rate": 2.0 * np.pi / e.swing_period, "swing_phase": self.swing_phase[k],
                "swing_way": self.swing_way[k], "q0": q[k],
            }  # fmt: skip
            for name, (first, num) in ROW.items():
                rows[k, first : first + num] = values[name]
        return rows

    def _draw(self, worlds: Sequence[HiddenWorld], flight: Sequence[int], num_rows: int) -> None:
        """Everything random of each vehicle, from a stream of its own."""
        n = len(worlds)
        s = self.scenario.noise
        self.push = np.array([w.truth.residual_l for w in worlds])
        self.swing_way, self.swing_phase = np.zeros((n, 3)), np.zeros((n, 1))
        self.hose = np.zeros((n, 3))
        self.kick, self.noise = np.zeros((num_rows, n, 3)), np.zeros((num_rows + 1, n, 12))
        self.lost, self.late = np.zeros((num_rows + 1, n), dtype=bool), np.zeros((num_rows + 1, n))
        self.bias = np.zeros((num_rows + 1, n, 3))
        sizes = np.repeat([s["position_sd"], s["velocity_sd"], np.radians(s["attitude_sd_deg"]),
                           np.radians(s["rate_sd_deg"])], 3)  # fmt: skip
        for k, (world, number) in enumerate(zip(worlds, flight, strict=True)):
            rng, e = np.random.Generator(np.random.Philox([world.seed, 2, int(number)])), world.effects
            self.push[k] += e.flight_push * rng.standard_normal(3)
            way = rng.standard_normal(3)
            self.swing_way[k], self.swing_phase[k] = way / np.linalg.norm(way), 2.0 * np.pi * rng.random()
            self.hose[k] = e.hose_torque * rng.standard_normal(3)
            self.kick[:, k] = s["acceleration_rms"] * rng.standard_normal((num_rows, 3))
            self.noise[:, k] = sizes * rng.standard_normal((num_rows + 1, 12))
            self.lost[:, k] = rng.random(num_rows + 1) < e.packet_loss
            self.late[:, k] = e.clock_jitter * rng.standard_normal(num_rows + 1)
            steps = e.gyro_drift * np.sqrt(self.scenario.control_period) * rng.standard_normal((num_rows + 1, 3))
            self.bias[:, k] = e.gyro_bias * rng.standard_normal(3) + np.cumsum(steps, axis=0)
        self.lost[0] = False

    def advance(self, command: np.ndarray) -> np.ndarray:
        """One control period under commands (vehicles, 6) [N, N m], b; returns them as the thrusters took them."""
        if command.shape != self.held.shape or not np.isfinite(command).all():
            raise ValueError(f"commands of shape {command.shape}: expected finite {self.held.shape}.")
        taken = np.round(np.clip(command, -self.limit, self.limit) / self.quantum) * self.quantum + 0.0
        period = self.scenario.control_period
        advance_all(self.rows, self._where, self.time, self.state, self.thrust, self._aims(self.held),
                    self._aims(taken), self.push + self.kick[self.row], STEP, round(period / STEP))  # fmt: skip
        self.time += period
        self.used += period * np.abs(taken[:, :3]).sum(axis=1, keepdims=True)
        self.held, self.row = taken, self.row + 1
        fresh = self._reading()
        self.seen = np.where(self.lost[self.row][:, None], self.seen, fresh)
        return taken

    def _aims(self, command: np.ndarray) -> np.ndarray:
        """Wrench that the lagged thrust tends to under a command, (vehicles, 6)."""
        share = command / self.limit
        curved = command * (1.0 - self.saturation * share**2) * (np.abs(share) >= self.dead_band)
        mixed = curved + np.einsum("nij,nj->ni", self.coupling, curved)
        return self.gain * mixed * (1.0 - self.sag * self.used / 100.0)

    def true(self) -> np.ndarray:
        """Position, quaternion, velocity in l and rate in b of the base, (vehicles, 13)."""
        place = self.place
        turn = place.rotation_il(self.time)
        back = Rotation.as_quat(turn.inv(), scalar_first=True)
        q, w = self.state[:, 6:10], self.state[:, 10:13]
        arm = rotate(q, self.com)
        base = self.state[:, 0:3] - arm
        velocity = self.state[:, 3:6] - np.cross(rotate(q, w), arm)
        from_centre = base + place.centre_l
        spin_b = rotate(conjugate(q), np.broadcast_to(place.spin_l, arm.shape))
        # Turned one by one: a matrix product rounds differently for another number of vehicles.
        backs = np.broadcast_to(back, q.shape)
        position, moving = base - place.origin_i(self.time), velocity - np.cross(place.spin_l, from_centre)
        return np.concatenate([rotate(backs, position), product(backs, q), rotate(backs, moving), w - spin_b], axis=1)

    def _reading(self) -> np.ndarray:
        pose, noise, late = self.true(), self.noise[self.row], self.late[self.row][:, None]
        q = product(pose[:, 3:7], exponential(noise[:, 6:9] + late * pose[:, 10:13]))
        return np.concatenate([pose[:, :3] + noise[:, :3] + late * pose[:, 7:10], q, pose[:, 7:10] + noise[:, 3:6],
                               pose[:, 10:13] + noise[:, 9:12] + self.bias[self.row]], axis=1)  # fmt: skip
