# SPDX-License-Identifier: Apache-2.0
"""Lay a scenario out on its body: yards, pits, light, contacts, ore, and every robot's first state, as arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.config import content_hash
from stope.base.errors import ConfigError
from stope.base.seeding import generator, stream_key
from stope.base.units import DAY, DEG, HOUR
from stope.fleet.mission.bank import Tables
from stope.fleet.mission.faults import fault_times
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import COUNTS, KINDS, PHASES, SKILLS, Kind, Phase, Skill, World
from stope.fleet.mission.scenario import Ground, MonthScenario
from stope.world.body import load_body
from stope.world.light import light_at
from stope.world.site import make_site

__all__ = ["Place", "contacts", "lay_out", "place_of"]

Floats = NDArray[np.float64]
NUM_BINS = 120
"""Of the light over one turn of the body (chosen: 3 degrees)."""
CANDIDATES = 8
"""Pits among which a hauler chooses, nearest first (chosen)."""
RING = 4096
"""Windows in the calendar (chosen: beyond, a robot is looked at once a round)."""
STEFAN_BOLTZMANN = 5.670374419e-8
"""[W/(m2 K4)]; CODATA 2018."""
EMISSIVITY = 0.9
"""Of the ground (assumed)."""
DISPATCH = {"shortest-queue": k.SHORTEST, "nearest": k.NEAREST, "assignment": k.ASSIGNED}


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where yards and pits are, and their light: what does not depend on chance."""

    spin: float
    """Period of the body [s]."""
    gravity: Floats
    """At each pit [m/s2]."""
    yard_of: NDArray[np.int64]
    """Of each pit."""
    near: NDArray[np.int64]
    """Pits by distance from each yard, (yards, candidates)."""
    distance: Floats
    """To each of `near` along the surface [m]."""
    leg_time: Floats
    """To each of `near` [s]."""
    leg_hops: Floats
    """Hops of each of those legs, 1 or more; the last may be a part of one."""
    illumination: Floats
    """(pits, NUM_BINS) at the middle of each bin [1]."""
    pit_xy: Floats
    """Of each pit from its yard, east and north [m], (pits, 2)."""
    escape_speed: float
    """At the mean radius [m/s]."""


def place_of(scenario: MonthScenario) -> Place:
    """Yards and pits of a scenario on its body."""
    return _place(scenario.ground, scenario.num_yards, scenario.plant.hop_speed)


@lru_cache(maxsize=8)
def _place(ground: Ground, num_yards: int, hop_speed: float) -> Place:
    body = load_body(ground.body)
    radius = _mean_radius(body)
    yards = np.arange(num_yards)
    yard_lat = np.where(yards % 2 == 0, 1.0, -1.0) * ground.latitude_deg * DEG
    yard_lon = 2.0 * math.pi * yards / num_yards
    pits = np.arange(num_yards * ground.pits_per_yard)
    yard_of, slot = pits // ground.pits_per_yard, pits % ground.pits_per_yard
    # On a ring around the yard, from three to five quarters of the mean distance.
    turn = 2.0 * math.pi * slot / ground.pits_per_yard
    spread = 0.5 * (slot / max(ground.pits_per_yard - 1, 1) - 0.5)
    away = ground.pit_distance * (1.0 + spread)
    xy = np.stack([away * np.cos(turn), away * np.sin(turn)], axis=1)
    lat = np.clip(yard_lat[yard_of] + xy[:, 1] / radius, -85.0 * DEG, 85.0 * DEG)
    lon = yard_lon[yard_of] + xy[:, 0] / (radius * np.cos(yard_lat[yard_of]))
    near, distance = _nearest(yard_lat, yard_lon, lat, lon, radius)
    spin = 2.0 * math.pi / body.spin_rate
    times = (np.arange(NUM_BINS) + 0.5) * spin / NUM_BINS
    light, gravity = np.empty((len(pits), NUM_BINS)), np.empty(len(pits))
    for i in range(len(pits)):
        site = make_site(body, latitude_deg=lat[i] / DEG, longitude_deg=(lon[i] / DEG + 180.0) % 360.0 - 180.0)
        light[i] = light_at(site, times, sun_latitude_deg=ground.sun_latitude_deg).illumination
        gravity[i] = float(np.linalg.norm(site.gravity_l))
    legs, hops = _legs(distance, radius, body.gm, hop_speed)
    return Place(spin, gravity, yard_of, near, distance * radius, legs, hops, light, xy,
                  math.sqrt(2.0 * body.gm / radius))  # fmt: skip


