# SPDX-License-Identifier: Apache-2.0
"""`stope train`: teach a robot a skill at a site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stope.cli.console import line, number, percent, progress_bars, show_facts, show_json, show_table
from stope.cli.keep import reported, told
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
    skill_config_of,
    skills_of,
)
from stope.cli.settings import show_settings

if TYPE_CHECKING:
    from stope.base.progress import Progress
    from stope.base.workers import Workers as Crew
    from stope.learn.policies import GruPolicy, MlpPolicy
    from stope.learn.skill_training import SkillConfig
    from stope.learn.train import TrainConfig

__all__ = ["EXAMPLE", "train"]

EXAMPLE = example(
    "stope train dock",
    "stope train all",
    "stope train dock --body bennu --latitude 45 --seed 2 --out bennu.safetensors",
    "stope train anchor --set task.push_high=0.1 --set num_worlds=128",
    "stope train anchor --check",
    "stope train dock --workers 2",
    "torchrun --nproc-per-node 2 --no-python stope train dock",
)


@reported(basis="measured", notes=("Measured in simulated worlds, none in flight.",))
def train(
    skill: Annotated[str, typer.Argument(metavar="SKILL", help="A name of `stope world tasks`, or all.")],
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
    check: Annotated[
        bool, typer.Option("--check", help="Train the policy of the package again with this seed, and compare.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print all settings that --set can change, and stop.")
    ] = False,
    workers: Annotated[
        str,
        typer.Option(metavar="N|ray://ADDRESS", help="Ranks that train dock or haul together: processes, or Ray's."),
    ] = "1",
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Train a policy, or find the one that these settings have trained before.

    A killed training goes on from its last checkpoint and ends with the same weights. With --workers, or started by
    torchrun, dock and haul are trained by that many ranks, whose number decides the weights; each steps its share of
    the worlds. TensorBoard shows the curves of tasks with contact: `tensorboard --logdir runs`.
    """
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.files import check_writable  # noqa: PLC0415 -- as above
    from stope.learn.skills import FLIGHTS, flight_config  # noqa: PLC0415 -- as above

    names = skills_of(skill)
    check_writable(out)
    flight = {"robot": robot, "body": body, "latitude": latitude, "longitude": longitude, "height": height}
    if len(names) > 1 and (settings or out or any(v is not None for v in flight.values())):
        raise ConfigError(
            "all: expected no option of one skill (--set, --out, --robot, a place). Train them one by one."
        )
    if check and (settings or out or dry_run or any(v is not None for v in flight.values())):
        raise ConfigError("--check: expected no other setting (--set, --out, --dry-run, --robot, a place): it trains "
                          "the policy of the package as that was trained.")  # fmt: skip
    crew = _crew(workers, shares=not check and all(name in FLIGHTS for name in names))
    each = max(1, threads // crew.num)  # threads are of one worker
    if check:
        _check_shipped(skill, seed, runs, threads, as_json=as_json)
        return
    configs: dict[str, TrainConfig | SkillConfig] = {
        name: place(flight_config(name), seed=seed, settings=settings, **flight)  # type: ignore[arg-type]
        if name in FLIGHTS else skill_config_of(name, seed=seed, settings=settings, **flight) for name in names
    }  # fmt: skip
    if dry_run:
        _show_settings(configs, as_json=as_json)
        return
    found: dict[str, tuple[MlpPolicy | GruPolicy, Path]] = {}
    with progress_bars() as progress:
        for name, config in configs.items():
            found[name] = _trained(config, runs, each, progress, crew)
    if not _is_first():
        raise typer.Exit  # the first rank tells and keeps the answer
    if out is not None:
        found[skill][0].save(out)
    answers = {name: {"policy": str(out or path), "digest": policy.digest, "card": policy.card}
               for name, (policy, path) in found.items()}  # fmt: skip
    if told(answers if len(names) > 1 else answers[skill], as_json=as_json, says=_says(answers)):
        return
    for policy, path in found.values():
        _show(policy.card, policy.digest)
        line(f"policy: {out or path}")


def _show_settings(configs: Mapping[str, TrainConfig | SkillConfig], *, as_json: bool) -> None:
    """All that --set can change."""
    from stope.base.config import as_dict  # noqa: PLC0415 -- keeps `stope --help` fast

    if as_json:
        plain = {name: as_dict(config) for name, config in configs.items()}
        show_json(plain if len(plain) > 1 else next(iter(plain.values())))
        return
    for name, config in configs.items():
        show_settings(f"Settings of `stope train {name}`, as --set takes them", config)


def _crew(workers: str, *, shares: bool) -> Crew:
    """Who trains; several where the training can be shared alone."""
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.ranks import Group  # noqa: PLC0415 -- as above
    from stope.base.workers import make_workers  # noqa: PLC0415 -- as above

    crew, ranks = make_workers(workers), Group.of_environment().size
    if not shares and max(crew.num, ranks) > 1:
        raise ConfigError(f"train with {max(crew.num, ranks)} ranks: tasks with contact, and --check, are trained by "
                          "one process: expected dock or haul, without --check.")  # fmt: skip
    return crew


def _is_first() -> bool:
    """Whether this process speaks for all of torchrun's ranks."""
    from stope.base.ranks import Group  # noqa: PLC0415 -- keeps `stope --help` fast

    return Group.of_environment().is_first


def _trained(
    config: TrainConfig | SkillConfig, runs: Path, threads: int, progress: Progress, workers: Crew
) -> tuple[MlpPolicy | GruPolicy, Path]:
    from stope.learn.distributed import trained_together  # noqa: PLC0415 -- as above
    from stope.learn.skill_training import SkillConfig  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.store import trained_skill  # noqa: PLC0415 -- as above

    if isinstance(config, SkillConfig):
        return trained_skill(config, runs, num_threads=threads, progress=progress)
    return trained_together(config, runs, workers, num_threads=threads, progress=progress)


def _says(answers: Mapping[str, Any]) -> str:
    """The answer in a sentence: how each policy does where it was judged."""
    parts: list[str] = []
    for name, answer in answers.items():
        card = answer["card"]
        where, rate = next(iter(card["success"].items())) if "success" in card else ("selection", card["selection"])
        parts.append(f"{name} was trained in {number(card['learning_s'], 3)} s of learning and succeeds in "
                     f"{percent(rate)} ({where})")  # fmt: skip
    return "; ".join(parts) + ", with 95 % intervals."


def _show(card: Mapping[str, Any], digest: str) -> None:
    """How a policy was made, and how it does."""
    facts = {"robot": card["robot"], "site": card["site"], "control steps": card["steps"],
             "learning [s]": card["learning_s"], "weights": digest}  # fmt: skip
    show_facts(f"Trained: {card['task']}", facts)
    if "success" not in card:
        chosen = card["selection"]
        line(f"success on the {card['num_evaluation']} worlds that chose the weights: {percent(chosen)}; fresh worlds: "
             f"`stope evaluate {card['task']} --policy FILE`")  # fmt: skip
        return
    rows = [(name, percent(c), percent(c["within_2cm_10s"]), number(c["time_to_success_s"], 3),
             f"{1000 * c['final_error_m']:.1f}") for name, c in card["success"].items()]  # fmt: skip
    n = next(iter(card["success"].values()))["n"]
    show_table(f"In {n} fresh worlds each", ("condition", "docked", "2 cm for 10 s", "time [s]", "error [mm]"), rows)


def _check_shipped(skill: str, seed: int, runs: Path, threads: int, *, as_json: bool) -> None:
    """Train by a shipped policy's card; leave with 1 if the result's interval and the card's do not meet."""
    from stope.base.workers import Here  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.skills import shipped, shipped_config  # noqa: PLC0415 -- keeps `stope --help` fast

    policy, path = shipped(skill)
    config = shipped_config(policy, path, seed=seed)
    with progress_bars() as progress:
        again, where = _trained(config, runs, threads, progress, Here())
    old, new = policy.card["selection"], again.card["selection"]
    meets = old["low"] <= new["high"] and new["low"] <= old["high"]
    result = {"skill": skill, "seed": seed, "shipped": old, "trained": new, "policy": str(where), "is_same": meets,
              "is_same_weights": again.digest == policy.digest}  # fmt: skip
    verdict = "The intervals meet." if meets else "The intervals do not meet."
    if not told(result, as_json=as_json, says=f"{skill} trained again with seed {seed}: {verdict}"):
        show_table(f"{skill}, on the {policy.card['num_evaluation']} worlds that chose the weights",
                   ("policy", "seed", "success", "weights"),
                   [("shipped", str(policy.card["config"]["seed"]), percent(old), policy.digest),
                    ("trained now", str(seed), percent(new), again.digest)],
                   note=verdict)  # fmt: skip
    if not meets:
        raise typer.Exit(1)
