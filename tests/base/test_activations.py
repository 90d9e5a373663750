# SPDX-License-Identifier: Apache-2.0
"""Fused activations against float64, and their independence of neighbours."""

from __future__ import annotations

import numpy as np
import pytest

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
    scale, out = RNG.uniform(0.1, 3.0, 15).astype(np.float32), np.zeros((64, 15), dtype=np.float32)
    activations.magnified(given, scale, np.zeros(64 * 15, dtype=np.float32), out)
    np.testing.assert_allclose(out, np.tanh(given[:, :15].astype(np.float64) * scale), atol=ROUNDING)
    assert np.abs(out).max() <= 1.0


def test_standardised_and_bounded_clip() -> None:
    given, out = np.array([[-50.0, 3.0, 50.0]], dtype=np.float32), np.zeros((1, 3), dtype=np.float32)
    one = np.ones(3, dtype=np.float32)
    again, fits = np.zeros_like(out), np.ones(1, dtype=np.bool_)
    activations.standardised(given, -50 * one, 50 * one, one, 2 * one, np.float32(10), fits, out, again)
    assert out.tolist() == again.tolist() == [[-10.0, 4.0, 10.0]]
    assert fits[0]
    activations.standardised(given, -50 * one, 49 * one, one, 2 * one, np.float32(10), fits, out, again)
    assert not fits[0]
    activations.bounded(out, one, np.float32(1.0), out)
    assert out.tolist() == [[-1.0, 1.0, 1.0]]


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
