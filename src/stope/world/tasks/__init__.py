# SPDX-License-Identifier: Apache-2.0
"""Tasks: one file each; `TASKS` lists those that can be trained, `CONTACT_TASKS` those with contact."""

from __future__ import annotations

from stope.base.registry import Registry
from stope.world.tasks.anchor import AnchorTask
from stope.world.tasks.capture import CaptureTask
from stope.world.tasks.contact_task import ContactTask
from stope.world.tasks.dig import DigTask
from stope.world.tasks.dock import DockConfig
from stope.world.tasks.haul import HaulConfig
from stope.world.tasks.hop import HopTask

__all__ = ["CONTACT_TASKS", "TASKS", "AnchorTask", "CaptureTask", "ContactTask", "DigTask", "DockConfig", "HaulConfig",
           "HopTask"]  # fmt: skip

TASKS: Registry[type[DockConfig]] = Registry("task", "stope world tasks")
TASKS.add("dock", DockConfig)

CONTACT_TASKS: Registry[type[ContactTask]] = Registry("task with contact", "stope world tasks")
CONTACT_TASKS.add("anchor", AnchorTask)
CONTACT_TASKS.add("capture", CaptureTask)
CONTACT_TASKS.add("dig", DigTask)
CONTACT_TASKS.add("hop", HopTask)
