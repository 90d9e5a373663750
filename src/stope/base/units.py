# SPDX-License-Identifier: Apache-2.0
"""Constants and the few units that data may arrive in; inside, everything is SI and radians."""

from __future__ import annotations

import math

__all__ = ["DAY", "DEG", "HOUR", "STANDARD_GRAVITY", "G"]

STANDARD_GRAVITY = 9.80665
"""[m/s2]; exact by definition (CGPM 1901)."""
G = 6.67430e-11
"""Constant of gravitation [m3/(kg s2)]; CODATA 2018."""
HOUR = 3600.0
"""[s]."""
DAY = 86400.0
"""[s]."""
DEG = math.pi / 180.0
"""[rad]."""