def _mean_radius(body: Any) -> float:
    """As published, or the mean of the half axes [m]."""
    return float(body.mean_radius) or sum(map(float, body.semi_axes)) / 3.0


def _nearest(
    yard_lat: Floats, yard_lon: Floats, lat: Floats, lon: Floats, radius: float
) -> tuple[NDArray[np.int64], Floats]:
    """The nearest pits of each yard, and the angles to them [rad], (yards, candidates)."""

    def unit(a: Floats, b: Floats) -> Floats:
        return np.stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)], axis=1)

    here, there = unit(yard_lat, yard_lon), unit(lat, lon)
    num = min(CANDIDATES, len(lat))
    near, angle = np.empty((len(here), num), dtype=np.int64), np.empty((len(here), num))
    for i, row in enumerate(here):
        far = np.arccos(np.clip(there @ row, -1.0, 1.0))
        near[i] = np.argsort(far, kind="stable")[:num]
        angle[i] = np.maximum(far[near[i]], 1.0 / radius)
    return near, angle


def _legs(angle: Floats, radius: float, gm: float, speed: float) -> tuple[Floats, Floats]:
    """Time of a ballistic hop over an angle at the surface of a sphere without spin [s]; several where one is too far.

    Launched at `speed` and 45 degrees: range and time follow from the orbit. A longer way takes as many such hops; how
    many, 1 or more, is returned beside the time.

    Source:
        Two-body motion; checked against integration in tests/fleet/mission/test_lay_out.py.
    """
    if speed >= (circular := math.sqrt(gm / radius)):
        raise ConfigError(f"Plant.hop_speed = {speed:g} m/s: expected less than {circular:.3g} m/s, the speed of a "
                          "circular orbit at the ground.")  # fmt: skip
    vr = vt = speed * math.sqrt(0.5)
    momentum, energy = radius * vt, 0.5 * speed * speed - gm / radius
    axis = -gm / (2.0 * energy)
    eccentricity = math.sqrt(max(0.0, 1.0 + 2.0 * energy * momentum**2 / gm**2))
    cos_f = (momentum**2 / (gm * radius) - 1.0) / eccentricity
    true = math.acos(max(-1.0, min(1.0, cos_f)))  # true anomaly of take-off; the hop goes over the apocentre
    span = 2.0 * (math.pi - true)
    big = 2.0 * math.atan2(math.sqrt(1.0 - eccentricity) * math.sin(0.5 * true),
                           math.sqrt(1.0 + eccentricity) * math.cos(0.5 * true))  # fmt: skip
    flight = 2.0 * (math.pi - (big - eccentricity * math.sin(big))) * math.sqrt(axis**3 / gm)
    assert vr > 0.0
    return np.asarray(flight * np.maximum(angle / span, 0.2)), np.maximum(angle / span, 1.0)


def contacts(scenario: MonthScenario, *, seed: int, replicate: int) -> Floats:
    """Begin and end of every contact with Earth up to a week beyond the end, (contacts, 2) [s]."""
    link, end = scenario.link, (scenario.days + 7.0) * DAY
    days = np.arange(math.ceil(end / DAY)) * DAY
    spans = np.stack([days, days + link.contact_h * HOUR], axis=1)
    rng = generator(seed, "month", replicate, "gaps")
    num = rng.poisson(link.gaps * end / (30.0 * DAY))
    starts = np.sort(rng.uniform(0.0, end, num))
    gaps = [(s, s + link.gap_h * HOUR) for s in starts]
    for number, fault in enumerate(scenario.faults):
        if fault.kind == "blackout":
            gaps += [(s, s + fault.hours * HOUR)
                     for s in fault_times(scenario, fault, number, seed=seed, replicate=replicate)]  # fmt: skip
    for begin, stop in gaps:
        spans = np.concatenate([
            np.stack([spans[:, 0], np.minimum(spans[:, 1], begin)], axis=1),
            np.stack([np.maximum(spans[:, 0], stop), spans[:, 1]], axis=1),
        ])  # fmt: skip
        spans = spans[spans[:, 1] > spans[:, 0]]
    return np.ascontiguousarray(spans[np.argsort(spans[:, 0])], dtype=np.float64)


