# SPDX-License-Identifier: Apache-2.0
"""Months of whole fleets: a scenario, its state in arrays, the engine that plays it, and what comes of it.

Nothing is loaded here. `scenario` says what there is, `lay_out` puts it on the body, `engine` plays it, `month` sums
up.
"""

from __future__ import annotations

__all__: list[str] = []
