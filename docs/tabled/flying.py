# SPDX-License-Identifier: Apache-2.0
"""Flights, beliefs and forecasts."""

from __future__ import annotations

from collections.abc import Callable

from tabled.markdown import result, share, table


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
    data = result("lelar")
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
    data = result("lelar")
    head = ("manoeuvre", "windows", "held at 50 %", "held at 90 %", "raw 50, 90 %", "score ratio", "gain [nats]")
    return table(head, [
        (name, s["windows"], f"{100 * s['coverage_50']:.1f}", f"{100 * s['coverage_90']:.1f}",
         f"{100 * s['raw_coverage_50']:.1f}, {100 * s['raw_coverage_90']:.1f}", f"{s['winkler_ratio']:.2f}",
         f"{s['log_score_gain']:.2f}") for name, s in data["logs"].items()
    ])  # fmt: skip


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
    for found in (*result("campaign-dig")["campaigns"], *result("campaign-dig-forecast")["campaigns"]):
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
            rows.append([arm, f"{share(row)} of {row['n']}", f"{row['time_s']:.0f}", *closed,
                         *([told] if found["forecast"] else [])])  # fmt: skip
        known = [f"after {n}: standard deviation {b['cohesion']['std']:.2f}, off by {b['cohesion']['rms_off']:.2f}; "
                 f"{b['widened']} of {b['of']} logs widened" for n, b in found["beliefs"].items()]  # fmt: skip
        kind, config = "sealed" if found["config"]["sealed"] else "open", found["config"]
        head = ["arm", "full", "time [s]", "of the gap in success", "in time",
                *(["forecasts held: success, time"] if found["forecast"] else [])]  # fmt: skip
        parts.append(f"**{config['tier']}**, {kind} worlds {config['first']} to {config['last']}:\n\n"
                     f"```\n{found['command']}\n```\n\n" + table(head, rows)
                     + f"\n\nCohesion, in units of the prior, {'; '.join(known)}.")  # fmt: skip
    return "\n\n".join(parts)


TABLES: dict[str, Callable[[], str]] = {
    "lelar": lelar,
    "earth": earth,
    "calibration": calibration,
    "campaign": campaign,
    "campaign-dig": campaign_dig,
    "lelar-logs": lelar_logs,
    "flights": flights,
}
