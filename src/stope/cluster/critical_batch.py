# SPDX-License-Identifier: Apache-2.0
"""Critical batch: how many steps and samples a goal takes when steps grow.

McCandlish and others 2018, arXiv 1812.06162: (S / S_min - 1) (E / E_min - 1) = 1, so S = S_min (1 + B_crit / B) and
E = E_min (1 + B / B_crit) with E_min = S_min B_crit. It predicts the order of magnitude of a useful batch, no more.
"""

from __future__ import annotations

from stope.cluster.collectives import Real

__all__ = ["fewest_samples", "samples_to_goal", "steps_to_goal"]


def fewest_samples(goal: Real, goal_batch: Real, critical_batch: Real) -> Real:
    """Samples to the goal with tiny steps, when it took `goal` samples with steps of `goal_batch`."""
    return goal / (1.0 + goal_batch / critical_batch)


def samples_to_goal(batch: Real, *, fewest: Real, critical_batch: Real) -> Real:
    """Samples to the goal with steps of `batch`."""
    return fewest * (1.0 + batch / critical_batch)


def steps_to_goal(batch: Real, *, fewest: Real, critical_batch: Real) -> Real:
    """Steps to the goal with steps of `batch`."""
    return fewest / critical_batch * (1.0 + critical_batch / batch)
