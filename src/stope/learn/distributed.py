# SPDX-License-Identifier: Apache-2.0
"""Training of a free flight by several ranks, whoever starts them: workers, Ray's actors, or torchrun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stope.base.errors import ConfigError
from stope.base.progress import Progress, silent
from stope.base.ranks import Group
from stope.base.workers import Unit, Workers
from stope.learn.policies import MlpPolicy
from stope.learn.store import trained_flight
from stope.learn.train import TrainConfig, share_of

__all__ = ["trained_together"]


def trained_together(
    config: TrainConfig, root: Path, workers: Workers, *, num_threads: int = 1, progress: Progress = silent
) -> tuple[MlpPolicy, Path]:
    """The policy of a free flight, trained by one rank a worker, or found in `root`; as `trained_flight`.

    Started by torchrun, this process is one of the ranks already, and the workers must be one. A rank that dies has all
    start again from the last checkpoint: their weights depend on each other, so that less would not do.

    Args:
        config: What and how; its worlds are shared out.
        root: Folder of all runs, on the first rank's machine; the policy is written on this one too.
        workers: As many as ranks.
        num_threads: Threads of the physics of each rank; the weights do not depend on it, but on the number of ranks.
        progress: Told of the share of the training that is done.

    Raises:
        ConfigError: worlds that cannot be shared out, or ranks from both sides.
        WorkerLost: ranks that die again and again.
    """
    group = Group.of_environment()
    if group.size > 1 and workers.num > 1:
        raise ConfigError(f"--workers: torchrun has started {group.size} ranks already. Leave --workers out.")
    share_of(config, max(group.size, workers.num))  # refused here, before anything is started
    if group.size > 1 or workers.num == 1:
        with group.joined():
            return trained_flight(config, root, num_threads=num_threads, group=group,
                                  progress=progress if group.is_first else silent)  # fmt: skip
    policy, path = workers.together(Unit(_rank, (config, root, num_threads), f"train {config.skill}", shows=True),
                                    progress=lambda _, share: progress(f"train {config.skill}", share))  # fmt: skip
    if not path.exists():  # the first rank ran where there is no folder in common
        policy.save(path)
    return policy, path


def _rank(
    group: Group, config: TrainConfig, root: Path, num_threads: int, *, show: Callable[[float], None] | None = None
) -> tuple[MlpPolicy, Path]:
    """One rank's part."""

    def told(stage: str, share: float) -> None:
        if show is not None and stage.startswith("train"):
            show(share)

    with group.joined():
        return trained_flight(config, root, num_threads=num_threads, progress=told, group=group)
