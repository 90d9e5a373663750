# SPDX-License-Identifier: Apache-2.0
"""Drop: a box or a legged lander that falls, or hops, and bounces to rest; drawn many times.

Result: shares `rest_share`, `escape_share`, `unfinished_share` (time or contacts spent), and, each with `mean`,
`min`, `max` and quantiles `q05`, `q25`, `q50`, `q75`, `q95` (null where no draw has it): `fall_time_s` (release to
first touch), `impact_speed_mps`, `num_contacts` (touches parted by a flight), `rest_time_s` (from release),
`bounce_time_s` (first touch to rest), `travel_m` (straight, first touch to rest), `travel_total_m` (release to the
end), `rebound_speed_mps` (when the first touch ends), `restitution` (rebound over impact speed), `first_restitution`
(of the first impact alone, across the ground), `first_flight_s` and `first_apex_m` (between first and second touch),
`first_range_m`, `travel_hop_m` (straight, release to first touch); `escape_speed_mps`, `gravity_mps2` and `slope_deg`
of the site, `shape`, `num_draws`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from stope.base.config import check_finite, check_not_negative, check_positive
from stope.base.errors import ConfigError
from stope.base.progress import Progress
from stope.base.units import HOUR
from stope.world.body import load_body
from stope.world.regolith import elements as el
from stope.world.regolith.soil import soil_rows
from stope.world.structure import resistance, touch_down
from stope.world.validation import bouncing_box as bb
from stope.world.validation.case import HERE, Kind, named
from stope.world.validation.conditions import RockMap, SoilGiven, StructureGiven, quantiles
from stope.world.validation.place import BodyPlace, LevelPlace, Place

__all__ = ["DROP", "DropGiven"]

Triple = tuple[float, float, float]
SPEEDS = 12
"""Speeds at which the restitution of a structure is worked out, between a hundredth of the impact's and twice it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Legs:
    """Feet of a lander, evenly around its vertical axis."""

    num: int = 3
    """Three or more."""
    radius_m: float = 1.0
    """From the axis to the feet [m]."""
    below_m: float = 0.5
    """From the centre of mass down to the feet [m]."""

    def __post_init__(self) -> None:
        """Check every number."""
        check_positive(self, "radius_m", "below_m")
        if self.num < 3:
            raise ConfigError(f"Legs.num = {self.num}: expected 3 or more.")


