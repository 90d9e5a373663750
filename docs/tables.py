# SPDX-License-Identifier: Apache-2.0
"""Tables of the reference, written from what the code holds when the documentation is built.

A page says `<!-- table: bodies -->` where it wants one. A name that is not known stops the build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from stope.base.units import HOUR
from stope.cluster.interconnect import wire_table
from stope.cluster.listing import trainable_systems
from stope.learn.envelope_limits import LIMITS
from stope.world.body import Body, body_names, load_body
from stope.world.gravities import GRAVITIES
from stope.world.physics import PARAMETERS
from stope.world.platforms import PLATFORMS
from stope.world.robots import Robot, load_robot, robot_names


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the tables of one page; the event of mkdocs."""
    return re.sub(r"<!-- table: (\S+) -->", lambda found: TABLES[found[1]](), markdown)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def number(value: float) -> str:
    """Four digits, or nothing for a number that a place does not have."""
    return f"{value:.4g}" if value else ""


def bodies() -> str:
    """The places that come with the package."""
    shipped = [load_body(name) for name in body_names()]
    rows = (
        [f"`{b.name}`", b.kind, "yes" if b.has_air else "no", number(b.mean_radius), spin_period(b),
         number(b.gm), number(b.gravity_level), b.summary]
        for b in shipped
    )  # fmt: skip
    return table(
        ["name", "kind", "air", "mean radius [m]", "spin [h]", "gm [m3/s2]", "gravity [m/s2]", "what"], rows
    ) + sources((b.name, b.sources) for b in shipped)


def spin_period(body: Body) -> str:
    """Spin period [h], or nothing for a place that does not spin."""
    return number(2.0 * np.pi / body.spin_rate / HOUR) if body.spin_rate else ""


def robots() -> str:
    """The robots that come with the package."""
    shipped = [load_robot(name) for name in robot_names()]
    return table(
        ["name", "needs air", "mass [kg]", "force [N]", "torque [N m]", "propellant [kg]", "what"],
        ([f"`{r.name}`", "yes" if r.needs_air else "no", number(r.mass), limits(r, 0), limits(r, 3),
          number(r.propellant_capacity), r.summary] for r in shipped),
    ) + sources((r.name, r.sources) for r in shipped)  # fmt: skip


def limits(robot: Robot, first: int) -> str:
    """Limits along x, y, z from an entry on."""
    return ", ".join(f"{value:.3g}" for value in robot.limit_b[first : first + 3])


def sources(all_sources: Iterable[tuple[str, Any]]) -> str:
    """Where each number comes from, one section a name."""
    parts = (
        f"\n\n## {name}\n\n" + table(["number", "source"], ([f"`{key}`", text] for key, text in given.items()))
        for name, given in all_sources
    )
    return "".join(parts)


def physics() -> str:
    """The uncertain quantities of a world."""
    return table(
        ["name", "unit", "law", "bounds", "what"],
        ([f"`{q.name}`", q.unit, q.transform, f"{q.low:g} to {q.high:g}", q.text] for q in PARAMETERS),
    )


def envelope() -> str:
    """How far each task may be flown before the safety envelope takes over."""
    heads = {"keep_in": "keep-in [m]", "speed": "speed [m/s]", "rate": "rate [deg/s]", "braking": "braking [m/s2]",
             "impulse": "impulse [N s]", "energy": "energy [J]", "load": "anchor load [1]",
             "stale": "stale [s]"}  # fmt: skip
    rows: list[list[object]] = []
    for name, row in LIMITS.items():
        values = {key: getattr(row, key) for key in heads}
        values["rate"] = float(np.degrees(values["rate"]))
        rows.append([f"`{name}`", *("" if np.isinf(v) else f"{v:.4g}" for v in values.values())])
    return table(["task", *heads.values()], rows)


def result(name: str) -> dict[str, Any]:
    """What a benchmark has left in docs/results."""
    return json.loads((Path(__file__).parent / "results" / f"{name}.json").read_text())


