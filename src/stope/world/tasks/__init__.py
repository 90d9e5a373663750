# SPDX-License-Identifier: Apache-2.0
"""Tasks: one file each; `CONTACT_TASKS` lists those with contact, which share one batch and one way of training."""

from __future__ import annotations

from stope.base.registry import Registry
from stope.world.tasks.anchor import AnchorTask
from stope.world.tasks.capture import CaptureTask
from stope.world.tasks.contact_task import ContactTask
from stope.world.tasks.dig import DigTask
from stope.world.tasks.dock import DockConfig
from stope.world.tasks.haul import HaulConfig
from stope.world.tasks.hop import HopTask

__all__ = ["CONTACT_TASKS", "AnchorTask", "CaptureTask", "ContactTask", "DigTask", "DockConfig", "HaulConfig",
           "HopTask"]  # fmt: skip

CONTACT_TASKS: Registry[type[ContactTask]] = Registry("task with contact", "stope world tasks",
                                                      group="stope.tasks")  # fmt: skip
CONTACT_TASKS.add("anchor", AnchorTask)
CONTACT_TASKS.add("capture", CaptureTask)
CONTACT_TASKS.add("dig", DigTask)
CONTACT_TASKS.add("hop", HopTask)
