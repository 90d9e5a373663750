# SPDX-License-Identifier: Apache-2.0
"""How a policy does: success, time, effort and error over fresh worlds, each rate with n and its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.device import set_learner_threads
from stope.base.intervals import Rate, clopper_pearson
from stope.base.seeding import generator
from stope.learn.envelope import Envelope, Interventions
from stope.world import plant as p
from stope.world.belief import Belief, draw_beliefs
from stope.world.env import DockBatch
from stope.world.physics import NUM_PARAMETERS
from stope.world.tasks import dock

__all__ = ["Episodes", "Policy", "conditions", "draw_truths", "fly"]


class Policy(Protocol):
    """Anything that maps observations (worlds, num_observations) to actions (worlds, 6)."""

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions in [-1, 1]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """Whole outcomes of n episodes; every array is (n,)."""

    is_success: NDArray[np.bool_]
    duration: NDArray[np.float64]
    """To the end of the 5 s hold, or the whole episode when there was none [s]."""
    tail_error: NDArray[np.float64]
    """Mean position error over the last 5 s of the time limit [m]."""
    is_within_2cm: NDArray[np.bool_]
    """Held within 2 cm for 10 s."""
    is_within_1cm: NDArray[np.bool_]
    impulse: NDArray[np.float64]
    """Sum of |force| dt commanded over the whole episode [N s]."""
    propellant: NDArray[np.float64]
    """Used [kg]."""
    energy: NDArray[np.float64]
    """Electrical, to the end of the episode [J]."""
    distance: NDArray[np.float64]
    """At the start [m]."""
    envelope: Interventions | None = None
    """What the safety envelope did; None without one."""

    @property
    def rate(self) -> Rate:
        """Success with its Clopper-Pearson 95 % interval."""
        return clopper_pearson(int(self.is_success.sum()), len(self.is_success))

    def summary(self) -> dict[str, Any]:
        """Figures for a table or JSON; every rate is a fraction from 0 to 1."""
        ok = self.is_success
        rate = self.rate
        fine, finest = (clopper_pearson(int(x.sum()), len(x)) for x in (self.is_within_2cm, self.is_within_1cm))
        return {
            "success": rate.success, "n": rate.n, "low": rate.low, "high": rate.high,
            "within_2cm_10s": {"success": fine.success, "n": fine.n, "low": fine.low, "high": fine.high},
            "within_1cm_10s": {"success": finest.success, "n": finest.n, "low": finest.low, "high": finest.high},
            "time_to_success_s": float(np.median(self.duration[ok])) if ok.any() else None,
            "final_error_m": float(self.tail_error.mean()),
            "impulse_ns": float(self.impulse.mean()),
            "propellant_kg": float(self.propellant.mean()),
            "energy_j": float(self.energy.mean()),
        } | ({} if self.envelope is None else {"envelope": self.envelope.summary()})  # fmt: skip


def fly(
    policy: Policy,
    batch: DockBatch,
    z: ArrayLike,
    belief: Belief | ArrayLike,
    *,
    on_step: Callable[[int], None] | None = None,
    envelope: Envelope | None = None,
) -> Episodes:
    """Fly one whole episode in every world of a batch.

    Args:
        policy: What flies.
        batch: The worlds; world i gets truth z[i].
        z: Whitened truths, (worlds, num_parameters).
        belief: What the policy is told: one belief, or one summary each.
        on_step: Called after every control step with its number.
        envelope: Stands between the policy and the robots.

    Returns:
        The outcomes. An episode that leaves the keep-in sphere goes on to the time limit but has failed.
    """
    set_learner_threads()
    batch.assign(z, belief)
    observation = batch.reset()
    lost = np.zeros(batch.num_worlds, dtype=bool)
    tank = batch.world.state[:, p.PROPELLANT].copy()
    if envelope is not None:
        envelope.begin(batch.num_worlds)
    for step in range(batch.max_episode_steps):
        if envelope is None:
            action = policy.act(observation)
        else:
            action = envelope.check(policy.act(envelope.watch(observation)), ~lost)
        observation, _, terminated, _ = batch.step(action, autoreset=False)
        lost |= terminated
        if on_step is not None:
            on_step(step)
    record, state, robot = batch.last_record, batch.world.state, batch.robot
    success = (record[:, dock.SUCCESS_TIME] >= 0) & ~lost
    limit = batch.task.time_limit
    impulse = state[:, p.IMPULSE]
    effort = impulse + state[:, p.IMPULSE + 1] / robot.torque_arm
    return Episodes(
        is_success=success,
        duration=np.where(success, record[:, dock.SUCCESS_TIME], limit),
        tail_error=record[:, dock.TAIL_ERROR] / round(5.0 * batch.max_episode_steps / limit),
        is_within_2cm=(record[:, dock.TIME_2CM] >= 0) & ~lost,
        is_within_1cm=(record[:, dock.TIME_1CM] >= 0) & ~lost,
        impulse=impulse.copy(),
        propellant=tank - state[:, p.PROPELLANT],
        energy=robot.power_idle * limit + robot.power_per_newton * effort,
        distance=record[:, dock.DISTANCE].copy(),
        envelope=None if envelope is None else envelope.record(),
    )


def conditions(num: int, seed: int) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Truths and belief summaries of the two standing conditions.

    "default" is the prior's median with the prior as belief; "prior" draws truths from the prior and shows beliefs of
    random sharpness, as in training but from another stream; "ignorant" has the same truths and shows only the prior.
    """
    prior = Belief.prior("").summary()
    z, beliefs = draw_beliefs(generator(seed, "evaluate"), num)
    flat = np.broadcast_to(prior, (num, 2 * NUM_PARAMETERS))
    return {
        "default": (np.zeros((num, NUM_PARAMETERS)), flat.copy()),
        "prior": (z, beliefs),
        "ignorant": (z, flat.copy()),
    }


def draw_truths(belief: Belief, num: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """Whitened truths (num, num_parameters) drawn from a belief: its particles, or its normal without them."""
    if belief.particles is not None:
        return belief.particles[rng.integers(0, len(belief.particles), num)]
    return rng.multivariate_normal(belief.mean, belief.covariance, num, method="cholesky")
