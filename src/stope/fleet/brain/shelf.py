# SPDX-License-Identifier: Apache-2.0
"""Shelf: the policies a brain holds, by skill and version; swapped while it runs, and rolled back.

A version is the digest of a policy's weights, so that a row can say which weights moved which robot. A policy is read
and checked whole before it takes over; a file that is damaged changes nothing. The one before stays, for rows that
still ask for it and for rolling back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from stope.base.errors import FileError, UnknownName
from stope.fleet.brain.tiles import Policy, Tile, tile_of
from stope.learn.export import load_policy
from stope.learn.skills import SKILLS, shipped, shipped_names

__all__ = ["CURRENT", "Shelf", "Version", "number_of"]

CURRENT = 0
"""Version of a row that takes whatever is current."""
KEPT = 3
"""Versions of a skill that are held; chosen: the present one, the one before, and one more for slow robots."""
SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One policy, ready to act."""

    skill: str
    """Name of its skill."""
    number: int
    """First 64 bits of the digest of its weights; never `CURRENT`."""
    tile: Tile
    """What acts."""
    source: str
    """Where it was read from."""

    def summary(self) -> dict[str, Any]:
        """Name, version, and lengths of what goes in and out."""
        t = self.tile
        return {"skill": self.skill, "id": SKILLS.index(self.skill), "version": f"{self.number:016x}",
                "num_inputs": t.num_inputs, "num_memory": t.num_memory, "num_actions": t.num_actions}  # fmt: skip


class Shelf:
    """Versions by skill, the newest last."""

    def __init__(self, folder: Path | None = None, *, is_empty: bool = False) -> None:
        """Take policies from a folder of `SKILL.safetensors`, or else those that come with the package, or none yet.

        Raises:
            FileError: a folder without a policy, or a policy that is not whole.
        """
        self._lock = Lock()
        """Of the versions: a reload runs beside the answering."""
        self._versions: dict[str, list[Version]] = {}
        self._faulty: set[tuple[str, int]] = set()
        self._stamps: dict[str, tuple[int, int]] = {}
        self.folder = folder
        self.num_rolled_back = 0
        """Times a version was given up."""
        if folder is None:
            for skill in () if is_empty else shipped_names():
                policy, path = shipped(skill)
                self.put(skill, policy, source=path.name)
            return
        problems = self.reload()
        if problems or not self._versions:
            raise FileError(problems[0] if problems else f"{folder}: no policy. Expected files such as dock{SUFFIX}.")

    @property
    def skills(self) -> tuple[str, ...]:
        """Skills with a policy."""
        return tuple(sorted(self._versions))

    @property
    def widest(self) -> tuple[int, int, int]:
        """Largest lengths of inputs, memory and actions over all that is held."""
        tiles = [v.tile for versions in self._versions.values() for v in versions]
        return (max(t.num_inputs for t in tiles), max(t.num_memory for t in tiles), max(t.num_actions for t in tiles))

    def put(self, skill: str, policy: Policy, *, source: str) -> Version:
        """Check a policy and make it the current one of a skill.

        Raises:
            UnknownName: no such skill.
            FileError: a policy that does not pass its check, or that was rolled back before; the one before stays.
        """
        if skill not in SKILLS:
            raise UnknownName.of("skill", skill, SKILLS, listing="stope world tasks")
        number = int(policy.digest, 16) or 1
        if (skill, number) in self._faulty:
            raise FileError(f"{source}: version {number:016x} of {skill} was rolled back. Train it again.")
        held = self._versions.get(skill, [])
        if held and held[-1].number == number:
            return held[-1]
        tile = tile_of(policy)
        tile.check(where=source)
        version = Version(skill, number, tile, source)
        with self._lock:  # the check takes a while, in which a version may have been rolled back
            held = self._versions.get(skill, [])
            self._versions[skill] = [*(v for v in held if v.number != number), version][-KEPT:]
        return version

    def reload(self) -> list[str]:
        """Read what changed in the folder; return one line for each file that was refused."""
        problems: list[str] = []
        for path in sorted(self.folder.glob(f"*{SUFFIX}")) if self.folder is not None else []:
            try:
                state = path.stat()
                stamp = (state.st_mtime_ns, state.st_size)
                if self._stamps.get(path.name) == stamp:
                    continue
                self._stamps[path.name] = stamp
                skill, policy = path.name.removesuffix(SUFFIX), load_policy(path)
                if skill in SKILLS and policy.card.get("task") != skill:
                    raise FileError(f"{path}: a policy of task {policy.card.get('task')!r}: expected {skill!r}, as its "
                                    "name says.")  # fmt: skip
                self.put(skill, policy, source=str(path))
            except (FileError, UnknownName, OSError) as error:
                text = str(error)
                problems.append(text if str(path) in text else f"{path}: {text}")
        return problems

    def roll_back(self, skill: str) -> Version:
        """Make the version before the current one again; the one given up is not taken from a file a second time.

        Raises:
            UnknownName: no such skill.
            FileError: there is none before.
        """
        if skill not in self._versions:
            raise UnknownName.of("skill", skill, self.skills, listing="stope fleet serve --json")
        with self._lock:
            held = self._versions[skill]
            if len(held) < 2:
                raise FileError(f"{skill}: version {held[-1].number:016x} is the only one held: nothing to roll back "
                                "to.")  # fmt: skip
            self._faulty.add((skill, held[-1].number))
            self._versions[skill] = held[:-1]
            self.num_rolled_back += 1
            return held[-2]

    def current(self, skill: str) -> Version:
        """The current version of a skill that has a policy."""
        return self._versions[skill][-1]

    def find(self, skill: int, number: int) -> Version | None:
        """The version a row asks for by number of skill and version; None if it is not held."""
        name = SKILLS[skill] if 0 <= skill < len(SKILLS) else ""
        held = self._versions.get(name)
        if not held:
            return None
        if number == CURRENT:
            return held[-1]
        return next((v for v in held if v.number == number), None)

    def has_skill(self, skill: int) -> bool:
        """Whether a number of a skill is one with a policy."""
        return 0 <= skill < len(SKILLS) and SKILLS[skill] in self._versions

    def versions(self) -> list[Version]:
        """Every version, by skill, the newest of each last."""
        return [v for _, held in sorted(self._versions.items()) for v in held]

    def summary(self) -> list[dict[str, Any]]:
        """Every version, the current ones marked."""
        return [v.summary() | {"is_current": v is held[-1]} for _, held in sorted(self._versions.items()) for v in held]


def number_of(skill: str) -> int:
    """Number of a skill in frames and arrays.

    Raises:
        UnknownName: no such skill.
    """
    if skill not in SKILLS:
        raise UnknownName.of("skill", skill, SKILLS, listing="stope world tasks")
    return SKILLS.index(skill)
