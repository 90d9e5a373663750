# SPDX-License-Identifier: Apache-2.0
"""MuJoCo's C interface for native callbacks: field offsets of mjData, functions by address, mjb_* by ctypes.

Offsets are laid out by ctypes from the declarations in `mujoco.introspect` and asserted against live pointers when a
batch is made, so a MuJoCo build with another layout fails loudly instead of writing somewhere else.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

import mujoco
import numba as nb
import numpy as np
from mujoco.introspect import ast_nodes, structs
from numba.extending import intrinsic

from stope.base.errors import StopeError

__all__ = ["BatchConfig", "address_to_floats", "check_offsets", "data_offset", "function", "library", "load_address"]

_SCALARS: dict[str, Any] = {
    "int": ctypes.c_int, "mjtNum": ctypes.c_double, "double": ctypes.c_double, "float": ctypes.c_float,
    "mjtSize": ctypes.c_int64, "size_t": ctypes.c_size_t, "uintptr_t": ctypes.c_size_t, "mjtByte": ctypes.c_uint8,
    "mjtBool": ctypes.c_bool, "unsigned char": ctypes.c_uint8, "unsigned int": ctypes.c_uint, "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64, "char": ctypes.c_char,
}  # fmt: skip


class LayoutError(StopeError):
    """The installed MuJoCo lays out mjData in another way than its declarations say."""


class BatchConfig(ctypes.Structure):
    """mjBatchConfig: threads including the caller's, and one mjData per simulation or per thread."""

    _fields_ = (("nthread", ctypes.c_int), ("persistent", ctypes.c_bool))


def _ctype(node: Any) -> Any:  # noqa: ANN401 -- introspect's nodes share no base class
    if isinstance(node, ast_nodes.PointerType):
        return ctypes.c_void_p
    if isinstance(node, ast_nodes.ArrayType):
        kind = _ctype(node.inner_type)
        for extent in reversed(node.extents):
            kind = kind * extent
        return kind
    name = node.name
    if name in _SCALARS:
        return _SCALARS[name]
    if name in structs.STRUCTS:
        return _structure(name)
    if name.startswith("mjt"):
        return ctypes.c_int  # an enumeration
    raise LayoutError(f"mujoco.introspect names a type {name!r} this build of stope does not know.")


@functools.cache
def _structure(name: str) -> Any:  # noqa: ANN401 -- a ctypes.Structure subclass made on the spot
    fields = [(f.name, _ctype(f.type)) for f in structs.STRUCTS[name].fields]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def data_offset(name: str) -> int:
    """Offset of a field in mjData [bytes]."""
    return int(getattr(_structure("mjData"), name).offset)


def check_offsets(data: mujoco.MjData, names: tuple[str, ...]) -> None:
    """Assert that the computed offsets point at the arrays of a live mjData.

    Raises:
        LayoutError: naming the first field that is elsewhere.
    """
    for name in names:
        pointer = ctypes.c_uint64.from_address(data._address + data_offset(name)).value
        if pointer != getattr(data, name).ctypes.data:
            raise LayoutError(
                f"mjData.{name} is not at byte {data_offset(name)} in MuJoCo {mujoco.__version__}: "
                "expected the layout of mujoco.introspect. Install the MuJoCo version that stope pins."
            )


@functools.cache
def library() -> ctypes.CDLL:
    """The MuJoCo library the Python package loaded, with the mjb_* signatures we use."""
    path = next(iter(sorted(Path(mujoco.__file__).parent.glob("libmujoco.so.*"))))
    lib = ctypes.CDLL(str(path))
    pointer, number = ctypes.c_void_p, ctypes.c_int
    lib.mjb_makeBatch.restype = pointer
    lib.mjb_makeBatch.argtypes = [pointer, number, pointer, ctypes.c_char_p, number]
    lib.mjb_state.restype, lib.mjb_state.argtypes = ctypes.POINTER(ctypes.c_double), [pointer]
    lib.mjb_nstate.restype, lib.mjb_nstate.argtypes = number, [pointer]
    lib.mjb_apply.restype, lib.mjb_apply.argtypes = number, [pointer, pointer, number, pointer, pointer, number]
    lib.mjb_expand.restype = pointer
    lib.mjb_expand.argtypes = [pointer, ctypes.c_char_p, ctypes.POINTER(number), ctypes.POINTER(number)]
    lib.mjb_setConst.restype, lib.mjb_setConst.argtypes = number, [pointer, pointer, number]
    lib.mjb_error.restype, lib.mjb_error.argtypes = ctypes.c_char_p, [pointer, number]
    lib.mjb_status.restype, lib.mjb_status.argtypes = ctypes.POINTER(number), [pointer]
    lib.mjb_deleteBatch.restype, lib.mjb_deleteBatch.argtypes = None, [pointer]
    return lib


def function(name: str) -> Any:  # noqa: ANN401 -- a ctypes function type, made on the spot
    """A `void name(const mjModel*, mjData*)` of MuJoCo that numba code can call by address."""
    address = ctypes.cast(getattr(library(), name), ctypes.c_void_p).value
    return ctypes.CFUNCTYPE(None, ctypes.c_ssize_t, ctypes.c_ssize_t)(address)


@intrinsic
def address_to_floats(typing_context: Any, address: Any) -> Any:  # noqa: ANN401, ARG001 -- numba's protocol
    """A float64 pointer from an integer address."""
    signature = nb.types.CPointer(nb.float64)(nb.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401 -- numba's protocol
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return signature, codegen


@intrinsic
def load_address(typing_context: Any, base: Any, offset: Any) -> Any:  # noqa: ANN401, ARG001 -- numba's protocol
    """The pointer-sized integer stored at base + offset."""
    signature = nb.intp(nb.intp, nb.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401, ARG001 -- numba's protocol
        at = builder.inttoptr(builder.add(args[0], args[1]), context.get_value_type(nb.types.CPointer(nb.intp)))
        return builder.load(at)

    return signature, codegen


def as_bytes(array: np.ndarray) -> int:
    """Address of a C-contiguous array's first element."""
    assert array.flags.c_contiguous
    return int(array.ctypes.data)
