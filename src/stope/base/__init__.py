# SPDX-License-Identifier: Apache-2.0
"""Floor 0: no word of the domain; imports nothing of stope above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stope.base import (
        config,
        counter_rng,
        device,
        errors,
        files,
        intervals,
        progress,
        registry,
        rotation,
        runs,
        seeding,
        units,
    )

__all__ = [
    "config",
    "counter_rng",
    "device",
    "errors",
    "files",
    "intervals",
    "progress",
    "registry",
    "rotation",
    "runs",
    "seeding",
    "units",
]
