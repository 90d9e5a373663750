# SPDX-License-Identifier: Apache-2.0
"""`stope world practise`: what a task's scripted baseline achieves, and what doing nothing does."""

from __future__ import annotations

from typing import Annotated

import typer

from stope.cli.console import percent, progress_bars, show_table
from stope.cli.keep import reported, told
from stope.cli.options import AsJson, Episodes, Seed, Settings, Threads, example

__all__ = ["EXAMPLE", "practise"]

EXAMPLE = example(
    "stope world practise",
    "stope world practise dig --n 256 --json",
    "stope world practise anchor --set push_high=0.2",
)


@reported(basis="measured")
def practise(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TASK]...", help="anchor, capture, dig, dock, haul, hop; all if none."),
    ] = None,
    *,
    n: Episodes = 128,
    seed: Seed = 1,
    settings: Settings = None,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Run the scripted baseline of tasks, and a policy that does nothing, in the same worlds.

    Each rate stands with n and its 95 % Clopper-Pearson interval. The worlds are drawn from the priors of robot and
    ground; nothing measured exists for work in soil below a hundredth of Earth's gravity, so what the soil does there
    is extrapolation.
    """
    from stope.learn.practice import TASK_NAMES, task_class  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.practice import practise as run  # noqa: PLC0415 -- as above

    names = tasks or list(TASK_NAMES)
    for name in names:
        task_class(name)
    with progress_bars() as progress:
        found = {name: run(name, num=n, seed=seed, settings=settings, num_threads=threads, progress=progress)
                 for name in names}  # fmt: skip
    says = "; ".join(f"{name}: the script succeeds in {percent(row['script'])}" for name, row in found.items())
    if told({"tasks": found}, as_json=as_json, says=f"{says}, with 95 % intervals."):
        return
    rows = [(name, pilot, percent(row), f"{100 * row['failed']:.1f} %")
            for name, pilots in found.items() for pilot, row in pilots.items()]  # fmt: skip
    show_table(f"Success of {n} episodes each", ("task", "done by", "success", "failed for good"), rows)