def share(cell: dict[str, Any], key: str = "success") -> str:
    """A rate in per cent with its interval."""
    return f"{100 * cell[key]:.1f} % ({100 * cell['low']:.1f} to {100 * cell['high']:.1f})"


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
        cells = {said[k]: cell for k, cell in found["conditions"].items()} | found["baselines"]
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


def gravities() -> str:
    """In what gravities a task with contact can be practised."""
    rows = ([f"`{g.name}`", g.summary, f"{g.level:g}", f"{g.felt:.3g}", f"{g.arms:g}"] for g in GRAVITIES.values())
    return table(["`body`", "what", "the soil feels [m/s2]", "the robot feels [m/s2]",
                  "digger's arms over its own"], rows)  # fmt: skip


def platforms() -> str:
    """Where a free flight can be practised."""
    rows = ([p.name, p.summary, "" if p.planar_share is None else f"{p.planar_share:g}",
             "the robot's own" if p.residual is None else ", ".join(f"{1000 * x:g}" for x in p.residual),
             f"{p.mass_factor:g}"] for p in PLATFORMS.values())  # fmt: skip
    return table(["name", "what", "share on a table", "residual x, y, z [mm/s2], one standard deviation",
                  "mass over the robot's"], rows)  # fmt: skip


def flights() -> str:
    """Policy, PD and adaptive control of the free flights."""
    rows: list[list[object]] = []
    for skill, found in result("flights")["skills"].items():
        for condition in ("ignorant", "prior"):
            cells = {"policy": found["conditions"]} | {
                k: found["baselines"][k] for k in ("pd", "pd-belief", "adaptive")
            }
            for who, cell in ((who, row[condition]) for who, row in cells.items()):
                rows.append([f"`{skill}`, {condition}", who, share(cell), share(cell["within_1cm_10s"]),
                             f"{cell['time_to_success_s']:.1f}", f"{1000 * cell['final_error_m']:.1f}",
                             f"{1000 * cell['propellant_kg']:.0f}"])  # fmt: skip
    return table(["condition", "flown by", "docked", "1 cm for 10 s", "time [s]", "error [mm]", "gas [g]"], rows)


def lelar() -> str:
    """Figures of benchmarks/lelar.py at each horizon."""
    data = json.loads((Path(__file__).parent / "results" / "lelar.json").read_text(encoding="utf-8"))
    head = ("horizon", "windows", "held at 50 % (band)", "held at 90 % (band)", "raw 50, 90 %", "score ratio",
            "gain [nats]", "plain rival: ratio", "gain [nats]")  # fmt: skip
    rows: list[list[str]] = []
    for horizon, s in sorted(data["horizons"].items(), key=lambda item: float(item[0])):
        plain = data["against_plain_regression"][horizon]
        held = [
            f"{100 * s[f'coverage_{k}']:.1f} ({100 * s[f'band_{k}'][0]:.1f} to {100 * s[f'band_{k}'][1]:.1f})"
            for k in (50, 90)
        ]
        ratio, gain = (
            [f"{x[k]:.2f} ({x['interval'][k][0]:.2f} to {x['interval'][k][1]:.2f})" for x in (s, plain)]
            for k in ("winkler_ratio", "log_score_gain")
        )
        raw = f"{100 * s['raw_coverage_50']:.1f}, {100 * s['raw_coverage_90']:.1f}"
        rows.append([f"{horizon} s", str(s["windows"]), *held, raw, ratio[0], gain[0], ratio[1], gain[1]])
    return table(head, rows)


def lelar_logs() -> str:
    """The same for each manoeuvre left out, at 10 s."""
    data = json.loads((Path(__file__).parent / "results" / "lelar.json").read_text(encoding="utf-8"))
    head = ("manoeuvre", "windows", "held at 50 %", "held at 90 %", "raw 50, 90 %", "score ratio", "gain [nats]")
    return table(head, [
        (name, s["windows"], f"{100 * s['coverage_50']:.1f}", f"{100 * s['coverage_90']:.1f}",
         f"{100 * s['raw_coverage_50']:.1f}, {100 * s['raw_coverage_90']:.1f}", f"{s['winkler_ratio']:.2f}",
         f"{s['log_score_gain']:.2f}") for name, s in data["logs"].items()
    ])  # fmt: skip


