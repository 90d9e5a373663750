# SPDX-License-Identifier: Apache-2.0
"""Robots of several links: every number has a source, and a model that cannot be is refused with one line."""

from __future__ import annotations

import re
from pathlib import Path

import mujoco
import numpy as np
import pytest

from stope.base.errors import ConfigError, FileError
from stope.world.robots import load_robot, robot_names
from stope.world.robots import robot as module
from stope.world.scene import SceneConfig, compile_scene
from stope.world.tools import make_ground
from tests.builders import drawn_theta

FOLDER = Path(module.__file__).parent
LINKED = tuple(n for n in robot_names() if load_robot(n).articulation is not None)
TOTAL = {"cubesat": 4.2, "lander": 50.0, "digger": 66.0, "hopper": 1.1, "hopper-wheels": 1.1}


def test_the_robots_that_were_promised_are_there() -> None:
    assert {"bee-gripper", "cubesat", "digger", "hopper", "hopper-wheels", "lander"} == set(LINKED)
    assert "hauler" in robot_names()


@pytest.mark.parametrize("name", LINKED)
def test_a_robot_of_links_compiles_and_stands_by_its_numbers(name: str) -> None:
    robot = load_robot(name)
    assert all(text.strip() for text in robot.sources.values())
    model = compile_scene(robot, SceneConfig(has_soil=True, physics_step=0.01))
    assert model.body(1).name == "base"
    assert model.body("base").mass[0] == pytest.approx(robot.mass)
    if name in TOTAL:
        assert float(model.body_mass.sum()) == pytest.approx(TOTAL[name], rel=1e-6)
    ground = make_ground(model, robot, 2)
    assert np.isfinite(ground.elements).all()
    for geom in range(model.ngeom):  # tools feel soil and nothing else
        if model.geom(geom).name.startswith(("soil", "drum")):
            assert model.geom_contype[geom] == 0 == model.geom_conaffinity[geom]


def test_drawn_physics_stays_inside_its_bounds_for_every_robot() -> None:
    for name in robot_names():
        theta = drawn_theta(load_robot(name), 64, np.random.default_rng(1))
        assert np.isfinite(theta).all()


def changed(tmp_path: Path, pattern: str, text: str) -> Path:
    """The lander's file with one thing changed, under another name."""
    source = (FOLDER / "lander.toml").read_text(encoding="utf-8").replace('name = "lander"', 'name = "mine"')
    found, num = re.subn(pattern, text, source, count=1, flags=re.M)
    assert num == 1
    path = tmp_path / "mine.toml"
    path.write_text(found, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("pattern", "text", "message"),
    [
        (r"^foot_mass = .*$", "", r"mine\.toml: model: the MJCF uses \{foot_mass\}"),
        (r'^foot_mass = \{ value = "?1\.2"?', 'foot_mass = { value = "heavy"', r"model\.numbers\.foot_mass = 'heavy'"),
        (r"^foot_radius = (.*)$", r"foot_radius = \1\nspare = { value = 1.0, unit = 'm', source = 'x' }",
         r"model\.numbers\.spare: the MJCF does not use it"),
        (r"^drill_time = .*$", "", r"model\.anchors: missing key 'drill_time'"),
        (r'^stiffness = (.*) unit = "N/m"', r'stiffness = \1 unit = "N/mm"', r"anchors\.stiffness: unit 'N/mm'"),
        (r"^damping = .*$", "damping = { value = -1.0, unit = 'N s/m', source = 'x' }", r"anchors\.damping = -1\.0"),
        (r"^helix_depth = .*$", "helix_depth = { value = 0.3, unit = 'm', source = '' }", r"helix_depth: no source"),
        (r"^helix_depth = .*$", "helix_depth = { value = 0.0, unit = 'm', source = 'x' }", r"helix_depth = 0\.0 m"),
        (r"^element_size = .*$", "element_size = { value = 0.0, unit = 'm', source = 'x' }", r"element_size = 0\.0 m"),
        (r"^\[model\]$", "[model]\ncolour = 1", r"model: unknown key 'colour'"),
        (r"^\[model\]$", '[model]\nfile = "x.xml"', r"model: expected either mjcf"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_is_refused(tmp_path: Path, pattern: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_robot(str(changed(tmp_path, pattern, text)))


def test_mjcf_that_mujoco_refuses_and_a_base_that_is_not_free_are_named(tmp_path: Path) -> None:
    broken = load_robot(str(changed(tmp_path, r"<worldbody>", "<worldbodi>")))
    with pytest.raises(ConfigError, match=r"robot 'mine': model\.mjcf: "):
        compile_scene(broken, SceneConfig())
    fixed = load_robot(str(changed(tmp_path, r'<freejoint name="base"/>', "")))
    with pytest.raises(ConfigError, match="expected the first body to be 'base' with a free joint"):
        compile_scene(fixed, SceneConfig())


def test_a_model_file_beside_the_toml_is_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    source = (FOLDER / "lander.toml").read_text(encoding="utf-8")
    mjcf = source.split("mjcf = '''")[1].split("'''")[0]
    path = changed(tmp_path, r"(?s)mjcf = '''.*?'''", 'file = "body.xml"')
    with pytest.raises(FileError, match=r"body\.xml: no such file"):
        load_robot(str(path))
    (tmp_path / "body.xml").write_text(mjcf, encoding="utf-8")
    found = load_robot(str(path)).articulation
    shipped = load_robot("lander").articulation
    assert found is not None
    assert shipped is not None
    assert found.mjcf.strip() == shipped.mjcf.strip()


def test_a_scene_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="a bed and stones need soil"):
        SceneConfig(num_stones=1)
    with pytest.raises(ConfigError, match="bed_spacing"):
        SceneConfig(bed_spacing=0.0)


def test_an_arm_that_floats_keeps_its_momentum() -> None:
    """The linked robots' own RK4 path: no force from outside, joints moving, total momentum stays zero."""
    model = compile_scene(load_robot("hopper-wheels"), SceneConfig(physics_step=0.005))
    data = mujoco.MjData(model)
    data.ctrl[:] = (0.01, -0.02, 0.005)
    for _ in range(200):
        mujoco.mj_step(model, data)
    mujoco.mj_subtreeVel(model, data)
    assert np.abs(data.subtree_linvel[1]).max() < 1e-12
    assert np.abs(data.subtree_angmom[1]).max() < 1e-10
    assert np.abs(data.qvel[6:]).max() > 10.0  # the wheels turn


def test_the_wheels_of_the_cubesat_turn_it_as_they_turned_one_in_orbit() -> None:
    """Rates over wheel speeds, in the range of fits to the four LeLaR flights one by one."""
    model = compile_scene(load_robot("cubesat"), SceneConfig(physics_step=0.005))
    # deg/s per rpm; each flight alone gave X 0.00738 to 0.00789, Y 0.00734 to 0.00756, Z 0.0259 to 0.0335
    ranges = ((0.00738, 0.00789), (0.00734, 0.00756), (0.0259, 0.0335))
    for axis, (low, high) in enumerate(ranges):
        data = mujoco.MjData(model)
        data.ctrl[axis] = 1e-3
        for _ in range(100):
            mujoco.mj_step(model, data)
        ratio = -np.rad2deg(data.qvel[3 + axis]) / (data.qvel[6 + axis] * 60.0 / (2.0 * np.pi))
        assert low < ratio < high
