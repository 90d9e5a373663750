# SPDX-License-Identifier: Apache-2.0
# The bindings are compiled and come without types.
from typing import Any

def __getattr__(name: str) -> Any: ...
