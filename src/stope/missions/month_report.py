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
        sections[2:2] = [_limits(found["limits"]), _worth(found["value"])]
    return {
        "title": scenario.name, "answer": _answer(scenario, found),
        "figures": [_figure(found, name) for name in ("ore_t", "water_l", "kwh_per_kg_water", "propellant_kg",
                                                   "robots_lost", "available_share")],
        "sections": sections,
        "assumptions": [{"name": p, "value": _at(scenario, p), "unit": "", "source": s}
                        for p, s in sorted(found["assumed"].items())],
        "provenance": provenance | {"months_digest": found["digest"], "kept_month_digest": found["kept_digest"]},
    }  # fmt: skip


def _number(value: float, digits: int = 4) -> str:
    """As people write it: thousands parted, no powers of ten."""
    return f"{value:,.0f}" if abs(value) >= 10.0 ** (digits - 1) else f"{value:.{digits}g}"


def _half(value: float) -> str:
    """A half width; one of 0 could not be told from the other part."""
    return _number(value, 2) if value > 0.0 else "not seen"


def _answer(scenario: MonthScenario, found: dict[str, Any]) -> str:
    ore, water = found["figures"]["ore_t"], found["figures"]["water_l"]
    low, high = (f"{_number(ore[q])}" for q in ("p05", "p95"))
    return (
        f"{scenario.fleet.total:,} robots process {_number(ore['mean'])} t of ore in {scenario.days:g} days (5 to 95 % "
        f"of {ore['n']} months: {low} to {high} t) and win {_number(water['mean'])} L of water "
        f"({_number(water['p05'])} to {_number(water['p95'])} L). {_limit(found)}"
        f"{100 * found['extrapolated']['share']:.0f} % of all draws are outside what was measured, "
        "and the figures stand on assumed numbers listed below."
    )


def _limit(found: dict[str, Any]) -> str:
    """A sentence on what limited, where that was looked for."""
    if "limits" not in found:
        return ""
    limits = found["limits"]
    name = limits["limited_by"]
    if not name:
        return "No thing by itself was seen to limit it. "
    gain = next(row["t"] for row in limits["resources"] if row["name"] == name)
    return f"What limited it most: {name}, of which a tenth more brings {_number(gain, 2)} t. "


def _figure(found: dict[str, Any], name: str) -> dict[str, Any]:
    row, (title, unit) = found["figures"][name], SHOWN[name]
    return {"name": title, "value": row["mean"], "unit": unit, "kind": "mean", "low": row["p05"], "high": row["p95"],
            "level": 0.9, "n": row["n"], "basis": "extrapolated",
            "how": f"mean and 5 to 95 % of {row['beliefs']} beliefs with {row['chances']} months each"}  # fmt: skip


def _spread(found: dict[str, Any]) -> dict[str, Any]:
    rows = [[title, unit, *(_number(r[q]) for q in ("mean", "p05", "p95")), _half(r["belief_half_width"]),
             _half(r["chance_half_width"])] for name, (title, unit) in SHOWN.items()
            for r in (found["figures"][name],)]  # fmt: skip
    bound = found["bound"]
    text = (
        "Belief is what we do not know of the skills: their records are few. Chance is what would differ from month to "
        "month if we knew. Half widths are of a 90 % band, of each alone; one that is not seen could not be told from "
        "the other.\n\n"
        f"No month could process more than {_number(bound['all'])} t (diggers alone {_number(bound['diggers'])} t, "
        f"their energy {_number(bound['energy'])} t, haulers {_number(bound['haulers'])} t, the plant "
        f"{_number(bound['plant'])} t)."
    )
    columns = ["figure", "unit", "mean", "5 %", "95 %", "belief +-", "chance +-"]
    return {"title": "The month", "text": text, "table": {"columns": columns, "rows": rows}}


def _losses(found: dict[str, Any]) -> dict[str, Any]:
    rows = [[r["phase"], r["waiting_for"], f"{100 * r['share']:.2f}"] for r in found["lost_time"]]
    text = "Of all robots but the plant's units. A robot that waits need not limit."
    return {"title": "Where time was lost", "text": text,
            "table": {"columns": ["state", "waiting for", "% of robot time"], "rows": rows}}  # fmt: skip


def _limits(limits: dict[str, Any]) -> dict[str, Any]:
    rows = [[r["name"], *(f"{r[q]:.3g}" for q in ("t", "low", "high"))] for r in limits["resources"]]
    text = (
        f"Ore that {100 * limits['more']:g} % more of each thing brings by itself, from {limits['resources'][0]['n']} "
        "paired months of one belief; 95 % intervals are of chance alone."
    )
    return {"title": "What limited the month", "text": text,
            "table": {"columns": ["more of", "t", "low", "high"], "rows": rows}}  # fmt: skip


def _worth(value: dict[str, Any]) -> dict[str, Any]:
    parts = [(skill, what.replace("_", " "), row) for skill, all_parts in value["skills"].items()
             for what, row in all_parts.items()]  # fmt: skip
    moved = sorted((p for p in parts if p[2]["t"] != 0.0), key=lambda p: -float(p[2]["t"]))
    still = ", ".join(f"{skill} {what}" for skill, what, row in parts if row["t"] == 0.0)
    rows = [[skill, what, f"{row['t']:.3g}", f"{row['low']:.3g}", f"{row['high']:.3g}"] for skill, what, row in moved]
    text = (
        f"Ore a month for one point of success, one per cent less time or energy, each from {value['months']} paired "
        f"months with {value['points']:g} points; for a sharp belief, from robots told it instead of the prior. "
        "95 % intervals are of chance alone. What is worth little may be so because something else limits the month."
        + (f"\n\nNothing changed by: {still}." if still else "")
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
