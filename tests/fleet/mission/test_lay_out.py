# SPDX-License-Identifier: Apache-2.0
"""Legs: their times are those of two-body motion, and every hop of a leg is paid for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from stope.base.errors import ConfigError
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import Count, Kind
from stope.fleet.mission.lay_out import _legs, lay_out, place_of
from stope.fleet.mission.month import Player
from stope.fleet.mission.scenario import with_changes
from tests.fleet.mission.builders import month, tables

GM, RADIUS, SPEED = 30.0, 448.0, 0.18
"""About Ryugu's, and the hop of the shipped month."""


def flown() -> tuple[float, float]:
    """Angle and time of one hop, integrated until it comes down [rad, s]."""
    v = SPEED * math.sqrt(0.5)

    def down(_: float, y: np.ndarray) -> float:
        return float(np.hypot(y[0], y[1])) - RADIUS + 1e-9 if y[0] * y[2] + y[1] * y[3] < 0.0 else 1.0

    down.terminal = True  # type: ignore[attr-defined]
    found = solve_ivp(lambda _, y: [y[2], y[3], *(-GM * y[:2] / np.hypot(y[0], y[1]) ** 3)], (0.0, 1e5),
                      [RADIUS, 0.0, v, v], events=down, rtol=1e-10, atol=1e-9)  # fmt: skip
    return math.atan2(found.y[1, -1], found.y[0, -1]), float(found.t[-1])


def test_a_hop_takes_the_time_of_two_body_motion_and_a_longer_way_several() -> None:
    angle, flight = flown()
    times, hops = _legs(np.array([0.5, 1.0, 1.5, 3.0]) * angle, RADIUS, GM, SPEED)
    assert times / flight == pytest.approx([0.5, 1.0, 1.5, 3.0], rel=1e-4)
    assert hops == pytest.approx([1.0, 1.0, 1.5, 3.0], rel=1e-4)


@pytest.mark.parametrize("speed", [0.18, 0.12])
def test_every_hop_of_a_leg_takes_propellant_and_may_fail(speed: float) -> None:
    quiet = month("failing.mtbf_h=1e9", "failing.unit_mtbf_h=1e9", f"plant.hop_speed={speed}", days=6.0)
    scenario = with_changes(quiet, ["ground.pits_per_yard=1", "plant.leg_loss=0"])
    player = Player(scenario, tables(anchor=(1.0, 1.0, 0.0, 0.0)), seed=1)
    player.advance(player.end)
    hops = float(place_of(scenario).leg_hops[0, 0])
    assert hops > 1.2 if speed < 0.18 else hops == 1.0
    haulers = player.world.whole[:, k.KIND] == Kind.HAULER
    legs, failed = (int(player.world.counts[c]) for c in (Count.LEGS, Count.LEGS_FAILED))
    used = float(player.world.real[haulers, k.PROPELLANT].sum())
    assert used == pytest.approx((legs + failed) * hops * scenario.plant.leg_propellant)
    share, wanted = legs / (legs + failed), scenario.plant.leg_success**hops
    assert abs(share - wanted) < 3.0 * math.sqrt(wanted * (1.0 - wanted) / (legs + failed))


def test_a_pile_without_room_for_an_excavators_ore_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Digging\.pile = 99 kg: expected room for one hopper, 100 kg or more"):
        month("digging.pile=99")
    # Three fillings of 5.8 kg on top of a hopper that is all but full.
    with pytest.raises(ConfigError, match=r"Digging\.pile = 117 kg: expected 117\.4 kg or more"):
        lay_out(month("digging.pile=117"), tables(), seed=1, replicate=0)
    lay_out(month("digging.pile=117.5"), tables(), seed=1, replicate=0)
