# SPDX-License-Identifier: Apache-2.0
"""Criticism before trust: is this log one at all, can the model explain it, and how far may its belief be trusted.

Four questions, each with a reference that the answer is held against.

1. Do the log's own columns fit together, whatever the physics? Position is the integral of velocity, attitude that of
   rate, and velocity follows the command that was in force and not the one that came later.
2. Is the information of the likelihood what the scores say? Under a right model the scores of separate blocks of a
   flight have the covariance that the Jacobian promises; where they vary more, the belief is too sure by that factor.
   The same over whole flights, once there are two.
3. Do intervals for windows that were kept aside hold what was measured there?
4. How large are the prediction errors, in units of what noise alone gives?

What fails widens: the likelihood is raised to the power 1/T.

Source: scores against information: White 1982, doi 10.2307/1912526.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from stope.base.intervals import binomial_band
from stope.base.rotation import to_matrix
from stope.flight.record import Flight
from stope.world.physics import NUM_PARAMETERS, mass_properties
from stope.world.robots import Robot

__all__ = ["BLOCK_ROWS", "Held", "block_temperature", "column_faults", "held_temperature", "kept_aside",
           "score_blocks", "widened"]  # fmt: skip

Floats = NDArray[np.float64]

BLOCK_ROWS = 100
"""Rows of a block of scores, and from one window kept aside to the next (chosen: 20 s, longer than any manoeuvre)."""
GAP_ROWS = 15
"""Rows of a window that is kept aside (chosen: predicts 3 s ahead)."""
STRIDE = 5
"""Rows over which the log's own columns are compared."""
LARGEST_TEMPERATURE = 100.0
SURE = 0.95
"""Level at which a finding counts."""
SURE_OF_HELD = 0.998
"""Level at which what was kept aside counts against a belief: two intervals are looked at, and the twelve channels of a
window go together. At 0.95, 12 of 165 right beliefs were widened, some by 38."""


def column_faults(flight: Flight, robot: Robot) -> list[str]:
    """What does not fit together in a log: units, signs, frames, the direction of time; one sentence each."""
    h, k = flight.control_period, STRIDE
    whole = np.convolve(flight.measured, np.ones(k + 1), mode="valid") == k + 1
    at = np.flatnonzero(whole)
    if len(at) < 20:
        return []
    velocity = np.stack([h * (0.5 * flight.velocity_l[at + j] + 0.5 * flight.velocity_l[at + j + 1])
                         for j in range(k)]).sum(axis=0)  # fmt: skip
    rate = np.stack([0.5 * h * (flight.rate_b[at + j] + flight.rate_b[at + j + 1]) for j in range(k)]).sum(axis=0)
    moved = flight.position_l[at + k] - flight.position_l[at]
    turned = _turn(flight.q_lb[at], flight.q_lb[at + k])
    found = [*_slope("position", "velocity", moved, velocity, 0.01, {1e3: "millimetres", 1e-3: "kilometres"}),
             *_slope("attitude", "rate", turned, rate, 0.01, {57.3: "degrees", 1.0 / 57.3: "degrees"})]  # fmt: skip
    return found or _command_faults(flight, robot, at)


def _turn(first: Floats, last: Floats) -> Floats:
    """Rotation vectors (rows, 3) in b from one quaternion to the next, small turns."""
    w, x, y, z = first.T
    a, b, c, d = last.T
    sign = np.where(w * a + x * b + y * c + z * d < 0.0, -2.0, 2.0)
    return np.stack([w * b - x * a - y * d + z * c, w * c + x * d - y * a - z * b, w * d - x * c + y * b - z * a],
                    axis=1) * sign[:, None]  # fmt: skip


