# SPDX-License-Identifier: Apache-2.0
"""Replay in the browser: an episode, a flight beside its prediction, or a month of a fleet, as one page."""

from stope.view.replay.model import Part, Replay, State
from stope.view.replay.page import write_replay

__all__ = ["Part", "Replay", "State", "write_replay"]
