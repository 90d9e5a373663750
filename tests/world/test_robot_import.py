# SPDX-License-Identifier: Apache-2.0
"""Importing a robot: the model stays the same to rounding, what is missing is asked, and what cannot be is one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stope.base.errors import ConfigError, FileError
from stope.world.batch import World
from stope.world.contact_env import ContactBatch
from stope.world.robots import Robot, load_robot
from stope.world.robots.importing import ImportReport, import_robot
from stope.world.robots.questions import QUESTIONS
from stope.world.robots.robot import PRIOR_UNITS, ROBOT_UNITS
from stope.world.scene import SceneConfig, compile_scene
from stope.world.site import make_site
from stope.world.tasks.anchor import AnchorTask
from tests.builders import default_theta

ARM = """<mujoco model="arm"><compiler angle="degree"/><option gravity="0 0 -9.81"/>
<default><geom density="700"/>
 <default class="j"><joint damping="0.0123456789012345" armature="0.001"/></default></default>
<worldbody><geom name="floor" type="plane" size="1 1 1"/><light pos="0 0 3"/>
 <body name="torso" pos="0 0 1">
  <geom name="hull" type="box" size="0.2 0.15 0.1"/>
  <site name="anchor1" pos="0.1 0.1 -0.1"/><site name="anchor2" pos="-0.1 0.1 -0.1"/>
  <frame pos="0.1 0.05 0.02" euler="0 0 45" childclass="j"><body name="arm">
   <joint name="shoulder" axis="0 1 0" range="-90 90"/><geom type="capsule" size="0.03" fromto="0 0 0 0.3 0.1 0"/>
   <body pos="0.3 0.1 0"><joint name="elbow" axis="1 1 0" range="-120 0"/><geom type="box" size="0.05 0.04 0.03"/>
    <geom name="soil_pad" type="cylinder" size="0.05 0.01" pos="0 0 -0.05"/>
    <site name="anchor0" pos="0 0 -0.06"/></body>
  </body></frame>
 </body></worldbody>
<actuator><motor name="m" joint="shoulder" gear="3" ctrlrange="-1 1" forcerange="-2 2"/></actuator>
<contact><exclude body1="torso" body2="arm"/></contact>
<sensor><framepos objtype="body" objname="torso"/></sensor>
<keyframe><key qpos="0 1"/></keyframe></mujoco>"""

URDF = """<robot name="r">
<link name="base_link"><inertial><origin xyz="0.01 0 0" rpy="0.1 0.2 0"/><mass value="10"/>
 <inertia ixx="1" iyy="1.2" izz="1.4" ixy="0.1" ixz="0" iyz="0"/></inertial>
 <visual><geometry><mesh filename="package://r/hull.dae"/></geometry></visual>
 <collision><geometry><box size="1 1 1"/></geometry></collision></link>
<link name="upper"><inertial><mass value="1"/>
 <inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>
 <collision><geometry><cylinder radius="0.05" length="0.4"/></geometry></collision></link>
<link name="tool"><inertial><mass value="0.3"/>
 <inertia ixx="0.001" iyy="0.001" izz="0.001" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="shoulder" type="revolute"><parent link="base_link"/><child link="upper"/><origin xyz="0 0 0.6"/>
 <axis xyz="0 1 0"/><limit lower="-1" upper="2" effort="30" velocity="2"/></joint>
<joint name="fix" type="fixed"><parent link="upper"/><child link="tool"/><origin xyz="0 0 0.2"/></joint></robot>"""

ONE = '<mujoco><worldbody><body name="a">{}</body></worldbody></mujoco>'
BOX = '<geom name="hull" type="box" size="0.2 0.15 0.1"/>'
ANSWERS = {"thrusters.force_limit_b": [1.0, 1.0, 1.0], "thrusters.torque_limit_b": [1.0, 1.0, 1.0],
           "payload.mount_b": [0.0, 0.0, 0.1], "prior.latency": 0.05, "prior.payload": 0.5,
           "prior.lag": 0.1}  # fmt: skip


def imported(folder: Path, text: str, name: str = "arm.xml") -> ImportReport:
    """Import a text as a file."""
    (folder / name).write_text(text, encoding="utf-8")
    return import_robot(folder / name, out=folder / "out")


def answered(report: ImportReport, *, leave: str = "") -> str:
    """Answer every question of a report's TOML but one; returns the file's path."""
    section, lines = "", []
    for line in report.toml.read_text(encoding="utf-8").splitlines():
        section = line[1:-1] if line.startswith("[") else section
        key = ".".join(x for x in (section, line.split(" =")[0]) if x)
        if key == "needs_air":
            line = "needs_air = false"  # noqa: PLW2901 -- the line as answered
        elif key != leave:
            answer = json.dumps(ANSWERS.get(key, 0.01))
            line = line.replace('source = "?"', 'source = "test"').replace('"?"', answer)  # noqa: PLW2901 -- as above
        lines.append(line)
    report.toml.write_text("\n".join(lines), encoding="utf-8")
    return str(report.toml)


def model_of(robot: Robot) -> Any:
    """The robot's own model, without a scene."""
    assert robot.articulation is not None
    return mujoco.MjSpec.from_string(robot.articulation.mjcf).compile()