def _slope(
    what: str, of: str, change: Floats, integral: Floats, least: float, units: dict[float, str]
) -> list[str]:  # fmt: skip
    """Fault if the change of a column is not once the integral of its rate; silent where nothing moved."""
    size = float(np.sqrt(np.mean(integral**2)))
    if not size > 0.0 or max(size, float(np.sqrt(np.mean(change**2)))) < least:
        return []
    slope = float(np.sum(change * integral) / np.sum(integral**2))
    if 0.5 < slope < 2.0:
        return []
    for unit, name in units.items():
        for factor in (unit, 1.0 / unit):
            if 0.7 < slope / factor < 1.4:
                return [f"{what} changes by {slope:.3g} times the integral of {of}: one of them is in {name}"]
    if slope < -0.5:
        return [f"{what} changes by {slope:.3g} times the integral of {of}: time runs backwards, or a sign is wrong"]
    return [f"{what} changes by {slope:.3g} times the integral of {of}, expected 1: units or frames differ"]


def _command_faults(flight: Flight, robot: Robot, at: NDArray[np.intp]) -> list[str]:
    """Whether velocity follows the command in force, in size, sign and time."""
    h, rows = flight.control_period, flight.num_rows
    mass, _, _ = mass_properties(robot.prior.theta(np.zeros(NUM_PARAMETERS)), payload_mount_b=robot.payload_mount_b,
                                 payload_radius=robot.payload_radius)  # fmt: skip
    at = at[(at >= 2) & (at + 2 < rows)]
    turn = to_matrix(flight.q_lb[at])
    gained = flight.velocity_l[at + 1] - flight.velocity_l[at]

    def pushed(shift: int) -> Floats:
        return np.einsum("nij,nj->ni", turn, flight.command[at + shift, :3]) * h / float(mass)

    def explained(*shifts: int) -> tuple[float, Floats]:
        columns = np.stack([pushed(s).ravel() for s in shifts] + [np.tile(np.eye(3)[j], len(at)) for j in range(3)])
        weights, *_ = np.linalg.lstsq(columns.T, gained.ravel(), rcond=None)
        left = gained.ravel() - columns.T @ weights
        return 1.0 - float(left @ left) / float(np.sum((gained - gained.mean(axis=0)) ** 2)), np.asarray(
            weights[: len(shifts)], dtype=np.float64
        )

    (past, own), (future, _) = explained(-1, 0), explained(1, 2)
    if max(past, future) < 0.05:  # nothing was commanded that noise does not hide
        return []
    _, both = explained(-1, 0, 1, 2)
    slope = float(own.sum())
    if future > past and abs(both[2:].sum()) > abs(both[:2].sum()):
        return [f"velocity follows later commands ({future:.0%} of its changes) better than those in force "
                f"({past:.0%}): time runs backwards, or commands are shifted"]  # fmt: skip
    if slope < 0.0:
        return [f"the robot accelerates against its commands (slope {slope:.3g}): a sign or the frame is wrong"]
    if not 0.25 < slope < 4.0:
        return [f"the robot accelerates {slope:.3g} times as its commands say: units of force or the robot are wrong"]
    return []


