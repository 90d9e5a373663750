# SPDX-License-Identifier: Apache-2.0
"""Gradient noise scale: how large a batch of a training may be before more samples stop making steps better.

The norm of the mean gradient over few samples holds the noise of few, over many that of many; two sizes give both the
gradient and its noise. Their ratio is the batch at which a step's noise equals its gradient, and in practice about the
batch at which twice the fewest steps are needed.

Source: McCandlish et al. 2018, arXiv 1812.06162, appendix A.1.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from stope.base.seeding import generator
from stope.learn.train import Training

__all__ = ["noise_scale", "policy_gradients", "scale_of"]

Floats = NDArray[np.float64]


def scale_of(gradients: Floats, batch: int) -> tuple[float, float]:
    """Noise and signal of gradients over disjoint batches.

    Args:
        gradients: Mean gradient of each batch, (batches, weights).
        batch: Samples of each.

    Returns:
        Estimates without bias of tr(covariance of one sample's gradient) and of |true gradient|^2; the second may come
        out negative. Their ratio is the noise scale [samples].
    """
    num = len(gradients)
    small = float(np.mean(np.sum(gradients**2, axis=1)))
    large = float(np.sum(gradients.mean(axis=0) ** 2))
    return (small - large) * batch * num / (num - 1), (num * large - small) / (num - 1)


def policy_gradients(training: Training, groups: int, *, seed: int) -> Floats:
    """Gradients of PPO's objective at the weights that rolled out, over random groups of one rollout's samples.

    Returns:
        (groups, weights of the actor's mean).
    """
    training.roll_out()
    store, actor = training.ppo.storage, training.ppo.actor
    num = store.num_envs * store.num_transitions_per_env
    seen, actions = store.observations.flatten(0, 1), store.actions.flatten(0, 1)
    advantages = store.advantages.flatten(0, 1)[:, 0]
    order = torch.from_numpy(generator(seed, "noise-scale").permutation(num))
    weights = [w for name, w in actor.named_parameters() if name.startswith("mlp.")]
    out: list[Floats] = []
    for at in order[: groups * (num // groups)].reshape(groups, -1):
        actor(seen[at], stochastic_output=True)
        # At the weights of the rollout the ratio of probabilities is 1: its gradient is that of the log-probability.
        loss = -(actor.get_output_log_prob(actions[at]) * advantages[at]).mean()
        found = torch.autograd.grad(loss, weights)
        out.append(torch.cat([g.flatten() for g in found]).double().numpy())
    store.clear()
    return np.array(out)


def noise_scale(training: Training, *, rollouts: int, groups: int = 32, seed: int = 1) -> dict[str, float]:
    """Noise scale at the training's present weights, over several rollouts.

    Returns:
        `value` [samples], and `low` and `high`, the 80 % bootstrap interval over rollouts; infinite where no gradient
        is shown. Samples of one episode go together, which the random groups do not show.
    """
    batch = training.config.num_worlds * training.config.steps_per_iteration // groups
    parts = np.array([scale_of(policy_gradients(training, groups, seed=seed + k), batch) for k in range(rollouts)])
    picks = generator(seed, "noise-scale-bootstrap").integers(0, rollouts, (1000, rollouts))
    totals = np.concatenate([parts.sum(axis=0)[None], parts[picks].sum(axis=1)])
    with np.errstate(divide="ignore"):
        ratios = np.where(totals[:, 1] > 0.0, totals[:, 0] / totals[:, 1], np.inf)
    low, high = np.quantile(ratios[1:], [0.1, 0.9], method="nearest")
    return {"value": float(ratios[0]), "low": float(low), "high": float(high), "rollouts": rollouts}
