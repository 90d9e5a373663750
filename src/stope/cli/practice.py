# SPDX-License-Identifier: Apache-2.0
"""`stope world practise`: what a task's scripted baseline achieves, and what doing nothing does."""

from __future__ import annotations

from typing import Annotated

import typer

from stope.cli.console import percent, progress_bars, show_json, show_table
from stope.cli.options import AsJson, Episodes, Seed, Settings, Threads, example

__all__ = ["EXAMPLE", "practise"]

EXAMPLE = example("stope world practise anchor", "stope world practise dig --n 256 --json",
                  "stope world practise anchor --set push_high=0.2")  # fmt: skip


def practise(
    task: Annotated[str, typer.Argument(metavar="TASK", help="anchor, capture, dig, dock, haul or hop.")],
    *,
    n: Episodes = 128,
    seed: Seed = 1,
    settings: Settings = None,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Run a task's scripted baseline, and a policy that does nothing, in the same worlds.

    Each rate stands with n and its 95 % Clopper-Pearson interval. The worlds are drawn from the priors of robot and
    ground; nothing measured exists for work in soil below a hundredth of Earth's gravity, so what the soil does there
    is extrapolation.
    """
    from stope.learn.practice import practise as run  # noqa: PLC0415 -- keeps `stope --help` fast

    with progress_bars() as progress:
        found = run(task, num=n, seed=seed, settings=settings, num_threads=threads, progress=progress)
    if as_json:
        show_json({"task": task, "pilots": found})
        return
    rows = [(name, percent(row), str(row["n"]), f"{100 * row['failed']:.1f} %") for name, row in found.items()]
    show_table(f"Task {task}", ("done by", "success", "n", "failed for good"), rows)
