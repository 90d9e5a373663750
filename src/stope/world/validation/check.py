# SPDX-License-Identifier: Apache-2.0
"""One comparison of a simulated number with an exact one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """A number that has an exact value."""

    quantity: str
    """What it is."""
    unit: str
    """Of all three numbers."""
    exact: float
    """[unit]"""
    simulated: float
    """[unit]"""
    tolerance: float
    """Largest difference that passes [unit]."""

    @property
    def band(self) -> tuple[float, float]:
        """Lowest and highest value that passes."""
        return self.exact - self.tolerance, self.exact + self.tolerance

    @property
    def passed(self) -> bool:
        """Whether the simulated value lies in the band."""
        return bool(abs(self.simulated - self.exact) <= self.tolerance)
