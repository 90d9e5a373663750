# SPDX-License-Identifier: Apache-2.0
"""Whole jobs across the floors, resumable: train what is missing, fly, measure, simulate, report."""

from __future__ import annotations

__all__: list[str] = []
