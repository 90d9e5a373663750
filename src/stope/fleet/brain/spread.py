# SPDX-License-Identifier: Apache-2.0
"""SpreadBrain: a brain whose rows are answered on several machines, by Ray actors that hold the same policies.

One brain fills a core; ten thousand robots at 1 Hz need a tenth of one. This is for fleets beyond one machine. Rows go
out in shares of whole tiles; a row's bits are those of a brain in process, on machines that are alike. Robots lose
nothing with a machine: its share gets the fallback once, and another actor takes its place. A policy that changes is
sent to every machine, which checks it beside its work; until it holds it, it acts with the version before.

Needs `stope[ray]`. What travels is pickled by this process and by the actors it starts, over Ray's own channels.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any

from stope.base.ray_workers import RayWorkers
from stope.fleet.brain.answering import OLDEST, Answer, Brain, Request, Verdict, fallback
from stope.fleet.brain.shelf import CURRENT, Shelf, number_of
from stope.fleet.brain.tiles import ROWS, Policy

__all__ = ["SpreadBrain"]

PATIENCE = 0.25
"""Time that a machine has for its share [s]; chosen: half of the deadline of a robot that asks at 1 Hz."""


class _Actor:
    """What runs on a machine."""

    def __init__(self, oldest: float) -> None:
        self.brain, self._lock = Brain(Shelf(is_empty=True), oldest=oldest), threading.Lock()

    def hold(self, policies: list[tuple[str, Policy]]) -> None:
        for skill, policy in policies:
            self.brain.shelf.put(skill, policy, source=skill)

    def answer(self, request: Request) -> Answer:
        with self._lock:  # tiles have one set of buffers
            return self.brain.answer(request)


@dataclass(slots=True, eq=False)
class _Machine:
    """An actor, the versions it holds and those it was sent, and calls that are not over."""

    actor: Any
    held: set[int] = field(default_factory=set[int])
    sent: set[int] = field(default_factory=set[int])
    sending: Any = None
    answering: Any = None


class SpreadBrain(Brain):
    """A brain on several machines.

    Args:
        shelf: The policies, here; machines follow it.
        workers: A Ray cluster; as many actors as it has workers.
        oldest: Age from which an observation is stale [s].
        patience: Time that a machine has for its share [s].
    """

    is_remote = True

    def __init__(
        self, shelf: Shelf, workers: RayWorkers, *, oldest: float = OLDEST, patience: float = PATIENCE
    ) -> None:
        """Start the actors, and wait until each holds every policy."""
        super().__init__(shelf, oldest=oldest)
        self.patience, self._ray = patience, workers.ray
        # Two calls at a time: an actor answers while it checks a policy that is new.
        self._kind = self._ray.remote(
            num_cpus=1, max_restarts=0, max_task_retries=0, max_concurrency=2, scheduling_strategy="SPREAD"
        )(_Actor)
        self._machines = [self._started() for _ in range(workers.num)]
        self._ray.get([m.sending for m in self._machines])
        self._look()

    def answer(self, request: Request) -> Answer:
        """See `Brain.answer`; rows of a machine that is late or gone get the fallback, `NO_ANSWER`."""
        self._look()
        out = fallback(request, Verdict.NO_ANSWER, self.shelf.widest[2])
        ready = [m for m in self._machines if m.held and m.answering is None]
        asked: list[tuple[_Machine, slice, Request]] = []
        for machine, rows in zip(ready, _shares(len(request), len(ready)), strict=True):
            if rows.stop > rows.start:
                part = _pinned(request, rows, self.shelf, machine.held)
                machine.answering = machine.actor.answer.remote(part)
                asked.append((machine, rows, part))
        if asked:
            self._ray.wait([m.answering for m, _, _ in asked], num_returns=len(asked), timeout=self.patience)
        for machine, rows, part in asked:
            answer = self._end(machine)
            if answer is not None:
                _write(out, rows, answer)
                bad = answer.verdict == Verdict.BAD_ACTION
                for skill, number in {*zip(part.skill[bad].tolist(), part.version[bad].tolist(), strict=True)}:
                    version = self.shelf.find(skill, number)
                    if version is not None:
                        self._give_up(version)
        return out

    def close(self) -> None:
        """End the actors."""
        for machine in self._machines:
            self._ray.kill(machine.actor)

    def _end(self, machine: _Machine) -> Answer | None:
        """The answer of a machine that is done; a machine that is gone is replaced."""
        if not self._ray.wait([machine.answering], timeout=0)[0]:
            return None
        done, machine.answering = machine.answering, None
        try:
            return self._ray.get(done)
        except self._ray.exceptions.RayError:
            self._machines[self._machines.index(machine)] = self._started()
            return None

    def _started(self) -> _Machine:
        machine = _Machine(self._kind.remote(self.oldest))
        self._send(machine)
        return machine

    def _send(self, machine: _Machine) -> None:
        """Send a machine what it lacks."""
        missing = [v for v in self.shelf.versions() if v.number not in machine.sent]
        if missing:
            machine.sent |= {v.number for v in missing}
            machine.sending = machine.actor.hold.remote([(v.skill, v.tile.policy) for v in missing])

    def _look(self) -> None:
        """See what machines hold by now and who is free again, send what is new, and replace those that are gone."""
        for k, machine in enumerate(self._machines):
            if machine.answering is not None:
                self._end(machine)
            if machine.sending is None:
                self._send(machine)
            elif self._ray.wait([machine.sending], timeout=0)[0]:
                try:
                    self._ray.get(machine.sending)
                    machine.held, machine.sending = set(machine.sent), None
                except self._ray.exceptions.RayError:
                    self._machines[k] = self._started()


def _shares(num: int, machines: int) -> list[slice]:
    """Rows of each machine, in whole tiles."""
    tiles = -(-num // ROWS)
    ends = [min(num, ROWS * (tiles * (k + 1) // machines)) for k in range(machines)]
    return [slice(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)] if machines else []


def _pinned(request: Request, rows: slice, shelf: Shelf, held: set[int]) -> Request:
    """A share whose rows say which version acts: the newest that the machine holds."""
    part = Request(request.observation[rows], request.memory[rows], request.skill[rows], request.version[rows],
                   request.age[rows], request.mask[rows])  # fmt: skip
    version = part.version.copy()
    newest = {number_of(v.skill): v.number for v in shelf.versions() if v.number in held}
    for skill, number in newest.items():
        version[(part.skill == skill) & (part.version == CURRENT)] = number
    return replace(part, version=version)


def _write(out: Answer, rows: slice, part: Answer) -> None:
    columns = min(out.action.shape[1], part.action.shape[1])
    out.verdict[rows], out.version[rows], out.memory[rows] = part.verdict, part.version, part.memory
    out.action[rows, :columns] = part.action[:, :columns]
