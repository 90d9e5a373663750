# SPDX-License-Identifier: Apache-2.0
"""Limits: how far, how fast and how hard each task may be flown before the safety envelope takes over.

One row a task. A limit is infinite where the robot senses nothing that it could be held against. Nominal episodes stay
inside: docs/explanation/safety-envelope.md has how often they do not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, radians

from stope.base.config import check_fraction, check_positive
from stope.base.errors import UnknownName
from stope.world.tasks import DockConfig, HopTask

__all__ = ["LIMITS", "Limits", "limits_for"]

KEEP_IN_SHARE = 0.95
"""Of the distance at which a flight counts as lost, that the envelope keeps at most [1]; chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a robot may do in one task, by what it senses."""

    keep_in: float
    """Radius of its volume [m], about the goal (dock, haul), the boulder (capture), or where the episode began (anchor,
    dig, hop). The envelope brakes while the robot can still stop inside."""
    speed: float
    """Largest speed [m/s], relative to the goal, the boulder or the ground."""
    rate: float
    """Largest angular rate [rad/s]."""
    braking: float
    """Deceleration that braking may count on [m/s2]: that of the heaviest load in the prior with a weak thruster."""
    impulse: float
    """Most sum of |force| dt and |torque| dt over the torque's lever that may be commanded in an episode [N s]."""
    energy: float
    """Most mechanical work of the motors in an episode, as sensed [J]."""
    load: float
    """Largest sensed share of what an anchor can bear [1]."""
    stale: float
    """Longest time that one sensor's numbers may stay the same to the bit [s], where it is sampled at every action, and
    in proportion longer where it is sampled less often; a healthy one has noise."""
    release: float = 0.8
    """Share of a limit below which the policy gets the robot back [1]."""
    hold: float = 1.0
    """How long it must stay below [s]."""
    return_speed: float = 0.05
    """Speed back into the volume [m/s]; chosen: an eighth of the speed of a transit."""

    def __post_init__(self) -> None:
        """Check signs and shares; a limit may be infinite."""
        check_positive(self, *(k for k in self.__dataclass_fields__ if k != "release" and getattr(self, k) != inf))
        check_fraction(self, "release")


FLYER = Limits(
    # Half a metre inside the sphere of 10 m at which `dock` counts a flight as lost.
    keep_in=9.5,
    # Hard limits of the flown Astrobee's controller, 0.5 m/s and 45 deg/s: NASA flight configuration (Apache-2.0).
    speed=0.5, rate=radians(45.0),
    # 0.5 N on 9.6 kg with 5 kg of load is 0.034 m/s2; with a gain two sigma low, 0.028. Chosen: two thirds of that.
    braking=0.02,
    # Chosen: a third of what is in the tank, 0.5 kg at 65 s.
    impulse=100.0, energy=inf, load=inf,
    # Of samples 2 % are lost, and then the last is held: five in a row once in 3e8.
    stale=1.0,
)  # fmt: skip

LIMITS: dict[str, Limits] = {
    "dock": FLYER,
    # 1 N on 9.6 kg with 20 kg of load is 0.034 m/s2 again. The same share of the sphere of 12 m. With half the load
    # its torque is twice the flyer's: chosen, 60 deg/s. Impulse chosen: the tank less a reserve of 6 % to brake with.
    "haul": replace(FLYER, keep_in=11.4, rate=radians(60.0), impulse=300.0),
    # The boulder is lost at 4 m and begins within 1.6 m.
    "capture": replace(FLYER, keep_in=3.0),
    # Begins up to 3 m above its feet's standing height; it counts as gone 4.5 m above the highest start. Speed and rate
    # chosen: twice the largest at the start, and far more than any landing needs. 1 N on 50 kg is 0.02 m/s2.
    "anchor": replace(FLYER, keep_in=4.0, speed=0.25, rate=radians(30.0), braking=0.01, impulse=300.0),
    # The base stands on anchors: whatever moves it is wrong. It is torn loose at 0.5 m; success allows 5 cm. The
    # velocity's noise is 2 mm/s an axis. Energy chosen: a battery of 2 Wh for the drums and arms.
    "dig": replace(FLYER, keep_in=0.3, speed=0.05, rate=inf, braking=inf, impulse=inf, energy=7200.0, load=0.9),
    # The gravity map ends at 95 m. No speed is sensed between hops: their length is held instead (`HopBrake`). A step
    # without a push takes half an hour: stale is two of them.
    "hop": replace(FLYER, keep_in=90.0, speed=inf, rate=inf, braking=inf, impulse=inf, stale=3600.0),
}  # fmt: skip


def limits_for(name: str, task: object) -> Limits:
    """Limits of a task; in another sphere than usual, or on another map, the volume is in proportion.

    Raises:
        UnknownName: no such task.
    """
    if name not in LIMITS:
        raise UnknownName.of("task", name, LIMITS, listing="stope world tasks")
    limits = LIMITS[name]
    if isinstance(task, DockConfig):
        return replace(limits, keep_in=KEEP_IN_SHARE * task.keep_in)
    if isinstance(task, HopTask):
        return replace(limits, keep_in=limits.keep_in * task.grid_half_width / HopTask().grid_half_width)
    return limits
