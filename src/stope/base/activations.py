# SPDX-License-Identifier: Apache-2.0
"""Activations of small networks in float32, each fused with its bias, one pass over a tile of rows.

Loops run along a row, so that how an element is computed depends on its column only: its bits depend neither on where
in the tile its row stands nor on what stands beside it. Products and additions may be contracted, sums are never put in
another order. numpy and torch spend as long on a recurrent policy's activations as on its products (numpy's `expm1`
takes 18 ns an element); these take about one nanosecond.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["bounded", "elu", "gates", "inside", "magnified", "standardised"]

_F = np.float32
_LOG2_E = _F(1.4426950408889634)
_LN2 = _F(0.693359375), _F(-2.12194440054690583e-4)
"""ln 2 in two parts; the first has few bits, so that its products with whole numbers are exact."""
_TAYLOR = tuple(_F(1.0 / k) for k in (720, 120, 24, 6, 2, 1, 1))
_SMALLEST, _LARGEST = _F(-87.0), _F(88.0)
"""Beyond these the exponential leaves float32's normal numbers."""


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"})
def _exp(x: Any) -> Any:
    """Exponential; 2e-7 of itself at worst, where |x - n ln 2| <= 0.35 leaves the series' eighth term."""
    x = min(max(x, _SMALLEST), _LARGEST)
    n = np.floor(x * _LOG2_E + _F(0.5))
    r = x - n * _LN2[0]
    r = r - n * _LN2[1]
    p = _TAYLOR[0] * r + _TAYLOR[1]
    p = p * r + _TAYLOR[2]
    p = p * r + _TAYLOR[3]
    p = p * r + _TAYLOR[4]
    p = p * r + _TAYLOR[5]
    p = p * r + _TAYLOR[6]
    power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23))
    return p * power.view(np.float32)


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"})
def _sigmoid(x: Any) -> Any:
    return _F(1.0) / (_F(1.0) + _exp(-x))


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"})
def _tanh(x: Any) -> Any:
    return _F(1.0) - _F(2.0) / (_F(1.0) + _exp(x + x))


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"})
def standardised(given: Any, mean: Any, inverse: Any, largest: Any, out: Any) -> None:
    """(given - mean) * inverse, clipped to +-largest; given (rows, n), out (rows, n or wider)."""
    for i in range(given.shape[0]):
        for j in range(given.shape[1]):
            out[i, j] = min(max((given[i, j] - mean[j]) * inverse[j], -largest), largest)


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"})
def magnified(given: Any, scale: Any, out: Any) -> None:
    """tanh(given * scale), of the first columns: scale (n,), given (rows, n or wider), out (rows, n or wider)."""
    for i in range(given.shape[0]):
        for j in range(scale.shape[0]):
            out[i, j] = _tanh(given[i, j] * scale[j])


@nb.njit(error_model="numpy", fastmath={"contract"})
def _open(products: Any, others: Any, bias: Any) -> None:
    for j in range(products.shape[0]):
        products[j] = _sigmoid(products[j] + others[j] + bias[j])


@nb.njit(error_model="numpy", fastmath={"contract"})
def _scaled(others: Any, bias: Any, reset: Any) -> None:
    for j in range(others.shape[0]):
        others[j] = reset[j] * (others[j] + bias[j])


@nb.njit(error_model="numpy", fastmath={"contract"})
def _renewed(products: Any, others: Any, bias: Any) -> None:
    for j in range(products.shape[0]):
        products[j] = _tanh(products[j] + bias[j] + others[j])


@nb.njit(error_model="numpy", fastmath={"contract"})
def _mixed(new: Any, update: Any, memory: Any, out: Any) -> None:
    for j in range(out.shape[0]):
        out[j] = new[j] + update[j] * (memory[j] - new[j])


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"})
def gates(
    from_input: Any, from_memory: Any, bias_both: Any, bias_input: Any, bias_memory: Any, memory: Any, out: Any
) -> None:
    """The new memory of a gated recurrent unit, in torch's order of gates (reset, update, new).

    One short loop a step: one long loop has too many arrays for the compiler to see that none overlaps another, and
    takes six times as long.

    Args:
        from_input: Products of the input with its weights, (rows, 3 n); overwritten.
        from_memory: Products of the memory with its weights, (rows, 3 n); overwritten.
        bias_both: Sum of both biases of reset and update, (2 n,).
        bias_input: Of new, (n,).
        bias_memory: Of new, inside the reset, (n,).
        memory: (rows, n).
        out: New memory, (rows, n); may not overlap the memory.
    """
    n = memory.shape[1]
    for i in range(memory.shape[0]):
        products, others = from_input[i], from_memory[i]
        _open(products[: 2 * n], others[: 2 * n], bias_both)
        _scaled(others[2 * n :], bias_memory, products[:n])
        _renewed(products[2 * n :], others[2 * n :], bias_input)
        _mixed(products[2 * n :], products[n : 2 * n], memory[i], out[i])


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"})
def elu(values: Any, bias: Any) -> None:
    """Exponential linear unit of values + bias, in place; values (rows, n)."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            x = values[i, j] + bias[j]
            below = _exp(min(x, _F(0.0))) - _F(1.0)
            values[i, j] = x if x > _F(0.0) else below


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"})
def bounded(values: Any, bias: Any, limit: Any, out: Any) -> None:
    """Values + bias, clipped to +-limit; values and out (rows, n)."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            out[i, j] = min(max(values[i, j] + bias[j], -limit), limit)


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"})
def inside(values: Any, low: Any, high: Any, out: Any) -> None:
    """Clear out[i] where a number of row i is below low or above high, or is none; values (rows, n), out (rows,)."""
    for i in range(values.shape[0]):
        num = 0
        for j in range(low.shape[0]):
            x = values[i, j]
            num += np.int32((x >= low[j]) & (x <= high[j]))
        if num < low.shape[0]:
            out[i] = False
