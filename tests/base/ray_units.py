# SPDX-License-Identifier: Apache-2.0
"""Units of work for tests with Ray: small modules travel by name."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from stope.base.seeding import generator


def drawn(seed: int) -> np.ndarray:
    """Numbers of a seed."""
    return generator(seed, "unit").standard_normal(1000)


def waits_for_a_death(seed: int, mark: Path) -> np.ndarray:
    """Works long enough that the node which dies has units at hand."""
    time.sleep(0.1 if mark.exists() else 0.5)
    return drawn(seed)
