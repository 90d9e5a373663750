# SPDX-License-Identifier: Apache-2.0
"""Where compiled kernels are kept: one folder per state of the sources.

numba's own cache looks only at the file a kernel is written in, so a kernel would go on using an old version of a
function it calls from another file. Here the folder's name is a hash of every source file of the packages that hold
kernels, so a changed source compiles anew and an edited command line does not. `STOPE_CACHE_DIR` moves it; numba's own
NUMBA_CACHE_DIR, where set, wins.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ["KERNEL_PACKAGES", "use_kernel_cache"]

KERNEL_PACKAGES = ("base", "world", "flight", "fleet/mission/kernels")
"""Folders whose sources are compiled into kernels; a test checks that numba is imported nowhere else."""


def use_kernel_cache() -> None:
    """Point numba at the folder of the present sources; call before any kernel is declared."""
    import numba  # noqa: PLC0415 -- loaded by whoever needs kernels, not by `import stope`

    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(p for package in KERNEL_PACKAGES for p in (root / package).rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    home = os.environ.get("STOPE_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    numba.config.CACHE_DIR = str(Path(home) / "stope" / "kernels" / digest.hexdigest()[:16])
