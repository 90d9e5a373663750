# SPDX-License-Identifier: Apache-2.0
"""Legs: flights between two docking poses, flown in the world by a guidance law, never distance over speed.

A docking pose is a level frame some metres above the real ground. A leg starts where docking ends, at one pose, and
ends at the hand-over point over the other one, inside the ball and slow enough for the dock task to begin. `plan_route`
lays an arc over the measured terrain between them; `fly_legs` flies it in many worlds at once, with the exact shape,
the gravity grid, the spin, the thrusters and the sensors of each world.

A leg fails when the robot touches the ground, runs dry, strays from its corridor, or is too slow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.config import check_positive
from stope.base.errors import RangeError
from stope.base.rotation import from_matrix, from_rotation_vector, multiply
from stope.base.seeding import generator, stream_key
from stope.learn.baselines.transit import Arcs, KnownGravity, Transit, TransitConfig
from stope.world import plant as p
from stope.world.batch import CONTROL_PERIOD, World
from stope.world.physics import index_of
from stope.world.robots import Robot
from stope.world.scene import SceneConfig
from stope.world.sensors import NUM_MEASURED, measure_all, sensor_row
from stope.world.site import Site, make_site
from stope.world.tasks import DockConfig

__all__ = ["FAILURES", "Flown", "LegConfig", "Pose", "Route", "fly_legs", "grid_error", "plan_route", "pose_at",
           "with_grid"]  # fmt: skip

Floats = NDArray[np.float64]
FAILURES = ("", "touched the ground", "out of propellant", "left its corridor", "out of time", "arrived too fast")
"""Why a leg failed, by code; 0 for success."""
WORLDS_PER_THREAD = 1000
"""Worlds that make another thread worth starting five times a second of flight: on a machine with other work to do, 600
worlds took 3.5 s on one thread and 20 s on two (measured, 41 m legs, two cores at a load of 4)."""
THRUST_SHARE = 0.6
"""Share of the weakest axis that an arc may ask for [1] (chosen: gains err by a tenth, corrections need the rest)."""
TOUCH = 2.0
"""Height over the ground, in half diagonals of the robot, that counts as a touch: exact on slopes up to 60 deg."""
DOCKED = (0.05, math.radians(5.0), 0.02, math.radians(1.0))
"""Where docking ends and a leg starts: within 5 cm, 5 deg, 2 cm/s and 1 deg/s of the pose (the dock task's success)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LegConfig:
    """What a leg is, and what counts as having flown it."""

    law: TransitConfig = field(default_factory=TransitConfig)
    """The guidance law's numbers."""
    dock: DockConfig = field(default_factory=DockConfig)
    """The task that takes over: its ball, speed and rate are what a leg must end in."""
    hand_over_height: float = 2.5
    """Of the point where a leg ends, over the docking pose [m]."""
    clearance: float = 4.5
    """Least height of a planned arc over the ground [m]."""
    corridor: float = 12.0
    """Distance from the reference at which a leg has failed [m]."""
    check_period: float = 1.0
    """Time between two looks at the ground and the corridor [s]; at cruise speed the robot moves its own size."""
    physics_step: float = 0.1
    """Integration step [s] (chosen: rates are slow; measured in tests/fleet/test_legs.py against 0.02 s)."""
    spacing: float = 14.0
    """Largest distance between nodes of the gravity grid [m]."""
    time_factor: float = 1.5
    """Time limit over the planned duration [1]."""
    time_extra: float = 120.0
    """And this much more [s]."""

    def __post_init__(self) -> None:
        """Check that each is positive and that the hand-over point lies in the dock task's ball.

        Raises:
            RangeError: if the robot could say that it has arrived outside the ball.
        """
        check_positive(self, "hand_over_height", "clearance", "corridor", "check_period", "physics_step", "spacing",
                       "time_factor", "time_extra")  # fmt: skip
        reach = self.hand_over_height + self.law.arrival_distance
        if reach >= self.dock.distance:
            raise RangeError(
                f"LegConfig.hand_over_height + arrival_distance = {reach:g} m: the dock task begins within "
                f"{self.dock.distance:g} m. Lower one of them."
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pose:
    """A docking pose in the frame l of the site where the worlds stand."""

    site: Site
    """Its own level frame; the dock task is flown there."""
    position_l: Floats
    """Its origin [m], (3,)."""
    q_lp: Floats
    """Its attitude: components in the pose's frame to components in l, (4,)."""
    up_l: Floats
    """Radial direction, (3,)."""


def pose_at(site: Site, east: float, north: float) -> Pose:
    """Docking pose over the ground at (east, north) [m] of a site's level frame, as high as the site's own origin.

    The ground point is the highest one on the line along z_l. The pose stands on its own radius.

    Raises:
        RangeError: if the line misses the body.
    """
    if east == 0.0 and north == 0.0:
        return _pose(site, site)
    if site.body.kind == "uniform":
        raise RangeError(f"site {site.name!r} is a uniform place: legs need a body with a shape.")
    ground = site.rotation_al @ _ground_l(site, east, north) + site.position_a
    radius = float(np.linalg.norm(ground))
    latitude, longitude = math.degrees(math.asin(ground[2] / radius)), math.degrees(math.atan2(ground[1], ground[0]))
    own = make_site(site.body, latitude_deg=latitude, longitude_deg=longitude, height=site.height)
    return _pose(site, own)


def _ground_l(site: Site, east: float, north: float) -> Floats:
    """Highest ground point on the line along z_l over (east, north) [m], l, (3,)."""
    high = float(np.linalg.norm(site.position_a))
    low, num = -high, math.ceil(2.0 * high) + 1  # first metre by metre, so that no hill is stepped over
    while high - low > 1e-9:
        z = np.linspace(high, low, num)
        below = site.height_above_surface(np.column_stack([np.full(num, east), np.full(num, north), z])) < 0.0
        first = int(np.argmax(below))
        if not below.any() or first == 0:
            where = f"east, north = {east:g}, {north:g} m"
            raise RangeError(f"{where}: no ground of {site.body.name!r} there. Move it closer.")
        high, low, num = z[first - 1], z[first], 33
    return np.array([east, north, high])


def _pose(site: Site, own: Site) -> Pose:
    position = site.rotation_al.T @ (own.position_a - site.position_a)
    up = site.rotation_al.T @ (own.position_a / np.linalg.norm(own.position_a))
    return Pose(site=own, position_l=position, q_lp=from_matrix(site.rotation_al.T @ own.rotation_al), up_l=up)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Route:
    """A planned leg."""

    site: Site
    """Where the worlds stand; its frame is l."""
    start: Pose
    goal: Pose
    arc: Arcs
    """One arc."""
    clearance: float
    """Least height of the arc over the ground [m]."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"leg of {self.arc.length[0]:.0f} m from {self.start.site.name} to {self.goal.site.name}"

    def points(self, num: int) -> Floats:
        """Points along the arc [m], l, (num, 3)."""
        return self.arc.shape(np.linspace(0.0, 1.0, num)[:, None])[:, 0]

    def describe(self) -> dict[str, Any]:
        """Figures for provenance."""
        return {
            "length_m": float(self.arc.length[0]), "rise_m": float(self.arc.rise[0]),
            "planned_clearance_m": self.clearance, "cruise_speed_mps": float(self.arc.top_speed[0]),
            "planned_duration_s": float(self.arc.duration[0]),
        }  # fmt: skip


def plan_route(site: Site, start: Pose, goal: Pose, config: LegConfig) -> Route:
    """Lay the lowest arc that clears the ground between two poses.

    The rise is at least the ballistic one, for which gravity itself bends the path at cruise speed: a lower arc would
    spend thrust to hold the robot up. Where gravity is too strong for that, it is a quarter of the length, which starts
    at 45 deg as the ballistic path of least speed does.

    Raises:
        RangeError: if no arc up to half as high again as the leg is long clears the ground.
    """
    end = goal.position_l + config.hand_over_height * goal.up_l
    line = end - start.position_l
    length = float(np.linalg.norm(line))
    up = start.up_l + goal.up_l
    up = up - (up @ line) * line / length**2
    up = up / np.linalg.norm(up)
    speed = config.law.cruise_speed
    flat = Arcs(start=start.position_l[None], end=end[None], up=up[None], rise=np.zeros(1), speed=np.array([speed]),
                acceleration=np.array([config.law.acceleration]))  # fmt: skip
    middle, velocity = start.position_l + 0.5 * line, line / length * flat.top_speed
    pull = -float(KnownGravity.of(site).acceleration(middle, velocity) @ up)
    lowest = min(max(0.0, pull * length**2 / (8.0 * float(flat.top_speed[0]) ** 2)), 0.25 * length)
    rises = lowest + np.arange(0.0, max(10.0, 0.5 * length), 0.5)
    shares = np.linspace(0.0, 1.0, math.ceil(length) + 50)[:, None]
    heights = site.height_above_surface(replace(flat, rise=rises).shape(shares)).min(axis=0)
    fits = np.flatnonzero(heights >= config.clearance)
    if len(fits):
        arc = replace(flat, rise=rises[fits[:1]])
        return Route(site=site, start=start, goal=goal, arc=arc, clearance=float(heights[fits[0]]))
    raise RangeError(
        f"leg of {length:.0f} m from {start.site.name} to {goal.site.name}: no arc up to {rises[-1]:.0f} m high stays "
        f"{config.clearance:g} m over the ground. Move the depot, or lower the clearance."
    )


def with_grid(site: Site, routes: list[Route], config: LegConfig) -> Site:
    """The site with a gravity grid that holds every route and its corridor."""
    reach = max(float(np.abs(r.points(101)).max()) for r in routes)
    half_width = 10.0 * math.ceil((reach + config.corridor + 1.0) / 10.0)
    nodes = math.ceil(2.0 * half_width / config.spacing) + 1
    return make_site(site.body, latitude_deg=site.latitude_deg, longitude_deg=site.longitude_deg, height=site.height,
                     grid_half_width=half_width, grid_nodes=nodes)  # fmt: skip


def grid_error(site: Site, route: Route, num: int = 200) -> dict[str, float]:
    """Error of the gravity grid against the exact field along a route: relative [1], and the largest [m/s2]."""
    points = route.points(num)
    exact = site.attraction_at(points)
    error = np.linalg.norm(site.grid.acceleration(points) - exact, axis=1)
    relative = error / np.linalg.norm(exact, axis=1)
    return {"median_relative": float(np.median(relative)), "max_relative": float(relative.max()),
            "max_mps2": float(error.max())}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Flown:
    """Outcomes of legs; every array is (worlds,)."""

    failure: NDArray[np.int64]
    """Index into FAILURES."""
    duration: Floats
    """To the arrival, or to the failure [s]."""
    energy: Floats
    """Electrical [J]."""
    propellant: Floats
    """Used [kg]."""
    final_error: Floats
    """Distance from the hand-over point [m]."""
    final_speed: Floats
    """[m/s]."""
    final_rate: Floats
    """[rad/s]."""
    lowest: Floats
    """Least height over the ground on the way [m]."""

    @property
    def is_success(self) -> NDArray[np.bool_]:
        """Whether each leg ended as it should."""
        return self.failure == 0


def fly_legs(
    routes: list[Route],
    robot: Robot,
    *,
    config: LegConfig,
    route_index: NDArray[np.int64],
    theta: Floats,
    told: Floats,
    seed: int,
    num_threads: int = 1,
    on_step: Callable[[World, NDArray[np.float32]], None] | None = None,
) -> Flown:
    """Fly one leg in every world.

    Args:
        routes: Routes that share a site; its gravity grid holds them (`with_grid`).
        robot: Who flies.
        config: What a leg is.
        route_index: Route of each world, (worlds,).
        theta: True physics of each world, (worlds, num_parameters).
        told: Belief summary that each robot flies by, (worlds, 2 num_parameters).
        seed: Root seed of the starts, the sensors and the jitter.
        num_threads: Most threads of the physics, one for every `WORLDS_PER_THREAD`; results do not depend on it.
        on_step: Called after every control step with the worlds and the actions.

    Raises:
        RangeError: if the gravity grid does not hold a route's corridor, a route asks for more thrust than there is,
            or a state is not finite.
    """
    site, n = routes[0].site, len(theta)
    for route in routes:
        _check_grid(route, config)
        _check_thrust(route, robot, theta)
    threads = min(num_threads, max(1, n // WORLDS_PER_THREAD))
    world = World(robot, site, theta, seed=seed, num_threads=threads,
                  scene=SceneConfig(physics_step=config.physics_step))  # fmt: skip
    arcs = Arcs(**{name: np.concatenate([getattr(route.arc, name) for route in routes])[route_index]
                   for name in Arcs.__dataclass_fields__})  # fmt: skip
    q_goal = np.stack([route.goal.q_lp for route in routes])[route_index]
    pose = np.stack([route.goal.position_l for route in routes])[route_index]
    world.state[:, :13] = _starts(routes, route_index, generator(seed, "leg start"))
    world.push_state()
    law = Transit.of(config.law, robot, site, arcs=arcs, q_goal=q_goal, told=told)
    flight = _Flight(world, law, config, pose)
    measured, sensor = np.zeros((n, NUM_MEASURED)), sensor_row(robot.sensors, CONTROL_PERIOD)
    keys = np.array([stream_key(seed, "leg sensors", i) for i in range(n)], dtype=np.uint64)
    for step in itertools.count():
        measure_all(world.state, measured, sensor, keys, step, step == 0)
        if step > 0:
            flight.judge(step, measured)
        if not flight.is_flying.any():
            break
        actions = law.act(step * CONTROL_PERIOD, measured[:, :13])
        world.step(actions)
        if on_step is not None:
            on_step(world, actions)
    return flight.flown


def _check_grid(route: Route, config: LegConfig) -> None:
    """The kernel uses the edge value outside its grid; this makes sure that no counted world gets there."""
    grid, points = route.site.grid, route.points(201)
    if (points < grid.origin_l + config.corridor).any() or (points > grid.upper_l - config.corridor).any():
        raise RangeError(
            f"{route.name}: its corridor leaves the gravity grid of {route.site.grid_half_width:g} m half width. "
            "Make the site with `with_grid`."
        )


def _check_thrust(route: Route, robot: Robot, theta: Floats) -> None:
    """Following the arc must leave thrust for corrections, whichever way the robot faces."""
    mass = float((theta[:, index_of("mass")] + theta[:, index_of("payload")]).max())
    gravity = KnownGravity.of(route.site)
    needed = 0.0
    for time in np.linspace(0.0, float(route.arc.duration[0]), 101):
        position, velocity, acceleration = route.arc.at(float(time))
        needed = max(needed, mass * float(np.linalg.norm(acceleration - gravity.acceleration(position, velocity))))
    limit = THRUST_SHARE * float(robot.limit_b[:3].min())
    if needed > limit:
        raise RangeError(
            f"{route.name}: asks for {needed:.2g} N of robot {robot.name!r}, which may plan with {limit:.2g} N. "
            "Fly more slowly or choose a stronger robot."
        )


def _starts(routes: list[Route], index: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Where docking ends: pose, attitude, speed and rate uniform in balls of the dock task's tolerances, (n, 13)."""
    n = len(index)
    offset, turn, velocity, rate = (_ball(rng, n, radius) for radius in DOCKED)
    position = np.stack([route.start.position_l for route in routes])[index] + offset
    q = multiply(np.stack([route.start.q_lp for route in routes])[index], from_rotation_vector(turn))
    return np.concatenate([position, q, velocity, rate], axis=1)


def _ball(rng: np.random.Generator, num: int, radius: float) -> Floats:
    x = rng.standard_normal((num, 3))
    return radius * x / np.linalg.norm(x, axis=1, keepdims=True) * rng.random((num, 1)) ** (1.0 / 3.0)


class _Flight:
    """Who is still on the way, and what has become of the others."""

    def __init__(self, world: World, law: Transit, config: LegConfig, pose: Floats) -> None:
        n = world.num_worlds
        self.world, self.law, self.config, self.pose = world, law, config, pose
        self.is_flying = np.ones(n, dtype=bool)
        self.held = np.zeros(n, dtype=np.int64)
        self.hold = round(config.law.arrival_hold / CONTROL_PERIOD)
        self.limit = config.time_factor * law.arcs.duration + config.time_extra
        self.check_every = max(1, round(config.check_period / CONTROL_PERIOD))
        self.touch = TOUCH * 0.5 * math.sqrt(3.0) * world.robot.side
        zeros = np.zeros(n)
        self.flown = Flown(failure=np.zeros(n, dtype=np.int64), lowest=np.full(n, np.inf),
                           **{k: zeros.copy() for k in ("duration", "energy", "propellant", "final_error",
                                                        "final_speed", "final_rate")})  # fmt: skip

    def judge(self, step: int, measured: Floats) -> None:
        """End the legs that have arrived or failed; the others go on.

        Raises:
            RangeError: if a state is not finite.
        """
        world, time, dock = self.world, step * CONTROL_PERIOD, self.config.dock
        code = np.where(time > self.limit, 4, -1)
        self.held = np.where(self.law.has_arrived(measured), self.held + 1, 0)
        has_arrived = self.held >= self.hold
        if has_arrived.any():
            fits = _size(world.position_l - self.pose) <= dock.distance
            fits &= (_size(world.velocity_l) <= dock.speed) & (_size(world.rate_b) <= dock.rate)
            code[has_arrived] = np.where(fits, 0, 5)[has_arrived]
        if step % self.check_every == 0:
            height = self._height()
            code[_size(world.position_l - self.law.arcs.at(time)[0]) > self.config.corridor] = 3
            code[height < self.touch] = 1
        code[(world.state[:, p.PROPELLANT] <= 0.0) & (world.robot.propellant_capacity > 0.0)] = 2
        ended = self.is_flying & (code >= 0)
        if ended.any():
            self._end(ended, code, time)

    def _height(self) -> Floats:
        """Height of every robot over the ground [m]; keeps the least of each that is on the way."""
        if not np.isfinite(self.world.state[self.is_flying, :13]).all():
            raise RangeError("a leg's state is not finite.")
        height = self.world.table.sites[0].height_above_surface(self.world.position_l)
        np.minimum(self.flown.lowest, height, out=self.flown.lowest, where=self.is_flying)
        return height

    def _end(self, ended: NDArray[np.bool_], code: NDArray[np.int64], time: float) -> None:
        world, robot, flown = self.world, self.world.robot, self.flown
        state = world.state[ended]
        effort = state[:, p.IMPULSE] + state[:, p.IMPULSE + 1] / robot.torque_arm
        flown.failure[ended], flown.duration[ended] = code[ended], time
        flown.energy[ended] = robot.power_idle * time + robot.power_per_newton * effort
        flown.propellant[ended] = robot.propellant_capacity - state[:, p.PROPELLANT]
        flown.final_error[ended] = _size(state[:, :3] - self.law.arcs.end[ended])
        flown.final_speed[ended] = _size(state[:, p.VELOCITY : p.VELOCITY + 3])
        flown.final_rate[ended] = _size(state[:, p.RATE : p.RATE + 3])
        self.is_flying = self.is_flying & ~ended


def _size(x: Floats) -> Floats:
    """Lengths (n,) of vectors (n, 3)."""
    return np.sqrt(np.sum(x * x, axis=1))
