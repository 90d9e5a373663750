# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and the configuration they make together."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stope.learn.policies import MlpPolicy
    from stope.learn.skill_training import SkillConfig
    from stope.learn.train import TrainConfig
    from stope.world.robots import Robot as Flyer

__all__ = ["AsJson", "Body", "Episodes", "Height", "Latitude", "Longitude", "Robot", "Runs", "Seed", "Settings",
           "Threads", "Workers", "all_cores", "config_of_card", "example", "place", "policy_for", "skill_config_of",
           "skills_of"]  # fmt: skip

LARGEST_SEED = 2**63 - 1
MOST_EPISODES = 100_000
"""Per cell; each costs about 3 kB of memory and 0.6 ms on 2 cores (measured)."""


def all_cores() -> int:
    """Cores this process may use."""
    given = os.environ.get("NUMBA_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else len(os.sched_getaffinity(0))


def _within(low: int, high: int, what: str) -> Callable[[int], int]:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise typer.BadParameter(f"{value} is not in the range {low} to {high}{what}.")
        return value

    return check


def example(*commands: str) -> str:
    """Epilog of a command's help: how it is used."""
    return (
        "[bold]Example[/bold]" + ("s" if len(commands) > 1 else "") + "\n\n" + "\n\n".join(f"$ {c}" for c in commands)
    )


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables.")]
Workers = Annotated[
    str,
    typer.Option(metavar="N|ray://ADDRESS", help="Processes, or Ray's: ray://local?num=2. Results do not change."),
]
Threads = Annotated[
    int,
    typer.Option(default_factory=all_cores, show_default="all cores", metavar="N",
                 callback=_within(1, all_cores(), ", the cores of this machine"),
                 help="Threads of the physics; results do not depend on it."),
]  # fmt: skip
Seed = Annotated[
    int, typer.Option(callback=_within(0, LARGEST_SEED, ""), metavar="SEED", help="Root seed of everything random.")
]
Episodes = Annotated[
    int, typer.Option("--n", callback=_within(1, MOST_EPISODES, ""), metavar="N", help="Episodes in each cell.")
]
Runs = Annotated[Path, typer.Option(metavar="DIR", help="Folder that trained policies are kept in.")]
Robot = Annotated[str | None, typer.Option(metavar="NAME", help="A name of `stope world robots`, or a TOML file.")]
Body = Annotated[str | None, typer.Option(metavar="NAME", help="A name of `stope world bodies`, or a TOML file.")]
Latitude = Annotated[float | None, typer.Option(metavar="DEG", help="Of the site; north is positive.")]
Longitude = Annotated[float | None, typer.Option(metavar="DEG", help="Of the site; east is positive.")]
Height = Annotated[float | None, typer.Option(metavar="M", help="Of the docking pose above the ground.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Override a setting of this command by its name; may be repeated."
    ),
]


def skills_of(name: str) -> list[str]:
    """The skills that a name stands for: one, or "all".

    Raises:
        UnknownName: with the closest known one.
    """
    from stope.base.errors import UnknownName  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.skills import SKILLS  # noqa: PLC0415 -- as above

    if name == "all":
        return list(SKILLS)
    if name not in SKILLS:
        raise UnknownName.of("skill", name, SKILLS, listing="stope world tasks")
    return [name]


def skill_config_of(
    skill: str | SkillConfig, *, seed: int | None, settings: list[str] | None, **flight: object
) -> SkillConfig:
    """Configuration of a task with contact with `--set` applied; `task.FIELD` are numbers of the task.

    Args:
        skill: Its name, or a configuration to go on from.
        seed: Root seed, if another than the configuration's.
        settings: What `--set` gave.
        flight: Options that only dock and haul take.

    Raises:
        ConfigError: an option that only a free flight takes, or a setting that is none.
    """
    from stope.base.config import override  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.errors import ConfigError  # noqa: PLC0415 -- as above
    from stope.learn.skills import skill_config  # noqa: PLC0415 -- as above

    config = skill_config(skill) if isinstance(skill, str) else skill
    for name, value in flight.items():
        if value is not None:
            raise ConfigError(
                f"--{name} is for dock and haul: {config.task} brings its own; see `--set task.{name}=...`."
            )
    config = replace(config, seed=config.seed if seed is None else seed)
    given = settings or []
    own = [text for text in given if not text.startswith("task.")]
    numbers = tuple(text.removeprefix("task.") for text in given if text.startswith("task."))
    return replace(override(config, own) if own else config, settings=(*config.settings, *numbers))


def place(
    config: TrainConfig,
    *,
    robot: str | None = None,
    body: str | None = None,
    latitude: float | None = None,
    longitude: float | None = None,
    height: float | None = None,
    seed: int | None = None,
    settings: list[str] | None = None,
) -> TrainConfig:
    """A configuration with what the options say of robot, site and seed, then with `--set` applied."""
    from stope.base.config import override  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.train import SiteConfig  # noqa: PLC0415 -- as above

    site = config.site if body is None else SiteConfig(body=body, height=config.site.height)
    site = replace(
        site,
        latitude_deg=site.latitude_deg if latitude is None else latitude,
        longitude_deg=site.longitude_deg if longitude is None else longitude,
        height=site.height if height is None else height,
    )
    config = replace(config, site=site, robot=robot or config.robot, seed=config.seed if seed is None else seed)
    return override(config, settings) if settings else config


def config_of_card(policy: MlpPolicy, path: Path) -> TrainConfig:
    """The configuration a policy file says it was trained with.

    Raises:
        FileError: if its card holds none that fits this version.
    """
    from stope.base.config import build  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.base.errors import ConfigError, FileError  # noqa: PLC0415 -- as above
    from stope.learn.train import TrainConfig  # noqa: PLC0415 -- as above

    found = policy.card.get("config")
    if not isinstance(found, dict):
        raise FileError(f"{path}: its card holds no configuration. Train it again.")
    try:
        return build(TrainConfig, found, where=f"{path}: card")  # pyright: ignore[reportUnknownArgumentType]
    except ConfigError as error:
        raise FileError(f"{error} The policy is of another version; train it again.") from None


def policy_for(policy: MlpPolicy, path: Path, robot: Flyer) -> None:
    """Refuse a policy whose allocation holds the numbers of another robot.

    Raises:
        ConfigError: naming both robots.
    """
    import numpy as np  # noqa: PLC0415 -- keeps `stope --help` fast

    from stope.base.errors import ConfigError  # noqa: PLC0415 -- as above
    from stope.world.allocation import Allocation  # noqa: PLC0415 -- as above

    mine, wanted = policy.allocation, Allocation.of(robot)
    for name in ("centre", "spread", "limit", "mount", "authority"):
        if not np.allclose(getattr(mine, name), getattr(wanted, name), rtol=1e-9, atol=1e-12):
            trained = policy.card.get("robot") or "another robot"
            raise ConfigError(
                f"{path}: trained for robot {trained!r} (its {name} differs): expected one for {robot.name!r}. "
                f"Train one: `stope train dock --robot {robot.name}`."
            )
