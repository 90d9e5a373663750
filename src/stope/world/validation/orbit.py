# SPDX-License-Identifier: Apache-2.0
"""Orbit: an impact or a push on the second of two bodies, and how their mutual orbit changes.

Result: `period_before_s`, `period_after_s`, `period_change_s`, `period_change_min`, `period_change_share`,
`semi_major_before_m`, `semi_major_after_m`, `eccentricity_before`, `eccentricity_after`, `inclination_change_deg`,
`delta_v_mps` (radial, along, normal) and `delta_v_size_mps`, `delta_v_along_mps`, `speed_before_mps`; with
`observed_period_change_s` also `beta_implied`. An orbit that opens has no period: its period and what follows are null.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from stope.base.config import check_finite, check_not_negative
from stope.base.errors import ConfigError, RangeError
from stope.base.progress import Progress
from stope.base.units import G
from stope.world.validation.case import Kind

__all__ = ["ORBIT", "OrbitGiven"]

Triple = tuple[float, float, float]


RANGES = {"first_mass_kg": (1e-3, 1e33), "second_mass_kg": (1e-3, 1e33), "separation_m": (1e-3, 1e16),
          "period_s": (1e-3, 1e16)}  # fmt: skip
"""From grams and millimetres to stars and light years (chosen); beyond, numbers overflow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrbitGiven:
    """Two bodies and an impulse on the second. Components are radial (out from the first), along the motion, normal."""

    first_mass_kg: float
    """[kg]"""
    second_mass_kg: float
    """[kg]; may be 0 for a body of no mass, but not with a projectile alone."""
    separation_m: float = 0.0
    """Semi-major axis of the mutual orbit [m]; 0 if the period is given."""
    period_s: float = 0.0
    """Of the mutual orbit before [s]; 0 if the separation is given. With both, the masses are scaled to fit."""
    eccentricity: float = 0.0
    """Before [1]; 0 to less than 1."""
    true_anomaly_deg: float = 0.0
    """Where on the orbit it happens [deg]; 0 nearest."""
    projectile_mass_kg: float = 0.0
    """Of what hits the second body and stays in it [kg]."""
    projectile_velocity_mps: Triple = (0.0, 0.0, 0.0)
    """Against the second body [m/s]."""
    beta: float = 1.0
    """Momentum given over that of the projectile [1]; 1 without ejecta."""
    ejecta_direction: Triple = (0.0, 0.0, 0.0)
    """Direction along which the ejecta push the body; zero for that of the projectile. Any length."""
    impulse_ns: Triple = (0.0, 0.0, 0.0)
    """A push besides, as of a thruster [N s]."""
    observed_period_change_s: float = 0.0
    """To find the beta that gives it [s]; 0 for none."""

    def __post_init__(self) -> None:
        """Check that the orbit can be."""
        check_not_negative(self, "first_mass_kg", "second_mass_kg", "separation_m", "period_s", "projectile_mass_kg")
        check_finite(self, "beta", "true_anomaly_deg", "observed_period_change_s")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value and not low <= value <= high:
                raise ConfigError(f"OrbitGiven.{name} = {value}: expected {low:g} to {high:g}, or 0.")
        if (
            not self.first_mass_kg + self.second_mass_kg > 0.0
            or not self.second_mass_kg + self.projectile_mass_kg > 0.0
        ):
            raise ConfigError("OrbitGiven.second_mass_kg = 0: expected more than 0; an impulse moves nothing else.")
        if not 0.0 <= self.eccentricity < 1.0:
            raise ConfigError(f"OrbitGiven.eccentricity = {self.eccentricity}: expected 0 to less than 1.")
        if not (self.separation_m > 0.0 or self.period_s > 0.0):
            raise ConfigError("OrbitGiven.separation_m, period_s: both are 0: expected one of them at least.")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Orbit:
    semi_major: float
    eccentricity: float
    period: float


def _elements(position: np.ndarray, velocity: np.ndarray, mu: float) -> _Orbit:
    """Orbit of the second body about the first; an open one has an infinite period."""
    distance = float(np.linalg.norm(position))
    energy = 0.5 * float(velocity @ velocity) - mu / distance
    turning = np.cross(position, velocity)
    eccentricity = float(np.linalg.norm(np.cross(velocity, turning) / mu - position / distance))
    if energy >= 0.0:
        return _Orbit(semi_major=math.inf, eccentricity=eccentricity, period=math.inf)
    semi_major = -0.5 * mu / energy
    return _Orbit(
        semi_major=semi_major, eccentricity=eccentricity, period=2.0 * math.pi * math.sqrt(semi_major**3 / mu)
    )