def score_blocks(jacobian: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Scores (blocks, dimensions) and information (blocks, dimensions, dimensions) of blocks of rows.

    Args:
        jacobian: Of the whitened errors, (rows, 12, dimensions).
        errors: (rows, 12).
    """
    edges = range(0, len(errors), BLOCK_ROWS)
    blocks = [(jacobian[k : k + BLOCK_ROWS].reshape(-1, jacobian.shape[2]), errors[k : k + BLOCK_ROWS].ravel())
              for k in edges]  # fmt: skip
    return np.array([j.T @ e for j, e in blocks]), np.array([j.T @ j for j, _ in blocks])


def block_temperature(scores: Floats, information: Floats, covariance: Floats) -> tuple[float, float]:
    """By how much scores vary beyond what the information says, in the directions that the data decide.

    Args:
        scores: One row a block, (blocks, dimensions), at the mode.
        information: J^T J of each block, (blocks, dimensions, dimensions).
        covariance: Of the posterior, prior included.

    Returns:
        The ratio, 1 under a right model, and the value that a right model stays under in 95 of 100 flights. Both 1
        with fewer than two blocks.
    """
    if len(scores) < 2:
        return 1.0, 1.0
    # At the mode the scores add up to next to nothing: a block that decides a direction alone has none left in it.
    left = information - information @ covariance @ information
    shares = np.einsum("ij,bjk->bik", covariance, left)
    expected = float(np.einsum("bii->", shares))
    if not expected > 0.0:
        return 1.0, 1.0
    found = float(np.einsum("bi,ij,bj->", scores, covariance, scores)) / expected
    spread = float(np.sqrt(2.0 * np.einsum("bij,bji->", shares, shares))) / expected
    return found, 1.0 + float(ndtri(SURE)) * spread


def kept_aside(flight: Flight) -> tuple[Flight, NDArray[np.bool_]]:
    """A flight without its windows, and which rows at their ends are to be predicted, (rows,)."""
    row = np.arange(flight.num_rows) % BLOCK_ROWS
    gap, last = row >= BLOCK_ROWS - GAP_ROWS, row == BLOCK_ROWS - 1
    return replace(flight, measured=flight.measured & (~gap | last)), last & flight.measured


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Windows kept aside: what was measured there against what was predicted, whitened by the filter."""

    errors: Floats
    """(windows, 12)."""
    jacobian: Floats
    """Of the errors, (windows, 12, dimensions)."""
    covariance: Floats
    """Of the posterior that never saw them, at temperature 1."""

    def sizes(self, temperature: float) -> Floats:
        """Errors in units of the predictive standard deviation, (windows, 12)."""
        spread = np.einsum("wci,ij,wcj->wc", self.jacobian, self.covariance, self.jacobian)
        return self.errors / np.sqrt(1.0 + temperature * spread)


def held_temperature(held: Sequence[Held], start: float) -> tuple[float, dict[str, Any]]:
    """The least temperature, from `start` on, at which intervals of 50 and 90 % hold what was kept aside.

    Returns:
        The temperature, and a report: number of intervals, coverage before and after, the least that counts as held,
        and the `scale` by which predictions must be widened further where the belief's width is not what they lack.
    """
    windows = [h for h in held if len(h.errors)]
    if not windows:
        return start, {"n": 0}
    num = sum(h.errors.size for h in windows)

    def cover(temperature: float) -> dict[float, float]:
        sizes = np.abs(np.concatenate([h.sizes(temperature).ravel() for h in windows]))
        return {level: float(np.mean(sizes <= float(ndtri(0.5 + 0.5 * level)))) for level in (0.5, 0.9)}

    lowest = {level: binomial_band(num, level, SURE_OF_HELD)[0] for level in (0.5, 0.9)}
    before, temperature = cover(start), start
    while temperature < LARGEST_TEMPERATURE and any(cover(temperature)[level] < lowest[level] for level in lowest):
        temperature = min(1.5 * temperature, LARGEST_TEMPERATURE)
    if temperature >= LARGEST_TEMPERATURE and cover(temperature)[0.9] < before[0.9] + 0.01:
        temperature = start  # widening theta does not help: say so instead of throwing the flight away
    after = cover(temperature)
    sizes = np.abs(np.concatenate([h.sizes(temperature).ravel() for h in windows]))
    scale = max(1.0, float(np.quantile(sizes, 0.9) / ndtri(0.95))) if after[0.9] < lowest[0.9] else 1.0
    return temperature, {
        "n": num, "horizon_s": GAP_ROWS * 0.2, "coverage_50": before[0.5], "coverage_90": before[0.9],
        "lowest_50": lowest[0.5], "lowest_90": lowest[0.9], "coverage_50_widened": after[0.5],
        "coverage_90_widened": after[0.9], "scale": scale,
    }  # fmt: skip


def widened(particles: Floats, floor: float, rng: np.random.Generator) -> tuple[Floats, bool]:
    """Particles with at least the spread `floor` in every direction, and whether any was narrower (entropy floor)."""
    values, vectors = np.linalg.eigh(np.cov(particles.T))
    lacking = np.maximum(0.0, floor**2 - values)
    noise = rng.standard_normal(particles.shape) * np.sqrt(lacking)
    return particles + noise @ vectors.T, bool((lacking > 0.0).any())
