# SPDX-License-Identifier: Apache-2.0
"""Record a skill: the policy flies N worlds at one seed, and every pose, state and load is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from stope.base.progress import Progress, silent
from stope.base.seeding import stream_key
from stope.learn.assess import fresh_seed
from stope.learn.envelope import envelope_for
from stope.learn.evaluate import conditions, fly
from stope.learn.pilots import GruPilot, fly_skill
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.skill_training import SkillConfig
from stope.learn.train import TrainConfig
from stope.view.replay.model import Part, Replay, State
from stope.view.replay.shapes import ellipsoid, ground_patch, link_mesh, vehicle
from stope.world.batch import CONTROL_PERIOD
from stope.world.contact_env import ContactBatch
from stope.world.env import DockBatch
from stope.world.light import sun_direction
from stope.world.site import Site
from stope.world.tasks import dock

__all__ = ["MOST_BYTES", "STATES", "record_contact", "record_flight_skill"]

Floats = NDArray[np.float64]
MOST_BYTES = 24_000_000
"""Of poses in a page; above, times are left out evenly (chosen: a page of some ten megabytes)."""
STATES = [
    State(name="under way", colour=1),
    State(name="succeeded", colour=2),
    State(name="failed", level=4, colour=4),
    State(name="time is up", level=2, colour=3),
]
HOP_TIMES = 400
"""Times at which a skill with decisions of its own length is shown."""
SUN_HOUR = -30.0
"""Longitude under the Sun from the site's at the start [deg]; assumed: two hours, of twenty-four, before noon."""


@dataclass
class _Recorder:
    """Stands between the pilot and its worlds and keeps what it sees at each step."""

    batch: Any
    times: list[Floats] = field(default_factory=list[Floats])
    qpos: list[Floats] = field(default_factory=list[Floats])
    speed: list[Floats] = field(default_factory=list[Floats])
    force: list[Floats] = field(default_factory=list[Floats])
    action: list[Floats] = field(default_factory=list[Floats])
    clock: float = 0.0

    def keep(self, action: Floats | None = None) -> None:
        """Keep the state of every world."""
        world, n = self.batch.world, self.batch.num_worlds
        if isinstance(self.batch, ContactBatch):
            self.times.append(np.array(self.batch.time))
            self.qpos.append(np.array(world.qpos))
            self.qpos[-1][:, :7] = world.state[:, :7]
            self.force.append(self.batch.ground.contact[:, :3].copy())
        else:
            self.times.append(np.full(n, CONTROL_PERIOD * len(self.times)))
            self.qpos.append(world.state[:, :7].copy())
        self.speed.append(np.linalg.norm(world.state[:, 7:10], axis=1))
        if action is not None:
            self.action.append(np.abs(np.clip(action, -1.0, 1.0)).mean(axis=1))


class _Watched(_Recorder):
    """A pilot or policy whose worlds are recorded before it acts."""

    def __init__(self, inner: Any, batch: Any) -> None:
        super().__init__(batch)
        self.inner = inner

    def begin(self, num_worlds: int) -> None:
        """As the pilot's."""
        self.inner.begin(num_worlds)

    def act(self, *given: Any) -> NDArray[Any]:
        """As the pilot's."""
        out = self.inner.act(*given)
        self.keep(np.asarray(out, dtype=np.float64))
        return out


