# SPDX-License-Identifier: Apache-2.0
"""Measure skills for a bank: whole outcomes of the shipped policies in worlds drawn from the prior, or of the scripts.

A skill with a policy in the package is flown by it, inside its safety envelope; one without by the script of its task,
and its rows say so. Worlds and starts are the same whatever is told. Energy is that of the robot's
thrusters and, for drums and arms, the mechanical work of their motors; losses of motors are not in it, nor is what the
robot draws at idle, which a month adds by its own `idle_power`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope import __version__
from stope.base.errors import ConfigError, UnknownName
from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.base.workers import Here, Unit, Workers
from stope.fleet.mission.bank import COLUMNS, Bank
from stope.fleet.mission.kernels.columns import SKILLS
from stope.learn.envelope import envelope_for
from stope.learn.evaluate import fly
from stope.learn.pilots import GruPilot, Pilot, ScriptPilot, fly_skill
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.skills import FLIGHTS, flight_config, shipped, shipped_names, skill_config
from stope.learn.store import physics_hash
from stope.world import ground as g
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD
from stope.world.belief import Belief, covariances, pseudo_measured
from stope.world.env import DockBatch
from stope.world.physics import GROUND_PARAMETERS, NUM_PARAMETERS, index_of
from stope.world.regolith import drum as d
from stope.world.robots import load_robot
from stope.world.tasks import ContactTask, dock
from stope.world.tasks.dig import ARM_GAIN, DRUM_GAIN
from stope.world.told import SHARP

__all__ = ["TOLD", "join_rows", "measure_bank", "measure_skill"]

Floats = NDArray[np.float64]
Rows = dict[str, Any]
TOLD = ("prior", "sharp")
"""What robots are told, as in `stope.world.told`."""
COHESION = [q.name for q in GROUND_PARAMETERS].index("cohesion")
ANCHOR_LOAD = g.LOAD
ARMS, DRUMS = [7, 9], [7, 9]
"""Places of the arms in qpos, and of the drums in qvel (the digger's file)."""


def measure_bank(
    *,
    num: int,
    seed: int,
    skills: Iterable[str] = SKILLS,
    told: Sequence[str] = TOLD,
    num_threads: int = 1,
    progress: Progress = silent,
    workers: Workers | None = None,
) -> Bank:
    """Measure skills and join their rows.

    Args:
        num: Outcomes of each skill for each of `told`.
        seed: Root seed.
        skills: Names of `SKILLS`.
        told: Of `TOLD`; a script is told nothing, so its rows stand under "prior" alone.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of the share done.
        workers: Who flies: one skill told one thing is a unit. This process if left out; results do not depend on it.

    Raises:
        UnknownName: no such skill.
        ConfigError: fewer than one outcome, or nothing to measure.
    """
    pairs = [(skill, what) for skill in skills for what in (told if skill in shipped_names() else ("prior",))]
    if not pairs:
        raise ConfigError("measure_bank of no skills: expected at least one skill to measure.")
    units = [Unit(measure_skill, (skill, what, num, seed, num_threads), f"measure {skill}, told the {what}", shows=True)
             for skill, what in pairs]  # fmt: skip
    parts: list[Rows] = (workers or Here()).do(units, progress=progress)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    return Bank(columns, {"version": __version__, "seed": seed, "num": num, "worlds": "drawn from the prior"})


def join_rows(banks: list[Bank]) -> Bank:
    """One bank of several, with what the first says of itself.

    Raises:
        ConfigError: nothing to join.
    """
    if not banks:
        raise ConfigError("join_rows of no banks: expected at least one skill to measure.")
    return Bank({name: np.concatenate([b.columns[name] for b in banks]) for name in COLUMNS}, banks[0].about)


def measure_skill(
    skill: str, told: str, num: int, seed: int, num_threads: int = 1, *, show: Callable[[float], None] | None = None
) -> Rows:
    """Columns of one skill's rows, (num,) each; `show` is told the share done."""
    if skill not in SKILLS:
        raise UnknownName.of("skill", skill, SKILLS, listing="stope fleet measure --help")
    if told not in TOLD or num < 1:
        raise ConfigError(f"measure_skill({skill!r}, told={told!r}, num={num}): expected one of {TOLD}, 1 or more.")
    show = show or (lambda share: None)
    rows = (_flown if skill in FLIGHTS else _touched)(skill, told, num, seed, num_threads, show)
    common = {"skill": skill, "told": told, "seed": seed}
    show(1.0)
    values = common | rows | {"world": np.arange(num)}
    return {n: np.broadcast_to(np.asarray(values[n], dtype=np.dtype(kind)), num).copy()
            for n, (kind, _) in COLUMNS.items()}  # fmt: skip


def _flown(skill: str, told: str, num: int, seed: int, num_threads: int, show: Any) -> Rows:
    """Dock and haul: free flights."""
    config = flight_config(skill)
    policy, _ = shipped(skill)
    assert isinstance(policy, MlpPolicy), "a free flight has a policy without memory"
    robot, site = load_robot(config.robot), config.site.site()
    batch = DockBatch(robot, site, num_worlds=num, seed=stream_key(seed, "bank", skill), task=config.task,
                      pool_size=1, num_threads=num_threads)  # fmt: skip
    z = generator(seed, "bank", skill, "truth").standard_normal((num, NUM_PARAMETERS))
    summary = np.broadcast_to(Belief.prior(robot.name).summary(), (num, 2 * NUM_PARAMETERS)).copy()
    if told == "sharp":
        mean, covariance = pseudo_measured(z, generator(seed, "bank", skill, "told"), log10_noise=SHARP)
        variance = np.einsum("ijj->ij", covariances(covariance))
        summary = np.concatenate([mean, 0.5 * np.log(variance)], axis=1)
    watch = _Flight(batch, show)
    fly(policy, batch, z, summary, on_step=watch, envelope=envelope_for(skill, config.task, robot))
    payload = robot.prior.theta(z)[:, index_of("payload")]
    return watch.rows() | {"payload": payload, "cohesion": 0.0, "mass": 0.0, "pilot": policy.digest,
                           "robot": robot.name, "site": site.name, "gravity": abs(float(site.gravity_l[2])),
                           "physics": physics_hash(robot, site)}  # fmt: skip


class _Flight:
    """Keeps what each flight had used when it was there; the episode itself goes on to its time limit."""

    def __init__(self, batch: DockBatch, show: Any) -> None:
        self.batch, self.show = batch, show
        self.state, self.record = np.zeros_like(batch.world.state), np.zeros_like(batch.record)
        self.is_open, self.is_lost = (np.full(batch.num_worlds, x) for x in (True, False))
        self.peak = np.zeros(batch.num_worlds)

    def __call__(self, step: int) -> None:
        record, on = self.batch.last_record, self.is_open
        self.state[on], self.record[on] = self.batch.world.state[on], record[on]
        force = np.linalg.norm(self.batch.world.state[:, p.THRUST : p.THRUST + 3], axis=1)
        self.peak = np.where(on, np.maximum(self.peak, force), self.peak)
        self.is_lost |= on & (record[:, dock.POSITION_ERROR] > self.batch.task.keep_in)
        self.is_open = on & (record[:, dock.SUCCESS_TIME] < 0.0)
        if step % 50 == 0:
            self.show(step / self.batch.max_episode_steps)

    def rows(self) -> Rows:
        robot, state, limit = self.batch.robot, self.state, self.batch.task.time_limit
        duration = np.where(self.is_open, limit, self.record[:, dock.SUCCESS_TIME])
        effort = state[:, p.IMPULSE] + state[:, p.IMPULSE + 1] / robot.torque_arm
        return {
            "outcome": (~self.is_open & ~self.is_lost).astype(np.int64), "duration": duration,
            "energy": robot.power_per_newton * effort,
            "propellant": np.maximum(robot.propellant_capacity - state[:, p.PROPELLANT], 0.0), "peak_force": self.peak,
        }  # fmt: skip


def _touched(skill: str, told: str, num: int, seed: int, num_threads: int, show: Any) -> Rows:
    """anchor, capture, dig and hop: with contact."""
    task, envelope = skill_config(skill).make_task(), None
    pilot: Pilot = ScriptPilot(task)
    who = "script"
    if skill in shipped_names():
        policy, _ = shipped(skill)
        assert isinstance(policy, GruPolicy), "a task with contact has a policy with memory"
        pilot, who, envelope = GruPilot(policy), policy.digest, envelope_for(skill, task)
    batch = task.batch(num_worlds=num, seed=stream_key(seed, "bank", skill), num_threads=num_threads, told=told)  # type: ignore[arg-type]
    watch = _Contact(task, batch, show)
    flown = fly_skill(pilot, batch, show=watch, envelope=envelope)
    outcome = np.where(flown.is_success, 1, np.where(flown.has_failed, -1, 0))
    robot = batch.robot
    return {
        "outcome": outcome, "duration": flown.duration, "energy": watch.work,
        "mass": watch.mass, "peak_force": watch.peak, "propellant": watch.propellant, "payload": 0.0,
        "cohesion": batch.theta_ground[:, COHESION], "pilot": who, "robot": robot.name, "site": batch.site.name,
        "gravity": batch.gravity, "physics": physics_hash(robot, batch.site),
    }  # fmt: skip


class _Contact:
    """Adds up what each robot spends until it has succeeded, and keeps what its drums then hold."""

    def __init__(self, task: ContactTask, batch: Any, show: Any) -> None:
        self.task, self.batch, self.show = task, batch, show
        n = batch.num_worlds
        self.work, self.mass, self.peak, self.propellant = (np.zeros(n) for _ in range(4))
        self.has_drums = batch.world.ground is not None and batch.ground.drum_state.shape[1] > 0
        self.has_anchors = batch.world.ground is not None and batch.ground.anchor_state.shape[1] > 0
        self.going = np.ones(n, dtype=np.bool_)
        self.arms = None

    def __call__(self, share: float) -> None:
        batch, on = self.batch, self.going
        state, robot = batch.world.state, batch.robot
        effort = state[:, p.IMPULSE] + state[:, p.IMPULSE + 1] / robot.torque_arm
        force = np.linalg.norm(state[:, p.THRUST : p.THRUST + 3], axis=1)
        if self.has_anchors:
            force = np.maximum(force, batch.ground.anchor_state[:, :, ANCHOR_LOAD].max(axis=1))
        self.peak = np.where(on, np.maximum(self.peak, force), self.peak)
        used = np.maximum(robot.propellant_capacity - state[:, p.PROPELLANT], 0.0)
        self.propellant = np.where(on, used, self.propellant)
        thrust = robot.power_per_newton * effort
        if self.has_drums:
            self.work += np.where(on, self._motors(), 0.0)
            self.mass = np.where(on, batch.ground.drum_state[:, :, d.LOAD].sum(axis=1), self.mass)
        else:
            self.work = np.where(on, thrust, self.work)
        self.going = on & ~batch.last_success
        self.show(share)

    def _motors(self) -> Floats:
        """Mechanical work of drums and arms in the last control period [J]."""
        batch = self.batch
        spin = batch.world.qvel[:, DRUMS]
        torque = DRUM_GAIN * (batch.ground.ctrl[:, 2:4] - spin)
        arms = batch.world.qpos[:, ARMS].copy()
        moved = np.zeros_like(arms) if self.arms is None else arms - self.arms
        self.arms = arms
        force = ARM_GAIN * (batch.ground.ctrl[:, :2] - arms)
        return np.asarray((np.abs(torque * spin) * CONTROL_PERIOD + np.abs(force * moved)).sum(axis=1))
