# SPDX-License-Identifier: Apache-2.0
"""Policies: one file per family."""

from __future__ import annotations

from stope.learn.policies.gru import GruPolicy
from stope.learn.policies.mlp import MlpPolicy, allocate, network_input

__all__ = ["GruPolicy", "MlpPolicy", "allocate", "network_input"]
