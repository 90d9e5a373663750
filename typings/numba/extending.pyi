# SPDX-License-Identifier: Apache-2.0
# See numba/__init__.pyi.
from typing import Any

def __getattr__(name: str) -> Any: ...
