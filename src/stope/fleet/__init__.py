# SPDX-License-Identifier: Apache-2.0
"""Fleets: a mission of many robots for weeks, simulated event by event from measured outcomes of their skills.

Nothing is loaded here: `scenario` says what is to do, `measure` fills a `skill_bank`, `simulate` plays the months.
"""

from __future__ import annotations

__all__: list[str] = []
