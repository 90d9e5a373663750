# SPDX-License-Identifier: Apache-2.0
"""Quaternions and frame changes: round trips, composition, and agreement with an independent implementation."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation
from scipy.stats import kstest

from stope.base import rotation as r

PART = st.floats(-1.0, 1.0, allow_nan=False, allow_subnormal=False)
VECTORS = arrays(np.float64, 3, elements=st.floats(-1e3, 1e3, allow_nan=False, allow_subnormal=False))
QUATERNIONS = arrays(np.float64, 4, elements=PART).filter(lambda q: np.linalg.norm(q) > 1e-3).map(r.normalise)
ROUNDING = 1e-14  # a few dozen operations of 1.1e-16 on numbers of order one


def scipy_of(q: np.ndarray) -> Rotation:
    return Rotation.from_quat(np.asarray(q), scalar_first=True)


@given(q=QUATERNIONS, v=VECTORS)
def test_turning_there_and_back_is_no_turn_and_keeps_the_length(q: np.ndarray, v: np.ndarray) -> None:
    turned = r.rotate(q, v)
    np.testing.assert_allclose(r.rotate_inverse(q, turned), v, atol=ROUNDING * 1e3)
    np.testing.assert_allclose(np.linalg.norm(turned), np.linalg.norm(v), atol=ROUNDING * 1e3)
    np.testing.assert_allclose(turned, scipy_of(q).apply(v), atol=ROUNDING * 1e3)


@given(p=QUATERNIONS, q=QUATERNIONS, v=VECTORS)
def test_a_product_turns_as_its_factors_in_turn(p: np.ndarray, q: np.ndarray, v: np.ndarray) -> None:
    np.testing.assert_allclose(r.rotate(r.multiply(p, q), v), r.rotate(p, r.rotate(q, v)), atol=ROUNDING * 1e3)
    np.testing.assert_allclose(r.multiply(p, r.conjugate(p)), [1.0, 0.0, 0.0, 0.0], atol=ROUNDING)


@given(q=QUATERNIONS, v=VECTORS)
def test_the_matrix_turns_as_the_quaternion_and_gives_it_back(q: np.ndarray, v: np.ndarray) -> None:
    matrix = r.to_matrix(q)
    np.testing.assert_allclose(matrix @ v, r.rotate(q, v), atol=ROUNDING * 1e3)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=ROUNDING)
    back = r.from_matrix(matrix)
    assert back[0] >= 0.0
    # Where w is near 0 both signs are right; compare up to the sign.
    np.testing.assert_allclose(back * np.sign(back @ q), q, atol=1e-13)  # an eigenvector of a gap of order 1


@given(v=VECTORS.map(lambda v: v * 1e-3))
def test_a_rotation_vector_shorter_than_pi_comes_back(v: np.ndarray) -> None:
    v = v * min(1.0, 3.14 / max(np.linalg.norm(v), 1e-300))
    q = r.from_rotation_vector(v)
    np.testing.assert_allclose(r.to_rotation_vector(q), v, atol=1e-12)  # near pi w is 1e-3: digits are lost there
    np.testing.assert_allclose(np.linalg.norm(q), 1.0, atol=ROUNDING)
    np.testing.assert_allclose(r.angle(q), np.linalg.norm(v), atol=1e-12)


@given(q=QUATERNIONS)
def test_a_quaternion_and_its_opposite_are_the_same_turn(q: np.ndarray) -> None:
    assume(abs(q[0]) > 1e-9)  # a turn by pi has two rotation vectors
    np.testing.assert_array_equal(r.to_rotation_vector(q), r.to_rotation_vector(-q))
    np.testing.assert_array_equal(r.angle(q), r.angle(-q))
    np.testing.assert_allclose(r.to_rotation_vector(q), scipy_of(q).as_rotvec(), atol=1e-12)


def test_tiny_turns_keep_their_digits() -> None:
    v = np.array([3e-13, -4e-13, 0.0])
    np.testing.assert_allclose(r.to_rotation_vector(r.from_rotation_vector(v)), v, rtol=1e-15)
    np.testing.assert_array_equal(r.from_rotation_vector(np.zeros(3)), [1.0, 0.0, 0.0, 0.0])


def test_all_functions_broadcast() -> None:
    q = r.random_quaternions(np.random.default_rng(0), 6).reshape(2, 3, 4)
    v = np.random.default_rng(1).standard_normal((2, 3, 3))
    assert r.rotate(q, v).shape == (2, 3, 3)
    assert r.rotate(q[0, 0], v).shape == (2, 3, 3)
    assert r.to_matrix(q).shape == (2, 3, 3, 3)
    np.testing.assert_allclose(np.abs(np.sum(r.from_matrix(r.to_matrix(q)) * q, axis=-1)), 1.0, atol=1e-13)
    np.testing.assert_array_equal(r.rotate(q, v)[1, 2], r.rotate(q[1, 2], v[1, 2]))


def test_random_attitudes_are_uniform() -> None:
    q = r.random_quaternions(np.random.default_rng(2), 20_000)

    def of_angle(a: np.ndarray) -> np.ndarray:
        return (a - np.sin(a)) / math.pi  # distribution of the angle of a uniform rotation

    assert kstest(r.angle(q), of_angle).pvalue > 1e-3  # false alarm 1e-3, fixed seed
    for k in range(3):
        assert kstest(r.rotate(q, np.array([0.0, 0.0, 1.0]))[:, k], "uniform", args=(-1.0, 2.0)).pvalue > 1e-3


@given(rows=arrays(np.float64, (2, 4, 3), elements=st.floats(-1e100, 1e100)))
def test_the_quick_cross_product_is_numpys_to_the_bit(rows: np.ndarray) -> None:
    np.testing.assert_array_equal(r.cross(rows[0], rows[1]), np.cross(rows[0], rows[1]))
    np.testing.assert_array_equal(r.cross(rows[0], rows[1, 0]), np.cross(rows[0], rows[1, 0]))