def _start(given: OrbitGiven) -> tuple[np.ndarray, np.ndarray, float]:
    """Relative position [m] and velocity [m/s] in radial, along, normal; and mu [m3/s2]."""
    mu, a = G * (given.first_mass_kg + given.second_mass_kg), given.separation_m
    if a and given.period_s:
        mu = 4.0 * math.pi**2 * a**3 / given.period_s**2
    elif not a:
        a = (mu * (given.period_s / (2.0 * math.pi)) ** 2) ** (1.0 / 3.0)
    e, f = given.eccentricity, math.radians(given.true_anomaly_deg)
    p = a * (1.0 - e * e)
    root = math.sqrt(mu / p)
    return (
        np.array([p / (1.0 + e * math.cos(f)), 0.0, 0.0]),
        root * np.array([e * math.sin(f), 1.0 + e * math.cos(f), 0.0]),
        mu,
    )


def _delta_v(given: OrbitGiven, beta: float) -> np.ndarray:
    """Change of the velocity of the second body (3,) [m/s]."""
    m, u = given.projectile_mass_kg, np.array(given.projectile_velocity_mps)
    way = np.array(given.ejecta_direction)
    way = way / np.linalg.norm(way) if way.any() else None
    # Of ejecta along another way, the part of the projectile's momentum along it is multiplied.
    extra = (beta - 1.0) * (u if way is None else float(u @ way) * way)
    return (m * (u + extra) + np.array(given.impulse_ns)) / (given.second_mass_kg + m)


def _run(given: OrbitGiven, progress: Progress) -> dict[str, Any]:
    del progress
    position, velocity, mu = _start(given)
    # The projectile brings its mass.
    mu_after = mu * (1.0 + given.projectile_mass_kg / (given.first_mass_kg + given.second_mass_kg))

    def after(beta: float) -> _Orbit:
        return _elements(position, velocity + _delta_v(given, beta), mu_after)

    before, then, kick = _elements(position, velocity, mu), after(given.beta), _delta_v(given, given.beta)
    turned = [np.cross(position, v) for v in (velocity, velocity + kick)]
    cosine = float(turned[0] @ turned[1]) / float(np.prod([np.linalg.norm(h) for h in turned]) or math.nan)
    change = then.period - before.period
    closed = math.isfinite(then.period)
    result: dict[str, Any] = {
        "period_before_s": before.period, "period_after_s": then.period if closed else None,
        "period_change_s": change if closed else None, "period_change_min": change / 60.0 if closed else None,
        "period_change_share": change / before.period if closed else None, "semi_major_before_m": before.semi_major,
        "semi_major_after_m": then.semi_major if closed else None, "eccentricity_before": before.eccentricity,
        "eccentricity_after": then.eccentricity, "delta_v_mps": kick.tolist(),
        "delta_v_size_mps": float(np.linalg.norm(kick)), "delta_v_along_mps": float(kick[1]),
        "speed_before_mps": float(np.linalg.norm(velocity)),
        "inclination_change_deg": math.degrees(math.acos(min(max(cosine, -1.0), 1.0))),
    }  # fmt: skip
    if given.observed_period_change_s:
        result["beta_implied"] = _beta_for(given, before, after)
    return result


def _beta_for(given: OrbitGiven, before: _Orbit, after: Any) -> float:
    """Beta that gives the observed change of period."""

    def gap(beta: float) -> float:
        return min(after(beta).period, 1e30) - before.period - given.observed_period_change_s

    low, high = 0.0, 1.0
    while gap(low) * gap(high) > 0.0:
        high *= 2.0
        if high > 1e4:
            raise RangeError(
                f"OrbitGiven.observed_period_change_s = {given.observed_period_change_s} s: no beta up to 1e4 gives it."
            )
    return float(brentq(gap, low, high, xtol=1e-10))


ORBIT = Kind(conditions=OrbitGiven, run=_run, headline=("period_change_s", "delta_v_along_mps", "eccentricity_after"))
