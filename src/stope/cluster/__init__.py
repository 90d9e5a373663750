# SPDX-License-Identifier: Apache-2.0
"""Clusters: how many machines help a job, for how long, at what cost and energy, and which limit binds.

Nothing is loaded here: `system` and `job` read what there is, `planner` and `limit` answer, `validation` judges the
model against measured training times, `procurement` schedules machines that arrive in batches.
"""

from __future__ import annotations

__all__: list[str] = []
