# SPDX-License-Identifier: Apache-2.0
"""Figures and pictures of README and docs, made anew: `make results`.

Runs each measurement whose JSON is not in `docs/results/` (all of them with `--again`), then writes the page
`docs/results/index.md`, the table between the markers of README.md and README.zh-TW.md, the picture and the film. A
figure in a README is therefore one that a command printed, and a test compares the two.

    python benchmarks/results.py            # measure what is missing, write the pages
    python benchmarks/results.py --again    # measure everything, about half an hour on 2 cores
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results_words import translated

from stope.base.files import write_atomic, write_json
from stope.view.picture import readme_picture

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "results"
STOPE = str(Path(sys.executable).with_name("stope"))
COMMANDS = {
    "month": [STOPE, "mine", "--json"],
    "mission": [STOPE, "mine", "ryugu-ferry", "--json"],
    "evaluate": [STOPE, "evaluate", "dock", "--json"],
    "flight": [sys.executable, "benchmarks/flight.py", "--json"],
    "world": [sys.executable, "benchmarks/world.py", "--json"],
    "train": [sys.executable, "benchmarks/train.py", "--json"],
    "practice": [STOPE, "world", "practise", "--json"],
    "validation": [STOPE, "world", "validate", "--json"],
}
"""What is measured, in this order; each prints one JSON object."""
SHOWN = {
    "month": "stope mine",
    "mission": "stope mine ryugu-ferry",
    "evaluate": "stope evaluate dock",
    "flight": "python benchmarks/flight.py",
    "world": "python benchmarks/world.py",
    "train": "python benchmarks/train.py",
    "practice": "stope world practise",
    "validation": "stope world validate",
}
IN_SOIL = ("anchor", "dig", "hop")
"""Tasks whose figures hang on the soil."""
FILM = [STOPE, "view", "anchor", "--n", "9", "--seconds", "6"]
"""The moving picture of the READMEs; Chromium draws it."""
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def percent(rate: Mapping[str, Any]) -> str:
    """A rate with its interval and n."""
    return f"{100 * rate['success']:.1f} % ({100 * rate['low']:.1f} to {100 * rate['high']:.1f}, n = {rate['n']})"


def rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The table: what, how much, by which command."""
    out: list[tuple[str, str, str]] = []
    dock = found["evaluate"]["skills"]["dock"]
    for name, what in (("default", "default physics"), ("prior", "the whole prior")):
        out.append((f"docking, {what}: policy", percent(dock["conditions"][name]), "evaluate"))
        out.append((f"docking, {what}: classical controller", percent(dock["baselines"]["pd"][name]), "evaluate"))
    out += month_rows(found["month"])
    ore = next(f for f in found["mission"]["figures"] if f["name"] == "ore delivered")
    out.append(("ore in 30 days, ferry of 20 robots at Ryugu",
                f"{ore['value']:.1f} t (mean of {ore['n']} months, {ore['low']:.1f} to {ore['high']:.1f})",
                "mission"))  # fmt: skip
    flight = found["flight"]
    docking = flight["docking"]
    for key, logs in (("coverage", flight["logs"]), ("coverage_first_ten", 10)):
        cover = flight[key]
        plain, own = cover["band"], cover["band_if_calibrated"]
        out.append((f"{logs} stand-in flights: 90 % intervals that hold the truth",
                    f"{100 * cover['share']:.1f} % of {cover['n']} (binomial band {100 * plain[0]:.1f} to "
                    f"{100 * plain[1]:.1f}; exactly calibrated beliefs: {100 * own[0]:.1f} to {100 * own[1]:.1f})",
                    "flight"))  # fmt: skip
    before, after = (1000 * sum(docking[k]) / len(docking[k]) for k in ("before_m", "after_m"))
    out.append(("docking error in the true world, before and after one flight",
                f"{before:.1f} to {after:.1f} mm; no worse in {docking['num_no_worse']} of {docking['num_logs']}",
                "flight"))  # fmt: skip
    fit = flight["fit_s"]
    out.append(("one fit of a 5-minute log", f"{fit['median']:.0f} s, longest {fit['max']:.0f} s",
                "flight"))  # fmt: skip
    for name, scene in found["world"]["scenes"].items():
        if "ratio_over_stages" not in scene:
            continue
        what = "rate over a compiled loop of mj_step; over a bare loop of its stages; with over without our forces"
        shown = f"{scene['ratio']:.2f}; {scene['ratio_over_stages']:.2f}; {scene['force_ratio']:.2f}"
        out.append((f"MuJoCo path, {name}: {what}", shown, "world"))
    out.append(("fused kernel over MuJoCo path", f"{found['world']['fused_vs_mujoco']:.0f} x", "world"))
    return out + contact_rows(found) + train_rows(found)


