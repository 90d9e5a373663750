# SPDX-License-Identifier: Apache-2.0
"""Policies: one file per family."""

from __future__ import annotations

from stope.learn.policies.mlp import MlpPolicy

__all__ = ["MlpPolicy"]
