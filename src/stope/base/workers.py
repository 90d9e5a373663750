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
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, Protocol

from stope.base.errors import ConfigError, UnitFailed, WorkerLost
from stope.base.progress import Progress, silent

__all__ = ["Book", "Here", "Processes", "Unit", "Workers", "attempt", "failed", "make_workers"]

MOST_TRIES = 3
"""Workers that a unit may cost before it is given up; a unit that kills three is at fault itself."""
RAY = "ray://"
STAGE = "units of work"

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
    """Whether the call takes `show`, a function that is told the share done; other processes do not tell."""

    def do(self, show: Callable[[float], None] | None = None) -> Any:
        """Its answer."""
        return self.call(*self.arguments, show=show) if self.shows else self.call(*self.arguments)


class Workers(Protocol):
    """Who does units."""

    @property
    def num(self) -> int:
        """Units done at a time."""
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
                    at, worker.at = worker.at, None
                    assert at is not None
                    try:
                        book.take(at, worker.pipe.recv())
                    except (EOFError, ConnectionResetError):
                        book.lost(at)
                        worker.end()
                        crew[crew.index(worker)] = _Worker()
        finally:
            for worker in crew:
                worker.end()
        return book.answers


class Book:
    """Which unit is where, and what came of it; shared by all kinds of workers."""

    def __init__(self, units: Sequence[Unit], progress: Progress, keep: Keep | None = None) -> None:
        """Take the units, all waiting, the first on top."""
        self.units, self.progress, self.keep = units, progress, keep
        self.answers: list[Any] = [None] * len(units)
        self.waiting, self.tries, self.num_done = list(range(len(units)))[::-1], [0] * len(units), 0

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
        self.progress(STAGE, self.num_done / len(self.units))

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


def attempt(unit: Unit) -> tuple[bool, Any]:
    """Whether a unit went well, and its answer or what it raised, as far as that can travel."""
    try:
        return True, unit.do()
    except Exception as error:  # noqa: BLE001 -- it is raised again where the unit was given out
        return False, _travelling(error, unit.name)


def _travelling(error: Exception, name: str) -> Exception:
    """An exception that arrives whole, or else its type and message in one that does."""
    try:
        pickle.loads(pickle.dumps(error))  # our own bytes; many a class pickles and cannot be made again
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
            given = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        pipe.send_bytes(_answer(given))


def _answer(given: bytes) -> Any:
    """Bytes of the answer to the bytes of a unit."""
    name = "a unit of work"
    try:
        unit: Unit = pickle.loads(given)  # of the process that started this one
        name = unit.name
    except Exception as error:  # noqa: BLE001 -- as in `attempt`
        return ForkingPickler.dumps((False, failed(name, error, what="cannot be read by a worker: ")))
    answer = attempt(unit)
    try:
        return ForkingPickler.dumps(answer)
    except Exception as error:  # noqa: BLE001 -- as in `attempt`
        return ForkingPickler.dumps((False, failed(name, error, what="its answer cannot travel: ")))


def make_workers(text: str) -> Workers:
    """Workers of a command line: a number of processes, or `ray://ADDRESS` with how many: `ray://local?num=2`.

    Raises:
        ConfigError: neither.
        MissingExtra: Ray without `stope[ray]`.
    """
    if text.startswith(RAY):
        from stope.base.ray_workers import RayWorkers  # noqa: PLC0415 -- an extra

        return RayWorkers.of(text)
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"--workers {text}: expected a number of processes from 1, or ray://ADDRESS.")
    return Here() if int(text) == 1 else Processes(int(text))
