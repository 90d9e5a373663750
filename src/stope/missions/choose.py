# SPDX-License-Identifier: Apache-2.0
"""Which kind of mission a scenario is: the month of a whole fleet, or the ferry."""

from __future__ import annotations

from pathlib import Path

from stope.base.config import read_toml
from stope.base.errors import UnknownName
from stope.fleet.mission.scenario import FORMAT, month_names
from stope.fleet.scenario import scenario_names

__all__ = ["is_month"]


def is_month(scenario: str) -> bool:
    """Whether a name or a TOML file is a month's.

    Raises:
        UnknownName: no such shipped scenario.
        FileError: the file is missing, or not TOML.
    """
    if scenario.endswith(".toml"):
        return read_toml(Path(scenario)).get("format") == FORMAT
    names = (*scenario_names(), *month_names())
    if scenario not in names:
        raise UnknownName.of("scenario", scenario, names, listing="stope fleet scenarios")
    return scenario in month_names()
