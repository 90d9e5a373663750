# SPDX-License-Identifier: Apache-2.0
"""The scenes of `world.py` with ground: what soil costs, beside the same scene without it and MuJoCo's height field.

All contestants of a scene step the same model from the same start, with the same fourth-order scheme, once per control
period, interleaved:

- batch: with soil, anchors and drums, native in every step;
- bare: the same call without the ground's forces (gravity and thrusters stay), so `ratio` is what soil leaves; where
  there is no soil (`capture`), MuJoCo's own batch without any of our forces;
- hfield: the same call, with the tools as rigid geoms on MuJoCo's height field in place of the soil.

A tool is put a few centimetres into the ground, so that its lower elements feel it. `ns_per_element` is the time that
soil adds to a step over all elements of the model, on one thread. `halving` is the largest relative change of the
force on the tools, over random motions, when elements are half as wide.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from stope.base.seeding import generator
from stope.world import ground as g
from stope.world.batch import World
from stope.world.body import load_body
from stope.world.bouncing import bounce
from stope.world.coasting import coast, surroundings
from stope.world.mujoco_flight import MujocoBatch
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.regolith import Soil, soil_rows, traction
from stope.world.robots import load_robot
from stope.world.scene import SceneConfig, compile_scene
from stope.world.site import Site, make_site
from stope.world.tools import element_table, set_soils

__all__ = ["CONTACT_SCENES", "coast_speedup", "contestants", "halving", "num_elements"]

Floats = NDArray[np.float64]
SOIL = Soil(cohesion=1.0)
GRAVITY_SITE = ("ryugu", 30.0)


@dataclass(frozen=True, kw_only=True)
class ContactScene:
    """A robot in the ground."""

    robot: str
    scene: SceneConfig
    height: float
    """Of the base's origin [m]: low enough that the tools are in the ground."""
    joints: dict[int, float] = field(default_factory=dict)
    """Columns of qpos and their start."""
    text: str


CONTACT_SCENES = {
    "lander_soil": ContactScene(
        robot="lander", scene=SceneConfig(has_soil=True, physics_step=0.01), height=0.43,
        text="lander, three feet 3 cm in soil"),
    "digger_soil": ContactScene(
        robot="digger", height=0.28, joints={7: -0.05, 9: -0.05},
        scene=SceneConfig(has_soil=True, physics_step=0.01, bed_half_width=1.0, bed_spacing=0.04, num_stones=2),
        text="digger, pads and two turning drums in soil that remembers"),
    "hopper": ContactScene(
        robot="hopper", scene=SceneConfig(has_soil=True, physics_step=0.005), height=0.03,
        text="hopper lying in soil, its torquer turning"),
    "capture": ContactScene(
        robot="bee-gripper", scene=SceneConfig(target_size=0.07, physics_step=0.005), height=5.0,
        joints={7: -0.02, 8: -0.02, 9: 0.285, 11: 5.0}, text="gripper closed on a boulder, no soil"),
}  # fmt: skip


def _site() -> Site:
    return make_site(load_body(GRAVITY_SITE[0]), latitude_deg=GRAVITY_SITE[1], longitude_deg=0.0, height=0.0)


def make_world(place: ContactScene, num_worlds: int, num_threads: int) -> World:
    """Worlds at the scene's start, with small differences."""
    robot, rng = load_robot(place.robot), generator(1, "contact starts")
    theta = robot.prior.theta(np.zeros((num_worlds, NUM_PARAMETERS)))
    theta[:, index_of("latency")] = 0.0
    world = World(robot, _site(), theta, seed=1, scene=place.scene, engine="mujoco", num_threads=num_threads)
    world.state[:, 2] = place.height
    world.state[:, 7:10] = 0.002 * rng.standard_normal((num_worlds, 3))
    world.restart(np.arange(num_worlds))
    for column, value in place.joints.items():
        world.qpos[:, column] = value
    if world.ground is not None:
        set_soils(world.ground, robot, (SOIL,) * num_worlds, gravity=1.3e-4)
        world.ground.ctrl[:] = 0.0
        if place.robot == "digger":
            world.ground.ctrl[:] = (-0.05, -0.05, 0.1, -0.1)
        if place.robot == "bee-gripper":
            world.ground.ctrl[:] = -0.3
    return world


