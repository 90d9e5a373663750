# SPDX-License-Identifier: Apache-2.0
"""Theta: whitening, bounds, and mass properties of a body that can exist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stope.base.errors import RangeError
from stope.world.physics import NUM_PARAMETERS, PARAMETERS, PhysicsPrior, index_of, mass_properties
from stope.world.robots import load_robot, robot_names

PRIOR = load_robot("bee-cabin").prior
# Every parameter uncertain, and far wider than any shipped prior.
WIDE = PhysicsPrior(
    centre=np.where(PRIOR.centre == 0.0, 0.0, PRIOR.centre),
    spread=np.array([
        {"log": 0.4, "linear": 0.3, "uniform": 0.5 * min(p.high - c, c - p.low)}[p.transform]
        for p, c in zip(PARAMETERS, PRIOR.centre, strict=True)
    ]),
)  # fmt: skip
Z = arrays(np.float64, NUM_PARAMETERS, elements=st.floats(-6.0, 6.0, allow_nan=False))


@pytest.mark.parametrize("name", robot_names())
@settings(max_examples=50, deadline=None)
@given(z=Z)
def test_whitening_undoes_theta_inside_the_bounds(name: str, z: np.ndarray) -> None:
    prior = load_robot(name).prior
    theta = prior.theta(z)
    inside = (theta > [p.low for p in PARAMETERS]) & (theta < [p.high for p in PARAMETERS])
    back = prior.whiten(theta)
    known = prior.is_free & inside
    # The tail of a uniform parameter: 2 Phi(z) - 1 keeps 1e-16, whose z is 1e-16 / density(6) = 2e-8.
    np.testing.assert_allclose(back[known], z[known], atol=1e-6)
    assert np.all(back[~prior.is_free] == 0.0)
    np.testing.assert_allclose(prior.theta(back)[inside], theta[inside], rtol=1e-12)


@settings(max_examples=200, deadline=None)
@given(z=Z)
def test_any_z_is_a_body_that_can_exist(z: np.ndarray) -> None:
    theta = WIDE.theta(z)
    for p, value in zip(PARAMETERS, theta, strict=True):
        assert p.low <= value <= p.high
    mass, com, inertia = mass_properties(theta, payload_mount_b=[0.0, 0.0, -0.12], payload_radius=0.1)
    assert mass > 0.0
    assert np.isfinite(com).all()
    np.testing.assert_array_equal(inertia, inertia.T)
    moments = np.linalg.eigvalsh(inertia)
    assert moments[0] > 0.0
    # The triangle inequality, up to the rounding of the greatest moment.
    assert moments[0] + moments[1] >= moments[2] * (1.0 - 1e-12)


def test_z_is_standard_normal_by_construction() -> None:
    """The median is the centre and one sigma of z is one spread, in the transform of each parameter."""
    zero, one = PRIOR.theta(np.zeros(NUM_PARAMETERS)), PRIOR.theta(np.ones(NUM_PARAMETERS))
    np.testing.assert_allclose(zero, PRIOR.centre, rtol=1e-15)
    for k, p in enumerate(PARAMETERS):
        c, s = PRIOR.centre[k], PRIOR.spread[k]
        expected = {"linear": c + s, "log": c * np.exp(s), "uniform": c + 0.6826894921370859 * s}[p.transform]
        assert one[k] == pytest.approx(expected, rel=1e-12), p.name


def particles(theta: np.ndarray, mount: np.ndarray, radius: float) -> tuple[float, np.ndarray, np.ndarray]:
    """The same body as point masses: pairs along the columns of its Cholesky factor, and six for the payload."""
    mass, payload = theta[index_of("mass")], theta[index_of("payload")]
    com = theta[index_of("com_x") :][:3]
    d = theta[index_of("inertia_d1") :][:6]
    factor = np.array([[np.exp(d[0]), d[3], d[4]], [0.0, np.exp(d[1]), d[5]], [0.0, 0.0, np.exp(d[2])]])
    # Two points of mass m / 6 at +- sqrt(3) times each column have the second moment m L L^T.
    where = [com + s * np.sqrt(3.0) * factor[:, k] for k in range(3) for s in (1.0, -1.0)]
    weights = [mass / 6.0] * 6
    # A homogeneous sphere has the second moment m r^2 / 5 about each axis: six points at r sqrt(3 / 5).
    where += [mount + s * radius * np.sqrt(0.6) * e for e in np.eye(3) for s in (1.0, -1.0)]
    weights += [payload / 6.0] * 6
    points, m = np.array(where), np.array(weights)
    centre = m @ points / m.sum()
    arms = points - centre
    inertia = sum(w * (a @ a * np.eye(3) - np.outer(a, a)) for w, a in zip(m, arms, strict=True))
    return float(m.sum()), centre, np.asarray(inertia)


@settings(max_examples=50, deadline=None)
@given(z=Z.map(lambda z: 0.5 * z))
def test_mass_properties_are_those_of_a_cloud_of_points(z: np.ndarray) -> None:
    theta, mount, radius = WIDE.theta(z), np.array([0.1, -0.2, -0.12]), 0.1
    total, com, inertia = mass_properties(theta, payload_mount_b=mount, payload_radius=radius)
    expected = particles(theta, mount, radius)
    np.testing.assert_allclose(total, expected[0], rtol=1e-14)
    np.testing.assert_allclose(com, expected[1], atol=1e-13)
    np.testing.assert_allclose(inertia, expected[2], atol=1e-12 * np.abs(expected[2]).max())


@pytest.mark.parametrize("name", robot_names())
def test_at_the_centre_the_robot_has_its_documented_inertia(name: str) -> None:
    robot = load_robot(name)
    theta = robot.prior.theta(np.zeros(NUM_PARAMETERS))
    theta[index_of("payload")] = 0.0
    mass, com, inertia = mass_properties(
        theta, payload_mount_b=robot.payload_mount_b, payload_radius=robot.payload_radius
    )
    assert mass == pytest.approx(robot.mass, rel=1e-15)
    np.testing.assert_allclose(com, robot.com_b, rtol=1e-14)
    np.testing.assert_allclose(inertia, np.diag(robot.inertia_b), rtol=1e-13, atol=1e-14)
    if name.startswith("bee"):  # NASA's flight configuration
        assert robot.mass == 9.583788668
        np.testing.assert_array_equal(robot.com_b, [0.0037138, -0.0003263, -0.0025322])
        np.testing.assert_array_equal(robot.inertia_b, [0.153427995, 0.14271405, 0.162302759])


def test_mass_properties_of_many_worlds_are_those_of_each() -> None:
    theta = PRIOR.theta(np.random.default_rng(0).standard_normal((4, 3, NUM_PARAMETERS)))
    mount = {"payload_mount_b": [0.0, 0.0, -0.12], "payload_radius": 0.1}
    mass, com, inertia = mass_properties(theta, **mount)
    assert (mass.shape, com.shape, inertia.shape) == ((4, 3), (4, 3, 3), (4, 3, 3, 3))
    one = mass_properties(theta[2, 1], **mount)
    np.testing.assert_array_equal(inertia[2, 1], one[2])
    np.testing.assert_array_equal(com[2, 1], one[1])


def test_every_parameter_has_a_name_a_unit_and_bounds_and_is_found() -> None:
    assert [index_of(p.name) for p in PARAMETERS] == list(range(NUM_PARAMETERS))
    assert all(p.unit and p.text and p.low < p.high for p in PARAMETERS)
    with pytest.raises(RangeError, match=r"^theta has no parameter 'weight': expected one of mass, com_x, "):
        index_of("weight")


def changed(vector: np.ndarray, name: str, value: float) -> np.ndarray:
    out = vector.copy()
    out[index_of(name)] = value
    return out


@pytest.mark.parametrize(
    ("part", "name", "value", "text"),
    [
        ("centre", "mass", np.nan, r"^prior\.mass = nan \+- 0\.03 kg: expected finite numbers\.$"),
        ("spread", "lag", np.inf, r"^prior\.lag = 0\.1 \+- inf s: expected finite numbers\.$"),
        ("spread", "lag", -0.1, r"^prior\.lag\.spread = -0\.1: expected 0 or more\.$"),
        ("centre", "mass", -5.0, r"^prior\.mass\.centre = -5\.0 kg: expected 0\.1 to 10000\.0\.$"),
        ("spread", "payload", 3.0, r"^prior\.payload = 2\.5 \+- 3\.0 kg: leaves 0\.0 to 100\.0\.$"),
        ("centre", "drag", 0.0, r"^prior\.drag = 0 kg/s with spread 0\.5: a share of nothing; expected spread 0\.$"),
    ],
)
def test_a_prior_that_cannot_be_is_refused(part: str, name: str, value: float, text: str) -> None:
    with pytest.raises(RangeError, match=text):
        replace(PRIOR, **{part: changed(getattr(PRIOR, part), name, value)})


def test_a_prior_of_another_length_is_refused() -> None:
    with pytest.raises(RangeError, match=r"^prior\.spread has shape \(5,\): expected \(23,\)\.$"):
        PhysicsPrior(centre=PRIOR.centre, spread=np.zeros(5))
