# SPDX-License-Identifier: Apache-2.0
"""Daylight: when chargers have power. Half of each turn of the body is lit, and the first day begins at the start.

This is assumed: a square wave with the body's spin period, the same for all chargers; no season, no hills, no dawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from stope.fleet.scenario import FerryScenario

__all__ = ["Daylight"]


@dataclass(frozen=True, slots=True)
class Daylight:
    """Half turns that are lit and dark by turns."""

    half: float
    """Of a half turn [s]; infinite when there is always power."""

    @classmethod
    def of(cls, scenario: FerryScenario) -> Daylight:
        """The light that the chargers of a scenario live on."""
        return cls(0.5 * scenario.site.spin_period if scenario.processor.charging_by_day_only else math.inf)

    def until(self, time: float) -> tuple[bool, float]:
        """Whether it is lit at a time [s], and when that changes [s], always later."""
        if math.isinf(self.half):
            return True, math.inf
        num = int(time // self.half)
        if (num + 1) * self.half <= time:  # the division rounded down
            num += 1
        return num % 2 == 0, (num + 1) * self.half

    def lit_time(self, duration: float) -> float:
        """Lit time from the start [s]."""
        if math.isinf(self.half):
            return duration
        turns, rest = divmod(duration, 2.0 * self.half)
        return turns * self.half + min(rest, self.half)
