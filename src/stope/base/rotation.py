# SPDX-License-Identifier: Apache-2.0
"""Quaternions and frame changes.

Quaternions are (w, x, y, z), unit, and named q_ab: `rotate(q_ab, v_b)` gives the components in a of a vector given in
b. All functions work on arrays (..., 4) and (..., 3) and broadcast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["angle", "conjugate", "cross", "from_matrix", "from_rotation_vector", "multiply", "normalise",
           "random_quaternions", "rotate", "rotate_inverse", "to_matrix", "to_rotation_vector"]  # fmt: skip

Floats = NDArray[np.float64]


def normalise(q: ArrayLike) -> Floats:
    """Unit quaternion of the same direction."""
    q = np.asarray(q, dtype=np.float64)
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def cross(a: ArrayLike, b: ArrayLike) -> Floats:
    """Cross product over the last axis, to the bit that of np.cross, which is ten times slower on small arrays."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def conjugate(q_ab: ArrayLike) -> Floats:
    """q_ba of a unit q_ab."""
    return np.asarray(q_ab, dtype=np.float64) * np.array([1.0, -1.0, -1.0, -1.0])


def multiply(q_ab: ArrayLike, q_bc: ArrayLike) -> Floats:
    """q_ac."""
    p, q = np.asarray(q_ab, dtype=np.float64), np.asarray(q_bc, dtype=np.float64)
    pw, pv, qw, qv = p[..., :1], p[..., 1:], q[..., :1], q[..., 1:]
    w = pw * qw - np.sum(pv * qv, axis=-1, keepdims=True)
    return np.concatenate([w, pw * qv + qw * pv + cross(pv, qv)], axis=-1)


def rotate(q_ab: ArrayLike, v_b: ArrayLike) -> Floats:
    """Components in a of a vector given in b."""
    q, v = np.asarray(q_ab, dtype=np.float64), np.asarray(v_b, dtype=np.float64)
    t = 2.0 * cross(q[..., 1:], v)
    return v + q[..., :1] * t + cross(q[..., 1:], t)


def rotate_inverse(q_ab: ArrayLike, v_a: ArrayLike) -> Floats:
    """Components in b of a vector given in a."""
    return rotate(conjugate(q_ab), v_a)


def from_rotation_vector(vector: ArrayLike) -> Floats:
    """Quaternion of a rotation by |vector| [rad] about it."""
    v = np.asarray(vector, dtype=np.float64)
    half = 0.5 * np.linalg.norm(v, axis=-1, keepdims=True)
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * v], axis=-1)


def to_rotation_vector(q: ArrayLike) -> Floats:
    """Rotation vector [rad] of a unit quaternion, of length 0 to pi."""
    q = np.asarray(q, dtype=np.float64)
    q = np.where(q[..., :1] < 0, -q, q)
    s = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    full = 2.0 * np.arctan2(s, q[..., :1])
    return np.where(s > 1e-12, full / np.maximum(s, 1e-300), 2.0) * q[..., 1:]


def angle(q: ArrayLike) -> Floats:
    """Angle of rotation [rad], 0 to pi."""
    q = np.asarray(q, dtype=np.float64)
    return 2.0 * np.arctan2(np.linalg.norm(q[..., 1:], axis=-1), np.abs(q[..., 0]))


def to_matrix(q_ab: ArrayLike) -> Floats:
    """Matrix R_ab whose product with components in b gives components in a, (..., 3, 3)."""
    q = np.asarray(q_ab, dtype=np.float64)
    return np.stack([rotate(q, np.eye(3)[k]) for k in range(3)], axis=-1)


def from_matrix(r_ab: ArrayLike) -> Floats:
    """Unit quaternion q_ab with w >= 0 of a rotation matrix (..., 3, 3).

    Source:
        Bar-Itzhack 2000, doi 10.2514/2.4654: the eigenvector of the largest eigenvalue of a symmetric 4 x 4 matrix.
    """
    r = np.asarray(r_ab, dtype=np.float64)
    k = np.empty((*r.shape[:-2], 4, 4))
    trace = np.trace(r, axis1=-2, axis2=-1)
    k[..., 0, 0] = trace
    skew = np.stack([r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]], axis=-1)
    k[..., 0, 1:] = k[..., 1:, 0] = skew
    k[..., 1:, 1:] = r + np.swapaxes(r, -1, -2) - trace[..., None, None] * np.eye(3)
    _, vectors = np.linalg.eigh(k)
    q = vectors[..., :, -1]
    return np.where(q[..., :1] < 0, -q, q)


def random_quaternions(rng: np.random.Generator, num: int) -> Floats:
    """Unit quaternions, uniform over all attitudes, (num, 4)."""
    return normalise(rng.standard_normal((num, 4)))
