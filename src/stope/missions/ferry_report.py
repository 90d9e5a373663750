# SPDX-License-Identifier: Apache-2.0
"""What a ferry mission found, as the plain data of a report: figures with intervals, tables, plots, assumptions."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from stope import __version__
from stope.base.config import as_dict
from stope.base.intervals import mean_interval
from stope.base.seeding import generator
from stope.fleet.figures import MissionResult, Spread
from stope.fleet.legs import LegConfig
from stope.fleet.measure import bank_table, plan_legs
from stope.fleet.month import KPIS
from stope.fleet.scenario import FerryScenario, numeric_paths
from stope.fleet.skill_bank import SkillBank
from stope.flight.fit import known
from stope.flight.record import Flight
from stope.learn.policies import MlpPolicy
from stope.learn.store import git_commit
from stope.missions.ferry_config import FerryConfig
from stope.view.ground import body_picture, ground_map, sample_legs
from stope.world.belief import Belief
from stope.world.robots import Robot

__all__ = ["Facts", "ferry_report"]

CHANCE = "chance from month to month; how well the skills are known is in the skill bank's table"
SAMPLE_PAYLOAD = 2.5
"""Of the legs back that the map shows [kg]."""
VERSIONS = ("numpy", "scipy", "numba", "mujoco", "torch", "rsl-rl-lib")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Facts:
    """Everything the stages found."""

    config: FerryConfig
    scenario: FerryScenario
    flight: Flight
    robot: Robot
    policy: MlpPolicy
    curve: list[dict[str, float]]
    belief: Belief
    effect: dict[str, Any]
    banks: dict[str, SkillBank]
    """By what the robots are told: "prior" and "belief"."""
    months: dict[str, MissionResult]
    """As `banks`."""
    config_hash: str

    @property
    def month(self) -> MissionResult:
        """The month in which the robots are told what the flight left."""
        return self.months["belief"]


def ferry_report(facts: Facts) -> dict[str, Any]:
    """The report of a mission as plain data, in the layout of `stope.view.report`; the same for the same facts."""
    return {
        "title": facts.scenario.name,
        "answer": _answer(facts),
        "figures": _key_figures(facts),
        "sections": [_place(facts), _skill(facts), _flight(facts), _bank(facts), _month(facts), _worth(facts)],
        "assumptions": _assumptions(facts),
        "provenance": _provenance(facts),
    }


def _answer(facts: Facts) -> str:
    tonnes, scenario = facts.month.kpis["delivered_kg"], facts.scenario
    before, after = (facts.effect[k]["final_error_m"] for k in ("before", "after"))
    minutes = facts.flight.num_rows * facts.flight.control_period / 60.0
    stand_in = "stand-in " if facts.flight.stand_in else ""
    return (
        f"{scenario.robots} {facts.robot.name} robots bring {tonnes.mean / 1000:.1f} t of ore to the processor in "
        f"{scenario.days:g} days (95 % interval of the mean {tonnes.low / 1000:.1f} to {tonnes.high / 1000:.1f} t over "
        f"{tonnes.n} months); one {stand_in}flight log of {minutes:.0f} minutes took the "
        f"same policy's docking error from {1000 * before:.1f} to {1000 * after:.1f} mm."
    )


def _figure(name: str, value: float, unit: str, *, how: str, basis: str = "measured", **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "value": value, "unit": unit, "low": None, "high": None, "level": None,
                           "n": None, "kind": "count", "how": how, "basis": basis}  # fmt: skip
    return row | more


def _rate(name: str, rate: dict[str, Any], how: str) -> dict[str, Any]:
    return _figure(name, rate["success"], "1", how=how, low=rate["low"], high=rate["high"], level=0.95, n=rate["n"],
                   kind="rate")  # fmt: skip


def _spread(name: str, spread: Spread, unit: str, how: str, scale: float = 1.0, **more: Any) -> dict[str, Any]:
    return _figure(name, spread.mean * scale, unit, how=how, low=spread.low * scale, high=spread.high * scale,
                   level=0.95, n=spread.n, kind="mean", basis="simulated", **more)  # fmt: skip


def _how_month(facts: Facts) -> str:
    return (
        f"mean over {facts.month.replicates} simulated months, seed {facts.config.seed}; every flight and docking is a "
        f"whole outcome of the skill bank; the rest is the scenario's. The interval is {CHANCE}"
    )


def _key_figures(facts: Facts) -> list[dict[str, Any]]:
    kpis, how = facts.month.kpis, _how_month(facts)
    success = facts.policy.card["success"]["prior"]
    fresh = "fresh worlds after training; the policy is told a belief of random sharpness"
    return [
        _spread("ore delivered", kpis["delivered_kg"], "t", how, 1e-3),
        _rate("docking, over the whole prior", success, fresh),
        _effect_figure(facts),
        _spread("share of the upper bound", kpis["delivered_share_of_bound"], "1", how,
                what="of the least of the month's limits"),
        _spread("robots lost", kpis["robots_lost"], "1", how),
        _spread("propellant", kpis["propellant_kg"], "kg", how),
    ]  # fmt: skip


def _effect_figure(facts: Facts) -> dict[str, Any]:
    row = facts.effect["paired"]["difference_final_error_m"]
    return _figure(
        "docking error, after minus before the flight", 1000 * row["mean"], "mm", low=1000 * row["low"],
        high=1000 * row["high"], level=0.95, n=facts.effect["paired"]["n"], kind="mean",
        how="the same policy told the prior and told the belief, paired starts and noise; worlds drawn from the belief",
    )  # fmt: skip


def _section(title: str, text: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "text": text, "figures": [], "table": None, "plots": []} | more


def _place(facts: Facts) -> dict[str, Any]:
    place = facts.scenario.site
    site = place.site()
    about = site.describe()
    text = (
        f"{site.body.summary}. The processor stands at latitude {place.latitude_deg:g}, longitude "
        f"{place.longitude_deg:g} deg; effective gravity there is {about['gravity_mps2']:.3g} m/s2, the slope "
        f"{about['slope_deg']:.1f} deg. Docking places hover {place.height:g} m above the real ground."
    )
    marks = [{"name": "processor", "east": 0.0, "north": 0.0}]
    marks += [{"name": d.name, "east": d.east, "north": d.north} for d in facts.scenario.depots]
    reach = 1.35 * max(max(abs(m["east"]), abs(m["north"])) for m in marks)
    legs = sample_legs(plan_legs(facts.scenario, LegConfig()), facts.robot, facts.belief, seed=facts.config.seed,
                       payload=SAMPLE_PAYLOAD)  # fmt: skip
    plots = [
        {"kind": "body", "title": site.body.name, "caption": "The shape model, north up; the ring is the site.",
         "data": body_picture(site)},
        {"kind": "site-map", "title": "The site", "caption": "The real ground from above, height in the "
         "processor's level frame [m], and one flight of every leg.",
         "data": ground_map(site, half_width=reach) | {"marks": marks, "legs": legs}},
    ]  # fmt: skip
    return _section("The place", text, plots=plots)


def _skill(facts: Facts) -> dict[str, Any]:
    card = facts.policy.card
    text = (
        "PPO learns to fly to a pose and stop, from up to 5 m and any attitude, with unknown payload. The policy takes "
        "a belief about the physics as input. Success: within 5 cm, 5 deg, 2 cm/s and 1 deg/s, held for 5 s. A "
        "classical controller reaches this success too and docks sooner: see `stope evaluate dock`."
    )
    how = "fresh worlds after training, none of which chose the weights"
    rows = [_rate(f"docking, {name}", rate, how) for name, rate in sorted(card["success"].items())]
    plot = {
        "kind": "learning-curve", "title": "Learning to dock", "caption": f"Success on {card['num_evaluation']} fixed "
        "episodes over the whole prior, with 95 % intervals.",
        "data": {k: [row[k] for row in facts.curve] for k in ("steps", "success", "low", "high")},
    }  # fmt: skip
    return _section("A skill, learned", text, figures=rows, plots=[plot])


def _flight(facts: Facts) -> dict[str, Any]:
    flight, effect = facts.flight, facts.effect
    kind = "A stand-in flight: simulated by an independent engine, never flown." if flight.stand_in else "A flight."
    text = (
        f"{kind} {flight.num_rows} rows of commands and measurements become a belief about "
        f"{int(facts.robot.prior.is_free.sum())} parameters. Mass and thrust gain enter the motion only as a ratio, so "
        "only the ratio becomes sharp. No weight of the policy is changed; it is told the belief instead of the prior."
    )
    rows = known(facts.belief, facts.robot)
    table = {
        "columns": ["quantity", "unit", "before, 90 %", "after, 90 %"],
        "rows": [
            [k.name, k.unit, f"{k.prior_low:.4g} to {k.prior_high:.4g}", f"{k.low:.4g} to {k.high:.4g}"] for k in rows
        ],
    }  # fmt: skip
    plots = [
        {"kind": "belief", "title": "What the flight told", "caption": "90 % intervals before and after the flight.",
         "data": {"parameters": [as_dict(k) for k in rows]}},
        {"kind": "before-after", "title": "Docking before and after",
         "caption": f"Mean distance from the pose over the last 5 s of the same episodes; worlds {effect['worlds']}.",
         "data": {"before": effect["errors_m"]["before"], "after": effect["errors_m"]["after"], "unit": "m"}},
    ]  # fmt: skip
    how = f"{effect['before']['n']} episodes each, paired; worlds {effect['worlds']}; seed {facts.config.seed}"
    figures = [_rate(f"docking, {when} the flight", effect[when], how) for when in ("before", "after")]
    return _section("One flight", text, figures=[*figures, _effect_figure(facts)], table=table, plots=plots)


def _bank(facts: Facts) -> dict[str, Any]:
    bank = facts.banks["belief"]
    rows = bank_table(bank)
    text = (
        "Every activity was flown in the world at this site: docking by the policy, legs by a guidance law over the "
        "real ground, with the body's gravity and spin. The month draws whole outcomes from this table, never means. "
        "Worlds are draws from the belief, with the payload of the cell; no robot is told what it carries."
    )
    table = {
        "columns": ["activity", "payload, kg", "success", "95 % interval", "n", "time, s", "energy, kJ",
                    "propellant, g"],
        "rows": [
            [r["activity"], "empty" if r["cell"] == 0 else f"{r['payload_kg'][0]:g} to {r['payload_kg'][1]:g}",
             f"{100 * r['success']:.1f} %", f"{100 * r['low']:.1f} to {100 * r['high']:.1f} %", str(r["n"]),
             f"{r['duration_s']['median']:.0f}", f"{r['energy_j']['median'] / 1000:.1f}",
             f"{1000 * r['propellant_kg']['median']:.1f}"]
            for r in rows
        ],
    }  # fmt: skip
    plot = {"kind": "bank", "title": "The skill bank", "caption": "Median time and propellant by activity and payload.",
            "data": {"rows": rows}}  # fmt: skip
    return _section("What the robots can do", text, table=table, plots=[plot])


def _month(facts: Facts) -> dict[str, Any]:
    month, scenario = facts.month, facts.scenario
    how = _how_month(facts)
    light = "in the lit half of each turn only" if scenario.processor.charging_by_day_only else "day and night"
    text = (
        f"{scenario.robots} robots, {len(scenario.depots)} depots, one processor, {scenario.days:g} days, "
        f"{month.replicates} months with other chances. Ports, chargers, pumps and maintainers have queues; chargers "
        f"work {light}."
    )
    figures = [_spread(name.replace("_", " "), month.kpis[name], unit, how, what=what)
               for name, (unit, what) in KPIS.items()]  # fmt: skip
    table = {
        "columns": ["station", "places", "share of time in use", "mean wait, s", "longest queue"],
        "rows": [
            [name, *(_cell(row, key) for key in ("places", "utilisation", "mean_wait_s", "max_length"))]
            for name, row in month.stations.items()
        ],
    }
    plots = [
        {"kind": "daily", "title": "Ore delivered each day",
         "caption": f"Mean and 5 to 95 % of {month.replicates} months.",
         "data": month.delivered_kg_by_day | {"unit": "kg"}},
        {"kind": "states", "title": "What the robots do",
         "caption": "Mean number of robots in each state, by the hour.",
         "data": {"by_hour": month.robots_by_hour}},
    ]  # fmt: skip
    return _section("The month", text, figures=figures, table=table, plots=plots)


def _cell(row: dict[str, float], key: str) -> str:
    value = row.get(key)
    return "" if value is None else f"{value:.3g}"


def _worth(facts: Facts) -> dict[str, Any]:
    names = ("delivered_kg", "propellant_kg", "energy_kwh", "docks_attempted", "rescues")
    figures = []
    for name in names:
        after, before = ([m.kpis[name] for m in facts.months[told].months] for told in ("belief", "prior"))
        change = np.subtract(after, before)
        mean, low, high = mean_interval(change, rng=generator(facts.config.seed, "worth", name))
        figures.append(
            _figure(f"{name.replace('_', ' ')}, after minus before", mean, KPIS[name][0], low=low, high=high,
                    level=0.95, n=len(change), kind="mean", basis="simulated",
                    how="the same months, told the prior and told the belief, paired seeds")
        )  # fmt: skip
    text = (
        "The same month, run once with robots that are told the prior and once with robots that are told what the "
        "flight left, in the same worlds with the same chances. An interval that holds zero shows no difference."
    )
    return _section("What the flight was worth to the fleet", text, figures=figures)


def _assumptions(facts: Facts) -> list[dict[str, Any]]:
    units = numeric_paths()
    plain = as_dict(facts.scenario)
    rows = []
    for path, source in facts.scenario.sources.items():
        value: Any = plain
        for part in path.split("."):
            value = _step(value, part)
        key = "depots." + path.split(".", 2)[2] if path.startswith("depots.") else path
        rows.append({"name": path, "value": value, "unit": units.get(key, units.get(path, "")), "source": source})
    prior = facts.robot.prior
    rows.append({"name": f"{facts.robot.name}: uncertain parameters", "value": int(prior.is_free.sum()), "unit": "1",
                 "source": f"src/stope/world/robots/{facts.robot.name}.toml, each with its source"})  # fmt: skip
    return rows


def _step(value: Any, part: str) -> Any:
    if isinstance(value, list):
        return next(row for row in value if row["name"] == part)
    return value[part]


def _provenance(facts: Facts) -> dict[str, Any]:
    card = facts.policy.card
    return {
        "command": f"stope mine {facts.config.scenario} --seed {facts.config.seed}",
        "seed": facts.config.seed,
        "config_hash": facts.config_hash,
        "scenario_digest": facts.scenario.digest,
        "policy_digest": facts.policy.digest,
        "policy_steps": card["steps"],
        "flight": facts.flight.name,
        "flight_sha256": facts.flight.telemetry_sha256,
        "belief": {k: v for k, v in facts.belief.provenance.items() if isinstance(v, str | int | float)},
        "bank_digests": {told: bank.digest for told, bank in facts.banks.items()},
        "month_digests": {told: month.digest for told, month in facts.months.items()},
        "git_commit": git_commit(),
        "versions": {"stope": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
        | {name: version(name) for name in VERSIONS},
    }
