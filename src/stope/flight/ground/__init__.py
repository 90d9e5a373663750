# SPDX-License-Identifier: Apache-2.0
"""Flights of tasks with contact: what a pilot saw and did on unknown ground, and what that says of the ground."""

from __future__ import annotations

from stope.flight.ground.belief import GroundBelief
from stope.flight.ground.log import ContactFlight, load_contact_flight

__all__ = ["ContactFlight", "GroundBelief", "load_contact_flight"]
