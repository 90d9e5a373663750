# SPDX-License-Identifier: Apache-2.0
"""Transit: the classical flyer of a long leg. It follows an arc over the ground at cruise speed and stops at its end.

An arc is a straight line between two points with a parabola on top: along the line the speed is a trapezoid, across it
the height is rise * 4 x (1 - x). With the right rise such a path is the ballistic one, and thrust is then needed only
to start, to stop and to correct; a higher rise clears hills for the price of some thrust on the way.

The law tracks the arc with a damped spring, feeding forward the arc's acceleration, the gravity that the robot knows
(a central field fitted to its site, and the spin), and what its belief says of mass, gains and residual acceleration
(`Allocation`). The spring is soft: sensor noise then mostly rounds to no impulse at all at the thrusters' quantum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_positive
from stope.base.rotation import cross
from stope.world.allocation import Allocation
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import Robot
from stope.world.site import Site

__all__ = ["Arcs", "KnownGravity", "Transit", "TransitConfig"]

Floats = NDArray[np.float64]
_RESIDUAL = index_of("residual_x")


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitConfig:
    """How a leg is flown."""

    cruise_speed: float = 0.25
    """Along the line between the ends [m/s] (chosen: below the 0.26 m/s of a circular orbit at Ryugu's surface, so that
    a robot whose thrusters fail comes down again)."""
    acceleration: float = 0.008
    """Along the line, to start and to stop [m/s2] (chosen: a fifth of the thrust with a full payload)."""
    stiffness: float = 0.006
    """Wanted acceleration per position error [1/s2] (chosen: a spring of 80 s)."""
    damping: float = 0.16
    """Wanted acceleration per velocity error [1/s] (chosen: critical, and soft for the sake of noise)."""
    turn_stiffness: float = 0.10
    """Wanted angular acceleration per attitude error [1/s2]."""
    turn_damping: float = 0.50
    """Wanted angular acceleration per rate error [1/s]."""
    top_rate: float = 0.05
    """Rate of a slew [rad/s]."""
    arrival_distance: float = 1.5
    """From the end at which the robot says that it has arrived, as measured [m]."""
    arrival_speed: float = 0.012
    """Speed at which it says so, as measured [m/s]."""
    arrival_rate: float = 0.012
    """Angular rate at which it says so, as measured [rad/s]."""
    arrival_hold: float = 2.0
    """How long all three must hold [s]."""

    def __post_init__(self) -> None:
        """Check that each is positive."""
        check_positive(self, *self.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Arcs:
    """Reference motions, one a world; frame l."""

    start: Floats
    """First point [m], (worlds, 3)."""
    end: Floats
    """Last point [m], (worlds, 3)."""
    up: Floats
    """Unit vector of the rise, across the line, (worlds, 3)."""
    rise: Floats
    """Height of the middle above the line [m], (worlds,)."""
    speed: Floats
    """Along the line [m/s], (worlds,)."""
    acceleration: Floats
    """Along the line [m/s2], (worlds,)."""

    @property
    def length(self) -> Floats:
        """Of the line [m], (worlds,)."""
        return np.linalg.norm(self.end - self.start, axis=1)

    @property
    def top_speed(self) -> Floats:
        """Along the line [m/s], (worlds,): a short one is braked before the cruise speed is reached."""
        return np.minimum(self.speed, np.sqrt(self.acceleration * self.length))

    @property
    def duration(self) -> Floats:
        """From rest to rest [s], (worlds,)."""
        return self.length / self.top_speed + self.top_speed / self.acceleration

    def shape(self, x: Floats) -> Floats:
        """Points (..., worlds, 3) [m] at shares x (..., 1) of the line."""
        bump = 4.0 * x * (1.0 - x) * self.rise
        return self.start + x[..., None] * (self.end - self.start) + bump[..., None] * self.up

    def at(self, time: float) -> tuple[Floats, Floats, Floats]:
        """Position [m], velocity [m/s] and acceleration [m/s2], each (worlds, 3), `time` seconds after the start."""
        accel, chord = self.acceleration, self.end - self.start
        length = np.sqrt(np.sum(chord * chord, axis=1))
        top = np.minimum(self.speed, np.sqrt(accel * length))
        ramp = top / accel
        duration = length / top + ramp
        t = np.minimum(time, duration)
        early, late = np.minimum(t, ramp), np.maximum(t - (duration - ramp), 0.0)
        s = 0.5 * accel * early**2 + top * np.maximum(t - ramp, 0.0) - 0.5 * accel * late**2
        ds = accel * early - accel * late
        dds = np.where(t < ramp, accel, np.where((late > 0.0) & (t < duration), -accel, 0.0))
        x = s / length
        slope, bend = 4.0 * self.rise / length * (1.0 - 2.0 * x), -8.0 * self.rise / length**2
        line = chord / length[:, None]
        bump = 4.0 * x * (1.0 - x) * self.rise
        position = self.start + s[:, None] * line + bump[:, None] * self.up
        velocity = ds[:, None] * line + (slope * ds)[:, None] * self.up
        acceleration = dds[:, None] * line + (slope * dds + bend * ds**2)[:, None] * self.up
        return position, velocity, acceleration


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KnownGravity:
    """What a robot knows of the accelerations around its site: a central field and the spin. No hill, no cavity."""

    attraction_l: Floats
    """At the site's origin [m/s2], (3,)."""
    centre_l: Floats
    """From the body's centre to the site's origin [m], (3,); zero where the field is uniform."""
    spin_l: Floats
    """[rad/s], (3,)."""

    @classmethod
    def of(cls, site: Site) -> KnownGravity:
        """For a site, from its nominal numbers only."""
        return cls(attraction_l=site.attraction_l, centre_l=site.position_l0, spin_l=site.spin_l)

    def acceleration(self, position_l: Floats, velocity_l: Floats) -> Floats:
        """Attraction, centrifugal and Coriolis acceleration [m/s2], l, (..., 3)."""
        if not self.centre_l.any():
            return np.broadcast_to(self.attraction_l, position_l.shape)
        radius = np.linalg.norm(self.centre_l)
        r = self.centre_l + position_l
        size = np.linalg.norm(self.attraction_l) * radius**2
        field = -size * r / np.sum(r * r, axis=-1, keepdims=True) ** 1.5
        # The site's own attraction leans away from the radius; keep that lean as a constant.
        lean = self.attraction_l + size * self.centre_l / radius**3
        return field + lean - cross(self.spin_l, cross(self.spin_l, r) + 2.0 * velocity_l)


