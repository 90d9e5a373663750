# SPDX-License-Identifier: Apache-2.0
"""`stope evaluate`: how well a policy does, by condition and gravity, beside baselines in the same worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stope.base.errors import ConfigError
from stope.cli.console import interval, line, number, percent, progress_bars, show_table
from stope.cli.keep import reported, told
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
    Workers,
    config_of_card,
    example,
    place,
    policy_for,
    skill_config_of,
    skills_of,
)

if TYPE_CHECKING:
    from stope.base.progress import Progress
    from stope.base.workers import Workers as Crew
    from stope.learn.policies import MlpPolicy
    from stope.learn.skill_assess import Believed
    from stope.learn.train import TrainConfig
    from stope.world.tasks import ContactTask

__all__ = ["EXAMPLE", "evaluate"]

EXAMPLE = example(
    "stope evaluate dock",
    "stope evaluate dock --policy runs/bennu.safetensors --n 2000 --json",
    "stope evaluate dock --belief belief.json",
    "stope evaluate dig --only ignorant --only script",
    "stope evaluate dig --belief soil.json --only belief --only belief-ignorant --only belief-script",
    "stope evaluate all --workers 8 --json",
)
COLUMNS = ("flown by", "docked", "2 cm for 10 s", "1 cm for 10 s", "time [s]", "error [mm]", "energy [J]", "gas [g]")
ABOUT = {
    "default": "default: the prior's median world, told the prior",
    "prior": "prior: worlds from the prior, told a noisy belief of each",
    "ignorant": "ignorant: worlds from the prior, told only the prior",
    "belief": "belief: worlds from the belief, told the belief",
}


TOLD = {
    "ignorant": "policy, told only the prior",
    "prior": "policy, told a noisy belief",
    "sharp": "policy, told a sharp belief",
    "truth": "policy, told the truth",
    "belief": "policy, told the belief, in worlds of the belief",
    "belief-ignorant": "policy, told only the prior, in worlds of the belief",
}


@reported(
    basis="measured",
    notes=(
        "Flown in simulated worlds, none in flight. Success in soil at micro-gravity is extrapolation: nobody has "
        "measured that soil.",
    ),
)
def evaluate(
    skill: Annotated[str, typer.Argument(metavar="SKILL", help="A name of `stope world tasks`, or all.")],
    *,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Policy; left out, the package's or one trained or found in --runs."),
    ] = None,
    belief: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of `stope flight fit` (dock, haul) or `soil`: adds worlds drawn from it."),
    ] = None,
    n: Episodes = 1000,
    seed: Seed = 1,
    robot: Robot = None,
    body: Body = None,
    latitude: Latitude = None,
    longitude: Longitude = None,
    height: Height = None,
    settings: Settings = None,
    has_envelope: Annotated[
        bool, typer.Option("--envelope/--no-envelope", help="Whether the safety envelope may take over from a policy.")
    ] = True,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="CELL", help="A condition or baseline to fly, of a task with contact; repeat for more."),
    ] = None,
    runs: Runs = Path("runs"),
    workers: Workers = "1",
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Fly a policy in fresh worlds: success, time, energy and error, each rate with its 95 % interval.

    The baselines (thrusters off, random, PD with and without the belief, adaptive control, script, and tutor, the
    program that taught a policy) get the same worlds, starts and noise. The safety envelope stands between the policy
    and its robots, and counts when it acts; the baselines fly bare.
    Robot, site and task are those the policy was trained with, unless options say otherwise.
    """
    from stope.base.workers import make_workers  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.skills import FLIGHTS  # noqa: PLC0415 -- as above

    names = skills_of(skill)
    options = {"robot": robot, "body": body, "latitude": latitude, "longitude": longitude, "height": height}
    if len(names) > 1 and (policy or belief or settings or any(v is not None for v in options.values())):
        raise ConfigError("all: expected no option of one skill (--policy, --belief, --set, --robot, a place).")
    if only and any(name in FLIGHTS for name in names):
        raise ConfigError("--only is for tasks with contact: expected no dock or haul beside it.")
    found: dict[str, Any] = {}
    crew = make_workers(workers)
    each = max(1, threads // crew.num)  # threads are of one worker
    with progress_bars() as progress:
        for name in names:
            if name in FLIGHTS:
                found[name] = _flight(name, policy, belief, n, seed, runs, each, progress, crew, settings=settings,
                                      has_envelope=has_envelope, **options)  # fmt: skip
            else:
                found[name] = _skill(name, policy, belief, n, seed, runs, each, progress, crew, settings=settings,
                                     only=only or (), has_envelope=has_envelope, **options)  # fmt: skip
    if told({"skills": found}, as_json=as_json, says=_says(found)):
        return
    for name, cells in found.items():
        if name in FLIGHTS:
            _show(name, cells, n)
        else:
            _show_skill(name, cells, n)


def _says(found: Mapping[str, Any]) -> str:
    """The answer in a sentence: the policy's success under its usual condition."""
    parts: list[str] = []
    for name, cells in found.items():
        condition = "prior" if "prior" in cells["conditions"] else next(iter(cells["conditions"]), "")
        if condition:
            parts.append(f"{name} succeeds in {percent(cells['conditions'][condition])} ({condition})")
    return "; ".join(parts) + ", with 95 % intervals." if parts else "Baselines alone were flown."


def _flight(
    name: str, policy: Path | None, belief: Path | None, n: int, seed: int, runs: Path, threads: int,
    progress: Progress, workers: Crew, *, has_envelope: bool, **options: Any,
) -> dict[str, Any]:  # fmt: skip
    """Cells of `dock` or `haul`."""
    from stope.learn.assess import assess  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.world.belief import Belief  # noqa: PLC0415 -- as above

    told = None if belief is None else Belief.load(belief)
    flown, path, config = _policy(name, policy, runs, threads, progress, **options)
    robot = config.make_robot()
    policy_for(flown, path, robot)
    result = assess(flown, robot, config.site.site(), task=config.make_task(), num=n, seed=seed,
                    belief=told, num_threads=threads, progress=progress, skill=name,
                    is_enveloped=has_envelope, workers=workers)  # fmt: skip
    return result["skills"][name] | {"policy": {"file": str(path), "digest": flown.digest}}


def _skill(
    name: str, policy: Path | None, belief: Path | None, n: int, seed: int, runs: Path, threads: int,
    progress: Progress, workers: Crew, *, has_envelope: bool, only: Sequence[str], **options: Any,
) -> dict[str, Any]:  # fmt: skip
    """Cells of a task with contact; left out, the policy is the package's, or one is trained."""
    from stope.learn.policies import GruPolicy  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.skill_assess import assess_skill, check_policy  # noqa: PLC0415 -- as above
    from stope.learn.skill_training import SkillConfig  # noqa: PLC0415 -- as above
    from stope.learn.skills import shipped, shipped_config, shipped_names  # noqa: PLC0415 -- as above
    from stope.learn.store import trained_skill  # noqa: PLC0415 -- as above

    believed = None if belief is None else _believed(belief, n, seed)
    if policy is None and name not in shipped_names():
        config = skill_config_of(name, seed=None, **options)
        task = config.make_task()
        _check_envelope(name, task, has_envelope=has_envelope)  # before the work
        flown, path = trained_skill(config, runs, num_threads=threads, progress=progress)
    else:
        flown, path = shipped(name) if policy is None else (GruPolicy.load(policy), policy)
        assert isinstance(flown, GruPolicy), "a task with contact has a policy with memory"
        given: list[str] = options["settings"] or []
        if own := [text for text in given if not text.startswith("task.")]:
            raise ConfigError(f"--set {own[0]}: a number of a training: expected task.NUMBER=..., for none is trained.")
        base = shipped_config(flown, path, seed=1)
        assert isinstance(base, SkillConfig), "a policy with memory"
        task = skill_config_of(base, seed=None, **options).make_task()
        _check_envelope(name, task, has_envelope=has_envelope)
    check_policy(flown, task, name, str(path))
    result = assess_skill(flown, name, task, num=n, seed=seed, num_threads=threads, progress=progress,
                          is_enveloped=has_envelope, only=only, believed=believed, workers=workers)  # fmt: skip
    return result["skills"][name] | {"policy": {"file": path.name if policy is None else str(path),
                                                "digest": flown.digest}}  # fmt: skip


def _check_envelope(name: str, task: ContactTask, *, has_envelope: bool) -> None:
    """Refuse a task, of another package perhaps, that has no limits to hold a policy to."""
    from stope.learn.envelope_limits import LIMITS  # noqa: PLC0415 -- keeps `stope --help` fast

    if has_envelope and name not in LIMITS:
        raise ConfigError(f"{name} with {task.robot}: no safety envelope has limits for it. Fly bare: `--no-envelope`.")


def _believed(file: Path, n: int, seed: int) -> Believed:
    """Grounds from a belief of `stope flight soil`, with what soil that acts in a scoop may differ by."""
    from stope.base.seeding import generator  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.flight.ground.belief import GroundBelief  # noqa: PLC0415 -- as above
    from stope.flight.ground.imagine import acting  # noqa: PLC0415 -- as above
    from stope.learn.skill_assess import Believed  # noqa: PLC0415 -- as above

    belief, rng = GroundBelief.load(file), generator(seed, "evaluate-belief")
    return Believed(acting(belief.draw(n, rng), rng), belief.summary())


def _policy(
    skill: str,
    file: Path | None,
    runs: Path,
    threads: int,
    progress: Progress,
    **options: Any,
) -> tuple[MlpPolicy, Path, TrainConfig]:
    """The policy to evaluate, its file, and the configuration that says where it is flown."""
    from stope.learn.policies import MlpPolicy  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.skills import flight_config, shipped, shipped_names  # noqa: PLC0415 -- as above
    from stope.learn.store import trained_flight  # noqa: PLC0415 -- as above

    if file is not None:
        policy = MlpPolicy.load(file)
        if policy.card.get("task") != skill:
            raise ConfigError(f"{file}: a policy of task {policy.card.get('task')!r}: expected one of {skill!r}.")
        return policy, file, place(config_of_card(policy, file), **options)
    config = place(flight_config(skill), **options)
    if config == flight_config(skill) and skill in shipped_names():
        found, path = shipped(skill)
        assert isinstance(found, MlpPolicy), "a free flight has a policy without memory"
        return found, Path(path.name), config
    policy, path = trained_flight(config, runs, num_threads=threads, progress=progress)
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


def _show_skill(name: str, skill: Mapping[str, Any], n: int) -> None:
    line(f"{name} with {skill['robot']} at {skill['site']}, {n} episodes in each cell, 95 % Clopper-Pearson intervals; "
         "worlds from the prior, unless a belief is named")  # fmt: skip
    rows = [(TOLD[c], percent(cell), f"{100 * cell['failed']:.1f} %", number(cell["time_to_success_s"], 3),
             number(cell["effort"], 3)) for c, cell in skill["conditions"].items()]  # fmt: skip
    rows += [(who, percent(cell), f"{100 * cell['failed']:.1f} %", number(cell["time_to_success_s"], 3),
              number(cell["effort"], 3)) for who, cell in skill["baselines"].items()]  # fmt: skip
    show_table(f"{name}", ("done by", "success", "failed for good", "time [s]", "mean action"), rows)
    versus = [(c, str(p["only_policy"]), str(p["only_other"]), p["better_success"].replace("other", "script"))
              for c, p in skill["paired"].items()]  # fmt: skip
    _show_envelope(skill["conditions"])
    if versus:
        show_table(
            "Policy against script, world by world", ("told", "only policy", "only script", "better at 95 %"), versus
        )


def _show(name: str, skill: Mapping[str, Any], n: int) -> None:
    line(f"{name} with {skill['robot']} at {skill['site']}, {n} episodes in each cell, 95 % Clopper-Pearson intervals")
    line("time: median of those that docked. error: mean over the last 5 s of the time limit.")
    for condition, cell in skill["conditions"].items():
        rows = [_row("policy", cell)]
        rows += [_row(name, row[condition]) for name, row in skill["baselines"].items()]
        show_table(ABOUT[condition], COLUMNS, rows)
    _show_envelope({**skill["conditions"], **skill["gravities"]})
    versus: list[tuple[str, ...]] = []
    for condition, row in skill["paired"].items():
        for who, pair in row.items():
            time, error = pair["difference_time_s"], pair["difference_final_error_m"]
            versus.append((
                f"{condition}: policy and {who}", str(pair["both"]), str(pair["only_policy"]), str(pair["only_other"]),
                interval(time), interval(error, 1000.0),
                _winners(pair, who),
            ))  # fmt: skip
    show_table(
        "Policy against PD and adaptive control, world by world (differences are policy minus other; less is better)",
        ("", "both docked", "only policy", "only other", "time [s]", "error [mm]", "better at 95 %"),
        versus,
    )
    names = list(skill["baselines"])
    show_table(
        "Uniform gravity, worlds from the prior; nobody is told of it",
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


def _show_envelope(cells: Mapping[str, Mapping[str, Any]]) -> None:
    """When the safety envelope took over from the policy."""
    rows: list[tuple[str, ...]] = []
    for name, cell in cells.items():
        if "envelope" in cell:
            found = cell["envelope"]
            causes = ", ".join(f"{cause} {n}" for cause, n in found["interventions"].items() if n)
            rows.append((name, percent(found["worlds"]), f"{100 * found['steps']:.2f} %", causes or "none"))
    if rows:
        show_table("Safety envelope of the policy", ("cell", "worlds touched", "steps changed", "times by cause"), rows)


def _winners(pair: Mapping[str, Any], baseline: str) -> str:
    """Who is better in what, in words."""
    found = {"success": pair["better_success"]}
    for name in ("time_s", "final_error_m"):
        row = pair[f"difference_{name}"]
        found[name.split("_")[0] if name == "time_s" else "error"] = row["better"] if row else "neither shown"
    names = {"policy": "policy", "other": baseline, "neither shown": "neither"}
    return ", ".join(f"{what}: {names[who]}" for what, who in found.items())
