# SPDX-License-Identifier: Apache-2.0
"""A run directory: one configuration, and stages that are each done once.

A stage is a file that is there whole or not at all, so a run killed anywhere goes on with the first stage that has no
file and ends as if it had never been killed. Wall-clock is kept apart from results, in `timing.json`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stope.base.config import as_dict, content_hash
from stope.base.errors import ConfigError
from stope.base.files import read_json, write_json

__all__ = ["HEADER", "Run"]

HEADER = "run"
"""Under which word the metadata of a checkpoint hold how far it is, for who looks at that alone."""


class Run:
    """The files of one run.

    Args:
        folder: Where; made when it is not there.
        config: What the run does; plain data or a dataclass.

    Raises:
        ConfigError: if the folder holds a run of another configuration.
        FileError: if its `run.json` is broken.
    """

    def __init__(self, folder: Path, config: Any) -> None:
        """Open the folder."""
        self.folder, self.config_hash = Path(folder), content_hash(config)
        head = self.folder / "run.json"
        if head.exists():
            found = read_json(head, what="run").get("config_hash")
            if found != self.config_hash:
                raise ConfigError(
                    f"{self.folder}: holds a run of another configuration ({found}, asked for {self.config_hash}). "
                    "Choose another folder with --out, or delete this one."
                )
        else:
            write_json(head, {"config_hash": self.config_hash, "config": as_dict(config)})

    def path(self, name: str) -> Path:
        """Path of a file of the run; its folder is made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def json(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The JSON object of a stage: read when it is there, else made and written.

        What is returned is always what was read back, so that a resumed run sees the same numbers as an unbroken one.
        """
        path = self.path(name)
        if not path.exists():
            write_json(path, make())
        return read_json(path, what=f"stage {name!r}")

    @contextmanager
    def timed(self, stage: str) -> Generator[None]:
        """Add the wall-clock of the block to the stage's, also when the block is left by an exception."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = self.timing()
            seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
            write_json(self.path("timing.json"), seconds)

    def timing(self) -> dict[str, float]:
        """Wall-clock by stage so far, over all attempts [s]."""
        path = self.path("timing.json")
        return dict(read_json(path, what="timing")) if path.exists() else {}
