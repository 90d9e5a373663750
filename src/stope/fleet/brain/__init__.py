# SPDX-License-Identifier: Apache-2.0
"""The brain: the policies of many skills for many robots, in one batch, in process or over a loopback service.

Nothing is loaded here. `answering.Brain` takes arrays and returns arrays; `service` serves it; `client` asks it over
the wire; `drive` is a fleet of simulated robots that asks all the time.
"""

from __future__ import annotations

__all__: list[str] = []
