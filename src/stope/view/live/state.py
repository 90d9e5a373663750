# SPDX-License-Identifier: Apache-2.0
"""How far a run is, from the files that it writes anyway: whoever looks on changes nothing and need not be waited for.

A training's checkpoint holds its curve; a mission's folder holds one file for each piece that is done. Files are
written aside and renamed, so what is read is whole.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from stope.base.errors import FileError
from stope.base.files import read_json
from stope.base.runs import HEADER

__all__ = ["STALE", "newest_run", "run_state"]

STALE = 60.0
"""Age of the newest file [s] above which the page says that nothing new came (chosen: longer than any iteration of the
shipped trainings on 2 cores)."""
MOST_POINTS = 500
_TRAINING = ("checkpoint.safetensors", "policy.safetensors", "config.json")
_MISSION = ("run.json",)


def run_state(folder: Path, *, now: float | None = None) -> dict[str, Any]:
    """The newest state of a run, or of the newest run in a folder of runs.

    Args:
        folder: Of a training, of a mission, or a folder that holds such folders.
        now: Seconds since 1970; the clock's if None.

    Returns:
        `run`, `kind` (training or mission), `status` (under way, done), `age_s` of the newest file, `is_stale`,
        `iteration` and `num_iterations` of a training, `curve` with iteration, steps, success, low, high, and `pieces`
        of a mission: name, count, age_s.

    Raises:
        FileError: no run there, or a broken file.
    """
    run = newest_run(Path(folder))
    files = [path for path in run.rglob("*") if path.is_file()]
    clock = time.time() if now is None else now
    stamps = [stamp for path in files if (stamp := _stamp(path)) is not None]
    age = max(0.0, clock - max(stamps)) if stamps else 0.0
    state = _training(run) if not (run / "run.json").exists() else _mission(run, files, clock)
    return {"run": run.name, "age_s": age, "is_stale": age > STALE and state["status"] != "done"} | state


def newest_run(folder: Path) -> Path:
    """The folder itself where it is a run's, else that of the newest run in it.

    Raises:
        FileError: no run there.
    """

    def is_run(path: Path) -> bool:
        return any((path / name).is_file() for name in (*_TRAINING, *_MISSION))

    if is_run(folder):
        return folder
    below = [path for path in folder.iterdir() if path.is_dir() and is_run(path)] if folder.is_dir() else []
    if not below:
        raise FileError(f"{folder}: expected a training (config.json), a mission (run.json) or a folder of them.")
    return max(below, key=lambda path: max(_stamp(file) or 0.0 for file in path.rglob("*")))


def _stamp(path: Path) -> float | None:
    """When a file was written last; None if it has gone meanwhile, as a checkpoint goes at the end."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _training(run: Path) -> dict[str, Any]:
    config = read_json(run / "config.json", what="configuration") if (run / "config.json").is_file() else {}
    parts = [config.get("num_iterations"), config.get("num_imitation"), config.get("num_reinforcement")]
    whole = [part for part in parts if isinstance(part, int)]
    num = sum(whole) if whole else None  # a skill with contact imitates first and then goes on alone
    is_done = (run / "policy.safetensors").is_file()
    history, iteration = _history(run, is_done=is_done)
    try:
        curve = [{k: _number(row[k]) for k in ("iteration", "steps", "success", "low", "high")}
                 for row in history[-MOST_POINTS:]]  # fmt: skip
    except (KeyError, TypeError) as error:
        raise FileError(f"{run}: a row of its history is not one of a training ({error!r}).") from None
    last = curve[-1] if curve else None
    answer = "No evaluation yet." if last is None else (
        f"{100 * last['success']:.1f} % of the evaluation's worlds succeed ({100 * last['low']:.1f} to "
        f"{100 * last['high']:.1f}) after {last['steps']:,} control steps.")  # fmt: skip
    skill = config.get("skill") or config.get("task")
    return {"kind": "training", "what": skill if isinstance(skill, str) else run.name, "answer": answer,
            "status": "done" if is_done else "under way", "iteration": iteration,
            "num_iterations": num, "curve": curve, "pieces": []}  # fmt: skip


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no finite number")
    return value


def _history(run: Path, *, is_done: bool) -> tuple[list[dict[str, Any]], int]:
    """Evaluations, and iterations done."""
    try:
        if is_done and (run / "history.json").is_file():
            rows = json.loads((run / "history.json").read_text(encoding="utf-8"))
            return rows, rows[-1]["iteration"] if rows else 0
        if (run / "checkpoint.safetensors").is_file():
            with safe_open(str(run / "checkpoint.safetensors"), framework="numpy") as file:
                header = json.loads((file.metadata() or {})[HEADER])
            return header["history"], header["iteration"]
    except FileNotFoundError:  # the training has just ended and removed it; the next look finds its history
        return [], 0
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise FileError(f"{run}: not a whole checkpoint or history ({' '.join(str(error).split())}).") from None
    return [], 0


def _mission(run: Path, files: list[Path], clock: float) -> dict[str, Any]:
    """Pieces by the folder they lie in, the newest first; single files by their own name."""
    groups: dict[str, list[float]] = {}
    for path in files:
        stamp, place = _stamp(path), path.relative_to(run)
        if stamp is not None and place.name != "run.json":
            groups.setdefault(str(place.parent) if len(place.parts) > 1 else place.name, []).append(stamp)
    pieces = [{"name": name, "count": len(stamps), "age_s": max(0.0, clock - max(stamps))}
              for name, stamps in sorted(groups.items(), key=lambda item: -max(item[1]))]  # fmt: skip
    is_done = (run / "report.json").is_file()
    answer = str(read_json(run / "report.json", what="report").get("answer", "")) if is_done else (
        f"{sum(piece['count'] for piece in pieces)} pieces are done.")  # fmt: skip
    return {"kind": "mission", "what": run.name, "answer": answer, "status": "done" if is_done else "under way",
            "iteration": None, "num_iterations": None, "curve": [], "pieces": pieces}  # fmt: skip