def record_contact(
    policy: GruPolicy, config: SkillConfig, *, num_worlds: int, seed: int, num_threads: int = 1,
    progress: Progress = silent,
) -> Replay:  # fmt: skip
    """Fly a policy of a task with contact, told a noisy belief as in training, under the safety envelope.

    Args:
        policy: Who flies.
        config: Of its training; says the task.
        num_worlds: Worlds, each with one robot.
        seed: Root seed of worlds, starts and noise; the worlds are those of `stope evaluate` at that seed.
        num_threads: Threads of the physics; the recording does not depend on it.
        progress: Told of the flight.
    """
    name, task = config.task, config.make_task()
    batch = task.batch(num_worlds=num_worlds, seed=stream_key(seed, "assess", name), num_threads=num_threads)
    watched: Any = _Watched(GruPilot(policy), batch)
    found = fly_skill(watched, batch, show=lambda share: progress(f"fly {name}", share),
                      envelope=envelope_for(name, task))  # fmt: skip
    watched.keep()
    clocks = np.array(watched.times)
    is_own_pace = bool(np.ptp(clocks, axis=1).max() > 1e-9 or np.diff(clocks[:, 0]).max() > 2.0 * CONTROL_PERIOD)
    pick, times = _chosen(clocks, num_worlds * 4, is_own_pace=is_own_pace)
    qpos = _picked(watched.qpos, pick)
    force = _picked(watched.force, pick)
    series = {"height of the base over z = 0, frame l [m]": qpos[..., 2], "speed [m/s]": _picked(watched.speed, pick)}
    if force.any():
        series["contact force [N]"] = np.linalg.norm(force, axis=2)
    series["mean size of the action [1]"] = _picked([*watched.action, watched.action[-1]], pick)
    model = batch.world.model
    assert isinstance(model, mujoco.MjModel)
    parts = _links(model, qpos)
    rocks = batch.ground.rocks
    if rocks.shape[1] and rocks[..., 3].any():
        place = rocks[..., :3].reshape(1, -1, 3)
        q = np.zeros((*place.shape[:2], 4))
        q[..., 0] = 1.0
        parts.append(Part("site/rock", ellipsoid(np.ones(3)), place, q, rocks[..., 3].ravel(), colour=11))
    reach = float(np.ptp(qpos[..., :2].reshape(-1, 2), axis=0).max())
    # Where the robots go farther than a few lengths, they share the ground; else each world lies by itself.
    apart = 0.0 if reach > 8.0 else max(2.0, 1.4 * reach + 0.6)
    half = 0.5 * apart if apart else 0.75 * reach
    has_ground = batch.site.height < 20.0
    ground = ground_patch(batch.site, half, cells=8 if apart else 32) if has_ground else None
    rate = found.rate
    notes = [
        "Between two decisions nothing is recorded: a robot is shown where it last decided." if is_own_pace else "",
        "" if force.any() else "Contact of this task is MuJoCo's own and is not recorded: no force arrows.",
        "Soil that was dug or pushed aside is not drawn." if batch.world.scene.has_soil else "",
        "" if has_ground else f"The ground is {batch.site.height:g} m below and is not drawn.",
        "The ground is drawn for the first 256 worlds." if apart and num_worlds > 256 else "",
    ]
    replay = _replay(name, task.robot, batch.site, times, found.is_success, found.has_failed, found.duration, parts,
                     is_smooth=not is_own_pace)  # fmt: skip
    replay.force, replay.series, replay.ground = (force if force.any() else None), series, ground
    replay.paths = not apart and num_worlds <= 64
    replay.apart, replay.notes = apart, [n for n in notes if n] + replay.notes
    replay.gravity = np.asarray(batch.site.gravity_l)
    _sum_up(replay, name, rate, found.summary(), seed)
    return replay


def record_flight_skill(
    policy: MlpPolicy, config: TrainConfig, *, num_worlds: int, seed: int, num_threads: int = 1,
    progress: Progress = silent,
) -> Replay:  # fmt: skip
    """Fly `dock` or `haul` in worlds from the prior, told a noisy belief of each, under the safety envelope.

    Args:
        policy: Who flies.
        config: Of its training; says robot, site and task.
        num_worlds: Worlds, each with one robot.
        seed: Root seed of worlds, starts and noise.
        num_threads: Threads of the physics; the recording does not depend on it.
        progress: Told of the flight.
    """
    robot, site, name, task = config.make_robot(), config.site.site(), config.skill, config.make_task()
    z, belief = conditions(num_worlds, fresh_seed(seed))["prior"]
    batch = DockBatch(robot, site, num_worlds=num_worlds, seed=stream_key(seed, "view"), task=task, pool_size=1,
                      num_threads=num_threads)  # fmt: skip
    watched: Any = _Watched(policy, batch)
    found = fly(watched, batch, z, belief, envelope=envelope_for(name, task, robot),
                on_step=lambda step: progress(f"fly {name}", (step + 1) / batch.max_episode_steps))  # fmt: skip
    watched.keep()
    pick, times = _chosen(np.array(watched.times), num_worlds, is_own_pace=False)
    qpos = _picked(watched.qpos, pick)
    parts = [Part("robot/base", vehicle(robot.side), qpos[..., :3], qpos[..., 3:7])]
    ended = np.where(found.is_success, found.duration, task.time_limit)
    far = batch.last_record[:, dock.SUCCESS_TIME] < 0
    failed = ~found.is_success & far & (np.linalg.norm(qpos[-1, :, :3], axis=1) > task.keep_in)
    replay = _replay(name, robot.name, site, times, found.is_success, failed, ended, parts, is_smooth=True)
    replay.series = {
        "distance from the pose to hold [m]": np.linalg.norm(qpos[..., :3], axis=2),
        "speed [m/s]": _picked(watched.speed, pick),
        "mean size of the action [1]": _picked([*watched.action, watched.action[-1]], pick),
    }
    if site.body.kind != "uniform":
        replay.ground = ground_patch(site, 2.5 * site.height + 4.0, cells=32)
    replay.paths = num_worlds <= 64
    replay.gravity = np.asarray(site.gravity_l)
    replay.notes.insert(0, "All worlds are drawn over each other: each is one robot near the same pose to hold.")
    _sum_up(replay, name, found.rate, found.summary(), seed)
    return replay