def freed(text: str) -> Any:
    """The file's model with a free joint on its first body, as MuJoCo reads it, without gravity or ground."""
    spec = mujoco.MjSpec.from_string(text)
    for item in (*spec.keys, *spec.worldbody.geoms):
        spec.delete(item)
    spec.compiler.fusestatic, spec.option.gravity = False, [0.0, 0.0, 0.0]
    spec.bodies[1].add_freejoint()
    return spec.compile()


def rotation(q: Any) -> NDArray[np.float64]:
    out = np.empty(9)
    mujoco.mju_quat2Mat(out, np.asarray(q, dtype=np.float64))
    return out.reshape(3, 3)


def mass_matrix(model: Any, qpos: Any) -> NDArray[np.float64]:
    data, full = mujoco.MjData(model), np.zeros((model.nv, model.nv))
    data.qpos[:] = qpos
    mujoco.mj_forward(model, data)
    mujoco.mj_fullM(model, data, full)
    return full


def test_an_arm_keeps_its_links_joints_and_names(tmp_path: Path) -> None:
    report = imported(tmp_path, ARM)
    assert (report.name, report.language, report.turned) == ("arm", "MJCF", None)
    assert [k.name for k in report.links] == ["torso", "arm", "link2"]
    assert [j["name"] for j in report.joints] == ["base", "shoulder", "elbow"]
    assert [j["type"] for j in report.joints] == ["free", "hinge", "hinge"]
    assert report.joints[1]["limit"] == [-2.0, 2.0]
    assert report.deviation < 1e-12
    model, original = model_of(load_robot(answered(report))), freed(ARM)
    assert [model.body(k).name for k in range(1, 4)] == ["base", "arm", "link2"]
    assert {model.site(k).name for k in range(model.nsite)} == {"anchor0", "anchor1", "anchor2"}
    assert model.site("anchor0").bodyid == 3
    assert model.geom("soil_pad").bodyid == 3
    assert (model.nu, model.nexclude, model.nsensor, model.nkey) == (1, 1, 1, 0)
    np.testing.assert_array_equal(model.body_mass, original.body_mass)
    np.testing.assert_array_equal(model.dof_damping, original.dof_damping)
    np.testing.assert_array_equal(model.jnt_range, original.jnt_range)
    text = report.mjcf.read_text(encoding="utf-8")
    assert 'mass="{mass}"' in text
    assert "body 'torso' is now 'base'" in text


def test_a_urdf_keeps_the_mass_that_mujoco_would_fuse_with_the_world(tmp_path: Path) -> None:
    report = imported(tmp_path, URDF, "rover.urdf")
    assert (report.name, report.language) == ("rover", "URDF")
    assert report.mass == pytest.approx(11.3)
    assert [k.name for k in report.links] == ["base_link", "upper", "tool"]
    assert report.joints[1]["limit"] == [-30.0, 30.0]
    assert report.turned is not None
    assert report.deviation < 1e-12
    assert load_robot(answered(report)).mass == 10.0


def test_a_urdf_root_called_world_keeps_its_mass(tmp_path: Path) -> None:
    report = imported(tmp_path, URDF.replace("base_link", "world"), "rover.urdf")
    assert report.mass == pytest.approx(11.3)
    assert any("'world' is now 'world_link'" in x for x in report.changes)


