# SPDX-License-Identifier: Apache-2.0
"""What other installed packages bring: entry points of `stope.bodies`, `stope.robots`, `stope.tasks`, `stope.formats`.

An entry point is looked up when a name is not one of the package's, and imported only when its thing is asked for. A
name of the package stays its own, and where names are listed another of that name is refused: a result must not depend
on what else is installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from stope.base.errors import ConfigError

__all__ = ["check_name", "plugged", "plugged_file", "plugged_thing"]


def plugged(group: str, own: Iterable[str] = ()) -> dict[str, EntryPoint]:
    """Entry points of a group, by name.

    Args:
        group: Such as `stope.robots`.
        own: Names that the package has itself.

    Raises:
        ConfigError: a name that the package or another plug-in has.
    """
    taken, found = set(own), dict[str, EntryPoint]()
    for point in entry_points(group=group):
        if point.name in taken or found.get(point.name, point) != point:
            raise ConfigError(f"entry point {group}: {point.name} = {point.value!r}: the name is taken. Rename it or "
                              "uninstall its package.")  # fmt: skip
        found[point.name] = point
    return found


def plugged_thing(point: EntryPoint) -> Any:
    """Import what an entry point names.

    Raises:
        ConfigError: it cannot be imported.
    """
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"entry point {point.group}: {point.name} = {point.value!r}: {error}.") from error


def check_name(point: EntryPoint, name: str) -> None:
    """Refuse a file whose name is not that of its entry point.

    Raises:
        ConfigError: it is another.
    """
    if name != point.name:
        raise ConfigError(f"entry point {point.group}: {point.name}: its file says name = {name!r}: expected the same.")


def plugged_file(point: EntryPoint) -> Path:
    """The TOML file that an entry point names, as a path or a function that returns one.

    Raises:
        ConfigError: it is something else, or no such file.
    """
    thing = plugged_thing(point)
    thing = thing() if callable(thing) else thing
    if not isinstance(thing, str | Path) or Path(thing).suffix != ".toml" or not Path(thing).is_file():
        raise ConfigError(f"entry point {point.group}: {point.name} = {thing!r}: expected the path of a TOML file.")
    return Path(thing)
