# SPDX-License-Identifier: Apache-2.0
"""How long work tells how far it is: one call with the name of the stage and the share done. Only `cli` draws it."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[str, float], None]
"""Called with the name of a stage and the share of it that is done, 0 to 1."""


def silent(stage: str, share: float) -> None:
    """Show nothing."""
