# SPDX-License-Identifier: Apache-2.0
# numba says it is typed, but its decorators and carray are not: what it makes of a function is Any here.
from typing import Any

def __getattr__(name: str) -> Any: ...
