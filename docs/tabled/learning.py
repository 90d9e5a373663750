# SPDX-License-Identifier: Apache-2.0
"""How policies did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tabled.markdown import result, share, table


def envelope_healthy() -> str:
    """Success with and without the safety envelope."""
    rows: list[list[object]] = []
    for name, row in result("envelope").items():
        if name == "faults":
            continue
        found = row["guarded"]["envelope"]
        causes = ", ".join(f"{cause} {n}" for cause, n in found["interventions"].items() if n)
        rows.append([f"`{name}`, {row['by']}", row["n"], share(row["bare"]), share(row["guarded"]), row["only_bare"],
                     row["only_guarded"], share(found["worlds"]), f"{100 * found['steps']:.2f} %",
                     causes or "none"])  # fmt: skip
    return table(["flown by", "n", "bare", "with", "only bare", "only with", "worlds touched", "steps changed",
                  "times by cause"], rows)  # fmt: skip


def envelope_faults() -> str:
    """Who leaves with something broken."""
    rows = ([name, row["bare"]["n"], share(row["bare"], "left"), share(row["guarded"], "left")]
            for name, row in result("envelope")["faults"].items())  # fmt: skip
    return table(["broken", "n", "without", "with the envelope"], rows)


def skills() -> str:
    """Policies of the tasks with contact and their baselines."""
    said = {"ignorant": "policy, told only the prior", "prior": "policy, told a noisy belief",
            "sharp": "policy, told a sharp belief", "truth": "policy, told the truth"}  # fmt: skip
    rows: list[list[object]] = []
    for name, found in result("skills")["skills"].items():
        named = {"tutor": "program that taught it"}
        others = {named.get(who, who): cell for who, cell in found["baselines"].items()}
        cells = {said[k]: cell for k, cell in found["conditions"].items()} | others
        for who, cell in cells.items():
            time = cell["time_to_success_s"]
            rows.append([f"`{name}`", who, cell["n"], share(cell), "" if time is None else f"{time:.0f}"])
    return table(["task", "done by", "n", "success", "median time of a success [s]"], rows)


def skills_paired() -> str:
    """Policies against scripts, world by world."""
    rows: list[list[object]] = []
    for name, found in result("skills")["skills"].items():
        for told, pair in found["paired"].items():
            gap = pair["difference_duration"]
            time = "" if gap is None else f"{gap['mean']:+.1f} ({gap['low']:+.1f} to {gap['high']:+.1f})"
            rows.append([f"`{name}`, {told}", pair["n"], pair["only_policy"], pair["only_other"],
                         pair["better_success"].replace("other", "script"), time])  # fmt: skip
    return table(["task, told", "n", "only policy", "only script", "better in success at 95 %",
                  "time of policy minus script where both succeed [s]"], rows)  # fmt: skip


def seeds() -> str:
    """Trainings of a skill again, on other seeds."""
    rows: list[list[object]] = []
    for skill, trainings in result("seeds")["skills"].items():
        for one in trainings:
            rows.append([f"`{skill}`", one["seed"], f"{one['learning_s'] / 60:.1f}", one["threads"],
                         f"{one['steps']:,}", one["n"], share(one)])  # fmt: skip
    return table(["skill", "seed", "learning [min]", "threads", "steps", "n", "success, told the prior"], rows)


def rivals() -> str:
    """A policy and its rivals in the same worlds."""
    rows: list[list[object]] = []
    for skill, found in result("rivals")["skills"].items():
        for who, cell in found["flown"].items():
            name = who.replace("told the sharp", "told a sharp belief").replace("told", "policy, told")
            rows.append([f"`{skill}`", name, cell["n"], share(cell),
                         "" if cell["duration"] is None else f"{cell['duration']:.1f}",
                         "" if cell["cost"] is None else f"{cell['cost']:.3g}"])  # fmt: skip
    return table(["skill", "flown by", "n", "success", "time [s]", "cost"], rows)


def rivals_asked() -> str:
    """Differences between a policy and its rivals, world by world."""
    rows: list[list[object]] = []
    for skill, found in result("rivals")["skills"].items():
        asked = {k: v for k, v in found["questions"].items() if k != "sharp belief against"}
        asked |= {f"sharp belief against {k}": v for k, v in found["questions"]["sharp belief against"].items()}
        for question, parts in asked.items():
            rows.append([f"`{skill}`: {question}", _difference(parts["success"], 100.0),
                         _difference(parts["duration"], 1.0), _difference(parts["cost"], 1.0)])  # fmt: skip
    return table(["one against the other", "success [points]", "time [s]", "cost"], rows)


def _difference(found: dict[str, float] | None, scale: float) -> str:
    """A difference with its interval, and Holm's p-value where there is one."""
    if found is None:
        return ""
    text = " to ".join(f"{scale * found[k] + 0.0:+.2f}" for k in ("low", "high"))
    p = f"; p {found['p_holm']:.1g}" if "p_holm" in found else ""
    return f"{scale * found['estimate'] + 0.0:+.2f} ({text}{p})"


