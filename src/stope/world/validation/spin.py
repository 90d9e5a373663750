# SPDX-License-Identifier: Apache-2.0
"""Spin: a rigid body whose wheel takes up or gives away angular momentum.

Result: `rate_before_radps`, `rate_after_radps` (each x, y, z in principal axes, and `*_size_radps`), `period_before_s`,
`period_after_s` (of the size of the rate; 0 for none), `momentum_before_nms`, `momentum_after_nms` (sizes of the total)
and `momentum_drift` (their relative difference).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from stope.base.config import check_positive
from stope.base.errors import ConfigError
from stope.base.progress import Progress
from stope.world.validation.case import Kind

__all__ = ["SPIN", "SpinGiven"]

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class SpinGiven:
    """A body with a wheel; all vectors in its principal axes."""

    inertia_kgm2: Triple
    """Principal moments with the wheel at rest in the body [kg m2]."""
    rate_before_radps: Triple
    """[rad/s]"""
    wheel_before_nms: Triple
    """Momentum of the wheel against the body [N m s]."""
    wheel_after_nms: Triple = (0.0, 0.0, 0.0)
    """The same at the end [N m s]."""
    duration_s: float = 60.0
    """Time over which the wheel's momentum changes evenly [s]; chosen. Without effect where all lies on one axis."""

    def __post_init__(self) -> None:
        """Check that the body can be."""
        check_positive(self, "duration_s")
        a, b, c = sorted(self.inertia_kgm2)
        if not a > 0.0 or c > (a + b) * (1.0 + 1e-9):
            raise ConfigError(
                f"SpinGiven.inertia_kgm2 = {list(self.inertia_kgm2)}: expected three positive numbers, none "
                "of them more than the sum of the others."
            )


def _run(given: SpinGiven, progress: Progress) -> dict[str, Any]:
    del progress
    inertia, rate = np.array(given.inertia_kgm2), np.array(given.rate_before_radps)
    before, after = np.array(given.wheel_before_nms), np.array(given.wheel_after_nms)
    change = (after - before) / given.duration_s

    def euler(time: float, w: np.ndarray) -> np.ndarray:
        return (-change - np.cross(w, inertia * w + before + change * time)) / inertia

    flight = solve_ivp(euler, (0.0, given.duration_s), rate, method="DOP853", rtol=1e-12, atol=1e-15)
    end = flight.y[:, -1]
    total = [float(np.linalg.norm(x)) for x in (inertia * rate + before, inertia * end + after)]
    sizes = [float(np.linalg.norm(w)) for w in (rate, end)]
    return {
        "rate_before_radps": rate.tolist(), "rate_after_radps": end.tolist(), "rate_before_size_radps": sizes[0],
        "rate_after_size_radps": sizes[1], "period_before_s": 2.0 * math.pi / sizes[0] if sizes[0] else 0.0,
        "period_after_s": 2.0 * math.pi / sizes[1] if sizes[1] else 0.0, "momentum_before_nms": total[0],
        "momentum_after_nms": total[1], "momentum_drift": abs(total[1] - total[0]) / total[0] if total[0] else 0.0,
    }  # fmt: skip


SPIN = Kind(conditions=SpinGiven, run=_run, headline=("rate_after_size_radps", "period_after_s", "momentum_drift"))