@dataclass(frozen=True, kw_only=True, slots=True)
class DropGiven:
    """A vehicle, its release, and the ground."""

    mass_kg: float
    """[kg]"""
    size_m: Triple
    """Lengths of the box along its own x, y, z [m]; its corners touch."""
    body: str = ""
    """A name of `stope world bodies`, or a TOML file; empty for `gravity_mps2`."""
    latitude_deg: float = 0.0
    """Of the release, on a body [deg]."""
    longitude_deg: float = 0.0
    """Of the release, on a body [deg]."""
    gravity_mps2: float = 0.0
    """Effective gravity where no body is named [m/s2]."""
    spin_period_h: float = 0.0
    """Of the ground where no body is named [h]; 0 for none."""
    slope_deg: float = 0.0
    """Of the ground where no body is named, down towards -y [deg]."""
    escape_speed_mps: float = 0.0
    """Where no body is named [m/s]; 0 if nothing escapes."""
    release_height_m: float = 0.0
    """Of the centre of mass over the ground [m], in any attitude clear of it; 0 for just clear."""
    velocity_l_mps: Triple = (0.0, 0.0, 0.0)
    """At the release: east, north, up, against the ground [m/s]."""
    cone_deg: float = 0.0
    """Half angle of a cone about that velocity; directions are drawn evenly within [deg]."""
    speed_spread: float = 0.0
    """Half range of the speed over itself, drawn evenly [1]."""
    push_friction: float = -1.0
    """Friction that limits the part of a hop's velocity along the ground to this times that across [1]; -1 for none."""
    rate_radps: float = 0.0
    """Size of the rate at the release, about a random axis [rad/s]."""
    attitude: Literal["random", "level"] = "random"
    """At the release; level has z up and the rate about z."""
    inertia_kgm2: Triple = (0.0, 0.0, 0.0)
    """Principal moments about x, y, z [kg m2]; zeros for those of a full box of this size."""
    com_offset_m: Triple = (0.0, 0.0, 0.0)
    """Of the centre of mass from the middle of the box [m]."""
    legs: Legs | None = None
    """Feet that touch besides the corners."""
    structure: StructureGiven | None = None
    """Table or name; decides the restitution with the ground."""
    rock: RockMap | None = None
    """Table or name; by default that of the body, else the medians of the prior."""
    soil: SoilGiven | None = None
    """Table or name; by default that of the body, else the medians of the prior."""
    num_draws: int = 64
    """[1]"""
    seed: int = 0
    """Of all draws."""
    time_limit_s: float = 2e5
    """[s]; chosen, two days and more."""
    rest_height_m: float = 1e-3
    """It rests, three corners down, when its energy would lift it less than this [m]; chosen."""
    max_impacts: int = 20_000
    """After which a draw counts as unfinished; chosen."""
    stop_after_touches: int = 0
    """End a draw at this touch, to study one flight [1]; 0 for never."""

    def __post_init__(self) -> None:
        """Check every number, and that there is a place."""
        check_positive(self, "mass_kg", "time_limit_s", "rest_height_m", "num_draws", "max_impacts")
        check_not_negative(self, "gravity_mps2", "spin_period_h", "escape_speed_mps", "release_height_m", "cone_deg",
                           "speed_spread", "rate_radps", "stop_after_touches")  # fmt: skip
        check_finite(self, "latitude_deg", "longitude_deg", "slope_deg", "push_friction")
        if min(self.size_m) <= 0.0:
            raise ConfigError(f"DropGiven.size_m = {list(self.size_m)}: expected three positive numbers.")
        if (np.abs(self.com_offset_m) >= 0.5 * np.array(self.size_m)).any():
            raise ConfigError(
                f"DropGiven.com_offset_m = {list(self.com_offset_m)}: expected a point inside the box of "
                f"{list(self.size_m)} m."
            )
        if bool(self.body) == (self.gravity_mps2 > 0.0):
            raise ConfigError("DropGiven.body, gravity_mps2: expected one of them, a name or more than 0.")
        if self.body and (self.spin_period_h or self.slope_deg or self.escape_speed_mps):
            raise ConfigError(
                f"DropGiven.body = {self.body!r}: leave out spin_period_h, slope_deg and escape_speed_mps."
            )
        if any(self.inertia_kgm2):
            a, b, c = sorted(self.inertia_kgm2)
            if not (a > 0.0 and c <= (a + b) * (1.0 + 1e-9)):
                raise ConfigError(f"DropGiven.inertia_kgm2 = {list(self.inertia_kgm2)}: no rigid body has these.")
        if not -90.0 <= self.latitude_deg <= 90.0:
            raise ConfigError(f"DropGiven.latitude_deg = {self.latitude_deg}: expected -90 to 90.")
        if not 0.0 <= self.speed_spread <= 1.0:
            raise ConfigError(f"DropGiven.speed_spread = {self.speed_spread}: expected 0 to 1.")
        if not abs(self.slope_deg) < 80.0:
            raise ConfigError(f"DropGiven.slope_deg = {self.slope_deg}: expected less than 80 either way.")


def _place(given: DropGiven) -> Place:
    body = load_body(given.body) if given.body else None
    if body is not None and body.kind != "uniform":
        return BodyPlace(body, latitude_deg=given.latitude_deg, longitude_deg=given.longitude_deg)
    level = body.gravity_level if body is not None else given.gravity_mps2
    slope, latitude = math.radians(given.slope_deg), math.radians(given.latitude_deg)
    spin = 2.0 * math.pi / (given.spin_period_h * HOUR) if given.spin_period_h else 0.0
    return LevelPlace(level * np.array([0.0, -math.sin(slope), -math.cos(slope)]),
                      spin * np.array([0.0, math.cos(latitude), math.sin(latitude)]),
                      escape_speed=given.escape_speed_mps or math.inf)  # fmt: skip


