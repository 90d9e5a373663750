# SPDX-License-Identifier: Apache-2.0
"""The robots of a run as it is now, as a replay page that is made when somebody asks for it.

A training's newest weights are flown in a few worlds of their own, which takes the machine some seconds; a mission's
kept month is read as far as it is there.
"""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from typing import Any

from stope.base.errors import FileError, StopeError
from stope.learn.skill_training import SkillConfig
from stope.learn.under_way import policy_under_way
from stope.view.replay import Replay
from stope.view.replay.month import is_month_folder, record_month
from stope.view.replay.page import render_replay
from stope.view.replay.skill import record_contact, record_flight_skill

__all__ = ["Robots", "record_run"]

NUM_WORLDS = 9
"""In which a training's policy is flown (chosen: enough to see what goes wrong, seconds to fly)."""


def record_run(run: Path, *, num_worlds: int = NUM_WORLDS, seed: int = 1) -> tuple[Replay, str]:
    """The robots of a training or of a mission, and what they are robots of, in words.

    Args:
        run: Folder of the one or the other.
        num_worlds: Of a training's policy.
        seed: Of these worlds.

    Raises:
        FileError: nothing to see yet, or a broken file.
    """
    if is_month_folder(run):
        replay = record_month(run)
        return replay, f"the fleet until day {replay.times[-1] / 86400.0:g}"
    if (run / "run.json").is_file():
        raise FileError(f"{run}: no day of a month is kept yet, or this mission keeps none.")
    found = policy_under_way(run)
    said = f"iteration {found.iteration}"
    record: Any = record_contact if isinstance(found.config, SkillConfig) else record_flight_skill
    replay = record(found.policy, found.config, num_worlds=num_worlds, seed=seed)
    replay.title = f"{replay.title}, after {said}"
    replay.facts = {"run": run.name, "policy of": said, "policy digest": found.policy.digest, "seed": str(seed)}
    return replay, said


class Robots:
    """One page at a time; a new one takes the place of the one before.

    A page lies behind a name that cannot be guessed, because a browser opens it without the token.
    """

    def __init__(self) -> None:
        """No page."""
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {"status": "none"}
        self._page, self._name, self._made = b"", "", 0.0

    def state(self) -> dict[str, Any]:
        """`status` none, making, ready or failed; `of`, `path` and `age_s` of a page, `fault` in one line."""
        with self._lock:
            age = {"age_s": time.monotonic() - self._made} if self._name else {}
            return self._state | age

    def page(self, name: str) -> bytes | None:
        """The page of that name, if it is the newest."""
        with self._lock:
            return self._page if self._name and secrets.compare_digest(name.encode(), self._name.encode()) else None

    def ask(self, run: Path) -> None:
        """Begin a new page, unless one is being made."""
        with self._lock:
            if self._state["status"] == "making":
                return
            self._state = self._state | {"status": "making"}
        threading.Thread(target=self._make, args=(run,), daemon=True).start()

    def _make(self, run: Path) -> None:
        try:
            replay, said = record_run(run)
            page, name = render_replay(replay).encode("utf-8"), secrets.token_urlsafe(24)
        except StopeError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 -- a thread's error has no other way to whoever asked
            self._failed(f"{run}: its robots cannot be shown ({type(error).__name__}: {error}).")
        else:
            with self._lock:
                self._page, self._name, self._made = page, name, time.monotonic()
                self._state = {"status": "ready", "of": said, "path": f"/robots/{name}", "answer": replay.answer}

    def _failed(self, fault: str) -> None:
        with self._lock:
            self._state = {k: v for k, v in self._state.items() if k != "status"}
            self._state |= {"status": "failed", "fault": " ".join(fault.split())}
