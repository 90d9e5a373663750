# SPDX-License-Identifier: Apache-2.0
"""Hopping: the same whatever the threads, flight as `coasting` has it, energy from the motor alone, the script."""

from __future__ import annotations

import numpy as np
import pytest

from stope.base.errors import ConfigError, RangeError
from stope.base.rotation import rotate
from stope.world import plant as p
from stope.world.coasting import Surroundings, coast
from stope.world.contact_env import ContactBatch
from stope.world.free_flight import advance_all
from stope.world.gravities import Place
from stope.world.hopping import FLIGHT_STEP, LOOK, HopBatch, whole_rows
from stope.world.robots import load_robot
from stope.world.site import make_site
from stope.world.tasks.hop import HopTask


def _step_once(threads: int) -> tuple[np.ndarray, HopBatch]:
    batch = HopBatch(HopTask(), num_worlds=4, seed=5, num_threads=threads)
    observation = batch.reset()
    after, *_ = batch.step(batch.task.script(observation.astype(np.float64)), autoreset=False)
    return after, batch


def test_same_seed_same_hops_for_one_and_two_threads() -> None:
    one, first = _step_once(1)
    two, second = _step_once(2)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(first.world.state, second.world.state)
    np.testing.assert_array_equal(first.clock, second.clock)
    assert (np.linalg.norm(first.take_off, axis=1) > 0.005).any()


def _flight(task: HopTask, *, half_width: float, nodes: int) -> tuple[HopBatch, np.ndarray, np.ndarray, float]:
    """One flight of 15 minutes in MINERVA's class, tumbling, with the torquer turning: batch, start, end, time."""
    site = make_site("ryugu", latitude_deg=30.0, grid_half_width=half_width, grid_nodes=nodes)
    place = Place(site=site, robot=load_robot(task.robot), ground=(-site.gravity_l[2],), extra=(0.0,))
    batch = HopBatch(task, num_worlds=1, seed=0, place=place)
    batch.reset()
    rows = whole_rows(batch.world.plant, batch.world.model, step=FLIGHT_STEP)  # type: ignore[arg-type]
    state = batch.world.state.copy()
    state[0, :13] = 0.0, 0.0, 0.6, 1.0, 0.0, 0.0, 0.0, 0.012, -0.012, 0.060, 0.5, 0.3, -0.4
    state[0, p.WHEEL : p.WHEEL + 3] = 0.0, 0.004, 0.0
    start = _centre(rows, state)
    calls = round(900.0 / (LOOK * FLIGHT_STEP))
    for _ in range(calls):
        advance_all(batch.world.table.nodes, rows, state, np.zeros((1, 6)), np.zeros((1, 3)), LOOK)
    return batch, start, _centre(rows, state), calls * LOOK * FLIGHT_STEP


