# SPDX-License-Identifier: Apache-2.0
"""The command line: one file per command group; parse, call one function, print."""

from __future__ import annotations

__all__: list[str] = []
