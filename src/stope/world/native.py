# SPDX-License-Identifier: Apache-2.0
"""MuJoCo's C interface for native callbacks: field offsets of mjData, functions by address, mjb_* by ctypes.

Offsets are laid out by ctypes from the declarations in `mujoco.introspect` and asserted against live pointers when a
batch is made, so a MuJoCo build with another layout fails loudly instead of writing somewhere else.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mujoco
import numba as nb
import numpy as np
from llvmlite import ir
from mujoco.introspect import ast_nodes, structs
from numba.extending import intrinsic

from stope.base.errors import StopeError

__all__ = ["BatchConfig", "address_to_floats", "address_to_ints", "address_to_longs", "call", "check_offsets",
           "field_offset", "function_address", "library", "load_address",
           "untimed"]  # fmt: skip

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


def _ctype(node: Any) -> Any:
    if isinstance(node, ast_nodes.PointerType):
        return ctypes.c_void_p
    if isinstance(node, ast_nodes.ArrayType):
        kind = _ctype(node.inner_type)
        for extent in reversed(node.extents):
            kind = kind * extent
        return kind
    if isinstance(node, ast_nodes.AnonymousStructDecl):
        base = ctypes.Union if isinstance(node, ast_nodes.AnonymousUnionDecl) else ctypes.Structure
        return type("Anonymous", (base,), {"_fields_": [(f.name, _ctype(f.type)) for f in node.fields]})
    name = node.name
    if name in _SCALARS:
        return _SCALARS[name]
    if name in structs.STRUCTS:
        return _structure(name)
    if name.startswith("mjt"):
        return ctypes.c_int  # an enumeration
    raise LayoutError(f"mujoco.introspect names a type {name!r} this build of stope does not know.")


@functools.cache
def _structure(name: str) -> Any:
    fields = [(f.name, _ctype(f.type)) for f in structs.STRUCTS[name].fields]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def field_offset(structure: str, name: str) -> int:
    """Offset of a field in a structure of MuJoCo, such as "mjData" [bytes]."""
    return int(getattr(_structure(structure), name).offset)


def check_offsets(owner: mujoco.MjData | mujoco.MjModel, names: tuple[str, ...]) -> None:
    """Assert that the computed offsets point at the arrays of a live mjData or mjModel.

    Raises:
        LayoutError: naming the first field that is elsewhere.
    """
    structure = "mjData" if isinstance(owner, mujoco.MjData) else "mjModel"
    for name in names:
        offset = field_offset(structure, name)
        if getattr(owner, name).size == 0:
            continue  # nothing there to point at, and nothing is read or written
        if ctypes.c_uint64.from_address(owner._address + offset).value != getattr(owner, name).ctypes.data:
            raise LayoutError(
                f"{structure}.{name} is not at byte {offset} in MuJoCo {mujoco.__version__}: "
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


@functools.cache
def _no_time() -> Any:
    """A clock that stands still, as MuJoCo calls one."""
    return nb.cfunc(nb.float64(), cache=True)(_zero)


def _zero():
    return 0.0


_timing = threading.Lock()
_untimed: list[int | None] = []
"""MuJoCo's clock before the first of the calls that do without it now, then nothing for each other call."""


@contextmanager
def untimed() -> Generator[None]:
    """Let MuJoCo not read the clock around each of its stages; what was the clock before is so again afterwards.

    The Python package sets one, for `mjData.timer`, and reading it some twenty times in a step took a tenth to a third
    of it. The clock is global: what `mjData.timer` says of other steps of the process that run meanwhile means nothing.
    It is exchanged for one that stands still, not for none, so that a step under way never calls nothing.
    """
    clock, still = ctypes.c_void_p.in_dll(library(), "mjcb_time"), _no_time().address
    with _timing:
        _untimed.append(None if _untimed else clock.value)
    try:
        clock.value = still
        yield
    finally:
        with _timing:
            if len(_untimed) == 1:
                clock.value = _untimed[0]
            _untimed.pop()


def function_address(name: str) -> int:
    """Address of a `void name(const mjModel*, mjData*)` of MuJoCo, for `call`."""
    address = ctypes.cast(getattr(library(), name), ctypes.c_void_p).value
    assert address is not None
    return address


def _pointer_maker(kind: Any, name: str) -> Any:
    def make(typing_context: Any, address: Any) -> Any:
        signature = nb.types.CPointer(kind)(nb.intp)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

        return signature, codegen

    make.__name__ = make.__qualname__ = name
    return intrinsic(make)


address_to_floats = _pointer_maker(nb.float64, "address_to_floats")
"""A float64 pointer from an integer address, in native code."""
address_to_ints = _pointer_maker(nb.int32, "address_to_ints")
"""An int32 pointer from an integer address, in native code."""
address_to_longs = _pointer_maker(nb.int64, "address_to_longs")
"""An int64 pointer from an integer address, in native code."""


@intrinsic
def load_address(typing_context: Any, base: Any, offset: Any) -> Any:
    """The pointer-sized integer stored at base + offset, in native code."""
    signature = nb.intp(nb.intp, nb.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at = builder.inttoptr(builder.add(args[0], args[1]), context.get_value_type(nb.types.CPointer(nb.intp)))
        return builder.load(at)

    return signature, codegen


@intrinsic
def call(typing_context: Any, address: Any, model: Any, data: Any) -> Any:
    """Call the `void f(const mjModel*, mjData*)` at an address, in native code.

    The address is a value, not a constant, so what calls it can be kept on disk and read by another process.
    """
    signature = nb.void(nb.intp, nb.intp, nb.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = args[0].type
        kind = ir.FunctionType(ir.VoidType(), [word, word])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1], args[2]])
        return context.get_dummy_value()

    return signature, codegen


def as_bytes(array: np.ndarray) -> int:
    """Address of a C-contiguous array's first element."""
    assert array.flags.c_contiguous
    return int(array.ctypes.data)