def _stepper(world: World, num_periods: int, *, has_ground: bool) -> Callable[[], float]:
    batch, action = world._mujoco, np.zeros((world.num_worlds, 6))
    assert batch is not None
    start, ground = world.snapshot(), batch.ground

    def fly() -> float:
        world.restore(start)
        batch.ground = ground if has_ground else None
        begin = time.perf_counter()
        for _ in range(num_periods):
            world.step(action)
        seconds = time.perf_counter() - begin
        batch.ground = ground
        return num_periods * world.num_steps * world.num_worlds / seconds

    return fly


def _mujoco_alone(world: World, num_threads: int, num_periods: int) -> Callable[[], float]:
    """The same model from the same start on MuJoCo's batch, with none of our forces."""
    assert world._mujoco is not None
    batch = Batch(world._mujoco.model, world.num_worlds, num_threads)
    qpos, qvel, ctrl = batch.bind("qpos"), batch.bind("qvel"), batch.bind("ctrl")
    first, speed = world.qpos.copy(), world.qvel.copy()
    assert world.ground is not None
    told = world.ground.ctrl.copy()

    def fly() -> float:
        qpos[:], qvel[:], ctrl[:] = first, speed, told
        begin = time.perf_counter()
        for _ in range(num_periods):
            batch.step(nstep=world.num_steps)
        return num_periods * world.num_steps * world.num_worlds / (time.perf_counter() - begin)

    return fly


