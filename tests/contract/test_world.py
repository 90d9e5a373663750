# SPDX-License-Identifier: Apache-2.0
"""What every world promises, in both paths: bits, snapshots, precision, and refusals in one clear line."""

from __future__ import annotations

import ctypes
import re
from types import SimpleNamespace
from typing import Any

import mujoco
import numpy as np
import pytest

from stope.base.errors import ConfigError, RangeError, StopeError
from stope.base.rotation import from_rotation_vector, random_quaternions, rotate
from stope.world import native, scene
from stope.world import plant as p
from stope.world.batch import World
from stope.world.mujoco_flight import MujocoBatch
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import load_robot
from stope.world.scene import SceneConfig, compile_scene
from stope.world.site import make_site
from tests.builders import (
    ENGINES,
    Place,
    coast,
    com_state,
    default_theta,
    drawn_theta,
    linear_grid,
    make_world,
    place_at,
    rotational_energy,
)

NUM = 12
ABOVE = np.array([0.9, 0.0, 0.6])
GROUND = SceneConfig(has_ground=True)
BOULDERS = SceneConfig(has_ground=True, num_boulders=2)
WAYS = {"fused": (None, "fused"), "mujoco": (None, "mujoco"), "contact": (BOULDERS, "auto")}


def drop(way: str, num_threads: int = 1, seed: int = 5) -> World:
    """Worlds in a jittery cabin, or cubes above the Moon's ground and boulders."""
    config, engine = WAYS[way]
    rng = np.random.default_rng(1)
    world = make_world(
        make_site("iss-cabin" if config is None else "moon"), drawn_theta(load_robot("bee-gas"), NUM, rng), seed=seed,
        engine=engine, num_threads=num_threads, **({} if config is None else {"scene": config}),
    )  # fmt: skip
    place_at(world, position=rng.uniform(-0.2, 0.2, (NUM, 3)) + ABOVE, attitude=random_quaternions(rng, NUM),
             velocity=rng.normal(0.0, 0.05, (NUM, 3)), rate=rng.normal(0.0, 0.2, (NUM, 3)))  # fmt: skip
    return world


def fly(world: World, num_control_steps: int, seed: int = 2) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(num_control_steps):
        world.step(rng.uniform(-1.0, 1.0, (world.num_worlds, 6)))


@pytest.mark.parametrize("way", WAYS)
def test_the_same_seed_gives_the_same_bits_on_one_and_on_two_threads(way: str) -> None:
    one, two, again, other = drop(way), drop(way, num_threads=2), drop(way), drop(way, seed=6)
    for world in (one, two, again, other):
        fly(world, 40)
    np.testing.assert_array_equal(two.state, one.state)
    np.testing.assert_array_equal(again.state, one.state)
    assert (np.any(other.state != one.state, axis=1)).all() == (
        way != "contact"
    )  # the cabin's jitter; the Moon has none


@pytest.mark.parametrize("way", WAYS)
def test_a_snapshot_is_exact_also_in_the_middle_of_a_contact(way: str) -> None:
    world = drop(way)
    fly(world, 10)
    kept = {name: array.copy() for name, array in world.snapshot().items()}
    fly(world, 30)
    first = world.state.copy()
    world.restore(kept)
    fly(world, 30)
    np.testing.assert_array_equal(world.state, first)
    fresh = drop(way, num_threads=2)
    fly(fresh, 3, seed=99)
    fresh.restore(kept)  # into another world of the same shape and seed
    fly(fresh, 30)
    np.testing.assert_array_equal(fresh.state, first)


@pytest.mark.parametrize("way", WAYS)
def test_a_snapshot_is_a_copy_and_holds_arrays_only(way: str) -> None:
    world = drop(way)
    kept = world.snapshot()
    fly(world, 1)
    np.testing.assert_array_equal(kept["state"][:, p.TIME], 0.0)
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in kept.values())


