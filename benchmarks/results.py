# SPDX-License-Identifier: Apache-2.0
"""Figures and pictures of README and docs, made anew: `make results`.

Runs each measurement whose JSON is not in `docs/results/` (all of them with `--again`), then writes the page
`docs/results/index.md`, the table between the markers of README.md and README.zh-TW.md, the picture and the film. A
figure in a README is therefore one that a command printed, and a test compares the two.

    python benchmarks/results.py            # measure what is missing, write the pages
    python benchmarks/results.py --again    # measure everything, hours on 2 cores
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from results_words import translated

from stope.base.files import write_atomic, write_json
from stope.base.intervals import clopper_pearson
from stope.view.picture import readme_picture

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "results"
STOPE = str(Path(sys.executable).with_name("stope"))
FREE, IN_CONTACT = ("dock", "haul"), ("anchor", "capture", "dig", "hop")
CELLS = ("ignorant", "truth", "script")
"""Of a task with contact: told only the prior, told the truth, and its script."""
MORE_CELLS = {"anchor": ("sharp", "tutor"), "dig": ("sharp",)}
"""A sharp belief and the program that taught the policy, where they are measured too."""
DIG_SEAL = "6fb0e88096a8b2d0101bdbc65f730c0ebd3092c2"
"""Commit at which what digs in the sealed worlds was frozen."""
DIG_CAMPAIGN = [
    STOPE, "flight", "campaign", "--skill", "dig", "--worlds", "0-99", "--sealed", DIG_SEAL, "--flights", "0,1,3",
    "--episodes", "5", "--grounds", "0", "--flyer", f"{sys.executable} -m proving_ground",
]  # fmt: skip
COMMANDS = {
    "month": [[STOPE, "mine", "--json"]],
    "mission": [[STOPE, "mine", "ryugu-ferry", "--json"]],
    "flights": [[STOPE, "evaluate", skill, "--json"] for skill in FREE],
    "skills": [[STOPE, "evaluate", skill,
                *(w for cell in (*CELLS, *MORE_CELLS.get(skill, ())) for w in ("--only", cell)), "--json"]
               for skill in IN_CONTACT],
    "campaign-dig": [[*DIG_CAMPAIGN, "--tier", tier, "--json"] for tier in ("T2", "T3")],
    "flight": [[sys.executable, "benchmarks/flight.py", "--json"]],
    "world": [[sys.executable, "benchmarks/world.py", "--json"]],
    "train": [[sys.executable, "benchmarks/train.py", "--limit", "90", "--json"]],
    "validation": [[STOPE, "world", "validate", "--json"]],
}  # fmt: skip
"""What is measured, in this order; each command prints one JSON object, and those of one name are of several skills."""
SHOWN = {
    "month": "stope mine",
    "mission": "stope mine ryugu-ferry",
    "campaign-dig": "stope flight campaign --skill dig",
    "flight": "python benchmarks/flight.py",
    "world": "python benchmarks/world.py",
    "train": "python benchmarks/train.py --limit 90",
    "validation": "stope world validate",
} | {skill: f"stope evaluate {skill}" for skill in FREE + IN_CONTACT}
IN_SOIL = ("anchor", "dig", "hop")
"""Tasks whose figures hang on the soil."""
FILM = [STOPE, "view", "anchor", "--n", "9", "--seconds", "6"]
"""The moving picture of the READMEs; Chromium draws it."""
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def percent(rate: Mapping[str, Any]) -> str:
    """A rate with its interval and n."""
    return f"{100 * rate['success']:.1f} % ({100 * rate['low']:.1f} to {100 * rate['high']:.1f}, n = {rate['n']})"


def rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What a newcomer reads first: what, how much, by which command."""
    kernel = ("fused kernel over MuJoCo path", f"{found['world']['fused_vs_mujoco']:.0f} x", "world")
    return [*skill_rows(found), *month_rows(found), *dig_rows(found), *flight_rows(found), *validation_rows(found),
            kernel, *train_rows(found)]  # fmt: skip


