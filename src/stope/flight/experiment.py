# SPDX-License-Identifier: Apache-2.0
"""An experiment: where to go when, what to shake on top, and the law that flies it; as a file, and imagined.

A file of format `stope-experiment-1` is JSON that carries everything a flyer needs (docs/how-to/fly-the-loop.md has
the fields), so that the robot, a stand-in for it and stope fly the same. The excitation is a linear spline: rows of
force and torque in b, joined by straight lines, added to what a position and attitude law commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base import rotation
from stope.base.config import check_positive
from stope.base.errors import FileError
from stope.base.files import read_json, write_json
from stope.base.seeding import generator
from stope.flight.likelihood import Disturbance
from stope.flight.record import Flight, FlightSite
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD, World
from stope.world.physics import NUM_PARAMETERS, index_of, mass_properties
from stope.world.robots import Robot
from stope.world.site import Site

__all__ = ["FORMAT", "KINDS", "Experiment", "Limits", "imagine", "load_experiment", "make_experiment"]

Floats = NDArray[np.float64]

FORMAT = "stope-experiment-1"
KINDS = ("hand", "random", "shake", "tumble", "travel", "task", "rest")
"""hand: doublets, one axis after the other, at rest; random: poses with a small dither; shake: splines on all axes at
rest; tumble: large turns; travel: long ways; task: dock from one side and the other; rest: hold and measure."""
GAINS = {"position_gain": 0.35, "speed_limit": 0.15, "velocity_gain": 1.0, "angle_gain": 0.5, "rate_limit": 0.25,
         "rate_gain": 1.5}  # fmt: skip
"""Of the law: [1/s], [m/s], [1/s], [1/s], [rad/s], [1/s]. Chosen."""
KNOT_PERIOD = 1.0
"""Of the excitation [s]; chosen: above the thrust's lag and latency together, so that both show."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a flight may take."""

    robot_minutes: float = 20.0
    """[min]"""
    megabytes: float = 5.0
    """Of downlink [MB]."""
    keep_in: float = 4.0
    """Distance from the start that is never left [m]."""
    force_share: float = 0.4
    """Largest excitation, as a share of the thrusters' limits [1]."""
    abort_risk: float = 0.02
    """Largest share of believed worlds in which the keep-in sphere is left [1]."""

    def __post_init__(self) -> None:
        """Check the signs."""
        check_positive(self, *self.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Experiment:
    """One design of a flight."""

    name: str
    minutes: float
    targets: Floats
    """Time [s], position [m] in l, rotation vector [rad] l to b, each in force from its time on, (targets, 7)."""
    knots: Floats
    """Force [N] and torque [N m] added, b, one row every `KNOT_PERIOD`, (knots, 6)."""

    @property
    def num_rows(self) -> int:
        """Control periods."""
        return round(self.minutes * 60.0 / CONTROL_PERIOD)

    @property
    def megabytes(self) -> float:
        """Of telemetry, 190 bytes a row as in a flight file [MB]."""
        return 190e-6 * self.num_rows

    def then(self, other: Experiment) -> Experiment:
        """This experiment and another after it."""
        seconds = 60.0 * self.minutes
        num = round(seconds / KNOT_PERIOD)
        knots = np.zeros((num, 6))
        knots[: min(num, len(self.knots))] = self.knots[:num]
        later = other.targets + np.array([seconds, 0, 0, 0, 0, 0, 0])
        return Experiment(name=f"{self.name}+{other.name}", minutes=self.minutes + other.minutes,
                          targets=np.concatenate([self.targets, later]),
                          knots=np.concatenate([knots, other.knots]))  # fmt: skip

    def save(self, path: Path, robot: Robot, *, notes: Mapping[str, Any] | None = None) -> None:
        """Write the file for the crew and the flyer, atomically; notes say why and what it should tell."""
        targets = [{"time_s": row[0], "position_l_m": row[1:4], "rotation_vector_lb_rad": row[4:7]}
                   for row in np.round(self.targets, 6).tolist()]  # fmt: skip
        mass, inertia = _nominal(robot)
        law = {"mass": mass, "inertia": np.diag(inertia).tolist(), **GAINS}
        excitation = {"period_s": KNOT_PERIOD, "knots": np.round(self.knots, 5).tolist()}
        write_json(path, {"format": FORMAT, "name": self.name, "robot": robot.name, "minutes": self.minutes,
                          "targets": targets, "law": law, "excitation": excitation, **dict(notes or {})})  # fmt: skip


def load_experiment(path: Path) -> Experiment:
    """Read an experiment file that stope wrote.

    Raises:
        FileError: another format, or a field that is not what it should be.
    """
    data = read_json(path, what="experiment")
    if data.get("format") != FORMAT:
        raise FileError(f"{path}: format {data.get('format')!r}: expected {FORMAT!r}.")
    minutes, targets, knots = 0.0, np.zeros((0, 7)), np.zeros((0, 6))
    try:
        targets = np.array([[t["time_s"], *t["position_l_m"], *t["rotation_vector_lb_rad"]] for t in data["targets"]],
                           dtype=np.float64)  # fmt: skip
        knots, minutes = np.array(data["excitation"]["knots"], dtype=np.float64), float(data["minutes"])
    except (KeyError, TypeError, ValueError):
        minutes = 0.0
    fits = targets.ndim == 2 and targets.shape[1:] == (7,) and knots.ndim == 2 and knots.shape[1:] == (6,)
    fits = fits and len(targets) > 0 and bool(np.isfinite(targets).all() and np.isfinite(knots).all())
    if not (fits and 0.0 < minutes <= 600.0):
        raise FileError(f"{path}: minutes, targets or excitation: expected what `stope flight next` writes.")
    return Experiment(name=str(data.get("name", path.stem)), minutes=minutes, targets=targets, knots=knots)


def make_experiment(kind: str, robot: Robot, limits: Limits, *, minutes: float, seed: int) -> Experiment:
    """One candidate of a kind (of `KINDS`); the seed varies it."""
    assert kind in KINDS
    rng = generator(seed, "experiment", kind)
    num, top = round(minutes * 60.0 / KNOT_PERIOD), limits.force_share * robot.limit_b
    knots, targets = np.zeros((num, 6)), np.zeros((1, 7))
    reach = min(1.5, 0.5 * limits.keep_in)
    if kind == "hand":
        for k in range(num):  # 2 s forth, 2 s back, 4 s of rest on each axis in turn
            phase = k % 8
            knots[k, (k // 8) % 6] = top[(k // 8) % 6] * (1.0 if phase < 2 else -1.0 if phase < 4 else 0.0)
    elif kind == "shake":
        knots = top * rng.uniform(0.4, 1.0, 6) * rng.uniform(-1.0, 1.0, (num, 6))
    elif kind != "rest":
        step = {"random": 15.0, "tumble": 10.0, "travel": 25.0, "task": 60.0}[kind]
        times = np.arange(0.0, 60.0 * minutes, step)
        targets = np.zeros((len(times), 7))
        targets[:, 0] = times
        ways = rng.standard_normal((len(times), 3))
        ways /= np.linalg.norm(ways, axis=1, keepdims=True)
        far = {"random": 0.5, "tumble": 0.1, "travel": 1.0, "task": 1.0}[kind]
        targets[:, 1:4] = far * reach * ways
        turn = {"random": 1.0, "tumble": 2.8, "travel": 0.5, "task": 1.5}[kind]
        targets[:, 4:7] = turn * rng.uniform(-1.0, 1.0, (len(times), 3)) / np.sqrt(3.0)
        if kind == "task":
            targets[1::2, 1:] = 0.0
        knots = (0.0 if kind == "task" else 0.25) * top * rng.choice([-1.0, 1.0], (num, 6))
    return Experiment(name=f"{kind}-{seed}", minutes=minutes, targets=targets, knots=knots)


def _nominal(robot: Robot) -> tuple[float, Floats]:
    median = robot.prior.theta(np.zeros(NUM_PARAMETERS))
    mass, _, inertia = mass_properties(
        median, payload_mount_b=robot.payload_mount_b, payload_radius=robot.payload_radius
    )
    return float(mass), np.asarray(inertia)


def _shorten(vectors: Floats, limit: float) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors * np.minimum(1.0, limit / np.maximum(length, 1e-12))


def _steer(experiment: Experiment, robot: Robot, time: float, seen: Floats) -> Floats:
    """Wrench to command (worlds, 6) from readings (worlds, 13)."""
    mass, inertia = _nominal(robot)
    at = max(0, int(np.searchsorted(experiment.targets[:, 0], time, side="right")) - 1)
    target, q = experiment.targets[at], seen[:, 3:7]
    velocity = _shorten(GAINS["position_gain"] * (target[1:4] - seen[:, :3]), GAINS["speed_limit"])
    force = rotation.rotate_inverse(q, mass * GAINS["velocity_gain"] * (velocity - seen[:, 7:10]))
    wanted = np.broadcast_to(rotation.from_rotation_vector(target[4:7]), q.shape)
    to_go = rotation.to_rotation_vector(rotation.multiply(rotation.conjugate(q), wanted))
    rate = _shorten(GAINS["angle_gain"] * to_go, GAINS["rate_limit"])
    torque = np.diag(inertia) * GAINS["rate_gain"] * (rate - seen[:, 10:13])
    place, num = time / KNOT_PERIOD, len(experiment.knots)
    shake = np.array([np.interp(place, np.arange(num), experiment.knots[:, j]) for j in range(6)])
    return np.concatenate([force, torque], axis=1) + shake


def imagine(
    experiment: Experiment, robot: Robot, site: Site, z: Floats, *, seed: int, disturbance: Disturbance | None = None
) -> list[Flight]:
    """Fly an experiment in stope's own worlds: one flight a row of z (flights, num_parameters).

    Noise, drop-outs and, with a disturbance, the acceleration and the gyro bias of each flight are drawn; what wanders
    is not.
    """
    n, rows, acts = len(z), experiment.num_rows, disturbance or Disturbance()
    rng, sensors = generator(seed, "imagine"), robot.sensors
    theta = robot.prior.theta(z)
    at = index_of("residual_x")
    theta[:, at : at + 3] += acts.offset * rng.standard_normal((n, 3))
    bias = acts.gyro_bias * rng.standard_normal((n, 3))
    world = World(robot, site, theta, seed=seed)
    command, seen, lost = np.zeros((rows, n, 6)), np.zeros((rows, n, 13)), rng.random((rows, n)) < sensors.drop_out
    lost[0] = False
    held = np.zeros((n, 13))
    for k in range(rows):
        state = world.state
        turn = rotation.from_rotation_vector(sensors.attitude_noise * rng.standard_normal((n, 3)))
        seen[k] = np.concatenate([
            state[:, 0:3] + sensors.position_noise * rng.standard_normal((n, 3)),
            rotation.multiply(state[:, 3:7], turn),
            state[:, 7:10] + sensors.velocity_noise * rng.standard_normal((n, 3)),
            state[:, 10:13] + bias + sensors.rate_noise * rng.standard_normal((n, 3)),
        ], axis=1)  # fmt: skip
        held = np.where(lost[k][:, None], held, seen[k])
        world.step(np.clip(_steer(experiment, robot, k * CONTROL_PERIOD, held) / robot.limit_b, -1.0, 1.0))
        command[k] = world.state[:, p.COMMAND : p.COMMAND + 6]
    blank = Flight(
        name=experiment.name, stand_in=True, robot=robot.name, gravity_l=site.gravity_l.copy(), start_utc="", clock="",
        site=FlightSite(body=site.body.name, latitude_deg=site.latitude_deg, longitude_deg=site.longitude_deg,
                        height=site.height),
        licence="", control_period=CONTROL_PERIOD, payload_note="",
        time=CONTROL_PERIOD * np.arange(rows, dtype=np.float64),
        command=np.zeros(0), position_l=np.zeros(0), q_lb=np.zeros(0), velocity_l=np.zeros(0), rate_b=np.zeros(0),
        measured=np.zeros(0, dtype=bool), engine="stope's own worlds", seed=seed,
    )  # fmt: skip
    seen[lost] = np.nan
    return [replace(blank, command=command[:, i], measured=~lost[:, i], position_l=seen[:, i, :3],
                    q_lb=seen[:, i, 3:7], velocity_l=seen[:, i, 7:10], rate_b=seen[:, i, 10:13])
            for i in range(n)]  # fmt: skip
