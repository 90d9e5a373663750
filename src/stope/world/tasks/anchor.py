# SPDX-License-Identifier: Apache-2.0
"""anchor: land at up to 10 cm/s on unknown soil, engage the anchors, then hold a pull with the thrusters shut.

The lander starts 1 to 3 m up, tilted, drifting down. From `push_start` on the thrusters are shut whatever the policy
says, and a tool pulls on the base, upward within 60 degrees, harder than the lander weighs. Success, judged on the
truth when the time is up: two anchors or more hold, the base has moved less than 3 cm since the pull began and is
tilted less than 15 degrees more than then.

The pull is 10 to 50 mN: five times a lander's weight on Ryugu and what screws in soil of 1 Pa can give; newtons, as on
Earth, would tear them out of anything but cemented ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_not_negative, check_positive
from stope.base.errors import ConfigError
from stope.base.rotation import from_rotation_vector
from stope.world import ground as g
from stope.world.batch import CONTROL_PERIOD
from stope.world.scene import SceneConfig
from stope.world.tasks.contact_task import Commands, ContactTask

if TYPE_CHECKING:
    from stope.world.contact_env import ContactBatch

__all__ = ["AnchorTask"]

Floats = NDArray[np.float64]
RETRIES = ((0.40, 0.45), (0.60, 0.65))
"""Shares of the time limit in which a lander whose anchors have not bitten lifts off again; chosen: it stands by then,
and a move of half a metre leaves time to land and drill once more."""
TOUCH, FALL = 0.012, 0.03
"""Speed at which a lander meets soil, and at which its tutor has it come down on what may be rock [m/s]; chosen."""
ROCK = 0.04
"""A lander that rests higher than this over level ground is on a rock [m]; chosen: four times the altimeter's noise."""
RESTS = -0.012
"""Vertical speed above which a lander rests on something [m/s]; chosen: six times the noise, two fifths of `FALL`."""
SIDEWAYS = 0.02
"""Speed sideways from which a lander hops [m/s]; chosen: ten times the noise."""
HOP_CLIMB, HOP_SIDE, HOP_SINK = 0.05, 0.06, 0.04
"""Speeds of a hop up, sideways and down again [m/s]; chosen: half a metre and more, beyond the largest rock's edge, in
under twenty seconds, and no speed near that of a lander that rests, for a network mixes what lies close together."""
HOP_TOP, HOP_END = 0.25, 0.05
"""Heights at which a hop turns down, and at which it is over [m]; chosen: just over what counts as a rock."""
HOP_LAST = 0.65
"""Share of the time limit after which no lander hops any more; chosen: it stands again, and drills, before the pull."""
STANDING = 0.46
"""Height of the lander's origin when its feet touch level ground [m]."""


