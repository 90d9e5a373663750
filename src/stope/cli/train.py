# SPDX-License-Identifier: Apache-2.0
"""`stope train`: teach a robot a skill at a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stope.cli.console import line, percent, progress_bars, show_facts, show_json, show_table
from stope.cli.options import (
    AsJson,
    Body,
    Height,
    Latitude,
    Longitude,
    Robot,
    Runs,
    Seed,
    Settings,
    Threads,
    example,
    place,
    task_of,
)
from stope.cli.settings import show_settings

__all__ = ["EXAMPLE", "train"]

EXAMPLE = example(
    "stope train dock",
    "stope train dock --body bennu --latitude 45 --seed 2 --out bennu.safetensors",
    "stope train dock --set task.distance=3 --set num_worlds=128",
)


def train(
    skill: Annotated[str, typer.Argument(metavar="SKILL", help="A name of `stope world tasks`.")],
    *,
    robot: Robot = None,
    body: Body = None,
    latitude: Latitude = None,
    longitude: Longitude = None,
    height: Height = None,
    seed: Seed = 1,
    settings: Settings = None,
    runs: Runs = Path("runs"),
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Copy the policy to this file too.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print all settings that --set can change, and stop.")
    ] = False,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Train a policy, or find the one that these settings have trained before.

    A killed training goes on from its last checkpoint and ends with the same weights.
    """
    from stope.base.config import as_dict  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.store import trained_dock  # noqa: PLC0415 -- as above
    from stope.learn.train import TrainConfig  # noqa: PLC0415 -- as above

    task_of(skill)
    config = place(TrainConfig(), robot=robot, body=body, latitude=latitude, longitude=longitude, height=height,
                   seed=seed, settings=settings)  # fmt: skip
    if dry_run:
        if as_json:
            show_json(as_dict(config))
        else:
            show_settings(f"Settings of `stope train {skill}`, as --set takes them", config)
        return
    with progress_bars() as progress:
        policy, path = trained_dock(config, runs, num_threads=threads, progress=progress)
    if out is not None:
        policy.save(out)
    if as_json:
        show_json({"policy": str(out or path), "digest": policy.digest, "card": policy.card})
        return
    card = policy.card
    rows = [(name, percent(c), percent(c["within_2cm_10s"]), f"{c['time_to_success_s'] or 0:.1f}",
             f"{1000 * c['final_error_m']:.1f}") for name, c in card["success"].items()]  # fmt: skip
    n = next(iter(card["success"].values()))["n"]
    show_facts("Trained", {"robot": card["robot"], "site": card["site"], "control steps": card["steps"],
                           "learning [s]": card["learning_s"], "weights": policy.digest})  # fmt: skip
    show_table(f"In {n} fresh worlds each", ("condition", "docked", "2 cm for 10 s", "time [s]", "error [mm]"), rows)
    line(f"policy: {out or path}")