def fleet() -> str:
    """A month of a fleet by the engine, a plain heap loop and SimPy."""
    race = result("fleet")["race"]
    rows = [(name, f"{seconds:.3g}", f"{1e6 * seconds / race['events']:.3g}", f"{race['mined_t'][key]:.6g}")
            for name, key, seconds in (("engine", "engine", race["cpu_seconds"]),
                                       ("heap loop", "heap", race["heap_cpu_seconds"]),
                                       ("SimPy", "simpy", race["simpy_cpu_seconds"]))]  # fmt: skip
    head = f"{race['days']:g} days of {race['robots']:,} robots, {race['events']:,} events:\n\n"
    return head + table(("played by", "CPU [s]", "CPU of an event [us]", "ore dug [t]"), rows)


def fleet_growth() -> str:
    """The engine's time by size of the fleet."""
    found = result("fleet")["growth"]
    return table(("robots", "events", "CPU [s]"),
                 ((r["robots"], r["events"], f"{r['cpu_seconds']:.3g}") for r in found["rows"]))  # fmt: skip


def fleet_assignment() -> str:
    """Assignments of robots to tasks at one size, and many months."""
    found, many = result("fleet")["assignment"], result("fleet")["replicates"]
    rows = [["exact", f"{found['exact_cpu_seconds']:.3g}", "0"],
            ["layered", f"{found['layered_cpu_seconds']:.3g}", f"{100 * found['layered_gap']:.1f}"],
            ["nearest first", f"{found['nearest_cpu_seconds']:.3g}", f"{100 * found['nearest_gap']:.1f}"]]  # fmt: skip
    return (
        f"{found['robots']:,} robots assigned to as many tasks:\n\n"
        + table(["assignment", "CPU [s]", "longer than exact [%]"], rows)
        + f"\n\n{many['replicates']} months of {many['days']:g} days with {many['robots']:,} robots took "
        f"{many['seconds']:.0f} s on two threads, {many['cpu_seconds']:.0f} s of CPU."
    )


def brain() -> str:
    """Rows a second in process, and ten thousand robots over the wire."""
    found = result("brain")
    rows = (
        [f"{r['rows']:,}", f"{r['rows_per_s']:,.0f}", f"{r['act_rows_per_s']:,.0f}", f"{r['floor_rows_per_s']:,.0f}",
         r["floor"], f"{r['floor_ratio']:.2f}", "yes" if r["is_equal"] else "no"]
        for r in found["sizes"]
    )  # fmt: skip
    inside = table(["rows", "brain [rows/s]", "`act` [rows/s]", "floor [rows/s]", "which", "brain over floor",
                    "equal bits when cut otherwise"], rows)  # fmt: skip
    wire = (
        f"\n\nOver the wire, {found['robots']:,} robots at 1 Hz for {found['seconds']:.0f} s, at most "
        f"{found['rows_per_frame']} rows a frame, {found['connections']} connections, client and service on the same "
        f"{found['cores']} cores: {found['rows']:,} rows, {found['lost']:,} lost, half within "
        f"{found['p50_ms']:.1f} ms, 99 % within {found['p99_ms']:.0f} ms, {found['differing']} rows with other bits "
        f"than in process; the service took {found['service_peak_mb']:.0f} MB at most. Load of the machine: "
        f"{found['load_at_start']:.1f} at the start, {found['load_at_end']:.1f} at the end."
    )
    return inside + wire


