# SPDX-License-Identifier: Apache-2.0
"""Builders shared by the tests: hand-made places, bodies with given mass properties, worlds in either engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.rotation import rotate
from stope.world import plant as p
from stope.world.batch import World
from stope.world.gravity import GravityGrid
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import Robot, load_robot
from stope.world.scene import SceneConfig
from stope.world.site import Site

Floats = NDArray[np.float64]
ENGINES = ("fused", "mujoco")


NO_GRADIENT = np.zeros((3, 3))


def linear_grid(
    gravity_l: ArrayLike = (0.0, 0.0, 0.0),
    gradient_l: ArrayLike = NO_GRADIENT,
    *,
    centre_l: ArrayLike = (0.0, 0.0, 0.0),
    half_width: float = 50.0,
) -> GravityGrid:
    """Grid of the field gravity + gradient (x - centre), which trilinear interpolation gives back exactly."""
    centre, axis = np.asarray(centre_l, dtype=float), np.array([-half_width, half_width])
    points = centre + np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    nodes = np.asarray(gravity_l) + (points - centre) @ np.asarray(gradient_l).T
    return GravityGrid(centre - half_width, np.full(3, 2.0 * half_width), nodes, 0.0, 0.0)


@dataclass(frozen=True)
class Place:
    """A place made by hand: what a world reads of a site, and nothing else."""

    grid: GravityGrid = field(default_factory=linear_grid)
    spin_l: Floats = field(default_factory=lambda: np.zeros(3))
    position_l0: Floats = field(default_factory=lambda: np.zeros(3))
    jitter_rms: float = 0.0
    has_air: bool = True
    name: str = "by-hand"


def default_theta(robot: Robot, num: int = 1, **changes: ArrayLike) -> Floats:
    """Physics of `num` worlds: the prior's median with some parameters set."""
    theta = robot.prior.theta(np.zeros((num, NUM_PARAMETERS)))
    for name, value in changes.items():
        theta[:, index_of(name)] = value
    return theta


def drawn_theta(robot: Robot, num: int, rng: np.random.Generator) -> Floats:
    """Physics drawn wider than any shipped prior: everything that can vary does."""
    theta = robot.prior.theta(rng.standard_normal((num, NUM_PARAMETERS)))
    theta[:, index_of("drag")] = rng.uniform(0.0, 0.1, num)
    theta[:, index_of("latency")] = rng.uniform(0.0, 0.2, num)
    theta[:, index_of("lag")] = np.exp(rng.uniform(np.log(0.01), np.log(1.0), num))
    theta[:, index_of("inertia_s12") : index_of("inertia_s12") + 3] = rng.uniform(-0.05, 0.05, (num, 3))
    return theta


def make_world(
    place: Site | Place | tuple[Any, ...] | None = None,
    theta: ArrayLike | None = None,
    *,
    robot: str = "bee-gas",
    num: int = 1,
    dt: float = 0.05,
    engine: str = "fused",
    **settings: Any,
) -> World:
    """A world; at rest in empty space unless told otherwise."""
    machine = load_robot(robot)
    theta = default_theta(machine, num) if theta is None else theta
    scene = settings.pop("scene", SceneConfig(physics_step=dt))
    sites: Any = Place() if place is None else place
    return World(machine, sites, theta, seed=settings.pop("seed", 0), scene=scene, engine=engine, **settings)  # type: ignore[arg-type]


def give_body(world: World, *, mass: float, inertia: ArrayLike, com: ArrayLike = (0.0, 0.0, 0.0)) -> None:
    """Give every world one rigid body without drag and residual: mass [kg], inertia (3,) or (3, 3) [kg m2, b]."""
    tensor = np.asarray(inertia, dtype=float)
    tensor = np.diag(tensor) if tensor.ndim == 1 else tensor
    rows, order = world.plant.copy(), ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])
    rows[:, p.MASS], rows[:, p.COM : p.COM + 3] = mass, com
    rows[:, p.INERTIA : p.INERTIA + 6] = tensor[order]
    rows[:, p.INVERSE : p.INVERSE + 6] = np.linalg.inv(tensor)[order]
    rows[:, p.DRAG], rows[:, p.RESIDUAL : p.RESIDUAL + 3] = 0.0, 0.0
    world.set_plant(rows, np.arange(world.num_worlds))


def place_at(
    world: World,
    *,
    position: ArrayLike | None = None,
    attitude: ArrayLike | None = None,
    velocity: ArrayLike | None = None,
    rate: ArrayLike | None = None,
) -> None:
    """Write the pose and the rates of every world, in either engine."""
    for view, value in (
        (world.position_l, position),
        (world.q_lb, attitude),
        (world.velocity_l, velocity),
        (world.rate_b, rate),
    ):
        if value is not None:
            view[:] = value
    world.push_state()


def coast(world: World, num_control_steps: int, action: ArrayLike = 0.0) -> None:
    """Step every world under one action."""
    actions = np.broadcast_to(np.asarray(action, dtype=float), (world.num_worlds, 6)).copy()
    for _ in range(num_control_steps):
        world.step(actions)


def tensor_of(world: World) -> Floats:
    """Inertia of every world, (worlds, 3, 3) [kg m2, b]."""
    order = [[0, 3, 4], [3, 1, 5], [4, 5, 2]]
    return world.plant[:, p.INERTIA : p.INERTIA + 6][:, order]


def angular_momentum(world: World, wheel: bool = True) -> Floats:  # noqa: FBT001, FBT002 -- one switch of a test helper
    """Of each body about its centre of mass, wheels included, in l, for a frame l without spin, (worlds, 3)."""
    own = np.einsum("nij,nj->ni", tensor_of(world), world.rate_b)
    return rotate(world.q_lb, own + (world.state[:, p.WHEEL : p.WHEEL + 3] if wheel else 0.0))


def rotational_energy(world: World) -> Floats:
    """Kinetic energy of rotation for a frame l without spin, (worlds,) [J]."""
    return 0.5 * np.einsum("ni,nij,nj->n", world.rate_b, tensor_of(world), world.rate_b)


def com_state(world: World) -> tuple[Floats, Floats]:
    """Position [m] and velocity [m/s] of the centre of mass in l, (worlds, 3) each."""
    com = world.plant[:, p.COM : p.COM + 3]
    velocity = world.velocity_l + rotate(world.q_lb, np.cross(world.rate_b, com))
    return world.position_l + rotate(world.q_lb, com), velocity
