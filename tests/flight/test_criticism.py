# SPDX-License-Identifier: Apache-2.0
"""Criticism: logs that are none are told apart, beliefs that are too sure are found out and widened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stope.flight import load_flight
from stope.flight.criticism import Held, block_temperature, column_faults, held_temperature, kept_aside, widened
from stope.flight.record import Flight
from stope.flight.samples import sample_flight
from stope.world.robots import load_robot

ROBOT = load_robot("bee-gas")
FLIGHT = load_flight(sample_flight())


def backwards(flight: Flight, *, mirrors: bool) -> Flight:
    """The rows the other way round; mirrored, the rates change sign with them, as in a film that runs backwards."""
    names = ("command", "position_l", "q_lb", "velocity_l", "rate_b", "measured")
    turned = replace(flight, **{name: getattr(flight, name)[::-1].copy() for name in names})
    if mirrors:
        turned = replace(turned, velocity_l=-turned.velocity_l, rate_b=-turned.rate_b)
    return turned


def test_a_flight_has_no_fault() -> None:
    assert column_faults(FLIGHT, ROBOT) == []


@pytest.mark.parametrize(
    ("log", "word"),
    [
        (backwards(FLIGHT, mirrors=False), "backwards"),
        (backwards(FLIGHT, mirrors=True), "backwards"),
        (replace(FLIGHT, position_l=1000.0 * FLIGHT.position_l), "millimetres"),
        (replace(FLIGHT, velocity_l=1000.0 * FLIGHT.velocity_l), "millimetres"),
        (replace(FLIGHT, rate_b=np.degrees(FLIGHT.rate_b)), "degrees"),
        (replace(FLIGHT, rate_b=-FLIGHT.rate_b), "sign"),
        (replace(FLIGHT, command=1000.0 * FLIGHT.command), "units of force"),
        (replace(FLIGHT, command=-FLIGHT.command), "sign"),
    ],
    ids=["reversed", "film backwards", "mm", "mm/s", "deg/s", "rate sign", "mN", "command sign"],
)
def test_a_log_that_is_none_is_told_why(log: Flight, word: str) -> None:
    faults = column_faults(log, ROBOT)
    assert faults
    assert all(word in fault for fault in faults)


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_scores_that_vary_more_than_their_information_ask_for_that_much(factor: float) -> None:
    rng, num, dims = np.random.default_rng(1), 400, 5
    jacobian = rng.standard_normal((num, 30, dims))
    information = np.einsum("bri,brj->bij", jacobian, jacobian)
    covariance = np.linalg.inv(information.sum(axis=0) + np.eye(dims))
    errors = np.sqrt(factor) * rng.standard_normal((num, 30))
    whole = jacobian.reshape(-1, dims)
    left = errors.ravel() - whole @ np.linalg.lstsq(whole, errors.ravel(), rcond=None)[0]
    found, limit = block_temperature(np.einsum("bri,br->bi", jacobian, left.reshape(num, 30)), information, covariance)
    spread = np.sqrt(2.0 / (num * dims))
    assert found == pytest.approx(factor, abs=4.0 * factor * spread)
    assert limit == pytest.approx(1.0 + 1.645 * spread, rel=0.05)


def test_one_block_says_nothing() -> None:
    assert block_temperature(np.ones((1, 2)), np.eye(2)[None], np.eye(2)) == (1.0, 1.0)


def held(true_spread: float, rng: np.random.Generator) -> Held:
    """Windows whose predictions depend on one number, thought known to 1 and known to `true_spread`."""
    jacobian = np.zeros((200, 12, 1))
    jacobian[:] = 2.0
    away = true_spread * rng.standard_normal((200, 1, 1))
    return Held((jacobian * away).sum(axis=2) + rng.standard_normal((200, 12)), jacobian, np.eye(1))


def test_windows_kept_aside_widen_a_belief_that_is_too_sure_and_leave_the_others() -> None:
    rng = np.random.default_rng(2)
    right, report = held_temperature([held(1.0, rng)], 1.0)
    assert right == 1.0
    assert report["coverage_90"] == pytest.approx(0.9, abs=0.06)
    wide, report = held_temperature([held(3.0, rng)], 1.0)
    assert 4.0 < wide < 16.0
    assert report["coverage_90"] < report["lowest_90"] <= report["coverage_90_widened"]
    assert report["scale"] == 1.0


def test_what_widening_theta_cannot_mend_is_said_and_not_hidden() -> None:
    rng = np.random.default_rng(3)
    noise = Held(3.0 * rng.standard_normal((200, 12)), np.zeros((200, 12, 1)), np.eye(1))
    temperature, report = held_temperature([noise], 1.0)
    assert temperature == 1.0
    assert report["scale"] == pytest.approx(3.0, rel=0.1)


def test_kept_aside_rows_end_windows_that_the_rest_never_sees() -> None:
    masked, rows = kept_aside(FLIGHT)
    assert rows.sum() >= FLIGHT.num_rows // 100 - 2
    for row in np.flatnonzero(rows):
        assert not masked.measured[row - 14 : row].any()
        assert masked.measured[row]


def test_no_direction_of_a_belief_is_sharper_than_the_floor() -> None:
    rng = np.random.default_rng(4)
    wide = rng.standard_normal((4000, 3)) * [1.0, 1e-4, 0.2]
    found, is_floored = widened(wide, 0.01, rng)
    assert is_floored
    assert np.sqrt(np.linalg.eigvalsh(np.cov(found.T)))[0] == pytest.approx(0.01, rel=0.05)
    assert found[:, [0, 2]].std(axis=0) == pytest.approx(wide[:, [0, 2]].std(axis=0), rel=0.01)
    assert not widened(wide[:, [0, 2]], 0.01, rng)[1]
