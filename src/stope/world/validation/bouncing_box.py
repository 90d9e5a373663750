# SPDX-License-Identifier: Apache-2.0
"""One way of a dropped vehicle: flights by `place`, touches by `tumbling`, in turn until it rests or is gone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stope.base.rotation import conjugate, from_matrix, multiply, normalise, random_quaternions, rotate, to_matrix
from stope.base.seeding import generator, stream_key
from stope.world.validation import tumbling as t
from stope.world.validation.conditions import RockMap, SoilGiven
from stope.world.validation.place import Place

if TYPE_CHECKING:
    from stope.world.validation.drop import DropGiven

__all__ = ["Answer", "Box", "Way", "make_box", "one_way"]

Floats = NDArray[np.float64]

CLEARANCE = 1.6
"""Height of the centre, over the reach of the vehicle, at which a flight hands over to the touch (chosen)."""
NEAREST = 1e-6
"""A flight shorter than this [s] counts as none (chosen)."""
MOST_FLIGHTS = 5000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Box:
    """A rigid vehicle in its principal axes."""

    inertia: Floats
    """(3,) [kg m2]"""
    corners: Floats
    """From the centre of mass (num, 3) [m]."""
    reach: float
    """Of the farthest corner [m]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """How the vehicle's structure bounces, by the speed of approach."""

    table: Floats
    """(3, num): speeds [m/s], factor on the restitution of rock, restitution on soil."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """What happened to one draw; NaN where it did not."""

    reason: str
    fall_time_s: float
    impact_speed_mps: float
    num_contacts: float
    rest_time_s: float
    bounce_time_s: float
    travel_m: float
    travel_total_m: float
    rebound_speed_mps: float
    restitution: float
    first_restitution: float
    first_flight_s: float
    first_apex_m: float
    first_range_m: float
    travel_hop_m: float


def make_box(given: DropGiven) -> Box:
    """Corners and inertia of the conditions."""
    half = 0.5 * np.array(given.size_m)
    corners = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]) * half
    corners = corners - np.array(given.com_offset_m)
    if given.legs is not None:
        angle = 2.0 * math.pi * np.arange(given.legs.num) / given.legs.num
        feet = np.column_stack([given.legs.radius_m * np.cos(angle), given.legs.radius_m * np.sin(angle),
                                np.full(given.legs.num, -given.legs.below_m)])  # fmt: skip
        corners = np.concatenate([corners, feet])
    square = (2.0 * half) ** 2
    inertia = (
        np.array(given.inertia_kgm2) if any(given.inertia_kgm2) else given.mass_kg / 12.0 * (square.sum() - square)
    )
    return Box(
        inertia=inertia, corners=np.ascontiguousarray(corners), reach=float(np.linalg.norm(corners, axis=1).max())
    )


def _release(given: DropGiven, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Velocity (3,) in east, north, up, attitude (4,) to those axes and rate (3,) in the body."""
    scale = float(1.0 + given.speed_spread * rng.uniform(-1.0, 1.0))
    velocity: Floats = scale * np.array(given.velocity_l_mps, dtype=np.float64)
    size = float(np.linalg.norm(velocity))
    cosine, angle = rng.uniform(math.cos(math.radians(given.cone_deg)), 1.0), 2.0 * math.pi * rng.uniform()
    if size > 0.0 and given.cone_deg > 0.0:
        way = velocity / size
        side = np.asarray(np.cross(way, np.eye(3)[int(np.abs(way).argmin())]), dtype=np.float64)
        side = side / np.linalg.norm(side)
        other = np.asarray(np.cross(way, side), dtype=np.float64)
        around = math.cos(angle) * side + math.sin(angle) * other
        velocity = size * (cosine * way + math.sqrt(max(1.0 - cosine * cosine, 0.0)) * around)
    if given.push_friction >= 0.0:
        along, most = float(np.hypot(velocity[0], velocity[1])), given.push_friction * max(float(velocity[2]), 0.0)
        velocity[:2] *= float(min(1.0, most / along)) if along > 0.0 else 1.0
    q, axis = random_quaternions(rng, 1)[0], rng.standard_normal(3)
    if given.attitude == "level":
        q, axis = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    return velocity, q, given.rate_radps * axis / np.linalg.norm(axis)


