# SPDX-License-Identifier: Apache-2.0
"""The measured skill bank: its cells, its pairing, and that pieces do not depend on order, threads or each other."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import ConfigError, RangeError
from stope.base.seeding import generator
from stope.fleet.legs import LegConfig
from stope.fleet.measure import DOCKS, PAYLOAD_EDGES, bank_table, join, measure_bank, measure_piece, pieces, plan_legs
from stope.fleet.scenario import MAX_PAYLOAD, Depot, FerryScenario, load_scenario
from stope.fleet.skill_bank import Outcomes, SkillBank
from stope.learn.baselines import VelocityPd, ZeroPolicy
from stope.world.belief import Belief
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import load_robot

PRIOR = Belief.prior("bee-gas")
GAINS = slice(index_of("gain_fx"), index_of("gain_fx") + 6)


@lru_cache
def near() -> FerryScenario:
    """The shipped mission with two close depots, so that legs are short."""
    scenario = load_scenario("ryugu-ferry")
    depots = (replace(scenario.depots[0], name="one", east=18.0, north=0.0),
              replace(scenario.depots[0], name="two", east=0.0, north=-15.0))  # fmt: skip
    return replace(scenario, depots=depots)


def docker() -> VelocityPd:
    """The classical docker, which needs no training."""
    return VelocityPd(robot=load_robot("bee-gas"), uses_belief=True)


def piece(
    name: str, *, n: int = 6, seed: int = 5, told: Belief = PRIOR, belief: Belief = PRIOR, num_threads: int = 1,
    scenario: FerryScenario | None = None,
) -> SkillBank:  # fmt: skip
    """One piece of the near mission's bank."""
    return measure_piece(name, scenario or near(), docker(), belief=belief, told=told, n=n, seed=seed,
                         num_threads=num_threads)  # fmt: skip


@lru_cache
def whole() -> SkillBank:
    """The near mission's bank."""
    return measure_bank(near(), docker(), belief=PRIOR, told=PRIOR, n=6, seed=5)


def sharp(mean: float) -> Belief:
    """A belief that all thrusters are weak or strong, sure of it."""
    z = np.zeros(NUM_PARAMETERS)
    z[GAINS] = mean
    return Belief(robot="bee-gas", mean=z, covariance=0.01 * np.eye(NUM_PARAMETERS), provenance={"method": "test"})


def test_a_bank_has_a_cell_for_every_activity_and_payload() -> None:
    loaded = range(1, len(PAYLOAD_EDGES))
    expected = {("dock-depot", 0), *(("dock-processor", k) for k in DOCKS["dock-processor"])}
    for depot in ("one", "two"):
        expected |= {(f"leg-out-{depot}", 0), *((f"leg-back-{depot}", k) for k in loaded)}
    assert set(whole().cells) == expected
    assert {len(outcomes) for outcomes in whole().cells.values()} == {6}
    assert PAYLOAD_EDGES[-1] == MAX_PAYLOAD


def test_payloads_lie_in_their_cells() -> None:
    bank = whole()
    for (_, cell), outcomes in bank.cells.items():
        assert all(bank.cell_of(float(m)) == cell for m in outcomes.payload)
        assert cell == 0 or len(set(outcomes.payload)) == 6


def test_outcomes_are_whole_flights_that_could_have_been() -> None:
    robot, bank = load_robot("bee-gas"), whole()
    for outcomes in bank.cells.values():
        thrust = outcomes.energy - robot.power_idle * outcomes.duration
        effort = outcomes.propellant * robot.specific_impulse * 9.80665
        np.testing.assert_allclose(thrust, robot.power_per_newton * effort, rtol=1e-6, atol=1e-6)
    routes = plan_legs(near(), LegConfig())
    fastest = float(routes["one"][0].arc.length[0]) / LegConfig().law.cruise_speed
    assert bank.cells["leg-out-one", 0].duration.min() > fastest


def test_a_docking_ends_with_its_hold_and_not_with_its_episode() -> None:
    outcomes = whole().cells["dock-depot", 0]
    ok = outcomes.is_success
    assert ok.any()
    assert outcomes.duration[ok].max() < LegConfig().dock.time_limit
    assert (outcomes.final_error[ok] < 0.05).all()  # the dock task's tolerance, at the end of the hold


def test_a_failed_docking_takes_all_its_time() -> None:
    bank = measure_piece("dock-depot", near(), ZeroPolicy(), belief=PRIOR, told=PRIOR, n=6, seed=5)
    outcomes = bank.cells["dock-depot", 0]
    assert not outcomes.is_success.any()
    assert (outcomes.duration == LegConfig().dock.time_limit).all()
    assert not outcomes.propellant.any()


