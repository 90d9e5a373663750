# SPDX-License-Identifier: Apache-2.0
"""Penetrate: a tool that goes straight into soil, from the moment it touches.

Result: `max_depth_m`, `duration_s` (until it first stands still, or leaves), `ended` (`rest`, `left`, `time`),
`rebound_mps`, `static_hold_n`, `at.time_s`, `at.depth_m`, `at.speed_mps` (lists, at `report_times_s`),
`depth_at_reversal_m`, `speed_at_reversal_mps`, `speed_loss_at_reversal` (share; null without a reversal), `series.*`
(for plots), `touchdown.*` (with a structure: of `stope.world.structure.Touchdown`) and, with a sweep, `sweep.values`,
`sweep.depth_m`, `sweep.duration_s`, `sweep.depth_exponent`, `sweep.duration_exponent` (slopes of the logarithms
against that of the value), `sweep.drop_exponent` (of the depth against the total drop v^2 / 2 g + depth),
`sweep.depth_spread` (largest over smallest, less 1) and `sweep.scaled_duration_spread` (the same of the duration
times the root of gravity).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from stope.base.config import check_finite, check_not_negative, check_positive
from stope.base.errors import ConfigError
from stope.base.progress import Progress
from stope.world.regolith import elements as el
from stope.world.regolith.elements import Elements
from stope.world.regolith.soil import soil_rows
from stope.world.structure import Resistance, Sinking, resistance, sink, touch_down
from stope.world.validation.case import Kind
from stope.world.validation.conditions import SoilGiven, StructureGiven

__all__ = ["PENETRATE", "PenetrateGiven"]

ELEMENTS_ACROSS = 40
"""Elements across a tool (chosen: halving them moves a sphere's depth by 0.2 %)."""
SERIES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """The same event over and over with one number changed."""

    key: Literal["gravity_mps2", "speed_mps", "mass_kg", "diameter_m"]
    """Which."""
    values: tuple[float, ...]
    """In the unit of the key, two or more."""
    keep_froude: bool = False
    """Whether the speed goes with the root of gravity times diameter."""

    def __post_init__(self) -> None:
        """Check the values."""
        if len(self.values) < 2 or min(self.values) <= 0.0:
            raise ConfigError(f"Sweep.values = {list(self.values)}: expected two or more, all positive.")


@dataclass(frozen=True, kw_only=True, slots=True)
class PenetrateGiven:
    """A tool, what moves with it, and the soil."""

    shape: Literal["sphere", "disc", "annulus", "cone", "cylinder"]
    """A cylinder is a disc with a rubbed side; a cone points down."""
    diameter_m: float
    """[m]"""
    mass_kg: float
    """That moves with the tool [kg]."""
    speed_mps: float
    """Downward at the touch [m/s]; 0 for a release from rest at the surface."""
    gravity_mps2: float
    """Effective, into the ground [m/s2]."""
    inner_diameter_m: float = 0.0
    """Of the hole of an annulus [m]."""
    height_m: float = 0.0
    """Of a cone, from tip to lid, or of a cylinder [m]."""
    thrust_n: float = 0.0
    """Constant force on the vehicle, downward [N]."""
    reversal_time_s: float = 0.0
    """When the thrust changes [s] after the touch; 0 for never."""
    thrust_after_n: float = 0.0
    """From then on, downward [N]; negative lifts."""
    report_times_s: tuple[float, ...] = ()
    """[s] after the touch."""
    time_limit_s: float = 1e5
    """[s]; chosen, a day and more."""
    has_soil: bool = True
    """False for no resistance at all, as a check of what the soil does."""
    soil: SoilGiven = field(default_factory=SoilGiven)
    """Table or name."""
    structure: StructureGiven | None = None
    """Table or name; what lies between vehicle and tool."""
    sweep: Sweep | None = None
    """For scaling laws."""

    def __post_init__(self) -> None:
        """Check every number, and that the shape has its own."""
        check_positive(self, "diameter_m", "mass_kg", "time_limit_s")
        check_not_negative(self, "speed_mps", "gravity_mps2", "inner_diameter_m", "height_m", "reversal_time_s")
        check_finite(self, "thrust_n", "thrust_after_n")
        if self.shape in ("cone", "cylinder") and not self.height_m > 0.0:
            raise ConfigError(f"PenetrateGiven.height_m = {self.height_m}: a {self.shape} needs more than 0.")
        if self.shape == "annulus" and not 0.0 < self.inner_diameter_m < self.diameter_m:
            raise ConfigError(
                f"PenetrateGiven.inner_diameter_m = {self.inner_diameter_m}: expected more than 0 and less than "
                f"diameter_m = {self.diameter_m}."
            )
        if any(t <= 0.0 for t in self.report_times_s):
            raise ConfigError(f"PenetrateGiven.report_times_s = {list(self.report_times_s)}: expected all positive.")
        if self.speed_mps == 0.0 and self.gravity_mps2 * self.mass_kg + self.thrust_n <= 0.0:
            raise ConfigError("PenetrateGiven.speed_mps = 0: nothing pushes the tool down. Give it a speed or a force.")

    def elements(self) -> Elements:
        """The tool's surface."""
        r, size = 0.5 * self.diameter_m, self.diameter_m / ELEMENTS_ACROSS
        if self.shape == "sphere":
            return el.sphere(r, size=size)
        if self.shape == "cone":
            return el.cone(r, self.height_m, size=size)
        if self.shape == "cylinder":
            return el.cylinder(r, self.height_m, size=size)
        return el.disc(r, size=size, inner=0.5 * self.inner_diameter_m if self.shape == "annulus" else 0.0)


def _law(given: PenetrateGiven) -> Resistance:
    row = soil_rows((given.soil.soil(),), gravity=given.gravity_mps2)[0]
    law = resistance(given.elements(), row)
    if given.has_soil:
        return law
    rows = law.rows.copy()
    rows[1:] = 0.0
    return replace(law, rows=rows)


def _sink(given: PenetrateGiven, law: Resistance, times: np.ndarray) -> Sinking:
    return sink(
        law,
        mass=given.mass_kg,
        speed=given.speed_mps,
        gravity=given.gravity_mps2,
        thrust=given.thrust_n,
        reversal_time=given.reversal_time_s or math.inf,
        thrust_after=given.thrust_after_n,
        times=times,
    )


def _run(given: PenetrateGiven, progress: Progress) -> dict[str, Any]:
    law = _law(given)
    whole = _sink(given, law, np.array([given.time_limit_s]))
    asked = np.array(given.report_times_s, dtype=np.float64)
    turn = np.array([given.reversal_time_s] if given.reversal_time_s else [])
    until = max([1.2 * whole.duration, *asked, *turn])
    marks = np.unique(np.concatenate([asked, turn, np.linspace(0.0, until, SERIES)]))
    path = _sink(given, law, marks)

    def at(times: np.ndarray) -> tuple[list[float], list[float]]:
        where = np.searchsorted(marks, times)
        return path.depths[where].tolist(), path.speeds[where].tolist()

    depths, speeds = at(asked)
    result: dict[str, Any] = {
        "max_depth_m": whole.max_depth, "duration_s": whole.duration, "ended": whole.reason,
        "static_hold_n": whole.static_hold, "rebound_mps": _rebound(given, law, whole),
        "at": {"time_s": asked.tolist(), "depth_m": depths, "speed_mps": speeds},
        "series": {"time_s": marks.tolist(), "depth_m": path.depths.tolist(), "speed_mps": path.speeds.tolist()},
    }  # fmt: skip
    if turn.size:
        depth, speed = (x[0] for x in at(turn))
        loss = 1.0 - speed / given.speed_mps if given.speed_mps else 0.0
        result |= {"depth_at_reversal_m": depth, "speed_at_reversal_mps": speed, "speed_loss_at_reversal": loss}
    if asked.size and given.speed_mps:
        result["at"]["speed_loss"] = [1.0 - v / given.speed_mps for v in speeds]
    if given.structure is not None and given.speed_mps:
        result["touchdown"] = asdict(touch_down(
            given.structure.structure(), mass=given.mass_kg, speed=given.speed_mps, gravity=given.gravity_mps2,
            ground=law if given.has_soil else None, elastic_share=given.soil.elastic_share,
        ))  # fmt: skip
    if given.sweep is not None:
        result["sweep"] = _swept(given, given.sweep, progress)
    return result


def _rebound(given: PenetrateGiven, law: Resistance, whole: Sinking) -> float:
    """Speed [m/s] by the elastic share of the work done on the soil; 0 while nothing lets go."""
    if whole.reason != "rest" or not given.soil.elastic_share:
        return 0.0
    depths = np.linspace(0.0, whole.max_depth, SERIES)
    work = float(np.trapezoid([law.hold(float(d)) for d in depths], depths))
    return min(math.sqrt(2.0 * given.soil.elastic_share * work / given.mass_kg), given.speed_mps)


def _swept(given: PenetrateGiven, sweep: Sweep, progress: Progress) -> dict[str, Any]:
    depths, durations, drops, gravities = [], [], [], []
    alone = replace(given, sweep=None, report_times_s=(), structure=None)
    for k, value in enumerate(sweep.values):
        one = replace(alone, **{sweep.key: value})
        if sweep.keep_froude:
            ratio = one.gravity_mps2 * one.diameter_m / (given.gravity_mps2 * given.diameter_m)
            one = replace(one, speed_mps=given.speed_mps * math.sqrt(ratio))
        found = _sink(one, _law(one), np.array([one.time_limit_s]))
        depths.append(found.max_depth)
        durations.append(found.duration)
        gravities.append(one.gravity_mps2)
        drops.append((0.5 * one.speed_mps**2 / one.gravity_mps2 if one.gravity_mps2 else 0.0) + found.max_depth)
        progress(f"sweep of {sweep.key}", (k + 1) / len(sweep.values))
    scaled = np.array(durations) * np.sqrt(gravities)

    def slope(x: Any, y: Any) -> float:
        return float(np.polyfit(np.log(x), np.log(y), 1)[0]) if min(y) > 0.0 else 0.0

    return {
        "key": sweep.key, "values": list(sweep.values), "depth_m": depths, "duration_s": durations,
        "depth_exponent": slope(sweep.values, depths), "duration_exponent": slope(sweep.values, durations),
        "drop_exponent": slope(drops, depths) if max(drops) > (1.0 + 1e-9) * min(drops) else 0.0,
        "depth_spread": max(depths) / min(depths) - 1.0 if min(depths) > 0.0 else 0.0,
        "scaled_duration_spread": float(scaled.max() / scaled.min() - 1.0) if scaled.min() > 0.0 else 0.0,
    }  # fmt: skip


PENETRATE = Kind(conditions=PenetrateGiven, run=_run, headline=("max_depth_m", "duration_s", "rebound_mps"))