def one_way(
    given: DropGiven, place: Place, *, box: Box, rock: RockMap, soil: SoilGiven, answer: Answer, draw: int
) -> Way:
    """Follow one draw from the release to its end."""
    rng = generator(given.seed, "drop", draw)
    velocity_l, q_l, rate = _release(given, rng)
    height = given.release_height_m or 1.01 * box.reach
    position, axes = place.start(max(height, 1e-3 * box.reach))
    velocity, q = axes @ velocity_l, multiply(from_matrix(axes), q_l)
    ground = np.array([
        rock.fraction, *rock.restitution, rock.friction, math.radians(rock.tilt_deg), rock.cell_m or max(given.size_m),
        soil.internal_friction, given.rest_height_m, given.time_limit_s, given.max_impacts, 2.0 * box.reach,
        float(given.structure is not None),
    ])  # fmt: skip
    log = np.zeros(t.NUM_LOG)
    begin, apex, code = position.copy(), math.nan, t.FLIES
    reason = "impacts"
    for leg in range(MOST_FLIGHTS):
        if code == t.FLIES:
            left = max(given.time_limit_s - log[t.TIME], NEAREST)
            flight = place.fly(position, velocity, clearance=CLEARANCE * box.reach, time_limit=left)
            if log[t.TOUCHES] == 1.0:
                apex = flight.apex if math.isnan(apex) else max(apex, flight.apex)
            t.turn_freely(box.inertia, q, rate, flight.duration)
            position, velocity = flight.position, flight.velocity
            log[t.TIME] += flight.duration
            if flight.reason != "contact":
                reason = flight.reason
                break
        code, position, velocity, q = _touch(given, place, box, answer=answer, ground=ground, rate=rate, log=log,
                                             state=(position, velocity, q), leg=(draw, leg))  # fmt: skip
        if code == t.RESTS:
            reason = "rest"
            break
        if code == t.SPENT:
            reason = "time" if log[t.TIME] >= given.time_limit_s else "impacts"
            break
        if 0 < given.stop_after_touches <= log[t.TOUCHES]:
            reason = "stopped"
            break
    return _way(log, reason=reason, places=(begin, position), apex=apex)


def _lift(
    mass: float, box: Box, position: Floats, velocity: Floats, rate: Floats, *, turn: Floats, down: float
) -> None:
    """Put a vehicle that has crossed into the plane of the next facet on it; its motion pays for the lift."""
    low = float((position + box.corners @ turn.T)[:, 2].min())
    if low >= -1e-9 * box.reach:
        return
    position[2] -= low
    energy = 0.5 * float(velocity @ velocity) + 0.5 * float(box.inertia @ rate**2) / mass
    share = math.sqrt(max(1.0 + max(down, 0.0) * low / energy, 0.0)) if energy > 0.0 else 0.0
    velocity *= share
    rate *= share


def _touch(
    given: DropGiven, place: Place, box: Box, *, answer: Answer, ground: Floats, rate: Floats, log: Floats,
    state: tuple[Floats, Floats, Floats], leg: tuple[int, int],
) -> tuple[int, Floats, Floats, Floats]:  # fmt: skip
    """Near the ground, in the frame of its plane; returns the code of `near_ground` and the state after."""
    position, velocity, q = state
    origin, plane, gravity = place.plane(position)
    q_plane = from_matrix(plane)
    x, v = plane.T @ (position - origin), plane.T @ velocity
    local = np.ascontiguousarray(normalise(multiply(conjugate(q_plane), q)))
    _lift(given.mass_kg, box, x, v, rate, turn=to_matrix(local), down=-float(plane[:, 2] @ gravity))
    before = float(log[t.TOUCHES])
    key = np.uint64(stream_key(given.seed, "ground", *leg))
    code = t.near_ground(given.mass_kg, box.inertia, box.corners, x, v, local, rate, plane.T @ gravity,
                         plane.T @ place.spin, ground, key, answer.table, log)  # fmt: skip
    for number, at in ((1.0, t.FIRST_AT), (2.0, t.SECOND_AT)):  # from the plane's frame to the place's
        if before < number <= log[t.TOUCHES]:
            log[at : at + 3] = origin + plane @ log[at : at + 3]
    return int(code), origin + plane @ x, rotate(q_plane, v), multiply(q_plane, local)


def _way(log: Floats, *, reason: str, places: tuple[Floats, Floats], apex: float) -> Way:
    begin, end = places
    first, second = log[t.FIRST_AT : t.FIRST_AT + 3], log[t.SECOND_AT : t.SECOND_AT + 3]
    touched, rests, again = log[t.TOUCHES] > 0.0, reason == "rest", log[t.TOUCHES] > 1.0
    nan = math.nan
    rebounds = touched and log[t.LEAVE_TIME] > 0.0
    speed = float(log[t.FIRST_SPEED])
    rebound = float(log[t.LEAVE_SPEED]) if rebounds else 0.0
    return Way(
        reason=reason,
        fall_time_s=float(log[t.FIRST_TIME]) if touched else nan,
        impact_speed_mps=speed if touched else nan,
        num_contacts=float(log[t.TOUCHES]),
        rest_time_s=float(log[t.TIME]) if rests else nan,
        bounce_time_s=float(log[t.TIME] - log[t.FIRST_TIME]) if rests else nan,
        travel_m=float(np.linalg.norm(end - first)) if rests else nan,
        travel_total_m=float(np.linalg.norm(end - begin)) if rests else nan,
        rebound_speed_mps=rebound if touched else nan,
        restitution=rebound / speed if touched and speed else nan,
        first_restitution=max(float(log[t.AFTER_ACROSS]), 0.0) / float(log[t.FIRST_ACROSS])
        if touched and log[t.FIRST_ACROSS] > 0.0
        else nan,
        first_flight_s=float(log[t.SECOND_TIME] - log[t.LEAVE_TIME]) if again and rebounds else nan,
        travel_hop_m=float(np.linalg.norm(first - begin)) if touched else nan,
        first_apex_m=apex,
        first_range_m=float(np.linalg.norm(second - first)) if again else nan,
    )
