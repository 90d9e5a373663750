# SPDX-License-Identifier: Apache-2.0
"""One robot of the plain event loop of `fleet_heap.py`."""

from __future__ import annotations

from stope.fleet.mission.kernels import columns as k

__all__ = ["Robot"]


class Robot:
    """One robot."""

    __slots__ = ("battery", "block", "clock", "curtailed", "drawn", "duration", "energy", "kind", "load", "mass",
                 "number", "outcome", "phase", "pit", "resume", "service", "shed", "since", "solar", "t_battery",
                 "unit", "used", "water", "yard")  # fmt: skip

    def __init__(self, number: int, real: list[float], whole: list[int]) -> None:
        """At the start."""
        self.number, self.kind, self.phase = number, whole[k.KIND], whole[k.PHASE]
        self.pit, self.yard, self.unit = whole[k.PIT], whole[k.YARD], whole[k.UNIT]
        self.load = self.water = self.mass = self.resume = self.drawn = 0
        self.outcome = 1
        self.battery, self.clock, self.t_battery, self.since = real[k.BATTERY], real[k.CLOCK], 0.0, 0.0
        self.service = self.duration = self.energy = self.used = self.solar = self.shed = self.curtailed = 0.0
        self.block: list[float] = []
