# SPDX-License-Identifier: Apache-2.0
"""Compiled code of a month: the columns of its state, and the kernels that change them, from queues to the engine."""

from __future__ import annotations

__all__: list[str] = []