def _level(up: Floats) -> Floats:
    """The x axis of the robot made level, given the way up in robot axes, both (worlds, 3)."""
    return np.asarray(np.array([1.0, 0.0, 0.0]) - up[:, :1] * up, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class AnchorTask(ContactTask):
    """Land, engage, hold."""

    robot: str = "lander"
    """A robot with anchors."""
    body: str = "ryugu"
    """Where."""
    latitude_deg: float = 30.0
    """[deg]"""
    height: float = 0.0
    """[m]"""
    time_limit: float = 120.0
    """Length of an episode [s]."""
    push_start: float = 100.0
    """When the thrusters are shut and the pull begins [s]; it lasts to the end."""
    push_low: float = 0.010
    """Least pull [N]."""
    push_high: float = 0.050
    """Largest pull [N]; log-uniform."""
    descent: float = 0.10
    """Largest speed downward at the start [m/s]."""
    num_rocks: int = 8
    """Most rocks at the landing spot; how many there are follows the ground's share of boulders."""
    physics_step: float = 0.01
    """[s]"""

    action_names = (*(f"force_{k}_b" for k in "xyz"), *(f"torque_{k}_b" for k in "xyz"), "drill")
    observation_names = (
        *(f"up_{k}_b [1]" for k in "xyz"), *(f"velocity_{k}_b [0.05 m/s]" for k in "xyz"),
        *(f"rate_{k}_b [0.05 rad/s]" for k in "xyz"), "height of the feet over level ground [m], tanh 3 h",
        "time [limit]", "pull has begun", *(f"foot {k} touches" for k in range(3)),
        *(f"anchor {k} progress" for k in range(3)), *(f"anchor {k} holds" for k in range(3)),
    )  # fmt: skip
    reward_names = ("upright", "slow", "low", "engaged", "quiet", "held")
    reward_weights = (0.1, 0.2, 0.2, 0.6, 0.1, 1.0)

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_not_negative(self, "num_rocks")
        check_positive(self, "time_limit", "push_start", "push_low", "push_high", "descent", "physics_step")
        if not (self.push_start < self.time_limit and self.push_low <= self.push_high):
            raise ConfigError(
                f"AnchorTask.push_start = {self.push_start} s, push_low = {self.push_low} N: expected less than "
                f"time_limit = {self.time_limit} s and at most push_high = {self.push_high} N."
            )

    def scene(self) -> SceneConfig:
        """Soil, and rocks by the ground's share of boulders."""
        return SceneConfig(physics_step=self.physics_step, has_soil=True, num_rocks=self.num_rocks)

    def begin(self, batch: ContactBatch, worlds: NDArray[np.intp], rngs: list[np.random.Generator]) -> None:
        """1 to 3 m up, tilted up to 30 degrees, slow, descending."""
        for name, size in (("push", 6), ("start", 4)):
            batch.record.setdefault(name, np.zeros((batch.num_worlds, size)))
        batch.record["start"][worlds] = 0.0
        state = batch.world.state
        for i, rng in zip(worlds, rngs, strict=True):
            tilt, way = np.radians(30.0) * np.sqrt(rng.random()), 2.0 * np.pi * rng.random()
            state[i, 2] = STANDING + rng.uniform(1.0, 3.0)
            state[i, 3:7] = from_rotation_vector(tilt * np.array([np.cos(way), np.sin(way), 0.0]))
            state[i, 7:9] = rng.uniform(-0.03, 0.03, 2)
            state[i, 9] = -rng.uniform(0.0, self.descent)
            state[i, 10:13] = np.radians(rng.uniform(-3.0, 3.0, 3))
            size = self.push_low * (self.push_high / self.push_low) ** rng.random()
            lean, side = np.radians(60.0) * np.sqrt(rng.random()), 2.0 * np.pi * rng.random()
            batch.record["push"][i, :3] = size * np.array(
                [np.sin(lean) * np.cos(side), np.sin(lean) * np.sin(side), np.cos(lean)]
            )
        batch.world.push_state(worlds)

    def command(self, batch: ContactBatch, action: Floats) -> Commands:
        """Thrust until the pull begins; drill where asked."""
        late = batch.time >= self.push_start - 1e-9
        start = batch.record["start"]
        new = late & (batch.time < self.push_start + CONTROL_PERIOD - 1e-9)
        pose = batch.truth()
        start[new, :3], start[new, 3] = pose.position_l[new], pose.up_b()[new, 2]
        return Commands(
            thrust=np.where(late[:, None], 0.0, action[:, :6]), anchors=np.repeat(action[:, 6:7], 3, axis=1),
            push=np.where(late[:, None], batch.record["push"], 0.0),
        )  # fmt: skip

    def _feet(self, batch: ContactBatch) -> Floats:
        """Whether each foot touches, (worlds, 3)."""
        bodies = batch.ground.elements[:, g.BODY].astype(int)
        stiff = batch.ground.held[:, :, 3] > 0.0
        return np.stack([stiff[:, bodies == b].any(axis=1) for b in np.unique(bodies)], axis=1).astype(np.float64)

    def observe(self, batch: ContactBatch, rng: np.random.Generator) -> Floats:
        """Attitude, velocities, altimeter, touch switches, anchors."""
        pose = batch.measured(rng)
        anchors = batch.ground.anchor_state
        height = pose.position_l[:, 2] - STANDING
        late = (batch.time >= self.push_start - 1e-9).astype(np.float64)
        return np.concatenate([
            pose.up_b(), pose.to_b(pose.velocity_l) / 0.05, pose.rate_b / 0.05, np.tanh(3.0 * height)[:, None],
            (batch.time / self.time_limit)[:, None], late[:, None], self._feet(batch), anchors[:, :, g.PROGRESS],
            anchors[:, :, g.HOLDS],
        ], axis=1)  # fmt: skip

    def _slip_and_tilt(self, batch: ContactBatch) -> tuple[Floats, Floats]:
        pose, start = batch.truth(), batch.record["start"]
        slip = np.linalg.norm(pose.position_l - start[:, :3], axis=1)
        tilt = np.arccos(np.clip(pose.up_b()[:, 2], -1, 1)) - np.arccos(np.clip(start[:, 3], -1, 1))
        return slip, tilt

    def judge(self, batch: ContactBatch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """At the end: anchors, slip, tilt. Failure for good: gone."""
        slip, tilt = self._slip_and_tilt(batch)
        holds = batch.ground.anchor_state[:, :, g.HOLDS].sum(axis=1)
        at_end = batch.steps >= batch.max_episode_steps
        gone = batch.truth().position_l[:, 2] > 8.0
        return at_end & (holds >= 2) & (slip < 0.03) & (tilt < np.radians(15.0)), gone

    def reward(self, batch: ContactBatch, action: Floats) -> Floats:
        """Dense terms, then the pull."""
        pose = batch.truth()
        holds = batch.ground.anchor_state[:, :, g.HOLDS].mean(axis=1)
        progress = batch.ground.anchor_state[:, :, g.PROGRESS].mean(axis=1)
        speed = np.linalg.norm(pose.velocity_l, axis=1)
        slip, _ = self._slip_and_tilt(batch)
        late = batch.time >= self.push_start + CONTROL_PERIOD - 1e-9  # a pull that began has a start to slip from
        return np.stack([
            np.clip(pose.up_b()[:, 2], 0.0, 1.0), np.exp(-((speed / 0.05) ** 2)),
            np.exp(-np.abs(pose.position_l[:, 2] - STANDING)), 0.5 * (holds + progress),
            1.0 - np.abs(action[:, :6]).mean(axis=1), late * holds * np.exp(-slip / 0.03),
        ], axis=1)  # fmt: skip

    def script(self, observation: Floats) -> Floats:
        """Land and drill; where no anchor has bitten, as on rock, lift off and do it again half a metre away."""
        up = observation[:, 0:3]
        height = np.arctanh(np.clip(observation[:, 9], -0.999, 0.999)) / 3.0
        out = self._landed(observation)
        now, progress = observation[:, 10], observation[:, 15:18].max(axis=1)
        in_time = np.any([(now >= first) & (now < last) for first, last in RETRIES], axis=0)
        stuck = in_time & (progress < 0.05) & (height < 1.0)
        # Up with half a newton, and with one along the x axis made level.
        out[stuck, :3] = ((0.5 * up + _level(up)) / np.array([1.0, 1.0, 3.0]))[stuck]
        out[stuck, 6] = -1.0
        return np.clip(out, -1.0, 1.0)

    def tutor(self, observation: Floats, belief: Floats) -> Floats:
        """Land and drill; from a rock hop sideways, up and down again.

        What to do follows from what is seen now, so that a network can learn it: a lander that rests too high is on a
        rock, and one that is low and fast sideways hops. The script's second try, six seconds at set times, a network
        smears over all times.
        """
        out = self._landed(observation, least=FALL)
        up, velocity = observation[:, 0:3], observation[:, 3:6] * 0.05
        height = np.arctanh(np.clip(observation[:, 9], -0.999, 0.999)) / 3.0
        feet, is_free = observation[:, 12:15].sum(axis=1), observation[:, 15:18].max(axis=1) < 0.05
        level = _level(up)
        rests = (velocity * up).sum(axis=1) > RESTS
        climbs = is_free & (feet < 2) & (height > ROCK) & (height < HOP_TOP) & rests & (observation[:, 10] < HOP_LAST)
        sinks = (velocity * level).sum(axis=1) > SIDEWAYS
        sinks &= is_free & (feet == 0) & (height > HOP_END) & (height < 2.0 * HOP_TOP) & ~climbs
        hops = climbs | sinks
        wanted = np.where(climbs, HOP_CLIMB, -HOP_SINK)[:, None] * up + HOP_SIDE * level
        out[hops, :3] = (50.0 * 0.5 * (wanted - velocity) / np.array([1.0, 1.0, 3.0]))[hops]
        out[hops, 6] = -1.0
        return np.clip(out, -1.0, 1.0)

    def _landed(self, observation: Floats, least: float = TOUCH) -> Floats:
        """Come down upright, slower as it gets lower, then press lightly and drill; `least` above what may be rock."""
        up, velocity, rate = observation[:, 0:3], observation[:, 3:6] * 0.05, observation[:, 6:9] * 0.05
        height = np.arctanh(np.clip(observation[:, 9], -0.999, 0.999)) / 3.0
        down = np.clip(0.15 * height, TOUCH + (least - TOUCH) * np.clip((height - 0.02) / 0.03, 0.0, 1.0), 0.08)
        grounded = observation[:, 12:15].sum(axis=1) >= 2
        engaged = observation[:, 18:21].sum(axis=1) >= 3
        wanted = -down[:, None] * up - velocity
        # Force over mass 50 kg; on the ground only a light press, so that weak soil does not give way.
        force = np.where(grounded[:, None], -0.08 * up - 8.0 * (velocity - (velocity * up).sum(1, keepdims=True) * up),
                         50.0 * 0.5 * wanted)  # fmt: skip
        done = engaged & (observation[:, 15:18].min(axis=1) > 0.99)
        force = np.where(done[:, None], 0.0, force)
        turn = np.stack([-up[:, 1], up[:, 0], 0.0 * up[:, 0]], axis=1)
        torque = np.where(done[:, None], 0.0, 0.6 * turn - 2.4 * rate)
        out = np.zeros((len(observation), 7))
        out[:, :3], out[:, 3:6] = force / np.array([1.0, 1.0, 3.0]), torque / 0.4
        # A shallow screw tears at the first slip: drill only when all is still.
        still = (np.linalg.norm(velocity, axis=1) < 0.007) & (np.linalg.norm(rate, axis=1) < 0.01)
        progress = observation[:, 15:18].max(axis=1)
        out[:, 6] = np.where(grounded & (still | (progress > 0.3)), 1.0, -1.0)
        return np.clip(out, -1.0, 1.0)
