# SPDX-License-Identifier: Apache-2.0
"""What a replay is: robots as parts with a pose at every time, their states, and what is known of each.

A part is drawn as one batch of equal meshes, one for each robot. Poses are kept as 16-bit whole numbers: positions
over the box that holds them all, quaternions over 32,767, so a position is off by at most half of 1/65,534 of the
box, which the page says. Everything is in one frame, l of the site or a of the body, whose name is `frame`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.errors import ConfigError

__all__ = ["LEVELS", "Mesh", "Part", "Replay", "State", "quantise"]

Floats = NDArray[np.float64]
LEVELS = ("normal", "watch", "warning", "distress", "critical", "severe")
"""Of an alarm; the five after the first are those of XTCE."""
FULL = 32767


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangle mesh."""

    vertices: Floats
    """(vertices, 3) [m]."""
    faces: NDArray[np.int64]
    """(faces, 3), counter-clockwise seen from outside."""

    @staticmethod
    def join(meshes: list[Mesh]) -> Mesh:
        """Several as one."""
        first = np.cumsum([0, *(len(m.vertices) for m in meshes)])
        faces = [m.faces + at for m, at in zip(meshes, first[:-1], strict=True)]
        return Mesh(np.concatenate([m.vertices for m in meshes]), np.concatenate(faces))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One class of links, boulders or robots: a mesh, and where each is at each time."""

    name: str
    """Its path, such as `robot/base`."""
    mesh: Mesh
    position: Floats
    """(frames, instances, 3) [m]; one frame for what does not move."""
    quaternion: Floats
    """w, x, y, z, (frames, instances, 4)."""
    size: Floats | None = None
    """Factor on the mesh of each that differs in size, such as rocks, (instances,) [1]; such parts have one colour."""
    shrink: Floats | None = None
    """Factor on what is drawn of each robot, (instances,), 0 to 20 in hundredths; 1 if None."""
    colour: int = -1
    """Index of a colour of the page for all; -1 for that of the robot's state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A state that a robot can be in."""

    name: str
    level: int = 0
    """Of the alarm, index into LEVELS."""
    colour: int = 0
    """Index of a colour of the page, 0 to 11."""
    is_lost_time: bool = False
    """Whether time in it counts as lost."""


