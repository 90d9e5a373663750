# SPDX-License-Identifier: Apache-2.0
"""The law against grains: what can be checked without LAMMPS, and the figures that are kept."""

from __future__ import annotations

import copy
import importlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stope.world.regolith import Soil

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "soil_dem.py"
GRAVITY, RADIUS = 0.5, 0.02


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    yield importlib.import_module("soil_dem")
    sys.modules.pop("soil_dem")
    sys.modules.pop("soil_dem_input")


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """The figures in docs/results."""
    return json.loads((ROOT / "docs" / "results" / "soil_dem.json").read_text())


def case(script: ModuleType, **changes: Any) -> Any:
    """A cohesive push on a small body."""
    return script.dem.Case(**{"gravity": 1e-2, "speed": 5e-3, "is_cohesive": True, "seed": 1, **changes})


# --- prediction ------------------------------------------------------------------------------------------------------
def test_prediction_is_the_sum_of_three_stresses_on_the_disc(script: ModuleType) -> None:
    soil = Soil(bulk_density=1500.0, k_mu=40.0, cohesion=2.0, inertial_factor=1.2)
    found = script.predicted(soil, gravity=GRAVITY, speed=0.1, depth=[0.01, 0.02], radius=RADIUS)
    for z, force in zip((0.01, 0.02), found, strict=True):
        stress = 0.875 * 40.0 * 1500.0 * GRAVITY * z + 6.0 * 2.0 + 1.2 * 1500.0 * 0.1**2
        # 0.875 is 0.87469 rounded: 4e-4
        assert force == pytest.approx(math.pi * RADIUS**2 * stress, rel=5e-4)


def test_k_mu_is_found_again_from_the_laws_own_forces(script: ModuleType) -> None:
    soil, depth = Soil(bulk_density=1500.0, k_mu=40.0, cohesion=0.0), [0.01, 0.02]
    force = script.predicted(soil, gravity=GRAVITY, speed=0.01, depth=depth, radius=RADIUS)
    run = {"speed_m_s": 0.01, "gravity_m_s2": GRAVITY, "depth_m": depth, "force_n": force}
    assert script.fitted_k_mu([run], density=1500.0, radius=RADIUS) == pytest.approx(40.0, rel=5e-4)  # 0.875, as above


def test_internal_friction_gives_its_k_mu_again(script: ModuleType) -> None:
    for k_mu in (15.0, 60.0, 180.0):
        assert script.k_mu_of_friction(script.friction_of_k_mu(k_mu)) == pytest.approx(k_mu, rel=1e-9)  # of a root


def test_cohesion_is_rumpfs_strength_times_friction(script: ModuleType) -> None:
    beds = [{"packing": 0.6, "coordination": 4.0}, {"packing": 0.6, "coordination": 6.0}]
    soil, strength = script.soil_of(beds, 60.0)
    # 0.6 5 / pi of pi energy / diameter
    assert strength == pytest.approx(3.0 * 1.2e-4 / 1e-3, rel=1e-12)
    assert soil.cohesion == pytest.approx(strength * soil.internal_friction, rel=1e-12)
    assert soil.bulk_density == pytest.approx(0.6 * 2500.0, rel=1e-12)
    assert soil.inertial_factor == Soil().inertial_factor


def test_terms_of_the_laws_own_forces_are_one(script: ModuleType) -> None:
    soil = Soil(bulk_density=1500.0, k_mu=40.0, cohesion=0.15)
    runs = [
        {"gravity_m_s2": g, "pace": pace, "is_cohesive": c, "speed_m_s": script.dem.speed_of(g, share), "seed": 1,
         "depth_m": [1e-3, 2e-3]}
        for g in script.GRAVITIES for pace, share in script.SHARES.items() for c in (False, True)
    ]  # fmt: skip
    for run in runs:
        used = Soil(bulk_density=1500.0, k_mu=40.0, cohesion=0.15 if run["is_cohesive"] else 0.0)
        run["force_n"] = script.predicted(
            used, gravity=run["gravity_m_s2"], speed=run["speed_m_s"], depth=run["depth_m"], radius=3e-3
        )
    groups = script.compared(runs, soil, radius=3e-3)
    assert len(groups) == 12
    for group in groups:
        assert [group["factor"][k] for k in ("low", "high", "geometric_mean")] == pytest.approx([1.0] * 3, rel=1e-12)
    found = script.terms(runs)
    assert {row["term"] for row in found} == {"cohesion", "inertia"}
    for row in found:
        # a difference of forces, each good to 1e-16, of at least a tenth of them
        assert np.array(row["simulated_over_predicted"]) == pytest.approx(np.ones((1, 2)), rel=1e-12)
    # Inertia and cohesion add in the law: nothing is left but rounding.
    assert [row["mean"] for row in script.interaction(runs)] == pytest.approx([0.0] * 3, abs=1e-12)