def _on_height_field(place: ContactScene, world: World, num_threads: int, num_periods: int) -> Callable[[], float]:
    """The same call with MuJoCo's own contact: tools as rigid geoms on a 64 x 64 height field, no soil."""
    robot = load_robot(place.robot)
    assert robot.articulation is not None
    spec = mujoco.MjSpec.from_string(robot.articulation.mjcf)
    spec.option.timestep, spec.option.gravity = place.scene.physics_step, [0.0, 0.0, 0.0]
    spec.option.integrator, spec.option.cone = mujoco.mjtIntegrator.mjINT_RK4, mujoco.mjtCone.mjCONE_ELLIPTIC
    rough = 0.01 * generator(1, "height field").random(64 * 64)
    spec.add_hfield(name="ground", size=[3.0, 3.0, 0.01, 0.5], nrow=64, ncol=64, userdata=rough.tolist())
    spec.worldbody.add_geom(name="field", type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", pos=[0, 0, -0.01])
    batch = MujocoBatch(spec.compile(), world.num_worlds, num_threads=num_threads, nodes=world.table.nodes)
    batch.set_mass_properties(world.plant, np.arange(world.num_worlds))
    # Tools lie on the field as the others' lie in soil; joints and drums start as there.
    plant, first, qpos = world.plant.copy(), world.state.copy(), world.qpos.copy()
    idle, still = np.zeros((world.num_worlds, 6)), np.zeros((world.num_worlds, 3))

    def fly() -> float:
        state = first.copy()
        batch.restart(np.arange(world.num_worlds))
        batch.qpos[:], batch.qvel[:] = qpos, 0.0
        begin = time.perf_counter()
        for _ in range(num_periods):
            batch.step(plant, state, action=idle, jitter=still, num_steps=world.num_steps)
        return num_periods * world.num_steps * world.num_worlds / (time.perf_counter() - begin)

    return fly


def contestants(name: str, *, num_worlds: int, num_threads: int, num_periods: int) -> dict[str, Callable[[], float]]:
    """What steps in a scene, by name; each call flies the course and returns physics steps/s."""
    place = CONTACT_SCENES[name]
    world = make_world(place, num_worlds, num_threads)
    out = {"batch": _stepper(world, num_periods, has_ground=True)}
    if place.scene.has_soil:
        out["bare"] = _stepper(world, num_periods, has_ground=False)
        out["hfield"] = _on_height_field(place, world, num_threads, num_periods)
    else:
        out["bare"] = _mujoco_alone(world, num_threads, num_periods)
    return out


def num_elements(name: str) -> int:
    """Surface elements of a scene's robot."""
    robot = load_robot(CONTACT_SCENES[name].robot)
    assert robot.articulation is not None
    return len(element_table(compile_scene(robot, CONTACT_SCENES[name].scene), size=robot.articulation.element_size))


def _force(table: Floats, row: Floats, *, depth: float, velocity: Floats) -> Floats:
    """Force of flowing soil on a tool whose lowest element is at a depth [N], as the batch sums it."""
    z = table[:, g.POSITION + 2] - table[:, g.POSITION + 2].min()
    half = np.maximum(table[:, g.HALF] * np.sqrt(np.maximum(0.0, 1.0 - table[:, g.NORMAL + 2] ** 2)), 1e-12)
    deep = depth - z
    part = np.clip(0.5 * (deep + half) / half, 0.0, 1.0)
    mean = np.where(deep < half, 0.5 * (deep + half), deep)
    push = traction(row, depth=mean, normal=table[:, g.NORMAL : g.NORMAL + 3], velocity=velocity)
    return (push * (part * table[:, g.AREA])[:, None]).sum(axis=0)


def halving(name: str, *, num: int = 400) -> float:
    """Largest change of the force on a tool when its elements are half as wide, over its mean force.

    Random directions at 2 cm/s; the tool between half and three times its height deep. Relative to the mean over all
    directions: in some, such as a lift out of weak soil, there is hardly a force to be relative to.
    """
    robot = load_robot(CONTACT_SCENES[name].robot)
    assert robot.articulation is not None
    model, size = compile_scene(robot, CONTACT_SCENES[name].scene), robot.articulation.element_size
    row, rng = soil_rows((SOIL,), gravity=1.3e-4), generator(1, "halving")
    tables = [element_table(model, size=s) for s in (size, 0.5 * size)]
    worst = 0.0
    for body in np.unique(tables[0][:, g.BODY]):
        coarse, fine = (t[t[:, g.BODY] == body] for t in tables)
        height = float(np.ptp(fine[:, g.POSITION + 2]))
        changes, sizes = [], []
        for _ in range(num):
            velocity = rng.standard_normal(3)
            velocity *= 0.02 / np.linalg.norm(velocity)
            deep = rng.uniform(0.5, 3.0) * height
            a, b = (_force(t, row, depth=deep, velocity=velocity) for t in (coarse, fine))
            changes.append(np.linalg.norm(a - b))
            sizes.append(np.linalg.norm(b))
        worst = max(worst, max(changes) / float(np.mean(sizes)))
    return worst


def coast_speedup(num_threads: int) -> dict[str, Any]:
    """An hour between contacts, event-driven, against stepping the lander at 2 ms.

    Twice: bouncing with a restitution of 0.5 at a millionth of Earth's gravity over a flat floor, where a flight is a
    closed form; and one arc over Ryugu's full shape, where every evaluation sums over 5,932 faces. The stepped hour is
    timed over 20,000 steps of one world and scaled: the cost of a step does not change in flight.
    """
    flat, body, site = load_body("iss-cabin"), load_body("ryugu"), _site()
    up = site.rotation_al @ np.array([0.0, 0.0, 1.0])
    start = site.rotation_al @ site.position_l0 + 0.5 * up
    shape = surroundings(body)

    def hop() -> float:
        found = bounce(
            flat, np.zeros(3), np.array([0.0, 0.0, 0.0165]), restitution=0.5, friction=0.5, time_limit=3600.0
        )
        return found.total_time

    def arc() -> float:
        return coast(shape, start, 0.26 * up, time_limit=3600.0).duration

    flown = {"flat": (hop(), _seconds(hop)), "shape": (arc(), _seconds(arc))}
    stepped = _stepped_hour(site, num_threads)
    return {"stepped_s": stepped, **{
        name: {"flight_s": flight, "seconds": seconds, "speedup": stepped * (flight / 3600.0) / seconds}
        for name, (flight, seconds) in flown.items()
    }}  # fmt: skip


def _seconds(work: Callable[[], float], num: int = 5) -> float:
    begin = time.perf_counter()
    for _ in range(num):
        work()
    return (time.perf_counter() - begin) / num


def _stepped_hour(site: Site, num_threads: int) -> float:
    """Seconds that an hour of one lander in flight costs at 2 ms."""
    robot = load_robot("lander")
    theta = robot.prior.theta(np.zeros((1, NUM_PARAMETERS)))
    theta[:, index_of("latency")] = 0.0
    scene = SceneConfig(has_soil=True, physics_step=0.002)
    world = World(robot, site, theta, seed=1, scene=scene, engine="mujoco", num_threads=num_threads)
    world.state[:, 2], world.state[:, 9] = 1.0, 0.1
    world.push_state()
    world.step(np.zeros((1, 6)))
    begin = time.perf_counter()
    for _ in range(200):
        world.step(np.zeros((1, 6)))
    return 3600.0 / 0.002 * (time.perf_counter() - begin) / (200 * world.num_steps)