def skill_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Policies and their rivals over the whole prior, told nothing but the prior."""
    out: list[tuple[str, str, str]] = []
    for skill in FREE:
        one = found["flights"]["skills"][skill]
        for who, cell in (("policy", one["conditions"]["ignorant"]), ("PD", one["baselines"]["pd"]["ignorant"]),
                          ("adaptive control", one["baselines"]["adaptive"]["ignorant"])):  # fmt: skip
            shown = f"{percent(cell)}; {cell['time_to_success_s']:.0f} s; {1000 * cell['final_error_m']:.1f} mm"
            out.append((f"{skill}: {who}; time to success; final error", shown, skill))
    for skill, one in found["skills"]["skills"].items():
        soil = " (soil at micro-g is extrapolation)" if skill in IN_SOIL else ""
        for who, cell in (("policy", one["conditions"]["ignorant"]), ("script", one["baselines"].get("script"))):
            # An anchor is judged when its time is up, so its time tells nothing.
            timed = cell and skill != "anchor"
            if cell:
                shown = f"{percent(cell)}; {cell['time_to_success_s']:,.0f} s" if timed else percent(cell)
                out.append((f"{skill}{soil}: {who}" + ("; time to success" if timed else ""), shown, skill))
    return out


def dig_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What one flight is worth to digging in soil of another law, to the policy and to the program that taught it."""
    out: list[tuple[str, str, str]] = []
    for one in found["campaign-dig"]["campaigns"]:
        shown: list[str] = []
        for arm in ("default", "adapts", "belief-1", "tutor", "tutor-1"):
            row = one["arms"][arm]
            full = [share > 0.5 for share in row["by_world"]["success"]]
            shown.append(f"{percent(asdict(clopper_pearson(sum(full), len(full))))}, {row['time_s']:.0f} s")
        what = (f"dig in sealed stand-in soils of another law, tier {one['config']['tier']} (soil at micro-g is "
                f"extrapolation), worlds filled in most of {one['config']['episodes']} episodes, and mean time of all: "
                "policy told default physics; told the prior; told what a 2-minute flight says; the program that "
                "taught it, told the prior; told the same")  # fmt: skip
        out.append((what, "; ".join(shown), "campaign-dig"))
    return out


def flight_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What stand-in flights teach."""
    flight = found["flight"]
    cover, docking, fit = flight["coverage"], flight["docking"], flight["fit_s"]
    own = cover["band_if_calibrated"]
    before, after = (1000 * sum(docking[k]) / len(docking[k]) for k in ("before_m", "after_m"))
    return [
        (f"{flight['logs']} stand-in flights: 90 % intervals that hold the truth",
         f"{100 * cover['share']:.1f} % of {cover['n']} (exactly calibrated beliefs: {100 * own[0]:.1f} to "
         f"{100 * own[1]:.1f})", "flight"),
        ("docking error of the policy in the true world, before and after one flight",
         f"{before:.1f} to {after:.1f} mm; no worse in {docking['num_no_worse']} of {docking['num_logs']}", "flight"),
        ("one fit of a 5-minute log", f"{fit['median']:.0f} s, longest {fit['max']:.0f} s", "flight"),
    ]  # fmt: skip


def month_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Ore and water of a fleet's month, what limits it, and ore of the ferry."""
    month, mission = ({f["name"]: f for f in found[k]["figures"]} for k in ("month", "mission"))
    out: list[tuple[str, str, str]] = []
    for name, what in (("Ore processed", "ore processed"), ("Water won", "water won")):
        f = month[name]
        out.append((f"{what} in 30 days, 1,000 robots at Ryugu, on assumed plant and service times",
                    f"{f['value']:,.0f} {f['unit']} (chance and belief about skills, 5 to 95 % of {f['n']} "
                    f"months: {f['low']:,.0f} to {f['high']:,.0f})", "month"))  # fmt: skip
    ore = mission["ore delivered"]
    out.append(("ore in 30 days, ferry of 20 robots at Ryugu",
                f"{ore['value']:.1f} t (mean of {ore['n']} months, {ore['low']:.1f} to {ore['high']:.1f})",
                "mission"))  # fmt: skip
    return out


def validation_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Cases in their bands, by kind."""
    cases = [row for row in found["validation"]["cases"] if not row.get("must_fail")]
    passed = sum(bool(row["passed"]) for row in cases)
    exact, bodies = (sum(row["kind"] == kind for row in cases) for kind in ("exact", "body"))
    what = ("values of cases in their bands (a control without soil misses its own, as it must); exact solutions; "
            "sizes and gravity of bodies; events and laws")  # fmt: skip
    return [(what, f"{passed} of {len(cases)}; {exact}; {bodies}; {len(cases) - exact - bodies}", "validation")]


def cost_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What the world costs, beside its floors."""
    out: list[tuple[str, str, str]] = []
    for name, scene in found["world"]["scenes"].items():
        if "ratio_over_stages" in scene:
            what = "rate over a compiled loop of mj_step; over a bare loop of its stages; with over without our forces"
            shown = f"{scene['ratio']:.2f}; {scene['ratio_over_stages']:.2f}; {scene['force_ratio']:.2f}"
            out.append((f"MuJoCo path, {name}: {what}", shown, "world"))
        if "num_elements" in scene:
            what = "rate over the scene without soil; time per surface element and step; rate over a height field"
            shown = f"{scene['ratio']:.2f}; {scene['ns_per_element']:.0f} ns; {scene['over_hfield']:.2f}"
            out.append((f"{name}: {what}", shown, "world"))
    coast = found["world"]["coast"]
    out.append(("an hour between contacts, event-driven over 2 ms steps: bouncing at 1e-6 g; an arc over Ryugu's shape",
                f"{coast['flat']['speedup']:,.0f} x; {coast['shape']['speedup']:,.0f} x", "world"))  # fmt: skip
    return out


