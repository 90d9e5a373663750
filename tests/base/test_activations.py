# SPDX-License-Identifier: Apache-2.0
"""Fused activations against float64, and their independence of neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from stope.base import activations

RNG = np.random.Generator(np.random.Philox(1))
ROUNDING = 4e-7
"""Three roundings of float32 near 1, 1.2e-7 each."""


def test_elu_is_that_of_float64() -> None:
    values = RNG.uniform(-30.0, 30.0, (64, 33)).astype(np.float32)
    bias = RNG.uniform(-1.0, 1.0, 33).astype(np.float32)
    x = values.astype(np.float64) + bias
    activations.elu(values, bias)
    wanted = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    np.testing.assert_allclose(values, wanted, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("size", [1e-3, 1.0, 200.0])
def test_magnified_is_a_tanh_and_never_beyond_one(size: float) -> None:
    given = RNG.uniform(-size, size, (64, 20)).astype(np.float32)
    scale, out = RNG.uniform(0.1, 3.0, 15).astype(np.float32), np.zeros((64, 20), dtype=np.float32)
    activations.magnified(given, scale, np.zeros(64 * 15, dtype=np.float32), out, 5)
    assert not out[:, :5].any()
    np.testing.assert_allclose(out[:, 5:], np.tanh(given[:, :15].astype(np.float64) * scale), atol=ROUNDING)
    assert np.abs(out).max() <= 1.0


def test_standardised_and_bounded_clip() -> None:
    given, out = np.array([[-50.0, 3.0, 50.0]], dtype=np.float32), np.zeros((1, 4), dtype=np.float32)
    one, fits = np.ones(3, dtype=np.float32), np.ones(1, dtype=np.bool_)
    activations.standardised(given, one, 2 * one, 102 * one, np.float32(10), fits, out)
    assert out.tolist() == [[-10.0, 4.0, 10.0, 0.0]]
    assert fits[0]
    activations.standardised(given, one, 2 * one, 101 * one, np.float32(10), fits, out)
    assert not fits[0]
    out, sound = np.ascontiguousarray(out[:, :3]), np.ones(1, dtype=np.bool_)
    activations.bounded(out, one, np.float32(1.0), out, sound)
    assert out.tolist() == [[-1.0, 1.0, 1.0]]
    assert sound[0]


def reckoned(p: np.ndarray, q: np.ndarray, bias: np.ndarray, memory: np.ndarray) -> np.ndarray:
    """The new memory in float64."""
    p, q, n = p.astype(np.float64), q.astype(np.float64), memory.shape[1]
    reset, update = (expit(p[:, k * n : k * n + n] + q[:, k * n : k * n + n]) for k in (0, 1))
    new = np.tanh(p[:, 2 * n : 3 * n] + reset * (q[:, 2 * n :] + bias))
    return new + update * (memory - new)


@pytest.mark.parametrize("size", [1.0, 30.0, 300.0])
def test_gates_are_those_of_float64(size: float) -> None:
    n, rows = 16, 40
    p, q = (RNG.uniform(-size, size, (rows, k * n)).astype(np.float32) for k in (4, 3))
    bias, memory = (RNG.uniform(-1.0, 1.0, shape).astype(np.float32) for shape in (n, (rows, n)))
    wanted, beside = reckoned(p, q, bias, memory), p[:, 3 * n :].copy()
    out, again, sound = np.zeros((rows, n), np.float32), np.zeros((rows, n + 3), np.float32), np.ones(rows, np.bool_)
    activations.gates(p, q, bias, memory, out, again, sound, p[:0], q[:3])
    # Sums of up to four numbers of this size are rounded, and a tanh or a sigmoid is never steeper than 1.
    np.testing.assert_allclose(out, wanted, atol=ROUNDING + 4 * 6e-8 * size)
    assert (again[:, :n] == out).all()
    assert sound.all()
    assert (p[:, 3 * n :] == beside).all()


def test_what_is_no_number_stays_none_and_is_seen() -> None:
    """A weight that flipped must not come out as a number that looks well."""
    n, none = 4, np.float32(np.nan)
    for at in range(3 * n):
        p, q = np.zeros((2, 4 * n), np.float32), np.zeros((2, 3 * n), np.float32)
        p[1, at] = none
        out, sound = np.zeros((2, n), np.float32), np.ones(2, np.bool_)
        activations.gates(p, q, np.zeros(n, np.float32), np.zeros((2, n), np.float32), out, out.copy(), sound, p, q)
        assert np.isnan(out[1]).any()
        assert sound.tolist() == [True, False]
    values, bias = np.array([[0.0, 1.0], [none, 1.0]], dtype=np.float32), np.zeros(2, np.float32)
    for made in (values.copy(), values.copy()):
        activations.elu(made, bias)
        assert np.isnan(made).tolist() == np.isnan(values).tolist()
    more = np.concatenate([np.zeros((2, 3), np.float32), values], axis=1)
    made = np.zeros((2, 2), np.float32)
    activations.elu_of_sum(made, more, 3)
    assert np.isnan(made).tolist() == np.isnan(values).tolist()
    sound = np.ones(2, np.bool_)
    activations.bounded(values.copy(), bias, np.float32(1.0), made, sound)
    assert np.isnan(made).tolist() == np.isnan(values).tolist()
    assert sound.tolist() == [True, False]


def test_elu_of_sum_is_elu_of_the_sum() -> None:
    more, values = (RNG.uniform(-20.0, 20.0, (9, k)).astype(np.float32) for k in (40, 24))
    x = values.astype(np.float64) + more[:, 16:]
    activations.elu_of_sum(values, more, 16)
    wanted = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    np.testing.assert_allclose(values, wanted, rtol=ROUNDING, atol=2e-6)  # the sum's rounding: 20 is 2^4 and more


def test_a_number_that_is_none_is_not_inside() -> None:
    values = np.array([[0.0, 1.0], [np.nan, 0.0], [0.0, np.inf], [0.0, 1.1], [-1.0, -1.0]], dtype=np.float32)
    out, one = np.ones(5, dtype=np.bool_), np.ones(2, dtype=np.float32)
    activations.inside(values, -one, one, out)
    assert out.tolist() == [True, False, False, False, True]


def test_a_row_with_a_number_that_is_not_finite_is_not_sound() -> None:
    values = np.array([[0.0, -3e38], [np.nan, 0.0], [0.0, np.inf], [-np.inf, 0.0]], dtype=np.float32)
    out = np.ones(4, dtype=np.bool_)
    activations.sound(values, out)
    assert out.tolist() == [True, False, False, False]


def test_a_memory_is_copied_and_fits_from_minus_one_to_one() -> None:
    memory = np.array([[0.0, 1.0], [np.nan, 0.0], [-1.0, 1.00001]], dtype=np.float32)
    out, fits = np.zeros_like(memory), np.ones(3, dtype=np.bool_)
    activations.carried(memory, fits, out)
    assert out.tobytes() == memory.tobytes()
    assert fits.tolist() == [True, False, False]


def test_a_row_has_the_same_bits_alone_and_among_others() -> None:
    whole = RNG.normal(size=(50, 37)).astype(np.float32)
    bias, alone = np.zeros(37, dtype=np.float32), [row[None].copy() for row in whole]
    activations.elu(whole, bias)
    for row, single in zip(whole, alone, strict=True):
        activations.elu(single, bias)
        assert row.tobytes() == single.tobytes()
