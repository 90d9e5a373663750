# SPDX-License-Identifier: Apache-2.0
"""Units of work for tests with Ray: small modules travel by name."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from stope.base.seeding import generator


def drawn(seed: int) -> np.ndarray:
    """Numbers of a seed."""
    return generator(seed, "unit").standard_normal(1000)


def waits_for_a_death(seed: int, mark: Path) -> np.ndarray:
    """Works long enough that the node which dies has units at hand."""
    time.sleep(0.1 if mark.exists() else 0.5)
    return drawn(seed)


class Picky(Exception):
    """Pickles, and cannot be made again: its message is not its argument."""

    def __init__(self, *, code: int) -> None:
        """Take a number by name only."""
        super().__init__(f"code {code},\nin two lines")


def raises_picky(seed: int) -> None:
    """Raises what does not travel."""
    raise Picky(code=seed)


def answers_with_a_lock(seed: int) -> Any:
    """Answers with what does not travel."""
    return seed, threading.Lock()
