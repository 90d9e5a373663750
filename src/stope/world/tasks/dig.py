# SPDX-License-Identifier: Apache-2.0
"""dig: fill both drums without tearing the anchors out or losing the load; unknown soil, buried stones.

The digger stands on its anchors, screwed in before. Success, judged on the truth: 90 % of the capacity in both drums
within the time, three anchors or more still hold, the base has moved less than 5 cm, and less than a tenth of what was
dug has been thrown away. Load and dug mass come out of the height map: what is in a drum is gone from the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_not_negative, check_positive
from stope.base.errors import ConfigError
from stope.world import ground as g
from stope.world.batch import CONTROL_PERIOD
from stope.world.physics import GROUND_PARAMETERS
from stope.world.regolith import drum as d
from stope.world.regolith.prior import ground_prior
from stope.world.robots import load_robot
from stope.world.scene import SceneConfig
from stope.world.tasks.contact_task import Commands, ContactTask
from stope.world.told import believed

if TYPE_CHECKING:
    from stope.world.contact_env import ContactBatch

__all__ = ["DigTask"]

Floats = NDArray[np.float64]
COHESION, DENSITY = ([p.name for p in GROUND_PARAMETERS].index(name) for name in ("cohesion", "bulk_density"))
DRUM_RADIUS = 0.10
"""[m]; that of the digger's file."""
STANDING = 0.30
"""Height of the digger's origin when its pads touch level ground [m]."""
MAX_SPIN, MAX_LOWERING = 0.5, 0.01
"""Drum rate [rad/s] and speed of the arms downward [m/s] of a full action; action 0 holds still. The motors can do
2 rad/s. A drum's rate goes with the square of its action: weak soil stays in the scoops to 0.05 rad/s, which a policy
must be able to tell from twice as much."""
TOP, BOTTOM = 0.05, -0.30
"""Travel of the arms [m]."""
ARM_GAIN, DRUM_GAIN = 400.0, 20.0
"""Gains of the arms [N/m] and drums [N m s/rad]; those of the digger's file, by which its motors know their effort."""
SLOW, FAST = 0.05, 0.5
"""Drum rate of the script, at which the least cohesive soil of the prior (0.01 Pa) stays in the scoops, and the largest
of the tutor [rad/s]; chosen."""
FULL = 0.95
"""Share of the capacity at which the script stops a drum [1]; chosen: the 0.9 that count and what the scale errs."""
TAUGHT_FULL = 1.02
"""The same of the tutor. Chosen: a network is unsure where a drum is to stop, and slows before; the drum that fills
first goes on a little, and spills."""
LOWERING = 0.2
"""Largest share of the arms' speed downward that script and tutor ask for [1]; chosen."""
FULL_PULL = 0.45
"""Load of the anchor nearest to its strength, over it, at which the tutor lowers no more [1]; chosen."""
SURE, SPARE, MOST_HURRY = 0.6, 0.1, 8.0
"""Of the tutor: share of the rate that scoops hold at which it turns a drum, share of the time that it wants left over,
and the most that it hurries by [1]; chosen."""
MOST_SLOWER = 3.0
"""Most that drums are imagined to fill more slowly by [1]; chosen."""
EFFORT, LOADS, FELT, BLOWS, TIME = slice(12, 14), slice(14, 16), slice(16, 20), slice(20, 22), 22
"""Where in an observation the forces of the arms, the loads of the drums, those of the anchors, the blows and the time
are."""
EMPTY_DRUM = 5.0
"""Mass of an empty drum [kg]; that of the digger's file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DigTask(ContactTask):
    """Fill the drums."""

    robot: str = "digger"
    """A robot with two drums and anchors."""
    body: str = "ryugu"
    """Where."""
    latitude_deg: float = 30.0
    """[deg]"""
    height: float = 0.0
    """[m]"""
    time_limit: float = 400.0
    """Length of an episode [s]."""
    num_stones: int = 2
    """Stones buried within reach of the drums."""
    stone_low: float = 0.01
    """Least radius of a stone [m]."""
    stone_high: float = 0.04
    """Largest radius of a stone [m]."""
    physics_step: float = 0.01
    """[s]"""

    action_names = ("arm_front", "arm_rear", "drum_front", "drum_rear")
    observation_names = (
        *(f"up_{k}_b [1]" for k in "xyz"), *(f"velocity_{k}_b [0.01 m/s]" for k in "xyz"), "front arm [m]",
        "rear arm [m]", "front drum [rad/s]", "rear drum [rad/s]", "front drum's torque [N m]",
        "rear drum's torque [N m]", "front arm's force [N]", "rear arm's force [N]",
        "front load [capacity]", "rear load [capacity]", *(f"anchor {k} load [strength]" for k in range(4)),
        "blow of a stone, front [N]", "blow of a stone, rear [N]", "time [limit]",
    )  # fmt: skip
    reward_names = ("filling", "holding", "standing", "keeping")
    reward_weights = (1.0, 0.3, 0.2, 0.2)

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive(self, "time_limit", "stone_low", "stone_high", "physics_step")
        check_not_negative(self, "num_stones")
        if self.stone_low > self.stone_high:
            raise ConfigError(
                f"DigTask.stone_low = {self.stone_low} m: expected at most stone_high = {self.stone_high} m."
            )

    def scene(self) -> SceneConfig:
        """Soil that remembers, and stones."""
        return SceneConfig(physics_step=self.physics_step, has_soil=True, bed_half_width=1.0, bed_spacing=0.04,
                           num_stones=self.num_stones)  # fmt: skip

    def begin(self, batch: ContactBatch, worlds: NDArray[np.intp], rngs: list[np.random.Generator]) -> None:
        """Standing, anchored, drums up and empty."""
        world, ground = batch.world, batch.ground
        world.state[worlds, 2] = STANDING
        world.push_state(worlds)
        world.qpos[worlds, 7], world.qpos[worlds, 9] = TOP, TOP
        ground.ctrl[worlds, :2] = TOP
        tips = np.array([[x, y, -0.02] for x in (0.35, -0.35) for y in (0.35, -0.35)])
        ground.anchor_state[worlds, :, g.PROGRESS] = ground.anchor_state[worlds, :, g.HOLDS] = 1.0
        ground.anchor_state[worlds[:, None], np.arange(4)[None, :], g.POINT : g.POINT + 3] = tips
        for i, rng in zip(worlds, rngs, strict=True):
            for s in range(self.num_stones):
                side = 1.0 if s % 2 == 0 else -1.0
                radius = rng.uniform(self.stone_low, self.stone_high)
                ground.stones[i, s] = (side * 0.55 + rng.uniform(-0.10, 0.10), rng.uniform(-0.15, 0.15),
                                       -rng.uniform(0.05, 0.30), radius)  # fmt: skip
        world.set_link(
            "drum_front", mass=np.full(len(worlds), EMPTY_DRUM), moments=_moments(worlds, 0.0), worlds=worlds
        )
        world.set_link("drum_rear", mass=np.full(len(worlds), EMPTY_DRUM), moments=_moments(worlds, 0.0), worlds=worlds)

    def command(self, batch: ContactBatch, action: Floats) -> Commands:
        """Arms down at a rate, drums turning; the loads are weighed into the links once a second."""
        ids = np.flatnonzero(batch.steps % 5 == 0)
        if len(ids):
            for k, name in enumerate(("drum_front", "drum_rear")):
                load = batch.ground.drum_state[ids, k, d.LOAD]
                batch.world.set_link(name, mass=EMPTY_DRUM + load, moments=_moments(ids, load), worlds=ids)
        batch.ground.drum_state[:, :, d.STRUCK] = 0.0  # blows are those of the step that begins
        joints = batch.ground.ctrl.copy()
        lowered = joints[:, :2] - CONTROL_PERIOD * MAX_LOWERING * action[:, :2]
        # The set point does not run away from an arm that is held up.
        arms = batch.world.qpos[:, [7, 9]]
        joints[:, :2] = np.clip(np.clip(lowered, arms - 0.02, arms + 0.02), BOTTOM, TOP)
        joints[:, 2:] = MAX_SPIN * action[:, 2:] * np.abs(action[:, 2:])
        return Commands(thrust=np.zeros((batch.num_worlds, 6)), joints=joints)

    def observe(self, batch: ContactBatch, rng: np.random.Generator) -> Floats:
        """Arms, drums, what the motors feel, what the anchors feel, and a scale under each drum."""
        pose, q, v = batch.measured(rng), batch.world.qpos, batch.world.qvel
        drums, anchors = batch.ground.drum_state, batch.ground.anchor_state
        spin = v[:, [7, 9]]
        torque = DRUM_GAIN * (batch.ground.ctrl[:, 2:4] - spin)
        effort = ARM_GAIN * (batch.ground.ctrl[:, :2] - q[:, [7, 9]])
        load = self._fill(batch) + 0.02 * rng.standard_normal((batch.num_worlds, 2))
        felt = anchors[:, :, g.LOAD] / np.maximum(anchors[:, :, g.STRENGTH], 1e-9)
        return np.concatenate([
            pose.up_b(), pose.to_b(pose.velocity_l) / 0.01, q[:, [7, 9]], spin, torque, effort, load,
            felt,
            np.tanh(drums[:, :, d.STRUCK]), (batch.time / self.time_limit)[:, None],
        ], axis=1)  # fmt: skip

    def _fill(self, batch: ContactBatch) -> Floats:
        """Volume in each drum over its capacity, (worlds, 2)."""
        made, drums = batch.robot.articulation, batch.ground.drum_state
        assert made is not None
        return drums[:, :, d.LOAD] / (drums[:, :, d.DENSITY] * made.drums["capacity"])

    def _state(self, batch: ContactBatch) -> tuple[Floats, Floats, Floats, Floats]:
        """Least fill, anchors that hold, slip of the base [m], share of the dug mass that was thrown away."""
        drums = batch.ground.drum_state
        fill = self._fill(batch).min(axis=1)
        holds = batch.ground.anchor_state[:, :, g.HOLDS].sum(axis=1)
        slip = np.linalg.norm(batch.truth().position_l - np.array([0.0, 0.0, STANDING]), axis=1)
        thrown = drums[:, :, d.THROWN].sum(axis=1)
        dug = drums[:, :, [d.LOAD, d.SPILT, d.THROWN]].sum(axis=(1, 2))
        return fill, holds, slip, thrown / np.maximum(dug, 1e-9)

    def judge(self, batch: ContactBatch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Full, anchored, in place, load kept. Failure for good: torn loose."""
        fill, holds, slip, thrown = self._state(batch)
        return (fill >= 0.9) & (holds >= 3) & (slip < 0.05) & (thrown < 0.1), (holds < 2) | (slip > 0.5)

    def reward(self, batch: ContactBatch, action: Floats) -> Floats:
        """Fill, hold, stand, keep."""
        fill, holds, slip, thrown = self._state(batch)
        return np.stack([np.clip(fill, 0, 1), holds / 4.0, np.exp(-slip / 0.05), 1.0 - thrown], axis=1)

    def script(self, observation: Floats) -> Floats:
        """Turn the drums against each other, slowly; lower them while neither stone nor anchors complain."""
        return self.fill(observation, np.full(len(observation), SLOW), FULL)

    def fill(self, observation: Floats, rate: Floats, stop: float) -> Floats:
        """Actions that fill the drums at a rate [rad/s], (worlds,), each to a share `stop` of its capacity."""
        felt = observation[:, FELT].max(axis=1)[:, None]
        lower = np.where(felt < 0.25, LOWERING, np.where(felt < 0.45, 0.05, -LOWERING))
        lower = lower * (np.abs(observation[:, EFFORT]) < 6.0)
        return _actions(observation, lower, rate[:, None], stop)

    def tutor(self, observation: Floats, belief: Floats) -> Floats:
        """As fast as scoops surely hold soil of what is believed; faster where a drum would not be full in time.

        Arms go down in proportion to what the anchors have left, within LOWERING, and hold still (7 N) before what
        resists them: of a step, a network that smooths gives neither side. The thresholds are chosen.
        """
        surely, likely = self._held(belief, 2.0), self._held(belief, 0.0)
        calm = np.clip(SURE * surely, SLOW, FAST)[:, None]
        load, time = observation[:, LOADS], observation[:, [TIME]]
        # What is left to fill in what is left of the time, over what was filled in what is gone of it.
        need = (TAUGHT_FULL - load) / np.maximum(1.0 - SPARE - time, 0.02)
        lag = np.clip(need * time / np.maximum(load, 0.02), 1.0, MOST_HURRY)
        # Early on a load is mostly noise.
        hurry = 1.0 + (lag - 1.0) * np.clip((time - 0.15) / 0.15, 0.0, 1.0)
        rate = np.minimum(calm * hurry, np.maximum(calm, np.clip(likely, SLOW, FAST)[:, None]))
        left = FULL_PULL - observation[:, FELT].max(axis=1)[:, None]
        ease = np.clip((7.0 - np.abs(observation[:, EFFORT])) / 2.0, 0.0, 1.0)
        return _actions(observation, np.clip(left, -LOWERING, LOWERING) * ease, rate, TAUGHT_FULL)

    def imagined(self, observation: Floats, rng: np.random.Generator) -> Floats:
        """Half of the worlds as if their drums had filled more slowly: later for the same load.

        Under the trainer's law few drums are late, and a network that has hardly seen it does not hurry under another.
        """
        worlds = observation.shape[1]
        slower = np.where(rng.random(worlds) < 0.5, 1.0, rng.uniform(1.0, MOST_SLOWER, worlds))
        out = observation.copy()
        out[..., TIME] = np.minimum(1.0, observation[..., TIME] * slower)
        return out

    def _held(self, belief: Floats, deviations: float) -> Floats:
        """Drum rate to which scoops hold the soil that is believed [rad/s], (n,).

        Its cohesion so many standard deviations down, and its density half as many up: what is unsure of both at once.
        """
        mean, std = believed(belief, "cohesion")
        thick, spread = believed(belief, "bulk_density")
        z = np.zeros((len(mean), len(GROUND_PARAMETERS)))
        z[:, COHESION], z[:, DENSITY] = mean - deviations * std, thick + 0.5 * deviations * spread
        ground = ground_prior().theta(z)
        keep = ground[:, COHESION] / (ground[:, DENSITY] * _scoop(self.robot))
        return np.sqrt(keep / DRUM_RADIUS)


