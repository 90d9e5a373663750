# SPDX-License-Identifier: Apache-2.0
"""Adaptive control: estimates converge to what the robot is, from the prior alone, and the robot docks by them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.learn.adaptive import AdaptiveConfig, AdaptivePd, Nominal
from stope.learn.evaluate import conditions, fly
from stope.world import plant as p
from stope.world.body import load_body
from stope.world.env import DockBatch
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import Robot, load_robot
from stope.world.site import Site, make_site
from stope.world.tasks import HaulConfig

NUM = 12


@cache
def ryugu() -> Site:
    return make_site(load_body("ryugu"), latitude_deg=30.0, longitude_deg=0.0, height=6.0)


def quiet(name: str) -> Robot:
    """A robot whose sensors have a thousandth of the noise and lose nothing."""
    robot = load_robot(name)
    s = robot.sensors
    names = ("position_noise", "attitude_noise", "velocity_noise", "rate_noise")
    return replace(robot, sensors=replace(s, drop_out=0.0, **{k: 1e-3 * getattr(s, k) for k in names}))


def hauls(robot: Robot, *, delays: bool, time_limit: float = 60.0) -> DockBatch:
    """Loads, gains and inertias of the prior; the thrust's delay too, or its median."""
    batch = DockBatch(robot, ryugu(), num_worlds=NUM, seed=3, task=HaulConfig(time_limit=time_limit), pool_size=1)
    z, told = conditions(NUM, 9)["ignorant"]
    if not delays:
        z[:, [index_of("lag"), index_of("latency")]] = 0.0
    batch.assign(z, told)
    return batch


def flown(robot: Robot, *, delays: bool) -> tuple[AdaptivePd, DockBatch]:
    batch, pilot = hauls(robot, delays=delays), AdaptivePd(robot)
    observation = batch.reset()
    for _ in range(batch.max_episode_steps):
        observation, *_ = batch.step(pilot.act(observation), autoreset=False)
    return pilot, batch


def truths(batch: DockBatch) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Gain over mass [1/kg], centre of mass [m], and inverse inertia with the torque's gains [1/(kg m2)]."""
    row = batch.world.plant
    inverse = np.empty((NUM, 3, 3))
    for k, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))):
        inverse[:, i, j] = inverse[:, j, i] = row[:, p.INVERSE + k]
    gain = row[:, p.GAIN : p.GAIN + 6]
    return gain[:, :3] / row[:, [p.MASS]], row[:, p.COM : p.COM + 3], inverse * gain[:, None, 3:]


def rms(x: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def test_estimates_converge_to_the_truth_without_noise() -> None:
    """Loads of 0 to 20 kg: the prior is off by a third; a minute of hauling leaves some thousandths."""
    pilot, batch = flown(quiet("hauler"), delays=False)
    ratio, com, per_torque = truths(batch)
    prior = pilot.nominal.linear[0]
    assert rms(prior[3:6] / ratio - 1.0) > 0.2
    assert rms(pilot.ratio / ratio - 1.0) < 0.005
    assert rms(prior[6:9] - com) > 0.01
    assert rms(pilot.com - com) < 0.003
    off, before = (np.linalg.inv(per_torque) @ a - np.eye(3)
                   for a in (pilot.per_torque, pilot.nominal.angular[0][3:12].reshape(3, 3)))  # fmt: skip
    assert rms(before) > 0.15
    assert rms(off) < 0.5 * rms(before)


def test_with_noise_and_unknown_delays_the_ratio_is_known_to_some_hundredths() -> None:
    pilot, batch = flown(load_robot("hauler"), delays=True)
    assert rms(pilot.ratio / truths(batch)[0] - 1.0) < 0.03


def test_it_docks_what_the_prior_holds() -> None:
    robot = load_robot("hauler")
    batch = hauls(robot, delays=True, time_limit=100.0)
    out = fly(AdaptivePd(robot), batch, batch.pool.z, batch.pool.belief)
    assert out.is_success.all()


def test_same_seed_same_bytes() -> None:
    robot = load_robot("hauler")
    one, other = (flown(robot, delays=True) for _ in range(2))
    assert one[0].linear.tobytes() == other[0].linear.tobytes()
    assert one[0].angular.tobytes() == other[0].angular.tobytes()
    assert one[1].world.state.tobytes() == other[1].world.state.tobytes()


def test_worlds_do_not_know_of_each_other() -> None:
    """A world's actions are the same alone and in a batch."""
    robot, rng = load_robot("bee-gas"), np.random.default_rng(0)
    seen = [0.05 * rng.standard_normal((4, 73)).astype(np.float32) for _ in range(5)]
    whole, alone = AdaptivePd(robot), AdaptivePd(robot)
    for rows in seen:
        assert np.array_equal(whole.act(rows)[2:3], alone.act(rows[2:3]))


def test_it_is_told_nothing_of_the_belief() -> None:
    robot, rng = load_robot("bee-gas"), np.random.default_rng(0)
    seen = 0.05 * rng.standard_normal((4, 73)).astype(np.float32)
    other = seen.copy()
    other[:, 24:] = 1.0
    assert np.array_equal(AdaptivePd(robot).act(seen), AdaptivePd(robot).act(other))


def test_the_prior_alone_starts_it() -> None:
    """Mean and spread of gain over mass are those of the prior's own draws."""
    robot = load_robot("bee-gas")
    mean, spread = Nominal.of(robot).linear
    z = np.random.default_rng(5).standard_normal((20000, NUM_PARAMETERS))
    theta = robot.prior.theta(z)
    ratio = theta[:, index_of("gain_fx")] / (theta[:, index_of("mass")] + theta[:, index_of("payload")])
    assert mean[3] == pytest.approx(ratio.mean(), rel=0.01)  # 4 standard errors of 4000 draws of 17 %
    assert np.sqrt(spread[3, 3]) == pytest.approx(ratio.std(), rel=0.05)


def test_the_response_to_a_constant_command_is_the_command() -> None:
    response = Nominal.of(load_robot("hauler")).response()
    assert np.allclose(response.sum(axis=1), 1.0)
    assert (response >= 0.0).all()


def test_gains_are_checked() -> None:
    for change, text in (({"damping": -1.0}, "damping = -1"), ({"share": 1.5}, "share = 1.5"),
                         ({"forgetting": 0.0}, "forgetting = 0")):  # fmt: skip
        with pytest.raises(ConfigError, match=text):
            AdaptiveConfig(**change)
