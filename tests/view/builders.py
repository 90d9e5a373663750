# SPDX-License-Identifier: Apache-2.0
"""A report as a mission gives it, made up but of the real shape; every part can be changed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stope.base.intervals import clopper_pearson

STATES = ("idle", "fly-out", "queue-depot", "dock-depot", "load", "fly-back", "queue-port", "dock-processor", "unload",
          "queue-charger", "charge", "wait-for-light", "refuel", "repair", "lost")  # fmt: skip


def rate_figure(
    name: str = "docking, default physics", successes: int = 1996, n: int = 2000, **more: Any
) -> dict[str, Any]:
    """A success rate with its interval."""
    rate = clopper_pearson(successes, n)
    row = {"name": name, "value": rate.success, "unit": "1", "low": rate.low, "high": rate.high, "level": rate.level,
           "n": n, "kind": "rate", "how": f"stope evaluate dock --num {n}, seed 1", "basis": "measured"}  # fmt: skip
    return row | more


def mean_figure(name: str = "ore delivered", value: float = 26.84, **more: Any) -> dict[str, Any]:
    """A mean over 20 months."""
    row = {"name": name, "value": value, "unit": "t", "low": value - 0.09, "high": value + 0.08, "level": 0.95,
           "n": 20, "kind": "mean", "how": "mean over 20 simulated months, seed 1", "basis": "simulated"}  # fmt: skip
    return row | more


def count_figure(name: str = "robots", value: float = 20, **more: Any) -> dict[str, Any]:
    """A plain number."""
    how = "chosen in the scenario"
    return {"name": name, "value": value, "unit": "1", "kind": "count", "how": how, "basis": "assumed"} | more


def plot(kind: str, **changes: Any) -> dict[str, Any]:
    """A plot of any kind; changes go into its data."""
    makers = {
        "learning-curve": _learning_curve, "belief": _belief, "before-after": _before_after, "bank": _bank,
        "daily": _daily, "states": _states, "site-map": _site_map, "body": _body, "lines": _lines, "bars": _bars,
    }  # fmt: skip
    words = {"title": f"A plot of {kind}", "caption": f"What {kind} shows."}
    return {"kind": kind, "data": makers[kind]() | changes} | words


def report(**changes: Any) -> dict[str, Any]:
    """A whole report with every kind of plot."""
    place = {"title": "The place", "text": "Ryugu, a rubble pile of 0.9 km.\n\nThe processor stands on level ground.",
             "figures": [], "table": None, "plots": [plot("body"), plot("site-map")]}  # fmt: skip
    skill = {"title": "A skill, learned", "text": "PPO learns to dock; see `stope evaluate dock`.",
             "figures": [rate_figure(), rate_figure("docking, over the whole prior", 1981)], "table": None,
             "plots": [plot("learning-curve")]}  # fmt: skip
    flight = {"title": "One flight", "text": "A stand-in flight of five minutes.", "figures": [],
              "table": {"columns": ["quantity", "unit", "before, 90 %"], "rows": [["mass", "kg", "8.1 to 10.9"]]},
              "plots": [plot("belief"), plot("before-after")]}  # fmt: skip
    month = {"title": "The month", "text": "20 robots, 4 depots, one processor, 30 days.",
             "figures": [mean_figure(), mean_figure("delivered kg", 26840.0, unit="kg", low=26750.0, high=26920.0)],
             "plots": [plot("daily"), plot("states"), plot("bank"), plot("lines"), plot("bars")]}  # fmt: skip
    whole: dict[str, Any] = {
        "title": "ryugu-ferry",
        "answer": "20 bee-gas robots bring 26.8 t of ore to the processor in 30 days (95 % interval 26.8 to 26.9 t).",
        "figures": [mean_figure(), rate_figure("docking", 1996), count_figure()],
        "sections": [place, skill, flight, month],
        "assumptions": [
            {"name": "reliability.mtbf_h", "value": 200.0, "unit": "h", "source": "assumed"},
            {"name": "gm", "value": 30.0, "unit": "m3/s2", "source": "Watanabe 2019, doi 10.1126/science.aav8032"},
        ],
        "provenance": {"command": "stope mine ryugu-ferry --seed 1", "seed": 1, "versions": {"numpy": "2.4.6"}},
        "timing": {"seconds": {"train": 22.4, "fit flight": 21.0}, "threads": 2},
    }
    return whole | changes


def _learning_curve() -> dict[str, Any]:
    counts = [0, 0, 31, 402, 511, 512]
    rates = [clopper_pearson(k, 512) for k in counts]
    return {"steps": [204800 * (k + 1) for k in range(len(counts))], "success": [r.success for r in rates],
            "low": [r.low for r in rates], "high": [r.high for r in rates]}  # fmt: skip


def _belief() -> dict[str, Any]:
    names = (("mass", "kg", 9.5), ("com_x", "m", 0.0), ("gain_fx", "1", 1.0), ("lag", "s", 0.1),
             ("gain_fx / total mass", "1/kg", 0.09))  # fmt: skip
    rows = []
    for k, (name, unit, centre) in enumerate(names):
        half = 0.15 * abs(centre) + 0.01
        sharp = half * (0.9, 0.4, 0.5, 0.2, 0.05)[k]
        median = centre + 0.2 * half
        rows.append({"name": name, "unit": unit, "median": median, "low": median - sharp, "high": median + sharp,
                     "prior_low": centre - half, "prior_high": centre + half})  # fmt: skip
    return {"parameters": rows}


def _before_after() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {"before": rng.gamma(4.0, 0.003, 300).tolist(), "after": rng.gamma(4.0, 0.0015, 300).tolist(), "unit": "m"}


def _bank() -> dict[str, Any]:
    rows = []
    for activity, cells, time in (("dock-depot", (0,), 22.0), ("dock-processor", range(6), 24.0),
                                  ("leg-back-alder", range(1, 6), 260.0), ("leg-out-alder", (0,), 250.0)):  # fmt: skip
        for cell in cells:
            rate = clopper_pearson(200 - cell // 3, 200)
            median = time * (1.0 + 0.05 * cell)
            ranges = {key: {"median": scale * median, "p05": 0.8 * scale * median, "p95": 1.3 * scale * median}
                      for key, scale in (("duration_s", 1.0), ("energy_j", 20.0), ("propellant_kg", 1e-5),
                                         ("final_error_m", 1e-4))}  # fmt: skip
            rows.append({"activity": activity, "cell": cell, "payload_kg": [max(cell - 1.0, 0.0), float(cell)],
                         "success": rate.success, "n": 200, "low": rate.low, "high": rate.high} | ranges)  # fmt: skip
    return {"rows": rows}


def _daily() -> dict[str, Any]:
    mean = [880.0 + 30.0 * math.sin(day) for day in range(30)]
    return {"mean": mean, "p05": [x - 60.0 for x in mean], "p95": [x + 55.0 for x in mean], "unit": "kg"}


def _states() -> dict[str, Any]:
    hours = np.arange(720)
    lit = (hours % 7.63 < 3.8).astype(float)
    shares = {name: 1.0 + 0.3 * np.sin(hours / 9.0 + k) for k, name in enumerate(STATES)}
    shares["charge"] = 4.0 * lit + 0.2
    shares["wait-for-light"] = 4.2 - shares["charge"]
    total = sum(shares.values())
    return {"by_hour": {name: (20.0 * share / total).tolist() for name, share in shares.items()}}


def _site_map() -> dict[str, Any]:
    axis = np.linspace(-170.0, 170.0, 25)
    east, north = np.meshgrid(axis, axis)
    ground = np.round(-1e-3 * (east**2 + north**2) + 8.0 * np.sin(east / 40.0) * np.cos(north / 55.0), 2)
    places = {"processor": (0.0, 0.0), "alder": (40.0, 0.0), "birch": (0.0, 70.0), "cedar": (-80.0, 60.0)}
    marks = [{"name": name, "east": east, "north": north} for name, (east, north) in places.items()]
    legs = [{"name": "out", "east": [0.0, -40.0, -80.0], "north": [0.0, 33.0, 60.0], "up": [6.0, 30.0, 0.0]}]
    return {"half_width": 170.0, "radius": 448.0, "ground": ground.tolist(), "marks": marks, "legs": legs}


def _body() -> dict[str, Any]:
    square = [[-400.0, -300.0], [400.0, -320.0], [420.0, 300.0], [-410.0, 310.0]]
    return {"points": square, "faces": [[0, 1, 2], [0, 2, 3]], "shade": [0.9, 0.3], "site": [120.0, 80.0],
            "axis": {"north": [0.0, 420.0], "south": [0.0, -430.0]}, "graticule": [[[-400.0, 0.0], [400.0, 0.0]]],
            "latitude_deg": 10.0, "longitude_deg": 25.0}  # fmt: skip


def _lines() -> dict[str, Any]:
    x = [float(k) for k in range(10)]
    measured = {name: [k * v for v in x] for name, k in (("y", 2.0), ("low", 1.5), ("high", 2.5))}
    series = [{"name": "measured"} | measured, {"name": "bound", "y": [1.2 * v for v in x]}]
    return {"x": x, "x_label": "distance [m]", "y_label": "time [s]", "series": series}


def _bars() -> dict[str, Any]:
    return {"labels": ["production", "ports", "chargers"], "x_label": "canisters",
            "values": [14400.0, 21000.0, 12800.0],
            "low": [14000.0, 20500.0, 12800.0], "high": [14800.0, 21500.0, 12800.0]}  # fmt: skip