def lay_out(
    scenario: MonthScenario, tables: Tables, *, seed: int, replicate: int, log_rows: int = 0
) -> tuple[World, int]:
    """The first state of a month, and the key of its chance.

    Args:
        scenario: What there is.
        tables: Records that the skills draw from.
        seed: Root seed.
        replicate: Which month; every one has chances of its own.
        log_rows: Room for activities in the log; 0 for no log.

    Raises:
        ConfigError: if a battery can never hold what an activity needs, or a pile what a hopper may.
    """
    _check_pile(scenario, tables)
    place, fleet = place_of(scenario), scenario.fleet
    counts = {Kind.EXCAVATOR: fleet.excavators, Kind.HAULER: fleet.haulers, Kind.PROSPECTOR: fleet.prospectors,
              Kind.UNIT: fleet.units}  # fmt: skip
    kind = np.repeat([int(x) for x in counts], list(counts.values()))
    within = np.concatenate([np.arange(n) for n in counts.values()])
    n, pits, yards = len(kind), len(place.yard_of), scenario.num_yards
    rng = generator(seed, "month", replicate, "start")
    constants = _constants(scenario, tables, place.spin)
    real, whole = np.zeros((n, k.NUM_REAL)), np.zeros((n, k.NUM_WHOLE), dtype=np.int64)
    yard = np.where(kind == Kind.UNIT, within // max(1, counts[Kind.UNIT] // yards), within % yards)
    whole[:, k.KIND], whole[:, k.YARD] = kind, yard
    whole[:, k.PIT] = yard * scenario.ground.pits_per_yard + within // yards % scenario.ground.pits_per_yard
    whole[:, k.UNIT] = np.where(kind == Kind.UNIT, within, 0)
    whole[:, k.OUTCOME], whole[:, k.NEXT], whole[:, k.LINK] = 1, -1, -1
    is_unit = kind == Kind.UNIT
    whole[:, k.PHASE] = np.where(is_unit, int(Phase.PROCESS), int(Phase.DECIDE))
    mtbf = np.where(is_unit, scenario.failing.unit_mtbf_h, scenario.failing.mtbf_h) * HOUR
    real[:, k.CLOCK] = rng.exponential(mtbf)
    real[:, k.T_NEXT] = np.where(is_unit, real[:, k.CLOCK], 60.0 * rng.random(n))
    real[:, k.BATTERY] = constants[k.CAPACITY]
    light = scenario.ground.flux * place.illumination
    table = np.zeros((pits, NUM_BINS + 1))
    table[:, 1:] = np.cumsum(light * place.spin / NUM_BINS, axis=1)
    room = np.zeros((pits, k.NUM_PIT), dtype=np.int64)
    room[:, [k.QUEUE_HEAD, k.QUEUE_TAIL, k.BLOCKED_HEAD, k.BLOCKED_TAIL]] = -1
    room[:, k.HOME] = place.yard_of
    grade = _grades(scenario, place, seed=seed, replicate=replicate)
    room[:, k.GRADE] = np.round(1e6 * grade[:, 0]).astype(np.int64)
    spares = math.floor(scenario.failing.spares_per_robot * n / yards)
    world = World(
        real=real, whole=whole, pits=room, units=np.zeros((counts[Kind.UNIT], k.FIRST_PORT + scenario.plant.ports)),
        repairers=np.zeros((yards, max(1, fleet.maintainers // yards))), spares=np.full(yards, spares, dtype=np.int64),
        near=place.near, leg_time=place.leg_time, leg_hops=place.leg_hops, sunlight=table,
        cool_bins=_cool_bins(scenario, light),
        records=np.ascontiguousarray(tables.records), tables=tables.tables.copy(),
        contact=contacts(scenario, seed=seed, replicate=replicate), times=np.zeros((len(KINDS), len(PHASES))),
        counts=np.zeros(len(COUNTS), dtype=np.int64), waits=np.zeros((3, 3)),
        draws=np.zeros((len(SKILLS), pits), dtype=np.int64),
        samples=np.zeros(grade.shape, dtype=np.int64), sample_sum=np.zeros(grade.shape), true_grade=grade,
        constants=constants, calendar=np.full(RING, -1, dtype=np.int64), heap=np.zeros(n, dtype=np.int64),
        clock=np.zeros(3, dtype=np.int64), log=np.zeros((log_rows, 8)),
    )  # fmt: skip
    return world, stream_key(seed, "month", replicate, content_hash("chance"))


def _grades(scenario: MonthScenario, place: Place, *, seed: int, replicate: int) -> Floats:
    """True grade of every cell, (pits, cells): lognormal, correlated within a pit, independent between pits."""
    ground = scenario.ground
    cells = cell_places(ground.cells, ground.grade_length)
    apart = np.linalg.norm(cells[:, None] - cells[None], axis=2)
    covariance: Floats = np.exp(-0.5 * (apart / ground.grade_length) ** 2) + 1e-9 * np.eye(len(cells))
    root = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    rng = generator(seed, "month", replicate, "grade")
    field: Floats = rng.standard_normal((len(place.yard_of), len(cells))) @ root.T
    spread = ground.grade_spread
    return np.minimum(ground.grade * np.exp(spread * field - 0.5 * spread * spread), 0.5)


def cell_places(num: int, length: float) -> Floats:
    """Places of a pit's cells on a square grid, one length apart [m], (num, 2)."""
    side = math.ceil(math.sqrt(num))
    return length * np.array([(i % side, i // side) for i in range(num)], dtype=np.float64)


def _cool_bins(scenario: MonthScenario, light: Floats) -> NDArray[np.int64]:
    """How many bins a robot must wait for cool ground, (pits, bins); 0 where it may work.

    The ground is as warm as what it absorbs can radiate, without memory; a robot at work is a fixed rise warmer.
    """
    absorbed = (1.0 - scenario.ground.albedo) * light
    warm = (absorbed / (EMISSIVITY * STEFAN_BOLTZMANN)) ** 0.25 + scenario.robots.heat_rise
    hot = warm > scenario.robots.hot_limit
    if hot.all(axis=1).any():
        raise ConfigError(f"Robots.hot_limit = {scenario.robots.hot_limit:g} K: a pit is never cooler, so nobody could "
                          "ever work there. Raise it.")  # fmt: skip
    wait, twice = np.zeros(hot.shape, dtype=np.int64), np.concatenate([hot, hot], axis=1)
    run = np.zeros(len(hot), dtype=np.int64)
    for i in range(2 * hot.shape[1] - 1, -1, -1):
        run = np.where(twice[:, i], run + 1, 0)
        if i < hot.shape[1]:
            wait[:, i] = run
    return wait


def _check_pile(scenario: MonthScenario, tables: Tables) -> None:
    """Refuse a pile on which an excavator could never put what it has: its hopper may be exceeded by one digging."""
    digging = scenario.digging
    most = digging.hopper + digging.loads * float(tables.of(Skill.DIG)[:, 3].max()) / 1000.0
    if digging.pile < most:
        raise ConfigError(f"Digging.pile = {digging.pile:g} kg: expected {most:.4g} kg or more, what an excavator may "
                          f"bring: a hopper of {digging.hopper:g} kg and its last digging.")  # fmt: skip


def _constants(scenario: MonthScenario, tables: Tables, spin: float) -> Floats:
    """Numbers of a scenario as the engine takes them."""
    robots, digging, plant, link, failing = (
        scenario.robots, scenario.digging, scenario.plant, scenario.link, scenario.failing)  # fmt: skip
    worst = {s: tables.of(s)[:, 1:3].max(axis=0) for s in Skill}
    loads = digging.loads

    def need(time: float, energy: float) -> float:
        return energy + robots.idle_power * time

    dig = need(worst[Skill.ANCHOR][0], worst[Skill.ANCHOR][1]) + need(
        digging.move_time + loads * (worst[Skill.DIG][0] + digging.dump_time),
        digging.move_power * digging.move_time + loads * worst[Skill.DIG][1],
    )
    leg = float(place_of(scenario).leg_time.max())
    haul = 2.0 * need(leg, plant.leg_power * leg) + need(worst[Skill.DOCK][0] + plant.load_time, worst[Skill.DOCK][1])
    deposit = need(digging.deposit_time, digging.move_power * digging.deposit_time)
    hop = max(need(worst[Skill.HOP][0] + digging.sample_time, worst[Skill.HOP][1]), deposit)
    capacity = robots.battery_wh * HOUR
    most = (1.0 - robots.reserve) * capacity
    for name, wanted in (("dig", dig), ("haul", haul), ("prospect", hop)):
        if wanted > most:
            raise ConfigError(
                f"Robots.battery_wh = {robots.battery_wh:g} Wh: to {name} needs {wanted / HOUR:.4g} Wh at worst beyond "
                f"the reserve of {robots.reserve:g}, so nobody could ever begin. Give it more."
            )
    values = {
        k.CAPACITY: capacity, k.IDLE: robots.idle_power, k.ARRAY: robots.array_area * robots.array_efficiency,
        k.WORST_DIG: dig, k.WORST_HAUL: haul, k.WORST_HOP: hop, k.RESERVE: robots.reserve,
        k.HOPPER: 1000.0 * digging.hopper, k.DUMP_TIME: digging.dump_time, k.MOVE_TIME: digging.move_time,
        k.DEPOSIT_TIME: digging.deposit_time, k.MOVE_POWER: digging.move_power, k.WEAR: digging.wear / HOUR,
        k.WEAR_FLOOR: digging.wear_floor, k.PILE_MOST: 1000.0 * digging.pile, k.HAUL_LOAD: 1000.0 * plant.load,
        k.LEG_SUCCESS: plant.leg_success, k.LEG_LOSS: plant.leg_loss, k.LEG_POWER: plant.leg_power,
        k.LEG_PROPELLANT: plant.leg_propellant, k.LOAD_TIME: plant.load_time, k.UNLOAD_TIME: plant.unload_time,
        k.UNIT_HOPPER: 1000.0 * plant.hopper, k.UNIT_RATE: 1000.0 * scenario.unit_rate,
        k.NUM_UNITS: scenario.fleet.units // scenario.num_yards, k.MTBF: failing.mtbf_h * HOUR,
        k.MTTR: failing.mttr_h * HOUR, k.LOST_SHARE: failing.lost_share, k.SPARE_SHARE: failing.spare_share,
        k.LIGHT_TIME: link.light_time, k.DECISION: link.decision_time, k.AUTONOMY: int(link.autonomy[1]),
        k.DISPATCH: DISPATCH[scenario.dispatch], k.LOADS: loads, k.SPIN: spin, k.NUM_BINS: NUM_BINS,
        k.SAMPLE_TIME: digging.sample_time, k.SAMPLE_NOISE: digging.sample_noise,
        k.UNIT_MTBF: failing.unit_mtbf_h * HOUR, k.END: scenario.days * DAY, k.DIG_FACTOR: 1.0, k.DUST: 1.0,
        k.GRADE_GAIN: 1.0, k.ANSWERS: 1.0,
    }  # fmt: skip
    out = np.zeros(k.NUM_CONSTANTS)
    out[list(values)] = list(values.values())
    out[k.SUCCESS : k.HELD_UNTIL] = 1.0  # of every skill, its slowness too
    return out
