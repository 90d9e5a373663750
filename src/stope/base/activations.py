# SPDX-License-Identifier: Apache-2.0
"""Activations of small networks in float32, each fused with its bias, one pass over a tile of rows.

Loops run along a row, so that how an element is computed depends on its column only: its bits depend neither on where
in the tile its row stands nor on what stands beside it. Products and additions may be contracted, sums are never put in
another order. What is no number stays none, so that it is seen at the end. Nothing here makes an array, so references
are not counted: at every part of every row that took as long as the sums. numpy and torch spend as long on a recurrent
policy's activations as on its products (numpy's `expm1` takes 18 ns an element); these take under one nanosecond.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir  # pyright: ignore[reportMissingTypeStubs] -- it has none
from numba.core import types
from numba.extending import intrinsic

__all__ = ["bounded", "carried", "elu", "elu_of_sum", "gates", "inside", "magnified", "sound", "standardised"]

_F = np.float32
_LOG2_E = _F(1.4426950408889634)
_LN2 = _F(0.693359375), _F(-2.12194440054690583e-4)
"""ln 2 in two parts; the first has few bits, so that its products with whole numbers are exact."""
_SERIES = tuple(_F(c) for c in (0.008290315046906471, 0.04189793020486832, 0.1666763573884964, 0.4999915063381195,
                                0.9999997019767761, 1.0))  # fmt: skip
"""Of exp on |x| <= ln 2 / 2, the highest power first: the least relative error with the last one given, 1e-7."""
_ROUND = _F(12582912.0)
"""1.5 * 2^23: a number up to 2^22 added to this is rounded to a whole one, which then stands in the lowest bits."""
_EXPONENT, _ONE_BITS = np.int32(23), np.int32(0x3F800000)
"""Where float32 keeps its exponent, and the bits of 1."""
_FINITE = _F(3.4028234e38)
_ONE = _F(1.000001)
"""A mean of two numbers up to 1 may be some roundings beyond."""
_SMALLEST = _F(-87.0)
"""Below this the exponential leaves float32's normal numbers."""
_FLAT = _F(40.0)
"""Beyond +-40 a sigmoid differs from 0 or 1 by less than 5e-18, and e^40 squared is still a number."""


