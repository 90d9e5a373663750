# SPDX-License-Identifier: Apache-2.0
"""Brain: arrays in, arrays out. Rows of any skills and versions together; each is acted on, or refused with a cause.

The brain holds no state of a robot: memory comes in with a row and goes out with it, so a brain that is killed loses
nothing. A row that is refused gets the fallback action, zeros: no thrust, no tool. The robot's own safety envelope
(`stope.learn.envelope`) is what brakes it; the brain is a convenience, not a safeguard.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError, RangeError
from stope.fleet.brain.shelf import Shelf, Version

__all__ = ["OLDEST", "Answer", "Brain", "Request", "Verdict", "fallback", "joined", "split"]

Floats = NDArray[np.float32]

OLDEST = 1.5
"""Age of an observation that is stale [s]; chosen: one and a half periods of a robot that asks at 1 Hz."""


class Verdict(IntEnum):
    """What became of a row."""

    ACTED = 0
    MASKED = 1
    NO_SKILL = 2
    NO_VERSION = 3
    STALE = 4
    NOT_FINITE = 5
    OUT_OF_RANGE = 6
    BAD_ACTION = 7
    LATE = 8
    OVERLOADED = 9
    DRAINING = 10
    NO_ANSWER = 11


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What n robots sense and want; columns beyond those of a row's policy are not looked at."""

    observation: Floats
    """Observation and belief side by side, (n, columns)."""
    memory: Floats
    """From the answer before, or zeros at the start of an episode, (n, columns)."""
    skill: NDArray[np.uint16]
    """Number of each row's skill, its place in `stope.learn.skills.SKILLS`, (n,)."""
    version: NDArray[np.uint64]
    """Version of the policy that is to act, or `CURRENT`, (n,)."""
    age: Floats
    """Age of each observation when it was sent [s], (n,)."""
    mask: NDArray[np.bool_]
    """Whether a row is asked for at all, (n,)."""

    def __post_init__(self) -> None:
        """Check that every array has n rows.

        Raises:
            RangeError: naming the array.
        """
        n = len(self.observation)
        for name in ("observation", "memory", "skill", "version", "age", "mask"):
            array = getattr(self, name)
            dims = 2 if name in ("observation", "memory") else 1
            if array.ndim != dims or len(array) != n:
                raise RangeError(f"Request.{name}: shape {array.shape}: expected {n} rows in {dims} dimensions.")

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.observation)

    @classmethod
    def of(cls, skill: int, observation: Floats, memory: Floats, *, version: int = 0, age: float = 0.0) -> Request:
        """Rows of one skill and version, all asked for."""
        n = len(observation)
        return cls(observation, memory, np.full(n, skill, dtype=np.uint16), np.full(n, version, dtype=np.uint64),
                   np.full(n, age, dtype=np.float32), np.ones(n, dtype=np.bool_))  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What n robots are to do."""

    verdict: NDArray[np.uint8]
    """A `Verdict` for each row, (n,)."""
    version: NDArray[np.uint64]
    """Version of the policy that acted, 0 where none did, (n,)."""
    action: Floats
    """Actions in [-1, 1], zeros beyond the policy's and where none acted, (n, columns)."""
    memory: Floats
    """To be sent with the next observation, (n, columns as in the request); the old one where none acted, zeros where
    that is not finite and beyond the policy's."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.verdict)


def fallback(request: Request, verdict: Verdict, num_actions: int) -> Answer:
    """The answer of a brain that does not act: zeros, and the memory kept."""
    n = len(request)
    return Answer(np.full(n, verdict, dtype=np.uint8), np.zeros(n, dtype=np.uint64),
                  np.zeros((n, num_actions), dtype=np.float32), _finite(request.memory))  # fmt: skip


def _finite(memory: Floats) -> Floats:
    return np.where(np.isfinite(memory), memory, np.float32(0.0))


def _fresh(age: Floats, oldest: float) -> NDArray[np.bool_]:
    """Whether each age is one, and not beyond the oldest [s]."""
    return (age >= 0.0) & (age <= np.float32(oldest))


def joined(requests: list[Request]) -> Request:
    """Rows of several requests, one after the other; narrow arrays are filled up with NaN, which no policy accepts."""
    if len(requests) == 1:
        return requests[0]
    return Request(
        _stacked([r.observation for r in requests]), _stacked([r.memory for r in requests]),
        *(np.concatenate([getattr(r, k) for r in requests]) for k in ("skill", "version", "age", "mask")),
    )  # fmt: skip


def _stacked(parts: list[Floats]) -> Floats:
    width = max(part.shape[1] for part in parts)
    return np.concatenate([
        part if part.shape[1] == width else np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=np.nan)
        for part in parts
    ])  # fmt: skip


def split(answer: Answer, requests: list[Request]) -> list[Answer]:
    """The parts of an answer that belong to each of the requests that were joined."""
    out: list[Answer] = []
    first = 0
    for r in requests:
        rows = slice(first, first + len(r))
        memory = answer.memory[rows, : r.memory.shape[1]]
        out.append(Answer(answer.verdict[rows], answer.version[rows], answer.action[rows], memory))
        first += len(r)
    return out


class Brain:
    """Many policies for many robots.

    Args:
        shelf: The policies.
        oldest: Age from which an observation is stale [s].
    """

    is_remote = False
    """Whether an answer is waited for, so that who asks has something else to do meanwhile."""

    def __init__(self, shelf: Shelf, *, oldest: float = OLDEST) -> None:
        """Take both."""
        self.shelf, self.oldest = shelf, oldest

    def answer(self, request: Request) -> Answer:
        """Act on every row that can be acted on; the bits of a row do not depend on the others."""
        n = len(request)
        out = Answer(np.where(request.mask, np.uint8(Verdict.ACTED), np.uint8(Verdict.MASKED)),
                     np.zeros(n, dtype=np.uint64), np.empty((n, self.shelf.widest[2]), dtype=np.float32),
                     np.empty_like(request.memory))  # fmt: skip
        for skill, number in _groups(request):
            rows = np.flatnonzero((request.skill == skill) & (request.version == number) & request.mask)
            if rows.size:
                self._act(request, rows, int(skill), int(number), out)
        idle = out.verdict != Verdict.ACTED
        if idle.any():
            out.action[idle], out.memory[idle] = 0.0, _finite(request.memory[idle])
        return out

    def _act(self, request: Request, rows: NDArray[np.intp], skill: int, number: int, out: Answer) -> None:
        version = self.shelf.find(skill, number)
        if version is None:
            out.verdict[rows] = Verdict.NO_VERSION if self.shelf.has_skill(skill) else Verdict.NO_SKILL
            return
        tile, observation, memory = version.tile, request.observation, request.memory
        if observation.shape[1] < tile.num_inputs or memory.shape[1] < tile.num_memory:
            # What is missing is not a number; such rows have no room for an answer's memory either.
            fresh = _fresh(request.age[rows], self.oldest)
            out.verdict[rows] = np.where(fresh, np.uint8(Verdict.NOT_FINITE), np.uint8(Verdict.STALE))
            return
        is_whole = rows.size == len(request)
        given = observation[:, : tile.num_inputs] if is_whole else observation[rows, : tile.num_inputs]
        before = memory[:, : tile.num_memory] if is_whole else memory[rows, : tile.num_memory]
        fits, sound = np.ones((2, rows.size), dtype=np.bool_)
        action, kept = out.action[:, : tile.num_actions], out.memory[:, : tile.num_memory]
        if is_whole:
            # The usual case: straight into the answer; pages that are new cost as much as a tenth of the network.
            tile.act(given, before, action=action, kept=kept, fits=fits, sound=sound)
        else:
            action[rows], kept[rows] = tile.act(given, before, fits=fits, sound=sound)
        if out.action.shape[1] > tile.num_actions:
            out.action[rows, tile.num_actions :] = 0.0
        if out.memory.shape[1] > tile.num_memory:
            out.memory[rows, tile.num_memory :] = 0.0
        out.version[slice(None) if is_whole else rows] = version.number
        fresh = _fresh(request.age if is_whole else request.age[rows], self.oldest)
        if fits.all() and fresh.all() and sound.all():
            return
        verdicts = np.where(fits, np.uint8(Verdict.ACTED), np.uint8(Verdict.OUT_OF_RANGE))
        finite = np.isfinite(given).all(axis=1) & np.isfinite(before).all(axis=1)
        verdicts[~fits & ~finite] = Verdict.NOT_FINITE
        verdicts[~fresh] = Verdict.STALE
        bad = (verdicts == Verdict.ACTED) & ~sound
        verdicts[bad] = Verdict.BAD_ACTION
        out.verdict[rows] = verdicts
        idle = rows[verdicts != Verdict.ACTED]
        out.version[idle] = 0
        if bad.any():
            self._give_up(version)

    def _give_up(self, version: Version) -> None:
        """Roll back a version whose own numbers fail, where there is one before."""
        if self.shelf.current(version.skill) is not version:
            return
        try:
            self.shelf.roll_back(version.skill)
        except FileError:
            return  # the only version there is; its good rows still serve


def _groups(request: Request) -> list[tuple[np.uint16, np.uint64]]:
    """Every pair of skill and version that is asked for."""
    if not len(request):
        return []
    if (request.skill == request.skill[0]).all() and (request.version == request.version[0]).all():
        return [(request.skill[0], request.version[0])]
    return [
        (skill, number)
        for skill in np.unique(request.skill)
        for number in np.unique(request.version[request.skill == skill])
    ]