# --- input of LAMMPS -------------------------------------------------------------------------------------------------
def test_units_of_a_run_give_speed_and_weight_back(script: ModuleType) -> None:
    one, dem = case(script), script.dem
    assert one.scaled_speed * math.sqrt(one.stress / dem.DENSITY) == pytest.approx(one.speed, rel=1e-12)
    weight = one.scaled_gravity * math.pi / 6.0 * one.newton  # of a grain of unit diameter and density
    assert weight == pytest.approx(dem.DENSITY * math.pi / 6.0 * dem.DIAMETER**3 * one.gravity, rel=1e-12)
    assert dem.bond_number(one.gravity) == pytest.approx(dem.pull_off() / weight, rel=1e-12)


def test_bond_number_passes_from_small_to_large_over_the_gravities(script: ModuleType) -> None:
    bond = [script.dem.bond_number(g) for g in script.GRAVITIES]
    assert bond[0] < 0.1
    assert 10.0 < bond[1] < 100.0
    assert bond[2] > 1000.0


def test_deck_pushes_the_plate_at_the_speed_for_the_way(script: ModuleType) -> None:
    one, dem = case(script), script.dem
    deck = dem.case_deck(one, size=dem.Size(), travel=5.0).splitlines()
    assert f"fix drive plate move linear 0 0 {-one.scaled_speed:.9g}" in deck
    assert f"fix weight grains gravity {one.scaled_gravity:.9g} vector 0 0 -1" in deck
    steps = int([line for line in deck if line.startswith("run ")][-1].split()[1])
    # the way is whole tenths of a diameter, each to half a step
    assert steps * dem.TIME_STEP * one.scaled_speed == pytest.approx(5.0, rel=0.01)


def test_only_a_cohesive_deck_attracts_and_only_grains(script: ModuleType) -> None:
    dem = script.dem
    sticky = dem.case_deck(case(script), size=dem.Size(), travel=5.0)
    plain = dem.case_deck(case(script, is_cohesive=False), size=dem.Size(), travel=5.0)
    asked = [line.split()[-1] for line in sticky.splitlines() if " table case.table " in line]
    assert asked == ["P11", "P12", "P13", "P22", "P23", "P33"]
    assert "table" not in plain


def test_attraction_is_the_pull_off_force_up_to_where_grains_touch(script: ModuleType) -> None:
    one, dem = case(script), script.dem
    parts = dem.attraction(one).split("\nP")[1:]
    assert [p[:2] for p in parts] == ["11", "12", "13", "22", "23", "33"]
    rows = np.array([line.split() for line in parts[3].split("\n\n")[1].split("\n") if line], dtype=np.float64)
    assert rows[-1, 1] == pytest.approx(1.0, rel=1e-9)  # two mean grains; nine digits are written
    assert rows[:, 3] * one.newton == pytest.approx(-math.pi * 1.2e-4 * 1e-3, rel=1e-9)
    assert -np.gradient(rows[:, 2], rows[:, 1]) == pytest.approx(rows[:, 3], rel=1e-6)  # differences of 12 digits


