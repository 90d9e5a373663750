# SPDX-License-Identifier: Apache-2.0
"""Waits at the plant are those of queueing theory, on the kernel that serves in order of arrival and in a whole month.

In the month a thousand haulers dock at their pits for times drawn from an exponential of hours, so that they come to
the one unit as good as independently of each other, and nothing but its ports lets them wait.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from stope.base.units import DAY
from stope.fleet.mission.bank import Tables
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import SKILLS
from stope.fleet.mission.kernels.queues import serve
from stope.fleet.mission.month import Player
from stope.fleet.mission.scenario import with_changes
from tests.fleet.mission.builders import NUMBERS, month

QUEUES = pytest.mark.parametrize(("servers", "is_random"), [(1, False), (3, True)])
NUM = 2000
"""Records of a skill."""
FLEET = ("fleet.excavators=300", "fleet.haulers=1000", "fleet.prospectors=0", "fleet.maintainers=1", "fleet.units=1",
         "ground.robots_per_yard=10000", "ground.pits_per_yard=20", "digging.hopper=10000", "digging.loads=6",
         "digging.pile=1e9")  # fmt: skip
NOTHING_ELSE = ("failing.mtbf_h=1e9", "failing.unit_mtbf_h=1e9", "plant.leg_success=1", "digging.wear=0", "link.gaps=0",
                "robots.hot_limit=1000", "robots.battery_wh=1e6", "ground.grade_spread=0", "plant.unload_time=1e-9",
                "plant.hopper=1e8", "plant.power_kw=1e8", "plant.patience=1e9")  # fmt: skip


def theory(servers: int, rate: float, load: float, *, is_random: bool) -> float:
    """Mean wait [s]: Erlang's C for random service, Pollaczek and Khinchine for one server that is always the same."""
    if not is_random:
        return load * load / (2.0 * rate * (1.0 - load))
    a = load * servers
    top = a**servers / math.factorial(servers) / (1.0 - load)
    return top / (sum(a**i / math.factorial(i) for i in range(servers)) + top) * load / (1.0 - load) / rate


@pytest.mark.slow
@QUEUES
def test_waits_are_those_of_queueing_theory(servers: int, is_random: bool) -> None:  # noqa: FBT001 -- a parameter
    rng, n, rate, load = np.random.default_rng(3), 60_000, 1.0, 0.7
    service = load * servers / rate * (rng.exponential(size=n) if is_random else np.ones(n))
    arrivals, free = np.cumsum(rng.exponential(1.0 / rate, n)), np.zeros(servers)
    waits = np.array([serve(free, 0, servers, t, s) - t for t, s in zip(arrivals, service, strict=True)])
    wanted = theory(servers, rate, load, is_random=is_random)
    assert waits.mean() == pytest.approx(wanted, rel=0.08)  # three standard errors of 60,000 correlated waits


def exponential(mean: float) -> NDArray[np.float64]:
    """Quantiles, from which a month draws one at a time."""
    return -mean * np.log1p(-(np.arange(NUM) + 0.5) / NUM)


def records(service: float, *, is_random: bool) -> Tables:
    """Every skill succeeds; docking at a pit takes 20,000 s on average, and unloading takes `service` [s]."""
    durations = {name: np.full(NUM, NUMBERS[name][1]) for name in SKILLS}
    durations["dock"] = exponential(20_000.0)
    durations["haul"] = exponential(service) if is_random else np.full(NUM, service)
    one, none = np.ones(NUM), np.zeros(NUM)
    mass = 500e3 * one  # of a filling [g]: ore is never what a hauler waits for
    return Tables.join([
        np.stack([one, durations[name], none, mass if name == "dig" else none, none], axis=1) for name in SKILLS
    ])  # fmt: skip


@QUEUES
def test_waits_at_the_plant_of_a_month_are_those_of_theory(servers: int, is_random: bool) -> None:  # noqa: FBT001
    service = 17.0 * servers
    scenario = month(*NOTHING_ELSE, days=30.0)
    scenario = with_changes(scenario, [*FLEET, f"plant.ports={servers}"])
    player = Player(scenario, records(service, is_random=is_random), seed=1)
    player.advance(5.0 * DAY)  # everybody sets out in the first minute; that is over by then
    before = player.world.waits[k.QUEUE_AT_PORT].copy()
    player.advance(player.end)
    waited, _, num = player.world.waits[k.QUEUE_AT_PORT] - before
    rate = num / (player.end - 5.0 * DAY)
    load = rate * service / servers
    assert num > 80_000
    assert load == pytest.approx(0.69, abs=0.02)
    wanted = theory(servers, rate, load, is_random=is_random)
    # Three standard errors of 87,000 correlated waits are 6 %; a thousand haulers, not infinitely many, take 3 % off.
    assert waited / num == pytest.approx(wanted, rel=0.08)
