# SPDX-License-Identifier: Apache-2.0
"""The benchmark of worlds: its JSON is whole, and its floor flies what the batch flies. No timing is judged here."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stope.world.batch import World
from stope.world.mujoco_flight import MujocoBatch
from stope.world.robots import load_robot
from stope.world.scene import SceneConfig
from stope.world.site import make_site
from tests.builders import default_theta

FOLDER = Path(__file__).parents[2] / "benchmarks"
STEPS, WORLDS = 3, 5
FREE = ("free_flyer", "free_flyer_ryugu", "contact")
"""Scenes held to the loop of mj_step."""


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """What the command prints for programs."""
    command = [sys.executable, FOLDER / "world.py", "--json", "--quick", "--worlds", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture
def floor(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of the reference loops."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module("floor")
    sys.modules.pop("floor")


def positive(value: Any) -> bool:
    """Whether a figure can be a rate or a ratio of rates."""
    return isinstance(value, float) and math.isfinite(value) and value > 0.0


def test_every_scene_has_the_figures_that_were_promised(printed: dict[str, Any]) -> None:
    assert {"free_flyer", "contact"} <= set(printed["scenes"])
    for row in printed["scenes"].values():
        assert all(positive(row[key]) for key in ("raw_steps_per_s", "steps_per_s", "ratio", "force_ratio"))
        assert row["ratio"] == row["steps_per_s"] / row["raw_steps_per_s"]
    assert positive(printed["fused_vs_mujoco"])


def test_the_floor_is_the_loop_of_mj_step_and_the_harder_loop_stands_beside_it(printed: dict[str, Any]) -> None:
    for name in FREE:
        row = printed["scenes"][name]
        assert row["raw_steps_per_s"] == row["rates"]["mj_step"]
        assert row["ratio_over_stages"] == row["steps_per_s"] / row["rates"]["stages"]


def test_only_the_scene_with_ground_touches_and_it_does(printed: dict[str, Any]) -> None:
    touching = {name: printed["scenes"][name]["contacts_per_world"] for name in FREE}
    assert touching.pop("contact") >= 4.0  # the corners of the robot's cube; the boulders come on top
    assert set(touching.values()) == {0.0}


def test_scenes_with_ground_have_their_figures(printed: dict[str, Any]) -> None:
    scenes = printed["scenes"]
    assert {"lander_soil", "digger_soil", "capture", "hopper"} | set(FREE) == set(scenes)
    for name in ("lander_soil", "digger_soil", "hopper"):
        row = scenes[name]
        assert row["steps_per_s"] == row["rates"]["batch"]
        assert row["over_hfield"] == row["rates"]["batch"] / row["rates"]["hfield"]
        assert row["num_elements"] > 50
        assert 0.0 < row["halving"] < 0.05  # elements are fine enough: this one is no timing
    assert positive(printed["coast_speedup"])
    assert printed["coast"]["shape"]["flight_s"] == 3600.0
    assert printed["coast"]["flat"]["flight_s"] > 2000.0


def test_the_environment_has_three_columns_hardware_and_memory(printed: dict[str, Any]) -> None:
    env = printed["env_steps_per_s"]
    assert all(positive(env[key]) for key in ("step", "with_policy", "with_training", "step_mujoco"))
    assert positive(printed["peak_memory_mib"])
    assert {"processor", "cores", "memory_gib", "versions"} <= set(printed["machine"])


@pytest.mark.parametrize("has_ground", [False, True])
def test_the_loop_of_stages_ends_with_the_bits_of_the_batch(floor: ModuleType, *, has_ground: bool) -> None:
    batch, course, fly = standing(floor, has_ground=has_ground)
    _, qpos, qvel = floor.Floor(batch, course, num_threads=2).fly("stages")
    fly()
    assert (qpos == batch.qpos).all()
    assert (qvel == batch.qvel).all()


@pytest.mark.parametrize("has_ground", [False, True])
def test_the_loop_of_mj_step_flies_the_same_forces(floor: ModuleType, *, has_ground: bool) -> None:
    batch, course, fly = standing(floor, has_ground=has_ground)
    _, qpos, _ = floor.Floor(batch, course, num_threads=2).fly("mj_step")
    fly()
    moved = np.abs(batch.qpos - course.qpos).max()
    # Same order, other details. A step turns a body by 0.02 rad at most; the schemes part by the fifth power of that,
    # 3e-9 of the way, each step. A force left out of one stage would show as 1e-3.
    assert np.abs(qpos - batch.qpos).max() < 1e-6 * moved


def standing(floor: ModuleType, *, has_ground: bool) -> tuple[MujocoBatch, Any, Callable[[], None]]:
    """A batch of a few worlds at the start of a course that uses every force, and what flies it to the end."""
    robot, rng = load_robot("bee-gas"), np.random.default_rng(3)
    site = make_site("moon") if has_ground else make_site("ryugu", latitude_deg=30.0, height=6.0)
    scene = SceneConfig(has_ground=has_ground, num_boulders=int(has_ground))
    theta = default_theta(robot, WORLDS, latency=0.05)
    world = World(robot, site, theta, seed=1, scene=scene, engine="mujoco", num_threads=2)
    world.position_l[:, 2] = 0.5 * robot.side
    if not has_ground:
        world.rate_b[:] = 0.05 * rng.standard_normal((WORLDS, 3))
    world.push_state()
    course = floor.Course.of(world, rng.uniform(-1.0, 1.0, (STEPS, WORLDS, 6)))

    def fly() -> None:
        for action in course.actions:
            world.step(action)

    assert world._mujoco is not None
    return world._mujoco, course, fly
