# SPDX-License-Identifier: Apache-2.0
"""Trained policies on disk: one folder per configuration, trained when it is not there, resumed when it is half there.

A folder is named by a hash of the configuration, of the numbers of its robot, its site and its ground, and of the
policy family, so a changed number trains anew and never finds a stale policy. It holds `config.json`, `history.json`,
`checkpoint.safetensors` while training runs and, written last, `policy.safetensors`.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stope import __version__
from stope.base.config import as_dict, content_hash
from stope.base.errors import FileError
from stope.base.files import write_json
from stope.base.progress import Progress, silent
from stope.base.ranks import Group
from stope.base.workers import Here, Unit, Workers
from stope.learn.assess import NUM_EPISODES, fly_conditions, fresh_seed
from stope.learn.curves import Curves
from stope.learn.evaluate import conditions
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.skill_training import SkillConfig, SkillTraining
from stope.learn.train import TrainConfig, Training, train
from stope.world.gravities import place_of
from stope.world.regolith import ground_prior
from stope.world.robots import Robot
from stope.world.site import Site
from stope.world.tasks import ContactTask

__all__ = ["git_commit", "physics_hash", "run_folder", "task_hash", "trained_all", "trained_flight", "trained_skill"]

TUTORS = 6
"""Raised whenever a script or a tutor of a task is changed, so that policies taught by the one before are not found."""


def trained_flight(
    config: TrainConfig,
    root: Path,
    *,
    num_threads: int = 1,
    progress: Progress = silent,
    group: Group | None = None,
) -> tuple[MlpPolicy, Path]:
    """The policy of a free flight: loaded when it is there, else trained; a killed training is taken up.

    Args:
        config: What and how.
        root: Folder of all runs.
        num_threads: Threads of the physics; the weights do not depend on it.
        progress: Told of the stages "train SKILL" and "measure SKILL".
        group: The ranks that train together, as the process has joined them; the first alone reads and writes. This
            one alone if left out.

    Returns:
        The policy, and its file. Its card says how it was made and how it does in fresh worlds.

    Raises:
        FileError: a policy or checkpoint that is not whole, or belongs to another configuration.
    """
    group = group or Group()
    robot, site = config.make_robot(), config.site.site()
    folder = run_folder(config, root, robot=robot, site=site, ranks=group.size)
    path = folder / "policy.safetensors"
    if group.agreed(path.exists()):
        policy = group.agreed(_found(config, path) if group.is_first else None)
        return policy, path
    checkpoint = folder / "checkpoint.safetensors"

    def on_iteration(run: Training) -> None:
        if run.iteration == 1 and group.is_first:
            write_json(folder / "config.json", as_dict(config))
        progress(f"train {config.skill}", run.iteration / config.num_iterations)

    progress(f"train {config.skill}", 0.0)
    policy, run = train(config, num_threads=num_threads, checkpoint=checkpoint, on_iteration=on_iteration, group=group)
    progress(f"train {config.skill}", 1.0)
    if group.is_first:
        policy.card = _card(policy, run, robot, site, num_threads=num_threads, progress=progress)
        write_json(folder / "history.json", run.history)
        policy.save(path)
        checkpoint.unlink(missing_ok=True)
    return group.agreed(policy), path


def _found(config: TrainConfig, path: Path) -> MlpPolicy:
    policy = MlpPolicy.load(path)
    if policy.card.get("config_hash") != content_hash(config):
        raise FileError(f"{path}: trained from configuration {policy.card.get('config_hash')}: expected "
                        f"{content_hash(config)}. Delete the folder to train again.")  # fmt: skip
    return policy


def run_folder(config: TrainConfig, root: Path, *, robot: Robot, site: Site, ranks: int = 1) -> Path:
    """Where the policy of a configuration lives, as trained by a number of ranks."""
    decides = [content_hash(config), physics_hash(robot, site), MlpPolicy.family, *([ranks] if ranks > 1 else [])]
    if config.make_task() != config.task:
        decides.append(as_dict(config.make_task()))  # what its platform makes of the task
    return Path(root) / f"train-{config.skill}-{content_hash(decides)}"


def trained_skill(
    config: SkillConfig, root: Path, *, num_threads: int = 1, progress: Progress = silent
) -> tuple[GruPolicy, Path]:
    """The policy of a task with contact: loaded when it is there, else trained; a killed training is taken up.

    Args:
        config: What and how.
        root: Folder of all runs.
        num_threads: Threads of the physics; the weights do not depend on it.
        progress: Told of the stage "train TASK".

    Returns:
        The policy, and its file. Its card says how it was made, and how it did on the worlds that chose its weights.

    Raises:
        FileError: a policy or checkpoint that is not whole, or belongs to another configuration.
    """
    decides = [content_hash(config), task_hash(config.make_task()), GruPolicy.family]
    folder = Path(root) / f"train-{config.task}-{content_hash(decides)}"
    path, checkpoint = folder / "policy.safetensors", folder / "checkpoint.safetensors"
    if path.exists():
        policy = GruPolicy.load(path)
        if policy.card.get("config_hash") != content_hash(config):
            raise FileError(f"{path}: trained from configuration {policy.card.get('config_hash')}: expected "
                            f"{content_hash(config)}. Delete the folder to train again.")  # fmt: skip
        return policy, path
    progress(f"train {config.task}", 0.0)
    run = SkillTraining(config, num_threads=num_threads, checkpoint=checkpoint)
    write_json(folder / "config.json", as_dict(config))
    with Curves(folder, run) as curves:
        while not run.is_done:
            run.advance()
            curves.add(run)
            progress(f"train {config.task}", run.iteration / config.num_iterations)
    assert run.best is not None
    policy = run.best
    policy.card = run.card() | {"digest": policy.digest, "physics_threads": num_threads, "version": __version__,
                                "git_commit": git_commit()}  # fmt: skip
    write_json(folder / "history.json", run.history)
    policy.save(path)
    run.replay.clear()
    checkpoint.unlink(missing_ok=True)
    return policy, path


def trained_all(
    configs: Sequence[TrainConfig] | Sequence[SkillConfig], root: Path, *, num_threads: int = 1,
    progress: Progress = silent, workers: Workers | None = None,
) -> list[Any]:  # fmt: skip
    """The policies of several configurations, each training a unit of work; their weights do not depend on who works.

    Args:
        configs: Of free flights, or of tasks with contact.
        root: Folder of all runs; what another machine trains is written here too.
        num_threads: Threads of the physics of each training.
        progress: Told of the share of trainings that are there.
        workers: Who trains; this process if left out.

    Returns:
        One policy each, in order.
    """
    units = [Unit(_trained_one, (config, root, num_threads), f"training {k + 1} of {len(configs)}", shows=True)
             for k, config in enumerate(configs)]  # fmt: skip

    def keep(at: int, found: tuple[MlpPolicy | GruPolicy, Path]) -> None:
        if not found[1].exists():  # trained where there is no folder in common
            found[0].save(found[1])

    return [policy for policy, _ in (workers or Here()).do(units, progress=progress, keep=keep)]


def _trained_one(
    config: TrainConfig | SkillConfig, root: Path, num_threads: int, *, show: Callable[[float], None] | None = None
) -> tuple[MlpPolicy | GruPolicy, Path]:
    def told(stage: str, share: float) -> None:
        if show is not None and stage.startswith("train"):
            show(share)

    trained = trained_skill if isinstance(config, SkillConfig) else trained_flight
    return trained(config, root, num_threads=num_threads, progress=told)  # type: ignore[arg-type]


def physics_hash(robot: Robot, site: Site) -> str:
    """Hash of every number of a robot, its prior and its site that enters the physics; words are left out."""
    place = {
        "gravity_l": site.gravity_l, "attraction_l": site.attraction_l, "spin_l": site.spin_l,
        "position_l0": site.position_l0, "has_air": site.has_air, "jitter_rms": site.jitter_rms,
    }  # fmt: skip
    return content_hash({"robot": _plain(robot), "site": _plain(place)})


def task_hash(task: ContactTask) -> str:
    """Hash of all that decides what happens in a task with contact: its settings, physics, ground, script and tutor."""
    place = place_of(task.robot, task.body, latitude_deg=task.latitude_deg, height=task.height)
    ground = ground_prior()
    decides: list[Any] = [as_dict(task), physics_hash(place.robot, place.site), ground.centre.tolist(),
                          ground.spread.tolist(), TUTORS]  # fmt: skip
    if place.site.body.kind == "uniform":
        decides += [list(place.ground), list(place.extra)]
    return content_hash({"decides": decides})


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in ("sources", "summary")}
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return f"{value:.12g}" if isinstance(value, float) else value  # the last bits may differ between machines


def _card(
    policy: MlpPolicy, run: Training, robot: Robot, site: Site, *, num_threads: int, progress: Progress
) -> dict[str, Any]:
    """The card of a finished training, with its success in fresh worlds."""
    config = run.config
    questions = conditions(NUM_EPISODES, fresh_seed(config.seed))
    flown = fly_conditions(
        {"policy": lambda: policy}, {name: questions[name] for name in ("default", "prior")}, robot, site,
        task=config.make_task(), seed=config.seed, num_threads=num_threads,
        progress=lambda share: progress(f"measure {config.skill}", share),
    )  # fmt: skip
    return run.card() | {
        "robot": robot.name,
        "site": site.name,
        "physics_hash": physics_hash(robot, site),
        "prior": content_hash({"centre": robot.prior.centre.tolist(), "spread": robot.prior.spread.tolist()}),
        "seed": config.seed,
        "assessment_seed": config.seed,
        "success": {name: row["policy"].summary() for name, row in flown.items()},
        "learning_s": run.seconds,
        "physics_threads": num_threads,
        "digest": policy.digest,
        "version": __version__,
        "git_commit": git_commit(),
    }


def git_commit() -> str | None:
    """Commit of the checkout this package runs from, with "-dirty" where files differ from it; None without one."""
    folder = Path(__file__).parent
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        for command in (["ls-files", "--error-unmatch", Path(__file__).name],  # an installed copy is in no checkout
                        ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]):  # fmt: skip
            done = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()
    return None