def systems() -> str:
    """The machines that come with the package."""
    shipped = list(trainable_systems())
    rows = ([f"`{s.name}`", s.status, number(s.peak.value / 1e12), number(s.memory.value / 1e9), s.unit,
             ", ".join(f"{t.name} {t.bandwidth.value / 1e9:g}" for t in s.tiers), number(s.cores_per_node.value),
             number(s.node_devices.value), s.summary] for s in shipped)  # fmt: skip
    head = ["name", "status", "peak [TFLOP/s]", "memory [GB]", "first tier", "links [GB/s]", "cores a node",
            "devices a node", "what"]  # fmt: skip
    ranges = ((s.name, {k: f"{q.low:.4g} to {q.high:.4g} (SI): {q.source}" for k, q in s.numbers().items()})
              for s in shipped)  # fmt: skip
    return table(head, rows) + sources(ranges)


def cluster_fit() -> str:
    """What leaving rows out says of the step model and its baselines."""
    found = result("cluster-fit")
    rows: list[list[object]] = []
    for how in ("leave one out", "leave one size out", "leave one publication out"):
        for who in ("model", "constant", "amdahl"):
            s = found[how][who]
            rows.append([how, who, *(f"{100 * s[k]:.1f} %" for k in ("mape", "median_ape", "p90_ape",
                                                                     "interval_coverage"))])  # fmt: skip
    return table(["left out", "who", "MAPE", "median", "p90", "in the 80 % interval"], rows)


def cluster_limits(job: str) -> str:
    """Where each system stops for a job."""
    rows: list[list[object]] = []
    for row in result("cluster-limits")[job]:
        name = f"`{row['system']}`" + ("" if row["status"] == "sold" else f" ({row['status']})")
        if "why_not" in row:
            rows.append([name, row["why_not"], "", "", "", ""])
            continue
        stops, to = row["stops"], row["ideal_stops"]
        cells = [
            f"{s['count']} ({s['low']} to {s['high']})" for s in (stops[k] for k in ("efficiency", "time", "cost"))
        ]
        moved = ", ".join(f"{k} to {to[k]['count']}" for k in row["moved"]) or "irrelevant: moves none"
        rows.append([name, *cells, stops["time"]["binding"], f"{moved}; {row['faster']:.3f} times faster"])
    return table(["system", "efficiency under 50 %", "doubling under 1.25 times", "twice the least cost", "binds",
                  "a perfect fabric"], rows)  # fmt: skip


def wires() -> str:
    """Resistivity of thin films."""
    rows = ([number(r["thickness_nm"]), number(r["copper_surface"]), number(r["copper"]), number(r["nbp"] or 0.0),
             number(r["ratio"] or 0.0)] for r in wire_table()["rows"])  # fmt: skip
    return table(["thickness [nm]", "Cu, surfaces", "Cu, surfaces and grains", "NbP, published", "NbP over Cu"], rows)


def earth() -> str:
    """What data of each place are worth, in bits."""
    found = result("earth-data")
    rows: list[list[object]] = [
        [name, block, f"{alone:.1f}", f"{row['bits_if_nothing_differed'][block]:.1f}",
         f"{row['bits_added_to_a_flight'][block]:.2f}"]
        for name, row in found["places"].items() for block, alone in row["bits"].items()
    ]  # fmt: skip
    rows += [["flight", block, f"{bits:.1f}", "", ""] for block, bits in found["bits_of_a_flight"].items()]
    return table(["place", "block", "alone [bits]", "if right [bits]", "added [bits]"], rows)


def calibration() -> str:
    """Coverage and ranks over worlds where the model is right."""
    rows: list[list[object]] = []
    for tier in result("calibration")["tiers"]:
        worst = max(tier["ks"], key=lambda name, ks=tier["ks"]: ks[name])
        for level in ("50", "90"):
            cell = tier[f"coverage_{level}"]
            low, high = cell["band_if_calibrated"]
            rows.append([tier["tier"], tier["worlds"], f"{level} %", f"{100 * cell['share']:.1f} % of {cell['n']}",
                         f"{100 * low:.1f} to {100 * high:.1f} %", f"{tier['ks'][worst]:.3f} (`{worst}`)",
                         f"{tier['ks_band']:.3f}", f"{tier['fit_cpu_s']['median']:.1f}"])  # fmt: skip
    return table(["tier", "worlds", "interval", "held the truth", "if calibrated", "ranks, farthest from uniform",
                  "band", "CPU s a fit"], rows)  # fmt: skip


