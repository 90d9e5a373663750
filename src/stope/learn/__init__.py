# SPDX-License-Identifier: Apache-2.0
"""From worlds to policies: training, policy files, baselines, and how well each does.

Nothing is loaded here: torch comes with the module that needs it.
"""

from __future__ import annotations

__all__: list[str] = []
