# SPDX-License-Identifier: Apache-2.0
"""Ranks: processes that do one thing together, over plain `torch.distributed`; one rank alone needs none of it.

Whoever starts them (`stope.base.workers`, or torchrun through the environment) tells each rank its number, how many
there are and where they meet. Everything that is exchanged comes from the group's own processes.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stope.base.device import HOST, collectives_of
from stope.base.errors import ConfigError

__all__ = ["Group"]

ENVIRONMENT = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun sets."""


@dataclass(frozen=True, slots=True)
class Group:
    """One rank of a group; by default one rank alone."""

    rank: int = 0
    size: int = 1
    meet: str = ""
    """Where the ranks meet, a URL as `torch.distributed` takes it: file, tcp or env."""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Group:
        """The rank that torchrun has made this process; one alone where it was not started so.

        Raises:
            ConfigError: a rank or a size that is no number, or does not fit.
        """
        given = os.environ if environment is None else environment
        if not all(given.get(name) for name in ENVIRONMENT):
            return cls()
        rank, size = given["RANK"], given["WORLD_SIZE"]
        if not (rank.isdecimal() and size.isdecimal() and int(rank) < int(size)):
            raise ConfigError(f"RANK={rank}, WORLD_SIZE={size}: expected a rank from 0, less than the size.")
        return cls(int(rank), int(size), "env://" if int(size) > 1 else "")

    @property
    def is_first(self) -> bool:
        """Whether this rank speaks for all: it evaluates, writes and prints."""
        return self.rank == 0

    def share(self, num: int, *, what: str) -> int:
        """Equal part of `num` that each rank has.

        Raises:
            ConfigError: if it cannot be shared out equally.
        """
        if num % self.size:
            raise ConfigError(f"{what} = {num}: expected a multiple of the {self.size} ranks that share it.")
        return num // self.size

    @contextmanager
    def joined(self, device: str = HOST) -> Generator[None]:
        """Meet the others, and part from them at the end; in between torch's collectives can be used."""
        if self.size == 1:
            yield
            return
        dist = _collectives()
        dist.init_process_group(collectives_of(device), init_method=self.meet, rank=self.rank, world_size=self.size)
        try:
            yield
        finally:
            dist.destroy_process_group()

    def gathered(self, value: Any) -> list[Any]:
        """Everybody's value in the order of ranks, at every rank."""
        if self.size == 1:
            return [value]
        out: list[Any] = [None] * self.size
        _collectives().all_gather_object(out, value)
        return out

    def agreed(self, value: Any) -> Any:
        """The first rank's value, at every rank."""
        if self.size == 1:
            return value
        out = [value]
        _collectives().broadcast_object_list(out, src=0)
        return out[0]


def _collectives() -> Any:
    """torch's, without types of their own."""
    return importlib.import_module("torch.distributed")  # one second of import