@dataclass(kw_only=True, eq=False)
class Replay:
    """A recording as the page shows it."""

    kind: str
    """skill, flight or month."""
    title: str
    answer: str
    """One sentence."""
    frame: str
    times: Floats
    """(frames,) [s]."""
    states: list[State]
    state: NDArray[np.int64]
    """Index into `states`, (frames, robots)."""
    parts: list[Part]
    names: list[str]
    """Of each robot, its path."""
    outcome: list[str] = field(default_factory=list[str])
    """Of each robot, in a few words."""
    ground: Mesh | None = None
    gravity: Floats = field(default_factory=lambda: np.zeros(3))
    """At the origin [m/s2]."""
    sun: Floats = field(default_factory=lambda: np.array([[0.4, 0.3, 0.87]]))
    """Towards the Sun, unit vectors over the replay, (k, 3)."""
    notes: list[str] = field(default_factory=list[str])
    """What is assumed, left out, or not known."""
    facts: dict[str, str] = field(default_factory=dict[str, str])
    """Names and values, such as command, seed and versions."""
    summary: dict[str, Any] = field(default_factory=dict[str, Any])
    """The same content for programs."""
    force: Floats | None = None
    """Drawn as an arrow at the first part of each robot, (frames, robots, 3) [N]."""
    force_name: str = "contact force"
    series: dict[str, Floats] = field(default_factory=dict[str, Floats])
    """By name and unit, such as `height [m]`, (frames, robots)."""
    rows: dict[str, NDArray[Any]] = field(default_factory=dict[str, Any])
    """Activities: robot, state, start_s, end_s, pit; empty for none."""
    questions: dict[str, Floats] = field(default_factory=dict[str, Floats])
    """To Earth: robot, and when each stage began [s] (`stope.view.replay.questions`); empty for none."""
    bands: dict[str, Floats] = field(default_factory=dict[str, Floats])
    """By name, begin and end of each stretch, (k, 2) [s], such as contact with Earth."""
    is_smooth: bool = True
    """Whether poses between two times may be interpolated."""
    apart: float = 0.0
    """Distance between two robots' worlds when they are laid side by side [m]; 0: they share one world."""
    paths: bool = False
    """Whether every robot's path is drawn from the start."""

    def __post_init__(self) -> None:
        """Check shapes."""
        frames, robots = self.state.shape
        if len(self.times) != frames or len(self.names) != robots:
            raise ConfigError(f"replay: {len(self.times)} times, {len(self.names)} names: expected {frames}, {robots}.")
        if frames < 1 or robots < 1:
            raise ConfigError(f"replay: {frames} times of {robots} robots: expected 1 of each, or more.")
        for part in self.parts:
            if part.position.shape[0] not in (1, frames) or part.position.shape[1] % robots:
                raise ConfigError(f"replay: {part.name!r} of shape {part.position.shape}: expected {frames} times.")
        for name, values in self.series.items():
            if values.shape != self.state.shape:
                raise ConfigError(f"replay: {name!r} of shape {values.shape}: expected {self.state.shape}.")

    @property
    def num_robots(self) -> int:
        """Robots."""
        return self.state.shape[1]

    def counts(self) -> NDArray[np.int64]:
        """How many robots are in each state at each time, (frames, states)."""
        out = np.zeros((len(self.times), len(self.states)), dtype=np.int64)
        for k in range(len(self.states)):
            out[:, k] = (self.state == k).sum(axis=1)
        return out

    def lost_time(self) -> dict[str, float]:
        """Robot time spent in each state that counts as lost [h], the most first; of the activities where they are."""
        found: dict[str, float] = {}
        for k, state in enumerate(self.states):
            if not state.is_lost_time:
                continue
            if self.rows:
                chosen = self.rows["state"] == k
                seconds = float((self.rows["end_s"][chosen] - self.rows["start_s"][chosen]).sum())
            else:
                steps = np.diff(self.times, append=self.times[-1])
                seconds = float(((self.state == k).sum(axis=1) * steps).sum())
            if seconds > 0.0:
                found[state.name] = seconds / 3600.0
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def as_json(self) -> dict[str, Any]:
        """What the page shows, for programs."""
        counts = self.counts()
        return {
            "kind": self.kind, "title": self.title, "answer": self.answer, "frame": self.frame,
            "num_robots": self.num_robots, "num_frames": len(self.times),
            "duration_s": float(self.times[-1] - self.times[0]),
            "gravity_mps2": [float(g) for g in self.gravity],
            "states_at_start": _named(self.states, counts[0]), "states_at_end": _named(self.states, counts[-1]),
            "lost_time_h": self.lost_time(), "num_activities": len(next(iter(self.rows.values()), ())),
            "num_questions": len(next(iter(self.questions.values()), ())),
            "notes": self.notes, "facts": self.facts,
        } | self.summary  # fmt: skip


def _named(states: list[State], counts: NDArray[np.int64]) -> dict[str, int]:
    return {s.name: int(n) for s, n in zip(states, counts, strict=True) if n}


def quantise(part: Part, colours: NDArray[np.int64]) -> tuple[NDArray[np.int16], Floats, Floats]:
    """Poses as 16-bit rows x, y, z, colour and shrink or size, qx, qy, qz, qw, (frames, instances, 8).

    Args:
        part: What is drawn.
        colours: Of each robot's state, (frames, robots).

    Returns:
        The rows, and middle and half width (3,) [m] of the box of positions: p = middle + half x / 32767.
    """
    p = part.position
    low, high = p.reshape(-1, 3).min(axis=0), p.reshape(-1, 3).max(axis=0)
    middle, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), 1e-6)
    out = np.zeros((*p.shape[:2], 8), dtype=np.int16)
    out[..., :3] = np.rint((p - middle) / half * FULL)
    if part.size is not None:
        out[..., 3] = np.rint(1000.0 * part.size)
    else:
        frames = len(p)
        drawn = np.rint(100.0 * (np.ones(p.shape[1]) if part.shrink is None else part.shrink)).astype(np.int64)
        out[..., 3] = 16 * drawn + np.repeat(colours[:frames], p.shape[1] // colours.shape[1], axis=1)
    q = _continuous(part.quaternion)
    out[..., 4:7], out[..., 7] = np.rint(q[..., 1:] * FULL), np.rint(q[..., 0] * FULL)
    return out, middle, half


def _continuous(q: ArrayLike) -> Floats:
    """Signs chosen so that a quaternion never turns the long way to the next."""
    out = np.array(q, dtype=np.float64)
    flip = np.cumprod(np.where((out[1:] * out[:-1]).sum(axis=-1) < 0.0, -1.0, 1.0), axis=0)
    out[1:] *= flip[..., None]
    return out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)