def test_a_snapshot_of_another_shape_or_engine_is_refused() -> None:
    kept = make_world(num=2).snapshot()
    with pytest.raises(RangeError, match=r"^snapshot of 2 worlds: expected one of 3 in the same engine\.$"):
        make_world(num=3).restore(kept)
    with pytest.raises(RangeError, match=r"^snapshot of 2 worlds: expected one of 2 in the same engine\.$"):
        make_world(num=2, engine="mujoco").restore(kept)


@pytest.mark.parametrize("engine", ENGINES)
def test_state_and_plant_are_double_precision_and_the_views_are_live(engine: str) -> None:
    world = make_world(num=2, engine=engine)
    assert world.state.dtype == world.plant.dtype == np.float64
    for view in (world.position_l, world.q_lb, world.velocity_l, world.rate_b):
        assert np.shares_memory(view, world.state)
    coast(world, 3, [0.5, 0.0, 0.0, 0.0, 0.0, 0.1])
    assert world.velocity_l[0, 0] > 0.0
    np.testing.assert_allclose(world.state[:, p.TIME], 0.6, rtol=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
def test_theta_is_set_world_by_world_and_leaves_the_others_and_the_state(engine: str) -> None:
    robot = load_robot("bee-gas")
    world = make_world(theta=default_theta(robot, 3, payload=0.0), engine=engine)
    place_at(world, velocity=[0.1, 0.0, 0.0])
    world.set_theta(default_theta(robot, 1, payload=0.0, mass=20.0), worlds=[1])
    np.testing.assert_allclose(world.plant[:, p.MASS], [9.583788668, 20.0, 9.583788668], rtol=1e-15)
    before = world.velocity_l.copy()
    coast(world, 10, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    gained = world.velocity_l[:, 0] - before[:, 0]
    np.testing.assert_array_equal(gained[0], gained[2])
    # The turning of the body about its centre of mass mixes the axes by 1e-3.
    assert gained[1] / gained[0] == pytest.approx(9.583788668 / 20.0, rel=1e-2)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_world_is_alone(engine: str) -> None:
    """World i does the same whatever its neighbours are."""
    theta = drawn_theta(load_robot("bee-gas"), 3, np.random.default_rng(4))
    together, alone = make_world(theta=theta, engine=engine), make_world(theta=theta[1:2], engine=engine)
    actions = np.random.default_rng(5).uniform(-1.0, 1.0, (50, 3, 6))
    for action in actions:
        together.step(action)
        alone.step(action[1:2])
    np.testing.assert_array_equal(together.state[1], alone.state[0])


def test_a_dropped_cube_comes_to_rest_on_the_ground_and_stays() -> None:
    world = make_world(
        make_site("moon"), default_theta(load_robot("bee-gas"), 1, payload=0.0), scene=GROUND, engine="auto"
    )
    assert not world.is_fused
    place_at(world, position=[0.0, 0.0, 0.35], rate=[0.05, 0.03, 0.0])
    coast(world, 150)  # 30 s
    here, height = world.position_l.copy(), world.position_l[0, 2]
    half = 0.5 * load_robot("bee-gas").side
    assert height == pytest.approx(
        half, abs=2e-3
    )  # MuJoCo's ground gives: 15.5 N of weight press it in by a millimetre
    assert np.abs(world.velocity_l).max() < 1e-4
    coast(world, 150)
    np.testing.assert_allclose(world.position_l, here, atol=1e-4)
    coast(world, 50, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])  # 0.5 N against 9 N of friction
    assert np.linalg.norm(world.position_l[0, :2] - here[0, :2]) < 5e-3
    world.state[:, p.PROPELLANT] = 0.0
    place_at(world, velocity=[0.0, 0.0, 0.2])
    coast(world, 1)
    assert world.velocity_l[0, 2] == pytest.approx(0.2 - 1.62 * 0.2, abs=0.2)  # a resting robot is not asleep: it moves


def test_a_landing_never_gains_energy_and_ends_in_rest() -> None:
    theta = default_theta(load_robot("bee-gas"), 8, payload=0.0)
    world = make_world(make_site("moon"), theta, scene=GROUND, engine="auto")
    rng = np.random.default_rng(3)
    place_at(world, position=[0.0, 0.0, 0.5], attitude=random_quaternions(rng, 8), rate=rng.normal(0.0, 0.3, (8, 3)),
             velocity=rng.normal(0.0, 0.1, (8, 3)))  # fmt: skip
    mass = world.plant[:, p.MASS]

    def energy() -> tuple[np.ndarray, np.ndarray]:
        position, velocity = com_state(world)
        moving = rotational_energy(world) + 0.5 * mass * np.sum(velocity**2, axis=1)
        return moving, moving + mass * 1.62 * position[:, 2]

    moving, start = energy()
    lowest = total = start
    for _ in range(300):
        coast(world, 1)
        moving, total = energy()
        assert (total <= start * (1.0 + 1e-9)).all()
        # While pressed in, the ground (critically damped) holds energy that it gives back: 15.5 N over 7 cm at most.
        assert (total <= lowest + 1.1).all()
        lowest = np.minimum(lowest, total)
    assert moving.max() < 1e-9
    assert (total < 0.5 * start).all()


def test_a_body_that_drifts_above_the_ground_is_not_put_to_sleep() -> None:
    world = make_world(Place(), default_theta(load_robot("bee-gas"), 1), scene=BOULDERS, engine="auto")
    place_at(world, position=[0.0, 0.0, 2.0], velocity=[1e-4, 0.0, 0.0])
    coast(world, 500)
    assert world.position_l[0, 0] == pytest.approx(0.01, rel=1e-9)
    assert world.velocity_l[0, 0] == pytest.approx(1e-4, rel=1e-9)
    assert not world.model.opt.enableflags & mujoco.mjtEnableBit.mjENBL_SLEEP  # type: ignore[attr-defined]


def test_a_loose_boulder_keeps_its_inertial_motion_in_a_spinning_frame() -> None:
    spin = np.array([0.0, 0.1, 0.2])
    world = make_world(Place(spin_l=spin), default_theta(load_robot("bee-gas"), 1), scene=BOULDERS, engine="auto")
    batch = world._mujoco
    assert batch is not None
    place_at(world, position=[-3.0, 0.0, 3.0])
    start, rate = np.array([1.0, 0.5, 2.0]), np.array([0.3, -0.2, 0.1])
    # At rest in inertial space but for a turn at `rate`: seen from l it goes round, its spin turning with it.
    batch.qpos[0, 7:10], batch.qvel[0, 6:9], batch.qvel[0, 9:12] = start, -np.cross(spin, start), rate - spin
    coast(world, 50)
    back = from_rotation_vector(-spin * 10.0)
    # (spin dt)^4 / 120 = 1e-10 per radian.
    np.testing.assert_allclose(batch.qpos[0, 7:10], rotate(back, start), atol=1e-8)
    omega_l = rotate(batch.qpos[0, 10:14], batch.qvel[0, 9:12])
    np.testing.assert_allclose(omega_l + spin, rotate(back, rate), atol=1e-8)


def test_restarting_a_world_forgets_the_episode_before() -> None:
    fresh, used = drop("contact"), drop("contact")
    start = fresh.state.copy()
    fly(used, 25)
    used.state[:] = start
    used.restart(np.arange(NUM))
    fly(fresh, 25)
    fly(used, 25)
    np.testing.assert_array_equal(used.state, fresh.state)


# --- refusals -------------------------------------------------------------------------------------------------------


def test_fans_are_refused_where_there_is_no_air() -> None:
    text = r"^robot 'bee-cabin' flies with fans and site 'ryugu-lat0-lon0' has no air\. Use robot 'bee-gas' there\.$"
    with pytest.raises(ConfigError, match=text):
        make_world(make_site("ryugu"), robot="bee-cabin", theta=default_theta(load_robot("bee-cabin")))
    make_world(make_site("iss-cabin"), robot="bee-cabin", theta=default_theta(load_robot("bee-cabin")))
    mixed = (make_site("iss-cabin"), make_site("moon"))
    with pytest.raises(ConfigError, match=r"site 'moon' has no air"):
        make_world(mixed, default_theta(load_robot("bee-cabin"), 2), robot="bee-cabin", site_index=[0, 1])


def wrong(name: str, value: float) -> np.ndarray:
    theta = default_theta(load_robot("bee-gas"), 3)
    theta[2, index_of(name)] = value
    return theta


@pytest.mark.parametrize(
    ("theta", "text"),
    [
        (np.zeros((3, NUM_PARAMETERS - 1)), r"theta has shape \(3, 22\): expected \(worlds, 23\), one world or more\."),
        (np.zeros((0, NUM_PARAMETERS)), r"theta has shape \(0, 23\): expected \(worlds, 23\), one world or more\."),
        (np.zeros((1, 1, NUM_PARAMETERS)), r"theta has shape \(1, 1, 23\): expected"),
        (wrong("mass", np.nan), r"theta of world 2: mass = nan kg: expected 0\.1 to 10000\.0\."),
        (wrong("mass", -9.0), r"theta of world 2: mass = -9\.0 kg: expected 0\.1 to 10000\.0\."),
        (wrong("drag", np.inf), r"theta of world 2: drag = inf kg/s: expected 0\.0 to 10\.0\."),
        (wrong("latency", 0.3), r"theta of world 2: latency = 0\.3 s: expected 0\.0 to 0\.2\."),
        (wrong("lag", 0.0), r"theta of world 2: lag = 0\.0 s: expected 0\.001 to 5\.0\."),
    ],
)
def test_physics_that_cannot_be_are_refused(theta: np.ndarray, text: str) -> None:
    with pytest.raises(RangeError, match=f"^{text}$" if text.endswith(r"\.") else f"^{text}"):
        make_world(theta=theta)
    with pytest.raises(RangeError, match=f"^{text}"):
        make_world(num=3).set_theta(theta)


def test_theta_for_another_number_of_worlds_is_refused() -> None:
    with pytest.raises(RangeError, match=r"^theta has 1 rows: expected one for each of 3 worlds\.$"):
        make_world(num=3).set_theta(default_theta(load_robot("bee-gas"), 1))


@pytest.mark.parametrize("engine", ENGINES)
def test_actions_of_a_wrong_shape_or_with_nan_are_refused_and_move_nothing(engine: str) -> None:
    world = make_world(num=2, engine=engine)
    before = world.state.copy()
    for action in (np.zeros(6), np.zeros((3, 6)), np.zeros((2, 5)), np.full((2, 6), np.nan)):
        with pytest.raises(
            RangeError, match=rf"^action of shape {re.escape(str(action.shape))}: expected finite \(2, 6\)\.$"
        ):
            world.step(action)
    np.testing.assert_array_equal(world.state, before)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"engine": "warp"}, r"^engine 'warp': expected 'auto', 'fused' or 'mujoco'\.$"),
        ({"engine": "fused", "scene": GROUND}, r"^engine 'fused' is for one body without contact: expected a scene"),
        ({"dt": 0.03}, r"^SceneConfig\.physics_step = 0\.03 s does not divide the control period of 0\.2 s\.$"),
        ({"dt": 0.4}, r"^SceneConfig\.physics_step = 0\.4 s does not divide the control period of 0\.2 s\.$"),
        ({"num_threads": 0}, r"^num_threads = 0: expected 1 or more\.$"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_world(**settings)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        ([0, 2], r"^site_index = 0 to 2: expected 0 to 1\.$"),
        ([-1, 0], r"^site_index = -1 to 0: expected 0 to 1\.$"),
        ([0, 0, 0], r"^site_index of shape \(3,\): expected one whole number, or one for each world\.$"),
        ([0.0, 1.0], r"^site_index of shape \(2,\): expected one whole number, or one for each world\.$"),
    ],
)
def test_a_site_that_is_not_there_is_refused(index: list[float], text: str) -> None:
    with pytest.raises(RangeError, match=text):
        make_world((Place(), Place(grid=linear_grid([0.0, 0.0, -1.0]))), num=2, site_index=index)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"physics_step": 0.0}, r"^SceneConfig\.physics_step = 0\.0: expected more than 0\.$"),
        ({"friction": -1.0}, r"^SceneConfig\.friction = -1\.0: expected more than 0\.$"),
        ({"num_boulders": -1}, r"^SceneConfig\.num_boulders = -1: expected 0 or more\.$"),
        ({"num_boulders": 2}, r"^SceneConfig\.num_boulders = 2: boulders need has_ground = true\.$"),
    ],
)
def test_a_scene_that_cannot_be_is_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        SceneConfig(**settings)


