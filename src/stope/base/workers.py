# SPDX-License-Identifier: Apache-2.0
"""Workers: units of work done here, in processes of this machine, or by Ray on several; the answers are the same.

A unit is a call of a module's function with arguments that say everything, its seed included, so that it does not
matter who does it, when, or how often. A worker that dies costs the unit it was at, which another then does; answers
come back in the order of the units. What travels between workers is pickled by the process that made it, over pipes
of this machine or Ray's own channels; nothing of it is ever read from a file.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Protocol

from stope.base.config import whole
from stope.base.errors import ConfigError, StopeError, UnitFailed, WorkerLost
from stope.base.progress import Progress, silent
from stope.base.ranks import Group

__all__ = ["Book", "Here", "Processes", "Unit", "Workers", "attempt", "failed", "first_answer", "make_workers"]

MOST_TRIES = 3
"""Workers that a unit may cost before it is given up; a unit that kills three is at fault itself."""
RAY = "ray://"
MOST_PROCESSES = 1024
"""That one machine is asked for; chosen."""
STAGE = "units of work"
TELLS = None
"""In place of whether a unit went well: it is still at work."""
GRACE = 5.0
"""Between the failure of one rank and the belief that no other has died [s]; chosen."""

Keep = Callable[[int, Any], None]


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work."""

    call: Callable[..., Any]
    """A function of a module; what a closure holds does not travel."""
    arguments: tuple[Any, ...]
    name: str
    """For people, in errors."""
    shows: bool = False
    """Whether the call takes `show`, a function that is told the share done; Ray's workers do not tell."""

    def of(self, group: Group) -> Unit:
        """The same unit as done by one rank; the first alone tells how far it is."""
        return Unit(self.call, (group, *self.arguments), f"{self.name}, rank {group.rank}", shows=self.shows)

    def do(self, show: Callable[[float], None] | None = None) -> Any:
        """Its answer."""
        return self.call(*self.arguments, show=show) if self.shows else self.call(*self.arguments)


class Workers(Protocol):
    """Who does units."""

    @property
    def num(self) -> int:
        """Units done at a time."""
        ...

    def together(self, unit: Unit, *, progress: Progress = silent) -> Any:
        """Do one unit by all workers at a time, each a rank of a group, and return the answer of the first.

        Args:
            unit: Its call takes a `Group` before its arguments.
            progress: Told of the share that the first rank has done, where it can be.

        Raises:
            WorkerLost: ranks that died `MOST_TRIES` times; a rank that dies has all of them start again.
            Exception: as in `do`.
        """
        ...

    def do(self, units: Sequence[Unit], *, progress: Progress = silent, keep: Keep | None = None) -> list[Any]:
        """Answers in the order of the units.

        Args:
            units: What to do.
            progress: Told of the share done.
            keep: Given each answer with the place of its unit as soon as it is there, in this process and in no
                fixed order: what it writes down is not done again after a kill of this process.

        Raises:
            WorkerLost: a unit that took `MOST_TRIES` workers with it.
            UnitFailed: a unit raised what cannot be pickled, or its answer cannot be; names it in one line.
            Exception: what a unit raised, as it would here.
        """
        ...


class Here:
    """One after the other in this process."""

    num = 1

    def together(self, unit: Unit, *, progress: Progress = silent) -> Any:
        """See `Workers`."""
        return unit.of(Group()).do(lambda share: progress(STAGE, share))

    def do(self, units: Sequence[Unit], *, progress: Progress = silent, keep: Keep | None = None) -> list[Any]:
        """See `Workers`."""
        out: list[Any] = []
        for k, unit in enumerate(units):
            out.append(unit.do(lambda share, before=k: progress(STAGE, (before + share) / len(units))))
            if keep is not None:
                keep(k, out[k])
            progress(STAGE, (k + 1) / len(units))
        return out