def _ground_of(given: DropGiven) -> tuple[RockMap, SoilGiven]:
    """Boulders and soil: stated, else those of the body, else the medians of the prior."""

    def default(kind: str, made: type[Any]) -> Any:
        from stope.base.config import build, read_toml  # noqa: PLC0415 -- only for bodies

        if given.body in read_toml(HERE / "parameters.toml").get(kind, {}):
            return build(made, named(kind, given.body, where="parameters.toml"), where=f"parameters.toml: {kind}")
        return made()

    rock = given.rock if given.rock is not None else default("rock", RockMap)
    return rock, given.soil if given.soil is not None else default("soil", SoilGiven)


def _restitution(given: DropGiven, soil: SoilGiven, *, speed: float, gravity: float) -> bb.Answer:
    """Restitution by the speed of approach, on rock and on soil."""
    elastic = math.sqrt(soil.elastic_share)
    if given.structure is None:
        return bb.Answer(table=np.array([[1.0], [1.0], [elastic]]))
    speeds = np.geomspace(1e-2 * speed, 2.0 * speed, SPEEDS)
    strut, area = given.structure.structure(), given.structure.foot_area_m2
    radius = math.sqrt(area / math.pi)
    law = resistance(el.disc(radius, size=radius / 6.0), soil_rows((soil.soil(),), gravity=max(gravity, 0.0))[0])
    rows = [
        [
            touch_down(
                strut,
                mass=given.mass_kg,
                speed=float(v),
                gravity=max(gravity, 0.0),
                ground=ground,
                elastic_share=soil.elastic_share,
            ).restitution
            for v in speeds
        ]
        for ground in (None, law)
    ]
    return bb.Answer(table=np.array([speeds, *rows]))


def _run(given: DropGiven, progress: Progress) -> dict[str, Any]:
    place, (rock, soil) = _place(given), _ground_of(given)
    box = bb.make_box(given)
    start, axes = place.start(0.0)
    _, ground, gravity = place.plane(start)
    pull = float(np.linalg.norm(gravity))
    height = given.release_height_m or 1.01 * box.reach
    least = 0.5 * given.size_m[2] if given.attitude == "level" else box.reach
    if height < least:
        raise ConfigError(
            f"DropGiven.release_height_m = {height}: of the centre of mass, expected at least {least:.4g} m, clear of "
            "the ground, or 0 for just that."
        )
    fastest = math.sqrt(
        float(np.square(given.velocity_l_mps).sum()) * (1.0 + given.speed_spread) ** 2 + 2.0 * pull * height
    )
    answer = _restitution(given, soil, speed=fastest, gravity=-float(gravity @ ground[:, 2]))
    ways = []
    for k in range(given.num_draws):
        ways.append(bb.one_way(given, place, box=box, rock=rock, soil=soil, answer=answer, draw=k))
        progress(f"drop of {given.mass_kg:g} kg", (k + 1) / given.num_draws)
    up = -gravity / pull if pull else axes[:, 2]
    return _summary(ways) | {
        "gravity_mps2": pull, "slope_deg": math.degrees(math.acos(min(max(float(up @ ground[:, 2]), -1.0), 1.0))),
        "shape": load_body(given.body).kind if given.body else "level", "num_draws": given.num_draws,
        "boulder_fraction": rock.fraction,
    }  # fmt: skip


def _summary(ways: list[bb.Way]) -> dict[str, Any]:
    """Distributions over the draws."""

    def over(name: str) -> dict[str, float] | None:
        return quantiles([v for v in (getattr(w, name) for w in ways) if math.isfinite(v)])

    names = (
        "fall_time_s",
        "impact_speed_mps",
        "num_contacts",
        "rest_time_s",
        "bounce_time_s",
        "travel_m",
        "travel_total_m",
        "rebound_speed_mps",
        "restitution",
        "first_restitution",
        "first_flight_s",
        "first_apex_m",
        "first_range_m",
        "travel_hop_m",
    )
    num = len(ways)
    return {name: over(name) for name in names} | {
        f"{word}_share": sum(w.reason in reasons for w in ways) / num
        for word, reasons in (("rest", ("rest",)), ("escape", ("escape",)), ("unfinished", ("time", "impacts")))
    }


DROP = Kind(conditions=DropGiven, run=_run,
            headline=("fall_time_s.q50", "num_contacts.q50", "bounce_time_s.q50", "travel_m.q50", "rest_share",
                      "escape_share"))  # fmt: skip