def campaign() -> str:
    """Docking in hidden worlds by arm, the gap that flights close, and the forecasts that held."""
    parts: list[str] = []
    shown = ("success", "time_s", "final_error_m", "impulse_ns")
    for found in result("campaign")["campaigns"]:
        rows: list[list[object]] = []
        for arm, row in found["arms"].items():
            gap = found["gap_closed"].get(arm, {}).get("final_error_m", {})
            closed = "" if not gap.get("is_there") else (
                f"{100 * gap['closed']:.0f} % ({100 * gap['low']:.0f} to {100 * gap['high']:.0f})")  # fmt: skip
            held = found["forecast"].get(arm.removeprefix("belief-").replace("default", "0"), {})
            told = ", ".join(f"{held[name]['covered'] * held[name]['n']:.0f}/{held[name]['n']}" for name in shown
                             if name in held)  # fmt: skip
            rows.append([arm, f"{share(row)} of {row['n']}", f"{row['time_s']:.1f}",
                         f"{1000 * row['final_error_m']:.1f}", closed, told])  # fmt: skip
        kind, config = "sealed" if found["config"]["sealed"] else "open", found["config"]
        head = ["arm", "docked", "time [s]", "final error [mm]", "of the gap in final error",
                "forecasts held: success, time, error, impulse"]  # fmt: skip
        parts.append(f"**{config['tier']}**, {kind} worlds {config['first']} to {config['last']}:\n\n"
                     f"```\n{found['command']}\n```\n\n" + table(head, rows))  # fmt: skip
    return "\n\n".join(parts)


def campaign_dig() -> str:
    """Digging on hidden soils by arm, the gap that flights close, the forecasts that held, and the beliefs."""
    parts: list[str] = []
    for found in result("campaign-dig")["campaigns"]:
        rows: list[list[object]] = []
        for arm, row in found["arms"].items():
            gaps = found["gap_closed"].get(arm, {})
            closed = [
                "" if not (gap := gaps.get(name, {})).get("is_there") else
                f"{100 * gap['closed']:.0f} % ({100 * gap['low']:.0f} to {100 * gap['high']:.0f})"
                for name in ("success", "time_s")
            ]  # fmt: skip
            held = found["forecast"].get(arm.removeprefix("belief-").replace("adapts", "0"), {})
            told = ", ".join(f"{held[name]['covered'] * held[name]['n']:.0f}/{held[name]['n']}" for name in held)
            rows.append([arm, f"{share(row)} of {row['n']}", f"{row['time_s']:.0f}", *closed, told])
        known = [f"after {n}: standard deviation {b['cohesion']['std']:.2f}, off by {b['cohesion']['rms_off']:.2f}; "
                 f"{b['widened']} of {b['of']} logs widened" for n, b in found["beliefs"].items()]  # fmt: skip
        kind, config = "sealed" if found["config"]["sealed"] else "open", found["config"]
        head = ["arm", "full", "time [s]", "of the gap in success", "in time", "forecasts held: success, time"]
        parts.append(f"**{config['tier']}**, {kind} worlds {config['first']} to {config['last']}:\n\n"
                     f"```\n{found['command']}\n```\n\n" + table(head, rows)
                     + f"\n\nCohesion, in units of the prior, {'; '.join(known)}.")  # fmt: skip
    return "\n\n".join(parts)