def test_data_file_holds_every_grain_inside_the_box(script: ModuleType) -> None:
    dem = script.dem
    size = dem.Size()
    kinds, position, velocity = dem.loose(1, size=size)
    lines = dem.data_file(kinds, position, velocity, size=size).splitlines()
    assert f"{size.num_grains} atoms" in lines
    first = lines.index("Atoms # sphere") + 2
    atoms = np.array([line.split() for line in lines[first : first + size.num_grains]], dtype=np.float64)
    assert ((atoms[:, 4:6] >= 0.0) & (atoms[:, 4:6] <= size.width)).all()
    assert np.bincount(kinds)[1:].tolist() == [size.num_grains // 3] * 3
    assert atoms[:, 2].mean() == pytest.approx(1.0, rel=1e-12)
    # Nothing overlaps at the start.
    assert dem.cKDTree(position).query(position, k=2)[0][:, 1].min() > max(dem.SIZES)


def test_plate_is_a_disc_just_above_the_grains(script: ModuleType) -> None:
    dem = script.dem
    spheres = dem.plate(7.0, size=dem.Size())
    assert spheres[:, 2] - 0.5 == pytest.approx(7.0 + dem.START_GAP, rel=1e-12)
    assert np.hypot(*(spheres[:, :2] - 10.5).T).max() == pytest.approx(3.0, rel=1e-12)
    assert len(spheres) == 113  # points of a square lattice within six spacings


def test_bed_of_a_lattice_is_measured_right(script: ModuleType) -> None:
    pitch, num = 0.998, 14
    side = np.arange(num)
    place = pitch * np.stack([g.ravel() for g in np.meshgrid(side, side, side)], axis=1) + 0.5
    state = script.dem.bed_state(np.full(len(place), 2), place, width=pitch * num, low=2.0 * pitch)
    # Volumes of whole grains, so overlaps of 0.2 % count twice; slices cut layers: 3 layers in 8.
    assert state.packing == pytest.approx(math.pi / 6.0 / pitch**3, rel=0.05)
    assert state.coordination == pytest.approx(6.0 - 2.0 / num, rel=1e-9)  # top and floor lack one each
    assert state.overlap_mean == pytest.approx(0.002, rel=1e-9)
    assert state.surface == pytest.approx(pitch * num, rel=0.05)


def test_force_is_the_mean_around_each_depth_in_newton(script: ModuleType) -> None:
    one, dem = case(script), script.dem
    every, steps = dem.drive_steps(one, travel=5.0)
    last = np.arange(every, steps + 1, every)
    start = -0.5
    depth = start + one.scaled_speed * dem.TIME_STEP * (last - 0.5 * every)
    curve = script.curve_of(np.stack([last, 3.0 * depth], axis=1), one, start=start)
    assert curve["depth_m"] == pytest.approx(depth * dem.DIAMETER, rel=1e-5, abs=1e-9)  # six digits are kept
    found = script.force_at(curve, size=dem.Size())
    # a window holds whole records of a tenth of a diameter: half of one at each end, of opposite sign
    assert found == pytest.approx([3.0 * z * one.newton for z in dem.Size().depths], abs=0.15 * one.newton)


# --- command ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("python", [sys.executable, "/nonexistent/python"])
def test_without_lammps_one_line_says_so_and_the_code_is_3(python: str) -> None:
    command = [sys.executable, SCRIPT, "--json", "--lammps-python", python]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith(f"soil_dem: no LAMMPS in {python}")
    assert done.stderr.count("\n") == 1
    assert "--lammps-python" in done.stderr


def test_kept_forces_are_judged_again_without_lammps(kept: dict[str, Any]) -> None:
    command = [sys.executable, SCRIPT, "--json", "--kept", ROOT / "docs" / "results" / "soil_dem.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["finding"] == kept["finding"]


# --- kept figures ----------------------------------------------------------------------------------------------------
def test_kept_figures_are_of_enough_grains_gravities_speeds_and_beds(kept: dict[str, Any]) -> None:
    assert kept["grains"]["num"] >= 5000
    wanted = {(r["gravity_m_s2"], r["pace"], r["is_cohesive"], r["seed"]) for r in kept["runs"]}
    assert len(wanted) == len(kept["runs"]) == 3 * 2 * 2 * len(kept["seeds"])
    assert len({w[0] for w in wanted}) == 3
    assert len(kept["seeds"]) >= 2
    assert kept["wall_s"] < 900.0
    assert {"processor", "versions"} <= set(kept["machine"])


def test_kept_grains_stayed_hard(kept: dict[str, Any]) -> None:
    assert max(run["overlap_99_at_end"] for run in kept["runs"]) < 0.01


def test_kept_forces_are_means_of_the_kept_curves(script: ModuleType, kept: dict[str, Any]) -> None:
    for run in kept["runs"] + kept["wide"]["runs"]:
        assert script.force_at(run["curve"], size=script.dem.Size()) == pytest.approx(run["force_n"], rel=1e-9)


def test_kept_factors_follow_from_the_kept_forces(script: ModuleType, kept: dict[str, Any]) -> None:
    soil = Soil(**{name: kept["law"][name] for name in Soil.__dataclass_fields__})
    for run in kept["runs"] + kept["wide"]["runs"]:
        used = soil if run["is_cohesive"] else replace(soil, cohesion=0.0)
        law = script.predicted(
            used, gravity=run["gravity_m_s2"], speed=run["speed_m_s"], depth=run["depth_m"],
            radius=kept["plate_radius_m"],
        )  # fmt: skip
        # the same arithmetic, perhaps on another processor
        assert run["factor"] == pytest.approx(np.array(run["force_n"]) / law, rel=1e-9)
    for group in kept["groups"]:
        key = ("gravity_m_s2", "pace", "is_cohesive")
        of = [f for r in kept["runs"] if all(r[k] == group[k] for k in key) for f in r["factor"]]
        mean = math.exp(sum(math.log(f) for f in of) / len(of))
        assert group["factor"] == pytest.approx(
            {"geometric_mean": mean, "low": min(of), "high": max(of), "n": 4 * len(kept["seeds"])}, rel=1e-9
        )


def test_kept_judgement_is_the_scripts_own(script: ModuleType, kept: dict[str, Any]) -> None:
    names = ("grains", "plate_radius_m", "seeds", "beds", "runs", "wide", "machine", "wall_s")
    again = script.judged(copy.deepcopy({name: kept[name] for name in names}))
    assert again["finding"] == kept["finding"]
    assert again["law"] == pytest.approx(kept["law"], rel=1e-9)  # as above
    for mine, old in zip(again["terms"], kept["terms"], strict=True):
        assert np.array(mine["simulated_over_predicted"]) == pytest.approx(
            np.array(old["simulated_over_predicted"]), rel=1e-9
        )


def test_kept_law_knows_nothing_of_low_gravity(script: ModuleType, kept: dict[str, Any]) -> None:
    names = ("grains", "plate_radius_m", "seeds", "beds", "runs")
    bent = copy.deepcopy({name: kept[name] for name in names})
    for run in bent["runs"]:
        if run["gravity_m_s2"] < 9.0:
            run["force_n"] = [2.0 * f for f in run["force_n"]]
    assert script.judged(bent)["law"] == pytest.approx(kept["law"], rel=1e-9)
