# SPDX-License-Identifier: Apache-2.0
"""A running training or mission in the browser, read from its own files, served on this machine alone."""

from stope.view.live.server import serve_live
from stope.view.live.state import run_state

__all__ = ["run_state", "serve_live"]
