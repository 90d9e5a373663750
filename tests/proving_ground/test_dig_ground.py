# SPDX-License-Identifier: Apache-2.0
"""Laws that the digger and its soil keep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from proving_ground.dig_fleet import anchor_strength, bearing_factors, row_of
from proving_ground.dig_kernel import CELL, NUM_CELLS, ROW, bearing, cutting, kept, slump
from proving_ground.dig_world import DigWorld, cohesion_at, friction_angle
from tests.proving_ground.dig_builders import SCENARIO, fleet, fly, soil

GRAVITY = SCENARIO.site["gravity"]
SCOOP, RADIUS, WIDTH = (SCENARIO.robot[name] for name in ("scoop_depth", "drum_radius", "drum_width"))


def row(world: DigWorld) -> Any:
    """One vehicle for the compiled functions."""
    rows = np.zeros(1, dtype=ROW)
    rows[0] = row_of(SCENARIO, world)
    return rows[0]


@pytest.mark.parametrize(("tier", "rate"), [("T1", 0.05), ("T3", 0.5), ("T3", 0.1)])
def test_no_soil_is_made_or_lost(tier: str, rate: float) -> None:
    weak = [soil(tier, k, cohesion=c) for k in (1, 2) for c in (0.05, 0.5, 20.0)]
    made = fleet(*weak)
    fly(made, rate)
    s, density = made.state, made.rows["density"]
    in_bed = made.beds.sum(axis=2) * CELL * WIDTH * density[:, None]
    assert s["cut"].min() > 1.0
    assert s["load"] + s["spilt"] + s["thrown"] + s["stuck"] == pytest.approx(s["cut"], rel=1e-9)  # sums of 1e5 steps
    assert in_bed == pytest.approx(s["spilt"] - s["cut"], abs=1e-9)


def test_at_rest_nothing_moves_and_anchors_and_pads_carry_the_weight() -> None:
    made = fleet(soil(), soil(cohesion=0.01), soil("T3", 3))
    before = made.seen.copy()
    for _ in range(100):
        made.advance(np.zeros((3, 4)))
    s, rows = made.state, made.rows
    # The arms' set point is their top, a few micrometres above where their weight holds them.
    assert np.abs(made.arms() - before[:, 6:8]).max() < 1e-5
    assert made.slip().max() < 1e-7
    assert not s["cut"].any()
    carried = (-rows["stiffness"] * s["ez"]).sum(axis=1) + 2.0 * rows["pad_stiffness"] * s["pad"].sum(axis=1)
    assert carried == pytest.approx((rows["mass"] + 2.0 * rows["arm_mass"]) * GRAVITY, rel=1e-3)


def test_cutting_is_passive_earth_pressure_with_cohesion_and_speed() -> None:
    """30 degrees: K_p = 3."""
    world = soil(cohesion=2.0, bulk_density=1200.0)
    weight, chip, deep, speed = 1200.0 * GRAVITY, 0.015, 0.08, 0.04
    expected = (
        0.2 * chip * (3.0 * (0.5 * weight * chip + weight * deep) + 2.0 * 2.0 * math.sqrt(3.0) + 1200.0 * speed**2)
    )
    assert cutting(row(world), chip, deep, speed) == pytest.approx(expected, rel=1e-12)


def test_bearing_has_terzaghis_factors() -> None:
    """Printed for 30 degrees and general shear: 37.2 and 22.5; without friction 5.7 and 1.0 (Terzaghi 1943)."""
    assert bearing_factors(math.atan(1.5 * math.tan(math.radians(30.0)))) == pytest.approx((37.2, 22.5), abs=0.05)
    assert bearing_factors(1e-6) == pytest.approx((1.5 * math.pi + 1.0, 1.0), rel=1e-5)
    world = soil(cohesion=3.0, bulk_density=1500.0)
    nc, nq = bearing_factors(math.radians(30.0))
    assert bearing(row(world), 0.1) == pytest.approx(2.0 * nc + 1500.0 * GRAVITY * 0.1 * nq, rel=1e-12)
    assert bearing(row(soil(growth=1.0)), 0.1) > 1.9 * bearing(row(soil()), 0.1)


def test_friction_angle_inverts_the_published_polynomial() -> None:
    """From the same paper's scale: about 60 for a tangent of 0.5, 282 for 0.8."""
    for tangent in (0.3, 0.5, 0.8):
        k_mu = 894.0 * tangent**3 - 386.0 * tangent**2 + 89.0 * tangent
        assert math.tan(friction_angle(k_mu)) == pytest.approx(tangent, rel=1e-9)


