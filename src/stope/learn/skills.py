# SPDX-License-Identifier: Apache-2.0
"""The skills: what each is trained with by default, and the policies that come with the package.

`RECIPES` are the settings that made the shipped policies; `stope train SKILL --check` trains by the card of a shipped
policy again.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from stope.base.config import build
from stope.base.errors import ConfigError, FileError, UnknownName
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.practice import TASK_NAMES
from stope.learn.skill_training import SkillConfig
from stope.learn.train import TrainConfig
from stope.world.tasks import HaulConfig
from stope.world.tasks.haul import HAULER

__all__ = [
    "FLIGHTS",
    "RECIPES",
    "SKILLS",
    "flight_config",
    "shipped",
    "shipped_config",
    "shipped_names",
    "skill_config",
]

SKILLS = TASK_NAMES
FLIGHTS = ("dock", "haul")
"""Skills of one rigid body without contact."""

RECIPES: dict[str, SkillConfig] = {
    "anchor": SkillConfig(task="anchor", num_imitation=60, imitation_updates=48, retold=1.0, shrink=1.0),
    "capture": SkillConfig(task="capture", num_imitation=60),
    "dig": SkillConfig(task="dig", num_imitation=100, imitation_updates=60, action_std=0.03),
    "hop": SkillConfig(
        task="hop", num_worlds=64, steps_per_iteration=8, num_imitation=10, imitation_updates=200, num_evaluation=128
    ),
}
"""Settings of each task with contact that differ from the defaults (docs/explanation/skills.md has what they gave)."""


def flight_config(skill: str) -> TrainConfig:
    """Default configuration of `dock` or `haul`."""
    return TrainConfig(skill="haul", robot=HAULER, task=HaulConfig()) if skill == "haul" else TrainConfig()


def skill_config(skill: str) -> SkillConfig:
    """Default configuration of a task with contact.

    Raises:
        UnknownName: no such task.
    """
    if skill not in SKILLS or skill in FLIGHTS:
        raise UnknownName.of("skill", skill, [s for s in SKILLS if s not in FLIGHTS], listing="stope world tasks")
    return RECIPES.get(skill, SkillConfig(task=skill))


def shipped_names() -> tuple[str, ...]:
    """Skills with a policy in the package."""
    folder = files("stope.learn") / "shipped"
    if not folder.is_dir():
        return ()
    return tuple(sorted(f.name.removesuffix(".safetensors") for f in folder.iterdir() if f.name.endswith("tensors")))


def shipped(skill: str) -> tuple[GruPolicy | MlpPolicy, Path]:
    """The policy that comes with the package, and its file.

    Raises:
        FileError: if there is none.
    """
    if skill not in shipped_names():
        raise FileError(f"no policy for {skill!r} comes with the package. Train one: `stope train {skill}`.")
    with as_file(files("stope.learn") / "shipped" / f"{skill}.safetensors") as path:
        return (MlpPolicy if skill in FLIGHTS else GruPolicy).load(path), path


def shipped_config(policy: GruPolicy | MlpPolicy, path: Path, *, seed: int) -> SkillConfig | TrainConfig:
    """The configuration on a policy's card, with a seed.

    Raises:
        FileError: if the card holds none that fits this version.
    """
    found = policy.card.get("config")
    if not isinstance(found, dict):
        raise FileError(f"{path}: its card holds no configuration. Train it again.")
    try:
        kind = TrainConfig if isinstance(policy, MlpPolicy) else SkillConfig
        return build(kind, found | {"seed": seed}, where=f"{path}: card")
    except ConfigError as error:
        raise FileError(f"{error} The policy is of another version; train it again.") from None