class Processes:
    """Processes of this machine, started fresh, so that nothing of this one's threads comes along."""

    def __init__(self, num: int) -> None:
        """Take how many.

        Raises:
            ConfigError: fewer than one.
        """
        if num < 1:
            raise ConfigError(f"workers = {num}: expected 1 or more.")
        self.num = num

    def do(self, units: Sequence[Unit], *, progress: Progress = silent, keep: Keep | None = None) -> list[Any]:
        """See `Workers`."""
        if not units:
            return []
        crew = [_Worker() for _ in range(min(self.num, len(units)))]
        book = Book(units, progress, keep)
        try:
            while not book.is_done:
                for worker in crew:
                    if worker.at is None and (at := book.next()) is not None:
                        worker.give(at, units[at])
                for ready in wait([w.pipe for w in crew if w.at is not None]):
                    worker = next(w for w in crew if w.pipe is ready)
                    at = worker.at
                    assert at is not None
                    try:
                        answer = worker.pipe.recv()
                    except (EOFError, ConnectionResetError):
                        book.lost(at)
                        worker.end()
                        crew[crew.index(worker)] = _Worker()
                        continue
                    if answer[0] is TELLS:
                        book.tell(at, answer[1])
                        continue
                    worker.at = None
                    book.take(at, answer)
        finally:
            for worker in crew:
                worker.end()
        return book.answers

    def together(self, unit: Unit, *, progress: Progress = silent) -> Any:
        """See `Workers`."""
        for _ in range(MOST_TRIES):
            with tempfile.TemporaryDirectory(prefix="stope-ranks-") as folder:
                meet = (Path(folder) / "meet").as_uri()
                crew = [_Worker() for _ in range(self.num)]
                try:
                    for rank, worker in enumerate(crew):
                        worker.give(rank, unit.of(Group(rank, self.num, meet)))
                    answers = _all_answers(crew, lambda share: progress(STAGE, share))
                finally:
                    for worker in crew:
                        worker.end()
            if answers is not None:
                return first_answer(answers)
        raise WorkerLost(f"{unit.name}: ranks of it died {MOST_TRIES} times. Is memory short?")


def _all_answers(crew: Sequence[_Worker], show: Callable[[float], None]) -> list[tuple[bool, Any]] | None:
    """Answers of all ranks, or the failures alone as soon as one has failed; None when a rank has died."""
    answers: dict[int, tuple[bool, Any]] = {}
    while len(answers) < len(crew):
        failed = any(not is_well for is_well, _ in answers.values())
        # A rank whose neighbour died fails too, and may say so first: wait a little for the death itself.
        ready = wait([w.pipe for w in crew if w.at not in answers], GRACE if failed else None)
        if not ready:
            return [a for a in answers.values() if not a[0]]
        for worker in [w for w in crew if w.pipe in ready]:
            assert worker.at is not None
            try:
                answer = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                return None
            if answer[0] is not TELLS:
                answers[worker.at] = answer
            elif worker.at == 0:
                show(answer[1])
    return [answers[rank] for rank in range(len(crew))]


def first_answer(answers: Sequence[tuple[bool, Any]]) -> Any:
    """Answer of the first rank; where ranks failed, raise what one of them says on purpose, or else the first."""
    wrong = [value for is_well, value in answers if not is_well]
    if wrong:
        raise next((error for error in wrong if isinstance(error, StopeError)), wrong[0])
    return answers[0][1]


class Book:
    """Which unit is where, and what came of it; shared by all kinds of workers."""

    def __init__(self, units: Sequence[Unit], progress: Progress, keep: Keep | None = None) -> None:
        """Take the units, all waiting, the first on top."""
        self.units, self.progress, self.keep = units, progress, keep
        self.answers: list[Any] = [None] * len(units)
        self.waiting, self.tries, self.num_done = list(range(len(units)))[::-1], [0] * len(units), 0
        self.shares = [0.0] * len(units)

    @property
    def is_done(self) -> bool:
        """Whether every unit has an answer."""
        return self.num_done == len(self.units)

    def next(self) -> int | None:
        """A unit to give out; None while all are given out."""
        return self.waiting.pop() if self.waiting else None

    def take(self, at: int, answer: tuple[bool, Any]) -> None:
        """Write an answer of `attempt` down; raise what the unit raised."""
        is_well, value = answer
        if not is_well:
            raise value
        self.answers[at] = value
        if self.keep is not None:
            self.keep(at, value)
        self.num_done += 1
        self.tell(at, 1.0)

    def tell(self, at: int, share: float) -> None:
        """Say how far all is, one unit being that far; what a lost worker had done counts until it is done again."""
        self.shares[at] = max(self.shares[at], share)
        self.progress(STAGE, sum(self.shares) / len(self.units))

    def lost(self, at: int) -> None:
        """A worker died at a unit: it waits again."""
        self.tries[at] += 1
        if self.tries[at] >= MOST_TRIES:
            raise WorkerLost(f"{self.units[at].name}: {MOST_TRIES} workers died of it. Is memory short?")
        self.waiting.append(at)