def _centre(rows: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Position and velocity of the centre of mass, l (6,)."""
    com, rate = rows[:, p.COM : p.COM + 3], state[:, 10:13]
    at = state[:, 0:3] + rotate(state[:, 3:7], com)
    return np.concatenate([at, state[:, 7:10] + rotate(state[:, 3:7], np.cross(rate, com))], axis=1)[0]


def _coasted(batch: HopBatch, start: np.ndarray, time: float) -> np.ndarray:
    site = batch.site
    around = Surroundings(field=site.body.field(), surface=None, spin_rate=site.body.spin_rate)
    arc = coast(around, site.position_a + site.rotation_al @ start[:3], site.rotation_al @ start[3:],
                time_limit=time, tolerance=1e-11)  # fmt: skip
    return (arc.position_a - site.position_a) @ site.rotation_al


def test_flight_is_that_of_coasting() -> None:
    """To 1 mm after 15 minutes and some 15 m in a grid that is fine enough; to 2 cm in the wide grid of the task."""
    batch, start, end, time = _flight(HopTask(), half_width=30.0, nodes=31)
    fine = _coasted(batch, start, time)
    assert np.linalg.norm(end[:2] - start[:2]) > 10.0
    assert np.linalg.norm(end[:3] - fine) < 1e-3
    task = HopTask()
    _, _, wide, _ = _flight(task, half_width=task.grid_half_width, nodes=task.grid_nodes)
    assert np.linalg.norm(wide[:3] - fine) < 0.02


@pytest.mark.parametrize("robot", ["hopper", "hopper-wheels"])
def test_push_off_gains_no_more_than_the_motor_gives(robot: str) -> None:
    batch = HopBatch(HopTask(robot=robot), num_worlds=8, seed=2)
    batch.reset()
    level = np.tile([1.0, 0.0, 0.0], (8, 1))
    joints = batch.drive.push(batch.truth().q_lb, level, np.linspace(0.2, 1.0, 8) * batch.drive.momentum)
    before = batch.world.position_l[:, 2].copy()
    ids = np.arange(8)
    batch._push(ids, joints)
    for _ in range(15):
        batch._step(ids, step=batch.world.scene.physics_step)
        rows = whole_rows(batch.world.plant, batch.world.model, step=FLIGHT_STEP)  # type: ignore[arg-type]
        energy = _energy(batch, rows) + rows[:, p.MASS] * batch.gravity * (batch.world.position_l[:, 2] - before)
        assert (energy <= batch.work * (1.0 + 1e-6) + 1e-9).all()
    assert (batch.work > 0.0).all()
    speed = np.linalg.norm(batch.world.velocity_l, axis=1)
    assert (speed > 0.005).all() and (speed < 0.2).all()
    assert (batch.world.velocity_l[:, 0] > 0.0).all()


def _energy(batch: HopBatch, rows: np.ndarray) -> np.ndarray:
    """Kinetic energy of hull and wheels [J]."""
    drive, world = batch.drive, batch.world
    six = rows[:, p.INERTIA : p.INERTIA + 6]
    tensor = np.empty((len(rows), 3, 3))
    tensor[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]] = six
    tensor[:, [1, 2, 2], [0, 0, 1]] = six[:, 3:]
    rate, spin = world.rate_b, world.qvel[:, drive.dofs]
    along = (drive.axes_b(world.qpos) @ rate[:, :, None])[:, :, 0]
    centre = np.array([_centre(rows[k : k + 1], world.state[k : k + 1])[3:] for k in range(len(rows))])
    hull = 0.5 * rows[:, p.MASS] * (centre**2).sum(axis=1) + 0.5 * np.einsum("ni,nij,nj->n", rate, tensor, rate)
    return hull + (drive.inertia * (0.5 * spin**2 + spin * along)).sum(axis=1)


def test_nothing_never_succeeds() -> None:
    batch = HopBatch(HopTask(), num_worlds=24, seed=1)
    batch.reset()
    truncated = np.zeros(24, dtype=bool)
    for _ in range(batch.max_episode_steps):
        _, _, ended, truncated = batch.step(np.zeros((24, 2)), autoreset=False)
        assert not ended.any()
    assert truncated.all() and not batch.last_success.any()


def test_script_succeeds_in_half_of_its_episodes() -> None:
    """Spots 5 to 15 m away, not the default 5 to 50 m, to save time."""
    batch = HopBatch(HopTask(far=15.0), num_worlds=24, seed=1, num_threads=2)
    observation = batch.reset()
    reached, over = np.zeros(24, dtype=bool), np.zeros(24, dtype=bool)
    while not over.all() and reached.sum() < 12:
        action = batch.task.script(observation.astype(np.float64))
        action[over] = 0.0
        observation, _, ended, truncated = batch.step(action, autoreset=False)
        reached |= ended & batch.last_success & ~over
        over |= ended | truncated
    assert reached.sum() >= 12


def test_a_snapshot_brings_the_same_hop_back() -> None:
    batch = HopBatch(HopTask(), num_worlds=2, seed=3)
    batch.reset()
    kept, action = batch.snapshot(), np.array([[0.1, 0.3], [-0.2, 0.4]])
    first = batch.step(action, autoreset=False)
    clock = batch.clock.copy()
    batch.restore(kept)
    for one, other in zip(first, batch.step(action, autoreset=False), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(clock, batch.clock)


def test_a_robot_on_its_rim_turns_over() -> None:
    """A torquer whose plane stands across the heading throws the hull over its edge; a wheel along z rolls it."""
    batch = HopBatch(HopTask(), num_worlds=1, seed=0)
    up_along_y = np.array([[np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0]])
    out = batch.drive.push(up_along_y, np.array([[1.0, 0.0, 0.0]]), np.array([0.001]))
    assert out[0, 0] < 0.0 and np.isfinite(out).all()
    angle = out[0, 1]
    axis_b = np.array([-np.sin(angle), np.cos(angle), 0.0])
    assert abs(axis_b[1]) < 1e-12


def test_bad_use_is_refused() -> None:
    batch = HopBatch(HopTask(), num_worlds=2, seed=0)
    batch.reset()
    with pytest.raises(RangeError, match=r"expected finite \(2, 2\)"):
        batch.step(np.zeros((2, 3)))
    with pytest.raises(RangeError, match="finite"):
        batch.step(np.full((2, 2), np.nan))
    with pytest.raises(ConfigError, match="HopBatch"):
        ContactBatch(HopTask(), num_worlds=1, seed=0).reset()
    with pytest.raises(ConfigError, match="expected the first three to rise"):
        HopTask(near=60.0)
    with pytest.raises(ConfigError, match="less than 95 m, beyond which a robot has left"):
        HopTask(far=99.0)
    with pytest.raises(ConfigError, match="torquer"):
        HopBatch(HopTask(robot="lander"), num_worlds=1, seed=0)


def test_who_still_rolls_does_not_push() -> None:
    """The table is aimed in no time: with a wheel that spins, that would make angular momentum from nothing."""
    batch = HopBatch(HopTask(), num_worlds=2, seed=0)
    batch.reset()
    wheel = batch.drive.dofs[0]
    batch.world.qvel[0, wheel] = 5.0
    batch.resting[0] = False
    before = batch.clock.copy()
    batch.step(np.array([[0.5, 0.3], [0.5, 0.3]]), autoreset=False)
    assert batch.work[0] == 0.0
    assert batch.work[1] != 0.0
    assert (batch.clock >= before).all()
