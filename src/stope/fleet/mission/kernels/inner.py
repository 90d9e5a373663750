# SPDX-License-Identifier: Apache-2.0
"""How the kernels of a month are compiled: without what numba adds for the sake of Python, where nothing needs it.

A wrapper unpacks every array of the world, so the wrappers of kernels that Python never calls took most of the time to
compile. Counts of references are kept with atomic instructions at every look at one of the world's thirty arrays, and
took five sixths of the time to run; kernels get arrays and make none, so whoever calls keeps them alive. A kernel that
made an array would not compile.
"""

from __future__ import annotations

import numba as nb

from stope.base.kernel_cache import use_kernel_cache

use_kernel_cache()

__all__ = ["inner", "outer"]

inner = nb.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)
"""Decorator of a kernel that Python never calls; who calls it keeps its code in the cache."""
outer = nb.njit(cache=True, nogil=True, _nrt=False)
"""Decorator of a kernel that Python calls; threads may play months side by side."""