@intrinsic
def _fetch(typing: Any, array: Any, index: Any) -> Any:
    """Begin to bring array.flat[index] nearer, without waiting; the array stands in one piece."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        place = builder.bitcast(builder.gep(data, [given[1]]), ir.PointerType(ir.IntType(8)))
        kind = ir.FunctionType(ir.VoidType(), [place.type, *[ir.IntType(32)] * 3])
        one = [ir.Constant(ir.IntType(32), x) for x in (0, 2, 1)]  # to read, again soon, data
        builder.call(builder.module.declare_intrinsic("llvm.prefetch", (place.type,), kind), [place, *one])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"}, _nrt=False)
def _within(x: Any, limit: Any) -> Any:
    """Clipped to +-limit; what is no number stays none, as numba compares the later argument with the first."""
    return max(min(x, limit), -limit)


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"}, _nrt=False)
def _exp(x: Any) -> Any:
    """Exponential from -87 to 88; 2e-7 of itself at worst."""
    t = x * _LOG2_E + _ROUND
    n = t - _ROUND
    r = x - n * _LN2[0]
    r = r - n * _LN2[1]
    p = _SERIES[0] * r + _SERIES[1]
    p = p * r + _SERIES[2]
    p = p * r + _SERIES[3]
    p = p * r + _SERIES[4]
    p = p * r + _SERIES[5]
    power = np.int32((_F(t).view(np.int32) << _EXPONENT) + _ONE_BITS)
    return p * power.view(np.float32)


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"}, _nrt=False)
def _tanh(x: Any) -> Any:
    return _F(1.0) - _F(2.0) / (_F(1.0) + _exp(_within(x + x, _FLAT)))


@nb.njit(error_model="numpy", fastmath={"contract"}, _nrt=False)
def _standard(given: Any, mean: Any, inverse: Any, reach: Any, largest: Any, out: Any) -> Any:
    num = np.int32(0)
    for j in range(mean.shape[0]):
        x = (given[j] - mean[j]) * inverse[j]
        num += np.int32(abs(x) <= reach[j])
        out[j] = min(max(x, -largest), largest)
    return num


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def standardised(given: Any, mean: Any, inverse: Any, reach: Any, largest: Any, fits: Any, out: Any) -> None:
    """(given - mean) * inverse, clipped to +-largest; and whether a row fits.

    Args:
        given: (rows, n).
        mean: (n,).
        inverse: (n,).
        reach: Largest size of each number before it is clipped, (n,).
        largest: One number.
        fits: Cleared where a number of the row is beyond its reach, or is none, (rows,).
        out: (rows, n or wider).
    """
    for i in range(given.shape[0]):
        if _standard(given[i], mean, inverse, reach, largest, out[i]) < mean.shape[0]:
            fits[i] = False


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def carried(memory: Any, fits: Any, out: Any) -> None:
    """Copy memory, and clear fits[i] where a number of row i is beyond +-1, or is none; both (rows, n)."""
    for i in range(memory.shape[0]):
        num = 0
        for j in range(memory.shape[1]):
            x = memory[i, j]
            num += np.int32(abs(x) <= _ONE)
            out[i, j] = x
        if num < memory.shape[1]:
            fits[i] = False


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def magnified(given: Any, scale: Any, scratch: Any, out: Any, at: Any) -> None:
    """tanh(given * scale), of the first columns, into `out` from column `at` on.

    In one long loop over all elements: a row is too short to fill a vector.

    Args:
        given: (rows, n or wider).
        scale: (n,).
        scratch: Room, (rows * n,).
        out: (rows, at + n or wider).
        at: A column.
    """
    n = scale.shape[0]
    for i in range(given.shape[0]):
        for j in range(n):
            scratch[i * n + j] = given[i, j] * scale[j]
    for i in range(given.shape[0] * n):
        scratch[i] = _tanh(scratch[i])
    for i in range(given.shape[0]):
        for j in range(n):
            out[i, at + j] = scratch[i * n + j]


@nb.njit(error_model="numpy", fastmath={"contract"}, _nrt=False)
def _open(reset: Any, update: Any, more_reset: Any, more_update: Any) -> None:
    """Sigmoids of two sums; one division does for both, as neither exponential is beyond e^40."""
    for j in range(reset.shape[0]):
        a = _F(1.0) + _exp(-_within(reset[j] + more_reset[j], _FLAT))
        b = _F(1.0) + _exp(-_within(update[j] + more_update[j], _FLAT))
        inverse = _F(1.0) / (a * b)
        reset[j] = b * inverse
        update[j] = a * inverse


@nb.njit(error_model="numpy", fastmath={"contract"}, _nrt=False)
def _renewed(new: Any, reset: Any, more: Any, bias: Any) -> None:
    for j in range(new.shape[0]):
        new[j] = _tanh(new[j] + reset[j] * (more[j] + bias[j]))


@nb.njit(error_model="numpy", fastmath={"contract"}, _nrt=False)
def _mixed(new: Any, update: Any, memory: Any, out: Any, again: Any) -> Any:
    for j in range(out.shape[0]):
        out[j] = new[j] + update[j] * (memory[j] - new[j])
    num = np.int32(0)
    for j in range(out.shape[0]):
        again[j] = out[j]
        num += np.int32(abs(out[j]) <= _FINITE)
    return num


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"}, _nrt=False)
def _fetch_row(array: Any, i: Any) -> None:
    """Fetch a row, 64 bytes at a time."""
    if i < array.shape[0]:
        for j in range(0, array.shape[1], 16):
            _fetch(array, i * array.shape[1] + j)


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def gates(
    products: Any,
    others: Any,
    bias: Any,
    memory: Any,
    out: Any,
    again: Any,
    sound: Any,
    given_next: Any,
    memory_next: Any,
) -> None:
    """The new memory of a gated recurrent unit, in torch's order of gates (reset, update, new).

    One short loop a step: one long loop has too many arrays for the compiler to see that none overlaps another, and
    takes six times as long.

    Args:
        products: Of the input with its weights, all biases but `bias` added, (rows, 3 n or wider); overwritten.
        others: Of the memory with its weights, (rows, 3 n).
        bias: Of new, inside the reset, (n,).
        memory: (rows, n).
        out: New memory, (rows, n); may not overlap the memory.
        again: Once more, (rows, n or wider).
        sound: Cleared where a number of the new memory is not finite, (rows,).
        given_next: What will be read next, brought nearer meanwhile: reading it from far away takes half as long as
            the sums here; any rows, each array in one piece.
        memory_next: As well.
    """
    n = memory.shape[1]
    for i in range(memory.shape[0]):
        _fetch_row(given_next, i)
        _fetch_row(memory_next, i)
        p, q = products[i], others[i]
        _open(p[:n], p[n : 2 * n], q[:n], q[n : 2 * n])
        _renewed(p[2 * n : 3 * n], p[:n], q[2 * n :], bias)
        if _mixed(p[2 * n : 3 * n], p[n : 2 * n], memory[i], out[i], again[i, :n]) < n:
            sound[i] = False


@nb.njit(inline="always", error_model="numpy", fastmath={"contract"}, _nrt=False)
def _elu(x: Any) -> Any:
    below = _exp(max(min(x, _F(0.0)), _SMALLEST)) - _F(1.0)
    return x if x > _F(0.0) else below


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def elu(values: Any, bias: Any) -> None:
    """Exponential linear unit of values + bias, in place; values (rows, n)."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] = _elu(values[i, j] + bias[j])


@nb.njit(error_model="numpy", fastmath={"contract"}, _nrt=False)
def _elu_row(values: Any, more: Any) -> None:
    for j in range(values.shape[0]):
        values[j] = _elu(values[j] + more[j])


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def elu_of_sum(values: Any, more: Any, at: Any) -> None:
    """Exponential linear unit of values + more, in place; values (rows, n), more from column `at` on."""
    for i in range(values.shape[0]):
        _elu_row(values[i], more[i, at : at + values.shape[1]])


@nb.njit(cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)
def bounded(values: Any, bias: Any, limit: Any, out: Any, sound: Any) -> None:
    """Values + bias, clipped to +-limit; values and out (rows, n); sound[i] is cleared where one is no number."""
    for i in range(values.shape[0]):
        num = 0
        for j in range(values.shape[1]):
            out[i, j] = _within(values[i, j] + bias[j], limit)
            num += np.int32(abs(out[i, j]) <= limit)
        if num < values.shape[1]:
            sound[i] = False


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
