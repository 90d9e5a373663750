# SPDX-License-Identifier: Apache-2.0
"""Workers that Ray places: on one machine or on the nodes of a cluster. Needs `stope[ray]`.

One actor is one worker, and holds its worlds while it lives; a learner's ranks are actors too, and what passes between
them goes over plain `torch.distributed`. An actor or a node that dies costs the units that were there, which others
then do. Ray's own retries stay off: they would say nothing.

Written against Ray 2.60 (its core alone: no Train, no Data, no dashboard).
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stope.base.errors import ConfigError, MissingExtra, WorkerLost
from stope.base.progress import Progress, silent
from stope.base.ranks import Group
from stope.base.workers import MOST_TRIES, Book, Keep, Unit, attempt, failed, first_answer

__all__ = ["RayWorkers"]

LOCAL = "local"
LOOPBACK = "127.0.0.1"


def _ray() -> Any:
    # Nothing is told to Ray's makers, and actors without accelerators see what the machine has.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise MissingExtra("ray is not installed. Install the extra: pip install -e '.[ray]'.") from None


class _Actor:
    """One worker."""

    def do(self, unit: Unit) -> tuple[bool, Any]:
        return attempt(unit)

    def meet(self) -> str:
        """An address of this worker's node at which ranks can meet."""
        host = importlib.import_module("ray").util.get_node_ip_address()
        with socket.socket() as free:
            free.bind((host, 0))
            return f"tcp://{host}:{free.getsockname()[1]}"


class RayWorkers:
    """Actors on a Ray cluster."""

    def __init__(self, address: str, num: int | None = None) -> None:
        """Join a cluster, or start one on this machine.

        Args:
            address: `local`, or HOST:PORT of the head node; this process must run on one of the nodes.
            num: Workers; as many as the cluster has cores if left out.

        Raises:
            MissingExtra: without Ray.
            ConfigError: no cluster at the address, or fewer than one worker.
        """
        self.ray = _ray()
        if num is not None and num < 1:
            raise ConfigError(f"workers = {num}: expected 1 or more.")
        if not self.ray.is_initialized():
            # What this process can import its workers can.
            seen = {"env_vars": {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}}
            common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": seen}
            try:
                if address == LOCAL:
                    self.ray.init(
                        address="local", num_cpus=num, include_dashboard=False, _node_ip_address=LOOPBACK, **common
                    )
                else:
                    self.ray.init(address=address, **common)
            except (ConnectionError, ValueError, RuntimeError) as error:
                text = " ".join(str(error).split())[:200]
                raise ConfigError(f"ray://{address}: no cluster there ({text}). Start one: ray start --head.") from None
        cores = max(1, int(self.ray.cluster_resources().get("CPU", 1)))
        self.num = num or cores
        if self.num > cores:  # an actor without a core would never start
            raise ConfigError(f"ray://{address}: {self.num} workers on {cores} cores: expected at most one a core.")

    @classmethod
    def of(cls, text: str) -> RayWorkers:
        """Of `ray://local?num=2` or `ray://HOST:PORT?num=8`.

        Raises:
            ConfigError: no address, or a query that is not `num=N`.
        """
        parts = urlsplit(text)
        query = parse_qs(parts.query, keep_blank_values=True)
        num = query.pop("num", [None])[0]
        if not parts.netloc or query or (num is not None and not num.isdecimal()):
            raise ConfigError(f"--workers {text}: expected ray://local or ray://HOST:PORT, with ?num=N or without.")
        return cls(parts.netloc, None if num is None else int(num))

    def do(self, units: Sequence[Unit], *, progress: Progress = silent, keep: Keep | None = None) -> list[Any]:
        """See `stope.base.workers.Workers`."""
        if not units:
            return []
        kind = self._kind()
        crew = [kind.remote() for _ in range(min(self.num, len(units)))]
        book, at = Book(units, progress, keep), dict[Any, tuple[int, int]]()
        idle = list(range(len(crew)))
        try:
            while not book.is_done:
                while idle and (unit := book.next()) is not None:
                    k = idle.pop()
                    at[crew[k].do.remote(units[unit])] = (k, unit)
                (ready, *_), _ = self.ray.wait(list(at), num_returns=1)
                k, unit = at.pop(ready)
                try:
                    book.take(unit, self.ray.get(ready))
                except self.ray.exceptions.RayTaskError as error:  # `attempt` raises nothing: its answer did not pickle
                    raise failed(units[unit].name, error.cause, what="its answer cannot travel: ") from None
                except self.ray.exceptions.RayError:  # the actor, its node or its answer is gone
                    book.lost(unit)
                    crew[k] = kind.remote()
                idle.append(k)
        finally:
            for actor in crew:
                self.ray.kill(actor)
        return book.answers

    def together(self, unit: Unit, *, progress: Progress = silent) -> Any:
        """See `stope.base.workers.Workers`; how far the first rank is cannot be told."""
        for _ in range(MOST_TRIES):
            kind = self._kind()
            crew = [kind.remote() for _ in range(self.num)]
            try:
                meet = self.ray.get(crew[0].meet.remote())
                at = [actor.do.remote(unit.of(Group(rank, self.num, meet))) for rank, actor in enumerate(crew)]
                return first_answer(self.ray.get(at))
            except self.ray.exceptions.RayTaskError as error:
                raise failed(unit.name, error.cause, what="its answer cannot travel: ") from None
            except self.ray.exceptions.RayError:  # an actor or its node is gone, and the others with it
                continue
            finally:
                for actor in crew:
                    self.ray.kill(actor)
        raise WorkerLost(f"{unit.name}: ranks of it died {MOST_TRIES} times. Is memory short?")

    def _kind(self) -> Any:
        """The class of actors."""
        return self.ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD")(_Actor)
