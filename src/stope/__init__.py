# SPDX-License-Identifier: Apache-2.0
"""stope: how robots learn to mine asteroids from few flights."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
