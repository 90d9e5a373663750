# SPDX-License-Identifier: Apache-2.0
"""The flight that comes with the package, so that a first run has one: a stand-in, not flown."""

from __future__ import annotations

from pathlib import Path

__all__ = ["sample_flight"]


def sample_flight() -> Path:
    """Folder of the stand-in flight of `bee-gas` at Ryugu that comes with the package."""
    return Path(__file__).parent / "ryugu-gas-0001"
