# SPDX-License-Identifier: Apache-2.0
"""Baselines: what a learned policy has to beat."""

from __future__ import annotations

from stope.learn.baselines.simple import RandomPolicy, ZeroPolicy
from stope.learn.baselines.velocity_pd import VelocityPd

__all__ = ["RandomPolicy", "VelocityPd", "ZeroPolicy"]
