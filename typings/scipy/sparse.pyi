# SPDX-License-Identifier: Apache-2.0
# See scipy/__init__.pyi.
from typing import Any

def __getattr__(name: str) -> Any: ...
