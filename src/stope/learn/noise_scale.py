# SPDX-License-Identifier: Apache-2.0
"""Gradient noise scale: how large a batch of a training may be before more samples stop making steps better.

The square of one rollout's gradient holds its noise; the product of two rollouts' gradients, on average, does not: it
is the square of the true one. Their ratio is the batch at which a step's noise equals its gradient, and in practice
about the batch at which twice the fewest steps are needed. Samples of one rollout share its episodes, and rollouts that
follow each other do too, so products are taken of rollouts that are at least an episode apart.

Source: McCandlish et al. 2018, arXiv 1812.06162, appendix A.1; there of batches within one step, here across rollouts,
whose many pairs tell a small gradient from none.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.base.seeding import generator
from stope.learn.train import Training

__all__ = ["noise_scale", "rollout_gradient", "scale_of"]

Floats = NDArray[np.float64]
RESAMPLED = 1000


def scale_of(products: Floats, batch: int, *, apart: int = 1, counts: Floats | None = None) -> tuple[float, float]:
    """Noise and signal of the gradients of rollouts, one after the other.

    Args:
        products: Scalar products of their mean gradients, (rollouts, rollouts).
        batch: Samples of each.
        apart: Least distance of two whose product counts, in rollouts.
        counts: How often each counts, (rollouts,); once if left out.

    Returns:
        Estimates without bias of tr(covariance of one sample's gradient) and of |true gradient|^2; the second may come
        out negative. Their ratio is the noise scale [samples].
    """
    each, at = np.ones(len(products)) if counts is None else counts, np.arange(len(products))
    pairs = np.outer(each, each) * (np.abs(at[:, None] - at) >= apart)
    signal = float((pairs * products).sum() / pairs.sum())
    return batch * (float(each @ np.diag(products) / each.sum()) - signal), signal


def rollout_gradient(training: Training) -> Floats:
    """Gradient of PPO's objective over one more rollout, at the weights that rolled out, (weights of actor's mean,)."""
    training.roll_out()
    store, actor = training.ppo.storage, training.ppo.actor
    # Copies: what a rollout stores was made without gradients in mind, and cannot be part of one.
    seen, actions, advantages = (x.flatten(0, 1).clone() for x in (store.observations, store.actions, store.advantages))
    weights = [w for name, w in actor.named_parameters() if name.startswith("mlp.")]
    actor(seen, stochastic_output=True)
    # At the weights of the rollout the ratio of probabilities is 1: its gradient is that of the log-probability.
    loss = -(actor.get_output_log_prob(actions) * advantages[:, 0]).mean()
    found = torch.autograd.grad(loss, weights)
    store.clear()
    return torch.cat([g.flatten() for g in found]).double().numpy()


def noise_scale(training: Training, *, rollouts: int, seed: int = 1) -> dict[str, float]:
    """Noise scale at the training's present weights, over so many rollouts, four episodes of them or more.

    Returns:
        `value` [samples], and `low` and `high`, the 80 % bootstrap interval over rollouts; infinite where no gradient
        is shown.

    Raises:
        ConfigError: too few rollouts to have pairs that share no episode.
    """
    config = training.config
    batch = config.num_worlds * config.steps_per_iteration
    apart = math.ceil(training.batch.max_episode_steps / config.steps_per_iteration)
    if rollouts < 4 * apart:
        raise ConfigError(f"noise_scale: {rollouts} rollouts: expected {4 * apart} or more, four episodes.")
    gradients = np.array([rollout_gradient(training) for _ in range(rollouts)])
    products = gradients @ gradients.T
    rng = generator(seed, "noise-scale-bootstrap")
    # As counts, not as rollouts of their own: one drawn twice would make a pair of its own noise.
    drawn = [np.bincount(rng.integers(0, rollouts, rollouts), minlength=rollouts).astype(np.float64)
             for _ in range(RESAMPLED)]  # fmt: skip
    found = np.array([scale_of(products, batch, apart=apart, counts=w) for w in (np.ones(rollouts), *drawn)])
    with np.errstate(divide="ignore"):
        ratios = np.where(found[:, 1] > 0.0, found[:, 0] / found[:, 1], np.inf)
    low, high = np.quantile(ratios[1:], [0.1, 0.9], method="nearest")
    return {"value": float(ratios[0]), "low": float(low), "high": float(high), "rollouts": rollouts}
