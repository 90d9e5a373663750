# SPDX-License-Identifier: Apache-2.0
"""Tasks: one file each; `TASKS` lists them."""

from __future__ import annotations

from stope.base.registry import Registry
from stope.world.tasks.dock import DockConfig

__all__ = ["TASKS", "DockConfig"]

TASKS: Registry[type[DockConfig]] = Registry("task", "stope world tasks")
TASKS.add("dock", DockConfig)
