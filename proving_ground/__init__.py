# SPDX-License-Identifier: Apache-2.0
"""Stand-in flights from an engine that shares no code with stope.

A flight is the scarce thing, so this package makes stand-ins for it: a rigid body with gas thrusters near an asteroid,
integrated in an inertial frame by an adaptive scheme, with hidden truths, noise and drop-outs, written as a flight
file. `stope` reads such a file as it would read a real one. A second engine digs: a planar base on screw anchors with
two bucket drums, in a soil whose law is not the trainer's (`dig_kernel`). Neither package imports the other; a test
guards it.

The hidden truths are drawn from the prior that stope publishes for the robot, on purpose: how often an interval covers
the truth has a meaning only over the distribution that the interval was made for. The numbers are retyped in
`scenario.toml` and `dig_scenario.toml`.
"""

from __future__ import annotations

from proving_ground.flight import Flown, fly
from proving_ground.scenario import Scenario, Truth, draw_truth, load_scenario
from proving_ground.write import write_flight

__all__ = ["Flown", "Scenario", "Truth", "draw_truth", "fly", "load_scenario", "write_flight"]
