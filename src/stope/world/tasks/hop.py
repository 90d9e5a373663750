# SPDX-License-Identifier: Apache-2.0
"""hop: reach a spot 5 to 50 m away, hop by hop, on soil nobody has met, without leaving the body.

One action is one hop: its direction, relative to where the spot is seen, and its strength. The robot starts at rest on
either face. Success, judged on the truth: it lies still within `tolerance` of the spot, 2 m or a tenth of the first
distance, before the time is up. 2 m is to what a hop can be aimed: it rolls on by metres after it has come down. The
share keeps the time for a far spot from being spent on its last metres: it is sent to a place, not to a stone.

An episode ends with success, when the robot has left, when the time is up, or after `most_hops`. `stope.world.hopping`
drives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_positive
from stope.base.errors import ConfigError
from stope.base.rotation import from_rotation_vector, multiply, rotate_inverse
from stope.world.scene import SceneConfig
from stope.world.tasks.contact_task import Commands, ContactTask
from stope.world.told import believed

if TYPE_CHECKING:
    from stope.world.contact_env import ContactBatch
    from stope.world.hopping import HopBatch
    from stope.world.told import Told

__all__ = ["HopTask"]

Floats = NDArray[np.float64]

STANDING = 0.0349
"""Height of the hull's centre at the start [m]: a tenth of a millimetre deep in the ground; chosen."""
HOP = 10.0
"""Distance that the script tries to cover at once [m]; chosen: within the 15 m of MINERVA-II1."""
GAIN = 70.0
"""Distance of a hop over the square of its strength on soil not yet met [m]; chosen: among the largest of
GAIN_OF_COHESION, because a hop too short costs another one, and a hop too far may leave the spot's surroundings."""
GAIN_OF_COHESION = ((-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5), (27.0, 26.0, 34.0, 51.0, 79.0, 63.0, 58.0))
"""Gain [m] by the whitened cohesion of the soil: medians over 512 first hops of random strength in worlds of the prior
(benchmarks/hop_gain.py)."""
GAIN_SPREAD = 0.25
"""Standard deviation of the logarithm of one hop's gain at a known cohesion [1]; from the same hops."""
GAINS = (20.0, 250.0)
"""Least and largest gain that the script believes [m]; chosen."""
QUANTILES = np.array([-1.28, -0.52, 0.0, 0.52, 1.28])
"""Of a standard normal, at 10, 30, 50, 70 and 90 %."""
GRID_SHARE = 0.95
"""Share of the gravity grid's reach beyond which a robot has left [1]; chosen."""
FLAT = 0.7
"""Cosine of the tilt up to which a hop counts as pushed off from a face [1]; chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HopTask(ContactTask):
    """Reach a spot by hops."""

    robot: str = "hopper"
    """A robot with a torquer or with wheels."""
    body: str = "ryugu"
    """Where."""
    latitude_deg: float = 30.0
    """[deg]"""
    height: float = 0.0
    """[m]"""
    time_limit: float = 21600.0
    """Length of an episode [s]: six hours; chosen."""
    most_hops: int = 24
    """Steps after which an episode ends."""
    wait: float = 1800.0
    """Time that a step without a push takes [s]."""
    near: float = 5.0
    """Least distance of the spot [m]."""
    far: float = 50.0
    """Largest distance of the spot [m]; uniform between."""
    tolerance: float = 2.0
    """Least distance that counts as there [m]."""
    tolerance_share: float = 0.1
    """The same over the first distance [1]; the larger of both counts."""
    grid_half_width: float = 100.0
    """Reach of the gravity grid [m]; a robot further than that has left."""
    grid_nodes: int = 21
    """Of the gravity grid along each axis: 10 m apart; the error is measured in tests/world/test_hop.py."""
    physics_step: float = 0.01
    """Where something may touch [s]."""

    action_names = ("turn from the direction of the spot [pi rad]", "strength [largest push]; 0 or less waits")
    observation_names = (
        "spot east [10 m]", "spot north [10 m]", "first distance [10 m]", *(f"up_{k}_b [1]" for k in "xyz"),
        "last turn [pi rad]", "last strength", "last hop along its heading [10 m]", "last hop to its left [10 m]",
        "cosine of the tilt before the last hop", "hops [most]", "time left [limit]", "at rest",
    )  # fmt: skip
    reward_names = ("near", "arrived")
    reward_weights = (0.1, 1.0)

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive(self, "time_limit", "most_hops", "wait", "near", "far", "tolerance", "grid_half_width",
                       "physics_step")  # fmt: skip
        reach = GRID_SHARE * self.grid_half_width
        if not (self.tolerance < self.near <= self.far < reach and 0.0 <= self.tolerance_share < 1.0):
            raise ConfigError(
                f"HopTask.tolerance, near, far = {self.tolerance}, {self.near}, {self.far} m, grid_half_width = "
                f"{self.grid_half_width} m, tolerance_share = {self.tolerance_share}: expected the first three to rise "
                f"to less than {reach:g} m, beyond which a robot has left, and a share of 0 or more and less than 1."
            )

    def batch(
        self, *, num_worlds: int, seed: int, num_threads: int = 1, told: Told = "drawn", breadth: float = 1.0
    ) -> ContactBatch:
        """Worlds whose step is one hop."""
        from stope.world.hopping import HopBatch  # noqa: PLC0415 -- it imports this file

        return HopBatch(self, num_worlds=num_worlds, seed=seed, num_threads=num_threads, told=told, breadth=breadth)

    def scene(self) -> SceneConfig:
        """Soil, no memory."""
        return SceneConfig(physics_step=self.physics_step, has_soil=True)

    def begin(self, batch: ContactBatch, worlds: NDArray[np.intp], rngs: list[np.random.Generator]) -> None:
        """At rest on either face, turned anyhow; the spot anywhere in the ring."""
        sizes = {"spot": 2, "first": 1, "heading": 2, "last": 2, "moved": 2, "tilt": 1, "from": 2, "seen": 6}
        for name, size in sizes.items():
            batch.record.setdefault(name, np.zeros((batch.num_worlds, size)))
            batch.record[name][worlds] = 0.0
        batch.record["heading"][worlds, 0] = 1.0
        state = batch.world.state
        for i, rng in zip(worlds, rngs, strict=True):
            turn, over = 2.0 * np.pi * rng.random(), np.pi * (rng.random() < 0.5)
            facing = from_rotation_vector(np.array([0.0, 0.0, turn]))
            state[i, 2] = STANDING
            state[i, 3:7] = multiply(facing, from_rotation_vector(np.array([over, 0.0, 0.0])))
            distance, way = rng.uniform(self.near, self.far), 2.0 * np.pi * rng.random()
            batch.record["spot"][i] = distance * np.cos(way), distance * np.sin(way)
            batch.record["first"][i] = distance
        batch.world.push_state(worlds)

    def command(self, batch: ContactBatch, action: Floats) -> Commands:
        """Torques that throw the robot where the action says, by the pose last seen."""
        hops = _checked(batch)
        seen, record = batch.record["seen"], batch.record
        way = np.arctan2(seen[:, 1], seen[:, 0]) + np.pi * action[:, 0]
        record["heading"][:] = np.stack([np.cos(way), np.sin(way)], axis=1)
        record["last"][:] = action
        record["tilt"][:, 0] = rotate_inverse(seen[:, 2:6], np.array([0.0, 0.0, 1.0]))[:, 2]
        record["from"][:] = record["spot"] - seen[:, :2]
        level = np.concatenate([record["heading"], np.zeros((batch.num_worlds, 1))], axis=1)
        momentum = hops.drive.momentum * np.clip(action[:, 1], 0.0, 1.0)
        return Commands(thrust=np.zeros((batch.num_worlds, 6)), joints=hops.drive.push(seen[:, 2:6], level, momentum))

    def observe(self, batch: ContactBatch, rng: np.random.Generator) -> Floats:
        """Place of the spot, attitude, what the last hop was told and what came of it."""
        pose, record = batch.measured(rng), batch.record
        to = record["spot"] - pose.position_l[:, :2]
        record["seen"][:, :2], record["seen"][:, 2:6] = to, pose.q_lb
        new = batch.steps == 0
        moved = np.where(new[:, None], 0.0, pose.position_l[:, :2] - record["from"])
        east, north = record["heading"][:, 0], record["heading"][:, 1]
        along = moved[:, 0] * east + moved[:, 1] * north
        left = moved[:, 1] * east - moved[:, 0] * north
        return np.concatenate([
            to / 10.0, record["first"] / 10.0, pose.up_b(), record["last"],
            np.stack([along, left], axis=1) / 10.0, record["tilt"], (batch.steps / self.most_hops)[:, None],
            (1.0 - batch.time / self.time_limit)[:, None], _checked(batch).resting[:, None].astype(np.float64),
        ], axis=1)  # fmt: skip

    def _distance(self, batch: ContactBatch) -> Floats:
        """From the spot [m], (worlds,)."""
        to = batch.record["spot"] - batch.truth().position_l[:, :2]
        return np.hypot(to[:, 0], to[:, 1])

    def judge(self, batch: ContactBatch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """There and at rest in time; failure for good: gone."""
        hops = _checked(batch)
        tolerance = np.maximum(self.tolerance, self.tolerance_share * batch.record["first"][:, 0])
        there = hops.resting & (self._distance(batch) <= tolerance) & (batch.time <= self.time_limit)
        return there & ~hops.gone, hops.gone.copy()

    def reward(self, batch: ContactBatch, action: Floats) -> Floats:
        """How near, and whether there."""
        near = np.clip(1.0 - self._distance(batch) / batch.record["first"][:, 0], 0.0, 1.0)
        return np.stack([near, self.judge(batch)[0].astype(np.float64)], axis=1)

    def script(self, observation: Floats) -> Floats:
        """Hop at the spot, 10 m at most, with the gain that the last hop from a face has shown."""
        return self._hop(observation, np.log(np.full(len(observation), GAIN)), np.full(len(observation), np.inf))

    def tutor(self, observation: Floats, belief: Floats) -> Floats:
        """The same, with the gain that is believed as well: each counts by what it is sure of."""
        mean, std = believed(belief, "cohesion")
        points = mean[:, None] + std[:, None] * QUANTILES
        gain = np.interp(points, GAIN_OF_COHESION[0], np.log(GAIN_OF_COHESION[1]))
        return self._hop(observation, gain.mean(axis=1), gain.var(axis=1))

    def _hop(self, observation: Floats, log_gain: Floats, variance: Floats) -> Floats:
        """Actions with a gain believed beforehand.

        Args:
            observation: (worlds, num_observations).
            log_gain: Mean of the gain's logarithm [log m], (worlds,).
            variance: Of the same; inf trusts the last hop alone.
        """
        distance = 10.0 * np.linalg.norm(observation[:, 0:2], axis=1)
        strength, covered = observation[:, 7], 10.0 * np.linalg.norm(observation[:, 8:10], axis=1)
        showed = (strength > 0.02) & (np.abs(observation[:, 10]) > FLAT)
        last = np.log(np.clip(covered / np.maximum(strength, 0.02) ** 2, *GAINS))
        # Precisions of what was believed and of what the last hop has shown; both scatter from hop to hop.
        weight = np.where(showed, 1.0 / (1.0 + GAIN_SPREAD**2 / np.maximum(variance, 1e-12)), 0.0)
        gain = np.exp(log_gain + weight * (last - log_gain))
        out = np.zeros((len(observation), 2))
        out[:, 1] = np.sqrt(np.minimum(distance, HOP) / gain)
        # Who still rolls waits. From the rim a hop goes where the hull falls:
        # a weak one, to lie on a face again, and harder each time.
        again = (strength > 0.02) & (np.abs(observation[:, 10]) < FLAT)
        over = np.where(again, np.minimum(2.0 * strength, 0.6), 0.15)
        out[:, 1] = np.where(np.abs(observation[:, 5]) < FLAT, over, out[:, 1])
        out[observation[:, 13] < 0.5, 1] = 0.0
        return np.clip(out, -1.0, 1.0)


def _checked(batch: ContactBatch) -> HopBatch:
    """The batch of hops that drives this task.

    Raises:
        ConfigError: for a batch whose step is a control period.
    """
    from stope.world.hopping import HopBatch  # noqa: PLC0415 -- it imports this file

    if not isinstance(batch, HopBatch):
        raise ConfigError(
            f"HopTask in a {type(batch).__name__}: a step is a whole hop. Use stope.world.hopping.HopBatch."
        )
    return batch
