# SPDX-License-Identifier: Apache-2.0
"""Laplace's approximation of a least-squares posterior: Gauss-Newton from several starts, finite-difference Jacobian.

All starts and all columns of their Jacobians go through the kernel in one batch.

Source:
    Levenberg-Marquardt damping as in Nocedal and Wright 2006, section 10.3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["laplace", "linearise"]

Floats = NDArray[np.float64]
_STEP = 1e-4


def laplace(
    residuals: Callable[[Floats], Floats], starts: Floats, *, max_iterations: int = 25
) -> tuple[Floats, Floats, float]:
    """Mode and covariance of exp(-|r(x)|^2 / 2).

    Args:
        residuals: Whitened residuals, prior included, of each row: (rows, dimensions) to (rows, residuals).
        starts: Starting points, (starts, dimensions).
        max_iterations: Gauss-Newton steps at most.

    Returns:
        The mode (dimensions,), the covariance there, and half the squared residual norm.
    """
    x = starts.copy()
    num, dims = x.shape
    cost, damping = _cost(residuals(x)), np.full(num, 1e-2)
    for iteration in range(max_iterations):
        if iteration == 5 and num > 1:  # the others had their chance
            keep = [int(np.argmin(cost))]
            x, cost, damping, num = x[keep], cost[keep], damping[keep], 1
        before = cost.min()
        for k in range(num):
            r, jacobian = linearise(residuals, x[k])
            hessian, gradient = jacobian.T @ jacobian, jacobian.T @ r
            trials = damping[k] * np.array([0.1, 1.0, 10.0, 100.0])
            steps: list[Floats] = [-np.linalg.solve(hessian + t * np.diag(np.diag(hessian)), gradient) for t in trials]
            candidates = x[k] + np.clip(np.array(steps), -2.0, 2.0)
            costs = _cost(residuals(candidates))
            best = int(np.argmin(costs))
            if costs[best] < cost[k]:
                x[k], cost[k], damping[k] = candidates[best], costs[best], max(trials[best], 1e-9)
            else:
                damping[k] *= 100.0
        if iteration > 5 and before - cost.min() < 1e-3:
            break
    best = int(np.argmin(cost))
    _, jacobian = linearise(residuals, x[best])
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    assert covariance.shape == (dims, dims)
    return x[best], 0.5 * (covariance + covariance.T), float(cost[best])


def _cost(r: Floats) -> Floats:
    total = 0.5 * np.sum(r * r, axis=1)
    return np.where(np.isfinite(total), total, np.inf)


def linearise(residuals: Callable[[Floats], Floats], x: Floats) -> tuple[Floats, Floats]:
    """Residuals at x (residuals,) and their Jacobian (residuals, dimensions), by central differences in one batch."""
    points = np.concatenate([x[None], x + _STEP * np.eye(len(x)), x - _STEP * np.eye(len(x))])
    r = residuals(points)
    n = len(x)
    return r[0], ((r[1 : n + 1] - r[n + 1 :]) / (2.0 * _STEP)).T
