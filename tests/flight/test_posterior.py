# SPDX-License-Identifier: Apache-2.0
"""Coordinates, Laplace's approximation and the sampler, each against what is known exactly."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stope.base.errors import Misfit
from stope.flight.posterior import SmcConfig, TotalCoordinates, laplace, tempered_smc
from stope.world.physics import NUM_PARAMETERS, index_of, mass_properties
from stope.world.robots import Robot, load_robot


@cache
def robot_and_coordinates() -> tuple[Robot, TotalCoordinates]:
    robot = load_robot("bee-gas")
    return robot, TotalCoordinates(robot)


def drawn(seed: int, num: int = 8) -> np.ndarray:
    robot, _ = robot_and_coordinates()
    z = np.random.default_rng(seed).standard_normal((num, NUM_PARAMETERS))
    z[:, ~robot.prior.is_free] = 0.0
    return z


@given(st.integers(0, 2**32 - 1))
def test_coordinates_and_back_are_the_same_world(seed: int) -> None:
    z = drawn(seed)
    again, log_jacobian = robot_and_coordinates()[1].z(robot_and_coordinates()[1].u(z))
    assert np.isfinite(log_jacobian).all()
    assert again == pytest.approx(z, abs=1e-9)  # logarithms and roots of numbers near 1


def test_the_jacobian_is_that_of_finite_differences() -> None:
    _, coordinates = robot_and_coordinates()
    u = coordinates.u(drawn(3, 12))
    _, claimed = coordinates.z(u)
    step, measured = 1e-5, []
    for row in u:
        points = np.concatenate([row + step * np.eye(len(row)), row - step * np.eye(len(row))])
        z = coordinates.z(points)[0][:, coordinates.free]
        measured.append(np.linalg.slogdet((z[: len(row)] - z[len(row) :]) / (2.0 * step))[1])
    difference = np.array(measured) - claimed
    assert difference == pytest.approx(difference[0], abs=1e-7)  # second order in the step; the constant does not count


@given(st.integers(0, 2**32 - 1), st.floats(-0.5, 0.5), st.floats(-0.3, 0.3))
def test_another_split_of_mass_and_payload_moves_the_same(seed: int, more_mass: float, more_payload: float) -> None:
    robot, coordinates = robot_and_coordinates()
    u = coordinates.u(0.5 * drawn(seed, 1))
    other = u.copy()
    free = coordinates.free.tolist()
    other[0, free.index(index_of("mass"))] += more_mass
    other[0, free.index(index_of("payload"))] += more_payload
    z, is_body = coordinates.z(np.concatenate([u, other]))
    if not np.isfinite(is_body).all():
        return  # the payload alone would have more inertia than the whole
    theta = robot.prior.theta(z)
    mass, com, inertia = mass_properties(
        theta, payload_mount_b=robot.payload_mount_b, payload_radius=robot.payload_radius
    )
    force, torque = (theta[:, index_of(f"gain_{k}x") : index_of(f"gain_{k}x") + 3] for k in "ft")
    moments = np.diagonal(inertia, axis1=1, axis2=2)
    for same in (com, inertia / mass[:, None, None], force / mass[:, None], torque / moments):
        assert same[1] == pytest.approx(same[0], rel=1e-9, abs=1e-12)


def test_a_payload_too_heavy_for_the_whole_has_no_world() -> None:
    _, coordinates = robot_and_coordinates()
    u = np.zeros((1, coordinates.num))
    free = coordinates.free.tolist()
    for name in ("inertia_d1", "inertia_d2", "inertia_d3"):
        u[0, free.index(index_of(name))] = -40.0  # a needle of a body
    u[0, free.index(index_of("payload"))] = 2.0
    z, log_jacobian = coordinates.z(u)
    assert log_jacobian[0] == -np.inf
    assert (z == 0.0).all()


def test_laplace_is_exact_where_residuals_are_linear() -> None:
    rng = np.random.default_rng(5)
    matrix, data = rng.standard_normal((30, 4)), rng.standard_normal(30)
    mode, covariance, cost = laplace(lambda x: x @ matrix.T - data, rng.standard_normal((3, 4)))
    exact = np.linalg.lstsq(matrix, data, rcond=None)[0]
    assert mode == pytest.approx(exact, abs=1e-6)
    assert covariance == pytest.approx(np.linalg.inv(matrix.T @ matrix), rel=1e-5)
    assert cost == pytest.approx(0.5 * np.sum((matrix @ exact - data) ** 2))


def test_the_sampler_recovers_a_normal_from_a_wider_one() -> None:
    rng = np.random.default_rng(6)
    factor = np.tril(rng.standard_normal((6, 6)))
    mean, covariance = rng.standard_normal(6), factor @ factor.T + 0.1 * np.eye(6)
    precision = np.linalg.inv(covariance)

    def log_density(x: np.ndarray) -> np.ndarray:
        return -0.5 * np.einsum("ni,ij,nj->n", x - mean, precision, x - mean)

    config = SmcConfig(num_particles=4096)
    found = tempered_smc(log_density, (mean + 1.0, 4.0 * covariance), config=config, rng=np.random.default_rng(7))
    white = np.linalg.solve(np.linalg.cholesky(covariance), (found.particles - mean).T)
    # 4096 particles, of which resampling and autoregression leave some thousand: 4 sigma.
    assert np.abs(white.mean(axis=1)).max() < 0.13
    assert np.cov(white) == pytest.approx(np.eye(6), abs=0.2)


def test_the_sampler_fills_a_skewed_posterior() -> None:
    """exp(x) is 1-gamma: its moments are known, and no normal has them."""

    def log_density(x: np.ndarray) -> np.ndarray:
        return np.sum(3.0 * x - np.exp(x), axis=1)  # log of a gamma variable of shape 3

    start = np.full(2, np.log(3.0)), 2.0 / 3.0 * np.eye(2)
    found = tempered_smc(
        log_density, start, config=SmcConfig(num_particles=4096), rng=np.random.default_rng(8)
    ).particles
    # digamma(3), trigamma(3), and the skewness of a log-gamma variable of shape 3.
    assert found.mean(axis=0) == pytest.approx([0.9228] * 2, abs=0.05)
    assert found.var(axis=0) == pytest.approx([0.3949] * 2, abs=0.05)
    third = ((found - found.mean(axis=0)) ** 3).mean(axis=0) / found.std(axis=0) ** 3
    assert third == pytest.approx([-0.621] * 2, abs=0.2)


def test_a_posterior_that_is_nowhere_finite_is_a_misfit() -> None:
    with pytest.raises(Misfit, match="no world near the best fit"):
        tempered_smc(
            lambda x: np.full(len(x), -np.inf), (np.zeros(2), np.eye(2)),
            config=SmcConfig(num_particles=16), rng=np.random.default_rng(1),
        )  # fmt: skip