@dataclass(frozen=True, slots=True, eq=False)
class Transit:
    """The law, for a batch of worlds."""

    config: TransitConfig
    allocation: Allocation
    gravity: KnownGravity
    arcs: Arcs
    q_goal: Floats
    """Attitude to hold, q_lb, (worlds, 4)."""
    belief_mean: Floats
    """Mean of z that each robot believes, (worlds, num_parameters)."""

    @classmethod
    def of(
        cls, config: TransitConfig, robot: Robot, site: Site, *, arcs: Arcs, q_goal: Floats, told: Floats
    ) -> Transit:
        """For a robot at a site; `told` is each world's belief summary, (worlds, 2 num_parameters)."""
        mean = np.ascontiguousarray(told[:, :NUM_PARAMETERS])
        return cls(config, Allocation.of(robot), KnownGravity.of(site), arcs, q_goal, mean)

    def act(self, time: float, measured: Floats) -> NDArray[np.float32]:
        """Shares of the thrusters' limits in [-1, 1], (worlds, 6).

        Args:
            time: Since the start of the leg [s].
            measured: Position_l, q_lb, velocity_l and rate_b in hand, (worlds, 13).
        """
        c = self.config
        position, q, velocity, rate = measured[:, 0:3], measured[:, 3:7], measured[:, 7:10], measured[:, 10:13]
        r, v, a = self.arcs.at(time)
        wanted_l = a + c.stiffness * (r - position) + c.damping * (v - velocity)
        wanted_l -= self.gravity.acceleration(position, velocity)
        w, u = q[:, :1], -q[:, 1:]
        turn = self._turn(q)
        size = np.sqrt(np.sum(turn * turn, axis=1, keepdims=True)) + 1e-12
        speed = np.minimum(c.turn_stiffness / c.turn_damping * size, c.top_rate)
        alpha = c.turn_damping * (-turn / size * speed - rate)
        wanted = np.concatenate([_turned(w, u, wanted_l), alpha], axis=1) / self.allocation.authority
        residual = _turned(w, u, self.belief_mean[:, _RESIDUAL : _RESIDUAL + 3])
        return self.allocation.shares(wanted.astype(np.float32), self.belief_mean, residual)

    def has_arrived(self, measured: Floats) -> NDArray[np.bool_]:
        """Whether each robot finds itself at the end, slow enough, (worlds,); to be held for `arrival_hold`."""
        c = self.config
        away = np.linalg.norm(measured[:, 0:3] - self.arcs.end, axis=1)
        speed, rate = np.linalg.norm(measured[:, 7:10], axis=1), np.linalg.norm(measured[:, 10:13], axis=1)
        return (away < c.arrival_distance) & (speed < c.arrival_speed) & (rate < c.arrival_rate)

    def _turn(self, q_lb: Floats) -> Floats:
        """Attitude error as a rotation vector in b [rad], exact for small ones, (worlds, 3)."""
        gw, gv, w, v = self.q_goal[:, :1], self.q_goal[:, 1:], q_lb[:, :1], q_lb[:, 1:]
        ew = gw * w + np.sum(gv * v, axis=1, keepdims=True)
        return 2.0 * np.where(ew < 0.0, -1.0, 1.0) * (gw * v - w * gv - cross(gv, v))


def _turned(w: Floats, u: Floats, x: Floats) -> Floats:
    """Rotate x (worlds, 3) by unit quaternions of scalar part w (worlds, 1) and vector part u (worlds, 3)."""
    t = 2.0 * cross(u, x)
    return x + w * t + cross(u, t)