def test_more_threads_than_the_machine_has_do_no_harm() -> None:
    one, many = make_world(num=4), make_world(num=4, num_threads=1000)
    fly(one, 5)
    fly(many, 5)
    np.testing.assert_array_equal(one.state, many.state)


# --- MuJoCo's memory ------------------------------------------------------------------------------------------------


def test_every_field_of_mjdata_and_mjmodel_is_where_we_compute_it() -> None:
    model = compile_scene(load_robot("bee-gas"), BOULDERS)
    for owner in (mujoco.MjData(model), model):
        structure = "mjData" if isinstance(owner, mujoco.MjData) else "mjModel"
        pointers = [name for name, kind in native._structure(structure)._fields_ if kind is ctypes.c_void_p]
        arrays = [name for name in pointers if getattr(getattr(owner, name, None), "size", 0)]
        # What MuJoCo puts into its arena has no address before a step has needed it.
        there = [
            n for n in arrays if ctypes.c_uint64.from_address(owner._address + native.field_offset(structure, n)).value
        ]
        assert len(there) >= len(arrays) - 13 > 50
        native.check_offsets(owner, tuple(there))


def test_another_layout_of_mjdata_is_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    true = native.field_offset
    monkeypatch.setattr(native, "field_offset", lambda s, n: true(s, n) + (8 if n == "qvel" else 0))
    text = (
        rf"^mjData\.qvel is not at byte \d+ in MuJoCo {re.escape(mujoco.__version__)}: expected the layout of "
        r"mujoco\.introspect\. Install the MuJoCo version that stope pins\.$"
    )
    model = compile_scene(load_robot("bee-gas"), SceneConfig())
    with pytest.raises(native.LayoutError, match=text):
        MujocoBatch(model, 2, num_threads=1, nodes=np.zeros(24))


