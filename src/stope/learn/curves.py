# SPDX-License-Identifier: Apache-2.0
"""Curves of a training for TensorBoard: success of the fixed evaluation, written as the training goes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stope.learn.skill_training import SkillTraining

__all__ = ["Curves"]


class Curves:
    """A run's scalars in `FOLDER/tensorboard`; `tensorboard --logdir FOLDER` shows them."""

    def __init__(self, folder: Path, run: SkillTraining) -> None:
        """Go on after what the run has written before it was stopped."""
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 -- a second of import, only when training

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=run.iteration or None)
        self._num, self._num_losses = len(run.history), len(run.losses)

    def __enter__(self) -> Curves:
        """Use as a context, so that the file is closed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self._writer.close()

    def add(self, run: SkillTraining) -> None:
        """Write what is new."""
        for row in run.history[self._num :]:
            for name in ("success", "low", "high"):
                self._writer.add_scalar(f"evaluation/{name}", row[name], int(row["iteration"]))
            self._writer.add_scalar("evaluation/steps", row["steps"], int(row["iteration"]))
        for k in range(self._num_losses, len(run.losses)):
            self._writer.add_scalar("imitation/loss", run.losses[k], k + 1)
        self._writer.add_scalar("learner/rate", run.ppo.learning_rate, run.iteration)
        self._num, self._num_losses = len(run.history), len(run.losses)
