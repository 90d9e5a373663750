# SPDX-License-Identifier: Apache-2.0
"""Builders of the fleet's tests: scenarios and made-up skill banks, with every number in the open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from stope.base.seeding import generator
from stope.fleet.scenario import (
    Depot,
    FerryScenario,
    FerrySite,
    Processor,
    Reliability,
    Service,
    load_scenario,
    with_settings,
)
from stope.fleet.skill_bank import Outcomes, SkillBank

EDGES = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
LOADED = range(1, len(EDGES))
NEVER = 1e12
"""Hours between failures, for tests in which nothing breaks."""


def depot(name: str = "alder", **changes: Any) -> Depot:
    """A depot that fills a 2 kg canister every hour by clockwork, and loads it in a minute."""
    settings = {
        "east": 40.0, "north": 0.0, "canisters_per_day": 24.0, "interval_spread": 0.0, "canister_mass": 2.0,
        "canister_mass_spread": 0.0, "buffer": 1000, "docks": 1, "load_time": 60.0,
    }  # fmt: skip
    return Depot(name=name, **(settings | changes))


def scenario(*settings: str, depots: tuple[Depot, ...] | None = None) -> FerryScenario:
    """One robot, one depot, one day, one of each station, power at night too; nothing breaks. Then `settings`."""
    plain = FerryScenario(
        name="by-hand", summary="a test", robot="bee-gas", robots=1, days=1.0, replicates=2,
        site=FerrySite(body="ryugu", latitude_deg=30.0, longitude_deg=60.0, height=6.0),
        processor=Processor(ports=1, unload_time=60.0, hopper=1000, lines=1, line_kgph=1000.0, chargers=1,
                            charger_power=100.0, charging_by_day_only=False, pumps=1, pump_kgph=1.0),
        service=Service(battery_wh=1000.0, charge_below=0.1, energy_reserve=0.05, refuel_below=0.1,
                        propellant_reserve=0.05, standby_power=5.0, dock_attempts=3),
        reliability=Reliability(mtbf_h=NEVER, mttr_h=1.0, lost_share=0.0, maintainers=1),
        depots=depots or (depot(),),
    )  # fmt: skip
    return with_settings(plain, list(settings)) if settings else plain


def shipped(*settings: str) -> FerryScenario:
    """The shipped mission, shorter."""
    return with_settings(load_scenario("ryugu-ferry"), ["days=3.0", "replicates=2", *settings])


def outcomes(num: int = 1, *, success: float = 1.0, duration: float = 300.0, energy: float = 7000.0,
             propellant: float = 0.01, spread: float = 0.0, seed: int = 0) -> Outcomes:  # fmt: skip
    """Outcomes that succeed with a probability; time, energy and propellant rise and fall together by `spread`."""
    rng = generator(seed, "made-up outcomes", num)
    factor = np.exp(spread * rng.standard_normal(num))
    return Outcomes(
        is_success=rng.random(num) < success, duration=duration * factor, energy=energy * factor,
        propellant=propellant * factor, final_error=np.zeros(num), payload=np.zeros(num),
    )  # fmt: skip


def bank(depots: tuple[Depot, ...] = (depot(),), *, num: int = 1, legs: dict[str, Any] | None = None,
         docks: dict[str, Any] | None = None) -> SkillBank:  # fmt: skip
    """A made-up bank: legs at 0.25 m/s of 300 s at least, dockings of 60 s; `legs` and `docks` go to `outcomes`."""
    cells: dict[tuple[str, int], Outcomes] = {}
    for d in depots:
        leg = {"duration": max(300.0, d.distance / 0.25), "energy": 20.0 * max(300.0, d.distance / 0.25)} | (legs or {})
        cells[f"leg-out-{d.name}", 0] = outcomes(num, seed=1, **leg)
        for cell in LOADED:
            cells[f"leg-back-{d.name}", cell] = outcomes(num, seed=1 + cell, **leg)
    dock = {"duration": 60.0, "energy": 1500.0, "propellant": 0.002} | (docks or {})
    cells["dock-depot", 0] = outcomes(num, seed=20, **dock)
    for cell in (0, *LOADED):
        cells["dock-processor", cell] = outcomes(num, seed=30 + cell, **dock)
    return SkillBank(EDGES, cells, {"made": "up"})


def noisy_bank(scenario_: FerryScenario, *, success: float = 0.97) -> SkillBank:
    """A made-up bank of 200 outcomes a cell, with failures."""
    return bank(scenario_.depots, num=200, legs={"success": 0.999, "spread": 0.05},
                docks={"success": success, "spread": 0.3})  # fmt: skip


def without(scenario_: FerryScenario, place: str) -> FerryScenario:
    """A scenario with one of a station, or one robot or depot, less."""
    if place == "robots":
        return replace(scenario_, robots=scenario_.robots - 1)
    if place == "depots":
        return replace(scenario_, depots=scenario_.depots[1:])
    section = "reliability" if place == "maintainers" else "processor"
    part = getattr(scenario_, section)
    return replace(scenario_, **{section: replace(part, **{place: getattr(part, place) - 1})})
