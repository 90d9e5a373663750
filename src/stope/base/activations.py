# SPDX-License-Identifier: Apache-2.0
"""Activations of small networks in float32, each fused with its bias, one pass over a tile of rows.

Loops run along a row, so that how an element is computed depends on its column only: its bits depend neither on where
in the tile its row stands nor on what stands beside it. Products and additions may be contracted, sums are never put in
another order. Nothing here makes an array, so references are not counted: at every part of every row that took as long
as the sums. numpy and torch spend as long on a recurrent policy's activations as on its products (numpy's `expm1`
takes 18 ns an element); these take about one nanosecond.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["bounded", "carried", "elu", "gates", "inside", "magnified", "sound", "standardised"]

_F = np.float32
_LOG2_E = _F(1.4426950408889634)
_LN2 = _F(0.693359375), _F(-2.12194440054690583e-4)
"""ln 2 in two parts; the first has few bits, so that its products with whole numbers are exact."""
_TAYLOR = tuple(_F(1.0 / k) for k in (720, 120, 24, 6, 2, 1, 1))
_FINITE = _F(3.4028234e38)
_ONE = _F(1.000001)
"""A mean of two numbers up to 1 may be some roundings beyond."""
_SMALLEST, _LARGEST = _F(-87.0), _F(88.0)
"""Beyond these the exponential leaves float32's normal numbers."""


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"}, _nrt=False)
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


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"}, _nrt=False)
def _sigmoid(x: Any) -> Any:
    return _F(1.0) / (_F(1.0) + _exp(-x))


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"}, _nrt=False)
def _tanh(x: Any) -> Any:
    return _F(1.0) - _F(2.0) / (_F(1.0) + _exp(x + x))


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def standardised(
    given: Any, low: Any, high: Any, mean: Any, inverse: Any, largest: Any, fits: Any, out: Any, again: Any
) -> None:
    """(given - mean) * inverse, clipped to +-largest, into `out` and once more into `again`; and whether a row fits.

    Args:
        given: (rows, n).
        low: Smallest numbers that fit, (n,).
        high: Largest, (n,).
        mean: (n,).
        inverse: (n,).
        largest: One number.
        fits: Cleared where a number of the row is outside low to high, or is none, (rows,).
        out: (rows, n).
        again: (rows, n).
    """
    for i in range(given.shape[0]):
        num = 0
        for j in range(low.shape[0]):
            x = given[i, j]
            num += np.int32((x >= low[j]) & (x <= high[j]))
        if num < low.shape[0]:
            fits[i] = False
        for j in range(mean.shape[0]):
            out[i, j] = min(max((given[i, j] - mean[j]) * inverse[j], -largest), largest)
        for j in range(mean.shape[0]):
            again[i, j] = out[i, j]


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def carried(memory: Any, fits: Any, out: Any) -> None:
    """Copy memory, and clear fits[i] where a number of row i is beyond +-1, or is none; both (rows, n)."""
    for i in range(memory.shape[0]):
        num = 0
        for j in range(memory.shape[1]):
            x = memory[i, j]
            num += np.int32((x >= -_ONE) & (x <= _ONE))
            out[i, j] = x
        if num < memory.shape[1]:
            fits[i] = False


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def magnified(given: Any, scale: Any, scratch: Any, out: Any) -> None:
    """tanh(given * scale), of the first columns.

    In one long loop over all elements: a row is too short to fill a vector.

    Args:
        given: (rows, n or wider).
        scale: (n,).
        scratch: Room, (rows * n,).
        out: (rows, n or wider).
    """
    n = scale.shape[0]
    for i in range(given.shape[0]):
        for j in range(n):
            scratch[i * n + j] = given[i, j] * scale[j]
    for i in range(given.shape[0] * n):
        scratch[i] = _tanh(scratch[i])
    for i in range(given.shape[0]):
        for j in range(n):
            out[i, j] = scratch[i * n + j]


@nb.njit(error_model="numpy", fastmath={"contract"}, _nrt=False)
def _open(products: Any, others: Any, bias: Any) -> None:
    for j in range(products.shape[0]):
        products[j] = _sigmoid(products[j] + others[j] + bias[j])


@nb.njit(error_model="numpy", fastmath={"contract"}, _nrt=False)
def _scaled(others: Any, bias: Any, reset: Any) -> None:
    for j in range(others.shape[0]):
        others[j] = reset[j] * (others[j] + bias[j])


@nb.njit(error_model="numpy", fastmath={"contract"}, _nrt=False)
def _renewed(products: Any, others: Any, bias: Any) -> None:
    for j in range(products.shape[0]):
        products[j] = _tanh(products[j] + bias[j] + others[j])


@nb.njit(error_model="numpy", fastmath={"contract"}, _nrt=False)
def _mixed(new: Any, update: Any, memory: Any, out: Any, again: Any) -> None:
    for j in range(out.shape[0]):
        out[j] = new[j] + update[j] * (memory[j] - new[j])
    for j in range(out.shape[0]):
        again[j] = out[j]


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def gates(
    from_input: Any,
    from_memory: Any,
    bias_both: Any,
    bias_input: Any,
    bias_memory: Any,
    memory: Any,
    out: Any,
    again: Any,
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
        again: Once more, (rows, n).
    """
    n = memory.shape[1]
    for i in range(memory.shape[0]):
        products, others = from_input[i], from_memory[i]
        _open(products[: 2 * n], others[: 2 * n], bias_both)
        _scaled(others[2 * n :], bias_memory, products[:n])
        _renewed(products[2 * n :], others[2 * n :], bias_input)
        _mixed(products[2 * n :], products[n : 2 * n], memory[i], out[i], again[i])


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def elu(values: Any, bias: Any) -> None:
    """Exponential linear unit of values + bias, in place; values (rows, n)."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            x = values[i, j] + bias[j]
            below = _exp(min(x, _F(0.0))) - _F(1.0)
            values[i, j] = x if x > _F(0.0) else below


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def bounded(values: Any, bias: Any, limit: Any, out: Any) -> None:
    """Values + bias, clipped to +-limit; values and out (rows, n)."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            out[i, j] = min(max(values[i, j] + bias[j], -limit), limit)


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def sound(values: Any, out: Any) -> None:
    """Clear out[i] where a number of row i is not finite; values (rows, n), out (rows,)."""
    for i in range(values.shape[0]):
        num = 0
        for j in range(values.shape[1]):
            num += np.int32(abs(values[i, j]) <= _FINITE)
        if num < values.shape[1]:
            out[i] = False


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def inside(values: Any, low: Any, high: Any, out: Any) -> None:
    """Clear out[i] where a number of row i is below low or above high, or is none; values (rows, n), out (rows,)."""
    for i in range(values.shape[0]):
        num = 0
        for j in range(low.shape[0]):
            x = values[i, j]
            num += np.int32((x >= low[j]) & (x <= high[j]))
        if num < low.shape[0]:
            out[i] = False
