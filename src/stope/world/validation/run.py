# SPDX-License-Identifier: Apache-2.0
"""Run cases: those of the package with the exact ones, or one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stope.base.errors import ConfigError, UnknownName
from stope.base.progress import Progress, silent
from stope.world.validation.body import BODY
from stope.world.validation.case import Case, Kind, case_paths, read_case, rows_of
from stope.world.validation.cut import CUT
from stope.world.validation.drop import DROP
from stope.world.validation.orbit import ORBIT
from stope.world.validation.penetrate import PENETRATE
from stope.world.validation.spin import SPIN

__all__ = ["EXACT", "KINDS", "run_all", "run_case", "run_file"]

KINDS: Mapping[str, Kind] = {
    "body": BODY,
    "cut": CUT,
    "drop": DROP,
    "orbit": ORBIT,
    "penetrate": PENETRATE,
    "spin": SPIN,
}
"""By the word in a case's `kind`."""
EXACT = "exact"
"""The word for the cases of `exact.py`, which no file describes."""
MUST_FAIL = "control-"
"""Start of the name of a case that is there to fail: it shows that the band can tell."""


def run_case(case: Case, *, progress: Progress = silent) -> dict[str, Any]:
    """Run one case.

    Returns:
        `rows` as `stope.world.validation.case.rows_of` makes them, and `result`, the kind's own.

    Raises:
        ConfigError: if a condition cannot be, naming the file.
    """
    kind = KINDS[case.kind]
    try:
        result = kind.run(case.given, progress)
    except (UnknownName, ConfigError) as error:
        text = str(error)
        raise ConfigError(text if case.path.name in text else f"{case.path.name}: {text}") from None
    return {"name": case.name, "kind": case.kind, "title": case.title, "result": result,
            "rows": rows_of(case, result, kind)}  # fmt: skip


def run_file(path: Path | str, *, progress: Progress = silent) -> dict[str, Any]:
    """Read and run one case file; see `run_case`."""
    return run_case(read_case(path, KINDS), progress=progress)


def run_all(*, kind: str = "", progress: Progress = silent) -> list[dict[str, Any]]:
    """Run the cases of the package, of one kind or of all.

    A case whose name begins with `control-` is there to fail: its rows are marked so, and it passes if one of its bands
    is missed.

    Raises:
        UnknownName: if there is no such kind.
    """
    if kind and kind not in (*KINDS, EXACT):
        raise UnknownName.of("kind of case", kind, (*KINDS, EXACT), listing="stope world validate --help")
    done: list[dict[str, Any]] = []
    if kind in ("", EXACT):
        from stope.world.validation.exact import run_exact  # noqa: PLC0415 -- loads MuJoCo

        done += run_exact(progress=progress)
    cases = [read_case(path, KINDS) for path in case_paths()] if kind != EXACT else []
    wanted = [case for case in cases if kind in ("", case.kind)]
    for k, case in enumerate(wanted):
        made = run_case(case)
        done.append(_turned(made) if case.name.startswith(MUST_FAIL) else made)
        progress("flown and laboratory cases", (k + 1) / len(wanted))
    return done


def _turned(made: dict[str, Any]) -> dict[str, Any]:
    """A control: all its rows pass if one is out of its band."""
    missed = any(row["passed"] is False for row in made["rows"])
    rows = [row | {"passed": missed, "must_fail": True} for row in made["rows"]]
    return made | {"rows": rows}
