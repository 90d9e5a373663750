# SPDX-License-Identifier: Apache-2.0
"""How kernels are compiled that only kernels call: without the wrappers that let Python call them.

A wrapper unpacks every array of the world, so wrappers took most of the time to compile; see `inner`.
"""

from __future__ import annotations

import numba as nb

from stope.base.kernel_cache import use_kernel_cache

use_kernel_cache()

__all__ = ["inner"]

inner = nb.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Decorator of a kernel that Python never calls; who calls it keeps its code in the cache."""
