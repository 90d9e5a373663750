# SPDX-License-Identifier: Apache-2.0
"""`stope evaluate`: how well a policy does, by condition and gravity, beside baselines in the same worlds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stope.cli.console import interval, line, number, percent, progress_bars, show_json, show_table
from stope.cli.options import (
    AsJson,
    Body,
    Episodes,
    Height,
    Latitude,
    Longitude,
    Robot,
    Runs,
    Seed,
    Settings,
    Threads,
    config_of_card,
    example,
    place,
    policy_for,
    task_of,
)

if TYPE_CHECKING:
    from stope.base.progress import Progress
    from stope.learn.policies import MlpPolicy
    from stope.learn.train import TrainConfig

__all__ = ["EXAMPLE", "evaluate"]

EXAMPLE = example(
    "stope evaluate dock",
    "stope evaluate dock --policy runs/bennu.safetensors --n 2000 --json",
    "stope evaluate dock --belief belief.json",
)
COLUMNS = ("flown by", "docked", "2 cm for 10 s", "1 cm for 10 s", "time [s]", "error [mm]", "energy [J]", "gas [g]")
ABOUT = {
    "default": "default: the prior's median world, told the prior",
    "prior": "prior: worlds from the prior, told a noisy belief of each",
    "ignorant": "ignorant: worlds from the prior, told only the prior",
    "belief": "belief: worlds from the belief, told the belief",
}


def evaluate(
    skill: Annotated[str, typer.Argument(metavar="SKILL", help="A name of `stope world tasks`.")],
    *,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Policy to evaluate; left out, one is trained or found in --runs."),
    ] = None,
    belief: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Belief of `stope flight fit`: adds worlds drawn from it.")
    ] = None,
    n: Episodes = 1000,
    seed: Seed = 1,
    robot: Robot = None,
    body: Body = None,
    latitude: Latitude = None,
    longitude: Longitude = None,
    height: Height = None,
    settings: Settings = None,
    runs: Runs = Path("runs"),
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Fly a policy in fresh worlds: success, time, energy and error, each rate with its 95 % interval.

    The baselines (thrusters off, random, PD with and without the belief) get the same worlds, starts and noise.
    Robot, site and task are those the policy was trained with, unless options say otherwise.
    """
    from stope.learn.assess import assess  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.world.belief import Belief  # noqa: PLC0415 -- as above
    from stope.world.robots import load_robot  # noqa: PLC0415 -- as above

    task_of(skill)
    told = None if belief is None else Belief.load(belief)
    with progress_bars() as progress:
        flown, path, config = _policy(
            policy, runs, threads, progress, robot=robot, body=body, latitude=latitude, longitude=longitude,
            height=height, settings=settings,
        )  # fmt: skip
        policy_for(flown, path, config.robot)
        result = assess(flown, load_robot(config.robot), config.site.site(), task=config.task, num=n, seed=seed,
                        belief=told, num_threads=threads, progress=progress)  # fmt: skip
    result["skills"]["dock"]["policy"] = {"file": str(path), "digest": flown.digest}
    if as_json:
        show_json(result)
    else:
        _show(result["skills"]["dock"], n)


def _policy(
    file: Path | None,
    runs: Path,
    threads: int,
    progress: Progress,
    **options: Any,
) -> tuple[MlpPolicy, Path, TrainConfig]:
    """The policy to evaluate, its file, and the configuration that says where it is flown."""
    from stope.learn.policies import MlpPolicy  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.store import trained_dock  # noqa: PLC0415 -- as above
    from stope.learn.train import TrainConfig  # noqa: PLC0415 -- as above

    if file is not None:
        policy = MlpPolicy.load(file)
        return policy, file, place(config_of_card(policy, file), **options)
    config = place(TrainConfig(), **options)
    policy, path = trained_dock(config, runs, num_threads=threads, progress=progress)
    return policy, path, config


def _row(name: str, cell: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        percent(cell),
        percent(cell["within_2cm_10s"]),
        percent(cell["within_1cm_10s"]),
        number(cell["time_to_success_s"], 3),
        number(1000.0 * cell["final_error_m"], 3),
        f"{cell['energy_j']:.0f}",
        number(1000.0 * cell["propellant_kg"], 3),
    )


def _show(skill: Mapping[str, Any], n: int) -> None:
    line(f"dock with {skill['robot']} at {skill['site']}, {n} episodes in each cell, 95 % Clopper-Pearson intervals")
    line("time: median of those that docked. error: mean over the last 5 s of the time limit.")
    for condition, cell in skill["conditions"].items():
        rows = [_row("policy", cell)]
        rows += [_row(name, row[condition]) for name, row in skill["baselines"].items()]
        show_table(ABOUT[condition], COLUMNS, rows)
    versus: list[tuple[str, ...]] = []
    for condition, row in skill["paired"].items():
        for name, pair in row.items():
            time, error = pair["difference_time_s"], pair["difference_final_error_m"]
            versus.append((
                f"{condition}: policy and {name}", str(pair["both"]), str(pair["only_policy"]), str(pair["only_other"]),
                interval(time), interval(error, 1000.0),
                _winners(pair, name),
            ))  # fmt: skip
    show_table(
        "Policy against PD, world by world (differences are policy minus PD; less is better)",
        ("", "both docked", "only policy", "only PD", "time [s]", "error [mm]", "better at 95 %"),
        versus,
    )
    names = list(skill["baselines"])
    show_table(
        "Uniform gravity, worlds from the prior; the policy is told nothing of it, and the PD neither",
        ("gravity", "[m/s2]", "policy docked", "time [s]", "error [mm]", "energy [J]", *(f"{b} docked" for b in names)),
        [
            (
                level,
                number(cell["gravity_mps2"], 3),
                percent(cell),
                number(cell["time_to_success_s"], 3),
                number(1000.0 * cell["final_error_m"], 3),
                f"{cell['energy_j']:.0f}",
                *(f"{100 * cell['baselines'][b]['success']:.1f} %" for b in names),
            )
            for level, cell in skill["gravities"].items()
        ],
    )


def _winners(pair: Mapping[str, Any], baseline: str) -> str:
    """Who is better in what, in words."""
    found = {"success": pair["better_success"]}
    for name in ("time_s", "final_error_m"):
        row = pair[f"difference_{name}"]
        found[name.split("_")[0] if name == "time_s" else "error"] = row["better"] if row else "neither shown"
    names = {"policy": "policy", "other": baseline, "neither shown": "neither"}
    return ", ".join(f"{what}: {names[who]}" for what, who in found.items())