def test_a_massless_root_link_takes_the_mass_of_what_is_welded_to_it(tmp_path: Path) -> None:
    text = URDF.replace('<robot name="r">', '<robot name="r"><link name="root"/><joint name="w" type="fixed">'
                        '<parent link="root"/><child link="base_link"/></joint>')  # fmt: skip
    report = imported(tmp_path, text, "rover.urdf")
    assert report.mass == pytest.approx(11.3)
    assert report.links[0].mass == pytest.approx(10.0)
    assert any("welded" in x for x in report.changes)


TENSOR = (
    '<mujoco><worldbody><body name="t"><inertial pos="{}" mass="{}" fullinertia="{}"/>'
    + BOX
    + """
 <site name="s" pos="0.1 0.2 0.3" euler="10 20 30"/><geom type="capsule" size="0.02" fromto="0 0 0 0.1 0.1 0.2"/>
 <body name="u" pos="0.1 0.2 0.1" euler="30 10 5"><joint name="j" axis="0 1 1" armature="0.01" damping="0.02"/>
 <joint name="k" type="slide" axis="1 0 0" pos="0.1 0 0"/><geom type="box" size="0.1 0.05 0.02"/></body>
</body></worldbody></mujoco>"""
)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Mass, centre and inertia of a body that can exist: its second moment is L L^T with a positive diagonal."""
    mass = draw(st.floats(2.0, 200.0))
    diagonal = [draw(st.floats(0.05, 0.2)) for _ in range(3)]
    below = [draw(st.floats(-0.1, 0.1)) for _ in range(3)]
    lower = np.diag(diagonal)
    lower[[1, 2, 2], [0, 0, 1]] = below
    second = mass * lower @ lower.T
    # MuJoCo takes a centre within a micrometre of the body's origin to be at it, in a body that is not turned alone.
    centre = np.array([draw(st.floats(-0.2, 0.2)) for _ in range(3)])
    centre[np.abs(centre) < 1e-5] = 0.0
    return mass, centre, np.trace(second) * np.eye(3) - second


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(properties=tensors(), seed=st.integers(0, 2**32 - 1))
def test_an_off_diagonal_base_inertia_turns_the_base_and_changes_no_motion(
    tmp_path_factory: pytest.TempPathFactory, properties: tuple[float, Any, Any], seed: int
) -> None:
    mass, com, i = properties
    six = [i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]]
    text = TENSOR.format(" ".join(map(repr, com.tolist())), mass, " ".join(repr(float(x)) for x in six))
    report = imported(tmp_path_factory.mktemp("robot"), text, "t.xml")
    a, b, rng = freed(text), model_of(load_robot(answered(report))), np.random.default_rng(seed)
    turn = np.array(report.turned or (1.0, 0.0, 0.0, 0.0))
    assert np.diag(rotation(turn)).sum() > 0.0  # the nearest principal axes
    qpos = rng.normal(size=a.nq)
    qpos[3:7] /= np.linalg.norm(qpos[3:7])
    turned = qpos.copy()
    mujoco.mju_mulQuat(turned[3:7], qpos[3:7], turn)
    block = np.eye(a.nv)
    block[3:6, 3:6] = rotation(turn)
    expected = block.T @ mass_matrix(a, qpos) @ block
    np.testing.assert_allclose(mass_matrix(b, turned), expected, rtol=0.0, atol=1e-10 * np.abs(expected).max())
    qvel = rng.normal(size=a.nv)
    states: list[Any] = []
    for model, q, v in ((a, qpos, qvel), (b, turned, block.T @ qvel)):
        model.opt.timestep, model.opt.integrator = 0.002, mujoco.mjtIntegrator.mjINT_RK4
        model.opt.gravity[:] = 0.0
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = q, v
        for _ in range(100):
            mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)
        states.append(data)
    for name in ("xpos", "xipos", "site_xpos", "site_xmat", "geom_xpos", "subtree_com"):
        np.testing.assert_allclose(getattr(states[1], name), getattr(states[0], name), atol=1e-7)
    np.testing.assert_allclose(states[1].qpos[7:], states[0].qpos[7:], atol=1e-7)


def test_every_question_is_refused_with_one_line_that_says_what_to_answer(tmp_path: Path) -> None:
    report = imported(tmp_path, ARM)
    assert report.missing[:2] == ("needs_air", "thrusters.force_limit_b")
    assert {"model.element_size", "model.anchors.drill_time", "prior.lag"} <= set(report.missing)
    assert not any(key.startswith("model.drums") for key in report.missing)
    with pytest.raises(ConfigError, match=r'^arm\.toml: needs_air = "\?": not answered yet: true if fans push it'):
        load_robot(str(report.toml))
    asked = report.toml.read_text(encoding="utf-8")
    for key in report.missing[1:]:
        report.toml.write_text(asked, encoding="utf-8")
        shown = re.escape(key) + (r"\.(centre|spread)" if key.startswith("prior") else "")
        with pytest.raises(ConfigError, match=rf'^arm\.toml: {shown} = "\?": not answered yet: ') as caught:
            load_robot(answered(report, leave=key))
        assert QUESTIONS[key] in str(caught.value)
        assert str(caught.value).endswith("].")
    report.toml.write_text(asked.replace('needs_air = "?"', "needs_air = false"), encoding="utf-8")
    text = r'^arm\.toml: thrusters\.force_limit_b = "\?": not answered yet: largest force per axis; .* \[N\]\.$'
    with pytest.raises(ConfigError, match=text):
        load_robot(str(report.toml))


def test_a_number_without_its_source_is_not_answered(tmp_path: Path) -> None:
    path = answered(imported(tmp_path, ARM))
    text = Path(path).read_text(encoding="utf-8")
    Path(path).write_text(text.replace('unit = "N", source = "test"', 'unit = "N", source = "?"', 1), encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r'thrusters\.force_limit_b: source = "\?": not answered yet: where the number'
    ):
        load_robot(path)


def test_every_number_of_a_robot_has_its_question() -> None:
    numbers = {f"{s}.{k}" for s, units in ROBOT_UNITS.items() for k in units} | {f"prior.{k}" for k in PRIOR_UNITS}
    assert numbers - set(QUESTIONS) == {"body.mass", "body.com_b", "body.inertia_b"}  # a model always has them


def test_an_answered_robot_flies_and_digs_in_a_world(tmp_path: Path) -> None:
    robot = load_robot(answered(imported(tmp_path, ARM)))
    scene = SceneConfig(physics_step=0.01, has_soil=True)
    world = World(robot, make_site("ryugu"), default_theta(robot, 2), seed=1, scene=scene)
    world.position_l[:] = [[0.0, 0.0, 0.02], [0.0, 0.0, 3.0]]  # the pad 1 cm below the ground, and high above it
    world.velocity_l[:] = [0.0, 0.0, -0.05]
    world.push_state()
    for _ in range(10):
        world.step(np.zeros((2, 6)))
    assert np.isfinite(world.state).all()
    assert np.abs(world.qvel[0] - world.qvel[1]).max() > 1e-3  # soil resists the pad
    np.testing.assert_allclose(world.position_l[1], [0.0, 0.0, 2.9], atol=2e-3)  # 1.5e-4 m/s2 for 2 s


def test_an_answered_robot_serves_a_task_with_contact(tmp_path: Path) -> None:
    path = answered(imported(tmp_path, ARM))
    batch = ContactBatch(AnchorTask(robot=path), num_worlds=2, seed=1)
    observation = batch.reset()
    for _ in range(10):
        observation = batch.step(np.zeros_like(batch.action))[0]
    assert np.isfinite(observation).all()


def test_meshes_are_copied_and_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts").mkdir()
    corners = "v 0 0 0\nv 0.3 0 0\nv 0 0.2 0\nv 0 0 0.1\n"
    (tmp_path / "parts" / "wedge.obj").write_text(corners + "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    text = ARM.replace("<worldbody>", '<asset><mesh name="w" file="wedge.obj"/></asset><worldbody>', 1)
    text = text.replace("<compiler ", '<compiler meshdir="parts" ').replace(
        '<geom name="hull" type="box" size="0.2 0.15 0.1"/>',
        '<geom name="hull" type="mesh" mesh="w" euler="10 20 30"/>',
    )
    report = imported(tmp_path, text)
    assert report.turned is not None
    assert report.deviation < 1e-12
    assert (report.toml.parent / "arm-meshes" / "0-wedge.obj").is_file()
    robot = load_robot(answered(report))
    (tmp_path / "parts" / "wedge.obj").unlink()
    monkeypatch.chdir("/")
    assert compile_scene(robot, SceneConfig(has_soil=True)).nmesh == 1


def test_meshes_of_a_urdf_are_found_in_their_package(tmp_path: Path) -> None:
    (tmp_path / "meshes").mkdir()
    corners = "v 0 0 0\nv 900 0 0\nv 0 900 0\nv 0 0 900\n"
    (tmp_path / "meshes" / "hull.obj").write_text(corners + "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    mesh = '<mesh filename="package://r/meshes/hull.obj" scale="0.001 0.001 0.001"/>'
    report = imported(tmp_path, URDF.replace('<box size="1 1 1"/>', mesh), "rover.urdf")
    assert report.links[0].volume == pytest.approx(0.9**3 / 6.0, rel=1e-6)
    assert report.deviation < 1e-9
    assert load_robot(answered(report)).articulation is not None
    large = URDF.replace('<box size="1 1 1"/>', mesh.replace(' scale="0.001 0.001 0.001"', ""))
    with pytest.raises(FileError, match=r"^rover\.urdf: size \d+ m: .* A mesh in millimetres is a thousand times too"):
        imported(tmp_path, large, "rover.urdf")


def test_what_mujoco_warns_of_is_a_warning_of_the_report(tmp_path: Path) -> None:
    text = ARM.replace("<compiler ", '<compiler settotalmass="20" boundmass="1" ')
    report = imported(tmp_path, text)
    assert report.mass == pytest.approx(20.0)
    assert any("MuJoCo: compiler attribute 'settotalmass' is deprecated" in x for x in report.warnings)
    assert "compiler settotalmass: masses were scaled to 20 kg in all." in report.changes
    assert "compiler boundmass is switched off: masses and inertias count as they are written." in report.changes


def test_options_of_an_included_file_are_told_too(tmp_path: Path) -> None:
    (tmp_path / "more.xml").write_text('<mujoco><option gravity="0 0 -3"/></mujoco>')
    report = imported(tmp_path, ARM.replace("<worldbody>", '<include file="more.xml"/><worldbody>', 1))
    assert any("option gravity = '0 0 -3' is ignored" in x for x in report.changes)


def test_what_belongs_to_a_scene_is_left_out_and_said(tmp_path: Path) -> None:
    text = " ".join(imported(tmp_path, ARM).changes)
    assert "option gravity = '0 0 -9.81' is ignored: the place gives its own." in text
    assert "geom of the world left out: floor." in text
    assert "keyframe left out" in text
    assert "body 'torso' was fixed to the world: it has a free joint now." in text


SUSPICIOUS = {
    "no range": (ARM.replace(' range="-120 0"', ""), r"joint 'elbow': no range: it turns or slides without end"),
    "no actuator": (ARM, r"joint 'elbow': no actuator: it swings freely"),
    "no limit": (ARM.replace(' ctrlrange="-1 1" forcerange="-2 2"', ""), r"actuator 'm': no ctrlrange and no force"),
    "servo": (
        ARM.replace('<motor name="m" joint="shoulder" gear="3" ctrlrange="-1 1" forcerange="-2 2"/>',
                    '<position name="m" joint="shoulder" ctrlrange="-1 1"/>'),
        r"actuator 'm': no forcerange: a servo without it",
    ),
    "dense": (ARM.replace('density="700"', 'density="70000"'), r"density 7e\+04 kg/m3 .*expected 10 to 25000 kg/m3; a"),
    "thin": (ARM.replace('density="700"', 'density="7"'), r"density 7 kg/m3 .*a mesh in millimetres is a thou"),
    "default density": (ARM.replace('density="700"', ""), r"mass .* is MuJoCo's default density of 1000 kg/m3"),
    "large inertia": (
        ONE.format(BOX + '<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>'),
        r"body 'a': radius of gyration 1 m is more than half its diagonal, 0\.2693 m",
    ),
    "small inertia": (
        ONE.format(BOX + '<inertial pos="0 0 0" mass="10" diaginertia="1e-5 1e-5 1e-5"/>'),
        r"body 'a': radius of gyration 0\.001 m is less than 2 %",
    ),
    "radians": (ARM.replace("-90 90", "-1 1"), r"'shoulder': its range spans 0\.03491 rad: .*radians read as deg"),
    "degrees": (
        ARM.replace('angle="degree"', 'angle="radian"'), r"'elbow': its range spans 120 rad: .*degrees read as rad"
    ),
    "no tools": (ONE.format(BOX), r"no geom named soil\.\.\. or drum\.\.\., no site named anchor"),
}  # fmt: skip


@pytest.mark.parametrize("case", SUSPICIOUS)
def test_what_looks_wrong_is_a_warning_that_names_it(tmp_path: Path, case: str) -> None:
    text, pattern = SUSPICIOUS[case]
    report = imported(tmp_path, text)
    assert any(re.search(pattern, x) for x in report.warnings), report.warnings
    assert all(x.startswith("arm.xml: ") for x in report.warnings)


def inertial(numbers: str, mass: str = "1") -> str:
    return ONE.format(f'{BOX}<inertial pos="0 0 0" mass="{mass}" {numbers}/>')


MOVING = ONE.format(BOX + '<body name="b"><joint name="q"/>{}</body>')
FAULTS = {
    "no XML": ("<mujoco><worldbody>", r"not XML \(no element found"),
    "text": ("this is no robot", r"not XML \(syntax error"),
    "another root": ("<sdf/>", r"root element <sdf>: expected <mujoco> \(MJCF\) or <robot> \(URDF\)\."),
    "unknown element": (ONE.format("<wheel/>"), r".*wheel"),
    "no body": ("<mujoco><worldbody/></mujoco>", r"no body: expected one robot in <worldbody>"),
    "two bodies": (
        ONE.format(BOX).replace("</worldbody>", f'<body name="c">{BOX.replace("hull", "h")}</body></worldbody>'),
        r"the world holds bodies 'a', 'c': expected one, the robot\. Remove the others\.",
    ),
    "tied": (ONE.format(BOX + '<joint name="j" type="slide"/>'), r"body 'a': joint 'j' \(slide\) ties it to the world"),
    "another base": (MOVING.format(BOX.replace("hull", "h")).replace('"b"', '"base"'), r"body 'base' is not the first"),
    "massless": (MOVING.format(""), r"body 'b': no mass, and joint 'q' moves it: expected an inertial, or geoms"),
    "massless base": (ONE.format('<body name="b"><joint/><geom size="0.1"/></body>'), r"body 'a', the first, has no"),
    "triangle": (inertial('diaginertia="0.01 0.01 0.03"'), r"body 'a': inertia \[0\.01, 0\.01, 0\.03\] kg m2: great"),
    "hidden by balanceinertia": (
        inertial('diaginertia="0.01 0.01 0.03"').replace("<worldbody>", '<compiler balanceinertia="true"/><worldbody>'),
        r"body 'a': inertia .*0\.03 is more than the sum of the other two, 0\.02 \(triangle inequality\)",
    ),
    "not positive": (inertial('fullinertia="1 1 1 2 0 0"'), r"body 'a': inertia .* kg m2: not positive definite"),
    "no mass": (inertial('diaginertia="1 1 1"', "0"), r"body 'a': mass = 0 kg: expected more than 0\."),
    "negative mass": (inertial('diaginertia="1 1 1"', "-2"), r"body 'a': mass = -2 kg: expected more than 0\."),
    "plate": (inertial('diaginertia="0.01 0.01 0.02"'), r"base: mass 1 kg, moments .*no thin plate, rod or point\."),
    "NaN": (inertial('diaginertia="1 nan 1"'), r"<inertial>: diaginertia = '1 nan 1': expected finite numbers\."),
    "infinite": (ONE.format('<geom name="g" size="inf"/>'), r"<geom> 'g': size = 'inf': expected finite numbers\."),
    "grams": (inertial('diaginertia="1e4 1e4 1e4"', "3e5"), r"total mass 3e\+05 kg: expected 0\.01 to 100000 kg\. "),
    "light": (ONE.format('<geom size="0.2" density="0.001"/>'), r"total mass 3\.351e-05 kg: expected 0\.01 to"),
    "base out of the prior": (ONE.format('<geom size="0.02"/>'), r"base: mass = 0\.03351 kg .*: expected 0\.1 to"),
    "centre out of the prior": (ONE.format('<geom size="0.1" pos="3 0 0"/>'), r"base: com_x = 3 m .*expected -1 to 1"),
    "millimetres": (
        ONE.format('<geom type="box" size="200 150 100" mass="10"/>'),
        r"size 400 m: expected 0\.001 to 100 m\. A mesh in millimetres is a thousand times too large",
    ),
    "tiny": (ONE.format('<geom size="0.0001" mass="1"/>'), r"size 0\.0002 m: expected 0\.001 to 100 m\. Lengths in"),
    "kg cm2": (inertial('diaginertia="100 100 100"'), r"body 'a': radius of gyration 10 m .* kg cm2 is 1e7, 1e6"),
    "plugin": (
        "<mujoco><extension><plugin plugin='mujoco.pid'/></extension><worldbody/></mujoco>",
        r"<extension>: expected a model without plugins, which are programs\. Remove it\.",
    ),
    "mesh": (
        ONE.format('<geom type="mesh" mesh="m"/>').replace(
            "<mujoco>", '<mujoco><asset><mesh name="m" file="no.stl"/></asset>'
        ),
        r"mesh file '.*no\.stl': no such file\. Put it there\.",
    ),
    "include": ('<mujoco><include file="no.xml"/></mujoco>', r"include 'no\.xml': no such file beside arm\.xml\."),
    "weld to the world": (
        ONE.format(BOX).replace("</mujoco>", '<equality><weld name="w" body1="a"/></equality></mujoco>'),
        r"equality 'w' ties the robot to the world: expected two links\.",
    ),
    "soil capsule": (ONE.format('<geom name="soil0" type="capsule" size="0.1 0.1"/>'), r"geom 'soil0': 'soil' makes"),
    "braces": (ONE.format('<geom name="x{y}" size="0.1"/>'), r"name 'x\{y\}': expected one without braces"),
    "mocap": (ONE.format(BOX).replace('name="a"', 'name="a" mocap="true"'), r".*mocap"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_that_names_file_and_element_and_nothing_is_written(tmp_path: Path, fault: str) -> None:
    text, pattern = FAULTS[fault]
    with pytest.raises(FileError, match=rf"^arm\.xml: {pattern}") as caught:
        imported(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


URDF_FAULTS = {
    "no inertial": (r"<inertial><mass value=.1./>\s.*?</inertial>", "", r"link 'upper': no <inertial>: expected mass"),
    "no inertia": (r'<mass value="1"/>\s*<inertia .*?/>', '<mass value="1"/>', r"link 'upper': <inertial> without"),
    "mesh": (r'<box size="1 1 1"/>', '<mesh filename="package://r/no.stl"/>', r"link 'base_link': mesh file 'pack"),
    "triangle": (r'izz="1.4"', 'izz="3.4"', r"body 'base_link': inertia .* \(triangle inequality\)"),
}  # fmt: skip


@pytest.mark.parametrize("fault", URDF_FAULTS)
def test_a_fault_in_a_urdf_names_the_link(tmp_path: Path, fault: str) -> None:
    old, new, pattern = URDF_FAULTS[fault]
    text = re.sub(old, new, URDF, count=1, flags=re.DOTALL)
    assert text != URDF
    with pytest.raises(FileError, match=rf"^rover\.urdf: {pattern}"):
        imported(tmp_path, text, "rover.urdf")


def test_files_that_are_there_and_names_that_are_taken_are_refused(tmp_path: Path) -> None:
    imported(tmp_path, ARM)
    with pytest.raises(FileError, match=r"arm\.toml: is there already: expected a new name\. Choose --name or --out"):
        imported(tmp_path, ARM)
    with pytest.raises(ConfigError, match=r"name 'lander': the package has a robot of this name\. Choose another\."):
        import_robot(tmp_path / "arm.xml", name="lander")
    with pytest.raises(ConfigError, match=r"--name 'My Arm': expected small letters, digits and single hyphens"):
        import_robot(tmp_path / "arm.xml", name="My Arm")
    with pytest.raises(FileError, match=r"none\.xml: no such file\. Expected a robot's MJCF"):
        import_robot(tmp_path / "none.xml")
    (tmp_path / "arm.xacro").write_text(URDF)
    with pytest.raises(FileError, match=r"arm\.xacro: expected MJCF \(\.xml\) or URDF \(\.urdf\)\. Expand it first"):
        import_robot(tmp_path / "arm.xacro")


def test_more_copies_than_a_robot_has_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.xml"
    inner = '<replicate count="{}" offset=".1 0 0"><geom size=".01" mass=".1"/></replicate>'
    model = '<mujoco><worldbody><body name="hull"><freejoint/><geom size=".3" mass="20"/>{}</body></worldbody></mujoco>'
    nested = '<replicate count="100" offset="0 .1 0">' + inner.format(50) + "</replicate>"
    for text, copies in ((inner.format(2000000), 2000000), (nested, 5000)):
        file.write_text(model.format(text))
        with pytest.raises(FileError, match=f"{copies} copies: expected at most 1000"):
            import_robot(file, out=tmp_path / "out")