def month_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Ore and water of a fleet's month."""
    by_name = {f["name"]: f for f in found["figures"]}
    out: list[tuple[str, str, str]] = []
    for name, what in (("Ore processed", "ore processed"), ("Water won", "water won")):
        f = by_name[name]
        out.append((f"{what} in 30 days, 1,000 robots at Ryugu, on assumed plant and service times",
                    f"{f['value']:,.0f} {f['unit']} (5 to 95 % of {f['n']} months: {f['low']:,.0f} to "
                    f"{f['high']:,.0f})", "month"))  # fmt: skip
    return out


def contact_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Work with contact: scripted baselines, validation, what soil costs."""
    out: list[tuple[str, str, str]] = []
    for name, pilots in found["practice"]["tasks"].items():
        if name != "dock":
            shown = f"{percent(pilots['script'])}; {100 * pilots['nothing']['success']:.1f} %"
            soil = " (soil at micro-g is extrapolation)" if name in IN_SOIL else ""
            out.append((f"{name}{soil}: scripted baseline; doing nothing", shown, "practice"))
    cases = found["validation"]["cases"]
    passed = sum(bool(row["passed"]) for row in cases)
    exact = sum(row["kind"] == "exact" for row in cases)
    out.append(("values of exact, flown and laboratory cases in their bands",
                f"{passed} of {len(cases)}, {exact} of them exact solutions", "validation"))  # fmt: skip
    for name, scene in found["world"]["scenes"].items():
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


def table(found: Mapping[str, Any]) -> str:
    """The table as Markdown."""
    lines = ["| what | measured | command |", "|---|---|---|"]
    lines += [f"| {what} | {value} | `{SHOWN[key]}` |" for what, value, key in rows(found)]
    return "\n".join(lines)


def gravity_table(found: Mapping[str, Any]) -> str:
    """Success by gravity as Markdown, policy and baselines side by side."""
    dock = found["evaluate"]["skills"]["dock"]
    lines = ["| gravity | policy | classical controller |", "|---|---|---|"]
    for name, row in dock["gravities"].items():
        policy = row.get("policy", row)
        rival = row.get("baselines", {}).get("pd", row.get("pd"))
        lines.append(f"| {name} | {percent(policy)} | {percent(rival) if rival else ''} |")
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
            table(found),
            "",
            "## Docking by gravity",
            "",
            "The same policy at places of uniform gravity without air; it is told nothing of gravity. Where the",
            "thrusters cannot hold the weight, nothing can dock.",
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
    english = table(found)
    return {ROOT / "README.md": english, ROOT / "README.zh-TW.md": translated(english)}


def written_readme(text: str, shown: str) -> str:
    """README with the table put between its markers."""
    return re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{shown}\n{END}", text, flags=re.DOTALL)


def load() -> dict[str, Any]:
    """What was measured, by name."""
    return {name: json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8")) for name in COMMANDS}


def measure(name: str) -> None:
    """Run one command and keep its JSON; of the mission only what is shown and what the picture needs."""
    sys.stderr.write(f"{name}: {SHOWN[name]}\n")
    done = subprocess.run(COMMANDS[name], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
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
