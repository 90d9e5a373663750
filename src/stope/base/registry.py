# SPDX-License-Identifier: Apache-2.0
"""Registry: name to thing, with tags, near-miss suggestions and the command that lists all names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from typing import Generic, TypeVar

from stope.base.errors import ConfigError, UnknownName
from stope.base.plugins import plugged, plugged_thing

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind of thing."""

    def __init__(self, kind: str, listing: str, group: str = "") -> None:
        """Take what the things are called, the command that lists them, and the entry points that add some."""
        self.kind, self.listing, self.group = kind, listing, group
        self._things: dict[str, T] = {}
        self._tags: dict[str, tuple[str, ...]] = {}

    def add(self, name: str, thing: T, tags: tuple[str, ...] = ()) -> None:
        """Add a thing.

        Raises:
            ConfigError: if the name is taken.
        """
        if name in self._things:
            raise ConfigError(f"{self.kind} {name!r} is registered twice. Choose another name.")
        self._things[name], self._tags[name] = thing, tags

    def register(self, name: str, tags: tuple[str, ...] = ()) -> Callable[[T], T]:
        """Decorator form of `add`."""

        def decorate(thing: T) -> T:
            self.add(name, thing, tags)
            return thing

        return decorate

    def get(self, name: str) -> T:
        """The thing of that name.

        Raises:
            UnknownName: with the closest known name.
        """
        if name in self._things:
            return self._things[name]
        outside = self._outside()
        if name not in outside:
            raise UnknownName.of(self.kind, name, self.names(), listing=self.listing)
        return plugged_thing(outside[name])

    def names(self, tag: str | None = None) -> tuple[str, ...]:
        """All names, or those with a tag, sorted."""
        own = (n for n in self._things if tag is None or tag in self._tags[n])
        return tuple(sorted([*own, *(self._outside() if tag is None else ())]))

    def _outside(self) -> dict[str, EntryPoint]:
        return plugged(self.group, self._things) if self.group else {}

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        """Whether a name is known."""
        return name in self._things or name in self._outside()