def test_an_anchor_holds_the_soil_above_it() -> None:
    """Without friction: weight of the cylinder and cohesion on its side."""
    weightless = soil(friction_angle=1e-9, cohesion=5.0)
    cylinder = math.pi * 0.12**2 * 0.4 * 1000.0 * GRAVITY
    assert anchor_strength(SCENARIO, weightless) == pytest.approx(2.0 * math.pi * 0.12 * 0.4 * 5.0 + cylinder, rel=1e-6)
    grown = soil(cohesion=5.0, growth=1.0, crust=10.0, crust_depth=0.02)
    assert [cohesion_at(z, grown) for z in (0.0, 0.1)] == [50.0, 10.0]


@pytest.mark.parametrize("kappa", [0.5, 1.0, 2.0])
def test_scoops_hold_soil_below_a_rate_and_let_go_above_it(kappa: float) -> None:
    world = soil(cohesion=0.1, kappa=kappa)
    rate = math.sqrt((GRAVITY + kappa * 0.1 / (1000.0 * SCOOP)) / RADIUS)
    shares = [kept(row(world), share * rate) for share in (0.6, 0.9, 1.0, 1.1, 1.6)]
    assert shares[2] == pytest.approx(0.5, rel=1e-9)
    assert np.diff(shares).max() < 0.0
    assert (shares[0] > 0.99, shares[4] < 0.01) == (True, True)
    assert kept(row(soil(cohesion=0.1, kappa=kappa, release_width=0.4)), 0.6 * rate) < 0.95  # no sharp switch
    below, above = fleet(world), fleet(world)
    assert fly(below, 0.6 * rate)[0]["success"]
    assert fly(above, min(0.5, 1.6 * rate))[0]["thrown_share"] > 0.4  # six tenths are caught, and lost again


def test_a_steep_bank_slides_unless_cohesion_holds_it() -> None:
    step = np.where(np.arange(NUM_CELLS) < NUM_CELLS // 2, 0.0, 0.1)
    loose, firm = step.copy(), step.copy()
    values = row(soil(cohesion=0.0))
    for _ in range(3000):
        slump(values, loose)
        slump(row(soil(cohesion=1.0)), firm)
    assert np.abs(np.diff(loose)).max() / CELL == pytest.approx(math.tan(math.radians(30.0)), rel=0.01)
    assert loose.sum() == pytest.approx(step.sum(), rel=1e-9)
    assert np.array_equal(firm, step)


def test_drums_that_push_into_strong_soil_tear_the_anchors_out() -> None:
    made = fleet(soil(friction_angle=math.radians(35.0)))
    for _ in range(1500):
        made.advance(np.array([[0.01, 0.01, 0.0, 0.0]]))
    assert made.state["holds"].sum() == 0.0
    assert made.slip()[0] > 0.04
    made.state["x"] += 5.0  # far beyond the profile
    bed = made.beds.copy()
    made.advance(np.array([[0.0, 0.0, 0.5, -0.5]]))
    assert np.array_equal(made.beds, bed)
    assert np.isfinite(made.seen).all()


def test_drums_that_oppose_each_other_leave_the_base_in_place() -> None:
    both, same = fleet(soil(cohesion=5.0)), fleet(soil(cohesion=5.0))
    for _ in range(300):
        both.advance(np.array([[0.002, 0.002, 0.2, -0.2]]))
        same.advance(np.array([[0.002, 0.002, 0.2, 0.2]]))
    assert abs(both.state["x"][0]) < 0.2 * abs(same.state["x"][0])
    assert same.state["cut"][0, 1] == 0.0  # the rear drum cuts with negative rates
    assert both.state["cut"].min() > 0.5


def test_a_stone_is_felt_and_stops_neither_world_nor_count() -> None:
    made, bare = fleet(soil(cohesion=5.0)), fleet(soil(cohesion=5.0))
    made.stones[0, 0, 0] = (0.55, 0.0, -0.06, 0.03)
    blows = []
    for _ in range(600):
        for each in (made, bare):
            each.advance(np.array([[0.001, 0.001, 0.2, -0.2]]))
        blows.append([made.seen[0, 20], made.seen[0, 21], bare.seen[0, 20]])
    assert np.max(blows, axis=0) == pytest.approx([np.max(blows), 0.0, 0.0])
    assert 0.1 < np.max(blows) < 20.0
    assert np.isfinite(made.seen).all()