class _Worker:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        context = mp.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()  # so that its death is the end of the pipe
        self.at: int | None = None

    def give(self, at: int, unit: Unit) -> None:
        self.at = at
        with contextlib.suppress(BrokenPipeError):  # died idle: reading from it says so
            self.pipe.send(unit)

    def end(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def attempt(unit: Unit, show: Callable[[float], None] | None = None) -> tuple[bool, Any]:
    """Whether a unit went well, and its answer or what it raised, as far as that can travel."""
    try:
        return True, unit.do(show)
    except Exception as error:  # noqa: BLE001 -- it is raised again where the unit was given out
        return False, _travelling(error, unit.name)


def _travelling(error: Exception, name: str) -> Exception:
    """An exception that arrives whole, or else its type and message in one that does."""
    try:
        reduction: Any = ForkingPickler  # whose `loads` has no types
        reduction.loads(reduction.dumps(error))  # many a class pickles and cannot be made again
    except Exception:  # noqa: BLE001 -- whatever its methods raise, the first exception is what matters
        return failed(name, error)
    return error


def failed(name: str, error: BaseException, *, what: str = "") -> UnitFailed:
    """What is raised in place of an exception of a unit: one line with its type and message.

    Args:
        name: Of the unit.
        error: What was raised.
        what: Where, when it was not in the unit itself.
    """
    return UnitFailed(f"{name}: {what}{type(error).__name__}: {' '.join(str(error).split())}")


def _serve(pipe: Connection) -> None:
    """The life of a worker; it ends with the pipe, and so with who holds the other end."""
    while True:
        try:
            unit: Unit = pipe.recv()
        except (EOFError, OSError):
            return
        except Exception as error:  # noqa: BLE001 -- as in `attempt`
            pipe.send((False, failed("a unit of work", error, what="cannot be read by a worker: ")))
            continue
        pipe.send_bytes(_answer(unit, _Teller(pipe)))


class _Teller:
    """Sends the share done through a pipe, at most a hundred times."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.said = pipe, 0.0

    def __call__(self, share: float) -> None:
        if share >= self.said + 0.01:
            self.said = share
            self.pipe.send((TELLS, share))


def _answer(unit: Unit, show: Callable[[float], None]) -> Any:
    """Bytes of the answer to a unit."""
    answer = attempt(unit, show)
    try:
        return ForkingPickler.dumps(answer)
    except Exception as error:  # noqa: BLE001 -- as in `attempt`
        return ForkingPickler.dumps((False, failed(unit.name, error, what="its answer cannot travel: ")))


def make_workers(text: str) -> Workers:
    """Workers of a command line: a number of processes, or `ray://ADDRESS` with how many: `ray://local?num=2`.

    Raises:
        ConfigError: neither.
        MissingExtra: Ray without `stope[ray]`.
    """
    if text.startswith(RAY):
        from stope.base.ray_workers import RayWorkers  # noqa: PLC0415 -- an extra

        return RayWorkers.of(text)
    num = whole(text)
    if num is None or not 1 <= num <= MOST_PROCESSES:
        raise ConfigError(f"--workers {text[:40]}: expected a number of processes from 1 to {MOST_PROCESSES}, or "
                          "ray://ADDRESS.")  # fmt: skip
    return Here() if num == 1 else Processes(num)