def test_the_scene_integrates_at_fourth_order_and_leaves_gravity_to_us() -> None:
    model = compile_scene(load_robot("bee-gas"), BOULDERS)
    assert model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4
    np.testing.assert_array_equal(model.opt.gravity, 0.0)
    assert [model.body(k).name for k in range(model.nbody)] == ["world", "base", "boulder0", "boulder1"]
    assert scene.__doc__


def test_what_mujoco_refuses_is_passed_on_with_its_words() -> None:
    world = make_world(num=3, engine="mujoco")
    batch = world._mujoco
    assert batch is not None
    library = batch._library
    status = (ctypes.c_int * 3)(0, 1, 0)
    deaf: Any = SimpleNamespace(
        mjb_apply=lambda *_: 1,
        mjb_setConst=lambda *_: 1,
        mjb_status=lambda _: ctypes.cast(status, ctypes.POINTER(ctypes.c_int)),
        mjb_error=lambda _, sim: f"engine error of world {sim}".encode(),
    )
    batch._library = deaf
    try:
        with pytest.raises(StopeError, match=r"^MuJoCo stopped in 1 of 3 worlds: engine error of world 1$"):
            world.step(np.zeros((3, 6)))
        text = r"^MuJoCo refused the mass properties of 1 worlds: engine error of world 1$"
        with pytest.raises(StopeError, match=text):
            world.set_theta(default_theta(world.robot, 3))
    finally:
        batch._library = library
    model = compile_scene(load_robot("bee-gas"), SceneConfig())
    with pytest.raises(StopeError, match=r"^MuJoCo made no batch of -1 worlds: .+"):
        MujocoBatch(model, -1, num_threads=1, nodes=np.zeros(24))


def test_a_type_mujoco_may_add_is_named() -> None:
    with pytest.raises(
        native.LayoutError, match=r"^mujoco\.introspect names a type 'odd' this build of stope does not know"
    ):
        native._ctype(SimpleNamespace(name="odd"))
