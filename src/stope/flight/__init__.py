# SPDX-License-Identifier: Apache-2.0
"""From flights to knowledge: reading a flight, and what it says about the physics."""

from __future__ import annotations

from stope.flight.record import Flight, FlightSite, check_flight, load_flight

__all__ = ["Flight", "FlightSite", "check_flight", "load_flight"]