def _chosen(clocks: Floats, rows: int, *, is_own_pace: bool) -> tuple[NDArray[np.intp], Floats]:
    """Which step of each world is shown at which time: (frames, worlds), and the times [s]."""
    steps, worlds = clocks.shape
    if is_own_pace:
        times = np.linspace(0.0, float(clocks.max()), HOP_TIMES)
        pick = np.stack([np.searchsorted(clocks[:, i], times + 1e-9, side="right") - 1 for i in range(worlds)], axis=1)
        return np.clip(pick, 0, steps - 1), times
    every = max(1, -(-steps * rows * 16 // MOST_BYTES))
    shown = np.unique(np.append(np.arange(0, steps, every), steps - 1))
    return np.repeat(shown[:, None], worlds, axis=1), clocks[shown, 0]


def _picked(kept: list[Floats], pick: NDArray[np.intp]) -> Floats:
    return np.array(kept)[pick, np.arange(pick.shape[1])]


def _links(model: mujoco.MjModel, qpos: Floats) -> list[Part]:
    """Every body of a model that has a shape, with its pose at each time of each world by MuJoCo's kinematics."""
    meshes = {b: mesh for b in range(1, model.nbody) if (mesh := link_mesh(model, b)) is not None}
    ids = list(meshes)
    frames, worlds = qpos.shape[:2]
    place, turn = np.zeros((len(ids), frames, worlds, 3)), np.zeros((len(ids), frames, worlds, 4))
    data = mujoco.MjData(model)
    for f in range(frames):
        for i in range(worlds):
            data.qpos[:] = qpos[f, i]
            mujoco.mj_kinematics(model, data)
            place[:, f, i], turn[:, f, i] = data.xpos[ids], data.xquat[ids]
    return [
        Part(f"robot/{model.body(b).name}" if model.body(b).name != "target" else "site/target", meshes[b], place[k],
             turn[k], colour=-1 if k == 0 else 11 if model.body(b).name == "target" else 9)
        for k, b in enumerate(ids)
    ]  # fmt: skip


def _replay(
    name: str, robot: str, site: Site, times: Floats, success: NDArray[np.bool_], failed: NDArray[np.bool_],
    duration: Floats, parts: list[Part], *, is_smooth: bool,
) -> Replay:  # fmt: skip
    """States by time, outcomes in words, and the light."""
    state = np.zeros((len(times), len(success)), dtype=np.int64)
    state[(times[:, None] >= duration - 1e-9) & success] = 1
    state[-1, ~success & failed], state[-1, ~success & ~failed] = 2, 3
    outcome = [f"succeeded after {duration[i]:.1f} s" if ok else "failed" if failed[i] else "not done in time"
               for i, ok in enumerate(success)]  # fmt: skip
    sun, said = _sun(site, times)
    return Replay(
        kind="skill", title=f"{name}: {robot} at {site.name}", answer="", frame="l", times=times, states=STATES,
        state=state, parts=parts, names=[f"world {i}" for i in range(len(success))], outcome=outcome, sun=sun,
        notes=[said, "Failure is marked at the end of the recording, not when it happened."], is_smooth=is_smooth,
    )  # fmt: skip


def _sun(site: Site, times: Floats) -> tuple[Floats, str]:
    if site.body.kind == "uniform" or not site.body.spin_rate:
        return np.array([[0.4, 0.3, 0.87]]), "The light is not of this place: a lamp, for the eye."
    at = np.linspace(times[0], times[-1], 24)
    rays = sun_direction(site.body, at, sun_latitude_deg=0.0, sun_longitude_deg=site.longitude_deg + SUN_HOUR)
    return rays @ site.rotation_al, (
        f"The Sun is assumed over the equator, {-SUN_HOUR:g} deg before noon at the start; light plays no part in the "
        "physics of a skill."
    )


def _sum_up(replay: Replay, name: str, rate: Any, summary: dict[str, Any], seed: int) -> None:
    replay.answer = (
        f"{name} succeeded in {round(rate.success * rate.n)} of {rate.n} worlds "
        f"({100 * rate.success:.1f} %, 95 % interval {100 * rate.low:.1f} to {100 * rate.high:.1f})."
    )
    replay.summary = {"skill": name, "seed": seed, "outcome": summary}