def scaling() -> str:
    """A job at several counts of workers, beside its forecast."""
    rows: list[list[object]] = []
    noise: list[str] = []
    for name in ("evaluate", "train", "ray"):
        found = result(f"scaling-{name}")
        who = f"{found['job']}, {found['by']}"
        noise.append(f"{who}: {100 * found['noise']['probe']:.0f} and {100 * found['noise']['job']:.0f} %")
        for r in found["rows"]:
            n = r["workers"]
            said = ["", ""] if n == 1 else [f"{r['cores_allow']:.2f}", f"{100 * r['forecast_error']:+.1f} %"]
            rows.append([who, n, found["repeats"], f"{r['seconds']:.3g}", f"{100 * r['spread']:.0f} %",
                         f"{r['throughput']:,.0f}", f"{r['speedup']:.2f}", *said])  # fmt: skip
    starts = {r: result(f"scaling-{r}")["start_s"] for r in ("evaluate", "ray")}
    scale = result("scaling-train")["noise_scale"]
    value, low, high = ("infinity" if scale[k] is None else f"{scale[k]:,.0f}" for k in ("value", "low", "high"))
    head = ["job", "workers", "repeats", "seconds", "spread", "a second", "times one", "cores allow", "forecast off by"]
    return table(head, rows) + (
        "\n\nMedians; spread is the interquartile range; `evaluate` counts episodes, `train` samples. The one that "
        "`train` is compared with was measured in the same minutes. The machine's noise, as spreads of the kernel "
        f"alone and of the job at one worker: {'; '.join(noise)}. A process starts in {starts['evaluate']:.1f} s and a "
        f"worker of Ray's in {starts['ray']:.1f} s, so that two equal cores do 1.8 times the work of one from jobs of "
        f"{9 * starts['evaluate']:.0f} and of {9 * starts['ray']:.0f} s on. Gradient noise scale after "
        f"ten iterations: {value} samples ({low} to {high}, 80 %).")  # fmt: skip


def view_costs() -> str:
    """What a replay costs in the browser; from benchmarks/view.py."""
    found = result("view")
    rows = (
        [f"{r['robots']:,}", r["view"], f"{r['pictures_per_second']:.1f}", f"{r['worst_gap_ms']:.0f}",
         f"{r['page_mb']:.2f}", f"{r['ready_ms'] / 1000:.1f}", f"{r['heap_mb']:.0f}", f"{r['process_mb']:.0f}"]
        for r in found["rows"]
    )  # fmt: skip
    head = ["robots", "view", "pictures a second", "99th percentile between two [ms]", "page [MB]", "ready after [s]",
            "script's heap [MB]", "process [MB]"]  # fmt: skip
    drawn = " and ".join(sorted({r["drawn_by"] for r in found["rows"]}))
    return table(head, rows) + (
        f"\n\nChromium {found['browser']}, {found['cores']} cores, a window of {found['window']} pixels, "
        f"{found['frames']} times of each robot; drawn by `{drawn}`."
    )


TABLES: dict[str, Callable[[], str]] = {
    "view": view_costs, "scaling": scaling,
    "fleet": fleet, "fleet-growth": fleet_growth, "fleet-assignment": fleet_assignment, "brain": brain,
    "lelar": lelar, "earth": earth, "calibration": calibration, "campaign": campaign, "campaign-dig": campaign_dig,
    "lelar-logs": lelar_logs,
    "bodies": bodies, "robots": robots, "physics": physics, "envelope": envelope, "flights": flights,
    "envelope-healthy": envelope_healthy, "envelope-faults": envelope_faults,
    "rivals": rivals, "rivals-asked": rivals_asked, "gap": gap,
    "gap-quick": gap_quick, "gap-model": gap_model, "gravities": gravities,
    "platforms": platforms, "skills": skills, "skills-paired": skills_paired,
    "systems": systems, "cluster-fit": cluster_fit, "wires": wires,
    "limit-dock": lambda: cluster_limits("stope-dock"), "limit-contact": lambda: cluster_limits("stope-contact"),
    "limit-ppo": lambda: cluster_limits("ppo-on-device"), "limit-405b": lambda: cluster_limits("dense-405b"),
}  # fmt: skip