def gap() -> str:
    """Success and gap of each training at each test."""
    parts = []
    for one in result("gap")["skills"].values():
        rows: list[list[object]] = []
        for who, cells in one["cells"].items():
            rows.append([f"trained: {who}", *(_gap_cell(cells[there]) for there in one["tested"])])
        rows.append(["nothing", *(share(one["nothing"][there]) for there in one["tested"])])
        parts.append(table([f"`{one['skill']}`", *(f"tested: {there}" for there in one["tested"])], rows))
    return "\n\n".join(parts)


def _gap_cell(cell: dict[str, Any]) -> str:
    """Success of a cell, of each training, and the gap."""
    each = ", ".join(f"{100 * x:.1f}" for x in cell["by_seed"])
    found = cell["gap"]
    words = cell["why"] if found is None else f"gap {round(found['value'], 3) + 0.0:g}"
    return f"{100 * cell['success']:.1f} % ({each}); {words}"


def gap_quick() -> str:
    """What is shipped, the scripts and doing nothing away from home."""
    rows: list[list[object]] = []
    for name, one in result("gap-quick")["skills"].items():
        for there in one["tested"]:
            cells = {who: row[there] for who, row in one["cells"].items()}
            mine = cells.get("shipped")
            rows.append([f"`{name}`", there, one["episodes"], "none shipped" if mine is None else share(mine),
                         share(cells["script"]), share(one["nothing"][there]), "" if mine is None else _gap_of(mine),
                         one["paired"].get(there, {}).get("better", "")])  # fmt: skip
        rows.extend([f"`{name}`", there, "", why, "", "", "", ""] for there, why in one["left_out"].items())
    return table(["skill", "where", "n", "shipped policy", "script", "nothing", "gap to the script", "better"], rows)


def _gap_of(cell: dict[str, Any]) -> str:
    """A gap with its interval, or why there is none."""
    found = cell["gap"]
    if found is None:
        return cell["why"]
    value, low, high = (round(found[key], 2) + 0.0 for key in ("value", "low", "high"))
    return f"{value:g} ({low:g} to {high:g})"


def gap_model() -> str:
    """Open-loop error and gap of each model at each test."""
    parts = []
    for name, one in result("gap-model")["skills"].items():
        rows: list[list[object]] = []
        for who, cells in [*one["cells"].items(), ("constant velocity", one["constant"])]:
            label = who if who == "constant velocity" else f"fitted: {who}"
            rows.append([label, *(f"{1000 * cells[t]['error_m']:.0f} mm; gap {_gap_of(cells[t])}"
                                  for t in one["tested"])])  # fmt: skip
        parts.append(table([f"`{name}`", *(f"tested: {there}" for there in one["tested"])], rows))
    return "\n\n".join(parts)


TABLES: dict[str, Callable[[], str]] = {
    "envelope-healthy": envelope_healthy,
    "envelope-faults": envelope_faults,
    "seeds": seeds,
    "rivals": rivals,
    "rivals-asked": rivals_asked,
    "gap": gap,
    "gap-quick": gap_quick,
    "gap-model": gap_model,
    "skills": skills,
    "skills-paired": skills_paired,
}
