# SPDX-License-Identifier: Apache-2.0
"""Doing nothing, and doing anything: the two floors every success rate is read against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["RandomPolicy", "ZeroPolicy"]


class ZeroPolicy:
    """Thrusters off."""

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Zero actions, (worlds, 6)."""
        return np.zeros((len(observation), 6), dtype=np.float32)


class RandomPolicy:
    """Uniform actions from the generator it is given."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Take a generator."""
        self.rng = rng

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Uniform actions in [-1, 1], (worlds, 6)."""
        return self.rng.uniform(-1.0, 1.0, (len(observation), 6)).astype(np.float32)
