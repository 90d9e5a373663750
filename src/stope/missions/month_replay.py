# SPDX-License-Identifier: Apache-2.0
"""A moment of a run of `stope mine`: its scenario, bank and seed are taken from the run itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stope.base.config import build
from stope.base.errors import FileError
from stope.base.files import read_json
from stope.base.units import DAY
from stope.fleet.mission.bank import Bank, shipped_bank
from stope.fleet.mission.kept import replay
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["replay_run"]


def replay_run(folder: Path, day: float) -> dict[str, Any]:
    """The state at a day of the kept month of a run.

    Raises:
        FileError: no such run, or a broken file.
        RangeError: a day outside the month.
    """
    kept = read_json(folder / "kept.json", what="run of `stope mine`")
    for name, kinds in (("scenario", dict), ("seed", int), ("bank_digest", str), ("bank", str | None)):
        if name not in kept or not isinstance(kept[name], kinds):
            raise FileError(f"{folder}/kept.json: {name} = {kept.get(name)!r}: expected what `stope mine` writes.")
    scenario = build(MonthScenario, kept["scenario"], where=f"{folder}/kept.json")
    path = Path(kept["bank"]) if kept["bank"] else folder / "bank.parquet"
    bank = Bank.load(path if path.is_file() else shipped_bank())
    if bank.digest != kept["bank_digest"]:
        raise FileError(f"{path}: another bank ({bank.digest}) than the run's ({kept['bank_digest']}).")
    tables = bank.believed(0, seed=kept["seed"], told=scenario.told)
    return replay(scenario, tables, folder / "month", day * DAY, seed=kept["seed"])
