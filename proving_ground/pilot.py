# SPDX-License-Identifier: Apache-2.0
"""The pilot: a PD controller that flies from one random pose to the next, with a small dither on all six axes."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation

from proving_ground.dynamics import Pose
from proving_ground.scenario import Scenario


class Pilot:
    """Makes one command per control period from the last measurement; knows only the nominal robot."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator) -> None:
        """Begin with no target; the first call draws one."""
        self.settings, self.nominal, self._rng = scenario.pilot, scenario.nominal, rng
        self._mass = scenario.nominal["mass"] + scenario.pilot["payload_guess"]
        self._inertia = np.array(scenario.nominal["inertia_b"], dtype=float)
        self._limit = np.repeat([scenario.nominal["force_limit"], scenario.nominal["torque_limit"]], 3)
        self._quantum = np.repeat([scenario.nominal["force_quantum"], scenario.nominal["torque_quantum"]], 3)
        self._dither = np.repeat([scenario.pilot["dither_force"], scenario.pilot["dither_torque"]], 3)
        self._sign = np.where(rng.random(6) < 0.5, -1.0, 1.0)
        self._until = 0.0
        self.target_l = np.zeros(3)
        """Wanted position of the base (3,) [m], l."""
        self.target_lb = Rotation.identity()
        """Wanted attitude, b to l."""

    def command(self, time: float, seen: Pose) -> np.ndarray:
        """Force [N] and torque [N m] to command (6,), b: clipped to the limits and rounded to the quanta."""
        if time >= self._until:
            self._draw_target(time)
        self._sign = np.where(self._rng.random(6) < self.settings["dither_flip"], -self._sign, self._sign)
        wanted = np.concatenate(self._steer(seen)) + self._sign * self._dither
        steps = np.round(np.clip(wanted, -self._limit, self._limit) / self._quantum)
        return steps * self._quantum + 0.0  # no negative zero in the file

    def _steer(self, seen: Pose) -> tuple[np.ndarray, np.ndarray]:
        s = self.settings
        velocity_l = _shorten(s["position_gain"] * (self.target_l - seen.position_l), s["speed_limit"])
        force_l = self._mass * s["velocity_gain"] * (velocity_l - seen.velocity_l)
        to_go_b = (seen.attitude_lb.inv() * self.target_lb).as_rotvec()
        rate_b = _shorten(s["angle_gain"] * to_go_b, s["rate_limit"])
        torque_b = self._inertia * s["rate_gain"] * (rate_b - seen.rate_b)
        return seen.attitude_lb.inv().apply(force_l), torque_b

    def _draw_target(self, time: float) -> None:
        s, rng = self.settings, self._rng
        self._until = time + rng.uniform(*s["dwell"])
        self.target_l = s["cube_side"] * (rng.random(3) - 0.5)
        axis = rng.standard_normal(3)
        angle = math.radians(s["turn_limit_deg"]) * rng.random()
        self.target_lb = self.target_lb * Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))


def _shorten(vector: np.ndarray, limit: float) -> np.ndarray:
    """The same direction, no longer than `limit`."""
    length = float(np.linalg.norm(vector))
    return vector if length <= limit else vector * (limit / length)
