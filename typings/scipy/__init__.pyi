# SPDX-License-Identifier: Apache-2.0
# SciPy comes without types.
from typing import Any

def __getattr__(name: str) -> Any: ...