def _actions(observation: Floats, lower: Floats, rate: Floats, stop: float) -> Floats:
    """Arms down at `lower` (n, 2), drums at `rate` [rad/s] (n, 1 or 2) to a share `stop`; up from stones or if full."""
    full = observation[:, LOADS] > stop
    lower = np.where(observation[:, BLOWS] > 0.8, -0.3, np.where(full, -0.5, lower))
    spin = np.where(full, 0.0, rate)
    return np.clip(np.concatenate([lower, np.sqrt(spin / MAX_SPIN) * np.array([1.0, -1.0])], axis=1), -1.0, 1.0)


@cache
def _scoop(robot: str) -> float:
    """Depth of a robot's scoops [m]."""
    made = load_robot(robot).articulation
    assert made is not None, "a digger has drums"
    return float(made.drums["scoop_height"])


def _moments(worlds: NDArray[np.intp], load: Floats | float) -> Floats:
    """Principal moments of a drum of 10 cm radius and 20 cm width with its load, as homogeneous cylinders, (n, 3)."""
    mass = np.broadcast_to(EMPTY_DRUM + np.asarray(load, dtype=np.float64), (len(worlds),))
    across = mass * (3.0 * 0.1**2 + 0.2**2) / 12.0
    return np.stack([across, across, 0.5 * mass * 0.1**2], axis=1)
