# SPDX-License-Identifier: Apache-2.0
"""Cases with known answers: exact ones, flown ones, those of laboratories, and a user's own.

A case is one TOML file (`case.py` says what it holds); the module of each kind says what its conditions and results
are.
"""

from __future__ import annotations

from stope.world.validation.run import KINDS, run_all, run_file

__all__ = ["KINDS", "run_all", "run_file"]