def test_pieces_join_to_the_same_bank_in_any_order_and_with_any_threads() -> None:
    # Two threads are slow on a busy machine; tests/fleet/test_legs.py has them for legs.
    parts = [piece(name, num_threads=1 + (name == "dock-depot")) for name in reversed(pieces(near()))]
    assert join(parts).digest == whole().digest
    swapped = replace(near(), depots=near().depots[::-1])
    assert piece("dock-depot", scenario=swapped).digest == piece("dock-depot").digest


def test_a_bank_and_its_provenance_survive_a_file(tmp_path: Path) -> None:
    whole().save(tmp_path / "bank.npz")
    again = SkillBank.load(tmp_path / "bank.npz")
    assert again.digest == whole().digest
    assert again.provenance == whole().provenance
    error = again.provenance["pieces"]["legs-one"]["out"]["gravity_grid_error"]
    assert 0.0 < error["median_relative"] <= error["max_relative"] < 0.02
    assert again.provenance["common"]["told"]["method"] == "prior"


def test_other_seeds_give_other_outcomes() -> None:
    assert piece("legs-one", seed=6).digest != piece("legs-one").digest


def test_what_is_told_changes_the_flights_but_not_the_worlds() -> None:
    belief = sharp(-2.0)  # thrusters a fifth weaker than the prior's median
    blind, aware = (piece("legs-two", belief=belief, told=told, n=12) for told in (PRIOR, belief))
    key = ("leg-back-two", 3)
    np.testing.assert_array_equal(blind.cells[key].payload, aware.cells[key].payload)
    # A robot that knows its thrusters are weak asks for more, and so strays less; same starts, same noise.
    assert aware.cells[key].final_error.mean() < blind.cells[key].final_error.mean()
    assert blind.provenance["common"]["belief"] == aware.provenance["common"]["belief"]
    assert blind.provenance["common"]["told"] != aware.provenance["common"]["told"]


def test_truths_come_from_the_particles_where_there_are_any() -> None:
    weak, strong = np.zeros((50, NUM_PARAMETERS)), np.zeros((50, NUM_PARAMETERS))
    weak[:, GAINS], strong[:, GAINS] = -3.0, 3.0
    used = [
        piece("legs-one", belief=replace(PRIOR, particles=z)).cells["leg-out-one", 0].propellant.mean()
        for z in (weak, strong)
    ]
    # exp(-0.3) and exp(0.3) of the thrust for the same command, so nearly 1.8 times the commanded impulse.
    assert used[0] > 1.4 * used[1]


def test_a_payload_that_the_flight_knew_is_not_told_to_the_fleet() -> None:
    mean = generator(1, "told").standard_normal(NUM_PARAMETERS) * 0.1
    told = Belief(robot="bee-gas", mean=mean, covariance=0.01 * np.eye(NUM_PARAMETERS))
    other = replace(told, mean=np.where(np.arange(NUM_PARAMETERS) == index_of("payload"), 2.0, mean))
    assert piece("legs-one", told=told).digest == piece("legs-one", told=other).digest


def test_progress_only_rises_and_reaches_the_end() -> None:
    seen: list[float] = []
    measure_bank(near(), docker(), belief=PRIOR, told=PRIOR, n=1, seed=1, progress=lambda _, share: seen.append(share))
    assert (np.diff(seen) >= 0.0).all()
    assert 0.0 <= seen[0] < 0.2
    assert 0.95 < seen[-1] <= 1.0


def test_a_table_carries_rates_with_their_intervals() -> None:
    rows = bank_table(whole())
    assert len(rows) == len(whole().cells)
    for row in rows:
        assert 0.0 <= row["low"] <= row["success"] <= row["high"] <= 1.0
        assert row["n"] == 6
        assert row["duration_s"]["p05"] <= row["duration_s"]["median"] <= row["duration_s"]["p95"]


def test_wrong_requests_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="piece 'legs-three' of the skill bank: expected one of legs-one, legs-two"):
        piece("legs-three")
    with pytest.raises(ConfigError, match="n = 0 outcomes"):
        piece("legs-one", n=0)
    with pytest.raises(ConfigError, match="belief about robot 'bee-cabin'"):
        piece("legs-one", told=Belief.prior("bee-cabin"))
    with pytest.raises(ConfigError, match="no skill banks"):
        join([])
    with pytest.raises(ConfigError, match="is in two pieces"):
        join([piece("dock-depot"), piece("dock-depot")])
    with pytest.raises(ConfigError, match="differ in seed: 5 and 6"):
        join([piece("dock-depot"), piece("legs-one", seed=6)])


def test_a_depot_off_the_body_is_refused() -> None:
    far: Depot = replace(near().depots[0], east=3000.0)
    with pytest.raises(RangeError, match="no ground"):
        plan_legs(replace(near(), depots=(far,)), LegConfig())


def test_a_draw_is_one_measured_outcome() -> None:
    outcomes: Outcomes = whole().outcomes("leg-back-one", 2.5)
    drawn = whole().draw("leg-back-one", 2.5, 0.999)
    assert drawn.duration == outcomes.duration[-1]
    assert drawn.propellant == outcomes.propellant[-1]