def train_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Seconds of learning to the goal, ours and SB3's."""
    train = found["train"]
    limit = train["limit_s"]

    def shown(name: str) -> str:
        return ", ".join(f"over {limit:.0f}" if t is None else f"{t:.1f}" for t in train["success_95_s"][name])

    bound = "at least " if train["speedup_is_lower_bound"] else ""
    times = f"{bound}{train['speedup_median']:.1f}; on the same batch {train['speedup_on_stope_batch_median']:.1f}"
    what = (
        "seconds of learning until docking succeeds in 95 %, 3 seeds: stope; stable-baselines3 on Gymnasium worlds; "
        "stable-baselines3 on stope's batch; times faster"
    )
    return [
        (what, f"{shown('stope')}; {shown('sb3')}; {shown('sb3_on_stope_batch')}; {times} (median)", "train"),
    ]


def table(found: list[tuple[str, str, str]]) -> str:
    """Rows as Markdown."""
    lines = ["| what | found | command |", "|---|---|---|"]
    lines += [f"| {what} | {value} | `{SHOWN[key]}` |" for what, value, key in found]
    return "\n".join(lines)


def gravity_table(found: Mapping[str, Any]) -> str:
    """Docking by gravity as Markdown, policy and rivals side by side."""
    by_gravity = found["flights"]["skills"]["dock"]["gravities"]
    lines = ["| gravity | policy | PD | adaptive control |", "|---|---|---|---|"]
    for name, row in sorted(by_gravity.items(), key=lambda item: item[1]["gravity_mps2"]):
        cells = (row, row["baselines"]["pd"], row["baselines"]["adaptive"])
        lines.append(f"| {name} | " + " | ".join(percent(cell) for cell in cells) + " |")
    return "\n".join(lines)


def page(found: Mapping[str, Any]) -> str:
    """docs/results/index.md."""
    machine = json.dumps(found["world"]["machine"], sort_keys=True)
    return "\n".join(
        [
            "# Results",
            "",
            "Written by `make results` from the JSON beside this page; nothing is typed by hand. Stand-in flights are",
            "simulated by an independent engine. Success rates carry n and Clopper-Pearson 95 % intervals.",
            "",
            "Skills: shipped policies over the whole prior, told nothing but the prior; medians of what succeeded.",
            "",
            table(rows(found)),
            "",
            "## What the world costs",
            "",
            table(cost_rows(found)),
            "",
            "## Docking by gravity",
            "",
            "The same policy at places of uniform gravity without air; it is told nothing of gravity. At 0.003 g most",
            "robots could hold the weight, and adaptive control docks; from 0.01 g on the thrusters cannot.",
            "",
            gravity_table(found),
            "",
            "## Machine",
            "",
            f"`{machine}`",
            "",
        ]
    )


def readmes(found: Mapping[str, Any]) -> dict[Path, str]:
    """The table of each README, by file: one source, two languages."""
    english = table(rows(found))
    return {ROOT / "README.md": english, ROOT / "README.zh-TW.md": translated(english)}


def written_readme(text: str, shown: str) -> str:
    """README with the table put between its markers."""
    return re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{shown}\n{END}", text, flags=re.DOTALL)


def load() -> dict[str, Any]:
    """What was measured, by name."""
    return {name: json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8")) for name in COMMANDS}


def measure(name: str) -> None:
    """Run one command and keep its JSON; of the mission only what is shown and what the picture needs."""
    parts: list[dict[str, Any]] = []
    for command in COMMANDS[name]:
        sys.stderr.write(f"{name}: {' '.join(Path(command[0]).name if k == 0 else w for k, w in enumerate(command))}\n")
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        parts.append(json.loads(done.stdout))
    found = parts[0]
    if name == "campaign-dig":
        found = {"campaigns": parts}
    elif len(parts) > 1:
        found = {"skills": {k: v for part in parts for k, v in part["skills"].items()}}
    if name == "mission":
        readme_picture(found, ROOT / "docs" / "mission.png")
    if name in ("month", "mission"):
        found = {key: found[key] for key in ("title", "answer", "figures", "provenance", "timing")}
    write_json(KEPT / f"{name}.json", found)


def film() -> None:
    """docs/anchor.gif, by `stope view`; its page goes where other runs go."""
    page = ROOT / "runs" / "anchor.html"
    page.parent.mkdir(exist_ok=True)
    shown = [*FILM, "--out", str(page), "--video", str(ROOT / "docs" / "anchor.gif")]
    sys.stderr.write(f"film: stope {' '.join(FILM[1:])}\n")
    subprocess.run(shown, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure everything again")
    given = parser.parse_args()
    for name in COMMANDS:
        if given.again or not (KEPT / f"{name}.json").exists():
            measure(name)
    if given.again or not (ROOT / "docs" / "anchor.gif").exists():
        film()
    found = load()
    write_atomic(KEPT / "index.md", page(found))
    for readme, shown in readmes(found).items():
        write_atomic(readme, written_readme(readme.read_text(encoding="utf-8"), shown))


if __name__ == "__main__":
    main()
