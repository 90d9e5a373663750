# SPDX-License-Identifier: Apache-2.0
"""The sixteen exact cases: known solutions, symmetries and scalings that no measurement is needed for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stope.base.progress import Progress, silent
from stope.world.validation import exact_ground, exact_orbits, exact_rotation
from stope.world.validation.check import Check

__all__ = ["EXACT_CASES", "run_exact"]

EXACT_CASES: tuple[tuple[str, str, Callable[[], list[Check]], str], ...] = (
    (
        "tumbling-body",
        "Torque-free body",
        exact_rotation.tumbling_body,
        "Euler's equations, Jacobi's elliptic functions",
    ),
    ("flywheel", "Wheel that spins down", exact_rotation.flywheel, "conservation of angular momentum"),
    ("collision", "Collision with friction", exact_ground.collision, "conservation; no restitution makes energy"),
    ("two-bodies", "Orbit about a point mass", exact_orbits.two_bodies, "Kepler"),
    ("cube", "Gravity of the unit cube", exact_ground.cube, "Werner and Scheeres 1997, closed form"),
    ("ellipsoid", "Gravity of an ellipsoid", exact_ground.ellipsoid, "Chandrasekhar 1969, Carlson's integrals"),
    ("spinning-frame", "The spinning frame", exact_orbits.spinning_frame, "change of frame; Jacobi's integral"),
    ("synchronous", "Synchronous radius", exact_orbits.synchronous, "(GM / w2)^(1/3)"),
    ("bounces", "Bouncing at a millionth of g", exact_orbits.bounces, "geometric series"),
    (
        "clohessy-wiltshire",
        "Relative motion of two orbits",
        exact_orbits.clohessy_wiltshire,
        "Clohessy and Wiltshire 1960",
    ),
    ("arm", "Arm on a free base", exact_rotation.arm, "generalised Jacobian of zero momentum"),
    ("hop", "Reaction hop", exact_orbits.hop, "v2 sin 2a / g, Coulomb's cone"),
    ("dissipation", "No law gives energy", exact_ground.dissipation, "second law"),
    (
        "scaling",
        "Scaling with gravity",
        exact_ground.scaling,
        "Altshuler et al. 2014, doi 10.1002/2014GL059229; dimensions",
    ),
    ("cutting", "Blade reference case", exact_ground.cutting, "McKyes 1985, evaluated by hand"),
    ("invariance", "Turned scene, far origin", exact_rotation.invariance, "invariance of the laws"),
)
"""Name, title, what runs it, and where the exact value is from; in the order of the list of section 7 of the notes."""


def run_exact(*, progress: Progress = silent) -> list[dict[str, Any]]:
    """Run all exact cases; the same shape as `stope.world.validation.run.run_all`."""
    done: list[dict[str, Any]] = []
    for k, (name, title, run, source) in enumerate(EXACT_CASES):
        checks = run()
        rows = [
            {
                "name": name,
                "kind": "exact",
                "quantity": c.quantity,
                "unit": c.unit,
                "measured": float(c.exact),
                "simulated": float(c.simulated),
                "band": [float(x) for x in c.band],
                "passed": c.passed,
                "source": source,
            }
            for c in checks
        ]
        done.append({"name": name, "kind": "exact", "title": title, "rows": rows,
                     "result": {c.quantity: float(c.simulated) for c in checks}})  # fmt: skip
        progress("exact cases", (k + 1) / len(EXACT_CASES))
    return done
