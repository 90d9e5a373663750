# SPDX-License-Identifier: Apache-2.0
"""What is out there: bodies, robots, physics, tasks, and N worlds stepping at once."""

from __future__ import annotations

from stope.base.device import let_waiting_threads_sleep
from stope.base.kernel_cache import use_kernel_cache

use_kernel_cache()
let_waiting_threads_sleep()

__all__: list[str] = []
