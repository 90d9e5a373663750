# SPDX-License-Identifier: Apache-2.0
"""What a fleet's month found, as plain data of a report: bands of belief and chance, losses, worth, limits."""

from __future__ import annotations

from typing import Any

from stope.fleet.mission.scenario import MonthScenario

__all__ = ["month_report"]

SHOWN = {
    "ore_t": ("Ore processed", "t"), "water_l": ("Water won", "L"), "mined_t": ("Ore dug", "t"),
    "lost_t": ("Ore lost", "t"), "kwh_per_kg_water": ("Heat for water", "kWh/kg"),
    "kwh_per_t_ore": ("Robots' energy for ore", "kWh/t"), "propellant_kg": ("Propellant", "kg"),
    "water_per_kg_fleet_year": ("Water for fleet mass and year", "1/a"), "working_share": ("Robot time at work", "1"),
    "available_share": ("Robot time available", "1"), "plant_used_share": ("Plant capacity used", "1"),
    "failures_per_day": ("Failures a day", "1/d"), "robots_lost": ("Robots lost", "1"),
}  # fmt: skip


def month_report(scenario: MonthScenario, found: dict[str, Any], provenance: dict[str, Any]) -> dict[str, Any]:
    """The report in the layout of `stope.view.report`; the same for the same findings."""
    sections = [_spread(found), _losses(found), _skills(found), _outside(found)]
    if "value" in found:
        sections.insert(2, _worth(found["value"]))
    return {
        "title": scenario.name, "answer": _answer(scenario, found),
        "figures": [_figure(found, name) for name in ("ore_t", "water_l", "kwh_per_kg_water", "available_share")],
        "sections": sections,
        "assumptions": [{"name": p, "value": _at(scenario, p), "unit": "", "source": s}
                        for p, s in sorted(found["assumed"].items())],
        "provenance": provenance | {"months_digest": found["digest"], "kept_month_digest": found["kept_digest"]},
    }  # fmt: skip


def _answer(scenario: MonthScenario, found: dict[str, Any]) -> str:
    ore, water = found["figures"]["ore_t"], found["figures"]["water_l"]
    return (
        f"{scenario.fleet.total} robots process {ore['mean']:.4g} t of ore in {scenario.days:g} days (5 to 95 % of "
        f"{ore['n']} months: {ore['p05']:.4g} to {ore['p95']:.4g} t; belief alone +-{ore['belief_half_width']:.2g} t, "
        f"chance alone +-{ore['chance_half_width']:.2g} t) and win {water['mean']:.4g} L of water "
        f"({water['p05']:.4g} to {water['p95']:.4g} L). {found['limited_by'].capitalize()} limited it; "
        f"{100 * found['extrapolated']['share']:.0f} % of all draws are outside what was measured, "
        "and the figures stand on assumed numbers listed below."
    )


def _figure(found: dict[str, Any], name: str) -> dict[str, Any]:
    row, (title, unit) = found["figures"][name], SHOWN[name]
    return {"name": title, "value": row["mean"], "unit": unit, "kind": "mean", "low": row["p05"], "high": row["p95"],
            "level": 0.9, "n": row["n"], "basis": "extrapolated",
            "how": f"mean and 5 to 95 % of {row['beliefs']} beliefs with {row['chances']} months each"}  # fmt: skip


def _spread(found: dict[str, Any]) -> dict[str, Any]:
    rows = [[title, unit, f"{r['mean']:.4g}", f"{r['p05']:.4g}", f"{r['p95']:.4g}", f"{r['belief_half_width']:.2g}",
             f"{r['chance_half_width']:.2g}"] for name, (title, unit) in SHOWN.items()
            for r in (found["figures"][name],)]  # fmt: skip
    bound = found["bound"]
    text = (
        "Belief is what we do not know of the skills: their records are few. Chance is what would differ from month to "
        "month if we knew. Half widths are of a 90 % band, of each alone.\n\n"
        f"No month could process more than {bound['all']:.4g} t (diggers alone {bound['diggers']:.4g} t, their energy "
        f"{bound['energy']:.4g} t, haulers {bound['haulers']:.4g} t, the plant {bound['plant']:.4g} t)."
    )
    columns = ["figure", "unit", "mean", "5 %", "95 %", "belief +-", "chance +-"]
    return {"title": "The month", "text": text, "table": {"columns": columns, "rows": rows}}


def _losses(found: dict[str, Any]) -> dict[str, Any]:
    rows = [[r["phase"], r["waiting_for"], f"{100 * r['share']:.2f}"] for r in found["lost_time"]]
    return {"title": "Where time was lost", "text": f"What limited the month: {found['limited_by']}.",
            "table": {"columns": ["state", "waiting for", "% of robot time"], "rows": rows}}  # fmt: skip


def _worth(value: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for skill, parts in value["skills"].items():
        for what, row in parts.items():
            rows.append([skill, what.replace("_", " "), f"{row['t']:.3g}", f"{row['low']:.3g}", f"{row['high']:.3g}"])
    text = (
        f"Ore a month for one point of success, one per cent less time or energy, each from {value['months']} paired "
        f"months with {value['points']:g} points; for a sharp belief, from robots told it instead of the prior. "
        "95 % intervals are of chance alone."
    )
    return {"title": "What skills and flights are worth", "text": text,
            "table": {"columns": ["skill", "better", "t", "low", "high"], "rows": rows}}  # fmt: skip


def _skills(found: dict[str, Any]) -> dict[str, Any]:
    rows = [[r["skill"], r["told"], f"{100 * r['success']:.1f}", f"{100 * r['low']:.1f} to {100 * r['high']:.1f}",
             r["n"], f"{r['duration_median']:.3g}", f"{r['energy_median']:.3g}", f"{r['mass_median']:.3g}", r["pilot"]]
            for r in found["skills"]]  # fmt: skip
    text = "Whole measured outcomes, drawn whole. `script` marks a skill that is flown by its scripted baseline."
    columns = ["skill", "told", "success, %", "95 %", "n", "time, s", "energy, J", "ore, kg", "flown by"]
    return {"title": "The skills", "text": text, "table": {"columns": columns, "rows": rows}}


def _outside(found: dict[str, Any]) -> dict[str, Any]:
    rows = [[skill, r["draws"], f"{100 * r['share']:.1f}", r["why"] or "-"]
            for skill, r in found["extrapolated"]["skills"].items()]  # fmt: skip
    return {"title": "Outside what was measured", "text": "Draws whose context the bank does not cover.",
            "table": {"columns": ["skill", "draws", "% outside", "why"], "rows": rows}}  # fmt: skip


def _at(scenario: MonthScenario, path: str) -> Any:
    value: Any = scenario
    for part in path.split("."):
        value = getattr(value, part, None)
    return value if isinstance(value, int | float | str) else "see the file"
