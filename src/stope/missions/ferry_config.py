# SPDX-License-Identifier: Apache-2.0
"""Settings of a ferry mission."""

from __future__ import annotations

from dataclasses import dataclass

from stope.base.config import check_not_negative, check_positive

__all__ = ["TOLD", "FerryConfig"]

TOLD = ("prior", "belief")
"""What the robots are told of their physics, in the order in which the months are run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FerryConfig:
    """One ferry mission; what `stope mine` takes."""

    scenario: str = "ryugu-ferry"
    """A name listed by `stope fleet scenarios`, or a TOML file."""
    settings: tuple[str, ...] = ()
    """Fields of the scenario that differ, such as `robots=50`."""
    seed: int = 1
    """Root seed of everything."""
    flight: str = ""
    """Folder of the flight log; empty takes the stand-in flight that comes with the package."""
    outcomes: int = 200
    """Measured outcomes of each activity and payload."""
    dockings: int = 1000
    """Dockings before and after the flight, each."""

    def __post_init__(self) -> None:
        """Check seeds and counts."""
        check_not_negative(self, "seed")
        check_positive(self, "outcomes", "dockings")
